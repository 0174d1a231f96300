//! The panel was not told yet: it repeats its command, and until then neither is the license of this payment given
//! away, nor does a post-call go out while an order of the service's number is in doubt (docs/money-safety.md 2,
//! docs/licensing-rules.md 8).
use crate::in_doubt::{billed, ordered};
use crate::service::{day, forget, licid, only_license, opened, settle, state, told};
use crate::support::{Fault, MgrctlFault, MgrctlFaultKind, Test};

const NOT_TOLD: MgrctlFaultKind = MgrctlFaultKind::ErrorDocument;

/// The client goes to `nopanel` and on to another product while the panel repeats one command. The license that this
/// payment bought gets the other tariff. Before, it was freed, and a second one was bought.
#[test]
fn a_panel_given_up_and_chosen_again_before_the_panel_knows_is_bought_once() {
    for (command, post) in [("open", "soft.open"), ("setparam", "service.postsetparam")] {
        let test = Test::new();
        test.soft_item(42, "nopanel", 1).ip("192.0.2.10").add();
        if command == "setparam" {
            test.cmd("open", 42).ok();
        }
        test.choose(42, "55228");
        let operation = test.operation(42, command);
        test.mgrctl_fault(MgrctlFault::on(post, NOT_TOLD));
        test.cmd_op(command, 42, operation).fails("mgrctl");
        let id = only_license(&test).id;
        test.choose(42, "nopanel");
        test.mgrctl_fault(MgrctlFault::on(post, NOT_TOLD));
        test.cmd_op(command, 42, operation).fails("mgrctl");
        // The command is not over, and a pass must not end it in another way.
        test.run(["--command", "sync", "--module", "7"]).ok();
        assert_eq!(state(&test, "SELECT state FROM license"), "bound", "{command}");
        test.choose(42, "55227");
        test.cmd_op(command, 42, operation).ok();
        assert_eq!((billed(&test), licid(&test, 42)), (1, id), "{command}: {}", test.story());
        let license = only_license(&test);
        assert_eq!((license.pricelist, license.status, license.ip.as_str()), (55227, 2, test.item(42).param("ip")));
        test.run(["--command", "sync", "--module", "7"]).ok();
        assert_eq!(state(&test, "SELECT state FROM license"), "bound", "{command}");
    }
}

/// The panel knows that the service has no panel, and the run did not get as far as freeing its license: the next pass
/// frees it. Neither a pass nor a payment renews it.
#[test]
fn a_license_that_was_given_back_and_not_freed_yet_is_freed_by_sync() {
    for command in ["open", "setparam"] {
        let test = Test::new();
        let post = if command == "open" {
            test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
            test.mgrctl_fault(MgrctlFault::on("soft.open", NOT_TOLD));
            test.cmd("open", 42).fails("mgrctl");
            "soft.open"
        } else {
            opened(&test, 42, "55227", 1);
            "service.postsetparam"
        };
        let id = only_license(&test).id;
        test.choose(42, "nopanel");
        test.mgrctl_fault(MgrctlFault::on(post, MgrctlFaultKind::Lost));
        test.cmd(command, 42).fails("mgrctl");
        assert_eq!((test.item(42).status, state(&test, "SELECT state FROM license").as_str()), (2, "bound"));
        test.set_item(42, "expiredate", &day(90));
        test.upstream.edit_license(id, |license| license.expires = Some(day(1).parse().unwrap()));
        test.cmd("prolong", 42).ok();
        test.run(["--command", "sync", "--module", "7"]).ok();
        let license = only_license(&test);
        assert_eq!(
            (license.licname.as_str(), license.status, state(&test, "SELECT state FROM license").as_str()),
            ("free.lic", 3, "pool"),
            "{command}"
        );
        assert_eq!((billed(&test), test.upstream.billed("service.prolong")), (1, 0), "{command}");
    }
}

/// Another service had this number for a while, because the panel's database was another one, and its order is in
/// doubt. The service has its license, found late, and the panel is told that it is open when nothing of its number is
/// in doubt any more. Before, only the first run waited.
#[test]
fn a_service_is_not_called_open_while_an_order_of_its_number_is_in_doubt() {
    let test = ordered("", Fault::on("soft.order.param").late());
    let created = test.db.value("SELECT createdate FROM item WHERE id = 42", ()).unwrap();
    test.cmd("open", 42).fails("client");
    test.set_item(42, "createdate", "2020-02-02 10:00:00");
    test.cmd("close", 42).ok();
    test.set_item(42, "status", "1");
    test.choose(42, "55228");
    test.upstream.fault(Fault::on("soft.order.param").drop_before());
    test.cmd("open", 42).fails("client");
    test.set_item(42, "createdate", &created);
    test.set_item(42, "status", "1");
    test.choose(42, "55227");
    test.upstream.land_late();
    settle(&test);
    forget(&test);
    test.cmd("open", 42).fails("client");
    assert_eq!(state(&test, "SELECT state FROM license"), "bound");
    let message = test.cmd("open", 42).fails("client").message().to_owned();
    assert!(message.contains("order of 55228 for service 42"), "{message}");
    assert!(!told(&test).contains(&"soft.open".to_owned()), "{}", test.story());
    settle(&test);
    test.cmd("open", 42).ok();
    assert_eq!((test.item(42).status, licid(&test, 42), billed(&test)), (2, only_license(&test).id, 1));
}
