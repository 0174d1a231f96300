//! pool: the free licenses, and from which day each can be given out. Read from the state alone, like `list`.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use super::list::license_json;
use super::stream::Listing;
use super::table::{Giving, Measure};
use super::{Answer, Desk, dash, day};
use crate::engine::state_error;
use crate::error::{ModuleError, Text, counted};
use crate::model::ids::{AccountId, LicenseId, ModuleId};
use crate::model::license::Money;
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::period::{MonthCount, days_between};
use crate::model::rules::{Rules, a_month_after};
use crate::plan::pool::{PoolRequest, Today, why_not};
use crate::store::{LicenseFilter, Order, Store, StoreError};
use crate::text;

/// A narrow terminal cuts the reason, then leaves out worth, days and product, in this order.
const GIVING: Giving<'_> = Giving { soft: &[6], spare: &[4, 3, 1] };

/// A free license, with the facts that an operator needs.
struct Free {
    row: LicenseRow,
    days: i64,
    worth: Option<Money>,
    from: Option<NaiveDate>,
    why: Option<Text>,
}

/// `pool`
///
/// # Errors
/// `state`
pub fn pool(desk: &mut Desk<'_>) -> Result<Answer, ModuleError> {
    let store = desk.store()?;
    let head = text!(
        "LICENSE|PRODUCT|EXPIRES|DAYS|WORTH|FROM|WHY NOT NOW",
        "ЛИЦЕНЗИЯ|ПРОДУКТ|СРОК|ДНЕЙ|ЦЕНА|С ДНЯ|ПОЧЕМУ НЕ СЕЙЧАС"
    );
    let head: Vec<&str> = desk.say(&head).split('|').collect();
    let mut rules: BTreeMap<ModuleId, Rules> = BTreeMap::new();
    let (day, now) = (desk.ctx.clock.today(), desk.ctx.clock.now());
    let mut measure = Measure::new(&head);
    let (mut total, mut free, mut days) = (0_usize, 0_u32, 0_i64);
    let printed = store.at_one_moment(|| {
        each_free(&store, |row| {
            let one = weighed(desk, &mut rules, row, day, now);
            (total, free, days) = (total + 1, free + u32::from(one.why.is_none()), days + one.days);
            measure.add(&one.cells(desk));
            true
        })?;
        if desk.json {
            let fields = json!({ "free": free, "total": total, "days_left": days });
            let mut listing = Listing::begin(desk, "pool", &fields, "licenses");
            each_free(&store, |row| {
                let one = weighed(desk, &mut rules, row, day, now);
                let json = one.json(desk);
                listing.element(desk, &json)
            })?;
            listing.end(desk);
            return Ok(());
        }
        let layout = measure.layout(desk.width, GIVING);
        if total > 0 {
            (desk.print)(&layout.line(&head));
        }
        each_free(&store, |row| {
            let cells = weighed(desk, &mut rules, row, day, now).cells(desk);
            (desk.print)(&layout.line(&cells))
        })?;
        let sum = format!("{}\n", desk.say(&summary(total, free, days)));
        (desk.print)(&sum);
        Ok(())
    });
    printed.map_err(state_error)?;
    Ok(Answer::printed())
}

/// One part of the rows of [`pool`]: the number of all rows, then the cells of at most `rows` rows, after the first
/// `passed_over` ones. `sorted`: the order, and whether it is descending; `None`: the order of [`pool`].
///
/// # Errors
/// `state`
pub fn pool_part(
    desk: &Desk<'_>,
    sorted: Option<(Order, bool)>,
    passed_over: u32,
    rows: u32,
) -> Result<(u32, Vec<PoolRow>), ModuleError> {
    let store = desk.store()?;
    let read = store.at_one_moment(|| {
        if let Some((order, is_descending)) = sorted {
            let part = store.page_of_licenses(LicenseFilter::FREE, order, is_descending, passed_over, rows)?;
            return Ok((store.count_licenses_that(LicenseFilter::FREE)?, part));
        }
        let (mut total, mut part) = (0_u32, Vec::new());
        for filter in FREE {
            let before = passed_over.saturating_sub(total);
            let left = rows.saturating_sub(u32::try_from(part.len()).unwrap_or(u32::MAX));
            part.extend(store.page_of_licenses(filter, Order::Tariff, false, before, left)?);
            total += store.count_licenses_that(filter)?;
        }
        Ok((total, part))
    });
    let (total, part) = read.map_err(state_error)?;
    let mut rules = BTreeMap::new();
    let (day, now) = (desk.ctx.clock.today(), desk.ctx.clock.now());
    let cells = |row: LicenseRow| {
        let id = (row.account, row.id);
        (id, weighed(desk, &mut rules, row, day, now).cells(desk))
    };
    Ok((total, part.into_iter().map(cells).collect()))
}

