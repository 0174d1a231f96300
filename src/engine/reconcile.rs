//! reconcile: reads the panel, our state and the seller, lets `plan::reconcile` compare them, and carries out the
//! remedies one after the other (docs/money-safety.md 6). Everything is read again under the locks before it is
//! changed.

pub(super) mod approval;
pub(super) mod old_state;
pub(super) mod repair;
pub(in crate::engine) mod wording;

use std::collections::BTreeMap;

use crate::error::{ErrorKind, Halt, ModuleError};
use crate::model::catalogue::Product;
use crate::model::ids::{ItemId, LicenseId, ModuleId};
use crate::model::item::{Item, ItemStatus};
use crate::model::license::{Family, License, Money, RemoteId};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::period::Period;
use crate::plan::choice::{Choice, choice_of};
use crate::plan::cost::list_price;
use crate::plan::in_doubt::Completeness;
use crate::plan::order::order_terms;
use crate::plan::reconcile::{AccountFacts, Binding, Comparison, Desired, Finding, ItemView};
use crate::ports::CallError;
use crate::text;

use super::pages::Pages;
use super::{Engine, errors, is_gone};

/// Rows and items asked for at once.
const BATCH: usize = 500;

/// Most unknown licenses that one run opens; the newest come first.
const MAX_OPENED: usize = 200;

