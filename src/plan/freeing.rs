//! The fate of a license that its service gave back, or that a service could not take after all
//! (docs/licensing-rules.md 7).

use std::net::IpAddr;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use crate::model::ids::{Mark, PanelId};
use crate::model::license::{Expiry, FREE_NAME, License};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::model::rules::OnClose;
use crate::plan::identity::is_our_mark;

/// How long a license rests when no day is known from which the seller allows the change.
pub const REST_HOURS: i64 = 24;

/// Whether a license is still as it was when a run decided to free it: in the same state, for the same incarnation of
/// the same service. Otherwise another run gave it to a service or freed it in between, and the decision no longer
/// holds.
pub fn is_held_as(before: &LicenseRow, now: &LicenseRow) -> bool {
    (before.state, before.item, &before.incarnation) == (now.state, now.item, &now.incarnation)
}

/// How a license ends that its service gave back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is freed for the next client.
    Pooled,
    /// It is stopped, and left to run out.
    Stopped,
    /// It is deleted at the seller.
    Deleted,
}

/// How a license ends. `is_pooled`: whether licenses of its product are given to other clients. A license without end
/// stays with its client, and so does one with modules: they cannot change their license.
pub fn fate(on_close: OnClose, is_pooled: bool, expires: Expiry, has_modules: bool) -> Fate {
    match on_close {
        OnClose::Delete => Fate::Deleted,
        OnClose::Pool if is_pooled && expires != Expiry::Never && !has_modules => Fate::Pooled,
        OnClose::Pool | OnClose::Stop | OnClose::Keep => Fate::Stopped,
    }
}

/// Whether another installation took a license in the meantime. Then it is not ours any more, and is never touched
/// again (docs/money-safety.md 5). With `pool_foreign`, a license that another installation freed and that we took but
/// could not mark yet is still free.
pub fn is_taken_by_another(row: &LicenseRow, seen: &License, panel: &PanelId, pool_foreign: bool) -> bool {
    let is_free = |mark: &Mark| pool_foreign && matches!(mark, Mark::Pool { .. }) && seen.looks_free();
    seen.remoteid.mark().is_some_and(|mark| !is_our_mark(&mark, Some(row), panel) && !is_free(&mark))
}

/// Whether a license without a mark shows anything of the service that gives it back: its address, the address of the
/// license's last service, or its name. A name counts in the form in which this seller stored it, too.
pub fn is_like_its_services(row: &LicenseRow, seen: &License, address: Option<IpAddr>, name: &str) -> bool {
    seen.ip == address || seen.ip == row.last_ip || seen.is_named_like(name) || row.keeps_name(name, seen)
}

/// Whether a license was claimed, and nothing was sent for the claim yet: it is as free as it was in the pool. The
/// first request for a claim is that for a new key, and the old key is written down before.
pub fn is_untouched(row: &LicenseRow) -> bool {
    row.state == LicenseState::Claimed && row.key_before.is_none() && has_free_name(row)
}

/// What a claim asked the license to become: the name and the address of its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimRequest<'g> {
    /// The name.
    pub licname: &'g str,
    /// The address.
    pub ip: Option<IpAddr>,
}

/// Whether a claimed license is still the one that its claim changed: it bears the mark of the claim, nobody uses it,
/// or name and address are those of before or those that the claim sent. Otherwise another user of the account or
/// another service has taken it since, and it is left alone. An address alone proves nothing: the license of the same
/// server may be taken elsewhere too. `given`: what the claim sent, if it sent that.
pub fn is_still_claimed(row: &LicenseRow, seen: &License, panel: &PanelId, given: Option<ClaimRequest<'_>>) -> bool {
    if row.mark.as_ref().is_some_and(|mark| seen.remoteid.is(mark)) {
        return true;
    }
    let is_silent = seen.remoteid.is_silent();
    let is_ours = is_silent || seen.remoteid.mark().is_some_and(|mark| mark.panel() == panel);
    let is_as_before = is_ours && seen.ip == row.ip && row.keeps_name(&row.name, seen);
    let is_as_given =
        is_silent && given.is_some_and(|to| (seen.ip == to.ip || seen.ip == row.ip) && seen.may_be_named(to.licname));
    let is_free = seen.looks_free() && (is_ours || !matches!(seen.remoteid.mark(), Some(Mark::Order { .. })));
    is_free || is_as_before || is_as_given
}

/// The state of a claimed license that goes back. Without the name of a free license it still has to be freed.
pub fn state_to_return(row: &LicenseRow) -> LicenseState {
    if has_free_name(row) { LicenseState::Pool } else { LicenseState::ToFree }
}

fn has_free_name(row: &LicenseRow) -> bool {
    row.name == FREE_NAME
}

