//! `close`: the license is freed, stopped or deleted as the settings say, and a service can always be closed.
use crate::service::{changes, day, forget, license, opened, pass, sent, settle, state, told};
use crate::support::{Fault, MgrctlFault, MgrctlFaultKind, Test};

fn free(id: u64) -> String {
    format!("soft.edit autoprolong=null elid={id} ip=0.0.0.0 licname=free.lic remoteid=pml-P-free sok=ok")
}

/// Closing frees the license into the pool: stopped, name, address and mark cleared, no renewal; then the post-call.
#[test]
fn a_close_frees_the_license_into_the_pool() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 12);
    test.cmd("close", 42).ok().stdout("");
    assert_eq!(changes(&test), [format!("soft.suspend elid={id}"), free(id)]);
    assert_eq!(test.panel_changes(), ["service.postclose elid=42 sok=ok"]);
    assert_eq!((test.item(42).status, state(&test, "SELECT state FROM license")), (4, "pool".into()));
    forget(&test);
    test.cmd("close", 42).ok().stdout("");
    assert_eq!(sent(&test), Vec::<String>::new(), "nothing is left to free");
    assert_eq!(told(&test), ["service.postclose"]);
    test.assert_clean();
}

/// A license that another installation marked as its own is not touched: the service closes, and the license goes on.
/// The exception is a license that lies free in that installation's pool and may be taken from there.
#[test]
fn a_license_that_another_installation_marked_is_not_touched() {
    for (setting, mark, is_free, touched) in [
        ("", "pml-zzzzzzzz-9-9", false, false),
        ("", "pml-zzzzzzzz-free", true, false),
        ("pool_foreign = true", "pml-zzzzzzzz-free", false, false),
        ("pool_foreign = true", "pml-zzzzzzzz-9-9", true, false),
        ("pool_foreign = true", "pml-zzzzzzzz-free", true, true),
    ] {
        let test = Test::new();
        test.settings(setting);
        let id = opened(&test, 42, "55227", 12);
        test.upstream.edit_license(id, |license| {
            license.remoteid = mark.into();
            if is_free {
                (license.licname, license.ip) = ("free.lic".into(), "0.0.0.0".into());
            }
        });
        test.cmd("close", 42).ok().stdout("");
        let (told, held) = (changes(&test), state(&test, "SELECT state FROM license"));
        let want = if touched { vec![format!("soft.suspend elid={id}"), free(id)] } else { Vec::new() };
        assert_eq!((told, test.item(42).status), (want, 4), "{setting} {mark} {is_free}");
        assert_eq!(held, if touched { "pool" } else { "stopped" }, "{setting} {mark} {is_free}");
    }
}

/// A seller may show the past for a while: a license that runs after all once it is freed is stopped then.
#[test]
fn a_license_that_turns_out_to_run_once_it_is_freed_is_stopped() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 12);
    let past = |right: &str| right.replace("<status>2</status>", "<status>3</status>");
    test.upstream.fault(Fault::on("soft.edit?read").reworded(past).times(1));
    test.cmd("close", 42).ok();
    assert_eq!(changes(&test), [free(id), format!("soft.suspend elid={id}")], "{}", test.story());
    assert_eq!((test.upstream.license(id).status, state(&test, "SELECT state FROM license").as_str()), (3, "pool"));
}

/// Cleared by hand, or marked as free and not cleared: name, address, mark and automatic renewal are set anyway.
#[test]
fn a_half_freed_license_is_freed_in_full() {
    for by_hand in [true, false] {
        let test = Test::new();
        let id = opened(&test, 42, "55227", 12);
        test.upstream.edit_license(id, |license| {
            if by_hand {
                (license.licname, license.ip) = ("free.lic".into(), "0.0.0.0".into());
            } else {
                license.remoteid = license.remoteid.replace("-42-1", "-free");
            }
        });
        test.cmd("close", 42).ok();
        assert_eq!(changes(&test), [format!("soft.suspend elid={id}"), free(id)], "{by_hand}");
        assert_eq!(state(&test, "SELECT state FROM license"), "pool", "{by_hand}");
    }
}

