//! A removal that is in doubt: the proof that it happened, and an operator's answers about it. An order without a key
//! proves it. Another key does not: the seller may have issued the key of the same license anew. Nor is a license
//! removed unasked if nothing but its key confirms our purchase of it: somebody else may have bought it.

use chrono::{DateTime, Utc};

use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::hosting::{HostingOrder, ProductLine, RemoveLicense};
use crate::model::ids::{ItemId, LicenseId};
use crate::model::journal::{Intent, IntentEvent, IntentStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::plan::hosting::{KeyNow, Unconfirmed, after_empty_look, is_confirmed, key_now, may_be_old, unconfirmed};
use crate::plan::in_doubt::Verdict;
use crate::text;

use super::look::unreadable;
use super::wording;
use crate::engine::send::describe;
use crate::engine::{Engine, Verdict as Answer, errors};

/// The question that an operator has to answer before a license is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// The order shows another key than the one that we hold.
    WhoseKey,
    /// The order showed a key after our purchase, and the seller has not said that it accepted the purchase.
    WhoBought(Unconfirmed),
}

impl Engine<'_> {
    /// Settles the removals of an order that are in doubt. Until then no run buys or removes for this order.
    pub(super) async fn settle_removals(&mut self, order: LicenseId) -> Result<(), ModuleError> {
        let open = self.store.open_intents_of_license(self.account, order).map_err(errors::state)?;
        for intent in open.iter().filter(|intent| intent.request.as_removal().is_some()) {
            if let Some(row) = self.store.license(self.account, order).map_err(errors::state)? {
                self.settle_removal(intent, &row).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn settle_removal(&mut self, intent: &Intent, row: &LicenseRow) -> Result<(), ModuleError> {
        let Some(remove) = intent.request.as_removal().cloned() else { return Ok(()) };
        let what = describe(intent);
        let seen = self.order_now(remove.line, remove.order).await?;
        let key = key_now(&seen, &remove.key);
        match (key, intent.status == IntentStatus::HandedOver) {
            // The key was there just before the removal was written down.
            (KeyNow::Gone, false) if self.may_be_old(intent.recorded_at, self.now_at_least()) => {
                return Err(self.still_in_doubt(intent, &what));
            }
            (KeyNow::Gone, _) => return self.removed(row, intent).await,
            (KeyNow::Other, true) => return Err(Question::WhoseKey.error(intent, remove.order)),
            (KeyNow::Same, true) => {
                if let Some(question) = self.question_before_removal(row).await? {
                    return Err(question.error(intent, remove.order));
                }
                let why = text!("an operator must look", "решить должен оператор");
                return Err(errors::order_unknown(&what, &why, intent.item, intent.id.0));
            }
            (KeyNow::Same | KeyNow::Other, false) => {}
        }
        let pending = self.pending_actions(remove.order).await?.map_err(|error| unreadable(&error, remove.order))?;
        if !pending.is_empty() {
            return Err(wording::under_way(&what, remove.order));
        }
        if key == KeyNow::Other {
            // What was sent may still arrive. Until then nobody can say what became of the license.
            let settled = self.is_settled(intent);
            return Err(if settled {
                self.hand_over_removal(intent, row, Question::WhoseKey).await?
            } else {
                self.still_in_doubt(intent, &what)
            });
        }
        let rules = &self.rules.upstream;
        match after_empty_look(intent, self.now_by_all_clocks(), rules.settle_s, rules.resend) {
            Verdict::Wait { until } => Err(errors::in_doubt(&what, until, "licid", row.id)),
            Verdict::FirstCleanLook { again } => {
                self.write_event(intent, IntentEvent::CleanLook, &what).await?;
                Err(errors::in_doubt(&what, again, "licid", row.id))
            }
            Verdict::NeverHappened => {
                let reason = "two looks, the second after the settling time, show the same key".to_owned();
                self.write_event(intent, IntentEvent::NotHappened { reason }, &what).await
            }
            Verdict::HandOver(why) => {
                self.write_event(intent, IntentEvent::HandedOver { reason: why.en.clone() }, &why).await?;
                Err(errors::order_unknown(&what, &why, intent.item, intent.id.0))
            }
        }
    }

    /// Whether a look that shows no key may show the past, because the license was there at a moment.
    pub(super) fn may_be_old(&self, there: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        may_be_old(there, now, self.rules.upstream.settle_s)
    }

    /// The purchase of a license that a service gave back, if the seller has not answered that it accepted it, although
    /// the order showed a key afterwards. Somebody else may have bought that license. After an operator let it be
    /// removed, or bound it, it counts as ours.
    fn unconfirmed_purchase(&self, row: &LicenseRow) -> Result<Option<(Intent, Unconfirmed)>, ModuleError> {
        // The service that has it now may have taken it over from the one that it was bought for.
        let bought = self.store.additions_of_license(row.account, row.id).map_err(errors::state)?;
        let Some(purchase) = bought.into_iter().rev().find(|intent| intent.status == IntentStatus::Done) else {
            return Ok(None);
        };
        let events = self.store.events(purchase.id).map_err(errors::state)?;
        let removals = self.store.removals_of_license(row.account, row.id).map_err(errors::state)?;
        let is_answer = |removal: &Intent| removal.id > purchase.id && removal.status == IntentStatus::NotHappened;
        let missing = unconfirmed(&events).filter(|_| !removals.iter().any(is_answer));
        Ok(missing.map(|missing| (purchase, missing)))
    }

    /// The question that an operator has to answer before a license is removed, or handed to a service that never had
    /// it, because somebody else may have bought it. A purchase without an answer raises none when the seller's list of
    /// actions confirms it.
    ///
    /// # Errors
    /// `upstream`: an action is under way, or the list cannot be read; `client`: the list may still come to confirm it.
    pub(super) async fn question_before_removal(&mut self, row: &LicenseRow) -> Result<Option<Question>, ModuleError> {
        let Some((purchase, missing)) = self.unconfirmed_purchase(row)? else { return Ok(None) };
        if let (Unconfirmed::Unanswered, Some(add)) = (missing, purchase.request.as_addition()) {
            let pending = self.pending_actions(row.id).await?.map_err(|error| unreadable(&error, row.id))?;
            if !pending.is_empty() {
                return Err(wording::busy_order(row.id));
            }
            let finished = self.finished_actions(row.id).await?.map_err(|error| unreadable(&error, row.id))?;
            if is_confirmed(&finished, add) {
                return Ok(None);
            }
            if !self.is_settled(&purchase) {
                return Err(self.still_in_doubt(&purchase, &describe(&purchase)));
            }
        }
        Ok(Some(Question::WhoBought(missing)))
    }

    /// Asks an operator about a license that is to be removed. Nothing is sent: the removal is written down as one that
    /// the operator has to decide about. `key`: the fingerprint of the key that we hold.
    pub(super) async fn ask_before_removal(
        &mut self,
        item: ItemId,
        row: &LicenseRow,
        line: ProductLine,
        key: String,
        question: Question,
    ) -> Result<ModuleError, ModuleError> {
        let recorded = self.record_removal(item, row, line, key).await?;
        self.hand_over_removal(recorded.intent(), row, question).await
    }

    /// Leaves a removal to an operator. Returns the error to end with.
    pub(super) async fn hand_over_removal(
        &mut self,
        intent: &Intent,
        row: &LicenseRow,
        question: Question,
    ) -> Result<ModuleError, ModuleError> {
        let (error, why) = (question.error(intent, row.id), question.reason());
        self.write_event(intent, IntentEvent::HandedOver { reason: why.en.clone() }, &why).await?;
        if let Some(item) = intent.item {
            self.tell_problem(item, (row.account, row.id), &error.message).await?;
        }
        Ok(error)
    }

    /// Ends a removal that happened. A license that serves again is another one and stays.
    pub(super) async fn removed(&mut self, row: &LicenseRow, intent: &Intent) -> Result<(), ModuleError> {
        self.forget_with(row, intent, IntentEvent::Adopted { license: row.id }, &describe(intent)).await
    }

    /// Ends a removal that an operator says is not needed: the license is somebody else's, or it is gone although its
    /// order cannot be read. No look proves that it was removed. So if an operator binds it to a service, and the
    /// service gives it back, its removal is a new one.
    async fn not_removed_by_us(&mut self, row: &LicenseRow, intent: &Intent, done: &Text) -> Result<(), ModuleError> {
        let reason = "an operator said that it is not needed (resolve --bought)".to_owned();
        self.forget_with(row, intent, IntentEvent::NotHappened { reason }, done).await
    }

    /// Ends a removal, and forgets the license if no service has it.
    async fn forget_with(
        &mut self,
        row: &LicenseRow,
        intent: &Intent,
        event: IntentEvent,
        what: &Text,
    ) -> Result<(), ModuleError> {
        self.note(what);
        let is_given_back = matches!(row.state, LicenseState::ToFree | LicenseState::Stopped);
        self.commit("removed", |tx| {
            tx.event(intent, &event, what)?;
            if is_given_back {
                tx.release_license(row, LicenseState::Deleted, None, Some(&Reason::Deleted))?;
            }
            Ok(())
        })
        .await
    }

    /// Settles the removals of an order before an operator binds its license. Returns one that waits for him: by
    /// binding what the order has now, he says that it is not to be removed.
    pub(super) async fn removal_ended_by_bind(&mut self, order: LicenseId) -> Result<Option<Intent>, ModuleError> {
        let open = self.store.open_intents_of_license(self.account, order).map_err(errors::state)?;
        let removal = open.into_iter().find(|intent| intent.request.as_removal().is_some());
        let Some(intent) = removal.filter(|intent| intent.status == IntentStatus::HandedOver) else {
            return self.settle_removals(order).await.map(|()| None);
        };
        Ok(Some(intent))
    }

    /// What an operator's answer about a removal would do, in words.
    ///
    /// # Errors
    /// `client`: the seller may still carry it out; `bad_value`: the order shows that the answer is wrong.
    pub(in crate::engine) async fn plan_of_removal(
        &mut self,
        intent: &Intent,
        answer: Answer,
    ) -> Result<Text, ModuleError> {
        let seen = self.order_for_answer(intent, answer).await?;
        Ok(plan(intent, answer, seen.map(|(key, _)| key)))
    }

    /// Ends a removal as an operator says.
    pub(in crate::engine) async fn resolve_removal(
        &mut self,
        intent: &Intent,
        removal: &RemoveLicense,
        answer: Answer,
    ) -> Result<Text, ModuleError> {
        let order = removal.order;
        self.lock_license(order).await?;
        let seen = self.order_for_answer(intent, answer).await?;
        let row = self.store.license(intent.account, order).map_err(errors::state)?;
        let key = seen.as_ref().map(|(key, _)| *key);
        let done = plan(intent, answer, key);
        match (answer, row) {
            (Answer::Bought(_), Some(row)) => match key {
                Some(KeyNow::Gone | KeyNow::Other) => self.removed(&row, intent).await?,
                // The order shows the license, or cannot be read: nothing proves that it was removed.
                Some(KeyNow::Same) | None => self.not_removed_by_us(&row, intent, &done).await?,
            },
            (Answer::Bought(license), None) => {
                self.write_event(intent, IntentEvent::Adopted { license }, &done).await?;
            }
            (Answer::NotBought, row) => {
                if let (Some(row), Some((KeyNow::Other, seen))) = (row, seen) {
                    // From now on this is the key that we hold, and the only one that is removed.
                    self.refresh(&row, &seen.as_license()).await?;
                }
                let event =
                    IntentEvent::NotHappened { reason: "an operator said so (resolve --not-bought)".to_owned() };
                self.write_event(intent, event, &done).await?;
            }
        }
        Ok(done)
    }

    /// The order, and its key compared with the one that was to be removed, if the answer does not contradict it.
    /// `None`: it cannot be read, and the operator says that the license is gone.
    async fn order_for_answer(
        &mut self,
        intent: &Intent,
        answer: Answer,
    ) -> Result<Option<(KeyNow, HostingOrder)>, ModuleError> {
        let Some(RemoveLicense { order, line, key, .. }) = intent.request.as_removal().cloned() else {
            return Ok(None);
        };
        let until = intent.settled_at(self.rules.upstream.settle_s);
        // A removal that was handed over has had its time, or was not sent.
        if answer == Answer::NotBought && intent.status != IntentStatus::HandedOver && self.now_at_least() < until {
            return Err(errors::in_doubt(&describe(intent), until, "wish", intent.id));
        }
        // The present account cannot show what a former one sold.
        if intent.account != self.account {
            return Ok(None);
        }
        let seen = match (self.try_order(line, order).await?, answer) {
            (Ok(seen), _) => seen,
            (Err(error), Answer::NotBought) => return Err(unreadable(&error, order)),
            (Err(_), Answer::Bought(_)) => return Ok(None),
        };
        let row = self.store.license(intent.account, order).map_err(errors::state)?;
        let is_others = row.map_or(Ok(false), |row| self.unconfirmed_purchase(&row).map(|found| found.is_some()))?;
        match (key_now(&seen, &key), answer) {
            (KeyNow::Gone, Answer::NotBought) => Err(removed_after_all(order)),
            (KeyNow::Same, Answer::Bought(_)) if !is_others => Err(not_removed(intent, order)),
            (key, _) => Ok(Some((key, seen))),
        }
    }
}

/// What an answer does, in words.
fn plan(intent: &Intent, answer: Answer, key: Option<KeyNow>) -> Text {
    let (what, item) = (describe(intent), intent.shown_item());
    match (answer, key) {
        (Answer::NotBought, Some(KeyNow::Other)) => text!(
            [
                "{}: not carried out. The key that the order shows counts as the new key of the license that service {item} gave back. That license is removed as any other.",
                what.en
            ],
            [
                "{}: не выполнено. Ключ, который показывает заказ, считается новым ключом лицензии, возвращённой услугой {item}. Она снимается, как любая другая.",
                what.ru
            ]
        ),
        (Answer::NotBought, _) => text!(
            ["{}: not carried out. The next run may send it again.", what.en],
            ["{}: не выполнено. Следующий запуск может отправить снова.", what.ru]
        ),
        (Answer::Bought(_), Some(KeyNow::Same)) => text!(
            ["{}: not needed. The license belongs to somebody else and is left alone.", what.en],
            ["{}: не требуется. Лицензия чужая и остаётся нетронутой.", what.ru]
        ),
        (Answer::Bought(_), Some(KeyNow::Other)) => text!(
            [
                "{}: carried out. The license that the order shows now belongs to somebody else and is left alone.",
                what.en
            ],
            ["{}: выполнено. Лицензия, которую теперь показывает заказ, чужая и остаётся нетронутой.", what.ru]
        ),
        (Answer::Bought(_), _) => text!(
            ["{}: carried out. It is not sent again.", what.en],
            ["{}: выполнено. Снова не отправляется.", what.ru]
        ),
    }
}

impl Question {
    /// The reason that the journal keeps.
    fn reason(self) -> Text {
        match self {
            Self::WhoseKey => text!("the order shows another key", "у заказа другой ключ"),
            Self::WhoBought(Unconfirmed::Declined) => text!(
                "the purchase was not accepted, so somebody else may have bought the license",
                "покупка не была принята, так что лицензию мог купить кто-то другой"
            ),
            Self::WhoBought(Unconfirmed::Unanswered) => text!(
                "no answer and no action of the order confirms the purchase, so somebody else may have bought the license",
                "покупку не подтверждает ни ответ, ни действие заказа, так что лицензию мог купить кто-то другой"
            ),
        }
    }

    /// The error that puts the question, with the command for each answer.
    fn error(self, removal: &Intent, order: LicenseId) -> ModuleError {
        let (item, id) = (removal.item.map_or_else(|| "ITEM".to_owned(), |item| item.to_string()), removal.id);
        let if_bought = text!(
            "look in the seller's panel who bought it. If it was bought for service {item} and is to be removed",
            "посмотрите в панели продавца, кто её купил. Если она куплена для услуги {item} и её нужно снять"
        );
        let (problem, if_ours) = match self {
            Self::WhoseKey => (
                text!(
                    "Hosting order {order} shows another key than that of the license that service {item} gave back. Either the seller issued the key of this license anew, or the license was removed and somebody bought another one",
                    "У заказа хостинга {order} не тот ключ, что у лицензии, возвращённой услугой {item}. Либо продавец перевыпустил ключ этой лицензии, либо её сняли и кто-то купил другую"
                ),
                text!(
                    "look at the order in the seller's panel. If the key was issued anew, so that the license is to be removed",
                    "посмотрите заказ в панели продавца. Если ключ перевыпущен и лицензию нужно снять"
                ),
            ),
            Self::WhoBought(Unconfirmed::Declined) => (
                text!(
                    "The seller did not accept the purchase of the license that service {item} gave back, and hosting order {order} showed its key nevertheless. Either the purchase was carried out after all, or somebody else bought the license",
                    "Продавец не принял покупку лицензии, возвращённой услугой {item}, но её ключ появился у заказа хостинга {order}. Либо покупка всё же выполнена, либо лицензию купил кто-то другой"
                ),
                if_bought,
            ),
            Self::WhoBought(Unconfirmed::Unanswered) => (
                text!(
                    "The answer to the purchase of the license that service {item} gave back was lost, and the seller's list of actions on hosting order {order} does not show the purchase. Either it was carried out, or somebody else bought the license at that moment",
                    "Ответ на покупку лицензии, возвращённой услугой {item}, потерян, а среди действий заказа хостинга {order} продавец её не показывает. Либо она выполнена, либо в тот же момент лицензию купил кто-то другой"
                ),
                if_bought,
            ),
        };
        ModuleError::new(ErrorKind::OrderUnknown, "wish", id, problem)
            .changed(text!(
                "The license was not forgotten, and nothing more is removed",
                "Лицензия не забыта, и больше ничего не снимается"
            ))
            .next(text!(
                [
                    "{}: pmisplicense resolve {item} --intent {id} --not-bought. If the license is somebody else's: pmisplicense resolve {item} --intent {id} --bought {order}. If service {item} uses it again: pmisplicense bind {item} {order}",
                    if_ours.en
                ],
                [
                    "{}: pmisplicense resolve {item} --intent {id} --not-bought. Если лицензия чужая: pmisplicense resolve {item} --intent {id} --bought {order}. Если услуга {item} снова ею пользуется: pmisplicense bind {item} {order}",
                    if_ours.ru
                ]
            ))
    }
}

/// An operator says that a removal did not happen, and the order has no license.
fn removed_after_all(order: LicenseId) -> ModuleError {
    ModuleError::new(
        ErrorKind::BadValue,
        "not-bought",
        order,
        text!(
            "Hosting order {order} has no license any more, so it was removed",
            "У заказа хостинга {order} больше нет лицензии: она снята"
        ),
    )
    .changed(text!("Nothing was changed", "Ничего не изменено"))
    .next(text!("run: pmisplicense sync", "выполните: pmisplicense sync"))
}

/// An operator says that a removal happened, and the order shows the very key.
fn not_removed(intent: &Intent, order: LicenseId) -> ModuleError {
    let (item, id) = (intent.item.map_or_else(|| "ITEM".to_owned(), |item| item.to_string()), intent.id);
    ModuleError::new(
        ErrorKind::BadValue,
        "bought",
        order,
        text!(
            "Hosting order {order} still shows the key that was to be removed",
            "Заказ хостинга {order} всё ещё показывает ключ, который нужно было снять"
        ),
    )
    .changed(text!("Nothing was changed", "Ничего не изменено"))
    .next(text!(
        "remove the license in the seller's panel, or let the program send the removal again: pmisplicense resolve {item} --intent {id} --not-bought",
        "снимите лицензию в панели продавца или пусть программа отправит снятие снова: pmisplicense resolve {item} --intent {id} --not-bought"
    ))
}
