//! Licenses of servers that another module handles (docs/licensing-rules.md 9): events, the sweep, and what they
//! leave alone.
use super::{admin, event, licid, noted, state};
use crate::support::Test;

/// A panel whose servers of module 3 get their control panels from us.
fn bundled() -> Test {
    let test = Test::new();
    test.settings("bundled = [3]\n");
    test
}

fn orders(test: &Test) -> usize {
    test.upstream.billed("soft.order.param")
}

fn sync(test: &Test) -> crate::support::Output {
    test.run(["--command", "sync"])
}

/// Nothing is called in the panel for a server but its license's parameters.
fn only_parameters(test: &Test) {
    let calls = test.panel_changes();
    let other: Vec<&String> = calls.iter().filter(|line| !line.starts_with("service.saveparam ")).collect();
    assert!(other.is_empty(), "{other:?}");
}

/// Events carry a server through its whole life: active, suspended, resumed, moved, another panel, closed.
#[test]
fn events_carry_a_server_through_its_whole_life() {
    let test = bundled();
    test.vds_item(50, "55229", 1).addresses(&["192.0.2.50"]).add();
    let happened = || {
        event(&test, 50);
        sync(&test).ok().stdout("");
        assert!(noted(&test).is_empty(), "carried out: {}", test.story());
    };
    happened();
    let id = licid(&test, 50);
    let license = || test.upstream.license(id);
    assert_eq!((license().ip.as_str(), license().pricelist, license().status), ("192.0.2.50", 55229, 2));
    assert_eq!(license().licname, "Item #50 addon Service 50");
    happened();
    assert_eq!(orders(&test), 1, "doing it twice does no harm");
    test.set_item(50, "status", "3");
    happened();
    assert_eq!(license().status, 3);
    test.set_item(50, "status", "2");
    happened();
    assert_eq!(license().status, 2);
    test.db.exec("UPDATE ip SET name = '192.0.2.51'", ());
    happened();
    assert_eq!(license().ip, "192.0.2.51");
    test.choose(50, "55228");
    happened();
    assert_eq!(license().pricelist, 55228);
    test.upstream.age(id, 40);
    test.set_item(50, "status", "4");
    happened();
    assert_eq!((license().licname.as_str(), license().ip.as_str(), license().status), ("free.lic", "0.0.0.0", 3));
    assert_eq!(orders(&test), 1);
    only_parameters(&test);
    test.assert_clean();
}

/// nopanel orders nothing, and is remembered: a panel chosen later is ordered, one given up is freed.
#[test]
fn nopanel_orders_nothing_until_a_panel_is_chosen() {
    let test = bundled();
    test.vds_item(50, "nopanel", 1).addresses(&["192.0.2.50"]).add();
    event(&test, 50);
    sync(&test).ok();
    assert_eq!((orders(&test), noted(&test).len()), (0, 0));
    test.choose(50, "55227");
    event(&test, 50);
    sync(&test).ok();
    let id = licid(&test, 50);
    assert_eq!(orders(&test), 1);
    test.upstream.age(id, 40);
    test.choose(50, "nopanel");
    event(&test, 50);
    sync(&test).ok();
    assert_eq!(test.upstream.license(id).licname, "free.lic");
}

/// The first sweep only reports; once confirmed, each one carries out what events did not tell.
#[test]
fn the_first_sweep_only_reports_until_it_is_confirmed() {
    let test = bundled();
    test.vds_item(50, "55229", 1).addresses(&["192.0.2.50"]).add();
    test.vds_item(51, "nopanel", 1).addresses(&["192.0.2.51"]).add();
    sync(&test).ok();
    assert_eq!(orders(&test), 0);
    assert!(test.log().contains("server 50 is active and has no license: would order"), "{}", test.log());
    let told = admin(&test, &["sync", "--sweep"]);
    assert!(told.ok().stdout.contains("server 50") && told.stdout.contains("--adopt"), "{}", told.stdout);
    assert_eq!(orders(&test), 0);
    let told = admin(&test, &["sync", "--sweep", "--adopt"]);
    assert!(told.ok().stdout.contains("1 change carried out"), "{}", told.stdout);
    assert_eq!((orders(&test), test.upstream.license(licid(&test, 50)).ip.as_str()), (1, "192.0.2.50"));
    // From now on the sweep is part of sync.
    test.vds_item(52, "55227", 1).addresses(&["192.0.2.52"]).add();
    sync(&test).ok();
    assert_eq!(orders(&test), 2);
    test.set_item(52, "status", "3");
    sync(&test).ok();
    assert_eq!(test.upstream.license(licid(&test, 52)).status, 3);
    only_parameters(&test);
}

