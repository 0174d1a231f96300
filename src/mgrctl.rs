//! Starts the panel's tool, `<root>/sbin/mgrctl -m billmgr -o xml FUNC key=value …`, without a shell, and reads its
//! one document. Secrets are passed in the environment (`-e 'key=$NAME'` after the parameters, as in the tool's
//! manual), so they never appear in the process list. Every run has a time limit. The standard library opens files
//! close-on-exec, so the tool inherits neither our locks nor our state file.

mod finish;
pub mod form;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use self::finish::Ended;
use crate::error::{QUOTED_CHARS, shortened_words};
use crate::model::ids::{ItemId, ModuleId, RunningOperationId};
use crate::ports::{Form, ModuleAccess, Panel, PanelCall, PanelError, PanelQuestion, ToolAnswer};
use crate::trace::{Trace, shown};
use crate::xml::{self, Element};

/// The time limit of one run. The panel answers within seconds, or hangs.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Most bytes of an answer, far more than the longest form.
pub const MAX_ANSWER: u64 = 16 << 20;

/// Most bytes of stderr that are kept for an error's cause.
const MAX_COMPLAINT: u64 = 4096;

/// The longest `name=value` in bytes. The system's limit for an argument or a variable is 128 KiB, and the variable of
/// a secret has a longer name.
const MAX_ARGUMENT: usize = 128 * 1024 - 64;

/// Characters of stderr shown in an error's cause.
const SHOWN_COMPLAINT: usize = 300;

/// The panel's tool below a root such as /usr/local/mgr5.
#[derive(Debug, Clone)]
pub struct Mgrctl {
    root: PathBuf,
    time_limit: Duration,
    trace: Trace,
}

