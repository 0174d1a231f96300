//! Changes of a license that a client or an administrator asks for (docs/licensing-rules.md 8), and the pool, which is
//! used before anything is bought (7). Each is reported with its reason.
use super::{licid, state};
use crate::support::{Fault, Test};

fn opened(choice: &str, period: i32) -> (Test, u64) {
    let test = Test::new();
    test.soft_item(42, choice, period).ip("192.0.2.42").nodes(0).add();
    test.cmd("open", 42).ok();
    let id = licid(&test, 42);
    (test, id)
}

/// A new address once a month: a refusal names the day from which it will work, and sync carries the intent out then.
#[test]
fn an_address_refused_within_the_month_is_changed_by_sync_later() {
    let (test, id) = opened("55227", 1);
    test.set_param(42, "ip", "192.0.2.50");
    test.set_param(42, "licname", "new name");
    test.cmd("setparam", 42).ok();
    test.set_param(42, "ip", "192.0.2.51");
    let refused = test.cmd("setparam", 42);
    let day = crate::service::a_month_after(test.upstream.today());
    assert!(refused.fails("ip_change_limit").message().contains(&day), "{}", refused.message());
    let license = test.upstream.license(id);
    assert_eq!((license.ip.as_str(), license.licname.as_str()), ("192.0.2.50", "new name"));
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!(test.upstream.license(id).ip, "192.0.2.50", "not before the month is over");
    test.upstream.age(id, 40);
    let conn = rusqlite::Connection::open(test.state_path()).unwrap();
    conn.execute("UPDATE license SET not_before = 1", []).unwrap();
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!(test.upstream.license(id).ip, "192.0.2.51");
    test.assert_clean();
}

/// With another tariff, license and key stay. A refused change is rolled back in the panel; nothing else is.
#[test]
fn another_tariff_keeps_the_license_and_a_refused_one_is_rolled_back() {
    let (test, id) = opened("55227", 1);
    let key = test.upstream.license(id).key;
    test.choose(42, "55228");
    test.cmd("setparam", 42).ok();
    let license = test.upstream.license(id);
    assert_eq!((license.pricelist, &license.key), (55228, &key));
    let rollbacks = |test: &Test| test.panel_changes().iter().filter(|line| line.contains("rollback")).count();
    let before = test.item(42).pricelist;
    test.soft_item(43, "55227", 1).on_tariff().ip("192.0.2.43").add();
    test.cmd("open", 43).ok();
    let old = test.item(43).pricelist;
    test.change_tariff(43, "55229");
    test.upstream.fault(Fault::on("service.changepricelist").drop_before());
    test.cmd("setparam", 43).fails("client");
    assert_eq!(rollbacks(&test), 0, "an unknown outcome is never rolled back");
    test.upstream.clear_faults();
    let (other, second) = opened("55227", 1);
    other.change_tariff(42, "55229");
    other.upstream.fault(Fault::on("service.changepricelist").refused("no_money"));
    other.cmd("setparam", 42).fails("nomoney");
    assert_eq!((rollbacks(&other), other.upstream.license(second).pricelist), (1, 55227));
    assert_eq!((test.item(42).pricelist, test.item(43).lastpricelist), (before, Some(old)));
}

/// Nodes more and fewer; from a panel to none and back.
#[test]
fn nodes_change_and_a_given_up_panel_comes_back_from_the_pool() {
    let (test, id) = opened("55230", 12);
    for nodes in [2, 0] {
        test.set_nodes(42, nodes);
        test.cmd("setparam", 42).ok();
        assert_eq!(test.upstream.license(id).nodes, 1 + nodes);
    }
    test.upstream.age(id, 40);
    test.choose(42, "nopanel");
    test.cmd("setparam", 42).ok();
    assert_eq!(test.upstream.license(id).licname, "free.lic");
    test.upstream.age(id, 40);
    test.choose(42, "55230");
    test.cmd("setparam", 42).ok();
    assert_eq!((licid(&test, 42), test.upstream.billed("soft.order.param")), (id, 1), "taken back from the pool");
}

/// A new key once a month, saved to the service.
#[test]
fn a_new_key_is_saved_and_given_once_a_month() {
    let (test, id) = opened("55227", 1);
    let old = test.upstream.license(id).key;
    test.cmd("gen_key", 42).ok();
    let new = test.upstream.license(id).key;
    assert!(new != old && test.item(42).param("lickey") == new);
    let day = crate::service::a_month_after(test.upstream.today());
    let refused = test.cmd("gen_key", 42);
    assert!(refused.fails("key_change_limit").message().contains(&day), "{}", refused.message());
}

/// Among freed licenses the one that covers the need and expires soonest is taken, with a new key and for nothing;
/// one whose address changed less than a month ago is not, unless it had the very address that is wanted.
#[test]
fn a_freed_license_that_covers_the_need_costs_nothing() {
    let test = Test::new();
    for (item, period) in [(42, 12), (43, 12), (44, 1)] {
        test.soft_item(item, "55227", period).ip(&format!("192.0.2.{item}")).add();
        test.cmd("open", item).ok();
        if item == 43 {
            // Its address cannot be cleared yet: it keeps it, and waits.
            let today = test.upstream.today();
            test.upstream.edit_license(licid(&test, item), |license| license.ip_changed = Some(today));
        }
        test.cmd("close", item).ok();
    }
    let ids = [42, 43, 44].map(|item| licid(&test, item));
    test.soft_item(50, "55227", 1).ip("192.0.2.50").add();
    test.cmd("open", 50).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 4, "their addresses changed today");
    test.soft_item(51, "55227", 1).ip("192.0.2.43").add();
    test.cmd("open", 51).ok();
    assert_eq!(licid(&test, 51), ids[1], "the address need not change");
    for id in ids {
        test.upstream.age(id, 40);
    }
    let key = test.upstream.license(ids[0]).key;
    test.soft_item(52, "55227", 3).ip("192.0.2.52").expires_in(90).add();
    test.cmd("open", 52).ok();
    let taken = test.upstream.license(ids[0]);
    assert_eq!((licid(&test, 52), taken.ip.as_str(), taken.status), (ids[0], "192.0.2.52", 2));
    assert_ne!(taken.key, key);
    assert_eq!(test.upstream.billed("soft.order.param"), 4);
    let told = state(&test, "SELECT en FROM journal WHERE event = 'claimed'");
    assert!(told.iter().any(|line| line.contains("taken from the pool for service 52")), "{told:?}");
}
