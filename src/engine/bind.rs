//! bind: an operator says which license belongs to a service. The change is shown first ([`Engine::preview`]), then the
//! operator is asked, then everything is checked again under the locks. A license moves with its key to the service
//! that shows it, also from a closed service, a former incarnation or a copied number. A license that another client
//! had gets a new key first (docs/money-safety.md 5).

pub(super) mod moving;
pub(super) mod preview;
pub(super) mod steps;

use crate::error::{ModuleError, Text};
use crate::model::catalogue::Product;
use crate::model::ids::{ClientId, ItemId, LicenseId};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{Incarnation, Note, OrderRequest};
use crate::model::license::{Family, License};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::plan::bind::{
    Accepted, BindOptions, Consent, MarkThen, Source, accepted, fits, holder, mark_of_another, mark_then, name_then,
    source,
};
use crate::plan::choice::{Choice, choice_of};
use crate::plan::identity::{KeyFate, Pair, serves};
use crate::plan::reason::state_words;
use crate::ports::{Edit, LockName, Repeatable};
use crate::store::Binding;
use crate::text;

use super::identity::wording::{other_client, other_incarnation, shown_elsewhere};
use super::reconcile::wording::{
    another_installation, another_product, closed, has_license, serves_another, wants_nothing,
};
use super::{Engine, errors};

/// A service and a license as they were read before the binding.
pub(super) struct Found {
    pub(super) item: Item,
    pub(super) incarnation: Incarnation,
    /// The client that our state recorded, where the panel names another one.
    pub(super) former_client: Option<ClientId>,
    /// What the service holds.
    pub(super) bound: Option<LicenseRow>,
    /// What the service asks for.
    pub(super) product: Product,
    pub(super) family: Family,
    pub(super) seen: License,
    /// Our row of the license.
    pub(super) row: Option<LicenseRow>,
    /// The service that the license is taken from.
    pub(super) from: Option<ItemId>,
    pub(super) key: KeyFate,
}

impl Found {
    /// The other license that the service holds, if any.
    pub(super) fn replaced(&self) -> Option<&LicenseRow> {
        self.bound.as_ref().filter(|row| row.id != self.seen.id)
    }

    /// Our row of the license, or one for calls about a license that our state does not have.
    pub(super) fn as_row(&self, engine: &Engine<'_>) -> LicenseRow {
        self.row.clone().unwrap_or_else(|| engine.row_of_foreign(self.family, &self.seen))
    }
}

