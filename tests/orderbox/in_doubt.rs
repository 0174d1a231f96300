//! Purchases whose answer is lost, cut, late or wrong: a look at the hosting order shows what became of them, and
//! nothing is bought a second time to find out.
use super::*;
use crate::service::pass;
use crate::service::{alter_state, settle, state};
use crate::support::orderbox::Repeat;
use crate::support::upstream::Answer;
use crate::support::{Fault, MgrctlFault, MgrctlFaultKind};

const CALL: &str = "generate-license-key";

fn lost(fault: Fault) -> Test {
    let test = shop();
    test.orderbox().fault(fault);
    test
}

/// The purchase is carried out, and answered with this status and text.
fn answered(status: u16, text: &str) -> Fault {
    let mut fault = Fault::on(CALL).status(status);
    fault.answer = Answer::Status(status, text.into(), None);
    fault
}

/// In how many seconds the program says that it may send again.
fn again_in(message: &str) -> i64 {
    let at = message.split_once("It is not sent again before ").and_then(|(_, rest)| rest.get(..19)).unwrap_or(message);
    let at = chrono::NaiveDateTime::parse_from_str(at, "%Y-%m-%d %H:%M:%S").unwrap_or_else(|_| panic!("{message}"));
    (at.and_utc() - chrono::Utc::now()).num_seconds()
}

/// The purchase was billed once, and its key comes: the service gets it, and nothing more is bought.
fn the_key_comes(test: &Test) {
    once(test);
    test.orderbox().edit(ORDER, |o| o.key_late_reads = 0);
    test.cmd("open", ITEM).ok();
    once(test);
    served(test);
}

fn once(test: &Test) {
    assert_eq!((test.orderbox().requests_of(CALL).len(), test.orderbox().charges(ORDER)), (1, 1), "{}", test.story());
}

/// Whatever a repeated purchase would do, there is none.
#[test]
fn a_lost_answer_is_settled_by_the_order_and_not_by_a_second_purchase() {
    for repeat in [Repeat::Free, Repeat::Refused, Repeat::Charged] {
        for name in ["drop_after", "http_500", "http_502", "html", "truncated", "cut_short", "empty", "garbage"] {
            let test = shop_with(|o| o.repeat = repeat);
            test.orderbox().fault(Fault::by_name(CALL, name, None, None).unwrap());
            test.cmd("open", ITEM).ok();
            once(&test);
            served(&test);
        }
    }
}

/// A run that is killed at any request leaves something that the next run finishes, with one charge.
#[test]
fn a_killed_run_is_finished_by_the_next_one() {
    let steps = {
        let test = shop();
        test.cmd("open", ITEM).ok();
        test.orderbox().requests().len()
    };
    assert!(steps >= 4, "{steps}");
    for call in ["details", "actions/search-current", CALL] {
        for is_after in [false, true] {
            let test = shop();
            let held = if is_after { test.orderbox().hold_after(call) } else { test.orderbox().hold_before(call) };
            let running = test.spawn(["--command", "open", "--item", "42"]);
            held.reached();
            running.kill();
            held.release();
            // A request that was on its way when the run died takes effect before the next run looks.
            while call == CALL && test.orderbox().charges(ORDER) == 0 {
                std::thread::yield_now();
            }
            test.cmd("open", ITEM).ok();
            once(&test);
            served(&test);
        }
    }
}

/// The same for a panel that cannot be reached after the purchase.
#[test]
fn a_panel_that_cannot_be_reached_costs_no_second_purchase() {
    for func in ["service.saveparam", "soft.open"] {
        for kind in [MgrctlFaultKind::Exit, MgrctlFaultKind::Lost] {
            let test = shop();
            test.mgrctl_fault(MgrctlFault::on(func, kind));
            test.cmd("open", ITEM);
            test.cmd("open", ITEM).ok();
            once(&test);
            served(&test);
        }
    }
}

