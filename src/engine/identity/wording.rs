//! Messages: why a service or a license does not count as the one that our state knows, and the command with which an
//! operator says that it is. A test runs each of these commands and checks that it resolves the situation.

use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::ids::{ClientId, ItemId, LicenseId, Mark};
use crate::model::item::{Item, ItemStatus};
use crate::text;

/// A service that shows a license which our state does not hold for it.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Witness<'w> {
    /// The service.
    pub(in crate::engine) item: &'w Item,
    /// What it shows.
    pub(in crate::engine) license: LicenseId,
    /// What our state holds for it.
    pub(in crate::engine) held: Option<LicenseId>,
}

fn state(object: &str, value: impl std::fmt::Display, words: Text) -> ModuleError {
    ModuleError::new(ErrorKind::State, object, value, words)
}

/// Whether an error says that a service or a license is not the one that our state knows.
pub(in crate::engine) fn is_about_identity(error: &ModuleError) -> bool {
    error.kind == ErrorKind::State && matches!(error.object.as_str(), "item" | "licid")
}

/// The end of a message about a license that is bound to the number of a service, when it may be another service now.
fn same_or_another(item: &Item, license: LicenseId) -> Text {
    let id = item.id;
    if item.status == ItemStatus::Deleted {
        return text!(
            "The service is closed, and the license was left as it is. Next: pmisplicense unbind {id} (frees the license)",
            "Услуга закрыта, лицензия оставлена как есть. Далее: pmisplicense unbind {id} (освободит лицензию)"
        );
    }
    text!(
        "Nothing was changed. Next: pmisplicense bind {id} {license} (if it is the same service), or pmisplicense unbind {id} (if it is another one)",
        "Ничего не изменено. Далее: pmisplicense bind {id} {license} (если услуга та же) или pmisplicense unbind {id} (если другая)"
    )
}

/// The client of a service changed.
pub(in crate::engine) fn other_client(item: &Item, known: ClientId, held: Option<LicenseId>) -> ModuleError {
    let (id, client) = (item.id, item.client);
    let words = match held {
        Some(license) => {
            let next = same_or_another(item, license);
            text!(
                [
                    "Service {id} belongs to client {client} now, and its license {license} was bound for client {known}. {}",
                    next.en
                ],
                [
                    "Услуга {id} теперь принадлежит клиенту {client}, а её лицензия {license} привязана для клиента {known}. {}",
                    next.ru
                ]
            )
        }
        None => text!(
            "Service {id} belongs to client {client} now, and an order made for client {known} is in doubt. Nothing was changed. Next: pmisplicense reconcile --apply (looks for the license)",
            "Услуга {id} теперь принадлежит клиенту {client}, а заказ для клиента {known} под вопросом. Ничего не изменено. Далее: pmisplicense reconcile --apply (поищет лицензию)"
        ),
    };
    state("item", id, words)
}

/// A license is bound to another incarnation of a service's number.
pub(in crate::engine) fn other_incarnation(item: &Item, held: LicenseId) -> ModuleError {
    let (id, created) = (item.id, &item.created);
    let next = same_or_another(item, held);
    let words = text!(
        [
            "License {held} is bound to a service with the number {id} that was created at another time than the present one ({created}), or closed since. {}",
            next.en
        ],
        [
            "Лицензия {held} привязана к услуге с номером {id}, созданной в другое время, чем нынешняя ({created}), или с тех пор закрытой. {}",
            next.ru
        ]
    );
    state("item", id, words)
}

