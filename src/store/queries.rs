//! Queries for people: lists, the journal, marks, and pruning. Nothing here decides anything about a license.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::params;

use super::journal::{event_words, is_open};
use super::{LAST_NUMBER, Order, Store, StoreError, Tx, cell, read_number};
use crate::error::Text;
use crate::model::ids::{AccountId, ClientId, IntentId, ItemId, LicenseId, Mark, ModuleId, PanelId};
use crate::model::journal::{Intent, IntentEvent};
use crate::model::license_row::{LicenseRow, LicenseState};

/// A filter for licenses of ours. `None` excludes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct LicenseFilter<'f> {
    /// Their state.
    pub state: Option<LicenseState>,
    /// They are in the pool or wait to be freed into it.
    pub is_free: bool,
    /// The internal name that they were ordered for.
    pub product: Option<&'f str>,
    /// The module that they were bound with.
    pub module: Option<ModuleId>,
    /// They run out before this day.
    pub expires_before: Option<NaiveDate>,
    /// Their number, service or address is this, or their name contains it.
    pub text: Option<&'f str>,
}

impl LicenseFilter<'_> {
    /// Licenses in this state.
    pub const fn in_state(state: LicenseState) -> Self {
        Self { state: Some(state), ..Self::ALL }
    }

    /// Licenses that are free, or will be.
    pub const FREE: Self = Self { is_free: true, ..Self::ALL };

    const ALL: Self =
        Self { state: None, is_free: false, product: None, module: None, expires_before: None, text: None };

    /// Its condition.
    pub(super) const CONDITION: &'static str = "(?1 IS NULL OR state = ?1) AND (?2 IS NULL OR internal_name = ?2)
        AND (?3 IS NULL OR module = ?3) AND (?4 IS NULL OR expires < ?4)
        AND (?5 IS NULL OR CAST(id AS TEXT) = ?5 OR CAST(item AS TEXT) = ?5 OR ip = ?5
            OR instr(lower(name), lower(?5)) > 0)
        AND (NOT ?6 OR state IN ('pool', 'to_free'))";

    /// The parameters of [`Self::CONDITION`].
    pub(super) fn params(&self) -> [Box<dyn rusqlite::ToSql + '_>; 6] {
        [
            Box::new(self.state.map(LicenseState::word)),
            Box::new(self.product),
            Box::new(self.module.map(|module| module.0)),
            Box::new(self.expires_before.map(|day| day.to_string())),
            Box::new(self.text),
            Box::new(self.is_free),
        ]
    }

    /// Whether every license fits.
    pub fn is_empty(&self) -> bool {
        self.state.is_none()
            && !self.is_free
            && self.product.is_none()
            && self.module.is_none()
            && self.expires_before.is_none()
            && self.text.is_none()
    }
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalLine {
    /// When (UTC).
    pub at: DateTime<Utc>,
    /// The intent that it belongs to.
    pub intent: Option<IntentId>,
    /// The item it is about.
    pub item: Option<ItemId>,
    /// The license it is about.
    pub license: Option<LicenseId>,
    /// One word for what happened: the event of an intent, or of a decision.
    pub event: String,
    /// The words of the seller or the network, if the event holds them.
    pub detail: String,
    /// Why, in words.
    pub reason: Text,
}

fn read_line(row: &rusqlite::Row<'_>) -> rusqlite::Result<JournalLine> {
    let stored: String = row.get(4)?;
    let (event, detail) = match serde_json::from_str::<IntentEvent>(&stored) {
        Ok(event) => {
            let (word, detail) = event_words(&event);
            (word.to_owned(), detail)
        }
        Err(_) => (stored, String::new()),
    };
    Ok(JournalLine {
        at: cell::moment(row, 0)?,
        intent: row.get::<_, Option<u32>>(1)?.map(IntentId),
        item: row.get::<_, Option<u32>>(2)?.map(ItemId),
        license: row.get::<_, Option<u32>>(3)?.map(LicenseId),
        event,
        detail,
        reason: Text { en: row.get(5)?, ru: row.get(6)? },
    })
}

