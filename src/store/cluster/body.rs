//! The body of an entry: the statements of one transaction with their values and the number of rows that each
//! changed. Each is a line of JSON, so that people can read the log with any client of the database.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use serde_json::{Value as Json, json};

use super::super::StoreError;

/// One line of a body.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) enum Line {
    /// A statement that changed rows.
    Statement {
        /// The statement, with numbered parameters.
        sql: String,
        /// The values.
        values: Vec<Value>,
        /// Rows that it changed.
        changed: usize,
    },
    /// The schema was brought forward to this version.
    Schema(i32),
    /// The log began with the state of this installation.
    Beginning(String),
}

/// The value of a parameter.
pub(in crate::store) fn owned(value: &dyn rusqlite::ToSql) -> Result<Value, StoreError> {
    match value.to_sql()? {
        ToSqlOutput::Borrowed(value) => {
            Ok(value.try_into().map_err(|error: rusqlite::types::FromSqlError| unfit(&error))?)
        }
        ToSqlOutput::Owned(value) => Ok(value),
        other => Err(unfit(&format!("{other:?} cannot be written down"))),
    }
}

fn unfit(why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unusable(format!("an entry of the cluster's log: {why}"))
}

/// Lines as bytes.
pub(in crate::store) fn written(lines: &[Line]) -> Result<Vec<u8>, StoreError> {
    let mut body = String::new();
    for line in lines {
        let json = match line {
            Line::Statement { sql, values, changed } => {
                let values = values.iter().map(json_of).collect::<Result<Vec<_>, _>>()?;
                json!({ "sql": sql, "values": values, "changed": changed })
            }
            Line::Schema(version) => json!({ "schema": version }),
            Line::Beginning(panel) => json!({ "beginning": panel }),
        };
        body.push_str(&json.to_string());
        body.push('\n');
    }
    Ok(body.into_bytes())
}

fn json_of(value: &Value) -> Result<Json, StoreError> {
    match ValueRef::from(value) {
        ValueRef::Null => Ok(Json::Null),
        ValueRef::Integer(number) => Ok(json!(number)),
        ValueRef::Text(text) => std::str::from_utf8(text).map(|text| json!(text)).map_err(|error| unfit(&error)),
        ValueRef::Real(_) | ValueRef::Blob(_) => Err(unfit(&"the state holds no such value")),
    }
}

/// Bytes as lines.
pub(in crate::store) fn read(body: &[u8]) -> Result<Vec<Line>, StoreError> {
    let text = std::str::from_utf8(body).map_err(|error| unfit(&error))?;
    text.lines().map(line).collect()
}

fn line(text: &str) -> Result<Line, StoreError> {
    let json: Json = serde_json::from_str(text).map_err(|error| unfit(&error))?;
    if let Some(version) = json.get("schema").and_then(Json::as_i64) {
        return Ok(Line::Schema(i32::try_from(version).map_err(|error| unfit(&error))?));
    }
    if let Some(panel) = json.get("beginning").and_then(Json::as_str) {
        return Ok(Line::Beginning(panel.to_owned()));
    }
    let missing = || unfit(&"a line without a statement");
    let sql = json.get("sql").and_then(Json::as_str).ok_or_else(missing)?.to_owned();
    let values = json.get("values").and_then(Json::as_array).ok_or_else(missing)?;
    let values = values.iter().map(value).collect::<Result<_, _>>()?;
    let changed = json.get("changed").and_then(Json::as_u64).ok_or_else(missing)?;
    Ok(Line::Statement { sql, values, changed: usize::try_from(changed).map_err(|error| unfit(&error))? })
}

fn value(json: &Json) -> Result<Value, StoreError> {
    match json {
        Json::Null => Ok(Value::Null),
        Json::String(text) => Ok(Value::Text(text.clone())),
        Json::Number(number) => number.as_i64().map(Value::Integer).ok_or_else(|| unfit(&"a number with a fraction")),
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => Err(unfit(&"a value of another kind")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() -> Result<(), StoreError> {
        let values = vec![Value::Null, Value::Integer(-7), Value::Text("лицензия \"x\"\n\u{0}".to_owned())];
        let lines = [
            Line::Beginning("a1b2c3d4".to_owned()),
            Line::Statement { sql: "UPDATE t SET a = ?1".to_owned(), values, changed: 3 },
            Line::Schema(5),
        ];
        assert_eq!(read(&written(&lines)?)?, lines);
        for wrong in ["{}", "x", "{\"sql\":\"S\"}", "{\"sql\":\"S\",\"values\":[1.5],\"changed\":1}"] {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
        }
        Ok(())
    }
}
