//! What passes of sync remember of the licenses that serve somebody: by it a renewal is foreseen or not.

use chrono::NaiveDate;
use rusqlite::{OptionalExtension, Row, params};

use super::{Store, StoreError, Tx, cell};
use crate::model::held::Foreseen;
use crate::model::ids::{AccountId, ItemId, LicenseId};
use crate::model::item::ItemStatus;
use crate::model::license::Expiry;

/// A bound license as a pass remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// The license.
    pub license: LicenseId,
    /// The service.
    pub item: ItemId,
    /// The text of the service's life.
    pub life: String,
    /// When it runs out, as far as known now.
    pub expires: Expiry,
    /// What an earlier pass knew.
    pub known: Option<Foreseen>,
}

/// The columns of [`read_foreseen`], of a table `f`.
macro_rules! foreseen_columns {
    () => {
        "f.license, f.expires, f.status, f.ends"
    };
}

/// Every row of [`read_foreseen`].
pub(super) const SELECT_FORESEEN: &str = concat!("SELECT ", foreseen_columns!(), ", f.life FROM foreseen f");

pub(super) fn read_foreseen(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Foreseen>> {
    let Some(license) = row.get::<_, Option<u32>>(first)? else { return Ok(None) };
    let expires = cell::expiry(row, first + 1)?;
    let status = row.get::<_, Option<i32>>(first + 2)?.map(ItemStatus::from_number);
    let ends = cell::day(row, first + 3)?;
    Ok(Some(Foreseen { license: LicenseId(license), expires, service: status.map(|status| (status, ends)) }))
}

impl Store {
    /// Bound licenses of an account with a number above `after`, ascending, at most `limit`, each with what an earlier
    /// pass knew of it. A row that cannot be read is left out.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn serving(&self, account: AccountId, after: LicenseId, limit: u32) -> Result<Vec<Serving>, StoreError> {
        let mut statement = self.conn.prepare_cached(concat!(
            "SELECT l.id, l.item, l.life, l.expires, ",
            foreseen_columns!(),
            " FROM license l LEFT JOIN foreseen f ON f.life = l.life
             WHERE l.account = ?1 AND l.id > ?2 AND l.state = 'bound' AND l.item IS NOT NULL AND l.life IS NOT NULL
             ORDER BY l.id LIMIT ?3"
        ))?;
        let rows = statement.query_map(params![account.0, after.0, limit], |row| {
            Ok(Serving {
                license: LicenseId(row.get(0)?),
                item: ItemId(row.get(1)?),
                life: row.get(2)?,
                expires: cell::expiry(row, 3)?,
                // By what cannot be read nothing was foreseen: it counts.
                known: read_foreseen(row, 4).unwrap_or(None),
            })
        })?;
        let readable = |row: rusqlite::Result<Serving>| match row.map_err(StoreError::from) {
            Err(error) if error.is_of_one_row() => None,
            row => Some(row),
        };
        rows.filter_map(readable).collect()
    }

    /// What an earlier pass knew of the license of a life.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn foreseen(&self, life: &str) -> Result<Option<Foreseen>, StoreError> {
        let mut statement = self.conn.prepare_cached(&[SELECT_FORESEEN, " WHERE f.life = ?1"].concat())?;
        // By what cannot be read nothing was foreseen: it counts.
        Ok(statement.query_row([life], |row| Ok(read_foreseen(row, 0).unwrap_or(None))).optional()?.flatten())
    }
}

impl Tx<'_> {
    /// Remembers what a pass knew of the license of a life.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn foresee(&self, life: &str, foreseen: &Foreseen) -> Result<(), StoreError> {
        let (status, ends) = foreseen.service.unzip();
        self.run(
            "INSERT INTO foreseen (life, license, expires, status, ends) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET license = ?2, expires = ?3, status = ?4, ends = ?5",
            params![
                life,
                foreseen.license.0,
                cell::expiry_text(foreseen.expires),
                status.map(ItemStatus::number),
                ends.flatten().map(|day: NaiveDate| day.to_string())
            ],
        )
    }

    /// Forgets what passes knew of services that hold no license any more.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn prune_foreseen(&self) -> Result<(), StoreError> {
        self.run("DELETE FROM foreseen WHERE life NOT IN (SELECT life FROM license WHERE life IS NOT NULL)", &[])
    }
}
