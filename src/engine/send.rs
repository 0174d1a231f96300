//! Calls that are sent once about a license that exists: renewal, tariff, nodes, key, deletion. Each writes down the
//! intent, sends it, looks whether the effect is there, and writes down the outcome. Orders are in `order.rs`, because
//! they have no license to look at beforehand.

use crate::error::{ModuleError, Text, counted};
use crate::model::journal::{IdempotencyKey, Intent, IntentEvent, IntentStatus, OnceRequest};
use crate::model::license::License;
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::plan::cost::{cost_of, with_cost};
use crate::plan::in_doubt::{Effect, Verdict, after_clean_look, effect, hides_renewal};
use crate::ports::RefusalKind;
use crate::store::{Recorded, RecordedIntent, StoreError, Tx};
use crate::text;

use super::intent::Reply;
use super::{Engine, errors};

/// A call that failed. Callers that have another way decide how to go on.
pub(super) enum Failed {
    /// The seller refused, and a look showed that nothing happened.
    Refused(crate::ports::Refusal, ModuleError),
    /// Anything else; the error says what is certain.
    Other(ModuleError),
}

impl From<ModuleError> for Failed {
    fn from(error: ModuleError) -> Self {
        Self::Other(error)
    }
}

impl From<Failed> for ModuleError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused(_, error) | Failed::Other(error) => error,
        }
    }
}

