//! The one way to a request that is sent once: [`Engine::record`] writes the intent down, [`Engine::send`] sends it,
//! and [`Engine::write_event`] writes down what became of it (docs/money-safety.md 7). Only `record` returns a
//! [`RecordedIntent`], and only `send` consumes one. Those who send decide what the reply proves.

use std::fmt::Display;

use chrono::{DateTime, Utc};

use super::{Engine, errors};
use crate::error::{ModuleError, Text};
use crate::model::ids::{AccountId, ItemId};
use crate::model::journal::{IdempotencyKey, Intent, IntentEvent, OnceAnswer, OnceRequest};
use crate::ports::{Outcome, Refusal, Upstream as _};
use crate::store::{NewIntent, Recorded, RecordedIntent, StoreError, Tx};

/// What came back for a request that may have left this machine.
#[derive(Debug)]
#[must_use]
pub(super) enum Reply {
    /// The seller reported success.
    Done(OnceAnswer),
    /// The seller refused. A look has to confirm that.
    Refused(Refusal),
    /// The seller answered that it does something else, so the request may still be carried out.
    Busy(String),
    /// No trustworthy answer came.
    Unknown(String),
}

impl Engine<'_> {
    /// An intent of this run, about to be recorded.
    pub(super) fn new_intent<'w>(
        &self,
        key: &'w IdempotencyKey,
        item: Option<ItemId>,
        account: AccountId,
        reason: &'w Text,
    ) -> NewIntent<'w> {
        let (operation, settle_s) = (self.operation, self.rules.upstream.settle_s);
        NewIntent { key, item, account, highest_license: None, operation, reason, settle_s }
    }

    /// Writes an intent into the journal, in one transaction with what `request` writes.
    pub(super) async fn record(
        &mut self,
        intent: &NewIntent<'_>,
        request: impl Fn(&Tx<'_>) -> Result<OnceRequest, StoreError>,
    ) -> Result<Recorded, ModuleError> {
        self.record_as_of(None, intent, request).await
    }

    /// As [`Engine::record`]. `at`: the moment from which the settling time counts, if it is not now.
    pub(super) async fn record_as_of(
        &mut self,
        at: Option<DateTime<Utc>>,
        intent: &NewIntent<'_>,
        request: impl Fn(&Tx<'_>) -> Result<OnceRequest, StoreError>,
    ) -> Result<Recorded, ModuleError> {
        self.step("record intent").await?;
        let at = at.unwrap_or_else(|| self.now_at_latest());
        let recorded = self.store.record_intent(at, intent, request);
        self.step("intent recorded").await?;
        recorded.map_err(errors::state)
    }

    /// Sends what was recorded. A run that ends in between leaves the intent in doubt. `what` and `about`: the request
    /// and its object, for the error.
    ///
    /// # Errors
    /// The request did not leave this machine. That is written down, so that a later run may send it.
    pub(super) async fn send(
        &mut self,
        recorded: RecordedIntent,
        what: &Text,
        about: impl Display,
    ) -> Result<(Intent, Reply), ModuleError> {
        let intent = recorded.intent().clone();
        let reply = match self.send_recorded(recorded).await? {
            Outcome::Done(answer) => Reply::Done(answer),
            Outcome::Refused(refusal) => Reply::Refused(refusal),
            Outcome::Busy(why) => Reply::Busy(why),
            Outcome::Unknown(why) => Reply::Unknown(why),
            Outcome::NotSent(why) => {
                let error = errors::unreachable(what, &why, about);
                self.write_event(&intent, IntentEvent::NotSent { reason: why }, what).await?;
                return Err(error);
            }
        };
        Ok((intent, reply))
    }

    async fn send_recorded(&mut self, mut recorded: RecordedIntent) -> Result<Outcome, ModuleError> {
        self.step("send").await?;
        if let Err(why) = self.store.may_send(&mut recorded, self.now()) {
            return Ok(Outcome::NotSent(why));
        }
        let outcome = self.ports.upstream.send_once(recorded);
        self.step("sent").await?;
        Ok(outcome)
    }

    /// Writes down what became of an intent.
    pub(super) async fn write_event(
        &mut self,
        intent: &Intent,
        event: IntentEvent,
        reason: &Text,
    ) -> Result<(), ModuleError> {
        self.write_events(intent, &[(event, reason.clone())]).await
    }

    /// Writes events about an intent in one transaction.
    pub(super) async fn write_events(
        &mut self,
        intent: &Intent,
        events: &[(IntentEvent, Text)],
    ) -> Result<(), ModuleError> {
        // The second look is measured from a clean look, perhaps by another machine's clock, or after ours was set.
        let is_look = events.iter().any(|(event, _)| *event == IntentEvent::CleanLook);
        let at = if is_look { self.now_at_latest() } else { self.now() };
        self.commit_at("record outcome", at, |tx| {
            events.iter().try_for_each(|(event, reason)| tx.event(intent, event, reason))
        })
        .await
    }
}
