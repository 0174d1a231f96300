//! The expiry of a license moves between two looks: the seller takes back what was bought, or an earlier renewal
//! arrives late. Nothing is renewed twice, and the advice helps.
use crate::service::{day, ends_in, forget, opened};
use crate::support::Test;
use crate::support::upstream::StoppedBy;

fn renewed(test: &Test) -> usize {
    test.upstream.billed("service.prolong")
}

/// A renewal was carried out, and the license shows the date before it again. That may be an answer that shows the
/// past, so it is not renewed again. Once it is renewed in the seller's panel, sync and the next payment go on.
#[test]
fn a_renewal_that_the_seller_took_back_is_made_good_in_its_panel() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    ends_in(&test, id, 1);
    test.set_item(42, "expiredate", &day(20));
    test.cmd("sync_item", 42).ok();
    let after = test.upstream.license(id).expires;
    assert_eq!(renewed(&test), 1, "{}", test.story());
    ends_in(&test, id, 1);
    for command in ["sync_item", "prolong", "prolong"] {
        let told = test.cmd(command, 42);
        let message = told.fails("order_unknown").message();
        let advice = format!("renew license {id} there for 1 month, then repeat the command");
        assert!(message.contains(&advice) && !message.contains("resolve"), "{command}: {message}");
        assert!(message.contains("it was carried out, and the seller does not show it any more"), "{message}");
        assert_eq!(told.attribute("value"), id.to_string(), "{command}");
    }
    assert_eq!(renewed(&test), 1, "{}", test.story());
    test.upstream.edit_license(id, |license| license.expires = after);
    test.cmd("sync_item", 42).ok();
    assert_eq!(renewed(&test), 1, "{}", test.story());
    test.cmd_op("prolong", 42, test.prolong_paid(42)).ok();
    assert!(test.upstream.license(id).expires >= test.item(42).expiredate.unwrap().parse().ok(), "{}", test.story());
}

/// A license is started before its renewal, and an earlier renewal may reach the seller in that moment. What is owed
/// was decided by the former expiry, so nothing is renewed, and the next run decides again.
#[test]
fn a_license_whose_expiry_moved_while_it_was_started_is_not_renewed_by_the_former_one() {
    for (moved_to, renewals) in [(5, 1), (60, 0)] {
        let test = Test::new();
        let id = opened(&test, 42, "55227", 1);
        ends_in(&test, id, 20);
        test.upstream.edit_license(id, |l| (l.status, l.stopped_by) = (3, StoppedBy::Hand));
        let operation = test.prolong_paid(42);
        forget(&test);
        let held = test.upstream.hold_before("soft.resume");
        let run = test.spawn(["--command", "prolong", "--item", "42", "--runningoperation", &operation.to_string()]);
        held.reached();
        ends_in(&test, id, moved_to);
        held.release();
        run.wait().fails("upstream");
        assert_eq!(renewed(&test), 0, "{moved_to}: {}", test.story());
        test.cmd_op("prolong", 42, operation).ok();
        assert_eq!(renewed(&test), renewals, "{moved_to}: {}", test.story());
    }
}
