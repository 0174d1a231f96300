//! Errors that come from the seller: a refusal, an answer that cannot be used, a seller that was not reached.

use crate::error::{ErrorKind, Halt, ModuleError, Text};
use crate::model::ids::{ItemId, LicenseId};
use crate::model::rules::a_month_after;
use crate::ports::{CallError, Refusal, RefusalKind};
use crate::text;

/// The type of error that a refusal of the seller means.
pub fn refusal_kind(kind: RefusalKind) -> ErrorKind {
    match kind {
        RefusalKind::Auth => ErrorKind::Auth,
        RefusalKind::NoMoney => ErrorKind::Nomoney,
        RefusalKind::Blocked => ErrorKind::Blocked,
        RefusalKind::IpTooYoung => ErrorKind::IpChangeLimit,
        RefusalKind::KeyTooYoung => ErrorKind::KeyChangeLimit,
        RefusalKind::IpBusy => ErrorKind::IpBusy,
        RefusalKind::SaleClosed => ErrorKind::SaleClosed,
        RefusalKind::PeriodNotSold => ErrorKind::PeriodNotSold,
        RefusalKind::NotFound => ErrorKind::LicenseGone,
        RefusalKind::NoFunction | RefusalKind::Other => ErrorKind::Upstream,
    }
}

/// The meaning of a refusal for callers that can try something else.
fn refusal_halt(kind: RefusalKind) -> Halt {
    match kind {
        RefusalKind::IpBusy => Halt::AddressBusy,
        RefusalKind::NoFunction | RefusalKind::Other => Halt::NotYet,
        RefusalKind::Auth
        | RefusalKind::NoMoney
        | RefusalKind::Blocked
        | RefusalKind::IpTooYoung
        | RefusalKind::KeyTooYoung
        | RefusalKind::SaleClosed
        | RefusalKind::PeriodNotSold
        | RefusalKind::NotFound => Halt::Final,
    }
}

/// Advice for a refused login. The seller's words rarely say which of these is the cause.
pub fn login_advice() -> Text {
    text!(
        "check the user and the password of the module. The address of this server must be in the account's list of allowed IP addresses. Two-factor login and captcha must be off for this user, because a program cannot answer them",
        "проверьте имя и пароль в модуле. В списке разрешённых IP учётной записи должен быть адрес этого сервера. Двухфакторный вход и капча для этого пользователя должны быть отключены: программа ответить на них не может"
    )
}

/// Advice for a function that the seller does not know. A newer seller may take orders by another function, which is
/// never tried unless the settings ask for it.
pub fn no_function_advice() -> Text {
    text!(
        "check that the module's address is the seller's BILLmanager. If the seller takes orders only by the newer function, set order_api = \"v2\" under [upstream] in the settings",
        "проверьте, что адрес в модуле — это BILLmanager продавца. Если продавец принимает заказы только новой функцией, задайте order_api = \"v2\" в разделе [upstream] настроек"
    )
}

/// A refusal of the seller in its own words, typed by what it means.
pub fn refused(refusal: &Refusal, what: &Text, object: &str, value: impl std::fmt::Display) -> ModuleError {
    let kind = refusal_kind(refusal.kind);
    let next = match refusal.kind {
        RefusalKind::Auth => refusal.advice.as_deref().cloned().unwrap_or_else(login_advice),
        RefusalKind::NoMoney => text!("top up the account at the seller", "пополните счёт у продавца"),
        RefusalKind::Blocked => text!("pay the overdue invoices at the seller", "оплатите счета у продавца"),
        RefusalKind::IpTooYoung => text!(
            "repeat when a month has passed since the last change of the address",
            "повторите, когда после прошлой смены IP пройдёт месяц"
        ),
        RefusalKind::KeyTooYoung => text!(
            "repeat when a month has passed since the last change of the key",
            "повторите, когда после прошлой смены ключа пройдёт месяц"
        ),
        RefusalKind::IpBusy => text!(
            "remove the license that this address already has, or use another address",
            "снимите лицензию, которая на этом IP уже есть, или укажите другой IP"
        ),
        RefusalKind::SaleClosed => text!("choose another product", "выберите другой продукт"),
        RefusalKind::PeriodNotSold => {
            text!(
                "choose another period, or add a rule to the table Period alignment of the module",
                "выберите другой период или добавьте правило в таблицу «Выравнивание периодов» модуля"
            )
        }
        RefusalKind::NotFound => {
            text!(
                "see what the service needs: pmisplicense reconcile. To get a new license for an active service: pmisplicense reconcile --apply",
                "посмотрите, что нужно услуге: pmisplicense reconcile. Получить новую лицензию активной услуге: pmisplicense reconcile --apply"
            )
        }
        RefusalKind::NoFunction => no_function_advice(),
        RefusalKind::Other => text!(
            "look for the cause in the seller's panel, remove it, then repeat",
            "найдите причину в панели продавца, устраните её и повторите"
        ),
    };
    let words = refusal.to_string();
    let message = text!(["{}: the seller refused: {words}", what.en], ["{}: продавец отказал: {words}", what.ru]);
    ModuleError::new(kind, object, value, message)
        .halted(refusal_halt(refusal.kind))
        .changed(text!("The request changed nothing", "Ничего не изменено"))
        .next(text!(["{}", next.en], ["{}", next.ru]))
        .because(words)
}

