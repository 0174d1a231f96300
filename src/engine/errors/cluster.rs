//! Errors of a cluster's log, in words: what happened, what is certain about the request, and the next step.

use crate::error::{ErrorKind, Halt, Message, ModuleError};
use crate::store::ClusterError;
use crate::text;

/// The error for a cluster's log that cannot be used.
pub(super) fn error(error: &ClusterError) -> ModuleError {
    let (kind, halt) = match error {
        ClusterError::Crowded | ClusterError::LeaseLost(_) => (ErrorKind::Busy, Halt::Busy),
        ClusterError::Unfit { .. }
        | ClusterError::NoSettings
        | ClusterError::NotReplica
        | ClusterError::Ended { .. } => (ErrorKind::Config, Halt::Final),
        ClusterError::Away(_)
        | ClusterError::InDoubt(_)
        | ClusterError::Behind { .. }
        | ClusterError::Fork { .. }
        | ClusterError::Quiet { .. }
        | ClusterError::Held { .. }
        | ClusterError::NotJoined(_)
        | ClusterError::LeavingUnfinished
        | ClusterError::Elsewhere(_) => (ErrorKind::State, Halt::State),
    };
    ModuleError::new(kind, "cluster", "", words(error)).halted(halt).because(error)
}

/// Explains to people why the log cannot be used.
pub fn words(error: &ClusterError) -> Message {
    match error {
        ClusterError::Away(_) => text!("No server of the cluster's log answers", "Ни один сервер журнала кластера не отвечает")
        .changed(text!("Nothing was sent", "Ничего не отправлено"))
        .next(text!(
            "run: pmisplicense cluster status. The command may be repeated at any time",
            "выполните: pmisplicense cluster status. Команду можно повторить в любое время"
        )),
        ClusterError::InDoubt(_) => text!(
            "The answer of the cluster's log was lost, and it may hold what was to be written",
            "Ответ журнала кластера потерян, запись могла в нём остаться"
        )
        .changed(text!("Nothing was sent", "Ничего не отправлено"))
        .next(text!("repeat the command; it finds out by itself", "повторите команду; она выяснит это сама")),
        ClusterError::Unfit { advice, .. } => advice.as_ref().clone(),
        ClusterError::Crowded => text!(
            "Other machines of the cluster wrote for more than 20 seconds without a pause",
            "Другие машины кластера писали без перерыва дольше 20 секунд"
        )
        .changed(text!("Nothing was sent", "Ничего не отправлено"))
        .next(text!("repeat the command", "повторите команду")),
        ClusterError::Behind { here } => text!(
            "This machine's state ends at entry {here}, and the cluster's log begins later",
            "Состояние этой машины заканчивается записью {here}, а журнал кластера начинается позже"
        )
        .changed(text!("Nothing was sent", "Ничего не отправлено"))
        .next(text!(
            "pmisplicense cluster join, which rebuilds the state of this machine",
            "pmisplicense cluster join — состояние этой машины будет построено заново"
        )),
        ClusterError::Fork { there, .. } => text!(
            "The cluster's log and this machine's state hold different entries of the same number ({there} in the log)",
            "В журнале кластера и в состоянии этой машины под одним номером разные записи (в журнале: {there})"
        )
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "read \"Fork\" in docs/cluster.md before anything else",
            "сначала прочитайте раздел «Fork» в docs/cluster.md"
        )),
        ClusterError::Quiet { until } => {
            let until = until.format("%Y-%m-%d %H:%M:%S UTC");
            text!(
                "The database of the cluster's log changed or was started anew, so its newest entries may be missing",
                "База журнала кластера сменилась или запущена заново, последних записей в ней может не быть"
            )
            .changed(text!("Nothing was sent", "Ничего не отправлено"))
            .next(text!("nothing to do; this machine goes on by itself after {until}", "ничего делать не нужно; машина продолжит сама после {until}"))
        }
        ClusterError::Held { until } => {
            let until = until.format("%Y-%m-%d %H:%M:%S UTC");
            text!(
                "The cluster's log had lost entries, and purchases of another machine may be missing in it",
                "Журнал кластера терял записи, покупок другой машины в нём может не быть"
            )
            .changed(text!("Nothing was sent", "Ничего не отправлено"))
            .next(text!("nothing to do; purchases go on by themselves after {until}", "ничего делать не нужно; покупки продолжатся сами после {until}"))
        }
        ClusterError::LeaseLost(_) => text!(
            "Another machine of the cluster took over what this run was working on, because this run made no progress for too long",
            "Другая машина кластера взялась за то, с чем работал этот запуск: он слишком долго не продвигался"
        )
        .changed(text!("Nothing more was sent", "Больше ничего не отправлено"))
        .next(text!("repeat the command", "повторите команду")),
        ClusterError::NotJoined(machine) => text!(
            "This machine ({machine}) is not a member of the cluster, so it only reads",
            "Эта машина ({machine}) не входит в кластер и поэтому только читает"
        )
        .changed(text!("Nothing was sent", "Ничего не отправлено"))
        .next(text!("pmisplicense cluster join", "pmisplicense cluster join")),
        ClusterError::Ended { last } => text!(
            "Every machine has left this cluster. {last} was the last one and goes on alone with its state",
            "Все машины вышли из этого кластера. Последней была {last}, она работает со своим состоянием одна"
        )
        .changed(text!("This machine has not joined", "Эта машина в кластер не вошла"))
        .next(text!(
            "for a new cluster name an empty schema in [cluster], then run pmisplicense cluster init on {last} and pmisplicense cluster join here; otherwise take the cron entries away here",
            "для нового кластера укажите в [cluster] пустую схему и выполните pmisplicense cluster init на {last}, затем pmisplicense cluster join здесь; иначе уберите здесь задания cron"
        )),
        ClusterError::LeavingUnfinished => text!(
            "This machine was leaving the cluster as the last one, and the command was interrupted",
            "Эта машина выходила из кластера последней, и команда cluster leave была прервана на полпути"
        )
        .changed(text!("Nothing was sent", "Ничего не отправлено"))
        .next(text!(
            "pmisplicense cluster leave, which finishes it",
            "pmisplicense cluster leave завершит выход"
        )),
        ClusterError::NoSettings => text!(
            "The state file belongs to a cluster, and the settings have no [cluster]",
            "Файл состояния принадлежит кластеру, а в настройках нет раздела [cluster]"
        )
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "put [cluster] back into the settings. To leave the cluster, run then: pmisplicense cluster leave",
            "верните [cluster] в настройки. Чтобы выйти из кластера, затем выполните: pmisplicense cluster leave"
        )),
        ClusterError::NotReplica => text!(
            "The settings have [cluster], and the state of this machine is not part of it yet",
            "В настройках есть [cluster], но состояние этой машины в него ещё не входит"
        )
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "pmisplicense cluster init on the machine that has the state, pmisplicense cluster join on every other",
            "pmisplicense cluster init на машине с состоянием, pmisplicense cluster join на остальных"
        )),
        ClusterError::Elsewhere(machine) => text!(
            "The state file is the copy of another machine of the cluster ({machine})",
            "Файл состояния — копия с другой машины кластера ({machine})"
        )
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "pmisplicense cluster join on this machine, or put that machine's own file back",
            "pmisplicense cluster join на этой машине или верните файл на место"
        )),
    }
}
