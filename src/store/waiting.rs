//! Services that wait until the account at the seller has money again. The waiting is written into the journal, where
//! people can read it. It ends when something is bought or bound for the service.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError, Tx};
use crate::error::Text;
use crate::model::ids::ItemId;

/// What a service waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// The balance is too low.
    Money,
    /// The account is blocked.
    Unblocking,
}

impl WaitsFor {
    /// The type of the error for this.
    pub fn word(self) -> &'static str {
        match self {
            Self::Money => "nomoney",
            Self::Unblocking => "blocked",
        }
    }

    /// What [`Self::word`] names.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        [Self::Money, Self::Unblocking].into_iter().find(|kind| kind.word() == word)
    }

    /// The word of the journal.
    fn event(self) -> &'static str {
        match self {
            Self::Money => "waits_nomoney",
            Self::Unblocking => "waits_blocked",
        }
    }

    fn parse(event: &str) -> Option<Self> {
        [Self::Money, Self::Unblocking].into_iter().find(|kind| kind.event() == event)
    }
}

/// The condition for the line of the journal that says that a service waits, if nothing was bought or bound for it
/// since.
const IS_LAST_WORD: &str = "j.event IN ('waits_nomoney', 'waits_blocked') AND NOT EXISTS (
    SELECT 1 FROM journal n LEFT JOIN intent i ON i.id = n.intent WHERE n.item = j.item AND n.id > j.id
    AND (n.event IN ('bound', 'claimed', 'waits_nomoney', 'waits_blocked')
        OR (n.event = '\"recorded\"' AND i.kind IN ('order', 'renewal', 'tariff', 'nodes'))))";

impl Store {
    /// What a service waits for. `None` when it does not wait for money.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn waits_for(&self, item: ItemId) -> Result<Option<WaitsFor>, StoreError> {
        let sql = ["SELECT j.event FROM journal j WHERE j.item = ?1 AND ", IS_LAST_WORD].concat();
        let mut statement = self.conn.prepare_cached(&sql)?;
        let event: Option<String> = statement.query_row([item.0], |row| row.get(0)).optional()?;
        Ok(event.as_deref().and_then(WaitsFor::parse))
    }

    /// All services that wait for money, longest first.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn waiting_for_money(&self) -> Result<Vec<(ItemId, WaitsFor)>, StoreError> {
        let sql =
            ["SELECT j.item, j.event FROM journal j WHERE j.item IS NOT NULL AND ", IS_LAST_WORD, " ORDER BY j.id"];
        let mut statement = self.conn.prepare_cached(&sql.concat())?;
        let rows = statement.query_map(params![], |row| Ok((ItemId(row.get(0)?), row.get::<_, String>(1)?)))?;
        let rows: Vec<(ItemId, String)> = rows.collect::<Result<_, _>>()?;
        Ok(rows.into_iter().filter_map(|(item, event)| Some((item, WaitsFor::parse(&event)?))).collect())
    }
}

impl Tx<'_> {
    /// Remembers that a service waits, and for which purchase.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn set_waits_for(&self, item: ItemId, waits_for: WaitsFor, reason: &Text) -> Result<(), StoreError> {
        self.note(Some(item), None, waits_for.event(), reason)
    }
}
