//! Plays every history that ever failed, then fresh ones on threads; adds up what they did, and prints it: histories,
//! steps, faults by kind, coverage, and each violation with its seed, its shrunk history, and its record to keep.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::choices::rules;
use crate::faults::{Mode, Stats};
use crate::image::{Image, Tier};
use crate::play::{How, Played, play};
use crate::record::{Record, regressions};
use crate::script::Script;
use crate::shares::{share_of, tier_at_orderbox, with_orderbox};
use crate::shrink::shrink;
use crate::world::Violation;

/// What was asked for.
pub struct Asked {
    pub histories: u64,
    pub minutes: Option<f64>,
    pub first_seed: u64,
    tier: Option<Tier>,
    threads: u32,
    show: usize,
    /// The enumeration alone, with its table.
    only_grid: bool,
    /// The first violation ends it, unshown; without any the enumeration is left out: for a yes or no to a mutant.
    hasty: bool,
}

pub fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn asked() -> Asked {
    let args: Vec<String> = std::env::args().collect();
    let after = |flag: &str| {
        args.iter().position(|arg| arg == flag).and_then(|at| args.get(at + 1)).and_then(|text| text.parse().ok())
    };
    let minutes = number("MINUTES").or_else(|| after("--minutes"));
    let tier = number("TIER").and_then(|tier: u32| match tier {
        1 => Some(Tier::One),
        2 => Some(Tier::Two),
        3 => Some(Tier::Three),
        5 => Some(Tier::Pair),
        _ => None,
    });
    let short = if cfg!(debug_assertions) { 2_000 } else { 20_000 };
    let histories = number("HISTORIES").or(number("SEEDS"));
    let is_plain = minutes.is_none() && histories.is_none();
    let hasty = std::env::var_os("HASTY").is_some();
    Asked {
        histories: histories.unwrap_or(if minutes.is_some() { u64::MAX } else { short }),
        minutes,
        first_seed: number("FIRST").unwrap_or_else(|| if is_plain || hasty { CHECKED_FROM } else { fresh_seed() }),
        tier,
        threads: number("THREADS").unwrap_or(2),
        show: number("SHOW").unwrap_or(5),
        only_grid: std::env::var_os("GRID").is_some(),
        hasty,
    }
}

/// Where `cargo test` begins, as `make check` does: whether a change passes must not depend on luck.
const CHECKED_FROM: u64 = 1;

/// A seed that no run before this one began at: seconds since 1970, with room for the histories of a second.
fn fresh_seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(1, |since| since.as_secs() * 1000)
}

const ALL_TIERS: [Tier; 4] = [Tier::One, Tier::Two, Tier::Three, Tier::Pair];

/// The tier of a seed: of a thousand histories 976 are of the first, 20 of the second, 2 of the third, 2 of two
/// machines.
fn tier_of(seed: u64) -> Tier {
    match seed % 1000 {
        0..=1 => Tier::Three,
        2..=21 => Tier::Two,
        500 | 501 => Tier::Pair,
        _ => Tier::One,
    }
}

pub fn random(script: &Script) -> How {
    How { mode: Mode::Random(script.intensity), tracing: false, muted: false }
}

/// A violation as it was met.
struct Met {
    seed: u64,
    tier: Tier,
    violation: Violation,
}

/// Time of this thread's processor in seconds, where the system tells; else by the wall clock.
fn thread_cpu() -> f64 {
    static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ns = told.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    ns.map_or_else(|| BEGAN.get_or_init(Instant::now).elapsed().as_secs_f64(), |ns| ns as f64 / 1e9)
}

/// Processor time by tier. The clock is read only when the tier changes: reading it costs as much as some queries.
struct Meter {
    spent: [f64; 4],
    tier: usize,
    since: f64,
}

impl Meter {
    fn start() -> Self {
        Self { spent: [0.0; 4], tier: 0, since: thread_cpu() }
    }

    fn turn_to(&mut self, tier: usize) {
        if tier != self.tier {
            let now = thread_cpu();
            self.spent[self.tier] += now - self.since;
            (self.tier, self.since) = (tier, now);
        }
    }

    fn stop(mut self) -> [f64; 4] {
        self.spent[self.tier] += thread_cpu() - self.since;
        self.spent
    }
}

