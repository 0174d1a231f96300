//! `open`: the exact order at the seller and the exact calls to the panel, each once. Orders in doubt are in
//! `in_doubt.rs`, what the catalogue sells in `catalogue.rs`.
use crate::service::{HEAD, OPEN, changes, day, forget, ip_of, licid, months, only_license, opened, sent, state, told};
use crate::support::{Fault, MgrctlFault, MgrctlFaultKind, Test};

/// A first open orders exactly what the service asks for, and tells the panel number, key and name, then that it is
/// open.
#[test]
fn a_first_open_orders_exactly_what_the_service_asks_for() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").licname("shop").add();
    test.cmd("open", 42).ok().stdout("");
    let license = only_license(&test);
    let order = "soft.order.param autoprolong=null clicked_button=finish ip=192.0.2.10 licname=shop period=1 \
                 pricelist=55227 remoteid=pml-P-42-1 skipbasket=on sok=ok";
    assert_eq!(changes(&test), [order]);
    assert_eq!(test.upstream.funcs(), OPEN);
    assert_eq!(sent(&test)[1], "soft.checkip ip=192.0.2.10 period=1 pricelist=55227");
    let saved = format!("service.saveparam sok=ok elid=42 licid={} crypted=off lickey={}", license.id, license.key);
    assert_eq!(test.panel_changes(), [saved, "soft.open elid=42 sok=ok".to_owned()]);
    let item = test.item(42);
    assert_eq!((item.status, item.param("lickey"), item.param("licname")), (2, license.key.as_str(), "shop"));
    assert!(item.crypted.is_empty(), "the key is shown to the client: not a crypted parameter");
    let bound = format!("license {} bound, good until {}", license.id, item.expiredate.clone().unwrap());
    assert_eq!(state(&test, "SELECT en FROM journal WHERE event = 'bound'"), bound);
    assert_eq!((license.autoprolong.as_str(), license.expires.map(|d| d.to_string())), ("null", item.expiredate));
    test.assert_clean();
}

/// Whatever a client or a service is called, the license bears that name letter by letter, at the seller and in the
/// panel, and no later run changes it. Only the name of free licenses and what begins like a mark of ours are
/// refused.
#[test]
fn people_may_be_called_as_they_like() {
    let test = Test::new();
    for (item, name) in (42..).zip(["O'Neill & Sons", "ООО \"Ромашка\"", "<b>a</b> `b` \\ 50%+1; a=b"]) {
        let checked = test.run(["--command", "check_param", "--param", "licname", "--value", name]);
        checked.ok().stdout(&format!("{HEAD}<doc><ok/></doc>\n"));
        test.soft_item(item, "55227", 1).ip(&ip_of(item)).licname(name).add();
        test.cmd("open", item).ok();
        let id = licid(&test, item);
        assert_eq!((test.upstream.license(id).licname.as_str(), test.item(item).param("licname")), (name, name));
        forget(&test);
        test.cmd("sync_item", item).ok();
        test.cmd("setparam", item).ok();
        assert_eq!(changes(&test), Vec::<String>::new(), "{name}");
    }
    for (item, name) in [(40, "free.lic"), (41, "pml-abcd1234-41-7 shop")] {
        test.soft_item(item, "55227", 1).ip(&ip_of(item)).licname(name).add();
        forget(&test);
        assert_eq!(test.cmd("open", item).fails("bad_value").attribute("object"), "licname", "{name}");
        assert_eq!(sent(&test), Vec::<String>::new(), "{name}");
    }
}

/// Without a name of the client's the license is called after the service.
#[test]
fn a_license_without_a_name_is_called_after_its_service() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").name("Shop \"<b>A</b>\" & Co").add();
    test.cmd("open", 42).ok();
    assert_eq!(only_license(&test).licname, "Item #42 Shop \"<b>A</b>\" & Co");
    assert_eq!(test.item(42).param("licname"), "Item #42 Shop \"<b>A</b>\" & Co");
}

