//! The log: one line for each effect, with secrets masked, never on stdout (docs/panel-protocol.md 6). It keeps the
//! run's last lines for the error that is saved to the running operation. If the log cannot be written, the run goes
//! on.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use chrono::NaiveDateTime;

/// How many lines are kept in memory: as many as the vendor's own modules save with an error.
pub const KEPT_LINES: usize = 100;

/// The longest line in bytes, so that one seller answer cannot fill the disk.
pub const LINE_BYTES: usize = 8 * 1024;

/// The level of a line, as in the vendor's library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 2
    Critical,
    /// 3
    Error,
    /// 4
    Warning,
    /// 5
    Info,
    /// 6: the default.
    Extinfo,
    /// 9
    Debug,
}

impl Level {
    fn from_number(number: u32) -> Self {
        match number {
            0..=2 => Self::Critical,
            3 => Self::Error,
            4 => Self::Warning,
            5 => Self::Info,
            6..=8 => Self::Extinfo,
            9.. => Self::Debug,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Critical => "CRITICAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Info => "INFO",
            Self::Extinfo => "EXTINFO",
            Self::Debug => "DEBUG",
        }
    }

    fn color(self) -> &'static str {
        match self {
            Self::Critical | Self::Error => "1;31",
            Self::Warning => "1;35",
            Self::Info => "1;32",
            Self::Extinfo => "1;36",
            Self::Debug => "1;33",
        }
    }
}

/// The level that `etc/debug.conf` gives a program. A line counts if it contains the program's name and its last word
/// is a number. The last such line wins.
pub fn level_from_debug_conf(text: &str, program: &str) -> Level {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#') && line.contains(program))
        .filter_map(|line| line.split_whitespace().next_back()?.parse().ok())
        .next_back()
        .map_or(Level::Extinfo, Level::from_number)
}

enum Sink {
    Unopened,
    Open(File),
    /// It could not be opened. This was reported once on stderr, and is not tried again.
    Broken,
}

struct Inner {
    sink: Sink,
    secrets: Vec<String>,
    kept: VecDeque<String>,
    /// Set after the file was opened: whether it held something before.
    was_used: Option<bool>,
}

/// The log of one run.
pub struct Log {
    /// `--verbose`: every line is also shown on stderr, whatever its level.
    loud: AtomicBool,
    path: PathBuf,
    /// The path of `etc/debug.conf`, which is read at the first line.
    debug_conf: PathBuf,
    level: OnceLock<Level>,
    pid: u32,
    now: Box<dyn Fn() -> NaiveDateTime + Send + Sync>,
    inner: Mutex<Inner>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Log({})", self.path.display())
    }
}

impl Log {
    /// A log that is opened at its first line. `debug_conf` gives the level, `now` the local time in the lines.
    pub fn new(
        path: &Path,
        debug_conf: &Path,
        pid: u32,
        now: impl Fn() -> NaiveDateTime + Send + Sync + 'static,
    ) -> Self {
        let inner = Inner { sink: Sink::Unopened, secrets: Vec::new(), kept: VecDeque::new(), was_used: None };
        let (path, debug_conf) = (path.to_owned(), debug_conf.to_owned());
        let loud = AtomicBool::new(false);
        Self { loud, path, debug_conf, level: OnceLock::new(), pid, now: Box::new(now), inner: Mutex::new(inner) }
    }

    /// From now on every line is also shown on stderr, whatever its level.
    pub fn speak_up(&self) {
        self.loud.store(true, Ordering::Relaxed);
    }

    fn is_loud(&self) -> bool {
        self.loud.load(Ordering::Relaxed)
    }

    /// Whether requests and answers are written, so that they have to be put into words.
    pub fn is_curious(&self) -> bool {
        self.is_loud() || self.level() == Level::Debug
    }

