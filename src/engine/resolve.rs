//! resolve: an operator decides about an intent in doubt that the program must not decide about alone
//! (docs/money-safety.md 3). The license is compared with the order and shown before the operator is asked. Then
//! everything is checked once more under the locks.

mod preview;
pub(super) mod wording;

use crate::error::{ModuleError, Text};
use crate::model::ids::{IntentId, ItemId, LicenseId, Mark};
use crate::model::item::ItemStatus;
use crate::model::journal::{Incarnation, Intent, IntentEvent, IntentStatus, OrderRequest};
use crate::model::license::{License, LicenseStatus};
use crate::model::license_row::LicenseRow;
use crate::plan::choice::{Wanted, wanted};
use crate::plan::doubt::{Found, mismatch};
use crate::plan::identity::{KeyFate, Standing};
use crate::ports::{CallError, Edit, LockName, Repeatable};
use crate::text;

use super::bind::preview::Preview;
use super::bind::{Consent, Word};
use super::resolve::wording::{
    about_another, bought_elsewhere, found_after_all, free_already, no_such_doubt, nothing_in_doubt, of_another_order,
    of_another_product, sent_elsewhere, several_in_doubt, taken,
};
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

/// What ending a doubt would do, for the operator who is about to be asked.
#[derive(Debug, Clone)]
pub struct Resolution {
    /// Which intent.
    pub intent: IntentId,
    /// In words.
    pub plan: Text,
    /// What the license is now and would be then, and what follows costs. `None`: nothing changes but our state.
    pub preview: Option<Preview>,
}

/// What happens to the license that an order bought, as the operator says.
enum Fate {
    /// The service gets it.
    Bound(Incarnation),
    /// It is written down for the service. The service asks for no license now, or its client changed, so its next
    /// command decides what follows.
    Kept(Incarnation),
    /// The service gets it in place of its license of another account.
    Moved(Incarnation, LicenseId),
    /// The service has another one: it is a duplicate, to be freed.
    Duplicate(Incarnation, LicenseId),
    /// The service is closed: it is freed.
    Freed,
}

impl Fate {
    fn incarnation(&self) -> Option<&Incarnation> {
        match self {
            Self::Bound(incarnation)
            | Self::Kept(incarnation)
            | Self::Moved(incarnation, _)
            | Self::Duplicate(incarnation, _) => Some(incarnation),
            Self::Freed => None,
        }
    }
}

/// The license that the seller has under the number that the operator named, and what happens to it.
struct Bought {
    seen: License,
    row: Option<LicenseRow>,
    fate: Fate,
}

