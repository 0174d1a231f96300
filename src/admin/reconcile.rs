//! reconcile: lists the differences between panel, state and seller. With --apply it carries the remedies out, one
//! after the other.

mod terminal;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::preview::with_fields;
use super::progress::Bar;
use super::show::our_modules;
use super::table::wrapped;
use super::{Answer, Desk};
use crate::engine::{self, Allow, Phase};
use crate::error::{ErrorKind, Lang, ModuleError, Text, counted};
use crate::model::ids::{ItemId, ModuleId};
use crate::model::license::Money;
use crate::plan::cost::Bill;
use crate::plan::finding::{Finding, Kind, Remedy};
use crate::session::servers::servers_of;
use crate::session::state::is_there;
use crate::session::{module, open_state, with_engine};
use crate::text;
use crate::watch::last_runs::{self, LastRuns, SeenDifference};

use terminal::{Terminal, balance_for};

/// What happened to a finding.
enum Outcome {
    /// It was only reported.
    Named,
    /// Its remedy was carried out.
    Done(String),
    /// Its remedy failed.
    Failed(String),
}

/// The differences that are put right. A difference that needs a decision is only named, always.
#[derive(Debug, Clone, Copy)]
pub enum Apply<'a> {
    /// None.
    Nothing,
    /// All.
    All,
    /// Those with these [ids](SeenDifference::id).
    Only(&'a BTreeSet<String>),
    /// Those of a service or of a kind.
    Chosen(&'a [Chosen]),
}

/// What `--only` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// A service.
    Item(ItemId),
    /// A kind of difference.
    Kind(Kind),
}

impl Chosen {
    /// Reads the number of a service, or the word of a kind.
    ///
    /// # Errors
    /// `bad_value`: it is neither.
    pub fn parse(text: &str) -> Result<Self, ModuleError> {
        let kind = || Kind::ALL.into_iter().find(|kind| kind.word() == text).map(Self::Kind);
        text.parse().ok().map(Self::Item).or_else(kind).ok_or_else(|| {
            let kinds = Kind::ALL.map(Kind::word).join(", ");
            let words = text!(
                "{text:?} is neither the number of a service nor a kind of difference",
                "{text:?} — ни номер услуги, ни вид отличия"
            );
            ModuleError::new(ErrorKind::BadValue, "only", text, words)
                .changed(text!("Nothing was changed", "Ничего не изменено"))
                .next(text!("name a number or one of these kinds: {kinds}", "укажите номер или вид: {kinds}"))
        })
    }

    fn covers(self, finding: &Finding) -> bool {
        match self {
            Self::Item(item) => finding.item == Some(item),
            Self::Kind(kind) => finding.kind == kind,
        }
    }
}

impl Apply<'_> {
    fn covers(self, module: ModuleId, finding: &Finding) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::Only(ids) => ids.contains(&seen(module, finding).id()),
            Self::Chosen(list) => list.iter().any(|chosen| chosen.covers(finding)),
        }
    }
}

/// The differences, with what became of them, and the first error of a module that could not be compared.
pub struct Reconciled {
    results: Vec<(ModuleId, Finding, Outcome)>,
    /// The balances of the modules where something is to be bought, as far as the sellers tell them.
    balances: BTreeMap<ModuleId, Money>,
    error: Option<ModuleError>,
}

impl Reconciled {
    /// Why differences could not be put right.
    pub fn failures(&self) -> impl Iterator<Item = &str> {
        self.results.iter().filter_map(|(.., outcome)| match outcome {
            Outcome::Failed(words) => Some(words.as_str()),
            Outcome::Named | Outcome::Done(_) => None,
        })
    }

    /// What is still to be bought, by module.
    fn bills(&self) -> BTreeMap<ModuleId, Bill> {
        let is_left = |outcome: &Outcome| !matches!(outcome, Outcome::Done(_));
        let left = self.results.iter().filter(|(_, finding, outcome)| finding.buys() && is_left(outcome));
        let modules: BTreeSet<ModuleId> = left.clone().map(|(module, ..)| *module).collect();
        let of = |module: ModuleId| {
            let findings = left.clone().filter(|(of, ..)| *of == module).map(|(_, finding, _)| finding);
            (module, Finding::bill(findings))
        };
        modules.into_iter().map(of).collect()
    }

