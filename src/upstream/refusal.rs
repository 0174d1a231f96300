//! The meaning of an error document of the seller. The real words of four refusals are known
//! (docs/billmanager-protocol.md). No document has the words of the others. So a table matches types, objects and
//! texts. Rules of the settings file come first, the first rule that fits wins, and a refusal that no rule matches is
//! `Other`.

use crate::ports::{Refusal, RefusalKind};
use crate::xml::Element;

/// A rule of the settings file. All parts that it gives must fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalRule {
    /// The whole `error/@type`, in any case of letters.
    pub error_type: Option<String>,
    /// The whole `error/@object`, in any case of letters.
    pub object: Option<String>,
    /// A part of `error/msg`, in any case of letters.
    pub text: Option<String>,
    /// What it means.
    pub means: RefusalKind,
}

impl RefusalRule {
    fn fits(&self, error_type: &str, object: &str, message: &str) -> bool {
        let same = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|w| w.to_lowercase() == found);
        let part = |wanted: &Option<String>| wanted.as_ref().is_none_or(|w| message.contains(&w.to_lowercase()));
        let says_something = self.error_type.is_some() || self.object.is_some() || self.text.is_some();
        says_something && same(&self.error_type, error_type) && same(&self.object, object) && part(&self.text)
    }
}

/// A built-in rule. Empty lists fit anything. `words` are groups; the message must hold one word of each group. They
/// are compared with the message in the form that `words_of` gives it.
struct Builtin {
    types: &'static [&'static str],
    objects: &'static [&'static str],
    words: &'static [&'static [&'static str]],
    means: RefusalKind,
}

const ANY: &[&str] = &[];
const MONTHLY: &[&str] = &["once a month", "once per month", "per month", "every month", "30 days", "too often"];

const fn rule(
    types: &'static [&'static str],
    objects: &'static [&'static str],
    words: &'static [&'static [&'static str]],
    means: RefusalKind,
) -> Builtin {
    Builtin { types, objects, words, means }
}

