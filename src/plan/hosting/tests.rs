//! The rules for a license on a hosting order, case by case.

use super::*;
use crate::model::hosting::{InvoiceOption, PRODUCT_LINES};
use crate::model::ids::{AccountId, IntentId, ItemId};
use crate::model::item::{ItemParams, test_item};
use crate::model::journal::{IntentStatus, OnceRequest};
use crate::model::license_row::test_row;
use crate::model::period::MonthCount;

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).expect("a moment").to_utc()
}

fn purchase(seller_time: Option<&str>) -> AddLicense {
    AddLicense {
        order: LicenseId(12),
        name: "whmcs".into(),
        line: PRODUCT_LINES[0],
        invoice: InvoiceOption::NoInvoice,
        action_before: "7".into(),
        seller_time: seller_time.map(at),
        ended_before: vec!["6".into()],
        months: 1,
    }
}

fn intent(clean_look_at: Option<&str>) -> Intent {
    Intent {
        id: IntentId(3),
        key: "k".into(),
        item: Some(ItemId(42)),
        account: AccountId(1),
        request: OnceRequest::AddLicense(purchase(None)),
        highest_license: None,
        recorded_at: at("2027-01-10T12:00:00Z"),
        clean_look_at: clean_look_at.map(at),
        status: IntentStatus::InDoubt,
        license: None,
        operation: None,
        settle_s: None,
    }
}

/// A month that has begun is charged in full. A term longer than the period and the setting allow is not bought.
#[test]
fn a_term_that_is_longer_than_allowed_is_not_bought() {
    let now = at("2027-01-10T12:00:00Z");
    for (ends, months, too_long) in [
        ("2027-01-10T12:00:00Z", 0, false),
        ("2027-01-11T00:00:00Z", 1, false),
        ("2027-02-10T12:00:00Z", 1, false),
        ("2027-03-10T12:00:00Z", 2, false),
        ("2027-03-10T12:00:01Z", 3, true),
        ("2027-12-10T12:00:00Z", 11, true),
    ] {
        let found = (months_left(at(ends), now), is_too_long(at(ends), now, Period::Months(MonthCount(1)), 1));
        assert_eq!(found, (months, too_long), "{ends}");
    }
    assert!(!is_too_long(at("2027-12-10T12:00:00Z"), now, Period::Months(MonthCount(1)), 10));
    assert!(is_too_long(at("2027-02-11T12:00:00Z"), now, Period::Trial, 1));
}

/// An action that waits, one that was carried out and one that failed mean different things. An older action means
/// nothing.
#[test]
fn each_newer_action_tells_its_outcome_and_an_older_one_nothing() {
    let action = |id: &str, added: Option<&str>, status: &str| OrderAction {
        id: id.into(),
        added: added.map(at),
        status: status.into(),
    };
    let (before, after) = (Some("2027-01-10T11:00:00Z"), Some("2027-01-10T12:00:01Z"));
    let bought = purchase(Some("2027-01-10T12:00:00Z"));
    let ended = |finished: &[OrderAction]| trace(&[], finished, &intent(None), &bought);
    assert_eq!(trace(&[action("9", before, "Odd")], &[], &intent(None), &purchase(None)), Trace::UnderWay);
    assert_eq!(ended(&[]), Trace::Nothing);
    assert_eq!(ended(&[action("8", before, "Success")]), Trace::Nothing);
    assert_eq!(ended(&[action("7", after, "Success")]), Trace::Nothing, "the one that was known before");
    assert_eq!(ended(&[action("9", after, "Success")]), Trace::Ended);
    assert_eq!(ended(&[action("9", Some("2027-01-10T11:58:00Z"), "Odd")]), Trace::Ended, "a clock that is behind");
    assert_eq!(ended(&[action("9", None, "Odd")]), Trace::Ended);
    assert_eq!(ended(&[action("9", after, "Failed")]), Trace::Failed);
    assert_eq!(ended(&[action("9", after, "Failed"), action("10", after, "Success")]), Trace::Ended);
    assert_eq!(ended(&[action("6", after, "Success")]), Trace::Nothing, "it had ended before");
}

