//! The table of the enumeration: step × fault × repetition, how often each was played. A cell that could occur is
//! never empty; one that could not says why.

use std::collections::BTreeMap;

use crate::faults::{Class, Fault, Place};
use crate::grid::Repetition;

type Row = (&'static str, &'static str);

/// Counts of cells.
#[derive(Default)]
pub struct Table {
    /// (class and step) -> whether some run that passes it is an attempt of an operation.
    rows: BTreeMap<Row, (Class, bool)>,
    counts: BTreeMap<(Row, &'static str, Repetition), u64>,
}

/// Why nothing of the other classes can happen at a place of a class.
const CANNOT: [(&str, &str); 9] = [
    ("step", "between two calls only the process can end; what its clock does is drawn, not enumerated"),
    ("sent once", "it goes to the seller, not to the disk, the panel's tool or database"),
    ("sent once, no order", "only an order can be left unpaid, name another's license, or name none"),
    ("change", "repeatable: sent twice it is as once, and it costs nothing; lost before its effect is not sent"),
    ("read", "nothing takes effect, so nothing is lost, late, doubled or refused though done"),
    ("list", "as a read; what a page can do beside it is its own kinds"),
    ("probe", "as a read, of a number or a word that has no past and names no license"),
    ("panel", "the panel's tool has no late effect: it is a process of this machine, and is waited for"),
    ("database, commit", "answers or fails; a commit that fails was written, or was not"),
];

/// Commits that no run of the simulator makes, and where they are tried.
const ELSEWHERE: [(&str, &str); 6] = [
    ("bind by hand", "an operator's bind: in random histories, and tests/admin"),
    ("kept name", "a seller that keeps a name in its own way: tests/modes and tests/dialects.rs"),
    ("moved", "an operator's move: tests/admin"),
    ("problem told", "a hosting order at OrderBox: the enumeration of tests/sim/orderbox/grid.rs"),
    ("complete state", "an operator's reconcile: in random histories with a restored state"),
    ("state is old", "a state put back from a copy: tests/guards.rs"),
];

pub fn class_word(class: Class) -> &'static str {
    match class {
        Class::Step => "step",
        Class::Once(true) => "order",
        Class::Once(false) => "sent once",
        Class::Change => "change",
        Class::Read => "read",
        Class::List => "list",
        Class::Probe => "probe",
        Class::Panel => "panel",
        Class::Db => "database",
        Class::Commit => "commit",
    }
}

impl Table {
    pub fn row(&mut self, place: &Place, has_operation: bool) {
        let row = self.rows.entry((class_word(place.class), place.step)).or_insert((place.class, false));
        row.1 |= has_operation;
    }

    pub fn count(&mut self, place: &Place, fault: Fault, repetition: Repetition) {
        *self.counts.entry(((class_word(place.class), place.step), fault.kind(), repetition)).or_default() += 1;
    }

    pub fn add(&mut self, other: Self) {
        for (row, (class, has_operation)) in other.rows {
            self.rows.entry(row).or_insert((class, false)).1 |= has_operation;
        }
        for (cell, count) in other.counts {
            *self.counts.entry(cell).or_default() += count;
        }
    }

    pub fn places(&self) -> impl Iterator<Item = Row> + '_ {
        self.rows.keys().copied()
    }

    /// Every cell: its row, its fault, its repetition, how often it was played, whether it could occur at all.
    fn cells(&self) -> impl Iterator<Item = (Row, &'static str, Repetition, u64, bool)> + '_ {
        self.rows.iter().flat_map(move |(row, (class, has_operation))| {
            class.all().into_iter().flat_map(move |fault| {
                Repetition::ALL.map(|repetition| {
                    let count = self.counts.get(&(*row, fault.kind(), repetition)).copied().unwrap_or(0);
                    let could = crate::grid::occurs(fault, repetition, *has_operation);
                    (*row, fault.kind(), repetition, count, could)
                })
            })
        })
    }

    /// Cells that could occur and were not played, and commits of the engine that no scene makes.
    pub fn holes(&self) -> Vec<String> {
        let empty = self.cells().filter(|(.., count, could)| *count == 0 && *could);
        let mut holes: Vec<String> =
            empty.map(|((class, step), fault, by, ..)| format!("{class} {step} / {fault} / {}", by.word())).collect();
        for name in commits_of_engine() {
            let explained = ELSEWHERE.iter().any(|(known, _)| *known == name);
            if !explained && !self.rows.keys().any(|(class, step)| *class == "commit" && *step == name) {
                holes.push(format!("no scene makes the commit \"{name}\""));
            }
        }
        holes
    }

    pub fn print(&self) {
        let words = Repetition::ALL.map(|repetition| repetition.word());
        println!(
            "cells: step, fault: how often, {}; - cannot: sync and sweep are no operations; a second run ends well by itself, its neighbour is repeated",
            words.join(", ")
        );
        let mut line: Option<(Row, &str)> = None;
        for (row, fault, _, count, could) in self.cells() {
            if line != Some((row, fault)) {
                print!("{}  {:10} {:24} {fault:22}", if line.is_some() { "\n" } else { "" }, row.0, row.1);
                line = Some((row, fault));
            }
            if could { print!(" {count:>6}") } else { print!("      -") }
        }
        println!("\nfaults that are no row of a step cannot occur there:");
        for (class, why) in CANNOT {
            println!("  {class}: {why}");
        }
        println!("  power loss: as a death; the state is written with synchronous=FULL, and tier 3 reopens its files");
        println!("commits that no scene makes:");
        for (name, why) in ELSEWHERE {
            println!("  {name}: {why}");
        }
    }
}

/// The names of all commits, as the engine's sources have them.
fn commits_of_engine() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the engine's sources").flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        for part in text.split("commit(\"").skip(1) {
            names.extend(part.split('"').next().map(str::to_owned));
        }
    }
    names.sort();
    names.dedup();
    names
}
