//! The state file under its lock. Every run shares the lock while it has the file open, and opens the file only after
//! it has the lock. A run that replaces the file holds the lock alone, so no other run can go on writing into the old
//! file. An operator does not have to stop anything.

use std::fs;
use std::path::Path;

use crate::context::{Behind, ClusterAccess, Context};
use crate::engine::{LOCK_RETRY, LOCK_WAIT, busy, cluster_words, lock_failed, state_error};
use crate::error::{ErrorKind, ModuleError};
use crate::locks::STATE_LOCK;
use crate::ports::{LockGuard, LockName};
use crate::store::membership;
use crate::store::{
    ClusterError, ClusterRules, Installation, Opened, Store, StoreError, Unready, copy_in_memory, finish_copy,
    new_in_memory,
};
use crate::store::{open_file, open_ready, prepare, read_copy};
use crate::text;

/// Opens the state, and makes it at first use. A run that only looks gets its copy instead.
///
/// # Errors
/// `busy`: another run holds it alone for too long; `state`.
pub fn open_state(ctx: &Context) -> Result<Store, ModuleError> {
    if let Some(copy) = &ctx.copy {
        return Ok(copy.clone());
    }
    if let Some(replica) = ctx.replica.borrow().as_ref() {
        return Ok(replica.clone());
    }
    let store = patiently(ctx, || opened(ctx))?;
    if store.is_clustered() {
        catch_up(ctx, &store)?;
        *ctx.replica.borrow_mut() = Some(store.clone());
    }
    Ok(store)
}

/// Reads what other machines wrote. When the log cannot be read, a run that only looks goes on with what this machine
/// has, and reports how old that is. When no server answers, a run that changes something goes on too. Its first change
/// needs an entry in the log, so it fails there.
fn catch_up(ctx: &Context, store: &Store) -> Result<(), ModuleError> {
    store.catch_up().or_else(|error| go_on_behind(ctx, store, error))
}

fn go_on_behind(ctx: &Context, store: &Store, error: StoreError) -> Result<(), ModuleError> {
    let (StoreError::Cluster(why), Some(freshness)) = (&error, store.freshness().map_err(state_error)?) else {
        return Err(state_error(error));
    };
    if !ctx.looks && !matches!(**why, ClusterError::Away(_)) {
        return Err(state_error(error));
    }
    let behind = Behind::new(&cluster_words(why), freshness, ctx.clock.now());
    ctx.log.warning(&format!("{} ({why})", behind.message().text().en));
    *ctx.behind.borrow_mut() = Some(behind);
    Ok(())
}

/// Shares the lock and opens the file. `None`: not possible at this moment.
fn opened(ctx: &Context) -> Result<Option<Store>, ModuleError> {
    let (path, now) = (&ctx.settings.state, ctx.clock.now());
    let pinned = ctx.settings.rules(ctx.module).panel_id;
    let who = Installation { pinned: pinned.as_ref(), fresh: &ctx.fresh_panel, machine: &ctx.machine };
    // There is a second round when this run itself prepared the state.
    for _ in 0..2 {
        let Some(guard) = share(ctx)? else { return Ok(None) };
        match open_ready(path, who, now).map_err(state_error)? {
            Opened::Ready(_) if ctx.cluster.is_some() => return Err(not_replica()),
            Opened::Ready(store) => return Ok(Some(store.guarded_by(guard))),
            Opened::Replica(store) => {
                let (log, rules) = (access(ctx)?.log()?, access(ctx)?.rules()?);
                return Ok(Some(store.in_cluster(log, rules).map_err(state_error)?.guarded_by(guard)));
            }
            Opened::Unready(Unready::Empty) if was_used(ctx) => return Err(lost(path)),
            Opened::Unready(Unready::Missing | Unready::Empty | Unready::Older) => {}
        }
        drop(guard);
        let Some(_alone) = try_alone(ctx)? else { return Ok(None) };
        match &ctx.cluster {
            None => prepare(path, who, now).map_err(state_error)?,
            Some(_) if !path.exists() => return Err(not_replica()),
            Some(cluster) => membership::bring_forward(path, cluster.log()?, cluster.rules()?).map_err(state_error)?,
        }
    }
    Ok(None)
}

/// The log of the cluster.
///
/// # Errors
/// `config`: the settings have no `[cluster]`.
pub fn access(ctx: &Context) -> Result<&dyn ClusterAccess, ModuleError> {
    ctx.cluster.as_deref().ok_or_else(|| match read_copy(&ctx.settings.state) {
        Ok(copy) if copy.was_replica() => state_error(ClusterError::NoSettings.into()),
        Ok(_) | Err(_) => works_alone(),
    })
}

fn works_alone() -> ModuleError {
    let words = text!(
        "The settings have no section [cluster], so this machine works alone",
        "В настройках нет раздела [cluster], поэтому эта машина работает одна"
    );
    ModuleError::new(ErrorKind::Config, "cluster", "", words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!("docs/cluster.md says what a cluster needs", "docs/cluster.md говорит, что нужно кластеру"))
}

fn not_replica() -> ModuleError {
    state_error(ClusterError::NotReplica.into())
}

/// The state's lock for a run that replaces the file. It waits for the runs that have the file open.
///
/// # Errors
/// `busy`: they take too long.
pub fn alone(ctx: &Context) -> Result<Box<dyn LockGuard>, ModuleError> {
    patiently(ctx, || try_alone(ctx))
}

