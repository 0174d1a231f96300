//! Two machines on one log in memory: the interleavings of docs/cluster.md that end in the store.

mod leaving;
mod memory;
mod mending;
mod older;

use std::rc::Rc;

use self::memory::*;
use super::super::{NewIntent, Recorded, StoreError};
use super::*;
use crate::model::ids::{AccountId, ItemId, LicenseId, ModuleId, PanelId};
use crate::model::journal::{IdempotencyKey, IntentEvent, IntentStatus, OnceRequest};
use crate::store::{Installation, Store};
use crate::text;

const PANEL: [u8; 8] = [7; 8];

/// Two machines, the first with an account.
fn pair() -> (Database, Node, Node, Store, Store, AccountId) {
    let database = database();
    let (a, b) = (Node::new("a", &database), Node::new("b", &database));
    let first = a.begins();
    let account =
        first.write(now(), |tx| tx.set_account(ModuleId(7), "https://192.0.2.1/", "reseller")).expect("an account");
    let second = b.joins();
    (database, a, b, first, second, account)
}

fn record(store: &Store, account: AccountId, license: u32) -> Result<Recorded, StoreError> {
    let key = IdempotencyKey::Delete { account, license: LicenseId(license) };
    let reason = text!("a test", "проверка");
    let intent = NewIntent {
        key: &key,
        item: Some(ItemId(42)),
        account,
        highest_license: None,
        operation: None,
        reason: &reason,
        settle_s: 1020,
    };
    store.record_intent(now(), &intent, |tx| {
        tx.set_meta("last_number", "5")?;
        Ok(OnceRequest::Delete { family: crate::model::license::Family::Soft, license: LicenseId(license) })
    })
}

fn digests_are_equal(stores: &[&Store]) -> bool {
    stores.iter().for_each(|store| store.catch_up().expect("the log"));
    let digests: Vec<_> = stores.iter().map(|store| store.replica_digest().expect("a digest")).collect();
    digests.windows(2).all(|pair| pair[0] == pair[1])
}

fn why(error: StoreError) -> ClusterError {
    let words = error.to_string();
    let StoreError::Cluster(error) = error else { panic!("{words}") };
    *error
}

#[test]
fn a_key_recorded_on_two_machines_is_sent_by_one() {
    let (database, _a, _b, first, second, account) = pair();
    assert!(matches!(record(&first, account, 5001), Ok(Recorded::Intent(_))));
    // The second has not applied that yet: its number is taken, and what it does runs again.
    assert!(matches!(record(&second, account, 5001), Ok(Recorded::Existing(_))));
    assert!(digests_are_equal(&[&first, &second]));
    assert_eq!(database.borrow().appends, 5, "account, joining, then each machine meets what the other wrote");
}

#[test]
fn a_run_that_dies_between_log_and_replica_leaves_an_entry_that_the_next_run_applies() {
    let (_database, a, _b, first, second, account) = pair();
    record(&second, account, 5001).expect("recorded").expect_intent();
    drop(first);
    let next = a.run();
    assert_eq!(next.open_intents().expect("intents").len(), 0, "not applied here yet");
    next.catch_up().expect("the log");
    assert_eq!(next.open_intents().expect("intents").len(), 1);
}

#[test]
fn a_lost_answer_to_a_written_entry_is_found_by_its_token() {
    let (database, _a, _b, first, second, account) = pair();
    database.borrow_mut().faults.push_back(Fault::AnswerLost);
    record(&first, account, 5001).expect("recorded").expect_intent();
    assert!(digests_are_equal(&[&first, &second]));
}

#[test]
fn an_entry_that_never_arrived_is_written_again() {
    let (database, _a, _b, first, second, account) = pair();
    database.borrow_mut().faults.extend([Fault::NotArrived, Fault::NotArrived]);
    record(&first, account, 5001).expect("recorded").expect_intent();
    assert!(digests_are_equal(&[&first, &second]));
}

#[test]
fn an_insert_that_lands_late_meets_the_entry_of_the_same_try() {
    let (database, _a, _b, first, second, account) = pair();
    database.borrow_mut().faults.push_back(Fault::Late);
    record(&first, account, 5001).expect("recorded").expect_intent();
    assert!(database.borrow_mut().land().iter().all(Result::is_err), "its number is taken");
    assert!(digests_are_equal(&[&first, &second]));
}