/// A license of the pool by its account and number, and its cells.
pub type PoolRow = ((AccountId, LicenseId), Vec<String>);

/// The licenses that `pool` shows, in their order.
const FREE: [LicenseFilter<'static>; 2] =
    [LicenseFilter::in_state(LicenseState::Pool), LicenseFilter::in_state(LicenseState::ToFree)];

/// The pool and what waits to be freed, by tariff and expiry.
fn each_free(store: &Store, mut each: impl FnMut(LicenseRow) -> bool) -> Result<(), StoreError> {
    let mut go_on = true;
    for filter in FREE {
        if go_on {
            store.each_license(filter, Order::Tariff, |row| {
                go_on = each(row);
                go_on
            })?;
        }
    }
    Ok(())
}

fn weighed(
    desk: &Desk<'_>,
    rules: &mut BTreeMap<ModuleId, Rules>,
    row: LicenseRow,
    day: NaiveDate,
    now: DateTime<Utc>,
) -> Free {
    let rules = rules.entry(row.module).or_insert_with(|| desk.ctx.settings.rules(Some(row.module)));
    let today = Today { day, now, renew_before_days: rules.renew_before_days, ip_change_limit: rules.ip_change_limit };
    let request = PoolRequest { pricelist: row.pricelist, nodes: row.nodes, ip: None, until: None };
    let days = row.expires.day().map_or(0, |expires| days_between(day, expires).max(0));
    let product = rules.catalogue.by_pricelist(row.pricelist);
    let worth = product.and_then(|product| worth(product.prices.get(&MonthCount(12)), days));
    let (why, from) = (why_not(&row, &request, today), reusable_from(&row, today));
    Free { row, days, worth, from, why }
}

impl Free {
    fn cells(&self, desk: &Desk<'_>) -> Vec<String> {
        let now = text!("now", "сейчас");
        vec![
            self.row.id.to_string(),
            self.row.internal_name.clone(),
            self.row.expires.to_string(),
            self.days.to_string(),
            dash(self.worth.as_ref()),
            if self.why.is_none() { desk.say(&now).to_owned() } else { day(self.from) },
            self.why.as_ref().map_or_else(String::new, |why| desk.say(why).to_owned()),
        ]
    }

    fn json(&self, desk: &Desk<'_>) -> Value {
        let mut one = license_json(&self.row, &[], None);
        if let Some(fields) = one.as_object_mut() {
            fields.insert("days_left".into(), self.days.into());
            fields.insert("worth".into(), json!(self.worth.as_ref().map(ToString::to_string)));
            fields.insert("free".into(), self.why.is_none().into());
            fields.insert("reusable_from".into(), json!(self.from));
            fields.insert("why_not".into(), json!(self.why.as_ref().map(|why| desk.say(why))));
        }
        one
    }
}

fn summary(total: usize, free: u32, days: i64) -> Text {
    text!(
        ["{}, {free} can be given out now, {} left", counted(total, "license"), counted(days, "paid day")],
        ["лицензий: {total}; можно выдать сейчас: {free}; оплаченных дней: {days}"]
    )
}

/// The list price of the remaining days, as a part of a year's price.
pub fn worth(year: Option<&Money>, days: i64) -> Option<Money> {
    year.map(|year| Money { minor: year.minor.saturating_mul(days) / 365, currency: year.currency.clone() })
}

/// The day from which a freed license can be given out. `None`: never, or not known.
fn reusable_from(row: &LicenseRow, today: Today) -> Option<NaiveDate> {
    let next = |from: Option<NaiveDate>| from.and_then(|day| day.succ_opt());
    let ip_from = next(today.ip_change_limit.changeable_from(row.ip_changed));
    let key_from = next(row.key_changed.map(a_month_after));
    let put_aside = row.not_before.map(|until| until.date_naive());
    let days = [ip_from, key_from, put_aside, Some(today.day)];
    let from = days.into_iter().flatten().max()?;
    row.expires.day().filter(|expires| *expires > from).map(|_| from)
}