/// The order of the rules matters. Refusals on record come first: a type `auth` means a refused login, whatever the
/// text says. Limits on changes come before money, because of texts like "not enough days have passed". Money comes
/// before sale and existence. `NotFound` requires the license itself as the object, because an order may follow from
/// it.
const BUILTIN: &[Builtin] = &[
    rule(&["auth"], &["badpassword"], &[], RefusalKind::Auth),
    rule(&["captcha_verification_failed", "captcha"], ANY, &[], RefusalKind::Auth),
    rule(ANY, ANY, &[&[" captcha "]], RefusalKind::Auth),
    rule(&["wizard_unavailable"], ANY, &[], RefusalKind::SaleClosed),
    rule(ANY, ANY, &[&["wizard unavailable", "no tariff plans available"]], RefusalKind::SaleClosed),
    rule(
        &["ip_change", "ipchange", "ip_change_limit", "ipchange_limit", "change_ip"],
        ANY,
        &[],
        RefusalKind::IpTooYoung,
    ),
    rule(
        &["key_change", "keychange", "key_change_limit", "keychange_limit", "change_key", "newkey", "newkey_limit"],
        ANY,
        &[],
        RefusalKind::KeyTooYoung,
    ),
    rule(ANY, &["ip"], &[MONTHLY], RefusalKind::IpTooYoung),
    rule(ANY, &["lickey", "newkey", "key"], &[MONTHLY], RefusalKind::KeyTooYoung),
    rule(ANY, ANY, &[MONTHLY, &[" ip "]], RefusalKind::IpTooYoung),
    rule(ANY, ANY, &[MONTHLY, &[" key "]], RefusalKind::KeyTooYoung),
    rule(
        &["no_money", "nomoney", "notenough", "not_enough", "notenoughmoney", "not_enough_money", "insufficient_funds"],
        ANY,
        &[],
        RefusalKind::NoMoney,
    ),
    rule(&["money", "balance", "credit", "payment"], ANY, &[], RefusalKind::NoMoney),
    rule(ANY, &["balance", "money"], &[], RefusalKind::NoMoney),
    rule(
        ANY,
        ANY,
        &[&["insufficient funds", "not enough", "no money", "low balance", "top up", "недостаточно"]],
        RefusalKind::NoMoney,
    ),
    rule(&["blocked", "block", "account_blocked", "overdue", "suspended", "debt"], ANY, &[], RefusalKind::Blocked),
    rule(ANY, &["blocked", "overdue"], &[], RefusalKind::Blocked),
    rule(ANY, ANY, &[&[" blocked ", "overdue", "заблокирован"]], RefusalKind::Blocked),
    rule(
        &[
            "auth",
            "badpassword",
            "access",
            "login",
            "invalid_login_or_passwd",
            "totp",
            "two_factor",
            "twofactor",
            "2fa",
        ],
        ANY,
        &[],
        RefusalKind::Auth,
    ),
    rule(ANY, &["badpassword", "authinfo", "totp"], &[], RefusalKind::Auth),
    rule(
        ANY,
        ANY,
        &[&["two factor", "invalid username or password", "invalid login", "access denied", "authentication failed"]],
        RefusalKind::Auth,
    ),
    rule(&["ip_busy", "ipbusy", "ip_exists", "ipexists", "license_exists"], ANY, &[], RefusalKind::IpBusy),
    rule(&["exists", "exist"], &["ip", ""], &[], RefusalKind::IpBusy),
    rule(ANY, ANY, &[&["already has", "already have"], &[" licen"]], RefusalKind::IpBusy),
    rule(ANY, &["ip"], &[&["already", " busy ", " in use "]], RefusalKind::IpBusy),
    rule(&["period", "period_not_sold"], ANY, &[], RefusalKind::PeriodNotSold),
    rule(ANY, &["period"], &[], RefusalKind::PeriodNotSold),
    rule(ANY, ANY, &[&[" period "], &[" not "], &[" sold ", " available ", " supported "]], RefusalKind::PeriodNotSold),
    rule(&["sale_closed", "saleclosed", "not_for_sale", "pricelist"], ANY, &[], RefusalKind::SaleClosed),
    rule(ANY, &["pricelist"], &[], RefusalKind::SaleClosed),
    rule(
        ANY,
        ANY,
        &[&[
            "not available for order",
            "no longer sold",
            "no longer available",
            "not for sale",
            "sale closed",
            "sales closed",
            "sale is closed",
            "sales are closed",
            "end of sale",
            "discontinued",
        ]],
        RefusalKind::SaleClosed,
    ),
    rule(
        &["missed", "value", "not_found", "notfound", "no_exist"],
        &["func", "function"],
        &[],
        RefusalKind::NoFunction,
    ),
    rule(
        ANY,
        ANY,
        &[&[" function "], &["does not exist", "doesn t exist", " not found ", " unknown "]],
        RefusalKind::NoFunction,
    ),
    rule(&["license_not_found", "license_gone"], ANY, &[], RefusalKind::NotFound),
    rule(&["missed", "value", "not_found", "notfound", "no_exist"], &["elid", "item"], &[], RefusalKind::NotFound),
    rule(ANY, &["elid", "item"], &[&[" not found ", "does not exist", "no such"]], RefusalKind::NotFound),
];

impl Builtin {
    fn fits(&self, error_type: &str, object: &str, words: &str) -> bool {
        let one_of = |list: &[&str], found: &str| list.is_empty() || list.contains(&found);
        one_of(self.types, error_type)
            && one_of(self.objects, object)
            && self.words.iter().all(|group| group.iter().any(|word| words.contains(word)))
    }
}

