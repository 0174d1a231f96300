//! Doubt (MONEY.md 3 and 4): what a look may believe, when a purchase counts as never made, and who decides.
//!
//! Why this is safe. An intent is on disk before its request leaves, and its key admits no second row, so at most one
//! request of a key is under way. When its outcome is unknown, the license it may have bought bears the mark that the
//! request carried; nothing else decides, because names and addresses are typed by clients. The request is sent again
//! only when upstream can no longer carry out the first one (`settle_s` after the sending) and two complete lists, a
//! while apart, both taken after that, show no trace: one list may lag behind. When a list cannot be shown to be
//! complete, or something looks like ours without a mark, a person decides; the program does not guess with money.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use crate::error::Text;
use crate::model::ids::LicenseId;
use crate::model::journal::{OnceRequest, OrderRequest, Wish};
use crate::model::license::{License, LicenseStatus, RemoteId};
use crate::model::planted::{Bug, is_planted};
use crate::text;

/// Two clean looks lie at least this far apart, or `settle_s` if that is less.
const LOOKS_APART_S: u32 = 60;

/// For how long a purchase of a closed item is looked for, in days.
pub const FREE_WHEN_APPEARS_DAYS: i64 = 30;

/// What to do after a look that found nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Upstream may still carry it out: the run fails, the panel tries again.
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

/// Decides after a look that found no trace of a wish. `complete`: the look can show that nothing was left out.
pub fn after_clean_look(wish: &Wish, now: DateTime<Utc>, settle_s: u32, resend: bool, complete: bool) -> Verdict {
    let settle_s = if is_planted(Bug::ResentEarly) { 0 } else { settle_s };
    let settled = wish.recorded_at + Duration::seconds(i64::from(settle_s));
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
    match wish.clean_look_at {
        None => Verdict::FirstCleanLook { again: now + apart },
        Some(first) if now - first >= apart => Verdict::NeverHappened,
        Some(first) => Verdict::Wait { until: first + apart },
    }
}

/// Decides after a look that found no trace of what a closed item had ordered: for 30 days it may still appear, then
/// two complete lists, a while apart, say that it never will. Nobody waits for it, so nobody is asked.
pub fn after_nothing_appeared(wish: &Wish, now: DateTime<Utc>, settle_s: u32, complete: bool) -> Verdict {
    let over = wish.recorded_at + Duration::days(FREE_WHEN_APPEARS_DAYS);
    if now < over || !complete {
        return Verdict::Wait { until: over.max(now) };
    }
    let apart = Duration::seconds(i64::from(settle_s.min(LOOKS_APART_S)));
    match wish.clean_look_at.filter(|look| *look >= over) {
        None => Verdict::FirstCleanLook { again: now + apart },
        Some(first) if now - first >= apart => Verdict::NeverHappened,
        Some(first) => Verdict::Wait { until: first + apart },
    }
}

/// Whether a row of a list is worth opening in search of an ordered license. Rows only point.
pub fn is_candidate(request: &OrderRequest, wish: &Wish, row: &License) -> bool {
    let intent_day = (wish.recorded_at - Duration::days(1)).date_naive();
    // A row without a date may be as young as any: whether numbers only grow is not known of the real upstream.
    let young = row.id > wish.highest_license || row.created.is_none_or(|created| created >= intent_day);
    // Where no remoteid is returned the ordered name ends in the mark, and says so whatever the number and the day are.
    let mark = request.mark.to_string();
    let ours = row.remoteid.is(&request.mark) || (row.remoteid.is_silent() && row.name.ends_with(&mark));
    ours || (young && row.tariff.may_be(request.pricelist) && row.status != LicenseStatus::Deleted)
}

/// What an opened license says about being the one that was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It bears the mark.
    Mark,
    /// It bears none, and name, address and tariff are what was ordered.
    LookAlike,
    /// It is another one.
    No,
}

