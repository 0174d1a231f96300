//! bind and resolve for addons: an operator hands over a license that was bought elsewhere, or settles a request in
//! doubt.

use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::hosting::{AddLicense, HostingOrder};
use crate::model::ids::{ClientId, ItemId, LicenseId};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{Incarnation, Intent, IntentEvent, Note};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::plan::bind::{BindOptions, Consent, Source, holder, source};
use crate::plan::choice::{Choice, choice_of};
use crate::plan::cost::Change;
use crate::plan::hosting::survey::Sight;
use crate::ports::LockName;
use crate::text;

use super::look::unreadable;
use super::wording;
use crate::engine::bind::preview::{self, Face, Preview};
use crate::engine::reconcile::wording::{changed_hands, closed, has_license, wants_nothing};
use crate::engine::send::describe;
use crate::engine::{Engine, errors};

/// The reason, stored with a license, why no service has it.
const UNBOUND: &str = "taken from its service by an operator";

/// A service and an order with its license, as they were read.
struct Pair {
    item: Item,
    incarnation: Incarnation,
    former_client: Option<ClientId>,
    name: String,
    bound: Option<LicenseRow>,
    /// The service that loses the license: our state holds the license for it, and this one shows it.
    from: Option<ItemId>,
    /// A removal of the order's license that waits for an operator: binding the license ends it.
    removal: Option<Intent>,
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
        let pair = self.with_locks(async |engine: &mut Self| engine.pair(item, order, consent).await).await?;
        let now = Face { product: pair.name, ..self.face_of(&pair.seen.as_license()) };
        let then = Face {
            mark: Some(self.mark_then(item, now.mark.as_deref())),
            renews_itself: Some(false),
            item: Some(item),
            ..now.clone()
        };
        let client = pair.former_client.map(|known| preview::accepted(&pair.item, known));
        let lost = pair.from.map(|from| preview::loses(from, order));
        let freed = pair.bound.map(|row| row.id).filter(|id| *id != order).map(|old| preview::frees(item, old));
        Ok(Preview {
            title: preview::title(&pair.item, order),
            faces: Some(Box::new([now, then])),
            outward: [None, None],
            changes: client.into_iter().chain(lost).chain(freed).map(Change::free).collect(),
            balance: None,
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
        if let Some(row) = pair.bound.as_ref().filter(|row| row.id != order) {
            self.check_not_shown_elsewhere(row).await?;
            self.give_up_addon(&pair.item, row).await?;
        }
        let mut done = text!(
            "the license of hosting order {order} is bound to service {item} by hand; nothing was bought",
            "лицензия заказа хостинга {order} привязана к услуге {item} вручную; ничего не куплено"
        );
        if let Some(from) = pair.from {
            done = text!(["{}; taken from service {from}", done.en], ["{}; взята у услуги {from}", done.ru]);
        }
        if pair.former_client.is_some() {
            let item = pair.item.clone();
            self.commit("new client", move |tx| tx.set_client(&item)).await?;
        }
        if let Some(removal) = &pair.removal {
            let event =
                IntentEvent::NotHappened { reason: "an operator bound the license that the order has".to_owned() };
            self.write_event(removal, event, &done).await?;
        }
        let row = self.bind_existing(&pair.item, &pair.incarnation, &pair.name, &pair.seen, &done).await?;
        self.save_addon(&pair.item, &row, &pair.seen).await?;
        Ok(done)
    }

    async fn pair(&mut self, id: ItemId, order: LicenseId, consent: &Consent) -> Result<Pair, ModuleError> {
        self.lock(LockName::Item(id)).await?;
        let item = self.item(id).await?;
        if item.status == ItemStatus::Deleted {
            return Err(closed(id));
        }
        let (incarnation, former_client) = self.accepted(&item, order, &BindOptions::of_operator(consent.clone()))?;
        self.settle_additions(&item, Some(&incarnation)).await?;
        let bound = self.bound_license(&incarnation)?;
        if let Some(row) = bound.as_ref().filter(|row| row.id != order && !consent.replace) {
            return Err(has_license(id, row.id, order));
        }
        let Choice::Product(product) = choice_of(&item, &self.rules.panel_addons, &self.rules.catalogue)? else {
            return Err(wants_nothing(id));
        };
        let name = product.internal_name.clone();
        let from = self.addon_taken_from(&item, order).await?;
        self.lock_license(order).await?;
        let removal = self.removal_ended_by_bind(order).await?;
        self.check_not_waited_for(id, &incarnation, order)?;
        let line = self.line_of(order).await?.ok_or_else(|| wording::no_such_order(order))?;
        let seen = self.order_now(line, order).await?;
        if seen.key.is_none() {
            return Err(wording::nothing_to_bind(order));
        }
        // A number alone proves nothing: a later license of the order has the number of the earlier one.
        if let Some(from) = from.filter(|_| seen.key != item.params.lickey)
            && self.is_open_in_panel(from).await?
        {
            return Err(wording::taken(order, from));
        }
        Ok(Pair { item, incarnation, former_client, name, bound, from, removal, seen })
    }

    /// The service that has the license of an order according to our state. An operator may take the license from it
    /// for the service that shows it, because our state may be older than that, and from a closed service.
    async fn addon_taken_from(&mut self, item: &Item, order: LicenseId) -> Result<Option<ItemId>, ModuleError> {
        let row = self.store.license(self.account, order).map_err(errors::state)?;
        let from = match source(item, order, row.as_ref(), true) {
            Source::Nobody => return Ok(None),
            Source::Service(from) => from,
            Source::Stays(from) if self.is_open_in_panel(from).await? => return Err(wording::taken(order, from)),
            Source::Stays(from) => from,
        };
        self.lock(LockName::Item(from)).await?;
        let row = self.store.license(self.account, order).map_err(errors::state)?;
        match holder(row.as_ref()) {
            now if now == Some(from) => Ok(now),
            Some(other) => Err(wording::taken(order, other)),
            None => Err(changed_hands(order)),
        }
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
        item: ItemId,
        intent: &Intent,
        order: LicenseId,
    ) -> Result<(), ModuleError> {
        let item = self.item(item).await?;
        let incarnation = self.incarnation_to_settle(&item)?;
        let waits = item.status != ItemStatus::Deleted && intent.is_order_of(&incarnation);
        let what = describe(intent);
        match self.settle_addition(intent, Some(&incarnation).filter(|_| waits)).await? {
            Some(_) => Ok(()),
            None => Err(ModuleError::new(
                ErrorKind::LicenseGone,
                "licid",
                order,
                text!(
                    ["{}: hosting order {order} shows no license", what.en],
                    ["{}: у заказа хостинга {order} нет лицензии", what.ru]
                )
                .changed(text!("Nothing was changed", "Ничего не изменено"))
                .next(text!("look at the order in the seller's panel", "посмотрите заказ в панели продавца")),
            )),
        }
    }

    /// The licenses of a service that were bought and never showed their keys, each with its purchase, which counts as
    /// done: an operator may say that the license is not there.
    pub(in crate::engine) fn keyless(&mut self, item: ItemId) -> Result<Vec<(LicenseRow, Intent)>, ModuleError> {
        let mut found = Vec::new();
        if !self.sells_addons() {
            return Ok(found);
        }
        for row in self.store.licenses_of_item(item).map_err(errors::state)? {
            let waits = row.account == self.account && row.key.is_none() && row.state != LicenseState::Deleted;
            if let Some(purchase) = self.purchase_of(&row)?.filter(|_| waits) {
                found.push((row, purchase));
            }
        }
        Ok(found)
    }

    /// Before that word: the purchase has had its time, and the order shows neither a license nor an action.
    ///
    /// # Errors
    /// `client`: it may still be carried out; `bad_value`: there is a key.
    pub(in crate::engine) async fn check_keyless(
        &mut self,
        item: ItemId,
        row: &LicenseRow,
        purchase: &Intent,
    ) -> Result<(), ModuleError> {
        let what = describe(purchase);
        self.lock_license(row.id).await?;
        let line = self.line_of(row.id).await?.ok_or_else(|| wording::no_such_order(row.id))?;
        let seen = self.order_now(line, row.id).await?;
        // The answer also tells the seller's time.
        if !self.has_settled(purchase) {
            let until = purchase.settled_at(self.rules.upstream.settle_s);
            return Err(errors::in_doubt(&what, until, "licid", row.id));
        }
        if seen.key.is_some() {
            return Err(wording::key_came(item, row.id));
        }
        let pending = self.pending_actions(row.id).await?.map_err(|error| unreadable(&error, row.id))?;
        if pending.is_empty() { Ok(()) } else { Err(wording::under_way(&what, row.id)) }
    }

    /// An operator says that the license is not there: nobody waits for its key any more, and another may be bought.
    pub(in crate::engine) async fn give_up_keyless(
        &mut self,
        id: ItemId,
        row: &LicenseRow,
        purchase: &Intent,
    ) -> Result<Text, ModuleError> {
        self.check_keyless(id, row, purchase).await?;
        let order = row.id;
        let done = text!(
            "the license of hosting order {order} that was bought for service {id} is not there: an operator said so. The service has no license any more",
            "лицензии заказа хостинга {order}, купленной для услуги {id}, нет: так сказал оператор. Лицензии у услуги больше нет"
        );
        self.note(&done);
        let (bound, note) = (row.clone(), done.clone());
        self.commit("given up", move |tx| {
            tx.release_license(&bound, LicenseState::Deleted, None, Some(&Reason::DeletedUpstream))?;
            tx.note(Some(id), Some((bound.account, bound.id)), Note::State(LicenseState::Deleted), &note)
        })
        .await?;
        if let Some(item) = self.item_row(id).await? {
            self.clear_shown(&item, row).await?;
        }
        Ok(done)
    }

    /// An operator says that a service does not use its license. The license stays on its order: a removal is final,
    /// and nobody asked for one.
    pub(in crate::engine) async fn leave_addon(&mut self, row: &LicenseRow) -> Result<(), ModuleError> {
        let row = self.lock_as_read(row).await?.ok_or_else(|| changed_hands(row.id))?;
        let order = row.id;
        let reason = text!(
            "an operator took the license of hosting order {order} from its service: it stays on the order",
            "оператор забрал лицензию заказа хостинга {order} у услуги: она остаётся у заказа"
        );
        self.note(&reason);
        self.commit("left", move |tx| {
            tx.release_license(&row, LicenseState::Stopped, None, Some(&Reason::Other(UNBOUND.to_owned())))?;
            tx.note(row.item, Some((row.account, row.id)), Note::State(LicenseState::Stopped), &reason)
        })
        .await
    }

    /// The order whose license a service shows although our state holds it for no service and no run removes it. That
    /// license stays on its order. An order that cannot be read counts as one that has it.
    pub(in crate::engine) async fn shown_order(&mut self, item: &Item) -> Result<Option<LicenseId>, ModuleError> {
        let Some(order) = item.params.licid.filter(|_| self.sells_addons()) else { return Ok(None) };
        let row = self.store.license(self.account, order).map_err(errors::state)?;
        let is_seen_to = row.is_some_and(|row| match row.state {
            LicenseState::Bound | LicenseState::Claimed => true,
            LicenseState::ToFree => !self.rules.hosting.remove_call.is_empty(),
            LicenseState::Stopped | LicenseState::Pool | LicenseState::Deleted => false,
        });
        if is_seen_to {
            return Ok(None);
        }
        let stays = match self.sight(order).await? {
            Sight::Seen(seen) => seen.key.is_some(),
            Sight::Missing => false,
            Sight::Unreadable(_) => true,
        };
        Ok(stays.then_some(order))
    }
}

/// What becomes of a license that an operator took from its service.
pub(in crate::engine) fn left_on_orders(orders: &str) -> Text {
    text!(
        "The license stays on its hosting order ({orders}), and each renewal of the hosting charges it. To hand it over: pmisplicense bind ITEM ORDER. To end it: remove it in the seller's panel",
        "Лицензия остаётся у заказа хостинга ({orders}), и её оплачивает каждое продление хостинга. Чтобы передать её: pmisplicense bind УСЛУГА ЗАКАЗ. Чтобы больше не платить за неё: снимите её в панели продавца"
    )
}
