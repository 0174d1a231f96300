//! Tables of cases for taking over: which evidence names which service, which licenses are bound, and which are left
//! alone and why.

use super::evidence::{item_of_name, item_of_remoteid};
use super::*;
use crate::model::ids::{Mark, UpstreamAddonId, UpstreamPricelistId};
use crate::model::item::test_item;
use crate::model::license::{LicenseTariff, test_license};
use crate::model::license_row::test_row;

fn panel() -> PanelId {
    PanelId::from_bytes([0; 8])
}

fn mark(panel: PanelId) -> Mark {
    Mark::Order { panel, item: ItemId(42), number: 1 }
}

/// License 5001 as the vendor's own module ordered it for service 42.
fn license() -> License {
    License { name: Some("Item #42 shop".into()), remoteid: RemoteId::Text("42".into()), ..test_license(5001) }
}

fn service() -> Service {
    let desired = DesiredLicense {
        internal_name: "55227".into(),
        pricelist: UpstreamPricelistId(55227),
        ip: "192.0.2.10".parse().ok(),
        remoteip: None,
        licname: "shop".into(),
        nodes: None,
    };
    let desired = Desired::License(desired);
    Service { item: test_item(42), desired, handler: Handler::Ours, bound: None, ordering: false, settled: false }
}

/// The services that a license names: by name and remoteid in the vendor's spelling only, and by the panel's data.
#[test]
fn a_license_names_services_only_in_the_vendors_spelling() {
    for (name, item) in [
        ("Item #42 shop", Some(42)),
        ("Item #42 addon shop", Some(42)),
        ("Item #42", Some(42)),
        ("Item #42shop", None),
        ("Item #", None),
        ("Item #0 x", None),
        ("Item #+42 x", None),
        ("item #42 x", None),
        ("my Item #42 x", None),
        ("Item #99999999999 x", None),
    ] {
        assert_eq!(item_of_name(name).map(|item| item.0), item, "{name}");
    }
    for (remoteid, item) in [("42", Some(42)), ("l42", None), ("", None), ("4 2", None), ("pml-abcdefgh-42-1", None)] {
        assert_eq!(item_of_remoteid(&RemoteId::Text(remoteid.into())).map(|item| item.0), item, "{remoteid}");
    }
    let found = named(&license(), &BTreeSet::from([ItemId(42), ItemId(43)]));
    let all = BTreeSet::from([Evidence::Licid, Evidence::RemoteId, Evidence::Name]);
    assert_eq!(found, Named::from([(ItemId(42), all), (ItemId(43), BTreeSet::from([Evidence::Licid]))]));
}

/// The license of a server's addon has the number of the addon's row as its remoteid. Its name gives the server.
#[test]
fn an_addons_license_is_its_servers() {
    let with = |name: &str, remoteid: &str| License {
        name: Some(name.into()),
        remoteid: RemoteId::Text(remoteid.into()),
        ..license()
    };
    let by = |seen: &License| named(seen, &BTreeSet::new());
    let name = |item| Named::from([(ItemId(item), BTreeSet::from([Evidence::Name]))]);
    assert_eq!(addon_of(&with("Item #42 addon shop", "45")), Some((ItemId(42), ItemId(45))));
    assert_eq!(by(&with("Item #42 addon shop", "45")), name(42), "45 is no service");
    for (other, remoteid) in [("Item #42 addon shop", "42"), ("Item #42 addons", "45"), ("Item #42 shop", "45")] {
        assert_eq!(addon_of(&with(other, remoteid)), None, "{other} {remoteid}");
    }
    assert_eq!(by(&with("Item #42 shop", "45")).len(), 2, "an operator decides");
}

/// If several services fit, an operator must decide, unless one has decided already.
#[test]
fn an_operator_decides_where_several_services_fit() {
    let by = |all: &[(u32, Evidence)]| -> Named {
        all.iter().map(|(item, by)| (ItemId(*item), BTreeSet::from([*by]))).collect()
    };
    let pick = |named: &Named| only_one(LicenseId(5001), named).map_err(|(left, _)| left);
    assert_eq!(pick(&by(&[(42, Evidence::Name)])), Ok(ItemId(42)));
    assert_eq!(pick(&by(&[(42, Evidence::Name), (43, Evidence::Licid)])), Err(WhyLeft::TwoItems));
    assert_eq!(pick(&by(&[(42, Evidence::Map), (43, Evidence::Licid)])), Ok(ItemId(42)));
    assert_eq!(pick(&by(&[(42, Evidence::Map), (43, Evidence::Map)])), Err(WhyLeft::TwoItems));
    assert_eq!(pick(&Named::new()), Err(WhyLeft::Foreign));
}

