//! `sync_item`, `sync_server`, `sync`: state refreshed, due renewals, what was left to do; guards of runs over many.
use crate::service::{
    changes, day, end, ends_in, forget, ip_of, license, licid, months, opened, sent, settle, state, told,
};
use crate::support::upstream::StoppedBy;
use crate::support::{Fault, Test};

fn sync(test: &Test) -> crate::support::Output {
    test.run(["--command", "sync_server", "--module", "7"])
}

/// With nothing new nothing is changed, saved or told.
#[test]
fn a_sync_with_nothing_new_changes_saves_and_tells_nothing() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.cmd("sync_item", 42).ok().stdout("");
    assert_eq!((sent(&test), told(&test)), (vec![format!("soft.edit elid={id}")], Vec::new()));
    assert_eq!(state(&test, "SELECT count(*) FROM license WHERE reason IS NOT NULL"), "0", "no look is owed");
}

/// A key, and an expiry that the seller changed, are taken over; only what changed is saved.
#[test]
fn sellers_changes_are_adopted() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.upstream.edit_license(id, |l| {
        l.key = "NEW-KEY-1".into();
        l.period = 12;
    });
    ends_in(&test, id, 200);
    test.cmd("sync_item", 42).ok();
    assert_eq!((test.item(42).param("lickey"), told(&test)), ("NEW-KEY-1", vec!["service.saveparam".to_owned()]));
    assert_eq!(state(&test, "SELECT expires FROM license"), day(200));
    assert_eq!(changes(&test), Vec::<String>::new());
}

/// The client's choice is carried out and never overwritten: address, name, running or stopped, automatic renewal.
#[test]
fn what_the_client_wants_is_carried_out_and_never_overwritten() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.upstream.edit_license(id, |l| (l.licname, l.autoprolong, l.status) = ("odd".into(), "1".into(), 3));
    test.cmd("sync_item", 42).ok();
    let now = license(&test, 42);
    assert_eq!((now.licname.as_str(), now.autoprolong.as_str(), now.status), ("Item #42 Service 42", "null", 2));
    test.set_item(42, "status", "3");
    test.cmd("sync_item", 42).ok();
    assert_eq!((license(&test, 42).status, test.item(42).status), (3, 3));
    assert!(!test.log().contains("left for the next sync"), "{}", test.log());
    assert_eq!(told(&test), Vec::<String>::new(), "neither status nor end of the service is sync's to set");
}

/// Due: renewed for one aligned period while the service is active and paid; once; never otherwise.
#[test]
fn what_is_due_is_renewed_once_for_an_active_paid_service() {
    for (case, status, item_end, license_end, period, want) in [
        ("due", 2, 20, 1, 1, 1),
        ("ran out", 2, 20, -2, 1, 1),
        ("not yet", 2, 20, 2, 1, 0),
        ("suspended", 3, 20, 1, 1, 0),
        ("overdue", 2, 0, -1, 1, 0),
        ("covered", 2, 1, 1, 1, 0),
        ("a year, a month reaches the end", 2, 20, 1, 12, 1),
        ("a year", 2, 300, 1, 12, 12),
        ("lifetime", 2, 300, 1, 0, 1),
    ] {
        let test = Test::new();
        let id = opened(&test, 42, "55227", period);
        test.set_item(42, "status", &status.to_string());
        test.set_item(42, "expiredate", &day(item_end));
        ends_in(&test, id, license_end);
        let base = day(license_end.max(0));
        for _ in 0..2 {
            test.cmd("sync_item", 42).ok();
        }
        let renewals: Vec<String> =
            changes(&test).into_iter().filter(|line| line.starts_with("service.prolong")).collect();
        if want == 0 {
            assert_eq!(renewals, Vec::<String>::new(), "{case}");
        } else {
            assert_eq!(renewals, [format!("service.prolong elid={id} period={want} sok=ok")], "{case}");
            assert_eq!(end(&license(&test, 42)), months(&base, want), "{case}");
        }
    }
}

/// `renew_before_days`, and a license without an expiry date, which never runs out.
#[test]
fn a_license_is_renewed_the_set_number_of_days_before_its_end() {
    let test = Test::new();
    test.settings("renew_before_days = 5\n");
    let id = opened(&test, 42, "55227", 1);
    ends_in(&test, id, 5);
    test.cmd("sync_item", 42).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 1);
    test.upstream.edit_license(id, |l| l.expires = None);
    test.cmd("sync_item", 42).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 1);
}

