//! The list of problems is the same wherever it is read. Tables never cut a number, and lists may have any length.
use super::fleet::measured;
use super::{day_in, fine, in_state, json, opened, operator, refused, troubled};
use crate::pool::{open, pooled};
use crate::support::{Fault, Test};
use serde_json::Value;

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn kinds(t: &Test) -> Vec<String> {
    let found = json(t, "list --problems");
    let list = found["problems"].as_array().unwrap();
    list.iter().map(|one| one["kind"].as_str().unwrap().to_owned()).collect()
}

/// An order whose answer was lost has no license yet. It is a problem for every command that looks.
#[test]
fn an_order_in_doubt_is_named_by_list_show_and_doctor() {
    let t = Test::new();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").expires(&day_in(31)).add();
    t.upstream.fault(Fault::on("soft.order.param").drop_after().lag(1));
    t.cmd("open", 42).fails("client");
    assert_eq!(kinds(&t), ["doubt"]);
    let text = words(&troubled(&t, "list --problems"));
    assert!(text.contains("its answer was lost") && text.contains("1 problem, 0 licenses"), "{text}");
    let shown = words(&fine(&t, "show 42"));
    assert!(shown.contains("-> sync settles it; to look at once: pmisplicense reconcile --apply"), "{shown}");
    assert_eq!(json(&t, "show 42")["problems"], serde_json::json!(["doubt"]));
    assert!(words(&operator(&t, "doctor").stdout).contains("its answer was lost"));
    fine(&t, "reconcile --apply");
    assert_eq!(kinds(&t), Vec::<String>::new());
    assert!(fine(&t, "list --problems").contains("0 problems, 0 licenses"));
}

/// Another user of the account takes a license from our pool, just before a service gets it. It is named until an
/// operator leaves it to that user, and is never touched. The mark of another installation is proof enough: nobody is
/// asked.
#[test]
fn a_license_that_another_user_took_is_named_until_an_operator_leaves_it() {
    for (remoteid, is_named) in [("", true), ("1042", true), ("pml-anotherp-7-1", false)] {
        let t = Test::new();
        let id = pooled(&t, 41, "55227", 40);
        t.upstream.before("soft.edit?read", 1, move |w| {
            let l = w.licenses.get_mut(&id).unwrap();
            (l.licname, l.ip, l.key) = ("theirs".into(), "192.0.2.200".into(), "THEIR-KEY".into());
            (l.status, l.remoteid) = (2, remoteid.into());
        });
        open(&t, 142, "55227", 1).ok();
        let named = |when: &str, want: bool| {
            let found = json(&t, "reconcile");
            let is_difference = found["differences"].as_array().unwrap().iter().any(|one| one["kind"] == "not_free");
            let is_warning = words(&operator(&t, "doctor").stdout).contains("somebody uses it: name theirs");
            let is_problem = kinds(&t) == ["not_free"];
            assert_eq!((is_difference, is_problem, is_warning), (want, want, want), "{remoteid} {when}: {}", t.story());
        };
        named("at once", is_named);
        for _ in 0..2 {
            t.run(["--command", "sync", "--module", "7"]).ok();
        }
        named("after sync", is_named);
        let command = format!("state leave {id}");
        if is_named {
            let text = words(&troubled(&t, "reconcile"));
            assert!(text.contains("is in use: name theirs, address 192.0.2.200"), "{text}");
            assert!(text.contains(&format!("pmisplicense {command}")), "{text}");
            assert!(refused(&t, &command).contains("--yes"), "asked first");
            assert!(fine(&t, &format!("{command} --yes")).contains("stays with its present user"));
            t.run(["--command", "sync", "--module", "7"]).ok();
            named("after the decision", false);
        }
        assert!(words(&refused(&t, &format!("{command} --yes"))).contains("list --problems"), "{remoteid}");
        let left = t.upstream.license(id);
        assert_eq!((left.licname.as_str(), left.key.as_str(), left.status), ("theirs", "THEIR-KEY", 2), "{remoteid}");
    }
}

