//! The requests that are sent once, as the journal keeps them, and the seller's answers to them
//! (docs/money-safety.md 1 and 2).

use std::net::IpAddr;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::model::hosting::{AddLicense, RemoveLicense};
use crate::model::ids::{LicenseId, LicenseKey, Mark, UpstreamAddonId, UpstreamPricelistId};
use crate::model::license::Family;
use crate::model::period::{MonthCount, Period};

/// An order as it is sent. While its outcome is in doubt, the search uses the stored copy, and not the present values
/// of the item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRequest {
    /// Which functions of the seller serve it.
    pub family: Family,
    /// What is bought.
    pub pricelist: UpstreamPricelistId,
    /// For how long.
    pub period: Period,
    /// The address, where the product needs one.
    pub ip: Option<IpAddr>,
    /// The outward address of a server behind NAT, where the service has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remoteip: Option<IpAddr>,
    /// The name.
    pub licname: String,
    /// The mark, sent as remoteid.
    pub mark: Mark,
    /// The node addon and the number of nodes, where the product has one.
    pub nodes: Option<(UpstreamAddonId, u32)>,
    /// For a module of a license: the license that it belongs to (`item`).
    pub parent: Option<LicenseId>,
    /// Not part of what is sent: the seller's calendar showed this day or a later one when the request left.
    /// `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<NaiveDate>,
}

/// The calls that are sent once: each needs a recorded intent and is never repeated blindly (docs/money-safety.md 1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnceRequest {
    /// `*.order.param`
    Order(OrderRequest),
    /// `service.prolong elid period`
    Prolong {
        /// elid
        license: LicenseId,
        /// months
        period: MonthCount,
        /// Its expiry before: a later one is the evidence that the renewal happened.
        before: NaiveDate,
        /// Not part of what is sent: the seller's calendar showed this day or a later one when the request left.
        /// `None`: not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<NaiveDate>,
    },
    /// `service.changepricelist elid pricelist period`
    ChangePricelist {
        /// elid
        license: LicenseId,
        /// The tariff wanted.
        pricelist: UpstreamPricelistId,
        /// months, or the trial's number
        period: Period,
    },
    /// `*.edit elid sok=ok addon_N`
    SetNodes {
        /// Which functions of the seller serve it.
        family: Family,
        /// elid
        license: LicenseId,
        /// The N of `addon_N`.
        addon: UpstreamAddonId,
        /// The total number of nodes, with the included ones.
        nodes: u32,
    },
    /// `*.edit elid sok=ok clicked_button=newkey`
    NewKey {
        /// Which functions of the seller serve it.
        family: Family,
        /// elid
        license: LicenseId,
        /// Fingerprint of the key before: another key is the evidence.
        before: String,
    },
    /// `*.delete elid sok=ok`
    Delete {
        /// Which functions of the seller serve it.
        family: Family,
        /// elid
        license: LicenseId,
    },
    /// `generate-license-key` of a hosting order.
    AddLicense(AddLicense),
    /// The call of the setting `remove_call` for a hosting order.
    RemoveLicense(RemoveLicense),
}

impl OnceRequest {
    /// The order, if it is one.
    pub fn as_order(&self) -> Option<&OrderRequest> {
        if let Self::Order(order) = self { Some(order) } else { None }
    }

    /// The purchase of an addon, if it is one.
    pub fn as_addition(&self) -> Option<&AddLicense> {
        if let Self::AddLicense(add) = self { Some(add) } else { None }
    }

    /// The removal of an addon, if it is one.
    pub fn as_removal(&self) -> Option<&RemoveLicense> {
        if let Self::RemoveLicense(remove) = self { Some(remove) } else { None }
    }

    /// The existing license that the request is about; `None` for an order.
    pub fn license(&self) -> Option<LicenseId> {
        match self {
            Self::Order(_) => None,
            Self::Prolong { license, .. }
            | Self::ChangePricelist { license, .. }
            | Self::SetNodes { license, .. }
            | Self::NewKey { license, .. }
            | Self::Delete { license, .. } => Some(*license),
            Self::AddLicense(AddLicense { order, .. }) | Self::RemoveLicense(RemoveLicense { order, .. }) => {
                Some(*order)
            }
        }
    }

    /// One word for the journal: order, renewal, tariff, nodes, newkey, delete, add, remove.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Order(_) => "order",
            Self::Prolong { .. } => "renewal",
            Self::ChangePricelist { .. } => "tariff",
            Self::SetNodes { .. } => "nodes",
            Self::NewKey { .. } => "newkey",
            Self::Delete { .. } => "delete",
            Self::AddLicense(_) => "add",
            Self::RemoveLicense(_) => "remove",
        }
    }
}

/// What the seller answered to a call that was sent once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnceAnswer {
    /// An order: the license's number, where the answer held one.
    Ordered(Option<LicenseId>),
    /// A renewal: the new expiry, where the answer held one.
    Prolonged(Option<NaiveDate>),
    /// A new key, where the answer held it.
    Key(Option<LicenseKey>),
    /// Done, without further information.
    Changed,
}
