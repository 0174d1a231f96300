//! The promises S1 to S9 at OrderBox (docs/testing.md 3), except those that are checked at the moment
//! of a call. There is one purchase at a time on an order, and none while it has its license. What was paid for is
//! held, waited for or named. A success is a real one.

use std::collections::BTreeMap;

use pmisplicense::error::ErrorKind;
use pmisplicense::model::command::ItemCommand;
use pmisplicense::model::ids::LicenseId;
use pmisplicense::model::item::{Item, ItemStatus};
use pmisplicense::model::license_row::{LicenseRow, LicenseState};
use pmisplicense::model::rules::{OnClose, Rules};

use super::stage::World;
use crate::world::End;

fn row(world: &World, order: u32) -> Option<LicenseRow> {
    world.store.license(world.numbers.account, LicenseId(order)).ok().flatten()
}

/// The license that is bound to the present incarnation of a service.
pub fn bound_license(world: &World, item: &Item) -> Option<LicenseRow> {
    let incarnation = world.store.incarnation(item).ok()?;
    world.store.license_of(&incarnation).ok()?
}

fn is_open(world: &World, order: u32) -> bool {
    world.store.open_intents_of_license(world.numbers.account, LicenseId(order)).is_ok_and(|open| !open.is_empty())
}

/// S5: a run that ended well.
pub fn told(world: &mut World, run: usize) {
    if world.runs[run].misled {
        return;
    }
    let Some(item) = world.runs[run].item else { return };
    let Some(command) = world.runs[run].command else { return };
    // What the run saw is what it answers for.
    let Some(seen) = world.runs[run].last_item.clone().filter(|seen| seen.id.0 == item) else { return };
    let Some(now) = world.service(item).map(|service| service.item.clone()) else { return };
    let holds = bound_license(world, &now);
    let wants = seen.tariff_intname != "nopanel";
    let found = match (command, wants) {
        (ItemCommand::Open | ItemCommand::Reopen, true) => match &holds {
            None => Some(("said open, and it holds nothing", format!("item {item}"))),
            Some(row) if row.key.is_some() && !has_license(world, row.id.0) => {
                Some(("said open, and the license is gone", format!("item {item} order {}", row.id)))
            }
            Some(_) => None,
        },
        (ItemCommand::Open | ItemCommand::Reopen | ItemCommand::Setparam, false) if holds.is_some() => {
            Some(("nopanel, and it holds a license", format!("item {item}")))
        }
        _ => None,
    };
    if let Some((rule, what)) = found {
        world.violation("S5", rule, format!("run {run}: {what}"));
    }
}

fn has_license(world: &World, order: u32) -> bool {
    world.shop.order(order).is_some_and(|order| order.license.is_some())
}

/// Everything that must hold after drain, quiet and sync. `synced`: the runs of that sync.
pub fn at_the_end(world: &mut World, rules: &Rules, synced: &[usize]) {
    let mut found = Vec::new();
    bought(world, &mut found);
    lost(world, rules, &mut found);
    shown(world, &mut found);
    heard(world, synced, &mut found);
    ends(world, &mut found);
    for (check, rule, what) in found {
        world.violation(check, rule, what);
    }
}

type Found = Vec<(&'static str, &'static str, String)>;

/// S1: nothing is charged on an order that has its license.
fn bought(world: &World, found: &mut Found) {
    // What comes later than any seller may be comes beside what was bought in its place.
    // Who was shown the order before somebody else bought for it could not know better.
    let misled = |charge: &super::shop::Charge| !charge.is_ours && world.runs[charge.tag.run].misled;
    let counts = |charge: &&super::shop::Charge| charge.again && !charge.doubled && !charge.refunded && !misled(charge);
    for charge in world.shop.charges.iter().filter(counts).filter(|_| !world.is_beyond) {
        let what = format!("order {} by run {} for item {}", charge.order, charge.tag.run, charge.tag.item);
        found.push(("S1", "charged twice", what));
    }
}

