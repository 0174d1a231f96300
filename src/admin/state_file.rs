//! backup, restore, state begin-anew, prune: commands for the state file itself.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{Answer, Desk};
use crate::durable::private_folder;
use crate::engine::{check_machine, state_error};
use crate::error::{ErrorKind, Message, ModuleError, Text, counted};
use crate::model::item::ItemStatus;
use crate::session::open_state;
use crate::session::state::{alone, is_there, no_state};
use crate::store::{Aside, Installation, Store, StoreError, new_in_memory, panel_id_of, read_copy};
use crate::text;
use crate::watch::last_runs::{self, LastBackup, LastRuns};

/// `backup`: makes a copy of the state. With `verify` it checks one.
///
/// # Errors
/// `bad_value`: the file exists, or is not a complete copy; `missed`: there is no state; `state`: the state cannot be
/// read, or the new copy is not complete.
pub fn backup(desk: &mut Desk<'_>, file: &Path, verify: bool) -> Result<Answer, ModuleError> {
    let shown = file.display();
    if verify {
        return verified(desk, file);
    }
    copied(desk, file)?;
    Ok(Answer::sentence(
        "backup",
        desk.ctx.lang,
        &text!(
            "the state was copied to {shown}; it holds license keys",
            "состояние скопировано в {shown}; в нём ключи лицензий"
        ),
    ))
}

/// The beginning and the end of the names that `backup --dir` gives to copies; the moment is between them.
const COPY_NAME: (&str, &str) = ("pmisplicense-", ".db");

/// `backup --dir`: makes a copy named by date and time, and checks it. Then it removes all but the newest `keep`
/// copies. A missing folder is made for its owner only, because copies hold license keys.
///
/// # Errors
/// As [`backup`]; `bad_value` too when the folder cannot be made or an old copy cannot be removed.
pub fn backup_in(desk: &mut Desk<'_>, dir: &Path, keep: Option<u16>) -> Result<Answer, ModuleError> {
    let (begins, ends) = COPY_NAME;
    let moment = desk.ctx.clock.now().format("%Y%m%d-%H%M%S");
    let file = dir.join(format!("{begins}{moment}{ends}"));
    private_folder(dir).map_err(|error| not_written(&file, &error))?;
    copied(desk, &file)?;
    let removed = keep.map_or(Ok(0), |keep| remove_old(dir, &file, usize::from(keep)))?;
    let shown = file.display();
    let copies = if removed == 1 { "copy" } else { "copies" };
    let words = text!(
        ["the state was copied to {shown}; it holds license keys; {removed} old {copies} removed"],
        ["состояние скопировано в {shown}; в нём ключи лицензий; старых копий удалено: {removed}"]
    );
    let mut answer = Answer::sentence("backup", desk.ctx.lang, &words);
    if let Some(fields) = answer.json.as_object_mut() {
        fields.insert("file".to_owned(), json!(file));
        fields.insert("removed".to_owned(), json!(removed));
    }
    Ok(answer)
}

/// Removes all but the newest copies. Their names sort by time; other files of the folder are left alone. The new copy
/// stays, even if older ones have later names because a clock was ahead.
fn remove_old(dir: &Path, new: &Path, keep: usize) -> Result<usize, ModuleError> {
    let (begins, ends) = COPY_NAME;
    let failed = |path: &Path, error: &dyn std::fmt::Display| {
        let shown = path.display();
        let happened = text!(
            "An old copy, {shown}, cannot be read or removed.",
            "Старая копия {shown} не читается или не удаляется."
        );
        ModuleError::new(ErrorKind::BadValue, "dir", shown, happened)
            .changed(text!("The new copy is whole.", "Новая копия цела."))
            .next(text!("check the folder and its rights", "проверьте каталог и права"))
            .because(error)
    };
    let entries = std::fs::read_dir(dir).map_err(|error| failed(dir, &error))?;
    let is_moment = |name: &str| {
        let moment = name.strip_prefix(begins).and_then(|rest| rest.strip_suffix(ends));
        moment.is_some_and(|moment| moment.len() == 15 && moment.chars().all(|c| c.is_ascii_digit() || c == '-'))
    };
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).filter(|name| is_moment(name)).collect();
    names.sort_unstable_by(|one, other| other.cmp(one));
    let others = names.iter().map(|name| dir.join(name)).filter(|path| path != new);
    let old: Vec<PathBuf> = others.skip(keep.saturating_sub(1)).collect();
    for path in &old {
        std::fs::remove_file(path).map_err(|error| failed(path, &error))?;
    }
    Ok(old.len())
}

