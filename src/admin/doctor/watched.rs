//! Checks of doctor for the work that cron does: when and how the last sync of each module ended, and the age of the
//! last backup.

use chrono::{DateTime, Duration, Utc};

use super::Checks;
use crate::admin::Desk;
use crate::error::{Text, counted};
use crate::session::state::is_there;
use crate::text;
use crate::watch::last_runs::{self, LastBackup, LastRuns, LastSync};

/// After this many hours without a sync doctor warns: cron runs sync each hour, so at least one was missed.
const SYNC_HOURS: i64 = 2;

/// Doctor names a backup that is older than this many days.
const BACKUP_DAYS: i64 = 8;

pub(super) fn watched(desk: &Desk<'_>, checks: &mut Checks) {
    let last = LastRuns::read(&last_runs::path(&desk.ctx.settings));
    let now = desk.ctx.clock.now();
    for (module, sync) in &last.syncs {
        last_sync(*module, sync, now, checks);
    }
    match last.backup {
        Some(backup) => last_backup(&backup, now, checks),
        None => {
            let what = text!("no backup of the state was written yet", "копии состояния ещё не записывались");
            // A state that is missing or cannot be used is reported by another check.
            match is_there(desk.ctx).unwrap_or(false) {
                true => checks.warning("backup", what, backup_command()),
                false => checks.hint("backup", what, backup_command()),
            }
        }
    }
}

fn backup_command() -> Text {
    text!(
        "let cron run each night: pmisplicense backup --dir /root/pmisplicense-backups --keep 14",
        "пусть cron запускает каждую ночь: pmisplicense backup --dir /root/pmisplicense-backups --keep 14"
    )
}

fn last_backup(backup: &LastBackup, now: DateTime<Utc>, checks: &mut Checks) {
    let (file, days) = (backup.file.display(), (now - backup.at).num_days());
    let what =
        text!(["the last backup is {} old: {file}", counted(days, "day")], ["последней копии {file} уже дней: {days}"]);
    match days > BACKUP_DAYS {
        true => checks.warning("backup", what, backup_command()),
        false => checks.ok("backup", what),
    }
}

fn last_sync(module: u32, sync: &LastSync, now: DateTime<Utc>, checks: &mut Checks) {
    let at = sync.at.format("%Y-%m-%d %H:%M UTC");
    if now - sync.at > Duration::hours(SYNC_HOURS) {
        checks.warning(
            "last_sync",
            text!(
                "module {module}: the last sync ended at {at}, over two hours ago: nothing is renewed by itself",
                "модуль {module}: последний sync завершился {at}, больше двух часов назад: продления не выполняются"
            ),
            text!(
                "run: pmisplicense sync. Then see whether cron starts it: pmisplicense doctor",
                "выполните: pmisplicense sync. Затем проверьте, запускает ли его cron: pmisplicense doctor"
            ),
        );
        return;
    }
    match (&sync.failure, sync.failures) {
        (Some((en, ru)), failures) if failures > 0 => checks.warning(
            "last_sync",
            text!(
                [
                    "module {module}: the last sync ended at {at} with a failure, {} in a row: {en}",
                    counted(failures, "time")
                ],
                ["модуль {module}: последний sync завершился {at} с ошибкой (ошибок подряд: {failures}): {ru}"]
            ),
            text!("correct the cause, then: pmisplicense sync", "устраните причину, затем: pmisplicense sync"),
        ),
        (_, _) => checks.ok(
            "last_sync",
            text!("module {module}: the last sync ended at {at}", "модуль {module}: последний sync завершился {at}"),
        ),
    }
}
