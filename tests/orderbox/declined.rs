//! A purchase that the seller did not accept, or that neither its answer nor its list of actions confirms, and an order
//! that shows a key nevertheless: the purchase was carried out, or the client bought the license himself at that
//! moment. The service gets it. Nothing removes it before an operator has said whose it is.
use super::*;
use crate::service::{settle, state};
use crate::support::Fault;
use crate::support::orderbox::Repeat;

const ADD: &str = "generate-license-key";
const REMOVE: &str = "delete-license-key";
const OWN: &str = "Client-bought-it";

fn row(test: &Test) -> String {
    state(test, "SELECT state FROM license WHERE id = 4001")
}

fn said(test: &Test, line: &str) -> Output {
    operator(test, &format!("{line} --yes"))
}

fn with_settings(settings: &str) -> Test {
    let test = shop_with(|o| o.repeat = Repeat::Refused);
    test.settings(settings);
    test
}

/// The seller answers that it refuses, or that the order is busy, and carries the purchase out.
fn declined_and_done(settings: &str, words: &str) -> Test {
    let test = with_settings(settings);
    test.orderbox().fault(Fault::on(ADD).refused_after(words));
    test.cmd("open", ITEM).ok();
    served(&test);
    test
}

/// The client buys the license in the moment between our last look and our request, which is refused for that reason.
fn client_was_faster(settings: &str) -> Test {
    client_bought_before(with_settings(settings))
}

fn client_bought_before(test: Test) -> Test {
    test.orderbox().before(ADD, 1, |world| {
        if let Some(order) = world.orders.get_mut(&ORDER) {
            order.key = OWN.into();
        }
    });
    test.cmd("open", ITEM).ok();
    assert_eq!((test.item(ITEM).param("lickey"), test.orderbox().charges(ORDER)), (OWN, 0), "{}", test.story());
    test
}

/// The same, and the answer is lost, whatever it was: a refusal, or a confirmation of the license that is there.
fn client_was_faster_and_no_answer_came(settings: &str, repeat: Repeat) -> Test {
    let test = shop_with(|o| o.repeat = repeat);
    test.settings(settings);
    test.orderbox().fault(Fault::on(ADD).drop_after());
    client_bought_before(test)
}

/// Our purchase is carried out, and its answer is lost.
fn bought_without_answer(change: impl FnOnce(&mut Options)) -> Test {
    let test = shop_with(change);
    test.settings(REMOVING);
    test.orderbox().fault(Fault::on(ADD).drop_after());
    test.cmd("open", ITEM).ok();
    served(&test);
    test
}

fn hide_actions(test: &Test, is_hidden: bool) {
    test.orderbox().with(|world| world.actions.iter_mut().for_each(|action| action.is_hidden = is_hidden));
}

fn is_removed_once(test: &Test) {
    assert_eq!((row(test).as_str(), test.orderbox().removals(ORDER)), ("deleted", 1), "{}", test.story());
}

/// Nothing was removed, and the next pass and each list of an operator put the question.
fn is_asked_about(test: &Test) {
    is_asked_because(test, "did not accept the purchase");
}

fn is_asked_because(test: &Test, reason: &str) {
    let output = sync(test);
    let message = output.fails("order_unknown").message();
    let (no, yes) =
        ("pmisplicense resolve 42 --intent 2 --not-bought", "pmisplicense resolve 42 --intent 2 --bought 4001");
    for words in [no, yes, "pmisplicense bind 42 4001", reason, "somebody else bought"] {
        assert!(message.contains(words), "{words}: {message}");
    }
    for line in ["list --problems", "doctor", "reconcile", "show 42"] {
        let output = operator(test, line);
        let text = format!("{}{}", output.stdout, output.stderr);
        assert!(text.contains("resolve 42 --intent 2"), "{line}: {text}");
    }
    let problems = test.panel_changes().into_iter().filter(|line| line.starts_with("problems.register"));
    assert_eq!(problems.filter(|line| line.contains(reason)).count(), 1, "{}", test.story());
    assert_eq!((row(test).as_str(), test.orderbox().requests_of(REMOVE).len()), ("to_free", 0), "{}", test.story());
}

#[test]
fn a_license_that_the_client_bought_at_that_moment_is_never_removed() {
    for settings in [REMOVING, ""] {
        let test = client_was_faster(settings);
        test.cmd("close", ITEM).ok();
        is_asked_about(&test);
        let output = said(&test, "resolve 42 --bought 4001");
        assert!(output.code == Some(0) && output.stdout.contains("somebody else"), "{output:?}");
        sync(&test).ok();
        assert_eq!((row(&test).as_str(), key(&test).as_str()), ("deleted", OWN), "{settings}: {}", test.story());
        assert_eq!(test.orderbox().requests_of(REMOVE).len(), 0);
    }
}

