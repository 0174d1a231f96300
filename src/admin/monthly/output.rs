//! The report as a table for people, as CSV, and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::figures::{Domains, Figures, NearlyFull, ProductMonth};
use super::loss::{Loss, Losses};
use super::shown;
use crate::admin::table::{Giving, fitting, wrapped};
use crate::admin::{Desk, dash};
use crate::error::{Text, counted};
use crate::text;

/// Most lines of a table of services. The worst services are shown; the JSON has all.
const SHOWN: usize = 20;

/// For people.
pub fn text(desk: &Desk<'_>, figures: &Figures) -> String {
    let head =
        text!("PRODUCT|BOUND|POOL|BOUGHT|RENEWED|REUSED|COST", "ПРОДУКТ|ЗАНЯТО|ПУЛ|КУПЛЕНО|ПРОДЛЕНО|ИЗ ПУЛА|ЦЕНА");
    let head: Vec<&str> = desk.say(&head).split('|').collect();
    let cells: Vec<Vec<String>> = figures
        .products
        .iter()
        .map(|(pricelist, product)| {
            let ProductMonth { name, bound, pool, bought, renewed, reused, cost, .. } = product;
            let counts = [bound, pool, bought, renewed, reused].map(ToString::to_string);
            let mut line = vec![format!("{pricelist} {name}")];
            line.extend(counts);
            line.push(dash(shown(cost)));
            line
        })
        .collect();
    // A narrow terminal cuts the names of products first, then leaves out counts.
    let giving = Giving { soft: &[0], spare: &[5, 2, 4] };
    let mut out = format!("{}\n{}", figures.month.format("%Y-%m"), fitting(&head, &cells, desk.width, giving));
    let say = |out: &mut String, words: Text| {
        let _ = writeln!(out, "{}", wrapped(desk.say(&words), desk.width, 2));
    };
    sums(figures).into_iter().for_each(|words| say(&mut out, words));
    say(&mut out, text!("turnover:", "оборот:"));
    for month in &figures.turnover {
        let _ = writeln!(out, "  {}  {}", month.month.format("%Y-%m"), dash(shown(&month.all)));
    }
    let below = figures.below();
    say(&mut out, text!("months in a row below 100 EUR: {below}", "месяцев подряд ниже 100 EUR: {below}"));
    remarks(figures).into_iter().for_each(|words| say(&mut out, words));
    out.push_str(&losses(desk, &figures.losses));
    out.push_str(&domains(desk, &figures.domains));
    out
}

/// What the pool saved in the month, and what it is worth.
pub fn sums(figures: &Figures) -> [Text; 2] {
    let reused = figures.sum(|product| product.reused);
    let (saved, pool) = (dash(shown(&figures.saved)), dash(shown(&figures.pool_worth)));
    [
        text!(
            "taken from the pool: {reused}, saved by list prices: {saved}",
            "взято из пула: {reused}, сэкономлено по прайсу: {saved}"
        ),
        text!("pool worth: {pool}", "стоимость пула: {pool}"),
    ]
}

/// Remarks that a reader needs to understand the amounts.
pub fn remarks(figures: &Figures) -> Vec<Text> {
    let mut remarks = Vec::new();
    let unknown = figures.unknown_costs;
    if unknown > 0 {
        remarks.push(text!("purchases of unknown cost: {unknown}", "покупок с неизвестной стоимостью: {unknown}"));
    }
    if figures.estimates {
        remarks.push(text!(
            "some amounts are list prices: the seller did not say what it charged",
            "часть сумм — по прайсу: продавец не сообщил, сколько взял"
        ));
    }
    if figures.in_other_currency() {
        remarks.push(text!(
            "the programme counts euros only; other currencies are not converted",
            "программа считает только евро; другие валюты не пересчитываются"
        ));
    }
    remarks
}

