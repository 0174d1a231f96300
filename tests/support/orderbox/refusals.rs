//! The words of OrderBox's refusals. `pending`, `no_order` and `access` are on record; the others are plausible ones
//! of ours, so a program must not depend on them.
use super::options::Options;
use serde_json::{Value, json};

/// The name in the sandbox, and the words; `{}` is replaced by the value.
const TABLE: &[(&str, &str)] = &[
    ("access", "Access Denied. You are not authorized to perform this action."),
    ("auth_missing", "Required authentication parameter missing"),
    ("auth", "Invalid credentials, or your User account maybe Inactive or Suspended"),
    ("method", "Incorrect HTTP method used for this call"),
    ("missing", "Required parameter missing: {}"),
    ("bad", "Invalid value for parameter: {}"),
    ("no_order", "Website doesn't exist for {}"),
    ("no_customer", "No Entity found for Entityid: {}"),
    ("nothing", "No record found"),
    ("status", "The action cannot be performed: the Order is {}"),
    ("pending", "There is already an action pending on this Order."),
    ("no_money", "Insufficient funds: your account balance does not cover this transaction"),
    ("has_key", "The WHMCS license has already been added to this Order"),
    ("no_key", "There is no WHMCS license on this Order"),
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub name: String,
    pub words: String,
}

impl Refusal {
    /// A row of the table; an unknown name is the words themselves.
    pub fn new(name: &str, value: &str) -> Self {
        let words = TABLE.iter().find(|row| row.0 == name).map_or(name, |row| row.1);
        Self { name: name.into(), words: words.replace("{}", value) }
    }

    pub fn json(&self, options: &Options) -> Value {
        json!({ "status": options.error_word, options.error_name.as_str(): self.words })
    }
}
