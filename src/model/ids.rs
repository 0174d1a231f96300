//! Numbers and names that must never be mistaken for one another: each has a type of its own. Secrets (license keys)
//! are masked when they are printed. Only this module builds and reads the mark, which proves that a license is ours.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// Where a walk by number begins: every number is greater.
            pub const BEFORE_ALL: Self = Self(0);
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

number_id!(/// A service in our panel: `item.id`.
    ItemId);
number_id!(/// A processing module in our panel: `processingmodule.id`.
    ModuleId);
number_id!(/// A client of the provider: `item.account`.
    ClientId);
number_id!(/// The panel's attempt at an operation: `runningoperation.id`. A pointer to an intent, never its key.
    RunningOperationId);
number_id!(/// A tariff of our panel: `pricelist.id`.
    PricelistId);
number_id!(/// A tariff of the seller, the number that is ordered.
    UpstreamPricelistId);
number_id!(/// An addon of a tariff of upstream: the N of `addon_N`.
    UpstreamAddonId);
number_id!(/// A license at the seller (`licid`). Unique within one account of the seller only.
    LicenseId);
number_id!(/// An account of the seller as this state knows it: a row of our table `account`.
    AccountId);
number_id!(/// An intent as this state knows it: a row of our table `intent`.
    IntentId);

/// The text of a license key (`lickey`). Prints masked; [`LicenseKey::reveal`] is the only way to the text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LicenseKey(String);

impl LicenseKey {
    /// A key from its text. `None` for an empty text, with which the seller says "not issued yet".
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The text itself. Only for the item's parameter and the state file.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The number before the first hyphen of a key. If keys have that form, it is the license's number.
    pub fn number(&self) -> Option<LicenseId> {
        let (digits, _) = self.0.split_once('-')?;
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten().filter(|id: &LicenseId| id.0 > 0)
    }

    /// The license that the key names, if it is another license than this one.
    pub fn names_another(&self, license: LicenseId) -> Option<LicenseId> {
        self.number().filter(|number| *number != license)
    }

    /// A short one-way fingerprint. Idempotency keys use it to distinguish two license keys without showing either.
    pub fn fingerprint(&self) -> String {
        use sha2::{Digest, Sha256};
        Sha256::digest(self.0.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for LicenseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LicenseKey(***)")
    }
}

impl fmt::Display for LicenseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The id of this installation of pmisplicense: the P of the mark. Eight lower-case letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PanelId(String);

impl PanelId {
    /// Length in characters; short enough for a mark of at most 40 (docs/money-safety.md 4).
    pub const LENGTH: usize = 8;

    /// `None` unless the text is exactly eight lower-case letters or digits.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == Self::LENGTH && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        fits.then(|| Self(text.to_owned()))
    }

    /// The eight characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An id from random bytes, one character for each byte.
    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        Self(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
    }
}

/// The beginning of every remoteid of ours.
pub const MARK_PREFIX: &str = "pml-";

/// The remoteid that we give a license: the evidence to whom it belongs (docs/money-safety.md 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// `pml-P-I-N`: ordered for an item, or given to it from the pool; N is the running number of orders of the
    /// state.
    Order {
        /// The installation that ordered.
        panel: PanelId,
        /// The item it was ordered for.
        item: ItemId,
        /// The running number of the order.
        number: u32,
    },
    /// `pml-P-free`: freed by us, waiting in the pool.
    Pool {
        /// The installation that freed.
        panel: PanelId,
    },
}

impl Mark {
    /// Reads a remoteid. `None` when no installation of pmisplicense made it.
    pub fn parse(text: &str) -> Option<Self> {
        let (panel, rest) = text.strip_prefix(MARK_PREFIX)?.split_once('-')?;
        let panel = PanelId::parse(panel)?;
        if rest == "free" {
            return Some(Self::Pool { panel });
        }
        let (item, number) = rest.split_once('-')?;
        Some(Self::Order { panel, item: item.parse().ok()?, number: number.parse().ok()? })
    }

    /// The installation that set the mark.
    pub fn panel(&self) -> &PanelId {
        match self {
            Self::Order { panel, .. } | Self::Pool { panel } => panel,
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order { panel, item, number } => write!(f, "{MARK_PREFIX}{}-{item}-{number}", panel.as_str()),
            Self::Pool { panel } => write!(f, "{MARK_PREFIX}{}-free", panel.as_str()),
        }
    }
}

impl Serialize for Mark {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mark {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a mark"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mark survives the trip to the seller and back, stays within the seller's limit, and nothing else reads as
    /// one.
    #[test]
    fn a_mark_is_read_back_as_written_and_nothing_else_is_one() {
        let panel = PanelId::from_bytes([7; 8]);
        let order = Mark::Order { panel: panel.clone(), item: ItemId(u32::MAX), number: u32::MAX };
        assert!(order.to_string().len() <= 40);
        for mark in [order, Mark::Pool { panel }] {
            assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
        }
        for text in ["", "pml-", "pml-abcdefgh", "pml-abcdefgh-1", "pml-ABCDEFGH-1-2", "pml-abcdefgh-x-2", "42"] {
            assert_eq!(Mark::parse(text), None, "{text}");
        }
    }

    /// A key never shows itself by accident.
    #[test]
    fn a_printed_key_is_masked() {
        let key = LicenseKey::parse(" SECRET-KEY ").expect("a key");
        assert!(!format!("{key:?} {key}").contains("SECRET"));
        assert_eq!(key.reveal(), "SECRET-KEY");
        assert_eq!(LicenseKey::parse("  "), None);
    }
}
