//! Decisions about licenses that are addons of hosting orders (docs/licensing-rules.md 11): whether the rest of the
//! order's term may be bought, what a lost answer means, and when a renewal that no client pays for is reported.
//!
//! The evidence is the order itself. It had no key when the intent was written, an order has at most one open intent at
//! a time, and no other service is bound to it. So a key that is there now was bought by that intent. A missing key
//! alone proves nothing, because purchases are queued: an action that waits, or that was carried out after the sending,
//! forbids another purchase. No document says what a repeated purchase costs, so the call is never repeated only to see
//! its answer.

pub mod explain;
pub mod survey;

use chrono::{DateTime, Duration, Months, Utc};

use super::doubt::{FREE_WHEN_APPEARS_DAYS, Verdict};
use crate::model::hosting::{AddLicense, HostingOrder, OrderAction};
use crate::model::ids::{LicenseId, LicenseKey};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{Intent, IntentEvent};
use crate::model::period::Period;
use crate::text;

/// A read may show an order as it was up to this many seconds ago. So two looks without a trace are at least this far
/// apart, and for this long after a license was there, an order without a key proves nothing. `settle_s` counts instead
/// if it is less.
const LOOKS_APART_S: u32 = 60;

/// The seller's clock may be this far behind ours, so an action that it dates a little before the sending may be ours.
const CLOCKS_APART_MIN: i64 = 5;

/// A renewal that no client pays for is reported this many days before.
pub const TOLD_BEFORE_DAYS: i64 = 14;

/// The months that are charged for the rest of a term. A month that has begun counts as a whole one.
pub fn months_left(ends: DateTime<Utc>, now: DateTime<Utc>) -> u32 {
    let is_enough = |months: &u32| now.checked_add_months(Months::new(*months)).is_none_or(|end| end >= ends);
    (0..=1200).find(is_enough).unwrap_or(1200)
}

/// Whether the rest of a term is longer than a service of this period may buy.
pub fn is_too_long(ends: DateTime<Utc>, now: DateTime<Utc>, period: Period, extra: u32) -> bool {
    let months = match period {
        Period::Months(months) => u32::from(months.0),
        Period::Trial | Period::Day | Period::Lifetime | Period::Unknown(_) => 0,
    };
    now.checked_add_months(Months::new(months.saturating_add(extra))).is_some_and(|end| end < ends)
}

/// An action that was requested more than this many days ago is never taken for one that is about to be sent, however
/// far clocks are apart.
const YOUNG_DAYS: i64 = 2;

/// What the seller's lists of actions say about a request whose answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// An action on the order is under way: it may be this one.
    UnderWay,
    /// The action of this very request failed: nothing else ended since the sending, and it was asked for after it.
    Failed,
    /// An action ended since the sending, and it is not known to have failed.
    Ended,
    /// None, or only failed ones that may be older: they prove neither that it happened nor that it did not.
    Nothing,
}

/// Numbers of the ended actions that a look after the sending could take for the purchase's own. They are written down
/// before the sending.
pub fn mistakable(finished: &[OrderAction], now: DateTime<Utc>) -> Vec<String> {
    let since = now - Duration::days(YOUNG_DAYS);
    let is_young = |action: &&OrderAction| action.added.is_none_or(|added| added >= since);
    finished.iter().filter(is_young).map(|action| action.id.clone()).collect()
}

/// Whether an action was known when the purchase was written down.
fn is_known(action: &OrderAction, add: &AddLicense) -> bool {
    action.id == add.action_before || add.ended_before.contains(&action.id)
}

/// Whether an action was asked for after the purchase was sent, by the seller's own clock. Only such a one is the
/// purchase's.
fn is_after_sending(action: &OrderAction, add: &AddLicense) -> bool {
    action.added.zip(add.seller_time).is_some_and(|(added, sent)| added >= sent)
}

/// Whether the state may have missed a purchase for an order: it was completed after it had been old, and nothing was
/// bought or looked for on the order since. `completed`: when. `known`: the purchases for the order that the state
/// knows.
pub fn may_have_missed(completed: Option<DateTime<Utc>>, known: &[Intent], now: DateTime<Utc>) -> bool {
    completed.is_some_and(|completed| {
        let is_young = now < completed + Duration::days(FREE_WHEN_APPEARS_DAYS);
        is_young && known.iter().all(|intent| intent.recorded_at < completed)
    })
}

