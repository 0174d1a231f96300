//! The enumeration at OrderBox, as for the first kind of seller (`crate::grid`): each step of each scene, each fault
//! that can occur there, each way in which the panel carries on. `TIER=4 GRID=1` plays it, `TIER=4 CELL="…"` one cell
//! alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use pmisplicense::engine::Verdict;
use pmisplicense::error::ErrorKind;
use pmisplicense::model::command::ItemCommand as C;
use pmisplicense::model::item::ItemStatus;
use pmisplicense::model::rules::Rules;

use super::history::{Does, Setting, reopen, rules, seller};
use super::shop::{Habits, Repeat};
use super::stage::{Job, Stage, World};
use super::{Played, begin, finish};
use crate::beside::Numbers;
use crate::faults::{Fault as F, Mode, Place, Stats};
use crate::grid::{Repetition, occurs};
use crate::image::{Image, Tier};
use crate::world::{End, Violation};

/// The tag of the run that is tried; what leads to it has lower ones, what follows higher ones.
const TRIED: usize = 4_096;
const AFTER: usize = 8_192;

/// Which of the prepared settings.
const REMOVING: usize = 0;
const BY_HAND: usize = 2;
const KEEPING: usize = 3;
const NO_RESEND: usize = 4;

/// One thing that happens in a scene. The service is number 1, on the first order.
#[derive(Clone, Copy)]
enum Deed {
    /// The panel runs a command: the operation that it has open, or a new one.
    Run(C),
    /// The same, with a fault at the first place of that name.
    Hurt(C, &'static str, F),
    Job(Job),
    Wait(i64),
    Seller(Does),
    World(fn(&mut World)),
}

struct Scene {
    name: &'static str,
    rules: usize,
    habits: Habits,
    before: Vec<Deed>,
    tried: Deed,
    /// How the undisturbed run fails, if it does.
    fails: Option<ErrorKind>,
}

const PLAIN: Habits =
    Habits { repeat: Repeat::Charged, queue_s: 0, key_late_s: 0, unlisted_s: 30, fails: false, clock_s: 0 };
const QUEUED: Habits = Habits { queue_s: 240, ..PLAIN };
const LATE: Habits = Habits { key_late_s: 7_200, ..PLAIN };

const OPEN: Deed = Deed::Run(C::Open);
const CLOSE: Deed = Deed::Run(C::Close);
const SYNC: Deed = Deed::Job(Job::Sync);
const SETTLED: Deed = Deed::Wait(961);
const MINUTE: Deed = Deed::Wait(61);
const SENDING: &str = "send addition";
const REMOVAL: &str = "send removal";

fn again(world: &mut World) {
    reopen(world, 1, false);
}

fn to_another_order(world: &mut World) {
    reopen(world, 1, true);
}

fn closed_alone(world: &mut World) {
    world.services[0].item.status = ItemStatus::Deleted;
}

fn chooses(world: &mut World, code: &str) {
    world.services[0].item.tariff_intname = code.to_owned();
}

fn scenes() -> Vec<Scene> {
    let scene = |name, before: &[Deed], tried| Scene {
        name,
        rules: REMOVING,
        habits: PLAIN,
        before: before.to_vec(),
        tried,
        fails: None,
    };
    let fails = |kind, scene: Scene| Scene { fails: Some(kind), ..scene };
    let ruled = |rules, scene: Scene| Scene { rules, ..scene };
    let at = |habits, scene: Scene| Scene { habits, ..scene };
    let lost = Deed::Hurt(C::Open, SENDING, F::LostBefore);
    let unheard = Deed::Hurt(C::Open, SENDING, F::LostAfter);
    let late = Deed::Hurt(C::Open, SENDING, F::Late(300));
    let unremoved = Deed::Hurt(C::Close, REMOVAL, F::LostBefore);
    let nopanel = Deed::World(|world| chooses(world, "nopanel"));
    let whmcs = Deed::World(|world| chooses(world, "whmcs"));
    let resolve = Deed::Job(Job::Decide { item: 1, intent: None, verdict: Verdict::NotBought });
    let reissued = [OPEN, unremoved, Deed::Seller(Does::Reissue), SETTLED];
    vec![
        scene("open", &[], OPEN),
        at(QUEUED, scene("open, queued", &[], OPEN)),
        at(LATE, scene("open, its key late", &[], OPEN)),
        scene("open, sent again", &[lost, SETTLED, OPEN, MINUTE], OPEN),
        fails(ErrorKind::OrderUnknown, ruled(NO_RESEND, scene("open, handed over", &[lost, SETTLED], OPEN))),
        at(QUEUED, scene("open, lost and queued", &[unheard, Deed::Wait(300)], SYNC)),
        scene("sync in doubt", &[lost, SETTLED, SYNC, MINUTE], SYNC),
        scene("sync adopts", &[late, SETTLED], SYNC),
        scene("sync, nothing new", &[OPEN], SYNC),
        at(LATE, scene("sync brings the key", &[OPEN, Deed::Wait(7_300)], SYNC)),
        fails(ErrorKind::LicenseGone, scene("sync, gone", &[OPEN, Deed::Seller(Does::RemoveByHand)], SYNC)),
        scene("sync, closed by the panel alone", &[OPEN, Deed::World(closed_alone)], SYNC),
        scene("close", &[OPEN], CLOSE),
        at(QUEUED, scene("close, queued", &[OPEN, Deed::Wait(300)], CLOSE)),
        at(LATE, scene("close before the key", &[OPEN], CLOSE)),
        ruled(BY_HAND, scene("close, an operator removes", &[OPEN], CLOSE)),
        ruled(KEEPING, scene("close, kept", &[OPEN], CLOSE)),
        scene("close in doubt", &[late], CLOSE),
        scene("close, sent again", &[OPEN, unremoved, SETTLED, SYNC, MINUTE], SYNC),
        fails(ErrorKind::OrderUnknown, scene("close, another key", &reissued, SYNC)),
        scene("resolve, another key", &[&reissued[..], &[SYNC]].concat(), resolve),
        scene("reopen", &[OPEN, CLOSE, Deed::World(again)], Deed::Run(C::Reopen)),
        ruled(KEEPING, scene("reopen, kept", &[OPEN, CLOSE, Deed::World(again)], Deed::Run(C::Reopen))),
        scene("reopen, in doubt", &[late, CLOSE, Deed::World(again), SETTLED], Deed::Run(C::Reopen)),
        scene("open for another order", &[OPEN, unremoved, Deed::World(to_another_order)], OPEN),
        scene("setparam to nopanel", &[OPEN, nopanel], Deed::Run(C::Setparam)),
        scene("setparam from nopanel", &[OPEN, nopanel, Deed::Run(C::Setparam), whmcs], Deed::Run(C::Setparam)),
        scene("suspend", &[OPEN], Deed::Run(C::Suspend)),
        scene("prolong", &[OPEN], Deed::Run(C::Prolong)),
        scene("reconcile", &[OPEN], Deed::Job(Job::Survey)),
    ]
}

struct Cell {
    place: Place,
    fault: F,
    repetition: Repetition,
}

impl Cell {
    fn name(&self, scene: &Scene) -> String {
        let Self { place, fault, repetition } = self;
        format!("{} / {} {} / {} / {}", scene.name, place.point, place.step, fault.kind(), repetition.word())
    }
}

struct Shown {
    played: Played,
    passed: Vec<Place>,
    tried: Option<End>,
}

fn operation(world: &mut World, command: C) -> usize {
    match world.open_op(1).filter(|op| world.ops[*op].command == command) {
        Some(op) => op,
        None => world.begin_op(1, command),
    }
}

impl Stage<'_> {
    fn tagged(&mut self, job: Job, tag: usize) -> usize {
        self.next_tag = tag;
        self.together(&[job])[0]
    }

