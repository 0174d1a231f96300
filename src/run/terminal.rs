//! How wide the texts for people may be: as wide as the terminal that they are read on.

use std::ffi::OsString;
use std::io::IsTerminal;

use crate::admin::folded;

/// The width for a file or another program: nothing is cut or wrapped.
const UNLIMITED: usize = 100_000;

/// The width of a terminal that does not report one.
const USUAL: usize = 80;

/// Nothing is laid out narrower than this.
const NARROWEST: usize = 40;

/// The columns of stdout: what the environment says, else those of the terminal.
pub(super) fn columns(variable: &dyn Fn(&str) -> Option<OsString>) -> usize {
    let stdout = std::io::stdout();
    let terminal =
        || stdout.is_terminal().then(|| terminal_size::terminal_size().map_or(USUAL, |(width, _)| width.0.into()));
    named(variable).or_else(terminal).unwrap_or(UNLIMITED).max(NARROWEST)
}

/// The columns of stderr. `None`: it is not a terminal, so nothing is wrapped or overwritten there.
pub(super) fn error_columns(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<usize> {
    let stderr = std::io::stderr();
    let terminal = || terminal_size::terminal_size_of(&stderr).map_or(USUAL, |(width, _)| width.0.into());
    stderr.is_terminal().then(|| named(variable).unwrap_or_else(terminal).max(NARROWEST))
}

fn named(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<usize> {
    variable("COLUMNS").and_then(|text| text.to_str().and_then(|text| text.parse().ok()))
}

/// Words for stderr. A line of progress, which returns to its beginning, stays as it is.
pub(super) fn for_stderr(words: &str, columns: Option<usize>) -> String {
    match columns {
        Some(columns) if !words.contains('\r') => folded(words, columns),
        Some(_) | None => words.to_owned(),
    }
}
