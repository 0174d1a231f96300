//! Guards of the commands that act on many licenses (docs/money-safety.md 6), each tested from outside: far more
//! changes than usual, a swapped database, a state that was copied or moved, a wrong clock, a license too young to be
//! touched, a missing row.
use crate::service::{
    changes, day, ends_in, forget, ip_of, license, licid, only_license, opened, sent, settle, state, told,
};
use crate::support::{Fault, Output, Test};

const ALL: [&str; 9] =
    ["open", "suspend", "resume", "prolong", "cancel_prolong", "reopen", "setparam", "sync_item", "gen_key"];

fn sync(test: &Test) -> Output {
    test.run(["--command", "sync_server", "--module", "7"])
}

fn stopped(test: &Test) -> usize {
    test.upstream.licenses().iter().filter(|l| l.status == 3).count()
}

/// Services 1 to `count`, open. The reads of many licenses follow each other without a pause: waiting is tested in
/// `seller`.
fn many(settings: &str, count: u32) -> Test {
    let test = Test::new();
    test.settings(&format!("{settings}[upstream]\npause_ms = 0\n"));
    for item in 1..=count {
        test.soft_item(item, "55227", 1).ip(&ip_of(item)).add();
        test.cmd("open", item).ok();
    }
    forget(&test);
    test
}

/// The panel shows many services suspended whose licenses run: none is stopped, renewals go on, nothing is forgotten.
#[test]
fn many_services_shown_as_suspended_stop_no_license() {
    let test = many("max_changes = 2\n", 4);
    for item in 1..=3 {
        test.set_item(item, "status", "3");
    }
    test.upstream.with(|w| w.licenses.values_mut().for_each(|l| l.licname.push('x')));
    ends_in(&test, licid(&test, 4), 1);
    test.set_item(4, "expiredate", &day(20));
    for _ in 0..2 {
        let output = sync(&test);
        assert_eq!((output.fails("config").attribute("object"), output.attribute("value")), ("max_changes", "3"));
        assert!(output.message().contains("--allow-many"), "{}", output.message());
    }
    assert_eq!((stopped(&test), test.upstream.billed("service.prolong")), (0, 1), "{}", test.story());
    assert!(!test.upstream.licenses().iter().any(|l| l.licname.ends_with('x')), "names are another kind");
    test.run(["sync", "--allow-many"]).ok();
    assert_eq!(stopped(&test), 3);
    // Two are as many as may be.
    for item in 1..=2 {
        test.set_item(item, "status", "2");
        test.cmd("sync_item", item).ok();
        test.set_item(item, "status", "3");
    }
    test.upstream.with(|w| w.licenses.values_mut().for_each(|l| l.licname.push('x')));
    sync(&test).ok();
    assert_eq!(stopped(&test), 3);
}

/// The panel shows many services closed that it never closed: nothing is freed, and nothing deleted.
#[test]
fn many_services_shown_as_closed_free_and_delete_nothing() {
    for (on_close, left) in [("pool", 3), ("delete", 0)] {
        let test = many(&format!("max_changes = 2\non_close = \"{on_close}\"\n"), 3);
        for item in 1..=3 {
            ends_in(&test, licid(&test, item), 1);
            test.set_item(item, "status", "4");
        }
        for _ in 0..2 {
            assert_eq!(sync(&test).fails("config").attribute("object"), "max_changes");
            assert_eq!(changes(&test), Vec::<String>::new(), "{on_close}");
        }
        test.run(["sync", "--allow-many"]).ok();
        let there: Vec<_> = test.upstream.licenses().into_iter().filter(|l| l.status != 4).collect();
        assert_eq!((there.len(), stopped(&test)), (left, left), "{on_close}: {}", test.story());
    }
}