#[test]
fn an_insert_that_lands_after_all_behind_another_entry_is_not_taken_in() {
    let (database, _a, b, first, second, account) = pair();
    database.borrow_mut().faults.extend([Fault::Late, Fault::Beaten]);
    database.borrow_mut().rival = Some(Box::new(move || {
        let rival = b.run();
        rival.write(now(), |tx| tx.set_meta("note", "rival")).expect("the rival writes");
    }));
    record(&first, account, 5001).expect("recorded").expect_intent();
    assert!(database.borrow_mut().land().iter().all(|landed| !matches!(landed, Ok(true))));
    assert_eq!(first.meta("note").expect("a meta").as_deref(), Some("rival"));
    assert!(digests_are_equal(&[&first, &second]));
}

#[test]
fn nothing_is_written_or_sent_while_no_server_answers() {
    let (database, _a, _b, first, _second, account) = pair();
    database.borrow_mut().is_away = true;
    let error = why(record(&first, account, 5001).expect_err("no server"));
    assert!(matches!(error, ClusterError::Away(_)), "{error}");
    assert_eq!(first.open_intents().expect("intents").len(), 0);
}

#[test]
fn a_machine_that_did_not_join_only_reads() {
    let (database, _a, b, _first, second, _account) = pair();
    assert!(!membership_leaves(&second));
    let left = Node { name: "b", ..b };
    let error = why(left.run().write(now(), |tx| tx.set_meta("x", "y")).expect_err("not joined"));
    assert!(matches!(error, ClusterError::NotJoined(_)), "{error}");
    assert_eq!(database.borrow().entries.len(), 4);
    let other = Node { name: "c", dir: left.dir, boot: "boot", database };
    let conn = Connection::open(other.path()).expect("the replica");
    let refused = Store::from_connection(Rc::new(conn)).in_cluster(other.log(), other.rules()).err();
    assert!(matches!(refused.map(why), Some(ClusterError::Elsewhere(_))), "a copied replica");
}

fn membership_leaves(store: &Store) -> bool {
    leave(store, now()).expect("it leaves")
}

#[test]
fn the_last_machine_that_leaves_keeps_an_ordinary_state() {
    let database = database();
    let a = Node::new("a", &database);
    let first = a.begins();
    assert!(membership_leaves(&first));
    drop(first);
    let panel = PanelId::from_bytes(PANEL);
    let who = Installation { pinned: None, fresh: &panel, machine: "a" };
    let store = super::super::open_file(&a.path(), who, now()).expect("an ordinary state");
    assert!(!is_replica(&store.conn).expect("a file"));
    assert_eq!(store.meta("machine").expect("a meta").as_deref(), Some("a"));
    store.write(now(), |tx| tx.set_meta("x", "y")).expect("it writes by itself");
}

#[test]
fn a_lease_is_held_by_one_machine_until_it_is_given_back_or_runs_out() {
    let (_database, a, b, first, second, _account) = pair();
    let held = first.lease("item-42", now()).expect("the log").expect("free");
    assert!(second.lease("item-42", now()).expect("the log").is_none());
    assert!(second.leased_elsewhere().expect("the log").contains("item-42"));
    drop(held);
    first.write(now(), |tx| tx.set_meta("x", "y")).expect("the next entry removes it");
    let held = second.lease("item-42", now()).expect("the log").expect("given back");
    assert!(first.lease("item-42", now()).expect("the log").is_none());
    later(181);
    let taken = first.lease("item-42", now()).expect("the log").expect("it ran out");
    let error = why(second.write(now(), |tx| tx.set_meta("x", "z")).expect_err("it was taken over"));
    assert!(matches!(error, ClusterError::LeaseLost(_)), "{error}");
    drop((held, taken));
    drop(first);
    // The end of the run gave it back; a run that was killed is dead for the next run of its own machine at once.
    let third = b.run().lease("item-42", now()).expect("the log").expect("free");
    std::mem::forget(third);
    assert!(b.run().lease("item-42", now()).expect("the log").is_some());
    drop(a);
}

