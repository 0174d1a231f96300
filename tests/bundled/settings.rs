//! Settings that steer more than one rule, each through the binary.
use super::{licid, state};
use crate::service::changes;
use crate::support::{Fault, Test};

/// The use that the state records for its only license.
const STATE: &str = "SELECT state FROM license";

/// A license that somebody else freed is left alone, unless pool_foreign says that it may be taken.
#[test]
fn a_license_freed_by_others_is_taken_only_with_pool_foreign() {
    for allowed in [false, true] {
        let test = Test::new();
        test.settings(&format!("pool_foreign = {allowed}\n"));
        let free = test.upstream.add_foreign(55227, 12, "0.0.0.0", "free.lic");
        let other = test.upstream.add_foreign(55228, 12, "0.0.0.0", "free.lic");
        let named = test.upstream.add_foreign(55227, 12, "0.0.0.0", "not free");
        for id in [free, other, named] {
            test.upstream.edit_license(id, |license| license.status = 3);
        }
        let key = test.upstream.license(free).key;
        test.soft_item(42, "55227", 12).ip("192.0.2.42").licname("shop").add();
        test.cmd("open", 42).ok();
        assert_eq!(test.upstream.billed("soft.order.param"), usize::from(!allowed));
        assert_eq!(licid(&test, 42) == free, allowed);
        let now = test.upstream.license(free);
        assert_eq!(now.key != key, allowed, "a new key before the new client sees it");
        assert_eq!((now.ip == "192.0.2.42", now.licname == "shop", now.status == 2), (allowed, allowed, allowed));
        assert_eq!(test.upstream.license(other).licname, "free.lic");
        assert_eq!(test.upstream.license(named).licname, "not free");
    }
}

/// A run that claimed a free license and ended before it sent anything has nothing to undo: whoever took the license
/// since then keeps it as it is.
#[test]
fn a_claimed_license_for_which_nothing_was_sent_goes_back_untouched() {
    let test = Test::new();
    test.settings("pool_foreign = true\n");
    test.upstream.options(|o| (o.remoteid_returned, o.list_remoteid) = (false, false));
    let free = test.upstream.add_foreign(55227, 12, "0.0.0.0", "free.lic");
    test.upstream.edit_license(free, |license| license.status = 3);
    // The looks before the first order and at the taking in succeed, and the one after the claim does not.
    test.upstream.fault(Fault::on("soft.edit?read").of(free).nth(3).html());
    test.soft_item(42, "55227", 12).ip("192.0.2.42").licname("shop").add();
    test.cmd("open", 42).fails("bad_answer");
    assert_eq!(crate::service::state(&test, STATE), "claimed", "{}", test.story());
    test.upstream.edit_license(free, |license| {
        (license.licname, license.ip, license.status) = ("somebody's".into(), "198.51.100.7".into(), 2);
    });
    test.cmd("close", 42).ok();
    assert_eq!((changes(&test), crate::service::state(&test, STATE)), (vec![], "pool".to_owned()));
}

/// Taken in is only what is free, of that tariff and has an end, whatever the list leaves open; and nothing that our
/// state knows: a license of ours that was refused rests.
#[test]
fn pool_foreign_leaves_the_rest() {
    let test = Test::new();
    test.settings("pool_foreign = true\n");
    let own = crate::pool::pooled(&test, 41, "55227", 40);
    test.upstream.options(|o| o.list_pricelist_name = true);
    for (code, ip, name, status) in [
        (55228, "0.0.0.0", "free.lic", 3),
        (55227, "192.0.2.99", "somebody's", 2),
        (55227, "0.0.0.0", "free.lic", 4),
        (55227, "0.0.0.0", "free.lic", 5),
    ] {
        let id = test.upstream.add_foreign(code, 12, ip, name);
        test.upstream.edit_license(id, |license| license.status = status);
    }
    let endless = test.upstream.add_foreign(55227, 12, "0.0.0.0", "free.lic");
    test.upstream.edit_license(endless, |license| (license.status, license.expires) = (3, None));
    test.upstream.fault(Fault::on("soft.edit?newkey").refused("key_change"));
    test.soft_item(42, "55227", 12).ip("192.0.2.42").add();
    test.cmd("open", 42).ok();
    assert_eq!((licid(&test, 42) == own, test.upstream.billed("soft.order.param")), (false, 2), "{}", test.story());
    let known = crate::service::state(&test, "SELECT count(*) FROM license");
    assert_eq!(known, "2", "the pooled one and the new one");
}

/// The pinned id is in the marks and outlives the state file: a lost state is noticed before anything is bought.
#[test]
fn a_pinned_panel_id_gives_a_lost_state_away() {
    let test = Test::new();
    test.settings("panel_id = \"abcd1234\"\n");
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    test.cmd("open", 42).ok();
    assert_eq!(test.upstream.license(licid(&test, 42)).remoteid, "pml-abcd1234-42-1");
    std::fs::remove_dir_all(test.state_path().parent().unwrap()).unwrap();
    test.soft_item(43, "55227", 1).ip("192.0.2.43").add();
    assert!(test.cmd("open", 43).fails("state").message().contains("reconcile --apply"));
    assert_eq!(test.upstream.billed("soft.order.param"), 1);
}

