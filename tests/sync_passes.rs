//! Passes over many: one license never stops the others, an account that is gone stops the pass, and whatever was
//! left undone is named.
use crate::service::{day, ends_in, forget, ip_of, licid, opened, state};
use crate::support::{Fault, Output, Test};

fn sync(test: &Test) -> Output {
    test.run(["--command", "sync"])
}

/// Services 1 to `count`, open, their licenses due.
fn due(count: u32) -> Test {
    let test = Test::new();
    test.settings("[upstream]\ntimeout_s = 1\nconnect_timeout_s = 1\n");
    open_due(&test, count);
    test
}

fn open_due(test: &Test, count: u32) {
    for item in 1..=count {
        let id = opened(test, item, "55227", 1);
        ends_in(test, id, 1);
        test.set_item(item, "expiredate", &day(20));
    }
    forget(test);
}

fn renewed(test: &Test) -> usize {
    test.upstream.billed("service.prolong")
}

/// A second license with the mark of a service's order, which had ended.
fn duplicate(test: &Test, item: u32) -> u64 {
    let first = licid(test, item);
    test.upstream.with(|world| {
        let mut twin = world.licenses[&first].clone();
        twin.id = 9001;
        twin.ip = ip_of(200);
        world.licenses.insert(twin.id, twin);
    });
    9001
}

#[test]
fn a_duplicate_that_cannot_be_read_stops_nobody() {
    let test = due(2);
    let duplicate = duplicate(&test, 1);
    test.upstream.fault(Fault::on("soft.edit?read").of(duplicate).status(500).always());
    let message = sync(&test).fails("bad_answer").message().to_owned();
    assert!(message.starts_with(&format!("sync: license {duplicate}: ")), "{message}");
    assert_eq!(renewed(&test), 2, "{}", test.story());
    test.upstream.clear_faults();
    sync(&test).ok();
    assert!(test.log().contains(&format!("license {duplicate} is a duplicate")), "{}", test.log());
}

#[test]
fn a_row_of_the_state_that_cannot_be_used_stops_nobody() {
    for column in ["state = 'odd'", "family = 'odd'", "changes = -1"] {
        let test = due(3);
        let id = licid(&test, 2);
        crate::service::alter_state(&test, &format!("UPDATE license SET {column} WHERE id = {id}"));
        let message = sync(&test).fails("state").message().to_owned();
        assert!(message.contains(&format!("license {id}")), "{column}: {message}");
        assert_eq!(renewed(&test), 2, "{column}: {}", test.story());
    }
}

#[test]
fn licenses_that_never_answer_stop_nobody_while_the_seller_is_there() {
    let test = due(6);
    for item in 1..=4 {
        test.upstream.fault(Fault::on("soft.edit?read").of(licid(&test, item)).drop_before().always());
    }
    let message = sync(&test).fails("client").message().to_owned();
    let named = "sync: 4 failures: service 1, service 2, service 3, service 4. Everything else was done. The first: service 1: ";
    assert!(message.starts_with(named), "{message}");
    assert_eq!(renewed(&test), 2, "{}", test.story());
}

#[test]
fn a_seller_that_dies_during_a_sync_pass_ends_it_after_a_few_calls() {
    let test = due(8);
    test.upstream.fault(Fault::on("soft.edit?read").drop_before().always());
    test.upstream.fault(Fault::on("whoami").drop_before().always());
    let message = sync(&test).fails("client").message().to_owned();
    assert!(message.starts_with("sync: 4 failures: service 1, service 2, service 3, module 7. "), "{message}");
    let asked: std::collections::BTreeSet<String> =
        test.upstream.requests_of("soft.edit").iter().map(|request| request.get("elid").unwrap().to_owned()).collect();
    assert_eq!((asked.len(), renewed(&test)), (3, 0), "{}", test.story());
    test.upstream.clear_faults();
    sync(&test).ok();
    assert_eq!(renewed(&test), 8);
}

#[test]
fn a_database_that_goes_away_ends_the_sync_pass_and_its_figures_are_printed() {
    let test = Test::setup().own_database().start();
    test.settings("bundled = [3]\n");
    open_due(&test, 4);
    let held = test.upstream.hold_before("service.prolong");
    let pass = test.spawn(["sync"]);
    held.reached();
    test.database_server().stop();
    held.release();
    let output = pass.wait();
    assert_eq!(output.code, Some(1));
    assert_eq!(
        output.stdout, "licenses seen: 4, brought up to date: 4, looked at one by one: 2\n",
        "{}",
        output.stderr
    );
    for name in ["module 7", "all modules"] {
        assert!(output.stderr.contains(&format!("{name}: The panel's database ")), "{name}: {}", output.stderr);
    }
    assert_eq!(renewed(&test), 1, "{}", test.story());
    test.database_server().resume();
    sync(&test).ok();
    assert_eq!(renewed(&test), 4, "{}", test.story());
}

