//! Two machines on one log in memory: the interleavings of docs/cluster.md that end in the store.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tempfile::TempDir;

use super::super::{NewIntent, Recorded, StoreError, moment, prepare};
use super::*;
use crate::model::ids::{AccountId, ItemId, LicenseId, ModuleId, PanelId};
use crate::model::journal::{IdempotencyKey, OnceRequest};
use crate::store::{Installation, Store};
use crate::text;

const PANEL: [u8; 8] = [7; 8];

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(1_800_000_000) };
}

fn now() -> DateTime<Utc> {
    moment(NOW.get())
}

fn later(seconds: i64) {
    NOW.set(NOW.get() + seconds);
}

/// What happens to the next insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Written, and the answer is lost.
    AnswerLost,
    /// It never arrives.
    NotArrived,
    /// It never arrives while anybody asks, and is carried out by the cut-off server at [`Shared::land`].
    Late,
    /// Another machine writes first.
    Beaten,
}

/// The database.
struct Shared {
    entries: Vec<Entry>,
    snapshot: Option<Snapshot>,
    identity: String,
    is_witnessed: bool,
    is_away: bool,
    faults: VecDeque<Fault>,
    late: Vec<(Position, Entry)>,
    /// Writes of another machine, for [`Fault::Beaten`].
    rival: Option<Box<dyn Fn()>>,
    appends: u32,
}

type Database = Rc<RefCell<Shared>>;

fn database() -> Database {
    Rc::new(RefCell::new(Shared {
        entries: Vec::new(),
        snapshot: None,
        identity: "galera:one".to_owned(),
        is_witnessed: true,
        is_away: false,
        faults: VecDeque::new(),
        late: Vec::new(),
        rival: None,
        appends: 0,
    }))
}

impl Shared {
    fn insert(&mut self, after: Position, entry: &Entry) -> Result<bool, LogError> {
        if !self.entries.iter().any(|other| other.position == after) {
            return Ok(false);
        }
        if self.entries.iter().any(|other| other.position.seq == entry.position.seq) {
            return Err(LogError::Away("1062 duplicate entry".to_owned()));
        }
        self.entries.push(entry.clone());
        self.is_witnessed = true;
        Ok(true)
    }

    fn land(&mut self) -> Vec<Result<bool, LogError>> {
        std::mem::take(&mut self.late).iter().map(|(after, entry)| self.insert(*after, entry)).collect()
    }

    fn ask(&self) -> Result<(), LogError> {
        if self.is_away { Err(LogError::Away("2002 no connection".to_owned())) } else { Ok(()) }
    }
}

struct MemoryLog(Database);

impl ClusterLog for MemoryLog {
    fn head(&mut self) -> Result<Head, LogError> {
        let shared = self.0.borrow();
        shared.ask()?;
        let position = shared.entries.last().map_or(Position::BEGINNING, |entry| entry.position);
        let (identity, is_witnessed) = (shared.identity.clone(), shared.is_witnessed);
        Ok(Head { position, clock: now(), identity, is_witnessed })
    }

    fn clock(&mut self) -> Result<DateTime<Utc>, LogError> {
        self.0.borrow().ask().map(|()| now())
    }

    fn entries(&mut self, from: u64, limit: u32) -> Result<Vec<Entry>, LogError> {
        let shared = self.0.borrow();
        shared.ask()?;
        let found = shared.entries.iter().filter(|entry| entry.position.seq >= from).take(limit as usize);
        Ok(found.cloned().collect())
    }

