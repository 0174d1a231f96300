//! The tables of cases for intents in doubt: what a look may believe, and when a purchase counts as never made.

mod lists;

use super::*;
use crate::model::catalogue::Catalogue;
use crate::model::ids::{AccountId, IntentId, ItemId, Mark, PanelId, UpstreamAddonId, UpstreamPricelistId};
use crate::model::journal::{Incarnation, IntentStatus};
use crate::model::license::{Expiry, Family, LicenseTariff, ends};
use crate::model::period::{MonthCount, Period};

const SETTLE_S: u32 = 900;

/// The ordered name where the seller is known to return no remoteid.
const NAME: &str = "shop pml-bbbbbbbb-42-3";

fn start() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2027-01-10T12:00:00Z").expect("a moment").to_utc()
}

fn after(seconds: i64) -> DateTime<Utc> {
    start() + Duration::seconds(seconds)
}

fn now(seconds: i64) -> Now {
    Now::at(after(seconds))
}

fn order() -> OrderRequest {
    OrderRequest {
        family: Family::Soft,
        pricelist: UpstreamPricelistId(55227),
        period: Period::Months(MonthCount(1)),
        ip: "192.0.2.10".parse().ok(),
        licname: NAME.into(),
        remoteip: None,
        mark: Mark::Order { panel: PanelId::from_bytes([1; 8]), item: ItemId(42), number: 3 },
        nodes: None,
        parent: None,
        not_before: None,
    }
}

fn intent(clean_look_s: Option<i64>) -> Intent {
    Intent {
        id: IntentId(1),
        key: "order:42/2026-11-01/0:-".into(),
        item: Some(ItemId(42)),
        account: AccountId(1),
        request: OnceRequest::Order(order()),
        highest_license: Some(LicenseId(1000)),
        recorded_at: start(),
        clean_look_at: clean_look_s.map(after),
        status: IntentStatus::InDoubt,
        license: None,
        operation: None,
        settle_s: None,
    }
}

/// An order belongs to its service in each incarnation, and not to another service that has its number now. Another
/// function asks for exactly one incarnation.
#[test]
fn an_order_belongs_to_its_service_in_each_incarnation() {
    let incarnation =
        |item, created: &str, closes| Incarnation { item: ItemId(item), created: created.to_owned(), closes };
    for (incarnation, is_its, is_of_it) in [
        (incarnation(42, "2026-11-01", 0), true, true),
        (incarnation(42, "2026-11-01", 1), true, false),
        (incarnation(42, "2026-12-01", 0), false, false),
        (incarnation(4, "2026-11-01", 0), false, false),
    ] {
        assert_eq!(
            (intent(None).was_for(&incarnation), intent(None).is_order_of(&incarnation)),
            (is_its, is_of_it),
            "{incarnation}"
        );
    }
}

/// A license of another family is of no use to its service, whatever became of the order. Only an order that was given
/// up can be left alone, and only while the service orders nothing under its key.
#[test]
fn a_service_needs_the_license_or_the_outcome_of_an_order_in_doubt() {
    use IntentStatus::{FreeWhenAppears, HandedOver, InDoubt};
    let catalogue = Catalogue::builtin();
    let (same, soft, external) = (55227, 55228, 9203);
    for (case, status, is_own, product, want) in [
        ("in doubt, the same product", InDoubt, true, Some(same), Awaits::License),
        ("in doubt, a product of its family", InDoubt, true, Some(soft), Awaits::License),
        ("in doubt, a product of its family, another incarnation", InDoubt, false, Some(soft), Awaits::License),
        ("in doubt, another family", InDoubt, true, Some(external), Awaits::Outcome),
        ("in doubt, another family, another incarnation", InDoubt, false, Some(external), Awaits::Outcome),
        ("in doubt, nothing is ordered", InDoubt, true, None, Awaits::License),
        ("an operator is asked, a product of its family", HandedOver, true, Some(soft), Awaits::License),
        ("an operator is asked, another family", HandedOver, true, Some(external), Awaits::Outcome),
        ("an operator is asked, nothing is ordered", HandedOver, false, None, Awaits::License),
        ("given up, the same product", FreeWhenAppears, true, Some(same), Awaits::License),
        ("given up, the same product, another incarnation", FreeWhenAppears, false, Some(same), Awaits::License),
        ("given up, a product of its family", FreeWhenAppears, true, Some(soft), Awaits::License),
        ("given up, a product of its family, another incarnation", FreeWhenAppears, false, Some(soft), Awaits::Nothing),
        ("given up, another family", FreeWhenAppears, true, Some(external), Awaits::Outcome),
        ("given up, another family, another incarnation", FreeWhenAppears, false, Some(external), Awaits::Nothing),
        ("given up, nothing is ordered", FreeWhenAppears, true, None, Awaits::Nothing),
    ] {
        let incarnation =
            Incarnation { item: ItemId(42), created: "2026-11-01".to_owned(), closes: u32::from(!is_own) };
        let product = product.map(|code| catalogue.by_pricelist(UpstreamPricelistId(code)).expect("a product"));
        let intent = Intent { status, ..intent(None) };
        assert_eq!(awaits_of(&intent, &incarnation, product), want, "{case}");
    }
}

