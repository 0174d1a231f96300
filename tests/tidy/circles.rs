//! No circle of imports: of two files of src, at most one knows the other, directly or through a chain of files. A
//! module and its children may know each other. A re-export belongs to the module that it is in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{code, texts};

/// The path of a module: `["engine", "sync", "all"]`.
type Module = Vec<String>;

/// The module that a file of src holds; `None` for the root and for files of tests.
fn module(name: &str) -> Option<Module> {
    let inside = name.strip_prefix("src/")?.strip_suffix(".rs")?;
    let inside = inside.strip_suffix("/mod").unwrap_or(inside);
    let path: Module = inside.split('/').map(str::to_owned).collect();
    (!["main", "lib"].contains(&inside) && !path.contains(&"tests".to_owned())).then_some(path)
}

/// The paths in a text that begin with `crate`, `super` or `self`, each with all its words. `{a, b::c}` gives two.
fn paths(text: &str) -> Vec<Module> {
    let code: String = code(text).lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let mut found = Vec::new();
    for start in ["crate", "super", "self"] {
        for (at, _) in code.match_indices(&format!("{start}::")) {
            if !code[..at].ends_with(|before: char| before.is_alphanumeric() || [':', '_', '$'].contains(&before)) {
                read_path(&mut &code[at..], Module::new(), &mut found);
            }
        }
    }
    found
}

/// Reads one path, and the paths in its braces. `rest` begins with it, and begins with the text after it afterwards.
fn read_path(rest: &mut &str, mut path: Module, found: &mut Vec<Module>) {
    loop {
        *rest = rest.trim_start();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        path.extend((end > 0).then(|| rest[..end].to_owned()));
        *rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(more) => *rest = more,
            None if end == 0 && rest.starts_with('{') => break,
            None => return found.push(path),
        }
    }
    while let Some(more) = rest.strip_prefix(['{', ',']).map(str::trim_start).filter(|more| !more.starts_with('}')) {
        *rest = more;
        read_path(rest, path.clone(), found);
        // The new name of `a as b`.
        *rest = &rest[rest.find([',', '}']).unwrap_or(rest.len())..];
    }
    *rest = rest.trim_start_matches([',', ' ']).strip_prefix('}').unwrap_or(rest);
}

/// The module that a path in the file of `own` leads to: the innermost module that it names.
fn target(own: &Module, path: &Module, modules: &BTreeSet<Module>) -> Module {
    let mut at = if path[0] == "crate" { Module::new() } else { own.clone() };
    for word in path {
        match word.as_str() {
            "crate" | "self" => {}
            "super" => drop(at.pop()),
            name => {
                at.push(name.to_owned());
                if !modules.contains(&at) {
                    at.pop();
                    break;
                }
            }
        }
    }
    at
}

/// A shortest circle from a module to itself, without the module at its end.
fn circle<'m>(from: &'m Module, knows: &'m BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<&'m Module>> {
    let mut ways = VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in way.last().and_then(|last| knows.get(*last)).into_iter().flatten() {
            if next == from {
                return Some(way);
            }
            if seen.insert(next) {
                ways.push_back([way.as_slice(), &[next]].concat());
            }
        }
    }
    None
}

/// The circles among files, each once, in words.
fn circles(files: &[(String, String)]) -> Vec<String> {
    let files: Vec<(Module, &str)> =
        files.iter().filter_map(|(name, text)| Some((module(name)?, text.as_str()))).collect();
    let modules: BTreeSet<Module> = files.iter().map(|(module, _)| module.clone()).collect();
    let mut knows: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (own, text) in files {
        let known = paths(text).into_iter().map(|path| target(&own, &path, &modules));
        let others: BTreeSet<Module> =
            known.filter(|other| !own.starts_with(other) && !other.starts_with(&own)).collect();
        knows.insert(own, others);
    }
    let mut found = BTreeSet::new();
    for way in modules.iter().filter_map(|from| circle(from, &knows)) {
        let mut names: Vec<String> = way.into_iter().map(|module| module.join("::")).collect();
        names.sort();
        found.insert(names.join(" <-> "));
    }
    found.into_iter().collect()
}

#[test]
fn no_two_files_import_each_other() {
    assert_eq!(circles(&texts(&[".rs"])), Vec::<String>::new());
}

/// The test above finds circles: in each form of an import, through a chain, and between folders. It passes over
/// parents and children, comments, and the modules of tests.
#[test]
fn circles_of_imports_are_found_in_every_form() {
    let found = |files: &[(&str, &str)]| {
        let file = |(name, text): &(&str, &str)| (format!("src/{name}"), (*text).to_owned());
        circles(&files.iter().map(file).collect::<Vec<_>>())
    };
    for other in [
        "use crate::a::y;",
        "use super::a;",
        "use super::{c::z,\n    a::{self as one, y},\n};",
        "fn f() { crate::a::y() }",
        "use self::super::a;",
        "use super::c::{x, y, };\nuse super::{ a };",
    ] {
        assert_eq!(found(&[("a.rs", "use crate::b::x;"), ("b.rs", other)]), ["a <-> b"], "{other}");
    }
    for one_way in [
        "// use crate::a::y;",
        "use crate::a_c::y;",
        "use crate::c::a;",
        "fn f() { x::super::a() }",
        "#[cfg(test)]\nmod tests {\nuse crate::a;\n}",
    ] {
        let files = [("a.rs", "use crate::b::x;"), ("b.rs", one_way), ("c.rs", ""), ("a_c.rs", "")];
        assert_eq!(found(&files), Vec::<String>::new(), "{one_way}");
    }
    let chain = [("a/mod.rs", "use self::b::x;"), ("a/b.rs", "use super::c::y; use super::z;"), ("a/c.rs", "")];
    assert_eq!(found(&chain), Vec::<String>::new());
    let chain = [("a/b.rs", "use super::c;"), ("a/c.rs", "use crate::d::e;"), ("d/e.rs", "use crate::a::b;")];
    let parents = [("a.rs", ""), ("d/mod.rs", "")];
    assert_eq!(found(&[chain.as_slice(), &parents].concat()), ["a::b <-> a::c <-> d::e"]);
}
