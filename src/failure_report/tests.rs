//! The traces of a failed run in the panel: running operation, task, problem, and the saved document to the letter.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::*;
use crate::context::{Data, PanelData, PanelTool};
use crate::error::Text;
use crate::model::ids::LicenseId;
use crate::model::item::Item;
use crate::model::period::AlignmentRule;
use crate::ports::{
    BillDb, Connector, DbError, Module, ModuleAccess, Panel, PanelCall, PanelError, RunningOperation, Upstream, Whmcs,
};
use crate::settings::{Environment, Settings};

type Calls = Rc<RefCell<Vec<String>>>;

/// A panel that records its calls. The row has `tries` after the error was saved.
#[derive(Clone, Default)]
struct Fake {
    calls: Calls,
    tries: i64,
    has_task: bool,
    task_type: &'static str,
    broken: bool,
}

impl Fake {
    fn answered<T>(&self, call: String, answer: T) -> Result<T, PanelError> {
        self.calls.borrow_mut().push(call);
        if self.broken { Err(PanelError::Unknown("killed".into())) } else { Ok(answer) }
    }
}

impl PanelTool for Fake {
    fn database(&mut self) -> Result<Box<dyn PanelData>, ModuleError> {
        Ok(Box::new(self.clone()))
    }
    fn module_settings(&mut self, _: ModuleId) -> Result<ModuleAccess, PanelError> {
        Err(PanelError::NotStarted("not asked here".into()))
    }
    fn save_error(&mut self, operation: RunningOperationId, errorxml: &str) -> Result<(), PanelError> {
        self.answered(format!("save {operation} {errorxml}"), ())
    }
    fn set_manual(&mut self, operation: RunningOperationId) -> Result<(), PanelError> {
        self.answered(format!("manual {operation}"), ())
    }
    fn task_type(&mut self, command: &str, item: ItemId) -> Result<String, PanelError> {
        self.answered(format!("gettype {command} {item}"), self.task_type.to_owned())
    }
    fn add_task(&mut self, item: ItemId, operation: RunningOperationId, task_type: &str) -> Result<(), PanelError> {
        self.answered(format!("task {item} {operation} {task_type}"), ())
    }
    fn register_problem(&mut self, module: ModuleId, name: &str, message: &str) -> Result<(), PanelError> {
        self.answered(format!("problem {module} {name}: {message}"), ())
    }
}

impl PanelData for Fake {
    fn stored_access(&mut self, _: ModuleId) -> Result<Option<ModuleAccess>, DbError> {
        Ok(None)
    }
    fn custom_rows(&mut self, _: ModuleId, _: &str) -> Result<Vec<(u32, String)>, DbError> {
        Ok(Vec::new())
    }
    fn module_params(&mut self, _: ModuleId) -> Result<std::collections::BTreeMap<String, String>, DbError> {
        Ok(std::collections::BTreeMap::new())
    }
    fn prices(&mut self, _: &[ItemId]) -> Result<Vec<crate::ports::ItemPrice>, DbError> {
        Ok(Vec::new())
    }
    fn leading_to(&mut self, _: &str) -> Result<Vec<crate::context::Leading>, DbError> {
        Ok(Vec::new())
    }
}

impl BillDb for Fake {
    fn item(&mut self, _: ItemId) -> Result<Option<Item>, DbError> {
        Ok(None)
    }
    fn item_params(&mut self, _: ItemId) -> Result<BTreeMap<String, String>, DbError> {
        Ok(BTreeMap::new())
    }
    fn running_operation(&mut self, _: RunningOperationId) -> Result<Option<RunningOperation>, DbError> {
        let saved = self.calls.borrow().iter().any(|call| call.starts_with("save"));
        let tries = if saved { self.tries } else { 0 };
        Ok(Some(RunningOperation { item: None, command: String::new(), tries }))
    }
    fn has_task(&mut self, _: RunningOperationId) -> Result<bool, DbError> {
        Ok(self.has_task)
    }
    fn modules(&mut self) -> Result<Vec<Module>, DbError> {
        let program = "pmisplicense".to_owned();
        Ok(vec![Module { id: ModuleId(7), name: "Licenses <7>".into(), program, active: true }])
    }
    fn alignment_rules(&mut self, _: ModuleId) -> Result<Vec<AlignmentRule>, DbError> {
        Ok(Vec::new())
    }
    fn items_of_module(&mut self, _: ModuleId, _: ItemId, _: u32) -> Result<Vec<ItemId>, DbError> {
        Ok(Vec::new())
    }
    fn items_with_license(&mut self, _: LicenseId) -> Result<Vec<ItemId>, DbError> {
        Ok(Vec::new())
    }
    fn items_showing_licenses(&mut self, _: ItemId, _: u32) -> Result<Vec<(ItemId, LicenseId)>, DbError> {
        Ok(Vec::new())
    }
}

impl Whmcs for Fake {
    fn noc_table(&self, _: &str) -> Result<Vec<crate::model::whmcs::Record>, DbError> {
        Ok(Vec::new())
    }
}

impl Connector for Fake {
    fn connect(&self, _: &ModuleAccess) -> Result<Box<dyn Upstream>, ModuleError> {
        Err(ModuleError::new(ErrorKind::Client, "url", "", Text::same("no seller here")))
    }
}

impl Panel for Fake {
    fn call(&mut self, _: &PanelCall) -> Result<BTreeMap<String, String>, PanelError> {
        Err(PanelError::NotStarted("not asked here".into()))
    }
}

