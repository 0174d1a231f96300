//! Errors about a command of an operator that cannot be carried out: what is certain, and the command that has to come
//! first.

use chrono::NaiveDate;

use crate::error::{ErrorKind, Halt, ModuleError};
use crate::model::ids::{ItemId, LicenseId, Mark};
use crate::model::journal::Intent;
use crate::model::license::License;
use crate::model::license_row::LicenseRow;
use crate::plan::in_doubt::FREE_WHEN_APPEARS_DAYS;
use crate::plan::resolution::is_given_up;
use crate::text;

pub(in crate::engine) fn closed(id: ItemId) -> ModuleError {
    let words = text!(
        "Service {id} is closed, and a closed service has no license",
        "Услуга {id} закрыта, у закрытой услуги лицензии нет"
    );
    ModuleError::new(ErrorKind::BadValue, "item", id, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "if a license is still bound to it: pmisplicense unbind {id}",
            "если лицензия ещё за ней: pmisplicense unbind {id}"
        ))
}

pub(in crate::engine) fn has_license(id: ItemId, present: LicenseId, license: LicenseId) -> ModuleError {
    let words = text!("Service {id} has license {present}", "У услуги {id} есть лицензия {present}");
    ModuleError::new(ErrorKind::Missed, "licid", present, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "to free that one and bind {license}: pmisplicense bind {id} {license} --replace",
            "чтобы освободить её и привязать {license}: pmisplicense bind {id} {license} --replace"
        ))
}

pub(in crate::engine) fn wants_nothing(id: ItemId) -> ModuleError {
    let words = text!("Service {id} needs no control panel", "Услуге {id} не нужна панель управления");
    ModuleError::new(ErrorKind::BadValue, "item", id, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "choose a product for it in the panel first. If it is to have no license: pmisplicense unbind {id}",
            "сначала выберите ей продукт в панели. Если лицензия ей не нужна: pmisplicense unbind {id}"
        ))
}

pub(in crate::engine) fn serves_another(license: LicenseId, item: Option<ItemId>) -> ModuleError {
    let item = item.map_or_else(|| "-".to_owned(), |item| item.to_string());
    let words = text!("License {license} serves service {item}", "Лицензия {license} обслуживает услугу {item}");
    ModuleError::new(ErrorKind::BadValue, "licid", license, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "take it from that service first: pmisplicense unbind {item}",
            "сначала заберите её у той услуги: pmisplicense unbind {item}"
        ))
}

/// Another run gave a license to a service, or freed it, after this run had decided to free it.
pub(in crate::engine) fn changed_hands(license: LicenseId) -> ModuleError {
    let words = text!(
        "While this run waited for license {license}, another run gave it to a service or freed it",
        "Пока этот запуск ждал лицензию {license}, другой запуск отдал её услуге или освободил"
    );
    ModuleError::new(ErrorKind::Busy, "licid", license, words)
        .halted(Halt::Busy)
        .changed(text!("This run did not touch it", "Этот запуск её не менял"))
        .next(text!(
            "to see whether it still has to be freed: pmisplicense reconcile",
            "посмотрите, нужно ли её ещё освобождать: pmisplicense reconcile"
        ))
}

pub(in crate::engine) fn another_installation(
    id: ItemId,
    license: LicenseId,
    mark: &Mark,
    replaces: bool,
) -> ModuleError {
    let (panel, replace) = (mark.panel().as_str(), if replaces { " --replace" } else { "" });
    let words = text!(
        "License {license} bears the mark of another installation ({panel}), and two installations would renew it twice",
        "На лицензии {license} метка другой установки ({panel}): две установки продлят её дважды"
    );
    ModuleError::new(ErrorKind::BadValue, "licid", license, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "if {panel} was this installation before its state was lost: pmisplicense state adopt {panel}; to take it from there: pmisplicense bind {id} {license} --take-from {panel}{replace}",
            "если {panel} — эта установка до потери состояния: pmisplicense state adopt {panel}; чтобы забрать лицензию: pmisplicense bind {id} {license} --take-from {panel}{replace}"
        ))
}

/// A change of a license that another installation has marked in the meantime.
pub(in crate::engine) fn marked_by_another(license: LicenseId, mark: &Mark) -> ModuleError {
    let panel = mark.panel().as_str();
    let words = text!(
        "License {license} bears the mark of another installation ({panel}) now",
        "На лицензии {license} теперь метка другой установки ({panel})"
    );
    ModuleError::new(ErrorKind::BadValue, "licid", license, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "if {panel} was this installation: set panel_id = \"{panel}\" in the settings",
            "если {panel} — эта установка: задайте в настройках panel_id = \"{panel}\""
        ))
}

/// The license is of another product than the service asks for.
pub(in crate::engine) fn another_product(id: ItemId, seen: &License, wanted: &str, replaces: bool) -> ModuleError {
    let (license, replace) = (seen.id, if replaces { " --replace" } else { "" });
    let has = &seen.tariff;
    let words = text!(
        "License {license} is of product {has}, and service {id} asks for {wanted}. After binding, its tariff is changed, which may cost money",
        "Лицензия {license} — продукт {has}, а услуге {id} нужен {wanted}. После привязки тариф сменится, это может стоить денег"
    );
    ModuleError::new(ErrorKind::BadValue, "licid", license, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "pmisplicense bind {id} {license} --other-product{replace}",
            "pmisplicense bind {id} {license} --other-product{replace}"
        ))
}

