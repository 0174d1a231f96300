//! Each text of the declarations has a Russian translation, and the help names the same options and commands in both
//! languages.

use std::collections::BTreeSet;

use super::*;

fn built(mut command: Command) -> Command {
    command.build();
    command
}

/// A command and those beneath it, with the words that lead to it. The copies beneath `help` are never shown.
fn each<'a>(command: &'a Command, path: &str, into: &mut Vec<(String, &'a Command)>) {
    into.push((path.to_owned(), command));
    for sub in command.get_subcommands().filter(|_| command.get_name() != "help") {
        each(sub, format!("{path} {}", sub.get_name()).trim(), into);
    }
}

fn is_russian(text: &str) -> bool {
    text.chars().any(|c| ('а'..='я').contains(&c))
}

/// A text without a row would be shown in English; a row without a text is what is left of a text that was changed.
#[test]
fn each_text_has_one_row_and_each_row_a_text() {
    let (mut asked, mut missing) = (BTreeSet::new(), BTreeSet::new());
    translated(built(AdminArgs::command()), &mut |text| {
        asked.insert(text.to_owned());
        let row = TEXTS.iter().find(|(en, _)| *en == text);
        if row.is_none() {
            missing.insert(text.to_owned());
        }
        row.map(|(_, ru)| *ru)
    });
    assert_eq!(missing, BTreeSet::new(), "texts without Russian");
    let superfluous: Vec<_> = TEXTS.iter().filter(|(en, _)| !asked.contains(*en)).map(|(en, _)| en).collect();
    assert_eq!(superfluous, Vec::<&&str>::new());
    let rows: BTreeSet<_> = TEXTS.iter().map(|(en, _)| en).collect();
    assert_eq!(rows.len(), TEXTS.len(), "two rows for one text");
    let untranslated: Vec<_> =
        TEXTS.iter().filter(|(en, ru)| !is_russian(ru) && en.chars().any(|c| c.is_lowercase())).collect();
    let kept = ["(map.csv: licenseid,item)"];
    assert!(untranslated.iter().all(|(en, _)| kept.contains(en)), "{untranslated:?}");
}

/// Names of options, commands and values that a help shows, and the commands of its examples.
fn named(help: &str) -> BTreeSet<String> {
    let examples = help.lines().map(str::trim).filter(|line| line.starts_with("pmisplicense "));
    let examples = examples.map(|line| line.split("  ").next().unwrap_or(line).to_owned());
    let options = help.split(|c: char| c.is_whitespace() || "[],;:.«»'`\"()".contains(c));
    let options = options.filter(|word| word.starts_with('-') && word.len() > 1).map(str::to_owned);
    examples.chain(options).collect()
}

/// Each Russian help, short and long, is without clap's English words, and has the options and examples of the English.
#[test]
fn each_help_is_whole() {
    let (english, russian) = (built(AdminArgs::command()), command());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    each(&russian, "", &mut ours);
    each(&english, "", &mut theirs);
    assert!(ours.len() > 30, "{}", ours.len());
    assert_eq!(ours.len(), theirs.len());
    for ((path, ours), (other, theirs)) in ours.into_iter().zip(theirs) {
        assert_eq!(path, other);
        let (ours, theirs) = (ours.clone(), theirs.clone());
        for long in [false, true] {
            let shown = |mut command: Command| match long {
                true => command.render_long_help().to_string(),
                false => command.render_help().to_string(),
            };
            let (ours, theirs) = (shown(ours.clone()), shown(theirs.clone()));
            assert_eq!(named(&ours), named(&theirs), "{path}\n{ours}\n{theirs}");
            for words in ["Usage", "Options:", "Commands:", "Arguments:", "ossible values", "default:", "COMMAND"] {
                assert!(!ours.contains(words), "{path}: {words} in {ours}");
            }
        }
    }
}

fn text_of(line: &str) -> String {
    let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    usage_error(words.iter()).unwrap_or_else(|| panic!("{line} is understood"))
}

/// Each kind of usage error that our declarations can cause names what is wrong, in Russian from the first word on.
#[test]
fn every_usage_error_is_reported_in_russian_from_the_first_word_on() {
    let usage = "\n\nИспользование: pmisplicense";
    for (line, error) in [
        ("sinc", "неизвестная команда «sinc»\n\n  похоже на: «sync»"),
        ("list --statsu pool", "неизвестный параметр «--statsu»\n\n  похоже на: «--status»"),
        (
            "list --status free",
            "для «--status <СОСТОЯНИЕ>» не подходит значение «free»\n  [варианты: bound, claimed, to-free, pool, stopped, deleted]",
        ),
        (
            "list --status",
            "для «--status <СОСТОЯНИЕ>» не указано значение\n  [варианты: bound, claimed, to-free, pool, stopped, deleted]",
        ),
        (
            "list --expires-before x",
            "для «--expires-before <ДЕНЬ>» не подходит значение «x»: нужна дата вида 2027-01-31",
        ),
        ("list --product 1 --product 2", "«--product <ИМЯ>» можно указать только один раз"),
        ("bind x 5001", "для «<УСЛУГА>» не подходит значение «x»: нужно число"),
        ("bind 42", "не указано обязательное: «<ЛИЦЕНЗИЯ>»"),
        ("bind 42 5001 5002", "неизвестный параметр «5002»"),
        (
            "bind 42 5001 --take-from x",
            "для «--take-from <PANEL_ID>» не подходит значение «x»: нужны восемь строчных латинских букв и цифр",
        ),
        ("prune --older-than 5", "для «--older-than <ДНЕЙ>» не подходит значение «5»: нужно число от 30 до 65535"),
        ("resolve 42 --bought 1 --not-bought", "«--bought <ЛИЦЕНЗИЯ>» не сочетается с «--not-bought»"),
        ("list --problems=1", "для «--problems» лишнее значение «1»"),
    ] {
        let text = text_of(&format!("pmisplicense {line}"));
        assert!(text.starts_with(&format!("ошибка: {error}\n")), "{line}: {text}");
        assert!(text.ends_with("\n\nСправка: --help.\n"), "{text}");
        assert!(!text.contains("OPTIONS") && !text.contains("Usage") && !text.contains("error"), "{text}");
        assert!(text.contains(usage) || text.contains("не подходит") || text.contains("не указано знач"), "{text}");
    }
    assert!(text_of("pmisplicense").contains("Команды:"), "help, when nothing is asked for");
    assert!(text_of("pmisplicense help state claim").contains("панель навсегда переехала"));
    assert!(text_of("pmisplicense --version").starts_with("pmisplicense "));
}
