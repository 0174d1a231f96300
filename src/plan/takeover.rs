//! Taking over: which license that another program ordered belongs to which service of this panel, and whether it may
//! be offered for binding (docs/money-safety.md 5). Pure. Unclear cases are reported and left alone: two programs would
//! renew a license twice, and a wrong pair would give one client's license to another.
//!
//! Evidence, strongest first: an operator's word, the number that the panel's own database shows for the service, the
//! service's number in the license's remoteid or name (`Item #42 shop`), the address. The last three may come from
//! another panel. So number and name count only together with the same address, or with the exact name of the service.
//! When the name is that of an addon's license, the remoteid is the addon's row, and the number in the name counts.

mod evidence;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Text, counted};
use crate::model::ids::{ItemId, LicenseId, PanelId};
use crate::model::item::{Item, ItemStatus};
use crate::model::license::{License, LicenseStatus, RemoteId};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::plan::change::DesiredLicense;
use crate::plan::finding::Desired;
use crate::plan::outward;
use crate::text;

pub use evidence::{Evidence, Named, addon_of, named, only_one};

/// Why a license is left alone. Programs read the words, so they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WhyLeft {
    /// It may belong to several services.
    TwoItems,
    /// Several licenses may belong to the service.
    TwoLicenses,
    /// According to our state it serves another service.
    InUse,
    /// According to our state the service holds another license.
    HasLicense,
    /// The seller does not let it be read.
    Unreadable,
    /// Another installation marked it.
    OtherPanel,
    /// It bears our mark, and our state does not know it.
    Unclaimed,
    /// It has not been paid for yet.
    Unpaid,
    /// A change is under way, or its status is not known.
    NotReady,
    /// The panel has no such service.
    NoItem,
    /// The service is closed.
    Closed,
    /// The service is not open yet.
    NotOpen,
    /// Another processing module handles the service.
    NotMoved,
    /// The server's module has a license server of its own.
    OwnServer,
    /// The service buys from another account.
    OtherModule,
    /// An order of the service is in doubt.
    OrderOpen,
    /// The service asks for no license, or it cannot be decided for which.
    NoPanel,
    /// Another tariff than the service asks for.
    Tariff,
    /// Another number of nodes.
    Nodes,
    /// Another address.
    Ip,
    /// The evidence is too weak.
    Unsure,
    /// The seller renews it automatically, and this was not to be switched off.
    RenewsItself,
    /// It is free, and waits for the next client of the program that freed it.
    Free,
    /// The seller has no such license.
    Gone,
    /// The seller says something else than the table.
    Stale,
    /// The table names it twice.
    Twice,
    /// No service of this panel is known for it.
    Foreign,
}

impl WhyLeft {
    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::TwoItems => "two_items",
            Self::TwoLicenses => "two_licenses",
            Self::InUse => "held",
            Self::HasLicense => "has_license",
            Self::Unreadable => "unreadable",
            Self::OtherPanel => "other_panel",
            Self::Unclaimed => "unowned",
            Self::Unpaid => "unpaid",
            Self::NotReady => "not_ready",
            Self::NoItem => "no_item",
            Self::Closed => "closed",
            Self::NotOpen => "not_open",
            Self::NotMoved => "not_moved",
            Self::OwnServer => "own_server",
            Self::OtherModule => "other_module",
            Self::OrderOpen => "order_open",
            Self::NoPanel => "no_panel",
            Self::Tariff => "tariff",
            Self::Nodes => "nodes",
            Self::Ip => "ip",
            Self::Unsure => "unsure",
            Self::RenewsItself => "renews_itself",
            Self::Free => "free",
            Self::Gone => "gone",
            Self::Stale => "stale",
            Self::Twice => "twice",
            Self::Foreign => "foreign",
        }
    }
}

/// What happens to a license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is bound to its service.
    Bind,
    /// It is bound; our mark is not on it yet.
    Mark,
    /// It is bound, and nothing is left to do.
    Done,
    /// It is left alone; the reason as a stable word and as a text.
    Leave(WhyLeft, Text),
}

/// Whether the license of a service is ours to handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handler {
    /// Our module's own service, or a server that it serves.
    Ours,
    /// Another program handles it; the reason.
    Other(WhyLeft, Text),
}

/// A service as taking over sees it.
#[derive(Debug, Clone)]
pub struct Service {
    /// The panel's row.
    pub item: Item,
    /// What it asks for.
    pub desired: Desired,
    /// Which program handles it.
    pub handler: Handler,
    /// The license that it holds according to our state.
    pub bound: Option<LicenseId>,
    /// An order of it is in doubt.
    pub ordering: bool,
    /// Its end was settled: binding it was finished.
    pub settled: bool,
}

/// Whether a license of the list can be taken over. A license that is pooled, waits to be freed or is gone cannot.
pub fn is_candidate(seen: &License, row: Option<&LicenseRow>) -> bool {
    let ours_and_free = row.is_some_and(|row| match row.state {
        LicenseState::Pool | LicenseState::ToFree | LicenseState::Stopped => true,
        LicenseState::Bound | LicenseState::Claimed | LicenseState::Deleted => false,
    });
    !ours_and_free && !seen.looks_free() && !seen.is_deleted()
}

