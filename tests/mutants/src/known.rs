//! The contents of tests/mutants.md: why a mutant lives, or which test from outside kills it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::Failure;
use crate::list::Mutant;
use crate::run::Outcomes;

const TABLE: &str = "tests/mutants.md";

/// Both tables of the file.
#[derive(Default)]
pub struct Known {
    /// Mutants that live for a reason.
    pub living: BTreeSet<String>,
    /// Tests from outside, by the mutants that they kill: asked before anything else.
    pub killers: BTreeMap<String, String>,
}

/// A row has the mutant in the first cell, in backquotes; in the second a test in backquotes, or a reason in words.
pub fn read(root: &Path) -> Result<Known, Failure> {
    let mut known = Known::default();
    for line in fs::read_to_string(root.join(TABLE))?.lines() {
        let cells = line.strip_prefix("| `").and_then(|line| line.strip_suffix(" |")?.split_once("` | "));
        let Some((mutant, second)) = cells else { continue };
        let mutant = mutant.replace("\\|", "|");
        match second.strip_prefix('`').and_then(|second| second.strip_suffix('`')) {
            Some(test) => drop(known.killers.insert(mutant, test.to_owned())),
            None => drop(known.living.insert(mutant)),
        }
    }
    Ok(known)
}

/// Prints numbers by file, survivors that the table does not have, and rows that name no mutant any more.
pub fn compare(known: &Known, mutants: &[Mutant], outcomes: &Outcomes) -> bool {
    let mut counts: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    let (mut unknown, mut gone) = (Vec::new(), Vec::new());
    for mutant in mutants {
        let Some(outcome) = outcomes.get(&mutant.name) else { continue };
        *counts.entry(&mutant.file).or_default().entry(&outcome.what).or_default() += 1;
        match (outcome.lives(), known.living.contains(&mutant.name)) {
            (true, false) => unknown.push(format!("{} (line {}), {}", mutant.name, mutant.line, outcome.what)),
            (false, true) => gone.push(format!("{}: {} {}", mutant.name, outcome.what, outcome.by)),
            (true, true) | (false, false) => {}
        }
    }
    println!("\nkilled, endless, survived, not passed, does not compile:");
    let mut sums = [0; 5];
    for (file, counts) in &counts {
        let five = ["killed", "endless", "survived", "not passed", "does not compile"]
            .map(|what| counts.get(what).copied().unwrap_or(0));
        println!("  {file:32} {five:?}");
        for (sum, one) in sums.iter_mut().zip(five) {
            *sum += one;
        }
    }
    println!("  all of them {sums:?}");
    for (what, list) in [
        ("lives and has no reason in tests/mutants.md", &unknown),
        ("has a reason to live there and was killed", &gone),
    ] {
        println!("\n{what}: {}", list.len());
        for line in list {
            println!("  {line}");
        }
    }
    unknown.is_empty()
}
