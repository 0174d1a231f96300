//! A license that can never be read at the seller, while the lists leave out the fields that only such a read shows.
//! The license is named, and all others are compared, imported and taken over as usual.
use super::takeover::{one, what};
use super::{day_in, difference, fine, json, refused, troubled};
use crate::support::upstream::License;
use crate::support::{Fault, Test};

/// Services 42 and 43 with licenses 5001 and 5002; lists leave the remoteid out.
fn world() -> Test {
    let t = Test::setup().options(|o| o.list_remoteid = false).start();
    t.tariff("55227", 1);
    for (item, ip) in [(42, "192.0.2.10"), (43, "192.0.2.11")] {
        t.soft_item(item, "55227", 1).ip(ip).expires(&day_in(31)).add();
        t.cmd("open", item).ok();
    }
    t
}

fn break_page(t: &Test, license: u64) {
    t.upstream.fault(Fault::on("soft.edit?read").of(license).status(500).always());
}

/// A copy of license 5001 under another number, whose page always fails.
fn broken_copy(t: &Test, change: impl FnOnce(&mut License)) -> u64 {
    t.upstream.with(|world| {
        let mut copy = world.licenses[&5001].clone();
        (copy.id, copy.ip) = (9001, "192.0.2.99".into());
        change(&mut copy);
        world.licenses.insert(copy.id, copy);
    });
    break_page(t, 9001);
    9001
}

#[test]
fn reconcile_names_a_license_that_cannot_be_read_and_mends_the_rest() {
    let t = world();
    let broken = broken_copy(&t, |_| ());
    t.upstream.edit_license(5001, |l| l.autoprolong = "on".into());
    let found = json(&t, "reconcile");
    let line = difference(&found, "unreadable");
    assert_eq!((line["license"].as_u64(), &line["remedy"]), (Some(broken), &"person".into()), "{found:#}");
    assert_eq!(difference(&found, "autoprolong")["license"], 5001);
    let told = troubled(&t, "reconcile --apply");
    assert!(told.contains(&format!("license {broken} cannot be read")), "{told}");
    assert_ne!(t.upstream.license(5001).autoprolong, "on", "{}", t.story());
    t.upstream.clear_faults();
    assert_eq!(difference(&json(&t, "reconcile"), "duplicate")["license"], broken);
}

/// A license at the address of one of ours may be ours as well. Nothing claims that it is not.
#[test]
fn a_license_that_cannot_be_read_is_not_called_foreign() {
    let t = world();
    broken_copy(&t, |copy| copy.ip = "192.0.2.10".into());
    let found = json(&t, "reconcile");
    assert_eq!(found["differences"].as_array().map(Vec::len), Some(1), "{found:#}");
    difference(&found, "unreadable");
}

/// Unknown is not no: what an old state forgot decides about every other license.
#[test]
fn an_old_state_decides_nothing_while_a_license_cannot_be_read() {
    let t = world();
    let copy = t.root().join("copy.db").display().to_string();
    fine(&t, &format!("backup {copy}"));
    t.soft_item(44, "55227", 1).ip("192.0.2.12").expires(&day_in(31)).add();
    t.cmd("open", 44).ok();
    fine(&t, &format!("restore {copy} --yes"));
    break_page(&t, 5003);
    let told = refused(&t, "reconcile --apply");
    assert!(told.ends_with("type: bad_answer\n") && told.contains("5003"), "{told}");
    assert!(t.cmd("sync_item", 44).fails("state").message().contains("reconcile"));
    t.upstream.clear_faults();
    fine(&t, "reconcile --apply");
    t.cmd("sync_item", 44).ok();
    assert_eq!((t.item(44).param("licid"), t.upstream.billed("soft.order.param")), ("5003", 3));
}

#[test]
fn a_license_that_cannot_be_read_keeps_no_other_from_import_and_take_over() {
    let t = world();
    let broken = broken_copy(&t, |copy| (copy.remoteid, copy.licname) = ("43".into(), "Item #43 Service 43".into()));
    let foreign = t.upstream.add_foreign(55227, 1, "192.0.2.13", "somebody's");
    let list = json(&t, "import");
    let why = one(&list, broken)["why_not"].as_str().unwrap_or_default().to_owned();
    assert!(why.starts_with("it cannot be read"), "{list:#}");
    fine(&t, &format!("import {foreign} --foreign --yes"));
    assert!(refused(&t, &format!("import {broken} --foreign --yes")).contains("cannot be imported"));
    assert_eq!(what(&json(&t, "take-over panel"), broken), "unreadable");
    let table = t.root().join("noc.csv");
    let head = "id,licenseid,licensetype,serviceid,serverid,duedate,servicepackage,serviceaddon";
    std::fs::write(&table, format!("{head}\n1,{broken},0,43,1,2027-01-01,55227,NULL\n")).unwrap();
    let list = json(&t, &format!("take-over whmcs {}", table.display()));
    assert_eq!(what(&list, broken), "unreadable", "{list:#}");
}
