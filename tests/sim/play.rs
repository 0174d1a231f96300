//! Plays one history: starts runs of the real engine as futures, picks which goes on, lets some die, and ends with a
//! drain (all that is on its way arrives), a quiet (each unfinished run again and again, then sync), and the checks.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use pmisplicense::engine::{Allow, Engine, Ports, Run as EngineRun, Watched};
use pmisplicense::error::ModuleError;
use pmisplicense::model::ids::RunningOperationId;
use pmisplicense::model::rules::{PostOpen, Rules};
use pmisplicense::ports::ModuleAccess;
use pmisplicense::run_report::RunReport;

use crate::acts::Act;
use crate::faults::{Class, Fault, Faults, Mode, Path, Planned, Stats, commit_fault};
use crate::image::Image;
use crate::machines::{machine_of, name};
use crate::panel::{Db, MODULE, Panel, Tool};
use crate::record::Record;
use crate::rng::Rng;
use crate::script::{Script, Setting};
use crate::seller::Seller;
use crate::trouble::Trouble;
use crate::wire::Wire;
use crate::world::{End, Job, Run, Shared, SimClock, SimLocks, SimNotes, Violation, World, day_of};

/// The seller's address in the module's settings.
pub const URL: &str = "https://sim.invalid";

/// 2026-12-01 10:00 UTC
const BEGIN_MS: i64 = 1_796_119_200_000;

/// How far the clock of the second machine is ahead of the first one's.
const APART_MS: [i64; 3] = [0, -MOST_APART_MS, MOST_APART_MS];

pub const MOST_APART_MS: i64 = 600_000;

/// Steps that a run may take in a history this small.
const MAX_STEPS: u32 = 3_000;

/// Time that a run may take, its neighbours' waiting included.
const MAX_RUN_MS: i64 = 3_600_000;

/// Second processes have tags from here on, so many for each run.
pub const BESIDE: usize = 1 << 20;
pub const BESIDES: usize = 64;

/// Runs of the quiet have tags from here on: nothing goes wrong there.
pub const QUIET: usize = 1 << 32;

/// What came out of a history.
pub struct Played {
    pub violations: Vec<Violation>,
    pub injected: Vec<Planned>,
    /// Everything that happened, in full.
    pub acts: Vec<Act>,
    pub trace: Vec<String>,
}

/// How to play it.
#[derive(Clone)]
pub struct How {
    pub mode: Mode,
    pub tracing: bool,
    /// What passes report is dropped.
    pub muted: bool,
}

type RunFuture<'a> = Pin<Box<dyn Future<Output = Result<(), ModuleError>> + 'a>>;

/// A run under way.
struct Going<'a> {
    run: usize,
    is_alive: Rc<Cell<bool>>,
    future: RunFuture<'a>,
}

pub struct Stage<'a> {
    pub world: Shared,
    pub image: &'a Image,
    rules: &'a Rules,
    access: ModuleAccess,
    pub seed: u64,
    acts: Vec<Act>,
    /// Done before each step of a run.
    pub before_step: Option<Rc<dyn Fn() + 'a>>,
}

/// Plays a drawn history and checks it.
pub fn play(script: &Script, how: &How, image: &Image, rules: &[Rules], stats: &mut Stats) -> Played {
    let mut stage = begin(&script.setting, how, image, rules);
    let loss = image.machines().and_then(|_| crate::trouble::draw_loss(script.setting.seed, script.actions.len()));
    for (index, action) in script.actions.iter().enumerate() {
        crate::drawn::act(&mut stage, index, *action);
        if let Some((_, loss)) = loss.filter(|(after, _)| *after == index + 1) {
            stage.happen(Act::Trouble(loss));
        }
    }
    stage.quiet();
    stage.finish(stats)
}

/// Plays a recorded history and checks it.
pub fn replay(record: &Record, how: &How, image: &Image, rules: &[Rules], stats: &mut Stats) -> Played {
    let mut stage = begin(&record.setting, how, image, rules);
    for act in &record.acts {
        stage.happen(act.clone());
    }
    stage.quiet();
    stage.finish(stats)
}

