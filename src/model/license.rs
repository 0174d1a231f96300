//! A license as upstream shows it, and money. Every remote word that we do not know stays visible as `Unknown`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::ids::{LicenseId, LicenseKey, Mark, PanelId, UpstreamAddonId, UpstreamPricelistId};
use super::period::Period;

/// Which functions of upstream serve a license: the prefix of its verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// The seller's own products: `soft.*`.
    Soft,
    /// Third-party licenses: `softexternal.*`.
    SoftExternal,
    /// Modules of a license: `addition.*`.
    Addition,
}

impl Family {
    /// The prefix of upstream's functions.
    pub fn func(self) -> &'static str {
        match self {
            Self::Soft => "soft",
            Self::SoftExternal => "softexternal",
            Self::Addition => "addition",
        }
    }

    /// From the text of the settings file or of our state.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Soft, Self::SoftExternal, Self::Addition].into_iter().find(|family| family.func() == text)
    }
}

/// `status` of a license upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LicenseStatus {
    /// 1: ordered, not paid.
    Ordered,
    /// 2
    Active,
    /// 3: stopped, by us, by the seller, or because it ran out.
    Stopped,
    /// 4
    Deleted,
    /// 5: in processing.
    Processing,
    /// The answer leaves it out, or it is no number: what was known before stays, and nothing is decided on it.
    Absent,
    /// Anything else: nothing is decided on it.
    Unknown(i32),
}

impl LicenseStatus {
    /// From upstream's number.
    pub fn from_number(number: i32) -> Self {
        match number {
            0 => Self::Absent,
            1 => Self::Ordered,
            2 => Self::Active,
            3 => Self::Stopped,
            4 => Self::Deleted,
            5 => Self::Processing,
            other => Self::Unknown(other),
        }
    }

    /// Upstream's number again.
    pub fn number(self) -> i32 {
        match self {
            Self::Absent => 0,
            Self::Ordered => 1,
            Self::Active => 2,
            Self::Stopped => 3,
            Self::Deleted => 4,
            Self::Processing => 5,
            Self::Unknown(other) => other,
        }
    }

    /// Upstream's number, where it said one.
    pub fn known_number(self) -> Option<i32> {
        (self != Self::Absent).then(|| self.number())
    }

    /// This one, or what was known before where the answer leaves it out.
    #[must_use]
    pub fn or(self, before: Self) -> Self {
        if self == Self::Absent { before } else { self }
    }
}

/// When a license runs out, as far as anybody said. "Not known" is never "no end": whoever moves money on it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expiry {
    /// On that day: it is good through the day before.
    On(NaiveDate),
    /// Never: the field is there and says that there is no end.
    Never,
    /// The field is missing, or what it says is no day.
    Unknown,
}

impl Expiry {
    /// The day, where there is one.
    pub fn day(self) -> Option<NaiveDate> {
        match self {
            Self::On(day) => Some(day),
            Self::Never | Self::Unknown => None,
        }
    }

    /// This one, or what was known before where nothing is known now.
    #[must_use]
    pub fn or(self, before: Self) -> Self {
        if self == Self::Unknown { before } else { self }
    }

    /// Whether the license has run out by that day.
    pub fn has_passed(self, today: NaiveDate) -> bool {
        self.day().is_some_and(|day| day <= today)
    }
}

/// As people read it: the day, a dash for none, a question mark where it is not known.
impl std::fmt::Display for Expiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::On(day) => day.fmt(f),
            Self::Never => f.write_str("-"),
            Self::Unknown => f.write_str("?"),
        }
    }
}

/// What upstream says in the field remoteid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RemoteId {
    /// The field is not in the answer at all.
    Absent,
    /// The field is there and empty.
    Empty,
    /// A text: perhaps a mark of ours, perhaps somebody else's.
    Text(String),
}

impl RemoteId {
    /// The mark, when it is one of ours (of any installation).
    pub fn mark(&self) -> Option<Mark> {
        match self {
            Self::Text(text) => Mark::parse(text),
            Self::Absent | Self::Empty => None,
        }
    }

    /// Whether this is exactly that mark.
    pub fn is(&self, mark: &Mark) -> bool {
        matches!(self, Self::Text(text) if *text == mark.to_string())
    }

