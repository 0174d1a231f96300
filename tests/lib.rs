//! The binary against the sandbox, one module a feature.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

mod bundled;
mod close;
mod doubt;
mod hurt;
mod open;
mod prolong;
mod protocol;
mod resume;
mod service;
mod support;
mod suspend;
