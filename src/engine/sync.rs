//! sync_item: updates our state from the seller, and finishes what was left to do (docs/interface.md 3). The client's
//! choices are never overwritten by what the seller has. The pass over all licenses is in `engine/sync/all.rs`.

pub(super) mod all;
pub(super) mod collect;
pub(super) mod doubled;
pub(super) mod trouble;
pub(super) mod watched;
pub(super) mod work;

use crate::error::ModuleError;
use crate::model::catalogue::{NOPANEL, Product};
use crate::model::ids::ItemId;
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{Incarnation, Intent, IntentStatus};
use crate::model::license::{License, LicenseStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::plan::change::{Switch, switch};
use crate::plan::choice::{Choice, NoChoice, choice_of};
use crate::plan::halt::allows_switching;
use crate::plan::in_doubt::{Awaits, awaits_of};
use crate::plan::renew::is_paid;
use crate::text;

use super::change::Kept;
use super::open::usable;
use super::order::in_doubt::Recipient;
use super::{Engine, errors};

impl Engine<'_> {
    /// sync_item: one request at the seller and no write when there is nothing new.
    pub(super) async fn sync_item(&mut self, item: &Item) -> Result<(), ModuleError> {
        let incarnation = self.incarnation_to_settle(item)?;
        let product = match choice_of(item, &self.rules.panel_addons, &self.rules.catalogue) {
            Ok(Choice::Product(product)) if item.status != ItemStatus::Deleted => Some(product),
            Ok(_) | Err(_) => None,
        };
        self.settle_or_free_orders(item, &incarnation, product).await?;
        let incarnation = self.incarnation_of(item).await?;
        let mut freed = Ok(());
        for row in self.store.licenses_of_item(item.id).map_err(errors::state)? {
            if row.state == LicenseState::ToFree && row.account == self.account {
                // A license that cannot be freed does not hold anything else up: its error is reported after everything
                // else is done.
                let result = self.free_if_time(&row).await;
                freed = freed.and(result);
            }
        }
        self.sync_license(item, &incarnation).await.and(freed)
    }

    async fn sync_license(&mut self, item: &Item, incarnation: &Incarnation) -> Result<(), ModuleError> {
        self.carry_on_move(item, incarnation).await?;
        let is_closed = item.status == ItemStatus::Deleted;
        if is_closed || self.has_given_panel_up(item)? {
            match self.witnessed(item, incarnation).await? {
                Some(row) => return self.free_given_back(item, incarnation, &row).await,
                None if is_closed => return Ok(()),
                None => {}
            }
        }
        let present = match self.present_license(item, incarnation).await {
            Err(in_doubt) if allows_switching(in_doubt.halt) => {
                // The client has paid, and nobody knows when an operator decides. The doubt is what is reported.
                if let Err(error) = self.start_in_doubt(item, incarnation).await {
                    self.warn(&error.words());
                }
                return Err(in_doubt);
            }
            found => found?,
        };
        let present = match present {
            None => match self.adopt_marked(item, incarnation).await? {
                Some((row, seen)) => Some(usable(incarnation, row, seen)?),
                None => None,
            },
            present => present,
        };
        let Some((row, seen)) = present else {
            // A client who changed to nopanel gave the license back: it is not missing.
            return if self.wants_no_license(item) { Ok(()) } else { self.without_license(item) };
        };
        match self.sync_present(item, &row, seen).await {
            Ok(Kept { failed: None, is_left }) => self.owe_look(&row, is_left).await,
            Ok(Kept { failed: Some(error), .. }) | Err(error) => {
                // Our row already has what the seller shows, so the next list would show nothing new. The first failure
                // is the one that is reported.
                let _ = self.owe_look(&row, true).await;
                Err(error)
            }
        }
    }

    /// Starts the stopped license of an active service about which an operator has to decide. The seller can no longer
    /// carry out the request in doubt, and a start costs nothing.
    async fn start_in_doubt(&mut self, item: &Item, incarnation: &Incarnation) -> Result<(), ModuleError> {
        let row = self.bound_license(incarnation)?.filter(|row| row.state == LicenseState::Bound);
        let Some(row) = row else { return Ok(()) };
        self.lock_license(row.id).await?;
        self.settle_pending(&row).await?;
        let Some(seen) = self.read(row.family, row.id).await? else { return Ok(()) };
        if switch(item, &seen, self.today()) != Some(Switch::Start) {
            return Ok(());
        }
        self.check_marked_for(item, &row, &seen).await?;
        let started = self.start(&row, seen).await?;
        self.tell_switch(&row, LicenseStatus::Stopped, &started).await?;
        self.refresh(&row, &started).await
    }

    /// Does everything that is due for a license that exists. Returns what is left for the next sync.
    async fn sync_present(&mut self, item: &Item, row: &LicenseRow, seen: License) -> Result<Kept, ModuleError> {
        let choice = choice_of(item, &self.rules.panel_addons, &self.rules.catalogue);
        if self.open_is_owed(item)?
            && let Ok(Choice::Product(product)) = choice
        {
            // Whichever run finds the license makes the post-call that is still owed (docs/money-safety.md 3).
            self.hand_out(item, row, product, seen).await?;
            self.post_open(item).await?;
            return Ok(Kept::default());
        }
        let is_withheld = self.withheld.renewals.contains(&item.id);
        let mut seen = if is_withheld { seen } else { self.renew_if_due(item, row, seen).await? };
        let mut kept = Kept::default();
        if let Ok(Choice::Product(product)) = choice {
            if self.has_chosen_nothing(item)? {
                // The client chose this product again before the license was freed.
                self.remember_choice(item, &product.internal_name).await?;
            }
            (seen, kept) = self.carry_out_differences(item, row, product, seen, true).await?;
            kept.failed = kept.failed.or(self.check_nodes_sold(item, product).err());
        }
        self.save_license(item, &seen).await?;
        self.remind_of_key(item, row, &seen).await?;
        let renewable = self.check_renewable(item, row, &seen).await;
        kept.failed = kept.failed.or(renewable.err());
        Ok(kept)
    }

    /// Remembers that a license has to be looked at again, or that its last look succeeded.
    async fn owe_look(&mut self, row: &LicenseRow, is_owed: bool) -> Result<(), ModuleError> {
        let (account, id) = (row.account, row.id);
        let known = self.store.license(account, id).map_err(errors::state)?;
        match known.map(|row| (row.reason.clone(), row)) {
            Some((None, row)) if is_owed && row.state == LicenseState::Bound => {
                self.commit("look owed", move |tx| tx.owe_look(account, id)).await
            }
            Some((Some(Reason::LookOwed), row)) if !is_owed => {
                self.commit("looked at", move |tx| tx.put_off(&row, None, None)).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Frees the license of a service that the panel closed without calling us, or whose client wants no panel. In the
    /// second case a run ended before it freed the license, and the license is kept while the panel's operation that
    /// ordered it has not ended.
    async fn free_given_back(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        row: &LicenseRow,
    ) -> Result<(), ModuleError> {
        let is_closed = item.status == ItemStatus::Deleted;
        if self.withheld.frees || (!is_closed && self.is_order_unfinished(item, row).await?) {
            return self.owe_look(row, true).await;
        }
        if let Err(shown_elsewhere) = self.check_no_heir(row).await {
            // An operator must bind the license to the other service, and `bind` waits until nothing about it is in
            // doubt. No other run looks for that.
            self.lock_license(row.id).await?;
            if let Err(in_doubt) = self.settle_pending(row).await {
                self.warn(&in_doubt.message);
            }
            return Err(shown_elsewhere);
        }
        let given_up = self.give_up(item, row).await;
        // No later run frees a license that was put aside, so this one ends the incarnation.
        if is_closed && (given_up.is_ok() || self.is_put_aside(row)?) {
            self.end_incarnation(item, incarnation).await?;
        }
        given_up
    }

    /// Whether the service has its license, and open never finished its post-call.
    pub(super) fn open_is_owed(&self, item: &Item) -> Result<bool, ModuleError> {
        let known = self.store.item(item.id, &item.created).map_err(errors::state)?;
        let never_told = known.is_none_or(|row| row.settled_end.is_none());
        Ok(never_told && item.is_ours() && matches!(item.status, ItemStatus::Ordered | ItemStatus::Processing))
    }

    /// An active service whose license is gone: sync never orders, but reports it. The same holds for a service that
    /// shows a license which our state never held for it, and which the seller does not have either.
    pub(super) fn without_license(&self, item: &Item) -> Result<(), ModuleError> {
        let known = self.store.item(item.id, &item.created).map_err(errors::state)?;
        let had_no_panel = known.as_ref().is_some_and(|known| known.choice.as_deref() == Some(NOPANEL));
        if !is_paid(item, self.today()) {
            return Ok(());
        }
        let choice = choice_of(item, &self.rules.panel_addons, &self.rules.catalogue);
        if had_no_panel {
            // A service that gave its license back, because its client chose no panel, misses nothing until the client
            // chooses a panel again.
            return match choice {
                Ok(Choice::Nopanel) | Err(NoChoice::NotOurs(_)) => Ok(()),
                Ok(Choice::Product(_)) => Err(errors::wants_panel(item.id)),
                Err(why @ (NoChoice::UnknownName(..) | NoChoice::Unclear(_))) => Err(why.into()),
            };
        }
        match (known.and_then(|known| known.last_license), item.params.licid) {
            (Some(last), _) => {
                let row = self.store.license(self.account, last).map_err(errors::state)?;
                if row.is_none_or(|row| row.state == LicenseState::Deleted) {
                    return Err(errors::license_gone(Some(item.id), last));
                }
                // An operator took the license from it. The sweep names a server that needs one, and another program's
                // service is not ours any more.
                let is_left_alone = !item.is_ours() || matches!(choice, Err(NoChoice::NotOurs(_)));
                if is_left_alone { Ok(()) } else { Err(errors::holds_none(item.id, last)) }
            }
            (None, Some(shown)) => Err(errors::holds_none(item.id, shown)),
            (None, None) => Ok(()),
        }
    }

    /// Registers a problem in the panel, once, for a key that is missing after an hour (docs/licensing-rules.md 3).
    pub(super) async fn remind_of_key(
        &mut self,
        item: &Item,
        row: &LicenseRow,
        seen: &License,
    ) -> Result<(), ModuleError> {
        let is_reported = row.reason == Some(Reason::KeyLate);
        if !row.family.has_key() {
            return Ok(());
        }
        if seen.key.is_some() && is_reported {
            let row = row.clone();
            return self.commit("key came", move |tx| tx.put_off(&row, None, None)).await;
        }
        if seen.key.is_some() || is_reported || row.age(self.now()) < chrono::Duration::hours(1) {
            return Ok(());
        }
        let id = row.id;
        let problem = text!(
            "license {id} of service {} still has no key after an hour: ask the seller",
            "у лицензии {id} услуги {} уже час нет ключа: спросите продавца",
            item.id
        );
        self.warn(&problem);
        self.register_problem(&problem, item.id).await?;
        let row = row.clone();
        self.commit("key late", move |tx| tx.put_off(&row, None, Some(&Reason::KeyLate))).await
    }

    /// Orders in doubt: those of an open service are settled. For a closed service, a license that appears is to be
    /// freed, unless the service shows it: an old state does not know that the service has it. `product`: what an open
    /// service asks for.
    async fn settle_or_free_orders(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        product: Option<&Product>,
    ) -> Result<(), ModuleError> {
        let shown = item.params.licid.filter(|_| product.is_some());
        for intent in self.orders_in_doubt(item.id)? {
            let awaits = match intent.status {
                // No service waits for it: only a command orders again under its key.
                IntentStatus::FreeWhenAppears => Awaits::Nothing,
                IntentStatus::InDoubt
                | IntentStatus::HandedOver
                | IntentStatus::Done
                | IntentStatus::Refused
                | IntentStatus::NotSent
                | IntentStatus::NotHappened => awaits_of(&intent, incarnation, product),
            };
            self.settle_awaited(&intent, Recipient::of(awaits, incarnation, shown), awaits).await?;
        }
        Ok(())
    }

    /// A missing row does not mean a closed service (docs/money-safety.md 6): only a license that is to be freed anyway
    /// is freed.
    pub(super) async fn free_orders_given_up(&mut self, item: ItemId) -> Result<(), ModuleError> {
        for intent in self.orders_in_doubt(item)? {
            if intent.status == IntentStatus::FreeWhenAppears {
                self.settle_order(&intent, Recipient::Nobody).await?;
            }
        }
        Ok(())
    }

    /// The orders of an item in this account that have not ended.
    pub(super) fn orders_in_doubt(&self, item: ItemId) -> Result<Vec<Intent>, ModuleError> {
        let mut open = self.store.open_intents_of_item(item).map_err(errors::state)?;
        open.retain(|intent| intent.request.as_order().is_some() && intent.account == self.account);
        Ok(open)
    }

    pub(super) async fn free_if_time(&mut self, row: &LicenseRow) -> Result<(), ModuleError> {
        if self.withheld.frees || row.not_before.is_some_and(|until| until > self.now()) {
            return Ok(());
        }
        self.free_upstream(row, false).await
    }
}
