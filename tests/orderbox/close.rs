//! The end of a service. If the settings do not name the call that removes a license, an operator removes it. If they
//! name the call, it is sent once, for exactly the key that we hold.
use super::*;
use crate::service::{alter_state, settle, state};
use crate::support::Fault;

const REMOVE: &str = "delete-license-key";

fn removed_once(test: &Test) {
    let seen = (test.orderbox().removals(ORDER), test.orderbox().requests_of(REMOVE).len());
    assert_eq!(seen, (1, 1), "{}", test.story());
    assert_eq!(key(test), "");
}

#[test]
fn without_a_removing_call_an_operator_is_asked_to_remove_it() {
    let test = opened();
    let operation = test.operation(ITEM, "close");
    test.cmd_op("close", ITEM, operation).ok().stdout("");
    nothing_sent(&test);
    assert_eq!(test.item(ITEM).status, 4);
    let told = test.panel_changes();
    let problem = problems(&test).pop().unwrap_or_default();
    assert!(problem.contains("4001") && problem.contains(&end_of_order(&test)), "{told:?}");
    let tasks = || test.panel_changes().iter().filter(|line| line.starts_with("task.edit")).count();
    assert_eq!(tasks(), 1, "{told:?}");
    test.cmd_op("close", ITEM, operation).ok();
    assert_eq!(tasks(), 1, "a repeated close has a task already: {}", test.story());
    assert!(!key(&test).is_empty());
    // As long as the license is there, it waits for an operator, who finds the day where problems are shown.
    sync(&test).ok();
    let row = || state(&test, "SELECT state FROM license WHERE id = 4001");
    alter_state(&test, "UPDATE license SET since = since - 3 * 3600");
    let listed = operator(&test, "list --problems");
    assert_eq!((row().as_str(), listed.code), ("to_free", Some(1)), "{listed:?}");
    for shown in [listed, operator(&test, "show license:4001")] {
        assert!(shown.stdout.contains(&end_of_order(&test)), "{}", shown.stdout);
    }
    test.orderbox().remove_key(ORDER);
    sync(&test).ok();
    assert_eq!(row(), "deleted", "{}", test.story());
    let listed = operator(&test, "list --problems");
    assert!(listed.code == Some(0) && listed.stdout.contains("0 problems, 0 licenses"), "{listed:?}");
    forget(&test);
    sync(&test).ok();
    assert_eq!(problems(&test), Vec::<String>::new(), "{}", test.story());
    nothing_sent(&test);
    assert_eq!(test.orderbox().charges(ORDER), 1);
}

#[test]
fn a_closed_service_has_its_license_removed_once() {
    let test = opened_with(REMOVING, |_| {});
    test.cmd("close", ITEM).ok().stdout("");
    assert_eq!(test.orderbox().posts(), ["POST linux/us delete-license-key order-id=4001"]);
    removed_once(&test);
    for _ in 0..2 {
        test.cmd("close", ITEM).ok();
    }
    sync(&test).ok();
    removed_once(&test);
    assert_eq!(test.item(ITEM).status, 4);
    test.assert_clean();
}

/// There is no pool here, and no license can be stopped: each renewal would cost money.
#[test]
fn whatever_else_the_settings_say_a_closed_license_is_removed() {
    for on_close in ["pool", "stop", "delete"] {
        let test = opened_with(&format!("on_close = \"{on_close}\"\n{REMOVING}"), |_| {});
        test.cmd("close", ITEM).ok();
        removed_once(&test);
        assert_eq!(test.item(ITEM).status, 4, "{on_close}");
    }
}

#[test]
fn the_removing_call_takes_the_parameters_of_the_settings() {
    let settings =
        "[orderbox]\nremove_call = \"delete-whmcs-license\"\nremove_params = { invoice-option = \"NoInvoice\" }\n";
    let test = opened_with(settings, |o| {
        o.remove_call = "delete-whmcs-license".into();
        o.remove_params = vec![("invoice-option".into(), "NoInvoice".into())];
    });
    test.cmd("close", ITEM).ok();
    assert_eq!(test.orderbox().posts(), ["POST linux/us delete-whmcs-license order-id=4001 invoice-option=NoInvoice"]);
    assert_eq!(test.orderbox().removals(ORDER), 1);
}

