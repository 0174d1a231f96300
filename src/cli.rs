//! Declarations of the command line, of two kinds (docs/interface.md 2): the options and commands of the panel's
//! protocol, and the administrator's subcommands. `argv` reads the first kind. Nothing here reads files or the
//! environment.

pub mod changed;
mod cluster;
mod doctor;
mod effects;
mod list;
pub mod russian;
mod state;
mod subcommands;
mod takeover;
mod usage_error;
mod values;

use std::path::PathBuf;

pub use self::cluster::ClusterCommand;
pub use self::doctor::DoctorArgs;
pub use self::list::{ListArgs, ListedState, SortBy};
pub use self::state::StateCommand;
pub use self::subcommands::{AdminArgs, AdminCommand, RefusedFor};
pub use self::takeover::{Import, Itemtype, TakeOver, Taking, Whmcs};
use crate::error::Lang;
use crate::model::command::ItemCommand;
use crate::model::ids::{ItemId, ModuleId, RunningOperationId};

/// A known option of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Opt {
    /// `--command`, `-c`
    Command,
    /// `--item`, `-i`
    Item,
    /// `--module`, `-m`
    Module,
    /// `--runningoperation`
    RunningOperation,
    /// `--level`
    Level,
    /// `--lang`, `-l`
    Lang,
    /// `--itemtype`, `-t`
    Itemtype,
    /// `--subcommand`
    Subcommand,
    /// `--id`
    Id,
    /// `--param`
    Param,
    /// `--value`
    Value,
    /// `--intname`
    Intname,
    /// `--addon`, `-a`
    Addon,
    /// `--userid`
    Userid,
    /// `--password`
    Password,
    /// `--config`
    Config,
    /// `--dry-run`: show what would be done.
    DryRun,
    /// `--verbose`: requests and answers on stderr.
    Verbose,
    /// `--json`: the form of what a dry run shows.
    Json,
}

/// Long name, short name, option.
pub const OPTIONS: [(&str, Option<char>, Opt); 19] = [
    ("command", Some('c'), Opt::Command),
    ("item", Some('i'), Opt::Item),
    ("module", Some('m'), Opt::Module),
    ("runningoperation", None, Opt::RunningOperation),
    ("level", None, Opt::Level),
    ("lang", Some('l'), Opt::Lang),
    ("itemtype", Some('t'), Opt::Itemtype),
    ("subcommand", None, Opt::Subcommand),
    ("id", None, Opt::Id),
    ("param", None, Opt::Param),
    ("value", None, Opt::Value),
    ("intname", None, Opt::Intname),
    ("addon", Some('a'), Opt::Addon),
    ("userid", None, Opt::Userid),
    ("password", None, Opt::Password),
    ("config", None, Opt::Config),
    ("dry-run", None, Opt::DryRun),
    ("verbose", None, Opt::Verbose),
    ("json", None, Opt::Json),
];

impl Opt {
    /// The long name without hyphens, as errors show it.
    pub fn name(self) -> &'static str {
        OPTIONS.iter().find(|(.., opt)| *opt == self).map_or("", |(name, ..)| *name)
    }

    /// Whether it is a flag: the word after it is not its value.
    pub fn is_flag(self) -> bool {
        matches!(self, Self::DryRun | Self::Verbose | Self::Json)
    }
}

/// A command of the protocol that may change licenses. The engine carries it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineCommand {
    /// A command about one service.
    Item {
        /// Which command.
        command: ItemCommand,
        /// `--item`
        item: ItemId,
    },
    /// `sync_server`: all licenses of a module.
    SyncServer {
        /// `--module`
        module: ModuleId,
    },
    /// `sync`: all licenses of a module, or of all.
    Sync {
        /// `--module`
        module: Option<ModuleId>,
    },
    /// `import`: licenses at the seller that no service has.
    Import {
        /// `--module`
        module: ModuleId,
        /// `--itemtype`
        itemtype: String,
        /// `--param`: part of a name or address, or a comma list of license ids.
        search: Option<String>,
    },
}

impl EngineCommand {
    /// The protocol's word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Item { command, .. } => command.word(),
            Self::SyncServer { .. } => "sync_server",
            Self::Sync { .. } => "sync",
            Self::Import { .. } => "import",
        }
    }

    /// The service it is about.
    pub fn item(&self) -> Option<ItemId> {
        match self {
            Self::Item { item, .. } => Some(*item),
            Self::SyncServer { .. } | Self::Sync { .. } | Self::Import { .. } => None,
        }
    }
}

/// The action of `tuning_param`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tuning {
    /// The list of rows.
    List,
    /// The edit form, before it is shown.
    TableFormTune,
    /// The edit form, filled from a row.
    TableGet,
    /// The row, made from the form.
    TableSet,
    /// Anything else: the document is returned unchanged.
    Other,
}

/// A checked command of the protocol, with everything that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `features`
    Features,
    /// `check_connection`
    CheckConnection,
    /// `tune_connection`
    TuneConnection,
    /// `tuning_param`
    TuningParam(Tuning),
    /// `check_param`
    CheckParam {
        /// `--param`
        param: String,
        /// `--value`
        value: String,
    },
    /// `check_addon`
    CheckAddon {
        /// `--param`, else `--intname`, else `--addon`: for the error only.
        addon: String,
        /// `--value`
        value: String,
    },
    /// `import_pricelist`
    ImportPricelist {
        /// `--module`
        module: ModuleId,
    },
    /// A command that may change licenses.
    Engine(EngineCommand),
    /// A command that this module answers with an empty document.
    Empty,
    /// A command of the protocol that this module does not carry out.
    NotSupported(&'static str),
}

/// Options of every command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Common {
    /// `--lang`
    pub lang: Lang,
    /// `--module`
    pub module: Option<ModuleId>,
    /// `--runningoperation`
    pub running_operation: Option<RunningOperationId>,
    /// `--config`
    pub config: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every protocol option has one name.
    #[test]
    fn each_option_of_the_protocol_has_one_name() {
        for (name, _, opt) in OPTIONS {
            assert_eq!(opt.name(), name);
        }
        let mut shorts: Vec<_> = OPTIONS.iter().filter_map(|(_, short, _)| *short).collect();
        shorts.sort_unstable();
        assert_eq!(shorts, ['a', 'c', 'i', 'l', 'm', 't']);
    }
}
