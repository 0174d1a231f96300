//! The table of cases: one license or service each, what is found, and what would be done.

use super::*;
use crate::model::hosting::{AddLicense, InvoiceOption, PRODUCT_LINES};
use crate::model::ids::{
    AccountId, ClientId, IntentId, ItemId, LicenseId, LicenseKey, ModuleId, PricelistId, UpstreamPricelistId,
};
use crate::model::item::{Item, ItemParams};
use crate::model::journal::{Incarnation, OnceRequest};
use crate::model::license::{Expiry, Family, LicenseStatus};
use crate::model::period::Period;
use crate::plan::change::DesiredLicense;
use crate::plan::hosting::explain::{Question, explain};

const ORDER: LicenseId = LicenseId(4001);

fn now() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2027-01-10T12:00:00Z").expect("a moment").to_utc()
}

fn facts() -> SurveyFacts {
    SurveyFacts { now: now(), today: now().date_naive(), removes: true, price: Money::parse("800.00", "RUB") }
}

fn view() -> ItemView {
    let item = Item {
        id: ItemId(42),
        name: "shop".into(),
        client: ClientId(5),
        parent: None,
        tariff: PricelistId(17),
        tariff_intname: "whmcs".into(),
        itemtype: "soft".into(),
        module: Some(ModuleId(8)),
        module_program: "pmisplicense".into(),
        period: Period::from_panel(1),
        status: ItemStatus::Active,
        expires: "2027-02-01".parse().ok(),
        created: "2026-12-01 10:00:00".into(),
        previous_tariff: None,
        params: ItemParams { licid: Some(ORDER), lickey: LicenseKey::parse("KEY-1"), ..ItemParams::default() },
        addons: Vec::new(),
        ips: Vec::new(),
    };
    let incarnation = Incarnation { item: item.id, created: item.created.clone(), closes: 0 };
    let desired = Desired::License(DesiredLicense {
        internal_name: "whmcs".into(),
        pricelist: UpstreamPricelistId(0),
        ip: None,
        remoteip: None,
        licname: "shop".into(),
        nodes: None,
    });
    ItemView {
        item,
        incarnation,
        known_client: Some(ClientId(5)),
        desired,
        holds: Binding::Present,
        shown: Shown::Own,
        buys_elsewhere: false,
        given_back: None,
        price: None,
    }
}

fn row() -> LicenseRow {
    LicenseRow {
        account: AccountId(1),
        id: ORDER,
        family: Family::Orderbox,
        module: ModuleId(8),
        state: LicenseState::Bound,
        incarnation: Some(view().incarnation.to_string()),
        item: Some(ItemId(42)),
        internal_name: "whmcs".into(),
        mark: None,
        pricelist: UpstreamPricelistId(0),
        nodes: None,
        changes: 0,
        name: String::new(),
        kept_name: None,
        ip: None,
        last_ip: None,
        status: LicenseStatus::Active,
        key: LicenseKey::parse("KEY-1"),
        key_before: None,
        created: None,
        expires: Expiry::Unknown,
        ip_changed: None,
        key_changed: None,
        since: now() - chrono::Duration::days(9),
        not_before: None,
        reason: None,
        domains: None,
        remoteip: None,
    }
}

fn order(key: &str) -> HostingOrder {
    HostingOrder {
        id: ORDER,
        domain: "a.example".into(),
        status: "Active".into(),
        customer: "7".into(),
        ends: Some(now() + chrono::Duration::days(20)),
        recurring: false,
        key: LicenseKey::parse(key),
        action: "0".into(),
    }
}

/// What is found for a row and its service, as kind and remedy.
fn found(change: impl FnOnce(&mut LicenseRow, &mut Option<ItemView>, &mut Sight)) -> Vec<(Kind, String)> {
    let (mut row, mut view, mut sight) = (row(), Some(view()), Sight::Seen(order("KEY-1")));
    change(&mut row, &mut view, &mut sight);
    let found = facts().row(&row, view.as_ref(), &sight);
    found.iter().map(|one| (one.kind, one.remedy_words().en)).collect()
}

fn one(kind: Kind, remedy: &str) -> Vec<(Kind, String)> {
    vec![(kind, remedy.to_owned())]
}

