//! The administrator's subcommands (docs/interface.md 2): declarations only.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use super::cluster::ClusterCommand;
use super::doctor::{DoctorArgs, EXAMPLES as DOCTOR_EXAMPLES};
use super::list::ListArgs;
use super::state::StateCommand;
use super::takeover::{Import, TakeOver};
use super::values::{number, panel_id, within};
use crate::error::Lang;
use crate::model::ids::{ItemId, LicenseId, ModuleId, PanelId};

/// Where `--help` lists the options that every command has: after those of the command itself.
const AFTER_ITS_OWN: usize = 100;

/// The administrator's command line.
#[derive(Debug, Parser)]
#[command(
    name = "pmisplicense",
    version = concat!(env!("CARGO_PKG_VERSION"), " (", env!("PMISPLICENSE_COMMIT"), ", ", env!("PMISPLICENSE_TARGET"), ")"),
    about = "Resells ispmanager licenses through BILLmanager. The panel calls it with --command NAME; \
             the commands below are for people.",
    after_help = "Something wrong?\n  pmisplicense doctor              what is wrong with the installation\n  \
                  pmisplicense reconcile           what is wrong with licenses\n  \
                  pmisplicense reconcile --apply   put it right\n  \
                  pmisplicense help doctor         what changed outside (client, number, account, machine), and what to run\n\n\
                  What would the panel's call do? Any command of the protocol only shows it with --dry-run:\n  \
                  pmisplicense --command open --item 42 --dry-run\n\n\
                  Exit codes: 0 done, 1 failed or problems found, 2 command line not understood."
)]
pub struct AdminArgs {
    /// Settings file (default: etc/pmisplicense.toml beneath the panel's folder)
    #[arg(long, global = true, display_order = AFTER_ITS_OWN, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Language of messages: en or ru (default: the locale's; with --json: en)
    #[arg(long, global = true, display_order = AFTER_ITS_OWN, value_name = "LANG")]
    pub lang: Option<String>,
    /// Show each request and answer on standard error, secrets masked
    #[arg(long, global = true, display_order = AFTER_ITS_OWN)]
    pub verbose: bool,
    /// Answer as JSON, in the form that docs/json.md describes
    #[arg(long, global = true, display_order = AFTER_ITS_OWN)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: AdminCommand,
}

