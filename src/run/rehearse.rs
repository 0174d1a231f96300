//! `--dry-run`: the context with neighbours that only write down what would change, and the state as a copy in memory.

use std::sync::Arc;

use crate::context::{Context, Data};
use crate::error::ModuleError;
use crate::rehearsal::{NoLocks, RehearsedConnector, RehearsedPanel, RehearsedTool, Script};
use crate::store::copy_in_memory;

/// Makes a run one that changes nothing. What it would do stands in the script afterwards.
///
/// # Errors
/// `state`: the state cannot be read.
pub fn rehearse(ctx: Context, word: &str) -> Result<(Context, Script), ModuleError> {
    let script = Script::new(ctx.clock.today());
    let pinned = ctx.settings.rules(ctx.module).panel_id;
    let copy = copy_in_memory(&ctx.settings.state, pinned.as_ref(), &ctx.fresh_panel, &ctx.machine)
        .map_err(crate::engine::state_error)?;
    ctx.log.info(&format!("dry run of {word}: nothing is sent, called or written by this process"));
    let tool = RehearsedTool::new(ctx.data.tool, script.clone());
    let rehearsed = Context {
        locks: Box::new(NoLocks),
        connector: Box::new(RehearsedConnector::new(ctx.connector, script.clone())),
        panel: Box::new(RehearsedPanel(script.clone())),
        data: Data::new(Box::new(tool), Arc::clone(&ctx.log)),
        notes: Box::new(script.clone()),
        copy: Some(copy),
        ..ctx
    };
    Ok((rehearsed, script))
}
