//! The options of `doctor` (declarations only).

use std::path::PathBuf;

use super::values::number;
use crate::model::ids::ModuleId;

/// The end of the short help.
pub(super) const EXAMPLES: &str = "Examples:\n  pmisplicense doctor\n  \
    pmisplicense doctor --brief                      one line for Nagios, Icinga, Zabbix: exit 0, 1, 2 or 3\n  \
    pmisplicense doctor --accept-account 7           shows what the account is known by, and asks\n  \
    pmisplicense doctor --accept-account 7 --same    the seller renamed host or user: all goes along\n  \
    pmisplicense doctor --accept-account 7 --other   another account: what was bound stays behind\n  \
    pmisplicense doctor --record answers.json        what panel and seller answer, for a bug report";

/// `doctor`, and the decision of an operator about the account of a module.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(group(clap::ArgGroup::new("asks").args(["record", "accept_account"])))]
pub struct DoctorArgs {
    /// Write what panel and seller answer to questions that change nothing into a new file, for a bug report; names,
    /// addresses, keys, amounts and secrets are replaced
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Decide about the account that the settings of a module name now: the same as before, or another one
    #[arg(long, value_name = "MODULE", value_parser = number::<ModuleId>)]
    pub accept_account: Option<ModuleId>,
    /// It is the same account under another name: licenses, pool, open orders and costs go along
    #[arg(long, requires = "accept_account", conflicts_with = "other")]
    pub same: bool,
    /// It is another account: the licenses stay with the former one, and this module does not renew them
    #[arg(long, requires = "accept_account")]
    pub other: bool,
    /// Decide so although the licenses in the account contradict it
    #[arg(long, requires = "accept_account")]
    pub against_evidence: bool,
    /// One line for monitoring. Exit code 0: fine, 1: warnings, 2: problems, 3: the check was not possible
    #[arg(long, conflicts_with_all = ["record", "accept_account"])]
    pub brief: bool,
    /// Do not ask
    #[arg(long, short, requires = "asks")]
    pub yes: bool,
}
