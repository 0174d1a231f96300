//! What happens in a history: services and foreign licenses at the beginning, what the panel, its clients, the seller's
//! administrator and neighbours on the account do.

use chrono::{Days, Months, NaiveDate};
use pmisplicense::engine::ItemCommand;
use pmisplicense::model::ids::{ClientId, ItemId, PricelistId};
use pmisplicense::model::item::{AddonValue, ItemStatus};
use pmisplicense::model::license::{FREE_IP, FREE_NAME, Family, LicenseStatus};
use pmisplicense::model::period::{AlignmentRule, MonthCount, Period};

use crate::panel::{Panel, Service, add_period, new_item, nodes};
use crate::script::Script;
use crate::seller::{Lic, Seller};
use crate::world::{Job, World, day_of};

fn address(last: u32) -> String {
    format!("93.184.{}.{}", last / 200, 1 + last % 200)
}

pub fn populate(script: &Script, seller: &mut Seller, panel: &mut Panel, today: NaiveDate) {
    if script.align_year {
        let from = Period::Months(MonthCount(1));
        panel.alignment.push(AlignmentRule { from, into: MonthCount(12), itemtype: None, tariff: None });
    }
    for (index, start) in script.starts.iter().enumerate() {
        let id = u32::try_from(index).unwrap_or(0) + 1;
        let ip = Some(address(start.ip.into()));
        let mut item = new_item(id, start.client, start.code, start.itemtype, start.period, ip);
        if !script.panel.end_at_open && item.period != Period::Lifetime {
            item.expires = Some(add_period(today, item.period));
        }
        item.addons.extend(start.nodes.map(nodes));
        if start.licname {
            item.params.licname = Some(format!("client {id}"));
        }
        panel.services.push(Service { item, before: None, lives: 0 });
        let command = if start.period == 12 && start.licname { ItemCommand::Reopen } else { ItemCommand::Open };
        panel.begin(id, command, None);
    }
    let last = u32::try_from(script.starts.len()).unwrap_or(1);
    if script.module && last > 1 {
        panel.change(last, |item| {
            (item.tariff_intname, item.itemtype) = ("55371".to_owned(), "soft".to_owned());
            item.period = Period::Months(MonthCount(1));
            (item.addons, item.parent) = (Vec::new(), Some(ItemId(1)));
        });
    }
    for index in 0..script.foreign {
        let key = seller.fresh_key();
        let id = 900 + index;
        seller.licenses.push(foreign(id, 55227, key, today, index == 0));
    }
}

/// Somebody else's license on the same account; `free`: another panel's freed one.
fn foreign(id: u32, pricelist: u32, key: String, today: NaiveDate, free: bool) -> Lic {
    Lic {
        id,
        family: Family::Soft,
        pricelist,
        name: if free { FREE_NAME.to_owned() } else { format!("neighbour {id}") },
        ip: if free { Some(FREE_IP) } else { address(150 + id % 40).parse().ok() },
        remoteid: if free { "pml-otherpan-free".to_owned() } else { String::new() },
        period: Period::Months(MonthCount(12)),
        status: if free { LicenseStatus::Stopped } else { LicenseStatus::Active },
        key,
        key_from_ms: 0,
        created: today - Days::new(100),
        expires: Some(today + Months::new(9)),
        autoprolong: false,
        ip_changed: Some(today - Days::new(60)),
        key_changed: Some(today - Days::new(60)),
        nodes: None,
        foreign: true,
        tag: None,
        hidden_until_ms: 0,
        stale_until_ms: 0,
        before: None,
        denied: false,
    }
}

pub fn is_closed(world: &World, item: u32) -> bool {
    world.panel.service(item).is_none_or(|service| service.item.status == ItemStatus::Deleted)
}