#[test]
fn an_intent_leaves_in_time_or_never() {
    let (_database, _a, _b, first, _second, account) = pair();
    let mut recorded = record(&first, account, 5001).expect("recorded").expect_intent();
    assert_eq!(first.may_send(&mut recorded, now()), Ok(()));
    let look = recorded.last_look().expect("a last look");
    assert_eq!(look.check(), Ok(()));
    later(60);
    // The run stood still while it connected to the seller, or before.
    for late in [look.check(), first.may_send(&mut recorded, now())] {
        let late = late.expect_err("too late");
        assert!(late.starts_with("too late"), "{late}");
    }
}

/// The database's clock says when a lease ends. A deadline is over as soon as any clock says so, and a clock that is
/// set back prolongs nothing.
#[test]
fn clocks_ten_minutes_apart_neither_prolong_a_deadline_nor_end_a_lease() {
    for ahead in [600, -600] {
        set_ahead(ahead);
        let (_database, _a, _b, first, second, account) = pair();
        let held = first.lease("item-42", now()).expect("the log").expect("free");
        assert!(second.lease("item-42", now()).expect("the log").is_none());
        drop(held);
        let mut recorded = record(&second, account, 5001).expect("recorded").expect_intent();
        assert_eq!(second.may_send(&mut recorded, now()), Ok(()));
        let look = recorded.last_look().expect("a last look");
        later(59);
        assert_eq!(look.check(), Ok(()));
        set_ahead(ahead - 3600);
        later(1);
        assert!(look.check().expect_err("by its uptime").contains("uptime"));
        assert!(second.may_send(&mut recorded, now()).is_err());
        set_ahead(0);
    }
}

/// A machine that was paused finds out at its next change, also when it writes nothing itself.
#[test]
fn a_run_whose_lease_was_taken_over_changes_nothing_any_more() {
    let (database, _a, _b, first, second, _account) = pair();
    let held = first.lease("item-42", now()).expect("the log").expect("free");
    later(181);
    let taken = second.lease("item-42", now()).expect("the log").expect("it ran out");
    let written = database.borrow().entries.len();
    for lost in [first.hold_leases(now()), first.write(now(), |tx| tx.set_meta("x", "y"))] {
        let error = why(lost.expect_err("it was taken over"));
        assert!(matches!(error, ClusterError::LeaseLost(_)), "{error}");
    }
    assert_eq!(database.borrow().entries.len(), written);
    drop((held, taken));
}

/// The log orders an outcome and a takeover: the second machine reads the outcome, or the first can no longer write it.
#[test]
fn an_outcome_is_read_by_the_machine_that_takes_over_or_not_written() {
    for is_before in [true, false] {
        let (_database, _a, _b, first, second, account) = pair();
        let held = first.lease("item-42", now()).expect("the log").expect("free");
        let id = record(&first, account, 5001).expect("recorded").expect_intent().intent().id;
        let intent = first.intent(id).expect("an intent").expect("recorded");
        let reason = text!("a test", "проверка");
        let outcome = || first.write(now(), |tx| tx.event(&intent, &IntentEvent::Done { license: None }, &reason));
        if is_before {
            outcome().expect("in time");
        }
        later(181);
        let taken = second.lease("item-42", now()).expect("the log").expect("it ran out");
        if !is_before {
            let error = why(outcome().expect_err("it was taken over"));
            assert!(matches!(error, ClusterError::LeaseLost(_)), "{error}");
        }
        let seen = second.intent(id).expect("an intent").expect("recorded").status;
        assert_eq!(seen, if is_before { IntentStatus::Done } else { IntentStatus::InDoubt });
        drop((held, taken));
    }
}

/// A pooled license is claimed by the machine whose entry is first: the other's closure runs again and sees it.
#[test]
fn what_a_write_checks_is_checked_again_when_another_machine_was_faster() {
    fn claim(store: &Store, who: &str) -> Result<bool, StoreError> {
        store.write(now(), |tx| {
            if super::super::read_meta(tx.conn, "claimed")?.is_some() {
                return Ok(false);
            }
            tx.set_meta("claimed", who).map(|()| true)
        })
    }
    let (database, _a, b, first, second, _account) = pair();
    database.borrow_mut().faults.push_back(Fault::Beaten);
    database.borrow_mut().rival = Some(Box::new(move || assert!(claim(&b.run(), "b").expect("the rival writes"))));
    assert!(!claim(&first, "a").expect("the log"));
    assert_eq!(first.meta("claimed").expect("a meta").as_deref(), Some("b"));
    assert!(digests_are_equal(&[&first, &second]));
}

