//! What the seller's list is good for: which of its licenses are opened, which ones are looked for although it does not
//! show them, and when it is complete.

use super::*;
use crate::model::license_row::test_row;

/// Which licenses are worth opening, by their rows in a list (docs/money-safety.md 4).
#[test]
fn only_licenses_that_may_be_the_orders_own_are_opened() {
    let bare = || License { name: Some("client".into()), ..license(1, RemoteId::Absent) };
    let row = |id, created: &str| License { id: LicenseId(id), created: created.parse().ok(), ..bare() };
    let other_tariff = |tariff| License { tariff, ..row(1001, "") };
    let mark = RemoteId::Text(order().mark.to_string());
    let name = format!("client {}", order().mark);
    let by_name = |remoteid| License { remoteid, name: Some(name.clone()), ..row(900, "2027-01-08") };
    for (case, row, want) in [
        ("above the highest", row(1001, ""), true),
        ("above it, whatever its date", row(1002, "2026-01-01"), true),
        ("the highest itself, older", row(1000, "2027-01-08"), false),
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
        let order = OrderRequest { not_before: "2027-01-09".parse().ok(), ..order() };
        assert_eq!(is_candidate(&order, &intent(None), &row), want, "{case}");
    }
    let unknown = OrderRequest { not_before: None, ..order() };
    assert!(is_candidate(&unknown, &intent(None), &row(900, "2020-01-01")), "any day where the seller's is not known");
}

/// A license that serves nobody, and that the list does not show, is looked at. Others have a look of their own, and
/// one of another user is left alone until the seller must have deleted it.
#[test]
fn a_license_that_serves_nobody_is_looked_for_when_no_list_shows_it() {
    use LicenseState::{Bound, Claimed, Deleted, Pool, Stopped, ToFree};
    let now = start();
    let (today, later) = (now.date_naive(), Some(now + Duration::hours(1)));
    let days_ago = |days| Expiry::On(today - chrono::Days::new(days));
    let (taken, left) = (Some(Reason::TakenElsewhere), Some(Reason::LeftToItsUser));
    let doubt = Some(Reason::ChangeInDoubt);
    for (case, state, reason, not_before, expires, want) in [
        ("pooled", Pool, None, None, days_ago(0), true),
        ("pooled, rests", Pool, None, later, days_ago(0), true),
        ("pooled, a change is in doubt", Pool, doubt.clone(), later, days_ago(0), false),
        ("pooled, the doubt is over", Pool, doubt, Some(now), days_ago(0), true),
        ("stopped", Stopped, Some(Reason::Stopped), None, days_ago(0), true),
        ("missed once", Stopped, Some(Reason::missing_after(None)), later, days_ago(0), true),
        (
            "left to its user, and missed once",
            Stopped,
            Some(Reason::missing_after(left.clone())),
            later,
            days_ago(0),
            false,
        ),
        ("another installation uses it", Stopped, taken.clone(), None, days_ago(30), false),
        ("it used it", Stopped, taken.clone(), None, days_ago(31), true),
        ("its end is not known", Stopped, taken, None, Expiry::Unknown, false),
        ("left to its user", Stopped, left.clone(), None, days_ago(30), false),
        ("it was left to its user", Stopped, left, None, days_ago(31), true),
        ("somebody uses it, an operator has not decided", Stopped, Some(Reason::NotFree), None, days_ago(0), true),
        ("to be freed later", ToFree, None, later, days_ago(0), true),
        ("to be freed now", ToFree, None, None, days_ago(0), false),
        ("serves", Bound, None, None, days_ago(40), false),
        ("is being taken", Claimed, None, None, days_ago(40), false),
        ("gone", Deleted, None, None, days_ago(40), false),
    ] {
        let row = LicenseRow { state, reason, not_before, expires, ..test_row(5001) };
        assert_eq!(is_looked_for(&row, today, now), want, "{case}");
    }
}

/// A list is complete only when it can be shown to be.
#[test]
fn a_list_is_complete_only_when_it_can_be_shown_to_be() {
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
    assert!(!list(&[1, 2, 3, 4], &[Some(3), Some(4)]).is_complete(&known), "it grew, and all of it came");
    assert!(!list(&[1, 2, 2], &[Some(3)]).is_complete(&known), "a number came twice");
    assert!(!list(&[1, 3], &[Some(2)]).is_complete(&known), "a license that we know is missing");
    assert!(!list(&[1, 2], &[None]).is_complete(&known), "no total");
    assert!(list(&[1, 2], &[]).contains(LicenseId(2)) && !list(&[1, 2], &[]).contains(LicenseId(3)));
    let has_all = |ids: &[u32], totals: &[Option<u32>]| list(ids, totals).has_all_rows();
    assert!(has_all(&[1, 2, 3], &[Some(3)]) && has_all(&[1, 2, 3, 4], &[Some(3)]) && has_all(&[], &[Some(0)]));
    assert!(!has_all(&[1, 2], &[Some(3)]) && !has_all(&[1], &[None]) && !has_all(&[], &[]));
}

/// A list ends with its last row or an empty page. A list that shows the same rows again is not a list.
#[test]
fn a_list_ends_or_repeats_itself() {
    let walk = |pages: &[(&[u32], Option<u32>)]| {
        let mut list = Completeness::default();
        let page = |(ids, total): &(&[u32], Option<u32>)| list.page(*total, ids.iter().map(|id| LicenseId(*id)));
        pages.iter().map(page).collect::<Vec<Onward>>()
    };
    use Onward::{End, More, Repeats};
    assert_eq!(walk(&[(&[1, 2], Some(3)), (&[3], Some(3))]), [More, End]);
    assert_eq!(walk(&[(&[1, 2], None), (&[3], None), (&[], None)]), [More, More, End], "no total");
    assert_eq!(walk(&[(&[], None)]), [End]);
    assert_eq!(walk(&[(&[1, 2], None), (&[1, 2], None)]), [More, Repeats]);
    assert_eq!(walk(&[(&[1, 2], Some(9)), (&[2, 1], Some(9))]), [More, Repeats], "in another order");
    assert_eq!(walk(&[(&[1, 2], None), (&[3], None), (&[1, 2], None)]), [More, More, Repeats], "in a circle");
    assert_eq!(walk(&[(&[1, 2], None), (&[2, 3], None)]), [More, More], "only moved on by one");
    assert_eq!(walk(&[(&[1], Some(3)), (&[1], Some(4))]), [More, More], "a license was added before the first");
}
