//! reconcile: collects what the panel, our state and upstream say, has it compared, and carries out what was found, one
//! difference after the other (MONEY.md 6). Everything is looked at again under the locks before it is changed.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::catalogue::Product;
use crate::model::held::LicenseRow;
use crate::model::ids::{ItemId, LicenseId, Mark};
use crate::model::item::Item;
use crate::model::license::{Family, License, LicenseStatus, LicenseTariff, RemoteId};
use crate::model::period::Period;
use crate::model::rules::Rules;
use crate::plan::doubt::Completeness;
use crate::plan::explain::{Question, explain};
use crate::plan::order::{Wanted, aligned_months, wanted};
use crate::plan::reconcile::{Finding, ItemView, Remedy, Want, World, compare};
use crate::store::LicenseFilter;
use crate::text;

use super::pass::Allow;
use super::{Engine, errors};

/// Items asked for at once.
const BATCH: u32 = 500;

/// Pages read in one run: beyond any account that we believe in.
const MAX_PAGES: u32 = 10_000;

/// Licenses that nobody knows, opened in one run; the newest first.
const MAX_OPENED: usize = 200;

/// Set while the state was restored from a backup, or a mark upstream showed that it is old, and nobody has looked what
/// it missed.
pub const RESTORED: &str = "restored";

