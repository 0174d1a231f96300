//! A license as the seller shows it, and money. Every value of the seller that we do not know stays visible as
//! `Unknown`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

pub use super::money::{Cost, Money, currency_in};

use super::ids::{LicenseId, LicenseKey, Mark, PanelId, UpstreamAddonId, UpstreamPricelistId};
use super::name;
use super::period::Period;

/// Which functions of the seller serve a license: the prefix of its verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// The seller's own products: `soft.*`.
    Soft,
    /// Third-party licenses: `softexternal.*`.
    SoftExternal,
    /// Modules of a license: `addition.*`.
    Addition,
    /// Licenses that are an addon of a hosting order at OrderBox.
    Orderbox,
}

impl Family {
    /// The prefix of the seller's functions.
    pub fn func(self) -> &'static str {
        match self {
            Self::Soft => "soft",
            Self::SoftExternal => "softexternal",
            Self::Addition => "addition",
            Self::Orderbox => "orderbox",
        }
    }

    /// Whether a license of this family has a key of its own. A module uses the key of the license that it belongs to.
    pub fn has_key(self) -> bool {
        match self {
            Self::Soft | Self::SoftExternal | Self::Orderbox => true,
            Self::Addition => false,
        }
    }

    /// Whether a license of this family belongs to a hosting order. It is not kept for another client, and when an
    /// operator takes it from its service, it stays on its order.
    pub fn stays_on_order(self) -> bool {
        match self {
            Self::Soft | Self::SoftExternal | Self::Addition => false,
            Self::Orderbox => true,
        }
    }

    /// From the text of the settings file or of our state.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Soft, Self::SoftExternal, Self::Addition, Self::Orderbox]
            .into_iter()
            .find(|family| family.func() == text)
    }
}

/// `status` of a license at the seller.
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
    /// The answer leaves it out, or it is not a number. The value that was known before is kept, and no decision
    /// depends on this one.
    Absent,
    /// Anything else. No decision depends on it.
    Unknown(i32),
}

impl LicenseStatus {
    /// From the seller's number.
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

    /// The seller's number again.
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

    /// The seller's number, if the answer had one.
    pub fn known_number(self) -> Option<i32> {
        (self != Self::Absent).then(|| self.number())
    }

    /// This status, or the one before if the answer leaves it out.
    #[must_use]
    pub fn or(self, before: Self) -> Self {
        if self == Self::Absent { before } else { self }
    }
}

/// When a license runs out, as far as the seller said. "Not known" is never "no end": nothing is bought or renewed on
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expiry {
    /// On that day. The license works through the day before.
    On(NaiveDate),
    /// Never: the field is there and says that there is no end.
    Never,
    /// The field is missing, or its value is not a day.
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

    /// This expiry, or the one before if nothing is known now.
    #[must_use]
    pub fn or(self, before: Self) -> Self {
        if self == Self::Unknown { before } else { self }
    }

    /// Whether the license has run out by that day.
    pub fn has_passed(self, today: NaiveDate) -> bool {
        self.day().is_some_and(|day| day <= today)
    }
}

/// For people: the day, a dash for none, a question mark for not known.
impl std::fmt::Display for Expiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::On(day) => day.fmt(f),
            Self::Never => f.write_str("-"),
            Self::Unknown => f.write_str("?"),
        }
    }
}

/// What the seller says in the field remoteid.
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

    /// Whether the seller's answer does not show to whom the license belongs.
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

    /// Whether it may be that tariff. A mere name, or no answer, excludes nothing.
    pub fn may_be(&self, wanted: UpstreamPricelistId) -> bool {
        self.id().is_none_or(|id| id == wanted)
    }
}

