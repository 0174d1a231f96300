//! What passes of sync remember: the facts by which a renewal counts as foreseen, and the services for which passes
//! fail.

use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::{OptionalExtension, Row, params};

use super::{Store, StoreError, Tx, cell};
use crate::error::Text;
use crate::model::ids::{AccountId, IntentId, ItemId, LicenseId, ModuleId};
use crate::model::item::ItemStatus;
use crate::model::license::Expiry;
use crate::model::license_row::Foreseen;

/// A bound license as a pass remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// The license.
    pub license: LicenseId,
    /// The service.
    pub item: ItemId,
    /// The text of the service's incarnation.
    pub incarnation: String,
    /// When it runs out, as far as known now.
    pub expires: Expiry,
    /// What an earlier pass knew.
    pub known: Option<Foreseen>,
}

/// An intent without an ended outcome: its item and license, without its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenIntent {
    /// Its number.
    pub id: IntentId,
    /// The item that it serves.
    pub item: Option<ItemId>,
    /// The license that it changes.
    pub license: Option<LicenseId>,
}

/// A service for which passes fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The service.
    pub item: ItemId,
    /// The module whose passes they are.
    pub module: ModuleId,
    /// When the first of them failed (UTC).
    pub since: DateTime<Utc>,
    /// How many failed in a row.
    pub times: u32,
    /// Why the last one failed.
    pub why: Text,
    /// Whether the panel shows it as a problem.
    pub is_reported: bool,
}

/// The columns of [`read_foreseen`], of a table `f`.
macro_rules! foreseen_columns {
    () => {
        "f.license, f.expires, f.status, f.ends"
    };
}

/// Every row of [`read_foreseen`].
pub(super) const SELECT_FORESEEN: &str = concat!("SELECT ", foreseen_columns!(), ", f.incarnation FROM foreseen f");

/// Every row of [`read_trouble`].
pub(super) const SELECT_TROUBLE: &str = "SELECT item AS id, module, since, times, en, ru, told FROM trouble";