/// Licenses that wait until their month is over do not count as many changes. They count when their time has come.
#[test]
fn licenses_that_wait_for_their_month_count_only_when_it_is_over() {
    let test = many("max_changes = 2\n", 3);
    test.upstream.with(|w| w.licenses.values_mut().for_each(|l| l.ip_changed = day(0).parse().ok()));
    for item in 1..=3 {
        test.cmd("close", item).ok();
    }
    let waiting = || state(&test, "SELECT count(*) FROM license WHERE state = 'to_free'");
    sync(&test).ok();
    assert_eq!(waiting(), "3");
    test.upstream.licenses().iter().for_each(|l| test.upstream.age(l.id, 40));
    crate::service::pass(&test, 40 * 86_400);
    assert_eq!(sync(&test).fails("config").attribute("object"), "max_changes");
    test.cmd("sync_item", 1).ok();
    let output = test.run(["sync"]);
    assert!(output.ok().stdout.contains("looked at one by one: 2\n"), "{}", output.stdout);
    assert_eq!(waiting(), "0");
}

/// The limit of a pass grows with the number of bound licenses: of 610 licenses, 5 % are renewed and 2 % stopped
/// without a question.
#[test]
fn what_a_sync_pass_may_do_grows_with_what_is_bound() {
    let test = many("", 22);
    crate::service::alter_state(
        &test,
        "INSERT INTO license (account, id, family, module, state, internal_name, pricelist, name, status, since)
         WITH RECURSIVE n(id) AS (SELECT 900001 UNION ALL SELECT id + 1 FROM n WHERE id < 900588)
         SELECT l.account, n.id, 'addition', l.module, 'bound', '55371', 55371, '', 2, l.since FROM n, license l
         WHERE l.item = 1",
    );
    for item in 1..=22 {
        ends_in(&test, licid(&test, item), 1);
        test.set_item(item, "expiredate", &day(20));
    }
    sync(&test).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 22);
    for item in 1..=11 {
        test.set_item(item, "status", "3");
    }
    test.upstream.with(|w| w.licenses.values_mut().for_each(|l| l.licname.push('x')));
    sync(&test).ok();
    assert_eq!(stopped(&test), 11);
}

/// A license that a pass saw waiting to be freed is read again under its lock. It was taken back since, so it is in
/// use.
#[test]
fn a_license_taken_back_during_a_sync_pass_is_not_freed() {
    let test = Test::new();
    let due = opened(&test, 41, "55227", 1);
    ends_in(&test, due, 1);
    test.set_item(41, "expiredate", &day(20));
    let id = opened(&test, 42, "55227", 12);
    test.upstream.edit_license(id, |l| l.ip_changed = day(0).parse().ok());
    test.cmd("close", 42).ok();
    assert_eq!(state(&test, &format!("SELECT state FROM license WHERE id = {id}")), "to_free");
    test.upstream.age(id, 40);
    crate::service::pass(&test, 40 * 86_400);
    test.soft_item(43, "55227", 1).ip(&ip_of(42)).add();
    let held = test.upstream.hold_before("service.prolong");
    let pass = test.spawn(["--command", "sync_server", "--module", "7"]);
    held.reached();
    test.cmd("open", 43).ok();
    held.release();
    pass.wait().ok();
    let now = license(&test, 43);
    assert_eq!((now.id, now.status, now.ip), (id, 2, ip_of(42)), "{}", test.story());
    assert_eq!(state(&test, &format!("SELECT state FROM license WHERE id = {id}")), "bound");
}

/// A command waits for another one of its service, and does its own work then.
#[test]
fn a_command_waits_for_another_one_of_its_service() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    let held = test.upstream.hold_before("soft.suspend");
    let first = test.spawn(["--command", "suspend", "--item", "42"]);
    held.reached();
    let second = test.spawn(["--command", "resume", "--item", "42"]);
    test.until_logged("another run holds the lock of item 42; waiting for it");
    assert_eq!(test.upstream.count_of("soft.resume"), 0, "it waits");
    held.release();
    first.wait().ok();
    second.wait().ok();
    assert_eq!((license(&test, 42).status, test.item(42).status), (2, 2));
}

