//! `prolong`: one aligned period up to the paid end, once for each payment, whether the panel moves the end before the
//! call or with the post-call (docs/licensing-rules.md 5).
use crate::service::{
    alter_state, changes, day, end, ends_in, forget, license, licid, months, opened, settle, state, told,
};
use crate::support::upstream::StoppedBy;
use crate::support::{Fault, MgrctlFault, MgrctlFaultKind, Test};

fn worlds() -> [Test; 2] {
    let mut before = Test::new();
    before.end_moves_before_prolong();
    [Test::new(), before]
}

fn renewed(test: &Test) -> usize {
    test.upstream.billed("service.prolong")
}

/// One payment, one period, whether the panel moves the end before the call or by the post-call; repeated runs buy
/// nothing more.
#[test]
fn one_payment_buys_one_period() {
    for test in worlds() {
        let id = opened(&test, 42, "55227", 1);
        let first = test.item(42).expiredate.unwrap();
        for payment in 1..=3 {
            forget(&test);
            let operation = test.prolong_paid(42);
            test.cmd_op("prolong", 42, operation).ok().stdout("");
            let paid = months(&first, payment);
            assert_eq!(
                (test.item(42).expiredate, end(&license(&test, 42))),
                (Some(paid.clone()), paid.clone()),
                "{}",
                test.story()
            );
            assert_eq!(changes(&test), [format!("service.prolong elid={id} period=1 sok=ok")]);
            assert_eq!(told(&test), ["service.postprolong"]);
            // The same operation again: the panel repeats what it is not sure of.
            test.cmd_op("prolong", 42, operation).ok();
            assert_eq!((renewed(&test), test.item(42).expiredate), (payment as usize, Some(paid)));
        }
        assert_eq!(state(&test, "SELECT count(*) FROM journal WHERE event = 'changed'"), "0", "nothing was started");
        test.assert_clean();
    }
}

/// Without a running operation, the panel's end alone shows which payment it is.
#[test]
fn without_an_operation_a_payment_is_recognised_by_the_panels_end() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    let first = test.item(42).expiredate.unwrap();
    test.cmd("prolong", 42).ok();
    assert_eq!(
        (renewed(&test), test.item(42).expiredate, end(&license(&test, 42))),
        (1, Some(months(&first, 1)), months(&first, 1))
    );
}

/// Without a running operation, a finished payment is finished. If the panel moves the end by the post-call, the next
/// call is the next payment. If it moves the end before the call, a call without a move is no payment. A payment that
/// did not finish is continued.
#[test]
fn without_an_operation_the_next_call_is_the_next_payment() {
    let [after, before] = worlds();
    let id = opened(&after, 42, "55227", 1);
    let first = after.item(42).expiredate.unwrap();
    after.cmd("prolong", 42).ok();
    after.mgrctl_fault(MgrctlFault::on("service.postprolong", MgrctlFaultKind::ErrorDocument));
    after.cmd("prolong", 42).fails("mgrctl");
    after.cmd("prolong", 42).ok();
    assert_eq!((renewed(&after), end(&after.upstream.license(id))), (2, months(&first, 2)), "{}", after.story());
    assert_eq!(after.item(42).expiredate, Some(months(&first, 2)));
    after.assert_clean();

    let id = opened(&before, 42, "55227", 1);
    let first = before.item(42).expiredate.unwrap();
    for payment in 1..=2 {
        before.prolong_paid(42);
        for _ in 0..2 {
            before.cmd("prolong", 42).ok();
            let license = before.upstream.license(id);
            assert_eq!((renewed(&before), end(&license)), (payment as usize, months(&first, payment)));
        }
    }
    before.assert_clean();
}

/// The answer is lost: seen by the look, one billing, the panel told.
#[test]
fn a_renewal_whose_answer_was_lost_is_billed_once() {
    for name in ["drop_after", "html", "http_502", "truncated", "refused_after", "empty", "answer_of_another"] {
        for test in worlds() {
            opened(&test, 42, "55227", 1);
            let operation = test.prolong_paid(42);
            test.upstream.fault(Fault::by_name("service.prolong", name, None, None).unwrap());
            test.cmd_op("prolong", 42, operation).ok();
            assert_eq!(
                (renewed(&test), test.item(42).expiredate),
                (1, license(&test, 42).expires.map(|d| d.to_string())),
                "{name}"
            );
        }
    }
}