fn worker(number: u32, asked: &Asked, next: &AtomicU64, stop: &AtomicBool, met: &Mutex<Vec<Met>>) -> (Stats, [f64; 4]) {
    let mut stats = Stats::default();
    let rules = rules();
    let images = ALL_TIERS.map(|tier| Image::new(tier, number));
    let mut meter = Meter::start();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= asked.histories || stop.load(Ordering::Relaxed) {
            return (stats, meter.stop());
        }
        let seed = asked.first_seed + index;
        let tier = asked.tier.unwrap_or_else(|| tier_of(seed));
        let at = at(tier);
        let script = Script::draw(seed);
        meter.turn_to(at);
        let played = play(&script, &random(&script), &images[at], &rules, &mut stats);
        if let Some(violation) = played.violations.into_iter().next() {
            if asked.hasty {
                stop.store(true, Ordering::Relaxed);
            }
            let mut met = met.lock().expect("the list");
            met.push(Met { seed, tier, violation });
        }
    }
}

/// Plays one history and prints it whole.
fn replay(seed: u64, tier: Tier) -> bool {
    let (image, rules, script) = (Image::new(tier, 0), rules(), Script::draw(seed));
    let how = How { tracing: true, ..random(&script) };
    let played = play(&script, &how, &image, &rules, &mut Stats::default());
    println!("{}", record(seed, tier, &script, &played).text());
    for line in &played.trace {
        println!("{line}");
    }
    played.violations.is_empty()
}

fn in_words(violation: &Violation) -> String {
    format!("{} {}", violation.check, violation.rule)
}

/// What happened in a drawn history.
fn record(seed: u64, tier: Tier, script: &Script, played: &Played) -> Record {
    let record = Record {
        broke: played.violations.first().map_or_else(|| "nothing".to_owned(), in_words),
        found: format!("seed {seed}"),
        tier,
        setting: script.setting.clone(),
        acts: played.acts.clone(),
    };
    record.with_faults(&played.injected)
}

/// Plays every history that ever failed. Whether none fails now.
fn play_regressions() -> bool {
    let (images, rules, records) = (ALL_TIERS.map(|tier| Image::new(tier, 98)), rules(), regressions());
    let mut good = true;
    for record in &records {
        let played = record.play(true, &images[at(record.tier)], &rules);
        for violation in &played.violations {
            println!(
                "{}: {} (it broke {} when it was found, {})",
                in_words(violation),
                violation.what,
                record.broke,
                record.found
            );
            played.trace.iter().for_each(|line| println!("    {line}"));
            good = false;
        }
    }
    println!(
        "histories that failed once: {}, {}",
        records.len(),
        if good { "none fails" } else { "not all are mended" }
    );
    good
}

/// Histories whose records are compared with them.
const COMPARED: u64 = 20;

/// A record means what it was made from, to the letter; else regressions would prove nothing.
fn records_are_true(first: u64) -> bool {
    let (image, rules) = (Image::new(Tier::One, 97), rules());
    let differs = |seed: &u64| {
        let script = Script::draw(*seed);
        let how = How { tracing: true, ..random(&script) };
        let played = play(&script, &how, &image, &rules, &mut Stats::default());
        let record: Record =
            serde_json::from_str(&record(*seed, Tier::One, &script, &played).text()).expect("a record");
        let again = record.play(true, &image, &rules);
        // Acts are told with the faults that are planned for them.
        let lines = |trace: Vec<String>| trace.into_iter().filter(|line| !line.contains(" --- ")).collect::<Vec<_>>();
        let (drawn, again) = (lines(played.trace), lines(again.trace));
        let other = drawn.iter().zip(&again).find(|(one, other)| one != other);
        if let Some((one, other)) = other {
            println!("the record of seed {seed} is another history:\n  {one}\n  {other}");
        }
        other.is_some() || drawn.len() != again.len()
    };
    !(first..first + COMPARED).any(|seed| differs(&seed))
}

/// Histories in which each rule of what must be heard has to break, once passes say nothing of what they left undone.
const MUST_HEAR_WITHIN: u64 = 40_000;

