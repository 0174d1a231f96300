//! A license that one service gave back, that another service of the client took over and gave back too, and that the
//! first one wants again: it gets the very license, without a purchase.
use super::*;
use crate::service::state;

const OTHER: u32 = 43;

/// Both services name the order. The first had its license and chose none; the second took it over and was closed. The
/// order was busy each time, so the license is still there. Now the first wants one again.
fn wanted_again() -> Test {
    let test = opened_with(REMOVING, |_| {});
    test.whmcs_item(OTHER, 1, ORDER).add();
    let busy = |command: &str, item: u32| {
        test.orderbox().busy(ORDER, "ModHosting");
        test.cmd(command, item).ok();
        test.orderbox().finish(ORDER);
    };
    test.choose(ITEM, "nopanel");
    busy("setparam", ITEM);
    test.cmd("open", OTHER).ok();
    assert_eq!(test.item(OTHER).param("lickey"), key(&test), "{}", test.story());
    busy("close", OTHER);
    test.choose(ITEM, "whmcs");
    nothing_sent(&test);
    let row = state(&test, "SELECT item || ' ' || state FROM license");
    assert_eq!((row.as_str(), test.item(ITEM).param("lickey")), ("43 to_free", key(&test).as_str()));
    test
}

/// What was charged and removed.
fn ledger(test: &Test) -> (usize, usize) {
    (test.orderbox().charges(ORDER), test.orderbox().removals(ORDER))
}

/// Each pass names the service, and the change that waits in the panel ends it.
#[test]
fn a_license_that_its_former_service_wants_again_is_not_removed() {
    let test = wanted_again();
    for _ in 0..2 {
        let output = sync(&test);
        let message = output.fails("state").message();
        for words in ["Service 42 gave back the license of hosting order 4001", "pmisplicense bind 42 4001"] {
            assert!(message.contains(words), "{words}: {message}");
        }
        nothing_sent(&test);
    }
    test.cmd("setparam", ITEM).ok();
    served(&test);
    sync(&test).ok();
    assert_eq!(ledger(&test), (1, 0), "{}", test.story());
}

/// The same where the customer of an order is not compared with the client: the service shows the very key of the
/// license, and had it before. A service that shows no key gets none.
#[test]
fn a_service_that_shows_the_key_gets_its_license_again_whoever_the_customer_is() {
    let test = wanted_again();
    test.settings(&format!("{REMOVING}any_customer = true\n"));
    let message = sync(&test).fails("state").message().to_owned();
    assert!(message.contains("the service gets the license without a purchase"), "{message}");
    let third = OTHER + 1;
    test.whmcs_item(third, 1, ORDER).add();
    test.cmd("open", third).fails("bad_value");
    assert_eq!(test.item(third).param("lickey"), "", "{}", test.story());
    nothing_sent(&test);
    test.cmd("setparam", ITEM).ok();
    served(&test);
    sync(&test);
    assert_eq!(ledger(&test), (1, 0), "{}", test.story());
}

/// The same by the operator's command, if the panel has lost the change.
#[test]
fn a_license_that_is_wanted_again_can_be_bound_by_hand() {
    let test = wanted_again();
    sync(&test).fails("state");
    assert_eq!(operator(&test, "bind 42 4001 --yes").code, Some(0), "{}", test.story());
    served(&test);
    sync(&test).ok();
    assert_eq!(ledger(&test), (1, 0), "{}", test.story());
}

/// A service that wants none after all, names another order, or is closed does not keep it from being removed.
#[test]
fn a_license_that_its_former_service_does_not_want_is_removed() {
    for wants in ["nopanel", "another order", "closed"] {
        let test = wanted_again();
        sync(&test).fails("state");
        match wants {
            "nopanel" => test.choose(ITEM, "nopanel"),
            "closed" => test.set_item(ITEM, "status", "4"),
            _ => test.set_param(ITEM, "orderid", "4002"),
        }
        sync(&test);
        assert_eq!((ledger(&test), key(&test).as_str()), ((1, 1), ""), "{wants}: {}", test.story());
    }
}
