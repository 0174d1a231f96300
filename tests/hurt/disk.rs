//! Our own side is broken: a full disk, a read-only folder, a state file that is corrupt, newer, another program's, or
//! another machine's. An existing file is never overwritten, nothing is bought without a record, and licenses that were
//! bought are found again.
use super::panel::{End, Office, SETTINGS};
use super::promises;
use crate::support::{Output, Test};
use rusqlite::Connection;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of its own, taken away at the end.
struct Mounted(PathBuf);

impl Mounted {
    /// `None` where this user may not mount.
    fn new(target: &Path, args: &[&str]) -> Option<Self> {
        fs::create_dir_all(target).unwrap();
        let done = Command::new("mount").args(args).arg(target).output();
        done.is_ok_and(|out| out.status.success()).then(|| Self(target.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn open(test: &Test, item: u32) -> Output {
    test.cmd("open", item)
}

/// Fills a folder's file system until nothing fits, but for `leave` bytes.
fn fill(folder: &Path, leave: u64) {
    let path = folder.join("filler");
    let mut size = 0_u64;
    let chunk = vec![0_u8; 4096];
    let mut file = fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
    while std::io::Write::write_all(&mut file, &chunk).is_ok() {
        size += 4096;
    }
    file.set_len(size.saturating_sub(leave)).unwrap();
}

/// The disk is full, from no byte left up to nearly enough: whatever step it hits, nothing is bought twice and
/// nothing is lost once there is room again.
#[test]
fn a_full_disk_buys_nothing_twice_and_loses_nothing() {
    let mut office = Office::new();
    let folder = office.test.root().join("var/pmisplicense");
    let Some(_mounted) = Mounted::new(&folder, &["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs"]) else {
        return without_mount(&mut office);
    };
    let mut failed = 0;
    for leave in [0, 4, 8, 16, 24, 32, 40, 48, 64, 80, 96, 128, 160, 200] {
        let item = office.item("55227");
        fill(&folder, leave * 1024);
        let output = open(&office.test, item);
        if output.code == Some(1) {
            failed += 1;
            assert_eq!(output.attribute("type"), "state", "{leave}: {output:#?}");
        }
        fs::remove_file(folder.join("filler")).unwrap();
        let intent = office.intent("open", item);
        assert_eq!(office.repeat(&intent), End::Done, "{leave} KiB left");
        promises::hold(&office, &format!("{leave} KiB left"));
    }
    assert!(failed >= 2, "the disk was never full enough to matter: {failed}");
}

/// If nothing may be mounted, a limit on the size of a file makes writes fail in the same way.
fn without_mount(office: &mut Office) {
    for blocks in [0_u32, 8, 64, 96, 120, 160] {
        let item = office.item("55227");
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" --command open --item {item}");
        let status = Command::new("sh")
            .args(["-c", &script])
            .arg(crate::support::program_exe())
            .env("PMISPLICENSE_MGR_ROOT", office.test.root())
            .current_dir(office.test.root())
            .output()
            .unwrap();
        assert!(status.status.code().is_some(), "a signal is not an answer: {status:?}");
        let intent = office.intent("open", item);
        assert_eq!(office.repeat(&intent), End::Done);
        promises::hold(office, &format!("{blocks} blocks"));
    }
}

/// The folder is read-only (a bind mount, because rights do not bind root; a plain file in its place where nothing
/// may be mounted): nothing leaves, and the error says where to look.
#[test]
fn nothing_leaves_while_the_folder_of_the_state_is_read_only() {
    let mut office = Office::new();
    let first = office.item("55227");
    office.does("open", first);
    let item = office.item("55227");
    let folder = office.test.root().join("var/pmisplicense");
    let bound = Mounted::new(&folder, &["--bind", &folder.display().to_string()]);
    let readonly = bound.is_some()
        && Command::new("mount").args(["-o", "remount,ro,bind"]).arg(&folder).status().is_ok_and(|s| s.success());
    let away = folder.with_extension("away");
    if !readonly {
        fs::rename(&folder, &away).unwrap();
        fs::write(&folder, "").unwrap();
    }
    office.test.upstream.clear_requests();
    for command in ["open", "prolong", "close", "sync_item"] {
        let output = office.test.cmd(command, if command == "open" { item } else { first });
        output.fails("state");
    }
    let changing = office.test.upstream.requests_of("soft.order.param").len();
    assert_eq!(changing, 0, "nothing leaves without a record");
    drop(bound);
    if !readonly {
        fs::remove_file(&folder).unwrap();
        fs::rename(&away, &folder).unwrap();
    }
    office.does("open", item);
    promises::hold(&office, "after a read-only folder");
}

/// Every command that needs the state refuses, nothing reaches the seller but reads, and not a byte of the file
/// changes.
fn refused_untouched(office: &mut Office, item: u32, context: &str, words: &[&str]) {
    let path = office.test.state_path();
    let before = fs::read(&path).unwrap();
    office.test.upstream.clear_requests();
    for command in ["open", "prolong", "close", "suspend", "setparam", "sync_item", "gen_key"] {
        let output = office.test.cmd(command, item);
        output.fails("state");
        for word in words {
            assert!(output.stdout.contains(word), "{context}: {word} is not named: {}", output.stdout);
        }
    }
    let sync = office.test.run(["--command", "sync"]);
    assert_eq!(sync.code, Some(1), "{context}: {sync:#?}");
    let sent = office.test.upstream.funcs();
    assert!(sent.iter().all(|func| !func.contains("order") && !func.contains("?set")), "{context}: {sent:?}");
    assert_eq!(fs::read(&path).unwrap(), before, "{context}: the file was changed");
}

/// A world with one bound license and its state file, the journal folded in.
fn with_state() -> (Office, u32) {
    let mut office = Office::new();
    let item = office.item("55227");
    office.does("open", item);
    let conn = Connection::open(office.test.state_path()).unwrap();
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    conn.close().unwrap();
    (office, item)
}

fn without_journal(test: &Test) {
    for ending in ["-wal", "-shm"] {
        let mut name = test.state_path().into_os_string();
        name.push(OsStr::new(ending));
        let _ = fs::remove_file(PathBuf::from(name));
    }
}

/// Not SQLite; SQLite of another program; damaged in the middle; cut off: left as it is.
#[test]
fn an_unusable_state_is_left_as_it_is() {
    let (mut office, item) = with_state();
    let path = office.test.state_path();
    let good = fs::read(&path).unwrap();
    without_journal(&office.test);

    fs::write(&path, b"{\"licenses\": []}").unwrap();
    refused_untouched(&mut office, item, "JSON", &["not an SQLite file"]);

    fs::remove_file(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE album (title TEXT); PRAGMA application_id = 42; PRAGMA user_version = 1")
        .unwrap();
    other.close().unwrap();
    refused_untouched(&mut office, item, "another program's", &["another program"]);

    let mut torn = good.clone();
    torn[100..4096].fill(0xA5);
    fs::write(&path, &torn).unwrap();
    refused_untouched(&mut office, item, "a torn page", &[]);

    fs::write(&path, &good[..good.len() / 2]).unwrap();
    without_journal(&office.test);
    refused_untouched(&mut office, item, "half of it", &[]);

    fs::write(&path, &good).unwrap();
    without_journal(&office.test);
    let intent = office.intent("open", item);
    assert_eq!(office.repeat(&intent), End::Done);
    promises::hold(&office, "the good file is back");
    assert_eq!(office.test.upstream.billed("soft.order.param"), 1);
}

/// A newer program's file: refused, both versions named.
#[test]
fn a_newer_state_is_refused_with_both_versions() {
    let (mut office, item) = with_state();
    let conn = Connection::open(office.test.state_path()).unwrap();
    conn.execute_batch("PRAGMA user_version = 77; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    conn.close().unwrap();
    refused_untouched(&mut office, item, "newer", &["77", "knows 6"]);
}

/// The state of another machine: nothing is changed until an operator claims it.
#[test]
fn the_state_of_another_machine_changes_nothing_until_it_is_claimed() {
    let (mut office, item) = with_state();
    office.test.another_machine();
    let second = office.item("55227");
    office.test.upstream.clear_requests();
    for (command, item) in [("open", second), ("prolong", item), ("close", item)] {
        let output = office.test.cmd(command, item);
        output.fails("state");
        assert!(output.stdout.contains("state claim"), "{}", output.stdout);
    }
    assert!(office.test.upstream.ledger().len() == 1 && office.test.upstream.requests_of("soft.suspend").is_empty());
    let claimed = office.test.run(["state", "claim", "--yes"]);
    assert_eq!(claimed.code, Some(0), "{claimed:#?}");
    office.does("open", second);
    promises::hold(&office, "claimed");
}

/// The state is gone, and the licenses are there. If the setting panel_id outlived the state, the marks show the loss,
/// and nothing is bought for anybody. Without the setting, the number that the item shows keeps its license from being
/// bought again.
#[test]
fn a_service_is_not_bought_for_again_after_the_state_is_lost() {
    for pinned in [true, false] {
        let mut office = Office::new();
        if pinned {
            office.test.settings(&format!("panel_id = \"abcdefgh\"\n{SETTINGS}"));
        }
        let item = office.item("55227");
        office.does("open", item);
        fs::remove_file(office.test.state_path()).unwrap();
        without_journal(&office.test);
        let second = office.item("55227");
        open(&office.test, item).fails("state");
        let output = open(&office.test, second);
        if pinned {
            output.fails("state");
        }
        let orders = if pinned { 1 } else { 2 };
        assert_eq!(office.test.upstream.billed("soft.order.param"), orders, "{:#?}", office.test.upstream.ledger());
    }
}
