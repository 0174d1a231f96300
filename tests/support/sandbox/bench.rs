//! `sandbox bench PROGRAM`: PROVING.md 5, printed: what a start costs against the smallest program there is, what an
//! open and a look cost, sizes. What many licenses cost stands in `bench_many`. Budgets are named beside the figures;
//! nothing here judges a time, because times are a machine's.
use super::bench_many;
use crate::support::{Test, program_exe};
use std::process::Command;

/// Starts that are timed; slower programs are started a tenth as often.
const RUNS: u32 = 300;

/// Own CPU of open is the middle one of this many.
const OPENS: u32 = 21;

pub fn bench(sizes: &[String]) -> i32 {
    println!("program: {}", program_exe().display());
    let result = start().and_then(|()| one_service()).and_then(|()| {
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

/// Minimum and median of a command's wall time in milliseconds.
struct Times {
    min: f64,
    median: f64,
}

/// All commands in one run of hyperfine, so that the ratios are of the same minute and machine.
fn hyperfine(runs: u32, commands: &[String]) -> Result<Vec<Times>, String> {
    let out = tempfile::NamedTempFile::new().map_err(|e| e.to_string())?;
    let status = Command::new("hyperfine")
        .args(["-N", "--warmup", "10", "--runs", &runs.to_string(), "--style", "none", "--export-json"])
        .arg(out.path())
        .args(commands)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .map_err(|_| "hyperfine is missing: install the package hyperfine, then repeat".to_owned())?;
    if !status.success() {
        return Err(format!("hyperfine failed for {commands:?}"));
    }
    let text = std::fs::read_to_string(out.path()).map_err(|e| e.to_string())?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let of = |entry: &serde_json::Value, name: &str| entry[name].as_f64().map(|seconds| seconds * 1000.0);
    let results = json["results"].as_array().cloned().unwrap_or_default();
    let times = results.iter().filter_map(|r| Some(Times { min: of(r, "min")?, median: of(r, "median")? }));
    Ok(times.collect())
}

/// The least that a module in another language does before it can answer: its own libraries, one document printed.
const OTHERS: [(&str, &str, &str, f64); 2] = [
    ("php", "php -r 'echo (new SimpleXMLElement(\"<doc><features/></doc>\"))->asXML();'", "a minimal PHP start", 20.0),
    (
        "python3",
        "python3 -c 'import argparse, xml.etree.ElementTree as e, urllib.request, ssl, logging, sqlite3; print(e.tostring(e.Element(\"doc\")))'",
        "a minimal Python start",
        200.0,
    ),
];

fn start() -> Result<(), String> {
    println!("\nThe start (hyperfine -N, {RUNS} runs each, paired)");
    let own = format!("{} --command features", program_exe().display());
    let commands = vec!["/bin/true".to_owned(), own];
    let there = |tool: &str| Command::new(tool).arg("--version").output().is_ok_and(|o| o.status.success());
    let others: Vec<_> = OTHERS.iter().filter(|(tool, ..)| there(tool)).collect();
    let times = hyperfine(RUNS, &commands)?;
    let [nothing, features] = &times[..] else { return Err("hyperfine told too little".to_owned()) };
    line("features: minimum, median in ms", &format!("{:.2}, {:.2}", features.min, features.median), "");
    let (min, median) = (features.min / nothing.min, features.median / nothing.median);
    line("features / true: of the minima, of the medians", &format!("{min:.2}, {median:.2}"), "at most 1.6");
    let rest: Vec<String> = others.iter().map(|(_, command, ..)| (*command).to_owned()).collect();
    let rest = if rest.is_empty() { Vec::new() } else { hyperfine(RUNS / 10, &rest)? };
    for ((_, _, name, budget), times) in others.iter().zip(&rest) {
        let (min, median) = (times.min / features.min, times.median / features.median);
        line(&format!("{name} / features"), &format!("{min:.0}, {median:.0}"), &format!("at least {budget:.0}"));
    }
    for (tool, _, name, _) in OTHERS.iter().filter(|(tool, ..)| !there(tool)) {
        line(name, "not measured", &format!("{tool} is not installed"));
    }
    let size = std::fs::metadata(program_exe()).map_err(|e| e.to_string())?.len();
    line("size of the program, MiB", &format!("{:.2}", size as f64 / 1048576.0), "under 10");
    Ok(())
}

/// What the program said of itself at the end of its last run, by the word before or after it.
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
    let middle = micros[micros.len() / 2] as f64 / 1000.0;
    line("open: own CPU, middle of 21, ms", &format!("{middle:.2}"), "at most 10");
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
