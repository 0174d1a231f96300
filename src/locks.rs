//! Locks as files: `item-42.lock`, `license-3-1001.lock`, `state.lock`. The open file holds the lock, so the system
//! releases it when its process dies. The files are never removed, because a removed file could be locked twice. The
//! standard library opens files close-on-exec, so the panel's tool, which may outlive us, does not inherit them.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use crate::ports::{LockGuard, LockName, Locks};

/// Lock files in one folder.
#[derive(Debug, Clone)]
pub struct FileLocks {
    dir: PathBuf,
}

impl FileLocks {
    /// Locks in the folder `dir`, which is made (0700) at the first lock.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }
}

/// The lock of the state file. Its file does not prove that a state was used, because the lock is taken before a new
/// state is made.
pub const STATE_LOCK: &str = "state.lock";

fn file_name(name: LockName) -> String {
    match name {
        LockName::Item(item) => format!("item-{item}.lock"),
        LockName::License(account, license) => format!("license-{account}-{license}.lock"),
        LockName::Sync => "sync.lock".to_owned(),
        LockName::Noted => "noted.lock".to_owned(),
        LockName::State => STATE_LOCK.to_owned(),
    }
}

/// An open, locked file.
struct Held {
    file: File,
}

impl Drop for Held {
    fn drop(&mut self) {
        // If the file were only closed, a child that was just forked, and has not started its program yet, would keep
        // the lock.
        self.file.unlock().ok();
    }
}

impl LockGuard for Held {}

impl FileLocks {
    fn take(
        &self,
        name: LockName,
        lock: impl FnOnce(&File) -> Result<(), TryLockError>,
    ) -> Result<Option<Box<dyn LockGuard>>, String> {
        let path = self.dir.join(file_name(name));
        let text = |error: std::io::Error| format!("the lock file {} cannot be used: {error}", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(text)?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(text)?;
        match lock(&file) {
            Ok(()) => Ok(Some(Box::new(Held { file }))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(text(error)),
        }
    }
}

impl Locks for FileLocks {
    fn try_lock(&self, name: LockName) -> Result<Option<Box<dyn LockGuard>>, String> {
        self.take(name, File::try_lock)
    }

    fn try_share(&self, name: LockName) -> Result<Option<Box<dyn LockGuard>>, String> {
        self.take(name, File::try_lock_shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{AccountId, ItemId, LicenseId};
    use std::os::unix::fs::PermissionsExt;

    /// A lock has one holder at a time, other names stay free, and dropping the guard releases it. Files and folder are
    /// private and stay.
    #[test]
    fn a_lock_has_one_holder_until_its_guard_is_dropped() {
        let dir = tempfile::tempdir().expect("a folder");
        let locks = FileLocks::new(dir.path().join("locks"));
        let item = LockName::Item(ItemId(42));
        let license = LockName::License(AccountId(3), LicenseId(1001));
        let held = locks.try_lock(item).expect("a lock file").expect("free");
        assert!(locks.try_lock(item).expect("a lock file").is_none());
        assert!(locks.try_lock(license).expect("a lock file").is_some());
        drop(held);
        assert!(locks.try_lock(item).expect("a lock file").is_some());
        for (path, mode) in [("locks", 0o700), ("locks/item-42.lock", 0o600), ("locks/license-3-1001.lock", 0o600)] {
            let found = dir.path().join(path).metadata().expect(path).permissions().mode() & 0o777;
            assert_eq!(found, mode, "{path}");
        }
    }

    #[test]
    fn runs_share_the_state_and_keep_others_from_having_it_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let locks = FileLocks::new(dir.path());
        let shared = || locks.try_share(LockName::State).expect("a lock file");
        let alone = || locks.try_lock(LockName::State).expect("a lock file");
        let (first, second) = (shared(), shared());
        assert!(first.is_some() && second.is_some() && alone().is_none());
        drop(first);
        assert!(alone().is_none(), "the second run goes on");
        drop(second);
        let held = alone();
        assert!(held.is_some() && shared().is_none());
        drop(held);
        assert!(shared().is_some());
    }

    /// A folder that cannot be made is an error that names the file.
    #[test]
    fn a_lock_that_cannot_be_made_is_an_error_naming_the_file() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("file"), "").expect("a file");
        let error = FileLocks::new(dir.path().join("file")).try_lock(LockName::Item(ItemId(1))).err();
        assert!(error.is_some_and(|text| text.contains("item-1.lock")));
    }
}
