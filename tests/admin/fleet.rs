//! Thousands of licenses: a comparison asks for pages and batches, never for one license or service alone, and draws
//! its bar only where somebody looks. `PMISPLICENSE_FLEET=100000` makes it a measurement, shown with --nocapture.
use super::takeover::on_terminal;
use super::{day_in, difference, fine, json, operator};
use crate::support::{Fault, Test};
use std::time::Instant;

/// The first of the fleet's services and licenses; number n of each belong together.
const ITEM: u64 = 1_000;
const LICENSE: u64 = 10_000;

/// A world with so many open services beside number 42, made without buying each.
fn fleet(count: u64) -> Test {
    let t = Test::setup().own_database().start();
    t.settings("panel_id = \"fleetaaa\"\n");
    t.soft_item(42, "55227", 1).ip("192.0.2.10").licname("shop").expires(&day_in(31)).add();
    t.cmd("open", 42).ok();
    t.upstream.with(|w| {
        for n in 0..count {
            let mut license = w.licenses[&5001].clone();
            license.id = LICENSE + n;
            license.key = format!("FLEET-KEY-{n}");
            license.remoteid = format!("pml-fleetaaa-{}-{}", ITEM + n, n + 2);
            w.licenses.insert(license.id, license);
        }
        w.next_id = LICENSE + count;
    });
    let each = format!("seq_0_to_{}", count - 1);
    let columns = "account, pricelist, processingmodule, period, status, expiredate, opendate, createdate";
    let sql = format!(
        "INSERT INTO item (id, name, {columns}) SELECT {ITEM} + seq, name, {columns} FROM item, {each} WHERE id = 42"
    );
    t.db.exec(&sql, ());
    let columns = "name, pricelist, status, enumerationitem";
    let sql = format!(
        "INSERT INTO item (parent, {columns}) SELECT {ITEM} + seq, {columns} FROM item, {each} WHERE parent = 42"
    );
    t.db.exec(&sql, ());
    for (name, value) in [
        ("ip", "'192.0.2.10'".to_owned()),
        ("licname", "'shop'".to_owned()),
        ("licid", format!("{LICENSE} + seq")),
        ("lickey", "CONCAT('FLEET-KEY-', seq)".to_owned()),
    ] {
        t.db.exec(&format!("INSERT INTO itemparam SELECT {ITEM} + seq, '{name}', {value} FROM {each}"), ());
    }
    let state = rusqlite::Connection::open(t.state_path()).unwrap();
    let each =
        format!("WITH RECURSIVE each (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM each WHERE n < {})", count - 1);
    state
        .execute_batch(&format!(
            "BEGIN;
             {each} INSERT INTO item SELECT {ITEM} + n, created, client, closes, choice, last_license, settled_end
                FROM item, each WHERE id = 42;
             {each} INSERT INTO license SELECT account, {LICENSE} + n, family, module, state,
                ({ITEM} + n) || substr(incarnation, 3), {ITEM} + n, internal_name,
                'pml-fleetaaa-' || ({ITEM} + n) || '-' || (n + 2),
                pricelist, nodes, changes, name, ip, last_ip, status, 'FLEET-KEY-' || n, key_before, created, expires,
                ip_changed, key_changed, since, not_before, reason, name_asked, name_shown, domains, remoteip
                FROM license, each WHERE id = 5001;
             UPDATE meta SET value = '{}' WHERE name = 'last_number';
             COMMIT;",
            count + 1
        ))
        .unwrap();
    t
}

fn size() -> u64 {
    std::env::var("PMISPLICENSE_FLEET").ok().and_then(|text| text.parse().ok()).unwrap_or(1_200)
}

/// Statements that the panel's database has carried out so far.
fn statements(t: &Test) -> u64 {
    let row = t.db.rows("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'", ()).remove(0);
    row[1].as_deref().unwrap().parse().unwrap()
}

/// Runs a command and looks how much memory it has at most, in KiB.
pub(super) fn measured(t: &Test, line: &str) -> (crate::support::Output, u64) {
    let args: Vec<&str> = line.split(' ').collect();
    let limit = std::time::Duration::from_secs(600);
    t.program(&args).env("LC_ALL", "C").limit(limit).spawn().measured()
}