impl Engine<'_> {
    /// Compares the account three ways. `progress` hears how far it is: how many licenses, of how many.
    ///
    /// # Errors
    /// A list that cannot be read whole: absence would prove nothing.
    pub async fn survey(&mut self, progress: &mut dyn FnMut(u32, Option<u32>)) -> Result<Vec<Finding>, ModuleError> {
        let mut upstream = BTreeMap::new();
        let rows = self.rows_of_account()?;
        for family in [Family::Soft, Family::SoftExternal] {
            let mut list = BTreeMap::new();
            self.read_family(family, &mut list, progress).await?;
            self.open_unknown(family, &rows, &mut list).await?;
            upstream.append(&mut list);
        }
        self.open_modules(&rows, &mut upstream).await?;
        let items = self.views(&rows, &upstream).await?;
        let open = self.store.open_wishes().map_err(errors::state)?;
        let account = self.account;
        let open: Vec<_> = open.into_iter().filter(|wish| wish.account == account).collect();
        Ok(compare(&World {
            module: self.module,
            items: &items,
            rows: &rows,
            upstream: &upstream,
            open: &open,
            panel: &self.panel_id,
            last_number: self.store.last_number().map_err(errors::state)?,
            restored: self.store.meta(RESTORED).map_err(errors::state)?.is_some(),
            today: self.today(),
            now: self.now(),
        }))
    }

    /// Where lists leave the mark out, what nobody knows is opened: a duplicate, or what a lost state bought, bears our
    /// mark, and reconcile must name it (MONEY.md 3).
    async fn open_unknown(
        &mut self,
        family: Family,
        rows: &[LicenseRow],
        list: &mut BTreeMap<LicenseId, License>,
    ) -> Result<(), ModuleError> {
        if self.returns_remoteid()? == Some(false) {
            return Ok(());
        }
        let known: BTreeSet<LicenseId> = rows.iter().map(|row| row.id).collect();
        let is_unknown = |seen: &&License| {
            seen.remoteid == RemoteId::Absent && seen.status != LicenseStatus::Deleted && !known.contains(&seen.id)
        };
        let unknown: Vec<LicenseId> = list.values().filter(is_unknown).map(|seen| seen.id).collect();
        if unknown.len() > MAX_OPENED {
            let left = unknown.len() - MAX_OPENED;
            self.warn(&text!(
                "the list shows no remoteid: the newest {MAX_OPENED} licenses that this state does not know were opened, {left} were not",
                "в списке нет remoteid: открыты {MAX_OPENED} новейших лицензий, которых нет в состоянии; не открыто {left}"
            ));
        }
        for id in unknown.into_iter().rev().take(MAX_OPENED) {
            if let Some(seen) = self.read(family, id).await? {
                list.insert(id, seen);
            }
        }
        Ok(())
    }

    /// No list shows the modules of licenses: those that services have are opened one by one.
    async fn open_modules(
        &mut self,
        rows: &[LicenseRow],
        upstream: &mut BTreeMap<LicenseId, License>,
    ) -> Result<(), ModuleError> {
        for row in rows.iter().filter(|row| row.family == Family::Addition && row.life.is_some()) {
            if let Some(seen) = self.read(row.family, row.id).await? {
                upstream.insert(row.id, seen);
            }
        }
        Ok(())
    }

    fn rows_of_account(&self) -> Result<Vec<LicenseRow>, ModuleError> {
        let mut rows = self.store.licenses_that(LicenseFilter::default()).map_err(errors::state)?;
        rows.retain(|row| row.account == self.account);
        Ok(rows)
    }

    async fn read_family(
        &mut self,
        family: Family,
        upstream: &mut BTreeMap<LicenseId, License>,
        progress: &mut dyn FnMut(u32, Option<u32>),
    ) -> Result<(), ModuleError> {
        let mut list = Completeness::default();
        let mut count = 0;
        for number in 1..=MAX_PAGES {
            let page = self.page(family, number).await?;
            list.page_total(page.total);
            let is_last = page.rows.is_empty();
            for seen in page.rows {
                list.row(seen.id);
                count += 1;
                upstream.insert(seen.id, seen);
            }
            progress(count, page.total);
            if is_last || list.has_all_rows() {
                break;
            }
        }
        if list.is_complete(&[]) { Ok(()) } else { Err(incomplete(family)) }
    }

    /// Items of the module, and those that rows and marks name.
    async fn views(
        &mut self,
        rows: &[LicenseRow],
        upstream: &BTreeMap<LicenseId, License>,
    ) -> Result<BTreeMap<ItemId, ItemView>, ModuleError> {
        let mut ids: BTreeSet<ItemId> =
            rows.iter().filter(|row| row.life.is_some()).filter_map(|row| row.item).collect();
        ids.extend(upstream.values().filter_map(|seen| match seen.remoteid.mark_of(&self.panel_id) {
            Some(Mark::Order { item, .. }) => Some(item),
            Some(Mark::Pool { .. }) | None => None,
        }));
        let mut after = ItemId(0);
        loop {
            self.step("read items").await?;
            let batch = self.ports.billdb.items_of_module(self.module, after, BATCH);
            let batch = batch.map_err(|error| errors::database(&error))?;
            let Some(last) = batch.last() else { break };
            after = *last;
            ids.extend(batch);
        }
        let mut views = BTreeMap::new();
        for id in ids {
            self.step("read item").await?;
            if let Some(item) = self.ports.billdb.item(id).map_err(|error| errors::database(&error))? {
                views.insert(id, self.view(item)?);
            }
        }
        Ok(views)
    }

    /// What a service holds while it is what it is: a trial's own product in its trial period.
    pub(super) fn served<'c>(&'c self, item: &Item, product: &'c Product) -> &'c Product {
        let trial = product.trial.as_ref().filter(|_| item.period == Period::Trial);
        trial.and_then(|name| self.rules.catalogue.get(name)).unwrap_or(product)
    }

    /// What the next look at a service would do, and why: read, never done. `away`: upstream was not reached, the last
    /// look stands for it.
    ///
    /// # Errors
    /// `missed`: no such item; `state`.
    pub async fn explain(&mut self, id: ItemId) -> Result<Explained, ModuleError> {
        let item = self.item(id).await?;
        let view = self.view(item)?;
        let rows = self.store.licenses_of_item(id).map_err(errors::state)?;
        let held = self.store.license_of(&view.life).map_err(errors::state)?;
        let open = self.store.open_wishes_of_item(id).map_err(errors::state)?;
        let mut away = None;
        let seen = match &held {
            Some(row) => match self.try_read(row.family, row.id).await? {
                Ok(seen) => seen,
                Err(error) => {
                    away = Some(format!("{error:?}"));
                    Some(as_last_seen(row))
                }
            },
            None => None,
        };
        let product = held.as_ref().and_then(|row| self.product_of(row));
        let alignment = self.alignment().await?;
        let aligned = product.and_then(|product| aligned_months(product, &view.item, &alignment));
        let lines = explain(&Question {
            view: &view,
            held: held.as_ref(),
            rows: &rows,
            open: &open,
            seen: seen.as_ref(),
            product,
            aligned,
            today: self.today(),
            now: self.now(),
            rules: self.rules,
        });
        Ok(Explained { lines, away })
    }

    fn view(&self, item: Item) -> Result<ItemView, ModuleError> {
        let life = self.store.life(&item).map_err(errors::state)?;
        let known = self.store.item(item.id, &item.created).map_err(errors::state)?;
        let want = want(self.rules, &item, |product| self.target(&item, self.served(&item, product)));
        Ok(ItemView { known_client: known.map(|row| row.client), life, want, item })
    }

    /// Whether so much may be done at once (MONEY.md 6).
    ///
    /// # Errors
    /// `config`: more orders and freed licenses than allowed, or a clock that is off by more than a day.
    pub fn guard(&mut self, findings: &[Finding], allow: Allow) -> Result<(), ModuleError> {
        self.check_clock()?;
        let weighty = findings.iter().filter(|finding| finding.remedy.is_weighty()).count();
        let bound = self.store.count_bound(self.account).map_err(errors::state)?;
        let limit = usize::try_from(self.rules.max_changes).unwrap_or(usize::MAX).max(bound / 50);
        if allow == Allow::Many || weighty <= limit {
            return Ok(());
        }
        Err(ModuleError::new(
            ErrorKind::Config,
            "max_changes",
            weighty,
            text!(
                "reconcile would order or free {weighty} licenses, more than {limit} at once: nothing was done; read the list, then allow it: pmisplicense reconcile --apply --allow-many",
                "reconcile заказал бы или освободил {weighty} лицензий — больше {limit} за раз: ничего не сделано; прочтите список и разрешите: pmisplicense reconcile --apply --allow-many"
            ),
        ))
    }

    /// Carries out one remedy.
    ///
    /// # Errors
    /// What is certain, and what to do next.
    pub async fn repair(&mut self, remedy: &Remedy) -> Result<Text, ModuleError> {
        let result = match remedy {
            Remedy::TakeIn(license, item) => self.take_in(*license, *item).await,
            Remedy::Renew(number) => self.renew_state(*number).await,
            Remedy::Look(item) => self.look(*item).await,
            Remedy::SwitchOff(license) => self.switch_off(*license).await,
            Remedy::Free(license) => self.free_now(*license).await,
            Remedy::Obtain(item) => self.obtain(*item).await,
            Remedy::Person(_) => Ok(remedy.describe()),
        };
        self.held.clear();
        result
    }

    async fn renew_state(&mut self, number: u32) -> Result<Text, ModuleError> {
        let reason = text!("the state goes on from number {number}", "состояние продолжает с номера {number}");
        let note = reason.clone();
        self.commit("renew state", move |tx| {
            tx.raise_last_number(number)?;
            tx.remove_meta(RESTORED)?;
            tx.note(None, None, "renew_state", &note)
        })
        .await?;
        Ok(reason)
    }

    /// A restored state knows nothing of what was done since: it only reads until reconcile has taken that in.
    pub(super) fn check_restored(&self) -> Result<(), ModuleError> {
        match self.store.meta(RESTORED).map_err(errors::state)? {
            None => Ok(()),
            Some(when) => Err(ModuleError::new(
                ErrorKind::State,
                "restored",
                &when,
                text!(
                    "the state was restored from a backup, or found to be an old one, at {when}, and has missed purchases; nothing was changed; run: pmisplicense reconcile --apply",
                    "состояние восстановлено из копии или оказалось старым ({when}) и не видело части покупок; ничего не изменено; выполните: pmisplicense reconcile --apply"
                ),
            )),
        }
    }
}

