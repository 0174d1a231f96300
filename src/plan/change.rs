//! What a license lacks of what its item wants: address, name, tariff, nodes, running or stopped, key (LICENSING.md 8).
//! One comparison serves setparam, sync and everything that repairs.

use std::net::IpAddr;

use chrono::NaiveDate;

use crate::model::held::LicenseRow;
use crate::model::ids::{UpstreamAddonId, UpstreamPricelistId};
use crate::model::item::{Item, ItemStatus};
use crate::model::license::{License, LicenseStatus};

/// What the item wants of its license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The tariff upstream.
    pub pricelist: UpstreamPricelistId,
    /// The address; `None`: the product needs none, or the item names none.
    pub ip: Option<IpAddr>,
    /// The name.
    pub licname: String,
    /// The node addon and the whole number of nodes, for products that have them.
    pub nodes: Option<(UpstreamAddonId, u32)>,
}

/// One difference between what the item wants and what upstream has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The client chose another product: the tariff must change.
    Tariff {
        /// Upstream now.
        from: UpstreamPricelistId,
        /// Wanted.
        to: UpstreamPricelistId,
    },
    /// Another number of nodes.
    Nodes {
        /// Upstream now, as far as known.
        from: u32,
        /// Wanted.
        to: u32,
    },
    /// Another address.
    Ip(IpAddr),
    /// Another name.
    Name(String),
    /// Upstream would renew by itself.
    Autoprolong,
    /// It runs, and the service is suspended.
    Running,
    /// It is stopped though it has time left, and the service is active.
    NotRunning,
}

/// Compares what the item wants with what upstream has. What the seller changed (the tariff differs from what we
/// ordered, and the item still wants what we ordered) is not a difference: it is adopted (LICENSING.md 5).
pub fn differences(
    item: &Item,
    target: &Target,
    row: &LicenseRow,
    seen: &License,
    today: NaiveDate,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let have = seen.tariff.id().unwrap_or(row.pricelist);
    if target.pricelist != row.pricelist && target.pricelist != have {
        found.push(Difference::Tariff { from: have, to: target.pricelist });
    }
    if let Some((addon, to)) = target.nodes {
        let from = seen.addons.get(&addon).copied().or(row.nodes).unwrap_or(to);
        if from != to {
            found.push(Difference::Nodes { from, to });
        }
    }
    if let Some(ip) = target.ip.filter(|ip| seen.ip != Some(*ip)) {
        found.push(Difference::Ip(ip));
    }
    if seen.name != target.licname {
        found.push(Difference::Name(target.licname.clone()));
    }
    if seen.autoprolong == Some(true) {
        found.push(Difference::Autoprolong);
    }
    let has_time = seen.expires.is_none_or(|expires| expires > today);
    match (item.status, seen.status) {
        (ItemStatus::Suspended, LicenseStatus::Active) => found.push(Difference::Running),
        (ItemStatus::Active, LicenseStatus::Stopped) if has_time => found.push(Difference::NotRunning),
        _ => {}
    }
    found
}
