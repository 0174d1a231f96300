//! The command line's help and usage errors in Russian. The declarations are English. This module walks once through
//! the tree that clap makes of them, and replaces each text by its translation in `texts`. It also replaces clap's own
//! words.

#[cfg(test)]
mod tests;
mod texts;

use std::ffi::OsString;

use clap::builder::PossibleValue;
use clap::{Arg, Command, CommandFactory};

use self::texts::TEXTS;
use super::AdminArgs;
use super::changed;
use super::usage_error::InRussian;
use crate::error::Lang;

/// The translation of a text of the declarations. `None`: there is none.
type Find<'a> = &'a mut dyn FnMut(&str) -> Option<&'static str>;

/// Help, version or the usage error for a command line that clap does not carry out.
pub fn usage_error<'a>(words: impl Iterator<Item = &'a OsString>) -> Option<String> {
    let error = command().try_get_matches_from(words).err()?;
    // This is the one word of clap's help that no setting replaces.
    Some(error.apply::<InRussian>().render().to_string().replace("[OPTIONS]", "[ПАРАМЕТРЫ]"))
}

/// The command line with Russian help.
pub fn command() -> Command {
    let mut command = AdminArgs::command();
    // Only a built tree has clap's own options and its command `help`.
    command.build();
    translated(command, &mut |text| TEXTS.iter().find(|(en, _)| *en == text).map(|(_, ru)| *ru))
}

/// A command and all commands beneath it with their texts in Russian. Arguments keep their places, because a built
/// command knows them by place.
fn translated(command: Command, find: Find) -> Command {
    let mut command = command.mut_args(|arg| argument(arg, find)).mut_subcommands(|sub| translated(sub, find));
    if let Some(about) = command.get_about().map(ToString::to_string) {
        command = command.about(lines(&about, find));
    }
    if let Some(about) = command.get_long_about().map(ToString::to_string) {
        command = command.long_about(lines(&about, find));
    }
    if let Some(after) = command.get_after_help().map(ToString::to_string) {
        command = command.after_help(lines(&after, find));
    }
    if let Some(after) = command.get_after_long_help().map(ToString::to_string) {
        let (before, table) = match after.strip_suffix(&changed::list(Lang::En)) {
            Some(before) => (before.to_owned(), changed::list(Lang::Ru)),
            None => (after, String::new()),
        };
        command = command.after_long_help(lines(&before, find) + &table);
    }
    let template = template(&command);
    command.subcommand_value_name("КОМАНДА").help_template(template)
}

/// clap's own layout, with Russian headings.
fn template(command: &Command) -> String {
    let has_commands = command.get_subcommands().any(|sub| !sub.is_hide_set());
    let parts = [
        (has_commands, "\n\nКоманды:\n{subcommands}"),
        (command.get_positionals().next().is_some(), "\n\nАргументы:\n{positionals}"),
        (command.get_arguments().any(|arg| !arg.is_positional()), "\n\nПараметры:\n{options}"),
    ];
    let parts = parts.iter().filter(|(is_there, _)| *is_there).map(|(_, part)| *part);
    format!("{{about-with-newline}}\nИспользование: {{usage}}{}{{after-help}}", parts.collect::<String>())
}

/// An argument in Russian. clap's headings of values cannot be replaced, so they are hidden, and the help has the
/// values.
fn argument(arg: Arg, find: Find) -> Arg {
    let text = |styled: Option<&clap::builder::StyledStr>| styled.map(ToString::to_string).unwrap_or_default();
    let (short, long) = (text(arg.get_help()), text(arg.get_long_help().or(arg.get_help())));
    let (short, long) = (lines(&short, find), lines(&long, find));
    let takes_values = arg.get_action().takes_values();
    // A flag has the name of a value too, which is never shown.
    let names = arg.get_value_names().filter(|_| takes_values);
    let names: Option<Vec<_>> = names.map(|names| names.iter().filter_map(|name| find(name)).collect());
    let possible = if takes_values { arg.get_possible_values() } else { Vec::new() };
    let default = match arg.get_default_values() {
        [value, ..] if takes_values => Some(format!("[по умолчанию: {}]", value.to_string_lossy())),
        [..] => None,
    };
    let listed = possible.iter().map(PossibleValue::get_name).collect::<Vec<_>>().join(", ");
    let listed = (!listed.is_empty()).then(|| format!("[варианты: {listed}]"));
    let described = possible.iter().any(|value| value.get_help().is_some());
    let each = described.then(|| possible_values(&possible, find));
    let joined = |parts: [Option<String>; 3], between: &str| {
        parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(between)
    };
    let has_long = described || arg.get_long_help().is_some();
    let mut arg = arg.hide_possible_values(true).hide_default_value(true);
    if has_long {
        arg = arg.long_help(joined([Some(long), each.or_else(|| listed.clone()), default.clone()], "\n\n"));
    }
    arg = arg.help(joined([Some(short), listed, default], " "));
    names.into_iter().fold(arg, Arg::value_names)
}

/// The possible values, each with its meaning.
fn possible_values(values: &[PossibleValue], find: Find) -> String {
    let width = values.iter().map(|value| value.get_name().chars().count()).max().unwrap_or(0) + 1;
    let mut text = "Варианты:".to_owned();
    for value in values {
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        let name = format!("{}:", value.get_name());
        text.push_str(&format!("\n- {name:width$} {}", lines(&help, find)));
    }
    text
}

/// A text line by line. A line that shows a command keeps it; only the remark after two spaces or more is translated.
fn lines(text: &str, find: Find) -> String {
    let line = |line: &str| {
        let words = line.trim_start();
        let remark = match words.starts_with("pmisplicense ") {
            true => words.rsplit_once("  ").map_or("", |(_, remark)| remark),
            false => words,
        };
        let kept = line.strip_suffix(remark).unwrap_or(line);
        let words = if remark.is_empty() { "" } else { find(remark).unwrap_or(remark) };
        format!("{kept}{words}")
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}
