//! The world of one history: time, the seller, the panel, locks, effects that are still on their way, and what every
//! run did. Everything that a run can see goes through the ports in `wire.rs`, `panel.rs` and here.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use pmisplicense::error::{ErrorKind, Text};
use pmisplicense::model::command::ItemCommand;
use pmisplicense::model::ids::{ItemId, LicenseId};
use pmisplicense::model::item::Item;
use pmisplicense::model::journal::OnceRequest;
use pmisplicense::model::license::License;
use pmisplicense::plan::finding::Finding;
use pmisplicense::ports::{Clock, LockGuard, LockName, Locks, Notes, Repeatable};
use pmisplicense::run_report::RunReport;
use pmisplicense::store::Store;

use crate::beside::Neighbour;
use crate::faults::{Class, Commits, Fault, Faults, Path};
use crate::heard::Due;
use crate::panel::Panel;
use crate::rng::Rng;
use crate::seller::{Arrival, Seller, Tag};

/// The setting settle_s of every history.
pub const SETTLE_S: i64 = 900;

pub type Shared = Rc<RefCell<World>>;

/// An effect on its way.
#[derive(Debug)]
pub enum Effect {
    Once { request: OnceRequest, tag: Tag, doubled: bool },
    Change { license: u32, change: Repeatable },
}

#[derive(Debug)]
pub struct Pending {
    pub due_ms: i64,
    pub effect: Effect,
}

/// What a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    Item {
        item: u32,
        command: ItemCommand,
        op: Option<usize>,
    },
    SyncAll,
    /// The servers of another module.
    Sweep,
    /// Of what an operator named.
    Import,
    /// The reconcile plan: what it finds stays in the world.
    Survey,
    /// The same, carried out.
    Reconcile,
    /// An operator decides what the plan leaves to him.
    Decide,
}

