//! The place for the tests' files: in memory if the machine has room for it. The program syncs its state at every step,
//! and a disk would make the tests wait for each of them.
use rustix::fs::{StatVfsMountFlags, statvfs};
use std::path::Path;

const MEMORY: &str = "/dev/shm";
/// The folders of all tests of a run take less than half of it.
const ENOUGH: u64 = 2 << 30;

/// A new folder that goes with what is returned. `TMPDIR` has the last word.
pub fn folder(prefix: &str) -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(prefix);
    match std::env::var_os("TMPDIR").is_none() && is_roomy(Path::new(MEMORY)) {
        true => builder.tempdir_in(MEMORY),
        false => builder.tempdir(),
    }
    .expect("a temporary folder")
}

/// Containers may give little room there, or forbid to start programs from it.
fn is_roomy(folder: &Path) -> bool {
    statvfs(folder).is_ok_and(|system| {
        let forbids = StatVfsMountFlags::NOEXEC | StatVfsMountFlags::RDONLY;
        system.f_bavail.saturating_mul(system.f_frsize) >= ENOUGH && !system.f_flag.intersects(forbids)
    })
}
