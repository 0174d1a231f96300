//! Starts the panel's tool, `<root>/sbin/mgrctl -m billmgr -o xml FUNC key=value …`, without a shell, and reads its one
//! document. Secrets travel in the environment (`-e 'key=$NAME'` after the parameters, as the tool's manual has it),
//! never in the process list. Every run has a time limit; no SQL here, and nothing is logged.
//! The standard library opens files close-on-exec, so the tool inherits neither our locks nor our state file.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::ids::{ItemId, ModuleId, RunningOperationId};
use crate::ports::{ModuleAccess, Panel, PanelCall, PanelError};
use crate::xml::{self, Element};

/// One run of the tool: the panel answers within seconds, or is stuck.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// After the tool has ended its answer is complete; somebody it started may still hold the pipe (a panel that it
/// started, for instance), and is not waited for longer than this.
const PIPE_GRACE: Duration = Duration::from_millis(500);

/// How often an ended tool is looked for while its pipes stay open.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Bytes of an answer: far above the longest form.
pub const MAX_ANSWER: u64 = 16 << 20;

/// Bytes of stderr kept for an error's cause.
const MAX_COMPLAINT: u64 = 4096;

/// Characters of stderr shown in an error's cause.
const SHOWN_COMPLAINT: usize = 300;

/// The panel's tool below a root such as /usr/local/mgr5.
#[derive(Debug, Clone)]
pub struct Mgrctl {
    root: PathBuf,
    time_limit: Duration,
}

impl Mgrctl {
    /// The tool `<root>/sbin/mgrctl`, run in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), time_limit: TIME_LIMIT }
    }

    /// `paramlist`: settings of the panel by name, DBHost, DBPassword and CryptKey among them.
    ///
    /// # Errors
    /// See [`PanelError`].
    pub fn paramlist(&self) -> Result<BTreeMap<String, String>, PanelError> {
        let doc = self.run("paramlist", &[])?;
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
        let doc = self.run("processing.edit", &[("elid", module.to_string())])?;
        let text = |name: &str| doc.child(name).map(|child| raw(child).to_owned()).unwrap_or_default();
        Ok(ModuleAccess { module, url: text("url"), username: text("username"), password: text("password") })
    }

    /// `runningoperation.edit sok=ok elid errorxml`: what the panel shows about a failed attempt. The system allows an
    /// argument of at most 128 KiB: a longer document is [`PanelError::NotStarted`].
    ///
    /// # Errors
    /// See [`PanelError`].
    pub fn save_error(&self, operation: RunningOperationId, errorxml: &str) -> Result<(), PanelError> {
        let params = [("sok", "ok".to_owned()), ("elid", operation.to_string()), ("errorxml", errorxml.to_owned())];
        self.run("runningoperation.edit", &params).map(drop)
    }

    /// `runningoperation.setmanual elid sok=ok`: the panel no longer tries by itself.
    ///
    /// # Errors
    /// See [`PanelError`].
    pub fn set_manual(&self, operation: RunningOperationId) -> Result<(), PanelError> {
        let params = [("elid", operation.to_string()), ("sok", "ok".to_owned())];
        self.run("runningoperation.setmanual", &params).map(drop)
    }

    /// `task.gettype operation item`: the type of task for a failed command; empty when the panel wants none.
    ///
    /// # Errors
    /// See [`PanelError`].
    pub fn task_type(&self, operation: &str, item: ItemId) -> Result<String, PanelError> {
        let doc = self.run("task.gettype", &[("operation", operation.to_owned()), ("item", item.to_string())])?;
        Ok(doc.value_of("task_type").unwrap_or_default().to_owned())
    }

    /// `task.edit sok=ok item runningoperation type`: a task for a person.
    ///
    /// # Errors
    /// See [`PanelError`].
    pub fn add_task(&self, item: ItemId, operation: RunningOperationId, task_type: &str) -> Result<(), PanelError> {
        let params = [
            ("sok", "ok".to_owned()),
            ("item", item.to_string()),
            ("runningoperation", operation.to_string()),
            ("type", task_type.to_owned()),
        ];
        self.run("task.edit", &params).map(drop)
    }

    /// `problems.register sok=ok level=error name=processingmodule_connect …`: the module cannot reach its license
    /// server.
    ///
    /// # Errors
    /// See [`PanelError`].
    pub fn register_problem(&self, module: ModuleId, name: &str, message: &str) -> Result<(), PanelError> {
        let params = [
            ("sok", "ok".to_owned()),
            ("level", "error".to_owned()),
            ("name", "processingmodule_connect".to_owned()),
            ("id", module.to_string()),
            ("param_pm_id", module.to_string()),
            ("param_pm_name", name.to_owned()),
            ("param_errormsg", message.to_owned()),
        ];
        self.run("problems.register", &params).map(drop)
    }

    /// Runs a function of the panel and returns its document.
    ///
    /// # Errors
    /// See [`PanelError`].
    pub fn run(&self, func: &str, params: &[(&str, String)]) -> Result<Element, PanelError> {
        let mut command = self.command(func, params);
        let child = command.spawn().map_err(|error| {
            PanelError::NotStarted(format!("{} could not be started: {error}", self.program().display()))
        })?;
        let (status, answer, complaint) = finish(child, func, self.time_limit)?;
        judge(func, status, &answer, &complaint).map_err(|error| masked(error, params))
    }

    fn program(&self) -> PathBuf {
        self.root.join("sbin/mgrctl")
    }

    fn command(&self, func: &str, params: &[(&str, String)]) -> Command {
        let mut command = Command::new(self.program());
        command.current_dir(&self.root).env("SSH_CONNECTION", "pmisplicense");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.args(["-m", "billmgr", "-o", "xml", func]);
        let (secret, open): (Vec<_>, Vec<_>) = params.iter().partition(|param| is_secret(param, params));
        command.args(open.into_iter().map(|(key, value)| format!("{key}={}", without_nul(value))));
        for (number, (key, value)) in secret.into_iter().enumerate() {
            let variable = format!("PMISPLICENSE_SECRET_{number}");
            command.args(["-e".to_owned(), format!("{key}=${variable}")]).env(variable, without_nul(value));
        }
        command
    }
}

