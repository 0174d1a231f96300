//! Checks the layout of the tree: lengths of files and lines, which module imports which (docs/architecture.md),
//! leftover markers of unfinished work, and words about how the code was made.

mod circles;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Most lines of a source file; most characters of a line, texts for people apart.
const FILE_LINES: usize = 500;
const LINE_CHARS: usize = 120;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, endings: &[&str], into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", ".git"].contains(&name.as_str()) {
                files(&path, endings, into);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            into.push(path);
        }
    }
}

/// Relative path and text of the files with these endings.
fn texts(endings: &[&str]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    files(root(), endings, &mut all);
    all.sort();
    let name = |path: &PathBuf| path.strip_prefix(root()).unwrap().display().to_string();
    all.iter().filter_map(|path| Some((name(path), std::fs::read_to_string(path).ok()?))).collect()
}

/// True if a line may be long because of a text in it: a quote of any kind, SQL, or a text that goes on.
fn holds_text(line: &str) -> bool {
    let comment = line.trim_start().starts_with("//");
    !comment
        && (line.trim_start().starts_with("--") || line.contains('"') || line.contains('\'') || line.ends_with('\\'))
}

/// A file without its module of tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

fn too_long(line: &str) -> bool {
    line.chars().count() > LINE_CHARS && !holds_text(line)
}

/// No source file is longer than five hundred lines, no line longer than the page, and each file opens with its
/// purpose.
#[test]
fn files_and_lines_are_short_and_files_open_with_their_purpose() {
    let sources = texts(&[".rs"]);
    assert!(sources.len() > 100, "the sources are found: {}", sources.len());
    let mut found = Vec::new();
    for (name, text) in &sources {
        if text.lines().count() > FILE_LINES {
            found.push(format!("{name}: {} lines", text.lines().count()));
        }
        let long = text.lines().enumerate().filter(|(_, line)| too_long(line));
        found.extend(long.map(|(at, _)| format!("{name}:{}: too long", at + 1)));
        if !text.starts_with("//! ") {
            found.push(format!("{name}: does not open with its purpose"));
        }
    }
    assert_eq!(found, Vec::<String>::new());
    let text = |line: &str| line.replace('x', &"x".repeat(121));
    assert!(too_long(&text("x")) && too_long(&text("// \"x\"")) && !too_long(&text("\"x\"")));
}

/// The module that a file belongs to, as the list below names it.
fn module(name: &str) -> Option<&str> {
    let inside = name.strip_prefix("src/")?;
    let first = inside.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first))
}

/// The modules of ours that each module may import, from the lowest module to the highest. A module that is not listed
/// imports none; the words of errors (`crate::text!`) are for all.
const ALLOWED: [(&str, &str); 26] = [
    ("error", "xml"),
    ("store", "durable error model"),
    ("ports", "error model store"),
    ("log", "error ports"),
    ("clock", "ports"),
    ("locks", "ports"),
    ("trace", "log ports xml"),
    ("plan", "error model"),
    ("settings", "clock error model ports"),
    ("context", "error log model ports settings store"),
    ("run_report", "error model"),
    ("cli", "error model"),
    ("argv", "cli error model"),
    // The shells never use each other, the plan or the engine; only `run` builds them.
    ("billdb", "error model ports store"),
    ("mgrctl", "error model ports trace xml"),
    ("upstream", "error model ports store trace xml"),
    // Shows what the shells would send and call; opens none of them.
    ("dry_run", "context error mgrctl model plan ports store upstream"),
    ("engine", "error model plan ports run_report store"),
    ("event_hook", "model settings"),
    ("failure_report", "context error model ports xml"),
    // The choice of the module that serves an item, and the opening of its engine, are the same for the panel and for
    // people.
    ("session", "context engine error locks model ports store"),
    // Reads for monitoring: from the files of this machine, for people and pages alike.
    ("watch", "durable engine error model plan settings store"),
    ("commands", "cli context engine error event_hook model plan ports run_report session store watch xml"),
    (
        "admin",
        "cli context durable engine error event_hook model plan ports run_report session settings store watch xml",
    ),
    // Above people's commands: what is submitted goes through the same code.
    ("pages", "admin context engine error model store watch xml"),
    // Builds everything.
    (
        "run",
        "admin argv billdb cli clock commands context dry_run engine error event_hook failure_report locks \
         log mgrctl model pages ports resource_use run_report secret session settings store trace upstream",
    ),
];

