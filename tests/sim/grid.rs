//! The exhaustive small part (docs/testing.md 3): each step of each scene × each fault that can occur there × each
//! way in which the panel carries on, enumerated and not drawn. Every cell ends as a random history does: drain,
//! quiet, checks. A cell that fails prints its name; `CELL="…"` replays it alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use pmisplicense::model::command::ItemCommand;
use pmisplicense::model::item::ItemStatus;
use pmisplicense::model::rules::Rules;

use crate::deeds::server_ends;
use crate::faults::{Class, Fault, Mode, Place, Stats};
use crate::history::{begin_operation, post_moved_end};
use crate::image::{Image, Tier};
use crate::play::{How, Played, Stage, begin};
use crate::scenes::{Deed, Scene, scenes};
use crate::script::Setting;
use crate::table::Table;
use crate::world::{End, Job, Violation, World};

/// How the panel carries on after the run that something happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repetition {
    /// The same operation once more.
    Again,
    /// A new operation for what was paid.
    NewOperation,
    /// Other commands first, then the same one.
    AnotherFirst,
    /// The service is closed instead.
    Closed,
    /// Never: only sync runs.
    Never,
}

impl Repetition {
    pub const ALL: [Self; 5] = [Self::Again, Self::NewOperation, Self::AnotherFirst, Self::Closed, Self::Never];

    pub fn word(self) -> &'static str {
        match self {
            Self::Again => "again",
            Self::NewOperation => "new operation",
            Self::AnotherFirst => "another first",
            Self::Closed => "closed",
            Self::Never => "never",
        }
    }
}

/// The tag of the run that is tried; what leads to it has lower ones, what follows higher ones.
const TRIED: usize = 4_096;
const AFTER: usize = 8_192;

/// One history of the enumeration.
#[derive(Debug, Clone, Copy)]
struct Cell {
    place: Place,
    fault: Fault,
    repetition: Repetition,
}

impl Cell {
    fn name(&self, scene: &Scene) -> String {
        let Self { place, fault, repetition } = self;
        format!("{} / {} {} / {} / {}", scene.name, place.point, place.step, fault.kind(), repetition.word())
    }
}

struct Theatre<'a> {
    scene: &'a Scene,
    setting: Setting,
    image: &'a Image,
    rules: &'a [Rules],
    tracing: bool,
}

/// What a cell showed.
struct Shown {
    played: Played,
    passed: Vec<Place>,
    tried: Option<End>,
    /// The panel had nothing left to repeat.
    done: bool,
}

impl<'a> Theatre<'a> {
    fn new(scene: &'a Scene, image: &'a Image, rules: &'a [Rules], tracing: bool) -> Self {
        let setting = Setting {
            seed: 1,
            seller: scene.habits,
            panel: scene.panel,
            align_year: scene.align_year,
            rules: scene.rules,
            starts: scene.starts.clone(),
            foreign: scene.foreign,
            server: false,
            module: false,
        };
        Self { scene, setting, image, rules, tracing }
    }

    /// Plays the scene; with a cell, its fault and its repetition.
    fn play(&self, cell: Option<&Cell>, stats: &mut Stats) -> Shown {
        let how = How { mode: Mode::Off, tracing: self.tracing, muted: false };
        let mut stage = begin(&self.setting, &how, self.image, self.rules);
        for (index, deed) in self.scene.before.iter().enumerate() {
            self.deed(&mut stage, *deed, index * 8);
        }
        let job = self.job(&stage);
        self.prepare(&stage, cell);
        stage.group(&[job], TRIED);
        let (passed, tried, done) = {
            let mut world = stage.world.borrow_mut();
            world.faults.mode = Mode::Off;
            let passed = world.faults.passed.take().unwrap_or_default();
            let done = job.op().is_some_and(|op| world.panel.ops[op].done);
            (passed, world.runs.last().and_then(|run| run.end.clone()), done)
        };
        if let Some(cell) = cell {
            carry_on(&mut stage, job, cell.repetition);
        }
        stage.quiet();
        Shown { played: stage.finish(stats), passed, tried, done }
    }

    fn prepare(&self, stage: &Stage<'_>, cell: Option<&Cell>) {
        let mut world = stage.world.borrow_mut();
        world.say(|_| "--- tried".to_owned());
        world.faults.passed = Some(Vec::new());
        let tried = cell.map(|cell| cell.place.planned(cell.fault));
        world.faults.mode = match (self.scene.hurt, tried) {
            (Some((step, fault)), tried) => Mode::At(step, fault, tried),
            (None, Some(tried)) => Mode::Fixed(vec![tried]),
            (None, None) => Mode::Off,
        };
    }

