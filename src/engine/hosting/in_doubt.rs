//! Settles purchases of addons whose outcome is unknown, and records the licenses that they brought. The rules are in
//! `plan::hosting`.

use crate::error::{ModuleError, Text};
use crate::model::hosting::{AddLicense, HostingOrder};
use crate::model::ids::{IntentId, ItemId, LicenseId, UpstreamPricelistId};
use crate::model::item::Item;
use crate::model::journal::{Incarnation, Intent, IntentEvent, IntentStatus, Note};
use crate::model::license::{Cost, Family, Money};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::plan::bind::holder;
use crate::plan::cost::with_cost;
use crate::plan::hosting::{Trace, after_empty_look, trace};
use crate::plan::in_doubt::Verdict;
use crate::ports::Refusal;
use crate::store::{Binding, StoreError};
use crate::text;

use super::look::unreadable;
use super::wording;
use crate::engine::send::describe;
use crate::engine::{Engine, errors};

/// The seller names ten minutes for a purchase that it has queued: an operator has to look for a key that is this late.
const KEY_LATE_MINUTES: i64 = 60;

impl Engine<'_> {
    /// An intent that was recorded, as the state has it now.
    pub(super) fn recorded(&self, id: IntentId) -> Result<Intent, ModuleError> {
        let missing = || errors::state(StoreError::Unusable("a recorded intent is missing".to_owned()));
        self.store.intent(id).map_err(errors::state)?.ok_or_else(missing)
    }

    /// Settles the purchases of a service that are in doubt: each ends, or this run fails. `incarnation`: the
    /// incarnation that waits for the license. `None`: none does, so the license is to be removed.
    pub(in crate::engine) async fn settle_additions(
        &mut self,
        item: &Item,
        incarnation: Option<&Incarnation>,
    ) -> Result<(), ModuleError> {
        self.step("read intents in doubt").await?;
        for intent in self.additions_in_doubt(item)? {
            // A license that was bought for another incarnation of this number may belong to another client.
            let wanted = incarnation.filter(|incarnation| intent.is_order_of(incarnation));
            self.settle_addition(&intent, wanted).await?;
        }
        Ok(())
    }

    /// Settles the purchases of a closed service before the post-call of a change that is older than the close. A
    /// purchase that was given up is looked for; any other one ends by the rule of an open service. A license that
    /// appears is to be removed.
    pub(super) async fn settle_closed_addon(&mut self, item: &Item) -> Result<(), ModuleError> {
        self.step("read intents in doubt").await?;
        for intent in self.additions_in_doubt(item)? {
            self.settle_for(&intent, None, intent.status != IntentStatus::FreeWhenAppears).await?;
        }
        Ok(())
    }

    /// The purchases of a service that are in doubt, given up, or left to an operator.
    pub(super) fn additions_in_doubt(&self, item: &Item) -> Result<Vec<Intent>, ModuleError> {
        let mut open = self.store.open_intents_of_item(item.id).map_err(errors::state)?;
        open.retain(|intent| intent.request.as_addition().is_some() && intent.account == self.account);
        Ok(open)
    }

    /// Settles the purchases for an order that closed services gave up, because a service wants the order again.
    /// Without that nobody is in a hurry, and sync looks for their licenses for 30 days. Now the rule of an open
    /// service ends them: after the settling time, two looks without a trace. What appears nevertheless is to be
    /// removed.
    pub(super) async fn settle_given_up(&mut self, order: LicenseId) -> Result<(), ModuleError> {
        let open = self.store.open_intents_of_license(self.account, order).map_err(errors::state)?;
        let is_given_up =
            |intent: &&Intent| intent.request.as_addition().is_some() && intent.status == IntentStatus::FreeWhenAppears;
        for intent in open.iter().filter(is_given_up) {
            self.settle_for(intent, None, true).await?;
        }
        Ok(())
    }

    /// Looks for the license of one purchase in doubt. `Ok(None)`: the purchase ended without a license, or no service
    /// waits for it.
    pub(in crate::engine) async fn settle_addition(
        &mut self,
        intent: &Intent,
        wanted: Option<&Incarnation>,
    ) -> Result<Option<LicenseRow>, ModuleError> {
        self.settle_for(intent, wanted, wanted.is_some()).await
    }

    /// The same. `is_awaited`: a service cannot go on before this purchase is settled.
    async fn settle_for(
        &mut self,
        intent: &Intent,
        wanted: Option<&Incarnation>,
        is_awaited: bool,
    ) -> Result<Option<LicenseRow>, ModuleError> {
        let Some(add) = intent.request.as_addition().cloned() else { return Ok(None) };
        self.lock_license(add.order).await?;
        let what = describe(intent);
        let seen = self.order_now(add.line, add.order).await?;
        if seen.key.is_some() {
            let row = self.store.license(self.account, add.order).map_err(errors::state)?;
            if let Some(other) = row.filter(|row| row.incarnation.is_some()).and_then(|row| row.item) {
                let why = text!("service {other} has it", "она у услуги {other}");
                return Err(self.hand_over(intent, &what, &why).await?);
            }
            let event = IntentEvent::Adopted { license: add.order };
            return self.bind_addition(intent, &seen, wanted, event).await.map(Some);
        }
        if intent.status == IntentStatus::HandedOver {
            let why = text!("an operator must look", "решить должен оператор");
            return Err(errors::order_unknown(&what, &why, intent.item, intent.id.0));
        }
        match self.traced(intent, &add).await? {
            Trace::UnderWay => Err(wording::under_way(&what, add.order)),
            // The failed action may be an earlier one, and this purchase may still take effect.
            Trace::Failed if !self.is_settled(intent) => Err(self.still_in_doubt(intent, &what)),
            Trace::Failed => self.failed(intent, &what, wanted.is_some()).await,
            // The service that it was bought for does not wait for it: it is looked for, but not without end.
            Trace::Nothing | Trace::Ended if !is_awaited => {
                self.nothing_appeared(intent, true, &what).await.map(|()| None)
            }
            Trace::Ended if self.is_settled(intent) => {
                let why = text!(
                    "an action on the order ended after it was sent, and the order shows no key",
                    "после отправки на заказе завершилось действие, а ключа у заказа нет"
                );
                Err(self.hand_over(intent, &what, &why).await?)
            }
            Trace::Ended => Err(self.still_in_doubt(intent, &what)),
            Trace::Nothing => self.after_nothing_added(intent, &what, wanted.is_some()).await.map(|()| None),
        }
    }

    /// Whether the seller no longer carries the request out.
    pub(super) fn is_settled(&self, intent: &Intent) -> bool {
        self.now_at_least() >= intent.settled_at(self.rules.upstream.settle_s)
    }

    /// The trace of a purchase in the lists of actions. A list that cannot be read proves nothing, so the run ends.
    async fn traced(&mut self, intent: &Intent, add: &AddLicense) -> Result<Trace, ModuleError> {
        let pending = self.pending_actions(add.order).await?.map_err(|error| unreadable(&error, add.order))?;
        let finished = self.finished_actions(add.order).await?.map_err(|error| unreadable(&error, add.order))?;
        Ok(trace(&pending, &finished, intent, add))
    }

    /// Whether the purchase of a license whose key never came has failed: the seller accepted it, and reported later
    /// that its action failed.
    pub(super) async fn has_failed(&mut self, row: &LicenseRow) -> Result<bool, ModuleError> {
        let Some(intent) = self.purchase_of(row)? else { return Ok(false) };
        let Some(add) = intent.request.as_addition() else { return Ok(false) };
        Ok(self.is_settled(&intent) && self.traced(&intent, add).await? == Trace::Failed)
    }

    /// The purchase that brought a license: the newest one for its service that is done.
    pub(super) fn purchase_of(&self, row: &LicenseRow) -> Result<Option<Intent>, ModuleError> {
        let Some(item) = row.item else { return Ok(None) };
        let known = self.store.additions_of_item(item).map_err(errors::state)?;
        let brought_it = |intent: &Intent| {
            let is_it = intent.account == row.account && intent.request.license() == Some(row.id);
            is_it && intent.status == IntentStatus::Done
        };
        Ok(known.into_iter().rev().find(brought_it))
    }

    /// Tells an operator once that the key of a license which was bought does not come. The program waits for it
    /// nevertheless, because only an operator can see in the seller's panel that the license is not there. Returns
    /// whether it was time to tell.
    pub(super) async fn tell_late_key(&mut self, item: ItemId, row: &LicenseRow) -> Result<bool, ModuleError> {
        if row.age(self.now()) < chrono::Duration::minutes(KEY_LATE_MINUTES) {
            return Ok(false);
        }
        self.tell_problem(item, (row.account, row.id), &wording::key_is_late(item, row)).await.map(|()| true)
    }

    /// A license that was bought before, serves no service, and has not shown its key yet. No other one is bought while
    /// it exists.
    pub(super) async fn still_to_come(&mut self, seen: &HostingOrder) -> Result<Option<LicenseRow>, ModuleError> {
        let row = self.store.license(self.account, seen.id).map_err(errors::state)?;
        let is_given_back = |row: &LicenseRow| matches!(row.state, LicenseState::ToFree | LicenseState::Stopped);
        let waits = |row: &LicenseRow| is_given_back(row) && row.key.is_none() && !seen.is_deleted();
        match row.filter(waits) {
            Some(row) if !self.has_failed(&row).await? => Ok(Some(row)),
            Some(_) | None => Ok(None),
        }
    }

    /// The seller says that the purchase failed: ends the intent. The next run may buy; this one reports what happened.
    async fn failed(&mut self, intent: &Intent, what: &Text, tell: bool) -> Result<Option<LicenseRow>, ModuleError> {
        let reason = "the seller's list of actions says that it failed".to_owned();
        let event = match intent.status {
            IntentStatus::FreeWhenAppears => IntentEvent::NotHappened { reason },
            IntentStatus::InDoubt
            | IntentStatus::HandedOver
            | IntentStatus::Done
            | IntentStatus::Refused
            | IntentStatus::NotSent
            | IntentStatus::NotHappened => IntentEvent::Refused { reason },
        };
        self.write_event(intent, event, what).await?;
        if tell { Err(wording::action_failed(what, intent)) } else { Ok(None) }
    }

    async fn after_nothing_added(&mut self, intent: &Intent, what: &Text, is_adopted: bool) -> Result<(), ModuleError> {
        let rules = &self.rules.upstream;
        let verdict = after_empty_look(intent, self.now_by_all_clocks(), rules.settle_s, rules.resend);
        // A purchase that was given up and is wanted again is in doubt once more, or an operator decides about it. Both
        // events are written at once: in doubt, it would wait for a service that nobody opens.
        let gave_up = intent.status == IntentStatus::FreeWhenAppears;
        let is_wanted_again = is_adopted && matches!(verdict, Verdict::FirstCleanLook { .. });
        let is_in_doubt_again = gave_up && (is_wanted_again || matches!(verdict, Verdict::HandOver(_)));
        let mut events: Vec<(IntentEvent, Text)> = Vec::new();
        events.extend(is_in_doubt_again.then(|| (IntentEvent::WantedAgain, what.clone())));
        match verdict {
            Verdict::Wait { until } => Err(errors::in_doubt(what, until, "licid", order_number(intent))),
            Verdict::FirstCleanLook { again } => {
                events.push((IntentEvent::CleanLook, what.clone()));
                self.write_events(intent, &events).await?;
                Err(errors::in_doubt(what, again, "licid", order_number(intent)))
            }
            Verdict::NeverHappened => {
                let reason =
                    "two looks, the second after the settling time, show neither a key nor an action".to_owned();
                self.write_event(intent, IntentEvent::NotHappened { reason }, what).await
            }
            Verdict::HandOver(why) => {
                events.push((IntentEvent::HandedOver { reason: why.en.clone() }, why.clone()));
                self.write_events(intent, &events).await?;
                Err(errors::order_unknown(what, &why, intent.item, intent.id.0))
            }
        }
    }

    /// A refusal is believed after a look that shows neither a key nor an action that may be this purchase's.
    pub(super) async fn after_refusal(
        &mut self,
        intent: &Intent,
        incarnation: &Incarnation,
        refusal: &Refusal,
    ) -> Result<LicenseRow, ModuleError> {
        let Some(add) = intent.request.as_addition().cloned() else {
            return Err(self.still_in_doubt(intent, &describe(intent)));
        };
        let what = describe(intent);
        let trace = match self.try_order(add.line, add.order).await? {
            Ok(seen) if seen.key.is_some() => {
                // The purchase may have been carried out although it was refused. Or somebody else bought the license a
                // moment before, and it was refused for that reason. The client gets the key of his own order in both
                // cases. The journal keeps the refusal: such a license is not removed before an operator was asked.
                self.write_event(intent, IntentEvent::declined(refusal.to_string()), &what).await?;
                let event = IntentEvent::Adopted { license: add.order };
                return self.bind_addition(intent, &seen, Some(incarnation), event).await;
            }
            Ok(_) => self.traced(intent, &add).await.ok(),
            Err(_) => None,
        };
        match trace {
            Some(Trace::Nothing | Trace::Failed) => {
                self.write_event(intent, IntentEvent::Refused { reason: refusal.to_string() }, &what).await?;
                self.remember_refusal(intent.item, refusal, &what).await?;
                Err(errors::refused(refusal, &what, "licid", add.order))
            }
            Some(Trace::UnderWay | Trace::Ended) | None => {
                let reason = format!("{refusal}, and a look did not confirm it");
                self.write_event(intent, IntentEvent::declined(reason), &what).await?;
                Err(self.still_in_doubt(intent, &what))
            }
        }
    }

    /// Writes down that a purchase was carried out: the event and the license's row, in one transaction. If no
    /// incarnation waits for the license, it is to be removed.
    pub(super) async fn bind_addition(
        &mut self,
        intent: &Intent,
        seen: &HostingOrder,
        incarnation: Option<&Incarnation>,
        event: IntentEvent,
    ) -> Result<LicenseRow, ModuleError> {
        let months = intent.request.as_addition().map_or(0, |add| add.months);
        let cost = self.cost_of_months(months).map_or(Cost::Unknown, Cost::ListPrice);
        let what = with_cost(&describe(intent), &cost);
        let state = if incarnation.is_some() { LicenseState::Bound } else { LicenseState::ToFree };
        let name = intent.request.as_addition().map_or_else(String::new, |add| add.name.clone());
        let (account, module, order) = (self.account, self.module, seen.id);
        // The key of an earlier license of this order is not valid any more. This license has its own key, which may
        // come later.
        let former = self.store.license(account, order).map_err(errors::state)?;
        let is_gone = |row: &&LicenseRow| row.state == LicenseState::Deleted && row.key.is_some();
        let note = match state {
            LicenseState::Bound if former.as_ref().filter(is_gone).is_some() => text!(
                "a new license of hosting order {order} is bound, with a new key: the former license is gone",
                "новая лицензия заказа хостинга {order} привязана, ключ у неё новый: прежней лицензии больше нет"
            ),
            LicenseState::Bound => {
                text!("the license of hosting order {order} is bound", "лицензия заказа хостинга {order} привязана")
            }
            LicenseState::Claimed
            | LicenseState::ToFree
            | LicenseState::Pool
            | LicenseState::Stopped
            | LicenseState::Deleted => text!(
                "the license of hosting order {order} came after its service was closed: it is to be removed",
                "лицензия заказа хостинга {order} пришла после закрытия услуги: её нужно снять"
            ),
        };
        self.note(&note);
        let (intent, license, incarnation) = (intent.clone(), seen.as_license(), incarnation.cloned());
        self.commit("bind", move |tx| {
            tx.event(&intent, &event, &what)?;
            if let Some(former) = &former {
                tx.forget_key(former)?;
            }
            let binding = binding(account, module, &name);
            tx.put_license(&binding, &license, state, intent.item, incarnation.as_ref())?;
            tx.put_cost(&intent, order, UpstreamPricelistId(0), &cost)?;
            tx.set_refused_lifted(&intent)?;
            tx.note(intent.item, Some((account, order)), Note::State(state), &note)
        })
        .await?;
        self.row_of_order(seen)
    }

    /// Binds an existing license, without a purchase.
    pub(in crate::engine) async fn bind_existing(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        name: &str,
        seen: &HostingOrder,
        reason: &Text,
    ) -> Result<LicenseRow, ModuleError> {
        let (account, module, order) = (self.account, self.module, seen.id);
        let (license, reason) = (seen.as_license(), reason.clone());
        let before = self.store.license(account, order).map_err(errors::state)?;
        let from = holder(before.as_ref()).filter(|from| *from != item.id);
        self.commit("bind", |tx| {
            tx.touch_item(item)?;
            if let Some(from) = from {
                tx.note(Some(from), Some((account, order)), Note::GivenTo, &reason)?;
            }
            tx.set_choice(item, name)?;
            tx.put_license(
                &binding(account, module, name),
                &license,
                LicenseState::Bound,
                Some(item.id),
                Some(incarnation),
            )?;
            tx.note(Some(item.id), Some((account, order)), Note::State(LicenseState::Bound), &reason)
        })
        .await?;
        self.row_of_order(seen)
    }

    fn row_of_order(&self, seen: &HostingOrder) -> Result<LicenseRow, ModuleError> {
        let row = self.store.license(self.account, seen.id).map_err(errors::state)?;
        row.ok_or_else(|| errors::license_gone(None, seen.id))
    }

    /// The price of a number of months, by the setting `price_month`.
    pub(super) fn cost_of_months(&self, months: u32) -> Option<Money> {
        self.rules.hosting.price_of(months)
    }
}

fn binding(account: crate::model::ids::AccountId, module: crate::model::ids::ModuleId, name: &str) -> Binding<'_> {
    Binding {
        account,
        family: Family::Orderbox,
        module,
        internal_name: name,
        mark: None,
        pricelist: UpstreamPricelistId(0),
        nodes: None,
    }
}

fn order_number(intent: &Intent) -> u32 {
    intent.request.license().map_or(0, |order| order.0)
}
