//! The options of `list` (declarations only).

use clap::ValueEnum;

use super::usage_error::Unusable;
use super::values::number;
use crate::model::ids::ModuleId;
use crate::model::license_row::LicenseState;
use crate::text;

/// The state of a license, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListedState {
    /// It serves a service.
    Bound,
    /// It is being taken from the pool.
    Claimed,
    /// It waits to be freed.
    ToFree,
    /// It waits for the next client.
    Pool,
    /// It is left to run out.
    Stopped,
    /// It is gone.
    Deleted,
}

impl From<ListedState> for LicenseState {
    fn from(listed: ListedState) -> Self {
        match listed {
            ListedState::Bound => Self::Bound,
            ListedState::Claimed => Self::Claimed,
            ListedState::ToFree => Self::ToFree,
            ListedState::Pool => Self::Pool,
            ListedState::Stopped => Self::Stopped,
            ListedState::Deleted => Self::Deleted,
        }
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum SortBy {
    /// Number of the license.
    #[default]
    License,
    /// Service.
    Item,
    /// Day on which it runs out.
    Expires,
    /// Product.
    Product,
}

/// Filters of `list`.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct ListArgs {
    /// State: bound, claimed, to-free, pool, stopped, deleted
    #[arg(long, value_enum, value_name = "STATUS")]
    pub status: Option<ListedState>,
    /// Internal name, for example 55227
    #[arg(long, value_name = "NAME")]
    pub product: Option<String>,
    /// Processing module
    #[arg(long, value_name = "ID", value_parser = number::<ModuleId>)]
    pub module: Option<ModuleId>,
    /// Runs out before this day, YYYY-MM-DD
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub expires_before: Option<chrono::NaiveDate>,
    /// Only the pool: the same as --status pool
    #[arg(long, conflicts_with = "status")]
    pub pool: bool,
    /// Only what needs an operator: requests in doubt, late keys, licenses to be freed or with a former account,
    /// services for which sync fails. Exit code 1 when there are any. With a filter: only problems of the licenses that
    /// it selects and of their services, and the number of the others
    #[arg(long)]
    pub problems: bool,
    /// Sort by
    #[arg(long, value_enum, default_value_t, value_name = "FIELD")]
    pub sort: SortBy,
}

fn day(word: &str) -> Result<chrono::NaiveDate, Unusable> {
    let words = || text!(["{word} is not a day such as 2027-01-31"], ["нужна дата вида 2027-01-31"]);
    word.parse().map_err(|_| Unusable(words()))
}
