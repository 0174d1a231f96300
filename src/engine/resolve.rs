//! resolve: an operator decides about an intent in doubt that the program must not decide about alone
//! (docs/money-safety.md 3). The license is compared with the order and shown before the operator is asked. Then
//! everything is checked once more under the locks.

mod bought;
mod preview;
pub(super) mod wording;

use crate::error::{ModuleError, Text};
use crate::model::ids::{IntentId, ItemId, LicenseId};
use crate::model::journal::{Intent, IntentEvent, OrderRequest};
use crate::model::license_row::LicenseRow;
use crate::plan::bind::Consent;
use crate::plan::in_doubt::Found;
use crate::plan::resolution::Fate;
use crate::ports::LockName;
use crate::text;

use super::bind::preview::Preview;
use super::resolve::bought::{agreed, plan_of_order};
use super::resolve::wording::{about_another, found_after_all, not_in_doubt, nothing_in_doubt, several_in_doubt};
use super::send::describe;
use super::{Engine, errors};

/// What an operator found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It happened: this license was bought or changed.
    Bought(LicenseId),
    /// It did not.
    NotBought,
}

/// An intent that has not ended, and the item for which an operator ends it.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenIntent<'i> {
    item: ItemId,
    intent: &'i Intent,
}

/// What settling a request in doubt would do, for the operator who is about to be asked.
#[derive(Debug, Clone)]
pub struct Resolution {
    /// Which intent.
    pub intent: IntentId,
    /// In words.
    pub plan: Text,
    /// The license now and afterwards, and the costs of what follows. `None`: nothing changes but our state.
    pub preview: Option<Preview>,
}

