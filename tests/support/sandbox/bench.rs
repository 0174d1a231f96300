//! `sandbox bench PROGRAM` prints the figures of docs/testing.md 5: the costs of an open and of a look, and sizes. The
//! costs of a start are in `bench_start`, those of many licenses in `bench_many`, those of a cluster in
//! `bench_cluster`. Budgets are named beside the figures. Nothing here judges a time, because times depend on the
//! machine.
use super::{bench_cluster, bench_many, bench_start};
use crate::support::{Test, program_exe};

/// Own CPU of open is the middle one and the least of this many.
const OPENS: u32 = 21;

pub fn bench(sizes: &[String]) -> i32 {
    println!("program: {}", program_exe().display());
    let result =
        bench_start::start().and_then(|()| one_service()).and_then(|()| bench_cluster::cluster()).and_then(|()| {
            let sizes = sizes.iter().map(|size| size.parse::<u32>().map_err(|_| format!("not a number: {size}")));
            bench_many::many(&sizes.collect::<Result<Vec<_>, _>>()?)
        });
    match result {
        Ok(()) => 0,
        Err(why) => {
            println!("{why}");
            1
        }
    }
}

/// One figure with its budget; an empty budget is for orientation.
pub fn line(what: &str, figure: &str, budget: &str) {
    let budget = if budget.is_empty() { String::new() } else { format!("  (budget: {budget})") };
    println!("{what:<58} {figure:>16}{budget}");
}

/// A figure that the program printed about itself at the end of its last run, by the word before or after it.
pub fn took(test: &Test) -> Result<Took, String> {
    let log = test.log();
    let last = log.lines().rev().find(|line| line.contains(" took ")).ok_or("the log tells no usage")?;
    let after = |word: &str| {
        let text = last.split(word).nth(1).unwrap_or_default();
        text.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0)
    };
    Ok(Took { micros: after(" took "), kib: after("at most "), written: after("wrote ") })
}

pub struct Took {
    pub micros: u64,
    pub kib: u64,
    pub written: u64,
}

fn one_service() -> Result<(), String> {
    println!("\nOne service (sandbox on loopback, real MariaDB)");
    let test = Test::new();
    let mut micros = Vec::new();
    for id in 42..42 + OPENS {
        test.soft_item(id, "55227", 1).ip(&format!("192.0.2.{id}")).add();
        test.upstream.clear_requests();
        test.clear_mgrctl();
        test.cmd("open", id).ok();
        micros.push(took(&test)?.micros);
    }
    let calls = |test: &Test| (test.upstream.requests().len(), test.mgrctl_calls().len());
    let (requests, processes) = calls(&test);
    line("open, first time: requests", &requests.to_string(), "4");
    line("open, first time: processes of mgrctl", &processes.to_string(), "at most 4");
    micros.sort_unstable();
    let ms = |micros: u64| micros as f64 / 1000.0;
    let (least, middle) = (ms(micros[0]), ms(micros[micros.len() / 2]));
    line(&format!("open: own CPU, least and middle of {OPENS}, ms"), &format!("{least:.2}, {middle:.2}"), "at most 10");
    test.cmd("sync_item", 42).ok();
    test.upstream.clear_requests();
    test.clear_mgrctl();
    let before = std::fs::read(test.state_path()).map_err(|e| e.to_string())?;
    test.cmd("sync_item", 42).ok();
    let (requests, processes) = calls(&test);
    let same = std::fs::read(test.state_path()).map_err(|e| e.to_string())? == before;
    line("sync_item, nothing new: requests", &requests.to_string(), "1");
    line("sync_item, nothing new: processes of mgrctl", &processes.to_string(), "at most 2");
    line("sync_item, nothing new: the state was written to", if same { "no" } else { "yes" }, "no");
    Ok(())
}
