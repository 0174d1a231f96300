//! The engine's errors in words: what was attempted, what is certain, what to do next.

use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::ids::{ItemId, LicenseId};
use crate::model::rules::a_month_after;
use crate::ports::{CallError, DbError, LockName, PanelError, Refusal, RefusalKind};
use crate::store::StoreError;
use crate::text;

/// Our state failed.
pub fn state(error: StoreError) -> ModuleError {
    let certain = match &error {
        StoreError::Newer { found, known } => text!(
            "the state file has version {found}, this program knows {known}; nothing was changed; install the newer program",
            "версия файла состояния {found}, программа знает {known}; ничего не изменено; установите более новую программу"
        ),
        StoreError::Unusable(why) => text!(
            "The state file cannot be used: {why}. It was left as it is. Next: pmisplicense restore FILE, with the newest backup; without one: pmisplicense state begin-anew.",
            "Файл состояния непригоден: {why}. Он оставлен как есть. Далее: pmisplicense restore FILE с последней копией, а без копии — pmisplicense state begin-anew."
        ),
        StoreError::Io { path, .. } => text!(
            "the state at {path} cannot be used; nothing was sent; check the folder, its rights and the free space",
            "состояние {path} недоступно; ничего не отправлено; проверьте каталог, права и свободное место"
        ),
        StoreError::Unreadable(why) => text!(
            "A value in the state file cannot be read: {why}. Nothing was changed for its license or service. Next: pmisplicense doctor; if the file is damaged, pmisplicense restore FILE; without a backup: pmisplicense state begin-anew.",
            "Значение в файле состояния не читается: {why}. Для его лицензии или услуги ничего не изменено. Далее: pmisplicense doctor; если файл повреждён, pmisplicense restore FILE, а без копии — pmisplicense state begin-anew."
        ),
        StoreError::Sqlite(_) | StoreError::IllegalStep { .. } => text!(
            "the state file could not be written; what was recorded before is looked for at the next run; check the free space and run: pmisplicense doctor",
            "файл состояния не удалось записать; записанное ранее будет проверено при следующем запуске; проверьте место на диске и выполните: pmisplicense doctor"
        ),
    };
    ModuleError::new(ErrorKind::State, "state", "", certain).because(error)
}

/// The panel's database failed.
pub fn database(error: &DbError) -> ModuleError {
    let usual = || {
        text!(
            "the panel's database did not answer; nothing was changed by this step; check that it runs",
            "база данных панели не ответила; этим шагом ничего не изменено; проверьте, работает ли она"
        )
    };
    let words = error.advice.as_deref().cloned().unwrap_or_else(usual);
    ModuleError::new(ErrorKind::Database, "database", "", words).because(error)
}

/// There is no such item.
pub fn no_item(item: ItemId) -> ModuleError {
    let words = text!(
        "there is no service {item} in the panel; nothing was done; check the number",
        "в панели нет услуги {item}; ничего не сделано; проверьте номер"
    );
    ModuleError::new(ErrorKind::Missed, "item", item, words)
}

fn locked(name: LockName) -> (&'static str, String) {
    match name {
        LockName::State => ("state", String::new()),
        LockName::Item(item) => ("item", item.to_string()),
        LockName::License(_, license) => ("licid", license.to_string()),
        LockName::Noted => ("sync", "noted".to_owned()),
    }
}

/// A pass leaves to another run what that one is about.
pub fn left_to_other_run(name: LockName) -> ModuleError {
    let (object, value) = locked(name);
    let words = text!(
        "Another run works on it at this moment. It was left to that run. The next sync looks at it again.",
        "Сейчас с ней работает другой запуск. Она оставлена ему. Следующий sync проверит её снова."
    );
    ModuleError::new(ErrorKind::Busy, object, value, words)
}

/// Another run holds what this one needs.
pub fn busy(name: LockName) -> ModuleError {
    if name == LockName::State {
        return state_busy();
    }
    let (object, value) = locked(name);
    let words = text!(
        "another run holds {object} {value} for more than 30 seconds; nothing was done; it is tried again",
        "другой запуск держит {object} {value} дольше 30 секунд; ничего не сделано; запуск повторится"
    );
    ModuleError::new(ErrorKind::Busy, object, value, words)
}

fn state_busy() -> ModuleError {
    let words = text!(
        "Other runs have used the state file for more than 30 seconds. Nothing was done. Next: repeat the command; nothing has to be stopped by hand.",
        "Другие запуски заняты файлом состояния дольше 30 секунд. Ничего не сделано. Далее: повторите команду; останавливать вручную ничего не нужно."
    );
    ModuleError::new(ErrorKind::Busy, "state", "", words)
}

/// A lock file cannot be made.
pub fn lock_failed(why: &str) -> ModuleError {
    let words = text!(
        "a lock file cannot be made beside the state; nothing was done; check the folder's rights and the free space",
        "не удаётся создать файл блокировки рядом с состоянием; ничего не сделано; проверьте права и свободное место"
    );
    ModuleError::new(ErrorKind::State, "lock", "", words).because(why)
}

