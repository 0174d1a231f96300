//! The world of one history at OrderBox, and its stage: starts runs of the real engine as futures, picks which goes on,
//! lets some die.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use pmisplicense::engine::{Allow, Engine, Ports, Run as EngineRun, Verdict, Watched};
use pmisplicense::error::{ErrorKind, ModuleError};
use pmisplicense::model::command::ItemCommand;
use pmisplicense::model::ids::{IntentId, ItemId, ModuleId, RunningOperationId};
use pmisplicense::model::item::Item;
use pmisplicense::model::rules::Rules;
use pmisplicense::plan::finding::Finding;
use pmisplicense::ports::{LockName, ModuleAccess};
use pmisplicense::store::Store;

use super::ports::{Db, Port, SimClock, SimLocks, SimNotes, Tool};
use super::shop::{No, Shop, Tag};
use crate::beside::{Neighbour, Numbers};
use crate::faults::{Class, Commits, Fault, Faults, Mode, Path, Planned, Stats, commit_fault};
use crate::image::Image;
use crate::rng::Rng;
use crate::world::{End, SETTLE_S, Violation, moment};

/// Steps that a run may take in a history this small.
const MAX_STEPS: u32 = 2_000;

/// Runs of the quiet have tags from here on.
pub const QUIET: usize = 1 << 20;

/// Second processes have tags from here on, so many for each run.
const BESIDE: usize = 1 << 24;
const BESIDES: usize = 8;

pub type Shared = Rc<RefCell<World>>;

/// A service as the panel has it, with the hosting order that its client typed.
#[derive(Debug, Clone)]
pub struct Service {
    pub item: Item,
    pub order: String,
    /// How often its number began a new incarnation.
    pub incarnations: u32,
}

/// An operation of the panel: run again and again until it ends well.
#[derive(Debug, Clone)]
pub struct Op {
    pub number: u32,
    pub item: u32,
    pub command: ItemCommand,
    pub tries: u8,
    pub done: bool,
    pub dropped: bool,
    pub last_error: Option<(ErrorKind, String)>,
}

/// A purchase or a removal on its way.
#[derive(Debug, Clone, Copy)]
pub struct Pending {
    pub due_ms: i64,
    pub order: u32,
    pub tag: Tag,
    pub is_purchase: bool,
}

/// What a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    Item {
        item: u32,
        command: ItemCommand,
        op: Option<usize>,
    },
    Sync,
    Survey,
    /// An operator says what became of a purchase.
    Decide {
        item: u32,
        intent: Option<IntentId>,
        verdict: Verdict,
    },
}

/// What is known of a run.
#[derive(Debug)]
pub struct Run {
    pub tag: usize,
    pub job: Job,
    /// Second processes that began while it ran.
    pub besides: usize,
    /// A read showed it the past, so what it did about an order is no fault of its own.
    pub misled: bool,
    /// It heard a refusal of something that was done: after that one look decides (docs/money-safety.md 1).
    pub refused_but_done: bool,
    pub item: Option<u32>,
    pub command: Option<ItemCommand>,
    /// Whether somebody asked for a license.
    pub may_buy: bool,
    pub attempt: u8,
    pub at: Rc<Cell<&'static str>>,
    pub path: Path,
    pub rng: Rng,
    pub steps: u32,
    pub disk_full: bool,
    /// The last answer of the panel's database about an item.
    pub last_item: Option<Item>,
    pub end: Option<End>,
}

pub struct World {
    pub numbers: Numbers,
    /// What another module of the panel has, where there is one.
    pub beside: Neighbour,
    pub now_ms: i64,
    /// So much the machine's clock is ahead.
    pub skew_ms: i64,
    /// It jumped by more than the settling time.
    pub clock_moved: bool,
    pub shop: Shop,
    pub services: Vec<Service>,
    pub ops: Vec<Op>,
    pub problems: Vec<String>,
    pub shown_keys: Vec<(String, u32)>,
    pub pending: Vec<Pending>,
    /// Something takes effect later than any seller may be: what it brings cannot be known for ours.
    pub is_beyond: bool,
    pub faults: Faults,
    pub runs: Vec<Run>,
    pub locks: Vec<LockName>,
    pub violations: Vec<Violation>,
    pub trace: Option<Vec<String>>,
    pub store: Store,
    pub sends: u32,
    pub noise: Rng,
    /// What the reconcile plan of the quiet found.
    pub findings: Option<Vec<Finding>>,
}