/// A key that is missing after an hour is a problem that the panel shows, once, and a line of doctor.
#[test]
fn late_key_is_a_problem() {
    let test = Test::setup().options(|o| o.key_after_reads = u32::MAX).start();
    let id = opened(&test, 42, "55227", 1);
    test.cmd("sync_item", 42).ok();
    assert_eq!(told(&test), Vec::<String>::new(), "not within the hour");
    crate::service::alter_state(&test, "UPDATE license SET since = since - 3601");
    for _ in 0..2 {
        test.cmd("sync_item", 42).ok();
    }
    let problems = test.panel_changes();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("problems.register ") && problems[0].contains("level=error"), "{problems:?}");
    assert!(problems[0].contains(&format!("license {id} of service 42 still has no key")), "{problems:?}");
    assert!(test.run(["doctor"]).stdout.contains(&format!("license {id} of service 42 has had no key")));
    test.upstream.issue_keys();
    forget(&test);
    test.cmd("sync_item", 42).ok();
    assert_eq!(told(&test), ["service.saveparam"]);
    assert_eq!(state(&test, "SELECT reason FROM license"), "");
    forget(&test);
    test.cmd("sync_item", 42).ok();
    assert_eq!(told(&test), Vec::<String>::new(), "a key that is there is no problem, however old the license");
}

/// The same for a license that was bound while the clock stood a month ahead.
#[test]
fn a_late_key_is_a_problem_though_the_clock_was_ahead_when_its_license_was_bound() {
    let test = Test::setup().options(|o| o.key_after_reads = u32::MAX).start();
    opened(&test, 42, "55227", 1);
    forget(&test);
    crate::service::alter_state(&test, "UPDATE license SET since = since + 31 * 86400");
    test.cmd("sync_item", 42).ok();
    assert_eq!(told(&test), ["problems.register"]);
    assert!(test.run(["doctor"]).stdout.contains("of service 42 has had no key"));
}

/// A license that is deleted under an active service: told, never ordered by sync.
#[test]
fn a_deleted_license_is_reported_and_never_ordered_by_sync() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.upstream.edit_license(id, |l| l.status = 4);
    test.cmd("sync_item", 42).fails("license_gone");
    test.set_item(42, "status", "3");
    test.cmd("sync_item", 42).ok();
    test.set_item(42, "status", "4");
    test.cmd("sync_item", 42).ok();
    assert_eq!((changes(&test), told(&test)), (Vec::new(), Vec::new()));
}

/// One pass over the list; a call of its own only for what needs one.
#[test]
fn a_sync_pass_reads_the_list_and_only_what_needs_a_call() {
    let test = Test::new();
    for item in 41..=45 {
        opened(&test, item, "55227", 1);
    }
    forget(&test);
    sync(&test).ok().stdout("");
    assert_eq!((sent(&test), told(&test)), (vec!["soft p_cnt=500 p_num=1".to_owned()], Vec::new()));
    let id = license(&test, 43).id;
    ends_in(&test, id, 1);
    test.set_item(43, "expiredate", &day(20));
    forget(&test);
    sync(&test).ok().stdout("");
    assert_eq!(changes(&test), [format!("service.prolong elid={id} period=1 sok=ok")]);
    // Without --module: all modules of ours.
    forget(&test);
    test.run(["--command", "sync"]).ok().stdout("");
    assert_eq!(sent(&test).len(), 1);
    test.run(["--command", "sync_server", "--module", "3"]).fails("unsupported_module");
    test.run(["--command", "sync_server", "--module", "99"]).fails("missed");
    assert!(test.run(["sync", "--module", "7"]).ok().stdout.starts_with("licenses seen: 5, "));
}

/// A stopped license of a suspended service is no reason for a call when its end is near, but an automatic renewal
/// is, and so is a service that was paid again.
#[test]
fn a_suspended_services_license_near_its_end_needs_no_call() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.cmd("suspend", 42).ok();
    ends_in(&test, id, 1);
    test.set_item(42, "expiredate", &day(20));
    sync(&test).ok();
    forget(&test);
    sync(&test).ok();
    assert_eq!(sent(&test), ["soft p_cnt=500 p_num=1"]);
    test.upstream.edit_license(id, |l| l.autoprolong = "1".into());
    sync(&test).ok();
    assert_eq!(license(&test, 42).autoprolong, "null");
    ends_in(&test, id, -2);
    sync(&test).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 0);
    test.set_item(42, "status", "2");
    sync(&test).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 1, "{}", test.story());
}

/// A list that shows the day on which a key changed says that the service has an old key. When the new key is saved,
/// the list says nothing more.
#[test]
fn a_key_that_changed_in_the_list_is_brought_once() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.upstream.edit_license(id, |l| (l.key, l.key_changed) = ("NEW-KEY-1".into(), day(0).parse().ok()));
    sync(&test).ok();
    assert_eq!(test.item(42).param("lickey"), "NEW-KEY-1", "{}", test.story());
    forget(&test);
    sync(&test).ok();
    assert_eq!(sent(&test), ["soft p_cnt=500 p_num=1"]);
}

