//! Claiming, changing and reading the rows of licenses.

use super::super::moment;
use super::*;
use crate::model::ids::PanelId;
use crate::model::license::{License, test_license};

/// A free license is claimed once, whichever row the second run has read. Held licenses are counted, and reading
/// continues where the last page ended.
#[test]
fn a_pooled_license_is_claimed_once() -> Result<(), StoreError> {
    let panel = PanelId::parse("simulate").expect("eight letters");
    let store = Store::in_memory(&panel)?;
    let account = store.write(moment(0), |tx| tx.set_account(ModuleId(7), "https://192.0.2.1/", "reseller"))?;
    let incarnation = |item| Incarnation { item: ItemId(item), created: "2027-01-01".into(), closes: 0 };
    let pricelist = UpstreamPricelistId(55227);
    let (family, module, internal_name) = (Family::Soft, ModuleId(7), "55227");
    let binding = Binding { account, family, module, internal_name, mark: None, pricelist, nodes: None };
    store.write(moment(1), |tx| {
        let (bound, pool) = (LicenseState::Bound, LicenseState::Pool);
        tx.put_license(&binding, &test_license(5001), bound, Some(ItemId(41)), Some(&incarnation(41)))?;
        tx.put_license(&binding, &test_license(5002), bound, Some(ItemId(42)), Some(&incarnation(42)))?;
        tx.put_license(&binding, &test_license(5003), pool, None, None)
    })?;
    assert_eq!(store.count_bound(account)?, 2);
    let after = |id, limit| -> Result<Vec<u32>, StoreError> {
        let rows = store.licenses_after(account, LicenseId(id), limit)?;
        Ok(rows.iter().map(|row| row.id.0).collect())
    };
    assert_eq!((after(0, 2)?, after(5002, 2)?, after(5003, 2)?), (vec![5001, 5002], vec![5003], vec![]));
    let row = store.license(account, LicenseId(5003))?.expect("a license");
    let mark = Mark::Order { panel, item: ItemId(43), number: 1 };
    let claim = |item| store.write(moment(2), |tx| tx.claim(&row, &incarnation(item), &mark, internal_name));
    assert!(claim(43)?);
    assert!(!claim(44)?, "another run was faster");
    let row = store.license(account, LicenseId(5003))?.expect("a license");
    assert_eq!((row.state, row.item), (LicenseState::Claimed, Some(ItemId(43))));
    store.write(moment(3), |tx| {
        tx.set_key_before(&row, "of the client before")?;
        tx.finish_change(&row, "55228", UpstreamPricelistId(55228), Some(2))
    })?;
    let row = store.license(account, LicenseId(5003))?.expect("a license");
    let is_given_away = |row: &LicenseRow| {
        let released = store.write(moment(3), |tx| tx.release_license(row, LicenseState::ToFree, None, None));
        matches!(released, Err(StoreError::GivenAway(LicenseId(5003))))
    };
    let [before, other] =
        [None, Some(incarnation(44).to_string())].map(|incarnation| LicenseRow { incarnation, ..row.clone() });
    assert!(is_given_away(&before) && is_given_away(&other), "a run that has not seen the claim cannot undo it");
    assert_eq!(store.license(account, LicenseId(5003))?.as_ref(), Some(&row));
    assert_eq!(row.key_before.as_deref(), Some("of the client before"));
    assert_eq!((row.changes, row.pricelist, row.nodes), (1, UpstreamPricelistId(55228), Some(2)));
    let keyed = License { key: LicenseKey::parse("KEY-1"), ..test_license(5003) };
    store.write(moment(4), |tx| tx.refresh_license(account, &keyed))?;
    let key = |store: &Store| -> Result<Option<LicenseKey>, StoreError> {
        Ok(store.license(account, LicenseId(5003))?.and_then(|row| row.key))
    };
    assert_eq!(key(&store)?, LicenseKey::parse("KEY-1"));
    store.write(moment(5), |tx| tx.forget_key(&row))?;
    assert_eq!(key(&store)?, None);
    Ok(())
}
