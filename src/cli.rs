//! Declarations of the command line, two kinds (CONTRACT.md 2): the panel's protocol options and commands, and the
//! administrator's subcommands. `argv` reads the former; files and environment are never looked at here.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use crate::engine::ItemCommand;
use crate::error::Lang;
use crate::model::ids::{ItemId, LicenseId, ModuleId, RunningOperationId};

/// A protocol option that is known.
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
}

/// Long name, short name, option.
pub const OPTIONS: [(&str, Option<char>, Opt); 16] = [
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
];

impl Opt {
    /// The long name without hyphens: what an error calls it.
    pub fn name(self) -> &'static str {
        OPTIONS.iter().find(|(.., opt)| *opt == self).map_or("", |(name, ..)| *name)
    }
}

/// A command of the protocol that may change licenses: the engine's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineCommand {
    /// About one service.
    Item {
        /// What.
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
    /// `import`: licenses upstream that no service has.
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

/// What `tuning_param` is asked for.
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
    /// Anything else: the document goes back as it came.
    Other,
}

/// A checked command of the protocol: whatever it needs is inside.
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

/// What comes with any command.
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

/// The administrator's command line.
#[derive(Debug, Parser)]
#[command(
    name = "pmisplicense",
    version,
    about = "Resells ispmanager licenses through BILLmanager. The panel calls it with --command NAME; \
             the commands below are for people."
)]
pub struct AdminArgs {
    /// Settings file (default: etc/pmisplicense.toml beneath the panel's folder)
    #[arg(long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Language of messages: en or ru
    #[arg(long, global = true, value_name = "LANG")]
    pub lang: Option<String>,
    /// What to do
    #[command(subcommand)]
    pub command: AdminCommand,
}

/// The administrator's subcommands.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum AdminCommand {
    /// Refresh all licenses, renew what is due, finish what was left to do (cron, hourly)
    Sync {
        /// Only this processing module
        #[arg(long, value_name = "ID", value_parser = number::<ModuleId>)]
        module: Option<ModuleId>,
        /// Go on even when far more would be renewed or freed than usual
        #[arg(long)]
        allow_many: bool,
        /// Only compare the servers of the modules in `bundled` with their licenses, and carry out the difference
        #[arg(long)]
        sweep: bool,
        /// Confirm the first sweep of these modules, which otherwise only reports
        #[arg(long, requires = "sweep")]
        adopt: bool,
    },
    /// End a doubt: say whether a purchase happened that the program could not tell
    Resolve {
        /// The service
        #[arg(value_name = "ITEM", value_parser = number::<ItemId>)]
        item: ItemId,
        /// Which wish, when the service has several in doubt
        #[arg(long, value_name = "N")]
        wish: Option<u32>,
        /// It was bought: the license's number upstream
        #[arg(long, value_name = "LICENSE", value_parser = number::<LicenseId>, conflicts_with = "not_bought", required_unless_present = "not_bought")]
        bought: Option<LicenseId>,
        /// It was not bought: the next run may order again
        #[arg(long)]
        not_bought: bool,
    },
    /// The state file: whose it is
    State {
        /// What to do with it
        #[command(subcommand)]
        command: StateCommand,
    },
    /// Look for what is wrong or unusual, and say what to do
    Doctor {
        /// Accept the account upstream that a module now logs in to
        #[arg(long, value_name = "MODULE", value_parser = number::<ModuleId>)]
        accept_account: Option<ModuleId>,
    },
}

/// `state …`
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum StateCommand {
    /// Confirm that this installation owns the state file
    Claim,
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// clap itself finds the declaration sound, and every protocol option has one name.
    #[test]
    fn declarations() {
        AdminArgs::command().debug_assert();
        for (name, _, opt) in OPTIONS {
            assert_eq!(opt.name(), name);
        }
        let mut shorts: Vec<_> = OPTIONS.iter().filter_map(|(_, short, _)| *short).collect();
        shorts.sort_unstable();
        assert_eq!(shorts, ['a', 'c', 'i', 'l', 'm', 't']);
    }
}
