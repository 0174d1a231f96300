//! list: our licenses, read from the state alone. So the command works when neither panel nor seller answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::problems::{self, Problem, Problems};
use super::stream::Listing;
use super::table::{Giving, Measure, wrapped};
use super::usage::{Limits, Usage, advice};
use super::{Answer, Desk, dash};
use crate::cli::{ListArgs, SortBy};
use crate::engine::state_error;
use crate::error::{Lang, ModuleError, Text, counted};
use crate::model::ids::{AccountId, ItemId, LicenseId};
use crate::model::license::LicenseStatus;
use crate::model::license_row::{LicenseRow, LicenseState};
pub use crate::plan::reason::state_words;
use crate::store::{LicenseFilter, Order};
use crate::text;
use crate::watch::last_runs::{self, LastRuns};

/// A narrow terminal cuts the names, then leaves out names, domains, product and status, in this order. Service, day
/// and address stay the longest, because an operator finds a license by them.
const GIVING: Giving<'_> = Giving { soft: &[8], spare: &[8, 7, 3, 4, 6] };

/// The column of the domains in use.
const DOMAINS_COLUMN: usize = 7;

/// `list`
///
/// # Errors
/// `state`
pub fn list(desk: &mut Desk<'_>, args: &ListArgs) -> Result<Answer, ModuleError> {
    let store = desk.store()?;
    let filter = LicenseFilter {
        state: args.status.map(Into::into).or(args.pool.then_some(LicenseState::Pool)),
        product: args.product.as_deref(),
        module: args.module,
        expires_before: args.expires_before,
        ..LicenseFilter::default()
    };
    // Only the list of problems asks the panel, which services are closed and which modules are deleted.
    let problems = match args.problems {
        true => {
            let mut problems = problems::read(desk, &store)?;
            problems.add_failing_modules(&LastRuns::read(&last_runs::path(&desk.ctx.settings)));
            problems
        }
        false => Problems::read(&store, desk.ctx.clock.now())?,
    };
    let is_shown = |row: &LicenseRow| !args.problems || !problems.words(row).is_empty();
    let head = text!(
        "LICENSE|STATE|ITEM|PRODUCT|STATUS|EXPIRES|IP|DOMAINS|NAME",
        "ЛИЦЕНЗИЯ|СОСТОЯНИЕ|УСЛУГА|ПРОДУКТ|СТАТУС|СРОК|IP|ДОМЕНЫ|ИМЯ"
    );
    let head: Vec<&str> = desk.say(&head).split('|').collect();
    let mut measure = Measure::new(&head);
    let (mut limits, mut nearly_full, mut counts_domains) = (Limits::default(), 0, false);
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let mut listed = Listed::default();
    let printed = store.at_one_moment(|| {
        store.each_license(filter, args.sort.into(), |row| {
            if is_shown(&row) {
                *counts.entry(row.state.word()).or_default() += 1;
                let usage = limits.usage(&desk.ctx.settings, &row);
                nearly_full += usize::from(usage.is_some_and(Usage::is_nearly_full));
                counts_domains |= row.domains.is_some();
                measure.add(&line(desk, &row, !problems.words(&row).is_empty(), usage));
                if args.problems {
                    listed.add(&row);
                }
            }
            true
        })?;
        let shown: Vec<&Problem> = problems
            .list()
            .iter()
            .filter(|_| args.problems)
            .filter(|problem| filter.is_empty() || listed.has(problem))
            .collect();
        let outside = if args.problems { problems.list().len() - shown.len() } else { 0 };
        let total: u32 = counts.values().sum();
        if desk.json {
            let mut fields = json!({ "counts": counts });
            if let (true, Some(fields)) = (args.problems, fields.as_object_mut()) {
                let list: Vec<Value> = shown.iter().map(|one| problems::to_json(one, desk.ctx.lang)).collect();
                fields.insert("problems".to_owned(), list.into());
                fields.insert("problems_outside_filter".to_owned(), outside.into());
            }
            let mut listing = Listing::begin(desk, "list", &fields, "licenses");
            store.each_license(filter, args.sort.into(), |row| {
                let usage = limits.usage(&desk.ctx.settings, &row);
                !is_shown(&row) || listing.element(desk, &license_json(&row, &problems.words(&row), usage))
            })?;
            listing.end(desk);
        } else {
            // Many sellers never count domains. The column is left out then.
            if !counts_domains {
                measure.leave_out(DOMAINS_COLUMN);
            }
            let layout = measure.layout(desk.width, GIVING);
            if total > 0 {
                (desk.print)(&layout.line(&head));
            }
            store.each_license(filter, args.sort.into(), |row| {
                let troubled = !problems.words(&row).is_empty();
                let cells = line(desk, &row, troubled, limits.usage(&desk.ctx.settings, &row));
                !is_shown(&row) || (desk.print)(&layout.line(&cells))
            })?;
            let lines = problems::lines(desk, shown.iter().copied());
            let sum = format!("{lines}{}\n", desk.say(&sum(total, &counts, args.problems.then_some(shown.len()))));
            (desk.print)(&sum);
            if outside > 0 {
                let words = format!("{}\n", wrapped(desk.say(&outside_filter(outside)), desk.width, 2));
                (desk.print)(&words);
            }
            if nearly_full > 0 {
                let words = format!("{}\n", wrapped(desk.say(&advice(nearly_full)), desk.width, 2));
                (desk.print)(&words);
            }
        }
        Ok(shown.len())
    });
    let found = printed.map_err(state_error)?;
    Ok(Answer::printed().with_code(u8::from(args.problems && (found > 0 || !listed.licenses.is_empty()))))
}

