//! The outside of a run at OrderBox: the seller's answers, the panel's tool and its database, time, locks. Here is also
//! the check which key is shown to whom.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use pmisplicense::error::Text;
use pmisplicense::model::hosting::{HostingOrder, OrderAction, ProductLine};
use pmisplicense::model::ids::{
    ClientId, ItemId, LicenseId, LicenseKey, ModuleId, RunningOperationId, UpstreamPricelistId,
};
use pmisplicense::model::item::{Item, ItemStatus};
use pmisplicense::model::journal::{Intent, IntentStatus, OnceRequest};
use pmisplicense::model::license::{Family, License, Money};
use pmisplicense::model::period::{AlignmentRule, Period};
use pmisplicense::ports::{
    BillDb, CallError, Clock, DbError, HostingOrders, LockGuard, LockName, Locks, Module, Notes, Outcome, Page, Panel,
    PanelCall, PanelError, RefusalKind, Repeatable, RunningOperation, Upstream,
};
use pmisplicense::store::RecordedIntent;

use super::shop::Purchase;
use super::stage::{Shared, World};
use super::wire::unreachable;
use crate::faults::{Class, Fault};
use crate::panel::add_period;
use crate::seller::refusal;
use crate::world::{day_of, moment};

/// One run's way out.
pub struct Port(pub Shared, pub usize);

impl World {
    fn tool(&mut self, run: usize, call: &PanelCall) -> Result<BTreeMap<String, String>, PanelError> {
        self.call_begins(run);
        let step = match call {
            PanelCall::SaveParams { .. } | PanelCall::SaveParamOld { .. } => "saveparam",
            PanelCall::Post { .. } => "post-call",
            _ => "other panel call",
        };
        if let PanelCall::Post { item, .. } | PanelCall::SaveParams { item, .. } = call
            && crate::beside::item(&self.beside, *item).is_some()
        {
            self.violation("S8", "a service of another module is changed", format!("run {run}: item {item}"));
        }
        let fault = self.ask(run, Class::Panel, step);
        self.say(|_| format!("run {run} mgrctl {call:?}"));
        match fault {
            Some(Fault::ToolMissing) => Err(PanelError::NotStarted("sim: no such file".to_owned())),
            Some(Fault::ToolRefused) => Err(PanelError::Refused {
                error_type: "sim".to_owned(),
                object: String::new(),
                message: "not now".to_owned(),
            }),
            Some(Fault::ToolLostBefore) => Err(PanelError::Unknown("sim: killed".to_owned())),
            other => {
                self.panel_does(call);
                let is_lost = other == Some(Fault::ToolLostAfter);
                if is_lost { Err(PanelError::Unknown("sim: killed".to_owned())) } else { Ok(BTreeMap::new()) }
            }
        }
    }

    fn panel_does(&mut self, call: &PanelCall) {
        match call {
            PanelCall::SaveParams { item, values } => {
                values.iter().for_each(|(name, value)| self.save(*item, name, value));
            }
            PanelCall::SaveParamOld { item, name, value } => self.save(*item, name, value),
            PanelCall::Post { func, item } => self.post(func, *item),
            PanelCall::RegisterProblem { values } => {
                let texts = values.iter().filter(|(name, _)| *name == "param_errormsg");
                self.problems.extend(texts.map(|(_, text)| text.clone()));
            }
            PanelCall::Import { .. } | PanelCall::TaskType { .. } | PanelCall::AddTask { .. } => {}
        }
    }

    fn save(&mut self, id: ItemId, name: &str, value: &str) {
        let Some(client) = self.service(id.0).map(|service| service.item.client.0) else { return };
        if name == "lickey" && !value.is_empty() {
            self.check_shown(id, client, value);
        }
        let Some(service) = self.services.iter_mut().find(|service| service.item.id == id) else { return };
        match name {
            "lickey" => service.item.params.lickey = LicenseKey::parse(value),
            "licid" => service.item.params.licid = value.parse().ok().map(LicenseId),
            "licname" => service.item.params.licname = Some(value.to_owned()),
            _ => {}
        }
    }

