//! Runs every mutant against everything that may kill it, the cheapest first. A killer that does not pass the mutant's
//! place when no mutant is on is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Failure;
use crate::build::Tree;
use crate::known::Known;
use crate::list::Mutant;

/// How much more processor time a killer may take than with no mutant on: beyond that the mutant runs for ever. Time
/// of the wall says nothing on a machine that others use; its limit is for what sleeps for ever.
const TIMES_SLOWER: u32 = 5;
const SLACK: Duration = Duration::from_secs(10);
const WALL: Duration = Duration::from_secs(1800);

/// Signals of Linux that end what took too long.
const SIGXCPU: i32 = 24;
const SIGKILL: i32 = 9;

/// The order of the mutants: first files that the tables decide, which takes no time, then those nearest to the money.
const FIRST: [&str; 10] = [
    "src/store",
    "src/model",
    "src/plan",
    "src/engine/send",
    "src/engine/order",
    "src/engine/renew",
    "src/engine/hosting",
    "src/engine/pool",
    "src/engine/open",
    "src/engine/close",
];

/// How many random histories the simulator plays for a mutant before it turns to the enumeration.
const HISTORIES: &str = "1500";

/// Modules of the tests from outside that say nothing about the program's money.
const NOT_ASKED: [&str; 9] =
    ["budgets", "hurt", "messages", "packages", "readme", "release", "settings", "support", "tidy"];

/// The outcome of a mutant that the compiler refuses.
const UNVIABLE: &str = "does not compile";

/// The outcome of a mutant.
#[derive(Clone)]
pub struct Outcome {
    /// killed, endless, survived, not passed, does not compile.
    pub what: String,
    /// The killer.
    pub by: String,
}

/// A program that must fail.
struct Killer {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    variables: Vec<(&'static str, String)>,
    /// Places that it passes, and how long it takes, with no mutant on.
    passes: BTreeSet<usize>,
    took: Duration,
}

fn executables(tree: &Tree) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut found = BTreeMap::new();
    // The sandbox is built as a program: `cargo test` would make a test of it.
    let tests = ["test", "--lib", "--test", "sim", "--test", "lib", "--no-run"];
    for what in [tests.as_slice(), &["build", "--example", "sandbox"]] {
        let mut cargo = tree.cargo(what[0]);
        let output =
            cargo.args(&what[1..]).args(["--quiet", "--message-format=json"]).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err("the copy does not build".into());
        }
        for line in output.stdout.split(|byte| *byte == b'\n') {
            let Ok(value) = serde_json::from_slice::<Value>(line) else { continue };
            if let (Some(kind), Some(name), Some(path)) =
                (value["target"]["kind"][0].as_str(), value["target"]["name"].as_str(), value["executable"].as_str())
            {
                found.insert(format!("{kind} {name}"), PathBuf::from(path));
            }
        }
    }
    Ok(found)
}

/// The tests from outside.
fn tests(program: &Path, tree: &Tree) -> Result<Vec<String>, Failure> {
    let output = Command::new(program).args(["--list", "--format", "terse"]).current_dir(&tree.root).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    let asked = |name: &&str| !NOT_ASKED.iter().any(|module| name.starts_with(&format!("{module}::")));
    Ok(names.filter(asked).map(str::to_owned).collect())
}

/// The scenes of the simulator's enumeration, as it lists them when asked for one that there is not.
fn scenes(program: &Path, tree: &Tree) -> Result<Vec<String>, Failure> {
    let output = Command::new(program).env("CELL", "?").current_dir(&tree.root).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("  ")).map(str::to_owned).collect();
    if names.is_empty() { Err("the simulator names no scenes".into()) } else { Ok(names) }
}

