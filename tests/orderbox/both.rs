//! One panel that sells from both kinds of sellers. They share the state, the locks and each pass of sync. The same
//! number may be a hosting order at one and a license at the other.
use super::*;
use crate::service::state;
use crate::support::Fault;

const ISPMANAGER: u32 = 60;

/// A service of either kind, not opened. Their licenses will have the same number.
fn both() -> Test {
    let test = shop();
    test.settings(REMOVING);
    test.upstream.with(|world| world.next_id = ORDER);
    test.soft_item(ISPMANAGER, "55227", 1).ip("192.0.2.60").add();
    test
}

/// The answers of both purchases were lost, and both took effect since.
fn both_in_doubt() -> Test {
    let test = both();
    test.orderbox().fault(Fault::on("generate-license-key").late());
    test.upstream.fault(Fault::on("soft.order.param").late());
    for item in [ITEM, ISPMANAGER] {
        test.cmd("open", item).fails("client");
    }
    test.orderbox().land_late();
    test.upstream.land_late();
    test
}

fn each_bought_once(test: &Test) {
    let billed = (test.orderbox().charges(ORDER), test.upstream.ledger().len());
    assert_eq!(billed, (1, 1), "{}", test.story());
}

/// Each service shows its own key under the number that both have.
fn each_served(test: &Test) {
    served(test);
    let item = test.item(ISPMANAGER);
    let license = test.upstream.license(ORDER);
    assert_eq!(
        (item.status, item.param("lickey"), item.param("licid")),
        (2, &*license.key, "4001"),
        "{}",
        test.story()
    );
}

#[test]
fn one_number_may_be_a_license_at_either_seller() {
    let test = both();
    for item in [ITEM, ISPMANAGER] {
        test.cmd("open", item).ok();
    }
    each_served(&test);
    let states = || state(&test, "SELECT group_concat(state) FROM (SELECT state FROM license ORDER BY item)");
    assert_eq!(states(), "bound,bound");
    test.cmd("close", ITEM).ok();
    test.run(["sync"]).ok();
    assert_eq!((states().as_str(), test.orderbox().removals(ORDER)), ("deleted,bound", 1), "{}", test.story());
    assert_eq!(test.item(ISPMANAGER).param("lickey"), test.upstream.license(ORDER).key);
    // The other way round: the pool of one seller has nothing of the other's.
    let test = both();
    for item in [ITEM, ISPMANAGER] {
        test.cmd("open", item).ok();
    }
    test.cmd("close", ISPMANAGER).ok();
    test.run(["sync"]).ok();
    served(&test);
    assert_eq!(test.orderbox().removals(ORDER), 0, "{}", test.story());
    each_bought_once(&test);
}

#[test]
fn one_sync_pass_settles_what_is_in_doubt_at_both_sellers() {
    let test = both_in_doubt();
    test.run(["sync"]).ok();
    each_served(&test);
    each_bought_once(&test);
}

/// A pass goes on with one seller while the other is away, and nobody buys anything a second time.
#[test]
fn a_seller_that_is_away_keeps_nothing_from_the_other() {
    for is_orderbox_away in [true, false] {
        let test = both_in_doubt();
        if is_orderbox_away {
            test.orderbox().stop_listening();
        } else {
            test.upstream.stop_listening();
        }
        assert_eq!(test.run(["sync"]).code, Some(1), "{}", test.story());
        let shown = [ITEM, ISPMANAGER].map(|item| !test.item(item).param("lickey").is_empty());
        assert_eq!(shown, [!is_orderbox_away, is_orderbox_away], "{}", test.story());
        if is_orderbox_away {
            test.orderbox().listen_again();
        } else {
            test.upstream.listen_again();
        }
        test.run(["sync"]).ok();
        each_served(&test);
        each_bought_once(&test);
    }
}
