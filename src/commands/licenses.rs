//! The commands that may change a license or spend money: the right module and account are found, the state is opened,
//! and the engine does the rest. No rule of licensing here.

use crate::cli::{EngineCommand, ItemCommand};
use crate::context::{Context, database_error};
use crate::engine::{Allow, Engine, Ports, Run, Summary, Verdict, run_to_end};
use crate::error::{ModuleError, Text};
use crate::model::ids::{ItemId, ModuleId, WishId};
use crate::model::item::{AddonValue, Item, MODULE_PROGRAM};
use crate::model::rules::Rules;
use crate::store::{Store, open_file};
use crate::text;

use super::bundled::{self, Part, Sync};
use super::{Reply, module};

/// Carries out a command of the protocol.
///
/// # Errors
/// Whatever stands in its way.
pub fn run(ctx: &mut Context, command: &EngineCommand) -> Result<Reply, ModuleError> {
    match command {
        EngineCommand::Item { command, item } => item_command(ctx, *command, *item),
        EngineCommand::SyncServer { module } => sync(ctx, Some(*module), Allow::Guarded).map(|_| Reply::nothing()),
        EngineCommand::Sync { module } => {
            let what = Sync { module: *module, allow: Allow::Guarded, part: Part::All };
            bundled::sync(ctx, what).map(|_| Reply::nothing())
        }
        EngineCommand::Import { module, itemtype, search } => {
            super::import::licenses(ctx, *module, itemtype, search.as_deref())
        }
    }
}

fn item_command(ctx: &mut Context, command: ItemCommand, id: ItemId) -> Result<Reply, ModuleError> {
    let module = module_of_item(ctx, id)?;
    with_engine(ctx, module, |engine| run_to_end(engine.item_command(command, id)))?;
    Ok(if command == ItemCommand::GenKey { Reply::ok() } else { Reply::nothing() })
}

