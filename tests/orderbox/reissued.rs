//! A removal, and an order that shows another key: the seller issued a new key for the same license, or the license was
//! removed and somebody bought another one. Only an operator can find out which; until then nothing is removed or
//! forgotten.
use super::*;
use crate::service::{settle, state};
use crate::support::Fault;

const REMOVE: &str = "delete-license-key";
const ANEW: &str = "Reseller-issued-anew";

fn row(test: &Test) -> String {
    state(test, "SELECT state FROM license WHERE id = 4001")
}

/// The request of the removal as our state has it.
fn removal(test: &Test) -> String {
    state(test, "SELECT status FROM intent WHERE kind = 'remove' ORDER BY id DESC LIMIT 1")
}

fn issue_anew(test: &Test) {
    test.orderbox().edit(ORDER, |o| o.key = ANEW.into());
}

/// The removal was sent and its answer lost. When the seller can no longer carry it out, the order shows another key.
fn lost_and_issued_anew() -> Test {
    let test = opened_with(REMOVING, |_| {});
    test.orderbox().fault(Fault::on(REMOVE).drop_before());
    test.cmd("close", ITEM).ok();
    issue_anew(&test);
    sync(&test).fails("client");
    settle(&test);
    waits_for_an_operator(&test);
    assert_eq!(test.orderbox().requests_of(REMOVE).len(), 1, "{}", test.story());
    test
}

/// The key changed while the license was held, so no removal was sent at all.
fn issued_anew_before_the_close(settings: &str) -> Test {
    let test = opened_with(settings, |_| {});
    issue_anew(&test);
    test.cmd("close", ITEM).ok();
    waits_for_an_operator(&test);
    nothing_sent(&test);
    test
}

