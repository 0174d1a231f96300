//! A history at OrderBox: what its world is like, and what happens in it, act by act, told so that it can be kept and
//! played again (docs/testing.md 3).

use chrono::Days;
use pmisplicense::model::command::ItemCommand;
use pmisplicense::model::ids::ClientId;
use pmisplicense::model::item::ItemStatus;
use pmisplicense::model::license_row::LicenseState;
use pmisplicense::model::rules::{OnClose, Rules};
use serde::{Deserialize, Serialize};

use super::shop::Habits;
use super::stage::{Job, Service, Stage, World};
use crate::panel::new_item;
use crate::rng::Rng;
use crate::world::day_of;
use pmisplicense::model::ids::LicenseId;

/// What the world of a history is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Draws what is no fault, and the habits of the seller.
    pub seed: u64,
    /// Which of the prepared settings.
    pub rules: usize,
    /// The clients of the orders, and whether they are renewed by themselves.
    pub orders: Vec<(u32, bool)>,
    /// Clients of the services, and which order each typed.
    pub services: Vec<(u32, usize)>,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// The panel runs what is due for a service, or makes a new operation.
    Step {
        item: u32,
        pick: u32,
    },
    /// The same for two services at once, or twice the same.
    Group {
        item: u32,
        other: u32,
        pick: u32,
    },
    Sync,
    /// Seconds go by.
    Wait(i64),
    /// Somebody does something in the seller's panel.
    Seller {
        order: usize,
        does: Does,
    },
}

/// What is done in the seller's panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Does {
    RemoveByHand,
    /// The client removes it and buys his own.
    BuyHisOwn,
    Reissue,
    /// Another action on the order begins.
    Disturb,
    Poor,
    Rich,
}

/// The settings that histories choose from.
pub fn rules() -> Vec<Rules> {
    let removing = |on_close: OnClose, resend: bool| {
        let mut rules = Rules { on_close, ..Rules::default() };
        rules.hosting.remove_call = "delete-license-key".to_owned();
        rules.upstream.resend = resend;
        rules
    };
    vec![
        removing(OnClose::Pool, true),
        removing(OnClose::Delete, true),
        Rules::default(),
        removing(OnClose::Keep, true),
        removing(OnClose::Delete, false),
    ]
}

/// A drawn history: setting, acts, intensity of the faults in thousandths.
pub fn draw(seed: u64) -> (Setting, Vec<Act>, u32) {
    let mut rng = Rng::fork(seed, 41);
    let rng = &mut rng;
    let count = rng.pick(&[1, 1, 2, 2]);
    let orders: Vec<(u32, bool)> = (0..count).map(|index| (1 + index, rng.chance(300))).collect();
    let mut services: Vec<(u32, usize)> =
        (0..count).map(|index| (1 + index, usize::try_from(index).unwrap_or(0))).collect();
    if rng.chance(400) {
        // Another service on an order: of the same client, or of one who types somebody else's number.
        services.push((if rng.chance(400) { 1 } else { 9 }, 0));
    }
    let items = u32::try_from(services.len()).unwrap_or(1);
    let mut acts: Vec<Act> = (1..=items).map(|item| Act::Step { item, pick: 0 }).collect();
    for _ in 0..4 + rng.below(6) {
        let item = 1 + rng.below(items);
        let order = usize::try_from(rng.below(count)).unwrap_or(0);
        let pick = u32::try_from(rng.next() >> 33).unwrap_or(0);
        acts.push(match rng.below(100) {
            0..=42 => Act::Step { item, pick },
            43..=54 => Act::Group { item, other: 1 + rng.below(items), pick },
            55..=66 => Act::Sync,
            67..=84 => Act::Wait(rng.pick(&[5, 60, 130, 300, 901, 901, 3_700, 8_000, 86_400, 86_400 * 9, 86_400 * 16])),
            _ => {
                let does = [
                    Does::RemoveByHand,
                    Does::BuyHisOwn,
                    Does::BuyHisOwn,
                    Does::Reissue,
                    Does::Disturb,
                    Does::Poor,
                    Does::Rich,
                ];
                Act::Seller { order, does: rng.pick(&does) }
            }
        });
    }
    let setting = Setting { seed, rules: usize::try_from(rng.below(5)).unwrap_or(0), orders, services };
    (setting, acts, rng.pick(&[0, 300, 600, 1000, 1000, 1500]))
}

/// The habits of the seller in a history.
pub fn habits(seed: u64) -> Habits {
    Habits::draw(&mut Rng::fork(seed, 42))
}

/// Orders and services at the beginning.
pub fn populate(setting: &Setting, world: &mut World) {
    for (client, recurring) in &setting.orders {
        world.shop.add_order(*client, *recurring);
    }
    for (index, (client, order)) in setting.services.iter().enumerate() {
        let id = world.numbers.before + u32::try_from(index).unwrap_or(0) + 1;
        let mut item = new_item(id, *client, "whmcs", "soft", 1, None);
        item.module = Some(world.numbers.module);
        item.expires = day_of(world.now_ms).checked_add_days(Days::new(30));
        let order = world.shop.orders.get(*order).map_or(0, |order| order.id).to_string();
        world.services.push(Service { item, order, incarnations: 0 });
        world.begin_op(id, ItemCommand::Open);
    }
}

