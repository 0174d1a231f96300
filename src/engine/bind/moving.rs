//! move: a service whose module buys from another account now gets a license of that account. The service keeps what
//! it has until the other license is its own: obtained first, released after. At every step one of the two is bound
//! to it.

use chrono::Duration;

use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::catalogue::Product;
use crate::model::ids::{ItemId, LicenseId};
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::{IdempotencyKey, Incarnation, Intent};
use crate::model::license::License;
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::plan::order::{Wanted, wanted};
use crate::ports::LockName;
use crate::store::{StoreError, Tx};
use crate::text;

use crate::engine::order::doubt::order_of;
use crate::engine::reconcile::wording::{not_elsewhere, wants_nothing};
use crate::engine::{Engine, errors};

/// How long the license that was left rests before its own module frees it, where the service does not show the other
/// one yet: the next sync shows it, and until then the client works with the key that he has.
const REST_HOURS: i64 = 24;

/// A license of another account that a service leaves, at the moment at which another one becomes its own.
pub(in crate::engine) struct Left {
    row: LicenseRow,
    until: chrono::DateTime<chrono::Utc>,
}

impl Left {
    /// Written with the binding that takes its place, in one transaction.
    pub(in crate::engine) fn write(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let (row, id) = (&self.row, self.row.id);
        let item = row.item.unwrap_or(ItemId(0));
        let reason = text!(
            "service {item} moved to another account: license {id} is to be freed",
            "услуга {item} перенесена на другую учётную запись: лицензию {id} освободить"
        );
        tx.release_license(row, LicenseState::ToFree, Some(self.until), Some(&Reason::Moved))?;
        tx.note(row.item, Some((row.account, id)), "to_free", &reason)
    }
}

