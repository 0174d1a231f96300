//! resolve: an operator settles what is in doubt (docs/money-safety.md 3), unless that would buy twice or take
//! another's license. The license is compared with the order and shown before the operator is asked, and marked.
use crate::service::{alter_state, licid, opened, settle, state};
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

/// Refused, with these words, and the request stays in doubt.
fn refused(test: &Test, words: &[&str], told: &str) {
    let output = resolve(test, words);
    assert!(output.code == Some(1) && output.stderr.contains(told), "{}", output.stderr);
    assert_eq!(state(test, "SELECT status FROM intent ORDER BY id DESC"), "in_doubt");
}

/// Before the settling time is over the seller may still carry the order out: it cannot be said that it did not.
#[test]
fn an_order_cannot_be_ended_as_not_bought_before_it_has_settled() {
    let test = in_doubt();
    refused(&test, &["--not-bought", "--yes"], "client");
    refused(&test, &["--not-bought", "--intent", "7", "--yes"], "no request 7 in doubt");
    settle(&test);
    // The former name of the option still works.
    resolve(&test, &["--not-bought", "--wish", "1", "--yes"]).ok();
    assert_eq!(state(&test, "SELECT status FROM intent"), "not_happened");
    test.cmd("open", 42).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 1);
}

/// A license that serves another service is not what was bought for this one; one that serves nobody may be.
#[test]
fn a_license_that_serves_another_service_was_not_bought_for_this_one() {
    let test = Test::new();
    let (held, free) = (opened(&test, 40, "55227", 1), opened(&test, 41, "55227", 1));
    order_in_doubt(&test);
    test.upstream.age(free, 40);
    test.cmd("close", 41).ok();
    refused(&test, &["--bought", &held.to_string(), "--yes"], "serves service 40");
    refused(&test, &["--bought", "777777", "--yes"], "license_gone");
    test.upstream.age(free, 40);
    let key = test.upstream.license(free).key;
    resolve(&test, &["--bought", &free.to_string(), "--yes"]).ok();
    test.cmd("open", 42).ok();
    assert_ne!(test.upstream.license(free).key, key, "service 41 knows that one");
    assert_eq!((licid(&test, 40), licid(&test, 42), test.upstream.billed("soft.order.param")), (held, free, 2));
}

/// A change in doubt is about one license, which must be named; said to be carried out, it is not sent again.
#[test]
fn a_change_said_to_be_carried_out_is_not_sent_again() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.upstream.fault(Fault::on("service.prolong").drop_before().always());
    test.cmd_op("prolong", 42, test.prolong_paid(42)).fails("client");
    test.upstream.clear_faults();
    refused(&test, &["--bought", "777777", "--yes"], &format!("--intent 2 --bought {id}"));
    resolve(&test, &["--bought", &id.to_string(), "--yes"]).ok();
    assert_eq!(state(&test, "SELECT status FROM intent ORDER BY id DESC"), "done");
    assert_eq!(test.upstream.billed("service.prolong"), 0);
}

/// The license that an order in doubt brought, as the seller has it: of that tariff, at the service's address.
fn brought(test: &Test, pricelist: u32) -> u64 {
    test.upstream.add_foreign(pricelist, 1, "192.0.2.10", "bought by hand")
}

#[test]
fn resolve_shows_before_and_after_and_asks() {
    let test = in_doubt();
    let id = brought(&test, 55227).to_string();
    let line = format!("resolve 42 --bought {id}");
    let output = test.program(line.split(' ')).env("LC_ALL", "C").run();
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{}", output.stderr);
    for words in ["NOW", "THEN", "bought by hand", "is what it bought", "--yes"] {
        assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
    }
    refused(&test, &["--bought", &id], "--yes");
    let (text, code) = crate::admin::on_terminal(&test, &line, "n\n");
    assert_eq!((code, text.contains("nothing was done, as you said")), (Some(1), true), "{text}");
    assert_eq!(test.upstream.license(id.parse().unwrap()).remoteid, "", "nothing was changed");
    let done = test.run(["resolve", "42", "--bought", &id, "--yes", "--json"]).ok().stdout.clone();
    let done: serde_json::Value = serde_json::from_str(&done).unwrap();
    assert_eq!((&done["outcome"], &done["wish"]), (&"bought".into(), &1.into()));
    test.cmd("open", 42).ok();
    assert_eq!((licid(&test, 42).to_string(), test.upstream.billed("soft.order.param")), (id, 0));
}

