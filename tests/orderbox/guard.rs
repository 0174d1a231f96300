//! The guards of the first seller hold here too: a copied panel, a wrong clock, another account, a switch that is off.
use super::*;
use crate::support::Fault;

#[test]
fn a_copied_panel_sends_nothing() {
    let test = opened_with(REMOVING, |_| {});
    test.orderbox().add(Order::new(4002));
    test.whmcs_item(43, 1, 4002).add();
    test.another_machine();
    test.cmd("open", 43).fails("state");
    test.cmd("close", ITEM).fails("state");
    sync(&test).fails("state");
    nothing_sent(&test);
}

#[test]
fn a_switched_off_panel_sends_nothing() {
    let test = opened_with(REMOVING, |_| {});
    test.orderbox().add(Order::new(4002));
    test.whmcs_item(43, 1, 4002).add();
    test.do_nothing(true);
    test.cmd("open", 43).ok().stdout("");
    for command in ["sync_item", "suspend", "resume", "prolong", "setparam", "gen_key", "close", "reopen"] {
        test.cmd(command, ITEM).ok().stdout("");
    }
    sync(&test).ok().stdout("");
    for line in ["bind 43 4002 --yes", "unbind 42 --yes", "reconcile --apply"] {
        let refused = operator(&test, line);
        assert!(refused.code == Some(1) && refused.stderr.contains("billmgr.DoNothing"), "{line}: {refused:?}");
    }
    assert_eq!((test.orderbox().sent(), test.panel_changes()), (Vec::new(), Vec::new()), "{}", test.story());
    assert_eq!((test.item(43).status, test.item(ITEM).status), (1, 2));
    test.do_nothing(false);
    test.cmd("open", 43).ok();
    assert_eq!(test.orderbox().charges(4002), 1);
}

/// A clock that is off by more than a day: a pass removes nothing.
#[test]
fn a_wrong_clock_removes_nothing() {
    let test = opened_with(REMOVING, |_| {});
    test.set_item(ITEM, "status", "4");
    test.orderbox().fault(Fault::on("*").skewed(2 * 86_400).always());
    for line in [["sync"].as_slice(), &["reconcile", "--apply"]] {
        test.run(line);
        nothing_sent(&test);
    }
    test.orderbox().clear_faults();
    test.run(["sync"]).ok();
    assert_eq!(test.orderbox().removals(ORDER), 1);
}

/// Nor does a run buy by it: how much of the hosting's term is left is not known then.
#[test]
fn a_wrong_clock_buys_nothing() {
    let test = shop();
    test.orderbox().fault(Fault::on("*").skewed(2 * 86_400).always());
    for _ in 0..2 {
        assert_eq!(test.cmd("open", ITEM).code, Some(1), "{}", test.story());
        nothing_sent(&test);
    }
    test.orderbox().clear_faults();
    test.cmd("open", ITEM).ok();
    served(&test);
}

/// Another account under the same address: its orders are none of ours, and none of ours is taken for gone.
#[test]
fn a_swapped_account_is_not_touched() {
    let test = opened_with(REMOVING, |_| {});
    test.module_param(8, "username", "712999");
    test.orderbox().with(|w| (w.options.user, w.account) = (712_999, 712_999));
    for command in ["close", "suspend", "open"] {
        assert_eq!(test.cmd(command, ITEM).fails("config").attribute("object"), "module", "{command}");
    }
    sync(&test);
    nothing_sent(&test);
    assert!(!key(&test).is_empty());
}

/// The number of a service is used again for another client: the former one's key is neither shown nor removed.
#[test]
fn another_clients_service_is_not_touched() {
    let test = opened_with(REMOVING, |_| {});
    test.set_item(ITEM, "account", "502");
    for command in ["open", "suspend", "close"] {
        test.cmd(command, ITEM).fails("state");
    }
    nothing_sent(&test);
}

/// A dry run reports what it would do, and does nothing.
#[test]
fn a_dry_run_buys_nothing() {
    let test = shop();
    let output = test.run(["--command", "open", "--item", "42", "--dry-run"]);
    assert!(format!("{}{}", output.stdout, output.stderr).contains("4001"), "{output:?}");
    nothing_sent(&test);
    assert_eq!((test.orderbox().charges(ORDER), test.item(ITEM).status), (0, 1));
}