/// Changes that other runs are making now do not concern a pass. Beside two closes, or two suspensions, it neither
/// counts nor waits for them, and does its own work.
#[test]
fn a_sync_pass_neither_counts_nor_waits_for_what_other_runs_do() {
    for (command, status) in [("close", "2"), ("suspend", "3")] {
        let test = many("max_changes = 1\n", 3);
        ends_in(&test, licid(&test, 3), 1);
        test.set_item(3, "expiredate", &day(20));
        let mut others = Vec::new();
        for item in 1..=2 {
            test.set_item(item, "status", status);
            let held = test.upstream.hold_before("soft.suspend");
            let run = test.spawn(["--command", command, "--item", &item.to_string()]);
            held.reached();
            others.push((run, held));
        }
        sync(&test).ok();
        assert_eq!((stopped(&test), test.upstream.billed("service.prolong")), (0, 1), "{command}: {}", test.story());
        for (run, held) in others {
            held.release();
            run.wait().ok();
        }
        assert_eq!(stopped(&test), 2, "{command}: {}", test.story());
    }
}

/// A renewal under way is in doubt until its answer comes: a pass beside it leaves its license alone and goes on.
#[test]
fn a_sync_pass_leaves_a_renewal_under_way_alone() {
    let test = many("", 2);
    for item in 1..=2 {
        ends_in(&test, licid(&test, item), 1);
    }
    test.set_item(2, "expiredate", &day(20));
    let operation = test.prolong_paid(1).to_string();
    let held = test.upstream.hold_before("service.prolong");
    let run = test.spawn(["--command", "prolong", "--item", "1", "--runningoperation", &operation]);
    held.reached();
    sync(&test).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 1, "{}", test.story());
    held.release();
    run.wait().ok();
    assert_eq!(test.upstream.billed("service.prolong"), 2, "{}", test.story());
}

/// Orders of reconcile are counted too; few licenses more or less do not move the limit.
#[test]
fn the_orders_of_a_reconcile_are_counted_by_the_guard() {
    let test = many("max_changes = 2\n", 3);
    for item in 4..=6 {
        test.soft_item(item, "55227", 1).ip(&ip_of(item)).active_until(&day(20)).add();
    }
    let output = test.run(["reconcile", "--apply"]);
    assert!(output.code == Some(1) && output.stderr.contains("--allow-many"), "{}", output.stderr);
    assert_eq!(changes(&test), Vec::<String>::new());
    test.run(["reconcile", "--apply", "--allow-many"]).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 6);
}

/// By the expiry and the service that an earlier pass knew, the licenses of these services are due.
fn known_before(test: &Test) {
    sync(test).ok();
    crate::service::alter_state(test, &format!("UPDATE foreseen SET expires = '{}'", day(0)));
}

/// Services 1 to `count`, open and paid, their licenses due.
fn due(count: u32) -> Test {
    let test = many("", count);
    for item in 1..=count {
        test.set_item(item, "expiredate", &day(40));
    }
    known_before(&test);
    for item in 1..=count {
        ends_in(&test, licid(&test, item), -2);
    }
    test
}

fn renewed(test: &Test) -> usize {
    test.upstream.billed("service.prolong")
}

/// A renewal that was due by the facts of an earlier pass is expected: it is done, however many there are.
#[test]
fn foreseen_renewals_are_never_held_back() {
    let test = due(22);
    sync(&test).ok();
    assert_eq!(renewed(&test), 22, "{}", test.story());
}

/// A state of an older version knew the expiry of each license, which counts as known before today.
#[test]
fn what_an_older_state_knew_is_foreseen() {
    let test = due(22);
    crate::service::alter_state(&test, &format!("UPDATE license SET expires = '{}'", day(-2)));
    crate::service::back_to_version_5(&test);
    let file = rusqlite::Connection::open(test.state_path()).unwrap();
    file.execute_batch(
        "DROP TABLE foreseen; DROP TABLE trouble; ALTER TABLE license DROP COLUMN name_asked;
        ALTER TABLE license DROP COLUMN name_shown; ALTER TABLE license DROP COLUMN domains;
        ALTER TABLE license DROP COLUMN remoteip; PRAGMA user_version = 2",
    )
    .unwrap();
    file.close().unwrap();
    sync(&test).ok();
    assert_eq!(renewed(&test), 22, "{}", test.story());
}

