//! S5 (docs/testing.md 3): what a run told by its end.

use pmisplicense::model::command::ItemCommand;
use pmisplicense::model::ids::{ItemId, LicenseId};
use pmisplicense::model::item::{Item, ItemStatus};
use pmisplicense::model::license::{License, LicenseStatus};
use pmisplicense::model::license_row::LicenseState;

use crate::checks::{ACCOUNT, MODULE_CODE, is_nopanel, waits_for_operator};
use crate::seller::{Entry, Kind};
use crate::world::{Job, World, day_of};

/// S5: what a run that ended with 0 says must agree with what the seller answered it last.
pub fn told(world: &mut World, run: usize) {
    let info = &world.runs[run];
    let Job::Item { item, command, .. } = info.job else { return };
    if command == ItemCommand::Suspend && waits_for_operator(world, item) {
        // A question to an operator, whether there is a license at all, does not hold up the stopping.
        return;
    }
    if info.lagged {
        // The database answered with what was before: the run cannot know what was asked of it since then.
        return;
    }
    let Some(service) = world.panel.service(item) else { return };
    let Some(wanted) = info.last_item.clone() else { return };
    let saved = service.item.params.licid;
    let last = world.last_answer(run, saved.map(|id| id.0));
    // A clock that was set back in the middle of a run does not change what the run saw before.
    let today = day_of(world.machine_ms().max(info.latest_machine_ms));
    let nopanel = is_nopanel(&wanted);
    let wrong = match (command, last) {
        (ItemCommand::Open | ItemCommand::Reopen, last) if !nopanel => match last {
            Some((id, Some(seen))) => open_is_wrong(&wanted, saved, id, &seen, (today, world.clock_moved)),
            Some((id, None)) => Some(format!("license {id} is not there")),
            None => Some("no license was read".to_owned()),
        },
        (ItemCommand::Suspend, Some((id, Some(seen)))) if seen.status == LicenseStatus::Active => {
            // What was found for a service of this number that is over is to be freed, not this one's.
            holds(world, item, id).then(|| format!("license {id} still runs"))
        }
        (ItemCommand::Resume, Some((id, Some(seen)))) if seen.status != LicenseStatus::Active && !nopanel => {
            Some(format!("license {id} is {:?}", seen.status))
        }
        // What the seller deleted while its service was suspended has no address to change: resume obtains a new one.
        (ItemCommand::Setparam, Some((_, Some(seen)))) if seen.status == LicenseStatus::Deleted => None,
        // Nor has what a suspended service looked at and does not hold.
        (ItemCommand::Setparam, Some((id, _))) if wanted.status == ItemStatus::Suspended && !holds(world, item, id) => {
            None
        }
        (ItemCommand::Setparam, Some((id, Some(seen)))) if !nopanel => {
            // A change of tariff that a proxy doubled is what the seller has: adopted, not undone.
            let twice = |entry: &Entry| entry.doubled && entry.kind == Kind::Tariff && entry.license == id;
            // So is what it has when a state that was lost takes it in.
            let adopted = world.state_lost_ms.is_some() || world.seller.ledger.iter().any(twice);
            let is_wrong = |seen: &License| setparam_is_wrong(&wanted, id, seen, adopted);
            // An answer that shows the past takes nothing back of what the run saw before it, if that is still so.
            let seen_before = info
                .answers
                .iter()
                .any(|(of, seen)| *of == id && seen.as_ref().is_some_and(|seen| is_wrong(seen).is_none()));
            let is_so = world.seller.get(id).map(|lic| world.seller.shown(lic, world.now_ms));
            let is_so = seen_before && is_so.is_some_and(|now| is_wrong(&now).is_none());
            is_wrong(&seen).filter(|_| !is_so)
        }
        (ItemCommand::Close, Some((id, Some(seen)))) if seen.status == LicenseStatus::Active => {
            let row = world.store.license(ACCOUNT, LicenseId(id)).ok().flatten();
            // A module ends with its license, which waits to be freed until the module has ended.
            let own = world.store.licenses_of_item(ItemId(item)).unwrap_or_default();
            let waits = row.as_ref().is_none_or(|row| row.state == LicenseState::ToFree)
                || (saved != Some(LicenseId(id)) && own.iter().any(|row| row.state == LicenseState::ToFree));
            // A license that another installation took in that time runs for its client.
            let taken = world.seller.get(id).is_some_and(|lic| lic.foreign);
            // A run that the restored state knows nothing of started it in the pool, where it serves nobody.
            let is_pooled = row.as_ref().is_some_and(|row| row.state == LicenseState::Pool) && seen.looks_free();
            let is_forgotten = is_pooled && world.state_lost_ms.is_some();
            (!waits && !taken && !is_forgotten).then(|| format!("license {id} still runs"))
        }
        (ItemCommand::GenKey, Some((id, Some(seen)))) => {
            let op = info.job.op().map(|op| &world.panel.ops[op]);
            let before = op.filter(|op| op.license_before == Some(LicenseId(id))).and_then(|op| op.key_before.clone());
            let same = seen.key.as_ref().map(|key| key.reveal().to_owned()) == before;
            (before.is_some() && same).then(|| format!("license {id} has the key that it had"))
        }
        (ItemCommand::Prolong, _) => prolong_is_wrong(world, run, item, &wanted),
        _ => None,
    };
    if let Some(what) = wrong {
        world.violation("S5", "told what is not so", format!("run {run} {}: {what}", command.word()));
    }
}

