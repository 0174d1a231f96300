//! Intents and their events, written and read again.

use super::super::moment;
use super::*;
use crate::model::ids::{ModuleId, PanelId};
use crate::model::license::Family;
use crate::store::WaitsFor;

fn store() -> Result<(Store, AccountId), StoreError> {
    let store = Store::in_memory(&PanelId::parse("simulate").expect("eight letters"))?;
    let account = store.write(moment(0), |tx| tx.set_account(ModuleId(7), "https://192.0.2.1/", "reseller"))?;
    Ok((store, account))
}

/// One key, one send (docs/money-safety.md 2): recording the same key again gives the existing intent, until that
/// is known to have had no effect. Each step is in the journal, and its run is remembered for as long as the panel
/// repeats it.
#[test]
fn a_key_stands_for_one_intent_until_that_had_no_effect() -> Result<(), StoreError> {
    let (store, account) = store()?;
    let (license, item, now) = (LicenseId(9), ItemId(42), moment(1_800_000_000));
    let (key, reason) = (IdempotencyKey::Delete { account, license }, Text::same("why"));
    let record = |run| -> Result<(IntentId, bool), StoreError> {
        let operation = Some(RunningOperationId(run));
        let (item, highest_license) = (Some(item), Some(LicenseId(1)));
        let intent = NewIntent { key: &key, item, account, highest_license, operation, reason: &reason, settle_s: 900 };
        let recorded =
            store.record_intent(now, &intent, |_| Ok(OnceRequest::Delete { family: Family::Soft, license }))?;
        Ok(match recorded {
            Recorded::Intent(recorded) => (recorded.intent().id, true),
            Recorded::Existing(intent) => (intent.id, false),
        })
    };
    let event = |id, event: &IntentEvent| -> Result<(), StoreError> {
        let intent = store.intent(id)?.expect("an intent");
        store.write(now, |tx| tx.event(&intent, event, &reason))
    };
    let (first, is_new) = record(1)?;
    assert!(is_new);
    assert_eq!(record(2)?, (first, false), "in doubt");
    event(first, &IntentEvent::NotHappened { reason: "never".into() })?;
    let (second, is_new) = record(3)?;
    assert!(is_new && second != first, "the first had no effect");
    event(second, &IntentEvent::Done { license: None })?;
    assert_eq!(record(4)?, (second, false), "done");
    assert_eq!(store.events(second)?, [IntentEvent::Recorded, IntentEvent::Done { license: None }]);
    let by = |run, days| {
        let later = now + chrono::Duration::days(days);
        let done = store.done_by_run((account, license), item, "delete", RunningOperationId(run), later)?;
        Ok::<_, StoreError>(done.map(|intent| intent.id))
    };
    assert_eq!((by(3, 0)?, by(3, 19)?), (Some(second), Some(second)));
    assert_eq!(by(3, 21)?, None, "the number may be another run's by then");
    assert_eq!(by(1, 0)?, None, "what it sent had no effect");
    Ok(())
}

/// A purchase that was carried out ends the back-off after a refusal. The last entry about an import is the newest
/// one.
#[test]
fn a_purchase_ends_the_back_off_and_the_newest_import_is_last() -> Result<(), StoreError> {
    let (store, account) = store()?;
    let (license, reason) = (LicenseId(9), Text::same("why"));
    let key = IdempotencyKey::Delete { account, license };
    let intent = NewIntent {
        key: &key,
        item: None,
        account,
        highest_license: Some(LicenseId(1)),
        operation: None,
        reason: &reason,
        settle_s: 900,
    };
    store.record_intent(moment(1), &intent, |_| Ok(OnceRequest::Delete { family: Family::Soft, license }))?;
    let intent = store.intent_by_key(&key.to_string())?.expect("an intent");
    store.write(moment(1), |tx| tx.set_refused(account, WaitsFor::Money, Some(0)))?;
    assert!(store.account(account)?.is_some_and(|account| account.refused.is_some()));
    store.write(moment(2), |tx| tx.set_refused_lifted(&intent))?;
    assert!(store.account(account)?.is_some_and(|account| account.refused.is_none()));
    assert_eq!(store.last_import(account, license)?, None);
    for (at, note) in [(3, Note::ImportSent), (4, Note::Imported), (5, Note::Seen)] {
        store.write(moment(at), |tx| tx.note(None, Some((account, license)), note, &reason))?;
    }
    assert_eq!(store.last_import(account, license)?, Some((Note::Imported, moment(4))));
    Ok(())
}

/// The words of a query and those of its partial index agree, and no table is built to compare them.
#[test]
fn open_intents_are_found_by_their_index() -> Result<(), StoreError> {
    let store = Store::in_memory(&PanelId::parse("simulate").expect("eight letters"))?;
    let of_item = concat!("item = ?1 AND ", is_open!());
    for (condition, index) in [(of_item, "intent_open"), (is_open!(), "intent_open"), (IS_KEY_TAKEN, "intent_key")] {
        let column = |explain: &str, column: usize| -> Result<String, StoreError> {
            let mut statement = store.conn.prepare(&[explain, SELECT, condition].concat())?;
            let rows = statement.raw_query().mapped(|row| row.get::<_, String>(column)).collect::<Result<Vec<_>, _>>();
            Ok(rows?.join("\n"))
        };
        let plan = column("EXPLAIN QUERY PLAN ", 3)?;
        assert!(plan.contains(index), "{condition}: {plan}");
        let steps = column("EXPLAIN ", 1)?;
        assert!(!steps.contains("OpenEphemeral"), "{condition}: {steps}");
    }
    Ok(())
}
