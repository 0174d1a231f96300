//! One run from arguments to its result, without a panel: gates, panics, arguments.

use super::*;

fn run_in(root: &std::path::Path, line: &str) -> Finished {
    let args = line.split_whitespace().map(OsString::from).collect();
    let root = root.as_os_str().to_owned();
    run("pmisplicense", args, &move |name| (name == "PMISPLICENSE_MGR_ROOT").then(|| root.clone()))
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(folder.path().join("etc")).expect("etc");
    std::fs::create_dir_all(folder.path().join("var")).expect("var");
    folder
}

/// `features` needs nothing but the binary, and leaves nothing behind.
#[test]
fn features_needs_only_the_binary_and_leaves_nothing_behind() {
    let folder = folder();
    std::fs::write(folder.path().join("etc/pmisplicense.toml"), "broken").expect("settings");
    let finished = run_in(folder.path(), "--command features");
    assert!(finished.stdout.contains("<feature name=\"open\"/>"));
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""));
    assert_eq!(std::fs::read_dir(folder.path().join("var")).expect("var").count(), 0);
}

/// The switch comes before arguments and settings; it does not stop questions.
#[test]
fn do_nothing_comes_before_arguments_and_stops_no_questions() {
    let folder = folder();
    std::fs::write(folder.path().join("etc/billmgr.DoNothing"), "").expect("the switch");
    std::fs::write(folder.path().join("etc/pmisplicense.toml"), "broken").expect("settings");
    let stopped = crate::model::command::COMMANDS.into_iter().filter(|command| command.is_stopped);
    let names: Vec<&str> = stopped.map(|command| command.name).collect();
    assert_eq!(names.len(), 15, "{names:?}");
    for name in names {
        assert_eq!(run_in(folder.path(), &format!("--command {name}")), Finished::default(), "{name}");
    }
    assert!(run_in(folder.path(), "--command features").stdout.contains("itemtypes"));
    assert_eq!(run_in(folder.path(), "sync").code, 1, "settings of a subcommand are read first");
    std::fs::write(folder.path().join("etc/pmisplicense.toml"), "").expect("settings");
    assert_eq!(run_in(folder.path(), "sync"), Finished::default());
    let refused = run_in(folder.path(), "resolve 42 --not-bought");
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains("billmgr.DoNothing"), "{}", refused.stderr);
}

/// Errors of the command line are documents in the panel's language, with exit 1, before anything is touched.
#[test]
fn errors_of_the_command_line_are_documents_in_the_panels_language() {
    let folder = folder();
    for (line, head) in [
        ("--command open", "<error type=\"missed\" object=\"item\" value=\"\">"),
        ("--command open --item x --runningoperation 3", "<error type=\"bad_value\" object=\"item\" value=\"x\">"),
        ("--command nosuch", "<error type=\"unknown_command\" object=\"command\" value=\"nosuch\">"),
        ("--command reboot --item 1", "<error type=\"not_supported\" object=\"command\" value=\"reboot\">"),
    ] {
        let finished = run_in(folder.path(), line);
        assert_eq!(finished.code, 1, "{line}");
        let want = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><doc>{head}<param name=\"value\">");
        assert!(finished.stdout.starts_with(&want), "{}", finished.stdout);
        assert!(finished.stdout.ends_with("</next></error></doc>\n"), "{}", finished.stdout);
    }
    assert!(run_in(folder.path(), "--command open --lang ru").stdout.contains("Ничего не сделано"));
    std::fs::write(folder.path().join("etc/pmisplicense.toml"), "\non_clsoe = 1").expect("settings");
    let finished = run_in(folder.path(), "--command sync_item --item 1");
    assert!(finished.stdout.contains("type=\"config\" object=\"on_clsoe\" value=\"2\""), "{}", finished.stdout);
}

/// Ignored options are logged.
#[test]
fn unknown_options_are_logged() {
    let folder = folder();
    run_in(folder.path(), "--command features --shiny hunter2");
    let log = std::fs::read_to_string(folder.path().join("var/pmisplicense.log")).expect("the log");
    assert!(log.contains("unknown option shiny passed over") && !log.contains("hunter2"), "{log}");
}

/// A panic becomes an error like any other. Its message goes only to the log.
#[test]
fn panic_becomes_an_error() {
    let error = caught::<()>(|| panic!("a fault")).expect_err("a panic");
    assert_eq!((error.kind, error.object.as_str()), (ErrorKind::State, "panic"));
}

/// People get text, help and version. A misspelt subcommand ends with exit code 2.
#[test]
fn people_get_text_and_a_misspelt_subcommand_ends_with_code_2() {
    let folder = folder();
    let help = run_in(folder.path(), "--help");
    assert!(help.code == 0 && help.stdout.contains("resolve"));
    assert!(run_in(folder.path(), "--version").stdout.starts_with("pmisplicense "));
    let wrong = run_in(folder.path(), "sinc");
    assert!(wrong.code == 2 && wrong.stdout.is_empty() && !wrong.stderr.is_empty());
    assert_eq!(run_in(folder.path(), "").code, 2);
}

/// Help and usage errors have the language of all other answers: `--lang`, else the locale; with `--json` only
/// `--lang`.
#[test]
fn help_and_usage_errors_have_the_language_of_all_answers() {
    let shown = |locale: &'static str, line: &str| {
        let args = line.split_whitespace().map(OsString::from).collect();
        let finished = run("pmisplicense", args, &move |name| (name == "LC_ALL").then(|| locale.into()));
        [finished.stdout, finished.stderr].concat()
    };
    for (locale, line, words) in [
        ("ru_RU.UTF-8", "help bind", "Использование: pmisplicense bind [ПАРАМЕТРЫ] <УСЛУГА> <ЛИЦЕНЗИЯ>"),
        ("ru_RU.UTF-8", "bind 42", "ошибка: не указано обязательное: «<ЛИЦЕНЗИЯ>»"),
        ("ru_RU.UTF-8", "man", ".SH ПАРАМЕТРЫ"),
        ("ru_RU.UTF-8", "bind 42 --json", "error: the following required arguments"),
        ("ru_RU.UTF-8", "bind --lang en", "error: the following required arguments"),
        ("C", "bind --lang ru", "ошибка: не указано обязательное"),
        ("C", "--lang=ru bind --json", "ошибка: не указано обязательное"),
        ("C", "bind 42", "error: the following required arguments"),
        ("C", "man", ".SH OPTIONS"),
    ] {
        assert!(shown(locale, line).contains(words), "{locale} {line}: {}", shown(locale, line));
    }
}