/// How many tests from outside are asked about one mutant.
fn most_outside() -> usize {
    std::env::var("MUTANTS_OUTSIDE").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// `named`: tests from outside that are asked in any case.
fn killers(tree: &Tree, named: &BTreeMap<String, String>) -> Result<Vec<Killer>, Failure> {
    let found = executables(tree)?;
    let program = |name: &str| found.get(name).cloned().ok_or_else(|| format!("cargo built no {name}"));
    let killer = |name: &str, program: PathBuf, args: &[&str], variables: &[(&'static str, &str)]| Killer {
        name: name.to_owned(),
        program,
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        variables: variables.iter().map(|&(name, value)| (name, value.to_owned())).collect(),
        passes: BTreeSet::new(),
        took: Duration::ZERO,
    };
    let (unit, sim, outside) = (program("lib pmisplicense")?, program("test sim")?, program("test lib")?);
    let layers = ["plan::", "store::", "model::", "engine::"];
    let mut all = vec![
        killer("tables", unit, &layers, &[]),
        killer("simulator", sim.clone(), &[], &[("HISTORIES", HISTORIES), ("HASTY", "1"), ("THREADS", "1")]),
    ];
    for scene in scenes(&sim, tree)? {
        let variables = [("GRID", "1"), ("THREADS", "1"), ("SCENE", &format!("={scene}"))];
        all.push(killer(&format!("scene {scene}"), sim.clone(), &[], &variables));
    }
    let sandbox = program("example sandbox")?;
    let variables = [("SANDBOX_EXE", sandbox.to_str().unwrap_or_default())];
    let mut asked: BTreeSet<String> = named.values().cloned().collect();
    if most_outside() > 0 {
        asked.extend(tests(&outside, tree)?);
    }
    for test in asked {
        all.push(killer(&outside_name(&test), outside.clone(), &[&test, "--exact"], &variables));
    }
    Ok(all)
}

/// How a program ended: None when its time was over.
fn ended(child: &mut Child) -> Result<Option<bool>, Failure> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            // Killed for the time it took; a panic that aborts ends by another signal.
            let is_over = matches!(status.signal(), Some(SIGXCPU | SIGKILL));
            return Ok((!is_over).then_some(status.success()));
        }
        if began.elapsed() > WALL {
            // Its own children too: it leads a group.
            let group = format!("-{}", child.id());
            Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn outside_name(test: &str) -> String {
    format!("outside {test}")
}

impl Killer {
    fn is_outside(&self) -> bool {
        self.name.starts_with("outside")
    }

    fn run(
        &self,
        tree: &Tree,
        folder: &Path,
        variable: (&str, &str),
        limit: Duration,
    ) -> Result<Option<bool>, Failure> {
        fs::create_dir_all(folder)?;
        let mut command = Command::new("sh");
        let limited = r#"ulimit -t "$1" && shift && exec "$@""#;
        command.args(["-c", limited, "sh", &limit.as_secs().to_string()]).arg(&self.program);
        command.args(&self.args).current_dir(&tree.root).env("TMPDIR", folder).env("RUST_BACKTRACE", "0");
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).env(variable.0, variable.1);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let ended = ended(&mut command.spawn()?);
        fs::remove_dir_all(folder)?;
        ended
    }

    /// Whether it is well with no mutant on, and what it passes then: one that is not cannot say anything.
    fn measure(&mut self, tree: &Tree, folder: &Path) -> Result<bool, Failure> {
        let passed = folder.with_extension("passed");
        let _ = fs::remove_file(&passed);
        let began = Instant::now();
        let listening = ("MUTANTS_PASSED", passed.to_str().unwrap_or_default());
        if self.run(tree, folder, listening, Duration::from_secs(3600))? != Some(true) {
            println!("LEFT OUT, it fails with no mutant on: {}", self.name);
            return Ok(false);
        }
        self.took = began.elapsed();
        let text = fs::read_to_string(&passed).unwrap_or_default();
        self.passes = text.lines().filter_map(|line| line.parse().ok()).collect();
        println!("{}: {:.1} s, passes {} places", self.name, self.took.as_secs_f64(), self.passes.len());
        Ok(true)
    }
}

/// Outcomes by the names of the mutants.
pub type Outcomes = BTreeMap<String, Outcome>;

/// The folder of the outcomes.
fn kept(tree: &Tree) -> PathBuf {
    tree.target.join("mutants/outcomes")
}

/// The mutants that an earlier run found not to compile: trying each of them again would cost rounds of building.
pub fn unviable_before(tree: &Tree, mutants: &[Mutant]) -> BTreeSet<usize> {
    let outcomes = earlier(&kept(tree), &BTreeSet::new());
    let refused = |mutant: &&Mutant| outcomes.get(&mutant.name).is_some_and(|outcome| outcome.what == UNVIABLE);
    mutants.iter().filter(refused).map(|mutant| mutant.id).collect()
}

fn earlier(path: &Path, settled: &BTreeSet<String>) -> Outcomes {
    let again = std::env::var("MUTANTS_AGAIN").unwrap_or_default();
    let text = if again == "all" { String::new() } else { fs::read_to_string(path).unwrap_or_default() };
    let parts = text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, '\t').map(str::to_owned);
        let (what, by) = (parts.next()?, parts.next()?);
        Some((parts.next()?, Outcome { what, by }))
    });
    parts.filter(|(name, outcome)| again != "survived" || !outcome.lives() || settled.contains(name)).collect()
}

impl Outcome {
    /// True if nothing noticed it.
    pub fn lives(&self) -> bool {
        self.what == "survived" || self.what == "not passed"
    }
}

