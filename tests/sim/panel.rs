//! Our own panel and its database: services, their operations and payments, what the post-calls do, in both worlds
//! (the end of a service moves before `prolong`, or by its post-call). Checks that hold at the moment of a call: no
//! key is shown to two clients (S3), no post-call while the outcome is unknown (S5), no payment is posted twice.

use std::collections::BTreeMap;

use chrono::{Months, NaiveDate};
use pmisplicense::model::command::ItemCommand;
use pmisplicense::model::ids::{
    AccountId, ClientId, ItemId, LicenseId, LicenseKey, ModuleId, PricelistId, RunningOperationId,
};
use pmisplicense::model::item::{Item, ItemParams, ItemStatus, MODULE_PROGRAM};
use pmisplicense::model::journal::{Intent, IntentStatus, OnceRequest};
use pmisplicense::model::license_row::LicenseState;
use pmisplicense::model::period::{AlignmentRule, Period};
use serde::{Deserialize, Serialize};

use pmisplicense::ports::{BillDb, DbError, Module, Panel as PanelPort, PanelCall, PanelError, RunningOperation};

use crate::faults::{Class, Fault};
use crate::world::{Job, Shared, World};

pub const MODULE: ModuleId = ModuleId(7);

/// A service as the panel has it.
#[derive(Debug, Clone)]
pub struct Service {
    pub item: Item,
    /// How it was before its last change, and when that was.
    pub before: Option<Box<Item>>,
    /// Since which operation it is what it is.
    pub incarnations: u32,
}

/// An operation of the panel: run again and again until it ends well.
#[derive(Debug, Clone)]
pub struct Op {
    pub number: u32,
    pub item: u32,
    pub command: ItemCommand,
    /// What was paid, or what may cause a purchase; a new operation for an old payment has the old one's.
    pub payment: u32,
    pub tries: u8,
    pub done: bool,
    /// The panel forgot it.
    pub dropped: bool,
    /// The expiry of the item's license when the operation was made.
    pub expires_before: Option<NaiveDate>,
    /// The license that the item named then.
    pub license_before: Option<LicenseId>,
    /// The kind of error that its last run ended with.
    pub last_error: Option<(pmisplicense::error::ErrorKind, String)>,
    /// When it was made.
    pub made_ms: i64,
    pub end_before: Option<NaiveDate>,
    pub key_before: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PanelHabits {
    /// The end of a service moves when it is paid, before `prolong` runs; else by the post-call.
    pub moves_before: bool,
    /// Services have an end only from their opening on.
    pub end_at_open: bool,
    /// Numbers of operations that are over are given to other services' operations.
    pub reuses_numbers: bool,
}

#[derive(Debug)]
pub struct Panel {
    pub habits: PanelHabits,
    pub services: Vec<Service>,
    pub ops: Vec<Op>,
    /// Payments whose post-call moved the end, in the world where it does.
    pub posted: Vec<u32>,
    /// Every key ever shown, and to which client.
    pub shown_keys: Vec<(String, u32)>,
    pub payments: u32,
    pub alignment: Vec<AlignmentRule>,
    pub problems: Vec<String>,
    pub next_number: u32,
    /// A service is in processing after ITEMTYPE.open, and active only after service.postopen.
    pub opens_after_both: bool,
    pub module_is_off: bool,
}

pub fn new_item(id: u32, client: u32, code: &str, itemtype: &str, period: i32, ip: Option<String>) -> Item {
    Item {
        id: ItemId(id),
        name: "svc".to_owned(),
        client: ClientId(client),
        parent: None,
        tariff: PricelistId(17),
        tariff_intname: code.to_owned(),
        itemtype: itemtype.to_owned(),
        module: Some(MODULE),
        module_program: MODULE_PROGRAM.to_owned(),
        period: Period::from_panel(period),
        status: ItemStatus::Ordered,
        expires: None,
        created: "2026-11-01".to_owned(),
        previous_tariff: None,
        params: ItemParams { ip, ..ItemParams::default() },
        addons: Vec::new(),
        ips: Vec::new(),
    }
}

impl Panel {
    pub fn new(habits: PanelHabits) -> Self {
        Self {
            habits,
            services: Vec::new(),
            ops: Vec::new(),
            posted: Vec::new(),
            shown_keys: Vec::new(),
            payments: 0,
            alignment: Vec::new(),
            problems: Vec::new(),
            next_number: 100,
            opens_after_both: false,
            module_is_off: false,
        }
    }