/// What may be taken over at all.
#[test]
fn a_freed_or_stopped_license_is_not_taken_over() {
    let row = |state| LicenseRow { state, ..test_row(5001) };
    for (state, want) in [
        (LicenseState::Bound, true),
        (LicenseState::Claimed, true),
        (LicenseState::Deleted, true),
        (LicenseState::Pool, false),
        (LicenseState::ToFree, false),
        (LicenseState::Stopped, false),
    ] {
        assert_eq!(is_candidate(&license(), Some(&row(state))), want, "{state:?}");
    }
    let free = License { name: Some("free.lic".into()), ip: "0.0.0.0".parse().ok(), ..license() };
    assert!(!is_candidate(&free, None));
    assert!(!is_candidate(&License { status: LicenseStatus::Deleted, ..license() }, None));
}

fn word(seen: &License, row: Option<&LicenseRow>, service: Option<&Service>, by: &[Evidence]) -> &'static str {
    match judge(seen, row, &panel(), ItemId(42), service, &by.iter().copied().collect()) {
        Verdict::Bind => "bind",
        Verdict::Mark => "mark",
        Verdict::Done => "done",
        Verdict::Leave(left, why) => {
            assert!(!why.en.is_empty() && !why.ru.is_empty());
            left.word()
        }
    }
}

/// The guards of docs/money-safety.md 5, one by one: a license is left alone if it belongs to somebody else, is
/// unclear, or would cause a change or a purchase.
#[test]
fn a_license_that_is_unclear_or_used_by_others_is_left_alone() {
    let with = |change: &dyn Fn(&mut Service)| {
        let mut service = service();
        change(&mut service);
        Some(service)
    };
    let other = |left| with(&|s| s.handler = Handler::Other(left, text!("why", "почему")));
    let desired = |change: &dyn Fn(&mut DesiredLicense)| {
        with(&|s| {
            if let Desired::License(desired) = &mut s.desired {
                change(desired);
            }
        })
    };
    let seen = |change: &dyn Fn(&mut License)| {
        let mut seen = license();
        change(&mut seen);
        seen
    };
    let same = license();
    let addon = UpstreamAddonId(55236);
    let licid = &[Evidence::Licid][..];
    for (want, seen, service) in [
        ("bind", same.clone(), with(&|_| ())),
        ("bind", same.clone(), with(&|s| s.item.status = ItemStatus::Suspended)),
        ("bind", seen(&|l| l.status = LicenseStatus::Stopped), with(&|_| ())),
        ("bind", seen(&|l| l.tariff = LicenseTariff::Name("Lite".into())), with(&|_| ())),
        ("bind", seen(&|l| l.ip = None), desired(&|t| t.ip = None)),
        ("no_item", same.clone(), None),
        ("closed", same.clone(), with(&|s| s.item.status = ItemStatus::Deleted)),
        ("not_open", same.clone(), with(&|s| s.item.status = ItemStatus::Ordered)),
        ("not_moved", same.clone(), other(WhyLeft::NotMoved)),
        ("own_server", same.clone(), other(WhyLeft::OwnServer)),
        ("other_module", same.clone(), other(WhyLeft::OtherModule)),
        ("order_open", same.clone(), with(&|s| s.ordering = true)),
        ("has_license", same.clone(), with(&|s| s.bound = Some(LicenseId(7)))),
        ("no_panel", same.clone(), with(&|s| s.desired = Desired::Nothing)),
        ("no_panel", same.clone(), with(&|s| s.desired = Desired::Unclear(text!("why", "почему")))),
        ("tariff", same.clone(), desired(&|t| t.pricelist = UpstreamPricelistId(55228))),
        ("ip", same.clone(), desired(&|t| t.ip = "192.0.2.11".parse().ok())),
        ("nodes", seen(&|l| l.addons = [(addon, 2)].into()), desired(&|t| t.nodes = Some((addon, 1)))),
        ("bind", seen(&|l| l.addons = [(addon, 2)].into()), desired(&|t| t.nodes = Some((addon, 2)))),
        ("unpaid", seen(&|l| l.status = LicenseStatus::Ordered), with(&|_| ())),
        ("not_ready", seen(&|l| l.status = LicenseStatus::Processing), with(&|_| ())),
        ("not_ready", seen(&|l| l.status = LicenseStatus::Unknown(9)), with(&|_| ())),
        ("not_ready", seen(&|l| l.changing = true), with(&|_| ())),
        ("unowned", seen(&|l| l.remoteid = RemoteId::Text(mark(panel()).to_string())), with(&|_| ())),
        (
            "other_panel",
            seen(&|l| l.remoteid = RemoteId::Text(mark(PanelId::from_bytes([9; 8])).to_string())),
            with(&|_| ()),
        ),
    ] {
        assert_eq!(word(&seen, None, service.as_ref(), licid), want, "{seen:?}\n{service:?}");
    }
}