/// Decides about a license and the service that it may belong to. `service`: `None` when the panel has none with that
/// number.
pub fn judge(
    seen: &License,
    row: Option<&LicenseRow>,
    panel: &PanelId,
    item: ItemId,
    service: Option<&Service>,
    by: &BTreeSet<Evidence>,
) -> Verdict {
    let bound = row.filter(|row| matches!(row.state, LicenseState::Bound | LicenseState::Claimed));
    match bound {
        Some(row) if row.item == Some(item) => match service {
            None => Verdict::Done,
            Some(service) if service.bound == Some(row.id) => left_to_do(seen, row, service),
            Some(_) => {
                let id = row.id;
                leave(
                    WhyLeft::InUse,
                    text!(
                        "it was bound to another service numbered {item}; you decide: pmisplicense bind {item} {id}",
                        "она привязана к другой услуге с номером {item}; решать вам: pmisplicense bind {item} {id}"
                    ),
                )
            }
        },
        Some(row) => {
            let owner = row.item.map_or_else(|| "-".to_owned(), |item| item.to_string());
            leave(WhyLeft::InUse, text!("it serves service {owner}", "она обслуживает услугу {owner}"))
        }
        None => match refusal(seen, panel, item, service, by) {
            Some((left, why)) => Verdict::Leave(left, why),
            None => Verdict::Bind,
        },
    }
}

fn leave(left: WhyLeft, why: Text) -> Verdict {
    Verdict::Leave(left, why)
}

/// What is left to do for a bound license: an earlier run may have died between its steps.
fn left_to_do(seen: &License, row: &LicenseRow, service: &Service) -> Verdict {
    let params = &service.item.params;
    let shown = params.licid == Some(row.id) && params.lickey == row.key;
    let marked = row.mark.as_ref().is_some_and(|mark| seen.remoteid == RemoteId::Absent || seen.remoteid.is(mark));
    match (shown && service.settled, marked) {
        (false, _) => Verdict::Bind,
        (true, false) => Verdict::Mark,
        (true, true) => Verdict::Done,
    }
}

/// Why a license that our state does not hold is not bound.
fn refusal(
    seen: &License,
    panel: &PanelId,
    item: ItemId,
    service: Option<&Service>,
    by: &BTreeSet<Evidence>,
) -> Option<(WhyLeft, Text)> {
    let id = seen.id;
    of_license(seen, panel).or_else(|| {
        let Some(service) = service else {
            return Some((
                WhyLeft::NoItem,
                text!(
                    "the panel has no service {item}: it may be another panel's",
                    "в панели нет услуги {item}: лицензия может быть другой панели"
                ),
            ));
        };
        of_service(service, id).or_else(|| match &service.desired {
            Desired::Nothing => {
                Some((WhyLeft::NoPanel, text!("service {item} needs no panel", "услуге {item} панель не нужна")))
            }
            Desired::Unclear(why) => Some((WhyLeft::NoPanel, why.clone())),
            Desired::License(desired) => of_pair(seen, service, desired, by),
        })
    })
}

fn of_license(seen: &License, panel: &PanelId) -> Option<(WhyLeft, Text)> {
    if let Some(other) = seen.key_of_another().filter(|_| seen.remoteid.mark().is_none()) {
        let id = seen.id;
        let why = text!(
            "its key names license {other}; to take it anyway: pmisplicense bind ITEM {id}",
            "её ключ называет лицензию {other}; чтобы всё же взять её: pmisplicense bind УСЛУГА {id}"
        );
        return Some((WhyLeft::Unsure, why));
    }
    if let Some(mark) = seen.remoteid.mark() {
        let other = mark.panel().as_str();
        return Some(if mark.panel() == panel {
            (
                WhyLeft::Unclaimed,
                text!(
                    "it bears our mark, and this state does not know it: pmisplicense reconcile --apply",
                    "на ней наша метка, а состояние её не знает: pmisplicense reconcile --apply"
                ),
            )
        } else {
            (WhyLeft::OtherPanel, text!("it bears the mark of installation {other}", "на ней метка установки {other}"))
        });
    }
    match seen.status {
        LicenseStatus::Active | LicenseStatus::Stopped if !seen.changing => None,
        LicenseStatus::Ordered => Some((
            WhyLeft::Unpaid,
            text!("it is ordered and not paid at the seller", "она заказана и не оплачена у продавца"),
        )),
        LicenseStatus::Absent => Some((
            WhyLeft::NotReady,
            text!("the seller does not show its status", "продавец не показывает её состояние"),
        )),
        LicenseStatus::Active
        | LicenseStatus::Stopped
        | LicenseStatus::Processing
        | LicenseStatus::Deleted
        | LicenseStatus::Unknown(_) => {
            let number = seen.status.number();
            Some((
                WhyLeft::NotReady,
                text!("it is being changed, status {number}", "она изменяется, состояние {number}"),
            ))
        }
    }
}

