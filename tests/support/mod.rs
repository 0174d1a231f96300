#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::wildcard_enum_match_arm, unused_imports)]
pub mod upstream;
