//! `import` lists the licenses that no service has. Chosen licenses become services. Foreign licenses are imported only
//! when they are chosen.
use super::fleet::measured;
use super::takeover::{changes, one};
use super::{day_in, fine, json, operator, refused, troubled};
use crate::support::Test;
use crate::support::upstream::Crowd;

const SOFT: u32 = 1;

fn imports(t: &Test) -> usize {
    t.panel_changes().iter().filter(|line| line.starts_with("processing.import.service")).count()
}

/// The items that show a license.
fn services(t: &Test, license: u64) -> Vec<u32> {
    let rows = t.db.rows("SELECT item FROM itemparam WHERE intname = 'licid' AND value = ?", (license.to_string(),));
    rows.into_iter().filter_map(|row| row[0].as_ref()?.parse().ok()).collect()
}

/// A world with a license of ours that lost its service's number, a foreign one, a pooled one and one in use.
fn world() -> (Test, u64, u64) {
    let t = Test::new();
    t.tariff("55227", SOFT);
    for (item, ip) in [(42, "192.0.2.10"), (43, "192.0.2.11")] {
        t.soft_item(item, "55227", 1).ip(ip).expires(&day_in(31)).add();
        t.cmd("open", item).ok();
    }
    t.upstream.age(5002, 40);
    t.cmd("close", 43).ok();
    let ours = t.upstream.add_foreign(55227, 1, "192.0.2.12", "ours");
    let mark = t.upstream.license(5001).remoteid;
    t.upstream.edit_license(ours, |l| l.remoteid = mark);
    let foreign = t.upstream.add_foreign(55227, 12, "192.0.2.13", "somebody's");
    (t, ours, foreign)
}

