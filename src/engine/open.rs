//! open and reopen, and the steps of every command that must end with a license. The engine tries four sources in this
//! order: the license that the item has, a license with the item's mark at the seller, the pool, a purchase
//! (docs/licensing-rules.md 3).

use std::time::Duration;

use crate::error::{ErrorKind, Halt, ModuleError};
use crate::model::catalogue::Product;
use crate::model::ids::{ItemId, LicenseId};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{Incarnation, Note};
use crate::model::license::{Family, License, LicenseStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::model::sellers::SellerKind;
use crate::plan::choice::{Choice, choice_of};
use crate::plan::in_doubt::has_run_out;
use crate::plan::order::{OrderTerms, check_nodes, order_terms};
use crate::ports::RefusalKind;
use crate::store::StoreError;
use crate::text;

use super::identity::account::other_account;
use super::send::Failed;
use super::{Engine, errors, is_gone};

/// How long open waits for a key that is not issued yet, before one more look. After that, the next sync brings the
/// key.
const KEY_WAIT: Duration = Duration::from_secs(3);

impl Engine<'_> {
    /// open; with `reopen`, the remaining work of open, with another post-call.
    pub(super) async fn open(&mut self, item: &Item, reopen: bool) -> Result<(), ModuleError> {
        let incarnation = self.incarnation_of(item).await?;
        let given_back = match choice_of(item, &self.rules.panel_addons, &self.rules.catalogue)? {
            Choice::Nopanel => self.choose_nothing(item, &incarnation).await?,
            Choice::Product(product) => {
                let (row, seen) = self.ensure_license(item, &incarnation, product).await?;
                self.hand_out(&running(item), &row, product, seen).await?;
                None
            }
        };
        if reopen { self.post(item, "service.postreopen").await } else { self.post_open(item).await }?;
        self.give_back_license(item, given_back).await
    }

    pub(super) async fn remember_choice(&mut self, item: &Item, choice: &str) -> Result<(), ModuleError> {
        let known = self.store.item(item.id, &item.created).map_err(errors::state)?;
        if known.and_then(|row| row.choice).as_deref() == Some(choice) {
            return Ok(());
        }
        let choice = choice.to_owned();
        self.commit("remember choice", |tx| tx.set_choice(item, &choice)).await
    }

    /// The license that an incarnation holds; it must belong to the account that the module buys from now.
    pub(super) fn bound_license(&self, incarnation: &Incarnation) -> Result<Option<LicenseRow>, ModuleError> {
        let row = self.store.license_of(incarnation).map_err(errors::state)?;
        match row {
            Some(row) if row.account != self.account => Err(self.other_account(incarnation.item, &row)?),
            other => Ok(other),
        }
    }

    pub(super) fn other_account(&self, item: ItemId, row: &LicenseRow) -> Result<ModuleError, ModuleError> {
        let missing = || errors::state(StoreError::Unusable("the account of a license is missing".to_owned()));
        let bought_as = self.store.account(row.account).map_err(errors::state)?.ok_or_else(missing)?;
        let present = self.store.account(self.account).map_err(errors::state)?.ok_or_else(missing)?;
        let (is_own, sells) = (row.module == self.module, SellerKind::of(&present.url));
        Ok(other_account(item, row.id, (&bought_as, row.module), is_own, sells))
    }

    /// Makes sure that the incarnation has a license of that product, buying one only when there is no other way.
    pub(super) async fn ensure_license(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        product: &Product,
    ) -> Result<(LicenseRow, License), ModuleError> {
        if self.bound_license(incarnation)?.is_some() {
            // It needs no order that was given up. One that is in doubt may be of the service that had this number
            // before: even then the panel is told nothing until its outcome is known.
            self.settle_orders(item, incarnation, None).await?;
            if let Some(found) = self.present_license(item, incarnation).await? {
                return Ok(found);
            }
        }
        self.settle_orders(item, incarnation, Some(product)).await?;
        if let Some(found) = self.present_license(item, incarnation).await? {
            return Ok(found);
        }
        // The license of the former account is gone, and a move has claimed another one already.
        if let Some(found) = self.taken_beside(item, incarnation).await? {
            return Ok(found);
        }
        if let Some((row, seen)) = self.adopt_marked(item, incarnation).await? {
            return usable(incarnation, row, seen);
        }
        let replaces = self.last_license(item)?;
        self.obtain_new(item, incarnation, product, replaces).await
    }

    /// A license for an incarnation that has none in this account: from the pool, or bought in place of `replaces`.
    pub(super) async fn obtain_new(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        product: &Product,
        replaces: Option<LicenseId>,
    ) -> Result<(LicenseRow, License), ModuleError> {
        let rules = self.alignment().await?;
        let catalogue = &self.rules.catalogue;
        let terms = order_terms(product, item, &rules, catalogue, self.today())?;
        check_nodes(item, product, &self.rules.nodes_addons, text!("Nothing was ordered", "Ничего не заказано"))?;
        let mut fields = self.order_fields(item, terms.product)?;
        fields.parent = self.parent_license(item, terms.product).await?;
        let known = self.look_before(terms.product.family).await?;
        if terms.product.is_pooled()
            && let Some(found) = self.take_from_pool(item, incarnation, &terms, &fields).await?
        {
            return Ok(found);
        }
        let seen = self.buy(item, incarnation, &terms, &fields, (replaces, known)).await?;
        self.checked_after_buying(incarnation, seen)
    }

    /// Places the order. When the seller refused it because the sale ends, orders the longest period that still fits.
    async fn buy(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        terms: &OrderTerms<'_>,
        fields: &super::order::OrderFields,
        (replaces, known): (Option<LicenseId>, super::order::BeforeOrder),
    ) -> Result<License, ModuleError> {
        match self.order(item, incarnation, terms, fields, replaces, known).await {
            Err(Failed::Refused(refusal, error))
                if matches!(refusal.kind, RefusalKind::PeriodNotSold | RefusalKind::SaleClosed) =>
            {
                let shorter = terms.shorter(self.today()).ok_or(error)?;
                Ok(self.order(item, incarnation, &shorter, fields, replaces, known).await?)
            }
            bought => Ok(bought?),
        }
    }

    fn checked_after_buying(
        &self,
        incarnation: &Incarnation,
        seen: License,
    ) -> Result<(LicenseRow, License), ModuleError> {
        let row = self.store.license_of(incarnation).map_err(errors::state)?;
        let row = row.ok_or_else(|| errors::license_gone(Some(incarnation.item), seen.id))?;
        usable(incarnation, row, seen)
    }

    pub(super) fn last_license(&self, item: &Item) -> Result<Option<LicenseId>, ModuleError> {
        let known = self.store.item(item.id, &item.created).map_err(errors::state)?;
        Ok(known.and_then(|row| row.last_license))
    }

    /// The license that the incarnation holds, if it still exists. The taking of a claimed license is finished first.
    /// `None`: the incarnation has no license and the item shows none, or its last license is gone for good and this
    /// was written down.
    pub(super) async fn present_license(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
    ) -> Result<Option<(LicenseRow, License)>, ModuleError> {
        let Some(row) = self.witnessed(item, incarnation).await? else { return Ok(None) };
        self.lock_license(row.id).await?;
        // A call in doubt is settled before any decision depends on a read.
        self.settle_license(&row).await?;
        if row.state == LicenseState::Claimed {
            return self.continue_taking(item, incarnation, &row).await;
        }
        let seen = self.read(row.family, row.id).await?;
        if is_gone(seen.as_ref()) {
            if let Some((row, seen)) = self.renumbered(item, incarnation, &row, &seen).await? {
                return usable(incarnation, row, seen).map(Some);
            }
            self.confirm_gone(&row, &seen).await?;
            return Ok(None);
        }
        let Some(seen) = seen else { return Ok(None) };
        self.shown_again(&row).await?;
        self.check_marked_for(item, &row, &seen).await?;
        self.refresh(&row, &seen).await?;
        let row = self.store.license(row.account, row.id).map_err(errors::state)?.unwrap_or(row);
        usable(incarnation, row, seen).map(Some)
    }

    /// Writes down that a license is gone: the seller shows it deleted, or says twice, a settling time apart, that it
    /// does not exist while another license of the account can be read (docs/money-safety.md 3).
    ///
    /// # Errors
    /// `license_gone` until that is certain; nothing is ordered in its place before.
    pub(super) async fn confirm_gone(&mut self, row: &LicenseRow, seen: &Option<License>) -> Result<(), ModuleError> {
        if self.is_gone(row, seen, row.state).await? { Ok(()) } else { Err(errors::license_gone(row.item, row.id)) }
    }

    /// As [`Engine::confirm_gone`], but returns whether it is certain now. Until then the license keeps its state, or
    /// gets the state `until_then`.
    pub(super) async fn is_gone(
        &mut self,
        row: &LicenseRow,
        seen: &Option<License>,
        until_then: LicenseState,
    ) -> Result<bool, ModuleError> {
        if row.state == LicenseState::Deleted {
            return Ok(true);
        }
        if seen.is_none() && !self.is_missing_again(row, until_then).await? {
            return Ok(false);
        }
        let (row, id) = (row.clone(), row.id);
        let reason = text!("license {id} is deleted at the seller", "лицензия {id} у продавца удалена");
        self.warn(&reason);
        self.commit("license gone", move |tx| {
            tx.release_license(&row, LicenseState::Deleted, None, Some(&Reason::DeletedUpstream))?;
            tx.note(row.item, Some((row.account, row.id)), Note::State(LicenseState::Deleted), &reason)
        })
        .await?;
        Ok(true)
    }

    /// After a look that found nothing: whether it is the second one, a settling time after the first, and another
    /// license of the account can be read. The first look is written down. Until the second the license keeps its
    /// state, or gets the state `until_then`.
    pub(super) async fn is_missing_again(
        &mut self,
        row: &LicenseRow,
        until_then: LicenseState,
    ) -> Result<bool, ModuleError> {
        let since = row.not_before.filter(|_| row.reason.as_ref().is_some_and(Reason::is_missing));
        if let Some(until) = since
            && self.now_at_least() >= until
            && self.another_is_readable(row).await?
        {
            return Ok(true);
        }
        let settle = chrono::Duration::seconds(i64::from(self.rules.upstream.settle_s));
        let until = since.unwrap_or(self.now_at_latest() + settle);
        let row = row.clone();
        if row.state != until_then {
            self.commit("license missing", move |tx| {
                tx.release_license(&row, until_then, Some(until), Some(&Reason::missing_after(None)))
            })
            .await?;
        } else if since.is_none() {
            let reason = Reason::missing_after(row.reason.clone());
            self.commit("license missing", move |tx| tx.put_off(&row, Some(until), Some(&reason))).await?;
        }
        Ok(false)
    }

    /// A license that was missing at an earlier look exists after all. If it is missing again later, the count of looks
    /// starts anew. The reason that it had before counts again: it says, for example, that an operator left the license
    /// to its user.
    pub(super) async fn shown_again(&mut self, row: &LicenseRow) -> Result<(), ModuleError> {
        let Some(Reason::Missing(before)) = row.reason.clone() else { return Ok(()) };
        // A call that the seller may still carry out keeps it out of use until then.
        let rests = before.as_deref().is_some_and(Reason::may_still_happen);
        let (row, until) = (row.clone(), row.not_before.filter(|_| rests));
        self.commit("license shown again", move |tx| tx.put_off(&row, until, before.as_deref())).await
    }

    async fn another_is_readable(&mut self, row: &LicenseRow) -> Result<bool, ModuleError> {
        // Modules of a license have no list of their own.
        let family = if row.family == Family::Addition { Family::Soft } else { row.family };
        let page = self.page(family, 1).await?;
        Ok(page.rows.iter().any(|other| other.id != row.id))
    }

    /// Starts the license if it is stopped and has time left, waits briefly for a late key, carries out what the item
    /// asks for now, and saves number, key and name to the item.
    pub(super) async fn hand_out(
        &mut self,
        item: &Item,
        row: &LicenseRow,
        product: &Product,
        mut seen: License,
    ) -> Result<(), ModuleError> {
        let may_run = item.status != ItemStatus::Suspended && !has_run_out(&seen, self.today());
        if seen.status == LicenseStatus::Stopped && may_run {
            seen = self.start(row, seen).await?;
        }
        // A module of a license has no key: it uses the key of that license.
        if seen.key.is_none() && row.family.has_key() {
            self.ports.clock.sleep(KEY_WAIT);
            let again = self.read(row.family, row.id).await?;
            seen = again.ok_or_else(|| errors::license_gone(Some(item.id), row.id))?;
            self.refresh(row, &seen).await?;
            if seen.key.is_none() {
                let id = row.id;
                self.warn(&text!(
                    "license {id} has no key yet: the next sync brings it",
                    "у лицензии {id} ещё нет ключа: его принесёт следующий sync"
                ));
            }
            if seen.status == LicenseStatus::Stopped && may_run {
                // A stop that was carried out late.
                seen = self.start(row, seen).await?;
            }
        }
        if self.has_chosen_nothing(item)? {
            self.remember_choice(item, &product.internal_name).await?;
        }
        // The license was bought as the item asked for it then; the client may have changed the item since.
        let (seen, _) = self.carry_out_differences(item, row, product, seen, false).await?;
        self.save_license(item, &seen).await
    }

    /// Hands the license out if the item does not show it yet: the run that bought it may have died, or may have waited
    /// for its payment, before it could save it.
    pub(super) async fn hand_out_if_owed(
        &mut self,
        item: &Item,
        row: &LicenseRow,
        seen: &License,
    ) -> Result<(), ModuleError> {
        if item.params.licid == Some(row.id) {
            return Ok(());
        }
        match choice_of(item, &self.rules.panel_addons, &self.rules.catalogue) {
            Ok(Choice::Product(product)) => self.hand_out(item, row, product, seen.clone()).await,
            Ok(Choice::Nopanel) | Err(_) => self.save_license(item, seen).await,
        }
    }
}

