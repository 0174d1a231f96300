//! Facts about an operator's subcommand that a run needs before it starts the command: whether it changes something,
//! whether cron may have started it, and which module it names.

use super::cluster::ClusterCommand;
use super::doctor::DoctorArgs;
use super::state::StateCommand;
use super::subcommands::AdminCommand;
use crate::model::ids::ModuleId;

impl AdminCommand {
    /// True if the command changes something. It is then refused while `etc/billmgr.DoNothing` exists.
    pub fn changes(&self) -> bool {
        match self {
            Self::List(_)
            | Self::Show { .. }
            | Self::History { .. }
            | Self::Explain { .. }
            | Self::Pool
            | Self::Report { .. }
            | Self::Forecast { .. }
            | Self::Metrics { .. }
            | Self::Backup { .. }
            | Self::Completions { .. }
            | Self::Man
            | Self::Cluster { command: ClusterCommand::Status }
            | Self::Doctor(DoctorArgs { accept_account: None, .. })
            | Self::Sync { dry_run: true, .. }
            | Self::Bind { dry_run: true, .. }
            | Self::Move { dry_run: true, .. }
            | Self::State { command: StateCommand::Adopt { dry_run: true, .. } }
            | Self::Resolve { dry_run: true, .. }
            | Self::Reconcile { apply: false, .. } => false,
            Self::TakeOver { whose } => whose.taking().apply,
            Self::Import(import) => import.applies(),
            Self::Doctor(_)
            | Self::Reconcile { .. }
            | Self::Bind { .. }
            | Self::Unbind { .. }
            | Self::Move { .. }
            | Self::Retry { .. }
            | Self::Sync { .. }
            | Self::Resolve { .. }
            | Self::Restore { .. }
            | Self::Prune { .. }
            | Self::Cluster { .. }
            | Self::State { .. } => true,
        }
    }

    /// True if cron may have started the command: a sync without `--adopt` and `--allow-many`.
    pub fn is_of_cron(&self) -> bool {
        matches!(self, Self::Sync { adopt: false, allow_many: false, .. })
    }

    /// True if the command only looks at the state. Then a missing state is not made.
    pub fn looks(&self) -> bool {
        !self.changes() && !matches!(self, Self::Backup { .. } | Self::Cluster { .. })
    }

    /// The name of a command whose changes are only shown (`--dry-run`).
    pub fn only_shown(&self) -> Option<&'static str> {
        let words = [
            (matches!(self, Self::Bind { dry_run: true, .. }), "bind"),
            (matches!(self, Self::Move { dry_run: true, .. }), "move"),
            (matches!(self, Self::Resolve { dry_run: true, .. }), "resolve"),
            (matches!(self, Self::State { command: StateCommand::Adopt { dry_run: true, .. } }), "state adopt"),
        ];
        words.into_iter().find_map(|(is_shown, word)| is_shown.then_some(word))
    }

    /// True if the command prints one line for monitoring.
    pub fn is_brief(&self) -> bool {
        matches!(self, Self::Doctor(DoctorArgs { brief: true, .. }))
    }

    /// The processing module that the command names.
    pub fn module(&self) -> Option<ModuleId> {
        match self {
            Self::Sync { module, .. } | Self::Reconcile { module, .. } => *module,
            Self::Doctor(args) => args.accept_account,
            Self::TakeOver { whose } => whose.taking().module,
            Self::Import(import) => import.module,
            Self::List(_)
            | Self::Show { .. }
            | Self::History { .. }
            | Self::Explain { .. }
            | Self::Pool
            | Self::Report { .. }
            | Self::Forecast { .. }
            | Self::Metrics { .. }
            | Self::Backup { .. }
            | Self::Completions { .. }
            | Self::Man
            | Self::Bind { .. }
            | Self::Unbind { .. }
            | Self::Move { .. }
            | Self::Retry { .. }
            | Self::Resolve { .. }
            | Self::Restore { .. }
            | Self::Prune { .. }
            | Self::Cluster { .. }
            | Self::State { .. } => None,
        }
    }
}
