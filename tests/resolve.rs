//! resolve: a person ends a doubt (MONEY.md 3), unless his word would buy twice or take another's license.
use crate::service::{licid, opened, settle, state};
use crate::support::{Fault, Output, Test};

/// Service 42, whose order is in doubt: it never came.
fn in_doubt() -> Test {
    let test = Test::new();
    order_in_doubt(&test);
    test
}

fn order_in_doubt(test: &Test) {
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.upstream.fault(Fault::on("soft.order.param").drop_before());
    test.cmd("open", 42).fails("client");
}

fn resolve(test: &Test, words: &[&str]) -> Output {
    let line: Vec<&str> = ["resolve", "42"].iter().chain(words).copied().collect();
    test.run(line)
}

/// Refused, with these words, and the doubt is left as it was.
fn refused(test: &Test, words: &[&str], told: &str) {
    let output = resolve(test, words);
    assert!(output.code == Some(1) && output.stderr.contains(told), "{}", output.stderr);
    assert_eq!(state(test, "SELECT status FROM wish ORDER BY id DESC"), "in_doubt");
}

/// Before the settling time is over upstream may still carry the order out: it cannot be said that it did not.
#[test]
fn not_bought_too_early() {
    let test = in_doubt();
    refused(&test, &["--not-bought"], "client");
    refused(&test, &["--not-bought", "--wish", "7"], "no open wish 7");
    settle(&test);
    resolve(&test, &["--not-bought", "--wish", "1"]).ok();
    assert_eq!(state(&test, "SELECT status FROM wish"), "not_happened");
    test.cmd("open", 42).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 1);
}

/// A license that serves another service is not what was bought for this one; one that serves nobody may be.
#[test]
fn license_of_another() {
    let test = Test::new();
    let (held, free) = (opened(&test, 40, "55227", 1), opened(&test, 41, "55227", 1));
    order_in_doubt(&test);
    test.upstream.age(free, 40);
    test.cmd("close", 41).ok();
    refused(&test, &["--bought", &held.to_string()], "serves service 40");
    refused(&test, &["--bought", "777777"], "license_gone");
    resolve(&test, &["--bought", &free.to_string()]).ok();
    test.upstream.age(free, 40);
    test.cmd("open", 42).ok();
    assert_eq!((licid(&test, 40), licid(&test, 42), test.upstream.billed("soft.order.param")), (held, free, 2));
}

/// A change in doubt is about one license, which must be named; said to be carried out, it is not sent again.
#[test]
fn a_change() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.upstream.fault(Fault::on("service.prolong").drop_before().always());
    test.cmd_op("prolong", 42, test.prolong_paid(42)).fails("client");
    test.upstream.clear_faults();
    refused(&test, &["--bought", "777777"], &format!("name {id}"));
    resolve(&test, &["--bought", &id.to_string()]).ok();
    assert_eq!(state(&test, "SELECT status FROM wish ORDER BY id DESC"), "done");
    assert_eq!(test.upstream.billed("service.prolong"), 0);
}
