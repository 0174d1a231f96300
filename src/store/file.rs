//! The state as a file: where it may be, who may read it, how a new one is made and an old one brought forward, and how
//! a bad one is left alone. A file of this program is never empty, not even for a moment: it is written completely
//! under another name and then renamed.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags};

use super::{ClusterError, Store, StoreError, cluster, schema};
use crate::durable::{self, FileError};
use crate::model::ids::PanelId;

/// How long a write waits for another process's write. Transactions are short, because there is never a call to the
/// outside in one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause between two attempts where SQLite itself does not wait.
const BUSY_RETRY: Duration = Duration::from_millis(20);

/// Pages that are copied at once: all of them. Otherwise a write in between would make the copy start again.
const COPIED_PAGES: i32 = i32::MAX;

/// The first bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Only the owner may read the file, because it holds license keys.
pub(super) const MODE: u32 = 0o600;

/// What a state knows about its installation.
#[derive(Debug, Clone, Copy)]
pub struct Installation<'i> {
    /// The setting panel_id.
    pub pinned: Option<&'i PanelId>,
    /// The id of a new state without that setting.
    pub fresh: &'i PanelId,
    /// What this machine calls itself.
    pub machine: &'i str,
}

/// The result of opening.
pub enum Opened {
    /// The state.
    Ready(Store),
    /// The replica of a cluster's log. It has to be opened with [`Store::in_cluster`].
    Replica(Store),
    /// The state is not ready: [`prepare`] has to run first, under the lock taken alone.
    Unready(Unready),
}

/// Why a state cannot be used yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unready {
    /// There is no file.
    Missing,
    /// The file is empty. This program never leaves an empty file.
    Empty,
    /// The schema is older than this program's, or the file has none yet.
    Older,
}

/// Opens the state if it is ready. It neither makes a state nor brings one forward.
///
/// # Errors
/// A newer file is refused, with both versions named. A file that is not ours, or is damaged, is left unchanged.
pub fn open_ready(path: &Path, who: Installation<'_>, now: DateTime<Utc>) -> Result<Opened, StoreError> {
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Opened::Unready(Unready::Missing)),
        Err(error) => return Err(FileError::at(path)(error).into()),
    };
    if about.len() == 0 {
        return Ok(Opened::Unready(Unready::Empty));
    }
    if about.permissions().mode() & 0o077 != 0 {
        // SQLite gives its journals the same mode.
        fs::set_permissions(path, fs::Permissions::from_mode(MODE)).map_err(FileError::at(path))?;
    }
    let conn = connect(path)?;
    if check_version(&conn)? < schema::version() {
        return Ok(Opened::Unready(Unready::Older));
    }
    patiently(|| settle_pragmas(&conn))?;
    let is_replica = cluster::is_replica(&conn)?;
    let store = Store::from_connection(Rc::new(conn));
    if is_replica {
        return Ok(Opened::Replica(store));
    }
    name_installation(&store, who, now)?;
    Ok(Opened::Ready(store))
}

/// Makes a missing state and its folder (0700), or brings an older state forward. A state that is ready stays
/// unchanged. The caller holds the state's lock alone.
///
/// # Errors
/// As [`open_ready`]. A copy of an older state is kept beside it as `state.db.vN`.
pub fn prepare(path: &Path, who: Installation<'_>, now: DateTime<Utc>) -> Result<(), StoreError> {
    if !path.exists() {
        let folder = path.parent().unwrap_or(Path::new(""));
        durable::private_folder(folder)?;
        let fresh = new_in_memory(who, now)?;
        return match durable::create(path, MODE, |new| vacuum_into(&fresh.conn, new)) {
            // Another run was faster. A symbolic link to a missing file gives this error too.
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists && path.exists() => {
                Ok(())
            }
            other => other,
        };
    }
    let conn = connect(path)?;
    let version = check_version(&conn)?;
    if cluster::is_replica(&conn)? {
        // Only an entry of the log brings the schema of a replica forward, so that all machines do it at the same
        // place.
        return Err(ClusterError::NoSettings.into());
    }
    if version < schema::version() {
        patiently(|| settle_pragmas(&conn))?;
        if !is_new(&conn)? {
            keep_copy(&conn, path, version)?;
        }
        bring_forward(&conn)?;
    }
    Ok(())
}

