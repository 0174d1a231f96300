//! `setparam`: address, name, nodes and tariff that the client changed; what the seller refuses, what is rolled back.
use crate::service::{alter_state, changes, day, forget, license, licid, only_license, opened, sent, state, told};
use crate::support::{Fault, Test};

/// A new address and a new name are sent to the seller, then the post-call is made. A second run reads only.
#[test]
fn a_new_address_and_name_are_passed_on_once() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.set_param(42, "ip", "192.0.2.77");
    test.set_param(42, "licname", "new name");
    test.cmd("setparam", 42).ok().stdout("");
    assert_eq!(
        changes(&test),
        [format!("soft.edit elid={id} ip=192.0.2.77 sok=ok"), format!("soft.edit elid={id} licname=new name sok=ok")]
    );
    assert_eq!(test.panel_changes(), ["service.postsetparam elid=42 sok=ok"]);
    for words in [format!("address of license {id} -> 192.0.2.77"), format!("name of license {id} -> new name")] {
        assert!(test.log().contains(&words), "{}", test.log());
        assert_eq!(state(&test, &format!("SELECT count(*) FROM journal WHERE en LIKE '{words}%'")), "1");
    }
    forget(&test);
    test.cmd("setparam", 42).ok();
    assert_eq!(
        (sent(&test), told(&test)),
        (vec![format!("soft.edit elid={id}")], vec!["service.postsetparam".to_owned()])
    );
    assert_eq!((test.item(42).param("ip"), test.item(42).param("licname")), ("192.0.2.77", "new name"));
}

/// A service that went to `nopanel` gave its license back: nothing is missing, and sync says so.
#[test]
fn a_service_that_gave_up_its_panel_misses_nothing() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    test.choose(42, "nopanel");
    test.cmd("setparam", 42).ok();
    test.cmd("sync_item", 42).ok().stdout("");
    test.run(["--command", "sync", "--module", "7"]).ok();
}

/// The client chose a panel again, and no run was started for it: the pass names the paid service without a license.
#[test]
fn a_panel_that_is_chosen_again_unheard_is_named_by_sync() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    test.set_item(42, "expiredate", &crate::service::day(20));
    test.choose(42, "nopanel");
    test.cmd("setparam", 42).ok();
    test.choose(42, "55227");
    let message = test.run(["--command", "sync", "--module", "7"]).fails("missed").message().to_owned();
    let named = "Service 42 now needs a control panel, but has no license";
    assert!(message.contains(named) && message.contains("pmisplicense reconcile"), "{message}");
    assert_eq!(test.upstream.billed("soft.order.param"), 1, "a pass buys nothing");
    test.run(["reconcile", "--apply"]).ok();
    test.run(["--command", "sync", "--module", "7"]).ok();
}

/// The client chose something that nobody knows, and no run was started for it: the pass names the paid service, and
/// says which names are known.
#[test]
fn an_unknown_choice_after_no_panel_is_named_by_sync() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    test.set_item(42, "expiredate", &crate::service::day(20));
    test.choose(42, "nopanel");
    test.cmd("setparam", 42).ok();
    test.choose(42, "unheard");
    for _ in 0..2 {
        let output = test.run(["--command", "sync", "--module", "7"]);
        let message = output.fails("unknown_internal_name").message().to_owned();
        assert!(message.contains("unheard") && message.contains("55227"), "{message}");
    }
}

/// One address a month: told with the day from which it will work; the intent is kept and sync carries it out.
#[test]
fn an_address_refused_within_the_month_is_set_by_sync_later() {
    let test = Test::new();
    test.upstream.options(|o| o.order_counts_as_change = true);
    let id = opened(&test, 42, "55227", 12);
    test.set_param(42, "ip", "192.0.2.77");
    test.set_param(42, "licname", "new name");
    let output = test.cmd("setparam", 42);
    assert_eq!((output.fails("ip_change_limit").attribute("object"), output.attribute("value")), ("ip", "192.0.2.77"));
    assert!(
        output.message().contains(&format!("from {} on", crate::service::a_month_after(test.upstream.today()))),
        "{}",
        output.message()
    );
    assert!(told(&test).is_empty());
    assert_eq!(license(&test, 42).licname, "new name", "what else the client wants need not wait for it");
    test.cmd("sync_item", 42).ok();
    assert_eq!((license(&test, 42).ip.as_str(), test.item(42).param("ip")), ("192.0.2.42", "192.0.2.77"));
    test.upstream.age(id, 40);
    crate::service::pass(&test, 40 * 86_400);
    forget(&test);
    test.cmd("sync_item", 42).ok();
    assert_eq!(changes(&test), [format!("soft.edit elid={id} ip=192.0.2.77 sok=ok")]);
}

