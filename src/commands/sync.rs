//! sync as a whole: all licenses of our modules, then the servers of other modules (docs/licensing-rules.md 9), both
//! those that events noted in the spool and all others (the sweep). A run each minute (`--noted`) handles noted servers
//! only; it costs nothing when there are none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use crate::context::{Context, database_error};
use crate::engine::{
    Allow, Server, Summary, Swept, lease_name, left_to_other_run, lock_failed, run_to_end, state_error,
};
use crate::error::{ErrorKind, ModuleError};
use crate::event_hook;
use crate::model::ids::{ItemId, ModuleId};
use crate::model::item::MODULE_PROGRAM;
use crate::ports::{LockGuard, LockName, Module};
use crate::run_report::{RunReport, Scope, Why};
use crate::session::servers::{license_server, refuse_own_server};
use crate::session::{open_state, with_engine};
use crate::store::LeaseGuard;
use crate::text;

use super::licenses;

/// The options of a run of sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sync {
    /// Only this module: a license server of ours, or (for the sweep) a module of servers.
    pub module: Option<ModuleId>,
    /// Whether the guards of docs/money-safety.md 6 hold.
    pub allow: Allow,
    /// Which part of sync is done.
    pub part: Part,
}

/// The parts of sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Licenses, then servers.
    All,
    /// Servers only.
    Sweep {
        /// The first sweep is confirmed: from now on it acts.
        adopt: bool,
    },
    /// Only the servers that events noted recently.
    Noted,
}

/// A note that could not be carried out for this long waits for the next complete sync, which reports the failure.
const NOTED_MINUTES: i64 = 15;

/// What a run of sync did.
#[derive(Debug, Default)]
pub struct Synced {
    /// The licenses of our modules.
    pub licenses: Summary,
    /// The servers of other modules.
    pub servers: Swept,
}

impl Synced {
    /// The failures, and what was left alone, of licenses and servers together.
    pub fn report(&self) -> RunReport {
        let mut report = self.licenses.report.clone();
        report.add(self.servers.report.clone());
        report
    }
}

/// Carries out sync. The result holds the failures.
///
/// # Errors
/// No part of it could begin: the modules cannot be read, or a lock file cannot be made.
pub fn sync(ctx: &mut Context, what: Sync) -> Result<Synced, ModuleError> {
    let name = match what.part {
        Part::Noted if notes(ctx, what.part).is_empty() => return Ok(Default::default()),
        Part::Noted => Some(LockName::Noted),
        // Cron may run on every machine of a cluster; one of them does the work.
        Part::All | Part::Sweep { .. } => ctx.cluster.is_some().then_some(LockName::Sync),
    };
    // Held to the end. The notes are read again while it is held, so that no note is carried out by two runs.
    let _alone = match name {
        None => None,
        Some(name) => match alone(ctx, name)? {
            Some(alone) => Some(alone),
            // `sync --noted` runs every minute. The other run handles the same notes, so there is nothing to report.
            None if name == LockName::Noted => return Ok(Default::default()),
            None => {
                let mut left = Synced::default();
                left.licenses.report.left(None, Scope::Account, Why::OtherRun, left_to_other_run(name));
                return Ok(left);
            }
        },
    };
    let licenses = match what.part {
        Part::All => licenses::sync(ctx, what.module, what.allow),
        Part::Sweep { .. } | Part::Noted => Ok(Summary::default()),
    };
    // A named module that is not ours may be a module of servers.
    let synced = match (licenses, sweep(ctx, what)) {
        (Err(error), Err(_)) => return Err(error),
        (Ok(licenses), Ok(servers)) => Synced { licenses, servers },
        // If one half could not begin, the results of the other are still reported.
        (Err(error), Ok(servers)) => {
            let mut licenses = Summary::default();
            licenses.report.failed(None, Scope::Account, error);
            Synced { licenses, servers }
        }
        (Ok(licenses), Err(error)) => {
            let mut servers = Swept::default();
            servers.report.failed(None, Scope::Account, error);
            Synced { licenses, servers }
        }
    };
    for report in &synced.servers.reports {
        ctx.log.warning(&report.text().en);
    }
    if what.part == Part::All && ctx.cluster.is_some() && ctx.copy.is_none() {
        // A long log makes joining slow, so it is cut here. If that fails, the next sync does it.
        if let Err(error) = open_state(ctx)?.make_snapshot(true) {
            ctx.log.warning(&format!("no snapshot of the cluster's log was made: {error}"));
        }
    }
    Ok(synced)
}