impl Job {
    /// The panel's operation that the run is an attempt of.
    pub fn op(self) -> Option<usize> {
        match self {
            Self::Item { op, .. } => op,
            _ => None,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Ok,
    Failed(ErrorKind, String),
    Died,
    /// It would not end.
    Stuck,
}

/// What is known of a run.
#[derive(Debug)]
pub struct Run {
    /// A number that stays when other runs are left out: faults are told by it.
    pub tag: usize,
    pub job: Job,
    pub rng: Rng,
    pub path: Path,
    pub attempt: u8,
    pub at: Rc<Cell<&'static str>>,
    pub steps: u32,
    pub disk_full: bool,
    /// Calls to the seller.
    pub requests: u32,
    /// The last answer of the panel's database about an item.
    pub last_item: Option<Item>,
    /// The last answer of the seller about each license.
    pub answers: Vec<(u32, Option<License>)>,
    pub posts: u32,
    /// What had to be renewed when it began, if it is a pass over all.
    pub due: Vec<Due>,
    /// What it left undone.
    pub report: RunReport,
    pub started_ms: i64,
    /// The latest that the machine's clock stood at when it was set while the run was under way.
    pub latest_machine_ms: i64,
    /// The earliest, likewise.
    pub earliest_machine_ms: Option<i64>,
    pub end: Option<End>,
    /// Second processes that began and ended within it.
    pub besides: usize,
    /// Something was injected into this run.
    pub hurt: bool,
    /// A read of the database that showed the past, in this run.
    pub lagged: bool,
    /// What it sent was refused though it took effect: what it is then looked for in does not lag as well.
    pub refused_but_done: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// S1 … S8.
    pub check: &'static str,
    /// The part of the check that failed; shrinking keeps both.
    pub rule: &'static str,
    pub what: String,
}

pub struct World {
    /// What another module of the panel has, where there is one.
    pub beside: Neighbour,
    pub now_ms: i64,
    /// The machine's clock minus the world's.
    pub skew_ms: i64,
    /// The second machine's clock minus the first one's.
    pub apart_ms: i64,
    /// There are two machines.
    pub is_pair: bool,
    /// Services of which somebody else changed something that no run was told of, or whose past a run was shown.
    pub meddled: BTreeSet<u32>,
    /// Services that a database showing the past said want no license, when they did: what was given back for that is
    /// obtained again.
    pub misled: BTreeSet<u32>,
    /// The module's settings name another account.
    pub other_account: bool,
    /// The user that the module's settings name.
    pub username: &'static str,
    /// That other account is the same one under another name, as an operator will say.
    pub is_renamed: bool,
    /// Something happened that an operator must decide about: a change outside, an old state.
    pub asks_an_operator: bool,
    /// Services that were copied, and the numbers of their copies.
    pub copies: BTreeMap<u32, u32>,
    /// What services gave back because they were to have no panel.
    pub gave_back: BTreeSet<(ItemId, LicenseId)>,
    /// What passes report is dropped: for the proof that S9 bites.
    pub is_muted: bool,
    /// Our own panel, while the database is another's.
    pub own_panel: Option<Box<Panel>>,
    pub database_was_swapped: bool,
    /// When the state was put back or lost.
    pub state_lost_ms: Option<i64>,
    pub state_is_copied: bool,
    /// When a list last left out its newest row, and counted without it.
    pub list_lagged_ms: Option<i64>,
    /// It was put back behind everybody's back, and only marks in lists that happen to be read can tell.
    pub rolled_back: bool,
    /// The settings allow to take what another panel freed.
    pub takes_foreign: bool,
    /// What the reconcile plan of the quiet found.
    pub findings: Option<Vec<Finding>>,
    /// What `reconcile --apply` found last.
    pub repaired: Vec<Finding>,
    /// The clock was moved by more than the settling time.
    pub clock_moved: bool,
    pub seller: Seller,
    pub panel: Panel,
    pub faults: Faults,
    pub pending: Vec<Pending>,
    pub runs: Vec<Run>,
    pub locks: Vec<Lock>,
    pub violations: Vec<Violation>,
    pub trace: Option<Vec<String>>,
    /// For looking into the state from outside, where a check needs it at once.
    pub store: Store,
    pub sends: u32,
    /// Random delays that are no faults: how long calls take.
    pub noise: Rng,
}

pub fn day_of(ms: i64) -> NaiveDate {
    moment(ms).date_naive()
}

pub fn moment(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

impl World {
    /// What the seller answered a run last about the license that its item names, else about any.
    pub fn last_answer(&self, run: usize, named: Option<u32>) -> Option<(u32, Option<License>)> {
        let answers = &self.runs[run].answers;
        let about = answers.iter().rev().find(|(id, _)| Some(*id) == named);
        about.or(answers.last()).cloned()
    }

    pub fn machine_ms(&self) -> i64 {
        self.now_ms + self.skew_ms
    }

    pub fn say(&mut self, words: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{} {}", moment(self.now_ms).format("%m-%d %H:%M:%S"), words(self));
            if let Some(trace) = &mut self.trace {
                trace.push(line);
            }
        }
    }

    pub fn violation(&mut self, check: &'static str, rule: &'static str, what: String) {
        self.say(|_| format!("VIOLATION {check} {rule}: {what}"));
        self.violations.push(Violation { check, rule, what });
    }

    /// Whether something goes wrong at this point of a run.
    pub fn ask(&mut self, run: usize, class: Class, step: &'static str) -> Option<Fault> {
        let info = &mut self.runs[run];
        let place = info.path.place(info.tag, class, step);
        let fault = self.faults.ask(place, &mut info.rng);
        if let Some(fault) = fault {
            info.hurt = true;
            self.say(|_| format!("run {run} FAULT {fault:?} at {step}"));
        }
        fault
    }

    /// The machine's clock is set.
    pub fn set_clock(&mut self, seconds: i64) {
        let machine_ms = self.machine_ms();
        for run in self.runs.iter_mut().filter(|run| run.end.is_none()) {
            run.latest_machine_ms = run.latest_machine_ms.max(machine_ms);
            let earliest = run.earliest_machine_ms.unwrap_or(machine_ms);
            run.earliest_machine_ms = Some(earliest.min(machine_ms));
        }
        self.skew_ms += seconds * 1000;
        self.set_clocks();
        self.clock_moved |= seconds.abs() > SETTLE_S;
    }

    /// Time goes by; what was on its way arrives, days begin.
    pub fn advance(&mut self, ms: i64) {
        let until = self.now_ms + ms;
        while let Some(index) = self.next_pending(until) {
            let pending = self.pending.swap_remove(index);
            self.move_to(pending.due_ms.max(self.now_ms));
            self.arrive(pending.effect);
        }
        self.move_to(until);
    }

    fn next_pending(&self, until: i64) -> Option<usize> {
        let due = self.pending.iter().enumerate().filter(|(_, pending)| pending.due_ms <= until);
        due.min_by_key(|(_, pending)| pending.due_ms).map(|(index, _)| index)
    }

    fn move_to(&mut self, until: i64) {
        const DAY_MS: i64 = 86_400_000;
        let (before, after) = (self.now_ms.div_euclid(DAY_MS), until.div_euclid(DAY_MS));
        for day in before + 1..=after {
            self.seller.new_day(day_of(day * DAY_MS));
        }
        self.now_ms = until;
        self.set_clocks();
    }

    /// The clocks that the replicas of a log read are these.
    pub fn set_clocks(&self) {
        crate::machines::set_clocks(self.now_ms, [self.skew_ms, self.skew_ms + self.apart_ms]);
    }

    /// The machine that a run is on.
    fn machine(&self, run: usize) -> usize {
        let tag = self.runs.get(run).map(|run| run.tag);
        if self.is_pair { tag.map_or(0, crate::machines::machine_of) } else { 0 }
    }

    fn arrive(&mut self, effect: Effect) {
        match effect {
            Effect::Once { request, tag, doubled } => {
                let how = self.arrival(tag, doubled, false);
                let result = self.seller.once(&request, &how);
                self.say(|_| format!("LATE {} of run {} arrives: {result:?}", request.kind(), tag.run));
            }
            Effect::Change { license, change } => {
                let result = self.seller.change(license, &change);
                // It undoes what a run did since; the next one does that again.
                let holders =
                    self.panel.services.iter().filter(|one| one.item.params.licid == Some(LicenseId(license)));
                self.meddled.extend(holders.map(|one| one.item.id.0));
                self.say(|_| format!("LATE {change:?} of license {license} arrives: {result:?}"));
            }
        }
    }

    pub fn arrival(&self, tag: Tag, doubled: bool, unpaid: bool) -> Arrival {
        let in_time = self.now_ms - tag.sent_ms <= SETTLE_S * 1000;
        Arrival { tag, now_ms: self.now_ms, in_time, doubled, unpaid }
    }

    /// The name of the step that a run is at.
    pub fn step_of(&self, run: usize) -> &'static str {
        self.runs[run].at.get()
    }
}

/// The holder of locks that is no run of the history.
const ANOTHER_RUN: usize = usize::MAX;

impl World {
    /// A run of another process takes a lock, if it is free, and keeps it.
    pub fn hold(&mut self, name: LockName) {
        if !self.locks.iter().any(|held| held.name == name) {
            self.locks.push(Lock { name, run: ANOTHER_RUN, machine: None, is_alone: true });
        }
    }

