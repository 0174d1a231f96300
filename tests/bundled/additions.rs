//! Modules of a license (family addition) and other software (docs/licensing-rules.md 1): they begin and end with the
//! license or service that they belong to.
use super::{licid, state};
use crate::service::{alter_state, day, ends_in, forget, settle};
use crate::support::{Fault, Test};

/// A service with ISPmanager 6 Lite, open, and a module for it, ordered.
fn with_module() -> Test {
    let test = Test::new();
    test.soft_item(42, "55227", 12).ip("192.0.2.42").add();
    test.cmd("open", 42).ok();
    test.soft_item(43, "55371", 1).on_tariff().add();
    test.set_item(43, "parent", "42");
    test
}

/// A module is ordered for the license of its parent, and goes through a life of its own without a list or a pool.
#[test]
fn a_module_is_ordered_for_the_license_of_its_parent() {
    let test = with_module();
    test.cmd("open", 43).ok();
    let order = test.upstream.requests_of("addition.order.param").pop().unwrap();
    let parent = licid(&test, 42).to_string();
    assert_eq!((order.get("item"), order.get("ip"), order.get("licname")), (Some(parent.as_str()), None, None));
    assert_eq!(order.get("autoprolong"), Some("null"));
    let id = licid(&test, 43);
    assert_eq!((test.upstream.license(id).item, test.item(43).status), (Some(licid(&test, 42)), 2));
    test.cmd("open", 43).ok();
    assert_eq!(test.upstream.billed("addition.order.param"), 1);
    test.run(["--command", "sync", "--module", "7"]).ok();
    let found = super::admin(&test, &["reconcile"]).stdout;
    assert!(!found.contains(&id.to_string()), "no list shows a module, and none is missed: {found}");
    test.cmd("setparam", 43).ok();
    test.cmd("suspend", 43).ok();
    assert_eq!(test.upstream.license(id).status, 3);
    test.cmd("resume", 43).ok();
    assert_eq!(test.upstream.license(id).status, 2);
    let before = test.upstream.license(id).expires;
    test.cmd_op("prolong", 43, test.prolong_paid(43)).ok();
    assert!(test.upstream.license(id).expires > before);
    test.upstream.age(id, 40);
    test.cmd("close", 43).ok();
    let closed = test.upstream.license(id);
    assert_eq!((closed.status, closed.licname.as_str()), (3, ""), "stopped, never pooled");
    assert_eq!(state(&test, "SELECT state FROM license WHERE family = 'addition'"), ["stopped"]);
    test.assert_clean();
}

/// Without a parent, or without a license of the parent, nothing is ordered.
#[test]
fn without_a_license_of_its_parent_no_module_is_ordered() {
    let test = Test::new();
    test.soft_item(43, "55371", 1).on_tariff().add();
    assert_eq!(test.cmd("open", 43).fails("missed").attribute("object"), "parent");
    test.soft_item(42, "nopanel", 12).ip("192.0.2.42").add();
    test.cmd("open", 42).ok();
    test.set_item(43, "parent", "42");
    let output = test.cmd("open", 43);
    assert_eq!((output.fails("missed").attribute("object"), output.attribute("value")), ("parent", "42"));
    assert!(test.upstream.ledger().is_empty());
    // Other software is no license that has modules.
    test.soft_item(44, "9203", 1).external().on_tariff().ip("192.0.2.44").add();
    test.cmd("open", 44).ok();
    test.set_item(43, "parent", "44");
    assert_eq!(test.cmd("open", 43).fails("missed").attribute("value"), "44");
    assert_eq!(test.upstream.billed("addition.order.param"), 0);
}

/// No list shows a module: a pass looks at one whose end is near, renews it, and asks for no other.
#[test]
fn a_sync_pass_renews_a_module_whose_end_is_near() {
    let test = with_module();
    test.cmd("open", 43).ok();
    let id = licid(&test, 43);
    let pass = || {
        forget(&test);
        test.run(["--command", "sync", "--module", "7"]).ok();
        (test.upstream.requests_of("addition.edit?read").len(), test.upstream.billed("service.prolong"))
    };
    assert_eq!(pass(), (0, 0));
    ends_in(&test, id, 1);
    alter_state(&test, &format!("UPDATE license SET expires = '{}' WHERE id = {id}", day(1)));
    test.set_item(43, "expiredate", &day(20));
    assert_eq!(pass().1, 1, "{}", test.story());
}

