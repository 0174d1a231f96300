//! Our state: one SQLite file. All SQL for it is in this folder; `file` opens the file and checks its permissions. This
//! module has the open state and the only way to write: a transaction that ends before the seller or the panel is
//! called.
//!
//! A write that returned `Ok` survives a power loss (WAL with full sync). A write that failed counts as "perhaps
//! written": nothing is sent because of it, and an intent that it recorded reads as in doubt.

mod accounts;
mod cell;
mod check;
mod cluster;
mod costs;
mod file;
mod items;
mod journal;
mod kept;
mod licenses;
mod old_state;
mod problems;
mod purchases;
mod queries;
mod schema;
mod swap;
mod sync_passes;
mod waiting;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use crate::durable::FileError;
use crate::error::Text;
use crate::model::ids::{AccountId, ItemId, LicenseId, Mark, PanelId};
use crate::model::journal::Note;
pub use accounts::{Account, InUse, PurchaseRefused};
pub use cluster::{
    COMPARED, Chain, Clocks, Cluster, ClusterError, ClusterLog, ClusterRules, Deadline, Entry, Freshness, Head,
    HostFacts, HostReport, LastLook, Lease, LeaseGuard, LogError, Machine, Position, Progress, Token, places,
};
pub mod membership {
    //! Beginning, joining and leaving a cluster.
    pub use super::cluster::{begin, bring_forward, join, leave, rejoin};
}
pub use file::{
    Installation, Opened, Unready, copy_in_memory, finish_copy, new_in_memory, open_file, open_ready, prepare,
};
pub use items::ItemRow;
pub use journal::{NewIntent, Recorded, RecordedIntent};
pub use licenses::Binding;
pub use old_state::RESTORED;
pub use problems::{Figure, Order};
pub use purchases::{Purchase, Reuse};
pub use queries::{JournalLine, LicenseFilter};
pub use swap::{Aside, is_replica_file, panel_id_of, read_copy, remove_state};
pub use sync_passes::{OpenIntent, Serving, Trouble};
pub use waiting::WaitsFor;

/// Our state could not be used. Nothing was changed, or the write counts as perhaps written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or its folder.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Written by a newer program.
    #[error("the state has version {found}, this program knows {known}")]
    Newer {
        /// Its version.
        found: i32,
        /// Ours.
        known: i32,
    },
    /// It is not ours, or damaged. It was left unchanged.
    #[error("not a usable state file: {0}")]
    Unusable(String),
    /// A value that cannot be read, with its row.
    #[error("a value in the state cannot be read: {0}")]
    Unreadable(String),
    /// SQLite.
    #[error("{0}")]
    Sqlite(#[source] rusqlite::Error),
    /// A step that the table of transitions forbids. This is a defect of ours; nothing was written.
    #[error("illegal step of intent {intent}: {from} after {event}")]
    IllegalStep {
        /// Which intent.
        intent: u32,
        /// Its status.
        from: &'static str,
        /// The event.
        event: String,
    },
    /// A license was to be released, and it serves a service that the caller does not know of. Nothing was written.
    #[error("license {0} serves another service")]
    GivenAway(LicenseId),
    /// The log of a cluster.
    #[error("{0}")]
    Cluster(#[source] Box<ClusterError>),
}

impl StoreError {
    /// Whether only one row cannot be used, so that work on other items and licenses may go on.
    pub fn is_of_one_row(&self) -> bool {
        matches!(self, Self::Unreadable(_) | Self::IllegalStep { .. } | Self::GivenAway(_))
    }
}

impl From<FileError> for StoreError {
    fn from(error: FileError) -> Self {
        Self::Io { path: error.path.display().to_string(), source: error.source }
    }
}

/// The name of the single value that holds the running number of the newest order.
const LAST_NUMBER: &str = "last_number";

/// The panel reuses the numbers of operations: for this many days a number means the payment first seen with it.
pub(crate) const OPERATION_DAYS: i64 = 20;

/// What a failing disk does to a COMMIT.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// Nothing is written.
    NotWritten,
    /// It is written, and COMMIT reports an error anyway.
    Written,
}

/// Called before each COMMIT. Only the simulator sets it, because a failed COMMIT can be tested nowhere else.
#[doc(hidden)]
pub type CommitHook = Rc<dyn Fn() -> Option<CommitFault>>;

/// The state: one open connection. Clones are cheap and share the connection.
#[derive(Clone)]
pub struct Store {
    conn: Rc<Connection>,
    /// Set while a transaction is open. No call to the seller or the panel may happen then.
    writing: Rc<Cell<bool>>,
    commit_hook: Option<CommitHook>,
    /// Set when the state is the replica of a cluster's log. Then the log decides what is written.
    cluster: Option<Rc<Cluster>>,
    /// The state is a copy of a replica, converted to an ordinary state.
    was_replica: bool,
    /// Dropped after the connection.
    _guard: Option<Rc<dyn Any>>,
}