    fn of_item(&self, command: C) -> Job {
        let op = operation(&mut self.world.borrow_mut(), command);
        Job::Item { item: 1, command, op: Some(op) }
    }

    fn deed(&mut self, deed: Deed, tag: usize) {
        match deed {
            Deed::Run(command) => {
                let job = self.of_item(command);
                self.tagged(job, tag);
            }
            Deed::Hurt(command, step, fault) => {
                self.world.borrow_mut().faults.mode = Mode::At(step, fault, None);
                self.deed(Deed::Run(command), tag);
                self.world.borrow_mut().faults.mode = Mode::Off;
            }
            Deed::Job(job) => {
                self.tagged(job, tag);
            }
            Deed::Wait(seconds) => self.world.borrow_mut().advance(seconds * 1000),
            Deed::Seller(does) => seller(&mut self.world.borrow_mut(), 0, does),
            Deed::World(change) => change(&mut self.world.borrow_mut()),
        }
    }

    /// What the panel still had open for the service is given up.
    fn drop_open(&self) {
        self.world.borrow_mut().ops.iter_mut().filter(|op| !op.done).for_each(|op| op.dropped = true);
    }

    fn carry_on(&mut self, job: Job, repetition: Repetition) {
        self.world.borrow_mut().say(|_| format!("--- {}", repetition.word()));
        let is_done = match job {
            Job::Item { op: Some(op), .. } => self.world.borrow().ops[op].done,
            _ => false,
        };
        let sync_item = Job::Item { item: 1, command: C::SyncItem, op: None };
        match repetition {
            Repetition::Again | Repetition::NewOperation if is_done => {}
            Repetition::Again => {
                self.tagged(job, AFTER);
            }
            Repetition::NewOperation => {
                self.drop_open();
                if let Job::Item { command, .. } = job {
                    self.deed(Deed::Run(command), AFTER);
                }
            }
            Repetition::AnotherFirst => {
                self.tagged(sync_item, AFTER);
                if !is_done {
                    self.tagged(job, AFTER + 8);
                }
            }
            Repetition::Closed => {
                self.drop_open();
                self.deed(CLOSE, AFTER);
            }
            Repetition::Never => self.drop_open(),
        }
    }
}

