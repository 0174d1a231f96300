//! doctor: a line for each problem of the installation, with the next step. The checks are independent: a check that
//! cannot be made says so, and the others go on.

mod cron;
mod identity;
mod installation;
mod state;
mod trade;
mod upstream;
mod watched;

use serde_json::json;

use super::problems;
use super::table::wrapped;
use super::{Answer, Desk};
use crate::error::{ModuleError, Text, counted};
use crate::store::Store;
use crate::text;

/// The longest line of `--brief`, which names the worst finding, in characters.
const BRIEF_CHARS: usize = 200;

/// How bad a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Ok,
    Warning,
    Problem,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One line: a stable name, how bad it is, what was found, and what to do.
struct Check {
    name: &'static str,
    level: Level,
    what: Text,
    next: Option<Text>,
}

/// The lines so far.
#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn ok(&mut self, name: &'static str, what: Text) {
        self.0.push(Check { name, level: Level::Ok, what, next: None });
    }

    /// Adds a line for something that works and could be better.
    fn hint(&mut self, name: &'static str, what: Text, next: Text) {
        self.0.push(Check { name, level: Level::Ok, what, next: Some(next) });
    }

    fn warning(&mut self, name: &'static str, what: Text, next: Text) {
        self.0.push(Check { name, level: Level::Warning, what, next: Some(next) });
    }

    fn problem(&mut self, name: &'static str, what: Text, next: Text) {
        self.0.push(Check { name, level: Level::Problem, what, next: Some(next) });
    }

    /// Adds a line for a step that failed. Its error says what to do.
    fn failed(&mut self, name: &'static str, error: &ModuleError) {
        let causes = error.causes.first().map_or_else(String::new, |cause| format!(" ({cause})"));
        let what = error.without_next();
        let what = text!(["{}{causes}", what.en], ["{}{causes}", what.ru]);
        self.0.push(Check { name, level: Level::Problem, what, next: error.next.as_deref().cloned() });
    }
}

/// `doctor`
///
/// # Errors
/// None: a failure becomes a line.
pub fn doctor(desk: &mut Desk<'_>) -> Result<Answer, ModuleError> {
    let checks = looked(desk);
    Ok(answer(desk, &checks))
}

/// `doctor --brief`: one line and an exit code as Nagios, Icinga and Zabbix expect them. The line names the worst
/// finding.
///
/// # Errors
/// None: a failure is counted.
pub fn brief(desk: &mut Desk<'_>) -> Result<Answer, ModuleError> {
    let checks = looked(desk);
    let count = |level| checks.iter().filter(|check| check.level == level).count();
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    let (word, code) = match (problems, warnings) {
        (0, 0) => ("OK", 0),
        (0, _) => ("WARNING", 1),
        (_, _) => ("CRITICAL", 2),
    };
    let worst = checks.iter().max_by_key(|check| check.level).filter(|check| check.level > Level::Ok);
    let named = worst.map_or_else(String::new, |check| format!(": {}", one_line(desk.say(&check.what))));
    let sum = sum(problems, warnings);
    let line = format!("PMISPLICENSE {word} - {}{named} | problems={problems} warnings={warnings}\n", desk.say(&sum));
    let json = json!({ "status": word, "problems": problems, "warnings": warnings });
    Ok(Answer::new("doctor", line, json).with_code(code))
}

/// The words as one line. `|` is replaced, because Nagios takes the text after it for figures.
pub fn one_line(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/");
    crate::error::shortened(&line, BRIEF_CHARS)
}

fn sum(problems: usize, warnings: usize) -> Text {
    text!(
        ["{}, {}", counted(problems, "problem"), counted(warnings, "warning")],
        ["проблем: {problems}, предупреждений: {warnings}"]
    )
}

fn looked(desk: &mut Desk<'_>) -> Vec<Check> {
    let mut checks = Checks::default();
    installation::installation(desk, &mut checks);
    let store = state::state(desk, &mut checks);
    if desk.ctx.cluster.is_some() {
        cluster(desk, store.as_ref(), &mut checks);
    }
    upstream::database_and_modules(desk, store.as_ref(), &mut checks);
    identity::identity(desk, store.as_ref(), &mut checks);
    if let Some(store) = &store
        && let Err(error) = waiting(desk, store, &mut checks)
    {
        checks.failed("waiting", &error);
    }
    if store.is_some() {
        watched::watched(desk, &mut checks);
    }
    checks.0
}

