//! The choice among freed licenses: which may be given out again, in which order, and why not (docs/licensing-rules.md
//! 7).

use std::net::IpAddr;

use chrono::{DateTime, Days, NaiveDate, Utc};

use crate::error::Text;
use crate::model::ids::UpstreamPricelistId;
use crate::model::license::{Expiry, FREE_IP, FREE_NAME, License, LicenseStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::model::rules::{IpChangeLimit, a_month_after};
use crate::plan::reason::words;
use crate::text;

/// What a new service needs of a pooled license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRequest {
    /// The tariff.
    pub pricelist: UpstreamPricelistId,
    /// The number of nodes, for products that have them.
    pub nodes: Option<u32>,
    /// The address.
    pub ip: Option<IpAddr>,
    /// The date until which the license must last; `None`: as long as possible.
    pub until: Option<NaiveDate>,
}

/// The moment of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Today {
    /// The seller's calendar day.
    pub day: NaiveDate,
    /// The moment (UTC).
    pub now: DateTime<Utc>,
    /// The setting. A candidate must last longer than today and this many days, so that taking it makes no renewal due.
    pub renew_before_days: u32,
    /// The setting: whether an address may change once a month only.
    pub ip_change_limit: IpChangeLimit,
}

/// Whether it has or last had the wanted address. Then it is the first candidate, whatever its dates are.
pub fn has_address(row: &LicenseRow, request: &PoolRequest) -> bool {
    request.ip.is_some_and(|ip| row.ip == Some(ip) || row.last_ip == Some(ip))
}

/// Why a license cannot be given out now; `None` when it can.
pub fn why_not(row: &LicenseRow, request: &PoolRequest, today: Today) -> Option<Text> {
    let lasts_until = today.day.checked_add_days(Days::new(u64::from(today.renew_before_days)));
    let same_address = has_address(row, request);
    if row.pricelist != request.pricelist {
        return Some(text!("another tariff", "другой тариф"));
    }
    if row.nodes.unwrap_or(0) != request.nodes.unwrap_or(0) {
        return Some(text!("another number of nodes", "другое число узлов"));
    }
    match row.expires {
        Expiry::Never => return Some(text!("no expiry date", "нет срока действия")),
        Expiry::Unknown => return Some(text!("its expiry is not known", "срок неизвестен")),
        Expiry::On(expires) if lasts_until.is_none_or(|until| expires <= until) => {
            return Some(text!("runs out on {expires}", "истекает {expires}"));
        }
        Expiry::On(_) => {}
    }
    if !matches!(row.status, LicenseStatus::Active | LicenseStatus::Stopped) {
        return Some(text!("status {}", "состояние {}", row.status.number()));
    }
    if row.state == LicenseState::Pool && (row.name != FREE_NAME || row.ip.is_some_and(|ip| ip != FREE_IP)) {
        return Some(text!("used by somebody: {}", "занята кем-то: {}", row.name));
    }
    let in_doubt = row.reason.as_ref().is_some_and(Reason::may_still_happen);
    if let Some(until) = row.not_before.filter(|&until| until > today.now && (in_doubt || !same_address)) {
        let reason = row.reason.as_ref().map_or_else(|| Text::same("-"), words);
        return Some(text!(["put aside until {until}: {}", reason.en], ["отложена до {until}: {}", reason.ru]));
    }
    if same_address {
        return None;
    }
    if row.state != LicenseState::Pool {
        return Some(text!("still to be freed", "ещё не освобождена"));
    }
    if let Some(from) = today.ip_change_limit.waits_until(row.ip_changed, today.day) {
        return Some(text!("its address cannot change before {from}", "IP нельзя сменить раньше {from}"));
    }
    let key_from = row.key_changed.map(a_month_after).filter(|from| *from >= today.day);
    key_from.map(|from| text!("its key cannot change before {from}", "ключ нельзя сменить раньше {from}"))
}

/// How the seller shows a license that a service is taking from the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    /// The license is as the service asks for, and its key is new: it is started and bound.
    Given,
    /// Nobody uses it: the next step of taking it may follow.
    Free,
    /// Somebody uses it, or it is not the license that our state knows.
    NotFree,
}