/// The consent for binding. [`Engine::bought`] has compared the product with the order, and that decides here. It does
/// not matter that the service asks for something else now.
fn agreed(consent: &Consent) -> Consent {
    Consent { other_product: true, ..consent.clone() }
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
        self.lock(LockName::Item(item)).await?;
        let result = self.resolution_locked(item, intent, verdict, consent).await;
        self.held.clear();
        result
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
        let intent = choose(item, &open, intent)?;
        if intent.request.as_removal().is_some() {
            check_answer(intent, verdict)?;
            let plan = self.plan_of_removal(intent, verdict).await?;
            return Ok(Resolution { intent: intent.id, plan, preview: None });
        }
        let what = describe(intent);
        let (plan, preview) = match (verdict, intent.request.as_order()) {
            (Verdict::NotBought, order) => {
                self.check_not_bought(intent, order).await?;
                let plan = text!(
                    ["{}: ended as not bought. The next run may send it again.", what.en],
                    ["{}: завершается как не купленное. Следующий запуск может отправить снова.", what.ru]
                );
                (plan, Some(self.preview_not_bought(intent).await?))
            }
            (Verdict::Bought(license), Some(order)) => {
                let bought = self.bought(intent, order, license, consent).await?;
                let preview = match &bought.fate {
                    Fate::Bound(_) => self.preview_bought(item, license, &agreed(consent)).await?,
                    Fate::Kept(_) | Fate::Moved(..) | Fate::Duplicate(..) | Fate::Freed => {
                        self.preview_fate(item, order, &bought).await?
                    }
                };
                (plan_of_order(&what, order, &bought), Some(preview))
            }
            (Verdict::Bought(license), None) => {
                check_named(intent, license)?;
                let plan = text!(
                    ["{}: ended as carried out. It is not sent again.", what.en],
                    ["{}: завершается как выполненное. Снова не отправляется.", what.ru]
                );
                (plan, None)
            }
        };
        Ok(Resolution { intent: intent.id, plan, preview })
    }

    /// Ends a doubt of an item. Returns what was done, in words.
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
        self.lock(LockName::Item(item)).await?;
        let result = self.resolve_locked(item, intent, verdict, consent).await;
        self.held.clear();
        result
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
        let intent = choose(item, &open, intent)?;
        if intent.request.as_removal().is_some() {
            check_answer(intent, verdict)?;
            return self.resolve_removal(intent, verdict).await;
        }
        match (verdict, intent.request.as_order()) {
            (Verdict::NotBought, order) => self.resolve_not_bought(intent, order).await,
            (Verdict::Bought(license), Some(order)) => self.resolve_order(intent, order, license, consent).await,
            (Verdict::Bought(license), None) => self.resolve_change(intent, license).await,
        }
    }

    /// A purchase that counts as done although its key never came, where a person means it: he named it, or there is
    /// nothing else that he could mean. To end the wrong one could buy a second license.
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
    async fn check_not_bought(&mut self, intent: &Intent, order: Option<&OrderRequest>) -> Result<(), ModuleError> {
        let until = intent.settled_at(self.rules.upstream.settle_s);
        if self.now_at_least() < until {
            return Err(errors::in_doubt(&describe(intent), until, "wish", intent.id));
        }
        if let Some(add) = intent.request.as_addition() {
            return self.check_not_added(intent, add).await;
        }
        // The present account cannot show what a former one sold.
        let Some(order) = order.filter(|_| intent.account == self.account) else { return Ok(()) };
        match self.search(intent, order).await?.0 {
            Found::One(license) if license.status != LicenseStatus::Deleted && !self.is_held(license.id)? => {
                Err(found_after_all(intent, &license, order))
            }
            Found::One(_) | Found::Unclear(_) | Found::Nothing => Ok(()),
        }
    }

    async fn resolve_not_bought(&mut self, intent: &Intent, order: Option<&OrderRequest>) -> Result<Text, ModuleError> {
        self.check_not_bought(intent, order).await?;
        let what = describe(intent);
        let done = text!(
            ["{}: ended as not bought; the next run may send it again", what.en],
            ["{}: завершено как не купленное; следующий запуск может отправить снова", what.ru]
        );
        let event = IntentEvent::NotHappened { reason: "a person said so (resolve --not-bought)".to_owned() };
        self.write_event(intent, event, &done).await?;
        Ok(done)
    }

    /// Reads the license that an order is said to have bought, and checks what only an operator may decide.
    async fn bought(
        &mut self,
        intent: &Intent,
        order: &OrderRequest,
        license: LicenseId,
        consent: &Consent,
    ) -> Result<Bought, ModuleError> {
        self.check_restored()?;
        if intent.account != self.account {
            let sent_with = self.store.account(intent.account).map_err(errors::state)?;
            return Err(sent_elsewhere(intent, sent_with.as_ref()));
        }
        let item = intent.item.unwrap_or(ItemId(0));
        self.lock_license(license).await?;
        let row = self.store.license(self.account, license).map_err(errors::state)?;
        if let Some(other) = row.as_ref().filter(|row| row.incarnation.is_some() && row.item != Some(item)) {
            return Err(taken(intent, license, other.item));
        }
        let seen = self.read(order.family, license).await?;
        let Some(seen) = seen.filter(|seen| seen.status != LicenseStatus::Deleted) else {
            return Err(errors::license_gone(Some(item), license));
        };
        match seen.remoteid.mark() {
            Some(mark) if *mark.panel() != self.panel_id && consent.take_from.as_ref() != Some(mark.panel()) => {
                return Err(bought_elsewhere(intent, license, &mark, consent));
            }
            Some(Mark::Order { panel, item: of, .. }) if panel == self.panel_id && of != item && row.is_none() => {
                return Err(of_another_order(intent, license, of));
            }
            Some(Mark::Order { .. } | Mark::Pool { .. }) | None => {}
        }
        if !seen.tariff.may_be(order.pricelist) && !consent.other_product {
            return Err(of_another_product(intent, &seen, order, consent));
        }
        let fate = self.fate(intent, license).await?;
        if let (Fate::Kept(_) | Fate::Moved(..), Some(_)) =
            (&fate, row.as_ref().filter(|row| row.incarnation.is_none()))
        {
            // Its key belongs to another client, and nobody would renew it here.
            return Err(free_already(intent, license));
        }
        Ok(Bought { seen, row, fate })
    }

    async fn fate(&mut self, intent: &Intent, license: LicenseId) -> Result<Fate, ModuleError> {
        let item = match intent.status {
            IntentStatus::FreeWhenAppears => return Ok(Fate::Freed),
            IntentStatus::InDoubt
            | IntentStatus::HandedOver
            | IntentStatus::Done
            | IntentStatus::Refused
            | IntentStatus::NotSent
            | IntentStatus::NotHappened => self.item(intent.item.unwrap_or(ItemId(0))).await?,
        };
        if item.status == ItemStatus::Deleted {
            return Ok(Fate::Freed);
        }
        let (incarnation, standing) = self.standing(&item)?;
        let wants = matches!(wanted(&item, &self.rules.panel_addons, &self.rules.catalogue), Ok(Wanted::Product(_)));
        let holds = self.store.license_of(&incarnation).map_err(errors::state)?;
        Ok(match holds.filter(|row| row.id != license || row.account != self.account) {
            None if wants && standing == Standing::Same => Fate::Bound(incarnation),
            None => Fate::Kept(incarnation),
            Some(row) if self.left_for_order(&incarnation, intent)?.is_some() => Fate::Moved(incarnation, row.id),
            Some(row) => Fate::Duplicate(incarnation, row.id),
        })
    }

    /// The license gets the order's mark before it is bound, so that the next search finds it when this run dies in
    /// between. A license that another client had gets a new key, as from the pool.
    async fn resolve_order(
        &mut self,
        intent: &Intent,
        order: &OrderRequest,
        license: LicenseId,
        consent: &Consent,
    ) -> Result<Text, ModuleError> {
        let bought = self.bought(intent, order, license, consent).await?;
        let (item, what) = (intent.item.unwrap_or(ItemId(0)), describe(intent));
        let row = bought.row.unwrap_or_else(|| self.row_of_foreign(order.family, &bought.seen));
        let mut seen = bought.seen;
        if let Fate::Bound(_) = &bought.fate {
            let word = Word { ends_older: Some(u32::MAX), ..Word::of_person(agreed(consent)) };
            let found = self.found(item, license, &word).await?;
            if found.key == KeyFate::New {
                seen = self.made_ready(&found).await?;
            }
        }
        if bought.fate.incarnation().is_some() {
            seen = self.marked_as_ordered(&row, seen, &order.mark).await?;
        }
        let as_is = self.order_of_license(order, &seen);
        let event = IntentEvent::Adopted { license };
        self.bind_order(intent, &as_is, &seen, bought.fate.incarnation(), event, &what).await?;
        Ok(match bought.fate {
            Fate::Bound(_) | Fate::Kept(_) | Fate::Moved(..) => text!(
                ["{}: license {license} is bound; run the command of the service again", what.en],
                ["{}: лицензия {license} привязана; повторите команду услуги", what.ru]
            ),
            Fate::Duplicate(..) | Fate::Freed => text!(
                ["{}: license {license} is ours; sync frees it", what.en],
                ["{}: лицензия {license} наша; её освободит sync", what.ru]
            ),
        })
    }

    /// The order with the product of the license, where an operator accepted a license of another product for it.
    fn order_of_license(&self, order: &OrderRequest, seen: &License) -> OrderRequest {
        let Some(pricelist) = seen.tariff.id().filter(|pricelist| *pricelist != order.pricelist) else {
            return order.clone();
        };
        let addon = self.rules.catalogue.by_pricelist(pricelist).and_then(|product| product.nodes_addon);
        let nodes = addon.and_then(|addon| seen.addons.get(&addon).map(|nodes| (addon, *nodes)));
        OrderRequest { pricelist, nodes, ..order.clone() }
    }

    /// Gives the license the order's mark and switches its automatic renewal off. When the seller refuses the mark, the
    /// license is bound anyway.
    async fn marked_as_ordered(
        &mut self,
        row: &LicenseRow,
        seen: License,
        mark: &Mark,
    ) -> Result<License, ModuleError> {
        if seen.remoteid.is(mark) && seen.autoprolong != Some(true) {
            return Ok(seen);
        }
        let edit = Edit { remoteid: Some(mark.to_string()), no_autoprolong: true, ..Edit::default() };
        let what = text!("marking license {}", "пометка лицензии {}", row.id);
        match self.try_change(row, &Repeatable::Edit(edit)).await? {
            Ok(()) => {}
            Err(CallError::Refused(refusal)) => self.warn(&text!(
                ["{}: the seller refused: {refusal}", what.en],
                ["{}: продавец отказал: {refusal}", what.ru]
            )),
            Err(error) => return Err(errors::call(&error, &what, row.id)),
        }
        let after = self.read(row.family, row.id).await?;
        after.ok_or_else(|| errors::license_gone(row.item, row.id))
    }

    async fn resolve_change(&mut self, intent: &Intent, license: LicenseId) -> Result<Text, ModuleError> {
        check_named(intent, license)?;
        let what = describe(intent);
        let done = text!(["{}: ended as carried out", what.en], ["{}: завершено как выполненное", what.ru]);
        if intent.request.as_addition().is_some() {
            self.resolve_addition(intent, &what).await?;
            return Ok(done);
        }
        self.write_event(intent, IntentEvent::Adopted { license }, &done).await?;
        Ok(done)
    }
}

