//! `--dry-run`: the production engine on a copy of the state in memory, with a panel and a seller that answer questions
//! and only write changes down. Each change then counts as done and reads show it, so that the same code also shows the
//! steps after a success. The consequences of a refusal or a lost answer are not shown.

mod panel;
mod upstream;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use chrono::NaiveDate;
use serde_json::{Value, json};

pub use self::panel::{RehearsedPanel, RehearsedTool};
pub use self::upstream::RehearsedConnector;
use crate::error::{Lang, ModuleError, Text};
use crate::model::ids::{ItemId, LicenseId};
use crate::model::item::Item;
use crate::model::license::{Cost, License, Money};
use crate::plan::cost::Bill;
use crate::ports::{Form, LockGuard, LockName, Locks, Notes};
use crate::text;

/// The number of the first license that would be ordered. The next ones count down. No seller has reached such numbers.
const FIRST_LICENSE: u32 = u32::MAX;

/// The number of the first service that the panel would make. The next ones count down.
const FIRST_ITEM: u32 = u32::MAX - 1_000_000;

/// Something that would happen, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A reason.
    Note(Text),
    /// Something that an operator should know.
    Warning(Text),
    /// A request that changes something at the seller: the host, the account there, and what it costs.
    Send { to: String, account: String, form: Form, cost: Cost },
    /// A call of the panel's tool that changes something.
    Call(Form),
}

/// The results that the changes so far would have.
#[derive(Debug, Default)]
struct Made {
    steps: Vec<Step>,
    /// Licenses as they would be, by account and number.
    licenses: BTreeMap<(String, LicenseId), License>,
    ordered: u32,
    keys: u32,
    /// Parameters as they would be, by service.
    params: BTreeMap<ItemId, BTreeMap<String, String>>,
    /// Services that the panel would have made.
    items: BTreeMap<ItemId, Item>,
    /// The balances of the accounts where something would be bought, as far as the sellers tell them.
    balances: BTreeMap<String, Option<Money>>,
}

/// The list of the steps. Clones are cheap and write into the same list.
#[derive(Debug, Clone)]
pub struct Script {
    made: Rc<RefCell<Made>>,
    today: NaiveDate,
}

/// The command of the dry run, and how it would end.
#[derive(Debug)]
pub struct Rehearsed<'r> {
    /// The protocol's word.
    pub command: &'r str,
    /// Its service.
    pub item: Option<ItemId>,
    /// Why it would fail.
    pub error: Option<&'r ModuleError>,
    /// The panel is switched to doing nothing.
    pub switched_off: bool,
}

impl Script {
    /// An empty list. `today` is the seller's day.
    pub fn new(today: NaiveDate) -> Self {
        Self { made: Rc::default(), today }
    }

    fn push(&self, step: Step) {
        self.made.borrow_mut().steps.push(step);
    }

    /// The list for people.
    pub fn text(&self, run: &Rehearsed<'_>, lang: Lang) -> String {
        let say = |text: Text| format!("{}\n", text.in_lang(lang));
        let (command, item) = (run.command, run.item.map_or_else(String::new, |item| format!(" {item}")));
        let mut out = say(text!(
            "Dry run of {command}{item}: questions were asked; nothing was sent, called or written.",
            "Пробный прогон {command}{item}: заданы только вопросы; ничего не отправлено, не вызвано и не записано."
        ));
        if run.switched_off {
            out += &say(text!(
                "The panel is switched to doing nothing (etc/billmgr.DoNothing): without that file it would be so:",
                "Панель переведена в режим бездействия (etc/billmgr.DoNothing); без этого файла было бы так:"
            ));
        }
        let made = self.made.borrow();
        for step in &made.steps {
            out += &match step {
                Step::Note(words) => format!("  {}\n", made.named(words.in_lang(lang))),
                Step::Warning(words) => format!("! {}\n", made.named(words.in_lang(lang))),
                Step::Send { to, form, cost: Cost::None, .. } => {
                    say(text!("would send to {to}: {}", "отправил бы на {to}: {}", made.line(form)))
                }
                Step::Send { to, form, cost: Cost::Seller(_) | Cost::ListPrice(_) | Cost::Unknown, .. } => say(text!(
                    "would send (costs money) to {to}: {}",
                    "отправил бы (стоит денег) на {to}: {}",
                    made.line(form)
                )),
                Step::Call(form) => say(text!("would call: {}", "вызвал бы: {}", made.line(form))),
            };
        }
        let bills = made.bills();
        for (to, bill, balance) in &bills {
            let sum = bill.sentence(*balance);
            out += &match bills.len() {
                1 => say(sum),
                _ => say(text!(["{to}: {}", sum.en], ["{to}: {}", sum.ru])),
            };
        }
        let changes = made.steps.iter().filter(|step| matches!(step, Step::Send { .. } | Step::Call(_))).count();
        out += &match (changes, run.error) {
            (_, Some(error)) => {
                let (kind, words) = (error.kind.word(), made.named(error.message.in_lang(lang)));
                say(text!("It would fail with {kind}: {words}", "Завершился бы ошибкой {kind}: {words}"))
            }
            (0, None) => say(text!("Nothing would be changed.", "Ничего бы не изменилось.")),
            (_, None) => say(text!(
                "Each step assumes that those before it succeed; a refusal or a lost answer changes what follows.",
                "Каждый шаг считает предыдущие удавшимися; отказ или потерянный ответ изменит дальнейшее."
            )),
        };
        out
    }

