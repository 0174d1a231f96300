//! The tables of the journal: legal transitions, words, what a request is about.

use super::*;
use crate::model::ids::{Mark, PanelId, UpstreamAddonId};
use crate::model::license::Family;
use crate::model::period::{MonthCount, Period};

/// No event changes an intent whose outcome is certain, and no history begins without its recording.
#[test]
fn no_event_changes_an_intent_whose_outcome_is_certain() {
    let license = LicenseId(9);
    let reason = || String::from("x");
    let events = [
        IntentEvent::Recorded,
        IntentEvent::Done { license: Some(license) },
        IntentEvent::Refused { reason: reason() },
        IntentEvent::NotSent { reason: reason() },
        IntentEvent::unknown(reason()),
        IntentEvent::CleanLook,
        IntentEvent::Adopted { license },
        IntentEvent::NotHappened { reason: reason() },
        IntentEvent::HandedOver { reason: reason() },
        IntentEvent::FreeWhenAppears,
        IntentEvent::WantedAgain,
    ];
    for ended in [IntentStatus::Done, IntentStatus::Refused, IntentStatus::NotSent, IntentStatus::NotHappened] {
        assert!(ended.is_ended());
        assert!(events.iter().all(|event| ended.after(event).is_none()), "{ended:?}");
    }
    // The events of an open intent, one by one. A late answer cannot turn an intent that waits for an operator into
    // "refused" or "not sent".
    let (in_doubt, free, operator) = (IntentStatus::InDoubt, IntentStatus::FreeWhenAppears, IntentStatus::HandedOver);
    let (done, never) = (Some(IntentStatus::Done), Some(IntentStatus::NotHappened));
    let (refused, not_sent) = (Some(IntentStatus::Refused), Some(IntentStatus::NotSent));
    assert!(![in_doubt, free, operator].into_iter().any(IntentStatus::is_ended));
    for (event, of_in_doubt, of_free, of_handed_over) in [
        (&events[0], None, None, None),
        (&events[1], done, None, None),
        (&events[2], refused, None, None),
        (&events[3], not_sent, None, None),
        (&events[4], Some(in_doubt), None, None),
        (&events[5], Some(in_doubt), Some(free), None),
        (&events[6], done, done, done),
        (&events[7], never, never, never),
        (&events[8], Some(operator), None, Some(operator)),
        (&events[9], Some(free), Some(free), Some(free)),
        (&events[10], None, Some(in_doubt), None),
    ] {
        let got = [in_doubt, free, operator].map(|status| status.after(event));
        assert_eq!(got, [of_in_doubt, of_free, of_handed_over], "{event:?}");
    }
    assert_eq!(IntentStatus::fold(&events[1..2]), None);
    assert_eq!(IntentStatus::fold(&[IntentEvent::Recorded]), Some(IntentStatus::InDoubt));
    assert_eq!(
        IntentStatus::fold(&[IntentEvent::Recorded, events[4].clone(), events[5].clone(), events[7].clone()]),
        Some(IntentStatus::NotHappened)
    );
}

/// Every call that is sent once has its word, and all except orders concern an existing license.
#[test]
fn every_request_has_its_word_and_names_its_license() {
    let (license, family) = (LicenseId(9), Family::Soft);
    let order = OrderRequest {
        family,
        pricelist: UpstreamPricelistId(55227),
        period: Period::Trial,
        ip: None,
        licname: "shop".into(),
        remoteip: None,
        mark: Mark::Pool { panel: PanelId::from_bytes([0; 8]) },
        nodes: None,
        parent: None,
        not_before: None,
    };
    let period = MonthCount(1);
    for (request, kind, about) in [
        (OnceRequest::Order(order), "order", None),
        (OnceRequest::Prolong { license, period, before: NaiveDate::MIN, not_before: None }, "renewal", Some(license)),
        (
            OnceRequest::ChangePricelist { license, pricelist: UpstreamPricelistId(1), period: Period::Trial },
            "tariff",
            Some(license),
        ),
        (OnceRequest::SetNodes { family, license, addon: UpstreamAddonId(7), nodes: 2 }, "nodes", Some(license)),
        (OnceRequest::NewKey { family, license, before: String::new() }, "newkey", Some(license)),
        (OnceRequest::Delete { family, license }, "delete", Some(license)),
    ] {
        assert_eq!((request.kind(), request.license()), (kind, about), "{request:?}");
    }
}

/// The account of a key is replaced, and nothing else. The moment in an incarnation has colons, as an account's number
/// has none.
#[test]
fn a_key_names_its_account_alone() {
    let incarnation = Incarnation { item: ItemId(1), created: "2027-01-01 10:11:12".into(), closes: 1 };
    let (license, order, key) = (LicenseId(1), LicenseId(1), String::from("1"));
    let keys = |account: AccountId| {
        let (incarnation, key, before) = (incarnation.clone(), key.clone(), NaiveDate::MIN);
        let (old, new, finished) = (UpstreamPricelistId(1), UpstreamPricelistId(1), 1);
        [
            IdempotencyKey::Order { incarnation: incarnation.clone(), replaces: Some(license) },
            IdempotencyKey::Renewal { account, license, before },
            IdempotencyKey::Tariff { account, license, from: old, to: new, finished },
            IdempotencyKey::Nodes { account, license, from: 1, to: 1, finished },
            IdempotencyKey::NewKey { account, license, before: key.clone() },
            IdempotencyKey::AddLicense { incarnation, account, order, given_back: 1 },
            IdempotencyKey::RemoveLicense { account, order, key },
            IdempotencyKey::Delete { account, license },
        ]
        .map(|key| key.to_string())
    };
    let (former, present) = (keys(AccountId(1)), keys(AccountId(22)));
    assert_eq!(former.map(|key| IdempotencyKey::in_account(&key, AccountId(22))), present);
}

/// The stored words can be read back.
#[test]
fn the_stored_words_of_a_status_can_be_read_back() {
    for word in ["in_doubt", "free_when_appears", "handed_over", "done", "refused", "not_sent", "not_happened"] {
        assert_eq!(IntentStatus::parse(word).map(IntentStatus::word), Some(word));
    }
    assert_eq!(IntentStatus::parse("?"), None);
}