fn license(id: u32, remoteid: RemoteId) -> License {
    License {
        name: Some(NAME.into()),
        ip: "192.0.2.10".parse().ok(),
        remoteid,
        tariff: LicenseTariff::Id(UpstreamPricelistId(55227)),
        status: LicenseStatus::Active,
        ..License::unknown(LicenseId(id))
    }
}

/// When a purchase counts as never made (docs/money-safety.md 3): only after settle_s, and two complete looks a
/// minute apart.
#[test]
fn a_purchase_counts_as_never_made_only_after_two_complete_looks() {
    let wait = |s| Verdict::Wait { until: after(s) };
    for (case, clean_look, at, resend, complete, want) in [
        ("at once", None, 0, true, true, wait(900)),
        ("a second before settle_s", None, 899, true, true, wait(900)),
        ("the first clean look", None, 900, true, true, Verdict::FirstCleanLook { again: after(960) }),
        ("the second one too early", Some(900), 959, true, true, wait(960)),
        ("the second one", Some(900), 960, true, true, Verdict::NeverHappened),
    ] {
        assert_eq!(after_clean_look(&intent(clean_look), now(at), SETTLE_S, resend, complete), want, "{case}");
    }
    let hands_over = |clean_look, resend, complete| {
        matches!(after_clean_look(&intent(clean_look), now(2000), SETTLE_S, resend, complete), Verdict::HandOver(_))
    };
    assert!(hands_over(None, false, true), "resend = false");
    assert!(hands_over(None, true, false), "a list that is not complete");
    assert!(hands_over(Some(900), true, false), "the second list is not complete");
    let short = after_clean_look(&intent(None), now(2), 2, true, true);
    assert_eq!(short, Verdict::FirstCleanLook { again: after(4) }, "settle_s below a minute");
}

/// A look that was dated by a clock which has been set back since counts from the next look on. A clock that shows the
/// date of the look proves that it may be right.
#[test]
fn a_look_that_lies_ahead_of_every_clock_is_the_first_one_again() {
    let wait = |s| Verdict::Wait { until: after(s) };
    for (case, clean_look, earliest, latest, want) in [
        ("ahead of both clocks", 9000, 1000, 1000, Verdict::FirstCleanLook { again: after(1060) }),
        ("ahead of both clocks, which differ", 9000, 1000, 8999, Verdict::FirstCleanLook { again: after(1060) }),
        ("one clock shows its date", 9000, 1000, 9000, wait(9060)),
        ("one clock is past the second look", 9000, 9059, 9200, wait(9060)),
        ("before settle_s", 9000, 899, 899, wait(900)),
    ] {
        let now = Now { earliest: after(earliest), latest: after(latest) };
        assert_eq!(after_clean_look(&intent(Some(clean_look)), now, SETTLE_S, true, true), want, "{case}");
    }
}

/// When a closed item's order counts as never made: two complete lists, both after the 30 days.
#[test]
fn a_closed_items_order_counts_as_never_made_after_30_days() {
    const OVER: i64 = FREE_WHEN_APPEARS_DAYS * 86_400;
    let wait = |s| Verdict::Wait { until: after(s) };
    for (case, clean_look, at, complete, want) in [
        ("before the 30 days", None, OVER - 1, true, wait(OVER)),
        ("a list that is not complete", None, OVER + 5, false, wait(OVER + 5)),
        ("the first complete list", None, OVER, true, Verdict::FirstCleanLook { again: after(OVER + 60) }),
        ("a look of long ago", Some(900), OVER, true, Verdict::FirstCleanLook { again: after(OVER + 60) }),
        ("the second one too early", Some(OVER), OVER + 59, true, wait(OVER + 60)),
        ("the second one is not complete", Some(OVER), OVER + 60, false, wait(OVER + 60)),
        ("a look from the future", Some(OVER + 9000), OVER, true, Verdict::FirstCleanLook { again: after(OVER + 60) }),
        ("the second one", Some(OVER), OVER + 60, true, Verdict::NeverHappened),
    ] {
        assert_eq!(after_nothing_appeared(&intent(clean_look), now(at), SETTLE_S, complete), want, "{case}");
    }
}

