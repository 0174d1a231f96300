//! Licenses that are ours: bound, claimed, to be freed, pooled, stopped, deleted. Binding and claiming are one
//! transaction each. The schema allows one license for each incarnation and one row for each license.

use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::params;

use super::{Store, StoreError, Tx, cell};
use crate::model::ids::{AccountId, ItemId, LicenseId, LicenseKey, Mark, ModuleId, UpstreamPricelistId};
use crate::model::journal::Incarnation;
use crate::model::license::{FREE_IP, Family, License, LicenseStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::name::KeptName;
use crate::model::reason::Reason;

pub(super) const SELECT: &str = "SELECT account, id, family, module, state, life, item, internal_name, mark, pricelist, nodes, changes, \
     name, ip, last_ip, status, lickey, key_before, created, expires, ip_changed, key_changed, since, not_before, reason, \
     name_asked, name_shown, domains, remoteip FROM license WHERE ";

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
        Ok(self.license_rows("life = ?1 AND state IN ('bound', 'claimed')", params![incarnation.to_string()])?.pop())
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
    pub fn held_licenses(
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

/// The values that a license is bound with.
#[derive(Debug)]
pub struct Binding<'b> {
    /// Its account.
    pub account: AccountId,
    /// Which functions serve it.
    pub family: Family,
    /// The module.
    pub module: ModuleId,
    /// The internal name that it was ordered for.
    pub internal_name: &'b str,
    /// Our mark on it.
    pub mark: Option<&'b Mark>,
    /// Its tariff.
    pub pricelist: UpstreamPricelistId,
    /// Its nodes.
    pub nodes: Option<u32>,
}

impl Tx<'_> {
    /// Whether the state has this license, whatever it is held for.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn knows_license(&self, account: AccountId, id: LicenseId) -> Result<bool, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT 1 FROM license WHERE account = ?1 AND id = ?2")?;
        Ok(statement.exists(params![account.0, id.0])?)
    }

    /// Writes a license: bound to an incarnation, or to be freed when there is none.
    ///
    /// # Errors
    /// The schema refuses a second license for the incarnation.
    pub fn put_license(
        &self,
        binding: &Binding<'_>,
        seen: &License,
        state: LicenseState,
        item: Option<ItemId>,
        incarnation: Option<&Incarnation>,
    ) -> Result<(), StoreError> {
        let day = |day: Option<NaiveDate>| day.map(|day| day.to_string());
        self.run(
            "INSERT INTO license (account, id, family, module, state, life, item, internal_name, mark, pricelist, nodes,
                 name, ip, last_ip, status, lickey, created, expires, ip_changed, key_changed, since, domains)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,
                 coalesce(?12, ''), ?13, ?13, coalesce(?14, 0), ?15, ?16, ?17, ?18, ?19, ?20, ?21)
             ON CONFLICT DO UPDATE SET family = ?3, module = ?4, state = ?5, life = ?6, item = coalesce(?7, item),
                 internal_name = ?8, mark = ?9, pricelist = ?10, nodes = ?11, name = coalesce(?12, name),
                 ip = coalesce(?13, ip), last_ip = coalesce(?13, last_ip), status = coalesce(?14, status),
                 lickey = coalesce(?15, lickey), created = coalesce(?16, created), expires = coalesce(?17, expires),
                 ip_changed = coalesce(?18, CASE WHEN ip <> ?13 AND ?13 <> ?22 THEN ?23 END, ip_changed),
                 key_changed = coalesce(?19, CASE WHEN lickey <> ?15 THEN ?23 END, key_changed), since = ?20,
                 not_before = NULL, reason = NULL, domains = ?21",
            params![
                binding.account.0,
                seen.id.0,
                binding.family.func(),
                binding.module.0,
                state.word(),
                incarnation.map(ToString::to_string),
                item.map(|item| item.0),
                binding.internal_name,
                binding.mark.map(ToString::to_string),
                binding.pricelist.0,
                binding.nodes,
                seen.name,
                seen.ip.map(|ip| ip.to_string()),
                seen.status.known_number(),
                seen.key.as_ref().map(LicenseKey::reveal),
                day(seen.created),
                cell::expiry_text(seen.expires),
                day(seen.ip_changed),
                day(seen.key_changed),
                self.now.timestamp(),
                seen.domains,
                FREE_IP.to_string(),
                self.today()
            ],
        )?;
        self.raise_highest_license(binding.account, seen.id)?;
        match incarnation {
            Some(incarnation) => self.run(
                "UPDATE item SET last_license = ?3 WHERE id = ?1 AND created = ?2",
                params![incarnation.item.0, incarnation.created, seen.id.0],
            ),
            None => Ok(()),
        }
    }

    /// Takes over what a look showed; what we hold the license for stays. Where the seller gives no days of changes,
    /// the day is today on which another address or key is seen than before. Clearing the address is no change.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn refresh_license(&self, account: AccountId, seen: &License) -> Result<(), StoreError> {
        let day = |day: Option<NaiveDate>| day.map(|day| day.to_string());
        self.run(
            "UPDATE license SET name = coalesce(?3, name), ip = coalesce(?4, ip),
                 status = coalesce(?5, status), lickey = coalesce(?6, lickey),
                 created = coalesce(?7, created), expires = coalesce(?8, expires),
                 ip_changed = coalesce(?9, CASE WHEN ip <> ?4 AND ?4 <> ?13 THEN ?14 END, ip_changed),
                 key_changed = coalesce(?10, CASE WHEN lickey <> ?6 THEN ?14 END, key_changed),
                 pricelist = coalesce(?11, pricelist), domains = coalesce(?12, domains)
             WHERE account = ?1 AND id = ?2",
            params![
                account.0,
                seen.id.0,
                seen.name,
                seen.ip.map(|ip| ip.to_string()),
                seen.status.known_number(),
                seen.key.as_ref().map(LicenseKey::reveal),
                day(seen.created),
                cell::expiry_text(seen.expires),
                day(seen.ip_changed),
                day(seen.key_changed),
                seen.tariff.id().map(|id| id.0),
                seen.domains,
                FREE_IP.to_string(),
                self.today()
            ],
        )
    }

    /// The calendar day (UTC) of this write.
    fn today(&self) -> String {
        self.now.date_naive().to_string()
    }

    /// Moves a license to a state in which it serves nobody.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn release_license(
        &self,
        row: &LicenseRow,
        state: LicenseState,
        not_before: Option<DateTime<Utc>>,
        reason: Option<&Reason>,
    ) -> Result<(), StoreError> {
        self.run(
            "UPDATE license SET state = ?3, life = NULL, key_before = NULL, domains = NULL, since = ?4, not_before = ?5, reason = ?6,
                 last_ip = CASE WHEN ip IS NULL OR ip = '0.0.0.0' THEN last_ip ELSE ip END
             WHERE account = ?1 AND id = ?2",
            params![
                row.account.0,
                row.id.0,
                state.word(),
                self.now.timestamp(),
                not_before.map(|moment| moment.timestamp()),
                reason.map(ToString::to_string)
            ],
        )
    }

    /// Postpones the next attempt at something that was refused.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn put_off(
        &self,
        row: &LicenseRow,
        not_before: Option<DateTime<Utc>>,
        reason: Option<&Reason>,
    ) -> Result<(), StoreError> {
        self.run(
            "UPDATE license SET not_before = ?3, reason = ?4 WHERE account = ?1 AND id = ?2",
            params![
                row.account.0,
                row.id.0,
                not_before.map(|moment| moment.timestamp()),
                reason.map(ToString::to_string)
            ],
        )
    }

    /// Remembers that a license has to be read because of what a list showed, unless it waits for something already.
    /// This stays until a look succeeds, however many runs that takes.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn owe_look(&self, account: AccountId, license: LicenseId) -> Result<(), StoreError> {
        self.run(
            "UPDATE license SET reason = ?3 WHERE account = ?1 AND id = ?2 AND reason IS NULL",
            params![account.0, license.0, Reason::LookOwed.word()],
        )
    }

    /// Claims a free license for an incarnation. `false` when another run was faster. The key that the new client must
    /// not see is not remembered yet: [`Tx::set_key_before`] does that after the license was read.
    ///
    /// # Errors
    /// The schema refuses a second license for the incarnation.
    pub fn claim(
        &self,
        row: &LicenseRow,
        incarnation: &Incarnation,
        mark: &Mark,
        internal_name: &str,
    ) -> Result<bool, StoreError> {
        let changed = self.execute(
            "UPDATE license SET state = 'claimed', life = ?3, item = ?4, mark = ?5, internal_name = ?6, since = ?7,
                     key_before = NULL, not_before = NULL, reason = NULL
                 WHERE account = ?1 AND id = ?2 AND state IN ('pool', 'to_free') AND state = ?8",
            params![
                row.account.0,
                row.id.0,
                incarnation.to_string(),
                incarnation.item.0,
                mark.to_string(),
                internal_name,
                self.now.timestamp(),
                row.state.word(),
            ],
        )?;
        Ok(changed == 1)
    }

    /// Remembers the fingerprint of the key that the next client must not see.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn set_key_before(&self, row: &LicenseRow, fingerprint: &str) -> Result<(), StoreError> {
        self.run(
            "UPDATE license SET key_before = ?3 WHERE account = ?1 AND id = ?2",
            params![row.account.0, row.id.0, fingerprint],
        )
    }

    /// Counts a finished change of tariff or nodes.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn finish_change(
        &self,
        row: &LicenseRow,
        internal_name: &str,
        pricelist: UpstreamPricelistId,
        nodes: Option<u32>,
    ) -> Result<(), StoreError> {
        self.run(
            "UPDATE license SET changes = changes + 1, internal_name = ?3, pricelist = ?4, nodes = ?5
             WHERE account = ?1 AND id = ?2",
            params![row.account.0, row.id.0, internal_name, pricelist.0, nodes],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::moment;
    use super::*;
    use crate::model::ids::PanelId;
    use crate::model::license::test_license;

    /// A free license is claimed once, whichever row the second run has read. Held licenses are counted, and reading
    /// continues where the last page ended.
    #[test]
    fn a_pooled_license_is_claimed_once() -> Result<(), StoreError> {
        let panel = PanelId::parse("simulate").expect("eight letters");
        let store = Store::in_memory(&panel)?;
        let account = store.write(moment(0), |tx| tx.set_account(ModuleId(7), "https://192.0.2.1/", "reseller"))?;
        let incarnation = |item| Incarnation { item: ItemId(item), created: "2027-01-01".into(), closes: 0 };
        let pricelist = UpstreamPricelistId(55227);
        let (family, module, internal_name) = (Family::Soft, ModuleId(7), "55227");
        let binding = Binding { account, family, module, internal_name, mark: None, pricelist, nodes: None };
        store.write(moment(1), |tx| {
            let (bound, pool) = (LicenseState::Bound, LicenseState::Pool);
            tx.put_license(&binding, &test_license(5001), bound, Some(ItemId(41)), Some(&incarnation(41)))?;
            tx.put_license(&binding, &test_license(5002), bound, Some(ItemId(42)), Some(&incarnation(42)))?;
            tx.put_license(&binding, &test_license(5003), pool, None, None)
        })?;
        assert_eq!(store.count_bound(account)?, 2);
        let after = |id, limit| -> Result<Vec<u32>, StoreError> {
            let rows = store.licenses_after(account, LicenseId(id), limit)?;
            Ok(rows.iter().map(|row| row.id.0).collect())
        };
        assert_eq!((after(0, 2)?, after(5002, 2)?, after(5003, 2)?), (vec![5001, 5002], vec![5003], vec![]));
        let row = store.license(account, LicenseId(5003))?.expect("a license");
        let mark = Mark::Order { panel, item: ItemId(43), number: 1 };
        let claim = |item| store.write(moment(2), |tx| tx.claim(&row, &incarnation(item), &mark, internal_name));
        assert!(claim(43)?);
        assert!(!claim(44)?, "another run was faster");
        let row = store.license(account, LicenseId(5003))?.expect("a license");
        assert_eq!((row.state, row.item), (LicenseState::Claimed, Some(ItemId(43))));
        store.write(moment(3), |tx| {
            tx.set_key_before(&row, "of the client before")?;
            tx.finish_change(&row, "55228", UpstreamPricelistId(55228), Some(2))
        })?;
        let row = store.license(account, LicenseId(5003))?.expect("a license");
        assert_eq!(row.key_before.as_deref(), Some("of the client before"));
        assert_eq!((row.changes, row.pricelist, row.nodes), (1, UpstreamPricelistId(55228), Some(2)));
        let keyed = License { key: LicenseKey::parse("KEY-1"), ..test_license(5003) };
        store.write(moment(4), |tx| tx.refresh_license(account, &keyed))?;
        let key = |store: &Store| -> Result<Option<LicenseKey>, StoreError> {
            Ok(store.license(account, LicenseId(5003))?.and_then(|row| row.key))
        };
        assert_eq!(key(&store)?, LicenseKey::parse("KEY-1"));
        store.write(moment(5), |tx| tx.forget_key(&row))?;
        assert_eq!(key(&store)?, None);
        Ok(())
    }
}
