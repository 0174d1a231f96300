//! Ends an order in doubt with the license that the operator names: the license is read, judged, and bound to the
//! service or kept to be freed.

use crate::engine::send::describe;
use crate::engine::{Engine, errors};
use crate::error::{ModuleError, Text};
use crate::model::ids::{LicenseId, Mark};
use crate::model::item::ItemStatus;
use crate::model::journal::{IntentEvent, OrderRequest};
use crate::model::license::License;
use crate::model::license_row::LicenseRow;
use crate::plan::bind::{BindOptions, Consent, mark_of_another};
use crate::plan::choice::{Choice, choice_of};
use crate::plan::identity::KeyFate;
use crate::plan::in_doubt::mismatch;
use crate::plan::resolution::{Fate, Service, fate, is_given_up, misnamed};
use crate::ports::{CallError, Edit, Repeatable};
use crate::text;

use super::OpenIntent;
use super::wording::{
    bought_elsewhere, free_already, of_another_order, of_another_product, of_this_service, sent_elsewhere, taken,
};

/// The license that the seller has under the number that the operator named, and what happens to it.
pub(super) struct Bought {
    pub(super) seen: License,
    pub(super) row: Option<LicenseRow>,
    pub(super) fate: Fate,
}

/// The consent for binding. [`Engine::bought`] has compared the product with the order, and that decides here. It does
/// not matter that the service asks for something else now.
pub(super) fn agreed(consent: &Consent) -> Consent {
    Consent { other_product: true, ..consent.clone() }
}

impl Engine<'_> {
    /// Reads the license that an order is said to have bought, and checks what only an operator may decide.
    pub(super) async fn bought(
        &mut self,
        asked: OpenIntent<'_>,
        order: &OrderRequest,
        license: LicenseId,
        consent: &Consent,
    ) -> Result<Bought, ModuleError> {
        let OpenIntent { item, intent } = asked;
        if intent.account != self.account {
            let sent_with = self.store.account(intent.account).map_err(errors::state)?;
            return Err(sent_elsewhere(asked, sent_with.as_ref()));
        }
        self.lock_license(license).await?;
        let row = self.store.license(self.account, license).map_err(errors::state)?;
        if let Some(other) = row.as_ref().filter(|row| row.incarnation.is_some() && row.item != Some(item)) {
            return Err(taken(asked, license, other.item));
        }
        let seen = self.read(order.family, license).await?;
        let Some(seen) = seen.filter(|seen| !seen.is_deleted()) else {
            return Err(errors::license_gone(Some(item), license));
        };
        // The order may have been sent when the installation had another id.
        let is_its_own = seen.remoteid.is(&order.mark);
        if let Some(mark) = mark_of_another(&seen, row.as_ref(), &self.panel_id, consent).filter(|_| !is_its_own) {
            return Err(bought_elsewhere(asked, license, &mark, consent));
        }
        let serves = row.as_ref().is_some_and(|row| row.incarnation.is_some());
        if let Some(why) = misnamed(&order.mark, serves, seen.remoteid.mark().as_ref()) {
            return Err(of_this_service(asked, license, why));
        }
        match seen.remoteid.mark() {
            Some(Mark::Order { panel, item: of, .. }) if panel == self.panel_id && of != item && row.is_none() => {
                return Err(of_another_order(asked, license, of));
            }
            Some(Mark::Order { .. } | Mark::Pool { .. }) | None => {}
        }
        if !seen.tariff.may_be(order.pricelist) && !consent.other_product {
            return Err(of_another_product(asked, &seen, order, consent));
        }
        let fate = self.fate(asked, license).await?;
        if let (Fate::Kept(_) | Fate::Moved(..), Some(_)) =
            (&fate, row.as_ref().filter(|row| row.incarnation.is_none()))
        {
            // Its key belongs to another client, and nobody would renew it here.
            return Err(free_already(asked, license));
        }
        Ok(Bought { seen, row, fate })
    }

    async fn fate(&mut self, asked: OpenIntent<'_>, license: LicenseId) -> Result<Fate, ModuleError> {
        let OpenIntent { item, intent } = asked;
        if is_given_up(intent.status) {
            return Ok(Fate::Freed);
        }
        let item = self.item(item).await?;
        let (incarnation, standing) = self.standing(&item)?;
        let wants = choice_of(&item, &self.rules.panel_addons, &self.rules.catalogue);
        let holds = self.store.license_of(&incarnation).map_err(errors::state)?;
        let holds = holds.filter(|row| row.id != license || row.account != self.account).map(|row| row.id);
        Ok(fate(Service {
            standing,
            is_closed: item.status == ItemStatus::Deleted,
            wants_license: matches!(wants, Ok(Choice::Product(_))),
            holds,
            replaces_it: self.left_for_order(&incarnation, intent)?.is_some(),
            incarnation,
        }))
    }

    /// The license gets the order's mark before it is bound, so that the next search finds it when this run dies in
    /// between. A license that another client had gets a new key, as from the pool.
    pub(super) async fn resolve_order(
        &mut self,
        asked: OpenIntent<'_>,
        order: &OrderRequest,
        license: LicenseId,
        consent: &Consent,
    ) -> Result<Text, ModuleError> {
        let bought = self.bought(asked, order, license, consent).await?;
        let OpenIntent { item, intent } = asked;
        let what = describe(intent);
        let row = bought.row.unwrap_or_else(|| self.row_of_foreign(order.family, &bought.seen));
        let mut seen = bought.seen;
        if let Fate::Bound(_) = &bought.fate {
            let options = BindOptions { ends_older: Some(u32::MAX), ..BindOptions::of_operator(agreed(consent)) };
            let found = self.found(item, license, &options).await?;
            if found.key == KeyFate::New {
                seen = self.made_ready(&found).await?;
            }
        }
        if bought.fate.incarnation().is_some() {
            seen = self.marked_as_ordered(&row, seen, &order.mark).await?;
        }
        let as_is = self.as_found(order, &seen);
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
}

pub(super) fn plan_of_order(what: &Text, order: &OrderRequest, bought: &Bought) -> Text {
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
        Fate::Duplicate(incarnation, present) => text!(
            "Service {} has license {present} already, so this one is a duplicate and is freed.",
            "У услуги {} уже есть лицензия {present}, поэтому эта — дубликат и освободится.",
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