#[test]
fn a_lost_removal_has_one_effect() {
    for name in ["drop_after", "http_502", "truncated", "refused_after"] {
        let test = opened_with(REMOVING, |_| {});
        test.orderbox().fault(Fault::by_name(REMOVE, name, None, Some("Something odd")).unwrap());
        for _ in 0..3 {
            if test.cmd("close", ITEM).code == Some(0) {
                break;
            }
            settle(&test);
        }
        removed_once(&test);
        assert_eq!(test.item(ITEM).status, 4, "{name}");
    }
}

#[test]
fn a_removal_without_effect_is_sent_once_more_after_settling() {
    let test = opened_with(REMOVING, |_| {});
    test.orderbox().fault(Fault::on(REMOVE).drop_before());
    for _ in 0..3 {
        test.cmd("close", ITEM);
    }
    assert_eq!(test.orderbox().requests_of(REMOVE).len(), 1, "{}", test.story());
    for _ in 0..3 {
        settle(&test);
        test.cmd("close", ITEM);
    }
    assert_eq!(
        (test.orderbox().requests_of(REMOVE).len(), test.orderbox().removals(ORDER)),
        (2, 1),
        "{}",
        test.story()
    );
}

#[test]
fn a_killed_removal_is_finished_by_the_next_run() {
    for is_after in [false, true] {
        let test = opened_with(REMOVING, |_| {});
        let held = if is_after { test.orderbox().hold_after(REMOVE) } else { test.orderbox().hold_before(REMOVE) };
        let running = test.spawn(["--command", "close", "--item", "42"]);
        held.reached();
        running.kill();
        held.release();
        while test.orderbox().removals(ORDER) == 0 {
            std::thread::yield_now();
        }
        test.cmd("close", ITEM).ok();
        removed_once(&test);
        assert_eq!(test.item(ITEM).status, 4);
    }
}

/// A key that is not the one we hold was bought by somebody else: it is never removed.
#[test]
fn another_key_is_never_removed() {
    let test = opened_with(REMOVING, |_| {});
    test.orderbox().edit(ORDER, |o| o.key = "Reseller-somebody-elses".into());
    test.cmd("close", ITEM);
    sync(&test);
    nothing_sent(&test);
    assert_eq!(key(&test), "Reseller-somebody-elses");
    // Likewise when it changed between a lost removal and its repetition.
    let test = opened_with(REMOVING, |_| {});
    test.orderbox().fault(Fault::on(REMOVE).drop_before());
    test.cmd("close", ITEM);
    test.orderbox().edit(ORDER, |o| o.key = "Reseller-bought-again".into());
    for _ in 0..3 {
        settle(&test);
        test.cmd("close", ITEM);
        sync(&test);
    }
    assert_eq!((test.orderbox().requests_of(REMOVE).len(), key(&test).as_str()), (1, "Reseller-bought-again"));
}

/// A key that was removed and shows again is a question for an operator: it is not removed a second time.
#[test]
fn a_key_that_comes_back_after_its_removal_is_not_removed_again() {
    let test = opened_with(REMOVING, |_| {});
    let before = key(&test);
    test.cmd("close", ITEM).ok();
    test.orderbox().edit(ORDER, |o| o.key = before);
    test.set_item(ITEM, "status", "2");
    assert_eq!(operator(&test, "bind 42 4001 --yes").code, Some(0), "{}", test.story());
    test.cmd("close", ITEM).ok();
    let output = sync(&test);
    assert!(output.fails("order_unknown").message().contains("removed before"), "{}", output.message());
    assert_eq!((test.orderbox().removals(ORDER), test.orderbox().requests_of(REMOVE).len()), (1, 1));
}

#[test]
fn an_order_with_an_action_under_way_is_left_alone() {
    let test = opened_with(REMOVING, |_| {});
    test.orderbox().busy(ORDER, "ModHosting");
    test.cmd("close", ITEM);
    nothing_sent(&test);
    test.orderbox().finish(ORDER);
    test.cmd("close", ITEM).ok();
    removed_once(&test);
}

