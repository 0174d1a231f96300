//! The price of a start: `features` as a whole process, compared with the smallest program there is and with modules in
//! PHP and Python that do nothing else, all in the same minutes.
use super::bench::line;
use crate::support::program_exe;
use std::path::Path;
use std::process::{Command, Stdio};

/// All programs take turns this often, so that a busy second of the machine meets all of them.
const ROUNDS: u32 = 30;

/// Starts a round; slower programs are started a tenth as often.
const RUNS: u32 = 20;

/// The least that a module in another language does before it can answer: what every such module loads at its top
/// (options, XML, HTTP, a log; of PHP the extensions that the panel's own library uses), then a document printed.
struct Other {
    name: &'static str,
    /// The program that starts it, and the packages that have to be installed.
    tool: &'static str,
    needs: &'static str,
    /// Makes it print the interpreter itself, which may be behind a wrapper; fails when something is missing.
    itself: [&'static str; 2],
    file: &'static str,
    text: &'static str,
    budget: &'static str,
}

const OTHERS: [Other; 2] = [
    Other {
        name: "a minimal PHP module",
        tool: "php",
        needs: "php with simplexml, mysqli and curl",
        itself: [
            "-r",
            r#"array_diff(["SimpleXML", "mysqli", "curl"], get_loaded_extensions()) and exit(1); echo PHP_BINARY;"#,
        ],
        file: "module.php",
        text: r#"<?php
$options = getopt("", ["command:", "subcommand:", "item:", "module:", "lang:", "runningoperation:", "level:"]);
$log = fopen(__DIR__ . "/module.log", "a");
if ($options["command"] == "features") {
    $doc = simplexml_load_string("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<doc/>");
    $doc->addChild("itemtypes")->addChild("itemtype")->addAttribute("name", "soft");
    $features = $doc->addChild("features");
    foreach (["open", "suspend", "resume", "close", "prolong", "setparam"] as $name) {
        $features->addChild("feature")->addAttribute("name", $name);
    }
    echo $doc->asXML();
}
"#,
        budget: "at least 20",
    },
    Other {
        name: "a minimal Python module",
        tool: "python3",
        needs: "python3",
        itself: ["-c", "import sys; print(sys.executable)"],
        file: "module.py",
        text: r#"import argparse, logging, ssl, subprocess, urllib.request
import xml.etree.ElementTree as xml

parser = argparse.ArgumentParser()
for name in ["command", "subcommand", "item", "module", "lang", "runningoperation", "level"]:
    parser.add_argument("--" + name)
options = parser.parse_args()
logging.basicConfig(filename=__file__ + ".log")
if options.command == "features":
    doc = xml.Element("doc")
    xml.SubElement(xml.SubElement(doc, "itemtypes"), "itemtype", name="soft")
    features = xml.SubElement(doc, "features")
    for name in ["open", "suspend", "resume", "close", "prolong", "setparam"]:
        xml.SubElement(features, "feature", name=name)
    print(xml.tostring(doc, encoding="unicode"))
"#,
        budget: "at least 200",
    },
];

impl Other {
    /// Its command line, with the module written into that folder; `None` where the language is not installed.
    fn command(&self, folder: &Path) -> Result<Option<String>, String> {
        let asked = Command::new(self.tool).args(self.itself).output();
        let Some(answer) = asked.ok().filter(|answer| answer.status.success()) else { return Ok(None) };
        let interpreter = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        let file = folder.join(self.file);
        std::fs::write(&file, self.text).map_err(|e| e.to_string())?;
        Ok(Some(format!("'{interpreter}' '{}' --command features", file.display())))
    }
}

/// Minimum and median of a command's wall time in milliseconds.
#[derive(Clone, Copy)]
struct Times {
    min: f64,
    median: f64,
}

impl Times {
    /// The least of all rounds, and the middle of their medians.
    fn of(rounds: &[Self]) -> Self {
        let mut medians: Vec<f64> = rounds.iter().map(|round| round.median).collect();
        medians.sort_by(f64::total_cmp);
        let min = rounds.iter().map(|round| round.min).fold(f64::INFINITY, f64::min);
        Self { min, median: medians[medians.len() / 2] }
    }

    /// How often the other fits in: of the minima, of the medians.
    fn over(self, other: Self) -> (f64, f64) {
        (self.min / other.min, self.median / other.median)
    }
}

pub fn start() -> Result<(), String> {
    println!("\nThe start (hyperfine -N, {ROUNDS} rounds of {RUNS} runs in turn)");
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let quick = ["/bin/true".to_owned(), format!("'{}' --command features", program_exe().display())];
    let mut there = Vec::new();
    for other in &OTHERS {
        match other.command(folder.path())? {
            Some(command) => there.push((other, command)),
            None => println!("{}: not measured, {} is not installed", other.name, other.needs),
        }
    }
    let slow: Vec<String> = there.iter().map(|(_, command)| command.clone()).collect();
    let mut rounds = vec![Vec::new(); quick.len() + slow.len()];
    for _ in 0..ROUNDS {
        let mut times = hyperfine(RUNS, &quick)?;
        if !slow.is_empty() {
            times.extend(hyperfine(RUNS / 10, &slow)?);
        }
        rounds.iter_mut().zip(times).for_each(|(of, time)| of.push(time));
    }
    let times: Vec<Times> = rounds.iter().map(|of| Times::of(of)).collect();
    let [nothing, features, others @ ..] = &times[..] else { return Err("hyperfine told too little".to_owned()) };
    let shown = |(min, median): (f64, f64)| format!("{min:.2}, {median:.2}");
    line("features: least and median, ms", &shown((features.min, features.median)), "");
    line("features / true: of the least, of the medians", &shown(features.over(*nothing)), "at most 1.6");
    for ((other, _), times) in there.iter().zip(others) {
        let (min, median) = times.over(*features);
        line(&format!("{} / features", other.name), &format!("{min:.0}, {median:.0}"), other.budget);
        let (min, median) = times.over(*nothing);
        line(&format!("{} / true", other.name), &format!("{min:.0}, {median:.0}"), "");
    }
    let size = std::fs::metadata(program_exe()).map_err(|e| e.to_string())?.len();
    line("size of the program, MiB", &format!("{:.2}", size as f64 / 1048576.0), "under 10");
    Ok(())
}

/// All commands in one run of hyperfine, one after another.
fn hyperfine(runs: u32, commands: &[String]) -> Result<Vec<Times>, String> {
    let out = tempfile::NamedTempFile::new().map_err(|e| e.to_string())?;
    let status = Command::new("hyperfine")
        .args(["-N", "--warmup", "3", "--runs", &runs.to_string(), "--style", "none", "--export-json"])
        .arg(out.path())
        .args(commands)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|_| "hyperfine is missing: install the package hyperfine, then repeat".to_owned())?;
    if !status.success() {
        return Err(format!("hyperfine failed for {commands:?}"));
    }
    let text = std::fs::read_to_string(out.path()).map_err(|e| e.to_string())?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let of = |entry: &serde_json::Value, name: &str| entry[name].as_f64().map(|seconds| seconds * 1000.0);
    let results = json["results"].as_array().cloned().unwrap_or_default();
    let times: Vec<Times> =
        results.iter().filter_map(|r| Some(Times { min: of(r, "min")?, median: of(r, "median")? })).collect();
    if times.len() == commands.len() { Ok(times) } else { Err("hyperfine told too little".to_owned()) }
}