/// Nothing happened, and nobody can know: not sent again before it is settled; then once more, and the payment is
/// whole.
#[test]
fn a_renewal_in_doubt_is_not_sent_again_before_it_is_settled() {
    for test in worlds() {
        let id = opened(&test, 42, "55227", 1);
        let operation = test.prolong_paid(42);
        let end_before = test.item(42).expiredate;
        test.upstream.fault(Fault::on("service.prolong").drop_before());
        let output = test.cmd_op("prolong", 42, operation);
        assert_eq!(
            (output.fails("client").attribute("object"), output.attribute("value")),
            ("licid", id.to_string().as_str())
        );
        assert_eq!(
            (told(&test).contains(&"service.postprolong".to_owned()), test.item(42).expiredate),
            (false, end_before)
        );
        test.cmd_op("prolong", 42, operation).fails("client");
        settle(&test);
        test.cmd_op("prolong", 42, operation).fails("client");
        assert_eq!(test.upstream.requests_of("service.prolong").len(), 1);
        settle(&test);
        test.cmd_op("prolong", 42, operation).ok();
        assert_eq!((test.upstream.requests_of("service.prolong").len(), renewed(&test)), (2, 1));
        assert_eq!(test.item(42).expiredate, Some(end(&license(&test, 42))));
    }
}

/// It was not reached: certain, so the next run sends it at once.
#[test]
fn a_renewal_that_was_not_sent_is_sent_by_the_next_run() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    let operation = test.prolong_paid(42);
    test.upstream.fault(Fault::on("soft.edit?read").then_refuse(0));
    test.cmd_op("prolong", 42, operation).fails("client");
    test.upstream.listen_again();
    test.cmd_op("prolong", 42, operation).ok();
    assert_eq!((renewed(&test), test.item(42).expiredate), (1, Some(end(&license(&test, 42)))));
}

/// Refused: the type says why, the panel is not told, the repeated run pays.
#[test]
fn a_refused_renewal_is_paid_by_the_repeated_run() {
    for (words, kind) in [
        ("no_money", "nomoney"),
        ("blocked", "blocked"),
        ("period", "period_not_sold"),
        ("sale_closed", "sale_closed"),
        ("odd", "upstream"),
    ] {
        let test = Test::new();
        opened(&test, 42, "55227", 1);
        let operation = test.prolong_paid(42);
        test.upstream.fault(Fault::on("service.prolong").refused(words));
        test.cmd_op("prolong", 42, operation).fails(kind);
        assert!(!told(&test).contains(&"service.postprolong".to_owned()), "{words}");
        test.upstream.set_balance(2_000_000);
        test.cmd_op("prolong", 42, operation).ok();
        assert_eq!(renewed(&test), 1, "{words}");
    }
}

/// A license that lasts beyond the paid end (a year under a monthly service) is not renewed, and the post-call is made.
#[test]
fn a_license_that_lasts_beyond_the_paid_end_is_not_renewed() {
    let test = Test::new();
    test.period_align("1;12;;");
    opened(&test, 42, "55227", 1);
    for _ in 0..2 {
        let operation = test.prolong_paid(42);
        test.cmd_op("prolong", 42, operation).ok().stdout("");
    }
    assert_eq!((renewed(&test), end(&license(&test, 42))), (0, months(&day(0), 12)));
    assert_eq!(test.item(42).expiredate, Some(months(&months(&day(0), 1), 2)));
}

/// A suspended service: nothing is bought, and the post-call is made. resume starts it, and sync renews it when it is
/// due.
#[test]
fn a_payment_of_a_suspended_service_buys_nothing() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.cmd("suspend", 42).ok();
    let operation = test.prolong_paid(42);
    forget(&test);
    test.cmd_op("prolong", 42, operation).ok().stdout("");
    assert_eq!((changes(&test), told(&test)), (Vec::new(), vec!["service.postprolong".to_owned()]));
    test.cmd("resume", 42).ok();
    assert_eq!(renewed(&test), 0, "it has time left");
    ends_in(&test, id, 1);
    test.cmd("sync_item", 42).ok();
    assert_eq!((renewed(&test), end(&license(&test, 42))), (1, months(&day(1), 1)));
}

/// An active service whose license the seller has deleted gets a new one: that is all that this payment buys.
#[test]
fn a_payment_for_a_deleted_license_buys_only_a_new_one() {
    for test in worlds() {
        let first = opened(&test, 42, "55227", 1);
        test.upstream.edit_license(first, |l| l.status = 4);
        let operation = test.prolong_paid(42);
        test.cmd_op("prolong", 42, operation).ok().stdout("");
        assert!(licid(&test, 42) != first);
        test.cmd_op("prolong", 42, operation).ok();
        assert_eq!((renewed(&test), test.upstream.billed("soft.order.param")), (0, 2));
        assert_eq!((license(&test, 42).status, test.item(42).expiredate), (2, Some(months(&months(&day(0), 1), 1))));
    }
}

