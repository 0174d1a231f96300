//! close and suspend, and freeing a license: a service must always be closable (docs/licensing-rules.md 7).

use crate::error::{ModuleError, Text};
use crate::model::catalogue::Product;
use crate::model::ids::{LicenseId, Mark};
use crate::model::item::Item;
use crate::model::journal::{IdempotencyKey, Incarnation, IntentEvent, IntentStatus, Note, OnceRequest};
use crate::model::license::{FREE_IP, FREE_NAME, Family, License};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::model::rules::a_month_after;
use crate::plan::freeing::{Fate, fate, free_again_at, is_like_its_services, is_taken_by_another, is_untouched};
use crate::plan::halt::{allows_switching, may_arrive_late};
use crate::plan::identity::serves;
use crate::plan::outward;
use crate::plan::reason::words;
use crate::ports::{CallError, Edit, RefusalKind, Repeatable};
use crate::text;

use super::identity::wording::{not_recognized, shown_elsewhere};
use super::pages::Pages;
use super::{Engine, errors, is_gone};

/// Ignores an error about a request in doubt that waits for an operator: the seller can no longer carry that request
/// out, so stopping the license goes on.
pub(super) fn unless_handed_over(settled: Result<(), ModuleError>) -> Result<(), ModuleError> {
    match settled {
        Err(error) if !allows_switching(error.halt) => Err(error),
        Err(_) | Ok(()) => Ok(()),
    }
}