/// Copies the state, checks the copy, and remembers the time. A copy that is not complete is removed again.
fn copied(desk: &mut Desk<'_>, file: &Path) -> Result<(), ModuleError> {
    if !is_there(desk.ctx)? {
        return Err(no_state(&desk.ctx.settings.state));
    }
    let store = open_state(desk.ctx)?;
    store.copy_to_new(file).map_err(|error| match error {
        StoreError::Io { .. } => not_written(file, &error),
        StoreError::Newer { .. }
        | StoreError::Unusable(_)
        | StoreError::Unreadable(_)
        | StoreError::Sqlite(_)
        | StoreError::IllegalStep { .. }
        | StoreError::GivenAway(_)
        | StoreError::Cluster(_) => state_error(error),
    })?;
    // Old copies are removed, and the backup counts, only after the new copy was checked.
    read_copy(file).map_err(|error| copy_not_whole(file, &error))?;
    let at = desk.ctx.clock.now();
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    // The copy is complete. If its time cannot be saved, doctor still names the backup before it.
    let _ = LastRuns::change(&last_runs::path(&desk.ctx.settings), |all| all.backup = Some(LastBackup { at, file }));
    Ok(())
}

fn verified(desk: &Desk<'_>, file: &Path) -> Result<Answer, ModuleError> {
    let copy = read_copy(file).map_err(|error| not_a_copy(file, &error))?;
    let (shown, panel) = (file.display(), copy.panel_id().map_err(state_error)?);
    let licenses = copy.count_all_licenses().map_err(state_error)?;
    let words = text!(
        "{shown} is a whole copy of the state of installation {}. Licenses in it: {licenses}.",
        "{shown} — целая копия состояния установки {}. Лицензий в ней: {licenses}.",
        panel.as_str()
    );
    Ok(Answer::sentence("backup", desk.ctx.lang, &words))
}

/// `restore`: checks the copy and marks it as old, then puts it in place. The present state is kept beside it.
///
/// # Errors
/// `bad_value`: the copy cannot be used; `busy`; `state`: the present state cannot be replaced. Nothing was changed.
pub fn restore(desk: &mut Desk<'_>, file: &Path, yes: bool) -> Result<Answer, ModuleError> {
    refuse_in_cluster(desk)?;
    // The copy that is checked here is the one that is put in place, even if the file changes in between.
    let copy = read_copy(file).map_err(|error| not_a_copy(file, &error))?;
    let now = desk.ctx.clock.now();
    let (from, kept) = (file.display(), kept_name(desk, now));
    let beside = kept.display();
    let plan = text!(
        "The state is replaced by the copy {from}. The present state is kept as {beside}. Nothing is bought until you run: pmisplicense reconcile --apply",
        "Состояние будет заменено копией {from}. Нынешнее останется как {beside}. Пока вы не выполните pmisplicense reconcile --apply, ничего не покупается"
    );
    desk.confirm(&plan, yes)?;
    let _alone = alone(desk.ctx)?;
    replace(desk, &copy, &kept, Aside::Unusable, now)?;
    let done = match check_machine(&copy, &desk.ctx.machine) {
        Ok(()) => {
            let wait = sent_last(desk);
            text!(
                ["The state was restored from {from}. {}", wait.en],
                ["Состояние восстановлено из {from}. {}", wait.ru]
            )
            .next(compare())
        }
        // Until the state is this machine's, each of these would be refused.
        Err(_) => text!(
            "The state was restored from {from}. It was made on another machine",
            "Состояние восстановлено из {from}. Оно создано на другой машине"
        )
        .next(text!(
            "when that machine is switched off, run: pmisplicense state claim. Then: pmisplicense reconcile, and pmisplicense reconcile --apply",
            "когда та машина выключена, выполните pmisplicense state claim. Затем: pmisplicense reconcile и pmisplicense reconcile --apply"
        )),
    };
    Ok(Answer::sentence("restore", desk.ctx.lang, done))
}