/// A purchase may have been missed until something is recorded for the order, for as many days as a license may
/// take to appear.
#[test]
fn a_state_that_was_old_may_have_missed_one_purchase_for_each_order() {
    let completed = Some(at("2027-01-10T12:00:00Z"));
    let recorded = |text: &str| Intent { recorded_at: at(text), ..intent(None) };
    for (case, completed, known, now, want) in [
        ("never old", None, vec![], "2027-01-10T12:00:00Z", false),
        ("just completed", completed, vec![], "2027-01-10T12:00:00Z", true),
        ("bought before", completed, vec![recorded("2027-01-10T11:59:59Z")], "2027-01-11T12:00:00Z", true),
        ("looked for since", completed, vec![recorded("2027-01-10T12:00:00Z")], "2027-01-11T12:00:00Z", false),
        ("the last moment", completed, vec![], "2027-02-09T11:59:59Z", true),
        ("what has not appeared never will", completed, vec![], "2027-02-09T12:00:00Z", false),
    ] {
        assert_eq!(may_have_missed(completed, &known, at(now)), want, "{case}");
    }
}

/// An action that ended in the time that the state missed may be a purchase. One that was asked for later is not.
#[test]
fn each_action_of_the_missed_time_may_be_a_purchase() {
    let completed = at("2027-01-10T12:00:00Z");
    let ended = |added: Option<&str>| {
        let finished = [OrderAction { id: "7".into(), added: added.map(at), status: "Success".into() }];
        let add = missed(purchase(Some("2027-01-12T12:00:00Z")), &finished, completed);
        trace(&[], &finished, &Intent { recorded_at: completed, ..intent(None) }, &add)
    };
    for (added, want) in [
        (None, Trace::Ended),
        (Some("2026-12-11T11:54:59Z"), Trace::Nothing),
        (Some("2026-12-11T12:00:00Z"), Trace::Ended),
        (Some("2027-01-10T11:00:00Z"), Trace::Ended),
        (Some("2027-01-10T12:05:00Z"), Trace::Ended),
        (Some("2027-01-10T12:05:01Z"), Trace::Nothing),
    ] {
        assert_eq!(ended(added), want, "{added:?}");
    }
}

/// A failed action ends a purchase only if it is the purchase's own. An earlier action that the list shows late does
/// not end it, nor does one whose time is not known.
#[test]
fn only_a_purchases_own_failure_ends_it() {
    let failed = |added: Option<&str>, seller_time: Option<&str>| {
        let action = OrderAction { id: "9".into(), added: added.map(at), status: "Failed".into() };
        trace(&[], &[action], &intent(None), &purchase(seller_time))
    };
    let (sent, just_before) = (Some("2027-01-10T12:00:00Z"), Some("2027-01-10T11:59:59Z"));
    assert_eq!(failed(sent, sent), Trace::Failed);
    assert_eq!(failed(just_before, sent), Trace::Nothing);
    assert_eq!(failed(None, sent), Trace::Nothing);
    assert_eq!(failed(sent, None), Trace::Nothing, "the seller gave no time");
}

/// A purchase without an answer is confirmed by nothing but an action of its own that ended well.
#[test]
fn a_purchase_without_an_answer_is_confirmed_only_by_its_own_action() {
    let sent = Some("2027-01-10T12:00:00Z");
    let confirmed = |seller_time: Option<&str>, id: &str, added: Option<&str>, status: &str| {
        let action = OrderAction { id: id.into(), added: added.map(at), status: status.into() };
        is_confirmed(&[action], &purchase(seller_time))
    };
    assert!(!is_confirmed(&[], &purchase(sent)));
    assert!(confirmed(sent, "9", sent, "Success"));
    assert!(confirmed(sent, "9", Some("2027-01-10T14:00:00Z"), "Odd"));
    assert!(!confirmed(sent, "9", sent, "Failed"));
    assert!(!confirmed(sent, "9", Some("2027-01-10T11:59:59Z"), "Success"), "somebody else's, a moment before");
    assert!(!confirmed(sent, "9", None, "Success"), "without a date it may be older");
    assert!(!confirmed(None, "9", sent, "Success"), "the seller gave no time");
    assert!(!confirmed(sent, "6", sent, "Success"), "it had ended before");
    assert!(!confirmed(sent, "7", sent, "Success"), "it was the newest before");
}

