//! The table of cases of reconcile: one world each, what is found in it, and what would be done.

#![allow(clippy::cloned_ref_to_slice_refs, reason = "a world owns what is in it")]

mod marks;

use chrono::{DateTime, Utc};

use super::*;
use crate::model::ids::{ClientId, LicenseKey, ModuleId, PanelId, UpstreamPricelistId};
use crate::model::item::{Item, ItemParams, test_item};
use crate::model::journal::{Incarnation, Intent};
use crate::model::license::{FREE_IP, FREE_NAME, LicenseStatus, LicenseTariff, RemoteId, test_license};
use crate::model::license_row::test_row;
use crate::model::reason::Reason;
use crate::plan::change::DesiredLicense;
use crate::plan::identity::{Shown, shown};

const PRICELIST: UpstreamPricelistId = UpstreamPricelistId(55227);

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

/// An active service that shows license 5001, and asks for just what that license is.
fn view(id: u32) -> ItemView {
    let params = ItemParams {
        ip: Some("192.0.2.10".into()),
        remoteip: None,
        licname: Some("shop".into()),
        licid: Some(LicenseId(5001)),
        lickey: LicenseKey::parse("KEY-1"),
    };
    let item = Item { created: "2026-12-01 10:00:00".into(), params, ..test_item(id) };
    let incarnation = Incarnation { item: item.id, created: item.created.clone(), closes: 0 };
    let ip = "192.0.2.10".parse().ok();
    let desired = Desired::License(DesiredLicense {
        internal_name: "55227".into(),
        pricelist: PRICELIST,
        ip,
        remoteip: None,
        licname: "shop".into(),
        nodes: None,
    });
    let (holds, shown) = (Binding::Nothing, Shown::Nothing);
    ItemView {
        item,
        incarnation,
        known_client: Some(ClientId(5)),
        desired,
        holds,
        shown,
        buys_elsewhere: false,
        given_back: None,
        price: None,
    }
}

/// A license that our state binds to a service.
fn row(id: u32, view: &ItemView) -> LicenseRow {
    LicenseRow {
        incarnation: Some(view.incarnation.to_string()),
        item: Some(view.item.id),
        key: LicenseKey::parse("KEY-1"),
        since: now() - chrono::Duration::days(9),
        ..test_row(id)
    }
}

/// A license as the seller lists it.
fn seen(id: u32, mark: &str) -> License {
    License {
        remoteid: if mark.is_empty() { RemoteId::Empty } else { RemoteId::Text(mark.into()) },
        created: Some(day("2026-12-01")),
        ..test_license(id)
    }
}

fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2027-01-10T12:00:00Z").expect("a moment").to_utc()
}

const MARK: &str = "pml-abcdefgh-42-1";

fn found(items: &[ItemView], rows: &[LicenseRow], upstream: &[License]) -> Vec<(Kind, &'static str)> {
    found_beside(Vec::new(), items, rows, upstream)
}

/// As `found`, with intents without an ended outcome.
fn found_beside(
    open: Vec<Intent>,
    items: &[ItemView],
    rows: &[LicenseRow],
    upstream: &[License],
) -> Vec<(Kind, &'static str)> {
    let findings = findings(open, items, rows, upstream);
    findings.iter().map(|finding| (finding.kind, finding.remedy.word())).collect()
}

