//! doctor: a line for each problem of the installation, with the next step. The checks are independent: a check that
//! cannot be made says so, and the others go on.

mod cron;
mod identity;
mod trade;
mod upstream;
mod watched;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde_json::json;

use super::problems;
use super::table::wrapped;
use super::{Answer, Desk};
use crate::engine::{RESTORED, state_error};
use crate::error::{ModuleError, Text, counted};
use crate::session::open_state;
use crate::session::state::is_there;
use crate::store::Store;
use crate::text;

/// The descriptions that belong to this program.
const XML: [(&str, &str); 3] = [
    ("billmgr_mod_pmisplicense.xml", include_str!("../../xml/billmgr_mod_pmisplicense.xml")),
    ("billmgr_mod_pmisplicense_event.xml", include_str!("../../xml/billmgr_mod_pmisplicense_event.xml")),
    (PAGES_XML, include_str!("../../xml/billmgr_mod_pmisplicense_pages.xml")),
];

/// The description of the pages: only where the settings want them.
const PAGES_XML: &str = "billmgr_mod_pmisplicense_pages.xml";

/// The link that the panel starts for a page.
const PAGES_HANDLER: &str = "addon/pmisplicense-pages";

/// Less free space than this beside the state is a problem.
const FREE_BYTES: u64 = 100 << 20;

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
        let what = text!(["{}{causes}", error.message.en], ["{}{causes}", error.message.ru]);
        self.0.push(Check { name, level: Level::Problem, what, next: None });
    }
}

