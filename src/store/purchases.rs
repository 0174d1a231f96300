//! Queries for reports: what purchases cost, and what came from the pool instead.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rusqlite::params;

use super::{Store, StoreError, cell};
use crate::model::ids::{AccountId, ItemId, LicenseId, UpstreamPricelistId};
use crate::model::journal::{Note, OnceRequest};
use crate::model::license::Money;
use crate::model::license_row::LicenseState;
use crate::model::period::{MonthCount, Period};

/// A purchase that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// When (UTC).
    pub at: DateTime<Utc>,
    /// The account.
    pub account: AccountId,
    /// The license.
    pub license: LicenseId,
    /// Its tariff.
    pub pricelist: UpstreamPricelistId,
    /// One word: order, add, renewal, tariff, nodes.
    pub kind: String,
    /// The period that was bought, if the purchase was for a period.
    pub period: Option<Period>,
    /// What it cost. `None`: not known.
    pub amount: Option<Money>,
    /// Whether the amount is our list price and not a price that the seller showed.
    pub is_estimate: bool,
}

/// A license that was given out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reuse {
    /// The service that got it.
    pub item: Option<ItemId>,
    /// Its tariff.
    pub pricelist: UpstreamPricelistId,
}

pub(super) const PURCHASES: &str =
    "SELECT c.at, c.account, c.license, c.pricelist, i.kind, i.request, c.minor, c.currency, c.source
    FROM cost c JOIN intent i ON i.id = c.intent";

pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Purchase> {
    let period = match cell::json(row, 5)? {
        OnceRequest::Order(order) => Some(order.period),
        OnceRequest::Prolong { period, .. } => Some(Period::Months(period)),
        OnceRequest::ChangePricelist { .. }
        | OnceRequest::SetNodes { .. }
        | OnceRequest::NewKey { .. }
        | OnceRequest::Delete { .. }
        | OnceRequest::RemoveLicense(_) => None,
        OnceRequest::AddLicense(add) => u16::try_from(add.months).ok().map(|months| Period::Months(MonthCount(months))),
    };
    let (minor, currency): (Option<i64>, Option<String>) = (row.get(6)?, row.get(7)?);
    let is_estimate = cell::required(row, 8, "it is not a source", |word| match word {
        "seller" | "unknown" => Some(false),
        "list" => Some(true),
        _ => None,
    })?;
    Ok(Purchase {
        at: cell::moment(row, 0)?,
        account: AccountId(row.get(1)?),
        license: LicenseId(row.get(2)?),
        pricelist: UpstreamPricelistId(row.get(3)?),
        kind: row.get(4)?,
        period,
        amount: minor.zip(currency).map(|(minor, currency)| Money { minor, currency }),
        is_estimate,
    })
}

impl Store {
    /// Purchases of all accounts between two moments, oldest first.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn purchases(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<Purchase>, StoreError> {
        let sql = format!("{PURCHASES} WHERE c.at >= ?1 AND c.at < ?2 ORDER BY c.at, c.intent");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(params![from.timestamp(), until.timestamp()], cell::of("cost", read))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// For each license, the last purchase of a period whose cost is known.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn last_purchases(&self) -> Result<BTreeMap<(AccountId, LicenseId), Purchase>, StoreError> {
        let sql = format!(
            "{PURCHASES} WHERE c.intent IN (SELECT max(p.intent) FROM cost p JOIN intent i ON i.id = p.intent
                WHERE p.minor IS NOT NULL AND i.kind IN ('order', 'renewal') GROUP BY p.account, p.license)"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map([], cell::of("cost", read))?;
        rows.map(|row| row.map(|row| ((row.account, row.license), row)).map_err(StoreError::from)).collect()
    }

    /// Licenses taken from the pool between two moments and not given back, oldest first.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn reuses(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<Reuse>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT j.item, l.pricelist FROM journal j JOIN license l ON l.account = j.account AND l.id = j.license
             WHERE j.event = ?3 AND j.at >= ?1 AND j.at < ?2 AND coalesce((SELECT n.event FROM journal n
                WHERE n.account = j.account AND n.license = j.license AND n.id > j.id
                AND n.event IN (?3, ?4) ORDER BY n.id LIMIT 1), '') != ?4 ORDER BY j.id",
        )?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Reuse { item: row.get::<_, Option<u32>>(0)?.map(ItemId), pricelist: UpstreamPricelistId(row.get(1)?) })
        };
        let (claimed, given_back) = (Note::State(LicenseState::Claimed).word(), Note::GivenBack.word());
        let params = params![from.timestamp(), until.timestamp(), claimed, given_back];
        let rows = statement.query_map(params, cell::of("journal", read))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