/// The places that may ask for the time, for random bytes or for a variable. `run` builds the adapters. The cluster's
/// log has clocks of its own, which `run` passes in. `Instant` only measures how long a call takes.
const OUTSIDE: [(&str, &str); 6] = [
    ("Utc::now", "src/run.rs src/run/ src/clock.rs src/store/cluster/"),
    ("Local::now", "src/run.rs src/run/"),
    ("SystemTime::now", "src/run.rs src/run/"),
    ("env::var", "src/main.rs src/run.rs src/run/"),
    ("getrandom::", "src/run.rs src/run/ src/store/cluster/"),
    ("Instant::now", "src/upstream/ src/mgrctl.rs src/mgrctl/ src/billdb/ src/store/file.rs"),
];

/// The simulator depends on this (CONTRIBUTING.md, the ninth habit).
#[test]
fn only_run_and_the_adapters_ask_for_the_time_for_random_bytes_or_for_a_variable() {
    let mut found = Vec::new();
    let mut used = BTreeSet::new();
    for (name, text) in texts(&[".rs"]) {
        if !name.starts_with("src/") || name.ends_with("tests.rs") {
            continue;
        }
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        let code: Vec<&str> = code(&text).lines().filter(is_code).collect();
        for (call, places) in OUTSIDE.iter().filter(|(call, _)| code.iter().any(|line| line.contains(call))) {
            if places.split(' ').any(|place| name.starts_with(place)) {
                used.insert(call);
            } else {
                found.push(format!("{name}: {call}"));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(used.len(), 5, "the calls are found; nobody asks for SystemTime: {used:?}");
}

/// The type of an error is for people and scripts. What happens next depends on its `Halt`, or on the type of a result.
#[test]
fn no_decision_of_engine_or_plan_reads_the_type_of_an_error() {
    let is_read =
        |line: &&str| ["error.kind", "== ErrorKind::", "!= ErrorKind::"].iter().any(|read| line.contains(read));
    let mut found = Vec::new();
    for (name, text) in texts(&[".rs"]) {
        if name.ends_with("tests.rs") || !["engine", "plan"].map(Some).contains(&module(&name)) {
            continue;
        }
        found.extend(code(&text).lines().filter(is_read).map(|line| format!("{name}: {}", line.trim())));
    }
    assert_eq!(found, Vec::<String>::new());
}

/// Names of our modules that a text imports by `crate::`, tests apart.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in code(text).lines().filter(|line| !line.trim_start().starts_with("//")) {
        for part in line.split("crate::").skip(1) {
            let name: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            // `crate::text!` is a macro of `error`; `crate::{a, b}` is not our way.
            assert!(!name.is_empty(), "one import a module: {line}");
            if name != "text" {
                found.push(name);
            }
        }
    }
    found
}

/// The list of allowed imports holds, and it leads downwards only.
#[test]
fn no_module_imports_a_module_that_it_may_not() {
    let place = |module: &str| ALLOWED.iter().position(|(own, _)| *own == module);
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, text) in texts(&[".rs"]) {
        let Some(own) = module(&name).filter(|own| !["main", "lib"].contains(own)) else { continue };
        seen.insert(own.to_owned());
        if name.ends_with("tests.rs") {
            continue;
        }
        let list = place(own).map_or("", |at| ALLOWED[at].1);
        let is_wrong = |other: &String| other != own && !list.split_whitespace().any(|allowed| allowed == other);
        found.extend(imports(&text).into_iter().filter(is_wrong).map(|other| format!("{name} imports {other}")));
    }
    for (own, list) in ALLOWED {
        let wrong = list.split_whitespace().chain([own]).filter(|other| !seen.contains(*other));
        found.extend(wrong.map(|other| format!("{own}: there is no module {other}")));
        let wrong = list.split_whitespace().filter(|other| place(other) >= place(own));
        found.extend(wrong.map(|other| format!("{other} is not below {own}")));
    }
    assert!(seen.len() > 25, "{}", seen.len());
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(imports("use crate::plan::x;\nlet a = crate::text!(1);\n// crate::no\n"), ["plan"]);
    // One function for tests does not end what is looked at.
    assert_eq!(imports("#[cfg(test)]\nfn f() {}\nuse crate::run;\n#[cfg(test)]\nmod tests {\ncrate::no"), ["run"]);
}

