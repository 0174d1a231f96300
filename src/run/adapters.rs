//! Builds the real implementations of the ports. Only this module knows their types.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::Utc;

use crate::billdb::cluster_log::{LogPlace, MysqlClusterLog};
use crate::billdb::whmcs::Place;
use crate::billdb::{DbParams, MysqlBillDb};
use crate::context::{ClusterAccess, Leading, PanelData, PanelTool, panel_error};
use crate::engine::state_error;
use crate::error::{ErrorKind, ModuleError};
use crate::log::Log;
use crate::mgrctl::Mgrctl;
use crate::model::ids::{ClientId, ItemId, LicenseId, ModuleId, PanelId, PricelistId, RunningOperationId};
use crate::model::item::{Item, Owner};
use crate::model::period::AlignmentRule;
use crate::model::whmcs::Record;
use crate::ports::{
    BillDb, Column, Connector, DbError, ItemPrice, Module, ModuleAccess, PanelError, PanelQuestion, RunningOperation,
    ServiceEnd, ToolAnswer, Whmcs,
};
use crate::secret;
use crate::settings::Settings;
use crate::store::{Clocks, ClusterLog, ClusterRules};
use crate::text;
use crate::trace::Trace;
use crate::upstream::HttpConnector;
use crate::upstream::refusal::RefusalRule;

/// The panel's tool.
pub struct Tool {
    mgrctl: Mgrctl,
    root: PathBuf,
    db_ca: Option<PathBuf>,
    log: Arc<Log>,
}

impl Tool {
    /// A tool that has not started a process yet.
    pub fn new(mgrctl: Mgrctl, settings: &Settings, log: Arc<Log>) -> Self {
        Self { mgrctl, root: settings.root.clone(), db_ca: settings.panel_db_ca.clone(), log }
    }
}

impl PanelTool for Tool {
    fn database(&mut self) -> Result<Box<dyn PanelData>, ModuleError> {
        let params = self.mgrctl.paramlist().map_err(|error| panel_error("paramlist", &error))?;
        self.log.secret(params.get("DBPassword").map(String::as_str).unwrap_or_default());
        let key = params.get("CryptKey").map(String::as_str).filter(|key| !key.is_empty()).unwrap_or("etc/billmgr.pem");
        let pem = std::fs::read_to_string(self.root.join(key)).ok();
        let params = DbParams { ca_file: self.db_ca.clone(), ..DbParams::from_paramlist(&params) };
        let db = MysqlBillDb::connect(&params);
        Ok(Box::new(Database { db, pem, log: Arc::clone(&self.log) }))
    }

    fn answer(&mut self, question: &PanelQuestion) -> Result<ToolAnswer, PanelError> {
        self.mgrctl.answer(question)
    }

    fn module_settings(&mut self, module: ModuleId) -> Result<ModuleAccess, PanelError> {
        self.mgrctl.processing_edit(module)
    }

    fn save_error(&mut self, operation: RunningOperationId, errorxml: &str) -> Result<(), PanelError> {
        self.mgrctl.save_error(operation, errorxml)
    }

    fn set_manual(&mut self, operation: RunningOperationId) -> Result<(), PanelError> {
        self.mgrctl.set_manual(operation)
    }

    fn task_type(&mut self, command: &str, item: ItemId) -> Result<String, PanelError> {
        self.mgrctl.task_type(command, item)
    }

    fn add_task(&mut self, item: ItemId, operation: RunningOperationId, task_type: &str) -> Result<(), PanelError> {
        self.mgrctl.add_task(item, operation, task_type)
    }

    fn register_problem(&mut self, module: ModuleId, name: &str, message: &str) -> Result<(), PanelError> {
        self.mgrctl.register_problem(module, name, message)
    }
}

/// The panel's database, with the panel's key if it can be read.
struct Database {
    db: MysqlBillDb,
    pem: Option<String>,
    log: Arc<Log>,
}

impl PanelData for Database {
    fn stored_access(&mut self, module: ModuleId) -> Result<Option<ModuleAccess>, DbError> {
        let Some(pem) = &self.pem else { return Ok(None) };
        let mut values = self.db.module_params(module)?;
        for (name, stored) in self.db.module_secret_params(module)? {
            match secret::decrypt(pem, &stored) {
                Ok(value) => drop(values.insert(name, value)),
                Err(error) => {
                    // Not fatal: the panel itself can still be asked.
                    self.log.warning(&format!("module {module}, {name}: {error}; the panel is asked instead"));
                    return Ok(None);
                }
            }
        }
        let mut take = |name: &str| values.remove(name).unwrap_or_default();
        let access = ModuleAccess { module, url: take("url"), username: take("username"), password: take("password") };
        let whole = ![&access.url, &access.username, &access.password].iter().any(|value| value.is_empty());
        Ok(whole.then_some(access))
    }

