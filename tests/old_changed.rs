//! A license that changed since the state was copied, while the order that bought it is in doubt in the copy: whose it
//! is, and who decides (docs/money-safety.md 4).
use crate::old_state::{copy_state, keep, reconcile, state_of, sync};
use crate::service::{licid, only_license};
use crate::support::{Fault, Test};

/// The state of when the order of service 42 was in doubt. Since then its license appeared and became the service's.
fn found_since() -> (Test, u64) {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.upstream.fault(Fault::on("soft.order.param").late());
    test.cmd("open", 42).fails("client");
    keep(&test);
    test.upstream.land_late();
    test.cmd("open", 42).ok();
    let id = licid(&test, 42);
    (test, id)
}

/// Since the copy we changed the license that the order bought, as its client asked. It bears the mark of the order and
/// is as the service asks for, so it is the service's, and nobody is asked.
#[test]
fn a_license_that_we_changed_since_the_copy_is_known_by_its_mark() {
    let changes: [fn(&Test); 3] = [
        |test| test.set_param(42, "ip", "192.0.2.99"),
        |test| test.choose(42, "55228"),
        |test| {
            test.set_param(42, "ip", "192.0.2.99");
            test.choose(42, "55228");
        },
    ];
    for (case, change) in changes.iter().enumerate() {
        let (test, id) = found_since();
        change(&test);
        test.cmd("setparam", 42).ok();
        let before = only_license(&test);
        copy_state(&test, "kept", "pmisplicense");
        reconcile(&test).ok();
        test.cmd("sync_item", 42).ok();
        test.cmd("setparam", 42).ok();
        let after = only_license(&test);
        assert_eq!((licid(&test, 42), state_of(&test, id)), (id, "bound".into()), "{case} {}", test.story());
        assert_eq!((after.ip, after.pricelist, after.status), (before.ip, before.pricelist, 2), "{case}");
        assert_eq!(test.upstream.billed("soft.order.param"), 1, "{case}");
        let changed = test.upstream.requests_of("service.changepricelist").len();
        assert_eq!(changed, usize::from(case > 0), "{case}: what was bought is not bought again");
    }
}

/// A license with the mark of the order that is neither as it was ordered nor as the service asks: an operator decides.
/// The command that reconcile and the refusal name ends that, and the service gets what it asks for.
#[test]
fn the_command_that_is_named_settles_an_order_whose_license_was_changed_outside() {
    let (test, id) = found_since();
    test.upstream.edit_license(id, |l| l.ip = "192.0.2.77".into());
    copy_state(&test, "kept", "pmisplicense");
    let command = format!("pmisplicense resolve 42 --intent 1 --bought {id}");
    for _ in 0..2 {
        let refused = test.cmd("open", 42);
        assert!(refused.fails("order_unknown").message().contains(&command), "{}", refused.message());
        let found = test.run(["reconcile"]).stdout;
        let words = found.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&command) && !words.contains("pmisplicense import"), "{words}");
    }
    test.run(command.split(' ').skip(1).chain(["--yes"])).ok();
    test.cmd("open", 42).ok();
    let license = only_license(&test);
    assert_eq!((license.ip.as_str(), licid(&test, 42)), ("192.0.2.10", id), "{}", test.story());
    assert_eq!(test.upstream.billed("soft.order.param"), 1);
}

/// The service was closed. Its license is freed when it appears, whatever somebody changed of it: the mark proves that
/// we paid for it.
#[test]
fn a_license_of_a_closed_service_is_freed_although_it_was_changed() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.upstream.fault(Fault::on("soft.order.param").late());
    test.cmd("open", 42).fails("client");
    test.cmd("close", 42).ok();
    test.upstream.land_late();
    test.upstream.edit_license(only_license(&test).id, |l| l.ip = "192.0.2.77".into());
    sync(&test).ok();
    let license = only_license(&test);
    assert_eq!(
        (state_of(&test, license.id), license.licname.as_str()),
        ("pool".into(), "free.lic"),
        "{}",
        test.story()
    );
}