/// The administrator's subcommands.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum AdminCommand {
    /// Licenses of ours, from the state
    #[command(after_help = "Examples:\n  pmisplicense list --expires-before 2027-01-31 --sort expires\n  \
                            pmisplicense list --status to-free\n  pmisplicense list --json | jq '.licenses[].license'")]
    List(ListArgs),
    /// One service or license, as panel, state and seller have it
    #[command(after_help = "Examples:\n  pmisplicense show 42 --raw\n  pmisplicense show license:5001\n  \
                            pmisplicense show 192.0.2.10\n  pmisplicense show 1A2B    (part of a key, 4 characters at least)")]
    Show {
        /// Service, license, address, or part of a key; item:42 and license:42 tell numbers apart
        #[arg(value_name = "ITEM|LICENSE|IP|KEY")]
        what: String,
        /// Every field as the seller sent it, secrets masked; fields that the program does not read are marked
        #[arg(long)]
        raw: bool,
    },
    /// What was done with a service or a license, when, and why
    #[command(after_help = "Examples:\n  pmisplicense history 42\n  pmisplicense history license:5001 --json")]
    History {
        /// Service or license; item:42 and license:42 tell numbers apart
        #[arg(value_name = "ITEM|LICENSE")]
        what: String,
    },
    /// What the next sync would do with a service, and why
    Explain {
        /// The service
        #[arg(value_name = "ITEM", value_parser = number::<ItemId>)]
        item: ItemId,
    },
    /// Freed licenses: from when each can be given out, why not now, paid days left
    Pool,
    /// Look for what is wrong with the installation, and say what to do. Exit code 1: problems
    #[command(
        after_help = DOCTOR_EXAMPLES,
        after_long_help = format!("{DOCTOR_EXAMPLES}\n\n{}", super::changed::list(Lang::En))
    )]
    Doctor(DoctorArgs),
    /// Compare panel, state and seller; with --apply correct the differences. Exit code 1: something differs
    #[command(
        after_help = "Examples:\n  pmisplicense reconcile                        name each difference and what would be done\n  \
                            pmisplicense reconcile --apply                do it, one after the other; may be repeated at any time\n  \
                            pmisplicense reconcile --apply --only 42,key  only what concerns service 42, and all keys"
    )]
    Reconcile {
        /// Correct the differences; on a terminal, ask about each
        #[arg(long)]
        apply: bool,
        /// Only what concerns this service, or only this kind of difference; several are separated by commas
        #[arg(long, value_name = "ITEM|KIND", value_delimiter = ',', requires = "apply")]
        only: Vec<String>,
        /// Do not ask
        #[arg(long, requires = "apply")]
        yes: bool,
        /// Go on even if far more than usual would be ordered or freed
        #[arg(long)]
        allow_many: bool,
        /// Only this processing module
        #[arg(long, value_name = "ID", value_parser = number::<ModuleId>)]
        module: Option<ModuleId>,
    },
    /// Bind a license to a service, also a foreign license: "it belongs to this service"
    ///
    /// Shows the state before and after, and asks. Accepts a service whose client changed. If the service shows the
    /// license, takes it with its key from a closed service, from a former service of this number, or from a service
    /// that was copied. A license that another client had gets a new key first. `pmisplicense help doctor`, and the
    /// table "What changed outside" in docs/admin-guide.md, say when to use this.
    #[command(
        after_help = "Examples:\n  pmisplicense bind 42 5001\n  pmisplicense bind 42 5009 --replace   (what it has is freed)"
    )]
    Bind {
        /// The service
        #[arg(value_name = "ITEM", value_parser = number::<ItemId>)]
        item: ItemId,
        /// The license's number at the seller
        #[arg(value_name = "LICENSE", value_parser = number::<LicenseId>)]
        license: LicenseId,
        /// Free the license that the service has
        #[arg(long)]
        replace: bool,
        /// Take a license that bears the mark of this other installation
        #[arg(long, value_name = "PANEL_ID", value_parser = panel_id)]
        take_from: Option<PanelId>,
        /// Take a license of another product; its tariff is changed afterwards
        #[arg(long)]
        other_product: bool,
        /// Only show what would change and cost
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Take the license from a service: it goes to the pool
    Unbind {
        /// The service
        #[arg(value_name = "ITEM", value_parser = number::<ItemId>)]
        item: ItemId,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Take over licenses that others ordered: the vendor's own module, WHMCS
    TakeOver {
        /// Who ordered them
        #[command(subcommand)]
        whose: TakeOver,
    },
    /// List licenses at the seller that no service has, and make chosen ones services of the panel
    #[command(after_help = "Examples:\n  pmisplicense import                  the list, foreign ones marked\n  \
                            pmisplicense import 5001 5002        shows these, asks, imports\n  \
                            pmisplicense import --all --yes      all that are ours, for scripts")]
    Import(Import),
    /// Give a service that changed its processing module a license of the new module's account
    Move {
        /// The service
        #[arg(value_name = "ITEM", value_parser = number::<ItemId>)]
        item: ItemId,
        /// Only show what would change and cost
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Repeat what a service still lacks: open, suspend, close or sync, as its status says
    #[command(
        after_help = "Examples:\n  pmisplicense retry 42\n  pmisplicense retry 42 --intent 7            one of several that wait\n  \
                      pmisplicense retry --type nomoney --all   list them, ask, then repeat"
    )]
    Retry {
        /// The service
        #[arg(value_name = "ITEM", value_parser = number::<ItemId>, required_unless_present = "all")]
        item: Option<ItemId>,
        /// Only this intent, if several of the service wait; their numbers are shown first
        #[arg(long = "intent", alias = "wish", value_name = "N", value_parser = number::<u32>, conflicts_with = "all")]
        intent: Option<u32>,
        /// All services whose last purchase was refused, or held back because of missing money
        #[arg(long, conflicts_with = "item")]
        all: bool,
        /// Only refusals of this kind
        #[arg(long = "type", value_name = "TYPE", requires = "all", value_enum)]
        kind: Option<RefusedFor>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// A month: licenses by product, bought, renewed, reused; what the pool saved; what is sold below cost
    #[command(after_help = "Examples:\n  pmisplicense report --month 2027-01\n  \
                            pmisplicense report --csv > january.csv\n  \
                            pmisplicense report --html january.html    (a page with charts; alone, on standard output)")]
    Report {
        /// YYYY-MM (default: this month)
        #[arg(long, value_name = "MONTH")]
        month: Option<String>,
        /// Print CSV
        #[arg(long, conflicts_with_all = ["json", "html"])]
        csv: bool,
        /// Write a page with charts to a file, or to standard output
        #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
        html: Option<PathBuf>,
    },
    /// Which licenses run out soon, what renewing them costs, whether the balance suffices. Exit code 1: it does not
    #[command(after_help = "Examples:\n  pmisplicense forecast\n  pmisplicense forecast --days 90 --json")]
    Forecast {
        /// Days to look ahead
        #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = within::<1, 731>)]
        days: u16,
    },
    /// Figures for monitoring (Prometheus, OpenMetrics), from the state alone
    #[command(after_help = "Examples:\n  pmisplicense metrics\n  \
                            pmisplicense metrics --output /var/lib/prometheus/node-exporter/pmisplicense.prom")]
    Metrics {
        /// Write to this file, completely or not at all
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Refresh all licenses, renew what is due, finish what was left to do (cron, hourly)
    #[command(after_help = "Examples:\n  pmisplicense sync --dry-run        what the next run would do\n  \
                            pmisplicense sync --verbose        with each request and answer")]
    Sync {
        /// Only show what would be sent and called; change nothing
        #[arg(long)]
        dry_run: bool,
        /// Only this processing module
        #[arg(long, value_name = "ID", value_parser = number::<ModuleId>)]
        module: Option<ModuleId>,
        /// Go on even if far more than usual would be renewed or freed
        #[arg(long)]
        allow_many: bool,
        /// Only compare the servers of the modules in `bundled` with their licenses, and correct the differences
        #[arg(long)]
        sweep: bool,
        /// Confirm the first sweep of these modules, which otherwise only reports
        #[arg(long, requires = "sweep")]
        adopt: bool,
        /// Only the servers that events of the panel noted (cron, each minute); ends at once when there are none
        #[arg(long, conflicts_with = "sweep")]
        noted: bool,
    },
    /// Settle a request in doubt: say whether a purchase happened, when the program cannot find out
    ///
    /// Compares the license with the order, shows the state before and after, and asks.
    #[command(
        after_help = "Examples:\n  pmisplicense resolve 42 --bought 5001     the seller's panel shows the license\n  \
                      pmisplicense resolve 42 --not-bought      the seller's panel shows none\n  \
                      pmisplicense resolve 42 --intent 7 --bought 5001    one of several in doubt"
    )]
    Resolve {
        /// The service
        #[arg(value_name = "ITEM", value_parser = number::<ItemId>)]
        item: ItemId,
        /// Which intent, if the service has several in doubt
        #[arg(long = "intent", alias = "wish", value_name = "N", value_parser = number::<u32>)]
        intent: Option<u32>,
        /// It was bought, or the change was carried out: the license's number at the seller
        #[arg(long, value_name = "LICENSE", value_parser = number::<LicenseId>, conflicts_with = "not_bought", required_unless_present = "not_bought")]
        bought: Option<LicenseId>,
        /// It was not bought or not carried out: the next run may send it again
        #[arg(long)]
        not_bought: bool,
        /// Take a license that bears the mark of this other installation
        #[arg(long, value_name = "PANEL_ID", value_parser = panel_id, requires = "bought")]
        take_from: Option<PanelId>,
        /// Take a license of another product than was ordered; its tariff is changed afterwards
        #[arg(long, requires = "bought")]
        other_product: bool,
        /// Only show what would change and cost
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Write a copy of the state to a new file; nothing has to be stopped
    #[command(after_help = "Examples:\n  pmisplicense backup /root/licenses.db\n  \
                            pmisplicense backup --dir /root/backups --keep 14    for cron: the newest 14 stay\n  \
                            pmisplicense backup --verify /root/licenses.db   is it a whole copy that restore can use?")]
    Backup {
        /// The file; it must not exist
        #[arg(value_name = "FILE", required_unless_present = "dir", conflicts_with = "dir")]
        file: Option<PathBuf>,
        /// Check an existing copy; nothing is written
        #[arg(long, conflicts_with = "dir")]
        verify: bool,
        /// Write a new file, named by date and time, in this folder
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Remove all but the newest copies from that folder, after the new one was checked
        #[arg(long, value_name = "N", requires = "dir", value_parser = within::<1, { u16::MAX }>)]
        keep: Option<u16>,
    },
    /// Replace the state by a copy; the present state is kept beside it. Nothing has to be stopped
    Restore {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Remove old lines of the journal about closed services and licenses that are gone
    Prune {
        /// Days
        #[arg(long, value_name = "DAYS", value_parser = within::<30, { u16::MAX }>)]
        older_than: u16,
    },
    /// Several machines with one state, whose log is in a clustered database (docs/cluster.md)
    Cluster {
        /// What to do with it
        #[command(subcommand)]
        command: ClusterCommand,
    },
    /// Completions for a shell, on standard output
    #[command(after_help = "Example:\n  pmisplicense completions bash > /etc/bash_completion.d/pmisplicense")]
    Completions {
        /// bash, zsh, fish, elvish or powershell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// The manual page, on standard output
    #[command(after_help = "Example:\n  pmisplicense man > /usr/local/share/man/man8/pmisplicense.8")]
    Man,
    /// The state file: the machine that it belongs to, and what to do when it is lost
    State {
        /// What to do with it
        #[command(subcommand)]
        command: StateCommand,
    },
}

/// Why a purchase was refused, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RefusedFor {
    /// Too little money.
    Nomoney,
    /// The account is blocked.
    Blocked,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    /// clap itself accepts the declarations.
    #[test]
    fn clap_accepts_the_declarations_of_the_subcommands() {
        super::AdminArgs::command().debug_assert();
    }
}