    fn deed(&self, stage: &mut Stage<'_>, deed: Deed, tag: usize) {
        match deed {
            Deed::Run(item, command) => {
                let op = operation(&mut stage.world.borrow_mut(), item, command);
                stage.group(&[Job::Item { item, command, op: Some(op) }], tag);
            }
            Deed::Hurt(item, command, step, fault) => {
                stage.world.borrow_mut().faults.mode = Mode::At(step, fault, None);
                self.deed(stage, Deed::Run(item, command), tag);
                stage.world.borrow_mut().faults.mode = Mode::Off;
            }
            Deed::Job(job) => stage.group(&[job], tag),
            Deed::Wait(seconds) => stage.world.borrow_mut().advance(seconds * 1000),
            Deed::World(change) => change(&mut stage.world.borrow_mut()),
        }
    }

    fn job(&self, stage: &Stage<'_>) -> Job {
        match self.scene.tried {
            Deed::Job(job) => job,
            Deed::Run(item, command) | Deed::Hurt(item, command, ..) => {
                let op = operation(&mut stage.world.borrow_mut(), item, command);
                Job::Item { item, command, op: Some(op) }
            }
            Deed::Wait(_) | Deed::World(_) => unreachable!("a run is tried"),
        }
    }

    /// The scene as it goes when nothing more happens: it must be what it says it is, and break no rule.
    fn dry(&self) -> Result<Vec<Place>, String> {
        let shown = self.play(None, &mut Stats::default());
        let broken = shown.played.violations.first().map(in_words);
        let missed = self.scene.through.iter().find(|step| !shown.passed.iter().any(|place| place.step == **step));
        let ended = match (&shown.tried, self.scene.fails) {
            (Some(End::Ok), None) => true,
            (Some(End::Failed(kind, _)), Some(wanted)) => *kind == wanted,
            _ => false,
        };
        match (broken, missed) {
            (Some(broken), _) => Err(broken),
            (None, Some(step)) => Err(format!("the undisturbed run does not pass \"{step}\"")),
            (None, None) if !ended => Err(format!("the undisturbed run ends {:?}", shown.tried)),
            (None, None) => Ok(shown.passed),
        }
    }
}

fn in_words(broken: &Violation) -> String {
    format!("{} {}: {}", broken.check, broken.rule, broken.what)
}

/// The operation that the panel has open for a command of a service, or a new one.
fn operation(world: &mut World, item: u32, command: ItemCommand) -> usize {
    match world.panel.open_op(item).filter(|op| world.panel.ops[*op].command == command) {
        Some(op) => op,
        None => begin_operation(world, item, command, None),
    }
}

fn carry_on(stage: &mut Stage<'_>, job: Job, repetition: Repetition) {
    stage.world.borrow_mut().say(|_| format!("--- {}", repetition.word()));
    match job {
        Job::Item { item, command, op: Some(op) } => repeat_operation(stage, (item, command, op), repetition),
        Job::Item { item, .. } => repeat_job(stage, job, item, repetition),
        _ => repeat_job(stage, job, 1, repetition),
    }
}

fn repeat_operation(stage: &mut Stage<'_>, (item, command, op): (u32, ItemCommand, usize), repetition: Repetition) {
    let done = stage.world.borrow().panel.ops[op].done;
    let same = Job::Item { item, command, op: Some(op) };
    let run = |stage: &mut Stage<'_>, command, tag| {
        let op = begin_operation(&mut stage.world.borrow_mut(), item, command, None);
        stage.group(&[Job::Item { item, command, op: Some(op) }], tag);
    };
    match repetition {
        Repetition::Again if done => {}
        Repetition::Again => stage.group(&[same], AFTER),
        Repetition::NewOperation if done => {}
        Repetition::NewOperation => {
            let new = {
                let mut world = stage.world.borrow_mut();
                // For this panel the payment is over, and nobody could tell the operation from the next payment.
                if post_moved_end(&world, op) {
                    op
                } else {
                    world.panel.ops[op].dropped = true;
                    let payment = world.panel.ops[op].payment;
                    begin_operation(&mut world, item, command, Some(payment))
                }
            };
            stage.group(&[Job::Item { item, command, op: Some(new) }], AFTER);
        }
        Repetition::AnotherFirst => {
            let status = stage.world.borrow().panel.service(item).map(|service| service.item.status);
            if status == Some(ItemStatus::Active) && command != ItemCommand::Close {
                run(stage, ItemCommand::Suspend, AFTER);
                run(stage, ItemCommand::Resume, AFTER + 8);
            } else {
                stage.group(&[Job::Item { item, command: ItemCommand::SyncItem, op: None }], AFTER);
            }
            if !done {
                stage.group(&[same], AFTER + 16);
            }
        }
        Repetition::Closed => {
            if !done {
                stage.world.borrow_mut().panel.ops[op].dropped = true;
            }
            run(stage, ItemCommand::Close, AFTER);
        }
        Repetition::Never => {
            if !done {
                stage.world.borrow_mut().panel.ops[op].dropped = true;
            }
        }
    }
}

