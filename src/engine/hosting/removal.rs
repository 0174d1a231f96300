//! The end of a service: its license is removed from the order, once, and only if it is exactly the license that we
//! hold. The call for this is not documented. So without the setting `remove_call` an operator removes the license: a
//! problem names the last day, and a task points at the service.

use crate::error::{Halt, ModuleError};
use crate::model::catalogue::NOPANEL;
use crate::model::hosting::{HostingOrder, ProductLine, RemoveLicense};
use crate::model::ids::{ItemId, LicenseId, LicenseKey};
use crate::model::item::Item;
use crate::model::journal::{IdempotencyKey, Incarnation, Intent, IntentEvent, IntentStatus, Note, OnceRequest};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::model::rules::OnClose;
use crate::plan::hosting::{KeyNow, key_now, wants_again};
use crate::plan::identity::serves;
use crate::ports::PanelCall;
use crate::store::{Recorded, RecordedIntent};
use crate::text;

use super::look::unreadable;
use super::unproven::Question;
use super::wording;
use crate::engine::intent::Reply;
use crate::engine::send::describe;
use crate::engine::{Engine, errors};

/// The reason, stored with a license, why it stays on its order.
const KEPT: &str = "kept until its hosting order ends";

impl Engine<'_> {
    /// close: a purchase in doubt becomes "remove it when it appears", and the license of the service is removed or
    /// kept, as `on_close` says. The service closes anyway; sync finishes the rest. Only a service that shows a license
    /// which our state does not hold for it stays open.
    pub(super) async fn close_addon(&mut self, item: &Item) -> Result<(), ModuleError> {
        let incarnation = self.incarnation_to_settle(item)?;
        self.check_shown(item, &incarnation).await?;
        self.give_up_additions(item).await?;
        self.look_for_given_up(item).await?;
        let left = self.give_up_licenses(item, &incarnation).await?;
        self.post(item, "service.postclose").await?;
        match left {
            None => self.end_incarnation(item, &incarnation).await,
            // The license stays bound to this incarnation until an operator decides.
            Some(shown_elsewhere) => {
                self.warn(&shown_elsewhere.message);
                Ok(())
            }
        }
    }

    /// Handles `nopanel` up to the post-call: nothing is bought, and the choice is remembered. Until the panel knows,
    /// it repeats its command, and the client may choose a license again: one that was removed would be bought again.
    /// The caller makes the post-call, then calls [`Engine::drop_addon`]. If the run dies in between, sync gives the
    /// license up.
    pub(super) async fn choose_no_addon(&mut self, item: &Item, incarnation: &Incarnation) -> Result<(), ModuleError> {
        self.check_shown(item, incarnation).await?;
        for row in self.licenses_to_give_up(item, incarnation)? {
            self.check_not_shown_elsewhere(&row).await?;
        }
        self.note(&text!("nopanel: nothing is ordered", "nopanel: ничего не заказывается"));
        self.remember_choice(item, NOPANEL).await
    }

    /// The client does not want a license any more, and the panel knows: does the same as close, and the service goes
    /// on. `given_up`: the incarnation that chose none.
    pub(super) async fn drop_addon(&mut self, item: &Item, given_up: Option<&Incarnation>) -> Result<(), ModuleError> {
        let Some(incarnation) = given_up else { return Ok(()) };
        self.give_up_additions(item).await?;
        if let Some(shown_elsewhere) = self.give_up_licenses(item, incarnation).await? {
            return Err(shown_elsewhere);
        }
        for row in self.store.licenses_of_item(item.id).map_err(errors::state)? {
            self.clear_shown(item, &row).await?;
        }
        Ok(())
    }

    async fn give_up_additions(&mut self, item: &Item) -> Result<(), ModuleError> {
        let open = self.store.open_intents_of_item(item.id).map_err(errors::state)?;
        let is_waited_for =
            |intent: &&Intent| intent.request.as_addition().is_some() && intent.status != IntentStatus::FreeWhenAppears;
        for intent in open.iter().filter(is_waited_for) {
            let reason = text!(
                "the service was closed while its purchase is in doubt: the license is removed when it appears",
                "услуга закрыта, пока её покупка под вопросом: лицензия будет снята, когда появится"
            );
            self.warn(&reason);
            self.write_event(intent, IntentEvent::FreeWhenAppears, &reason).await?;
        }
        Ok(())
    }

    /// Looks for the license of a purchase that was given up. If it cannot be seen now, sync looks for it later.
    async fn look_for_given_up(&mut self, item: &Item) -> Result<(), ModuleError> {
        match self.settle_additions(item, None).await {
            Err(error) if error.halt == Halt::Database => Err(error),
            Err(error) => {
                self.warn(&error.message);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Removes an invalid key from a service that goes on without a license. If the panel keeps the key, the log says
    /// so.
    pub(super) async fn clear_shown(&mut self, item: &Item, row: &LicenseRow) -> Result<(), ModuleError> {
        let row = self.store.license(row.account, row.id).map_err(errors::state)?;
        let is_dead = row.is_some_and(|row| row.state == LicenseState::Deleted && item.params.licid == Some(row.id));
        if !is_dead {
            return Ok(());
        }
        let values = vec![("lickey", String::new()), ("licid", String::new())];
        if let Err(error) = self.panel_call(&PanelCall::SaveParams { item: item.id, values }).await? {
            let error = errors::panel(&error, "service.saveparam", item.id);
            self.warn(&error.message);
        }
        Ok(())
    }

    /// Gives up every license of a service. Returns the error for one that stays, because another service shows it.
    async fn give_up_licenses(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
    ) -> Result<Option<ModuleError>, ModuleError> {
        let account = self.account;
        let mut left = None;
        for row in &self.licenses_to_give_up(item, incarnation)? {
            match self.shown_by_another(row).await? {
                Some(shown_elsewhere) => left = Some(shown_elsewhere),
                None if row.account == account => self.give_up_addon(item, row).await?,
                None => self.give_up(item, row).await?,
            }
        }
        Ok(left)
    }

    /// The licenses that a service gives up: the one that it holds, and those that wait for their removal. What is to
    /// be freed in another account is written down already.
    fn licenses_to_give_up(&self, item: &Item, incarnation: &Incarnation) -> Result<Vec<LicenseRow>, ModuleError> {
        let mut rows = self.store.licenses_of_item(item.id).map_err(errors::state)?;
        let account = self.account;
        rows.retain(|row| serves(row, incarnation) || (row.state == LicenseState::ToFree && row.account == account));
        Ok(rows)
    }

    /// The error for a license that a service shows which our state does not hold it for: the panel copied a service
    /// under another number, for example. A removal is final, and an operator has to say whose the license is.
    async fn shown_by_another(&mut self, row: &LicenseRow) -> Result<Option<ModuleError>, ModuleError> {
        Ok(self.heir_of(row, None).await?.map(|heir| wording::shown_elsewhere(row.id, heir)))
    }

    /// Checks that no other service shows a license before it is given up.
    ///
    /// # Errors
    /// `state`, with the command that binds it to the other service.
    pub(super) async fn check_not_shown_elsewhere(&mut self, row: &LicenseRow) -> Result<(), ModuleError> {
        match self.shown_by_another(row).await? {
            Some(shown_elsewhere) => Err(shown_elsewhere),
            None => Ok(()),
        }
    }

    /// Checks that no service which gave this very license back wants it again: it gets the license when it asks for
    /// it, and after a removal another one would have to be bought.
    async fn check_not_wanted_again(&mut self, row: &LicenseRow, key: &LicenseKey) -> Result<(), ModuleError> {
        for item in self.others_showing(row, None).await? {
            let asks_for = self.order_wanted(&item).await?;
            if wants_again(&item, asks_for, (row.id, key)) {
                return Err(wording::wanted_again(row.id, item.id));
            }
        }
        Ok(())
    }

    /// The order that a service of this module names, unless it wants no license.
    async fn order_wanted(&mut self, item: &Item) -> Result<Option<LicenseId>, ModuleError> {
        if self.wants_no_license(item) || item.module != Some(self.module) {
            return Ok(None);
        }
        match self.order_asked(item).await {
            Ok(order) => Ok(Some(order)),
            Err(error) if error.halt == Halt::Database => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Whether a license stays on its order when its service gives it back.
    pub(super) fn keeps_addons(&self) -> bool {
        match self.rules.on_close {
            OnClose::Keep => true,
            // There is no pool and no stop: each renewal of the order would cost money.
            OnClose::Pool | OnClose::Stop | OnClose::Delete => false,
        }
    }

    /// Ends the use of a license. This is written down first, so that a crash in between leaves a license that waits.
    pub(super) async fn give_up_addon(&mut self, item: &Item, row: &LicenseRow) -> Result<(), ModuleError> {
        // Another service may have been given it before the lock was free: then it is that one's.
        let Some(row) = self.lock_as_read(row).await? else { return Ok(()) };
        let keeps = self.keeps_addons();
        let state = if keeps { LicenseState::Stopped } else { LicenseState::ToFree };
        if row.state != state {
            let reason = wording::given_back(item.id, row.id, keeps);
            self.note(&reason);
            let (row, why) = (row.clone(), keeps.then(|| Reason::Other(KEPT.to_owned())));
            self.commit("given back", move |tx| {
                tx.release_license(&row, state, None, why.as_ref())?;
                tx.note(row.item, Some((row.account, row.id)), Note::State(state), &reason)
            })
            .await?;
        }
        let row = self.store.license(row.account, row.id).map_err(errors::state)?.unwrap_or(row);
        if keeps {
            if let Some(seen) = self.try_look(&row).await? {
                self.tell_problem(
                    item.id,
                    (row.account, row.id),
                    &wording::kept(item.id, &seen, self.cost_of_months(1).as_ref()),
                )
                .await?;
            }
            return Ok(());
        }
        match self.remove_addon(item.id, &row).await {
            Ok(_) => Ok(()),
            Err(error) if error.halt == Halt::Database => Err(error),
            Err(error) => {
                let (order, why) = (row.id, error.words());
                self.warn(&text!(
                    ["the license of hosting order {order} is removed later: {}", why.en],
                    ["лицензия заказа хостинга {order} будет снята позже: {}", why.ru]
                ));
                Ok(())
            }
        }
    }

    /// Removes the license from its order. If an operator has to do it, returns the order as it was seen. The caller
    /// has made sure that no service may use the license.
    pub(super) async fn remove_addon(
        &mut self,
        item: ItemId,
        row: &LicenseRow,
    ) -> Result<Option<HostingOrder>, ModuleError> {
        self.lock_license(row.id).await?;
        self.settle_removals(row.id).await?;
        let row = self.store.license(row.account, row.id).map_err(errors::state)?.unwrap_or_else(|| row.clone());
        // Removed by now, or given to another service before the lock was free.
        if row.state != LicenseState::ToFree {
            return Ok(None);
        }
        self.check_not_shown_elsewhere(&row).await?;
        let line = self.line_of(row.id).await?.ok_or_else(|| wording::no_such_order(row.id))?;
        let seen = self.order_now(line, row.id).await?;
        // A purchase that failed brought no license, so a key that exists anyway belongs to somebody else.
        let failed = row.key.is_none() && self.has_failed(&row).await?;
        let Some(key) = seen.key.as_ref().filter(|_| !failed && !seen.is_deleted()) else {
            if row.key.is_none() && !failed && !seen.is_deleted() {
                // Bought, and its key is still to come. Once it was reported to an operator, a pass has nothing more to
                // say.
                let is_told = self.tell_late_key(item, &row).await?;
                return if is_told { Ok(None) } else { Err(wording::key_to_come(&row)) };
            }
            if row.key.is_some() && !seen.is_deleted() && self.may_be_old(row.since, self.now()) {
                // It was there when it was given back. A later look decides.
                return Ok(None);
            }
            return self.forget_removed(&row, Reason::DeletedUpstream).await.map(|()| None);
        };
        let fingerprint = key.fingerprint();
        match &row.key {
            Some(ours) if ours.fingerprint() != fingerprint => {
                let ours = ours.fingerprint();
                return Err(self.ask_before_removal(item, &row, line, ours, Question::WhoseKey).await?);
            }
            Some(_) => {}
            // The key of our purchase came after the close.
            None => self.refresh(&row, &seen.as_license()).await?,
        }
        self.check_not_wanted_again(&row, key).await?;
        if let Some(question) = self.question_before_removal(&row).await? {
            return Err(self.ask_before_removal(item, &row, line, fingerprint, question).await?);
        }
        if self.rules.hosting.remove_call.is_empty() {
            let price = self.cost_of_months(1);
            self.tell_problem(item, (row.account, row.id), &wording::to_remove(item, &seen, price.as_ref())).await?;
            return self.ask_operator(item).await.map(|()| Some(seen));
        }
        let pending = self.pending_actions(row.id).await?.map_err(|error| unreadable(&error, row.id))?;
        if !pending.is_empty() {
            return Err(wording::busy_order(row.id));
        }
        self.check_clock()?;
        self.send_removal(item, &row, line, fingerprint).await.map(|()| None)
    }

    /// Writes a removal down, before it is sent or an operator is asked about it.
    pub(super) async fn record_removal(
        &mut self,
        item: ItemId,
        row: &LicenseRow,
        line: ProductLine,
        fingerprint: String,
    ) -> Result<RecordedIntent, ModuleError> {
        let rules = &self.rules.hosting;
        let request = RemoveLicense {
            order: row.id,
            line,
            call: rules.remove_call.clone(),
            params: rules.remove_params.clone(),
            key: fingerprint.clone(),
        };
        let key = IdempotencyKey::RemoveLicense { account: row.account, order: row.id, key: fingerprint };
        let what = wording::removal(item, row.id);
        let new = self.new_intent(&key, Some(item), row.account, &what);
        match self.record(&new, |_| Ok(OnceRequest::RemoveLicense(request.clone()))).await? {
            Recorded::Intent(recorded) => Ok(recorded),
            // A key that was removed does not come back.
            Recorded::Existing(intent) if intent.status == IntentStatus::Done => {
                let why = text!(
                    "the license with our key was removed before, and the order still shows a license",
                    "лицензию с нашим ключом уже сняли, а заказ всё ещё показывает лицензию"
                );
                Err(errors::order_unknown(&what, &why, Some(item), intent.id.0))
            }
            Recorded::Existing(intent) => Err(self.still_in_doubt(&intent, &what)),
        }
    }

    async fn send_removal(
        &mut self,
        item: ItemId,
        row: &LicenseRow,
        line: ProductLine,
        fingerprint: String,
    ) -> Result<(), ModuleError> {
        let what = wording::removal(item, row.id);
        let recorded = self.record_removal(item, row, line, fingerprint.clone()).await?;
        self.note(&what);
        let (intent, reply) = self.send(recorded, &what, row.id).await?;
        match reply {
            Reply::Refused(refusal) => match self.try_order(line, row.id).await? {
                Ok(seen) => match key_now(&seen, &fingerprint) {
                    // The look may show the past, before the license was bought.
                    KeyNow::Gone if self.may_be_old(intent.recorded_at, self.now_at_least()) => {
                        let reason = format!("{refusal}, and a look showed no license key");
                        self.write_event(&intent, IntentEvent::unknown(reason), &what).await?;
                        Err(self.still_in_doubt(&intent, &what))
                    }
                    KeyNow::Gone => self.removed(row, &intent).await,
                    KeyNow::Other => Err(self.hand_over_removal(&intent, row, Question::WhoseKey).await?),
                    KeyNow::Same => {
                        self.write_event(&intent, IntentEvent::Refused { reason: refusal.to_string() }, &what).await?;
                        let problem = wording::removal_refused(item, row.id, &refusal);
                        self.tell_problem(item, (row.account, row.id), &problem).await?;
                        Err(errors::refused(&refusal, &what, "licid", row.id))
                    }
                },
                Err(error) => {
                    let reason = format!("{refusal}, then {}", error.words().en);
                    self.write_event(&intent, IntentEvent::unknown(reason), &what).await?;
                    Err(self.still_in_doubt(&intent, &what))
                }
            },
            // The answer and the look agree.
            Reply::Done(_) if self.shows_no_key(line, row.id).await? => self.removed(row, &intent).await,
            Reply::Done(_) => {
                let reason = "answered, not visible yet".to_owned();
                self.look_for_removal(row, &intent, reason).await
            }
            Reply::Busy(why) | Reply::Unknown(why) => self.look_for_removal(row, &intent, why).await,
        }
    }

    async fn shows_no_key(&mut self, line: ProductLine, order: LicenseId) -> Result<bool, ModuleError> {
        Ok(self.try_order(line, order).await?.is_ok_and(|seen| seen.key.is_none()))
    }

    async fn look_for_removal(&mut self, row: &LicenseRow, intent: &Intent, why: String) -> Result<(), ModuleError> {
        let what = describe(intent);
        self.write_event(intent, IntentEvent::unknown(why), &what).await?;
        let intent = self.recorded(intent.id)?;
        self.settle_removal(&intent, row).await?;
        let row = self.store.license(row.account, row.id).map_err(errors::state)?;
        if row.is_some_and(|row| row.state == LicenseState::Deleted) {
            return Ok(());
        }
        Err(self.still_in_doubt(&intent, &what))
    }

    /// The key is gone: an operator removed it, or the hosting ended.
    pub(super) async fn forget_removed(&mut self, row: &LicenseRow, why: Reason) -> Result<(), ModuleError> {
        let (row, order) = (row.clone(), row.id);
        let reason = text!(
            "hosting order {order} has no license of ours any more: nothing is left to remove",
            "у заказа хостинга {order} больше нет нашей лицензии: снимать нечего"
        );
        self.note(&reason);
        self.commit("license gone", move |tx| {
            tx.release_license(&row, LicenseState::Deleted, None, Some(&why))?;
            tx.note(row.item, Some((row.account, row.id)), Note::State(LicenseState::Deleted), &reason)
        })
        .await
    }

    /// Adds a task for an operator, if the panel runs an operation to which the task can belong. A task shows the error
    /// of its operation, and this operation succeeds, so the task points at the service and says nothing more.
    async fn ask_operator(&mut self, item: ItemId) -> Result<(), ModuleError> {
        let Some(operation) = self.operation else { return Ok(()) };
        self.step("look for task").await?;
        if self.ports.billdb.has_task(operation).map_err(|error| errors::database(&error))? {
            return Ok(());
        }
        let asked = self.panel_call(&PanelCall::TaskType { item, operation: "close" }).await?;
        let Some(task_type) = asked.ok().and_then(|answer| answer.get("task_type").cloned()) else { return Ok(()) };
        if task_type.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.panel_call(&PanelCall::AddTask { item, operation, task_type }).await? {
            let error = errors::panel(&error, "task.edit", item);
            self.warn(&error.message);
        }
        Ok(())
    }
}
