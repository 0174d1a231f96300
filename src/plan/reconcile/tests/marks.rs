//! Licenses with our mark that the state does not know, and orders that it waits for.

use super::*;
use crate::model::ids::{AccountId, IntentId};
use crate::model::journal::OnceRequest;
use crate::model::license::Family;
use crate::model::period::Period;

/// A license that was paid for and that nobody has is bound to its service, or freed when the service does not need it.
/// After that an old state is made current.
#[test]
fn an_unclaimed_license_is_bound_to_its_service_or_freed() {
    let item = view(42);
    let marked = |id, number: u32| seen(id, &format!("pml-abcdefgh-42-{number}"));
    assert_eq!(found(&[item.clone()], &[], &[marked(5001, 1)]), [(Kind::Unclaimed, "bind")]);
    assert_eq!(found(&[], &[], &[marked(5001, 1)]), [(Kind::Duplicate, "free")]);
    let two = found(&[item.clone()], &[], &[marked(5001, 1), marked(5002, 2)]);
    assert_eq!(two, [(Kind::Unclaimed, "bind"), (Kind::Duplicate, "free")], "the one that the service shows");
    let beside = found(&[item.clone()], &[row(5001, &item)], &[marked(5001, 1), marked(5002, 2)]);
    assert_eq!(beside, [(Kind::Duplicate, "free")]);
    let in_use = found(&[item.clone()], &[row(4000, &item)], &[marked(5001, 1)]);
    assert!(in_use.contains(&(Kind::Unclaimed, "person")), "what the service shows is never freed: {in_use:?}");
    assert!(!in_use.iter().any(|(_, remedy)| *remedy == "free"), "{in_use:?}");
    let mut closed = item.clone();
    closed.item.status = ItemStatus::Deleted;
    let over = found(&[closed.clone()], &[row(4000, &closed)], &[marked(5001, 1)]);
    assert!(over.contains(&(Kind::Duplicate, "free")), "a closed service uses nothing: {over:?}");
    let last = found(&[item.clone()], &[row(5001, &item)], &[marked(5001, 3)]);
    assert_eq!(last, [], "the last number that the state gave out is no news");
    let newer = findings(Vec::new(), &[item.clone()], &[row(5001, &item)], &[marked(5001, 4)]);
    let remedies: Vec<_> = newer.iter().map(|one| &one.remedy).collect();
    assert_eq!(remedies, [&Remedy::CompleteState(9)], "the state gave out 9 for another account");
    for state in [LicenseState::ToFree, LicenseState::Pool, LicenseState::Stopped] {
        let free = LicenseRow { state, incarnation: None, ..row(5001, &item) };
        let given = found(&[item.clone()], &[free.clone()], &[marked(5001, 4)]);
        assert_eq!(given, [(Kind::Unclaimed, "bind"), (Kind::OldState, "renew_state")], "given out since: {state:?}");
        let ours = found(&[item.clone()], &[free], &[marked(5001, 3)]);
        assert!(!ours.contains(&(Kind::Unclaimed, "bind")), "the state knows of number 3: {state:?} {ours:?}");
    }
    let deleted = License { status: LicenseStatus::Deleted, ..marked(5002, 4) };
    let newer = found(&[item.clone()], &[row(5001, &item)], &[seen(5001, MARK), deleted]);
    assert_eq!(newer, [(Kind::OldState, "renew_state")], "the number of a deleted one was given out as well");
    let mut free = seen(5003, "pml-abcdefgh-free");
    (free.name, free.ip) = (Some(FREE_NAME.into()), Some(FREE_IP));
    assert_eq!(found(&[], &[], &[free]), [(Kind::Unclaimed, "free")]);
    let pooled = License { created: Some(day("2026-01-01")), ..marked(5001, 1) };
    assert_eq!(found(&[item.clone()], &[], &[pooled]), [(Kind::Unclaimed, "bind")], "from the pool, and shown");
    let old = License { created: Some(day("2026-01-01")), ..marked(5002, 1) };
    assert!(found(&[item], &[], &[old]).contains(&(Kind::Duplicate, "free")), "of an earlier incarnation");
}

/// The license with a mark newer than the state belongs to its service, in place of an order that the state waits for,
/// or of a license that the seller does not have any more. This does not hold if the state knows the mark, or if the
/// other license exists.
#[test]
fn the_newest_mark_takes_the_place_of_a_license_that_is_gone() {
    let item = view(42);
    let marked = |id, number: u32| seen(id, &format!("pml-abcdefgh-42-{number}"));
    let bind = (Kind::Unclaimed, "bind");
    let waits = |upstream: &[License]| found_beside(vec![order(1)], &[item.clone()], &[], upstream);
    assert!(waits(&[marked(5002, 4)]).contains(&bind), "it followed the order that the state waits for");
    assert!(!waits(&[marked(5002, 3)]).contains(&bind), "the state knows of number 3");
    let holds = |upstream: &[License]| found(&[item.clone()], &[row(4000, &item)], upstream);
    assert!(holds(&[marked(5001, 4)]).contains(&bind), "what the state holds is gone");
    assert!(!holds(&[seen(4000, MARK), marked(5001, 4)]).contains(&bind), "it is there: an operator decides");
    assert!(!holds(&[marked(5001, 3)]).contains(&bind), "the state knows of number 3");
}

/// The remedy of a request in doubt is a look. A request that waits for an operator stays with the operator.
#[test]
fn the_remedy_of_a_request_in_doubt_is_a_look_or_the_operators_word() {
    let item = view(42);
    let seen = |status| {
        let intent = Intent { status, ..order(1) };
        found_beside(vec![intent], &[item.clone()], &[row(5001, &item)], &[seen(5001, MARK)])
    };
    assert_eq!(seen(IntentStatus::InDoubt), [(Kind::InDoubt, "sync")]);
    assert_eq!(seen(IntentStatus::HandedOver), [(Kind::HandedOver, "person")]);
}

fn order(number: u32) -> Intent {
    let panel = PanelId::parse("abcdefgh").expect("an id");
    let order = crate::model::journal::OrderRequest {
        family: Family::Soft,
        pricelist: PRICELIST,
        period: Period::from_panel(1),
        ip: None,
        licname: "shop".into(),
        remoteip: None,
        mark: Mark::Order { panel, item: ItemId(42), number },
        nodes: None,
        parent: None,
        not_before: None,
    };
    Intent {
        id: IntentId(1),
        key: "order:42/2026-12-01 10:00:00/0:-".into(),
        item: Some(ItemId(42)),
        account: AccountId(1),
        request: OnceRequest::Order(order),
        highest_license: None,
        recorded_at: now(),
        clean_look_at: None,
        status: IntentStatus::InDoubt,
        license: None,
        operation: None,
        settle_s: None,
    }
}
