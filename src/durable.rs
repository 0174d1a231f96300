//! Writes files completely or not at all, also with a power loss. A temporary file in the same folder gets its final
//! mode, then its content. It is synced, renamed in one step, and the folder is synced. If the process is killed at any
//! step, a reader finds the old file or the new one, never a part of one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// The end of the name of a temporary file. The beginning is a dot, the name of the file, and the number of the process
/// that writes it.
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

/// The steps of writing a file. They are real except in the tests of this module, which stop at each step.
trait Disk {
    /// Makes an empty file of that mode. The file must not exist.
    fn make(&self, path: &Path, mode: u32) -> io::Result<()>;
    /// The content is on the disk when this returns.
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Renames a file, and replaces an existing one.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames a file to a name that must not exist.
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
            // An old kernel or file system cannot do this in one step: the file gets a second name, then the first one
            // is removed.
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

/// What may exist under the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Anything; it is replaced.
    Any,
    /// Nothing.
    Free,
}

/// Writes a file, and replaces an existing one. `fill` writes the content to the path that it gets, which is an empty
/// file of the final mode.
///
/// # Errors
/// The error of `fill` or of a step. The old file is unchanged, unless only the last step failed: syncing the folder
/// after the renaming.
pub fn replace<E: From<FileError>>(path: &Path, mode: u32, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    // A symbolic link stays: the file that it leads to is replaced.
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    put(&RealDisk, &real, mode, Place::Any, fill)
}

/// Makes a file that must not exist yet. Apart from that it works like [`replace`].
///
/// # Errors
/// `AlreadyExists` when there is one, which stays unchanged; else as [`replace`].
pub fn create<E: From<FileError>>(path: &Path, mode: u32, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(FileError::at(path)(Errno::EXIST.into()).into());
    }
    put(&RealDisk, path, mode, Place::Free, fill)
}

/// Makes a copy, byte by byte. The new file must not exist yet.
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

/// Makes an empty file beside another one, for as long as `work` takes. `path` is the other file.
///
/// # Errors
/// The error of `work`, or the file cannot be made.
pub fn beside<T, E: From<FileError>>(path: &Path, mode: u32, work: impl FnOnce(&Path) -> Result<T, E>) -> Result<T, E> {
    clear_away(path);
    let new = temporary(path);
    RealDisk.make(&new, mode).map_err(FileError::at(path))?;
    let result = work(&new);
    // If it stays, the next run removes it.
    let _ = RealDisk.remove(&new);
    result
}

/// Removes files, if they exist. They are gone for good when this returns.
///
/// # Errors
/// A file cannot be removed, or its folder cannot be synced.
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

/// Makes a folder, and those above it, for their owner only. An existing folder stays unchanged.
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
        // The error that led here is reported. If the temporary file stays, the next run removes it.
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

/// Removes temporary files of processes that have ended, because each may be as large as the file itself.
fn clear_away(path: &Path) {
    let prefix = prefix_of(path);
    let Ok(entries) = fs::read_dir(folder_of(path)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let middle = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(ENDING));
        let process = middle.and_then(|middle| middle.split_once('-')?.0.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            // A file that cannot be removed only uses space.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
