//! Faults of mgrctl, kept in `<root>/.sandbox/mgrctl-faults.json` because every call is a process of its own.
use serde::{Deserialize, Serialize};
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Exit code and stderr, no effect, nothing on stdout.
    Exit,
    /// `<error type=WORD>` with this exit code (0 or 1), no effect.
    ErrorDocument,
    /// Nothing happens for so long.
    Hang,
    /// It happens, but the process does not end for so long.
    HangAfter,
    /// It takes so long, then all is well.
    Slow,
    /// No XML on stdout, no effect.
    Rubbish,
    /// WORD is the whole answer, no effect.
    Document,
    /// Took effect, the answer is lost: nothing on stdout, this exit code.
    Lost,
    /// Took effect, then SIGKILL.
    Killed,
    /// Says ok and has done nothing.
    NoEffect,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub func: String,
    pub kind: Kind,
    /// The number of the call of that func since the root was made. None: the next one, or with `always` each.
    #[serde(default)]
    pub nth: Option<u64>,
    #[serde(default)]
    pub always: bool,
    #[serde(default = "one")]
    pub code: i32,
    #[serde(default = "minute")]
    pub ms: u64,
    #[serde(default)]
    pub word: String,
}

fn one() -> i32 {
    1
}

fn minute() -> u64 {
    60_000
}

impl Fault {
    /// The next call of that func (`*`: of any).
    pub fn on(func: &str, kind: Kind) -> Self {
        let ms = if kind == Kind::Slow { 300 } else { 60_000 };
        Self { func: func.into(), kind, nth: None, always: false, code: 1, ms, word: "test".into() }
    }

    pub fn nth(mut self, n: u64) -> Self {
        self.nth = Some(n);
        self
    }

    pub fn always(mut self) -> Self {
        self.always = true;
        self
    }

    pub fn code(mut self, code: i32) -> Self {
        self.code = code;
        self
    }

    pub fn ms(mut self, ms: u64) -> Self {
        self.ms = ms;
        self
    }

    pub fn word(mut self, word: &str) -> Self {
        self.word = word.into();
        self
    }
}

fn path(root: &Path) -> std::path::PathBuf {
    super::folder(root).join("mgrctl-faults.json")
}

pub fn read(root: &Path) -> Vec<Fault> {
    let text = std::fs::read(path(root)).unwrap_or_else(|_| b"[]".to_vec());
    serde_json::from_slice(&text).expect("mgrctl-faults.json is a list of faults")
}

pub fn write(root: &Path, faults: &[Fault]) {
    std::fs::write(path(root), serde_json::to_vec_pretty(faults).expect("faults as JSON")).expect("the list of faults");
}

/// The fault that meets this call; it is gone afterwards unless it is for always. The caller holds the lock.
pub fn take(root: &Path, func: &str, nth: u64) -> Option<Fault> {
    let mut faults = read(root);
    let due = |f: &Fault| (f.func == func || f.func == "*") && f.nth.is_none_or(|n| n == nth);
    let at = faults.iter().position(due)?;
    let found = faults[at].clone();
    if !found.always {
        faults.remove(at);
        write(root, &faults);
    }
    Some(found)
}