/// The message in lower case, with everything but letters and digits turned into single spaces and a space at both
/// ends, so that whole words can be matched.
fn words_of(message: &str) -> String {
    let lower = message.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

/// The rules of the settings file, then the built-in ones.
#[derive(Debug, Clone, Default)]
pub struct RefusalTable {
    extra: Vec<RefusalRule>,
}

impl RefusalTable {
    /// A table with rules of the settings file in front.
    pub fn new(extra: Vec<RefusalRule>) -> Self {
        Self { extra }
    }

    /// The meaning of an error by the rules of the settings file alone.
    pub fn extra_kind(&self, error_type: &str, object: &str, message: &str) -> Option<RefusalKind> {
        let (error_type, object, lower) = (error_type.to_lowercase(), object.to_lowercase(), message.to_lowercase());
        self.extra.iter().find(|rule| rule.fits(&error_type, &object, &lower)).map(|rule| rule.means)
    }

    /// The meaning of an error.
    pub fn kind(&self, error_type: &str, object: &str, message: &str) -> RefusalKind {
        let (error_type, object) = (error_type.to_lowercase(), object.to_lowercase());
        self.extra_kind(&error_type, &object, message).unwrap_or_else(|| {
            let words = words_of(message);
            let builtin = BUILTIN.iter().find(|rule| rule.fits(&error_type, &object, &words));
            builtin.map_or(RefusalKind::Other, |rule| rule.means)
        })
    }

    /// The refusal of an error document; `None` when the document has no `<error>`.
    pub fn refusal(&self, doc: &Element) -> Option<Refusal> {
        let error = doc.child("error")?;
        let error_type = error.attribute("type").unwrap_or_default();
        let object = error.attribute("object").unwrap_or_default();
        let message = error.value_of("msg").filter(|text| !text.is_empty()).unwrap_or_else(|| error.value());
        Some(Refusal {
            kind: self.kind(error_type, object, message),
            error_type: error_type.to_owned(),
            object: object.to_owned(),
            message: message.to_owned(),
            advice: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plausible words of the seller, each with its meaning.
    #[test]
    fn words_of_sellers_mean_what_they_say() {
        use RefusalKind as K;
        let table = RefusalTable::default();
        for (error_type, object, message, want) in [
            ("auth", "badpassword", "Invalid username or password", K::Auth),
            ("auth", "badpassword", "Too often: this IP is blocked for 30 days", K::Auth),
            ("captcha_verification_failed", "", "Your balance is blocked", K::Auth),
            ("xml", "", "captcha_verification_failed", K::Auth),
            ("x", "", "Solve the CAPTCHA, please.", K::Auth),
            ("wizard_unavailable", "", "", K::SaleClosed),
            ("xml", "", "wizard_unavailable", K::SaleClosed),
            ("empty", "", "No tariff plans available for order", K::SaleClosed),
            ("totp", "", "Enter the code", K::Auth),
            ("access", "", "Access denied", K::Auth),
            ("auth", "", "Two-factor authentication required", K::Auth),
            ("auth", "blocked", "", K::Blocked),
            ("value", "", "Your account is blocked", K::Blocked),
            ("x", "", "You have overdue invoices.", K::Blocked),
            ("no_money", "", "", K::NoMoney),
            ("notenough", "", "", K::NoMoney),
            ("x", "", "Insufficient funds on the balance", K::NoMoney),
            ("x", "", "Not enough money: 10 EUR", K::NoMoney),
            ("ip_change", "", "", K::IpTooYoung),
            ("x", "ip", "It can be changed once a month.", K::IpTooYoung),
            ("x", "", "The IP-address may be changed only once a month", K::IpTooYoung),
            ("x", "", "A new key may be generated once per month", K::KeyTooYoung),
            ("newkey", "", "", K::KeyTooYoung),
            ("exists", "ip", "", K::IpBusy),
            ("x", "", "This IP already has a license", K::IpBusy),
            ("missed", "elid", "", K::NotFound),
            ("x", "elid", "License 1001 not found", K::NotFound),
            ("x", "item", "does not exist", K::NotFound),
            ("value", "pricelist", "", K::SaleClosed),
            ("missed", "pricelist", "Pricelist not found", K::SaleClosed),
            ("x", "", "The product is not available for order", K::SaleClosed),
            ("value", "period", "", K::PeriodNotSold),
            ("x", "", "The period 3 is not available", K::PeriodNotSold),
            // These do not concern the license.
            ("missed", "ip", "", K::Other),
            ("missed", "func", "", K::NoFunction),
            ("x", "", "Function not found", K::NoFunction),
            ("x", "", "The function 'soft.order.param' doesn't exist", K::NoFunction),
            ("access", "func", "Access denied", K::Auth),
            ("x", "user", "User does not exist", K::Other),
            ("exists", "licname", "", K::Other),
            ("", "", "", K::Other),
        ] {
            assert_eq!(table.kind(error_type, object, message), want, "{error_type} {object} {message}");
        }
    }

    /// Rules of the settings file win over the table. An empty rule fits nothing.
    #[test]
    fn rules_of_the_settings_win_over_the_table() {
        let empty = RefusalRule { error_type: None, object: None, text: None, means: RefusalKind::Blocked };
        let text = RefusalRule { text: Some("Kein Geld".into()), means: RefusalKind::NoMoney, ..empty.clone() };
        let both = RefusalRule {
            error_type: Some("VALUE".into()),
            object: Some("pricelist".into()),
            means: RefusalKind::PeriodNotSold,
            ..empty.clone()
        };
        let table = RefusalTable::new(vec![empty, text, both]);
        assert_eq!(table.kind("x", "", "leider KEIN GELD da"), RefusalKind::NoMoney);
        assert_eq!(table.kind("value", "Pricelist", ""), RefusalKind::PeriodNotSold);
        assert_eq!(table.kind("missed", "pricelist", ""), RefusalKind::SaleClosed);
        assert_eq!(table.kind("x", "", ""), RefusalKind::Other);
    }
}
