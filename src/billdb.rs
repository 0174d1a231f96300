//! Reads the panel's database, with bound parameters only, and only the tables and columns of docs/interface.md 4. It
//! never writes; the session is read-only. Columns may be NULL, and numbers, dates and flags may be stored as any type,
//! so everything is read as text first. The connection is made at the first read. A lost connection is made again once.

mod batch;
pub mod cluster_log;
mod connect;
mod tls;
pub mod whmcs;

use std::collections::BTreeMap;

use mysql::consts::ColumnType;
use mysql::prelude::Queryable;
use mysql::{Conn, Params, Row, Value};

use self::connect::ConnectError;
pub use self::connect::DbParams;
use crate::model::ids::{ClientId, ItemId, LicenseId, LicenseKey, ModuleId, PricelistId, RunningOperationId};
use crate::model::item::{Addon, AddonValue, Item, ItemParams, ItemStatus, Owner};
use crate::model::period::{AlignmentRule, Period, parse_alignment};
use crate::ports::{BillDb, Column, DbError, Module, RunningOperation, ServiceEnd};

/// `item.status` of a deleted service.
const DELETED: i32 = 4;

/// The tables that are read here.
const TABLES: &[&str] = &[
    "item",
    "itemparam",
    "pricelist",
    "itemtype",
    "enumerationitem",
    "processingmodule",
    "processingparam",
    "processingcryptedparam",
    "runningoperation",
    "task",
    "ip",
    "currency",
];

/// Tables in which the panel may keep e-mail addresses of a client, each with its question.
const EMAILS: [(&str, &str); 3] = [
    ("user", "SELECT email FROM user WHERE account = ?"),
    ("account", "SELECT email FROM account WHERE id = ?"),
    ("profile", "SELECT email FROM profile WHERE account = ?"),
];

/// The panel's database.
#[derive(Debug)]
pub struct MysqlBillDb {
    params: DbParams,
    connection: Option<Conn>,
}

impl MysqlBillDb {
    /// A reader of this database. The connection is made at the first read.
    pub fn connect(params: &DbParams) -> Self {
        Self { params: params.clone(), connection: None }
    }