/// A license that is left to run out is never renewed by the seller itself, whatever was set before.
#[test]
fn a_license_left_to_run_out_never_renews_itself() {
    for (setting, words) in [("on_close = \"stop\"", None), ("", Some("something_odd"))] {
        let test = Test::new();
        test.settings(setting);
        let id = opened(&test, 42, "55227", 1);
        test.upstream.edit_license(id, |license| license.autoprolong = "1".into());
        if let Some(words) = words {
            test.upstream.fault(Fault::on("soft.edit?set").refused(words));
        }
        test.cmd("close", 42).ok();
        let stays = test.upstream.license(id);
        assert_eq!((stays.status, stays.autoprolong.as_str()), (3, "null"), "{setting}");
    }
}

/// A change that the seller refused, or reported as done without showing it, rests: until the month is over if the
/// address is too young, otherwise for a day. Neither sync nor a repeated close asks before that, and both do
/// afterwards.
#[test]
fn what_the_seller_refused_to_free_rests_before_it_is_tried_again() {
    for (case, days) in [("too young", 31), ("odd", 1), ("not shown", 1)] {
        for command in ["sync_item", "close"] {
            let test = Test::new();
            test.upstream.options(|o| o.order_counts_as_change = case == "too young");
            let id = opened(&test, 42, "55227", 12);
            match case {
                "odd" => test.upstream.fault(Fault::on("soft.edit?set").refused("something_odd")),
                "not shown" => test.upstream.fault(Fault::on("soft.edit?set").without_effect()),
                _ => {}
            }
            test.cmd("close", 42).ok();
            assert_eq!(state(&test, "SELECT state FROM license"), "to_free", "{case}");
            forget(&test);
            for _ in 1..days {
                test.cmd(command, 42).ok();
                pass(&test, 86_400);
            }
            test.cmd(command, 42).ok();
            assert_eq!(sent(&test), Vec::<String>::new(), "{case} {command}");
            pass(&test, 2 * 86_400);
            test.upstream.age(id, 40);
            test.cmd(command, 42).ok();
            assert_eq!(changes(&test), [free(id)], "{case} {command}");
            assert_eq!(state(&test, "SELECT state FROM license"), "pool", "{case} {command}");
        }
    }
}

/// A renewal in doubt is none of the orders that are freed when they appear: it is settled as such, then the license
/// is freed.
#[test]
fn a_renewal_in_doubt_is_settled_before_its_license_is_freed() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.upstream.fault(Fault::on("service.prolong").drop_before());
    let operation = test.prolong_paid(42);
    test.cmd_op("prolong", 42, operation).fails("client");
    test.cmd("close", 42).ok();
    assert_eq!(state(&test, "SELECT status FROM intent WHERE kind = 'renewal'"), "in_doubt");
    let sync = || {
        settle(&test);
        test.run(["--command", "sync", "--module", "7"])
    };
    assert!(sync().fails("client").message().contains("service 42: renewal of license"), "{}", test.story());
    sync().ok();
    sync().ok();
    assert_eq!(state(&test, "SELECT status FROM intent WHERE kind = 'renewal'"), "not_happened");
    assert_eq!((test.upstream.license(id).licname.as_str(), test.upstream.billed("service.prolong")), ("free.lic", 0));
}

/// An incarnation ends when it is closed, even if the panel never learned that it had begun, or nothing was bought in
/// it: the next one starts afresh.
#[test]
fn an_incarnation_ends_with_its_close_even_if_nothing_was_bought() {
    let test = Test::new();
    test.soft_item(43, "55227", 1).ip("192.0.2.43").add();
    test.upstream.fault(Fault::on("soft.order.param").refused("something_odd"));
    test.cmd("open", 43).fails("upstream");
    test.cmd("close", 43).ok();
    assert_eq!(state(&test, "SELECT closes FROM item WHERE id = 43"), "1");
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    test.mgrctl_fault(MgrctlFault::on("soft.open", MgrctlFaultKind::ErrorDocument));
    test.cmd("open", 42).fails("mgrctl");
    test.cmd("close", 42).ok();
    assert_eq!(state(&test, "SELECT closes FROM item WHERE id = 42"), "1");
}