/// A run that does not end.
pub fn too_many_steps(limit: u32) -> ModuleError {
    let words = text!(
        "the run took more than {limit} steps and was stopped; what it recorded is looked for at the next run; please report this",
        "запуск сделал более {limit} шагов и остановлен; записанное будет проверено при следующем запуске; сообщите об этом"
    );
    ModuleError::new(ErrorKind::State, "steps", limit, words)
}

/// The type of error that a refusal of upstream means.
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

/// What to look at when the seller refuses the login. Its own words rarely say which of these it is.
pub fn login_advice() -> Text {
    text!(
        "check user and password of the module; the account's list of allowed IP addresses must hold this server's; two-factor login and a captcha have to be switched off for this user, because a program cannot answer them",
        "проверьте имя и пароль в модуле; в списке разрешённых IP учётной записи должен быть адрес этого сервера; двухфакторный вход и капчу для этого пользователя нужно отключить: программа ответить на них не может"
    )
}

/// What to do when the seller does not know a function: newer ones may take orders by another one. It is never tried
/// without being asked for.
pub fn no_function_advice() -> Text {
    text!(
        "check that the module's address is the seller's BILLmanager; if the seller takes orders by the newer function only, set order_api = \"v2\" under [upstream] in the settings",
        "проверьте, что адрес в модуле — это BILLmanager продавца; если продавец принимает заказы только новой функцией, задайте order_api = \"v2\" в разделе [upstream] настроек"
    )
}

/// A refusal of upstream in its own words, typed by what it means.
pub fn refused(refusal: &Refusal, what: &Text, object: &str, value: impl std::fmt::Display) -> ModuleError {
    let kind = refusal_kind(refusal.kind);
    let next = match refusal.kind {
        RefusalKind::Auth => login_advice(),
        RefusalKind::NoMoney => text!("top up the account at the seller", "пополните счёт у продавца"),
        RefusalKind::Blocked => text!("pay the overdue invoices at the seller", "оплатите счета у продавца"),
        RefusalKind::IpTooYoung => text!("an address may change once a month", "IP можно менять раз в месяц"),
        RefusalKind::KeyTooYoung => text!("a key may change once a month", "ключ можно менять раз в месяц"),
        RefusalKind::IpBusy => text!(
            "the address has such a license already: remove it there or use another address",
            "на этом IP уже есть такая лицензия: снимите её или укажите другой IP"
        ),
        RefusalKind::SaleClosed => text!("choose another product", "выберите другой продукт"),
        RefusalKind::PeriodNotSold => {
            text!("use another period or an alignment rule", "выберите другой период или задайте выравнивание")
        }
        RefusalKind::NotFound => {
            text!("resume or prolong obtains a new license", "resume или prolong получат новую лицензию")
        }
        RefusalKind::NoFunction => no_function_advice(),
        RefusalKind::Other => text!("read upstream's words and its panel", "смотрите ответ продавца и его панель"),
    };
    let words = refusal.to_string();
    let message = text!(
        ["{}: upstream refused: {words}; nothing was changed by it; {}", what.en, next.en],
        ["{}: продавец отказал: {words}; ничего не изменено; {}", what.ru, next.ru]
    );
    ModuleError::new(kind, object, value, message).because(words)
}

/// A read or repeatable call that failed.
pub fn call(error: &CallError, what: &Text, value: impl std::fmt::Display) -> ModuleError {
    match error {
        CallError::Refused(refusal) => refused(refusal, what, "licid", value),
        CallError::Unreachable(why) => unreachable(what, why, value),
        CallError::BadAnswer(why) => {
            let message = text!(
                [
                    "{}: upstream's answer cannot be trusted ({}); nothing was bought by this step; it is tried again",
                    what.en,
                    why.en
                ],
                [
                    "{}: ответу продавца нельзя доверять ({}); этим шагом ничего не куплено; попытка повторится",
                    what.ru,
                    why.ru
                ]
            );
            ModuleError::new(ErrorKind::BadAnswer, "url", value, message)
        }
        CallError::Form(name) => {
            let message = text!(
                [
                    "{}: upstream shows the form {name:?} instead of a result. This step bought nothing. Next: log in there with a browser as the module's user, answer the form, then run: pmisplicense doctor",
                    what.en
                ],
                [
                    "{}: вместо результата продавец показывает форму {name:?}. Этим шагом ничего не куплено. Далее: войдите там через браузер как пользователь модуля, заполните форму и выполните: pmisplicense doctor",
                    what.ru
                ]
            );
            ModuleError::new(ErrorKind::BadAnswer, "form", name, message)
        }
    }
}

/// Money depends on the day on which a license runs out, and the seller shows none.
pub fn no_expiry(item: Option<ItemId>, license: LicenseId) -> ModuleError {
    let item = item.map_or_else(|| "-".to_owned(), |item| item.to_string());
    let message = text!(
        "The seller shows no day on which license {license} of service {item} runs out: the field expiredate is missing, or is no date. Nothing was bought. Next: look at the license in the seller's panel, then run: pmisplicense sync",
        "Продавец не показывает, когда истекает лицензия {license} услуги {item}: поля expiredate нет, или это не дата. Ничего не куплено. Далее: посмотрите лицензию в панели продавца и выполните: pmisplicense sync"
    );
    ModuleError::new(ErrorKind::BadAnswer, "expiredate", license, message)
}