/// A repeated open finds its license: one read, nothing bought, only the post-call again.
#[test]
fn a_repeated_open_buys_nothing_and_tells_the_panel_again() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    for _ in 0..3 {
        forget(&test);
        test.cmd("open", 42).ok().stdout("");
        assert_eq!(sent(&test), [format!("soft.edit elid={id}")]);
        assert_eq!(test.panel_changes(), ["soft.open elid=42 sok=ok"]);
    }
    assert_eq!(test.upstream.billed("soft.order.param"), 1);
    // Another running operation of the panel is no other intent.
    let operation = test.operation(42, "open");
    test.cmd_op("open", 42, operation).ok();
    assert_eq!((test.upstream.billed("soft.order.param"), licid(&test, 42)), (1, id));
}

/// Items that cannot be opened are refused with their own error, and nothing is sent.
#[test]
fn an_item_that_cannot_be_opened_is_refused_before_anything_is_sent() {
    let test = Test::new();
    test.soft_item(1, "55227", 1).add();
    test.soft_item(2, "55227", 1).ip("192.0.2.1 192.0.2.2").add();
    test.soft_item(3, "55227", 1).ip("127.0.0.1").add();
    test.soft_item(4, "55227", 1).ip("2001:db8::1").add();
    test.soft_item(5, "55227", 1).ip("192.0.2.5").licname("pml-abcdefgh-1-1 shop").add();
    test.soft_item(6, "55227", 1).ip("192.0.2.6").licname("free.lic").add();
    test.soft_item(7, "55227", 1).ip("192.0.2.7").licname("pml-abcdefgh-1-1").add();
    test.soft_item(8, "", 1).on_tariff().ip("192.0.2.8").add();
    test.soft_item(9, "lite", 1).ip("192.0.2.9").add();
    test.soft_item(10, "55227", 1).ip("192.0.2.10").module(crate::support::harness::SERVERS).on_tariff().add();
    test.soft_item(11, "55227", -50).ip("192.0.2.11").add();
    test.soft_item(12, "whmcs", 1).ip("192.0.2.12").add();
    for (item, kind, object) in [
        (1, "missed", "ip"),
        (2, "bad_value", "ip"),
        (3, "bad_value", "ip"),
        (4, "bad_value", "ip"),
        (5, "bad_value", "licname"),
        (6, "bad_value", "licname"),
        (7, "bad_value", "licname"),
        (8, "missed", "intname"),
        (9, "unknown_internal_name", "intname"),
        (10, "unsupported_module", "item"),
        (11, "period_not_sold", "period"),
        (12, "unknown_internal_name", "intname"),
        (4242, "missed", "item"),
    ] {
        let output = test.cmd("open", item);
        assert_eq!(output.fails(kind).attribute("object"), object, "{item}");
    }
    assert_eq!(sent(&test), Vec::<String>::new());
    assert_eq!(told(&test), Vec::<String>::new());
}

/// The words of a refusal reach the panel with their type, the run may be repeated, nothing is opened.
#[test]
fn a_refusal_reaches_the_panel_and_the_run_may_be_repeated() {
    let test = Test::new();
    for (item, words, kind) in [
        (1, "no_money", "nomoney"),
        (2, "blocked", "blocked"),
        (3, "ip_busy", "ip_busy"),
        (4, "sale_closed", "sale_closed"),
        (5, "period", "period_not_sold"),
        (6, "tariff", "sale_closed"),
        (7, "something_odd", "upstream"),
    ] {
        let ip = ip_of(item);
        test.soft_item(item, "55227", 1).ip(&ip).add();
        test.upstream.fault(Fault::on("soft.order.param").refused(words));
        let output = test.cmd("open", item);
        let object = if kind == "ip_busy" { "ip" } else { "intname" };
        assert_eq!(output.fails(kind).attribute("object"), object, "{words}");
        // A code of the vendor's other billing is refused like one that is not sold any more.
        let advice = output.message().contains("55227 is a code of the international billing");
        assert_eq!(advice, kind == "sale_closed", "{}", output.message());
        assert_eq!((test.item(item).status, test.item(item).param("licid")), (1, ""), "{words}");
        test.upstream.set_balance(2_000_000 + i64::from(item));
        test.cmd("open", item).ok();
        assert_eq!(test.upstream.licenses().iter().filter(|l| l.ip == ip).count(), 1, "{words}");
    }
    assert_eq!(test.upstream.billed("soft.order.param"), 7);
}

