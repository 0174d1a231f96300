//! `resume`: starts what has time left, renews what ran out, obtains anew what the seller has deleted
//! (docs/licensing-rules.md 5).
use crate::service::{changes, day, end, ends_in, forget, ip_of, license, licid, months, opened, sent, settle, told};
use crate::support::{Fault, Test};

fn suspended(test: &Test) -> u64 {
    let id = opened(test, 42, "55227", 1);
    test.cmd("suspend", 42).ok();
    forget(test);
    id
}

/// A license with time left is started, not renewed.
#[test]
fn a_license_with_time_left_is_started_and_not_renewed() {
    let test = Test::new();
    let id = suspended(&test);
    test.cmd("resume", 42).ok().stdout("");
    assert_eq!(changes(&test), [format!("soft.resume elid={id}")]);
    assert_eq!(test.panel_changes(), ["service.postresume elid=42 sok=ok"]);
    assert_eq!((license(&test, 42).status, test.item(42).status), (2, 2));
    forget(&test);
    test.cmd("resume", 42).ok();
    assert_eq!(
        (sent(&test), told(&test)),
        (vec![format!("soft.edit elid={id}")], vec!["service.postresume".to_owned()])
    );
}

/// A seller may show the past for a while: its stop of the license cannot be seen yet. The license is started although
/// it seems to run. A license that looked the same before proves nothing about a start without an answer.
#[test]
fn a_license_that_seems_to_run_is_started_although_its_stop_is_not_shown_yet() {
    let test = Test::new();
    let id = suspended(&test);
    let show_the_past = || {
        let past = |right: &str| right.replace("<status>3</status>", "<status>2</status>");
        test.upstream.fault(Fault::on("soft.edit?read").reworded(past).always());
    };
    show_the_past();
    test.upstream.fault(Fault::on("soft.resume").drop_before().always());
    test.cmd("resume", 42).fails("client");
    assert!(!told(&test).contains(&"service.postresume".to_owned()), "{}", test.story());
    test.upstream.clear_faults();
    show_the_past();
    test.cmd("resume", 42).ok();
    assert_eq!((license(&test, 42).status, test.item(42).status), (2, 2), "{}", test.story());
    // The panel did not hear of the first run: the seller refuses to start what runs, and the look decides.
    test.set_item(42, "status", "3");
    test.upstream.clear_faults();
    test.upstream.fault(Fault::on("soft.resume").refused("something_odd"));
    forget(&test);
    test.cmd("resume", 42).ok();
    assert_eq!(changes(&test), [format!("soft.resume elid={id}")]);
}

/// A license that ran out is renewed for a period of the service, once, from today; the service's end lies ahead.
#[test]
fn a_license_that_ran_out_is_renewed_once_from_today() {
    let test = Test::new();
    let id = suspended(&test);
    ends_in(&test, id, -3);
    test.set_item(42, "expiredate", &day(20));
    test.cmd("resume", 42).ok();
    assert_eq!(changes(&test)[..1], [format!("service.prolong elid={id} period=1 sok=ok")]);
    let license = license(&test, 42);
    assert_eq!((license.status, end(&license)), (2, months(&day(0), 1)));
    test.cmd("resume", 42).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 1);
}

/// One about to run out is started first and renewed then: renewing a stopped license would lose its time.
#[test]
fn a_license_about_to_run_out_is_started_before_its_renewal() {
    let test = Test::new();
    let id = suspended(&test);
    ends_in(&test, id, 1);
    test.set_item(42, "expiredate", &day(20));
    test.cmd("resume", 42).ok();
    assert_eq!(
        changes(&test),
        [format!("soft.resume elid={id}"), format!("service.prolong elid={id} period=1 sok=ok")]
    );
    assert_eq!(end(&license(&test, 42)), months(&day(1), 1));
}

/// It ran out, and the service itself is not paid beyond today: the run fails, nothing is bought.
#[test]
fn a_license_that_ran_out_is_not_renewed_for_an_unpaid_service() {
    let test = Test::new();
    let id = suspended(&test);
    ends_in(&test, id, -3);
    test.set_item(42, "expiredate", &day(0));
    assert_eq!(test.cmd("resume", 42).fails("missed").attribute("object"), "expiredate");
    assert_eq!((changes(&test), told(&test)), (Vec::new(), Vec::new()));
    assert_eq!(test.item(42).status, 3);
}

