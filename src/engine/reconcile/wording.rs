//! Why a person's order cannot be carried out: what is certain, and the command that comes first.

use chrono::NaiveDate;

use crate::error::{ErrorKind, ModuleError};
use crate::model::ids::{ItemId, LicenseId, Mark};
use crate::model::license::{License, LicenseTariff};
use crate::model::license_row::LicenseRow;
use crate::text;

pub(in crate::engine) fn closed(id: ItemId) -> ModuleError {
    let words = text!(
        "Service {id} is closed, and a closed service has no license. Nothing was changed. Next, if a license is still bound to it: pmisplicense unbind {id}",
        "Услуга {id} закрыта, у закрытой услуги лицензии нет. Ничего не изменено. Далее, если лицензия ещё за ней: pmisplicense unbind {id}"
    );
    ModuleError::new(ErrorKind::BadValue, "item", id, words)
}

pub(in crate::engine) fn has_license(id: ItemId, held: LicenseId, license: LicenseId) -> ModuleError {
    let words = text!(
        "service {id} has license {held}; nothing was changed; to free that one and bind {license}: pmisplicense bind {id} {license} --replace",
        "у услуги {id} есть лицензия {held}; ничего не изменено; чтобы освободить её и привязать {license}: pmisplicense bind {id} {license} --replace"
    );
    ModuleError::new(ErrorKind::Missed, "licid", held, words)
}

pub(in crate::engine) fn wants_nothing(id: ItemId) -> ModuleError {
    let words = text!(
        "service {id} asks for no panel; nothing was changed; choose a product in the panel first",
        "услуга {id} не требует панели; ничего не изменено; сначала выберите продукт в панели"
    );
    ModuleError::new(ErrorKind::BadValue, "item", id, words)
}

pub(in crate::engine) fn serves_another(license: LicenseId, item: Option<ItemId>) -> ModuleError {
    let item = item.map_or_else(|| "-".to_owned(), |item| item.to_string());
    let words = text!(
        "license {license} serves service {item}; nothing was changed; end that first: pmisplicense unbind {item}",
        "лицензия {license} обслуживает услугу {item}; ничего не изменено; сначала: pmisplicense unbind {item}"
    );
    ModuleError::new(ErrorKind::BadValue, "licid", license, words)
}

pub(in crate::engine) fn another_installation(
    id: ItemId,
    license: LicenseId,
    mark: &Mark,
    replaces: bool,
) -> ModuleError {
    let (panel, replace) = (mark.panel().as_str(), if replaces { " --replace" } else { "" });
    let words = text!(
        "License {license} bears the mark of another installation ({panel}), and two installations would renew it twice. Nothing was changed. If {panel} was this installation, set panel_id = \"{panel}\" in the settings, then: pmisplicense reconcile --apply; to take it from there: pmisplicense bind {id} {license} --take-from {panel}{replace}",
        "На лицензии {license} метка другой установки ({panel}): две установки продлят её дважды. Ничего не изменено. Если {panel} — эта установка, задайте в настройках panel_id = \"{panel}\", затем: pmisplicense reconcile --apply; чтобы забрать лицензию: pmisplicense bind {id} {license} --take-from {panel}{replace}"
    );
    ModuleError::new(ErrorKind::BadValue, "licid", license, words)
}

/// A change of a license that another installation marked meanwhile.
pub(in crate::engine) fn marked_by_another(license: LicenseId, mark: &Mark) -> ModuleError {
    let panel = mark.panel().as_str();
    let words = text!(
        "License {license} bears the mark of another installation ({panel}) now. Nothing was changed. Next, if {panel} was this installation: set panel_id = \"{panel}\" in the settings",
        "На лицензии {license} теперь метка другой установки ({panel}). Ничего не изменено. Далее, если {panel} — эта установка: задайте в настройках panel_id = \"{panel}\""
    );
    ModuleError::new(ErrorKind::BadValue, "licid", license, words)
}