    /// Why a module could not be compared, while others were.
    pub fn error(&self) -> Option<&ModuleError> {
        self.error.as_ref()
    }
}

/// `reconcile`
///
/// # Errors
/// Any error that prevents the comparison. A remedy that failed is part of the answer.
pub fn reconcile(
    desk: &mut Desk<'_>,
    only: Option<ModuleId>,
    apply: Apply<'_>,
    allow: Allow,
) -> Result<Answer, ModuleError> {
    let reconciled = carried_out(desk, only, apply, allow)?;
    Ok(answer(desk, &reconciled, apply))
}

/// Compares, and puts right what is to be.
///
/// # Errors
/// As [`reconcile`].
pub fn carried_out(
    desk: &mut Desk<'_>,
    only: Option<ModuleId>,
    apply: Apply<'_>,
    allow: Allow,
) -> Result<Reconciled, ModuleError> {
    let modules = match only {
        Some(id) => {
            let all = desk.ctx.data.billdb()?.modules().map_err(crate::context::database_error)?;
            vec![module::ours(&all, id)?.id]
        }
        None => our_modules(desk)?,
    };
    let lang = desk.ctx.lang;
    let (mut results, mut first_error, mut balances) = (Vec::new(), None, BTreeMap::new());
    for module in modules {
        let servers = servers_of(desk.ctx, module)?;
        let mut terminal = Terminal { lang, bar: Bar(desk.live), tell: &mut *desk.tell, ask: &mut desk.ask };
        let done = with_engine(desk.ctx, module, |engine| {
            engine.also_look_at(servers);
            let findings = terminal.survey(engine, module)?;
            if let Some(balance) = balance_for(engine, &findings)? {
                balances.insert(module, balance);
            }
            terminal.put_right(engine, module, findings, (apply, allow), balances.get(&module))
        });
        match done {
            Ok(list) => results.extend(list.into_iter().map(|(finding, outcome)| (module, finding, outcome))),
            Err(error) => {
                desk.ctx.log.error(&format!("reconcile of module {module}: {error}"));
                first_error = first_error.or(Some(error));
            }
        }
    }
    results.extend(former_accounts(desk, only)?);
    match first_error {
        Some(error) if results.is_empty() => Err(error),
        error => {
            if only.is_none() && error.is_none() {
                remember(desk, &results);
            }
            Ok(Reconciled { results, balances, error })
        }
    }
}

/// A kind for people: the word that `--only` takes, in Russian with its meaning.
fn kind_words(kind: Kind) -> Text {
    text!(["{}", kind.word()], ["{} ({})", kind.title().ru, kind.word()])
}

/// The question about one difference, on a terminal.
fn question(finding: &Finding) -> Text {
    let (kind, what, remedy) = (kind_words(finding.kind), &finding.what, finding.remedy_words());
    let cost = cost(finding).map_or_else(Text::default, |cost| text!([" ({})", cost.en], [" ({})", cost.ru]));
    text!(
        ["{}: {}\n  -> {}{}\nDo that? [y/N] ", kind.en, what.en, remedy.en, cost.en],
        ["{}: {}\n  -> {}{}\nВыполнить? [y/N] ", kind.ru, what.ru, remedy.ru, cost.ru]
    )
}

/// The cost of a difference in words: the price of what its remedy buys, else the cost of its license.
fn cost(finding: &Finding) -> Option<Text> {
    match (finding.buys(), &finding.price, &finding.cost) {
        (true, Some(price), _) => Some(text!("costs {price}, list price", "стоит {price} по прайсу")),
        (true, None, _) => Some(text!("costs money; the price is not known", "стоит денег; цена неизвестна")),
        (false, _, Some(cost)) => Some(text!("the license costs {cost}", "лицензия стоит {cost}")),
        (false, _, None) => None,
    }
}