/// The first server of the list lacks what this machine knows, or what another machine wrote.
#[test]
fn a_server_that_lags_is_passed_over() {
    let (database, _a, _b, first, second, account) = pair();
    record(&first, account, 5001).expect("recorded").expect_intent();
    database.borrow_mut().lags = 1;
    first.catch_up().expect("the second server");
    record(&first, account, 5002).expect("it is not held").expect_intent();
    assert!(matches!(record(&second, account, 5002), Ok(Recorded::Existing(_))), "every entry proves its predecessor");
}

/// Nobody sent it, so it is looked for and settled like every intent in doubt.
#[test]
fn an_insert_that_lands_after_its_machine_gave_up_is_an_intent_in_doubt() {
    let (database, _a, _b, first, second, account) = pair();
    first.catch_up().expect("the log");
    database.borrow_mut().faults.extend([Fault::Late].into_iter().chain(std::iter::repeat_n(Fault::NotArrived, 1000)));
    let error = why(record(&first, account, 5001).expect_err("no answer"));
    assert!(matches!(error, ClusterError::InDoubt(_)), "{error}");
    database.borrow_mut().faults.clear();
    assert!(database.borrow_mut().land().iter().all(|landed| matches!(landed, Ok(true))));
    for store in [&first, &second] {
        store.catch_up().expect("the log");
        let [intent] = store.open_intents().expect("intents").try_into().expect("one");
        assert_eq!(intent.status, IntentStatus::InDoubt);
        assert!(matches!(record(store, account, 5001), Ok(Recorded::Existing(_))), "its key is taken");
    }
}

/// Settings differ: a machine that waits for less must not settle an intent before the recorder's request has had its
/// time.
#[test]
fn a_request_stays_in_doubt_as_long_as_its_recorder_says_on_every_machine() {
    let (_database, _a, _b, first, second, account) = pair();
    record(&first, account, 5001).expect("recorded").expect_intent();
    second.catch_up().expect("the log");
    let [intent] = second.open_intents().expect("intents").try_into().expect("one");
    assert_eq!(intent.settled_at(300), intent.recorded_at + chrono::Duration::seconds(1020));
    assert_eq!(intent.settled_at(2000), intent.recorded_at + chrono::Duration::seconds(2000));
    assert!(digests_are_equal(&[&first, &second]));
}

/// The log loses everything behind the image that a machine began with. That machine writes its entries again, and does
/// not take the log for another one.
#[test]
fn a_log_that_falls_back_to_the_entry_a_replica_began_with_is_written_again() {
    let (database, _a, _b, first, second, _account) = pair();
    second.write(now(), |tx| tx.set_meta("x", "y")).expect("written");
    // The log is cut to the image that the first machine began with, then to that of the second.
    for (store, left) in [(&first, 1), (&second, 1)] {
        store.catch_up().expect("the log");
        database.borrow_mut().entries.truncate(left);
        store.write(now(), |tx| tx.set_meta("x", "z")).expect("the log is mended");
    }
    assert!(digests_are_equal(&[&first, &second]));
}

#[test]
fn the_end_that_the_log_lost_is_written_again_and_nothing_is_bought_for_a_while() {
    let (database, _a, _b, first, second, account) = pair();
    record(&first, account, 5001).expect("recorded").expect_intent();
    database.borrow_mut().entries.pop();
    // The second never saw that entry, and must not write where it was.
    first.write(now(), |tx| tx.set_meta("x", "y")).expect("the log is mended");
    assert!(digests_are_equal(&[&first, &second]));
    assert_eq!(second.open_intents().expect("intents").len(), 1);
    for store in [&first, &second] {
        let error = why(record(store, account, 5002).expect_err("others' purchases may be missing"));
        assert!(matches!(error, ClusterError::Held { .. }), "{error}");
    }
    later(1021);
    record(&second, account, 5002).expect("recorded").expect_intent();
}

