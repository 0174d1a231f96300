//! Intents and their events. Only this module makes a [`RecordedIntent`]: no request that is sent once exists before
//! COMMIT returned without error (docs/money-safety.md 7).

use rusqlite::{OptionalExtension, params};

use super::{Deadline, LastLook, Store, StoreError, Tx, cell};
use crate::error::Text;
use crate::model::ids::{AccountId, IntentId, ItemId, LicenseId, RunningOperationId};
use crate::model::journal::{IdempotencyKey, Intent, IntentEvent, IntentStatus, Note, OnceRequest};
use crate::model::license_row::LicenseState;

/// A request whose intent is on disk. It is neither `Clone` nor made from a row, so it dies with the process, and
/// sending consumes it. A later run only finds an [`Intent`] in doubt in the state, and can only search for its effect.
#[derive(Debug)]
pub struct RecordedIntent {
    intent: Box<Intent>,
    deadline: Option<Deadline>,
    last_look: Option<Box<LastLook>>,
}

impl RecordedIntent {
    /// The request as recorded.
    pub fn request(&self) -> &OnceRequest {
        &self.intent.request
    }

    /// Its intent, as it was recorded.
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// In a cluster: the time by which it must have been sent.
    pub(super) fn deadline(&self) -> Option<&Deadline> {
        self.deadline.as_ref()
    }

    pub(super) fn set_last_look(&mut self, look: LastLook) {
        self.last_look = Some(Box::new(look));
    }

    /// In a cluster: what has to be checked between the connection to the seller and the first byte.
    pub fn last_look(&self) -> Option<LastLook> {
        self.last_look.as_deref().copied()
    }
}

/// An intent about to be recorded.
#[derive(Debug)]
pub struct NewIntent<'w> {
    /// Its idempotency key.
    pub key: &'w IdempotencyKey,
    /// The item that it serves.
    pub item: Option<ItemId>,
    /// The account that it is sent to.
    pub account: AccountId,
    /// For an order: the highest license number known at the seller just before, if any was known.
    pub highest_license: Option<LicenseId>,
    /// The run that records it.
    pub operation: Option<RunningOperationId>,
    /// Why, in words.
    pub reason: &'w Text,
    /// The settling time of this machine, in seconds. In a cluster it is recorded with the intent.
    pub settle_s: u32,
}

/// The result of recording.
#[derive(Debug)]
pub enum Recorded {
    /// It may be sent, once.
    Intent(RecordedIntent),
    /// There is an intent with this key that is open or had an effect: nothing may be sent.
    Existing(Box<Intent>),
}

macro_rules! select {
    ($settle_s:literal) => {
        concat!(
            "SELECT id, key, item, account, request, highest_license, recorded_at, clean_look_at, status, \
             license, operation, ",
            $settle_s,
            " FROM intent WHERE "
        )
    };
}

pub(super) const SELECT: &str = select!("NULL");

/// Like [`SELECT`], for a cluster, where each machine writes down how long its intents may take effect.
const SELECT_SHARED: &str = select!("(SELECT seconds FROM cluster_settle WHERE cluster_settle.intent = intent.id)");

/// The condition for an intent without an ended outcome. It has the exact words of the index `intent_open`; with other
/// words SQLite would not use the index.
macro_rules! is_open {
    () => {
        "(status = 'in_doubt' OR status = 'free_when_appears' OR status = 'handed_over')"
    };
}
pub(super) use is_open;

/// The condition for a key that forbids a second send, in the exact words of the index `intent_key`.
const IS_KEY_TAKEN: &str = "key = ?1 AND (status = 'in_doubt' OR status = 'free_when_appears' \
     OR status = 'handed_over' OR status = 'done')";

pub(super) fn read_intent(row: &rusqlite::Row<'_>) -> rusqlite::Result<Intent> {
    Ok(Intent {
        id: IntentId(row.get(0)?),
        key: row.get(1)?,
        item: row.get::<_, Option<u32>>(2)?.map(ItemId),
        account: AccountId(row.get(3)?),
        request: cell::json(row, 4)?,
        highest_license: cell::license_or_zero(row, 5)?,
        recorded_at: cell::moment(row, 6)?,
        clean_look_at: cell::moment_or_null(row, 7)?,
        status: cell::required(row, 8, "it is not a status", IntentStatus::parse)?,
        license: row.get::<_, Option<u32>>(9)?.map(LicenseId),
        operation: row.get::<_, Option<u32>>(10)?.map(RunningOperationId),
        settle_s: row.get(11)?,
    })
}

