//! Five troubles that a newcomer finds and mends with what the program itself says.
use super::{day_in, difference, fine, in_state, json, opened, troubled};
use crate::support::{Fault, Test};

/// Nothing is left to do, and nothing was bought that should not have been.
fn settled(t: &Test, bought: usize) {
    let text = fine(t, "reconcile");
    assert!(text.contains("agree"), "{text}\n{}", t.story());
    assert_eq!(t.upstream.billed("soft.order.param"), bought, "{}", t.story());
    t.assert_clean();
}

/// Somebody bought a second license in the seller's panel: it replaces the first, which waits for the next client.
#[test]
fn a_license_bought_by_hand_can_replace_the_first_one() {
    let t = opened();
    let second = t.upstream.add_foreign(55227, 12, "192.0.2.10", "shop");
    let found = json(&t, "reconcile");
    let one = difference(&found, "duplicate");
    let command = one["command"].as_str().unwrap().to_owned();
    assert_eq!(command, format!("pmisplicense bind 42 {second} --replace"));
    assert!(troubled(&t, "reconcile").contains("both are paid for"));
    fine(&t, &format!("{} --yes", command.strip_prefix("pmisplicense ").unwrap()));
    assert_eq!(t.item(42).param("licid"), second.to_string());
    let first = t.upstream.license(5001);
    assert_eq!((first.licname.as_str(), first.ip.as_str(), first.status), ("free.lic", "0.0.0.0", 3));
    let bound = t.upstream.license(second);
    assert!(bound.remoteid.starts_with("pml-") && bound.autoprolong == "null", "{bound:?}");
    assert_eq!(t.item(42).param("lickey"), bound.key);
    settled(&t, 1);
}

/// A paid service without a license: one is obtained, once.
#[test]
fn a_paid_service_without_a_license_obtains_one_once() {
    let t = Test::new();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").active_until(&day_in(20)).add();
    let one = difference(&json(&t, "reconcile"), "no_license");
    assert_eq!((one["item"].as_u64(), one["remedy"].as_str()), (Some(42), Some("obtain")));
    assert_eq!(t.upstream.billed("soft.order.param"), 0, "naming buys nothing");
    fine(&t, "reconcile --apply");
    assert_eq!(t.item(42).param("lickey"), t.upstream.license(5001).key);
    settled(&t, 1);
}

/// The seller's support moved the license to another address.
#[test]
fn an_address_that_the_seller_changed_is_put_right() {
    let t = opened();
    t.upstream.edit_license(5001, |l| l.ip = "192.0.2.99".into());
    let shown = fine(&t, "show 42");
    assert!(shown.lines().any(|line| line.starts_with("*address")), "{shown}");
    assert!(fine(&t, "explain 42").contains("192.0.2.10"));
    assert_eq!(difference(&json(&t, "reconcile"), "ip")["license"], 5001);
    fine(&t, "reconcile --apply");
    assert_eq!(t.upstream.license(5001).ip, "192.0.2.10");
    settled(&t, 1);
}

/// An order whose answer was lost, and which the seller did not show at once.
#[test]
fn an_order_whose_answer_was_lost_is_named_and_found() {
    let t = Test::new();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").expires(&day_in(31)).add();
    t.upstream.fault(Fault::on("soft.order.param").drop_after().lag(1));
    t.cmd("open", 42).fails("client");
    let explained = fine(&t, "explain 42").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(explained.contains("order of tariff 55227 (request 1): its answer was lost"), "{}", t.story());
    assert!(operator_text(&t).contains("answer was lost"));
    let one = difference(&json(&t, "reconcile"), "doubt");
    assert_eq!((one["item"].as_u64(), one["remedy"].as_str()), (Some(42), Some("sync")));
    fine(&t, "reconcile --apply");
    assert_eq!(t.item(42).param("licid"), "5001");
    assert_eq!(t.item(42).status, 2, "the panel was told");
    settled(&t, 1);
}

fn operator_text(t: &Test) -> String {
    super::operator(t, "doctor").stdout
}

/// A key that never came: named after an hour, brought by retry once the seller has it.
#[test]
fn a_key_that_never_came_is_named_and_brought_by_retry() {
    let t = Test::setup().options(|o| o.key_after_reads = u32::MAX).start();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").expires(&day_in(31)).add();
    t.cmd("open", 42).ok();
    assert_eq!(t.item(42).param("lickey"), "");
    in_state(&t, "UPDATE license SET since = since - 7200");
    let doctor = operator_text(&t);
    assert!(doctor.contains("has had no key for over") && doctor.contains("retry 42"), "{doctor}");
    assert!(troubled(&t, "list --problems").contains("5001!"));
    assert_eq!(difference(&json(&t, "reconcile --apply"), "key_late")["outcome"], "failed");
    t.upstream.issue_keys();
    fine(&t, "retry 42 --yes");
    assert_eq!(t.item(42).param("lickey"), t.upstream.license(5001).key);
    settled(&t, 1);
}
