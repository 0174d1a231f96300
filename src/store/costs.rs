//! What purchases cost, and which license a module belongs to.

use chrono::{DateTime, Utc};
use rusqlite::params;

use super::{Store, StoreError, Tx, moment};
use crate::model::ids::{AccountId, LicenseId, UpstreamPricelistId};
use crate::model::journal::{OnceRequest, Wish};
use crate::model::license::{Cost, Money};
use crate::model::period::{MonthCount, Period};

/// A purchase and its cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostRow {
    /// When it was carried out (UTC).
    pub at: DateTime<Utc>,
    /// The license.
    pub license: LicenseId,
    /// Its tariff.
    pub pricelist: UpstreamPricelistId,
    /// The amount; `None`: it happened, and nobody said what it cost.
    pub amount: Option<Money>,
    /// Whether the amount is our list price instead of the seller's word.
    pub is_estimate: bool,
}

/// A purchase that has a period: an order or a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bought {
    /// When it was carried out (UTC).
    pub at: DateTime<Utc>,
    /// The tariff.
    pub pricelist: UpstreamPricelistId,
    /// For how long.
    pub months: MonthCount,
    /// What it cost, where that is known.
    pub amount: Option<Money>,
}

impl Store {
    /// Orders and renewals of an account from a moment on, oldest first.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn bought(&self, account: AccountId, from: DateTime<Utc>) -> Result<Vec<Bought>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT cost.at, cost.pricelist, minor, currency, request FROM cost JOIN wish ON wish.id = cost.wish
             WHERE cost.account = ?1 AND cost.at >= ?2 ORDER BY cost.at, cost.wish",
        )?;
        let rows = statement.query_map(params![account.0, from.timestamp()], |row| {
            let (minor, currency): (Option<i64>, Option<String>) = (row.get(2)?, row.get(3)?);
            let months = match serde_json::from_str(&row.get::<_, String>(4)?) {
                Ok(OnceRequest::Order(order)) => order.period,
                Ok(OnceRequest::Prolong { period, .. }) => Period::Months(period),
                Ok(_) | Err(_) => return Ok(None),
            };
            let Period::Months(months) = months else { return Ok(None) };
            let amount = minor.zip(currency).map(|(minor, currency)| Money { minor, currency });
            let (at, pricelist) = (moment(row.get(0)?), UpstreamPricelistId(row.get(1)?));
            Ok(Some(Bought { at, pricelist, months, amount }))
        })?;
        Ok(rows.filter_map(Result::transpose).collect::<Result<_, _>>()?)
    }

    /// Purchases of an account from a moment on, oldest first.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn costs(&self, account: AccountId, from: DateTime<Utc>) -> Result<Vec<CostRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT at, license, pricelist, minor, currency, source FROM cost WHERE account = ?1 AND at >= ?2
             ORDER BY at, wish",
        )?;
        let rows = statement.query_map(params![account.0, from.timestamp()], |row| {
            let (minor, currency): (Option<i64>, Option<String>) = (row.get(3)?, row.get(4)?);
            let source: String = row.get(5)?;
            Ok(CostRow {
                at: moment(row.get(0)?),
                license: LicenseId(row.get(1)?),
                pricelist: UpstreamPricelistId(row.get(2)?),
                amount: minor.zip(currency).map(|(minor, currency)| Money { minor, currency }),
                is_estimate: source == "list",
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The modules that were bought for a license.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn modules_of(&self, account: AccountId, parent: LicenseId) -> Result<Vec<LicenseId>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT license FROM addition WHERE account = ?1 AND parent = ?2 ORDER BY license")?;
        let rows = statement.query_map(params![account.0, parent.0], |row| row.get(0).map(LicenseId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Tx<'_> {
    /// Writes down what a purchase cost; what costs nothing by its nature leaves no row.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn put_cost(
        &self,
        wish: &Wish,
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
            "INSERT INTO cost (wish, at, account, license, pricelist, minor, currency, source)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
            params![
                wish.id.0,
                self.now.timestamp(),
                wish.account.0,
                license.0,
                pricelist.0,
                amount.map(|money| money.minor),
                amount.map(|money| money.currency.as_str()),
                source
            ],
        )
    }

    /// Remembers which license a module belongs to.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn put_addition(&self, account: AccountId, module: LicenseId, parent: LicenseId) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO addition (account, license, parent) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET parent = ?3",
            params![account.0, module.0, parent.0],
        )
    }
}
