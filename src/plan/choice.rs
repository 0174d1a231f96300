//! The choice of a service: a product of the catalogue, or no control panel (docs/licensing-rules.md 3).

use crate::error::{ErrorKind, ModuleError};
use crate::model::catalogue::{Catalogue, NOPANEL, Product, unsupported};
use crate::model::item::{ChoiceError, Item};
use crate::model::sellers::SellerKind;
use crate::text;

/// What a service asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice<'c> {
    /// No control panel: nothing is ordered.
    Nopanel,
    /// A product of the catalogue.
    Product(&'c Product),
}

/// Why it cannot be decided what a service asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoChoice {
    /// It has no addon with a control panel, so it is not ours.
    NotOurs(ModuleError),
    /// No product of the catalogue has this internal name.
    UnknownName(Box<str>, ModuleError),
    /// It names none, or several enumerations could be meant.
    Unclear(ModuleError),
}

impl From<NoChoice> for ModuleError {
    fn from(why: NoChoice) -> Self {
        match why {
            NoChoice::NotOurs(error) | NoChoice::UnknownName(_, error) | NoChoice::Unclear(error) => error,
        }
    }
}

/// Reads the internal name that a service asks for.
///
/// # Errors
/// `unknown_internal_name` with the known names and where to add one; `missed` when the service names none;
/// `unsupported_module` when it is not ours.
pub fn choice_of<'c>(item: &Item, panel_addons: &[String], catalogue: &'c Catalogue) -> Result<Choice<'c>, NoChoice> {
    let name = item.internal_name(panel_addons, catalogue).map_err(|error| no_name(item, error))?;
    if name == NOPANEL {
        return Ok(Choice::Nopanel);
    }
    match catalogue.get(&name) {
        Some(product) => Ok(Choice::Product(product)),
        None => {
            let error = unknown_name(&name, catalogue);
            Err(NoChoice::UnknownName(name.into(), error))
        }
    }
}

/// The error of a service without one internal name.
fn no_name(item: &Item, error: ChoiceError) -> NoChoice {
    let id = item.id;
    match error {
        ChoiceError::SeveralEnumerations(names) => {
            let list = names.join(", ");
            NoChoice::Unclear(
                ModuleError::new(
                    ErrorKind::Missed,
                    "panel_addons",
                    &list,
                    text!(
                        "Service {id} has several enumerations that hold a control panel ({list})",
                        "У услуги {id} несколько перечислений с панелью управления ({list})"
                    ),
                )
                .changed(text!("Nothing was ordered", "Ничего не заказано"))
                .next(text!(
                    "name the right one in the setting panel_addons",
                    "укажите нужное в настройке panel_addons"
                )),
            )
        }
        ChoiceError::NothingChosen(addon) => NoChoice::Unclear(
            ModuleError::new(
                ErrorKind::Missed,
                "intname",
                &addon,
                text!(
                    "The addon {addon} of service {id} has no chosen value",
                    "У дополнения {addon} услуги {id} не выбрано значение"
                ),
            )
            .changed(text!("Nothing was ordered", "Ничего не заказано"))
            .next(text!(
                "choose one, or set a default in the tariff",
                "выберите его или задайте значение по умолчанию в тарифе"
            )),
        ),
        ChoiceError::NoName if item.is_license_type() => NoChoice::Unclear(
            ModuleError::new(
                ErrorKind::Missed,
                "intname",
                item.tariff,
                text!(
                    "Tariff {} of service {id} has no internal name",
                    "У тарифа {} услуги {id} нет внутреннего имени",
                    item.tariff
                ),
            )
            .changed(text!("Nothing was ordered", "Ничего не заказано"))
            .next(text!(
                "set it to a code of the catalogue, for example 55227",
                "задайте код из каталога, например 55227"
            )),
        ),
        ChoiceError::NoName => NoChoice::NotOurs(
            ModuleError::new(
                ErrorKind::UnsupportedModule,
                "item",
                id,
                text!(
                    "Service {id} of module {} has no control-panel addon: it is not ours",
                    "У услуги {id} модуля {} нет дополнения «панель управления»: она не наша",
                    item.module_program
                ),
            )
            .changed(text!("Nothing was done", "Ничего не сделано")),
        ),
    }
}

/// The error of an internal name that no product has.
pub fn unknown_name(name: &str, catalogue: &Catalogue) -> ModuleError {
    if let Some(product) = unsupported(name) {
        return not_supported(name, product);
    }
    if let Some(error) = sold_elsewhere(name, catalogue) {
        return error;
    }
    let known = catalogue.known_names().join(", ");
    ModuleError::new(
        ErrorKind::UnknownInternalName,
        "intname",
        name,
        text!("The internal name \"{name}\" is not in the catalogue", "Внутреннего имени «{name}» нет в каталоге"),
    )
    .changed(text!("Nothing was ordered", "Ничего не заказано"))
    .next(text!(
        "correct the internal name in the tariff. Known names: {known}. A missing product can be added as [[product]] in the settings file",
        "исправьте внутреннее имя в тарифе. Известны имена: {known}. Недостающий продукт можно добавить как [[product]] в файле настроек"
    ))
}

/// The error of a name that another kind of seller sells: the module has the wrong address for it.
fn sold_elsewhere(name: &str, catalogue: &Catalogue) -> Option<ModuleError> {
    let seller = SellerKind::selling(Catalogue::builtin().get(name)?.family);
    if catalogue.iter().any(|product| seller.sells(product.family)) {
        return None;
    }
    let address = seller.example();
    Some(ModuleError::new(
        ErrorKind::UnknownInternalName,
        "intname",
        name,
        text!(
            "The internal name {name} is not sold at the address of this module",
            "Внутреннее имя {name} не продаётся по адресу этого модуля"
        )
        .changed(text!("Nothing was ordered", "Ничего не заказано"))
        .next(text!(
            "give the tariff to a module whose address is that of its seller, for example {address}",
            "отдайте тариф модулю с адресом его продавца, например {address}"
        )),
    ))
}

/// This error is separate because adding the product to the settings would not help: its orders use other functions.
fn not_supported(name: &str, product: &str) -> ModuleError {
    ModuleError::new(
        ErrorKind::UnknownInternalName,
        "intname",
        name,
        text!(
            "The internal name {name} is {product}, which this module does not support",
            "Внутреннее имя {name} — это {product}: модуль этот продукт не поддерживает"
        ),
    )
    .changed(text!("Nothing was ordered", "Ничего не заказано"))
    .next(text!(
        "sell it through another module, or give the tariff another internal name",
        "продавайте его через другой модуль или укажите в тарифе другое внутреннее имя"
    ))
}
