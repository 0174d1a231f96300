//! Licenses that are ours: bound, claimed, to be freed, pooled, stopped, deleted. This file reads them. `writes`
//! changes them: binding and claiming are one transaction each. The schema allows one license for each incarnation and
//! one row for each license.

mod writes;

use chrono::{DateTime, Utc};
use rusqlite::params;

use super::{Store, StoreError, cell};
use crate::model::ids::{AccountId, ItemId, LicenseId, LicenseKey, Mark, ModuleId, UpstreamPricelistId};
use crate::model::journal::Incarnation;
use crate::model::license::{Family, LicenseStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::name::KeptName;
use crate::model::reason::Reason;
pub use writes::Binding;

pub(super) const SELECT: &str = "SELECT account, id, family, module, state, incarnation, item, internal_name, mark, pricelist, \
     nodes, changes, name, ip, last_ip, status, lickey, key_before, created, expires, ip_changed, key_changed, since, \
     not_before, reason, name_asked, name_shown, domains, remoteip FROM license WHERE ";

pub(super) fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<LicenseRow> {
    let address = |column: usize| cell::word(row, column, "it is not an address", |text| text.parse().ok());
    Ok(LicenseRow {
        account: AccountId(row.get(0)?),
        id: LicenseId(row.get(1)?),
        family: cell::required(row, 2, "it is not a family", Family::parse)?,
        module: ModuleId(row.get(3)?),
        state: cell::required(row, 4, "it is not a state", LicenseState::parse)?,
        incarnation: row.get(5)?,
        item: row.get::<_, Option<u32>>(6)?.map(ItemId),
        internal_name: row.get(7)?,
        mark: cell::word(row, 8, "it is not a mark", Mark::parse)?,
        pricelist: UpstreamPricelistId(row.get(9)?),
        nodes: row.get(10)?,
        changes: row.get(11)?,
        name: row.get(12)?,
        kept_name: row.get::<_, Option<_>>(25)?.zip(row.get(26)?).map(|(asked, shown)| KeptName { asked, shown }),
        ip: address(13)?,
        last_ip: address(14)?,
        status: LicenseStatus::from_number(row.get(15)?),
        key: cell::word(row, 16, "it is not a key", LicenseKey::parse)?,
        key_before: row.get(17)?,
        created: cell::day(row, 18)?,
        expires: cell::expiry(row, 19)?,
        ip_changed: cell::day(row, 20)?,
        key_changed: cell::day(row, 21)?,
        since: cell::moment(row, 22)?,
        not_before: cell::moment_or_null(row, 23)?,
        reason: row.get::<_, Option<String>>(24)?.as_deref().map(Reason::parse),
        domains: row.get(27)?,
        remoteip: row.get(28)?,
    })
}

impl Store {
    pub(super) fn license_rows(
        &self,
        condition: &str,
        params: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<LicenseRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(&[SELECT, condition].concat())?;
        let rows = statement.query_map(params, cell::of("license", read_row))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Licenses of an account with a number above `after`, ascending, at most `limit`.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn licenses_after(
        &self,
        account: AccountId,
        after: LicenseId,
        limit: usize,
    ) -> Result<Vec<LicenseRow>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.license_rows("account = ?1 AND id > ?2 ORDER BY id LIMIT ?3", params![account.0, after.0, limit])
    }

    /// A license of ours.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn license(&self, account: AccountId, id: LicenseId) -> Result<Option<LicenseRow>, StoreError> {
        Ok(self.license_rows("account = ?1 AND id = ?2", params![account.0, id.0])?.pop())
    }

    /// The license that an incarnation holds, bound or claimed.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn license_of(&self, incarnation: &Incarnation) -> Result<Option<LicenseRow>, StoreError> {
        let of_incarnation = "incarnation = ?1 AND state IN ('bound', 'claimed')";
        Ok(self.license_rows(of_incarnation, params![incarnation.to_string()])?.pop())
    }

    /// All licenses that serve or served an item, in any incarnation.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn licenses_of_item(&self, item: ItemId) -> Result<Vec<LicenseRow>, StoreError> {
        self.license_rows("item = ?1 ORDER BY account, id", params![item.0])
    }

    /// Pooled licenses, and those waiting to be freed, of a tariff.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn free_licenses(
        &self,
        account: AccountId,
        pricelist: UpstreamPricelistId,
    ) -> Result<Vec<LicenseRow>, StoreError> {
        self.license_rows(
            "account = ?1 AND pricelist = ?2 AND state IN ('pool', 'to_free') ORDER BY expires, id",
            params![account.0, pricelist.0],
        )
    }

    /// Numbers and items of the bound licenses of a family, above `after`, at most `limit`, numbers ascending.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn bound_licenses(
        &self,
        account: AccountId,
        family: Family,
        after: LicenseId,
        limit: u32,
    ) -> Result<Vec<(LicenseId, Option<ItemId>)>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id, item FROM license WHERE account = ?1 AND id > ?2 AND state = 'bound' AND family = ?3
             ORDER BY id LIMIT ?4",
        )?;
        let read = |row: &rusqlite::Row<'_>| Ok((LicenseId(row.get(0)?), row.get::<_, Option<u32>>(1)?.map(ItemId)));
        let params = params![account.0, after.0, family.func(), limit];
        let rows = statement.query_map(params, cell::of("license", read))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Numbers, items and states of the licenses of a family that serve an item, are being taken for one, or may be
    /// freed at `now`. Numbers above `after`, ascending, at most `limit`.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn expected_licenses(
        &self,
        account: AccountId,
        family: Family,
        after: LicenseId,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Vec<(LicenseId, Option<ItemId>, LicenseState)>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id, item, state FROM license WHERE account = ?1 AND id > ?2 AND family = ?3
                 AND (state IN ('bound', 'claimed') OR (state = 'to_free' AND (not_before IS NULL OR not_before <= ?5)))
             ORDER BY id LIMIT ?4",
        )?;
        let params = params![account.0, after.0, family.func(), limit, now.timestamp()];
        let read = |row: &rusqlite::Row<'_>| {
            let state = cell::required(row, 2, "it is not a state", LicenseState::parse)?;
            Ok((LicenseId(row.get(0)?), row.get::<_, Option<u32>>(1)?.map(ItemId), state))
        };
        let rows = statement.query_map(params, cell::of("license", read))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many licenses of an account are bound.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn count_bound(&self, account: AccountId) -> Result<usize, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT count(*) FROM license WHERE account = ?1 AND state = 'bound'")?;
        Ok(statement.query_row([account.0], |row| row.get::<_, u32>(0)).map(|count| count as usize)?)
    }

    /// The numbers of the newest licenses that we know in an account and believe to exist, at most 20.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn newest_licenses(&self, account: AccountId, family: Family) -> Result<Vec<LicenseId>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id FROM license WHERE account = ?1 AND family = ?2 AND state != 'deleted' AND status != 4
             ORDER BY id DESC LIMIT 20",
        )?;
        let rows = statement
            .query_map(params![account.0, family.func()], cell::of("license", |row| row.get(0).map(LicenseId)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests;
