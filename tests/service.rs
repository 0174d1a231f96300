//! A service as most tests start from it (open, with a license of its own), and what they ask afterwards: the exact
//! requests at the seller, the exact calls in the panel, single figures of the program's state file.
use crate::support::upstream::Request;
use crate::support::{License, Test};
use std::fmt::Write;

/// The beginning of an answer of the program.
pub const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

/// The requests of a first open: the look before (list, checkip), the order, one read.
pub const OPEN: [&str; 4] = ["soft", "soft.checkip", "soft.order.param", "soft.edit?read"];

/// The address that `opened` gives a service.
pub fn ip_of(item: u32) -> String {
    format!("192.0.2.{}", item % 200)
}

/// An open service of ours. Requests and calls until here are forgotten. The number of its license.
pub fn opened(test: &Test, item: u32, choice: &str, period: i32) -> u64 {
    test.soft_item(item, choice, period).ip(&ip_of(item)).add();
    test.cmd("open", item).ok().stdout("");
    forget(test);
    licid(test, item)
}

/// Requests and calls so far no longer count.
pub fn forget(test: &Test) {
    test.upstream.clear_requests();
    test.clear_mgrctl();
}

/// The license that an item names.
pub fn licid(test: &Test, item: u32) -> u64 {
    let named = test.item(item);
    named.param("licid").parse().unwrap_or_else(|_| panic!("item {item} names no license\n{}", test.story()))
}

pub fn license(test: &Test, item: u32) -> License {
    test.upstream.license(licid(test, item))
}

/// The only license at the seller, whoever knows of it.
pub fn only_license(test: &Test) -> License {
    let all = test.upstream.licenses();
    assert_eq!(all.len(), 1, "{}", test.story());
    all.into_iter().next().unwrap()
}

/// One request: func and parameters in alphabetical order. In a mark, P is the installation.
fn line(request: &Request) -> String {
    let dull = ["authinfo", "out", "lang", "func"];
    let mut shown: Vec<_> = request.params.iter().filter(|(name, _)| !dull.contains(&name.as_str())).collect();
    shown.sort();
    shown.into_iter().fold(request.func.clone(), |mut line, (name, value)| {
        let value = match value.strip_prefix("pml-").and_then(|rest| rest.get(8..)) {
            Some(rest) => format!("pml-P{rest}"),
            None => value.clone(),
        };
        let _ = write!(line, " {name}={value}");
        line
    })
}

/// Every request since the last `forget`.
pub fn sent(test: &Test) -> Vec<String> {
    test.upstream.requests().iter().map(line).collect()
}

/// The requests that change something at the seller.
pub fn changes(test: &Test) -> Vec<String> {
    let reads = ["soft", "softexternal", "soft.checkip", "whoami", "subaccount"];
    let all = test.upstream.requests();
    let changing = all.iter().filter(|r| !reads.contains(&r.func.as_str()) && !r.purpose().ends_with("?read"));
    changing.map(line).collect()
}

/// Functions of mgrctl called since the last `forget`.
pub fn called(test: &Test) -> Vec<String> {
    test.mgrctl_calls().iter().map(|call| call.func.clone()).collect()
}

/// The calls of the panel's tool that are not reads, without their arguments.
pub fn told(test: &Test) -> Vec<String> {
    let reads = ["paramlist", "processing.edit", "task.gettype"];
    called(test).into_iter().filter(|func| !reads.contains(&func.as_str())).collect()
}

/// One figure of the state file, as text; empty for no row.
pub fn state(test: &Test, sql: &str) -> String {
    let file = rusqlite::Connection::open(test.state_path()).unwrap();
    let value = file.query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0));
    match value {
        Ok(rusqlite::types::Value::Integer(number)) => number.to_string(),
        Ok(rusqlite::types::Value::Text(text)) => text,
        Ok(_) | Err(rusqlite::Error::QueryReturnedNoRows) => String::new(),
        Err(error) => panic!("{sql}: {error}"),
    }
}

/// Changes the state file by hand: time that passed.
pub fn alter_state(test: &Test, sql: &str) {
    let changed = rusqlite::Connection::open(test.state_path()).unwrap().execute(sql, []).unwrap();
    assert!(changed > 0, "{sql} changed nothing");
}

/// Makes the state one of version 5, which had other names.
pub fn back_to_version_5(test: &Test) {
    let names = "
        DROP INDEX intent_key; DROP INDEX intent_open; DROP INDEX intent_target;
        DROP INDEX journal_intent; DROP INDEX license_incarnation;
        ALTER TABLE intent RENAME TO wish;
        ALTER TABLE journal RENAME COLUMN intent TO wish;
        ALTER TABLE cost RENAME COLUMN intent TO wish;
        ALTER TABLE license RENAME COLUMN incarnation TO life;
        ALTER TABLE payment RENAME COLUMN incarnation TO life;
        ALTER TABLE payment_run RENAME COLUMN incarnation TO life;
        ALTER TABLE foreseen RENAME COLUMN incarnation TO life;
        CREATE INDEX wish_key ON wish (key); CREATE INDEX wish_open ON wish (item);
        CREATE INDEX wish_target ON wish (account, target);
        CREATE INDEX journal_wish ON journal (wish); CREATE INDEX license_life ON license (life);
        PRAGMA user_version = 5";
    rusqlite::Connection::open(test.state_path()).unwrap().execute_batch(names).unwrap();
}

/// The day so many days from today.
pub fn day(days: i64) -> String {
    (chrono::Utc::now().date_naive() + chrono::Duration::days(days)).to_string()
}

/// The day so many months from a day, clamped to the month's last.
pub fn months(from: &str, months: u32) -> String {
    let from: chrono::NaiveDate = from.parse().unwrap();
    from.checked_add_months(chrono::Months::new(months)).unwrap().to_string()
}

/// The day from which what changes on a day may change once more: 31 days later, or a month if that is later.
pub fn a_month_after(changed: chrono::NaiveDate) -> String {
    let by_calendar = changed.checked_add_months(chrono::Months::new(1)).unwrap();
    by_calendar.max(changed + chrono::Days::new(31)).to_string()
}

/// The end of a license, as text.
pub fn end(license: &License) -> String {
    license.expires.map_or_else(String::new, |day| day.to_string())
}

/// The license ends on that day, so many days from today.
pub fn ends_in(test: &Test, id: u64, days: i64) {
    test.upstream.edit_license(id, |l| l.expires = day(days).parse().ok());
}

/// So many seconds pass for everything that is in doubt or put aside.
pub fn pass(test: &Test, seconds: u32) {
    for (table, column) in [("intent", "recorded_at"), ("intent", "clean_look_at"), ("license", "not_before")] {
        let file = rusqlite::Connection::open(test.state_path()).unwrap();
        file.execute(&format!("UPDATE {table} SET {column} = {column} - {seconds}"), []).unwrap();
    }
}

/// A settling time passes.
pub fn settle(test: &Test) {
    pass(test, 901);
}
