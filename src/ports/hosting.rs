//! The questions to a seller whose licenses are addons of hosting orders. Changes go through
//! [`Upstream::send_once`](super::Upstream::send_once), as everywhere.

use super::CallError;
use crate::model::hosting::{HostingOrder, OrderAction, ProductLine};
use crate::model::ids::LicenseId;

/// Reads of hosting orders. None of them changes anything.
pub trait HostingOrders {
    /// Whether an order of the account lies in a line of products.
    ///
    /// # Errors
    /// See [`CallError`]. Finding nothing is not an error.
    fn has_order(&mut self, line: ProductLine, order: LicenseId) -> Result<bool, CallError>;

    /// An order with everything that the seller shows about it.
    ///
    /// # Errors
    /// `BadAnswer` when the answer names no order, or another one: that proves nothing, least of all that a license is
    /// gone.
    fn order(&mut self, line: ProductLine, order: LicenseId) -> Result<HostingOrder, CallError>;

    /// Actions on an order that the seller has not finished.
    ///
    /// # Errors
    /// See [`CallError`]. Finding nothing is not an error.
    fn pending_actions(&mut self, order: LicenseId) -> Result<Vec<OrderAction>, CallError>;

    /// The newest actions on an order that the seller has finished.
    ///
    /// # Errors
    /// As [`HostingOrders::pending_actions`].
    fn finished_actions(&mut self, order: LicenseId) -> Result<Vec<OrderAction>, CallError>;

    /// The e-mail address by which a customer logs in at the seller.
    ///
    /// # Errors
    /// `BadAnswer` when the answer holds none.
    fn customer_email(&mut self, customer: &str) -> Result<String, CallError>;

    /// Orders of a line of products, page `number` (from 1); empty after the last.
    ///
    /// # Errors
    /// See [`CallError`].
    fn orders(&mut self, line: ProductLine, number: u32) -> Result<Vec<LicenseId>, CallError>;
}