/// `named`: the test from outside that is said to kill it.
fn judge(
    mutant: &Mutant,
    killers: &[Killer],
    named: Option<&String>,
    tree: &Tree,
    folder: &Path,
) -> Result<Outcome, Failure> {
    let named = named.map(|test| outside_name(test));
    let is_named = |killer: &&Killer| Some(&killer.name) == named.as_ref();
    let passing = || killers.iter().filter(|killer| killer.passes.contains(&mutant.id));
    let inside = passing().filter(|killer| !killer.is_outside());
    let outside = passing().filter(|killer| killer.is_outside() && !is_named(killer)).take(most_outside());
    let mut asked = false;
    for killer in passing().filter(is_named).chain(inside).chain(outside) {
        asked = true;
        let limit = killer.took * TIMES_SLOWER + SLACK;
        let what = match killer.run(tree, folder, ("MUTANT", &mutant.id.to_string()), limit)? {
            Some(true) => continue,
            Some(false) => "killed",
            None => "endless",
        };
        return Ok(Outcome { what: what.to_owned(), by: killer.name.clone() });
    }
    let what = if asked { "survived" } else { "not passed" };
    Ok(Outcome { what: what.to_owned(), by: String::new() })
}

/// The killers that are well, in the order in which they are asked.
fn measured(tree: &Tree, folder: &Path, killers: Vec<Killer>, jobs: usize) -> Result<Vec<Killer>, Failure> {
    let (left, well) = (Mutex::new(killers), Mutex::new(Vec::new()));
    let work = |number: usize| -> Result<(), String> {
        let next = || Ok::<_, String>(left.lock().map_err(|e| e.to_string())?.pop());
        while let Some(mut killer) = next()? {
            if killer.measure(tree, &folder.join(format!("tmp{number}"))).map_err(|e| e.to_string())? {
                well.lock().map_err(|e| e.to_string())?.push(killer);
            }
        }
        Ok(())
    };
    by_workers(jobs, work)?;
    let mut killers = well.into_inner().map_err(|e| e.to_string())?;
    // Tests from outside are slow whatever they do: they stay last, those that are about few things first.
    let rank = |killer: &Killer| {
        let places = if killer.is_outside() { killer.passes.len() } else { 0 };
        (killer.is_outside(), places, killer.took)
    };
    killers.sort_by_key(rank);
    Ok(killers)
}

fn by_workers(jobs: usize, work: impl Fn(usize) -> Result<(), String> + Sync) -> Result<(), String> {
    let work = &work;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|number| scope.spawn(move || work(number))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| Err("a worker died".to_owned())))
    })
}

/// All of them, with what is known from an earlier run. `known`: the tests from outside that are said to kill
/// mutants, and those that live for a reason: they are not tried again unless all are.
pub fn all(tree: &Tree, mutants: &[Mutant], unviable: &BTreeSet<usize>, known: &Known) -> Result<Outcomes, Failure> {
    let folder = tree.target.join("mutants");
    let path = kept(tree);
    let mut outcomes = earlier(&path, &known.living);
    for mutant in mutants.iter().filter(|mutant| unviable.contains(&mutant.id)) {
        let outcome = Outcome { what: UNVIABLE.to_owned(), by: String::new() };
        outcomes.insert(mutant.name.clone(), outcome);
    }
    let lines = outcomes.iter().map(|(name, Outcome { what, by })| format!("{what}\t{by}\t{name}\n"));
    fs::write(&path, lines.collect::<String>())?;
    let mut left: Vec<_> = mutants.iter().filter(|mutant| !outcomes.contains_key(&mutant.name)).collect();
    let rank = |mutant: &Mutant| FIRST.iter().position(|start| mutant.file.starts_with(start)).unwrap_or(FIRST.len());
    left.sort_by_key(|mutant| rank(mutant));
    if left.is_empty() {
        return Ok(outcomes);
    }
    let jobs = std::env::var("MUTANTS_JOBS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let only = std::env::var("MUTANTS_BY").unwrap_or_default();
    let wanted = self::killers(tree, &known.killers)?.into_iter().filter(|killer| killer.name.starts_with(&only));
    let killers = measured(tree, &folder, wanted.collect(), jobs)?;
    let file = fs::OpenOptions::new().append(true).open(&path)?;
    let (next, told) = (AtomicUsize::new(0), Mutex::new((outcomes, file)));
    let work = |number: usize| -> Result<(), String> {
        let folder = folder.join(format!("tmp{number}"));
        while let Some(mutant) = left.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome =
                judge(mutant, &killers, known.killers.get(&mutant.name), tree, &folder).map_err(|e| e.to_string())?;
            let Outcome { what, by } = &outcome;
            let mut told = told.lock().map_err(|e| e.to_string())?;
            writeln!(told.1, "{what}\t{by}\t{}", mutant.name).map_err(|e| e.to_string())?;
            println!("{what} {by}: {} (line {})", mutant.name, mutant.line);
            told.0.insert(mutant.name.clone(), outcome);
        }
        Ok(())
    };
    by_workers(jobs, work)?;
    Ok(told.into_inner().map_err(|e| e.to_string())?.0)
}
