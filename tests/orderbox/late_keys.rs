//! Keys that come late: a license that was bought, and given back before its key came, is neither bought again nor
//! forgotten.
use super::*;
use crate::service::{alter_state, settle, state};

const KEEPING: &str = "on_close = \"keep\"\n[orderbox]\nremove_call = \"delete-license-key\"\n";

/// Opened, its key late, and closed.
fn closed_before_its_key_came(settings: &str) -> Test {
    let test = opened_with(settings, |o| o.key_late_reads = u32::MAX);
    test.cmd("close", ITEM).ok();
    assert_eq!(test.item(ITEM).status, 4);
    test
}

fn opened_again(test: &Test) -> Output {
    test.set_item(ITEM, "status", "1");
    test.cmd("reopen", ITEM)
}

fn key_comes(test: &Test) {
    test.orderbox().edit(ORDER, |o| o.key_late_reads = 0);
}

/// The row in our state.
fn row(test: &Test) -> String {
    state(test, "SELECT state FROM license WHERE id = 4001")
}

/// The key of our purchase is handed out, and that was the only purchase.
fn served_by_the_first_purchase(test: &Test) {
    served(test);
    assert_eq!(test.orderbox().charges(ORDER), 1, "{}", test.story());
}

#[test]
fn a_license_given_back_before_its_key_came_is_not_bought_again() {
    for settings in [REMOVING, KEEPING, ""] {
        let test = closed_before_its_key_came(settings);
        opened_again(&test).ok();
        assert_eq!((test.orderbox().charges(ORDER), test.item(ITEM).status), (1, 2), "{settings}: {}", test.story());
        key_comes(&test);
        sync(&test).ok();
        served_by_the_first_purchase(&test);
        test.assert_clean();
    }
}

/// The key came, and no run saw it before the service was opened again.
#[test]
fn a_kept_license_whose_key_is_late_is_not_forgotten() {
    let test = closed_before_its_key_came(KEEPING);
    sync(&test).ok();
    assert_eq!(row(&test), "stopped", "{}", test.story());
    key_comes(&test);
    opened_again(&test).ok();
    served_by_the_first_purchase(&test);
    nothing_sent(&test);
    // Or one did: it is no other key afterwards.
    let test = closed_before_its_key_came(KEEPING);
    key_comes(&test);
    sync(&test).ok();
    assert_eq!(state(&test, "SELECT lickey FROM license WHERE id = 4001"), key(&test));
    test.orderbox().edit(ORDER, |o| o.key = "Reseller-somebody-elses".into());
    opened_again(&test).fails("bad_value");
    assert_eq!(test.item(ITEM).param("lickey"), "");
    nothing_sent(&test);
}

/// Another service on the same order waits: nothing is bought for it, and it is not given what is still to come.
#[test]
fn another_service_does_not_buy_what_is_still_to_come() {
    for settings in [REMOVING, KEEPING] {
        let test = closed_before_its_key_came(settings);
        test.whmcs_item(43, 1, ORDER).add();
        let output = test.cmd("open", 43);
        assert!(output.fails("upstream").message().contains("4001"), "{}", output.message());
        assert_eq!((test.orderbox().charges(ORDER), test.item(43).param("lickey")), (1, ""), "{}", test.story());
        nothing_sent(&test);
    }
}

/// A purchase that was accepted and failed afterwards does not count: no run waits for its key, and a new license may
/// be bought.
#[test]
fn a_purchase_that_failed_is_not_waited_for() {
    for (settings, is_synced) in [(REMOVING, true), (REMOVING, false), (KEEPING, true), (KEEPING, false)] {
        let test = opened_with(settings, |o| o.queue_reads = u32::MAX);
        test.orderbox().fail(ORDER);
        test.cmd("close", ITEM).ok();
        sync(&test);
        assert_ne!(row(&test), "deleted", "{settings}: within the settling time nothing is given up");
        settle(&test);
        if is_synced {
            sync(&test).ok();
            assert_eq!(row(&test), "deleted", "{settings}: {}", test.story());
        }
        test.orderbox().options(|o| o.queue_reads = 0);
        opened_again(&test).ok();
        served(&test);
        assert_eq!(test.orderbox().cost(ORDER).1, 80_000, "the first one was paid back");
        assert_eq!(test.orderbox().posts().len(), 1, "{}", test.story());
    }
}

/// Somebody else's license on an order whose purchase failed is neither removed nor handed out.
#[test]
fn a_foreign_key_is_not_taken_for_that_of_a_failed_purchase() {
    for settings in [REMOVING, KEEPING] {
        let test = opened_with(settings, |o| o.queue_reads = u32::MAX);
        test.orderbox().fail(ORDER);
        test.cmd("close", ITEM).ok();
        settle(&test);
        test.orderbox().edit(ORDER, |o| o.key = "Reseller-somebody-elses".into());
        sync(&test).ok();
        assert_eq!(row(&test), "deleted", "{settings}: {}", test.story());
        opened_again(&test).fails("bad_value");
        assert_eq!((test.item(ITEM).param("lickey"), key(&test).as_str()), ("", "Reseller-somebody-elses"));
        nothing_sent(&test);
    }
}