    fn level(&self) -> Level {
        // The vendor's logger fails when the file is missing. Ours uses the default level then.
        *self.level.get_or_init(|| {
            let text = std::fs::read(&self.debug_conf).unwrap_or_default();
            level_from_debug_conf(&String::from_utf8_lossy(&text), "pmisplicense")
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the text is masked everywhere, also in the forms that it has in a request, in XML or in quotes.
    pub fn secret(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        let mut inner = self.lock();
        for form in [text.to_owned(), form_encoded(text), xml_escaped(text), text.escape_debug().to_string()] {
            if !inner.secrets.contains(&form) {
                inner.secrets.push(form);
            }
        }
        // Longer ones first, so that of a secret that contains another one nothing is left.
        inner.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// The text with all secrets masked: for error documents.
    pub fn masked(&self, text: &str) -> String {
        mask(text, &self.lock().secrets)
    }

    /// Writes one line.
    pub fn line(&self, level: Level, text: &str) {
        if level > self.level().max(Level::Extinfo) && !self.is_loud() {
            return;
        }
        let mut inner = self.lock();
        let text = clean(&mask(text, &inner.secrets));
        let now = (self.now)();
        let time = now.format("%Y-%m-%d %H:%M:%S,%3f");
        let (pid, word) = (self.pid, level.word());
        if self.is_loud() {
            // If nobody can read it, the run goes on.
            let _ = writeln!(std::io::stderr(), "{} {text}", now.format("%H:%M:%S,%3f"));
        }
        if level > self.level().max(Level::Extinfo) {
            return;
        }
        if inner.kept.len() == KEPT_LINES {
            inner.kept.pop_front();
        }
        inner.kept.push_back(format!("{time} [{pid}] {word} {text}"));
        if level > self.level() {
            return;
        }
        let color = level.color();
        let line = format!("{time} [{pid}] pmisplicense \x1b[{color}m {word} {text} \x1b[0m\n");
        self.write(&mut inner, &line);
    }

    fn write(&self, inner: &mut Inner, line: &str) {
        if matches!(inner.sink, Sink::Unopened) {
            let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path);
            inner.sink = match opened {
                Ok(file) => {
                    inner.was_used = file.metadata().ok().map(|about| about.len() > 0);
                    Sink::Open(file)
                }
                Err(error) => {
                    // stderr is not part of the protocol. Without a log it is the only place left for this message.
                    let _ = writeln!(std::io::stderr(), "pmisplicense: {}: {error}", self.path.display());
                    Sink::Broken
                }
            };
        }
        if let Sink::Open(file) = &mut inner.sink {
            // One write for each line, so that lines of several processes do not mix.
            let _ = file.write_all(line.as_bytes());
        }
    }

    /// Whether other runs have written into the file.
    pub fn was_used(&self) -> bool {
        let there = || std::fs::metadata(&self.path).is_ok_and(|about| about.len() > 0);
        self.lock().was_used.unwrap_or_else(there)
    }

    /// The run's last lines, oldest first.
    pub fn kept(&self) -> Vec<String> {
        self.lock().kept.iter().cloned().collect()
    }

    /// Whether a line of this level would be written. For texts that are expensive to make.
    pub fn wants(&self, level: Level) -> bool {
        level <= self.level()
    }

    /// For debugging: every step.
    pub fn debug(&self, text: &str) {
        self.line(Level::Debug, text);
    }

    /// Every call to the seller or the panel.
    pub fn extinfo(&self, text: &str) {
        self.line(Level::Extinfo, text);
    }

    /// Every effect.
    pub fn info(&self, text: &str) {
        self.line(Level::Info, text);
    }

    /// Something unusual that the run survives.
    pub fn warning(&self, text: &str) {
        self.line(Level::Warning, text);
    }

    /// Why a run failed.
    pub fn error(&self, text: &str) {
        self.line(Level::Error, text);
    }
}

impl crate::ports::Notes for Log {
    fn note(&self, text: &crate::error::Text) {
        self.info(&text.en);
    }

    fn warn(&self, text: &crate::error::Text) {
        self.warning(&text.en);
    }
}

fn mask(text: &str, secrets: &[String]) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| {
        if text.contains(secret.as_str()) { text.replace(secret.as_str(), "***") } else { text }
    })
}

/// The text as one line, whatever foreign text it holds: without line breaks and terminal sequences, at most
/// [`LINE_BYTES`].
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if out.len() >= LINE_BYTES {
            out.push('…');
            break;
        }
        match letter {
            '\t' => out.push(' '),
            _ if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') => {
                out.extend(letter.escape_default());
            }
            _ => out.push(letter),
        }
    }
    out
}

