//! Stamps commit and target into `--version`, and links the program for a quick start: the panel starts a process for
//! every command (see `make bench`). A fixed address saves the relocation of a large position-independent program, and
//! a libgcc inside the program saves the loading of a library.

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
    // The tests start the sandbox's mgrctl thousands of times.
    println!("cargo:rustc-link-arg-examples=-no-pie");
    link_libgcc_statically();
}

/// The standard library asks for the shared libgcc by name (`-lgcc_s`). A linker script of that name, found first,
/// gives it the two static parts that every gcc brings along. The C library stays shared: name lookups need it.
fn link_libgcc_statically() {
    if !std::env::var("TARGET").is_ok_and(|target| target.ends_with("-linux-gnu")) {
        return;
    }
    let Ok(folder) = std::env::var("OUT_DIR") else { return };
    let script = std::path::Path::new(&folder).join("libgcc_s.so");
    if std::fs::write(script, "INPUT(-lgcc_eh -lgcc -lc)\n").is_ok() {
        println!("cargo:rustc-link-search=native={folder}");
    }
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
