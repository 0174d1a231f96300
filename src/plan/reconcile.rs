//! Three ways compared: what the panel says, what our state knows, what upstream has (MONEY.md 5 and 6). Pure: every
//! difference is named with what would be done about it; the engine does it, one by one, after looking again.
//! Foreign licenses are named only where they stand beside one of ours, and never changed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

pub use super::finding::{Finding, ItemView, Kind, Remedy, Want, World};
use crate::error::Text;
use crate::model::held::{LicenseRow, LicenseState};
use crate::model::ids::{ItemId, LicenseId, Mark};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{ItemLife, OnceRequest, WishStatus};
use crate::model::license::{License, LicenseStatus};
use crate::plan::change::{Difference, differences};
use crate::plan::renew::is_paid;
use crate::text;

/// Compares one account, all three ways.
pub fn compare(world: &World<'_>) -> Vec<Finding> {
    let mut found = Findings::new(world);
    let claimed = found.unowned();
    found.doubts();
    for row in world.rows {
        found.row(row);
    }
    for view in world.items.values() {
        found.item(view, &claimed);
    }
    found.two_items();
    found.foreign_beside_ours();
    let mut list = found.list;
    list.sort_by(|a, b| (&a.remedy, a.kind, a.item, a.license).cmp(&(&b.remedy, b.kind, b.item, b.license)));
    list
}

/// Whether a license was ordered since a service was made, as far as dates are known: its number may have been another
/// client's before.
pub fn is_young_enough(item: &Item, seen: &License) -> bool {
    let born = item.created.get(..10).and_then(|day| day.parse::<NaiveDate>().ok());
    match (born, seen.created) {
        (Some(born), Some(ordered)) => ordered >= born.pred_opt().unwrap_or(born),
        (None, _) | (_, None) => true,
    }
}

/// Whether a service is there and wants a license.
fn is_open(view: &ItemView) -> bool {
    view.item.status != ItemStatus::Deleted && matches!(view.want, Want::License(_))
}

fn is_alive(seen: &License) -> bool {
    seen.status != LicenseStatus::Deleted
}

/// A person's command.
fn command(words: impl std::fmt::Display) -> Remedy {
    Remedy::Person(format!("pmisplicense {words}"))
}

struct Findings<'f, 'w> {
    world: &'f World<'w>,
    known: BTreeSet<LicenseId>,
    by_life: BTreeMap<&'f str, &'f LicenseRow>,
    held: BTreeSet<ItemId>,
    ordering: BTreeSet<ItemId>,
    list: Vec<Finding>,
}

impl<'f, 'w> Findings<'f, 'w> {
    fn new(world: &'f World<'w>) -> Self {
        let orders = world.open.iter().filter(|wish| matches!(wish.request, OnceRequest::Order(_)));
        let held = world.rows.iter().filter(|row| row.life.is_some());
        Self {
            world,
            known: world.rows.iter().filter(|row| row.state != LicenseState::Deleted).map(|row| row.id).collect(),
            by_life: held.clone().filter_map(|row| Some((row.life.as_deref()?, row))).collect(),
            held: held.filter_map(|row| row.item).collect(),
            ordering: orders.filter_map(|wish| wish.item).collect(),
            list: Vec::new(),
        }
    }
}

impl Findings<'_, '_> {
    fn add(&mut self, kind: Kind, item: Option<ItemId>, license: Option<LicenseId>, what: Text, remedy: Remedy) {
        let cost = license.and_then(|id| self.world.upstream.get(&id)).and_then(|seen| seen.cost.clone());
        self.list.push(Finding { kind, item, license, what, remedy, cost });
    }

    fn is_known(&self, id: LicenseId) -> bool {
        self.known.contains(&id)
    }

    fn row_of(&self, life: &ItemLife) -> Option<&LicenseRow> {
        self.by_life.get(life.to_string().as_str()).copied()
    }

    fn open_order(&self, item: ItemId) -> bool {
        self.ordering.contains(&item)
    }

