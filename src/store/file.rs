//! The state as a file: where it may lie, who may read it, how an old one is brought forward and a bad one is left
//! alone.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags};

use super::{Store, StoreError, schema};
use crate::model::ids::PanelId;

/// How long a write waits for another process's write. Transactions here are short: no call to anybody in between.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Between two tries where SQLite does not wait by itself.
const BUSY_RETRY: Duration = Duration::from_millis(20);

/// Pages copied at once: all of them, so that no writer makes the copy begin anew.
const COPIED_PAGES: i32 = i32::MAX;

/// The first bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError + '_ {
    move |source| StoreError::Io { path: path.display().to_string(), source }
}

/// Opens the state, making folder (0700) and file (0600) at first use. `pinned`: the setting panel_id; `fresh`: the id
/// of a new state without it. `machine`: what this machine calls itself.
///
/// # Errors
/// A newer file is refused with both versions named; one that is not ours or damaged is left as it is; an older one is
/// brought forward with a copy `state.db.vN` kept beside it.
pub fn open_file(
    path: &Path,
    pinned: Option<&PanelId>,
    fresh: &PanelId,
    machine: &str,
    now: DateTime<Utc>,
) -> Result<Store, StoreError> {
    make_private(path)?;
    check_magic(path)?;
    let conn = Connection::open(path)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    let is_new = pragma_i32(&conn, "user_version")? == 0 && pragma_i32(&conn, "schema_version")? == 0;
    let version = check_version(&conn, is_new)?;
    patiently(|| settle_pragmas(&conn))?;
    if version < schema::version() {
        if !is_new {
            keep_copy(&conn, path, version)?;
        }
        bring_forward(&conn)?;
    }
    let store = Store::from_connection(Rc::new(conn));
    name_installation(&store, pinned, fresh, machine, now)?;
    Ok(store)
}

/// The version of a state that this program can use; a new one has none yet.
fn check_version(conn: &Connection, is_new: bool) -> Result<i32, StoreError> {
    let version = pragma_i32(conn, "user_version")?;
    if version > schema::version() {
        return Err(StoreError::Newer { found: version, known: schema::version() });
    }
    if !is_new && pragma_i32(conn, "application_id")? != schema::APPLICATION_ID {
        return Err(StoreError::Unusable("another program's database".to_owned()));
    }
    Ok(version)
}

fn name_installation(
    store: &Store,
    pinned: Option<&PanelId>,
    fresh: &PanelId,
    machine: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let known = store.meta("panel_id")?;
    if known.is_some() && pinned.is_none_or(|id| known.as_deref() == Some(id.as_str())) {
        return Ok(());
    }
    store.write(now, |tx| {
        // Sixteen processes may meet a new file at once: what the first one wrote stays.
        tx.set_meta_once("panel_id", fresh.as_str())?;
        tx.set_meta_once("machine", machine)?;
        pinned.map_or(Ok(()), |id| tx.set_meta("panel_id", id.as_str()))
    })
}

/// A copy of the state in memory, brought forward: for runs that only show what they would do. Without a file it is a
/// new one. The file is only read; opened for reading only, SQLite would leave its helper files behind.
///
/// # Errors
/// As [`open_file`].
pub fn copy_in_memory(
    path: &Path,
    pinned: Option<&PanelId>,
    fresh: &PanelId,
    machine: &str,
) -> Result<Store, StoreError> {
    let mut copy = Connection::open_in_memory()?;
    let is_there = fs::metadata(path).is_ok_and(|file| file.len() > 0);
    if is_there {
        check_magic(path)?;
        let file = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        file.busy_timeout(BUSY_TIMEOUT)?;
        let backup = rusqlite::backup::Backup::new(&file, &mut copy)?;
        backup.run_to_completion(COPIED_PAGES, Duration::ZERO, None)?;
    }
    check_version(&copy, !is_there)?;
    bring_forward(&copy)?;
    let store = Store::from_connection(Rc::new(copy));
    name_installation(&store, pinned, fresh, machine, DateTime::UNIX_EPOCH)?;
    Ok(store)
}

fn make_private(path: &Path) -> Result<(), StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        if let Some(above) = folder.parent() {
            fs::create_dir_all(above).map_err(io(above))?;
        }
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            other => other.map_err(io(folder))?,
        }
    }
    // Made before SQLite does, so that it is never readable by others; SQLite gives its journals the same mode.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let mode = fs::metadata(path).map_err(io(path))?.permissions().mode();
            if mode & 0o077 != 0 {
                fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(io(path))?;
            }
            Ok(())
        }
        Err(error) => Err(io(path)(error)),
    }
}

/// An empty file is a new one; anything else must begin like SQLite does, or SQLite would overwrite it.
fn check_magic(path: &Path) -> Result<(), StoreError> {
    let mut head = Vec::new();
    fs::File::open(path).map_err(io(path))?.take(16).read_to_end(&mut head).map_err(io(path))?;
    if head.is_empty() || head == MAGIC { Ok(()) } else { Err(StoreError::Unusable("not an SQLite file".to_owned())) }
}

/// Several runs that meet a new file wait for each other to change its mode: SQLite tells one of them at once that the
/// file is busy, whatever the timeout.
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

fn keep_copy(conn: &Connection, path: &Path, version: i32) -> Result<(), StoreError> {
    let copy = path.with_extension(format!("db.v{version}"));
    if copy.exists() {
        return Ok(());
    }
    conn.execute("VACUUM INTO ?1", [copy.display().to_string()])?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).map_err(io(&copy))
}

/// Two processes may meet a new or old file at once: the one that comes second finds the work done.
fn bring_forward(conn: &Connection) -> Result<(), StoreError> {
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

    /// A crowd that meets no file yet: each gets the state, all the same one. Where SQLite gave up it was once in some
    /// hundred rounds.
    #[test]
    fn first_runs_at_once() {
        for _ in 0..200 {
            let dir = tempfile::tempdir().expect("a folder");
            let path = &dir.path().join("state/state.db");
            let open = |number: u8| {
                let fresh = PanelId::from_bytes([number; 8]);
                let store = open_file(path, None, &fresh, "machine", DateTime::<Utc>::MIN_UTC).expect("the state");
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