/// A refusal outweighs the key that shows afterwards; without an answer the list has to confirm the purchase.
#[test]
fn the_answer_to_a_purchase_says_whether_it_is_confirmed() {
    use IntentEvent as E;
    let (lost, refused) = (E::unknown("lost".into()), E::declined("no money".into()));
    let (done, adopted) = (E::Done { license: Some(LicenseId(12)) }, E::Adopted { license: LicenseId(12) });
    for (events, want) in [
        (vec![E::Recorded, done], None),
        (vec![E::Recorded, adopted.clone()], Some(Unconfirmed::Unanswered)),
        (vec![E::Recorded, lost.clone(), E::CleanLook, adopted.clone()], Some(Unconfirmed::Unanswered)),
        (vec![E::Recorded, refused.clone(), adopted.clone()], Some(Unconfirmed::Declined)),
        (vec![E::Recorded, lost, refused, adopted], Some(Unconfirmed::Declined)),
    ] {
        assert_eq!(unconfirmed(&events), want, "{events:?}");
    }
}

/// Only an open service that shows this very key and asks for this order wants the license again.
#[test]
fn a_service_wants_a_license_again_only_if_it_shows_its_key_and_asks_for_its_order() {
    let (order, key) = (LicenseId(12), LicenseKey::parse("WHMCS-1").expect("a key"));
    let showing = |status: ItemStatus, licid: Option<u32>, lickey: Option<&str>| {
        let params = ItemParams {
            licid: licid.map(LicenseId),
            lickey: lickey.and_then(LicenseKey::parse),
            ..ItemParams::default()
        };
        Item { status, params, ..test_item(42) }
    };
    let active = |licid, lickey| showing(ItemStatus::Active, licid, lickey);
    let its = active(Some(12), Some("WHMCS-1"));
    for (case, item, asks_for, want) in [
        ("it does", its.clone(), Some(order), true),
        ("opened again", showing(ItemStatus::Ordered, Some(12), Some("WHMCS-1")), Some(order), true),
        ("stopped for a debt", showing(ItemStatus::Suspended, Some(12), Some("WHMCS-1")), Some(order), true),
        ("closed", showing(ItemStatus::Deleted, Some(12), Some("WHMCS-1")), Some(order), false),
        ("it wants none", its.clone(), None, false),
        ("it names another order", its, Some(LicenseId(13)), false),
        ("it shows another key", active(Some(12), Some("WHMCS-2")), Some(order), false),
        ("it shows no key", active(Some(12), None), Some(order), false),
        ("it shows another number", active(Some(13), Some("WHMCS-1")), Some(order), false),
    ] {
        assert_eq!(wants_again(&item, asks_for, (order, &key)), want, "{case}");
    }
}

/// Only actions that a later look could take for the purchase's own are written down.
#[test]
fn only_actions_that_a_later_look_could_mistake_are_written_down() {
    let action =
        |id: &str, added: Option<&str>| OrderAction { id: id.into(), added: added.map(at), status: "Success".into() };
    let finished =
        [action("5", Some("2027-01-08T11:59:59Z")), action("6", Some("2027-01-08T12:00:00Z")), action("7", None)];
    assert_eq!(mistakable(&finished, at("2027-01-10T12:00:00Z")), ["6", "7"]);
}

