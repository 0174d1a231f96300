//! The tour (docs/tour.md, docs/tour.ru.md) shows what the program really prints. Both documents are played. Each
//! situation has a sandbox of its own. Events outside the program are written in comments (`<!-- outside: … -->`, see
//! `outside`). Each block is carried out, and its output is compared.
//!
//! - `console`: lines that begin with `$` are typed into a shell. Questions are asked on a terminal and answered with
//!   y.
//! - `text open 45`: what the panel gets from that command, as its task shows it.
//! - `text pmisplicense.indoubt`: what that page shows.
//!
//! `TOUR_WRITE=1` writes the outputs into the documents; read what has changed before you commit it.
mod calendar;
mod outside;

use crate::support::{Test, plain, program_exe};
use calendar::Calendar;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// As many columns as the outputs in the documents have.
const COLUMNS: &str = "100";

/// One situation while it is played.
struct Tour {
    t: Test,
    lang: &'static str,
    calendar: Calendar,
    /// Holds the program, and two folders whose paths are as long as those that the documents name instead, so that
    /// lines break at the same places: `pml` for `/usr/local/mgr5`, `li` for `/root/licenses`.
    folder: tempfile::TempDir,
}

impl Tour {
    fn new(lang: &'static str) -> Self {
        let t = Test::new();
        installed(&t);
        t.settings("panel_id = \"k3v9q2ab\"\n");
        let folder = tempfile::Builder::new().prefix("").rand_bytes(6).tempdir_in("/tmp").unwrap();
        symlink(t.root(), folder.path().join("pml")).unwrap();
        symlink(program_exe(), folder.path().join("pmisplicense")).unwrap();
        std::fs::create_dir(folder.path().join("li")).unwrap();
        Self { t, lang, calendar: Calendar::today(), folder }
    }

    /// The folder that the documents call `/root/licenses`.
    fn licenses(&self) -> std::path::PathBuf {
        self.folder.path().join("li")
    }

