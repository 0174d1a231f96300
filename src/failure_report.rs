//! The report to the panel about a failed run (docs/interface.md 2). The error is saved to the running operation. After
//! ten attempts an operator gets a task. A problem is registered when the license server cannot be reached or refuses
//! the login. All this goes by the stable type of the error, because it is promised that way. If the report fails, this
//! is logged and never hides the error itself.

use crate::context::Context;
use crate::error::{ErrorKind, MESSAGE_CHARS, ModuleError, VALUE_CHARS, as_sentence, shortened, shortened_words};
use crate::model::ids::{ItemId, ModuleId, RunningOperationId};
use crate::text;
use crate::xml::Element;

/// After this many attempts an operator gets a task. The vendor's own modules use the same number.
pub const MAX_TRIES: i64 = 10;

/// The longest document in bytes. The system allows 128 KiB for an argument of a process. With a small stack, this is
/// the limit for all arguments and the environment together.
const DOCUMENT_BYTES: usize = 64 * 1024;

/// Bytes of log in the document. The sizes are tried in this order, because an escaped text may take five times its
/// length.
const LOG_BYTES: [usize; 4] = [48 * 1024, 8 * 1024, 2 * 1024, 0];

/// The longest log line, and the longest cause, in characters.
const LINE_CHARS: usize = 600;

/// How many causes are included, the outermost first.
const CAUSES: usize = 8;

/// The failed run.
#[derive(Debug, Clone, Copy)]
pub struct Run<'r> {
    /// The command.
    pub command: &'r str,
    /// Its item.
    pub item: Option<ItemId>,
    /// The module that it concerns, if known.
    pub module: Option<ModuleId>,
    /// Local date and time.
    pub date: &'r str,
}

/// The error with one more sentence: the panel's own page also takes the answer that a request in doubt needs. An error
/// that is not about a request asks for no answer.
fn with_page(error: &ModuleError, has_pages: bool) -> ModuleError {
    let mut error = error.clone();
    if has_pages && error.kind == ErrorKind::OrderUnknown && error.object == "wish" {
        let message = &mut error.message;
        **message = text!(
            [
                "{} The answer can also be given in the panel: License reselling, Waiting for an operator.",
                as_sentence(&message.en)
            ],
            ["{} Ответить можно и в панели: «Перепродажа лицензий», «Ждёт оператора».", as_sentence(&message.ru)]
        );
    }
    error
}

/// Tells the panel about a failure.
pub fn failure(ctx: &mut Context, run: Run<'_>, error: &ModuleError) {
    let module = run.module.map(|module| (module, module_name(ctx, module)));
    if let Some(operation) = ctx.running_operation {
        let error = with_page(error, ctx.settings.pages);
        let document = document(run.date, module.as_ref(), &error, &ctx.log.kept());
        let document = ctx.log.masked(&document);
        let saved = ctx.data.tool.save_error(operation, &document);
        noted(ctx, "runningoperation.edit", saved);
        if let Some(item) = run.item {
            hand_over(ctx, run.command, operation, item, error.kind);
        }
    }
    if let Some((module, name)) = module.filter(|_| error.kind.is_of_connection()) {
        let message = ctx.log.masked(&error.message.en);
        let registered = ctx.data.tool.register_problem(module, &name, &message);
        noted(ctx, "problems.register", registered);
    }
}

fn noted<T>(ctx: &Context, func: &str, result: Result<T, crate::ports::PanelError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            ctx.log.warning(&format!("{func} failed while reporting an error: {}", error.words().en));
            None
        }
    }
}

fn module_name(ctx: &mut Context, module: ModuleId) -> String {
    let modules = ctx.data.billdb().and_then(|db| db.modules().map_err(crate::context::database_error));
    match modules {
        Ok(modules) => modules.into_iter().find(|row| row.id == module).map(|row| row.name).unwrap_or_default(),
        Err(error) => {
            ctx.log.warning(&format!("name of module {module}: {error}"));
            String::new()
        }
    }
}

