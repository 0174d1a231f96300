//! Identity of services and licenses when the world outside gave one of them another number, another client or another
//! wording. Nothing is lost, nothing is bought beside it, and an operator can always say "it is the same".
use crate::service::{changes, day, ends_in, forget, ip_of, licid, opened, settle, state, told};
use crate::support::{Fault, Output, Test};

mod adopted;
mod advice;
mod bind;
mod client;
mod copied;
mod creation;
mod lost;
mod renumbered;
mod servers;

/// A command of an operator, one line.
fn operator(test: &Test, line: &str) -> Output {
    test.program(line.split_whitespace()).env("LC_ALL", "C").env("COLUMNS", "500").run()
}

fn sync(test: &Test) -> Output {
    test.run(["--command", "sync_server", "--module", "7"])
}

/// The findings of reconcile: kind, service, license, command.
fn findings(test: &Test) -> Vec<(String, u64, u64, String)> {
    let output = operator(test, "reconcile --json");
    let found: serde_json::Value = serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    let text = |one: &serde_json::Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    let number = |one: &serde_json::Value, name: &str| one[name].as_u64().unwrap_or_default();
    let list = found["differences"].as_array().cloned().unwrap_or_default();
    list.iter()
        .map(|one| (text(one, "kind"), number(one, "item"), number(one, "license"), text(one, "command")))
        .collect()
}

/// A finding as `findings` gives it.
fn finding(kind: &str, item: u64, license: u64, command: &str) -> (String, u64, u64, String) {
    (kind.into(), item, license, command.into())
}

/// The panel hands a service over by its tool "Service import": the old row is closed, a copy with all parameters is
/// made for another client under another number.
fn copy_service(test: &Test, from: u32, to: u32) {
    let old = test.item(from);
    let copy = test.soft_item(to, "55227", old.period).status(2).account(777).created("2027-01-05 12:00:00");
    let copy = old.params.iter().fold(copy, |copy, (name, value)| copy.param(name, value));
    let copy = if let Some(end) = &old.expiredate { copy.expires(end) } else { copy };
    copy.add();
    test.set_item(from, "status", "4");
}

/// The file of the state is gone.
fn lose_state(test: &Test) {
    std::fs::remove_dir_all(test.state_path().parent().unwrap()).unwrap();
}

/// Name, address, status and key of a license: what must not change.
fn face(test: &Test, id: u64) -> (String, String, u8, String) {
    let license = test.upstream.license(id);
    (license.licname, license.ip, license.status, license.key)
}
