//! move: gives a service a license of the account from which its module buys now, in place of one of another account.
//! The new license is obtained first and the old one released afterwards, so that at every step one of the two is bound
//! to the service.

mod preview;

use chrono::Duration;

use crate::error::{Halt, ModuleError, Text};
use crate::model::catalogue::Product;
use crate::model::ids::{ItemId, LicenseId};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{IdempotencyKey, Incarnation, Intent, Note};
use crate::model::license::License;
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::model::rules::Rules;
use crate::plan::choice::{Choice, choice_of};
use crate::ports::LockName;
use crate::store::{StoreError, Tx};
use crate::text;

use crate::engine::identity::account::no_move;
use crate::engine::reconcile::wording::{closed, not_elsewhere, wants_nothing};
use crate::engine::{Engine, errors};

/// How long the old license rests before its own module frees it, when the service does not show the new one yet. The
/// next sync shows the new one; until then the client works with the old key.
const REST_HOURS: i64 = 24;

/// A license of another account that a service gives up at the moment at which another one is bound to it.
pub(in crate::engine) struct LeftBehind {
    item: ItemId,
    row: LicenseRow,
    until: chrono::DateTime<chrono::Utc>,
}

impl LeftBehind {
    /// Writes this down in the transaction that binds the other license.
    pub(in crate::engine) fn write(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let (item, row, id) = (self.item, &self.row, self.row.id);
        let reason = text!(
            "service {item} moved to another account: license {id} is to be freed",
            "услуга {item} перенесена на другую учётную запись: лицензию {id} освободить"
        );
        tx.release_license(row, LicenseState::ToFree, Some(self.until), Some(&Reason::Moved))?;
        tx.note(Some(item), Some((row.account, id)), Note::State(LicenseState::ToFree), &reason)
    }
}

impl<'p> Engine<'p> {
    /// Moves the service to this module's account: a license is obtained here, and the sync of the module that bought
    /// the old license frees that one. The command may be repeated.
    ///
    /// # Errors
    /// `missed`: it holds no license of another account; any failure to obtain one. Then the service keeps its license.
    pub async fn move_here(&mut self, item: ItemId) -> Result<Text, ModuleError> {
        self.changing(async |engine: &mut Self| {
            engine.check_movable(item)?;
            engine.move_locked(item).await
        })
        .await
    }

    /// Checks that this module can obtain a license beside the present one of the service.
    fn check_movable(&mut self, item: ItemId) -> Result<(), ModuleError> {
        if self.sells_addons() { Err(no_move(item, self.module)) } else { Ok(()) }
    }

    async fn move_locked(&mut self, id: ItemId) -> Result<Text, ModuleError> {
        self.lock(LockName::Item(id)).await?;
        let item = self.item(id).await?;
        let incarnation = self.incarnation_of(&item).await?;
        let (product, holds) = self.to_move(&item, &incarnation)?;
        if holds.account == self.account {
            return self.end_move(&item, &incarnation, product, &holds).await;
        }
        self.check_shown_before_move(&item, &incarnation, &holds).await?;
        let obtained = self.obtain_beside(&item, &incarnation, product, holds.id).await;
        let (row, seen) = match obtained {
            Ok(obtained) => obtained,
            Err(error) => return Err(self.keeps(error, id, &holds)?),
        };
        self.show_moved(&item, product, &row, seen, &holds).await?;
        let (new, then) = (row.id, self.freed_elsewhere(&holds)?);
        Ok(text!(
            ["service {id} has license {new} now. {}", then.en],
            ["у услуги {id} теперь лицензия {new}. {}", then.ru]
        ))
    }

