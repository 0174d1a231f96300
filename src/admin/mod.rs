//! The administrator's commands: look, understand, check, repair. They answer with text and tables for people, and a
//! stable JSON for programs. Every change at the seller or in the panel goes through the engine; this module sends
//! nothing itself.

pub mod adopt;
pub mod cluster;
pub mod completions;
pub mod doctor;
pub mod explain;
mod find;
pub mod forecast;
pub mod history;
pub mod identity;
pub mod import;
pub mod leave;
pub mod list;
pub mod metrics;
pub mod monthly;
pub mod pool;
pub mod preview;
pub mod problems;
mod progress;
pub mod raw;
pub mod reconcile;
pub mod record;
pub mod repair;
pub mod show;
pub mod state_file;
mod stream;
mod table;
pub mod takeover;
mod usage;
pub mod whmcs;

use serde_json::{Value, json};

pub use self::table::folded;
use crate::context::{Behind, Context};
use crate::error::{ErrorKind, Lang, Message, ModuleError, Text};
use crate::run_report::RunReport;
use crate::session::open_state;
use crate::session::state::is_there;
use crate::store::Store;
use crate::text;

/// Version of the JSON answers. It is raised when a field changes its meaning or is removed.
const JSON_VERSION: u32 = 1;

/// What an administrator's command works with: the context and the terminal.
pub struct Desk<'d> {
    /// The run.
    pub ctx: &'d mut Context,
    /// Columns that a line may have.
    pub width: usize,
    /// Asks the operator; `None`: there is no terminal to ask on.
    pub ask: Option<&'d mut dyn FnMut(&str) -> bool>,
    /// Prints progress immediately.
    pub tell: &'d mut dyn FnMut(&str),
    /// Columns of the terminal for `tell`, where a line can be overwritten. `None`: it is not a terminal.
    pub live: Option<usize>,
    /// True with `--json`: a program reads the answer.
    pub json: bool,
    /// There is no state file yet: the answer is about an empty one.
    pub is_without_state: bool,
    /// Prints a part of a long answer. False when nobody reads it any more.
    pub print: &'d mut dyn FnMut(&str) -> bool,
}

/// The answer of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// For people.
    pub text: String,
    /// For programs.
    pub json: Value,
    /// For people: the failures. Cron mails this part only.
    pub stderr: String,
    /// The exit code. 0: fine, 1: problems.
    pub code: u8,
    /// The answer was printed row by row already, so text and JSON are empty.
    pub printed: bool,
}

impl Answer {
    /// An answer with a text for people and the fields of `json` for programs. Version and command are added.
    fn new(command: &str, text: String, json: Value) -> Self {
        let mut whole = json!({ "version": JSON_VERSION, "command": command });
        if let (Some(whole), Value::Object(fields)) = (whole.as_object_mut(), json) {
            whole.extend(fields);
        }
        Self { text, json: whole, stderr: String::new(), code: 0, printed: false }
    }

    /// An answer that was printed already.
    fn printed() -> Self {
        Self { text: String::new(), json: Value::Null, stderr: String::new(), code: 0, printed: true }
    }

    /// An answer without text. Programs get the fields of `json`; version and command are added.
    pub fn silent(command: &str, json: Value) -> Self {
        Self::new(command, String::new(), json)
    }

    /// One message. Programs get the whole text, and what was changed and the next step by themselves.
    pub fn sentence(command: &str, lang: Lang, message: impl Into<Message>) -> Self {
        let message = message.into();
        let (text, parts) = (message.text(), message.parts(lang));
        let words = text.in_lang(lang);
        let json = json!({ "text": words, "changed": parts["changed"], "next": parts["next"] });
        Self::new(command, format!("{words}\n"), json)
    }

    /// The fields `failures` and `passed_over`, and the exit code that they mean.
    #[must_use]
    pub fn with_report(mut self, report: &RunReport, lang: Lang) -> Self {
        if let (Some(whole), Value::Object(fields)) = (self.json.as_object_mut(), report.json(lang)) {
            whole.extend(fields);
        }
        self.code = self.code.max(report.code());
        self
    }

    /// For programs: there is no state file yet, and the answer is about an empty one.
    #[must_use]
    pub fn without_state(mut self) -> Self {
        if let Some(fields) = self.json.as_object_mut() {
            fields.insert("no_state".to_owned(), Value::Bool(true));
        }
        self
    }

    /// For programs: this machine could not catch up with the cluster's log, and the answer is about its own state.
    #[must_use]
    pub fn with_replica(mut self, behind: &Behind, lang: Lang) -> Self {
        if let Some(fields) = self.json.as_object_mut() {
            fields.insert("replica".to_owned(), behind.json(lang));
        }
        self
    }

    fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }
}

impl Desk<'_> {
    fn say<'t>(&self, text: &'t Text) -> &'t str {
        text.in_lang(self.ctx.lang)
    }

    /// The state for reading; an empty one while there is no file, which is not made for a look.
    pub fn store(&self) -> Result<Store, ModuleError> {
        if self.ctx.copy.is_some() || is_there(self.ctx)? {
            return open_state(self.ctx);
        }
        Store::in_memory(&self.ctx.fresh_panel).map_err(crate::engine::state_error)
    }

    /// Shows what is about to happen and asks. `yes`: does not ask.
    ///
    /// # Errors
    /// `missed`: there is no terminal to ask on, or the answer is no.
    fn confirm(&mut self, plan: &Text, yes: bool) -> Result<(), ModuleError> {
        let plan = plan.in_lang(self.ctx.lang).to_owned();
        if yes {
            (self.tell)(&format!("{plan}\n"));
            return Ok(());
        }
        let question = text!("{plan}\nGo on? [y/N] ", "{plan}\nПродолжить? [y/N] ");
        let question = self.say(&question).to_owned();
        match self.ask.as_mut().map(|ask| ask(&question)) {
            Some(true) => Ok(()),
            Some(false) => Err(refused(text!("nothing was done, as you said", "ничего не сделано, как вы и сказали"))),
            None => Err(refused(
                text!("There is no terminal to ask on", "Нет терминала, чтобы спросить")
                    .changed(text!("Nothing was done", "Ничего не сделано"))
                    .next(text!(
                        "repeat the command with --yes. It would do this: {plan}",
                        "повторите команду с --yes. Она сделает вот что: {plan}"
                    )),
            )),
        }
    }

    /// Asks a question. Without a terminal the answer is no.
    fn agrees(&mut self, question: &Text) -> bool {
        let question = format!("{}? [y/N] ", self.say(question));
        self.ask.as_mut().is_some_and(|ask| ask(&question))
    }
}

fn refused(words: impl Into<Message>) -> ModuleError {
    ModuleError::new(ErrorKind::Missed, "yes", "", words)
}

/// A day for people; a dash for none.
fn day(day: Option<chrono::NaiveDate>) -> String {
    day.map_or_else(|| "-".to_owned(), |day| day.to_string())
}

/// An optional value for people.
fn dash(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