/// The earliest day of creation of an order's license (docs/money-safety.md 4): the seller's dates count, never our
/// clock alone.
#[test]
fn days_are_the_sellers() {
    let day = |text: &str| Some(text.parse::<NaiveDate>().expect("a date"));
    let at = |text: &str| format!("{text}T12:00:00Z").parse::<DateTime<Utc>>().expect("a moment");
    for (case, newest, theirs, want) in [
        ("the seller shows no day", None, None, None),
        ("only our clock is ahead", None, Some("2027-01-08"), day("2027-01-07")),
        ("its clock is ahead of ours", None, Some("2027-02-10"), day("2027-01-09")),
        ("a license was there before", day("2027-01-05"), None, day("2027-01-05")),
        ("its clock says more", day("2027-01-05"), Some("2027-01-10"), day("2027-01-09")),
        ("the list says more", day("2027-01-10"), Some("2027-01-10"), day("2027-01-10")),
    ] {
        assert_eq!(not_before(newest, theirs.map(at), start()), want, "{case}");
    }
}

/// The mark decides that a license is the one. A missing mark counts only where the seller is known to return none.
#[test]
fn the_mark_decides_which_license_an_order_bought() {
    let mark = || RemoteId::Text(order().mark.to_string());
    let foreign = || RemoteId::Text("whmcs-7".into());
    let found = |opened: Vec<License>, returns| decide(&order(), opened, returns);
    let one = |id, remoteid| Found::One(Box::new(license(id, remoteid)));
    let (absent, empty) = (|| RemoteId::Absent, || RemoteId::Empty);
    assert_eq!(found(vec![license(1001, absent()), license(1002, mark())], None), one(1002, mark()));
    assert_eq!(found(vec![license(1001, foreign())], Some(true)), Found::Nothing);
    assert_eq!(found(vec![license(1001, foreign())], Some(false)), Found::Nothing, "another's mark");
    assert_eq!(found(vec![license(1001, absent())], Some(false)), one(1001, absent()));
    assert_eq!(found(vec![license(1001, empty())], None), Found::Unclear(vec![LicenseId(1001)]));
    assert_eq!(found(vec![license(1001, empty())], Some(true)), Found::Nothing);
    assert_eq!(found(vec![license(1001, absent())], Some(true)), Found::Unclear(vec![LicenseId(1001)]));
    let two = vec![license(1001, absent()), license(1002, absent())];
    assert_eq!(found(two, Some(false)), Found::Unclear(vec![LicenseId(1001), LicenseId(1002)]));
    let keyed = |key: &str| License { key: crate::model::ids::LicenseKey::parse(key), ..license(1001, absent()) };
    let by_name = |key| found(vec![keyed(key)], Some(false));
    assert_eq!(by_name("1001-ABC"), Found::One(Box::new(keyed("1001-ABC"))));
    assert_eq!(by_name("1002-ABC"), Found::Unclear(vec![LicenseId(1001)]), "its key names another license");
    assert_eq!(found(vec![keyed("1001-ABC")], None), Found::Unclear(vec![LicenseId(1001)]), "a key alone is no proof");
    let marked = License { remoteid: mark(), ..keyed("1002-ABC") };
    assert_eq!(found(vec![marked.clone()], None), Found::One(Box::new(marked)), "our mark decides");
    let unnamed = OrderRequest { licname: "shop".into(), ..order() };
    let neighbour = License { name: Some("shop".into()), ..license(1001, absent()) };
    assert_eq!(
        decide(&unnamed, vec![neighbour], Some(false)),
        Found::Unclear(vec![LicenseId(1001)]),
        "a name without the mark may be a neighbour's"
    );
    let named = |id, name: &str| License { name: Some(name.into()), ..license(id, absent()) };
    let kept_otherwise = named(1001, "SHOP pml-bbbbbbbb-42-3");
    let by_mark = Found::One(Box::new(kept_otherwise.clone()));
    assert_eq!(found(vec![kept_otherwise, named(1002, "shop pml-b")], Some(false)), by_mark, "the mark in its name");
    let cut = || named(1001, "shop pml-bbbb");
    let unclear = || Found::Unclear(vec![LicenseId(1001)]);
    for returns in [Some(false), None, Some(true)] {
        assert_eq!(found(vec![cut()], returns), unclear(), "all but the name fits: {returns:?}");
    }
    let elsewhere = License { ip: "192.0.2.11".parse().ok(), ..cut() };
    assert_eq!(found(vec![elsewhere], Some(false)), Found::Nothing, "a neighbour's");
    let other_names = License { remoteid: empty(), ..cut() };
    assert_eq!(found(vec![other_names], Some(true)), Found::Nothing, "an empty mark where marks are returned");
}

