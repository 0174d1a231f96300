//! pmisplicense: a processing module of BILLmanager that resells licenses bought from the vendor's BILLmanager.
//!
//! # The way of an item through the code
//!
//! `--command open --item 42` enters [`run`], which reads the arguments ([`argv`] for the panel, [`cli`] for people),
//! the [`settings`] and the switch `DoNothing`, and builds a [`context`]: one real thing behind each trait of
//! [`ports`] ([`billdb`] the panel's database, [`mgrctl`] its tool, [`upstream`] the seller, [`locks`], [`clock`]).
//! `commands` opens the state ([`store`], SQLite) and an [`engine`] for the module that serves the item, and calls
//! one method. The engine is straight-line code: lock, read, ask the plan, write the intent down, send it, look,
//! write the outcome down, tell the panel. It never decides by itself: what to order, for how long, what a lost
//! answer means, what differs, is said by [`plan`], which is pure (no clock, no network) and has its tables of cases
//! beside it. [`model`] holds the words that all share. People's commands ([`admin`]) go through the same engine.
//!
//! Three types keep money safe. A `store::RecordedIntent` exists only after its transaction was committed, and
//! sending consumes it. `ports::Outcome` has no "error": a purchase is done, refused, not sent, or *unknown*, and
//! each is a branch that the compiler asks for. `model::journal::IdempotencyKey` is unique among intents that have
//! not ended: one key, one purchase.
//!
//! The engine is `async` only so that the simulator (tests/sim) can stop a run between any two steps; nothing in it
//! waits. `engine::stepping` explains this.
//!
//! docs/architecture.md has the drawing of the layers, the glossary, and a table of where to add what. tests/tidy.rs
//! holds the layers: who may import whom.

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
pub mod pass_report;
pub mod plan;
pub mod ports;
pub mod resource_use;
pub mod run;
pub mod secret;
pub mod session;
pub mod settings;
pub mod store;
pub mod trace;
pub mod upstream;
pub mod watch;
pub mod xml;