/// The world of a history before anything happens in it.
pub fn begin<'a>(setting: &Setting, how: &How, image: &'a Image, rules: &'a [Rules]) -> Stage<'a> {
    image.empty(setting.seed);
    crate::machines::set_clocks(BEGIN_MS, [0; 2]);
    let mut seller = Seller::new(setting.seller, day_of(BEGIN_MS));
    let mut panel = Panel::new(setting.panel);
    panel.opens_after_both = rules[setting.rules].post_open == PostOpen::Both;
    crate::history::populate(setting, &mut seller, &mut panel, day_of(BEGIN_MS));
    let faults = Faults::new(how.mode.clone());
    let world = World {
        beside: None,
        now_ms: BEGIN_MS,
        skew_ms: 0,
        apart_ms: if image.machines().is_some() { APART_MS[usize::try_from(setting.seed % 3).unwrap_or(0)] } else { 0 },
        is_pair: image.machines().is_some(),
        meddled: std::collections::BTreeSet::new(),
        misled: std::collections::BTreeSet::new(),
        gave_back: std::collections::BTreeSet::new(),
        is_muted: how.muted,
        findings: None,
        repaired: Vec::new(),
        other_account: false,
        username: "sim",
        is_renamed: false,
        asks_an_operator: false,
        copies: std::collections::BTreeMap::new(),
        own_panel: None,
        database_was_swapped: false,
        state_lost_ms: None,
        state_is_copied: false,
        list_lagged_ms: None,
        rolled_back: false,
        takes_foreign: rules[setting.rules].pool_foreign,
        clock_moved: false,
        seller,
        panel,
        faults,
        pending: Vec::new(),
        runs: Vec::new(),
        locks: Vec::new(),
        violations: Vec::new(),
        trace: how.tracing.then(Vec::new),
        store: image.look(),
        sends: 0,
        noise: Rng::fork(setting.seed, 2),
    };
    let access =
        ModuleAccess { module: MODULE, url: URL.to_owned(), username: "sim".to_owned(), password: String::new() };
    let rules = if world.is_pair { &image.shared_rules[setting.rules] } else { &rules[setting.rules] };
    let mut world = world;
    world.faults.is_pair = world.is_pair;
    world.set_clocks();
    if setting.server {
        crate::deeds::make_server(&mut world, u32::try_from(setting.starts.len()).unwrap_or(1));
    }
    Stage {
        world: Rc::new(RefCell::new(world)),
        image,
        rules,
        access,
        seed: setting.seed,
        acts: Vec::new(),
        before_step: None,
    }
}

impl<'a> Stage<'a> {
    /// Lets something happen, and keeps it for the record.
    pub fn happen(&mut self, act: Act) {
        self.world.borrow_mut().say(|_| format!("--- {act:?}"));
        match &act {
            Act::Runs { turns, runs } => {
                let mut jobs: Vec<(Job, usize)> = Vec::new();
                for begun in runs {
                    let before = jobs.last().map(|(job, _)| *job);
                    jobs.push((crate::acts::job(&mut self.world.borrow_mut(), begun.what, before), begun.tag));
                }
                self.together(&jobs, *turns);
            }
            Act::Wait(s) => self.world.borrow_mut().advance(s * 1000),
            Act::Client { item, types, told } => {
                crate::acts::client(&mut self.world.borrow_mut(), *item, types, *told);
            }
            Act::Server { item, does } => crate::acts::server(&mut self.world.borrow_mut(), *item, does),
            Act::Reborn { item, to_another } => {
                crate::acts::reopen(&mut self.world.borrow_mut(), *item, *to_another);
            }
            Act::Seller { item, does } => crate::acts::seller(&mut self.world.borrow_mut(), *item, *does),
            Act::Trouble(trouble) => self.befall(*trouble),
            Act::Outside(outside) => outside.happen(&mut self.world.borrow_mut()),
        }
        self.acts.push(act);
    }