/// An open transaction. All changes of our state go through its methods.
pub struct Tx<'t> {
    conn: &'t Connection,
    /// The moment of the write (UTC).
    pub now: DateTime<Utc>,
    /// The changes so far, when they go into a log.
    noted: Option<RefCell<Vec<cluster::Line>>>,
}

/// A transaction that is rolled back unless it was committed. Its statements are compiled once, like all others.
struct Open<'t>(&'t Connection);

impl<'t> Open<'t> {
    fn begin(conn: &'t Connection) -> Result<Self, StoreError> {
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self(conn))
    }

    fn commit(self) -> Result<(), StoreError> {
        self.0.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // The error that led here is reported. SQLite rolls back at the latest when the connection is closed.
            let _ = self.0.prepare_cached("ROLLBACK").and_then(|mut statement| statement.execute([]));
        }
    }
}

#[cfg(test)]
fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).expect("a moment")
}

impl Store {
    /// Wraps a connection whose schema is current: an open file, or the simulator's image.
    pub fn from_connection(conn: Rc<Connection>) -> Self {
        conn.set_prepared_statement_cache_capacity(128);
        // Without this, partial indexes make SQLite compile a statement again at each binding, which is only slower.
        let _ = conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true);
        Self {
            conn,
            writing: Rc::new(Cell::new(false)),
            commit_hook: None,
            cluster: None,
            was_replica: false,
            _guard: None,
        }
    }

    /// The same connection. The guard is dropped after the connection is closed.
    #[must_use]
    pub fn guarded_by(self, guard: impl Any) -> Self {
        Self { _guard: Some(Rc::new(guard)), ..self }
    }

    /// The same connection, as the replica of a log: from now on every write becomes an entry of that log first.
    ///
    /// # Errors
    /// [`ClusterError::NotReplica`], [`ClusterError::Elsewhere`].
    pub fn in_cluster(self, log: Box<dyn ClusterLog>, rules: ClusterRules) -> Result<Self, StoreError> {
        if !cluster::is_replica(&self.conn)? {
            return Err(ClusterError::NotReplica.into());
        }
        let cluster = Cluster::new(Rc::clone(&self.conn), log, rules)?;
        Ok(Self { cluster: Some(Rc::new(cluster)), ..self })
    }

    /// Applies what other machines wrote. Does nothing without a cluster.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn catch_up(&self) -> Result<(), StoreError> {
        self.cluster.as_ref().map_or(Ok(()), |cluster| cluster.catch_up())
    }

    /// The machine that the state belongs to. Empty if the state names none.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn home_machine(&self) -> Result<String, StoreError> {
        if cluster::is_replica(&self.conn)? {
            return cluster::machine(&self.conn);
        }
        Ok(self.meta("machine")?.unwrap_or_default())
    }

    fn marked_as_replica(self) -> Self {
        Self { was_replica: true, ..self }
    }

    /// Whether this is a copy of a replica, converted to an ordinary state.
    pub fn was_replica(&self) -> bool {
        self.was_replica
    }

    /// Whether the state is the replica of a cluster's log.
    pub fn is_clustered(&self) -> bool {
        self.cluster.is_some()
    }

    /// The same connection. Its commits fail when the hook says so.
    #[doc(hidden)]
    #[must_use]
    pub fn with_commit_hook(self, hook: CommitHook) -> Self {
        Self { commit_hook: Some(hook), ..self }
    }

    /// A new state in memory, for tests and the simulator.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn in_memory(panel: &PanelId) -> Result<Self, StoreError> {
        let conn = Connection::open_in_memory()?;
        schema::migrate(&conn, 0)?;
        let store = Self::from_connection(Rc::new(conn));
        store.write(DateTime::UNIX_EPOCH, |tx| tx.set_meta("panel_id", panel.as_str()))?;
        Ok(store)
    }

    /// The only way to change the state: all changes of `work` are made, or none. It may run again, so it does no more.
    ///
    /// # Errors
    /// The error of `work`, or a failed COMMIT. After the latter it is not known whether the changes were written.
    pub fn write<T>(
        &self,
        now: DateTime<Utc>,
        work: impl Fn(&Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(cluster) = &self.cluster {
            return cluster.write(&self.writing, now, &work);
        }
        let open = Open::begin(&self.conn)?;
        self.writing.set(true);
        let result = work(&Tx { conn: &self.conn, now, noted: None });
        self.writing.set(false);
        let value = result?;
        match self.commit_hook.as_ref().and_then(|hook| hook()) {
            None => open.commit()?,
            Some(CommitFault::NotWritten) => return Err(commit_failed()),
            Some(CommitFault::Written) => {
                open.commit()?;
                return Err(commit_failed());
            }
        }
        Ok(value)
    }

    /// Whether a transaction is open. Every call to the seller and the panel asserts that it is not.
    pub fn is_writing(&self) -> bool {
        self.writing.get()
    }

    /// A single value.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn meta(&self, name: &str) -> Result<Option<String>, StoreError> {
        read_meta(&self.conn, name)
    }

    /// The id of this installation: the P of our marks.
    ///
    /// # Errors
    /// The state has none: it is damaged.
    pub fn panel_id(&self) -> Result<PanelId, StoreError> {
        let text = self.meta("panel_id")?.unwrap_or_default();
        PanelId::parse(&text).ok_or_else(|| StoreError::Unusable("panel_id is missing".to_owned()))
    }

    /// A single value that is a number.
    ///
    /// # Errors
    /// [`StoreError::Unusable`]: the value is not a number.
    pub fn number(&self, name: &str) -> Result<Option<u32>, StoreError> {
        read_number(&self.conn, name)
    }
}

