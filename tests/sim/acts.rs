//! The events of a history, each with all its details. Nothing here draws a number, so a recorded history keeps its
//! meaning when histories are drawn in another way later.

use std::borrow::Cow;

use chrono::{Days, Months};
use pmisplicense::model::command::ItemCommand;
use pmisplicense::model::ids::{ClientId, PricelistId};
use pmisplicense::model::item::{AddonValue, ItemStatus};
use pmisplicense::model::license::LicenseStatus;
use pmisplicense::model::period::Period;
use serde::{Deserialize, Serialize};

use crate::faults::Fault;
use crate::history::{address, begin_operation, foreign, license_of, post_moved_end};
use crate::outside::Outside;
use crate::panel::add_period;
use crate::seller::Lic;
use crate::trouble::Trouble;
use crate::world::{Job, World, day_of};

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Runs begin, one or several at once; `turns` draws which of them goes on.
    Runs { turns: u64, runs: Vec<Begun> },
    /// Seconds go by.
    Wait(i64),
    /// The client changes something of a service; `told`: a run will be told of it.
    Client { item: u32, types: Typed, told: bool },
    /// Something happens to a server in its own module.
    Server { item: u32, does: ServerDoes },
    /// A closed service is opened again, or its number is given to another client.
    Reborn { item: u32, to_another: bool },
    /// The seller's administrator, or a neighbour on the account.
    Seller { item: u32, does: SellerDoes },
    /// Something befalls the whole installation.
    Trouble(Trouble),
    /// Something changes outside.
    Outside(Outside),
}

/// A run to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Tells the runs of a history apart, also when others are left out.
    pub tag: usize,
    pub what: What,
    /// What goes wrong in it; empty while chance decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Wrong>,
}

/// A fault in a recorded run: at the `nth` time that it is at `step`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrong {
    pub step: Cow<'static, str>,
    pub nth: u32,
    pub fault: Fault,
}

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A command of a service.
    Item {
        item: u32,
        #[serde(with = "word")]
        command: ItemCommand,
        of: Of,
    },
    Sync,
    Sweep,
    Import,
    Reconcile,
    Decide,
}

/// Which of the panel's operations a run is an attempt of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// None.
    Nothing,
    /// The oldest unfinished one of the service, or a new one.
    Due,
    /// That of the run named before it.
    Same,
    /// A new one for what the unfinished one was made for, which the panel forgot.
    Anew,
    /// A new one, whatever is unfinished.
    Beside,
    /// A new one; the panel forgets the unfinished one.
    Instead,
}

/// What a client types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Typed {
    /// The number of an address.
    Address(u32),
    Name(String),
    Tariff(Cow<'static, str>),
    Nodes,
}

/// What happens to a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerDoes {
    Nothing,
    Run,
    Stop,
    End,
    Move(u32),
    Choose(Cow<'static, str>),
}

/// What the seller's administrator does to the license of a service, and what neighbours and accountants do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SellerDoes {
    Rename,
    Stop,
    Delete,
    /// The license gets another number.
    Renumber,
    Move,
    RenewByItself,
    GiveDays,
    /// Nothing that anybody sees.
    Nothing,
    EmptyBalance,
    FillBalance,
    /// A neighbour frees a license.
    FreeNeighbours,
    /// A neighbour buys one that looks like the service's.
    BuyAlike,
    CollectUnpaid,
}

mod word {
    use pmisplicense::model::command::{Does, ItemCommand, find};
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(command: &ItemCommand, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(command.word())
    }

    pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<ItemCommand, D::Error> {
        let word = String::deserialize(from)?;
        match find(&word).map(|command| command.does) {
            Some(Does::Item(command)) => Ok(command),
            Some(_) | None => Err(serde::de::Error::custom(format!("no command for a service is called {word}"))),
        }
    }
}

/// The job of a run; its operation is looked up or made. `before`: the job of the run named before it.
pub fn job(world: &mut World, what: What, before: Option<Job>) -> Job {
    let (item, command, of) = match what {
        What::Sync => return Job::SyncAll,
        What::Sweep => return Job::Sweep,
        What::Import => return Job::Import,
        What::Reconcile => return Job::Reconcile,
        What::Decide => return Job::Decide,
        What::Item { item, command, of } => (item, command, of),
    };
    let open = world.panel.open_op(item);
    let op = match (of, open) {
        (Of::Nothing, _) => None,
        (Of::Same, _) if before.is_some() => return before.unwrap_or(Job::SyncAll),
        (Of::Due | Of::Same, Some(open)) => Some(open),
        // For the panel that payment is over, and nobody could tell the new operation from the next payment.
        (Of::Anew, Some(open)) if post_moved_end(world, open) => Some(open),
        (Of::Anew, Some(open)) => {
            world.panel.ops[open].dropped = true;
            let payment = world.panel.ops[open].payment;
            Some(begin_operation(world, item, command, Some(payment)))
        }
        (Of::Instead, Some(open)) => {
            world.panel.ops[open].dropped = true;
            Some(begin_operation(world, item, command, None))
        }
        (Of::Due | Of::Same | Of::Anew | Of::Instead | Of::Beside, _) => {
            Some(begin_operation(world, item, command, None))
        }
    };
    let command = op.map_or(command, |op| world.panel.ops[op].command);
    Job::Item { item, command, op }
}

