//! sync_item: our state is brought up to what upstream has, and what was left to do is done (CONTRACT.md 3). The client's
//! wishes are never overwritten by what upstream has. The pass over all licenses is in `pass.rs`.

use crate::error::ModuleError;
use crate::model::held::{LicenseRow, LicenseState};
use crate::model::ids::ItemId;
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{ItemLife, WishStatus};
use crate::model::license::License;
use crate::plan::order::{Wanted, wanted};
use crate::plan::renew::is_paid;
use crate::ports::PanelCall;
use crate::text;

use super::doubt::order_of;
use super::{Engine, errors};

/// The word stored while a license has no key an hour after it was bound.
const KEY_LATE: &str = "its key is late";

impl Engine<'_> {
    /// sync_item: one request upstream and no write when there is nothing new.
    pub(super) async fn sync_item(&mut self, item: &Item) -> Result<(), ModuleError> {
        let life = self.life_of(item)?;
        self.settle_or_free_orders(item.id, Some(&life)).await?;
        for row in self.store.licenses_of_item(item.id).map_err(errors::state)? {
            if row.state == LicenseState::ToFree && row.account == self.account {
                self.free_if_time(&row).await?;
            }
        }
        if item.status == ItemStatus::Deleted {
            return self.free_of_closed(item, &life).await;
        }
        let Some((row, seen)) = self.present_license(item, &life).await? else {
            return self.without_license(item);
        };
        let wanted = wanted(item, &self.rules.panel_addons, &self.rules.catalogue);
        if self.open_is_owed(item)?
            && let Ok(Wanted::Product(product)) = wanted
        {
            // Whichever run finds the license makes the post-call that is still owed (MONEY.md 3).
            self.hand_out(item, &row, product, seen).await?;
            return self.post_open(item).await;
        }
        let mut seen = if self.withheld.renewals { seen } else { self.renew_if_due(item, &row, seen).await? };
        if let Ok(Wanted::Product(product)) = wanted {
            seen = self.carry_out_differences(item, &row, product, seen, true).await?;
        }
        self.save_license(item, &seen).await?;
        self.remind_of_key(item, &row, &seen).await
    }

    /// The panel closed the service without us: what it held is freed.
    async fn free_of_closed(&mut self, item: &Item, life: &ItemLife) -> Result<(), ModuleError> {
        let Some(row) = self.held_by(life)?.filter(|_| !self.withheld.frees) else { return Ok(()) };
        self.free(item, &row).await?;
        self.end_life(item, life).await
    }

    /// The service has its license, and the panel was never told that it is open.
    fn open_is_owed(&self, item: &Item) -> Result<bool, ModuleError> {
        let known = self.store.item(item.id, &item.created).map_err(errors::state)?;
        let never_told = known.is_none_or(|row| row.settled_end.is_none());
        Ok(never_told && item.is_ours() && matches!(item.status, ItemStatus::Ordered | ItemStatus::Processing))
    }

    /// An active service whose license is gone: sync never orders, but somebody must know.
    fn without_license(&self, item: &Item) -> Result<(), ModuleError> {
        match self.last_license(item)? {
            Some(last) if is_paid(item, self.today()) => Err(errors::license_gone(Some(item.id), last)),
            Some(_) | None => Ok(()),
        }
    }

    /// A key that is missing after an hour is a problem that the panel shows, once (LICENSING.md 3).
    async fn remind_of_key(&mut self, item: &Item, row: &LicenseRow, seen: &License) -> Result<(), ModuleError> {
        let told = row.reason.as_deref() == Some(KEY_LATE);
        if seen.key.is_some() && told {
            let row = row.clone();
            return self.commit("key came", move |tx| tx.put_off(&row, None, None)).await;
        }
        if seen.key.is_some() || told || self.now() - row.since < chrono::Duration::hours(1) {
            return Ok(());
        }
        let id = row.id;
        let problem = text!(
            "license {id} of service {} still has no key after an hour: ask the seller",
            "у лицензии {id} услуги {} уже час нет ключа: спросите продавца",
            item.id
        );
        self.warn(&problem);
        let values = vec![
            ("level", "error".to_owned()),
            ("name", "processingmodule_connect".to_owned()),
            ("id", self.module.to_string()),
            ("param_pm_id", self.module.to_string()),
            ("param_errormsg", problem.en.clone()),
        ];
        let registered = self.panel_call(&PanelCall::RegisterProblem { values }).await?;
        registered.map_err(|error| errors::panel(&error, "problems.register", item.id))?;
        let row = row.clone();
        self.commit("key late", move |tx| tx.put_off(&row, None, Some(KEY_LATE))).await
    }

    /// Doubtful orders: of an open service they are settled, of a closed one what appears is to be freed.
    pub(super) async fn settle_or_free_orders(
        &mut self,
        item: ItemId,
        life: Option<&ItemLife>,
    ) -> Result<(), ModuleError> {
        let open = self.store.open_wishes_of_item(item).map_err(errors::state)?;
        let account = self.account;
        for wish in open.iter().filter(|wish| order_of(wish).is_some() && wish.account == account) {
            let life = life.filter(|_| wish.status != WishStatus::FreeWhenAppears);
            if life.is_some() || wish.status == WishStatus::FreeWhenAppears {
                self.settle_order(wish, life).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn free_if_time(&mut self, row: &LicenseRow) -> Result<(), ModuleError> {
        if self.withheld.frees || row.not_before.is_some_and(|until| until > self.now()) {
            return Ok(());
        }
        if let Err(error) = self.free_upstream(row).await {
            self.warn(&text!(
                "license {} is still to be freed: {error}",
                "лицензия {} всё ещё ждёт освобождения: {error}",
                row.id
            ));
        }
        Ok(())
    }
<<<<<<< HEAD

    /// sync_server and sync of one module: one pass over the lists upstream, and a call of its own only for what needs
    /// one.
    ///
    /// # Errors
    /// The first failure, after everything was tried; what failed is in the summary's place in the log.
    pub async fn sync_all(&mut self, allow: Allow) -> Result<Summary, ModuleError> {
        let mut summary = Summary::default();
        let mut items = BTreeSet::new();
        let mut unheld = BTreeSet::new();
        for family in [Family::Soft, Family::SoftExternal] {
            self.look_through(family, &mut summary, &mut items, &mut unheld).await?;
        }
        for wish in self.store.open_wishes().map_err(errors::state)? {
            if wish.account == self.account {
                items.extend(wish.item);
            }
        }
        self.check_clock()?;
        self.guard_many(&items, unheld.len(), allow).await?;
        for item in items {
            summary.handled += 1;
            if let Err(error) = self.sync_one(item).await {
                self.warn(&text!("service {item}: {error}", "услуга {item}: {error}"));
                summary.failures.push((Some(item), error));
            }
        }
        for id in unheld {
            summary.handled += 1;
            if let Err(error) = self.free_one(id).await {
                summary.failures.push((None, error));
            }
        }
        Ok(summary)
    }

    async fn sync_one(&mut self, item: ItemId) -> Result<(), ModuleError> {
        let result = match self.lock(LockName::Item(item)).await {
            Ok(()) => self.sync_locked(item).await,
            Err(error) => Err(error),
        };
        self.held.clear();
        result
    }

    async fn sync_locked(&mut self, item: ItemId) -> Result<(), ModuleError> {
        self.step("read item").await?;
        match self.ports.billdb.item(item).map_err(|error| errors::database(&error))? {
            Some(item) => self.sync_item(&item).await,
            // A row that is missing is not a closed one (MONEY.md 6): only what is to be freed anyway is freed.
            None => {
                self.warn(&text!("service {item} is not in the panel any more", "услуги {item} в панели больше нет"));
                self.settle_or_free_orders(item, None).await
            }
        }
    }

    async fn free_one(&mut self, id: LicenseId) -> Result<(), ModuleError> {
        let result = match self.lock_license(id).await {
            Ok(()) => match self.store.license(self.account, id).map_err(errors::state) {
                Ok(Some(row)) if row.state == LicenseState::ToFree => self.free_if_time(&row).await,
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        self.held.clear();
        result
    }

    /// One pass over a family's list: rows that we hold are brought up to date in one write a page, and those that need
    /// a call of their own are collected.
    async fn look_through(
        &mut self,
        family: Family,
        summary: &mut Summary,
        items: &mut BTreeSet<ItemId>,
        unheld: &mut BTreeSet<LicenseId>,
    ) -> Result<(), ModuleError> {
        if self.store.newest_licenses(self.account, family).map_err(errors::state)?.is_empty() {
            return Ok(());
        }
        let mut list = crate::plan::doubt::Completeness::default();
        for number in 1..=MAX_PAGES {
            let page = self.page(family, number).await?;
            list.page_total(page.total);
            self.check_marks(&page.rows)?;
            let mut changed = Vec::new();
            for seen in &page.rows {
                list.row(seen.id);
                summary.seen += 1;
                let Some(row) = self.store.license(self.account, seen.id).map_err(errors::state)? else { continue };
                self.sort_row(&row, seen, items, unheld);
                if row.differs(seen) {
                    changed.push(seen.clone());
                }
            }
            if !changed.is_empty() {
                summary.refreshed += u32::try_from(changed.len()).unwrap_or(u32::MAX);
                let account = self.account;
                self.commit("refresh page", move |tx| {
                    changed.iter().try_for_each(|seen| tx.refresh_license(account, seen))
                })
                .await?;
            }
            if page.rows.is_empty() || list.has_all_rows() {
                break;
            }
        }
        self.collect_absent(family, &list, items)
    }

    /// What a row of the list gives to do: renewals that may be due, differences, a missing key, freeing.
    fn sort_row(
        &self,
        row: &LicenseRow,
        seen: &License,
        items: &mut BTreeSet<ItemId>,
        unheld: &mut BTreeSet<LicenseId>,
    ) {
        let today = self.today();
        let near = seen.expires.is_some_and(|expires| {
            crate::model::period::days_between(today, expires) <= i64::from(self.rules.renew_before_days)
        });
        let key_moved = seen.key_changed.is_some() && seen.key_changed != row.key_changed;
        match row.state {
            LicenseState::Bound | LicenseState::Claimed => {
                let needs_call = row.key.is_none()
                    || key_moved
                    || near
                    || seen.autoprolong == Some(true)
                    || row.name != seen.name
                    || row.ip != seen.ip
                    || row.reason.is_some()
                    || row.state == LicenseState::Claimed
                    || row.status != seen.status
                    || seen.status != LicenseStatus::Active;
                if needs_call {
                    items.extend(row.item);
                }
            }
            LicenseState::ToFree => {
                unheld.insert(row.id);
            }
            LicenseState::Pool | LicenseState::Stopped | LicenseState::Deleted => {}
        }
    }

    /// Licenses that we hold and that the list does not show: absence proves nothing, so each is looked at.
    fn collect_absent(
        &self,
        family: Family,
        list: &crate::plan::doubt::Completeness,
        items: &mut BTreeSet<ItemId>,
    ) -> Result<(), ModuleError> {
        let mut after = LicenseId(0);
        loop {
            let rows = self.store.bound_licenses(self.account, family, after, BATCH).map_err(errors::state)?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after = *last;
            items.extend(rows.iter().filter(|(id, _)| !list.contains(*id)).filter_map(|(_, item)| *item));
        }
    }

    /// The guards of everything that acts on many (MONEY.md 6): far more renewals or freed licenses than usual mean that
    /// something else is wrong.
    async fn guard_many(&mut self, items: &BTreeSet<ItemId>, to_free: usize, allow: Allow) -> Result<(), ModuleError> {
        if allow == Allow::Many {
            return Ok(());
        }
        let bound = self.store.count_bound(self.account).map_err(errors::state)?;
        let mut renewals = 0;
        for id in items {
            self.step("read item").await?;
            let Some(item) = self.ports.billdb.item(*id).map_err(|error| errors::database(&error))? else { continue };
            let life = self.store.life(&item).map_err(errors::state)?;
            let row = self.store.license_of(&life).map_err(errors::state)?;
            let Some((row, product)) = row.and_then(|row| self.product_of(&row).map(|product| (row, product))) else {
                continue;
            };
            let today = self.today();
            let yesterday = today.pred_opt().unwrap_or(today);
            let days = self.rules.renew_before_days;
            let due_at =
                |day| crate::plan::renew::due(&item, product, product.shortest(), row.expires, day, days).is_some();
            renewals += usize::from(due_at(today) && !due_at(yesterday));
        }
        let max_renewals = MAX_RENEWALS.max(bound / 20);
        let max_changes = usize::try_from(self.rules.max_changes).unwrap_or(usize::MAX).max(bound / 50);
        if renewals > max_renewals {
            return Err(too_many("renewals", renewals, max_renewals));
        }
        if to_free > max_changes {
            return Err(too_many("licenses to free", to_free, max_changes));
        }
        Ok(())
    }

    /// A machine whose clock is off by more than a day buys, frees and deletes nothing by itself.
    pub(super) fn check_clock(&mut self) -> Result<(), ModuleError> {
        let Some(theirs) = self.ports.upstream.server_date().filter(|_| self.rules.clock_check) else { return Ok(()) };
        let ours = self.now();
        if (ours - theirs).abs() <= chrono::Duration::days(1) {
            return Ok(());
        }
        Err(ModuleError::new(
            ErrorKind::Config,
            "clock_check",
            theirs,
            text!(
                "this machine says {ours}, upstream {theirs}: nothing was bought, freed or deleted; set the clock, or clock_check = false",
                "на этой машине {ours}, у продавца {theirs}: ничего не куплено, не освобождено и не удалено; исправьте часы или задайте clock_check = false"
            ),
        ))
    }
}

fn too_many(kind: &str, count: usize, limit: usize) -> ModuleError {
    ModuleError::new(
        ErrorKind::Config,
        "max_changes",
        count,
        text!(
            "sync would make {count} {kind}, more than {limit} at once: none was made; look at the list with sync --dry-run, then allow it: sync --allow-many",
            "sync сделал бы {count} ({kind}) — больше {limit} за раз: не сделано ничего; посмотрите список: sync --dry-run, затем разрешите: sync --allow-many"
        ),
    )
=======
>>>>>>> main
}
