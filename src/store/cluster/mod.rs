//! The state as a replica of a log that several machines share (docs/cluster.md). Each write transaction is one entry
//! of the log. The entry's number is its key in the database, and the entry names the one before it by its chain. So
//! exactly one machine writes the next entry, and only a machine that knows all entries before it.
//!
//! No local transaction is open while a server is asked. `work` runs in a transaction that notes its statements and is
//! rolled back. Then the entry is written to the log, and applied here as on every other machine. A run that dies in
//! between leaves an entry that the next run applies.

mod body;
mod freshness;
mod lease;
mod log;
mod members;
mod mend;
mod replica;
mod snapshot;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use super::{Open, StoreError, Tx, schema};
use crate::error::Message;
pub(super) use body::{Line, owned};
pub use freshness::Freshness;
pub use lease::{Deadline, LastLook, Lease, LeaseGuard};
pub use log::{
    COMPARED, Chain, ClusterLog, Entry, Head, HostFacts, HostReport, LogError, Position, Progress, Token, places,
};
pub use members::{Machine, begin, bring_forward, join, leave, rejoin};
pub(super) use replica::{APPLICATION_ID, is_replica, machine, unmake};

/// How long a write tries to get its entry into the log. A limit on the number of attempts would put the slower of two
/// machines at a disadvantage.
const TRY_FOR: Duration = Duration::from_secs(20);

/// The pause between two attempts: at least this long, and at most twice as long.
const PAUSE: Duration = Duration::from_millis(10);

/// How long a run lets the other runs of its machine write first. This only avoids collisions; the log keeps the order.
const QUEUE_FOR: Duration = Duration::from_secs(2);

/// The settings of a machine of a cluster.
#[derive(Debug, Clone)]
pub struct ClusterRules {
    /// The name of this machine.
    pub machine: String,
    /// Machine, boot and lock folder. A run that holds a lock file there knows that an earlier owner is dead.
    pub owner: String,
    /// The file with which the runs of this machine queue. `None`: they do not queue.
    pub queue: Option<PathBuf>,
    /// The file whose time is when this machine last caught up with the log. `None`: it is not remembered.
    pub caught_up: Option<PathBuf>,
    /// How long a lease lasts without renewal.
    pub lease: Duration,
    /// An intent is sent within this time after its recording, or never.
    pub send_by: Duration,
    /// The longest call of the seller.
    pub call: Duration,
    /// After this time since its recording, an intent can no longer take effect: settling time, `send_by` and the
    /// length of a call.
    pub settle: Duration,
    /// This machine's clocks.
    pub clocks: Clocks,
}

/// The clocks of a machine. The simulator has its own.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    /// The clock, for times that are compared with other machines.
    pub now: fn() -> DateTime<Utc>,
    /// Time since boot, a sleeping machine included.
    pub uptime: fn() -> Duration,
    /// Waits.
    pub sleep: fn(Duration),
}

impl Clocks {
    /// Those of the operating system.
    pub const SYSTEM: Self = Self { now: Utc::now, uptime: lease::since_boot, sleep: std::thread::sleep };
}

/// Why a replica cannot go on. Nothing was sent because of it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClusterError {
    /// No server answered, and nothing was written.
    #[error("no server of the log answers: {0}")]
    Away(String),
    /// It is not known whether the entry was written. If it was, the next run finds it.
    #[error("the entry may have been written: {0}")]
    InDoubt(String),
    /// A server answered, and an operator has to change something.
    #[error("{cause}")]
    Unfit {
        /// In technical words.
        cause: String,
        /// For people.
        advice: Box<Message>,
    },
    /// Other machines were faster for too long.
    #[error("other machines wrote first for {} seconds", TRY_FOR.as_secs())]
    Crowded,
    /// The log no longer holds the entries that this replica lacks.
    #[error("this replica ends at entry {here}, the log begins later")]
    Behind {
        /// The newest entry here.
        here: u64,
    },
    /// The log and this replica hold different entries of the same number.
    #[error("fork: here entry {} {}, in the log {there}", here.seq, here.chain.short())]
    Fork {
        /// The newest entry here.
        here: Position,
        /// What the log has.
        there: String,
    },
    /// The database may lack its newest entries, and this machine waits for those that have them.
    #[error("the database changed or was started anew; nothing is written before {until}")]
    Quiet {
        /// Until when.
        until: DateTime<Utc>,
    },
    /// The log had lost entries: purchases of other machines may be missing in it.
    #[error("the log had lost entries; nothing is bought before {until}")]
    Held {
        /// Until when.
        until: DateTime<Utc>,
    },
    /// The lease ran out and another machine took it over.
    #[error("the lease {0} was taken over")]
    LeaseLost(String),
    /// This machine has not joined.
    #[error("machine {0} has not joined the cluster")]
    NotJoined(String),
    /// Every machine has left. The one that left last goes on with an ordinary state, which the log does not know.
    #[error("every machine has left the cluster, {last} as the last one")]
    Ended {
        /// The machine that left last.
        last: String,
    },
    /// This machine left as the last one, and its replica was not yet made an ordinary state.
    #[error("this machine left the cluster, and still has its replica")]
    LeavingUnfinished,
    /// The state is the replica of a cluster, and the settings name none.
    #[error("the state is the replica of a cluster, and the settings have no [cluster]")]
    NoSettings,
    /// The settings name a cluster, and the state is not its replica.
    #[error("the state is not the replica of a cluster")]
    NotReplica,
    /// The replica belongs to another machine.
    #[error("the replica belongs to machine {0}")]
    Elsewhere(String),
}

