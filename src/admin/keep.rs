//! backup, restore, prune: the state file as a file.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde_json::json;

use super::{Answer, Desk};
use crate::engine::{RESTORED, state_error};
use crate::error::{ErrorKind, ModuleError};
use crate::model::item::ItemStatus;
use crate::opening::open_state;
use crate::store::open_file;
use crate::text;

fn file_error(path: &Path, error: impl std::fmt::Display) -> ModuleError {
    let shown = path.display();
    let words = text!(
        "the file {shown} cannot be used: {error}; nothing was changed",
        "файл {shown} непригоден: {error}; ничего не изменено"
    );
    ModuleError::new(ErrorKind::BadValue, "file", shown, words)
}

/// Makes the file, empty and private; it must not be there.
fn reserve(path: &Path) -> Result<(), ModuleError> {
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map(drop).map_err(|error| file_error(path, error))
}

/// `backup`
///
/// # Errors
/// `bad_value`: the file is there; `state`.
pub fn backup(desk: &mut Desk<'_>, file: &Path) -> Result<Answer, ModuleError> {
    if !desk.ctx.settings.state.exists() {
        return Err(no_state(&desk.ctx.settings.state));
    }
    let store = open_state(desk.ctx)?;
    reserve(file)?;
    if let Err(error) = store.copy_to(file) {
        // Only what was just made, and is not a copy, is taken away again.
        fs::remove_file(file).ok();
        return Err(state_error(error));
    }
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).map_err(|error| file_error(file, error))?;
    let shown = file.display();
    Ok(Answer::sentence(
        "backup",
        desk.ctx.lang,
        &text!(
            "the state was copied to {shown}; it holds license keys",
            "состояние скопировано в {shown}; в нём ключи лицензий"
        ),
    ))
}

fn no_state(path: &Path) -> ModuleError {
    let shown = path.display();
    let words = text!(
        "there is no state file {shown} yet; nothing was done",
        "файла состояния {shown} ещё нет; ничего не сделано"
    );
    ModuleError::new(ErrorKind::Missed, "state", shown, words)
}

/// `restore`: the copy is checked and marked as old first; the present state is kept beside it.
///
/// # Errors
/// `bad_value`, `state`: the copy cannot be used; nothing was changed.
pub fn restore(desk: &mut Desk<'_>, file: &Path, yes: bool) -> Result<Answer, ModuleError> {
    let state = desk.ctx.settings.state.clone();
    if !file.is_file() {
        return Err(file_error(file, "not a file"));
    }
    let now = desk.ctx.clock.now();
    let kept = state.with_extension(format!("db.before-{}", now.format("%Y%m%d-%H%M%S")));
    let fresh = state.with_extension("db.restoring");
    let (from, beside) = (file.display().to_string(), kept.display().to_string());
    let plan = text!(
        "the state becomes what {from} holds; the present one is kept as {beside}; nothing is bought until: pmisplicense reconcile --apply",
        "состоянием станет {from}; нынешнее останется как {beside}; до pmisplicense reconcile --apply ничего не покупается"
    );
    desk.confirm(&plan, yes)?;
    if let Some(folder) = state.parent() {
        fs::create_dir_all(folder).map_err(|error| file_error(folder, error))?;
    }
    fs::remove_file(&fresh).ok();
    fs::copy(file, &fresh).map_err(|error| file_error(file, error))?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600)).map_err(|error| file_error(&fresh, error))?;
    let marked = open_file(&fresh, None, &desk.ctx.fresh_panel, &desk.ctx.machine, now).and_then(|store| {
        let wrong = store.integrity()?;
        if let Some(first) = wrong.first() {
            return Err(crate::store::StoreError::Unusable(first.clone()));
        }
        store.write(now, |tx| tx.set_meta(RESTORED, &now.format("%Y-%m-%d %H:%M:%S UTC").to_string()))?;
        // Whole in one file, whatever journal SQLite kept beside it.
        let whole = fresh.with_extension("whole");
        fs::remove_file(&whole).ok();
        store.copy_to(&whole)
    });
    let whole = fresh.with_extension("whole");
    for leftover in [fresh.clone(), beside_file(&fresh, "-wal"), beside_file(&fresh, "-shm")] {
        fs::remove_file(leftover).ok();
    }
    marked.map_err(state_error)?;
    fs::set_permissions(&whole, fs::Permissions::from_mode(0o600)).map_err(|error| file_error(&whole, error))?;
    if state.exists() {
        let present = open_state(desk.ctx).and_then(|store| {
            reserve(&kept)?;
            store.copy_to(&kept).map_err(state_error)
        });
        if present.is_err() {
            // Damaged: kept as it is, byte by byte.
            fs::copy(&state, &kept).map_err(|error| file_error(&kept, error))?;
        }
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o600)).map_err(|error| file_error(&kept, error))?;
    }
    for leftover in [beside_file(&state, "-wal"), beside_file(&state, "-shm")] {
        fs::remove_file(leftover).ok();
    }
    fs::rename(&whole, &state).map_err(|error| file_error(&state, error))?;
    let done = text!(
        "the state was restored from {from}; now run: pmisplicense reconcile, then reconcile --apply",
        "состояние восстановлено из {from}; теперь: pmisplicense reconcile, затем reconcile --apply"
    );
    Ok(Answer::sentence("restore", desk.ctx.lang, &done))
}

fn beside_file(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// `prune`
///
/// # Errors
/// `state`, `database`
pub fn prune(desk: &mut Desk<'_>, days: u16) -> Result<Answer, ModuleError> {
    if !desk.ctx.settings.state.exists() {
        return Err(no_state(&desk.ctx.settings.state));
    }
    let store = open_state(desk.ctx)?;
    let now = desk.ctx.clock.now();
    let before = now - chrono::Duration::days(i64::from(days));
    let mut closed = Vec::new();
    for item in store.items_before(before).map_err(state_error)? {
        let found = desk.ctx.data.billdb()?.item(item).map_err(crate::context::database_error)?;
        // A missing row says nothing: only a closed service is closed (MONEY.md 6).
        if found.is_some_and(|found| found.status == ItemStatus::Deleted) {
            closed.push(item);
        }
    }
    let removed = store.write(now, |tx| tx.prune_journal(before, &closed)).map_err(state_error)?;
    let text = text!(
        "{removed} lines of the journal were removed; bindings and wishes stay",
        "удалено строк журнала: {removed}; привязки и желания остались"
    );
    Ok(Answer::new("prune", format!("{}\n", desk.say(&text)), json!({ "removed": removed })))
}