/// Each pass ends with an error that has both commands, and each list of an operator names it.
fn waits_for_an_operator(test: &Test) {
    let output = sync(test);
    let told = output.fails("order_unknown").message();
    let (no, yes) =
        ("pmisplicense resolve 42 --intent 2 --not-bought", "pmisplicense resolve 42 --intent 2 --bought 4001");
    for words in [no, yes, "issued the key of this license anew", "somebody bought another one"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    for line in ["list --problems", "doctor", "reconcile", "show 42"] {
        let output = operator(test, line);
        let text = format!("{}{}", output.stdout, output.stderr);
        assert!(text.contains("resolve 42 --intent 2"), "{line}: {text}");
    }
    let problems = test.panel_changes().into_iter().filter(|line| line.starts_with("problems.register"));
    assert_eq!(problems.filter(|line| line.contains(no)).count(), 1, "{}", test.story());
    assert_eq!((row(test).as_str(), removal(test).as_str()), ("to_free", "handed_over"));
}

fn said(test: &Test, line: &str) -> Output {
    operator(test, &format!("{line} --yes"))
}

#[test]
fn a_key_that_was_issued_anew_is_no_proof_of_a_removal() {
    let test = lost_and_issued_anew();
    assert_eq!(said(&test, "resolve 42 --not-bought").code, Some(0), "{}", test.story());
    assert_eq!((row(&test).as_str(), key(&test).as_str()), ("to_free", ANEW));
    sync(&test).ok();
    assert_eq!((row(&test).as_str(), test.orderbox().removals(ORDER)), ("deleted", 1), "{}", test.story());
    assert_eq!(test.orderbox().requests_of(REMOVE).len(), 2);
    sync(&test).ok();
}

#[test]
fn a_license_that_was_bought_anew_outside_is_left_alone() {
    let test = lost_and_issued_anew();
    assert_eq!(said(&test, "resolve 42 --bought 4001").code, Some(0), "{}", test.story());
    assert_eq!((row(&test).as_str(), removal(&test).as_str()), ("deleted", "done"));
    sync(&test).ok();
    assert_eq!((key(&test).as_str(), test.orderbox().requests_of(REMOVE).len()), (ANEW, 1), "{}", test.story());
    assert!(operator(&test, "reconcile").stdout.contains("bind ITEM 4001"), "an order that no service has");
}

/// If nothing was sent, there is nothing to wait for. An operator is asked even if licenses are removed by hand.
#[test]
fn a_key_that_changed_before_the_close_is_asked_about() {
    for settings in [REMOVING, ""] {
        let test = issued_anew_before_the_close(settings);
        assert_eq!(said(&test, "resolve 42 --bought 4001").code, Some(0), "{}", test.story());
        sync(&test).ok();
        assert_eq!((row(&test).as_str(), key(&test).as_str()), ("deleted", ANEW), "{settings}");
        let test = issued_anew_before_the_close(settings);
        assert_eq!(said(&test, "resolve 42 --not-bought").code, Some(0), "{}", test.story());
        sync(&test);
        let removes = !settings.is_empty();
        assert_eq!(row(&test), if removes { "deleted" } else { "to_free" }, "{}", test.story());
        assert_eq!(test.orderbox().removals(ORDER), usize::from(removes));
        assert!(removes || problems_reported(&test).contains("Remove the license in the seller's panel"));
    }
}

/// It went by itself after all: no key is a proof, whoever took it away.
#[test]
fn an_order_without_a_key_ends_the_question() {
    let test = lost_and_issued_anew();
    test.orderbox().remove_key(ORDER);
    let output = said(&test, "resolve 42 --not-bought");
    assert!(output.code == Some(1) && output.stderr.contains("it was removed"), "{output:?}");
    sync(&test).ok();
    assert_eq!((row(&test).as_str(), removal(&test).as_str()), ("deleted", "done"));
}

/// The service was opened again and uses the license: `bind` says so, and ends the question.
#[test]
fn a_service_that_was_opened_again_keeps_the_license_by_bind() {
    let test = lost_and_issued_anew();
    test.set_item(ITEM, "status", "1");
    test.cmd("reopen", ITEM).fails("order_unknown");
    test.set_item(ITEM, "status", "2");
    assert_eq!(said(&test, "bind 42 4001").code, Some(0), "{}", test.story());
    assert_eq!((row(&test).as_str(), removal(&test).as_str()), ("bound", "not_happened"));
    sync(&test).ok();
    served(&test);
    assert_eq!((test.orderbox().charges(ORDER), test.orderbox().requests_of(REMOVE).len()), (1, 1));
}

/// Refused, and the key changed in that very moment.
#[test]
fn a_refused_removal_with_another_key_is_asked_about() {
    let test = opened_with(REMOVING, |_| {});
    test.orderbox().before(REMOVE, 1, |world| {
        if let Some(order) = world.orders.get_mut(&ORDER) {
            order.key = ANEW.into();
        }
    });
    test.orderbox().fault(Fault::on(REMOVE).refused("Something odd"));
    test.cmd("close", ITEM).ok();
    waits_for_an_operator(&test);
    assert_eq!((test.orderbox().removals(ORDER), key(&test).as_str()), (0, ANEW), "{}", test.story());
}

/// The order as the seller shows it is believed before the operator's answer.
#[test]
fn an_operator_who_contradicts_the_order_is_refused() {
    let test = opened_with(&format!("[upstream]\nresend = false\n{REMOVING}"), |_| {});
    test.orderbox().fault(Fault::on(REMOVE).drop_before());
    test.cmd("close", ITEM).ok();
    settle(&test);
    sync(&test).fails("order_unknown");
    let output = said(&test, "resolve 42 --bought 4001");
    assert!(output.code == Some(1) && output.stderr.contains("still shows the key"), "{output:?}");
    assert_eq!(removal(&test), "handed_over");
    assert_eq!(said(&test, "resolve 42 --not-bought").code, Some(0), "{}", test.story());
    sync(&test).ok();
    assert_eq!((row(&test).as_str(), test.orderbox().removals(ORDER)), ("deleted", 1), "{}", test.story());
}
