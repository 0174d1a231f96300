//! The scenes of the enumeration: small histories in which one run is tried with everything that can go wrong in it.
//! Together they pass every commit and every call of every command that changes something.

mod openings;
mod services;
mod sync_passes;

use crate::faults::Fault as F;
use crate::panel::PanelHabits;
use crate::script::Start;
use crate::seller::Habits;
use crate::world::{Job, World};
use pmisplicense::error::ErrorKind as E;
use pmisplicense::model::command::ItemCommand as C;

pub const DAY: i64 = 86_400;

/// One thing that happens in a scene.
#[derive(Debug, Clone, Copy)]
pub enum Deed {
    /// The panel runs a command of a service: the operation that it has open, or a new one.
    Run(u32, C),
    /// The same, with a fault at the first place of that name.
    Hurt(u32, C, &'static str, F),
    /// A run without an operation.
    Job(Job),
    /// Seconds go by.
    Wait(i64),
    /// Somebody does something that no run is told of.
    World(fn(&mut World)),
}

/// What is tried, and what leads to it.
pub struct Scene {
    pub name: &'static str,
    pub starts: Vec<Start>,
    pub habits: Habits,
    pub panel: PanelHabits,
    pub align_year: bool,
    pub rules: usize,
    pub foreign: u32,
    pub before: Vec<Deed>,
    pub tried: Deed,
    /// A fault that belongs to the scene: only what comes after it is tried.
    pub hurt: Option<(&'static str, F)>,
    /// Steps that the undisturbed run must pass: a scene that misses them has lost its meaning.
    pub through: &'static [&'static str],
    /// How the undisturbed run fails, if it does.
    pub fails: Option<E>,
}

pub fn start(code: &'static str, period: i32, ip: u8) -> Start {
    let itemtype = if code == "9203" { "softexternal" } else { "soft" };
    let nodes = (code == "55230").then_some(0);
    Start { client: ip.into(), code: code.into(), itemtype: itemtype.into(), period, ip, nodes, licname: false }
}

impl Scene {
    fn new(
        name: &'static str,
        starts: &[Start],
        before: &[Deed],
        tried: Deed,
        through: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            starts: starts.to_vec(),
            habits: Habits::PLAIN,
            panel: PanelHabits { moves_before: true, end_at_open: true, reuses_numbers: false },
            align_year: false,
            rules: 0,
            foreign: 0,
            before: before.to_vec(),
            tried,
            hurt: None,
            through,
            fails: None,
        }
    }

    fn at(mut self, change: impl FnOnce(&mut Habits)) -> Self {
        change(&mut self.habits);
        self
    }

    fn by_post_call(mut self) -> Self {
        self.panel.moves_before = false;
        self
    }

    fn rules(mut self, rules: usize) -> Self {
        self.rules = rules;
        self
    }

    fn fails(mut self, kind: E) -> Self {
        self.fails = Some(kind);
        self
    }

    fn hurt(mut self, step: &'static str, fault: F) -> Self {
        self.hurt = Some((step, fault));
        self
    }
}

const SYNC: Deed = Deed::Job(Job::SyncAll);
const SWEEP: Deed = Deed::Job(Job::Sweep);
const SYNC_ITEM: Deed = Deed::Job(Job::Item { item: 1, command: C::SyncItem, op: None });
const OPEN: Deed = Deed::Run(1, C::Open);

/// All of them. The first ones are those that random histories hardly ever meet.
pub fn scenes() -> Vec<Scene> {
    let services = [services::payments(), services::stops(), services::changes()];
    let passes = [sync_passes::syncs(), sync_passes::others()];
    let rare = [sync_passes::beside_an_operation(), openings::with_a_filtered_list()];
    rare.into_iter().chain([openings::openings()]).chain(services).chain(passes).flatten().collect()
}
