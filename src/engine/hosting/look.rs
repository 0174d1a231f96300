//! Reads hosting orders: the line of products of an order, its present state, its customer, and the actions on it.

use crate::error::ModuleError;
use crate::model::hosting::{HostingOrder, OrderAction, ProductLine, order_number};
use crate::model::ids::LicenseId;
use crate::model::item::Item;
use crate::model::journal::Incarnation;
use crate::model::license::{Family, License};
use crate::model::license_row::LicenseRow;
use crate::plan::hosting::shows_later_key;
use crate::plan::identity::Shown;
use crate::ports::{CallError, RefusalKind, Upstream as _};
use crate::text;

use super::wording;
use crate::engine::{Engine, errors};

/// Asks the seller about hosting orders. A seller without hosting orders is never asked.
macro_rules! ask {
    ($engine:expr, $orders:ident => $question:expr) => {
        match $engine.ports.upstream.hosting() {
            Some($orders) => $question,
            None => Err(CallError::Unreachable("this seller has no hosting orders".to_owned())),
        }
    };
}

impl Engine<'_> {
    /// The number of the order that a service names in its parameter.
    ///
    /// # Errors
    /// `missed`, `bad_value`.
    pub(super) async fn order_asked(&mut self, item: &Item) -> Result<LicenseId, ModuleError> {
        self.step("read parameters").await?;
        let params = self.ports.billdb.item_params(item.id).map_err(|error| errors::database(&error))?;
        let name = &self.rules.hosting.order_param;
        let typed = params.get(name).map(|text| text.trim()).unwrap_or_default();
        if typed.is_empty() {
            return Err(wording::no_order_named(item.id, name));
        }
        order_number(typed).ok_or_else(|| crate::plan::check::bad_order_number(name, typed))
    }

    /// An order as it is now. The failure is returned to callers that must write something down first.
    pub(super) async fn try_order(
        &mut self,
        line: ProductLine,
        order: LicenseId,
    ) -> Result<Result<HostingOrder, CallError>, ModuleError> {
        self.step("read order").await?;
        Ok(ask!(self, orders => orders.order(line, order)))
    }

    /// An order as it is now.
    pub(super) async fn order_now(&mut self, line: ProductLine, order: LicenseId) -> Result<HostingOrder, ModuleError> {
        self.try_order(line, order).await?.map_err(|error| unreadable(&error, order))
    }

    /// The order of a license, for a command whose decisions do not depend on it. If it cannot be read, this is logged.
    pub(super) async fn try_look(&mut self, row: &LicenseRow) -> Result<Option<HostingOrder>, ModuleError> {
        let looked = match self.line_of(row.id).await {
            Ok(Some(line)) => self.try_order(line, row.id).await?.map_err(|error| unreadable(&error, row.id)),
            Ok(None) => return Ok(None),
            Err(error) => Err(error),
        };
        Ok(looked.map_err(|error| self.warn(&error.message)).ok())
    }

    /// The line of products of an order. It is remembered after it was found. `None`: this account has no such order.
    pub(super) async fn line_of(&mut self, order: LicenseId) -> Result<Option<ProductLine>, ModuleError> {
        let name = format!("line:{}:{order}", self.account);
        let known = self.store.meta(&name).map_err(errors::state)?;
        if let Some(line) = known.as_deref().and_then(ProductLine::parse) {
            return Ok(Some(line));
        }
        for line in self.rules.hosting.products.clone() {
            self.step("search order").await?;
            let found = ask!(self, orders => orders.has_order(line, order));
            if found.map_err(|error| unreadable(&error, order))? {
                self.commit("remember line", move |tx| tx.set_meta(&name, line.key)).await?;
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// Checks that our state holds the license that a service shows. If its order has a license, that one is in use,
    /// whatever our state says: the state may be old, or the panel may have copied the service under this number. A
    /// later license of an order has the number of the earlier one, so the key counts too.
    ///
    /// # Errors
    /// `state`, with the commands for an operator; the order cannot be read.
    pub(super) async fn check_shown(&mut self, item: &Item, incarnation: &Incarnation) -> Result<(), ModuleError> {
        let (order, is_former) = match self.shown_by(item, incarnation)? {
            Shown::Nothing | Shown::Own => return Ok(()),
            Shown::Elsewhere(order, _) | Shown::Unknown(order) => (order, false),
            Shown::Former => match self.shown_later(item)? {
                Some(order) => (order, true),
                None => return Ok(()),
            },
        };
        let Some(line) = self.line_of(order).await? else { return Ok(()) };
        let seen = match self.try_order(line, order).await? {
            Ok(seen) => seen,
            Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::NotFound => return Ok(()),
            Err(error) => return Err(unreadable(&error, order)),
        };
        let is_in_use = seen.key.is_some() && (!is_former || seen.key == item.params.lickey);
        if is_in_use { Err(wording::shows_unknown(item.id, order)) } else { Ok(()) }
    }

    /// The hosting order of a license that a service gave back, if the service shows the key of a later one.
    pub(in crate::engine) fn shown_later(&self, item: &Item) -> Result<Option<LicenseId>, ModuleError> {
        let Some(order) = item.params.licid else { return Ok(None) };
        let row = self.store.license(self.account, order).map_err(errors::state)?;
        let is_later = |row: &LicenseRow| row.family == Family::Orderbox && shows_later_key(item, row);
        Ok(row.filter(is_later).map(|row| row.id))
    }

    /// Makes sure that the order belongs to the client, because anybody can type a number, and the key of its license
    /// is a secret.
    ///
    /// # Errors
    /// `bad_value`: it belongs to another customer; `missed`: the panel has no e-mail address of the client.
    pub(super) async fn check_customer(&mut self, item: &Item, seen: &HostingOrder) -> Result<(), ModuleError> {
        if self.rules.hosting.any_customer {
            return Ok(());
        }
        self.step("read e-mail addresses").await?;
        let ours = self.ports.billdb.client_emails(item.client).map_err(|error| errors::database(&error))?;
        let plain = |text: &str| text.trim().to_lowercase();
        let ours: Vec<String> = ours.iter().map(|text| plain(text)).filter(|text| !text.is_empty()).collect();
        if ours.is_empty() {
            return Err(wording::no_email(item));
        }
        self.step("ask for customer").await?;
        let theirs = ask!(self, orders => orders.customer_email(&seen.customer));
        let theirs = theirs.map_err(|error| unreadable(&error, seen.id))?;
        if ours.contains(&plain(&theirs)) { Ok(()) } else { Err(wording::other_customer(item, seen.id)) }
    }

    /// Actions on an order that are under way.
    pub(super) async fn pending_actions(
        &mut self,
        order: LicenseId,
    ) -> Result<Result<Vec<OrderAction>, CallError>, ModuleError> {
        self.step("read actions").await?;
        Ok(ask!(self, orders => orders.pending_actions(order)))
    }

    /// Actions on an order that ended.
    pub(super) async fn finished_actions(
        &mut self,
        order: LicenseId,
    ) -> Result<Result<Vec<OrderAction>, CallError>, ModuleError> {
        self.step("read ended actions").await?;
        Ok(ask!(self, orders => orders.finished_actions(order)))
    }

    /// Saves what a look showed, and saves number and key to the service. The client's name for the license stays.
    pub(super) async fn save_addon(
        &mut self,
        item: &Item,
        row: &LicenseRow,
        seen: &HostingOrder,
    ) -> Result<(), ModuleError> {
        let license = seen.as_license();
        self.refresh(row, &license).await?;
        self.save_license(item, &License { name: None, ..license }).await
    }
}

/// The error of a read that failed.
pub(super) fn unreadable(error: &CallError, order: LicenseId) -> ModuleError {
    match error {
        CallError::Refused(refusal) if refusal.kind == RefusalKind::NotFound => wording::no_such_order(order),
        CallError::Refused(_) | CallError::Unreachable(_) | CallError::BadAnswer(_) | CallError::Form(_) => {
            errors::call(error, &text!("reading hosting order {order}", "чтение заказа хостинга {order}"), order)
        }
    }
}