/// Nothing is sent again before the settling time; after it once, and only after two empty looks.
#[test]
fn a_purchase_without_effect_is_sent_once_more_after_settling() {
    for fault in [
        Fault::on(CALL).drop_before(),
        Fault::on(CALL).status(500).without_effect(),
        Fault::on(CALL).truncated().without_effect(),
        Fault::on(CALL).html().without_effect(),
    ] {
        let name = fault.name.clone();
        let test = lost(fault);
        let is_told = |wait: std::ops::RangeInclusive<i64>| {
            let output = test.cmd("open", ITEM);
            let message = output.fails("client").message();
            assert!(wait.contains(&again_in(message)), "{name}: {message}");
            assert_eq!(test.orderbox().requests_of(CALL).len(), 1, "{name}: {}", test.story());
        };
        for _ in 0..3 {
            is_told(700..=900);
        }
        settle(&test);
        is_told(20..=60);
        pass(&test, 20);
        is_told(0..=40);
        pass(&test, 41);
        test.cmd("open", ITEM).ok();
        assert_eq!((test.orderbox().requests_of(CALL).len(), test.orderbox().charges(ORDER)), (2, 1), "{name}");
        served(&test);
    }
}

/// What is cut in the middle says nothing, whatever it began with and whatever its HTTP status is.
#[test]
fn an_error_that_is_cut_is_no_refusal() {
    for text in [r#"{"status":"ERROR","message":"Insufficient fu"#, r#"{"entityid":"4001","eaq"#] {
        for status in [200, 500] {
            let test = lost(answered(status, text));
            test.cmd("open", ITEM).ok();
            once(&test);
            served(&test);
            let test = lost(answered(status, text).without_effect());
            for _ in 0..2 {
                test.cmd("open", ITEM).fails("client");
            }
            assert_eq!((test.orderbox().requests_of(CALL).len(), test.orderbox().charges(ORDER)), (1, 0), "{text}");
        }
    }
}

/// An error object is a refusal, whatever its HTTP status is.
#[test]
fn an_error_with_the_status_of_success_is_a_refusal() {
    for status in [200, 400, 500] {
        let words = r#"{"status":"ERROR","message":"Something odd is wrong here"}"#;
        let test = lost(answered(status, words).without_effect());
        let output = test.cmd("open", ITEM);
        assert!(output.fails("upstream").message().contains("Something odd"), "{status}: {}", output.message());
        test.cmd("open", ITEM).ok();
        assert_eq!((test.orderbox().requests_of(CALL).len(), test.orderbox().charges(ORDER)), (2, 1), "{status}");
        served(&test);
    }
}

#[test]
fn without_resend_a_request_in_doubt_goes_to_an_operator() {
    let test = lost(Fault::on(CALL).drop_before());
    test.settings("[upstream]\nresend = false\n");
    test.cmd("open", ITEM).fails("client");
    for _ in 0..2 {
        settle(&test);
        let output = test.cmd("open", ITEM);
        output.fails("order_unknown");
    }
    assert_eq!((test.orderbox().requests_of(CALL).len(), test.orderbox().charges(ORDER)), (1, 0));
}

/// The program waits for an action that the seller has queued, however long it takes.
#[test]
fn a_queued_purchase_is_waited_for_and_never_sent_again() {
    let test = shop_with(|o| o.queue_reads = u32::MAX);
    test.orderbox().fault(Fault::on(CALL).drop_after());
    for _ in 0..4 {
        let output = test.cmd("open", ITEM);
        let message = output.fails("client").message();
        assert!(message.contains("has an action on the order under way"), "{message}");
        settle(&test);
    }
    assert_eq!(test.orderbox().requests_of(CALL).len(), 1, "{}", test.story());
    test.orderbox().finish(ORDER);
    test.cmd("open", ITEM).ok();
    once(&test);
    test.cmd("sync_item", ITEM).ok();
    served(&test);
}

/// Carried out, but the key does not show: the finished action is a trace, so nothing is sent again.
#[test]
fn a_finished_action_without_a_key_forbids_a_second_purchase() {
    let test = shop_with(|o| o.key_late_reads = u32::MAX);
    test.orderbox().fault(Fault::on(CALL).drop_after());
    for _ in 0..4 {
        test.cmd("open", ITEM);
        settle(&test);
    }
    the_key_comes(&test);
}

