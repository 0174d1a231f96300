//! Finding accounts, and uniting two that are one.

use super::super::moment;
use super::*;
use crate::error::Text;
use crate::model::hosting::{AddLicense, InvoiceOption, PRODUCT_LINES};
use crate::model::ids::{ItemId, PanelId, UpstreamPricelistId};
use crate::model::journal::{IdempotencyKey, Incarnation, OnceRequest};
use crate::model::license::{Family, test_license};
use crate::model::license_row::LicenseState;
use crate::store::{Binding, NewIntent, Recorded};

const FORMER: &str = "https://old.example.com/manager/billmgr";
const PRESENT: &str = "https://new.example.com";

fn store() -> Result<Store, StoreError> {
    Store::in_memory(&PanelId::parse("simulate").expect("eight letters"))
}

fn put(tx: &Tx<'_>, account: AccountId, id: u32, item: Option<u32>) -> Result<(), StoreError> {
    let incarnation = item.map(|item| Incarnation { item: ItemId(item), created: "2027-01-01".into(), closes: 0 });
    let state = if item.is_some() { LicenseState::Bound } else { LicenseState::Pool };
    let (module, pricelist) = (ModuleId(7), UpstreamPricelistId(55227));
    let (family, internal_name) = (Family::Soft, "55227");
    let binding = Binding { account, family, module, internal_name, mark: None, pricelist, nodes: None };
    tx.put_license(&binding, &test_license(id), state, item.map(ItemId), incarnation.as_ref())
}

/// Whether a request may be sent: no other one has its key.
fn is_new(store: &Store, account: AccountId, key: &IdempotencyKey, request: &OnceRequest) -> Result<bool, StoreError> {
    let (reason, item, highest_license) = (Text::same("why"), None, Some(LicenseId(1)));
    let intent = NewIntent { key, item, account, highest_license, operation: None, reason: &reason, settle_s: 900 };
    let recorded = store.record_intent(moment(9), &intent, |_| Ok(request.clone()))?;
    Ok(matches!(recorded, Recorded::Intent(_)))
}

fn delete(store: &Store, account: AccountId, license: u32) -> Result<bool, StoreError> {
    let license = LicenseId(license);
    let request = OnceRequest::Delete { family: Family::Soft, license };
    is_new(store, account, &IdempotencyKey::Delete { account, license }, &request)
}

fn add(store: &Store, account: AccountId, incarnation: &Incarnation) -> Result<bool, StoreError> {
    let (order, incarnation) = (LicenseId(500), incarnation.clone());
    let add = AddLicense {
        order,
        name: "whmcs".into(),
        line: PRODUCT_LINES[0],
        invoice: InvoiceOption::NoInvoice,
        action_before: String::new(),
        seller_time: None,
        ended_before: Vec::new(),
        months: 1,
    };
    let key = IdempotencyKey::AddLicense { incarnation, account, order, given_back: 0 };
    is_new(store, account, &key, &OnceRequest::AddLicense(add))
}

#[test]
fn an_account_is_found_in_every_spelling_and_by_its_former_name() -> Result<(), StoreError> {
    let store = store()?;
    let first = store.write(moment(0), |tx| tx.set_account(ModuleId(7), PRESENT, "reseller"))?;
    for url in [PRESENT, "https://NEW.example.com/", "https://new.example.com/manager/billmgr"] {
        assert_eq!(store.account_at(url, "reseller")?, Some(first), "{url}");
        assert_eq!(store.write(moment(1), |tx| tx.set_account(ModuleId(8), url, "reseller"))?, first, "{url}");
    }
    assert_eq!((store.account_at(PRESENT, "other")?, store.account_at(FORMER, "reseller")?), (None, None));
    let account = store.account(first)?.expect("an account");
    store.write(moment(2), |tx| tx.rename_account(&account, None, FORMER, "other"))?;
    assert_eq!(
        (store.account_at(PRESENT, "reseller")?, store.account_at(FORMER, "other")?),
        (Some(first), Some(first))
    );
    assert_eq!(
        store.account(first)?.map(|account| (account.url, account.username)),
        Some((FORMER.into(), "other".into()))
    );
    Ok(())
}

/// Licenses, requests in doubt and modules move along. Of two rows for one license the one that serves a service
/// counts. A request that was sent for a license is not sent again under the other account's number.
#[test]
fn two_accounts_that_are_one_are_united() -> Result<(), StoreError> {
    let store = store()?;
    let (from, into) = store.write(moment(0), |tx| {
        let from = tx.set_account(ModuleId(7), FORMER, "reseller")?;
        let into = tx.set_account(ModuleId(8), PRESENT, "reseller")?;
        put(tx, from, 5001, Some(41))?;
        put(tx, from, 5002, Some(42))?;
        put(tx, from, 5003, None)?;
        put(tx, into, 5002, None)?;
        put(tx, into, 5003, Some(43))?;
        tx.set_stays(ModuleId(7), from)?;
        Ok((from, into))
    })?;
    assert!(delete(&store, from, 5001)?);
    let buyer = Incarnation { item: ItemId(42), created: "2027-01-01 10:00:00".into(), closes: 0 };
    assert!(add(&store, from, &buyer)?);
    let former = store.account(from)?.expect("an account");
    assert_eq!(store.serving_in_both(from, into)?, []);
    store.write(moment(1), |tx| tx.rename_account(&former, Some(into), PRESENT, "reseller"))?;
    assert_eq!((store.count_licenses(from)?, store.count_licenses(into)?), ((0, 0), (3, 3)));
    assert_eq!(store.in_use(into, None)?, [InUse { module: ModuleId(7), serving: 3, licenses: 3 }]);
    assert!(!delete(&store, into, 5001)?, "in doubt under the other number");
    assert_eq!(store.open_intents_of_license(into, LicenseId(5001))?.len(), 1);
    let purchase = store.open_intents_of_license(into, LicenseId(500))?;
    assert!(purchase.iter().all(|intent| intent.is_order_of(&buyer)) && purchase.len() == 1, "{purchase:?}");
    assert!(!add(&store, into, &buyer)?, "in doubt under the other number");
    assert_eq!(store.account_of_module(ModuleId(7))?.map(|account| account.id), Some(into));
    assert_eq!(store.account_at(FORMER, "reseller")?, Some(into));
    // A run that began earlier wrote to the empty row once more.
    store.write(moment(2), |tx| put(tx, from, 5004, Some(44)))?;
    store.write(moment(3), |tx| tx.rename_account(&former, Some(into), PRESENT, "reseller"))?;
    assert_eq!((store.count_licenses(from)?, store.count_licenses(into)?), ((0, 0), (4, 4)));
    store.write(moment(4), |tx| put(tx, from, 5004, Some(45)))?;
    assert_eq!(store.serving_in_both(from, into)?, [LicenseId(5004)]);
    Ok(())
}
