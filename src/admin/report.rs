//! report: licenses by product, what a month bought, renewed and reused, and what the pool is worth. List prices, for a
//! look: what was charged stands at the seller. Currencies are never added to one another.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use serde_json::json;

use super::list::worth;
use super::table::table;
use super::{Answer, Desk, dash};
use crate::engine::state_error;
use crate::error::{ErrorKind, ModuleError};
use crate::model::catalogue::Catalogue;
use crate::model::held::LicenseState;
use crate::model::ids::UpstreamPricelistId;
use crate::model::journal::{OnceRequest, Wish};
use crate::model::license::Money;
use crate::model::period::{MonthCount, Period, days_between};
use crate::store::{LicenseFilter, Store};
use crate::text;

/// Months of turnover shown: the programme looks at six (LICENSING.md 10).
const MONTHS: u32 = 6;

/// The programme's minimum a month, minor units of euros.
const PROGRAMME: i64 = 10_000;

/// Amounts by currency.
type Sums = BTreeMap<String, i64>;

/// One product's month.
#[derive(Debug, Default)]
struct Row {
    bound: u32,
    pool: u32,
    bought: u32,
    renewed: u32,
    cost: Sums,
}

/// `report`
///
/// # Errors
/// `bad_value`: no month; `state`.
pub fn report(desk: &mut Desk<'_>, month: Option<&str>, csv: bool) -> Result<Answer, ModuleError> {
    let first = match month {
        Some(text) => first_day(text)?,
        None => desk.ctx.clock.today().with_day(1).unwrap_or(desk.ctx.clock.today()),
    };
    let store = desk.store()?;
    let catalogue = desk.ctx.settings.rules(None).catalogue;
    let mut rows: BTreeMap<UpstreamPricelistId, Row> = BTreeMap::new();
    let mut pool_value = Sums::new();
    let mut known = BTreeMap::new();
    for row in store.licenses_that(LicenseFilter::default()).map_err(state_error)? {
        known.insert((row.account, row.id), row.pricelist);
        let line = rows.entry(row.pricelist).or_default();
        match row.state {
            LicenseState::Bound | LicenseState::Claimed => line.bound += 1,
            LicenseState::Pool | LicenseState::ToFree => {
                line.pool += 1;
                let left = row.expires.map_or(0, |expires| days_between(desk.ctx.clock.today(), expires).max(0));
                let year =
                    catalogue.by_pricelist(row.pricelist).and_then(|product| product.prices.get(&MonthCount(12)));
                add(&mut pool_value, worth(year, left));
            }
            LicenseState::Stopped | LicenseState::Deleted => {}
        }
    }
    let (from, until) = (midnight(first), midnight(first + Months::new(1)));
    for wish in store.done_wishes(from, until).map_err(state_error)? {
        let Some((pricelist, price)) = price_of(&wish, &catalogue, &known) else { continue };
        let line = rows.entry(pricelist).or_default();
        match wish.request {
            OnceRequest::Order(_) => line.bought += 1,
            OnceRequest::Prolong { .. } => line.renewed += 1,
            OnceRequest::ChangePricelist { .. }
            | OnceRequest::SetNodes { .. }
            | OnceRequest::NewKey { .. }
            | OnceRequest::Delete { .. } => {}
        }
        add(&mut line.cost, price);
    }
    let reused = store.count_notes("claimed", from, until).map_err(state_error)?;
    let turnover = turnover(&store, first, &catalogue, &known)?;
    Ok(told(desk, first, &rows, &catalogue, reused, &pool_value, &turnover, csv))
}

fn first_day(text: &str) -> Result<NaiveDate, ModuleError> {
    format!("{text}-01").parse().map_err(|_| {
        ModuleError::new(
            ErrorKind::BadValue,
            "month",
            text,
            text!("{text:?} is not a month such as 2027-01", "{text:?} — не месяц вида 2027-01"),
        )
    })
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_hms_opt(0, 0, 0).map_or(DateTime::<Utc>::MIN_UTC, |at| at.and_utc())
}

fn add(sums: &mut Sums, money: Option<Money>) {
    if let Some(money) = money {
        *sums.entry(money.currency).or_default() += money.minor;
    }
}

