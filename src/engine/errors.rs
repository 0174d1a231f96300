//! The engine's errors in words: what was attempted, what is certain, what to do next.

mod cluster;

use crate::error::{ErrorKind, Halt, ModuleError, Text};
use crate::model::ids::{ItemId, LicenseId};
use crate::model::rules::a_month_after;
use crate::ports::{CallError, DbError, LockName, PanelError, Refusal, RefusalKind};
use crate::store::StoreError;
use crate::text;

/// Our state failed.
pub fn state(error: StoreError) -> ModuleError {
    let certain = match &error {
        StoreError::Cluster(error) => return cluster::error(error),
        StoreError::Newer { found, known } => text!(
            "The state file has version {found}, and this program knows {known}",
            "Версия файла состояния — {found}, а эта программа знает {known}"
        )
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!("install the newer program", "установите более новую программу")),
        StoreError::Unusable(why) => text!(
            "The state file cannot be used: {why}",
            "Файл состояния непригоден: {why}"
        )
        .changed(text!("It was left as it is", "Он оставлен как есть"))
        .next(text!(
            "put the newest backup back: pmisplicense restore FILE. Without a backup: pmisplicense state begin-anew",
            "верните последнюю копию: pmisplicense restore ФАЙЛ. Если копии нет: pmisplicense state begin-anew"
        )),
        StoreError::Io { path, .. } => text!(
            "The state at {path} cannot be used",
            "Файл состояния {path} недоступен"
        )
        .changed(text!("Nothing was sent", "Ничего не отправлено"))
        .next(text!(
            "check the folder, its rights and the free space",
            "проверьте каталог, права и свободное место"
        )),
        StoreError::Unreadable(why) => text!(
            "A value in the state file cannot be read: {why}",
            "Значение в файле состояния не читается: {why}"
        )
        .changed(text!(
            "Nothing was changed for its license or service",
            "Для его лицензии или услуги ничего не изменено"
        ))
        .next(text!(
            "see what is wrong: pmisplicense doctor. If the file is damaged: pmisplicense restore FILE. Without a backup: pmisplicense state begin-anew",
            "посмотрите, что не так: pmisplicense doctor. Если файл повреждён: pmisplicense restore ФАЙЛ. Если копии нет: pmisplicense state begin-anew"
        )),
        StoreError::Sqlite(_) | StoreError::IllegalStep { .. } => text!(
            "The state file could not be written",
            "Файл состояния не удалось записать"
        )
        .changed(text!(
            "The next run checks everything that was recorded before",
            "Следующий запуск проверит всё, что было записано раньше"
        ))
        .next(text!(
            "check the free space and run: pmisplicense doctor",
            "проверьте место на диске и выполните: pmisplicense doctor"
        )),
    };
    ModuleError::new(ErrorKind::State, "state", "", certain).halted(Halt::State).because(error)
}

/// The panel's database failed.
pub fn database(error: &DbError) -> ModuleError {
    let usual = || {
        text!("The panel's database did not answer", "База данных панели не ответила")
            .changed(text!("Nothing was changed by this step", "Этим шагом ничего не изменено"))
            .next(text!("check that it runs", "проверьте, работает ли она"))
    };
    let words = error.advice.as_deref().cloned().unwrap_or_else(usual);
    ModuleError::new(ErrorKind::Database, "database", "", words).halted(Halt::Database).because(error)
}

/// There is no such item.
pub fn no_item(item: ItemId) -> ModuleError {
    let words = text!("There is no service {item} in the panel", "В панели нет услуги {item}");
    ModuleError::new(ErrorKind::Missed, "item", item, words)
        .changed(text!("Nothing was done", "Ничего не сделано"))
        .next(text!("check the number", "проверьте номер"))
}

fn locked(name: LockName) -> (&'static str, String) {
    match name {
        LockName::State => ("state", String::new()),
        LockName::Item(item) => ("item", item.to_string()),
        LockName::License(_, license) => ("licid", license.to_string()),
        LockName::Sync => ("sync", String::new()),
        LockName::Noted => ("sync", "noted".to_owned()),
    }
}