/// One or two sentences about losses.
pub fn about_losses(losses: &Losses) -> Vec<Text> {
    let Losses { compared, other_currency, currencies, unknown, away, list } = losses;
    let mut words = Vec::new();
    if let Some(why) = away {
        words.push(text!("prices of the panel are not known: {why}", "цены панели неизвестны: {why}"));
        return words;
    }
    let count = list.len();
    words.push(match shown(&losses.a_month()) {
        Some(lost) => text!(
            "sold below cost: {count} of {compared} compared, {lost} a month",
            "продаётся ниже себестоимости: {count} из {compared} сравнённых, {lost} в месяц"
        ),
        None => text!(
            "sold below cost: none of {compared} compared",
            "ниже себестоимости не продаётся ничего из {compared} сравнённых"
        ),
    });
    if *other_currency > 0 {
        let pairs: Vec<String> = currencies
            .iter()
            .map(|(price, cost)| format!("{} / {cost}", if price.is_empty() { "?" } else { price }))
            .collect();
        let pairs = pairs.join(", ");
        words.push(text!(
            "not compared, price and cost in different currencies ({pairs}): {other_currency}",
            "не сравнивались, цена и себестоимость в разных валютах ({pairs}): {other_currency}"
        ));
    }
    if *unknown > 0 {
        words.push(text!(
            "not compared, price or cost not known: {unknown}",
            "не сравнивались, цена или себестоимость неизвестна: {unknown}"
        ));
    }
    words
}

/// The cells of a loss: service, license, product, price, cost, and `a_month`, the loss for a month in the form of the
/// table.
pub fn line_of(loss: &Loss, a_month: String) -> Vec<String> {
    vec![
        loss.item.to_string(),
        loss.license.to_string(),
        loss.product.clone(),
        for_months(&loss.price, loss.price_months.0),
        for_months(&loss.cost, loss.cost_months.0),
        a_month,
    ]
}

/// An amount for a number of months.
fn for_months(amount: impl std::fmt::Display, months: u16) -> String {
    if months == 1 { amount.to_string() } else { format!("{amount} / {months}") }
}

fn losses(desk: &Desk<'_>, losses: &Losses) -> String {
    let mut out = String::new();
    for words in about_losses(losses) {
        let _ = writeln!(out, "{}", wrapped(desk.say(&words), desk.width, 2));
    }
    if losses.list.is_empty() {
        return out;
    }
    let head = text!("SERVICE|LICENSE|PRODUCT|PRICE|COST|A MONTH", "УСЛУГА|ЛИЦЕНЗИЯ|ПРОДУКТ|ЦЕНА|СЕБЕСТ.|В МЕСЯЦ");
    let head: Vec<&str> = desk.say(&head).split('|').collect();
    let cells: Vec<Vec<String>> =
        losses.list.iter().take(SHOWN).map(|loss| line_of(loss, format!("-{}", loss.a_month))).collect();
    out.push_str(&fitting(&head, &cells, desk.width, Giving { soft: &[2], spare: &[2, 1] }));
    out.push_str(&more(desk, losses.list.len()));
    out
}

/// A sentence about the domains in use. `None` if the seller does not count them.
pub fn about_domains(domains: &Domains) -> Option<Text> {
    let (known, full) = (domains.known, domains.nearly_full.len());
    (known > 0).then(|| {
        text!(
            [
                "domains in use are known of {}; with 90 % or more of what their product allows: {full}",
                counted(known, "license")
            ],
            ["занятые домены известны у лицензий: {known}; из них занято не менее 90 % разрешённых: {full}"]
        )
    })
}

/// The cells of a license at or near its limit of domains.
pub fn line_of_full(full: &NearlyFull) -> Vec<String> {
    vec![dash(full.item), full.license.to_string(), full.product.clone(), full.usage.to_string()]
}

fn domains(desk: &Desk<'_>, domains: &Domains) -> String {
    let Some(words) = about_domains(domains) else { return String::new() };
    let mut out = format!("{}\n", wrapped(desk.say(&words), desk.width, 2));
    if !domains.nearly_full.is_empty() {
        let head = text!("SERVICE|LICENSE|PRODUCT|DOMAINS", "УСЛУГА|ЛИЦЕНЗИЯ|ПРОДУКТ|ДОМЕНЫ");
        let head: Vec<&str> = desk.say(&head).split('|').collect();
        let cells: Vec<Vec<String>> = domains.nearly_full.iter().take(SHOWN).map(line_of_full).collect();
        out.push_str(&fitting(&head, &cells, desk.width, Giving { soft: &[2], spare: &[1] }));
        out.push_str(&more(desk, domains.nearly_full.len()));
    }
    out
}