impl Stage<'_> {
    /// Lets something happen. `at`: its place in the whole history, by which its runs are told.
    pub fn happen(&mut self, at: usize, act: Act) {
        let jobs = self.begun(at, act);
        self.together(&jobs);
    }

    /// The runs that begin with an act; what is none happens at once.
    pub fn begun(&mut self, at: usize, act: Act) -> Vec<Job> {
        self.next_tag = at * 8;
        let mut world = self.world.borrow_mut();
        let before = world.numbers.before;
        world.say(|_| format!("--- {act:?}"));
        match act {
            Act::Step { item, pick } => return vec![next(&mut world, item + before, pick)],
            Act::Group { item, other, pick } => {
                let first = next(&mut world, item + before, pick);
                let second = match pick % 3 {
                    0 => Job::Sync,
                    _ if other == item => first,
                    _ => next(&mut world, other + before, pick >> 3),
                };
                return vec![first, second];
            }
            Act::Sync => return vec![Job::Sync],
            Act::Wait(s) => world.advance(s * 1000),
            Act::Seller { order, does } => seller(&mut world, order, does),
        }
        Vec::new()
    }
}

/// What the panel does next for a service.
fn next(world: &mut World, item: u32, pick: u32) -> Job {
    let sync_item = Job::Item { item, command: ItemCommand::SyncItem, op: None };
    let status = world.service(item).map_or(ItemStatus::Deleted, |service| service.item.status);
    if let Some(open) = world.open_op(item) {
        let command = world.ops[open].command;
        match pick % 16 {
            // The operation is lost, and a new one is made; or the client gives up.
            1 => world.ops[open].dropped = true,
            2 | 3 if pick & 16 != 0 => {
                world.ops[open].dropped = true;
                let op = Some(world.begin_op(item, ItemCommand::Close));
                return Job::Item { item, command: ItemCommand::Close, op };
            }
            4 => return sync_item,
            _ => return Job::Item { item, command, op: Some(open) },
        }
        let op = Some(world.begin_op(item, command));
        return Job::Item { item, command, op };
    }
    let command = match (status, pick % 100) {
        (ItemStatus::Active, 0..=14) => ItemCommand::Prolong,
        (ItemStatus::Active, 15..=24) => ItemCommand::Suspend,
        (ItemStatus::Active, 25..=44) => {
            client_types(world, item, pick >> 7);
            ItemCommand::Setparam
        }
        (ItemStatus::Active, 45..=84) | (ItemStatus::Suspended, 40..=84) => ItemCommand::Close,
        (ItemStatus::Suspended, 0..=39) => ItemCommand::Resume,
        (ItemStatus::Active | ItemStatus::Suspended, _) => return sync_item,
        (ItemStatus::Deleted, _) => {
            reopen(world, item, pick.is_multiple_of(5));
            if pick & 2 == 0 { ItemCommand::Reopen } else { ItemCommand::Open }
        }
        (ItemStatus::Ordered | ItemStatus::Processing | ItemStatus::Unknown(_), _) => ItemCommand::Open,
    };
    let op = Some(world.begin_op(item, command));
    Job::Item { item, command, op }
}

fn client_types(world: &mut World, item: u32, pick: u32) {
    let orders: Vec<u32> = world.shop.orders.iter().map(|order| order.id).collect();
    let Some(service) = world.services.iter_mut().find(|service| service.item.id.0 == item) else { return };
    if pick.is_multiple_of(4) {
        let other = usize::try_from(pick >> 4).unwrap_or(0) % orders.len();
        service.order = orders[other].to_string();
    } else {
        let code = if service.item.tariff_intname == "whmcs" { "nopanel" } else { "whmcs" };
        service.item.tariff_intname = code.to_owned();
    }
}

pub fn reopen(world: &mut World, item: u32, to_another: bool) {
    let today = day_of(world.now_ms);
    let fresh = to_another.then(|| {
        let client = 50 + item * 10 + u32::try_from(world.shop.orders.len()).unwrap_or(0);
        (client, world.shop.add_order(client, false))
    });
    let Some(service) = world.services.iter_mut().find(|service| service.item.id.0 == item) else { return };
    service.incarnations += 1;
    service.item.status = ItemStatus::Ordered;
    service.item.expires = today.checked_add_days(Days::new(30));
    if let Some((client, order)) = fresh {
        service.item.created = format!("{today} 10:00:{:02}", service.incarnations.min(59));
        service.item.client = ClientId(client);
        service.item.params = Default::default();
        service.item.tariff_intname = "whmcs".to_owned();
        service.order = order.to_string();
    }
}

pub fn seller(world: &mut World, order: usize, does: Does) {
    let Some(id) = world.shop.orders.get(order).map(|order| order.id) else { return };
    let (store, account) = (&world.store, world.numbers.account);
    let on_its_way = world.pending.iter().any(|pending| pending.order == id);
    let row = store.license(account, LicenseId(id)).ok().flatten();
    let is_open = store.open_intents_of_license(account, LicenseId(id)).is_ok_and(|open| !open.is_empty());
    let is_bound = row.as_ref().is_some_and(|row| row.state == LicenseState::Bound);
    let waits_for_key = row.is_some_and(|row| row.key.is_none() && row.state != LicenseState::Deleted);
    // Who buys in the middle of it cannot be told from us.
    let is_unclear = on_its_way || is_open || waits_for_key || world.shop.is_busy(id);
    match does {
        Does::RemoveByHand if !world.shop.is_busy(id) => world.shop.remove_by_hand(id, false),
        // On an order whose license serves, another key is a new key of ours.
        Does::BuyHisOwn if is_bound && !is_unclear => world.shop.reissue(id),
        Does::BuyHisOwn if !is_unclear => world.shop.remove_by_hand(id, true),
        Does::Reissue => world.shop.reissue(id),
        Does::Disturb => world.shop.disturb(id),
        Does::Poor | Does::Rich => world.shop.is_poor = does == Does::Poor,
        Does::RemoveByHand | Does::BuyHisOwn => {}
    }
}