/// What an operator decided is not forgotten because one answer does not find the license: neither while it counts as
/// missing, nor afterwards.
#[test]
fn one_answer_that_finds_no_license_ends_no_decision_about_it() {
    let t = Test::new();
    let id = pooled(&t, 41, "55227", 40);
    t.upstream.before("soft.edit?read", 1, move |w| {
        let l = w.licenses.get_mut(&id).unwrap();
        (l.licname, l.ip, l.key) = ("theirs".into(), "192.0.2.200".into(), "THEIR-KEY".into());
        (l.status, l.remoteid) = (2, String::new());
    });
    open(&t, 142, "55227", 1).ok();
    fine(&t, &format!("state leave {id} --yes"));
    let reason = || crate::service::state(&t, &format!("SELECT reason FROM license WHERE id = {id}"));
    let decided = "left to its user by hand";
    assert_eq!(reason(), decided);
    // A look at the license: a service shows its number.
    t.soft_item(43, "55227", 1).ip("192.0.2.43").param("licid", &id.to_string()).add();
    t.upstream.fault(Fault::on("soft.edit?read").refused("no_license"));
    t.cmd("prolong", 43).fails("state");
    assert_eq!(reason(), format!("missing at the seller; before that: {decided}"), "{}", t.story());
    let is_named = || {
        let found = json(&t, "reconcile");
        let names = found["differences"].as_array().unwrap().iter().any(|one| one["kind"] == "not_free");
        names || kinds(&t).contains(&"not_free".to_owned())
    };
    assert!(!is_named(), "while it counts as missing: {}", t.story());
    t.cmd("prolong", 43).fails("state");
    assert_eq!((reason().as_str(), is_named()), (decided, false), "{}", t.story());
}

/// Each command that a problem begins with is understood as it is, and is no circle: it is not the list itself.
#[test]
fn every_problem_names_one_command_that_can_be_pasted() {
    let t = opened();
    let order =
        "INSERT INTO intent (id, key, kind, item, account, target, request, highest_license, recorded_at, status)
        SELECT 90, 'k90', kind, item, account, target, request, highest_license, recorded_at, 'handed_over'
        FROM intent WHERE kind = 'order'";
    in_state(&t, order);
    let copies = |id: u32, state: &str, more: &str| {
        in_state(
            &t,
            &format!(
                "INSERT INTO license (account, id, family, module, state, incarnation, item, internal_name, pricelist,
                     name, status, lickey, expires, since)
                 SELECT account, {id}, family, module, '{state}', incarnation || {id},
                     {id}, internal_name, pricelist, name, {more} FROM license WHERE id = 5001"
            ),
        );
    };
    copies(5101, "bound", "2, NULL, expires, since - 7200");
    copies(5102, "bound", "1, lickey, expires, since");
    copies(5103, "claimed", "2, lickey, expires, since - 7200");
    copies(5104, "to_free", "2, lickey, expires, since - 10000");
    copies(5105, "deleted", "4, lickey, expires, since");
    copies(5106, "pool", "2, lickey, expires, since");
    in_state(&t, "INSERT INTO item (id, created, client, last_license) VALUES (5105, '2026-01-01', 5, 5105)");
    in_state(&t, "INSERT INTO trouble (item, module, since, times, en, ru) VALUES (42, 7, 1, 3, 'no', 'нет')");
    let note = "INSERT INTO journal (at, item, event, en, ru) VALUES (1, 77, 'waits_nomoney', 'no money', 'нет денег')";
    in_state(&t, note);
    let found = json(&t, "list --problems");
    let list = found["problems"].as_array().unwrap();
    let kind = |one: &Value| one["kind"].as_str().unwrap().to_owned();
    let named: Vec<String> = list.iter().map(kind).collect();
    let all = ["handed_over", "sync_fails", "gone", "key_late", "unpaid", "refused", "claimed", "to_free", "not_free"];
    assert_eq!(named, all, "{found:#}");
    for one in list {
        let command = one["command"].as_str().unwrap();
        let read = <pmisplicense::cli::AdminArgs as clap::Parser>::try_parse_from(command.split_whitespace());
        assert!(read.is_ok(), "{command}");
        assert!(!command.chars().any(|c| c.is_ascii_uppercase()), "{command}: a word that stands for a value");
        assert!(one["next"].as_str().unwrap().contains(command), "{one:#}");
    }
    let russian = t.program(["list", "--problems", "--lang", "ru"]).env("COLUMNS", "70").run();
    assert_eq!(russian.code, Some(1));
    assert!(russian.stdout.contains("проблем: 9"), "{}", russian.stdout);
    // The state's own words are for programs only.
    for word in ["bound", "to_free", "claimed", "deleted"] {
        assert!(!russian.stdout.contains(word), "{word}: {}", russian.stdout);
    }
}

/// A filter leaves the problems of the licenses that it names.
#[test]
fn a_filter_of_list_holds_for_problems_too() {
    let t = opened();
    in_state(&t, "UPDATE license SET lickey = NULL, since = since - 7200");
    assert_eq!(kinds(&t), ["key_late"]);
    let other = json(&t, "list --problems --product 55228");
    assert_eq!((other["problems"].as_array().unwrap().len(), other["licenses"].as_array().unwrap().len()), (0, 0));
}