    /// Licenses with our mark that the state does not know. Returns the items that are served by them.
    fn unowned(&mut self) -> BTreeSet<ItemId> {
        let world = self.world;
        let mut highest = 0;
        let mut by_item: BTreeMap<Option<ItemId>, Vec<(&License, u32)>> = BTreeMap::new();
        for seen in world.upstream.values() {
            let Some(mark) = seen.remoteid.mark_of(world.panel) else { continue };
            let (item, number) = match &mark {
                Mark::Order { item, number, .. } => (Some(*item), *number),
                Mark::Pool { .. } => (None, 0),
            };
            highest = highest.max(number);
            let pending =
                world.open.iter().any(|wish| matches!(&wish.request, OnceRequest::Order(order) if order.mark == mark));
            // A deleted one is nobody's any more, but its number was given out all the same.
            if !pending && is_alive(seen) && !self.is_known(seen.id) {
                by_item.entry(item).or_default().push((seen, number));
            }
        }
        let mut served = BTreeSet::new();
        for (item, mut group) in by_item {
            // The service's own witness first, then the newest.
            let view = item.and_then(|item| world.items.get(&item));
            let shown = view.and_then(|view| view.item.params.licid);
            group.sort_by_key(|(seen, number)| (Some(seen.id) != shown, std::cmp::Reverse(*number)));
            for (seen, _) in group {
                let fits =
                    view.is_some_and(|view| self.may_have(view, seen)) && item.is_some_and(|i| !served.contains(&i));
                let id = seen.id;
                if let Some(view) = view.filter(|view| shown == Some(id) && !fits && is_open(view)) {
                    self.shown_beside_another(view, id);
                    continue;
                }
                let (kind, what) = match item {
                    Some(item) if !fits => (
                        Kind::Duplicate,
                        text!(
                            "license {id} was bought for service {item}, which does not need it",
                            "лицензия {id} куплена для услуги {item}, которой она не нужна"
                        ),
                    ),
                    Some(item) => (
                        Kind::Unowned,
                        text!(
                            "license {id} bears our mark for service {item}; this state does not know it",
                            "на лицензии {id} наша метка для услуги {item}; состояние её не знает"
                        ),
                    ),
                    None => (
                        Kind::Unowned,
                        text!(
                            "license {id} was freed by us; this state does not know it",
                            "лицензия {id} освобождена нами; состояние её не знает"
                        ),
                    ),
                };
                let target = item.filter(|_| fits);
                served.extend(target);
                self.add(kind, item, Some(id), what, Remedy::TakeIn(id, target));
            }
        }
        if highest > world.last_number || world.restored {
            let (last, number) = (world.last_number, highest.max(world.last_number));
            let what = if highest <= last {
                text!("this state was restored from a backup", "состояние восстановлено из копии")
            } else {
                text!(
                    "a mark upstream has number {highest}, this state knows {last}",
                    "у продавца есть метка с номером {highest}, а состояние знает {last}"
                )
            };
            self.add(Kind::OldState, None, None, what, Remedy::Renew(number));
        }
        served
    }

    /// The service itself is a witness: what it shows is in use, whatever an old state holds for it. Which of the two
    /// it is to have is a person's to say.
    fn shown_beside_another(&mut self, view: &ItemView, id: LicenseId) {
        let item = view.item.id;
        let what = text!(
            "service {item} shows license {id} with our mark, and this state holds another one for it",
            "услуга {item} показывает лицензию {id} с нашей меткой, а в состоянии за ней числится другая"
        );
        let remedy = command(format_args!("bind {item} {id} --replace"));
        self.add(Kind::Unowned, Some(item), Some(id), what, remedy);
    }

    /// Whether a license with the mark of an item may be the present life's.
    fn may_have(&self, view: &ItemView, seen: &License) -> bool {
        // One from the pool is older than its service, which shows it.
        let of_this_life = is_young_enough(&view.item, seen) || view.item.params.licid == Some(seen.id);
        is_open(view) && of_this_life && self.row_of(&view.life).is_none() && !self.open_order(view.item.id)
    }

    fn doubts(&mut self) {
        for wish in self.world.open {
            let (id, kind) = (wish.id, wish.request.kind());
            let Some(item) = wish.item else { continue };
            let since = wish.recorded_at.format("%Y-%m-%d %H:%M");
            if wish.status == WishStatus::HandedOver {
                let what = text!(
                    "{kind} of {since}: nobody knows whether it happened",
                    "{kind} от {since}: неизвестно, выполнено ли"
                );
                let remedy = command(format_args!("resolve {item} --wish {id} --bought LICENSE | --not-bought"));
                self.add(Kind::HandedOver, Some(item), wish.request.license(), what, remedy);
            } else {
                let what = text!("{kind} of {since}: its answer was lost", "{kind} от {since}: ответ потерян");
                self.add(Kind::Doubt, Some(item), wish.request.license(), what, Remedy::Look(item));
            }
        }
    }

