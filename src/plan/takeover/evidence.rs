//! Which service a license names: evidence from the license, from the panel and from an operator.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Text;
use crate::model::ids::{ItemId, LicenseId};
use crate::model::license::{License, RemoteId};
use crate::text;

use super::WhyLeft;

/// Evidence that a license belongs to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// An operator wrote the service beside the license.
    Map,
    /// The panel shows this number for the service.
    Licid,
    /// The seller's remoteid is the service's number.
    RemoteId,
    /// The license has the name `Item #ID …`.
    Name,
    /// It is at the service's address.
    Address,
}

impl Evidence {
    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::Licid => "licid",
            Self::RemoteId => "remoteid",
            Self::Name => "name",
            Self::Address => "address",
        }
    }
}

/// Services that a license may belong to, each with its evidence.
pub type Named = BTreeMap<ItemId, BTreeSet<Evidence>>;

/// The services that the license itself names, and those for which the panel shows it.
pub fn named(seen: &License, shown: &BTreeSet<ItemId>) -> Named {
    let mut named = Named::new();
    let mut add = |item: ItemId, by: Evidence| {
        named.entry(item).or_default().insert(by);
    };
    shown.iter().for_each(|item| add(*item, Evidence::Licid));
    let is_addons = addon_of(seen).is_some();
    if let Some(item) = item_of_remoteid(&seen.remoteid).filter(|_| !is_addons) {
        add(item, Evidence::RemoteId);
    }
    if let Some(item) = item_of_name(seen.shown_name()) {
        add(item, Evidence::Name);
    }
    named
}

/// What the license of a server's addon names (`Item #42 addon shop`): the server, and in its remoteid the addon's row.
/// That row is not a service, and may have the number of one.
pub fn addon_of(seen: &License) -> Option<(ItemId, ItemId)> {
    let server = item_of_name(seen.shown_name())?;
    let (_, rest) = seen.shown_name().trim_start().strip_prefix("Item #")?.split_once(' ')?;
    let is_addon = rest == "addon" || rest.starts_with("addon ");
    let addon = item_of_remoteid(&seen.remoteid)?;
    (is_addon && addon != server).then_some((server, addon))
}

/// `Item #42 shop`, `Item #42 addon shop`, as the vendor's own module names licenses.
pub(super) fn item_of_name(name: &str) -> Option<ItemId> {
    let rest = name.trim_start().strip_prefix("Item #")?;
    let (number, _) = rest.split_once(' ').unwrap_or((rest, ""));
    item_number(number)
}

pub(super) fn item_of_remoteid(remoteid: &RemoteId) -> Option<ItemId> {
    match remoteid {
        RemoteId::Text(text) => item_number(text.trim()),
        RemoteId::Absent | RemoteId::Empty => None,
    }
}

/// Only digits are a number; a sign or a space is not accepted.
fn item_number(text: &str) -> Option<ItemId> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse::<ItemId>().ok()).flatten().filter(|item| item.0 > 0)
}

/// The only service that a license may belong to. An operator's word overrules everything else.
///
/// # Errors
/// [`WhyLeft::TwoItems`], or [`WhyLeft::Foreign`] when there is none.
pub fn only_one(id: LicenseId, named: &Named) -> Result<ItemId, (WhyLeft, Text)> {
    let by_map: Vec<ItemId> =
        named.iter().filter(|(_, by)| by.contains(&Evidence::Map)).map(|(item, _)| *item).collect();
    let all: Vec<ItemId> = if by_map.is_empty() { named.keys().copied().collect() } else { by_map };
    match all.as_slice() {
        [one] => Ok(*one),
        [] => Err((
            WhyLeft::Foreign,
            text!(
                "no service of this panel is known for it; to make one: pmisplicense import {id}",
                "услуга этой панели для неё неизвестна; создать: pmisplicense import {id}"
            ),
        )),
        several => {
            let list = several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let commands = several.iter().map(|item| format!("pmisplicense bind {item} {id}")).collect::<Vec<_>>();
            let (en, ru) = (commands.join(", or "), commands.join(" или "));
            Err((
                WhyLeft::TwoItems,
                text!("it may be of services {list}; you decide: {en}", "подходит услугам {list}; решать вам: {ru}"),
            ))
        }
    }
}
