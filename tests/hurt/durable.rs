//! Files that replace others, by the real program under strace: the order of its system calls, and a kill before each
//! of them. At every moment the state is the old one or the new one, whole. Without strace these tests say so and
//! end.
use super::panel::Office;
use crate::support::{Test, program_exe};
use rusqlite::Connection;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The calls by which a file gets onto the disk and into its place.
const CALLS: &str = "fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat";

/// No run here makes more of them.
const MOST_CALLS: usize = 100;

fn has_strace() -> bool {
    let there = Command::new("strace").args(["-qq", "-e", "trace=fsync", "true"]).output();
    let works = there.is_ok_and(|output| output.status.success());
    if !works {
        crate::support::skipped("strace is not installed, or may not trace: the order of system calls was not tested");
    }
    works
}

fn traced<S: AsRef<OsStr>>(test: &Test, options: &[&str], args: impl IntoIterator<Item = S>) -> Output {
    Command::new("strace")
        .args(["-qq", "-y", "-o"])
        .arg(test.root().join("trace"))
        .args(options)
        .arg(program_exe())
        .args(args)
        .current_dir(test.root())
        .env("PMISPLICENSE_MGR_ROOT", test.root())
        .env("PMISPLICENSE_MACHINE_ID", test.machine_id())
        .output()
        .unwrap()
}

/// Each call as its name and the file's name it is about, temporary names shortened: `fsync .state.db.new`.
fn calls(test: &Test, args: &[&str]) -> Vec<String> {
    let output = traced(test, &["-e", &format!("trace={CALLS}")], args);
    assert!(output.status.success(), "{output:?}");
    let trace = fs::read_to_string(test.root().join("trace")).unwrap();
    let short = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        match name.strip_suffix(".new").and_then(|rest| rest.rsplit_once('.')) {
            Some((file, _process)) => format!("{file}.new"),
            None => name.to_owned(),
        }
    };
    let one = |line: &str| {
        let (call, rest) = line.split_once('(')?;
        let paths: Vec<String> = match call {
            "fsync" | "fdatasync" => vec![short(rest.split_once('<')?.1.split_once('>')?.0)],
            _ => rest.split('"').skip(1).step_by(2).map(short).collect(),
        };
        Some(format!("{call} {}", paths.join(" ")))
    };
    trace.lines().filter_map(one).collect()
}

/// Checks that these calls were made in this order, whatever other calls were made between them.
fn in_order(all: &[String], wanted: &[&str]) {
    let mut rest = all.iter();
    for call in wanted {
        assert!(rest.any(|made| made == call), "{call} is missing, or comes too early, in {all:#?}");
    }
}

fn state_folder(test: &Test) -> PathBuf {
    test.state_path().parent().unwrap().to_owned()
}

