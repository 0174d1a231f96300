//! cluster init, join, status, leave, snapshot: the log that several machines share (docs/cluster.md).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::progress::Bar;
use super::{Answer, Desk};
use crate::context::ClusterAccess;
use crate::engine::state_error;
use crate::error::{ErrorKind, Message, ModuleError, Text};
use crate::session::open_state;
use crate::session::state::{access, alone, is_there, no_state};
use crate::store::membership;
use crate::store::{Chain, ClusterError, HostReport, Lease, Position, Store, is_replica_file, read_copy, remove_state};
use crate::text;

/// `cluster init`: the state of this machine becomes the first entry of the log.
///
/// # Errors
/// `config`: no `[cluster]`, or a schema that holds a log; `missed`: no state; `state`.
pub fn init(desk: &mut Desk<'_>, yes: bool) -> Result<Answer, ModuleError> {
    let (log, rules) = (access(desk.ctx)?.log()?, access(desk.ctx)?.rules()?);
    if !is_there(desk.ctx)? {
        return Err(no_state(&desk.ctx.settings.state));
    }
    let plan = text!(
        "The state of this machine becomes the beginning of the cluster's log. From then on nothing is bought while no server of the log answers. This is new, and no installation that we know of uses it yet: docs/cluster.md 5 says what stays open.",
        "Состояние этой машины станет началом журнала кластера. С этого момента, пока ни один сервер журнала не отвечает, ничего не покупается. Это новая возможность, и известных нам установок с ней ещё нет: docs/cluster.md 5 говорит, какие риски остаются."
    );
    desk.confirm(&plan, yes)?;
    let _alone = alone(desk.ctx)?;
    let (path, lang, tell, bar) = (&desk.ctx.settings.state, desk.ctx.lang, &mut *desk.tell, Bar(desk.live));
    let words = text!("the state goes into the log, MiB", "состояние уходит в журнал, МиБ");
    let begun = membership::begin(path, log, rules, &mut |done, total| {
        bar.draw(tell, words.in_lang(lang), done, Some(total));
    });
    bar.clear(tell);
    begun.map_err(state_error)?;
    Ok(Answer::sentence(
        "cluster",
        desk.ctx.lang,
        text!("The log begins with the state of this machine", "Журнал начат с состояния этой машины").next(text!(
            "on every other machine: pmisplicense cluster join",
            "на каждой другой машине: pmisplicense cluster join"
        )),
    ))
}

/// `cluster join`: this machine begins with the cluster's state. An existing replica is built anew.
///
/// # Errors
/// `state`: the machine has a state of its own with licenses or intents. Nothing was changed.
pub fn join(desk: &mut Desk<'_>, yes: bool) -> Result<Answer, ModuleError> {
    let (log, rules) = (access(desk.ctx)?.log()?, access(desk.ctx)?.rules()?);
    let plan = text!(
        "This machine takes over the state of the cluster. A state file that is there is kept beside it.",
        "Эта машина примет состояние кластера. Имеющийся файл состояния останется рядом."
    );
    desk.confirm(&plan, yes)?;
    let _alone = alone(desk.ctx)?;
    let (path, now) = (&desk.ctx.settings.state, desk.ctx.clock.now());
    let (has_replica, again) = (refuse_own_licenses(desk)?, access(desk.ctx)?.log()?);
    if has_replica && membership::rejoin(path, again, rules.clone(), now).map_err(state_error)? {
        return Ok(Answer::sentence("cluster", desk.ctx.lang, belongs()));
    }
    set_aside(desk)?;
    let (lang, tell, bar) = (desk.ctx.lang, &mut *desk.tell, Bar(desk.live));
    let words = text!("the state comes from the log, MiB", "состояние приходит из журнала, МиБ");
    let joined = membership::join(path, log, rules, now, &mut |done, total| {
        bar.draw(tell, words.in_lang(lang), done, Some(total));
    });
    bar.clear(tell);
    joined.map_err(state_error)?;
    Ok(Answer::sentence("cluster", desk.ctx.lang, belongs()))
}

fn belongs() -> Message {
    text!("This machine belongs to the cluster", "Эта машина входит в кластер")
        .next(text!("pmisplicense doctor", "pmisplicense doctor"))
}