/// When panel, state and seller agree, only pages and batches are read, nothing is written to stderr, and the panel's
/// tool is started twice.
#[test]
fn reconcile_asks_in_pages_and_batches_and_never_for_one_license() {
    let count = size();
    let t = fleet(count);
    t.upstream.clear_requests();
    t.clear_mgrctl();
    let before = statements(&t);
    let started = Instant::now();
    let (output, memory) = measured(&t, "reconcile --json");
    let took = started.elapsed();
    let asked = statements(&t) - before;
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{:.2000}", output.stdout);
    let pages = (count + 1).div_ceil(500);
    assert_eq!(t.upstream.requests_of("soft").len() as u64, pages);
    assert_eq!(t.upstream.requests().len() as u64, pages + 1, "one more for other software");
    assert_eq!(t.mgrctl_calls().len(), 2);
    assert!(asked <= 8 * pages + 20, "{asked} statements for {pages} pages");
    assert!(memory < 40 * 1024, "{memory} KiB");
    eprintln!("reconcile of {count}: {took:?}, {memory} KiB at most, {asked} statements, {pages} pages");
}

/// Differences among many, each found; --apply goes on where one failed, and a second run does the rest.
#[test]
fn every_difference_among_many_is_found_and_put_right() {
    let t = fleet(1_100);
    t.upstream.edit_license(LICENSE + 700, |l| l.licname = "other".into());
    t.upstream.edit_license(LICENSE + 1_099, |l| l.autoprolong = "1".into());
    t.upstream.with(|w| drop(w.licenses.remove(&(LICENSE + 3))));
    t.set_param(1_500, "lickey", "another");
    let twice = t.upstream.add_foreign(55227, 1, "192.0.2.10", "by hand");
    let found = json(&t, "reconcile");
    let kinds: Vec<(&str, u64)> = found["differences"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["license"].as_u64() != Some(twice))
        .map(|one| (one["kind"].as_str().unwrap(), one["item"].as_u64().unwrap()))
        .collect();
    assert_eq!(kinds, [("gone", 1_003), ("key", 1_500), ("name", 1_700), ("autoprolong", 2_099)]);
    assert_eq!(difference(&found, "duplicate")["license"].as_u64(), Some(twice));
    t.upstream.with(|w| drop(w.licenses.remove(&twice)));
    t.upstream.fault(Fault::on("soft.edit").nth(1).times(2).status(500));
    let output = operator(&t, "reconcile --apply");
    assert!(output.stderr.lines().filter(|line| line.contains("/4 ")).count() == 4, "{}", output.stderr);
    assert_eq!(output.code, Some(1));
    let left = json(&t, "reconcile")["left"].as_u64().unwrap();
    assert!((1..4).contains(&left), "{left} left");
    operator(&t, "reconcile --apply");
    assert_eq!(t.upstream.license(LICENSE + 700).licname, "shop");
    assert_eq!(t.upstream.license(LICENSE + 1_099).autoprolong, "null");
    assert_eq!(t.item(1_500).param("lickey"), "FLEET-KEY-500");
    assert_eq!(t.upstream.billed("soft.order.param"), 1, "what is gone is not bought again by a look");
}

/// On a terminal a bar shows how far it is, and is gone afterwards.
#[test]
fn a_bar_is_drawn_on_a_terminal_and_gone_afterwards() {
    let t = fleet(1_200);
    let (text, _) = on_terminal(&t, "reconcile", "");
    let drawn: Vec<&str> = text.split('\r').map(str::trim).filter(|part| !part.is_empty()).collect();
    let licenses: Vec<&&str> = drawn.iter().filter(|part| part.starts_with("module 7: licenses [")).collect();
    assert!(licenses.len() >= 3 && licenses.last().unwrap().ends_with("1201/1201"), "{text}");
    assert!(drawn.iter().any(|part| part.starts_with("module 7: services ")), "{text}");
    assert_eq!(drawn.last(), Some(&"panel, state and the seller agree"), "{text}");
}

/// Thousands of rows in 60 columns; a reader that has enough after the first line.
#[test]
fn thousands_of_rows_fit_60_columns_and_a_reader_may_stop_early() {
    let t = fleet(3_000);
    let text = fine(&t, "list");
    assert!(text.lines().count() > 3_000 && text.lines().all(|line| line.chars().count() <= 60));
    assert_eq!(json(&t, "list")["counts"]["bound"], 3_001);
    for line in ["list", "list --json", "report", "reconcile"] {
        let script = format!("\"$0\" {line} | head -n 1; test \"$PIPESTATUS\" = 0");
        let output = std::process::Command::new("bash")
            .args(["-c", &script])
            .arg(crate::support::program_exe())
            .env("PMISPLICENSE_MGR_ROOT", t.root())
            .env("PMISPLICENSE_MACHINE_ID", t.machine_id())
            .env("LC_ALL", "C")
            .output()
            .unwrap();
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""), "{line}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1, "{line}");
    }
}
