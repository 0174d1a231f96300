//! Reasons and requests in words: why a license waits or serves nobody, and what was asked of the seller.

use crate::error::Text;
use crate::model::journal::OnceRequest;
use crate::model::reason::Reason;
use crate::text;

/// A reason for people, in both languages. It follows "license N:" or "put aside until DATE:".
pub fn words(reason: &Reason) -> Text {
    let ru = match reason {
        Reason::ChangeInDoubt => "её изменение под вопросом",
        Reason::KeyInDoubt => "её новый ключ под вопросом",
        Reason::JustAppeared => "она только что появилась",
        Reason::Missing => "у продавца её не видно",
        Reason::AddressWaits => "её IP пока нельзя сменить",
        Reason::LookOwed => "её нужно просмотреть",
        Reason::KeyLate => "её ключ опаздывает",
        Reason::AddressNotCleared => "её IP пока нельзя очистить",
        Reason::NotShownFree => "у продавца она ещё не видна свободной",
        Reason::FreedIntoPool => "освобождена в пул",
        Reason::Stopped => "остановлена",
        Reason::Deleted => "удалена",
        Reason::DeletedUpstream => "удалена у продавца",
        Reason::LicenseGivenBack => "её лицензия возвращена",
        Reason::TrialReplaced => "пробная заменена оплаченной",
        Reason::ReplacedByHand => "заменена вручную",
        Reason::Moved => "её услуга перенесена в другой модуль",
        Reason::Renumbered => "у продавца она под другим номером",
        Reason::NotFree => "она больше не свободна",
        Reason::ProductUnknown => "её продукта нет в каталоге",
        Reason::NoKeyShown => "продавец не показывает её ключ",
        Reason::AddressBusy => "IP занят",
        Reason::KeyRefused(refusal) => return text!("{reason}", "в новом ключе отказано: {refusal}"),
        Reason::AddressRefused(refusal) => return text!("{reason}", "в смене IP отказано: {refusal}"),
        Reason::Other(words) => return Text::same(words),
    };
    Text { en: reason.to_string(), ru: ru.to_owned() }
}

/// A request in words.
pub fn asked(request: &OnceRequest) -> Text {
    match request {
        OnceRequest::Order(order) => text!("order of tariff {}", "заказ тарифа {}", order.pricelist),
        OnceRequest::Prolong { license, .. } => text!("renewal of license {license}", "продление лицензии {license}"),
        OnceRequest::ChangePricelist { license, .. } => {
            text!("change of tariff of license {license}", "смена тарифа лицензии {license}")
        }
        OnceRequest::SetNodes { license, .. } => {
            text!("change of nodes of license {license}", "смена числа узлов лицензии {license}")
        }
        OnceRequest::NewKey { license, .. } => text!("new key for license {license}", "новый ключ лицензии {license}"),
        OnceRequest::Delete { license, .. } => text!("deletion of license {license}", "удаление лицензии {license}"),
        OnceRequest::AddLicense(add) => {
            text!("WHMCS license of order {}", "лицензия WHMCS заказа {}", add.order)
        }
        OnceRequest::RemoveLicense(remove) => {
            text!("removal of the WHMCS license of order {}", "удаление лицензии WHMCS заказа {}", remove.order)
        }
    }
}
