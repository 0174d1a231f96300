//! Licenses that are addons of hosting orders, as OrderBox sells them: the order, the actions on it, and the provider's
//! choices. The license has no number, period, name or address of its own. Its number is that of the order.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::{LicenseId, LicenseKey};
use super::license::{Expiry, License, LicenseStatus, Money};

/// A line of products, to which an order belongs: its key in settings and answers, and its part of the path of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProductLine {
    /// Its key, as the seller's price lists have it.
    pub key: &'static str,
    /// Platform and location, as paths of calls have them.
    pub path: &'static str,
}

/// Every line of reseller hosting that is known, the commonest first (docs/orderbox-protocol.md 1).
pub const PRODUCT_LINES: [ProductLine; 10] = [
    ProductLine { key: "resellerhosting", path: "linux/us" },
    ProductLine { key: "resellerhostinglinuxin", path: "linux/in" },
    ProductLine { key: "resellerhostinglinuxuk", path: "linux/uk" },
    ProductLine { key: "resellerhostinglinuxtr", path: "linux/tr" },
    ProductLine { key: "resellerhostinglinuxhk", path: "linux/hk" },
    ProductLine { key: "resellerwindowshosting", path: "windows/us" },
    ProductLine { key: "resellerwindowshostingin", path: "windows/in" },
    ProductLine { key: "resellerwindowshostinguk", path: "windows/uk" },
    ProductLine { key: "resellerwindowshostingtr", path: "windows/tr" },
    ProductLine { key: "resellerwindowshostinghk", path: "windows/hk" },
];

impl ProductLine {
    /// From its key.
    pub fn parse(key: &str) -> Option<Self> {
        PRODUCT_LINES.into_iter().find(|line| line.key == key)
    }
}

impl Serialize for ProductLine {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key)
    }
}

impl<'de> Deserialize<'de> for ProductLine {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        Self::parse(&key).ok_or_else(|| serde::de::Error::custom("not a product line"))
    }
}

/// What happens to the invoice between the reseller and the reseller's customer at the seller. The fourth choice of the
/// seller, `OnlyAdd`, never carries a purchase out, so there is no such variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum InvoiceOption {
    /// No invoice: the panel bills the client.
    #[default]
    NoInvoice,
    /// An invoice that waits for its payment.
    KeepInvoice,
    /// An invoice that is paid from the customer's funds at the seller.
    PayInvoice,
}

impl InvoiceOption {
    /// The seller's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoInvoice => "NoInvoice",
            Self::KeepInvoice => "KeepInvoice",
            Self::PayInvoice => "PayInvoice",
        }
    }
}

/// The provider's choices for licenses that are addons of hosting orders: `[orderbox]` of the settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostingRules {
    /// The parameter of a service that holds the number of the hosting order.
    pub order_param: String,
    /// Lines of products in which an order is looked for, in this order.
    pub products: Vec<ProductLine>,
    /// What happens to the customer's invoice.
    pub invoice_option: InvoiceOption,
    /// Whether the order may belong to a customer with another e-mail address than the client's.
    pub any_customer: bool,
    /// By how many months the rest of the order's term may exceed the period of the service.
    pub max_extra_months: u32,
    /// The call that takes the license away, without `.json`; empty: an operator does it in the seller's panel.
    pub remove_call: String,
    /// Parameters of that call beside the order's number.
    pub remove_params: BTreeMap<String, String>,
    /// What one month costs, for messages and reports only.
    pub price_month: Option<Money>,
}

impl HostingRules {
    /// The price of a number of months, where [`price_month`](Self::price_month) is set.
    pub fn price_of(&self, months: u32) -> Option<Money> {
        let Money { minor, currency } = self.price_month.as_ref()?;
        Some(Money { minor: minor.checked_mul(i64::from(months))?, currency: currency.clone() })
    }
}

impl Default for HostingRules {
    fn default() -> Self {
        Self {
            order_param: "orderid".to_owned(),
            products: PRODUCT_LINES.to_vec(),
            invoice_option: InvoiceOption::default(),
            any_customer: false,
            max_extra_months: 1,
            remove_call: String::new(),
            remove_params: BTreeMap::new(),
            price_month: None,
        }
    }
}

/// A hosting order as one look shows it. The same answer holds a password, which is never read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostingOrder {
    /// Its number.
    pub id: LicenseId,
    /// The domain that it is for.
    pub domain: String,
    /// The seller's word: `Active`, `Suspended`, `InActive`, `Deleted` …
    pub status: String,
    /// The number of the customer, as text.
    pub customer: String,
    /// When its term ends (UTC). `None`: not known.
    pub ends: Option<DateTime<Utc>>,
    /// Whether the seller renews it automatically.
    pub recurring: bool,
    /// The license key; `None`: it has no license, or the key is not issued yet.
    pub key: Option<LicenseKey>,
    /// The number of the newest action on it, `0` for none.
    pub action: String,
}