/// Actions are dated by the seller's clock. No action is hidden by a clock that is half an hour behind or ahead.
#[test]
fn actions_are_dated_by_the_sellers_clock() {
    let ended = |seller_time: Option<&str>, added: &str| {
        let action = OrderAction { id: "9".into(), added: Some(at(added)), status: "Success".into() };
        trace(&[], &[action], &intent(None), &purchase(seller_time))
    };
    let (behind, ahead) = (Some("2027-01-10T11:30:00Z"), Some("2027-01-10T12:30:00Z"));
    assert_eq!(ended(behind, "2027-01-10T11:30:05Z"), Trace::Ended);
    assert_eq!(ended(behind, "2027-01-10T11:24:59Z"), Trace::Nothing);
    assert_eq!(ended(ahead, "2027-01-10T12:30:05Z"), Trace::Ended);
    assert_eq!(ended(ahead, "2027-01-10T12:00:05Z"), Trace::Ended, "our own clock may have been right");
    assert_eq!(ended(None, "2027-01-10T11:30:05Z"), Trace::Nothing);
}

/// Nothing is sent again before the settling time, nor after a single empty look. A look before that time does not
/// count.
#[test]
fn one_empty_look_is_not_enough_to_send_again() {
    let decide =
        |first: Option<&str>, now: &str, resend| after_empty_look(&intent(first), Now::at(at(now)), 900, resend);
    let (settled, early) = ("2027-01-10T12:15:00Z", "2027-01-10T12:00:05Z");
    assert_eq!(decide(None, early, true), Verdict::Wait { until: at(settled) });
    let again = at("2027-01-10T12:16:00Z");
    assert_eq!(decide(None, settled, true), Verdict::FirstCleanLook { again });
    assert_eq!(decide(Some(early), settled, true), Verdict::FirstCleanLook { again });
    assert_eq!(decide(Some(settled), "2027-01-10T12:15:59Z", true), Verdict::Wait { until: again });
    assert_eq!(decide(Some(settled), "2027-01-10T12:16:00Z", true), Verdict::NeverHappened);
    assert!(matches!(decide(Some(early), settled, false), Verdict::HandOver(_)));
    assert_eq!(decide(Some("2027-01-11T12:00:00Z"), settled, true), Verdict::FirstCleanLook { again }, "a look ahead");
}

/// A minute after the license was there, an order without a key says that it is gone.
#[test]
fn a_minute_later_an_order_without_a_key_proves_that_its_license_is_gone() {
    let there = at("2027-01-10T12:00:00Z");
    assert!(may_be_old(there, at("2027-01-10T12:00:59Z"), 900));
    assert!(!may_be_old(there, at("2027-01-10T12:01:00Z"), 900));
    assert!(!may_be_old(there, at("2027-01-10T12:00:01Z"), 1));
}

/// Only an order that soon renews itself is reported.
#[test]
fn only_an_order_that_soon_renews_itself_is_reported() {
    let now = at("2027-01-10T12:00:00Z");
    let soon = Some(at("2027-01-24T12:00:00Z"));
    assert!(is_renewed_soon(true, soon, now));
    assert!(!is_renewed_soon(false, soon, now) && !is_renewed_soon(true, None, now));
    assert!(!is_renewed_soon(true, Some(at("2027-01-24T12:00:01Z")), now));
}

/// The key of a later license of the order, shown by the service that gave an earlier one back. A license that waits
/// for its key may have any.
#[test]
fn a_later_license_of_an_order_is_known_by_its_key() {
    let key = |text: &str| LicenseKey::parse(text);
    let shows = |shown: Option<&str>| {
        let item = test_item(42);
        let lickey = shown.and_then(key);
        Item { params: ItemParams { licid: Some(LicenseId(12)), lickey, ..item.params.clone() }, ..item }
    };
    let (to_free, deleted) = (LicenseState::ToFree, LicenseState::Deleted);
    for (shown, held, state, is_later) in [
        (Some("K-2"), Some("K-1"), deleted, true),
        (Some("K-2"), Some("K-1"), to_free, true),
        (Some("K-1"), Some("K-1"), deleted, false),
        (None, Some("K-1"), deleted, false),
        (Some("K-2"), None, deleted, true),
        (Some("K-2"), None, to_free, false),
    ] {
        let row = LicenseRow { key: held.and_then(key), state, ..test_row(12) };
        assert_eq!(shows_later_key(&shows(shown), &row), is_later, "{shown:?} {held:?} {state:?}");
    }
}
