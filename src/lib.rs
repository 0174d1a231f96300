//! pmisplicense: a processing module of BILLmanager that resells licenses bought from the vendor's BILLmanager.
//!
//! # The way of an item through the code
//!
//! `--command open --item 42` enters [`run`], which reads the arguments ([`argv`] for the panel, [`cli`] for people),
//! the [`settings`] and the switch `DoNothing`, and builds a [`context`]. The context has one real implementation of
//! each trait of [`ports`]: [`billdb`] (the panel's database), [`mgrctl`] (the panel's tool), [`upstream`] (the
//! seller), [`locks`] and [`clock`]. [`commands`] checks the input. [`session`] finds the module that serves the item,
//! opens the state ([`store`], SQLite), and makes an [`engine`], of which one method is called. The engine is
//! straight-line code: lock, read, ask the plan, write the intent down, send it, look, write the outcome down, tell the
//! panel. It makes no decisions. [`plan`] decides what to order and for how long, what a lost answer means, and what
//! differs. The plan is pure (no clock, no network) and has its tables of cases beside it. [`model`] holds the types
//! that all of these share. The commands for people ([`admin`]) use the same engine.
//!
//! Three types keep money safe. A `store::RecordedIntent` exists only after its transaction was committed, and
//! sending consumes it. `ports::Outcome` is not a `Result`: a purchase is done, refused, not sent, or *unknown*, and
//! the compiler asks for a branch for each. `model::journal::IdempotencyKey` is unique among intents that have not
//! ended: one key, one purchase.
//!
//! The engine is `async` only so that the simulator (tests/sim) can stop a run between any two steps. Nothing in the
//! engine waits. `engine::stepping` explains this.
//!
//! docs/architecture.md has a drawing of the layers, the glossary, and steps for adding the most common things.
//! tests/tidy.rs lists which module may import which.

pub mod admin;
pub mod argv;
pub mod billdb;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod context;
pub mod dry_run;
pub mod durable;
pub mod engine;
pub mod error;
pub mod event_hook;
pub mod failure_report;
pub mod locks;
pub mod log;
pub mod mgrctl;
pub mod model;
pub mod pages;
pub mod plan;
pub mod ports;
pub mod resource_use;
pub mod run;
pub mod run_report;
pub mod secret;
pub mod session;
pub mod settings;
pub mod store;
pub mod trace;
pub mod upstream;
pub mod watch;
pub mod xml;
