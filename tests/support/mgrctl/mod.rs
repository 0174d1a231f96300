//! The fake `mgrctl`: the sandbox executable started as `<root>/sbin/mgrctl`. Reads its command line as the real one
//! does, writes each call into a journal, plays the faults asked for, and leaves the work on the panel's tables to
//! `funcs`. Everything it needs lies in `<root>/.sandbox/`.
pub mod faults;
mod funcs;

use faults::{Fault, Kind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How the panel behaves, written by the harness.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Panel {
    pub socket: PathBuf,
    pub database: String,
    /// The answers of `paramlist`, name by name.
    pub paramlist: BTreeMap<String, String>,
    /// Clear-text secrets of the modules, as `processing.edit` shows them.
    pub passwords: BTreeMap<String, String>,
    /// True if `service.postprolong` moves the end of the item. Otherwise the payment has moved it before.
    pub post_moves_end: bool,
    /// The answer of task.gettype; empty: no such task.
    pub task_type: String,
    /// Form (b) of service.saveparam is answered with an error, as by an older panel.
    pub saveparam_refuses_names: bool,
    /// service.saveparam refuses a parameter without a value, in either form.
    #[serde(default)]
    pub saveparam_refuses_empty: bool,
    /// An import must name the type of its service, and the service's status beside the status.
    #[serde(default)]
    pub typed_import: bool,
    /// ITEMTYPE.open leaves a service in processing, and service.postopen makes it active after that.
    #[serde(default)]
    pub post_open_both: bool,
    /// A record whose answers the panel gives.
    #[serde(default)]
    pub replay: Option<PathBuf>,
    /// Address, user and password of the module, for such answers.
    #[serde(default)]
    pub access: BTreeMap<String, String>,
    /// The files that the test process itself has open: its own parent may have leaked files into all of us.
    pub known_fds: Vec<String>,
}

/// One call, as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub number: u64,
    pub func: String,
    /// In their order, those handed over by the environment with their values.
    pub args: Vec<(String, String)>,
    /// Names that came by `-e`.
    pub by_env: Vec<String>,
    /// The command line as anybody sees it in the process list.
    pub argv: Vec<String>,
    pub ssh_connection: Option<String>,
    pub cwd: PathBuf,
    pub pid: u32,
    /// The inherited files besides 0, 1 and 2.
    pub open_fds: Vec<String>,
    pub fault: Option<String>,
}

impl Call {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.args.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// `func name=value …`
    pub fn line(&self) -> String {
        self.args.iter().fold(self.func.clone(), |line, (n, v)| format!("{line} {n}={v}"))
    }
}

/// The sandbox's own folder beneath a root.
pub fn folder(root: &Path) -> PathBuf {
    root.join(".sandbox")
}

pub fn journal_path(root: &Path) -> PathBuf {
    folder(root).join("mgrctl.jsonl")
}

pub fn read_journal(root: &Path) -> Vec<Call> {
    parse_journal(&std::fs::read_to_string(journal_path(root)).unwrap_or_default())
}

pub fn parse_journal<T: DeserializeOwned>(text: &str) -> Vec<T> {
    whole_lines(text).map(|line| serde_json::from_str(line).expect("a line of the journal")).collect()
}

/// A call that is killed while it writes leaves half a line: it told nobody anything.
fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| line.ends_with('}'))
}

/// Held while the journal or the faults are read and written.
pub fn lock(root: &Path) -> File {
    let file =
        OpenOptions::new().create(true).append(true).open(folder(root).join("lock")).expect("the sandbox's lock");
    file.lock().expect("the sandbox's lock");
    file
}

/// The document of an error, as the panel prints it.
pub struct Failure {
    pub kind: String,
    pub object: String,
    pub text: String,
}

impl Failure {
    pub fn new(kind: &str, object: &str, text: &str) -> Self {
        Self { kind: kind.into(), object: object.into(), text: text.into() }
    }

    fn document(&self) -> String {
        let [kind, object, text] = [&self.kind, &self.object, &self.text].map(|t| super::upstream::escape(t));
        document(&format!(
            "<error type=\"{kind}\" object=\"{object}\" lang=\"en\"><param name=\"object\">{object}</param>\
             <param name=\"value\"/><msg lang=\"en\">{text}</msg></error>"
        ))
    }
}

fn document(inner: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<doc lang=\"en\">{inner}</doc>\n")
}

/// Everything from argv to the exit code.
pub fn main(argv: &[String]) -> i32 {
    let open_fds = inherited();
    let root = root_of(&argv[0]);
    let (mut call, manager, output) = match parse(argv) {
        Ok(parsed) => parsed,
        Err(text) => return refuse(&text),
    };
    call.open_fds = open_fds;
    let Ok(panel) = std::fs::read(folder(&root).join("panel.json")) else { return refuse("no panel here") };
    let panel: Panel = serde_json::from_slice(&panel).expect("panel.json is the harness's own");
    call.open_fds.retain(|fd| !panel.known_fds.contains(fd));
    let fault = note(&root, &mut call);
    // Installations ask the panel to start anew, and look at nothing but the exit code.
    if manager != "billmgr" || (output != "xml" && call.func != "exit") {
        return refuse("this sandbox knows only -m billmgr -o xml");
    }
    play(&panel, &call, fault)
}

fn refuse(text: &str) -> i32 {
    let _ = writeln!(std::io::stderr(), "mgrctl: {text}");
    1
}