    /// No key is shown to two clients, none of an order of another client, and none that somebody else bought.
    fn check_shown(&mut self, item: ItemId, client: u32, key: &str) {
        match self.shown_keys.iter().find(|(shown, _)| shown == key).map(|(_, to)| *to) {
            Some(to) if to != client => {
                let what = format!("{key} of client {to} shown to client {client} on item {item}");
                self.violation("S3", "a key shown to two clients", what);
            }
            Some(_) => {}
            None => self.shown_keys.push((key.to_owned(), client)),
        }
        let has_it = |order: &&super::shop::Order| order.license.as_ref().is_some_and(|license| license.key == key);
        let found = self.shop.orders.iter().find(has_it).map(|order| (order.client, order.id, order.license.clone()));
        let Some((owner, order, license)) = found else { return };
        if owner != client {
            let what = format!("{key} of order {order} of client {owner} shown to client {client}");
            self.violation("S3", "a key of another client's order", what);
        }
        let is_foreign = license.is_some_and(|license| license.charge.is_none());
        // A run that was shown the order as it was before somebody else bought takes that license for its own purchase.
        // Without a purchase on record nothing excuses it.
        let bought = self.store.additions_of_item(item).unwrap_or_default();
        let is_its_purchase = |intent: &Intent| {
            intent.request.license().map(|id| id.0) == Some(order) && intent.status == IntentStatus::Done
        };
        let was_misled = self.runs.iter().any(|run| run.misled && run.may_buy && run.item == Some(item.0))
            && bought.iter().any(is_its_purchase);
        if is_foreign && !was_misled {
            self.violation("S8", "a key that somebody else bought is shown", format!("{key} of order {order}"));
        }
    }

    fn post(&mut self, func: &str, id: ItemId) {
        let today = day_of(self.now_ms);
        let Some(service) = self.services.iter_mut().find(|service| service.item.id == id) else { return };
        let item = &mut service.item;
        match func.rsplit('.').next().unwrap_or(func) {
            "open" | "postopen" | "postreopen" => {
                item.status = ItemStatus::Active;
                item.expires = item.expires.or(Some(add_period(today, item.period)));
            }
            "postsuspend" if item.status != ItemStatus::Deleted => item.status = ItemStatus::Suspended,
            "postresume" => item.status = ItemStatus::Active,
            "postclose" => item.status = ItemStatus::Deleted,
            "postprolong" => item.expires = item.expires.map(|end| add_period(end, item.period)),
            _ => {}
        }
    }

    /// The order of a purchase by a run that was shown the order as it was before somebody else bought its license,
    /// and when the purchase is sent by the seller's clock.
    fn unseen_license(&self, run: usize, request: &OnceRequest) -> Option<(u32, i64)> {
        let add = request.as_addition().filter(|_| self.runs[run].misled)?;
        let license = self.shop.order(add.order.0)?.license.as_ref()?;
        license.charge.is_none().then_some((add.order.0, add.seller_time?.timestamp_millis()))
    }

    /// The services of the panel that show a license.
    fn showing(&self) -> Vec<(ItemId, LicenseId)> {
        let own = self.services.iter().filter_map(|one| Some((one.item.id, one.item.params.licid?)));
        if self.beside.is_none() { own.collect() } else { crate::beside::showing(own, &self.beside) }
    }

    fn db(&mut self, run: usize, step: &'static str) -> Result<(), DbError> {
        self.advance(1);
        match self.ask(run, Class::Db, step) {
            Some(Fault::DbAway) => Err(DbError::new("sim: gone away")),
            _ => Ok(()),
        }
    }
}

impl Upstream for Port {
    fn send_once(&mut self, recorded: RecordedIntent) -> Outcome {
        let mut world = self.0.borrow_mut();
        let unseen = world.unseen_license(self.1, recorded.request());
        let outcome = world.send(self.1, recorded.request());
        if let Some((order, sent_ms)) = unseen {
            world.shop.took(order, Purchase { sent_ms, is_accepted: matches!(outcome, Outcome::Done(_)) });
        }
        outcome
    }

    fn change(&mut self, _: Family, _: LicenseId, _: &Repeatable) -> Result<(), CallError> {
        Err(unreachable())
    }

    fn license(&mut self, _: Family, _: LicenseId) -> Result<License, CallError> {
        Err(unreachable())
    }

    fn page(&mut self, _: Family, _: u32) -> Result<Page, CallError> {
        Err(unreachable())
    }

