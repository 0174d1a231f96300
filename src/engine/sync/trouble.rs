//! Services for which passes fail again and again. The failures are counted, and after the third the panel shows a
//! problem. Every pass handles such a service until one succeeds, whatever the lists show.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{ModuleError, Text};
use crate::model::ids::ItemId;
use crate::model::item::Item;
use crate::plan::halt::counts_as_failure;
use crate::plan::renew::is_paid;
use crate::ports::PanelCall;
use crate::run_report::{Entry, RunReport, Scope, Why};
use crate::text;

use crate::engine::{Engine, errors};

/// Failures in a row after which the panel shows a problem.
const TOLD_AFTER: u32 = 3;

impl Engine<'_> {
    /// Services of this module for which the last pass failed. A service that now buys through another module is
    /// forgotten.
    pub(in crate::engine) async fn troubled(&mut self) -> Result<BTreeSet<ItemId>, ModuleError> {
        let mut items = BTreeSet::new();
        for id in self.store.troubled_items(self.module).map_err(errors::state)? {
            self.begin_one();
            let item = self.item_row(id).await?;
            if item.is_some_and(|item| item.is_ours() && item.module != Some(self.module)) {
                self.end_trouble(id).await?;
            } else {
                items.insert(id);
            }
        }
        Ok(items)
    }

    /// sync_item as a command of the panel or by hand. When it succeeds, the failures of the service are forgotten.
    pub(in crate::engine) async fn sync_alone(&mut self, item: &Item) -> Result<(), ModuleError> {
        self.sync_item(item).await?;
        self.end_trouble(item.id).await
    }

    async fn end_trouble(&mut self, item: ItemId) -> Result<(), ModuleError> {
        if !self.store.is_troubled(item).map_err(errors::state)? {
            return Ok(());
        }
        self.commit("trouble over", move |tx| tx.end_trouble(item)).await
    }

    /// After a complete pass: counts its failures for each service, forgets those that are over, and makes the panel
    /// show a service that failed for the third time. A service that another run held does not count.
    pub(in crate::engine) async fn note_troubles(
        &mut self,
        handled: &BTreeSet<ItemId>,
        report: &mut RunReport,
    ) -> Result<(), ModuleError> {
        let mut failed: BTreeMap<ItemId, &Entry> = BTreeMap::new();
        for entry in report.entries().iter().filter(|entry| entry.why == Why::Failed) {
            if let Scope::Item(item) = entry.scope {
                failed.entry(item).or_insert(entry);
            }
        }
        let known = self.store.troubles(Some(self.module)).map_err(errors::state)?;
        let ended_well = |item: &ItemId| handled.contains(item) && !failed.contains_key(item);
        let over: Vec<ItemId> = known.iter().map(|trouble| trouble.item).filter(ended_well).collect();
        let counted: Vec<(ItemId, Text)> = failed
            .iter()
            .filter(|(_, entry)| counts_as_failure(entry.error.halt))
            .map(|(item, entry)| (*item, *entry.error.message.clone()))
            .collect();
        if !over.is_empty() || !counted.is_empty() {
            let module = self.module;
            self.commit("troubles", move |tx| {
                over.iter().try_for_each(|item| tx.end_trouble(*item))?;
                counted.iter().try_for_each(|(item, why)| tx.count_trouble(*item, module, why))
            })
            .await?;
        }
        for trouble in self.store.troubles(Some(self.module)).map_err(errors::state)? {
            if trouble.times >= TOLD_AFTER && !trouble.is_reported && handled.contains(&trouble.item) {
                self.begin_one();
                let reported = self.tell_trouble(trouble.item, trouble.times, &trouble.why).await;
                if let Err(error) = reported {
                    report.failed(self.module, Scope::Item(trouble.item), error);
                }
            }
        }
        Ok(())
    }

    async fn tell_trouble(&mut self, id: ItemId, times: u32, why: &Text) -> Result<(), ModuleError> {
        let today = self.today();
        if !self.item_row(id).await?.is_some_and(|item| is_paid(&item, today)) {
            return Ok(());
        }
        let problem = text!(
            ["sync failed {times} times in a row for service {id}, which is active and paid: {}", why.en],
            ["sync не справился с услугой {id}, которая активна и оплачена, раз подряд: {times}. {}", why.ru]
        );
        self.warn(&problem);
        self.register_problem(&problem, id).await?;
        self.commit("trouble told", move |tx| tx.tell_trouble(id)).await
    }

    /// Makes the panel show a problem with a service.
    pub(in crate::engine) async fn register_problem(
        &mut self,
        problem: &Text,
        item: ItemId,
    ) -> Result<(), ModuleError> {
        let values = vec![
            ("level", "error".to_owned()),
            ("name", "processingmodule_connect".to_owned()),
            ("id", self.module.to_string()),
            ("param_pm_id", self.module.to_string()),
            ("param_errormsg", problem.en.clone()),
        ];
        let registered = self.panel_call(&PanelCall::RegisterProblem { values }).await?;
        registered.map(drop).map_err(|error| errors::panel(&error, "problems.register", item))
    }
}
