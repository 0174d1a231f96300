//! The administrator's commands through the binary: commands that look, and commands that repair.
use crate::support::{Output, Test};
use serde_json::Value;
pub use takeover::on_terminal;

mod accounts;
mod binding;
mod desk;
mod fleet;
mod given_back;
mod import;
mod keeping;
mod looking;
mod mending;
mod moving;
mod next_steps;
mod planted;
mod problems;
mod record;
mod report;
mod survey;
mod takeover;
mod unreadable;
mod watching;
mod whmcs;

/// Whatever tells a date's distance from today.
fn day_in(days: i64) -> String {
    (chrono::Utc::now().date_naive() + chrono::Duration::days(days)).to_string()
}

/// A world with one opened service, number 42, license 5001, at 192.0.2.10.
fn opened() -> Test {
    let t = Test::new();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").licname("shop").expires(&day_in(31)).add();
    t.cmd("open", 42).ok();
    assert_eq!(t.item(42).param("licid"), "5001", "{}", t.story());
    t
}

/// A command that an operator types, with answers in English, 60 columns wide.
fn operator(t: &Test, line: &str) -> Output {
    t.program(line.split_whitespace()).env("LC_ALL", "C").env("COLUMNS", "60").run()
}

fn fine(t: &Test, line: &str) -> String {
    let output = operator(t, line);
    assert_eq!(output.code, Some(0), "{line}\n{}\n{}\n{}", output.stdout, output.stderr, output.story);
    output.stdout
}

/// Exit 1 with problems told on stdout.
fn troubled(t: &Test, line: &str) -> String {
    let output = operator(t, line);
    assert_eq!(output.code, Some(1), "{line}\n{}\n{}\n{}", output.stdout, output.stderr, output.story);
    output.stdout
}

/// Exit 1 with an error on stderr and nothing on stdout.
fn refused(t: &Test, line: &str) -> String {
    let output = operator(t, line);
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{line}\n{}\n{}", output.stderr, output.story);
    output.stderr
}

/// A sync that ends with 1: its figures on stdout, what it left undone on stderr.
fn left_undone(t: &Test) -> String {
    let output = operator(t, "sync");
    assert_eq!(output.code, Some(1), "{}\n{}\n{}", output.stdout, output.stderr, output.story);
    assert!(output.stdout.starts_with("licenses seen: "), "{}", output.stdout);
    output.stderr
}

fn json(t: &Test, line: &str) -> Value {
    let output = operator(t, &format!("{line} --json"));
    serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{line}: {e}\n{}\n{}", output.stdout, output.stderr))
}

/// The state as it lies there, for a test that makes an hour pass.
fn in_state(t: &Test, sql: &str) {
    let conn = rusqlite::Connection::open(t.state_path()).unwrap();
    assert!(conn.execute(sql, []).unwrap() > 0, "{sql}");
}

/// One difference of reconcile by its kind.
fn difference(found: &Value, kind: &str) -> Value {
    let list = found["differences"].as_array().cloned().unwrap_or_default();
    list.into_iter().find(|one| one["kind"] == kind).unwrap_or_else(|| panic!("no {kind} in {found:#}"))
}
