//! What purchases cost, and which license a module belongs to.

use rusqlite::params;

use super::{Store, StoreError, Tx, cell};
use crate::model::ids::{AccountId, LicenseId, UpstreamPricelistId};
use crate::model::journal::Intent;
use crate::model::license::Cost;

impl Store {
    /// The modules that were bought for a license.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn modules_of(&self, account: AccountId, parent: LicenseId) -> Result<Vec<LicenseId>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT license FROM addition WHERE account = ?1 AND parent = ?2 ORDER BY license")?;
        let rows =
            statement.query_map(params![account.0, parent.0], cell::of("addition", |row| row.get(0).map(LicenseId)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Tx<'_> {
    /// Writes down what a purchase cost. A change that never costs anything gets no row.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn put_cost(
        &self,
        intent: &Intent,
        license: LicenseId,
        pricelist: UpstreamPricelistId,
        cost: &Cost,
    ) -> Result<(), StoreError> {
        let (amount, source) = match cost {
            Cost::None => return Ok(()),
            Cost::Seller(money) => (Some(money), "seller"),
            Cost::ListPrice(money) => (Some(money), "list"),
            Cost::Unknown => (None, "unknown"),
        };
        self.run(
            "INSERT INTO cost (intent, at, account, license, pricelist, minor, currency, source)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
            params![
                intent.id.0,
                self.now.timestamp(),
                intent.account.0,
                license.0,
                pricelist.0,
                amount.map(|money| money.minor),
                amount.map(|money| money.currency.as_str()),
                source
            ],
        )
    }

    /// A license has another number now: moves its modules to that number.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn move_additions(&self, account: AccountId, from: LicenseId, to: LicenseId) -> Result<(), StoreError> {
        self.run("UPDATE addition SET parent = ?3 WHERE account = ?1 AND parent = ?2", params![account.0, from.0, to.0])
    }

    /// Remembers which license a module belongs to.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn put_addition(&self, account: AccountId, module: LicenseId, parent: LicenseId) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO addition (account, license, parent) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET parent = ?3",
            params![account.0, module.0, parent.0],
        )
    }
}
