//! The sweep over servers of other modules (docs/licensing-rules.md 9): it compares what the panel asks for with the
//! licenses that exist. Each difference is checked again under the item's lock and carried out by the same code as the
//! command of the panel. The rules are in `plan::bundled`.

mod look;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{ErrorKind, Message, ModuleError, Text};
use crate::model::catalogue::NOPANEL;
use crate::model::ids::{ItemId, LicenseId, ModuleId};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::Note;
use crate::model::license::Family;
use crate::plan::bundled::{Plan, ServerLicense, Step, gone, plan};
use crate::plan::choice::{Choice, choice_of};
use crate::plan::guard::{Allow, Kind};
use crate::ports::LockName;
use crate::run_report::{RunReport, Scope, Why, named};
use crate::text;

use super::guard::By;
use super::identity::suspects::Suspects;
use super::{Engine, errors};
use crate::model::command::ItemCommand;

/// Items read from the panel at once.
const BATCH: u32 = 500;

/// A module of servers whose control panels we license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// Its number.
    pub module: ModuleId,
    /// An operator confirmed the first sweep. Until then only servers that an event named are acted upon.
    pub adopted: bool,
    /// Whether all its servers are compared, and not only those that events named.
    pub whole: bool,
}

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Swept {
    /// What an operator should know, and what would be done.
    pub reports: Vec<Message>,
    /// Noted items that are done with.
    pub settled: BTreeSet<ItemId>,
    /// Steps carried out.
    pub carried_out: u32,
    /// The failures, and the servers that were left alone.
    pub report: RunReport,
}

impl Swept {
    /// Adds what another module's sweep did.
    pub fn add(&mut self, other: Self) {
        for report in other.reports {
            if !self.reports.contains(&report) {
                self.reports.push(report);
            }
        }
        self.settled.extend(other.settled);
        self.carried_out += other.carried_out;
        self.report.add(other.report);
    }
}

/// The steps that the comparison found, by item.
type Steps = BTreeMap<ItemId, (Step, Text)>;

/// The servers whose internal name is not in the catalogue, by that name.
type Unknown = BTreeMap<String, Vec<String>>;

/// Nothing says which hosting order belongs to a server.
fn no_servers() -> ModuleError {
    ModuleError::new(
        ErrorKind::NotSupported,
        "bundled",
        "",
        text!(
            "Licenses of OrderBox belong to hosting orders, not to servers",
            "Лицензии OrderBox относятся к заказам хостинга, а не к серверам"
        )
        .changed(text!("Nothing was done for these servers", "Для этих серверов ничего не сделано"))
        .next(text!("name another module in bundled_module", "укажите другой модуль в bundled_module")),
    )
}