fn repeat_job(stage: &mut Stage<'_>, job: Job, item: u32, repetition: Repetition) {
    match repetition {
        Repetition::Again | Repetition::NewOperation => stage.group(&[job], AFTER),
        Repetition::AnotherFirst => {
            stage.group(&[Job::SyncAll], AFTER);
            stage.group(&[job], AFTER + 8);
        }
        Repetition::Closed if job == Job::Sweep => {
            server_ends(&mut stage.world.borrow_mut());
            stage.group(&[job], AFTER);
        }
        Repetition::Closed => {
            // What the panel still had open for the service ends with it.
            for op in stage.world.borrow_mut().panel.ops.iter_mut().filter(|op| op.item == item) {
                op.dropped |= !op.done;
            }
            let op = begin_operation(&mut stage.world.borrow_mut(), item, ItemCommand::Close, None);
            stage.group(&[Job::Item { item, command: ItemCommand::Close, op: Some(op) }], AFTER);
        }
        Repetition::Never => {}
    }
}

/// What one scene gave.
#[derive(Default)]
pub struct Outcome {
    pub table: Table,
    pub cells: u64,
    pub broken: BTreeMap<(&'static str, &'static str), Vec<String>>,
    pub useless: Vec<String>,
    pub broken_cells: u64,
}

impl Outcome {
    fn add(&mut self, other: Self) {
        self.table.add(other.table);
        self.cells += other.cells;
        self.broken_cells += other.broken_cells;
        self.useless.extend(other.useless);
        for (rule, cells) in other.broken {
            self.broken.entry(rule).or_default().extend(cells);
        }
    }
}

fn cells_of(scene: &Scene, passed: &[Place]) -> Vec<(Place, Fault)> {
    // What comes before the scene's own fault was tried in the scene without it.
    let from = scene.hurt.map_or(0, |(step, _)| {
        passed.iter().find(|place| place.step == step && place.class != Class::Step).map_or(0, |place| place.point)
    });
    let after = passed.iter().filter(|place| place.run == TRIED && place.point > from);
    after.flat_map(|place| place.class.all().into_iter().map(|fault| (*place, fault))).collect()
}

/// Whether the panel can carry on like that: sync is no operation, and a second process is the repetition.
pub fn occurs(fault: Fault, repetition: Repetition, has_operation: bool) -> bool {
    let alone = fault.is_meanwhile() && repetition != Repetition::Again;
    (has_operation || repetition != Repetition::NewOperation) && !alone
}

fn enumerate(scene: &Scene, image: &Image, rules: &[Rules]) -> Outcome {
    let theatre = Theatre::new(scene, image, rules, false);
    let mut outcome = Outcome::default();
    let passed = match theatre.dry() {
        Ok(passed) => passed,
        Err(why) => {
            outcome.useless.push(format!("{}: {why}", scene.name));
            return outcome;
        }
    };
    let has_operation = matches!(scene.tried, Deed::Run(..));
    let mut stats = Stats::default();
    for (place, fault) in cells_of(scene, &passed) {
        let mut done = false;
        for repetition in Repetition::ALL {
            // A run that ended well leaves nothing to repeat: the history is that of `again`, to the letter.
            let same_as_again = done && matches!(repetition, Repetition::NewOperation | Repetition::Never);
            outcome.table.row(&place, has_operation);
            if !occurs(fault, repetition, has_operation) {
                continue;
            }
            outcome.table.count(&place, fault, repetition);
            if same_as_again {
                continue;
            }
            let cell = Cell { place, fault, repetition };
            let shown = theatre.play(Some(&cell), &mut stats);
            outcome.cells += 1;
            done = if repetition == Repetition::Again { shown.done } else { done };
            let met = shown.played.injected.iter().any(|one| one.run == TRIED && one.fault == fault);
            if !met {
                outcome.useless.push(format!("{}: its fault was not met", cell.name(scene)));
            }
            if !shown.played.violations.is_empty() {
                outcome.broken_cells += 1;
            }
            if let Some(Violation { check, rule, what }) = shown.played.violations.first() {
                let line = format!("{} :: {what}", cell.name(scene));
                outcome.broken.entry((check, rule)).or_default().push(line);
            }
        }
    }
    outcome
}

