//! Messages: why a service or a license does not count as the one that our state knows, and the command with which an
//! operator says that it is. A test runs each of these commands and checks that it resolves the situation.

use crate::error::{ErrorKind, Halt, Message, ModuleError, Text};
use crate::model::ids::{ClientId, ItemId, LicenseId, Mark};
use crate::model::item::{Item, ItemStatus};
use crate::model::license::License;
use crate::model::license_row::LicenseRow;
use crate::text;

/// A service that shows a license which our state does not hold for it.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Witness<'w> {
    /// The service.
    pub(in crate::engine) item: &'w Item,
    /// What it shows.
    pub(in crate::engine) license: LicenseId,
    /// What our state holds for it.
    pub(in crate::engine) bound: Option<LicenseId>,
}

fn state(object: &str, value: impl std::fmt::Display, words: Message) -> ModuleError {
    ModuleError::new(ErrorKind::State, object, value, words).halted(Halt::Unrecognized)
}

/// The message about a license that is bound to the number of a service, when it may be another service now.
fn same_or_another(happened: Text, item: &Item, license: LicenseId) -> Message {
    let id = item.id;
    if item.status == ItemStatus::Deleted {
        return happened
            .changed(text!(
                "The service is closed, and the license was left as it is",
                "Услуга закрыта, лицензия оставлена как есть"
            ))
            .next(text!(
                "pmisplicense unbind {id} (frees the license)",
                "pmisplicense unbind {id} (освободит лицензию)"
            ));
    }
    happened.changed(text!("Nothing was changed", "Ничего не изменено")).next(text!(
        "pmisplicense bind {id} {license} (if it is the same service), or pmisplicense unbind {id} (if it is another one)",
        "pmisplicense bind {id} {license} (если услуга та же) или pmisplicense unbind {id} (если другая)"
    ))
}

/// A license that its service gave back shows nothing of that service any more.
pub(in crate::engine) fn not_recognized(row: &LicenseRow, seen: &License) -> ModuleError {
    let (id, name) = (row.id, seen.shown_name());
    let item = row.item.map_or_else(|| "-".to_owned(), |item| item.to_string());
    let ip = seen.ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string());
    let words = text!(
        "License {id}, which service {item} gave back, has the name {name} and the address {ip} now, and no mark. Another installation may have taken it",
        "У лицензии {id}, которую вернула услуга {item}, теперь имя {name} и IP {ip}, метки нет. Её могла взять другая установка"
    );
    let next = text!(
        "find out in the seller's panel who uses it. If nobody does, stop it there. What is known here: pmisplicense show license:{id}",
        "выясните в панели продавца, кто ею пользуется. Если никто, остановите её там. Что известно здесь: pmisplicense show license:{id}"
    );
    state(
        "licid",
        id,
        words.changed(text!("It was neither stopped nor freed", "Она не остановлена и не освобождена")).next(next),
    )
}

fn nothing_bought() -> Text {
    text!("Nothing was changed or bought", "Ничего не изменено и не куплено")
}

/// The client of a service changed.
pub(in crate::engine) fn other_client(item: &Item, known: ClientId, bound: Option<LicenseId>) -> ModuleError {
    let (id, client) = (item.id, item.client);
    let words = match bound {
        Some(license) => {
            let happened = text!(
                "Service {id} belongs to client {client} now, and its license {license} was bound for client {known}",
                "Услуга {id} теперь принадлежит клиенту {client}, а её лицензия {license} привязана для клиента {known}"
            );
            same_or_another(happened, item, license)
        }
        None => text!(
            "Service {id} belongs to client {client} now, and an order made for client {known} is in doubt",
            "Услуга {id} теперь принадлежит клиенту {client}, а заказ для клиента {known} под вопросом"
        )
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "pmisplicense reconcile --apply (looks for the license)",
            "pmisplicense reconcile --apply (поищет лицензию)"
        )),
    };
    state("item", id, words)
}

/// A license is bound to another incarnation of a service's number.
pub(in crate::engine) fn other_incarnation(item: &Item, bound: LicenseId) -> ModuleError {
    let (id, created) = (item.id, &item.created);
    let happened = text!(
        "License {bound} is bound to a former service with the number {id}. The present service was created at another time ({created}), or the former one was closed since then",
        "Лицензия {bound} привязана к прежней услуге с номером {id}. Нынешняя создана в другое время ({created}), или прежнюю с тех пор закрыли"
    );
    state("item", id, same_or_another(happened, item, bound))
}

/// The license that a service shows bears a mark that this state does not know. A service that holds another one
/// cannot get it by `reconcile --apply`: an operator decides which of the two it keeps.
pub(in crate::engine) fn mark_of_ours(witness: &Witness<'_>) -> ModuleError {
    let (id, license) = (witness.item.id, witness.license);
    let next = match witness.bound {
        None => text!("pmisplicense reconcile --apply", "pmisplicense reconcile --apply"),
        Some(bound) => text!(
            "pmisplicense bind {id} {license} --replace (frees license {bound}); then pmisplicense reconcile",
            "pmisplicense bind {id} {license} --replace (освобождает лицензию {bound}); затем pmisplicense reconcile"
        ),
    };
    let happened = text!(
        "Service {id} shows license {license}, which bears our mark and is not in this state: the state is old, or was begun anew",
        "Услуга {id} показывает лицензию {license} с нашей меткой, которой нет в состоянии: оно устарело или начато заново"
    );
    state("licid", license, happened.changed(nothing_bought()).next(next))
}