    fn custom_rows(&mut self, module: ModuleId, name: &str) -> Result<Vec<(u32, String)>, DbError> {
        self.db.module_rows(module, name)
    }

    fn module_params(&mut self, module: ModuleId) -> Result<BTreeMap<String, String>, DbError> {
        self.db.module_params(module)
    }

    fn prices(&mut self, items: &[ItemId]) -> Result<Vec<ItemPrice>, DbError> {
        self.db.prices(items)
    }

    fn leading_to(&mut self, internal_name: &str) -> Result<Vec<Leading>, DbError> {
        let tariffs = self.db.active_tariffs(internal_name)?.into_iter();
        let values = self.db.enumeration_values(internal_name)?.into_iter();
        let tariffs = tariffs.map(|(id, name)| Leading::Tariff(PricelistId(id), name));
        Ok(tariffs.chain(values.map(|(id, name)| Leading::Value(id, name))).collect())
    }

    fn columns(&mut self) -> Result<Vec<(&'static str, Vec<Column>)>, DbError> {
        self.db.columns()
    }
}

impl BillDb for Database {
    fn item(&mut self, item: ItemId) -> Result<Option<Item>, DbError> {
        self.db.item(item)
    }

    fn items(&mut self, items: &[ItemId]) -> Result<Vec<Item>, DbError> {
        self.db.items(items)
    }

    fn owners(&mut self, items: &[ItemId]) -> Result<Vec<Owner>, DbError> {
        self.db.owners(items)
    }

    fn service_ends(&mut self, items: &[ItemId]) -> Result<Vec<ServiceEnd>, DbError> {
        self.db.service_ends(items)
    }

    fn client_emails(&mut self, client: ClientId) -> Result<Vec<String>, DbError> {
        self.db.client_emails(client)
    }

    fn item_params(&mut self, item: ItemId) -> Result<BTreeMap<String, String>, DbError> {
        self.db.item_params(item)
    }

    fn running_operation(&mut self, id: RunningOperationId) -> Result<Option<RunningOperation>, DbError> {
        self.db.running_operation(id)
    }

    fn has_task(&mut self, id: RunningOperationId) -> Result<bool, DbError> {
        self.db.has_task(id)
    }

    fn modules(&mut self) -> Result<Vec<Module>, DbError> {
        self.db.modules()
    }

    fn alignment_rules(&mut self, module: ModuleId) -> Result<Vec<AlignmentRule>, DbError> {
        self.db.alignment_rules(module)
    }

    fn items_of_module(&mut self, module: ModuleId, after: ItemId, limit: u32) -> Result<Vec<ItemId>, DbError> {
        self.db.items_of_module(module, after, limit)
    }

    fn items_with_license(&mut self, license: LicenseId) -> Result<Vec<ItemId>, DbError> {
        self.db.items_with_license(license)
    }

    fn items_showing_licenses(&mut self, after: ItemId, limit: u32) -> Result<Vec<(ItemId, LicenseId)>, DbError> {
        self.db.items_showing_licenses(after, limit)
    }
}

/// The seller over HTTPS, with the rules of each module.
pub fn connector(settings: &Settings, trace: Trace) -> Box<dyn Connector> {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let rules = settings.refusals.iter().map(|rule| RefusalRule {
        error_type: given(&rule.error_type),
        object: given(&rule.object),
        text: given(&rule.text),
        means: rule.means,
    });
    let connector = HttpConnector::new(settings.rules(None), rules.collect()).traced(trace);
    Box::new(
        settings
            .modules()
            .fold(connector, |connector, module| connector.with_module(module, settings.rules(Some(module)))),
    )
}

/// WHMCS's database, named by a command line. A password that is not in the URL comes from the environment, which no
/// list of processes shows.
struct WhmcsDatabase(Arc<Log>);

/// Its password, for a URL without one.
const WHMCS_PASSWORD: &str = "PMISPLICENSE_WHMCS_PASSWORD";

impl Whmcs for WhmcsDatabase {
    fn noc_table(&self, url: &str) -> Result<Vec<Record>, DbError> {
        let place = Place::parse(url, std::env::var(WHMCS_PASSWORD).ok())?;
        self.0.secret(place.password().unwrap_or_default());
        place.noc_table()
    }
}

/// WHMCS's database. No connection is made yet.
pub fn whmcs(log: &Arc<Log>) -> Box<dyn Whmcs> {
    Box::new(WhmcsDatabase(Arc::clone(log)))
}

/// The log of a cluster. No connection is made yet.
struct Cluster {
    settings: Settings,
    log: Arc<Log>,
}