#[test]
fn a_fork_is_left_to_an_operator() {
    let (database, _a, _b, first, second, account) = pair();
    record(&first, account, 5001).expect("recorded").expect_intent();
    database.borrow_mut().entries.pop();
    second.write(now(), |tx| tx.set_meta("x", "other")).expect("it does not know better");
    let error = why(first.write(now(), |tx| tx.set_meta("x", "y")).expect_err("two entries of one number"));
    assert!(matches!(error, ClusterError::Fork { .. }), "{error}");
}

#[test]
fn another_database_is_written_to_only_after_the_settling_time() {
    let (database, a, _b, first, _second, _account) = pair();
    drop(first);
    for is_witnessed in [true, false] {
        let next = a.run();
        database.borrow_mut().identity = format!("galera:{is_witnessed}");
        database.borrow_mut().is_witnessed = is_witnessed;
        for wait in [0, 1000] {
            later(wait);
            let error = why(next.write(now(), |tx| tx.set_meta("x", "y")).expect_err("too early"));
            assert!(matches!(error, ClusterError::Quiet { .. }), "{error}");
        }
        later(21);
        next.write(now(), |tx| tx.set_meta("x", "y")).expect("it goes on by itself");
        database.borrow_mut().is_witnessed = true;
        a.run().write(now(), |tx| tx.set_meta("x", "z")).expect("the new database is known");
    }
}

/// `cluster init` removes the file with the newest writes, and dies before the replica takes the state's place.
#[test]
fn a_beginning_that_dies_before_its_replica_is_in_place_loses_nothing() {
    let database = database();
    let (a, after_crash) = (Node::new("a", &database), Node::new("a", &database));
    let panel = PanelId::from_bytes(PANEL);
    let who = Installation { pinned: None, fresh: &panel, machine: "a" };
    let state = super::super::open_file(&a.path(), who, now()).expect("a state");
    state.write(now(), |tx| tx.set_meta("x", "y")).expect("written");
    // While the state is open, SQLite keeps its newest writes beside it.
    let beside = std::fs::metadata(a.path().with_extension("db-wal")).expect("the newest writes");
    assert!(beside.len() > 0);
    let mut dies = |_: u32, _: u32| {
        std::fs::copy(a.path(), after_crash.path()).expect("the state alone");
    };
    begin(&a.path(), a.log(), a.rules(), &mut dies).expect("the log begins");
    let again = begin(&after_crash.path(), a.log(), a.rules(), &mut |_, _| {}).expect("it is repeated");
    assert_eq!(again.meta("x").expect("a meta").as_deref(), Some("y"));
}

#[test]
fn a_machine_that_lags_behind_the_snapshot_says_so_and_joins_again() {
    let (_database, _a, b, first, second, _account) = pair();
    for number in 0..3 {
        first.write(now(), |tx| tx.set_meta("x", &number.to_string())).expect("written");
    }
    assert!(first.make_snapshot(false).expect("a snapshot"));
    let error = why(second.catch_up().expect_err("its next entry is gone"));
    assert!(matches!(error, ClusterError::Behind { .. }), "{error}");
    drop(second);
    let again = b.joins();
    assert!(digests_are_equal(&[&first, &again]));
}

/// Few entries can be many bytes.
#[test]
fn a_snapshot_is_due_after_many_bytes_of_entries() {
    let (_database, _a, _b, first, _second, _account) = pair();
    let large = "x".repeat(13 << 20);
    for number in 0..5 {
        assert!(!first.make_snapshot(true).expect("not yet"), "{number} large entries");
        first.write(now(), |tx| tx.set_meta("x", &large)).expect("written");
    }
    assert!(first.make_snapshot(true).expect("a snapshot"));
    assert!(!first.make_snapshot(true).expect("no other at once"));
}

#[test]
fn a_lost_state_file_is_rebuilt_equal_to_the_others() {
    let (_database, _a, b, first, second, account) = pair();
    record(&first, account, 5001).expect("recorded").expect_intent();
    drop(second);
    std::fs::remove_file(b.path()).expect("the file");
    let again = b.joins();
    assert!(digests_are_equal(&[&first, &again]));
    assert_eq!(again.machines().expect("machines").len(), 2);
}
