//! The work that a pass over many items or licenses left undone, and what each failure concerns. A failure of one item
//! or license never ends a pass, but a failure of the account does. A pass reports everything that it leaves alone.
//! Every pass collects its failures here, and only this module makes the text, the JSON and the exit code from them.

use serde_json::{Value, json};

use crate::error::{Lang, ModuleError, Text, as_sentence, counted};
use crate::model::ids::{ItemId, LicenseId, ModuleId};
use crate::text;

/// Most entries that a text names; the others are counted. The log and `--json` hold all of them.
const NAMED: usize = 10;

/// What a failure concerns, and so how far it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The account of a module, or all of its licenses: the pass over it has ended.
    Account,
    /// One item: the pass goes on.
    Item(ItemId),
    /// One license: the pass goes on.
    License(LicenseId),
}

/// Why something was left undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// It was tried and did not work.
    Failed,
    /// A guard held back all changes of its kind until an operator allows them.
    HeldBack,
    /// The item shows a license that our state does not hold for it.
    UnknownLicense,
    /// It is bound in the account that its module bought from before.
    FormerAccount,
    /// Another run holds it at this moment and finishes it.
    OtherRun,
    /// Its service ended. It stays, still paid for, in an account that an operator left behind.
    LeftInFormerAccount,
}

impl Why {
    /// The stable word of the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::HeldBack => "held_back",
            Self::UnknownLicense => "unknown_license",
            Self::FormerAccount => "former_account",
            Self::OtherRun => "other_run",
            Self::LeftInFormerAccount => "left_in_former_account",
        }
    }

    /// Whether a pass that left something for this reason ends with 1. It does not when another run finishes it.
    pub fn fails(self) -> bool {
        match self {
            Self::Failed | Self::HeldBack | Self::UnknownLicense | Self::FormerAccount => true,
            Self::OtherRun | Self::LeftInFormerAccount => false,
        }
    }
}

/// One thing that a pass left undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The processing module whose pass it was; `None`: it concerns the whole run.
    pub module: Option<ModuleId>,
    /// What it concerns.
    pub scope: Scope,
    /// Why it was left.
    pub why: Why,
    /// What happened, and what to do next.
    pub error: ModuleError,
}

/// The first few by name, and the number of the others.
pub fn named(scopes: impl Iterator<Item = Scope>) -> Text {
    list(scopes.filter_map(name).collect())
}

fn name(scope: Scope) -> Option<Text> {
    match scope {
        Scope::Item(item) => Some(text!("service {item}", "услуга {item}")),
        Scope::License(license) => Some(text!("license {license}", "лицензия {license}")),
        Scope::Account => None,
    }
}

fn list(names: Vec<Text>) -> Text {
    let joined = |words: fn(&Text) -> &str| names.iter().take(NAMED).map(words).collect::<Vec<_>>().join(", ");
    let (en, ru) = (joined(|name| &name.en), joined(|name| &name.ru));
    match names.len().saturating_sub(NAMED) {
        0 => text!(["{en}"], ["{ru}"]),
        more => text!(["{en} and {more} more"], ["{ru} и ещё {more}"]),
    }
}

impl Entry {
    /// The item, license or account, in words.
    pub fn name(&self) -> Text {
        name(self.scope).unwrap_or_else(|| match self.module {
            Some(module) => text!("module {module}", "модуль {module}"),
            None => text!("all modules", "все модули"),
        })
    }

    /// The item, license or account, and what happened.
    pub fn line(&self) -> Text {
        let (name, message) = (self.name(), &self.error.message);
        text!(["{}: {}", name.en, message.en], ["{}: {}", name.ru, message.ru])
    }

    fn json(&self, lang: Lang) -> Value {
        let (item, license) = match self.scope {
            Scope::Account => (None, None),
            Scope::Item(item) => (Some(item.0), None),
            Scope::License(license) => (None, Some(license.0)),
        };
        let (changed, next) = self.error.parts(lang);
        json!({
            "module": self.module.map(|module| module.0), "item": item, "license": license, "why": self.why.word(),
            "type": self.error.kind.word(), "object": self.error.object, "value": self.error.value,
            "message": self.error.message.in_lang(lang), "changed": changed, "next": next,
            "causes": self.error.causes,
        })
    }
}

