//! Reasons and requests in words: why a license waits or serves nobody, and what was asked of the seller.

use crate::error::Text;
use crate::model::journal::{Intent, OnceRequest};
use crate::model::license_row::LicenseState;
use crate::model::reason::Reason;
use crate::text;

/// A reason for people, in both languages. It follows "license N:" or "put aside until DATE:".
pub fn words(reason: &Reason) -> Text {
    let ru = match reason {
        Reason::ChangeInDoubt => "её изменение под вопросом",
        Reason::KeyInDoubt => "её новый ключ под вопросом",
        Reason::JustAppeared => "она только что появилась",
        Reason::Missing(before) => {
            let before =
                before.as_deref().map_or_else(String::new, |before| format!("; до этого: {}", words(before).ru));
            return text!("{reason}", "у продавца её не видно{before}");
        }
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
        Reason::TakenElsewhere => "её взяла другая установка",
        Reason::LeftToItsUser => "оставлена её пользователю вручную",
        Reason::ProductUnknown => "её продукта нет в каталоге",
        Reason::NoKeyShown => "продавец не показывает её ключ",
        Reason::AddressBusy => "IP занят",
        Reason::KeyRefused(refusal) => return text!("{reason}", "в новом ключе отказано: {refusal}"),
        Reason::AddressRefused(refusal) => return text!("{reason}", "в смене IP отказано: {refusal}"),
        Reason::Other(words) => return Text::same(words),
    };
    Text { en: reason.to_string(), ru: ru.to_owned() }
}

/// The state of a license in our state file, in the words of the option `--status`.
pub fn state_words(state: LicenseState) -> Text {
    match state {
        LicenseState::Bound => text!("bound", "занята"),
        LicenseState::Claimed => text!("claimed", "готовится"),
        LicenseState::ToFree => text!("to-free", "к освобождению"),
        LicenseState::Pool => text!("pool", "в пуле"),
        LicenseState::Stopped => text!("stopped", "остановлена"),
        LicenseState::Deleted => text!("deleted", "удалена"),
    }
}

/// What an operator has to find out about a request that was left to him: the command to begin with, which can be
/// pasted, and the whole step with the commands for both answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The command to begin with.
    pub command: String,
    /// What to do, with every command that may be needed.
    pub next: Text,
}

/// How an operator ends a request whose outcome the program cannot find out.
pub fn decision(intent: &Intent) -> Decision {
    let (id, item) = (intent.id, intent.item.map_or_else(|| "ITEM".to_owned(), |item| item.to_string()));
    let no = format!("pmisplicense resolve {item} --intent {id} --not-bought");
    let Some(license) = intent.request.license().or(intent.license) else {
        let command = "pmisplicense import".to_owned();
        let next = text!(
            "look for the license among those that no service has: {command}. If it is there: pmisplicense resolve {item} --intent {id} --bought LICENSE. If not, and the seller's panel shows none: {no}",
            "поищите лицензию среди тех, которых нет ни у одной услуги: {command}. Если она там: pmisplicense resolve {item} --intent {id} --bought ЛИЦЕНЗИЯ. Если нет и в панели продавца её нет: {no}"
        );
        return Decision { command, next };
    };
    // The number of the license is known, so the seller's own record of it answers the question.
    let command = format!("pmisplicense show license:{license}");
    let yes = format!("pmisplicense resolve {item} --intent {id} --bought {license}");
    let next = match intent.request {
        // Another key than before proves nothing: it may have been issued anew.
        OnceRequest::RemoveLicense(_) => text!(
            "look at the order in the seller's panel. If it still has the license, even with another key: {no}. If it has none, or somebody else's: {yes}",
            "посмотрите заказ в панели продавца. Если лицензия ещё там, пусть и с другим ключом: {no}. Если её нет или там чужая: {yes}"
        ),
        OnceRequest::Order(_)
        | OnceRequest::Prolong { .. }
        | OnceRequest::ChangePricelist { .. }
        | OnceRequest::SetNodes { .. }
        | OnceRequest::NewKey { .. }
        | OnceRequest::Delete { .. }
        | OnceRequest::AddLicense(_) => text!(
            "look at the license: {command}. If it was carried out: {yes}. If not: {no}",
            "посмотрите лицензию: {command}. Если выполнено: {yes}. Если нет: {no}"
        ),
    };
    Decision { command, next }
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