/// The answer of [`Engine::explain`].
#[derive(Debug)]
pub struct Explained {
    /// What would be done, and why, in order.
    pub lines: Vec<Text>,
    /// Why upstream could not be asked.
    pub away: Option<String>,
}

/// A license as the last look showed it.
pub(super) fn as_last_seen(row: &LicenseRow) -> License {
    License {
        id: row.id,
        name: row.name.clone(),
        ip: row.ip,
        remoteid: RemoteId::Absent,
        tariff: LicenseTariff::Id(row.pricelist),
        period: None,
        status: row.status,
        changing: false,
        key: row.key.clone(),
        created: row.created,
        expires: row.expires,
        autoprolong: None,
        ip_changed: row.ip_changed,
        key_changed: row.key_changed,
        addons: BTreeMap::new(),
        cost: None,
    }
}

/// What an item asks for; a reason where it cannot be told.
fn want(
    rules: &Rules,
    item: &Item,
    target: impl FnOnce(&crate::model::catalogue::Product) -> Result<crate::plan::change::Target, ModuleError>,
) -> Want {
    match wanted(item, &rules.panel_addons, &rules.catalogue) {
        Ok(Wanted::Nopanel) => Want::Nothing,
        Ok(Wanted::Product(product)) => {
            target(product).map_or_else(|error| Want::Unclear(*error.message), Want::License)
        }
        Err(error) => Want::Unclear(*error.message),
    }
}

fn incomplete(family: Family) -> ModuleError {
    let name = family.func();
    ModuleError::new(
        ErrorKind::BadAnswer,
        "list",
        name,
        text!(
            "the list {name} of upstream changed while it was read, or does not add up; nothing was changed; run it again",
            "список {name} продавца изменился во время чтения или не сходится; ничего не изменено; повторите"
        ),
    )
}
