//! The outcome of a failed question or a failed repeatable change, and its words for people.

use super::Refusal;
use crate::error::Text;
use crate::text;

/// A read or repeatable call that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// An error document.
    Refused(Refusal),
    /// The seller was not reached, or did not answer in time.
    Unreachable(String),
    /// It gave an answer that cannot be trusted (`bad_answer`). The text says what is wrong without quoting the answer.
    BadAnswer(Text),
    /// It showed a form instead of a result. The form's name; empty if it has none. Sellers do so when somebody must
    /// answer something first, for example set a new password because the old one expired.
    Form(String),
}

impl CallError {
    /// What happened, for people. It becomes a part of our messages.
    pub fn words(&self) -> Text {
        match self {
            Self::Refused(refusal) => text!("the seller refused: {refusal}", "продавец отказал: {refusal}"),
            Self::Unreachable(why) => text!("the seller was not reached: {why}", "продавец недоступен: {why}"),
            Self::BadAnswer(why) => why.clone(),
            Self::Form(name) => {
                text!(
                    "the seller shows the form {name:?} instead of a result",
                    "вместо результата продавец показывает форму {name:?}"
                )
            }
        }
    }
}
