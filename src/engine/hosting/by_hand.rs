//! bind and resolve for addons: an operator hands over a license that was bought elsewhere, or ends a doubt.

use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::hosting::{AddLicense, HostingOrder};
use crate::model::ids::{ClientId, ItemId, LicenseId};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{Incarnation, Intent};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::plan::change::Target;
use crate::plan::identity::KeyFate;
use crate::plan::order::{Wanted, wanted};
use crate::ports::LockName;
use crate::text;

use super::wording;
use crate::engine::bind::preview::Preview;
use crate::engine::bind::{Consent, Word};
use crate::engine::reconcile::wording::{closed, has_license, wants_nothing};
use crate::engine::{Engine, errors};

/// A service and an order with its license, as they were read.
struct Pair {
    item: Item,
    incarnation: Incarnation,
    former_client: Option<ClientId>,
    name: String,
    held: Option<LicenseRow>,
    seen: HostingOrder,
}

impl Engine<'_> {
    /// A preview of binding the license of an order to a service.
    pub(in crate::engine) async fn preview_addon(
        &mut self,
        item: ItemId,
        order: LicenseId,
        consent: &Consent,
    ) -> Result<Preview, ModuleError> {
        let pair = self.pair(item, order, consent).await;
        self.held.clear();
        let pair = pair?;
        Ok(Preview {
            item,
            item_name: pair.item.name.clone(),
            client: pair.item.client,
            former_client: pair.former_client,
            has_product: pair.name.clone(),
            target: Target {
                internal_name: pair.name,
                pricelist: crate::model::ids::UpstreamPricelistId(0),
                ip: None,
                remoteip: None,
                licname: pair.seen.domain.clone(),
                nodes: None,
            },
            outward: [None, None],
            key: KeyFate::Kept,
            panel: self.panel_id.clone(),
            from: None,
            frees: pair.held.map(|row| row.id).filter(|id| *id != order),
            changes: Vec::new(),
            seen: pair.seen.as_license(),
        })
    }

    /// Binds the license of an order to a service, without a purchase.
    pub(in crate::engine) async fn bind_addon(
        &mut self,
        item: ItemId,
        order: LicenseId,
        consent: &Consent,
    ) -> Result<Text, ModuleError> {
        let pair = self.pair(item, order, consent).await?;
        if let Some(row) = pair.held.as_ref().filter(|row| row.id != order) {
            self.give_up_addon(&pair.item, row).await?;
        }
        let done = text!(
            "the license of hosting order {order} is bound to service {item} by hand; nothing was bought",
            "лицензия заказа хостинга {order} привязана к услуге {item} вручную; ничего не куплено"
        );
        if pair.former_client.is_some() {
            let item = pair.item.clone();
            self.commit("new client", move |tx| tx.set_client(&item)).await?;
        }
        let row = self.bind_held(&pair.item, &pair.incarnation, &pair.name, &pair.seen, &done).await?;
        self.save_addon(&pair.item, &row, &pair.seen).await?;
        Ok(done)
    }

    async fn pair(&mut self, id: ItemId, order: LicenseId, consent: &Consent) -> Result<Pair, ModuleError> {
        self.lock(LockName::Item(id)).await?;
        let item = self.item(id).await?;
        if item.status == ItemStatus::Deleted {
            return Err(closed(id));
        }
        let (incarnation, former_client) = self.accepted(&item, order, &Word::of_person(consent.clone()))?;
        self.settle_additions(&item, Some(&incarnation)).await?;
        let held = self.held_by(&incarnation)?;
        if let Some(row) = held.as_ref().filter(|row| row.id != order && !consent.replace) {
            return Err(has_license(id, row.id, order));
        }
        let Wanted::Product(product) = wanted(&item, &self.rules.panel_addons, &self.rules.catalogue)? else {
            return Err(wants_nothing(id));
        };
        let name = product.internal_name.clone();
        self.lock_license(order).await?;
        self.settle_removals(order).await?;
        let row = self.store.license(self.account, order).map_err(errors::state)?;
        let is_bound = |row: &LicenseRow| matches!(row.state, LicenseState::Bound | LicenseState::Claimed);
        if let Some(other) = row.filter(is_bound).and_then(|row| row.item).filter(|other| *other != id) {
            return Err(wording::taken(order, other));
        }
        self.check_not_waited_for(id, &incarnation, order)?;
        let line = self.line_of(order).await?.ok_or_else(|| wording::no_such_order(order))?;
        let seen = self.order_now(line, order).await?;
        if seen.key.is_none() {
            return Err(wording::nothing_to_bind(order));
        }
        Ok(Pair { item, incarnation, former_client, name, held, seen })
    }

    /// Checks, before an operator's answer that nothing was bought is accepted, that the order shows no license.
    pub(in crate::engine) async fn check_not_added(
        &mut self,
        intent: &Intent,
        add: &AddLicense,
    ) -> Result<(), ModuleError> {
        if intent.account != self.account {
            return Ok(());
        }
        let seen = self.order_now(add.line, add.order).await?;
        if seen.key.is_none() { Ok(()) } else { Err(wording::added_after_all(intent.item, add.order)) }
    }

    /// An operator says that the purchase happened: adopts the license that the order shows.
    pub(in crate::engine) async fn resolve_addition(
        &mut self,
        intent: &Intent,
        what: &Text,
    ) -> Result<(), ModuleError> {
        let item = self.item(intent.item.unwrap_or(ItemId(0))).await?;
        let incarnation = self.incarnation_to_settle(&item)?;
        let waits = item.status != ItemStatus::Deleted && intent.is_order_of(&incarnation);
        let order = intent.request.license().unwrap_or(LicenseId(0));
        match self.settle_addition(intent, Some(&incarnation).filter(|_| waits)).await? {
            Some(_) => Ok(()),
            None => Err(ModuleError::new(
                ErrorKind::LicenseGone,
                "licid",
                order,
                text!(
                    [
                        "{}: hosting order {order} shows no license. Nothing was changed. Next: look at the order in the seller's panel.",
                        what.en
                    ],
                    [
                        "{}: у заказа хостинга {order} нет лицензии. Ничего не изменено. Далее: посмотрите заказ в панели продавца.",
                        what.ru
                    ]
                ),
            )),
        }
    }
}