/// A pass leaves an item or license to the other run that works on it.
pub fn left_to_other_run(name: LockName) -> ModuleError {
    let (object, value) = locked(name);
    let words = text!(
        "Another run works on this service or license at this moment",
        "С этой услугой или лицензией сейчас работает другой запуск"
    );
    ModuleError::new(ErrorKind::Busy, object, value, words)
        .halted(Halt::Busy)
        .changed(text!("This run did not touch it", "Этот запуск её не менял"))
        .next(text!("the next sync looks at it again", "следующий sync проверит её снова"))
}

/// Another run holds what this one needs.
pub fn busy(name: LockName) -> ModuleError {
    if name == LockName::State {
        return state_busy();
    }
    let (object, value) = locked(name);
    let words = text!(
        "Another run has held the lock of {object} {value} for more than 30 seconds",
        "Другой запуск дольше 30 секунд держит блокировку {object} {value}"
    );
    ModuleError::new(ErrorKind::Busy, object, value, words)
        .halted(Halt::Busy)
        .changed(text!("Nothing was done", "Ничего не сделано"))
        .next(text!(
            "nothing to do when the panel or cron started this run: it is repeated. Otherwise repeat the command",
            "ничего, если запуск начали панель или cron: он повторится. Иначе повторите команду"
        ))
}

fn state_busy() -> ModuleError {
    let words = text!(
        "Other runs have used the state file for more than 30 seconds",
        "Другие запуски заняты файлом состояния дольше 30 секунд"
    );
    ModuleError::new(ErrorKind::Busy, "state", "", words)
        .halted(Halt::Busy)
        .changed(text!("Nothing was done", "Ничего не сделано"))
        .next(text!(
            "repeat the command; nothing has to be stopped by hand",
            "повторите команду; останавливать вручную ничего не нужно"
        ))
}

/// A lock file cannot be made.
pub fn lock_failed(why: &str) -> ModuleError {
    let words =
        text!("A lock file cannot be made beside the state", "Не удаётся создать файл блокировки рядом с состоянием");
    ModuleError::new(ErrorKind::State, "lock", "", words)
        .halted(Halt::State)
        .changed(text!("Nothing was done", "Ничего не сделано"))
        .next(text!("check the folder's rights and the free space", "проверьте права и свободное место"))
        .because(why)
}

/// A run took more steps than any run needs, so it would not end.
pub fn too_many_steps(limit: u32) -> ModuleError {
    let words =
        text!("The run took more than {limit} steps and was stopped", "Запуск сделал более {limit} шагов и остановлен");
    ModuleError::new(ErrorKind::State, "steps", limit, words)
        .halted(Halt::State)
        .changed(text!(
            "The next run checks everything that this run recorded",
            "Следующий запуск проверит всё, что записал этот"
        ))
        .next(text!("send the log to the developers", "передайте лог разработчикам"))
}

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

/// What a refusal of the seller means for callers that may have another way.
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

/// What to check when the seller refuses the login. The seller's words rarely say which of these is the cause.
pub fn login_advice() -> Text {
    text!(
        "check the user and the password of the module. The address of this server must be in the account's list of allowed IP addresses. Two-factor login and captcha must be off for this user, because a program cannot answer them",
        "проверьте имя и пароль в модуле. В списке разрешённых IP учётной записи должен быть адрес этого сервера. Двухфакторный вход и капча для этого пользователя должны быть отключены: программа ответить на них не может"
    )
}

/// What to do when the seller does not know a function. A newer seller may take orders by another function, which is
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

/// A call that is sent once has no trustworthy outcome yet.
pub fn in_doubt(
    what: &Text,
    until: chrono::DateTime<chrono::Utc>,
    object: &str,
    value: impl std::fmt::Display,
) -> ModuleError {
    let until = until.format("%Y-%m-%d %H:%M:%S UTC");
    let message = text!(
        ["{}: the request was sent, and it is not known yet whether it was carried out", what.en],
        ["{}: запрос отправлен, выполнен ли он — пока неизвестно", what.ru]
    );
    ModuleError::new(ErrorKind::Client, object, value, message)
        .halted(Halt::InDoubt)
        .changed(text!("It is not sent again before {until}", "До {until} он не повторяется"))
        .next(text!(
            "nothing to do. Each run looks for the result. No run buys until the result is known",
            "ничего делать не нужно. Каждый запуск ищет результат. Пока он неизвестен, ничего не покупается"
        ))
}