/// A purchase that failed at the seller is one that did not happen.
#[test]
fn a_failed_action_is_a_refusal() {
    let test = shop_with(|o| o.queue_reads = u32::MAX);
    test.orderbox().fault(Fault::on(CALL).drop_after());
    test.cmd("open", ITEM);
    test.orderbox().fail(ORDER);
    test.orderbox().options(|o| o.queue_reads = 0);
    for _ in 0..3 {
        if test.cmd("open", ITEM).code == Some(0) {
            break;
        }
        settle(&test);
    }
    served(&test);
    assert_eq!((test.orderbox().requests_of(CALL).len(), test.orderbox().cost(ORDER).1), (2, 80_000));
}

/// An action that failed just before says nothing of the purchase that was sent after it.
#[test]
fn an_earlier_failure_does_not_end_the_next_purchase() {
    let test = shop_with(|o| o.queue_reads = u32::MAX);
    test.orderbox().fault(Fault::on(CALL).drop_after());
    test.cmd("open", ITEM);
    test.orderbox().fail(ORDER);
    test.orderbox().options(|o| o.queue_reads = 0);
    settle(&test);
    test.cmd("open", ITEM).fails("upstream");
    test.orderbox().fault(Fault::on(CALL).late());
    for _ in 0..2 {
        test.cmd("open", ITEM).fails("client");
    }
    test.orderbox().land_late();
    test.cmd("open", ITEM).ok();
    served(&test);
    assert_eq!((test.orderbox().requests_of(CALL).len(), test.orderbox().cost(ORDER).1), (2, 80_000));
}

/// Nor after the settling time, neither one that was known before the purchase nor one that enters the list late: what
/// was sent may still come.
#[test]
fn an_earlier_failure_is_not_taken_for_that_of_the_purchase() {
    for is_listed_late in [false, true] {
        let test = shop_with(|o| o.queue_reads = u32::MAX);
        test.settings("[upstream]\nresend = false\n");
        test.orderbox().busy(ORDER, "ModHosting");
        test.orderbox().fail(ORDER);
        test.orderbox()
            .with(|w| (w.actions[0].added, w.actions[0].is_hidden) = (w.actions[0].added - 30, is_listed_late));
        test.orderbox().fault(Fault::on(CALL).late());
        test.cmd("open", ITEM).fails("client");
        test.orderbox().with(|w| w.actions[0].is_hidden = false);
        settle(&test);
        test.cmd("open", ITEM).fails("order_unknown");
        test.orderbox().land_late();
        test.orderbox().finish(ORDER);
        test.cmd("open", ITEM).ok();
        once(&test);
        served(&test);
    }
}

/// A word for a failure that nobody has recorded proves nothing.
#[test]
fn an_unknown_word_of_an_action_is_no_proof_of_failure() {
    let test = shop_with(|o| (o.queue_reads, o.failed_word) = (u32::MAX, "Undone".into()));
    test.orderbox().fault(Fault::on(CALL).drop_after());
    test.cmd("open", ITEM);
    test.orderbox().fail(ORDER);
    for _ in 0..3 {
        settle(&test);
        test.cmd("open", ITEM);
    }
    assert_eq!(test.orderbox().requests_of(CALL).len(), 1, "{}", test.story());
}

/// The seller's own words reach the panel, and the purchase may be tried again at once.
#[test]
fn a_refusal_is_reported_in_the_sellers_words() {
    for (words, kind) in [("no_money", "nomoney"), ("Something odd is wrong here", "upstream")] {
        let test = lost(Fault::on(CALL).refused(words));
        let output = test.cmd("open", ITEM);
        let heard = if words == "no_money" { "Insufficient funds" } else { words };
        assert!(output.fails(kind).message().contains(heard), "{words}: {}", output.message());
        let after = test.orderbox().requests().iter().skip_while(|r| r.call != CALL).skip(1).count();
        assert!(after > 0, "believed only after a read: {}", test.story());
        test.orderbox().set_balance(20_000_000);
        test.cmd("open", ITEM).ok();
        assert_eq!((test.orderbox().requests_of(CALL).len(), test.orderbox().charges(ORDER)), (2, 1), "{words}");
        served(&test);
    }
}

#[test]
fn a_refusal_that_took_effect_is_adopted() {
    for words in ["no_money", "pending", "has_key"] {
        let test = lost(Fault::on(CALL).refused_after(words));
        test.cmd("open", ITEM).ok();
        once(&test);
        served(&test);
    }
}