fn cluster(desk: &Desk<'_>, store: Option<&Store>, checks: &mut Checks) {
    let found = super::cluster::findings(desk, store);
    if found.is_empty() {
        checks.ok(
            "cluster",
            text!(
                "all servers of the cluster's log answer and agree",
                "все серверы журнала кластера отвечают и согласны"
            ),
        );
    }
    for (is_bad, what) in found {
        let next = text!(
            "see docs/cluster.md, and: pmisplicense cluster status",
            "см. docs/cluster.md и pmisplicense cluster status"
        );
        if is_bad { checks.problem("cluster", what, next) } else { checks.warning("cluster", what, next) }
    }
}

fn answer(desk: &Desk<'_>, checks: &[Check]) -> Answer {
    let mut text = String::new();
    let mut list = Vec::new();
    for check in checks {
        let head = match check.level {
            Level::Ok if check.next.is_some() => text!("hint     ", "совет    "),
            Level::Ok => text!("ok       ", "ок       "),
            Level::Warning => text!("warning  ", "внимание "),
            Level::Problem => text!("PROBLEM  ", "ПРОБЛЕМА "),
        };
        text.push_str(&format!("{}{}\n", desk.say(&head), wrapped(desk.say(&check.what), desk.width, 9)));
        if let Some(next) = &check.next {
            text.push_str(&format!("         -> {}\n", wrapped(desk.say(next), desk.width, 12)));
        }
        let next = check.next.as_ref().map(|next| desk.say(next));
        list.push(
            json!({ "check": check.name, "level": check.level.word(), "what": desk.say(&check.what), "next": next }),
        );
    }
    let count = |level| checks.iter().filter(|check| check.level == level).count();
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    let sum = sum(problems, warnings);
    text.push_str(&format!("{}\n", desk.say(&sum)));
    let json = json!({ "checks": list, "problems": problems, "warnings": warnings });
    Answer::new("doctor", text, json).with_code(u8::from(problems > 0))
}

/// Intents in doubt, licenses to be freed, keys that never came.
fn waiting(desk: &mut Desk<'_>, store: &Store, checks: &mut Checks) -> Result<(), ModuleError> {
    let before = checks.0.len();
    // Refusals are one line, however many services wait. Accounts have another check, which also reads the panel.
    let problems = problems::read(desk, store)?;
    let (mut refused, mut to_free) = (0_u32, 0_u32);
    for problem in problems.list() {
        let level = if problem.kind.is_urgent() { Level::Problem } else { Level::Warning };
        match problem.kind {
            problems::Kind::Refused => refused += 1,
            problems::Kind::ToFree => to_free += 1,
            problems::Kind::FormerAccount => {}
            problems::Kind::HandedOver
            | problems::Kind::SyncFails
            | problems::Kind::Gone
            | problems::Kind::KeyLate
            | problems::Kind::Unpaid
            | problems::Kind::InDoubt
            | problems::Kind::NotFree
            | problems::Kind::Claimed => checks.0.push(Check {
                name: problem.kind.word(),
                level,
                what: problem.what.clone(),
                next: Some(problem.next.clone()),
            }),
        }
    }
    if refused > 0 {
        checks.warning(
            "refused",
            text!(
                [
                    "{} waited for money at the seller or had a request refused, and got no license or renewal since",
                    counted(refused, "service")
                ],
                ["ждали денег у продавца или получили отказ и с тех пор не получили лицензии или продления: {refused}"]
            ),
            text!(
                "when the cause is removed: pmisplicense retry --all",
                "когда причина устранена: pmisplicense retry --all"
            ),
        );
    }
    if to_free > 0 {
        checks.warning(
            "to_free",
            text!(
                ["{} waiting to be freed for over two hours", counted(to_free, "license")],
                ["больше двух часов ждут освобождения: {to_free}"]
            ),
            text!("run: pmisplicense sync", "выполните: pmisplicense sync"),
        );
    }
    if checks.0.len() == before {
        checks.ok(
            "waiting",
            text!(
                "nothing waits: no request in doubt, no late key",
                "ничего не ждёт: запросов под вопросом и опоздавших ключей нет"
            ),
        );
    }
    Ok(())
}