    fn check_ip(&mut self, _: UpstreamPricelistId, _: Period, _: IpAddr) -> Result<(), CallError> {
        Ok(())
    }

    fn whoami(&mut self) -> Result<String, CallError> {
        self.0.borrow_mut().asked(self.1, "whoami", |_| Ok("sim".to_owned()))
    }

    fn balance(&mut self) -> Result<Money, CallError> {
        let money =
            |world: &World| Money { minor: if world.shop.is_poor { 0 } else { 1_000_000 }, currency: "RUB".into() };
        self.0.borrow_mut().asked(self.1, "ask balance", |world| Ok(money(world)))
    }

    fn hosting(&mut self) -> Option<&mut dyn HostingOrders> {
        Some(self)
    }

    fn server_date(&self) -> Option<DateTime<Utc>> {
        let world = self.0.borrow();
        Some(moment(world.shop.its_time(world.now_ms)))
    }
}

impl HostingOrders for Port {
    fn has_order(&mut self, _: ProductLine, order: LicenseId) -> Result<bool, CallError> {
        self.0.borrow_mut().asked(self.1, "search order", |world| Ok(world.shop.order(order.0).is_some()))
    }

    fn order(&mut self, _: ProductLine, order: LicenseId) -> Result<HostingOrder, CallError> {
        let missing = || CallError::Refused(refusal(RefusalKind::NotFound, "Website doesn't exist"));
        let mut world = self.0.borrow_mut();
        let seen = world.asked_of_order(self.1, "read order", |world, is_past| {
            world.shop.details(order.0, is_past).ok_or_else(missing)
        });
        world.say(|_| format!("run {} reads order {order}: {seen:?}", self.1));
        seen
    }

    fn pending_actions(&mut self, order: LicenseId) -> Result<Vec<OrderAction>, CallError> {
        let listed = |world: &World, is_past| Ok(world.shop.listed(order.0, false, is_past));
        self.0.borrow_mut().asked_of_order(self.1, "read actions", listed)
    }

    fn finished_actions(&mut self, order: LicenseId) -> Result<Vec<OrderAction>, CallError> {
        let mut world = self.0.borrow_mut();
        let listed = |world: &World, is_past| Ok(world.shop.listed(order.0, true, is_past));
        let found = world.asked_of_order(self.1, "read ended actions", listed);
        world.say(|_| format!("run {} lists ended actions of {order}: {found:?}", self.1));
        found
    }

    fn customer_email(&mut self, customer: &str) -> Result<String, CallError> {
        let address = format!("client{customer}@example.com");
        self.0.borrow_mut().asked(self.1, "ask for customer", |_| Ok(address))
    }

    fn orders(&mut self, line: ProductLine, number: u32) -> Result<Vec<LicenseId>, CallError> {
        let is_here = number == 1 && line.path == "linux/us";
        let all = |world: &World| world.shop.orders.iter().map(|order| LicenseId(order.id)).collect();
        let answer = |world: &World| Ok(if is_here { all(world) } else { Vec::new() });
        self.0.borrow_mut().asked(self.1, "list orders", answer)
    }
}

/// The panel's tool.
pub struct Tool(pub Shared, pub usize);

impl Panel for Tool {
    fn call(&mut self, call: &PanelCall) -> Result<BTreeMap<String, String>, PanelError> {
        self.0.borrow_mut().tool(self.1, call)
    }
}

/// The panel's database.
pub struct Db(pub Shared, pub usize);

impl BillDb for Db {
    fn item(&mut self, item: ItemId) -> Result<Option<Item>, DbError> {
        let mut world = self.0.borrow_mut();
        world.db(self.1, "read item")?;
        let Some(found) = world.service(item.0).map(|service| service.item.clone()) else {
            return Ok(crate::beside::item(&world.beside, item));
        };
        let found = Some(found);
        world.runs[self.1].last_item.clone_from(&found);
        Ok(found)
    }

    fn client_emails(&mut self, client: ClientId) -> Result<Vec<String>, DbError> {
        self.0.borrow_mut().db(self.1, "read e-mail addresses")?;
        Ok(vec![format!("client{client}@example.com")])
    }