/// The state for one change that no other run may meet half-way: runs that began before have ended, and those that
/// begin later read what this one wrote.
///
/// # Errors
/// `busy`: other runs take too long; `state`.
pub fn open_alone(ctx: &Context) -> Result<Store, ModuleError> {
    let guard = alone(ctx)?;
    let pinned = ctx.settings.rules(ctx.module).panel_id;
    let who = Installation { pinned: pinned.as_ref(), fresh: &ctx.fresh_panel, machine: &ctx.machine };
    let store = open_file(&ctx.settings.state, who, ctx.clock.now()).map_err(state_error)?;
    Ok(store.guarded_by(guard))
}

/// The state as a copy in memory, for a run that changes nothing; a new one where there is none. In a cluster the copy
/// has what other machines wrote, if the log can be read and still holds this machine's newest entry.
///
/// # Errors
/// As [`open_state`].
pub fn copy_state(ctx: &Context) -> Result<Store, ModuleError> {
    let pinned = ctx.settings.rules(ctx.module).panel_id;
    let who = Installation { pinned: pinned.as_ref(), fresh: &ctx.fresh_panel, machine: &ctx.machine };
    if !is_there(ctx)? {
        return new_in_memory(who, ctx.clock.now()).map_err(state_error);
    }
    let _guard = patiently(ctx, || share(ctx))?;
    let copy = copy_in_memory(&ctx.settings.state).map_err(state_error)?;
    if ctx.cluster.is_some() {
        let rules = ClusterRules { queue: None, ..access(ctx)?.rules()? };
        let replica = copy.clone().in_cluster(access(ctx)?.log()?, rules).map_err(state_error)?;
        replica.look_on().or_else(|error| go_on_behind(ctx, &replica, error))?;
    }
    finish_copy(&copy, who).map_err(state_error)?;
    Ok(copy)
}

/// Whether there is a state, without looking at its content. An empty file does not count as one, if nothing was used
/// yet.
///
/// # Errors
/// `state`: the file is empty, and traces of earlier runs are beside it; or the file cannot be examined.
pub fn is_there(ctx: &Context) -> Result<bool, ModuleError> {
    let path = &ctx.settings.state;
    match fs::metadata(path) {
        Ok(about) if about.len() > 0 => Ok(true),
        Ok(_) if was_used(ctx) => Err(lost(path)),
        Ok(_) => Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(state_error(StoreError::Io { path: path.display().to_string(), source })),
    }
}

/// There is no state file yet.
pub fn no_state(path: &Path) -> ModuleError {
    let shown = path.display();
    let words = text!(
        "There is no state file {shown} yet: this installation has bought nothing",
        "Файла состояния {shown} ещё нет: эта установка ничего не покупала"
    );
    ModuleError::new(ErrorKind::Missed, "state", shown, words).changed(text!("Nothing was done", "Ничего не сделано"))
}

/// The state was lost. This program never leaves an empty file behind, not even for a moment. So an empty file beside
/// the traces of earlier runs once held a state.
fn lost(path: &Path) -> ModuleError {
    let shown = path.display();
    let words = text!(
        "The state file {shown} is empty, although this installation has been used: its content is lost",
        "Файл состояния {shown} пуст, хотя эта установка уже работала: его содержимое потеряно"
    );
    ModuleError::new(ErrorKind::State, "state", shown, words)
        .changed(text!("It was left as it is, and nothing was sent", "Он оставлен как есть, ничего не отправлено"))
        .next(text!(
            "put the newest backup back: pmisplicense restore FILE. Without a backup: pmisplicense state begin-anew",
            "верните последнюю копию: pmisplicense restore ФАЙЛ. Если копии нет: pmisplicense state begin-anew"
        ))
}

/// Whether there are traces of earlier runs: locks of services and licenses, notes of the event handler, or lines in
/// the log.
fn was_used(ctx: &Context) -> bool {
    let locks = fs::read_dir(ctx.settings.locks()).into_iter().flatten().flatten();
    let mut others = locks.filter(|entry| entry.file_name() != STATE_LOCK);
    others.next().is_some() || ctx.settings.spool().exists() || ctx.log.was_used()
}

fn share(ctx: &Context) -> Result<Option<Box<dyn LockGuard>>, ModuleError> {
    ctx.locks.try_share(LockName::State).map_err(|why| lock_failed(&why))
}

fn try_alone(ctx: &Context) -> Result<Option<Box<dyn LockGuard>>, ModuleError> {
    ctx.locks.try_lock(LockName::State).map_err(|why| lock_failed(&why))
}

/// Tries until it succeeds, for as long as a run waits for any lock.
fn patiently<T>(ctx: &Context, attempt: impl Fn() -> Result<Option<T>, ModuleError>) -> Result<T, ModuleError> {
    let since = ctx.clock.now();
    let mut is_told = false;
    loop {
        if let Some(done) = attempt()? {
            return Ok(done);
        }
        if !std::mem::replace(&mut is_told, true) {
            ctx.log.info("another run uses the state file; waiting for it");
        }
        if (ctx.clock.now() - since).to_std().unwrap_or_default() >= LOCK_WAIT {
            return Err(busy(LockName::State));
        }
        ctx.clock.sleep(LOCK_RETRY);
    }
}