impl World {
    pub fn say(&mut self, words: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{} {}", moment(self.now_ms).format("%m-%d %H:%M:%S"), words(self));
            self.trace.iter_mut().for_each(|trace| trace.push(line.clone()));
        }
    }

    pub fn violation(&mut self, check: &'static str, rule: &'static str, what: String) {
        self.say(|_| format!("VIOLATION {check} {rule}: {what}"));
        self.violations.push(Violation { check, rule, what });
    }

    pub fn service(&self, item: u32) -> Option<&Service> {
        self.services.iter().find(|service| service.item.id.0 == item)
    }

    pub fn open_op(&self, item: u32) -> Option<usize> {
        self.ops.iter().position(|op| op.item == item && !op.done && !op.dropped)
    }

    pub fn begin_op(&mut self, item: u32, command: ItemCommand) -> usize {
        let number = 100 + self.numbers.before + u32::try_from(self.ops.len()).unwrap_or(0);
        let (tries, done, dropped, last_error) = (0, false, false, None);
        self.ops.push(Op { number, item, command, tries, done, dropped, last_error });
        self.ops.len() - 1
    }

    /// Whether something goes wrong at this point of a run.
    pub fn ask(&mut self, run: usize, class: Class, step: &'static str) -> Option<Fault> {
        let info = &mut self.runs[run];
        let place = info.path.place(info.tag, class, step);
        let fault = self.faults.ask(place, &mut info.rng);
        if let Some(fault) = fault {
            self.say(|_| format!("run {run} FAULT {fault:?} at {step}"));
        }
        fault
    }

    /// The machine's clock is set.
    pub fn set_clock(&mut self, seconds: i64) {
        self.skew_ms += seconds * 1000;
        self.clock_moved |= seconds.abs() > SETTLE_S;
    }

    /// Time goes by; what was on its way arrives.
    pub fn advance(&mut self, ms: i64) {
        let until = self.now_ms + ms;
        while let Some(index) = self.pending.iter().position(|pending| pending.due_ms <= until) {
            let Pending { due_ms, order, tag, is_purchase } = self.pending.swap_remove(index);
            self.now_ms = self.now_ms.max(due_ms);
            self.shop.move_to(self.now_ms);
            let result = self.arrive(order, tag, is_purchase, self.is_beyond);
            self.say(|_| format!("LATE sending of run {} for order {order} arrives: {result:?}", tag.run));
        }
        self.now_ms = until;
        self.shop.move_to(until);
    }

    /// A purchase or a removal reaches the seller. `beyond`: nobody could foresee it.
    pub fn arrive(&mut self, order: u32, tag: Tag, is_purchase: bool, beyond: bool) -> Result<(), No> {
        self.shop.move_to(self.now_ms);
        if is_purchase { self.shop.buy(order, tag, beyond) } else { self.shop.remove(order) }
    }
}

type RunFuture<'a> = Pin<Box<dyn Future<Output = Result<(), ModuleError>> + 'a>>;

pub struct Stage<'a> {
    pub world: Shared,
    pub image: &'a Image,
    pub rules: &'a Rules,
    pub seed: u64,
    pub next_tag: usize,
    /// Done after each step of a run.
    pub after_step: Option<Rc<dyn Fn() + 'a>>,
}

/// Runs that are under way at once.
pub struct Group<'a> {
    order: Rng,
    going: Vec<(Job, usize, RunFuture<'a>)>,
    runs: Vec<usize>,
}

impl Group<'_> {
    pub fn is_over(&self) -> bool {
        self.going.is_empty()
    }
}

/// What the module's settings name.
pub const URL: &str = "https://httpapi.com/api/";
pub const USER: &str = "712345";

fn access(module: ModuleId) -> ModuleAccess {
    ModuleAccess { module, url: URL.to_owned(), username: USER.to_owned(), password: String::new() }
}

