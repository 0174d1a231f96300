//! Licenses at the seller that our state does not know: those with our mark, and foreign ones at the address of one of
//! ours.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{
    AccountFacts, Binding, Comparison, DEFAULT_NAME, ItemView, Kind, Remedy, Unclaimed, Unknown, command, is_open,
};
use crate::error::Text;
use crate::model::ids::{ItemId, LicenseId, Mark};
use crate::model::item::Item;
use crate::model::license::License;
use crate::model::license_row::LicenseRow;
use crate::text;

/// Whether a license was ordered (on the day `ordered`) after a service was made, as far as dates are known. The number
/// of the service may have belonged to another client before.
pub fn is_young_enough(item: &Item, ordered: Option<NaiveDate>) -> bool {
    let born = item.created.get(..10).and_then(|day| day.parse::<NaiveDate>().ok());
    match (born, ordered) {
        (Some(born), Some(ordered)) => ordered >= born.pred_opt().unwrap_or(born),
        (None, _) | (_, None) => true,
    }
}

/// Whether a license with the mark of an item may be of its present incarnation. A license from the pool is older than
/// its service, but the service shows it.
fn is_of_incarnation(view: &ItemView, one: &Unclaimed) -> bool {
    is_young_enough(&view.item, one.created) || view.item.params.licid == Some(one.id)
}

