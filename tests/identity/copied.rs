//! The panel copied a service under another number.
use super::*;

/// Service 1001 is open, its license ends within a day; the panel has copied it to 1002.
fn copied() -> (Test, u64) {
    let test = Test::new();
    let id = opened(&test, 1001, "55227", 1);
    test.set_item(1001, "expiredate", &day(20));
    copy_service(&test, 1001, 1002);
    (test, id)
}

/// Up to the last day of the license: what the copy shows is neither freed nor bought beside, whichever command
/// comes. No command for the copy succeeds, no pass is content, and reconcile names the command that hands the
/// license over.
#[test]
fn a_copied_service_keeps_its_license_until_an_operator_decides() {
    let (test, id) = copied();
    let before = face(&test, id);
    for days in [20, 1] {
        ends_in(&test, id, days);
        let output = sync(&test);
        assert!(
            output.fails("state").message().contains(&format!("pmisplicense bind 1002 {id}")),
            "{}",
            output.message()
        );
    }
    ends_in(&test, id, 20);
    forget(&test);
    for command in [
        "open",
        "suspend",
        "resume",
        "prolong",
        "cancel_prolong",
        "reopen",
        "setparam",
        "sync_item",
        "gen_key",
        "close",
    ] {
        let output = test.cmd(command, 1002);
        assert!(output.fails("state").message().contains(&format!("bind 1002 {id}")), "{command}");
    }
    // The commands of the old row free nothing either, and the old row closes.
    test.cmd("sync_item", 1001).fails("state");
    test.cmd("gen_key", 1001).fails("state");
    test.cmd("close", 1001).ok();
    assert_eq!((changes(&test), told(&test)), (Vec::new(), vec!["service.postclose".to_owned()]), "{}", test.story());
    let commands = findings(&test);
    let want = finding("shown", 1002, id, &format!("pmisplicense bind 1002 {id}"));
    assert!(commands.contains(&want), "{commands:?}");
    operator(&test, "reconcile --apply");
    assert_eq!(operator(&test, "unbind 1001 --yes").code, Some(1));
    assert_eq!((face(&test, id), test.upstream.billed("soft.order.param")), (before, 1), "{}", test.story());
}

/// One answer that does not find the license proves nothing: what the copy shows is neither freed nor bought beside on
/// it, whichever look of whichever command gets that answer.
#[test]
fn one_answer_that_finds_no_license_changes_nothing_that_a_copy_shows() {
    let (test, id) = copied();
    let before = face(&test, id);
    let no_license = |nth| {
        test.upstream.clear_faults();
        let looks = test.upstream.count_of("soft.edit?read");
        test.upstream.fault(Fault::on("soft.edit?read").refused("no_license").nth(looks + nth));
    };
    for nth in 1..=3 {
        no_license(nth);
        assert_eq!(sync(&test).code, Some(1), "sync, look {nth}: {}", test.story());
        no_license(nth);
        assert_eq!(operator(&test, "unbind 1001 --yes").code, Some(1), "unbind, look {nth}: {}", test.story());
        for command in ["prolong", "resume", "setparam"] {
            no_license(nth);
            test.cmd(command, 1002).fails("state");
        }
    }
    assert_eq!((face(&test, id), test.upstream.billed("soft.order.param")), (before, 1), "{}", test.story());
}

/// bind hands the license over, with its key: nothing is sent that the client's server would notice, and the decision
/// is in the journal. Afterwards the copy is served like any service, and the old row is done with.
#[test]
fn bind_hands_a_license_with_its_key_to_the_copied_service() {
    let (test, id) = copied();
    let before = face(&test, id);
    test.cmd("close", 1001).ok();
    operator(&test, &format!("bind 1002 {id} --yes")).ok();
    assert_eq!((face(&test, id), test.item(1002).param("lickey")), (before.clone(), &*before.3), "{}", test.story());
    assert!(test.upstream.license(id).remoteid.contains("-1002-"));
    let told = operator(&test, "history 1002").stdout;
    assert!(told.contains("taken from service 1001"), "{told}");
    sync(&test).ok();
    operator(&test, "reconcile").ok();
    test.cmd("suspend", 1002).ok();
    test.cmd("resume", 1002).ok();
    ends_in(&test, id, 1);
    sync(&test).ok();
    assert_eq!((test.upstream.billed("service.prolong"), test.upstream.billed("soft.order.param")), (1, 1));
    test.cmd("close", 1002).ok();
    assert_eq!(state(&test, "SELECT state FROM license"), "pool");
}

