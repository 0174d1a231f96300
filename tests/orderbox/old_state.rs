//! A restored state at OrderBox. Hosting orders have no marks, so what was bought since the copy shows at the orders
//! alone. Nothing is bought twice, and the panel works again after `reconcile --apply`.
use super::*;
use crate::service::{alter_state, pass, state};
use crate::support::{MgrctlFault, MgrctlFaultKind};

/// A panel that has no other module.
fn alone(change: impl FnOnce(&mut Options)) -> Test {
    let test = shop_with(change);
    test.db.exec("DELETE FROM processingmodule WHERE id = 7", ());
    sync(&test).ok();
    test
}

fn backed_up(test: &Test) -> String {
    let copy = test.root().join("copy.db").display().to_string();
    assert_eq!(operator(test, &format!("backup {copy}")).code, Some(0));
    copy
}

fn restored(test: &Test, copy: &str) {
    let output = operator(test, &format!("restore {copy} --yes"));
    assert_eq!(output.code, Some(0), "{output:?}");
    sync(test).fails("state");
    test.cmd("open", ITEM).fails("state");
    forget(test);
}

/// So many seconds pass, also since the state was completed.
fn later(test: &Test, seconds: u32) {
    pass(test, seconds);
    alter_state(test, &format!("UPDATE meta SET value = value - {seconds} WHERE name LIKE 'completed_at:%'"));
}

fn compared(test: &Test) -> Output {
    let output = operator(test, "reconcile --apply --yes");
    assert!(output.stdout.contains("old_state") && output.stdout.contains("goes on from number"), "{output:?}");
    assert_eq!(state(test, "SELECT count(*) FROM meta WHERE name = 'restored'"), "0", "{}", test.story());
    output
}

/// It buys, and the panel is never told.
fn buys_unheard(test: &Test) {
    test.mgrctl_fault(MgrctlFault::on("service.saveparam", MgrctlFaultKind::ErrorDocument).always());
    test.cmd("open", ITEM);
    test.clear_mgrctl_faults();
    assert_eq!((test.orderbox().charges(ORDER), test.item(ITEM).param("licid")), (1, ""), "{}", test.story());
}

/// A panel with modules at OrderBox alone works again after the comparison.
#[test]
fn a_restored_state_works_again_after_the_comparison() {
    let test = alone(|_| {});
    test.cmd("open", ITEM).ok();
    let copy = backed_up(&test);
    restored(&test, &copy);
    assert!(operator(&test, "doctor").stdout.contains("restored"));
    assert_eq!(compared(&test).code, Some(0));
    test.cmd("sync_item", ITEM).ok();
    sync(&test).ok();
    assert!(!operator(&test, "doctor").stdout.contains("restored"));
    assert!(operator(&test, "reconcile").stdout.contains("agree"));
    nothing_sent(&test);
    served(&test);
}

/// A license that was bought since the copy is named and bound by an operator.
#[test]
fn a_license_that_was_bought_since_the_copy_is_not_bought_again() {
    for is_shown in [true, false] {
        let test = alone(|_| {});
        let copy = backed_up(&test);
        if is_shown {
            test.cmd("open", ITEM).ok();
        } else {
            buys_unheard(&test);
        }
        restored(&test, &copy);
        let output = compared(&test);
        assert!(output.stdout.contains(if is_shown { "bind 42 4001" } else { "bind ITEM 4001" }), "{output:?}");
        assert_eq!(test.cmd("open", ITEM).code, Some(1));
        nothing_sent(&test);
        assert_eq!(operator(&test, "bind 42 4001 --yes").code, Some(0));
        test.cmd("open", ITEM).ok();
        served(&test);
        assert_eq!(test.orderbox().charges(ORDER), 1, "{}", test.story());
    }
}

/// Every run names such a license until an operator has bound it: none ends with success, and nothing is removed.
fn is_named(test: &Test) {
    for command in ["suspend", "resume", "prolong", "sync_item", "close"] {
        let output = test.cmd(command, ITEM);
        assert!(
            output.fails("state").message().contains("pmisplicense bind 42 4001"),
            "{command}: {}",
            output.message()
        );
    }
    assert!(sync(test).fails("state").stdout.contains("pmisplicense bind 42 4001"), "{}", test.story());
    nothing_sent(test);
    assert_eq!(test.item(ITEM).status, 2, "{}", test.story());
    assert_eq!(operator(test, "bind 42 4001 --yes").code, Some(0));
    served(test);
    for command in ["suspend", "resume", "sync_item"] {
        test.cmd(command, ITEM).ok();
    }
    sync(test).ok();
    nothing_sent(test);
    test.cmd("close", ITEM).ok();
    assert_eq!((test.orderbox().removals(ORDER), key(test)), (1, String::new()), "{}", test.story());
}

#[test]
fn no_run_succeeds_while_a_service_shows_a_license_that_was_bought_since_the_copy() {
    let test = alone(|_| {});
    test.settings(REMOVING);
    let copy = backed_up(&test);
    test.cmd("open", ITEM).ok();
    restored(&test, &copy);
    compared(&test);
    is_named(&test);
}

