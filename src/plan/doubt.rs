//! Doubt (docs/money-safety.md 3 and 4): what a look may believe, when a purchase counts as never made, and who
//! decides.
//!
//! Why this is safe. An intent is on disk before its request leaves, and its key admits no second row, so at most one
//! request of a key is under way. When its outcome is unknown, the license it may have bought bears the mark that the
//! request carried; nothing else decides, because names and addresses are typed by clients. The request is sent again
//! only when the seller can no longer carry out the first one (`settle_s` after the sending) and two complete lists,
//! a while apart, both taken after that, show no trace: one list may lag behind. When a list cannot be shown to be
//! complete, or something looks like ours without a mark, a person decides; the program does not guess with money.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use crate::error::Text;
use crate::model::ids::LicenseId;
use crate::model::journal::{Intent, OnceRequest, OrderRequest};
use crate::model::license::{License, LicenseStatus, RemoteId};
use crate::model::name::is_same;
use crate::model::period::add_months;
use crate::text;

/// Two clean looks lie at least this far apart, or `settle_s` if that is less.
const LOOKS_APART_S: u32 = 60;

/// For how long a purchase of a closed item is looked for, in days.
pub const FREE_WHEN_APPEARS_DAYS: i64 = 30;

/// What to do after a look that found nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The seller may still carry it out: the run fails, the panel tries again.
    Wait {
        /// When it will be known (UTC).
        until: DateTime<Utc>,
    },
    /// The first clean look: write it down, and look again later.
    FirstCleanLook {
        /// When the second one counts (UTC).
        again: DateTime<Utc>,
    },
    /// It never happened: it may be sent once more.
    NeverHappened,
    /// A person must end it.
    HandOver(Text),
}

/// Decides after a look that found no trace of an intent. `complete`: the look can show that nothing was left out.
pub fn after_clean_look(intent: &Intent, now: DateTime<Utc>, settle_s: u32, resend: bool, complete: bool) -> Verdict {
    let settled = intent.recorded_at + Duration::seconds(i64::from(settle_s));
    if now < settled {
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
    match intent.clean_look_at {
        None => Verdict::FirstCleanLook { again: now + apart },
        Some(first) if now - first >= apart => Verdict::NeverHappened,
        Some(first) => Verdict::Wait { until: first + apart },
    }
}

/// Decides after a look that found no trace of what a closed item had ordered: for 30 days it may still appear, then
/// two complete lists, a while apart, say that it never will. Nobody waits for it, so nobody is asked.
pub fn after_nothing_appeared(intent: &Intent, now: DateTime<Utc>, settle_s: u32, complete: bool) -> Verdict {
    let over = intent.recorded_at + Duration::days(FREE_WHEN_APPEARS_DAYS);
    if now < over || !complete {
        return Verdict::Wait { until: over.max(now) };
    }
    let apart = Duration::seconds(i64::from(settle_s.min(LOOKS_APART_S)));
    match intent.clean_look_at.filter(|look| *look >= over) {
        None => Verdict::FirstCleanLook { again: now + apart },
        Some(first) if now - first >= apart => Verdict::NeverHappened,
        Some(first) => Verdict::Wait { until: first + apart },
    }
}

/// Whether a row of a list is worth opening in search of an ordered license. Rows only point.
pub fn is_candidate(request: &OrderRequest, intent: &Intent, row: &License) -> bool {
    // A row without a date may be as young as any: whether numbers only grow is not known of the real seller. Days
    // are compared with the seller's own: our clock may have been wrong, and what it would pass over is bought again.
    let may_be_young = |created| request.not_before.is_none_or(|day| created >= day);
    let young = row.id > intent.highest_license || row.created.is_none_or(may_be_young);
    // Where no remoteid is returned the ordered name ends in the mark, and says so whatever the number and the day
    // are.
    let mark = request.mark.to_string();
    let ours = row.remoteid.is(&request.mark) || (row.remoteid.is_silent() && row.shown_name().ends_with(&mark));
    ours || (young && row.tariff.may_be(request.pricelist) && row.status != LicenseStatus::Deleted)
}

/// The first day that the seller may give for what a request brings that leaves now. `newest`: the newest day of
/// creation that it shows. `theirs`: its clock, where that is believed. Ours alone decides nothing.
pub fn not_before(newest: Option<NaiveDate>, theirs: Option<DateTime<Utc>>, ours: DateTime<Utc>) -> Option<NaiveDate> {
    // Its calendar may be of another time zone than its clock.
    let by_clock = theirs.map(|theirs| (theirs.min(ours) - Duration::days(1)).date_naive());
    newest.max(by_clock)
}

/// What an opened license says about being the one that was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It bears the mark.
    Mark,
    /// It bears none, and name, address and tariff are what was ordered.
    LookAlike,
    /// It bears none, and all but its name is what was ordered: sellers keep names in ways of their own.
    OtherName,
    /// It bears none, fits, and its key names another license: evidence against it, so nobody but an operator takes
    /// it.
    OtherKey,
    /// It is another one.
    No,
}