/// The end of a module could not be read when it was seen last: each pass looks at it until it is known, and renews it.
#[test]
fn a_sync_pass_looks_at_a_module_whose_end_is_not_known() {
    let test = with_module();
    test.cmd("open", 43).ok();
    let id = licid(&test, 43);
    ends_in(&test, id, 1);
    alter_state(&test, &format!("UPDATE license SET expires = NULL WHERE id = {id}"));
    test.set_item(43, "expiredate", &day(20));
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 1, "{}", test.story());
    forget(&test);
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!(test.upstream.requests_of("addition.edit?read").len(), 0, "its end is known now");
}

/// The seller was away when the service of a module was closed: a later pass stops the module.
#[test]
fn a_sync_pass_frees_a_module_that_was_closed_while_the_seller_was_away() {
    let test = with_module();
    test.cmd("open", 43).ok();
    let id = licid(&test, 43);
    test.upstream.fault(Fault::on("addition.edit?read").status(500).always());
    test.cmd("close", 43).ok();
    assert_eq!((test.upstream.license(id).status, test.log().contains("is freed later")), (2, true), "{}", test.log());
    test.upstream.clear_faults();
    settle(&test);
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!(test.upstream.license(id).status, 3, "{}", test.story());
    assert_eq!(state(&test, &format!("SELECT state FROM license WHERE id = {id}")), ["stopped"]);
}

/// A module without a key of its own uses that of its license: nobody waits for it, and no new one can be issued.
#[test]
fn a_module_without_a_key_of_its_own_is_not_late() {
    let test = with_module();
    test.cmd("open", 43).ok();
    let id = licid(&test, 43);
    test.upstream.edit_license(id, |license| license.key.clear());
    alter_state(&test, &format!("UPDATE license SET lickey = NULL, since = since - 7200 WHERE id = {id}"));
    test.run(["--command", "sync", "--module", "7"]).ok();
    let found = super::admin(&test, &["reconcile", "--json"]).stdout;
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["differences"].as_array().map(Vec::len), Some(0), "{found:#}");
    for command in [&["list", "--problems"][..], &["explain", "43"]] {
        let told = super::admin(&test, command).stdout;
        assert!(!told.contains("no key"), "{command:?}: {told}");
    }
    let refused = test.cmd("gen_key", 43);
    assert!(refused.fails("not_supported").message().contains("issue a new key for the license"), "{}", test.story());
}

/// The license is given back: its modules end with it, and it is not for the next client.
#[test]
fn a_module_ends_with_its_license_which_is_not_pooled() {
    let test = with_module();
    test.cmd("open", 43).ok();
    let (license, module) = (licid(&test, 42), licid(&test, 43));
    test.upstream.age(license, 40);
    test.cmd("close", 42).ok();
    assert_eq!((test.upstream.license(license).status, test.upstream.license(module).status), (3, 3));
    assert_ne!(test.upstream.license(license).licname, "free.lic");
    test.cmd("close", 43).ok();
    test.soft_item(44, "55227", 12).ip("192.0.2.44").add();
    test.cmd("open", 44).ok();
    assert_ne!(licid(&test, 44), license, "available are only licenses without modules");
}

/// The purchase of a module is in doubt when its license is given back. The module may still come, so the next client
/// does not get the license.
#[test]
fn a_license_whose_module_may_still_come_is_not_pooled() {
    let test = with_module();
    test.upstream.with(|world| world.next_id += 1000);
    test.upstream.fault(Fault::on("addition.order.param").drop_after());
    test.cmd("open", 43).fails("client");
    let license = licid(&test, 42);
    test.upstream.age(license, 40);
    test.cmd("close", 42).ok();
    assert_eq!(
        state(&test, &format!("SELECT state FROM license WHERE id = {license}")),
        ["stopped"],
        "{}",
        test.story()
    );
    assert_eq!(test.upstream.license(license).status, 3);
}