/// The state of a license that somebody uses now, and why. With the mark of another installation it is not ours any
/// more. Without any mark nothing proves that its user is ours: it stays in the pool, and nothing frees it. The program
/// names such a license until an operator decides; the mark of another installation needs no decision.
pub fn state_when_used(row: &LicenseRow, seen: &License, panel: &PanelId) -> (LicenseState, Reason) {
    match seen.remoteid.mark() {
        Some(mark) if is_our_mark(&mark, Some(row), panel) => (state_to_return(row), Reason::NotFree),
        Some(_) => (LicenseState::Stopped, Reason::TakenElsewhere),
        None if seen.remoteid.is_silent() => (LicenseState::Pool, Reason::NotFree),
        None => (LicenseState::Stopped, Reason::NotFree),
    }
}

/// When a license is freed again whose address the seller did not clear: on the day after `until`, the last day of the
/// month in which it may not change.
pub fn free_again_at(until: Option<NaiveDate>, now: DateTime<Utc>) -> DateTime<Utc> {
    until.and_then(day_after).unwrap_or(now + Duration::hours(REST_HOURS))
}

/// When a license that was refused to a service may be tried again: on the day after `until`. A day in the past is
/// ignored: otherwise every run would try this refused license first.
pub fn try_again_at(until: Option<NaiveDate>, now: DateTime<Utc>) -> DateTime<Utc> {
    until.and_then(day_after).filter(|at| *at > now).unwrap_or(now + Duration::hours(REST_HOURS))
}

