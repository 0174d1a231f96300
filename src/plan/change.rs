//! The differences between a license and what its item asks for: address, name, tariff, nodes, running or stopped, key
//! (docs/licensing-rules.md 8). setparam, sync and all repairs use this one comparison.

use std::net::IpAddr;

use chrono::NaiveDate;

use crate::model::ids::{UpstreamAddonId, UpstreamPricelistId};
use crate::model::item::{Item, ItemStatus};
use crate::model::license::{Family, License, LicenseStatus};
use crate::model::license_row::LicenseRow;

use super::outward;

/// The license that the item should have now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredLicense {
    /// The internal name that the item asks for.
    pub internal_name: String,
    /// The tariff at the seller.
    pub pricelist: UpstreamPricelistId,
    /// The address; `None`: the product needs none, or the item names none.
    pub ip: Option<IpAddr>,
    /// The outward address behind NAT, for a service that has one.
    pub remoteip: Option<IpAddr>,
    /// The name.
    pub licname: String,
    /// The node addon and the whole number of nodes, for products that have them.
    pub nodes: Option<(UpstreamAddonId, u32)>,
}

/// One difference between what the item wants and what the seller has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The client chose another product: the tariff must change.
    Tariff {
        /// The seller now.
        from: UpstreamPricelistId,
        /// Wanted.
        to: UpstreamPricelistId,
    },
    /// Another number of nodes.
    Nodes {
        /// The seller now, as far as known.
        from: u32,
        /// Wanted.
        to: u32,
    },
    /// Another address.
    Ip(IpAddr),
    /// Another outward address, while the address is the same. `None`: there should be none any more.
    Outward(Option<IpAddr>),
    /// Another name.
    Name(String),
    /// The seller would renew it automatically.
    Autoprolong,
    /// It runs, and the service is suspended.
    Running,
    /// It is stopped although it has time left, and the service is active.
    NotRunning,
}

/// Compares what the item asks for with what the seller has. A change by the seller is adopted and not a difference:
/// the tariff differs from the one that we ordered, and the item still asks for that one (docs/licensing-rules.md 5).
pub fn differences(
    item: &Item,
    desired: &DesiredLicense,
    row: &LicenseRow,
    seen: &License,
    today: NaiveDate,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let have = seen.tariff.id().unwrap_or(row.pricelist);
    // Our row has the seller's tariff, and the internal name that the client chose last. Only another choice of the
    // client is a difference.
    if desired.pricelist != have && desired.internal_name != row.internal_name {
        found.push(Difference::Tariff { from: have, to: desired.pricelist });
    }
    if let Some((addon, to)) = desired.nodes {
        let from = seen.addons.get(&addon).copied().or(row.nodes).unwrap_or(to);
        if from != to {
            found.push(Difference::Nodes { from, to });
        }
    }
    // A module has neither address nor name of its own; those of its license count.
    let has_place = row.family != Family::Addition;
    if let Some(ip) = desired.ip.filter(|ip| has_place && seen.ip != Some(*ip)) {
        found.push(Difference::Ip(ip));
    } else if has_place && desired.ip.is_some() && outward::differs(desired.remoteip, row, seen) {
        found.push(Difference::Outward(desired.remoteip));
    }
    if has_place && seen.name.is_some() && !row.keeps_name(&desired.licname, seen) {
        found.push(Difference::Name(desired.licname.clone()));
    }
    if seen.autoprolong == Some(true) {
        found.push(Difference::Autoprolong);
    }
    found.extend(switch(item, seen, today).map(|switch| match switch {
        Switch::Stop => Difference::Running,
        Switch::Start => Difference::NotRunning,
    }));
    found
}

/// A license that runs or is stopped although its service is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// It runs, and the service is suspended.
    Stop,
    /// It is stopped although it has time left, and the service is active.
    Start,
}

