//! The settings of a run, from defaults, the settings file, the environment and the command line; the most explicit one
//! wins (docs/interface.md 1). Errors name key and line. The defaults of paths are here, all others in `model::rules`.

mod cluster;
mod hosting;
mod layer;
mod product;
mod reader;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub use cluster::{ClusterSettings, LogHost};
use layer::{Layer, many};
use product::ProductPatch;
pub use product::RefusalSetting;
use reader::{Source, Table};

use crate::clock::Zone;
use crate::error::{ErrorKind, ModuleError};
use crate::model::ids::ModuleId;
use crate::model::rules::{OnClose, Rules};
use crate::text;

/// The default of the panel's folder.
pub const DEFAULT_ROOT: &str = "/usr/local/mgr5";

/// The file that names a machine, on every system with systemd.
const MACHINE_ID: &str = "/etc/machine-id";

/// In a cluster, an intent that was not sent within this many seconds is never sent.
const SEND_BY_S: u32 = 60;

/// The longest settings file in bytes.
const FILE_BYTES: u64 = 1024 * 1024;

/// The variables of the environment, which `run` reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// PMISPLICENSE_MGR_ROOT
    pub root: Option<PathBuf>,
    /// PMISPLICENSE_CONFIG
    pub config: Option<PathBuf>,
    /// PMISPLICENSE_STATE
    pub state: Option<PathBuf>,
    /// PMISPLICENSE_MACHINE_ID
    pub machine_id: Option<PathBuf>,
    /// PMISPLICENSE_CLUSTER_PASSWORD
    pub cluster_password: ClusterPassword,
}

/// A password that is never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClusterPassword(pub Option<String>);

impl std::fmt::Debug for ClusterPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "ClusterPassword(***)" } else { "ClusterPassword(none)" })
    }
}

impl Environment {
    /// The panel's folder before any settings file was read.
    pub fn root(&self) -> PathBuf {
        self.root.clone().unwrap_or_else(|| DEFAULT_ROOT.into())
    }

    /// The settings file.
    pub fn config(&self, option: Option<&Path>) -> PathBuf {
        let beneath = || self.root().join("etc/pmisplicense.toml");
        option.map(Path::to_owned).or_else(|| self.config.clone()).unwrap_or_else(beneath)
    }
}

/// Whether the panel's switch DoNothing exists. While it does, nothing is changed.
pub fn do_nothing(root: &Path) -> bool {
    root.join("etc/billmgr.DoNothing").exists()
}

/// The settings of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The panel's folder.
    pub root: PathBuf,
    /// The state file.
    pub state: PathBuf,
    /// The log.
    pub log: PathBuf,
    /// The settings file, whether it exists or not.
    pub config: PathBuf,
    /// The file that names this machine. Only the environment can name another file, because the settings file is
    /// copied with a panel.
    pub machine_id: PathBuf,
    /// A PEM file with the authority of the panel's database, for TLS over TCP: `[panel_db] ca_file`.
    pub panel_db_ca: Option<PathBuf>,
    /// The place of the log that this machine shares with others: `[cluster]`. `None`: the state belongs to this
    /// machine alone.
    pub cluster: Option<ClusterSettings>,
    /// The password of that log's user.
    pub cluster_password: ClusterPassword,
    /// The file to which each sync writes the figures for monitoring. `None`: no file.
    pub metrics_file: Option<PathBuf>,
    /// Whether the panel has pages of ours.
    pub pages: bool,
    /// Further words by which refusals are understood.
    pub refusals: Vec<RefusalSetting>,
    top: Layer,
    modules: BTreeMap<ModuleId, Layer>,
}

impl Settings {
    /// Defaults and environment only: for commands that need no settings, and while the file cannot be read.
    pub fn without_file(environment: &Environment, option: Option<&Path>) -> Self {
        Self::assemble(environment, option, None, None, None)
    }

