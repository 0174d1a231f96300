//! The lists: licenses, everything that waits for an operator, the differences of the last reconcile, the pool. Of the
//! two lists that grow with the number of licenses, only the rows that are shown are read.

use chrono::Duration;

use super::request::{Request, row};
use crate::admin::Desk;
use crate::admin::list::{state_words, status_word};
use crate::admin::pool::pool_part;
use crate::admin::problems;
use crate::engine::state_error;
use crate::error::{ModuleError, Text};
use crate::model::ids::{AccountId, LicenseId};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::store::{LicenseFilter, Order};
use crate::watch::last_runs::{self, LastRuns};
use crate::watch::problems::{Kind, Problem, Problems, moment};
use crate::xml::Element;

/// An optional value in a row: an empty cell where there is none.
fn cell(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// The identifier of a license in a list. The number alone is unique in one account only.
pub fn license_id(account: AccountId, license: LicenseId) -> String {
    format!("{account}-{license}")
}

/// `pmisplicense.licenses`
///
/// # Errors
/// `state`
pub fn licenses(desk: &mut Desk<'_>, mut request: Request<'_>) -> Result<Element, ModuleError> {
    let part = request.part();
    let [state, product, text] = ["state", "product", "text"].map(|name| request.param(name));
    let filter = LicenseFilter {
        state: state.as_deref().and_then(LicenseState::parse),
        product: product.as_deref(),
        text: text.as_deref(),
        ..LicenseFilter::default()
    };
    let order = match part.sort.as_str() {
        "item" => Order::Item,
        "product" => Order::Product,
        "name" => Order::Name,
        "ip" => Order::Address,
        "state" => Order::State,
        "status" => Order::Status,
        "expires" => Order::Expires,
        _ => Order::License,
    };
    let store = desk.store()?;
    let problems = Problems::read(&store, desk.ctx.clock.now())?;
    let (total, page) = store
        .at_one_moment(|| {
            let page = store.page_of_licenses(filter, order, part.is_descending, part.passed_over(), part.rows)?;
            Ok((store.count_licenses_that(filter)?, page))
        })
        .map_err(state_error)?;
    let rows = page.iter().map(|one| license_row(one, &problems.words(one))).collect();
    if !filter.is_empty() {
        // Beside the title: an operator sees that this is not everything.
        let state = filter.state.map(|state| state_words(state).in_lang(desk.ctx.lang).to_owned());
        let shown: Vec<String> = [state, product.clone(), text.clone()].into_iter().flatten().collect();
        request.set("plname", &shown.join(", "));
    }
    Ok(request.listed(total, &part, rows))
}

fn license_row(one: &LicenseRow, problems: &[&str]) -> Element {
    row([
        ("id", license_id(one.account, one.id)),
        ("license", one.id.to_string()),
        ("item", cell(one.item)),
        ("product", one.internal_name.clone()),
        ("name", one.name.clone()),
        ("ip", cell(one.ip)),
        ("state", one.state.word().to_owned()),
        ("status", status_word(one.status).to_owned()),
        ("expires", one.expires.to_string()),
        ("problems", problems.join(", ")),
    ])
}

/// One part of a list whose rows are all in memory. Such a list stays short however many licenses there are. The rows
/// are sorted by the requested column, as it is shown.
fn part_of<T>(all: &[T], request: Request<'_>, to_row: impl Fn(&T) -> Element) -> Element {
    let part = request.part();
    let (before, count) = (part.passed_over() as usize, part.rows as usize);
    let rows = match part.sort.as_str() {
        "" => all.iter().skip(before).take(count).map(to_row).collect(),
        column => {
            let mut rows: Vec<Element> = all.iter().map(to_row).collect();
            rows.sort_by(|one, other| {
                let order = value_in(one, column).cmp(&value_in(other, column));
                if part.is_descending { order.reverse() } else { order }
            });
            rows.into_iter().skip(before).take(count).collect()
        }
    };
    request.listed(u32::try_from(all.len()).unwrap_or(u32::MAX), &part, rows)
}

/// The value of a row by which rows are sorted: numbers by their size, before texts.
fn value_in<'r>(row: &'r Element, column: &str) -> (bool, u64, &'r str) {
    let text = row.value_of(column).unwrap_or_default();
    match text.parse() {
        Ok(number) => (false, number, text),
        Err(_) => (true, 0, text),
    }
}

