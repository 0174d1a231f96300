//! The mutants, as cargo-mutants lists them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::Failure;

/// A place in a file, as cargo-mutants counts: lines and columns from one.
pub type Place = (usize, usize);

/// One change of one place.
pub struct Mutant {
    /// The switch: its number in the list, from one.
    pub id: usize,
    /// The file, from the root of the tree.
    pub file: String,
    /// The position at which the changed text begins.
    pub start: Place,
    /// The position at which the function begins.
    pub function: Place,
    pub genre: String,
    /// The text that replaces it.
    pub replacement: String,
    /// The file, the change and the function, without line numbers, which move with every edit. If a function has the
    /// same change in several places, also which of them.
    pub name: String,
    /// The line, for people.
    pub line: usize,
}

fn place(value: &Value) -> Option<Place> {
    let number = |key: &str| usize::try_from(value[key].as_u64()?).ok();
    Some((number("line")?, number("column")?))
}

fn mutant(id: usize, value: &Value, met: &mut BTreeMap<String, usize>) -> Option<Mutant> {
    let start = place(&value["span"]["start"])?;
    let file = value["file"].as_str()?.to_owned();
    let told = value["name"].as_str()?.split_once(": ")?.1;
    let name = format!("{file}: {}", told.split_whitespace().collect::<Vec<_>>().join(" "));
    let times = met.entry(name.clone()).or_default();
    *times += 1;
    let name = if *times == 1 { name } else { format!("{name} ({times})") };
    Some(Mutant {
        id,
        start,
        function: place(&value["function"]["span"]["start"]).unwrap_or_default(),
        genre: value["genre"].as_str()?.to_owned(),
        replacement: value["replacement"].as_str()?.to_owned(),
        line: start.0,
        file,
        name,
    })
}

/// All mutants of these files, in the order of cargo-mutants.
pub fn listed(root: &Path, files: &[String]) -> Result<Vec<Mutant>, Failure> {
    let mut cargo = Command::new("cargo");
    cargo.args(["mutants", "--list", "--json", "--no-shuffle"]).current_dir(root);
    for file in files {
        cargo.args(["-f", file]);
    }
    let output = cargo.output().map_err(|e| format!("cargo: {e}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(
            format!("cargo mutants --list (install it with `cargo install --locked cargo-mutants`): {said}").into()
        );
    }
    let values: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    let mut met = BTreeMap::new();
    let made = values.iter().enumerate().map(|(at, value)| mutant(at + 1, value, &mut met));
    made.collect::<Option<Vec<_>>>().ok_or_else(|| "cargo mutants lists its mutants in another form now".into())
}