impl Engine<'_> {
    /// Carries out a call that is sent once about a license of ours, or finds that it was carried out before. The
    /// caller holds the license's lock. Returns the license as it is afterwards; `None` when it is gone.
    pub(super) async fn once(
        &mut self,
        row: &LicenseRow,
        key: &IdempotencyKey,
        request: OnceRequest,
        what: &Text,
    ) -> Result<Option<License>, Failed> {
        self.settle_license(row).await?;
        let intent = self.new_intent(key, row.item, row.account, what);
        match self.record(&intent, |_| Ok(request.clone())).await? {
            Recorded::Intent(recorded) => self.send_about(row, recorded, what).await,
            Recorded::Existing(intent) => self.done_before(row, &intent).await,
        }
    }

    /// The intent with this key was carried out before: sends nothing, and reads the license. When the seller does not
    /// show what was done, it took that back, or the answer shows the past; no look can tell one from the other.
    async fn done_before(&mut self, row: &LicenseRow, intent: &Intent) -> Result<Option<License>, Failed> {
        let seen = self.read(row.family, row.id).await?;
        match effect(&intent.request, seen.as_ref()) {
            Effect::Visible | Effect::CannotTell => Ok(seen),
            Effect::NotVisible => Err(Failed::Other(errors::taken_back(&describe(intent), &intent.request, row.id))),
        }
    }

    /// Looks again when a license ends on a day from which it was renewed before: that answer shows the past. A payment
    /// that believed it would take the earlier renewal for its own.
    ///
    /// # Errors
    /// `order_unknown`: the seller does not show a renewal that was carried out, and an operator has to make it good.
    pub(super) async fn see_last_renewal(&mut self, row: &LicenseRow, seen: &mut License) -> Result<(), ModuleError> {
        let Some(before) = seen.expires.day() else { return Ok(()) };
        let key = IdempotencyKey::Renewal { account: row.account, license: row.id, before };
        let Some(done) = self.store.intent_by_key(&key.to_string()).map_err(errors::state)? else { return Ok(()) };
        let now = self.done_before(row, &done).await?;
        *seen = now.ok_or_else(|| errors::license_gone(row.item, row.id))?;
        Ok(())
    }

    fn cannot_tell(&self, intent: &Intent, what: &Text, why: &Text) -> ModuleError {
        errors::order_unknown(what, why, intent.item, intent.id.0)
    }

    /// Sends a recorded intent and writes down its outcome. A run that ends in between leaves the intent in doubt.
    async fn send_about(
        &mut self,
        row: &LicenseRow,
        recorded: RecordedIntent,
        what: &Text,
    ) -> Result<Option<License>, Failed> {
        let (intent, reply) = self.send(recorded, what, row.id).await?;
        match reply {
            Reply::Done(_) => {
                let looked = self.try_read(row.family, row.id).await?;
                match looked {
                    Ok(seen) if effect(&intent.request, seen.as_ref()) != Effect::NotVisible => {
                        self.carried_out(row, &intent, IntentEvent::Done { license: Some(row.id) }, seen, what).await
                    }
                    Ok(_) => self.unknown(&intent, "answered, and not visible yet".to_owned(), what).await,
                    Err(error) => self.unknown(&intent, format!("answered, then {}", error.words().en), what).await,
                }
            }
            Reply::Refused(refusal) => match self.try_read(row.family, row.id).await? {
                // A refusal is believed only after a look, because the call may have taken effect anyway.
                Ok(seen) if effect(&intent.request, seen.as_ref()) == Effect::Visible => {
                    self.carried_out(row, &intent, IntentEvent::Done { license: Some(row.id) }, seen, what).await
                }
                // The call was refused, and the look found no license, although one was there before: so this look
                // proves nothing.
                Ok(None) if refusal.kind != RefusalKind::NotFound => {
                    self.unknown(&intent, format!("{refusal}, then the license was not found"), what).await
                }
                Ok(_) => {
                    self.write_event(&intent, IntentEvent::Refused { reason: refusal.to_string() }, what).await?;
                    self.remember_refusal(row.item, &refusal, what).await?;
                    let error = errors::refused(&refusal, what, "licid", row.id);
                    Err(Failed::Refused(refusal, error))
                }
                Err(error) => self.unknown(&intent, format!("{refusal}, then {}", error.words().en), what).await,
            },
            Reply::Busy(why) | Reply::Unknown(why) => {
                self.write_event(&intent, IntentEvent::unknown(why), what).await?;
                match self.try_read(row.family, row.id).await? {
                    Ok(seen) if effect(&intent.request, seen.as_ref()) == Effect::Visible => {
                        self.carried_out(row, &intent, IntentEvent::Adopted { license: row.id }, seen, what).await
                    }
                    _ => Err(Failed::Other(self.still_in_doubt(&intent, what))),
                }
            }
        }
    }

    async fn unknown(&mut self, intent: &Intent, why: String, what: &Text) -> Result<Option<License>, Failed> {
        self.write_event(intent, IntentEvent::unknown(why), what).await?;
        Err(Failed::Other(self.still_in_doubt(intent, what)))
    }

    pub(super) fn still_in_doubt(&self, intent: &Intent, what: &Text) -> ModuleError {
        let until = intent.settled_at(self.rules.upstream.settle_s);
        match intent.request.license() {
            Some(license) => errors::in_doubt(what, until, "licid", license),
            None => errors::in_doubt(what, until, "item", intent.shown_item()),
        }
    }

    /// Writes down that a call was carried out, with all its consequences, in one transaction.
    async fn carried_out(
        &mut self,
        row: &LicenseRow,
        intent: &Intent,
        event: IntentEvent,
        seen: Option<License>,
        what: &Text,
    ) -> Result<Option<License>, Failed> {
        self.note(what);
        let catalogue = &self.rules.catalogue;
        let internal_name = match &intent.request {
            OnceRequest::ChangePricelist { pricelist, .. } => catalogue
                .by_pricelist(*pricelist)
                .map_or(row.internal_name.clone(), |product| product.internal_name.clone()),
            OnceRequest::Order(_)
            | OnceRequest::Prolong { .. }
            | OnceRequest::SetNodes { .. }
            | OnceRequest::NewKey { .. }
            | OnceRequest::Delete { .. }
            | OnceRequest::AddLicense(_)
            | OnceRequest::RemoveLicense(_) => row.internal_name.clone(),
        };
        let (row, intent, after) = (row.clone(), intent.clone(), seen.clone());
        let cost = after.as_ref().map(|after| cost_of(&intent.request, after, self.product_of(&row)));
        let what = cost.as_ref().map_or_else(|| what.clone(), |cost| with_cost(what, cost));
        self.commit("record outcome", move |tx| {
            tx.event(&intent, &event, &what)?;
            if let (Some(after), Some(cost)) = (&after, &cost) {
                tx.refresh_license(row.account, after)?;
                tx.put_cost(&intent, row.id, after.tariff.id().unwrap_or(row.pricelist), cost)?;
            }
            tx.set_refused_lifted(&intent)?;
            follow_up(tx, &row, &intent, &internal_name, after.as_ref())
        })
        .await?;
        Ok(seen)
    }

    /// Settles every intent in doubt about a license. Until then nothing is sent for it (docs/money-safety.md 2).
    pub(super) async fn settle_license(&mut self, row: &LicenseRow) -> Result<(), ModuleError> {
        self.step("read intents in doubt").await?;
        let open = self.store.open_intents_of_license(row.account, row.id).map_err(errors::state)?;
        for intent in open {
            self.settle_about(row, &intent).await?;
        }
        Ok(())
    }

    /// Looks for the effect of one intent in doubt about a license. `Ok`: the intent has ended, one way or the other.
    async fn settle_about(&mut self, row: &LicenseRow, intent: &Intent) -> Result<(), ModuleError> {
        let what = describe(intent);
        let seen = self.read(row.family, row.id).await?;
        let found = match effect(&intent.request, seen.as_ref()) {
            Effect::NotVisible if hides_renewal(intent, seen.as_ref()) => Effect::CannotTell,
            found @ (Effect::Visible | Effect::NotVisible | Effect::CannotTell) => found,
        };
        if seen.is_none() && matches!(intent.request, OnceRequest::Delete { .. }) {
            return self.settle_missing(row, intent, &what).await;
        }
        self.shown_again(row).await?;
        if found == Effect::Visible {
            self.carried_out(row, intent, IntentEvent::Adopted { license: row.id }, seen, &what).await?;
            return Ok(());
        }
        if intent.status == IntentStatus::HandedOver {
            return Err(self.cannot_tell(intent, &what, &text!("an operator must look", "решить должен оператор")));
        }
        let rules = &self.rules.upstream;
        let complete = found == Effect::NotVisible;
        match after_clean_look(intent, self.now_by_all_clocks(), rules.settle_s, rules.resend, complete) {
            Verdict::Wait { until } => Err(errors::in_doubt(&what, until, "licid", row.id)),
            Verdict::FirstCleanLook { again } => {
                self.write_event(intent, IntentEvent::CleanLook, &what).await?;
                Err(errors::in_doubt(&what, again, "licid", row.id))
            }
            Verdict::NeverHappened => {
                let reason = "two looks after the settling time found no effect".to_owned();
                self.write_event(intent, IntentEvent::NotHappened { reason }, &what).await
            }
            Verdict::HandOver(why) => {
                self.write_event(intent, IntentEvent::HandedOver { reason: why.en.clone() }, &why).await?;
                Err(self.cannot_tell(intent, &what, &why))
            }
        }
    }

    /// A deletion in doubt whose license is not found. It counts as done when two looks miss the license
    /// (docs/money-safety.md 3), even if an operator was asked in between. When no other license of the account can be
    /// read, an operator must decide.
    async fn settle_missing(&mut self, row: &LicenseRow, intent: &Intent, what: &Text) -> Result<(), ModuleError> {
        let now = |engine: &Self| engine.store.license(row.account, row.id).map_err(errors::state);
        let row = now(self)?.unwrap_or_else(|| row.clone());
        if row.state == LicenseState::Deleted || self.is_missing_again(&row, row.state).await? {
            self.carried_out(&row, intent, IntentEvent::Adopted { license: row.id }, None, what).await?;
            return Ok(());
        }
        if intent.status == IntentStatus::HandedOver {
            return Err(self.cannot_tell(intent, what, &text!("an operator must look", "решить должен оператор")));
        }
        let until = now(self)?.and_then(|row| row.not_before).unwrap_or_else(|| self.now());
        if self.now_at_least() < until {
            return Err(errors::in_doubt(what, until, "licid", row.id));
        }
        let why = text!(
            "the license is not found, and no other license of the account can be read beside it",
            "лицензия не находится, и ни одной другой лицензии учётной записи прочитать нельзя"
        );
        self.write_event(intent, IntentEvent::HandedOver { reason: why.en.clone() }, &why).await?;
        Err(self.cannot_tell(intent, what, &why))
    }

    /// Settles the intents about a license that the seller may still carry out. An intent that waits for an operator is
    /// past that time.
    pub(super) async fn settle_pending(&mut self, row: &LicenseRow) -> Result<(), ModuleError> {
        self.step("read intents in doubt").await?;
        let open = self.store.open_intents_of_license(row.account, row.id).map_err(errors::state)?;
        for intent in open.iter().filter(|intent| intent.status == IntentStatus::InDoubt) {
            self.settle_about(row, intent).await?;
        }
        Ok(())
    }
}

