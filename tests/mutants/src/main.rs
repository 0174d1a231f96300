//! Tries the mutants that cargo-mutants lists, without building a program for each. A copy of the tree gets all mutants
//! at once, each behind a number, and the variable MUTANT says which one is on. So the tests of the copy are built
//! once, and a run takes minutes, where a build for each mutant would take many hours.
//!
//! `make mutants` calls it. Names of files (as `cargo mutants -f` takes them) limit it to these files. Outcomes are
//! added to target/mutants/outcomes as they come, so an interrupted run goes on where it stopped. A mutant meets the
//! test from outside that tests/mutants.md names as its killer, then the tables, the simulator and the scenes. The run
//! fails if a mutant lives and has no reason in tests/mutants.md.
//!
//! - MUTANTS_AGAIN=survived tries the mutants again that live without a reason; MUTANTS_AGAIN=all begins anew.
//! - MUTANTS_OUTSIDE=N: a mutant also meets up to N more tests from outside, first those that pass the fewest places.
//! - MUTANTS_BY=outside uses only the tests from outside; the other words are tables, simulator and scene.
//! - MUTANTS_JOBS: how many mutants are tried at once.

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
