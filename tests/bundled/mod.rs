//! Licenses that come with something else: imported from the seller, bundled with servers, modules of a license,
//! other software; and the settings that steer them.

mod additions;
mod changes;
mod compared;
mod import;
mod lost;
mod money;
mod noted;
mod periods;
mod rules;
mod settings;
mod sweep;
mod unserved;

use crate::support::{Output, Test};

/// An administrator's subcommand.
fn admin(test: &Test, args: &[&str]) -> Output {
    test.run(args)
}

/// The handler of the panel's events, as the panel starts it.
fn event(test: &Test, item: u32) {
    let handler = test.program(Vec::<String>::new()).arg0("addon/pmisplicense-event");
    handler.env("PARAM_elid", item.to_string()).run().ok().stdout("<doc/>\n");
}

/// Services noted by events and not carried out yet.
fn noted(test: &Test) -> Vec<String> {
    let spool = test.state_path().parent().unwrap().join("spool");
    let Ok(entries) = std::fs::read_dir(spool) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// A license that a command bought, by its service.
fn licid(test: &Test, item: u32) -> u64 {
    test.item(item).param("licid").parse().unwrap_or(0)
}

/// One column of the state file, as text.
fn state(test: &Test, sql: &str) -> Vec<String> {
    let conn = rusqlite::Connection::open(test.state_path()).unwrap();
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|value| value.unwrap()).collect()
}