/// Whether a value must not appear in the process list: that of a secret name, also in the form `name=… value=…`.
fn is_secret((key, _): &(&str, String), all: &[(&str, String)]) -> bool {
    let secret_name = |name: &str| name == "lickey" || name.contains("password");
    secret_name(key) || (*key == "value" && all.iter().any(|(key, name)| *key == "name" && secret_name(name)))
}

/// An error without the secrets that were sent: the tool may quote its parameters.
fn masked(error: PanelError, params: &[(&str, String)]) -> PanelError {
    let mask = |text: String| {
        let secrets = params.iter().filter(|param| is_secret(param, params) && !param.1.is_empty());
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

/// No argument can hold a NUL; the panel could not store one either.
fn without_nul(value: &str) -> String {
    value.replace('\0', "")
}

/// A setting exactly as the panel has it: a password may begin or end with a space.
fn raw(element: &Element) -> &str {
    if element.text.is_empty() { element.attribute("v").unwrap_or_default() } else { &element.text }
}

/// A pipe that is being read by a thread of its own, so that neither pipe can fill up and stop the tool.
struct Pipe {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Pipe {
    fn read(mut stream: impl Read + Send + 'static, limit: u64, done: Sender<()>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            // One byte above the limit is kept, so that the reader of the document sees that it was exceeded; the rest
            // is read and dropped: a tool that is stopped half-way might leave half a change.
            while let Ok(count @ 1..) = stream.read(&mut chunk) {
                let mut kept = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let room = (limit + 1).saturating_sub(kept.len() as u64);
                let room = usize::try_from(room).unwrap_or(usize::MAX);
                kept.extend_from_slice(&chunk[..count.min(room)]);
            }
            // Nobody listens any more after the time limit.
            done.send(()).ok();
        });
        Self { bytes }
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Waits for the tool: both pipes at their end and the process reaped, within the limit.
fn finish(mut child: Child, func: &str, limit: Duration) -> Result<(ExitStatus, Vec<u8>, Vec<u8>), PanelError> {
    let deadline = Instant::now() + limit;
    let (done, ended) = channel();
    let stdout = child.stdout.take().map(|stream| Pipe::read(stream, MAX_ANSWER, done.clone()));
    let stderr = child.stderr.take().map(|stream| Pipe::read(stream, MAX_COMPLAINT, done.clone()));
    drop(done);
    let status = await_end(&mut child, &ended, deadline);
    let Some(status) = status else {
        // Killing and reaping can fail only when it is gone already.
        child.kill().ok();
        child.wait().ok();
        let limit_s = limit.as_secs();
        return Err(PanelError::Unknown(format!("mgrctl {func} was stopped after {limit_s} s without an answer")));
    };
    let bytes = |pipe: Option<Pipe>| pipe.map(|pipe| pipe.take()).unwrap_or_default();
    Ok((status, bytes(stdout), bytes(stderr)))
}

/// `None`: the deadline passed while the tool was still running.
fn await_end(child: &mut Child, ended: &Receiver<()>, deadline: Instant) -> Option<ExitStatus> {
    let mut open_pipes = 2;
    let mut exited: Option<(ExitStatus, Instant)> = None;
    loop {
        let now = Instant::now();
        if exited.is_none() {
            exited = child.try_wait().ok().flatten().map(|status| (status, now));
        }
        match exited {
            Some((status, since)) if open_pipes == 0 || now >= since + PIPE_GRACE => return Some(status),
            None if now >= deadline => return None,
            Some(_) | None => {}
        }
        if open_pipes == 0 {
            // It closed its output and will exit at once.
            std::thread::sleep(Duration::from_millis(1));
        } else if ended.recv_timeout(LOOK_EVERY).is_ok() {
            open_pipes -= 1;
        }
    }
}

/// What the bytes of a tool that ended well mean: for tools that look at recorded or hostile answers.
///
/// # Errors
/// See [`PanelError`].
pub fn read_answer(func: &str, answer: &[u8], complaint: &[u8]) -> Result<Element, PanelError> {
    judge(func, ExitStatus::default(), answer, complaint)
}

/// What the panel's answer means. An error document is believed with any exit code; without one only exit 0 and a
/// document are success.
fn judge(func: &str, status: ExitStatus, answer: &[u8], complaint: &[u8]) -> Result<Element, PanelError> {
    let parsed = xml::parse(answer, MAX_ANSWER);
    if let Some(error) = parsed.as_ref().ok().and_then(|doc| doc.child("error")) {
        let message = error.value_of("msg").filter(|text| !text.is_empty()).unwrap_or_else(|| error.value());
        return Err(PanelError::Refused {
            error_type: error.attribute("type").unwrap_or_default().to_owned(),
            object: error.attribute("object").unwrap_or_default().to_owned(),
            message: message.to_owned(),
        });
    }
    let said = cut(complaint);
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

/// sok=ok in front, unless the caller gave it.
fn with_sok(values: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
    let mut params = Vec::with_capacity(values.len() + 1);
    if !values.iter().any(|(key, _)| *key == "sok") {
        params.push(("sok", "ok".to_owned()));
    }
    params.extend_from_slice(values);
    params
}

impl Panel for Mgrctl {
    fn call(&mut self, call: &PanelCall) -> Result<BTreeMap<String, String>, PanelError> {
        let doc = match call {
            PanelCall::SaveParams { item, values } => {
                let mut params = vec![("sok", "ok".to_owned()), ("elid", item.to_string())];
                params.extend_from_slice(values);
                params.push(("crypted", "off".to_owned()));
                self.run("service.saveparam", &params)?
            }
            PanelCall::SaveParamOld { item, name, value } => {
                let params = [
                    ("sok", "ok".to_owned()),
                    ("elid", item.to_string()),
                    ("name", (*name).to_owned()),
                    ("value", value.clone()),
                ];
                self.run("service.saveparam", &params)?
            }
            PanelCall::Post { func, item } => {
                self.run(func, &[("elid", item.to_string()), ("sok", "ok".to_owned())])?
            }
            PanelCall::Import { values } => self.run("processing.import.service", &with_sok(values))?,
            PanelCall::RegisterProblem { values } => self.run("problems.register", &with_sok(values))?,
        };
        let mut answer = BTreeMap::new();
        for child in &doc.children {
            answer.entry(child.name.clone()).or_insert_with(|| child.value().to_owned());
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests;
