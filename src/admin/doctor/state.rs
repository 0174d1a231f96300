//! Checks of doctor: whether the state file can be used. That includes who may read it, whether it is whole, which
//! machine it belongs to, and how much space is left.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::Checks;
use crate::admin::Desk;
use crate::engine::state_error;
use crate::error::ModuleError;
use crate::session::open_state;
use crate::session::state::is_there;
use crate::store::{RESTORED, Store};
use crate::text;

/// Less free space than this beside the state is a problem.
const FREE_BYTES: u64 = 100 << 20;

pub(super) fn state(desk: &Desk<'_>, checks: &mut Checks) -> Option<Store> {
    let path = &desk.ctx.settings.state;
    match is_there(desk.ctx) {
        Ok(true) => {}
        Ok(false) => {
            checks.ok(
                "state",
                text!(
                    "no state yet: nothing was bought by this installation",
                    "состояния ещё нет: эта установка ничего не покупала"
                ),
            );
            return None;
        }
        Err(error) => {
            checks.failed("state", &error);
            return None;
        }
    }
    let mode = std::fs::metadata(path).map(|meta| meta.permissions().mode() & 0o777).unwrap_or(0);
    let folder = path.parent().unwrap_or(Path::new("/"));
    let folder_mode = std::fs::metadata(folder).map(|meta| meta.mode() & 0o777).unwrap_or(0);
    let shown = path.display();
    if mode & 0o077 != 0 || folder_mode & 0o077 != 0 {
        checks.problem(
            "permissions",
            text!(
                "others may read {shown} (mode {mode:o}, folder {folder_mode:o})",
                "{shown} доступен другим (права {mode:o}, каталог {folder_mode:o})"
            ),
            text!(
                "run: chmod 700 {}; chmod 600 {shown}",
                "выполните: chmod 700 {}; chmod 600 {shown}",
                folder.display()
            ),
        );
    }
    let store = match open_state(desk.ctx) {
        Ok(store) => store,
        Err(error) => {
            checks.failed("state", &error);
            return None;
        }
    };
    if let Err(error) = inside(desk, &store, checks) {
        checks.failed("state", &error);
    }
    free_space(folder, checks);
    Some(store)
}

fn inside(desk: &Desk<'_>, store: &Store, checks: &mut Checks) -> Result<(), ModuleError> {
    let wrong = store.integrity().map_err(state_error)?;
    let version = store.version().map_err(state_error)?;
    match wrong.first() {
        None => checks.ok("state", text!("the state is whole, version {version}", "состояние цело, версия {version}")),
        Some(first) => checks.problem(
            "state",
            text!("the state is damaged: {first}", "состояние повреждено: {first}"),
            text!("put a backup back: pmisplicense restore FILE", "верните копию: pmisplicense restore ФАЙЛ"),
        ),
    }
    named(desk, store, checks)?;
    let known = store.home_machine().map_err(state_error)?;
    let machine = &desk.ctx.machine;
    if machine.is_empty() {
        let file = desk.ctx.settings.machine_id.display();
        checks.warning(
            "machine",
            text!(
                "{file} is empty or missing, so the program would not notice a state file copied from another machine",
                "файл {file} пуст или отсутствует: программа не заметила бы состояние, скопированное с другой машины"
            ),
            text!(
                "run: systemd-machine-id-setup; in a container name another file in PMISPLICENSE_MACHINE_ID",
                "выполните: systemd-machine-id-setup; в контейнере задайте другой файл в PMISPLICENSE_MACHINE_ID"
            ),
        );
    }
    if !known.is_empty() && !machine.is_empty() && known != *machine {
        checks.problem(
            "machine",
            text!(
                "the state was made on another machine, so the program only reads",
                "состояние создано на другой машине: программа только читает"
            ),
            text!(
                "if the panel moved here for good: pmisplicense state claim",
                "если панель переехала насовсем: pmisplicense state claim"
            ),
        );
    }
    if let Some(when) = store.meta(RESTORED).map_err(state_error)? {
        let (all, old) = (store.accounts().map_err(state_error)?, store.old_accounts().map_err(state_error)?);
        let happened = text!(
            "since {when} the program only reads, because the state was restored then or found to be old",
            "с {when} программа только читает: состояние тогда было восстановлено или оказалось старым"
        );
        let left: Vec<String> = old.iter().map(|account| format!("{} {}", account.username, account.url)).collect();
        let left = left.join(", ");
        checks.problem(
            "restored",
            if old.len() == all.len() {
                happened
            } else {
                text!(
                    ["{}. These accounts have not been compared since: {left}", happened.en],
                    ["{}. Эти учётные записи с тех пор не сверены: {left}", happened.ru]
                )
            },
            text!("run: pmisplicense reconcile --apply", "выполните: pmisplicense reconcile --apply"),
        );
    }
    Ok(())
}

/// The id of this installation, and whether it survives the state file.
fn named(desk: &Desk<'_>, store: &Store, checks: &mut Checks) -> Result<(), ModuleError> {
    let id = store.panel_id().map_err(state_error)?;
    let others = store.other_ids(&id).map_err(state_error)?;
    let id = id.as_str();
    if desk.ctx.settings.rules(None).panel_id.is_some() {
        checks.ok(
            "panel_id",
            text!(
                "the id of this installation is {id}, pinned by the setting panel_id",
                "номер этой установки — {id}, он закреплён настройкой panel_id"
            ),
        );
    } else {
        checks.hint(
            "panel_id",
            text!(
                "the id of this installation is {id}; only the state file knows it",
                "номер этой установки — {id}, он записан только в файле состояния"
            ),
            text!(
                "set panel_id = \"{id}\" in the settings, so that the id survives a loss of the file",
                "задайте в настройках panel_id = \"{id}\", чтобы номер пережил потерю файла"
            ),
        );
    }
    for module in desk.ctx.settings.modules_with_panel_id() {
        checks.hint(
            "panel_id",
            text!(
                "the setting panel_id in [module.{module}] is not used: one id holds for the whole installation",
                "настройка panel_id в [module.{module}] не действует: номер один на всю установку"
            ),
            text!(
                "set panel_id at the top of the settings, before the first [section], or remove it",
                "задайте panel_id в начале настроек, до первого [раздела], или удалите"
            ),
        );
    }
    for (other, licenses) in others {
        let other = other.as_str();
        checks.hint(
            "panel_id",
            text!(
                "licenses of ours with the mark of another id, {other}: {licenses}. They stay ours, and get a mark of {id} when they are freed",
                "наших лицензий с меткой другого номера, {other}: {licenses}. Они остаются нашими и при освобождении получат метку {id}"
            ),
            text!(
                "if {id} was set by mistake, set panel_id = \"{other}\" in the settings; else nothing has to be done",
                "если {id} задан по ошибке, задайте в настройках panel_id = \"{other}\"; иначе делать ничего не нужно"
            ),
        );
    }
    Ok(())
}

fn free_space(folder: &Path, checks: &mut Checks) {
    let Ok(stat) = rustix::fs::statvfs(folder) else { return };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let mib = free >> 20;
    if free < FREE_BYTES {
        checks.problem(
            "space",
            text!("{mib} MiB free beside the state", "рядом с состоянием свободно {mib} МиБ"),
            text!(
                "make room: without it nothing is bought or renewed",
                "освободите место: без него ничего не покупается и не продлевается"
            ),
        );
    } else {
        checks.ok("space", text!("{mib} MiB free beside the state", "рядом с состоянием свободно {mib} МиБ"));
    }
}