/// A purchase as the state may have missed it before it was completed. Each action that ended in the days before may be
/// that purchase. `finished`: the actions that ended.
pub fn missed(add: AddLicense, finished: &[OrderAction], completed: DateTime<Utc>) -> AddLicense {
    let until = completed + Duration::minutes(CLOCKS_APART_MIN);
    let is_later = |action: &&OrderAction| action.added.is_some_and(|added| added > until);
    AddLicense {
        action_before: String::new(),
        seller_time: Some(completed - Duration::days(FREE_WHEN_APPEARS_DAYS)),
        ended_before: finished.iter().filter(is_later).map(|action| action.id.clone()).collect(),
        ..add
    }
}

/// Reads the actions on an order. `add`: the purchase inside the intent.
pub fn trace(pending: &[OrderAction], finished: &[OrderAction], intent: &Intent, add: &AddLicense) -> Trace {
    if !pending.is_empty() {
        return Trace::UnderWay;
    }
    // The seller dates its actions by its own clock. The earlier of the two moments excludes fewer actions.
    let sent = add.seller_time.map_or(intent.recorded_at, |theirs| theirs.min(intent.recorded_at));
    let since = sent - Duration::minutes(CLOCKS_APART_MIN);
    // One without a date may be as young as any.
    let is_young = |action: &&OrderAction| action.added.is_none_or(|added| added >= since) && !is_known(action, add);
    // An action may enter the list some time after it ended, so one that nobody knew may still be an earlier one.
    let is_ours = |action: &OrderAction| is_after_sending(action, add);
    let young: Vec<&OrderAction> = finished.iter().filter(is_young).collect();
    match young.iter().any(|action| !action.has_failed()) {
        true => Trace::Ended,
        false if young.iter().any(|action| is_ours(action)) => Trace::Failed,
        false => Trace::Nothing,
    }
}

/// What is missing for a license to count as bought by us, although its order showed a key after our purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unconfirmed {
    /// The seller answered that it did not accept the purchase.
    Declined,
    /// No answer came. The seller's list of actions may still confirm the purchase.
    Unanswered,
}

/// Reads the events of a purchase that is done. `None`: the seller answered that it accepted it.
pub fn unconfirmed(events: &[IntentEvent]) -> Option<Unconfirmed> {
    use IntentEvent as E;
    if events.iter().any(|event| matches!(event, E::Unknown { declined: true, .. })) {
        return Some(Unconfirmed::Declined);
    }
    let is_accepted = events.iter().any(|event| matches!(event, E::Done { .. }));
    (!is_accepted).then_some(Unconfirmed::Unanswered)
}

/// Whether the seller's list confirms a purchase without an answer: an action of the order ended well, and was asked
/// for after the sending, by the seller's own clock. If somebody else bought the license just before, only his action
/// is in the list, and it is older.
pub fn is_confirmed(finished: &[OrderAction], add: &AddLicense) -> bool {
    finished.iter().any(|action| !action.has_failed() && is_after_sending(action, add) && !is_known(action, add))
}

/// Whether an open service wants the very license again that it gave back: it shows number and key. `asks_for`: the
/// order that it names, if it wants a license at all.
pub fn wants_again(item: &Item, asks_for: Option<LicenseId>, (order, key): (LicenseId, &LicenseKey)) -> bool {
    let shows_it = item.params.licid == Some(order) && item.params.lickey.as_ref() == Some(key);
    item.status != ItemStatus::Deleted && asks_for == Some(order) && shows_it
}

/// What an order shows about the license whose key is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyNow {
    /// There is no key, or the order is deleted: the license is gone.
    Gone,
    /// The same key.
    Same,
    /// Another key. The seller may have issued the key of the same license anew, or the license was removed and
    /// somebody bought another one. Nothing that can be read tells which.
    Other,
}

/// Compares the key of an order with the fingerprint of a known one.
pub fn key_now(seen: &HostingOrder, fingerprint: &str) -> KeyNow {
    match &seen.key {
        Some(_) if seen.is_deleted() => KeyNow::Gone,
        None => KeyNow::Gone,
        Some(key) if key.fingerprint() == fingerprint => KeyNow::Same,
        Some(_) => KeyNow::Other,
    }
}

/// The shortest time between two looks that do not show the same moment of the seller.
fn apart(settle_s: u32) -> Duration {
    Duration::seconds(i64::from(settle_s.min(LOOKS_APART_S)))
}

/// Whether an order without a key may still be an old image of it, because its license was there at this moment.
pub fn may_be_old(there: DateTime<Utc>, now: DateTime<Utc>, settle_s: u32) -> bool {
    now < there + apart(settle_s)
}