/// A problem without a license of its own belongs to the license that serves its service. Problems that a filter leaves
/// out are counted.
#[test]
fn a_filter_leaves_the_problems_of_the_services_that_it_names() {
    let t = opened();
    in_state(&t, "INSERT INTO trouble (item, module, since, times, en, ru) VALUES (42, 7, 1, 3, 'no', 'нет')");
    let note = "INSERT INTO journal (at, item, event, en, ru) VALUES (1, 77, 'waits_nomoney', 'no money', 'нет денег')";
    in_state(&t, note);
    assert_eq!(kinds(&t), ["sync_fails", "refused"]);
    let text = words(&troubled(&t, "list --problems --module 7"));
    assert!(text.contains("pmisplicense retry 42") && text.contains("1 problem, 1 license"), "{text}");
    assert!(text.contains("the filter leaves out 1 problem; all of them: pmisplicense list --problems"), "{text}");
    let text = words(&fine(&t, "list --problems --module 8"));
    assert!(text.contains("0 problems, 0 licenses") && text.contains("leaves out 2 problems"), "{text}");
    let found = json(&t, "list --problems --product 55227");
    let count = |name: &str| found[name].as_array().unwrap().len();
    assert_eq!((count("problems"), count("licenses"), &found["problems_outside_filter"]), (1, 1, &1.into()));
    // One of neither a license nor a service is shown with whatever is listed.
    in_state(&t, "INSERT INTO account (id, url, username) VALUES (9, 'https://other.test', 'other')");
    in_state(&t, "UPDATE module SET account = 9");
    let former = json(&t, "list --problems --module 7");
    let named: Vec<_> = former["problems"].as_array().unwrap().iter().map(|one| &one["kind"]).collect();
    assert_eq!(named, ["sync_fails", "former_account"]);
}

/// The plain list is from the state alone: it does not ask the panel whether a refusal is over.
#[test]
fn a_plain_list_asks_no_database() {
    let t = Test::setup().own_database().start();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").expires(&day_in(31)).add();
    t.cmd("open", 42).ok();
    let note = "INSERT INTO journal (at, item, event, en, ru) VALUES (1, 42, 'waits_nomoney', 'no money', 'нет денег')";
    in_state(&t, note);
    let connections = || t.db.rows("SHOW GLOBAL STATUS LIKE 'Connections'", ())[0][1].clone();
    let before = connections();
    fine(&t, "list");
    assert_eq!(connections(), before);
    troubled(&t, "list --problems");
    assert_ne!(connections(), before);
}

/// At 60 columns addresses, days and amounts are whole or not there at all.
#[test]
fn a_narrow_table_leaves_columns_out_and_cuts_no_number() {
    let t = Test::new();
    t.soft_item(42, "55227", 1).ip("198.51.100.200").licname("a shop with a long name").expires(&day_in(31)).add();
    t.cmd("open", 42).ok();
    let list = fine(&t, "list");
    assert!(list.contains(json(&t, "list")["licenses"][0]["expires"].as_str().unwrap()), "{list}");
    assert!(!list.contains("198.51.1") || list.contains("198.51.100.200"), "{list}");
    t.set_item(42, "status", "4");
    t.cmd("close", 42).ok();
    let pool = fine(&t, "pool");
    let day = json(&t, "pool")["licenses"][0]["expires"].as_str().unwrap().to_owned();
    assert!(pool.contains(&day), "{pool}");
    for text in [list, pool] {
        let cut = text.split_whitespace().filter(|word| word.ends_with('…'));
        let cut: Vec<_> = cut.filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).collect();
        assert!(cut.is_empty(), "{cut:?}\n{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    }
}

#[test]
fn ten_thousand_licenses_are_listed_within_40_mebibytes() {
    lists_licenses(10_000);
}

#[test]
#[ignore = "make thorough"]
fn a_long_list_needs_no_memory() {
    lists_licenses(100_000);
}

/// So many licenses are listed within 40 MiB, for people and for programs, and nothing is lost.
fn lists_licenses(many: u32) {
    let t = opened();
    in_state(
        &t,
        &format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {many})
             INSERT INTO license (account, id, family, module, state, item, internal_name, pricelist, name, status,
                 lickey, expires, since) SELECT account, 100000 + i, family, module,
                 CASE i % 2 WHEN 0 THEN 'pool' ELSE 'stopped' END, NULL, internal_name, pricelist,
                 CASE i % 2 WHEN 0 THEN 'free.lic' ELSE name END, status, lickey,
                 expires, since FROM license, n WHERE id = 5001"
        ),
    );
    for line in ["list", "list --sort expires --json", "pool", "pool --json", "metrics"] {
        let (output, kib) = measured(&t, line);
        assert_eq!(output.code, Some(0), "{line}: {}", output.stderr);
        assert!(kib < 40 << 10, "{line}: {kib} KiB");
        if line.ends_with("--json") {
            let whole: Value = serde_json::from_str(&output.stdout).unwrap();
            let count = whole["licenses"].as_array().unwrap().len();
            assert_eq!(count as u32, if line.starts_with("list") { many + 1 } else { many / 2 });
        }
    }
    let lines = t.program(["list"]).run().stdout.lines().count();
    assert_eq!(lines, 1 + many as usize + 1 + 1, "a head, the licenses, a sum");
}