impl Cluster {
    fn password(&self, file: Option<&PathBuf>) -> Result<String, ModuleError> {
        if let Some(password) = &self.settings.cluster_password.0 {
            return Ok(password.clone());
        }
        let Some(file) = file else { return Ok(String::new()) };
        std::fs::read_to_string(file).map(|text| text.trim_end_matches(['\r', '\n']).to_owned()).map_err(|error| {
            let shown = file.display();
            let words = text!(
                "The file {shown}, which password_file of [cluster] names, cannot be read",
                "Файл {shown} из настройки password_file раздела [cluster] не читается"
            )
            .changed(text!("Nothing was done", "Ничего не сделано"))
            .next(text!(
                "correct the setting or the file's rights, then repeat",
                "исправьте настройку или права на файл и повторите"
            ));
            ModuleError::new(ErrorKind::Config, "cluster.password_file", shown, words).because(error)
        })
    }
}

impl ClusterAccess for Cluster {
    fn log(&self) -> Result<Box<dyn ClusterLog>, ModuleError> {
        let Some(settings) = &self.settings.cluster else {
            return Err(state_error(crate::store::ClusterError::NoSettings.into()));
        };
        let password = self.password(settings.password_file.as_ref())?;
        self.log.secret(&password);
        Ok(Box::new(MysqlClusterLog::new(LogPlace {
            hosts: settings.hosts.iter().map(|host| (host.host.clone(), host.port)).collect(),
            user: settings.user.clone(),
            password,
            schema: settings.schema.clone(),
            ca_file: settings.ca_file.clone(),
        })))
    }

    fn rules(&self) -> Result<ClusterRules, ModuleError> {
        let name = machine(&self.settings.machine_id);
        if name.is_empty() {
            let shown = self.settings.machine_id.display();
            let words = text!(
                "A cluster tells its machines apart by the file {shown}, which is empty or missing",
                "Кластер различает машины по файлу {shown}, а он пуст или отсутствует"
            )
            .changed(text!("Nothing was done", "Ничего не сделано"))
            .next(text!(
                "make it with systemd-machine-id-setup, or name another file in PMISPLICENSE_MACHINE_ID",
                "создайте его командой systemd-machine-id-setup или укажите другой файл в PMISPLICENSE_MACHINE_ID"
            ));
            return Err(ModuleError::new(ErrorKind::Config, "machine", shown, words));
        }
        let locks = self.settings.locks();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let folder = folder_id(&locks).map_err(|error| crate::engine::lock_failed(&error.to_string()))?;
        let modules = std::iter::once(None).chain(self.settings.modules().map(Some));
        let upstream: Vec<_> = modules.map(|module| self.settings.rules(module).upstream).collect();
        let longest = |of: &dyn Fn(&crate::model::rules::UpstreamRules) -> u32| {
            std::time::Duration::from_secs(upstream.iter().map(of).max().unwrap_or_default().into())
        };
        let lease = self.settings.cluster.as_ref().map_or(180, |cluster| cluster.lease_s);
        Ok(ClusterRules {
            owner: format!("{name} {} {folder}", boot.trim()),
            machine: name,
            queue: Some(locks.join("cluster.lock")),
            caught_up: Some(locks.join("cluster.caught-up")),
            lease: std::time::Duration::from_secs(lease.into()),
            send_by: std::time::Duration::from_secs(self.settings.send_by_s().into()),
            call: longest(&|rules| rules.timeout_s),
            settle: longest(&|rules| rules.settle_s),
            clocks: Clocks::SYSTEM,
        })
    }
}

/// The id of the lock folder, which is made once. A run that holds a lock file there knows that the last holder is
/// dead.
fn folder_id(locks: &std::path::Path) -> std::io::Result<String> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(locks)?;
    let path = locks.join("folder-id");
    if let Ok(id) = std::fs::read_to_string(&path)
        && !id.is_empty()
    {
        return Ok(id);
    }
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let made = locks.join(format!("folder-id.{id}"));
    std::fs::write(&made, &id)?;
    // The first of several runs sets the id: a hard link is made completely or not at all.
    let named = std::fs::hard_link(&made, &path);
    std::fs::remove_file(&made)?;
    match named {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => std::fs::read_to_string(&path),
    }
}

/// The log that the settings name, if they name one.
pub fn cluster(settings: &Settings, log: &Arc<Log>) -> Option<Box<dyn ClusterAccess>> {
    settings.cluster.as_ref()?;
    Some(Box::new(Cluster { settings: settings.clone(), log: Arc::clone(log) }))
}

/// The name of this machine, from a file: its machine-id, which survives a reboot and a change of address, and is not
/// copied with the panel. Empty when there is none; then nothing is compared.
pub fn machine(file: &std::path::Path) -> String {
    std::fs::read_to_string(file).map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// A new id of an installation.
pub fn fresh_panel() -> PanelId {
    let mut bytes = [0; PanelId::LENGTH];
    if getrandom::fill(&mut bytes).is_err() {
        // If there is no randomness this early in a boot, the time in nanoseconds also differs from other
        // installations.
        let nanos = Utc::now().timestamp_nanos_opt().unwrap_or_default();
        bytes = nanos.to_le_bytes();
    }
    PanelId::from_bytes(bytes)
}