impl Engine<'_> {
    /// Compares panel, state and seller for the account, page by page and batch by batch. Memory grows by a few numbers
    /// for each license, and neither seller nor panel is asked about one license or service alone. `progress` is called
    /// with how far it is.
    ///
    /// # Errors
    /// A list cannot be read completely, so that absence would prove nothing. Or a license cannot be read while our
    /// state is old or new: it may be a license that the state does not know.
    pub async fn survey(&mut self, progress: &mut dyn FnMut(Headway)) -> Result<Vec<Finding>, ModuleError> {
        if self.sells_addons() {
            return Box::pin(self.survey_addons(progress)).await;
        }
        let open = self.store.open_intents().map_err(errors::state)?;
        let account = self.account;
        let facts = AccountFacts {
            module: self.module,
            open: open.into_iter().filter(|intent| intent.account == account).collect(),
            panel: self.panel_id.clone(),
            last_number: self.known_number()?,
            newest_number: self.store.last_number().map_err(errors::state)?,
            restored: self.has_to_complete()?,
            today: self.today(),
            now: self.now(),
        };
        let mut comparison = Comparison::new(&facts);
        let mut lists = Vec::new();
        for family in [Family::Soft, Family::SoftExternal] {
            lists.push(self.compare_list(family, &mut comparison, progress).await?);
        }
        self.compare_state(&lists, &mut comparison, progress).await?;
        drop(lists);
        if let Some(license) = comparison.unreadable_and_old() {
            return Err(unreadable_and_old(license));
        }
        let marked = comparison.marked_items();
        for batch in marked.chunks(BATCH) {
            let views = self.views(batch).await?;
            comparison.marked(batch, &views);
        }
        self.compare_services(&mut comparison, progress).await?;
        Ok(comparison.finish())
    }

    /// The seller's list of a family, each page with our rows and their services.
    async fn compare_list(
        &mut self,
        family: Family,
        comparison: &mut Comparison<'_>,
        progress: &mut dyn FnMut(Headway),
    ) -> Result<Completeness, ModuleError> {
        let mut pages = Pages::of(family);
        let mut unmarked = Unmarked::new(self.returns_remoteid()? != Some(false));
        let is_old = self.store.old_since(self.account).map_err(errors::state)?.is_some();
        let mut done = 0;
        while let Some(page) = pages.next(self).await? {
            let mut rows = BTreeMap::new();
            for seen in &page.rows {
                done += 1;
                if let Some(row) = self.store.license(self.account, seen.id).map_err(errors::state)? {
                    rows.insert(seen.id, row);
                }
            }
            let views = self.views_of(rows.values()).await?;
            self.note_heirs(rows.values(), &views, comparison).await?;
            for seen in page.rows {
                let row = rows.get(&seen.id);
                // A license that is free by an old state may have been given out since; its mark shows that.
                let may_bear =
                    row.is_none_or(|row| is_old && row.incarnation.is_none() && row.state != LicenseState::Deleted);
                let seen = if may_bear { unmarked.kept(seen) } else { Some(seen) };
                if let Some(seen) = seen {
                    let seen = match row {
                        Some(row) => row.completed(seen),
                        None => seen,
                    };
                    comparison.listed(&seen, row, row.and_then(|row| views.get(&row.item?)));
                }
            }
            progress(Headway { phase: Phase::Licenses, done, total: page.total });
        }
        if !pages.list.is_complete(&[]) {
            return Err(incomplete(family));
        }
        self.open_unmarked(family, unmarked, comparison).await?;
        Ok(pages.list)
    }

    /// Where lists leave the mark out, every unknown license is opened: a duplicate, or a license that a lost state
    /// bought, bears our mark, and reconcile must name it (docs/money-safety.md 3).
    async fn open_unmarked(
        &mut self,
        family: Family,
        unmarked: Unmarked,
        comparison: &mut Comparison<'_>,
    ) -> Result<(), ModuleError> {
        let left = unmarked.left;
        if left > 0 {
            self.warn(&text!(
                "the list shows no remoteid: the newest {MAX_OPENED} licenses that this state does not know were opened, {left} were not",
                "в списке нет remoteid: открыты {MAX_OPENED} новейших лицензий, которых нет в состоянии; не открыто {left}"
            ));
        }
        for (id, row) in unmarked.newest.into_iter().rev() {
            let opened = match self.try_read(family, id).await? {
                Ok(opened) => opened,
                Err(error) => {
                    comparison.unreadable(id, None, &error.words());
                    self.check_account().await?;
                    None
                }
            };
            let known = self.store.license(self.account, id).map_err(errors::state)?;
            comparison.listed(opened.as_ref().unwrap_or(&row), known.as_ref(), None);
        }
        Ok(())
    }

    /// Compares our rows, also those that no list showed.
    async fn compare_state(
        &mut self,
        lists: &[Completeness],
        comparison: &mut Comparison<'_>,
        progress: &mut dyn FnMut(Headway),
    ) -> Result<(), ModuleError> {
        let (mut after, mut done) = (LicenseId::BEFORE_ALL, 0);
        loop {
            let rows = self.store.licenses_after(self.account, after, BATCH).map_err(errors::state)?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id;
            let is_listed = |row: &LicenseRow| lists.iter().any(|list| list.contains(row.id));
            let views = self.views_of(rows.iter().filter(|row| !is_listed(row))).await?;
            self.note_heirs(rows.iter().filter(|row| !is_listed(row)), &views, comparison).await?;
            for row in &rows {
                let view = row.item.and_then(|item| views.get(&item));
                let module = if is_listed(row) { Ok(None) } else { self.open_module(row).await? };
                if let Ok(Some(seen)) = &module {
                    comparison.listed(seen, Some(row), view);
                }
                // A license that cannot be read does not count as gone.
                let is_seen = is_listed(row) || !matches!(module, Ok(None));
                comparison.recorded(row, is_seen, view);
                if let Err(error) = module {
                    comparison.unreadable(row.id, row.item, &error.words());
                    self.check_account().await?;
                }
            }
            done += u32::try_from(rows.len()).unwrap_or(0);
            progress(Headway { phase: Phase::State, done, total: None });
        }
    }

    /// No list shows the modules of licenses, so a module that a service has is opened by itself.
    async fn open_module(&mut self, row: &LicenseRow) -> Result<Result<Option<License>, CallError>, ModuleError> {
        if row.family != Family::Addition || row.incarnation.is_none() {
            return Ok(Ok(None));
        }
        self.begin_one();
        self.try_read(row.family, row.id).await
    }

    /// Compares the services of the module, and of the servers that it licenses, that belong to no row of ours.
    async fn compare_services(
        &mut self,
        comparison: &mut Comparison<'_>,
        progress: &mut dyn FnMut(Headway),
    ) -> Result<(), ModuleError> {
        let mut done = 0;
        for module in [self.module].into_iter().chain(self.servers.clone()) {
            self.compare_services_of(module, comparison, &mut done, progress).await?;
        }
        Ok(())
    }

    async fn compare_services_of(
        &mut self,
        module: ModuleId,
        comparison: &mut Comparison<'_>,
        done: &mut u32,
        progress: &mut dyn FnMut(Headway),
    ) -> Result<(), ModuleError> {
        let mut after = ItemId::BEFORE_ALL;
        let limit = u32::try_from(BATCH).unwrap_or(u32::MAX);
        loop {
            self.step("read items").await?;
            let batch = self.ports.billdb.items_of_module(module, after, limit);
            let batch = batch.map_err(|error| errors::database(&error))?;
            let Some(last) = batch.last() else { return Ok(()) };
            after = *last;
            let fresh: Vec<ItemId> = batch.iter().copied().filter(|id| !comparison.is_visited(*id)).collect();
            self.views(&fresh).await?.values().for_each(|view| comparison.service(view));
            *done += u32::try_from(batch.len()).unwrap_or(0);
            progress(Headway { phase: Phase::Services, done: *done, total: None });
        }
    }

    /// The services that rows are bound to.
    pub(super) async fn views_of(
        &mut self,
        rows: impl Iterator<Item = &LicenseRow>,
    ) -> Result<BTreeMap<ItemId, ItemView>, ModuleError> {
        let bound = |row: &&LicenseRow| matches!(row.state, LicenseState::Bound | LicenseState::Claimed);
        let items: Vec<ItemId> = rows.filter(bound).filter_map(|row| row.item).collect();
        self.views(&items).await
    }

    /// Notes services, of any module, that show a license whose own service is closed, missing, or gave it back. A
    /// license that is gone is left out, because it cannot be handed over.
    async fn note_heirs(
        &mut self,
        rows: impl Iterator<Item = &LicenseRow>,
        views: &BTreeMap<ItemId, ItemView>,
        comparison: &mut Comparison<'_>,
    ) -> Result<(), ModuleError> {
        let needs_none = |view: &ItemView| view.item.status == ItemStatus::Deleted || view.given_back.is_some();
        let is_over = |item: ItemId| views.get(&item).is_none_or(needs_none);
        for row in rows.filter(|row| row.incarnation.is_some() && row.item.is_some_and(is_over)) {
            self.begin_one();
            if let Some(heir) = self.heir_of(row, None).await?
                && !matches!(self.try_read(row.family, row.id).await?, Ok(seen) if is_gone(seen.as_ref()))
            {
                comparison.heir(row.id, heir);
            }
        }
        Ok(())
    }

    pub(super) async fn views(&mut self, ids: &[ItemId]) -> Result<BTreeMap<ItemId, ItemView>, ModuleError> {
        self.step("read items").await?;
        let items = self.ports.billdb.items(ids).map_err(|error| errors::database(&error))?;
        let mut views = BTreeMap::new();
        for item in items {
            views.insert(item.id, self.view(item).await?);
        }
        Ok(views)
    }

    /// The product that a service holds now: in its trial period the trial's own product.
    pub(super) fn served<'c>(&'c self, item: &Item, product: &'c Product) -> &'c Product {
        let trial = product.trial.as_ref().filter(|_| item.period == Period::Trial);
        trial.and_then(|name| self.rules.catalogue.get(name)).unwrap_or(product)
    }

    /// What an item asks of its license, or the reason why this cannot be decided.
    pub(super) fn desired_of(&self, item: &Item) -> Desired {
        let desired = match choice_of(item, &self.rules.panel_addons, &self.rules.catalogue) {
            Ok(Choice::Nopanel) => return Desired::Nothing,
            Ok(Choice::Product(product)) => self.desired_license(item, self.served(item, product)),
            Err(why) => Err(why.into()),
        };
        desired.map_or_else(|error| Desired::Unclear(*error.message), Desired::License)
    }

    /// What a license for a service would cost by our list of prices.
    async fn price_of(&mut self, item: &Item) -> Result<Option<Money>, ModuleError> {
        let rules = self.alignment().await?;
        let Ok(Choice::Product(product)) = choice_of(item, &self.rules.panel_addons, &self.rules.catalogue) else {
            return Ok(None);
        };
        let terms = order_terms(product, item, &rules, &self.rules.catalogue, self.today());
        Ok(terms.ok().and_then(|terms| list_price(&terms, item.additional_nodes(&self.rules.nodes_addons))))
    }

    pub(super) async fn view(&mut self, item: Item) -> Result<ItemView, ModuleError> {
        let incarnation = self.store.incarnation(&item).map_err(errors::state)?;
        let known = self.store.item(item.id, &item.created).map_err(errors::state)?;
        let desired = self.desired_of(&item);
        let rows = self.store.licenses_of_item(item.id).map_err(errors::state)?;
        let present = incarnation.to_string();
        let present = rows.iter().find(|row| row.incarnation.as_ref() == Some(&present));
        let holds = match present {
            Some(row) if row.account == self.account => Binding::Present,
            Some(_) => Binding::Elsewhere,
            None if rows.iter().any(|row| row.incarnation.is_some()) => Binding::Former,
            None => Binding::Nothing,
        };
        let buys_elsewhere = self.buys_elsewhere(&item)?;
        let shown = self.shown_now(&item, &incarnation).await?;
        let price = if holds == Binding::Nothing { self.price_of(&item).await? } else { None };
        let given_back = match present {
            Some(row) => self.why_still_bound(&item, row).await?,
            None => None,
        };
        let known_client = known.map(|row| row.client);
        Ok(ItemView { given_back, price, known_client, incarnation, desired, holds, shown, buys_elsewhere, item })
    }
}