impl HostingOrder {
    /// Whether the hosting runs.
    pub fn is_active(&self) -> bool {
        self.status.eq_ignore_ascii_case("Active")
    }

    /// Whether the hosting is gone for good.
    pub fn is_deleted(&self) -> bool {
        self.status.eq_ignore_ascii_case("Deleted")
    }

    /// The order as a license: what our state and the administrator's commands know.
    pub fn as_license(&self) -> License {
        License {
            name: Some(self.domain.clone()).filter(|domain| !domain.is_empty()),
            status: if self.is_active() { LicenseStatus::Active } else { LicenseStatus::Stopped },
            key: self.key.clone(),
            expires: self.ends.map_or(Expiry::Unknown, |ends| Expiry::On(ends.date_naive())),
            ..License::unknown(self.id)
        }
    }
}

/// An action that the seller carries out on an order, or has carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderAction {
    /// Its number, as text.
    pub id: String,
    /// When it was requested (UTC). `None`: not known.
    pub added: Option<DateTime<Utc>>,
    /// The seller's word for its status.
    pub status: String,
}

impl OrderAction {
    /// Whether the seller says that it failed. Words that nobody has recorded prove nothing.
    pub fn has_failed(&self) -> bool {
        let word = self.status.to_ascii_lowercase();
        word.contains("fail") || word.contains("cancel") || word.contains("reject")
    }
}

/// The request to add a license to an order. It is a purchase: the rest of the order's term is charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddLicense {
    /// The order. It had no license when the intent was written.
    pub order: LicenseId,
    /// The internal name that the service asked for.
    pub name: String,
    /// Its line of products.
    pub line: ProductLine,
    /// What happens to the customer's invoice.
    pub invoice: InvoiceOption,
    /// The number of the newest action on the order just before the sending.
    pub action_before: String,
    /// Not part of what is sent: the seller's clock just before the sending, by which it dates its actions. `None`: not
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seller_time: Option<DateTime<Utc>>,
    /// Not part of what is sent: numbers of the actions on the order that had ended just before the sending, as far as
    /// they were young.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended_before: Vec<String>,
    /// Months that are charged, as far as they could be counted.
    pub months: u32,
}

/// The request to remove a license from an order. The license is gone at once and for good, and nothing is refunded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveLicense {
    /// The order.
    pub order: LicenseId,
    /// Its line of products.
    pub line: ProductLine,
    /// The call.
    pub call: String,
    /// Its parameters beside the order's number.
    pub params: BTreeMap<String, String>,
    /// Fingerprint of the key: no other license is removed.
    pub key: String,
}

/// Reads the number of an order as typed. `None`: it is not a number.
pub fn order_number(text: &str) -> Option<LicenseId> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|id: &LicenseId| digits && id.0 > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of orders are digits only.
    #[test]
    fn the_number_of_an_order_is_digits_only() {
        assert_eq!(order_number(" 78877737 "), Some(LicenseId(78_877_737)));
        for wrong in ["", " ", "0", "-1", "+1", "12a", "1.5", "99999999999", "١٢"] {
            assert_eq!(order_number(wrong), None, "{wrong}");
        }
    }

    /// A request that was written down by a version without the seller's time is read as one without it, and written
    /// unchanged.
    #[test]
    fn a_purchase_of_a_former_version_is_read_without_the_sellers_time() {
        let text = [
            r#"{"order":12,"name":"whmcs","line":"resellerhosting","#,
            r#""invoice":"NoInvoice","action_before":"0","months":1}"#,
        ]
        .concat();
        let add: AddLicense = serde_json::from_str(&text).expect("a purchase");
        assert_eq!((add.seller_time, &add.ended_before), (None, &Vec::new()));
        assert_eq!(serde_json::to_string(&add).expect("a text"), text);
    }

    /// An action counts as failed only if the word says so.
    #[test]
    fn an_action_has_failed_only_if_its_word_says_so() {
        let action = |status: &str| OrderAction { id: "1".into(), added: None, status: status.into() };
        assert!(["Failed", "ActionFailed", "Cancelled"].iter().all(|word| action(word).has_failed()));
        assert!(["Success", "InvoicePaid", "PendingExecution", "Odd", ""].iter().all(|w| !action(w).has_failed()));
    }

    /// Each line is found by its key, and all paths differ.
    #[test]
    fn each_product_line_has_a_key_and_a_path_of_its_own() {
        for line in PRODUCT_LINES {
            assert_eq!(ProductLine::parse(line.key), Some(line));
            assert_eq!(PRODUCT_LINES.iter().filter(|other| other.path == line.path).count(), 1);
        }
        assert_eq!(ProductLine::parse("hosting"), None);
    }
}
