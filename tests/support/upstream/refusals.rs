//! The one table of the seller's refusals. Four are on record: `bad_password` as a whole document, `captcha` and
//! `wizard` by their types, `no_tariffs` by its text. The words of the others are published nowhere, so these are
//! plausible ones of ours; a program must match them by a table that its settings can extend.

/// name in the sandbox, `type`, `object`, text in English.
pub const TABLE: &[(&str, &str, &str, &str)] = &[
    ("bad_password", "auth", "badpassword", "Invalid username or password "),
    ("allow_list", "auth", "badpassword", "Access from this IP address is denied"),
    ("captcha", "captcha_verification_failed", "", "The captcha was not solved"),
    ("captcha_text", "xml", "", "captcha_verification_failed"),
    ("wizard", "wizard_unavailable", "", "The order wizard is unavailable"),
    ("no_tariffs", "empty", "", "No tariff plans available for order"),
    ("value", "value", "", "The field has an invalid value"),
    ("second_factor", "auth", "totp", "Two-factor authentication is required to log in"),
    ("no_money", "no_money", "", "Insufficient funds on the account. Top up the balance and try again"),
    ("blocked", "blocked", "account", "The account is blocked: there are overdue invoices"),
    ("ip_change", "ip_change", "ip", "The license IP address can be changed once a month"),
    ("key_change", "key_change", "lickey", "The license key can be changed once a month"),
    ("ip_busy", "exists", "ip", "A license for this IP address already exists"),
    ("ip_value", "value", "ip", "The field 'IP address' has invalid value"),
    ("no_license", "missed", "elid", "The license with this number is not found"),
    ("missed", "missed", "value", "A required field is not filled in"),
    ("unknown_func", "missed", "func", "The function does not exist"),
    ("tariff", "value", "pricelist", "The tariff plan is not available for this account"),
    ("period", "value", "period", "The tariff plan is not sold for this period"),
    ("nodes", "value", "addon", "The number of nodes is less than allowed by the tariff plan"),
    ("sale_closed", "sale_closed", "pricelist", "The sale of this product is over"),
    ("expired", "expired", "elid", "The license period has expired, renew the license first"),
    ("status", "status", "elid", "The operation is not available for a license in this status"),
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub kind: String,
    pub object: String,
    pub value: String,
    pub text: String,
}

impl Refusal {
    /// A row of the table by its name; an unknown name becomes a refusal of that very type.
    pub fn new(name: &str, value: &str) -> Self {
        let found = TABLE.iter().find(|row| row.0 == name);
        let (kind, object, text) = found.map_or((name, "", "The operation was refused"), |row| (row.1, row.2, row.3));
        Self { kind: kind.into(), object: object.into(), value: value.into(), text: text.into() }
    }

    /// The same row, about another field (`missed` of `period`, `value` of `addon_4602`).
    pub fn about(name: &str, object: &str, value: &str) -> Self {
        Self { object: object.into(), ..Self::new(name, value) }
    }

    pub fn xml(&self) -> String {
        let (kind, object) = (super::escape(&self.kind), super::escape(&self.object));
        let (value, text) = (super::escape(&self.value), super::escape(&self.text));
        if self.kind == "auth" {
            // As COREmanager was recorded to say it, with the caller's address in `value`.
            return format!(
                "<error type=\"auth\" object=\"{object}\" lang=\"en\"><detail>{text}</detail><msg>{text}</msg>\
                 <param name=\"object\" type=\"msg\">{object}</param><param name=\"value\">{value}</param></error>"
            );
        }
        format!(
            "<error type=\"{kind}\" object=\"{object}\" lang=\"en\"><param name=\"object\">{object}</param>\
             <param name=\"value\">{value}</param><msg lang=\"en\">{text}</msg></error>"
        )
    }
}
