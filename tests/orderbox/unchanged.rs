//! Commands that change nothing at the seller: stops, payments, changes of a service.
use super::*;
use crate::service::state;
use crate::support::{Fault, MgrctlFault, MgrctlFaultKind};

#[test]
fn stops_and_payments_send_nothing_and_are_reported() {
    let test = opened();
    test.set_item(ITEM, "expiredate", &crate::service::day(10));
    for (command, last) in [
        ("suspend", "service.postsuspend elid=42 sok=ok"),
        ("resume", "service.postresume elid=42 sok=ok"),
        ("prolong", "service.postprolong elid=42 sok=ok"),
        ("cancel_prolong", ""),
    ] {
        forget(&test);
        let operation = if command == "prolong" { test.prolong_paid(ITEM) } else { test.operation(ITEM, command) };
        test.cmd_op(command, ITEM, operation).ok().stdout("");
        if !last.is_empty() {
            assert!(test.panel_changes().contains(&last.to_owned()), "{command}: {}", test.story());
        }
        nothing_sent(&test);
        // A stop looks at the order once, whose key goes on working.
        let looks = test.orderbox().requests_of("details").len();
        assert_eq!(looks, usize::from(command != "cancel_prolong"), "{command}: {}", test.story());
    }
    let said = "the license of hosting order 4001 goes on working and is still paid for";
    assert_eq!(test.log().matches(said).count(), 2, "by suspend and by resume: {}", test.log());
    served(&test);
    assert_eq!(test.orderbox().order(ORDER).status, "Active");
    for call in ["orders/suspend", "orders/unsuspend", "renew", "delete"] {
        assert_eq!(test.orderbox().count(call, ORDER), 0, "{call}");
    }
}

/// A month was paid for that the hosting order does not last: the payment is accepted, and the report says when the
/// order ends.
#[test]
fn a_payment_beyond_the_hostings_end_is_reported() {
    let test = opened();
    test.set_item(ITEM, "expiredate", &crate::service::day(20));
    let operation = test.prolong_paid(ITEM);
    test.cmd_op("prolong", ITEM, operation).ok();
    let (told, paid) = (problems(&test), crate::service::months(&crate::service::day(20), 1));
    let words = ["4001", &end_of_order(&test), &paid];
    assert!(told.len() == 1 && words.iter().all(|word| told[0].contains(word)), "{told:?}");
    nothing_sent(&test);
}

/// A hosting that lasts until the paid day, or longer, is no problem.
#[test]
fn a_payment_within_the_hostings_term_is_no_problem() {
    let paid: chrono::NaiveDate = crate::service::months(&crate::service::day(20), 1).parse().unwrap();
    for longer in [0, 10] {
        let test = opened();
        let ends = paid.and_hms_opt(12, 0, 0).unwrap().and_utc().timestamp() + longer * 86_400;
        test.orderbox().edit(ORDER, |o| o.ends = ends);
        test.set_item(ITEM, "expiredate", &crate::service::day(20));
        let operation = test.prolong_paid(ITEM);
        test.cmd_op("prolong", ITEM, operation).ok();
        assert_eq!(problems(&test), Vec::<String>::new(), "{longer}: {}", test.story());
        nothing_sent(&test);
    }
}

#[test]
fn new_keys_and_other_orders_are_not_supported() {
    let test = opened();
    test.orderbox().add(Order::new(4002));
    test.cmd("gen_key", ITEM).fails("not_supported");
    test.set_param(ITEM, "orderid", "4002");
    test.cmd("setparam", ITEM).fails("not_supported");
    nothing_sent(&test);
    test.set_param(ITEM, "orderid", "4001");
    test.set_param(ITEM, "ip", "192.0.2.77");
    test.cmd("setparam", ITEM).ok();
    nothing_sent(&test);
    served(&test);
}

/// The client wants no license any more: it is removed as at the end of the service; wanted again, it is bought anew.
#[test]
fn a_service_may_give_up_its_license_and_want_one_again() {
    let test = opened_with(REMOVING, |_| {});
    test.choose(ITEM, "nopanel");
    test.cmd("setparam", ITEM).ok();
    assert_eq!((test.orderbox().removals(ORDER), key(&test).as_str()), (1, ""));
    test.choose(ITEM, "whmcs");
    test.cmd("setparam", ITEM).ok();
    assert_eq!((test.orderbox().charges(ORDER), test.item(ITEM).param("lickey")), (2, key(&test).as_str()));
}

/// What was charged and removed.
fn ledger(test: &Test) -> (usize, usize) {
    (test.orderbox().charges(ORDER), test.orderbox().removals(ORDER))
}

