//! Which processing module handles a service, and which license server its license comes from (docs/interface.md 4).

use crate::error::{ErrorKind, ModuleError};
use crate::model::ids::ModuleId;
use crate::model::item::{Item, MODULE_PROGRAM};
use crate::ports::Module;
use crate::text;

/// How a service is handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// The license server: a processing module of ours.
    pub module: Module,
    /// The service belongs to another module: it only gets its license, without a post-call.
    pub bundled: bool,
}

/// Finds a module, which must be ours.
///
/// # Errors
/// `missed` when there is none of that number, `unsupported_module` when it is not ours.
pub fn ours(modules: &[Module], id: ModuleId) -> Result<&Module, ModuleError> {
    let Some(module) = modules.iter().find(|module| module.id == id) else {
        let message = text!("There is no processing module {id}", "Модуля обработки {id} нет");
        return Err(ModuleError::new(ErrorKind::Missed, "module", id, message)
            .changed(text!("Nothing was done", "Ничего не сделано"))
            .next(text!("name one with --module ID", "укажите имеющийся через --module МОДУЛЬ")));
    };
    if module.program == MODULE_PROGRAM {
        return Ok(module);
    }
    let (name, program) = (&module.name, &module.program);
    let message = text!(
        "Processing module {id} ({name}) is served by {program}, not by {MODULE_PROGRAM}",
        "Модуль обработки {id} ({name}) обслуживает {program}, а не {MODULE_PROGRAM}"
    );
    Err(ModuleError::new(ErrorKind::UnsupportedModule, "module", id, message)
        .changed(text!("Nothing was done", "Ничего не сделано"))
        .next(text!("name a module of ours with --module ID", "укажите наш модуль через --module МОДУЛЬ")))
}

/// The module of a service. `setting`: `bundled_module`; `option`: `--module`; `licensed`: the service has a
/// control-panel addon, or a license in our state.
///
/// # Errors
/// `unsupported_module`: the service is not ours, the named module is not ours, or several of ours could be meant.
pub fn of_item(
    item: &Item,
    modules: &[Module],
    setting: Option<ModuleId>,
    option: Option<ModuleId>,
    licensed: bool,
) -> Result<Handled, ModuleError> {
    let named = option.map(|id| ours(modules, id)).transpose()?;
    if item.is_ours() {
        // The panel says which module handles the service. --module either agrees, or names another license server by
        // mistake.
        let own = item.module.unwrap_or(ModuleId(0));
        return match named {
            Some(other) if other.id != own => Err(not_that_module(item, own, other.id)),
            Some(_) | None => Ok(Handled { module: ours(modules, own)?.clone(), bundled: false }),
        };
    }
    if !licensed {
        return Err(not_ours(item));
    }
    let bundled = |module: &Module| Handled { module: module.clone(), bundled: true };
    if let Some(module) = named {
        return Ok(bundled(module));
    }
    if let Some(id) = setting {
        return ours(modules, id).map(bundled);
    }
    let mine = || modules.iter().filter(|module| module.program == MODULE_PROGRAM);
    let active: Vec<&Module> = mine().filter(|module| module.active).collect();
    match active.as_slice() {
        [one] => Ok(bundled(one)),
        [] => Err(no_module(item)),
        several => Err(several_modules(item, several)),
    }
}

fn not_that_module(item: &Item, own: ModuleId, named: ModuleId) -> ModuleError {
    let id = item.id;
    let message = text!(
        "Service {id} belongs to processing module {own}, not to {named}",
        "Услуга {id} относится к модулю обработки {own}, а не {named}"
    );
    ModuleError::new(ErrorKind::UnsupportedModule, "module", named, message)
        .changed(text!("Nothing was done", "Ничего не сделано"))
        .next(text!("repeat without --module, or with --module {own}", "повторите без --module или с --module {own}"))
}

fn not_ours(item: &Item) -> ModuleError {
    let (id, program) = (item.id, &item.module_program);
    let message = text!(
        "Service {id} is handled by {program:?} and has no control-panel addon: it is not ours",
        "Услугу {id} обслуживает {program:?}, дополнения с панелью управления у неё нет: она не наша"
    );
    ModuleError::new(ErrorKind::UnsupportedModule, "item", id, message)
        .changed(text!("Nothing was done", "Ничего не сделано"))
        .next(text!(
            "for a bundled license give its tariff an enumeration with \"nopanel\" or a product's code",
            "для лицензии при сервере добавьте в тариф перечисление со значением \"nopanel\" или кодом продукта"
        ))
}

