//! reconcile and explain for addons of hosting orders: each order is looked at, because there is no list to compare.

use std::collections::BTreeSet;

use crate::error::{ModuleError, Text};
use crate::model::ids::{ItemId, LicenseId};
use crate::model::item::Item;
use crate::model::journal::{Intent, IntentStatus};
use crate::model::license_row::LicenseState;
use crate::plan::choice::{Choice, choice_of};
use crate::plan::finding::{Finding, ItemView, Kind};
use crate::plan::hosting::explain::{Question, explain};
use crate::plan::hosting::survey::{Sight, SurveyFacts};
use crate::plan::import::Search;
use crate::plan::reason::state_words;
use crate::ports::{CallError, LockName, RefusalKind};
use crate::text;

use super::wording;
use crate::engine::explain::Explained;
use crate::engine::reconcile::wording::wants_nothing;
use crate::engine::reconcile::{Headway, Phase};
use crate::engine::{Engine, errors};

/// Rows and services read at once.
const BATCH: usize = 500;

impl Engine<'_> {
    /// Compares panel, state and orders. Nothing is changed.
    pub(in crate::engine) async fn survey_addons(
        &mut self,
        progress: &mut dyn FnMut(Headway),
    ) -> Result<Vec<Finding>, ModuleError> {
        // Without what other machines wrote, their purchases would be differences.
        self.store.catch_up().map_err(errors::state)?;
        let facts = SurveyFacts {
            now: self.now(),
            today: self.today(),
            removes: !self.rules.hosting.remove_call.is_empty(),
            price: self.rules.hosting.price_month.clone(),
        };
        let open = self.store.open_intents().map_err(errors::state)?;
        let open: Vec<_> = open.into_iter().filter(|intent| intent.account == self.account).collect();
        let mut found = Vec::new();
        if self.has_to_complete()? {
            found.push(facts.old_state(self.store.last_number().map_err(errors::state)?));
        }
        found.extend(open.iter().map(|intent| facts.in_doubt(intent)));
        let is_asked = |license| {
            let is_it = |one: &Intent| one.status == IntentStatus::HandedOver && one.request.license() == license;
            open.iter().any(is_it)
        };
        let mut of_rows = Vec::new();
        self.survey_rows(&facts, &mut of_rows, progress).await?;
        // An operator is asked about its removal already.
        found.extend(of_rows.into_iter().filter(|one| one.kind != Kind::Key || !is_asked(one.license)));
        let waiting: BTreeSet<ItemId> = open.iter().filter_map(|intent| intent.item).collect();
        self.survey_services(&facts, &waiting, &mut found, progress).await?;
        let unclaimed = self.unclaimed_orders(&Search::everything()).await?;
        found.extend(unclaimed.iter().map(|seen| facts.unclaimed(seen)));
        Ok(found)
    }

    async fn survey_rows(
        &mut self,
        facts: &SurveyFacts,
        found: &mut Vec<Finding>,
        progress: &mut dyn FnMut(Headway),
    ) -> Result<(), ModuleError> {
        let (mut after, mut done) = (LicenseId::BEFORE_ALL, 0);
        loop {
            let rows = self.store.licenses_after(self.account, after, BATCH).map_err(errors::state)?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id;
            let views = self.views_of(rows.iter()).await?;
            for row in rows.iter().filter(|row| row.state != LicenseState::Deleted) {
                self.begin_one();
                let sight = self.sight(row.id).await?;
                found.extend(facts.row(row, row.item.and_then(|item| views.get(&item)), &sight));
                done += 1;
                progress(Headway { phase: Phase::State, done, total: None });
            }
        }
    }

    /// A look at an order, for a comparison that goes on when the order cannot be read.
    pub(super) async fn sight(&mut self, order: LicenseId) -> Result<Sight, ModuleError> {
        let line = match self.line_of(order).await {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(Sight::Missing),
            Err(error) => return Ok(Sight::Unreadable(*error.message)),
        };
        Ok(match self.try_order(line, order).await? {
            Ok(seen) => Sight::Seen(seen),
            Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::NotFound => Sight::Missing,
            Err(error) => Sight::Unreadable(error.words()),
        })
    }

    /// Services of the module that hold nothing.
    async fn survey_services(
        &mut self,
        facts: &SurveyFacts,
        waiting: &BTreeSet<ItemId>,
        found: &mut Vec<Finding>,
        progress: &mut dyn FnMut(Headway),
    ) -> Result<(), ModuleError> {
        let (mut after, mut done) = (ItemId::BEFORE_ALL, 0);
        loop {
            self.step("read items").await?;
            let batch = self.ports.billdb.items_of_module(self.module, after, u32::try_from(BATCH).unwrap_or(u32::MAX));
            let batch = batch.map_err(|error| errors::database(&error))?;
            let Some(last) = batch.last() else { return Ok(()) };
            after = *last;
            for view in self.views(&batch).await?.values() {
                found.extend(facts.service(view, waiting.contains(&view.item.id)));
            }
            done += u32::try_from(batch.len()).unwrap_or(0);
            progress(Headway { phase: Phase::Services, done, total: None });
        }
    }

    /// What the next look at a service would do, and why.
    pub(in crate::engine) async fn explain_addon(&mut self, view: &ItemView) -> Result<Explained, ModuleError> {
        let id = view.item.id;
        let rows = self.store.licenses_of_item(id).map_err(errors::state)?;
        let bound = self.store.license_of(&view.incarnation).map_err(errors::state)?;
        let open = self.store.open_intents_of_item(id).map_err(errors::state)?;
        let bound = match bound {
            Some(row) => {
                let sight = self.sight(row.id).await?;
                Some((row, sight))
            }
            None => None,
        };
        let away = match &bound {
            Some((_, Sight::Unreadable(why))) => Some(why.clone()),
            Some((_, Sight::Seen(_) | Sight::Missing)) | None => None,
        };
        let lines = explain(&Question {
            view,
            bound: bound.as_ref().map(|(row, sight)| (row, sight)),
            rows: &rows,
            open: &open,
            settle_s: self.rules.upstream.settle_s,
            removes: !self.rules.hosting.remove_call.is_empty() && !self.keeps_addons(),
            today: self.today(),
            price: self.rules.hosting.price_month.as_ref(),
        });
        self.explained(lines, away, bound.is_some()).await
    }

    /// Looks at a service as sync does.
    pub(in crate::engine) async fn look_at_addon(&mut self, id: ItemId) -> Result<Text, ModuleError> {
        self.lock(LockName::Item(id)).await?;
        let item = self.item(id).await?;
        self.sync_addon(&item).await?;
        Ok(text!("service {id} looked at", "услуга {id} просмотрена"))
    }

    /// Removes a license that nobody uses, or has it kept, as the settings say.
    pub(in crate::engine) async fn free_addon_now(&mut self, order: LicenseId) -> Result<Text, ModuleError> {
        let row = self.store.license(self.account, order).map_err(errors::state)?;
        let id = row.and_then(|row| row.item).ok_or_else(|| wording::no_such_order(order))?;
        self.look_at_addon(id).await?;
        let after = self.store.license(self.account, order).map_err(errors::state)?;
        let state = after.map_or_else(|| Text::same("-"), |row| state_words(row.state));
        Ok(text!(
            ["the license of hosting order {order} is now: {}", state.en],
            ["лицензия заказа хостинга {order}: теперь {}", state.ru]
        ))
    }

    /// A license for a paid service that has none.
    pub(in crate::engine) async fn obtain_addon(&mut self, item: &Item) -> Result<Text, ModuleError> {
        let id = item.id;
        let incarnation = self.incarnation_of(item).await?;
        let Choice::Product(product) = choice_of(item, &self.rules.panel_addons, &self.rules.catalogue)? else {
            return Err(wants_nothing(id));
        };
        let name = product.internal_name.clone();
        self.ensure_addon(item, &incarnation, &name).await?;
        self.settle_end(item).await?;
        Ok(text!("service {id} has a license", "у услуги {id} есть лицензия"))
    }
}
