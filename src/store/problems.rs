//! Reads for the list of problems (the licenses that wait longer than they should) and for lists of licenses, whole or
//! a page of them. Each goes over the table once, whatever its size. Nothing here decides what a row means.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use rusqlite::{params, params_from_iter};

use super::licenses::{SELECT, read_row};
use super::queries::LicenseFilter;
use super::{Store, StoreError, cell};
use crate::model::catalogue::NOPANEL;
use crate::model::ids::AccountId;
use crate::model::license::{FREE_IP, FREE_NAME};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By account and number.
    License,
    /// By service.
    Item,
    /// By the day on which they run out; those without a known day come last.
    Expires,
    /// By the internal name that they were ordered for.
    Product,
    /// By tariff, then by the day on which they run out.
    Tariff,
    /// By name.
    Name,
    /// By address, as a text.
    Address,
    /// By their state.
    State,
    /// By status at the seller.
    Status,
}

impl Order {
    /// The SQL of the order. It always ends with account and number, so that the result is the same each time.
    fn words(self) -> &'static str {
        match self {
            Self::License => "account, id",
            Self::Item => "item, account, id",
            Self::Expires => "expires IS NULL OR expires NOT LIKE '____-__-__', expires, account, id",
            Self::Product => "internal_name, account, id",
            Self::Tariff => "pricelist, expires IS NULL OR expires NOT LIKE '____-__-__', expires, account, id",
            Self::Name => "name, account, id",
            Self::Address => "ip, account, id",
            Self::State => "state, account, id",
            Self::Status => "status, account, id",
        }
    }

    /// The SQL of the order from the last to the first.
    fn backwards(self) -> String {
        self.words().split(", ").map(|term| format!("{term} DESC")).collect::<Vec<_>>().join(", ")
    }
}

/// The number of licenses of a product in one state, and how long they last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// The internal name that they were ordered for.
    pub product: String,
    /// Their state.
    pub state: LicenseState,
    /// How many.
    pub count: u32,
    /// How many of them run out by each of the days that were asked for.
    pub due: [u32; 3],
    /// Their paid days that are left, added up.
    pub days_left: u32,
}

/// The condition for a license that serves nobody although somebody uses it. The parameters are the word for "not
/// free", and the name and the address of a free license.
pub(super) const USED_BY_OTHERS: &str =
    "(state = 'pool' OR (state = 'stopped' AND reason LIKE '%' || ?1)) AND status <> 4
     AND (name <> ?2 OR (ip IS NOT NULL AND ip <> ?3))";