impl<'a> Stage<'a> {
    fn start(&self, job: Job, tag: usize) -> (usize, RunFuture<'a>) {
        let at = Rc::new(Cell::new("begin"));
        let (run, operation) = self.enter(job, tag, &at);
        let world = Rc::clone(&self.world);
        let hook = Rc::clone(&self.world);
        let store = self
            .image
            .open(0, &Rc::new(std::cell::Cell::new(true)))
            .with_commit_hook(Rc::new(move || commit_fault(&hook, run)));
        let (rules, module) = (self.rules, self.world.borrow().numbers.module);
        let future = async move {
            let mut port = Port(Rc::clone(&world), run);
            let mut tool = Tool(Rc::clone(&world), run);
            let mut db = Db(Rc::clone(&world), run);
            let (clock, locks) = (SimClock(Rc::clone(&world)), SimLocks(Rc::clone(&world)));
            let notes = SimNotes(Rc::clone(&world), run);
            let ports = Ports {
                upstream: Watched::new(&mut port),
                panel: &mut tool,
                billdb: &mut db,
                clock: &clock,
                locks: &locks,
                notes: &notes,
            };
            let access = access(module);
            let identity = EngineRun { access: &access, operation, machine: "sim", stepping: Some(at) };
            let mut engine = Engine::begin(ports, store, rules, identity)?;
            carry_out(&mut engine, job, &world).await
        };
        (run, Box::pin(future))
    }

    fn enter(&self, job: Job, tag: usize, at: &Rc<Cell<&'static str>>) -> (usize, Option<RunningOperationId>) {
        let mut world = self.world.borrow_mut();
        let (item, command, op) = match job {
            Job::Item { item, command, op } => (Some(item), Some(command), op),
            Job::Decide { item, .. } => (Some(item), None, None),
            Job::Sync | Job::Survey => (None, None, None),
        };
        let tries = op.map(|op| {
            world.ops[op].tries = world.ops[op].tries.saturating_add(1);
            world.ops[op].tries
        });
        let buyers = [ItemCommand::Open, ItemCommand::Reopen, ItemCommand::Setparam];
        world.runs.push(Run {
            tag,
            job,
            besides: 0,
            misled: false,
            refused_but_done: false,
            item,
            command,
            may_buy: command.is_some_and(|command| buyers.contains(&command)),
            attempt: tries.unwrap_or(1),
            at: Rc::clone(at),
            path: Path::default(),
            rng: Rng::fork(self.seed, 1000 + u64::try_from(tag).unwrap_or(0)),
            steps: 0,
            disk_full: false,
            last_item: None,
            end: None,
        });
        let run = world.runs.len() - 1;
        world.say(|_| format!("run {run} begins: {job:?}"));
        (run, op.map(|op| RunningOperationId(world.ops[op].number)))
    }

    /// Runs several at once to their ends, in an order that chance decides. Their run numbers.
    pub fn together(&mut self, jobs: &[Job]) -> Vec<usize> {
        let mut group = self.group(jobs);
        while !group.is_over() {
            self.turn(&mut group);
        }
        group.runs
    }