/// A change in doubt is about one license. The operator must have named that one.
fn check_named(intent: &Intent, license: LicenseId) -> Result<(), ModuleError> {
    match intent.request.license() {
        Some(about) if about == license => Ok(()),
        about => Err(about_another(intent, license, about.unwrap_or(LicenseId(0)))),
    }
}

fn check_answer(intent: &Intent, verdict: Verdict) -> Result<(), ModuleError> {
    match verdict {
        Verdict::Bought(license) => check_named(intent, license),
        Verdict::NotBought => Ok(()),
    }
}

fn plan_of_order(what: &Text, order: &OrderRequest, bought: &Bought) -> Text {
    let license = bought.seen.id;
    let then = match &bought.fate {
        Fate::Bound(incarnation) => text!(
            "It gets our mark and is bound to service {}.",
            "Она получит нашу метку и будет привязана к услуге {}.",
            incarnation.item
        ),
        Fate::Kept(incarnation) => text!(
            "It gets our mark and is written down for service {}, which shows nothing of it yet.",
            "Она получит нашу метку и будет записана за услугой {}; услуга её пока не покажет.",
            incarnation.item
        ),
        Fate::Moved(incarnation, old) => text!(
            "It gets our mark and takes the place of license {old} of service {}, which is freed.",
            "Она получит нашу метку и заменит лицензию {old} услуги {}, та освободится.",
            incarnation.item
        ),
        Fate::Duplicate(incarnation, held) => text!(
            "Service {} has license {held} already, so this one is a duplicate and is freed.",
            "У услуги {} уже есть лицензия {held}, поэтому эта — дубликат и освободится.",
            incarnation.item
        ),
        Fate::Freed => text!("The service is closed, so it is freed.", "Услуга закрыта, поэтому она освободится."),
    };
    let differs = match mismatch(order, &bought.seen) {
        None => text!("", ""),
        Some("ip") => text!(" Its address is not the one that was ordered.", " Её IP — не тот, что был заказан."),
        Some("nodes") => {
            text!(" Its nodes are not those that were ordered.", " Число узлов — не то, что было заказано.")
        }
        Some(_) => text!(" Its product is not the one that was ordered.", " Её продукт — не тот, что был заказан."),
    };
    text!(
        ["{}: license {license} is what it bought. {}{}", what.en, then.en, differs.en],
        ["{}: им куплена лицензия {license}. {}{}", what.ru, then.ru, differs.ru]
    )
}

fn choose(item: ItemId, open: &[Intent], intent: Option<IntentId>) -> Result<&Intent, ModuleError> {
    match (open, intent) {
        ([], _) => Err(nothing_in_doubt(item)),
        ([one], None) => Ok(one),
        (several, None) => Err(several_in_doubt(item, several)),
        (several, Some(id)) => {
            several.iter().find(|intent| intent.id == id).ok_or_else(|| no_such_doubt(item, id, several))
        }
    }
}