fn findings(open: Vec<Intent>, items: &[ItemView], rows: &[LicenseRow], upstream: &[License]) -> Vec<Finding> {
    let facts = AccountFacts {
        module: ModuleId(7),
        open,
        panel: PanelId::parse("abcdefgh").expect("an id"),
        last_number: 3,
        newest_number: 9,
        restored: false,
        today: now().date_naive(),
        now: now(),
    };
    let holds = |view: &ItemView| {
        let serves = |row: &&LicenseRow| row.incarnation.is_some() && row.item == Some(view.item.id);
        let incarnations: Vec<_> = rows.iter().filter(serves).map(|row| row.incarnation.clone()).collect();
        match incarnations.as_slice() {
            [] => Binding::Nothing,
            incarnations if incarnations.contains(&Some(view.incarnation.to_string())) => Binding::Present,
            _ => Binding::Former,
        }
    };
    let shows = |view: &ItemView| {
        let row = rows.iter().find(|row| Some(row.id) == view.item.params.licid);
        shown(&view.item, &view.incarnation, row, false)
    };
    let items: BTreeMap<ItemId, ItemView> = items
        .iter()
        .map(|view| (view.item.id, ItemView { holds: holds(view), shown: shows(view), ..view.clone() }))
        .collect();
    let view_of = |row: &LicenseRow| row.item.and_then(|item| items.get(&item));
    let mut comparison = Comparison::new(&facts);
    for seen in upstream {
        let row = rows.iter().find(|row| row.id == seen.id);
        comparison.listed(seen, row, row.and_then(view_of));
    }
    for row in rows {
        comparison.recorded(row, upstream.iter().any(|seen| seen.id == row.id), view_of(row));
    }
    let marked = comparison.marked_items();
    let views = items.iter().filter(|(id, _)| marked.contains(id)).map(|(id, view)| (*id, view.clone())).collect();
    comparison.marked(&marked, &views);
    for view in items.values() {
        if !comparison.is_visited(view.item.id) {
            comparison.service(view);
        }
    }
    comparison.finish()
}

/// Nothing is found where all three agree.
#[test]
fn nothing_is_found_where_panel_state_and_seller_agree() {
    let item = view(42);
    assert_eq!(found(&[item.clone()], &[row(5001, &item)], &[seen(5001, MARK)]), []);
    assert_eq!(found(&[], &[], &[seen(7000, ""), seen(7001, "pml-anotherp-1-1")]), [], "foreign ones are left alone");
}