/// The cost of a difference as an amount, for programs and for the page in the panel.
fn cost_word(finding: &Finding) -> Option<String> {
    match finding.buys() {
        true => finding.price.as_ref().map(ToString::to_string),
        false => finding.cost.clone(),
    }
}

/// Whether the state is older than the last changes that were made with it. If the program went on before these are all
/// in the state, it would buy again what was bought.
fn is_old(some: &[Finding], others: &[Finding]) -> bool {
    some.iter().chain(others).any(|finding| matches!(finding.remedy, Remedy::CompleteState(_)))
}

fn only_together(module: ModuleId) -> ModuleError {
    let words = text!(
        "The state is old: it has missed changes that this installation made. The differences of an old state are corrected all together, not one by one",
        "Состояние старое: части сделанного этой установкой в нём нет. Различия старого состояния исправляются все вместе, а не по одному"
    );
    ModuleError::new(ErrorKind::State, "reconcile", module, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!("run: pmisplicense reconcile --apply", "выполните: pmisplicense reconcile --apply"))
}

/// Remembers the differences that were left, for monitoring. A full disk does not fail the answer.
fn remember(desk: &Desk<'_>, results: &[(ModuleId, Finding, Outcome)]) {
    let left = results.iter().filter(|(.., outcome)| !matches!(outcome, Outcome::Done(_)));
    let seen = left.map(|(module, finding, _)| seen(*module, finding)).collect();
    let now = desk.ctx.clock.now();
    let _ = LastRuns::change(&last_runs::path(&desk.ctx.settings), |all| all.reconciled(now, seen));
}

/// A difference as it is remembered.
fn seen(module: ModuleId, finding: &Finding) -> SeenDifference {
    let both = |text: &Text| (text.en.clone(), text.ru.clone());
    SeenDifference {
        kind: finding.kind.word().to_owned(),
        module: module.0,
        item: finding.item.map(|item| item.0),
        license: finding.license.map(|license| license.0),
        what: both(&finding.what),
        remedy: both(&finding.remedy_words()),
        cost: cost_word(finding),
        command: match &finding.remedy {
            Remedy::Operator(command) => Some(command.clone()),
            Remedy::TakeIn(..)
            | Remedy::CompleteState(_)
            | Remedy::Look(_)
            | Remedy::SwitchOff(_)
            | Remedy::Free(_)
            | Remedy::Obtain(_) => None,
        },
    }
}

/// Findings for licenses that are bound with accounts that no module buys from any more.
fn former_accounts(
    desk: &mut Desk<'_>,
    only: Option<ModuleId>,
) -> Result<Vec<(ModuleId, Finding, Outcome)>, ModuleError> {
    if !is_there(desk.ctx)? {
        return Ok(Vec::new());
    }
    let modules = desk.ctx.data.billdb()?.modules().map_err(crate::context::database_error)?;
    let former = engine::former_accounts(&open_state(desk.ctx)?, &modules, desk.ctx.clock.today())?;
    let named = former.into_iter().filter(|one| only.is_none_or(|only| only == one.module)).map(|one| {
        let (what, remedy) = (one.words().0, Remedy::Operator(one.command()));
        let finding = Finding {
            kind: Kind::FormerAccount,
            item: None,
            license: None,
            what,
            remedy,
            step: None,
            cost: None,
            price: None,
        };
        (one.module, finding, Outcome::Named)
    });
    Ok(named.collect())
}

fn busy_with(module: ModuleId, phase: Phase) -> Text {
    match phase {
        Phase::Licenses => text!("module {module}: licenses", "модуль {module}: лицензии"),
        Phase::State => text!("module {module}: state", "модуль {module}: состояние"),
        Phase::Services => text!("module {module}: services", "модуль {module}: услуги"),
    }
}

