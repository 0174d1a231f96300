//! The survivors against the table of those that are known, with reasons: tests/mutants.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::Failure;
use crate::list::Mutant;
use crate::run::Outcomes;

const TABLE: &str = "tests/mutants.md";

/// The rows: the mutant in the first cell, in backquotes.
fn rows(text: &str) -> BTreeSet<String> {
    let cell = |line: &str| line.strip_prefix("| `")?.split_once("` |").map(|(name, _)| name.replace("\\|", "|"));
    text.lines().filter_map(cell).collect()
}

/// Prints numbers by file, survivors that the table does not have, and rows that nothing stands behind any more.
pub fn compare(root: &Path, mutants: &[Mutant], outcomes: &Outcomes) -> Result<bool, Failure> {
    let known = rows(&fs::read_to_string(root.join(TABLE))?);
    let mut counts: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    let (mut unknown, mut gone) = (Vec::new(), Vec::new());
    for mutant in mutants {
        let Some(outcome) = outcomes.get(&mutant.name) else { continue };
        *counts.entry(&mutant.file).or_default().entry(&outcome.what).or_default() += 1;
        match (outcome.lives(), known.contains(&mutant.name)) {
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
    for (what, list) in [("survives and is not in the table", &unknown), ("is in the table and was killed", &gone)] {
        println!("\n{what}: {}", list.len());
        for line in list {
            println!("  {line}");
        }
    }
    Ok(unknown.is_empty())
}