/// What the panel does next for an item: mostly what is due; sometimes it forgets, or runs something else first.
pub fn next_job(world: &mut World, item: u32, pick: u32) -> Job {
    let servers = Some(crate::jobs::SERVERS);
    if world.panel.service(item).is_some_and(|service| service.item.module == servers) {
        server_changes(world, item, pick);
        return Job::Sweep;
    }
    if let Some(op) = world.panel.open_op(item) {
        let (command, payment) = (world.panel.ops[op].command, world.panel.ops[op].payment);
        let job = |op, command| Job::Item { item, command, op: Some(op) };
        return match pick % 16 {
            // The operation is lost, and a new one is made for what was paid; not when the post-call moved the end
            // already: for the panel that payment is over, and nobody could tell the new operation from the next
            // payment.
            1 if !post_moved_end(world, op) => {
                world.panel.ops[op].dropped = true;
                let op = begin_operation(world, item, command, Some(payment));
                job(op, command)
            }
            // Another command runs first.
            2 | 3 => {
                let status = world.panel.service(item).map(|service| service.item.status);
                let command = match status {
                    Some(ItemStatus::Active) if pick & 16 == 0 => ItemCommand::Suspend,
                    Some(_) | None if pick & 16 == 0 => ItemCommand::SyncItem,
                    Some(_) | None => ItemCommand::Close,
                };
                if command == ItemCommand::Close {
                    world.panel.ops[op].dropped = true;
                }
                if command == ItemCommand::SyncItem {
                    return Job::Item { item, command, op: None };
                }
                let op = begin(world, item, command, pick, None);
                job(op, command)
            }
            _ => job(op, command),
        };
    }
    let status = world.panel.service(item).map_or(ItemStatus::Deleted, |service| service.item.status);
    let command = match status {
        ItemStatus::Active => match pick % 100 {
            0..=34 => ItemCommand::Prolong,
            35..=46 => ItemCommand::Suspend,
            47..=66 => ItemCommand::Setparam,
            67..=82 => ItemCommand::Close,
            83..=87 => ItemCommand::GenKey,
            88..=90 => ItemCommand::CancelProlong,
            _ => ItemCommand::SyncItem,
        },
        ItemStatus::Suspended => match pick % 100 {
            0..=54 => ItemCommand::Resume,
            55..=79 => ItemCommand::Close,
            80..=91 => ItemCommand::Prolong,
            _ => ItemCommand::SyncItem,
        },
        ItemStatus::Deleted => {
            live_again(world, item, pick);
            ItemCommand::Open
        }
        ItemStatus::Ordered | ItemStatus::Processing | ItemStatus::Unknown(_) => ItemCommand::Open,
    };
    if command == ItemCommand::SyncItem {
        return Job::Item { item, command, op: None };
    }
    let op = begin(world, item, command, pick, None);
    Job::Item { item, command, op: Some(op) }
}

/// Something happens to a server in its own module; most often nothing.
fn server_changes(world: &mut World, item: u32, pick: u32) {
    let (created, fresh) = (world.seller.today, 60 + pick % 40);
    let mut again = false;
    world.panel.change(item, |item| {
        item.status = match (item.status, pick % 12) {
            (ItemStatus::Active, 0 | 1) => ItemStatus::Suspended,
            (ItemStatus::Suspended, 0..=5) => ItemStatus::Active,
            (ItemStatus::Active | ItemStatus::Suspended, 6) => ItemStatus::Deleted,
            (ItemStatus::Deleted, 0..=5) => ItemStatus::Active,
            (same, _) => same,
        };
        again = item.status == ItemStatus::Active && item.expires.is_none_or(|end| end <= created);
        match pick % 12 {
            7 => item.params.ip = Some(address(fresh)),
            8 => crate::deeds::choose(item, "55228"),
            9 => crate::deeds::choose(item, "nopanel"),
            10 => crate::deeds::choose(item, "55227"),
            _ => {}
        }
        if again {
            item.expires = Some(created + Months::new(6));
        }
    });
    world.meddled.insert(item);
    if let Some(service) = world.panel.services.iter_mut().find(|service| service.item.id.0 == item) {
        service.lives += 1;
    }
}

/// A closed service is opened again, or its number is given to another client.
pub fn live_again(world: &mut World, item: u32, pick: u32) {
    let (today, habits) = (day_of(world.now_ms), world.panel.habits);
    let of_item = |lic: &&Lic| lic.tag.is_some_and(|tag| tag.item == Some(item));
    let settled = world.seller.licenses.iter().filter(of_item).all(|lic| lic.created + Days::new(2) <= today);
    if let Some(service) = world.panel.services.iter_mut().find(|service| service.item.id.0 == item) {
        service.lives += 1;
        let lives = service.lives;
        let item = &mut service.item;
        item.status = ItemStatus::Ordered;
        // A number is given to another client only when its last license is older than he is: the panel's date of
        // creation is what tells the two apart once a state is lost.
        if pick & 1 == 0 && settled {
            item.created = format!("{today} 10:00:{:02}", lives.min(59));
            item.client = ClientId(50 + lives + item.id.0 * 10);
            item.params.licid = None;
            item.params.lickey = None;
            item.params.licname = None;
        }
        item.expires = (!habits.end_at_open && item.period != Period::Lifetime).then(|| add_period(today, item.period));
        service.before = None;
    }
}

/// Makes an operation, with what goes with it: a payment moves the end, a client's change is saved first.
pub fn begin(world: &mut World, item: u32, command: ItemCommand, pick: u32, payment: Option<u32>) -> usize {
    let op = begin_operation(world, item, command, payment);
    if command == ItemCommand::Setparam {
        client_types(world, item, pick >> 7);
    }
    op
}

/// Makes an operation; a payment moves the end where the panel does that first.
pub fn begin_operation(world: &mut World, item: u32, command: ItemCommand, payment: Option<u32>) -> usize {
    let old = payment.and_then(|payment| world.panel.ops.iter().find(|op| op.payment == payment).cloned());
    let op = world.panel.begin(item, command, payment);
    match old {
        // What a payment stands for is told by its first operation.
        Some(old) => {
            world.panel.ops[op].expires_before = old.expires_before;
            world.panel.ops[op].license_before = old.license_before;
            world.panel.ops[op].end_before = old.end_before;
            world.panel.ops[op].key_before = old.key_before;
        }
        None => {
            let (expires, key) = license_of(world, item).map(|lic| (lic.expires, lic.key.clone())).unzip();
            world.panel.ops[op].expires_before = expires.flatten();
            world.panel.ops[op].key_before = key;
        }
    }
    world.panel.ops[op].made_ms = world.now_ms;
    // A new operation for an old payment moves nothing again.
    if command == ItemCommand::Prolong && payment.is_none() && world.panel.habits.moves_before {
        world.panel.change(item, |item| item.expires = item.expires.map(|end| add_period(end, item.period)));
    }
    op
}