    /// Whether upstream said nothing about whose the license is.
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::Absent | Self::Empty)
    }

    /// The mark of this installation, if it bears one.
    pub fn mark_of(&self, panel: &PanelId) -> Option<Mark> {
        self.mark().filter(|mark| mark.panel() == panel)
    }
}

/// The tariff of a license; lists may give its name instead of its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LicenseTariff {
    /// The number that is ordered.
    Id(UpstreamPricelistId),
    /// Only the tariff's name is known.
    Name(String),
    /// The answer says nothing.
    Absent,
}

impl LicenseTariff {
    /// The number, where known.
    pub fn id(&self) -> Option<UpstreamPricelistId> {
        match self {
            Self::Id(id) => Some(*id),
            Self::Name(_) | Self::Absent => None,
        }
    }

    /// Whether it may be that tariff: a name or silence excludes nothing.
    pub fn may_be(&self, wanted: UpstreamPricelistId) -> bool {
        self.id().is_none_or(|id| id == wanted)
    }
}

/// As JSON has it: the day, `null` for none, `"unknown"`.
impl Serialize for Expiry {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::On(day) => day.serialize(serializer),
            Self::Never => serializer.serialize_none(),
            Self::Unknown => serializer.serialize_str("unknown"),
        }
    }
}

/// A license as `soft.edit` or a row of `soft` shows it. A field that the answer leaves out is `None`, `Absent` or
/// `Unknown`, and takes nothing away from what was known before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct License {
    /// Its number upstream.
    pub id: LicenseId,
    /// Its name (licname).
    pub name: Option<String>,
    /// Its address; `None` when the field is missing, empty or not an address.
    pub ip: Option<IpAddr>,
    /// Whose it is.
    pub remoteid: RemoteId,
    /// Its tariff.
    pub tariff: LicenseTariff,
    /// Its period as upstream sells it.
    pub period: Option<Period>,
    /// Its status.
    pub status: LicenseStatus,
    /// A change is under way (special_status 1).
    pub changing: bool,
    /// Its key; `None` until it is issued, and in lists.
    pub key: Option<LicenseKey>,
    /// The day it was ordered.
    pub created: Option<NaiveDate>,
    /// When it runs out.
    pub expires: Expiry,
    /// Whether upstream would renew it by itself.
    pub autoprolong: Option<bool>,
    /// The day of the last change of address (real_ipchange).
    pub ip_changed: Option<NaiveDate>,
    /// The day of the last change of key (real_keychange).
    pub key_changed: Option<NaiveDate>,
    /// Values of its addons (`addon_N`).
    pub addons: BTreeMap<UpstreamAddonId, u32>,
    /// What it costs, as upstream words it (for people only).
    pub cost: Option<String>,
}

/// The name of a license that nobody uses (LICENSING.md 7).
pub const FREE_NAME: &str = "free.lic";

/// The address of a license that nobody uses.
pub const FREE_IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

impl License {
    /// Whether it is known to have that name.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    /// Its name for people; empty where it is not known.
    pub fn shown_name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Whether a name or an address of it is known that a free one has not.
    pub fn looks_used(&self) -> bool {
        self.name.as_ref().is_some_and(|name| name != FREE_NAME) || self.ip.is_some_and(|ip| ip != FREE_IP)
    }

    /// Whether a list left out what is needed to judge whose it is and whether it can be had: then it is opened.
    pub fn is_incomplete(&self) -> bool {
        self.remoteid == RemoteId::Absent
            || self.tariff.id().is_none()
            || self.status == LicenseStatus::Absent
            || self.name.is_none()
            || self.expires == Expiry::Unknown
            || self.autoprolong.is_none()
    }

    /// Whether it carries name and address of a free one.
    pub fn looks_free(&self) -> bool {
        self.is_named(FREE_NAME) && self.ip == Some(FREE_IP)
    }
}

/// An amount in minor units (cents, kopecks) of a currency; amounts of different currencies never meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Minor units; negative for a debt.
    pub minor: i64,
    /// ISO 4217 code, upper case.
    pub currency: String,
}

