//! The engine's errors in words: what was attempted, what is certain, what to do next. `seller` has those that come
//! from the seller, `cluster` those of a cluster's log.

mod cluster;
mod seller;

use crate::error::{ErrorKind, Halt, ModuleError, Text, counted};
use crate::model::ids::{ItemId, LicenseId};
use crate::model::journal::OnceRequest;
use crate::ports::{DbError, LockName, PanelError};
use crate::store::StoreError;
use crate::text;

pub use cluster::words as cluster_words;
pub use seller::{
    call, ip_limit, login_advice, no_balance, no_expiry, no_function_advice, not_visible, only_listed, refusal_kind,
    refused, unreachable,
};

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
        StoreError::GivenAway(license) => text!(
            "License {license} was given to another service by another run",
            "Другой запуск отдал лицензию {license} другой услуге"
        )
        .changed(text!("Its service keeps it", "Она остаётся у своей услуги"))
        .next(text!("see whether anything differs: pmisplicense reconcile", "посмотрите, есть ли отличия: pmisplicense reconcile")),
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

/// A run waits for a lock that another run holds. For the log.
pub fn waits_for(name: LockName) -> Text {
    let (object, value) = locked(name);
    text!(
        "another run holds the lock of {object} {value}; waiting for it",
        "блокировку {object} {value} держит другой запуск; ожидание"
    )
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

/// An operator must settle a request in doubt.
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
            "look at the seller's panel. If it was carried out: pmisplicense resolve {item} --intent {intent} --bought LICENSE. If not: pmisplicense resolve {item} --intent {intent} --not-bought",
            "проверьте в панели продавца. Если выполнено: pmisplicense resolve {item} --intent {intent} --bought ЛИЦЕНЗИЯ. Если нет: pmisplicense resolve {item} --intent {intent} --not-bought"
        ))
}

/// A call about a license was carried out, and the seller does not show it any more. It keeps its idempotency key, and
/// nothing is in doubt: there is nothing to resolve. What is missing is made good in the seller's panel, and every run
/// sees that.
pub fn taken_back(what: &Text, request: &OnceRequest, license: LicenseId) -> ModuleError {
    let message = text!(
        ["{}: it was carried out, and the seller does not show it any more", what.en],
        ["{}: это было выполнено, но продавец этого больше не показывает", what.ru]
    );
    let next = match request {
        OnceRequest::Prolong { period, .. } => text!(
            [
                "if the renewal is missing in the seller's panel too, renew license {license} there for {}, then repeat the command; sync goes on by itself",
                counted(period.0, "month")
            ],
            [
                "если продления нет и в панели продавца, продлите там лицензию {license} на {} мес. и повторите команду; sync продолжит сам",
                period.0
            ]
        ),
        OnceRequest::Order(_)
        | OnceRequest::ChangePricelist { .. }
        | OnceRequest::SetNodes { .. }
        | OnceRequest::NewKey { .. }
        | OnceRequest::Delete { .. }
        | OnceRequest::AddLicense(_)
        | OnceRequest::RemoveLicense(_) => text!(
            "if it is missing in the seller's panel too, do it there for license {license}, then repeat the command; sync goes on by itself",
            "если этого нет и в панели продавца, сделайте это там для лицензии {license} и повторите команду; sync продолжит сам"
        ),
    };
    ModuleError::new(ErrorKind::OrderUnknown, "licid", license, message)
        .halted(Halt::HandedOver)
        .changed(text!("It is not sent again", "Снова не отправляется"))
        .next(next)
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
