//! The guards of runs that act on many licenses (docs/money-safety.md 6): how many changes of one kind a run may make
//! without `--allow-many`, and which renewals count. Far more than usual means that something else is wrong, and then
//! no change of that kind is made.

use chrono::NaiveDate;

use super::renew::{Renewal, due};
use crate::model::catalogue::Product;
use crate::model::ids::LicenseId;
use crate::model::item::Item;
use crate::model::license_row::Foreseen;

/// One run may make this many renewals that were not foreseen, or one for each [`RENEWALS_SHARE`] bound licenses, if
/// that is more.
const MAX_RENEWALS: usize = 20;

/// One in this many of the bound licenses: 5 %.
const RENEWALS_SHARE: usize = 20;

/// One in this many of the bound licenses (2 %) may be changed, if that is more than the setting `max_changes`.
const CHANGES_SHARE: usize = 50;

/// Whether a run over many may go beyond its guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allow {
    /// The guards hold.
    Guarded,
    /// `--allow-many`: an operator has looked at the changes.
    Many,
}

/// The kinds of changes. Each is counted separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Renewals that were not foreseen.
    Renewals,
    /// Licenses to be freed, stopped for good or deleted.
    Frees,
    /// Licenses to be stopped because their service is suspended.
    Stops,
    /// Orders.
    Orders,
    /// Changes of a license itself.
    Changes,
    /// Orders and licenses to be freed, together.
    OrdersAndFrees,
}

/// A kind of change that is held back: none of these changes is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldBack {
    /// Which.
    pub kind: Kind,
    /// How many the run would make.
    pub count: usize,
    /// How many it may make.
    pub limit: usize,
}

/// Whether a run must hold back `count` changes of a kind. `bound`: how many licenses are bound in the account.
pub fn held_back(kind: Kind, count: usize, bound: usize, max_changes: u32, allow: Allow) -> Option<HeldBack> {
    let limit = match kind {
        Kind::Renewals => MAX_RENEWALS.max(bound / RENEWALS_SHARE),
        Kind::Frees | Kind::Stops | Kind::Orders | Kind::Changes | Kind::OrdersAndFrees => {
            usize::try_from(max_changes).unwrap_or(usize::MAX).max(bound / CHANGES_SHARE)
        }
    };
    let held = HeldBack { kind, count, limit };
    (allow == Allow::Guarded && count > limit).then_some(held)
}

/// Whether a renewal that is due now was foreseen: with the facts that an earlier pass knew about the license and its
/// service it would be due too. A renewal that is due only because something changed since then was not foreseen.
pub fn is_foreseen(
    known: Option<&Foreseen>,
    license: LicenseId,
    item: &Item,
    product: &Product,
    today: NaiveDate,
    renew_before_days: u32,
) -> bool {
    let Some(known) = known.filter(|known| known.license == license) else { return false };
    let (status, expires) = known.service.unwrap_or((item.status, item.expires));
    let before = Item { status, expires, ..item.clone() };
    matches!(due(&before, product, product.shortest(), known.expires, today, renew_before_days), Renewal::Due(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::item::{ItemStatus, test_item};
    use crate::model::license::{Expiry, ends};
    use crate::model::period::MonthCount;

    /// The limits of each kind, at their edges: a number, or a share of the bound licenses.
    #[test]
    fn a_run_may_do_a_number_or_a_share_of_what_is_bound() {
        use Kind::{Changes, Frees, Orders, OrdersAndFrees, Renewals, Stops};
        for (case, kind, count, bound, max_changes, want) in [
            ("few renewals", Renewals, 20, 0, 10, None),
            ("too many renewals", Renewals, 21, 400, 10, Some(20)),
            ("5 % of many", Renewals, 21, 420, 10, None),
            ("more than 5 % of many", Renewals, 22, 439, 10, Some(21)),
            ("max_changes is not for renewals", Renewals, 21, 0, 1000, Some(20)),
            ("few frees", Frees, 10, 0, 10, None),
            ("too many frees", Frees, 11, 549, 10, Some(10)),
            ("2 % of many", Frees, 11, 550, 10, None),
            ("stops", Stops, 3, 0, 2, Some(2)),
            ("orders", Orders, 3, 0, 2, Some(2)),
            ("changes", Changes, 3, 0, 2, Some(2)),
            ("reconcile", OrdersAndFrees, 3, 0, 2, Some(2)),
            ("none at all is within any limit", Frees, 0, 0, 0, None),
            ("the setting forbids all", Frees, 1, 0, 0, Some(0)),
        ] {
            let got = held_back(kind, count, bound, max_changes, Allow::Guarded);
            assert_eq!(got, want.map(|limit| HeldBack { kind, count, limit }), "{case}");
            assert_eq!(held_back(kind, count, bound, max_changes, Allow::Many), None, "{case}: allowed");
        }
    }

    /// A renewal counts when it is due only because an expiry, an end or a status changed since the pass before.
    #[test]
    fn what_was_due_by_what_was_known_is_foreseen() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        let product = Product { periods: vec![MonthCount(1)], ..Product::new("55227", "Lite", 55227) };
        let (today, id) = (day("2027-01-04"), LicenseId(5001));
        let item = Item { status: ItemStatus::Active, expires: "2027-06-01".parse().ok(), ..test_item(42) };
        let is = |known: Option<Foreseen>| is_foreseen(known.as_ref(), id, &item, &product, today, 1);
        let known = |expires: &str, status: i32, end: &str| Foreseen {
            license: id,
            expires: ends(expires),
            service: Some((ItemStatus::from_number(status), end.parse().ok())),
        };
        for (case, known, want) in [
            ("nothing changed", Some(known("2027-01-05", 2, "2027-06-01")), true),
            ("overdue for long", Some(known("2026-12-01", 2, "2027-06-01")), true),
            ("the expiry moved near", Some(known("2027-05-01", 2, "2027-06-01")), false),
            ("the expiry moved, and both are due", Some(known("2027-01-04", 2, "2027-06-01")), true),
            ("the license had no expiry", Some(known("", 2, "2027-06-01")), false),
            ("the service was suspended", Some(known("2027-01-05", 3, "2027-06-01")), false),
            ("the service was not open yet", Some(known("2027-01-05", 1, "2027-06-01")), false),
            ("the service ended with the license", Some(known("2027-01-05", 2, "2027-01-05")), false),
            ("the service had run out", Some(known("2027-01-05", 2, "2027-01-04")), false),
            ("the end moved, and it was due before", Some(known("2027-01-05", 2, "2027-03-01")), true),
            (
                "the license's end was not known",
                Some(Foreseen { expires: Expiry::Unknown, ..known("2027-01-05", 2, "2027-06-01") }),
                false,
            ),
            (
                "of the service nothing was known",
                Some(Foreseen { service: None, ..known("2027-01-05", 2, "2027-06-01") }),
                true,
            ),
            (
                "another license",
                Some(Foreseen { license: LicenseId(7), ..known("2027-01-05", 2, "2027-06-01") }),
                false,
            ),
            ("never seen by a pass", None, false),
        ] {
            assert_eq!(is(known), want, "{case}");
        }
    }
}