/// Reports an error of that kind. Returns the calls that the panel got.
fn calls_of(fake: Fake, kind: ErrorKind, operation: Option<u32>) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let environment = Environment { root: Some(folder.path().into()), ..Environment::default() };
    let settings = Settings::without_file(&environment, None);
    let log = crate::log::Log::new(&folder.path().join("log"), &folder.path().join("conf"), 1, || {
        chrono::NaiveDateTime::default()
    });
    let log = Arc::new(log);
    log.secret("hunter2");
    log.info("asked with hunter2");
    let calls = Rc::clone(&fake.calls);
    let mut ctx = Context {
        lang: crate::error::Lang::Ru,
        module: None,
        running_operation: operation.map(RunningOperationId),
        clock: Box::new(crate::clock::SystemClock::default()),
        locks: Box::new(crate::locks::FileLocks::new(folder.path())),
        connector: Box::new(fake.clone()),
        panel: Box::new(fake.clone()),
        data: Data::new(Box::new(fake), Arc::clone(&log)),
        whmcs: Box::new(Fake::default()),
        machine: "test".to_owned(),
        fresh_panel: crate::model::ids::PanelId::from_bytes([1; 8]),
        stdin: Box::new(std::io::empty()),
        notes: Box::new(Arc::clone(&log)),
        cluster: None,
        replica: Default::default(),
        looks: false,
        behind: Default::default(),
        copy: None,
        log,
        settings,
    };
    let error = ModuleError::new(kind, "o", "v&", Text { en: "what & why".into(), ru: "что".into() })
        .because("cause 1")
        .because("cause 2");
    let run = Run { command: "open", item: Some(ItemId(42)), module: Some(ModuleId(7)), date: "2026-11-21 08:00:00" };
    failure(&mut ctx, run, &error);
    calls.take()
}

/// The document, to the letter: date, module, type, causes, log lines without secrets.
#[test]
fn the_saved_document_is_exact_and_holds_no_secret() {
    let calls = calls_of(Fake::default(), ErrorKind::Upstream, Some(31));
    let want = "save 31 <doc><processingmodule date=\"2026-11-21 08:00:00\" id=\"7\" name=\"Licenses &lt;7&gt;\"/>\
                <error date=\"2026-11-21 08:00:00\" type=\"upstream\" object=\"o\" value=\"v&amp;\">\
                <param name=\"value\">v&amp;</param><backtrace>what &amp; why\ncause 1\ncause 2</backtrace>\
                <log>1970-01-01 00:00:00,000 [1] INFO asked with ***</log></error></doc>";
    assert_eq!(calls, [want]);
}

/// Ten tries, read after the error was saved; an intent in doubt at once; `busy` never; one task only.
#[test]
fn one_task_is_made_after_ten_tries_or_for_a_request_in_doubt() {
    let after_save = |fake: Fake, kind| calls_of(fake, kind, Some(31)).into_iter().skip(1).collect::<Vec<_>>();
    let fake = |tries| Fake { tries, task_type: "6", ..Fake::default() };
    let none: [&str; 0] = [];
    let all = ["manual 31", "gettype open 42", "task 42 31 6"];
    assert_eq!(after_save(fake(9), ErrorKind::Nomoney), none);
    assert_eq!(after_save(fake(10), ErrorKind::Nomoney), all);
    assert_eq!(after_save(fake(0), ErrorKind::OrderUnknown), all);
    assert_eq!(after_save(fake(99), ErrorKind::Busy), none);
    assert_eq!(after_save(Fake { has_task: true, ..fake(99) }, ErrorKind::OrderUnknown), none);
    assert_eq!(after_save(Fake { task_type: "", ..fake(10) }, ErrorKind::State), all[..2]);
    assert_eq!(
        after_save(Fake { broken: true, ..fake(10) }, ErrorKind::State),
        all[..2],
        "a broken panel stops nothing"
    );
}

/// An unreachable license server is a registered problem, with or without a running operation.
#[test]
fn an_unreachable_license_server_is_a_registered_problem() {
    for kind in [ErrorKind::Client, ErrorKind::Auth] {
        assert_eq!(calls_of(Fake::default(), kind, None), ["problem 7 Licenses <7>: what & why"]);
        assert_eq!(calls_of(Fake::default(), kind, Some(31)).len(), 2);
    }
    assert!(calls_of(Fake::default(), ErrorKind::BadAnswer, None).is_empty());
}

/// However long log, message, causes and names are, and however much longer escaping makes them, the document stays
/// below the limit for an argument of a process, and says what it left out.
#[test]
fn the_document_stays_below_the_limit_of_an_argument() {
    for letter in ["я", "&", "\"", "x"] {
        let long = letter.repeat(100 * 1024);
        let lines: Vec<String> = (0..100).map(|n| format!("{n} {long}")).collect();
        let mut error = ModuleError::new(ErrorKind::State, &long, &long, Text::same(long.clone()));
        error.causes = vec![long.clone(); 20];
        let text = document("d", Some(&(ModuleId(7), long.clone())), &error, &lines);
        assert!(text.len() <= DOCUMENT_BYTES && text.len() > 8 * 1024, "{letter}: {}", text.len());
        assert!(text.contains("… (cut, +98400 chars)"), "{letter}");
        crate::xml::parse(text.as_bytes(), 1 << 20).expect("well-formed");
    }
    let lines: Vec<String> = (0..100).map(|n| format!("{n} {}", "я".repeat(5000))).collect();
    let error = ModuleError::new(ErrorKind::State, "o", "v", Text::same("m"));
    assert!(document("d", None, &error, &lines).contains("99 я"));
}