#[test]
fn a_license_whose_purchase_was_declined_is_removed_once_an_operator_says_so() {
    for words in ["no_money", "has_key", "pending"] {
        let test = declined_and_done(REMOVING, words);
        test.cmd("close", ITEM).ok();
        is_asked_about(&test);
        assert_eq!(said(&test, "resolve 42 --not-bought").code, Some(0), "{}", test.story());
        sync(&test).ok();
        assert_eq!((row(&test).as_str(), test.orderbox().removals(ORDER)), ("deleted", 1), "{words}: {}", test.story());
        sync(&test).ok();
    }
}

/// Where an operator removes licenses by hand, he is asked to do it after he has said whose it is.
#[test]
fn a_declined_purchase_is_named_for_removal_by_hand_only_after_the_answer() {
    let test = declined_and_done("", "no_money");
    test.cmd("close", ITEM).ok();
    is_asked_about(&test);
    assert!(!problems_reported(&test).contains("Remove the license in the seller's panel"), "{}", test.story());
    assert_eq!(said(&test, "resolve 42 --not-bought").code, Some(0));
    sync(&test);
    assert!(problems_reported(&test).contains("Remove the license in the seller's panel"), "{}", test.story());
    test.orderbox().remove_key(ORDER);
    sync(&test).ok();
    assert_eq!(test.orderbox().requests_of(REMOVE).len(), 0, "{}", test.story());
}

/// A service that is opened again goes on with the license by `bind`, which answers the question for good.
#[test]
fn a_declined_purchase_that_is_bound_again_is_the_services_own() {
    let test = declined_and_done(REMOVING, "no_money");
    test.cmd("close", ITEM).ok();
    is_asked_about(&test);
    test.set_item(ITEM, "status", "2");
    assert_eq!(said(&test, "bind 42 4001").code, Some(0), "{}", test.story());
    assert_eq!(row(&test), "bound");
    test.cmd("close", ITEM).ok();
    assert_eq!((row(&test).as_str(), test.orderbox().removals(ORDER)), ("deleted", 1), "{}", test.story());
}

/// An operator who left the license to its buyer binds it after all: it is the service's own, and goes with the
/// service. His answer was taken even while the order could not be read.
#[test]
fn a_license_that_was_left_to_its_buyer_and_then_bound_is_removed_at_the_next_close() {
    for is_read in [true, false] {
        let test = client_was_faster(REMOVING);
        test.cmd("close", ITEM).ok();
        is_asked_about(&test);
        if !is_read {
            test.orderbox().fault(Fault::on("details").drop_before().always());
        }
        assert_eq!(said(&test, "resolve 42 --bought 4001").code, Some(0), "{}", test.story());
        test.orderbox().clear_faults();
        assert_eq!((row(&test).as_str(), test.orderbox().requests_of(REMOVE).len()), ("deleted", 0));
        test.set_item(ITEM, "status", "2");
        assert_eq!(said(&test, "bind 42 4001").code, Some(0), "{}", test.story());
        sync(&test).ok();
        test.cmd("close", ITEM).ok();
        is_removed_once(&test);
        sync(&test).ok();
    }
}

/// The key of a purchase that the seller accepted is removed as ever.
#[test]
fn an_accepted_purchase_is_removed_unasked() {
    let test = opened_with(REMOVING, |_| {});
    test.cmd("close", ITEM).ok();
    assert_eq!((row(&test).as_str(), test.orderbox().removals(ORDER)), ("deleted", 1), "{}", test.story());
}

const UNANSWERED: &str = "does not show the purchase";

/// The list shows no action of ours, even after the settling time: nothing says that our purchase brought the key.
#[test]
fn a_license_that_the_client_bought_while_our_answer_was_lost_is_never_removed() {
    for (settings, repeat) in [(REMOVING, Repeat::Refused), (REMOVING, Repeat::Free), ("", Repeat::Refused)] {
        let test = client_was_faster_and_no_answer_came(settings, repeat);
        test.cmd("close", ITEM).ok();
        sync(&test).fails("client");
        settle(&test);
        is_asked_because(&test, UNANSWERED);
        assert_eq!(said(&test, "resolve 42 --bought 4001").code, Some(0), "{}", test.story());
        sync(&test).ok();
        assert_eq!((row(&test).as_str(), key(&test).as_str()), ("deleted", OWN), "{settings}: {}", test.story());
        assert_eq!(test.orderbox().requests_of(REMOVE).len(), 0);
    }
}

