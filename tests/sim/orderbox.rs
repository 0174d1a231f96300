//! Histories at the second kind of seller, OrderBox, whose licenses are addons of hosting orders: a world of its own,
//! small, with queued actions, purchases that a repetition charges again, keys that come late, orders that end, removal
//! by hand, and clients who type somebody else's order. Chance, faults and figures are those of all histories.

mod checks;
pub mod grid;
mod history;
pub mod mixed;
mod ports;
mod shop;
mod stage;
mod wire;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use pmisplicense::engine::Verdict;
use pmisplicense::model::command::ItemCommand;
use pmisplicense::model::ids::LicenseId;
use pmisplicense::model::item::ItemStatus;
use pmisplicense::model::journal::IntentStatus;
use pmisplicense::model::license_row::LicenseState;
use pmisplicense::model::rules::Rules;
use serde::{Deserialize, Serialize};

pub use self::history::rules;
use self::history::{Act, Setting};
use self::shop::{Habits, Shop};
use self::stage::{Job, QUIET, Stage, World};
use crate::acts::Wrong;
use crate::beside::Numbers;
use crate::faults::{Faults, Mode, Planned, Stats};
use crate::image::{Image, Tier};
use crate::rng::Rng;
use crate::world::{SETTLE_S, Violation};

/// 2026-12-01 10:00 UTC
const BEGIN_MS: i64 = 1_796_119_200_000;

/// A history that can be played again, without the seed that drew it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The rule that it broke when it was recorded.
    pub broke: String,
    setting: Setting,
    /// Each with its place, by which its runs are told.
    acts: Vec<(usize, Act)>,
    /// With the tags of their runs.
    faults: Vec<(usize, Wrong)>,
}

/// What came out of a history.
pub struct Played {
    pub violations: Vec<Violation>,
    injected: Vec<Planned>,
    pub trace: Vec<String>,
}

/// Plays what a seed draws.
pub fn play(seed: u64, tracing: bool, image: &Image, rules: &[Rules], stats: &mut Stats) -> Played {
    let (setting, acts, intensity) = history::draw(seed);
    let acts: Vec<(usize, Act)> = acts.into_iter().enumerate().collect();
    play_acts(&setting, &acts, Mode::Random(intensity), tracing, image, &rules[setting.rules], stats)
}

fn play_acts(
    setting: &Setting,
    acts: &[(usize, Act)],
    mode: Mode,
    tracing: bool,
    image: &Image,
    rules: &Rules,
    stats: &mut Stats,
) -> Played {
    image.empty(setting.seed);
    let mut stage = begin(setting, history::habits(setting.seed), Numbers::ALONE, mode, tracing, image, rules);
    for (at, act) in acts {
        stage.happen(*at, *act);
    }
    finish(stage, stats)
}

/// A world in which nothing has happened yet, with a state that is empty already.
fn begin<'a>(
    setting: &Setting,
    habits: Habits,
    numbers: Numbers,
    mode: Mode,
    tracing: bool,
    image: &'a Image,
    rules: &'a Rules,
) -> Stage<'a> {
    let mut world = World {
        numbers,
        beside: None,
        now_ms: BEGIN_MS,
        skew_ms: 0,
        clock_moved: false,
        shop: Shop::new(habits, numbers.first_order, setting.seed, BEGIN_MS),
        services: Vec::new(),
        ops: Vec::new(),
        problems: Vec::new(),
        shown_keys: Vec::new(),
        pending: Vec::new(),
        is_beyond: false,
        faults: Faults::new(mode),
        runs: Vec::new(),
        locks: Vec::new(),
        violations: Vec::new(),
        trace: tracing.then(Vec::new),
        store: image.look(),
        sends: 0,
        noise: Rng::fork(setting.seed, 43),
        findings: None,
    };
    history::populate(setting, &mut world);
    world.say(|world| format!("{setting:?} {:?}", world.shop.habits));
    Stage { world: Rc::new(RefCell::new(world)), image, rules, seed: setting.seed, next_tag: 0, after_step: None }
}

/// The quiet, the checks, and what came out.
fn finish(mut stage: Stage<'_>, stats: &mut Stats) -> Played {
    quiet(&mut stage);
    played(&stage, stats)
}

/// What came out.
fn played(stage: &Stage<'_>, stats: &mut Stats) -> Played {
    let injected = stage.count(stats);
    let mut world = stage.world.borrow_mut();
    Played {
        violations: std::mem::take(&mut world.violations),
        injected,
        trace: world.trace.take().unwrap_or_default(),
    }
}

