//! Intents in doubt (docs/money-safety.md 3 and 4): what a look proves, when a purchase counts as never made, and who
//! decides.
//!
//! Why this is safe. An intent is on disk before its request leaves, and its idempotency key allows no second row. So
//! at most one request for a key is under way. When its outcome is unknown, the license that it may have bought has the
//! mark of the request. Nothing else decides, because clients type names and addresses. The request is sent again only
//! after the settling time (`settle_s`), when the seller can no longer carry out the first one, and only when two
//! complete lists, both read after that and some time apart, show no trace. Two lists are needed because one list may
//! be out of date. When a list cannot be shown to be complete, or a license without a mark looks like ours, an operator
//! decides. The program does not guess with money.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use crate::error::Text;
use crate::model::catalogue::Product;
use crate::model::ids::LicenseId;
use crate::model::journal::{Incarnation, Intent, IntentStatus, OnceRequest, OrderRequest};
use crate::model::license::{License, LicenseStatus, RemoteId};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::name::is_same;
use crate::model::period::{add_months, days_between};
use crate::model::reason::Reason;
use crate::text;

/// Two clean looks lie at least this far apart, or `settle_s` if that is less.
const LOOKS_APART_S: u32 = 60;

/// For how many days the license of a closed item is looked for.
pub const FREE_WHEN_APPEARS_DAYS: i64 = 30;

/// What a service awaits of an order in doubt that was made for its item number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaits {
    /// The license that it may have bought.
    License,
    /// Only its outcome: a license that appears is of no use to the service, and is freed. But the service orders under
    /// the same idempotency key.
    Outcome,
    /// Nothing. The license is given up, and is freed whenever it appears.
    Nothing,
}

/// Decides what a service needs of an order in doubt. `product`: what the service asks for now; `None`: this run orders
/// nothing. The family decides. For the same incarnation any product of the family will do, because its idempotency key
/// forbids another order, and a tariff can be changed. A product of another family cannot be made of it, so it can be
/// ordered once the first order is known to have bought nothing. An order that was given up before its license was
/// found is used for a new incarnation only when it is of this very product.
pub fn awaits_of(intent: &Intent, incarnation: &Incarnation, product: Option<&Product>) -> Awaits {
    let is_given_up = intent.status == IntentStatus::FreeWhenAppears;
    let Some((order, product)) = intent.request.as_order().zip(product) else {
        return if is_given_up { Awaits::Nothing } else { Awaits::License };
    };
    let is_its = intent.is_order_of(incarnation);
    match order.family == product.family {
        _ if order.pricelist == product.pricelist => Awaits::License,
        true if is_its || !is_given_up => Awaits::License,
        false if is_its || !is_given_up => Awaits::Outcome,
        true | false => Awaits::Nothing,
    }
}

/// What to do after a look that found nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The seller may still carry the request out. The run fails, and the panel tries again.
    Wait {
        /// When the outcome will be known (UTC).
        until: DateTime<Utc>,
    },
    /// The first look without a trace. It is written down, and another look follows later.
    FirstCleanLook {
        /// When the second look counts (UTC).
        again: DateTime<Utc>,
    },
    /// The request was never carried out, so it may be sent once more.
    NeverHappened,
    /// An operator must end it.
    HandOver(Text),
}

/// The present moment by the clocks that a run can read: ours, the seller's, and in a cluster the database's.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// What the earliest one shows. A waiting time has passed only when every clock says so.
    pub earliest: DateTime<Utc>,
    /// What the latest one shows. A look is written down with this time.
    pub latest: DateTime<Utc>,
}

impl Now {
    /// The first clean look at an intent. One that lies ahead of every clock was written down before a clock was set
    /// back. Nobody knows when it was, so the next look is the first one again.
    pub fn first_look(&self, intent: &Intent) -> Option<DateTime<Utc>> {
        intent.clean_look_at.filter(|look| *look <= self.latest)
    }

    /// Clocks that agree.
    #[cfg(test)]
    pub fn at(now: DateTime<Utc>) -> Self {
        Self { earliest: now, latest: now }
    }
}

/// Decides after a look that found no trace of an intent. `complete`: the look proves that nothing was left out.
pub fn after_clean_look(intent: &Intent, now: Now, settle_s: u32, resend: bool, complete: bool) -> Verdict {
    let settled = intent.settled_at(settle_s);
    if now.earliest < settled {
        return Verdict::Wait { until: settled };
    }
    if !resend {
        return Verdict::HandOver(text!("the setting resend is off", "настройка resend выключена"));
    }
    if !complete {
        return Verdict::HandOver(text!(
            "the list of licenses cannot be shown to be complete",
            "нельзя убедиться, что список лицензий полон"
        ));
    }
    let apart = Duration::seconds(i64::from(settle_s.min(LOOKS_APART_S)));
    match now.first_look(intent) {
        None => Verdict::FirstCleanLook { again: now.earliest + apart },
        Some(first) if now.earliest - first >= apart => Verdict::NeverHappened,
        Some(first) => Verdict::Wait { until: first + apart },
    }
}