/// Midnight (UTC) at the end of a day.
fn day_after(day: NaiveDate) -> Option<DateTime<Utc>> {
    Some(day.succ_opt()?.and_hms_opt(0, 0, 0)?.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::ItemId;
    use crate::model::license::{FREE_IP, LicenseStatus, RemoteId, ends, test_license};
    use crate::model::license_row::test_row;
    use crate::model::name::KeptName;
    use crate::model::reason::Reason;

    /// The setting decides, and only a license that another client may use goes into the pool.
    #[test]
    fn only_a_license_that_another_client_may_use_is_pooled() {
        let month = ends("2027-02-01");
        for (case, on_close, is_pooled, expires, has_modules, want) in [
            ("an ordinary one", OnClose::Pool, true, month, false, Fate::Pooled),
            ("its expiry is not known", OnClose::Pool, true, Expiry::Unknown, false, Fate::Pooled),
            ("a product that is not pooled", OnClose::Pool, false, month, false, Fate::Stopped),
            ("without end", OnClose::Pool, true, Expiry::Never, false, Fate::Stopped),
            ("with modules", OnClose::Pool, true, month, true, Fate::Stopped),
            ("the setting stop", OnClose::Stop, true, month, false, Fate::Stopped),
            ("the setting keep", OnClose::Keep, true, month, false, Fate::Stopped),
            ("the setting delete", OnClose::Delete, true, month, false, Fate::Deleted),
            ("the setting delete, not pooled", OnClose::Delete, false, Expiry::Never, true, Fate::Deleted),
        ] {
            assert_eq!(fate(on_close, is_pooled, expires, has_modules), want, "{case}");
        }
    }

    /// A decision that was made before the run had the license's lock holds only if nobody else has had the license
    /// since. The fields that the seller shows may have changed.
    #[test]
    fn a_license_that_changed_hands_is_not_freed() {
        let serves = |item: u32, closes: u32| Some(format!("{item}/2027-01-01 00:00:00/{closes}"));
        let bound = LicenseRow { incarnation: serves(42, 0), ..test_row(5001) };
        let to_free = LicenseRow { state: LicenseState::ToFree, incarnation: None, ..test_row(5001) };
        let taken = LicenseRow {
            state: LicenseState::Claimed,
            item: Some(ItemId(43)),
            incarnation: serves(43, 0),
            ..test_row(5001)
        };
        let given = LicenseRow { state: LicenseState::Bound, ..taken.clone() };
        for (case, before, now, want) in [
            ("as it was, bound", &bound, bound.clone(), true),
            ("as it was, to be freed", &to_free, to_free.clone(), true),
            ("looked at", &bound, LicenseRow { status: LicenseStatus::Stopped, nodes: Some(2), ..bound.clone() }, true),
            (
                "to be freed, resting",
                &to_free,
                LicenseRow { reason: Some(Reason::missing_after(None)), ..to_free.clone() },
                true,
            ),
            ("given back by another run", &bound, to_free.clone(), false),
            ("freed", &to_free, LicenseRow { state: LicenseState::Pool, ..to_free.clone() }, false),
            ("gone", &to_free, LicenseRow { state: LicenseState::Deleted, ..to_free.clone() }, false),
            ("being taken for another service", &to_free, taken.clone(), false),
            ("given to another service", &to_free, given.clone(), false),
            ("bound, now to another service", &bound, given, false),
            (
                "bound, now to a later incarnation",
                &bound,
                LicenseRow { incarnation: serves(42, 1), ..bound.clone() },
                false,
            ),
        ] {
            assert_eq!(is_held_as(before, &now), want, "{case}");
        }
    }

    fn panel(byte: u8) -> PanelId {
        PanelId::from_bytes([byte; 8])
    }

    fn order(panel: PanelId) -> RemoteId {
        RemoteId::Text(Mark::Order { panel, item: ItemId(42), number: 1 }.to_string())
    }

    fn pool(panel: PanelId) -> RemoteId {
        RemoteId::Text(Mark::Pool { panel }.to_string())
    }

    /// Only a mark is proof, and a free license of another installation is taken only where the settings allow it.
    #[test]
    fn a_license_with_the_mark_of_another_installation_is_not_ours() {
        let free = License { name: Some(FREE_NAME.into()), ip: Some(FREE_IP), ..test_license(5001) };
        // Bought when the installation had another id than now.
        let former = order(panel(2)).mark();
        for (case, remoteid, is_free, pool_foreign, want) in [
            ("no mark", RemoteId::Empty, false, false, false),
            ("words of somebody", RemoteId::Text("shop".into()), false, false, false),
            ("our order", order(panel(0)), false, false, false),
            ("our pool", pool(panel(0)), true, false, false),
            ("our order under the former id", order(panel(2)), false, false, false),
            ("our pool under the former id", pool(panel(2)), true, false, false),
            ("an order of another", order(panel(1)), false, true, true),
            ("an order of another, looks free", order(panel(1)), true, true, true),
            ("freed by another", pool(panel(1)), true, true, false),
            ("freed by another, not allowed", pool(panel(1)), true, false, true),
            ("marked free by another, used", pool(panel(1)), false, true, true),
        ] {
            let row = LicenseRow { mark: former.clone(), ..test_row(5001) };
            let seen = if is_free { free.clone() } else { test_license(5001) };
            let seen = License { remoteid, ..seen };
            assert_eq!(is_taken_by_another(&row, &seen, &panel(0), pool_foreign), want, "{case}");
        }
    }

    /// The service is known by its address, by that of the license's last service, and by its name as the seller stores
    /// it.
    #[test]
    fn a_license_without_a_mark_is_its_services_if_it_shows_anything_of_it() {
        let ip = |text: &str| text.parse::<IpAddr>().ok();
        let kept = KeptName { asked: "Shop & more".into(), shown: "shop & mo".into() };
        let row = LicenseRow { last_ip: ip("192.0.2.9"), kept_name: Some(kept), ..test_row(5001) };
        for (case, seen_ip, seen_name, name, want) in [
            ("its address", "192.0.2.10", "other", "Shop & more", true),
            ("the address of its last service", "192.0.2.9", "other", "Shop & more", true),
            ("its name", "192.0.2.99", "Shop & more", "Shop & more", true),
            ("its name, escaped", "192.0.2.99", "Shop &amp; more", "Shop & more", true),
            ("its name as the seller stored it", "192.0.2.99", "shop & mo", "Shop & more", true),
            ("the stored form of a former name", "192.0.2.99", "shop & mo", "Shop & less", false),
            ("another name in small letters", "192.0.2.99", "shop & more", "Shop & more", false),
            ("nothing of it", "192.0.2.99", "other", "Shop & more", false),
        ] {
            let seen = License { ip: ip(seen_ip), name: Some(seen_name.into()), ..test_license(5001) };
            assert_eq!(is_like_its_services(&row, &seen, ip("192.0.2.10"), name), want, "{case}");
        }
    }

    /// After a lost answer a license is stopped only if nobody else has taken it: mark, name and address tell.
    #[test]
    fn a_claimed_license_that_another_user_took_is_not_stopped() {
        let ip = |text: &str| text.parse::<IpAddr>().ok();
        let mark = Mark::Order { panel: panel(0), item: ItemId(142), number: 2 };
        let pooled =
            LicenseRow { mark: Some(mark.clone()), name: FREE_NAME.into(), ip: Some(FREE_IP), ..test_row(5001) };
        let kept = LicenseRow { mark: Some(mark.clone()), ..test_row(5001) };
        let claims = RemoteId::Text(mark.to_string());
        let text = RemoteId::Text("1042".into());
        let given = ClaimRequest { licname: "client", ip: ip("192.0.2.42") };
        let free = (FREE_NAME, "0.0.0.0");
        for (case, row, (name, address), remoteid, given, want) in [
            ("as in the pool", &pooled, free, pool(panel(0)), None, true),
            ("as in the pool, no marks", &pooled, free, RemoteId::Absent, None, true),
            ("free, freed by another", &pooled, free, pool(panel(1)), None, true),
            ("free, marked by another installation", &pooled, free, order(panel(1)), None, false),
            ("given by the claim", &pooled, ("client", "192.0.2.42"), claims, Some(given), true),
            ("given, no marks", &pooled, ("client", "192.0.2.42"), RemoteId::Empty, Some(given), true),
            ("only the name arrived", &pooled, ("client", "0.0.0.0"), RemoteId::Absent, Some(given), true),
            ("named alike, never given", &pooled, ("client", "192.0.2.42"), RemoteId::Absent, None, false),
            ("taken by another user", &pooled, ("theirs", "192.0.2.99"), RemoteId::Empty, Some(given), false),
            ("taken by another installation", &pooled, ("client", "192.0.2.42"), order(panel(1)), Some(given), false),
            ("taken by another module", &pooled, ("client", "192.0.2.42"), text.clone(), Some(given), false),
            ("taken by another service", &pooled, ("shop", "192.0.2.10"), order(panel(0)), Some(given), false),
            ("waits to be freed", &kept, ("shop", "192.0.2.10"), order(panel(0)), None, true),
            ("waits to be freed, no marks", &kept, ("shop", "192.0.2.10"), RemoteId::Absent, None, true),
            ("its address, another name", &kept, ("theirs", "192.0.2.10"), RemoteId::Absent, None, false),
            ("its name, another address", &kept, ("shop", "192.0.2.99"), RemoteId::Absent, None, false),
            ("its name and address, another module", &kept, ("shop", "192.0.2.10"), text, None, false),
        ] {
            let seen = License { name: Some(name.into()), ip: ip(address), remoteid, ..test_license(5001) };
            assert_eq!(is_still_claimed(row, &seen, &panel(0), given), want, "{case}");
        }
    }

    /// A claim that sent nothing has changed nothing; after that, the name tells what has to be undone.
    #[test]
    fn a_claimed_license_goes_back_as_its_name_and_mark_say() {
        let claimed = LicenseRow { state: LicenseState::Claimed, name: FREE_NAME.into(), ..test_row(5001) };
        let begun = LicenseRow { key_before: Some("none".into()), ..claimed.clone() };
        let named = LicenseRow { name: "shop".into(), ..begun.clone() };
        let bound = LicenseRow { state: LicenseState::Bound, ..claimed.clone() };
        for (case, row, untouched, state) in [
            ("nothing sent", &claimed, true, LicenseState::Pool),
            ("a new key requested", &begun, false, LicenseState::Pool),
            ("named for the service", &named, false, LicenseState::ToFree),
            ("not claimed", &bound, false, LicenseState::Pool),
        ] {
            assert_eq!((is_untouched(row), state_to_return(row)), (untouched, state), "{case}");
        }
        for (case, row, remoteid, want) in [
            ("our mark, free name", &begun, order(panel(0)), (LicenseState::Pool, Reason::NotFree)),
            ("our mark, named", &named, order(panel(0)), (LicenseState::ToFree, Reason::NotFree)),
            ("no mark", &named, RemoteId::Empty, (LicenseState::Pool, Reason::NotFree)),
            ("no remoteid", &named, RemoteId::Absent, (LicenseState::Pool, Reason::NotFree)),
            ("another installation", &begun, order(panel(1)), (LicenseState::Stopped, Reason::TakenElsewhere)),
            ("words of somebody", &begun, RemoteId::Text("shop".into()), (LicenseState::Stopped, Reason::NotFree)),
        ] {
            let seen = License { remoteid, ..test_license(5001) };
            assert_eq!(state_when_used(row, &seen, &panel(0)), want, "{case}");
        }
    }

    /// The seller's month decides; a refused candidate rests at least a day, a license to be freed does not.
    #[test]
    fn a_license_is_tried_again_on_the_day_after_its_month() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).expect("a moment").to_utc();
        let day = |text: &str| text.parse::<NaiveDate>().ok();
        let (now, tomorrow) = (at("2027-01-10T12:00:00Z"), at("2027-01-11T12:00:00Z"));
        for (case, until, free, again) in [
            ("no day", None, tomorrow, tomorrow),
            ("ahead", day("2027-01-20"), at("2027-01-21T00:00:00Z"), at("2027-01-21T00:00:00Z")),
            ("today", day("2027-01-10"), at("2027-01-11T00:00:00Z"), at("2027-01-11T00:00:00Z")),
            ("over", day("2027-01-01"), at("2027-01-02T00:00:00Z"), tomorrow),
        ] {
            assert_eq!((free_again_at(until, now), try_again_at(until, now)), (free, again), "{case}");
        }
    }
}