impl Engine<'_> {
    /// Compares the servers of a module, and those that events named, and carries out the differences. The result holds
    /// a failure of one server with that server, and a failure that prevents the comparison with the module.
    pub async fn sweep(&mut self, server: Server, noted: &BTreeSet<ItemId>, allow: Allow) -> Swept {
        let mut swept = Swept::default();
        if let Err(error) = self.sweep_all(server, noted, allow, &mut swept).await {
            swept.report.failed(self.module, Scope::Account, error);
        }
        swept
    }

    async fn sweep_all(
        &mut self,
        server: Server,
        noted: &BTreeSet<ItemId>,
        allow: Allow,
        swept: &mut Swept,
    ) -> Result<(), ModuleError> {
        self.check_restored()?;
        if self.sells_addons() {
            return Err(no_servers());
        }
        let items = self.servers(server, noted).await?;
        let mut steps = self.compare_all(server, &items, noted, swept).await?;
        self.leave_found(&mut steps, swept).await?;
        if !steps.is_empty() {
            self.check_clock()?;
        }
        if !server.adopted {
            let events = |id: &ItemId| noted.contains(id);
            let waiting: Vec<ItemId> = steps.keys().copied().filter(|id| !events(id)).collect();
            for id in waiting {
                if let Some((step, reason)) = steps.remove(&id) {
                    swept.reports.push(would(step, &reason).into());
                }
            }
        }
        self.guard_steps(&mut steps, allow, swept)?;
        let (mut later, mut unknown) = (Steps::new(), Unknown::new());
        for (id, (step, _)) in steps {
            let is_noted = noted.contains(&id);
            let carried_out = self
                .with_locks(async |engine: &mut Self| engine.carry_out_step(server, id, step, is_noted).await)
                .await;
            let result = match carried_out {
                Ok(None) => {
                    swept.carried_out += 1;
                    swept.settled.insert(id);
                    Ok(())
                }
                // Something changed since the comparison. Another step is left to the next sweep, and so is the note.
                Ok(Some(plan)) => self.take_down(id, plan, &mut later, &mut unknown, swept).await,
                Err(error) => Err(error),
            };
            self.collected(&mut swept.report, Scope::Item(id), result).await?;
        }
        report_unknown(unknown, swept);
        Ok(())
    }

    /// Takes down what a comparison found: a step, or a report.
    async fn take_down(
        &mut self,
        id: ItemId,
        plan: Plan,
        steps: &mut Steps,
        unknown: &mut Unknown,
        swept: &mut Swept,
    ) -> Result<(), ModuleError> {
        match plan {
            Plan::Nothing => drop(swept.settled.insert(id)),
            Plan::Do(step, reason) => drop(steps.insert(id, (step, reason))),
            Plan::Report(text) => {
                swept.settled.insert(id);
                swept.reports.push(text.into());
            }
            // A server that an event named keeps its note: what it lacks now may come a moment later.
            Plan::Fail(error) => self.collect(&mut swept.report, Scope::Item(id), error).await?,
            Plan::UnknownName(name) => {
                swept.settled.insert(id);
                unknown.entry(name).or_default().push(id.to_string());
            }
        }
        Ok(())
    }

    /// Servers that are not deleted, noted ones, and those that hold a license of ours and are deleted or missing.
    async fn servers(&mut self, server: Server, noted: &BTreeSet<ItemId>) -> Result<BTreeSet<ItemId>, ModuleError> {
        let mut items = noted.clone();
        if !server.whole {
            return Ok(items);
        }
        items.extend(self.items_of(server.module).await?);
        // The panel closes our own services; here only other items that hold a license count.
        let own: BTreeSet<ItemId> = self.items_of(self.module).await?.into_iter().collect();
        for family in [Family::Soft, Family::SoftExternal, Family::Addition] {
            let mut after = LicenseId::BEFORE_ALL;
            loop {
                let rows = self.store.bound_licenses(self.account, family, after, BATCH).map_err(errors::state)?;
                let Some((last, _)) = rows.last() else { break };
                after = *last;
                items.extend(rows.iter().filter_map(|(_, item)| *item).filter(|item| !own.contains(item)));
            }
        }
        let open = self.store.open_intents().map_err(errors::state)?;
        let ordering =
            open.iter().filter(|intent| intent.account == self.account && intent.request.as_order().is_some());
        items.extend(ordering.filter_map(|intent| intent.item).filter(|item| !own.contains(item)));
        Ok(items)
    }

    async fn items_of(&mut self, module: ModuleId) -> Result<Vec<ItemId>, ModuleError> {
        let mut all = Vec::new();
        let mut after = ItemId::BEFORE_ALL;
        loop {
            self.step("read items").await?;
            let page = self.ports.billdb.items_of_module(module, after, BATCH);
            let page = page.map_err(|error| errors::database(&error))?;
            let Some(last) = page.last() else { return Ok(all) };
            after = *last;
            all.extend(page);
        }
    }

    async fn compare_all(
        &mut self,
        server: Server,
        items: &BTreeSet<ItemId>,
        noted: &BTreeSet<ItemId>,
        swept: &mut Swept,
    ) -> Result<Steps, ModuleError> {
        let mut steps = Steps::new();
        let mut unknown = Unknown::new();
        let mut suspects = Suspects::default();
        for &id in items {
            self.begin_one();
            self.step("read item").await?;
            let found = self.ports.billdb.item(id).map_err(|error| errors::database(&error))?;
            let Some(item) = found else {
                // Only a row with status 4 counts as closed (docs/money-safety.md 6).
                swept.settled.insert(id);
                swept.reports.push(
                    text!("service {id} is not in the panel any more", "услуги {id} в панели больше нет")
                        .changed(text!("Its license was not changed", "Её лицензия не изменена"))
                        .next(text!("pmisplicense reconcile", "pmisplicense reconcile")),
                );
                continue;
            };
            if item.module != Some(server.module) || item.is_ours() {
                continue;
            }
            if self.is_left_alone(&item, &mut suspects, &mut swept.report).await? {
                continue;
            }
            match self.plan_server(&item, noted.contains(&id)) {
                Ok(plan) => self.take_down(id, plan, &mut steps, &mut unknown, swept).await?,
                Err(error) => self.collect(&mut swept.report, Scope::Item(id), error).await?,
            }
        }
        if let Some(left) = suspects.left_over() {
            swept.report.left(self.module, Scope::Account, Why::UnknownLicense, left);
        }
        report_unknown(unknown, swept);
        Ok(steps)
    }

    fn plan_server(&self, item: &Item, noted: bool) -> Result<Plan, ModuleError> {
        let incarnation = if item.status == ItemStatus::Deleted {
            self.store.incarnation(item).map_err(errors::state)?
        } else {
            self.known_incarnation(item)?
        };
        let row = self.store.license_of(&incarnation).map_err(errors::state)?;
        let open = self.store.open_intents_of_item(item.id).map_err(errors::state)?;
        let known = self.store.item(item.id, &item.created).map_err(errors::state)?;
        let given_back = known.as_ref().and_then(|known| known.choice.as_deref()) == Some(NOPANEL);
        let lost = known.and_then(|known| known.last_license).filter(|_| row.is_none() && !given_back);
        let in_doubt = open.iter().any(|intent| {
            intent.request.as_order().is_some() && intent.status != crate::model::journal::IntentStatus::FreeWhenAppears
        });
        let choice = choice_of(item, &self.rules.panel_addons, &self.rules.catalogue);
        let desired = match &choice {
            Ok(Choice::Product(product)) => Some(self.desired_license(item, product)),
            Ok(Choice::Nopanel) | Err(_) => None,
        };
        let have = ServerLicense { row: row.as_ref(), in_doubt, lost, noted };
        Ok(plan(item, &choice, desired.as_ref(), have, self.today(), self.now()))
    }

    /// Far more steps of one kind than usual mean that something else is wrong: none of that kind is done
    /// (docs/money-safety.md 6).
    fn guard_steps(&self, steps: &mut Steps, allow: Allow, swept: &mut Swept) -> Result<(), ModuleError> {
        let mut kinds: BTreeMap<Kind, BTreeSet<ItemId>> = BTreeMap::new();
        for (id, (step, _)) in steps.iter() {
            if let Some(kind) = step.kind() {
                kinds.entry(kind).or_default().insert(*id);
            }
        }
        for (kind, ids) in kinds {
            let who = named(ids.iter().map(|id| Scope::Item(*id)));
            if !self.holds_back((By::Sweep, kind), ids.len(), &who, allow, &mut swept.report)? {
                continue;
            }
            for id in ids {
                if let Some((step, reason)) = steps.remove(&id) {
                    swept.reports.push(would(step, &reason).into());
                }
            }
        }
        Ok(())
    }

    /// Carries out one step, after comparing again under the item's lock. If something changed in between, nothing is
    /// done. Then this returns what the comparison finds now.
    async fn carry_out_step(
        &mut self,
        server: Server,
        id: ItemId,
        step: Step,
        noted: bool,
    ) -> Result<Option<Plan>, ModuleError> {
        self.begin_one();
        self.lock(LockName::Item(id)).await?;
        self.locked_step(server, id, step, noted).await
    }

    async fn locked_step(
        &mut self,
        server: Server,
        id: ItemId,
        step: Step,
        noted: bool,
    ) -> Result<Option<Plan>, ModuleError> {
        let item = self.item(id).await?;
        let reason = match self.plan_server(&item, noted)? {
            Plan::Do(now, reason) if now == step && item.module == Some(server.module) => reason,
            plan @ (Plan::Do(..) | Plan::Nothing | Plan::Report(_) | Plan::Fail(_) | Plan::UnknownName(_)) => {
                return Ok(Some(plan));
            }
        };
        self.note(&reason);
        self.commit("sweep", |tx| tx.note(Some(id), None, Note::Sweep, &reason)).await?;
        let command = match step {
            Step::Open => ItemCommand::Open,
            Step::Suspend => ItemCommand::Suspend,
            Step::Resume | Step::Obtain => ItemCommand::Resume,
            Step::Close => ItemCommand::Close,
            Step::Drop | Step::Change => ItemCommand::Setparam,
        };
        self.withheld.orders = !step.obtains();
        let done = self.locked_item_command(command, id).await;
        self.withheld.orders = false;
        done.map(|()| None)
    }

    /// Whether a service whose license is gone may get another one in this run. In a step of the sweep that was neither
    /// counted as an order nor preceded by a look at the seller, it may not: the next sweep does both.
    ///
    /// # Errors
    /// `license_gone`; nothing was ordered.
    pub(super) fn check_may_obtain(&self, item: &Item) -> Result<(), ModuleError> {
        if !self.withheld.orders {
            return Ok(());
        }
        Err(self.last_license(item)?.map_or_else(|| errors::no_license(item.id), |license| gone(item.id, license)))
    }
}

/// Reports the servers that were skipped because the catalogue does not have their internal name.
fn report_unknown(unknown: Unknown, swept: &mut Swept) {
    for (name, ids) in unknown {
        let list = ids.join(", ");
        swept.reports.push(
            text!("the internal name \"{name}\" is not in the catalogue", "внутреннего имени «{name}» нет в каталоге")
                .changed(text!("These servers were skipped: {list}", "Пропущены серверы: {list}"))
                .next(text!(
                    "add the product as [[product]] in the settings file",
                    "добавьте продукт как [[product]] в файле настроек"
                )),
        );
    }
}

fn would(step: Step, reason: &Text) -> Text {
    let (en, ru) = match step {
        Step::Open | Step::Obtain => ("would order a license", "была бы заказана лицензия"),
        Step::Suspend => ("would stop its license", "лицензия была бы остановлена"),
        Step::Resume => ("would start its license", "лицензия была бы запущена"),
        Step::Close | Step::Drop => ("would free its license", "лицензия была бы освобождена"),
        Step::Change => ("would change its license", "лицензия была бы изменена"),
    };
    text!(["{}: {en}", reason.en], ["{}: {ru}", reason.ru])
}