/// The post-call's outcome is lost: it is sent again only while the item's end is what it was.
#[test]
fn a_lost_post_call_is_repeated_only_while_the_end_is_unmoved() {
    for (kind, again) in [(MgrctlFaultKind::Lost, false), (MgrctlFaultKind::ErrorDocument, true)] {
        let test = Test::new();
        opened(&test, 42, "55227", 1);
        let operation = test.prolong_paid(42);
        test.mgrctl_fault(MgrctlFault::on("service.postprolong", kind));
        test.cmd_op("prolong", 42, operation);
        forget(&test);
        test.cmd_op("prolong", 42, operation).ok();
        assert_eq!(told(&test).contains(&"service.postprolong".to_owned()), again, "{kind:?}");
        assert_eq!((renewed(&test), test.item(42).expiredate), (1, Some(end(&license(&test, 42)))), "{kind:?}");
    }
}

/// A renewal that prolong bought is not bought again by sync, and the other way round.
#[test]
fn what_prolong_bought_is_not_bought_again_by_sync() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    ends_in(&test, id, 1);
    test.set_item(42, "expiredate", &day(20));
    alter_state(&test, &format!("UPDATE item SET settled_end = '{}'", day(20)));
    test.cmd("sync_item", 42).ok();
    assert_eq!((renewed(&test), end(&license(&test, 42))), (1, months(&day(1), 1)));
    test.cmd("sync_item", 42).ok();
    let operation = test.prolong_paid(42);
    test.cmd_op("prolong", 42, operation).ok();
    test.cmd("sync_item", 42).ok();
    assert_eq!(renewed(&test), 2);
    assert_eq!(state(&test, "SELECT count(*) FROM intent WHERE status <> 'done'"), "0");
}

/// The first prolong of a trial turns it into a paid license, and the trial is stopped.
#[test]
fn the_first_prolong_turns_a_trial_into_a_paid_license() {
    let test = Test::new();
    test.soft_item(42, "55227", -100).ip("192.0.2.10").add();
    test.cmd("open", 42).ok();
    let trial = licid(&test, 42);
    assert_eq!(test.upstream.license(trial).pricelist, 55239);
    test.set_item(42, "period", "1");
    test.set_item(42, "expiredate", &day(5));
    let operation = test.prolong_paid(42);
    test.cmd_op("prolong", 42, operation).ok();
    let paid = license(&test, 42);
    assert!(paid.id != trial && test.item(42).param("lickey") == paid.key);
    assert_eq!((paid.pricelist, paid.status, test.upstream.license(trial).status), (55227, 2, 3));
    test.cmd_op("prolong", 42, operation).ok();
    assert_eq!((test.upstream.billed("soft.order.param"), renewed(&test)), (2, 0));
}

/// Nodes that the paid product does not have are refused while the trial still serves.
#[test]
fn a_trial_is_not_given_up_for_nodes_that_are_not_sold() {
    let test = Test::new();
    test.soft_item(42, "55227", -100).nodes(0).ip("192.0.2.10").add();
    test.cmd("open", 42).ok();
    let trial = licid(&test, 42);
    test.set_nodes(42, 2);
    test.set_item(42, "period", "1");
    test.set_item(42, "expiredate", &day(5));
    let operation = test.prolong_paid(42);
    test.cmd_op("prolong", 42, operation).fails("bad_value");
    assert_eq!(state(&test, "SELECT state FROM license"), "bound");
    assert_eq!((licid(&test, 42), test.upstream.license(trial).status), (trial, 2));
}

/// The trial is given up before the paid license is ordered. When that order is refused, the client has nothing: each
/// pass says so until the payment is carried out.
#[test]
fn a_paid_service_whose_trial_ended_without_a_paid_license_is_named_by_each_sync_pass() {
    let test = Test::new();
    test.soft_item(42, "55227", -100).ip("192.0.2.10").add();
    test.cmd("open", 42).ok();
    test.set_item(42, "period", "1");
    test.set_item(42, "expiredate", &day(35));
    test.upstream.set_balance(0);
    let operation = test.prolong_paid(42);
    test.cmd_op("prolong", 42, operation).fails("nomoney");
    for _ in 0..2 {
        let told = test.run(["--command", "sync"]).fails("license_gone").message().to_owned();
        assert!(told.contains("service 42"), "{told}");
    }
    test.upstream.set_balance(100_000);
    test.run(["retry", "42", "--yes"]);
    test.cmd_op("prolong", 42, operation).ok();
    test.run(["--command", "sync"]).ok();
}

