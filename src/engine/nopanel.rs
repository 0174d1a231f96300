//! A service whose client wants no panel (docs/licensing-rules.md 8). A command frees its license only after the panel
//! knows. Until then the panel repeats that command, and the client may choose a product again. If the command itself
//! ordered the license, sync keeps it until the panel's operation has ended, because another one would be bought for
//! the same payment. A license that an earlier command ordered is not kept: sync frees it once the choice is written
//! down.

use chrono::Duration;

use crate::error::ModuleError;
use crate::model::catalogue::NOPANEL;
use crate::model::item::{Item, ItemStatus};
use crate::model::journal::Incarnation;
use crate::model::license::Family;
use crate::model::license_row::LicenseRow;
use crate::plan::choice::{Choice, choice_of};
use crate::plan::finding::GivenBack;
use crate::ports::LockName;
use crate::text;

use super::close::unless_handed_over;
use super::{Engine, errors};

impl Engine<'_> {
    /// Handles `nopanel` up to the post-call: nothing is ordered, and the choice is remembered. Returns the license
    /// that the service gives back. The caller makes the post-call, then hands it to [`Engine::give_back_license`]. If
    /// the run dies in between, sync frees the license.
    pub(super) async fn choose_nothing(
        &mut self,
        item: &Item,
        incarnation: &Incarnation,
    ) -> Result<Option<LicenseRow>, ModuleError> {
        self.settle_orders(item, incarnation, None).await?;
        self.check_witness(item, incarnation).await?;
        if let Some(row) = self.claimed_beside(incarnation)? {
            // An unfinished move claimed it. The service keeps the license that it has until the panel knows.
            self.free(item, &row).await?;
        }
        let held = self.store.license_of(incarnation).map_err(errors::state)?;
        self.note(&text!("nopanel: nothing is ordered", "nopanel: ничего не заказывается"));
        let Some(row) = &held else {
            self.remember_choice(item, NOPANEL).await?;
            return Ok(None);
        };
        self.check_no_heir(row).await?;
        if row.account == self.account {
            // There is no post-call while the seller may still carry out what was sent for this license.
            self.lock_license(row.id).await?;
            unless_handed_over(self.settle_pending(row).await)?;
        }
        let (account, id) = (row.account, row.id);
        self.commit("remember choice", |tx| {
            tx.set_choice(item, NOPANEL)?;
            tx.owe_look(account, id)
        })
        .await?;
        Ok(held)
    }

    /// Frees the license of a service that wants no panel, after the post-call.
    pub(super) async fn give_back_license(&mut self, item: &Item, held: Option<LicenseRow>) -> Result<(), ModuleError> {
        match held {
            Some(row) => self.give_up(item, &row).await,
            None => Ok(()),
        }
    }

    /// Whether an open service wants no panel, and a run carried that choice out, at least up to the post-call. Before
    /// a service is open, its license waits for the post-call that opens it.
    pub(super) fn has_given_panel_up(&self, item: &Item) -> Result<bool, ModuleError> {
        let is_open = !matches!(item.status, ItemStatus::Ordered | ItemStatus::Processing);
        Ok(is_open && self.wants_no_license(item) && self.has_chosen_nothing(item)?)
    }

    /// Whether a service asks for no license now, whether or not that was carried out. An unclear choice does not
    /// count, because it proves nothing about what was paid for.
    pub(super) fn wants_no_license(&self, item: &Item) -> bool {
        choice_of(item, &self.rules.panel_addons, &self.rules.catalogue) == Ok(Choice::Nopanel)
    }

    /// Whether `nopanel` is the choice that was carried out last.
    pub(super) fn has_chosen_nothing(&self, item: &Item) -> Result<bool, ModuleError> {
        let known = self.store.item(item.id, &item.created).map_err(errors::state)?;
        Ok(known.and_then(|row| row.choice).as_deref() == Some(NOPANEL))
    }

    /// Why the license `row` is still bound to a service that wants none any more. `None`: the service is closed or
    /// wants the license, or it is too early to say, because another run is at work on the service, or because its
    /// operation is not older than the settling time.
    pub(super) async fn why_still_bound(
        &mut self,
        item: &Item,
        row: &LicenseRow,
    ) -> Result<Option<GivenBack>, ModuleError> {
        if item.status == ItemStatus::Deleted || row.account != self.account || self.sells_addons() {
            return Ok(None);
        }
        if !self.wants_no_license(item) || !self.has_chosen_nothing(item)? {
            return Ok(None);
        }
        if !self.locked_elsewhere([LockName::Item(item.id)])?.is_empty() {
            return Ok(None);
        }
        if self.has_given_panel_up(item)? && !self.is_order_unfinished(item, row).await? {
            return Ok(Some(GivenBack::NotFreed));
        }
        let settling = Duration::seconds(i64::from(self.rules.upstream.settle_s));
        Ok((row.age(self.now()) > settling).then_some(GivenBack::OperationUnfinished))
    }

    /// Whether the panel's operation that ordered a license has not ended. Then the panel repeats its command, and the
    /// license is kept for it.
    pub(super) async fn is_order_unfinished(&mut self, item: &Item, row: &LicenseRow) -> Result<bool, ModuleError> {
        let orders = match row.family {
            Family::Orderbox => self.store.additions_of_item(item.id),
            Family::Soft | Family::SoftExternal | Family::Addition => self.store.orders_of_item(item.id),
        };
        let orders = orders.map_err(errors::state)?;
        let ordered = orders.iter().rfind(|intent| intent.account == row.account && intent.license == Some(row.id));
        let Some(operation) = ordered.and_then(|intent| intent.operation) else { return Ok(false) };
        self.step("read operation").await?;
        let running = self.ports.billdb.running_operation(operation).map_err(|error| errors::database(&error))?;
        Ok(running.is_some_and(|running| running.item == Some(item.id)))
    }

    /// Writes down the product of a service whose client chose one again before the license was given back.
    pub(super) async fn remember_product_again(&mut self, item: &Item) -> Result<(), ModuleError> {
        match choice_of(item, &self.rules.panel_addons, &self.rules.catalogue) {
            Ok(Choice::Product(product)) if self.has_chosen_nothing(item)? => {
                self.remember_choice(item, &product.internal_name).await
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }
}
