//! Compares what the panel says, what our state knows and what the seller has (docs/money-safety.md 5 and 6). Pure:
//! each difference is named with its remedy. The engine carries the remedies out one by one, after reading everything
//! again. Foreign licenses are never changed, and are named only when they have the address of one of ours.
//!
//! The comparison gets its input piece by piece, so that an account of any size needs little memory: of what agrees,
//! only a few numbers are kept. The order of the calls is: each row of the seller's lists ([`Comparison::listed`]),
//! each row of our state ([`Comparison::recorded`]), the services that marks name ([`Comparison::marked`]), all
//! other services ([`Comparison::service`]), and [`Comparison::finish`].

mod known;
mod shows;
mod unknown;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use chrono::NaiveDate;

pub use super::finding::{AccountFacts, Binding, Desired, Finding, GivenBack, ItemView, Kind, Remedy};
use crate::error::Text;
use crate::model::ids::{ItemId, LicenseId, Mark, UpstreamPricelistId};
use crate::model::item::ItemStatus;
use crate::model::journal::IntentStatus;
use crate::model::license::License;
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::plan::change::DesiredLicense;
use crate::plan::identity::Shown;
use crate::plan::old_state::missed_order;
use crate::plan::reason::{Decision, asked, decision};
use crate::plan::renew::is_paid;
use crate::plan::takeover::named;
use crate::text;
pub use shows::adopting;
pub use unknown::is_young_enough;

/// The beginning of default names, for licenses that the client did not name (docs/licensing-rules.md 3).
const DEFAULT_NAME: &str = "Item #";

/// Whether a service is open and asks for a license.
fn is_open(view: &ItemView) -> bool {
    view.item.status != ItemStatus::Deleted && matches!(view.desired, Desired::License(_))
}

fn lacks(item: ItemId) -> Text {
    text!("service {item} is active and has no license", "услуга {item} активна, а лицензии нет")
}

fn is_alive(seen: &License) -> bool {
    !seen.is_deleted()
}

/// The command that an operator may run.
fn command(words: impl std::fmt::Display) -> Remedy {
    Remedy::Operator(format!("pmisplicense {words}"))
}

/// The remedy for a license that serves nobody and is in use: `bind` to the service that its name tells, else an
/// operator has to look. An operator may also leave it to its user.
fn used_by(seen: &License) -> (Remedy, Text) {
    let id = seen.id;
    let named = named(seen, &BTreeSet::new());
    let first = match named.keys().next() {
        Some(item) => format!("pmisplicense bind {item} {id}"),
        None => format!("pmisplicense show license:{id}"),
    };
    let step = text!(
        "you decide: {first}. If another user of the account has it: pmisplicense state leave {id}",
        "решать вам: {first}. Если её занял другой пользователь учётной записи: pmisplicense state leave {id}"
    );
    (Remedy::Operator(first), step)
}

/// What the comparison keeps of a license at the seller that our state does not know.
#[derive(Debug, Clone)]
struct Unknown {
    tariff: Option<UpstreamPricelistId>,
    is_foreign: bool,
    /// The mark of another installation that it bears.
    theirs: Option<Mark>,
}

impl Unknown {
    fn may_be(&self, tariff: UpstreamPricelistId) -> bool {
        self.tariff.is_none_or(|known| known == tariff)
    }
}

/// An unknown license with a mark of ours.
#[derive(Debug, Clone, Copy)]
struct Unclaimed {
    id: LicenseId,
    created: Option<NaiveDate>,
    number: u32,
}

/// The state of a comparison of one account.
pub struct Comparison<'g> {
    facts: &'g AccountFacts,
    ordering: BTreeSet<ItemId>,
    /// Marks of orders whose outcome is not known. Settling these orders looks for their licenses.
    pending: BTreeSet<String>,
    highest: u32,
    unknown: BTreeMap<LicenseId, Unknown>,
    unknown_at: BTreeMap<IpAddr, Vec<LicenseId>>,
    /// Unknown licenses with the default name of a service.
    unknown_named: BTreeMap<String, LicenseId>,
    /// Unknown licenses with a mark of ours, by the service that it names.
    unclaimed: BTreeMap<Option<ItemId>, Vec<Unclaimed>>,
    /// Services whose license no list shows any more.
    gone: BTreeSet<ItemId>,
    /// Paid services without a license whose number has one of a former service.
    blocked: BTreeSet<ItemId>,
    /// Services that unknown licenses with our mark will serve.
    served: BTreeSet<ItemId>,
    /// What the seller says each license costs: few texts, many licenses.
    costs: BTreeMap<LicenseId, Rc<str>>,
    words: BTreeSet<Rc<str>>,
    holders: BTreeMap<LicenseId, ItemId>,
    shown_by: BTreeMap<LicenseId, ItemId>,
    shown_twice: BTreeSet<(LicenseId, ItemId)>,
    visited: BTreeSet<ItemId>,
    /// Services that show a license which our state does not hold for them.
    shows: Vec<shows::Show>,
    /// Services that show a license of ours which is about to be freed.
    heirs: BTreeMap<LicenseId, ItemId>,
    /// Licenses that could not be read.
    unreadable: BTreeSet<LicenseId>,
    /// Licenses that the seller deleted, and that serve no open service. A service that shows one is not named for it:
    /// nothing could be taken from that service any more.
    dead: BTreeSet<LicenseId>,
    /// Licenses that their own service does not show.
    unshown: BTreeSet<LicenseId>,
    list: Vec<Finding>,
}

