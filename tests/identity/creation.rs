//! The moment of creation in another wording: the same incarnation (docs/money-safety.md 2).
use super::*;

/// The panel's column becomes a DATE, and a DATETIME again: every command goes on as before, nothing is bought, and
/// what the state wrote before is used.
#[test]
fn a_creation_day_without_its_time_is_the_same_incarnation() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    for column in ["DATE", "DATETIME"] {
        test.db.exec(&format!("ALTER TABLE item MODIFY createdate {column}"), ());
        for command in ["suspend", "resume", "sync_item", "setparam", "open"] {
            test.cmd(command, 42).ok();
        }
        let operation = test.prolong_paid(42);
        test.cmd_op("prolong", 42, operation).ok();
    }
    assert_eq!((licid(&test, 42), test.upstream.billed("soft.order.param")), (id, 1), "{}", test.story());
    assert_eq!(test.upstream.billed("service.prolong"), 2, "{}", test.story());
    test.cmd("close", 42).ok();
    assert_eq!(
        (state(&test, "SELECT state FROM license"), state(&test, "SELECT closes FROM item")),
        ("pool".into(), "1".into())
    );
}

/// Another time of that day is another service, whose number is the same by chance.
#[test]
fn another_time_of_the_day_is_another_incarnation() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    test.set_item(42, "createdate", &format!("{} 10:45:00", crate::service::day(0)));
    forget(&test);
    test.cmd("suspend", 42).fails("state");
    assert_eq!((changes(&test), told(&test)), (Vec::new(), Vec::new()));
}

/// The other service is paid for, and has no license while the number's license is the former service's: reconcile
/// names both, and the command after which it gets one.
#[test]
fn a_paid_service_whose_number_has_a_former_services_license_is_named_and_gets_its_own() {
    let test = Test::new();
    let former = opened(&test, 42, "55227", 1);
    test.set_item(42, "createdate", &format!("{} 10:45:00", day(0)));
    test.set_item(42, "account", "777");
    for (name, value) in [("ip", "192.0.2.77"), ("licid", ""), ("lickey", "")] {
        test.set_param(42, name, value);
    }
    let unbind = "pmisplicense unbind 42";
    assert_eq!(
        findings(&test),
        [finding("no_license", 42, 0, unbind), finding("other_life", 42, former, unbind)],
        "{}",
        test.story()
    );
    assert!(operator(&test, "reconcile").stdout.contains("Then: pmisplicense reconcile --apply"));
    operator(&test, "unbind 42 --yes").ok();
    operator(&test, "reconcile --apply --yes").ok();
    let own = test.upstream.license(licid(&test, 42));
    assert_eq!((own.ip.as_str(), own.status), ("192.0.2.77", 2), "{}", test.story());
    assert_eq!(findings(&test), []);
}