/// Plays a scene; with a cell, its fault and its repetition.
fn play(scene: &Scene, cell: Option<&Cell>, tracing: bool, image: &Image, rules: &[Rules]) -> Shown {
    let setting = Setting { seed: 1, rules: scene.rules, orders: vec![(1, true)], services: vec![(1, 0)] };
    image.empty(setting.seed);
    let mut stage = begin(&setting, scene.habits, Numbers::ALONE, Mode::Off, tracing, image, &rules[scene.rules]);
    for (index, deed) in scene.before.iter().enumerate() {
        stage.deed(*deed, index * 8);
    }
    let job = match scene.tried {
        Deed::Job(job) => job,
        Deed::Run(command) | Deed::Hurt(command, ..) => stage.of_item(command),
        Deed::Wait(_) | Deed::Seller(_) | Deed::World(_) => unreachable!("a run is tried"),
    };
    {
        let mut world = stage.world.borrow_mut();
        world.say(|_| "--- tried".to_owned());
        world.faults.passed = Some(Vec::new());
        world.faults.mode = cell.map_or(Mode::Off, |cell| Mode::Fixed(vec![cell.place.planned(cell.fault)]));
    }
    let run = stage.tagged(job, TRIED);
    let (passed, tried) = {
        let mut world = stage.world.borrow_mut();
        world.faults.mode = Mode::Off;
        (world.faults.passed.take().unwrap_or_default(), world.runs[run].end.clone())
    };
    if let Some(cell) = cell {
        stage.carry_on(job, cell.repetition);
    }
    Shown { played: finish(stage, &mut Stats::default()), passed, tried }
}

/// Why the undisturbed scene is not what it says it is.
fn is_odd(scene: &Scene, dry: &Shown) -> Option<String> {
    let is_as_said = match (&dry.tried, scene.fails) {
        (Some(End::Ok), None) => true,
        (Some(End::Failed(kind, _)), Some(wanted)) => *kind == wanted,
        _ => false,
    };
    let broken = dry.played.violations.first().map(|broken| format!("{}: {}", broken.rule, broken.what));
    broken.or_else(|| (!is_as_said).then(|| format!("the undisturbed run ends {:?}", dry.tried)))
}

fn cells(scene: &Scene, passed: &[Place]) -> Vec<Cell> {
    let has_operation = matches!(scene.tried, Deed::Run(_));
    let mut cells = Vec::new();
    for place in passed.iter().filter(|place| place.run == TRIED) {
        for fault in place.class.all() {
            // The panel's database has no past here.
            let fits = |repetition: &Repetition| fault != F::DbLag && occurs(fault, *repetition, has_operation);
            let of_fault = Repetition::ALL.into_iter().filter(fits);
            cells.extend(of_fault.map(|repetition| Cell { place: *place, fault, repetition }));
        }
    }
    cells
}

/// Plays everything and prints what came of it; whether all is well.
pub fn run() -> bool {
    let (image, rules, began) = (Image::new(Tier::One, 95), rules(), Instant::now());
    let (mut places, mut count, mut good) = (BTreeSet::new(), 0_u64, true);
    let mut broken: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for scene in scenes() {
        let dry = play(&scene, None, false, &image, &rules);
        if let Some(why) = is_odd(&scene, &dry) {
            println!("  not played: {}: {why}", scene.name);
            good = false;
            continue;
        }
        for cell in cells(&scene, &dry.passed) {
            let shown = play(&scene, Some(&cell), false, &image, &rules);
            count += 1;
            places.insert((format!("{:?}", cell.place.class), cell.place.step));
            if shown.played.injected.is_empty() {
                println!("  not met: {}", cell.name(&scene));
                good = false;
            }
            if let Some(Violation { check, rule, what }) = shown.played.violations.first() {
                let line = format!("{} :: {what}", cell.name(&scene));
                broken.entry((check, rule)).or_default().push(line);
            }
        }
    }
    println!(
        "enumerated at OrderBox: {} scenes, {} places, {count} histories in {:.1} s",
        scenes().len(),
        places.len(),
        began.elapsed().as_secs_f64()
    );
    for ((check, rule), cells) in &broken {
        println!("  {check} {rule}: {} cells, for example", cells.len());
        cells.iter().take(8).for_each(|line| println!("    {line}"));
    }
    good && broken.is_empty()
}

/// Plays one cell, or one scene undisturbed, and prints it whole; whether it broke no rule.
pub fn replay(name: &str) -> bool {
    let (image, rules, scenes) = (Image::new(Tier::One, 95), rules(), scenes());
    let Some(scene) = scenes.iter().find(|scene| Some(scene.name) == name.split(" / ").next()) else {
        println!("no scene of that name; there are:");
        scenes.iter().for_each(|scene| println!("  {}", scene.name));
        return false;
    };
    let dry = play(scene, None, true, &image, &rules);
    let shown = match cells(scene, &dry.passed).into_iter().find(|cell| cell.name(scene) == name.trim()) {
        Some(cell) => play(scene, Some(&cell), true, &image, &rules),
        None => dry,
    };
    shown.played.trace.iter().for_each(|line| println!("{line}"));
    shown.played.violations.is_empty()
}
