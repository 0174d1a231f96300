//! The log in memory, and machines with a folder each.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use tempfile::TempDir;

use super::super::super::{moment, prepare};
use super::super::*;
use super::PANEL;
use crate::model::ids::PanelId;
use crate::store::{Installation, Recorded, RecordedIntent, Store};

thread_local! {
    static NOW_MS: Cell<i64> = const { Cell::new(1_800_000_000_000) };
    /// How far the clock of machine "b" is ahead.
    static AHEAD_S: Cell<i64> = const { Cell::new(0) };
}

pub fn now() -> DateTime<Utc> {
    moment(NOW_MS.get() / 1000)
}

fn now_of_b() -> DateTime<Utc> {
    moment(NOW_MS.get() / 1000 + AHEAD_S.get())
}

fn uptime() -> Duration {
    Duration::from_millis(NOW_MS.get().unsigned_abs())
}

fn sleep(time: Duration) {
    NOW_MS.set(NOW_MS.get() + i64::try_from(time.as_millis()).unwrap_or_default());
}

pub fn later(seconds: i64) {
    NOW_MS.set(NOW_MS.get() + 1000 * seconds);
}

/// Sets the clock of machine "b".
pub fn set_ahead(seconds: i64) {
    AHEAD_S.set(seconds);
}

/// What happens to the next insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
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
pub struct Shared {
    pub entries: Vec<Entry>,
    pub images: BTreeMap<(u64, u32), Vec<u8>>,
    pub identity: String,
    pub is_witnessed: bool,
    pub is_away: bool,
    /// How many of the newest entries the first server lacks.
    pub lags: usize,
    pub faults: VecDeque<Fault>,
    pub late: Vec<(Position, Entry, bool)>,
    /// Writes of another machine, for [`Fault::Beaten`].
    pub rival: Option<Box<dyn Fn()>>,
    pub appends: u32,
}

pub type Database = Rc<RefCell<Shared>>;

pub fn database() -> Database {
    Rc::new(RefCell::new(Shared {
        entries: Vec::new(),
        images: BTreeMap::new(),
        identity: "galera:one".to_owned(),
        is_witnessed: true,
        is_away: false,
        lags: 0,
        faults: VecDeque::new(),
        late: Vec::new(),
        rival: None,
        appends: 0,
    }))
}

impl Shared {
    fn insert(&mut self, after: Position, entry: &Entry, is_again: bool) -> Result<bool, LogError> {
        if !self.entries.iter().any(|other| other.position == after) {
            return Ok(false);
        }
        if self.entries.iter().any(|other| other.position.seq == entry.position.seq) {
            return Err(LogError::Away("1062 duplicate entry".to_owned()));
        }
        self.entries.push(entry.clone());
        self.is_witnessed |= !is_again;
        Ok(true)
    }

    pub fn land(&mut self) -> Vec<Result<bool, LogError>> {
        std::mem::take(&mut self.late)
            .iter()
            .map(|(after, entry, is_again)| self.insert(*after, entry, *is_again))
            .collect()
    }

    fn ask(&self) -> Result<(), LogError> {
        if self.is_away { Err(LogError::Away("2002 no connection".to_owned())) } else { Ok(()) }
    }
}

/// A connection to one of its two servers.
pub struct MemoryLog(Database, usize);

impl MemoryLog {
    /// The entries that this server has.
    fn shown(&self) -> Vec<Entry> {
        let shared = self.0.borrow();
        let lags = if self.1 == 0 { shared.lags } else { 0 };
        shared.entries[..shared.entries.len() - lags].to_vec()
    }
}

impl ClusterLog for MemoryLog {
    fn head(&mut self) -> Result<Head, LogError> {
        let shared = self.0.borrow();
        shared.ask()?;
        let position = self.shown().last().map_or(Position::BEGINNING, |entry| entry.position);
        let (identity, is_witnessed) = (shared.identity.clone(), shared.is_witnessed);
        Ok(Head { position, clock: now(), identity, is_witnessed })
    }

    fn clock(&mut self) -> Result<DateTime<Utc>, LogError> {
        self.0.borrow().ask().map(|()| now())
    }

    fn entries(&mut self, from: u64, limit: u32) -> Result<Vec<Entry>, LogError> {
        self.0.borrow().ask()?;
        let found = self.shown().into_iter().filter(|entry| entry.position.seq >= from);
        Ok(found.take(limit as usize).collect())
    }