/// True if an operator has to act now. `busy` ends without anybody's help; an intent in doubt does not.
fn needs_operator(kind: ErrorKind, tries: i64) -> bool {
    match kind {
        ErrorKind::OrderUnknown => true,
        ErrorKind::Busy => false,
        ErrorKind::Missed
        | ErrorKind::BadValue
        | ErrorKind::UnknownCommand
        | ErrorKind::UnknownInternalName
        | ErrorKind::SaleClosed
        | ErrorKind::PeriodNotSold
        | ErrorKind::Nomoney
        | ErrorKind::Blocked
        | ErrorKind::IpChangeLimit
        | ErrorKind::KeyChangeLimit
        | ErrorKind::IpBusy
        | ErrorKind::LicenseGone
        | ErrorKind::Auth
        | ErrorKind::Client
        | ErrorKind::Upstream
        | ErrorKind::BadAnswer
        | ErrorKind::Database
        | ErrorKind::Mgrctl
        | ErrorKind::State
        | ErrorKind::Config
        | ErrorKind::UnsupportedModule
        | ErrorKind::NotSupported => tries >= MAX_TRIES,
    }
}

fn hand_over(ctx: &mut Context, command: &str, operation: RunningOperationId, item: ItemId, kind: ErrorKind) {
    if kind == ErrorKind::Busy {
        return;
    }
    // Read after the error was saved, because saving it may count as an attempt.
    let seen = ctx.data.billdb().and_then(|db| {
        let row = db.running_operation(operation).map_err(crate::context::database_error)?;
        let has_task = db.has_task(operation).map_err(crate::context::database_error)?;
        Ok((row.map_or(0, |row| row.tries), has_task))
    });
    let (tries, has_task) = match seen {
        Ok(seen) => seen,
        Err(error) => {
            ctx.log.warning(&format!("tries of running operation {operation}: {error}"));
            return;
        }
    };
    if has_task || !needs_operator(kind, tries) {
        return;
    }
    let manual = ctx.data.tool.set_manual(operation);
    noted(ctx, "runningoperation.setmanual", manual);
    let wanted = ctx.data.tool.task_type(command, item);
    let Some(task_type) = noted(ctx, "task.gettype", wanted).filter(|task_type| !task_type.is_empty()) else { return };
    let added = ctx.data.tool.add_task(item, operation, &task_type);
    if noted(ctx, "task.edit", added).is_some() {
        ctx.log.info(&format!("item {item}: an operator was asked to look (running operation {operation})"));
    }
}

/// The errorxml document. If it is too long for an argument, parts are cut, log lines first, and the document says so.
fn document(date: &str, module: Option<&(ModuleId, String)>, error: &ModuleError, log: &[String]) -> String {
    let with_log = |bytes| document_with(date, module, error, &last_lines(log, bytes));
    LOG_BYTES.into_iter().map(with_log).find(|text| text.len() <= DOCUMENT_BYTES).unwrap_or_else(|| with_log(0))
}

fn document_with(date: &str, module: Option<&(ModuleId, String)>, error: &ModuleError, log: &str) -> String {
    let mut doc = Element::new("doc");
    if let Some((id, name)) = module {
        let module = Element::new("processingmodule")
            .with_attribute("date", date)
            .with_attribute("id", &id.to_string())
            .with_attribute("name", &shortened(name, VALUE_CHARS));
        doc = doc.with_child(module);
    }
    let value = shortened(&error.value, VALUE_CHARS);
    let mut backtrace = vec![shortened_words(&error.message.en, MESSAGE_CHARS)];
    backtrace.extend(error.causes.iter().take(CAUSES).map(|cause| shortened_words(cause, LINE_CHARS)));
    let row = Element::new("error")
        .with_attribute("date", date)
        .with_attribute("type", error.kind.word())
        .with_attribute("object", &shortened(&error.object, VALUE_CHARS))
        .with_attribute("value", &value)
        .with_child(Element::new("param").with_attribute("name", "value").with_text(&value))
        .with_child(Element::new("backtrace").with_text(&backtrace.join("\n")))
        .with_child(Element::new("log").with_text(log));
    doc.with_child(row).to_fragment()
}

/// The newest lines that fit into a number of bytes, the oldest of them first.
fn last_lines(log: &[String], limit: usize) -> String {
    let mut bytes = 0;
    let cut = log.iter().rev().map(|line| shortened(line, LINE_CHARS));
    let mut lines: Vec<String> = cut
        .take_while(|line| {
            bytes += line.len() + 1;
            bytes <= limit
        })
        .collect();
    lines.reverse();
    lines.join("\n")
}

#[cfg(test)]
mod tests;
