//! The binary against the sandbox, one module a feature.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

mod admin;
mod alignment;
mod budgets;
mod bundled;
mod bundled_items;
mod catalogue;
mod claims;
mod close;
mod cluster_log;
mod database;
mod dialects;
mod doubt;
mod dry_run;
mod gen_key;
mod guards;
mod hurt;
mod identity;
mod messages;
mod modes;
mod names;
mod old_state;
mod open;
mod outward;
mod packages;
mod passes;
mod pool;
mod prolong;
mod protocol;
mod readme;
mod references;
mod release;
mod replays;
mod resolve;
mod resume;
mod search;
mod seller;
mod service;
mod setparam;
mod settings;
mod support;
mod suspend;
mod sync;
mod tidy;
mod wire;