/// Only of a closed service, and by a pass never more than `max_changes`.
#[test]
fn a_sync_pass_removes_only_what_is_closed_and_no_more_than_allowed() {
    let test = shop();
    test.settings(&format!("max_changes = 2\n{REMOVING}"));
    let orders = [4001_u64, 4002, 4003];
    for (item, order) in (42..).zip(orders) {
        if order != ORDER {
            test.orderbox().add(Order::new(order));
            test.whmcs_item(item, 1, order).add();
        }
        test.cmd("open", item).ok();
    }
    forget(&test);
    let removals = || orders.iter().map(|order| test.orderbox().removals(*order)).sum::<usize>();
    for status in ["2", "3"] {
        test.db.exec("UPDATE item SET status = ? WHERE id IN (42, 43, 44)", (status,));
        sync(&test);
        nothing_sent(&test);
    }
    test.db.exec("UPDATE item SET status = 4 WHERE id IN (42, 43, 44)", ());
    for _ in 0..2 {
        assert_eq!(sync(&test).fails("config").attribute("object"), "max_changes");
        assert_eq!(removals(), 0, "{}", test.story());
    }
    test.run(["sync", "--allow-many"]).ok();
    assert_eq!(removals(), 3, "{}", test.story());
}

#[test]
fn keep_leaves_the_license_and_gives_it_out_again_without_a_purchase() {
    let settings = "on_close = \"keep\"\n[orderbox]\nremove_call = \"delete-license-key\"\n";
    let test = opened_with(&format!("{settings}price_month = \"800.00 RUB\"\n"), |_| {});
    let before = key(&test);
    test.cmd("close", ITEM).ok();
    nothing_sent(&test);
    assert_eq!((test.item(ITEM).status, key(&test)), (4, before.clone()));
    let (told, end) = (problems(&test), end_of_order(&test));
    let costs = "charges it again, by the month, about 800.00 RUB";
    assert!(told.len() == 1 && told[0].contains(&end) && told[0].contains(costs), "{told:?}");
    test.set_item(ITEM, "status", "1");
    test.cmd("reopen", ITEM).ok();
    nothing_sent(&test);
    assert_eq!((test.item(ITEM).param("lickey"), test.orderbox().charges(ORDER)), (before.as_str(), 1));
}

/// A purchase that comes to light only after the end is kept too, whichever run finds it.
#[test]
fn keep_leaves_a_license_that_appears_after_the_close() {
    for lands_before in [true, false] {
        let test = shop();
        test.settings("on_close = \"keep\"\n[orderbox]\nremove_call = \"delete-license-key\"\n");
        test.orderbox().fault(Fault::on("generate-license-key").late());
        test.cmd("open", ITEM).fails("client");
        if lands_before {
            test.orderbox().land_late();
        }
        test.cmd("close", ITEM).ok();
        test.orderbox().land_late();
        for _ in 0..2 {
            sync(&test).ok();
        }
        assert_eq!(test.orderbox().removals(ORDER), 0, "{lands_before}: {}", test.story());
        assert_eq!(state(&test, "SELECT state FROM license WHERE id = 4001"), "stopped", "{lands_before}");
        test.set_item(ITEM, "status", "1");
        test.cmd("reopen", ITEM).ok();
        assert_eq!((test.item(ITEM).param("lickey"), test.orderbox().charges(ORDER)), (key(&test).as_str(), 1));
    }
}

/// A removal that was sent before the setting said "keep" is still settled.
#[test]
fn a_removal_in_doubt_is_settled_although_the_setting_says_keep() {
    let test = opened_with(REMOVING, |_| {});
    test.orderbox().fault(Fault::on(REMOVE).late());
    test.cmd("close", ITEM).ok();
    test.settings("on_close = \"keep\"\n[orderbox]\nremove_call = \"delete-license-key\"\n");
    sync(&test);
    test.orderbox().land_late();
    sync(&test);
    assert_eq!(state(&test, "SELECT status FROM intent WHERE kind = 'remove'"), "in_doubt", "a look may show the past");
    settle(&test);
    sync(&test);
    removed_once(&test);
    assert_eq!(state(&test, "SELECT state FROM license WHERE id = 4001"), "deleted", "{}", test.story());
    assert_eq!(state(&test, "SELECT count(*) FROM intent WHERE status = 'in_doubt'"), "0");
}