/// If the seller gives no dates, a refused address is not sent again before a day has passed.
#[test]
fn without_dates_a_refused_address_waits_for_a_day() {
    let test = Test::setup().options(|o| (o.list_dates, o.edit_dates) = (false, false)).start();
    test.upstream.options(|o| o.order_counts_as_change = true);
    let id = opened(&test, 42, "55227", 12);
    test.set_param(42, "ip", "192.0.2.77");
    test.cmd("setparam", 42).fails("ip_change_limit");
    forget(&test);
    test.cmd("sync_item", 42).ok();
    assert_eq!(changes(&test), Vec::<String>::new());
    test.upstream.age(id, 40);
    crate::service::pass(&test, 86_401);
    test.cmd("sync_item", 42).ok();
    assert_eq!(license(&test, 42).ip, "192.0.2.77");
}

/// A trial stays one as long as the service is on trial, nodes included; what becomes of it then is not sync's to
/// buy.
#[test]
fn a_trial_stays_one_as_long_as_the_service_is_on_trial() {
    for name in ["55227", "55230"] {
        let test = Test::new();
        test.soft_item(42, name, -100).nodes(0).ip("192.0.2.42").add();
        test.cmd("open", 42).ok();
        let id = licid(&test, 42);
        forget(&test);
        for command in ["setparam", "sync_item"] {
            test.cmd(command, 42).ok();
        }
        test.choose(42, "3045");
        test.cmd("setparam", 42).fails("period_not_sold");
        assert_eq!(changes(&test), Vec::<String>::new(), "{name}");
        test.choose(42, name);
        test.set_item(42, "period", "1");
        test.cmd("sync_item", 42);
        assert_eq!(changes(&test), Vec::<String>::new(), "{name} paid");
        test.cmd("setparam", 42).ok();
        assert!(licid(&test, 42) != id);
    }
}

/// Bad values of the client's change nothing.
#[test]
fn bad_values_of_the_client_change_nothing() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    for (name, value) in [("ip", "127.0.0.1"), ("ip", "192.0.2.1,192.0.2.2"), ("licname", "free.lic")] {
        let was = test.item(42).param(name).to_owned();
        test.set_param(42, name, value);
        assert_eq!(test.cmd("setparam", 42).fails("bad_value").attribute("object"), name);
        test.set_param(42, name, &was);
    }
    assert_eq!((changes(&test), told(&test)), (Vec::new(), Vec::new()));
}

/// The seller refuses an address that is in use, and no post-call is made.
#[test]
fn a_busy_address_is_refused_and_the_panel_learns_nothing() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    test.upstream.add_foreign(55227, 1, "192.0.2.77", "somebody's");
    test.set_param(42, "ip", "192.0.2.77");
    test.cmd("setparam", 42).fails("ip_busy");
    assert_eq!((told(&test), license(&test, 42).ip.as_str()), (Vec::new(), "192.0.2.42"));
}

/// Nodes: the included ones plus the client's, charged once even when the answer is lost.
#[test]
fn changed_nodes_are_charged_once_even_without_an_answer() {
    for name in ["none", "drop_after", "refused_after"] {
        let test = Test::new();
        test.soft_item(42, "55230", 1).nodes(2).ip("192.0.2.10").add();
        test.cmd("open", 42).ok();
        let id = licid(&test, 42);
        assert_eq!(license(&test, 42).nodes, 3);
        forget(&test);
        test.set_nodes(42, 5);
        if let Some(fault) = Fault::by_name("soft.edit?set", name, None, None) {
            test.upstream.fault(fault);
        }
        test.cmd("setparam", 42).ok().stdout("");
        assert_eq!(changes(&test), [format!("soft.edit addon_55236=6 elid={id} sok=ok")], "{name}");
        test.cmd("setparam", 42).ok();
        assert_eq!((test.upstream.billed("soft.edit"), license(&test, 42).nodes), (1, 6), "{name}");
        // Fewer, then more again: another intent, though the numbers were seen before.
        test.set_nodes(42, 2);
        test.cmd("setparam", 42).ok();
        test.set_nodes(42, 5);
        test.cmd("setparam", 42).ok();
        assert_eq!(license(&test, 42).nodes, 6, "{name}");
    }
}

