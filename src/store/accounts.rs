//! The accounts at the seller that this state knows, which module buys from which, and what an operator said about two
//! of them: the same account under another name, or a different account.

use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError, Tx, WaitsFor, cell, read_number};
use crate::model::address::normal_address;
use crate::model::ids::{AccountId, LicenseId, ModuleId};
use crate::model::journal::IdempotencyKey;
use crate::model::license_row::LicenseRow;

/// An account at the seller as our state knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number here.
    pub id: AccountId,
    /// Its address, in the spelling in which it was first seen.
    pub url: String,
    /// Its user.
    pub username: String,
    /// Whether `soft.edit` was seen to return remoteid; `None`: not known yet.
    pub returns_remoteid: Option<bool>,
    /// The highest license number seen in it. `None`: it showed no license yet.
    pub highest_license: Option<LicenseId>,
    /// The last purchase was refused for lack of money or because the account is blocked.
    pub refused: Option<PurchaseRefused>,
}

/// The licenses in an account that one module bound and that are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InUse {
    /// The module.
    pub module: ModuleId,
    /// How many serve a service or are being taken for one.
    pub serving: u32,
    /// How many there are with those that wait to be freed.
    pub licenses: u32,
}

/// A refusal of a purchase that says something about the whole account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PurchaseRefused {
    /// What the next purchase waits for.
    pub waits_for: WaitsFor,
    /// When the seller refused.
    pub since: DateTime<Utc>,
    /// The balance then, in minor units. `None`: it could not be read.
    pub balance: Option<i64>,
}

const SELECT: &str = "SELECT a.id, a.url, a.username, a.returns_remoteid, a.highest_license, a.refused_kind, a.refused_at, \
     a.refused_balance FROM account a ";

fn read_account(row: &rusqlite::Row<'_>) -> rusqlite::Result<Account> {
    let waits_for = row.get::<_, Option<String>>(5)?.map(|word| WaitsFor::from_word(&word).ok_or(word)).transpose();
    let waits_for = waits_for.map_err(|word| cell::unreadable(5, format!("no kind of refusal: {word}")))?;
    let since = cell::moment_or_null(row, 6)?;
    let balance: Option<i64> = row.get(7)?;
    Ok(Account {
        id: AccountId(row.get(0)?),
        url: row.get(1)?,
        username: row.get(2)?,
        returns_remoteid: cell::flag_or_null(row, 3)?,
        highest_license: cell::license_or_zero(row, 4)?,
        refused: waits_for.zip(since).map(|(waits_for, since)| PurchaseRefused { waits_for, since, balance }),
    })
}

/// The name of the single value that leads from a former address and user to the account.
fn other_name(url: &str, username: &str) -> String {
    format!("account_at:{} {username}", normal_address(url))
}

/// The name of the single value that says: the licenses that a module bound with an account stay there.
fn stays(module: ModuleId, account: AccountId) -> String {
    format!("stays:{module}:{account}")
}

