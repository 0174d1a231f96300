//! The first steps that the commands of the panel and of people share: find the module that serves a service, open the
//! state, make an engine on that module's account. No rule of licensing is here.

pub mod module;
pub mod servers;
pub mod state;

pub use state::open_state;

use crate::context::{Context, database_error};
use crate::engine::{Engine, Ports, Run, Watched};
use crate::error::ModuleError;
use crate::model::ids::{ItemId, ModuleId};
use crate::model::item::{AddonValue, Item, ItemStatus, MODULE_PROGRAM};
use crate::model::rules::Rules;
use crate::model::sellers::SellerKind;
use crate::ports::Module;

/// Services asked for at once.
const BATCH: u32 = 500;

/// The module whose account has the license of a service (docs/interface.md 4).
///
/// # Errors
/// `missed`: no such item; `unsupported_module`.
pub fn module_of_item(ctx: &mut Context, id: ItemId) -> Result<ModuleId, ModuleError> {
    let item = ctx.data.billdb()?.item(id).map_err(database_error)?.ok_or_else(|| crate::engine::no_item(id))?;
    let modules = ctx.data.billdb()?.modules().map_err(database_error)?;
    // The setting of the server's own module overrides the general one.
    let setting = ctx.settings.rules(item.module).bundled_module;
    let licensed = item.is_ours() || asks_for_panel(&item, &ctx.settings.rules(ctx.module)) || has_license(ctx, id)?;
    module::of_item(&item, &modules, setting, ctx.module, licensed).map(|handled| handled.module.id)
}

/// The modules of ours that a run over all modules handles: the active ones, and those that are switched off while a
/// license or an active service depends on them. Switching a module off ends its sales, but not the services that it
/// sold.
///
/// # Errors
/// `database`, `state`
pub fn modules_in_use(ctx: &mut Context) -> Result<Vec<Module>, ModuleError> {
    let modules = ctx.data.billdb()?.modules().map_err(database_error)?;
    let mut in_use = Vec::new();
    for module in modules.into_iter().filter(|module| module.program == MODULE_PROGRAM) {
        if module.active || has_licenses(ctx, module.id)? || has_active_service(ctx, module.id)? {
            in_use.push(module);
        }
    }
    Ok(in_use)
}

fn has_licenses(ctx: &Context, module: ModuleId) -> Result<bool, ModuleError> {
    if ctx.copy.is_none() && !state::is_there(ctx)? {
        return Ok(false);
    }
    let store = open_state(ctx)?;
    let Some(account) = store.account_of_module(module).map_err(crate::engine::state_error)? else { return Ok(false) };
    let in_use = store.in_use(account.id, None).map_err(crate::engine::state_error)?;
    // An intent that cannot be read may be an order of this module. The pass over the module reports it.
    let is_ordering =
        || store.open_intents().map_or(true, |open| open.iter().any(|intent| intent.account == account.id));
    let mut depends = is_ordering();
    for crate::store::InUse { module: id, .. } in in_use {
        // Licenses that another module bound in this account, and cannot handle since it buys elsewhere, are left to
        // this module.
        let its = store.account_of_module(id).map_err(crate::engine::state_error)?;
        depends |= id == module || its.is_none_or(|its| its.id != account.id);
    }
    Ok(depends)
}

fn has_active_service(ctx: &mut Context, module: ModuleId) -> Result<bool, ModuleError> {
    let mut after = ItemId::BEFORE_ALL;
    loop {
        let page = ctx.data.billdb()?.items_of_module(module, after, BATCH).map_err(database_error)?;
        let Some(last) = page.last() else { return Ok(false) };
        after = *last;
        let items = ctx.data.billdb()?.items(&page).map_err(database_error)?;
        if items.iter().any(|item| item.status == ItemStatus::Active) {
            return Ok(true);
        }
    }
}

/// Whether a server has the control-panel addon, whatever is chosen in it.
fn asks_for_panel(item: &Item, rules: &Rules) -> bool {
    let is_enumeration = |name: &str| {
        item.addons.iter().any(|addon| addon.name == name && matches!(addon.value, AddonValue::Choice { .. }))
    };
    rules.panel_addons.iter().any(|name| is_enumeration(name))
        || !matches!(
            item.internal_name(&rules.panel_addons, &rules.catalogue),
            Err(crate::model::item::ChoiceError::NoName)
        )
}

/// Whether the item has a license. A server whose addon is gone may still hold one, and must be closable.
fn has_license(ctx: &Context, item: ItemId) -> Result<bool, ModuleError> {
    if ctx.copy.is_none() && !state::is_there(ctx)? {
        return Ok(false);
    }
    let rows = open_state(ctx)?.licenses_of_item(item).map_err(crate::engine::state_error)?;
    Ok(!rows.is_empty())
}

/// Runs something on the engine of a module.
///
/// # Errors
/// Any failure of these first steps, or the error of `work`.
pub fn with_engine<T>(
    ctx: &mut Context,
    module: ModuleId,
    work: impl FnOnce(&mut Engine<'_>) -> Result<T, ModuleError>,
) -> Result<T, ModuleError> {
    let access = ctx.data.access(module)?;
    let kind = SellerKind::of(&access.url);
    if kind == SellerKind::Billmanager {
        ctx.settings.check_on_close(module)?;
    }
    let mut rules = ctx.settings.rules(Some(module));
    rules.catalogue = rules.catalogue.sold_by(kind);
    let mut upstream = ctx.connector.connect(&access)?;
    let store = open_state(ctx)?;
    let ports = Ports {
        upstream: Watched::new(upstream.as_mut()),
        panel: ctx.panel.as_mut(),
        billdb: ctx.data.billdb()?,
        clock: ctx.clock.as_ref(),
        locks: ctx.locks.as_ref(),
        notes: ctx.notes.as_ref(),
    };
    let run = Run { access: &access, operation: ctx.running_operation, machine: &ctx.machine, stepping: None };
    work(&mut Engine::begin(ports, store, &rules, run)?)
}