/// A purchase that is held back after a refusal says why the seller refused, and what ends that.
#[test]
fn a_purchase_that_is_held_back_names_the_reason_of_the_refusal() {
    for (words, kind, reason, advice) in [
        ("no_money", "nomoney", "for lack of money", "top up the account"),
        ("blocked", "blocked", "it has blocked the account", "ask the seller to unblock the account"),
    ] {
        let test = Test::new();
        test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
        test.upstream.fault(Fault::on("soft.order.param").refused(words));
        test.cmd("open", 42).fails(kind);
        let again = test.cmd("open", 42);
        again.fails(kind);
        assert!(again.message().contains(reason) && again.message().contains(advice), "{}", again.message());
        assert_eq!(test.upstream.billed("soft.order.param"), 0);
    }
}

/// A stop that lands while open waits for the key is undone: what is handed out runs.
#[test]
fn a_license_stopped_while_open_waits_is_started_again() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    test.upstream.fault(Fault::on("soft.order.param").key_late(2));
    test.upstream.before("soft.edit?read", 2, |world| world.licenses.values_mut().for_each(|l| l.status = 3));
    test.cmd("open", 42).ok();
    assert_eq!(only_license(&test).status, 2, "{}", test.story());
}

/// A run that bought the license died before it said so: the next command says it, whichever that is.
#[test]
fn a_purchase_that_the_panel_never_learned_of_is_reported_by_the_next_command() {
    for command in ["prolong", "resume"] {
        let test = Test::new();
        test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
        test.mgrctl_fault(MgrctlFault::on("service.saveparam", MgrctlFaultKind::ErrorDocument).always());
        assert_eq!(test.cmd("open", 42).code, Some(1));
        test.clear_mgrctl_faults();
        test.set_item(42, "status", "2");
        test.set_item(42, "expiredate", &day(20));
        test.cmd(command, 42).ok();
        let license = only_license(&test);
        assert_eq!((licid(&test, 42), test.item(42).param("lickey")), (license.id, license.key.as_str()), "{command}");
    }
}

/// An address that has such a license already is found before the order.
#[test]
fn a_busy_address_is_found_before_the_order() {
    let test = Test::new();
    test.upstream.add_foreign(55227, 1, "192.0.2.10", "somebody's");
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    let output = test.cmd("open", 42);
    assert_eq!((output.fails("ip_busy").attribute("object"), output.attribute("value")), ("ip", "192.0.2.10"));
    assert_eq!(changes(&test), Vec::<String>::new());
    assert_eq!(state(&test, "SELECT count(*) FROM intent"), "0");
}

/// A login that fails is `auth` and registered as a problem of the module; nothing is ordered.
#[test]
fn a_refused_login_is_a_problem_of_the_module() {
    let mut test = Test::new();
    test.module_password(7, "wrong");
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.cmd("open", 42).fails("auth");
    assert_eq!(changes(&test), Vec::<String>::new());
    let problem = &test.panel_changes()[0];
    let start = "problems.register sok=ok level=error name=processingmodule_connect id=7 param_pm_id=7";
    assert!(problem.starts_with(start) && problem.contains("param_errormsg="), "{problem}");
    test.upstream.options(|o| o.two_factor = true);
    let password = test.upstream.with(|w| w.options.password.clone());
    test.module_password(7, &password);
    assert!(test.cmd("open", 42).fails("auth").message().contains("Two-factor"));
}