impl Engine<'_> {
    /// Binds a license to a service, because an operator says so. The license may be foreign.
    ///
    /// # Errors
    /// `bad_value`: the license serves another service, is marked by another installation, or is of another product,
    /// and that was not agreed to; `missed`: the service has a license; `state`: another service shows the license;
    /// `license_gone`; the errors of changing key or address.
    pub async fn bind(&mut self, item: ItemId, license: LicenseId, consent: Consent) -> Result<Text, ModuleError> {
        self.changing(async |engine: &mut Self| match engine.sells_addons() {
            true => engine.bind_addon(item, license, &consent).await,
            false => engine.bind_locked(item, license, BindOptions::of_operator(consent)).await,
        })
        .await
    }

    /// Reads a service and a license, and checks everything that may forbid binding them.
    pub(super) async fn found(
        &mut self,
        id: ItemId,
        license: LicenseId,
        options: &BindOptions,
    ) -> Result<Found, ModuleError> {
        self.lock(LockName::Item(id)).await?;
        let item = self.item(id).await?;
        if item.status == ItemStatus::Deleted {
            return Err(closed(id));
        }
        let (incarnation, former_client) = self.accepted(&item, license, options)?;
        if options.ends_older.is_none() {
            self.no_open_order(id)?;
        }
        let bound = self.bound_license(&incarnation)?;
        if let Some(row) = bound.as_ref().filter(|row| row.id != license && !options.consent.replace) {
            return Err(has_license(id, row.id, license));
        }
        let Choice::Product(product) = choice_of(&item, &self.rules.panel_addons, &self.rules.catalogue)? else {
            return Err(wants_nothing(id));
        };
        let product = product.clone();
        let from = self.taken_from(&item, license, options).await?;
        self.lock_license(license).await?;
        let row = self.store.license(self.account, license).map_err(errors::state)?;
        if let Some(row) = &row {
            self.settle_license(row).await?;
        }
        let family = row.as_ref().map_or(product.family, |row| row.family);
        let seen = self.read(family, license).await?.filter(|seen| !seen.is_deleted());
        let Some(seen) = seen else { return Err(errors::license_gone(Some(id), license)) };
        let last = self.last_license(&item)?;
        let pair = Pair {
            item: &item,
            incarnation: &incarnation,
            last,
            seen: &seen,
            row: row.as_ref(),
            panel: &self.panel_id,
        };
        let key = if options.by_operator { pair.key_fate() } else { KeyFate::Kept };
        let found = Found { item, incarnation, former_client, bound, product, family, seen, row, from, key };
        self.no_objection(&found, options).await?;
        Ok(found)
    }

    /// Checks that the service is the one that our state knows; an operator may say that it is. Returns the client
    /// recorded so far, if it is another one.
    pub(super) fn accepted(
        &self,
        item: &Item,
        license: LicenseId,
        options: &BindOptions,
    ) -> Result<(Incarnation, Option<ClientId>), ModuleError> {
        if !options.by_operator {
            return Ok((self.known_incarnation(item)?, None));
        }
        let (incarnation, standing) = self.standing(item)?;
        match accepted(standing, license) {
            Accepted::Known => Ok((incarnation, None)),
            Accepted::NewClient(known) => Ok((incarnation, Some(known))),
            Accepted::OrderInDoubt(known) => Err(other_client(item, known, None)),
            Accepted::OtherIncarnation(bound) => Err(other_incarnation(item, bound)),
        }
    }

    /// The service that holds the license according to our state. An operator may take the license from it for the
    /// service that shows it.
    async fn taken_from(
        &mut self,
        item: &Item,
        license: LicenseId,
        options: &BindOptions,
    ) -> Result<Option<ItemId>, ModuleError> {
        let row = self.store.license(self.account, license).map_err(errors::state)?;
        let from = match source(item, license, row.as_ref(), options.by_operator) {
            Source::Nobody => return Ok(None),
            Source::Service(from) => from,
            Source::Stays(holder) => return Err(serves_another(license, Some(holder))),
        };
        self.lock(LockName::Item(from)).await?;
        self.no_open_order(from)?;
        let row = self.store.license(self.account, license).map_err(errors::state)?;
        match holder(row.as_ref()) {
            now if now == Some(from) => Ok(now),
            now => Err(serves_another(license, now)),
        }
    }

    /// Objections that only an operator may overrule.
    async fn no_objection(&mut self, found: &Found, options: &BindOptions) -> Result<(), ModuleError> {
        let (id, seen) = (found.item.id, &found.seen);
        if let Some(mark) = mark_of_another(seen, found.row.as_ref(), &self.panel_id, &options.consent) {
            return Err(another_installation(id, seen.id, &mark, found.replaced().is_some()));
        }
        if !options.by_operator {
            return Ok(());
        }
        if let Some(heir) = self.heir_of(&found.as_row(self), Some(id)).await?.filter(|heir| Some(*heir) != found.from)
        {
            return Err(shown_elsewhere(seen.id, heir, self.bound_to_number(heir)?));
        }
        if let Some(old) = found.replaced().cloned() {
            self.check_no_heir(&old).await?;
        }
        let served = self.served(&found.item, &found.product);
        let is_its_own = found.row.as_ref().is_some_and(|row| serves(row, &found.incarnation));
        if !fits(seen, [served, &found.product]) && !is_its_own && !options.consent.other_product {
            return Err(another_product(id, seen, &served.internal_name, found.replaced().is_some()));
        }
        Ok(())
    }

    pub(super) async fn bind_locked(
        &mut self,
        id: ItemId,
        license: LicenseId,
        options: BindOptions,
    ) -> Result<Text, ModuleError> {
        let mut found = self.found(id, license, &options).await?;
        if let Some(number) = options.ends_older {
            self.end_older_orders(id, number).await?;
        }
        let replaced = found.replaced().cloned();
        if options.by_operator && (found.key == KeyFate::New || replaced.is_some()) {
            found.seen = self.made_ready(&found).await?;
        }
        let row = self.write_binding(&found, &options).await?;
        let seen = found.seen.clone();
        let seen = if options.mark { self.mark_bound(&row, seen).await? } else { seen };
        self.hand_out(&found.item, &row, &found.product, seen).await?;
        self.settle_end(&found.item).await?;
        let mut done =
            text!("license {license} is bound to service {id}", "лицензия {license} привязана к услуге {id}");
        if let Some(old) = replaced {
            let old = self.store.license(old.account, old.id).map_err(errors::state)?.unwrap_or(old);
            self.free(&found.item, &old).await?;
            let old = self.store.license(old.account, old.id).map_err(errors::state)?.unwrap_or(old);
            let (old, state) = (old.id, state_words(old.state));
            done = text!(
                ["{}; license {old} is now: {}", done.en, state.en],
                ["{}; лицензия {old}: теперь {}", done.ru, state.ru]
            );
        }
        Ok(done)
    }

    /// One transaction: the incarnation gives up its former license and gets this one, the number of its mark is
    /// reserved, and the operator's decision about client and former service is written down.
    async fn write_binding(&mut self, found: &Found, options: &BindOptions) -> Result<LicenseRow, ModuleError> {
        let Found { item, incarnation, product, seen, .. } = found;
        let (account, module, panel) = (self.account, self.module, self.panel_id.clone());
        let (id, license, family) = (item.id, seen.id, found.family);
        let reason = options.reason.clone().unwrap_or_else(|| by_hand(found));
        self.note(&reason);
        let named = self.name_bound(found, options)?;
        let nodes = product.nodes_addon.and_then(|addon| seen.addons.get(&addon).copied());
        let ended = self.incarnation_left(found).await?;
        let replaced = found.replaced().cloned();
        let mark_so_far = found.row.as_ref().and_then(|row| row.mark.clone());
        self.commit("bind by hand", |tx| {
            tx.set_choice(item, &product.internal_name)?;
            if found.former_client.is_some() {
                tx.set_client(item)?;
            }
            if let Some(old) = &replaced {
                tx.release_license(old, LicenseState::ToFree, None, Some(&Reason::ReplacedByHand))?;
                tx.note(old.item, Some((old.account, old.id)), Note::State(LicenseState::ToFree), &reason)?;
            }
            if let Some(ended) = &ended {
                tx.end_incarnation(ended)?;
            }
            if let Some(from) = found.from {
                tx.note(Some(from), Some((account, license)), Note::GivenTo, &reason)?;
            }
            let mark = match mark_then(seen, &panel, id, options.mark) {
                MarkThen::Kept(mark) => Some(mark),
                MarkThen::Next => Some(tx.next_mark(&panel, id)?),
                MarkThen::AsRecorded => mark_so_far.clone(),
            };
            let binding = Binding {
                account,
                family,
                module,
                internal_name: &named,
                mark: mark.as_ref(),
                pricelist: seen.tariff.id().unwrap_or(product.pricelist),
                nodes,
            };
            tx.put_license(&binding, seen, LicenseState::Bound, Some(id), Some(incarnation))?;
            tx.note(Some(id), Some((account, license)), Note::State(LicenseState::Bound), &reason)
        })
        .await?;
        let row = self.store.license(account, license).map_err(errors::state)?;
        row.ok_or_else(|| errors::license_gone(Some(id), license))
    }

    /// The internal name that a license is bound with.
    pub(super) fn name_bound(&self, found: &Found, options: &BindOptions) -> Result<String, ModuleError> {
        let (row, tariff) = (found.row.as_ref(), found.seen.tariff.id());
        let is_certain = options.by_operator || self.is_as_ordered(found)?;
        Ok(name_then(row, tariff, is_certain, &self.rules.catalogue, &found.product))
    }

    /// True if a license bears the mark of an order for its service and still has the tariff of that order.
    fn is_as_ordered(&self, found: &Found) -> Result<bool, ModuleError> {
        let orders = self.store.orders_of_item(found.item.id).map_err(errors::state)?;
        let is_it = |order: &OrderRequest| {
            found.seen.remoteid.is(&order.mark) && found.seen.tariff.id() == Some(order.pricelist)
        };
        Ok(orders.iter().filter_map(|intent| intent.request.as_order()).any(is_it))
    }

    /// The incarnation of a closed service that a license is taken from. It ends with that, as a close would end it.
    async fn incarnation_left(&mut self, found: &Found) -> Result<Option<Incarnation>, ModuleError> {
        let Some(from) = found.from else { return Ok(None) };
        self.step("read item").await?;
        let holder = self.ports.billdb.item(from).map_err(|error| errors::database(&error))?;
        match holder.filter(|holder| holder.status == ItemStatus::Deleted) {
            Some(holder) => self.store.incarnation(&holder).map(Some).map_err(errors::state),
            None => Ok(None),
        }
    }

    /// Gives the license our mark and switches its automatic renewal off.
    async fn mark_bound(&mut self, row: &LicenseRow, seen: License) -> Result<License, ModuleError> {
        let marked = row.mark.as_ref().is_some_and(|mark| seen.remoteid.is(mark));
        if marked && seen.autoprolong == Some(false) {
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
}

/// The operator's decision, for the journal.
fn by_hand(found: &Found) -> Text {
    let (id, license) = (found.item.id, found.seen.id);
    let mut reason =
        text!("license {license} bound to service {id} by hand", "лицензия {license} привязана к услуге {id} вручную");
    if let Some(from) = found.from {
        reason = text!(["{}, taken from service {from}", reason.en], ["{}, взята у услуги {from}", reason.ru]);
    }
    if let Some(known) = found.former_client {
        let client = found.item.client;
        reason = text!(
            ["{}; its client {known} -> {client} is accepted", reason.en],
            ["{}; смена клиента {known} -> {client} принята", reason.ru]
        );
    }
    if found.key == KeyFate::New {
        reason = text!(["{}, with a new key", reason.en], ["{}, с новым ключом", reason.ru]);
    }
    reason
}
