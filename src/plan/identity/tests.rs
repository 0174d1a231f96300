//! The tables of cases: who a service is, what it shows, whose key a license has.
use super::*;
use crate::model::item::test_item;
use crate::model::license::{FREE_IP, FREE_NAME, RemoteId, test_license};
use crate::model::license_row::test_row;

const CLIENT: ClientId = ClientId(5);

fn incarnation() -> Incarnation {
    Incarnation { item: ItemId(42), created: "2026-11-01".into(), closes: 0 }
}

/// License 5001 in a state. If it is bound, it belongs to the present incarnation.
fn row(state: LicenseState) -> LicenseRow {
    let row = LicenseRow { state, ..test_row(5001) };
    let incarnation = is_bound(&row).then(|| incarnation().to_string());
    LicenseRow { incarnation, ..row }
}

fn of(item: u32, state: LicenseState) -> LicenseRow {
    let other = Incarnation { item: ItemId(item), ..incarnation() };
    let row = row(state);
    let incarnation = row.incarnation.is_some().then(|| other.to_string());
    LicenseRow { item: Some(ItemId(item)), incarnation, ..row }
}

/// A changed client matters only if there is a license or an order in doubt. Another incarnation matters only while it
/// holds a license.
#[test]
fn a_service_is_judged_by_client_and_incarnation() {
    use LicenseState as S;
    let former = LicenseRow { incarnation: Some("42/2020-02-02/0".into()), ..row(S::Bound) };
    let (other, bound) = (Some(ClientId(77)), LicenseId(5001));
    for (case, known, rows, ordering, want) in [
        ("never seen", None, vec![], false, Standing::Same),
        ("as recorded", Some(CLIENT), vec![row(S::Bound)], false, Standing::Same),
        ("its former license is pooled", Some(CLIENT), vec![row(S::Pool)], false, Standing::Same),
        ("another client, nothing held", other, vec![row(S::Pool)], false, Standing::NewClient(ClientId(77))),
        (
            "another client",
            other,
            vec![row(S::Bound)],
            false,
            Standing::OtherClient { known: ClientId(77), bound: Some(bound) },
        ),
        (
            "another client, taking",
            other,
            vec![row(S::Claimed)],
            false,
            Standing::OtherClient { known: ClientId(77), bound: Some(bound) },
        ),
        (
            "another client, an order in doubt",
            other,
            vec![],
            true,
            Standing::OtherClient { known: ClientId(77), bound: None },
        ),
        ("another incarnation", None, vec![former.clone()], false, Standing::OtherIncarnation { bound }),
        ("both", other, vec![former], false, Standing::OtherIncarnation { bound }),
    ] {
        let item = Item { client: CLIENT, ..test_item(42) };
        assert_eq!(standing(&item, &incarnation(), known, &rows, ordering), want, "{case}");
    }
}

/// The license that a service shows counts as evidence, unless our state took it from this same service.
#[test]
fn a_shown_license_is_judged_by_who_holds_it() {
    use LicenseState as S;
    let shows = LicenseId(5001);
    let mut item = test_item(42);
    assert_eq!(shown(&item, &incarnation(), Some(&row(S::Bound)), true), Shown::Nothing);
    item.params.licid = Some(shows);
    for (case, row, was_its, want) in [
        ("held", Some(row(S::Bound)), true, Shown::Own),
        ("being taken", Some(row(S::Claimed)), false, Shown::Own),
        ("given back", Some(row(S::Pool)), false, Shown::Former),
        ("waits to be freed", Some(row(S::ToFree)), false, Shown::Former),
        ("given back, another's by now", Some(of(43, S::Bound)), true, Shown::Former),
        ("given back, unknown by now", None, true, Shown::Former),
        ("deleted", Some(of(41, S::Deleted)), false, Shown::Former),
        ("another's", Some(of(41, S::Bound)), false, Shown::Elsewhere(shows, Some(ItemId(41)))),
        ("pooled, another's before", Some(of(41, S::Pool)), false, Shown::Elsewhere(shows, None)),
        ("to be freed, another's before", Some(of(41, S::ToFree)), false, Shown::Elsewhere(shows, None)),
        ("unknown", None, false, Shown::Unknown(shows)),
    ] {
        assert_eq!(shown(&item, &incarnation(), row.as_ref(), was_its), want, "{case}");
    }
}