/// The license of a service that lives.
#[test]
fn each_difference_of_a_serving_license_has_its_remedy() {
    assert_eq!(found(|_, _, _| {}), []);
    let decide = |words: &str| format!("you decide: pmisplicense {words}");
    let right = "save number and key of hosting order 4001 to service 42";
    assert_eq!(found(|_, _, sight| *sight = Sight::Missing), one(Kind::Gone, &decide("show license:4001")));
    let unreadable = |_: &mut LicenseRow, _: &mut Option<ItemView>, sight: &mut Sight| {
        *sight = Sight::Unreadable(Text::same("away"));
    };
    assert_eq!(found(unreadable), one(Kind::Unreadable, &decide("show license:4001")));
    assert_eq!(found(|_, _, sight| *sight = Sight::Seen(order(""))), one(Kind::Gone, &decide("history 42")));
    assert_eq!(found(|_, _, sight| *sight = Sight::Seen(order("KEY-2"))), one(Kind::Key, right));
    let no_number = |_: &mut LicenseRow, view: &mut Option<ItemView>, _: &mut Sight| {
        view.iter_mut().for_each(|view| view.item.params.licid = None);
    };
    assert_eq!(found(no_number), one(Kind::Key, right));
    let late_words = "ask the seller. If its panel shows no license there: pmisplicense resolve 42 --not-bought";
    let late = |minutes: i64| {
        found(|row, _, sight| {
            (row.key, row.since) = (None, now() - chrono::Duration::minutes(minutes));
            *sight = Sight::Seen(order(""));
        })
    };
    assert_eq!((late(59), late(61)), (vec![], one(Kind::KeyLate, late_words)));
    let stopped = HostingOrder { status: "Suspended".into(), ..order("KEY-1") };
    assert_eq!(found(|_, _, sight| *sight = Sight::Seen(stopped)), one(Kind::Status, &decide("show 42")));
}

/// Services that are not what they were.
#[test]
fn a_license_of_a_changed_or_missing_service_is_named() {
    let decide = |words: &str| format!("you decide: pmisplicense {words}");
    assert_eq!(found(|_, view, _| *view = None), one(Kind::NoItem, &decide("show license:4001")));
    let other_incarnation = |row: &mut LicenseRow, _: &mut Option<ItemView>, _: &mut Sight| {
        row.incarnation = Some("42/2025-01-01/0".into());
    };
    assert_eq!(found(other_incarnation), one(Kind::OtherIncarnation, &decide("bind 42 4001")));
    let of_view = |change: fn(&mut ItemView)| found(|_, view, _| view.iter_mut().for_each(change));
    assert_eq!(of_view(|view| view.known_client = Some(ClientId(6))), one(Kind::OtherClient, &decide("bind 42 4001")));
    assert_eq!(of_view(|view| view.item.status = ItemStatus::Deleted), one(Kind::Closed, "free license 4001"));
}

/// Licenses that nobody uses.
#[test]
fn a_license_given_back_is_freed_only_with_its_own_key() {
    let given_back = |state: LicenseState, known: &str, key: &str, removes: bool| {
        let row = LicenseRow { state, incarnation: None, key: LicenseKey::parse(known), ..row() };
        let facts = SurveyFacts { removes, ..facts() };
        let found = facts.row(&row, None, &Sight::Seen(order(key)));
        found.iter().map(|one| (one.kind, one.remedy.word())).collect::<Vec<_>>()
    };
    let (to_free, kept) = (LicenseState::ToFree, LicenseState::Stopped);
    assert_eq!(given_back(to_free, "KEY-1", "KEY-1", true), [(Kind::ToFree, "free")]);
    assert_eq!(given_back(to_free, "KEY-1", "KEY-1", false), [(Kind::ToFree, "person")]);
    assert_eq!(given_back(to_free, "KEY-1", "KEY-2", true), [(Kind::Key, "sync")], "an operator is asked");
    assert_eq!(given_back(to_free, "KEY-1", "", true), [(Kind::ToFree, "sync")]);
    assert_eq!(given_back(to_free, "", "", true), [], "its key is still to come");
    assert_eq!(given_back(kept, "KEY-1", "KEY-1", true), []);
    assert_eq!(given_back(kept, "KEY-1", "", true), [(Kind::Gone, "sync")]);
    assert_eq!(given_back(LicenseState::Deleted, "KEY-1", "KEY-1", true), []);
}