fn all(conn: &Connection) -> Result<Vec<Account>, StoreError> {
    let mut statement = conn.prepare_cached(&[SELECT, "ORDER BY a.id"].concat())?;
    let rows = statement.query_map([], cell::of("account", read_account))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The account of an address and a user: the one that an operator named, else one with that address in any spelling.
fn find(conn: &Connection, url: &str, username: &str) -> Result<Option<AccountId>, StoreError> {
    if let Some(id) = read_number(conn, &other_name(url, username))? {
        return Ok(Some(AccountId(id)));
    }
    Ok(all(conn)?.into_iter().find(|account| account.is_at(url, username)).map(|account| account.id))
}

impl Account {
    /// Whether this is its address, in any spelling, and its user.
    pub fn is_at(&self, url: &str, username: &str) -> bool {
        self.username == username && (self.url == url || normal_address(&self.url) == normal_address(url))
    }
}

impl Store {
    /// The account that a module was first seen with.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn account_of_module(&self, module: ModuleId) -> Result<Option<Account>, StoreError> {
        let mut statement =
            self.conn.prepare_cached(&[SELECT, "JOIN module m ON m.account = a.id WHERE m.id = ?1"].concat())?;
        Ok(statement.query_row([module.0], cell::of("account", read_account)).optional()?)
    }

    /// An account by its number.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let mut statement = self.conn.prepare_cached(&[SELECT, "WHERE a.id = ?1"].concat())?;
        Ok(statement.query_row([id.0], cell::of("account", read_account)).optional()?)
    }

    /// All accounts that this state knows, oldest first.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        all(&self.conn)
    }

    /// The account of an address and a user, whichever module buys from it.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn account_at(&self, url: &str, username: &str) -> Result<Option<AccountId>, StoreError> {
        find(&self.conn, url, username)
    }

    /// Whether an account is the one from which some module was last seen to buy. A module that the panel no longer has
    /// counts too.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn is_bought_from(&self, account: AccountId) -> Result<bool, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT 1 FROM module WHERE account = ?1")?;
        Ok(statement.exists([account.0])?)
    }

    /// For each module, its licenses in an account that are in use. `today`: a license that waits to be freed counts
    /// only if it has not run out by that day.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn in_use(&self, account: AccountId, today: Option<NaiveDate>) -> Result<Vec<InUse>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT module, sum(state != 'to_free'), count(*) FROM license
             WHERE account = ?1 AND (state IN ('bound', 'claimed')
                 OR (state = 'to_free' AND NOT coalesce(expires LIKE '____-__-__' AND expires <= ?2, FALSE)))
             GROUP BY module ORDER BY module",
        )?;
        let rows = statement.query_map(params![account.0, today.map(|today| today.to_string())], |row| {
            Ok(InUse { module: ModuleId(row.get(0)?), serving: row.get(1)?, licenses: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many licenses of an account serve a service or are being taken for one, and how many there are in all.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn count_licenses(&self, account: AccountId) -> Result<(u32, u32), StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT count(incarnation), count(*) FROM license WHERE account = ?1 AND state != 'deleted'",
        )?;
        Ok(statement.query_row([account.0], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    /// Licenses by which an account can be recognised: first those that serve a service, then the newest.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn known_licenses(&self, account: AccountId, limit: u32) -> Result<Vec<LicenseRow>, StoreError> {
        self.license_rows(
            "account = ?1 AND state != 'deleted' AND status != 4 ORDER BY incarnation IS NULL, id DESC LIMIT ?2",
            params![account.0, limit],
        )
    }

    /// Whether an operator said that the licenses that a module bound with an account stay there.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn stays(&self, module: ModuleId, account: AccountId) -> Result<bool, StoreError> {
        Ok(self.meta(&stays(module, account))?.is_some())
    }

    /// Numbers of licenses that serve a service in both of two accounts. If there are any, the two are different
    /// accounts.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn serving_in_both(&self, one: AccountId, other: AccountId) -> Result<Vec<LicenseId>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT a.id FROM license a JOIN license b ON b.id = a.id WHERE a.account = ?1 AND b.account = ?2
             AND a.incarnation IS NOT NULL AND b.incarnation IS NOT NULL ORDER BY a.id",
        )?;
        let rows = statement.query_map(params![one.0, other.0], |row| row.get(0).map(LicenseId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Tx<'_> {
    /// Remembers the account of a module, for the first time or after an operator accepted another one.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn set_account(&self, module: ModuleId, url: &str, username: &str) -> Result<AccountId, StoreError> {
        let id = match find(self.conn, url, username)? {
            Some(id) => id,
            None => {
                let insert = "INSERT INTO account (url, username) VALUES (?1, ?2)";
                AccountId(self.insert(insert, params![normal_address(url), username])?)
            }
        };
        self.buys_from(module, id)?;
        Ok(id)
    }

    fn buys_from(&self, module: ModuleId, account: AccountId) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO module (id, account) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET account = ?2",
            params![module.0, account.0],
        )
    }

    /// Remembers that the licenses that a module bound with an account stay there: an operator said that the module
    /// buys from another account now.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn set_stays(&self, module: ModuleId, account: AccountId) -> Result<(), StoreError> {
        self.set_meta(&stays(module, account), "yes")
    }

    /// Gives an account another address or user. Everything that is known of it continues under the new name, and the
    /// former name still leads to it. If this state already has an account under the new name, the two are united:
    /// `current`, the account that the module is seen with, else the one with that address and user.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn rename_account(
        &self,
        former: &Account,
        current: Option<AccountId>,
        url: &str,
        username: &str,
    ) -> Result<AccountId, StoreError> {
        let known = match current {
            Some(id) => Some(id),
            None => find(self.conn, url, username)?,
        };
        let id = known.unwrap_or(former.id);
        if id == former.id {
            // An earlier union may have left an empty row with exactly that name; the name below skips it.
            self.run(
                "UPDATE OR IGNORE account SET url = ?2, username = ?3 WHERE id = ?1",
                params![id.0, normal_address(url), username],
            )?;
        } else {
            self.unite_accounts(former.id, id)?;
        }
        for name in [other_name(&former.url, &former.username), other_name(url, username)] {
            self.set_meta(&name, &id.to_string())?;
        }
        Ok(id)
    }

    /// Moves everything from one account to another. The empty row of the first one stays, because a run that began
    /// earlier may still write to it; such licenses are later reported as left out.
    fn unite_accounts(&self, from: AccountId, into: AccountId) -> Result<(), StoreError> {
        let both = params![from.0, into.0];
        // Of two rows for one license, the one that serves a service counts, else the one that was written last.
        self.run(
            "DELETE FROM license WHERE account = ?2 AND EXISTS (SELECT 1 FROM license f WHERE f.account = ?1
                 AND f.id = license.id AND (f.incarnation IS NOT NULL
                     OR (license.incarnation IS NULL AND f.since > license.since)))",
            both,
        )?;
        self.run("UPDATE OR IGNORE license SET account = ?2 WHERE account = ?1", both)?;
        self.run("DELETE FROM license WHERE account = ?1", params![from.0])?;
        self.rename_keys(from, into)?;
        for sql in [
            "UPDATE intent SET account = ?2 WHERE account = ?1",
            "UPDATE journal SET account = ?2 WHERE account = ?1",
            "UPDATE OR REPLACE addition SET account = ?2 WHERE account = ?1",
            "UPDATE cost SET account = ?2 WHERE account = ?1",
            "UPDATE module SET account = ?2 WHERE account = ?1",
            "UPDATE meta SET value = ?2 WHERE name LIKE 'account_at:%' AND value = CAST(?1 AS TEXT)",
            "UPDATE account SET highest_license = max(account.highest_license, f.highest_license),
                 returns_remoteid = coalesce(account.returns_remoteid, f.returns_remoteid)
             FROM account f WHERE f.id = ?1 AND account.id = ?2",
        ] {
            self.run(sql, both)?;
        }
        self.unite_ages(from, into)
    }

    /// Writes the number of the other account into the idempotency keys of an account. A key that the other account
    /// has used too stays unchanged: its intent has ended.
    fn rename_keys(&self, from: AccountId, into: AccountId) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT id, key FROM intent WHERE account = ?1")?;
        let rows = statement.query_map([from.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let keys: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
        for (id, key) in keys {
            let renamed = IdempotencyKey::in_account(&key, into);
            self.run("UPDATE OR IGNORE intent SET key = ?2 WHERE id = ?1", params![id, renamed])?;
        }
        Ok(())
    }

    /// Remembers whether `soft.edit` of an account returns remoteid.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn set_returns_remoteid(&self, account: AccountId, returns: bool) -> Result<(), StoreError> {
        self.run("UPDATE account SET returns_remoteid = ?2 WHERE id = ?1", params![account.0, returns])
    }

    /// Remembers the highest license number seen.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn raise_highest_license(&self, account: AccountId, license: LicenseId) -> Result<(), StoreError> {
        self.run(
            "UPDATE account SET highest_license = max(highest_license, ?2) WHERE id = ?1",
            params![account.0, license.0],
        )
    }

    /// Remembers that a purchase was refused now for lack of money or because the account is blocked. `balance` is in
    /// minor units, if it could be read.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn set_refused(&self, account: AccountId, waits_for: WaitsFor, balance: Option<i64>) -> Result<(), StoreError> {
        self.run(
            "UPDATE account SET refused_kind = ?2, refused_at = ?3, refused_balance = ?4 WHERE id = ?1",
            params![account.0, waits_for.word(), self.now.timestamp(), balance],
        )
    }
}

#[cfg(test)]
mod tests;
