//! Orders with a license that no service has, for `import`. They are only listed. With `bind` an operator says which
//! service gets the license of which order.

use std::collections::BTreeSet;

use crate::error::{ModuleError, Text};
use crate::model::hosting::{HostingOrder, ProductLine};
use crate::model::ids::LicenseId;
use crate::model::item::ItemStatus;
use crate::model::license_row::LicenseState;
use crate::plan::import::Search;
use crate::ports::{CallError, Upstream as _};
use crate::text;

use crate::engine::{Engine, errors};

/// Most pages of orders in one line of products. No account has as many.
const MAX_PAGES: u32 = 1_000;

impl Engine<'_> {
    /// Orders of the account with a license that no service has. We have not bought these licenses, so each has to be
    /// named.
    pub(in crate::engine) async fn unclaimed_orders(
        &mut self,
        search: &Search,
    ) -> Result<Vec<HostingOrder>, ModuleError> {
        let mut found = Vec::new();
        for line in self.rules.hosting.products.clone() {
            for order in self.orders_of_line(line).await?.into_iter().filter(|order| search.names(*order)) {
                self.begin_one();
                if self.is_spoken_for(order).await? {
                    continue;
                }
                let seen = self.order_now(line, order).await?;
                if seen.key.is_none() {
                    continue;
                }
                // Another run, perhaps on another machine, may have bought the license during the look.
                self.store.catch_up().map_err(errors::state)?;
                if !self.is_spoken_for(order).await? {
                    found.push(seen);
                }
            }
        }
        Ok(found)
    }

    /// Whether our state has the order's license, a purchase for it is in doubt, or a service shows it.
    async fn is_spoken_for(&mut self, order: LicenseId) -> Result<bool, ModuleError> {
        let row = self.store.license(self.account, order).map_err(errors::state)?;
        let open = self.store.open_intents_of_license(self.account, order).map_err(errors::state)?;
        if row.is_some_and(|row| row.state != LicenseState::Deleted) || !open.is_empty() {
            return Ok(true);
        }
        self.step("look for services").await?;
        let ids = self.ports.billdb.items_with_license(order).map_err(|error| errors::database(&error))?;
        if ids.is_empty() {
            return Ok(false);
        }
        let items = self.ports.billdb.items(&ids).map_err(|error| errors::database(&error))?;
        for item in items.iter().filter(|item| item.status != ItemStatus::Deleted) {
            // Another account may have a license of the same number.
            let Some(module) = item.module.filter(|_| item.is_ours()) else { continue };
            let account = self.store.account_of_module(module).map_err(errors::state)?;
            if account.is_some_and(|account| account.id == self.account) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn orders_of_line(&mut self, line: ProductLine) -> Result<BTreeSet<LicenseId>, ModuleError> {
        let mut found = BTreeSet::new();
        for number in 1..=MAX_PAGES {
            self.step("list orders").await?;
            let page = match self.ports.upstream.hosting() {
                Some(orders) => orders.orders(line, number),
                None => Err(CallError::Unreachable("this seller has no hosting orders".to_owned())),
            };
            let what = text!("reading the list of hosting orders", "чтение списка заказов хостинга");
            let page = page.map_err(|error| errors::call(&error, &what, line.key))?;
            let before = found.len();
            found.extend(page);
            // An empty page, or one that was seen before.
            if found.len() == before {
                break;
            }
        }
        Ok(found)
    }
}

/// The next step for such an order.
pub(in crate::engine) fn to_bind(order: LicenseId) -> Text {
    text!(
        "hosting order {order} has a license that no service has; bind it with: pmisplicense bind ITEM {order}",
        "у заказа хостинга {order} есть лицензия, которой нет ни у одной услуги; привяжите её: pmisplicense bind УСЛУГА {order}"
    )
}
