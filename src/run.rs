//! One run: arguments in, one result out. It builds the context, stops while the file `etc/billmgr.DoNothing` exists,
//! checks the running operation, and turns every failure, also a panic, into an error document. No rule of licensing is
//! here.

mod adapters;
mod admin;
mod dry_run;
mod terminal;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::argv::{self, Given};
use crate::cli::{Command, Common, EngineCommand, Opt};
use crate::clock::SystemClock;
use crate::commands::{self, Reply};
use crate::context::{Context, Data, database_error};
use crate::dry_run::Rehearsed;
use crate::error::{ErrorKind, Lang, ModuleError};
use crate::event_hook;
use crate::failure_report;
use crate::log::{Level, Log};
use crate::model::command;
use crate::model::ids::{ModuleId, RunningOperationId};
use crate::pages;
use crate::resource_use;
use crate::settings::{ClusterPassword, Environment, Settings, do_nothing};
use crate::text;
use crate::trace::Trace;

/// The result of a run: the text for stdout, the text for people on stderr, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Finished {
    /// For the panel, or for an administrator who typed a subcommand.
    pub stdout: String,
    /// For people only.
    pub stderr: String,
    /// 0 done, 1 failed, 2 a subcommand was not understood.
    pub code: u8,
}

impl From<Reply> for Finished {
    fn from(reply: Reply) -> Self {
        Self { stdout: reply.0, ..Self::default() }
    }
}

/// Carries out one run. `program` is the name with which the program was started; `variable` reads the environment.
pub fn run(program: &str, args: Vec<OsString>, variable: &dyn Fn(&str) -> Option<OsString>) -> Finished {
    // A relative path is resolved now, because the tools that are started later have the panel's root as their folder.
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(|value| absolute(value.into()));
    let environment = Environment {
        root: path("PMISPLICENSE_MGR_ROOT"),
        config: path("PMISPLICENSE_CONFIG"),
        state: path("PMISPLICENSE_STATE"),
        machine_id: path("PMISPLICENSE_MACHINE_ID"),
        cluster_password: ClusterPassword(
            variable("PMISPLICENSE_CLUSTER_PASSWORD").map(|value| value.to_string_lossy().into_owned()),
        ),
    };
    if event_hook::is_handler(program) {
        let item = variable("PARAM_elid").unwrap_or_default();
        // Sync finds the service without the note too, so a fault here must not break the panel's operation.
        let _ = caught(|| {
            event_hook::note(&environment, &item.to_string_lossy());
            Ok(())
        });
        return Finished { stdout: event_hook::ANSWER.to_owned(), ..Finished::default() };
    }
    if pages::is_handler(program) {
        return Finished { stdout: page(&environment, variable), ..Finished::default() };
    }
    let words: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let given = argv::read(&words);
    if !given.is_protocol() {
        return admin::run(&args, &environment, variable);
    }
    let lang = given.lang();
    caught(|| Ok(protocol(&given, &environment, terminal::columns(variable))))
        .unwrap_or_else(|error| failed(&error, lang))
}

fn failed(error: &ModuleError, lang: Lang) -> Finished {
    Finished { stdout: error.document(lang), stderr: String::new(), code: 1 }
}

/// A page of the panel, or an error document in its place: never half a page.
fn page(environment: &Environment, variable: &dyn Fn(&str) -> Option<OsString>) -> String {
    let variable = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned());
    let lang = pages::language(&variable);
    let shown = caught(|| {
        pages::check_level(&variable)?;
        let settings = Settings::load(environment, None)?;
        let is_switched_off = do_nothing(&environment.root()) || do_nothing(&settings.root);
        let mut ctx = context(settings, &Common { lang, ..Common::default() });
        let page = pages::page(&mut ctx, &variable, is_switched_off);
        page.map_err(|error| {
            let error = error.mapped(|text| ctx.log.masked(text));
            ctx.log.error(&error.to_string());
            error
        })
    });
    match shown {
        Ok(document) => document.to_document(),
        Err(error) => pages::failed(&error, lang),
    }
}

fn new_log(settings: &Settings) -> Arc<Log> {
    let conf = settings.root.join("etc/debug.conf");
    Arc::new(Log::new(&settings.log, &conf, std::process::id(), || chrono::Local::now().naive_local()))
}

