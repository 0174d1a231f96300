//! Changes in a scene that no run learns of. They are made by the client, the seller's administrator or the panel of a
//! server.

use chrono::{Days, Months};
use pmisplicense::model::ids::{ClientId, ItemId, PricelistId};
use pmisplicense::model::item::{Addon, AddonValue, Item, ItemStatus};
use pmisplicense::model::license::LicenseStatus;
use pmisplicense::model::period::Period;

use crate::jobs::SERVERS;
use crate::world::World;

fn item(world: &mut World, item: u32, work: impl FnOnce(&mut Item)) {
    world.panel.change(item, work);
}

fn licenses(world: &mut World, work: impl Fn(&mut crate::seller::Lic)) {
    world.seller.licenses.iter_mut().filter(|lic| !lic.foreign).for_each(work);
}

pub fn new_address(world: &mut World) {
    item(world, 1, |item| item.params.ip = Some("93.184.0.77".to_owned()));
}

pub fn both_new_address(world: &mut World) {
    new_address(world);
    item(world, 2, |item| item.params.ip = Some("93.184.0.77".to_owned()));
}

pub fn new_name(world: &mut World) {
    item(world, 1, |item| item.params.licname = Some("renamed".to_owned()));
}

pub fn new_tariff(world: &mut World) {
    item(world, 1, |item| {
        item.previous_tariff = Some(PricelistId(17));
        item.tariff_intname = "55228".to_owned();
    });
}

pub fn new_tariff_without_money(world: &mut World) {
    new_tariff(world);
    world.seller.balance = 100;
}

pub fn more_nodes(world: &mut World) {
    item(world, 1, |item| {
        for addon in &mut item.addons {
            if let AddonValue::Number(number) = &mut addon.value {
                *number += 1;
            }
        }
    });
}

pub fn to_nopanel(world: &mut World) {
    item(world, 1, |item| item.tariff_intname = "nopanel".to_owned());
}

pub fn to_panel(world: &mut World) {
    item(world, 1, |item| item.tariff_intname = "55227".to_owned());
}

pub fn paid_for_months(world: &mut World) {
    item(world, 1, |item| item.expires = item.expires.map(|end| end + Months::new(3)));
}

pub fn trial_becomes_paid(world: &mut World) {
    item(world, 1, |item| item.period = Period::from_panel(1));
}

/// The list leaves out everything of the first license's tariff, and says nothing of it.
pub fn list_is_filtered(world: &mut World) {
    world.seller.filter = world.seller.licenses.first().map(|lic| lic.id);
}

pub fn seller_deletes(world: &mut World) {
    licenses(world, |lic| lic.status = LicenseStatus::Deleted);
}

/// The first license alone is not shown for a while.
pub fn seller_hides_one(world: &mut World) {
    let until = world.now_ms + 2_000_000;
    if let Some(lic) = world.seller.licenses.first_mut() {
        lic.hidden_until_ms = until;
    }
}

/// A duplicate of the first license, which nobody can read.
pub fn duplicate_beside(world: &mut World) {
    crate::outside::Outside::Duplicate(1).happen(world);
}

pub fn seller_renumbers(world: &mut World) {
    let ids: Vec<u32> = world.seller.licenses.iter().filter(|lic| !lic.foreign).map(|lic| lic.id).collect();
    ids.into_iter().for_each(|id| world.seller.renumber(id));
}

pub fn new_client(world: &mut World) {
    item(world, 1, |item| item.client = ClientId(77));
}

pub fn money_is_out(world: &mut World) {
    world.seller.balance = 100;
}

pub fn seller_hides(world: &mut World) {
    let until = world.now_ms + 2_000_000;
    licenses(world, |lic| lic.hidden_until_ms = until);
}

pub fn seller_doubles_a_field(world: &mut World) {
    world.seller.doubles_a_field = true;
}

pub fn seller_renews_by_itself(world: &mut World) {
    licenses(world, |lic| lic.autoprolong = true);
}

pub fn seller_renames(world: &mut World) {
    licenses(world, |lic| lic.name = "lent to a friend".to_owned());
}

pub fn key_is_young(world: &mut World) {
    let today = world.seller.today;
    licenses(world, |lic| lic.key_changed = Some(today));
}

pub fn seller_moves(world: &mut World) {
    licenses(world, |lic| lic.expires = lic.expires.map(|end| end + Days::new(40)));
}

pub fn unpaid_are_paid(world: &mut World) {
    licenses(world, |lic| lic.status = LicenseStatus::Active);
}

/// The first service is a server of another module, with a control panel among its addons.
pub fn is_server(world: &mut World) {
    make_server(world, 1);
}

/// A service becomes a server of another module.
pub fn make_server(world: &mut World, number: u32) {
    for op in &mut world.panel.ops {
        op.dropped |= op.item == number;
    }
    let end = world.seller.today + Months::new(6);
    item(world, number, |item| {
        item.module = Some(SERVERS);
        item.module_program = "vmmanager".to_owned();
        item.itemtype = "vds".to_owned();
        item.status = ItemStatus::Active;
        item.expires = Some(end);
        item.tariff_intname = "vds".to_owned();
        choose(item, "55227");
    });
}

pub fn choose(item: &mut Item, chosen: &str) {
    let all = vec!["nopanel".to_owned(), "55227".to_owned(), "55228".to_owned()];
    let value = AddonValue::Choice { chosen: chosen.to_owned(), all };
    item.addons = vec![Addon { name: "panel".to_owned(), value }];
}

pub fn server_stops(world: &mut World) {
    item(world, 1, |item| item.status = ItemStatus::Suspended);
}

pub fn server_runs(world: &mut World) {
    item(world, 1, |item| item.status = ItemStatus::Active);
}

pub fn server_ends(world: &mut World) {
    item(world, 1, |item| item.status = ItemStatus::Deleted);
}

pub fn server_chooses_another(world: &mut World) {
    item(world, 1, |item| choose(item, "55228"));
}

pub fn server_chooses_none(world: &mut World) {
    item(world, 1, |item| choose(item, "nopanel"));
}

/// The second service is a module of the first one's license.
pub fn is_module(world: &mut World) {
    item(world, 2, |item| item.parent = Some(ItemId(1)));
}

pub fn is_reopened(world: &mut World) {
    crate::acts::reopen(world, 1, false);
}
