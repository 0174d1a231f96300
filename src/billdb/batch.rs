//! Reads of many items at once: a report or a comparison of a hundred thousand asks a few questions for each few
//! hundred.

use super::{Columns, MysqlBillDb};
use crate::model::ids::{ItemId, ModuleId};
use crate::model::license::Money;
use crate::model::period::Period;
use crate::ports::{DbError, ItemPrice};

impl MysqlBillDb {
    /// What clients pay for items: item.cost for item.period, in item.currency (currency.iso). The vendor's library
    /// reads item.cost; item.currency and the table currency were seen in an export of a panel of today.
    ///
    /// # Errors
    /// The database is away, or a panel without these columns.
    pub fn prices(&mut self, items: &[ItemId]) -> Result<Vec<ItemPrice>, DbError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT i.id, i.processingmodule, i.period, i.cost, c.iso FROM item i \
             LEFT JOIN currency c ON c.id = i.currency WHERE i.id IN ({})",
            marks(items.len())
        );
        let rows = self.rows(&sql, ids(items))?;
        Ok(rows.iter().filter_map(read_price).collect())
    }
}

fn read_price(row: &Columns) -> Option<ItemPrice> {
    let period = row.number(2).and_then(|number| i32::try_from(number).ok());
    Some(ItemPrice {
        item: ItemId(row.id(0)?),
        module: row.id(1).map(ModuleId),
        period: period.map_or(Period::Unknown(0), Period::from_panel),
        price: Money::parse(&row.text(3), &row.text(4)),
    })
}

/// `?,?,…`
pub(super) fn marks(count: usize) -> String {
    vec!["?"; count].join(",")
}

pub(super) fn ids(items: &[ItemId]) -> Vec<mysql::Value> {
    items.iter().map(|item| mysql::Value::from(item.0)).collect()
}