/// on_close = "stop": stopped and left to run out; "delete": deleted once, at once; for one module as well.
#[test]
fn on_close_decides_whether_a_license_is_stopped_or_deleted() {
    for (setting, want, status) in [
        ("on_close = \"stop\"", "soft.suspend elid=ID", 3),
        ("on_close = \"delete\"", "soft.delete elid=ID sok=ok", 4),
        ("[module.7]\non_close = \"delete\"", "soft.delete elid=ID sok=ok", 4),
    ] {
        let test = Test::new();
        test.settings(setting);
        let id = opened(&test, 42, "55227", 1);
        test.cmd("close", 42).ok().stdout("");
        assert_eq!(changes(&test), [want.replace("ID", &id.to_string())], "{setting}");
        let license = test.upstream.license(id);
        assert_eq!((license.status, license.ip.as_str(), test.item(42).status), (status, "192.0.2.42", 4), "{setting}");
        forget(&test);
        test.cmd("close", 42).ok();
        assert_eq!(changes(&test), Vec::<String>::new(), "{setting}");
    }
}

/// The seller does not renew a license that is stopped at the end, even if somebody switched automatic renewal on.
#[test]
fn a_close_switches_off_the_sellers_automatic_renewal() {
    let test = Test::new();
    test.settings("on_close = \"stop\"");
    let id = opened(&test, 42, "55227", 1);
    test.upstream.edit_license(id, |l| l.autoprolong = "1".into());
    test.cmd("close", 42).ok();
    let now = test.upstream.license(id);
    assert_eq!((now.status, now.autoprolong.as_str()), (3, "null"));
}

/// Trials, third-party licenses and ended products are stopped, never pooled.
#[test]
fn trials_and_third_party_licenses_are_stopped_and_never_pooled() {
    let test = Test::new();
    test.soft_item(1, "55227", -100).ip("192.0.2.1").add();
    test.soft_item(2, "9203", 1).external().ip("192.0.2.2").add();
    for (item, stop) in [(1, "soft.suspend"), (2, "softexternal.suspend")] {
        test.cmd("open", item).ok();
        let id = test.item(item).param("licid").to_owned();
        forget(&test);
        test.cmd("close", item).ok();
        assert_eq!(changes(&test), [format!("{stop} elid={id}")]);
        assert_eq!(state(&test, &format!("SELECT state FROM license WHERE id = {id}")), "stopped");
    }
}

/// A service that never had a license, that chose `nopanel`, or that has an unknown product name closes and suspends
/// without a request.
#[test]
fn a_service_without_a_license_closes_without_a_request() {
    let test = Test::new();
    test.soft_item(1, "55227", 1).ip("192.0.2.1").add();
    test.soft_item(2, "nopanel", 1).add();
    test.cmd("open", 2).ok();
    test.soft_item(3, "gone-from-the-catalogue", 1).add();
    test.soft_item(4, "", 1).on_tariff().add();
    for item in 1..=4 {
        forget(&test);
        test.cmd("suspend", item).ok().stdout("");
        test.cmd("close", item).ok().stdout("");
        assert_eq!(
            (sent(&test), told(&test)),
            (Vec::new(), ["service.postsuspend", "service.postclose"].map(String::from).to_vec())
        );
    }
}

/// The license is gone at the seller: status 4, or not there at all. The service closes and suspends anyway.
#[test]
fn a_service_whose_license_is_gone_closes_all_the_same() {
    for forgets in [false, true] {
        for command in ["close", "suspend"] {
            let test = Test::new();
            let id = opened(&test, 42, "55227", 1);
            test.upstream.options(|o| o.forget_deleted = forgets);
            test.upstream.edit_license(id, |l| l.status = 4);
            test.cmd(command, 42).ok().stdout("");
            assert_eq!((changes(&test), told(&test)), (Vec::new(), vec![format!("service.post{command}")]));
        }
    }
}