/// The figures of a pass over several modules are those of all of them, and so are the failures.
#[test]
fn a_sync_pass_over_several_modules_adds_up_figures_and_failures() {
    let mut test = Test::new();
    test.add_module(8, "pmisplicense");
    test.connect_module(8, &test.upstream.url());
    for (item, module) in [(41, 7), (42, 8), (43, 8)] {
        test.soft_item(item, "55227", 1).ip(&ip_of(item)).module(module).add();
        test.cmd("open", item).ok();
    }
    test.upstream.with(|w| w.licenses.values_mut().for_each(|l| l.licname.push('x')));
    let output = test.run(["sync"]);
    output.ok().stdout("licenses seen: 6, brought up to date: 3, looked at one by one: 3\n");
    test.upstream.with(|w| w.licenses.values_mut().for_each(|l| l.licname.push('x')));
    ends_in(&test, licid(&test, 43), 1);
    test.set_item(43, "expiredate", &day(20));
    test.upstream.fault(Fault::on("service.prolong").refused("odd"));
    let output = test.run(["--command", "sync"]);
    assert!(output.fails("upstream").message().contains("service 43: "), "{}", output.message());
}

/// A license that waits to be freed is freed by a look at its service as well, but not before its time.
#[test]
fn a_look_at_a_service_frees_what_waits_in_its_time() {
    let test = Test::new();
    test.upstream.options(|o| o.order_counts_as_change = true);
    let id = opened(&test, 42, "55227", 12);
    test.cmd("close", 42).ok();
    forget(&test);
    test.cmd("sync_item", 42).ok();
    assert_eq!(sent(&test), Vec::<String>::new());
    test.upstream.age(id, 40);
    crate::service::pass(&test, 40 * 86_400);
    test.cmd("sync_item", 42).ok();
    assert_eq!(
        (license(&test, 42).licname, state(&test, "SELECT state FROM license")),
        ("free.lic".into(), "pool".into())
    );
}

/// The panel is told once that a service is open: not for a service that is in processing later, nor for one without an
/// end, whose end is never settled.
#[test]
fn open_is_reported_to_the_panel_once() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    opened(&test, 43, "55227", 0);
    test.set_item(42, "status", "5");
    crate::service::alter_state(&test, "UPDATE item SET settled_end = NULL WHERE id = 43");
    for item in [42, 43] {
        test.cmd("sync_item", item).ok();
    }
    assert_eq!(told(&test), Vec::<String>::new());
}

/// An order in doubt belongs to the account that it was sent to: no other one is searched for it, nor asked again.
#[test]
fn an_order_in_doubt_is_not_looked_for_in_another_account() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    test.upstream.fault(Fault::on("soft.order.param").drop_before());
    test.cmd("open", 42).fails("client");
    test.module_param(7, "url", &test.upstream.url().replace("127.0.0.1", "localhost"));
    test.upstream.swap_account(1002);
    test.run(["doctor", "--accept-account", "7", "--other", "--yes"]).ok();
    forget(&test);
    for _ in 0..3 {
        crate::service::settle(&test);
        test.cmd("sync_item", 42).ok();
    }
    assert_eq!((sent(&test), state(&test, "SELECT status FROM intent")), (Vec::new(), "in_doubt".into()));
}

/// One failing item does not keep the others from being handled; the run fails with its error.
#[test]
fn one_failing_item_does_not_hold_up_the_others() {
    let test = Test::new();
    for item in [41, 42] {
        let id = opened(&test, item, "55227", 1);
        ends_in(&test, id, 1);
        test.set_item(item, "expiredate", &day(20));
    }
    test.upstream.fault(Fault::on("service.prolong").refused("odd"));
    forget(&test);
    sync(&test).fails("upstream");
    assert_eq!(test.upstream.billed("service.prolong"), 1);
    sync(&test).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 2);
}

/// Far more renewals than usual: none is made, and the error says how to allow it.
#[test]
fn far_more_renewals_than_usual_are_not_made() {
    let test = Test::new();
    test.settings("renew_before_days = 1\n");
    for item in 1..=22 {
        test.soft_item(item, "55227", 1).ip(&ip_of(item)).add();
        test.cmd("open", item).ok();
        let id = license(&test, item).id;
        ends_in(&test, id, 1);
        test.set_item(item, "expiredate", &day(20));
    }
    forget(&test);
    let output = sync(&test);
    assert!(output.fails("config").message().contains("--allow-many"), "{}", output.message());
    assert_eq!(changes(&test), Vec::<String>::new());
    test.run(["sync", "--allow-many"]).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 22);
}