/// `doctor`
///
/// # Errors
/// None: a failure becomes a line.
pub fn doctor(desk: &mut Desk<'_>) -> Result<Answer, ModuleError> {
    let checks = looked(desk);
    Ok(told(desk, &checks))
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
    installation(desk, &mut checks);
    let store = state(desk, &mut checks);
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

fn told(desk: &Desk<'_>, checks: &[Check]) -> Answer {
    let mut text = String::new();
    let mut list = Vec::new();
    for check in checks {
        let head = match check.level {
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

fn installation(desk: &Desk<'_>, checks: &mut Checks) {
    let root = &desk.ctx.settings.root;
    let shown = root.display();
    let tool = root.join("sbin/mgrctl");
    if tool.exists() {
        checks.ok("root", text!("panel in {shown}", "панель в {shown}"));
    } else {
        checks.problem(
            "root",
            text!("{} is not there", "{} не найден", tool.display()),
            text!(
                "set mgr_root in the settings, or PMISPLICENSE_MGR_ROOT",
                "задайте mgr_root в настройках или PMISPLICENSE_MGR_ROOT"
            ),
        );
    }
    if root.join("etc/billmgr.DoNothing").exists() {
        checks.warning(
            "do_nothing",
            text!("the panel is switched to doing nothing", "панель в режиме бездействия"),
            text!("remove {shown}/etc/billmgr.DoNothing", "удалите {shown}/etc/billmgr.DoNothing"),
        );
    }
    let has_pages = desk.ctx.settings.pages;
    for (name, wanted) in XML.into_iter().filter(|(name, _)| has_pages || *name != PAGES_XML) {
        let path = root.join("etc/xml").join(name);
        let install = reinstall();
        match std::fs::read_to_string(&path) {
            Ok(found) if found == wanted => {
                checks.ok("xml", text!("description {name} is installed", "описание {name} установлено"))
            }
            Ok(_) => checks.warning(
                "xml",
                text!("description {name} is of another version", "описание {name} другой версии"),
                install,
            ),
            Err(_) => checks.problem(
                "xml",
                text!("description {name} is not installed", "описание {name} не установлено"),
                install,
            ),
        }
    }
    let handler = root.join("addon").join(crate::event_hook::HANDLER);
    if handler.exists() {
        checks.ok("events", text!("the event handler is in place", "обработчик событий на месте"));
    } else {
        checks.warning(
            "events",
            text!(
                "no event handler is installed: licenses of servers wait for the next sync",
                "нет обработчика событий: лицензии серверов ждут следующего sync"
            ),
            reinstall(),
        );
    }
    match (has_pages, root.join(PAGES_HANDLER).exists()) {
        (true, true) => checks.ok("pages", text!("the pages of the panel are in place", "страницы панели на месте")),
        (true, false) => checks.warning(
            "pages",
            text!("the panel has no pages of ours", "страниц программы в панели нет"),
            reinstall(),
        ),
        (false, true) => checks.hint(
            "pages",
            text!("pages = false, and the pages are still installed", "pages = false, но страницы ещё установлены"),
            reinstall(),
        ),
        (false, false) => {}
    }
    cron::check(&std::fs::read_to_string(cron::FILE).unwrap_or_default(), checks);
}

fn reinstall() -> Text {
    text!("install the package again, or run: make install", "установите пакет заново или выполните: make install")
}

fn state(desk: &Desk<'_>, checks: &mut Checks) -> Option<Store> {
    let path = &desk.ctx.settings.state;
    match is_there(desk.ctx) {
        Ok(true) => {}
        Ok(false) => {
            checks.ok(
                "state",
                text!(
                    "no state yet: nothing was bought by this installation",
                    "состояния ещё нет: эта установка ничего не покупала"
                ),
            );
            return None;
        }
        Err(error) => {
            checks.failed("state", &error);
            return None;
        }
    }
    let mode = std::fs::metadata(path).map(|meta| meta.permissions().mode() & 0o777).unwrap_or(0);
    let folder = path.parent().unwrap_or(Path::new("/"));
    let folder_mode = std::fs::metadata(folder).map(|meta| meta.mode() & 0o777).unwrap_or(0);
    let shown = path.display();
    if mode & 0o077 != 0 || folder_mode & 0o077 != 0 {
        checks.problem(
            "permissions",
            text!(
                "others may read {shown} (mode {mode:o}, folder {folder_mode:o})",
                "{shown} доступен другим (права {mode:o}, каталог {folder_mode:o})"
            ),
            text!(
                "run: chmod 700 {}; chmod 600 {shown}",
                "выполните: chmod 700 {}; chmod 600 {shown}",
                folder.display()
            ),
        );
    }
    let store = match open_state(desk.ctx) {
        Ok(store) => store,
        Err(error) => {
            checks.failed("state", &error);
            return None;
        }
    };
    if let Err(error) = inside(desk, &store, checks) {
        checks.failed("state", &error);
    }
    free_space(folder, checks);
    Some(store)
}

fn inside(desk: &Desk<'_>, store: &Store, checks: &mut Checks) -> Result<(), ModuleError> {
    let wrong = store.integrity().map_err(state_error)?;
    let version = store.version().map_err(state_error)?;
    match wrong.first() {
        None => checks.ok("state", text!("the state is whole, version {version}", "состояние цело, версия {version}")),
        Some(first) => checks.problem(
            "state",
            text!("the state is damaged: {first}", "состояние повреждено: {first}"),
            text!("put a backup back: pmisplicense restore FILE", "верните копию: pmisplicense restore ФАЙЛ"),
        ),
    }
    let known = store.home_machine().map_err(state_error)?;
    let machine = &desk.ctx.machine;
    if machine.is_empty() {
        let file = desk.ctx.settings.machine_id.display();
        checks.warning(
            "machine",
            text!(
                "{file} is empty or missing, so the program would not notice a state file copied from another machine",
                "файл {file} пуст или отсутствует: программа не заметила бы состояние, скопированное с другой машины"
            ),
            text!(
                "run: systemd-machine-id-setup; in a container name another file in PMISPLICENSE_MACHINE_ID",
                "выполните: systemd-machine-id-setup; в контейнере задайте другой файл в PMISPLICENSE_MACHINE_ID"
            ),
        );
    }
    if !known.is_empty() && !machine.is_empty() && known != *machine {
        checks.problem(
            "machine",
            text!(
                "the state was made on another machine, so the program only reads",
                "состояние создано на другой машине: программа только читает"
            ),
            text!(
                "if the panel moved here for good: pmisplicense state claim",
                "если панель переехала насовсем: pmisplicense state claim"
            ),
        );
    }
    if let Some(when) = store.meta(RESTORED).map_err(state_error)? {
        checks.problem(
            "restored",
            text!(
                "the state was restored, or found to be old, at {when}, so the program only reads",
                "состояние восстановлено или оказалось старым {when}: программа только читает"
            ),
            text!("run: pmisplicense reconcile --apply", "выполните: pmisplicense reconcile --apply"),
        );
    }
    Ok(())
}

fn free_space(folder: &Path, checks: &mut Checks) {
    let Ok(stat) = rustix::fs::statvfs(folder) else { return };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let mib = free >> 20;
    if free < FREE_BYTES {
        checks.problem(
            "space",
            text!("{mib} MiB free beside the state", "рядом с состоянием свободно {mib} МиБ"),
            text!(
                "make room: without it nothing is bought or renewed",
                "освободите место: без него ничего не покупается и не продлевается"
            ),
        );
    } else {
        checks.ok("space", text!("{mib} MiB free beside the state", "рядом с состоянием свободно {mib} МиБ"));
    }
}

/// Doubts, licenses to be freed, keys that never came.
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
            | problems::Kind::Doubt
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