    fn append(&mut self, after: Position, entry: &Entry, is_again: bool) -> Result<bool, LogError> {
        self.0.borrow().ask()?;
        self.0.borrow_mut().appends += 1;
        let fault = self.0.borrow_mut().faults.pop_front();
        let lost = || Err(LogError::Away("2013 lost connection".to_owned()));
        match fault {
            None => self.0.borrow_mut().insert(after, entry, is_again),
            Some(Fault::AnswerLost) => self.0.borrow_mut().insert(after, entry, is_again).and_then(|_| lost()),
            Some(Fault::NotArrived) => lost(),
            Some(Fault::Late) => {
                self.0.borrow_mut().late.push((after, entry.clone(), is_again));
                lost()
            }
            Some(Fault::Beaten) => {
                let rival = self.0.borrow_mut().rival.take();
                rival.iter().for_each(|write| write());
                self.0.borrow_mut().insert(after, entry, is_again)
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

    fn images(&mut self) -> Result<Vec<(Position, Vec<u8>)>, LogError> {
        let shared = self.0.borrow();
        let label = |entry: &Entry| Some((entry.position, shared.images.get(&(entry.position.seq, 0))?.clone()));
        Ok(shared.entries.iter().rev().filter_map(label).collect())
    }

    fn image_part(&mut self, at: Position, part: u32) -> Result<Option<Vec<u8>>, LogError> {
        Ok(self.0.borrow().images.get(&(at.seq, part)).cloned())
    }

    fn put_image_part(&mut self, at: Position, part: u32, body: &[u8]) -> Result<(), LogError> {
        self.0.borrow_mut().images.insert((at.seq, part), body.to_owned());
        Ok(())
    }

    fn remove_before(&mut self, seq: u64) -> Result<(), LogError> {
        let mut shared = self.0.borrow_mut();
        shared.entries.retain(|entry| entry.position.seq >= seq);
        shared.images.retain(|(of, _), _| *of >= seq);
        Ok(())
    }

    fn next_host(&mut self) {
        self.1 = 1 - self.1;
    }

    fn connection(&self) -> u64 {
        1
    }

    fn hosts(&self) -> usize {
        2
    }
}

/// A machine with a folder of its own.
pub struct Node {
    pub dir: TempDir,
    pub name: &'static str,
    pub boot: &'static str,
    pub database: Database,
}

impl Node {
    pub fn new(name: &'static str, database: &Database) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        Self { dir, name, boot: "boot", database: Rc::clone(database) }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("state.db")
    }

    pub fn rules(&self) -> ClusterRules {
        ClusterRules {
            machine: self.name.to_owned(),
            owner: format!("{} {}", self.name, self.boot),
            queue: None,
            caught_up: Some(self.dir.path().join("caught-up")),
            lease: Duration::from_secs(180),
            send_by: Duration::from_secs(60),
            call: Duration::from_secs(60),
            settle: Duration::from_secs(1020),
            clocks: Clocks { now: if self.name == "b" { now_of_b } else { now }, uptime, sleep },
        }
    }

    pub fn log(&self) -> Box<dyn ClusterLog> {
        Box::new(MemoryLog(Rc::clone(&self.database), 0))
    }

    pub fn begins(&self) -> Store {
        let panel = PanelId::from_bytes(PANEL);
        let who = Installation { pinned: None, fresh: &panel, machine: self.name };
        prepare(&self.path(), who, now()).expect("a state");
        begin(&self.path(), self.log(), self.rules(), &mut |_, _| {}).expect("the log begins")
    }

    pub fn joins(&self) -> Store {
        join(&self.path(), self.log(), self.rules(), now(), &mut |_, _| {}).expect("the machine joins")
    }

    /// Another run on this machine.
    pub fn run(&self) -> Store {
        let conn = Connection::open(self.path()).expect("the replica");
        Store::from_connection(Rc::new(conn)).in_cluster(self.log(), self.rules()).expect("a replica")
    }
}

impl Recorded {
    /// The recorded intent of a test that expects one.
    pub fn expect_intent(self) -> RecordedIntent {
        match self {
            Self::Intent(recorded) => recorded,
            Self::Existing(intent) => panic!("{intent:?}"),
        }
    }
}