fn answer(desk: &Desk<'_>, reconciled: &Reconciled, apply: Apply<'_>) -> Answer {
    let lang = desk.ctx.lang;
    let (results, error) = (&reconciled.results, reconciled.error.as_ref());
    let (mut text, mut list, mut left) = (String::new(), Vec::new(), 0_u32);
    for (module, finding, outcome) in results {
        let (sign, after) = match outcome {
            Outcome::Named => ('-', finding.remedy_words().in_lang(lang).to_owned()),
            Outcome::Done(words) => ('+', words.clone()),
            Outcome::Failed(words) => ('!', words.clone()),
        };
        left += u32::from(!matches!(outcome, Outcome::Done(_)));
        let head = format!("{}: {}", kind_words(finding.kind).in_lang(lang), finding.what.in_lang(lang));
        text.push_str(&format!("{sign} {}\n", wrapped(&head, desk.width, 2)));
        if let Some(cost) = cost(finding) {
            text.push_str(&format!("  {}\n", cost.in_lang(lang)));
        }
        text.push_str(&format!("  -> {}\n", wrapped(&after, desk.width, 5)));
        list.push(finding_json(*module, finding, outcome, lang));
    }
    if let Some(error) = error {
        text.push_str(&format!("! {}\n", wrapped(error.message.in_lang(lang), desk.width, 2)));
    }
    let bills = reconciled.bills();
    for (module, bill) in &bills {
        let sum = bill.sentence(reconciled.balances.get(module));
        let words = text!(["module {module}, to buy: {}", sum.en], ["модуль {module}, купить: {}", sum.ru]);
        text.push_str(&format!("{}\n", wrapped(words.in_lang(lang), desk.width, 2)));
    }
    let total = results.len();
    let sum = match (total, apply) {
        (0, _) if error.is_none() => {
            text!("panel, state and the seller agree", "панель, состояние и продавец согласны")
        }
        (_, Apply::Chosen(_)) if !results.iter().any(|(module, finding, _)| apply.covers(*module, finding)) => text!(
            [
                "{}; --only names none of these: it takes the number of a service, or the kind of a difference",
                counted(total, "difference")
            ],
            ["различий: {total}; в --only ни одно из них не названо: укажите номер услуги или вид различия"]
        ),
        (_, Apply::All | Apply::Only(_) | Apply::Chosen(_)) => {
            text!(["{}, {left} left", counted(total, "difference")], ["различий: {total}, осталось: {left}"])
        }
        (_, Apply::Nothing) => text!(
            ["{}; to correct what can be corrected: pmisplicense reconcile --apply", counted(total, "difference")],
            ["различий: {total}; исправить, что можно: pmisplicense reconcile --apply"]
        ),
    };
    text.push_str(&format!("{}\n", wrapped(sum.in_lang(lang), desk.width, 2)));
    let code = u8::from(left > 0 || error.is_some());
    let costs: Vec<Value> = bills
        .iter()
        .map(|(module, bill)| with_fields(json!({ "module": module.0 }), bill.json(reconciled.balances.get(module))))
        .collect();
    let error = error.map(|error| desk.say(&error.message));
    let json = json!({ "differences": list, "to_buy": costs, "left": left, "error": error });
    Answer::new("reconcile", text, json).with_code(code)
}

fn finding_json(module: ModuleId, finding: &Finding, outcome: &Outcome, lang: Lang) -> Value {
    let (outcome, words) = match outcome {
        Outcome::Named => ("named", None),
        Outcome::Done(words) => ("done", Some(words)),
        Outcome::Failed(words) => ("failed", Some(words)),
    };
    let command = match &finding.remedy {
        Remedy::Operator(command) => Some(command.as_str()),
        Remedy::TakeIn(..)
        | Remedy::CompleteState(_)
        | Remedy::Look(_)
        | Remedy::SwitchOff(_)
        | Remedy::Free(_)
        | Remedy::Obtain(_) => None,
    };
    json!({
        "module": module.0,
        "kind": finding.kind.word(),
        "item": finding.item.map(|item| item.0),
        "license": finding.license.map(|license| license.0),
        "what": finding.what.in_lang(lang),
        "remedy": finding.remedy.word(),
        "command": command,
        "cost": cost_word(finding),
        "outcome": outcome,
        "result": words,
    })
}
