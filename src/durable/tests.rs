//! The order of the steps, and what a reader finds when they end at any of them.

use super::*;
use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt;

const OLD: &str = "the old content";
const NEW: &str = "the new content, which is longer";

/// A disk that records its steps and dies before one of them. No later step happens, and data that was not synced is
/// lost, as after a power loss.
struct DyingDisk {
    steps: RefCell<Vec<&'static str>>,
    dies_at: usize,
    /// Files whose content has not reached the disk.
    volatile: RefCell<Vec<File>>,
}

impl DyingDisk {
    fn new(dies_at: usize) -> Self {
        Self { steps: RefCell::default(), dies_at, volatile: RefCell::default() }
    }

    fn step(&self, name: &'static str) -> io::Result<()> {
        if self.steps.borrow().len() >= self.dies_at {
            return Err(io::Error::other("the power is off"));
        }
        self.steps.borrow_mut().push(name);
        Ok(())
    }

    /// The power comes back: contents that were not synced are gone.
    fn restart(&self) {
        self.volatile.borrow().iter().for_each(|file| file.set_len(0).expect("a file"));
    }
}

impl Disk for DyingDisk {
    fn make(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.step("make")?;
        RealDisk.make(path, mode)?;
        self.volatile.borrow_mut().push(OpenOptions::new().write(true).open(path)?);
        Ok(())
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.step("sync")?;
        self.volatile.borrow_mut().clear();
        RealDisk.sync(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("rename")?;
        RealDisk.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("rename_new")?;
        RealDisk.rename_new(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step("remove")?;
        RealDisk.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step("sync_folder")?;
        RealDisk.sync_folder(folder)
    }
}

fn written(disk: &DyingDisk, path: &Path, place: Place) -> Result<(), FileError> {
    put(disk, path, 0o600, place, |new| {
        let mode = new.metadata().expect("made before it is filled").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "private before it holds anything");
        disk.step("fill").map_err(FileError::at(new))?;
        fs::write(new, NEW).map_err(FileError::at(new))
    })
}

#[test]
fn a_file_is_synced_before_it_gets_its_name_and_the_folder_after() {
    for (place, name) in [(Place::Any, "rename"), (Place::Free, "rename_new")] {
        let dir = tempfile::tempdir().expect("a folder");
        let disk = DyingDisk::new(usize::MAX);
        written(&disk, &dir.path().join("file"), place).expect("written");
        assert_eq!(*disk.steps.borrow(), ["make", "fill", "sync", name, "sync_folder"]);
    }
}

#[test]
fn killed_at_any_step_the_old_or_the_new_file_is_whole() {
    for dies_at in 0..=5 {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("file");
        fs::write(&path, OLD).expect("a file");
        let disk = DyingDisk::new(dies_at);
        let result = written(&disk, &path, Place::Any);
        disk.restart();
        let found = fs::read_to_string(&path).expect("a file");
        let expected = if dies_at < 4 { OLD } else { NEW };
        assert_eq!(found, expected, "killed before step {dies_at}");
        assert_eq!(result.is_ok(), dies_at == 5, "an error unless every step was done");
    }
}

#[test]
fn a_new_file_never_takes_the_place_of_another() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("file");
    let from_nothing = create(&path, 0o600, |new| fs::write(new, OLD).map_err(FileError::at(new)));
    from_nothing.expect("there was none");
    let error = create(&path, 0o600, |_| Err::<(), _>(FileError::at(&path)(io::Error::other("it is not filled"))));
    assert_eq!(error.expect_err("there is one").source.kind(), io::ErrorKind::AlreadyExists);
    // Another process made the file while the content was written.
    let disk = DyingDisk::new(usize::MAX);
    let error = written(&disk, &path, Place::Free).expect_err("there is one");
    assert_eq!(error.source.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&path).expect("a file"), OLD);
    assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 1, "nothing is left beside it");
}

#[test]
fn what_a_dead_process_left_is_cleared_away_and_what_a_living_one_writes_is_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("file");
    let leftover = |process: u32| dir.path().join(format!(".file.{process}-0.new"));
    // No process has the highest possible number.
    for process in [u32::MAX, std::process::id()] {
        fs::write(leftover(process), "").expect("a leftover");
    }
    fs::write(dir.path().join(".file.mine.new"), "").expect("somebody's file");
    written(&DyingDisk::new(usize::MAX), &path, Place::Any).expect("written");
    let there = [leftover(u32::MAX), leftover(std::process::id()), dir.path().join(".file.mine.new")];
    assert_eq!(there.map(|path| path.exists()), [false, true, true]);
}

#[test]
fn a_link_to_a_file_stays_and_the_file_is_replaced() {
    let dir = tempfile::tempdir().expect("a folder");
    let (file, link) = (dir.path().join("file"), dir.path().join("link"));
    fs::write(&file, OLD).expect("a file");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    replace(&link, 0o600, |new| fs::write(new, NEW).map_err(FileError::at(new))).expect("written");
    assert!(link.is_symlink());
    assert_eq!(fs::read_to_string(&file).expect("a file"), NEW);
}

#[test]
fn a_folder_is_private_with_all_that_had_to_be_made_above_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("a/b");
    private_folder(&folder).expect("made");
    for made in ["a", "a/b"] {
        let mode = dir.path().join(made).metadata().expect(made).permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "{made}");
    }
    private_folder(&folder).expect("it is there");
}