/// A license that was read back agrees with the order, or the differing field is named.
#[test]
fn a_field_that_differs_from_the_order_is_named() {
    const NODES: UpstreamAddonId = UpstreamAddonId(7);
    let with_nodes = OrderRequest { nodes: Some((NODES, 2)), ..order() };
    let holds = |nodes: u32| License { addons: [(NODES, nodes)].into(), ..license(1, RemoteId::Empty) };
    let moved = License { ip: "192.0.2.11".parse().ok(), ..license(1, RemoteId::Empty) };
    let of_tariff = |tariff| License { tariff, ..license(1, RemoteId::Empty) };
    for (case, request, seen, want) in [
        ("as asked", order(), license(1, RemoteId::Empty), None),
        ("a tariff by name may be it", order(), of_tariff(LicenseTariff::Name("Lite".into())), None),
        ("another tariff", order(), of_tariff(LicenseTariff::Id(UpstreamPricelistId(1))), Some("pricelist")),
        ("another address", order(), moved.clone(), Some("ip")),
        ("no address was asked for", OrderRequest { ip: None, ..order() }, moved, None),
        ("as many nodes", with_nodes.clone(), holds(2), None),
        ("fewer nodes", with_nodes.clone(), holds(1), Some("nodes")),
        ("the number of nodes is missing", with_nodes, license(1, RemoteId::Empty), None),
    ] {
        assert_eq!(mismatch(&request, &seen), want, "{case}");
    }
}

/// A license with the mark of an order was changed since. Each field has to be as ordered, or as the service asks now.
#[test]
fn a_field_that_is_neither_as_ordered_nor_as_asked_now_is_named() {
    const NODES: UpstreamAddonId = UpstreamAddonId(7);
    let ordered = OrderRequest { nodes: Some((NODES, 2)), ..order() };
    let other_tariff = UpstreamPricelistId(1);
    let moved = || "192.0.2.11".parse().ok();
    let asked = || OrderRequest { pricelist: other_tariff, ip: moved(), nodes: Some((NODES, 3)), ..order() };
    let seen = |pricelist, ip: Option<std::net::IpAddr>, nodes| License {
        tariff: LicenseTariff::Id(pricelist),
        ip,
        addons: [(NODES, nodes)].into(),
        ..license(1, RemoteId::Empty)
    };
    let elsewhere = || "192.0.2.12".parse().ok();
    let tariff = order().pricelist;
    for (case, asked, seen, want) in [
        ("as ordered", Some(asked()), seen(tariff, order().ip, 2), None),
        ("all as asked now", Some(asked()), seen(other_tariff, moved(), 3), None),
        ("only the address as asked now", Some(asked()), seen(tariff, moved(), 2), None),
        ("an address of neither", Some(asked()), seen(tariff, elsewhere(), 2), Some("ip")),
        ("a tariff of neither", Some(asked()), seen(UpstreamPricelistId(2), moved(), 3), Some("pricelist")),
        ("nodes of neither", Some(asked()), seen(other_tariff, moved(), 4), Some("nodes")),
        ("it is not known what is asked now", None, seen(tariff, moved(), 2), Some("ip")),
    ] {
        assert_eq!(unexplained(&ordered, asked.as_ref(), &seen), want, "{case}");
    }
}

