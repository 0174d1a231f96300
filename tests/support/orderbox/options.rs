//! Facts about OrderBox that nobody has confirmed. Each can be set to every possible way.
use std::net::{IpAddr, Ipv4Addr};

/// The effect of a purchase on an order that has its license already. Documented only for the free call before 2023.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// The existing key is confirmed and costs nothing.
    Free,
    Refused,
    /// The same key is charged a second time.
    Charged,
}

/// The place of the key in the details of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPlace {
    /// `licenseKey` of the order, empty when there is none.
    Order,
    /// The same, but left out when there is none.
    OrderIfAny,
    /// `addons: [{addon_name, license_key}]`.
    Addons,
    /// `addons: [{name, licenseKey}]`.
    AddonsCamel,
}

#[derive(Debug, Clone)]
pub struct Options {
    /// `auth-userid`: the number of the reseller.
    pub user: u64,
    /// `api-key`
    pub key: String,
    /// Callers who are let in.
    pub addresses: Vec<IpAddr>,
    /// Minor units for one month of one license.
    pub price_month: i64,
    pub currency: String,
    pub repeat: Repeat,
    pub key_place: KeyPlace,
    /// A purchase is carried out only after so many reads of the details (0: at once, `u32::MAX`: by `finish`).
    pub queue_reads: u32,
    /// A purchase that was carried out shows its key only after so many reads of the details.
    pub key_late_reads: u32,
    /// The answer of a purchase is `{status, licenseKey}`, as before 2023; else the map of an action, without a key.
    pub old_answer: bool,
    /// The map of an action lies one level deeper, under the number of its invoice.
    pub wrapped: bool,
    /// Numbers are texts, as in every recorded answer.
    pub numbers_as_texts: bool,
    /// The word of `status` in an error object.
    pub error_word: String,
    /// The name beside `status` that holds the words of an error.
    pub error_name: String,
    /// A search of orders that finds nothing answers an error, as a search of actions does.
    pub empty_search_fails: bool,
    /// The call that takes the license away; nobody knows its name.
    pub remove_call: String,
    /// Parameters that it wants beside `order-id`.
    pub remove_params: Vec<(String, String)>,
    /// The word of a failed action.
    pub failed_word: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            user: 712_345,
            key: "aB3kQ9zXw7LmN2pR5tVy8CdF1gHj4Ks6".into(),
            addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            price_month: 80_000,
            currency: "RUB".into(),
            repeat: Repeat::Charged,
            key_place: KeyPlace::Order,
            queue_reads: 0,
            key_late_reads: 0,
            old_answer: false,
            wrapped: false,
            numbers_as_texts: true,
            error_word: "ERROR".into(),
            error_name: "message".into(),
            empty_search_fails: false,
            remove_call: "delete-license-key".into(),
            remove_params: Vec::new(),
            failed_word: "Failed".into(),
        }
    }
}