/// An operator must end a doubt.
pub fn order_unknown(what: &Text, why: &Text, item: Option<ItemId>, intent: u32) -> ModuleError {
    let item = item.map_or_else(|| "ITEM".to_owned(), |item| item.to_string());
    let message = text!(
        ["{}: it is not known whether it was carried out ({})", what.en, why.en],
        ["{}: неизвестно, выполнено ли это ({})", what.ru, why.ru]
    );
    ModuleError::new(ErrorKind::OrderUnknown, "wish", intent, message)
        .halted(Halt::HandedOver)
        .changed(text!("Nothing more is sent", "Больше ничего не отправляется"))
        .next(text!(
            "look at the seller's panel. If it was carried out: pmisplicense resolve {item} --wish {intent} --bought LICENSE. If not: pmisplicense resolve {item} --wish {intent} --not-bought",
            "проверьте в панели продавца. Если выполнено: pmisplicense resolve {item} --wish {intent} --bought ЛИЦЕНЗИЯ. Если нет: pmisplicense resolve {item} --wish {intent} --not-bought"
        ))
}

/// The panel's tool failed.
pub fn panel(error: &PanelError, func: &str, item: ItemId) -> ModuleError {
    let (certain, why) = match error {
        PanelError::NotStarted(why) => (text!("the tool did not start", "программа не запустилась"), why.clone()),
        PanelError::Refused { error_type, object, message } => (
            text!(
                "the panel refused: {error_type} {object} {message}",
                "панель отказала: {error_type} {object} {message}"
            ),
            format!("{error_type} {object}"),
        ),
        PanelError::Unknown(why) => {
            (text!("it is not known whether it took effect", "неизвестно, подействовал ли вызов"), why.clone())
        }
    };
    let message = text!(["{func} for service {item}: {}", certain.en], ["{func} для услуги {item}: {}", certain.ru]);
    ModuleError::new(ErrorKind::Mgrctl, func, item, message)
        .changed(text!("The license itself is in order", "С самой лицензией всё в порядке"))
        .next(text!("repeat the command", "повторите команду"))
        .because(why)
}

/// The license of an item is no longer there.
pub fn license_gone(item: Option<ItemId>, license: LicenseId) -> ModuleError {
    let item = item.map_or_else(|| "-".to_owned(), |item| item.to_string());
    let words = text!(
        "License {license} of service {item} is no longer there at the seller",
        "Лицензии {license} услуги {item} у продавца больше нет"
    );
    ModuleError::new(ErrorKind::LicenseGone, "licid", license, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "see what the service needs: pmisplicense reconcile. To get a new license for an active service: pmisplicense reconcile --apply",
            "посмотрите, что нужно услуге: pmisplicense reconcile. Получить новую лицензию активной услуге: pmisplicense reconcile --apply"
        ))
}

/// A paid service shows a license that is gone or no longer serves it, and our state holds no other license for it.
pub fn holds_none(item: ItemId, shown: LicenseId) -> ModuleError {
    let words = text!(
        "Service {item} is active and paid for, but has no license. License {shown} no longer serves it",
        "Услуга {item} активна и оплачена, но лицензии у неё нет. Лицензия {shown} ей больше не принадлежит"
    );
    ModuleError::new(ErrorKind::LicenseGone, "licid", shown, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!("run: pmisplicense reconcile", "выполните: pmisplicense reconcile"))
}

/// A paid service whose client had chosen no panel and chose one since, with no run that obtained its license.
pub fn wants_panel(item: ItemId) -> ModuleError {
    let words = text!(
        "Service {item} now needs a control panel, but has no license. The service is active and paid for",
        "Услуге {item} теперь нужна панель управления, но лицензии нет. Услуга активна и оплачена"
    );
    ModuleError::new(ErrorKind::Missed, "licid", item, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!("run: pmisplicense reconcile", "выполните: pmisplicense reconcile"))
}

/// The item has no license, and never had one in its present incarnation.
pub fn no_license(item: ItemId) -> ModuleError {
    let words = text!("Service {item} has no license", "У услуги {item} нет лицензии");
    ModuleError::new(ErrorKind::Missed, "licid", item, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "to get a license for an active service: pmisplicense reconcile --apply",
            "получить лицензию активной услуге: pmisplicense reconcile --apply"
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