/// The license that a service shows bears a mark that this state does not know. A service that holds another one
/// cannot get it by `reconcile --apply`: an operator decides which of the two it keeps.
pub(in crate::engine) fn mark_of_ours(witness: &Witness<'_>) -> ModuleError {
    let (id, license) = (witness.item.id, witness.license);
    let next = match witness.held {
        None => text!("pmisplicense reconcile --apply", "pmisplicense reconcile --apply"),
        Some(held) => text!(
            "pmisplicense bind {id} {license} --replace (frees license {held}); then pmisplicense reconcile",
            "pmisplicense bind {id} {license} --replace (освобождает лицензию {held}); затем pmisplicense reconcile"
        ),
    };
    let words = text!(
        [
            "Service {id} shows license {license}, which bears our mark and is not in this state: the state is old, or was begun anew. Nothing was changed or bought. Next: {}",
            next.en
        ],
        [
            "Услуга {id} показывает лицензию {license} с нашей меткой, которой нет в состоянии: оно устарело или начато заново. Ничего не изменено и не куплено. Далее: {}",
            next.ru
        ]
    );
    state("licid", license, words)
}

/// The license that a service shows bears another installation's mark; that may be this one, before its state was
/// lost.
pub(in crate::engine) fn mark_of_theirs(witness: &Witness<'_>, mark: &Mark) -> ModuleError {
    let (id, license, panel) = (witness.item.id, witness.license, mark.panel().as_str());
    let replace = if witness.held.is_some() { " --replace" } else { "" };
    let words = text!(
        "Service {id} shows license {license}, which is not in this state and bears the mark of installation {panel}. Nothing was changed or bought. If this installation was {panel} before its state was lost: pmisplicense state adopt {panel}; if not: pmisplicense bind {id} {license} --take-from {panel}{replace}",
        "Услуга {id} показывает лицензию {license}, которой нет в состоянии; на ней метка установки {panel}. Ничего не изменено и не куплено. Если {panel} — эта установка до потери состояния: pmisplicense state adopt {panel}; если нет: pmisplicense bind {id} {license} --take-from {panel}{replace}"
    );
    state("licid", license, words)
}

/// The service shows a license that our state does not know, or holds for another service (`holder`) or for nobody.
pub(in crate::engine) fn shows_another(witness: &Witness<'_>, holder: Holder) -> ModuleError {
    let (id, license) = (witness.item.id, witness.license);
    let whose = match holder {
        Holder::Unknown => text!("is not in this state", "нет в состоянии"),
        Holder::Nobody => {
            text!("this state has as free", "в состоянии числится свободной")
        }
        Holder::Closed(other) => text!(
            "this state holds for service {other}, which is closed",
            "в состоянии числится за закрытой услугой {other}"
        ),
        Holder::Open(other) => text!(
            "this state holds for service {other}, which is not closed",
            "в состоянии числится за незакрытой услугой {other}"
        ),
    };
    let next = match witness.held {
        Some(held) => text!(
            "Next: pmisplicense bind {id} {held} (keeps license {held} and shows it again), or pmisplicense bind {id} {license} --replace (frees license {held})",
            "Далее: pmisplicense bind {id} {held} (оставит лицензию {held} и покажет её) или pmisplicense bind {id} {license} --replace (освободит {held})"
        ),
        None => text!(
            "Next: pmisplicense bind {id} {license} (if it is this service's), or pmisplicense unbind {id} (if it is not)",
            "Далее: pmisplicense bind {id} {license} (если она этой услуги) или pmisplicense unbind {id} (если нет)"
        ),
    };
    let words = text!(
        ["Service {id} shows license {license}, which {}. Nothing was changed or bought. {}", whose.en, next.en],
        [
            "Услуга {id} показывает лицензию {license}, которая {}. Ничего не изменено и не куплено. {}",
            whose.ru,
            next.ru
        ]
    );
    state("licid", license, words)
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
    let words = text!(
        [
            "Service {heir}, which is not closed, shows license {license}. The license was not freed, and its key was not changed. Next: {}",
            next.en
        ],
        [
            "Незакрытая услуга {heir} показывает лицензию {license}. Лицензия не освобождена, её ключ не изменён. Далее: {}",
            next.ru
        ]
    );
    state("licid", license, words)
}