/// For people: the number or the name; a dash where the answer says nothing.
impl fmt::Display for LicenseTariff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => f.write_str(name),
            Self::Absent => f.write_str("-"),
        }
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
/// `Unknown`, and the value that was known before is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct License {
    /// Its number at the seller.
    pub id: LicenseId,
    /// Its name (licname).
    pub name: Option<String>,
    /// Its address; `None` when the field is missing, empty or not an address.
    pub ip: Option<IpAddr>,
    /// The outward address behind NAT (remoteip), as the seller words it.
    pub remoteip: Option<String>,
    /// The remoteid, which may show to whom it belongs.
    pub remoteid: RemoteId,
    /// Its tariff.
    pub tariff: LicenseTariff,
    /// Its period as the seller sells it.
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
    /// Whether the seller renews it automatically.
    pub autoprolong: Option<bool>,
    /// The day of the last change of address (real_ipchange).
    pub ip_changed: Option<NaiveDate>,
    /// The day of the last change of key (real_keychange).
    pub key_changed: Option<NaiveDate>,
    /// Values of its addons (`addon_N`).
    pub addons: BTreeMap<UpstreamAddonId, u32>,
    /// Domains that its server has, where the seller counts them.
    pub domains: Option<u32>,
    /// What it costs, as the seller words it (for people only).
    pub cost: Option<String>,
    /// Names of the fields that the answer holds twice, with different values. They count as not known. Of two days of
    /// a change the later one counts.
    pub doubled: Vec<String>,
    /// Pairs of names under which the answer gives different days of the same change. The later one counts.
    pub apart: Vec<String>,
}

/// The name of a license that nobody uses (docs/licensing-rules.md 7).
pub const FREE_NAME: &str = "free.lic";

/// The address of a license that nobody uses.
pub const FREE_IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

impl License {
    /// A license of which only the number is known.
    pub fn unknown(id: LicenseId) -> Self {
        Self {
            id,
            name: None,
            ip: None,
            remoteip: None,
            remoteid: RemoteId::Absent,
            tariff: LicenseTariff::Absent,
            period: None,
            status: LicenseStatus::Absent,
            changing: false,
            key: None,
            created: None,
            expires: Expiry::Unknown,
            autoprolong: None,
            ip_changed: None,
            key_changed: None,
            addons: BTreeMap::new(),
            domains: None,
            cost: None,
            doubled: Vec::new(),
            apart: Vec::new(),
        }
    }

    /// Whether the seller shows it as deleted.
    pub fn is_deleted(&self) -> bool {
        self.status == LicenseStatus::Deleted
    }

    /// Whether it is known to have that name.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    /// Whether its name is that one, apart from escapes and white space.
    pub fn is_named_like(&self, name: &str) -> bool {
        self.name.as_deref().is_some_and(|shown| name::is_same(name, shown))
    }

    /// Whether its name may be the form in which the seller stores that one.
    pub fn may_be_named(&self, name: &str) -> bool {
        self.name.as_deref().is_some_and(|shown| name::may_be_of(name, shown))
    }

    /// The other license that its key names.
    pub fn key_of_another(&self) -> Option<LicenseId> {
        self.key.as_ref().and_then(|key| key.names_another(self.id))
    }

    /// Whether the answer holds a field twice, with different values.
    pub fn says_twice(&self, field: &str) -> bool {
        self.doubled.iter().any(|doubled| doubled == field)
    }

    /// Its name for people; empty where it is not known.
    pub fn shown_name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Whether it is known to have a name or an address that a free license does not have.
    pub fn looks_used(&self) -> bool {
        self.name.as_ref().is_some_and(|name| name != FREE_NAME) || self.ip.is_some_and(|ip| ip != FREE_IP)
    }

    /// Whether a list left out the fields that show to whom it belongs and whether it is free. Such a license is
    /// opened.
    pub fn is_incomplete(&self) -> bool {
        self.remoteid == RemoteId::Absent
            || self.tariff.id().is_none()
            || self.status == LicenseStatus::Absent
            || self.name.is_none()
            || self.expires == Expiry::Unknown
            || self.autoprolong.is_none()
    }

    /// Whether it has name and address of a free license.
    pub fn looks_free(&self) -> bool {
        self.is_named(FREE_NAME) && self.ip == Some(FREE_IP)
    }
}

/// For tables of tests: the expiry on a day, or `Never` for an empty text.
#[cfg(test)]
pub fn ends(day: &str) -> Expiry {
    day.parse().map_or(Expiry::Never, Expiry::On)
}

/// A license for tables of tests: a month of ISPmanager 6 Lite at 192.0.2.10.
#[cfg(test)]
pub fn test_license(id: u32) -> License {
    License {
        name: Some("shop".into()),
        ip: "192.0.2.10".parse().ok(),
        remoteid: RemoteId::Empty,
        tariff: LicenseTariff::Id(UpstreamPricelistId(55227)),
        period: Some(Period::from_panel(1)),
        status: LicenseStatus::Active,
        expires: ends("2027-02-01"),
        autoprolong: Some(false),
        ..License::unknown(LicenseId(id))
    }
}