/// Opens the state, and makes it or brings it forward if necessary. For a caller that is alone with it.
///
/// # Errors
/// As [`open_ready`] and [`prepare`].
pub fn open_file(path: &Path, who: Installation<'_>, now: DateTime<Utc>) -> Result<Store, StoreError> {
    loop {
        match open_ready(path, who, now)? {
            Opened::Ready(store) => return Ok(store),
            Opened::Replica(_) => return Err(ClusterError::NoSettings.into()),
            Opened::Unready(_) => prepare(path, who, now)?,
        }
    }
}

/// Opens an SQLite file for reading and writing. A missing file is not made.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    check_magic(path)?;
    connect_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

pub(super) fn connect_with(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    Ok(conn)
}

/// Whether nothing was ever written into the file, because a run of an older program died while it made a new state.
fn is_new(conn: &Connection) -> Result<bool, StoreError> {
    Ok(pragma_i32(conn, "user_version")? == 0
        && pragma_i32(conn, "schema_version")? == 0
        && pragma_i32(conn, "application_id")? == 0)
}

/// The version of a state, if this program can use it. A new file has none yet.
pub(super) fn check_version(conn: &Connection) -> Result<i32, StoreError> {
    let version = pragma_i32(conn, "user_version")?;
    if version > schema::version() {
        return Err(StoreError::Newer { found: version, known: schema::version() });
    }
    let id = pragma_i32(conn, "application_id")?;
    if !is_new(conn)? && id != schema::APPLICATION_ID && id != cluster::APPLICATION_ID {
        return Err(StoreError::Unusable("another program's database".to_owned()));
    }
    Ok(version)
}

fn name_installation(store: &Store, who: Installation<'_>, now: DateTime<Utc>) -> Result<(), StoreError> {
    let known = store.meta("panel_id")?;
    if known.is_some() && who.pinned.is_none_or(|id| known.as_deref() == Some(id.as_str())) {
        return Ok(());
    }
    store.write(now, |tx| {
        // Several runs may find it without an id at the same time. The id that the first one writes stays.
        tx.set_meta_once("panel_id", who.fresh.as_str())?;
        tx.set_meta_once("machine", who.machine)?;
        who.pinned.map_or(Ok(()), |id| tx.set_meta("panel_id", id.as_str()))
    })
}

/// A new state in memory.
///
/// # Errors
/// An error of SQLite.
pub fn new_in_memory(who: Installation<'_>, now: DateTime<Utc>) -> Result<Store, StoreError> {
    let conn = Connection::open_in_memory()?;
    bring_forward(&conn)?;
    let store = Store::from_connection(Rc::new(conn));
    name_installation(&store, who, now)?;
    Ok(store)
}

/// A copy of the state in memory, for runs that only show what they would do. The file is not changed. It is not opened
/// as read-only, because then SQLite would leave its helper files behind. The copy has the version of the file, so that
/// entries of a cluster's log can be applied to it. [`finish_copy`] makes it usable.
///
/// # Errors
/// As [`open_ready`].
pub fn copy_in_memory(path: &Path) -> Result<Store, StoreError> {
    let copy = in_memory(&connect(path)?)?;
    check_version(&copy)?;
    Ok(Store::from_connection(Rc::new(copy)))
}

/// Brings a copy forward.
///
/// # Errors
/// An error of SQLite.
pub fn finish_copy(copy: &Store, who: Installation<'_>) -> Result<(), StoreError> {
    bring_forward(&copy.conn)?;
    name_installation(copy, who, DateTime::UNIX_EPOCH)
}

/// Copies page by page, damaged pages too.
pub(super) fn in_memory(file: &Connection) -> Result<Connection, StoreError> {
    let mut copy = Connection::open_in_memory()?;
    let backup = rusqlite::backup::Backup::new(file, &mut copy)?;
    backup.run_to_completion(COPIED_PAGES, Duration::ZERO, None)?;
    drop(backup);
    Ok(copy)
}

