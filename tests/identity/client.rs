//! A service whose client changed in the panel.
use super::*;

/// Refused at first, by every command and with one that leads out; seen by every look long before the last day;
/// served again with its license and key once an operator said that it is the same service.
#[test]
fn a_changed_client_is_refused_shown_and_accepted_by_bind() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    let before = face(&test, id);
    test.set_item(42, "account", "77");
    let advice = format!("pmisplicense bind 42 {id}");
    for command in ["suspend", "sync_item", "close", "open", "prolong"] {
        let output = test.cmd(command, 42);
        assert!(output.fails("state").message().contains(&advice), "{command}: {}", output.message());
    }
    assert_eq!((changes(&test), told(&test)), (Vec::new(), Vec::new()));
    assert!(sync(&test).fails("state").message().contains(&advice));
    assert_eq!(findings(&test), [finding("other_client", 42, id, &advice)]);
    for look in ["explain 42", "doctor"] {
        let shown = operator(&test, look).stdout;
        assert!(shown.contains(&advice), "{look}: {shown}");
    }
    let asked = operator(&test, &format!("bind 42 {id}"));
    assert!(asked.code == Some(1) && asked.stderr.contains("client 77 of service 42 is accepted"), "{}", asked.stderr);
    test.cmd("suspend", 42).fails("state");
    forget(&test);
    operator(&test, &format!("bind 42 {id} --yes")).ok();
    assert_eq!((face(&test, id), changes(&test)), (before, Vec::new()), "{}", test.story());
    let history = operator(&test, "history 42").stdout;
    assert!(history.contains("its client 501 -> 77 is accepted"), "the decision is in the journal: {history}");
    for command in ["suspend", "resume", "sync_item", "setparam", "close"] {
        test.cmd(command, 42).ok();
    }
    sync(&test).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 1);
}

/// It is another service after all: unbind frees the license of the client before, and the new one gets its own.
#[test]
fn unbind_ends_the_former_clients_license() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 12);
    test.set_item(42, "account", "77");
    operator(&test, "unbind 42 --yes").ok();
    assert_eq!(test.upstream.license(id).licname, "free.lic");
    test.cmd("open", 42).ok();
    assert!(licid(&test, 42) != id, "{}", test.story());
    test.cmd("suspend", 42).ok();
}

/// A service without a license has whatever client the panel says. Nothing is at stake, so nobody is asked.
#[test]
fn a_service_without_a_license_may_change_its_client() {
    let test = Test::new();
    test.soft_item(42, "nopanel", 1).ip("192.0.2.10").add();
    test.cmd("open", 42).ok();
    test.set_item(42, "account", "77");
    test.choose(42, "55227");
    test.cmd("setparam", 42).ok();
    test.cmd("suspend", 42).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 1, "{}", test.story());
}

/// An order in doubt of a service whose client changed is settled by sync; what it bought is neither saved nor shown
/// before an operator said who the service is.
#[test]
fn an_order_in_doubt_is_settled_before_its_changed_client_is_accepted() {
    use crate::support::Fault;
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.upstream.fault(Fault::on("soft.order.param").drop_after().lag(1));
    test.cmd("open", 42).fails("client");
    test.set_item(42, "account", "77");
    let output = test.cmd("open", 42);
    assert!(output.fails("state").message().contains("reconcile --apply"), "{}", output.message());
    operator(&test, "reconcile --apply");
    assert_eq!((state(&test, "SELECT state FROM license"), test.item(42).param("licid")), ("bound".into(), ""));
    let id = crate::service::only_license(&test).id;
    let output = test.cmd("open", 42);
    assert!(output.fails("state").message().contains(&format!("bind 42 {id}")), "{}", output.message());
    operator(&test, &format!("bind 42 {id} --yes")).ok();
    test.cmd("open", 42).ok();
    assert_eq!((licid(&test, 42), test.upstream.billed("soft.order.param")), (id, 1));
}
