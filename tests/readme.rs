//! What the documents show is true: commands that they name are understood, targets of make are there, settings have
//! their names in the sample, and the Russian README shows what the English one does.
use crate::support::Test;
use std::collections::BTreeSet;
use std::path::Path;

fn text(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Lines inside the fences of a document, without comments.
fn shown(document: &str) -> Vec<String> {
    let blocks = document.split("```").skip(1).step_by(2);
    let lines = blocks.flat_map(|block| block.lines().skip(1));
    let code = lines.map(|line| line.split('#').next().unwrap_or_default().trim().to_owned());
    code.filter(|line| !line.is_empty()).collect()
}

/// What stands between backticks in running text, each line break a space.
fn quoted(document: &str) -> Vec<String> {
    let prose: String = document.split("```").step_by(2).collect();
    prose.split('`').skip(1).step_by(2).map(|code| code.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn is_ascii(text: &str) -> bool {
    text.is_ascii()
}

/// First cells of table rows.
fn rows(document: &str) -> Vec<String> {
    let rows = document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    rows.filter_map(|row| row.split('|').nth(1)).map(|cell| cell.trim().to_owned()).collect()
}

const DOCUMENTS: [&str; 2] = ["README.md", "README.ru.md"];

/// Headings, code, tables and every quoted command are the same in both languages.
#[test]
fn both_languages() {
    let [en, ru] = DOCUMENTS.map(text);
    let headings = |document: &str| document.lines().filter(|line| line.starts_with('#')).count();
    // Lines of a fence that begin with # are comments: the fences of both are the same.
    assert_eq!(headings(&en), headings(&ru), "headings");
    assert_eq!(shown(&en), shown(&ru));
    let cells = |document: &str| rows(document).into_iter().filter(|cell| is_ascii(cell) && cell.contains('`'));
    assert_eq!(cells(&en).collect::<Vec<_>>(), cells(&ru).collect::<Vec<_>>());
    let set = |document: &str| quoted(document).into_iter().collect::<BTreeSet<_>>();
    let (in_en, in_ru) = (set(&en), set(&ru));
    let odd: Vec<_> = in_en.symmetric_difference(&in_ru).collect();
    assert!(odd.is_empty(), "quoted in one language only: {odd:?}");
}

/// Every target of make that a document names is one.
#[test]
fn targets() {
    let makefile = text("Makefile");
    let mut seen = 0;
    for document in DOCUMENTS.map(text) {
        let all = shown(&document).into_iter().chain(quoted(&document));
        for line in all.filter(|line| line.starts_with("make ")) {
            let target = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
            assert!(makefile.contains(&format!("\n{target}:")), "{line}");
            seen += 1;
        }
    }
    assert!(seen > 10);
}

/// Every command for people that a document shows is understood: never exit code 2.
#[test]
fn commands() {
    let test = Test::new();
    let mut lines: BTreeSet<String> = BTreeSet::new();
    for document in DOCUMENTS.map(text) {
        lines.extend(quoted(&document).into_iter().filter(|line| line.starts_with("pmisplicense ")));
    }
    assert!(lines.len() > 8, "{lines:?}");
    for line in lines {
        let given = line.replace("ITEM", "42").replace("LICENSE", "5001").replace("ID", "7").replace("FILE", "copy.db");
        let output = test.run(given.split_whitespace().skip(1));
        assert_ne!(output.code, Some(2), "{line}: {}", output.stderr);
        // Missed options and the like end with 2; a panic or a signal has no code of ours at all.
        assert!(matches!(output.code, Some(0 | 1)), "{line}: {:?}", output.code);
    }
}

/// Each command that the program has stands in both tables.
#[test]
fn tables_are_whole() {
    let test = Test::new();
    let help = test.run(["--help"]).stdout;
    let listed = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let people: Vec<&str> = names.filter_map(|line| line.split_whitespace().next()).filter(|n| *n != "help").collect();
    assert!(people.len() > 15, "{people:?}");
    let features = test.run(["--command", "features"]).stdout;
    let panel: Vec<&str> = features.split("<feature name=\"").skip(1).filter_map(|f| f.split('"').next()).collect();
    assert!(panel.len() > 10, "{panel:?}");
    for document in DOCUMENTS {
        let cells = rows(&text(document)).join(" ");
        for name in people.iter().chain(&panel) {
            let named = [format!("`{name}`"), format!("`{name} "), format!("`{name},")];
            assert!(named.iter().any(|form| cells.contains(form)), "{document}: {name}");
        }
    }
}

/// Names of settings that a document quotes are in the sample.
#[test]
fn settings() {
    let sample = text("etc/pmisplicense.toml");
    for document in DOCUMENTS.map(text) {
        for name in
            ["on_close", "bundled", "settle_s", "panel_id", "[[product]]", "[[period_alignment]]", "[[refusal]]"]
        {
            assert!(quoted(&document).iter().any(|quoted| quoted == name), "{name} is not explained");
            assert!(sample.contains(name), "{name}");
        }
    }
}

/// Commands between backticks, with what stands for a value replaced by one.
fn commands_of(cell: &str) -> Vec<Vec<String>> {
    let value = |word: &str| match word {
        "PANEL_ID" => "abcd1234".to_owned(),
        "FILE" => "copy.db".to_owned(),
        _ if word.bytes().all(|byte| byte.is_ascii_uppercase()) => "42".to_owned(),
        _ => word.to_owned(),
    };
    let line = |code: &str| code.split_whitespace().map(value).collect::<Vec<_>>();
    // A setting is no command.
    quoted(cell).iter().filter(|code| *code != "panel_id").map(|code| line(code)).collect()
}

/// docs/admin.md shows what `pmisplicense help doctor` ends with, and each row names commands that the program has.
#[test]
fn what_changed_outside_leads_to_commands_that_exist() {
    use pmisplicense::cli::{AdminArgs, changed};
    let document = text("docs/admin.md");
    let table = document.split("# What changed outside").nth(1).unwrap().split("\n# ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")).skip(1);
    let rows: Vec<Vec<&str>> = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
    let told: Vec<Vec<&str>> = changed::CHANGES.iter().map(|one| vec![one.what, one.seen, one.run]).collect();
    assert_eq!(rows, told);
    for row in &rows {
        let commands = commands_of(row[2]);
        assert!(!commands.is_empty() || row[2].starts_with("nothing"), "{row:?}");
        for command in commands.iter().filter(|command| !command[0].starts_with("--")) {
            let line = std::iter::once("pmisplicense".to_owned()).chain(command.clone());
            let read = <AdminArgs as clap::Parser>::try_parse_from(line);
            assert!(read.is_ok(), "{command:?}: {}", read.unwrap_err());
        }
    }
    let all = table.split_whitespace().collect::<Vec<_>>().join(" ");
    for subject in ["another client", "another number", "createdate", "renamed its host", "another account", "machine"]
    {
        assert!(all.contains(subject), "{subject}");
    }
    let help = Test::new().run(["help", "doctor"]).stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for one in changed::CHANGES {
        assert!(help.contains(&one.run.replace(['`', '*'], "")), "{}: {help}", one.what);
    }
}
