//! What a person orders about one service or one license: bind, unbind, obtain, take in. The same journal, locks
//! and looks as for the panel's commands; nothing foreign is touched unless it is named.

use crate::error::{ModuleError, Text};
use crate::model::catalogue::Product;
use crate::model::held::{LicenseRow, LicenseState};
use crate::model::ids::{ItemId, LicenseId, Mark};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::ItemLife;
use crate::model::license::{Family, License};
use crate::model::reason::Reason;
use crate::plan::change::differences;
use crate::plan::order::{Wanted, wanted};
use crate::ports::{Edit, LockName, PanelCall, Repeatable};
use crate::store::Binding;
use crate::text;

use super::doubt::order_of;
use super::repair_errors::{
    another_installation, closed, has_license, no_key, not_yet, order_open, serves_another, wants_nothing,
};
use super::{Engine, errors, is_deleted};

/// How a person wants a license bound.
pub(super) struct Word {
    /// What the service holds is freed.
    pub(super) replace: bool,
    /// It is marked as ours, and does not renew itself from now on.
    pub(super) mark: bool,
    /// Why, for the journal; `None`: by hand.
    pub(super) reason: Option<Text>,
    /// The number in the license's mark, where that proves that older orders of the service are over: what they bought
    /// is freed when it appears. `None`: an open order stands in the way.
    pub(super) ends_older: Option<u32>,
}

