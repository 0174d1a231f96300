//! `--dry-run`: a context whose panel and seller only write changes down, and whose state is a copy in memory. A
//! command that only looks gets an empty state in memory if there is no state yet.

use std::sync::Arc;

use crate::context::{Context, Data};
use crate::dry_run::{NoLocks, RehearsedConnector, RehearsedPanel, RehearsedTool, Script};
use crate::error::{ModuleError, Text};
use crate::ports::Notes;
use crate::session::state;
use crate::text;

/// Turns a run into one that changes nothing. The script holds its steps afterwards.
///
/// # Errors
/// `state`: the state cannot be read; `busy`.
pub fn rehearse(mut ctx: Context, word: &str) -> Result<(Context, Script), ModuleError> {
    ctx.looks = true;
    let script = Script::new(ctx.clock.today());
    let copy = state::copy_state(&ctx)?;
    if !state::is_there(&ctx)? {
        script.note(&no_state_yet(&ctx));
    }
    if let Some(behind) = ctx.behind.borrow().as_ref() {
        script.warn(&behind.message().text());
    }
    ctx.log.info(&format!("dry run of {word}: nothing is sent, called or written by this process"));
    let settings = ctx.settings.clone();
    let rules = move |module| settings.rules(Some(module));
    let tool = RehearsedTool::new(ctx.data.tool, script.clone());
    let rehearsed = Context {
        locks: Box::new(NoLocks),
        connector: Box::new(RehearsedConnector::new(ctx.connector, script.clone(), rules)),
        panel: Box::new(RehearsedPanel(script.clone())),
        data: Data::new(Box::new(tool), Arc::clone(&ctx.log)),
        notes: Box::new(script.clone()),
        copy: Some(copy),
        ..ctx
    };
    Ok((rehearsed, script))
}

/// If there is no state, gives a command that only looks an empty one in memory. It then waits for no lock and leaves
/// no file. Returns whether there is no state.
///
/// # Errors
/// `state`: the empty state cannot be made. Problems of an existing file are reported by the command itself.
pub fn look_without_state(ctx: &mut Context) -> Result<bool, ModuleError> {
    if !matches!(state::is_there(ctx), Ok(false)) {
        return Ok(false);
    }
    ctx.copy = Some(state::copy_state(ctx)?);
    ctx.locks = Box::new(NoLocks);
    Ok(true)
}

/// The remark before the answer of such a command.
pub fn no_state_yet(ctx: &Context) -> Text {
    let path = ctx.settings.state.display();
    text!(
        "There is no state file {path} yet. This command only looks and does not create it.",
        "Файла состояния {path} ещё нет. Эта команда только смотрит и его не создаёт."
    )
}
