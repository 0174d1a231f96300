//! The commands for the state file: backup, restore, begin-anew. Also commands that only look while there is no state.
use super::{fine, in_state, json, opened, operator, refused};
use crate::service::{changes, licid};
use crate::support::Test;
use rusqlite::Connection;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The files that were kept of states that were replaced.
fn kept(t: &Test) -> Vec<PathBuf> {
    let entries = fs::read_dir(t.state_path().parent().unwrap()).unwrap().flatten();
    let mut names: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.display().to_string().contains(".before-")).collect();
    names.sort();
    names
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

/// A copy of the state of `opened`, in the panel's folder.
fn backup(t: &Test) -> PathBuf {
    let file = t.root().join("copy.db");
    fine(t, &format!("backup {}", file.display()));
    file
}

/// All files of a folder, with a fingerprint of each.
fn contents(folder: &Path) -> Vec<(PathBuf, u64)> {
    let files = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).filter(|path| path.is_file());
    let fingerprint = |path: PathBuf| {
        let mut hasher = std::hash::DefaultHasher::new();
        fs::read(&path).unwrap().hash(&mut hasher);
        (path, hasher.finish())
    };
    let mut all: Vec<_> = files.map(fingerprint).collect();
    all.sort();
    all
}

/// The lock of the state, held by nobody we started.
fn state_lock(t: &Test) -> File {
    let folder = t.state_path().with_file_name("locks");
    fs::create_dir_all(&folder).unwrap();
    File::options().create(true).append(true).open(folder.join("state.lock")).unwrap()
}

#[test]
fn restore_and_verify_check_the_file_first_and_name_it() {
    let t = opened();
    let good = fs::read(backup(&t)).unwrap();
    let folder = t.root().join("copies");
    fs::create_dir(&folder).unwrap();
    let file = |name: &str| folder.join(name);
    fs::write(file("empty.db"), "").unwrap();
    fs::write(file("rubbish.db"), "no state at all, but long enough").unwrap();
    fs::write(file("cut.db"), &good[..good.len() / 2]).unwrap();
    let mut torn = good.clone();
    let middle = torn.len() / 2;
    torn[middle..middle + 4096].fill(0xA5);
    fs::write(file("torn.db"), &torn).unwrap();
    let other = Connection::open(file("other.db")).unwrap();
    other.execute_batch("CREATE TABLE album (title TEXT); PRAGMA user_version = 1").unwrap();
    other.close().unwrap();
    fs::write(file("newer.db"), &good).unwrap();
    let newer = Connection::open(file("newer.db")).unwrap();
    newer.execute_batch("PRAGMA user_version = 77").unwrap();
    newer.close().unwrap();
    fs::write(file("nameless.db"), &good).unwrap();
    let nameless = Connection::open(file("nameless.db")).unwrap();
    nameless.execute_batch("DELETE FROM meta WHERE name = 'panel_id'").unwrap();
    nameless.close().unwrap();
    fs::create_dir(file("folder.db")).unwrap();
    let before = (contents(&folder), contents(t.state_path().parent().unwrap()));
    let names = ["empty", "rubbish", "cut", "torn", "other", "newer", "nameless", "folder", "missing"];
    for path in names.map(|name| file(&format!("{name}.db"))) {
        let shown = path.display().to_string();
        for line in [format!("restore {shown}"), format!("restore {shown} --yes"), format!("backup --verify {shown}")] {
            let error = refused(&t, &line);
            assert!(error.ends_with("type: bad_value\n") && error.contains(&shown), "{line}: {error}");
            assert!(!error.contains("--yes"), "the file is checked before anybody is asked: {error}");
            assert!(error.contains("The state was not changed."), "{line}: {error}");
        }
    }
    assert_eq!((contents(&folder), contents(t.state_path().parent().unwrap())), before);
    assert!(refused(&t, &format!("restore {}", file("newer.db").display())).contains("version 77"));
}