/// The newest licenses of a list that are unknown and show no mark. They are to be opened.
struct Unmarked {
    wanted: bool,
    newest: BTreeMap<LicenseId, License>,
    left: usize,
}

impl Unmarked {
    /// `wanted`: whether an opened license may show its mark. Otherwise none is kept.
    fn new(wanted: bool) -> Self {
        Self { wanted, newest: BTreeMap::new(), left: 0 }
    }

    /// Keeps a license that is to be opened. Returns a license that need not be opened, or is not among the newest.
    fn kept(&mut self, seen: License) -> Option<License> {
        if !self.wanted || seen.remoteid != RemoteId::Absent || seen.is_deleted() {
            return Some(seen);
        }
        self.newest.insert(seen.id, seen);
        if self.newest.len() <= MAX_OPENED {
            return None;
        }
        self.left += 1;
        self.newest.pop_first().map(|(_, oldest)| oldest)
    }
}

/// What a comparison is working on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The seller's lists.
    Licenses,
    /// Our state.
    State,
    /// The panel's services.
    Services,
}

/// How far a comparison is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headway {
    /// What it is working on.
    pub phase: Phase,
    /// How many are done.
    pub done: u32,
    /// Of how many, where that is known.
    pub total: Option<u32>,
}

fn unreadable_and_old(license: LicenseId) -> ModuleError {
    let words = text!(
        "License {license} cannot be read at the seller. This state is old, or has ordered nothing yet, so that license may be one which it forgot",
        "Лицензия {license} у продавца не читается. Состояние старое или ещё ничего не заказывало, поэтому оно могло забыть именно её"
    );
    ModuleError::new(ErrorKind::BadAnswer, "license", license, words)
        .halted(Halt::BadAnswer)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "ask the seller about license {license}, then run again: pmisplicense reconcile",
            "спросите продавца о лицензии {license} и повторите: pmisplicense reconcile"
        ))
}

fn incomplete(family: Family) -> ModuleError {
    let name = family.func();
    ModuleError::new(
        ErrorKind::BadAnswer,
        "list",
        name,
        text!(
            "The seller's list {name} changed while it was read, or its number of licenses does not agree with what it shows",
            "Список {name} продавца изменился во время чтения, или число лицензий в нём не сходится с показанными"
        ),
    )
    .halted(Halt::BadAnswer)
    .changed(text!("Nothing was changed", "Ничего не изменено"))
    .next(text!("run again: pmisplicense reconcile", "повторите: pmisplicense reconcile"))
}
