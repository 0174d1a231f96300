//! The part of sync that handles the licenses of our modules: one pass of the engine for each module, then a report of
//! the licenses that no pass handles. No rule of licensing is here.

use crate::context::{Context, database_error};
use crate::engine::{Allow, Former, Summary, former_accounts, other_account, run_to_end, state_error};
use crate::error::ModuleError;
use crate::model::ids::{ItemId, ModuleId};
use crate::model::item::Item;
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::sellers::SellerKind;
use crate::plan::renew::is_paid;
use crate::ports::Module;
use crate::run_report::{RunReport, Scope, Why};
use crate::session::{module, modules_in_use, open_state, with_engine};
use crate::store::{LicenseFilter, Store};

use super::watched;

/// Services asked for at once.
const BATCH: usize = 500;

/// Syncs all licenses of a module, or of all modules of ours that are in use. The summary holds the failures.
///
/// # Errors
/// The modules cannot be read, or the named one is not ours.
pub fn sync(ctx: &mut Context, only: Option<ModuleId>, allow: Allow) -> Result<Summary, ModuleError> {
    let modules = ctx.data.billdb()?.modules().map_err(database_error)?;
    let chosen: Vec<ModuleId> = match only {
        Some(id) => vec![module::ours(&modules, id)?.id],
        None => modules_in_use(ctx)?.iter().map(|module| module.id).collect(),
    };
    let mut total = Summary::default();
    for &module in &chosen {
        let mut summary = Summary::default();
        match with_engine(ctx, module, |engine| Ok(run_to_end(engine.sync_all(allow)))) {
            Ok(done) => summary = done,
            Err(error) => summary.report.failed(module, Scope::Account, error),
        }
        watched::remember(ctx, module, &summary.report);
        total.add(summary);
    }
    if let Err(error) = passed_over(ctx, &modules, only, &mut total.report) {
        total.report.failed(None, Scope::Account, error);
    }
    log_accounts(ctx, "sync", &total.report);
    if only.is_none() {
        watched::forget_others(ctx, &chosen);
    }
    watched::write_metrics(ctx);
    Ok(total)
}

/// Logs failures that ended the pass over an account. The engine logs all others when they happen.
pub(super) fn log_accounts(ctx: &Context, command: &str, report: &RunReport) {
    for entry in report.entries().iter().filter(|entry| entry.scope == Scope::Account) {
        ctx.log.error(&format!("{command}, {}: {}", entry.name().en, entry.error));
    }
}

/// Reports licenses that no pass handles, because they are bound with an account that no module buys from any more.
/// Until an operator has decided what that account is, it reports all of them. After that it reports those that run out
/// under a paid service, and those that are paid for and serve nobody. `only`: licenses that this module bound, and
/// those of services that buy from it now.
pub(super) fn passed_over(
    ctx: &mut Context,
    modules: &[Module],
    only: Option<ModuleId>,
    report: &mut RunReport,
) -> Result<(), ModuleError> {
    let store = open_state(ctx)?;
    for former in former_accounts(&store, modules, ctx.clock.today())? {
        let others = only.filter(|only| *only != former.module);
        if former.is_left() {
            running_out(ctx, &store, &former, others, report)?;
            if others.is_none() {
                unused(ctx, &store, &former, report)?;
            }
        } else if match others {
            None => true,
            Some(module) => serves_services_of(ctx, &store, &former, module)?,
        } {
            report.left(former.module, Scope::Account, Why::FormerAccount, former.passed_over());
        }
    }
    Ok(())
}

/// Whether a license that is bound with a former account serves a service that buys from this module now.
fn serves_services_of(
    ctx: &mut Context,
    store: &Store,
    former: &Former,
    module: ModuleId,
) -> Result<bool, ModuleError> {
    let filter =
        LicenseFilter { state: Some(LicenseState::Bound), module: Some(former.module), ..LicenseFilter::default() };
    let rows = store.licenses_that(filter).map_err(state_error)?;
    let ids: Vec<ItemId> =
        rows.iter().filter(|row| row.account == former.account.id).filter_map(|row| row.item).collect();
    for ids in ids.chunks(BATCH) {
        let items = ctx.data.billdb()?.items(ids).map_err(database_error)?;
        if items.iter().any(|item| item.module == Some(module)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reports licenses whose service ended and which nobody frees, because no module buys from their account any more.
/// They are paid for until they run out.
fn unused(ctx: &Context, store: &Store, former: &Former, report: &mut RunReport) -> Result<(), ModuleError> {
    let today = ctx.clock.today();
    let filter =
        LicenseFilter { state: Some(LicenseState::ToFree), module: Some(former.module), ..LicenseFilter::default() };
    let rows = store.licenses_that(filter).map_err(state_error)?;
    let is_paid = |row: &&LicenseRow| row.expires.day().is_none_or(|end| end > today);
    for row in rows.iter().filter(|row| row.account == former.account.id).filter(is_paid) {
        let error = former.unused(row.id, row.expires.day());
        report.left(former.module, Scope::License(row.id), Why::LeftInFormerAccount, error);
    }
    Ok(())
}

/// Reports paid services whose license stays in an account that no module buys from, and runs out. `buyer`: only
/// services that buy from this module.
fn running_out(
    ctx: &mut Context,
    store: &Store,
    former: &Former,
    buyer: Option<ModuleId>,
    report: &mut RunReport,
) -> Result<(), ModuleError> {
    let today = ctx.clock.today();
    let days = ctx.settings.rules(Some(former.module)).renew_before_days;
    let filter = LicenseFilter {
        state: Some(LicenseState::Bound),
        module: Some(former.module),
        expires_before: today.checked_add_days(chrono::Days::new(u64::from(days) + 1)),
        ..LicenseFilter::default()
    };
    let rows = store.licenses_that(filter).map_err(state_error)?;
    for row in rows.iter().filter(|row| row.account == former.account.id) {
        let Some(id) = row.item else { continue };
        let item = ctx.data.billdb()?.item(id).map_err(database_error)?;
        let is_meant = |item: &Item| is_paid(item, today) && (buyer.is_none() || item.module == buyer);
        if item.as_ref().is_some_and(is_meant) {
            let present = match item.and_then(|item| item.module) {
                Some(module) => store.account_of_module(module).map_err(state_error)?,
                None => None,
            };
            let sells = present.map_or(SellerKind::Billmanager, |account| SellerKind::of(&account.url));
            let error = other_account(id, row.id, (&former.account, former.module), false, sells);
            ctx.log.warning(&error.to_string());
            report.left(former.module, Scope::Item(id), Why::FormerAccount, error);
        }
    }
    Ok(())
}