/// The product of the license has left the catalogue: the payment is not taken for one that buys nothing.
#[test]
fn a_payment_for_a_product_that_left_the_catalogue_fails_until_it_is_back() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    let operation = test.prolong_paid(42);
    test.settings("catalogue = \"replace\"\n");
    forget(&test);
    for _ in 0..2 {
        let message = test.cmd_op("prolong", 42, operation).fails("unknown_internal_name").message().to_owned();
        assert!(message.contains("its product 55227 is not in the catalogue"), "{message}");
    }
    assert!(renewed(&test) == 0 && !told(&test).contains(&"service.postprolong".to_owned()), "{}", test.story());
    test.settings("");
    test.cmd_op("prolong", 42, operation).ok();
    assert_eq!((renewed(&test), test.item(42).expiredate), (1, Some(end(&license(&test, 42)))));
}

/// `nopanel` and a service without an end cost nothing and succeed.
#[test]
fn a_service_without_an_end_or_panel_costs_nothing() {
    let test = Test::new();
    test.soft_item(1, "nopanel", 1).active_until(&day(10)).add();
    opened(&test, 2, "55227", 0);
    for item in [1, 2] {
        forget(&test);
        test.cmd("prolong", item).ok().stdout("");
        assert_eq!((changes(&test), told(&test)), (Vec::new(), vec!["service.postprolong".to_owned()]));
    }
}

/// A running operation means one paid end for 20 days. If its number is used again later, it is another payment.
#[test]
fn an_operation_stands_for_its_paid_end_for_20_days() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    let operation = test.prolong_paid(42);
    for _ in 0..2 {
        test.cmd_op("prolong", 42, operation).ok();
    }
    crate::service::alter_state(&test, "UPDATE payment_run SET at = at - 19 * 86400");
    test.cmd_op("prolong", 42, operation).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 1);
    crate::service::alter_state(&test, "UPDATE payment_run SET at = at - 2 * 86400");
    test.cmd_op("prolong", 42, operation).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 2);
}

/// A license that the seller stopped is started before it is renewed, so that nothing of its time is lost; where
/// nothing is owed it is only started, and one that ran out is left to whoever pays.
#[test]
fn a_license_that_the_seller_stopped_is_started_before_its_renewal() {
    let stop = |test: &Test, id| test.upstream.edit_license(id, |l| (l.status, l.stopped_by) = (3, StoppedBy::Hand));
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    stop(&test, id);
    test.cmd("prolong", 42).ok();
    let start = format!("soft.resume elid={id}");
    assert_eq!(changes(&test), [start.clone(), format!("service.prolong elid={id} period=1 sok=ok")]);
    let test = Test::new();
    test.period_align("1;12;;");
    assert_eq!(opened(&test, 42, "55227", 1), id);
    stop(&test, id);
    test.cmd("prolong", 42).ok();
    assert_eq!((changes(&test), license(&test, 42).status), (vec![start], 2));
    let test = Test::new();
    assert_eq!(opened(&test, 42, "55227", 0), id);
    stop(&test, id);
    ends_in(&test, id, -3);
    test.cmd("prolong", 42).ok();
    assert_eq!((changes(&test), told(&test)), (Vec::new(), vec!["service.postprolong".to_owned()]));
}

/// A license that lasts exactly until the paid end is not renewed.
#[test]
fn a_license_that_ends_exactly_with_the_paid_end_is_not_renewed() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    let paid = months(&test.item(42).expiredate.unwrap(), 1);
    test.upstream.edit_license(id, |l| l.expires = paid.parse().ok());
    test.cmd("prolong", 42).ok();
    assert_eq!((renewed(&test), test.item(42).expiredate, end(&license(&test, 42))), (0, Some(paid.clone()), paid));
}