/// The copy was no copy: the operator says that it shows what is not its own. Then the old service's license is freed
/// as ever, and the copy gets one of its own.
#[test]
fn unbind_ends_what_the_copied_service_only_shows() {
    let (test, id) = copied();
    operator(&test, "unbind 1002 --yes").ok();
    assert_eq!((test.item(1002).param("licid"), test.item(1002).param("lickey")), ("", ""));
    test.cmd("sync_item", 1001).ok();
    assert_eq!(test.upstream.license(id).status, 3, "{}", test.story());
    operator(&test, "reconcile --apply").ok();
    assert!(licid(&test, 1002) != id);
}

/// A license that waits in the pool, or to be freed, is not given to anybody while a service that is not closed shows
/// it: what an earlier program freed is looked at by an operator.
#[test]
fn a_free_license_that_a_service_shows_is_left_alone() {
    for held in ["pool", "to_free"] {
        let test = Test::new();
        let id = opened(&test, 1001, "55227", 12);
        if held == "pool" {
            test.cmd("close", 1001).ok();
            test.upstream.age(id, 40);
        } else {
            test.upstream.options(|o| o.order_counts_as_change = true);
            crate::service::alter_state(&test, "UPDATE license SET state = 'to_free', incarnation = NULL");
        }
        copy_service(&test, 1001, 1002);
        let before = face(&test, id);
        assert_eq!(sync(&test).code, Some(1), "{held}");
        test.soft_item(1003, "55227", 1).ip(&ip_of(1003)).add();
        test.cmd("open", 1003).ok();
        assert_eq!(face(&test, id), before, "{held}: {}", test.story());
        let found = findings(&test);
        assert!(found.contains(&finding("shown", 1002, id, &format!("pmisplicense bind 1002 {id}"))), "{found:?}");
        operator(&test, "reconcile --apply");
        assert_eq!(face(&test, id), before, "{held}: {}", test.story());
    }
}

/// The original gave the license back, and its address changed today: it cannot serve the copy for a month. The refusal
/// names the commands that give a paid service another license at once.
#[test]
fn a_copied_service_gets_another_license_when_its_own_cannot_move_yet() {
    let test = Test::new();
    let id = opened(&test, 1001, "55227", 12);
    test.choose(1001, "nopanel");
    test.cmd("setparam", 1001).ok();
    copy_service(&test, 1001, 1002);
    test.upstream.edit_license(id, |l| l.ip_changed = day(0).parse().ok());
    let refused = operator(&test, &format!("bind 1002 {id} --yes")).stderr;
    for part in ["ip_change_limit", "it can be bound from", "unbind 1002", "pmisplicense reconcile --apply"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    operator(&test, "unbind 1002 --yes").ok();
    operator(&test, "reconcile --apply").ok();
    assert_ne!(licid(&test, 1002), id, "{}", test.story());
    assert_eq!((test.upstream.license(id).status, test.upstream.billed("soft.order.param")), (3, 2));
    sync(&test).ok();
}

/// The license ran out before anybody decided, and is gone: nothing is left to hand over. The copy is paid for, so each
/// pass says that it has no license, until reconcile gave it another one.
#[test]
fn a_copied_service_whose_license_is_gone_is_named_until_it_has_another() {
    let (test, id) = copied();
    test.upstream.edit_license(id, |l| l.status = 4);
    let kinds: Vec<String> = findings(&test).into_iter().map(|(kind, ..)| kind).collect();
    assert!(!kinds.contains(&"shown".to_owned()), "{kinds:?}");
    for _ in 0..3 {
        let told = sync(&test).fails("license_gone").message().to_owned();
        assert!(told.contains("service 1002"), "{told}");
    }
    let kinds: Vec<String> = findings(&test).into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(kinds, ["no_license"]);
    operator(&test, "reconcile --apply").ok();
    assert_ne!(licid(&test, 1002), id);
    assert_eq!(test.upstream.billed("soft.order.param"), 2);
    sync(&test).ok();
}

/// A renewal of the closed original is in doubt. A pass settles it, although the copy shows the license: otherwise no
/// operator could ever hand the license over.
#[test]
fn a_renewal_in_doubt_of_the_original_does_not_keep_its_license_from_the_copy() {
    let test = Test::new();
    let id = opened(&test, 1001, "55227", 1);
    test.upstream.fault(Fault::on("service.prolong").drop_before());
    test.cmd_op("prolong", 1001, test.prolong_paid(1001)).fails("client");
    copy_service(&test, 1001, 1002);
    let number = id.to_string();
    assert_eq!(test.run(["bind", "1002", &number, "--yes"]).code, Some(1), "the seller may still carry it out");
    for _ in 0..3 {
        sync(&test).fails("state");
        settle(&test);
    }
    assert_eq!(state(&test, "SELECT status FROM intent WHERE kind <> 'order'"), "not_happened", "{}", test.story());
    test.run(["bind", "1002", &number, "--yes"]).ok();
    sync(&test).ok();
    assert_eq!(state(&test, "SELECT item FROM license"), "1002");
}
