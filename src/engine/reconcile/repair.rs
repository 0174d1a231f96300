//! Actions of an operator or a remedy of reconcile on one service or one license: unbind, obtain, free. Journal, locks
//! and looks are those of the panel's commands. A foreign license is touched only when it is named. Binding is in
//! `bind.rs`, moving in `moving.rs`.

use crate::error::{ModuleError, Text};
use crate::model::catalogue::Product;
use crate::model::ids::{ItemId, LicenseId};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{Incarnation, Note};
use crate::model::license::{Family, License};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::plan::change::differences;
use crate::plan::choice::{Choice, choice_of};
use crate::plan::finding::GivenBack;
use crate::plan::identity::is_our_mark;
use crate::plan::reason::state_words;
use crate::ports::{LockName, PanelCall};
use crate::store::StoreError;
use crate::text;

use crate::engine::hosting::by_hand::left_on_orders;
use crate::engine::identity::account::freed_in;
use crate::engine::reconcile::wording::{
    changed_hands, marked_by_another, no_key, not_yet, order_open, serves_another, wants_nothing,
};
use crate::engine::{Engine, errors};

impl Engine<'_> {
    pub(in crate::engine) fn no_open_order(&self, item: ItemId) -> Result<(), ModuleError> {
        let open = self.store.open_intents_of_item(item).map_err(errors::state)?;
        match open.iter().find(|intent| intent.request.as_order().is_some()) {
            Some(intent) => Err(order_open(item, intent)),
            None => Ok(()),
        }
    }

    /// Takes its license from a service, whatever incarnation it is bound to: the license is freed, and the service no
    /// longer shows it. A license of another account is written down as to be freed there, as by a close.
    ///
    /// # Errors
    /// `missed`: the service holds and shows no license; `state`: another service shows its license too, or the state
    /// is old for the account of one of its licenses.
    pub async fn unbind(&mut self, item: ItemId) -> Result<Text, ModuleError> {
        self.changing(async |engine: &mut Self| engine.unbind_locked(item).await).await
    }

    async fn unbind_locked(&mut self, id: ItemId) -> Result<Text, ModuleError> {
        self.lock(LockName::Item(id)).await?;
        self.no_open_order(id)?;
        let mut rows = self.store.licenses_of_item(id).map_err(errors::state)?;
        rows.retain(|row| row.incarnation.is_some());
        for row in &rows {
            self.check_complete(row.account)?;
            self.check_no_heir(row).await?;
        }
        let (mut freed, mut on_orders, mut then) = (Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            if row.family.stays_on_order() {
                self.leave_addon(row).await?;
                on_orders.push(row.id.to_string());
            } else if row.account == self.account {
                self.release_by_hand(row).await?;
                freed.push(row.id.to_string());
            } else {
                self.release_elsewhere(row).await?;
                then.push(self.freed_elsewhere(row)?);
            }
        }
        self.step("read item").await?;
        let item = self.ports.billdb.item(id).map_err(|error| errors::database(&error))?;
        let shows = item.as_ref().is_some_and(|item| item.params.licid.is_some() || item.params.lickey.is_some());
        if let Some(item) = item.filter(|_| shows) {
            let shown = self.shown_order(&item).await?.filter(|order| rows.iter().all(|row| row.id != *order));
            on_orders.extend(shown.map(|order| order.to_string()));
            let values = vec![("lickey", String::new()), ("licid", String::new())];
            let call = PanelCall::SaveParams { item: item.id, values };
            self.panel_call(&call).await?.map_err(|error| errors::panel(&error, "service.saveparam", id))?;
        }
        if rows.is_empty() && !shows {
            return Err(errors::no_license(id));
        }
        if !on_orders.is_empty() {
            then.push(left_on_orders(&on_orders.join(", ")));
        }
        let list = if freed.is_empty() { "-".to_owned() } else { freed.join(", ") };
        let done = text!(
            "service {id} holds no license any more; freed: {list}",
            "у услуги {id} больше нет лицензии; освобождены: {list}"
        );
        let and = |done: Text, more: &Text| text!(["{}. {}", done.en, more.en], ["{}. {}", done.ru, more.ru]);
        Ok(then.iter().fold(done, and))
    }

    /// Writes down that a license of another account is to be freed there.
    async fn release_elsewhere(&mut self, row: &LicenseRow) -> Result<(), ModuleError> {
        let row = self.lock_as_read(row).await?.ok_or_else(|| changed_hands(row.id))?;
        let reason = text!(
            "license {} is to be freed in its account: an operator said so",
            "лицензию {} освободить в её учётной записи: так решил оператор",
            row.id
        );
        self.note(&reason);
        self.commit("to free", move |tx| {
            tx.release_license(&row, LicenseState::ToFree, None, None)?;
            tx.note(row.item, Some((row.account, row.id)), Note::State(LicenseState::ToFree), &reason)
        })
        .await
    }

    /// Who frees a license of another account, in words.
    pub(in crate::engine) fn freed_elsewhere(&mut self, row: &LicenseRow) -> Result<Text, ModuleError> {
        let is_bought_from = self.is_bought_from(row.account)?;
        let missing = || StoreError::Unusable("the account of a license is missing".to_owned());
        let account = self.store.account(row.account).and_then(|found| found.ok_or_else(missing));
        Ok(freed_in(row.id, &account.map_err(errors::state)?, is_bought_from))
    }

    /// Writes down that a license is to be freed, then frees it. If the seller refuses now, sync does it later.
    pub(in crate::engine) async fn release_by_hand(&mut self, row: &LicenseRow) -> Result<(), ModuleError> {
        let row = self.lock_as_read(row).await?.ok_or_else(|| changed_hands(row.id))?;
        let (id, bound) = (row.id, row.clone());
        let was_in_use = row.state == LicenseState::Bound;
        let reason =
            text!("license {id} is to be freed: an operator said so", "лицензию {id} освободить: так решил оператор");
        self.note(&reason);
        self.commit("to free", move |tx| {
            tx.release_license(&bound, LicenseState::ToFree, None, None)?;
            tx.note(bound.item, Some((bound.account, bound.id)), Note::State(LicenseState::ToFree), &reason)
        })
        .await?;
        let row = self.store.license(row.account, id).map_err(errors::state)?.unwrap_or(row);
        let freed = self.free_upstream(&row, was_in_use).await;
        self.unless_sync_frees_it(&row, freed)
    }

    /// A license for a paid service that has none: its own that was lost, from the pool, or bought.
    pub(in crate::engine) async fn obtain(&mut self, id: ItemId) -> Result<Text, ModuleError> {
        self.lock(LockName::Item(id)).await?;
        let item = self.item(id).await?;
        if !crate::plan::renew::is_paid(&item, self.today()) {
            return Err(errors::no_license(id));
        }
        if self.sells_addons() {
            return self.obtain_addon(&item).await;
        }
        let incarnation = self.incarnation_of(&item).await?;
        let Choice::Product(product) = choice_of(&item, &self.rules.panel_addons, &self.rules.catalogue)? else {
            return Err(wants_nothing(id));
        };
        let license = self.obtain_for(&item, &incarnation, product).await?;
        Ok(text!("service {id} has license {license}", "у услуги {id} лицензия {license}"))
    }

    async fn obtain_for(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        product: &Product,
    ) -> Result<LicenseId, ModuleError> {
        let (row, seen) = self.ensure_license(item, incarnation, product).await?;
        self.hand_out(item, &row, product, seen).await?;
        self.settle_end(item).await?;
        Ok(row.id)
    }

    /// Frees a license that serves nobody, or whose service is closed now or gave it back. The finding may be old, so
    /// only what is read under the locks counts.
    pub(in crate::engine) async fn free_now(&mut self, license: LicenseId) -> Result<Text, ModuleError> {
        if self.sells_addons() {
            return self.free_addon_now(license).await;
        }
        let row = self.store.license(self.account, license).map_err(errors::state)?;
        let row = row.ok_or_else(|| errors::license_gone(None, license))?;
        if let Some(id) = row.item.filter(|_| row.incarnation.is_some()) {
            self.lock(LockName::Item(id)).await?;
            let row = self.lock_as_read(&row).await?.ok_or_else(|| changed_hands(license))?;
            let item = self.item(id).await?;
            let is_closed = item.status == ItemStatus::Deleted;
            if !is_closed && self.why_still_bound(&item, &row).await? != Some(GivenBack::NotFreed) {
                return Err(serves_another(license, row.item));
            }
            let incarnation = self.known_incarnation(&item)?;
            if !is_closed {
                self.check_witness(&item, &incarnation).await?;
            }
            let freed = self.free(&item, &row).await;
            if is_closed && (freed.is_ok() || self.is_put_aside(&row)?) {
                self.commit("end incarnation", move |tx| tx.end_incarnation(&incarnation)).await?;
            }
            freed?;
        } else if row.state == LicenseState::ToFree {
            self.free_upstream(&row, false).await?;
        }
        let after = self.store.license(self.account, license).map_err(errors::state)?;
        let state = after.map_or_else(|| Text::same("-"), |row| state_words(row.state));
        Ok(text!(["license {license} is now: {}", state.en], ["лицензия {license}: теперь {}", state.ru]))
    }

    /// Switches automatic renewal off for a license of ours that nobody uses.
    pub(in crate::engine) async fn switch_off(&mut self, license: LicenseId) -> Result<Text, ModuleError> {
        self.lock_license(license).await?;
        let row = self.store.license(self.account, license).map_err(errors::state)?;
        let row = row.ok_or_else(|| errors::license_gone(None, license))?;
        let seen = self.read(row.family, license).await?.ok_or_else(|| errors::license_gone(None, license))?;
        if let Some(mark) = seen.remoteid.mark().filter(|mark| !is_our_mark(mark, Some(&row), &self.panel_id)) {
            return Err(marked_by_another(license, &mark));
        }
        self.no_autoprolong(&row).await?;
        Ok(text!("automatic renewal of license {license} is off", "автопродление лицензии {license} отключено"))
    }

    /// Looks at a service as sync does, then says whether anything still differs.
    pub(in crate::engine) async fn look(&mut self, id: ItemId) -> Result<Text, ModuleError> {
        if self.sells_addons() {
            return self.look_at_addon(id).await;
        }
        self.lock(LockName::Item(id)).await?;
        let item = self.item(id).await?;
        self.sync_item(&item).await?;
        let item = self.item(id).await?;
        let incarnation = self.store.incarnation(&item).map_err(errors::state)?;
        let Some(row) = self.bound_license(&incarnation)? else {
            return Ok(text!("service {id} looked at", "услуга {id} просмотрена"));
        };
        let seen = self.read(row.family, row.id).await?;
        let Some(seen) = seen else { return Err(errors::license_gone(Some(id), row.id)) };
        let left = match choice_of(&item, &self.rules.panel_addons, &self.rules.catalogue) {
            Ok(Choice::Product(product)) => {
                let desired = self.desired_license(&item, self.served(&item, product))?;
                differences(&item, &desired, &row, &seen, self.today()).len()
            }
            Ok(Choice::Nopanel) | Err(_) => 0,
        };
        if left > 0 {
            return Err(not_yet(id, row.id));
        }
        if seen.key.is_none() && row.family.has_key() {
            return Err(no_key(id, row.id));
        }
        Ok(text!("service {id} is in order", "услуга {id} в порядке"))
    }

    /// Reads a license whose family is not known.
    pub(in crate::engine) async fn read_any(&mut self, license: LicenseId) -> Result<(Family, License), ModuleError> {
        for family in [Family::Soft, Family::SoftExternal] {
            if let Some(seen) = self.read(family, license).await?
                && !seen.is_deleted()
            {
                return Ok((family, seen));
            }
        }
        Err(errors::license_gone(None, license))
    }
}