/// Nodes of a product that has none at the seller: an order is refused before anything is sent. A service that has its
/// license already keeps it, with every other change and renewal, and the client's nodes are heard each time.
#[test]
fn nodes_that_the_product_does_not_have_are_never_passed_over() {
    let test = Test::new();
    test.soft_item(41, "55227", 1).nodes(3).ip("192.0.2.41").add();
    let refused = test.cmd("open", 41);
    let message = refused.fails("bad_value").message().to_owned();
    assert_eq!((refused.attribute("object"), refused.attribute("value")), ("nodes", "3"), "{message}");
    for word in ["41", "3 additional nodes", "addon nodes", "55227 (ISPmanager 6 Lite)", "Nothing was ordered", "Next:"]
    {
        assert!(message.contains(word), "{word}: {message}");
    }
    assert_eq!((changes(&test), test.item(41).status), (Vec::new(), 1));

    test.soft_item(42, "55227", 1).nodes(0).ip("192.0.2.42").add();
    test.cmd("open", 42).ok();
    test.set_nodes(42, 2);
    test.set_param(42, "licname", "another");
    forget(&test);
    let heard = test.cmd("setparam", 42);
    assert_eq!(heard.fails("bad_value").attribute("object"), "nodes");
    assert_eq!(license(&test, 42).licname, "another", "every other change is made");
    assert_eq!(test.cmd("sync_item", 42).fails("bad_value").attribute("object"), "nodes");
    test.set_item(42, "expiredate", &day(62));
    test.cmd("prolong", 42).ok();
    test.set_nodes(42, 0);
    test.cmd("sync_item", 42).ok();

    // The trial of a product that has nodes has none itself, and passes.
    test.soft_item(43, "55230", -100).nodes(2).ip("192.0.2.43").add();
    test.cmd("open", 43).ok();
}

/// Another panel: the tariff changes at the seller, license and key stay; a repeated run sends nothing.
#[test]
fn another_panel_changes_the_tariff_and_keeps_license_and_key() {
    for name in ["none", "drop_after", "html", "refused_after"] {
        let test = Test::new();
        let id = opened(&test, 42, "55227", 1);
        let key = license(&test, 42).key;
        test.choose(42, "55228");
        if let Some(fault) = Fault::by_name("service.changepricelist", name, None, None) {
            test.upstream.fault(fault);
        }
        test.cmd("setparam", 42).ok().stdout("");
        assert_eq!(
            changes(&test),
            [format!("service.changepricelist elid={id} period=1 pricelist=55228 sok=ok")],
            "{name}"
        );
        assert_eq!(told(&test), ["service.postsetparam"]);
        test.cmd("setparam", 42).ok();
        let now = license(&test, 42);
        assert_eq!(
            (now.id, now.pricelist, now.key, test.upstream.billed("service.changepricelist")),
            (id, 55228, key, 1)
        );
        // And back, and again: three changes, three intents.
        for choice in ["55227", "55228"] {
            test.choose(42, choice);
            test.cmd("setparam", 42).ok();
        }
        assert_eq!(license(&test, 42).pricelist, 55228);
        assert_eq!(test.upstream.requests_of("service.changepricelist").len(), 3, "{name}");
    }
}

/// Only what the seller refused is rolled back in the panel, and only when there is a tariff to go back to.
#[test]
fn only_a_refused_tariff_is_rolled_back_in_the_panel() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).on_tariff().ip("192.0.2.10").add();
    test.cmd("open", 42).ok();
    let first = test.item(42).pricelist;
    test.change_tariff(42, "55229");
    forget(&test);
    test.upstream.fault(Fault::on("service.changepricelist").refused("no_money"));
    test.cmd("setparam", 42).fails("nomoney");
    assert_eq!(test.panel_changes(), ["service.changepricelist.rollback elid=42 sok=ok"]);
    assert_eq!((test.item(42).pricelist, license(&test, 42).pricelist), (first, 55227));
    // Without lastpricelist: refused, and nothing to go back to.
    let other = Test::new();
    opened(&other, 42, "55227", 1);
    other.choose(42, "55229");
    other.upstream.fault(Fault::on("service.changepricelist").refused("odd"));
    other.cmd("setparam", 42).fails("upstream");
    assert_eq!(told(&other), Vec::<String>::new());
}