/// A number alone may come from another panel. It counts only with the address, or with the exact name of the service.
#[test]
fn a_number_counts_only_with_the_address_or_the_exact_name() {
    let mut without_ip = service();
    if let Desired::License(desired) = &mut without_ip.desired {
        desired.ip = None;
    }
    let renamed = License { name: Some("Item #42 other".into()), ..license() };
    for by in [Evidence::RemoteId, Evidence::Name] {
        assert_eq!(word(&renamed, None, Some(&service()), &[by]), "bind", "the same address");
        assert_eq!(word(&license(), None, Some(&without_ip), &[by]), "bind", "the same name");
        assert_eq!(word(&renamed, None, Some(&without_ip), &[by]), "unsure");
    }
    for by in [Evidence::Map, Evidence::Licid, Evidence::Address] {
        assert_eq!(word(&renamed, None, Some(&without_ip), &[by]), "bind", "{by:?}");
    }
}

/// For a bound license, there is nothing left to do, or the mark is missing, or an earlier run did not finish. A
/// license that serves another service is left alone.
#[test]
fn a_bound_license_only_gets_what_an_earlier_run_left_undone() {
    let ours = mark(panel());
    let row = |mark: Option<Mark>| LicenseRow { mark, ..test_row(5001) };
    let mut done = service();
    (done.bound, done.settled) = (Some(LicenseId(5001)), true);
    done.item.params.licid = Some(LicenseId(5001));
    let marked = License { remoteid: RemoteId::Text(ours.to_string()), ..license() };
    let silent = License { remoteid: RemoteId::Absent, ..license() };
    let by = &[Evidence::Licid][..];
    assert_eq!(word(&marked, Some(&row(Some(ours.clone()))), Some(&done), by), "done");
    assert_eq!(word(&silent, Some(&row(Some(ours.clone()))), Some(&done), by), "done");
    assert_eq!(word(&license(), Some(&row(Some(ours.clone()))), Some(&done), by), "mark", "killed before the mark");
    assert_eq!(word(&license(), Some(&row(None)), Some(&done), by), "mark");
    let unsettled = Service { settled: false, ..done.clone() };
    assert_eq!(word(&license(), Some(&row(None)), Some(&unsettled), by), "bind", "killed after the binding");
    let mut unsaved = done.clone();
    unsaved.item.params.licid = None;
    assert_eq!(word(&license(), Some(&row(None)), Some(&unsaved), by), "bind", "killed before the saving");
    let elsewhere = LicenseRow { item: Some(ItemId(43)), ..row(None) };
    assert_eq!(word(&license(), Some(&elsewhere), Some(&done), by), "held");
}

/// Of two licenses for one service neither is bound. A pair that is left alone already does not count.
#[test]
fn of_two_licenses_for_one_service_neither_is_bound() {
    let gone = || Verdict::Leave(WhyLeft::Gone, text!("gone", "нет"));
    let mut list = [
        (LicenseId(1), ItemId(42), Verdict::Bind),
        (LicenseId(2), ItemId(42), Verdict::Bind),
        (LicenseId(3), ItemId(43), Verdict::Bind),
        (LicenseId(4), ItemId(43), gone()),
    ];
    refuse_doubles(list.iter_mut().map(|(license, item, verdict)| (*license, *item, verdict)));
    let is_double = |verdict: &Verdict| matches!(verdict, Verdict::Leave(WhyLeft::TwoLicenses, _));
    assert_eq!(list.each_ref().map(|(.., verdict)| is_double(verdict)), [true, true, false, false]);
    assert_eq!((&list[2].2, &list[3].2), (&Verdict::Bind, &gone()));
}