/// The checks of what passes report bite: with the reports dropped, each of them fails.
fn silence_is_noticed(first: u64) -> bool {
    let (image, rules) = (Image::new(Tier::One, 95), rules());
    let mut unbroken = vec![crate::heard::NOT_RENEWED, crate::heard::NOT_SERVED];
    for seed in first..first + MUST_HEAR_WITHIN {
        let script = Script::draw(seed);
        let how = How { muted: true, ..random(&script) };
        let played = play(&script, &how, &image, &rules, &mut Stats::default());
        unbroken.retain(|rule| !played.violations.iter().any(|found| found.rule == *rule));
        if unbroken.is_empty() {
            println!("passes that report nothing are found out within {} histories", seed - first + 1);
            return true;
        }
    }
    println!("passes that report nothing stay unnoticed for {MUST_HEAR_WITHIN} histories: {unbroken:?}");
    false
}

/// Each scene of two machines ends well.
fn scenes_end_well() -> bool {
    let image = Image::new(Tier::Pair, 94);
    let broken = crate::between::first_broken(&image, &rules());
    broken.iter().for_each(|scene| println!("a scene of two machines does not end well: {scene}"));
    broken.is_none()
}

fn at(tier: Tier) -> usize {
    ALL_TIERS.iter().position(|known| *known == tier).unwrap_or(0)
}

/// Prints the records of some seeds, for `regressions.json`: shrunk where they break a rule, else whole.
fn keep(seeds: &str) {
    let (image, rules) = (Image::new(Tier::One, 96), rules());
    let kept = |seed: u64| {
        let script = Script::draw(seed);
        let played = play(&script, &random(&script), &image, &rules, &mut Stats::default());
        let whole = record(seed, Tier::One, &script, &played);
        let small = played.violations.first().and_then(|broken| shrink(&whole, broken, &image, &rules));
        small.unwrap_or(whole)
    };
    let records: Vec<Record> = seeds.split_whitespace().filter_map(|seed| seed.parse().ok()).map(kept).collect();
    print!("{}", crate::record::file_text(&records));
}

fn show(met: &Met) {
    let (image, rules, script) = (Image::new(met.tier, 99), rules(), Script::draw(met.seed));
    let first = play(&script, &random(&script), &image, &rules, &mut Stats::default());
    println!("\n{}: {}", in_words(&met.violation), met.violation.what);
    println!("  seed {} tier {:?}; to play it alone: make sim SEED={}", met.seed, met.tier, met.seed);
    let whole = record(met.seed, met.tier, &script, &first);
    let Some(small) = shrink(&whole, &met.violation, &image, &rules) else {
        println!("  (it cannot be shrunk)");
        return;
    };
    println!("  shrunk to {} faults, {} acts", small.faults().len(), small.acts.len());
    for line in small.play(true, &image, &rules).trace {
        println!("    {line}");
    }
    println!("  its record, for tests/sim/regressions.json:\n{}", small.text());
}