/// Compares an opened license with an order.
pub fn compare(request: &OrderRequest, seen: &License) -> Match {
    if is_planted(Bug::AdoptedByIp) && seen.ip == request.ip {
        return Match::Mark;
    }
    match &seen.remoteid {
        RemoteId::Text(_) if seen.remoteid.is(&request.mark) => Match::Mark,
        RemoteId::Text(_) => Match::No,
        RemoteId::Absent | RemoteId::Empty => {
            let alike = seen.name == request.licname && mismatch(request, seen).is_none();
            if alike { Match::LookAlike } else { Match::No }
        }
    }
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

/// Whether the ordered name ends in the mark: it does where upstream was known to return no remoteid. A name without it
/// could be a neighbour's.
fn names_mark(request: &OrderRequest) -> bool {
    request.licname.ends_with(&request.mark.to_string())
}

/// Decides over the opened candidates. Look-alikes are believed only where upstream is known to return no remoteid
/// (`returns_remoteid` = `Some(false)`), and only when one license and one open order fit.
pub fn decide(request: &OrderRequest, opened: Vec<License>, returns_remoteid: Option<bool>, only_order: bool) -> Found {
    let mut alike = Vec::new();
    for license in opened {
        match compare(request, &license) {
            Match::Mark => return Found::One(Box::new(license)),
            Match::LookAlike => alike.push(license),
            Match::No => {}
        }
    }
    if returns_remoteid == Some(true) {
        // On an account that returns marks an empty one is somebody else's, however much it looks like ours.
        alike.retain(|license| license.remoteid == RemoteId::Absent);
    }
    match (alike.len(), returns_remoteid) {
        (0, _) => Found::Nothing,
        (1, Some(false)) if only_order && names_mark(request) => {
            alike.pop().map_or(Found::Nothing, |license| Found::One(Box::new(license)))
        }
        _ => Found::Unclear(alike.iter().map(|license| license.id).collect()),
    }
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
        return if matches!(request, OnceRequest::Delete { .. }) { Effect::Visible } else { Effect::NotVisible };
    };
    match request {
        OnceRequest::Order(_) => Effect::CannotTell,
        OnceRequest::Prolong { before, .. } => tell(seen.expires.map(|expires| expires > *before)),
        OnceRequest::ChangePricelist { pricelist, .. } => tell(seen.tariff.id().map(|id| id == *pricelist)),
        OnceRequest::SetNodes { addon, nodes, .. } => tell(seen.addons.get(addon).map(|have| have == nodes)),
        OnceRequest::NewKey { before, .. } => tell(seen.key.as_ref().map(|key| key.fingerprint() != *before)),
        OnceRequest::Delete { .. } => tell(Some(gone)),
    }
}

/// Whether a license hides what became of its renewal. It is sent for one that runs, or that had run out. One that had
/// time left at the sending and is stopped now may have been stopped before upstream carried it out, and renewed from
/// that day to the very expiry it had: its expiry tells nothing, and goes on telling nothing when it passes.
pub fn hides_renewal(wish: &Wish, seen: Option<&License>) -> bool {
    let sent_on = wish.recorded_at.date_naive();
    let stopped = |seen: &License| seen.status == LicenseStatus::Stopped && !has_run_out(seen, sent_on);
    matches!(wish.request, OnceRequest::Prolong { .. }) && seen.is_some_and(stopped)
}

/// Whether a list was read whole (MONEY.md 3): its pages add up, its length did not change, no number came twice, and
/// the newest licenses that we know are in it.
#[derive(Debug, Default)]
pub struct Completeness {
    seen: BTreeSet<LicenseId>,
    rows: u32,
    total: Option<u32>,
    broken: bool,
}

impl Completeness {
    /// Notes one row.
    pub fn row(&mut self, id: LicenseId) {
        self.rows += 1;
        self.broken |= !self.seen.insert(id);
    }

    /// Notes the total that a page gave.
    pub fn page_total(&mut self, total: Option<u32>) {
        self.broken |= total.is_none() || self.total.is_some_and(|before| Some(before) != total);
        self.total = total;
    }

    /// Whether all rows that the pages promised have come.
    pub fn has_all_rows(&self) -> bool {
        self.total.is_some_and(|total| self.rows >= total)
    }

    /// Whether a license was in the list.
    pub fn contains(&self, id: LicenseId) -> bool {
        self.seen.contains(&id)
    }

    /// Whether the list can be shown to be complete.
    pub fn is_complete(&self, newest_known: &[LicenseId]) -> bool {
        if is_planted(Bug::IncompleteList) {
            return true;
        }
        !self.broken && self.total == Some(self.rows) && newest_known.iter().all(|id| self.seen.contains(id))
    }
}