/// [`IntentEvent::Recorded`] as a column of the journal holds it.
pub(super) const RECORDED: &str = "\"recorded\"";

/// The word of an event, and the words that it holds.
pub(super) fn event_words(event: &IntentEvent) -> (&'static str, String) {
    match event {
        IntentEvent::Recorded => ("recorded", String::new()),
        IntentEvent::Done { .. } => ("done", String::new()),
        IntentEvent::Refused { reason } => ("refused", reason.clone()),
        IntentEvent::NotSent { reason } => ("not_sent", reason.clone()),
        IntentEvent::Unknown { reason, .. } => ("unknown", reason.clone()),
        IntentEvent::Answered { .. } => ("answered", String::new()),
        IntentEvent::CleanLook => ("clean_look", String::new()),
        IntentEvent::Adopted { .. } => ("adopted", String::new()),
        IntentEvent::NotHappened { reason } => ("not_happened", reason.clone()),
        IntentEvent::HandedOver { reason } => ("handed_over", reason.clone()),
        IntentEvent::FreeWhenAppears => ("free_when_appears", String::new()),
        IntentEvent::WantedAgain => ("wanted_again", String::new()),
    }
}

impl Store {
    fn select_intent(&self) -> &'static str {
        if self.is_clustered() { SELECT_SHARED } else { SELECT }
    }

    /// Whether the journal holds exactly these words about a license.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn is_noted(&self, license: (AccountId, LicenseId), note: Note, words: &Text) -> Result<bool, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM journal WHERE account = ?1 AND license = ?2 AND event = ?3 AND en = ?4)",
        )?;
        let (AccountId(account), LicenseId(id)) = license;
        Ok(statement.query_row(params![account, id, note.word(), words.en], |row| row.get(0))?)
    }

    /// What the journal says in one note about a license since a service last got the license, oldest first.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn noted_since_bound(&self, license: (AccountId, LicenseId), note: Note) -> Result<Vec<String>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT en FROM journal WHERE account = ?1 AND license = ?2 AND event = ?3 AND id > coalesce(
                 (SELECT max(id) FROM journal WHERE account = ?1 AND license = ?2 AND event = ?4), 0)
             ORDER BY id",
        )?;
        let (AccountId(account), LicenseId(id)) = license;
        let rows = statement.query_map(
            params![account, id, note.word(), LicenseState::Bound.word()],
            cell::of("journal", |row| row.get(0)),
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Records an intent. Only the `Ok(Intent)` that follows a successful COMMIT may be sent.
    ///
    /// # Errors
    /// An error of SQLite; a COMMIT that failed counts as "perhaps written": the row, if there, reads as in doubt.
    pub fn record_intent(
        &self,
        now: chrono::DateTime<chrono::Utc>,
        intent: &NewIntent<'_>,
        request: impl Fn(&Tx<'_>) -> Result<OnceRequest, StoreError>,
    ) -> Result<Recorded, StoreError> {
        // Read before the write, so that the time that the write takes does not extend the deadline.
        let deadline = self.deadline()?;
        self.write(now, |tx| {
            let key = intent.key.to_string();
            if let Some(existing) = self.intent_by_key(&key)? {
                return Ok(Recorded::Existing(Box::new(existing)));
            }
            let request = request(tx)?;
            let id = tx.insert_intent(&key, intent, &request)?;
            let missing = || StoreError::Unusable("a recorded intent is missing".to_owned());
            let intent = Box::new(self.intent(id)?.ok_or_else(missing)?);
            Ok(Recorded::Intent(RecordedIntent { intent, deadline, last_look: None }))
        })
    }

    /// The intent of a key, if it is in doubt, waits for an operator, or is done. `None` when a request with this key
    /// may be sent.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn intent_by_key(&self, key: &str) -> Result<Option<Intent>, StoreError> {
        let mut statement = self.conn.prepare_cached(&[self.select_intent(), IS_KEY_TAKEN].concat())?;
        Ok(statement.query_row([key], cell::of("intent", read_intent)).optional()?)
    }

    /// An intent by its number.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn intent(&self, id: IntentId) -> Result<Option<Intent>, StoreError> {
        let mut statement = self.conn.prepare_cached(&[self.select_intent(), "id = ?1"].concat())?;
        Ok(statement.query_row([id.0], cell::of("intent", read_intent)).optional()?)
    }

    pub(super) fn intents(&self, condition: &str, params: &[&dyn rusqlite::ToSql]) -> Result<Vec<Intent>, StoreError> {
        let mut statement = self.conn.prepare_cached(&[self.select_intent(), condition, " ORDER BY id"].concat())?;
        let rows = statement.query_map(params, cell::of("intent", read_intent))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Intents of an item without an ended outcome, oldest first.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn open_intents_of_item(&self, item: ItemId) -> Result<Vec<Intent>, StoreError> {
        self.intents(concat!("item = ?1 AND ", is_open!()), params![item.0])
    }

    /// Every order that was ever recorded for an item, oldest first.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn orders_of_item(&self, item: ItemId) -> Result<Vec<Intent>, StoreError> {
        self.intents("item = ?1 AND kind = 'order'", params![item.0])
    }

    /// Every addition to a hosting order that was ever recorded for an item, oldest first.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn additions_of_item(&self, item: ItemId) -> Result<Vec<Intent>, StoreError> {
        self.intents("item = ?1 AND kind = 'add'", params![item.0])
    }

    /// Every addition to a hosting order that was ever recorded, oldest first, whatever service it was for.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn additions_of_license(&self, account: AccountId, license: LicenseId) -> Result<Vec<Intent>, StoreError> {
        self.intents("account = ?1 AND target = ?2 AND kind = 'add'", params![account.0, license.0])
    }

    /// Intents about a license without an ended outcome, oldest first.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn open_intents_of_license(&self, account: AccountId, license: LicenseId) -> Result<Vec<Intent>, StoreError> {
        self.intents(concat!("account = ?1 AND target = ?2 AND ", is_open!()), params![account.0, license.0])
    }

    /// Every purchase for a hosting order that was ever recorded, oldest first.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn additions_of_order(&self, account: AccountId, order: LicenseId) -> Result<Vec<Intent>, StoreError> {
        self.intents("account = ?1 AND target = ?2 AND kind = 'add'", params![account.0, order.0])
    }

    /// Every removal from a hosting order that was ever recorded, oldest first.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn removals_of_license(&self, account: AccountId, license: LicenseId) -> Result<Vec<Intent>, StoreError> {
        self.intents("account = ?1 AND target = ?2 AND kind = 'remove'", params![account.0, license.0])
    }

    /// All intents without an ended outcome, oldest first.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn open_intents(&self) -> Result<Vec<Intent>, StoreError> {
        self.intents(is_open!(), &[])
    }

    /// Whether a run already ended an intent of a kind with success, so that a repeated run does not do it again. The
    /// panel reuses numbers of operations: the same number for another item, or from more than 20 days ago, is another
    /// operation.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn done_by_run(
        &self,
        (account, license): (AccountId, LicenseId),
        item: ItemId,
        kind: &str,
        operation: RunningOperationId,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<Option<Intent>, StoreError> {
        let since = now - chrono::Duration::days(super::OPERATION_DAYS);
        let params = params![account.0, license.0, kind, operation.0, item.0, since.timestamp()];
        let done = "account = ?1 AND target = ?2 AND kind = ?3 AND operation = ?4 AND status = 'done' AND item = ?5
             AND recorded_at > ?6";
        Ok(self.intents(done, params)?.pop())
    }

    /// The newest entry of the journal about importing a license, and when it was written.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn last_import(
        &self,
        account: AccountId,
        license: LicenseId,
    ) -> Result<Option<(Note, chrono::DateTime<chrono::Utc>)>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT event, at FROM journal WHERE account = ?1 AND license = ?2 AND intent IS NULL
             AND event IN (?3, ?4, ?5) ORDER BY id DESC LIMIT 1",
        )?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok((cell::required(row, 0, "it is not a note", Note::parse)?, cell::moment(row, 1)?))
        };
        let [sent, imported, refused] = [Note::ImportSent, Note::Imported, Note::ImportRefused].map(Note::word);
        let params = params![account.0, license.0, sent, imported, refused];
        Ok(statement.query_row(params, cell::of("journal", read)).optional()?)
    }

    /// The events of an intent, oldest first. They determine its status.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn events(&self, intent: IntentId) -> Result<Vec<IntentEvent>, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT event, id FROM journal WHERE intent = ?1 ORDER BY id")?;
        let rows = statement.query_map([intent.0], cell::of("journal", |row| cell::json(row, 0)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Tx<'_> {
    fn insert_intent(&self, key: &str, intent: &NewIntent<'_>, request: &OnceRequest) -> Result<IntentId, StoreError> {
        let json = serde_json::to_string(request).map_err(|error| StoreError::Unusable(error.to_string()))?;
        let id = self.insert(
            "INSERT INTO intent (key, kind, item, account, target, request, highest_license, recorded_at, status,
                 operation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'in_doubt', ?9)",
            params![
                key,
                request.kind(),
                intent.item.map(|item| item.0),
                intent.account.0,
                request.license().map(|license| license.0),
                json,
                intent.highest_license.map_or(0, |license| license.0),
                self.now.timestamp(),
                intent.operation.map(|operation| operation.0)
            ],
        )?;
        if self.noted.is_some() {
            // Another machine, whose settings say less, must not settle this intent earlier.
            self.run("INSERT INTO cluster_settle (intent, seconds) VALUES (?1, ?2)", params![id, intent.settle_s])?;
        }
        let license = request.license().map(|license| (intent.account, license));
        self.intent_line(id, intent.item, license, &IntentEvent::Recorded, intent.reason)?;
        Ok(IntentId(id))
    }

    fn intent_line(
        &self,
        intent: u32,
        item: Option<ItemId>,
        license: Option<(AccountId, LicenseId)>,
        event: &IntentEvent,
        reason: &Text,
    ) -> Result<(), StoreError> {
        let json = serde_json::to_string(event).map_err(|error| StoreError::Unusable(error.to_string()))?;
        self.journal_line(Some(intent), item, license, &json, reason)
    }

    /// Appends an event to an intent and moves its status.
    ///
    /// # Errors
    /// [`StoreError::IllegalStep`] when the table of transitions forbids it, for instance because another run has ended
    /// the intent in the meantime. Then the whole write is undone.
    pub fn event(&self, intent: &Intent, event: &IntentEvent, reason: &Text) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT status FROM intent WHERE id = ?1")?;
        let word: String = statement.query_row([intent.id.0], |row| row.get(0))?;
        let illegal = |from: &'static str| StoreError::IllegalStep {
            intent: intent.id.0,
            from,
            event: event_words(event).0.to_owned(),
        };
        let status = IntentStatus::parse(&word)
            .ok_or_else(|| StoreError::Unreadable(format!("intent {}: status holds {word:?}", intent.id.0)))?;
        let next = status.after(event).ok_or_else(|| illegal(status.word()))?;
        let license = match event {
            IntentEvent::Done { license } => *license,
            IntentEvent::Adopted { license } | IntentEvent::Answered { license } => Some(*license),
            IntentEvent::Recorded
            | IntentEvent::Refused { .. }
            | IntentEvent::NotSent { .. }
            | IntentEvent::Unknown { .. }
            | IntentEvent::CleanLook
            | IntentEvent::NotHappened { .. }
            | IntentEvent::HandedOver { .. }
            | IntentEvent::FreeWhenAppears
            | IntentEvent::WantedAgain => None,
        };
        let clean_look = matches!(event, IntentEvent::CleanLook).then_some(self.now.timestamp());
        self.run(
            "UPDATE intent SET status = ?2, license = coalesce(?3, license), clean_look_at = coalesce(?4, clean_look_at)
             WHERE id = ?1",
            params![intent.id.0, next.word(), license.map(|license| license.0), clean_look],
        )?;
        let about = license.or(intent.request.license()).map(|license| (intent.account, license));
        self.intent_line(intent.id.0, intent.item, about, event, reason)
    }
}

impl Tx<'_> {
    /// A purchase was carried out: ends the back-off that kept runs from buying.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn set_refused_lifted(&self, intent: &Intent) -> Result<(), StoreError> {
        self.run(
            "UPDATE account SET refused_kind = NULL WHERE id = ?1 AND refused_kind IS NOT NULL",
            params![intent.account.0],
        )
    }
}

#[cfg(test)]
mod tests;
