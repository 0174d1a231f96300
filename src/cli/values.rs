//! How values of the command line are read. A value that cannot be read is an error in both languages.

use super::usage_error::Unusable;
use crate::model::ids::PanelId;
use crate::text;

/// A number.
pub(super) fn number<T: std::str::FromStr>(word: &str) -> Result<T, Unusable> {
    word.parse().map_err(|_| Unusable(text!(["{word} is not a number"], ["нужно число"])))
}

/// A number between `FIRST` and `LAST`.
pub(super) fn within<const FIRST: u16, const LAST: u16>(word: &str) -> Result<u16, Unusable> {
    let number = word.parse().ok().filter(|number| (FIRST..=LAST).contains(number));
    let words = || text!("the number must be between {FIRST} and {LAST}", "нужно число от {FIRST} до {LAST}");
    number.ok_or_else(|| Unusable(words()))
}

/// An id of an installation.
pub(super) fn panel_id(word: &str) -> Result<PanelId, Unusable> {
    let unusable = || {
        Unusable(text!(
            ["{word} is not eight small letters and digits"],
            ["нужны восемь строчных латинских букв и цифр"]
        ))
    };
    PanelId::parse(word).ok_or_else(unusable)
}