impl<'g> Comparison<'g> {
    /// A comparison that has not seen anything yet.
    pub fn new(facts: &'g AccountFacts) -> Self {
        let orders = || facts.open.iter().filter_map(|intent| intent.request.as_order().map(|order| (intent, order)));
        Self {
            facts,
            ordering: orders().filter_map(|(intent, _)| intent.item).collect(),
            pending: orders().map(|(_, order)| order.mark.to_string()).collect(),
            highest: 0,
            unknown: BTreeMap::new(),
            unknown_at: BTreeMap::new(),
            unknown_named: BTreeMap::new(),
            unclaimed: BTreeMap::new(),
            gone: BTreeSet::new(),
            blocked: BTreeSet::new(),
            served: BTreeSet::new(),
            costs: BTreeMap::new(),
            words: BTreeSet::new(),
            holders: BTreeMap::new(),
            shown_by: BTreeMap::new(),
            shown_twice: BTreeSet::new(),
            visited: BTreeSet::new(),
            shows: Vec::new(),
            heirs: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            dead: BTreeSet::new(),
            unshown: BTreeSet::new(),
            list: Vec::new(),
        }
    }

    /// A row of the seller's lists, with our row of that number and the service that our row is bound to.
    pub fn listed(&mut self, seen: &License, row: Option<&LicenseRow>, view: Option<&ItemView>) {
        if let Some(words) = &seen.cost {
            self.remember_cost(seen.id, words);
        }
        // A deleted license belongs to nobody, but its number was given out anyway.
        if let Some(Mark::Order { number, .. }) = seen.remoteid.mark_of(&self.facts.panel) {
            self.highest = self.highest.max(number);
        }
        match row.filter(|row| row.state != LicenseState::Deleted && !self.was_given_out(row, seen)) {
            Some(row) => self.row(row, Some(seen), view),
            None if is_alive(seen) => self.unknown_license(seen),
            None => {}
        }
    }

    /// Whether a license that serves nobody according to this state has a mark that is newer than the state. It was
    /// given to a service after the state was copied, so what the state says about it is out of date.
    fn was_given_out(&self, row: &LicenseRow, seen: &License) -> bool {
        row.incarnation.is_none()
            && missed_order(seen.remoteid.mark_of(&self.facts.panel).as_ref(), self.facts.last_number).is_some()
    }

    fn remember_cost(&mut self, id: LicenseId, words: &str) {
        let shared = match self.words.get(words) {
            Some(known) => Rc::clone(known),
            None => Rc::from(words),
        };
        self.words.insert(Rc::clone(&shared));
        self.costs.insert(id, shared);
    }

    /// A row of our state, after all lists were read. `is_listed`: it was compared with them already.
    pub fn recorded(&mut self, row: &LicenseRow, is_listed: bool, view: Option<&ItemView>) {
        if !is_listed {
            self.row(row, None, view);
        }
        let Some(item) = row.item.filter(|_| row.incarnation.is_some()) else { return };
        self.holders.insert(row.id, item);
        let beside = row.ip.and_then(|ip| self.unknown_at.get(&ip)).cloned().unwrap_or_default();
        for id in beside {
            let paid_twice = |unknown: &Unknown| unknown.is_foreign && unknown.tariff == Some(row.pricelist);
            if self.unknown.get(&id).is_some_and(paid_twice) && !self.unreadable.contains(&id) {
                self.foreign_beside_ours(row, item, id);
            }
        }
    }

    /// Whether a service was compared already.
    pub fn is_visited(&self, item: ItemId) -> bool {
        self.visited.contains(&item)
    }

    /// Notes which license a service shows, once for each service.
    fn visit(&mut self, view: &ItemView) {
        if !self.visited.insert(view.item.id) || view.item.status == ItemStatus::Deleted {
            return;
        }
        self.note_show(view);
        let Some(id) = view.item.params.licid else { return };
        match self.shown_by.get(&id) {
            None => drop(self.shown_by.insert(id, view.item.id)),
            Some(first) => self.shown_twice.extend([(id, *first), (id, view.item.id)]),
        }
    }

    /// All differences, in the order in which their remedies are carried out.
    pub fn finish(mut self) -> Vec<Finding> {
        for (item, group) in std::mem::take(&mut self.unclaimed) {
            self.unclaimed_group(item, group, None);
        }
        self.old_state();
        self.open_intents();
        self.blocked_by_former();
        self.two_items();
        self.shown_unbound();
        let mut list = self.list;
        list.sort_by(|a, b| a.place().cmp(&b.place()));
        list
    }

    fn add(&mut self, kind: Kind, item: Option<ItemId>, license: Option<LicenseId>, what: Text, remedy: Remedy) {
        let cost = license.and_then(|id| self.costs.get(&id)).map(ToString::to_string);
        self.list.push(Finding { kind, item, license, what, remedy, step: None, cost, price: None });
    }

