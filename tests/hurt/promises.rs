//! The promises of docs/interface.md 6, checked from outside: the seller's ledger and licenses, the panel's database,
//! the journal of mgrctl and the state file are compared with each other. Nothing of src/ is used here.
use super::panel::{Office, Paid};
use crate::support::Test;
use crate::support::upstream::License;
use crate::support::upstream::world::DELETED;
use rusqlite::{Connection, OpenFlags};
use std::collections::{BTreeMap, BTreeSet};

/// A license as our state has it.
struct Row {
    id: u64,
    state: String,
    item: Option<u32>,
    key: Option<String>,
}

/// The broken promises, in words; empty when every promise holds.
pub fn broken(test: &Test, paid: &Paid) -> Vec<String> {
    let mut found = test.problems();
    let licenses = test.upstream.licenses();
    bought_once(test, paid, &mut found);
    if test.state_path().exists() {
        match state(test) {
            Ok((state_rows, marks)) => {
                nothing_lost(&licenses, &state_rows, &marks, paid, &mut found);
                keys_agree(test, &licenses, &state_rows, &mut found);
            }
            Err(error) => found.push(format!("the state cannot be read: {error}")),
        }
    } else if !licenses.is_empty() {
        found.push("licenses were bought and there is no state".to_owned());
    }
    shown_once(test, &mut found);
    found
}

/// Panics with the whole story when a promise is broken.
pub fn hold(office: &Office, context: &str) {
    let found = broken(&office.test, &office.paid);
    if !found.is_empty() {
        panic!("{context}\nbroken: {found:#?}\n{:#?}\n{}", office.test.upstream.ledger(), office.test.story());
    }
}

/// 1: at most one purchase for an intent. A request that a proxy doubles is billed twice, whatever the program does.
fn bought_once(test: &Test, paid: &Paid, found: &mut Vec<String>) {
    let mut orders: BTreeMap<u32, usize> = BTreeMap::new();
    let mut others: BTreeMap<String, usize> = BTreeMap::new();
    for entry in test.upstream.ledger().iter().filter(|e| e.connection != 0 || e.func.ends_with("order.param")) {
        if entry.func.ends_with("order.param") {
            let item = entry.remoteid.split('-').nth(2).and_then(|i| i.parse().ok()).unwrap_or(0);
            *orders.entry(item).or_default() += 1;
        } else {
            *others.entry(entry.func.clone()).or_default() += 1;
        }
    }
    let spare = usize::from(paid.doubled);
    for (item, count) in orders {
        let allowed = paid.orders.get(&item).copied().unwrap_or(0);
        if count > allowed + spare {
            found.push(format!("item {item}: {count} orders billed, {allowed} paid for"));
        }
    }
    for (func, count) in others {
        let allowed = paid.others.get(func.as_str()).copied().unwrap_or(0);
        if count > allowed + spare {
            found.push(format!("{func}: billed {count} times, {allowed} paid for"));
        }
    }
}