#[test]
fn a_whole_copy_is_verified_without_a_trace() {
    let t = opened();
    let copy = backup(&t);
    let before = contents(t.root());
    let said = fine(&t, &format!("backup --verify {}", copy.display()));
    assert!(said.contains(&copy.display().to_string()) && said.contains("Licenses in it: 1."), "{said}");
    // Also a state that was copied as a file: SQLite's journal mode is in it.
    let plain = t.root().join("a state, 100% plain?.db");
    fs::copy(t.state_path(), &plain).unwrap();
    let verified = t.program(["backup", "--verify", &plain.display().to_string()]).run();
    assert!(verified.ok().stdout.contains("Licenses in it: 1."));
    fs::remove_file(&plain).unwrap();
    assert_eq!(contents(t.root()), before, "nothing was made or changed");
    // With its newest writes in a file beside it.
    let conn = Connection::open(t.state_path()).unwrap();
    conn.execute_batch(
        "PRAGMA wal_autocheckpoint = 0; UPDATE license SET id = 5002; INSERT INTO license SELECT
        account, 5001, family, module, 'pool', NULL, NULL, internal_name, mark, pricelist, nodes, changes, name, ip,
        last_ip, status, lickey, key_before, created, expires, ip_changed, key_changed, since, not_before, reason,
        name_asked, name_shown, domains, remoteip FROM license",
    )
    .unwrap();
    for suffix in ["", "-wal"] {
        fs::copy(beside(&t.state_path(), suffix), beside(&plain, suffix)).unwrap();
    }
    let verified = t.program(["backup", "--verify", &plain.display().to_string()]).run();
    assert!(verified.ok().stdout.contains("Licenses in it: 2."), "{}", verified.stdout);
}

#[test]
fn restore_makes_a_private_folder_where_none_is() {
    let t = opened();
    let copy = backup(&t);
    let folder = t.root().join("elsewhere/deeper");
    let restored = t
        .program(["restore", &copy.display().to_string(), "--yes"])
        .env("PMISPLICENSE_STATE", folder.join("state.db"))
        .run();
    restored.ok();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let found = [folder.parent().unwrap(), &folder, &folder.join("state.db")].map(mode);
    assert_eq!(found, [0o700, 0o700, 0o600]);
}

#[test]
fn a_damaged_state_is_kept_byte_by_byte_with_its_newest_writes() {
    let t = opened();
    let copy = backup(&t);
    let state = t.state_path();
    let conn = Connection::open(&state).unwrap();
    conn.execute_batch("PRAGMA wal_autocheckpoint = 0; UPDATE license SET name = 'the newest'").unwrap();
    let companions = ["-wal", "-shm"].map(|suffix| fs::read(beside(&state, suffix)).unwrap());
    // Like a run that was killed: its files stay, its locks do not.
    drop(conn);
    let mut torn = fs::read(&copy).unwrap();
    for page in torn.chunks_mut(4096).skip(1) {
        page.fill(0xA5);
    }
    fs::write(&state, &torn).unwrap();
    for (suffix, bytes) in ["-wal", "-shm"].iter().zip(&companions) {
        fs::write(beside(&state, suffix), bytes).unwrap();
    }
    fine(&t, &format!("restore {} --yes", copy.display()));
    let kept = kept(&t);
    let names: Vec<String> = kept.iter().map(|path| path.display().to_string()).collect();
    assert_eq!(kept.len(), 3, "{names:?}");
    assert!(names[1].ends_with("-shm") && names[2].ends_with("-wal"), "{names:?}");
    assert!(fs::read(&kept[0]).unwrap() == torn, "the damaged file");
    assert!(fs::read(&kept[2]).unwrap() == companions[0], "its newest writes");
    assert!(fs::read(&kept[1]).unwrap() == companions[1], "their index");
    assert!(kept.iter().all(|path| fs::metadata(path).unwrap().permissions().mode() & 0o777 == 0o600));
    assert_eq!(json(&t, "list")["licenses"][0]["name"], "shop", "what was restored, without the old writes");
}

