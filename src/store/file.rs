//! The state as a file: where it may lie, who may read it, how a new one is made and an old one brought forward, and
//! a bad one left alone. A file of this program is never empty, not even for a moment: it is written whole beside its
//! place, then named.

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

/// How long a write waits for another process's write. Transactions here are short: no call to anybody in between.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Between two tries where SQLite does not wait by itself.
const BUSY_RETRY: Duration = Duration::from_millis(20);

/// Pages copied at once: all of them, so that no writer makes the copy begin anew.
const COPIED_PAGES: i32 = i32::MAX;

/// The first bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Only the owner reads it: it holds license keys.
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

/// What opening found.
pub enum Opened {
    /// The state.
    Ready(Store),
    /// The replica of a cluster's log, to be opened with [`Store::in_cluster`].
    Replica(Store),
    /// [`prepare`] has something to do first, alone.
    Unready(Unready),
}

/// Why a state cannot be used yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unready {
    /// There is no file.
    Missing,
    /// The file is empty. This program leaves none behind.
    Empty,
    /// The schema is older than this program's, or the file has none yet.
    Older,
}

/// Opens the state if it is ready. Nothing is made and nothing is brought forward.
///
/// # Errors
/// A newer file is refused with both versions named; one that is not ours or damaged is left as it is.
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

/// Makes the state where there is none, with its folder (0700), or brings an older one forward; one that is ready
/// stays as it is. The caller holds the state's lock alone.
///
/// # Errors
/// As [`open_ready`]. A copy `state.db.vN` of an older one is kept beside it.
pub fn prepare(path: &Path, who: Installation<'_>, now: DateTime<Utc>) -> Result<(), StoreError> {
    if !path.exists() {
        let folder = path.parent().unwrap_or(Path::new(""));
        durable::private_folder(folder)?;
        let fresh = new_in_memory(who, now)?;
        return match durable::create(path, MODE, |new| vacuum_into(&fresh.conn, new)) {
            // Another run was faster. A link that leads nowhere is in the way as well.
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists && path.exists() => {
                Ok(())
            }
            other => other,
        };
    }
    let conn = connect(path)?;
    let version = check_version(&conn)?;
    if cluster::is_replica(&conn)? {
        // Only an entry of the log brings its schema forward: on all machines at the same place.
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

/// Opens the state, made or brought forward where it has to be, for a caller that is alone with it.
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

/// A file of SQLite's, for reading and writing; none is made.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    check_magic(path)?;
    connect_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

pub(super) fn connect_with(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    Ok(conn)
}

/// Whether nothing was ever written into the file: a run of an older program died while it made a new state.
fn is_new(conn: &Connection) -> Result<bool, StoreError> {
    Ok(pragma_i32(conn, "user_version")? == 0
        && pragma_i32(conn, "schema_version")? == 0
        && pragma_i32(conn, "application_id")? == 0)
}

/// The version of a state that this program can use; a new one has none yet.
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
        // Several runs may find it without a name at once: what the first one wrote stays.
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

/// A copy of the state in memory, brought forward: for runs that only show what they would do. The file is only read;
/// opened for reading only, SQLite would leave its helper files behind.
///
/// # Errors
/// As [`open_ready`].
pub fn copy_in_memory(path: &Path, who: Installation<'_>) -> Result<Store, StoreError> {
    let copy = in_memory(&connect(path)?)?;
    check_version(&copy)?;
    bring_forward(&copy)?;
    let store = Store::from_connection(Rc::new(copy));
    name_installation(&store, who, DateTime::UNIX_EPOCH)?;
    Ok(store)
}

/// Page for page, damaged ones too.
pub(super) fn in_memory(file: &Connection) -> Result<Connection, StoreError> {
    let mut copy = Connection::open_in_memory()?;
    let backup = rusqlite::backup::Backup::new(file, &mut copy)?;
    backup.run_to_completion(COPIED_PAGES, Duration::ZERO, None)?;
    drop(backup);
    Ok(copy)
}

/// A file that does not begin as SQLite's do would be overwritten by it.
pub(super) fn check_magic(path: &Path) -> Result<(), StoreError> {
    let mut head = Vec::new();
    let file = fs::File::open(path).map_err(FileError::at(path))?;
    file.take(16).read_to_end(&mut head).map_err(FileError::at(path))?;
    if head.is_empty() || head == MAGIC { Ok(()) } else { Err(StoreError::Unusable("not an SQLite file".to_owned())) }
}

/// Several runs that meet a new file wait for each other to change its mode: SQLite tells one of them at once that
/// the file is busy, whatever the timeout.
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

/// [`settle_pragmas`], for whoever opens a file by another way than [`open_ready`].
pub(super) fn settle(conn: &Connection) -> Result<(), StoreError> {
    patiently(|| settle_pragmas(conn))
}

/// Full sync, set and read back: a RecordedIntent must survive a power loss.
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

/// The state as it was before it is brought forward. A copy of that version from an earlier time is replaced: whoever
/// goes back to the older program wants the newest.
fn keep_copy(conn: &Connection, path: &Path, version: i32) -> Result<(), StoreError> {
    durable::replace(&path.with_extension(format!("db.v{version}")), MODE, |new| vacuum_into(conn, new))
}

/// Writes a whole copy into an empty file. SQLite does not sync it: that is up to the caller.
pub(super) fn vacuum_into(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    conn.execute("VACUUM INTO ?1", [path.display().to_string()])?;
    Ok(())
}

/// Two processes may meet a new or old file at once: the one that comes second finds the work done.
pub(super) fn bring_forward(conn: &Connection) -> Result<(), StoreError> {
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let result = pragma_i32(conn, "user_version").and_then(|version| schema::migrate(conn, version));
    match result {
        Ok(()) => Ok(conn.execute_batch("COMMIT")?),
        Err(error) => {
            // The error that is reported is the first one; a failing ROLLBACK leaves the file as it was all the same.
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

    /// A crowd that meets no file yet: each gets the state, all the same one. Where SQLite gave up it was once in
    /// some hundred rounds.
    #[test]
    fn first_runs_at_once() {
        for _ in 0..100 {
            // In memory where there is such a place: each of them syncs a file and its folder.
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