/// The state knows an earlier license of the order, which was removed. Its number is the same, its key is not.
#[test]
fn no_run_succeeds_while_a_service_shows_a_later_license_of_its_order() {
    let test = alone(|_| {});
    test.settings(REMOVING);
    test.cmd("open", ITEM).ok();
    test.choose(ITEM, "nopanel");
    test.cmd("setparam", ITEM).ok();
    let copy = backed_up(&test);
    test.choose(ITEM, "whmcs");
    test.cmd("setparam", ITEM).ok();
    restored(&test, &copy);
    let output = compared(&test);
    assert!(output.stdout.contains("shown") && output.stdout.contains("bind 42 4001"), "{output:?}");
    for line in ["doctor", "explain 42"] {
        let output = operator(&test, line);
        let told = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("pmisplicense bind 42 4001"), "{line}: {output:?}");
    }
    test.orderbox().with(|world| world.ledger.clear());
    // No license is bought on another order either.
    test.orderbox().add(Order::new(4002));
    test.set_param(ITEM, "orderid", "4002");
    for command in ["open", "setparam"] {
        let output = test.cmd(command, ITEM);
        assert!(output.fails("state").message().contains("pmisplicense bind 42 4001"), "{command}: {}", test.story());
    }
    nothing_sent(&test);
    test.set_param(ITEM, "orderid", "4001");
    is_named(&test);
}

/// Neither the order nor the panel shows a purchase since the copy, only an action that ended. It is not bought again
/// before the key comes, or before an operator says that there is none.
#[test]
fn a_purchase_whose_key_is_late_is_not_repeated() {
    for comes in [true, false] {
        let test = alone(|o| o.key_late_reads = u32::MAX);
        let copy = backed_up(&test);
        buys_unheard(&test);
        restored(&test, &copy);
        compared(&test);
        test.cmd("open", ITEM).fails("client");
        later(&test, 901);
        for _ in 0..2 {
            test.cmd("open", ITEM).fails("order_unknown");
            later(&test, 901);
        }
        nothing_sent(&test);
        if comes {
            test.orderbox().edit(ORDER, |o| o.key_late_reads = 0);
        } else {
            test.orderbox().remove_key(ORDER);
            assert_eq!(operator(&test, "resolve 42 --not-bought --yes").code, Some(0), "{}", test.story());
            test.orderbox().options(|o| o.key_late_reads = 0);
        }
        test.cmd("open", ITEM).ok();
        served(&test);
        assert_eq!(test.orderbox().charges(ORDER), if comes { 1 } else { 2 }, "{}", test.story());
    }
}

/// The request was under way when the state was restored, and arrives later.
#[test]
fn a_purchase_that_was_still_under_way_is_adopted() {
    let test = alone(|_| {});
    let copy = backed_up(&test);
    test.orderbox().fault(crate::support::Fault::on("generate-license-key").late());
    test.cmd("open", ITEM).fails("client");
    restored(&test, &copy);
    compared(&test);
    test.cmd("open", ITEM).fails("client");
    test.orderbox().land_late();
    test.cmd("open", ITEM).ok();
    served(&test);
    nothing_sent(&test);
    assert_eq!(test.orderbox().charges(ORDER), 1, "{}", test.story());
}

/// Nothing was bought since the copy: the first purchase waits for two looks, and the service is served.
#[test]
fn an_order_without_a_trace_is_bought_for_after_two_looks() {
    let test = alone(|_| {});
    let copy = backed_up(&test);
    restored(&test, &copy);
    compared(&test);
    for seconds in [901, 61] {
        test.cmd("open", ITEM).fails("client");
        nothing_sent(&test);
        later(&test, seconds);
    }
    test.cmd("open", ITEM).ok();
    served(&test);
    assert_eq!(test.orderbox().charges(ORDER), 1, "{}", test.story());
    // A state that was never old looks for nothing.
    let test = alone(|_| {});
    test.cmd("open", ITEM).ok();
    served(&test);
}

/// Service 43 got the license of service 42 since the copy. Our state holds it for 42 again, which shows nothing.
fn given_to_another_since_the_copy() -> Test {
    let test = alone(|_| {});
    test.cmd("open", ITEM).ok();
    let copy = backed_up(&test);
    assert_eq!(operator(&test, "unbind 42 --yes").code, Some(0));
    test.whmcs_item(43, 1, ORDER).add();
    assert_eq!(operator(&test, "bind 43 4001 --yes").code, Some(0));
    test.cmd("open", 43).ok();
    restored(&test, &copy);
    compared(&test);
    test
}

#[test]
fn a_license_that_another_open_service_held_at_the_copy_is_bound_to_the_service_that_shows_its_key() {
    let test = given_to_another_since_the_copy();
    let output = test.cmd("suspend", 43);
    assert!(output.fails("state").message().contains("pmisplicense bind 43 4001"), "{}", output.message());
    // The number alone does not prove that the license is its own.
    test.set_param(43, "lickey", "WHMCS-of-before");
    let output = operator(&test, "bind 43 4001 --yes");
    assert!(output.code == Some(1) && output.stderr.contains("belongs to service 42"), "{output:?}");
    test.set_param(43, "lickey", &key(&test));
    let asked = operator(&test, "bind 43 4001");
    assert!(asked.stderr.contains("service 42 loses license 4001"), "{asked:?}");
    assert_eq!(operator(&test, "bind 43 4001 --yes").code, Some(0), "{}", test.story());
    test.cmd("suspend", 43).ok();
    assert_eq!(state(&test, "SELECT item FROM license WHERE id = 4001"), "43");
    assert_eq!(state(&test, "SELECT count(*) FROM journal WHERE item = 42 AND event = 'given_to'"), "1");
    // The order has one license, and another service has it.
    test.cmd("open", ITEM).fails("bad_value");
    nothing_sent(&test);
}

#[test]
fn a_service_that_shows_another_ones_license_is_closed_when_its_order_has_no_license() {
    let test = given_to_another_since_the_copy();
    test.cmd("close", 43).fails("state");
    test.orderbox().remove_key(ORDER);
    test.cmd("close", 43).ok();
    nothing_sent(&test);
}
