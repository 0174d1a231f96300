//! Usage errors in Russian, made from the kinds and contexts of clap's errors, and the error of a value that cannot be
//! read. Nothing is printed here.

use std::fmt;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, Error, ErrorFormatter, ErrorKind};

use crate::error::Text;

/// Why a value of the command line cannot be used. clap quotes the English text, [`InRussian`] the Russian one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable(pub Text);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.en)
    }
}

impl std::error::Error for Unusable {}

/// clap's errors in Russian: what is wrong, the values that are possible or likely, the usage, and how to get help.
pub(super) struct InRussian;

impl ErrorFormatter for InRussian {
    fn format_error(error: &Error<Self>) -> StyledStr {
        let mut text = format!("ошибка: {}", happened(error));
        for kind in [ContextKind::ValidValue, ContextKind::ValidSubcommand] {
            if let Some(values) = words(error, kind) {
                text.push_str(&format!("\n  [варианты: {}]", values.join(", ")));
            }
        }
        for kind in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue] {
            if let Some(likely) = words(error, kind) {
                text.push_str(&format!("\n\n  похоже на: {}", quoted(&likely)));
            }
        }
        if let Some(usage) = error.get(ContextKind::Usage) {
            text.push_str(&format!("\n\n{}", usage.to_string().replace("Usage:", "Использование:")));
        }
        StyledStr::from(format!("{text}\n\nСправка: --help.\n"))
    }
}

/// The words of a context. `None`: the error does not have it, or it is empty.
fn words(error: &Error<InRussian>, kind: ContextKind) -> Option<Vec<String>> {
    let value = error.get(kind)?;
    let words = if let ContextValue::String(word) = value {
        vec![word.clone()]
    } else if let ContextValue::Strings(words) = value {
        words.clone()
    } else {
        return None;
    };
    words.iter().any(|word| !word.is_empty()).then_some(words)
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("«{word}»")).collect::<Vec<_>>().join(", ")
}

/// What is wrong, as a sentence without its full stop.
fn happened(error: &Error<InRussian>) -> String {
    let context = |kind| words(error, kind).map(|words| quoted(&words)).unwrap_or_default();
    let number = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let (argument, value) = (context(ContextKind::InvalidArg), context(ContextKind::InvalidValue));
    match error.kind() {
        ErrorKind::UnknownArgument => format!("неизвестный параметр {argument}"),
        ErrorKind::InvalidSubcommand => format!("неизвестная команда {}", context(ContextKind::InvalidSubcommand)),
        ErrorKind::MissingSubcommand => format!("после {} нужна команда", context(ContextKind::InvalidSubcommand)),
        ErrorKind::MissingRequiredArgument => format!("не указано обязательное: {argument}"),
        ErrorKind::ArgumentConflict => match context(ContextKind::PriorArg) {
            same if same == argument => format!("{argument} можно указать только один раз"),
            none if none.is_empty() => format!("{argument} не сочетается с другими указанными параметрами"),
            prior => format!("{argument} не сочетается с {prior}"),
        },
        ErrorKind::InvalidValue if value.is_empty() => format!("для {argument} не указано значение"),
        ErrorKind::InvalidValue => format!("для {argument} не подходит значение {value}"),
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Unusable>());
            let why = why.map(|why| format!(": {}", why.0.ru)).unwrap_or_default();
            format!("для {argument} не подходит значение {value}{why}")
        }
        ErrorKind::TooManyValues => format!("для {argument} лишнее значение {value}"),
        ErrorKind::TooFewValues => format!(
            "для {argument} указано значений: {}, нужно не меньше {}",
            number(ContextKind::ActualNumValues),
            number(ContextKind::MinValues)
        ),
        ErrorKind::WrongNumberOfValues => format!(
            "для {argument} указано значений: {}, нужно {}",
            number(ContextKind::ActualNumValues),
            number(ContextKind::ExpectedNumValues)
        ),
        ErrorKind::NoEquals => format!("значение для {argument} указывается через знак равенства"),
        ErrorKind::InvalidUtf8 => "один из параметров не в UTF-8".to_owned(),
        // Help and version carry their own text. An error while printing them has a cause of the system.
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::DisplayVersion
        | ErrorKind::Io
        | ErrorKind::Format
        | _ => "командная строка не понята".to_owned(),
    }
}
