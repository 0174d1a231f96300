//! Reads the values of a row. A value that cannot be read is an error that names it. It never counts as zero or as
//! missing, because money depends on answers such as "no end", "no mark" and "no order so far".

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Error, Row};

use super::StoreError;
use crate::model::ids::LicenseId;
use crate::model::license::Expiry;

/// Columns that name a row in an error, if the statement reads them.
const NAMES: [&str; 4] = ["id", "intent", "license", "incarnation"];

/// Columns with secret values.
const SECRETS: [&str; 2] = ["lickey", "key_before"];

/// The longest part of an unreadable value that an error shows.
const SHOWN_CHARS: usize = 40;

/// A reader of a table's rows whose errors name table, row, column and value.
pub(super) fn of<T>(
    table: &'static str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> impl Fn(&Row<'_>) -> rusqlite::Result<T> {
    move |row| read(row).map_err(|error| named(table, row, error))
}

fn named(table: &str, row: &Row<'_>, error: Error) -> Error {
    let (column, why) = if let Error::FromSqlConversionFailure(column, _, why) = &error {
        (*column, format!(": {why}"))
    } else if let Error::InvalidColumnType(column, ..) | Error::IntegralValueOutOfRange(column, _) = error {
        (column, ": it is not such a number".to_owned())
    } else {
        return error;
    };
    let name = row.as_ref().column_name(column).unwrap_or_default().to_owned();
    let value = if SECRETS.contains(&name.as_str()) { "***".to_owned() } else { shown(row, column) };
    let of_row = NAMES.iter().find_map(|name| {
        let column = row.as_ref().column_index(name).ok()?;
        Some(format!(" {}", shown(row, column)))
    });
    unreadable(column, format!("{table}{}: {name} holds {value}{why}", of_row.unwrap_or_default()))
}

fn shown(row: &Row<'_>, column: usize) -> String {
    match row.get_ref(column) {
        Ok(ValueRef::Integer(number)) => number.to_string(),
        Ok(ValueRef::Text(bytes)) => {
            let text: String = String::from_utf8_lossy(bytes).chars().take(SHOWN_CHARS).collect();
            format!("{text:?}")
        }
        Ok(ValueRef::Null) => "nothing".to_owned(),
        Ok(ValueRef::Real(_) | ValueRef::Blob(_)) | Err(_) => "a value of another kind".to_owned(),
    }
}

/// The error of a value that cannot be read. It becomes [`StoreError::Unreadable`].
pub(super) fn unreadable(column: usize, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, why.into())
}

/// A borrowed text of the row, `None` for NULL. For values that are parsed at once.
fn text<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<Option<&'r str>> {
    Ok(row.get_ref(column)?.as_str_or_null()?)
}

/// Parses a text, `None` for NULL. `what`: what it should be, for the error.
pub(super) fn word<T>(
    row: &Row<'_>,
    column: usize,
    what: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let Some(text) = text(row, column)? else { return Ok(None) };
    parse(text).map(Some).ok_or_else(|| unreadable(column, what))
}

/// As [`word`], for a column that is never NULL.
pub(super) fn required<T>(
    row: &Row<'_>,
    column: usize,
    what: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    word(row, column, what, parse)?.ok_or_else(|| unreadable(column, what))
}

/// Parses JSON.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = text(row, column)?.unwrap_or_default();
    serde_json::from_str(text).map_err(|error| unreadable(column, error.to_string()))
}

/// The number of a license, or 0 for none.
pub(super) fn license_or_zero(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<LicenseId>> {
    let number: u32 = row.get(column)?;
    Ok((number != 0).then_some(LicenseId(number)))
}

/// A day `YYYY-MM-DD`, `None` for NULL.
pub(super) fn day(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<NaiveDate>> {
    word(row, column, "it is not a day", |text| {
        let mut parts = text.splitn(3, '-');
        let mut part = || parts.next().unwrap_or_default();
        let (year, month, day) = (part().parse().ok()?, part().parse().ok()?, part().parse().ok()?);
        NaiveDate::from_ymd_opt(year, month, day)
    })
}

/// How "no end" is stored: NULL is "not known".
const NEVER: &str = "never";

/// The stored form of the day on which a license runs out.
pub(super) fn expiry_text(expires: Expiry) -> Option<String> {
    match expires {
        Expiry::On(day) => Some(day.to_string()),
        Expiry::Never => Some(NEVER.to_owned()),
        Expiry::Unknown => None,
    }
}

/// Reads when a license runs out. NULL is "not known". Older versions wrote NULL for "no end", so such a license is
/// looked at again.
pub(super) fn expiry(row: &Row<'_>, column: usize) -> rusqlite::Result<Expiry> {
    if text(row, column)? == Some(NEVER) {
        return Ok(Expiry::Never);
    }
    Ok(day(row, column)?.map_or(Expiry::Unknown, Expiry::On))
}

/// A moment, `None` for NULL.
pub(super) fn moment_or_null(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let Some(seconds) = row.get::<_, Option<i64>>(column)? else { return Ok(None) };
    let moment = Utc.timestamp_opt(seconds, 0).single();
    moment.map(Some).ok_or_else(|| unreadable(column, "it is not a moment"))
}

/// A moment.
pub(super) fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<DateTime<Utc>> {
    moment_or_null(row, column)?.ok_or_else(|| unreadable(column, "it is not a moment"))
}

/// Yes or no, `None` for NULL.
pub(super) fn flag_or_null(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<bool>> {
    match row.get::<_, Option<i64>>(column)? {
        None => Ok(None),
        Some(0) => Ok(Some(false)),
        Some(1) => Ok(Some(true)),
        Some(_) => Err(unreadable(column, "it is neither 0 nor 1")),
    }
}

/// Yes or no.
pub(super) fn flag(row: &Row<'_>, column: usize) -> rusqlite::Result<bool> {
    flag_or_null(row, column)?.ok_or_else(|| unreadable(column, "it is neither 0 nor 1"))
}

/// Sorts SQLite's errors by their meaning. A value that cannot be read concerns one row. A page that cannot be read
/// makes the whole file unusable. A lock, a full disk and the like say nothing about the file.
impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        if let Error::FromSqlConversionFailure(_, _, why) = error {
            return Self::Unreadable(why.to_string());
        }
        let is_value = matches!(error, Error::InvalidColumnType(..) | Error::IntegralValueOutOfRange(..));
        let is_damage = matches!(error.sqlite_error_code(), Some(NotADatabase | DatabaseCorrupt));
        match (is_value, is_damage) {
            (true, _) => Self::Unreadable(error.to_string()),
            (false, true) => Self::Unusable(error.to_string()),
            (false, false) => Self::Sqlite(error),
        }
    }
}