/// Everything on its way arrives, causes go away, what is unfinished is repeated, an operator decides what is left to
/// him; then sync, the checks, and everything finished once more (S7).
fn quiet(stage: &mut Stage<'_>) {
    {
        let mut world = stage.world.borrow_mut();
        world.say(|_| "--- drain".to_owned());
        world.faults.mode = Mode::Off;
        world.skew_ms = 0;
        (world.shop.is_poor, world.shop.habits.fails) = (false, false);
        let latest = world.pending.iter().map(|pending| pending.due_ms).max().unwrap_or(0);
        let ms = (latest - world.now_ms).max(0) + (SETTLE_S + 60) * 1000;
        world.advance(ms);
    }
    stage.next_tag = QUIET;
    for round in 0..6 {
        let decided = decisions(&stage.world.borrow());
        for job in decided {
            stage.together(&[job]);
        }
        let open: Vec<usize> = {
            let world = stage.world.borrow();
            (0..world.ops.len()).filter(|op| !world.ops[*op].done && !world.ops[*op].dropped).collect()
        };
        for op in open {
            let (item, command) = {
                let world = stage.world.borrow();
                (world.ops[op].item, world.ops[op].command)
            };
            stage.together(&[Job::Item { item, command, op: Some(op) }]);
        }
        stage.together(&[Job::Sync]);
        // Whatever is queued or late has come after two of these.
        let ms = if round < 2 { (SETTLE_S + 60) * 1000 } else { 86_400_000 };
        stage.world.borrow_mut().advance(ms);
    }
    let synced = stage.together(&[Job::Sync]);
    stage.together(&[Job::Survey]);
    checks::at_the_end(&mut stage.world.borrow_mut(), stage.rules, &synced);
    repeat_finished(stage);
}

/// What an operator looks up in the seller's panel, and says.
fn decisions(world: &World) -> Vec<Job> {
    let mut jobs = Vec::new();
    for service in &world.services {
        let id = service.item.id;
        let open = world.store.open_intents_of_item(id).unwrap_or_default();
        for intent in open.iter().filter(|intent| intent.status == IntentStatus::HandedOver) {
            let order = intent.request.license().unwrap_or(LicenseId(0));
            let license = world.shop.order(order.0).and_then(|order| order.license.as_ref());
            let happened = match intent.request.kind() {
                // A license of ours is still there, whatever its key is now; another's is not what was to be removed.
                "remove" => license.is_none_or(|license| license.charge.is_none()),
                _ => license.is_some(),
            };
            let verdict = if happened { Verdict::Bought(order) } else { Verdict::NotBought };
            jobs.push(Job::Decide { item: id.0, intent: Some(intent.id), verdict });
        }
        let rows = world.store.licenses_of_item(id).unwrap_or_default();
        for row in rows {
            let is_there = world.shop.order(row.id.0).is_some_and(|order| order.license.is_some());
            let waits = row.account == world.numbers.account && row.key.is_none() && row.state != LicenseState::Deleted;
            if !waits || is_there || world.shop.is_busy(row.id.0) || !open.is_empty() {
                continue;
            }
            // The purchase that the program names for this order.
            let bought = world.store.additions_of_item(id).unwrap_or_default();
            let purchase = bought.iter().rev().find(|intent| intent.request.license() == Some(row.id));
            jobs.push(Job::Decide {
                item: id.0,
                intent: purchase.map(|intent| intent.id),
                verdict: Verdict::NotBought,
            });
        }
    }
    jobs
}

/// S7: what is finished is done again, and nothing is sent.
fn repeat_finished(stage: &mut Stage<'_>) {
    let items: Vec<u32> = stage.world.borrow().services.iter().map(|service| service.item.id.0).collect();
    for item in items {
        let last = {
            let world = stage.world.borrow();
            let is_active = world.service(item).is_some_and(|service| service.item.status == ItemStatus::Active);
            // What the panel gave up since then would be overtaken by it.
            let last = (0..world.ops.len()).rev().find(|op| world.ops[*op].item == item);
            let last = last.filter(|op| !world.ops[*op].dropped);
            let holds =
                world.service(item).is_some_and(|service| checks::bound_license(&world, &service.item).is_some());
            last.filter(|op| is_active && holds && world.ops[*op].done && world.ops[*op].command != ItemCommand::Close)
        };
        let Some(op) = last else { continue };
        let (before, command) = {
            let world = stage.world.borrow();
            (world.sends, world.ops[op].command)
        };
        stage.together(&[Job::Item { item, command, op: Some(op) }]);
        let mut world = stage.world.borrow_mut();
        if world.sends != before {
            world.violation("S7", "a finished operation sends again", format!("item {item} {}", command.word()));
        }
    }
}

/// A failing history as a record, made as small as it goes on breaking the same rule.
fn record(seed: u64, broken: &Violation, image: &Image, rules: &[Rules]) -> Record {
    let (setting, acts, _) = history::draw(seed);
    let played = play(seed, false, image, rules, &mut Stats::default());
    let broke = format!("{} {}", broken.check, broken.rule);
    let mut small = Record::new(broke, setting, acts, &played.injected);
    let breaks = |record: &Record| {
        let found = replay(record, false, image, rules).violations;
        found.iter().any(|found| (found.check, found.rule) == (broken.check, broken.rule))
    };
    for _ in 0..3 {
        let before = small.clone();
        for at in (0..small.acts.len()).rev() {
            let mut changed = small.clone();
            changed.acts.remove(at);
            small = if breaks(&changed) { changed } else { small };
        }
        for at in (0..small.faults.len()).rev() {
            let mut changed = small.clone();
            changed.faults.remove(at);
            small = if breaks(&changed) { changed } else { small };
        }
        if small == before {
            break;
        }
    }
    small
}