fn holds(world: &World, item: u32, id: u32) -> bool {
    let row = world.store.license(ACCOUNT, LicenseId(id)).ok().flatten();
    row.is_some_and(|row| row.state == LicenseState::Bound && row.item == Some(ItemId(item)))
}

fn open_is_wrong(
    wanted: &Item,
    saved: Option<LicenseId>,
    id: u32,
    seen: &License,
    // The day by the machine's clock; one that was moved tells nothing.
    (today, clock_moved): (chrono::NaiveDate, bool),
) -> Option<String> {
    let over = clock_moved || seen.expires.day().is_some_and(|expires| expires <= today);
    if saved != Some(LicenseId(id)) {
        return Some(format!("the item names {saved:?}, the seller was asked about {id}"));
    }
    match seen.status {
        LicenseStatus::Active | LicenseStatus::Processing => None,
        LicenseStatus::Stopped if over || wanted.status == ItemStatus::Suspended => None,
        other => Some(format!("license {id} is {other:?}")),
    }
}

fn setparam_is_wrong(wanted: &Item, id: u32, seen: &License, any_tariff: bool) -> Option<String> {
    let ip = wanted.params.ip.as_deref().and_then(|ip| ip.parse().ok());
    let is_module = wanted.tariff_intname == MODULE_CODE;
    if ip.is_some() && seen.ip != ip && !is_module {
        return Some(format!("license {id} has the address {:?}, wanted {ip:?}", seen.ip));
    }
    let tariff = seen.tariff.id().map(|id| id.0.to_string());
    let any_tariff = any_tariff || wanted.period.number() == -100;
    (tariff.is_some_and(|tariff| tariff != wanted.tariff_intname) && !any_tariff)
        .then(|| format!("license {id} has the tariff {:?}, wanted {}", seen.tariff, wanted.tariff_intname))
}

/// A payment that ended well left the license as far as it had to reach: a period bought, or none needed.
fn prolong_is_wrong(world: &World, run: usize, item: u32, wanted: &Item) -> Option<String> {
    let Job::Item { op: Some(number), .. } = world.runs[run].job else { return None };
    // What an earlier run of the operation was shown of the past, this one has written down.
    let lagged = |run: &crate::world::Run| run.job.op() == Some(number) && run.lagged;
    let any_lagged = world.runs.iter().any(lagged);
    let op = &world.panel.ops[number];
    let (Some(before), Some(end)) = (op.expires_before, op.end_before) else { return None };
    let another = wanted.params.licid.is_none() || wanted.params.licid != op.license_before;
    // What the database showed of yesterday cannot be judged by today.
    // What a lost state knew of payments is gone: sync renews what they left short when it falls due.
    let lost = world.state_lost_ms.is_some();
    let another = another || lost || any_lagged || is_nopanel(wanted);
    if wanted.status != ItemStatus::Active || wanted.period.number() <= 0 || another {
        return None;
    }
    let paid_end = if world.panel.habits.moves_before { wanted.expires? } else { end };
    let (id, seen) = world.last_answer(run, wanted.params.licid.map(|id| id.0))?;
    let row = world.store.license(ACCOUNT, LicenseId(id)).ok().flatten()?;
    // One that was taken again for this payment lasts as long as it lasts: sync renews it when that is due.
    let taken = row.since.timestamp_millis() + 1000 > op.made_ms;
    // The first run of the payment was shown an older day than the license had. The days that the seller gave in
    // between count as this renewal (docs/licensing-rules.md 5), and sync renews the license when they are over.
    let is_of_old = |(of, seen): &(u32, Option<License>)| {
        *of == id && seen.as_ref().and_then(|seen| seen.expires.day()).is_some_and(|expires| expires < before)
    };
    let mut of_payment = world.runs.iter().filter(|run| run.job.op() == Some(number));
    if of_payment.any(|run| run.answers.iter().any(is_of_old)) {
        return None;
    }
    let seen = seen.filter(|_| row.item == Some(ItemId(item)) && !taken)?;
    (before < paid_end && seen.expires.day().is_some_and(|expires| expires <= before))
        .then(|| format!("license {id} still ends on {before}, paid until {paid_end}"))
}