impl Engine<'_> {
    /// suspend: stops the license. Also succeeds when the license is deleted or was never bought, and for `nopanel`. A
    /// license that is not found, and that the list still shows, may be running.
    pub(super) async fn suspend(&mut self, item: &Item) -> Result<(), ModuleError> {
        let incarnation = self.incarnation_of(item).await?;
        unless_handed_over(self.settle_orders(item, &incarnation, None).await)?;
        if let Some(row) = self.witnessed(item, &incarnation).await? {
            self.lock_license(row.id).await?;
            unless_handed_over(self.settle_pending(&row).await)?;
            let seen = self.read(row.family, row.id).await?;
            let (row, seen) = match is_gone(seen.as_ref()) {
                true => match self.renumbered(item, &incarnation, &row, &seen).await? {
                    Some((row, seen)) => (row, Some(seen)),
                    None if seen.is_none() && self.is_listed(&row).await? => return Err(errors::only_listed(row.id)),
                    None => (row, seen),
                },
                false => (row, seen),
            };
            if let Some(seen) = seen.filter(|seen| !seen.is_deleted()) {
                let before = seen.status;
                let seen = self.stop(&row, seen).await?;
                self.tell_switch(&row, before, &seen).await?;
                self.refresh(&row, &seen).await?;
            }
        }
        self.post(item, "service.postsuspend").await
    }

    /// Whether the seller's list shows a license, and not as deleted. Modules of a license have no list of their own.
    async fn is_listed(&mut self, row: &LicenseRow) -> Result<bool, ModuleError> {
        if row.family == Family::Addition {
            return Ok(false);
        }
        let mut pages = Pages::of(row.family);
        while let Some(page) = pages.next(self).await? {
            if let Some(listed) = page.rows.iter().find(|listed| listed.id == row.id) {
                return Ok(!listed.is_deleted());
            }
        }
        Ok(false)
    }

    /// close: frees the license of the service, notes that a purchase in doubt is to be freed when it appears, and ends
    /// the incarnation. A license that another service shows stays bound to this one until an operator decides; the
    /// service closes anyway.
    pub(super) async fn close(&mut self, item: &Item) -> Result<(), ModuleError> {
        let incarnation = self.incarnation_to_settle(item)?;
        self.check_witness(item, &incarnation).await?;
        self.give_up_orders(item).await?;
        let rows = self.store.licenses_of_item(item.id).map_err(errors::state)?;
        let mut is_left = false;
        for row in rows.iter().filter(|row| serves(row, &incarnation) || row.state == LicenseState::ToFree) {
            match self.heir_of(row, None).await? {
                None => self.give_up(item, row).await?,
                Some(heir) => {
                    self.warn(&shown_elsewhere(row.id, heir, self.bound_to_number(heir)?).message);
                    is_left = true;
                }
            }
        }
        self.post(item, "service.postclose").await?;
        if is_left { Ok(()) } else { self.end_incarnation(item, &incarnation).await }
    }

    pub(super) async fn end_incarnation(&mut self, item: &Item, incarnation: &Incarnation) -> Result<(), ModuleError> {
        let known = self.store.item(item.id, &item.created).map_err(errors::state)?;
        if known.is_none_or(|row| row.choice.is_none() && row.last_license.is_none() && row.settled_end.is_none()) {
            return Ok(());
        }
        let incarnation = incarnation.clone();
        self.commit("end incarnation", move |tx| tx.end_incarnation(&incarnation)).await
    }

    /// Turns orders in doubt of a closed item into "free it when it appears".
    async fn give_up_orders(&mut self, item: &Item) -> Result<(), ModuleError> {
        let open = self.store.open_intents_of_item(item.id).map_err(errors::state)?;
        for intent in open
            .iter()
            .filter(|intent| intent.request.as_order().is_some() && intent.status != IntentStatus::FreeWhenAppears)
        {
            let reason = text!(
                "the service was closed while its order is in doubt",
                "услуга закрыта, пока её заказ под вопросом"
            );
            self.warn(&reason);
            self.write_event(intent, IntentEvent::FreeWhenAppears, &reason).await?;
        }
        Ok(())
    }

    /// Ends the use of a license: it is pooled, stopped or deleted, as the rules say.
    ///
    /// # Errors
    /// `state`: another service shows the license.
    pub(super) async fn free(&mut self, item: &Item, row: &LicenseRow) -> Result<(), ModuleError> {
        self.check_no_heir(row).await?;
        self.give_up(item, row).await
    }

    /// As [`Engine::free`], for a license that no other service shows. The decision is written down first, so that a
    /// crash in between leaves a license that waits to be freed, never a license that nobody knows of. A license that
    /// another run gave to a service or freed since `row` was read is not this service's any more, and is left alone.
    ///
    /// `Ok`: the service has no claim to the license any more. Our row says whether it is free now or sync frees it
    /// later; a caller that has to know reads the row.
    pub(super) async fn give_up(&mut self, item: &Item, row: &LicenseRow) -> Result<(), ModuleError> {
        let Some(row) = self.lock_as_read(row).await? else { return Ok(()) };
        // Nothing was sent to free it yet, so nobody else can have taken it.
        let was_in_use = row.state == LicenseState::Bound;
        if is_untouched(&row) {
            // Nothing has to be undone at the seller, where somebody else may have taken it since.
            return self.release(&row, LicenseState::Pool, None, &Reason::FreedIntoPool).await;
        }
        if row.state != LicenseState::ToFree {
            let (row, id) = (row.clone(), row.id);
            let reason = text!("service {} gave license {id} back", "услуга {} вернула лицензию {id}", item.id);
            self.note(&reason);
            self.commit("to free", move |tx| {
                tx.release_license(&row, LicenseState::ToFree, None, None)?;
                tx.note(row.item, Some((row.account, row.id)), Note::State(LicenseState::ToFree), &reason)
            })
            .await?;
        }
        let row = self.store.license(row.account, row.id).map_err(errors::state)?.unwrap_or(row);
        if row.account != self.account {
            // A license stays with the account that it was bound with.
            let then = self.freed_elsewhere(&row)?;
            self.warn(&then);
            return Ok(());
        }
        if row.not_before.is_some_and(|until| until > self.now()) {
            // The seller refused, and the day from which it will work is known. Sync frees the license then; a repeated
            // close sends nothing.
            return Ok(());
        }
        let freed = self.free_unshown(&row, was_in_use).await;
        self.unless_sync_frees_it(&row, freed)
    }

    /// Ignores a failure to free a license that is written down as "to be freed": its service goes on, and sync frees
    /// the license.
    ///
    /// # Errors
    /// The license was put aside, so no later run frees it.
    pub(super) fn unless_sync_frees_it(
        &self,
        row: &LicenseRow,
        freed: Result<(), ModuleError>,
    ) -> Result<(), ModuleError> {
        match freed {
            Err(error) if !self.is_put_aside(row)? => {
                self.warn(&freed_later(row.id, &error));
                Ok(())
            }
            freed => freed,
        }
    }

    /// Frees a license that is written down as "to be freed", unless another run did so or gave it to a service since
    /// `row` was read. `was_in_use`: as in [`Engine::free_unshown`].
    ///
    /// # Errors
    /// `state`: another service shows the license; any failure of freeing it.
    pub(super) async fn free_upstream(&mut self, row: &LicenseRow, was_in_use: bool) -> Result<(), ModuleError> {
        let Some(row) = self.lock_as_read(row).await? else { return Ok(()) };
        self.check_no_heir(&row).await?;
        if self.is_still_shown(&row).await? {
            self.note(&text!(
                "license {} is freed once its service shows the one that took its place",
                "лицензия {} будет освобождена, когда её услуга покажет новую",
                row.id
            ));
            return Ok(());
        }
        self.free_unshown(&row, was_in_use).await
    }

    /// True if the license was put aside: another installation may use it, so no run frees it any more.
    pub(super) fn is_put_aside(&self, row: &LicenseRow) -> Result<bool, ModuleError> {
        let now = self.store.license(row.account, row.id).map_err(errors::state)?;
        Ok(now.is_some_and(|now| now.state != LicenseState::ToFree && now.lasting_reason() == Some(&Reason::NotFree)))
    }

    /// As [`Engine::free_upstream`], for a license that no other service shows; `row` was read under its lock. When an
    /// answer is lost on the way, the license rests for the settling time: a change that is carried out late must not
    /// hit the next client (docs/money-safety.md 3). `was_in_use`: its service has given it back at this moment.
    async fn free_unshown(&mut self, row: &LicenseRow, was_in_use: bool) -> Result<(), ModuleError> {
        let result = self.free_upstream_now(row, was_in_use).await;
        if let Err(error) = &result
            && may_arrive_late(error.halt)
            // A license that is missing rests already, and the time at which it was first missed must be kept.
            && let now = self.store.license(row.account, row.id).map_err(errors::state)?
            && now.is_some_and(|now| !now.reason.is_some_and(|reason| reason.is_missing()))
        {
            let until = self.now() + chrono::Duration::seconds(i64::from(self.rules.upstream.settle_s));
            let row = row.clone();
            self.commit("freeing in doubt", move |tx| tx.put_off(&row, Some(until), Some(&Reason::ChangeInDoubt)))
                .await?;
        }
        result
    }

    async fn free_upstream_now(&mut self, row: &LicenseRow, was_in_use: bool) -> Result<(), ModuleError> {
        self.settle_license(row).await?;
        let seen = self.read(row.family, row.id).await?;
        if is_gone(seen.as_ref()) {
            return self.is_gone(row, &seen, LicenseState::ToFree).await.map(drop);
        }
        let Some(seen) = seen else { return Ok(()) };
        self.shown_again(row).await?;
        self.check_not_given_since(row, &seen).await?;
        if is_taken_by_another(row, &seen, &self.panel_id, self.rules.pool_foreign) {
            return self.release(row, LicenseState::Stopped, None, &Reason::TakenElsewhere).await;
        }
        // Another client has another key.
        let is_its_own = was_in_use && seen.key.is_some() && seen.key == row.key;
        let may_be_taken = self.rules.pool_foreign && seen.remoteid.mark().is_none() && !is_its_own;
        if may_be_taken && !self.may_be_its_services(row, &seen).await? {
            self.no_longer_free(row, &seen).await?;
            return Err(not_recognized(row, &seen));
        }
        let has_modules = self.end_modules(row).await?;
        let is_pooled = self.product_of(row).is_some_and(Product::is_pooled);
        match fate(self.rules.on_close, is_pooled, seen.expires, has_modules) {
            Fate::Deleted => self.delete(row).await,
            Fate::Pooled => self.free_into_pool(row, seen).await,
            Fate::Stopped => {
                let seen = self.stop(row, seen).await?;
                self.forbid_autoprolong(row, &seen).await?;
                self.refresh(row, &seen).await?;
                self.release(row, LicenseState::Stopped, None, &Reason::Stopped).await
            }
        }
    }

    /// Whether a license without a mark may have been in use by the service that gives it back. If a run took the
    /// license from the pool and died before it sent anything, another installation may have used the license since
    /// then.
    async fn may_be_its_services(&mut self, row: &LicenseRow, seen: &License) -> Result<bool, ModuleError> {
        if seen.looks_free() {
            return Ok(true);
        }
        let Some(id) = row.item else { return Ok(true) };
        self.step("read item").await?;
        let item = self.ports.billdb.item(id).map_err(|error| errors::database(&error))?;
        Ok(item.is_none_or(|item| {
            let address = item.params.ip.as_deref().and_then(|ip| ip.parse().ok());
            let name = item.params.licname.clone().unwrap_or_else(|| item.default_license_name());
            is_like_its_services(row, seen, address, &name)
        }))
    }

    pub(super) async fn release(
        &mut self,
        row: &LicenseRow,
        state: LicenseState,
        not_before: Option<chrono::DateTime<chrono::Utc>>,
        why: &Reason,
    ) -> Result<(), ModuleError> {
        let (words, id) = (words(why), row.id);
        let reason = text!(["license {id}: {}", words.en], ["лицензия {id}: {}", words.ru]);
        self.note(&reason);
        self.commit("release", |tx| {
            tx.release_license(row, state, not_before, Some(why))?;
            tx.note(row.item, Some((row.account, row.id)), Note::State(state), &reason)
        })
        .await
    }

    async fn delete(&mut self, row: &LicenseRow) -> Result<(), ModuleError> {
        let key = IdempotencyKey::Delete { account: row.account, license: row.id };
        let request = OnceRequest::Delete { family: row.family, license: row.id };
        let what = text!("deletion of license {}", "удаление лицензии {}", row.id);
        self.once(row, &key, request, &what).await?;
        Ok(())
    }

    async fn free_into_pool(&mut self, row: &LicenseRow, seen: License) -> Result<(), ModuleError> {
        let mut seen = self.stop(row, seen).await?;
        let mark = Mark::Pool { panel: self.panel_id.clone() };
        if !seen.looks_free() || !seen.remoteid.is(&mark) {
            let edit = Edit {
                ip: Some(FREE_IP),
                remoteip: outward::beside(None, row, &seen),
                licname: Some(FREE_NAME.to_owned()),
                remoteid: Some(mark.to_string()),
                no_autoprolong: true,
            };
            if let Err(error) = self.try_change(row, &Repeatable::Edit(edit)).await? {
                return self.not_freed(row, seen, &error).await;
            }
            let again = self.read(row.family, row.id).await?;
            if is_gone(again.as_ref()) {
                return self.is_gone(row, &again, LicenseState::ToFree).await.map(drop);
            }
            // The seller may have shown the past: an earlier start of the license may come into view only now.
            seen = self.stop(row, again.unwrap_or(seen)).await?;
        }
        self.refresh(row, &seen).await?;
        if seen.looks_free() {
            return self.release(row, LicenseState::Pool, None, &Reason::FreedIntoPool).await;
        }
        let later = free_again_at(None, self.now());
        self.release(row, LicenseState::ToFree, Some(later), &Reason::NotShownFree).await
    }

    /// The seller refused to clear the address: stops the license, and remembers it as "to be freed" until the month is
    /// over.
    async fn not_freed(&mut self, row: &LicenseRow, seen: License, error: &CallError) -> Result<(), ModuleError> {
        self.forbid_autoprolong(row, &seen).await?;
        self.refresh(row, &seen).await?;
        let CallError::Refused(refusal) = error else {
            let what = text!("freeing license {}", "освобождение лицензии {}", row.id);
            return Err(errors::call(error, &what, row.id));
        };
        let month_ends = seen.ip_changed.filter(|_| refusal.kind == RefusalKind::IpTooYoung).map(a_month_after);
        let later = free_again_at(month_ends, self.now());
        self.release(row, LicenseState::ToFree, Some(later), &Reason::AddressNotCleared).await
    }

    pub(super) async fn forbid_autoprolong(&mut self, row: &LicenseRow, seen: &License) -> Result<(), ModuleError> {
        if seen.autoprolong == Some(false) {
            return Ok(());
        }
        self.no_autoprolong(row).await
    }

    pub(super) async fn no_autoprolong(&mut self, row: &LicenseRow) -> Result<(), ModuleError> {
        let edit = Edit { no_autoprolong: true, ..Edit::default() };
        let what =
            text!("switching off automatic renewal of license {}", "отключение автопродления лицензии {}", row.id);
        self.change(row, &Repeatable::Edit(edit), &what).await
    }
}

/// A license that could not be freed now. Sync goes on with what is remembered as "to be freed".
pub(in crate::engine) fn freed_later(license: LicenseId, error: &ModuleError) -> Text {
    let why = error.words();
    text!(["license {license} is freed later: {}", why.en], ["лицензия {license} будет освобождена позже: {}", why.ru])
}
