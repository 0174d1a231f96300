//! sync_server and sync: one pass over the lists at the seller. Only a license or service that needs more gets calls of
//! its own. Before anything is changed, `guard.rs` decides what is held back.

use std::collections::BTreeSet;

use crate::error::ModuleError;
use crate::model::ids::{ItemId, LicenseId};
use crate::model::item::Item;
use crate::model::license::{Expiry, Family, License, LicenseStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::period::days_between;
use crate::plan::guard::Allow;
use crate::plan::in_doubt::{Completeness, is_looked_for};
use crate::ports::LockName;
use crate::run_report::{RunReport, Scope, Why};
use crate::store::OpenIntent;
use crate::text;

use super::work::{Look, Work};
use crate::engine::guard::Withheld;
use crate::engine::order::unclaimed::Unclaimed;
use crate::engine::pages::Pages;
use crate::engine::{Engine, errors, is_gone};

/// What a run over all licenses did.
#[derive(Debug, Default)]
pub struct Summary {
    /// Licenses seen in the lists.
    pub seen: u32,
    /// Rows of ours brought up to date from the lists.
    pub refreshed: u32,
    /// Items and licenses that were looked at one by one.
    pub handled: u32,
    /// The failures, and what was left alone.
    pub report: RunReport,
}

impl Summary {
    /// Adds what another module's pass did.
    pub fn add(&mut self, other: Self) {
        self.seen += other.seen;
        self.refreshed += other.refreshed;
        self.handled += other.handled;
        self.report.add(other.report);
    }
}

/// A license of ours: its number, its service, its state.
type Expected = (LicenseId, Option<ItemId>, LicenseState);

/// Rows of our state read at once.
const BATCH: u32 = 500;

impl Engine<'_> {
    /// One pass over the seller's lists for the module's account, then the work that needs calls of its own, one by
    /// one. The report holds a failure of one service or license with that service or license. A failure of the
    /// account, such as a list that cannot be read, an old state or a wrong clock, ends the pass and is reported with
    /// the module.
    pub async fn sync_all(&mut self, allow: Allow) -> Summary {
        let mut summary = Summary::default();
        let ended = self.sync_pass(allow, &mut summary).await;
        self.withheld = Withheld::default();
        if let Err(error) = ended {
            summary.report.failed(self.module, Scope::Account, error);
        }
        summary
    }

    async fn sync_pass(&mut self, allow: Allow, summary: &mut Summary) -> Result<(), ModuleError> {
        self.check_restored()?;
        if self.sells_addons() {
            return Box::pin(self.sync_pass_of_addons(allow, summary)).await;
        }
        let mut work = Work::default();
        for family in [Family::Soft, Family::SoftExternal] {
            self.look_through(family, summary, &mut work).await?;
        }
        self.collect_unlisted(&mut work, &mut summary.report).await?;
        self.check_clock()?;
        for (family, id) in std::mem::take(&mut work.unclaimed) {
            self.begin_one();
            match self.keep_duplicate(family, id).await {
                Ok(Unclaimed::Free(id)) => drop(work.to_free.insert(id)),
                Ok(Unclaimed::Of(item)) => work.item(item, Look::Always),
                Ok(Unclaimed::Left) => {}
                Err(error) => self.collect(&mut summary.report, Scope::License(id), error).await?,
            }
        }
        let elsewhere = self.leave_to_others(&mut work, &mut summary.report)?;
        self.weigh(&mut work, allow, &mut summary.report).await?;
        self.foresee(&elsewhere).await?;
        for id in work.in_doubt {
            let settled = self.with_locks(async |engine: &mut Self| engine.settle_free(id).await).await;
            self.collected(&mut summary.report, Scope::License(id), settled).await?;
        }
        for id in work.unlisted {
            let looked = self.with_locks(async |engine: &mut Self| engine.look_at_unlisted(id).await).await;
            self.collected(&mut summary.report, Scope::License(id), looked).await?;
        }
        let mut items: BTreeSet<ItemId> = work.items.into_keys().collect();
        let bereft: BTreeSet<ItemId> = self.bereft()?;
        for item in &items {
            summary.handled += 1;
            let synced = self.with_locks(async |engine: &mut Self| engine.sync_one(*item).await).await;
            self.collected(&mut summary.report, Scope::Item(*item), synced).await?;
        }
        for id in work.to_free {
            summary.handled += 1;
            let freed = self.with_locks(async |engine: &mut Self| engine.free_one(id).await).await;
            self.collected(&mut summary.report, Scope::License(id), freed).await?;
        }
        // When this pass freed a license, its modules ended too. This pass also names their services.
        for item in self.bereft()?.difference(&bereft) {
            if elsewhere.contains(item) || summary.report.entries().iter().any(|one| one.scope == Scope::Item(*item)) {
                continue;
            }
            items.insert(*item);
            let synced = self.with_locks(async |engine: &mut Self| engine.sync_one(*item).await).await;
            self.collected(&mut summary.report, Scope::Item(*item), synced).await?;
        }
        self.note_troubles(&items, &mut summary.report).await
    }

    /// Services that hold no license any more.
    fn bereft(&self) -> Result<BTreeSet<ItemId>, ModuleError> {
        Ok(self.store.items_without_license(self.account).map_err(errors::state)?.into_iter().collect())
    }

    /// Collects the work that no list shows: modules of licenses, licenses with a call in doubt, and services for which
    /// the last pass failed, whose license is gone, or whose identity differs from our state.
    async fn collect_unlisted(&mut self, work: &mut Work, report: &mut RunReport) -> Result<(), ModuleError> {
        self.collect_modules(work)?;
        let gone = self.bereft()?;
        let troubled = self.troubled().await?;
        let suspects = self.suspects().await?;
        if let Some(left) = suspects.left_over() {
            report.left(self.module, Scope::Account, Why::UnknownLicense, left);
        }
        for item in gone.into_iter().chain(troubled).chain(suspects.items) {
            work.item(item, Look::Always);
        }
        for OpenIntent { id, item, license } in self.store.open_intent_ids().map_err(errors::state)? {
            let intent = match (self.store.intent(id), item, license) {
                (Ok(intent), _, _) => intent,
                // It is reported, and nothing changed, when its service has its turn.
                (Err(error), Some(item), _) if error.is_of_one_row() => {
                    work.item(item, Look::Always);
                    continue;
                }
                (Err(error), None, Some(license)) => {
                    self.row_failed(report, Scope::License(license), error)?;
                    continue;
                }
                (Err(error), _, _) => return Err(errors::state(error)),
            };
            let Some(intent) = intent.filter(|intent| intent.account == self.account) else { continue };
            if let Some(item) = intent.item {
                work.item(item, Look::Always);
            }
            work.in_doubt.extend(intent.request.license());
        }
        Ok(())
    }

    async fn sync_one(&mut self, item: ItemId) -> Result<(), ModuleError> {
        self.begin_one();
        self.lock(LockName::Item(item)).await?;
        self.sync_locked(item).await
    }

    async fn sync_locked(&mut self, item: ItemId) -> Result<(), ModuleError> {
        match self.item_row(item).await? {
            Some(item) => Box::pin(self.sync_item(&item)).await,
            None => {
                self.warn(&text!("service {item} is not in the panel any more", "услуги {item} в панели больше нет"));
                self.free_orders_given_up(item).await
            }
        }
    }

    pub(in crate::engine) async fn item_row(&mut self, item: ItemId) -> Result<Option<Item>, ModuleError> {
        self.step("read item").await?;
        self.ports.billdb.item(item).map_err(|error| errors::database(&error))
    }

    /// Settles a call in doubt about a license that no item holds, because no other run would.
    async fn settle_free(&mut self, id: LicenseId) -> Result<(), ModuleError> {
        self.begin_one();
        self.lock_license(id).await?;
        let row = self.store.license(self.account, id).map_err(errors::state)?;
        let free = row.filter(|row| matches!(row.state, LicenseState::Pool | LicenseState::Stopped));
        match &free {
            Some(row) => self.settled(row).await.map(drop),
            None => Ok(()),
        }
    }

    /// Looks at a license that serves nobody and that the list does not show. Nothing else would find out that it is
    /// gone, and until then no list could be shown to be complete (docs/money-safety.md 3).
    async fn look_at_unlisted(&mut self, id: LicenseId) -> Result<(), ModuleError> {
        self.begin_one();
        self.lock_license(id).await?;
        let row = self.store.license(self.account, id).map_err(errors::state)?;
        let Some(row) = row.filter(|row| is_looked_for(row, self.today(), self.now())) else { return Ok(()) };
        if !self.store.open_intents_of_license(self.account, id).map_err(errors::state)?.is_empty() {
            // The look that settles the call in doubt decides.
            return Ok(());
        }
        let seen = self.read(row.family, id).await?;
        if is_gone(seen.as_ref()) {
            return self.is_gone(&row, &seen, row.state).await.map(drop);
        }
        self.shown_again(&row).await?;
        match seen {
            Some(seen) => self.refresh(&row, &seen).await,
            None => Ok(()),
        }
    }

    async fn free_one(&mut self, id: LicenseId) -> Result<(), ModuleError> {
        self.begin_one();
        self.lock_license(id).await?;
        match self.store.license(self.account, id).map_err(errors::state)? {
            Some(row) if row.state == LicenseState::ToFree => self.free_if_time(&row).await,
            Some(_) | None => Ok(()),
        }
    }

    /// One pass over a family's list. The rows of our licenses are updated, in one write for each page. Licenses that
    /// need a call of their own are collected.
    async fn look_through(
        &mut self,
        family: Family,
        summary: &mut Summary,
        work: &mut Work,
    ) -> Result<(), ModuleError> {
        let is_empty = self.store.newest_licenses(self.account, family).map_err(errors::state)?.is_empty()
            && self.expected(family, LicenseId::BEFORE_ALL, 1)?.is_empty();
        if is_empty {
            return Ok(());
        }
        let mut pages = Pages::of(family);
        while let Some(page) = pages.next(self).await? {
            self.check_marks(&page.rows).await?;
            let mut changed = Vec::new();
            for seen in &page.rows {
                summary.seen += 1;
                let row = match self.store.license(self.account, seen.id) {
                    Ok(Some(row)) => row,
                    Ok(None) => {
                        if self.is_unclaimed(seen) {
                            work.unclaimed.push((family, seen.id));
                        }
                        continue;
                    }
                    Err(error) => {
                        self.row_failed(&mut summary.report, Scope::License(seen.id), error)?;
                        continue;
                    }
                };
                self.tell_doubled(seen).await?;
                self.sort_row(&row, seen, work);
                if row.differs(seen) {
                    changed.push((seen.clone(), row.state == LicenseState::Bound && is_news(&row, seen)));
                }
            }
            if !changed.is_empty() {
                summary.refreshed += u32::try_from(changed.len()).unwrap_or(u32::MAX);
                let account = self.account;
                let refresh = move |tx: &crate::store::Tx<'_>| {
                    changed.iter().try_for_each(|(seen, is_news)| {
                        tx.refresh_license(account, seen)?;
                        if *is_news { tx.owe_look(account, seen.id) } else { Ok(()) }
                    })
                };
                self.commit("refresh page", refresh).await?;
            }
        }
        let newest = self.store.newest_licenses(self.account, family).map_err(errors::state)?;
        work.unlisted.extend(pages.list.missing(newest));
        self.collect_absent(family, &pages.list, work)
    }

    /// Collects the work that a row of the list shows: a renewal that may be due, differences, a missing key, freeing.
    fn sort_row(&self, row: &LicenseRow, seen: &License, work: &mut Work) {
        // A column that the list leaves out has the value of the last look.
        let (status, expires) = (seen.status.or(row.status), seen.expires.or(row.expires));
        let near = expires
            .day()
            .is_some_and(|expires| days_between(self.today(), expires) <= i64::from(self.rules.renew_before_days));
        let always = row.key.is_none()
            || expires == Expiry::Unknown
            || is_news(row, seen)
            || seen.autoprolong == Some(true)
            || row.reason.is_some()
            || row.state == LicenseState::Claimed;
        let unless_suspended = near || status != LicenseStatus::Active;
        match (row.state, row.item) {
            (LicenseState::Bound | LicenseState::Claimed, Some(item)) if always => work.item(item, Look::Always),
            (LicenseState::Bound | LicenseState::Claimed, Some(item)) if unless_suspended => {
                work.item(item, Look::UnlessSuspended);
            }
            (LicenseState::ToFree, _) if row.not_before.is_none_or(|until| until <= self.now()) => {
                work.to_free.insert(row.id);
            }
            (
                LicenseState::Bound
                | LicenseState::Claimed
                | LicenseState::ToFree
                | LicenseState::Pool
                | LicenseState::Stopped
                | LicenseState::Deleted,
                _,
            ) => {}
        }
    }

    /// Collects licenses of ours that the list does not show. Absence proves nothing, so each of them is read.
    fn collect_absent(&self, family: Family, list: &Completeness, work: &mut Work) -> Result<(), ModuleError> {
        let mut after = LicenseId::BEFORE_ALL;
        loop {
            let rows = self.expected(family, after, BATCH)?;
            let Some((last, ..)) = rows.last() else { return Ok(()) };
            after = *last;
            for (id, item, state) in rows.into_iter().filter(|(id, ..)| !list.contains(*id)) {
                if state == LicenseState::ToFree {
                    work.to_free.insert(id);
                } else if let Some(item) = item {
                    work.item(item, Look::Always);
                }
            }
        }
    }

    /// Licenses that serve a service, are being taken for one, or whose time to be freed has come.
    pub(in crate::engine) fn expected(
        &self,
        family: Family,
        after: LicenseId,
        limit: u32,
    ) -> Result<Vec<Expected>, ModuleError> {
        self.store.expected_licenses(self.account, family, after, limit, self.now()).map_err(errors::state)
    }

    /// Leaves work that another run is doing at this moment to that run. It is neither counted nor waited for, so that
    /// closes of many services during a pass do not count as a mass change of the pass. The next pass sees the result.
    /// Returns the services that were left.
    fn leave_to_others(&self, work: &mut Work, report: &mut RunReport) -> Result<BTreeSet<ItemId>, ModuleError> {
        let item = |id: &ItemId| LockName::Item(*id);
        let license = |id: &LicenseId| LockName::License(self.account, *id);
        let items = work.items.keys().map(item);
        let licenses = work.to_free.iter().chain(&work.in_doubt).chain(&work.unlisted).map(license);
        let locked = self.locked_elsewhere(items.chain(licenses))?;
        let left = work.items.keys().filter(|id| locked.contains(&item(id))).copied().collect();
        work.items.retain(|id, _| !locked.contains(&item(id)));
        work.to_free.retain(|id| !locked.contains(&license(id)));
        work.in_doubt.retain(|id| !locked.contains(&license(id)));
        work.unlisted.retain(|id| !locked.contains(&license(id)));
        for name in locked {
            let scope = match name {
                LockName::Item(item) => Scope::Item(item),
                LockName::License(_, license) => Scope::License(license),
                LockName::Sync | LockName::Noted | LockName::State => Scope::Account,
            };
            report.left(self.module, scope, Why::OtherRun, errors::left_to_other_run(name));
            self.note_last(report);
        }
        Ok(left)
    }
}

/// Whether a list shows more than a new date of a license of ours. After our row has been updated, nothing else would
/// show that the license has to be read.
fn is_news(row: &LicenseRow, seen: &License) -> bool {
    let key_moved = seen.key_changed.is_some() && seen.key_changed != row.key_changed;
    let renamed = seen.name.as_ref().is_some_and(|name| *name != row.name);
    let readdressed = seen.ip.is_some() && seen.ip != row.ip;
    key_moved || renamed || readdressed || row.status != seen.status.or(row.status)
}
