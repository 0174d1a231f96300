//! The binary against the sandbox.
mod support;