/// Refuses when this machine has a state of its own with licenses, because the cluster's state would replace it.
/// Returns whether there is a replica.
fn refuse_own_licenses(desk: &Desk<'_>) -> Result<bool, ModuleError> {
    let path = &desk.ctx.settings.state;
    if !is_there(desk.ctx)? {
        return Ok(false);
    }
    if is_replica_file(path).map_err(state_error)? {
        return Ok(true);
    }
    let copy = read_copy(path).map_err(state_error)?;
    let licenses = copy.count_all_licenses().map_err(state_error)?;
    let open = copy.open_intents().map_err(state_error)?.len();
    if licenses == 0 && open == 0 {
        return Ok(false);
    }
    let words = text!(
        "The state of this machine holds licenses of its own ({licenses}), which the cluster does not know",
        "В состоянии этой машины есть свои лицензии ({licenses}), которых кластер не знает"
    )
    .changed(text!("Nothing was changed", "Ничего не изменено"))
    .next(text!(
        "begin the cluster on this machine with pmisplicense cluster init, or free them first",
        "начните кластер на этой машине командой pmisplicense cluster init или сначала освободите их"
    ));
    Err(ModuleError::new(ErrorKind::State, "cluster", licenses, words))
}

fn set_aside(desk: &Desk<'_>) -> Result<Option<PathBuf>, ModuleError> {
    let path = &desk.ctx.settings.state;
    if !path.exists() {
        return Ok(None);
    }
    let now = desk.ctx.clock.now().format("%Y%m%d-%H%M%S");
    let kept = path.with_extension(format!("db.before-{now}"));
    read_copy(path).and_then(|copy| copy.copy_to_new(&kept)).map_err(state_error)?;
    Ok(Some(kept))
}

/// `cluster leave`: the last machine keeps an ordinary state. Any other machine has no state afterwards.
///
/// # Errors
/// `state`; `missed`: the operator did not agree.
pub fn leave(desk: &mut Desk<'_>, yes: bool) -> Result<Answer, ModuleError> {
    let plan = text!(
        "This machine leaves the cluster. If it is the last one, it keeps the state; otherwise its state file is set aside, and the program here buys nothing any more.",
        "Эта машина выйдет из кластера. Если она последняя, состояние останется у неё; иначе файл состояния будет убран в сторону, и программа здесь больше ничего не покупает."
    );
    desk.confirm(&plan, yes)?;
    let store = open_state(desk.ctx)?;
    let is_last = membership::leave(&store, desk.ctx.clock.now()).map_err(state_error)?;
    drop(store);
    desk.ctx.replica.borrow_mut().take();
    let words = if is_last {
        text!(
            "The cluster has no machine any more, and this one has an ordinary state",
            "В кластере больше нет машин, состояние этой снова обычное"
        )
        .next(text!("take [cluster] out of the settings", "уберите [cluster] из настроек"))
    } else {
        let _alone = alone(desk.ctx)?;
        let kept = set_aside(desk)?.unwrap_or_default();
        remove_state(&desk.ctx.settings.state).map_err(state_error)?;
        let shown = kept.display();
        text!(
            "This machine has left the cluster, and the other machines go on",
            "Эта машина вышла из кластера, остальные продолжают"
        )
        .changed(text!("Its state was kept as {shown}", "Её состояние сохранено как {shown}"))
        .next(text!("take [cluster] and the cron entries away here", "уберите здесь [cluster] и задания cron"))
    };
    Ok(Answer::sentence("cluster", desk.ctx.lang, words))
}

/// `cluster snapshot`: writes an image of the state for machines that join, and removes older entries.
///
/// # Errors
/// `state`
pub fn snapshot(desk: &mut Desk<'_>) -> Result<Answer, ModuleError> {
    let store = open_state(desk.ctx)?;
    let now = desk.ctx.clock.now();
    let Some(_lease) = store.lease("snapshot", now).map_err(state_error)? else {
        return Err(ModuleError::new(
            ErrorKind::Busy,
            "cluster",
            "snapshot",
            text!("Another machine is making a snapshot", "Снимок уже делает другая машина")
                .changed(text!("Nothing was done", "Ничего не сделано"))
                .next(text!("repeat later", "повторите позже")),
        ));
    };
    store.make_snapshot(false).map_err(state_error)?;
    Ok(Answer::sentence("cluster", desk.ctx.lang, &text!("The snapshot was written.", "Снимок записан.")))
}