/// A look may show the order as it was before the purchase: what was just given back is neither forgotten nor bought
/// again.
#[test]
fn a_license_that_was_just_given_back_is_not_forgotten_by_a_look_at_the_past() {
    for settings in [REMOVING, "on_close = \"keep\"\n", ""] {
        let test = opened_with(settings, |_| {});
        let before = key(&test);
        let past = |right: &str| right.replace("licenseKey", "nothing");
        test.orderbox().fault(Fault::on("details").reworded(past).always());
        test.cmd("close", ITEM).ok();
        sync(&test);
        let kept = state(&test, "SELECT state FROM license WHERE id = 4001");
        assert!(["to_free", "stopped"].contains(&kept.as_str()), "{settings}: {kept}");
        test.set_item(ITEM, "status", "1");
        let message = test.cmd("reopen", ITEM).fails("client").message().to_owned();
        assert!(message.contains("had a license of ours a moment ago"), "{message}");
        nothing_sent(&test);
        test.orderbox().clear_faults();
        test.cmd("reopen", ITEM).ok();
        served(&test);
        assert_eq!((key(&test), test.orderbox().charges(ORDER)), (before, 1), "{settings}: {}", test.story());
    }
}

/// A removal was refused, and the look at its order shows the moment before the license was bought: it is not gone, and
/// it is removed later.
#[test]
fn a_refused_removal_is_not_taken_for_done_by_a_look_at_the_past() {
    let test = opened_with(REMOVING, |_| {});
    test.orderbox().before(REMOVE, 1, |world| {
        if let Some(order) = world.orders.get_mut(&ORDER) {
            order.key_late_reads = 1;
        }
    });
    test.orderbox().fault(Fault::on(REMOVE).refused("Something odd is wrong here"));
    test.cmd("close", ITEM).ok();
    assert_eq!(state(&test, "SELECT state FROM license WHERE id = 4001"), "to_free", "{}", test.story());
    assert_eq!(state(&test, "SELECT status FROM intent WHERE kind = 'remove'"), "in_doubt");
    assert!(!key(&test).is_empty());
    for _ in 0..3 {
        settle(&test);
        sync(&test);
    }
    sync(&test).ok();
    assert_eq!(state(&test, "SELECT state FROM license WHERE id = 4001"), "deleted", "{}", test.story());
    assert_eq!((test.orderbox().removals(ORDER), test.orderbox().requests_of(REMOVE).len()), (1, 2));
}

/// After a removal there is nothing left to reopen: a new license is bought, with a new key.
#[test]
fn a_service_that_is_opened_again_gets_a_new_license() {
    let test = opened_with(REMOVING, |_| {});
    let before = key(&test);
    test.cmd("close", ITEM).ok();
    test.set_item(ITEM, "status", "1");
    forget(&test);
    let (new_en, new_ru) = ("a new license of hosting order 4001 is bound, with a new key", "ключ у неё новый");
    assert!(!test.log().contains(new_en), "the first license is not called new: {}", test.log());
    test.cmd("reopen", ITEM).ok();
    assert_ne!(key(&test), before);
    assert_eq!(test.log().matches(new_en).count(), 1, "{}", test.log());
    assert!(operator(&test, "history 42 --lang ru").stdout.contains(new_ru), "{}", test.story());
    assert_eq!(test.orderbox().posts(), ["POST linux/us generate-license-key order-id=4001 invoice-option=NoInvoice"]);
    assert_eq!((test.item(ITEM).param("lickey"), test.orderbox().charges(ORDER)), (key(&test).as_str(), 2));
    test.cmd("reopen", ITEM).ok();
    assert_eq!(test.orderbox().charges(ORDER), 2);
}