impl Mgrctl {
    /// The tool `<root>/sbin/mgrctl`, run in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), time_limit: TIME_LIMIT, trace: Trace::default() }
    }

    /// With a trace of its calls.
    #[must_use]
    pub fn traced(self, trace: Trace) -> Self {
        Self { trace, ..self }
    }

    /// `paramlist`: settings of the panel by name, DBHost, DBPassword and CryptKey among them.
    ///
    /// # Errors
    /// See [`PanelError`].
    pub fn paramlist(&self) -> Result<BTreeMap<String, String>, PanelError> {
        let doc = self.run(&Form::new("paramlist"))?;
        let mut params = BTreeMap::new();
        for elem in doc.children_named("elem") {
            match (elem.value_of("name"), elem.child("value")) {
                (Some(name), Some(value)) => drop(params.insert(name.to_owned(), raw(value).to_owned())),
                (Some(_), None) | (None, _) => {
                    params.extend(elem.children.iter().map(|child| (child.name.clone(), raw(child).to_owned())));
                }
            }
        }
        Ok(params)
    }

    /// `processing.edit elid=MODULE`: url, username and password of the module, in clear text.
    ///
    /// # Errors
    /// See [`PanelError`].
    pub fn processing_edit(&self, module: ModuleId) -> Result<ModuleAccess, PanelError> {
        let doc = self.run(&Form::new("processing.edit").with("elid", module))?;
        let text = |name: &str| doc.child(name).map(|child| raw(child).to_owned()).unwrap_or_default();
        Ok(ModuleAccess { module, url: text("url"), username: text("username"), password: text("password") })
    }

    /// Saves the error that the panel shows about a failed attempt.
    ///
    /// # Errors
    /// See [`PanelError`].
    pub fn save_error(&self, operation: RunningOperationId, errorxml: &str) -> Result<(), PanelError> {
        self.run(&form::save_error(operation, errorxml)).map(drop)
    }

    /// Stops the automatic attempts of the panel.
    ///
    /// # Errors
    /// See [`PanelError`].
    pub fn set_manual(&self, operation: RunningOperationId) -> Result<(), PanelError> {
        self.run(&form::set_manual(operation)).map(drop)
    }

    /// `task.gettype operation item`: the type of task for a failed command; empty when the panel wants none.
    ///
    /// # Errors
    /// See [`PanelError`].
    pub fn task_type(&self, operation: &str, item: ItemId) -> Result<String, PanelError> {
        let doc = self.run(&Form::new("task.gettype").with("operation", operation).with("item", item))?;
        Ok(doc.value_of("task_type").unwrap_or_default().to_owned())
    }

    /// Adds a task for an operator.
    ///
    /// # Errors
    /// See [`PanelError`].
    pub fn add_task(&self, item: ItemId, operation: RunningOperationId, task_type: &str) -> Result<(), PanelError> {
        self.run(&form::add_task(item, operation, task_type)).map(drop)
    }

    /// Registers a problem: the module cannot reach its license server.
    ///
    /// # Errors
    /// See [`PanelError`].
    pub fn register_problem(&self, module: ModuleId, name: &str, message: &str) -> Result<(), PanelError> {
        self.run(&form::register_problem(module, name, message)).map(drop)
    }

    /// Runs a function of the panel and returns its document.
    ///
    /// # Errors
    /// See [`PanelError`].
    pub fn run(&self, form: &Form) -> Result<Element, PanelError> {
        let params = form.params.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.trace.asked("mgrctl", &form.func, params, |name| form.is_secret(name));
        let since = Instant::now();
        let result = self.start(form);
        self.trace.answered("mgrctl", since, || match &result {
            Ok(doc) => shown(doc),
            Err(error) => error.words().en,
        });
        result
    }

    /// The document of a function that changes nothing, with the tool's exit code. It may be an error document.
    ///
    /// # Errors
    /// [`PanelError::NotStarted`], and [`PanelError::Unknown`] when the answer was not a document.
    pub fn answer(&self, question: &PanelQuestion) -> Result<ToolAnswer, PanelError> {
        let form = question.form();
        let ended = self.ended(&form)?;
        let parsed = xml::parse(&ended.stdout, MAX_ANSWER);
        let document = parsed.map_err(|error| PanelError::Unknown(format!("mgrctl {}: {error}", form.func)))?;
        Ok(ToolAnswer { document: document.to_document(), exit: ended.status.and_then(|status| status.code()) })
    }

    fn start(&self, form: &Form) -> Result<Element, PanelError> {
        let ended = self.ended(form)?;
        judge(&form.func, ended.status, &ended.stdout, &ended.stderr).map_err(|error| masked(error, form))
    }

    fn ended(&self, form: &Form) -> Result<Ended, PanelError> {
        if let Some((name, value)) = form.params.iter().find(|(name, value)| name.len() + value.len() > MAX_ARGUMENT) {
            let (func, bytes) = (&form.func, value.len());
            return Err(PanelError::NotStarted(format!(
                "mgrctl {func}: {name} has {bytes} bytes, and an argument may have {MAX_ARGUMENT}"
            )));
        }
        let child = self.command(form).spawn().map_err(|error| {
            PanelError::NotStarted(format!("{} could not be started: {error}", self.program().display()))
        })?;
        finish::finish(child, self.time_limit, [MAX_ANSWER, MAX_COMPLAINT]).ok_or_else(|| {
            let (func, limit_s) = (&form.func, self.time_limit.as_secs());
            PanelError::Unknown(format!("mgrctl {func} was stopped after {limit_s} s without an answer"))
        })
    }

    fn program(&self) -> PathBuf {
        self.root.join("sbin/mgrctl")
    }

    fn command(&self, form: &Form) -> Command {
        let mut command = Command::new(self.program());
        command.current_dir(&self.root).env("SSH_CONNECTION", "pmisplicense");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.args(["-m", "billmgr", "-o", "xml", &form.func]);
        let (secret, open): (Vec<_>, Vec<_>) = form.params.iter().partition(|(name, _)| form.is_secret(name));
        command.args(open.into_iter().map(|(key, value)| format!("{key}={}", without_nul(value))));
        for (number, (key, value)) in secret.into_iter().enumerate() {
            let variable = format!("PMISPLICENSE_SECRET_{number}");
            command.args(["-e".to_owned(), format!("{key}=${variable}")]).env(variable, without_nul(value));
        }
        command
    }
}