    fn row(&mut self, row: &LicenseRow) {
        let seen = self.world.upstream.get(&row.id);
        match row.state {
            LicenseState::Bound | LicenseState::Claimed => self.bound(row, seen),
            LicenseState::ToFree if row.not_before.is_none_or(|until| until <= self.world.now) => {
                let id = row.id;
                let what = text!("license {id} waits to be freed", "лицензия {id} ждёт освобождения");
                self.add(Kind::ToFree, row.item, Some(id), what, Remedy::Free(id));
            }
            LicenseState::Pool | LicenseState::Stopped | LicenseState::ToFree => self.unheld(row, seen),
            LicenseState::Deleted => {}
        }
    }

    fn unheld(&mut self, row: &LicenseRow, seen: Option<&License>) {
        let Some(seen) = seen.filter(|seen| is_alive(seen)) else { return };
        let id = row.id;
        if seen.autoprolong == Some(true) {
            let what = text!(
                "unused license {id} is renewed by upstream itself",
                "незанятую лицензию {id} продавец продлевает сам"
            );
            self.add(Kind::Autoprolong, None, Some(id), what, Remedy::SwitchOff(id));
        }
        if row.state == LicenseState::Pool && !seen.looks_free() {
            let (name, ip) = (&seen.name, seen.ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string()));
            let what =
                text!("pooled license {id} is used as {name} at {ip}", "лицензия {id} из пула занята: {name}, {ip}");
            self.add(Kind::NotFree, None, Some(id), what, command(format_args!("bind ITEM {id}")));
        }
    }

    fn bound(&mut self, row: &LicenseRow, seen: Option<&License>) {
        let (id, Some(item)) = (row.id, row.item) else { return };
        let unbind = || command(format_args!("unbind {item}"));
        let Some(view) = self.world.items.get(&item) else {
            let what = text!(
                "license {id} is bound to service {item}, which the panel does not have",
                "лицензия {id} привязана к услуге {item}, которой в панели нет"
            );
            return self.add(Kind::NoItem, Some(item), Some(id), what, unbind());
        };
        let same_client = view.known_client.is_none_or(|client| client == view.item.client);
        if row.life != Some(view.life.to_string()) || !same_client {
            let what = text!(
                "license {id} was bound to another service or client numbered {item}",
                "лицензия {id} привязана к другой услуге или клиенту с номером {item}"
            );
            return self.add(Kind::OtherLife, Some(item), Some(id), what, unbind());
        }
        if view.item.status == ItemStatus::Deleted {
            let what = text!(
                "service {item} is closed, license {id} is still held",
                "услуга {item} закрыта, а лицензия {id} ещё занята"
            );
            return self.add(Kind::Closed, Some(item), Some(id), what, Remedy::Free(id));
        }
        match seen.filter(|seen| is_alive(seen)) {
            None => {
                let what = text!("license {id} is not in upstream's list", "лицензии {id} нет в списке продавца");
                self.add(Kind::Gone, Some(item), Some(id), what, Remedy::Look(item));
            }
            Some(seen) if seen.status == LicenseStatus::Ordered => {
                let what = text!(
                    "license {id} is ordered and not paid upstream",
                    "лицензия {id} заказана и не оплачена у продавца"
                );
                self.add(Kind::Unpaid, Some(item), Some(id), what, command("doctor"));
            }
            Some(seen) => self.against_wish(view, row, seen),
        }
        self.shown(view, row);
    }

    fn against_wish(&mut self, view: &ItemView, row: &LicenseRow, seen: &License) {
        let Want::License(target) = &view.want else { return };
        let (item, id) = (view.item.id, row.id);
        let have_ip = seen.ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string());
        for difference in differences(&view.item, target, row, seen, self.world.today) {
            let (kind, what) = match difference {
                Difference::Tariff { from, to } => {
                    (Kind::Tariff, text!("tariff {from}, wanted {to}", "тариф {from}, нужен {to}"))
                }
                Difference::Nodes { from, to } => {
                    (Kind::Nodes, text!("{from} nodes, wanted {to}", "узлов {from}, нужно {to}"))
                }
                Difference::Ip(ip) => {
                    (Kind::Address, text!("address {have_ip}, wanted {ip}", "IP {have_ip}, нужен {ip}"))
                }
                Difference::Name(name) => {
                    (Kind::Name, text!("name {}, wanted {name}", "имя {}, нужно {name}", seen.name))
                }
                Difference::Autoprolong => {
                    (Kind::Autoprolong, text!("upstream renews it by itself", "продавец продлевает её сам"))
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
            self.add(kind, Some(item), Some(id), what, Remedy::Look(item));
        }
    }

    /// What the service shows its client.
    fn shown(&mut self, view: &ItemView, row: &LicenseRow) {
        let (item, id) = (view.item.id, row.id);
        if row.key.is_none() {
            if self.world.now - row.since > chrono::Duration::hours(1) {
                let what = text!("license {id} has no key for over an hour", "у лицензии {id} больше часа нет ключа");
                self.add(Kind::KeyLate, Some(item), Some(id), what, Remedy::Look(item));
            }
        } else if view.item.params.lickey != row.key {
            let what = text!(
                "the service does not show the key of license {id}",
                "услуга показывает не тот ключ, что у лицензии {id}"
            );
            self.add(Kind::Key, Some(item), Some(id), what, Remedy::Look(item));
        }
        if view.item.params.licid != Some(id) {
            let what = text!(
                "the service does not show the number of license {id}",
                "услуга показывает не тот номер: её лицензия {id}"
            );
            self.add(Kind::Key, Some(item), Some(id), what, Remedy::Look(item));
        }
    }

    /// A paid service of the module without a license.
    fn item(&mut self, view: &ItemView, served: &BTreeSet<ItemId>) {
        let (world, item) = (self.world, view.item.id);
        let ours = view.item.module == Some(world.module) && view.item.is_ours();
        let held = self.held.contains(&item);
        let busy = held || served.contains(&item) || self.open_order(item);
        let Want::License(target) = &view.want else { return };
        if !ours || busy || !is_paid(&view.item, world.today) {
            return;
        }
        let alike = |seen: &&License| {
            let at_its_place = target.ip.is_some() && seen.ip == target.ip && seen.tariff.may_be(target.pricelist);
            // Ordered for this very service, by the vendor's own module for example.
            let by_name = seen.name == view.item.default_license_name();
            let shown = view.item.params.licid == Some(seen.id);
            (at_its_place || by_name || shown) && is_alive(seen) && !self.is_known(seen.id)
        };
        let what = text!("service {item} is active and has no license", "услуга {item} активна, а лицензии нет");
        let remedy = match world.upstream.values().find(alike) {
            Some(seen) => command(format_args!("bind {item} {}", seen.id)),
            None => Remedy::Obtain(item),
        };
        self.add(Kind::NoLicense, Some(item), None, what, remedy);
    }

    fn two_items(&mut self) {
        let mut shown: BTreeMap<LicenseId, Vec<ItemId>> = BTreeMap::new();
        for view in self.world.items.values().filter(|view| view.item.status != ItemStatus::Deleted) {
            if let Some(id) = view.item.params.licid {
                shown.entry(id).or_default().push(view.item.id);
            }
        }
        for (id, items) in shown.into_iter().filter(|(_, items)| items.len() > 1) {
            let holder = self.world.rows.iter().find(|row| row.id == id && row.life.is_some()).and_then(|row| row.item);
            for item in items.into_iter().filter(|item| Some(*item) != holder) {
                let owner = holder.map_or_else(|| "-".to_owned(), |item| item.to_string());
                let what = text!(
                    "service {item} shows license {id} of service {owner}",
                    "услуга {item} показывает лицензию {id} услуги {owner}"
                );
                self.add(Kind::TwoItems, Some(item), Some(id), what, command(format_args!("unbind {item}")));
            }
        }
    }

    /// Foreign licenses at the address of one of ours, with the same tariff: somebody paid twice by hand.
    fn foreign_beside_ours(&mut self) {
        let world = self.world;
        let mut places = BTreeMap::new();
        for row in world.rows.iter().filter(|row| row.life.is_some()) {
            if let Some(ip) = row.ip {
                places.insert((ip, row.pricelist), (row.id, row.item));
            }
        }
        let strangers: Vec<&License> =
            world.upstream.values().filter(|seen| is_alive(seen) && !self.is_known(seen.id)).collect();
        for seen in strangers {
            let foreign = seen.remoteid.mark_of(world.panel).is_none();
            let place = seen.ip.zip(seen.tariff.id());
            let Some((ours, Some(item))) = place.filter(|_| foreign).and_then(|place| places.get(&place)).copied()
            else {
                continue;
            };
            let id = seen.id;
            let what = text!(
                "license {id}, not ours, has address and tariff of license {ours}: paid twice",
                "чужая лицензия {id} на том же IP и тарифе, что {ours}: оплачено дважды"
            );
            let remedy = command(format_args!("bind {item} {id} --replace"));
            self.add(Kind::Duplicate, Some(item), Some(id), what, remedy);
        }
    }
}

#[cfg(test)]
mod tests;