/// `state begin-anew`: an empty state for the same installation. The program then only reads until `reconcile --apply`
/// has added the licenses that the seller shows. The present state is kept, even if it cannot be read.
///
/// # Errors
/// `busy`; `state`: the present state cannot be replaced. Nothing was changed.
pub fn begin_anew(desk: &mut Desk<'_>, yes: bool) -> Result<Answer, ModuleError> {
    refuse_in_cluster(desk)?;
    let now = desk.ctx.clock.now();
    let kept = kept_name(desk, now);
    let beside = kept.display();
    let plan = text!(
        "The state becomes empty. The present state is kept as {beside}. Licenses are known again only by our marks at the seller. If there is a backup, use it instead: pmisplicense restore FILE. Nothing is bought until you run: pmisplicense reconcile --apply",
        "Состояние станет пустым. Нынешнее останется как {beside}. Лицензии будут узнаны только по нашим меткам у продавца. Если есть копия, лучше выполните: pmisplicense restore ФАЙЛ. Пока вы не выполните pmisplicense reconcile --apply, ничего не покупается"
    );
    desk.confirm(&plan, yes)?;
    let _alone = alone(desk.ctx)?;
    let pinned = desk.ctx.settings.rules(desk.ctx.module).panel_id;
    let known = pinned.or_else(|| panel_id_of(&desk.ctx.settings.state));
    let who = Installation { pinned: known.as_ref(), fresh: &desk.ctx.fresh_panel, machine: &desk.ctx.machine };
    let anew = new_in_memory(who, now).map_err(state_error)?;
    replace(desk, &anew, &kept, Aside::UnusableOrNewer, now)?;
    let panel = anew.panel_id().map_err(state_error)?;
    Ok(Answer::sentence("state", desk.ctx.lang, begun(desk, panel.as_str(), known.is_some())))
}

/// Refuses in a cluster: an older state of one machine would contradict the log that all machines share.
pub(super) fn refuse_in_cluster(desk: &Desk<'_>) -> Result<(), ModuleError> {
    if desk.ctx.cluster.is_none() {
        return Ok(());
    }
    let words = text!(
        "This machine belongs to a cluster, whose log decides what the state is",
        "Эта машина входит в кластер, состояние определяет его журнал"
    )
    .changed(text!("Nothing was changed", "Ничего не изменено"))
    .next(text!(
        "pmisplicense cluster join, which rebuilds the state of this machine from the log",
        "pmisplicense cluster join — состояние этой машины будет построено заново из журнала"
    ));
    Err(ModuleError::new(ErrorKind::Config, "cluster", "", words))
}

/// Warns about the last requests of a state that was replaced. The seller may still carry them out, and the state in
/// its place does not know of them.
fn sent_last(desk: &Desk<'_>) -> Text {
    let minutes = desk.ctx.settings.rules(desk.ctx.module).upstream.settle_s.div_ceil(60);
    text!(
        "The seller may still carry out what the former state sent last: wait until its last run is {minutes} minutes ago",
        "Продавец ещё может выполнить то, что прежнее состояние отправило последним: подождите, пока с его последнего запуска не пройдёт {minutes} мин"
    )
}

/// The next step after a state was put in place.
pub(super) fn compare() -> Text {
    text!(
        "pmisplicense reconcile, then pmisplicense reconcile --apply",
        "pmisplicense reconcile, затем pmisplicense reconcile --apply"
    )
}

fn begun(desk: &Desk<'_>, panel: &str, is_known: bool) -> Message {
    if is_known {
        let wait = sent_last(desk);
        return text!(
            ["The state begins anew for installation {panel}. {}", wait.en],
            ["Состояние начато заново для установки {panel}. {}", wait.ru]
        )
        .next(compare());
    }
    text!(
        "The state begins anew. The id of this installation could not be read, so its marks are not known as ours",
        "Состояние начато заново. Прочитать номер этой установки не удалось, поэтому её метки не считаются нашими"
    )
    .next(text!(
        "pmisplicense reconcile. It names the id if services still show licenses of this installation; then run: pmisplicense state adopt PANEL_ID. If it names no id, set panel_id in the settings to the P of the marks pml-P-… at the seller",
        "pmisplicense reconcile. Он назовёт номер, если услуги ещё показывают лицензии этой установки; тогда выполните: pmisplicense state adopt PANEL_ID. Если не назовёт, задайте в настройках panel_id равным P из меток pml-P-… у продавца"
    ))
}

fn kept_name(desk: &Desk<'_>, now: DateTime<Utc>) -> PathBuf {
    desk.ctx.settings.state.with_extension(format!("db.before-{}", now.format("%Y%m%d-%H%M%S")))
}

/// Puts a state in the place of the present one, marked as old.
fn replace(desk: &Desk<'_>, copy: &Store, kept: &Path, what: Aside, now: DateTime<Utc>) -> Result<(), ModuleError> {
    let since = now.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    copy.write(now, |tx| tx.set_old(&since)).map_err(state_error)?;
    copy.replace_present(&desk.ctx.settings.state, kept, what).map_err(|error| not_replaced(kept, error))
}

fn not_written(file: &Path, error: &dyn std::fmt::Display) -> ModuleError {
    let shown = file.display();
    let words = text!("The copy {shown} cannot be written", "Копию {shown} не удалось записать");
    ModuleError::new(ErrorKind::BadValue, "file", shown, words)
        .changed(text!("The state was not changed", "Состояние не изменено"))
        .next(text!(
            "name a file that does not exist, in a folder with free space",
            "укажите файл, которого ещё нет, в каталоге, где есть место"
        ))
        .because(error)
}

