//! Why a person's order cannot be carried out: what is certain, and the command that comes first.

use crate::error::{ErrorKind, ModuleError};
use crate::model::ids::{ItemId, LicenseId, Mark};
use crate::text;

pub(super) fn closed(id: ItemId) -> ModuleError {
    let words = text!("service {id} is closed; nothing was changed", "услуга {id} закрыта; ничего не изменено");
    ModuleError::new(ErrorKind::BadValue, "item", id, words)
}

pub(super) fn has_license(id: ItemId, held: LicenseId, license: LicenseId) -> ModuleError {
    let words = text!(
        "service {id} has license {held}; nothing was changed; to free that one and bind {license}: pmisplicense bind {id} {license} --replace",
        "у услуги {id} есть лицензия {held}; ничего не изменено; чтобы освободить её и привязать {license}: pmisplicense bind {id} {license} --replace"
    );
    ModuleError::new(ErrorKind::Missed, "licid", held, words)
}

pub(super) fn wants_nothing(id: ItemId) -> ModuleError {
    let words = text!(
        "service {id} asks for no panel; nothing was changed; choose a product in the panel first",
        "услуга {id} не требует панели; ничего не изменено; сначала выберите продукт в панели"
    );
    ModuleError::new(ErrorKind::BadValue, "item", id, words)
}

pub(super) fn serves_another(license: LicenseId, item: Option<ItemId>) -> ModuleError {
    let item = item.map_or_else(|| "-".to_owned(), |item| item.to_string());
    let words = text!(
        "license {license} serves service {item}; nothing was changed; end that first: pmisplicense unbind {item}",
        "лицензия {license} обслуживает услугу {item}; ничего не изменено; сначала: pmisplicense unbind {item}"
    );
    ModuleError::new(ErrorKind::BadValue, "licid", license, words)
}

pub(super) fn another_installation(license: LicenseId, mark: &Mark) -> ModuleError {
    let panel = mark.panel().as_str();
    let words = text!(
        "license {license} bears the mark of another installation ({panel}): two masters would renew it twice; nothing was changed; if that was this one, set panel_id = \"{panel}\" in the settings",
        "на лицензии {license} метка другой установки ({panel}): два хозяина продлят её дважды; ничего не изменено; если это была эта установка, задайте panel_id = \"{panel}\" в настройках"
    );
    ModuleError::new(ErrorKind::BadValue, "licid", license, words)
}

pub(super) fn order_open(id: ItemId, wish: u32) -> ModuleError {
    let words = text!(
        "an order of service {id} is in doubt; nothing was changed; let sync settle it, or say what happened: pmisplicense resolve {id} --wish {wish} --bought LICENSE | --not-bought",
        "заказ услуги {id} под вопросом; ничего не изменено; дождитесь sync или укажите: pmisplicense resolve {id} --wish {wish} --bought ЛИЦЕНЗИЯ | --not-bought"
    );
    ModuleError::new(ErrorKind::OrderUnknown, "wish", wish, words)
}

pub(super) fn not_elsewhere(id: ItemId) -> ModuleError {
    let words = text!(
        "service {id} holds no license of another module; nothing was changed",
        "у услуги {id} нет лицензии другого модуля; ничего не изменено"
    );
    ModuleError::new(ErrorKind::Missed, "item", id, words)
}

pub(super) fn not_marked(license: LicenseId) -> ModuleError {
    let words = text!(
        "license {license} does not bear our mark any more; nothing was changed",
        "на лицензии {license} больше нет нашей метки; ничего не изменено"
    );
    ModuleError::new(ErrorKind::State, "licid", license, words)
}

pub(super) fn not_yet(id: ItemId, license: LicenseId) -> ModuleError {
    let words = text!(
        "license {license} still differs from what service {id} wants: upstream did not allow it yet; sync tries again; the reason: pmisplicense explain {id}",
        "лицензия {license} всё ещё отличается от нужного услуге {id}: продавец пока не разрешил; sync попробует снова; причина: pmisplicense explain {id}"
    );
    ModuleError::new(ErrorKind::Upstream, "licid", license, words)
}

pub(super) fn no_key(id: ItemId, license: LicenseId) -> ModuleError {
    let words = text!(
        "license {license} of service {id} has no key upstream either: ask the seller",
        "у лицензии {license} услуги {id} ключа нет и у продавца: спросите его"
    );
    ModuleError::new(ErrorKind::Upstream, "licid", license, words)
}
