//! The beginning of a history, and each next step: numbers drawn beforehand become complete acts, depending on what
//! the world is like at that moment.

use chrono::{Days, Months, NaiveDate};
use pmisplicense::model::command::ItemCommand;
use pmisplicense::model::ids::ItemId;
use pmisplicense::model::item::{Addon, AddonValue, ItemStatus};
use pmisplicense::model::license::{FREE_IP, FREE_NAME, Family, LicenseStatus};
use pmisplicense::model::period::{AlignmentRule, MonthCount, Period};

use crate::acts::{Act, Of, SellerDoes, ServerDoes, Typed, What};
use crate::panel::{Panel, Service, add_period, new_item};
use crate::script::Setting;
use crate::seller::{Lic, Seller};
use crate::world::World;

/// The address of that number.
pub fn address(last: u32) -> String {
    format!("93.184.{}.{}", last / 200, 1 + last % 200)
}

pub fn populate(setting: &Setting, seller: &mut Seller, panel: &mut Panel, today: NaiveDate) {
    if setting.align_year {
        let from = Period::Months(MonthCount(1));
        panel.alignment.push(AlignmentRule { from, into: MonthCount(12), itemtype: None, tariff: None });
    }
    for (index, start) in setting.starts.iter().enumerate() {
        let id = u32::try_from(index).unwrap_or(0) + 1;
        let ip = Some(address(start.ip.into()));
        let mut item = new_item(id, start.client, &start.code, &start.itemtype, start.period, ip);
        if !setting.panel.end_at_open && item.period != Period::Lifetime {
            item.expires = Some(add_period(today, item.period));
        }
        item.addons.extend(start.nodes.map(nodes));
        if start.licname {
            item.params.licname = Some(format!("client {id}"));
        }
        panel.services.push(Service { item, before: None, incarnations: 0 });
        let command = if start.period == 12 && start.licname { ItemCommand::Reopen } else { ItemCommand::Open };
        panel.begin(id, command, None);
    }
    let last = u32::try_from(setting.starts.len()).unwrap_or(1);
    if setting.module && last > 1 {
        panel.change(last, |item| {
            (item.tariff_intname, item.itemtype) = ("55371".to_owned(), "soft".to_owned());
            item.period = Period::Months(MonthCount(1));
            (item.addons, item.parent) = (Vec::new(), Some(ItemId(1)));
        });
    }
    for index in 0..setting.foreign {
        let key = seller.fresh_key();
        let id = 900 + index;
        seller.licenses.push(foreign(id, 55227, key, today, index == 0));
    }
}

