//! The binary against the sandbox, one module a feature.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]

mod admin;
mod protocol;
mod support;
