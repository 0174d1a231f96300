//! `gen_key`: one new key, saved to the item, never asked for twice for the same intent.
use crate::service::{HEAD, changes, forget, license, opened, settle, state, told};
use crate::support::{Fault, MgrctlFault, MgrctlFaultKind, Test};

/// A new key at the seller and on the item; the answer says ok.
#[test]
fn gen_key_saves_one_new_key_to_the_item() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    let before = license(&test, 42).key;
    test.cmd("gen_key", 42).ok().stdout(&format!("{HEAD}<doc><ok/></doc>\n"));
    let after = license(&test, 42).key;
    assert_eq!(changes(&test), [format!("soft.edit clicked_button=newkey elid={id} sok=ok")]);
    assert!(after != before && test.item(42).param("lickey") == after);
    assert_eq!(
        (told(&test), state(&test, "SELECT lickey FROM license")),
        (vec!["service.saveparam".to_owned()], after)
    );
    test.assert_clean();
}

/// The first key is not issued yet: it must not pass for the new one, whatever became of an earlier attempt.
#[test]
fn a_late_first_key_does_not_pass_for_the_new_one() {
    let test = Test::new();
    test.upstream.fault(Fault::on("soft.order.param").key_late(u32::MAX));
    let id = opened(&test, 42, "55227", 1);
    test.cmd("gen_key", 42).fails("upstream");
    assert_eq!(test.upstream.requests_of("soft.edit?newkey").len(), 0);
    test.upstream.issue_keys();
    let first = license(&test, 42).key;
    test.cmd("gen_key", 42).ok();
    let second = license(&test, 42).key;
    assert!(second != first && test.item(42).param("lickey") == second, "license {id}");
}

/// The new key is issued later: the old one counts no more, and the next sync brings the new one.
#[test]
fn a_late_new_key_is_brought_by_the_next_sync() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    test.upstream.fault(Fault::on("soft.edit?newkey").key_late(u32::MAX));
    test.cmd("gen_key", 42).ok();
    assert_eq!(state(&test, "SELECT count(lickey) FROM license"), "0");
    test.upstream.issue_keys();
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!(test.item(42).param("lickey"), license(&test, 42).key);
}

/// A lost answer: the new key is seen by the look; the repeated operation asks for no second one.
#[test]
fn a_new_key_whose_answer_was_lost_is_not_asked_for_twice() {
    for name in ["drop_after", "html", "refused_after", "http_500"] {
        let test = Test::new();
        opened(&test, 42, "55227", 1);
        let operation = test.operation(42, "gen_key");
        test.upstream.fault(Fault::by_name("soft.edit?newkey", name, None, None).unwrap());
        test.cmd_op("gen_key", 42, operation).ok();
        test.cmd_op("gen_key", 42, operation).ok();
        let license = license(&test, 42);
        assert_eq!((license.old_keys.len(), test.item(42).param("lickey")), (1, license.key.as_str()), "{name}");
    }
}

/// The key was made, the panel failed: the repeated operation saves it, and makes no other.
#[test]
fn a_key_that_the_panel_failed_to_save_is_not_made_again() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    let operation = test.operation(42, "gen_key");
    test.mgrctl_fault(MgrctlFault::on("service.saveparam", MgrctlFaultKind::ErrorDocument).always());
    test.cmd_op("gen_key", 42, operation).fails("mgrctl");
    test.clear_mgrctl_faults();
    test.cmd_op("gen_key", 42, operation).ok();
    let license = license(&test, 42);
    assert_eq!((license.old_keys.len(), test.item(42).param("lickey")), (1, license.key.as_str()));
}

/// Nothing happened and nobody knows: not sent again before it is settled.
#[test]
fn a_new_key_in_doubt_is_asked_for_again_only_when_settled() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    test.upstream.fault(Fault::on("soft.edit?newkey").drop_before());
    for _ in 0..3 {
        test.cmd("gen_key", 42).fails("client");
    }
    assert_eq!(test.upstream.requests_of("soft.edit?newkey").len(), 1);
    settle(&test);
    test.cmd("gen_key", 42).fails("client");
    settle(&test);
    test.cmd("gen_key", 42).ok();
    assert_eq!(license(&test, 42).old_keys.len(), 1);
}

/// One key a month: told with the day from which it will work; other refusals with their type.
#[test]
fn a_second_key_within_a_month_is_refused_with_the_day() {
    let test = Test::new();
    test.upstream.options(|o| o.order_counts_as_change = true);
    opened(&test, 42, "55227", 1);
    let output = test.cmd("gen_key", 42);
    // A calendar month or 31 days, whichever is later.
    let from = crate::service::months(&crate::service::day(0), 1).max(crate::service::day(31));
    assert!(output.fails("key_change_limit").message().contains(&from), "{}", output.message());
    test.upstream.fault(Fault::on("soft.edit?newkey").refused("odd"));
    let output = test.cmd("gen_key", 42);
    assert!(!output.fails("upstream").message().contains("it will work from"), "{}", output.message());
    assert_eq!(told(&test), Vec::<String>::new());
}

/// Without a license: never bought, `nopanel`, deleted.
#[test]
fn a_service_without_a_license_gets_no_key() {
    let test = Test::new();
    test.soft_item(1, "55227", 1).ip("192.0.2.1").add();
    test.soft_item(2, "nopanel", 1).add();
    let id = opened(&test, 3, "55227", 1);
    test.upstream.edit_license(id, |l| l.status = 4);
    forget(&test);
    for (item, kind) in [(1, "missed"), (2, "missed"), (3, "license_gone")] {
        test.cmd("gen_key", item).fails(kind);
    }
    test.cmd("gen_key", 4242).fails("missed");
    assert_eq!((changes(&test), told(&test)), (Vec::new(), Vec::new()));
}

/// The seller away: nothing happened, the next run makes the key.
#[test]
fn a_key_that_was_not_asked_for_is_made_next_time() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    test.upstream.fault(Fault::on("soft.edit?read").then_refuse(0));
    test.cmd("gen_key", 42).fails("client");
    test.upstream.listen_again();
    test.cmd("gen_key", 42).ok();
    assert_eq!(license(&test, 42).old_keys.len(), 1);
}
