//! The records that a sync leaves for monitoring: how it ended, the balance, and the file of figures. When this fails,
//! the failure is logged, and the sync does not fail.

use crate::context::Context;
use crate::error::ModuleError;
use crate::model::ids::ModuleId;
use crate::run_report::{RunReport, Scope};
use crate::session::open_state;
use crate::watch::last_runs::{self, LastRuns};
use crate::watch::metrics::{figures, write};

/// Remembers how the sync of a module ended. The balance is read only if figures are written, because it costs one more
/// request to the seller.
pub(super) fn remember(ctx: &mut Context, module: ModuleId, report: &RunReport) {
    if ctx.copy.is_some() {
        return; // A dry run leaves nothing.
    }
    let now = ctx.clock.now();
    let failure = report.error("sync").map(|error| error.mapped(|words| ctx.log.masked(words)));
    let is_of_module = report.first().is_some_and(|entry| entry.scope == Scope::Account);
    let balance = ctx.settings.metrics_file.is_some().then(|| balance(ctx, module)).and_then(Result::ok);
    let changed = LastRuns::change(&last_runs::path(&ctx.settings), |all| {
        all.sync_ended(module, now, failure.as_ref().map(|error| &*error.message), is_of_module);
        if let Some(balance) = balance.flatten() {
            all.balance_seen(module, now, &balance);
        }
    });
    if let Err(error) = changed {
        ctx.log.warning(&format!("how the sync of module {module} ended cannot be remembered: {error}"));
    }
}

/// Forgets modules that are not in use any more. They are never synced again, so an alert about them would never end.
pub(super) fn forget_others(ctx: &Context, in_use: &[ModuleId]) {
    let path = last_runs::path(&ctx.settings);
    if ctx.copy.is_some() || !LastRuns::read(&path).knows_others(in_use) {
        return;
    }
    if let Err(error) = LastRuns::change(&path, |all| all.forget_others(in_use)) {
        ctx.log.warning(&format!("modules that are gone cannot be forgotten: {error}"));
    }
}

fn balance(ctx: &mut Context, module: ModuleId) -> Result<Option<crate::model::license::Money>, ModuleError> {
    let access = ctx.data.access(module)?;
    let mut client = ctx.connector.connect(&access)?;
    Ok(client.balance().ok())
}

/// Writes the figures to the file that the settings name.
pub(super) fn write_metrics(ctx: &mut Context) {
    let Some(file) = ctx.settings.metrics_file.clone().filter(|_| ctx.copy.is_none()) else { return };
    let (now, today) = (ctx.clock.now(), ctx.clock.today());
    let written = open_state(ctx).and_then(|store| figures(&store, &ctx.settings, now, today));
    let written = written.map_err(|error| error.to_string());
    if let Err(error) = written.and_then(|text| write(&file, &text).map_err(|error| error.to_string())) {
        ctx.log.warning(&format!("metrics_file {} cannot be written: {error}", file.display()));
    }
}
