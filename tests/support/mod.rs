//! The sandbox: stand-ins of the neighbours (the selling BILLmanager in `upstream`, OrderBox in `orderbox`, our own
//! panel in `mgrctl` and `mariadb`) and the harness that starts the real program between them. Used by tests/lib.rs
//! and by the example executable `sandbox`; built from the documents, it shares no code with src/.
#![allow(dead_code, missing_docs, unused_imports)]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::wildcard_enum_match_arm)]

pub mod browser;
pub mod calls;
mod crypt;
pub mod galera;
pub mod harness;
mod html;
pub mod items;
pub mod mariadb;
pub mod mgrctl;
pub mod modes;
pub mod orderbox;
pub mod plain;
pub mod replay;
pub mod run;
pub mod scratch;
#[cfg(test)]
pub mod selftest;
pub mod setup;
pub mod story;
pub mod upstream;
pub mod viewer;

pub use harness::{Item, Test};
pub use mgrctl::faults::{Fault as MgrctlFault, Kind as MgrctlFaultKind};
pub use orderbox::OrderBox;
pub use run::{Output, Program, Running};
pub use setup::Setup;
pub use upstream::{Fault, License, Options, Tls, Upstream};

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The executable that plays mgrctl and guards MariaDB: the one that SANDBOX_EXE names (tests/mutants builds its
/// own), this very one, or beside a test the example, built when it is missing or older than its sources.
pub fn sandbox_exe() -> &'static Path {
    static EXE: OnceLock<PathBuf> = OnceLock::new();
    EXE.get_or_init(|| {
        if let Some(named) = std::env::var_os("SANDBOX_EXE") {
            return PathBuf::from(named);
        }
        let own = std::env::current_exe().expect("our own executable");
        if own.file_name().is_some_and(|n| n == "sandbox") {
            return own;
        }
        let profile = own.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
        let exe = profile.join("examples/sandbox");
        let sources = newest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support"));
        let built = std::fs::metadata(&exe).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        if built < sources {
            build(profile);
        }
        exe
    })
}

fn newest(dir: &Path) -> SystemTime {
    let mut latest = SystemTime::UNIX_EPOCH;
    for entry in std::fs::read_dir(dir).expect("the sources of the sandbox").flatten() {
        let path = entry.path();
        let changed =
            if path.is_dir() { newest(&path) } else { entry.metadata().and_then(|m| m.modified()).unwrap_or(latest) };
        latest = latest.max(changed);
    }
    latest
}

fn build(profile: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--example", "sandbox"]);
    // Variables that cargo set for this test would look like a changed environment to build scripts, and rebuild half
    // the tree.
    let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "OUT_DIR"];
    for (name, _) in std::env::vars_os().filter(|(n, _)| ours.iter().any(|o| n.to_string_lossy().starts_with(o))) {
        cargo.env_remove(name);
    }
    // The folder of the development profile is the only one that has another name.
    if let Some(name) = profile.file_name().filter(|name| *name != "debug") {
        cargo.arg("--profile").arg(name);
    }
    cargo.arg("--target-dir").arg(profile.parent().expect("the target folder"));
    assert!(cargo.status().expect("cargo starts").success(), "the example `sandbox` must build");
}

/// The program under test: env PMISPLICENSE_BIN, else the one that cargo built for this test, else beside the
/// example.
pub fn program_exe() -> PathBuf {
    if let Some(path) = std::env::var_os("PMISPLICENSE_BIN") {
        return std::path::absolute(path).expect("a path");
    }
    let beside = || sandbox_exe().parent().and_then(Path::parent).expect("target/PROFILE").join("pmisplicense");
    option_env!("CARGO_BIN_EXE_pmisplicense").map_or_else(beside, PathBuf::from)
}

/// Says on the terminal that the test under way is left out, and why. It is written past the capture of the tests'
/// output, which keeps the words of a test that passes to itself.
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    let _ = writeln!(std::io::stderr(), "SKIPPED {}: {why}", thread.name().unwrap_or_default());
}