#[test]
fn resolve_shows_what_another_order_would_cost() {
    let test = in_doubt();
    settle(&test);
    let output = resolve(&test, &["--not-bought"]);
    let mark = format!("mark pml-{}-42-1", state(&test, "SELECT value FROM meta WHERE name = 'panel_id'"));
    for words in ["tariff 55227, address 192.0.2.10", &mark, "(list price 5.00 EUR)", "In all 5.00 EUR. The balance is"]
    {
        assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
    }
    refused(&test, &["--not-bought"], "--yes");
}

/// A license that the service does not need goes to the pool: before and after are shown as for one that is bound.
#[test]
fn resolve_shows_what_becomes_of_a_license_that_is_freed() {
    let test = in_doubt();
    let id = brought(&test, 55227).to_string();
    test.cmd("close", 42).ok();
    let told = resolve(&test, &["--bought", &id]).stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let panel = state(&test, "SELECT value FROM meta WHERE name = 'panel_id'");
    for words in [
        "address 192.0.2.10 -",
        "name bought by hand free.lic",
        &format!("mark - pml-{panel}-free"),
        "goes to the pool with the next sync",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn a_resolved_license_bears_the_mark_of_its_order_and_renews_by_us() {
    let test = in_doubt();
    let id = brought(&test, 55227);
    test.upstream.edit_license(id, |l| l.autoprolong = "1".into());
    let key = test.upstream.license(id).key;
    resolve(&test, &["--bought", &id.to_string(), "--yes"]).ok();
    let license = test.upstream.license(id);
    let mark = state(&test, "SELECT mark FROM license");
    assert_eq!((&license.remoteid, &*license.autoprolong, &license.key), (&mark, "null", &key), "{}", test.story());
    assert!(mark.ends_with("-42-1"), "the order's own: {mark}");
    test.cmd("open", 42).ok();
    assert!(test.run(["reconcile"]).ok().stdout.contains("agree"));
}

#[test]
fn a_resolve_that_dies_after_marking_is_ended_by_the_next_run() {
    let test = in_doubt();
    let id = brought(&test, 55227);
    let held = test.upstream.hold_after("soft.edit?set");
    let run = test.spawn(["resolve", "42", "--bought", &id.to_string(), "--yes"]);
    held.reached();
    run.kill();
    drop(held);
    assert_eq!(state(&test, "SELECT status FROM intent"), "in_doubt");
    test.cmd("open", 42).ok();
    assert_eq!((licid(&test, 42), test.upstream.billed("soft.order.param")), (id, 0));
}

#[test]
fn a_license_that_another_installation_marked_is_taken_only_from_whom_it_is() {
    let test = in_doubt();
    let id = brought(&test, 55227);
    let mark = "pml-zzzzzzzz-9-9";
    test.upstream.edit_license(id, |l| l.remoteid = mark.into());
    let named = id.to_string();
    refused(
        &test,
        &["--bought", &named, "--yes"],
        &format!("pmisplicense resolve 42 --intent 1 --bought {id} --take-from zzzzzzzz"),
    );
    refused(&test, &["--bought", &named, "--take-from", "yyyyyyyy", "--yes"], "another installation (zzzzzzzz)");
    assert_eq!(test.upstream.license(id).remoteid, mark);
    let key = test.upstream.license(id).key;
    resolve(&test, &["--bought", &named, "--take-from", "zzzzzzzz", "--yes"]).ok();
    test.cmd("open", 42).ok();
    let license = test.upstream.license(id);
    assert!(license.remoteid.ends_with("-42-1") && license.key != key, "{license:?}");
}

#[test]
fn a_license_of_another_product_is_taken_only_in_so_many_words() {
    let test = in_doubt();
    let id = brought(&test, 55228);
    let named = id.to_string();
    let way = format!("pmisplicense resolve 42 --intent 1 --bought {id} --other-product");
    refused(&test, &["--bought", &named, "--yes"], &way);
    let output = resolve(&test, &["--bought", &named, "--other-product"]);
    assert!(output.stderr.contains("not the one that was ordered"), "{}", output.stderr);
    resolve(&test, &["--bought", &named, "--other-product", "--yes"]).ok();
    assert_eq!(state(&test, "SELECT internal_name FROM license"), "55228", "what it is, not what was ordered");
    // The client's present choice does not matter: the license is compared with the order.
    let test = in_doubt();
    test.choose(42, "55228");
    let id = brought(&test, 55227).to_string();
    resolve(&test, &["--bought", &id, "--yes"]).ok();
}

#[test]
fn a_license_with_our_mark_for_another_service_is_not_taken() {
    let test = in_doubt();
    let id = brought(&test, 55227);
    let panel = state(&test, "SELECT value FROM meta WHERE name = 'panel_id'");
    test.upstream.edit_license(id, |l| l.remoteid = format!("pml-{panel}-77-1"));
    refused(&test, &["--bought", &id.to_string(), "--yes"], "an order for service 77");
}

#[test]
fn a_request_in_doubt_of_a_service_that_wants_nothing_or_is_closed_can_be_ended() {
    let test = in_doubt();
    let id = brought(&test, 55227);
    test.choose(42, "nopanel");
    resolve(&test, &["--bought", &id.to_string(), "--yes"]).ok();
    assert_eq!(state(&test, "SELECT state FROM license"), "bound");
    test.cmd("open", 42).ok();
    assert_ne!(state(&test, "SELECT state FROM license"), "bound", "the service gives it back");
    let test = in_doubt();
    let id = brought(&test, 55227);
    test.cmd("close", 42).ok();
    let output = resolve(&test, &["--bought", &id.to_string(), "--yes"]);
    assert!(output.ok().stdout.contains("sync frees it"), "{}", output.stdout);
    assert_eq!(state(&test, "SELECT state FROM license"), "to_free");
}

#[test]
fn a_request_in_doubt_of_a_service_whose_client_changed_can_be_ended() {
    let test = in_doubt();
    let id = brought(&test, 55227);
    test.set_item(42, "account", "77");
    resolve(&test, &["--bought", &id.to_string(), "--yes"]).ok();
    assert_eq!(test.item(42).param("licid"), "", "the new client sees nothing before somebody said so");
    test.run(["bind", "42", &id.to_string(), "--yes"]).ok();
    assert_eq!(licid(&test, 42), id);
}

/// An operator's oversight does not buy a second license: the seller's list shows the order's mark.
#[test]
fn an_order_whose_license_is_there_is_not_ended_as_not_bought() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.upstream.fault(Fault::on("soft.order.param").late());
    test.cmd("open", 42).fails("client");
    settle(&test);
    test.upstream.land_late();
    let id = test.upstream.licenses()[0].id;
    refused(&test, &["--not-bought", "--yes"], &format!("pmisplicense resolve 42 --intent 1 --bought {id}"));
    test.upstream.edit_license(id, |l| l.pricelist = 55228);
    let way = format!("pmisplicense resolve 42 --intent 1 --bought {id} --other-product");
    refused(&test, &["--not-bought", "--yes"], &way);
    let words: Vec<&str> = way.split(' ').skip(3).chain(["--yes"]).collect();
    resolve(&test, &words).ok();
    test.cmd("open", 42).ok();
    assert_eq!((licid(&test, 42), test.upstream.billed("soft.order.param")), (id, 1));
}

/// The module's present account cannot show what a former one sold: a license of the same number is another one.
#[test]
fn a_license_of_the_present_account_does_not_end_an_order_of_a_former_one() {
    let test = in_doubt();
    let id = brought(&test, 55227).to_string();
    test.module_param(7, "url", &test.upstream.url().replace("127.0.0.1", "localhost"));
    test.run(["doctor", "--accept-account", "7", "--other", "--yes"]).ok();
    let output = resolve(&test, &["--bought", &id, "--yes"]);
    assert_eq!(output.code, Some(1));
    for words in ["config", "127.0.0.1", "pmisplicense resolve 42 --intent 1 --not-bought"] {
        assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
    }
    settle(&test);
    resolve(&test, &["--not-bought", "--yes"]).ok();
}

/// A state that is old sends nothing and ends no doubt, on an operator's word neither. It may show a doubt that ended
/// since.
#[test]
fn an_old_state_marks_nothing_and_settles_no_order() {
    let test = in_doubt();
    let id = brought(&test, 55227);
    settle(&test);
    alter_state(&test, "INSERT INTO meta (name, value) VALUES ('restored', '2027-01-01')");
    let bought = id.to_string();
    for answer in [&["--bought", &bought, "--yes"][..], &["--not-bought", "--yes"], &["--not-bought"]] {
        refused(&test, answer, "pmisplicense reconcile --apply");
    }
    assert_eq!(test.upstream.license(id).remoteid, "");
    assert_eq!(state(&test, "SELECT count(*) FROM intent WHERE status IN ('in_doubt', 'handed_over')"), "1");
}