/// The list price of an order or renewal, and its tariff.
fn price_of(
    wish: &Wish,
    catalogue: &Catalogue,
    known: &BTreeMap<(crate::model::ids::AccountId, crate::model::ids::LicenseId), UpstreamPricelistId>,
) -> Option<(UpstreamPricelistId, Option<Money>)> {
    let (pricelist, months) = match &wish.request {
        OnceRequest::Order(order) => {
            let months = match order.period {
                Period::Months(months) => Some(months),
                Period::Trial | Period::Day | Period::Lifetime | Period::Unknown(_) => None,
            };
            (order.pricelist, months)
        }
        OnceRequest::Prolong { license, period, .. } => (*known.get(&(wish.account, *license))?, Some(*period)),
        OnceRequest::ChangePricelist { .. }
        | OnceRequest::SetNodes { .. }
        | OnceRequest::NewKey { .. }
        | OnceRequest::Delete { .. } => return None,
    };
    let product = catalogue.by_pricelist(pricelist);
    let price = months.zip(product).and_then(|(months, product)| product.prices.get(&months).cloned());
    Some((pricelist, price))
}

/// What each of the last months cost by list, the newest first.
fn turnover(
    store: &Store,
    first: NaiveDate,
    catalogue: &Catalogue,
    known: &BTreeMap<(crate::model::ids::AccountId, crate::model::ids::LicenseId), UpstreamPricelistId>,
) -> Result<Vec<(NaiveDate, Sums)>, ModuleError> {
    let mut months = Vec::new();
    for back in 0..MONTHS {
        let day = first - Months::new(back);
        let mut sums = Sums::new();
        let wishes = store.done_wishes(midnight(day), midnight(day + Months::new(1))).map_err(state_error)?;
        for wish in wishes {
            add(&mut sums, price_of(&wish, catalogue, known).and_then(|(_, price)| price));
        }
        months.push((day, sums));
    }
    Ok(months)
}

fn shown(sums: &Sums) -> Option<String> {
    let parts: Vec<String> =
        sums.iter().map(|(currency, minor)| Money { minor: *minor, currency: currency.clone() }.to_string()).collect();
    (!parts.is_empty()).then(|| parts.join(" + "))
}

#[allow(clippy::too_many_arguments, reason = "the parts of one page")]
fn told(
    desk: &Desk<'_>,
    first: NaiveDate,
    rows: &BTreeMap<UpstreamPricelistId, Row>,
    catalogue: &Catalogue,
    reused: u32,
    pool_value: &Sums,
    turnover: &[(NaiveDate, Sums)],
    csv: bool,
) -> Answer {
    let (mut cells, mut list) = (Vec::new(), Vec::new());
    let mut sheet = "pricelist,product,bound,pool,bought,renewed,cost\n".to_owned();
    for (pricelist, row) in rows {
        let name = catalogue.by_pricelist(*pricelist).map_or_else(String::new, |product| product.name.clone());
        let cost = shown(&row.cost);
        let Row { bound, pool, bought, renewed, .. } = row;
        sheet.push_str(&format!(
            "{pricelist},{},{bound},{pool},{bought},{renewed},{}\n",
            quoted(&name),
            cost.clone().unwrap_or_default()
        ));
        cells.push(vec![
            format!("{pricelist} {name}"),
            bound.to_string(),
            pool.to_string(),
            bought.to_string(),
            renewed.to_string(),
            dash(cost.as_ref()),
        ]);
        list.push(json!({ "pricelist": pricelist.0, "name": name, "bound": bound, "pool": pool, "bought": bought, "renewed": renewed, "cost": cost }));
    }
    let below = turnover.iter().take_while(|(_, sums)| sums.get("EUR").copied().unwrap_or(0) < PROGRAMME).count();
    let month = first.format("%Y-%m");
    let head = text!("PRODUCT|BOUND|POOL|BOUGHT|RENEWED|COST", "ПРОДУКТ|ЗАНЯТО|ПУЛ|КУПЛЕНО|ПРОДЛЕНО|ЦЕНА");
    let head: Vec<&str> = desk.say(&head).split('|').collect();
    let mut text = format!("{month}\n{}", table(&head, &cells, desk.width));
    let pool = dash(shown(pool_value));
    let lines = text!(
        "taken from the pool: {reused}\npool worth: {pool}\nturnover by list prices:\n",
        "взято из пула: {reused}\nстоимость пула: {pool}\nоборот по прайсу:\n"
    );
    text.push_str(desk.say(&lines));
    for (day, sums) in turnover {
        text.push_str(&format!("  {}  {}\n", day.format("%Y-%m"), dash(shown(sums))));
    }
    let row = text!("months in a row below 100 EUR: {below}\n", "месяцев подряд ниже 100 EUR: {below}\n");
    text.push_str(desk.say(&row));
    let months: Vec<_> = turnover
        .iter()
        .map(|(day, sums)| json!({ "month": day.format("%Y-%m").to_string(), "turnover": shown(sums) }))
        .collect();
    let json = json!({
        "month": month.to_string(), "products": list, "reused": reused, "pool_worth": shown(pool_value),
        "turnover": months, "months_below_programme": below,
    });
    Answer::new("report", if csv { sheet } else { text }, json)
}

/// A field of a CSV line.
fn quoted(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
}
