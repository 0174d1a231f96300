//! Renewal (docs/licensing-rules.md 5): the paid end of a prolong, and what sync renews. Buying too little is
//! harmless, because sync renews what is about to run out while the service is paid; buying too much is not.

use chrono::NaiveDate;

use super::order::sale_closed;
use crate::error::{ModuleError, Text, counted};
use crate::model::catalogue::Product;
use crate::model::ids::LicenseId;
use crate::model::item::{Item, ItemStatus};
use crate::model::license::Expiry;
use crate::model::payment::Payment;
use crate::model::period::{MonthCount, Period, add_months, add_period, days_between};
use crate::text;

/// The date until which the service is paid after this `prolong`. It is right whether the panel moves the end before
/// the call (`item_end` is later than the settled end) or with the post-call (it is not). `None` for a service without
/// end.
pub fn paid_end(item_end: Option<NaiveDate>, settled_end: Option<NaiveDate>, period: Period) -> Option<NaiveDate> {
    let end = item_end?;
    let moved_already = settled_end.is_some_and(|settled| end > settled);
    Some(if moved_already { end } else { add_period(end, period) })
}

/// The paid end, if a payment still owes a period to the license that the service has now. `None`: the license covers
/// the payment, the period was bought before, or the payment found another license.
pub fn owed_until(payment: &Payment, license: LicenseId, expires: Expiry) -> Option<NaiveDate> {
    let (before, now) = (payment.expires_before?, expires.day()?);
    let is_same = payment.license == Some(license);
    (is_same && now <= before && before < payment.paid_end).then_some(payment.paid_end)
}

/// Whether a product may be renewed today.
///
/// # Errors
/// `sale_closed`: no renewals any more, or the license already lasts as long as the seller grants.
pub fn check_renewal(product: &Product, expires: NaiveDate, today: NaiveDate) -> Result<(), ModuleError> {
    if let Some(from) = product.no_renewal_from.filter(|&from| today >= from) {
        return Err(sale_closed(product, from));
    }
    match (product.limited_from, product.not_past) {
        (Some(from), Some(end)) if today >= from && expires >= end => Err(sale_closed(product, from)),
        _ => Ok(()),
    }
}

/// The need of a service: the date until which its license must last. `None`: no end.
pub fn need(item: &Item) -> Option<NaiveDate> {
    match item.period {
        Period::Lifetime | Period::Day => None,
        Period::Trial | Period::Months(_) | Period::Unknown(_) => item.expires,
    }
}

/// Whether this service is paid today, which only the panel can say: it is active and its end lies ahead.
pub fn is_paid(item: &Item, today: NaiveDate) -> bool {
    item.status == ItemStatus::Active && need(item).is_none_or(|end| end > today)
}

/// A renewal that sync owes, with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// For how long.
    pub months: MonthCount,
    /// The reason, in words.
    pub reason: Text,
}

/// What sync owes a license today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// Nothing.
    NotDue,
    /// A renewal.
    Due(Due),
    /// Its service is paid, and it is not known when the license runs out.
    CannotTell,
}

/// Whether a license runs out within so many days, or it is not known when. Such a license has to be looked at.
pub fn ends_soon(expires: Expiry, today: NaiveDate, renew_before_days: u32) -> bool {
    match expires {
        Expiry::On(day) => days_between(today, day) <= i64::from(renew_before_days),
        Expiry::Never => false,
        Expiry::Unknown => true,
    }
}

/// Whether a license may run out, or has run out, before the end of its paid service, and its expiry is near or not
/// known. A service in its trial period gets no renewal.
pub fn may_run_short(item: &Item, expires: Expiry, today: NaiveDate, renew_before_days: u32) -> bool {
    let is_short = expires.day().is_none_or(|day| need(item).is_none_or(|end| end > day));
    is_short && ends_soon(expires, today, renew_before_days) && is_paid(item, today) && item.period != Period::Trial
}