fn of_service(service: &Service, license: LicenseId) -> Option<(WhyLeft, Text)> {
    let item = service.item.id;
    match service.item.status {
        ItemStatus::Active | ItemStatus::Suspended => {}
        ItemStatus::Deleted => {
            return Some((WhyLeft::Closed, text!("service {item} is closed", "услуга {item} закрыта")));
        }
        ItemStatus::Ordered | ItemStatus::Processing | ItemStatus::Unknown(_) => {
            return Some((WhyLeft::NotOpen, text!("service {item} is not open yet", "услуга {item} ещё не открыта")));
        }
    }
    if let Handler::Other(left, why) = &service.handler {
        return Some((*left, why.clone()));
    }
    if service.ordering {
        return Some((
            WhyLeft::OrderOpen,
            text!("an order of service {item} is in doubt", "заказ услуги {item} под вопросом"),
        ));
    }
    service.bound.map(|bound| {
        (
            WhyLeft::HasLicense,
            text!(
                "service {item} holds license {bound}; to change: pmisplicense bind {item} {license} --replace",
                "у услуги {item} лицензия {bound}; заменить: pmisplicense bind {item} {license} --replace"
            ),
        )
    })
}

/// Objects when the license would have to be changed, or even something bought, to fit the service. An operator must
/// decide that.
fn of_pair(
    seen: &License,
    service: &Service,
    desired: &DesiredLicense,
    by: &BTreeSet<Evidence>,
) -> Option<(WhyLeft, Text)> {
    let (item, id) = (service.item.id, seen.id);
    let decide = text!("you decide: pmisplicense bind {item} {id}", "решать вам: pmisplicense bind {item} {id}");
    let with =
        |left: WhyLeft, what: Text| Some((left, text!(["{}; {}", what.en, decide.en], ["{}; {}", what.ru, decide.ru])));
    if let Some(tariff) = seen.tariff.id().filter(|tariff| *tariff != desired.pricelist) {
        let wanted = desired.pricelist;
        return with(
            WhyLeft::Tariff,
            text!("its tariff is {tariff}, the service wants {wanted}", "её тариф {tariff}, а услуге нужен {wanted}"),
        );
    }
    if let Some((addon, wanted)) = desired.nodes
        && let Some(nodes) = seen.addons.get(&addon).filter(|nodes| **nodes != wanted)
    {
        return with(
            WhyLeft::Nodes,
            text!(
                ["it has {}, the service wants {wanted}", counted(*nodes, "node")],
                ["у неё узлов {nodes}, а услуге нужно {wanted}"]
            ),
        );
    }
    let has = seen.ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string());
    if let Some(wanted) = desired.ip.filter(|ip| seen.ip != Some(*ip)) {
        return with(
            WhyLeft::Ip,
            text!("its address is {has}, the service has {wanted}", "её IP {has}, а у услуги {wanted}"),
        );
    }
    if let Some(wanted) = desired.remoteip {
        // Behind NAT many servers have the same internal address, so it proves nothing.
        let is_named_by_panel = by.contains(&Evidence::Map) || by.contains(&Evidence::Licid);
        match seen.remoteip.as_deref() {
            Some(has) if !outward::is(has, Some(wanted)) => {
                return with(
                    WhyLeft::Ip,
                    text!("its outward address is {has:?}, not {wanted}", "её внешний IP {has:?}, а не {wanted}"),
                );
            }
            None if !is_named_by_panel => {
                return with(
                    WhyLeft::Unsure,
                    text!(
                        "the service is behind NAT, and the seller does not show the outward address",
                        "услуга за NAT, а продавец не показывает внешний IP"
                    ),
                );
            }
            Some(_) | None => {}
        }
    }
    let same_name = seen.is_named_like(&service.item.default_license_name());
    let sound = by.iter().any(|by| match by {
        Evidence::Map | Evidence::Licid | Evidence::Address => true,
        Evidence::RemoteId | Evidence::Name => same_name || desired.ip.is_some(),
    });
    if sound {
        return None;
    }
    with(WhyLeft::Unsure, text!("only its number points to this service", "на эту услугу указывает только номер"))
}

/// When several licenses would be bound to one service, none of them is bound. `pairs`: the service of each verdict.
pub fn refuse_doubles<'v>(pairs: impl Iterator<Item = (LicenseId, ItemId, &'v mut Verdict)>) {
    let mut by_item: BTreeMap<ItemId, Vec<(LicenseId, &'v mut Verdict)>> = BTreeMap::new();
    for (license, item, verdict) in pairs.filter(|(.., verdict)| **verdict == Verdict::Bind) {
        by_item.entry(item).or_default().push((license, verdict));
    }
    for (item, group) in by_item.into_iter().filter(|(_, group)| group.len() > 1) {
        let list = group.iter().map(|(license, _)| license.to_string()).collect::<Vec<_>>().join(", ");
        for (license, verdict) in group {
            *verdict = leave(
                WhyLeft::TwoLicenses,
                text!(
                    "licenses {list} may all be of service {item}; you decide: pmisplicense bind {item} {license}",
                    "услуге {item} подходят лицензии {list}; решать вам: pmisplicense bind {item} {license}"
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests;
