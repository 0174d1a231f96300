//! The subcommands of `cluster` (declarations only).

use clap::Subcommand;

/// `cluster …`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum ClusterCommand {
    /// Begin the log with the state of this machine
    Init {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Take over the cluster's state on this machine, also when its state file was lost or fell behind
    Join {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Show machines, servers of the log, and how far this machine is. Exit code 1: not part of a cluster, or no server
    /// answers
    Status,
    /// Leave the cluster: the last machine keeps the state, any other machine has none afterwards
    Leave {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Write an image of the state to the log for machines that join, and remove older entries
    Snapshot,
}