/// The problems that the panel was asked to show since the last `forget`.
fn problems(test: &Test) -> Vec<String> {
    test.panel_changes().into_iter().filter(|line| line.starts_with("problems.register")).collect()
}

fn an_hour_passes(test: &Test) {
    settle(test);
    alter_state(test, "UPDATE license SET since = since - 3600");
}

/// Whatever became of the service, an operator gets one message, with the command that ends the waiting.
#[test]
fn a_key_that_does_not_come_is_reported_to_an_operator_once() {
    for (settings, is_closed) in [("", false), (REMOVING, true), (KEEPING, true), ("", true)] {
        let test = opened_with(settings, |o| o.key_late_reads = u32::MAX);
        if is_closed {
            test.cmd("close", ITEM).ok();
        }
        forget(&test);
        sync(&test);
        assert_eq!(problems(&test), Vec::<String>::new(), "{settings} {is_closed}: within the hour");
        an_hour_passes(&test);
        for _ in 0..2 {
            sync(&test).ok();
        }
        let told = problems(&test);
        let names = |words: &str| told.iter().all(|line| line.contains(words));
        assert!(told.len() == 1 && names("4001") && names("pmisplicense resolve 42 --not-bought"), "{told:?}");
        key_comes(&test);
        sync(&test).ok();
        match (settings, is_closed) {
            (_, false) => served(&test),
            (REMOVING, true) => assert_eq!((row(&test), key(&test)), ("deleted".into(), String::new())),
            (_, true) => assert!(!key(&test).is_empty(), "kept, or an operator's to remove"),
        }
        assert_eq!(test.orderbox().charges(ORDER), 1, "{}", test.story());
    }
}

/// The clock stood a month ahead when the license was bound. The operator hears of the missing key at once, and not
/// after a month.
#[test]
fn a_late_key_is_reported_though_the_clock_was_ahead_when_the_license_was_bound() {
    let test = opened_with("", |o| o.key_late_reads = u32::MAX);
    forget(&test);
    alter_state(&test, "UPDATE license SET since = since + 31 * 86400");
    for _ in 0..2 {
        sync(&test).ok();
    }
    assert_eq!(problems(&test).len(), 1, "{}", test.story());
    assert!(test.run(["list", "--problems"]).stdout.contains("4001"), "{}", test.story());
}

/// Somebody removed the license before any run saw its key. An operator says so, and the service may have another one.
#[test]
fn an_operator_ends_the_waiting_for_a_key() {
    for is_closed in [false, true] {
        let test = opened_with(REMOVING, |o| o.key_late_reads = u32::MAX);
        if is_closed {
            test.cmd("close", ITEM).ok();
        }
        let word = "resolve 42 --not-bought --yes";
        assert_eq!(operator(&test, word).code, Some(1), "the seller may still carry it out");
        an_hour_passes(&test);
        test.orderbox().busy(ORDER, "ModHosting");
        assert_eq!(operator(&test, word).code, Some(1), "an action is under way");
        test.orderbox().finish(ORDER);
        assert_eq!(row(&test), if is_closed { "to_free" } else { "bound" });
        test.orderbox().remove_key(ORDER);
        test.orderbox().edit(ORDER, |o| o.key_late_reads = 0);
        test.orderbox().options(|o| o.key_late_reads = 0);
        nothing_sent(&test);
        let output = operator(&test, word);
        assert_eq!(
            (output.code, row(&test).as_str(), test.item(ITEM).param("licid")),
            (Some(0), "deleted", ""),
            "{output:?}"
        );
        opened_again(&test).ok();
        served(&test);
        assert_eq!(test.orderbox().charges(ORDER), 2, "{}", test.story());
    }
}

/// The waiting does not end that way when a key is there: the purchase did happen.
#[test]
fn the_waiting_for_a_key_is_not_ended_when_it_came() {
    let test = opened_with(REMOVING, |o| o.key_late_reads = u32::MAX);
    an_hour_passes(&test);
    key_comes(&test);
    let output = operator(&test, "resolve 42 --not-bought --yes");
    assert!(output.code == Some(1) && format!("{output:?}").contains("pmisplicense sync"), "{output:?}");
    sync(&test).ok();
    served_by_the_first_purchase(&test);
}

/// A service waits for the keys of two orders. To end the wrong one would buy a second license, so the operator has to
/// name the purchase.
#[test]
fn of_two_keys_that_never_came_the_operator_names_one() {
    let test = closed_before_its_key_came(REMOVING);
    test.orderbox().add(Order::new(4002));
    test.set_param(ITEM, "orderid", "4002");
    opened_again(&test).ok();
    settle(&test);
    let states = || state(&test, "SELECT group_concat(state) FROM (SELECT state FROM license ORDER BY id)");
    assert_eq!(states(), "to_free,bound", "{}", test.story());
    let output = operator(&test, "resolve 42 --not-bought --yes");
    assert_eq!(output.code, Some(1));
    for words in ["--intent 1: license for hosting order 4001", "--intent 2: license for hosting order 4002"] {
        assert!(output.stderr.contains(words), "{}", output.stderr);
    }
    assert_eq!(states(), "to_free,bound");
    assert_eq!(operator(&test, "resolve 42 --intent 2 --not-bought --yes").code, Some(0), "{}", test.story());
    assert_eq!(states(), "to_free,deleted");
}