/// The seller allows one license for an address, and the service's present license has it. `keeps`: that license keeps
/// its address when it is given up. `from`: the day from which both addresses may change.
pub(in crate::engine) fn one_license_an_address(
    id: ItemId,
    (old, keeps): (&LicenseRow, bool),
    new: LicenseId,
    from: Option<NaiveDate>,
) -> ModuleError {
    let (present, ip) = (old.id, old.ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string()));
    let next = match from {
        _ if keeps => text!(
            "license {present} is only stopped when it is given up, and keeps its address. So: pmisplicense unbind {id}; then delete license {present} in the seller's panel, or clear its address there; then pmisplicense bind {id} {new}",
            "лицензия {present} при отказе от неё только останавливается, и IP остаётся за ней. Поэтому: pmisplicense unbind {id}; затем удалите лицензию {present} в панели продавца или снимите там её IP; затем pmisplicense bind {id} {new}"
        ),
        Some(day) => text!(
            "the two addresses may change from {day} on. After that day: pmisplicense unbind {id}; pmisplicense bind {id} {new}",
            "оба IP можно сменить не раньше {day}. После этого дня: pmisplicense unbind {id}; pmisplicense bind {id} {new}"
        ),
        None => text!(
            "pmisplicense unbind {id} (frees license {present} and its address); pmisplicense bind {id} {new}",
            "pmisplicense unbind {id} (освободит лицензию {present} и её IP); pmisplicense bind {id} {new}"
        ),
    };
    let words = text!(
        "The seller allows one license of a product at an address, and license {present} has {ip}",
        "Продавец допускает одну лицензию продукта на IP, и {ip} занят лицензией {present}"
    );
    let kept =
        text!("Service {id} keeps license {present} and its key", "Услуга {id} сохраняет лицензию {present} и её ключ");
    ModuleError::new(ErrorKind::IpBusy, "ip", ip, words).halted(Halt::AddressBusy).changed(kept).next(next)
}

pub(in crate::engine) fn order_open(id: ItemId, intent: &Intent) -> ModuleError {
    let (intent, is_given_up) = (intent.id, is_given_up(intent.status));
    let words = text!("An order of service {id} is in doubt", "Заказ услуги {id} под вопросом");
    let words = words.changed(text!("Nothing was changed", "Ничего не изменено"));
    // The license that the service has now is not what this order bought, and naming it would take it away.
    let next = if is_given_up {
        text!(
            "wait up to {FREE_WHEN_APPEARS_DAYS} days: if this order bought a license, sync frees it when it appears. Or look in the seller's panel. If the order bought no license besides the one that the service has now: pmisplicense resolve {id} --intent {intent} --not-bought. If it did: pmisplicense resolve {id} --intent {intent} --bought LICENSE, which frees that license",
            "подождите до {FREE_WHEN_APPEARS_DAYS} дней: если этот заказ купил лицензию, sync освободит её, когда она появится. Или посмотрите в панели продавца. Если другой лицензии, кроме нынешней лицензии услуги, заказ не купил: pmisplicense resolve {id} --intent {intent} --not-bought. Если купил: pmisplicense resolve {id} --intent {intent} --bought ЛИЦЕНЗИЯ, и она освободится"
        )
    } else {
        text!(
            "wait until sync settles it, or say what the seller's panel shows. If it was bought: pmisplicense resolve {id} --intent {intent} --bought LICENSE. If not: pmisplicense resolve {id} --intent {intent} --not-bought",
            "дождитесь, пока это завершит sync, или посмотрите в панели продавца. Если куплено: pmisplicense resolve {id} --intent {intent} --bought ЛИЦЕНЗИЯ. Если нет: pmisplicense resolve {id} --intent {intent} --not-bought"
        )
    };
    ModuleError::new(ErrorKind::OrderUnknown, "wish", intent, words.next(next))
}

pub(in crate::engine) fn not_elsewhere(id: ItemId) -> ModuleError {
    let words = text!("Service {id} holds no license of another module", "У услуги {id} нет лицензии другого модуля");
    ModuleError::new(ErrorKind::Missed, "item", id, words).changed(text!("Nothing was changed", "Ничего не изменено"))
}

pub(in crate::engine) fn not_marked(license: LicenseId) -> ModuleError {
    let words =
        text!("License {license} does not bear our mark any more", "На лицензии {license} больше нет нашей метки");
    ModuleError::new(ErrorKind::State, "licid", license, words)
        .halted(Halt::Unrecognized)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
}

pub(in crate::engine) fn not_yet(id: ItemId, license: LicenseId) -> ModuleError {
    let words = text!(
        "License {license} still differs from what service {id} needs: the seller did not allow the change yet",
        "Лицензия {license} всё ещё отличается от того, что нужно услуге {id}: продавец пока не разрешил изменение"
    );
    ModuleError::new(ErrorKind::Upstream, "licid", license, words)
        .halted(Halt::NotYet)
        .changed(text!("Sync tries again", "Sync попробует снова"))
        .next(text!("the reason: pmisplicense explain {id}", "причина: pmisplicense explain {id}"))
}

pub(in crate::engine) fn no_key(id: ItemId, license: LicenseId) -> ModuleError {
    let words = text!(
        "license {license} of service {id} has no key at the seller either: ask the seller",
        "у лицензии {license} услуги {id} ключа нет и у продавца: спросите его"
    );
    ModuleError::new(ErrorKind::Upstream, "licid", license, words).halted(Halt::NotYet)
}