#[test]
fn a_login_that_is_refused_during_a_sync_pass_ends_it_at_once() {
    let test = due(3);
    test.upstream.fault(Fault::on("soft.edit?read").refused("auth").always());
    test.upstream.fault(Fault::on("whoami").refused("auth").always());
    let message = sync(&test).fails("auth").message().to_owned();
    assert!(message.starts_with("sync: 2 failures: service 1, module 7. "), "{message}");
    test.upstream.clear_faults();
    // Only one license may not be seen: that is its own.
    test.upstream.fault(Fault::on("soft.edit?read").of(licid(&test, 1)).refused("auth").always());
    let message = sync(&test).fails("auth").message().to_owned();
    assert!(message.starts_with("sync: service 1: "), "{message}");
    assert_eq!(renewed(&test), 2);
}

#[test]
fn sync_prints_its_figures_beside_the_failures_and_json_holds_all_of_them() {
    let test = due(12);
    for item in 1..=11 {
        test.upstream.fault(Fault::on("service.prolong").of(licid(&test, item)).refused("odd").always());
    }
    let output = test.run(["sync"]);
    assert_eq!(output.code, Some(1));
    assert_eq!(output.stdout, "licenses seen: 12, brought up to date: 12, looked at one by one: 12\n");
    let lines: Vec<&str> = output.stderr.lines().filter(|line| line.starts_with("service ")).collect();
    assert_eq!(lines.len(), 10, "{}", output.stderr);
    assert!(output.stderr.contains("and 1 more; the log names all of them\n"), "{}", output.stderr);
    let output = test.run(["sync", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let items: Vec<u64> = json["failures"].as_array().unwrap().iter().filter_map(|f| f["item"].as_u64()).collect();
    assert_eq!((output.code, items), (Some(1), (1..=11).collect()));
    assert_eq!((&json["error"]["type"], &json["failures"][0]["why"]), (&"upstream".into(), &"failed".into()));
    assert_eq!((json["seen"].as_u64(), json["passed_over"].as_array().map(Vec::len)), (Some(12), Some(0)));
    assert_eq!(state(&test, "SELECT count(*) FROM license WHERE state = 'bound'"), "12");
}

#[test]
fn what_another_run_does_is_named_and_no_failure() {
    let test = due(2);
    let held = test.upstream.hold_before("service.prolong");
    let other = test.spawn(["--command", "sync_item", "--item", "1"]);
    held.reached();
    let output = test.run(["sync", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&output.ok().stdout).unwrap();
    assert_eq!((&json["passed_over"][0]["item"], &json["passed_over"][0]["why"]), (&1.into(), &"other_run".into()));
    held.release();
    other.wait().ok();
    assert_eq!(renewed(&test), 2, "{}", test.story());
}

#[test]
fn a_module_that_is_switched_off_is_served_while_something_depends_on_it() {
    let test = due(1);
    let mut test = test;
    // A module that nothing depends on is not even asked for its settings.
    test.add_module(8, "pmisplicense");
    test.db.exec("UPDATE processingmodule SET active = 'off'", ());
    test.run(["--command", "sync"]).ok();
    assert_eq!(renewed(&test), 1, "{}", test.story());
    test.run(["reconcile"]).ok();
    assert!(test.upstream.requests_of("soft").len() >= 2, "reconcile looks at it too");
    let told = test.run(["doctor"]).stdout;
    assert!(told.contains("Module 7 (Module 7) is switched off.") && !told.contains("Module 8"), "{told}");
    // Its only service has no license yet: what it is owed is found as well.
    test.soft_item(2, "55227", 1).ip(&ip_of(2)).active_until(&day(20)).add();
    crate::service::alter_state(&test, "UPDATE license SET state = 'pool', incarnation = NULL");
    let told = test.run(["reconcile"]).stdout;
    assert!(told.contains("service 2"), "{told}");
    test.set_item(1, "status", "4");
    test.set_item(2, "status", "3");
    test.upstream.clear_requests();
    sync(&test).ok();
    assert_eq!(test.upstream.funcs(), Vec::<String>::new(), "nothing depends on it any more");
}

/// The problems that were registered in the panel, and nothing else.
fn problems(test: &Test) -> Vec<String> {
    test.panel_changes().into_iter().filter(|call| call.starts_with("problems.register ")).collect()
}

#[test]
fn a_refused_start_under_a_paid_service_fails_every_sync_pass_and_becomes_a_problem() {
    let test = Test::new();
    let id = opened(&test, 1, "55227", 1);
    test.upstream.edit_license(id, |l| l.status = 3);
    test.upstream.fault(Fault::on("soft.resume").refused("odd").always());
    forget(&test);
    for times in 1..=4 {
        let message = sync(&test).fails("upstream").message().to_owned();
        assert!(message.starts_with(&format!("sync: service 1: starting license {id}: ")), "{message}");
        assert_eq!(problems(&test).len(), usize::from(times >= 3), "{times}: {:?}", problems(&test));
        let told = test.run(["doctor"]).stdout;
        assert!(told.contains("sync fails for service 1 since "), "{told}");
        assert!(test.run(["list", "--problems", "--json"]).stdout.contains("\"sync_fails\""));
    }
    assert!(problems(&test)[0].contains("sync failed 3 times in a row for service 1"), "{:?}", problems(&test));
    test.upstream.clear_faults();
    sync(&test).ok();
    assert_eq!(test.upstream.license(id).status, 2);
    assert!(!test.run(["doctor"]).stdout.contains("sync fails"));
    test.run(["list", "--problems"]).ok();
    // A look of its own, such as retry makes, ends it as well.
    test.upstream.edit_license(id, |l| l.status = 3);
    test.upstream.fault(Fault::on("soft.resume").refused("odd"));
    sync(&test).fails("upstream");
    test.cmd("sync_item", 1).ok();
    assert!(!test.run(["doctor"]).stdout.contains("sync fails"));
}

#[test]
fn a_refused_change_fails_the_sync_pass_and_the_other_changes_are_made() {
    let test = Test::new();
    let id = opened(&test, 1, "55227", 1);
    test.upstream.edit_license(id, |l| (l.licname, l.status) = ("odd".into(), 3));
    test.upstream.fault(Fault::on("soft.edit?set").refused("odd").always());
    let message = sync(&test).fails("upstream").message().to_owned();
    assert!(message.starts_with(&format!("sync: service 1: change of license {id}: ")), "{message}");
    assert_eq!(test.upstream.license(id).status, 2, "{}", test.story());
}

#[test]
fn a_service_that_is_not_paid_makes_no_problem() {
    let test = Test::new();
    let id = opened(&test, 1, "55227", 1);
    test.set_item(1, "status", "3");
    test.upstream.edit_license(id, |l| l.licname = "odd".into());
    test.upstream.fault(Fault::on("soft.suspend").refused("odd").always());
    forget(&test);
    for _ in 0..4 {
        assert!(sync(&test).fails("upstream").message().contains("stopping license"));
    }
    assert_eq!(problems(&test), Vec::<String>::new());
}

#[test]
fn a_seller_that_is_away_makes_no_problem_of_single_services() {
    let test = due(4);
    test.upstream.fault(Fault::on("soft.edit?read").drop_before().always());
    test.upstream.fault(Fault::on("whoami").drop_before().always());
    for _ in 0..4 {
        sync(&test).fails("client");
    }
    assert_eq!(problems(&test), Vec::<String>::new());
    assert_eq!(state(&test, "SELECT count(*) FROM trouble"), "0");
}

#[test]
fn a_license_that_is_gone_under_a_paid_service_is_named_by_every_sync_pass() {
    let test = Test::new();
    let id = opened(&test, 1, "55227", 1);
    test.upstream.edit_license(id, |l| l.status = 4);
    // The first one that sees it may be a command of the panel.
    test.cmd("sync_item", 1).fails("license_gone");
    for _ in 0..2 {
        let message = sync(&test).fails("license_gone").message().to_owned();
        assert!(message.contains(&format!("License {id} of service 1 is no longer there")), "{message}");
    }
    test.set_item(1, "status", "3");
    sync(&test).ok();
    test.set_item(1, "status", "4");
    sync(&test).ok();
}

#[test]
fn a_paid_license_that_cannot_be_renewed_is_named() {
    for (settings, period, kind, words) in [
        ("catalogue = \"replace\"\n", "1", "unknown_internal_name", "its product 55227 is not in the catalogue"),
        ("", "-50", "period_not_sold", "Nothing was renewed"),
    ] {
        let test = due(1);
        test.settings(settings);
        test.set_item(1, "period", period);
        let output = sync(&test);
        assert!(output.fails(kind).message().contains(words), "{}", output.message());
        assert_eq!(renewed(&test), 0);
    }
}

#[test]
fn a_license_that_cannot_be_freed_fails_the_sync_pass_and_the_service_is_served() {
    let test = due(1);
    let id = opened(&test, 2, "55227", 1);
    test.upstream.fault(Fault::on("soft.suspend").refused("odd").always());
    test.cmd("close", 2).ok();
    assert_eq!(state(&test, &format!("SELECT state FROM license WHERE id = {id}")), "to_free");
    assert!(sync(&test).fails("upstream").message().contains(&format!("license {id}")));
    assert_eq!(renewed(&test), 1);
}

#[test]
fn what_no_list_shows_any_more_is_looked_at() {
    let test = Test::new();
    let (served, given_back) = (opened(&test, 1, "55227", 1), opened(&test, 2, "55227", 1));
    test.upstream.fault(Fault::on("soft.suspend").refused("odd").always());
    test.cmd("close", 2).ok();
    test.upstream.clear_faults();
    test.upstream.with(|world| world.licenses.retain(|id, _| *id == served));
    sync(&test).ok();
    crate::service::settle(&test);
    sync(&test).ok();
    assert_eq!(state(&test, &format!("SELECT state FROM license WHERE id = {given_back}")), "deleted");
}