impl Comparison<'_> {
    pub(super) fn unknown_license(&mut self, seen: &License) {
        let mark = seen.remoteid.mark_of(&self.facts.panel);
        let theirs = seen.remoteid.mark().filter(|mark| *mark.panel() != self.facts.panel);
        let unknown = Unknown { tariff: seen.tariff.id(), is_foreign: mark.is_none(), theirs };
        self.unknown.insert(seen.id, unknown);
        if let Some(ip) = seen.ip {
            self.unknown_at.entry(ip).or_default().push(seen.id);
        }
        if let Some(name) = seen.name.as_ref().filter(|name| name.starts_with(DEFAULT_NAME)) {
            self.unknown_named.entry(name.clone()).or_insert(seen.id);
        }
        if let Some(mark) = mark.filter(|mark| !self.pending.contains(&mark.to_string())) {
            let (item, number) = match mark {
                Mark::Order { item, number, .. } => (Some(item), number),
                Mark::Pool { .. } => (None, 0),
            };
            self.unclaimed.entry(item).or_default().push(Unclaimed { id: seen.id, created: seen.created, number });
        }
    }

    /// A license that could not be read. It may have our mark, and it is not known for whom it was bought. All others
    /// are compared as if it did not exist, which is right only while our state is known to be complete.
    pub fn unreadable(&mut self, license: LicenseId, item: Option<ItemId>, why: &Text) {
        self.unreadable.insert(license);
        let what = text!(
            ["license {license} cannot be read at the seller, so it is not known whose it is: {}", why.en],
            ["лицензия {license} у продавца не читается, поэтому неизвестно, чья она: {}", why.ru]
        );
        self.add(Kind::Unreadable, item, Some(license), what, command(format_args!("show license:{license}")));
    }

    /// A license that could not be read while this state is old, lost or new. It may be a license that the state does
    /// not know any more, and such a license affects the decision about every other one.
    pub fn unreadable_and_old(&self) -> Option<LicenseId> {
        let AccountFacts { last_number, restored, .. } = *self.facts;
        let may_forget = restored || last_number == 0 || self.highest > last_number;
        self.unreadable.first().copied().filter(|_| may_forget)
    }

    /// Services named by the marks of unknown licenses. They come before the other services, so that no second license
    /// is ordered for them.
    pub fn marked_items(&self) -> Vec<ItemId> {
        self.unclaimed.keys().copied().flatten().collect()
    }

    /// Unknown licenses with our mark for these services. `views`: the services among them that the panel has.
    pub fn marked(&mut self, items: &[ItemId], views: &BTreeMap<ItemId, ItemView>) {
        for item in items {
            let group = self.unclaimed.remove(&Some(*item)).unwrap_or_default();
            self.unclaimed_group(Some(*item), group, views.get(item));
        }
        views.values().for_each(|view| self.service(view));
    }

    pub(super) fn unclaimed_group(&mut self, item: Option<ItemId>, mut group: Vec<Unclaimed>, view: Option<&ItemView>) {
        // The license that the service shows comes first, then the newest.
        let shown = view.and_then(|view| view.item.params.licid);
        group.sort_by_key(|one| (Some(one.id) != shown, std::cmp::Reverse(one.number)));
        for one in group {
            let id = one.id;
            let free = item.is_some_and(|item| !self.served.contains(&item));
            let fits = free && view.is_some_and(|view| self.may_have(view, &one));
            if let Some(view) = view.filter(|view| self.moved_here(view, &one)) {
                self.bought_after_move(view, id);
                continue;
            }
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
                    Kind::Unclaimed,
                    text!(
                        "license {id} bears our mark for service {item}; this state does not know it",
                        "на лицензии {id} наша метка для услуги {item}; состояние её не знает"
                    ),
                ),
                None => (
                    Kind::Unclaimed,
                    text!(
                        "license {id} was freed by us; this state does not know it",
                        "лицензия {id} освобождена нами; состояние её не знает"
                    ),
                ),
            };
            let target = item.filter(|_| fits);
            self.served.extend(target);
            self.add(kind, item, Some(id), what, Remedy::TakeIn(id, target));
        }
    }

    /// A license that a service shows is in use, whatever an old state holds for that service. An operator must say
    /// which of the two the service is to have.
    fn shown_beside_another(&mut self, view: &ItemView, id: LicenseId) {
        let item = view.item.id;
        let what = text!(
            "service {item} shows license {id} with our mark, and this state holds another one for it",
            "услуга {item} показывает лицензию {id} с нашей меткой, а в состоянии за ней числится другая"
        );
        let remedy = command(format_args!("bind {item} {id} --replace"));
        self.add(Kind::Unclaimed, Some(item), Some(id), what, remedy);
    }

    /// Whether a service buys from this account now, and may have been given this license of it, although our state
    /// still holds a license of another account for the service.
    fn moved_here(&self, view: &ItemView, one: &Unclaimed) -> bool {
        view.holds == Binding::Elsewhere && !view.buys_elsewhere && is_open(view) && is_of_incarnation(view, one)
    }

    /// Such a license is not freed and not bound unasked: an operator says which of the two the service uses.
    fn bought_after_move(&mut self, view: &ItemView, id: LicenseId) {
        let item = view.item.id;
        let what = text!(
            "license {id} bears our mark for service {item}, and this state holds a license of another account for it",
            "на лицензии {id} наша метка для услуги {item}, а в состоянии за ней числится лицензия другой учётной записи"
        );
        let then = text!(
            "free the license of the other account if the service uses {id}. Then: pmisplicense reconcile --apply",
            "освободить лицензию другой учётной записи, если услуга использует {id}. Затем: pmisplicense reconcile --apply"
        );
        let unbind = command(format_args!("unbind {item}"));
        self.add_with_step(Kind::Unclaimed, (item, Some(id)), what, (unbind, then));
    }

    /// Whether a license with the mark of an item may belong to its present incarnation.
    fn may_have(&self, view: &ItemView, one: &Unclaimed) -> bool {
        let item = view.item.id;
        // An order is sent only after the one before has ended and its license is not held any more. So a mark newer
        // than this state proves that two things are out of date: an order that the state still waits for, and a
        // license that it holds and the seller does not have.
        let is_since = one.number > self.facts.last_number;
        let lacks = matches!(view.holds, Binding::Nothing | Binding::Former) || (is_since && self.gone.contains(&item));
        let waits = self.ordering.contains(&item) && !is_since;
        is_open(view) && is_of_incarnation(view, one) && lacks && !waits
    }

    /// Adds a finding for a foreign license with the address and the tariff of one of ours: somebody bought a second
    /// one by hand.
    pub(super) fn foreign_beside_ours(&mut self, row: &LicenseRow, item: ItemId, id: LicenseId) {
        let ours = row.id;
        let what = text!(
            "foreign license {id} has the same address and tariff as our license {ours}: both are paid for",
            "у чужой лицензии {id} те же IP и тариф, что у нашей {ours}: оплачиваются обе"
        );
        let remedy = command(format_args!("bind {item} {id} --replace"));
        self.add(Kind::Duplicate, Some(item), Some(id), what, remedy);
    }
}
