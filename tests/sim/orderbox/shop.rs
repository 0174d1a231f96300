//! The simulated OrderBox: hosting orders, licenses on them, actions that are queued, money, and a ledger whose entries
//! are tagged outside the protocol. What nobody has confirmed about it (docs/orderbox-protocol.md 5) is a habit.

use pmisplicense::model::hosting::{HostingOrder, OrderAction};
use pmisplicense::model::ids::{LicenseId, LicenseKey};

use crate::rng::Rng;
use crate::world::moment;

/// What a purchase does on an order that has its license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// The license is confirmed, free of charge.
    Existing,
    Refused,
    /// It is charged a second time.
    Charged,
}

impl Order {
    fn change(&mut self, now_ms: i64, license: Option<License>) {
        let before = std::mem::replace(&mut self.license, license);
        self.changed = Some((now_ms, before));
    }

    /// Somebody else changes it, and that shows at once: what is late is a change of ours. With his change shows what
    /// we did before it, because a seller shows changes in the order in which they were made.
    fn shows_what_was_done(&mut self) {
        self.unreadable_until_ms = 0;
    }
}

/// How this OrderBox behaves.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    pub repeat: Repeat,
    /// Purchases and removals wait so long before they are carried out.
    pub queue_s: i64,
    /// The key shows so long after its license.
    pub key_late_s: i64,
    /// An action that ended is in no list for so long.
    pub unlisted_s: i64,
    /// Some purchases fail although they were taken.
    pub fails: bool,
    /// Its clock is ahead of ours.
    pub clock_s: i64,
}

impl Habits {
    pub fn draw(rng: &mut Rng) -> Self {
        Self {
            repeat: rng.pick(&[Repeat::Existing, Repeat::Refused, Repeat::Charged]),
            queue_s: rng.pick(&[0, 0, 0, 240, 7_200]),
            key_late_s: rng.pick(&[0, 0, 0, 120, 86_400]),
            unlisted_s: rng.pick(&[0, 0, 30]),
            fails: rng.chance(250),
            clock_s: rng.pick(&[0, 0, 0, -1_800, 1_800]),
        }
    }
}

/// Which sending a charge or a removal came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    pub run: usize,
    pub item: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct License {
    pub key: String,
    /// The charge that it was bought with; `None`: by somebody else.
    pub charge: Option<usize>,
    /// A purchase of ours that it looks to have come of.
    taken_by: Option<Purchase>,
    shown_from_ms: i64,
}

/// A purchase by a run that was shown the order as it was before somebody else bought the license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purchase {
    /// When it was sent, by the seller's clock.
    pub sent_ms: i64,
    /// The seller answered it with success.
    pub is_accepted: bool,
}

#[derive(Debug, Clone)]
pub struct Order {
    pub id: u32,
    /// The panel's number of the client whose it is.
    pub client: u32,
    pub status: &'static str,
    pub ends_ms: i64,
    pub recurring: bool,
    pub license: Option<License>,
    /// Until then nothing that was done lately can be seen.
    unreadable_until_ms: i64,
    before: Option<License>,
    /// When its license changed the last time, and what it was before.
    changed: Option<(i64, Option<License>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// The license of a charge.
    Add(usize),
    Remove,
    /// Somebody else's.
    Other,
}

#[derive(Debug, Clone)]
pub struct Action {
    id: u32,
    order: u32,
    work: Work,
    added_ms: i64,
    due_ms: i64,
    /// When it ended, and whether well.
    ended: Option<(i64, bool)>,
}

/// A license that was paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    pub order: u32,
    pub tag: Tag,
    /// By a proxy that sent the request twice.
    pub doubled: bool,
    /// The order had a license already.
    pub again: bool,
    /// That one was bought by us.
    pub is_ours: bool,
    pub refunded: bool,
}

/// What it says when it does not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum No {
    /// Another action on the order is under way.
    Busy,
    Money,
    Not(&'static str),
}

pub struct Shop {
    pub habits: Habits,
    first: u32,
    pub orders: Vec<Order>,
    pub actions: Vec<Action>,
    pub charges: Vec<Charge>,
    pub now_ms: i64,
    pub is_poor: bool,
    keys: u32,
    chance: Rng,
}

const DAY_MS: i64 = 86_400_000;

/// For so long a read may show an order as it was before its license changed, and leave out an action that began or
/// ended: less than the time between two looks.
const PAST_MS: i64 = 55_000;

impl Shop {
    /// `first`: the number of its first order.
    pub fn new(habits: Habits, first: u32, seed: u64, now_ms: i64) -> Self {
        let chance = Rng::fork(seed, 31);
        let (orders, actions, charges) = (Vec::new(), Vec::new(), Vec::new());
        Self { habits, first, orders, actions, charges, now_ms, is_poor: false, keys: 0, chance }
    }

    pub fn add_order(&mut self, client: u32, recurring: bool) -> u32 {
        let id = self.first + u32::try_from(self.orders.len()).unwrap_or(0);
        self.orders.push(Order {
            id,
            client,
            status: "Active",
            ends_ms: self.now_ms + 20 * DAY_MS,
            recurring,
            license: None,
            unreadable_until_ms: 0,
            before: None,
            changed: None,
        });
        id
    }

