//! sync of addons: each order with a license of ours is read. A late key is saved. A license whose key is gone is
//! reported and never bought again. A renewal that no client pays for is reported to the operator. Nothing is renewed.

use std::collections::BTreeSet;

use crate::error::ModuleError;
use crate::model::hosting::HostingOrder;
use crate::model::ids::{ItemId, LicenseId};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{Incarnation, IntentStatus, Note};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::plan::guard::{Allow, Kind};
use crate::plan::hosting::is_renewed_soon;
use crate::plan::renew::is_paid;
use crate::ports::LockName;
use crate::run_report::{RunReport, Scope, Why, named};
use crate::text;

use super::wording;
use crate::engine::guard::By;
use crate::engine::{Engine, Summary, errors};

/// Rows of our state read at once.
const BATCH: usize = 500;

impl Engine<'_> {
    /// One pass over the licenses of the account.
    pub(in crate::engine) async fn sync_pass_of_addons(
        &mut self,
        allow: Allow,
        summary: &mut Summary,
    ) -> Result<(), ModuleError> {
        let (mut items, mut removals) = self.addons_to_look_at(summary)?;
        let suspects = self.suspects().await?;
        if let Some(left) = suspects.left_over() {
            summary.report.left(self.module, Scope::Account, Why::UnknownLicense, left);
        }
        items.extend(suspects.items);
        removals.extend(self.ended_without_us(&items).await?);
        self.withheld.frees = self.holds_back(
            (By::Sync, Kind::Frees),
            removals.len(),
            &named(removals.iter().map(|id| Scope::License(*id))),
            allow,
            &mut summary.report,
        )?;
        for item in &items {
            summary.handled += 1;
            let synced = self
                .with_locks(async |engine: &mut Self| engine.sync_addon_one(*item, &mut summary.report).await)
                .await;
            self.collected(&mut summary.report, Scope::Item(*item), synced).await?;
        }
        self.note_troubles(&items, &mut summary.report).await
    }

    /// Services with a license or a purchase in doubt, and the licenses for which a removal would be sent.
    fn addons_to_look_at(&self, summary: &mut Summary) -> Result<(BTreeSet<ItemId>, BTreeSet<LicenseId>), ModuleError> {
        let (mut items, mut removals, mut after) = (BTreeSet::new(), BTreeSet::new(), LicenseId::BEFORE_ALL);
        loop {
            let rows = self.store.licenses_after(self.account, after, BATCH).map_err(errors::state)?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            for row in rows.iter().filter(|row| row.state != LicenseState::Deleted) {
                summary.seen += 1;
                items.extend(row.item);
                if row.state == LicenseState::ToFree && !self.rules.hosting.remove_call.is_empty() {
                    removals.insert(row.id);
                }
            }
        }
        let open = self.store.open_intents().map_err(errors::state)?;
        items.extend(open.iter().filter(|intent| intent.account == self.account).filter_map(|intent| intent.item));
        Ok((items, removals))
    }

    /// Licenses of services that the panel closed without calling us, or that want none any more. A removal would be
    /// sent for them too.
    async fn ended_without_us(&mut self, items: &BTreeSet<ItemId>) -> Result<Vec<LicenseId>, ModuleError> {
        let mut found = Vec::new();
        if self.rules.hosting.remove_call.is_empty() {
            return Ok(found);
        }
        for id in items {
            self.begin_one();
            let Some(item) = self.item_row(*id).await? else { continue };
            if item.status != ItemStatus::Deleted && !self.has_given_panel_up(&item)? {
                continue;
            }
            let incarnation = self.store.incarnation(&item).map_err(errors::state)?;
            found.extend(self.store.license_of(&incarnation).map_err(errors::state)?.map(|row| row.id));
        }
        Ok(found)
    }

    async fn sync_addon_one(&mut self, id: ItemId, report: &mut RunReport) -> Result<(), ModuleError> {
        self.begin_one();
        if !self.locked_elsewhere([LockName::Item(id)])?.is_empty() {
            let error = errors::left_to_other_run(LockName::Item(id));
            report.left(self.module, Scope::Item(id), Why::OtherRun, error);
            return Ok(());
        }
        self.lock(LockName::Item(id)).await?;
        match self.item_row(id).await? {
            Some(item) => self.sync_addon(&item).await,
            // A missing row does not mean a closed service, so nothing is removed.
            None => {
                self.warn(&text!("service {id} is not in the panel any more", "услуги {id} в панели больше нет"));
                Ok(())
            }
        }
    }

    pub(super) async fn sync_addon(&mut self, item: &Item) -> Result<(), ModuleError> {
        let incarnation = self.incarnation_to_settle(item)?;
        for intent in self.additions_in_doubt(item)? {
            let waits = intent.status != IntentStatus::FreeWhenAppears && item.status != ItemStatus::Deleted;
            let wanted = Some(&incarnation).filter(|incarnation| waits && intent.is_order_of(incarnation));
            self.settle_addition(&intent, wanted).await?;
        }
        let incarnation = self.incarnation_of(item).await?;
        let mut result = Ok(());
        for row in self.store.licenses_of_item(item.id).map_err(errors::state)? {
            if row.account != self.account {
                continue;
            }
            let looked = match row.state {
                LicenseState::ToFree => self.remove_if_allowed(item, &incarnation, &row).await,
                LicenseState::Stopped => self.look_at_kept(item, &row).await,
                LicenseState::Bound | LicenseState::Claimed | LicenseState::Pool | LicenseState::Deleted => Ok(()),
            };
            result = result.and(looked);
        }
        result.and(self.sync_held_addon(item, &incarnation).await)
    }

    /// The license that a service holds, or that it should have.
    async fn sync_held_addon(&mut self, item: &Item, incarnation: &Incarnation) -> Result<(), ModuleError> {
        let held = self.store.license_of(incarnation).map_err(errors::state)?;
        if held.is_some_and(|row| row.account != self.account) && self.buys_elsewhere(item)? {
            // The service is only here because of a license that it gave back; its own one is its module's.
            return Ok(());
        }
        self.check_shown(item, incarnation).await?;
        match self.bound_license(incarnation)? {
            Some(row) => self.sync_bound_addon(item, incarnation, &row).await,
            None => self.without_license(item),
        }
    }

    /// Removes a license only if its service is closed, asks for no license, or has that of another order now, whatever
    /// was written down when it gave the license back.
    async fn remove_if_allowed(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        row: &LicenseRow,
    ) -> Result<(), ModuleError> {
        let wants_none = self.wants_no_license(item);
        let bound = self.store.license_of(incarnation).map_err(errors::state)?;
        let has_another = bound.is_some_and(|bound| (bound.account, bound.id) != (row.account, row.id));
        if self.withheld.frees || !(item.status == ItemStatus::Deleted || wants_none || has_another) {
            return Ok(());
        }
        if self.keeps_addons() {
            self.check_not_shown_elsewhere(row).await?;
            return self.give_up_addon(item, row).await;
        }
        let left = self.remove_addon(item.id, row).await?;
        if item.status != ItemStatus::Deleted {
            self.clear_shown(item, row).await?;
        }
        match left {
            Some(seen) => self.tell_unpaid_renewal(item, row, &seen, false).await,
            None => Ok(()),
        }
    }

    async fn look_at_kept(&mut self, item: &Item, row: &LicenseRow) -> Result<(), ModuleError> {
        self.lock_license(row.id).await?;
        // A removal may have been sent before the setting was "keep".
        self.settle_removals(row.id).await?;
        let known = self.store.license(row.account, row.id).map_err(errors::state)?;
        let Some(row) = &known.filter(|row| row.state == LicenseState::Stopped) else { return Ok(()) };
        let line = self.line_of(row.id).await?.ok_or_else(|| wording::no_such_order(row.id))?;
        let seen = self.order_now(line, row.id).await?;
        let failed = row.key.is_none() && self.has_failed(row).await?;
        if seen.key.is_none() || failed {
            if row.key.is_none() && !failed && !seen.is_deleted() {
                // Bought, and its key is still to come.
                return self.tell_late_key(item.id, row).await.map(drop);
            }
            if row.key.is_some() && !seen.is_deleted() && self.may_be_old(row.since, self.now()) {
                return Ok(());
            }
            return self.forget_removed(row, Reason::DeletedUpstream).await;
        }
        if row.key.is_none() {
            // The key of our purchase came after the close. From now on any other key is not ours.
            self.refresh(row, &seen.as_license()).await?;
        }
        self.tell_unpaid_renewal(item, row, &seen, false).await
    }

    /// Reports a renewal that no client pays for to the operator in time.
    async fn tell_unpaid_renewal(
        &mut self,
        item: &Item,
        row: &LicenseRow,
        seen: &HostingOrder,
        is_paid: bool,
    ) -> Result<(), ModuleError> {
        let is_near = seen.key.is_some() && is_renewed_soon(seen.recurring, seen.ends, self.now());
        let price = self.cost_of_months(1);
        let problem = (is_near && !is_paid).then(|| wording::renewed_unpaid(item.id, seen, price.as_ref()));
        let about = (item.id, (row.account, row.id));
        self.tell_while_it_lasts(about, Note::RenewedUnpaid, problem.as_ref(), wording::renewal_settled(row.id)).await
    }

    async fn sync_bound_addon(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        row: &LicenseRow,
    ) -> Result<(), ModuleError> {
        self.lock_license(row.id).await?;
        let is_closed = item.status == ItemStatus::Deleted;
        if is_closed || self.has_given_panel_up(item)? {
            // The panel closed the service without calling us. Or the service wants no license, and a run died before
            // it gave the license up; while the panel repeats the command that bought it, that command decides.
            if self.withheld.frees || (!is_closed && self.is_order_unfinished(item, row).await?) {
                return Ok(());
            }
            self.check_not_shown_elsewhere(row).await?;
            self.give_up_addon(item, row).await?;
            return if is_closed {
                self.end_incarnation(item, incarnation).await
            } else {
                self.clear_shown(item, row).await
            };
        }
        self.remember_product_again(item).await?;
        let line = self.line_of(row.id).await?.ok_or_else(|| wording::no_such_order(row.id))?;
        let seen = self.order_now(line, row.id).await?;
        let about = (item.id, (row.account, row.id));
        let gone = (seen.key.is_none() && row.key.is_some()).then(|| wording::addon_gone(item.id, row.id));
        let problem = gone.as_ref().map(|error| &*error.message);
        self.tell_while_it_lasts(about, Note::LicenseGone, problem, wording::shown_again(row.id)).await?;
        if let Some(error) = gone {
            return Err(error);
        }
        self.save_addon(item, row, &seen).await?;
        if self.open_is_owed(item)? {
            // Whichever run finds the license makes the post-call that is still owed.
            self.post_open(item).await?;
        }
        if seen.key.is_none() {
            self.tell_late_key(item.id, row).await?;
        }
        let stopped = (!seen.is_active()).then(|| wording::hosting_not_active(item.id, &seen));
        self.tell_while_it_lasts(about, Note::HostingStopped, stopped.as_ref(), wording::active_again(row.id)).await?;
        let is_paid = item.status != ItemStatus::Suspended && is_paid(item, self.today());
        self.tell_unpaid_renewal(item, row, &seen, is_paid).await
    }
}