/// Decides after a look that found no license for an order of a closed item. For 30 days it may still appear. After
/// that, two complete lists, a while apart, prove that it never will. No service waits for it, so no operator is asked.
pub fn after_nothing_appeared(intent: &Intent, now: Now, settle_s: u32, complete: bool) -> Verdict {
    let over = intent.recorded_at + Duration::days(FREE_WHEN_APPEARS_DAYS);
    if now.earliest < over || !complete {
        return Verdict::Wait { until: over.max(now.earliest) };
    }
    let apart = Duration::seconds(i64::from(settle_s.min(LOOKS_APART_S)));
    match now.first_look(intent).filter(|look| *look >= over) {
        None => Verdict::FirstCleanLook { again: now.earliest + apart },
        Some(first) if now.earliest - first >= apart => Verdict::NeverHappened,
        Some(first) => Verdict::Wait { until: first + apart },
    }
}

/// Whether a license is worth opening in search of an ordered one, by its row in a list. A row is only a hint.
pub fn is_candidate(request: &OrderRequest, intent: &Intent, row: &License) -> bool {
    // A license without a date may be new: it is not known whether the real seller's numbers only grow. Days are
    // compared with the seller's own. Our clock may have been wrong, and a license that is left out because of that
    // would be bought again.
    let may_be_young = |created| request.not_before.is_none_or(|day| created >= day);
    let newer = intent.highest_license.is_none_or(|known| row.id > known);
    let young = newer || row.created.is_none_or(may_be_young);
    // Where the seller returns no remoteid, the ordered name ends in the mark. A license with that name is a candidate,
    // whatever its number and day are.
    let mark = request.mark.to_string();
    let ours = row.remoteid.is(&request.mark) || (row.remoteid.is_silent() && row.shown_name().ends_with(&mark));
    ours || (young && row.tariff.may_be(request.pricelist) && !row.is_deleted())
}

/// The earliest day of creation that the seller may show for a license that is ordered now. `newest`: the newest day of
/// creation that it shows. `theirs`: its clock, if that is used. Our clock alone decides nothing.
pub fn not_before(newest: Option<NaiveDate>, theirs: Option<DateTime<Utc>>, ours: DateTime<Utc>) -> Option<NaiveDate> {
    // Its calendar may follow another time zone than its clock.
    let by_clock = theirs.map(|theirs| (theirs.min(ours) - Duration::days(1)).date_naive());
    newest.max(by_clock)
}

/// Whether an opened license is the one that was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It has the mark.
    Mark,
    /// It has no mark. Name, address and tariff are as ordered.
    LookAlike,
    /// It has no mark. Everything but its name is as ordered; sellers may store names in a form of their own.
    OtherName,
    /// It has no mark and fits, but its key names another license. This is evidence against it, so only an operator may
    /// take it.
    OtherKey,
    /// It is another license.
    No,
}

/// Compares an opened license with an order.
pub fn compare(request: &OrderRequest, seen: &License) -> Match {
    match &seen.remoteid {
        RemoteId::Text(_) if seen.remoteid.is(&request.mark) => Match::Mark,
        RemoteId::Text(_) => Match::No,
        RemoteId::Absent | RemoteId::Empty => {
            let fits = mismatch(request, seen).is_none();
            // Two different marks in one answer: the license may be ours.
            let is_sure = |name| is_named_so(request, name) && !seen.says_twice("remoteid");
            match fits.then(|| is_sure(seen.shown_name())) {
                Some(_) if seen.key_of_another().is_some() => Match::OtherKey,
                Some(true) => Match::LookAlike,
                Some(false) => Match::OtherName,
                None => Match::No,
            }
        }
    }
}

/// Whether a license has the ordered name. If the mark is a part of that name, the mark suffices.
fn is_named_so(request: &OrderRequest, name: &str) -> bool {
    is_same(&request.licname, name) || (names_mark(request) && name.ends_with(&request.mark.to_string()))
}