pub fn run() {
    #[cfg(feature = "planted-bugs")]
    if std::env::var_os("PLANTED").is_some() {
        return crate::mistakes::find_planted();
    }
    if let Ok(name) = std::env::var("CELL") {
        #[cfg(feature = "planted-bugs")]
        pmisplicense::planted::plant(
            pmisplicense::planted::Bug::ALL
                .into_iter()
                .find(|bug| std::env::var("BUG").is_ok_and(|name| format!("{bug:?}") == name)),
        );
        let is_good = match number::<u32>("TIER") {
            Some(4) => crate::orderbox::grid::replay(&name),
            _ => crate::grid::replay(&name),
        };
        std::process::exit(i32::from(!is_good));
    }
    let asked = Arc::new(asked());
    // Histories at the second kind of seller have a world of their own.
    let is_at_orderbox = number::<u32>("TIER") == Some(4);
    if asked.only_grid {
        let is_good = if is_at_orderbox { crate::orderbox::grid::run() } else { crate::grid::run(asked.threads, true) };
        std::process::exit(i32::from(!is_good));
    }
    if let Some(seed) = number::<u64>("SEED") {
        let good = match number::<u32>("TIER") {
            Some(4) => crate::orderbox::show(seed),
            Some(6) => crate::orderbox::mixed::show(seed),
            _ => replay(seed, asked.tier.unwrap_or(Tier::One)),
        };
        std::process::exit(i32::from(!good));
    }
    if let Ok(seeds) = std::env::var("KEEP") {
        return keep(&seeds);
    }
    if let Some(play) = tier_at_orderbox() {
        std::process::exit(i32::from(!share_of(&asked, 1, play)));
    }
    let regressions =
        || play_regressions() & crate::orderbox::play_regressions() & crate::orderbox::mixed::play_regressions();
    let mut good = asked.hasty || regressions();
    let are_true = |first| records_are_true(first) && crate::orderbox::mixed::records_are_true(first, COMPARED);
    good &= asked.hasty || are_true(asked.first_seed);
    good &= asked.hasty || scenes_end_well();
    // Thousands of histories, too many for a build that is not optimised.
    good &= asked.hasty || cfg!(debug_assertions) || silence_is_noticed(asked.first_seed);
    println!("first seed {}", asked.first_seed);
    let began = Instant::now();
    let (next, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let met = Arc::new(Mutex::new(Vec::new()));
    let workers: Vec<_> = (0..asked.threads)
        .map(|number| {
            let (asked, next, stop, met) = (Arc::clone(&asked), Arc::clone(&next), Arc::clone(&stop), Arc::clone(&met));
            std::thread::spawn(move || worker(number, &asked, &next, &stop, &met))
        })
        .collect();
    if let Some(minutes) = asked.minutes {
        let until = began + Duration::from_secs_f64(minutes * 60.0);
        while Instant::now() < until && !workers.iter().all(std::thread::JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(50));
        }
        stop.store(true, Ordering::Relaxed);
    }
    let mut stats = Stats::default();
    let mut spent = [0.0; 4];
    for worker in workers {
        let (part, times) = worker.join().expect("a worker");
        stats.add(part);
        for (sum, time) in spent.iter_mut().zip(times) {
            *sum += time;
        }
    }
    let mut met = std::mem::take(&mut *met.lock().expect("the list"));
    if asked.hasty {
        let is_broken = !met.is_empty() || !with_orderbox(&asked);
        std::process::exit(i32::from(is_broken));
    }
    good &= with_orderbox(&asked);
    print(&stats, spent, began.elapsed());
    println!("the same again: make sim FIRST={} HISTORIES={}", asked.first_seed, stats.histories);
    met.sort_by_key(|met| met.seed);
    let mut by_rule: BTreeMap<(&str, &str), Vec<&Met>> = BTreeMap::new();
    for one in &met {
        by_rule.entry((one.violation.check, one.violation.rule)).or_default().push(one);
    }
    println!("violations: {}", met.len());
    for ((check, rule), list) in &by_rule {
        let seeds: Vec<u64> = list.iter().take(40).map(|met| met.seed).collect();
        println!("  {check} {rule}: {} (seeds {seeds:?})", list.len());
    }
    for list in by_rule.values().take(asked.show) {
        show(list[0]);
    }
    // Without optimisation the enumeration takes longer than all other tests of a kind: `make sim` plays it.
    let is_enumerated = cfg!(debug_assertions)
        || (crate::grid::run(asked.threads, asked.minutes.is_some()) & crate::orderbox::grid::run());
    if !is_enumerated || !met.is_empty() || !good {
        std::process::exit(1);
    }
}

fn print(stats: &Stats, spent: [f64; 4], took: Duration) {
    println!(
        "histories {}, runs {}, steps {}, in {:.1} s ({:.3} ms of processor time each; by tier {:.1} {:.1} {:.1} {:.1} s)",
        stats.histories,
        stats.runs,
        stats.steps,
        took.as_secs_f64(),
        spent.iter().sum::<f64>() * 1000.0 / stats.histories.max(1) as f64,
        spent[0],
        spent[1],
        spent[2],
        spent[3]
    );
    let ends: BTreeMap<_, _> = stats.ends.iter().collect();
    println!("runs ended: {}", ends.iter().map(|(end, count)| format!("{end} {count}")).collect::<Vec<_>>().join(", "));
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for ((_, kind, _), count) in &stats.coverage {
        *kinds.entry(kind).or_default() += count;
    }
    println!("faults: {}", kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", "));
    println!("coverage: step, fault: times at the first, second, later attempt");
    let mut table: BTreeMap<(&str, &str), [u64; 3]> = BTreeMap::new();
    for ((step, kind, attempt), count) in &stats.coverage {
        let row = table.entry((step, kind)).or_default();
        row[usize::from(attempt.saturating_sub(1)).min(2)] += count;
    }
    for ((step, kind), [first, second, later]) in table {
        println!("  {step:22} {kind:22} {first:>8} {second:>8} {later:>8}");
    }
}
