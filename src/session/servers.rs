//! The module of ours that is the license server of a module of servers, and whether it may be one
//! (docs/licensing-rules.md 9).

use std::collections::BTreeSet;

use crate::context::{Context, database_error};
use crate::engine::Servers;
use crate::error::{ErrorKind, ModuleError};
use crate::model::ids::ModuleId;
use crate::model::item::MODULE_PROGRAM;
use crate::model::sellers::{host_of, is_seller};
use crate::ports::Module;
use crate::text;

use super::module;

/// Words in the name of a module's parameter that mean: this module has a license server of its own. The names that
/// modules use are published nowhere. So every parameter counts whose name begins with `lic` or holds `license`, or
/// whose value names a host at which ispmanager licenses are sold.
const LICENSE_WORDS: [&str; 2] = ["license", "licence"];

/// Values of such a parameter that mean: no license server.
const NO_SERVER: [&str; 6] = ["", "off", "no", "none", "null", "0"];

/// The license server of a server module. `None` when the run is about another license server.
///
/// # Errors
/// `unsupported_module`: there is none of ours, or there are several and the settings name none.
pub fn license_server(
    ctx: &Context,
    modules: &[Module],
    servers: &Module,
    only: Option<ModuleId>,
) -> Result<Option<Module>, ModuleError> {
    let setting = ctx.settings.rules(Some(servers.id)).bundled_module;
    let active: Vec<&Module> = modules.iter().filter(|m| m.program == MODULE_PROGRAM && m.active).collect();
    let seller = match (setting, active.as_slice()) {
        (Some(id), _) => module::ours(modules, id)?.clone(),
        (None, [one]) => (*one).clone(),
        (None, several) => return Err(which_server(servers, several)),
    };
    let meant = only.is_none_or(|only| only == seller.id || only == servers.id);
    Ok(meant.then_some(seller))
}

/// The modules of servers whose control panels a module of ours licenses. A module whose license server cannot be
/// determined is left out.
///
/// # Errors
/// `database`
pub fn servers_of(ctx: &mut Context, ours: ModuleId) -> Result<BTreeSet<ModuleId>, ModuleError> {
    let bundled = ctx.settings.rules(None).bundled;
    if bundled.is_empty() {
        return Ok(BTreeSet::new());
    }
    let modules = ctx.data.billdb()?.modules().map_err(database_error)?;
    let servers = modules.iter().filter(|module| bundled.contains(&module.id) && module.program != MODULE_PROGRAM);
    let is_its = |servers: &&Module| {
        license_server(ctx, &modules, servers, None).is_ok_and(|seller| seller.is_some_and(|seller| seller.id == ours))
    };
    Ok(servers.filter(is_its).map(|servers| servers.id).collect())
}

/// The server modules whose control panels a module of ours licenses, each with the reason against it, if there is one.
///
/// # Errors
/// `database`
pub fn served_by(ctx: &mut Context, ours: ModuleId) -> Result<Servers, ModuleError> {
    let modules = ctx.data.billdb()?.modules().map_err(database_error)?;
    let mut served = Servers::new();
    for id in ctx.settings.rules(None).bundled {
        let Some(servers) = modules.iter().find(|module| module.id == id && module.program != MODULE_PROGRAM) else {
            continue;
        };
        let seller = license_server(ctx, &modules, servers, None);
        let against = match seller {
            Ok(Some(seller)) if seller.id == ours => refuse_own_server(ctx, servers, &seller).err(),
            Ok(_) => continue,
            Err(error) => Some(error),
        };
        served.insert(id, against.map(|error| *error.message));
    }
    Ok(served)
}

/// Refuses a server module with a license server of its own: it would order panels itself, and two programs would buy
/// twice.
///
/// # Errors
/// `config`, object `bundled`: it has one; or why the parameters cannot be read.
pub fn refuse_own_server(ctx: &mut Context, servers: &Module, seller: &Module) -> Result<(), ModuleError> {
    let url = ctx.data.access(seller.id)?.url;
    let own_host = host_of(&url);
    for (name, value) in ctx.data.module_params(servers.id)? {
        let lower = name.to_lowercase();
        let value = value.trim().to_lowercase();
        let says_license = lower.starts_with("lic") || LICENSE_WORDS.iter().any(|word| lower.contains(word));
        let host = host_of(&value);
        let sells = is_seller(&value) || (!own_host.is_empty() && host == own_host);
        if (says_license && !NO_SERVER.contains(&value.as_str())) || sells {
            return Err(own_server(servers, seller, &name));
        }
    }
    Ok(())
}

fn own_server(servers: &Module, seller: &Module, param: &str) -> ModuleError {
    let (id, name, ours, our_name) = (servers.id, &servers.name, seller.id, &seller.name);
    ModuleError::new(
        ErrorKind::Config,
        "bundled",
        id,
        text!("Processing module {id} ({name}) has a license server of its own in its parameter {param}, and the setting bundled gives its servers licenses from {ours} ({our_name})", "У модуля обработки {id} ({name}) в параметре {param} указан свой сервер лицензий, а настройка bundled даёт его серверам лицензии от {ours} ({our_name})"),
    )
        .changed(text!(
            "Nothing was done, because both would buy licenses for the same servers",
            "Ничего не сделано: лицензии тем же серверам покупали бы оба"
        ))
        .next(text!(
            "clear {param} in the panel, or take {id} out of bundled",
            "очистите {param} в панели или уберите {id} из bundled"
        ))
}

fn which_server(servers: &Module, several: &[&Module]) -> ModuleError {
    let id = servers.id;
    let list = several.iter().map(|module| format!("{} ({})", module.id, module.name)).collect::<Vec<_>>().join(", ");
    ModuleError::new(
        ErrorKind::UnsupportedModule,
        "bundled_module",
        &list,
        text!(
            "It is not known which license server serves processing module {id}. Active license servers: {list}",
            "Неизвестно, какой сервер лицензий обслуживает модуль обработки {id}. Включённые серверы лицензий: {list}"
        ),
    )
    .changed(text!("Nothing was done for it", "Для него ничего не сделано"))
    .next(text!("name one in the setting bundled_module", "укажите его в настройке bundled_module"))
}