/// A license left unpaid at status 1 is waited for, never ordered anew, and opens the service once it is paid.
#[test]
fn an_unpaid_order_is_waited_for_and_never_ordered_anew() {
    let test = Test::new();
    test.upstream.options(|o| o.no_money_leaves_order = true);
    test.upstream.set_balance(100);
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    let first = test.cmd("open", 42);
    let id = only_license(&test).id.to_string();
    assert_eq!((first.fails("nomoney").attribute("object"), first.attribute("value")), ("licid", id.as_str()));
    let noted = state(&test, "SELECT en FROM journal WHERE event = 'bound'");
    assert_eq!(noted, format!("license {id} is ordered and waits for payment"));
    forget(&test);
    for _ in 0..2 {
        test.cmd("open", 42).fails("nomoney");
    }
    assert_eq!(changes(&test), Vec::<String>::new());
    assert_eq!(told(&test), Vec::<String>::new());
    assert_eq!(test.item(42).status, 1);
    test.upstream.set_balance(1_000);
    test.upstream.pay(only_license(&test).id);
    test.cmd("open", 42).ok().stdout("");
    assert_eq!((test.item(42).status, licid(&test, 42).to_string()), (2, id));
    assert_eq!((test.upstream.billed("soft.order.param"), test.upstream.licenses().len()), (1, 1));
}

/// A key that is late does not keep the service closed; the next sync brings it.
#[test]
fn a_late_key_does_not_keep_the_service_closed() {
    for status in [2, 5] {
        let test = Test::new();
        test.upstream.options(|o| (o.key_after_reads, o.late_key_status) = (u32::MAX, status));
        test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
        test.cmd("open", 42).ok().stdout("");
        assert_eq!((test.item(42).status, test.item(42).param("lickey")), (2, ""));
        assert!(test.log().contains("has no key yet"));
        test.cmd("sync_item", 42).ok();
        assert_eq!(test.item(42).param("lickey"), "");
        test.upstream.issue_keys();
        forget(&test);
        test.cmd("sync_item", 42).ok().stdout("");
        assert_eq!(test.item(42).param("lickey"), only_license(&test).key);
        assert_eq!(told(&test), ["service.saveparam"]);
        test.assert_clean();
    }
}

/// A key that appears at the second look is saved by open itself, with one read more.
#[test]
fn a_key_that_appears_at_the_second_look_is_saved_by_open() {
    let test = Test::new();
    test.upstream.options(|o| o.key_after_reads = 1);
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.cmd("open", 42).ok();
    assert_eq!(test.upstream.funcs(), [&OPEN[..], &["soft.edit?read"]].concat());
    assert_eq!(test.item(42).param("lickey"), only_license(&test).key);
}

/// The panel fails after the purchase: nothing is bought again, and the next run gives the panel what is missing.
#[test]
fn a_panel_that_fails_after_the_purchase_costs_no_second_one() {
    for (func, kind) in [
        ("service.saveparam", MgrctlFaultKind::ErrorDocument),
        ("service.saveparam", MgrctlFaultKind::Lost),
        ("service.saveparam", MgrctlFaultKind::NoEffect),
        ("soft.open", MgrctlFaultKind::ErrorDocument),
        ("soft.open", MgrctlFaultKind::Lost),
        ("soft.open", MgrctlFaultKind::Rubbish),
        ("soft.open", MgrctlFaultKind::Killed),
    ] {
        let test = Test::new();
        test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
        test.mgrctl_fault(MgrctlFault::on(func, kind).always());
        // A call that took effect although its answer was lost is found done by the look at the parameters.
        let is_seen_done = func == "service.saveparam" && matches!(kind, MgrctlFaultKind::Lost);
        let first = test.cmd("open", 42);
        if is_seen_done {
            first.ok();
        } else {
            assert_eq!(first.fails("mgrctl").attribute("object"), func, "{kind:?}: {}", test.story());
        }
        test.clear_mgrctl_faults();
        test.cmd("open", 42).ok();
        let license = only_license(&test);
        let item = test.item(42);
        assert_eq!((item.status, item.param("lickey"), licid(&test, 42)), (2, license.key.as_str(), license.id));
        assert_eq!(test.upstream.billed("soft.order.param"), 1, "{func} {kind:?}");
    }
}

