//! Services that a pass over all of them must report: their client or incarnation differs from the recorded one, or
//! they show a license that our state does not hold for them. A few questions for each few hundred services find them.
//! Each is then checked alone, under its lock, and the error of that check says what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{ErrorKind, Halt, ModuleError};
use crate::model::ids::{ItemId, LicenseId, ModuleId};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::Incarnation;
use crate::model::license::Family;
use crate::model::license_row::LicenseRow;
use crate::plan::choice::{Choice, NoChoice, choice_of};
use crate::plan::identity::{Shown, is_other_owner};
use crate::plan::renew::is_paid;
use crate::run_report::{RunReport, Scope};
use crate::store::StoreError;
use crate::text;

use crate::engine::{Engine, errors};

/// Services and rows asked for at once.
const BATCH: u32 = 500;

/// Most suspects that one run checks. With a lost state every service is a suspect, and a few of them suffice to show
/// what is wrong.
const MAX_LOOKED_AT: usize = 50;

/// Services that a pass must check, even when the lists show nothing unusual.
#[derive(Debug, Default)]
pub(in crate::engine) struct Suspects {
    /// Services to be checked one by one.
    pub(in crate::engine) items: BTreeSet<ItemId>,
    /// How many more there are.
    left: usize,
}

impl Suspects {
    /// Adds a service. Returns whether it is to be checked; otherwise it is only counted.
    pub(in crate::engine) fn add(&mut self, item: ItemId) -> bool {
        if self.items.contains(&item) {
            return true;
        }
        let has_room = self.items.len() < MAX_LOOKED_AT;
        if has_room {
            self.items.insert(item);
        } else {
            self.left += 1;
        }
        has_room
    }

    /// The report about the services that a pass did not check.
    pub(in crate::engine) fn left_over(&self) -> Option<ModuleError> {
        let left = self.left;
        (left > 0).then(|| {
            let words = text!("More services have another client than recorded, or show licenses that are not bound to them in this state: {left}", "Есть ещё услуги, у которых сменился клиент или которые показывают не свои лицензии: {left}");
            ModuleError::new(ErrorKind::State, "licid", left, words)
                .halted(Halt::Unrecognized)
                .changed(text!("Nothing was changed for them", "Для них ничего не изменено"))
                .next(text!("pmisplicense reconcile", "pmisplicense reconcile"))
        })
    }
}

/// The value from our state. `None`: this row of the state cannot be used; the others go on.
fn read<T>(result: Result<T, StoreError>) -> Result<Option<T>, ModuleError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_of_one_row() => Ok(None),
        Err(error) => Err(errors::state(error)),
    }
}