    fn assemble(
        environment: &Environment,
        option: Option<&Path>,
        root: Option<PathBuf>,
        state: Option<PathBuf>,
        log: Option<PathBuf>,
    ) -> Self {
        let root = environment.root.clone().or(root).unwrap_or_else(|| DEFAULT_ROOT.into());
        let beneath = |path: Option<PathBuf>, default: &str| root.join(path.unwrap_or_else(|| default.into()));
        Self {
            state: environment.state.clone().unwrap_or_else(|| beneath(state, "var/pmisplicense/state.db")),
            log: beneath(log, "var/pmisplicense.log"),
            config: environment.config(option),
            machine_id: environment.machine_id.clone().unwrap_or_else(|| MACHINE_ID.into()),
            panel_db_ca: None,
            cluster: None,
            cluster_password: environment.cluster_password.clone(),
            metrics_file: None,
            pages: true,
            refusals: Vec::new(),
            top: Layer::default(),
            modules: BTreeMap::new(),
            root,
        }
    }

    /// Reads the settings file. Without a file the defaults count, but a file that the command line or the environment
    /// names must exist.
    ///
    /// # Errors
    /// `config`, naming key and line.
    pub fn load(environment: &Environment, option: Option<&Path>) -> Result<Self, ModuleError> {
        check_machine_id(environment)?;
        let path = environment.config(option);
        let is_named = option.is_some() || environment.config.is_some();
        match read_limited(&path) {
            Ok(bytes) => Self::parse(environment, option, utf8(&path, &bytes)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_named => {
                Ok(Self::without_file(environment, option))
            }
            Err(error) => {
                let shown = path.display();
                let message = text!("The settings file {shown} cannot be read", "Файл настроек {shown} не читается");
                Err(ModuleError::new(ErrorKind::Config, "config", shown, message)
                    .changed(text!("Nothing was done", "Ничего не сделано"))
                    .next(text!(
                        "make it readable, or name another with --config",
                        "сделайте его доступным или укажите другой через --config"
                    ))
                    .because(error))
            }
        }
    }

    /// Reads the text of a settings file.
    ///
    /// # Errors
    /// `config`, naming key and line.
    pub fn parse(environment: &Environment, option: Option<&Path>, text: &str) -> Result<Self, ModuleError> {
        let path = environment.config(option);
        let source = Source { path: &path, text };
        let parsed = DeTable::parse(text).map_err(|error| source.syntax(&error))?;
        let table = Table::root(source, &parsed);
        let path_of = |name| table.take(name).map(|f| f.filled().map(PathBuf::from)).transpose();
        let root = table.take("mgr_root").map(|f| f.absolute_path()).transpose()?;
        let mut settings = Self::assemble(environment, option, root, path_of("state")?, path_of("log")?);
        settings.top = Layer::read(&table)?;
        if let Some(field) = table.take("panel_db") {
            let panel_db = field.table()?;
            settings.panel_db_ca = panel_db.take("ca_file").map(|f| f.optional_path()).transpose()?.flatten();
            panel_db.finish()?;
        }
        settings.metrics_file = table.take("metrics_file").map(|f| f.optional_path()).transpose()?.flatten();
        settings.pages = table.take("pages").map(|f| f.flag()).transpose()?.unwrap_or(true);
        settings.refusals = many(&table, "refusal", product::refusal)?;
        let mut modules = BTreeMap::new();
        if let Some(field) = table.take("module") {
            for (name, field) in field.table()?.fields() {
                let id = name.parse::<ModuleId>().ok().filter(|id| id.0 > 0).ok_or_else(|| {
                    field.wrong(text!(
                        "expected a table [module.ID], ID a number",
                        "ожидается [module.ID], где ID — число"
                    ))
                })?;
                let table = field.table()?;
                let layer = Layer::read(&table)?;
                table.finish()?;
                modules.insert(id, layer);
            }
        }
        settings.modules = modules;
        if let Some(field) = table.take("cluster") {
            let cluster = field.table()?;
            settings.cluster = Some(ClusterSettings::read(&cluster)?);
            for module in std::iter::once(None).chain(settings.modules.keys().copied().map(Some)) {
                settings.check_times(&cluster, module)?;
            }
            cluster.finish()?;
        }
        let check = |module| settings.check_references(source, module);
        std::iter::once(None).chain(settings.modules.keys().copied().map(Some)).try_for_each(check)?;
        table.finish()?;
        Ok(settings)
    }

    /// Checks the times: an intent must have enough time to be sent and answered before it may be settled.
    fn check_times(&self, cluster: &Table<'_>, module: Option<ModuleId>) -> Result<(), ModuleError> {
        let upstream = self.own_rules(module).upstream;
        let (settle, timeout) = (upstream.settle_s, upstream.timeout_s);
        let least = 2 * (send_by_s(settle) + timeout);
        if settle >= least {
            return Ok(());
        }
        Err(cluster.wrong(
            "log",
            text!(
                "with [cluster] settle_s of [upstream] must be at least {least} for a timeout_s of {timeout}, not {settle}",
                "с [cluster] settle_s раздела [upstream] должно быть не меньше {least} при timeout_s {timeout}, а не {settle}"
            ),
        ))
    }

    /// Checks that the trial and the successors of each product of the file are products themselves.
    fn check_references(&self, source: Source<'_>, module: Option<ModuleId>) -> Result<(), ModuleError> {
        let layer = module.and_then(|module| self.modules.get(&module)).unwrap_or(&self.top);
        let catalogue = self.rules(module).catalogue;
        for name in layer.products.iter().map(ProductPatch::internal_name) {
            let Some(product) = catalogue.get(name) else { continue };
            for (key, wanted) in
                product.successors.iter().map(|n| ("successors", n)).chain(product.trial.iter().map(|n| ("trial", n)))
            {
                if catalogue.get(wanted).is_none() {
                    let line = source
                        .text
                        .lines()
                        .position(|line| line.contains(&format!("\"{wanted}\"")))
                        .map_or(1, |n| n + 1);
                    let what = text!(
                        "product {name} names {wanted:?}, which is no product",
                        "продукт {name} называет {wanted:?}, но такого продукта нет"
                    );
                    return Err(source.error(&format!("product.{key}"), line, what));
                }
            }
        }
        Ok(())
    }

    /// The provider's choices for a module, `[module.ID]` over the top level; without a module the top level alone.
    pub fn rules(&self, module: Option<ModuleId>) -> Rules {
        let mut rules = self.own_rules(module);
        if self.cluster.is_some() {
            // Another machine may have sent its order as late as `send_by`, and the last byte a timeout later.
            let upstream = &mut rules.upstream;
            upstream.settle_s += send_by_s(upstream.settle_s) + upstream.timeout_s;
        }
        rules
    }

    /// In a cluster, the seconds within which a recorded intent is sent, or never.
    pub fn send_by_s(&self) -> u32 {
        let modules = std::iter::once(None).chain(self.modules.keys().copied().map(Some));
        modules.map(|module| send_by_s(self.own_rules(module).upstream.settle_s)).min().unwrap_or(SEND_BY_S)
    }

    /// The longest settling time of any module, in seconds.
    pub fn longest_settle_s(&self) -> u32 {
        let modules = std::iter::once(None).chain(self.modules.keys().copied().map(Some));
        modules.map(|module| self.rules(module).upstream.settle_s).max().unwrap_or_default()
    }

    /// The modules for which the file sets `panel_id`. It is not used there: one id holds for the whole installation.
    pub fn modules_with_panel_id(&self) -> impl Iterator<Item = ModuleId> {
        self.modules.iter().filter(|(_, layer)| layer.panel_id.is_some()).map(|(module, _)| *module)
    }

    fn own_rules(&self, module: Option<ModuleId>) -> Rules {
        let mut rules = Rules::default();
        self.top.apply(&mut rules);
        if let Some(layer) = module.and_then(|module| self.modules.get(&module)) {
            layer.apply(&mut rules);
        }
        // One id holds for the whole installation, whichever module opens the state.
        rules.panel_id.clone_from(&self.top.panel_id);
        rules
    }

    /// Checks `on_close`: only an addon of a hosting order can be kept.
    ///
    /// # Errors
    /// `config`: `on_close = "keep"` holds for a module that buys from a BILLmanager.
    pub fn check_on_close(&self, module: ModuleId) -> Result<(), ModuleError> {
        if self.rules(Some(module)).on_close != OnClose::Keep {
            return Ok(());
        }
        let own = self.modules.get(&module).and_then(|layer| layer.on_close_at.as_ref());
        let Some((key, line)) = own.or(self.top.on_close_at.as_ref()) else { return Ok(()) };
        let source = Source { path: &self.config, text: "" };
        Err(source.error(
            key,
            *line,
            text!(
                "\"keep\" is for licenses from OrderBox; for module {module} expected one of \"pool\", \"stop\", \"delete\"",
                "\"keep\" — для лицензий OrderBox; для модуля {module} ожидается одно из \"pool\", \"stop\", \"delete\""
            ),
        ))
    }

    /// The time zone of the seller's calendar (`upstream_timezone`).
    pub fn zone(&self, module: Option<ModuleId>) -> Zone {
        let own = module.and_then(|module| self.modules.get(&module)).and_then(|layer| layer.zone);
        own.or(self.top.zone).unwrap_or_default()
    }

    /// Modules that have choices of their own.
    pub fn modules(&self) -> impl Iterator<Item = ModuleId> {
        self.modules.keys().copied()
    }

    /// The folder of the state, and of the files beside it.
    pub fn state_folder(&self) -> PathBuf {
        self.state.parent().map_or_else(|| self.root.join("var/pmisplicense"), Path::to_owned)
    }

    /// The folder of lock files.
    pub fn locks(&self) -> PathBuf {
        self.state_folder().join("locks")
    }

    /// The spool of the event handler: an empty file for each noted service, named by its number.
    pub fn spool(&self) -> PathBuf {
        self.state_folder().join("spool")
    }
}

fn send_by_s(settle_s: u32) -> u32 {
    SEND_BY_S.min(settle_s / 4)
}

fn read_limited(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(std::io::Error::other(format!("longer than {FILE_BYTES} bytes")));
    }
    Ok(bytes)
}