/// An older panel takes parameters one by one, in the older form.
#[test]
fn an_older_panel_gets_its_parameters_one_by_one() {
    let mut test = Test::new();
    test.panel(|p| p.saveparam_refuses_names = true);
    test.soft_item(42, "55227", 1).ip("192.0.2.10").licname("shop").add();
    test.cmd("open", 42).ok();
    let license = only_license(&test);
    assert_eq!((test.item(42).param("lickey"), licid(&test, 42)), (license.key.as_str(), license.id));
    let second = format!("service.saveparam sok=ok elid=42 name=licid value={}", license.id);
    assert!(test.panel_changes().contains(&second), "{:?}", test.panel_changes());
    test.assert_clean();
}

/// A number that was used again, for the same client: the key of its former license is not shown as that of the new
/// one, whose key is late.
#[test]
fn a_late_key_is_not_shown_by_that_of_the_license_before() {
    let test = Test::new();
    test.settings("on_close = \"stop\"\n");
    let former = opened(&test, 42, "55227", 1);
    test.cmd("close", 42).ok();
    assert_eq!(test.item(42).param("lickey"), test.upstream.license(former).key);
    test.upstream.options(|o| o.key_after_reads = u32::MAX);
    test.set_item(42, "status", "1");
    test.set_param(42, "ip", "192.0.2.142");
    test.cmd("open", 42).ok();
    let id = licid(&test, 42);
    assert_eq!((id != former, test.item(42).status, test.item(42).param("lickey")), (true, 2, ""), "{}", test.story());
    forget(&test);
    test.cmd("sync_item", 42).ok();
    assert_eq!(told(&test), Vec::<String>::new(), "an empty parameter has arrived");
    test.upstream.issue_keys();
    test.cmd("sync_item", 42).ok();
    let key = test.upstream.license(id).key;
    assert_eq!((key.is_empty(), test.item(42).param("lickey")), (false, key.as_str()));
    // An answer without a key does not take away the key of the very license.
    test.upstream.edit_license(id, |l| l.key = String::new());
    test.cmd("sync_item", 42).ok();
    test.cmd("open", 42).ok();
    assert_eq!((licid(&test, 42), test.item(42).param("lickey")), (id, key.as_str()));
}

/// A panel that refuses a parameter without a value: the number of the new license is saved anyway. The former key that
/// is still shown is reported once, and the new key takes its place.
#[test]
fn a_panel_that_clears_no_parameter_gets_the_number_anyway() {
    let mut test = Test::new();
    test.settings("on_close = \"stop\"\n");
    let former = opened(&test, 42, "55227", 1);
    let shown = test.item(42).param("lickey").to_owned();
    test.cmd("close", 42).ok();
    test.panel(|p| p.saveparam_refuses_empty = true);
    test.upstream.options(|o| o.key_after_reads = u32::MAX);
    test.set_item(42, "status", "1");
    test.set_param(42, "ip", "192.0.2.142");
    let problems = |test: &Test| told(test).iter().filter(|func| *func == "problems.register").count();
    forget(&test);
    test.cmd("open", 42).ok();
    let id = licid(&test, 42);
    assert_eq!((id != former, test.item(42).status, test.item(42).param("lickey")), (true, 2, shown.as_str()));
    assert_eq!(problems(&test), 1, "{}", test.story());
    assert!(test.log().contains("service 42 still shows the key of its former license"), "{}", test.story());
    for _ in 0..2 {
        test.cmd("sync_item", 42).ok();
    }
    assert_eq!((problems(&test), licid(&test, 42)), (1, id), "it is told once");
    // A later run clears the key, once the panel does that.
    test.panel(|p| p.saveparam_refuses_empty = false);
    test.cmd("sync_item", 42).ok();
    assert_eq!(test.item(42).param("lickey"), "", "{}", test.story());
    test.upstream.issue_keys();
    test.cmd("sync_item", 42).ok();
    assert_eq!(test.item(42).param("lickey"), test.upstream.license(id).key);
}