/// One bound license, one thing wrong with it.
#[test]
fn each_difference_of_a_bound_license_has_its_kind_and_remedy() {
    let item = view(42);
    let ours = row(5001, &item);
    let there = seen(5001, MARK);
    let with = |change: fn(&mut License)| {
        let mut seen = there.clone();
        change(&mut seen);
        found(&[item.clone()], &[ours.clone()], &[seen])
    };
    for (case, got, want) in [
        ("ip", with(|s| s.ip = "192.0.2.99".parse().ok()), (Kind::Address, "sync")),
        ("name", with(|s| s.name = Some("other".into())), (Kind::Name, "sync")),
        ("autoprolong", with(|s| s.autoprolong = Some(true)), (Kind::Autoprolong, "sync")),
        ("stopped", with(|s| s.status = LicenseStatus::Stopped), (Kind::Status, "sync")),
        ("unpaid", with(|s| s.status = LicenseStatus::Ordered), (Kind::Unpaid, "person")),
        ("deleted", with(|s| s.status = LicenseStatus::Deleted), (Kind::Gone, "sync")),
    ] {
        assert_eq!(got, [want], "{case}");
    }
    assert_eq!(found(&[item.clone()], &[ours.clone()], &[]), [(Kind::Gone, "sync")]);
    assert_eq!(found(&[], &[ours.clone()], &[there.clone()]), [(Kind::NoItem, "person")]);
    let item_with = |change: fn(&mut Item)| {
        let mut other = item.clone();
        change(&mut other.item);
        other.incarnation.created.clone_from(&other.item.created);
        found(&[other], &[ours.clone()], &[there.clone()])
    };
    for (case, got, want) in [
        ("closed", item_with(|i| i.status = ItemStatus::Deleted), (Kind::Closed, "free")),
        (
            "number used again",
            item_with(|i| i.created = "2027-01-02 10:00:00".into()),
            (Kind::OtherIncarnation, "person"),
        ),
        ("another client", item_with(|i| i.client = ClientId(6)), (Kind::OtherClient, "person")),
        ("key", item_with(|i| i.params.lickey = None), (Kind::Key, "sync")),
        ("number", item_with(|i| i.params.licid = None), (Kind::Key, "sync")),
        ("suspended", item_with(|i| i.status = ItemStatus::Suspended), (Kind::Status, "sync")),
    ] {
        assert_eq!(got, [want], "{case}");
    }
    for (why, remedy) in [(GivenBack::NotFreed, "free"), (GivenBack::OperationUnfinished, "person")] {
        // Its other differences no longer matter.
        let mut given_back = ItemView { desired: Desired::Nothing, given_back: Some(why), ..item.clone() };
        given_back.item.params.lickey = None;
        let with = |seen: &[License]| found(&[given_back.clone()], &[ours.clone()], seen);
        assert_eq!(with(&[there.clone()]), [(Kind::GivenBack, remedy)]);
        assert_eq!(with(&[]), [(Kind::GivenBack, remedy)], "gone at the seller");
        let mut copy = view(43);
        copy.item.params.lickey = None;
        let both = found(&[given_back.clone(), copy], &[ours.clone()], &[there.clone()]);
        assert!(both.contains(&(Kind::GivenBack, "person")), "another service shows it: {both:?}");
    }
    let former = (Kind::OtherIncarnation, "person");
    let another = item_with(|i| (i.created, i.params.licid) = ("2027-01-02 10:00:00".into(), None));
    assert_eq!(another, [(Kind::NoLicense, "person"), former], "another service, which is paid for and has none");
    let suspended = item_with(|i| {
        (i.created, i.params.licid, i.status) = ("2027-01-02 10:00:00".into(), None, ItemStatus::Suspended);
    });
    assert_eq!(suspended, [former]);
    let another = crate::model::ids::LicenseKey::parse("5002-ABCDEF");
    let mut shows = item.clone();
    shows.item.params.lickey.clone_from(&another);
    let named = LicenseRow { key: another, ..ours.clone() };
    assert_eq!(found(&[shows], &[named], &[there.clone()]), [(Kind::KeyNumber, "person")], "ours nevertheless");
    let keyless = LicenseRow { key: None, ..ours.clone() };
    assert_eq!(found(&[item.clone()], &[keyless.clone()], &[there.clone()]), [(Kind::KeyLate, "sync")]);
    let for_an_hour = LicenseRow { since: now() - chrono::Duration::hours(1), ..keyless };
    assert_eq!(found(&[item.clone()], &[for_an_hour], &[there.clone()]), [], "an hour is not too long");
}

/// A paid service without a license. Its license was bought by hand, or two services show it.
#[test]
fn a_paid_service_without_a_license_is_given_one_or_named() {
    let item = view(42);
    assert_eq!(found(&[item.clone()], &[], &[]), [(Kind::NoLicense, "obtain")]);
    assert_eq!(found(&[item.clone()], &[], &[seen(7000, "")]), [(Kind::NoLicense, "person")], "one is there");
    let elsewhere = |name: &str| License { name: Some(name.into()), ip: "192.0.2.99".parse().ok(), ..seen(7000, "") };
    assert_eq!(found(&[item.clone()], &[], &[elsewhere("Item #42 shop")]), [(Kind::NoLicense, "person")], "its name");
    assert_eq!(found(&[item.clone()], &[], &[elsewhere("Item #42 other")]), [(Kind::NoLicense, "obtain")]);
    let mut unpaid = item.clone();
    unpaid.item.expires = Some(day("2027-01-01"));
    assert_eq!(found(&[unpaid], &[], &[]), []);
    let of_tariff = License { tariff: LicenseTariff::Id(UpstreamPricelistId(1)), ..seen(7000, "") };
    assert_eq!(found(&[item.clone()], &[], &[of_tariff]), [(Kind::NoLicense, "obtain")], "one of another tariff");
    let item_with = |change: fn(&mut Item)| {
        let mut other = item.clone();
        change(&mut other.item);
        found(&[other], &[], &[])
    };
    assert_eq!(item_with(|i| i.module = Some(ModuleId(8))), [], "another module's");
    assert_eq!(item_with(|i| i.module_program = "pmother".into()), [], "another program's");
    let twice = found(&[item.clone()], &[row(5001, &item)], &[seen(5001, MARK), seen(7000, "")]);
    assert_eq!(twice, [(Kind::Duplicate, "person")]);
    let mut other = view(43);
    other.desired = Desired::Nothing;
    let world =
        |other: ItemView| findings(Vec::new(), &[item.clone(), other], &[row(5001, &item)], &[seen(5001, MARK)]);
    let shared = world(other.clone());
    let seen: Vec<_> = shared.iter().map(|finding| (finding.kind, finding.remedy.word(), finding.item)).collect();
    assert_eq!(seen, [(Kind::TwoItems, "person", Some(ItemId(43)))], "the one that does not hold it");
    other.item.status = ItemStatus::Deleted;
    assert_eq!(world(other), [], "a closed one shows nothing to anybody");
}

