//! The commands `state …`, with their arguments.

use clap::Subcommand;

use super::values::{number, panel_id};
use crate::model::ids::{LicenseId, PanelId};

/// `state …`
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum StateCommand {
    /// Confirm that the panel moved to this machine for good, and that the state file is this machine's from now on
    Claim {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Give a new state the id that this installation had before its state was lost; `reconcile` names it
    #[command(after_help = "Example:\n  pmisplicense state adopt k3v9q2ab    (then: pmisplicense reconcile --apply)")]
    Adopt {
        /// The P of the marks pml-P-… on the licenses of our services
        #[arg(value_name = "PANEL_ID", value_parser = panel_id)]
        panel: PanelId,
        /// Only show what would change
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Leave a pooled license that somebody else uses to its user: it is not named any more (see `list --problems`)
    #[command(after_help = "Example:\n  pmisplicense state leave 5001")]
    Leave {
        /// The license's number at the seller
        #[arg(value_name = "LICENSE", value_parser = number::<LicenseId>)]
        license: LicenseId,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Go on with an empty state, when the present one cannot be used and there is no backup; the present one is kept
    BeginAnew {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}