/// `pmisplicense.indoubt`: everything that waits for an operator, the worst first.
///
/// # Errors
/// `state`
pub fn waiting(desk: &mut Desk<'_>, request: Request<'_>) -> Result<Element, ModuleError> {
    let store = desk.store()?;
    let mut problems = problems::read(desk, &store)?;
    problems.add_failing_modules(&LastRuns::read(&last_runs::path(&desk.ctx.settings)));
    let lang = desk.ctx.lang;
    let settling = Duration::seconds(i64::from(desk.ctx.settings.longest_settle_s()));
    Ok(part_of(problems.list(), request, |problem| {
        // Before that moment the seller may still carry the request out.
        let told_from = problem.since.filter(|_| problem.kind == Kind::InDoubt).map(|since| since + settling);
        row([
            ("id", problem_id(problem)),
            ("kind", problem.kind.word().to_owned()),
            ("item", cell(problem.item)),
            ("license", cell(problem.license.map(|(_, license)| license))),
            ("since", cell(problem.since.map(moment))),
            ("told_from", cell(told_from.map(moment))),
            ("what", problem.what.in_lang(lang).to_owned()),
            ("next", problem.next.in_lang(lang).to_owned()),
        ])
    }))
}

/// The identifier of a problem: of a request in doubt its number, which the form about it needs.
pub fn problem_id(problem: &Problem) -> String {
    match problem.intent {
        Some(intent) => intent.to_string(),
        None => {
            let license = problem.license.map(|(account, license)| license_id(account, license));
            format!("{}.{}.{}", problem.kind.word(), cell(problem.item), cell(license))
        }
    }
}

/// `pmisplicense.findings`: the differences that the last reconcile of all modules left.
///
/// # Errors
/// None: without a reconcile the list is empty.
pub fn findings(desk: &mut Desk<'_>, mut request: Request<'_>) -> Result<Element, ModuleError> {
    let last = LastRuns::read(&last_runs::path(&desk.ctx.settings)).reconcile;
    let lang = desk.ctx.lang;
    if let Some(last) = &last {
        request.set("plname", &moment(last.at));
    }
    let differences = last.map(|last| last.differences).unwrap_or_default();
    let say = |(en, ru): &(String, String)| Text { en: en.clone(), ru: ru.clone() }.in_lang(lang).to_owned();
    Ok(part_of(&differences, request, |one| {
        row([
            ("id", one.id()),
            ("kind", one.kind.clone()),
            ("item", cell(one.item)),
            ("license", cell(one.license)),
            ("what", say(&one.what)),
            ("remedy", say(&one.remedy)),
            ("cost", one.cost.clone().unwrap_or_default()),
        ])
    }))
}

/// `pmisplicense.pool`: free licenses, from when they can be given out, their worth.
///
/// # Errors
/// `state`
pub fn pool(desk: &mut Desk<'_>, request: Request<'_>) -> Result<Element, ModuleError> {
    let part = request.part();
    let order = match part.sort.as_str() {
        "license" => Some(Order::License),
        "product" => Some(Order::Product),
        // The later a license runs out, the more days it has.
        "expires" | "days" => Some(Order::Expires),
        _ => None,
    };
    let sorted = order.map(|order| (order, part.is_descending));
    let (total, free) = pool_part(desk, sorted, part.passed_over(), part.rows)?;
    let rows = free.into_iter().map(|(id, cells)| {
        let names = ["license", "product", "expires", "days", "worth", "from", "why"];
        let id = license_id(id.0, id.1);
        row([("id", id)].into_iter().chain(names.into_iter().zip(cells)))
    });
    let rows = rows.collect();
    Ok(request.listed(total, &part, rows))
}
