//! The documents are true: commands that they name are understood, make has the targets, settings have their names in
//! the sample, links lead somewhere, and the Russian documents show what the English ones do.
use crate::support::Test;
use pmisplicense::error::Lang;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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

/// Names of values as the Russian documents and the Russian help have them, and the English ones.
const VALUES: [(&str, &str); 7] = [
    ("УСЛУГА", "ITEM"),
    ("ЛИЦЕНЗИЯ", "LICENSE"),
    ("ФАЙЛ", "FILE"),
    ("МОДУЛЬ", "MODULE"),
    ("КОПИЯ", "NEW"),
    ("ПРЕЖНЯЯ", "FORMER"),
    ("ЗАКАЗ", "ORDER"),
];

/// The texts between backticks in running text, with each line break as a space, and names of values in English.
fn quoted(document: &str) -> Vec<String> {
    let prose: String = document.split("```").step_by(2).collect();
    let code = prose.split('`').skip(1).step_by(2).map(|code| code.split_whitespace().collect::<Vec<_>>().join(" "));
    code.map(|code| VALUES.iter().fold(code, |code, (ru, en)| code.replace(ru, en))).collect()
}

/// Rows of tables, without the lines beneath their headings.
fn table_lines(document: &str) -> impl Iterator<Item = &str> {
    document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"))
}

/// First cells of table rows.
fn rows(document: &str) -> Vec<String> {
    table_lines(document).filter_map(|row| row.split('|').nth(1)).map(|cell| cell.trim().to_owned()).collect()
}

const READMES: [&str; 2] = ["README.md", "README.ru.md"];
const GUIDES: [&str; 2] = ["docs/admin-guide.md", "docs/admin-guide.ru.md"];
const DOCUMENTS: [&str; 4] = [READMES[0], READMES[1], GUIDES[0], GUIDES[1]];

/// Levels of the headings, code, tables and every quoted command are the same in both languages.
#[test]
fn the_documents_show_the_same_in_both_languages() {
    for pair in [READMES, GUIDES] {
        let [en, ru] = pair.map(text);
        let levels = |document: &str| -> Vec<usize> {
            let headings = document.lines().filter(|line| line.starts_with('#'));
            headings.map(|line| line.chars().take_while(|c| *c == '#').count()).collect()
        };
        // Lines of a fence that begin with # are comments: the fences of both are the same.
        assert_eq!(levels(&en), levels(&ru), "{pair:?}: headings");
        assert_eq!(shown(&en), shown(&ru), "{pair:?}");
        assert_eq!(rows(&en).len(), rows(&ru).len(), "{pair:?}: rows of tables");
        for (en, ru) in table_lines(&en).zip(table_lines(&ru)) {
            let first = |line: &str| quoted(line.split('|').nth(1).unwrap_or_default());
            assert_eq!(first(en), first(ru), "{pair:?}: {en}");
            let whole = |line: &str| quoted(line).into_iter().collect::<BTreeSet<_>>();
            assert_eq!(whole(en), whole(ru), "{pair:?}: {en}");
        }
        let set = |document: &str| quoted(document).into_iter().collect::<BTreeSet<_>>();
        let (in_en, in_ru) = (set(&en), set(&ru));
        let odd: Vec<_> = in_en.symmetric_difference(&in_ru).collect();
        assert!(odd.is_empty(), "{pair:?}: quoted in one language only: {odd:?}");
    }
}

/// The anchor of a heading, as code-hosting pages and mdBook make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The documents in docs/, without the table of contents.
fn book() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let files = std::fs::read_dir(folder).unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = files.filter(|name| name.ends_with(".md") && name != "SUMMARY.md").collect();
    names.sort();
    names
}

/// Targets of the links in running text.
fn links(document: &str) -> Vec<String> {
    let prose: String = document.split("```").step_by(2).collect();
    prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned).collect()
}