/// Unknown, or never sent: no rollback; the run fails and is repeated.
#[test]
fn an_unknown_or_unsent_change_is_not_rolled_back() {
    for not_sent in [false, true] {
        let test = Test::new();
        test.soft_item(42, "55227", 1).on_tariff().ip("192.0.2.10").add();
        test.cmd("open", 42).ok();
        test.change_tariff(42, "55229");
        forget(&test);
        let fault = if not_sent {
            Fault::on("soft.edit?read").then_refuse(0)
        } else {
            Fault::on("service.changepricelist").drop_before()
        };
        test.upstream.fault(fault);
        test.cmd("setparam", 42).fails("client");
        assert_eq!(told(&test), ["problems.register"], "{not_sent}");
        test.upstream.listen_again();
        if !not_sent {
            for _ in 0..2 {
                test.cmd("setparam", 42).fails("client");
                crate::service::settle(&test);
            }
        }
        test.cmd("setparam", 42).ok();
        assert_eq!((license(&test, 42).pricelist, test.upstream.billed("service.changepricelist")), (55229, 1));
        assert!(!told(&test).contains(&"service.changepricelist.rollback".to_owned()));
    }
}

/// While a change of the tariff is in doubt nothing else is changed.
#[test]
fn nothing_else_is_changed_while_a_tariff_is_in_doubt() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    test.choose(42, "55228");
    test.set_param(42, "licname", "new name");
    test.upstream.fault(Fault::on("service.changepricelist").drop_before());
    test.cmd("setparam", 42).fails("client");
    assert_eq!(license(&test, 42).licname, "Item #42 Service 42", "{}", test.story());
}

/// Somebody else changes the license at the same time: no post-call is made before the license is what the client
/// wants. setparam does not decide whether it runs.
#[test]
fn the_panel_learns_nothing_before_the_license_is_as_the_client_wants() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.set_param(42, "ip", "192.0.2.77");
    test.upstream.before("soft.edit?set", 1, move |w| w.licenses.get_mut(&id).unwrap().licname = "odd".into());
    test.cmd("setparam", 42).fails("upstream");
    assert_eq!(told(&test), Vec::<String>::new());
    test.cmd("setparam", 42).ok();
    assert_eq!(
        (license(&test, 42).licname.as_str(), told(&test)),
        ("Item #42 Service 42", vec!["service.postsetparam".into()])
    );
    test.set_param(42, "licname", "third");
    test.upstream.before("soft.edit?set", 1, move |w| w.licenses.get_mut(&id).unwrap().status = 3);
    for _ in 0..2 {
        test.cmd("setparam", 42).ok();
    }
    assert_eq!((license(&test, 42).licname.as_str(), license(&test, 42).status), ("third", 3));
}

/// A license that is gone: an active service gets a new one, a suspended one does not.
#[test]
fn only_an_active_service_gets_a_new_license_for_a_gone_one() {
    for (status, bought) in [("2", 2), ("3", 1)] {
        let test = Test::new();
        let id = opened(&test, 42, "55227", 1);
        test.upstream.edit_license(id, |l| l.status = 4);
        test.set_item(42, "status", status);
        test.cmd("setparam", 42).ok();
        assert_eq!(test.upstream.billed("soft.order.param"), bought, "{status}: {}", test.story());
    }
}

/// From no panel to a panel: an order; from a panel to none: freed; each remembered.
#[test]
fn a_service_can_choose_a_panel_and_give_it_up() {
    let test = Test::new();
    test.soft_item(42, "nopanel", 1).ip("192.0.2.10").add();
    test.cmd("open", 42).ok().stdout("");
    assert_eq!(changes(&test), Vec::<String>::new());
    test.choose(42, "55227");
    forget(&test);
    test.cmd("setparam", 42).ok().stdout("");
    assert_eq!(told(&test), ["service.saveparam", "service.postsetparam"]);
    let id = only_license(&test).id;
    assert_eq!(licid(&test, 42), id);
    forget(&test);
    test.cmd("setparam", 42).ok();
    assert_eq!(changes(&test), Vec::<String>::new());
    test.choose(42, "nopanel");
    test.cmd("setparam", 42).ok();
    assert_eq!(
        (only_license(&test).licname.as_str(), state(&test, "SELECT state FROM license")),
        ("free.lic", "pool".into())
    );
    assert_eq!(test.upstream.billed("soft.order.param"), 1);
    test.cmd("setparam", 42).ok();
    test.cmd("sync_item", 42).ok().stdout("");
    test.cmd("suspend", 42).ok();
}

