//! The sandbox as an executable: mgrctl when started by that name, the guard of MariaDB, and for people `up`,
//! `demo` and `bench`.
#![allow(clippy::print_stdout, clippy::float_arithmetic, clippy::cast_precision_loss)]

#[path = "../mod.rs"]
mod support;

mod bench;
mod bench_cluster;
mod bench_many;
mod bench_start;
mod demo;
mod demo_more;
mod demo_whmcs;
mod screenshots;
mod up;

use std::process::exit;

const USAGE: &str = "usage: sandbox up [MODES] | demo [MODES] | replay FILE | screenshots DIR | bench [SIZE…]\n\
    up [MODES]    starts both neighbours with a few services and says what to type; ends with Ctrl-C\n\
    demo [MODES]  plays the life of some licenses and checks it\n\
    replay FILE   starts both neighbours so that they answer from what doctor --record wrote; ends with Ctrl-C\n\
    screenshots DIR takes pictures of the pages in the panel, with a headless browser, in a stand-in for the panel\n\
    bench [SIZE…] prints what starts, services and many licenses cost, with 1000 to 1000000 licenses or as many as given\n\
    \n\
    MODES, as in order-item-id,names-cut, let the neighbours answer and ask as other sellers and panels do. make sandbox\n\
    and make demo take them as MODE=…\n";

fn main() {
    let argv: Vec<String> = std::env::args().collect();
    let name = argv.first().map_or("", |a| a.rsplit('/').next().unwrap_or(""));
    if name == "mgrctl" {
        exit(support::mgrctl::main(&argv));
    }
    match argv.get(1).map(String::as_str) {
        Some("mariadb-guard") => exit(support::mariadb::guard(&argv[2..])),
        Some("up") => exit(up::up(&modes(&argv[2..]))),
        Some("replay") => exit(up::replay(argv.get(2).map(std::path::Path::new))),
        Some("demo") => exit(demo::demo(&modes(&argv[2..]))),
        Some("screenshots") => exit(screenshots::screenshots(argv.get(2).map(std::path::Path::new))),
        Some("bench") => exit(bench::bench(&argv[2..])),
        Some("help" | "--help" | "-h") => print!("{USAGE}\n{}", support::modes::listed()),
        _ => {
            print!("{USAGE}\nsandbox --help lists the modes.\n");
            exit(2);
        }
    }
}

/// The modes that the command line names.
fn modes(args: &[String]) -> Vec<&'static support::modes::Mode> {
    match support::modes::chosen(&args.join(",")) {
        Ok(modes) => modes,
        Err(why) => {
            println!("{why}");
            exit(2);
        }
    }
}