/// The licenses that a list of problems shows, and the services that they serve.
#[derive(Default)]
struct Listed {
    licenses: BTreeSet<(AccountId, LicenseId)>,
    items: BTreeSet<ItemId>,
}

impl Listed {
    fn add(&mut self, row: &LicenseRow) {
        self.licenses.insert((row.account, row.id));
        if matches!(row.state, LicenseState::Bound | LicenseState::Claimed) {
            self.items.extend(row.item);
        }
    }

    /// Whether a filter keeps this problem: it concerns a listed license, or the service of one. A problem without
    /// license and service may concern any listed license, so it is kept.
    fn has(&self, problem: &Problem) -> bool {
        match (problem.license, problem.item) {
            (None, None) => !self.licenses.is_empty(),
            (license, item) => {
                license.is_some_and(|license| self.licenses.contains(&license))
                    || item.is_some_and(|item| self.items.contains(&item))
            }
        }
    }
}

fn outside_filter(count: usize) -> Text {
    text!(
        ["the filter leaves out {}; all of them: pmisplicense list --problems", counted(count, "problem")],
        ["проблем вне отбора: {count}; все: pmisplicense list --problems"]
    )
}

impl From<SortBy> for Order {
    fn from(by: SortBy) -> Self {
        match by {
            SortBy::License => Self::License,
            SortBy::Item => Self::Item,
            SortBy::Expires => Self::Expires,
            SortBy::Product => Self::Product,
        }
    }
}

fn sum(total: u32, counts: &BTreeMap<&str, u32>, problems: Option<usize>) -> Text {
    let words = |lang: Lang| {
        let parts = counts.iter().filter_map(|(word, count)| {
            let state = LicenseState::parse(word)?;
            Some(format!("{} {count}", state_words(state).in_lang(lang)))
        });
        let parts = parts.collect::<Vec<_>>().join(", ");
        if parts.is_empty() { parts } else { format!(": {parts}") }
    };
    let (en, ru) = (words(Lang::En), words(Lang::Ru).replace(": ", "; "));
    match problems {
        Some(problems) => text!(
            ["{}, {}{en}", counted(problems, "problem"), counted(total, "license")],
            ["проблем: {problems}, лицензий: {total}{ru}"]
        ),
        None => text!(["{}{en}", counted(total, "license")], ["лицензий: {total}{ru}"]),
    }
}

fn line(desk: &Desk<'_>, row: &LicenseRow, troubled: bool, usage: Option<Usage>) -> Vec<String> {
    let mark = if troubled { "!" } else { "" };
    vec![
        format!("{}{mark}", row.id),
        desk.say(&state_words(row.state)).to_owned(),
        dash(row.item),
        row.internal_name.clone(),
        desk.say(&status_words(row.status)).to_owned(),
        row.expires.to_string(),
        dash(row.ip),
        usage.map_or_else(
            || "-".to_owned(),
            |usage| format!("{usage}{}", if usage.is_nearly_full() { "!" } else { "" }),
        ),
        row.name.clone(),
    ]
}

/// The stable word for the status of a license at the seller, as it was read last.
pub fn status_word(status: LicenseStatus) -> &'static str {
    match status {
        LicenseStatus::Ordered => "ordered",
        LicenseStatus::Active => "active",
        LicenseStatus::Stopped => "stopped",
        LicenseStatus::Deleted => "deleted",
        LicenseStatus::Processing => "processing",
        LicenseStatus::Absent => "absent",
        LicenseStatus::Unknown(_) => "unknown",
    }
}

/// The status of a license at the seller, as it was read last.
pub fn status_words(status: LicenseStatus) -> Text {
    match status {
        LicenseStatus::Ordered => text!("ordered", "заказана"),
        LicenseStatus::Active => text!("active", "активна"),
        LicenseStatus::Stopped => text!("stopped", "остановлена"),
        LicenseStatus::Deleted => text!("deleted", "удалена"),
        LicenseStatus::Processing => text!("processing", "в работе"),
        LicenseStatus::Absent => text!("?", "?"),
        LicenseStatus::Unknown(number) => Text::same(number.to_string()),
    }
}

/// A license as JSON, in the form that all answers use. Of the key it holds only the end.
pub fn license_json(row: &LicenseRow, problems: &[&str], usage: Option<Usage>) -> Value {
    json!({
        "license": row.id.0,
        "account": row.account.0,
        "module": row.module.0,
        "family": row.family.func(),
        "held": row.state.word(),
        "item": row.item.map(|item| item.0),
        "product": row.internal_name,
        "pricelist": row.pricelist.0,
        "nodes": row.nodes,
        "name": row.name,
        "ip": row.ip,
        "status": row.status.number(),
        "key_end": row.key.as_ref().map(|key| key_end(key.reveal())),
        "created": row.created,
        "expires": row.expires,
        "not_before": row.not_before,
        "reason": row.reason.as_ref().map(ToString::to_string),
        "domains": usage.map(|usage| usage.used),
        "domains_limit": usage.and_then(|usage| usage.limit),
        "domains_nearly_full": usage.is_some_and(Usage::is_nearly_full),
        "problems": problems,
    })
}

/// The end of a key: enough for an operator to tell keys apart.
pub fn key_end(key: &str) -> String {
    let count = key.chars().count();
    let end: String = key.chars().skip(count.saturating_sub(4).max(count / 2)).collect();
    format!("…{end}")
}