/// A refusal of what was carried out, whose key is still to come: the action that ended says that it was.
#[test]
fn a_refusal_is_not_believed_when_an_action_has_ended() {
    let test = shop_with(|o| o.key_late_reads = u32::MAX);
    test.orderbox().fault(Fault::on(CALL).refused_after("no_money"));
    test.cmd("open", ITEM).fails("client");
    for _ in 0..2 {
        settle(&test);
        test.cmd("open", ITEM);
    }
    the_key_comes(&test);
}

/// An error object may be spelled in several ways.
#[test]
fn an_error_is_one_in_every_spelling() {
    for (word, name) in [("error", "message"), ("Error", "error"), ("FAILED", "message")] {
        let test = shop_with(|o| (o.error_word, o.error_name) = (word.into(), name.into()));
        test.orderbox().fault(Fault::on(CALL).refused("Something odd is wrong here"));
        let output = test.cmd("open", ITEM);
        assert!(output.fails("upstream").message().contains("Something odd"), "{word}: {}", output.message());
        test.cmd("open", ITEM).ok();
        assert_eq!(test.orderbox().charges(ORDER), 1, "{word}");
    }
}

/// An answer about another order is no answer.
#[test]
fn an_answer_about_another_order_is_no_answer() {
    let test = lost(Fault::on(CALL).reworded(|right| right.replace("4001", "4009")));
    test.cmd("open", ITEM).ok();
    once(&test);
    served(&test);
    let test = lost(Fault::on(CALL).reworded(|right| right.replace("4001", "4009")).without_effect());
    test.cmd("open", ITEM).fails("client");
    assert_eq!(test.orderbox().requests_of(CALL).len(), 1);
}