/// `cluster status`: shows machines, servers, how far this replica is, and what runs hold at this moment.
///
/// # Errors
/// `config`: no `[cluster]`; `state`.
pub fn status(desk: &mut Desk<'_>) -> Result<Answer, ModuleError> {
    let hosts = access(desk.ctx)?.log()?.survey();
    let store = if is_there(desk.ctx)? { Some(open_state(desk.ctx)?) } else { None };
    let here = match store.as_ref().filter(|store| store.is_clustered()) {
        Some(store) => Some((store.replica_digest().map_err(state_error)?, store.machines().map_err(state_error)?)),
        None => None,
    };
    let mut lines = Vec::new();
    match &here {
        Some(((at, digest), _)) => lines.push(text!(
            ["this machine: entry {} {}, digest {}", at.seq, at.chain.short(), digest.short()],
            ["эта машина: запись {} {}, отпечаток {}", at.seq, at.chain.short(), digest.short()]
        )),
        None => lines.push(*state_error(ClusterError::NotReplica.into()).message),
    }
    let freshness = store.as_ref().map_or(Ok(None), Store::freshness).map_err(state_error)?;
    let caught_up_at = freshness.and_then(|freshness| freshness.caught_up_at);
    if let Some(at) = caught_up_at {
        let (shown, ago) = (at.format("%Y-%m-%d %H:%M:%S UTC"), (desk.ctx.clock.now() - at).num_minutes().max(0));
        lines.push(text!(
            "it last caught up with the log at {shown} ({ago} min ago)",
            "последний раз сверялась с журналом {shown} ({ago} мин назад)"
        ));
    }
    lines.extend(hosts.iter().map(host_line));
    let machines = here.as_ref().map(|(_, machines)| machines.clone()).unwrap_or_default();
    for machine in &machines {
        let (name, since) = (&machine.name, machine.joined_at.format("%Y-%m-%d %H:%M:%S UTC"));
        lines.push(text!("machine {name}, since {since}", "машина {name}, с {since}"));
    }
    let leases = store.as_ref().map_or(Ok(Vec::new()), Store::leases).map_err(state_error)?;
    lines.extend(leases.iter().map(lease_line));
    let json = json!({
        "here": here.as_ref().map(|((at, digest), _)| json!({
            "entry": at.seq, "chain": at.chain.short(), "digest": digest.short(),
        })),
        "caught_up_at": caught_up_at.map(|at| at.to_rfc3339()),
        "machines": machines.iter().map(|machine| json!({ "name": machine.name })).collect::<Vec<_>>(),
        "leases": leases.iter().map(lease_json).collect::<Vec<_>>(),
        "hosts": hosts.iter().map(host_json).collect::<Vec<_>>(),
    });
    let text: String = lines.iter().map(|line| format!("{}\n", desk.say(line))).collect();
    let is_behind = desk.ctx.behind.borrow().is_some();
    let is_bad = here.is_none() || is_behind || hosts.iter().all(|host| host.facts.is_err());
    Ok(Answer::new("cluster", text, json).with_code(u8::from(is_bad)))
}

fn lease_line(lease: &Lease) -> Text {
    let (name, machine, ends) = (&lease.name, &lease.machine, lease.ends.format("%Y-%m-%d %H:%M:%S UTC"));
    text!("lease of {name}: machine {machine}, until {ends}", "аренда {name}: машина {machine}, до {ends}")
}

fn lease_json(lease: &Lease) -> serde_json::Value {
    json!({ "name": lease.name, "machine": lease.machine, "ends": lease.ends.to_rfc3339() })
}

fn host_line(report: &HostReport) -> Text {
    let host = &report.host;
    match &report.facts {
        Err(why) => text!("server {host}: no answer: {why}", "сервер {host}: не отвечает: {why}"),
        Ok(facts) => {
            let (entry, chain, identity) = (facts.head.seq, facts.head.chain.short(), &facts.identity);
            let state = facts.galera.iter().chain(&facts.closed).chain(&facts.unsafe_settings);
            let state: String = state.map(|words| format!("; {words}")).collect();
            text!(
                "server {host}: entry {entry} {chain}, {identity}{state}",
                "сервер {host}: запись {entry} {chain}, {identity}{state}"
            )
        }
    }
}