impl Engine<'_> {
    /// What [`Engine::resolve`] would do.
    ///
    /// # Errors
    /// As [`Engine::resolve`]: every obstacle is reported before the operator is asked.
    pub async fn resolution(
        &mut self,
        item: ItemId,
        intent: Option<IntentId>,
        verdict: Verdict,
        consent: &Consent,
    ) -> Result<Resolution, ModuleError> {
        // An old state may show a request in doubt that has been settled since. Either answer could then settle it in
        // another way.
        self.changing(async |engine: &mut Self| {
            engine.lock(LockName::Item(item)).await?;
            engine.resolution_locked(item, intent, verdict, consent).await
        })
        .await
    }

    async fn resolution_locked(
        &mut self,
        item: ItemId,
        intent: Option<IntentId>,
        verdict: Verdict,
        consent: &Consent,
    ) -> Result<Resolution, ModuleError> {
        let open = self.store.open_intents_of_item(item).map_err(errors::state)?;
        if let Some((row, purchase)) = self.keyless_meant(item, &open, intent, verdict)? {
            self.check_keyless(item, &row, &purchase).await?;
            let order = row.id;
            let plan = text!(
                "Service {item} loses the license of hosting order {order}, whose key never came. The next open may buy another one.",
                "Услуга {item} лишится лицензии заказа хостинга {order}, ключ которой так и не пришёл. Следующий open может купить новую."
            );
            return Ok(Resolution { intent: purchase.id, plan, preview: None });
        }
        let asked @ OpenIntent { intent, .. } = choose(item, &open, intent)?;
        if intent.request.as_removal().is_some() {
            check_answer(asked, verdict)?;
            let plan = self.plan_of_removal(intent, verdict).await?;
            return Ok(Resolution { intent: intent.id, plan, preview: None });
        }
        let what = describe(intent);
        let (plan, preview) = match (verdict, intent.request.as_order()) {
            (Verdict::NotBought, order) => {
                self.check_not_bought(asked, order).await?;
                let plan = text!(
                    ["{}: ended as not bought. The next run may send it again.", what.en],
                    ["{}: завершается как не купленное. Следующий запуск может отправить снова.", what.ru]
                );
                (plan, Some(self.preview_not_bought(asked).await?))
            }
            (Verdict::Bought(license), Some(order)) => {
                let bought = self.bought(asked, order, license, consent).await?;
                let preview = match &bought.fate {
                    Fate::Bound(_) => self.preview_bought(item, license, &agreed(consent)).await?,
                    Fate::Kept(_) | Fate::Moved(..) | Fate::Duplicate(..) | Fate::Freed => {
                        self.preview_fate(item, order, &bought).await?
                    }
                };
                (plan_of_order(&what, order, &bought), Some(preview))
            }
            (Verdict::Bought(license), None) => {
                check_named(asked, license)?;
                let plan = text!(
                    ["{}: ended as carried out. It is not sent again.", what.en],
                    ["{}: завершается как выполненное. Снова не отправляется.", what.ru]
                );
                (plan, None)
            }
        };
        Ok(Resolution { intent: intent.id, plan, preview })
    }

    /// Settles a request in doubt of an item. Returns what was done, in words.
    ///
    /// # Errors
    /// `missed`: nothing is in doubt, or several intents are and none was named; `bad_value`: the license belongs to
    /// another item, bears the mark of another installation, or is of another product, and no option allows that;
    /// `license_gone`; `client`: the seller may still carry the request out.
    pub async fn resolve(
        &mut self,
        item: ItemId,
        intent: Option<IntentId>,
        verdict: Verdict,
        consent: &Consent,
    ) -> Result<Text, ModuleError> {
        self.changing(async |engine: &mut Self| {
            engine.lock(LockName::Item(item)).await?;
            engine.resolve_locked(item, intent, verdict, consent).await
        })
        .await
    }

    async fn resolve_locked(
        &mut self,
        item: ItemId,
        intent: Option<IntentId>,
        verdict: Verdict,
        consent: &Consent,
    ) -> Result<Text, ModuleError> {
        let open = self.store.open_intents_of_item(item).map_err(errors::state)?;
        if let Some((row, purchase)) = self.keyless_meant(item, &open, intent, verdict)? {
            return self.give_up_keyless(item, &row, &purchase).await;
        }
        let asked @ OpenIntent { intent, .. } = choose(item, &open, intent)?;
        if let Some(removal) = intent.request.as_removal() {
            check_answer(asked, verdict)?;
            return self.resolve_removal(intent, removal, verdict).await;
        }
        match (verdict, intent.request.as_order()) {
            (Verdict::NotBought, order) => self.resolve_not_bought(asked, order).await,
            (Verdict::Bought(license), Some(order)) => self.resolve_order(asked, order, license, consent).await,
            (Verdict::Bought(license), None) => self.resolve_change(asked, license).await,
        }
    }

    /// A purchase that counts as done although its key never came, if the operator means it: the operator named it, or
    /// there is no other. If the wrong purchase were ended, a second license could be bought.
    fn keyless_meant(
        &mut self,
        item: ItemId,
        open: &[Intent],
        intent: Option<IntentId>,
        verdict: Verdict,
    ) -> Result<Option<(LicenseRow, Intent)>, ModuleError> {
        if verdict != Verdict::NotBought {
            return Ok(None);
        }
        let mut keyless = self.keyless(item)?;
        if let Some(id) = intent {
            return Ok(keyless.into_iter().find(|(_, purchase)| purchase.id == id));
        }
        if keyless.is_empty() || open.len() + keyless.len() == 1 {
            return Ok(keyless.pop());
        }
        let purchases = keyless.into_iter().map(|(_, purchase)| purchase);
        Err(several_in_doubt(item, &open.iter().cloned().chain(purchases).collect::<Vec<_>>()))
    }

    /// Makes sure that the seller can no longer carry the request out and shows no license of the order. Otherwise an
    /// operator's oversight could buy a second license.
    async fn check_not_bought(
        &mut self,
        asked: OpenIntent<'_>,
        order: Option<&OrderRequest>,
    ) -> Result<(), ModuleError> {
        let intent = asked.intent;
        if let Some(add) = intent.request.as_addition() {
            // The answer to this question also tells the seller's time.
            let added = self.check_not_added(intent, add).await;
            return self.check_settled(intent).and(added);
        }
        self.check_settled(intent)?;
        // The present account cannot show what a former one sold.
        let Some(order) = order.filter(|_| intent.account == self.account) else { return Ok(()) };
        match self.search(intent, order).await?.0 {
            Found::One(license) if !license.is_deleted() && !self.is_known(license.id)? => {
                Err(found_after_all(asked, &license, order))
            }
            Found::One(_) | Found::Unclear(_) | Found::Nothing => Ok(()),
        }
    }

    fn check_settled(&self, intent: &Intent) -> Result<(), ModuleError> {
        if self.has_settled(intent) {
            return Ok(());
        }
        let until = intent.settled_at(self.rules.upstream.settle_s);
        Err(errors::in_doubt(&describe(intent), until, "wish", intent.id))
    }

    /// True if the seller can no longer carry a request out, so that an operator may say that it did not happen. Our
    /// clock may have been ahead when the intent was written down. Then the seller's own time tells how long ago that
    /// was, where the intent has it.
    pub(super) fn has_settled(&self, intent: &Intent) -> bool {
        let settle_s = self.rules.upstream.settle_s;
        let until = intent.settled_at(settle_s);
        let sent = intent.request.as_addition().and_then(|add| add.seller_time);
        let by_seller = sent.zip(self.their_now()).is_some_and(|(sent, now)| {
            // A recording time that lies ahead of both clocks proves that ours was ahead then, so ours does not count.
            let is_over_here = self.now() >= until || intent.recorded_at > self.now_at_latest();
            is_over_here && now >= Intent { recorded_at: sent, ..intent.clone() }.settled_at(settle_s)
        });
        by_seller || self.now_at_least() >= until
    }

    async fn resolve_not_bought(
        &mut self,
        asked: OpenIntent<'_>,
        order: Option<&OrderRequest>,
    ) -> Result<Text, ModuleError> {
        self.check_not_bought(asked, order).await?;
        let what = describe(asked.intent);
        let done = text!(
            ["{}: ended as not bought; the next run may send it again", what.en],
            ["{}: завершено как не купленное; следующий запуск может отправить снова", what.ru]
        );
        let event = IntentEvent::NotHappened { reason: "an operator said so (resolve --not-bought)".to_owned() };
        self.write_event(asked.intent, event, &done).await?;
        Ok(done)
    }

    async fn resolve_change(&mut self, asked: OpenIntent<'_>, license: LicenseId) -> Result<Text, ModuleError> {
        check_named(asked, license)?;
        let OpenIntent { item, intent } = asked;
        let what = describe(intent);
        let done = text!(["{}: ended as carried out", what.en], ["{}: завершено как выполненное", what.ru]);
        if let Some(add) = intent.request.as_addition() {
            self.resolve_addition(item, intent, add.order).await?;
            return Ok(done);
        }
        self.write_event(intent, IntentEvent::Adopted { license }, &done).await?;
        Ok(done)
    }
}

/// A change in doubt is about one license. The operator must have named that one.
fn check_named(asked: OpenIntent<'_>, license: LicenseId) -> Result<(), ModuleError> {
    if asked.intent.request.license() == Some(license) { Ok(()) } else { Err(about_another(asked, license)) }
}

fn check_answer(asked: OpenIntent<'_>, verdict: Verdict) -> Result<(), ModuleError> {
    match verdict {
        Verdict::Bought(license) => check_named(asked, license),
        Verdict::NotBought => Ok(()),
    }
}

/// The intent that the operator means.
fn choose(item: ItemId, open: &[Intent], id: Option<IntentId>) -> Result<OpenIntent<'_>, ModuleError> {
    let intent = match (open, id) {
        ([], _) => return Err(nothing_in_doubt(item)),
        ([one], None) => one,
        (several, None) => return Err(several_in_doubt(item, several)),
        (several, Some(id)) => {
            several.iter().find(|intent| intent.id == id).ok_or_else(|| not_in_doubt(item, id, several))?
        }
    };
    Ok(OpenIntent { item, intent })
}