/// A run of the module's service may be starting the module at this moment. Until that run has ended, a close of the
/// license does not stop the module.
#[test]
fn a_module_is_not_ended_under_a_run_of_its_service() {
    let test = with_module();
    test.cmd("open", 43).ok();
    let (license, module) = (licid(&test, 42), licid(&test, 43));
    test.upstream.age(license, 40);
    let lock = test.state_path().with_file_name("locks").join("item-43.lock");
    let held = std::fs::File::create(lock).unwrap();
    held.lock().unwrap();
    let looked = test.upstream.hold_before("soft.edit?read");
    let run = test.spawn(["--command", "close", "--item", "42"]);
    looked.reached();
    looked.release();
    test.until_logged("another run holds the lock of item 43; waiting for it");
    assert_eq!(test.upstream.license(module).status, 2, "{}", test.story());
    drop(held);
    run.wait().ok();
    assert_eq!((test.upstream.license(license).status, test.upstream.license(module).status), (3, 3));
    assert!(test.log().contains("and service 43 is paid for"), "{}", test.log());
}

/// No list shows modules, so reconcile opens each: one whose page always fails is named, and is not called gone.
#[test]
fn a_module_that_cannot_be_read_is_named_by_reconcile() {
    let test = with_module();
    test.cmd("open", 43).ok();
    let id = licid(&test, 43);
    test.upstream.fault(Fault::on("addition.edit?read").of(id).status(500).always());
    let found = super::admin(&test, &["reconcile", "--json"]).stdout;
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let list = found["differences"].as_array().unwrap();
    assert_eq!(
        (list.len(), &list[0]["kind"], list[0]["license"].as_u64()),
        (1, &"unreadable".into(), Some(id)),
        "{found:#}"
    );
    assert_eq!(list[0]["item"], 43);
}

/// The license of a module is closed, the module goes on being paid for: each pass says that it has no license, until
/// its service ends too.
#[test]
fn a_paid_module_whose_license_was_closed_is_named_by_each_sync_pass() {
    let test = with_module();
    test.cmd("open", 43).ok();
    test.set_item(43, "expiredate", &day(20));
    let module = licid(&test, 43);
    test.upstream.age(licid(&test, 42), 40);
    test.cmd("close", 42).ok();
    let pass = || {
        forget(&test);
        test.run(["--command", "sync", "--module", "7"])
    };
    for _ in 0..2 {
        let told = pass();
        assert!(told.fails("license_gone").message().contains(&module.to_string()), "{}", told.message());
    }
    test.cmd("close", 43).ok();
    pass().ok();
}

/// The pass itself frees the license, because the panel closed its service without us: the module's service is named by
/// that very pass.
#[test]
fn a_module_that_a_sync_pass_ends_is_named_by_that_sync_pass() {
    let test = with_module();
    test.cmd("open", 43).ok();
    test.set_item(43, "expiredate", &day(20));
    let module = licid(&test, 43);
    test.upstream.age(licid(&test, 42), 40);
    ends_in(&test, licid(&test, 42), 1);
    test.set_item(42, "status", "4");
    let told = test.run(["--command", "sync", "--module", "7"]);
    assert!(told.fails("license_gone").message().contains(&module.to_string()), "{}", told.message());
}

/// No list shows modules. A refusal is believed when nothing with the mark follows the newest number and the balance
/// is what it was.
#[test]
fn a_refusal_of_a_module_is_believed_and_leaves_nothing_in_doubt() {
    let test = with_module();
    test.upstream.fault(Fault::on("addition.order.param").refused("tariff"));
    assert_eq!(test.cmd("open", 43).code, Some(1));
    assert!(state(&test, "SELECT status FROM intent WHERE status = 'in_doubt'").is_empty());
    test.cmd("open", 43).ok();
    assert_eq!(test.upstream.billed("addition.order.param"), 1);
}