/// A read or repeatable call that failed.
pub fn call(error: &CallError, what: &Text, value: impl std::fmt::Display) -> ModuleError {
    match error {
        CallError::Refused(refusal) => refused(refusal, what, "licid", value),
        CallError::Unreachable(why) => unreachable(what, why, value),
        CallError::BadAnswer(why) => {
            let message = text!(
                ["{}: the seller's answer cannot be trusted ({})", what.en, why.en],
                ["{}: ответу продавца нельзя доверять ({})", what.ru, why.ru]
            );
            ModuleError::new(ErrorKind::BadAnswer, "url", value, message)
                .halted(Halt::BadAnswer)
                .changed(text!("Nothing was bought by this step", "Этим шагом ничего не куплено"))
                .next(text!(
                    "nothing to do; the next run tries again",
                    "ничего делать не нужно; следующий запуск попробует снова"
                ))
        }
        CallError::Form(name) => {
            let message = text!(
                ["{}: the seller shows the form {name:?} instead of a result", what.en],
                ["{}: вместо результата продавец показывает форму {name:?}", what.ru]
            );
            ModuleError::new(ErrorKind::BadAnswer, "form", name, message)
                .halted(Halt::BadAnswer)
                .changed(text!("This step bought nothing", "Этим шагом ничего не куплено"))
                .next(text!(
                    "log in there with a browser as the module's user, answer the form, then run: pmisplicense doctor",
                    "войдите там через браузер как пользователь модуля, заполните форму и выполните: pmisplicense doctor"
                ))
        }
    }
}

/// Money depends on the day on which a license runs out, and the seller shows none.
pub fn no_expiry(item: Option<ItemId>, license: LicenseId) -> ModuleError {
    let item = item.map_or_else(|| "-".to_owned(), |item| item.to_string());
    let message = text!(
        "The seller does not show when license {license} of service {item} runs out: the field expiredate is missing, or is not a date",
        "Продавец не показывает, когда истекает лицензия {license} услуги {item}: поля expiredate нет, или это не дата"
    );
    ModuleError::new(ErrorKind::BadAnswer, "expiredate", license, message)
        .halted(Halt::BadAnswer)
        .changed(text!("Nothing was bought", "Ничего не куплено"))
        .next(text!(
            "look at the license in the seller's panel, then run: pmisplicense sync",
            "посмотрите лицензию в панели продавца и выполните: pmisplicense sync"
        ))
}

/// The provider asks for a minimum balance, and the seller shows none that can be read.
pub fn no_balance(what: &Text, why: &Text) -> ModuleError {
    let message = text!(
        ["{}: the balance, which the setting minimum_balance needs, cannot be read ({})", what.en, why.en],
        ["{}: для настройки minimum_balance нужен баланс, но прочитать его не удалось ({})", what.ru, why.ru]
    );
    ModuleError::new(ErrorKind::BadAnswer, "minimum_balance", "", message)
        .halted(Halt::BadAnswer)
        .changed(text!("Nothing was bought", "Ничего не куплено"))
        .next(text!(
            "look at the account in the seller's panel, or take minimum_balance out of the settings. Then run: pmisplicense doctor",
            "посмотрите счёт у продавца или уберите minimum_balance из настроек и выполните: pmisplicense doctor"
        ))
}

/// The seller was not reached before anything was sent, or a read had no answer.
pub fn unreachable(what: &Text, why: &str, value: impl std::fmt::Display) -> ModuleError {
    let message = text!(["{}: the seller was not reached", what.en], ["{}: продавец недоступен", what.ru]);
    ModuleError::new(ErrorKind::Client, "url", value, message)
        .halted(Halt::Unreachable)
        .changed(text!("Nothing was bought by this step", "Этим шагом ничего не куплено"))
        .next(text!(
            "nothing to do; the next run tries again",
            "ничего делать не нужно; следующий запуск попробует снова"
        ))
        .because(why)
}

/// The seller reported success, and shows something else than was asked for.
pub fn not_visible(what: &Text, license: LicenseId) -> ModuleError {
    let message = text!(
        ["{}: the seller answered that it is done, but does not show the change yet", what.en],
        ["{}: продавец ответил «готово», но изменения пока не видно", what.ru]
    );
    ModuleError::new(ErrorKind::Upstream, "licid", license, message).halted(Halt::NotYet).next(text!(
        "nothing to do; the next run tries again",
        "ничего делать не нужно; следующий запуск попробует снова"
    ))
}

/// The seller does not find a license that its list shows.
pub fn only_listed(license: LicenseId) -> ModuleError {
    let words = text!(
        "The seller does not find license {license}, and its list shows it: it may be running",
        "Продавец не находит лицензию {license}, а в его списке она есть: возможно, она работает"
    );
    ModuleError::new(ErrorKind::Upstream, "licid", license, words)
        .halted(Halt::NotYet)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "nothing to do; the next run tries again",
            "ничего делать не нужно; следующий запуск попробует снова"
        ))
}

/// The address changed less than a month ago. The error names the day from which it will work.
pub fn ip_limit(
    refusal: &Refusal,
    license: LicenseId,
    ip: impl std::fmt::Display,
    changed: Option<chrono::NaiveDate>,
) -> ModuleError {
    let from = changed.map_or_else(
        || text!("a month after the last change", "через месяц после прошлой смены"),
        |day| {
            let from = a_month_after(day);
            text!("from {from} on", "начиная с {from}")
        },
    );
    let words = text!(
        "License {license} cannot move to {ip} yet: the seller allows one change of address a month",
        "Лицензию {license} пока нельзя перенести на {ip}: продавец разрешает одну смену IP в месяц"
    );
    ModuleError::new(ErrorKind::IpChangeLimit, "ip", ip, words)
        .changed(text!("It keeps its present address", "Адрес остался прежним"))
        .next(text!(
            ["the request is kept, and sync carries it out {}", from.en],
            ["запрос сохранён, sync выполнит его {}", from.ru]
        ))
        .because(refusal)
}