/// The seller does not let go of the address yet: stopped, remembered, freed by sync when the month is over.
#[test]
fn a_license_whose_address_is_too_young_is_freed_by_sync_later() {
    let test = Test::new();
    test.upstream.options(|o| o.order_counts_as_change = true);
    let id = opened(&test, 42, "55227", 12);
    test.cmd("close", 42).ok().stdout("");
    let held = test.upstream.license(id);
    assert_eq!((held.status, held.ip.as_str(), test.item(42).status), (3, "192.0.2.42", 4));
    assert_eq!(state(&test, "SELECT state FROM license"), "to_free");
    forget(&test);
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!(changes(&test), Vec::<String>::new(), "not before the month is over");
    test.upstream.age(id, 40);
    crate::service::alter_state(&test, "UPDATE license SET not_before = 1");
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!(changes(&test), [free(id)]);
    assert_eq!(state(&test, "SELECT state FROM license"), "pool");
}

/// Answers are lost, the seller is away, the panel fails: the service closes, and what is left is done by sync, once.
#[test]
fn a_service_closes_whatever_fails_and_sync_does_the_rest() {
    for fault in ["soft.suspend", "soft.edit?set", "soft.edit?read"] {
        for name in ["drop_before", "drop_after", "html", "refused"] {
            let test = Test::new();
            let id = opened(&test, 42, "55227", 12);
            test.upstream.fault(Fault::by_name(fault, name, None, Some("something_odd")).unwrap());
            test.cmd("close", 42).ok().stdout("");
            assert_eq!((test.item(42).status, test.upstream.pending_faults()), (4, 0), "{fault} {name}");
            crate::service::alter_state(&test, "UPDATE license SET not_before = NULL");
            test.run(["--command", "sync", "--module", "7"]).ok();
            let license = test.upstream.license(id);
            assert_eq!((license.licname.as_str(), license.status), ("free.lic", 3), "{fault} {name}");
            assert_eq!(state(&test, "SELECT state FROM license"), "pool", "{fault} {name}");
        }
    }
    let test = Test::new();
    let id = opened(&test, 42, "55227", 12);
    test.upstream.stop_listening();
    test.cmd("close", 42).ok().stdout("");
    assert_eq!((test.item(42).status, state(&test, "SELECT state FROM license")), (4, "to_free".into()));
    test.upstream.listen_again();
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!(changes(&test), Vec::<String>::new(), "not before the seller has settled");
    crate::service::alter_state(&test, "UPDATE license SET not_before = 1");
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!(changes(&test), [format!("soft.suspend elid={id}"), free(id)]);
}

/// A deletion whose answer is lost is not sent again before it is settled, and never twice once it is seen.
#[test]
fn a_deletion_in_doubt_is_sent_again_only_when_it_is_settled() {
    let test = Test::new();
    test.settings("on_close = \"delete\"");
    let id = opened(&test, 42, "55227", 1);
    test.upstream.fault(Fault::on("soft.delete").drop_before());
    test.cmd("close", 42).ok();
    for _ in 0..3 {
        settle(&test);
        test.run(["--command", "sync", "--module", "7"]);
    }
    assert_eq!((test.upstream.license(id).status, test.upstream.requests_of("soft.delete").len()), (4, 2));
    assert_eq!(state(&test, "SELECT state FROM license"), "deleted");
}