    /// The list for programs.
    pub fn json(&self, run: &Rehearsed<'_>, lang: Lang) -> Value {
        let made = self.made.borrow();
        let steps: Vec<Value> = made
            .steps
            .iter()
            .map(|step| match step {
                Step::Note(words) => json!({ "step": "note", "text": made.named(words.in_lang(lang)) }),
                Step::Warning(words) => json!({ "step": "warning", "text": made.named(words.in_lang(lang)) }),
                Step::Send { to, form, cost, .. } => json!({
                    "step": "send", "to": to, "func": form.func, "params": made.params(form),
                    "paid": *cost != Cost::None, "price": cost.price().map(ToString::to_string),
                }),
                Step::Call(form) => json!({ "step": "call", "func": form.func, "params": made.params(form) }),
            })
            .collect();
        let error = run.error.map(|error| {
            let (changed, next) = error.parts(lang);
            json!({
                "type": error.kind.word(), "object": error.object, "value": made.named(&error.value),
                "message": made.named(error.message.in_lang(lang)),
                "changed": changed.map(|words| made.named(words)), "next": next.map(|words| made.named(words)),
            })
        });
        let to_buy: Vec<Value> = made
            .bills()
            .into_iter()
            .map(|(to, bill, balance)| {
                let mut json = bill.json(balance);
                json["to"] = json!(to);
                json
            })
            .collect();
        json!({
            "version": 1, "command": "dry_run", "of": run.command, "item": run.item.map(|item| item.0),
            "switched_off": run.switched_off, "steps": steps, "to_buy": to_buy, "error": error,
        })
    }
}

impl Made {
    /// What would be spent at each account, and its balance before.
    fn bills(&self) -> Vec<(&str, Bill, Option<&Money>)> {
        let spent = |account: &str| {
            let prices = self.steps.iter().filter_map(|step| match step {
                Step::Send { account: of, cost, .. } if of == account && *cost != Cost::None => Some(cost.price()),
                Step::Send { .. } | Step::Call(_) | Step::Note(_) | Step::Warning(_) => None,
            });
            Bill::of(prices)
        };
        self.balances.iter().map(|(to, balance)| (to.as_str(), spent(to), balance.as_ref())).collect()
    }

    /// Replaces numbers that were not given out yet by names for people.
    fn named(&self, words: &str) -> String {
        let name =
            |word: &str, index: u32, count: u32| if count == 1 { word.to_owned() } else { format!("{word}-{index}") };
        let made = u32::try_from(self.items.len()).unwrap_or(0);
        let licenses = (0..self.ordered).map(|n| (FIRST_LICENSE - n, name("NEW", n + 1, self.ordered)));
        let items = (0..made).map(|n| (FIRST_ITEM - n, name("NEW-SERVICE", n + 1, made)));
        licenses.chain(items).fold(words.to_owned(), |words, (number, name)| words.replace(&number.to_string(), &name))
    }

    fn shown<'f>(&'f self, form: &'f Form) -> impl Iterator<Item = (&'f str, String)> {
        form.params.iter().map(|(name, value)| {
            (name.as_str(), if form.is_secret(name) { "***".to_owned() } else { self.named(value) })
        })
    }

    /// The request as a command line, secrets masked.
    fn line(&self, form: &Form) -> String {
        let params: String = self.shown(form).map(|(name, value)| format!(" {name}={}", quoted(&value))).collect();
        format!("{}{params}", form.func)
    }

    fn params(&self, form: &Form) -> Value {
        Value::Object(self.shown(form).map(|(name, value)| (name.to_owned(), Value::String(value))).collect())
    }
}

/// A value quoted for a shell if it holds white space, and without control characters, which a terminal would
/// interpret.
fn quoted(value: &str) -> String {
    let clean: String = value.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let plain =
        !clean.is_empty() && !clean.contains(|letter: char| letter.is_whitespace() || "'\"$`\\".contains(letter));
    if plain { clean } else { format!("'{}'", clean.replace('\'', "'\\''")) }
}

impl Notes for Script {
    fn note(&self, text: &Text) {
        self.push(Step::Note(text.clone()));
    }

    fn warn(&self, text: &Text) {
        self.push(Step::Warning(text.clone()));
    }
}

/// Locks of a run that changes nothing: it does not wait, and leaves no file.
pub struct NoLocks;

struct NoGuard;

impl LockGuard for NoGuard {}

impl Locks for NoLocks {
    fn try_lock(&self, _: LockName) -> Result<Option<Box<dyn LockGuard>>, String> {
        Ok(Some(Box::new(NoGuard)))
    }

    fn try_share(&self, _: LockName) -> Result<Option<Box<dyn LockGuard>>, String> {
        Ok(Some(Box::new(NoGuard)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// New numbers have names, also inside words; values are quoted as a shell wants them, secrets never shown.
    #[test]
    fn a_line_names_new_numbers_quotes_values_and_shows_no_secret() {
        let made = Made { ordered: 2, ..Made::default() };
        let form = Form::new("service.saveparam")
            .with("licid", FIRST_LICENSE)
            .with("lickey", "KEY")
            .with("licname", "Bob's shop\n")
            .with("none", "");
        assert_eq!(made.line(&form), "service.saveparam licid=NEW-1 lickey=*** licname='Bob'\\''s shop ' none=''");
        assert_eq!(made.named("license 4294967294 bound"), "license NEW-2 bound");
        let old = Form::new("service.saveparam").with("name", "lickey").with("value", "KEY");
        assert_eq!(made.line(&old), "service.saveparam name=lickey value=***");
    }
}
