//! Errors of a cluster's log, in words: what happened, that nothing was sent, and the next step.

use crate::error::{ErrorKind, ModuleError, Text};
use crate::store::ClusterError;
use crate::text;

/// The error for a cluster's log that cannot be used.
pub(super) fn error(error: &ClusterError) -> ModuleError {
    let kind = match error {
        ClusterError::Crowded | ClusterError::LeaseLost(_) => ErrorKind::Busy,
        ClusterError::Unfit { .. } | ClusterError::NoSettings | ClusterError::NotReplica => ErrorKind::Config,
        ClusterError::Away(_)
        | ClusterError::InDoubt(_)
        | ClusterError::Behind { .. }
        | ClusterError::Fork { .. }
        | ClusterError::Quiet { .. }
        | ClusterError::Held { .. }
        | ClusterError::NotJoined(_)
        | ClusterError::Elsewhere(_) => ErrorKind::State,
    };
    ModuleError::new(kind, "cluster", "", words(error)).because(error)
}

fn words(error: &ClusterError) -> Text {
    match error {
        ClusterError::Away(_) => text!(
            "No server of the cluster's log answers. Nothing was sent. Next: pmisplicense cluster status; the command may be repeated at any time.",
            "Ни один сервер журнала кластера не отвечает. Ничего не отправлено. Далее: pmisplicense cluster status; команду можно повторить в любое время."
        ),
        ClusterError::InDoubt(_) => text!(
            "The answer of the cluster's log was lost, and it may hold what was to be written. Nothing was sent. Next: repeat the command; it finds out by itself.",
            "Ответ журнала кластера потерян, запись могла в нём остаться. Ничего не отправлено. Далее: повторите команду; она выяснит это сама."
        ),
        ClusterError::Unfit { advice, .. } => advice.as_ref().clone(),
        ClusterError::Crowded => text!(
            "Other machines of the cluster wrote for more than 20 seconds without a pause. Nothing was sent. Next: repeat the command.",
            "Другие машины кластера писали без перерыва дольше 20 секунд. Ничего не отправлено. Далее: повторите команду."
        ),
        ClusterError::Behind { here } => text!(
            "This machine's state ends at entry {here}, and the cluster's log begins later. Nothing was sent. Next: pmisplicense cluster join, which rebuilds the state of this machine.",
            "Состояние этой машины заканчивается записью {here}, а журнал кластера начинается позже. Ничего не отправлено. Далее: pmisplicense cluster join — состояние этой машины будет построено заново."
        ),
        ClusterError::Fork { there, .. } => text!(
            "The cluster's log and this machine's state hold different entries of the same number ({there} in the log). Nothing was changed. Next: read \"Fork\" in docs/cluster.md before anything else.",
            "В журнале кластера и в состоянии этой машины под одним номером разные записи (в журнале: {there}). Ничего не изменено. Далее: сначала прочитайте раздел «Fork» в docs/cluster.md."
        ),
        ClusterError::Quiet { until } => {
            let until = until.format("%Y-%m-%d %H:%M:%S UTC");
            text!(
                "The database of the cluster's log changed or was started anew, so its newest entries may be missing. Nothing was sent. This machine goes on by itself after {until}.",
                "База журнала кластера сменилась или запущена заново, последних записей в ней может не быть. Ничего не отправлено. Машина продолжит сама после {until}."
            )
        }
        ClusterError::Held { until } => {
            let until = until.format("%Y-%m-%d %H:%M:%S UTC");
            text!(
                "The cluster's log had lost entries, and purchases of another machine may be missing in it. Nothing was sent. Purchases go on by themselves after {until}.",
                "Журнал кластера терял записи, покупок другой машины в нём может не быть. Ничего не отправлено. Покупки продолжатся сами после {until}."
            )
        }
        ClusterError::LeaseLost(_) => text!(
            "Another machine of the cluster took over what this run was working on, because this run stood still for too long. Nothing more was sent. Next: repeat the command.",
            "Другая машина кластера взялась за то, с чем работал этот запуск: он слишком долго стоял. Больше ничего не отправлено. Далее: повторите команду."
        ),
        ClusterError::NotJoined(machine) => text!(
            "This machine ({machine}) is no member of the cluster, so it only reads. Nothing was sent. Next: pmisplicense cluster join.",
            "Эта машина ({machine}) не входит в кластер и поэтому только читает. Ничего не отправлено. Далее: pmisplicense cluster join."
        ),
        ClusterError::NoSettings => text!(
            "The state file belongs to a cluster, and the settings have no [cluster]. Nothing was changed. Next: put [cluster] back into the settings; with it, pmisplicense cluster leave is the way out.",
            "Файл состояния принадлежит кластеру, а в настройках нет раздела [cluster]. Ничего не изменено. Далее: верните [cluster] в настройки; выйти из кластера можно с ним командой pmisplicense cluster leave."
        ),
        ClusterError::NotReplica => text!(
            "The settings have [cluster], and the state of this machine is not part of it yet. Nothing was changed. Next: pmisplicense cluster init on the machine that has the state, pmisplicense cluster join on every other.",
            "В настройках есть [cluster], но состояние этой машины в него ещё не входит. Ничего не изменено. Далее: pmisplicense cluster init на машине с состоянием, pmisplicense cluster join на остальных."
        ),
        ClusterError::Elsewhere(machine) => text!(
            "The state file is the copy of another machine of the cluster ({machine}). Nothing was changed. Next: pmisplicense cluster join on this machine, or put that machine's own file back.",
            "Файл состояния — копия с другой машины кластера ({machine}). Ничего не изменено. Далее: pmisplicense cluster join на этой машине или верните файл на место."
        ),
    }
}
