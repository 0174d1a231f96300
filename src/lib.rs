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
//! each is a branch that the compiler asks for. `model::journal::WishKey` is unique among wishes that have not ended:
//! one key, one purchase.
//!
//! Every `.await` of the engine is a step at which the simulator (tests/sim) may kill the run, fail the commit or let
//! another run go first. In the real program nothing is asynchronous: the future is polled once, to its end.
//!
//! # How to add
//!
//! - *a product*: a row in `model::catalogue`, or nothing at all: `[[product]]` in the settings.
//! - *a command of the panel*: its word in [`argv`] and [`cli`], a case in the table of [`plan`] first, a method of
//!   the engine, a branch in `commands`; then `features`, the XML description, a row in both READMEs, a line in
//!   CHANGELOG.md; a file in tests/ with the good way, a missing item, lost answers; its steps in tests/sim.
//! - *a call to the seller*: decide what it is. Costs money or cannot be repeated: a variant of
//!   `model::journal::OnceRequest`, with its `WishKey`, its visible effect in `plan::doubt`, and its body in
//!   `upstream::calls`. Safe to repeat: a variant of `ports::Repeatable`. A question: a method of the port.
//! - *a difference that reconcile names*: a kind in `plan::finding`, a case in `plan::reconcile`, and what puts it
//!   right in the engine.
//!
//! tests/tidy.rs holds the layers: who may import whom.

pub mod admin;
pub mod argv;
pub mod billdb;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod context;
pub mod durable;
pub mod engine;
pub mod error;
pub mod event;
pub mod locks;
pub mod log;
pub mod mgrctl;
pub mod model;
pub mod opening;
pub mod pass_report;
pub mod plan;
pub mod ports;
pub mod rehearsal;
pub mod report;
pub mod run;
pub mod secret;
pub mod settings;
pub mod store;
pub mod trace;
pub mod upstream;
pub mod usage;
pub mod xml;