    pub fn service(&self, item: u32) -> Option<&Service> {
        self.services.iter().find(|service| service.item.id.0 == item)
    }

    /// Changes an item, remembering how it was.
    pub fn change(&mut self, item: u32, work: impl FnOnce(&mut Item)) {
        if let Some(service) = self.services.iter_mut().find(|service| service.item.id.0 == item) {
            service.before = Some(Box::new(service.item.clone()));
            work(&mut service.item);
        }
    }

    /// The unfinished operation of an item, the oldest first.
    pub fn open_op(&self, item: u32) -> Option<usize> {
        self.ops.iter().position(|op| op.item == item && !op.done && !op.dropped)
    }

    /// A new operation. `payment`: `None` for a new one.
    pub fn begin(&mut self, item: u32, command: ItemCommand, payment: Option<u32>) -> usize {
        let payment = payment.unwrap_or_else(|| {
            self.payments += 1;
            self.payments
        });
        self.next_number += 1;
        let number = self.spare_number(item).unwrap_or(self.next_number);
        let end_before = self.service(item).and_then(|service| service.item.expires);
        self.ops.push(Op {
            number,
            item,
            command,
            payment,
            tries: 0,
            done: false,
            dropped: false,
            expires_before: None,
            license_before: self.service(item).and_then(|service| service.item.params.licid),
            last_error: None,
            made_ms: 0,
            end_before,
            key_before: None,
        });
        self.ops.len() - 1
    }
}

impl Panel {
    /// A number of another service's operation that is over, and belongs to nothing else now.
    fn spare_number(&self, item: u32) -> Option<u32> {
        let used = |number: u32| self.ops.iter().any(|op| op.number == number && (op.item == item || !op.done));
        let over = self.ops.iter().filter(|op| op.item != item && op.done && !used(op.number));
        over.map(|op| op.number).next().filter(|_| self.habits.reuses_numbers)
    }
}

pub fn add_period(day: NaiveDate, period: Period) -> NaiveDate {
    match period {
        Period::Months(months) => day + Months::new(months.0.into()),
        Period::Trial => day + chrono::Days::new(14),
        _ => day,
    }
}

impl World {
    fn tool(&mut self, run: usize, call: &PanelCall) -> Result<BTreeMap<String, String>, PanelError> {
        self.call_begins(run);
        let step = match call {
            PanelCall::SaveParams { .. } => "saveparam",
            PanelCall::SaveParamOld { .. } => "saveparam, older form",
            PanelCall::Post { .. } => "post-call",
            PanelCall::Import { .. } => "import",
            PanelCall::TaskType { .. } => "task type",
            PanelCall::AddTask { .. } => "add task",
            PanelCall::RegisterProblem { .. } => "register problem",
        };
        if let PanelCall::Post { func, item } = call {
            self.runs[run].posts += 1;
            self.check_post(run, func, *item);
        }
        if let PanelCall::Post { item, .. } | PanelCall::SaveParams { item, .. } = call {
            self.check_module(run, *item);
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
            Some(Fault::ToolLostAfter) => {
                self.carry_out(run, call);
                Err(PanelError::Unknown("sim: killed".to_owned()))
            }
            _ => Ok(self.carry_out(run, call)),
        }
    }