/// The panel copies a service under another number and closes the old one: the copy works with the license, so neither
/// the close nor a pass removes it, and one command hands it over.
#[test]
fn a_license_that_a_copy_of_its_service_shows_is_not_removed() {
    let test = opened_with(REMOVING, |_| {});
    let key = key(&test);
    test.whmcs_item(43, 1, ORDER).param("licid", "4001").param("lickey", &key).add();
    test.set_item(43, "status", "2");
    test.cmd("close", ITEM).ok().stdout("");
    assert!(problems_reported(&test).contains("pmisplicense bind 43 4001"), "{}", problems_reported(&test));
    assert_eq!(test.item(ITEM).status, 4);
    for output in [sync(&test), test.cmd("sync_item", 43)] {
        assert!(output.fails("state").stdout.contains("pmisplicense bind 43 4001"), "{}", output.stdout);
    }
    nothing_sent(&test);
    operator(&test, "bind 43 4001 --yes").ok();
    sync(&test).ok();
    nothing_sent(&test);
    assert_eq!(test.item(43).param("lickey"), key);
    test.cmd("close", 43).ok();
    assert_eq!(test.orderbox().removals(ORDER), 1);
    test.assert_clean();
}

/// The module buys from another account now: `move` cannot obtain a license of a hosting order beside the present one.
/// Each message names the commands that can.
#[test]
fn a_service_of_another_account_gets_a_license_by_the_commands_that_are_named() {
    let test = opened();
    let elsewhere = crate::support::orderbox::OrderBox::start();
    test.module_param(8, "url", &elsewhere.url());
    operator(&test, "doctor --accept-account 8 --other --yes").ok();
    elsewhere.add(Order::new(5001));
    let way = "order in the present account as the order of service 42, then pmisplicense unbind 42, then pmisplicense reconcile --apply --only 42";
    let message = test.cmd("sync_item", ITEM).fails("config").message().to_owned();
    assert!(message.contains(way) && !message.contains("pmisplicense move"), "{message}");
    for line in ["move 42 --yes", "move 42 --dry-run"] {
        let refused = operator(&test, line);
        assert!(refused.code == Some(1) && refused.stderr.contains(way), "{line}: {refused:?}");
        assert!(refused.stderr.contains("not_supported"), "{line}: {refused:?}");
    }
    // The advice for all services of the account is the same.
    let doctor = operator(&test, "doctor").stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let for_all = way.replace("42", "ITEM");
    assert!(doctor.contains(&for_all) && !doctor.contains("pmisplicense move"), "{doctor}");
    let found = operator(&test, "reconcile --json").stdout;
    assert!(found.contains("pmisplicense unbind ITEM") && !found.contains("pmisplicense move"), "{found}");
    assert_eq!((test.orderbox().posts(), elsewhere.posts()), (Vec::new(), Vec::new()), "{}", test.story());
    test.set_param(ITEM, "orderid", "5001");
    operator(&test, "unbind 42 --yes").ok();
    operator(&test, "reconcile --apply --only 42 --yes");
    assert_eq!((elsewhere.charges(5001), test.orderbox().charges(ORDER)), (1, 1), "{}", test.story());
    assert_eq!(test.item(ITEM).param("lickey"), elsewhere.order(5001).key);
    test.cmd("sync_item", ITEM).ok();
}

/// No run of this module can remove it there, so the log and the passes say what becomes of it.
#[test]
fn a_license_of_a_former_account_is_not_left_in_silence_when_its_service_ends() {
    for (is_close, removes) in [(true, true), (true, false), (false, true)] {
        let test = opened_with(if removes { REMOVING } else { "" }, |_| {});
        let elsewhere = crate::support::orderbox::OrderBox::start();
        test.module_param(8, "url", &elsewhere.url());
        operator(&test, "doctor --accept-account 8 --other --yes").ok();
        forget(&test);
        if is_close {
            test.cmd("close", ITEM).ok();
            assert_eq!(test.item(ITEM).status, 4);
        } else {
            test.choose(ITEM, "nopanel");
            test.cmd("setparam", ITEM).ok();
        }
        let told = problems_reported(&test);
        assert!(told.contains("The license of hosting order 4001 of the account"), "{told}");
        assert!(told.contains("no module buys there. Remove it in the seller's panel"), "{told}");
        assert_eq!(crate::service::state(&test, "SELECT state FROM license WHERE id = 4001"), "to_free");
        assert!(operator(&test, "sync").stdout.contains("License 4001 serves nobody"), "{}", test.story());
        nothing_sent(&test);
        assert_eq!(elsewhere.posts(), Vec::<String>::new());
    }
}

/// The service changed its module, gave its license back, and got one of the new module's account. The former one is
/// removed in its own account, and the pass of that module leaves the present one alone.
#[test]
fn a_license_of_a_former_account_is_removed_although_its_service_has_another_one_now() {
    let mut test = opened_with(REMOVING, |_| {});
    let elsewhere = crate::support::orderbox::OrderBox::start();
    elsewhere.add(Order::new(5001));
    test.add_module(9, "pmisplicense");
    test.connect_orderbox(9);
    test.module_param(9, "url", &elsewhere.url());
    test.set_item(ITEM, "processingmodule", "9");
    test.choose(ITEM, "nopanel");
    test.cmd("setparam", ITEM).ok();
    test.choose(ITEM, "whmcs");
    test.set_param(ITEM, "orderid", "5001");
    test.cmd("setparam", ITEM).ok();
    assert_eq!((elsewhere.charges(5001), test.item(ITEM).param("licid")), (1, "5001"), "{}", test.story());
    for module in ["8", "9"] {
        let pass = operator(&test, &format!("sync --module {module}"));
        assert_eq!(pass.code, Some(0), "{module}: {pass:?}");
    }
    assert_eq!((test.orderbox().removals(ORDER), elsewhere.removals(5001)), (1, 0), "{}", test.story());
    assert_eq!(test.item(ITEM).param("licid"), "5001");
}