/// Checks the first bytes, because SQLite would overwrite a file that does not begin like one of its own.
pub(super) fn check_magic(path: &Path) -> Result<(), StoreError> {
    let mut head = Vec::new();
    let file = fs::File::open(path).map_err(FileError::at(path))?;
    file.take(16).read_to_end(&mut head).map_err(FileError::at(path))?;
    if head.is_empty() || head == MAGIC { Ok(()) } else { Err(StoreError::Unusable("not an SQLite file".to_owned())) }
}

/// Lets several runs that find a new file wait for each other while they change its journal mode: SQLite reports to one
/// of them at once that the file is busy, whatever the timeout is.
fn patiently(mut settle: impl FnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
    let since = Instant::now();
    loop {
        match settle() {
            Err(StoreError::Sqlite(error))
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && since.elapsed() < BUSY_TIMEOUT =>
            {
                std::thread::sleep(BUSY_RETRY);
            }
            other => return other,
        }
    }
}

/// [`settle_pragmas`], for code that does not open a file with [`open_ready`].
pub(super) fn settle(conn: &Connection) -> Result<(), StoreError> {
    patiently(|| settle_pragmas(conn))
}

/// Sets full sync and reads it back: a recorded intent must survive a power loss.
fn settle_pragmas(conn: &Connection) -> Result<(), StoreError> {
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    let wanted = if mode == "wal" { 2 } else { 3 };
    if mode != "wal" {
        let mode: String = conn.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
        if mode != "delete" {
            return Err(StoreError::Unusable(format!("journal mode {mode}")));
        }
    }
    conn.pragma_update(None, "synchronous", wanted)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    let synchronous = pragma_i32(conn, "synchronous")?;
    if synchronous == wanted { Ok(()) } else { Err(StoreError::Unusable(format!("synchronous {synchronous}"))) }
}

/// Keeps a copy of the state before it is brought forward. An earlier copy of the same version is replaced, because an
/// operator who goes back to the older program needs the newest one.
fn keep_copy(conn: &Connection, path: &Path, version: i32) -> Result<(), StoreError> {
    durable::replace(&path.with_extension(format!("db.v{version}")), MODE, |new| vacuum_into(conn, new))
}

/// Writes a complete copy into an empty file. SQLite does not sync it; the caller has to.
pub(super) fn vacuum_into(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    conn.execute("VACUUM INTO ?1", [path.display().to_string()])?;
    Ok(())
}

/// Brings the schema forward. Two processes may find a new or old file at the same time; the second one finds the work
/// done.
pub(super) fn bring_forward(conn: &Connection) -> Result<(), StoreError> {
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let migrate = || {
        let (version, id) = (pragma_i32(conn, "user_version")?, pragma_i32(conn, "application_id")?);
        schema::migrate(conn, version)?;
        // A copy of a replica is still one.
        if id == cluster::APPLICATION_ID { conn.pragma_update(None, "application_id", id) } else { Ok(()) }
    };
    match migrate() {
        Ok(()) => Ok(conn.execute_batch("COMMIT")?),
        Err(error) => {
            // The first error is reported. Even when ROLLBACK fails, the file stays as it was.
            let _ = conn.execute_batch("ROLLBACK");
            Err(error.into())
        }
    }
}

fn pragma_i32(conn: &Connection, name: &str) -> rusqlite::Result<i32> {
    conn.pragma_query_value(None, name, |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many runs at once find no file. Each gets the state, and all get the same one. Without the retries SQLite failed
    /// once in some hundred rounds.
    #[test]
    fn many_first_runs_at_once_get_the_same_state() {
        for _ in 0..100 {
            // In a folder in memory if there is one, because each run syncs a file and its folder.
            let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
            let path = &dir.path().join("state/state.db");
            let open = |number: u8| {
                let fresh = PanelId::from_bytes([number; 8]);
                let who = Installation { pinned: None, fresh: &fresh, machine: "machine" };
                let store = open_file(path, who, DateTime::<Utc>::MIN_UTC).expect("the state");
                store.meta("panel_id").expect("a meta").expect("an id")
            };
            let ids: Vec<String> = std::thread::scope(|scope| {
                let runs: Vec<_> = (0..17).map(|number| scope.spawn(move || open(number))).collect();
                runs.into_iter().map(|run| run.join().expect("no panic")).collect()
            });
            assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        }
    }
}