    /// No post-call while the outcome of what it reports is unknown.
    fn check_post(&mut self, run: usize, func: &str, item: ItemId) {
        let matters = func.ends_with(".open")
            || func.ends_with("postopen")
            || func.ends_with("postprolong")
            || func.ends_with("postsetparam")
            || func.ends_with("postreopen")
            || func.ends_with("rollback");
        if !matters {
            return;
        }
        let open = self.store.open_intents_of_item(item).unwrap_or_default();
        let named = self.panel.service(item.0).and_then(|service| service.item.params.licid);
        // What the service gave back is no part of what is told, whatever its parameters still name.
        let named = named.filter(|id| {
            let row = self.store.license(AccountId(1), *id).ok().flatten();
            row.is_none_or(|row| matches!(row.state, LicenseState::Bound | LicenseState::Claimed))
        });
        // A candidate of the pool that was put aside is no part of what is told.
        // Nor is what a closed incarnation ordered, or a license on its way out.
        let matters = |intent: &&Intent| match &intent.request {
            OnceRequest::Order(_) => intent.status != IntentStatus::FreeWhenAppears,
            OnceRequest::Delete { .. } | OnceRequest::AddLicense(_) | OnceRequest::RemoveLicense(_) => false,
            other => other.license() == named,
        };
        if let Some(intent) = open.iter().find(matters) {
            let what = format!("run {run}: {func} while intent {} ({}) is {:?}", intent.id, intent.key, intent.status);
            self.violation("S5", "post-call while the outcome is unknown", what);
        }
    }

    fn carry_out(&mut self, run: usize, call: &PanelCall) -> BTreeMap<String, String> {
        match call {
            PanelCall::SaveParams { item, values } => {
                for (name, value) in values {
                    self.save(*item, name, value);
                }
            }
            PanelCall::SaveParamOld { item, name, value } => self.save(*item, name, value),
            PanelCall::Post { func, item } => self.post(run, func, *item),
            PanelCall::Import { values } => {
                let id = self.import(values);
                return BTreeMap::from([("service_id".to_owned(), id.to_string())]);
            }
            PanelCall::RegisterProblem { values } => {
                let texts = values.iter().filter(|(name, _)| *name == "param_errormsg");
                self.panel.problems.extend(texts.map(|(_, text)| text.clone()));
            }
            PanelCall::TaskType { .. } | PanelCall::AddTask { .. } => {}
        }
        BTreeMap::new()
    }

