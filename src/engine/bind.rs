//! bind: an operator says which license belongs to a service. The change is shown first ([`Engine::preview`]), then the
//! operator is asked, then everything is checked again under the locks. A license moves with its key to the service
//! that shows it, also from a closed service, a former incarnation or a copied number. A license that another client
//! had gets a new key first (docs/money-safety.md 5).

pub(super) mod moving;
pub(super) mod preview;
pub(super) mod steps;

use crate::error::{ModuleError, Text};
use crate::model::catalogue::Product;
use crate::model::ids::{ClientId, ItemId, LicenseId, Mark, PanelId};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{Incarnation, OrderRequest};
use crate::model::license::{Family, License};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::plan::choice::{Wanted, wanted};
use crate::plan::identity::{KeyFate, Pair, Standing, serves};
use crate::ports::{Edit, LockName, Repeatable};
use crate::store::Binding;
use crate::text;

use super::identity::wording::{other_incarnation, shown_elsewhere};
use super::reconcile::wording::{
    another_installation, another_product, closed, has_license, serves_another, wants_nothing,
};
use super::{Engine, errors, is_deleted};

/// The options that an operator gave to `bind`: what may happen besides the binding itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consent {
    /// The license that the service holds now is freed.
    pub replace: bool,
    /// The license may bear the mark of this other installation.
    pub take_from: Option<PanelId>,
    /// The license may be of another product than the service asks for.
    pub other_product: bool,
}

/// How a license is bound.
pub(super) struct Word {
    /// What was agreed to.
    pub(super) consent: Consent,
    /// An operator named service and license. This word decides who the service is, and from which service the license
    /// is taken.
    pub(super) by_person: bool,
    /// The license gets our mark, and its automatic renewal is switched off.
    pub(super) mark: bool,
    /// Why, for the journal; `None`: by hand.
    pub(super) reason: Option<Text>,
    /// The number in the license's mark, where it proves that older orders of the service are over. A license that such
    /// an order bought is freed when it appears. `None`: an open order prevents the binding.
    pub(super) ends_older: Option<u32>,
}

impl Word {
    /// The word of an operator.
    pub(super) fn of_person(consent: Consent) -> Self {
        Self { consent, by_person: true, mark: true, reason: None, ends_older: None }
    }
}

