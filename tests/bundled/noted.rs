//! `sync --noted`, which cron starts each minute. It handles only the services that events noted, and does nothing at
//! all when none is noted.
use super::{admin, event, licid, noted};
use crate::service::{called, opened, sent};
use crate::support::Test;
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

fn bundled() -> Test {
    let test = Test::new();
    test.settings("bundled = [3]\n");
    test
}

fn sync_noted(test: &Test) -> crate::support::Output {
    admin(test, &["sync", "--noted"])
}

/// Nothing noted: no request, no call of the panel, no state, no words; also where there is a state.
#[test]
fn a_sync_without_notes_asks_and_writes_nothing() {
    let test = bundled();
    test.vds_item(50, "55229", 1).addresses(&["192.0.2.50"]).add();
    sync_noted(&test).ok().stdout("");
    assert_eq!((sent(&test), called(&test), test.state_path().exists()), (Vec::new(), Vec::new(), false));
    opened(&test, 42, "55227", 1);
    let before = fs::read(test.state_path()).unwrap();
    let quiet = sync_noted(&test);
    assert_eq!((quiet.ok().stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    assert_eq!((sent(&test), called(&test)), (Vec::<String>::new(), Vec::<String>::new()));
    assert!(fs::read(test.state_path()).unwrap() == before, "the state was written to");
    let json: serde_json::Value = serde_json::from_str(&admin(&test, &["sync", "--noted", "--json"]).stdout).unwrap();
    assert_eq!((json["version"].as_u64(), json["seen"].as_u64()), (Some(1), Some(0)));
}

/// The noted servers are handled, and nothing else: no other server, and no licenses of our own services.
#[test]
fn nothing_is_carried_out_besides_what_was_noted() {
    let test = bundled();
    opened(&test, 42, "55227", 1);
    for item in [50, 51] {
        test.vds_item(item, "55229", 1).addresses(&[&format!("192.0.2.{item}")]).add();
    }
    admin(&test, &["sync", "--sweep", "--adopt"]).ok();
    test.vds_item(52, "55229", 1).addresses(&["192.0.2.52"]).add();
    for item in [50, 51] {
        test.set_item(item, "status", "3");
    }
    event(&test, 50);
    crate::service::forget(&test);
    assert!(sync_noted(&test).ok().stdout.contains("1 change carried out"));
    assert!(noted(&test).is_empty());
    let statuses = [50, 51].map(|item| test.upstream.license(licid(&test, item)).status);
    assert_eq!((statuses, licid(&test, 52)), ([3, 2], 0), "51 and 52 were not noted");
    assert!(!sent(&test).iter().any(|line| line.starts_with("soft p_cnt")), "the list was not read: {}", test.story());
    test.assert_clean();
}

/// While one run carries out what was noted, another ends quietly and leaves the notes alone.
#[test]
fn only_one_run_at_a_time_carries_out_what_was_noted() {
    let test = bundled();
    test.vds_item(50, "55229", 1).addresses(&["192.0.2.50"]).add();
    event(&test, 50);
    let locks = test.state_path().with_file_name("locks");
    fs::create_dir_all(&locks).unwrap();
    let held = File::create(locks.join("noted.lock")).unwrap();
    held.lock().unwrap();
    let second = sync_noted(&test);
    assert_eq!((second.ok().stdout.as_str(), second.stderr.as_str()), ("", ""));
    assert_eq!((noted(&test), sent(&test), called(&test)), (vec!["50".to_owned()], Vec::new(), Vec::new()));
    drop(held);
    sync_noted(&test).ok();
    assert_eq!((noted(&test).len(), test.upstream.license(licid(&test, 50)).ip.as_str()), (0, "192.0.2.50"));
}

/// A failed server is tried again each minute for a quarter of an hour, then left to the hourly sync, which reports it.
#[test]
fn a_noted_failure_is_repeated_for_a_quarter_of_an_hour() {
    let test = bundled();
    test.vds_item(50, "55229", 1).addresses(&["192.0.2.50"]).add();
    event(&test, 50);
    test.upstream.block(true);
    let failed = sync_noted(&test);
    assert_eq!((failed.code, noted(&test).len()), (Some(1), 1), "{}", failed.stderr);
    assert!(failed.stderr.contains("service 50: ") && failed.stderr.contains("type: blocked"), "{}", failed.stderr);
    let note = test.state_path().with_file_name("spool").join("50");
    let old = SystemTime::now() - Duration::from_secs(16 * 60);
    File::options().write(true).open(note).unwrap().set_modified(old).unwrap();
    crate::service::forget(&test);
    sync_noted(&test).ok().stdout("");
    assert_eq!((noted(&test).len(), sent(&test), called(&test)), (1, Vec::new(), Vec::new()));
    test.run(["--command", "sync"]).fails("blocked");
    test.upstream.block(false);
    test.upstream.set_balance(2_000_000);
    // Another event makes the note fresh.
    event(&test, 50);
    sync_noted(&test).ok();
    assert_eq!((noted(&test).len(), test.upstream.billed("soft.order.param")), (0, 1));
}

/// If no server's panel is licensed, the notes are removed without a question to the panel.
#[test]
fn notes_of_unlicensed_servers_are_removed_without_a_question() {
    let test = Test::new();
    test.vds_item(50, "55229", 1).addresses(&["192.0.2.50"]).add();
    event(&test, 50);
    sync_noted(&test).ok().stdout("");
    assert_eq!((noted(&test).len(), sent(&test), called(&test)), (0, Vec::new(), Vec::new()));
}

/// The panel's switch stops it quietly; a contradiction is misspelt.
#[test]
fn do_nothing_stops_the_sync_of_notes_quietly() {
    let test = bundled();
    test.vds_item(50, "55229", 1).addresses(&["192.0.2.50"]).add();
    event(&test, 50);
    test.do_nothing(true);
    sync_noted(&test).ok().stdout("");
    assert_eq!((noted(&test).len(), called(&test)), (1, Vec::new()));
    assert_eq!(admin(&test, &["sync", "--noted", "--sweep"]).code, Some(2));
}