/// A service goes on with another order: the license that it gave back is removed anyway, and nothing else.
#[test]
fn a_license_is_removed_although_its_service_has_that_of_another_order() {
    let test = opened_with(REMOVING, |_| {});
    test.orderbox().fault(Fault::on(REMOVE).drop_before());
    test.cmd("close", ITEM).ok();
    test.orderbox().add(Order::new(4002));
    test.set_param(ITEM, "orderid", "4002");
    test.set_item(ITEM, "status", "1");
    test.cmd("reopen", ITEM).ok();
    let other = test.orderbox().order(4002).key;
    assert_eq!(test.item(ITEM).param("lickey"), other);
    for _ in 0..3 {
        settle(&test);
        sync(&test);
    }
    assert_eq!((test.orderbox().removals(ORDER), test.orderbox().removals(4002)), (1, 0), "{}", test.story());
    assert_eq!(test.orderbox().requests_of(REMOVE).len(), 2);
    sync(&test).ok();
    assert_eq!((test.item(ITEM).param("lickey"), test.item(ITEM).param("licid")), (other.as_str(), "4002"));
}

/// Without a name for the removing call, the problem is reported to an operator.
#[test]
fn an_operator_removes_what_a_service_with_another_order_gave_back() {
    let test = opened();
    test.cmd("close", ITEM).ok();
    test.orderbox().add(Order::new(4002));
    test.set_param(ITEM, "orderid", "4002");
    test.set_item(ITEM, "status", "1");
    test.cmd("reopen", ITEM).ok();
    sync(&test).ok();
    test.orderbox().remove_key(ORDER);
    sync(&test).ok();
    assert_eq!(state(&test, "SELECT state FROM license WHERE id = 4001"), "to_free", "a look may show the past");
    alter_state(&test, "UPDATE license SET since = since - 60");
    sync(&test).ok();
    assert_eq!(state(&test, "SELECT state FROM license WHERE id = 4001"), "deleted", "{}", test.story());
    assert_eq!(state(&test, "SELECT state FROM license WHERE id = 4002"), "bound");
    assert_eq!((test.orderbox().charges(ORDER), test.orderbox().charges(4002)), (1, 1));
}

/// The key of the license that was removed is not that of the next one, which may be late: it is waited for, handed out
/// and removed as any other.
#[test]
fn a_license_bought_again_is_not_lost_while_its_key_is_late() {
    let test = opened_with(REMOVING, |_| {});
    let former = key(&test);
    test.cmd("close", ITEM).ok();
    assert_eq!(test.orderbox().removals(ORDER), 1);
    test.orderbox().options(|o| o.key_late_reads = u32::MAX);
    test.set_item(ITEM, "status", "1");
    test.cmd("reopen", ITEM).ok();
    assert_eq!((test.item(ITEM).status, test.orderbox().charges(ORDER)), (2, 2), "{}", test.story());
    assert_eq!(test.item(ITEM).param("lickey"), "", "the order's number stays, its former key is not shown");
    sync(&test).ok();
    assert_ne!(state(&test, "SELECT coalesce(lickey, '') FROM license WHERE id = 4001"), former);
    test.cmd("close", ITEM).ok();
    assert_eq!(state(&test, "SELECT state FROM license WHERE id = 4001"), "to_free", "{}", test.story());
    sync(&test);
    assert_eq!(state(&test, "SELECT state FROM license WHERE id = 4001"), "to_free", "{}", test.story());
    test.orderbox().edit(ORDER, |o| o.key_late_reads = 0);
    sync(&test).ok();
    assert_eq!((test.orderbox().charges(ORDER), test.orderbox().removals(ORDER)), (2, 2), "{}", test.story());
    assert_eq!(state(&test, "SELECT state FROM license WHERE id = 4001"), "deleted");
}

/// Closed while nobody knows whether it was bought: what appears is removed.
#[test]
fn a_purchase_in_doubt_of_a_closed_service_is_removed_when_it_appears() {
    let test = shop();
    test.settings(REMOVING);
    test.orderbox().fault(Fault::on("generate-license-key").late());
    test.cmd("open", ITEM).fails("client");
    test.cmd("close", ITEM);
    test.orderbox().land_late();
    for _ in 0..3 {
        settle(&test);
        test.cmd("close", ITEM);
        sync(&test);
    }
    assert_eq!((test.orderbox().charges(ORDER), test.orderbox().removals(ORDER)), (1, 1), "{}", test.story());
    assert_eq!(test.orderbox().requests_of("generate-license-key").len(), 1);
    assert_eq!(state(&test, "SELECT count(*) FROM intent WHERE status = 'in_doubt'"), "0");
}
