//! `import`: makes services of licenses that the seller has.

use crate::context::Context;
use crate::context::database_error;
use crate::engine::run_to_end;
use crate::error::ModuleError;
use crate::model::ids::ModuleId;
use crate::plan::import::Search;
use crate::session::{module, with_engine};

use super::Reply;

/// Imports licenses; prints nothing.
///
/// # Errors
/// The failures, after everything was tried.
pub fn licenses(ctx: &mut Context, id: ModuleId, itemtype: &str, param: Option<&str>) -> Result<Reply, ModuleError> {
    let modules = ctx.data.billdb()?.modules().map_err(database_error)?;
    let id = module::ours(&modules, id)?.id;
    let search = Search::parse(param);
    let done = with_engine(ctx, id, |engine| Ok(run_to_end(engine.import(itemtype, &search))))?;
    done.left.iter().for_each(|why| ctx.log.info(&format!("import: {}", why.en)));
    done.report.error("import").map_or_else(|| Ok(Reply::nothing()), Err)
}
