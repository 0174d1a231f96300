//! A row of WHMCS's table ispsystem_noc, in which ISPsystem's module billmanager_noc keeps its licenses. Source: the
//! module as published (ispsystem_whmcs_modules, versions 7.0 and 7.1). Columns: licenseid, the number at the seller;
//! licensetype, 0 for a product of its own and 1 for an addon; serviceid, the service (or addon) in WHMCS, NULL for a
//! license that waits for the next client; duedate; servicepackage, the tariff at the seller; serverid, serviceaddon.
//! The module sets the remoteid to `l` or `a` and the service's number, or to `l` or `a` alone for a free license. Its
//! cron renews every row with a service, a day before the end.

use std::collections::BTreeMap;

use super::ids::{ItemId, LicenseId, UpstreamPricelistId};
use super::license::RemoteId;

/// A row by the names of its columns, in lower case. Columns with NULL are left out.
pub type Record = BTreeMap<String, String>;

/// Columns that the table must have. Without them it is another table.
pub const COLUMNS: [&str; 3] = ["licenseid", "licensetype", "serviceid"];

/// The column that an operator may add to the exported table: which service of this panel gets the license.
pub const ITEM_COLUMN: &str = "item";

/// A license of the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NocRow {
    /// licenseid
    pub license: LicenseId,
    /// licensetype 1: sold as an addon of another service.
    pub addon: bool,
    /// serviceid; `None`: free.
    pub service: Option<u32>,
    /// servicepackage
    pub tariff: Option<UpstreamPricelistId>,
    /// The service of this panel that an operator wrote beside it.
    pub item: Option<ItemId>,
}

/// A value that the column cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadCell {
    /// The column.
    pub column: &'static str,
    /// Its value; empty when it is missing.
    pub value: String,
}

impl NocRow {
    /// From a row of the table.
    ///
    /// # Errors
    /// The first cell whose value the column cannot hold.
    pub fn read(record: &Record) -> Result<Self, BadCell> {
        let license = number(record, "licenseid")?.filter(|id| *id > 0);
        let license = license.ok_or_else(|| bad(record, "licenseid"))?;
        let addon = match number(record, "licensetype")? {
            Some(0) => false,
            Some(1) => true,
            Some(_) | None => return Err(bad(record, "licensetype")),
        };
        Ok(Self {
            license: LicenseId(license),
            addon,
            service: number(record, "serviceid")?.filter(|id| *id > 0),
            tariff: number(record, "servicepackage")?.filter(|id| *id > 0).map(UpstreamPricelistId),
            item: number(record, ITEM_COLUMN)?.filter(|id| *id > 0).map(ItemId),
        })
    }

    /// The remoteid that the module sets on this license.
    pub fn remoteid(&self) -> String {
        let letter = if self.addon { 'a' } else { 'l' };
        self.service.map_or_else(|| letter.to_string(), |service| format!("{letter}{service}"))
    }

    /// Whether the seller's remoteid still agrees with the table. A missing or empty remoteid does not contradict it.
    pub fn agrees(&self, remoteid: &RemoteId) -> bool {
        match remoteid {
            RemoteId::Absent | RemoteId::Empty => true,
            RemoteId::Text(text) => *text == self.remoteid(),
        }
    }
}

/// A whole number. `None` for NULL, in the forms that databases and exports use.
fn number(record: &Record, column: &'static str) -> Result<Option<u32>, BadCell> {
    let text = record.get(column).map_or("", |text| text.trim());
    match text {
        "" | "NULL" | "null" | "\\N" => Ok(None),
        text => text.parse().map(Some).map_err(|_| bad(record, column)),
    }
}

fn bad(record: &Record, column: &'static str) -> BadCell {
    BadCell { column, value: record.get(column).cloned().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(cells: &[(&str, &str)]) -> Record {
        cells.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Each column in the forms of databases and exports. The error of a wrong row names column and value.
    #[test]
    fn each_form_of_a_row_is_read_and_wrong_cells_are_named() {
        let row = |service: &str| record(&[("licenseid", "5001"), ("licensetype", "0"), ("serviceid", service)]);
        for (service, remoteid) in [("12", "l12"), ("NULL", "l"), ("\\N", "l"), ("", "l"), ("0", "l")] {
            let read = NocRow::read(&row(service)).expect("a row");
            assert_eq!((read.license, read.remoteid().as_str()), (LicenseId(5001), remoteid), "{service}");
            assert!(read.agrees(&RemoteId::Text(remoteid.into())) && read.agrees(&RemoteId::Empty));
            assert!(!read.agrees(&RemoteId::Text("l99".into())));
        }
        let addon = record(&[
            ("licenseid", "7"),
            ("licensetype", "1"),
            ("serviceid", "3"),
            ("servicepackage", "3541"),
            ("item", "42"),
        ]);
        let read = NocRow::read(&addon).expect("a row");
        assert_eq!(
            (read.remoteid().as_str(), read.item, read.tariff.map(|id| id.0)),
            ("a3", Some(ItemId(42)), Some(3541))
        );
        for (column, value) in [("licenseid", "x"), ("licenseid", "0"), ("licensetype", "2"), ("serviceid", "-1")] {
            let mut bad = row("12");
            bad.insert(column.into(), value.into());
            assert_eq!(NocRow::read(&bad), Err(BadCell { column, value: value.into() }));
        }
    }
}
