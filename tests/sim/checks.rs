//! The promises S1 to S8 (docs/testing.md 3). S4, S8 and parts of S3, S5, S6 are checked where the call is made;
//! this file checks the rest at the end (S1, S2, S3, S6), and that finished things stay finished (S7). S5 is in
//! `told`.

use std::collections::BTreeMap;

use pmisplicense::model::catalogue::NOPANEL;
use pmisplicense::model::command::ItemCommand;
use pmisplicense::model::ids::{AccountId, IntentId, ItemId, LicenseId};
use pmisplicense::model::item::{AddonValue, Item, ItemStatus};
use pmisplicense::model::journal::{Intent, IntentStatus};
use pmisplicense::model::license::{Family, LicenseStatus};
use pmisplicense::model::license_row::LicenseState;
use pmisplicense::plan::finding::{Kind as Finding, Remedy};

use crate::seller::{Entry, Kind, Tag};
use crate::world::{End, Job, World, day_of};

/// The module of a license that histories sell: it has no address.
pub const MODULE_CODE: &str = "55371";

/// The only account of a history.
pub const ACCOUNT: AccountId = AccountId(1);

/// S1, S2, S3, S6 after drain, quiet and sync.
pub fn at_the_end(world: &mut World) {
    bought(world);
    lost(world);
    shared(world);
    ends(world);
}

fn was_deleted(world: &World, license: u32) -> bool {
    world.seller.get(license).is_none_or(|lic| lic.status == LicenseStatus::Deleted)
}