    /// Values of processingparam of a module, by name.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    pub fn module_params(&mut self, module: ModuleId) -> Result<BTreeMap<String, String>, DbError> {
        let sql = "SELECT intname, value FROM processingparam WHERE processingmodule = ? ORDER BY id";
        self.pairs(sql, module.0)
    }

    /// Values of processingcryptedparam of a module, by name: base64, for
    /// [`secret::decrypt`](crate::secret::decrypt).
    ///
    /// # Errors
    /// As [`BillDb::item`].
    pub fn module_secret_params(&mut self, module: ModuleId) -> Result<BTreeMap<String, String>, DbError> {
        let sql = "SELECT intname, value FROM processingcryptedparam WHERE processingmodule = ? ORDER BY id";
        self.pairs(sql, module.0)
    }

    /// Active tariffs, addons included, with an internal name: id and name.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    pub fn active_tariffs(&mut self, internal_name: &str) -> Result<Vec<(u32, String)>, DbError> {
        let sql =
            "SELECT id, name, intname FROM pricelist WHERE TRIM(active) = 'on' AND LOCATE(?, intname) > 0 ORDER BY id";
        self.named(sql, internal_name)
    }

    /// Values of enumerations with an internal name: id and name.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    pub fn enumeration_values(&mut self, internal_name: &str) -> Result<Vec<(u32, String)>, DbError> {
        let sql = "SELECT id, name, intname FROM enumerationitem WHERE LOCATE(?, intname) > 0 ORDER BY id";
        self.named(sql, internal_name)
    }

    /// Rows of id, name and internal name with exactly this internal name. The SQL also finds rows whose name only
    /// contains it.
    fn named(&mut self, sql: &str, internal_name: &str) -> Result<Vec<(u32, String)>, DbError> {
        let rows = self.rows(sql, (internal_name,))?;
        let is_meant = |row: &&Columns| row.name(2) == internal_name;
        Ok(rows.iter().filter(is_meant).filter_map(|row| Some((row.id(0)?, row.text(1)))).collect())
    }

    /// One processing module; `None` when there is no such row.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    pub fn module(&mut self, module: ModuleId) -> Result<Option<Module>, DbError> {
        let sql = "SELECT id, name, module, active FROM processingmodule WHERE id = ?";
        Ok(self.rows(sql, (module.0,))?.iter().find_map(read_module))
    }

    /// Rows of processingparam of a module with that name, number and value, ordered by number.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    pub fn module_rows(&mut self, module: ModuleId, name: &str) -> Result<Vec<(u32, String)>, DbError> {
        let sql = "SELECT id, value FROM processingparam WHERE processingmodule = ? AND intname = ? ORDER BY id";
        let rows = self.rows(sql, (module.0, name))?;
        Ok(rows.iter().filter_map(|row| Some((row.id(0)?, row.text(1)))).collect())
    }

    /// The tables that are read, each with its columns in order. A table without columns does not exist.
    ///
    /// # Errors
    /// As [`BillDb::item`].
    pub fn columns(&mut self) -> Result<Vec<(&'static str, Vec<Column>)>, DbError> {
        let sql = "SELECT column_name, column_type FROM information_schema.columns \
                   WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position";
        let mut found = Vec::new();
        for table in TABLES {
            let rows = self.rows(sql, (*table,))?;
            let columns = rows.iter().map(|row| Column { name: row.text(0), kind: row.text(1) });
            found.push((*table, columns.collect()));
        }
        Ok(found)
    }

    fn pairs(&mut self, sql: &str, id: u32) -> Result<BTreeMap<String, String>, DbError> {
        let rows = self.rows(sql, (id,))?;
        Ok(rows.iter().map(|row| (row.name(0), row.text(1))).collect())
    }

    /// Reads rows. A lost connection is made again once, because repeating a read does no harm.
    fn rows(&mut self, sql: &str, params: impl Into<Params>) -> Result<Vec<Columns>, DbError> {
        let params = params.into();
        let result = match self.try_rows(sql, params.clone()) {
            Err(error) if error.is_lost() && self.connection.take().is_some() => self.try_rows(sql, params),
            first => first,
        };
        result.map_err(|error| {
            self.connection = None;
            error.of(&format!("database {} at {}", self.params.name, self.params.address()), &self.params.user)
        })
    }

    fn try_rows(&mut self, sql: &str, params: Params) -> Result<Vec<Columns>, ConnectError> {
        let connection = match self.connection.take() {
            Some(connection) => self.connection.insert(connection),
            None => self.connection.insert(self.params.open()?),
        };
        Ok(connection.exec::<Row, _, _>(sql, params)?.into_iter().map(Columns::new).collect())
    }
}

// Columns of ADDONS.
const A_NAME: usize = 1;
const A_TYPE_NAME: usize = 2;
const A_ACTIVE: usize = 3;
const A_BILLTYPE: usize = 4;
const A_TYPE: usize = 5;
const A_COMPOUND: usize = 6;
const A_LIMIT: usize = 7;
const A_MAX: usize = 8;
const A_FLAG: usize = 9;
const A_CHOICE_NAME: usize = 10;
const A_ENUMERATION: usize = 11;
const A_ITEM: usize = 12;
const A_ITEM_NUMBER: usize = 13;
const A_ITEM_FLAG: usize = 14;
const A_ITEM_LIMIT: usize = 15;
const A_ITEM_CHOICE: usize = 16;
const A_ITEM_CHOICE_NAME: usize = 17;
const A_ITEM_ENUMERATION: usize = 18;

/// billtype: the panel counts its use, and its value is the limit.
const BILL_STAT: i64 = 3;
/// billtype: a compound of other addons.
const BILL_COMPOUND: i64 = 4;
/// billtype: settled by hand.
const BILL_MANUAL: i64 = 10;