    fn append(&mut self, after: Position, entry: &Entry) -> Result<bool, LogError> {
        self.0.borrow().ask()?;
        self.0.borrow_mut().appends += 1;
        let fault = self.0.borrow_mut().faults.pop_front();
        let lost = || Err(LogError::Away("2013 lost connection".to_owned()));
        match fault {
            None => self.0.borrow_mut().insert(after, entry),
            Some(Fault::AnswerLost) => self.0.borrow_mut().insert(after, entry).and_then(|_| lost()),
            Some(Fault::NotArrived) => lost(),
            Some(Fault::Late) => {
                self.0.borrow_mut().late.push((after, entry.clone()));
                lost()
            }
            Some(Fault::Beaten) => {
                let rival = self.0.borrow_mut().rival.take();
                rival.iter().for_each(|write| write());
                self.0.borrow_mut().insert(after, entry)
            }
        }
    }

    fn begin(&mut self, first: &Entry) -> Result<bool, LogError> {
        let mut shared = self.0.borrow_mut();
        if shared.entries.is_empty() {
            shared.entries.push(first.clone());
            return Ok(true);
        }
        Ok(false)
    }

    fn snapshot(&mut self) -> Result<Option<Snapshot>, LogError> {
        Ok(self.0.borrow().snapshot.clone())
    }

    fn put_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), LogError> {
        let mut shared = self.0.borrow_mut();
        shared.entries.retain(|entry| entry.position.seq >= snapshot.position.seq);
        shared.snapshot = Some(snapshot.clone());
        Ok(())
    }

    fn next_host(&mut self) {}

    fn connection(&self) -> u64 {
        1
    }

    fn hosts(&self) -> usize {
        1
    }
}

/// A machine with a folder of its own.
struct Node {
    dir: TempDir,
    name: &'static str,
    boot: &'static str,
    database: Database,
}

impl Node {
    fn new(name: &'static str, database: &Database) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        Self { dir, name, boot: "boot", database: Rc::clone(database) }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("state.db")
    }

    fn rules(&self) -> ClusterRules {
        ClusterRules {
            machine: self.name.to_owned(),
            owner: format!("{} {}", self.name, self.boot),
            queue: None,
            lease: Duration::from_secs(180),
            send_by: Duration::from_secs(60),
            call: Duration::from_secs(60),
            settle: Duration::from_secs(1020),
            now,
        }
    }

    fn log(&self) -> Box<dyn ClusterLog> {
        Box::new(MemoryLog(Rc::clone(&self.database)))
    }

    fn begins(&self) -> Store {
        let panel = PanelId::from_bytes(PANEL);
        let who = Installation { pinned: None, fresh: &panel, machine: self.name };
        prepare(&self.path(), who, now()).expect("a state");
        begin(&self.path(), self.log(), self.rules()).expect("the log begins")
    }

    fn joins(&self) -> Store {
        join(&self.path(), self.log(), self.rules(), now()).expect("the machine joins")
    }

    /// Another run on this machine.
    fn run(&self) -> Store {
        let conn = Connection::open(self.path()).expect("the replica");
        Store::from_connection(Rc::new(conn)).in_cluster(self.log(), self.rules()).expect("a replica")
    }
}

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
        highest_license: LicenseId(0),
        operation: None,
        reason: &reason,
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
    let stranger = Node { name: "b", ..b };
    let error = why(stranger.run().write(now(), |tx| tx.set_meta("x", "y")).expect_err("not joined"));
    assert!(matches!(error, ClusterError::NotJoined(_)), "{error}");
    assert_eq!(database.borrow().entries.len(), 4);
    let other = Node { name: "c", dir: stranger.dir, boot: "boot", database };
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
    let recorded = record(&first, account, 5001).expect("recorded").expect_intent();
    assert_eq!(first.may_send(recorded.deadline(), now()), Ok(()));
    later(60);
    let late = first.may_send(recorded.deadline(), now()).expect_err("too late");
    assert!(late.starts_with("too late"), "{late}");
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
fn a_fork_is_left_to_a_person() {
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

impl Recorded {
    fn expect_intent(self) -> crate::store::RecordedIntent {
        match self {
            Self::Intent(recorded) => recorded,
            Self::Existing(intent) => panic!("{intent:?}"),
        }
    }
}
