//! The context of a command. Each part is made at its first use and at most once, because most parts cost a process: an
//! `open` starts the panel's tool four times, a `sync_item` at most twice (docs/testing.md 5).

mod behind;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{ErrorKind, Lang, ModuleError};
use crate::log::Log;
use crate::model::ids::{ItemId, ModuleId, PanelId, PricelistId, RunningOperationId};
use crate::ports::{
    BillDb, Clock, Column, Connector, DbError, ItemPrice, Locks, ModuleAccess, Notes, Panel, PanelError, PanelQuestion,
    ToolAnswer, Whmcs,
};
use crate::settings::Settings;
use crate::store::{ClusterLog, ClusterRules, Store};
use crate::text;
pub use behind::Behind;

/// The panel's database, and the module settings that it holds encrypted.
pub trait PanelData: BillDb {
    /// url, username, password of a module from processingparam and processingcryptedparam. `None` when they cannot be
    /// read there (no key, no such rows), so that the panel has to be asked.
    ///
    /// # Errors
    /// The database is away or its tables are not as expected.
    fn stored_access(&mut self, module: ModuleId) -> Result<Option<ModuleAccess>, DbError>;

    /// Number and value of the module's rows of a custom parameter, ordered by number.
    ///
    /// # Errors
    /// As [`PanelData::stored_access`].
    fn custom_rows(&mut self, module: ModuleId, name: &str) -> Result<Vec<(u32, String)>, DbError>;

    /// Values of processingparam of a module of any kind, by name.
    ///
    /// # Errors
    /// As [`PanelData::stored_access`].
    fn module_params(&mut self, module: ModuleId) -> Result<BTreeMap<String, String>, DbError>;

    /// What clients pay for items. Missing items are left out.
    ///
    /// # Errors
    /// As [`PanelData::stored_access`].
    fn prices(&mut self, items: &[ItemId]) -> Result<Vec<ItemPrice>, DbError>;

    /// Active tariffs and values of enumerations with an internal name.
    ///
    /// # Errors
    /// As [`PanelData::stored_access`].
    fn leading_to(&mut self, internal_name: &str) -> Result<Vec<Leading>, DbError>;

    /// The tables that are read, each with its columns. A table without columns does not exist.
    ///
    /// # Errors
    /// As [`PanelData::stored_access`].
    fn columns(&mut self) -> Result<Vec<(&'static str, Vec<Column>)>, DbError> {
        Ok(Vec::new())
    }
}

/// Something in the panel that a client can order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leading {
    /// An active tariff: its id and name.
    Tariff(PricelistId, String),
    /// A value of an enumeration: its id and name.
    Value(u32, String),
}

/// The functions of the panel's tool besides [`Panel`]: finding the database, module settings, failure reports.
pub trait PanelTool {
    /// Asks where the database is (`paramlist`), and connects.
    ///
    /// # Errors
    /// `mgrctl` or `database`.
    fn database(&mut self) -> Result<Box<dyn PanelData>, ModuleError>;
    /// The document of a function that changes nothing, an error document too.
    ///
    /// # Errors
    /// [`PanelError::NotStarted`], and [`PanelError::Unknown`] when the answer was not a document.
    fn answer(&mut self, question: &PanelQuestion) -> Result<ToolAnswer, PanelError> {
        Err(PanelError::NotStarted(format!("{}: this panel cannot be asked", question.form().func)))
    }
    /// `processing.edit elid=MODULE`
    ///
    /// # Errors
    /// See [`PanelError`].
    fn module_settings(&mut self, module: ModuleId) -> Result<ModuleAccess, PanelError>;
    /// `runningoperation.edit sok=ok elid errorxml`
    ///
    /// # Errors
    /// See [`PanelError`].
    fn save_error(&mut self, operation: RunningOperationId, errorxml: &str) -> Result<(), PanelError>;
    /// `runningoperation.setmanual elid sok=ok`
    ///
    /// # Errors
    /// See [`PanelError`].
    fn set_manual(&mut self, operation: RunningOperationId) -> Result<(), PanelError>;
    /// `task.gettype operation item`; empty: the panel wants no task.
    ///
    /// # Errors
    /// See [`PanelError`].
    fn task_type(&mut self, command: &str, item: ItemId) -> Result<String, PanelError>;
    /// `task.edit sok=ok item runningoperation type`
    ///
    /// # Errors
    /// See [`PanelError`].
    fn add_task(&mut self, item: ItemId, operation: RunningOperationId, task_type: &str) -> Result<(), PanelError>;
    /// `problems.register … name=processingmodule_connect`
    ///
    /// # Errors
    /// See [`PanelError`].
    fn register_problem(&mut self, module: ModuleId, name: &str, message: &str) -> Result<(), PanelError>;
}