pub fn client(world: &mut World, item: u32, types: &Typed, told: bool) {
    if !told {
        world.meddled.insert(item);
    }
    world.panel.change(item, |item| match types {
        Typed::Address(number) => item.params.ip = Some(address(*number)),
        Typed::Name(name) => item.params.licname = Some(name.clone()),
        Typed::Tariff(code) => {
            if item.tariff_intname != "nopanel" && code != "nopanel" {
                item.previous_tariff = Some(PricelistId(17));
            }
            item.tariff_intname = code.clone().into_owned();
        }
        Typed::Nodes => {
            for addon in &mut item.addons {
                if let AddonValue::Number(number) = &mut addon.value {
                    *number += 1;
                }
            }
        }
    });
}

pub fn server(world: &mut World, item: u32, does: &ServerDoes) {
    let today = world.seller.today;
    world.panel.change(item, |item| {
        match does {
            ServerDoes::Nothing => {}
            ServerDoes::Run => item.status = ItemStatus::Active,
            ServerDoes::Stop => item.status = ItemStatus::Suspended,
            ServerDoes::End => item.status = ItemStatus::Deleted,
            ServerDoes::Move(number) => item.params.ip = Some(address(*number)),
            ServerDoes::Choose(code) => crate::deeds::choose(item, code),
        }
        if item.status == ItemStatus::Active && item.expires.is_none_or(|end| end <= today) {
            item.expires = Some(today + Months::new(6));
        }
    });
    world.meddled.insert(item);
    if let Some(service) = world.panel.services.iter_mut().find(|service| service.item.id.0 == item) {
        service.incarnations += 1;
    }
}

pub fn reopen(world: &mut World, item: u32, to_another: bool) {
    let (today, habits) = (day_of(world.now_ms), world.panel.habits);
    let of_item = |lic: &&Lic| lic.tag.is_some_and(|tag| tag.item == Some(item));
    let settled = world.seller.licenses.iter().filter(of_item).all(|lic| lic.created + Days::new(2) <= today);
    if let Some(service) = world.panel.services.iter_mut().find(|service| service.item.id.0 == item) {
        service.incarnations += 1;
        let incarnations = service.incarnations;
        let item = &mut service.item;
        item.status = ItemStatus::Ordered;
        // A number is given to another client only when its last license is older than he is: the panel's date of
        // creation is what tells the two apart once a state is lost.
        if to_another && settled {
            item.created = format!("{today} 10:00:{:02}", incarnations.min(59));
            item.client = ClientId(50 + incarnations + item.id.0 * 10);
            item.params.licid = None;
            item.params.lickey = None;
            item.params.licname = None;
        }
        item.expires = (!habits.end_at_open && item.period != Period::Lifetime).then(|| add_period(today, item.period));
        service.before = None;
    }
}

pub fn seller(world: &mut World, item: u32, does: SellerDoes) {
    use SellerDoes as D;
    let (today, now) = (world.seller.today, world.now_ms);
    let target = license_of(world, item).map(|lic| lic.id);
    world.say(|_| format!("seller: {does:?} ({target:?})"));
    // Money and unpaid orders are everybody's, and the quiet puts them right; the rest is this service's.
    if !matches!(does, D::EmptyBalance | D::FillBalance | D::CollectUnpaid) {
        world.meddled.insert(item);
    }
    let asked = world.panel.service(item).map(|service| {
        let params = &service.item.params;
        let name = params.licname.clone().unwrap_or_else(|| service.item.default_license_name());
        (name, params.ip.as_ref().and_then(|ip| ip.parse().ok()))
    });
    let seller = &mut world.seller;
    match does {
        D::EmptyBalance => seller.balance = 100,
        D::FillBalance => seller.balance = 1_000_000,
        D::FreeNeighbours | D::BuyAlike => {
            seller.next_id += 1;
            let (id, key) = (seller.next_id, seller.fresh_key());
            let mut lic = foreign(id, 55227, key, today, does == D::FreeNeighbours);
            if let Some((name, ip)) = asked.filter(|_| does == D::BuyAlike) {
                (lic.created, lic.name, lic.ip) = (today, name, ip);
            }
            seller.licenses.push(lic);
        }
        D::CollectUnpaid => {
            for lic in seller.licenses.iter_mut().filter(|lic| lic.status == LicenseStatus::Ordered) {
                lic.status = LicenseStatus::Active;
                lic.key_from_ms = now;
            }
        }
        D::Renumber => {
            let own =
                |id: &u32| seller.get(*id).is_some_and(|lic| !lic.foreign && lic.status != LicenseStatus::Deleted);
            if let Some(id) = target.filter(own) {
                seller.renumber(id);
            }
        }
        D::Rename | D::Stop | D::Delete | D::Move | D::RenewByItself | D::GiveDays | D::Nothing => {
            if let Some(lic) = target.and_then(|id| seller.get_mut(id)).filter(|lic| !lic.foreign) {
                to_license(lic, does, today);
            }
        }
    }
}

fn to_license(lic: &mut Lic, does: SellerDoes, today: chrono::NaiveDate) {
    use SellerDoes as D;
    if does != D::Nothing {
        lic.shows_what_was_done();
    }
    match does {
        D::Rename => lic.name = "renamed by the seller".to_owned(),
        D::Stop if lic.status == LicenseStatus::Active => lic.status = LicenseStatus::Stopped,
        D::Delete => lic.status = LicenseStatus::Deleted,
        D::Move => {
            lic.ip = address(190).parse().ok();
            lic.ip_changed = Some(today);
        }
        D::RenewByItself => lic.autoprolong = true,
        D::GiveDays => lic.expires = lic.expires.map(|end| end + Days::new(40)),
        D::Stop
        | D::Nothing
        | D::EmptyBalance
        | D::FillBalance
        | D::FreeNeighbours
        | D::BuyAlike
        | D::Renumber
        | D::CollectUnpaid => {}
    }
}