impl Engine<'_> {
    /// The service buys from this module's account from now on: a license is obtained here, and what the service
    /// holds elsewhere is freed by that module's own sync. It may be repeated.
    ///
    /// # Errors
    /// `missed`: it holds nothing of another account; whatever stands in the way of obtaining one. Then the service
    /// keeps what it has.
    pub async fn move_here(&mut self, item: ItemId) -> Result<Text, ModuleError> {
        self.check_restored()?;
        let result = self.move_locked(item).await;
        self.held.clear();
        result
    }

    async fn move_locked(&mut self, id: ItemId) -> Result<Text, ModuleError> {
        self.lock(LockName::Item(id)).await?;
        let item = self.item(id).await?;
        let incarnation = self.incarnation_of(&item).await?;
        self.no_open_order(id)?;
        let Some(holds) = self.store.license_of(&incarnation).map_err(errors::state)? else {
            return Err(not_elsewhere(id));
        };
        let Wanted::Product(product) = wanted(&item, &self.rules.panel_addons, &self.rules.catalogue)? else {
            return Err(wants_nothing(id));
        };
        if holds.account == self.account {
            return self.end_move(&item, &incarnation, product, &holds).await;
        }
        let old = holds.id;
        let obtained = self.obtain_beside(&item, &incarnation, product, old).await;
        let (row, seen) = obtained.map_err(|error| keeps(error, id, old))?;
        self.show_moved(&item, product, &row, seen, &holds).await?;
        let new = row.id;
        Ok(text!(
            "service {id} has license {new} now; {old} is freed by the sync of its own module",
            "у услуги {id} теперь лицензия {new}; {old} освободит sync её модуля"
        ))
    }

    /// A run before has bound the license and did not get to showing it.
    async fn end_move(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        product: &Product,
        holds: &LicenseRow,
    ) -> Result<Text, ModuleError> {
        let (id, new) = (item.id, holds.id);
        let rows = self.store.licenses_of_item(id).map_err(errors::state)?;
        let is_left = |row: &&LicenseRow| {
            row.account != self.account && row.state == LicenseState::ToFree && row.reason == Some(Reason::Moved)
        };
        let Some(old) = rows.iter().find(is_left).filter(|old| item.params.licid == Some(old.id)).cloned() else {
            return Err(not_elsewhere(id));
        };
        let Some((row, seen)) = self.present_license(item, incarnation).await? else {
            return Err(errors::license_gone(Some(id), new));
        };
        self.show_moved(item, product, &row, seen, &old).await?;
        Ok(text!("service {id} shows license {new} now", "услуга {id} теперь показывает лицензию {new}"))
    }

    /// The service shows its new license, then the one that it left need not rest any longer.
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
        match old.filter(|old| old.state == LicenseState::ToFree && old.reason == Some(Reason::Moved)) {
            Some(old) => self.commit("moved", move |tx| tx.put_off(&old, None, Some(&Reason::Moved))).await,
            None => Ok(()),
        }
    }

    /// A license for an incarnation that holds one in another account: claimed by a run before, from the pool, or
    /// bought.
    async fn obtain_beside(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
        product: &Product,
        old: LicenseId,
    ) -> Result<(LicenseRow, License), ModuleError> {
        if let Some(row) = self.claimed_beside(incarnation)?
            && let Some(taken) = self.take_claimed(item, incarnation, &row).await?
        {
            return Ok(taken);
        }
        self.obtain_new(item, incarnation, product, Some(old)).await
    }

    /// The license that was claimed to take the place of one in another account.
    fn claimed_beside(&self, incarnation: &Incarnation) -> Result<Option<LicenseRow>, ModuleError> {
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

    /// A move that a run did not get to the end of: carried on while the service is open and this module's, else what
    /// was claimed for it is given up.
    pub(in crate::engine) async fn carry_on_move(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
    ) -> Result<(), ModuleError> {
        let Some(row) = self.claimed_beside(incarnation)? else { return Ok(()) };
        let is_elsewhere = item.is_ours() && item.module != Some(self.module);
        if is_elsewhere || item.status == ItemStatus::Deleted {
            return self.free(item, &row).await;
        }
        self.take_claimed(item, incarnation, &row).await.map(drop)
    }

    /// The incarnation under which a license is claimed: of its own name while a license of another account serves
    /// it.
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

    /// The license of another account that an incarnation leaves for one that was claimed for it.
    pub(in crate::engine) fn left_for_claimed(
        &self,
        incarnation: &Incarnation,
        row: &LicenseRow,
    ) -> Result<Option<Left>, ModuleError> {
        let holds = self.store.license_of(incarnation).map_err(errors::state)?;
        Ok(holds.filter(|holds| holds.account != row.account).map(|row| self.left(row)))
    }

    /// The license of another account that an incarnation leaves for one that was ordered in its place: the order's
    /// key names it.
    pub(in crate::engine) fn left_for_order(
        &self,
        incarnation: &Incarnation,
        intent: &Intent,
    ) -> Result<Option<Left>, ModuleError> {
        let holds = self.store.license_of(incarnation).map_err(errors::state)?;
        let Some(row) = holds.filter(|row| row.account != self.account && order_of(intent).is_some()) else {
            return Ok(None);
        };
        let key = IdempotencyKey::Order { incarnation: incarnation.clone(), replaces: Some(row.id) };
        Ok((intent.key == key.to_string()).then(|| self.left(row)))
    }

    fn left(&self, row: LicenseRow) -> Left {
        Left { row, until: self.now() + Duration::hours(REST_HOURS) }
    }
}

/// What stood in the way, and that the service still has its license.
fn keeps(error: ModuleError, item: ItemId, old: LicenseId) -> ModuleError {
    let way = if error.kind == ErrorKind::IpBusy {
        text!(
            " If the seller allows one license an address, give up {old} first; the service is without one until then: pmisplicense unbind {item}, then pmisplicense reconcile --apply.",
            " Если продавец допускает одну лицензию на IP, сначала откажитесь от {old}; до новой услуга останется без лицензии: pmisplicense unbind {item}, затем pmisplicense reconcile --apply."
        )
    } else {
        text!("", "")
    };
    let words = text!(
        ["{}. Service {item} keeps license {old} of its former account.{}", error.message.en, way.en],
        ["{}. Услуга {item} сохраняет лицензию {old} прежней учётной записи.{}", error.message.ru, way.ru]
    );
    ModuleError { message: Box::new(words), ..error }
}