    pub fn order(&self, id: u32) -> Option<&Order> {
        self.orders.iter().find(|order| order.id == id)
    }

    pub fn order_mut(&mut self, id: u32) -> Option<&mut Order> {
        self.orders.iter_mut().find(|order| order.id == id)
    }

    pub fn is_busy(&self, order: u32) -> bool {
        self.actions.iter().any(|action| action.order == order && action.ended.is_none())
    }

    /// A run that did not see the license of an order, which is somebody else's, has sent a purchase.
    pub fn took(&mut self, id: u32, purchase: Purchase) {
        if let Some(license) = self.order_mut(id).and_then(|order| order.license.as_mut()) {
            license.taken_by = Some(purchase);
        }
    }

    /// Whether nothing that can be read tells somebody else's license from one of ours: the seller accepted a purchase
    /// of ours, or its list shows another action since then (docs/money-safety.md 3).
    pub fn looks_like_ours(&self, id: u32) -> bool {
        let license = self.order(id).and_then(|order| order.license.as_ref());
        license.and_then(|license| license.taken_by).is_some_and(|purchase| {
            let is_younger = |one: &Action| self.its_time(one.added_ms) >= purchase.sent_ms;
            let is_one = |one: &&Action| one.order == id && one.work != Work::Remove && is_younger(one);
            purchase.is_accepted || self.actions.iter().any(|one| is_one(&one))
        })
    }

    fn fresh_license(&mut self, charge: Option<usize>) -> License {
        self.keys += 1;
        let late_ms = if charge.is_some() { self.habits.key_late_s * 1000 } else { 0 };
        let key = format!("WHMCS-{}", self.keys);
        License { key, charge, taken_by: None, shown_from_ms: self.now_ms + late_ms }
    }

    fn begin(&mut self, order: u32, work: Work, queue_s: i64) {
        let id = 900 + u32::try_from(self.actions.len()).unwrap_or(0);
        let now_ms = self.now_ms;
        self.actions.push(Action { id, order, work, added_ms: now_ms, due_ms: now_ms + queue_s * 1000, ended: None });
        self.carry_out();
    }

    /// Time goes by: what is queued is carried out, orders end.
    pub fn move_to(&mut self, now_ms: i64) {
        while let Some(due) = self.actions.iter().filter(|one| one.ended.is_none()).map(|one| one.due_ms).min()
            && due <= now_ms
        {
            self.now_ms = self.now_ms.max(due);
            self.carry_out();
        }
        self.now_ms = now_ms;
        for order in &mut self.orders {
            while order.recurring && order.status == "Active" && order.ends_ms <= now_ms {
                order.ends_ms += 30 * DAY_MS;
            }
            if order.ends_ms <= now_ms && order.status == "Active" {
                order.status = "Suspended";
            }
            if order.ends_ms + 10 * DAY_MS <= now_ms && order.status == "Suspended" {
                (order.status, order.license) = ("Deleted", None);
            }
        }
    }

    fn carry_out(&mut self) {
        let now_ms = self.now_ms;
        let due = |one: &&mut Action| one.ended.is_none() && one.due_ms <= now_ms;
        let Some(action) = self.actions.iter_mut().find(due) else { return };
        let (id, work) = (action.order, action.work);
        let is_alive = self.orders.iter().any(|order| order.id == id && order.status != "Deleted");
        let fails = matches!(work, Work::Add(_)) && (!is_alive || self.habits.fails && self.chance.chance(300));
        action.ended = Some((now_ms, !fails));
        match work {
            Work::Add(charge) if fails => self.charges[charge].refunded = true,
            Work::Add(charge) => {
                let license = self.fresh_license(Some(charge));
                if let Some(order) = self.order_mut(id).filter(|order| order.license.is_none()) {
                    order.change(now_ms, Some(license));
                }
            }
            Work::Remove => {
                if let Some(order) = self.order_mut(id) {
                    order.change(now_ms, None);
                }
            }
            Work::Other => {}
        }
    }

    /// `generate-license-key`
    pub fn buy(&mut self, id: u32, tag: Tag, doubled: bool) -> Result<(), No> {
        let Some(order) = self.order(id) else { return Err(No::Not("Website doesn't exist")) };
        let has_license = order.license.is_some();
        if order.status != "Active" {
            return Err(No::Not("not active"));
        }
        if self.is_busy(id) {
            return Err(No::Busy);
        }
        match self.habits.repeat {
            Repeat::Existing if has_license => return Ok(()),
            Repeat::Refused if has_license => return Err(No::Not("it has a license")),
            Repeat::Existing | Repeat::Refused | Repeat::Charged => {}
        }
        if self.is_poor {
            return Err(No::Money);
        }
        let is_ours = self.order(id).and_then(|order| order.license.as_ref()).is_some_and(|one| one.charge.is_some());
        self.charges.push(Charge { order: id, tag, doubled, again: has_license, is_ours, refunded: false });
        self.begin(id, Work::Add(self.charges.len() - 1), self.habits.queue_s);
        Ok(())
    }