/// If the lists of actions cannot be read, nothing is sent again.
#[test]
fn what_cannot_be_read_is_no_proof() {
    let odd = |call: &str| Fault::on(call).refused("An unexpected error has occurred");
    let short = |call: &str| Fault::on(call).reworded(|_| r#"{"recsonpage":"0","recsindb":"2"}"#.into());
    for call in ["actions/search-current", "actions/search-archived", "details"] {
        for fault in [Fault::on(call).status(502), odd(call), short(call)] {
            let name = format!("{call} {}", fault.name);
            let test = lost(Fault::on(CALL).drop_before());
            test.cmd("open", ITEM).fails("client");
            test.orderbox().fault(fault.always());
            for _ in 0..3 {
                settle(&test);
                test.cmd("open", ITEM);
            }
            assert_eq!(test.orderbox().requests_of(CALL).len(), 1, "{name}: {}", test.story());
            test.orderbox().clear_faults();
            for _ in 0..3 {
                test.cmd("open", ITEM);
                settle(&test);
            }
            assert_eq!((test.orderbox().requests_of(CALL).len(), test.orderbox().charges(ORDER)), (2, 1), "{name}");
        }
    }
}

/// Closed in doubt and opened again: the service waits for the end of the doubt, and is not told to close itself.
#[test]
fn a_service_closed_in_doubt_is_not_advised_to_close_itself() {
    let test = lost(Fault::on(CALL).drop_before());
    test.cmd("open", ITEM).fails("client");
    test.cmd("close", ITEM).ok();
    test.set_item(ITEM, "status", "1");
    let output = test.cmd("reopen", ITEM);
    let message = output.fails("client").message().to_owned();
    assert!(message.contains("4001") && !message.contains("close service"), "{message}");
    assert_eq!((test.orderbox().requests_of(CALL).len(), test.orderbox().charges(ORDER)), (1, 0));
}

/// Closed in doubt and opened again: after the settling time the service, or another one on the order, gets a license
/// like any other purchase that never happened, and not only after 30 days.
#[test]
fn a_purchase_that_was_given_up_delays_the_next_one_only_until_it_is_settled() {
    for item in [ITEM, 43] {
        let test = lost(Fault::on(CALL).drop_before());
        test.whmcs_item(43, 1, ORDER).add();
        test.cmd("open", ITEM).fails("client");
        test.cmd("close", ITEM).ok();
        test.set_item(ITEM, "status", if item == ITEM { "1" } else { "4" });
        let command = if item == ITEM { "reopen" } else { "open" };
        test.cmd(command, item).fails("client");
        settle(&test);
        for _ in 0..2 {
            if test.cmd(command, item).code == Some(0) {
                break;
            }
            settle(&test);
        }
        assert_eq!(
            (test.orderbox().requests_of(CALL).len(), test.orderbox().charges(ORDER)),
            (2, 1),
            "{}",
            test.story()
        );
        assert_eq!(test.item(item).param("lickey"), key(&test));
    }
}

/// A license that appears after all is handed out, and nothing is bought.
#[test]
fn a_purchase_that_was_given_up_and_appears_is_handed_out_again() {
    let test = lost(Fault::on(CALL).late());
    test.cmd("open", ITEM).fails("client");
    test.cmd("close", ITEM).ok();
    test.set_item(ITEM, "status", "1");
    test.cmd("reopen", ITEM).fails("client");
    test.orderbox().land_late();
    test.cmd("reopen", ITEM).ok();
    once(&test);
    served(&test);
}

/// If nothing is sent twice, the next run that wants the order asks the operator.
#[test]
fn a_purchase_that_was_given_up_is_handed_over_where_nothing_is_sent_twice() {
    let test = lost(Fault::on(CALL).drop_before());
    test.settings("[upstream]\nresend = false\n");
    test.cmd("open", ITEM).fails("client");
    test.cmd("close", ITEM).ok();
    test.set_item(ITEM, "status", "1");
    settle(&test);
    let output = test.cmd("reopen", ITEM);
    let message = output.fails("order_unknown").message().to_owned();
    assert!(message.contains("pmisplicense resolve 42 --intent 1"), "{message}");
    assert_eq!(operator(&test, "resolve 42 --not-bought --yes").code, Some(0), "{}", test.story());
    test.cmd("reopen", ITEM).ok();
    served(&test);
}

/// Our clock stood a month ahead when the purchase was written down. The seller's own time says that it can no longer
/// be carried out, so the operator need not wait for a month.
#[test]
fn an_operator_ends_a_purchase_though_the_clock_was_ahead_when_it_was_written_down() {
    let test = lost(Fault::on(CALL).drop_before());
    test.settings("[upstream]\nresend = false\n");
    test.cmd("open", ITEM).fails("client");
    alter_state(&test, "UPDATE intent SET recorded_at = recorded_at + 31 * 86400");
    let word = "resolve 42 --not-bought --yes";
    assert_eq!(operator(&test, word).code, Some(1), "the seller may still carry it out");
    assert_ne!(state(&test, "SELECT json_extract(request, '$.AddLicense.seller_time') FROM intent"), "");
    let ago = (chrono::Utc::now() - chrono::Duration::seconds(901)).format("%Y-%m-%dT%H:%M:%SZ");
    alter_state(&test, &format!("UPDATE intent SET request = json_set(request, '$.AddLicense.seller_time', '{ago}')"));
    assert_eq!(operator(&test, word).code, Some(0), "{}", test.story());
    test.cmd("open", ITEM).ok();
    served(&test);
}

/// A license that appears on an order belongs to the service whose purchase is in doubt: it cannot be bound to another
/// service.
#[test]
fn what_a_service_waits_for_is_not_bound_to_another_one() {
    let test = lost(Fault::on(CALL).late());
    test.whmcs_item(43, 2, ORDER).add();
    test.cmd("open", ITEM).fails("client");
    test.orderbox().land_late();
    let output = operator(&test, "bind 43 4001 --yes");
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(format!("{}{}", output.stdout, output.stderr).contains("service 42"), "{output:?}");
    assert_eq!(test.item(43).param("lickey"), "");
    test.cmd("open", ITEM).ok();
    once(&test);
    served(&test);
}

/// Sync settles a doubt as open does, and opens the service.
#[test]
fn sync_settles_a_request_in_doubt() {
    let test = lost(Fault::on(CALL).late());
    test.cmd("open", ITEM).fails("client");
    test.orderbox().land_late();
    sync(&test);
    once(&test);
    served(&test);
}