#[test]
fn restore_refuses_and_changes_nothing_when_the_present_state_is_only_newer() {
    let t = opened();
    let copy = backup(&t);
    in_state(&t, "UPDATE meta SET value = value");
    let conn = Connection::open(t.state_path()).unwrap();
    conn.execute_batch("PRAGMA user_version = 77").unwrap();
    conn.close().unwrap();
    let before = contents(t.state_path().parent().unwrap());
    let error = refused(&t, &format!("restore {} --yes", copy.display()));
    assert!(
        error.ends_with("type: state\n") && error.contains("version 77") && error.contains("begin-anew"),
        "{error}"
    );
    assert_eq!(contents(t.state_path().parent().unwrap()), before);
    // The way out that the error names: the newer state is kept, the copy put in its place.
    fine(&t, "state begin-anew --yes");
    assert_eq!(kept(&t).len(), 1);
    let kept = Connection::open(&kept(&t)[0]).unwrap();
    assert_eq!(kept.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0)).unwrap(), 77);
    kept.close().unwrap();
    // A name is good for a second.
    for name in self::kept(&t) {
        fs::rename(&name, t.root().join("newer.db")).unwrap();
    }
    fine(&t, &format!("restore {} --yes", copy.display()));
    assert_eq!(json(&t, "list")["counts"]["bound"], 1);
}

#[test]
fn restore_refuses_and_changes_nothing_when_the_present_state_cannot_be_kept() {
    let t = opened();
    let copy = backup(&t);
    let now = chrono::Utc::now();
    for second in 0..120 {
        let at = (now + chrono::Duration::seconds(second)).format("%Y%m%d-%H%M%S");
        fs::write(t.state_path().with_extension(format!("db.before-{at}")), "somebody's").unwrap();
    }
    let before = contents(t.state_path().parent().unwrap());
    let error = refused(&t, &format!("restore {} --yes", copy.display()));
    assert!(error.ends_with("type: state\n") && error.contains("File exists"), "{error}");
    assert_eq!(contents(t.state_path().parent().unwrap()), before);
}

#[test]
fn restore_waits_for_a_run_that_has_the_state_open_and_keeps_what_it_wrote() {
    let t = opened();
    let copy = backup(&t);
    t.soft_item(43, "55228", 1).ip("192.0.2.11").expires(&super::day_in(31)).add();
    let gate = t.upstream.hold_after("soft.order.param");
    let run = t.spawn(["--command", "open", "--item", "43"]);
    gate.reached();
    let mut restore = t.spawn(["restore", &copy.display().to_string(), "--yes"]);
    t.until_logged("another run uses the state file; waiting for it");
    assert!(!restore.ended(), "the order is on its way");
    gate.release();
    run.wait().ok();
    restore.wait().ok();
    assert_eq!(json(&t, "list")["counts"]["bound"], 1, "the copy knows one");
    let kept = Connection::open(&kept(&t)[0]).unwrap();
    let bound: u32 = kept.query_row("SELECT count(*) FROM license WHERE state = 'bound'", [], |r| r.get(0)).unwrap();
    assert_eq!(bound, 2, "what the run wrote is in the state that was kept");
    assert_eq!(t.item(43).param("licid"), "5002");
}

#[test]
fn a_run_that_waits_opens_the_file_that_was_put_in_place() {
    let t = opened();
    let copy = backup(&t);
    t.soft_item(43, "55228", 1).ip("192.0.2.11").expires(&super::day_in(31)).add();
    t.cmd("open", 43).ok();
    let lock = state_lock(&t);
    lock.lock().unwrap();
    let list = t.spawn(["list", "--json"]);
    t.until_logged("another run uses the state file; waiting for it");
    fs::rename(&copy, t.state_path()).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(beside(&t.state_path(), suffix));
    }
    lock.unlock().unwrap();
    let found: serde_json::Value = serde_json::from_str(&list.wait().ok().stdout).unwrap();
    assert_eq!(found["counts"]["bound"], 1, "the file that was put in place");
}