/// A line with the number of rows that a table left out; empty when it left out none.
fn more(desk: &Desk<'_>, lines: usize) -> String {
    let more = lines.saturating_sub(SHOWN);
    if more == 0 {
        return String::new();
    }
    format!(
        "{}\n",
        desk.say(&text!(
            "and {more} more; all of them: pmisplicense report --json",
            "и ещё {more}; все: pmisplicense report --json"
        ))
    )
}

/// The CSV for other programs, with one line for each product. New columns come last, because a program may know the
/// columns by their places. The last two are empty for products whose domains the seller does not count.
pub fn sheet(figures: &Figures) -> String {
    let mut out =
        "pricelist,product,bound,pool,bought,renewed,reused,cost,losses,loss_a_month,domains,nearly_full\n".to_owned();
    for (pricelist, product) in &figures.products {
        let ProductMonth { name, bound, pool, bought, renewed, reused, cost, domains, nearly_full } = product;
        let known = domains.is_some();
        let domains = domains.map_or_else(String::new, |domains| domains.to_string());
        let nearly_full = if known { nearly_full.to_string() } else { String::new() };
        let (losses, lost) = lost_by(figures, &pricelist.to_string());
        let _ = writeln!(
            out,
            "{pricelist},{},{bound},{pool},{bought},{renewed},{reused},{},{losses},{lost},{domains},{nearly_full}",
            quoted(name),
            shown(cost).unwrap_or_default()
        );
    }
    out
}

/// Losses of licenses that were ordered as a product: how many, and the sum for a month.
fn lost_by(figures: &Figures, product: &str) -> (usize, String) {
    let of_product: Vec<&Loss> = figures.losses.list.iter().filter(|loss| loss.product == product).collect();
    let mut sums = super::Sums::new();
    for loss in &of_product {
        *sums.entry(loss.a_month.currency.clone()).or_default() += loss.a_month.minor;
    }
    (of_product.len(), shown(&sums).unwrap_or_default())
}

/// A field of a CSV line. A leading character that a spreadsheet would treat as a formula is made harmless.
fn quoted(field: &str) -> String {
    let guard = if field.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{guard}{}\"", field.replace('"', "\"\""))
}

/// For programs.
pub fn json(figures: &Figures) -> Value {
    let products: Vec<Value> = figures
        .products
        .iter()
        .map(|(pricelist, product)| {
            json!({
                "pricelist": pricelist.0, "name": product.name, "bound": product.bound, "pool": product.pool,
                "bought": product.bought, "renewed": product.renewed, "reused": product.reused,
                "cost": shown(&product.cost), "domains": product.domains, "nearly_full": product.nearly_full,
            })
        })
        .collect();
    let turnover: Vec<Value> = figures
        .turnover
        .iter()
        .map(|month| {
            json!({
                "month": month.month.format("%Y-%m").to_string(), "turnover": shown(&month.all),
                "programme_minor": month.programme,
            })
        })
        .collect();
    let losses: Vec<Value> = figures
        .losses
        .list
        .iter()
        .map(|loss| {
            json!({
                "item": loss.item.0, "license": loss.license.0, "product": loss.product,
                "price": loss.price.to_string(), "price_months": loss.price_months.0,
                "cost": loss.cost.to_string(), "cost_months": loss.cost_months.0, "estimate": loss.is_estimate,
                "loss_a_month": loss.a_month.to_string(),
            })
        })
        .collect();
    let full: Vec<Value> = figures
        .domains
        .nearly_full
        .iter()
        .map(|one| {
            json!({
                "item": one.item.map(|item| item.0), "license": one.license.0, "product": one.product,
                "domains": one.usage.used, "domains_limit": one.usage.limit,
            })
        })
        .collect();
    let Losses { compared, other_currency, unknown, away, .. } = &figures.losses;
    json!({
        "month": figures.month.format("%Y-%m").to_string(), "products": products,
        "reused": figures.sum(|product| product.reused), "saved": shown(&figures.saved),
        "pool_worth": shown(&figures.pool_worth), "turnover": turnover, "months_below_programme": figures.below(),
        "unknown_costs": figures.unknown_costs, "estimates": figures.estimates,
        "below_cost": {
            "services": losses, "a_month": shown(&figures.losses.a_month()), "compared": compared,
            "other_currency": other_currency, "unknown": unknown, "prices_away": away,
        },
        "domains": { "known": figures.domains.known, "nearly_full": full },
    })
}
