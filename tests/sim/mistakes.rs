//! The planted mistakes of tests/planted: each has to be found within so many histories.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pmisplicense::model::rules::Rules;
use pmisplicense::planted::{Bug, plant};

use crate::choices::rules;
use crate::faults::Stats;
use crate::image::{Image, Tier};
use crate::play::play;
use crate::report::random;
use crate::script::Script;
use crate::world::Violation;
use crate::{between, grid, orderbox};

/// How many histories, random or enumerated, a planted bug may stay unseen.
const MUST_FIND_WITHIN: u64 = 10_000;

/// The same for histories of two machines, each of which takes as long as a hundred others.
const MUST_FIND_BETWEEN_MACHINES: u64 = 100;

/// Each planted bug is found, or this test of the simulator fails. A bug is planted in one thread only, so several
/// are looked for at once.
pub fn find_planted() {
    // PLANTED=1: all; PLANTED=name: that one.
    let only = std::env::var("PLANTED").unwrap_or_default();
    let bugs: Vec<Bug> = Bug::ALL.into_iter().filter(|bug| only == "1" || format!("{bug:?}") == only).collect();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (next, missed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for number in (0_u32..).take(threads) {
            let (bugs, next, missed) = (&bugs, &next, &missed);
            scope.spawn(move || {
                let (image, pair, rules) = (Image::new(Tier::One, number), Image::new(Tier::Pair, number), rules());
                while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let image = if bug.is_between_machines() { &pair } else { &image };
                    if !is_found(*bug, image, &rules) {
                        missed.lock().expect("the list").push(*bug);
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().expect("the list");
    if !missed.is_empty() {
        println!("found neither in {MUST_FIND_WITHIN} random histories nor in as many enumerated ones: {missed:?}");
        std::process::exit(1);
    }
}

/// Says where a planted bug is found, and whether soon enough. What the engine breaks without it is taken off.
fn is_found(bug: Bug, image: &Image, rules: &[Rules]) -> bool {
    if bug.is_at_orderbox() {
        let rules = orderbox::rules();
        return is_found_in("at OrderBox", bug, |seed, stats| orderbox::broken(seed, image, &rules, stats));
    }
    if bug.is_between_modules() {
        let (image, rules) = (Image::new(Tier::One, 92), orderbox::mixed::Choices::new());
        return is_found_in("at both sellers", bug, |seed, stats| orderbox::mixed::broken(seed, &image, &rules, stats));
    }
    let within = if bug.is_between_machines() { MUST_FIND_BETWEEN_MACHINES } else { MUST_FIND_WITHIN };
    let found = first_found(bug, within, |seed, stats| {
        let script = Script::draw(seed);
        play(&script, &random(&script), image, rules, stats).violations.into_iter().next()
    });
    if image.machines().is_some() {
        plant(Some(bug));
        let scene = between::first_broken(image, rules);
        plant(None);
        let by_scene = scene.map_or_else(|| "no scene".to_owned(), |scene| format!("not \"{scene}\""));
        match &found {
            Some((seed, Violation { check, rule, .. })) => {
                println!("{bug:?}: history {seed} of two machines, {check} {rule}; {by_scene}");
            }
            None => println!("{bug:?}: in no history of two machines; {by_scene}"),
        }
        return found.is_some() || scene.is_some();
    }
    plant(Some(bug));
    let (number, cell) = grid::first_broken(image, rules);
    plant(None);
    let by_cell = match &cell {
        Some((cell, Violation { check, rule, .. })) => format!("enumerated, {number}: {cell}, {check} {rule}"),
        None => "not by the enumeration".to_owned(),
    };
    match found {
        Some((seed, Violation { check, rule, .. })) => println!("{bug:?}: history {seed}, {check} {rule}; {by_cell}"),
        None => println!("{bug:?}: in no random history; {by_cell}"),
    }
    found.is_some() || (cell.is_some() && number <= MUST_FIND_WITHIN)
}

/// Says in which of these histories a planted bug is found, and whether soon enough.
fn is_found_in(place: &str, bug: Bug, broken: impl Fn(u64, &mut Stats) -> Option<Violation>) -> bool {
    let found = first_found(bug, MUST_FIND_WITHIN, broken);
    match &found {
        Some((seed, Violation { check, rule, .. })) => println!("{bug:?}: history {seed} {place}, {check} {rule}"),
        None => println!("{bug:?}: in no history {place}"),
    }
    found.is_some()
}

/// The first history that breaks a promise with a planted bug, and none without it.
fn first_found(
    bug: Bug,
    within: u64,
    broken: impl Fn(u64, &mut Stats) -> Option<Violation>,
) -> Option<(u64, Violation)> {
    let broken = |seed: u64, bug| {
        plant(bug);
        let found = broken(seed, &mut Stats::default());
        plant(None);
        found
    };
    (1..=within).find_map(|seed| {
        let violation = broken(seed, Some(bug))?;
        broken(seed, None).is_none().then_some((seed, violation))
    })
}