/// A third-party license that is not found is gone when it is missing twice, a settling time apart, beside another
/// one of its own list: only then a new one is ordered.
#[test]
fn a_third_party_license_is_gone_only_when_missing_twice() {
    let test = Test::new();
    test.upstream.options(|o| o.forget_deleted = true);
    for item in [41, 42] {
        test.soft_item(item, "9203", 1).external().ip(&ip_of(item)).add();
        test.cmd("open", item).ok();
    }
    let first = licid(&test, 42);
    test.cmd("suspend", 42).ok();
    test.upstream.edit_license(first, |l| l.status = 4);
    for _ in 0..2 {
        test.cmd("resume", 42).fails("license_gone");
    }
    settle(&test);
    test.cmd("resume", 42).ok();
    assert!(licid(&test, 42) != first);
    assert_eq!(test.upstream.billed("softexternal.order.param"), 3);
}

/// The seller deleted it: a new one is ordered, running, with its key on the item, and the log says so. Once.
#[test]
fn a_deleted_license_is_replaced_once_by_a_new_one() {
    let test = Test::new();
    let first = suspended(&test);
    let key = test.item(42).param("lickey").to_owned();
    test.upstream.edit_license(first, |l| l.status = 4);
    test.cmd("resume", 42).ok().stdout("");
    let second = licid(&test, 42);
    assert!(second != first && test.item(42).param("lickey") != key);
    assert_eq!((license(&test, 42).status, test.item(42).status), (2, 2));
    assert!(test.log().contains(&format!("license {second} is new: its key must be put on the server")));
    assert_eq!(told(&test), ["service.saveparam", "service.postresume"]);
    test.cmd("resume", 42).ok();
    assert_eq!((test.upstream.billed("soft.order.param"), licid(&test, 42)), (2, second));
}

/// A license that the seller does not show any more is replaced only when two looks, a settling time apart, say so.
#[test]
fn a_license_that_is_not_shown_is_replaced_after_two_looks() {
    let test = Test::new();
    opened(&test, 41, "55228", 1);
    let first = suspended(&test);
    test.upstream.options(|o| o.forget_deleted = true);
    test.upstream.edit_license(first, |l| l.status = 4);
    test.cmd("resume", 42).fails("license_gone");
    assert_eq!((changes(&test), told(&test)), (Vec::new(), Vec::new()));
    crate::service::settle(&test);
    test.cmd("resume", 42).ok();
    assert!(licid(&test, 42) != first);
    assert_eq!(license(&test, 42).status, 2);
}

/// The answer of the renewal is lost: seen by the look, never sent twice.
#[test]
fn a_renewal_whose_answer_was_lost_is_not_sent_twice() {
    let test = Test::new();
    let id = suspended(&test);
    ends_in(&test, id, -3);
    test.set_item(42, "expiredate", &day(20));
    test.upstream.fault(Fault::on("service.prolong").drop_after());
    test.cmd("resume", 42).ok();
    assert_eq!((test.upstream.billed("service.prolong"), license(&test, 42).status), (1, 2));
}

/// `nopanel` has nothing to start.
#[test]
fn nopanel_has_nothing_to_start() {
    let test = Test::new();
    test.soft_item(42, "nopanel", 1).status(3).add();
    test.cmd("resume", 42).ok().stdout("");
    assert_eq!((sent(&test), told(&test)), (Vec::new(), vec!["service.postresume".to_owned()]));
}

/// A trial with time left is started like any other.
#[test]
fn a_trial_with_time_left_is_started() {
    let test = Test::new();
    test.soft_item(42, "55227", -100).ip("192.0.2.10").add();
    test.cmd("open", 42).ok();
    test.cmd("suspend", 42).ok();
    test.cmd("resume", 42).ok();
    assert_eq!((license(&test, 42).status, test.item(42).status), (2, 2));
}

/// Whether a license has run out depends on today's date. With a clock that differs from the seller's, nothing is
/// renewed.
#[test]
fn a_clock_that_differs_from_the_sellers_renews_nothing() {
    let test = Test::new();
    let id = suspended(&test);
    ends_in(&test, id, -3);
    test.set_item(42, "expiredate", &day(20));
    test.upstream.fault(Fault::on("*").skewed(2 * 86_400).always());
    assert_eq!(test.cmd("resume", 42).fails("config").attribute("object"), "clock_check");
    assert_eq!(test.upstream.billed("service.prolong"), 0);
    test.upstream.clear_faults();
    test.cmd("resume", 42).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 1);
}
