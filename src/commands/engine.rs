//! The commands of the protocol that need an engine: those of one item, both kinds of sync, and the list for an import.
//! Each finds the right module, and the engine does the work. No rule of licensing is here.

use crate::cli::EngineCommand;
use crate::context::Context;
use crate::engine::{Allow, run_to_end};
use crate::error::ModuleError;
use crate::model::command::ItemCommand;
use crate::model::ids::ItemId;
use crate::session::{module_of_item, with_engine};

use super::sync::{self, Part, Sync};
use super::{Reply, import, licenses};

/// Carries out a command of the protocol.
///
/// # Errors
/// The error of the command.
pub fn run(ctx: &mut Context, command: &EngineCommand) -> Result<Reply, ModuleError> {
    match command {
        EngineCommand::Item { command, item } => item_command(ctx, *command, *item),
        EngineCommand::SyncServer { module } => {
            let report = licenses::sync(ctx, Some(*module), Allow::Guarded)?.report;
            report.error("sync_server").map_or_else(|| Ok(Reply::nothing()), Err)
        }
        EngineCommand::Sync { module } => {
            let what = Sync { module: *module, allow: Allow::Guarded, part: Part::All };
            let report = sync::sync(ctx, what)?.report();
            report.error("sync").map_or_else(|| Ok(Reply::nothing()), Err)
        }
        EngineCommand::Import { module, itemtype, search } => {
            import::licenses(ctx, *module, itemtype, search.as_deref())
        }
    }
}

fn item_command(ctx: &mut Context, command: ItemCommand, id: ItemId) -> Result<Reply, ModuleError> {
    let module = module_of_item(ctx, id)?;
    with_engine(ctx, module, |engine| run_to_end(engine.item_command(command, id)))?;
    Ok(if command == ItemCommand::GenKey { Reply::ok() } else { Reply::nothing() })
}