/// A lost answer alone is no reason to ask: the list shows the action of our purchase.
#[test]
fn a_purchase_without_answer_that_the_list_confirms_is_removed_unasked() {
    let test = bought_without_answer(|_| {});
    test.cmd("close", ITEM).ok();
    is_removed_once(&test);
    // The action enters the list only after the close.
    let test = bought_without_answer(|_| {});
    hide_actions(&test, true);
    test.cmd("close", ITEM).ok();
    sync(&test).fails("client");
    assert_eq!(test.orderbox().requests_of(REMOVE).len(), 0, "{}", test.story());
    hide_actions(&test, false);
    sync(&test).ok();
    is_removed_once(&test);
}

/// At a seller whose list never shows it, an operator says once that it is ours.
#[test]
fn a_purchase_that_nothing_confirms_is_removed_once_an_operator_says_so() {
    let test = bought_without_answer(|o| o.old_answer = true);
    hide_actions(&test, true);
    test.cmd("close", ITEM).ok();
    settle(&test);
    is_asked_because(&test, UNANSWERED);
    assert_eq!(said(&test, "resolve 42 --not-bought").code, Some(0), "{}", test.story());
    sync(&test).ok();
    is_removed_once(&test);
    sync(&test).ok();
}

/// An answer of success needs no list.
#[test]
fn an_accepted_purchase_that_the_list_does_not_show_is_removed_unasked() {
    let test = opened_with(REMOVING, |o| o.old_answer = true);
    hide_actions(&test, true);
    test.cmd("close", ITEM).ok();
    is_removed_once(&test);
}

const OTHER: u32 = 43;

/// The service chooses no license while the seller is away, so nobody is asked yet. Another service of the client names
/// the order.
fn given_back_unasked(test: &Test) {
    test.whmcs_item(OTHER, 1, ORDER).add();
    test.orderbox().stop_listening();
    test.choose(ITEM, "nopanel");
    test.cmd("setparam", ITEM).ok();
    test.orderbox().listen_again();
    assert_eq!(row(test), "to_free", "{}", test.story());
}

/// The client would pay for a license that he may have bought himself. Before, the other service got it if it was
/// opened before anybody was asked.
fn is_not_handed_to_the_other(test: &Test) {
    let message = test.cmd("open", OTHER).fails("bad_value").message().to_owned();
    assert!(message.contains("pmisplicense bind 43 4001"), "{message}");
    assert_eq!((test.item(OTHER).param("lickey"), row(test).as_str()), ("", "to_free"), "{}", test.story());
}

/// Neither before the settling time, in which the list may still confirm the purchase, nor after it.
#[test]
fn a_license_that_nothing_confirms_as_ours_is_not_handed_to_another_service() {
    let test = client_was_faster(REMOVING);
    given_back_unasked(&test);
    is_not_handed_to_the_other(&test);
    let test = client_was_faster_and_no_answer_came(REMOVING, Repeat::Refused);
    given_back_unasked(&test);
    test.cmd("open", OTHER).fails("client");
    settle(&test);
    is_not_handed_to_the_other(&test);
    is_asked_because(&test, UNANSWERED);
    test.cmd("open", OTHER).fails("order_unknown");
    assert_eq!((test.item(OTHER).param("lickey"), test.orderbox().charges(ORDER)), ("", 0), "{}", test.story());
}

/// What the list, or an operator, confirms as ours is handed to another service of the client without a purchase.
#[test]
fn a_license_that_is_confirmed_as_ours_is_handed_to_another_service() {
    for is_listed in [true, false] {
        let test = bought_without_answer(|_| {});
        given_back_unasked(&test);
        if !is_listed {
            hide_actions(&test, true);
            settle(&test);
            is_not_handed_to_the_other(&test);
            is_asked_because(&test, UNANSWERED);
            assert_eq!(said(&test, "resolve 42 --not-bought").code, Some(0), "{}", test.story());
        }
        test.cmd("open", OTHER).ok();
        assert_eq!(test.item(OTHER).param("lickey"), key(&test), "{}", test.story());
        assert_eq!((test.orderbox().charges(ORDER), test.orderbox().removals(ORDER)), (1, 0), "{}", test.story());
    }
}

/// The question goes with the license when an operator has given it to another service of the client.
#[test]
fn a_license_that_changed_its_service_is_asked_about_too() {
    let test = declined_and_done(REMOVING, "no_money");
    given_back_unasked(&test);
    assert_eq!(said(&test, "bind 43 4001").code, Some(0), "{}", test.story());
    test.cmd("close", OTHER).ok();
    assert_eq!(row(&test), "to_free", "{}", test.story());
    assert!(sync(&test).fails("order_unknown").message().contains("did not accept the purchase"), "{}", test.story());
    assert_eq!(test.orderbox().requests_of(REMOVE).len(), 0);
}