/// Expiries were moved at the seller. Renewals that are due only because of that are held back, on the next day too,
/// until an operator allows them. Renewals that were foreseen go on.
#[test]
fn renewals_of_moved_expiries_wait_for_an_operator_on_the_next_day_too() {
    let test = many("", 22);
    for item in 1..=22 {
        test.set_item(item, "expiredate", &day(40));
    }
    sync(&test).ok();
    let first = licid(&test, 1);
    crate::service::alter_state(&test, &format!("UPDATE foreseen SET expires = '{}' WHERE license = {first}", day(1)));
    for (times, left) in [(1, 1), (2, 0), (3, -1)] {
        for item in 1..=22 {
            ends_in(&test, licid(&test, item), left);
        }
        let output = sync(&test);
        assert_eq!((output.fails("config").attribute("object"), output.attribute("value")), ("max_changes", "21"));
        let message = output.message();
        assert!(
            message.contains("sync would renew 21 licenses, more than 20 at once: service 2, service 3,"),
            "{message}"
        );
        assert!(message.contains("service 11 and 11 more. None of them was renewed."), "{message}");
        assert_eq!(renewed(&test), times, "service 1 was foreseen: {}", test.story());
        crate::service::alter_state(
            &test,
            &format!("UPDATE foreseen SET expires = '{}' WHERE license = {first}", day(0)),
        );
    }
    test.run(["sync", "--allow-many"]).ok();
    assert_eq!(renewed(&test), 3 + 21, "{}", test.story());
    sync(&test).ok();
}

/// The same for services that became active, or whose end moved; as many as may be are renewed unasked.
#[test]
fn renewals_of_changed_services_count_until_they_are_few() {
    for (column, before, after) in [("status", "3".to_owned(), "2".to_owned()), ("expiredate", day(1), day(40))] {
        let test = many("max_changes = 30\n", 21);
        for item in 1..=21 {
            test.set_item(item, "expiredate", &day(40));
            test.set_item(item, column, &before);
            ends_in(&test, licid(&test, item), 1);
        }
        test.run(["sync", "--allow-many"]).ok();
        assert_eq!(renewed(&test), 0, "{column}: {}", test.story());
        for item in 1..=21 {
            test.set_item(item, column, &after);
        }
        for _ in 0..2 {
            assert_eq!(sync(&test).fails("config").attribute("value"), "21", "{column}");
            assert_eq!(renewed(&test), 0, "{column}: {}", test.story());
        }
        test.set_item(21, column, &before);
        sync(&test).ok();
        assert_eq!(renewed(&test), 20, "{column}: {}", test.story());
    }
}

/// Another service, or another client, has the number of one that we know: no command saves, shows or changes
/// anything, closing included; reconcile names the license, and a pass of sync does not succeed.
#[test]
fn a_number_that_belongs_to_another_service_now_changes_nothing() {
    for (column, value, kind) in [("createdate", "2020-02-02 00:00:00", "other_life"), ("account", "9", "other_client")]
    {
        let test = Test::new();
        let id = opened(&test, 42, "55227", 1);
        let before = test.upstream.license(id);
        test.set_item(42, column, value);
        for command in ALL.into_iter().chain(["close"]) {
            assert_eq!(test.cmd(command, 42).fails("state").attribute("object"), "item", "{column}: {command}");
        }
        assert_eq!((changes(&test), told(&test)), (Vec::new(), Vec::new()), "{column}");
        let named = test.run(["reconcile"]).stdout;
        assert!(named.contains(&format!("{kind}: ")) && named.contains(&format!("bind 42 {id}")), "{named}");
        test.run(["reconcile", "--apply"]);
        assert!(sync(&test).fails("state").message().contains("service 42"), "{column}");
        let after = test.upstream.license(id);
        assert_eq!(
            (after.status, after.licname, after.ip),
            (2, before.licname, before.ip),
            "{column}: {}",
            test.story()
        );
    }
}

/// Only a row with status 4 counts as closed: of a missing one nothing is touched, and it is named.
#[test]
fn a_service_whose_row_is_missing_is_named_and_not_touched() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    ends_in(&test, id, 1);
    test.db.exec("DELETE FROM item WHERE id = 42", ());
    sync(&test).ok();
    assert!(test.log().contains("service 42 is not in the panel any more"), "{}", test.log());
    let named = test.run(["reconcile"]).stdout;
    assert!(named.contains("which the panel does not have"), "{named}");
    test.run(["reconcile", "--apply"]);
    assert_eq!((changes(&test), only_license(&test).status), (Vec::new(), 2));
}

