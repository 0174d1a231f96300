//! An old state: restored from a backup, copied, or lost. With it, the program only reads until reconcile has added
//! what the state missed, which it learns from the marks of licenses (docs/money-safety.md 4 and 6).

use chrono::{DateTime, Utc};

use crate::error::{ErrorKind, Halt, ModuleError, Text};
use crate::model::ids::{AccountId, ItemId, LicenseId, Mark, ModuleId};
use crate::model::item::MODULE_PROGRAM;
use crate::model::journal::{IntentEvent, IntentStatus, Note};
use crate::model::license::{Family, License, RemoteId};
use crate::model::license_row::LicenseState;
use crate::model::reason::Reason;
use crate::plan::bind::{BindOptions, Consent};
use crate::plan::halt::may_pass;
use crate::plan::old_state::{is_forgotten, missed_order};
use crate::ports::LockName;
use crate::store::{Binding, RESTORED, Store, StoreError};
use crate::text;

use crate::engine::reconcile::wording::{not_marked, order_open};
use crate::engine::{Engine, errors, is_gone};

/// Most licenses that are opened before the first order from an account, the newest first.
const MAX_OPENED: usize = 60;

impl Engine<'_> {
    /// Fails when the seller shows marks of ours that this state never gave out: the state is an old copy, or belongs
    /// to another installation (docs/money-safety.md 6).
    ///
    /// # Errors
    /// `state`: nothing may be changed until `reconcile --apply` has added what the state missed.
    pub(in crate::engine) async fn check_marks(&mut self, rows: &[License]) -> Result<(), ModuleError> {
        let last = self.known_number()?;
        for row in rows {
            if let Some(mark) = row.remoteid.mark_of(&self.panel_id)
                && (missed_order(Some(&mark), last).is_some() || self.has_forgotten(row.id, &mark, last)?)
            {
                // Not every run reads a list, so the state remembers this for the next ones.
                let now = moment(self.now());
                self.commit("state is old", |tx| tx.set_old(&now)).await?;
                return Err(old_state(row.id, &mark));
            }
        }
        Ok(())
    }

    /// As [`Engine::check_marks`], for licenses that the list shows without their marks. A state that was begun anew
    /// gives out the same marks again, and would take a license of the lost state for the one that its order bought.
    ///
    /// # Errors
    /// `state`, as [`Engine::check_marks`].
    pub(in crate::engine) async fn check_unlisted_marks(
        &mut self,
        family: Family,
        rows: &[License],
    ) -> Result<(), ModuleError> {
        let completed = self.store.completed_number(self.account).map_err(errors::state)?;
        if completed.is_some() || self.returns_remoteid()? == Some(false) {
            return Ok(());
        }
        let may_hide_a_mark = |row: &&License| row.remoteid == RemoteId::Absent && !row.is_deleted();
        let is_unknown = |row: &&License| matches!(self.store.license(self.account, row.id), Ok(None));
        let hidden = rows.iter().filter(may_hide_a_mark).filter(is_unknown);
        let mut ids: Vec<LicenseId> = hidden.map(|row| row.id).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        for id in ids.into_iter().take(MAX_OPENED) {
            let read = match self.try_read(family, id).await? {
                Err(_) => {
                    // No later order looks again, so it is read once more, unless the seller is away.
                    self.check_account().await?;
                    self.try_read(family, id).await?
                }
                read @ Ok(_) => read,
            };
            // A license that the seller never lets be read proves nothing, and must not stop every order.
            let Ok(Some(seen)) = read else { continue };
            if seen.remoteid == RemoteId::Absent {
                // This seller shows it nowhere.
                return Ok(());
            }
            self.check_marks(&[seen]).await?;
        }
        Ok(())
    }

    /// Whether a license bears a mark that this state never gave out. A state that was begun anew gives out the same
    /// numbers again. `known`: the newest running number that this state knows.
    fn has_forgotten(&self, license: LicenseId, mark: &Mark, known: u32) -> Result<bool, ModuleError> {
        match self.store.license(self.account, license) {
            Ok(None) => {}
            Ok(Some(_)) => return Ok(false),
            // A row that cannot be used also proves that the license is known. The next run that reads the row reports
            // it.
            Err(error) if error.is_of_one_row() => return Ok(false),
            Err(error) => return Err(errors::state(error)),
        }
        let completed = self.store.completed_number(self.account).map_err(errors::state)?;
        is_forgotten(mark, known, completed, || self.was_ordered(mark))
    }

    /// Whether an order that this state knows has that mark. A row that cannot be used may be that order.
    fn was_ordered(&self, mark: &Mark) -> Result<bool, ModuleError> {
        let Mark::Order { item, .. } = mark else { return Ok(false) };
        match self.store.orders_of_item(*item) {
            Ok(orders) => Ok(orders.iter().any(|intent| intent.request.as_order().is_some_and(|it| it.mark == *mark))),
            Err(error) if error.is_of_one_row() => Ok(true),
            Err(error) => Err(errors::state(error)),
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
        let mark = seen.remoteid.mark_of(&self.panel_id);
        let missed = missed_order(mark.as_ref(), self.known_number()?);
        let is_known = known.is_some_and(|row| row.state != LicenseState::Deleted);
        // A license that is free according to an old state was given to a service since: its mark is newer than the
        // state.
        if is_known && missed.is_none() {
            return Ok(by_now());
        }
        if mark.is_none() {
            return Err(not_marked(license));
        }
        match item {
            Some(id) if self.is_of_incarnation(id, &seen).await? => {
                let (consent, by_operator) = (Consent::default(), false);
                let options = BindOptions { consent, by_operator, mark: true, reason: None, ends_older: None };
                let options = match missed {
                    Some(_) => {
                        let consent = Consent { replace: self.holds_gone(id).await?, ..Consent::default() };
                        BindOptions { consent, ends_older: missed, ..options }
                    }
                    None => options,
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
        let Some(row) = self.bound_license(&incarnation)? else { return Ok(false) };
        self.lock_license(row.id).await?;
        Ok(is_gone(self.read(row.family, row.id).await?.as_ref()))
    }

    /// Ends the orders of a service that were sent before the one with this number.
    pub(in crate::engine) async fn end_older_orders(&mut self, item: ItemId, number: u32) -> Result<(), ModuleError> {
        for intent in self.store.open_intents_of_item(item).map_err(errors::state)? {
            let Some(Mark::Order { number: older, .. }) = intent.request.as_order().map(|order| &order.mark) else {
                continue;
            };
            if *older >= number {
                return Err(order_open(item, &intent));
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
            tx.note(item, Some((account, id)), Note::State(LicenseState::ToFree), &reason)
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

    /// The state is complete for this account after everything that it missed there has been added. A license that
    /// cannot be added at all is reported, and does not hold up the others. The other accounts stay old until they are
    /// compared themselves.
    pub(in crate::engine) async fn complete_state(&mut self, number: u32) -> Result<Text, ModuleError> {
        if self.is_left_out {
            return Err(left_out());
        }
        let reason = text!("the state goes on from number {number}", "состояние продолжает с номера {number}");
        let (account, note, store, modules) = (self.account, reason.clone(), self.store.clone(), self.our_modules()?);
        let now = self.now_at_latest();
        let others = self.commit("complete state", move |tx| {
            // The comparison itself may have shown that the state is old. Then it is old for the other accounts too.
            if store.meta(RESTORED)?.is_none() {
                tx.set_old(&moment(now))?;
            }
            tx.set_complete(account, number, now)?;
            let others = old_modules(&store, &modules)?;
            if others.is_empty() {
                tx.end_old()?;
            }
            tx.note(None, None, Note::StateRenewed, &note)?;
            Ok(others)
        });
        let others = others.await?.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if others.is_empty() {
            return Ok(reason);
        }
        Ok(text!(
            ["{}. It stays old for other modules until they are compared too: {others}", reason.en],
            ["{}. Для других модулей оно остаётся старым, пока не сверены и они: {others}", reason.ru]
        ))
    }

    /// Whether reconcile has to end the old state for this account: it is old for it, or for no module that the panel
    /// still has.
    pub(in crate::engine) fn has_to_complete(&mut self) -> Result<bool, ModuleError> {
        if self.store.meta(RESTORED).map_err(errors::state)?.is_none() {
            return Ok(false);
        }
        let is_old = self.store.old_since(self.account).map_err(errors::state)?.is_some();
        let modules = self.our_modules()?;
        Ok(is_old || old_modules(&self.store, &modules).map_err(errors::state)?.is_empty())
    }

    fn our_modules(&mut self) -> Result<Vec<ModuleId>, ModuleError> {
        let modules = self.ports.billdb.modules().map_err(|error| errors::database(&error))?;
        Ok(modules.iter().filter(|module| module.program == MODULE_PROGRAM).map(|module| module.id).collect())
    }

    /// The newest running number that this state knows of its account, without what it may have missed there.
    pub(in crate::engine) fn known_number(&self) -> Result<u32, ModuleError> {
        self.store.known_number(self.account).map_err(errors::state)
    }

    /// Fails for a restored state: it does not know what was done since, so nothing is changed until reconcile has
    /// added that.
    pub(in crate::engine) fn check_restored(&self) -> Result<(), ModuleError> {
        self.check_complete(self.account)
    }

    /// As [`Engine::check_restored`], for any account.
    pub(in crate::engine) fn check_complete(&self, account: AccountId) -> Result<(), ModuleError> {
        match self.store.old_since(account).map_err(errors::state)? {
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

/// The moment at which the state became old, as messages show it.
fn moment(now: DateTime<Utc>) -> String {
    now.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The modules whose accounts are not complete yet. An account that the state does not know may be one that it missed.
fn old_modules(store: &Store, modules: &[ModuleId]) -> Result<Vec<ModuleId>, StoreError> {
    let mut old = Vec::new();
    for module in modules {
        let is_old = match store.account_of_module(*module)? {
            Some(account) => store.old_since(account.id)?.is_some(),
            None => true,
        };
        if is_old {
            old.push(*module);
        }
    }
    Ok(old)
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