/// What a pass left undone, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunReport {
    entries: Vec<Entry>,
}

impl RunReport {
    /// Adds something that was tried and did not work.
    pub fn failed(&mut self, module: impl Into<Option<ModuleId>>, scope: Scope, error: ModuleError) {
        self.left(module, scope, Why::Failed, error);
    }

    /// Adds something that was left alone.
    pub fn left(&mut self, module: impl Into<Option<ModuleId>>, scope: Scope, why: Why, error: ModuleError) {
        self.entries.push(Entry { module: module.into(), scope, why, error });
    }

    /// Adds what another pass left undone.
    pub fn add(&mut self, other: Self) {
        self.entries.extend(other.entries);
    }

    /// The report with every text changed, for example masked.
    #[must_use]
    pub fn mapped(self, change: impl Fn(&str) -> String) -> Self {
        let mapped = |entry: Entry| Entry { error: entry.error.mapped(&change), ..entry };
        Self { entries: self.entries.into_iter().map(mapped).collect() }
    }

    /// Everything that was left undone.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries that make the pass end with 1.
    pub fn failures(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.why.fails())
    }

    /// Whether the pass ends with 1.
    pub fn fails(&self) -> bool {
        self.failures().next().is_some()
    }

    /// The exit code of a pass.
    pub fn code(&self) -> u8 {
        u8::from(self.fails())
    }

    /// The failure that gives the pass its type. Failures of an account come first, then those that were tried and
    /// failed, then those that were left alone; among equal ones the first.
    pub fn first(&self) -> Option<&Entry> {
        // Of equal ones, `min_by_key` returns the first.
        self.failures().min_by_key(|entry| (entry.scope != Scope::Account || entry.why != Why::Failed, entry.why))
    }

    /// The failures as one error of the command `command`. `None`: the pass succeeded.
    pub fn error(&self, command: &str) -> Option<ModuleError> {
        let first = self.first()?;
        let message = match self.failures().count() {
            1 => match (first.scope, first.why) {
                (Scope::Account, _) => *first.error.message.clone(),
                (Scope::Item(_) | Scope::License(_), _) => {
                    let line = first.line();
                    text!(
                        ["{command}: {} Everything else was done.", as_sentence(&line.en)],
                        ["{command}: {} Остальное выполнено.", as_sentence(&line.ru)]
                    )
                }
            },
            count => {
                let (names, line) = (self.names(), first.line());
                let rest = match self.failures().any(|entry| entry.scope == Scope::Account && entry.why == Why::Failed)
                {
                    true => text!("Some other work could not be done either.", "Остальное выполнено не полностью."),
                    false => text!("Everything else was done.", "Остальное выполнено."),
                };
                text!(
                    ["{command}: {}: {}. {} The first: {}", counted(count, "failure"), names.en, rest.en, line.en],
                    ["{command}: не удалось {count}: {}. {} Первая ошибка: {}", names.ru, rest.ru, line.ru]
                )
            }
        };
        Some(ModuleError { message: Box::new(message), ..first.error.clone() })
    }

    /// The first failures by name, and the number of the others.
    fn names(&self) -> Text {
        list(self.failures().map(Entry::name).collect())
    }

    /// Each of the first failures with its causes and its type, and a line that counts the others.
    pub fn failure_lines(&self) -> Vec<Text> {
        let line = |entry: &Entry| with_details(&entry.error, &entry.line());
        shown(self.failures().collect(), line)
    }

    /// A line for each of the first things that were left without making the pass fail.
    pub fn other_lines(&self) -> Vec<Text> {
        shown(self.entries.iter().filter(|entry| !entry.why.fails()).collect(), Entry::line)
    }

    /// `failures` and `passed_over`, all of them.
    pub fn json(&self, lang: Lang) -> Value {
        let list = |fails: bool| -> Vec<Value> {
            self.entries.iter().filter(|entry| entry.why.fails() == fails).map(|entry| entry.json(lang)).collect()
        };
        json!({ "failures": list(true), "passed_over": list(false) })
    }
}