    fn befall(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::LogLostEnd(entries) => return self.log_loses_end(entries),
            Trouble::ReplicaLost(machine) => return self.image.machines().iter().for_each(|all| all.rebuild(machine)),
            _ => {}
        }
        let mut world = self.world.borrow_mut();
        match trouble {
            Trouble::StateCopied | Trouble::StateLost | Trouble::StateRestored | Trouble::StateRolledBack
                if !self.image.is_in_memory() =>
            {
                return;
            }
            // Shrinking took the copy out.
            Trouble::StateRestored | Trouble::StateRolledBack if !world.state_is_copied => return,
            Trouble::StateCopied => self.image.copy(),
            Trouble::StateRestored => self.image.restore(true),
            Trouble::StateRolledBack => self.image.restore(false),
            Trouble::StateLost => self.image.empty(self.seed),
            _ => {}
        }
        trouble.befall(&mut world);
    }

    fn start(&self, job: Job, tag: usize) -> Going<'a> {
        let at = Rc::new(Cell::new("begin"));
        let (run, operation) = {
            let mut world = self.world.borrow_mut();
            let operation = job.op();
            if let Some(op) = operation {
                world.panel.ops[op].tries = world.panel.ops[op].tries.saturating_add(1);
            }
            let attempt = operation.map_or(1, |op| world.panel.ops[op].tries);
            let started_ms = world.now_ms;
            let due = if job == Job::SyncAll { crate::heard::due(&world) } else { Vec::new() };
            world.runs.push(Run {
                tag,
                job,
                rng: Rng::fork(self.seed, 1000 + u64::try_from(tag).unwrap_or(0)),
                path: Path::default(),
                attempt,
                at: Rc::clone(&at),
                steps: 0,
                disk_full: false,
                requests: 0,
                last_item: None,
                answers: Vec::new(),
                posts: 0,
                due,
                report: RunReport::default(),
                started_ms,
                latest_machine_ms: 0,
                earliest_machine_ms: None,
                end: None,
                besides: 0,
                hurt: false,
                lagged: false,
                refused_but_done: false,
            });
            let number = operation.map(|op| RunningOperationId(world.panel.ops[op].number));
            (world.runs.len() - 1, number)
        };
        self.world.borrow_mut().say(|_| format!("run {run} begins: {job:?} {operation:?}"));
        let world = Rc::clone(&self.world);
        let is_alive = Rc::new(Cell::new(true));
        let store = self.image.open(tag, &is_alive);
        let machine = if self.image.machines().is_some() { name(machine_of(tag)) } else { "sim" };
        let hook = Rc::clone(&self.world);
        let store = store.with_commit_hook(Rc::new(move || commit_fault(&hook, run)));
        let (rules, mut access) = (self.rules, self.access.clone());
        access.username = self.world.borrow().username.to_owned();
        if self.world.borrow().other_account {
            access.username = "another".to_owned();
        }
        let future = async move {
            store.catch_up().map_err(pmisplicense::engine::state_error)?;
            let mut wire = Wire { world: Rc::clone(&world), run };
            let mut tool = Tool { world: Rc::clone(&world), run };
            let mut db = Db { world: Rc::clone(&world), run };
            let clock = SimClock(Rc::clone(&world), run);
            let locks = SimLocks(Rc::clone(&world), run);
            let notes = SimNotes(Rc::clone(&world), run);
            let ports = Ports {
                upstream: Watched::new(&mut wire),
                panel: &mut tool,
                billdb: &mut db,
                clock: &clock,
                locks: &locks,
                notes: &notes,
            };
            let identity = EngineRun { access: &access, operation, machine, stepping: Some(at) };
            let mut engine = Engine::begin(ports, store, rules, identity)?;
            let allow = if tag >= QUIET { Allow::Many } else { Allow::Guarded };
            crate::jobs::carry_out(&mut engine, (run, job), allow, &world).await
        };
        Going { run, is_alive, future: Box::pin(future) }
    }

    /// Runs several at once to their ends; their tags follow each other.
    pub fn group(&mut self, jobs: &[Job], tag: usize) {
        let jobs: Vec<(Job, usize)> = jobs.iter().enumerate().map(|(member, job)| (*job, tag + member)).collect();
        self.together(&jobs, 77 + u64::try_from(tag).unwrap_or(0));
    }

    /// Runs several at once to their ends, in an order that chance decides.
    fn together(&mut self, jobs: &[(Job, usize)], turns: u64) {
        let mut order = Rng::fork(self.seed, turns);
        let mut going: Vec<Going<'a>> = jobs.iter().map(|(job, tag)| self.start(*job, *tag)).collect();
        let mut context = Context::from_waker(Waker::noop());
        let mut index = 0;
        while !going.is_empty() {
            if going.len() > 1 && (index >= going.len() || order.chance(400)) {
                index = usize::try_from(order.below(u32::try_from(going.len()).unwrap_or(1))).unwrap_or(0);
            }
            index = index.min(going.len() - 1);
            self.before_step.iter().for_each(|before| before());
            let run = going[index].run;
            self.look_again();
            if let Some((fault, beside)) = self.meanwhile(run) {
                self.beside(run, fault, beside);
            }
            if let Some(end) = self.before_step(run) {
                going[index].is_alive.set(false);
                // The process is gone: what it held is released, what it had written stays.
                drop(going.swap_remove(index));
                self.ended(run, end);
                continue;
            }
            if let Poll::Ready(result) = going[index].future.as_mut().poll(&mut context) {
                drop(going.swap_remove(index));
                let end = match result {
                    Ok(()) => End::Ok,
                    Err(error) => End::Failed(error.kind, error.message.en.clone()),
                };
                self.ended(run, end);
            }
        }
    }

    /// How much has happened.
    pub fn acts(&self) -> usize {
        self.acts.len()
    }

    /// From now on the log of two machines answers well.
    pub fn log_is_quiet(&self) {
        self.image.machines().into_iter().for_each(crate::machines::Machines::quiet);
    }

    /// The watching replica learns what the machines wrote.
    fn look_again(&self) {
        if self.image.machines().is_some() {
            self.world.borrow().store.catch_up().expect("the log");
        }
    }

    /// Runs a second process, in which nothing goes wrong, to its end; after a pause that outlasts leases several,
    /// until even a doubt is settled.
    fn beside(&mut self, run: usize, fault: Fault, job: Job) {
        let waits: &[i64] = if fault == Fault::Pause { &[200, 1_100, 61] } else { &[0] };
        for wait in waits {
            self.world.borrow_mut().advance(wait * 1000);
            self.beside_once(run, job);
            self.world.borrow_mut().runs[run].besides += usize::from(fault == Fault::Pause);
        }
    }

    fn beside_once(&mut self, run: usize, job: Job) {
        let (tag, mode) = {
            let mut world = self.world.borrow_mut();
            let info = &world.runs[run];
            let tag = BESIDE + info.tag * BESIDES + info.besides;
            (tag, std::mem::replace(&mut world.faults.mode, Mode::Off))
        };
        self.group(&[job], tag);
        self.world.borrow_mut().faults.mode = mode;
    }

    /// A second process begins while a run is at this step, and runs to its end.
    fn meanwhile(&self, run: usize) -> Option<(Fault, Job)> {
        let mut world = self.world.borrow_mut();
        let world = &mut *world;
        let step = world.step_of(run);
        let info = &mut world.runs[run];
        if info.tag >= BESIDE {
            return None;
        }
        let place = info.path.ahead(info.tag, step);
        let fault = world.faults.meanwhile(&place, &mut info.rng)?;
        info.besides += 1;
        world.say(|_| format!("run {run} FAULT {fault:?} at {step}"));
        let beside = match (fault, world.runs[run].job) {
            (Fault::SyncMeanwhile, _) => Job::SyncAll,
            (Fault::Pause, job) => job,
            (_, job) => {
                // Another operation, where one waits: it wants the same licenses, or changes a service that a pass
                // has read already.
                let own = match job {
                    Job::Item { item, .. } => Some(item),
                    _ => None,
                };
                let other = world.panel.ops.iter().position(|op| Some(op.item) != own && !op.done && !op.dropped);
                other.map_or(job, |op| Job::Item {
                    item: world.panel.ops[op].item,
                    command: world.panel.ops[op].command,
                    op: Some(op),
                })
            }
        };
        Some((fault, beside))
    }

    fn before_step(&self, run: usize) -> Option<End> {
        let mut world = self.world.borrow_mut();
        let (step, now) = (world.step_of(run), world.now_ms);
        let info = &mut world.runs[run];
        info.steps += 1;
        if info.steps > MAX_STEPS || now - info.started_ms > MAX_RUN_MS + 120_000 {
            let what = format!("run {run} stands at {step} after {} steps", info.steps);
            world.violation("S6", "a run does not end", what);
            return Some(End::Stuck);
        }
        match world.ask(run, Class::Step, step) {
            Some(Fault::ClockJump(seconds)) => {
                world.set_clock(seconds);
                None
            }
            Some(_) => Some(End::Died),
            None => None,
        }
    }

    fn ended(&mut self, run: usize, end: End) {
        self.look_again();
        let mut world = self.world.borrow_mut();
        world.say(|_| format!("run {run} ends: {end:?}"));
        if let Some(op) = world.runs[run].job.op() {
            let op = &mut world.panel.ops[op];
            match &end {
                End::Ok => {
                    op.done = true;
                    op.last_error = None;
                }
                End::Failed(kind, words) => op.last_error = Some((*kind, words.clone())),
                End::Died | End::Stuck => op.last_error = None,
            }
        }
        let is_ok = end == End::Ok;
        world.runs[run].end = Some(end);
        if is_ok {
            crate::told::told(&mut world, run);
        }
        crate::heard::gives_back(&mut world, run);
        crate::heard::after_sync_pass(&mut world, run);
    }

    pub fn finish(self, stats: &mut Stats) -> Played {
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
        Played {
            violations: std::mem::take(&mut world.violations),
            injected,
            acts: self.acts,
            trace: world.trace.take().unwrap_or_default(),
        }
    }
}