/// The license that a service shows bears another installation's mark; that may be this one, before its state was
/// lost.
pub(in crate::engine) fn mark_of_theirs(witness: &Witness<'_>, mark: &Mark) -> ModuleError {
    let (id, license, panel) = (witness.item.id, witness.license, mark.panel().as_str());
    let replace = if witness.bound.is_some() { " --replace" } else { "" };
    let happened = text!(
        "Service {id} shows license {license}, which is not in this state and bears the mark of installation {panel}",
        "Услуга {id} показывает лицензию {license}, которой нет в состоянии; на ней метка установки {panel}"
    );
    let next = text!(
        "if this installation was {panel} before its state was lost: pmisplicense state adopt {panel}; if not: pmisplicense bind {id} {license} --take-from {panel}{replace}",
        "если {panel} — эта установка до потери состояния: pmisplicense state adopt {panel}; если нет: pmisplicense bind {id} {license} --take-from {panel}{replace}"
    );
    state("licid", license, happened.changed(nothing_bought()).next(next))
}

/// The service shows a license that our state does not know, or holds for another service (`holder`) or for nobody.
pub(in crate::engine) fn shows_another(witness: &Witness<'_>, holder: Holder) -> ModuleError {
    let (id, license) = (witness.item.id, witness.license);
    let whose = match holder {
        Holder::Unknown => text!("is not in this state", "которой нет в состоянии"),
        Holder::Nobody => {
            text!("is free in this state", "которая в состоянии числится свободной")
        }
        Holder::Closed(other) => text!(
            "belongs to the closed service {other} in this state",
            "которая в состоянии числится за закрытой услугой {other}"
        ),
        Holder::Open(other) => text!(
            "belongs to service {other} in this state, which is not closed",
            "которая в состоянии числится за незакрытой услугой {other}"
        ),
    };
    let next = match witness.bound {
        Some(bound) => text!(
            "pmisplicense bind {id} {bound} (keeps license {bound} and shows it again), or pmisplicense bind {id} {license} --replace (frees license {bound})",
            "pmisplicense bind {id} {bound} (оставит лицензию {bound} и покажет её) или pmisplicense bind {id} {license} --replace (освободит {bound})"
        ),
        None => text!(
            "pmisplicense bind {id} {license} (if it is this service's), or pmisplicense unbind {id} (if it is not)",
            "pmisplicense bind {id} {license} (если она этой услуги) или pmisplicense unbind {id} (если нет)"
        ),
    };
    let happened = text!(
        ["Service {id} shows license {license}, which {}", whose.en],
        ["Услуга {id} показывает лицензию {license}, {}", whose.ru]
    );
    state("licid", license, happened.changed(nothing_bought()).next(next))
}

/// A service changed its module, and shows another license than the one that our state holds for it in the account of
/// the former module.
pub(in crate::engine) fn shows_after_move(item: &Item, license: LicenseId, bound: &LicenseRow) -> ModuleError {
    let (id, old, former) = (item.id, bound.id, bound.module);
    let happened = text!(
        "Service {id} does not buy with module {former} any more and shows license {license}; this state holds license {old} of module {former} for it",
        "Услуга {id} больше не покупает через модуль {former} и показывает лицензию {license}; в состоянии за ней числится лицензия {old} модуля {former}"
    );
    let next = text!(
        "if license {license} of the present module is this service's: pmisplicense unbind {id} (frees license {old}), then pmisplicense bind {id} {license}; if there is no such license: pmisplicense move {id}",
        "если лицензия {license} нынешнего модуля принадлежит этой услуге: pmisplicense unbind {id} (освобождает лицензию {old}), затем pmisplicense bind {id} {license}; если такой лицензии нет: pmisplicense move {id}"
    );
    state("licid", license, happened.changed(nothing_bought()).next(next))
}

/// To whom the license that a service shows belongs.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum Holder {
    /// Our state does not know it.
    Unknown,
    /// Nobody: it is in the pool, waits to be freed, or waits to run out.
    Nobody,
    /// A service that is closed, or that the panel does not have.
    Closed(ItemId),
    /// A service that is open.
    Open(ItemId),
}

/// A service shows a license that is about to be freed or to get a new key. `holds`: the license that our state holds
/// for that service.
pub(in crate::engine) fn shown_elsewhere(license: LicenseId, heir: ItemId, holds: Option<LicenseId>) -> ModuleError {
    let next = match holds {
        None => text!(
            "pmisplicense bind {heir} {license} (if it is that service's), or pmisplicense unbind {heir} (if it is not)",
            "pmisplicense bind {heir} {license} (если она той услуги) или pmisplicense unbind {heir} (если нет)"
        ),
        Some(own) => text!(
            "pmisplicense bind {heir} {own} (shows its license {own} again), or pmisplicense bind {heir} {license} --replace",
            "pmisplicense bind {heir} {own} (снова покажет её лицензию {own}) или pmisplicense bind {heir} {license} --replace"
        ),
    };
    let happened = text!(
        "Service {heir}, which is not closed, shows license {license}",
        "Незакрытая услуга {heir} показывает лицензию {license}"
    );
    let changed =
        text!("The license was not freed, and its key was not changed", "Лицензия не освобождена, её ключ не изменён");
    state("licid", license, happened.changed(changed).next(next))
}