/// A copy of panel and state on another machine only reads, whatever the command, until an operator says that the panel
/// moved.
#[test]
fn a_state_on_another_machine_only_reads_until_it_is_claimed() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.soft_item(43, "55227", 1).ip("192.0.2.43").add();
    test.another_machine();
    for command in ALL.into_iter().chain(["close"]) {
        assert_eq!(test.cmd(command, 42).fails("state").attribute("object"), "machine", "{command}");
    }
    test.cmd("open", 43).fails("state");
    sync(&test).fails("state");
    for line in [["reconcile", "--apply"].as_slice(), &["unbind", "42", "--yes"], &["sync"]] {
        assert_eq!(test.run(line).code, Some(1), "{line:?}");
    }
    assert_eq!((changes(&test), told(&test)), (Vec::new(), Vec::new()));
    assert!(test.run(["doctor"]).stdout.contains("pmisplicense state claim"));
    assert!(test.run(["list"]).ok().stdout.contains(&id.to_string()), "looking is allowed");
    test.run(["state", "claim", "--yes"]).ok();
    test.cmd("suspend", 42).ok();
    test.cmd("open", 43).ok();
    // Moved to another folder of the same machine: found by its setting, and nothing is bought again.
    std::fs::create_dir(test.root().join("moved")).unwrap();
    std::fs::rename(test.state_path().parent().unwrap(), test.root().join("moved/state")).unwrap();
    test.settings("state = \"{root}/moved/state/state.db\"\n");
    test.cmd("open", 43).ok();
    sync(&test).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 2);
    // A machine that does not say who it is is not taken for another one.
    std::fs::write(test.machine_id(), "").unwrap();
    test.cmd("resume", 42).ok();
}

/// A clock that is off by more than a day: sync, sweep and reconcile buy, free and delete nothing.
#[test]
fn with_a_wrong_clock_nothing_is_bought_freed_or_deleted() {
    let test = Test::new();
    test.settings("bundled = [3]\n");
    opened(&test, 42, "55227", 1);
    test.soft_item(43, "55227", 1).ip("192.0.2.43").active_until(&day(20)).add();
    test.vds_item(50, "55229", 1).addresses(&["192.0.2.50"]).add();
    test.upstream.fault(Fault::on("*").skewed(2 * 86_400).always());
    for line in [["reconcile", "--apply"].as_slice(), &["sync", "--sweep", "--adopt"], &["sync"]] {
        let output = test.run(line);
        assert!(output.code == Some(1) && output.stderr.contains("clock_check"), "{line:?}: {}", output.stderr);
    }
    assert_eq!(changes(&test), Vec::<String>::new());
    test.upstream.clear_faults();
    test.run(["reconcile", "--apply"]).ok();
    test.run(["sync", "--sweep", "--adopt"]).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 3);
}

/// A license that an open intent could have created is left to that intent: neither freed nor taken in beside it.
#[test]
fn a_license_that_an_open_intent_may_have_bought_is_left_alone() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    opened(&test, 41, "55228", 1);
    test.upstream.fault(Fault::on("soft.order.param").late());
    test.cmd("open", 42).fails("client");
    test.upstream.land_late();
    // The order's own run holds the service: whoever else comes leaves its license alone.
    test.upstream.fault(Fault::on("soft.edit?read").drop_before().always());
    forget(&test);
    sync(&test);
    test.run(["reconcile", "--apply"]);
    assert_eq!(changes(&test), Vec::<String>::new(), "{}", test.story());
    test.upstream.clear_faults();
    settle(&test);
    sync(&test).ok();
    assert_eq!((license(&test, 42).status, test.upstream.billed("soft.order.param")), (2, 2));
    assert_eq!((sent(&test).is_empty(), state(&test, "SELECT count(*) FROM license")), (false, "2".into()));
}