/// The service as it will be when this command has ended: active, whatever it was before.
pub(super) fn running(item: &Item) -> Item {
    Item { status: ItemStatus::Active, ..item.clone() }
}

/// Checks by its status that a license may serve a service.
pub(super) fn usable(
    incarnation: &Incarnation,
    row: LicenseRow,
    seen: License,
) -> Result<(LicenseRow, License), ModuleError> {
    let (item, license) = (incarnation.item, seen.id);
    match seen.status {
        LicenseStatus::Active | LicenseStatus::Stopped | LicenseStatus::Processing => Ok((row, seen)),
        LicenseStatus::Ordered => Err(ModuleError::new(
            ErrorKind::Nomoney,
            "licid",
            license,
            text!(
                "License {license} for service {item} is ordered and waits for payment at the seller",
                "Лицензия {license} для услуги {item} заказана и ждёт оплаты у продавца"
            ),
        )
        .changed(text!("It is not ordered a second time", "Второй раз она не заказывается"))
        .next(text!(
            "top up the account at the seller; the panel then repeats the command",
            "пополните счёт у продавца; панель затем повторит команду"
        ))),
        LicenseStatus::Deleted => Err(errors::license_gone(Some(item), license)),
        LicenseStatus::Absent => Err(ModuleError::new(
            ErrorKind::BadAnswer,
            "status",
            license,
            text!(
                "The seller does not show the status of license {license} of service {item}",
                "Продавец не показывает состояние лицензии {license} услуги {item}"
            ),
        )
        .halted(Halt::BadAnswer)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "look at the license in the seller's panel, then repeat",
            "посмотрите лицензию в панели продавца и повторите"
        ))),
        LicenseStatus::Unknown(number) => Err(ModuleError::new(
            ErrorKind::Upstream,
            "licid",
            license,
            text!(
                "License {license} of service {item} has the status {number}, which is not known",
                "У лицензии {license} услуги {item} неизвестное состояние {number}"
            ),
        )
        .halted(Halt::NotYet)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "look at the license in the seller's panel, then repeat",
            "посмотрите лицензию в панели продавца и повторите"
        ))),
    }
}
