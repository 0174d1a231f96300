//! The figures for monitoring, in the text format that Prometheus, its node_exporter and every reader of OpenMetrics
//! understand. All of them are gauges with base units, because a state that is restored from a backup may lower any of
//! them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};

use super::last_runs::{self, LastRuns};
use super::problems::{Kind, Problems};
use crate::durable::{self, FileError};
use crate::engine::state_error;
use crate::error::ModuleError;
use crate::model::license::Money;
use crate::model::license_row::LicenseState;
use crate::settings::Settings;
use crate::store::Store;

/// Licenses that run out within each of these numbers of days are counted.
const DUE_DAYS: [u64; 3] = [1, 3, 7];

/// Everybody may read the file, because node_exporter runs as another user.
const FILE_MODE: u32 = 0o644;

/// The sources of the figures.
struct Source<'s> {
    store: &'s Store,
    /// The state file.
    state: &'s Path,
    /// What the last runs found.
    last: &'s LastRuns,
    now: DateTime<Utc>,
    /// The seller's calendar day.
    today: NaiveDate,
}

/// The text, one family after the other.
#[derive(Default)]
struct Page(String);

impl Page {
    /// Writes a family with its samples (labels and value). A family without samples is left out.
    fn family(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'static str, String)>, String)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let _ = writeln!(self.0, "# HELP pmisplicense_{name} {help}\n# TYPE pmisplicense_{name} gauge");
        for (labels, value) in samples {
            let labels: Vec<String> =
                labels.into_iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(&value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(self.0, "pmisplicense_{name}{labels} {value}");
        }
    }

    fn one(&mut self, name: &str, help: &str, value: impl ToString) {
        self.family(name, help, [(Vec::new(), value.to_string())]);
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The amount in whole units of its currency.
fn amount(money: &Money) -> String {
    let minor = money.minor.unsigned_abs();
    let sign = if money.minor < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", minor / 100, minor % 100)
}

fn seconds(at: DateTime<Utc>) -> String {
    at.timestamp().to_string()
}

/// The figures of a state at one moment.
///
/// # Errors
/// `state`
pub fn figures(
    store: &Store,
    settings: &Settings,
    now: DateTime<Utc>,
    today: NaiveDate,
) -> Result<String, ModuleError> {
    let last = LastRuns::read(&last_runs::path(settings));
    let source = Source { store, state: &settings.state, last: &last, now, today };
    store.at_one_moment(|| Ok(text(&source))).map_err(state_error)?
}

fn text(source: &Source<'_>) -> Result<String, ModuleError> {
    let mut page = Page::default();
    let version = source.store.version().map_err(state_error)?;
    let labels = vec![("version", env!("CARGO_PKG_VERSION").to_owned()), ("state_version", version.to_string())];
    page.family("build_info", "The program and the version of its state file.", [(labels, "1".to_owned())]);
    licenses(source, &mut page)?;
    problems(source, &mut page)?;
    runs(source, &mut page);
    purchases(source, &mut page)?;
    let size = |suffix: &str| {
        let mut path = source.state.as_os_str().to_owned();
        path.push(suffix);
        std::fs::metadata(path).map_or(0, |file| file.len())
    };
    page.one("state_size_bytes", "The size of the state file with its journal.", size("") + size("-wal"));
    page.0.push_str("# EOF\n");
    Ok(page.0)
}

fn licenses(source: &Source<'_>, page: &mut Page) -> Result<(), ModuleError> {
    let days = DUE_DAYS.map(|days| source.today.checked_add_days(Days::new(days)).unwrap_or(NaiveDate::MAX));
    let figures = source.store.figures(source.today, days).map_err(state_error)?;
    let mut due = [0_u64; DUE_DAYS.len()];
    let (mut pooled, mut states) = (0_u64, Vec::new());
    for one in &figures {
        states.push((
            vec![("product", one.product.clone()), ("state", one.state.word().to_owned())],
            one.count.to_string(),
        ));
        if one.state == LicenseState::Bound {
            due.iter_mut().zip(one.due).for_each(|(sum, count)| *sum += u64::from(count));
        }
        if one.state == LicenseState::Pool {
            pooled += u64::from(one.days_left);
        }
    }
    page.family("licenses", "Licenses of the state file, by product and state.", states);
    let due = DUE_DAYS.iter().zip(due).map(|(days, count)| (vec![("days", days.to_string())], count.to_string()));
    page.family("licenses_due", "Bound licenses that run out within so many days.", due);
    page.one("pool_paid_seconds", "Paid time that is left of the licenses in the pool.", pooled * 86_400);
    Ok(())
}

fn problems(source: &Source<'_>, page: &mut Page) -> Result<(), ModuleError> {
    let problems = Problems::read(source.store, source.now)?;
    let count = |kind| problems.list().iter().filter(|problem| problem.kind == kind).count();
    let counts = Kind::ALL.map(|kind| (vec![("kind", kind.word().to_owned())], count(kind).to_string()));
    page.family("problems", "What waits for an operator, by kind: pmisplicense list --problems names each.", counts);
    let intents = [(Kind::InDoubt, "in_doubt"), (Kind::HandedOver, "handed_over")];
    let status = |word: &str| vec![("status", word.to_owned())];
    page.family(
        "intents",
        "Requests that were sent and whose outcome is not known.",
        intents.map(|(kind, word)| (status(word), count(kind).to_string())),
    );
    let oldest = intents.map(|(kind, word)| {
        let since = problems.list().iter().filter(|problem| problem.kind == kind).filter_map(|problem| problem.since);
        let age = since.min().map_or(0, |since| (source.now - since).num_seconds().max(0));
        (status(word), age.to_string())
    });
    page.family("oldest_intent_age_seconds", "The age of the oldest of them; 0: there is none.", oldest);
    Ok(())
}

fn runs(source: &Source<'_>, page: &mut Page) {
    let LastRuns { syncs, balances, reconcile, backup } = source.last;
    let module = |id: &u32| vec![("module", id.to_string())];
    page.family(
        "last_sync_timestamp_seconds",
        "When the last sync of a module ended, well or not.",
        syncs.iter().map(|(id, sync)| (module(id), seconds(sync.at))),
    );
    let well = |id: &u32, at: Option<DateTime<Utc>>| at.map(|at| (module(id), at));
    let ended_well: Vec<_> = syncs.iter().filter_map(|(id, sync)| well(id, sync.ended_well_at)).collect();
    page.family(
        "last_successful_sync_timestamp_seconds",
        "When the last sync of a module ended without a failure.",
        ended_well.iter().map(|(labels, at)| (labels.clone(), seconds(*at))),
    );
    page.family(
        "last_successful_sync_age_seconds",
        "How long ago that was when these figures were written.",
        ended_well.iter().map(|(labels, at)| (labels.clone(), (source.now - *at).num_seconds().max(0).to_string())),
    );
    page.family(
        "sync_failures",
        "Syncs of a module that failed in a row.",
        syncs.iter().map(|(id, sync)| (module(id), sync.failures.to_string())),
    );
    let labels = |id: &u32, currency: &str| vec![("module", id.to_string()), ("currency", currency.to_owned())];
    page.family(
        "balance",
        "The balance at the seller when it was read last.",
        balances.iter().map(|(id, balance)| (labels(id, &balance.currency), amount(&balance.money()))),
    );
    page.family(
        "balance_timestamp_seconds",
        "When the balance was read.",
        balances.iter().map(|(id, balance)| (module(id), seconds(balance.at))),
    );
    if let Some(last) = reconcile {
        let kinds = last.kinds.iter().map(|(kind, count)| (vec![("kind", kind.clone())], count.to_string()));
        page.family("findings", "Differences that the last reconcile left, by kind.", kinds);
        page.one("last_reconcile_timestamp_seconds", "When the last reconcile ended.", seconds(last.at));
    }
    if let Some(last) = backup {
        page.one("last_backup_timestamp_seconds", "When the last backup was written.", seconds(last.at));
    }
}

/// Purchases and renewals of this calendar month (UTC) and what they cost.
fn purchases(source: &Source<'_>, page: &mut Page) -> Result<(), ModuleError> {
    let first = source.now.date_naive().with_day(1).and_then(|day| day.and_hms_opt(0, 0, 0));
    let from = first.map_or(source.now, |moment| moment.and_utc());
    let bought = source.store.purchases(from, source.now + chrono::Duration::days(1)).map_err(state_error)?;
    let mut counts: BTreeMap<&str, u32> = ["order", "add", "renewal"].into_iter().map(|kind| (kind, 0)).collect();
    let mut costs: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for one in &bought {
        *counts.entry(&one.kind).or_default() += 1;
        if let Some(Money { minor, currency }) = &one.amount {
            let sum = costs.entry((&one.kind, currency)).or_default();
            *sum = sum.saturating_add(*minor);
        }
    }
    page.family(
        "month_purchases",
        "Purchases of this calendar month, by kind.",
        counts.iter().map(|(kind, count)| (vec![("kind", (*kind).to_owned())], count.to_string())),
    );
    page.family(
        "month_cost",
        "What they cost, as far as that is known.",
        costs.iter().map(|((kind, currency), minor)| {
            let labels = vec![("kind", (*kind).to_owned()), ("currency", (*currency).to_owned())];
            (labels, amount(&Money { minor: *minor, currency: (*currency).to_owned() }))
        }),
    );
    Ok(())
}

/// Writes the figures completely or not at all. If that fails, an existing file is unchanged.
///
/// # Errors
/// It cannot be written.
pub fn write(file: &Path, text: &str) -> Result<(), FileError> {
    durable::replace(file, FILE_MODE, |new| std::fs::write(new, text).map_err(FileError::at(new)))
}
