//! bind: whether a license may be given to a service, and with which mark and product it is bound
//! (docs/money-safety.md 5). `engine::bind` reads the service and the license, and asks here. An operator may agree to
//! more than the program may decide alone.

use std::net::IpAddr;

use crate::error::Text;
use crate::model::catalogue::{Catalogue, Product};
use crate::model::ids::{ClientId, ItemId, LicenseId, Mark, PanelId, UpstreamPricelistId};
use crate::model::item::Item;
use crate::model::license::License;
use crate::model::license_row::LicenseRow;
use crate::plan::change::Difference;
use crate::plan::identity::{Standing, is_our_mark};
use crate::plan::outward;

/// The options that an operator gave to `bind`: what may happen besides the binding itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consent {
    /// The license that the service holds now is freed.
    pub replace: bool,
    /// The license may bear the mark of this other installation.
    pub take_from: Option<PanelId>,
    /// The license may be of another product than the service asks for.
    pub other_product: bool,
}

/// How a license is bound.
#[derive(Debug, Clone)]
pub struct BindOptions {
    /// The options that the operator gave.
    pub consent: Consent,
    /// An operator named service and license. That decides who the service is, and from which service the license is
    /// taken.
    pub by_operator: bool,
    /// The license gets our mark, and its automatic renewal is switched off.
    pub mark: bool,
    /// Why, for the journal; `None`: by hand.
    pub reason: Option<Text>,
    /// The number in the license's mark, where it proves that older orders of the service are over. A license that such
    /// an order bought is freed when it appears. `None`: an open order prevents the binding.
    pub ends_older: Option<u32>,
}

impl BindOptions {
    /// An operator named service and license.
    pub fn of_operator(consent: Consent) -> Self {
        Self { consent, by_operator: true, mark: true, reason: None, ends_older: None }
    }
}

/// Who a service is that an operator named together with a license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// The service that our state knows.
    Known,
    /// Its client changed, and the operator accepts that. Holds the client that our state recorded.
    NewClient(ClientId),
    /// It cannot be known before an order of the former client, which is in doubt, has ended. Holds the former client.
    OrderInDoubt(ClientId),
    /// Another license is bound to another incarnation of its number. Holds that license.
    OtherIncarnation(LicenseId),
}

/// Judges the service that an operator named together with a license.
pub fn accepted(standing: Standing, license: LicenseId) -> Accepted {
    match standing {
        Standing::Same => Accepted::Known,
        Standing::NewClient(known) | Standing::OtherClient { known, bound: Some(_) } => Accepted::NewClient(known),
        Standing::OtherClient { known, bound: None } => Accepted::OrderInDoubt(known),
        Standing::OtherIncarnation { bound } if bound == license => Accepted::Known,
        Standing::OtherIncarnation { bound } => Accepted::OtherIncarnation(bound),
    }
}

/// The service that a license serves according to our state. `row`: our row of the license.
pub fn holder(row: Option<&LicenseRow>) -> Option<ItemId> {
    row.filter(|row| row.incarnation.is_some()).and_then(|row| row.item)
}

/// From which service a license is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// From none.
    Nobody,
    /// From this one.
    Service(ItemId),
    /// It stays with this one, and is not bound.
    Stays(ItemId),
}

/// Judges from which service a license is taken. Only an operator may take a license from a service, and only for the
/// service that shows it. `row`: our row of the license.
pub fn source(item: &Item, license: LicenseId, row: Option<&LicenseRow>, by_operator: bool) -> Source {
    match holder(row).filter(|holder| *holder != item.id) {
        None => Source::Nobody,
        Some(holder) if by_operator && item.params.licid == Some(license) => Source::Service(holder),
        Some(holder) => Source::Stays(holder),
    }
}

/// The mark of another installation on a license, from which the operator did not agree to take it. `row`: our row of
/// the license.
pub fn mark_of_another(seen: &License, row: Option<&LicenseRow>, panel: &PanelId, consent: &Consent) -> Option<Mark> {
    let is_allowed = |mark: &Mark| is_our_mark(mark, row, panel) || consent.take_from.as_ref() == Some(mark.panel());
    seen.remoteid.mark().filter(|mark| !is_allowed(mark))
}

/// True if the license has the tariff of one of these products, or may have it: a mere name of a tariff excludes
/// nothing.
pub fn fits(seen: &License, products: [&Product; 2]) -> bool {
    products.into_iter().any(|product| seen.tariff.may_be(product.pricelist))
}

/// The mark that a license bears when it is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkThen {
    /// This one, which it bears already: it says for which service the license was bought.
    Kept(Mark),
    /// The next mark of the service.
    Next,
    /// The one that our state has for it, if any. The seller is sent none.
    AsRecorded,
}

/// Judges which mark a license bears when it is bound. `marks`: the license gets our mark.
pub fn mark_then(seen: &License, panel: &PanelId, item: ItemId, marks: bool) -> MarkThen {
    match seen.remoteid.mark_of(panel) {
        Some(mark @ Mark::Order { item: of, .. }) if of == item => MarkThen::Kept(mark),
        Some(Mark::Order { .. } | Mark::Pool { .. }) | None if marks => MarkThen::Next,
        Some(Mark::Order { .. } | Mark::Pool { .. }) | None => MarkThen::AsRecorded,
    }
}

/// The internal name that a license is bound with. A license that is in use already keeps its name, because a change by
/// the seller was adopted before. A license of another product that is certainly meant for this service keeps the name
/// of that product, so that the difference from the product that the service asks for stays visible.
///
/// `row`: our row of the license; `tariff`: as the seller shows it; `is_certain`: an operator says so, or the license
/// bears the mark of an order for this service and has the tariff of that order; `asked`: the product that the service
/// asks for.
pub fn name_then(
    row: Option<&LicenseRow>,
    tariff: Option<UpstreamPricelistId>,
    is_certain: bool,
    catalogue: &Catalogue,
    asked: &Product,
) -> String {
    if let Some(row) = row.filter(|row| row.incarnation.is_some()) {
        return row.internal_name.clone();
    }
    let known = tariff.filter(|_| is_certain).and_then(|pricelist| catalogue.by_pricelist(pricelist));
    known.unwrap_or(asked).internal_name.clone()
}

/// The outward address of a license now, and after these changes; `None`: not known. An empty one says that there is
/// none.
pub fn outward_now_and_then(
    changes: &[Difference],
    wanted: Option<IpAddr>,
    row: &LicenseRow,
    seen: &License,
) -> [Option<String>; 2] {
    let now =
        outward::known(row, seen).map(|known| if outward::is(known, None) { String::new() } else { known.to_owned() });
    let sent = changes.iter().find_map(|change| match change {
        Difference::Ip(_) => outward::beside(wanted, row, seen),
        Difference::Outward(ip) => Some(ip.map_or_else(String::new, |ip| ip.to_string())),
        Difference::Tariff { .. }
        | Difference::Nodes { .. }
        | Difference::Name(_)
        | Difference::Autoprolong
        | Difference::Running
        | Difference::NotRunning => None,
    });
    let then = sent.or_else(|| now.clone());
    [now, then]
}

#[cfg(test)]
mod tests;