    /// As `add`, with the words for what the remedy changes.
    fn add_with_step(
        &mut self,
        kind: Kind,
        (item, license): (ItemId, Option<LicenseId>),
        what: Text,
        (remedy, step): (Remedy, Text),
    ) {
        self.add(kind, Some(item), license, what, remedy);
        if let Some(finding) = self.list.last_mut() {
            finding.step = Some(step);
        }
    }

    fn old_state(&mut self) {
        let AccountFacts { last_number: last, newest_number, restored, .. } = *self.facts;
        if self.highest > last || restored {
            let (highest, number) = (self.highest, self.highest.max(newest_number));
            let what = if highest <= last {
                text!("this state was restored from a backup", "состояние восстановлено из копии")
            } else {
                text!(
                    "a mark at the seller has number {highest}, and this state knows numbers up to {last} only",
                    "у продавца есть метка с номером {highest}, а состояние знает номера только до {last}"
                )
            };
            self.add(Kind::OldState, None, None, what, Remedy::CompleteState(number));
        }
    }

    fn open_intents(&mut self) {
        let facts = self.facts;
        for intent in &facts.open {
            let asked = asked(&intent.request);
            let Some(item) = intent.item else { continue };
            let since = intent.recorded_at.format("%Y-%m-%d %H:%M");
            if intent.status == IntentStatus::HandedOver {
                let what = text!(
                    ["{} of {since}: nobody knows whether it happened", asked.en],
                    ["{} от {since}: неизвестно, выполнено ли", asked.ru]
                );
                let Decision { command, next } = decision(intent);
                let remedy = (Remedy::Operator(command), next);
                self.add_with_step(Kind::HandedOver, (item, intent.request.license()), what, remedy);
            } else {
                let what =
                    text!(["{} of {since}: its answer was lost", asked.en], ["{} от {since}: ответ потерян", asked.ru]);
                let step = text!("look for its result at the seller", "искать её результат у продавца");
                let remedy = (Remedy::Look(item), step);
                self.add_with_step(Kind::InDoubt, (item, intent.request.license()), what, remedy);
            }
        }
    }

    /// What a service of the module asks for, if a client pays for it.
    fn paid_for<'v>(&self, view: &'v ItemView) -> Option<&'v DesiredLicense> {
        let ours = view.item.module == Some(self.facts.module) && view.item.is_ours();
        match &view.desired {
            Desired::License(desired) if ours && is_paid(&view.item, self.facts.today) => Some(desired),
            Desired::License(_) | Desired::Nothing | Desired::Unclear(_) => None,
        }
    }

    /// Whether a service gets a license by another remedy, or has an order whose outcome is not known.
    fn is_provided(&self, item: ItemId) -> bool {
        self.served.contains(&item) || self.ordering.contains(&item)
    }

    /// Nothing is obtained for a service while our state holds the license of a former service of its number. An
    /// operator says first that it is another service.
    fn blocked_by_former(&mut self) {
        for item in std::mem::take(&mut self.blocked) {
            if self.is_provided(item) {
                continue;
            }
            let step = text!(
                "free the license of the former service: pmisplicense unbind {item}. Then: pmisplicense reconcile --apply",
                "освободить лицензию прежней услуги: pmisplicense unbind {item}. Затем: pmisplicense reconcile --apply"
            );
            let unbind = command(format_args!("unbind {item}"));
            self.add_with_step(Kind::NoLicense, (item, None), lacks(item), (unbind, step));
        }
    }

    /// A service of the module that was not compared yet. It is a finding if it is paid and has no license.
    pub fn service(&mut self, view: &ItemView) {
        self.visit(view);
        let item = view.item.id;
        let Some(desired) = self.paid_for(view) else { return };
        match view.holds {
            Binding::Nothing if !self.is_provided(item) => {}
            Binding::Former if matches!(view.shown, Shown::Nothing | Shown::Former) => {
                self.blocked.insert(item);
                return;
            }
            Binding::Nothing | Binding::Former | Binding::Elsewhere | Binding::Present => return,
        }
        let at_its_place = desired.ip.and_then(|ip| self.unknown_at.get(&ip)).into_iter().flatten();
        let alike = |id: &&LicenseId| self.unknown.get(id).is_some_and(|known| known.may_be(desired.pricelist));
        let shown = view.item.params.licid.filter(|id| self.unknown.contains_key(id));
        // Ordered for this same service, for example by the vendor's own module.
        let by_name = self.unknown_named.get(&view.item.default_license_name()).copied();
        let foreign = at_its_place.filter(alike).copied().chain(shown).chain(by_name).min();
        let what = lacks(item);
        let remedy = match foreign {
            Some(id) => command(format_args!("bind {item} {id}")),
            None => Remedy::Obtain(item),
        };
        let price = view.price.clone();
        self.list.push(Finding {
            kind: Kind::NoLicense,
            item: Some(item),
            license: None,
            what,
            remedy,
            step: None,
            cost: None,
            price,
        });
    }
}

#[cfg(test)]
mod tests;