/// The provider asks for a minimum balance, and the seller shows none that can be read.
pub fn no_balance(what: &Text, why: &Text) -> ModuleError {
    let message = text!(
        [
            "{}: the setting minimum_balance asks for a balance, and none can be read ({}). Nothing was bought. Next: look at the account there, or take minimum_balance out of the settings, then run: pmisplicense doctor",
            what.en,
            why.en
        ],
        [
            "{}: настройка minimum_balance требует баланса, а прочесть его нельзя ({}). Ничего не куплено. Далее: посмотрите счёт у продавца или уберите minimum_balance из настроек и выполните: pmisplicense doctor",
            what.ru,
            why.ru
        ]
    );
    ModuleError::new(ErrorKind::BadAnswer, "minimum_balance", "", message)
}

/// Upstream was not reached before anything was sent, or a read had no answer.
pub fn unreachable(what: &Text, why: &str, value: impl std::fmt::Display) -> ModuleError {
    let message = text!(
        ["{}: upstream was not reached; nothing was bought by this step; it is tried again", what.en],
        ["{}: продавец недоступен; этим шагом ничего не куплено; попытка повторится", what.ru]
    );
    ModuleError::new(ErrorKind::Client, "url", value, message).because(why)
}

/// Upstream said done, and what it shows is not what was asked.
pub fn not_visible(what: &Text, license: LicenseId) -> ModuleError {
    let message = text!(
        ["{}: upstream said done and does not show it yet; it is tried again", what.en],
        ["{}: продавец ответил «готово», но этого пока не видно; попытка повторится", what.ru]
    );
    ModuleError::new(ErrorKind::Upstream, "licid", license, message)
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
        [
            "{}: the request left, and whether it was carried out is not known yet; it is not sent again before {until}; each run looks for it, none buys meanwhile",
            what.en
        ],
        [
            "{}: запрос отправлен, выполнен ли он — пока неизвестно; до {until} он не повторяется; каждый запуск ищет результат и ничего не покупает",
            what.ru
        ]
    );
    ModuleError::new(ErrorKind::Client, object, value, message)
}

/// A person must end a doubt.
pub fn order_unknown(what: &Text, why: &Text, item: Option<ItemId>, intent: u32) -> ModuleError {
    let item = item.map_or_else(|| "ITEM".to_owned(), |item| item.to_string());
    let message = text!(
        [
            "{}: it cannot be told whether it happened ({}); nothing more is sent; look at upstream's panel, then run: pmisplicense resolve {item} --wish {intent} --bought LICENSE, or --not-bought",
            what.en,
            why.en
        ],
        [
            "{}: нельзя сказать, выполнено ли это ({}); больше ничего не отправляется; проверьте в панели продавца и выполните: pmisplicense resolve {item} --wish {intent} --bought ЛИЦЕНЗИЯ или --not-bought",
            what.ru,
            why.ru
        ]
    );
    ModuleError::new(ErrorKind::OrderUnknown, "wish", intent, message)
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
    let message = text!(
        ["{func} for service {item}: {}; the license itself is in order; the run is to be repeated", certain.en],
        ["{func} для услуги {item}: {}; с самой лицензией всё в порядке; запуск нужно повторить", certain.ru]
    );
    ModuleError::new(ErrorKind::Mgrctl, func, item, message).because(why)
}

/// The license of an item is no longer there.
pub fn license_gone(item: Option<ItemId>, license: LicenseId) -> ModuleError {
    let item = item.map_or_else(|| "-".to_owned(), |item| item.to_string());
    let words = text!(
        "license {license} of service {item} is no longer there upstream; nothing was changed; resume, or prolong of an active service, obtains a new one",
        "лицензии {license} услуги {item} у продавца больше нет; ничего не изменено; новую получат resume или prolong активной услуги"
    );
    ModuleError::new(ErrorKind::LicenseGone, "licid", license, words)
}

/// The item has no license, and never had one in its present incarnation.
pub fn no_license(item: ItemId) -> ModuleError {
    let words = text!(
        "service {item} has no license; nothing was changed; open obtains one",
        "у услуги {item} нет лицензии; ничего не изменено; её получает open"
    );
    ModuleError::new(ErrorKind::Missed, "licid", item, words)
}

/// The address changed less than a month ago: with the day from which it will work.
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
        [
            "license {license} cannot move to {ip} yet: upstream allows one change of address a month; it keeps its present address; the wish is kept and sync carries it out {}",
            from.en
        ],
        [
            "лицензию {license} пока нельзя перенести на {ip}: продавец разрешает одну смену IP в месяц; адрес остался прежним; желание сохранено, sync выполнит его {}",
            from.ru
        ]
    );
    ModuleError::new(ErrorKind::IpChangeLimit, "ip", ip, words).because(refusal)
}
