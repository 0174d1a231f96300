//! The commands that may change a license or spend money: the engine of the right module does the work. No rule of
//! licensing here.

use crate::cli::{EngineCommand, ItemCommand};
use crate::context::{Context, database_error};
use crate::engine::{Allow, Summary, Verdict, run_to_end};
use crate::error::{ModuleError, Text};
use crate::model::ids::{ItemId, ModuleId, WishId};
use crate::model::item::MODULE_PROGRAM;
use crate::opening::{module, module_of_item, open_state, with_engine};
use crate::text;

use super::Reply;
use super::bundled::{self, Part, Sync};

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
/// See [`crate::engine::Engine::resolve`].
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