impl Record {
    fn new(broke: String, setting: Setting, acts: Vec<Act>, injected: &[Planned]) -> Self {
        let wrong = |one: &Planned| (one.run, Wrong { step: one.step.into(), nth: one.nth, fault: one.fault });
        let faults = injected.iter().map(wrong).collect();
        Self { broke, setting, acts: acts.into_iter().enumerate().collect(), faults }
    }

    /// Its faults, as they are planned.
    fn mode(&self) -> Mode {
        let planned = |(run, wrong): &(usize, Wrong)| Planned {
            run: *run,
            step: Box::leak(wrong.step.clone().into_owned().into_boxed_str()),
            nth: wrong.nth,
            fault: wrong.fault,
        };
        Mode::Fixed(self.faults.iter().map(planned).collect())
    }
}

fn replay(record: &Record, tracing: bool, image: &Image, rules: &[Rules]) -> Played {
    let setting = &record.setting;
    play_acts(setting, &record.acts, record.mode(), tracing, image, &rules[setting.rules], &mut Stats::default())
}

/// Every history at OrderBox that ever broke a rule; whether none does now.
pub fn play_regressions() -> bool {
    let (image, rules) = (Image::new(Tier::One, 94), rules());
    let records: Vec<Record> = serde_json::from_str(include_str!("orderbox/regressions.json")).expect("records");
    let mut good = true;
    for record in &records {
        for violation in replay(record, false, &image, &rules).violations {
            println!(
                "OrderBox: {} {}: {} (it broke {})",
                violation.check, violation.rule, violation.what, record.broke
            );
            good = false;
        }
    }
    println!(
        "histories at OrderBox that failed once: {}, {}",
        records.len(),
        if good { "none fails" } else { "some do" }
    );
    good
}

/// Plays one history and prints it whole; whether it breaks nothing.
pub fn show(seed: u64) -> bool {
    let played = play(seed, true, &Image::new(Tier::One, 94), &rules(), &mut Stats::default());
    played.trace.iter().for_each(|line| println!("{line}"));
    played.violations.is_empty()
}

/// The first rule that a history breaks, if any.
pub fn broken(seed: u64, image: &Image, rules: &[Rules], stats: &mut Stats) -> Option<Violation> {
    play(seed, false, image, rules, stats).violations.into_iter().next()
}

/// Plays histories from a seed on, so many or until told to stop, and prints what came of them; whether none broke a
/// rule.
pub fn run(first: u64, count: u64, is_over: &dyn Fn() -> bool) -> bool {
    let (image, rules) = (Image::new(Tier::One, 94), rules());
    let met = tally("at OrderBox", 4, (first, count), is_over, &|seed, stats| broken(seed, &image, &rules, stats));
    for (seed, violation) in &met {
        let small = record(*seed, violation, &image, &rules);
        replay(&small, true, &image, &rules).trace.iter().for_each(|line| println!("    {line}"));
        println!("  its record, for tests/sim/orderbox/regressions.json:\n{}", json(&small));
    }
    met.is_empty()
}

/// Plays histories and prints figures; the first that broke each rule.
fn tally(
    what: &str,
    tier: u32,
    (first, count): (u64, u64),
    is_over: &dyn Fn() -> bool,
    broken: &dyn Fn(u64, &mut Stats) -> Option<Violation>,
) -> Vec<(u64, Violation)> {
    let began = std::time::Instant::now();
    let (mut stats, mut met) = (Stats::default(), BTreeMap::<(&str, &str), Vec<(u64, Violation)>>::new());
    for seed in (first..first.saturating_add(count)).take_while(|_| !is_over()) {
        if let Some(violation) = broken(seed, &mut stats) {
            met.entry((violation.check, violation.rule)).or_default().push((seed, violation));
        }
    }
    let took = began.elapsed().as_secs_f64();
    let (histories, runs, steps) = (stats.histories, stats.runs, stats.steps);
    println!("{what}: histories {histories}, runs {runs}, steps {steps}, in {took:.1} s");
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    stats.coverage.iter().for_each(|((_, kind, _), count)| *kinds.entry(kind).or_default() += count);
    println!(
        "  faults: {}",
        kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
    );
    let ends: BTreeMap<_, _> = stats.ends.iter().collect();
    println!(
        "  runs ended: {}",
        ends.iter().map(|(end, count)| format!("{end} {count}")).collect::<Vec<_>>().join(", ")
    );
    println!("  violations: {}", met.values().map(Vec::len).sum::<usize>());
    for ((check, rule), list) in &met {
        let (seed, violation) = &list[0];
        let seeds: Vec<u64> = list.iter().take(40).map(|(seed, _)| *seed).collect();
        println!("  {check} {rule}: {} (seeds {seeds:?}); {}", list.len(), violation.what);
        println!("  to play it alone: make sim TIER={tier} SEED={seed}");
    }
    met.into_values().filter_map(|list| list.into_iter().next()).collect()
}

fn json(record: &Record) -> String {
    serde_json::to_string(record).expect("JSON")
}