/// Whether an addon row counts (docs/interface.md 4).
fn is_kept(row: &Columns) -> bool {
    let exists = row.id(A_ITEM).is_some();
    let billtype = row.number(A_BILLTYPE);
    (row.flag(A_ACTIVE).unwrap_or(false) || exists)
        && billtype != Some(BILL_COMPOUND)
        && billtype != Some(BILL_MANUAL)
        && (row.id(A_COMPOUND).is_none() || exists)
}

/// The value of a whole-number addon (docs/interface.md 4).
fn addon_number(row: &Columns) -> i64 {
    let limit = row.number(A_ITEM_LIMIT);
    if row.number(A_BILLTYPE) == Some(BILL_STAT) {
        limit.or(row.number(A_MAX)).or(row.number(A_LIMIT)).unwrap_or(0)
    } else {
        let included = limit.or(row.number(A_LIMIT)).unwrap_or(0);
        included.saturating_add(row.number(A_ITEM_NUMBER).unwrap_or(0))
    }
}

/// A row with every column as text.
struct Columns(Vec<Option<String>>);

impl Columns {
    fn new(row: Row) -> Self {
        let types: Vec<ColumnType> = row.columns_ref().iter().map(mysql::Column::column_type).collect();
        Self(row.unwrap().into_iter().zip(types).map(|(value, kind)| text_of(value, kind)).collect())
    }

    /// The text of a column; empty for NULL.
    fn text(&self, column: usize) -> String {
        self.0.get(column).cloned().flatten().unwrap_or_default()
    }

    /// An internal name, trimmed: people type and paste names with invisible white space around them.
    fn name(&self, column: usize) -> String {
        let is_blank = |c: char| c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}');
        self.text(column).trim_matches(is_blank).to_owned()
    }

    /// A whole number; a fraction (`2.0000`) is cut off.
    fn number(&self, column: usize) -> Option<i64> {
        let text = self.text(column);
        text.trim().split('.').next()?.parse().ok()
    }

    /// A reference to another row; `None` for NULL and 0.
    fn id(&self, column: usize) -> Option<u32> {
        self.number(column).and_then(|number| u32::try_from(number).ok()).filter(|id| *id > 0)
    }

    /// `on` and `off`; `None` for NULL and an empty text.
    fn flag(&self, column: usize) -> Option<bool> {
        match self.text(column).trim() {
            "" => None,
            text => Some(matches!(text, "on" | "1" | "yes" | "true")),
        }
    }

    fn day(&self, column: usize) -> Option<chrono::NaiveDate> {
        chrono::NaiveDate::parse_from_str(self.text(column).trim().get(..10)?, "%Y-%m-%d").ok()
    }
}

/// A value in the text form of the database.
fn text_of(value: Value, kind: ColumnType) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Double(number) => Some(number.to_string()),
        Value::Date(year, month, day, hour, minute, second, micro) => {
            let mut text = format!("{year:04}-{month:02}-{day:02}");
            if kind != ColumnType::MYSQL_TYPE_DATE {
                text.push_str(&format!(" {hour:02}:{minute:02}:{second:02}"));
            }
            if micro > 0 {
                text.push_str(&format!(".{micro:06}"));
            }
            Some(text)
        }
        Value::Time(negative, days, hours, minutes, seconds, _) => {
            let sign = if negative { "-" } else { "" };
            let hours = days.saturating_mul(24).saturating_add(u32::from(hours));
            Some(format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"))
        }
    }
}

fn read_module(row: &Columns) -> Option<Module> {
    Some(Module {
        id: ModuleId(row.id(0)?),
        name: row.text(1),
        program: row.name(2),
        active: row.flag(3).unwrap_or(false),
    })
}

fn read_params(params: &BTreeMap<String, String>) -> ItemParams {
    let text = |name: &str| params.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    ItemParams {
        ip: text("ip"),
        remoteip: text("remoteip"),
        licname: text("licname"),
        licid: text("licid").and_then(|number| number.parse().ok()).filter(|id: &LicenseId| id.0 > 0),
        lickey: text("lickey").as_deref().and_then(LicenseKey::parse),
    }
}

impl BillDb for MysqlBillDb {
    fn item(&mut self, item: ItemId) -> Result<Option<Item>, DbError> {
        Ok(self.read_items(&[item])?.pop())
    }