impl Money {
    /// Reads an amount that a program wrote, such as `12.5`, `-3` or `1 200,00`; `None` when it is not one. What a
    /// seller shows to people is for [`Money::in_words`].
    pub fn parse(amount: &str, currency: &str) -> Option<Self> {
        let cleaned: String = amount.chars().filter(|c| !c.is_whitespace() && *c != '\u{a0}').collect();
        let cleaned = cleaned.replace(',', ".");
        let (negative, digits) = match cleaned.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, cleaned.as_str()),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let minor = minor_units(whole, fraction)?;
        Some(Self { minor: if negative { -minor } else { minor }, currency: currency.trim().to_uppercase() })
    }

    /// Reads an amount as a billing system words it for people: `1,200.00`, `1.200,00 руб.` and `€1 200` are all 1200.
    /// `None` where the words could mean two amounts (`1,200`) or hold no plain number (`1.2e3`): unknown is not zero.
    pub fn in_words(words: &str, currency: &str) -> Option<Self> {
        let first = words.find(|c: char| c.is_ascii_digit())?;
        let last = words.rfind(|c: char| c.is_ascii_digit())?;
        let (before, rest) = words.split_at(first);
        let (number, after) = rest.split_at(last + 1 - first);
        let minuses = before.chars().filter(|c| MINUS.contains(*c)).count();
        let is_separated =
            before.ends_with(['.', ',']) || after.trim_start().starts_with(|c| c == ',' || MINUS.contains(c));
        if minuses > 1 || is_separated || before.contains('+') {
            return None;
        }
        let (whole, fraction) = number_parts(number)?;
        let minor = minor_units(&whole, fraction)?;
        Some(Self { minor: if minuses == 1 { -minor } else { minor }, currency: currency.trim().to_uppercase() })
    }

    /// Reads a price as a billing system words it: `5.00 EUR / 1 mon.`, `450 руб.`, `€5`; `None` without a currency.
    pub fn from_words(words: &str) -> Option<Self> {
        let price = words.split('/').next().unwrap_or_default();
        Self::in_words(price, &currency_in(price)?)
    }
}

/// The signs that make an amount a debt: the hyphen, and the minus of typographers.
const MINUS: &str = "-\u{2212}";

/// The digits before and after the decimal separator of a number, which begins and ends with a digit. White space and
/// apostrophes only group thousands; a dot or a comma does so too where the other one follows it, or where it occurs
/// twice. Alone before exactly three digits it could be either.
fn number_parts(number: &str) -> Option<(String, &str)> {
    let is_group_sign = |c: char| c.is_whitespace() || matches!(c, '\'' | '\u{2019}' | '.' | ',');
    let (whole, fraction) = match number.rsplit_once(['.', ',']) {
        None => (number, ""),
        Some((whole, fraction)) => {
            let point = number.get(whole.len()..)?.chars().next()?;
            let occurs_twice = whole.contains(point);
            let is_grouped = whole.contains(is_group_sign);
            match (occurs_twice, is_grouped) {
                (true, _) => (number, ""),
                (false, false) if fraction.len() == 3 && whole.len() <= 3 && !whole.starts_with('0') => return None,
                (false, _) => (whole, fraction),
            }
        }
    };
    let mut signs = whole.chars().filter(|c| !c.is_ascii_digit());
    let sign = signs.next();
    if sign.is_some_and(|sign| !is_group_sign(sign) || signs.any(|other| other != sign)) {
        return None;
    }
    let groups: Vec<&str> = whole.split(|c: char| Some(c) == sign).collect();
    let are_thousands = groups.iter().skip(1).all(|group| group.len() == 3) && groups.first()?.len() <= 3;
    (groups.len() == 1 || are_thousands).then(|| (groups.concat(), fraction))
}

/// Hundredths from the digits before and after the decimal separator; what is less than a hundredth is left out.
fn minor_units(whole: &str, fraction: &str) -> Option<i64> {
    let only_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !only_digits(whole) || !only_digits(fraction) {
        return None;
    }
    let cents = format!("{fraction:0<2}");
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents.get(..2)?.parse::<i64>().ok()?)
}

/// The currency's code in a text such as `EUR`, `10.00 EUR` or `€10`.
pub fn currency_in(text: &str) -> Option<String> {
    let word = text.split(|c: char| !c.is_ascii_alphabetic()).find(|word| word.len() == 3);
    let sign = || {
        [("€", "EUR"), ("$", "USD"), ("₽", "RUB"), ("руб", "RUB")]
            .into_iter()
            .find(|(sign, _)| text.contains(sign))
            .map(|(_, code)| code.to_owned())
    };
    word.map(str::to_uppercase).or_else(sign)
}

