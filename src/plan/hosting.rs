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

use super::in_doubt::{FREE_WHEN_APPEARS_DAYS, Now, Verdict};
use crate::model::hosting::{AddLicense, HostingOrder, OrderAction};
use crate::model::ids::{LicenseId, LicenseKey};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{Intent, IntentEvent};
use crate::model::license_row::{LicenseRow, LicenseState};
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

/// Whether a service that gave the license of an order back shows the key of a later license of that order. `row`: the
/// license that it gave back. While that one waits for its key, any key may be its own.
pub fn shows_later_key(item: &Item, row: &LicenseRow) -> bool {
    let waits_for_key = row.key.is_none() && row.state != LicenseState::Deleted;
    item.params.lickey.is_some() && item.params.lickey != row.key && !waits_for_key
}

/// Decides after a look that found neither an effect nor an action. Two such looks are needed, both after the settling
/// time. The seller may accept an action until that time is over, so an earlier look proves nothing. A single later
/// look may fall into the moment in which the action has ended and neither the action nor the key is shown.
pub fn after_empty_look(intent: &Intent, now: Now, settle_s: u32, resend: bool) -> Verdict {
    let settled = intent.settled_at(settle_s);
    let apart = apart(settle_s);
    if now.earliest < settled {
        return Verdict::Wait { until: settled };
    }
    let first = now.first_look(intent).filter(|first| *first >= settled);
    if !resend {
        return Verdict::HandOver(text!("the setting resend is off", "настройка resend выключена"));
    }
    match first {
        None => Verdict::FirstCleanLook { again: now.earliest + apart },
        Some(first) if now.earliest - first >= apart => Verdict::NeverHappened,
        Some(first) => Verdict::Wait { until: first + apart },
    }
}

/// Whether the seller will soon renew an order, with its license, automatically.
pub fn is_renewed_soon(recurring: bool, ends: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    recurring && ends.is_some_and(|ends| ends - now <= Duration::days(TOLD_BEFORE_DAYS))
}

#[cfg(test)]
mod tests;