/// The fields in which a license differs from an order.
fn differing(request: &OrderRequest, seen: &License) -> impl Iterator<Item = &'static str> {
    let tariff = !seen.tariff.may_be(request.pricelist);
    let ip = request.ip.is_some() && seen.ip != request.ip;
    let nodes = request.nodes.and_then(|(addon, asked)| seen.addons.get(&addon).map(|have| *have != asked));
    let fields = [("pricelist", tariff), ("ip", ip), ("nodes", nodes == Some(true))];
    fields.into_iter().filter_map(|(field, differs)| differs.then_some(field))
}

/// The field in which a license that was read back after an order differs from the order, for the error.
pub fn mismatch(request: &OrderRequest, seen: &License) -> Option<&'static str> {
    differing(request, seen).next()
}

/// The field in which a license with the mark of an order is neither as it was ordered nor as its service asks now
/// (`asked`; `None`: not known). The mark proves that the order bought the license. It may have been changed since, as
/// the service asks: a state that was put back has forgotten that. Every other difference is left to an operator.
pub fn unexplained(request: &OrderRequest, asked: Option<&OrderRequest>, seen: &License) -> Option<&'static str> {
    differing(request, seen).find(|field| asked.is_none_or(|asked| differing(asked, seen).any(|other| other == *field)))
}

/// The result of searching the account for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This license was bought by the order.
    One(Box<License>),
    /// No license has the mark, and none looks like the ordered one.
    Nothing,
    /// These licenses look like the ordered one, but this cannot be decided.
    Unclear(Vec<LicenseId>),
}

/// Whether the ordered name ends in the mark. It does where the seller was known to return no remoteid, and then no
/// other order has that name. A name without a mark could be that of another license.
fn names_mark(request: &OrderRequest) -> bool {
    request.licname.ends_with(&request.mark.to_string())
}

/// Decides over the opened candidates. Look-alikes are believed only where the seller is known to return no remoteid
/// (`returns_remoteid` = `Some(false)`), and only when one license fits, by a name that only this order has. A license
/// that fits in everything but its name may still be the one, so the result is not `Nothing` either.
pub fn decide(request: &OrderRequest, opened: Vec<License>, returns_remoteid: Option<bool>) -> Found {
    let (mut alike, mut others) = (Vec::new(), Vec::new());
    // Where the seller returns marks, a license with an empty one is not ours, however much it looks like ours.
    let may_be_ours = |license: &License| returns_remoteid != Some(true) || license.remoteid == RemoteId::Absent;
    for license in opened {
        match compare(request, &license) {
            Match::Mark => return Found::One(Box::new(license)),
            Match::LookAlike if may_be_ours(&license) => alike.push(license),
            Match::OtherName | Match::OtherKey if may_be_ours(&license) => others.push(license),
            Match::LookAlike | Match::OtherName | Match::OtherKey | Match::No => {}
        }
    }
    if alike.len() == 1 && returns_remoteid == Some(false) && names_mark(request) {
        return alike.pop().map_or(Found::Nothing, |license| Found::One(Box::new(license)));
    }
    alike.extend(others);
    if alike.is_empty() {
        return Found::Nothing;
    }
    Found::Unclear(alike.iter().map(|license| license.id).collect())
}

/// Whether the effect of a call about an existing license can be seen on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It happened.
    Visible,
    /// It did not happen, as far as this look shows.
    NotVisible,
    /// The answer leaves out the field that would show it.
    CannotTell,
}

/// Looks for the effect of a call that was sent once. `seen`: `None` when the license does not exist any more.
pub fn effect(request: &OnceRequest, seen: Option<&License>) -> Effect {
    let gone = seen.is_none_or(License::is_deleted);
    let tell = |visible: Option<bool>| match visible {
        Some(true) => Effect::Visible,
        Some(false) => Effect::NotVisible,
        None => Effect::CannotTell,
    };
    let Some(seen) = seen else {
        // One look that finds nothing is not yet a deletion (docs/money-safety.md 3).
        return if matches!(request, OnceRequest::Delete { .. }) { Effect::CannotTell } else { Effect::NotVisible };
    };
    match request {
        // For hosting orders the order itself decides: see `plan::hosting`.
        OnceRequest::Order(_) | OnceRequest::AddLicense(_) | OnceRequest::RemoveLicense(_) => Effect::CannotTell,
        OnceRequest::Prolong { before, .. } => tell(seen.expires.day().map(|expires| expires > *before)),
        OnceRequest::ChangePricelist { pricelist, .. } => tell(seen.tariff.id().map(|id| id == *pricelist)),
        OnceRequest::SetNodes { addon, nodes, .. } => tell(seen.addons.get(addon).map(|have| have == nodes)),
        OnceRequest::NewKey { before, .. } => tell(seen.key.as_ref().map(|key| key.fingerprint() != *before)),
        OnceRequest::Delete { .. } => tell(Some(gone)),
    }
}