/// Somebody else's license on the same account; `free`: another panel's freed one.
pub fn foreign(id: u32, pricelist: u32, key: String, today: NaiveDate, free: bool) -> Lic {
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

/// What the panel does next for an item: mostly what is due; sometimes it forgets, or runs something else first. What
/// comes before the run, and the run.
pub fn next(world: &World, item: u32, pick: u32) -> (Vec<Act>, What) {
    let servers = Some(crate::jobs::SERVERS);
    if world.panel.service(item).is_some_and(|service| service.item.module == servers) {
        return (vec![Act::Server { item, does: server_changes(world, item, pick) }], What::Sweep);
    }
    let status = world.panel.service(item).map_or(ItemStatus::Deleted, |service| service.item.status);
    let sync_item = What::Item { item, command: ItemCommand::SyncItem, of: Of::Nothing };
    if let Some(op) = world.panel.open_op(item) {
        let command = world.panel.ops[op].command;
        let run = |command, of| (Vec::new(), What::Item { item, command, of });
        return match pick % 16 {
            // The operation is lost, and a new one is made for what was paid.
            1 => run(command, Of::Anew),
            // Another command runs first.
            2 | 3 if pick & 16 != 0 => run(ItemCommand::Close, Of::Instead),
            2 | 3 if status == ItemStatus::Active => run(ItemCommand::Suspend, Of::Beside),
            2 | 3 => (Vec::new(), sync_item),
            _ => run(command, Of::Due),
        };
    }
    let command = match status {
        ItemStatus::Active => match pick % 100 {
            0..=34 => ItemCommand::Prolong,
            35..=46 => ItemCommand::Suspend,
            47..=66 => ItemCommand::Setparam,
            67..=82 => ItemCommand::Close,
            83..=87 => ItemCommand::GenKey,
            88..=90 => ItemCommand::CancelProlong,
            _ => return (Vec::new(), sync_item),
        },
        ItemStatus::Suspended => match pick % 100 {
            0..=54 => ItemCommand::Resume,
            55..=79 => ItemCommand::Close,
            80..=91 => ItemCommand::Prolong,
            _ => return (Vec::new(), sync_item),
        },
        ItemStatus::Deleted | ItemStatus::Ordered | ItemStatus::Processing | ItemStatus::Unknown(_) => {
            ItemCommand::Open
        }
    };
    let before = match (status, command) {
        (ItemStatus::Deleted, _) => vec![Act::Reborn { item, to_another: pick & 1 == 0 }],
        (_, ItemCommand::Setparam) => client_types(world, item, pick >> 7, true).into_iter().collect(),
        _ => Vec::new(),
    };
    (before, What::Item { item, command, of: Of::Due })
}

/// What happens to a server in its own module; most often nothing.
fn server_changes(world: &World, item: u32, pick: u32) -> ServerDoes {
    let status = world.panel.service(item).map(|service| service.item.status);
    match (status, pick % 12) {
        (Some(ItemStatus::Active), 0 | 1) => ServerDoes::Stop,
        (Some(ItemStatus::Suspended | ItemStatus::Deleted), 0..=5) => ServerDoes::Run,
        (Some(ItemStatus::Active | ItemStatus::Suspended), 6) => ServerDoes::End,
        (_, 7) => ServerDoes::Move(60 + pick % 40),
        (_, 8) => ServerDoes::Choose("55228".into()),
        (_, 9) => ServerDoes::Choose("nopanel".into()),
        (_, 10) => ServerDoes::Choose("55227".into()),
        _ => ServerDoes::Nothing,
    }
}

/// What the client changes of his service; `told`: a run will be told of it.
pub fn client_types(world: &World, item: u32, pick: u32, told: bool) -> Option<Act> {
    let service = &world.panel.service(item)?.item;
    let fresh = 40 + u32::try_from(world.now_ms.rem_euclid(97)).unwrap_or(0);
    let types = match pick % 8 {
        0..=2 => Typed::Address(fresh),
        3 => Typed::Name(format!("renamed {pick}")),
        4 | 5 if service.tariff_intname == "55227" => Typed::Tariff("55228".into()),
        4 | 5 if service.tariff_intname == "nopanel" => Typed::Tariff("55227".into()),
        6 if service.itemtype == "soft" && pick.is_multiple_of(3) => Typed::Tariff("nopanel".into()),
        _ => Typed::Nodes,
    };
    Some(Act::Client { item, types, told })
}

/// What the seller's administrator does, or a neighbour on the account.
pub fn seller_does(pick: u32) -> SellerDoes {
    use SellerDoes as D;
    match pick % 12 {
        0 => D::Rename,
        1 => D::Stop,
        2 if pick.is_multiple_of(5) => D::Delete,
        2 if pick.is_multiple_of(3) => D::Renumber,
        2 => D::Nothing,
        3 => D::Move,
        4 | 5 => D::RenewByItself,
        6 => D::GiveDays,
        7 => D::EmptyBalance,
        8 => D::FillBalance,
        9 => D::FreeNeighbours,
        10 => D::BuyAlike,
        _ => D::CollectUnpaid,
    }
}

/// Makes an operation; a payment moves the end where the panel does that first.
pub fn begin_operation(world: &mut World, item: u32, command: ItemCommand, payment: Option<u32>) -> usize {
    let old = payment.and_then(|payment| world.panel.ops.iter().find(|op| op.payment == payment).cloned());
    let op = world.panel.begin(item, command, payment);
    match old {
        // The first operation of a payment says what it is for.
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

/// The license that the panel's item names, as the seller has it.
pub fn license_of(world: &World, item: u32) -> Option<&Lic> {
    let named = world.panel.service(item)?.item.params.licid?;
    world.seller.get(named.0)
}

/// Whether the panel counts an operation's payment as done: it moves the end by the post-call, and did.
pub fn post_moved_end(world: &World, op: usize) -> bool {
    let op = &world.panel.ops[op];
    let end = world.panel.service(op.item).and_then(|service| service.item.expires);
    op.command == ItemCommand::Prolong && !world.panel.habits.moves_before && end != op.end_before
}

/// The node addon of a service of 55230.
fn nodes(number: i64) -> Addon {
    Addon { name: "nodes".to_owned(), value: AddonValue::Number(number) }
}