/// A lock file of this machine and, in a cluster, the lease of the same name, which is given back first. The file keeps
/// a second run of this machine from taking over the lease of the first.
struct Alone {
    _lease: Option<LeaseGuard>,
    _file: Box<dyn LockGuard>,
}

/// `None`: another run does this work, here or on another machine.
fn alone(ctx: &Context, name: LockName) -> Result<Option<Alone>, ModuleError> {
    let Some(file) = ctx.locks.try_lock(name).map_err(|why| lock_failed(&why))? else { return Ok(None) };
    if ctx.cluster.is_none() || ctx.copy.is_some() {
        return Ok(Some(Alone { _lease: None, _file: file }));
    }
    let lease = open_state(ctx)?.lease(&lease_name(name), ctx.clock.now()).map_err(state_error)?;
    Ok(lease.map(|lease| Alone { _lease: Some(lease), _file: file }))
}

fn sweep(ctx: &mut Context, what: Sync) -> Result<Swept, ModuleError> {
    let bundled = ctx.settings.rules(None).bundled;
    let notes = notes(ctx, what.part);
    let mut total = Swept::default();
    if bundled.is_empty() {
        // No module of servers is served, so the noted events do not concern us, and the panel is not asked about them.
        notes.keys().for_each(|item| forget(ctx, *item, &notes));
        return Ok(total);
    }
    let modules = ctx.data.billdb()?.modules().map_err(database_error)?;
    let by_module = sort_notes(ctx, &bundled, &notes)?;
    let mut sellers = BTreeSet::new();
    for id in bundled {
        let noted = by_module.get(&id).cloned().unwrap_or_default();
        if what.part == Part::Noted && noted.is_empty() {
            continue;
        }
        let done = sweep_module(ctx, &modules, id, &noted, what, &mut sellers);
        match done {
            Ok(swept) => {
                let settled = swept.settled.iter().filter(|item| noted.contains(item));
                settled.for_each(|item| forget(ctx, *item, &notes));
                total.add(swept);
            }
            Err(error) => total.report.failed(id, Scope::Account, error),
        }
    }
    match what.part {
        // The sync of all licenses reports this already, and a run for notes handles only the noted servers.
        Part::All | Part::Noted => {}
        Part::Sweep { .. } => {
            for seller in sellers {
                if let Err(error) = licenses::passed_over(ctx, &modules, Some(seller), &mut total.report) {
                    total.report.failed(seller, Scope::Account, error);
                }
            }
        }
    }
    licenses::log_accounts(ctx, "sweep", &total.report);
    Ok(total)
}

/// The notes of events. For a run that handles only notes, the recent ones.
fn notes(ctx: &Context, part: Part) -> BTreeMap<ItemId, SystemTime> {
    let mut notes = event_hook::notes(&ctx.settings);
    if part == Part::Noted {
        let oldest = SystemTime::from(ctx.clock.now() - chrono::Duration::minutes(NOTED_MINUTES));
        notes.retain(|_, written| *written >= oldest);
    }
    notes
}

fn forget(ctx: &Context, item: ItemId, notes: &BTreeMap<ItemId, SystemTime>) {
    if let Some(written) = notes.get(&item).filter(|_| ctx.copy.is_none()) {
        event_hook::forget(&ctx.settings, item, *written);
    }
}