/// The text of the file, without a byte order mark.
fn utf8<'b>(path: &Path, bytes: &'b [u8]) -> Result<&'b str, ModuleError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let shown = path.display();
        let message = text!(
            "Settings file {shown}, line {line}: the file is not UTF-8",
            "Файл настроек {shown}, строка {line}: файл не в UTF-8"
        );
        ModuleError::new(ErrorKind::Config, "encoding", line, message)
            .changed(text!("Nothing was done", "Ничего не сделано"))
            .next(text!(
                "save it in UTF-8, for example with iconv -f windows-1251 -t utf-8, then repeat",
                "сохраните его в UTF-8, например командой iconv -f windows-1251 -t utf-8, и повторите"
            ))
    })
}

/// Checks that a named machine file exists. Without it there would be nothing to compare, and a copied panel would be
/// taken for the original.
fn check_machine_id(environment: &Environment) -> Result<(), ModuleError> {
    let Some(path) = &environment.machine_id else { return Ok(()) };
    let Err(error) = std::fs::File::open(path) else { return Ok(()) };
    let shown = path.display();
    let message = text!(
        "The file {shown}, which PMISPLICENSE_MACHINE_ID names, cannot be read",
        "Файл {shown}, на который указывает PMISPLICENSE_MACHINE_ID, не читается"
    );
    Err(ModuleError::new(ErrorKind::Config, "PMISPLICENSE_MACHINE_ID", shown, message)
        .changed(text!("Nothing was done", "Ничего не сделано"))
        .next(text!("correct or unset the variable, then repeat", "исправьте или уберите переменную и повторите"))
        .because(error))
}

#[cfg(test)]
mod tests;