/// The module of the former account decides what becomes of a license that was given up, and that module keeps it.
#[test]
fn the_log_does_not_call_a_license_that_its_module_keeps_one_to_be_removed() {
    let mut test = opened_with(&format!("[module.8]\non_close = \"keep\"\n{REMOVING}"), |_| {});
    let elsewhere = crate::support::orderbox::OrderBox::start();
    test.add_module(9, "pmisplicense");
    test.connect_orderbox(9);
    test.module_param(9, "url", &elsewhere.url());
    test.set_item(ITEM, "processingmodule", "9");
    test.choose(ITEM, "nopanel");
    test.cmd("setparam", ITEM).ok();
    let told = problems_reported(&test);
    assert!(told.contains("With on_close = \"keep\" in the settings of that module it stays"), "{told}");
    assert!(!told.contains("is to be removed"), "{told}");
    operator(&test, "sync --module 8").ok();
    let row = crate::service::state(&test, "SELECT state FROM license WHERE id = 4001");
    assert_eq!((row.as_str(), test.orderbox().removals(ORDER)), ("stopped", 0), "{}", test.story());
}

/// `move` is refused at OrderBox, so doctor names the commands that give each service a license of another module.
#[test]
fn doctor_names_what_works_for_the_services_of_a_switched_off_module() {
    let test = opened();
    for (active, is_named) in [("on", false), ("off", true)] {
        test.db.exec("UPDATE processingmodule SET active = ? WHERE id = 8", (active,));
        let doctor = operator(&test, "doctor").stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(doctor.contains(") is switched off"), is_named, "{doctor}");
        let way = "then pmisplicense unbind ITEM, then pmisplicense reconcile --apply --only ITEM; the services: pmisplicense list --module 8";
        assert_eq!(doctor.contains(way), is_named, "{doctor}");
        assert!(!doctor.contains("pmisplicense move"), "{doctor}");
    }
}

/// Our clock was ahead at the first look and was set back since. That look counts from the next one on, and not only
/// once the day of its date has come.
#[test]
fn a_look_dated_by_a_clock_that_was_set_back_does_not_hold_up_the_next_one() {
    let test = shop();
    let library = crate::cluster_clocks::moved_clock(&test);
    test.orderbox().fault(Fault::on("generate-license-key").drop_before());
    test.cmd("open", ITEM).fails("client");
    crate::service::pass(&test, 2000);
    let ahead =
        test.program(["--command", "open", "--item", "42"]).env("LD_PRELOAD", &library).env("CLOCK_AHEAD", "80000");
    ahead.run().fails("client");
    let looked = || crate::service::state(&test, "SELECT clean_look_at FROM intent").parse::<i64>().unwrap();
    let first = looked();
    test.cmd("open", ITEM).fails("client");
    assert!(looked() < first - 70_000, "{first}: {}", test.story());
    // The look that was just written down is the first one.
    test.cmd("open", ITEM).fails("client");
    assert_eq!(test.orderbox().requests_of("generate-license-key").len(), 1, "{}", test.story());
    crate::service::settle(&test);
    test.cmd("open", ITEM).ok();
    served(&test);
    assert_eq!(test.orderbox().charges(ORDER), 1, "{}", test.story());
}

/// Our clock was slow at the first look and was set right since: the two looks are as close together as they are.
#[test]
fn a_clock_that_was_set_right_between_two_looks_ends_no_doubt() {
    let test = shop();
    let library = crate::cluster_clocks::moved_clock(&test);
    test.orderbox().fault(Fault::on("generate-license-key").drop_before());
    test.cmd("open", ITEM).fails("client");
    crate::service::pass(&test, 2000);
    let slow =
        test.program(["--command", "open", "--item", "42"]).env("LD_PRELOAD", &library).env("CLOCK_AHEAD", "-600");
    slow.run().fails("client");
    assert_eq!(crate::service::state(&test, "SELECT count(clean_look_at) FROM intent"), "1", "{}", test.story());
    test.cmd("open", ITEM).fails("client");
    assert_eq!(test.orderbox().requests_of("generate-license-key").len(), 1, "{}", test.story());
    crate::service::settle(&test);
    test.cmd("open", ITEM).ok();
    served(&test);
    assert_eq!(test.orderbox().charges(ORDER), 1, "{}", test.story());
}
