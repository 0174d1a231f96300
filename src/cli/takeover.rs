//! Declarations of the commands for licenses that others ordered: take-over and import.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::values::number;
use crate::model::ids::{LicenseId, ModuleId};

/// `take-over …`
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum TakeOver {
    /// Licenses that the vendor's own module ordered for services of this panel
    #[command(
        long_about = "Licenses that the vendor's own module, or another one, ordered for services of this panel: known by \
                      the number that the service shows, by the service's number in the seller's remoteid, or by a name \
                      such as \"Item #42 shop\" at the service's address. Only the list is shown without --apply. Unclear \
                      cases are named and never touched. Move the services to our processing module first, or clear \
                      the license server of the servers' module: otherwise both modules renew each license. May be \
                      repeated at any time.",
        after_help = "Examples:\n  pmisplicense take-over panel                  the list, nothing is done\n  \
                      pmisplicense take-over panel --apply          shows it, asks, binds; asks again before marking\n  \
                      pmisplicense take-over panel --apply --mark --yes     all of it, for scripts"
    )]
    Panel(Taking),
    /// Licenses of WHMCS's module billmanager_noc, from its table
    #[command(
        long_about = "Licenses of ISPsystem's WHMCS module billmanager_noc, from its table ispsystem_noc: exported as CSV \
                      with a line of column names (licenseid, licensetype and serviceid at least), or read from WHMCS's \
                      database. This panel does not know the services of WHMCS, so each license goes to the service that \
                      a column `item` of the CSV or --map names, else to the one that shows its number, else, asked \
                      separately, to the only one at its address that wants its tariff and has none. The rest is listed \
                      for `import`. \
                      WHMCS is only read; its module goes on renewing every license of its table until it is switched \
                      off there. A password that the URL leaves out is taken from PMISPLICENSE_WHMCS_PASSWORD.",
        after_help = "Examples:\n  pmisplicense take-over whmcs ispsystem_noc.csv\n  \
                      pmisplicense take-over whmcs ispsystem_noc.csv --map map.csv --apply    (map.csv: licenseid,item)\n  \
                      pmisplicense take-over whmcs 'mysql://whmcs@192.0.2.5/whmcs?socket=/run/mysqld/mysqld.sock'\n  \
                      pmisplicense take-over whmcs noc.csv --apply --whmcs-stopped --by-address --mark --yes"
    )]
    Whmcs(Whmcs),
}

/// Options of all kinds of taking over.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Taking {
    /// Bind them, after asking
    #[arg(long)]
    pub apply: bool,
    /// Give bound licenses our mark, and switch their automatic renewal off
    #[arg(long, requires = "apply")]
    pub mark: bool,
    /// Do not ask; do only what an option names
    #[arg(long, short, requires = "apply")]
    pub yes: bool,
    /// Only this processing module's account
    #[arg(long, value_name = "ID", value_parser = number::<ModuleId>)]
    pub module: Option<ModuleId>,
}

/// `take-over whmcs`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Whmcs {
    /// The table as CSV, or mysql://user@host/database
    #[arg(value_name = "FILE|URL")]
    pub source: String,
    /// CSV with the columns licenseid and item: which service of this panel gets which license
    #[arg(long, value_name = "FILE")]
    pub map: Option<PathBuf>,
    /// Also bind licenses whose only evidence is their address
    #[arg(long, requires = "apply")]
    pub by_address: bool,
    /// WHMCS's module is switched off, so it renews nothing any more
    #[arg(long, requires = "apply")]
    pub whmcs_stopped: bool,
    /// The common options
    #[command(flatten)]
    pub taking: Taking,
}

/// The kind of licenses to import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Itemtype {
    /// The seller's own products.
    Soft,
    /// Third-party licenses.
    Softexternal,
}

/// `import`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Import {
    /// Licenses that become services, also foreign ones; without any, and without --all, licenses are only listed
    #[arg(value_name = "LICENSE", value_parser = number::<LicenseId>, conflicts_with = "all")]
    pub licenses: Vec<LicenseId>,
    /// All licenses of the list that are ours
    #[arg(long)]
    pub all: bool,
    /// With --all: also foreign ones, which may belong to another panel
    #[arg(long, requires = "all")]
    pub foreign: bool,
    /// Only this processing module's account
    #[arg(long, value_name = "ID", value_parser = number::<ModuleId>)]
    pub module: Option<ModuleId>,
    /// Only licenses of this kind
    #[arg(long, value_enum, value_name = "TYPE")]
    pub itemtype: Option<Itemtype>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

impl TakeOver {
    /// Their common options.
    pub fn taking(&self) -> &Taking {
        match self {
            Self::Panel(taking) => taking,
            Self::Whmcs(whmcs) => &whmcs.taking,
        }
    }
}

impl Import {
    /// Whether licenses are to be imported, and not only listed.
    pub fn applies(&self) -> bool {
        self.all || !self.licenses.is_empty()
    }
}