/// A license that is at the seller already is reported for take-over, not ordered for.
#[test]
fn a_license_that_the_seller_has_already_is_reported_not_ordered() {
    for name_in_list in [false, true] {
        let test = Test::setup().options(|o| o.list_pricelist_name = name_in_list).start();
        test.settings("bundled = [3]\n");
        let there = test.upstream.add_foreign(55229, 12, "192.0.2.50", "by somebody else");
        test.upstream.add_foreign(55227, 12, "192.0.2.51", "another product");
        test.vds_item(50, "55229", 1).addresses(&["192.0.2.50"]).add();
        test.vds_item(51, "55229", 1).addresses(&["192.0.2.51"]).add();
        let told = admin(&test, &["sync", "--sweep", "--adopt"]);
        assert!(told.ok().stdout.contains(&format!("pmisplicense bind 50 {there}")), "{}", told.stdout);
        assert_eq!((orders(&test), licid(&test, 50)), (1, 0));
        assert_eq!(test.upstream.license(licid(&test, 51)).pricelist, 55229);
    }
}

/// Unknown names are skipped and listed once; a missing row is reported and nothing of its license changed.
#[test]
fn unknown_names_are_skipped_and_a_missing_row_changes_nothing() {
    let test = bundled();
    for (item, choice) in [(50, "odd-panel"), (51, "odd-panel"), (52, "55227")] {
        test.vds_item(item, choice, 1).addresses(&[&format!("192.0.2.{item}")]).add();
    }
    let told = admin(&test, &["sync", "--sweep", "--adopt"]);
    assert_eq!(told.ok().stdout.matches("odd-panel").count(), 1, "{}", told.stdout);
    assert!(told.stdout.contains("50, 51"), "{}", told.stdout);
    let id = licid(&test, 52);
    test.db.exec("DELETE FROM item WHERE id = 52", ());
    let told = admin(&test, &["sync", "--sweep"]);
    assert!(told.ok().stdout.contains("service 52 is not in the panel any more"), "{}", told.stdout);
    assert_eq!((test.upstream.license(id).status, orders(&test)), (2, 1), "only a row with status 4 counts as closed");
}

/// More than max_changes of a kind: none of that kind, until --allow-many; the other kinds go on, up to the limit.
#[test]
fn too_many_changes_of_one_kind_wait_and_other_kinds_go_on() {
    let test = Test::new();
    test.settings("bundled = [3]\nmax_changes = 1\n");
    for item in [60, 61] {
        test.vds_item(item, "55227", 1).addresses(&[&format!("192.0.2.{item}")]).add();
        event(&test, item);
        sync(&test).ok();
    }
    test.set_item(60, "status", "3");
    for item in 50..52 {
        test.vds_item(item, "55229", 1).addresses(&[&format!("192.0.2.{item}")]).add();
    }
    let stopped = admin(&test, &["sync", "--sweep", "--adopt"]);
    assert_eq!(stopped.code, Some(1));
    assert!(stopped.stderr.contains("--allow-many") && stopped.stderr.contains("server 51"), "{}", stopped.stderr);
    assert_eq!(orders(&test), 2);
    assert_eq!(test.upstream.license(licid(&test, 60)).status, 3, "another kind goes on");
    admin(&test, &["sync", "--sweep", "--allow-many"]).ok();
    assert_eq!(orders(&test), 4);
}

/// A server module with a license server of its own is refused with both names; so is one of ours.
#[test]
fn a_server_module_with_a_license_server_of_its_own_is_refused() {
    for (name, value) in [
        ("license_url", "https://license.example.com"),
        ("licenseserver", "5"),
        ("lic_username", "me"),
        ("panel_url", "https://api.ispmanager.com/manager/billmgr"),
        ("panel_url", "https://eu.ispmanager.com/billmgr"),
        ("panel_url", "https://my.ispmanager.ru:443/billmgr"),
        ("panel_url", "my.ispmanager.com"),
    ] {
        let test = bundled();
        test.module_param(3, "url", "https://vm.example.com");
        test.module_param(3, "license_check", "off");
        test.vds_item(50, "55229", 1).addresses(&["192.0.2.50"]).add();
        admin(&test, &["sync", "--sweep"]).ok();
        test.module_param(3, name, value);
        event(&test, 50);
        let refused = sync(&test);
        let message = refused.fails("config").message();
        assert!(
            message.contains("(Module 3)") && message.contains("(Module 7)") && message.contains(name),
            "{message}"
        );
        assert_eq!((orders(&test), noted(&test).len()), (0, 1), "{name}");
    }
    let test = Test::new();
    test.settings("bundled = [7]\n");
    sync(&test).fails("config");
}