/// `width`: the columns of a dry run's answer, which people read.
fn protocol(given: &Given, environment: &Environment, width: usize) -> Finished {
    let is_stopped = command::find(given.command()).is_some_and(|command| command.is_stopped);
    let stopped = |root: &std::path::Path| is_stopped && do_nothing(root);
    let switched_off = stopped(&environment.root());
    let is_dry = given.has(Opt::DryRun);
    if switched_off && !is_dry {
        return Finished::default();
    }
    let checked = given.check().and_then(|command| Ok((command, given.common()?)));
    let (command, common) = match checked {
        Ok(checked) => checked,
        Err(error) => {
            let log = new_log(&Settings::without_file(environment, given.config().as_deref()));
            remark(&log, given);
            log.error(&error.to_string());
            return failed(&error, given.lang());
        }
    };
    if let Some(result) = commands::without_context(&command) {
        if !given.remarks.is_empty() {
            remark(&new_log(&Settings::without_file(environment, common.config.as_deref())), given);
        }
        return result.map_or_else(|error| failed(&error, common.lang), Finished::from);
    }
    let loaded = Settings::load(environment, common.config.as_deref());
    let (settings, broken) = match loaded {
        Ok(settings) => (settings, None),
        Err(error) => (Settings::without_file(environment, common.config.as_deref()), Some(error)),
    };
    // The settings file may name another root, with a switch of its own.
    let switched_off = switched_off || stopped(&settings.root);
    if switched_off && !is_dry {
        return Finished::default();
    }
    let mut ctx = context(settings, &common);
    if given.has(Opt::Verbose) {
        ctx.log.speak_up();
    }
    remark(&ctx.log, given);
    match (broken, &command) {
        (None, Command::Engine(engine)) if is_dry => {
            let columns = (!given.has(Opt::Json)).then_some(width);
            dry_run(ctx, engine, switched_off, columns)
        }
        (None, _) => {
            let result = carried_out(&mut ctx, &command);
            finish(&mut ctx, &command, given.command(), result)
        }
        (Some(error), _) => finish(&mut ctx, &command, given.command(), Err(Failure::Reported(error))),
    }
}

/// Shows what a command would do, including its report to the panel about a failure. `columns`: the width for people;
/// `None`: a program reads the answer.
fn dry_run(ctx: Context, engine: &EngineCommand, switched_off: bool, columns: Option<usize>) -> Finished {
    let lang = ctx.lang;
    let (mut ctx, script) = match dry_run::rehearse(ctx, engine.word()) {
        Ok(rehearsed) => rehearsed,
        Err(error) => return failed(&error, lang),
    };
    let command = Command::Engine(engine.clone());
    let result = carried_out(&mut ctx, &command);
    let error = match &result {
        Ok(_) => None,
        Err(Failure::Untouched(error) | Failure::Reported(error)) => {
            Some(error.clone().mapped(|text| ctx.log.masked(text)))
        }
    };
    let code = finish(&mut ctx, &command, engine.word(), result).code;
    let run = Rehearsed { command: engine.word(), item: engine.item(), error: error.as_ref(), switched_off };
    let stdout = match columns {
        Some(columns) => crate::admin::folded(&script.text(&run, lang), columns),
        None => {
            let mut json = script.json(&run, lang);
            if let Some(behind) = ctx.behind.borrow().as_ref() {
                json["replica"] = behind.json(lang);
            }
            format!("{json:#}\n")
        }
    };
    Finished { stdout: ctx.log.masked(&stdout), stderr: String::new(), code }
}

fn remark(log: &Log, given: &Given) {
    given.remarks.iter().for_each(|remark| log.warning(remark));
}

/// How a failure is reported.
enum Failure {
    /// On stdout only: nothing was touched, and the running operation is not ours, so nothing is written to it.
    Untouched(ModuleError),
    /// To the panel as well.
    Reported(ModuleError),
}

fn carried_out(ctx: &mut Context, command: &Command) -> Result<Reply, Failure> {
    if let (Command::Engine(engine), Some(operation)) = (command, ctx.running_operation) {
        match caught(|| mismatch(ctx, engine, operation)) {
            Ok(None) => {}
            Ok(Some(error)) => return Err(Failure::Untouched(error)),
            Err(error) => return Err(Failure::Reported(error)),
        }
    }
    caught(|| commands::run(ctx, command)).map_err(Failure::Reported)
}

/// The error of a running operation with another item or command than ours (docs/money-safety.md 2). An empty field of
/// the row is ignored. A missing row is logged.
fn mismatch(
    ctx: &mut Context,
    command: &EngineCommand,
    operation: RunningOperationId,
) -> Result<Option<ModuleError>, ModuleError> {
    let Some(row) = ctx.data.billdb()?.running_operation(operation).map_err(database_error)? else {
        ctx.log.warning(&format!("there is no running operation {operation}; the run goes on"));
        return Ok(None);
    };
    let other_item = row.item.zip(command.item()).filter(|(theirs, ours)| theirs != ours).map(|(theirs, _)| theirs);
    let other_command = (!row.command.is_empty() && row.command != command.word()).then_some(row.command.as_str());
    if other_item.is_none() && other_command.is_none() {
        return Ok(None);
    }
    let word = command.word();
    let theirs = row.item.map_or_else(|| "-".to_owned(), |item| item.to_string());
    let row_command = if row.command.is_empty() { "-" } else { &row.command };
    let message = text!(
        "Running operation {operation} belongs to {row_command} of service {theirs}, not to this {word}",
        "Операция {operation} относится к {row_command} услуги {theirs}, а не к этой команде {word}"
    );
    Ok(Some(
        ModuleError::new(ErrorKind::Missed, "runningoperation", operation, message)
            .changed(text!("Nothing was done", "Ничего не сделано"))
            .next(text!(
                "repeat with the right --runningoperation, or without it",
                "повторите с верным --runningoperation или без него"
            )),
    ))
}

