//! Messages: why a license is not renewed, and what an operator can do about it.

use chrono::NaiveDate;

use crate::error::{ErrorKind, Halt, ModuleError};
use crate::model::item::Item;
use crate::model::license::{Expiry, License};
use crate::model::license_row::LicenseRow;
use crate::text;

use crate::engine::show_day;

pub(super) fn no_period(item: &Item) -> ModuleError {
    let (id, period) = (item.id, item.period.number());
    ModuleError::new(
        ErrorKind::PeriodNotSold,
        "period",
        period,
        text!(
            "Service {id} has the period {period}, for which nothing is sold",
            "У услуги {id} период {period}, на который ничего не продаётся"
        ),
    )
    .changed(text!("Nothing was renewed", "Ничего не продлено"))
    .next(text!(
        "add a rule to the table Period alignment of the module",
        "добавьте правило в таблицу «Выравнивание периодов» модуля"
    ))
}

/// An operation that is older than the close of its service.
pub(super) fn is_closed(item: &Item) -> ModuleError {
    let id = item.id;
    ModuleError::new(ErrorKind::Missed, "item", id, text!("Service {id} is closed", "Услуга {id} закрыта"))
        .changed(text!("No license was started or ordered for it", "Лицензия для неё не запущена и не заказана"))
        .next(text!(
            "open the service again in the panel, or end this operation there",
            "снова откройте услугу в панели или завершите там эту операцию"
        ))
}

/// The end of a service differs between two reads of one run, and only this run moves it. So one of the reads was out
/// of date, or a call of the panel that was given up is still under way.
pub(super) fn end_moves(item: &Item, fresh: &Item) -> ModuleError {
    let (id, end, now) = (item.id, show_day(item.expires), show_day(fresh.expires));
    ModuleError::new(
        ErrorKind::Database,
        "expiredate",
        &now,
        text!(
            "The end of service {id} was {end} a moment ago and is {now} now",
            "Только что срок услуги {id} был {end}, а теперь {now}"
        ),
    )
    .halted(Halt::Database)
    .changed(text!("Nothing was reported to the panel", "Панели ничего не сообщено"))
    .next(text!(
        "nothing to do; the run is repeated and buys nothing twice",
        "ничего делать не нужно; запуск повторится и ничего не купит дважды"
    ))
}

/// The expiry of a license moved while this run started it: an earlier renewal arrived late, or another user of the
/// account changed the license.
pub(super) fn expiry_moved(row: &LicenseRow, before: NaiveDate, now: Expiry) -> ModuleError {
    let id = row.id;
    ModuleError::new(
        ErrorKind::Upstream,
        "licid",
        id,
        text!(
            "License {id} ran until {before} a moment ago and runs until {now} now",
            "Только что срок лицензии {id} был {before}, а теперь {now}"
        ),
    )
    .halted(Halt::NotYet)
    .changed(text!("It was started, and nothing was renewed", "Она запущена, ничего не продлено"))
    .next(text!("nothing to do; the next run decides again", "ничего делать не нужно; следующий запуск решит заново"))
}

/// The catalogue has lost the product of a license that is to be renewed.
pub(super) fn product_unknown(item: &Item, row: &LicenseRow, seen: &License) -> ModuleError {
    let (id, license, end, name) = (item.id, row.id, seen.expires, &row.internal_name);
    ModuleError::new(
        ErrorKind::UnknownInternalName,
        "internal_name",
        name,
        text!(
            "License {license} of the paid service {id} runs out on {end}",
            "Лицензия {license} оплаченной услуги {id} истекает {end}"
        ),
    )
    .changed(text!(
        "It was not renewed, because its product {name} is not in the catalogue",
        "Она не продлена: её продукта {name} нет в каталоге"
    ))
    .next(text!(
        "add the product as [[product]] to the settings file",
        "добавьте продукт как [[product]] в файл настроек"
    ))
}

/// A trial license runs out, and its service is paid. Only a command of that service buys the license that replaces the
/// trial; sync does not.
pub(super) fn trial_runs_out(item: &Item, row: &LicenseRow, seen: &License) -> ModuleError {
    let (id, license, end) = (item.id, row.id, seen.expires);
    ModuleError::new(
        ErrorKind::Missed,
        "licid",
        license,
        text!(
            "Trial license {license} of the paid service {id} runs out on {end}, and trials are not renewed",
            "Пробная лицензия {license} оплаченной услуги {id} истекает {end}, а пробные не продлеваются"
        ),
    )
    .changed(text!("Nothing was bought", "Ничего не куплено"))
    .next(text!(
        "give the service a tariff with a paid product, then run: pmisplicense --command setparam --item {id}",
        "дайте услуге тариф с платным продуктом и выполните: pmisplicense --command setparam --item {id}"
    ))
}

pub(super) fn trial_is_over(item: &Item, row: &LicenseRow, seen: &License) -> ModuleError {
    let (id, license, end) = (item.id, row.id, seen.expires);
    ModuleError::new(
        ErrorKind::Missed,
        "licid",
        license,
        text!(
            "Trial license {license} of service {id} ran out on {end}, and trials are not renewed",
            "Пробная лицензия {license} услуги {id} истекла {end}, а пробные не продлеваются"
        ),
    )
    .changed(text!("Nothing was changed", "Ничего не изменено"))
    .next(text!(
        "choose a paid period or tariff for the service in the panel",
        "выберите для услуги в панели платный период или тариф"
    ))
}

pub(super) fn not_paid(item: &Item, today: NaiveDate) -> ModuleError {
    let (id, end) = (item.id, show_day(item.expires));
    ModuleError::new(
        ErrorKind::Missed,
        "expiredate",
        &end,
        text!(
            "The license of service {id} ran out, and the service itself is paid until {end} only (today {today})",
            "Лицензия услуги {id} истекла, а сама услуга оплачена лишь до {end} (сегодня {today})"
        ),
    )
    .changed(text!("Nothing was renewed", "Ничего не продлено"))
    .next(text!("the run is repeated once the panel has moved the end", "запуск повторится, когда панель сдвинет срок"))
}