impl From<ClusterError> for StoreError {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(Box::new(error))
    }
}

impl From<LogError> for StoreError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Away(why) => ClusterError::Away(why).into(),
            LogError::Unfit { cause, advice } => ClusterError::Unfit { cause, advice }.into(),
        }
    }
}

/// The result of adding an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Appended {
    Written,
    /// Another entry has its number.
    Taken,
    /// The entry before it is not in the log.
    Lost,
}

/// What this machine is to the cluster, as of the newest entry of its replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Member,
    /// It left as the last machine.
    LeftLast,
    /// It left while others were members, or never joined.
    Outside,
}

/// This machine's part in the cluster, for one run.
pub struct Cluster {
    conn: Rc<Connection>,
    log: RefCell<Box<dyn ClusterLog>>,
    rules: ClusterRules,
    /// The name of this run. A lease belongs to one run.
    run: String,
    held: RefCell<Vec<lease::Held>>,
    /// Leases that were given back; the next entry, or the end of the run, removes them.
    given_back: RefCell<Vec<String>>,
    /// The connection whose server was checked: see [`Cluster::check_database`].
    checked: Cell<Option<u64>>,
    /// Whether the entry that is being written admits this machine.
    admitting: Cell<bool>,
}

impl Cluster {
    /// This machine's part, for an open replica.
    pub fn new(conn: Rc<Connection>, log: Box<dyn ClusterLog>, rules: ClusterRules) -> Result<Self, StoreError> {
        let owner = replica::machine(&conn)?;
        if owner != rules.machine {
            return Err(ClusterError::Elsewhere(owner).into());
        }
        let run = Token::fresh()?.0.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            conn,
            log: RefCell::new(log),
            rules,
            run,
            held: RefCell::default(),
            given_back: RefCell::default(),
            checked: Cell::new(None),
            admitting: Cell::new(false),
        })
    }

    /// The only way to change the replicated state: see the module's comment.
    pub(super) fn write<T>(
        &self,
        writing: &Cell<bool>,
        now: DateTime<Utc>,
        work: &dyn Fn(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _turn = self.turn();
        let since = self.uptime();
        loop {
            writing.set(true);
            let rehearsed = self.rehearse(now, work);
            writing.set(false);
            let (value, lines, after) = rehearsed?;
            if lines.is_empty() {
                return Ok(value);
            }
            self.check_database()?;
            match self.add(after, &lines)? {
                // The entry removed them: see [`Cluster::rehearse`].
                Appended::Written => {
                    self.given_back.borrow_mut().clear();
                    self.remember_caught_up();
                    return Ok(value);
                }
                Appended::Taken => self.catch_up()?,
                Appended::Lost => self.mend()?,
            }
            if self.uptime().saturating_sub(since) >= TRY_FOR {
                return Err(ClusterError::Crowded.into());
            }
            self.pause(PAUSE)?;
        }
    }

    /// Runs `work`, notes what it changes, and undoes it.
    fn rehearse<T>(
        &self,
        now: DateTime<Utc>,
        work: &dyn Fn(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<(T, Vec<Line>, Position), StoreError> {
        let _rolled_back = Open::begin(&self.conn)?;
        let after = replica::position(&self.conn)?;
        self.check_joined()?;
        self.check_leases()?;
        let tx = Tx { conn: &self.conn, now, noted: Some(RefCell::default()) };
        let value = work(&tx)?;
        if tx.has_changed() {
            self.remove_given_back(&tx)?;
        }
        Ok((value, tx.noted.map(RefCell::into_inner).unwrap_or_default(), after))
    }

    fn check_joined(&self) -> Result<(), StoreError> {
        if self.admitting.get() {
            return Ok(());
        }
        match self.standing()? {
            Standing::Member => Ok(()),
            Standing::LeftLast => Err(ClusterError::LeavingUnfinished.into()),
            Standing::Outside => Err(ClusterError::NotJoined(self.rules.machine.clone()).into()),
        }
    }

    fn standing(&self) -> Result<Standing, StoreError> {
        let machine = &self.rules.machine;
        let mut statement = self.conn.prepare_cached("SELECT 1 FROM cluster_machine WHERE name = ?1")?;
        if statement.exists([machine])? {
            return Ok(Standing::Member);
        }
        let last = super::read_meta(&self.conn, members::LEFT_LAST)?;
        Ok(if last.as_ref() == Some(machine) { Standing::LeftLast } else { Standing::Outside })
    }

    /// Adds an entry and applies it here.
    fn add(&self, after: Position, lines: &[Line]) -> Result<Appended, StoreError> {
        let body = body::written(lines)?;
        let position = Position { seq: after.seq + 1, chain: after.chain.then(&body) };
        let format = schema::version();
        let entry = Entry { position, token: Token::fresh()?, node: self.rules.machine.clone(), format, body };
        let known = super::read_meta(&self.conn, mend::IDENTITY)?;
        let appended = self.append(after, &entry, known.as_deref(), false)?;
        if appended == Appended::Written {
            replica::apply(&self.conn, &entry)?;
        }
        Ok(appended)
    }

    /// Applies what other machines wrote.
    ///
    /// # Errors
    /// [`ClusterError`]; and as `replica::apply`.
    pub fn catch_up(&self) -> Result<(), StoreError> {
        if !self.advance()? {
            self.mend()?;
        }
        self.remember_caught_up();
        Ok(())
    }

    fn advance(&self) -> Result<bool, StoreError> {
        advance(&self.conn, &mut **self.log.borrow_mut())
    }

    /// The database's clock.
    ///
    /// # Errors
    /// [`ClusterError::Away`], [`ClusterError::Unfit`].
    pub fn clock(&self) -> Result<DateTime<Utc>, StoreError> {
        Ok(self.log.borrow_mut().clock()?)
    }

    /// Waits for the other runs of this machine; goes on without them when they take too long.
    fn turn(&self) -> Option<std::fs::File> {
        let path = self.rules.queue.as_ref()?;
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path).ok()?;
        let since = self.uptime();
        while let Err(std::fs::TryLockError::WouldBlock) = file.try_lock() {
            if self.uptime().saturating_sub(since) >= QUEUE_FOR {
                return None;
            }
            self.pause(PAUSE / 2).ok()?;
        }
        Some(file)
    }

    fn uptime(&self) -> Duration {
        (self.rules.clocks.uptime)()
    }

    /// Waits between one and two times this long, at random, so that two machines that collided once do not collide
    /// again.
    fn pause(&self, least: Duration) -> Result<(), StoreError> {
        let more = u32::from(Token::fresh()?.0.first().copied().unwrap_or_default());
        (self.rules.clocks.sleep)(least + least * more / 256);
        Ok(())
    }

    /// Writes an entry after another one. Whatever the answer says, only the log's content afterwards counts: an answer
    /// may be lost, and a server that was cut off may carry the insert out late. The same number and token are used
    /// until one of the three results is proven. `known`: the database that may be asked again after an error; nothing
    /// is written to another one, nor to one that may lack entries. `is_again`: see [`ClusterLog::append`].
    fn append(
        &self,
        after: Position,
        entry: &Entry,
        known: Option<&str>,
        is_again: bool,
    ) -> Result<Appended, StoreError> {
        let log = &mut **self.log.borrow_mut();
        let connection = log.connection();
        let since = self.uptime();
        loop {
            let said = match log.append(after, entry, is_again) {
                Ok(true) => return Ok(Appended::Written),
                Ok(false) => "the entry before it was not there".to_owned(),
                Err(error @ LogError::Away(_)) => {
                    log.next_host();
                    error.to_string()
                }
                Err(error @ LogError::Unfit { .. }) => return Err(error.into()),
            };
            match log.entries(after.seq, 2) {
                Ok(found) => {
                    let next = found.iter().find(|other| other.position.seq == entry.position.seq);
                    if next.is_some_and(|other| other.token == entry.token) {
                        return Ok(Appended::Written);
                    }
                    if found.iter().all(|other| other.position != after) {
                        return Ok(Appended::Lost);
                    }
                    if next.is_some() {
                        return Ok(Appended::Taken);
                    }
                    if log.connection() != connection && known.is_some() && !is_known(log, known) {
                        return Err(ClusterError::InDoubt(said).into());
                    }
                }
                Err(_) => log.next_host(),
            }
            if self.uptime().saturating_sub(since) >= TRY_FOR {
                return Err(ClusterError::InDoubt(said).into());
            }
            self.pause(PAUSE * 5)?;
        }
    }
}

impl Token {
    /// A new random token.
    fn fresh() -> Result<Self, StoreError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| StoreError::Unusable(format!("no random bytes: {error}")))?;
        Ok(Self(bytes))
    }
}

/// Applies the entries that follow. `false`: the log does not have the newest entry of the replica.
fn advance(conn: &Connection, log: &mut dyn ClusterLog) -> Result<bool, StoreError> {
    const AT_ONCE: u32 = 200;
    loop {
        let at = replica::position(conn)?;
        let found = log.entries(at.seq, AT_ONCE)?;
        if found.first().is_none_or(|first| first.position != at) {
            return Ok(false);
        }
        for entry in found.iter().skip(1) {
            replica::apply(conn, entry)?;
        }
        if found.len() < AT_ONCE as usize {
            return Ok(true);
        }
    }
}

/// Whether the connected server belongs to the known database, and has a witness for its newest entry.
fn is_known(log: &mut dyn ClusterLog, known: Option<&str>) -> bool {
    log.head().is_ok_and(|head| Some(head.identity.as_str()) == known && head.is_witnessed)
}