    fn paths(&self) -> [(String, &'static str); 2] {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        [(at("pml"), "/usr/local/mgr5"), (at("li"), "/root/licenses")]
    }

    /// The seller's address before and after it was renamed.
    fn addresses(&self) -> [(String, &'static str); 2] {
        let base = self.t.upstream.base();
        [(base.clone(), "https://my.example.com"), (base.replace("127.0.0.1", "localhost"), "https://my.example.net")]
    }

    /// As the document has it: its paths, its addresses, its day.
    fn in_document(&self, text: &str) -> String {
        let text = text.replace(&self.t.root().display().to_string(), "/usr/local/mgr5");
        let known = self.paths().into_iter().chain(self.addresses());
        let text = known.fold(text, |text, (ours, shown)| text.replace(&ours, shown));
        self.calendar.in_document(&text.replace("127.0.0.1", "my.example.com"))
    }

    /// Types a line into a shell, and `y` wherever the program asks.
    fn typed(&self, line: &str) -> String {
        let line = self.paths().into_iter().fold(line.to_owned(), |line, (ours, shown)| line.replace(shown, &ours));
        let line = self.calendar.months_of_today(&line);
        let path = std::env::var("PATH").unwrap_or_default();
        // `env` sets PATH: for a child with another PATH the standard library copies this whole process first.
        let mut shell = Command::new("env");
        shell.arg(format!("PATH={}:{path}", self.folder.path().display()));
        if is_asked(&line) {
            let command = format!("stty cols {COLUMNS}; {line}");
            shell.args(["script", "--quiet", "--return", "--echo", "never", "--command", &command, "/dev/null"]);
        } else {
            shell.args(["sh", "-c", &format!("exec 2>&1; {line}")]);
        }
        shell.env("COLUMNS", COLUMNS);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PMISPLICENSE_")) {
            shell.env_remove(name);
        }
        // script starts the shell that SHELL names; another one may complain about a locale that is not installed.
        shell.env("SHELL", "/bin/sh").env("PMISPLICENSE_MGR_ROOT", self.folder.path().join("pml"));
        shell.env("PMISPLICENSE_MACHINE_ID", self.t.machine_id());
        shell.env("LC_ALL", if self.lang == "ru" { "ru_RU.UTF-8" } else { "C" });
        shell.current_dir(self.t.root()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = shell.spawn().expect("a shell; `script` is of the Debian package bsdutils");
        // A line that asks nothing may have ended before it reads this. The pipe is closed after the end: at the end of
        // its input `script` waits two seconds for what the terminal may still say.
        let mut answers = child.stdin.take().unwrap();
        let _ = std::io::Write::write_all(&mut answers, "y\n".repeat(8).as_bytes());
        let output = child.wait_with_output().unwrap();
        drop(answers);
        if replaces_state(&line) {
            thread::sleep(Duration::from_secs(1));
        }
        let text = String::from_utf8_lossy(&output.stdout).replace("[y/N] ", "[y/N] y\n");
        let lines = text.lines().map(|line| format!("{}\n", on_screen(line)));
        self.in_document(&lines.collect::<String>())
    }

    /// The text that the panel's task shows after a command.
    fn panel_shows(&self, command: &str, item: u32) -> String {
        let operation = self.t.operation(item, command);
        let args = self.t.calls.args(command, Some(item), Some(operation));
        let output = self.t.program(args.into_iter().chain(["--lang".to_owned(), self.lang.to_owned()])).run();
        let named = [("&quot;", "\""), ("&apos;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
        let message = named.iter().fold(output.message().to_owned(), |text, (name, c)| text.replace(name, c));
        assert!(!message.is_empty(), "{command} {item}: {}", output.stdout);
        wrapped(&self.in_document(&message))
    }

    /// A block of the document with what is really printed.
    fn block(&self, info: &str, lines: &[&str]) -> String {
        let Some(what) = info.strip_prefix("text ") else {
            let commands = lines.iter().filter_map(|line| line.strip_prefix("$ "));
            return commands.map(|line| format!("$ {line}\n{}", self.typed(line))).collect();
        };
        match what.split_once(' ').and_then(|(command, item)| Some((command, item.parse().ok()?))) {
            Some((command, item)) => self.panel_shows(command, item),
            None => self.in_document(&plain::page(&self.t, self.lang, &self.calendar.months_of_today(what))),
        }
    }
}

/// The files that `make install` would bring, as far as `doctor` looks for them beneath the panel's folder; products
/// that are not sold any more are not offered.
fn installed(t: &Test) {
    let xml = Path::new(env!("CARGO_MANIFEST_DIR")).join("xml");
    for entry in std::fs::read_dir(xml).unwrap().flatten() {
        std::fs::copy(entry.path(), t.root().join("etc/xml").join(entry.file_name())).unwrap();
    }
    for name in ["addon/pmisplicense-event", "addon/pmisplicense-pages"] {
        symlink(program_exe(), t.root().join(name)).unwrap();
    }
    t.db.exec("DELETE FROM enumerationitem WHERE id IN (7, 8)", ());
}

/// A line as a terminal shows it in the end: what follows a carriage return replaces what was there, and progress
/// leaves blanks behind.
fn on_screen(line: &str) -> String {
    let mut shown: Vec<char> = Vec::new();
    for part in line.split('\r') {
        let part: Vec<char> = part.chars().collect();
        let rest = shown.split_off(part.len().min(shown.len()));
        shown = part;
        shown.extend(rest);
    }
    shown.into_iter().collect::<String>().trim_end().to_owned()
}

/// True if a command asks before it does something.
fn is_asked(line: &str) -> bool {
    let asking = ["resolve ", "bind ", "unbind ", "move ", "retry ", "restore ", "state ", "import "];
    let asks = asking.iter().any(|word| line.starts_with(&format!("pmisplicense {word}")))
        || line.contains(" --apply")
        || line.contains("--accept-account");
    asks && !line.contains("--yes") && !line.contains("--dry-run")
}

/// True if a command sets the present state aside, under a name with the second. Nobody types two such commands within
/// one second.
fn replaces_state(line: &str) -> bool {
    ["pmisplicense restore ", "pmisplicense state begin-anew"].iter().any(|start| line.starts_with(start))
}

fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        let chars = word.chars().count();
        let gap = if width == 0 {
            ""
        } else if width + 1 + chars > 100 {
            "\n"
        } else {
            " "
        };
        width = if gap == " " { width + 1 + chars } else { chars };
        out += gap;
        out += word;
    }
    out + "\n"
}

/// The document as it is when each situation is played.
fn played(document: &str, lang: &'static str) -> String {
    let mut out = String::new();
    let mut tour = None;
    let mut situations = 0;
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        out += &format!("{line}\n");
        if let Some(heading) = line.strip_prefix("## ") {
            let is_situation = heading.starts_with(|c: char| c.is_ascii_digit());
            situations += usize::from(is_situation);
            tour = is_situation.then(|| Tour::new(lang));
        }
        let Some(tour) = &tour else { continue };
        if let Some(event) = line.strip_prefix("<!-- outside: ") {
            outside::happens(tour, event.trim_end_matches(" -->"));
        }
        let Some(info) = line.strip_prefix("```").filter(|info| *info == "console" || info.starts_with("text ")) else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        out += &format!("{}```\n", tour.block(info, &block));
    }
    assert_eq!(situations, 10);
    out
}

fn compare(name: &str, lang: &'static str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let document = std::fs::read_to_string(&path).unwrap();
    let played = played(&document, lang);
    if std::env::var_os("TOUR_WRITE").is_some() {
        std::fs::write(&path, &played).unwrap();
        return;
    }
    let differs = document.lines().zip(played.lines()).enumerate().find(|(_, (shown, real))| shown != real);
    let (at, shown, real) = differs.map_or((0, "", ""), |(at, (shown, real))| (at + 1, shown, real));
    assert!(document == played, "{name}:{at}: shown and real\n{shown}\n{real}\n(TOUR_WRITE=1 writes it)");
}

#[test]
fn the_tour_shows_what_the_program_prints() {
    compare("docs/tour.md", "en");
}

#[test]
fn the_russian_tour_shows_what_the_program_prints() {
    compare("docs/tour.ru.md", "ru");
}

/// Both languages play the same situations, commands and pages, and the same happens outside.
#[test]
fn the_tours_of_both_languages_play_the_same() {
    let script = |name: &str| {
        let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
        let is_part = |line: &&str| ["## ", "<!-- outside", "```", "$ "].iter().any(|start| line.starts_with(start));
        let part = |line: &str| if line.starts_with("## ") { "##".to_owned() } else { line.to_owned() };
        document.lines().filter(is_part).map(part).collect::<Vec<_>>()
    };
    let (en, ru) = (script("docs/tour.md"), script("docs/tour.ru.md"));
    assert_eq!(en, ru);
    assert!(en.iter().filter(|line| line.starts_with("$ pmisplicense ")).count() > 40, "{en:#?}");
}
