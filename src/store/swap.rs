//! Replacing the state by another one, and copies of it. The caller that replaces a state holds the state's lock alone.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::file::{MODE, bring_forward, check_magic, check_version, connect, connect_with, in_memory, vacuum_into};
use super::{Store, StoreError, cluster};
use crate::durable::{self, FileError};
use crate::model::ids::PanelId;

/// The files that SQLite keeps beside a database: the newest writes, and their index.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The state file itself, if `path` is a symbolic link to it. SQLite keeps the companion files there.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Removes the files that SQLite keeps beside a state, so that it does not treat them as a part of the next one.
pub(super) fn remove_companions(path: &Path) -> Result<(), StoreError> {
    let path = real(path);
    Ok(durable::remove(&COMPANIONS.map(|suffix| beside(&path, suffix)))?)
}

/// Removes a state for good. The caller has a copy of it, and holds the state's lock alone.
///
/// # Errors
/// A file cannot be removed, or the folder cannot be synced.
pub fn remove_state(path: &Path) -> Result<(), StoreError> {
    let path = real(path);
    remove_companions(&path)?;
    Ok(durable::remove(&[path])?)
}

/// Reads a copy of a state into memory and brings it forward there. The file itself is not changed. Defects of the copy
/// are found here, before it is used.
///
/// # Errors
/// [`StoreError::Newer`], or [`StoreError::Unusable`]: it is empty, not a state of this program, or damaged.
pub fn read_copy(file: &Path) -> Result<Store, StoreError> {
    let copy = in_memory(&connect_to_copy(file)?)?;
    check_version(&copy)?;
    let store = Store::from_connection(Rc::new(copy));
    bring_forward(&store.conn)?;
    if let Some(first) = store.integrity()?.into_iter().next() {
        return Err(StoreError::Unusable(first));
    }
    store.panel_id()?;
    if cluster::is_replica(&store.conn)? {
        // A replica becomes an ordinary state: the machine that uses it goes on alone.
        cluster::unmake(&store.conn)?;
        return Ok(store.marked_as_replica());
    }
    Ok(store)
}

/// Whether a file is the replica of a cluster. It is not read into memory, however large it is.
///
/// # Errors
/// As [`read_copy`].
pub fn is_replica_file(file: &Path) -> Result<bool, StoreError> {
    let conn = connect_to_copy(file)?;
    check_version(&conn)?;
    let wrong: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if wrong == "ok" { cluster::is_replica(&conn) } else { Err(StoreError::Unusable(wrong)) }
}

/// Opens a copy read-only. A single file is opened as immutable, so that SQLite makes no file beside it. When there is
/// a file with the newest writes beside it, SQLite reads both, and may leave an index there.
fn connect_to_copy(file: &Path) -> Result<Connection, StoreError> {
    let about = fs::metadata(file).map_err(FileError::at(file))?;
    if !about.is_file() {
        return Err(StoreError::Unusable("it is not a file".to_owned()));
    }
    if about.len() == 0 {
        return Err(StoreError::Unusable("it is empty".to_owned()));
    }
    check_magic(file)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if fs::metadata(beside(file, "-wal")).is_ok_and(|log| log.len() > 0) {
        return connect_with(file, flags);
    }
    let mut uri = "file:".to_owned();
    for byte in fs::canonicalize(file).map_err(FileError::at(file))?.as_os_str().as_bytes() {
        // Writing to a String cannot fail.
        let _ = if byte.is_ascii_alphanumeric() || *byte == b'/' {
            uri.write_char(char::from(*byte))
        } else {
            write!(uri, "%{byte:02X}")
        };
    }
    uri.push_str("?immutable=1");
    connect_with(Path::new(&uri), flags | OpenFlags::SQLITE_OPEN_URI)
}

impl Store {
    /// Writes a complete copy of the state to a file that must not exist. It is safe while others write.
    ///
    /// # Errors
    /// The file is there, or cannot be written.
    pub fn copy_to_new(&self, file: &Path) -> Result<(), StoreError> {
        durable::create(file, MODE, |new| vacuum_into(&self.conn, new))
    }

    /// Replaces the present state by a copy of this one. The present state is kept as `kept`. The steps that need room
    /// on the disk come first and the renaming last, so that the present state stays in place until then.
    ///
    /// # Errors
    /// Any failure; then nothing is changed. [`StoreError::Io`] with `AlreadyExists` when `kept` exists.
    pub fn replace_present(&self, path: &Path, kept: &Path, what: Aside) -> Result<(), StoreError> {
        if let Some(folder) = path.parent() {
            durable::private_folder(folder)?;
        }
        durable::replace(path, MODE, |new| {
            vacuum_into(&self.conn, new)?;
            if fs::symlink_metadata(path).is_ok() { set_aside(path, kept, what) } else { Ok(()) }
        })
    }
}

