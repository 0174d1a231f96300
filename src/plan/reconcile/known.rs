//! A license of our state beside what the seller shows and what its service wants.

use crate::model::ids::{ItemId, LicenseId};
use crate::model::item::ItemStatus;
use crate::model::license::{License, LicenseStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::plan::change::{Difference, differences};
use crate::plan::explain::change;
use crate::plan::identity::{Shown, is_our_mark, serves};
use crate::text;

use super::{Comparison, Desired, GivenBack, ItemView, Kind, Remedy, command, is_alive, used_by};

impl Comparison<'_> {
    pub(super) fn row(&mut self, row: &LicenseRow, seen: Option<&License>, view: Option<&ItemView>) {
        if let Some(view) = view {
            self.visit(view);
        }
        if row.incarnation.is_none() && seen.is_some_and(|seen| !is_alive(seen)) {
            // Whichever service shows it, nothing could be taken from that service any more.
            self.dead.insert(row.id);
        }
        match row.state {
            LicenseState::Bound | LicenseState::Claimed => self.bound(row, seen, view),
            LicenseState::ToFree if row.not_before.is_none_or(|until| until <= self.facts.now) => {
                let id = row.id;
                let what = text!("license {id} waits to be freed", "лицензия {id} ждёт освобождения");
                self.add(Kind::ToFree, row.item, Some(id), what, Remedy::Free(id));
            }
            LicenseState::Pool | LicenseState::Stopped | LicenseState::ToFree => self.serving_nobody(row, seen),
            LicenseState::Deleted => {}
        }
    }

    fn serving_nobody(&mut self, row: &LicenseRow, seen: Option<&License>) {
        let Some(seen) = seen.filter(|seen| is_alive(seen)) else { return };
        let id = row.id;
        let is_of_another = seen.remoteid.mark().is_some_and(|mark| !is_our_mark(&mark, Some(row), &self.facts.panel));
        let is_stopped = row.state == LicenseState::Stopped;
        if is_stopped && (is_of_another || row.lasting_reason() == Some(&Reason::LeftToItsUser)) {
            // It belongs to another installation now, or to whoever an operator left it to.
            return;
        }
        let is_put_aside = row.lasting_reason() == Some(&Reason::NotFree);
        let is_taken = (row.state == LicenseState::Pool || (is_stopped && is_put_aside)) && seen.looks_used();
        if seen.autoprolong == Some(true) && !is_taken {
            let what = text!(
                "unused license {id} is renewed by the seller itself",
                "незанятую лицензию {id} продавец продлевает сам"
            );
            self.add(Kind::Autoprolong, None, Some(id), what, Remedy::SwitchOff(id));
        }
        if is_taken {
            let (name, ip) = (seen.shown_name(), seen.ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string()));
            let what = if is_stopped {
                text!(
                    "license {id}, which was put aside, is in use: name {name}, address {ip}",
                    "отложенная лицензия {id} занята: имя {name}, IP {ip}"
                )
            } else {
                text!(
                    "pooled license {id} is in use: name {name}, address {ip}",
                    "лицензия {id} из пула занята: имя {name}, IP {ip}"
                )
            };
            let (remedy, step) = used_by(seen);
            self.add(Kind::NotFree, None, Some(id), what, remedy);
            if let Some(finding) = self.list.last_mut() {
                finding.step = Some(step);
            }
        }
    }

    fn bound(&mut self, row: &LicenseRow, seen: Option<&License>, view: Option<&ItemView>) {
        let (id, Some(item)) = (row.id, row.item) else { return };
        let unbind = || command(format_args!("unbind {item}"));
        let bind = || command(format_args!("bind {item} {id}"));
        let Some(view) = view else {
            let what = text!(
                "license {id} is bound to service {item}, which the panel does not have",
                "лицензия {id} привязана к услуге {item}, которой в панели нет"
            );
            return self.add(Kind::NoItem, Some(item), Some(id), what, unbind());
        };
        if row.incarnation == Some(view.incarnation.beside().to_string()) {
            let what = text!(
                "license {id} was taken for service {item}, whose move to this account has not ended",
                "лицензия {id} взята для услуги {item}, перенос которой на эту учётную запись не завершён"
            );
            let step = text!(
                "end the move, or free license {id} if it is not needed any more",
                "завершить перенос или освободить лицензию {id}, если она больше не нужна"
            );
            return self.add_with_step(Kind::InDoubt, (item, Some(id)), what, (Remedy::Look(item), step));
        }
        let is_open = view.item.status != ItemStatus::Deleted;
        if !serves(row, &view.incarnation) {
            let what = text!(
                "license {id} was bound to another service numbered {item}",
                "лицензия {id} привязана к другой услуге с номером {item}"
            );
            let is_shown = is_open && view.item.params.licid == Some(id);
            if !is_shown && self.paid_for(view).is_some() {
                self.blocked.insert(item);
            }
            let remedy = if is_shown { bind() } else { unbind() };
            return self.add(Kind::OtherIncarnation, Some(item), Some(id), what, remedy);
        }
        if let Some(known) = view.known_client.filter(|known| *known != view.item.client) {
            let client = view.item.client;
            let what = text!(
                "service {item} belongs to client {client}, its license {id} was bound for client {known}",
                "услуга {item} принадлежит клиенту {client}, а её лицензия {id} привязана для клиента {known}"
            );
            return self.add(Kind::OtherClient, Some(item), Some(id), what, if is_open { bind() } else { unbind() });
        }
        if view.item.status == ItemStatus::Deleted {
            if seen.is_some_and(|seen| !is_alive(seen)) {
                self.dead.insert(id);
            }
            let what = text!(
                "service {item} is closed, but license {id} is still bound to it",
                "услуга {item} закрыта, но лицензия {id} ещё за ней"
            );
            return self.add(Kind::Closed, Some(item), Some(id), what, Remedy::Free(id));
        }
        if let (true, Shown::Unknown(shown) | Shown::Elsewhere(shown, _)) = (view.buys_elsewhere, view.shown) {
            return self.moved_away(row, item, shown);
        }
        if let Some(why) = view.given_back {
            return self.given_back(item, id, why);
        }
        match seen.filter(|seen| is_alive(seen)) {
            None => {
                self.gone.insert(item);
                let what = text!("license {id} is not in the seller's list", "лицензии {id} нет в списке продавца");
                let step = text!(
                    "look for license {id} again. If it is gone, the next reconcile offers another one for service {item}",
                    "снова поискать лицензию {id}. Если её нет, следующий reconcile предложит услуге {item} другую"
                );
                self.add_with_step(Kind::Gone, (item, Some(id)), what, (Remedy::Look(item), step));
            }
            Some(seen) if seen.status == LicenseStatus::Ordered => {
                let what = text!(
                    "license {id} is ordered and not paid at the seller",
                    "лицензия {id} заказана и не оплачена у продавца"
                );
                let retry = format!("pmisplicense retry {item}");
                let step = text!(
                    "pay it in the seller's panel, then run: {retry}",
                    "оплатите её в панели продавца, затем выполните: {retry}"
                );
                self.add_with_step(Kind::Unpaid, (item, Some(id)), what, (Remedy::Operator(retry), step));
            }
            Some(seen) => self.against_intent(view, row, seen),
        }
        if let Some(other) = row.key.as_ref().and_then(|key| key.names_another(id)) {
            let what = text!(
                "the key of license {id} begins with the number of license {other}",
                "ключ лицензии {id} начинается с номера лицензии {other}"
            );
            let show = format!("pmisplicense show license:{id} --raw");
            let step = text!(
                "ask the seller which key is right. What the seller shows: {show}",
                "спросите продавца, какой ключ верен. Что он показывает: {show}"
            );
            self.add_with_step(Kind::KeyNumber, (item, Some(id)), what, (Remedy::Operator(show), step));
        }
        self.shown(view, row);
    }

    /// A service buys with a module of another account now and shows a license of that account. Only an operator ends
    /// what our state holds for it here.
    fn moved_away(&mut self, row: &LicenseRow, item: ItemId, shown: LicenseId) {
        let id = row.id;
        let what = text!(
            "service {item} buys from another account now and shows license {shown}, and this state holds license {id} for it",
            "услуга {item} теперь покупает через другую учётную запись и показывает лицензию {shown}, а в состоянии за ней числится лицензия {id}"
        );
        let then = text!(
            "free license {id} if the service uses {shown}. Then bind that one: pmisplicense bind {item} {shown}",
            "освободить лицензию {id}, если услуга использует {shown}. Затем привязать её: pmisplicense bind {item} {shown}"
        );
        let unbind = command(format_args!("unbind {item}"));
        self.add_with_step(Kind::Shown, (item, Some(id)), what, (unbind, then));
    }

    /// A service wants no license any more, and its license is still bound to it.
    fn given_back(&mut self, item: ItemId, id: LicenseId, why: GivenBack) {
        match why {
            GivenBack::NotFreed => {
                let what = text!(
                    "service {item} gave license {id} back, but the license is still bound to it",
                    "услуга {item} вернула лицензию {id}, но та ещё за ней"
                );
                self.add(Kind::GivenBack, Some(item), Some(id), what, Remedy::Free(id));
            }
            GivenBack::OperationUnfinished => {
                let what = text!(
                    "service {item} wants no license any more, but the panel has not ended its operation, so license {id} is still bound to it",
                    "лицензия услуге {item} больше не нужна, но панель не завершила её операцию, поэтому лицензия {id} ещё за ней"
                );
                let unbind = format!("pmisplicense unbind {item}");
                let step = text!(
                    "let the panel end its operation; then sync frees the license. If the operation cannot end: {unbind}. A client who chooses a product after that needs another license",
                    "дайте панели завершить операцию, тогда лицензию освободит sync. Если операция не завершится: {unbind}. Если клиент после этого выберет продукт, понадобится другая лицензия"
                );
                self.add_with_step(Kind::GivenBack, (item, Some(id)), what, (Remedy::Operator(unbind), step));
            }
        }
    }

    fn against_intent(&mut self, view: &ItemView, row: &LicenseRow, seen: &License) {
        let Desired::License(desired) = &view.desired else { return };
        let (item, id) = (view.item.id, row.id);
        let have_ip = seen.ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string());
        for difference in differences(&view.item, desired, row, seen, self.facts.today) {
            let (kind, what) = match &difference {
                Difference::Tariff { from, to } => {
                    (Kind::Tariff, text!("tariff {from}, wanted {to}", "тариф {from}, нужен {to}"))
                }
                Difference::Nodes { from, to } => {
                    (Kind::Nodes, text!("{from} nodes, wanted {to}", "узлов {from}, нужно {to}"))
                }
                Difference::Ip(ip) => {
                    (Kind::Address, text!("address {have_ip}, wanted {ip}", "IP {have_ip}, нужен {ip}"))
                }
                Difference::Outward(ip) => {
                    let have = seen.remoteip.as_deref().or(row.remoteip.as_deref()).unwrap_or("?");
                    let wanted = ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string());
                    let what = text!("outward address {have}, wanted {wanted}", "внешний IP {have}, нужен {wanted}");
                    (Kind::Address, what)
                }
                Difference::Name(name) => {
                    (Kind::Name, text!("name {}, wanted {name}", "имя {}, нужно {name}", seen.shown_name()))
                }
                Difference::Autoprolong => {
                    (Kind::Autoprolong, text!("the seller renews it by itself", "продавец продлевает её сам"))
                }
                Difference::Running => (
                    Kind::Status,
                    text!("runs, though the service is suspended", "работает, хотя услуга приостановлена"),
                ),
                Difference::NotRunning => {
                    (Kind::Status, text!("stopped, though the service is active", "остановлена, хотя услуга активна"))
                }
            };
            let what = text!(["license {id}: {}", what.en], ["лицензия {id}: {}", what.ru]);
            let step = change(seen, &difference, None);
            self.add_with_step(kind, (item, Some(id)), what, (Remedy::Look(item), step));
        }
    }

    /// Compares what the service shows its client.
    fn shown(&mut self, view: &ItemView, row: &LicenseRow) {
        let (item, id) = (view.item.id, row.id);
        if row.waits_for_key() {
            if row.age(self.facts.now) > chrono::Duration::hours(1) {
                let what =
                    text!("license {id} has had no key for over an hour", "у лицензии {id} больше часа нет ключа");
                let step = text!("ask for the key of license {id} again", "снова запросить ключ лицензии {id}");
                self.add_with_step(Kind::KeyLate, (item, Some(id)), what, (Remedy::Look(item), step));
            }
        } else if row.key.is_some() && view.item.params.lickey != row.key {
            let what = text!(
                "the service does not show the key of license {id}",
                "услуга показывает не тот ключ, что у лицензии {id}"
            );
            let step =
                text!("save the key of license {id} to service {item}", "сохранить в услугу {item} ключ лицензии {id}");
            self.add_with_step(Kind::Key, (item, Some(id)), what, (Remedy::Look(item), step));
        }
        if view.item.params.licid != Some(id) {
            self.unshown.insert(id);
            let what = text!(
                "the service does not show the number of license {id}",
                "услуга показывает не тот номер: её лицензия {id}"
            );
            let step = text!("save the number {id} to service {item}", "сохранить в услугу {item} номер {id}");
            self.add_with_step(Kind::Key, (item, Some(id)), what, (Remedy::Look(item), step));
        }
    }
}