/// A license whose expiry proves nothing about a renewal for a month that was sent on 2027-01-10: it had more time
/// left, and is stopped now.
#[test]
fn a_stopped_license_with_time_left_hides_its_renewal() {
    let hidden_since = |not_before: Option<NaiveDate>, status, expires: &str| {
        let before: NaiveDate = expires.parse().expect("a date");
        let request = OnceRequest::Prolong { license: LicenseId(9), period: MonthCount(1), before, not_before };
        let seen = License { status, expires: Expiry::On(before), ..license(9, RemoteId::Empty) };
        hides_renewal(&Intent { request, ..intent(None) }, Some(&seen))
    };
    let hidden = |status, expires| hidden_since("2027-01-09".parse().ok(), status, expires);
    assert!(hidden(LicenseStatus::Stopped, "2028-01-01"));
    assert!(hidden(LicenseStatus::Stopped, "2027-02-09"), "the seller's day may be the one before ours");
    assert!(!hidden(LicenseStatus::Stopped, "2027-02-08"), "its renewal ends later than that");
    assert!(!hidden(LicenseStatus::Stopped, "2027-01-10"), "it had run out: renewed from the day of renewal");
    assert!(!hidden(LicenseStatus::Active, "2028-01-01"));
    assert!(hidden_since(None, LicenseStatus::Stopped, "2027-01-10"), "the seller's day is not known");
    assert!(!hidden_since(None, LicenseStatus::Active, "2027-01-10"), "it runs: its expiry tells");
}

/// A license has run out on the day of its expiry; one without expiry never does.
#[test]
fn a_license_has_run_out_on_the_day_of_its_expiry() {
    let today: NaiveDate = "2027-01-10".parse().expect("a date");
    for (expires, want) in [("2027-01-09", true), ("2027-01-10", true), ("2027-01-11", false), ("", false)] {
        let seen = License { expires: ends(expires), ..license(9, RemoteId::Empty) };
        assert_eq!(has_run_out(&seen, today), want, "{expires}");
    }
}

/// The effect of each call on what is seen afterwards.
#[test]
fn the_effect_of_each_call_is_read_from_a_later_look() {
    let day = |text: &str| text.parse::<NaiveDate>().expect("a date");
    let key = |text: &str| crate::model::ids::LicenseKey::parse(text);
    let id = LicenseId(9);
    let prolong =
        OnceRequest::Prolong { license: id, period: MonthCount(1), before: day("2027-01-31"), not_before: None };
    let expires = |text: &str| License { expires: ends(text), ..license(9, RemoteId::Empty) };
    assert_eq!(effect(&prolong, Some(&expires("2027-01-31"))), Effect::NotVisible);
    assert_eq!(effect(&prolong, Some(&expires("2027-02-28"))), Effect::Visible);
    assert_eq!(effect(&prolong, Some(&expires(""))), Effect::CannotTell);
    let hidden = License { expires: Expiry::Unknown, ..license(9, RemoteId::Empty) };
    assert_eq!(effect(&prolong, Some(&hidden)), Effect::CannotTell);
    assert_eq!(effect(&prolong, None), Effect::NotVisible);
    let before = key("old").map(|key| key.fingerprint()).unwrap_or_default();
    let new_key = OnceRequest::NewKey { family: Family::Soft, license: id, before };
    let shows = |text: &str| License { key: key(text), ..license(9, RemoteId::Empty) };
    assert_eq!(effect(&new_key, Some(&shows("old"))), Effect::NotVisible);
    assert_eq!(effect(&new_key, Some(&shows("new"))), Effect::Visible);
    assert_eq!(effect(&new_key, Some(&shows(""))), Effect::CannotTell);
    let delete = OnceRequest::Delete { family: Family::Soft, license: id };
    assert_eq!(effect(&delete, None), Effect::CannotTell, "missing once is not yet deleted");
    let deleted = License { status: LicenseStatus::Deleted, ..license(9, RemoteId::Empty) };
    assert_eq!(effect(&delete, Some(&deleted)), Effect::Visible);
    assert_eq!(effect(&delete, Some(&license(9, RemoteId::Empty))), Effect::NotVisible);
    let deleted = License { status: LicenseStatus::Deleted, ..license(9, RemoteId::Empty) };
    assert_eq!(effect(&delete, Some(&deleted)), Effect::Visible);
    let addon = UpstreamAddonId(7);
    let nodes = OnceRequest::SetNodes { family: Family::Soft, license: id, addon, nodes: 2 };
    let holds = |nodes: u32| License { addons: [(addon, nodes)].into(), ..license(9, RemoteId::Empty) };
    assert_eq!(effect(&nodes, Some(&holds(2))), Effect::Visible);
    assert_eq!(effect(&nodes, Some(&holds(1))), Effect::NotVisible);
    assert_eq!(effect(&nodes, Some(&license(9, RemoteId::Empty))), Effect::CannotTell);
    let tariff =
        OnceRequest::ChangePricelist { license: id, pricelist: UpstreamPricelistId(55228), period: Period::Lifetime };
    assert_eq!(effect(&tariff, Some(&license(9, RemoteId::Empty))), Effect::NotVisible);
}