/// Decides how taking a license goes on. `keeps_address`: the license had the address of the service before, so the
/// address alone does not mean that somebody uses it.
pub fn taking(row: &LicenseRow, seen: &License, licname: &str, ip: Option<IpAddr>, keeps_address: bool) -> Taking {
    let is_marked = row.mark.as_ref().is_some_and(|mark| seen.remoteid.is(mark));
    let is_given = is_marked || (seen.remoteid.is_silent() && seen.may_be_named(licname) && seen.ip == ip);
    if is_given && has_new_key(row, seen) {
        return Taking::Given;
    }
    let is_free = seen.looks_free() || (keeps_address && seen.ip == ip);
    let is_the_same = seen.tariff.may_be(row.pricelist) && seen.doubled.is_empty();
    if is_free && is_the_same { Taking::Free } else { Taking::NotFree }
}

/// Whether a license shows another key than the one that was written down before a new one was requested.
pub fn has_new_key(row: &LicenseRow, seen: &License) -> bool {
    match (&row.key_before, &seen.key) {
        (Some(before), Some(key)) => key.fingerprint() != *before,
        (Some(_), None) | (None, _) => false,
    }
}

/// Candidates in the order in which they are tried. First those with the same address. Then those that cover the need,
/// the soonest expiry first. Then the others, the latest expiry first. Equal ones by their number.
pub fn candidates<'r>(rows: &'r [LicenseRow], request: &PoolRequest, today: Today) -> Vec<&'r LicenseRow> {
    let mut fitting: Vec<&LicenseRow> = rows.iter().filter(|row| why_not(row, request, today).is_none()).collect();
    let rank = |row: &LicenseRow| {
        let expires = row.expires.day().unwrap_or(NaiveDate::MIN);
        let days = i64::from(chrono::Datelike::num_days_from_ce(&expires));
        let covers = request.until.is_some_and(|until| expires >= until);
        (!has_address(row, request), !covers, if covers { days } else { -days }, row.id)
    };
    fitting.sort_by_key(|row| rank(row));
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{ItemId, LicenseKey, Mark, PanelId};
    use crate::model::license::{LicenseTariff, RemoteId, ends, test_license};
    use crate::model::license_row::test_row;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn row(id: u32, expires: &str) -> LicenseRow {
        LicenseRow {
            state: LicenseState::Pool,
            item: None,
            name: FREE_NAME.into(),
            ip: Some(FREE_IP),
            status: LicenseStatus::Stopped,
            expires: ends(expires),
            ..test_row(id)
        }
    }

    fn request(until: &str) -> PoolRequest {
        let ip = "192.0.2.10".parse().ok();
        PoolRequest { pricelist: UpstreamPricelistId(55227), nodes: None, ip, until: until.parse().ok() }
    }

    fn today() -> Today {
        let now = DateTime::parse_from_rfc3339("2027-01-10T12:00:00Z").expect("a moment").to_utc();
        Today { day: day("2027-01-10"), now, renew_before_days: 1, ip_change_limit: IpChangeLimit::Month }
    }

    /// The choice of docs/licensing-rules.md 7: covering and soonest, else latest, ties by lower id, the same address
    /// first.
    #[test]
    fn the_license_that_covers_the_need_and_ends_soonest_comes_first() {
        let ids = |rows: &[LicenseRow], until| {
            candidates(rows, &request(until), today()).iter().map(|r| r.id.0).collect::<Vec<_>>()
        };
        let rows = [row(1, "2027-03-01"), row(2, "2027-06-01"), row(3, "2027-12-01"), row(4, "2027-12-01")];
        assert_eq!(ids(&rows, "2027-05-01"), [2, 3, 4, 1]);
        assert_eq!(ids(&rows, "2028-05-01"), [3, 4, 2, 1]);
        assert_eq!(ids(&rows, ""), [3, 4, 2, 1], "no end: the one that lasts longest");
        let same = LicenseRow {
            state: LicenseState::ToFree,
            ip: request("").ip,
            ip_changed: Some(day("2027-01-09")),
            ..row(9, "2027-02-01")
        };
        assert_eq!(ids(&[row(2, "2027-06-01"), same], "2027-05-01"), [9, 2]);
    }

    /// Before the new key the license must be free, and after it name, address or mark must be those of the service.
    #[test]
    fn a_license_is_given_only_with_a_new_key_and_taken_only_while_free() {
        let mark = Mark::Order { panel: PanelId::from_bytes([0; 8]), item: ItemId(42), number: 1 };
        let key = |text: &str| LicenseKey::parse(text).expect("a key");
        let (old, new) = (key("old"), key("new"));
        let claimed = LicenseRow { mark: Some(mark.clone()), ..row(5001, "2027-06-01") };
        let begun = LicenseRow { key_before: Some(old.fingerprint()), ..claimed.clone() };
        let free = License {
            name: Some(FREE_NAME.into()),
            ip: Some(FREE_IP),
            remoteid: RemoteId::Empty,
            key: Some(old),
            ..test_license(5001)
        };
        let named = License { name: Some("shop".into()), ip: request("").ip, ..free.clone() };
        let renewed = License { key: Some(new), ..free.clone() };
        let marked = License { remoteid: RemoteId::Text(mark.to_string()), ..named.clone() };
        let given = License { key: renewed.key.clone(), ..named.clone() };
        for (case, row, seen, keeps_address, want) in [
            ("free", &claimed, free.clone(), false, Taking::Free),
            ("free with a new key", &begun, renewed.clone(), false, Taking::Free),
            ("named, the old key", &begun, named.clone(), false, Taking::NotFree),
            ("named, the old key, its own address", &begun, named, true, Taking::Free),
            ("named, a new key", &begun, given.clone(), false, Taking::Given),
            ("named, nothing written down", &claimed, given.clone(), false, Taking::NotFree),
            ("marked, the old key", &begun, marked.clone(), false, Taking::NotFree),
            ("marked, a new key", &begun, License { key: renewed.key, ..marked }, false, Taking::Given),
            (
                "marked for another",
                &begun,
                License { remoteid: RemoteId::Text("7".into()), ..given },
                false,
                Taking::NotFree,
            ),
            (
                "another tariff",
                &claimed,
                License { tariff: LicenseTariff::Id(UpstreamPricelistId(1)), ..free.clone() },
                false,
                Taking::NotFree,
            ),
            ("told twice", &claimed, License { doubled: vec!["ip".into()], ..free }, false, Taking::NotFree),
        ] {
            assert_eq!(taking(row, &seen, "shop", request("").ip, keeps_address), want, "{case}");
        }
    }

    /// Every reason not to give a license out.
    #[test]
    fn every_reason_not_to_give_a_license_out_is_found() {
        let fits = row(1, "2027-06-01");
        assert_eq!(why_not(&fits, &request(""), today()), None);
        let waited = LicenseRow { not_before: Some(today().now), ..fits.clone() };
        assert_eq!(why_not(&waited, &request(""), today()), None, "its waiting is over");
        let later = today().now + chrono::Duration::hours(1);
        for (case, other) in [
            ("tariff", LicenseRow { pricelist: UpstreamPricelistId(1), ..fits.clone() }),
            ("nodes", LicenseRow { nodes: Some(3), ..fits.clone() }),
            ("no end", LicenseRow { expires: Expiry::Never, ..fits.clone() }),
            ("no known end", LicenseRow { expires: Expiry::Unknown, ..fits.clone() }),
            ("runs out tomorrow", LicenseRow { expires: Expiry::On(day("2027-01-11")), ..fits.clone() }),
            ("status", LicenseRow { status: LicenseStatus::Processing, ..fits.clone() }),
            ("a neighbour's by name", LicenseRow { name: "shop".into(), ip: request("").ip, ..fits.clone() }),
            ("a neighbour's by address", LicenseRow { ip: "192.0.2.77".parse().ok(), ..fits.clone() }),
            ("put aside", LicenseRow { not_before: Some(later), ..fits.clone() }),
            (
                "same address, but a change is in doubt",
                LicenseRow {
                    ip: request("").ip,
                    not_before: Some(later),
                    reason: Some(Reason::ChangeInDoubt),
                    ..fits.clone()
                },
            ),
            ("to be freed", LicenseRow { state: LicenseState::ToFree, ..fits.clone() }),
            ("young address", LicenseRow { ip_changed: Some(day("2026-12-10")), ..fits.clone() }),
            ("young key", LicenseRow { key_changed: Some(day("2027-01-01")), ..fits.clone() }),
        ] {
            assert!(why_not(&other, &request(""), today()).is_some(), "{case}");
        }
        let old_enough = LicenseRow { ip_changed: Some(day("2026-12-09")), ..fits };
        assert_eq!(why_not(&old_enough, &request(""), today()), None, "more than a month ago");
        let free_changes = Today { ip_change_limit: IpChangeLimit::None, ..today() };
        let young = LicenseRow { ip_changed: Some(day("2027-01-09")), ..old_enough };
        assert_eq!(why_not(&young, &request(""), free_changes), None, "free changes of address");
        let young_key = LicenseRow { key_changed: Some(day("2027-01-09")), ..young };
        assert!(why_not(&young_key, &request(""), free_changes).is_some(), "the key keeps its month");
    }
}
