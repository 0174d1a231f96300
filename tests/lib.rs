//! The binary against the sandbox.
mod protocol;
mod support;