fn follow_up(
    tx: &Tx<'_>,
    row: &LicenseRow,
    intent: &Intent,
    internal_name: &str,
    after: Option<&License>,
) -> Result<(), StoreError> {
    match &intent.request {
        OnceRequest::ChangePricelist { pricelist, .. } => tx.finish_change(row, internal_name, *pricelist, row.nodes),
        OnceRequest::SetNodes { nodes, .. } => tx.finish_change(row, internal_name, row.pricelist, Some(*nodes)),
        OnceRequest::Delete { .. } => tx.release_license(row, LicenseState::Deleted, None, Some(&Reason::Deleted)),
        OnceRequest::NewKey { .. } if after.is_some_and(|license| license.key.is_none()) => tx.forget_key(row),
        OnceRequest::Order(_)
        | OnceRequest::Prolong { .. }
        | OnceRequest::NewKey { .. }
        | OnceRequest::AddLicense(_)
        | OnceRequest::RemoveLicense(_) => Ok(()),
    }
}

/// An intent in words, for messages that appear long after it was recorded.
pub(super) fn describe(intent: &Intent) -> Text {
    let item = intent.shown_item();
    match &intent.request {
        OnceRequest::Order(order) => {
            text!("order of {} for service {item}", "заказ {} для услуги {item}", order.pricelist)
        }
        OnceRequest::Prolong { license, period, before, .. } => text!(
            ["renewal of license {license} from {before} for {}", counted(period.0, "month")],
            ["продление лицензии {license} с {before} на {} мес.", period.0]
        ),
        OnceRequest::ChangePricelist { license, pricelist, .. } => {
            text!("change of license {license} to tariff {pricelist}", "смена тарифа лицензии {license} на {pricelist}")
        }
        OnceRequest::SetNodes { license, nodes, .. } => {
            text!(
                ["change of license {license} to {}", counted(*nodes, "node")],
                ["смена числа узлов лицензии {license} на {nodes}"]
            )
        }
        OnceRequest::NewKey { license, .. } => text!("new key of license {license}", "новый ключ лицензии {license}"),
        OnceRequest::Delete { license, .. } => text!("deletion of license {license}", "удаление лицензии {license}"),
        OnceRequest::AddLicense(add) => {
            text!("license for hosting order {}", "лицензия для заказа хостинга {}", add.order)
        }
        OnceRequest::RemoveLicense(remove) => {
            text!("removal of the license of hosting order {}", "снятие лицензии с заказа хостинга {}", remove.order)
        }
    }
}