fn host_json(report: &HostReport) -> serde_json::Value {
    match &report.facts {
        Err(why) => json!({ "host": report.host, "error": why }),
        Ok(facts) => json!({
            "host": report.host, "entry": facts.head.seq, "chain": facts.head.chain.short(),
            "identity": facts.identity, "galera": facts.galera, "closed": facts.closed,
            "unsafe": facts.unsafe_settings,
        }),
    }
}

/// Entries by their numbers, each with the chain that it has at one place, and the name of that place.
type Positions = BTreeMap<u64, (Chain, Text)>;

/// The first entry of a server whose chain differs from the known one, and the place where that one is known from.
fn first_difference<'k>(tail: &[Position], known: &'k Positions) -> Option<(u64, &'k Text)> {
    tail.iter().find_map(|at| {
        let (chain, place) = known.get(&at.seq)?;
        (*chain != at.chain).then_some((at.seq, place))
    })
}

/// For doctor: problems of the log's servers, and of this machine's part.
pub(super) fn findings(desk: &Desk<'_>, store: Option<&Store>) -> Vec<(bool, Text)> {
    let mut found = Vec::new();
    let hosts = match access(desk.ctx).and_then(ClusterAccess::log) {
        Ok(mut log) => log.survey(),
        Err(error) => return vec![(true, *error.message)],
    };
    let kept = store.map_or(Ok(Vec::new()), Store::kept_places);
    let of_machine = || text!("the state of this machine", "в состоянии этой машины");
    let kept = kept.unwrap_or_default().into_iter();
    let mut known: Positions = kept.map(|at| (at.seq, (at.chain, of_machine()))).collect();
    let now = desk.ctx.clock.now();
    for report in &hosts {
        let host = &report.host;
        let Ok(facts) = &report.facts else {
            found.push((true, host_line(report)));
            continue;
        };
        for unsafe_setting in &facts.unsafe_settings {
            found.push((
                true,
                text!(
                    "server {host}: {unsafe_setting}: writes that were acknowledged can be lost",
                    "сервер {host}: {unsafe_setting}: подтверждённые записи могут потеряться"
                ),
            ));
        }
        for rights in &facts.needless_rights {
            found.push((
                false,
                text!(
                    "server {host}: the user of the log has rights that it does not need: {rights}. It needs SELECT, INSERT, UPDATE, DELETE, CREATE on its own schema",
                    "сервер {host}: у пользователя журнала есть лишние права: {rights}. Нужны SELECT, INSERT, UPDATE, DELETE, CREATE на его собственную схему"
                ),
            ));
        }
        if let Some(entry) = facts.broken {
            found.push((
                true,
                text!(
                    "server {host}: entry {entry} of the log was changed, or an entry before it is missing: keep the state files of all machines, and read \"Fork\" in docs/cluster.md",
                    "сервер {host}: запись {entry} журнала изменена или перед ней нет записи: сохраните файлы состояния всех машин и прочитайте раздел «Fork» в docs/cluster.md"
                ),
            ));
        }
        if let Some((entry, other)) = first_difference(&facts.tail, &known) {
            found.push((
                true,
                text!(
                    ["server {host} holds another entry {entry} of the log than {}", other.en],
                    ["на сервере {host} запись {entry} журнала не та, что {}", other.ru]
                ),
            ));
        }
        for at in &facts.tail {
            let of_server = || text!("server {host}", "на сервере {host}");
            known.entry(at.seq).or_insert_with(|| (at.chain, of_server()));
        }
        let apart = (facts.clock - now).num_seconds().abs();
        if apart > 2 {
            found.push((
                false,
                text!(
                    "the clock of server {host} is {apart} s apart from this machine's",
                    "часы сервера {host} расходятся с часами этой машины на {apart} с"
                ),
            ));
        }
    }
    if let Some(behind) = desk.ctx.behind.borrow().as_ref() {
        found.push((true, behind.message().text()));
    }
    if !store.is_some_and(Store::is_clustered) {
        found.push((true, *state_error(ClusterError::NotReplica.into()).message));
    }
    found
}