/// Whether a license has to be stopped or started. The status of its service decides this alone, so it is known for a
/// service whose address or choice is not.
pub fn switch(item: &Item, seen: &License, today: NaiveDate) -> Option<Switch> {
    let has_time = !seen.expires.has_passed(today);
    match (item.status, seen.status) {
        (ItemStatus::Suspended, LicenseStatus::Active) => Some(Switch::Stop),
        (ItemStatus::Active, LicenseStatus::Stopped) if has_time => Some(Switch::Start),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::item::test_item;
    use crate::model::license::{Expiry, LicenseTariff, ends, test_license};
    use crate::model::license_row::test_row;

    const LITE: UpstreamPricelistId = UpstreamPricelistId(55227);
    const PRO: UpstreamPricelistId = UpstreamPricelistId(55228);
    const NODES: UpstreamAddonId = UpstreamAddonId(55236);

    fn item(status: i32) -> Item {
        Item { status: ItemStatus::from_number(status), expires: None, ..test_item(42) }
    }

    fn seen() -> License {
        test_license(9)
    }

    fn row() -> LicenseRow {
        LicenseRow { item: None, nodes: Some(1), ip: None, expires: Expiry::Unknown, ..test_row(9) }
    }

    fn desired() -> DesiredLicense {
        DesiredLicense {
            internal_name: "55227".into(),
            pricelist: LITE,
            ip: "192.0.2.10".parse().ok(),
            remoteip: None,
            licname: "shop".into(),
            nodes: None,
        }
    }

    /// docs/licensing-rules.md 8, row by row; and what the seller changed is adopted, not undone
    /// (docs/licensing-rules.md 5).
    #[test]
    fn each_difference_is_found_and_the_sellers_changes_are_adopted() {
        let found = |status, desired: &DesiredLicense, seen: &License| {
            differences(&item(status), desired, &row(), seen, "2027-01-10".parse().expect("a date"))
        };
        let nodes = |have: &[u32], want| {
            let seen = License { addons: have.iter().map(|have| (NODES, *have)).collect(), ..seen() };
            found(2, &DesiredLicense { nodes: Some((NODES, want)), ..desired() }, &seen)
        };
        let new_ip = "192.0.2.11".parse().expect("an address");
        let stopped = || License { status: LicenseStatus::Stopped, ..seen() };
        assert_eq!(found(2, &desired(), &seen()), []);
        let pro = || DesiredLicense { internal_name: "55228".into(), pricelist: PRO, ..desired() };
        assert_eq!(found(2, &pro(), &seen()), [Difference::Tariff { from: LITE, to: PRO }]);
        let seller_changed = License { tariff: LicenseTariff::Id(PRO), ..seen() };
        assert_eq!(found(2, &desired(), &seller_changed), [], "the seller's change of tariff is adopted");
        assert_eq!(found(2, &pro(), &seller_changed), [], "already there");
        assert_eq!(nodes(&[3], 3), []);
        assert_eq!(nodes(&[3], 2), [Difference::Nodes { from: 3, to: 2 }], "fewer");
        assert_eq!(nodes(&[], 4), [Difference::Nodes { from: 1, to: 4 }], "the seller shows none: our record");
        assert_eq!(found(2, &DesiredLicense { ip: Some(new_ip), ..desired() }, &seen()), [Difference::Ip(new_ip)]);
        assert_eq!(found(2, &DesiredLicense { ip: None, ..desired() }, &seen()), [], "no address wanted");
        let renamed = DesiredLicense { licname: "new".into(), ..desired() };
        assert_eq!(found(2, &renamed, &seen()), [Difference::Name("new".into())]);
        let automatic = License { autoprolong: Some(true), ..seen() };
        assert_eq!(found(2, &desired(), &automatic), [Difference::Autoprolong]);
        assert_eq!(found(3, &desired(), &seen()), [Difference::Running]);
        assert_eq!(found(2, &desired(), &stopped()), [Difference::NotRunning]);
        assert_eq!(found(3, &desired(), &stopped()), []);
        let ran_out = License { expires: ends("2027-01-10"), ..stopped() };
        assert_eq!(found(2, &desired(), &ran_out), [], "what ran out is renewed, not started");
    }
}