/// The panel was not told yet, and repeats its command: the license stays, and a client who wants it again gets it. A
/// removal before the post-call was final, and the same command bought a second license.
#[test]
fn a_license_given_up_and_wanted_again_before_the_panel_knows_is_charged_once() {
    for (command, post) in [("open", "soft.open"), ("setparam", "service.postsetparam")] {
        let test = shop();
        test.settings(REMOVING);
        let untold = |operation: u64| {
            test.mgrctl_fault(MgrctlFault::on(post, MgrctlFaultKind::ErrorDocument));
            test.cmd_op(command, ITEM, operation).fails("mgrctl");
        };
        let operation = if command == "open" {
            let operation = test.operation(ITEM, command);
            untold(operation);
            operation
        } else {
            test.cmd("open", ITEM).ok();
            test.operation(ITEM, command)
        };
        test.choose(ITEM, "nopanel");
        untold(operation);
        assert_eq!(ledger(&test), (1, 0), "{command}: {}", test.story());
        test.choose(ITEM, "whmcs");
        test.cmd_op(command, ITEM, operation).ok();
        served(&test);
        sync(&test).ok();
        assert_eq!(ledger(&test), (1, 0), "{command}: {}", test.story());
        assert_eq!(state(&test, "SELECT choice FROM item WHERE id = 42"), "whmcs", "{command}");
    }
}

/// The panel knows, and the run did not get as far as the removal: the next pass removes the license, and the guard
/// counts it.
#[test]
fn a_license_that_was_given_up_and_not_removed_yet_is_removed_by_sync() {
    let test = shop();
    test.settings(&format!("max_changes = 1\n{REMOVING}"));
    test.orderbox().add(Order::new(4002));
    test.whmcs_item(43, 1, 4002).add();
    let removals = || [ORDER, 4002].map(|order| test.orderbox().removals(order));
    for item in [ITEM, 43] {
        test.cmd("open", item).ok();
        test.choose(item, "nopanel");
        test.mgrctl_fault(MgrctlFault::on("service.postsetparam", MgrctlFaultKind::Lost));
        test.cmd("setparam", item).fails("mgrctl");
    }
    let bound = "SELECT count(*) FROM license WHERE state = 'bound'";
    assert_eq!((removals(), state(&test, bound).as_str()), ([0, 0], "2"), "{}", test.story());
    assert_eq!(sync(&test).fails("config").attribute("object"), "max_changes");
    assert_eq!(removals(), [0, 0], "{}", test.story());
    test.run(["sync", "--allow-many"]).ok();
    assert_eq!((removals(), test.item(ITEM).param("lickey")), ([1, 1], ""), "{}", test.story());
    sync(&test).ok();
}

/// A stopped service that wants a license again, and whose purchase was refused or lost: the next run does not take it
/// for done.
#[test]
fn a_repeated_setparam_does_not_forget_the_license() {
    let call = "generate-license-key";
    for fault in [Fault::on(call).refused("no_money"), Fault::on(call).drop_before()] {
        let name = fault.name.clone();
        let test = shop();
        test.choose(ITEM, "nopanel");
        test.cmd("open", ITEM).ok();
        nothing_sent(&test);
        test.set_item(ITEM, "status", "3");
        test.choose(ITEM, "whmcs");
        test.orderbox().fault(fault);
        for _ in 0..2 {
            assert_eq!(test.cmd("setparam", ITEM).code, Some(1), "{name}: {}", test.story());
        }
        test.orderbox().set_balance(20_000_000);
        for _ in 0..3 {
            if test.cmd("setparam", ITEM).code == Some(0) {
                break;
            }
            crate::service::settle(&test);
        }
        assert_eq!(test.orderbox().charges(ORDER), 1, "{name}: {}", test.story());
        assert_eq!((test.item(ITEM).param("lickey"), test.item(ITEM).param("licid")), (key(&test).as_str(), "4001"));
    }
}

/// A change that is older than the close of its service buys nothing. What was sent for the service is known before the
/// post-call.
#[test]
fn a_change_older_than_the_close_waits_for_the_purchase_in_doubt() {
    let call = "generate-license-key";
    for arrives in [false, true] {
        let test = shop();
        test.settings(REMOVING);
        test.orderbox().fault(if arrives { Fault::on(call).late() } else { Fault::on(call).drop_before() });
        test.cmd("open", ITEM).fails("client");
        // The panel closed the service without calling us.
        test.set_item(ITEM, "status", "4");
        test.clear_mgrctl();
        let posts = || test.panel_changes().iter().filter(|line| line.starts_with("service.postsetparam")).count();
        if arrives {
            test.cmd("setparam", ITEM).fails("client");
            test.orderbox().land_late();
        } else {
            for _ in 0..2 {
                test.cmd("setparam", ITEM).fails("client");
                crate::service::settle(&test);
            }
        }
        assert_eq!(posts(), 0, "{}", test.story());
        test.cmd("setparam", ITEM).ok();
        assert_eq!(posts(), 1, "{}", test.story());
        sync(&test).ok();
        let (charges, removals) = (test.orderbox().charges(ORDER), test.orderbox().removals(ORDER));
        assert_eq!((charges, removals), (arrives.into(), arrives.into()), "{}", test.story());
        assert_eq!((test.orderbox().requests_of(call).len(), key(&test).as_str()), (1, ""));
    }
}
