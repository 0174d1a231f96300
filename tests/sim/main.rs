//! The simulator (docs/testing.md 3): the real engine, plan and SQLite state under a seeded world of panel, seller,
//! clock and processes, with faults. `cargo test` plays a short form that begins at a fixed seed; `cargo test --profile
//! sim --test sim` with HISTORIES, MINUTES or SEEDS plays as many as asked for from a fresh one, SEED=n one of them
//! readably. TIER=1, 2 or 3 keeps to one kind of state, TIER=4 to OrderBox, TIER=5 to two machines, TIER=6 to both
//! kinds of seller in one panel.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    clippy::float_arithmetic
)]

mod acts;
mod beside;
mod between;
mod checks;
mod choices;
mod deeds;
mod drawn;
mod faults;
mod grid;
mod habits;
mod heard;
mod history;
mod image;
mod jobs;
mod losses;
mod machines;
#[cfg(feature = "planted-bugs")]
mod mistakes;
mod operator;
mod orderbox;
mod outside;
mod panel;
mod play;
mod quiet;
mod record;
mod report;
mod rng;
mod scenes;
mod script;
mod seller;
mod shares;
mod shrink;
mod table;
mod told;
mod trouble;
mod wire;
mod world;

fn main() {
    report::run();
}
