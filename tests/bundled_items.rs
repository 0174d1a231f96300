//! Licenses of servers that another module handles, with direct commands. The commands handle only the license: they
//! make no post-call, and change nothing of the service but lickey, licid and licname (docs/interface.md 4).
use crate::service::{HEAD, changes, day, forget, license, licid, sent, told};
use crate::support::Test;

fn served(test: &Test, item: u32) -> u64 {
    test.vds_item(item, "55227", 1).addresses(&["192.0.2.20", "192.0.2.21"]).add();
    test.cmd("open", item).ok().stdout("");
    licid(test, item)
}

/// open orders for the main address, under the service's name; only parameters are saved.
#[test]
fn open_orders_for_the_main_address_and_saves_only_parameters() {
    let test = Test::new();
    let before = test.db.rows("SELECT status, expiredate, opendate, period, pricelist FROM item", ());
    let id = served(&test, 42);
    assert_eq!(
        changes(&test),
        ["soft.order.param autoprolong=null clicked_button=finish ip=192.0.2.20 licname=Item #42 addon Service 42 \
          period=1 pricelist=55227 remoteid=pml-P-42-1 skipbasket=on sok=ok"]
    );
    assert_eq!(told(&test), ["service.saveparam"]);
    let item = test.item(42);
    assert_eq!(
        (item.param("lickey"), item.param("licname")),
        (license(&test, 42).key.as_str(), "Item #42 addon Service 42")
    );
    assert_eq!((item.status, item.expiredate, item.opendate), (2, Some(day(30)), None));
    assert!(before.is_empty());
    forget(&test);
    test.cmd("open", 42).ok();
    assert_eq!((sent(&test), told(&test)), (vec![format!("soft.edit elid={id}")], Vec::new()));
}

/// Every command: license only, exit 0, no post-call.
#[test]
fn every_command_touches_the_license_only_and_makes_no_post_call() {
    let test = Test::new();
    let id = served(&test, 42);
    let service = |test: &Test| {
        let item = test.item(42);
        (item.status, item.expiredate, item.opendate, item.pricelist)
    };
    let before = service(&test);
    forget(&test);
    test.cmd("suspend", 42).ok().stdout("");
    assert_eq!(test.upstream.license(id).status, 3);
    test.cmd("resume", 42).ok().stdout("");
    assert_eq!(test.upstream.license(id).status, 2);
    test.set_param(42, "ip", "192.0.2.25");
    test.cmd("setparam", 42).ok().stdout("");
    assert_eq!(test.upstream.license(id).ip, "192.0.2.25");
    test.cmd("prolong", 42).ok().stdout("");
    test.cmd("cancel_prolong", 42).ok().stdout("");
    test.cmd("reopen", 42).ok().stdout("");
    test.cmd("sync_item", 42).ok().stdout("");
    assert_eq!(told(&test), Vec::<String>::new());
    test.cmd("gen_key", 42).ok().stdout(&format!("{HEAD}<doc><ok/></doc>\n"));
    assert_eq!(told(&test), ["service.saveparam"]);
    test.upstream.age(id, 40);
    test.cmd("close", 42).ok().stdout("");
    assert_eq!((test.upstream.license(id).licname.as_str(), service(&test)), ("free.lic", before));
    assert_eq!(told(&test), ["service.saveparam"]);
    test.assert_clean();
}

/// Another panel, none, and one again: tariff changed, freed, obtained anew.
#[test]
fn a_server_may_change_give_up_and_choose_its_panel_again() {
    let test = Test::new();
    let id = served(&test, 42);
    forget(&test);
    test.choose(42, "55228");
    test.cmd("setparam", 42).ok();
    assert_eq!(changes(&test), [format!("service.changepricelist elid={id} period=1 pricelist=55228 sok=ok")]);
    test.choose(42, "nopanel");
    test.cmd("setparam", 42).ok();
    assert_eq!(test.upstream.license(id).licname, "free.lic");
    test.choose(42, "55228");
    test.upstream.age(id, 40);
    test.cmd("setparam", 42).ok();
    assert_eq!((license(&test, 42).pricelist, license(&test, 42).status), (55228, 2));
}

/// The client's address comes first; IPv4 comes before IPv6; no address at all is an error.
#[test]
fn the_clients_address_comes_first_and_ipv4_before_ipv6() {
    let test = Test::new();
    test.vds_item(1, "55227", 1).addresses(&["2001:db8::1", "192.0.2.31"]).add();
    test.vds_item(2, "55227", 1).addresses(&["192.0.2.32"]).ip("192.0.2.99").add();
    // The lowest id is the main one, not the lowest address.
    test.vds_item(5, "55227", 1).addresses(&["192.0.2.45", "2001:db8::5", "192.0.2.35"]).add();
    for (item, ip) in [(1, "192.0.2.31"), (2, "192.0.2.99"), (5, "192.0.2.45")] {
        test.cmd("open", item).ok();
        assert_eq!(license(&test, item).ip, ip);
    }
    test.vds_item(3, "55227", 1).add();
    test.vds_item(4, "55227", 1).addresses(&["2001:db8::4"]).add();
    forget(&test);
    for item in [3, 4] {
        assert_eq!(test.cmd("open", item).fails("missed").attribute("object"), "ip");
    }
    assert_eq!(sent(&test), Vec::<String>::new());
}

/// `nopanel` on a server: nothing ordered, nothing saved, every command succeeds.
#[test]
fn nopanel_on_a_server_orders_and_saves_nothing() {
    let test = Test::new();
    test.vds_item(42, "nopanel", 1).addresses(&["192.0.2.20"]).add();
    for command in ["open", "suspend", "resume", "setparam", "prolong", "sync_item", "close"] {
        test.cmd(command, 42).ok().stdout("");
    }
    assert_eq!((sent(&test), told(&test)), (Vec::new(), Vec::new()));
}

/// The license server: --module, else the setting, else the only active one; several without a choice is an error.
#[test]
fn several_license_servers_without_a_choice_are_an_error() {
    let mut test = Test::new();
    test.add_module(8, "pmisplicense");
    let url = test.upstream.url();
    test.connect_module(8, &url);
    test.vds_item(42, "55227", 1).addresses(&["192.0.2.20"]).add();
    let output = test.cmd("open", 42);
    assert!(
        output.fails("unsupported_module").message().contains("7 (Module 7), 8 (Module 8)"),
        "{}",
        output.message()
    );
    test.run(["--command", "open", "--item", "42", "--module", "3"]).fails("unsupported_module");
    assert_eq!(sent(&test), Vec::<String>::new());
    test.run(["--command", "open", "--item", "42", "--module", "8"]).ok();
    test.vds_item(43, "55228", 1).addresses(&["192.0.2.21"]).add();
    test.settings("bundled_module = 7\n");
    test.cmd("open", 43).ok();
    assert_eq!(crate::service::state(&test, "SELECT module FROM license WHERE item = 42"), "8");
    assert_eq!(crate::service::state(&test, "SELECT module FROM license WHERE item = 43"), "7");
}

/// A server without the control-panel addon is not ours, whatever its operating system.
#[test]
fn a_server_without_the_control_panel_addon_is_not_ours() {
    let test = Test::new();
    test.vds_item(42, "55227", 1).on_tariff().addresses(&["192.0.2.20"]).add();
    for command in ["open", "suspend", "close", "setparam", "prolong", "sync_item"] {
        let output = test.cmd(command, 42);
        assert_eq!(output.fails("unsupported_module").attribute("object"), "item", "{command}");
    }
    assert_eq!((sent(&test), told(&test)), (Vec::new(), Vec::new()));
}
