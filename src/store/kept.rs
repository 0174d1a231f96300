//! Facts about a license that are remembered because the seller shows them in another form or not at all: its name, its
//! outward address, a key that is not valid any more.

use rusqlite::params;

use super::{StoreError, Tx};
use crate::model::ids::{AccountId, LicenseId};
use crate::model::license_row::LicenseRow;
use crate::model::name::KeptName;

impl Tx<'_> {
    /// Forgets our key of a license: it is not valid any more, and the new one is not issued yet. Sync brings it later.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn forget_key(&self, row: &LicenseRow) -> Result<(), StoreError> {
        self.run("UPDATE license SET lickey = NULL WHERE account = ?1 AND id = ?2", params![row.account.0, row.id.0])
    }

    /// Remembers the outward address that was sent. An empty text: none. `None`: it is not known whether it arrived.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn set_outward(&self, account: AccountId, id: LicenseId, sent: Option<&str>) -> Result<(), StoreError> {
        self.run("UPDATE license SET remoteip = ?3 WHERE account = ?1 AND id = ?2", params![account.0, id.0, sent])
    }

    /// Remembers the form in which the seller stores a name that was sent.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn set_kept_name(&self, license: (AccountId, LicenseId), kept: &KeptName) -> Result<(), StoreError> {
        self.run(
            "UPDATE license SET name_asked = ?3, name_shown = ?4 WHERE account = ?1 AND id = ?2",
            params![license.0.0, license.1.0, kept.asked, kept.shown],
        )
    }
}