/// The list shows what nobody has, ours and foreign told apart; --all takes ours, a number takes a foreign one.
#[test]
fn import_lists_what_nobody_has_and_takes_what_is_chosen() {
    let (t, ours, foreign) = world();
    t.upstream.clear_requests();
    let list = json(&t, "import");
    let numbers: Vec<u64> =
        list["licenses"].as_array().unwrap().iter().map(|l| l["license"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [ours, foreign], "neither what serves a service nor the pool: {list:#}");
    assert_eq!((&one(&list, ours)["ours"], &one(&list, foreign)["ours"]), (&true.into(), &false.into()));
    assert_eq!(one(&list, foreign)["product"], "55227");
    let text = fine(&t, "import");
    assert!(
        text.contains("foreign") && text.contains("192.0.2.13") && text.contains("2 licenses that no service has"),
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    assert!(operator(&t, "import --lang ru").stdout.contains("чужая"));
    assert!(refused(&t, &format!("import {foreign}")).contains("--yes"));
    assert_eq!((imports(&t), changes(&t)), (0, Vec::new()));

    let done = json(&t, "import --all --yes");
    assert_eq!((&done["imported"], services(&t, ours).len(), services(&t, foreign).len()), (&1.into(), 1, 0));
    assert_eq!(one(&done, ours)["item"], services(&t, ours)[0]);
    let told = fine(&t, &format!("import {foreign} --yes"));
    assert!(told.contains("1 imported"), "{told}");
    let item = services(&t, foreign)[0];
    assert_eq!(t.item(item).param("lickey"), t.upstream.license(foreign).key);
    assert_eq!(json(&t, "import")["licenses"], serde_json::json!([]));
    assert!(fine(&t, "import --all --yes").contains("0 imported"));
    assert!(fine(&t, "import").contains("is already in use"));
    assert_eq!((imports(&t), t.upstream.billed("soft.order.param")), (2, 2), "an import buys nothing");
    t.assert_clean();
}

/// The seller's list may leave out the remoteid, and give the tariff's name for its number: the license says both.
#[test]
fn import_reads_the_license_where_the_list_leaves_something_out() {
    for (remoteid, name) in [(false, false), (true, true), (false, true)] {
        let setup = Test::setup().options(|o| (o.list_remoteid, o.list_pricelist_name) = (remoteid, name));
        let t = setup.start();
        t.tariff("55227", SOFT);
        let pool = t.upstream.add_foreign(55227, 1, "192.0.2.10", "was in the pool");
        t.soft_item(42, "55227", 1).ip("192.0.2.11").expires(&day_in(31)).add();
        t.cmd("open", 42).ok();
        let mark = t.upstream.license(5002).remoteid;
        let panel = mark.split('-').nth(1).unwrap().to_owned();
        t.upstream.edit_license(pool, |l| l.remoteid = format!("pml-{panel}-free"));
        let ours = t.upstream.add_foreign(55227, 1, "192.0.2.12", "ours");
        t.upstream.edit_license(ours, |l| l.remoteid = mark);
        let list = json(&t, "import");
        assert_eq!(list["licenses"].as_array().unwrap().len(), 1, "{list:#}");
        let line = one(&list, ours);
        assert_eq!((&line["ours"], &line["product"], &line["why_not"]), (&true.into(), &"55227".into(), &().into()));
        fine(&t, &format!("import {ours} --yes"));
        assert_eq!(services(&t, ours).len(), 1);
    }
}

/// --all --foreign takes both; a license that a service shows already is for take-over, not for import.
#[test]
fn import_all_foreign_takes_everything_that_no_service_shows() {
    let (t, ours, foreign) = world();
    let shown = t.upstream.add_foreign(55227, 1, "192.0.2.20", "shown");
    t.soft_item(50, "55227", 1).ip("192.0.2.20").active_until(&day_in(20)).param("licid", &shown.to_string()).add();
    let list = json(&t, "import");
    assert!(one(&list, shown)["why_not"].as_str().unwrap().contains("take-over panel"), "{list:#}");
    assert!(refused(&t, &format!("import {shown} --yes")).contains("Nothing was done"));
    let done = json(&t, "import --all --foreign --yes");
    assert_eq!((&done["imported"], done["left"].as_array().unwrap().len()), (&2.into(), 1), "{done:#}");
    assert_eq!((services(&t, ours).len(), services(&t, foreign).len(), services(&t, shown)), (1, 1, vec![50]));
}

/// A license that `--all` means and that cannot be imported counts as left.
#[test]
fn what_all_cannot_import_is_left() {
    let (t, ours, foreign) = world();
    t.soft_item(50, "55227", 1).ip("192.0.2.12").active_until(&day_in(20)).param("licid", &ours.to_string()).add();
    let text = fine(&t, "import --all --yes");
    assert!(text.contains("0 imported, 1 left alone, 0 failed"), "{text}");
    let left = json(&t, "import --all --yes")["left"].clone();
    assert!(left[0].as_str().unwrap().starts_with(&format!("{ours}: ")) && left[1].is_null(), "{left:#}");
    assert_eq!((imports(&t), services(&t, foreign)), (0, vec![]));
}

/// A seller who is away hides no other seller's licenses from the list. Nothing is chosen from a part of it.
#[test]
fn one_module_that_fails_does_not_end_the_list() {
    let (mut t, ours, foreign) = world();
    t.add_module(8, "pmisplicense");
    let elsewhere = crate::support::Upstream::start();
    t.connect_module(8, &elsewhere.url());
    elsewhere.stop_listening();
    let list = json(&t, "import");
    assert_eq!((&one(&list, ours)["module"], &one(&list, foreign)["module"]), (&7.into(), &7.into()));
    assert_eq!((&list["failures"][0]["module"], list["failed"].as_array().unwrap().len()), (&8.into(), 1), "{list:#}");
    assert!(troubled(&t, "import").contains("2 licenses that no service has"));
    refused(&t, "import --all --yes");
    assert_eq!(imports(&t), 0);
    fine(&t, "import --all --module 7 --yes");
    assert_eq!(imports(&t), 1);
}

/// Numbers that cannot be meant, a panel that refuses, a seller who is away.
#[test]
fn an_import_of_what_cannot_be_meant_changes_nothing() {
    let (t, _, foreign) = world();
    for (line, word) in [("import 5001 --yes", "show license:5001"), ("import 5002 --yes", "show license:5002")] {
        assert!(refused(&t, line).contains(word), "{line}: held or pooled");
    }
    refused(&t, "import 777777 --yes");
    refused(&t, &format!("import {foreign} 777777 --yes"));
    refused(&t, "import --module 3");
    for line in ["import x", "import --foreign", "import 5001 --all", "import --itemtype vds"] {
        assert_eq!(operator(&t, line).code, Some(2), "{line}");
    }
    assert_eq!(json(&t, "import --itemtype softexternal")["licenses"], serde_json::json!([]));
    assert_eq!(imports(&t), 0, "a wrong number among right ones: none of them");
    let pro = t.upstream.add_foreign(55228, 1, "192.0.2.14", "pro");
    let text = troubled(&t, &format!("import {pro} --yes"));
    assert!(text.contains("internal name 55228") && text.contains("1 failed"), "{text}");
    t.tariff("55228", SOFT);
    fine(&t, &format!("import {pro} --yes"));
    assert_eq!(services(&t, pro).len(), 1, "repeated when the tariff is there");
    t.do_nothing(true);
    assert!(refused(&t, &format!("import {foreign} --yes")).contains("DoNothing"));
    fine(&t, "import");
    t.do_nothing(false);
    t.upstream.stop_listening();
    refused(&t, "import");
}

/// Killed at each request of an import, then repeated: one service.
#[test]
fn an_import_killed_at_any_request_makes_one_service() {
    for skip in 0.. {
        let t = Test::new();
        t.settings("[upstream]\nsettle_s = 1\n");
        t.tariff("55227", SOFT);
        let id = t.upstream.add_foreign(55227, 1, "192.0.2.12", "shop");
        let number = id.to_string();
        let ended = t.program(["import", &number, "--yes"]).killed_at_request(skip, false).code.is_some();
        if services(&t, id).is_empty() {
            fine(&t, &format!("import {id} --yes"));
        }
        assert_eq!(services(&t, id).len(), 1, "killed at {skip}\n{}", t.story());
        if ended {
            assert!(skip > 3, "it sent only {skip} requests");
            break;
        }
    }
}

/// One license is in the accounts of two modules: the operator says through which module it is imported.
#[test]
fn a_license_of_two_modules_is_imported_only_through_a_named_one() {
    let (mut t, _, foreign) = world();
    t.add_module(8, "pmisplicense");
    t.connect_module(8, &t.upstream.url());
    assert!(refused(&t, &format!("import {foreign} --yes")).contains("--module ID"));
    assert_eq!(imports(&t), 0);
    fine(&t, &format!("import {foreign} --module 7 --yes"));
    assert_eq!(services(&t, foreign).len(), 1);
}

#[test]
fn ten_thousand_licenses_that_nobody_has_are_listed_within_40_mebibytes() {
    lists_licenses_that_nobody_has(10_000);
}

#[test]
#[ignore = "make thorough"]
fn a_long_list_of_licenses_that_nobody_has_needs_no_memory() {
    lists_licenses_that_nobody_has(100_000);
}

/// So many licenses that nobody has are listed within 40 MiB, for people and for programs.
fn lists_licenses_that_nobody_has(many: u64) {
    let (t, _, foreign) = world();
    t.upstream.edit_license(foreign, |license| license.licname = "one of many".into());
    t.upstream.with(|w| {
        let like = w.licenses[&foreign].clone();
        w.crowd = Some(Crowd { like, numbers: 1_000_000..1_000_000 + many, later: 0 });
    });
    for line in ["import", "import --json"] {
        let (output, kib) = measured(&t, line);
        assert_eq!(output.code, Some(0), "{line}: {}", output.stderr);
        assert!(kib < 40 << 10, "{line}: {kib} KiB");
        let listed = match line.ends_with("--json") {
            true => output.stdout.matches("\"license\":").count() as u64,
            false => output.stdout.lines().filter(|line| line.contains("one of many")).count() as u64,
        };
        // Beside the crowd there are ours and the one that they are like.
        assert_eq!(listed, many + if line.ends_with("--json") { 2 } else { 1 }, "{line}");
    }
}