    /// Begins several runs at once.
    pub fn group(&mut self, jobs: &[Job]) -> Group<'a> {
        let order = Rng::fork(self.seed, 77 + u64::try_from(self.next_tag).unwrap_or(0));
        let (mut going, mut runs) = (Vec::new(), Vec::new());
        for job in jobs {
            let (run, future) = self.start(*job, self.next_tag);
            going.push((*job, run, future));
            runs.push(run);
            self.next_tag += 1;
        }
        Group { order, going, runs }
    }

    /// One of them goes a step on.
    pub fn turn(&mut self, group: &mut Group<'a>) {
        let going = &mut group.going;
        let index = usize::try_from(group.order.below(u32::try_from(going.len()).unwrap_or(1))).unwrap_or(0);
        let (job, run) = (going[index].0, going[index].1);
        if let Some(second) = self.meanwhile(run) {
            self.beside(run, second);
        }
        let mut context = Context::from_waker(Waker::noop());
        let end = match self.before_step(run) {
            // The process is gone: what it held is released, what it had written stays.
            Some(end) => Some(end),
            None => match going[index].2.as_mut().poll(&mut context) {
                Poll::Ready(Ok(())) => Some(End::Ok),
                Poll::Ready(Err(error)) => Some(End::Failed(error.kind, error.message.en.clone())),
                Poll::Pending => None,
            },
        };
        if let Some(end) = end {
            drop(going.swap_remove(index));
            self.ended(run, job, end);
        }
        self.after_step.iter().for_each(|after| after());
    }

    /// Runs a second process, in which nothing goes wrong, to its end.
    fn beside(&mut self, run: usize, job: Job) {
        let (tag, mode) = {
            let mut world = self.world.borrow_mut();
            let info = &world.runs[run];
            let tag = BESIDE + info.tag * BESIDES + info.besides;
            (tag, std::mem::replace(&mut world.faults.mode, Mode::Off))
        };
        let next = std::mem::replace(&mut self.next_tag, tag);
        self.together(&[job]);
        self.next_tag = next;
        self.world.borrow_mut().faults.mode = mode;
    }

    /// A second process begins while a run is at this step: sync, what waits for another service, or the same.
    fn meanwhile(&self, run: usize) -> Option<Job> {
        let mut world = self.world.borrow_mut();
        let world = &mut *world;
        let step = world.runs[run].at.get();
        let info = &mut world.runs[run];
        if info.tag >= BESIDE || info.besides + 1 >= BESIDES {
            return None;
        }
        let place = info.path.ahead(info.tag, step);
        let fault = world.faults.meanwhile(&place, &mut info.rng)?;
        info.besides += 1;
        world.say(|_| format!("run {run} FAULT {fault:?} at {step}"));
        let job = world.runs[run].job;
        if fault == Fault::SyncMeanwhile {
            return Some(Job::Sync);
        }
        let own = match job {
            Job::Item { item, .. } | Job::Decide { item, .. } => Some(item),
            Job::Sync | Job::Survey => None,
        };
        let other = world.ops.iter().position(|op| Some(op.item) != own && !op.done && !op.dropped);
        let command = |op: usize| Job::Item { item: world.ops[op].item, command: world.ops[op].command, op: Some(op) };
        Some(other.map_or(job, command))
    }

    fn before_step(&self, run: usize) -> Option<End> {
        let mut world = self.world.borrow_mut();
        let step = world.runs[run].at.get();
        world.runs[run].steps += 1;
        if world.runs[run].steps > MAX_STEPS {
            world.violation("S6", "a run does not end", format!("run {run} stands at {step}"));
            return Some(End::Stuck);
        }
        match world.ask(run, Class::Step, step) {
            Some(Fault::ClockJump(seconds)) => {
                world.set_clock(seconds);
                None
            }
            None => None,
            Some(_) => Some(End::Died),
        }
    }

    fn ended(&self, run: usize, job: Job, end: End) {
        let mut world = self.world.borrow_mut();
        world.say(|_| format!("run {run} ends: {end:?}"));
        if let Job::Item { op: Some(op), .. } = job {
            let op = &mut world.ops[op];
            match &end {
                End::Ok => (op.done, op.last_error) = (true, None),
                End::Failed(kind, words) => op.last_error = Some((*kind, words.clone())),
                End::Died | End::Stuck => op.last_error = None,
            }
        }
        let is_ok = end == End::Ok;
        world.runs[run].end = Some(end);
        if is_ok {
            super::checks::told(&mut world, run);
        }
    }

    /// Everything of it into the figures; what was injected.
    pub fn count(&self, stats: &mut Stats) -> Vec<Planned> {
        let mut world = self.world.borrow_mut();
        stats.histories += 1;
        stats.runs += u64::try_from(world.runs.len()).unwrap_or(0);
        for run in &world.runs {
            stats.steps += u64::from(run.steps);
            let word = match &run.end {
                Some(End::Ok) => "ok",
                Some(End::Failed(kind, _)) => kind.word(),
                Some(End::Died) => "died",
                Some(End::Stuck) | None => "stuck",
            };
            *stats.ends.entry(word).or_default() += 1;
        }
        let injected = std::mem::take(&mut world.faults.injected);
        for one in &injected {
            let attempt = world.runs.iter().find(|run| run.tag == one.run).map_or(1, |run| run.attempt.min(3));
            *stats.coverage.entry((one.step, one.fault.kind(), attempt)).or_default() += 1;
        }
        injected
    }
}

async fn carry_out(engine: &mut Engine<'_>, job: Job, world: &Shared) -> Result<(), ModuleError> {
    match job {
        Job::Item { item, command, .. } => engine.item_command(command, ItemId(item)).await,
        Job::Sync => {
            let summary = engine.sync_all(Allow::Many).await;
            summary.report.first().map_or(Ok(()), |entry| Err(entry.error.clone()))
        }
        Job::Survey => {
            let findings = engine.survey(&mut |_| {}).await?;
            world.borrow_mut().findings = Some(findings);
            Ok(())
        }
        Job::Decide { item, intent, verdict } => {
            engine.resolve(ItemId(item), intent, verdict, &Default::default()).await.map(drop)
        }
    }
}

impl Commits for World {
    fn ask_of_commit(&mut self, run: usize) -> Option<Fault> {
        let step = self.runs[run].at.get();
        self.ask(run, Class::Commit, step)
    }

    fn disk_full(&mut self, run: usize) -> &mut bool {
        &mut self.runs[run].disk_full
    }
}