/// The panel's data: database and module settings, each fetched once.
pub struct Data {
    /// The tool, for data that is not in the database.
    pub tool: Box<dyn PanelTool>,
    log: Arc<Log>,
    database: Option<Box<dyn PanelData>>,
    accesses: BTreeMap<ModuleId, ModuleAccess>,
}

impl Data {
    /// Data of which nothing is fetched yet.
    pub fn new(tool: Box<dyn PanelTool>, log: Arc<Log>) -> Self {
        Self { tool, log, database: None, accesses: BTreeMap::new() }
    }

    /// Number and value of the module's rows of a custom parameter.
    ///
    /// # Errors
    /// `mgrctl` or `database`.
    pub fn custom_rows(&mut self, module: ModuleId, name: &str) -> Result<Vec<(u32, String)>, ModuleError> {
        self.connected()?.custom_rows(module, name).map_err(database_error)
    }

    /// Values of processingparam of a module of any kind, by name.
    ///
    /// # Errors
    /// `mgrctl` or `database`.
    pub fn module_params(&mut self, module: ModuleId) -> Result<BTreeMap<String, String>, ModuleError> {
        self.connected()?.module_params(module).map_err(database_error)
    }

    /// What clients pay for items.
    ///
    /// # Errors
    /// `mgrctl` or `database`.
    pub fn prices(&mut self, items: &[ItemId]) -> Result<Vec<ItemPrice>, ModuleError> {
        self.connected()?.prices(items).map_err(database_error)
    }

    /// Active tariffs and values of enumerations with an internal name.
    ///
    /// # Errors
    /// `mgrctl` or `database`.
    pub fn leading_to(&mut self, internal_name: &str) -> Result<Vec<Leading>, ModuleError> {
        self.connected()?.leading_to(internal_name).map_err(database_error)
    }

    /// The tables that are read, each with its columns.
    ///
    /// # Errors
    /// `mgrctl` or `database`.
    pub fn columns(&mut self) -> Result<Vec<(&'static str, Vec<Column>)>, ModuleError> {
        self.connected()?.columns().map_err(database_error)
    }

    fn connected(&mut self) -> Result<&mut dyn PanelData, ModuleError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => self.tool.database()?,
        };
        Ok(self.database.insert(database).as_mut())
    }

    /// The panel's database; connects at first use (one process).
    ///
    /// # Errors
    /// `mgrctl` or `database`.
    pub fn billdb(&mut self) -> Result<&mut dyn BillDb, ModuleError> {
        Ok(self.connected()?)
    }

    /// The address and login of a module: from the database if the panel's key can be read, else from the panel (one
    /// process).
    ///
    /// # Errors
    /// `mgrctl`, `database`; `missed` when the module has no address, user or password.
    pub fn access(&mut self, module: ModuleId) -> Result<ModuleAccess, ModuleError> {
        if let Some(access) = self.accesses.get(&module) {
            return Ok(access.clone());
        }
        let stored = self.connected()?.stored_access(module).map_err(database_error)?;
        let access = match stored {
            Some(access) => access,
            None => self.tool.module_settings(module).map_err(|error| panel_error("processing.edit", &error))?,
        };
        self.log.secret(&access.password);
        complete(&access)?;
        self.accesses.insert(module, access.clone());
        Ok(access)
    }
}

/// The log of a cluster, as the settings name it.
pub trait ClusterAccess {
    /// The log. No connection is made yet.
    ///
    /// # Errors
    /// `config`: the password cannot be read.
    fn log(&self) -> Result<Box<dyn ClusterLog>, ModuleError>;