/// The day from which an expiry date counts as run out.
pub fn has_run_out(license: &License, today: NaiveDate) -> bool {
    license.expires.is_some_and(|expires| expires <= today)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{AccountId, ItemId, Mark, PanelId, UpstreamPricelistId, WishId};
    use crate::model::journal::{ItemLife, WishStatus};
    use crate::model::license::{Family, LicenseTariff};
    use crate::model::period::{MonthCount, Period};

    const SETTLE_S: u32 = 900;

    /// As it is ordered where upstream is known to return no remoteid.
    const NAME: &str = "shop pml-bbbbbbbb-42-3";

    fn start() -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("2027-01-10T12:00:00Z").expect("a moment").to_utc()
    }

    fn after(seconds: i64) -> DateTime<Utc> {
        start() + Duration::seconds(seconds)
    }

    fn order() -> OrderRequest {
        OrderRequest {
            family: Family::Soft,
            pricelist: UpstreamPricelistId(55227),
            period: Period::Months(MonthCount(1)),
            ip: "192.0.2.10".parse().ok(),
            licname: NAME.into(),
            mark: Mark::Order { panel: PanelId::from_bytes([1; 8]), item: ItemId(42), number: 3 },
            nodes: None,
            parent: None,
        }
    }

    fn wish(clean_look_s: Option<i64>) -> Wish {
        Wish {
            id: WishId(1),
            key: "order:42/2026-11-01/0:-".into(),
            item: Some(ItemId(42)),
            account: AccountId(1),
            request: OnceRequest::Order(order()),
            highest_license: LicenseId(1000),
            recorded_at: start(),
            clean_look_at: clean_look_s.map(after),
            status: WishStatus::InDoubt,
            license: None,
            operation: None,
        }
    }

    /// An order is this service's in each of its lives, and not another's that has its number now.
    #[test]
    fn whose_order() {
        let life = |item, created: &str, closes| ItemLife { item: ItemId(item), created: created.to_owned(), closes };
        for (life, is_its) in [
            (life(42, "2026-11-01", 0), true),
            (life(42, "2026-11-01", 1), true),
            (life(42, "2026-12-01", 0), false),
            (life(4, "2026-11-01", 0), false),
        ] {
            assert_eq!(wish(None).was_for(&life), is_its, "{life}");
        }
    }

    fn license(id: u32, remoteid: RemoteId) -> License {
        License {
            id: LicenseId(id),
            name: NAME.into(),
            ip: "192.0.2.10".parse().ok(),
            remoteid,
            tariff: LicenseTariff::Id(UpstreamPricelistId(55227)),
            period: None,
            status: LicenseStatus::Active,
            changing: false,
            key: None,
            created: None,
            expires: None,
            autoprolong: None,
            ip_changed: None,
            key_changed: None,
            addons: std::collections::BTreeMap::new(),
            cost: None,
        }
    }

    /// When a purchase counts as never made (MONEY.md 3): only after settle_s, and two complete looks a minute apart.
    #[test]
    fn verdicts() {
        let wait = |s| Verdict::Wait { until: after(s) };
        for (case, clean_look, at, resend, complete, want) in [
            ("at once", None, 0, true, true, wait(900)),
            ("a second before settle_s", None, 899, true, true, wait(900)),
            ("the first clean look", None, 900, true, true, Verdict::FirstCleanLook { again: after(960) }),
            ("the second one too early", Some(900), 959, true, true, wait(960)),
            ("the second one", Some(900), 960, true, true, Verdict::NeverHappened),
        ] {
            assert_eq!(after_clean_look(&wish(clean_look), after(at), SETTLE_S, resend, complete), want, "{case}");
        }
        let hands_over = |clean_look, resend, complete| {
            matches!(after_clean_look(&wish(clean_look), after(2000), SETTLE_S, resend, complete), Verdict::HandOver(_))
        };
        assert!(hands_over(None, false, true), "resend = false");
        assert!(hands_over(None, true, false), "a list that is not complete");
        assert!(hands_over(Some(900), true, false), "the second list is not complete");
        let short = after_clean_look(&wish(None), after(2), 2, true, true);
        assert_eq!(short, Verdict::FirstCleanLook { again: after(4) }, "settle_s below a minute");
    }

    /// When a closed item's order counts as never made: two complete lists, both after the 30 days.
    #[test]
    fn nothing_appeared() {
        const OVER: i64 = FREE_WHEN_APPEARS_DAYS * 86_400;
        let wait = |s| Verdict::Wait { until: after(s) };
        for (case, clean_look, at, complete, want) in [
            ("before the 30 days", None, OVER - 1, true, wait(OVER)),
            ("a list that is not complete", None, OVER + 5, false, wait(OVER + 5)),
            ("the first complete list", None, OVER, true, Verdict::FirstCleanLook { again: after(OVER + 60) }),
            ("a look of long ago", Some(900), OVER, true, Verdict::FirstCleanLook { again: after(OVER + 60) }),
            ("the second one too early", Some(OVER), OVER + 59, true, wait(OVER + 60)),
            ("the second one is not complete", Some(OVER), OVER + 60, false, wait(OVER + 60)),
            ("the second one", Some(OVER), OVER + 60, true, Verdict::NeverHappened),
        ] {
            assert_eq!(after_nothing_appeared(&wish(clean_look), after(at), SETTLE_S, complete), want, "{case}");
        }
    }

    /// Rows of a list only point: what is worth opening (MONEY.md 4).
    #[test]
    fn candidates() {
        let bare = || License { name: "client".into(), ..license(1, RemoteId::Absent) };
        let row = |id, created: &str| License { id: LicenseId(id), created: created.parse().ok(), ..bare() };
        let other_tariff = |tariff| License { tariff, ..row(1001, "") };
        let mark = RemoteId::Text(order().mark.to_string());
        let name = format!("client {}", order().mark);
        let by_name = |remoteid| License { remoteid, name: name.clone(), ..row(900, "2027-01-08") };
        for (case, row, want) in [
            ("above the highest", row(1001, ""), true),
            ("below it, no date in the list", row(1000, ""), true),
            ("below it, of the intent's day", row(900, "2027-01-10"), true),
            ("below it, of the day before (time zones)", row(900, "2027-01-09"), true),
            ("below it, older", row(900, "2027-01-08"), false),
            ("another tariff", other_tariff(LicenseTariff::Id(UpstreamPricelistId(1))), false),
            ("a tariff by name", other_tariff(LicenseTariff::Name("Lite".into())), true),
            ("deleted", License { status: LicenseStatus::Deleted, ..row(1001, "") }, false),
            ("old, but it bears the mark", License { remoteid: mark, ..row(1, "") }, true),
            ("old by another clock, but its name ends in the mark", by_name(RemoteId::Absent), true),
            ("such a name, but a mark of its own", by_name(RemoteId::Text("pml-another1-1-1".into())), false),
        ] {
            assert_eq!(is_candidate(&order(), &wish(None), &row), want, "{case}");
        }
    }

    /// Who decides that a license is the one: the mark; silence only where upstream is known to be silent.
    #[test]
    fn decisions() {
        let mark = || RemoteId::Text(order().mark.to_string());
        let foreign = || RemoteId::Text("whmcs-7".into());
        let found = |opened: Vec<License>, returns, only| decide(&order(), opened, returns, only);
        let one = |id, remoteid| Found::One(Box::new(license(id, remoteid)));
        let (absent, empty) = (|| RemoteId::Absent, || RemoteId::Empty);
        assert_eq!(found(vec![license(1001, absent()), license(1002, mark())], None, true), one(1002, mark()));
        assert_eq!(found(vec![license(1001, foreign())], Some(true), true), Found::Nothing);
        assert_eq!(found(vec![license(1001, foreign())], Some(false), true), Found::Nothing, "another's mark");
        assert_eq!(found(vec![license(1001, absent())], Some(false), true), one(1001, absent()));
        assert_eq!(found(vec![license(1001, absent())], Some(false), false), Found::Unclear(vec![LicenseId(1001)]));
        assert_eq!(found(vec![license(1001, empty())], None, true), Found::Unclear(vec![LicenseId(1001)]));
        assert_eq!(found(vec![license(1001, empty())], Some(true), true), Found::Nothing);
        assert_eq!(found(vec![license(1001, absent())], Some(true), true), Found::Unclear(vec![LicenseId(1001)]));
        let two = vec![license(1001, absent()), license(1002, absent())];
        assert_eq!(found(two, Some(false), true), Found::Unclear(vec![LicenseId(1001), LicenseId(1002)]));
        let unnamed = OrderRequest { licname: "shop".into(), ..order() };
        let neighbour = License { name: "shop".into(), ..license(1001, absent()) };
        assert_eq!(
            decide(&unnamed, vec![neighbour], Some(false), true),
            Found::Unclear(vec![LicenseId(1001)]),
            "a name without the mark may be a neighbour's"
        );
        let renamed = License { name: "another".into(), ..license(1001, absent()) };
        assert_eq!(found(vec![renamed], Some(false), true), Found::Nothing);
    }

    /// Whose expiry proves nothing about a renewal sent on 2027-01-10: who was stopped with time left then.
    #[test]
    fn hidden_renewals() {
        let hidden = |status, expires: &str| {
            let before: NaiveDate = expires.parse().expect("a date");
            let request = OnceRequest::Prolong { license: LicenseId(9), period: MonthCount(1), before };
            let seen = License { status, expires: Some(before), ..license(9, RemoteId::Empty) };
            hides_renewal(&Wish { request, ..wish(None) }, Some(&seen))
        };
        assert!(hidden(LicenseStatus::Stopped, "2027-02-01"), "whenever one looks: after that day too");
        assert!(hidden(LicenseStatus::Stopped, "2027-01-11"));
        assert!(!hidden(LicenseStatus::Stopped, "2027-01-10"), "it had run out: renewed from the day of renewal");
        assert!(!hidden(LicenseStatus::Active, "2027-02-01"));
    }

    /// A list is complete only when it can be shown to be.
    #[test]
    fn completeness() {
        let list = |ids: &[u32], totals: &[Option<u32>]| {
            let mut list = Completeness::default();
            totals.iter().for_each(|total| list.page_total(*total));
            ids.iter().for_each(|id| list.row(LicenseId(*id)));
            list
        };
        let known = [LicenseId(2)];
        assert!(list(&[1, 2, 3], &[Some(3), Some(3)]).is_complete(&known));
        assert!(list(&[], &[Some(0)]).is_complete(&[]));
        assert!(!list(&[1, 2], &[Some(3)]).is_complete(&known), "rows are missing");
        assert!(!list(&[1, 2, 3], &[Some(3), Some(4)]).is_complete(&known), "the length changed while paged");
        assert!(!list(&[1, 2, 2], &[Some(3)]).is_complete(&known), "a number came twice");
        assert!(!list(&[1, 3], &[Some(2)]).is_complete(&known), "a license that we know is missing");
        assert!(!list(&[1, 2], &[None]).is_complete(&known), "no total");
    }

    /// The effect of each call on what is seen afterwards.
    #[test]
    fn effects() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a date");
        let key = |text: &str| crate::model::ids::LicenseKey::parse(text);
        let id = LicenseId(9);
        let prolong = OnceRequest::Prolong { license: id, period: MonthCount(1), before: day("2027-01-31") };
        let expires = |text: &str| License { expires: text.parse().ok(), ..license(9, RemoteId::Empty) };
        assert_eq!(effect(&prolong, Some(&expires("2027-01-31"))), Effect::NotVisible);
        assert_eq!(effect(&prolong, Some(&expires("2027-02-28"))), Effect::Visible);
        assert_eq!(effect(&prolong, Some(&expires(""))), Effect::CannotTell);
        assert_eq!(effect(&prolong, None), Effect::NotVisible);
        let before = key("old").map(|key| key.fingerprint()).unwrap_or_default();
        let new_key = OnceRequest::NewKey { family: Family::Soft, license: id, before };
        let shows = |text: &str| License { key: key(text), ..license(9, RemoteId::Empty) };
        assert_eq!(effect(&new_key, Some(&shows("old"))), Effect::NotVisible);
        assert_eq!(effect(&new_key, Some(&shows("new"))), Effect::Visible);
        assert_eq!(effect(&new_key, Some(&shows(""))), Effect::CannotTell);
        let delete = OnceRequest::Delete { family: Family::Soft, license: id };
        assert_eq!(effect(&delete, None), Effect::Visible);
        assert_eq!(effect(&delete, Some(&license(9, RemoteId::Empty))), Effect::NotVisible);
        let tariff = OnceRequest::ChangePricelist {
            license: id,
            pricelist: UpstreamPricelistId(55228),
            period: Period::Lifetime,
        };
        assert_eq!(effect(&tariff, Some(&license(9, RemoteId::Empty))), Effect::NotVisible);
    }
}