/// Whether sync renews a license, and for how long: the item is paid, its end lies beyond the license's expiry, and
/// that is near. The period is one aligned period, or a shorter one that is sold and reaches the service's end too.
pub fn due(
    item: &Item,
    product: &Product,
    aligned: Option<MonthCount>,
    expires: Expiry,
    today: NaiveDate,
    renew_before_days: u32,
) -> Renewal {
    let Some(aligned) = aligned.filter(|_| !product.is_only_trial()) else { return Renewal::NotDue };
    if !may_run_short(item, expires, today, renew_before_days) {
        return Renewal::NotDue;
    }
    let expires = match expires {
        Expiry::On(day) => day,
        Expiry::Never => return Renewal::NotDue,
        Expiry::Unknown => return Renewal::CannotTell,
    };
    let end = need(item);
    let left_days = days_between(today, expires);
    let base = expires.max(today);
    let reaches = |months: &MonthCount| end.is_some_and(|end| add_months(base, *months) >= end);
    let shorter = product.periods.iter().copied().filter(|months| *months < aligned).find(reaches);
    let months = shorter.unwrap_or(aligned);
    let shown_end = end.map_or_else(|| "-".to_owned(), |end| end.to_string());
    let reason = text!(
        [
            "renewed for {}: the license runs out on {expires}, in {}; the service is paid until {shown_end}",
            counted(months.0, "month"),
            counted(left_days, "day")
        ],
        [
            "продление на {} мес.: лицензия истекает {expires}, через {left_days} дн.; услуга оплачена до {shown_end}",
            months.0
        ]
    );
    let reason = match shorter {
        Some(_) => text!(["{}; no longer one is needed for that", reason.en], ["{}; дольше не нужно", reason.ru]),
        None => reason,
    };
    Renewal::Due(Due { months, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::item::test_item;
    use crate::model::license::ends;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    /// A pass reads a module only for this reason, because no list shows it.
    #[test]
    fn a_license_whose_end_is_near_or_not_known_ends_soon() {
        for (expires, want) in [
            (ends("2027-01-06"), false),
            (ends("2027-01-05"), true),
            (ends("2026-12-01"), true),
            (Expiry::Never, false),
            (Expiry::Unknown, true),
        ] {
            assert_eq!(ends_soon(expires, day("2027-01-04"), 1), want, "{expires}");
        }
    }

    fn service(period: i32, status: i32, end: &str) -> Item {
        Item {
            period: Period::from_panel(period),
            status: ItemStatus::from_number(status),
            expires: end.parse().ok(),
            ..test_item(42)
        }
    }

    /// The paid end is right whether the panel moves the end before or after, also at the edges of months
    /// (docs/licensing-rules.md 5).
    #[test]
    fn the_paid_end_is_right_whenever_the_panel_moves_the_end() {
        for (case, end, settled, period, want) in [
            ("end moved before the call", "2027-02-01", "2027-01-01", 1, "2027-02-01"),
            ("end moved by the post-call", "2027-01-01", "2027-01-01", 1, "2027-02-01"),
            ("never settled", "2027-01-31", "", 1, "2027-02-28"),
            ("a year", "2028-02-29", "2028-02-29", 12, "2029-02-28"),
            ("panel moved the end back", "2026-12-01", "2027-01-01", 1, "2027-01-01"),
        ] {
            let got = paid_end(end.parse().ok(), settled.parse().ok(), Period::from_panel(period));
            assert_eq!(got, Some(day(want)), "{case}");
        }
        assert_eq!(paid_end(None, None, Period::Lifetime), None);
    }

    /// A repeated run of a payment buys nothing twice, and no payment renews a license that it did not find.
    #[test]
    fn a_payment_owes_one_period_to_the_license_that_it_found() {
        for (case, found, before, now, want) in [
            ("runs out before the paid end", Some(5001), "2027-01-05", "2027-01-05", true),
            ("ran out long ago", Some(5001), "2026-12-01", "2026-12-01", true),
            ("renewed by an earlier run", Some(5001), "2027-01-05", "2027-02-05", false),
            ("shown with an older end than before", Some(5001), "2027-01-05", "2026-12-05", true),
            ("covers the payment", Some(5001), "2027-02-01", "2027-02-01", false),
            ("another license", Some(5002), "2027-01-05", "2027-01-05", false),
            ("no license at the first run", None, "", "2027-01-05", false),
            ("a license without end", Some(5001), "2027-01-05", "", false),
        ] {
            let payment = Payment {
                paid_end: day("2027-02-01"),
                license: found.map(LicenseId),
                expires_before: before.parse().ok(),
                item_end_before: Some(day("2027-01-01")),
                finished: false,
            };
            let got = owed_until(&payment, LicenseId(5001), ends(now));
            assert_eq!(got, want.then_some(payment.paid_end), "{case}");
        }
    }

    fn months(renewal: &Renewal) -> Option<u16> {
        match renewal {
            Renewal::Due(due) => Some(due.months.0),
            Renewal::NotDue | Renewal::CannotTell => None,
        }
    }

    /// sync renews what is about to run out while the service is paid, and nothing else (docs/licensing-rules.md 5).
    #[test]
    fn sync_renews_only_what_runs_out_while_the_service_is_paid() {
        let product = Product { periods: vec![MonthCount(1), MonthCount(12)], ..Product::new("55227", "Lite", 55227) };
        let today = day("2027-01-04");
        for (case, period, status, end, expires, aligned, want) in [
            ("due today + 1", 1, 2, "2027-02-05", "2027-01-05", 1, Some(1)),
            ("not yet", 1, 2, "2027-02-05", "2027-01-06", 1, None),
            ("ran out yesterday", 1, 2, "2027-02-05", "2027-01-03", 1, Some(1)),
            ("suspended", 1, 3, "2027-02-05", "2027-01-05", 1, None),
            ("ordered", 1, 1, "2027-02-05", "2027-01-05", 1, None),
            ("overdue service", 1, 2, "2027-01-04", "2027-01-03", 1, None),
            ("the license covers the service", 1, 2, "2027-01-05", "2027-01-05", 1, None),
            ("aligned year", 1, 2, "2028-06-01", "2027-01-05", 12, Some(12)),
            ("a shorter one reaches the end", 1, 2, "2027-02-05", "2027-01-05", 12, Some(1)),
            ("lifetime", 0, 2, "", "2027-01-05", 1, Some(1)),
            ("a trial", -100, 2, "2027-02-05", "2027-01-05", 1, None),
        ] {
            let got = due(
                &service(period, status, end),
                &product,
                Some(MonthCount(aligned)),
                Expiry::On(day(expires)),
                today,
                1,
            );
            assert_eq!(months(&got), want, "{case}");
        }
        let whole =
            due(&service(1, 2, "2027-02-05"), &product, Some(MonthCount(1)), Expiry::On(day("2027-01-05")), today, 1);
        let is_whole = matches!(&whole, Renewal::Due(due) if !due.reason.en.contains("no longer one"));
        assert!(is_whole, "none is shorter than a month");
        let forever = due(&service(1, 2, "2027-02-05"), &product, Some(MonthCount(1)), Expiry::Never, today, 1);
        assert_eq!(forever, Renewal::NotDue, "a license without end is never renewed");
        for (status, want) in [(2, Renewal::CannotTell), (3, Renewal::NotDue)] {
            let unknown =
                due(&service(1, status, "2027-02-05"), &product, Some(MonthCount(1)), Expiry::Unknown, today, 1);
            assert_eq!(unknown, want, "only a paid service asks for an expiry that nobody knows");
        }
    }

    /// The last days of sale of ISPmanager 5 (docs/licensing-rules.md 6).
    #[test]
    fn an_ended_product_is_not_renewed_past_its_last_day() {
        let product = Product {
            limited_from: Some(day("2021-04-08")),
            not_past: Some(day("2021-12-31")),
            no_renewal_from: Some(day("2021-06-15")),
            ..Product::new("3541", "ISPmanager 5 Lite", 3541)
        };
        for (today, expires, allowed) in [
            ("2021-04-07", "2022-01-10", true),
            ("2021-04-08", "2021-12-30", true),
            ("2021-04-08", "2021-12-31", false),
            ("2021-06-14", "2021-07-01", true),
            ("2021-06-15", "2021-07-01", false),
        ] {
            assert_eq!(check_renewal(&product, day(expires), day(today)).is_ok(), allowed, "{today} {expires}");
        }
    }
}