    /// The panel makes a service of what it is told.
    fn import(&mut self, values: &[(&'static str, String)]) -> u32 {
        let value = |name: &str| values.iter().find(|(of, _)| *of == name).map_or("", |(_, value)| value.as_str());
        let id = self.panel.services.iter().map(|service| service.item.id.0).max().unwrap_or(0) + 1;
        let ip = Some(value("ip").to_owned()).filter(|ip| !ip.is_empty());
        let period = value("period").parse().unwrap_or(1);
        let mut item = new_item(id, 700 + id, value("import_pricelist_intname"), "soft", period, ip);
        item.status = if value("status") == "3" { ItemStatus::Suspended } else { ItemStatus::Active };
        item.expires = value("expiredate").parse().ok();
        item.params.licname = Some(value("licname").to_owned());
        self.panel.services.push(Service { item, before: None, incarnations: 0 });
        for name in ["lickey", "licid"] {
            self.save(ItemId(id), name, value(name));
        }
        // From now on it is this panel's.
        let named = value("licid").parse().unwrap_or(0);
        if let Some(lic) = self.seller.get_mut(named) {
            lic.foreign = false;
        }
        id
    }

    fn save(&mut self, item: ItemId, name: &str, value: &str) {
        let client = self.panel.service(item.0).map_or(0, |service| service.item.client.0);
        // A service that gives its license up shows no key.
        if name == "lickey" && !value.is_empty() {
            let shown = self.panel.shown_keys.iter().find(|(key, _)| key == value).map(|(_, to)| *to);
            match shown {
                Some(to) if to != client && !self.rolled_back => {
                    let what = format!("{value} of client {to} shown to client {client} on item {item}");
                    self.violation("S3", "a key shown to two clients", what);
                }
                Some(_) => {}
                None => self.panel.shown_keys.push((value.to_owned(), client)),
            }
        }
        self.panel.change(item.0, |item| match name {
            "lickey" => item.params.lickey = LicenseKey::parse(value),
            "licid" => item.params.licid = value.parse().ok().map(LicenseId),
            "licname" => item.params.licname = Some(value.to_owned()),
            _ => {}
        });
    }

    fn post(&mut self, run: usize, func: &str, item: ItemId) {
        let today = crate::world::day_of(self.now_ms);
        let habits = self.panel.habits;
        let payment = match self.runs[run].job {
            Job::Item { op: Some(op), .. } => Some(self.panel.ops[op].payment),
            _ => None,
        };
        let verb = func.rsplit('.').next().unwrap_or(func);
        let is_half = verb == "open" && self.panel.opens_after_both;
        match verb {
            "open" | "postopen" | "postreopen" => self.panel.change(item.0, |item| {
                if item.expires.is_none() && item.period != Period::Lifetime {
                    item.expires = Some(add_period(today, item.period));
                }
                if item.status != ItemStatus::Active {
                    item.status = if is_half { ItemStatus::Processing } else { ItemStatus::Active };
                }
            }),
            // An old operation that ends after the service was closed does not open it again.
            "postsuspend" => self.panel.change(item.0, |item| {
                if item.status != ItemStatus::Deleted {
                    item.status = ItemStatus::Suspended;
                }
            }),
            "postresume" => self.panel.change(item.0, |item| item.status = ItemStatus::Active),
            "postclose" => self.panel.change(item.0, |item| item.status = ItemStatus::Deleted),
            "rollback" => self.panel.change(item.0, |item| {
                if item.previous_tariff.take().is_some() {
                    item.tariff_intname = "55227".to_owned();
                }
            }),
            "postprolong" if !habits.moves_before => {
                let has_end = self
                    .panel
                    .service(item.0)
                    .is_some_and(|service| service.item.expires.is_some() && service.item.period != Period::Lifetime);
                if let Some(payment) = payment.filter(|_| has_end) {
                    if self.panel.posted.contains(&payment) && !self.stands_no_more(run) {
                        let what = format!("run {run}: payment {payment} of item {item} moves the end twice");
                        self.violation("S5", "postprolong repeated after the end moved", what);
                    }
                    self.panel.posted.push(payment);
                }
                self.panel.change(item.0, |item| item.expires = item.expires.map(|end| add_period(end, item.period)));
            }
            _ => {}
        }
    }

    /// An operation is known as that of its payment for 20 days; and who reads the past cannot know that the end moved.
    fn stands_no_more(&self, run: usize) -> bool {
        let old = match self.runs[run].job {
            Job::Item { op: Some(op), .. } => self.now_ms - self.panel.ops[op].made_ms > 19 * 86_400_000,
            _ => false,
        };
        // A state that was put back knows of no post-call that it missed.
        old || self.clock_moved || self.state_lost_ms.is_some() || self.runs.iter().any(|run| run.lagged)
    }

    fn db(&mut self, run: usize, step: &'static str) -> Result<Option<Fault>, DbError> {
        self.advance(1);
        match self.ask(run, Class::Db, step) {
            Some(Fault::DbAway) => Err(DbError::new("sim: gone away")),
            other => Ok(other),
        }
    }

    fn db_item(&mut self, run: usize, item: ItemId) -> Result<Option<Item>, DbError> {
        let lags = self.db(run, "read item")? == Some(Fault::DbLag);
        let Some(service) = self.panel.service(item.0) else { return Ok(crate::beside::item(&self.beside, item)) };
        let before = service.before.as_deref().filter(|before| lags && before.created == service.item.created);
        let answer = before.unwrap_or(&service.item).clone();
        self.runs[run].lagged |= lags;
        if lags {
            let wants_nothing = |item: &Item| item.status == ItemStatus::Deleted || crate::checks::is_nopanel(item);
            if wants_nothing(&answer) && !wants_nothing(&service.item) {
                self.misled.insert(item.0);
            }
            self.meddled.insert(item.0);
        }
        self.say(|_| {
            format!("run {run} item {item}: {:?} until {:?} {:?}", answer.status, answer.expires, answer.params)
        });
        let own = match self.runs[run].job {
            // A module's run reads its parent as well.
            Job::Item { item: of, .. } => of == item.0,
            _ => true,
        };
        if own {
            self.runs[run].last_item = Some(answer.clone());
        }
        Ok(Some(answer))
    }
}

/// One run's access to the panel's tool.
pub struct Tool {
    pub world: Shared,
    pub run: usize,
}

impl PanelPort for Tool {
    fn call(&mut self, call: &PanelCall) -> Result<BTreeMap<String, String>, PanelError> {
        self.world.borrow_mut().tool(self.run, call)
    }
}

/// One run's connection to the panel's database.
pub struct Db {
    pub world: Shared,
    pub run: usize,
}

impl BillDb for Db {
    fn item(&mut self, item: ItemId) -> Result<Option<Item>, DbError> {
        self.world.borrow_mut().db_item(self.run, item)
    }

    fn item_params(&mut self, item: ItemId) -> Result<BTreeMap<String, String>, DbError> {
        let mut world = self.world.borrow_mut();
        world.db(self.run, "look up parameters")?;
        let mut params = BTreeMap::new();
        if let Some(service) = world.panel.service(item.0) {
            let saved = &service.item.params;
            params.extend(saved.lickey.as_ref().map(|key| ("lickey".to_owned(), key.reveal().to_owned())));
            params.extend(saved.licid.map(|id| ("licid".to_owned(), id.to_string())));
            params.extend(saved.licname.clone().map(|name| ("licname".to_owned(), name)));
        }
        Ok(params)
    }

    fn running_operation(&mut self, id: RunningOperationId) -> Result<Option<RunningOperation>, DbError> {
        let world = self.world.borrow();
        // A number that was given again is the newest one's. The panel has no row of an operation that has ended.
        let op = world.panel.ops.iter().rev().find(|op| op.number == id.0);
        Ok(op.filter(|op| !op.done && !op.dropped).map(|op| RunningOperation {
            item: Some(ItemId(op.item)),
            command: op.command.word().to_owned(),
            tries: op.tries.into(),
        }))
    }

    fn has_task(&mut self, _: RunningOperationId) -> Result<bool, DbError> {
        Ok(false)
    }

    fn modules(&mut self) -> Result<Vec<Module>, DbError> {
        let world = self.world.borrow();
        Ok(crate::beside::modules(MODULE, !world.panel.module_is_off, &world.beside))
    }

    fn alignment_rules(&mut self, _: ModuleId) -> Result<Vec<AlignmentRule>, DbError> {
        let mut world = self.world.borrow_mut();
        world.db(self.run, "read alignment")?;
        Ok(world.panel.alignment.clone())
    }

    fn items_of_module(&mut self, module: ModuleId, after: ItemId, limit: u32) -> Result<Vec<ItemId>, DbError> {
        let mut world = self.world.borrow_mut();
        world.db(self.run, "read items")?;
        let of_module = |service: &&Service| service.item.module == Some(module);
        let services = world.panel.services.iter().filter(of_module);
        let alive = services.filter(|service| service.item.status != ItemStatus::Deleted);
        let ids = alive.map(|service| service.item.id).filter(|id| *id > after);
        Ok(ids.take(usize::try_from(limit).unwrap_or(0)).collect())
    }

    fn items_with_license(&mut self, license: LicenseId) -> Result<Vec<ItemId>, DbError> {
        let mut world = self.world.borrow_mut();
        world.db(self.run, "look for importing items")?;
        Ok(world.showing().into_iter().filter(|(_, shown)| *shown == license).map(|(item, _)| item).collect())
    }

    fn items_showing_licenses(&mut self, after: ItemId, limit: u32) -> Result<Vec<(ItemId, LicenseId)>, DbError> {
        let shown = self.world.borrow().showing().into_iter();
        Ok(shown.filter(|(item, _)| *item > after).take(usize::try_from(limit).unwrap_or(0)).collect())
    }
}
