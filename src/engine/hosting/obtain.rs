//! Obtains a license for a service: the one that it holds, the one that it gave back and that still works, or a new
//! one. Everything that could make a purchase wrong is checked before anything is sent.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::error::{ModuleError, Text};
use crate::model::hosting::{AddLicense, HostingOrder, OrderAction, ProductLine};
use crate::model::ids::{ItemId, LicenseId, LicenseKey};
use crate::model::item::Item;
use crate::model::journal::{IdempotencyKey, Incarnation, Intent, IntentEvent, IntentStatus, OnceRequest};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::plan::hosting::{is_too_long, may_have_missed, missed, mistakable, months_left, wants_again};
use crate::plan::identity::Shown;
use crate::ports::Upstream as _;
use crate::store::{Recorded, RecordedIntent};
use crate::text;

use super::wording;
use crate::engine::intent::Reply;
use crate::engine::send::describe;
use crate::engine::{Engine, errors};

/// The time that open waits for a late key before one more look. A key that comes later is saved by the next sync.
const KEY_WAIT: Duration = Duration::from_secs(3);

impl Engine<'_> {
    /// Makes sure that the incarnation has the license of the order that its service names, and that the panel has
    /// number and key.
    pub(super) async fn ensure_addon(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        name: &str,
    ) -> Result<(), ModuleError> {
        let order = self.order_asked(item).await?;
        let mut bound = self.bound_license(incarnation)?;
        if bound.is_none() {
            self.settle_additions(item, Some(incarnation)).await?;
            bound = self.bound_license(incarnation)?;
        }
        if let Some(row) = bound {
            if row.id != order {
                return Err(wording::another_order(item.id, row.id, order));
            }
            self.check_shown(item, incarnation).await?;
            self.lock_license(order).await?;
            return self.hand_out_bound(item, &row).await;
        }
        self.lock_license(order).await?;
        self.settle_given_up(order).await?;
        self.check_not_taken(item, incarnation, order)?;
        self.check_shown(item, incarnation).await?;
        self.settle_removals(order).await?;
        let line = self.line_of(order).await?.ok_or_else(|| wording::no_such_order(order))?;
        let seen = self.order_now(line, order).await?;
        self.check_customer(item, &seen).await?;
        let row = match &seen.key {
            Some(key) => self.take_back(item, incarnation, name, &seen, key).await?,
            None if self.was_there(&seen)? => return Err(wording::shown_a_moment_ago(order)),
            None => match self.still_to_come(&seen).await? {
                Some(row) => self.wait_for_key(item, incarnation, name, &seen, &row).await?,
                None => {
                    let row = self.add_license(item, incarnation, name, line, &seen).await?;
                    let seen = self.order_now(line, row.id).await?;
                    return self.hand_out_addon(item, &row, line, seen).await;
                }
            },
        };
        self.hand_out_addon(item, &row, line, seen).await
    }

    /// Hands out a license that the service holds: its key is saved again if it is missing. A license that is gone is
    /// not bought again.
    async fn hand_out_bound(&mut self, item: &Item, row: &LicenseRow) -> Result<(), ModuleError> {
        let line = self.line_of(row.id).await?.ok_or_else(|| wording::no_such_order(row.id))?;
        let seen = self.order_now(line, row.id).await?;
        self.hand_out_addon(item, row, line, seen).await
    }

    /// Waits briefly for a late key, then saves number and key.
    async fn hand_out_addon(
        &mut self,
        item: &Item,
        row: &LicenseRow,
        line: ProductLine,
        mut seen: HostingOrder,
    ) -> Result<(), ModuleError> {
        if seen.key.is_none() && row.key.is_some() {
            return Err(wording::addon_gone(item.id, row.id));
        }
        if seen.key.is_none() {
            self.ports.clock.sleep(KEY_WAIT);
            seen = self.order_now(line, row.id).await?;
            if seen.key.is_none() {
                let order = row.id;
                self.warn(&text!(
                    "hosting order {order} shows no license key yet: the next sync brings it",
                    "у заказа хостинга {order} ещё нет ключа лицензии: его принесёт следующий sync"
                ));
            }
        }
        self.save_addon(item, row, &seen).await
    }

    /// Checks that no other service has the order's license or waits for it. Nothing is bought for a service that shows
    /// a license which our state does not know, because our state may be wrong.
    fn check_not_taken(&self, item: &Item, incarnation: &Incarnation, order: LicenseId) -> Result<(), ModuleError> {
        let row = self.store.license(self.account, order).map_err(errors::state)?;
        let serves = |row: &LicenseRow| matches!(row.state, LicenseState::Bound | LicenseState::Claimed);
        if let Some(other) = row.as_ref().filter(|row| serves(row)).and_then(|row| row.item) {
            return Err(wording::taken(order, other));
        }
        self.check_not_waited_for(item.id, incarnation, order)?;
        match self.shown_by(item, incarnation)? {
            Shown::Nothing | Shown::Own | Shown::Former => Ok(()),
            Shown::Unknown(license) | Shown::Elsewhere(license, _) => Err(wording::shows_unknown(item.id, license)),
        }
    }

    /// Checks that no purchase for this order is in doubt, except for this incarnation: a license that appears would
    /// belong to the other one.
    pub(super) fn check_not_waited_for(
        &self,
        item: ItemId,
        incarnation: &Incarnation,
        order: LicenseId,
    ) -> Result<(), ModuleError> {
        let open = self.store.open_intents_of_license(self.account, order).map_err(errors::state)?;
        let is_for_another =
            |intent: &&Intent| intent.request.as_addition().is_some() && !intent.is_order_of(incarnation);
        let Some(intent) = open.iter().find(is_for_another) else { return Ok(()) };
        match intent.item {
            Some(other) if intent.status == IntentStatus::HandedOver => {
                let why = text!("an operator must look", "решить должен оператор");
                Err(errors::order_unknown(&describe(intent), &why, Some(other), intent.id.0))
            }
            Some(other) if other != item => Err(wording::taken(order, other)),
            Some(_) | None => Err(self.still_in_doubt(intent, &describe(intent))),
        }
    }

    /// Whether a license that was given back a moment ago may still be on the order, although this look shows none.
    fn was_there(&self, seen: &HostingOrder) -> Result<bool, ModuleError> {
        let row = self.store.license(self.account, seen.id).map_err(errors::state)?;
        let is_given_back =
            |row: &LicenseRow| matches!(row.state, LicenseState::ToFree | LicenseState::Stopped) && row.key.is_some();
        let was_there = |row: &LicenseRow| self.may_be_old(row.since, self.now());
        Ok(row.filter(is_given_back).is_some_and(|row| was_there(&row)) && !seen.is_deleted())
    }

    /// Decides about a license that exists although nothing was bought now. It is handed out again only if this
    /// installation bought it, it serves no service, and the same service gave it back. Another service of the client
    /// may have had it since: the service that shows its number and key, and had it according to our journal, gave it
    /// back too. A service that never had it gets none that an operator has to be asked about before its removal.
    async fn take_back(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        name: &str,
        seen: &HostingOrder,
        key: &LicenseKey,
    ) -> Result<LicenseRow, ModuleError> {
        let known = self.store.license(self.account, seen.id).map_err(errors::state)?;
        // The license was given back before its key came; this is its key.
        let came = match &known {
            Some(row) if row.key.is_none() => !self.has_failed(row).await?,
            Some(_) | None => false,
        };
        let shows_it = wants_again(item, Some(seen.id), (seen.id, key));
        let gave_it_back = shows_it && self.store.was_of_item(item.id, seen.id).map_err(errors::state)?;
        let is_its = |row: &LicenseRow| row.item == Some(item.id) || gave_it_back;
        let is_ours = |row: &LicenseRow| {
            let waits = matches!(row.state, LicenseState::ToFree | LicenseState::Stopped);
            let same_key = row.key.as_ref().map_or(came, |ours| ours.fingerprint() == key.fingerprint());
            // The customer of the order was checked, and is this client.
            waits && same_key && (is_its(row) || !self.rules.hosting.any_customer)
        };
        let Some(row) = known.as_ref().filter(|row| is_ours(row)) else {
            return Err(wording::foreign_key(item.id, seen.id));
        };
        // Perhaps the client bought it himself, and it would be sold to him again.
        if !is_its(row) && self.question_before_removal(row).await?.is_some() {
            return Err(wording::foreign_key(item.id, seen.id));
        }
        let order = seen.id;
        let reason = text!(
            "hosting order {order} still has the license that was bought before: it is handed out again, nothing is bought",
            "у заказа хостинга {order} осталась купленная ранее лицензия: она выдаётся снова, ничего не покупается"
        );
        self.note(&reason);
        self.bind_existing(item, incarnation, name, seen, &reason).await
    }

    /// Handles a license that was bought and given back before its key came. The same service gets it again, and
    /// nothing is bought. Another service waits until the key shows to whom the license belongs.
    async fn wait_for_key(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        name: &str,
        seen: &HostingOrder,
        row: &LicenseRow,
    ) -> Result<LicenseRow, ModuleError> {
        let order = seen.id;
        if row.item != Some(item.id) {
            return Err(wording::key_to_come(row));
        }
        let reason = text!(
            "the license of hosting order {order} was bought before, and its key is still to come: nothing is bought",
            "лицензия заказа хостинга {order} куплена ранее, её ключ ещё не пришёл: ничего не покупается"
        );
        self.note(&reason);
        self.bind_existing(item, incarnation, name, seen, &reason).await
    }

    /// Buys. One intent, one request, then a look.
    async fn add_license(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        name: &str,
        line: ProductLine,
        seen: &HostingOrder,
    ) -> Result<LicenseRow, ModuleError> {
        let order = seen.id;
        let now = self.now();
        if !seen.is_active() {
            return Err(wording::not_active(seen));
        }
        let Some(ends) = seen.ends.filter(|ends| *ends > now) else { return Err(wording::is_over(seen)) };
        let pending = self.pending_actions(order).await?.map_err(|error| super::look::unreadable(&error, order))?;
        if !pending.is_empty() {
            return Err(wording::busy_order(order));
        }
        // What has ended until now is not what is about to be sent.
        let finished = self.finished_actions(order).await?.map_err(|error| super::look::unreadable(&error, order))?;
        let months = months_left(ends, now);
        let extra = self.rules.hosting.max_extra_months;
        if is_too_long(ends, now, item.period, extra) {
            return Err(wording::too_long(item, seen, months, self.cost_of_months(months).as_ref()));
        }
        self.check_clock()?;
        let what = wording::purchase(item.id, seen, months, self.cost_of_months(months).as_ref());
        self.check_money_for(Some(item.id), &what, self.cost_of_months(months).as_ref()).await?;
        let request = AddLicense {
            order,
            name: name.to_owned(),
            line,
            invoice: self.rules.hosting.invoice_option,
            action_before: seen.action.clone(),
            seller_time: self.ports.upstream.server_date(),
            ended_before: mistakable(&finished, now),
            months,
        };
        if let Some(row) = self.look_for_missed(item, incarnation, &request, &finished).await? {
            return Ok(row);
        }
        match self.record_addition(item, incarnation, &request, None, &what).await? {
            Recorded::Intent(recorded) => {
                self.note(&what);
                self.send_addition(recorded, incarnation, seen).await
            }
            Recorded::Existing(intent) => Err(self.still_in_doubt(&intent, &what)),
        }
    }

    async fn record_addition(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        request: &AddLicense,
        at: Option<DateTime<Utc>>,
        what: &Text,
    ) -> Result<Recorded, ModuleError> {
        let key = IdempotencyKey::AddLicense {
            incarnation: incarnation.clone(),
            account: self.account,
            order: request.order,
            given_back: self.given_back(item, incarnation)?,
        };
        let new = self.new_intent(&key, Some(item.id), self.account, what);
        self.record_as_of(at, &new, |tx| {
            tx.touch_item(item)?;
            tx.set_choice(item, &request.name)?;
            Ok(OnceRequest::AddLicense(request.clone()))
        })
        .await
    }

    /// Looks for a purchase that an old state has missed, before the first purchase on its order. Its answer is as good
    /// as lost, so it is written down as a purchase in doubt, and the rules of those settle it: a key that appears is
    /// its license, an action that ended is a question for an operator, and two looks without a trace end it.
    async fn look_for_missed(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        request: &AddLicense,
        finished: &[OrderAction],
    ) -> Result<Option<LicenseRow>, ModuleError> {
        let known = self.store.additions_of_order(self.account, request.order).map_err(errors::state)?;
        let completed = self.store.completed_at(self.account).map_err(errors::state)?;
        let Some(completed) = completed.filter(|_| may_have_missed(completed, &known, self.now_at_least())) else {
            return Ok(None);
        };
        let what = wording::perhaps_missed(item.id, request.order);
        self.note(&what);
        // It was sent before the state was completed. It is settled by the time since then.
        let perhaps = missed(request.clone(), finished, completed);
        let intent = match self.record_addition(item, incarnation, &perhaps, Some(completed), &what).await? {
            // Nothing is sent for it.
            Recorded::Intent(recorded) => recorded.intent().clone(),
            Recorded::Existing(intent) => return Err(self.still_in_doubt(&intent, &what)),
        };
        // The client may have bought the license himself, so it is not removed unasked.
        self.write_event(&intent, IntentEvent::declined("the state was old".to_owned()), &what).await?;
        match self.settle_addition(&intent, Some(incarnation)).await? {
            Some(row) => Ok(Some(row)),
            None => Err(self.still_in_doubt(&intent, &what)),
        }
    }

    /// The number of licenses that this incarnation has had and given back. When it asks again, it gets a new one.
    fn given_back(&self, item: &Item, incarnation: &Incarnation) -> Result<u32, ModuleError> {
        let known = self.store.additions_of_item(item.id).map_err(errors::state)?;
        let had = known.iter().filter(|intent| intent.is_order_of(incarnation) && intent.status == IntentStatus::Done);
        Ok(u32::try_from(had.count()).unwrap_or(u32::MAX))
    }

    /// Whether the newest purchase for this incarnation has not brought a license, or not yet.
    pub(super) fn is_addition_owed(&self, item: &Item, incarnation: &Incarnation) -> Result<bool, ModuleError> {
        let known = self.store.additions_of_item(item.id).map_err(errors::state)?;
        let newest = known.iter().rev().find(|intent| intent.is_order_of(incarnation));
        Ok(newest.is_some_and(|intent| intent.status != IntentStatus::Done))
    }

    async fn send_addition(
        &mut self,
        recorded: RecordedIntent,
        incarnation: &Incarnation,
        seen: &HostingOrder,
    ) -> Result<LicenseRow, ModuleError> {
        let what = describe(recorded.intent());
        let (intent, reply) = self.send(recorded, &what, seen.id).await?;
        match reply {
            // The answer names our order. Whether the key is there already or comes later, the license belongs to this
            // service.
            Reply::Done(_) => {
                let event = IntentEvent::Done { license: Some(seen.id) };
                self.bind_addition(&intent, seen, Some(incarnation), event).await
            }
            Reply::Refused(refusal) => self.after_refusal(&intent, incarnation, &refusal).await,
            Reply::Busy(why) => self.look_for_addition(&intent, incarnation, IntentEvent::declined(why)).await,
            Reply::Unknown(why) => self.look_for_addition(&intent, incarnation, IntentEvent::unknown(why)).await,
        }
    }

    /// Writes down that the outcome of a purchase is not known, and looks for its license at once.
    async fn look_for_addition(
        &mut self,
        intent: &Intent,
        incarnation: &Incarnation,
        event: IntentEvent,
    ) -> Result<LicenseRow, ModuleError> {
        let what = describe(intent);
        self.write_event(intent, event, &what).await?;
        let intent = self.recorded(intent.id)?;
        match self.settle_addition(&intent, Some(incarnation)).await? {
            Some(row) => Ok(row),
            None => Err(self.still_in_doubt(&intent, &what)),
        }
    }
}