/// A deletion that happened and whose answer is lost: believed at once where the seller shows it; where a deleted
/// license is not there at all, only when it is missing twice, a settling time after the sending. Sent once either
/// way.
#[test]
fn a_deletion_whose_answer_was_lost_is_sent_once() {
    for (forgets, at_once) in [(false, "deleted"), (true, "to_free")] {
        let test = Test::new();
        test.settings("on_close = \"delete\"");
        test.upstream.options(|o| o.forget_deleted = forgets);
        opened(&test, 41, "55227", 1);
        opened(&test, 42, "55227", 1);
        test.upstream.fault(Fault::on("soft.delete").drop_after());
        test.cmd("close", 42).ok();
        let state_of = || state(&test, "SELECT state FROM license ORDER BY id DESC LIMIT 1");
        assert_eq!(state_of(), at_once);
        for _ in 0..2 {
            settle(&test);
            test.run(["--command", "sync", "--module", "7"]);
        }
        assert_eq!((state_of(), test.upstream.requests_of("soft.delete").len()), ("deleted".into(), 1), "{forgets}");
    }
}

/// One look that finds nothing ends no deletion that never happened, whenever it comes: it is missing once only, and
/// is sent again when the seller has settled.
#[test]
fn one_false_look_ends_no_deletion_that_never_happened() {
    for look in 0..4 {
        let test = Test::new();
        test.settings("on_close = \"delete\"");
        opened(&test, 41, "55227", 1);
        let id = opened(&test, 42, "55227", 1);
        test.upstream.fault(Fault::on("soft.delete").drop_before());
        test.cmd("close", 42).ok();
        for now in 0..6 {
            settle(&test);
            if now == look {
                test.upstream.fault(Fault::on("soft.edit?read").refused("no_license"));
            }
            test.run(["--command", "sync", "--module", "7"]);
        }
        assert_eq!(test.upstream.license(id).status, 4, "{look}: {}", test.story());
        assert_eq!(state(&test, "SELECT state FROM license ORDER BY id DESC LIMIT 1"), "deleted", "{look}");
    }
}

/// While nothing else in the account can be read, an operator must decide. When something can be read, the close goes
/// on.
#[test]
fn the_deletion_of_an_accounts_only_license_is_left_to_an_operator() {
    let test = Test::new();
    test.settings("on_close = \"delete\"");
    test.upstream.options(|o| o.forget_deleted = true);
    opened(&test, 42, "55227", 1);
    test.upstream.fault(Fault::on("soft.delete").drop_after());
    test.cmd("close", 42).ok();
    for _ in 0..3 {
        settle(&test);
        test.run(["--command", "sync", "--module", "7"]);
    }
    let intent = || state(&test, "SELECT status FROM intent WHERE kind = 'delete'");
    assert_eq!((intent(), state(&test, "SELECT state FROM license")), ("handed_over".into(), "to_free".into()));
    assert_eq!(test.upstream.requests_of("soft.delete").len(), 1);
    opened(&test, 41, "55227", 1);
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!((intent(), state(&test, "SELECT state FROM license ORDER BY id")), ("done".into(), "deleted".into()));
    assert_eq!(test.upstream.requests_of("soft.delete"), Vec::new());
}

/// An item whose incarnation ended and that begins anew is another intent: it may buy again.
#[test]
fn an_item_that_is_opened_again_after_its_close_may_buy_again() {
    let test = Test::new();
    test.settings("on_close = \"stop\"");
    let first = opened(&test, 42, "55227", 1);
    test.cmd("close", 42).ok();
    test.upstream.edit_license(first, |l| l.ip = "192.0.2.99".into());
    test.set_item(42, "status", "1");
    test.cmd("open", 42).ok();
    let second = license(&test, 42);
    assert!(second.id != first && second.status == 2);
    assert_eq!(test.upstream.billed("soft.order.param"), 2);
    assert_eq!(second.created.to_string(), day(0));
}

/// A license without an expiry date is stopped, never pooled: nobody could say what is left of it.
#[test]
fn a_license_without_an_expiry_is_stopped_and_never_pooled() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.upstream.edit_license(id, |l| l.expires = None);
    test.cmd("close", 42).ok();
    let now = test.upstream.license(id);
    assert_eq!(
        (now.status, now.licname == "free.lic", state(&test, "SELECT state FROM license")),
        (3, false, "stopped".into())
    );
}
