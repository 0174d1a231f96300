//! Every reference to a document leads somewhere: `docs/money-safety.md 6` names a section that exists, and no text
//! names a document that is not in the repository.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Text files of the repository below `folder`, by their path from the root.
fn texts(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            if !["target", ".git", "states", "corpus", "answers", "mutants", "reference"].contains(&name.as_str()) {
                texts(&path, found);
            }
        } else if [".rs", ".md", ".toml", ".xml", ".sh", ".py", "Makefile"].iter().any(|end| name.ends_with(end))
            && let Ok(text) = fs::read_to_string(&path)
        {
            found.insert(path.strip_prefix(root()).unwrap().to_string_lossy().into_owned(), text);
        }
    }
}

/// The numbers of the sections of a document: `## 6. Guards` is 6.
fn sections(document: &str) -> BTreeSet<u32> {
    let heading = |line: &str| line.trim_start_matches('#').trim_start().split_once('.')?.0.parse().ok();
    document.lines().filter(|line| line.starts_with("##")).filter_map(heading).collect()
}

/// The numbers that follow a reference: ` 6`, ` 3 and 4`, ` 2, 3 and 7`, ` 4 to 6`; line breaks of comments apart.
fn numbers(after: &str) -> Vec<u32> {
    let words = after.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let mut found = Vec::new();
    for word in words.filter(|word| !["//", "///", "//!", "and", "to"].contains(word)) {
        let number: String = word.chars().take_while(char::is_ascii_digit).collect();
        let rest = &word[number.len()..];
        let Ok(number) = number.parse() else { break };
        if rest.starts_with(|c: char| c.is_alphanumeric() || c == '-') {
            break;
        }
        found.push(number);
        if !rest.is_empty() {
            break;
        }
    }
    found
}

/// The names of documents in a text, each with what follows it.
fn references(text: &str) -> Vec<(String, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let ends = text.match_indices(".md").filter(|(at, _)| !text[at + 3..].starts_with(is_part_of_word));
    ends.map(|(at, _)| {
        let start = text[..at].rfind(|c| !is_part(c)).map_or(0, |before| before + 1);
        let start = (start..=at).find(|start| text.is_char_boundary(*start)).unwrap();
        (text[start..at + 3].to_owned(), &text[at + 3..])
    })
    .filter(|(name, _)| name.len() > 3)
    .collect()
}

fn is_part_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The wrong references of a text; `folder`: the folder of the text.
fn wrong(text: &str, folder: &Path, documents: &BTreeMap<String, BTreeSet<u32>>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, after) in references(text) {
        let near = folder.join(&name).to_string_lossy().into_owned();
        let plain: PathBuf = Path::new(&near).components().fold(PathBuf::new(), |mut path, part| {
            if part == std::path::Component::ParentDir {
                path.pop();
            } else if part != std::path::Component::CurDir {
                path.push(part);
            }
            path
        });
        let places = [name.clone(), plain.to_string_lossy().into_owned(), format!("docs/{name}")];
        let Some(sections) = places.iter().find_map(|place| documents.get(place)) else {
            found.push(format!("{name} is not in the repository"));
            continue;
        };
        let missing = numbers(after).into_iter().filter(|number| !sections.is_empty() && !sections.contains(number));
        found.extend(missing.map(|number| format!("{name} has no section {number}")));
    }
    found
}

#[test]
fn every_reference_to_a_document_leads_to_a_section() {
    let mut files = BTreeMap::new();
    texts(&root(), &mut files);
    let documents: BTreeMap<String, BTreeSet<u32>> = files
        .iter()
        .filter(|(name, _)| name.ends_with(".md"))
        .map(|(name, text)| (name.clone(), sections(text)))
        .collect();
    let mut found = Vec::new();
    // The history of changes also names documents that are gone.
    let is_read = |name: &str| !["tests/references.rs", "CHANGELOG.md"].contains(&name);
    for (name, text) in files.iter().filter(|(name, _)| is_read(name)) {
        let folder = Path::new(name).parent().unwrap();
        found.extend(wrong(text, folder, &documents).into_iter().map(|what| format!("{name}: {what}")));
    }
    assert!(documents.len() > 10 && files.len() > 250, "{} {}", documents.len(), files.len());
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_reference_that_leads_nowhere_is_found() {
    let documents = BTreeMap::from([("docs/rules.md".to_owned(), BTreeSet::from([1, 2, 3]))]);
    let check = |text: &str| wrong(text, Path::new("src"), &documents);
    assert_eq!(check("(docs/rules.md 3) rules.md 1 and 2. docs/rules.md, 4"), ["docs/rules.md has no section 4"]);
    assert_eq!(check("docs/rules.md 2,\n    /// 7"), ["docs/rules.md has no section 7"]);
    assert_eq!(check("see LOST.md"), ["LOST.md is not in the repository"]);
    assert_eq!(check("docs/rules.md 2026-01-01 and rules.mdx"), Vec::<String>::new());
}

/// Files of the program that documents and comments name by their path, such as `engine/order/in_doubt.rs`, exist.
#[test]
fn files_that_are_named_exist() {
    let mut found = BTreeMap::new();
    texts(&root(), &mut found);
    let mut lost = Vec::new();
    for (file, text) in &found {
        let is_history = file == "CHANGELOG.md" || file == "tests/mutants.md";
        let comments = text.lines().filter(|line| file.ends_with(".md") || line.trim_start().starts_with("//"));
        for word in comments.filter(|_| !is_history).flat_map(|line| line.split('`').skip(1).step_by(2)) {
            let is_path = |c: char| c.is_ascii_alphanumeric() || "_-/.".contains(c);
            if word.ends_with(".rs") && word.contains('/') && word.chars().all(is_path) {
                let places = ["", "src", "tests"].map(|folder| root().join(folder).join(word));
                if !places.iter().any(|place| place.exists()) {
                    lost.push(format!("{file}: {word}"));
                }
            }
        }
    }
    assert_eq!(lost, Vec::<String>::new());
}