/// No client sees a key that another client has. A key is kept only for the service that has it already, and for a
/// license that no client of ours had.
#[test]
fn a_key_is_kept_only_for_who_may_know_it() {
    use KeyFate::{Kept, New};
    use LicenseState as S;
    let panel = PanelId::parse("abcdefgh").expect("eight letters");
    let marked = |mark: &str| License { remoteid: RemoteId::Text(mark.into()), ..test_license(5001) };
    let (plain, free) =
        (marked("4711"), License { name: Some(FREE_NAME.into()), ip: Some(FREE_IP), ..test_license(5001) });
    let former = LicenseRow { incarnation: Some("42/2020-02-02/0".into()), ..row(S::Bound) };
    for (case, row, seen, is_shown, is_last, want) in [
        ("its own", Some(row(S::Bound)), &plain, false, false, Kept),
        ("a copied service's", Some(of(41, S::Bound)), &plain, true, false, Kept),
        ("a former incarnation's, shown", Some(former.clone()), &plain, true, false, Kept),
        ("a former incarnation's", Some(former), &plain, false, false, New),
        ("pooled", Some(of(41, S::Pool)), &free, false, false, New),
        ("pooled, shown by chance", Some(of(41, S::Pool)), &free, true, false, New),
        ("stopped", Some(of(41, S::Stopped)), &plain, false, false, New),
        ("to be freed", Some(of(41, S::ToFree)), &plain, false, false, New),
        ("its own last, shown still", Some(row(S::ToFree)), &plain, true, true, Kept),
        ("its own last, not shown any more", Some(row(S::Pool)), &free, false, true, New),
        ("believed deleted", Some(of(41, S::Deleted)), &plain, false, false, New),
        ("foreign", None, &plain, false, false, Kept),
        ("foreign and free", None, &free, false, false, New),
        ("with our mark for it", None, &marked("pml-abcdefgh-42-1"), false, false, Kept),
        ("with our mark for another", None, &marked("pml-abcdefgh-41-1"), false, false, New),
        ("with our mark for another, shown", None, &marked("pml-abcdefgh-41-1"), true, false, Kept),
        ("freed by us", None, &marked("pml-abcdefgh-free"), false, false, New),
        ("another installation's", None, &marked("pml-zzzzzzzz-42-1"), false, false, New),
        ("another installation's, shown", None, &marked("pml-zzzzzzzz-42-1"), true, false, Kept),
    ] {
        let mut item = test_item(42);
        item.params.licid = is_shown.then_some(LicenseId(5001));
        let last = is_last.then_some(LicenseId(5001));
        let (incarnation, row) = (incarnation(), row);
        let pair = Pair { item: &item, incarnation: &incarnation, last, seen, row: row.as_ref(), panel: &panel };
        assert_eq!(pair.key_fate(), want, "{case}");
    }
}

/// A mark belongs to the incarnation that holds the license, also after the license is gone, and not to a former
/// incarnation.
#[test]
fn marks_belong_to_the_incarnation_that_they_were_given_to() {
    use LicenseState as S;
    let mark =
        |number| Mark::Order { panel: PanelId::parse("abcdefgh").expect("eight letters"), item: ItemId(42), number };
    let with = |row: LicenseRow, number| LicenseRow { mark: Some(mark(number)), ..row };
    let of_rows = |rows: &[LicenseRow], last| marks_of(&incarnation(), &[], rows, last);
    let (last, none) = (Some(LicenseId(5001)), Vec::<Mark>::new());
    assert_eq!(of_rows(&[with(row(S::Bound), 1)], None), [mark(1)]);
    assert_eq!(of_rows(&[with(row(S::Deleted), 2)], last), [mark(2)]);
    assert_eq!(of_rows(&[with(row(S::Deleted), 2)], None), none, "of a former incarnation");
    assert_eq!(of_rows(&[with(row(S::Pool), 3)], last), none, "given back");
}

/// A recorded mark stays ours when the installation gets another id. No other mark with a former id is ours.
#[test]
fn a_mark_that_our_state_recorded_is_ours_under_any_id() {
    let mark = |text: &str| Mark::parse(text).expect("a mark");
    let row = LicenseRow { mark: Some(mark("pml-formerid-42-1")), ..test_row(5001) };
    let panel = PanelId::parse("abcdefgh").expect("an id");
    for (case, text, known, unknown) in [
        ("the present id", "pml-abcdefgh-43-7", true, true),
        ("the present id, freed", "pml-abcdefgh-free", true, true),
        ("the recorded mark", "pml-formerid-42-1", true, false),
        ("freed under the former id", "pml-formerid-free", true, false),
        ("another order under the former id", "pml-formerid-42-2", false, false),
        ("another installation", "pml-anotherp-42-1", false, false),
        ("freed by another installation", "pml-anotherp-free", false, false),
    ] {
        let mark = mark(text);
        let got = (is_our_mark(&mark, Some(&row), &panel), is_our_mark(&mark, None, &panel));
        assert_eq!(got, (known, unknown), "{case}");
    }
}