/// Masks the secrets that were sent, because the tool may quote its parameters.
fn masked(error: PanelError, form: &Form) -> PanelError {
    let mask = |text: String| {
        let secrets = form.params.iter().filter(|(name, value)| form.is_secret(name) && !value.is_empty());
        secrets.fold(text, |text, (_, value)| text.replace(value.as_str(), "***"))
    };
    match error {
        PanelError::NotStarted(text) => PanelError::NotStarted(mask(text)),
        PanelError::Unknown(text) => PanelError::Unknown(mask(text)),
        PanelError::Refused { error_type, object, message } => {
            PanelError::Refused { error_type: mask(error_type), object: mask(object), message: mask(message) }
        }
    }
}

/// Removes NUL characters: an argument cannot hold one, and the panel could not store one.
fn without_nul(value: &str) -> String {
    value.replace('\0', "")
}

/// A setting exactly as the panel has it: a password may begin or end with a space.
fn raw(element: &Element) -> &str {
    if element.text.is_empty() { element.attribute("v").unwrap_or_default() } else { &element.text }
}

/// The meaning of the output of a tool that ended with success. For tools that examine recorded or hostile answers.
///
/// # Errors
/// See [`PanelError`].
pub fn read_answer(func: &str, answer: &[u8], complaint: &[u8]) -> Result<Element, PanelError> {
    judge(func, Some(ExitStatus::default()), answer, complaint)
}

/// The meaning of the panel's answer. An error document counts with any exit code. Otherwise only exit 0 with a
/// document is success. A tool whose exit code is not known may have failed.
fn judge(func: &str, status: Option<ExitStatus>, answer: &[u8], complaint: &[u8]) -> Result<Element, PanelError> {
    let parsed = xml::parse(answer, MAX_ANSWER);
    if let Some(error) = parsed.as_ref().ok().and_then(|doc| doc.child("error")) {
        let message = error.value_of("msg").filter(|text| !text.is_empty()).unwrap_or_else(|| error.value());
        return Err(PanelError::Refused {
            error_type: error.attribute("type").unwrap_or_default().to_owned(),
            object: error.attribute("object").unwrap_or_default().to_owned(),
            message: shortened_words(message, QUOTED_CHARS),
        });
    }
    let said = cut(complaint);
    let Some(status) = status else {
        return Err(PanelError::Unknown(format!("mgrctl {func} ended, but its exit status is lost{said}")));
    };
    match parsed {
        Ok(doc) if status.success() && doc.name == "doc" => Ok(doc),
        Ok(doc) if status.success() => {
            let name: String = doc.name.chars().take(40).collect();
            Err(PanelError::Unknown(format!("mgrctl {func} answered <{name}>, not <doc>{said}")))
        }
        Err(error) if status.success() => Err(PanelError::Unknown(format!("mgrctl {func}: {error}{said}"))),
        Ok(_) | Err(_) => Err(PanelError::Unknown(format!("mgrctl {func} failed ({status}){said}"))),
    }
}

/// The beginning of what the tool wrote to stderr, on one line.
fn cut(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = line.chars().take(SHOWN_COMPLAINT).collect();
    if shown.is_empty() { shown } else { format!(": {shown}") }
}

impl Panel for Mgrctl {
    fn call(&mut self, call: &PanelCall) -> Result<BTreeMap<String, String>, PanelError> {
        let doc = self.run(&form::call(call))?;
        let mut answer = BTreeMap::new();
        for child in &doc.children {
            answer.entry(child.name.clone()).or_insert_with(|| child.value().to_owned());
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests;