pub(super) fn read_foreseen(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Foreseen>> {
    let Some(license) = row.get::<_, Option<u32>>(first)? else { return Ok(None) };
    let expires = cell::expiry(row, first + 1)?;
    let status = row.get::<_, Option<i32>>(first + 2)?.map(ItemStatus::from_number);
    let ends = cell::day(row, first + 3)?;
    Ok(Some(Foreseen { license: LicenseId(license), expires, service: status.map(|status| (status, ends)) }))
}

pub(super) fn read_trouble(row: &Row<'_>) -> rusqlite::Result<Trouble> {
    Ok(Trouble {
        item: ItemId(row.get(0)?),
        module: ModuleId(row.get(1)?),
        since: cell::moment(row, 2)?,
        times: row.get(3)?,
        why: Text { en: row.get(4)?, ru: row.get(5)? },
        is_reported: cell::flag(row, 6)?,
    })
}

impl Store {
    /// Bound licenses of an account with a number above `after`, ascending, at most `limit`, each with what an
    /// earlier pass knew of it. A row that cannot be read is left out.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn serving(&self, account: AccountId, after: LicenseId, limit: u32) -> Result<Vec<Serving>, StoreError> {
        let mut statement = self.conn.prepare_cached(concat!(
            "SELECT l.id, l.item, l.incarnation, l.expires, ",
            foreseen_columns!(),
            " FROM license l LEFT JOIN foreseen f ON f.incarnation = l.incarnation
             WHERE l.account = ?1 AND l.id > ?2 AND l.state = 'bound' AND l.item IS NOT NULL
                 AND l.incarnation IS NOT NULL
             ORDER BY l.id LIMIT ?3"
        ))?;
        let rows = statement.query_map(params![account.0, after.0, limit], |row| {
            Ok(Serving {
                license: LicenseId(row.get(0)?),
                item: ItemId(row.get(1)?),
                incarnation: row.get(2)?,
                expires: cell::expiry(row, 3)?,
                // When this cannot be read, the renewal was not foreseen, and counts.
                known: read_foreseen(row, 4).unwrap_or(None),
            })
        })?;
        let readable = |row: rusqlite::Result<Serving>| match row.map_err(StoreError::from) {
            Err(error) if error.is_of_one_row() => None,
            row => Some(row),
        };
        rows.filter_map(readable).collect()
    }

    /// What an earlier pass knew of the license of an incarnation.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn foreseen(&self, incarnation: &str) -> Result<Option<Foreseen>, StoreError> {
        let mut statement = self.conn.prepare_cached(&[SELECT_FORESEEN, " WHERE f.incarnation = ?1"].concat())?;
        // When this cannot be read, the renewal was not foreseen, and counts.
        Ok(statement.query_row([incarnation], |row| Ok(read_foreseen(row, 0).unwrap_or(None))).optional()?.flatten())
    }

    /// Services for which passes fail, of a module or of all, items ascending.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn troubles(&self, module: Option<ModuleId>) -> Result<Vec<Trouble>, StoreError> {
        let sql = [SELECT_TROUBLE, " WHERE ?1 IS NULL OR module = ?1 ORDER BY item"].concat();
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map([module.map(|module| module.0)], cell::of("trouble", read_trouble))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The numbers of the services for which passes of a module fail, even if the rest of their rows cannot be read.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn troubled_items(&self, module: ModuleId) -> Result<Vec<ItemId>, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT item FROM trouble WHERE module = ?1 ORDER BY item")?;
        let rows = statement.query_map([module.0], cell::of("trouble", |row| row.get(0).map(ItemId)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether passes fail for a service.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn is_troubled(&self, item: ItemId) -> Result<bool, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT 1 FROM trouble WHERE item = ?1")?;
        Ok(statement.exists([item.0])?)
    }

    /// Services that have not ended, had a license of this account last, and hold none now: it is gone at the seller,
    /// an operator took it from them, or it was a module that ended with its license.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn items_without_license(&self, account: AccountId) -> Result<Vec<ItemId>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT DISTINCT i.id FROM item i JOIN license l ON l.id = i.last_license AND l.account = ?1
             WHERE NOT EXISTS (SELECT 1 FROM license held WHERE held.item = i.id AND held.incarnation IS NOT NULL)
             ORDER BY i.id",
        )?;
        let rows = statement.query_map([account.0], cell::of("item", |row| row.get(0).map(ItemId)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Intents without an ended outcome, oldest first. This succeeds even if their requests cannot be read.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn open_intent_ids(&self) -> Result<Vec<OpenIntent>, StoreError> {
        let mut statement = self.conn.prepare_cached(concat!(
            "SELECT id, item, target FROM intent WHERE ",
            super::journal::is_open!(),
            " ORDER BY id"
        ))?;
        let read = |row: &Row<'_>| {
            let (item, target) = (row.get::<_, Option<u32>>(1)?, row.get::<_, Option<u32>>(2)?);
            Ok(OpenIntent { id: IntentId(row.get(0)?), item: item.map(ItemId), license: target.map(LicenseId) })
        };
        let rows = statement.query_map([], cell::of("intent", read))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Tx<'_> {
    /// Remembers what a pass knew of the license of an incarnation.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn foresee(&self, incarnation: &str, foreseen: &Foreseen) -> Result<(), StoreError> {
        let (status, ends) = foreseen.service.unzip();
        self.run(
            "INSERT INTO foreseen (incarnation, license, expires, status, ends) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET license = ?2, expires = ?3, status = ?4, ends = ?5",
            params![
                incarnation,
                foreseen.license.0,
                cell::expiry_text(foreseen.expires),
                status.map(ItemStatus::number),
                ends.flatten().map(|day: NaiveDate| day.to_string())
            ],
        )
    }

    /// Counts another failed pass for a service.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn count_trouble(&self, item: ItemId, module: ModuleId, why: &Text) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO trouble (item, module, since, times, en, ru) VALUES (?1, ?2, ?3, 1, ?4, ?5)
             ON CONFLICT DO UPDATE SET module = ?2, times = times + 1, en = ?4, ru = ?5",
            params![item.0, module.0, self.now.timestamp(), why.en, why.ru],
        )
    }

    /// Remembers that the panel shows the problem.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn tell_trouble(&self, item: ItemId) -> Result<(), StoreError> {
        self.run("UPDATE trouble SET told = 1 WHERE item = ?1", params![item.0])
    }

    /// Forgets the failures of a service, because a pass succeeded for it.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn end_trouble(&self, item: ItemId) -> Result<(), StoreError> {
        self.run("DELETE FROM trouble WHERE item = ?1", params![item.0])
    }

    /// Forgets what passes knew of services that hold no license any more.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn prune_foreseen(&self) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM foreseen WHERE incarnation NOT IN
                 (SELECT incarnation FROM license WHERE incarnation IS NOT NULL)",
            &[],
        )
    }
}