/// Sorts notes by the module that handles the service. Notes about services that get no license from us are removed.
fn sort_notes(
    ctx: &mut Context,
    bundled: &[ModuleId],
    notes: &BTreeMap<ItemId, SystemTime>,
) -> Result<BTreeMap<ModuleId, BTreeSet<ItemId>>, ModuleError> {
    let mut by_module: BTreeMap<ModuleId, BTreeSet<ItemId>> = BTreeMap::new();
    for item in notes.keys() {
        let found = ctx.data.billdb()?.item(*item).map_err(database_error)?;
        match found.as_ref().and_then(|item| item.module).filter(|module| bundled.contains(module)) {
            Some(module) => drop(by_module.entry(module).or_default().insert(*item)),
            None => {
                if found.is_none() {
                    ctx.log.warning(&format!("an event named service {item}, which is not in the panel"));
                }
                forget(ctx, *item, notes);
            }
        }
    }
    Ok(by_module)
}

/// Sweeps one module of servers. `sellers`: gets the license server of these servers.
fn sweep_module(
    ctx: &mut Context,
    modules: &[Module],
    id: ModuleId,
    noted: &BTreeSet<ItemId>,
    what: Sync,
    sellers: &mut BTreeSet<ModuleId>,
) -> Result<Swept, ModuleError> {
    let servers = modules.iter().find(|module| module.id == id).ok_or_else(|| no_such(id))?;
    if servers.program == MODULE_PROGRAM {
        return Err(ours_in_bundled(servers));
    }
    let seller = license_server(ctx, modules, servers, what.module)?;
    let Some(seller) = seller else { return Ok(Swept::default()) };
    refuse_own_server(ctx, servers, &seller)?;
    sellers.insert(seller.id);
    let key = format!("adopted:{id}");
    let store = open_state(ctx)?;
    if what.part == (Part::Sweep { adopt: true }) {
        store.write(ctx.clock.now(), |tx| tx.set_meta(&key, "yes")).map_err(crate::engine::state_error)?;
    }
    let adopted = store.meta(&key).map_err(crate::engine::state_error)?.is_some();
    let whole = what.part != Part::Noted;
    let server = Server { module: id, adopted, whole };
    let mut swept = with_engine(ctx, seller.id, |engine| Ok(run_to_end(engine.sweep(server, noted, what.allow))))?;
    if whole && !adopted && !swept.reports.is_empty() {
        let name = &servers.name;
        swept.reports.push(
            text!("module {id} ({name}) was only compared", "модуль {id} ({name}) только сверен")
                .changed(text!("Nothing was changed for its servers", "Для его серверов ничего не изменено"))
                .next(text!(
                    "confirm it and carry it out: pmisplicense sync --sweep --adopt --module {id}",
                    "подтвердить и выполнить: pmisplicense sync --sweep --adopt --module {id}"
                )),
        );
    }
    Ok(swept)
}

fn no_such(id: ModuleId) -> ModuleError {
    ModuleError::new(
        ErrorKind::Config,
        "bundled",
        id,
        text!(
            "The setting bundled names processing module {id}, which does not exist",
            "Настройка bundled называет модуль обработки {id}, которого нет"
        ),
    )
    .changed(text!("Nothing was done for it", "Для него ничего не сделано"))
    .next(text!("correct the settings file", "исправьте файл настроек"))
}

fn ours_in_bundled(module: &Module) -> ModuleError {
    let id = module.id;
    ModuleError::new(
        ErrorKind::Config,
        "bundled",
        id,
        text!(
            "The setting bundled names processing module {id} ({}), which sells licenses itself",
            "Настройка bundled называет модуль обработки {id} ({}), который сам продаёт лицензии",
            module.name
        ),
    )
    .changed(text!("Nothing was done for it", "Для него ничего не сделано"))
    .next(text!("name modules of servers there", "укажите модули серверов"))
}
