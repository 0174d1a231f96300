//! The tables of cases: who the service is, from whom a license is taken, with which mark and product it is bound.

use super::*;
use crate::model::item::{ItemParams, test_item};
use crate::model::license::{LicenseTariff, RemoteId, test_license};
use crate::model::license_row::test_row;

const LICENSE: LicenseId = LicenseId(5001);

fn panel(id: &str) -> PanelId {
    PanelId::parse(id).expect("an id")
}

fn marked(mark: &str) -> License {
    License { remoteid: RemoteId::Text(mark.into()), ..test_license(LICENSE.0) }
}

/// An operator accepts a new client, and an incarnation that only lacks this license. Everything else stops the
/// command.
#[test]
fn an_operator_accepts_a_new_client_and_an_incarnation_that_lacks_this_license() {
    let (known, other) = (ClientId(77), LicenseId(5009));
    for (case, standing, want) in [
        ("the same", Standing::Same, Accepted::Known),
        ("a new client", Standing::NewClient(known), Accepted::NewClient(known)),
        (
            "a new client of a service with a license",
            Standing::OtherClient { known, bound: Some(other) },
            Accepted::NewClient(known),
        ),
        (
            "an order of the former client is in doubt",
            Standing::OtherClient { known, bound: None },
            Accepted::OrderInDoubt(known),
        ),
        ("the former incarnation holds this license", Standing::OtherIncarnation { bound: LICENSE }, Accepted::Known),
        (
            "the former incarnation holds another",
            Standing::OtherIncarnation { bound: other },
            Accepted::OtherIncarnation(other),
        ),
    ] {
        assert_eq!(accepted(standing, LICENSE), want, "{case}");
    }
}

/// A license is taken from a service only by an operator, and only for the service that shows it.
#[test]
fn a_license_is_taken_from_a_service_only_by_an_operator_for_the_service_that_shows_it() {
    let shows = |licid| Item { params: ItemParams { licid, ..ItemParams::default() }, ..test_item(43) };
    let (item, other) = (shows(Some(LICENSE)), shows(None));
    let of = |id| LicenseRow { incarnation: Some("incarnation".into()), item: Some(ItemId(id)), ..test_row(LICENSE.0) };
    let free = LicenseRow { incarnation: None, ..of(42) };
    for (case, got, want) in [
        ("unknown to our state", source(&item, LICENSE, None, true), Source::Nobody),
        ("free", source(&item, LICENSE, Some(&free), false), Source::Nobody),
        ("its own", source(&item, LICENSE, Some(&of(43)), false), Source::Nobody),
        ("shown", source(&item, LICENSE, Some(&of(42)), true), Source::Service(ItemId(42))),
        ("shown, no operator", source(&item, LICENSE, Some(&of(42)), false), Source::Stays(ItemId(42))),
        ("not shown", source(&other, LICENSE, Some(&of(42)), true), Source::Stays(ItemId(42))),
    ] {
        assert_eq!(got, want, "{case}");
    }
}

/// The mark of another installation is an obstacle, unless the operator named just that installation.
#[test]
fn a_mark_of_another_installation_needs_the_operators_consent() {
    let (ours, theirs) = (panel("abcdefgh"), panel("anotherp"));
    let take_from = |id: &str| Consent { take_from: Some(panel(id)), ..Consent::default() };
    // Bought when the installation had another id than now.
    let row = LicenseRow { mark: Mark::parse("pml-formerid-42-1"), ..test_row(LICENSE.0) };
    for (case, mark, consent, is_obstacle) in [
        ("none", "", Consent::default(), false),
        ("ours, of a former id", "pml-formerid-42-1", Consent::default(), false),
        ("not a mark", "shop", Consent::default(), false),
        ("ours", "pml-abcdefgh-42-1", Consent::default(), false),
        ("theirs", "pml-anotherp-42-1", Consent::default(), true),
        ("theirs, free", "pml-anotherp-free", Consent::default(), true),
        ("theirs, agreed", "pml-anotherp-42-1", take_from("anotherp"), false),
        ("theirs, agreed to a third", "pml-anotherp-42-1", take_from("thirdone"), true),
    ] {
        let found = mark_of_another(&marked(mark), Some(&row), &ours, &consent);
        assert_eq!(found.map(|mark| mark.panel().clone()), is_obstacle.then(|| theirs.clone()), "{case}");
    }
}

/// A mark that says for which service the license was bought stays. Any other is replaced, if a mark is given at all.
#[test]
fn a_mark_of_the_service_stays_and_any_other_is_replaced() {
    let own = Mark::parse("pml-abcdefgh-42-1").expect("a mark");
    for (case, mark, marks, want) in [
        ("its own", "pml-abcdefgh-42-1", true, MarkThen::Kept(own.clone())),
        ("its own, none is given", "pml-abcdefgh-42-1", false, MarkThen::Kept(own)),
        ("of another service", "pml-abcdefgh-43-1", true, MarkThen::Next),
        ("of another service, none is given", "pml-abcdefgh-43-1", false, MarkThen::AsRecorded),
        ("free", "pml-abcdefgh-free", true, MarkThen::Next),
        ("of another installation", "pml-anotherp-42-1", true, MarkThen::Next),
        ("none", "", true, MarkThen::Next),
        ("none, none is given", "", false, MarkThen::AsRecorded),
    ] {
        assert_eq!(mark_then(&marked(mark), &panel("abcdefgh"), ItemId(42), marks), want, "{case}");
    }
}

/// A license in use keeps its name. One that an operator binds has the name of its own product, if the catalogue knows
/// it. Otherwise the product that the service asks for gives the name.
#[test]
fn a_license_is_bound_with_the_name_of_its_product() {
    let catalogue = Catalogue::builtin();
    let asked = catalogue.by_pricelist(UpstreamPricelistId(55227)).expect("built in");
    let other = catalogue.iter().find(|product| product.pricelist != asked.pricelist).expect("built in");
    let used =
        LicenseRow { incarnation: Some("incarnation".into()), internal_name: "55228".into(), ..test_row(LICENSE.0) };
    let free = LicenseRow { incarnation: None, ..used.clone() };
    let tariff = Some(other.pricelist);
    for (case, row, tariff, is_certain, want) in [
        ("in use", Some(&used), tariff, true, "55228"),
        ("free, of another product", Some(&free), tariff, true, other.internal_name.as_str()),
        ("unknown, of another product", None, tariff, true, other.internal_name.as_str()),
        ("of another product, not certain", None, tariff, false, "55227"),
        ("of no product that we know", None, Some(UpstreamPricelistId(1)), true, "55227"),
        ("its tariff is not shown", None, None, true, "55227"),
    ] {
        assert_eq!(name_then(row, tariff, is_certain, &catalogue, asked), want, "{case}");
    }
    let named = |tariff| License { tariff, ..test_license(LICENSE.0) };
    assert!(fits(&named(LicenseTariff::Id(asked.pricelist)), [other, asked]), "one of the two is enough");
    assert!(!fits(&named(LicenseTariff::Id(other.pricelist)), [asked, asked]));
    assert!(fits(&named(LicenseTariff::Absent), [asked, asked]), "nothing is known");
}