/// `<root>/sbin/mgrctl` -> `<root>`
fn root_of(argv0: &str) -> PathBuf {
    let cwd = std::env::current_dir().unwrap_or_default();
    let path = cwd.join(argv0);
    path.parent().and_then(Path::parent).map_or(cwd, Path::to_path_buf)
}

/// Open files that a careful parent does not hand on: its lock files, its state, its sockets.
pub fn inherited() -> Vec<String> {
    let Ok(dir) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
    let number = |name: &std::ffi::OsStr| name.to_string_lossy().parse::<u32>().unwrap_or(0);
    let found = dir.flatten().filter(|e| number(&e.file_name()) > 2);
    let target = |e: std::fs::DirEntry| std::fs::read_link(e.path()).ok().map(|t| t.display().to_string());
    found.filter_map(target).filter(|t| !t.starts_with("/proc/")).collect()
}

/// `-m M -o O -e 'name=$ENV' FUNC name=value …`; manager and output format beside the call.
fn parse(argv: &[String]) -> Result<(Call, String, String), String> {
    let (mut manager, mut output, mut func) = (String::new(), "text".to_owned(), String::new());
    let (mut args, mut by_env) = (Vec::new(), Vec::new());
    let mut words = argv.iter().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().ok_or(format!("{word} wants a value"));
        match word.as_str() {
            "-m" => manager = value()?,
            "-o" => output = value()?,
            "-e" => {
                let given = value()?;
                let (name, variable) = given.split_once("=$").ok_or("-e wants name=$VARIABLE")?;
                let secret = std::env::var(variable).map_err(|_| format!("no variable {variable}"))?;
                by_env.push(name.to_owned());
                args.push((name.to_owned(), secret));
            }
            other if other.starts_with('-') => return Err(format!("unknown option {other}")),
            other if func.is_empty() => func = other.to_owned(),
            other => {
                let (name, text) = other.split_once('=').ok_or(format!("{other} is not name=value"))?;
                args.push((name.to_owned(), text.to_owned()));
            }
        }
    }
    if func.is_empty() {
        return Err("no function".into());
    }
    let call = Call {
        number: 0,
        func,
        args,
        by_env,
        argv: argv.to_vec(),
        ssh_connection: std::env::var("SSH_CONNECTION").ok(),
        cwd: std::env::current_dir().unwrap_or_default(),
        pid: std::process::id(),
        open_fds: Vec::new(),
        fault: None,
    };
    Ok((call, manager, output))
}

/// Numbers the call, finds its fault, appends it to the journal: all before anything happens.
fn note(root: &Path, call: &mut Call) -> Option<Fault> {
    let _lock = lock(root);
    let journal = std::fs::read_to_string(journal_path(root)).unwrap_or_default();
    // Not parsed: each call would parse all the calls before it. The function follows the number.
    let func = format!("\"func\":{},", serde_json::to_string(&call.func).expect("a function as JSON"));
    let is_same = |line: &&str| line.split_once(',').is_some_and(|(_, rest)| rest.starts_with(&func));
    call.number = whole_lines(&journal).count() as u64 + 1;
    let nth = whole_lines(&journal).filter(is_same).count() as u64 + 1;
    let fault = faults::take(root, &call.func, nth);
    call.fault = fault.as_ref().map(|f| format!("{:?}", f.kind));
    let mut file = OpenOptions::new().create(true).append(true).open(journal_path(root)).expect("the journal");
    let line = serde_json::to_string(call).expect("a call as JSON");
    writeln!(file, "{line}").expect("the journal takes a line");
    fault
}

fn play(panel: &Panel, call: &Call, fault: Option<Fault>) -> i32 {
    if let Some(file) = &panel.replay {
        let own = panel.paramlist.iter().chain(&panel.access).map(|(name, value)| (name.clone(), value.clone()));
        if let Some((document, exit)) = super::replay::panel_answer(file, &call.func, &own.collect()) {
            print!("{document}");
            return exit;
        }
    }
    let Some(fault) = fault else { return finish(&funcs::perform(panel, call)) };
    let wait = || std::thread::sleep(Duration::from_millis(fault.ms));
    let failure = || Failure::new(&fault.word, "", "asked for by a test");
    match fault.kind {
        Kind::Exit => {
            let _ = writeln!(std::io::stderr(), "mgrctl: {}", fault.word);
            fault.code
        }
        Kind::ErrorDocument => {
            print!("{}", failure().document());
            fault.code
        }
        Kind::Hang => {
            wait();
            1
        }
        Kind::HangAfter => {
            drop(funcs::perform(panel, call));
            wait();
            1
        }
        Kind::Slow => {
            wait();
            finish(&funcs::perform(panel, call))
        }
        Kind::Rubbish => {
            print!("Segmentation fault at <0x00> & so on");
            fault.code
        }
        Kind::Document => {
            print!("{}", fault.word);
            fault.code
        }
        Kind::Lost => {
            drop(funcs::perform(panel, call));
            fault.code
        }
        Kind::Killed => {
            drop(funcs::perform(panel, call));
            let me = std::process::id().to_string();
            let _ = std::process::Command::new("sh").args(["-c", "kill -9 $0", &me]).status();
            1
        }
        Kind::NoEffect => finish(&Ok("<ok/>".into())),
    }
}

fn finish(done: &Result<String, Failure>) -> i32 {
    match done {
        Ok(inner) => {
            print!("{}", document(inner));
            0
        }
        Err(failure) => {
            print!("{}", failure.document());
            1
        }
    }
}
