//! list and pool: licenses of ours from the state alone, so that they answer while everybody else is away.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::table::{table, wrapped};
use super::usage::{Limits, Usage, advice};
use super::{Answer, Desk, dash, day};
use crate::cli::{ListArgs, SortBy};
use crate::engine::state_error;
use crate::error::{ModuleError, Text, counted};
use crate::model::ids::LicenseId;
use crate::model::license::Money;
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::period::{MonthCount, days_between};
use crate::model::rules::a_month_after;
use crate::plan::pool::{Need, Today, why_not};
use crate::store::{LicenseFilter, Store};
use crate::text;

/// Where a line of the list has domains in use.
const DOMAINS_COLUMN: usize = 6;

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
    };
    let mut rows = store.licenses_that(filter).map_err(state_error)?;
    if args.problems {
        let now = desk.ctx.clock.now();
        let mut troubled = Vec::new();
        for row in rows {
            if !problems(&store, &row, now)?.is_empty() {
                troubled.push(row);
            }
        }
        rows = troubled;
    }
    match args.sort {
        SortBy::License => {}
        SortBy::Item => rows.sort_by_key(|row| (row.item, row.id)),
        SortBy::Expires => rows.sort_by_key(by_expiry),
        SortBy::Product => rows.sort_by(|a, b| (&a.internal_name, a.id).cmp(&(&b.internal_name, b.id))),
    }
    let mut cells = Vec::new();
    let mut json = Vec::new();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut limits, mut nearly_full) = (Limits::default(), 0);
    for row in &rows {
        *counts.entry(row.state.word()).or_default() += 1;
        let problems = problems(&store, row, desk.ctx.clock.now())?;
        let usage = limits.usage(&desk.ctx.settings, row);
        nearly_full += usize::from(usage.is_some_and(Usage::is_nearly_full));
        cells.push(line(row, !problems.is_empty(), usage));
        json.push(license_json(row, &problems, usage));
    }
    let head =
        text!("LICENSE|HELD|ITEM|PRODUCT|EXPIRES|IP|DOMAINS|NAME", "ЛИЦЕНЗИЯ|ЗАЧЕМ|УСЛУГА|ПРОДУКТ|СРОК|IP|ДОМЕНЫ|ИМЯ");
    let mut head: Vec<&str> = desk.say(&head).split('|').collect();
    // Many sellers never count domains: no column of dashes there.
    if rows.iter().all(|row| row.domains.is_none()) {
        head.remove(DOMAINS_COLUMN);
        cells.iter_mut().for_each(|line| drop(line.remove(DOMAINS_COLUMN)));
    }
    let mut text = if rows.is_empty() { String::new() } else { table(&head, &cells, desk.width) };
    let parts: Vec<String> = counts.iter().map(|(word, count)| format!("{word} {count}")).collect();
    let (total, parts) = (rows.len(), if parts.is_empty() { "-".to_owned() } else { parts.join(", ") });
    text.push_str(desk.say(&text!(["{}: {parts}", counted(total, "license")], ["лицензий: {total}; {parts}"])));
    text.push('\n');
    if nearly_full > 0 {
        text.push_str(&format!("{}\n", wrapped(desk.say(&advice(nearly_full)), desk.width, 2)));
    }
    let code = u8::from(args.problems && !rows.is_empty());
    Ok(Answer::new("list", text, json!({ "licenses": json, "counts": counts })).with_code(code))
}

fn line(row: &LicenseRow, troubled: bool, usage: Option<Usage>) -> Vec<String> {
    let mark = if troubled { "!" } else { "" };
    vec![
        format!("{}{mark}", row.id),
        row.state.word().to_owned(),
        dash(row.item),
        row.internal_name.clone(),
        row.expires.to_string(),
        dash(row.ip),
        usage.map_or_else(
            || "-".to_owned(),
            |usage| format!("{usage}{}", if usage.is_nearly_full() { "!" } else { "" }),
        ),
        row.name.clone(),
    ]
}

/// Stable words for what needs somebody.
pub fn problems(
    store: &Store,
    row: &LicenseRow,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Vec<&'static str>, ModuleError> {
    let mut found = Vec::new();
    if !store.open_intents_of_license(row.account, row.id).map_err(state_error)?.is_empty() {
        found.push("doubt");
    }
    let is_held = match row.state {
        LicenseState::Bound | LicenseState::Claimed | LicenseState::ToFree => true,
        LicenseState::Pool | LicenseState::Stopped | LicenseState::Deleted => false,
    };
    // Licenses that sync leaves alone, as far as the state alone can show it.
    if is_held && !store.is_bought_from(row.account).map_err(state_error)? {
        found.push("former_account");
    }
    if let Some(item) = row.item.filter(|_| is_held)
        && store.is_troubled(item).map_err(state_error)?
    {
        found.push("sync_fails");
    }
    match row.state {
        LicenseState::Bound if row.key.is_none() && now - row.since > chrono::Duration::hours(1) => {
            found.push("key_late")
        }
        LicenseState::Bound if row.status == crate::model::license::LicenseStatus::Ordered => found.push("unpaid"),
        LicenseState::Claimed => found.push("claimed"),
        LicenseState::ToFree => found.push("to_free"),
        LicenseState::Bound | LicenseState::Pool | LicenseState::Stopped | LicenseState::Deleted => {}
    }
    Ok(found)
}