/// Compares an opened license with an order.
pub fn compare(request: &OrderRequest, seen: &License) -> Match {
    match &seen.remoteid {
        RemoteId::Text(_) if seen.remoteid.is(&request.mark) => Match::Mark,
        RemoteId::Text(_) => Match::No,
        RemoteId::Absent | RemoteId::Empty => {
            let fits = mismatch(request, seen).is_none();
            // Two different marks in one answer: it may be ours.
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

/// Whether a license has the ordered name: all of it, or where the mark is a part of it, that part.
fn is_named_so(request: &OrderRequest, name: &str) -> bool {
    is_same(&request.licname, name) || (names_mark(request) && name.ends_with(&request.mark.to_string()))
}

/// Where a license that was read back after an order differs from what was asked: the field, for the error.
pub fn mismatch(request: &OrderRequest, seen: &License) -> Option<&'static str> {
    if !seen.tariff.may_be(request.pricelist) {
        return Some("pricelist");
    }
    if request.ip.is_some() && seen.ip != request.ip {
        return Some("ip");
    }
    let nodes = request.nodes.and_then(|(addon, asked)| seen.addons.get(&addon).map(|have| *have != asked));
    (nodes == Some(true)).then_some("nodes")
}

/// What became of an order, after looking through the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This license is the one.
    One(Box<License>),
    /// Nothing bears the mark, and nothing looks like it.
    Nothing,
    /// Something looks like it, but it cannot be told: these licenses.
    Unclear(Vec<LicenseId>),
}

/// Whether the ordered name ends in the mark: it does where the seller was known to return no remoteid, and then no
/// other order has that name. A name without it could be a neighbour's.
fn names_mark(request: &OrderRequest) -> bool {
    request.licname.ends_with(&request.mark.to_string())
}

/// Decides over the opened candidates. Look-alikes are believed only where the seller is known to return no remoteid
/// (`returns_remoteid` = `Some(false)`), and only when one license fits, by a name that only this order has. One that
/// fits but for its name may still be the one, so it is not nothing either.
pub fn decide(request: &OrderRequest, opened: Vec<License>, returns_remoteid: Option<bool>) -> Found {
    let (mut alike, mut others) = (Vec::new(), Vec::new());
    // On an account that returns marks an empty one is somebody else's, however much it looks like ours.
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
    /// It did not, as far as this look tells.
    NotVisible,
    /// The answer leaves out what would tell.
    CannotTell,
}

/// Looks for the effect of a call that was sent once. `seen`: `None` when the license does not exist any more.
pub fn effect(request: &OnceRequest, seen: Option<&License>) -> Effect {
    let gone = seen.is_none_or(|license| license.status == LicenseStatus::Deleted);
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
        // What became of a hosting order is told by the order: see `plan::hosting`.
        OnceRequest::Order(_) | OnceRequest::AddLicense(_) | OnceRequest::RemoveLicense(_) => Effect::CannotTell,
        OnceRequest::Prolong { before, .. } => tell(seen.expires.day().map(|expires| expires > *before)),
        OnceRequest::ChangePricelist { pricelist, .. } => tell(seen.tariff.id().map(|id| id == *pricelist)),
        OnceRequest::SetNodes { addon, nodes, .. } => tell(seen.addons.get(addon).map(|have| have == nodes)),
        OnceRequest::NewKey { before, .. } => tell(seen.key.as_ref().map(|key| key.fingerprint() != *before)),
        OnceRequest::Delete { .. } => tell(Some(gone)),
    }
}

/// Whether a license hides what became of its renewal. It is sent for one that runs, or that had run out. One that
/// had more than the renewed period left at the sending and is stopped now may have been stopped before the seller
/// carried it out, and renewed from that day: its expiry need not have moved, and goes on telling nothing when it
/// passes. With less left the renewal ends beyond the old expiry whenever it was carried out, and the expiry decides.
/// How much was left is a matter of the seller's calendar; where that is not known nothing is told.
pub fn hides_renewal(intent: &Intent, seen: Option<&License>) -> bool {
    let OnceRequest::Prolong { period, before, not_before, .. } = &intent.request else { return false };
    let is_stopped = seen.is_some_and(|seen| seen.status == LicenseStatus::Stopped);
    is_stopped && not_before.is_none_or(|day| add_months(day, *period) <= *before)
}

/// Whether a list was read whole (docs/money-safety.md 3): its pages add up, its length did not change, no number
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
    /// Nothing: all rows have come, or the page is empty.
    End,
    /// The same rows again: the seller passes over the number of the page, and would answer so for ever.
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
        // A list that moved while it was read may show the last rows of a page again, and goes on all the same.
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

    /// Whether the list can be shown to be complete.
    pub fn is_complete(&self, newest_known: &[LicenseId]) -> bool {
        !self.broken && self.total == Some(self.rows) && newest_known.iter().all(|id| self.seen.contains(id))
    }
}

/// The day from which an expiry date counts as run out.
pub fn has_run_out(license: &License, today: NaiveDate) -> bool {
    license.expires.has_passed(today)
}

#[cfg(test)]
mod tests;
