//! Stamps the commit into `--version`, and links the program at a fixed address: the panel starts a process for every
//! command, and relocating a large position-independent program is most of such a start (see `make bench`).

#![allow(clippy::print_stdout, reason = "this is how a build script speaks")]

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=.git/HEAD");
    println!("cargo:rerun-if-env-changed=PMISPLICENSE_COMMIT");
    let commit = std::env::var("PMISPLICENSE_COMMIT").ok().or_else(git_commit).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=PMISPLICENSE_COMMIT={commit}");
    println!("cargo:rustc-link-arg-bin=pmisplicense=-no-pie");
}

fn git_commit() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
