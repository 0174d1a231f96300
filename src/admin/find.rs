//! Finds what a word on the command line means: a service, a license, an address, or a part of a key. It never guesses:
//! a word that fits several is an error that lists them.

use std::net::IpAddr;

use super::Desk;
use crate::error::{ErrorKind, ModuleError};
use crate::model::ids::{ItemId, LicenseId};
use crate::model::license_row::LicenseRow;
use crate::store::Store;
use crate::text;

/// The shortest part of a key that is accepted, in characters.
const KEY_PART: usize = 4;

/// The meaning of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A service.
    Item(ItemId),
    /// A license of ours.
    License(Box<LicenseRow>),
    /// A number that this state does not know.
    Unknown(LicenseId),
}

/// Finds out what a word means.
///
/// # Errors
/// `missed`: nothing fits; `bad_value`: several things do, each named.
pub fn subject(desk: &mut Desk<'_>, store: &Store, word: &str) -> Result<Subject, ModuleError> {
    let word = word.trim();
    if let Some(number) = word.strip_prefix("item:") {
        let item = number.parse().map_err(|_| nothing(word))?;
        return if is_service(desk, store, item)? { Ok(Subject::Item(item)) } else { Err(nothing(word)) };
    }
    if let Some(number) = word.strip_prefix("license:") {
        let id: LicenseId = number.parse().map_err(|_| nothing(word))?;
        let rows = store.licenses_numbered(id).map_err(crate::engine::state_error)?;
        return if rows.is_empty() { Ok(Subject::Unknown(id)) } else { one(word, rows) };
    }
    if let Ok(number) = word.parse::<u32>() {
        return numbered(desk, store, word, number);
    }
    if let Ok(ip) = word.parse::<IpAddr>() {
        let mut rows = store.licenses_at(ip).map_err(crate::engine::state_error)?;
        if rows.iter().any(|row| row.ip == Some(ip)) {
            rows.retain(|row| row.ip == Some(ip));
        }
        return one(word, rows);
    }
    if word.chars().count() < KEY_PART {
        return Err(ModuleError::new(
            ErrorKind::BadValue,
            "what",
            word,
            text!(
                "{word:?} is too short for a part of a key: {KEY_PART} characters at least",
                "{word:?} — слишком короткая часть ключа: нужно не меньше {KEY_PART} знаков"
            ),
        )
        .next(text!("see all licenses: pmisplicense list", "посмотрите все лицензии: pmisplicense list")));
    }
    keyed(store, word)
}

fn numbered(desk: &mut Desk<'_>, store: &Store, word: &str, number: u32) -> Result<Subject, ModuleError> {
    let rows = store.licenses_numbered(LicenseId(number)).map_err(crate::engine::state_error)?;
    let item = ItemId(number);
    match (is_service(desk, store, item)?, rows.is_empty()) {
        (true, true) => Ok(Subject::Item(item)),
        (false, false) => one(word, rows),
        (true, false) => Err(ModuleError::new(
            ErrorKind::BadValue,
            "what",
            word,
            text!("{number} is a service and a license", "{number} — и услуга, и лицензия"),
        )
        .next(text!(
            "repeat with item:{number} or license:{number}",
            "повторите, указав item:{number} или license:{number}"
        ))),
        // Keys of digits exist, and `list` shows the end of a key.
        (false, true) if word.chars().count() >= KEY_PART => keyed(store, word),
        (false, true) => Err(nothing(word)),
    }
}

fn keyed(store: &Store, part: &str) -> Result<Subject, ModuleError> {
    one(part, store.licenses_keyed(part).map_err(crate::engine::state_error)?)
}

/// Whether the state or the panel knows a service. If the panel does not answer, only the state is used.
fn is_service(desk: &mut Desk<'_>, store: &Store, item: ItemId) -> Result<bool, ModuleError> {
    let known = !store.licenses_of_item(item).map_err(crate::engine::state_error)?.is_empty()
        || !store.incarnations_of_item(item).map_err(crate::engine::state_error)?.is_empty();
    let mut in_panel = || desk.ctx.data.billdb().ok().and_then(|db| db.item(item).ok().flatten()).is_some();
    Ok(known || in_panel())
}

fn one(word: &str, mut rows: Vec<LicenseRow>) -> Result<Subject, ModuleError> {
    match (rows.pop(), rows.is_empty()) {
        (None, _) => Err(nothing(word)),
        (Some(row), true) => Ok(Subject::License(Box::new(row))),
        (Some(last), false) => {
            rows.push(last);
            let list: Vec<String> = rows.iter().take(20).map(|row| format!("license:{}", row.id)).collect();
            let (count, list) = (rows.len(), list.join(", "));
            Err(ModuleError::new(
                ErrorKind::BadValue,
                "what",
                word,
                text!("{word} fits {count} licenses: {list}", "{word}: подходящих лицензий {count}: {list}"),
            )
            .next(text!("repeat with the number of one license", "повторите с номером одной лицензии")))
        }
    }
}

fn nothing(word: &str) -> ModuleError {
    ModuleError::new(
        ErrorKind::Missed,
        "what",
        word,
        text!(
            "{word} is no service, license, address or key of ours",
            "{word}: такой услуги, лицензии, адреса или ключа у нас нет"
        ),
    )
    .next(text!("see all licenses: pmisplicense list", "посмотрите все лицензии: pmisplicense list"))
}