/// Which states may be set aside although they cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside {
    /// A state that is unusable.
    Unusable,
    /// Also the state of a newer program.
    UnusableOrNewer,
}

/// Keeps the present state as `kept`, and leaves no file behind that SQLite would treat as a part of the next state. A
/// good state is kept as one complete file. A state that cannot be read is kept byte by byte, with its companion files.
///
/// # Errors
/// Any other failure; then nothing is changed. [`StoreError::Io`] with `AlreadyExists` when there is such a file.
fn set_aside(path: &Path, kept: &Path, what: Aside) -> Result<(), StoreError> {
    let path = fs::canonicalize(path).map_err(FileError::at(path))?;
    // SQLite makes the index anew when it opens a file, so the present one is read first.
    let index = fs::read(beside(&path, "-shm")).ok();
    match keep_whole(&path, kept) {
        Ok(()) => {}
        Err(StoreError::Unusable(_)) => keep_bytes(&path, index.as_deref(), kept)?,
        Err(StoreError::Newer { .. }) if what == Aside::UnusableOrNewer => {
            keep_bytes(&path, index.as_deref(), kept)?;
        }
        Err(error) => return Err(error),
    }
    remove_companions(&path)
}

fn keep_whole(path: &Path, kept: &Path) -> Result<(), StoreError> {
    if fs::metadata(path).map_err(FileError::at(path))?.len() == 0 {
        return Err(StoreError::Unusable("the file is empty".to_owned()));
    }
    let conn = connect(path)?;
    // Without this, closing a damaged file would merge the newest writes into it. If there are none, closing removes
    // the files that opening made.
    let has_log = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log)?;
    check_version(&conn)?;
    durable::create(kept, MODE, |new| vacuum_into(&conn, new))?;
    let is_busy = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    match is_busy {
        Ok(false) => Ok(()),
        // A run of an older program, which takes no lock, has the file open.
        Ok(true) => undone(kept, busy()),
        Err(error) => undone(kept, error.into()),
    }
}

/// Removes what was kept, so that nothing has changed.
fn undone(kept: &Path, error: StoreError) -> Result<(), StoreError> {
    durable::remove(&[kept.to_owned()])?;
    Err(error)
}

fn busy() -> StoreError {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    StoreError::Sqlite(rusqlite::Error::SqliteFailure(code, None))
}

/// Copies the files byte by byte. `index`: the index as it was before the file was opened.
fn keep_bytes(path: &Path, index: Option<&[u8]>, kept: &Path) -> Result<(), StoreError> {
    let log = beside(path, "-wal");
    let mut made = Vec::new();
    let mut keep = |suffix: &str, copy: &dyn Fn(&Path) -> Result<(), FileError>| {
        let target = beside(kept, suffix);
        copy(&target).map(|()| made.push(target))
    };
    let result = keep("", &|target| durable::copy_new(path, target, MODE))
        .and_then(
            |()| if log.exists() { keep("-wal", &|target| durable::copy_new(&log, target, MODE)) } else { Ok(()) },
        )
        .and_then(|()| match index {
            Some(bytes) => keep("-shm", &|target| {
                durable::create(target, MODE, |new| fs::write(new, bytes).map_err(FileError::at(new)))
            }),
            None => Ok(()),
        });
    if let Err(error) = result {
        durable::remove(&made)?;
        return Err(error.into());
    }
    Ok(())
}

/// The installation that a state belongs to, if it can be read. Also for a damaged or a newer state.
pub fn panel_id_of(path: &Path) -> Option<PanelId> {
    let conn = connect_to_copy(path).ok()?;
    let read = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    let id = conn.query_row("SELECT value FROM meta WHERE name = 'panel_id'", [], read).ok()?;
    PanelId::parse(&id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files that SQLite keeps are beside the state, not beside the link. None of them is left for the next state.
    #[test]
    fn a_state_is_removed_with_its_companion_files_and_a_link_to_it_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let (link, state) = (folder.path().join("link.db"), folder.path().join("state.db"));
        for suffix in ["", "-wal", "-shm"] {
            fs::write(beside(&state, suffix), "content").expect("a file");
        }
        std::os::unix::fs::symlink(&state, &link).expect("a link");
        remove_state(&link).expect("removed");
        let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").flatten().map(|file| file.path()).collect();
        assert_eq!(left, [link]);
    }
}