/// A service and a license as they were read before the binding.
pub(super) struct Found {
    pub(super) item: Item,
    pub(super) incarnation: Incarnation,
    /// The client that our state recorded, where the panel names another one.
    pub(super) former_client: Option<ClientId>,
    /// What the service holds.
    pub(super) held: Option<LicenseRow>,
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
        self.held.as_ref().filter(|row| row.id != self.seen.id)
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
        self.check_restored()?;
        let result = match self.sells_addons() {
            true => self.bind_addon(item, license, &consent).await,
            false => self.bind_locked(item, license, Word::of_person(consent)).await,
        };
        self.held.clear();
        result
    }

    /// Reads a service and a license, and checks everything that may forbid binding them.
    pub(super) async fn found(&mut self, id: ItemId, license: LicenseId, word: &Word) -> Result<Found, ModuleError> {
        self.lock(LockName::Item(id)).await?;
        let item = self.item(id).await?;
        if item.status == ItemStatus::Deleted {
            return Err(closed(id));
        }
        let (incarnation, former_client) = self.accepted(&item, license, word)?;
        if word.ends_older.is_none() {
            self.no_open_order(id)?;
        }
        let held = self.held_by(&incarnation)?;
        if let Some(row) = held.as_ref().filter(|row| row.id != license && !word.consent.replace) {
            return Err(has_license(id, row.id, license));
        }
        let Wanted::Product(product) = wanted(&item, &self.rules.panel_addons, &self.rules.catalogue)? else {
            return Err(wants_nothing(id));
        };
        let product = product.clone();
        let from = self.taken_from(&item, license, word).await?;
        self.lock_license(license).await?;
        let row = self.store.license(self.account, license).map_err(errors::state)?;
        if let Some(row) = &row {
            self.settle_license(row).await?;
        }
        let family = row.as_ref().map_or(product.family, |row| row.family);
        let seen = self.read(family, license).await?.filter(|seen| !is_deleted(&Some(seen.clone())));
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
        let key = if word.by_person { pair.key_fate() } else { KeyFate::Kept };
        let found = Found { item, incarnation, former_client, held, product, family, seen, row, from, key };
        self.no_objection(&found, word).await?;
        Ok(found)
    }

    /// Checks that the service is the one that our state knows; an operator may say that it is. Returns the client
    /// recorded so far, if it is another one.
    pub(super) fn accepted(
        &self,
        item: &Item,
        license: LicenseId,
        word: &Word,
    ) -> Result<(Incarnation, Option<ClientId>), ModuleError> {
        if !word.by_person {
            return Ok((self.known_incarnation(item)?, None));
        }
        let (incarnation, standing) = self.standing(item)?;
        match standing {
            Standing::Same => Ok((incarnation, None)),
            Standing::NewClient(known) | Standing::OtherClient { known, held: Some(_) } => {
                Ok((incarnation, Some(known)))
            }
            Standing::OtherClient { held: None, .. } => {
                self.known_incarnation(item).map(|incarnation| (incarnation, None))
            }
            Standing::OtherIncarnation { held } if held == license => Ok((incarnation, None)),
            Standing::OtherIncarnation { held } => Err(other_incarnation(item, held)),
        }
    }

    /// The service that holds the license according to our state. An operator may take the license from it for the
    /// service that shows it.
    async fn taken_from(
        &mut self,
        item: &Item,
        license: LicenseId,
        word: &Word,
    ) -> Result<Option<ItemId>, ModuleError> {
        let row = self.store.license(self.account, license).map_err(errors::state)?;
        let Some(holder) = row.filter(|row| row.incarnation.is_some()).and_then(|row| row.item) else {
            return Ok(None);
        };
        if holder == item.id {
            return Ok(None);
        }
        if !word.by_person || item.params.licid != Some(license) {
            return Err(serves_another(license, Some(holder)));
        }
        self.lock(LockName::Item(holder)).await?;
        self.no_open_order(holder)?;
        let row = self.store.license(self.account, license).map_err(errors::state)?;
        match row.filter(|row| row.incarnation.is_some()).and_then(|row| row.item) {
            now if now == Some(holder) => Ok(Some(holder)),
            now => Err(serves_another(license, now)),
        }
    }

    /// Objections that only an operator may overrule.
    async fn no_objection(&mut self, found: &Found, word: &Word) -> Result<(), ModuleError> {
        let (id, seen) = (found.item.id, &found.seen);
        if let Some(mark) = seen.remoteid.mark().filter(|mark| *mark.panel() != self.panel_id)
            && word.consent.take_from.as_ref() != Some(mark.panel())
        {
            return Err(another_installation(id, seen.id, &mark, found.replaced().is_some()));
        }
        if !word.by_person {
            return Ok(());
        }
        if let Some(heir) = self.heir_of(&found.as_row(self), Some(id)).await?.filter(|heir| Some(*heir) != found.from)
        {
            return Err(shown_elsewhere(seen.id, heir, self.held_of_number(heir)?));
        }
        if let Some(old) = found.replaced().cloned() {
            self.check_no_heir(&old).await?;
        }
        let served = self.served(&found.item, &found.product);
        let is_its_own = found.row.as_ref().is_some_and(|row| serves(row, &found.incarnation));
        let fits = seen.tariff.may_be(served.pricelist) || seen.tariff.may_be(found.product.pricelist);
        if !fits && !is_its_own && !word.consent.other_product {
            return Err(another_product(id, seen, &served.internal_name, found.replaced().is_some()));
        }
        Ok(())
    }

    pub(super) async fn bind_locked(
        &mut self,
        id: ItemId,
        license: LicenseId,
        word: Word,
    ) -> Result<Text, ModuleError> {
        let mut found = self.found(id, license, &word).await?;
        if let Some(number) = word.ends_older {
            self.end_older_orders(id, number).await?;
        }
        let replaced = found.replaced().cloned();
        if word.by_person && (found.key == KeyFate::New || replaced.is_some()) {
            found.seen = self.made_ready(&found).await?;
        }
        let row = self.write_binding(&found, &word).await?;
        let seen = found.seen.clone();
        let seen = if word.mark { self.mark_bound(&row, seen).await? } else { seen };
        self.hand_out(&found.item, &row, &found.product, seen).await?;
        self.settle_end(&found.item).await?;
        let mut done =
            text!("license {license} is bound to service {id}", "лицензия {license} привязана к услуге {id}");
        if let Some(old) = replaced {
            let old = self.store.license(old.account, old.id).map_err(errors::state)?.unwrap_or(old);
            self.free(&found.item, &old).await?;
            let old = old.id;
            done = text!(["{}; license {old} goes to the pool", done.en], ["{}; лицензия {old} уходит в пул", done.ru]);
        }
        Ok(done)
    }

    /// One transaction: the incarnation gives up its former license and gets this one, the number of its mark is
    /// reserved, and the operator's decision about client and former service is written down.
    async fn write_binding(&mut self, found: &Found, word: &Word) -> Result<LicenseRow, ModuleError> {
        let Found { item, incarnation, product, seen, .. } = found;
        let (account, module, panel) = (self.account, self.module, self.panel_id.clone());
        let (id, license, family) = (item.id, seen.id, found.family);
        let reason = word.reason.clone().unwrap_or_else(|| by_hand(found));
        self.note(&reason);
        let named = self.product_bound(found, word)?;
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
                tx.note(old.item, Some((old.account, old.id)), "to_free", &reason)?;
            }
            if let Some(ended) = &ended {
                tx.end_incarnation(ended)?;
            }
            if let Some(from) = found.from {
                tx.note(Some(from), Some((account, license)), "given_to", &reason)?;
            }
            // A mark of ours stays: it says for which item the license was bought.
            let mark = match seen.remoteid.mark_of(&panel) {
                Some(mark @ Mark::Order { item: of, .. }) if of == id => Some(mark),
                Some(Mark::Order { .. } | Mark::Pool { .. }) | None if word.mark => Some(tx.next_mark(&panel, id)?),
                Some(Mark::Order { .. } | Mark::Pool { .. }) | None => mark_so_far.clone(),
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
            tx.note(Some(id), Some((account, license)), "bound", &reason)
        })
        .await?;
        let row = self.store.license(account, license).map_err(errors::state)?;
        row.ok_or_else(|| errors::license_gone(Some(id), license))
    }

    /// The internal name that a license is bound with. A license that is in use already keeps its name, because a
    /// change by the seller was adopted before. A license of another product that an operator binds, or that is of the
    /// product which we ordered for this service, keeps the name of that product. So the difference from the product
    /// that the service asks for stays visible.
    pub(super) fn product_bound(&self, found: &Found, word: &Word) -> Result<String, ModuleError> {
        if let Some(row) = found.row.as_ref().filter(|row| row.incarnation.is_some()) {
            return Ok(row.internal_name.clone());
        }
        let is_certain = word.by_person || self.is_as_ordered(found)?;
        let pricelist = found.seen.tariff.id().filter(|_| is_certain);
        let known = pricelist.and_then(|pricelist| self.rules.catalogue.by_pricelist(pricelist));
        Ok(known.unwrap_or(&found.product).internal_name.clone())
    }

    /// Whether a license bears the mark of an order for its service, and still has the tariff of that order.
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