/// What a purchase cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cost {
    /// It is no purchase.
    None,
    /// As the seller shows it.
    Seller(Money),
    /// The seller shows nothing that can be read: our list price, an estimate.
    ListPrice(Money),
    /// It may have cost something, and nobody says what.
    Unknown,
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        write!(f, "{sign}{}.{:02} {}", minor / 100, minor % 100, self.currency)
    }
}

/// The expiry of a table of tests: a day, or none in so many words for an empty text.
#[cfg(test)]
pub fn ends(day: &str) -> Expiry {
    day.parse().map_or(Expiry::Never, Expiry::On)
}

/// A license for tables of tests: a month of ISPmanager 6 Lite at 192.0.2.10.
#[cfg(test)]
pub fn test_license(id: u32) -> License {
    License {
        id: LicenseId(id),
        name: Some("shop".into()),
        ip: "192.0.2.10".parse().ok(),
        remoteid: RemoteId::Empty,
        tariff: LicenseTariff::Id(UpstreamPricelistId(55227)),
        period: Some(Period::from_panel(1)),
        status: LicenseStatus::Active,
        changing: false,
        key: None,
        created: None,
        expires: ends("2027-02-01"),
        autoprolong: Some(false),
        ip_changed: None,
        key_changed: None,
        addons: BTreeMap::new(),
        cost: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One amount in all its spellings; what could be another amount, or is no plain number, is none.
    #[test]
    fn amounts_in_words() {
        for text in [
            "1200.00",
            "1200,00",
            "1,200.00",
            "1.200,00",
            "1 200,00",
            "1\u{a0}200,00",
            "1\u{202f}200.00",
            "1 200",
            "1200",
            "1'200.00",
            "1’200,00",
            "1200.000",
            "1 200,000",
            "1200.0",
            "€1,200.00",
            "1.200,00 €",
            "1 200,00 руб.",
            "RUB 1,200.00",
            "Rs 1,200.00",
            " 1200.00 EUR ",
        ] {
            assert_eq!(Money::in_words(text, "EUR").map(|money| money.minor), Some(120_000), "{text}");
        }
        for (text, minor) in [
            ("1,200,300", 120_030_000),
            ("1.200.300,5", 120_030_050),
            ("12 345 678.9", 1_234_567_890),
            ("0,999", 99),
            ("-1 200,50", -120_050),
            ("\u{2212}3", -300),
            ("- 3.07 EUR", -307),
            ("0", 0),
        ] {
            assert_eq!(Money::in_words(text, "EUR").map(|money| money.minor), Some(minor), "{text}");
        }
        for text in [
            "1,200",
            "1.200",
            "10,999 EUR",
            "-1,200",
            "1.2e3",
            "1e5",
            "1,2,3",
            "1.200,300.50",
            "1,200 300",
            "12 34",
            "1 2345",
            "1,200.300,5",
            "1234 567",
            "1200-",
            "+5",
            "--1",
            "5 or 6",
            ".5",
            "5-6",
            "",
            "none",
            "1.234 567,00",
            "99999999999999999999",
        ] {
            assert_eq!(Money::in_words(text, "EUR"), None, "{text}");
        }
    }

    /// Amounts are read without floats, and rubbish is no amount.
    #[test]
    fn money() {
        for (text, minor) in [("10", 1000), ("10.5", 1050), ("1 200,00", 120_000), ("-3.07", -307), ("0.999", 99)] {
            assert_eq!(Money::parse(text, "eur").map(|m| m.minor), Some(minor), "{text}");
        }
        for text in ["", "abc", "1.x", ".", "1e5", "--1"] {
            assert_eq!(Money::parse(text, "EUR"), None, "{text}");
        }
        for (text, want) in [
            ("5.00 EUR / 1 mon.", Some("5.00 EUR")),
            ("450 руб.", Some("450.00 RUB")),
            ("€ 1 200,50 / 12", Some("1200.50 EUR")),
            ("0.00 EUR / -100 mon.", Some("0.00 EUR")),
            ("5.00", None),
            ("free", None),
        ] {
            assert_eq!(Money::from_words(text).map(|money| money.to_string()).as_deref(), want, "{text}");
        }
        assert_eq!(Money { minor: -5, currency: "EUR".into() }.to_string(), "-0.05 EUR");
    }
}
