//! The JSON of OrderBox as orders, actions and outcomes (docs/orderbox-protocol.md 3). Numbers and flags may be texts,
//! answers may be wrapped one level deep, and the key may be in either of two places; all of this is accepted. A value
//! that cannot be read is missing, never guessed.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::model::hosting::{HostingOrder, OrderAction};
use crate::model::ids::{LicenseId, LicenseKey};
use crate::model::license::Money;

/// Names whose values are never shown: keys of licenses, our login, and the login of the hosting, which the same
/// answers hold.
const SECRETS: [&str; 7] =
    ["licensekey", "license_key", "api-key", "siteadminpassword", "siteadminusername", "password", "passwd"];

/// The longest text of an answer that is shown.
const SHOWN_CHARS: usize = 20_000;

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRETS.iter().any(|secret| name.contains(secret)) || crate::ports::is_secret_name(&name)
}

/// An answer for the trace, without secrets.
pub(super) fn shown(value: &Value) -> String {
    let text = masked(value).to_string();
    text.chars().take(SHOWN_CHARS).collect()
}

fn masked(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let is_empty = value.as_str().is_some_and(str::is_empty);
                (name.clone(), if is_secret(name) && !is_empty { "***".into() } else { masked(value) })
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(values) => values.iter().map(masked).collect::<Vec<_>>().into(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// A plain value as text. `None` if it is missing, null, a list or an object.
fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    match fields.get(name)? {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn moment(fields: &Map<String, Value>, name: &str) -> Option<DateTime<Utc>> {
    let seconds: i64 = text(fields, name)?.parse().ok()?;
    // 0 means "not yet".
    DateTime::from_timestamp(seconds, 0).filter(|_| seconds > 0)
}

fn is_error_word(word: &str) -> bool {
    ["error", "failed", "failure"].iter().any(|error| word.eq_ignore_ascii_case(error))
}

/// The message of an error object. `None`: it is not an error.
pub(super) fn error_message(value: &Value) -> Option<String> {
    let fields = value.as_object()?;
    text(fields, "status").filter(|word| is_error_word(word))?;
    let message = ["message", "error", "msg", "actionstatusdesc"].iter().find_map(|name| text(fields, name));
    Some(message.unwrap_or_default())
}

/// The key of an order: in the order itself, or in its addon named whmcs.
fn key(fields: &Map<String, Value>) -> Option<LicenseKey> {
    let of = |fields: &Map<String, Value>| {
        ["licenseKey", "license_key", "licensekey"]
            .iter()
            .find_map(|name| text(fields, name).and_then(|text| LicenseKey::parse(&text)))
    };
    let is_ours = |addon: &&Map<String, Value>| {
        let names = ["addon_name", "addonName", "name", "addon"];
        names.iter().any(|name| text(addon, name).is_some_and(|name| name.eq_ignore_ascii_case("whmcs")))
    };
    of(fields).or_else(|| {
        let lists = ["addons", "addon_details"].iter().filter_map(|name| fields.get(*name));
        let addons = lists.flat_map(|list| match list {
            Value::Array(list) => list.iter().collect::<Vec<_>>(),
            Value::Object(numbered) => numbered.values().collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        });
        addons.filter_map(Value::as_object).filter(is_ours).find_map(of)
    })
}

fn id(fields: &Map<String, Value>, names: &[&str]) -> Option<LicenseId> {
    names.iter().find_map(|name| text(fields, name)).and_then(|text| text.parse().ok())
}

/// The order in an answer. `None`: the answer names none.
pub(super) fn order(value: &Value) -> Option<HostingOrder> {
    let fields = value.as_object()?;
    let is_yes = |name| text(fields, name).is_some_and(|word| word.eq_ignore_ascii_case("true"));
    Some(HostingOrder {
        id: id(fields, &["orderid", "entityid"])?,
        domain: text(fields, "domainname").or_else(|| text(fields, "description")).unwrap_or_default(),
        // An answer without a status is not about an order.
        status: text(fields, "currentstatus").filter(|word| !word.is_empty())?,
        customer: text(fields, "customerid").unwrap_or_default(),
        ends: moment(fields, "endtime"),
        recurring: is_yes("recurring"),
        key: key(fields),
        action: text(fields, "eaqid").unwrap_or_else(|| "0".to_owned()),
    })
}

/// The rows of a list: its values under the names "1", "2" …. `None`: it is not a list.
fn rows(value: &Value) -> Option<Vec<&Map<String, Value>>> {
    let fields = value.as_object()?;
    let is_list = fields.contains_key("recsonpage") || fields.contains_key("recsindb") || fields.is_empty();
    let is_row = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    let rows: Vec<_> = fields.iter().filter(|(name, _)| is_row(name)).filter_map(|(_, row)| row.as_object()).collect();
    (is_list || !rows.is_empty()).then_some(rows)
}

/// Numbers of the orders of a list.
pub(super) fn listed_orders(value: &Value) -> Option<Vec<LicenseId>> {
    let names = ["orders.orderid", "orderid", "entity.entityid", "entityid"];
    Some(rows(value)?.into_iter().filter_map(|row| id(row, &names)).collect())
}

/// Whether this number of rows is all that a one-page list has, by its own count.
pub(super) fn is_whole(value: &Value, rows: usize) -> bool {
    let all = value.as_object().and_then(|fields| text(fields, "recsindb"));
    all.is_none_or(|all| all.parse().is_ok_and(|all: usize| all <= rows))
}

/// The actions on an order in a one-page list. `None`: it is not a list, or not complete.
pub(super) fn actions(value: &Value, order: LicenseId) -> Option<Vec<OrderAction>> {
    let about = |row: &&Map<String, Value>| id(row, &["entityid"]).is_none_or(|id| id == order);
    let action = |row: &Map<String, Value>| OrderAction {
        id: text(row, "eaqid").unwrap_or_default(),
        added: moment(row, "actionadded").or_else(|| moment(row, "actionstarted")),
        status: text(row, "actionstatus").unwrap_or_default(),
    };
    let rows = rows(value).filter(|rows| is_whole(value, rows.len()))?;
    Some(rows.into_iter().filter(about).map(action).collect())
}

/// Whether a clean answer to a write says that the write was accepted: a map, perhaps wrapped one level, that names our
/// order or holds a license key, and whose status is not an error.
pub(super) fn is_taken(value: &Value, order: LicenseId) -> bool {
    let says = |fields: &Map<String, Value>| {
        let names_it = id(fields, &["entityid", "orderid"]).is_some_and(|id| id == order);
        let names_other = id(fields, &["entityid", "orderid"]).is_some_and(|id| id != order);
        let is_error =
            ["status", "actionstatus"].iter().any(|name| text(fields, name).is_some_and(|w| is_error_word(&w)));
        !is_error && !names_other && (names_it || key(fields).is_some())
    };
    let Some(fields) = value.as_object() else { return false };
    says(fields) || (fields.len() == 1 && fields.values().filter_map(Value::as_object).any(says))
}

/// The error message of an answer that may be wrapped one level.
pub(super) fn wrapped_error(value: &Value) -> Option<String> {
    error_message(value).or_else(|| {
        let fields = value.as_object().filter(|fields| fields.len() == 1)?;
        fields.values().find_map(error_message)
    })
}

/// The e-mail address of a customer.
pub(super) fn email(value: &Value) -> Option<String> {
    let fields = value.as_object()?;
    let address = |name| text(fields, name).filter(|text| text.contains('@'));
    address("username").or_else(|| address("useremail")).or_else(|| address("email"))
}

/// Who is logged in.
pub(super) fn user(value: &Value) -> Option<String> {
    let fields = value.as_object()?;
    text(fields, "username").or_else(|| text(fields, "name")).filter(|name| !name.is_empty())
}

/// The available balance, without locked amounts.
pub(super) fn balance(value: &Value) -> Option<Money> {
    let fields = value.as_object()?;
    let currency = text(fields, "sellingcurrencysymbol").unwrap_or_default();
    let amount = |name| text(fields, name).and_then(|text| Money::parse(&text, &currency));
    let whole = amount("sellingcurrencybalance")?;
    let locked = amount("sellingcurrencylockedbalance").map_or(0, |money| money.minor);
    Some(Money { minor: whole.minor.checked_sub(locked)?, ..whole })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Texts for numbers, and both places of the key.
    #[test]
    fn an_order_is_read_in_every_shape() {
        let details = json!({"orderid": "78877737", "currentstatus": "Active", "customerid": 5, "endtime": "1800000000",
            "recurring": "true", "licenseKey": "Owned-1", "eaqid": "0", "siteadminpassword": "SECRET", "domainname": "a.example"});
        let seen = order(&details).expect("an order");
        assert_eq!((seen.id, seen.customer.as_str(), seen.recurring), (LicenseId(78_877_737), "5", true));
        assert_eq!(seen.key.as_ref().map(LicenseKey::reveal), Some("Owned-1"));
        assert_eq!(seen.ends.map(|ends| ends.timestamp()), Some(1_800_000_000));
        for addons in [
            json!([{"addon_name": "whmcs", "license_key": "K"}]),
            json!([{"name": "cpanel", "licenseKey": "C"}, {"name": "WHMCS", "licenseKey": "K"}]),
            json!({"1": {"addon_name": "whmcs", "license_key": "K"}}),
        ] {
            let details = json!({"orderid": 1, "currentstatus": "Active", "addons": addons});
            assert_eq!(order(&details).and_then(|seen| seen.key).as_ref().map(LicenseKey::reveal), Some("K"));
        }
        for nothing in [json!({"currentstatus": "Active"}), json!({"orderid": 1}), json!([]), json!(7), json!(null)] {
            assert_eq!(order(&nothing), None, "{nothing}");
        }
        let empty = json!({"orderid": 1, "currentstatus": "Active", "licenseKey": ""});
        assert_eq!(order(&empty).map(|seen| seen.key), Some(None));
    }

    /// Nothing secret is shown, wherever it stands.
    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let answer = json!({"licenseKey": "S1", "addons": [{"license_key": "S2"}], "siteadminpassword": "S3",
            "siteadminusername": "S4", "77": {"licenseKey": "S5"}, "status": "Success"});
        let text = shown(&answer);
        assert!(!text.contains("\"S") || text.contains("\"Success\""), "{text}");
        assert!((1..=5).all(|n| !text.contains(&format!("S{n}"))), "{text}");
    }

    /// What an answer to a purchase says: done, refused, or nothing that can be trusted.
    #[test]
    fn an_answer_to_a_purchase_is_believed_only_about_its_order() {
        let order = LicenseId(12);
        for (answer, taken) in [
            (json!({"status": "Success", "entityid": "12", "eaqid": 5, "actionstatus": "PendingExecution"}), true),
            (json!({"78877737": {"status": "Success", "entityid": 12}}), true),
            (json!({"status": "Success", "licenseKey": "K"}), true),
            (json!({"status": "Success", "entityid": 13}), false),
            (json!({"status": "Success", "entityid": 13, "licenseKey": "K"}), false),
            (json!({"status": "Success"}), false),
            (json!({"status": "ERROR", "entityid": 12}), false),
            (json!({"entityid": 12, "actionstatus": "Failed"}), false),
            (json!([]), false),
        ] {
            assert_eq!(is_taken(&answer, order), taken, "{answer}");
        }
        for word in ["ERROR", "error", "Failed"] {
            assert_eq!(error_message(&json!({"status": word, "message": "no"})).as_deref(), Some("no"));
            assert_eq!(wrapped_error(&json!({"1": {"status": word, "error": "no"}})).as_deref(), Some("no"));
        }
        assert_eq!(error_message(&json!({"status": "Success"})), None);
    }

    /// Lists have numbered rows; actions of another order are left out.
    #[test]
    fn numbered_rows_are_read_and_a_cut_list_is_no_proof() {
        let list = json!({"recsonpage": "2", "recsindb": "2",
            "1": {"entityid": "12", "eaqid": "9", "actionadded": "1800000000", "actionstatus": "PendingExecution"},
            "2": {"entityid": "13", "eaqid": "8"}});
        let found = actions(&list, LicenseId(12)).expect("a list");
        assert_eq!(found.iter().map(|action| action.id.as_str()).collect::<Vec<_>>(), ["9"]);
        let orders = json!({"recsonpage": 1, "recsindb": 1, "1": {"orders.orderid": 12}});
        assert_eq!(listed_orders(&orders), Some(vec![LicenseId(12)]));
        assert_eq!(listed_orders(&json!({"recsonpage": 0, "recsindb": 0})), Some(Vec::new()));
        assert_eq!(listed_orders(&json!({"status": "Success"})), None);
        // Rows that are missing or cannot be read are no proof that there are none.
        for cut in [json!({"recsindb": "2"}), json!({"recsindb": 2, "1": {"entityid": "12", "eaqid": "9"}, "2": []})] {
            assert_eq!(actions(&cut, LicenseId(12)), None, "{cut}");
        }
        assert_eq!(actions(&json!({"recsonpage": "0", "recsindb": "0"}), LicenseId(12)), Some(Vec::new()));
        assert_eq!(actions(&json!({}), LicenseId(12)), Some(Vec::new()));
        assert!(is_whole(&orders, 1) && !is_whole(&orders, 0) && !is_whole(&json!({"recsindb": "odd"}), 9));
    }

    /// Locked money cannot be spent.
    #[test]
    fn locked_money_cannot_be_spent() {
        let answer = json!({"sellingcurrencysymbol": "RUB", "sellingcurrencybalance": "900.500", "sellingcurrencylockedbalance": "100.0"});
        assert_eq!(balance(&answer), Some(Money { minor: 80_050, currency: "RUB".into() }));
        assert_eq!(balance(&json!({"sellingcurrencysymbol": "RUB"})), None);
    }
}