/// S2: every license that our sendings bought is bound to a service that lives, waits to be removed, is kept, or is
/// named; and what nobody uses is taken away where that can be done.
fn lost(world: &World, rules: &Rules, found: &mut Found) {
    for order in &world.shop.orders {
        let Some(license) = order.license.as_ref() else { continue };
        let Some(charge) = license.charge.map(|charge| world.shop.charges[charge]) else { continue };
        let id = order.id;
        let is_named = world.findings.iter().flatten().any(|finding| finding.license == Some(LicenseId(id)));
        if is_open(world, id) || is_named || charge.doubled || world.is_beyond {
            continue;
        }
        let known = row(world, id);
        match known.as_ref().map(|row| row.state) {
            None | Some(LicenseState::Deleted) => {
                found.push(("S2", "paid and unknown", format!("{} of order {id}", license.key)));
            }
            Some(LicenseState::Pool | LicenseState::Claimed) => {
                found.push(("S2", "in a state that addons do not have", format!("order {id}")));
            }
            Some(LicenseState::Bound) => {
                let serves = |item: &Item| bound_license(world, item).is_some_and(|row| row.id.0 == id);
                let service = world.services.iter().map(|service| &service.item).find(|item| serves(item));
                let is_over = service.is_none_or(|item| item.status == ItemStatus::Deleted);
                if is_over && service.is_none_or(|item| world.open_op(item.id.0).is_none()) {
                    found.push(("S2", "bound to a service that is over", format!("order {id}")));
                }
            }
            Some(LicenseState::ToFree) => {
                let is_ours =
                    known.as_ref().and_then(|row| row.key.as_ref()).is_some_and(|key| key.reveal() == license.key);
                let item = known.and_then(|row| row.item).and_then(|item| world.service(item.0));
                let is_closed = item.is_some_and(|service| service.item.status == ItemStatus::Deleted);
                let removes = !rules.hosting.remove_call.is_empty() && rules.on_close != OnClose::Keep;
                if removes && is_ours && is_closed && !world.shop.is_busy(id) {
                    found.push(("S2", "nobody uses it, and it is not removed", format!("order {id}")));
                }
            }
            Some(LicenseState::Stopped) => {}
        }
    }
}

/// S3: one license on one service, and the key that a service shows is valid.
fn shown(world: &World, found: &mut Found) {
    let mut by_license: BTreeMap<u32, u32> = BTreeMap::new();
    for service in &world.services {
        let item = &service.item;
        let id = item.id.0;
        if item.status == ItemStatus::Deleted || item.tariff_intname == "nopanel" || world.open_op(id).is_some() {
            continue;
        }
        let Some(named) = item.params.licid else { continue };
        if let Some(other) = by_license.insert(named.0, id) {
            found.push(("S3", "one license on two items", format!("order {named} on {other} and {id}")));
        }
        let shown = world.shop.shown_key(named.0);
        let is_its = bound_license(world, item).is_some_and(|row| row.id == named);
        let saved = item.params.lickey.as_ref().map(|key| key.reveal());
        if is_its && shown.is_some() && saved != shown {
            found.push(("S3", "a saved key that is not valid", format!("item {id} order {named}")));
        }
    }
}

/// S9: a service whose license is gone is named, by the exit code of a pass or by a problem.
fn heard(world: &World, synced: &[usize], found: &mut Found) {
    let failed = synced.iter().any(|run| world.runs[*run].end != Some(End::Ok));
    for service in world.services.iter().filter(|service| service.item.status == ItemStatus::Active) {
        let Some(row) = bound_license(world, &service.item).filter(|row| !has_license(world, row.id.0)) else {
            continue;
        };
        let speaks = |text: &String| text.contains(&row.id.to_string());
        if !failed && !world.problems.iter().any(speaks) {
            found.push(("S9", "not served, and nobody is told", format!("item {} order {}", service.item.id, row.id)));
        }
    }
}

/// S6: what is still unfinished has a cause that lasts.
fn ends(world: &World, found: &mut Found) {
    for op in world.ops.iter().filter(|op| !op.done && !op.dropped) {
        let lasts = |kind: ErrorKind| {
            matches!(
                kind,
                // The order is somebody else's, taken, over, or has a license that we did not buy.
                ErrorKind::BadValue
                    | ErrorKind::NotSupported
                    | ErrorKind::LicenseGone
                    | ErrorKind::PeriodNotSold
                    | ErrorKind::OrderUnknown
                    | ErrorKind::State // A request that was written down by a clock in the future waits until then.
            ) || world.clock_moved && kind == ErrorKind::Client
        };
        if let Some((kind, words)) = op.last_error.as_ref().filter(|(kind, _)| !lasts(*kind)) {
            let what = format!("item {} {}: {}: {words}", op.item, op.command.word(), kind.word());
            found.push(("S6", "unfinished without a lasting cause", what));
        }
    }
}