    fn items(&mut self, items: &[ItemId]) -> Result<Vec<Item>, DbError> {
        self.read_items(items)
    }

    fn owners(&mut self, items: &[ItemId]) -> Result<Vec<Owner>, DbError> {
        self.read_owners(items)
    }

    fn client_emails(&mut self, client: ClientId) -> Result<Vec<String>, DbError> {
        let sql = "SELECT table_name FROM information_schema.columns WHERE table_schema = DATABASE() \
                   AND column_name = 'email' AND table_name IN ('user', 'account', 'profile')";
        let tables = self.rows(sql, ())?;
        let mut found = Vec::new();
        for (table, sql) in EMAILS {
            if tables.iter().any(|row| row.text(0).eq_ignore_ascii_case(table)) {
                found.extend(self.rows(sql, (client.0,))?.iter().map(|row| row.text(0)));
            }
        }
        Ok(found)
    }

    fn item_params(&mut self, item: ItemId) -> Result<BTreeMap<String, String>, DbError> {
        self.pairs("SELECT intname, value FROM itemparam WHERE item = ?", item.0)
    }

    fn running_operation(&mut self, id: RunningOperationId) -> Result<Option<RunningOperation>, DbError> {
        let rows = self.rows("SELECT item, intname, trycount FROM runningoperation WHERE id = ?", (id.0,))?;
        Ok(rows.first().map(|row| RunningOperation {
            item: row.id(0).map(ItemId),
            command: row.name(1),
            tries: row.number(2).unwrap_or(0),
        }))
    }

    fn has_task(&mut self, id: RunningOperationId) -> Result<bool, DbError> {
        Ok(!self.rows("SELECT id FROM task WHERE runningoperation = ? LIMIT 1", (id.0,))?.is_empty())
    }

    fn modules(&mut self) -> Result<Vec<Module>, DbError> {
        let rows = self.rows("SELECT id, name, module, active FROM processingmodule ORDER BY id", ())?;
        Ok(rows.iter().filter_map(read_module).collect())
    }

    fn alignment_rules(&mut self, module: ModuleId) -> Result<Vec<AlignmentRule>, DbError> {
        let sql =
            "SELECT value FROM processingparam WHERE processingmodule = ? AND intname = 'period_align' ORDER BY id";
        let rows = self.rows(sql, (module.0,))?;
        Ok(rows.iter().filter_map(|row| parse_alignment(&row.text(0))).collect())
    }

    fn service_ends(&mut self, items: &[ItemId]) -> Result<Vec<ServiceEnd>, DbError> {
        self.read_ends(items)
    }

    fn items_of_module(&mut self, module: ModuleId, after: ItemId, limit: u32) -> Result<Vec<ItemId>, DbError> {
        let sql = "SELECT id FROM item WHERE processingmodule = ? AND id > ? AND COALESCE(status, 0) <> ? \
                   ORDER BY id LIMIT ?";
        let rows = self.rows(sql, (module.0, after.0, DELETED, limit))?;
        Ok(rows.iter().filter_map(|row| row.id(0).map(ItemId)).collect())
    }

    fn items_with_license(&mut self, license: LicenseId) -> Result<Vec<ItemId>, DbError> {
        let sql = "SELECT DISTINCT item FROM itemparam WHERE intname = 'licid' AND TRIM(value) = ? ORDER BY item";
        let rows = self.rows(sql, (license.to_string(),))?;
        Ok(rows.iter().filter_map(|row| row.id(0).map(ItemId)).collect())
    }

    fn items_showing_licenses(&mut self, after: ItemId, limit: u32) -> Result<Vec<(ItemId, LicenseId)>, DbError> {
        let sql = "SELECT item, value FROM itemparam WHERE item > ? AND intname = 'licid' ORDER BY item LIMIT ?";
        let rows = self.rows(sql, (after.0, limit))?;
        Ok(rows.iter().filter_map(|row| Some((ItemId(row.id(0)?), LicenseId(row.id(1).unwrap_or(0))))).collect())
    }
}

#[cfg(test)]
mod tests;
