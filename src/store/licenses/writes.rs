//! The changes of a license's row: binding, claiming, releasing, and taking over what a look showed.

use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::params;

use crate::model::ids::{AccountId, ItemId, LicenseId, LicenseKey, Mark, ModuleId, UpstreamPricelistId};
use crate::model::journal::Incarnation;
use crate::model::license::{FREE_IP, FREE_NAME, Family, License};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::store::problems::USED_BY_OTHERS;
use crate::store::{StoreError, Tx, cell};

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
    /// An error of SQLite.
    pub fn knows_license(&self, account: AccountId, id: LicenseId) -> Result<bool, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT 1 FROM license WHERE account = ?1 AND id = ?2")?;
        Ok(statement.exists(params![account.0, id.0])?)
    }

    /// Writes a license: bound to an incarnation, or to be freed when there is none. The key that was remembered for a
    /// claim is forgotten, because the claim is over. Whoever gets the license next must not see the present key.
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
            "INSERT INTO license (account, id, family, module, state, incarnation, item, internal_name, mark, pricelist,
                 nodes, name, ip, last_ip, status, lickey, created, expires, ip_changed, key_changed, since, domains)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,
                 coalesce(?12, ''), ?13, ?13, coalesce(?14, 0), ?15, ?16, ?17, ?18, ?19, ?20, ?21)
             ON CONFLICT DO UPDATE SET family = ?3, module = ?4, state = ?5, incarnation = ?6,
                 item = coalesce(?7, item), internal_name = ?8, mark = ?9, pricelist = ?10, nodes = ?11,
                 name = coalesce(?12, name),
                 ip = coalesce(?13, ip), last_ip = coalesce(?13, last_ip), status = coalesce(?14, status),
                 lickey = coalesce(?15, lickey), created = coalesce(?16, created), expires = coalesce(?17, expires),
                 ip_changed = coalesce(?18, CASE WHEN ip <> ?13 AND ?13 <> ?22 THEN ?23 END, ip_changed),
                 key_changed = coalesce(?19, CASE WHEN lickey <> ?15 THEN ?23 END, key_changed), since = ?20,
                 key_before = NULL, not_before = NULL, reason = NULL, domains = ?21",
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

    /// Saves what a look showed. The state of the license, which says what we use it for, stays. If the seller shows no
    /// day for a change of address or key, the change counts as made today, when it is first seen. Clearing the address
    /// is no change.
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

    /// Moves a license to a state in which it serves nobody. It may serve the incarnation of `row`, and no other one.
    ///
    /// # Errors
    /// [`StoreError::GivenAway`]; an error of SQLite.
    pub fn release_license(
        &self,
        row: &LicenseRow,
        state: LicenseState,
        not_before: Option<DateTime<Utc>>,
        reason: Option<&Reason>,
    ) -> Result<(), StoreError> {
        let changed = self.execute(
            "UPDATE license SET state = ?3, incarnation = NULL, key_before = NULL, domains = NULL, since = ?4,
                 not_before = ?5, reason = ?6, last_ip = CASE WHEN ip IS NULL OR ip = '0.0.0.0' THEN last_ip ELSE ip END
             WHERE account = ?1 AND id = ?2 AND (incarnation IS NULL OR incarnation IS ?7)",
            params![
                row.account.0,
                row.id.0,
                state.word(),
                self.now.timestamp(),
                not_before.map(|moment| moment.timestamp()),
                reason.map(ToString::to_string),
                row.incarnation
            ],
        )?;
        if changed == 0 && self.knows_license(row.account, row.id)? {
            return Err(StoreError::GivenAway(row.id));
        }
        Ok(())
    }

    /// Leaves a license that serves nobody to whoever uses it. `false`: nobody else uses it any more.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn leave_license(&self, account: AccountId, id: LicenseId) -> Result<bool, StoreError> {
        let set = "UPDATE license SET state = 'stopped', since = ?6, not_before = NULL, reason = ?7
             WHERE account = ?4 AND id = ?5 AND ";
        let changed = self.execute(
            &[set, USED_BY_OTHERS].concat(),
            params![
                Reason::NotFree.word(),
                FREE_NAME,
                FREE_IP.to_string(),
                account.0,
                id.0,
                self.now.timestamp(),
                Reason::LeftToItsUser.word()
            ],
        )?;
        Ok(changed == 1)
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
            "UPDATE license SET state = 'claimed', incarnation = ?3, item = ?4, mark = ?5, internal_name = ?6,
                     since = ?7, key_before = NULL, not_before = NULL, reason = NULL
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
