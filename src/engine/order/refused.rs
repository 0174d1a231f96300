//! Errors about an order that was refused, or that was carried out before, with the next step.

use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::catalogue::Product;
use crate::model::ids::UpstreamPricelistId;
use crate::model::journal::Intent;
use crate::plan::order::code_advice;
use crate::plan::resolution::GiveAgain;
use crate::ports::{Refusal, RefusalKind};
use crate::text;

/// True for a refusal because of the address: the address cannot be used, or cannot be used yet.
pub(super) fn is_about_address(kind: RefusalKind) -> bool {
    matches!(kind, RefusalKind::IpBusy | RefusalKind::IpTooYoung)
}

/// The order has ended and its license is gone. Nothing is in doubt, so there is nothing to resolve: an operator has to
/// give the service a license.
pub(super) fn ordered_before(intent: &Intent, what: &Text, again: GiveAgain) -> ModuleError {
    let item = intent.item.map_or_else(|| "ITEM".to_owned(), |item| item.to_string());
    let message = text!(
        ["{}: this order was carried out before, and the service no longer has the license that it bought", what.en],
        ["{}: этот заказ уже был выполнен, но купленной им лицензии у услуги больше нет", what.ru]
    );
    let next = match again {
        GiveAgain::Former(license) => text!(
            "give the license back to the service: pmisplicense bind {item} {license}. Or close the service in the panel",
            "верните лицензию услуге: pmisplicense bind {item} {license}. Или закройте услугу в панели"
        ),
        GiveAgain::Another => text!(
            "close the service in the panel and order a new one there. Or buy a license in the seller's panel, then: pmisplicense bind {item} LICENSE",
            "закройте услугу в панели и закажите там новую. Или купите лицензию в панели продавца, затем: pmisplicense bind {item} ЛИЦЕНЗИЯ"
        ),
    };
    ModuleError::new(ErrorKind::OrderUnknown, "wish", intent.id.0, message)
        .changed(text!("Nothing was ordered", "Ничего не заказано"))
        .next(next)
}

/// Adds the name of the refused tariff, because some sellers refuse with one word. The code may belong to the vendor's
/// other billing; the error says which set of codes fits (docs/licensing-rules.md 1).
pub(super) fn advised(
    mut error: ModuleError,
    refusal: &Refusal,
    tariff: UpstreamPricelistId,
    product: Option<&Product>,
) -> ModuleError {
    if refusal.kind != RefusalKind::SaleClosed {
        return error;
    }
    *error.message = text!(
        ["{}; tariff {tariff} is not sold to this account", error.message.en],
        ["{}; тариф {tariff} этой учётной записи не продаётся", error.message.ru]
    );
    if let Some(advice) = product.map(code_advice).filter(|advice| !advice.en.is_empty()) {
        *error.message = text!(["{}; {}", error.message.en, advice.en], ["{}; {}", error.message.ru, advice.ru]);
    }
    error
}