/// S1: at most one purchase a payment, at most one renewal for an expiry, no change that changed nothing.
fn bought(world: &mut World) {
    if world.rolled_back {
        // What it forgot may be bought again before a list shows it; that nothing of it is lost is checked below.
        return;
    }
    let forgotten = |entry: &Entry| is_forgotten(world, entry);
    let counts = |entry: &&Entry| entry.in_time && !entry.doubled && entry.tag.is_some() && !forgotten(entry);
    let mut orders: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
    let mut renewals: BTreeMap<(u32, chrono::NaiveDate), Vec<u32>> = BTreeMap::new();
    let mut by_payment: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
    for entry in world.seller.ledger.iter().filter(counts) {
        let Some(tag) = entry.tag else { continue };
        let payment = (tag.item.unwrap_or(0), tag.payment.unwrap_or(0));
        match (entry.kind, entry.before) {
            (Kind::Order, _) if !was_deleted(world, entry.license) && !ended_with_its_license(world, entry.license) => {
                orders.entry(payment).or_default().push(entry.license);
            }
            (Kind::Renewal, Some(before)) => {
                renewals.entry((entry.license, before)).or_default().push(tag.send);
                if tells_its_payment(world, tag) {
                    by_payment.entry(payment).or_default().push(tag.send);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    let twice = |((item, _), licenses): &(&(u32, u32), &Vec<u32>)| licenses.len() > 1 && !world.misled.contains(item);
    for ((item, payment), licenses) in orders.iter().filter(twice) {
        found.push(("two orders for one payment", format!("item {item} payment {payment}: licenses {licenses:?}")));
    }
    for ((license, before), sends) in renewals.iter().filter(|(_, sends)| sends.len() > 1) {
        found.push(("renewed twice", format!("license {license} from {before}: sendings {sends:?}")));
    }
    for ((item, payment), sends) in by_payment.iter().filter(|(_, sends)| sends.len() > 1) {
        found.push(("two renewals for one payment", format!("item {item} payment {payment}: sendings {sends:?}")));
    }
    for (rule, what) in found {
        world.violation("S1", rule, what);
    }
}

/// Whether a renewal was a prolong's, and the program could know for which payment.
fn tells_its_payment(world: &World, tag: Tag) -> bool {
    let is_prolong = match world.runs[tag.run].job {
        Job::Item { command, .. } => command == ItemCommand::Prolong,
        _ => false,
    };
    // What a payment paid for before is in the state alone; the license's expiry is the witness.
    let lost = world.state_lost_ms.is_some_and(|lost| tag.sent_ms <= lost);
    // An operation is known as that of its payment for 20 days.
    let made = world.panel.ops.iter().find(|op| Some(op.payment) == tag.payment).map_or(0, |op| op.made_ms);
    let stands = tag.sent_ms - made < 19 * 86_400_000 && !world.clock_moved;
    // A run that was shown the past saw the payment before.
    is_prolong && stands && !lost && !world.runs[tag.run].lagged
}

/// What was sent before the state was lost, and could not be found by its mark when that was taken in: not yet there,
/// not yet readable, without a mark in the list, or left out of a list that was said to be whole.
fn is_forgotten(world: &World, entry: &Entry) -> bool {
    let Some(lost) = world.state_lost_ms else { return false };
    let unreadable = world.seller.get(entry.license).is_some_and(|lic| lic.hidden_until_ms >= lost);
    // Modules of a license are in no list.
    let listed = world.seller.get(entry.license).is_none_or(|lic| lic.family != Family::Addition);
    let unreadable = unreadable || world.list_lagged_ms.is_some_and(|lagged| lagged >= lost);
    let findable = world.seller.habits.mark_in_list && listed && entry.at_ms < lost && !unreadable;
    entry.tag.is_some_and(|tag| tag.sent_ms <= lost) && !findable
}

/// A module of a license ends with it; what is ordered for the next license is another.
fn ended_with_its_license(world: &World, license: u32) -> bool {
    let row = world.store.license(ACCOUNT, LicenseId(license)).ok().flatten();
    row.is_some_and(|row| row.family == Family::Addition && row.state == LicenseState::Stopped)
}

/// Incarnations that the panel's services have now, by their text.
fn present_incarnations(world: &World) -> Vec<(String, ItemStatus, u32)> {
    let services = world.panel.services.iter();
    let incarnation =
        |item: &Item| world.store.incarnation(item).map(|incarnation| incarnation.to_string()).unwrap_or_default();
    services.map(|service| (incarnation(&service.item), service.item.status, service.item.id.0)).collect()
}

/// S2: every license that our sendings bought is bound once, pooled, to be freed, or named.
fn lost(world: &mut World) {
    let incarnations = present_incarnations(world);
    let mut found = Vec::new();
    for lic in world.seller.licenses.iter().filter(|lic| lic.status != LicenseStatus::Deleted) {
        let Some(tag) = lic.tag else { continue };
        let row = world.store.license(ACCOUNT, LicenseId(lic.id)).ok().flatten();
        let entry = world.seller.ledger.iter().find(|entry| entry.kind == Kind::Order && entry.license == lic.id);
        let twin = world.seller.ledger.iter().any(|entry| entry.doubled && entry.tag.map(|t| t.send) == Some(tag.send));
        // Doubled on its way, or later than the seller may be: where no mark is returned nobody could know it for
        // ours.
        let beyond = twin || entry.is_none_or(|entry| !entry.in_time) || world.state_lost_ms.is_some();
        // Modules of a license are in no list at all.
        let beyond = beyond || lic.family == Family::Addition;
        let unknowable = beyond && (!world.seller.habits.mark_in_edit || lic.family == Family::Addition);
        match row.map(|row| (row.state, row.incarnation)) {
            Some((LicenseState::Deleted, _)) if !lic.denied && !is_named(world, lic.id, None) => {
                found.push(("held for deleted, and there", format!("license {}", lic.id)));
            }
            Some((LicenseState::Bound | LicenseState::Claimed, incarnation)) => {
                let incarnation = incarnation.unwrap_or_default();
                match incarnations.iter().find(|(text, ..)| *text == incarnation) {
                    None if (world.database_was_swapped || world.state_lost_ms.is_some())
                        && is_named(world, lic.id, None) => {}
                    None => found
                        .push(("bound to an incarnation that is over", format!("license {} to {incarnation}", lic.id))),
                    Some((_, ItemStatus::Deleted, item)) if world.panel.open_op(*item).is_none() => {
                        found.push(("bound to a closed service", format!("license {} to {incarnation}", lic.id)));
                    }
                    Some(_) => {}
                }
            }
            Some(_) => {}
            None => {
                let intent = world.store.intent(IntentId(tag.intent)).ok().flatten();
                if !is_named(world, lic.id, intent.as_ref()) && !unknowable {
                    let status = intent.map(|intent| intent.status);
                    found.push((
                        "billed and unknown",
                        format!("license {}, its intent {} {status:?}", lic.id, tag.intent),
                    ));
                }
            }
        }
    }
    let kept = |finding: &&pmisplicense::plan::finding::Finding| {
        finding.kind == Finding::GivenBack && matches!(finding.remedy, Remedy::Free(_))
    };
    for finding in world.findings.iter().flatten().filter(kept) {
        // Sync ended well for the service, and did not free what it gave back.
        if finding.item.is_some_and(|item| is_synced(world, item.0)) {
            found.push(("given back and not freed", finding.what.en.clone()));
        }
    }
    if world.findings.is_none() {
        found.push(("no reconcile plan", "the plan could not be made in the quiet".to_owned()));
    }
    for (rule, what) in found {
        world.violation("S2", rule, what);
    }
}

/// Whether the reconcile plan names a license, or the intent that may have bought it.
fn is_named(world: &World, license: u32, intent: Option<&Intent>) -> bool {
    let doubted = intent.filter(|intent| !intent.status.is_ended()).and_then(|intent| intent.item);
    let number = license.to_string();
    world.findings.iter().flatten().any(|finding| {
        let in_doubt = matches!(finding.kind, Finding::InDoubt | Finding::HandedOver);
        let in_words = match &finding.remedy {
            Remedy::Operator(command) => command.split(' ').any(|word| word == number),
            _ => false,
        };
        finding.license == Some(LicenseId(license)) || in_words || (in_doubt && finding.item == doubted)
    })
}

/// S3: no license on two items, and the key that an item shows is the license's.
fn shared(world: &mut World) {
    let mut found = Vec::new();
    let mut by_license: BTreeMap<u32, u32> = BTreeMap::new();
    for service in &world.panel.services {
        let item = &service.item;
        if item.status == ItemStatus::Deleted || is_nopanel(item) {
            continue;
        }
        let Some(named) = item.params.licid else { continue };
        // A reopened service shows what it had before until its new run has ended well.
        if world.panel.open_op(item.id.0).is_some() {
            continue;
        }
        if let Some(other) = by_license.insert(named.0, item.id.0) {
            found.push(("one license on two items", format!("license {named} on {other} and {}", item.id)));
        }
        let synced = is_synced(world, item.id.0);
        let row = world.store.license(ACCOUNT, named).ok().flatten();
        let incarnation = world.store.incarnation(item).map(|incarnation| incarnation.to_string()).ok();
        let free = row.is_some_and(|row| match row.state {
            LicenseState::Pool | LicenseState::ToFree | LicenseState::Stopped => true,
            LicenseState::Bound | LicenseState::Claimed => row.incarnation != incarnation,
            LicenseState::Deleted => false,
        });
        // What the panel gave up in the middle of a close, or of a trial's end, freed it all the same.
        let frees = [ItemCommand::Close, ItemCommand::Setparam, ItemCommand::Prolong];
        let given_up = |op: &crate::panel::Op| op.item == item.id.0 && op.dropped && frees.contains(&op.command);
        let is_module = item.tariff_intname == MODULE_CODE;
        let lost = world.state_lost_ms.is_some();
        let is_foreign = world.seller.get(named.0).is_some_and(|lic| lic.tag.is_none());
        // A server that lives again shows what it had until its sweep ends well.
        let waits =
            !item.is_ours() && world.store.incarnation(item).is_ok_and(|incarnation| holds_none(world, &incarnation));
        // So does one whose client chose a product again and has no run yet: what he gave back is nobody's until
        // then.
        let over = item.expires.is_some_and(|end| end <= day_of(world.now_ms));
        let settles = world.store.open_intents_of_item(item.id).is_ok_and(|open| !open.is_empty());
        let is_heard = over || settles || is_to_be_obtained(world, item);
        let chose_again = world.gave_back.contains(&(item.id, named)) && is_heard;
        // What he chose before is no longer known where the state was lost.
        let chose_again = chose_again || (lost && world.meddled.contains(&item.id.0));
        let gone = was_deleted(world, named.0) || world.rolled_back;
        let excused =
            is_module || waits || gone || chose_again || (lost && (is_foreign || is_named(world, named.0, None)));
        let free = free && !excused;
        if free && item.status == ItemStatus::Active && !world.panel.ops.iter().any(given_up) {
            found.push((
                "a service's license is held for nobody or another",
                format!("item {} license {named}", item.id),
            ));
        }
        let Some(lic) = world.seller.get(named.0).filter(|_| synced && item.status == ItemStatus::Active) else {
            continue;
        };
        let valid = item.params.lickey.as_ref().is_some_and(|key| key.reveal() == lic.key);
        // What a state lost of a module no list brings back: an operator binds what the service names.
        let unfindable = !is_findable(world, item.id.0);
        let unknown = lost && (is_named(world, named.0, None) || unfindable);
        // A module that ended with its license is stopped: a key that came late is nobody's.
        let over =
            waits || chose_again || lic.status == LicenseStatus::Deleted || ended_with_its_license(world, named.0);
        let excused = unknown || over || lic.key_from_ms > world.now_ms;
        if !valid && !excused {
            found.push(("a saved key that is not valid", format!("item {} license {named}", item.id)));
        }
    }
    for (rule, what) in found {
        world.violation("S3", rule, what);
    }
}

/// Whether the last sync of one service ended well.
fn is_synced(world: &World, item: u32) -> bool {
    let last = world.runs.iter().rev().find(|run| match run.job {
        Job::Item { item: of, command, .. } => of == item && command == ItemCommand::SyncItem,
        _ => false,
    });
    last.is_some_and(|run| run.end == Some(End::Ok))
}

fn holds_none(world: &World, incarnation: &pmisplicense::model::journal::Incarnation) -> bool {
    world.store.license_of(incarnation).is_ok_and(|row| row.is_none())
}

/// Whether the reconcile plan says that a service has no license, or which one it is to have.
fn is_to_be_obtained(world: &World, item: &Item) -> bool {
    let obtains = |finding: &pmisplicense::plan::finding::Finding| {
        let is_taken_in = matches!(finding.remedy, Remedy::TakeIn(_, Some(of)) if of == item.id);
        is_taken_in || finding.kind == Finding::NoLicense && finding.item == Some(item.id)
    };
    world.findings.iter().flatten().any(obtains)
}

/// Whether a service is to have no license, in either of the two ways to say so.
pub fn is_nopanel(item: &Item) -> bool {
    item.tariff_intname == NOPANEL || wants_no_panel(item)
}

/// A server that chose no panel goes on showing the number of what it gave back.
fn wants_no_panel(item: &Item) -> bool {
    item.addons.iter().any(|addon| matches!(&addon.value, AddonValue::Choice { chosen, .. } if chosen == "nopanel"))
}

/// Whether a service sells nodes with a product that has none.
fn sells_missing_nodes(world: &World, item: u32) -> bool {
    let has_nodes =
        |item: &Item| item.addons.iter().any(|one| matches!(one.value, AddonValue::Number(count) if count > 0));
    let services = &world.panel.services;
    services.iter().any(|one| one.item.id.0 == item && one.item.tariff_intname != "55230" && has_nodes(&one.item))
}

/// S6: what is still unfinished has a cause that lasts.
fn ends(world: &mut World) {
    let mut found = Vec::new();
    for op in world.panel.ops.iter().filter(|op| !op.done && !op.dropped) {
        match &op.last_error {
            // A clock that was set back leaves waits that end in what was the future.
            Some((kind, _)) if world.clock_moved && *kind == pmisplicense::error::ErrorKind::Client => {}
            // A number that another panel's service used since then must be sorted out by an operator.
            Some((pmisplicense::error::ErrorKind::State, _)) if world.database_was_swapped => {}
            // Where no mark is returned, and for modules, which no list shows, an operator binds what the service
            // names.
            Some((pmisplicense::error::ErrorKind::State, _))
                if world.state_lost_ms.is_some() && !(says_reconcile(op) && is_findable(world, op.item)) => {}
            // A license that does not run refuses a new key for as long as it does not run.
            Some((pmisplicense::error::ErrorKind::Upstream, _)) if op.command == ItemCommand::GenKey => {}
            // Nodes that the product does not have: only the provider can take them off the tariff.
            Some((pmisplicense::error::ErrorKind::BadValue, _)) if sells_missing_nodes(world, op.item) => {}
            // What was sent in the quiet itself still settles.
            Some((pmisplicense::error::ErrorKind::Client, _)) if settles(world, op.item) => {}
            // A license that the seller never lets be read, and that could be the one which is looked for.
            Some((pmisplicense::error::ErrorKind::BadAnswer, words))
                if world.seller.broken.iter().any(|id| words.contains(&format!("license {id}"))) => {}
            Some((kind, words)) if !crate::choices::may_last(*kind) => {
                let what = format!("item {} {}: {}: {words}", op.item, op.command.word(), kind.word());
                found.push(("unfinished without a lasting cause", what));
            }
            Some(_) | None => {}
        }
    }
    for (rule, what) in found {
        world.violation("S6", rule, what);
    }
}

/// Whether an order of an item was sent so lately that the seller may still carry it out.
fn settles(world: &World, item: u32) -> bool {
    let open = world.store.open_intents_of_item(ItemId(item)).unwrap_or_default();
    let now = crate::world::moment(world.machine_ms());
    open.iter().any(|intent| now - intent.recorded_at < chrono::Duration::seconds(crate::world::SETTLE_S))
}

fn says_reconcile(op: &crate::panel::Op) -> bool {
    op.last_error.as_ref().is_some_and(|(_, words)| words.contains("reconcile --apply"))
}

/// Whether reconcile can find a service's license by its mark.
fn is_findable(world: &World, item: u32) -> bool {
    world.seller.habits.mark_in_edit && !is_module(world, item)
}

fn is_module(world: &World, item: u32) -> bool {
    let held = world.panel.service(item).and_then(|service| service.item.params.licid);
    let is_one = held.and_then(|id| world.seller.get(id.0)).is_some_and(|lic| lic.family == Family::Addition);
    is_one || world.panel.service(item).is_some_and(|service| service.item.tariff_intname == MODULE_CODE)
}

/// Whether an operator was asked to settle an intent of an item.
pub fn waits_for_operator(world: &World, item: u32) -> bool {
    let open = world.store.open_intents_of_item(ItemId(item)).unwrap_or_default();
    open.iter().any(|intent| intent.status == IntentStatus::HandedOver)
}

/// Whether each run of an item looks for a purchase that an operator, or time, must end.
fn is_looked_for(world: &World, item: u32) -> bool {
    let open = world.store.open_intents_of_item(ItemId(item)).unwrap_or_default();
    open.iter().any(|intent| matches!(intent.status, IntentStatus::HandedOver | IntentStatus::FreeWhenAppears))
}

/// Finished operations that may be repeated without being another intent: the last one of each item.
pub fn repeatable(world: &World) -> Vec<usize> {
    let mut last: BTreeMap<u32, usize> = BTreeMap::new();
    for (index, op) in world.panel.ops.iter().enumerate() {
        last.insert(op.item, index);
    }
    let fits = |index: &usize| {
        let op = &world.panel.ops[*index];
        // Where somebody else changed things, or the database showed the past, a repeated run has honest work to do.
        let old = world.state_lost_ms.is_some() || world.database_was_swapped;
        if old || is_looked_for(world, op.item) || world.meddled.contains(&op.item) {
            return false;
        }
        let status = world.panel.service(op.item).map(|service| service.item.status);
        let stands = match op.command {
            // A module that ended with its license is ordered for the next one.
            _ if is_module(world, op.item) => false,
            ItemCommand::Open | ItemCommand::Reopen | ItemCommand::Resume | ItemCommand::Setparam => {
                status == Some(ItemStatus::Active)
            }
            ItemCommand::Suspend => status == Some(ItemStatus::Suspended),
            ItemCommand::Close => status == Some(ItemStatus::Deleted),
            // A running operation is known as that of its payment for 20 days.
            ItemCommand::Prolong => {
                status == Some(ItemStatus::Active) && world.now_ms - op.made_ms < 19 * 86_400_000 && !world.clock_moved
            }
            ItemCommand::CancelProlong | ItemCommand::GenKey | ItemCommand::SyncItem => false,
        };
        let paid = world
            .panel
            .service(op.item)
            .is_some_and(|service| service.item.expires.is_none_or(|end| end > day_of(world.now_ms)));
        // What still waits to be freed is not finished: a close goes on with it.
        let rows = world.store.licenses_of_item(ItemId(op.item)).unwrap_or_default();
        let waits = rows.iter().any(|row| row.state == LicenseState::ToFree);
        let alive = crate::history::license_of(world, op.item).is_none_or(|lic| lic.status != LicenseStatus::Deleted);
        op.done && stands && alive && !waits && (paid || op.command == ItemCommand::Close)
    };
    last.into_values().filter(fits).collect()
}

/// What must not move when a finished thing is done again.
pub struct Stillness {
    requests: u32,
    sends: u32,
    ledger: usize,
    intents: Vec<(IntentId, IntentStatus)>,
    runs: usize,
    item_ends: Vec<Option<chrono::NaiveDate>>,
}

impl Stillness {
    pub fn of(world: &World) -> Self {
        Self {
            requests: world.runs.iter().map(|run| run.requests).sum(),
            sends: world.sends,
            ledger: world.seller.ledger.len(),
            intents: open(world),
            runs: world.runs.len(),
            item_ends: world.panel.services.iter().map(|service| service.item.expires).collect(),
        }
    }

    pub fn compare(self, world: &mut World, op: usize) {
        let after = Self::of(world);
        let (item, command) = (world.panel.ops[op].item, world.panel.ops[op].command);
        if world.runs[self.runs].end != Some(End::Ok) {
            return;
        }
        let what = format!("item {item} {}", command.word());
        if after.sends != self.sends || after.ledger != self.ledger {
            world.violation("S7", "a finished intent bought again", what);
        } else if after.requests - self.requests > 1 {
            let reads = after.requests - self.requests;
            world.violation("S7", "a finished intent asks too much", format!("{what}: {reads} requests"));
        } else if after.intents != self.intents {
            world.violation("S7", "a finished intent changes intents", what);
        } else if after.item_ends != self.item_ends {
            world.violation("S7", "the end moved again", what);
        }
    }
}

fn open(world: &World) -> Vec<(IntentId, IntentStatus)> {
    world.store.open_intents().unwrap_or_default().into_iter().map(|intent| (intent.id, intent.status)).collect()
}