/// reopen does what open would still have to do, and ends with a post-call of its own.
#[test]
fn reopen_does_what_open_left_and_ends_with_its_own_post_call() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.set_item(42, "status", "3");
    test.cmd("reopen", 42).ok().stdout("");
    assert_eq!(test.panel_changes(), ["service.postreopen elid=42 sok=ok"]);
    assert_eq!(sent(&test), [format!("soft.edit elid={id}")]);
    test.soft_item(43, "55228", 12).ip("192.0.2.43").add();
    forget(&test);
    test.cmd("reopen", 43).ok();
    assert_eq!(told(&test), ["service.saveparam", "service.postreopen"]);
    let license = test.upstream.license(licid(&test, 43));
    assert_eq!((license.pricelist, license.expires.map(|d| d.to_string())), (55228, Some(months(&day(0), 12))));
    assert_eq!(test.upstream.billed("soft.order.param"), 2);
}

/// An item's number used again, for another client: the license of the former one is neither shown nor changed.
#[test]
fn a_number_used_again_never_touches_the_former_license() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    test.set_item(42, "account", "777");
    for command in ["open", "suspend", "prolong", "sync_item", "gen_key"] {
        assert_eq!(test.cmd(command, 42).fails("state").attribute("object"), "item", "{command}");
    }
    test.set_item(42, "account", "501");
    test.set_item(42, "createdate", "2020-01-01 10:00:00");
    test.cmd("open", 42).fails("state");
    assert_eq!((changes(&test), told(&test)), (Vec::new(), Vec::new()));
}

/// The service names a license that this state does not know: nothing is bought beside it, and the next step depends on
/// whether it bears a mark. A deleted license does not hinder the purchase.
#[test]
fn nothing_is_bought_beside_an_unknown_license_that_is_shown() {
    for (remoteid, advice) in
        [("", "pmisplicense bind 42 ID"), ("pml-zzzzzzzz-42-1", "pmisplicense state adopt zzzzzzzz")]
    {
        let test = Test::new();
        let id = test.upstream.add_foreign(55227, 1, "192.0.2.77", "a server");
        test.upstream.edit_license(id, |l| l.remoteid = remoteid.into());
        test.soft_item(42, "55227", 1).ip("192.0.2.10").param("licid", &id.to_string()).add();
        let output = test.cmd("open", 42);
        let message = output.fails("state").message();
        assert!(message.contains(&advice.replace("ID", &id.to_string())), "{message}");
        assert_eq!((changes(&test), told(&test)), (Vec::new(), Vec::new()));
        if remoteid.is_empty() {
            test.upstream.edit_license(id, |l| l.status = 4);
            test.cmd("open", 42).ok();
            assert_eq!((test.upstream.billed("soft.order.param"), licid(&test, 42) != id), (1, true));
        }
    }
}

/// The look before an order takes no note of what others have: a key that the seller changed is still news to the
/// next sync, which brings it.
#[test]
fn the_look_before_an_order_hides_no_change_from_sync() {
    let test = Test::new();
    let id = opened(&test, 41, "55227", 1);
    let today = test.upstream.today();
    test.upstream.edit_license(id, |l| (l.key, l.key_changed) = ("NEW-KEY-1".into(), Some(today)));
    opened(&test, 42, "55227", 1);
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!(test.item(41).param("lickey"), "NEW-KEY-1");
}
