//! The list of problems as text for people.

use std::collections::BTreeSet;

use super::Desk;
use super::table::wrapped;
use crate::engine::former_accounts;
use crate::error::ModuleError;
use crate::model::item::ItemStatus;
use crate::store::Store;
pub use crate::watch::problems::{Kind, Problem, Problems, to_json};

/// All problems. Refusals of services that the panel has closed since are left out, and the licenses of modules that it
/// has deleted are named. If the panel does not answer, all refusals are listed, and no module counts as deleted.
///
/// # Errors
/// `state`
pub fn read(desk: &mut Desk<'_>, store: &Store) -> Result<Problems, ModuleError> {
    let mut problems = Problems::read(store, desk.ctx.clock.now())?;
    let modules = desk.ctx.data.billdb().and_then(|db| db.modules().map_err(crate::context::database_error));
    if let Ok(modules) = modules {
        problems.add_deleted_modules(&former_accounts(store, &modules, desk.ctx.clock.today())?);
    }
    let refused = problems.refused();
    if refused.is_empty() {
        return Ok(problems);
    }
    let known = desk.ctx.data.billdb().and_then(|db| db.items(&refused).map_err(crate::context::database_error));
    if let Ok(known) = known {
        let is_closed = |item: &&crate::model::item::Item| item.status == ItemStatus::Deleted;
        let closed: BTreeSet<_> = known.iter().filter(is_closed).map(|item| item.id).collect();
        problems.forget_closed(&closed);
    }
    Ok(problems)
}

/// Lines for people: what happened, and below it what to do.
pub fn lines<'p>(desk: &Desk<'_>, problems: impl IntoIterator<Item = &'p Problem>) -> String {
    let mut text = String::new();
    for problem in problems {
        text.push_str(&format!("! {}\n", wrapped(desk.say(&problem.what), desk.width, 2)));
        text.push_str(&format!("  -> {}\n", wrapped(desk.say(&problem.next), desk.width, 5)));
    }
    text
}