/// Decides after a look that found neither an effect nor an action. Two such looks are needed, both after the settling
/// time. The seller may accept an action until that time is over, so an earlier look proves nothing. A single later
/// look may fall into the moment in which the action has ended and neither the action nor the key is shown.
pub fn after_empty_look(intent: &Intent, now: DateTime<Utc>, settle_s: u32, resend: bool) -> Verdict {
    let settled = intent.settled_at(settle_s);
    let apart = apart(settle_s);
    if now < settled {
        return Verdict::Wait { until: settled };
    }
    let first = intent.clean_look_at.filter(|first| *first >= settled);
    if !resend {
        return Verdict::HandOver(text!("the setting resend is off", "настройка resend выключена"));
    }
    match first {
        None => Verdict::FirstCleanLook { again: now + apart },
        Some(first) if now - first >= apart => Verdict::NeverHappened,
        Some(first) => Verdict::Wait { until: first + apart },
    }
}

/// Whether the seller will soon renew an order, with its license, automatically.
pub fn is_renewed_soon(recurring: bool, ends: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    recurring && ends.is_some_and(|ends| ends - now <= Duration::days(TOLD_BEFORE_DAYS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hosting::{InvoiceOption, PRODUCT_LINES};
    use crate::model::ids::{AccountId, IntentId, ItemId};
    use crate::model::item::{ItemParams, test_item};
    use crate::model::journal::{IntentStatus, OnceRequest};
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
            highest_license: LicenseId(0),
            recorded_at: at("2027-01-10T12:00:00Z"),
            clean_look_at: clean_look_at.map(at),
            status: IntentStatus::InDoubt,
            license: None,
            operation: None,
            settle_s: None,
        }
    }

    /// A month that has begun is charged whole; what is more than period and setting allow is not bought.
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

    /// A failure ends a purchase only when it is its own: not an earlier one that the list shows late, nor one whose
    /// place in time cannot be told.
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

    /// Only what a later look could mistake is written down.
    #[test]
    fn only_actions_that_a_later_look_could_mistake_are_written_down() {
        let action = |id: &str, added: Option<&str>| OrderAction {
            id: id.into(),
            added: added.map(at),
            status: "Success".into(),
        };
        let finished =
            [action("5", Some("2027-01-08T11:59:59Z")), action("6", Some("2027-01-08T12:00:00Z")), action("7", None)];
        assert_eq!(mistakable(&finished, at("2027-01-10T12:00:00Z")), ["6", "7"]);
    }

    /// Actions are dated by the seller's clock: one that is half an hour behind hides none, one that is ahead neither.
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

    /// Nothing is sent again before the settling time, nor after one empty look alone, nor when the first was earlier.
    #[test]
    fn one_empty_look_is_not_enough_to_send_again() {
        let decide = |first: Option<&str>, now: &str, resend| after_empty_look(&intent(first), at(now), 900, resend);
        let (settled, early) = ("2027-01-10T12:15:00Z", "2027-01-10T12:00:05Z");
        assert_eq!(decide(None, early, true), Verdict::Wait { until: at(settled) });
        let again = at("2027-01-10T12:16:00Z");
        assert_eq!(decide(None, settled, true), Verdict::FirstCleanLook { again });
        assert_eq!(decide(Some(early), settled, true), Verdict::FirstCleanLook { again });
        assert_eq!(decide(Some(settled), "2027-01-10T12:15:59Z", true), Verdict::Wait { until: again });
        assert_eq!(decide(Some(settled), "2027-01-10T12:16:00Z", true), Verdict::NeverHappened);
        assert!(matches!(decide(Some(early), settled, false), Verdict::HandOver(_)));
    }

    /// A minute after the license was there, an order without a key says that it is gone.
    #[test]
    fn a_minute_later_an_order_without_a_key_proves_that_its_license_is_gone() {
        let there = at("2027-01-10T12:00:00Z");
        assert!(may_be_old(there, at("2027-01-10T12:00:59Z"), 900));
        assert!(!may_be_old(there, at("2027-01-10T12:01:00Z"), 900));
        assert!(!may_be_old(there, at("2027-01-10T12:00:01Z"), 1));
    }

    /// Only an order that is renewed by itself, and soon.
    #[test]
    fn only_an_order_that_soon_renews_itself_is_told() {
        let now = at("2027-01-10T12:00:00Z");
        let soon = Some(at("2027-01-24T12:00:00Z"));
        assert!(is_renewed_soon(true, soon, now));
        assert!(!is_renewed_soon(false, soon, now) && !is_renewed_soon(true, None, now));
        assert!(!is_renewed_soon(true, Some(at("2027-01-24T12:00:01Z")), now));
    }
}
