//! The modes of the sandbox (tests/support/modes): sellers and panels that differ from the usual world in a way that
//! was seen somewhere.
pub mod walkthrough;

use crate::support::modes::{self, Mode};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// Worlds in which all modes are spread: at least as many as the longest axis has modes.
const MIXED: usize = 9;

/// Worlds at once: most of the time passes in waiting.
const WORLDS: usize = 4;

/// Plays the walkthrough in each of these worlds. Returns what went wrong.
pub fn failures(worlds: &[Vec<&'static Mode>]) -> Vec<String> {
    let (next, failed) = (Mutex::new(worlds.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORLDS.min(worlds.len()) {
            scope.spawn(|| {
                loop {
                    let Some(modes) = next.lock().unwrap().next() else { return };
                    if let Err(why) = catch_unwind(AssertUnwindSafe(|| walkthrough::play(modes))) {
                        let text = why.downcast_ref::<String>().cloned().unwrap_or_default();
                        failed.lock().unwrap().push(format!("{}: {text}", walkthrough::named(modes)));
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap()
}

/// The walkthrough ends well in each of these worlds, and exactly what was paid for is billed.
fn ends_well(worlds: &[Vec<&'static Mode>]) {
    let failed = failures(worlds);
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), worlds.len(), failed.join("\n\n"));
}

/// Few worlds that together have every mode, each mode in one of them beside modes of other axes.
fn every_mode_once() -> Vec<Vec<&'static Mode>> {
    let mut worlds = vec![Vec::new(); MIXED];
    for mode in walkthrough::all() {
        let fits = |world: &&mut Vec<&'static Mode>| {
            world.iter().all(|other| other.axis != mode.axis)
                && walkthrough::ends_by_itself(&[world.as_slice(), &[mode]].concat())
        };
        let world = worlds.iter_mut().filter(fits).min_by_key(|world| world.len());
        world.unwrap_or_else(|| panic!("no world takes {}", mode.name)).push(mode);
    }
    worlds
}

/// The usual world, and each mode beside others. MODE=a,b plays it in those modes together.
#[test]
fn a_walkthrough_ends_well_with_every_mode_among_others() {
    if let Ok(list) = std::env::var("MODE") {
        return walkthrough::play(&modes::chosen(&list).unwrap());
    }
    let mut worlds = every_mode_once();
    worlds.push(Vec::new());
    ends_well(&worlds);
}

/// Each mode alone: what one mode breaks, another one must not hide.
#[test]
#[ignore = "make thorough"]
fn a_walkthrough_ends_well_in_each_mode() {
    ends_well(&walkthrough::all().into_iter().map(|mode| vec![mode]).collect::<Vec<_>>());
}

/// The document of the protocol lists every mode, as the sandbox does.
#[test]
fn the_document_lists_the_modes() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/billmanager-protocol.md");
    let document = std::fs::read_to_string(file).unwrap();
    let (_, section) = document.split_once("\n## The sandbox's modes\n").expect("a section on the modes");
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with('|')).collect();
    let wanted = modes::table();
    let wanted: Vec<&str> = wanted.lines().collect();
    assert_eq!(rows, wanted, "the table should be:\n{}", modes::table());
}
