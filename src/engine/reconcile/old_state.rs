//! An old state: restored from a backup, copied, or lost. With it, the program only reads until reconcile has added
//! what the state missed, which it learns from the marks of licenses (docs/money-safety.md 4 and 6).

use crate::error::{ErrorKind, Halt, ModuleError, Text};
use crate::model::ids::{ItemId, LicenseId, Mark};
use crate::model::journal::{IntentEvent, IntentStatus};
use crate::model::license::{Family, License};
use crate::model::license_row::LicenseState;
use crate::model::reason::Reason;
use crate::plan::bind::{BindOptions, Consent};
use crate::plan::halt::may_pass;
use crate::plan::reconcile::is_given_out_since;
use crate::ports::LockName;
use crate::store::Binding;
use crate::text;

use crate::engine::reconcile::wording::{not_marked, order_open};
use crate::engine::{Engine, errors, is_deleted};

/// Set when the state was restored from a backup, or when a mark at the seller showed that it is old, until reconcile
/// has added what it missed.
pub const RESTORED: &str = "restored";

/// The highest running number among the orders that an old state had missed when it was made current. An unknown
/// license with a lower mark was checked then.
const TAKEN_IN: &str = "taken_in";

impl Engine<'_> {
    /// Fails when the seller shows marks of ours that this state never gave out: the state is an old copy, or belongs
    /// to another installation (docs/money-safety.md 6).
    ///
    /// # Errors
    /// `state`: nothing may be changed until `reconcile --apply` has added what the state missed.
    pub(in crate::engine) async fn check_marks(&mut self, rows: &[License]) -> Result<(), ModuleError> {
        let last = self.store.last_number().map_err(errors::state)?;
        for row in rows {
            if let Some(mark) = row.remoteid.mark_of(&self.panel_id)
                && (is_given_out_since(Some(mark.clone()), last) || self.is_forgotten(row.id, &mark)?)
            {
                // Not every run reads a list, so the state remembers this for the next ones.
                let now = self.now().format("%Y-%m-%d %H:%M:%S UTC").to_string();
                self.commit("state is old", |tx| tx.set_meta(RESTORED, &now)).await?;
                return Err(old_state(row.id, &mark));
            }
        }
        Ok(())
    }

    /// Whether a license bears a mark that this state never gave out. A state that was begun anew gives out the same
    /// numbers again.
    fn is_forgotten(&self, license: LicenseId, mark: &Mark) -> Result<bool, ModuleError> {
        match self.store.license(self.account, license) {
            Ok(None) => {}
            Ok(Some(_)) => return Ok(false),
            // A row that cannot be used also proves that the license is known. The next run that reads the row reports
            // it.
            Err(error) if error.is_of_one_row() => return Ok(false),
            Err(error) => return Err(errors::state(error)),
        }
        let taken_in = self.store.number(TAKEN_IN).map_err(errors::state)?;
        match mark {
            Mark::Order { number, .. } if taken_in.is_some_and(|taken_in| *number <= taken_in) => Ok(false),
            Mark::Order { item, .. } => {
                let orders = match self.store.orders_of_item(*item) {
                    Err(error) if error.is_of_one_row() => return Ok(false),
                    orders => orders.map_err(errors::state)?,
                };
                Ok(!orders.iter().filter_map(|intent| intent.request.as_order()).any(|order| order.mark == *mark))
            }
            // A state that never gave out a mark has not freed any license either.
            Mark::Pool { .. } => Ok(taken_in.is_none() && self.store.last_number().map_err(errors::state)? == 0),
        }
    }

    /// Adds a license with our mark that this state lost: it is bound to its service if that still needs it, otherwise
    /// freed.
    pub(in crate::engine) async fn take_in(
        &mut self,
        license: LicenseId,
        item: Option<ItemId>,
    ) -> Result<Text, ModuleError> {
        let taken = self.take_in_locked(license, item).await;
        self.is_left_out |= taken.as_ref().is_err_and(|error| may_pass(error.halt));
        taken
    }

    async fn take_in_locked(&mut self, license: LicenseId, item: Option<ItemId>) -> Result<Text, ModuleError> {
        if let Some(item) = item {
            self.lock(LockName::Item(item)).await?;
        }
        self.lock_license(license).await?;
        let known = self.store.license(self.account, license).map_err(errors::state)?;
        let by_now = || text!("license {license} is already known", "лицензия {license} уже известна");
        if known.as_ref().is_some_and(|row| row.incarnation.is_some()) {
            return Ok(by_now());
        }
        let (family, seen) = self.read_any(license).await?;
        let last = self.store.last_number().map_err(errors::state)?;
        let is_known = known.is_some_and(|row| row.state != LicenseState::Deleted);
        // A license that is free according to an old state was given to a service since: its mark is newer than the
        // state.
        if is_known && !is_given_out_since(seen.remoteid.mark_of(&self.panel_id), last) {
            return Ok(by_now());
        }
        if seen.remoteid.mark_of(&self.panel_id).is_none() {
            return Err(not_marked(license));
        }
        match item {
            Some(id) if self.is_of_incarnation(id, &seen).await? => {
                let (consent, by_operator) = (Consent::default(), false);
                let options = BindOptions { consent, by_operator, mark: true, reason: None, ends_older: None };
                let options = match seen.remoteid.mark_of(&self.panel_id) {
                    Some(Mark::Order { number, .. }) if number > last => {
                        let consent = Consent { replace: self.holds_gone(id).await?, ..Consent::default() };
                        BindOptions { consent, ends_older: Some(number), ..options }
                    }
                    Some(Mark::Order { .. } | Mark::Pool { .. }) | None => options,
                };
                self.bind_locked(id, license, options).await
            }
            Some(_) | None => self.take_in_free(family, &seen).await,
        }
    }

    /// True when the license that a service holds according to an old state is deleted at the seller.
    async fn holds_gone(&mut self, id: ItemId) -> Result<bool, ModuleError> {
        let item = self.item(id).await?;
        let incarnation = self.store.incarnation(&item).map_err(errors::state)?;
        let Some(row) = self.held_by(&incarnation)? else { return Ok(false) };
        self.lock_license(row.id).await?;
        Ok(is_deleted(&self.read(row.family, row.id).await?))
    }

    /// Ends the orders of a service that were sent before the one with this number.
    pub(in crate::engine) async fn end_older_orders(&mut self, item: ItemId, number: u32) -> Result<(), ModuleError> {
        for intent in self.store.open_intents_of_item(item).map_err(errors::state)? {
            let Some(Mark::Order { number: older, .. }) = intent.request.as_order().map(|order| &order.mark) else {
                continue;
            };
            if *older >= number {
                return Err(order_open(item, intent.id.0));
            }
            if intent.status == IntentStatus::FreeWhenAppears {
                continue;
            }
            let reason = text!(
                "order {older} of service {item} is over: order {number} followed it",
                "заказ {older} услуги {item} завершён: за ним был заказ {number}"
            );
            self.note(&reason);
            self.write_event(&intent, IntentEvent::FreeWhenAppears, &reason).await?;
        }
        Ok(())
    }

    /// True if a license may belong to the present incarnation; the list that pointed to it may have had no dates. A
    /// license from the pool is older than its service, which shows it.
    async fn is_of_incarnation(&mut self, id: ItemId, seen: &License) -> Result<bool, ModuleError> {
        let item = self.item(id).await?;
        Ok(item.params.licid == Some(seen.id) || crate::plan::reconcile::is_young_enough(&item, seen.created))
    }

    async fn take_in_free(&mut self, family: Family, seen: &License) -> Result<Text, ModuleError> {
        let (account, module, id) = (self.account, self.module, seen.id);
        let product = seen.tariff.id().and_then(|pricelist| self.rules.catalogue.by_pricelist(pricelist));
        let internal_name = product.map_or_else(String::new, |product| product.internal_name.clone());
        let pricelist = seen.tariff.id().or(product.map(|product| product.pricelist)).ok_or_else(|| not_marked(id))?;
        let nodes = product.and_then(|product| product.nodes_addon).and_then(|addon| seen.addons.get(&addon).copied());
        let mark = seen.remoteid.mark_of(&self.panel_id);
        let item = match &mark {
            Some(Mark::Order { item, .. }) => Some(*item),
            Some(Mark::Pool { .. }) | None => None,
        };
        let reason = text!("license {id} was lost and is taken in", "лицензия {id} была потеряна и принята");
        self.note(&reason);
        let (seen, rests_until, store) = (seen.clone(), self.rests_until(seen), self.store.clone());
        self.commit("take in", move |tx| {
            let binding = Binding {
                account,
                family,
                module,
                internal_name: &internal_name,
                mark: mark.as_ref(),
                pricelist,
                nodes,
            };
            tx.put_license(&binding, &seen, LicenseState::ToFree, item, None)?;
            if let Some(until) = rests_until
                && let Some(row) = store.license(account, id)?
            {
                tx.put_off(&row, Some(until), Some(&Reason::JustAppeared))?;
            }
            tx.note(item, Some((account, id)), "to_free", &reason)
        })
        .await?;
        match rests_until {
            Some(until) => {
                let until = until.format("%Y-%m-%d %H:%M UTC");
                Ok(text!(
                    "license {id} is taken in. It is too new to be freed now: sync frees it after {until}",
                    "лицензия {id} принята. Она слишком новая, чтобы освободить её сейчас: sync освободит её после {until}"
                ))
            }
            None => self.free_now(id).await,
        }
    }

    /// An old state stays old until everything that it missed has been added. A license that cannot be added at all is
    /// reported, and does not hold up the others.
    pub(in crate::engine) async fn renew_state(&mut self, number: u32) -> Result<Text, ModuleError> {
        if self.is_left_out {
            return Err(left_out());
        }
        let reason = text!("the state goes on from number {number}", "состояние продолжает с номера {number}");
        let note = reason.clone();
        self.commit("renew state", move |tx| {
            tx.raise_last_number(number)?;
            tx.set_meta(TAKEN_IN, &number.to_string())?;
            tx.remove_meta(RESTORED)?;
            tx.note(None, None, "renew_state", &note)
        })
        .await?;
        Ok(reason)
    }

    /// Fails for a restored state: it does not know what was done since, so nothing is changed until reconcile has
    /// added that.
    pub(in crate::engine) fn check_restored(&self) -> Result<(), ModuleError> {
        match self.store.meta(RESTORED).map_err(errors::state)? {
            None => Ok(()),
            Some(when) => Err(ModuleError::new(
                ErrorKind::State,
                "restored",
                &when,
                text!("The state was restored from a backup, or found to be an old one, at {when}, and has missed purchases", "Состояние восстановлено из копии или оказалось старым ({when}) и не видело части покупок"),
            )
                .changed(text!("Nothing was changed", "Ничего не изменено"))
                .next(text!(
                    "run: pmisplicense reconcile --apply",
                    "выполните: pmisplicense reconcile --apply"
                ))),
        }
    }
}

fn old_state(license: LicenseId, mark: &Mark) -> ModuleError {
    ModuleError::new(
        ErrorKind::State,
        "licid",
        license,
        text!("License {license} bears our mark {mark}, which this state never gave out: the state is old, or was begun anew", "На лицензии {license} наша метка {mark}, а это состояние её не выдавало: оно устарело или начато заново"),
    )
        .halted(Halt::Unrecognized)
        .changed(text!("Nothing was bought", "Ничего не куплено"))
        .next(text!("run: pmisplicense reconcile --apply", "выполните: pmisplicense reconcile --apply"))
}

fn left_out() -> ModuleError {
    ModuleError::new(
        ErrorKind::State,
        "restored",
        "",
        text!(
            "Not everything was taken in yet, so the state still counts as old",
            "Принято ещё не всё, поэтому состояние пока считается старым"
        ),
    )
    .next(text!("run again: pmisplicense reconcile --apply", "повторите: pmisplicense reconcile --apply"))
}
