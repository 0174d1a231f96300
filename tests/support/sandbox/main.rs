//! The sandbox as an executable: mgrctl when started by that name, the guard of MariaDB, and for people `up`,
//! `demo` and `bench`.
#![allow(clippy::print_stdout, clippy::float_arithmetic, clippy::cast_precision_loss)]

#[path = "../mod.rs"]
mod support;

mod bench;
mod bench_many;
mod bench_start;
mod demo;
mod demo_more;
mod up;

use std::process::exit;

const USAGE: &str = "usage: sandbox up | demo | bench\n\
    up    starts both neighbours with a few services and says what to type; ends with Ctrl-C\n\
    demo  plays the life of some licenses and checks it\n\
    bench [SIZE…]  prints what starts, services and many licenses cost, with 1000 to 1000000 licenses or as many as given\n";

fn main() {
    let argv: Vec<String> = std::env::args().collect();
    let name = argv.first().map_or("", |a| a.rsplit('/').next().unwrap_or(""));
    if name == "mgrctl" {
        exit(support::mgrctl::main(&argv));
    }
    match argv.get(1).map(String::as_str) {
        Some("mariadb-guard") => exit(support::mariadb::guard(&argv[2..])),
        Some("up") => exit(up::up()),
        Some("demo") => exit(demo::demo()),
        Some("bench") => exit(bench::bench(&argv[2..])),
        _ => {
            print!("{USAGE}");
            exit(2);
        }
    }
}
