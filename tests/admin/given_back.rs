//! The client wants no panel any more, and the license is still bound to the service: `reconcile` names it, with a
//! command that ends it (docs/licensing-rules.md 8).
use super::{difference, fine, in_state, json, opened, operator};
use crate::service::{licid, only_license, opened as opened_as, state};
use crate::support::{MgrctlFault, MgrctlFaultKind, Test};
use serde_json::Value;

const NOT_TOLD: MgrctlFaultKind = MgrctlFaultKind::ErrorDocument;

/// What `reconcile` names as given back.
fn named(t: &Test) -> Vec<Value> {
    let found = json(t, "reconcile");
    let all = found["differences"].as_array().cloned().expect("differences");
    all.into_iter().filter(|one| one["kind"] == "given_back").collect()
}

/// The settling time is over for everything that happened so far.
fn settling_time_passes(t: &Test) {
    in_state(t, "UPDATE license SET since = since - 1000");
}

/// A service whose license was ordered by an operation of the panel that has not ended. Its client went on to
/// `nopanel`.
fn unfinished(command: &str, post: &str) -> (Test, u64) {
    let t = Test::new();
    t.soft_item(42, "nopanel", 1).ip("192.0.2.10").add();
    if command == "setparam" {
        t.cmd("open", 42).ok();
    }
    let operation = t.operation(42, command);
    for choice in ["55227", "nopanel"] {
        t.choose(42, choice);
        t.mgrctl_fault(MgrctlFault::on(post, NOT_TOLD));
        t.cmd_op(command, 42, operation).fails("mgrctl");
    }
    (t, operation)
}

/// The run died after the panel knew and before it freed the license.
#[test]
fn a_license_that_was_given_back_and_not_freed_is_named_and_freed_by_reconcile() {
    let t = Test::new();
    let id = opened_as(&t, 42, "55227", 1);
    assert!(named(&t).is_empty(), "the service wants it");
    t.choose(42, "nopanel");
    assert!(named(&t).is_empty(), "the command for the change is still to come");
    t.mgrctl_fault(MgrctlFault::on("service.postsetparam", MgrctlFaultKind::Lost));
    t.cmd("setparam", 42).fails("mgrctl");
    let one = difference(&json(&t, "reconcile"), "given_back");
    assert_eq!((&one["item"], &one["license"], &one["remedy"]), (&42.into(), &id.into(), &"free".into()), "{one:#}");
    let told = operator(&t, "reconcile").stdout;
    assert!(told.contains("gave license") && told.contains(&format!("free license {id}")), "{told}");
    fine(&t, "reconcile --apply --only given_back");
    assert_eq!(
        (only_license(&t).licname.as_str(), state(&t, "SELECT state FROM license").as_str()),
        ("free.lic", "pool")
    );
    assert!(named(&t).is_empty());
}

/// Another run is at work on the service, perhaps the one that frees the license: it is not named until that run ends.
#[test]
fn a_license_that_a_run_may_be_about_to_free_is_not_named() {
    let t = Test::new();
    opened_as(&t, 42, "55227", 1);
    t.choose(42, "nopanel");
    t.mgrctl_fault(MgrctlFault::on("service.postsetparam", MgrctlFaultKind::Lost));
    t.cmd("setparam", 42).fails("mgrctl");
    let lock = std::fs::File::open(t.state_path().with_file_name("locks").join("item-42.lock")).unwrap();
    lock.lock().unwrap();
    assert!(named(&t).is_empty(), "{}", t.story());
    lock.unlock().unwrap();
    assert_eq!(named(&t).len(), 1);
}

/// The panel goes on with the operation that ordered the license: sync keeps the license, and so does everything else.
/// It is named when the operation is older than the settling time, and the command that is named frees the license.
#[test]
fn a_license_whose_operation_does_not_end_is_named_after_the_settling_time() {
    for (command, post) in [("open", "soft.open"), ("setparam", "service.postsetparam")] {
        let (t, operation) = unfinished(command, post);
        assert!(named(&t).is_empty(), "{command}: it began just now");
        settling_time_passes(&t);
        t.run(["--command", "sync", "--module", "7"]).ok();
        let one = difference(&json(&t, "reconcile"), "given_back");
        let unbind = one["command"].as_str().expect("a command").to_owned();
        assert_eq!((unbind.as_str(), &one["remedy"]), ("pmisplicense unbind 42", &"person".into()), "{one:#}");
        operator(&t, "reconcile --apply --only given_back");
        assert_eq!(state(&t, "SELECT state FROM license"), "bound", "{command}: an operator decides");
        fine(&t, &format!("{} --yes", unbind.trim_start_matches("pmisplicense ")));
        assert_eq!(state(&t, "SELECT state FROM license"), "pool", "{command}");
        assert!(named(&t).is_empty(), "{command}");
        t.cmd_op(command, 42, operation).ok();
        assert_eq!((t.item(42).status, only_license(&t).licname.as_str()), (2, "free.lic"), "{command}");
    }
}

/// The panel ended the operation without a repetition: nothing waits any more, and sync frees the license.
#[test]
fn a_license_whose_operation_is_gone_is_freed_by_the_next_sync() {
    let (t, operation) = unfinished("setparam", "service.postsetparam");
    settling_time_passes(&t);
    t.db.exec("DELETE FROM runningoperation WHERE id = ?", (operation,));
    assert_eq!(difference(&json(&t, "reconcile"), "given_back")["remedy"], "free");
    t.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!(state(&t, "SELECT state FROM license"), "pool");
    assert!(named(&t).is_empty());
}

/// Another open service shows the license: nothing frees it, and the command gives it to that service.
#[test]
fn a_license_that_was_given_back_and_that_another_service_shows_is_left_to_the_operator() {
    let t = opened();
    let id = licid(&t, 42);
    t.choose(42, "nopanel");
    t.mgrctl_fault(MgrctlFault::on("service.postsetparam", MgrctlFaultKind::Lost));
    t.cmd("setparam", 42).fails("mgrctl");
    t.soft_item(43, "55227", 1).ip("192.0.2.11").add();
    t.set_item(43, "status", "2");
    for name in ["licid", "lickey"] {
        t.set_param(43, name, t.item(42).param(name));
    }
    let found = json(&t, "reconcile");
    assert_eq!(difference(&found, "given_back")["command"], format!("pmisplicense bind 43 {id}"), "{found:#}");
    operator(&t, "reconcile --apply --only given_back");
    assert_eq!(state(&t, "SELECT state FROM license"), "bound");
}