/// A license as every answer shows it. The key stays out: only its end.
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

/// The end of a key, by which a person tells keys apart.
pub fn key_end(key: &str) -> String {
    let count = key.chars().count();
    let end: String = key.chars().skip(count.saturating_sub(4).max(count / 2)).collect();
    format!("…{end}")
}

/// `pool`
///
/// # Errors
/// `state`
pub fn pool(desk: &mut Desk<'_>) -> Result<Answer, ModuleError> {
    let store = desk.store()?;
    let mut rows = Vec::new();
    for state in [LicenseState::Pool, LicenseState::ToFree] {
        let filter = LicenseFilter { state: Some(state), ..LicenseFilter::default() };
        rows.extend(store.licenses_that(filter).map_err(state_error)?);
    }
    rows.sort_by_key(|row| (row.pricelist, by_expiry(row)));
    let (mut cells, mut json, mut free, mut days) = (Vec::new(), Vec::new(), 0_u32, 0_i64);
    for row in &rows {
        let rules = desk.ctx.settings.rules(Some(row.module));
        let today = Today {
            day: desk.ctx.clock.today(),
            now: desk.ctx.clock.now(),
            renew_before_days: rules.renew_before_days,
            ip_change_limit: rules.ip_change_limit,
        };
        let need = Need { pricelist: row.pricelist, nodes: row.nodes, ip: None, until: None };
        let why = why_not(row, &need, today);
        let from = reusable_from(row, today);
        let left = row.expires.day().map_or(0, |expires| days_between(today.day, expires).max(0));
        let worth = rules
            .catalogue
            .by_pricelist(row.pricelist)
            .and_then(|product| worth(product.prices.get(&MonthCount(12)), left));
        free += u32::from(why.is_none());
        days += left;
        let reason = why.as_ref().map_or_else(String::new, |why| desk.say(why).to_owned());
        let from = if why.is_none() { desk.say(&text!("now", "сейчас")).to_owned() } else { day(from) };
        cells.push(vec![
            row.id.to_string(),
            row.internal_name.clone(),
            row.expires.to_string(),
            left.to_string(),
            dash(worth.as_ref()),
            from,
            reason,
        ]);
        let mut one = license_json(row, &[], None);
        if let Some(fields) = one.as_object_mut() {
            fields.insert("days_left".into(), left.into());
            fields.insert("worth".into(), json!(worth.map(|worth| worth.to_string())));
            fields.insert("free".into(), why.is_none().into());
            fields.insert("reusable_from".into(), json!(reusable_from(row, today)));
            fields.insert("why_not".into(), json!(why.map(|why| desk.say(&why).to_owned())));
        }
        json.push(one);
    }
    let head = text!(
        "LICENSE|PRODUCT|EXPIRES|DAYS|WORTH|FROM|WHY NOT NOW",
        "ЛИЦЕНЗИЯ|ПРОДУКТ|СРОК|ДНЕЙ|ЦЕНА|С ДНЯ|ПОЧЕМУ НЕТ"
    );
    let head: Vec<&str> = desk.say(&head).split('|').collect();
    let mut text = if rows.is_empty() { String::new() } else { table(&head, &cells, desk.width) };
    let total = rows.len();
    text.push_str(desk.say(&summary(total, free, days)));
    text.push('\n');
    Ok(Answer::new("pool", text, json!({ "licenses": json, "free": free, "total": total, "days_left": days })))
}

fn summary(total: usize, free: u32, days: i64) -> Text {
    text!(
        ["{}, {free} can be given out now, {} left", counted(total, "license"), counted(days, "paid day")],
        ["лицензий: {total}; можно выдать сейчас: {free}; оплаченных дней: {days}"]
    )
}

/// The list price of the days that are left, as part of a year's.
pub fn worth(year: Option<&Money>, days: i64) -> Option<Money> {
    year.map(|year| Money { minor: year.minor.saturating_mul(days) / 365, currency: year.currency.clone() })
}

/// The order of days; what has none, or none that is known, comes last.
fn by_expiry(row: &LicenseRow) -> (bool, Option<chrono::NaiveDate>, LicenseId) {
    (row.expires.day().is_none(), row.expires.day(), row.id)
}

/// From which day a freed license can be given out; `None`: not at all, or when is not known.
fn reusable_from(row: &LicenseRow, today: Today) -> Option<chrono::NaiveDate> {
    let next = |from: Option<chrono::NaiveDate>| from.and_then(|day| day.succ_opt());
    let ip_from = next(today.ip_change_limit.changeable_from(row.ip_changed));
    let key_from = next(row.key_changed.map(a_month_after));
    let put_aside = row.not_before.map(|until| until.date_naive());
    let days = [ip_from, key_from, put_aside, Some(today.day)];
    let from = days.into_iter().flatten().max()?;
    row.expires.day().filter(|expires| *expires > from).map(|_| from)
}
