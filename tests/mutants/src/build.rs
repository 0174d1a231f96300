//! The copy of the tree: made, given its switches, built. If the copy does not compile with all mutants, it is built
//! again without those that the compiler complains about.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::Failure;
use crate::list::Mutant;
use crate::switch::{Switched, switched};

/// Rounds of building: the compiler shows errors of one kind only when those of the kind before are gone.
const ROUNDS: usize = 20;

/// The module that the copy gets: which mutant is on, and for `run`, which places were passed at all.
const MODULE: &str = include_str!("mutant.rs.in");

/// The copy.
pub struct Tree {
    original: PathBuf,
    /// The folder of the copy.
    pub root: PathBuf,
    /// The folder in which it is built.
    pub target: PathBuf,
}

impl Tree {
    /// Everything but what is built, in target/mutants/tree of the original. Unchanged files keep their time.
    pub fn copy(original: &Path) -> Result<Self, Failure> {
        let original = original.to_path_buf();
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| original.join("target"), PathBuf::from);
        let root = target.join("mutants/tree");
        fs::create_dir_all(&root)?;
        // Sources of the library are written by `plant`, once: a file written twice is built twice.
        for name in ["tests", "xml", "etc", "dist", "docs", "fuzz/src"] {
            copy(&original.join(name), &root.join(name), &|_| false)?;
        }
        for entry in fs::read_dir(&original)?.flatten().filter(|entry| entry.path().is_file()) {
            write(&root.join(entry.file_name()), &fs::read(entry.path())?)?;
        }
        Ok(Self { original, root, target })
    }

    /// Writes the switches and says which mutants cannot be compiled, `out` among them.
    pub fn plant(&self, mutants: &[Mutant], mut out: BTreeSet<usize>) -> Result<BTreeSet<usize>, Failure> {
        let mut sources = BTreeMap::new();
        for mutant in mutants {
            let path = self.original.join(&mutant.file);
            sources.entry(mutant.file.as_str()).or_insert(fs::read_to_string(path)?);
        }
        copy(&self.original.join("src"), &self.root.join("src"), &|path| {
            path.ends_with("src/lib.rs") || sources.keys().any(|name| self.original.join(name) == path)
        })?;
        let lib = fs::read_to_string(self.original.join("src/lib.rs"))?;
        write(&self.root.join("src/lib.rs"), format!("{lib}\n#[allow(missing_docs)]\npub mod mutant;\n").as_bytes())?;
        write(&self.root.join("src/mutant.rs"), MODULE.as_bytes())?;
        for _ in 0..ROUNDS {
            let mut files = BTreeMap::new();
            for (name, source) in &sources {
                let here = |mutant: &&Mutant| mutant.file == *name && !out.contains(&mutant.id);
                let file = switched(source, &mutants.iter().filter(here).collect::<Vec<_>>())?;
                write(&self.root.join(name), file.text.as_bytes())?;
                files.insert(*name, file);
            }
            let placed: BTreeSet<_> = files.values().flat_map(|file| file.placed.iter().copied()).collect();
            let lost = mutants.iter().filter(|mutant| !placed.contains(&mutant.id) && !out.contains(&mutant.id));
            let lost: Vec<_> = lost.collect();
            for mutant in &lost {
                println!("no switch fits: {}", mutant.name);
            }
            out.extend(lost.iter().map(|mutant| mutant.id));
            let blamed = blamed(&self.check()?, &files)?;
            if blamed.is_empty() {
                return Ok(out);
            }
            out.extend(blamed);
        }
        Err(format!("still errors after {ROUNDS} rounds").into())
    }

    /// Cargo over the copy.
    pub fn cargo(&self, command: &str) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.args(["--config", "tests/sim/build.toml", command, "--locked"]).current_dir(&self.root);
        cargo.env("CARGO_TARGET_DIR", &self.target);
        // Whatever the development build would notice, this one notices too.
        cargo.args(["--config", "profile.dev.package.pmisplicense.overflow-checks=true"]);
        cargo.args(["--config", "profile.dev.package.pmisplicense.debug-assertions=true"]);
        cargo
    }

    fn check(&self) -> Result<Vec<Value>, Failure> {
        // As the tests are built later: with other arguments cargo would choose other features for the dependencies.
        let output =
            self.cargo("test").args(["--test", "sim", "--no-run", "--message-format=json", "--quiet"]).output()?;
        let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let messages: Vec<Value> = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
        let errors = messages.into_iter().filter(|message| message["message"]["level"] == "error");
        let errors: Vec<_> = errors.map(|message| message["message"].clone()).collect();
        if errors.is_empty() && !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok(errors)
    }
}

/// The mutants that these messages are about.
fn blamed(errors: &[Value], files: &BTreeMap<&str, Switched>) -> Result<BTreeSet<usize>, Failure> {
    let mut blamed = BTreeSet::new();
    for error in errors.iter().filter(|error| error["spans"].as_array().is_some_and(|spans| !spans.is_empty())) {
        let spans = error["spans"].as_array().into_iter().flatten();
        let ids: Vec<usize> = spans
            .filter(|span| span["is_primary"] == true)
            .filter_map(|span| {
                let number = |key: &str| usize::try_from(span[key].as_u64()?).ok();
                let bytes: Range<usize> = number("byte_start")?..number("byte_end")?;
                files.get(span["file_name"].as_str()?)?.blamed(&bytes).map(<[usize]>::to_vec)
            })
            .flatten()
            .collect();
        if ids.is_empty() {
            return Err(format!("no mutant is behind this: {}", error["rendered"].as_str().unwrap_or_default()).into());
        }
        blamed.extend(ids);
    }
    Ok(blamed)
}

/// Writes only what differs, so that cargo sees what did not change.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(())
}

fn copy(from: &Path, to: &Path, left_out: &dyn Fn(&Path) -> bool) -> Result<(), Failure> {
    for entry in fs::read_dir(from).map_err(|e| format!("{}: {e}", from.display()))?.flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to, left_out)?;
        } else if !left_out(&from) {
            write(&to, &fs::read(&from)?)?;
            fs::set_permissions(&to, fs::metadata(&from)?.permissions())?;
        }
    }
    Ok(())
}