/// Licenses that serve no service: to be freed, renewed automatically, or used by somebody.
#[test]
fn a_license_that_serves_nobody_is_freed_or_named() {
    let item = view(42);
    let free = |state| LicenseRow { state, incarnation: None, item: None, ..row(5001, &item) };
    let mut pooled = seen(5001, "pml-abcdefgh-free");
    (pooled.name, pooled.ip, pooled.status) = (Some(FREE_NAME.into()), Some(FREE_IP), LicenseStatus::Stopped);
    assert_eq!(found(&[], &[free(LicenseState::Pool)], &[pooled.clone()]), []);
    assert_eq!(found(&[], &[free(LicenseState::ToFree)], &[pooled.clone()]), [(Kind::ToFree, "free")]);
    let until = |moment| LicenseRow { not_before: Some(moment), ..free(LicenseState::ToFree) };
    assert_eq!(found(&[], &[until(now())], &[pooled.clone()]), [(Kind::ToFree, "free")], "its time has come");
    assert_eq!(found(&[], &[until(now() + chrono::Duration::hours(1))], &[pooled.clone()]), [], "not yet");
    let renewing = License { autoprolong: Some(true), ..pooled };
    assert_eq!(found(&[], &[free(LicenseState::Stopped)], &[renewing]), [(Kind::Autoprolong, "switch_off")]);
    assert_eq!(found(&[], &[free(LicenseState::Pool)], &[seen(5001, "")]), [(Kind::NotFree, "person")]);
    let theirs = License { autoprolong: Some(true), ..seen(5001, "pml-anotherp-1-1") };
    assert_eq!(
        found(&[], &[free(LicenseState::Pool)], &[theirs.clone()]),
        [(Kind::NotFree, "person")],
        "not ours to change"
    );
    let aside =
        |reason, seen| found(&[], &[LicenseRow { reason: Some(reason), ..free(LicenseState::Stopped) }], &[seen]);
    assert_eq!(aside(Reason::NotFree, theirs), [], "another installation's by now");
    assert_eq!(aside(Reason::NotFree, seen(5001, "shop 7")), [(Kind::NotFree, "person")], "put aside, in use");
    assert_eq!(aside(Reason::LeftToItsUser, seen(5001, "shop 7")), [], "left to its user");
}

/// Findings in short form, with the command for an operator.
fn commands(items: &[ItemView], rows: &[LicenseRow], upstream: &[License]) -> Vec<(Kind, String)> {
    let seen = |finding: Finding| {
        let command = finding.remedy.describe().en;
        let words = command.strip_prefix("you decide: ").unwrap_or_else(|| finding.remedy.word());
        (finding.kind, words.to_owned())
    };
    findings(Vec::new(), items, rows, upstream).into_iter().map(seen).collect()
}

