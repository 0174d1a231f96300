//! Harmless changes outside: the panel copies a service under another number, hands it to another client, or tells days
//! of creation in another form; the seller tells dates in another form. And what one neighbour does to a whole pass: a
//! duplicate whose every read fails, a service that another run holds. At most two of them in a history; what lasts
//! ends before the quiet.

use pmisplicense::model::ids::{ClientId, IntentId, ItemId};
use pmisplicense::model::item::ItemStatus;
use pmisplicense::model::journal::OnceRequest;
use pmisplicense::model::license::LicenseStatus;
use pmisplicense::ports::LockName;
use serde::{Deserialize, Serialize};

use crate::panel::{MODULE, Service};
use crate::rng::Rng;
use crate::script::Action;
use crate::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outside {
    /// The panel copies a service under a new number, and closes the old one without us.
    Copied(u32),
    /// A service belongs to another client from now on.
    Handed(u32),
    /// The panel tells days of creation in another form.
    CreatedOtherwise,
    /// The seller tells dates in a form that nobody can read.
    DatesOtherwise,
    /// The module is switched off in the panel: it sells nothing new, and what it sold goes on.
    SwitchedOff,
    /// A duplicate of a service's license, whose every read fails until the quiet.
    #[serde(rename = "stray")]
    Duplicate(u32),
    /// Another run holds a service, and does not come to its end.
    Held(u32),
    /// What another run holds is given back.
    Released,
}

/// Puts at most two of them into a history.
pub fn draw(seed: u64, items: u32, actions: &mut Vec<Action>) {
    use Outside as O;
    let mut rng = Rng::fork(seed, 5);
    for _ in 0..2 {
        if !rng.chance(170) {
            continue;
        }
        let item = 1 + rng.below(items);
        let what = match rng.below(10) {
            0 | 1 => O::Copied(item),
            2 | 3 => O::Handed(item),
            4 => O::CreatedOtherwise,
            5 => O::DatesOtherwise,
            6 => O::SwitchedOff,
            7 => O::Duplicate(item),
            _ => O::Held(item),
        };
        let first = usize::try_from(items).unwrap_or(1).min(actions.len());
        let left = u32::try_from(actions.len() - first + 1).unwrap_or(1);
        let at = first + usize::try_from(rng.below(left)).unwrap_or(0);
        actions.insert(at, Action::Outside(what));
        // A pass sees it before anything else is due.
        actions.insert(at + 1, Action::Sync);
        if matches!(what, O::Held(_)) {
            actions.insert(at + 2, Action::Outside(O::Released));
        }
    }
}

impl Outside {
    /// The same of services as they are numbered now.
    pub fn of_present(self, present: impl Fn(u32) -> u32) -> Self {
        match self {
            Self::Copied(item) => Self::Copied(present(item)),
            Self::Handed(item) => Self::Handed(present(item)),
            Self::Duplicate(item) => Self::Duplicate(present(item)),
            Self::Held(item) => Self::Held(present(item)),
            Self::CreatedOtherwise | Self::DatesOtherwise | Self::SwitchedOff | Self::Released => self,
        }
    }

    pub fn happen(self, world: &mut World) {
        match self {
            Self::Copied(item) => copy(world, item),
            Self::Handed(item) => hand(world, item),
            Self::CreatedOtherwise => {
                for service in &mut world.panel.services {
                    service.item.created = otherwise(&service.item.created);
                    service.before = None;
                }
            }
            Self::DatesOtherwise => world.seller.tells_no_dates = true,
            Self::SwitchedOff => world.panel.module_is_off = true,
            Self::Duplicate(item) => duplicate(world, item),
            Self::Held(item) => world.hold(LockName::Item(ItemId(item))),
            Self::Released => world.release(),
        }
    }
}

/// Everything that lasts ends.
pub fn over(world: &mut World) {
    world.seller.tells_no_dates = false;
    world.release();
    // A state that was lost or put back takes in what it missed only when every license can be read.
    if world.state_lost_ms.is_none() {
        return;
    }
    // What can be read again bears our mark: it is ours to free.
    let readable = std::mem::take(&mut world.seller.broken);
    for lic in world.seller.licenses.iter_mut().filter(|lic| readable.contains(&lic.id)) {
        lic.foreign = false;
    }
}

/// The same moment in the form that another version of the panel gives it.
fn otherwise(created: &str) -> String {
    if created.len() == "2026-12-01".len() { format!("{created} 00:00:00") } else { created.replace(' ', "T") }
}

/// An active service of ours with its license, which no operation is about and no module depends on.
fn settled(world: &World, item: u32) -> Option<&Service> {
    let depends = |one: &Service| one.item.parent == Some(ItemId(item));
    if world.panel.open_op(item).is_some() || world.panel.services.iter().any(depends) {
        return None;
    }
    let service = world.panel.service(item)?;
    let fits = service.item.status == ItemStatus::Active && service.item.module == Some(MODULE);
    (fits && service.item.params.licid.is_some() && service.item.parent.is_none()).then_some(service)
}

fn copy(world: &mut World, item: u32) {
    let Some(mut copy) = settled(world, item).cloned() else { return };
    let last = world.panel.services.iter().map(|service| service.item.id.0).max().unwrap_or(0);
    (copy.item.id, copy.before) = (ItemId(last + 1), None);
    world.panel.change(item, |item| item.status = ItemStatus::Deleted);
    world.panel.services.push(copy);
    world.meddled.extend([item, last + 1]);
    world.copies.insert(item, last + 1);
    world.asks_an_operator = true;
}

fn hand(world: &mut World, item: u32) {
    let Some(service) = settled(world, item) else { return };
    let client = service.item.client.0 + 500;
    let shown = service.item.params.lickey.as_ref().map(|key| key.reveal().to_owned());
    // His key goes with it: that is what handing over means.
    for (_, to) in world.panel.shown_keys.iter_mut().filter(|(key, _)| Some(key) == shown.as_ref()) {
        *to = client;
    }
    world.panel.change(item, |item| item.client = ClientId(client));
    world.meddled.insert(item);
    world.asks_an_operator = true;
}

/// A duplicate of what an order of ours bought: it bears the mark of that order, and the seller fails at it.
fn duplicate(world: &mut World, item: u32) {
    let Some(lic) = crate::history::license_of(world, item).filter(|lic| !lic.foreign) else { return };
    let intent = lic.tag.and_then(|tag| world.store.intent(IntentId(tag.intent)).ok().flatten());
    let Some(OnceRequest::Order(order)) = intent.map(|intent| intent.request) else { return };
    let mut duplicate = lic.clone();
    duplicate.remoteid = order.mark.to_string();
    world.seller.next_id += 1;
    duplicate.id = world.seller.next_id;
    duplicate.key = world.seller.fresh_key();
    // Nobody may change what he cannot read.
    (duplicate.foreign, duplicate.tag, duplicate.ip, duplicate.before) = (true, None, None, None);
    duplicate.status = LicenseStatus::Active;
    world.seller.broken.insert(duplicate.id);
    world.seller.licenses.push(duplicate);
}