impl Engine<'_> {
    /// Modules of servers whose control panels are licensed here: [`Engine::survey`] and
    /// [`Engine::identity_troubles`] look at their servers too. The sweep gets the module as an argument instead.
    pub fn also_look_at(&mut self, servers: BTreeSet<ModuleId>) {
        self.servers = servers;
    }

    /// The services of the module's account whose identity needs a check of its own.
    pub(in crate::engine) async fn suspects(&mut self) -> Result<Suspects, ModuleError> {
        let mut suspects = Suspects::default();
        self.other_owners(&mut suspects).await?;
        self.strange_shows(&mut suspects).await?;
        Ok(suspects)
    }

    /// Services whose number holds a license, and whose client or incarnation is not the one that our state recorded.
    async fn other_owners(&mut self, suspects: &mut Suspects) -> Result<(), ModuleError> {
        for family in [Family::Soft, Family::SoftExternal, Family::Addition] {
            let mut after = LicenseId::BEFORE_ALL;
            loop {
                let rows = self.store.bound_licenses(self.account, family, after, BATCH).map_err(errors::state)?;
                let Some((last, _)) = rows.last() else { break };
                after = *last;
                let bound: BTreeMap<ItemId, LicenseId> =
                    rows.iter().filter_map(|(license, item)| Some(((*item)?, *license))).collect();
                let ids: Vec<ItemId> = bound.keys().copied().collect();
                self.step("read owners").await?;
                let owners = self.ports.billdb.owners(&ids).map_err(|error| errors::database(&error))?;
                for owner in owners {
                    let incarnation = self.store.incarnation_at(owner.item, &owner.created).map_err(errors::state)?;
                    let known = self.store.item(owner.item, &owner.created).map_err(errors::state)?;
                    let Some(license) = bound.get(&owner.item) else { continue };
                    let known = known.map(|row| row.client);
                    let is_other = |row: LicenseRow| is_other_owner(&row, &incarnation, known, owner.client);
                    if read(self.store.license(self.account, *license))?.is_none_or(|row| row.is_some_and(is_other)) {
                        suspects.add(owner.item);
                    }
                }
            }
        }
        Ok(())
    }

    /// Services of the module that show a license which our state does not hold for them, and paid services for which
    /// it holds none at all.
    async fn strange_shows(&mut self, suspects: &mut Suspects) -> Result<(), ModuleError> {
        // At hosting orders a service without a license is named by the look at its order.
        let names_bereft = !self.sells_addons();
        let mut after = ItemId::BEFORE_ALL;
        loop {
            self.step("read parameters").await?;
            let batch = self.ports.billdb.items_showing_licenses(after, BATCH);
            let batch = batch.map_err(|error| errors::database(&error))?;
            let Some((last, _)) = batch.last() else { return Ok(()) };
            after = *last;
            let (mut strange, mut bereft) = (Vec::new(), BTreeSet::new());
            for (item, license) in batch {
                // A row that cannot be read is handled elsewhere: the pass over the seller's list reports it.
                let Some(row) = read(self.store.license(self.account, license))? else { continue };
                let Some(rows) = read(self.store.licenses_of_item(item))? else { continue };
                let is_its = row.as_ref().is_some_and(|row| row.item == Some(item));
                let holds = rows.iter().find(|row| row.incarnation.is_some() && row.account == self.account);
                if rows.iter().all(|row| row.incarnation.is_none()) {
                    bereft.insert(item);
                }
                if !is_its && !self.store.was_of_item(item, license).map_err(errors::state)? {
                    strange.push(item);
                } else if holds.is_some_and(|row| row.id != license) {
                    // The panel has not saved the license that replaced another one.
                    suspects.add(item);
                }
            }
            let asked: Vec<ItemId> = bereft.iter().copied().chain(strange.iter().copied()).collect();
            if asked.is_empty() {
                continue;
            }
            let items = self.ports.billdb.items(&asked).map_err(|error| errors::database(&error))?;
            for item in items.iter().filter(|item| self.is_buyer(item)) {
                let incarnation = self.store.incarnation(item).map_err(errors::state)?;
                let is_strange = strange.contains(&item.id) && self.shows_strange(item, &incarnation)?;
                let is_later = bereft.contains(&item.id) && self.shown_later(item)?.is_some();
                if is_strange || is_later || (names_bereft && bereft.contains(&item.id) && self.needs_license(item)) {
                    suspects.add(item.id);
                }
            }
        }
    }

    /// True for a service that is paid for and asks for a license, or for something that nobody knows.
    fn needs_license(&self, item: &Item) -> bool {
        let choice = choice_of(item, &self.rules.panel_addons, &self.rules.catalogue);
        is_paid(item, self.today()) && !matches!(choice, Ok(Choice::Nopanel) | Err(NoChoice::NotOurs(_)))
    }

    /// Whether a service shows a license that our state does not hold for it.
    pub(in crate::engine) fn shows_strange(&self, item: &Item, incarnation: &Incarnation) -> Result<bool, ModuleError> {
        Ok(match self.shown_by(item, incarnation)? {
            Shown::Nothing | Shown::Own | Shown::Former => false,
            Shown::Elsewhere(..) | Shown::Unknown(_) => true,
        })
    }

    /// Whether the sweep leaves a server alone, because it shows a license that our state does not hold for it. An
    /// operator must first say to whom that license belongs. The report names it.
    pub(in crate::engine) async fn is_left_alone(
        &mut self,
        server: &Item,
        suspects: &mut Suspects,
        report: &mut RunReport,
    ) -> Result<bool, ModuleError> {
        let incarnation = self.store.incarnation(server).map_err(errors::state)?;
        if server.status == ItemStatus::Deleted || !self.shows_strange(server, &incarnation)? {
            return Ok(false);
        }
        if !suspects.add(server.id) {
            return Ok(true);
        }
        match self.identity_trouble(server).await {
            Some(error) => self.collect(report, Scope::Item(server.id), error).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Whether a service exists and gets its license from this module.
    fn is_buyer(&self, item: &Item) -> bool {
        let Some(module) = item.module.filter(|_| item.status != ItemStatus::Deleted) else { return false };
        if item.is_ours() { module == self.module } else { self.servers.contains(&module) }
    }
}