/// The error of a new copy that is not complete. The copy is removed, so that nobody relies on it.
fn copy_not_whole(file: &Path, error: &StoreError) -> ModuleError {
    let shown = file.display();
    let happened = text!(
        "The state was copied to {shown}, but the copy is not whole",
        "Состояние скопировано в {shown}, но копия не цела"
    );
    let changed = match std::fs::remove_file(file) {
        Ok(()) => text!(
            "The new copy was removed; older copies and the state were not changed",
            "Новая копия удалена; прежние копии и состояние не изменены"
        ),
        Err(_) => text!(
            "The new copy is still there and cannot be used; older copies and the state were not changed",
            "Новая копия осталась, пользоваться ею нельзя; прежние копии и состояние не изменены"
        ),
    };
    ModuleError::new(ErrorKind::State, "file", shown, happened)
        .changed(changed)
        .next(text!(
            "see what is wrong with the state: pmisplicense doctor",
            "посмотрите, что с состоянием: pmisplicense doctor"
        ))
        .because(error)
}

/// The error of a copy that cannot be used. It does not concern the present state, which may be good.
fn not_a_copy(file: &Path, error: &StoreError) -> ModuleError {
    let shown = file.display();
    let (happened, next) = match newer(error) {
        Some((found, known)) => (
            text!(
                "The copy {shown} has version {found}, this program knows {known}",
                "Версия копии {shown} — {found}, программа знает {known}"
            ),
            text!(
                "install the newer program, or name an older copy",
                "установите более новую программу или укажите копию постарше"
            ),
        ),
        None => (
            text!("The file {shown} is not a whole copy of a state", "Файл {shown} — не целая копия состояния"),
            text!(
                "name a file that pmisplicense backup wrote",
                "укажите файл, записанный командой pmisplicense backup"
            ),
        ),
    };
    ModuleError::new(ErrorKind::BadValue, "file", shown, happened)
        .changed(text!("The state was not changed", "Состояние не изменено"))
        .next(next)
        .because(error)
}

fn not_replaced(kept: &Path, error: StoreError) -> ModuleError {
    let shown = kept.display();
    let (happened, next) = match newer(&error) {
        Some((found, known)) => (
            text!(
                "The present state has version {found}, this program knows {known}",
                "Версия нынешнего состояния — {found}, программа знает {known}"
            ),
            text!(
                "install the newer program; or set that state aside with pmisplicense state begin-anew, then repeat",
                "установите более новую программу или уберите это состояние командой pmisplicense state begin-anew и повторите"
            ),
        ),
        None => (
            text!(
                "The present state could not be kept as {shown} and replaced",
                "Нынешнее состояние не удалось сохранить как {shown} и заменить"
            ),
            text!(
                "check the folder, its rights and the free space, then repeat",
                "проверьте каталог, права и свободное место и повторите"
            ),
        ),
    };
    ModuleError::new(ErrorKind::State, "state", shown, happened)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(next)
        .because(error)
}

/// The version of the file and the newest known version, if a newer program wrote the file.
fn newer(error: &StoreError) -> Option<(i32, i32)> {
    if let StoreError::Newer { found, known } = error { Some((*found, *known)) } else { None }
}

/// `prune`
///
/// # Errors
/// `state`, `database`
pub fn prune(desk: &mut Desk<'_>, days: u16) -> Result<Answer, ModuleError> {
    if !is_there(desk.ctx)? {
        return Err(no_state(&desk.ctx.settings.state));
    }
    let store = open_state(desk.ctx)?;
    let now = desk.ctx.clock.now();
    let before = now - chrono::Duration::days(i64::from(days));
    let mut closed = Vec::new();
    for item in store.items_before(before).map_err(state_error)? {
        let found = desk.ctx.data.billdb()?.item(item).map_err(crate::context::database_error)?;
        // A missing row proves nothing: a service is closed only when its row says so (docs/money-safety.md 6).
        if found.is_some_and(|found| found.status == ItemStatus::Deleted) {
            closed.push(item);
        }
    }
    let removed = store.write(now, |tx| {
        tx.prune_foreseen()?;
        tx.prune_journal(before, &closed)
    });
    let removed = removed.map_err(state_error)?;
    let text = text!(
        [
            "{} of the journal {} removed; bindings and requests stay",
            counted(removed, "line"),
            if removed == 1 { "was" } else { "were" }
        ],
        ["удалено строк журнала: {removed}; привязки и запросы остались"]
    );
    Ok(Answer::new("prune", format!("{}\n", desk.say(&text)), json!({ "removed": removed })))
}