fn no_module(item: &Item) -> ModuleError {
    let id = item.id;
    let message = text!(
        "No active processing module {MODULE_PROGRAM} can supply a license for service {id}",
        "Нет включённого модуля обработки {MODULE_PROGRAM}, который дал бы лицензию услуге {id}"
    );
    ModuleError::new(ErrorKind::UnsupportedModule, "module", "", message)
        .changed(text!("Nothing was ordered", "Ничего не заказано"))
        .next(text!("add one in the panel, or switch it on", "добавьте его в панели или включите"))
}

fn several_modules(item: &Item, several: &[&Module]) -> ModuleError {
    let id = item.id;
    let list = several.iter().map(|module| format!("{} ({})", module.id, module.name)).collect::<Vec<_>>().join(", ");
    let message = text!(
        "Several license servers could supply service {id}: {list}",
        "Лицензию услуге {id} могут дать несколько серверов лицензий: {list}"
    );
    ModuleError::new(ErrorKind::UnsupportedModule, "module", list, message)
        .changed(text!("Nothing was ordered", "Ничего не заказано"))
        .next(text!(
            "choose one with --module ID, or for good with bundled_module in the settings",
            "выберите один через --module МОДУЛЬ или навсегда настройкой bundled_module"
        ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::item::test_item;

    fn module(id: u32, program: &str, active: bool) -> Module {
        Module { id: ModuleId(id), name: format!("m{id}"), program: program.into(), active }
    }

    fn item(module: u32, program: &str) -> Item {
        let (itemtype, module_program) = ("vds".into(), program.into());
        Item { itemtype, module: Some(ModuleId(module)), module_program, ..test_item(42) }
    }

    /// docs/interface.md 4, last paragraphs: own services, bundled ones, and what is refused with the choices named.
    #[test]
    fn the_module_is_chosen_by_the_service_or_refused_with_the_choices() {
        let two = [module(7, MODULE_PROGRAM, true), module(8, MODULE_PROGRAM, true), module(3, "pmvmmanager", true)];
        let one = [module(7, MODULE_PROGRAM, true), module(8, MODULE_PROGRAM, false), module(3, "pmvmmanager", true)];
        let none = [module(3, "pmvmmanager", true)];
        let (own, server) = (item(7, MODULE_PROGRAM), item(3, "pmvmmanager"));
        let id = |number: u32| Some(ModuleId(number));
        let ok = |number: u32, bundled| Ok((ModuleId(number), bundled));
        let unsupported =
            |object: &str, value: &str| Err((ErrorKind::UnsupportedModule, object.to_owned(), value.to_owned()));
        for (case, item, modules, setting, option, licensed, want) in [
            ("own", &own, &two[..], None, None, false, ok(7, false)),
            ("own, same module named", &own, &two[..], id(8), id(7), false, ok(7, false)),
            ("own, another named", &own, &two[..], None, id(8), false, unsupported("module", "8")),
            ("own, a foreign module named", &own, &two[..], None, id(3), false, unsupported("module", "3")),
            (
                "own, no such module",
                &own,
                &two[..],
                None,
                id(9),
                false,
                Err((ErrorKind::Missed, "module".into(), "9".into())),
            ),
            ("server without addon", &server, &one[..], id(7), id(7), false, unsupported("item", "42")),
            ("server, module named", &server, &two[..], id(7), id(8), true, ok(8, true)),
            ("server, setting", &server, &two[..], id(8), None, true, ok(8, true)),
            ("server, setting is not ours", &server, &two[..], id(3), None, true, unsupported("module", "3")),
            ("server, the only active one", &server, &one[..], None, None, true, ok(7, true)),
            ("server, several", &server, &two[..], None, None, true, unsupported("module", "7 (m7), 8 (m8)")),
            ("server, none", &server, &none[..], None, None, true, unsupported("module", "")),
        ] {
            let found = of_item(item, modules, setting, option, licensed)
                .map(|handled| (handled.module.id, handled.bundled))
                .map_err(|error| (error.kind, error.object, error.value));
            assert_eq!(found, want, "{case}");
        }
    }
}