    /// The call that takes the license away.
    pub fn remove(&mut self, id: u32) -> Result<(), No> {
        if self.is_busy(id) {
            return Err(No::Busy);
        }
        if self.order(id).is_none_or(|order| order.license.is_none()) {
            return Err(No::Not("it has no license"));
        }
        self.begin(id, Work::Remove, self.habits.queue_s);
        Ok(())
    }

    /// What we do from now on can be seen only later. `before`: what the order shows until then. A change of somebody
    /// else ends that (`Order::shows_what_was_done`).
    pub fn hide(&mut self, id: u32, before: Option<License>, until_ms: i64) {
        if let Some(order) = self.order_mut(id) {
            (order.unreadable_until_ms, order.before) = (until_ms, before);
        }
    }

    /// Whatever was done shows at once: after a refusal one look decides (docs/money-safety.md 1).
    pub fn show(&mut self, id: u32) {
        let now_ms = self.now_ms;
        if let Some(order) = self.order_mut(id) {
            (order.unreadable_until_ms, order.changed) = (0, None);
            order.license.iter_mut().for_each(|license| license.shown_from_ms = now_ms);
        }
    }

    /// Somebody takes the license away in the seller's panel; what somebody else then buys is his own.
    pub fn remove_by_hand(&mut self, id: u32, buys_his_own: bool) {
        let own = buys_his_own.then(|| self.fresh_license(None));
        let now_ms = self.now_ms;
        if let Some(order) = self.order_mut(id) {
            order.shows_what_was_done();
            order.change(now_ms, own);
        }
    }

    /// The key is issued anew.
    pub fn reissue(&mut self, id: u32) {
        let (fresh, now_ms) = (self.fresh_license(None).key, self.now_ms);
        if let Some(order) = self.order_mut(id)
            && let Some(license) = order.license.clone()
        {
            order.shows_what_was_done();
            order.change(now_ms, Some(License { key: fresh, ..license }));
        }
    }

    /// Somebody else's action, which takes two minutes.
    pub fn disturb(&mut self, id: u32) {
        if !self.is_busy(id) {
            self.order_mut(id).into_iter().for_each(Order::shows_what_was_done);
            self.begin(id, Work::Other, 120);
        }
    }

    /// `details`
    pub fn details(&self, id: u32, is_past: bool) -> Option<HostingOrder> {
        let order = self.order(id)?;
        let is_hidden = self.now_ms < order.unreadable_until_ms;
        let past = order.changed.as_ref().filter(|(when, _)| is_past && self.now_ms - when < PAST_MS);
        let license = match past {
            Some((_, before)) => before,
            None if is_hidden => &order.before,
            None => &order.license,
        };
        let shown = license.as_ref().filter(|license| license.shown_from_ms <= self.now_ms);
        let pending = self.actions.iter().rev().find(|one| one.order == id && one.ended.is_none() && !is_hidden);
        Some(HostingOrder {
            id: LicenseId(id),
            domain: format!("order{id}.example.com"),
            status: order.status.to_owned(),
            customer: order.client.to_string(),
            ends: Some(moment(order.ends_ms)),
            recurring: order.recurring,
            key: shown.and_then(|license| LicenseKey::parse(&license.key)),
            action: pending.map_or(0, |action| action.id).to_string(),
        })
    }

    /// Its lists of actions: those under way, or those that ended.
    pub fn listed(&self, id: u32, is_over: bool, is_past: bool) -> Vec<OrderAction> {
        if self.order(id).is_none_or(|order| self.now_ms < order.unreadable_until_ms) {
            return Vec::new();
        }
        let word = |ended: Option<(i64, bool)>| match ended {
            None => "PendingExecution",
            Some((_, true)) => "Success",
            Some((_, false)) => "Failed",
        };
        let is_listed = |one: &&Action| match one.ended {
            Some((ended, _)) => {
                let late_ms = if is_past { PAST_MS } else { self.habits.unlisted_s * 1000 };
                is_over && ended + late_ms <= self.now_ms
            }
            None => !(is_over || is_past && self.now_ms - one.added_ms < PAST_MS),
        };
        let meant = self.actions.iter().filter(|one| one.order == id).filter(is_listed);
        let told = |one: &Action| OrderAction {
            id: one.id.to_string(),
            added: Some(moment(self.its_time(one.added_ms))),
            status: word(one.ended).to_owned(),
        };
        meant.map(told).collect()
    }

    /// The key that a look at an order shows at this moment; a late one is not there yet.
    pub fn shown_key(&self, order: u32) -> Option<&str> {
        let license = self.order(order)?.license.as_ref()?;
        (license.shown_from_ms <= self.now_ms).then_some(license.key.as_str())
    }

    /// A moment by its own clock, in whole seconds.
    pub fn its_time(&self, ms: i64) -> i64 {
        (ms + self.habits.clock_s * 1000).div_euclid(1000) * 1000
    }
}