/// A clock that differs from the seller's by more than a day: nothing is bought by sync.
#[test]
fn a_clock_off_by_more_than_a_day_buys_nothing() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    ends_in(&test, id, 1);
    test.set_item(42, "expiredate", &day(20));
    test.upstream.fault(Fault::on("*").skewed(2 * 86_400).always());
    assert_eq!(sync(&test).fails("config").attribute("object"), "clock_check");
    assert_eq!(changes(&test), Vec::<String>::new());
    test.settings("clock_check = false\n");
    sync(&test).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 1);
}

/// The address or the user of a module changed: nothing is changed at the seller until an operator accepts the account.
#[test]
fn a_swapped_account_changes_nothing_until_it_is_accepted() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    test.module_param(7, "url", &test.upstream.base().replace("127.0.0.1", "localhost"));
    for command in ["suspend", "close", "prolong", "sync_item", "open"] {
        test.cmd(command, 42).fails("config");
    }
    assert_eq!((sent(&test), told(&test)), (Vec::new(), Vec::new()));
    test.module_param(7, "url", &test.upstream.url());
    test.cmd("suspend", 42).ok();
}

/// An accepted account buys for what is new; what was bound with the former one stays with it, and is neither looked
/// for nor bought again in the new one.
#[test]
fn an_accepted_account_buys_only_for_what_is_new() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    let former = (test.upstream.url(), 1001, licid(&test, 42));
    let both = |url: &str, account: u64| {
        test.module_param(7, "url", url);
        test.upstream.swap_account(account);
        test.run(["doctor", "--accept-account", "7", "--other", "--yes"]).ok();
    };
    both(&former.0.replace("127.0.0.1", "localhost"), 1002);
    test.soft_item(43, "55228", 1).ip("192.0.2.43").add();
    test.cmd("open", 43).ok();
    assert_eq!(test.upstream.ledger().len(), 2);
    test.upstream.clear_requests();
    for command in ["open", "suspend", "resume", "prolong", "setparam", "sync_item"] {
        let output = test.cmd(command, 42);
        assert_eq!(output.fails("config").attribute("object"), "account", "{command}: {}", test.story());
    }
    // A service can always be closed: what it held waits for its own account.
    test.cmd("close", 42).ok();
    sync(&test).ok();
    assert_eq!((changes(&test), test.upstream.ledger().len()), (Vec::new(), 2), "{}", test.story());
    both(&former.0, former.1);
    test.upstream.age(former.2, 40);
    sync(&test).ok();
    assert_eq!(test.upstream.license(former.2).licname, "free.lic");
}

/// Once the seller can no longer carry a renewal out, an operator has to decide, which may take days. Until then a
/// stopped license serves its service again, if that is active; the doubt is reported anyway.
#[test]
fn sync_starts_a_stopped_license_while_an_operator_decides_about_its_renewal() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    let stop = || test.upstream.edit_license(id, |l| (l.status, l.stopped_by) = (3, StoppedBy::Hand));
    test.upstream.fault(Fault::on("service.prolong").drop_before());
    test.cmd("prolong", 42).fails("client");
    stop();
    sync(&test).fails("client");
    assert_eq!(license(&test, 42).status, 3, "nothing is sent while it may still be renewed");
    settle(&test);
    for what in ["the operator is asked", "the operator has not answered yet"] {
        sync(&test).fails("order_unknown");
        assert_eq!(license(&test, 42).status, 2, "{what}: {}", test.story());
        stop();
    }
    assert!(test.log().contains(&format!("license {id} is started")), "{}", test.log());
    test.set_item(42, "status", "3");
    sync(&test).fails("order_unknown");
    assert_eq!(license(&test, 42).status, 3, "a suspended service needs none");
    assert_eq!(test.upstream.requests_of("service.prolong").len(), 1);
}

/// An order that is in doubt with the former account is neither looked for nor sent in the new one: an operator must
/// decide.
#[test]
fn a_request_in_doubt_at_a_former_account_is_left_to_an_operator() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.upstream.fault(Fault::on("soft.order.param").late());
    test.cmd_op("open", 42, test.operation(42, "open")).fails("client");
    test.module_param(7, "url", &test.upstream.url().replace("127.0.0.1", "localhost"));
    test.upstream.swap_account(1002);
    test.run(["doctor", "--accept-account", "7", "--other", "--yes"]).ok();
    for _ in 0..3 {
        let output = test.cmd_op("open", 42, test.operation(42, "open"));
        let message = output.fails("order_unknown").message();
        assert!(message.contains("it was sent to the account that the module had before"), "{message}");
        settle(&test);
    }
    assert_eq!(test.upstream.requests_of("soft.order.param").len(), 1);
    test.run(["resolve", "42", "--not-bought", "--yes"]).ok();
    test.cmd("open", 42).ok();
    assert_eq!((test.upstream.billed("soft.order.param"), license(&test, 42).account), (1, 1002));
}