/// The whole enumeration, scene by scene on so many threads. `only`: scenes with that in their name, or after `=`
/// the one of exactly that name.
pub fn all(threads: u32, only: Option<&str>) -> Outcome {
    let scenes = scenes();
    let next = AtomicUsize::new(0);
    let mut whole = Outcome::default();
    let parts: Vec<Outcome> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|number| {
                let (scenes, next) = (&scenes, &next);
                scope.spawn(move || {
                    let (image, rules) = (Image::new(Tier::One, 200 + number), crate::choices::rules());
                    let mut part = Outcome::default();
                    while let Some(scene) = scenes.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let exact = only.and_then(|only| only.strip_prefix('='));
                        if exact
                            .map_or_else(|| only.is_none_or(|only| scene.name.contains(only)), |it| it == scene.name)
                        {
                            part.add(enumerate(scene, &image, &rules));
                        }
                    }
                    part
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker")).collect()
    });
    parts.into_iter().for_each(|part| whole.add(part));
    whole
}

/// The first cell that breaks a rule, and which history of the enumeration it is, in this thread: for planted
/// mistakes. A mistake that keeps a scene from being what it is counts only by the rules that it breaks.
#[cfg(feature = "planted-bugs")]
pub fn first_broken(image: &Image, rules: &[Rules]) -> (u64, Option<(String, Violation)>) {
    let (mut stats, mut played) = (Stats::default(), 0);
    let broken = scenes().iter().find_map(|scene| {
        let theatre = Theatre::new(scene, image, rules, false);
        played += 1;
        let dry = theatre.play(None, &mut stats);
        if let Some(broken) = dry.played.violations.into_iter().next() {
            return Some((scene.name.to_owned(), broken));
        }
        let has_operation = matches!(scene.tried, Deed::Run(..));
        cells_of(scene, &dry.passed).into_iter().find_map(|(place, fault)| {
            Repetition::ALL.into_iter().find_map(|repetition| {
                if !occurs(fault, repetition, has_operation) {
                    return None;
                }
                let cell = Cell { place, fault, repetition };
                played += 1;
                let broken = theatre.play(Some(&cell), &mut stats).played.violations.into_iter().next();
                broken.map(|broken| (cell.name(scene), broken))
            })
        })
    });
    (played, broken)
}

/// Plays one cell, or one scene undisturbed, and prints it whole; whether it broke no rule.
pub fn replay(name: &str) -> bool {
    let (image, rules, scenes) = (Image::new(Tier::One, 0), crate::choices::rules(), scenes());
    let parts: Vec<&str> = name.split(" / ").collect();
    let Some(scene) = scenes.iter().find(|scene| Some(&scene.name) == parts.first()) else {
        println!("no scene of that name; there are:");
        scenes.iter().for_each(|scene| println!("  {}", scene.name));
        return false;
    };
    let theatre = Theatre::new(scene, &image, &rules, true);
    let dry = theatre.play(None, &mut Stats::default());
    let all = cells_of(scene, &dry.passed);
    let cells = all
        .iter()
        .flat_map(|(place, fault)| Repetition::ALL.map(|repetition| Cell { place: *place, fault: *fault, repetition }));
    let shown = match cells.into_iter().find(|cell| cell.name(scene) == name.trim()) {
        Some(cell) => theatre.play(Some(&cell), &mut Stats::default()),
        None => dry,
    };
    shown.played.trace.iter().for_each(|line| println!("{line}"));
    shown.played.violations.is_empty()
}

/// Plays everything and prints what came of it; whether all is well. `whole`: the table is printed as well.
pub fn run(threads: u32, whole: bool) -> bool {
    let began = std::time::Instant::now();
    let outcome = all(threads, std::env::var("SCENE").ok().as_deref());
    let places: BTreeSet<_> = outcome.table.places().collect();
    println!(
        "enumerated: {} scenes, {} places, {} histories in {:.1} s",
        scenes().len(),
        places.len(),
        outcome.cells,
        began.elapsed().as_secs_f64()
    );
    if whole {
        outcome.table.print();
    }
    for line in &outcome.useless {
        println!("  not played: {line}");
    }
    for ((check, rule), cells) in &outcome.broken {
        println!("  {check} {rule}: {} cells, for example", cells.len());
        for line in cells.iter().take(6) {
            println!("    {line}");
        }
    }
    let holes = if std::env::var_os("SCENE").is_some() { Vec::new() } else { outcome.table.holes() };
    for hole in &holes {
        println!("  a hole in the table: {hole}");
    }
    outcome.useless.is_empty() && outcome.broken.is_empty() && holes.is_empty()
}