/// Which module's account a service is licensed from (CONTRACT.md 4).
///
/// # Errors
/// `missed`: no such item; `unsupported_module`.
pub fn module_of_item(ctx: &mut Context, id: ItemId) -> Result<ModuleId, ModuleError> {
    let item = ctx.data.billdb()?.item(id).map_err(database_error)?.ok_or_else(|| crate::engine::no_item(id))?;
    let modules = ctx.data.billdb()?.modules().map_err(database_error)?;
    // A choice of the server's own module comes before the general one.
    let setting = ctx.settings.rules(item.module).bundled_module;
    let licensed = item.is_ours() || asks_for_panel(&item, &ctx.settings.rules(ctx.module)) || has_license(ctx, id)?;
    module::of_item(&item, &modules, setting, ctx.module, licensed).map(|handled| handled.module.id)
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

/// A server whose addon is gone may still hold a license: it must be closable.
fn has_license(ctx: &Context, item: ItemId) -> Result<bool, ModuleError> {
    if !ctx.settings.state.exists() {
        return Ok(false);
    }
    let held = open_state(ctx)?.licenses_of_item(item).map_err(crate::engine::state_error)?;
    Ok(!held.is_empty())
}

/// Opens the state, making it at first use; a rehearsal has its copy.
///
/// # Errors
/// `state`.
pub fn open_state(ctx: &Context) -> Result<Store, ModuleError> {
    if let Some(copy) = &ctx.copy {
        return Ok(copy.clone());
    }
    let pinned = ctx.settings.rules(ctx.module).panel_id;
    open_file(&ctx.settings.state, pinned.as_ref(), &ctx.fresh_panel, &ctx.machine, ctx.clock.now())
        .map_err(crate::engine::state_error)
}

/// Runs something on the engine of a module.
///
/// # Errors
/// Whatever stands in the way of beginning, or what `work` returns.
pub fn with_engine<T>(
    ctx: &mut Context,
    module: ModuleId,
    work: impl FnOnce(&mut Engine<'_>) -> Result<T, ModuleError>,
) -> Result<T, ModuleError> {
    let access = ctx.data.access(module)?;
    let rules = ctx.settings.rules(Some(module));
    let mut upstream = ctx.connector.connect(&access)?;
    let store = open_state(ctx)?;
    let ports = Ports {
        upstream: upstream.as_mut(),
        panel: ctx.panel.as_mut(),
        billdb: ctx.data.billdb()?,
        clock: ctx.clock.as_ref(),
        locks: ctx.locks.as_ref(),
        notes: ctx.notes.as_ref(),
    };
    let run = Run { access: &access, operation: ctx.running_operation, machine: &ctx.machine, stepping: None };
    work(&mut Engine::begin(ports, store, &rules, run)?)
}

/// All licenses of a module, or of all active modules of ours.
///
/// # Errors
/// The first failure, after everything was tried.
pub fn sync(ctx: &mut Context, only: Option<ModuleId>, allow: Allow) -> Result<Summary, ModuleError> {
    let modules = ctx.data.billdb()?.modules().map_err(database_error)?;
    let chosen: Vec<ModuleId> = match only {
        Some(id) => vec![module::ours(&modules, id)?.id],
        None => modules.iter().filter(|m| m.program == MODULE_PROGRAM && m.active).map(|m| m.id).collect(),
    };
    let mut total = Summary::default();
    let mut first_error = None;
    for module in chosen {
        match with_engine(ctx, module, |engine| run_to_end(engine.sync_all(allow))) {
            Ok(summary) => total.add(summary),
            Err(error) => {
                ctx.log.error(&format!("sync of module {module}: {error}"));
                first_error = first_error.or(Some(error));
            }
        }
    }
    match first_error.or_else(|| failed(&total)) {
        Some(error) => Err(error),
        None => Ok(total),
    }
}

/// The first failure of a pass, saying how many there were.
fn failed(summary: &Summary) -> Option<ModuleError> {
    let (item, error) = summary.failures.first()?;
    let (count, handled) = (summary.failures.len(), summary.handled);
    let item = item.map_or_else(|| "-".to_owned(), |item| item.to_string());
    let message = text!(
        [
            "sync: {count} of {handled} looked at one by one failed, the others are done; the first, service {item}: {}",
            error.message.en
        ],
        [
            "sync: не удалось {count} из {handled} обработанных, остальные готовы; первая, услуга {item}: {}",
            error.message.ru
        ]
    );
    Some(ModuleError { message: Box::new(message), ..error.clone() })
}

/// Ends a doubt of a service, as a person says.
///
/// # Errors
/// See [`Engine::resolve`].
pub fn resolve(ctx: &mut Context, item: ItemId, wish: Option<WishId>, verdict: Verdict) -> Result<Text, ModuleError> {
    let module = module_of_item(ctx, item)?;
    with_engine(ctx, module, |engine| run_to_end(engine.resolve(item, wish, verdict)))
}

/// Makes the state file this machine's own.
///
/// # Errors
/// `state`.
pub fn claim_state(ctx: &Context) -> Result<Text, ModuleError> {
    let store = open_state(ctx)?;
    let machine = &ctx.machine;
    store.write(ctx.clock.now(), |tx| tx.set_meta("machine", machine)).map_err(crate::engine::state_error)?;
    Ok(text!("the state file now belongs to this machine", "файл состояния теперь принадлежит этой машине"))
}

/// Accepts the account that a module is set to now: its licenses so far stay with the account they were bound with.
///
/// # Errors
/// `state`, or why the module's settings cannot be read.
pub fn accept_account(ctx: &mut Context, module: ModuleId) -> Result<Text, ModuleError> {
    let access = ctx.data.access(module)?;
    let store = open_state(ctx)?;
    let (url, user) = (access.url.trim_end_matches('/').to_owned(), access.username.clone());
    store.write(ctx.clock.now(), |tx| tx.set_account(module, &url, &user)).map_err(crate::engine::state_error)?;
    Ok(text!("module {module} now buys as {user} at {url}", "модуль {module} теперь покупает как {user} на {url}"))
}