    /// This machine's settings of the cluster.
    ///
    /// # Errors
    /// `config`: the machine has no name; `state`: the lock folder cannot be used.
    fn rules(&self) -> Result<ClusterRules, ModuleError>;
}

/// Everything that a run works with.
pub struct Context {
    /// The settings file, environment and defaults.
    pub settings: Settings,
    /// The log.
    pub log: Arc<Log>,
    /// The language of messages.
    pub lang: Lang,
    /// `--module`
    pub module: Option<ModuleId>,
    /// `--runningoperation`
    pub running_operation: Option<RunningOperationId>,
    /// The time.
    pub clock: Box<dyn Clock>,
    /// Lock files.
    pub locks: Box<dyn Locks>,
    /// Makes clients for the accounts of modules.
    pub connector: Box<dyn Connector>,
    /// The panel, for changes.
    pub panel: Box<dyn Panel>,
    /// The panel, for reads.
    pub data: Data,
    /// WHMCS's database, for reads.
    pub whmcs: Box<dyn Whmcs>,
    /// The name of this machine. A state file holds the name of the machine that it belongs to.
    pub machine: String,
    /// The id of this installation, in case a new state is made.
    pub fresh_panel: PanelId,
    /// The input from the panel on stdin.
    pub stdin: Box<dyn std::io::Read>,
    /// The log of the engine: what it does and why.
    pub notes: Box<dyn Notes>,
    /// The log that this machine shares with others; `None`: the settings have no `[cluster]`.
    pub cluster: Option<Box<dyn ClusterAccess>>,
    /// The replica, after it was opened. It is opened once, because all leases of the run belong to it.
    pub replica: RefCell<Option<Store>>,
    /// The run changes nothing. In a cluster it goes on with this machine's state when the log cannot be read.
    pub looks: bool,
    /// Why the run goes on with this machine's state, and how old that is.
    pub behind: RefCell<Option<Behind>>,
    /// `--dry-run`: a copy of the state in memory, used instead of the file. No file is written or removed.
    pub copy: Option<Store>,
}

/// Checks that a module has the settings without which no seller can be called.
///
/// # Errors
/// `missed`, object `url`, `username` or `password`, value the module.
pub fn complete(access: &ModuleAccess) -> Result<(), ModuleError> {
    let module = access.module;
    let fields = [("url", &access.url), ("username", &access.username), ("password", &access.password)];
    let Some((name, _)) = fields.into_iter().find(|(_, value)| value.trim().is_empty()) else { return Ok(()) };
    Err(ModuleError::new(
        ErrorKind::Missed,
        name,
        module,
        text!(
            "The field {name} of processing module {module} is empty",
            "У модуля обработки {module} не заполнено поле {name}"
        ),
    )
    .changed(text!("Nothing was done", "Ничего не сделано"))
    .next(text!(
        "fill in the field in the module's settings in the panel and repeat",
        "заполните это поле в настройках модуля в панели и повторите"
    )))
}

/// The error of a panel's database that does not answer.
pub fn database_error(error: DbError) -> ModuleError {
    let usual = || {
        text!("The panel's database could not be read", "База данных панели не читается")
            .changed(text!(
                "Nothing was done beyond what the journal shows",
                "Сверх записанного в журнале ничего не сделано"
            ))
            .next(text!("see the log, then repeat the command", "посмотрите лог и повторите команду"))
    };
    let message = error.advice.as_deref().cloned().unwrap_or_else(usual);
    ModuleError::new(ErrorKind::Database, "database", "", message).because(error)
}

/// The error of a call of the panel's tool.
pub fn panel_error(func: &str, error: &PanelError) -> ModuleError {
    let value = match error {
        PanelError::Refused { error_type, .. } => error_type.as_str(),
        PanelError::NotStarted(_) | PanelError::Unknown(_) => "",
    };
    let why = error.words();
    let message = text!(["The panel did not carry out {func}: {}", why.en], ["Панель не выполнила {func}: {}", why.ru]);
    ModuleError::new(ErrorKind::Mgrctl, func, value, message)
        .changed(text!("Nothing else was done", "Больше ничего не сделано"))
        .next(text!("see the log, then repeat the command", "посмотрите лог и повторите команду"))
}
