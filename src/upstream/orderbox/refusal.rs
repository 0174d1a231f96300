//! The meaning of an error of OrderBox. Its errors have no codes, only words, and few of these words are known
//! (docs/orderbox-protocol.md 3). Rules of the settings file come first, then the words here, then the common table.

use crate::ports::{Refusal, RefusalKind};
use crate::upstream::refusal::RefusalTable;

/// Parts of messages, in lower case, with their meaning.
const WORDS: [(&str, RefusalKind); 14] = [
    ("access denied", RefusalKind::Auth),
    ("not authorized", RefusalKind::Auth),
    ("invalid credentials", RefusalKind::Auth),
    ("authentication fail", RefusalKind::Auth),
    ("authentication parameter", RefusalKind::Auth),
    ("insufficient", RefusalKind::NoMoney),
    ("not enough", RefusalKind::NoMoney),
    ("low balance", RefusalKind::NoMoney),
    ("does not cover", RefusalKind::NoMoney),
    ("website doesn't exist", RefusalKind::NotFound),
    ("website does not exist", RefusalKind::NotFound),
    ("no entity found", RefusalKind::NotFound),
    ("no such order", RefusalKind::NotFound),
    ("incorrect http method", RefusalKind::NoFunction),
];

/// The words of an answer while another action on the order is under way. It is not a refusal of the request.
const PENDING: &str = "action pending";

/// Parts of messages with which the seller says that it could not answer at all. They prove nothing about the request.
const TROUBLE: [&str; 8] =
    ["unexpected error", "internal error", "try again", "temporar", "timed out", "timeout", "maintenance", "too many"];

/// Whether the words only say that the seller has a fault.
pub(super) fn is_trouble(message: &str) -> bool {
    let lower = message.to_lowercase();
    TROUBLE.iter().any(|words| lower.contains(words))
}

/// Whether the words only say that the order is busy.
pub(super) fn is_pending(message: &str) -> bool {
    message.to_lowercase().contains(PENDING)
}

/// The refusal of an error message.
pub(super) fn refusal_of(table: &RefusalTable, message: &str) -> Refusal {
    let lower = message.to_lowercase();
    let known = WORDS.iter().find(|(words, _)| lower.contains(words)).map(|(_, kind)| *kind);
    let kind = table.extra_kind("error", "", message).or(known).unwrap_or_else(|| table.kind("error", "", message));
    Refusal { kind, error_type: String::new(), object: String::new(), message: message.to_owned(), advice: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words on record and plausible ones, each with what they mean.
    #[test]
    fn the_words_of_an_error_have_their_meaning() {
        use RefusalKind as K;
        for (message, want) in [
            ("Access Denied. You are not authorized to perform this action.", K::Auth),
            ("Required authentication parameter missing", K::Auth),
            ("Invalid credentials, or your User account maybe Inactive or Suspended", K::Auth),
            ("Insufficient funds: your account balance does not cover this transaction", K::NoMoney),
            ("Website doesn't exist for 12", K::NotFound),
            ("No Entity found for Entityid: 12", K::NotFound),
            ("An unexpected error has occurred", K::Other),
            ("", K::Other),
        ] {
            assert_eq!(refusal_of(&RefusalTable::default(), message).kind, want, "{message}");
        }
        assert!(is_pending("There is already an action pending on this Order."));
        assert!(!is_pending("Domain already renewed."));
        for message in ["An unexpected error has occurred", "Service temporarily unavailable", "Too many requests"] {
            assert!(is_trouble(message), "{message}");
        }
        for message in ["No record found", "No Entity found for Entityid: 12", ""] {
            assert!(!is_trouble(message), "{message}");
        }
    }
}