/// From ISPmanager 5, whose sale is over, to 6: not refused; back to it: refused before anything is sent.
#[test]
fn a_change_away_from_an_ended_product_is_not_refused() {
    let test = Test::new();
    test.upstream.set_today("2021-04-01".parse().unwrap());
    let old = test.upstream.add_foreign(3541, 12, "192.0.2.42", "old");
    test.upstream.with(|w| w.today = None);
    let id = opened(&test, 42, "55227", 1);
    test.upstream.edit_license(old, |l| l.status = 4);
    // As if it had been bought while 5 was sold.
    test.upstream.edit_license(id, |l| l.pricelist = 3541);
    alter_state(&test, "UPDATE license SET pricelist = 3541, internal_name = '3541'");
    test.choose(42, "55227");
    test.cmd("setparam", 42).ok();
    assert_eq!(changes(&test), [format!("service.changepricelist elid={id} period=1 pricelist=55227 sok=ok")]);
    forget(&test);
    test.choose(42, "3541");
    test.cmd("setparam", 42).fails("sale_closed");
    assert_eq!((changes(&test), license(&test, 42).pricelist), (Vec::new(), 55227));
}

/// The seller away: `client`, nothing told.
#[test]
fn the_panel_learns_nothing_while_the_seller_is_away() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    test.set_param(42, "licname", "x");
    test.upstream.stop_listening();
    test.cmd("setparam", 42).fails("client");
    assert_eq!(told(&test), ["problems.register"]);
    test.upstream.listen_again();
    test.cmd("setparam", 42).ok();
    assert_eq!(license(&test, 42).licname, "x");
}

/// A change whose answer was lost lands after the client changed his mind: the next pass sees that address and name
/// are not what the service wants, and puts them right, also when its first attempt fails.
#[test]
fn a_change_that_lands_late_is_put_right_by_the_next_sync_pass() {
    for fails in [false, true] {
        let test = Test::new();
        let id = opened(&test, 42, "55227", 1);
        test.set_param(42, "ip", "192.0.2.77");
        test.upstream.fault(Fault::on("soft.edit?set").late().always());
        test.cmd("setparam", 42).fails("client");
        test.upstream.clear_faults();
        test.set_param(42, "ip", "192.0.2.78");
        test.set_param(42, "licname", "third");
        test.cmd("setparam", 42).ok();
        assert_eq!((license(&test, 42).ip, license(&test, 42).licname), ("192.0.2.78".into(), "third".into()));
        test.upstream.age(id, 40);
        assert!(test.upstream.land_late() > 0 && license(&test, 42).ip == "192.0.2.77");
        test.upstream.age(id, 40);
        test.upstream.edit_license(id, |l| l.licname = "odd".into());
        forget(&test);
        let pass = || test.run(["--command", "sync", "--module", "7"]);
        if fails {
            test.upstream.fault(Fault::on("soft.edit?set").refused("odd").times(2));
            pass();
            assert_eq!(license(&test, 42).ip, "192.0.2.77", "{}", test.story());
        }
        pass().ok();
        assert_eq!((license(&test, 42).ip, license(&test, 42).licname), ("192.0.2.78".into(), "third".into()));
        // Done with: the next one reads the list only.
        forget(&test);
        pass().ok();
        assert_eq!((sent(&test).len(), changes(&test)), (1, Vec::new()));
    }
}

/// The same where the seller allows one address a month: kept until then, and never forgotten.
#[test]
fn a_late_address_is_put_right_when_the_month_is_over() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.upstream.edit_license(id, |l| {
        l.ip = "192.0.2.77".into();
        l.ip_changed = day(0).parse().ok();
    });
    forget(&test);
    for _ in 0..2 {
        test.run(["--command", "sync"]).ok();
    }
    assert_eq!(changes(&test), Vec::<String>::new());
    test.upstream.age(id, 40);
    test.run(["--command", "sync"]).ok();
    assert_eq!(changes(&test), [format!("soft.edit elid={id} ip=192.0.2.42 sok=ok")]);
}