    /// Adds to an error that the service still has its license, and how its address becomes free.
    pub(super) fn keeps(
        &mut self,
        error: ModuleError,
        item: ItemId,
        old: &LicenseRow,
    ) -> Result<ModuleError, ModuleError> {
        let license = old.id;
        let cleared = self.rules.ip_change_limit.waits_until(old.ip_changed, self.today());
        let cleared = cleared.filter(|_| error.halt == Halt::AddressBusy);
        let way = if let (Some(day), true) = (cleared, self.is_bought_from(old.account)?) {
            text!(
                " The address of license {license} cannot be cleared before {day}: repeat the move after that day.",
                " IP лицензии {license} нельзя снять раньше {day}: повторите перенос после этого дня."
            )
        } else if error.halt == Halt::AddressBusy {
            let then = self.left_to_operator(old)?;
            text!(
                [
                    " If the seller allows only one license for an address, give up license {license} first: pmisplicense unbind {item}.{} Then obtain the new one: pmisplicense reconcile --apply. Between the two commands the service has no license.",
                    then.en
                ],
                [
                    " Если продавец допускает только одну лицензию на IP, сначала откажитесь от лицензии {license}: pmisplicense unbind {item}.{} Затем получите новую: pmisplicense reconcile --apply. Между двумя командами услуга останется без лицензии.",
                    then.ru
                ]
            )
        } else {
            text!("", "")
        };
        let words = text!(
            ["{}. Service {item} keeps license {license} of its former account.{}", error.message.en, way.en],
            ["{}. Услуга {item} сохраняет лицензию {license} прежней учётной записи.{}", error.message.ru, way.ru]
        );
        Ok(ModuleError { message: Box::new(words), ..error })
    }

    /// What an operator has to do at the seller with a license of an account that no module buys from.
    fn left_to_operator(&mut self, old: &LicenseRow) -> Result<Text, ModuleError> {
        if self.is_bought_from(old.account)? {
            return Ok(text!("", ""));
        }
        let then = self.freed_elsewhere(old)?;
        Ok(text!([" {}.", then.en], [" {}.", then.ru]))
    }

    /// Checks that the service does not show a license of the present account already: then that one is its license,
    /// and no other one is obtained.
    async fn check_shown_before_move(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        holds: &LicenseRow,
    ) -> Result<(), ModuleError> {
        // The number of the former account's license may be that of another license in this account.
        if item.params.licid == Some(holds.id) { Ok(()) } else { self.check_witness(item, incarnation).await }
    }

    /// What a service that may be moved asks for, and the license that it holds.
    fn to_move(&self, item: &Item, incarnation: &Incarnation) -> Result<(&'p Product, LicenseRow), ModuleError> {
        let rules: &'p Rules = self.rules;
        if item.status == ItemStatus::Deleted {
            return Err(closed(item.id));
        }
        self.no_open_order(item.id)?;
        let Some(holds) = self.store.license_of(incarnation).map_err(errors::state)? else {
            return Err(not_elsewhere(item.id));
        };
        match choice_of(item, &rules.panel_addons, &rules.catalogue)? {
            Choice::Product(product) => Ok((product, holds)),
            Choice::Nopanel => Err(wants_nothing(item.id)),
        }
    }

    /// The license that the service still shows after an earlier run bound `holds` in its place.
    fn moved_from(&self, item: &Item) -> Result<LicenseRow, ModuleError> {
        let rows = self.store.licenses_of_item(item.id).map_err(errors::state)?;
        let is_left =
            |row: &LicenseRow| row.account != self.account && row.state == LicenseState::ToFree && is_moved(row);
        let old = rows.into_iter().find(is_left).filter(|old| item.params.licid == Some(old.id));
        old.ok_or_else(|| not_elsewhere(item.id))
    }

    /// Finishes a move whose earlier run bound the license and ended before the service showed it.
    async fn end_move(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        product: &Product,
        holds: &LicenseRow,
    ) -> Result<Text, ModuleError> {
        let (id, new) = (item.id, holds.id);
        let old = self.moved_from(item)?;
        let Some((row, seen)) = self.present_license(item, incarnation).await? else {
            return Err(errors::license_gone(Some(id), new));
        };
        self.show_moved(item, product, &row, seen, &old).await?;
        Ok(text!("service {id} shows license {new} now", "услуга {id} теперь показывает лицензию {new}"))
    }

    /// Lets the service show its new license. Then the old one need not rest any longer.
    async fn show_moved(
        &mut self,
        item: &Item,
        product: &Product,
        row: &LicenseRow,
        seen: License,
        old: &LicenseRow,
    ) -> Result<(), ModuleError> {
        self.hand_out(item, row, product, seen).await?;
        self.settle_end(item).await?;
        let old = self.store.license(old.account, old.id).map_err(errors::state)?;
        match old.filter(|old| old.state == LicenseState::ToFree && is_moved(old)) {
            Some(old) => self.commit("moved", move |tx| tx.put_off(&old, None, Some(&Reason::Moved))).await,
            None => Ok(()),
        }
    }