/// Off until the setting names the module: a note of a server that nobody licenses is removed, nothing is ordered.
#[test]
fn servers_are_left_alone_until_the_setting_names_their_module() {
    let test = Test::new();
    test.vds_item(50, "55229", 1).addresses(&["192.0.2.50"]).add();
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    event(&test, 50);
    event(&test, 42);
    sync(&test).ok();
    assert_eq!((orders(&test), noted(&test).len()), (0, 0));
}

/// A server that failed keeps its note for the next sync.
#[test]
fn what_fails_keeps_its_note_for_the_next_sync() {
    let test = bundled();
    test.vds_item(50, "55229", 1).addresses(&["192.0.2.50"]).add();
    event(&test, 50);
    test.upstream.block(true);
    sync(&test).fails("blocked");
    assert_eq!(noted(&test), ["50"]);
    test.upstream.block(false);
    test.upstream.set_balance(2_000_000);
    sync(&test).ok();
    assert_eq!((orders(&test), noted(&test).len()), (1, 0));
    let told = state(&test, "SELECT en FROM journal WHERE event = 'sweep'");
    assert!(told.iter().any(|line| line.contains("server 50 is active and has no license")), "{told:?}");
}

/// A license that is gone is not ordered again by a sweep, only when the server was resumed.
#[test]
fn a_license_that_is_gone_is_not_ordered_again_by_a_sweep() {
    let test = bundled();
    test.vds_item(50, "55229", 1).addresses(&["192.0.2.50"]).add();
    admin(&test, &["sync", "--sweep", "--adopt"]).ok();
    test.upstream.edit_license(licid(&test, 50), |license| license.status = 4);
    for _ in 0..2 {
        sync(&test);
    }
    assert_eq!(orders(&test), 1, "sync never does");
    event(&test, 50);
    sync(&test);
    assert_eq!(orders(&test), 2);
}

/// Several license servers: one must be chosen, for all or for one module of servers.
#[test]
fn one_of_several_license_servers_must_be_chosen() {
    let mut test = Test::new();
    test.add_module(8, "pmisplicense");
    let url = test.upstream.url();
    test.connect_module(8, &url);
    test.settings("bundled = [3]\n");
    test.vds_item(50, "55229", 1).addresses(&["192.0.2.50"]).add();
    event(&test, 50);
    assert!(sync(&test).fails("unsupported_module").message().contains("7 (Module 7), 8 (Module 8)"));
    test.settings("bundled = [3]\n[module.3]\nbundled_module = 8\n");
    sync(&test).ok();
    assert_eq!((orders(&test), state(&test, "SELECT CAST(module AS TEXT) FROM license")), (1, vec!["8".to_owned()]));
    test.set_item(50, "status", "3");
    test.cmd("suspend", 50).ok();
    assert_eq!(test.upstream.license(licid(&test, 50)).status, 3);
}

/// A server whose tariff sells no control panel any more misses none, after an operator took its license.
#[test]
fn a_server_without_the_addon_misses_no_license_that_an_operator_took() {
    let test = bundled();
    test.vds_item(50, "55229", 1).addresses(&["192.0.2.50"]).add();
    event(&test, 50);
    sync(&test).ok();
    let id = licid(&test, 50);
    test.upstream.age(id, 40);
    test.db.exec(
        "DELETE a FROM item a JOIN pricelist p ON p.id = a.pricelist WHERE a.parent = 50 AND p.intname = 'panel'",
        (),
    );
    test.run(["unbind", "50", "--yes"]).ok();
    for _ in 0..2 {
        sync(&test).ok();
    }
    assert_eq!((test.upstream.license(id).licname.as_str(), orders(&test)), ("free.lic", 1), "{}", test.story());
}