impl Store {
    /// Counts licenses by product and state, in one query. `due`: the days by which they may run out.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn figures(&self, today: NaiveDate, due: [NaiveDate; 3]) -> Result<Vec<Figure>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT internal_name, state, count(*), coalesce(sum(expires <= ?1), 0), coalesce(sum(expires <= ?2), 0),
                 coalesce(sum(expires <= ?3), 0),
                 CAST(coalesce(sum(max(julianday(expires) - julianday(?4), 0)), 0) AS INTEGER)
             FROM license GROUP BY internal_name, state ORDER BY internal_name, state",
        )?;
        let [first, second, third] = due.map(|day| day.to_string());
        let rows = statement.query_map(
            params![first, second, third, today.to_string()],
            cell::of("license", |row| {
                Ok(Figure {
                    product: row.get(0)?,
                    state: cell::required(row, 1, "it is not a state", LicenseState::parse)?,
                    count: row.get(2)?,
                    due: [row.get(3)?, row.get(4)?, row.get(5)?],
                    days_left: row.get(6)?,
                })
            }),
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Licenses that may need an operator: bound without a key or unpaid, or claimed, for longer than `late`; to be
    /// freed for longer than `overdue` ([`LicenseRow::age`]).
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn waiting_licenses(
        &self,
        now: DateTime<Utc>,
        late: Duration,
        overdue: Duration,
    ) -> Result<Vec<LicenseRow>, StoreError> {
        self.license_rows(
            "(state = 'bound' AND ((lickey IS NULL AND abs(?1 - since) > ?2) OR status = 1))
             OR (state = 'claimed' AND abs(?1 - since) > ?2)
             OR (state = 'to_free' AND abs(?1 - since) > ?3 AND (not_before IS NULL OR not_before < ?1 - ?3))
             ORDER BY account, id",
            params![now.timestamp(), late.num_seconds(), overdue.num_seconds()],
        )
    }

    /// Licenses that are gone at the seller, while their service has not ended. A service that asks for no license gave
    /// its last one back and misses nothing.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn gone_licenses(&self) -> Result<Vec<LicenseRow>, StoreError> {
        self.license_rows(
            "state = 'deleted' AND item IS NOT NULL
             AND EXISTS (SELECT 1 FROM item i WHERE i.id = license.item AND i.last_license = license.id
                 AND i.choice IS NOT ?1)
             ORDER BY account, id",
            &[&NOPANEL],
        )
    }

    /// Licenses that serve nobody, and that somebody else uses: in the pool, or put aside. Those whose end has passed
    /// are left out.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn used_by_others(&self, today: NaiveDate) -> Result<Vec<LicenseRow>, StoreError> {
        self.license_rows(
            &[USED_BY_OTHERS, " AND NOT (expires LIKE '____-__-__' AND expires < ?4) ORDER BY account, id"].concat(),
            params![Reason::NotFree.word(), FREE_NAME, FREE_IP.to_string(), today.to_string()],
        )
    }

    /// Accounts from which no module buys now, although licenses in them are in use.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn unused_accounts(&self, today: NaiveDate) -> Result<Vec<AccountId>, StoreError> {
        let mut found = Vec::new();
        for account in self.accounts()? {
            if !self.is_bought_from(account.id)? && !self.in_use(account.id, Some(today))?.is_empty() {
                found.push(account.id);
            }
        }
        Ok(found)
    }

    /// Calls `each` with the licenses of ours that match, one at a time, so that a long list needs no memory. It stops
    /// early when `each` says so.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn each_license(
        &self,
        filter: LicenseFilter<'_>,
        order: Order,
        mut each: impl FnMut(LicenseRow) -> bool,
    ) -> Result<(), StoreError> {
        let sql = [SELECT, LicenseFilter::CONDITION, " ORDER BY ", order.words()].concat();
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(filter.params()), cell::of("license", read_row))?;
        for row in rows {
            if !each(row?) {
                break;
            }
        }
        Ok(())
    }

    /// The number of licenses that fit.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn count_licenses_that(&self, filter: LicenseFilter<'_>) -> Result<u32, StoreError> {
        let sql = ["SELECT count(*) FROM license WHERE ", LicenseFilter::CONDITION].concat();
        let mut statement = self.conn.prepare_cached(&sql)?;
        Ok(statement.query_row(params_from_iter(filter.params()), |row| row.get(0))?)
    }

    /// A page of the licenses that fit: at most `rows` of them, after the first `passed_over` ones.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn page_of_licenses(
        &self,
        filter: LicenseFilter<'_>,
        order: Order,
        is_descending: bool,
        passed_over: u32,
        rows: u32,
    ) -> Result<Vec<LicenseRow>, StoreError> {
        let order = if is_descending { order.backwards() } else { order.words().to_owned() };
        // Sorting whole rows of a long list, to show fifty of them, takes twice the time.
        let numbers = format!(
            "SELECT account, id FROM license WHERE {} ORDER BY {order} LIMIT {rows} OFFSET {passed_over}",
            LicenseFilter::CONDITION
        );
        let sql = format!("{SELECT}(account, id) IN ({numbers}) ORDER BY {order}");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let page = statement.query_map(params_from_iter(filter.params()), cell::of("license", read_row))?;
        Ok(page.collect::<Result<_, _>>()?)
    }

    /// Lets several reads see the same state, whatever is written in between.
    ///
    /// # Errors
    /// An error of SQLite, and those of `work`.
    pub fn at_one_moment<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let transaction = self.conn.unchecked_transaction()?;
        let result = work();
        // Nothing was written, so an error here does not matter.
        drop(transaction);
        result
    }
}
