//! Modules of a license (family `addition`, docs/licensing-rules.md 1): a module is ordered for the license of the
//! parent service, lives and dies with that license, and is never pooled. The seller has no list of them.

use crate::error::{ErrorKind, ModuleError};
use crate::model::catalogue::Product;
use crate::model::ids::{ItemId, LicenseId};
use crate::model::item::Item;
use crate::model::journal::{Intent, OrderRequest};
use crate::model::license::{Family, Money};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::period::Period;
use crate::model::reason::Reason;
use crate::plan::renew::{ends_soon, is_paid};
use crate::ports::{LockName, Refusal, RefusalKind, Upstream as _};
use crate::text;

use crate::engine::sync::work::{Look, Work};
use crate::engine::{Engine, errors};

/// Rows of our state read at once.
const BATCH: u32 = 500;

/// How many numbers above the newest known one are opened in search of a module. The seller numbers modules and
/// licenses in one sequence, in which its other customers leave gaps.
const PROBED: u32 = 20;

impl Engine<'_> {
    /// The license that a module of `item` belongs to; `None` for any other product.
    ///
    /// # Errors
    /// `missed`: the service has no parent, or the parent holds no license.
    pub(in crate::engine) async fn parent_license(
        &mut self,
        item: &Item,
        product: &Product,
    ) -> Result<Option<LicenseId>, ModuleError> {
        if product.family != Family::Addition {
            return Ok(None);
        }
        let Some(parent) = item.parent else { return Err(no_parent(item)) };
        let parent = self.item(parent).await?;
        let incarnation = self.known_incarnation(&parent)?;
        let row = self.bound_license(&incarnation)?;
        match row.filter(|row| row.state == LicenseState::Bound && row.family == Family::Soft) {
            // A parent that gives its license back would take the module with it.
            Some(row) if !self.has_given_panel_up(&parent)? => Ok(Some(row.id)),
            Some(_) | None => Err(no_parent_license(item, parent.id)),
        }
    }

    /// The numbers at which a lost module may be. No list shows it, so the numbers after the newest known one are
    /// opened. A module with the mark is found; absence proves nothing.
    pub(in crate::engine) fn probed(&self, intent: &Intent) -> Result<Vec<LicenseId>, ModuleError> {
        let newest = intent.highest_license.map_or(0, |license| license.0);
        let mut numbers = Vec::new();
        for id in (newest.saturating_add(1)..=newest.saturating_add(PROBED)).map(LicenseId) {
            if self.store.license(self.account, id).map_err(errors::state)?.is_none() {
                numbers.push(id);
            }
        }
        Ok(numbers)
    }

    /// The balance before a module is ordered. It is evidence where there is no list.
    pub(in crate::engine) async fn balance_beside_list(
        &mut self,
        family: Family,
    ) -> Result<Option<Money>, ModuleError> {
        if family != Family::Addition {
            return Ok(None);
        }
        self.step("ask balance").await?;
        Ok(self.ports.upstream.balance().ok())
    }

    /// True when the balance is what it was before a refused order, and this proves that the order was not billed. A
    /// balance that is not known, or that changed for any reason, proves nothing. Neither does one that was too small
    /// for the order: some sellers accept an order and wait for the money.
    pub(in crate::engine) async fn is_unmoved(
        &mut self,
        before: Option<&Money>,
        order: &OrderRequest,
        refusal: &Refusal,
    ) -> Result<bool, ModuleError> {
        let Some(before) = before.filter(|before| self.would_move(before, order, refusal.kind)) else {
            return Ok(false);
        };
        self.step("ask balance").await?;
        Ok(self.ports.upstream.balance().is_ok_and(|now| now == *before))
    }

    /// True if the order would have changed the balance, had it been carried out in spite of this refusal. Without a
    /// known price any amount counts as enough, if the refusal gives a reason that we know.
    fn would_move(&self, before: &Money, order: &OrderRequest, refusal: RefusalKind) -> bool {
        let price = self.rules.catalogue.by_pricelist(order.pricelist).and_then(|product| {
            let Period::Months(months) = order.period else { return None };
            product.prices.get(&months).filter(|price| price.currency == before.currency)
        });
        match (refusal, price) {
            (RefusalKind::NoMoney, _) => true,
            (_, Some(price)) => before.minor >= price.minor,
            (RefusalKind::Other, None) => false,
            (_, None) => before.minor > 0,
        }
    }

    /// Ends the modules of a license that is given back. Returns whether the seller still knows any of them, or may yet
    /// sell one; such a license is not given to the next client.
    pub(in crate::engine) async fn end_modules(&mut self, parent: &LicenseRow) -> Result<bool, ModuleError> {
        // A module whose purchase is in doubt may come too.
        let open = self.store.open_intents().map_err(errors::state)?;
        let is_its = |order: &OrderRequest| order.parent == Some(parent.id);
        let mut any =
            open.iter().any(|intent| intent.account == parent.account && intent.request.as_order().is_some_and(is_its));
        for id in self.store.modules_of(parent.account, parent.id).map_err(errors::state)? {
            let Some(row) = self.store.license(parent.account, id).map_err(errors::state)? else { continue };
            any |= row.state != LicenseState::Deleted;
            if is_to_end(&row) {
                self.end_module(parent, row).await?;
            }
        }
        Ok(any)
    }

    /// Ends one module. A run of its service may be starting its license at this moment, so the service is locked
    /// first, as for any command, and everything is read again.
    async fn end_module(&mut self, parent: &LicenseRow, row: LicenseRow) -> Result<(), ModuleError> {
        if let Some(item) = row.item {
            self.lock(LockName::Item(item)).await?;
        }
        self.lock_license(row.id).await?;
        let row = self.store.license(row.account, row.id).map_err(errors::state)?;
        let Some(row) = row.filter(is_to_end) else { return Ok(()) };
        let (id, license) = (row.id, parent.id);
        match self.paid_service(row.item).await? {
            Some(item) => self.warn(&text!(
                "module {id} ends with its license {license}, and service {item} is paid for",
                "модуль {id} завершается вместе с лицензией {license}, а услуга {item} оплачена"
            )),
            None => self.note(&text!(
                "module {id} ends with its license {license}",
                "модуль {id} завершается вместе с лицензией {license}"
            )),
        }
        if let Some(seen) = self.read(row.family, id).await?.filter(|seen| !seen.is_deleted()) {
            let seen = self.stop(&row, seen).await?;
            self.forbid_autoprolong(&row, &seen).await?;
            self.refresh(&row, &seen).await?;
        }
        self.release(&row, LicenseState::Stopped, None, &Reason::LicenseGivenBack).await
    }

    /// The service that loses a license although it is paid for.
    async fn paid_service(&mut self, item: Option<ItemId>) -> Result<Option<ItemId>, ModuleError> {
        let Some(id) = item else { return Ok(None) };
        let item = self.item_row(id).await?;
        Ok(item.filter(|item| is_paid(item, self.today())).map(|item| item.id))
    }

    /// Collects the modules that need a call of their own, as the lists show it of other licenses: those that end soon
    /// or are to be looked at, and those whose time to be freed has come. No list shows modules, so our rows decide.
    pub(in crate::engine) fn collect_modules(&self, work: &mut Work) -> Result<(), ModuleError> {
        let (today, days) = (self.today(), self.rules.renew_before_days);
        let mut after = LicenseId::BEFORE_ALL;
        loop {
            let rows = self.expected(Family::Addition, after, BATCH)?;
            let Some((last, ..)) = rows.last() else { return Ok(()) };
            after = *last;
            for (id, item, state) in rows {
                if state == LicenseState::ToFree {
                    work.to_free.insert(id);
                    continue;
                }
                let needs_look = match self.store.license(self.account, id) {
                    // It is reported, and nothing changed, when its service has its turn.
                    Err(error) if error.is_of_one_row() => true,
                    row => row
                        .map_err(errors::state)?
                        .is_some_and(|row| ends_soon(row.expires, today, days) || row.reason.is_some()),
                };
                if let Some(item) = item.filter(|_| needs_look) {
                    work.item(item, Look::Always);
                }
            }
        }
    }
}

/// True if a module has not ended yet.
fn is_to_end(row: &LicenseRow) -> bool {
    matches!(row.state, LicenseState::Bound | LicenseState::ToFree)
}

fn no_parent(item: &Item) -> ModuleError {
    let id = item.id;
    ModuleError::new(
        ErrorKind::Missed,
        "parent",
        id,
        text!(
            "Service {id} is a module of a license and has no parent service",
            "Услуга {id} — модуль лицензии, а родительской услуги у неё нет"
        ),
    )
    .changed(text!("Nothing was ordered", "Ничего не заказано"))
    .next(text!("sell it as a part of a license's service", "продавайте её в составе услуги с лицензией"))
}

fn no_parent_license(item: &Item, parent: ItemId) -> ModuleError {
    let id = item.id;
    ModuleError::new(
        ErrorKind::Missed,
        "parent",
        parent,
        text!(
            "Service {id} is a module of the license of service {parent}, which has none",
            "Услуга {id} — модуль лицензии услуги {parent}, а у той лицензии нет"
        ),
    )
    .changed(text!("Nothing was ordered", "Ничего не заказано"))
    .next(text!("open {parent} first, then the run is repeated", "сначала откройте {parent}, затем запуск повторится"))
}