/// Nothing was left behind: markers of work, of a merge, of a debugging hour, machine paths, words about how it was
/// made.
#[test]
fn no_mark_of_unfinished_work_is_left_behind() {
    // Written in halves, or this file would find itself.
    let marks = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X:"],
        ["HA", "CK:"],
        ["db", "g!("],
        ["to", "do!("],
        ["eprint", "ln!(\"here"],
        ["<<<<", "<<< "],
        [">>>>", ">>> "],
        ["/ho", "me/"],
        ["/tmp/", "wt"],
        ["/wo", "rk/shared"],
        ["Chat", "GPT"],
        ["Clau", "de"],
        ["Anthro", "pic"],
        ["Copi", "lot"],
        ["AI-gen", "erated"],
        ["language ", "model"],
        ["as an ", "AI"],
    ]
    .map(|[a, b]| format!("{a}{b}"));
    let mut found = Vec::new();
    let mut seen = 0;
    for (name, text) in
        texts(&[".rs", ".toml", ".md", ".xml", ".sql", "Makefile", ".cron", ".logrotate", ".sh", ".py", ".spec"])
    {
        seen += 1;
        for mark in &marks {
            let hits = text.lines().enumerate().filter(|(_, line)| line.contains(mark.as_str()));
            found.extend(hits.map(|(at, _)| format!("{name}:{}: {mark}", at + 1)));
        }
        if text.lines().any(|line| line.ends_with(' ')) && !name.ends_with(".md") {
            found.push(format!("{name}: white space at the end of a line"));
        }
    }
    assert!(seen > 110, "{seen}");
    assert_eq!(found, Vec::<String>::new());
}

/// Every feature test is named by the one integration binary: a file that nobody runs proves nothing.
#[test]
fn every_test_file_is_part_of_the_test_binary() {
    let lib = std::fs::read_to_string(root().join("tests/lib.rs")).unwrap();
    for entry in std::fs::read_dir(root().join("tests")).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let own = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().contains(&format!("\"tests/{name}\""));
        if let Some(module) = name.strip_suffix(".rs").filter(|name| *name != "lib" && !own) {
            assert!(lib.contains(&format!("mod {module};")), "tests/{name} is not in tests/lib.rs");
        }
    }
}

/// A debug form is for developers, and an error of ours has a text in each language: neither a debug form nor an
/// English error is in a message.
#[test]
fn no_message_shows_a_debug_form_or_an_english_error_in_a_russian_sentence() {
    let names = ["error", "answer", "failure", "refusal", "result", "silence", "event", "cause"];
    let is_debug = |line: &str| names.iter().any(|name| line.contains(&format!("{{{name}:?}}")));
    let is_mixed = |line: &str| line.contains("{error}") && line.contains(|c: char| ('а'..='я').contains(&c));
    let mut found = Vec::new();
    for (name, text) in texts(&[".rs"]) {
        if !name.starts_with("src/") || name.ends_with("tests.rs") {
            continue;
        }
        // The state's own errors may show a value that only a developer can mean.
        let is_other = |line: &&str| line.contains("{other:?}") && !name.starts_with("src/store/");
        let wrong = code(&text).lines().filter(|line| is_debug(line) || is_mixed(line) || is_other(line));
        found.extend(wrong.map(|line| format!("{name}: {}", line.trim())));
    }
    assert_eq!(found, Vec::<String>::new());
}

/// The recipe of a target of the Makefile, its line with what it needs included.
fn recipe<'a>(makefile: &'a str, target: &str) -> &'a str {
    let at = makefile.find(&format!("\n{target}:")).unwrap_or_else(|| panic!("no target {target}"));
    makefile[at + 1..].split("\n\n").next().unwrap_or_default()
}

/// `cargo test` leaves a test out only if a target of make plays it. What needs no Galera is played by `make check`.
#[test]
fn every_test_that_is_left_out_is_played_by_a_target_of_make() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    assert!(recipe(&makefile, "check").contains("$(MAKE) thorough"), "CI plays the long lists");
    let thorough = recipe(&makefile, "thorough");
    let (mut played, mut wrong) = (0, Vec::new());
    for (name, text) in texts(&[".rs"]).iter().filter(|(name, _)| !name.starts_with("vendor/")) {
        let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
        let needs_galera = thorough.contains(&format!("--skip {stem}::"));
        for mark in text.lines().map(str::trim).filter(|line| line.starts_with("#[ignore")) {
            let is_right = match mark {
                "#[ignore = \"make thorough\"]" => !needs_galera && name.starts_with("tests/"),
                "#[ignore = \"make galera\"]" | "#[ignore = \"make galera-brief\"]" => needs_galera,
                _ => false,
            };
            played += usize::from(is_right && !needs_galera);
            if !is_right {
                wrong.push(format!("{name}: {mark}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(played > 0, "the marks are found");
}