fn state(test: &Test) -> rusqlite::Result<(Vec<Row>, BTreeSet<String>)> {
    let conn = Connection::open_with_flags(test.state_path(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut rows = conn.prepare("SELECT id, state, item, lickey FROM license")?;
    let read = |row: &rusqlite::Row<'_>| {
        let id: i64 = row.get(0)?;
        Ok(Row { id: id.unsigned_abs(), state: row.get(1)?, item: row.get(2)?, key: row.get(3)? })
    };
    let state_rows = rows.query_map([], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let open = "SELECT request FROM intent WHERE status IN ('in_doubt', 'free_when_appears', 'handed_over')";
    let mut rows = conn.prepare(open)?;
    let marks = rows.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<BTreeSet<_>>>()?;
    Ok((state_rows, marks))
}

/// 2: every license that was billed and is not deleted is bound, claimed, pooled, to be freed or stopped, or an open
/// intent names its mark.
fn nothing_lost(
    licenses: &[License],
    state_rows: &[Row],
    open: &BTreeSet<String>,
    paid: &Paid,
    found: &mut Vec<String>,
) {
    let known: BTreeSet<u64> = state_rows.iter().filter(|h| h.state != "deleted").map(|h| h.id).collect();
    let ours = licenses.iter().filter(|l| l.remoteid.starts_with("pml-") && l.status != DELETED);
    let mut nameless = 0;
    for license in ours.filter(|l| !known.contains(&l.id)) {
        let named = open.iter().any(|request| request.contains(&license.remoteid));
        // A duplicate made behind our back bears the mark of its twin: that is what names it.
        let twin =
            licenses.iter().any(|l| l.id != license.id && l.remoteid == license.remoteid && known.contains(&l.id));
        if !(named || paid.doubled && twin) {
            found.push(format!("license {} ({}) is lost", license.id, license.remoteid));
            nameless += 1;
        }
    }
    if nameless > 0 {
        let states: Vec<String> = state_rows.iter().map(|h| format!("{} {}", h.id, h.state)).collect();
        found.push(format!("known are {states:?}, open intents {open:?}"));
    }
}

/// 3 and 8: what an item shows is its own bound license, under its mark, with the key that is valid at the seller; no
/// license is on two items.
fn keys_agree(test: &Test, licenses: &[License], state_rows: &[Row], found: &mut Vec<String>) {
    let sql = "SELECT i.id, i.status, p.intname, p.value FROM item i JOIN itemparam p ON p.item = i.id \
               WHERE p.intname IN ('licid', 'lickey') AND i.status <> 4";
    let mut shown: BTreeMap<(String, String), u32> = BTreeMap::new();
    for row in test.db.rows(sql, ()) {
        let text = |i: usize| row[i].clone().unwrap_or_default();
        let (item, name, value) = (text(0).parse::<u32>().unwrap_or(0), text(2), text(3));
        if let Some(other) = shown.insert((name.clone(), value.clone()), item) {
            found.push(format!("{name} {value} stands on items {other} and {item}"));
        }
        let bound = state_rows.iter().find(|h| h.item == Some(item) && h.state == "bound");
        let Some(bound) = bound else { continue };
        let Some(license) = licenses.iter().find(|l| l.id == bound.id) else {
            found.push(format!("item {item} is bound to license {}, which does not exist", bound.id));
            continue;
        };
        let mut differs = |what: &str, have: &str, want: &str| {
            if have != want {
                found.push(format!("item {item}, license {}: {what} is {have:?}, the seller has {want:?}", bound.id));
            }
        };
        match name.as_str() {
            "licid" => differs("licid", &value, &license.id.to_string()),
            _ => {
                differs("lickey", &value, &license.key);
                differs("key in the state", bound.key.as_deref().unwrap_or_default(), &license.key);
            }
        }
        let mark = license.remoteid.split('-').nth(2).unwrap_or_default().to_owned();
        differs("mark", &mark, &item.to_string());
    }
}

/// 3: a key is shown to one client only, and what belongs to the panel is never set by us.
fn shown_once(test: &Test, found: &mut Vec<String>) {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for call in test.mgrctl_calls() {
        if ["service.setstatus", "service.setexpiredate"].contains(&call.func.as_str()) {
            found.push(format!("{} was called", call.func));
        }
        let named = call.get("name") == Some("lickey");
        if let Some(key) = call.get("lickey").or_else(|| call.get("value").filter(|_| named)) {
            keys.entry(key.to_owned()).or_default().insert(call.get("elid").unwrap_or_default().to_owned());
        }
    }
    for (key, items) in keys.iter().filter(|(_, items)| items.len() > 1) {
        found.push(format!("key {key} was shown to items {items:?}"));
    }
}

/// A paid service is covered: its license lasts at least as long as the service itself. For items that are active.
pub fn covered(test: &Test, item: u32) -> Result<(), String> {
    let now = test.item(item);
    let license: u64 = now.param("licid").parse().map_err(|_| format!("item {item} has no license"))?;
    let license = test.upstream.license(license);
    let (have, want) = (license.expires.map(|d| d.to_string()), now.expiredate);
    if have >= want { Ok(()) } else { Err(format!("item {item} ends {want:?}, its license {have:?}")) }
}

/// The checks work: each promise, broken by hand, is reported.
#[test]
fn each_broken_promise_is_reported_by_the_checks() {
    let mut office = Office::new();
    let items = [office.item("55227"), office.item("55227")];
    for item in items {
        office.does("open", item);
    }
    assert_eq!(broken(&office.test, &office.paid), Vec::<String>::new());
    let tells = |office: &Office, words: &str| {
        let found = broken(&office.test, &office.paid);
        assert!(found.iter().any(|text| text.contains(words)), "{words} is not among {found:?}");
    };
    let once = office.paid.clone();
    office.paid.orders.clear();
    tells(&office, "1 orders billed, 0 paid for");
    office.paid = once;
    let key = office.test.item(items[0]).param("lickey").to_owned();
    office.test.set_param(items[1], "lickey", &key);
    tells(&office, "stands on items");
    tells(&office, "the seller has");
    office.test.upstream.edit_license(5001, |l| l.remoteid = "pml-abcdefgh-77-1".to_owned());
    tells(&office, "mark");
    let conn = Connection::open(office.test.state_path()).unwrap();
    conn.execute("DELETE FROM license WHERE id = 5002", []).unwrap();
    tells(&office, "license 5002");
}
