//! Files that are there whole or not at all, also after a power loss. A temporary file in the same folder gets its
//! final mode, then its content. It is synced, it gets its name in one step, and the folder is synced. Killed at any
//! step, a reader finds the old file or the new one, never a piece of either.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// How the name of a temporary file ends. It begins with a dot, the name of the file, and the process that writes it.
const ENDING: &str = ".new";

/// A file could not be read, written or put in its place.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct FileError {
    /// The file that was to be written, or its folder.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`.
    pub fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self { path, source }
    }
}

/// The steps of a file on its way to the disk. Real ones except in the tests of this module, which stop at each.
trait Disk {
    /// An empty file of that mode, which must not exist.
    fn make(&self, path: &Path, mode: u32) -> io::Result<()>;
    /// The content is on the disk when this returns.
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// One file takes the place of another.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// The same where nothing may be in that place.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder are on the disk when this returns.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

struct RealDisk;

impl Disk for RealDisk {
    fn make(&self, path: &Path, mode: u32) -> io::Result<()> {
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map(drop)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // An old kernel, or a file system that does not know how: a second name, then the first one goes.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                fs::hard_link(from, to)?;
                fs::remove_file(from)
            }
            other => Ok(other?),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        match File::open(folder)?.sync_all() {
            // Some network file systems have nothing to sync in a folder.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            other => other,
        }
    }
}

/// What may be in the file's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Whatever it is, it is replaced.
    Any,
    /// Nothing.
    Free,
}

/// Puts a file in the place of another, or where none was. `fill` writes the content to the path that it is given, an
/// empty file of the final mode.
///
/// # Errors
/// What `fill` returns, or a step that failed. The old file is as it was, unless only the last step failed: syncing
/// the folder after the new file got its name.
pub fn replace<E: From<FileError>>(path: &Path, mode: u32, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    // A link stays a link: the file that it leads to is replaced.
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    put(&RealDisk, &real, mode, Place::Any, fill)
}

/// Makes a file that must not exist; otherwise as [`replace`].
///
/// # Errors
/// `AlreadyExists` when there is one, which is left as it is; else as [`replace`].
pub fn create<E: From<FileError>>(path: &Path, mode: u32, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(FileError::at(path)(Errno::EXIST.into()).into());
    }
    put(&RealDisk, path, mode, Place::Free, fill)
}

/// Makes a copy, byte by byte, which must not exist yet.
///
/// # Errors
/// As [`create`].
pub fn copy_new(from: &Path, to: &Path, mode: u32) -> Result<(), FileError> {
    create(to, mode, |new| {
        let mut source = File::open(from).map_err(FileError::at(from))?;
        let mut target = OpenOptions::new().write(true).open(new).map_err(FileError::at(to))?;
        io::copy(&mut source, &mut target).map(drop).map_err(FileError::at(to))
    })
}

/// Removes files, those that are there; gone for good when this returns.
///
/// # Errors
/// One that cannot be removed, or their folder cannot be synced.
pub fn remove(paths: &[PathBuf]) -> Result<(), FileError> {
    for path in paths {
        match RealDisk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(FileError::at(path)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    paths
        .iter()
        .map(|path| folder_of(path))
        .try_for_each(|folder| RealDisk.sync_folder(folder).map_err(FileError::at(folder)))
}

/// Makes a folder, and those above it, readable by their owner only. One that is there stays as it is.
///
/// # Errors
/// It cannot be made.
pub fn private_folder(folder: &Path) -> Result<(), FileError> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    private_folder(folder_of(folder))?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(FileError::at(folder)(error)),
        Ok(()) | Err(_) => {}
    }
    RealDisk.sync_folder(folder_of(folder)).map_err(FileError::at(folder))
}

fn put<E: From<FileError>>(
    disk: &impl Disk,
    path: &Path,
    mode: u32,
    place: Place,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let folder = folder_of(path);
    clear_away(path);
    let new = temporary(path);
    disk.make(&new, mode).map_err(FileError::at(path))?;
    let placed = fill(&new).and_then(|()| {
        let named = disk.sync(&new).and_then(|()| match place {
            Place::Any => disk.rename(&new, path),
            Place::Free => disk.rename_new(&new, path),
        });
        named.map_err(|error| FileError::at(path)(error).into())
    });
    if placed.is_err() {
        // The error that is reported is the one that led here. One that stays is cleared away by the next run.
        let _ = disk.remove(&new);
        return placed;
    }
    disk.sync_folder(folder).map_err(|error| FileError::at(folder)(error).into())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn prefix_of(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

/// A name that no other process, and no other thread of this one, uses at the same time.
fn temporary(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let (prefix, process, count) = (prefix_of(path), std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    folder_of(path).join(format!("{prefix}{process}-{count}{ENDING}"))
}

/// Removes temporary files of processes that are gone: each may be as large as the file itself.
fn clear_away(path: &Path) {
    let prefix = prefix_of(path);
    let Ok(entries) = fs::read_dir(folder_of(path)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let middle = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(ENDING));
        let process = middle.and_then(|middle| middle.split_once('-')?.0.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            // One that cannot be removed only takes room.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
