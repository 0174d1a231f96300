//! Services that wait until the account at the seller has money again. The waiting is written into the journal, where
//! people can read it. It ends when something is bought or bound for the service.

use std::sync::LazyLock;

use rusqlite::{OptionalExtension, params};

use super::journal::RECORDED;
use super::{Store, StoreError, Tx};
use crate::error::Text;
use crate::model::ids::ItemId;
use crate::model::journal::Note;
use crate::model::license_row::LicenseState;

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

    /// The line of the journal that says so.
    fn note(self) -> Note {
        match self {
            Self::Money => Note::WaitsForMoney,
            Self::Unblocking => Note::WaitsForUnblocking,
        }
    }

    fn parse(event: &str) -> Option<Self> {
        [Self::Money, Self::Unblocking].into_iter().find(|kind| kind.note().word() == event)
    }
}

/// Kinds of intents that buy something. While one of them is recorded, its service does not wait.
const BUYING: [&str; 4] = ["order", "renewal", "tariff", "nodes"];

/// The condition for the line of the journal that says that a service waits, if nothing was bought or bound for it
/// since.
static IS_LAST_WORD: LazyLock<String> = LazyLock::new(|| {
    let waits = [Note::WaitsForMoney, Note::WaitsForUnblocking];
    let ends = [Note::State(LicenseState::Bound), Note::State(LicenseState::Claimed)];
    let (waits, ends) = (words(&waits), words(&[waits, ends].concat()));
    let (recorded, buying) = (RECORDED, quoted(BUYING));
    format!(
        "j.event IN ({waits}) AND NOT EXISTS (
            SELECT 1 FROM journal n LEFT JOIN intent i ON i.id = n.intent WHERE n.item = j.item AND n.id > j.id
            AND (n.event IN ({ends}) OR (n.event = '{recorded}' AND i.kind IN ({buying}))))"
    )
});

/// Notes for a condition of SQL.
fn words(notes: &[Note]) -> String {
    quoted(notes.iter().map(|note| note.word()))
}

fn quoted<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    words.into_iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ")
}

impl Store {
    /// What a service waits for. `None` when it does not wait for money.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn waits_for(&self, item: ItemId) -> Result<Option<WaitsFor>, StoreError> {
        let sql = ["SELECT j.event FROM journal j WHERE j.item = ?1 AND ", &**IS_LAST_WORD].concat();
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
            ["SELECT j.item, j.event FROM journal j WHERE j.item IS NOT NULL AND ", &**IS_LAST_WORD, " ORDER BY j.id"];
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
        self.note(Some(item), None, waits_for.note(), reason)
    }
}

#[cfg(test)]
mod tests {
    use super::super::moment;
    use super::*;
    use crate::model::ids::{LicenseId, ModuleId, PanelId, UpstreamAddonId, UpstreamPricelistId};
    use crate::model::journal::{IdempotencyKey, IntentEvent, OnceRequest};
    use crate::model::license::Family;
    use crate::model::period::{MonthCount, Period};
    use crate::store::NewIntent;

    const ITEM: ItemId = ItemId(42);
    const LICENSE: LicenseId = LicenseId(9);

    /// Every word that the condition reads is one that the journal writes: each purchase that is recorded and each
    /// license that is bound or claimed ends the waiting, and nothing else does.
    #[test]
    fn a_service_waits_until_something_is_bought_or_bound_for_it() -> Result<(), StoreError> {
        let store = Store::in_memory(&PanelId::parse("simulate").expect("eight letters"))?;
        let account = store.write(moment(0), |tx| tx.set_account(ModuleId(7), "https://seller.example", "reseller"))?;
        let reason = Text::same("why");
        let (family, license) = (Family::Soft, LICENSE);
        let day = chrono::NaiveDate::from_ymd_opt(2027, 1, 1).expect("a day");
        let requests = [
            (OnceRequest::Prolong { license, period: MonthCount(1), before: day, not_before: None }, true),
            (
                OnceRequest::ChangePricelist {
                    license,
                    pricelist: UpstreamPricelistId(1),
                    period: Period::from_panel(1),
                },
                true,
            ),
            (OnceRequest::SetNodes { family, license, addon: UpstreamAddonId(1), nodes: 2 }, true),
            (OnceRequest::NewKey { family, license, before: String::new() }, false),
            (OnceRequest::Delete { family, license }, false),
        ];
        let waits = |waits_for: WaitsFor| store.write(moment(1), |tx| tx.set_waits_for(ITEM, waits_for, &reason));
        for (number, (request, is_bought)) in (1..).zip(&requests) {
            for kind in [WaitsFor::Money, WaitsFor::Unblocking] {
                waits(kind)?;
                assert_eq!(store.waits_for(ITEM)?, Some(kind));
                assert_eq!(store.waiting_for_money()?, [(ITEM, kind)]);
            }
            let key = IdempotencyKey::Delete { account, license: LicenseId(number) };
            let intent = NewIntent {
                key: &key,
                item: Some(ITEM),
                account,
                highest_license: None,
                operation: None,
                reason: &reason,
                settle_s: 900,
            };
            store.record_intent(moment(1), &intent, |_| Ok(request.clone()))?;
            assert_eq!(store.waits_for(ITEM)?.is_none(), *is_bought, "{request:?}");
        }
        for note in LicenseState::ALL.map(Note::State).into_iter().chain([Note::Seen]) {
            waits(WaitsFor::Money)?;
            store.write(moment(1), |tx| tx.note(Some(ITEM), Some((account, LICENSE)), note, &reason))?;
            let is_bound = matches!(note, Note::State(LicenseState::Bound | LicenseState::Claimed));
            assert_eq!(store.waits_for(ITEM)?.is_none(), is_bound, "{note:?}");
        }
        Ok(())
    }

    #[test]
    fn the_recorded_event_is_stored_as_the_queries_read_it() {
        assert_eq!(serde_json::to_string(&IntentEvent::Recorded).expect("a word"), RECORDED);
    }
}