impl Store {
    /// Licenses of ours that fit, by account and number.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn licenses_that(&self, filter: LicenseFilter<'_>) -> Result<Vec<LicenseRow>, StoreError> {
        let mut rows = Vec::new();
        self.each_license(filter, Order::License, |row| {
            rows.push(row);
            true
        })?;
        Ok(rows)
    }

    /// Licenses of ours with that number, in any account.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn licenses_numbered(&self, id: LicenseId) -> Result<Vec<LicenseRow>, StoreError> {
        self.license_rows("id = ?1 ORDER BY account", params![id.0])
    }

    /// Licenses of ours that have or last had that address.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn licenses_at(&self, ip: std::net::IpAddr) -> Result<Vec<LicenseRow>, StoreError> {
        let text = ip.to_string();
        self.license_rows("ip = ?1 OR last_ip = ?1 ORDER BY (ip = ?1) DESC, account, id", params![text])
    }

    /// Licenses of ours whose key contains that text, in upper or lower case.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn licenses_keyed(&self, part: &str) -> Result<Vec<LicenseRow>, StoreError> {
        self.license_rows("instr(upper(lickey), upper(?1)) > 0 ORDER BY account, id", params![part])
    }

    /// The journal about an item, oldest first.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn journal_of_item(&self, item: ItemId) -> Result<Vec<JournalLine>, StoreError> {
        self.journal("item = ?1", params![item.0])
    }

    /// The journal about a license, oldest first. It includes the lines of its order, which did not know its number
    /// yet.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn journal_of_license(&self, account: AccountId, license: LicenseId) -> Result<Vec<JournalLine>, StoreError> {
        self.journal(
            "(account = ?1 AND license = ?2) OR intent IN (SELECT id FROM intent WHERE account = ?1 AND license = ?2)",
            params![account.0, license.0],
        )
    }

    fn journal(&self, condition: &str, params: &[&dyn rusqlite::ToSql]) -> Result<Vec<JournalLine>, StoreError> {
        let sql = format!("SELECT at, intent, item, license, event, en, ru FROM journal WHERE {condition} ORDER BY id");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(params, cell::of("journal", read_line))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// All orders of an account, however they ended: the seller may show their marks.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn orders(&self, account: AccountId) -> Result<Vec<Intent>, StoreError> {
        self.intents("account = ?1 AND kind = 'order'", params![account.0])
    }

    /// How many licenses, and how many orders, bear a mark that was not made by this installation.
    ///
    /// # Errors
    /// An error of SQLite; [`StoreError::Unusable`]: a row that cannot be read.
    pub fn marked_by_others(&self, panel: &PanelId) -> Result<(usize, usize), StoreError> {
        let is_other = |mark: &Mark| mark.panel() != panel;
        let mut statement = self.conn.prepare_cached("SELECT mark FROM license WHERE mark IS NOT NULL")?;
        let marks = statement.query_map([], |row| row.get::<_, String>(0))?;
        let marks = marks.collect::<Result<Vec<_>, _>>()?;
        let licenses = marks.iter().filter(|mark| Mark::parse(mark).as_ref().is_none_or(is_other)).count();
        let orders = self.intents("kind = 'order'", &[])?;
        let ordered = orders.iter().filter_map(|intent| intent.request.as_order());
        Ok((licenses, ordered.filter(|order| is_other(&order.mark)).count()))
    }

    /// The ids other than this one in the recorded marks of the licenses that exist, each with the number of its
    /// licenses.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn other_ids(&self, panel: &PanelId) -> Result<Vec<(PanelId, u32)>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT mark FROM license WHERE mark IS NOT NULL AND state <> 'deleted' ORDER BY account, id",
        )?;
        let marks = statement.query_map([], |row| row.get::<_, String>(0))?;
        let mut found = BTreeMap::new();
        for mark in marks {
            if let Some(mark) = Mark::parse(&mark?).filter(|mark| mark.panel() != panel) {
                *found.entry(mark.panel().clone()).or_insert(0) += 1;
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Intents of an item that wait for something, oldest first: without an ended outcome, or refused or not sent and
    /// not tried again since.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn waiting_intents(&self, item: ItemId) -> Result<Vec<Intent>, StoreError> {
        self.intents(
            "item = ?1 AND (status IN ('in_doubt', 'free_when_appears', 'handed_over')
             OR (status IN ('refused', 'not_sent') AND NOT EXISTS
                (SELECT 1 FROM intent later WHERE later.item = intent.item AND later.kind = intent.kind
                    AND later.id > intent.id)))",
            params![item.0],
        )
    }

    /// For each item, its newest order or renewal, if the seller refused that.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn refused_intents(&self) -> Result<Vec<Intent>, StoreError> {
        self.intents(
            "status = 'refused' AND kind IN ('order', 'renewal') AND item IS NOT NULL AND NOT EXISTS
             (SELECT 1 FROM intent later WHERE later.item = intent.item AND later.kind IN ('order', 'renewal')
                 AND later.id > intent.id)",
            &[],
        )
    }

    /// What the state knows under the number of an item: each moment of creation, with its client and the number of
    /// closes.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn incarnations_of_item(&self, item: ItemId) -> Result<Vec<(String, ClientId, u32)>, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT created, client, closes FROM item WHERE id = ?1")?;
        let rows = statement
            .query_map([item.0], cell::of("item", |row| Ok((row.get(0)?, ClientId(row.get(1)?), row.get(2)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The version of the schema.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn version(&self) -> Result<i32, StoreError> {
        Ok(self.conn.pragma_query_value(None, "user_version", |row| row.get(0))?)
    }

    /// How many licenses the state knows, in any state.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn count_all_licenses(&self) -> Result<u32, StoreError> {
        Ok(self.conn.query_row("SELECT count(*) FROM license", [], |row| row.get(0))?)
    }
}

/// The condition for lines of the journal that may be removed: they belong to no open intent, to no item that has a
/// license, and to no license that we hold (docs/money-safety.md 8). `?1`: they are older than this.
const PRUNABLE: &str = concat!(
    "at < ?1 AND (intent IS NULL OR intent NOT IN (SELECT id FROM intent WHERE ",
    is_open!(),
    "))
    AND (item IS NULL OR item IN (SELECT value FROM json_each(?2)))
    AND NOT EXISTS (SELECT 1 FROM license l WHERE l.account = journal.account AND l.id = journal.license
        AND l.state != 'deleted')"
);

impl Tx<'_> {
    /// Removes lines of the journal older than a moment that are about closed items and licenses that are gone.
    /// Bindings and intents stay.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn prune_journal(&self, before: DateTime<Utc>, closed: &[ItemId]) -> Result<usize, StoreError> {
        let ids: Vec<u32> = closed.iter().map(|item| item.0).collect();
        let json = serde_json::to_string(&ids).map_err(|error| StoreError::Unusable(error.to_string()))?;
        let sql = format!("DELETE FROM journal WHERE {PRUNABLE}");
        self.execute(&sql, params![before.timestamp(), json])
    }

    /// Raises the running number of orders to what was seen at the seller.
    ///
    /// # Errors
    /// As [`Store::number`].
    pub fn raise_last_number(&self, number: u32) -> Result<(), StoreError> {
        if read_number(self.conn, LAST_NUMBER)?.is_some_and(|last| last >= number) {
            return Ok(());
        }
        self.set_meta(LAST_NUMBER, &number.to_string())
    }

    /// Forgets a single value.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn remove_meta(&self, name: &str) -> Result<(), StoreError> {
        self.run("DELETE FROM meta WHERE name = ?1", params![name])
    }
}

impl Store {
    /// The running number of the newest order; 0 before the first.
    ///
    /// # Errors
    /// As [`Store::number`].
    pub fn last_number(&self) -> Result<u32, StoreError> {
        Ok(self.number(LAST_NUMBER)?.unwrap_or(0))
    }

    /// Items that lines of the journal older than a moment are about. Before pruning, the panel is asked which of them
    /// are closed.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn items_before(&self, before: DateTime<Utc>) -> Result<Vec<ItemId>, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT DISTINCT item FROM journal WHERE at < ?1 AND item IS NOT NULL")?;
        let rows = statement.query_map([before.timestamp()], cell::of("journal", |row| row.get(0).map(ItemId)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
