//! A refusal of the seller, in its words and with its meaning for us.

use crate::error::{QUOTED_CHARS, Text, VALUE_CHARS, shortened, shortened_words};

/// What a refusal of the seller means. No document records the real words, so a table matches types and texts, and the
/// settings file can extend it (docs/interface.md 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// Login refused, two-factor login included.
    Auth,
    /// Too little money.
    NoMoney,
    /// The account is blocked, for instance by overdue invoices.
    Blocked,
    /// The address changed less than a month ago.
    IpTooYoung,
    /// The key changed less than a month ago.
    KeyTooYoung,
    /// The address has such a license already.
    IpBusy,
    /// The tariff is no longer sold, or not known.
    SaleClosed,
    /// The tariff is not sold for that period.
    PeriodNotSold,
    /// There is no such license in this account.
    NotFound,
    /// The seller does not know the function that was called.
    NoFunction,
    /// A refusal that no rule matches.
    Other,
}

/// The seller's own words when it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it means to us.
    pub kind: RefusalKind,
    /// `error/@type`. Empty at a seller whose errors have no codes.
    pub error_type: String,
    /// `error/@object`
    pub object: String,
    /// `error/msg`
    pub message: String,
    /// What to do, if the client of this seller knows more than the kind says. It is never a part of the seller's
    /// words.
    pub advice: Option<Box<Text>>,
}

/// Shortened: a seller may refuse with a whole page.
impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [kind, object] = [&self.error_type, &self.object].map(|word| shortened(word, VALUE_CHARS));
        let said = [kind, object, shortened_words(&self.message, QUOTED_CHARS)];
        // Not every seller has codes of errors.
        let said: Vec<String> = said.into_iter().filter(|part| !part.is_empty()).collect();
        f.write_str(&said.join(" "))
    }
}