/// One panel's state is shared by a run that does not end, another's is held alone; both are waited for at once.
#[test]
fn a_run_that_waits_too_long_for_the_state_is_busy() {
    let (shared, alone) = (opened(), opened());
    let copy = backup(&shared).display().to_string();
    let before = contents(shared.state_path().parent().unwrap());
    let (shared_lock, alone_lock) = (state_lock(&shared), state_lock(&alone));
    shared_lock.lock_shared().unwrap();
    alone_lock.lock().unwrap();
    fine(&shared, "list");
    let replacing = [vec!["restore", &copy, "--yes"], vec!["state", "begin-anew", "--yes"]];
    let replacing = replacing.map(|args| shared.spawn(args));
    let using = [vec!["list"], vec!["--command", "sync_item", "--item", "42"]].map(|args| alone.spawn(args));
    for output in replacing.map(crate::support::Running::wait) {
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{}", output.stderr);
        assert!(output.stderr.contains("type: busy"), "{}", output.stderr);
    }
    let [list, sync_item] = using.map(crate::support::Running::wait);
    assert!(list.stderr.ends_with("type: busy\n"), "{}", list.stderr);
    assert_eq!(sync_item.fails("busy").attribute("object"), "state");
    assert_eq!(contents(shared.state_path().parent().unwrap()), before);
}

#[test]
fn a_look_makes_no_state_and_no_folder_and_says_that_there_is_none() {
    let t = Test::new();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").active_until(&super::day_in(20)).add();
    let looks = [
        "list",
        "pool",
        "show item:42",
        "history item:42",
        "explain 42",
        "report",
        "reconcile",
        "import",
        "take-over panel",
        "doctor",
        "sync --dry-run",
        "--command open --item 42 --dry-run",
    ];
    for line in looks {
        let output = operator(&t, line);
        let said = format!("{} {}", output.stdout, output.stderr);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("no state file") || said.contains("no state yet"), "{line}: {said}");
        assert!(!t.state_path().parent().unwrap().exists(), "{line} made a folder");
        if !line.contains("dry-run") {
            assert_eq!(json(&t, line)["no_state"], true, "{line}");
        }
    }
    for line in ["backup out.db", "state claim", "prune --older-than 30"] {
        assert!(refused(&t, line).contains("no state file"), "{line}");
        assert!(!t.state_path().exists(), "{line} made a state");
    }
    // Nor where the file is there and empty, before anything was used.
    fs::create_dir_all(t.state_path().parent().unwrap()).unwrap();
    fs::write(t.state_path(), "").unwrap();
    fs::remove_file(t.root().join("var/pmisplicense.log")).unwrap();
    operator(&t, "doctor");
    assert_eq!(fs::read(t.state_path()).unwrap(), b"");
}

#[test]
fn an_empty_state_beside_traces_of_earlier_runs_is_lost() {
    for trace in ["locks/item-42.lock", "spool/50", "../pmisplicense.log"] {
        let t = Test::new();
        t.soft_item(42, "55227", 1).ip("192.0.2.10").add();
        let folder = t.state_path().parent().unwrap().to_owned();
        let trace = folder.join(trace);
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(trace.parent().unwrap()).unwrap();
        fs::write(&trace, "used").unwrap();
        fs::write(t.state_path(), "").unwrap();
        for line in ["list", "reconcile", "explain 42", "show item:42", "sync --dry-run"] {
            let error = refused(&t, line);
            assert!(error.ends_with("type: state\n") && error.contains("begin-anew"), "{line}: {error}");
        }
        assert!(operator(&t, "doctor").stdout.contains("PROBLEM"), "doctor");
        for command in ["open", "suspend", "close", "sync_item"] {
            t.cmd(command, 42).fails("state");
        }
        assert_eq!(fs::read(t.state_path()).unwrap(), b"", "{}", trace.display());
        assert_eq!((changes(&t), t.upstream.billed("soft.order.param")), (Vec::<String>::new(), 0));
    }
}

#[test]
fn an_empty_state_without_traces_is_a_new_one() {
    let t = Test::new();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    fs::create_dir_all(t.state_path().parent().unwrap()).unwrap();
    fs::write(t.state_path(), "").unwrap();
    t.cmd("open", 42).ok();
    assert_eq!(licid(&t, 42), 5001);
}

