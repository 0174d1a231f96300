//! Stamps commit and target into `--version`, and links the program at a fixed address: the panel starts a process for
//! every command, and relocating a large position-independent program is most of such a start (see `make bench`).

#![allow(clippy::print_stdout, reason = "this is how a build script speaks")]

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=PMISPLICENSE_COMMIT");
    // Where HEAD lies depends on how the sources were checked out; a path that is missing would run this every time.
    match git(&["rev-parse", "--git-path", "HEAD"]) {
        Some(head) => println!("cargo:rerun-if-changed={head}"),
        None => println!("cargo:rerun-if-changed=build.rs"),
    }
    let commit = std::env::var("PMISPLICENSE_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = commit.or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    println!("cargo:rustc-env=PMISPLICENSE_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    println!("cargo:rustc-env=PMISPLICENSE_TARGET={}", std::env::var("TARGET").unwrap_or_default());
    println!("cargo:rustc-link-arg-bin=pmisplicense=-no-pie");
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