fn read_meta(conn: &Connection, name: &str) -> Result<Option<String>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

fn read_number(conn: &Connection, name: &str) -> Result<Option<u32>, StoreError> {
    let Some(text) = read_meta(conn, name)? else { return Ok(None) };
    let number = text.parse().map(Some);
    number.map_err(|_| StoreError::Unusable(format!("{name} holds {text:?}, which is not a number")))
}

fn commit_failed() -> StoreError {
    StoreError::Sqlite(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None))
}

impl Tx<'_> {
    /// Sets a single value.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn set_meta(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2",
            params![name, value],
        )
    }

    /// Sets a single value unless it has one.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn set_meta_once(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.run("INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING", params![name, value])
    }

    /// Takes the next running number of orders, for a mark.
    ///
    /// # Errors
    /// As [`Store::number`], because a number that cannot be read could be given out a second time.
    pub fn next_mark(&self, panel: &PanelId, item: ItemId) -> Result<Mark, StoreError> {
        let last = read_number(self.conn, LAST_NUMBER)?.unwrap_or(0);
        let number =
            last.checked_add(1).ok_or_else(|| StoreError::Unusable("no number is left for an order".to_owned()))?;
        self.set_meta(LAST_NUMBER, &number.to_string())?;
        Ok(Mark::Order { panel: panel.clone(), item, number })
    }

    /// A line of the journal that belongs to no intent: a decision and its reason in words.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn note(
        &self,
        item: Option<ItemId>,
        license: Option<(AccountId, LicenseId)>,
        note: Note,
        reason: &Text,
    ) -> Result<(), StoreError> {
        self.journal_line(None, item, license, note.word(), reason)
    }

    fn journal_line(
        &self,
        intent: Option<u32>,
        item: Option<ItemId>,
        license: Option<(AccountId, LicenseId)>,
        event: &str,
        reason: &Text,
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO journal (at, intent, item, account, license, event, en, ru)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                self.now.timestamp(),
                intent,
                item.map(|item| item.0),
                license.map(|(account, _)| account.0),
                license.map(|(_, license)| license.0),
                event,
                reason.en,
                reason.ru
            ],
        )
    }

    /// Carries out a statement that changes one table or more. Every change of the state goes through here.
    fn execute(&self, sql: &str, params: &[&dyn rusqlite::ToSql]) -> Result<usize, StoreError> {
        let changed = self.conn.prepare_cached(sql)?.execute(params)?;
        if let Some(noted) = self.noted.as_ref().filter(|_| changed > 0) {
            let values = params.iter().map(|value| cluster::owned(*value)).collect::<Result<_, _>>()?;
            noted.borrow_mut().push(cluster::Line::Statement { sql: sql.to_owned(), values, changed });
        }
        Ok(changed)
    }

    /// Whether anything was changed, as far as changes are noted.
    fn has_changed(&self) -> bool {
        self.noted.as_ref().is_some_and(|noted| !noted.borrow().is_empty())
    }

    fn run(&self, sql: &str, params: &[&dyn rusqlite::ToSql]) -> Result<(), StoreError> {
        self.execute(sql, params).map(drop)
    }

    /// As [`Tx::execute`], for one new row. Returns its number.
    fn insert(&self, sql: &str, params: &[&dyn rusqlite::ToSql]) -> Result<u32, StoreError> {
        self.execute(sql, params)?;
        let id = self.conn.last_insert_rowid();
        u32::try_from(id).map_err(|error| StoreError::Unusable(error.to_string()))
    }
}
