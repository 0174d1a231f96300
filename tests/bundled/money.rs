//! The costs of purchases, the provider's minimum balance, and the two billings of the vendor (docs/licensing-rules.md
//! 1 and 10).
use super::{licid, state};
use crate::support::Test;
use crate::support::upstream::Country;

const COSTS: &str = "SELECT pricelist || ' ' || COALESCE(minor, '-') || ' ' || COALESCE(currency, '-') || ' ' || source FROM cost ORDER BY intent";

/// Every purchase leaves its cost: the seller's word, the list price where that says nothing of the period, or that
/// nobody knows.
#[test]
fn every_purchase_leaves_its_cost_in_the_journal() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    test.cmd("open", 42).ok();
    test.cmd_op("prolong", 42, test.prolong_paid(42)).ok();
    test.choose(42, "55228");
    test.cmd("setparam", 42).ok();
    test.cmd("gen_key", 42).ok();
    assert_eq!(state(&test, COSTS), ["55227 500 EUR seller", "55227 500 EUR seller", "55228 - - unknown"]);
    let told = state(&test, "SELECT en FROM journal WHERE en LIKE '%cost 5.00 EUR%'");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("order of 55227 for service 42"), "{told:?}");
    let told = state(&test, "SELECT ru FROM journal WHERE ru LIKE '%стоимость 5.00 EUR%'");
    assert_eq!(told.len(), 2, "{told:?}");
}

/// Below minimum_balance nothing is bought, and nothing is sent; a module may have a minimum of its own.
#[test]
fn nothing_is_bought_or_sent_below_the_minimum_balance() {
    let mut test = Test::new();
    test.settings("minimum_balance = \"50.00\"\n[module.8]\nminimum_balance = \"\"\n");
    test.add_module(8, "pmisplicense");
    let url = test.upstream.url();
    test.connect_module(8, &url);
    test.upstream.set_balance(4999);
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    test.soft_item(43, "55227", 1).ip("192.0.2.43").module(8).add();
    let refused = test.cmd("open", 42);
    assert_eq!(refused.fails("nomoney").attribute("object"), "minimum_balance");
    assert!(refused.message().contains("49.99 EUR"), "{}", refused.message());
    assert!(test.upstream.requests_of("soft.order.param").is_empty());
    test.cmd("open", 43).ok();
    test.upstream.set_balance(5000);
    test.cmd("open", 42).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 2);
}

/// The Russian billing sells the same under codes of its own: a wrong code names the set that fits.
#[test]
fn a_code_of_the_wrong_billing_is_refused_with_the_right_set() {
    let test = Test::setup().options(|o| o.country = Country::Russian).start();
    test.soft_item(42, "55231", 1).ip("192.0.2.42").add();
    test.cmd("open", 42).ok();
    assert_eq!(state(&test, COSTS), ["55231 45000 RUB seller"]);
    test.soft_item(43, "55228", 1).ip("192.0.2.43").add();
    let refused = test.cmd("open", 43);
    assert_eq!(refused.code, Some(1));
    assert!(refused.message().contains("(55231 to 55235)"), "{}", refused.message());
    let international = Test::new();
    international.soft_item(42, "55232", 1).ip("192.0.2.42").add();
    let refused = international.cmd("open", 42);
    assert!(refused.message().contains("55227 to 55230"), "{}", refused.message());
    assert!(international.upstream.ledger().is_empty());
}

/// A negative balance of a postpaid account is normal: there is no minimum by default.
#[test]
fn a_negative_balance_of_a_postpaid_account_stops_nothing() {
    let test = Test::setup().options(|o| o.prepaid = false).start();
    test.upstream.set_balance(-100_000);
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    test.cmd("open", 42).ok();
    assert_ne!(licid(&test, 42), 0);
}