fn copy_folder(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// How many licenses a state holds; it must be whole.
fn licenses(path: &Path) -> u32 {
    let conn = Connection::open(path).unwrap();
    let whole: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok", "{}", path.display());
    conn.query_row("SELECT count(*) FROM license", [], |row| row.get(0)).unwrap()
}

/// A state with two licenses, and a copy from when it had one.
fn with_copy() -> (Office, String) {
    let mut office = Office::new();
    let first = office.item("55227");
    office.does("open", first);
    let copy = office.test.root().join("copy.db").display().to_string();
    office.test.run(["backup", &copy]).ok();
    let second = office.item("55227");
    office.does("open", second);
    (office, copy)
}

/// The files beside the state as they are now.
fn pristine(test: &Test) -> PathBuf {
    let pristine = test.root().join("pristine");
    fs::create_dir_all(state_folder(test)).unwrap();
    copy_folder(&state_folder(test), &pristine);
    pristine
}

/// Runs with a kill before each of its calls in turn, each time from the same files, until it gets through. Returns
/// how often it was killed.
fn killed_at_each_call(test: &Test, pristine: &Path, args: &[&str], check: impl Fn(usize, bool)) -> usize {
    let folder = state_folder(test);
    for at in 1..MOST_CALLS {
        copy_folder(pristine, &folder);
        let inject = format!("inject={CALLS}:signal=SIGKILL:when={at}");
        let done = traced(test, &["-e", &format!("trace={CALLS}"), "-e", &inject], args).status.success();
        check(at, done);
        if done {
            return at - 1;
        }
    }
    panic!("{args:?} makes more than {MOST_CALLS} calls");
}

#[test]
fn a_copy_is_on_the_disk_before_it_has_its_name() {
    if !has_strace() {
        return;
    }
    let (office, copy) = with_copy();
    let test = &office.test;
    let root = test.root().file_name().unwrap().to_str().unwrap();
    let new_copy = test.root().join("second.db").display().to_string();
    in_order(
        &calls(test, &["backup", &new_copy]),
        &["fsync .second.db.new", "renameat2 .second.db.new second.db", &format!("fsync {root}")],
    );
    let restore = calls(test, &["restore", &copy, "--yes"]);
    let kept = restore.iter().find(|call| call.starts_with("renameat2 ")).unwrap();
    let kept = kept.rsplit(' ').next().unwrap();
    in_order(
        &restore,
        &[
            &format!("fsync .{kept}.new"),
            &format!("renameat2 .{kept}.new {kept}"),
            "fsync pmisplicense",
            "unlink state.db-wal",
            "fsync pmisplicense",
            "fsync .state.db.new",
            "rename .state.db.new state.db",
            "fsync pmisplicense",
        ],
    );
}

#[test]
fn a_restore_that_is_killed_leaves_the_old_state_or_the_new_one() {
    if !has_strace() {
        return;
    }
    let (office, copy) = with_copy();
    let test = &office.test;
    let state = test.state_path();
    // The newest writes lie beside the file, as in a busy hour.
    let conn = Connection::open(&state).unwrap();
    conn.execute_batch("PRAGMA wal_autocheckpoint = 0; UPDATE license SET since = since + 1").unwrap();
    let files = pristine(test);
    drop(conn);
    let killed = killed_at_each_call(test, &files, &["restore", &copy, "--yes"], |at, done| {
        let found = licenses(&state);
        assert!(found == 2 && !done || found == 1, "killed before call {at}: {found} licenses");
        for entry in fs::read_dir(state_folder(test)).unwrap().flatten() {
            // Its name begins with a dot as long as it is written.
            if entry.file_name().to_string_lossy().starts_with("state.db.before-") {
                assert_eq!(licenses(&entry.path()), 2, "what was kept is whole, killed before call {at}");
            }
        }
    });
    assert!(killed >= 8, "{killed} calls are fewer than a restore needs");
    assert_eq!(licenses(&state), 1);
}

/// The file that a killed run leaves beside the state is as large as the state, and private. The next run removes it.
#[test]
fn what_a_killed_restore_leaves_is_private_and_cleared_away() {
    if !has_strace() {
        return;
    }
    let (office, copy) = with_copy();
    let test = &office.test;
    let leftovers = || -> Vec<PathBuf> {
        let paths = fs::read_dir(state_folder(test)).unwrap().flatten().map(|entry| entry.path());
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "new")).collect()
    };
    let kill = format!("inject={CALLS}:signal=SIGKILL:when=1");
    traced(test, &["-e", &format!("trace={CALLS}"), "-e", &kill], ["restore", &copy, "--yes"]);
    let left = leftovers();
    assert!(!left.is_empty());
    for path in left {
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    test.run(["restore", &copy, "--yes"]).ok();
    assert_eq!(leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn an_upgrade_that_is_killed_leaves_a_whole_state_and_no_torn_copy() {
    if !has_strace() {
        return;
    }
    let test = Test::new();
    let frozen = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/states/v1.sql");
    let state = test.state_path();
    fs::create_dir_all(state_folder(&test)).unwrap();
    let conn = Connection::open(&state).unwrap();
    conn.execute_batch(&fs::read_to_string(frozen).unwrap()).unwrap();
    conn.close().unwrap();
    let version = |path: &Path| -> i32 {
        let conn = Connection::open(path).unwrap();
        conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    };
    let before = licenses(&state);
    let killed = killed_at_each_call(&test, &pristine(&test), &["list"], |at, done| {
        assert_eq!(licenses(&state), before, "killed before call {at}");
        assert!(!done || version(&state) > 1, "brought forward");
        let copy = state.with_extension("db.v1");
        assert!(version(&state) == 1 || copy.exists(), "killed before call {at}: no copy of what was changed");
        if copy.exists() {
            assert_eq!((version(&copy), licenses(&copy)), (1, before), "the copy, killed before call {at}");
        }
    });
    assert!(killed >= 3, "{killed} calls are fewer than an upgrade needs");
}

/// A first run never shows an empty file, whatever stops it: an empty one is a lost one.
#[test]
fn a_first_run_that_is_killed_leaves_no_empty_state() {
    if !has_strace() {
        return;
    }
    let test = Test::new();
    let state = test.state_path();
    let killed = killed_at_each_call(&test, &pristine(&test), &["--command", "sync", "--module", "7"], |at, done| {
        let length = fs::metadata(&state).map(|about| about.len()).ok();
        assert!(length != Some(0), "empty, killed before call {at}");
        assert!(length.is_some() || !done);
        test.run(["--command", "sync", "--module", "7"]).ok();
    });
    assert!(killed >= 3, "{killed} calls are fewer than a first run needs");
}