/// Whether a license does not show whether its renewal was carried out. A renewal is sent for a license that runs, or
/// that had run out. Suppose that the license had more than the renewed period left when the renewal was sent, and is
/// stopped now. It may have been stopped first, and then renewed from that day. Then its expiry need not have moved,
/// and proves nothing, not even after it has passed. If less was left, a renewal always ends after the old expiry, so
/// the expiry decides. How much was left depends on the seller's calendar. Where that is not known, the license does
/// not show the outcome either.
pub fn hides_renewal(intent: &Intent, seen: Option<&License>) -> bool {
    let OnceRequest::Prolong { period, before, not_before, .. } = &intent.request else { return false };
    let is_stopped = seen.is_some_and(|seen| seen.status == LicenseStatus::Stopped);
    is_stopped && not_before.is_none_or(|day| add_months(day, *period) <= *before)
}

/// Whether a list was read completely (docs/money-safety.md 3): its pages add up, its length did not change, no number
/// came twice, and the newest licenses that we know are in it.
#[derive(Debug, Default)]
pub struct Completeness {
    seen: BTreeSet<LicenseId>,
    rows: u32,
    total: Option<u32>,
    broken: bool,
}

/// What follows a page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Onward {
    /// Another page.
    More,
    /// The end: all rows have come, or the page is empty.
    End,
    /// The same rows again: the seller ignores the number of the page, and would always answer so.
    Repeats,
}

impl Completeness {
    /// Notes one page: the total that it gave, and the numbers of its rows.
    pub fn page(&mut self, total: Option<u32>, ids: impl IntoIterator<Item = LicenseId>) -> Onward {
        let (rows, known, length) = (self.rows, self.seen.len(), self.total);
        self.page_total(total);
        ids.into_iter().for_each(|id| self.row(id));
        if self.rows == rows || self.has_all_rows() {
            return Onward::End;
        }
        // A list that changed while it was read may show the last rows of a page again; reading goes on anyway.
        let stays = rows > 0 && self.total == length;
        if stays && self.seen.len() == known { Onward::Repeats } else { Onward::More }
    }

    /// Notes one row.
    fn row(&mut self, id: LicenseId) {
        self.rows += 1;
        self.broken |= !self.seen.insert(id);
    }

    /// Notes the total that a page gave.
    fn page_total(&mut self, total: Option<u32>) {
        self.broken |= total.is_none() || self.total.is_some_and(|before| Some(before) != total);
        self.total = total;
    }

    /// Whether all rows that the pages promised have come.
    fn has_all_rows(&self) -> bool {
        self.total.is_some_and(|total| self.rows >= total)
    }

    /// Whether a license was in the list.
    pub fn contains(&self, id: LicenseId) -> bool {
        self.seen.contains(&id)
    }

    /// The licenses that a complete list would show, and that this one does not show.
    pub fn missing(&self, newest_known: Vec<LicenseId>) -> Vec<LicenseId> {
        newest_known.into_iter().filter(|id| !self.contains(*id)).collect()
    }

    /// Whether the list can be shown to be complete.
    pub fn is_complete(&self, newest_known: &[LicenseId]) -> bool {
        !self.broken && self.total == Some(self.rows) && newest_known.iter().all(|id| self.seen.contains(id))
    }
}

/// The seller deletes a license so many days after it ran out (docs/licensing-rules.md 5).
const DELETED_AFTER_DAYS: i64 = 30;

/// Whether a pass looks at a license of ours that the list should show and does not show. A license that serves a
/// service, and one whose time to be freed has come, is looked at anyway. One that belongs to another installation now,
/// or that an operator left to its user, is left alone until the seller must have deleted it.
pub fn is_looked_for(row: &LicenseRow, today: NaiveDate, now: DateTime<Utc>) -> bool {
    let rests = row.not_before.is_some_and(|until| until > now);
    let serves_nobody = match row.state {
        LicenseState::Pool | LicenseState::Stopped => true,
        LicenseState::ToFree => rests,
        LicenseState::Bound | LicenseState::Claimed | LicenseState::Deleted => false,
    };
    match row.lasting_reason() {
        Some(reason) if reason.may_still_happen() && rests => false,
        Some(Reason::TakenElsewhere | Reason::LeftToItsUser) => {
            serves_nobody && row.expires.day().is_some_and(|day| days_between(day, today) > DELETED_AFTER_DAYS)
        }
        Some(_) | None => serves_nobody,
    }
}

/// Whether a license has run out: it has on the day of its expiry.
pub fn has_run_out(license: &License, today: NaiveDate) -> bool {
    license.expires.has_passed(today)
}

#[cfg(test)]
mod tests;
