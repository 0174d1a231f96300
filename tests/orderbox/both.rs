//! One panel that sells from both kinds of sellers. They share the state, the locks and each pass of sync. The same
//! number may be a hosting order at one and a license at the other.
use super::*;
use crate::service::{alter_state, state};
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

/// Two services had the number 42, one after the other, and each holds a license. Nothing is taken from them while the
/// state is old for one of the sellers. Then `unbind` says what becomes of either license.
#[test]
fn unbind_says_what_becomes_of_the_license_at_either_seller() {
    let test = both();
    for item in [ITEM, ISPMANAGER] {
        test.cmd("open", item).ok();
    }
    test.set_item(ISPMANAGER, "status", "4");
    alter_state(&test, "UPDATE license SET item = 42, incarnation = '42/2020-01-01 00:00:00/0' WHERE item = 60");
    let states = || state(&test, "SELECT group_concat(state) FROM (SELECT state FROM license ORDER BY account)");
    alter_state(&test, "INSERT INTO meta (name, value) VALUES ('restored', '2027-01-01')");
    let complete = |seller: &str| {
        let of = format!("SELECT 'complete:' || account FROM license WHERE family {seller} 'orderbox'");
        alter_state(&test, &format!("INSERT INTO meta (name, value) VALUES (({of}), '1')"));
    };
    complete("=");
    let refused = operator(&test, "unbind 42 --yes");
    assert!(refused.code == Some(1) && refused.stderr.contains("pmisplicense reconcile --apply"), "{refused:?}");
    assert_eq!(states(), "bound,bound");
    complete("<>");
    let told = operator(&test, "unbind 42 --yes").ok().stdout.clone();
    for words in ["stays on its hosting order (4001)", "License 4001 of the account reseller at", "sync"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let want = state(
        &test,
        "SELECT group_concat(CASE family WHEN 'orderbox' THEN 'stopped' ELSE 'to_free' END)
        FROM (SELECT family FROM license ORDER BY account)",
    );
    assert_eq!(states(), want);
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
