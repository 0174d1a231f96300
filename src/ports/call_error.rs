//! What is known after a question, or a change that may be repeated, that did not succeed; and how people are told.

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
    /// It answered something that cannot be trusted (`bad_answer`): what is wrong with it, without quoting it.
    BadAnswer(Text),
    /// It showed a form instead of a result: the form's name, empty where it has none. Sellers do so when a person
    /// must answer something first, such as a new password for one that expired.
    Form(String),
}

impl CallError {
    /// What happened, for people; a message of ours goes around it.
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
