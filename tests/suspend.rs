//! `suspend` and `cancel_prolong`: repeatable calls, read before and after.
use crate::service::{changes, forget, license, opened, sent, state, told};
use crate::support::{Fault, MgrctlFault, MgrctlFaultKind, Test};

/// The license is stopped, looked at, and the panel told; a second run reads only.
#[test]
fn a_suspended_license_is_stopped_once_and_reported_to_the_panel() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.cmd("suspend", 42).ok().stdout("");
    assert_eq!(
        sent(&test),
        [format!("soft.edit elid={id}"), format!("soft.suspend elid={id}"), format!("soft.edit elid={id}")]
    );
    assert_eq!(test.panel_changes(), ["service.postsuspend elid=42 sok=ok"]);
    assert_eq!((license(&test, 42).status, test.item(42).status), (3, 3));
    let words = format!("license {id} is stopped: the service is suspended");
    assert_eq!(test.log().matches(&words).count(), 1, "{}", test.log());
    forget(&test);
    test.cmd("suspend", 42).ok().stdout("");
    assert_eq!(test.log().matches(&words).count(), 1, "told once: {}", test.log());
    assert_eq!(
        (sent(&test), told(&test)),
        (vec![format!("soft.edit elid={id}")], vec!["service.postsuspend".to_owned()])
    );
    test.assert_clean();
}

/// A lost answer and a refusal that took effect are seen by the look; a call without answer is repeated, since it may
/// be; a refusal without effect fails.
#[test]
fn a_lost_answer_is_seen_by_the_look_and_a_refusal_fails() {
    for (name, kind) in [
        ("drop_after", ""),
        ("html", ""),
        ("refused_after", ""),
        ("http_500", ""),
        ("drop_before", ""),
        ("refused", "upstream"),
    ] {
        let test = Test::new();
        opened(&test, 42, "55227", 1);
        test.upstream.fault(Fault::by_name("soft.suspend", name, None, Some("something_odd")).unwrap());
        let output = test.cmd("suspend", 42);
        if kind.is_empty() {
            output.ok().stdout("");
        } else {
            output.fails(kind);
            assert_eq!(
                (test.item(42).status, told(&test).contains(&"service.postsuspend".to_owned())),
                (2, false),
                "{name}"
            );
            test.cmd("suspend", 42).ok();
        }
        assert_eq!((license(&test, 42).status, test.item(42).status), (3, 3), "{name}");
    }
}

/// One answer that does not find the license proves nothing while the list shows it: the panel is not told that it is
/// stopped. A license that the list does not show either has nothing to stop.
#[test]
fn a_license_that_only_the_list_shows_is_not_taken_for_deleted() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    let hidden = || Fault::on("soft.edit?read").refused("license_not_found");
    test.upstream.fault(hidden());
    let message = test.cmd("suspend", 42).fails("upstream").message().to_owned();
    assert!(message.contains(&format!("does not find license {id}, and its list shows it")), "{message}");
    assert_eq!((changes(&test), test.item(42).status), (Vec::new(), 2), "{}", test.story());
    assert!(!told(&test).contains(&"service.postsuspend".to_owned()), "{}", test.story());
    test.cmd("suspend", 42).ok();
    assert_eq!((license(&test, 42).status, test.item(42).status), (3, 3));
    // The list calls it deleted.
    test.cmd("resume", 42).ok();
    test.upstream.edit_license(id, |l| l.status = 4);
    test.upstream.fault(hidden());
    test.cmd("suspend", 42).ok();
    assert_eq!(test.item(42).status, 3, "{}", test.story());
}

/// The seller away: `client`, a registered problem, nothing told; the repeated run succeeds.
#[test]
fn a_seller_that_is_away_is_a_problem_and_the_panel_learns_nothing() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    test.upstream.stop_listening();
    let output = test.cmd("suspend", 42);
    output.fails("client");
    assert_eq!(told(&test), ["problems.register"]);
    test.upstream.listen_again();
    test.cmd("suspend", 42).ok();
    assert_eq!(license(&test, 42).status, 3);
}

/// The post-call fails: the run fails with `mgrctl`, and its repetition only tells the panel again.
#[test]
fn a_failed_post_call_is_repeated_without_a_second_stop() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    test.mgrctl_fault(MgrctlFault::on("service.postsuspend", MgrctlFaultKind::ErrorDocument));
    let output = test.cmd("suspend", 42);
    assert_eq!((output.fails("mgrctl").attribute("object"), test.item(42).status), ("service.postsuspend", 2));
    forget(&test);
    test.cmd("suspend", 42).ok();
    assert_eq!((changes(&test), test.item(42).status), (Vec::new(), 3));
}

/// cancel_prolong forbids at the seller to renew by itself and makes no post-call; without a license it succeeds.
#[test]
fn cancel_prolong_switches_off_the_sellers_own_renewal() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.upstream.edit_license(id, |l| l.autoprolong = "1".into());
    test.cmd("cancel_prolong", 42).ok().stdout("");
    assert_eq!(changes(&test), [format!("soft.edit autoprolong=null elid={id} sok=ok")]);
    assert_eq!((told(&test), license(&test, 42).autoprolong.as_str()), (Vec::new(), "null"));
    test.upstream.edit_license(id, |l| l.autoprolong = "1".into());
    test.upstream.fault(Fault::on("soft.edit?set").refused_after("something_odd"));
    test.cmd("cancel_prolong", 42).ok();
    test.soft_item(43, "nopanel", 1).add();
    forget(&test);
    test.cmd("cancel_prolong", 43).ok().stdout("");
    assert_eq!((sent(&test), told(&test)), (Vec::<String>::new(), Vec::<String>::new()));
}

/// The panel's switch: nothing is read, called or written by a command about an open service.
#[test]
fn do_nothing_leaves_an_open_service_untouched() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    let before = state(&test, "SELECT count(*) FROM journal");
    test.do_nothing(true);
    for command in [
        "open",
        "suspend",
        "resume",
        "close",
        "prolong",
        "cancel_prolong",
        "reopen",
        "setparam",
        "sync_item",
        "gen_key",
    ] {
        test.cmd(command, 42).ok().stdout("");
    }
    assert_eq!((sent(&test), test.mgrctl_calls().len()), (Vec::new(), 0));
    assert_eq!(state(&test, "SELECT count(*) FROM journal"), before);
}

/// The seller says "done": a license that still runs is not reported as gone, and one that is gone is not reported as
/// running.
#[test]
fn a_stop_that_the_seller_calls_done_is_reported_only_when_it_is_seen() {
    for (status, kind) in [(2, "upstream"), (4, "license_gone")] {
        let test = Test::new();
        let id = opened(&test, 42, "55227", 1);
        test.upstream.before("soft.edit?read", 2, move |w| w.licenses.get_mut(&id).unwrap().status = status);
        test.cmd("suspend", 42).fails(kind);
        assert!(!told(&test).contains(&"service.postsuspend".to_owned()), "{status}");
    }
}