fn form_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"*-._".contains(&byte);
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b' ' => out.push('+'),
            _ if plain(byte) => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

fn xml_escaped(text: &str) -> String {
    let pairs = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&apos;")];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(*from, to))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn log_in(folder: &Path, level: u32) -> Log {
        let time = chrono::NaiveDate::from_ymd_opt(2026, 11, 21).and_then(|d| d.and_hms_milli_opt(8, 9, 10, 11));
        let conf = folder.join("debug.conf");
        let _ = std::fs::write(&conf, format!("pmisplicense.* {level}\n"));
        Log::new(&folder.join("pmisplicense.log"), &conf, 77, move || time.expect("a time"))
    }

    /// The line has the form of the vendor's library. Only the owner can read the file.
    #[test]
    fn a_line_has_the_form_of_the_vendors_library() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = log_in(folder.path(), 5);
        let path = folder.path().join("pmisplicense.log");
        log.debug("not shown");
        assert!(!path.exists(), "opened at the first line only");
        log.info("license 5 bound to item 42");
        log.extinfo("kept, not written");
        let text = std::fs::read_to_string(&path).expect("the log");
        let want = "2026-11-21 08:09:10,011 [77] pmisplicense \x1b[1;32m INFO license 5 bound to item 42 \x1b[0m\n";
        assert_eq!(text, want);
        assert_eq!(std::fs::metadata(&path).expect("the log").permissions().mode() & 0o777, 0o600);
        assert_eq!(log.kept().len(), 2);
    }

    /// Foreign text cannot forge a line, nor show a secret in any of its spellings.
    #[test]
    fn foreign_text_forges_no_line_and_shows_no_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = log_in(folder.path(), 9);
        log.secret("p&ss word");
        log.secret("p&ss");
        log.secret("");
        log.error("bad\n2026 [1] INFO forged\x1b[0m p&ss word, p%26ss+word, p&amp;ss word");
        let text = std::fs::read_to_string(folder.path().join("pmisplicense.log")).expect("the log");
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains("bad\\n2026 [1] INFO forged\\u{1b}[0m ***, ***, ***"), "{text}");
        assert_eq!(log.masked("a p&ss b"), "a *** b");
    }

    /// A long run keeps only its last lines, a line has a limit, and a log that cannot be written stops nothing.
    #[test]
    fn the_log_keeps_the_last_lines_and_cuts_long_ones() {
        let log = log_in(Path::new("/nonexistent"), 6);
        for number in 0..(KEPT_LINES + 5) {
            log.info(&format!("line {number}"));
        }
        assert_eq!(log.kept().len(), KEPT_LINES);
        assert!(log.kept()[0].ends_with("line 5"));
        log.info(&"x".repeat(LINE_BYTES * 2));
        assert!(log.kept().last().expect("a line").len() < LINE_BYTES + 100);
    }

    /// docs/panel-protocol.md 6: comments, other programs, the last match.
    #[test]
    fn the_last_line_of_debug_conf_that_fits_sets_the_level() {
        for (text, want) in [
            ("", Level::Extinfo),
            ("# pmisplicense.* 9\n", Level::Extinfo),
            ("core.* 9\npmother 3", Level::Extinfo),
            ("pmisplicense.* 9", Level::Debug),
            ("pmisplicense.* 9\npmisplicense.db 4", Level::Warning),
            ("pmisplicense.* loud", Level::Extinfo),
            ("pmisplicense 2\n", Level::Critical),
        ] {
            assert_eq!(level_from_debug_conf(text, "pmisplicense"), want, "{text:?}");
        }
    }
}