/// An id that is pinned later goes into new marks; what was bought before stays bound, and an order in doubt is found
/// by the mark that it was sent with.
#[test]
fn a_panel_id_pinned_later_keeps_what_was_bought_before() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    test.soft_item(43, "55227", 1).ip("192.0.2.43").add();
    test.cmd("open", 42).ok();
    test.upstream.fault(Fault::on("soft.order.param").drop_after());
    test.upstream.fault(Fault::on("soft").nth(3).refused("missed"));
    test.upstream.fault(Fault::on("soft").nth(4).refused("missed"));
    test.cmd("open", 43);
    test.upstream.clear_faults();
    test.settings("panel_id = \"abcd1234\"\n");
    test.cmd("open", 43).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 2);
    test.cmd("suspend", 42).ok();
    test.soft_item(44, "55227", 1).ip("192.0.2.44").add();
    test.cmd("open", 44).ok();
    assert!(test.upstream.license(licid(&test, 44)).remoteid.starts_with("pml-abcd1234-44-"));
    test.settings("panel_id = \"Not an id\"\n");
    assert!(test.cmd("open", 44).fails("config").message().contains("panel_id"));
}

/// A license that was marked under the former id is still ours: it is freed when its service is closed, binds without
/// an option, and the pool gives it out. doctor says which id holds, and which licenses bear another one.
#[test]
fn licenses_of_a_former_id_are_freed_and_bound_as_before() {
    let test = Test::new();
    let former = |name: &str| crate::service::state(&test, &format!("SELECT value FROM meta WHERE name = '{name}'"));
    for item in [42, 43, 44] {
        test.soft_item(item, "55227", 12).ip(&crate::service::ip_of(item)).add();
        test.cmd("open", item).ok();
    }
    let [first, second, third] = [42, 43, 44].map(|item| licid(&test, item));
    let old = former("panel_id");
    let doctor = |test: &Test| {
        let checks: serde_json::Value = serde_json::from_str(&test.run(["doctor", "--json"]).stdout).unwrap();
        let lines = checks["checks"].as_array().unwrap().iter().filter(|line| line["check"] == "panel_id");
        lines.map(|line| format!("{} -> {}", line["what"], line["next"])).collect::<Vec<_>>().join("; ")
    };
    assert!(doctor(&test).contains(&format!("is {old}; only the state file")), "{}", doctor(&test));
    // Freed before the id changes, all but the last step: the state does not know yet.
    test.upstream.edit_license(second, |l| {
        (l.licname, l.ip, l.remoteid) = ("free.lic".into(), "0.0.0.0".into(), format!("pml-{old}-free"));
    });
    test.settings("panel_id = \"abcd1234\"\n");
    let told = doctor(&test);
    assert!(
        told.contains("abcd1234, pinned") && told.contains(&format!("with the mark of another id, {old}: 3")),
        "{told}"
    );
    for (item, id) in [(42, first), (43, second)] {
        test.upstream.age(id, 40);
        test.cmd("close", item).ok();
        let freed = test.upstream.license(id);
        let now = (freed.status, freed.licname.as_str(), freed.remoteid.as_str());
        assert_eq!(now, (3, "free.lic", "pml-abcd1234-free"), "{item}: {}", test.story());
    }
    test.run(["bind", "44", &third.to_string(), "--yes"]).ok();
    assert!(test.upstream.license(third).remoteid.starts_with("pml-abcd1234-44-"), "{}", test.story());
    test.soft_item(45, "55227", 1).ip("192.0.2.45").add();
    test.upstream.age(first, 40);
    test.cmd("open", 45).ok();
    assert_eq!((licid(&test, 45), test.upstream.billed("soft.order.param")), (first, 3), "{}", test.story());
    // The id of one module would become that of the whole installation at each run for it.
    test.settings("panel_id = \"abcd1234\"\n[module.7]\npanel_id = \"wxyz1234\"\n");
    test.soft_item(46, "55227", 1).ip("192.0.2.46").add();
    test.cmd("open", 46).ok();
    assert_eq!(former("panel_id"), "abcd1234");
    assert!(doctor(&test).contains("in [module.7] is not used"), "{}", doctor(&test));
}

/// `[module.ID]`: choices and products of one module only; each license stays with its own account.
#[test]
fn settings_of_one_module_hold_for_that_module_only() {
    let mut test = Test::new();
    test.add_module(8, "pmisplicense");
    let url = test.upstream.url();
    test.connect_module(8, &url);
    test.settings(
        "on_close = \"stop\"\n[module.8]\non_close = \"pool\"\n[[module.8.product]]\ninternal_name = \"house\"\n\
         name = \"House brand\"\npricelist = 55228\nperiods = [1, 12]\n",
    );
    test.soft_item(42, "55227", 12).ip("192.0.2.42").add();
    test.soft_item(43, "55227", 12).ip("192.0.2.43").module(8).add();
    for item in [42, 43] {
        test.cmd("open", item).ok();
        test.upstream.age(licid(&test, item), 40);
        test.cmd("close", item).ok();
    }
    assert_ne!(test.upstream.license(licid(&test, 42)).licname, "free.lic");
    assert_eq!(test.upstream.license(licid(&test, 43)).licname, "free.lic");
    test.soft_item(44, "house", 1).ip("192.0.2.44").add();
    test.soft_item(45, "house", 1).ip("192.0.2.45").module(8).add();
    test.cmd("open", 44).fails("unknown_internal_name");
    test.cmd("open", 45).ok();
    assert_eq!(test.upstream.license(licid(&test, 45)).pricelist, 55228);
    assert_eq!(state(&test, "SELECT DISTINCT CAST(module AS TEXT) FROM license ORDER BY 1"), ["7", "8"]);
}