fn finish(ctx: &mut Context, command: &Command, word: &str, result: Result<Reply, Failure>) -> Finished {
    let finished = report(ctx, command, word, result);
    if ctx.log.wants(Level::Extinfo) {
        ctx.log.extinfo(&format!("{word} ended with {}, {}", finished.code, resource_use::taken()));
    }
    finished
}

/// Reports a failure to the panel and on stdout.
fn report(ctx: &mut Context, command: &Command, word: &str, result: Result<Reply, Failure>) -> Finished {
    let (error, tell) = match result {
        Ok(reply) => return reply.into(),
        Err(Failure::Untouched(error)) => (error, false),
        Err(Failure::Reported(error)) => (error, true),
    };
    let log = Arc::clone(&ctx.log);
    let error = error.mapped(|text| log.masked(text));
    ctx.log.error(&format!("{word}: {error}"));
    if tell {
        let date = chrono::Local::now().format("%Y-%m-%d %H:%M:%S").to_string();
        let item = match command {
            Command::Engine(command) => command.item(),
            Command::Features
            | Command::CheckConnection
            | Command::TuneConnection
            | Command::TuningParam(_)
            | Command::CheckParam { .. }
            | Command::CheckAddon { .. }
            | Command::ImportPricelist { .. }
            | Command::Empty
            | Command::NotSupported(_) => None,
        };
        let outcome = caught(|| {
            let module = concerned(ctx, command, &error);
            failure_report::failure(ctx, failure_report::Run { command: word, item, module, date: &date }, &error);
            Ok(())
        });
        if let Err(panic) = outcome {
            ctx.log.error(&format!("the report of the error failed: {panic}"));
        }
    }
    failed(&error, ctx.lang)
}

/// The module that a failure concerns, if it is worth finding out.
fn concerned(ctx: &mut Context, command: &Command, error: &ModuleError) -> Option<ModuleId> {
    let Command::Engine(engine) = command else { return ctx.module };
    if ctx.module.is_some() || !(error.kind.is_of_connection() || ctx.running_operation.is_some()) {
        return ctx.module;
    }
    if let EngineCommand::SyncServer { module } | EngineCommand::Import { module, .. } = engine {
        return Some(*module);
    }
    let item = engine.item()?;
    let row = ctx.data.billdb().ok()?.item(item).ok()??;
    if row.is_ours() { row.module } else { ctx.settings.rules(None).bundled_module }
}

fn context(settings: Settings, common: &Common) -> Context {
    let log = new_log(&settings);
    let trace = Trace::to(Arc::clone(&log));
    let mgrctl = crate::mgrctl::Mgrctl::new(&settings.root).traced(trace.clone());
    let tool = adapters::Tool::new(mgrctl.clone(), &settings, Arc::clone(&log));
    Context {
        lang: common.lang,
        module: common.module,
        running_operation: common.running_operation,
        clock: Box::new(SystemClock::new(settings.zone(common.module))),
        locks: Box::new(crate::locks::FileLocks::new(settings.locks())),
        connector: adapters::connector(&settings, trace),
        panel: Box::new(mgrctl),
        data: Data::new(Box::new(tool), Arc::clone(&log)),
        whmcs: adapters::whmcs(&log),
        machine: adapters::machine(&settings.machine_id),
        fresh_panel: adapters::fresh_panel(),
        stdin: Box::new(std::io::stdin()),
        notes: Box::new(Arc::clone(&log)),
        cluster: adapters::cluster(&settings, &log),
        replica: Default::default(),
        looks: false,
        behind: Default::default(),
        copy: None,
        log,
        settings,
    }
}

static PANIC: Mutex<String> = Mutex::new(String::new());

/// From now on a panic is kept for the log instead of being printed. This holds for the whole process, so only `main`
/// calls it.
pub fn silence_panics() {
    std::panic::set_hook(Box::new(|info| {
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string();
    }));
}

/// Turns a panic into an error. Its type is `state`, because only the content of the state file is certain, and the
/// next run continues from there.
fn caught<T>(work: impl FnOnce() -> Result<T, ModuleError>) -> Result<T, ModuleError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let cause = std::mem::take(&mut *PANIC.lock().unwrap_or_else(PoisonError::into_inner));
        let message =
            text!("The program stopped at a fault of its own", "Программа остановилась из-за собственной ошибки");
        Err(ModuleError::new(ErrorKind::State, "panic", "", message)
            .changed(text!(
                "What was done is in its state file, and nothing is repeated blindly",
                "Сделанное записано в файле состояния, вслепую ничего не повторяется"
            ))
            .next(text!(
                "run the command again; if it stops again, send the log to the developers",
                "выполните команду ещё раз; если не поможет, передайте лог разработчикам"
            ))
            .because(cause))
    })
}

#[cfg(test)]
mod tests;