impl Engine<'_> {
    /// Binds a license to a service, a foreign one too: a person says so. `replace`: what the service holds is freed.
    ///
    /// # Errors
    /// `bad_value`: the license serves another service, or is marked by another installation; `missed`: the service has
    /// a license; `license_gone`.
    pub async fn bind(&mut self, item: ItemId, license: LicenseId, replace: bool) -> Result<Text, ModuleError> {
        self.check_restored()?;
        let result =
            self.bind_locked(item, license, Word { replace, mark: true, reason: None, ends_older: None }).await;
        self.held.clear();
        result
    }

    pub(super) async fn bind_locked(
        &mut self,
        id: ItemId,
        license: LicenseId,
        word: Word,
    ) -> Result<Text, ModuleError> {
        self.lock(LockName::Item(id)).await?;
        let item = self.item(id).await?;
        if item.status == ItemStatus::Deleted {
            return Err(closed(id));
        }
        let life = self.life_of(&item)?;
        if word.ends_older.is_none() {
            self.no_open_order(id)?;
        }
        let before = self.held_by(&life)?;
        if let Some(row) = &before
            && row.id != license
            && !word.replace
        {
            return Err(has_license(id, row.id, license));
        }
        let Wanted::Product(product) = wanted(&item, &self.rules.panel_addons, &self.rules.catalogue)? else {
            return Err(wants_nothing(id));
        };
        self.lock_license(license).await?;
        let known = self.store.license(self.account, license).map_err(errors::state)?;
        if let Some(row) = &known {
            if row.life.is_some() && row.item != Some(id) {
                return Err(serves_another(license, row.item));
            }
            self.settle_license(row).await?;
        }
        let family = known.as_ref().map_or(product.family, |row| row.family);
        let seen = self.read(family, license).await?;
        if is_deleted(&seen) {
            return Err(errors::license_gone(Some(id), license));
        }
        let Some(seen) = seen else { return Err(errors::license_gone(Some(id), license)) };
        if let Some(mark) = seen.remoteid.mark().filter(|mark| *mark.panel() != self.panel_id) {
            return Err(another_installation(license, &mark));
        }
        let replaced = before.filter(|row| row.id != license);
        if let Some(number) = word.ends_older {
            self.end_older_orders(id, number).await?;
        }
        let pair = (&item, &life);
        let row = self.write_binding(pair, family, product, &seen, replaced.clone(), &word).await?;
        let seen = if word.mark { self.mark_bound(&row, seen).await? } else { seen };
        self.hand_out(&item, &row, product, seen).await?;
        self.settle_end(&item).await?;
        let mut done =
            text!("license {license} is bound to service {id}", "лицензия {license} привязана к услуге {id}");
        if let Some(old) = replaced {
            let old = self.store.license(old.account, old.id).map_err(errors::state)?.unwrap_or(old);
            self.free(&item, &old).await?;
            let old = old.id;
            done = text!(["{}; license {old} goes to the pool", done.en], ["{}; лицензия {old} уходит в пул", done.ru]);
        }
        Ok(done)
    }

    /// One transaction: what the life held steps back, the license is the life's, its mark is reserved.
    async fn write_binding(
        &mut self,
        (item, life): (&Item, &ItemLife),
        family: Family,
        product: &Product,
        seen: &License,
        replaced: Option<LicenseRow>,
        word: &Word,
    ) -> Result<LicenseRow, ModuleError> {
        let (account, module, panel) = (self.account, self.module, self.panel_id.clone());
        let (id, license) = (item.id, seen.id);
        let by_hand = || {
            text!(
                "license {license} bound to service {id} by hand",
                "лицензия {license} привязана к услуге {id} вручную"
            )
        };
        let reason = word.reason.clone().unwrap_or_else(by_hand);
        self.note(&reason);
        let nodes = product.nodes_addon.and_then(|addon| seen.addons.get(&addon).copied());
        let known = self.store.license(account, license).map_err(errors::state)?.and_then(|row| row.mark);
        self.commit("bind by hand", |tx| {
            tx.set_choice(item, &product.internal_name)?;
            if let Some(old) = &replaced {
                tx.release_license(old, LicenseState::ToFree, None, Some(&Reason::ReplacedByHand))?;
                tx.note(old.item, Some((old.account, old.id)), "to_free", &reason)?;
            }
            // A mark of ours stays: it says for whom it was bought.
            let mark = match seen.remoteid.mark_of(&panel) {
                Some(mark @ Mark::Order { item: of, .. }) if of == id => Some(mark),
                Some(Mark::Order { .. } | Mark::Pool { .. }) | None if word.mark => Some(tx.next_mark(&panel, id)?),
                Some(Mark::Order { .. } | Mark::Pool { .. }) | None => known,
            };
            let binding = Binding {
                account,
                family,
                module,
                internal_name: &product.internal_name,
                mark: mark.as_ref(),
                pricelist: seen.tariff.id().unwrap_or(product.pricelist),
                nodes,
            };
            tx.put_license(&binding, seen, LicenseState::Bound, Some(id), Some(life))?;
            tx.note(Some(id), Some((account, license)), "bound", &reason)
        })
        .await?;
        let row = self.store.license(account, license).map_err(errors::state)?;
        row.ok_or_else(|| errors::license_gone(Some(id), license))
    }

    /// From now on it bears our mark, and upstream does not renew it by itself.
    async fn mark_bound(&mut self, row: &LicenseRow, seen: License) -> Result<License, ModuleError> {
        let marked = row.mark.as_ref().is_some_and(|mark| seen.remoteid.is(mark));
        if marked && seen.autoprolong != Some(true) {
            return Ok(seen);
        }
        let remoteid = row.mark.as_ref().map(ToString::to_string);
        let edit = Edit { remoteid, no_autoprolong: true, ..Edit::default() };
        let what = text!("marking license {}", "пометка лицензии {}", row.id);
        self.change(row, &Repeatable::Edit(edit), &what).await?;
        let after = self.read(row.family, row.id).await?;
        let after = after.ok_or_else(|| errors::license_gone(row.item, row.id))?;
        self.refresh(row, &after).await?;
        Ok(after)
    }
    pub(super) fn no_open_order(&self, item: ItemId) -> Result<(), ModuleError> {
        let open = self.store.open_wishes_of_item(item).map_err(errors::state)?;
        match open.iter().find(|wish| order_of(wish).is_some()) {
            Some(wish) => Err(order_open(item, wish.id.0)),
            None => Ok(()),
        }
    }

    /// Ends what a service holds, whatever life it was bound to: freed, and no longer shown.
    ///
    /// # Errors
    /// `missed`: it holds nothing and shows nothing; `config`: what it holds was bound with another account.
    pub async fn unbind(&mut self, item: ItemId) -> Result<Text, ModuleError> {
        self.check_restored()?;
        let result = self.unbind_locked(item).await;
        self.held.clear();
        result
    }

    async fn unbind_locked(&mut self, id: ItemId) -> Result<Text, ModuleError> {
        self.lock(LockName::Item(id)).await?;
        self.no_open_order(id)?;
        let mut rows = self.store.licenses_of_item(id).map_err(errors::state)?;
        rows.retain(|row| row.life.is_some());
        if let Some(row) = rows.iter().find(|row| row.account != self.account) {
            return Err(self.other_account(id, row)?);
        }
        let mut freed = Vec::new();
        for row in &rows {
            self.release_by_hand(row).await?;
            freed.push(row.id.to_string());
        }
        self.step("read item").await?;
        let item = self.ports.billdb.item(id).map_err(|error| errors::database(&error))?;
        let shows = item.as_ref().is_some_and(|item| item.params.licid.is_some() || item.params.lickey.is_some());
        if let Some(item) = item.filter(|_| shows) {
            let values = vec![("lickey", String::new()), ("licid", String::new())];
            let call = PanelCall::SaveParams { item: item.id, values };
            self.panel_call(&call).await?.map_err(|error| errors::panel(&error, "service.saveparam", id))?;
        }
        if freed.is_empty() && !shows {
            return Err(errors::no_license(id));
        }
        let list = if freed.is_empty() { "-".to_owned() } else { freed.join(", ") };
        Ok(text!(
            "service {id} holds no license any more; freed: {list}",
            "у услуги {id} больше нет лицензии; освобождены: {list}"
        ))
    }

    /// Written down first, then carried out; what upstream refuses now sync carries out later.
    pub(super) async fn release_by_hand(&mut self, row: &LicenseRow) -> Result<(), ModuleError> {
        self.lock_license(row.id).await?;
        let (id, held) = (row.id, row.clone());
        let reason =
            text!("license {id} is to be freed: a person said so", "лицензию {id} освободить: так решил человек");
        self.note(&reason);
        self.commit("to free", move |tx| {
            tx.release_license(&held, LicenseState::ToFree, None, None)?;
            tx.note(held.item, Some((held.account, held.id)), "to_free", &reason)
        })
        .await?;
        let row = self.store.license(row.account, id).map_err(errors::state)?.unwrap_or_else(|| row.clone());
        if let Err(error) = self.free_upstream(&row).await {
            self.warn(&text!("license {id} is freed later: {error}", "лицензия {id} будет освобождена позже: {error}"));
        }
        Ok(())
    }

    /// A license for a paid service that has none: its own that was lost, from the pool, or bought.
    pub(super) async fn obtain(&mut self, id: ItemId) -> Result<Text, ModuleError> {
        self.lock(LockName::Item(id)).await?;
        let item = self.item(id).await?;
        if !crate::plan::renew::is_paid(&item, self.today()) {
            return Err(errors::no_license(id));
        }
        let life = self.life_of(&item)?;
        let Wanted::Product(product) = wanted(&item, &self.rules.panel_addons, &self.rules.catalogue)? else {
            return Err(wants_nothing(id));
        };
        let license = self.obtain_for(&item, &life, product).await?;
        Ok(text!("service {id} has license {license}", "у услуги {id} лицензия {license}"))
    }

    async fn obtain_for(&mut self, item: &Item, life: &ItemLife, product: &Product) -> Result<LicenseId, ModuleError> {
        let (row, seen) = self.ensure_license(item, life, product).await?;
        self.hand_out(item, &row, product, seen).await?;
        self.settle_end(item).await?;
        Ok(row.id)
    }
    /// Frees a license that serves nobody, or whose service is closed by now.
    pub(super) async fn free_now(&mut self, license: LicenseId) -> Result<Text, ModuleError> {
        let row = self.store.license(self.account, license).map_err(errors::state)?;
        let row = row.ok_or_else(|| errors::license_gone(None, license))?;
        if row.life.is_some() {
            let id = row.item.unwrap_or(ItemId(0));
            self.lock(LockName::Item(id)).await?;
            let item = self.item(id).await?;
            if item.status != ItemStatus::Deleted {
                return Err(serves_another(license, row.item));
            }
            self.free(&item, &row).await?;
            let life = self.store.life(&item).map_err(errors::state)?;
            self.commit("end life", move |tx| tx.end_life(&life)).await?;
        } else {
            self.lock_license(license).await?;
            self.free_upstream(&row).await?;
        }
        let after = self.store.license(self.account, license).map_err(errors::state)?;
        let state = after.as_ref().map_or("-", |row| row.state.word());
        Ok(text!("license {license} is {state} now", "лицензия {license}: теперь {state}"))
    }

    /// Switches automatic renewal off for a license of ours that nobody uses.
    pub(super) async fn switch_off(&mut self, license: LicenseId) -> Result<Text, ModuleError> {
        self.lock_license(license).await?;
        let row = self.store.license(self.account, license).map_err(errors::state)?;
        let row = row.ok_or_else(|| errors::license_gone(None, license))?;
        let seen = self.read(row.family, license).await?.ok_or_else(|| errors::license_gone(None, license))?;
        if let Some(mark) = seen.remoteid.mark().filter(|mark| *mark.panel() != self.panel_id) {
            return Err(another_installation(license, &mark));
        }
        self.no_autoprolong(&row).await?;
        Ok(text!("automatic renewal of license {license} is off", "автопродление лицензии {license} отключено"))
    }

    /// Looks at a service as sync does, then says whether anything still differs.
    pub(super) async fn look(&mut self, id: ItemId) -> Result<Text, ModuleError> {
        self.lock(LockName::Item(id)).await?;
        let item = self.item(id).await?;
        self.sync_item(&item).await?;
        let item = self.item(id).await?;
        let life = self.store.life(&item).map_err(errors::state)?;
        let Some(row) = self.held_by(&life)? else {
            return Ok(text!("service {id} looked at", "услуга {id} просмотрена"));
        };
        let seen = self.read(row.family, row.id).await?;
        let Some(seen) = seen else { return Err(errors::license_gone(Some(id), row.id)) };
        let left = match wanted(&item, &self.rules.panel_addons, &self.rules.catalogue) {
            Ok(Wanted::Product(product)) => {
                let target = self.target(&item, self.served(&item, product))?;
                differences(&item, &target, &row, &seen, self.today()).len()
            }
            Ok(Wanted::Nopanel) | Err(_) => 0,
        };
        if left > 0 {
            return Err(not_yet(id, row.id));
        }
        if seen.key.is_none() {
            return Err(no_key(id, row.id));
        }
        Ok(text!("service {id} is right", "услуга {id} в порядке"))
    }

    /// A license of whichever family.
    pub(super) async fn read_any(&mut self, license: LicenseId) -> Result<(Family, License), ModuleError> {
        for family in [Family::Soft, Family::SoftExternal] {
            if let Some(seen) = self.read(family, license).await?
                && !is_deleted(&Some(seen.clone()))
            {
                return Ok((family, seen));
            }
        }
        Err(errors::license_gone(None, license))
    }
}