/// A renewal is in doubt, and its license was stopped since: its expiry no longer proves anything, so an operator is
/// asked.
#[test]
fn an_operator_is_asked_when_a_license_is_stopped_in_doubt() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.upstream.fault(Fault::on("service.prolong").drop_before());
    test.cmd("prolong", 42).fails("client");
    test.cmd("suspend", 42).fails("client");
    assert_eq!(license(&test, 42).status, 2, "it is not stopped by us while it may be renewed");
    test.upstream.edit_license(id, |l| (l.status, l.stopped_by) = (3, StoppedBy::Hand));
    settle(&test);
    for _ in 0..2 {
        test.cmd("prolong", 42).fails("order_unknown");
        settle(&test);
    }
    assert_eq!(test.upstream.requests_of("service.prolong").len(), 1);
    test.upstream.edit_license(id, |l| (l.status, l.stopped_by) = (2, StoppedBy::Nobody));
    test.cmd("suspend", 42).ok();
    assert_eq!(license(&test, 42).status, 3, "what waits for an operator keeps nothing from being stopped");
}

/// Refused, and the license cannot be found afterwards: only where that was the refusal is it certain that nothing
/// was renewed; else it is in doubt, and not sent again.
#[test]
fn an_odd_refusal_leaves_a_request_in_doubt_while_its_license_is_not_found() {
    for (fault, kind) in
        [(Some(Fault::on("service.prolong").refused("odd").with_late_effect()), "client"), (None, "license_gone")]
    {
        let test = Test::new();
        let id = opened(&test, 42, "55227", 1);
        let operation = test.prolong_paid(42);
        let is_odd = fault.is_some();
        fault.into_iter().for_each(|fault| test.upstream.fault(fault));
        let owner = test.upstream.with(|w| w.account);
        test.upstream.before("service.prolong", 1, move |w| w.licenses.get_mut(&id).unwrap().account = 0);
        test.cmd_op("prolong", 42, operation).fails(kind);
        test.upstream.edit_license(id, |l| l.account = owner);
        if is_odd {
            test.cmd_op("prolong", 42, operation).fails("client");
            assert_eq!(test.upstream.land_late(), 1);
        }
        test.cmd_op("prolong", 42, operation).ok();
        assert_eq!(renewed(&test), 1, "{}", test.story());
        assert_eq!(test.upstream.requests_of("service.prolong").len(), if is_odd { 1 } else { 2 });
    }
}

/// The end of a payment that cannot be written down fails the run; the panel is not told twice.
#[test]
fn a_payment_whose_end_was_not_written_is_not_counted_twice() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    let operation = test.prolong_paid(42);
    let file = rusqlite::Connection::open(test.state_path()).unwrap();
    let full =
        "CREATE TRIGGER is_full BEFORE UPDATE ON payment WHEN NEW.finished BEGIN SELECT RAISE(FAIL, 'full'); END";
    file.execute_batch(full).unwrap();
    test.cmd_op("prolong", 42, operation).fails("state");
    file.execute_batch("DROP TRIGGER is_full").unwrap();
    forget(&test);
    test.cmd_op("prolong", 42, operation).ok();
    assert_eq!((changes(&test), told(&test), renewed(&test)), (Vec::new(), Vec::new(), 1));
    assert_eq!(state(&test, "SELECT finished FROM payment"), "1");
}

/// The panel repeats operations that are older than the close of their service. A closed service gets no license,
/// neither bought nor from the pool, and its license is not renewed.
#[test]
fn an_operation_older_than_the_close_gives_a_closed_service_nothing() {
    for test in worlds() {
        let id = opened(&test, 42, "55227", 1);
        let operation = test.prolong_paid(42);
        test.upstream.fault(Fault::on("service.prolong").drop_before());
        test.cmd_op("prolong", 42, operation).fails("client");
        test.upstream.age(id, 40);
        test.cmd("close", 42).ok();
        for _ in 0..4 {
            settle(&test);
            test.run(["--command", "sync", "--module", "7"]);
        }
        assert_eq!(state(&test, "SELECT state FROM license"), "pool", "{}", test.story());
        forget(&test);
        test.cmd_op("prolong", 42, operation).ok();
        assert_eq!(test.cmd("resume", 42).fails("missed").attribute("object"), "item");
        test.cmd("setparam", 42).ok();
        assert_eq!((changes(&test), renewed(&test)), (Vec::new(), 0), "{}", test.story());
        assert_eq!(state(&test, "SELECT state FROM license"), "pool");
    }
}

/// The panel closed the service without calling us, and repeats a change of an earlier time. The license stays as it is
/// until sync frees it.
#[test]
fn a_change_older_than_the_close_changes_nothing() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.set_param(42, "ip", "192.0.2.142");
    test.set_item(42, "status", "4");
    forget(&test);
    test.cmd("setparam", 42).ok();
    assert_eq!((changes(&test), test.upstream.license(id).ip.as_str()), (Vec::new(), "192.0.2.42"), "{}", test.story());
}