fn intent(status: IntentStatus) -> Intent {
    let add = AddLicense {
        order: ORDER,
        name: "whmcs".into(),
        line: PRODUCT_LINES[0],
        invoice: InvoiceOption::NoInvoice,
        action_before: "0".into(),
        seller_time: None,
        ended_before: Vec::new(),
        months: 1,
    };
    Intent {
        id: IntentId(3),
        key: "k".into(),
        item: Some(ItemId(42)),
        account: AccountId(1),
        request: OnceRequest::AddLicense(add),
        highest_license: None,
        recorded_at: now(),
        clean_look_at: None,
        status,
        license: None,
        operation: None,
        settle_s: None,
    }
}

/// Services without a license, requests in doubt, and orders that nobody has.
#[test]
fn services_requests_in_doubt_and_orders_without_a_row_are_named() {
    let service = |change: fn(&mut ItemView), is_in_doubt| {
        let mut view = ItemView { holds: Binding::Nothing, shown: Shown::Nothing, ..view() };
        change(&mut view);
        facts().service(&view, is_in_doubt).map(|one| (one.kind, one.remedy))
    };
    let bind = Remedy::Operator("pmisplicense bind 42 4001".into());
    assert_eq!(service(|_| {}, false), Some((Kind::NoLicense, Remedy::Obtain(ItemId(42)))));
    assert_eq!(service(|_| {}, true), None);
    assert_eq!(service(|view| view.holds = Binding::Present, false), None);
    assert_eq!(service(|view| view.desired = Desired::Nothing, false), None);
    assert_eq!(service(|view| view.item.status = ItemStatus::Suspended, false), None);
    assert_eq!(service(|view| view.shown = Shown::Unknown(ORDER), false), Some((Kind::Shown, bind)));
    let in_doubt = |status| (facts().in_doubt(&intent(status)).kind, facts().in_doubt(&intent(status)).remedy);
    assert_eq!(in_doubt(IntentStatus::InDoubt), (Kind::InDoubt, Remedy::Look(ItemId(42))));
    let resolve = Remedy::Operator("pmisplicense show license:4001".into());
    assert_eq!(in_doubt(IntentStatus::HandedOver), (Kind::HandedOver, resolve));
    let unclaimed = facts().unclaimed(&order("KEY-9"));
    assert_eq!(
        (unclaimed.kind, unclaimed.remedy),
        (Kind::Unclaimed, Remedy::Operator("pmisplicense bind ITEM 4001".into()))
    );
    assert_eq!(unclaimed.cost.as_deref(), Some("800.00 RUB a month"));
}

/// explain says nothing of addresses, names and renewals, which such a license does not have.
#[test]
fn explain_says_only_what_such_a_license_has() {
    let lines = |change: fn(&mut LicenseRow), sight: Sight| {
        let (view, mut row) = (view(), row());
        change(&mut row);
        let rows = [row];
        let bound = rows.iter().find(|row| row.state == LicenseState::Bound).map(|row| (row, &sight));
        let (settle_s, removes, today) = (900, true, now().date_naive());
        let question = Question { view: &view, bound, rows: &rows, open: &[], settle_s, removes, today, price: None };
        explain(&question).into_iter().map(|line| line.what.en).collect::<Vec<_>>().join("; ")
    };
    let seen = |key: &str| Sight::Seen(order(key));
    for (said, want) in [
        (lines(|_| {}, seen("KEY-1")), "nothing: the license lasts as long as hosting order 4001, until 2027-01-30"),
        (lines(|_| {}, seen("KEY-2")), "number and key of hosting order 4001 are saved"),
        (lines(|_| {}, seen("")), "hosting order 4001 has no license any more"),
        (lines(|row| row.key = None, seen("")), "hosting order 4001 has no key yet"),
        (lines(|_| {}, Sight::Missing), "hosting order 4001 has no license any more"),
        (lines(|row| row.state = LicenseState::ToFree, seen("KEY-1")), "the license of hosting order 4001 is removed"),
    ] {
        assert!(said.starts_with(want), "{said}");
    }
}