/// Follows the way out that the error names, to its end. If the former state says which installation it was, its marks
/// are known and its licenses are taken in. Otherwise the setting says it.
#[test]
fn a_state_that_begins_anew_only_reads_until_it_has_taken_in_what_was_bought() {
    for is_readable in [true, false] {
        let t = opened();
        let panel = t.upstream.license(5001).remoteid.split('-').nth(1).unwrap().to_owned();
        if is_readable {
            in_state(&t, "UPDATE license SET expires = 'when the cows come home'");
        } else {
            fs::write(t.state_path(), "").unwrap();
        }
        let error = t.cmd("sync_item", 42);
        assert!(error.fails("state").message().contains("pmisplicense state begin-anew"), "{}", error.message());
        assert!(refused(&t, "state begin-anew").contains("--yes"), "asked first");
        let said = fine(&t, "state begin-anew --yes");
        assert_eq!(said.contains("set panel_id"), !is_readable, "{said}");
        if !is_readable {
            t.settings(&format!("panel_id = \"{panel}\"\n"));
        }
        t.cmd("sync_item", 42).fails("state");
        assert_eq!(kept(&t).len(), 1);
        fine(&t, "reconcile --apply");
        t.cmd("sync_item", 42).ok();
        assert_eq!(json(&t, "list")["licenses"][0]["item"], 42);
        t.soft_item(43, "55227", 1).ip("192.0.2.11").expires(&super::day_in(31)).add();
        t.cmd("open", 43).ok();
        assert_eq!((t.upstream.billed("soft.order.param"), licid(&t, 42)), (2, 5001));
        let mark = t.upstream.license(licid(&t, 43)).remoteid;
        assert_eq!(mark, format!("pml-{panel}-43-2"), "the same installation, the next number");
    }
}

#[test]
fn what_cannot_be_read_in_the_state_is_named_and_never_taken_for_none() {
    let t = opened();
    t.soft_item(43, "55228", 1).ip("192.0.2.11").expires(&super::day_in(31)).add();
    t.clear_mgrctl();
    for (sql, line, words) in [
        ("UPDATE license SET expires = '26.12.2026'", "list", "license 5001: expires holds \"26.12.2026\""),
        ("UPDATE license SET ip_changed = '2026-13-01'", "list", "license 5001: ip_changed holds \"2026-13-01\""),
        ("UPDATE license SET ip = 'nowhere'", "list", "license 5001: ip holds \"nowhere\""),
        ("UPDATE license SET mark = 'ours'", "list", "license 5001: mark holds \"ours\""),
        ("UPDATE license SET state = 'lent'", "list", "license 5001: state holds \"lent\""),
        ("UPDATE license SET since = 1 << 62", "list", "license 5001: since holds 4611686018427387904"),
        ("UPDATE license SET changes = -1", "list", "license 5001: changes holds -1"),
        ("UPDATE license SET lickey = ' '", "list", "license 5001: lickey holds ***"),
        ("UPDATE intent SET status = 'maybe'", "doctor", "intent 1: status holds \"maybe\""),
        ("UPDATE intent SET request = '{}'", "report", "request holds \"{}\""),
        ("UPDATE cost SET source = 'hearsay'", "report", "source holds \"hearsay\""),
        ("UPDATE item SET settled_end = 'soon'", "--command sync_item --item 42", "item 42: settled_end"),
        ("UPDATE item SET closes = -1", "--command sync_item --item 42", "closes holds -1"),
        (
            "UPDATE account SET returns_remoteid = 7",
            "--command sync_item --item 42",
            "account 1: returns_remoteid holds 7",
        ),
        ("UPDATE meta SET value = '' WHERE name = 'last_number'", "--command open --item 43", "last_number holds \"\""),
        (
            "UPDATE meta SET value = '-1' WHERE name = 'last_number'",
            "--command open --item 43",
            "last_number holds \"-1\"",
        ),
    ] {
        let before = fs::read(t.state_path()).unwrap();
        in_state(&t, sql);
        let output = operator(&t, line);
        let said = format!("{}{}", output.stdout.replace("&quot;", "\""), output.stderr);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        fs::write(t.state_path(), before).unwrap();
        assert_eq!(output.code, Some(1), "{sql}: {said}");
        assert!(said.contains("state") && said.contains(words), "{sql}: {said}");
    }
    assert_eq!((t.upstream.billed("soft.order.param"), t.panel_changes().len()), (1, 0), "{}", t.story());
}