/// Every link of the READMEs, of CONTRIBUTING.md and of docs/ leads to a file that is there, and to a heading of it.
#[test]
fn links_lead_to_files_and_headings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = book()
        .into_iter()
        .map(|name| format!("docs/{name}"))
        .chain(["docs/SUMMARY.md", "CONTRIBUTING.md"].map(str::to_owned));
    let mut seen = 0;
    for name in READMES.map(str::to_owned).into_iter().chain(docs) {
        for link in links(&text(&name)).into_iter().filter(|link| !link.contains("://")) {
            let (path, heading) = link.split_once('#').unwrap_or((&link, ""));
            let folder = root.join(&name).parent().map(PathBuf::from).unwrap_or_default();
            let target = if path.is_empty() { root.join(&name) } else { folder.join(path) };
            assert!(target.exists(), "{name}: {link}");
            if !heading.is_empty() {
                let there = std::fs::read_to_string(&target).unwrap();
                let mut headings = there.lines().filter(|line| line.starts_with('#'));
                assert!(headings.any(|line| anchor(line.trim_start_matches('#')) == heading), "{name}: {link}");
            }
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}

/// The guides lead to every other document for administrators, and name what watches an installation.
#[test]
fn the_guides_name_what_watches() {
    let own = [["whmcs.md", "monitoring.md"], ["whmcs.ru.md", "monitoring.ru.md"]];
    for (name, [whmcs, monitoring]) in GUIDES.into_iter().zip(own) {
        let guide = text(name);
        let (links, quoted) = (links(&guide), quoted(&guide));
        for link in [whmcs, "cluster.md", monitoring] {
            assert!(links.iter().any(|one| one == link), "{name}: {link}");
        }
        let commands =
            ["list --problems", "forecast", "metrics", "show ITEM --raw", "doctor --brief", "doctor --record FILE"];
        for word in commands.into_iter().chain(["metrics_file", "[orderbox]"]) {
            assert!(quoted.iter().any(|one| one == word), "{name}: {word}");
        }
    }
}

/// Both READMEs lead to what an administrator needs first.
#[test]
fn the_readmes_lead_to_the_tour_the_pages_and_monitoring() {
    let wanted = [["tour.md", "pages.md", "monitoring.md"], ["tour.ru.md", "pages.md", "monitoring.ru.md"]];
    for (name, wanted) in READMES.into_iter().zip(wanted) {
        let links = links(&text(name));
        for document in wanted {
            assert!(links.contains(&format!("docs/{document}")), "{name}: {document}");
        }
    }
}

/// The table of contents of the book names every document of docs/ once.
#[test]
fn the_book_holds_every_document() {
    let mut listed = links(&text("docs/SUMMARY.md"));
    listed.sort();
    assert_eq!(listed, book(), "docs/SUMMARY.md");
}

/// Help texts send a reader only to documents that are there.
#[test]
fn help_names_documents_that_exist() {
    let test = Test::new();
    let help = [test.run(["--help"]).stdout, test.run(["bind", "--help"]).stdout].join(" ");
    let words = help.split(|c: char| c.is_whitespace() || c == ',' || c == ')');
    let named: BTreeSet<&str> =
        words.filter(|word| word.starts_with("docs/")).map(|w| w.trim_end_matches('.')).collect();
    assert!(named.len() > 1, "{named:?}");
    for name in named {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(name).is_file(), "{name}");
    }
}