    /// A license for an incarnation that holds one in another account: claimed by an earlier run, from the pool, or
    /// bought.
    async fn obtain_beside(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        product: &Product,
        old: LicenseId,
    ) -> Result<(LicenseRow, License), ModuleError> {
        if let Some(taken) = self.taken_beside(item, incarnation).await? {
            return Ok(taken);
        }
        self.obtain_new(item, incarnation, product, Some(old)).await
    }

    /// The license that was claimed to take the place of one in another account, after its taking was finished.
    /// `None`: there is none, or it could not be taken and was given back.
    pub(in crate::engine) async fn taken_beside(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
    ) -> Result<Option<(LicenseRow, License)>, ModuleError> {
        match self.claimed_beside(incarnation)? {
            Some(row) => self.take_claimed(item, incarnation, &row).await,
            None => Ok(None),
        }
    }

    /// The license that was claimed to take the place of one in another account.
    pub(in crate::engine) fn claimed_beside(
        &self,
        incarnation: &Incarnation,
    ) -> Result<Option<LicenseRow>, ModuleError> {
        let row = self.store.license_of(&incarnation.beside()).map_err(errors::state)?;
        Ok(row.filter(|row| row.account == self.account))
    }

    async fn take_claimed(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        row: &LicenseRow,
    ) -> Result<Option<(LicenseRow, License)>, ModuleError> {
        self.lock_license(row.id).await?;
        self.settle_license(row).await?;
        self.continue_taking(item, incarnation, row).await
    }

    /// Continues a move that a run did not finish, while the service is open, belongs to this module, wants a license
    /// and has none of this account. Otherwise gives up the license that was claimed for it.
    pub(in crate::engine) async fn carry_on_move(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
    ) -> Result<(), ModuleError> {
        let Some(row) = self.claimed_beside(incarnation)? else { return Ok(()) };
        let is_elsewhere = item.is_ours() && item.module != Some(self.module);
        // An operator may have bound another license of this account since.
        let holds = self.store.license_of(incarnation).map_err(errors::state)?;
        let is_served = holds.is_some_and(|holds| holds.account == row.account);
        if is_elsewhere || self.wants_no_license(item) || is_served || item.status == ItemStatus::Deleted {
            return self.free(item, &row).await;
        }
        self.take_claimed(item, incarnation, &row).await.map(drop)
    }

    /// The incarnation under which a license is claimed. While a license of another account serves it, the claim uses a
    /// second name of the incarnation (`Incarnation::beside`).
    pub(in crate::engine) fn claiming_incarnation(
        &self,
        incarnation: &Incarnation,
    ) -> Result<Incarnation, ModuleError> {
        let holds = self.store.license_of(incarnation).map_err(errors::state)?;
        Ok(if holds.is_some_and(|row| row.account != self.account) {
            incarnation.beside()
        } else {
            incarnation.clone()
        })
    }

    /// The license of another account that an incarnation gives up for a license that was claimed for it.
    pub(in crate::engine) fn left_for_claimed(
        &self,
        incarnation: &Incarnation,
        row: &LicenseRow,
    ) -> Result<Option<LeftBehind>, ModuleError> {
        let holds = self.store.license_of(incarnation).map_err(errors::state)?;
        Ok(holds.filter(|holds| holds.account != row.account).map(|row| self.left(incarnation, row)))
    }

    /// The license of another account that an incarnation gives up for a license that was ordered in its place. The
    /// idempotency key of the order names it.
    pub(in crate::engine) fn left_for_order(
        &self,
        incarnation: &Incarnation,
        intent: &Intent,
    ) -> Result<Option<LeftBehind>, ModuleError> {
        let holds = self.store.license_of(incarnation).map_err(errors::state)?;
        let Some(row) = holds.filter(|row| row.account != self.account && intent.request.as_order().is_some()) else {
            return Ok(None);
        };
        let key = IdempotencyKey::Order { incarnation: incarnation.clone(), replaces: Some(row.id) };
        Ok((intent.key == key.to_string()).then(|| self.left(incarnation, row)))
    }

    fn left(&self, incarnation: &Incarnation, row: LicenseRow) -> LeftBehind {
        LeftBehind { item: incarnation.item, row, until: self.now() + Duration::hours(REST_HOURS) }
    }
}

/// Whether a license was given up because its service moved to another account.
fn is_moved(row: &LicenseRow) -> bool {
    row.lasting_reason() == Some(&Reason::Moved)
}