/// The words about an error, and below them its causes and its type, which documents and options name.
pub fn with_details(error: &ModuleError, words: &Text) -> Text {
    let causes: String = error.causes.iter().map(|cause| format!("\n  {cause}")).collect();
    let kind = error.kind.word();
    text!(["{}{causes}\n  type: {kind}", words.en], ["{}{causes}\n  тип: {kind}", words.ru])
}

fn shown(entries: Vec<&Entry>, line: impl Fn(&Entry) -> Text) -> Vec<Text> {
    let more = entries.len().saturating_sub(NAMED);
    let mut lines: Vec<Text> = entries.into_iter().take(NAMED).map(line).collect();
    if more > 0 {
        lines.push(text!("and {more} more; the log names all of them", "и ещё {more}; все они названы в логе"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn error(kind: ErrorKind, words: &str) -> ModuleError {
        ModuleError::new(kind, "object", "value", Text::same(words))
    }

    const MODULE: ModuleId = ModuleId(7);

    /// A single failure is reported with its name, several with at most ten names. The failure of an account comes
    /// first.
    #[test]
    fn an_error_names_the_first_failures_and_counts_the_rest() {
        let mut report = RunReport::default();
        assert_eq!(report.error("sync"), None);
        report.left(MODULE, Scope::Item(ItemId(1)), Why::OtherRun, error(ErrorKind::Busy, "busy"));
        assert_eq!(report.error("sync"), None, "another run finishes it");
        report.left(MODULE, Scope::Account, Why::HeldBack, error(ErrorKind::Config, "30 renewals held back"));
        let words = |report: &RunReport| {
            report.error("sync").map(|error| (error.kind, error.message.en, error.message.ru)).expect("it fails")
        };
        assert_eq!(words(&report).1, "30 renewals held back");
        report.failed(MODULE, Scope::Item(ItemId(42)), error(ErrorKind::Upstream, "no"));
        assert_eq!(
            words(&report),
            (
                ErrorKind::Upstream,
                "sync: 2 failures: module 7, service 42. Everything else was done. The first: service 42: no"
                    .to_owned(),
                "sync: не удалось 2: модуль 7, услуга 42. Остальное выполнено. Первая ошибка: услуга 42: no".to_owned()
            )
        );
        for id in 1..=10 {
            report.failed(MODULE, Scope::License(LicenseId(id)), error(ErrorKind::BadAnswer, "odd"));
        }
        assert!(words(&report).1.contains("license 8 and 2 more. Everything else was done."), "{:?}", words(&report));
        report.failed(ModuleId(8), Scope::Account, error(ErrorKind::Auth, "login refused"));
        assert_eq!(words(&report).0, ErrorKind::Auth);
        assert!(
            words(&report).1.ends_with("Some other work could not be done either. The first: module 8: login refused")
        );
        let mut one = RunReport::default();
        one.failed(MODULE, Scope::License(LicenseId(5)), error(ErrorKind::BadAnswer, "odd"));
        assert_eq!(words(&one).1, "sync: license 5: odd. Everything else was done.");
    }

    /// There are at most ten lines, and the JSON has all. Work of another run is not a failure.
    #[test]
    fn the_json_holds_what_the_text_only_counts() {
        let mut report = RunReport::default();
        for id in 1..=12 {
            report.failed(MODULE, Scope::Item(ItemId(id)), error(ErrorKind::Upstream, "no").because("odd answer"));
        }
        report.left(MODULE, Scope::License(LicenseId(9)), Why::OtherRun, error(ErrorKind::Busy, "held elsewhere"));
        let lines = report.failure_lines();
        assert_eq!((lines.len(), lines[0].en.as_str()), (11, "service 1: no\n  odd answer\n  type: upstream"));
        assert_eq!(lines[10].en, "and 2 more; the log names all of them");
        assert_eq!(report.other_lines(), [text!("license 9: held elsewhere", "лицензия 9: held elsewhere")]);
        let json = report.json(Lang::En);
        assert_eq!(json["failures"].as_array().map(Vec::len), Some(12));
        assert_eq!(json["failures"][11]["item"], 12);
        assert_eq!(json["failures"][0]["type"], "upstream");
        assert_eq!(
            (&json["passed_over"][0]["why"], &json["passed_over"][0]["license"]),
            (&json!("other_run"), &json!(9))
        );
    }
}