/// A refusal that was none, and an answer that was lost: the module has one of the next numbers, and its mark
/// says whose it is.
#[test]
fn a_module_is_found_by_its_mark_at_the_next_numbers() {
    for fault in
        [Fault::on("addition.order.param").refused_after("tariff"), Fault::on("addition.order.param").drop_after()]
    {
        let test = with_module();
        test.upstream.fault(fault);
        test.cmd("open", 43).ok();
        assert_eq!(test.upstream.billed("addition.order.param"), 1);
        assert_eq!(test.item(43).status, 2);
    }
}

/// Too many numbers were given to others, and the balance shows that something was billed. Nothing is bought again, and
/// after the settling time an operator decides.
#[test]
fn a_module_that_is_not_found_is_left_to_an_operator() {
    for fault in
        [Fault::on("addition.order.param").refused_after("tariff"), Fault::on("addition.order.param").drop_after()]
    {
        let test = with_module();
        test.upstream.with(|world| world.next_id += 1000);
        test.upstream.fault(fault);
        test.cmd("open", 43).fails("client");
        settle(&test);
        test.cmd("open", 43).fails("order_unknown");
        let id = test.upstream.licenses().iter().map(|l| l.id).max().unwrap();
        test.run(["resolve", "43", "--bought", &id.to_string(), "--yes"]).ok();
        test.cmd("open", 43).ok();
        assert_eq!((licid(&test, 43), test.upstream.billed("addition.order.param")), (id, 1));
    }
}

/// A seller may accept an order and wait for the money: then the balance does not change. So a refusal whose reason we
/// do not know is not believed, and an operator decides.
#[test]
fn an_unmoved_balance_proves_no_refusal_of_a_module_whose_reason_and_price_are_unknown() {
    let test = with_module();
    let billed = test.upstream.billed("addition.order.param");
    test.upstream.with(|world| world.next_id += 1000);
    let mut fault = Fault::on("addition.order.param").refused_after("something_odd");
    fault.unpaid = true;
    test.upstream.fault(fault);
    test.cmd("open", 43).fails("client");
    settle(&test);
    test.cmd("open", 43).fails("order_unknown");
    assert_eq!(test.upstream.requests_of("addition.order.param").len(), 1, "nothing is ordered again");
    assert_eq!(test.upstream.billed("addition.order.param"), billed);
    let id = test.upstream.licenses().iter().map(|l| l.id).max().unwrap();
    assert_eq!(test.upstream.license(id).status, 1, "the seller waits for the money");
    test.upstream.edit_license(id, |l| l.status = 2);
    test.run(["resolve", "43", "--bought", &id.to_string(), "--yes"]).ok();
    test.cmd("open", 43).ok();
    assert_eq!(licid(&test, 43), id);
}

/// Other software: the same verbs, no look at the address beforehand, no pool; BitNinja needs no address at all.
#[test]
fn other_software_is_ordered_without_checkip_and_never_pooled() {
    let test = Test::new();
    test.soft_item(42, "9203", 1).external().on_tariff().ip("192.0.2.42").add();
    test.soft_item(43, "55369", 3).external().on_tariff().add();
    for item in [42, 43] {
        test.cmd("open", item).ok();
        assert_eq!(test.item(item).status, 2);
    }
    let orders = test.upstream.requests_of("softexternal.order.param");
    assert_eq!((orders[0].get("ip"), orders[0].get("period")), (Some("192.0.2.42"), Some("1")));
    assert_eq!((orders[1].get("ip"), orders[1].get("period")), (None, Some("3")));
    assert!(test.upstream.requests_of("soft.checkip").is_empty());
    assert!(test.panel_changes().iter().any(|line| line == "softexternal.open elid=42 sok=ok"));
    let id = licid(&test, 42);
    test.cmd("suspend", 42).ok();
    test.cmd("resume", 42).ok();
    test.run(["--command", "sync", "--module", "7"]).ok();
    test.upstream.age(id, 40);
    test.cmd("close", 42).ok();
    assert_eq!(state(&test, "SELECT state FROM license WHERE item = 42"), ["stopped"]);
    test.assert_clean();
}
