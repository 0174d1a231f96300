//! Life after a release: settings of every earlier version open, versions and the changelog keep their form, and the
//! licenses of all crates allow them to be distributed. States of earlier versions are in `hurt::frozen`.
use crate::support::Test;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A version as its three numbers.
fn version(text: &str) -> (u32, u32, u32) {
    let parts: Vec<u32> = text.split('.').map(|part| part.parse().unwrap_or_else(|_| panic!("{text}"))).collect();
    let [major, minor, patch] = parts[..] else { panic!("{text} is not MAJOR.MINOR.PATCH") };
    (major, minor, patch)
}

/// Versions whose settings are frozen, by their files.
fn frozen() -> BTreeSet<String> {
    let files = fs::read_dir(repository("tests/settings")).unwrap().flatten();
    let name = |path: PathBuf| Some(path.file_name()?.to_str()?.strip_suffix(".toml")?.to_owned());
    files.filter_map(|entry| name(entry.path())).collect()
}

/// Headings of the changelog: version and, once it is released, its day.
fn releases() -> Vec<(String, Option<chrono::NaiveDate>)> {
    let changelog = fs::read_to_string(repository("CHANGELOG.md")).unwrap();
    let heading = |line: &str| {
        let (version, day) = line.strip_prefix("## [")?.split_once(']').unwrap_or_else(|| panic!("{line}"));
        let day = day.strip_prefix(" - ").map(|day| day.parse().unwrap_or_else(|_| panic!("{line}: YYYY-MM-DD")));
        Some((version.to_owned(), day))
    };
    changelog.lines().filter_map(heading).collect()
}

/// Settings of every version, with every key that it knew, open without a word.
#[test]
fn settings_of_every_version_open_without_a_word() {
    let all = frozen();
    assert!(all.contains("0.1.0"), "{all:?}");
    for name in all {
        let test = Test::new();
        let text = fs::read_to_string(repository(&format!("tests/settings/{name}.toml"))).unwrap();
        assert!(text.lines().filter(|line| line.contains(" = ")).count() > 40, "{name} holds every key");
        test.settings(&text.replace("/usr/local/mgr5", "{root}"));
        test.run(["--command", "sync"]).ok().stdout("");
        assert_eq!(test.run(["list"]).ok().stderr, "", "{name}");
        assert!(!test.log().contains("settings"), "{name}: {}", test.log());
    }
}

/// Keep a Changelog: what is not released first, then versions with their days, newest first, known headings beneath.
/// A released version is this one or an earlier one, and its settings are frozen.
#[test]
fn the_changelog_keeps_its_form() {
    let all = releases();
    let (first, rest) = all.split_first().expect("a heading");
    assert_eq!(first, &("Unreleased".to_owned(), None));
    let mut newest = version(env!("CARGO_PKG_VERSION"));
    let mut last = None;
    for (name, day) in rest {
        assert!(version(name) <= newest, "{name}: versions fall, from that of Cargo.toml on");
        assert!(day.is_some() && last.is_none_or(|last| *day <= last), "{name}: days fall");
        assert!(frozen().contains(name), "{name}: freeze its settings as tests/settings/{name}.toml");
        (newest, last) = (version(name), Some(*day));
    }
    let kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];
    let changelog = fs::read_to_string(repository("CHANGELOG.md")).unwrap();
    for line in changelog.lines().filter_map(|line| line.strip_prefix("### ")) {
        assert!(kinds.contains(&line), "{line}");
    }
}

/// True if the allowed licenses satisfy a license expression. The ones that it needed are noted.
fn permitted(expression: &str, allowed: &[String], used: &mut BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ").replace(" WITH ", "-WITH-");
    let mut words = spaced.split_whitespace().peekable();
    let result = either(&mut words, allowed, used);
    assert_eq!(words.next(), None, "{expression}");
    result
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>, allowed: &[String], used: &mut BTreeSet<String>) -> bool {
    let mut result = both(words, allowed, used);
    while words.next_if_eq(&"OR").is_some() {
        result |= both(words, allowed, used);
    }
    result
}

fn both(words: &mut Words<'_>, allowed: &[String], used: &mut BTreeSet<String>) -> bool {
    let mut result = one(words, allowed, used);
    while words.next_if_eq(&"AND").is_some() {
        result &= one(words, allowed, used);
    }
    result
}

fn one(words: &mut Words<'_>, allowed: &[String], used: &mut BTreeSet<String>) -> bool {
    let word = words.next().expect("a license");
    if word == "(" {
        let result = either(words, allowed, used);
        assert_eq!(words.next(), Some(")"));
        return result;
    }
    let known = allowed.iter().any(|license| license == word);
    if known {
        used.insert(word.to_owned());
    }
    known
}

/// The licenses that were read in the license files of crates that name no expression, by name and version.
fn clarified(deny: &toml::Table) -> BTreeMap<String, String> {
    let text = |table: &toml::Value, key: &str| table[key].as_str().unwrap().to_owned();
    let clarified = deny["licenses"]["clarify"].as_array().unwrap();
    clarified.iter().map(|entry| (text(entry, "crate"), text(entry, "expression"))).collect()
}

/// Every crate of the lock file has a license that deny.toml allows, and deny.toml allows no more than is needed.
/// `make licenses` asks cargo-deny for the same and more.
#[test]
fn deny_toml_allows_the_licenses_of_all_crates_and_no_others() {
    let deny: toml::Table = toml::from_str(&fs::read_to_string(repository("deny.toml")).unwrap()).unwrap();
    let allowed = deny["licenses"]["allow"].as_array().unwrap().iter();
    let allowed: Vec<String> = allowed.map(|license| license.as_str().unwrap().to_owned()).collect();
    let output = Command::new(env!("CARGO"))
        .current_dir(repository(""))
        .args(["metadata", "--offline", "--locked", "--format-version", "1"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "{}", packages.len());
    let mut used = BTreeSet::new();
    let mut clarified = clarified(&deny);
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| {
            let exact = format!("{}@{}", package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
            let read = clarified.remove(&exact).or_else(|| package["license"].as_str().map(str::to_owned));
            !read.is_some_and(|text| permitted(&text, &allowed, &mut used))
        })
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert_eq!(clarified, BTreeMap::new(), "deny.toml clarifies what nobody uses");
    assert_eq!(refused, Vec::<String>::new(), "allow it in deny.toml with a reason, or do without the crate");
    assert_eq!(used, allowed.iter().cloned().collect(), "deny.toml allows what no crate needs");
}

/// Expressions are read as SPDX means them, and the older spelling with a stroke.
#[test]
fn license_expressions_are_read_as_spdx_means_them() {
    let allowed = ["MIT", "ISC"].map(str::to_owned);
    for (text, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("(GPL-3.0 OR ISC) AND MIT", true),
        ("GPL-3.0 OR ISC AND GPL-2.0", false),
        ("MIT WITH LLVM-exception", false),
    ] {
        assert_eq!(permitted(text, &allowed, &mut BTreeSet::new()), expected, "{text}");
    }
}
