//! `--dry-run`: the context with neighbours that only write down what would change, and the state as a copy in
//! memory. A look where there is no state yet gets an empty one of that kind as well.

use std::sync::Arc;

use crate::context::{Context, Data};
use crate::dry_run::{NoLocks, RehearsedConnector, RehearsedPanel, RehearsedTool, Script};
use crate::error::{ModuleError, Text};
use crate::ports::Notes;
use crate::session::state;
use crate::text;

/// Makes a run one that changes nothing. What it would do stands in the script afterwards.
///
/// # Errors
/// `state`: the state cannot be read; `busy`.
pub fn rehearse(ctx: Context, word: &str) -> Result<(Context, Script), ModuleError> {
    let script = Script::new(ctx.clock.today());
    let copy = state::copy_state(&ctx)?;
    if !state::is_there(&ctx)? {
        script.note(&no_state_yet(&ctx));
    }
    ctx.log.info(&format!("dry run of {word}: nothing is sent, called or written by this process"));
    let settings = ctx.settings.clone();
    let order_api = move |module| settings.rules(Some(module)).upstream.order_api;
    let tool = RehearsedTool::new(ctx.data.tool, script.clone());
    let rehearsed = Context {
        locks: Box::new(NoLocks),
        connector: Box::new(RehearsedConnector::new(ctx.connector, script.clone(), order_api)),
        panel: Box::new(RehearsedPanel(script.clone())),
        data: Data::new(Box::new(tool), Arc::clone(&ctx.log)),
        notes: Box::new(script.clone()),
        copy: Some(copy),
        ..ctx
    };
    Ok((rehearsed, script))
}

/// Where there is no state, a look gets an empty one in memory, waits for no lock and leaves no file. Whether it is
/// so.
///
/// # Errors
/// `state`: the empty one cannot be made. What is wrong with a file that is there is for the look itself to say.
pub fn look_without_state(ctx: &mut Context) -> Result<bool, ModuleError> {
    if !matches!(state::is_there(ctx), Ok(false)) {
        return Ok(false);
    }
    ctx.copy = Some(state::copy_state(ctx)?);
    ctx.locks = Box::new(NoLocks);
    Ok(true)
}

/// Said before a look that found no state.
pub fn no_state_yet(ctx: &Context) -> Text {
    let path = ctx.settings.state.display();
    text!(
        "There is no state file {path} yet, and a look makes none.",
        "Файла состояния {path} ещё нет, и просмотр его не создаёт."
    )
}