/// Every target of make that a document names is one.
#[test]
fn every_target_of_make_that_a_document_names_exists() {
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
fn every_command_that_a_document_shows_is_understood() {
    let test = Test::new();
    let mut lines: BTreeSet<String> = BTreeSet::new();
    for document in DOCUMENTS.map(text) {
        lines.extend(quoted(&document).into_iter().filter(|line| line.starts_with("pmisplicense ")));
    }
    assert!(lines.len() > 8, "{lines:?}");
    for line in lines {
        let given = line.replace("ITEM", "42").replace("LICENSE", "5001").replace("PANEL_ID", "k3v9q2ab");
        let given = given.replace("ID", "7").replace("FILE", "copy.db");
        let output = test.run(given.split_whitespace().skip(1));
        assert_ne!(output.code, Some(2), "{line}: {}", output.stderr);
        // Missed options and the like end with 2; a panic or a signal has no code of ours at all.
        assert!(matches!(output.code, Some(0 | 1)), "{line}: {:?}", output.code);
    }
}

/// Each command of the program is in both tables.
#[test]
fn the_tables_of_both_readmes_hold_every_command() {
    let test = Test::new();
    let help = test.run(["--help"]).stdout;
    let listed = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let people: Vec<&str> = names.filter_map(|line| line.split_whitespace().next()).filter(|n| *n != "help").collect();
    assert!(people.len() > 15, "{people:?}");
    let features = test.run(["--command", "features"]).stdout;
    let panel: Vec<&str> = features.split("<feature name=\"").skip(1).filter_map(|f| f.split('"').next()).collect();
    assert!(panel.len() > 10, "{panel:?}");
    for document in READMES {
        let cells = rows(&text(document)).join(" ");
        for name in people.iter().chain(&panel) {
            let named = [format!("`{name}`"), format!("`{name} "), format!("`{name},")];
            assert!(named.iter().any(|form| cells.contains(form)), "{document}: {name}");
        }
    }
}

/// Names of settings that a document quotes are in the sample.
#[test]
fn every_setting_that_a_document_quotes_is_in_the_sample() {
    let sample = text("etc/pmisplicense.toml");
    for language in 0..2 {
        let document = [READMES[language], GUIDES[language]].map(text).join("\n");
        for name in
            ["on_close", "bundled", "settle_s", "panel_id", "[[product]]", "[[period_alignment]]", "[[refusal]]"]
        {
            assert!(quoted(&document).iter().any(|quoted| quoted == name), "{name} is not explained");
            assert!(sample.contains(name), "{name}");
        }
    }
}

/// The commands between backticks, with a value in place of each name of a value.
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

/// The guides show what `pmisplicense help doctor` ends with, and each row names commands that the program has.
#[test]
fn what_changed_outside_leads_to_commands_that_exist() {
    let subjects = [
        "another client",
        "another number",
        "createdate",
        "renamed its host",
        "another account",
        "machine",
        "stores the name",
        "days in another form",
        "a column is missing",
        "switched off",
        "password",
        "certificate",
        "wants TLS",
        "login plugin",
        "clock",
        "issued anew",
        "removed from its order",
        "another customer",
        "was suspended",
    ];
    check_changes(Lang::En, GUIDES[0], "What changed outside", &subjects);
    let subjects = [
        "другой клиент",
        "другой номер",
        "createdate",
        "переименовал",
        "другой учётной записи",
        "машину",
        "хранит имя",
        "дни в другом виде",
        "нет столбца",
        "выключен",
        "пароль",
        "сертификат",
        "требует TLS",
        "плагин входа",
        "часы",
        "выпущен заново",
        "сняли с заказа",
        "другого покупателя",
        "остановлен",
    ];
    check_changes(Lang::Ru, GUIDES[1], "Что изменилось снаружи", &subjects);
}

fn check_changes(lang: Lang, guide: &str, title: &str, subjects: &[&str]) {
    use pmisplicense::cli::{AdminArgs, changed};
    let document = text(guide);
    let table = document.split(&format!("# {title}")).nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")).skip(1);
    let rows: Vec<Vec<&str>> = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
    let told: Vec<Vec<&str>> = changed::changes(lang).iter().map(|one| vec![one.what, one.seen, one.run]).collect();
    assert_eq!(rows, told);
    for row in &rows {
        let commands = commands_of(row[2]);
        assert!(!commands.is_empty() || row[2].starts_with("nothing") || row[2].starts_with("ничего"), "{row:?}");
        for command in commands.iter().filter(|command| !command[0].starts_with("--")) {
            let line = std::iter::once("pmisplicense".to_owned()).chain(command.clone());
            let read = <AdminArgs as clap::Parser>::try_parse_from(line);
            assert!(read.is_ok(), "{command:?}: {}", read.unwrap_err());
        }
    }
    let all = table.split_whitespace().collect::<Vec<_>>().join(" ");
    for subject in subjects {
        assert!(all.contains(subject), "{subject}");
    }
    let help = Test::new().run(["--lang", lang.code(), "help", "doctor"]).stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for one in changed::changes(lang) {
        assert!(help.contains(&one.run.replace(['`', '*'], "")), "{}: {help}", one.what);
    }
}
