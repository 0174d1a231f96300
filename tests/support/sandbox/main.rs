//! Entry point.
#[path = "../mod.rs"]
mod support;
fn main() {}
