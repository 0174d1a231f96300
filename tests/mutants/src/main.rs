//! Runs what cargo-mutants lists, without building a program for each: a copy of the tree gets all mutants at once,
//! each behind a number, the variable MUTANT says which of them is on, and the tests of the copy are built once. What
//! hours would not do by hundreds of builds takes minutes.
//!
//! `make mutants` calls it; names of files (as `cargo mutants -f` takes them) keep it to those. Outcomes are added to
//! target/mutants/outcomes as they come, so an interrupted run goes on where it was; MUTANTS_AGAIN=survived tries
//! those once more that have no reason to live, =all begins anew. Asked are tables, simulator and scenes, and before
//! them the test from outside that tests/mutants.md names as the mutant's killer; MUTANTS_OUTSIDE=N: up to N others,
//! those first that pass the fewest places. MUTANTS_BY=outside: only those; the others are called tables, simulator
//! and scene. MUTANTS_JOBS: how many at once. A mutant that lives and has no reason in tests/mutants.md fails the
//! run.

mod build;
mod known;
mod list;
mod run;
mod switch;

use std::path::{Path, PathBuf};
use std::process::exit;

/// The files that are mutated when none is named: where money moves.
const FILES: [&str; 6] = [
    "src/plan/**",
    "src/engine/**",
    "src/store/journal.rs",
    "src/store/licenses.rs",
    "src/store/licenses/writes.rs",
    "src/model/journal.rs",
];

/// Anything that ends the run, in words.
type Failure = Box<dyn std::error::Error>;

fn main() {
    let named: Vec<String> = std::env::args().skip(1).collect();
    let files = if named.is_empty() { FILES.map(str::to_owned).to_vec() } else { named };
    match all(&files) {
        Ok(true) => {}
        Ok(false) => exit(1),
        Err(why) => {
            eprintln!("mutants: {why}");
            exit(2);
        }
    }
}

fn all(files: &[String]) -> Result<bool, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map_or_else(PathBuf::new, Path::to_path_buf);
    let mutants = list::listed(&root, files)?;
    let tree = build::Tree::copy(&root)?;
    let unviable = tree.plant(&mutants, run::unviable_before(&tree, &mutants))?;
    println!("{} mutants, {} of them do not compile", mutants.len(), unviable.len());
    let known = known::read(&root)?;
    let outcomes = run::all(&tree, &mutants, &unviable, &known)?;
    Ok(known::compare(&known, &mutants, &outcomes))
}