    fn item_params(&mut self, item: ItemId) -> Result<BTreeMap<String, String>, DbError> {
        let mut world = self.0.borrow_mut();
        world.db(self.1, "read parameters")?;
        let mut params = BTreeMap::new();
        if let Some(service) = world.service(item.0) {
            let saved = &service.item.params;
            params.insert("orderid".to_owned(), service.order.clone());
            params.extend(saved.lickey.as_ref().map(|key| ("lickey".to_owned(), key.reveal().to_owned())));
            params.extend(saved.licid.map(|id| ("licid".to_owned(), id.to_string())));
            params.extend(saved.licname.clone().map(|name| ("licname".to_owned(), name)));
        }
        Ok(params)
    }

    fn running_operation(&mut self, id: RunningOperationId) -> Result<Option<RunningOperation>, DbError> {
        let world = self.0.borrow();
        // The panel has no row of an operation that has ended.
        let op = world.ops.iter().rev().find(|op| op.number == id.0 && !op.done && !op.dropped);
        Ok(op.map(|op| RunningOperation {
            item: Some(ItemId(op.item)),
            command: op.command.word().to_owned(),
            tries: op.tries.into(),
        }))
    }

    fn has_task(&mut self, _: RunningOperationId) -> Result<bool, DbError> {
        Ok(false)
    }

    fn modules(&mut self) -> Result<Vec<Module>, DbError> {
        let world = self.0.borrow();
        Ok(crate::beside::modules(world.numbers.module, true, &world.beside))
    }

    fn alignment_rules(&mut self, _: ModuleId) -> Result<Vec<AlignmentRule>, DbError> {
        Ok(Vec::new())
    }

    fn items_of_module(&mut self, _: ModuleId, after: ItemId, limit: u32) -> Result<Vec<ItemId>, DbError> {
        let world = self.0.borrow();
        let alive = world.services.iter().filter(|service| service.item.status != ItemStatus::Deleted);
        let ids = alive.map(|service| service.item.id).filter(|id| *id > after);
        Ok(ids.take(usize::try_from(limit).unwrap_or(0)).collect())
    }

    fn items_with_license(&mut self, license: LicenseId) -> Result<Vec<ItemId>, DbError> {
        let world = self.0.borrow();
        Ok(world.showing().into_iter().filter(|(_, shown)| *shown == license).map(|(item, _)| item).collect())
    }

    fn items_showing_licenses(&mut self, after: ItemId, limit: u32) -> Result<Vec<(ItemId, LicenseId)>, DbError> {
        let shown = self.0.borrow().showing().into_iter();
        Ok(shown.filter(|(item, _)| *item > after).take(usize::try_from(limit).unwrap_or(0)).collect())
    }
}

/// Time as a run sees it.
pub struct SimClock(pub Shared);

impl Clock for SimClock {
    fn now(&self) -> DateTime<Utc> {
        let world = self.0.borrow();
        moment(world.now_ms + world.skew_ms)
    }
    fn today(&self) -> NaiveDate {
        let world = self.0.borrow();
        day_of(world.now_ms + world.skew_ms)
    }
    fn sleep(&self, duration: Duration) {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(0);
        self.0.borrow_mut().advance(ms.max(1000));
    }
}

/// Locks of the machine, released when the guard goes.
pub struct SimLocks(pub Shared);

struct Guard(Shared, LockName);

impl LockGuard for Guard {}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.borrow_mut().locks.retain(|held| *held != self.1);
    }
}

impl Locks for SimLocks {
    fn try_lock(&self, name: LockName) -> Result<Option<Box<dyn LockGuard>>, String> {
        let mut world = self.0.borrow_mut();
        if world.locks.contains(&name) || crate::beside::holds(&world.beside, name) {
            return Ok(None);
        }
        world.locks.push(name);
        Ok(Some(Box::new(Guard(Rc::clone(&self.0), name))))
    }

    fn try_share(&self, name: LockName) -> Result<Option<Box<dyn LockGuard>>, String> {
        self.try_lock(name)
    }
}

/// The log of a run: shown in a trace, else dropped.
pub struct SimNotes(pub Shared, pub usize);

impl Notes for SimNotes {
    fn note(&self, text: &Text) {
        self.0.borrow_mut().say(|_| format!("run {} notes: {}", self.1, text.en));
    }
    fn warn(&self, text: &Text) {
        self.0.borrow_mut().say(|_| format!("run {} warns: {}", self.1, text.en));
    }
}