    /// It gives back what it has.
    pub fn release(&mut self) {
        self.locks.retain(|held| held.run != ANOTHER_RUN);
    }

    /// The number that a service has now.
    pub fn present(&self, item: u32) -> u32 {
        self.copies.get(&item).map_or(item, |copy| self.present(*copy))
    }

    /// Whether any run holds a lock.
    pub fn has_lock(&self, name: LockName) -> bool {
        self.locks.iter().any(|held| held.name == name)
    }

    pub fn is_held(&self, item: ItemId) -> bool {
        self.locks.iter().any(|held| held.run == ANOTHER_RUN && held.name == LockName::Item(item))
    }
}

/// Time as a run sees it.
pub struct SimClock(pub Shared, pub usize);

impl Clock for SimClock {
    fn now(&self) -> DateTime<Utc> {
        let world = self.0.borrow();
        let apart_ms = if world.machine(self.1) == 1 { world.apart_ms } else { 0 };
        moment(world.machine_ms() + apart_ms)
    }
    fn today(&self) -> NaiveDate {
        self.now().date_naive()
    }
    fn sleep(&self, duration: Duration) {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(0);
        // Waiting for a lock costs a second a try, so that a history does not spend itself on waiting.
        self.0.borrow_mut().advance(ms.max(1000));
    }
}

/// Locks of the machine: one holder a name, released when the guard goes.
pub struct SimLocks(pub Shared, pub usize);

/// A lock that a run holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    name: LockName,
    run: usize,
    /// Locks are files of a machine. `None`: held on all.
    machine: Option<usize>,
    is_alone: bool,
}

struct Guard(Shared, Lock);

impl LockGuard for Guard {}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut world = self.0.borrow_mut();
        // A run may share a lock with itself.
        if let Some(at) = world.locks.iter().position(|held| *held == self.1) {
            world.locks.swap_remove(at);
        }
    }
}

impl SimLocks {
    fn take(&self, name: LockName, is_alone: bool) -> Option<Box<dyn LockGuard>> {
        let mut world = self.0.borrow_mut();
        let machine = Some(world.machine(self.1));
        let is_here = |held: &Lock| held.machine.is_none() || held.machine == machine;
        let is_held = world.locks.iter().any(|held| is_here(held) && held.name == name && (is_alone || held.is_alone));
        if is_held || crate::beside::holds(&world.beside, name) {
            return None;
        }
        let lock = Lock { name, run: self.1, machine, is_alone };
        world.locks.push(lock);
        Some(Box::new(Guard(Rc::clone(&self.0), lock)))
    }
}

impl Locks for SimLocks {
    fn try_lock(&self, name: LockName) -> Result<Option<Box<dyn LockGuard>>, String> {
        Ok(self.take(name, true))
    }

    fn try_share(&self, name: LockName) -> Result<Option<Box<dyn LockGuard>>, String> {
        Ok(self.take(name, false))
    }
}

/// What the run writes into its log: shown in a trace, else dropped.
pub struct SimNotes(pub Shared, pub usize);

impl Notes for SimNotes {
    fn note(&self, text: &Text) {
        self.0.borrow_mut().say(|_| format!("run {} notes: {}", self.1, text.en));
    }
    fn warn(&self, text: &Text) {
        self.0.borrow_mut().say(|_| format!("run {} warns: {}", self.1, text.en));
    }
}

impl Commits for World {
    fn ask_of_commit(&mut self, run: usize) -> Option<Fault> {
        let step = self.step_of(run);
        self.ask(run, Class::Commit, step)
    }

    fn disk_full(&mut self, run: usize) -> &mut bool {
        &mut self.runs[run].disk_full
    }
}