/// A license that a service shows is in use, whatever our state says. The finding names the command that binds it; it
/// is not freed, and no other one is bought.
#[test]
fn a_shown_license_is_neither_freed_nor_bought_beside() {
    let (item, copy) = (view(42), view(43));
    let with = |view: &ItemView, change: fn(&mut Item)| {
        let mut view = view.clone();
        change(&mut view.item);
        view
    };
    let closed = with(&item, |item| item.status = ItemStatus::Deleted);
    let suspended = with(&item, |item| item.status = ItemStatus::Suspended);
    let (bound, mark) = (row(5001, &item), seen(5001, MARK));
    let dead = License { status: LicenseStatus::Deleted, ..mark.clone() };
    let theirs = seen(5001, "pml-anotherp-42-1");
    let pooled = LicenseRow { state: LicenseState::Pool, incarnation: None, ..bound.clone() };
    let freed = LicenseRow { state: LicenseState::ToFree, ..pooled.clone() };
    let free = License { name: Some(FREE_NAME.into()), ip: Some(FREE_IP), ..seen(5001, "pml-abcdefgh-free") };
    let bind = |words: &str| format!("pmisplicense bind {words}");
    let shown = |words: &str| (Kind::Shown, bind(words));
    for (case, items, rows, upstream, want) in [
        (
            "copied",
            vec![closed.clone(), copy.clone()],
            vec![bound.clone()],
            vec![mark.clone()],
            vec![(Kind::Closed, bind("43 5001")), shown("43 5001")],
        ),
        (
            "copied, the old row is gone",
            vec![copy.clone()],
            vec![bound.clone()],
            vec![mark.clone()],
            vec![(Kind::NoItem, bind("43 5001")), shown("43 5001")],
        ),
        (
            "both are open",
            vec![item.clone(), copy.clone()],
            vec![bound.clone()],
            vec![mark.clone()],
            vec![(Kind::TwoItems, "pmisplicense unbind 43".to_owned())],
        ),
        ("pooled by an earlier program", vec![copy.clone()], vec![pooled], vec![free], vec![shown("43 5001")]),
        (
            "about to be freed",
            vec![copy.clone()],
            vec![freed.clone()],
            vec![mark.clone()],
            vec![shown("43 5001"), (Kind::ToFree, bind("43 5001"))],
        ),
        (
            "about to be freed, and deleted at the seller",
            vec![copy.clone()],
            vec![freed],
            vec![dead],
            vec![(Kind::NoLicense, "obtain".to_owned()), (Kind::ToFree, "free".to_owned())],
        ),
        ("unknown", vec![item.clone()], vec![], vec![seen(5001, "")], vec![shown("42 5001")]),
        ("unknown, suspended", vec![suspended], vec![], vec![seen(5001, "")], vec![shown("42 5001")]),
        (
            "unknown, another installation's",
            vec![item.clone()],
            vec![],
            vec![theirs],
            vec![shown("42 5001 --take-from anotherp")],
        ),
        ("ours and lost", vec![item.clone()], vec![], vec![mark], vec![(Kind::Unclaimed, "bind".to_owned())]),
        ("nothing at the seller", vec![item.clone()], vec![], vec![], vec![(Kind::NoLicense, "obtain".to_owned())]),
        ("closed", vec![closed], vec![], vec![seen(5001, "")], vec![]),
    ] {
        let mut got = commands(&items, &rows, &upstream);
        got.sort();
        let mut want = want;
        want.sort();
        assert_eq!(got, want, "{case}");
    }
    let other = seen(5009, "");
    let behind = with(&item, |item| item.params.licid = Some(LicenseId(5009)));
    let got = commands(&[behind], &[bound], &[seen(5001, MARK), other]);
    assert!(got.contains(&shown("42 5009 --replace")), "{got:?}");
}
