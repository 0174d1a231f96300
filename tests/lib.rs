//! The binary against the sandbox, one module a feature.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

mod doubt;
mod hurt;
mod open;
mod protocol;
mod service;
mod support;