/// The license that the panel's item names, as upstream has it.
pub fn license_of(world: &World, item: u32) -> Option<&Lic> {
    let named = world.panel.service(item)?.item.params.licid?;
    world.seller.get(named.0)
}

/// The client changes something of his service, and no operation is made for it.
pub fn client_types_alone(world: &mut World, item: u32, pick: u32) {
    world.meddled.insert(item);
    client_types(world, item, pick);
}

/// The client changes something of his service.
fn client_types(world: &mut World, item: u32, pick: u32) {
    let today = world.now_ms.rem_euclid(97);
    let fresh = 40 + u32::try_from(today).unwrap_or(0);
    world.panel.change(item, |item| match pick % 8 {
        0..=2 => item.params.ip = Some(address(fresh)),
        3 => item.params.licname = Some(format!("renamed {pick}")),
        4 | 5 if item.tariff_intname == "55227" => {
            item.previous_tariff = Some(PricelistId(17));
            item.tariff_intname = "55228".to_owned();
        }
        4 | 5 if item.tariff_intname == "nopanel" => item.tariff_intname = "55227".to_owned(),
        6 if item.itemtype == "soft" && pick.is_multiple_of(3) => item.tariff_intname = "nopanel".to_owned(),
        _ => {
            for addon in &mut item.addons {
                if let AddonValue::Number(number) = &mut addon.value {
                    *number += 1;
                }
            }
        }
    });
}

/// The seller's administrator, or a neighbour on the account.
pub fn seller_acts(world: &mut World, item: u32, pick: u32) {
    let (today, now) = (world.seller.today, world.now_ms);
    let licname = world
        .panel
        .service(item)
        .map(|service| service.item.params.licname.clone().unwrap_or_else(|| service.item.default_license_name()));
    let ip = world.panel.service(item).and_then(|service| service.item.params.ip.clone());
    let target = license_of(world, item).map(|lic| lic.id);
    let what = match pick % 12 {
        0 => "renames",
        1 => "stops",
        2 => "deletes",
        3 => "moves the address",
        4 | 5 => "switches automatic renewal on",
        6 => "gives it another expiry",
        7 => "lets the balance run out",
        8 => "fills the balance",
        9 => "a neighbour frees a license",
        10 => "a neighbour buys one that looks like ours",
        _ => "collects unpaid orders",
    };
    world.say(|_| format!("seller: {what} ({target:?})"));
    // Money and unpaid orders are everybody's, and the quiet puts them right; the rest is this service's.
    if !matches!(pick % 12, 7 | 8 | 11) {
        world.meddled.insert(item);
    }
    let seller = &mut world.seller;
    match pick % 12 {
        7 => seller.balance = 100,
        8 => seller.balance = 1_000_000,
        9 | 10 => {
            seller.next_id += 1;
            let (id, key) = (seller.next_id, seller.fresh_key());
            let mut lic = foreign(id, 55227, key, today, pick % 12 == 9);
            if pick % 12 == 10 {
                lic.created = today;
                lic.name = licname.unwrap_or_default();
                lic.ip = ip.and_then(|ip| ip.parse().ok());
            }
            seller.licenses.push(lic);
        }
        11 => {
            for lic in &mut seller.licenses {
                if lic.status == LicenseStatus::Ordered {
                    lic.status = LicenseStatus::Active;
                    lic.key_from_ms = now;
                }
            }
        }
        kind => {
            let Some(lic) = target.and_then(|id| seller.get_mut(id)).filter(|lic| !lic.foreign) else { return };
            match kind {
                0 => lic.name = "renamed by the seller".to_owned(),
                1 if lic.status == LicenseStatus::Active => lic.status = LicenseStatus::Stopped,
                2 if pick.is_multiple_of(5) => lic.status = LicenseStatus::Deleted,
                3 => {
                    lic.ip = address(190).parse().ok();
                    lic.ip_changed = Some(today);
                }
                4 | 5 => lic.autoprolong = true,
                6 => lic.expires = lic.expires.map(|end| end + Days::new(40)),
                _ => {}
            }
        }
    }
}

/// Whether the panel counts an operation's payment as done: it moves the end by the post-call, and did.
pub fn post_moved_end(world: &World, op: usize) -> bool {
    let op = &world.panel.ops[op];
    let end = world.panel.service(op.item).and_then(|service| service.item.expires);
    op.command == ItemCommand::Prolong && !world.panel.habits.moves_before && end != op.end_before
}