/// The license is of another product than the service asks for.
pub(in crate::engine) fn another_product(id: ItemId, seen: &License, wanted: &str, replaces: bool) -> ModuleError {
    let (license, replace) = (seen.id, if replaces { " --replace" } else { "" });
    let has = match &seen.tariff {
        LicenseTariff::Id(tariff) => tariff.to_string(),
        LicenseTariff::Name(name) => name.clone(),
        LicenseTariff::Absent => "-".to_owned(),
    };
    let words = text!(
        "License {license} is of product {has}, and service {id} asks for {wanted}: once bound, its tariff is changed, which may cost money. Nothing was changed. Next: pmisplicense bind {id} {license} --other-product{replace}",
        "Лицензия {license} — продукт {has}, а услуге {id} нужен {wanted}: после привязки тариф сменится, это может стоить денег. Ничего не изменено. Далее: pmisplicense bind {id} {license} --other-product{replace}"
    );
    ModuleError::new(ErrorKind::BadValue, "licid", license, words)
}

/// The seller allows one license an address, and the service's present license has it. `from`: the day from which
/// both addresses may change.
pub(in crate::engine) fn one_license_an_address(
    id: ItemId,
    old: &LicenseRow,
    new: LicenseId,
    from: Option<NaiveDate>,
) -> ModuleError {
    let (held, ip) = (old.id, old.ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string()));
    let next = match from {
        Some(day) => text!(
            "The two addresses may change from {day} on. Next, after that day: pmisplicense unbind {id}; pmisplicense bind {id} {new}",
            "Оба IP можно сменить не раньше {day}. Далее, после этого дня: pmisplicense unbind {id}; pmisplicense bind {id} {new}"
        ),
        None => text!(
            "Next: pmisplicense unbind {id} (frees license {held} and its address); pmisplicense bind {id} {new}",
            "Далее: pmisplicense unbind {id} (освободит лицензию {held} и её IP); pmisplicense bind {id} {new}"
        ),
    };
    let words = text!(
        [
            "The seller allows one license of a product at an address, and license {held} has {ip}. Service {id} keeps license {held} and its key. {}",
            next.en
        ],
        [
            "Продавец допускает одну лицензию продукта на IP, и {ip} занят лицензией {held}. Услуга {id} сохраняет лицензию {held} и её ключ. {}",
            next.ru
        ]
    );
    ModuleError::new(ErrorKind::IpBusy, "ip", ip, words)
}

pub(in crate::engine) fn order_open(id: ItemId, intent: u32) -> ModuleError {
    let words = text!(
        "an order of service {id} is in doubt; nothing was changed; let sync settle it, or say what happened: pmisplicense resolve {id} --wish {intent} --bought LICENSE | --not-bought",
        "заказ услуги {id} под вопросом; ничего не изменено; дождитесь sync или укажите: pmisplicense resolve {id} --wish {intent} --bought ЛИЦЕНЗИЯ | --not-bought"
    );
    ModuleError::new(ErrorKind::OrderUnknown, "wish", intent, words)
}

pub(in crate::engine) fn not_elsewhere(id: ItemId) -> ModuleError {
    let words = text!(
        "service {id} holds no license of another module; nothing was changed",
        "у услуги {id} нет лицензии другого модуля; ничего не изменено"
    );
    ModuleError::new(ErrorKind::Missed, "item", id, words)
}

pub(in crate::engine) fn not_marked(license: LicenseId) -> ModuleError {
    let words = text!(
        "license {license} does not bear our mark any more; nothing was changed",
        "на лицензии {license} больше нет нашей метки; ничего не изменено"
    );
    ModuleError::new(ErrorKind::State, "licid", license, words)
}

pub(in crate::engine) fn not_yet(id: ItemId, license: LicenseId) -> ModuleError {
    let words = text!(
        "license {license} still differs from what service {id} wants: upstream did not allow it yet; sync tries again; the reason: pmisplicense explain {id}",
        "лицензия {license} всё ещё отличается от нужного услуге {id}: продавец пока не разрешил; sync попробует снова; причина: pmisplicense explain {id}"
    );
    ModuleError::new(ErrorKind::Upstream, "licid", license, words)
}

pub(in crate::engine) fn no_key(id: ItemId, license: LicenseId) -> ModuleError {
    let words = text!(
        "license {license} of service {id} has no key upstream either: ask the seller",
        "у лицензии {license} услуги {id} ключа нет и у продавца: спросите его"
    );
    ModuleError::new(ErrorKind::Upstream, "licid", license, words)
}
