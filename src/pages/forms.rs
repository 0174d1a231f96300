//! The forms that only show: the filter of the list of licenses, one license with its history, a month.

use super::request::{Request, encoded, go_on, nothing_done, row};
use crate::admin::history::words;
use crate::admin::{self, Desk, monthly};
use crate::engine::state_error;
use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::ids::{AccountId, ItemId, LicenseId};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::store::Store;
use crate::text;
use crate::watch::problems::Problems;
use crate::xml::Element;

/// Lines of a history that a form shows, the newest ones. `pmisplicense history` has all of them.
const HISTORY: usize = 100;

/// `pmisplicense.filter`: what the list of licenses shows.
///
/// # Errors
/// None.
pub fn filter(_: &mut Desk<'_>, mut request: Request<'_>) -> Result<Element, ModuleError> {
    let fields = ["state", "product", "text"];
    if request.is_submitted() {
        let chosen = fields.iter().filter_map(|name| Some((name, request.param(name)?)));
        let chosen: String = chosen.map(|(name, value)| format!("&{name}={}", encoded(&value))).collect();
        return Ok(go_on("list", &format!("pmisplicense.licenses{chosen}")));
    }
    let states = LicenseState::ALL.map(LicenseState::word);
    request.choices("state", &[&["all"], &states[..]].concat());
    Ok(request.doc)
}

/// What an administrator selected: a service, a license, or both where the license belongs to a service.
pub struct Selected {
    /// The service.
    pub item: Option<ItemId>,
    /// The license.
    pub row: Option<LicenseRow>,
}

/// Finds what is selected: a license as the list of licenses names it, or the number of a service.
///
/// # Errors
/// `missed`: there is none; `state`.
pub fn selected(store: &Store, id: &str) -> Result<Selected, ModuleError> {
    if let Some((account, license)) = id.split_once('-') {
        let (account, license) = account.parse().ok().zip(license.parse().ok()).ok_or_else(|| unknown(id))?;
        let row = store.license(AccountId(account), LicenseId(license)).map_err(state_error)?;
        let row = row.ok_or_else(|| unknown(id))?;
        return Ok(Selected { item: row.item, row: Some(row) });
    }
    let item: ItemId = id.parse().map_err(|_| unknown(id))?;
    let mut rows = store.licenses_of_item(item).map_err(state_error)?;
    rows.sort_by_key(|row| row.incarnation.is_some());
    Ok(Selected { item: Some(item), row: rows.pop().filter(|row| row.incarnation.is_some()) })
}

fn unknown(id: &str) -> ModuleError {
    let words = text!("There is no service or license {id:?}.", "Услуги или лицензии {id:?} нет.");
    nothing_done(ErrorKind::Missed, "elid", id, words).next(text!("reload the list", "обновите список"))
}

/// `pmisplicense.license`: one license as panel, state and seller have it, its problems, its history. What can be done
/// with it leads to a form of its own, which asks.
///
/// # Errors
/// `missed`: there is no such license; `state`.
pub fn license(desk: &mut Desk<'_>, mut request: Request<'_>) -> Result<Element, ModuleError> {
    let id = request.element()?;
    if request.is_submitted() {
        return Ok(match request.param("action").as_deref() {
            Some(action @ ("sync" | "newkey" | "unbind")) => {
                go_on("form", &format!("pmisplicense.{action}&elid={}", encoded(&id)))
            }
            Some(_) | None => go_on("list", "pmisplicense.licenses"),
        });
    }
    let store = desk.store()?;
    let Selected { item, row: license } = selected(&store, &id)?;
    // The panel's database may be away: then its column is empty.
    let panel = item.and_then(|item| desk.ctx.data.billdb().ok()?.item(item).ok().flatten());
    let journal = match (&license, item) {
        (Some(row), _) => store.journal_of_license(row.account, row.id).map_err(state_error)?,
        (None, Some(item)) => store.journal_of_item(item).map_err(state_error)?,
        (None, None) => Vec::new(),
    };
    if license.is_none() && journal.is_empty() && !panel.as_ref().is_some_and(|item| item.is_ours()) {
        return Err(unknown(&id));
    }
    let lang = desk.ctx.lang;
    request.set("elid", &id);
    request.set("called", called(item, license.as_ref()).in_lang(lang));
    let sides = admin::show::as_last_seen(desk, panel.as_ref(), license.as_ref());
    let sides = sides.into_iter().map(|cells| row(["field", "panel", "state", "seller"].into_iter().zip(cells)));
    request.table("sides", sides.collect());
    let problems = Problems::read(&store, desk.ctx.clock.now())?;
    let about = problems.about(item, license.as_ref().map(|row| (row.account, row.id)));
    let lines = about.iter().map(|problem| {
        row([("what", problem.what.in_lang(lang).to_owned()), ("next", problem.next.in_lang(lang).to_owned())])
    });
    request.table("problems", lines.collect());
    let lines = journal
        .iter()
        .rev()
        .take(HISTORY)
        .map(|line| row([("at", line.at.format("%Y-%m-%d %H:%M:%S").to_string()), ("what", words(desk, line))]));
    request.table("history", lines.collect());
    request.choices("action", &["none", "sync", "newkey", "unbind"]);
    request.set("action", "none");
    Ok(request.doc)
}

fn called(item: Option<ItemId>, row: Option<&LicenseRow>) -> Text {
    let license = row.map(|row| {
        let state = admin::list::state_words(row.state);
        text!(["license {}, {}", row.id, state.en], ["лицензия {}, {}", row.id, state.ru])
    });
    match (license, item) {
        (Some(license), Some(item)) => {
            text!(["{}, service {item}", license.en], ["{}, услуга {item}", license.ru])
        }
        (Some(license), None) => license,
        (None, Some(item)) => text!("service {item}, which has no license", "услуга {item}, у которой нет лицензии"),
        (None, None) => Text::default(),
    }
}

/// `pmisplicense.month`: the figures of `report`. What is sold below cost is left to `report`: it asks the panel for
/// the price of each service.
///
/// # Errors
/// `bad_value`: no month; `state`.
pub fn month(desk: &mut Desk<'_>, mut request: Request<'_>) -> Result<Element, ModuleError> {
    let wanted = request.param("month");
    if request.is_submitted() {
        let wanted = wanted.map_or_else(String::new, |month| format!("&month={}", encoded(&month)));
        return Ok(go_on("form", &format!("pmisplicense.month{wanted}")));
    }
    let figures = monthly::collected(desk, wanted.as_deref(), false)?;
    let lang = desk.ctx.lang;
    let amount = |sums| monthly::shown(sums).unwrap_or_else(|| "-".to_owned());
    let products = figures.products.iter().map(|(pricelist, product)| {
        let monthly::ProductMonth { name, bound, pool, bought, renewed, reused, cost, domains, nearly_full } = product;
        let counts = [("bound", bound), ("pool", pool), ("bought", bought), ("renewed", renewed), ("reused", reused)];
        let counts = counts.map(|(name, count)| (name, count.to_string()));
        // A seller that does not count domains shows nothing about them.
        let (in_use, full) = match domains {
            Some(domains) => (domains.to_string(), nearly_full.to_string()),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let last = [("domains", in_use), ("nearly_full", full), ("cost", amount(cost))];
        row([("product", format!("{pricelist} {name}"))].into_iter().chain(counts).chain(last))
    });
    request.table("products", products.collect());
    let turnover = figures
        .turnover
        .iter()
        .map(|month| row([("month", month.month.format("%Y-%m").to_string()), ("amount", amount(&month.all))]));
    request.table("turnover", turnover.collect());
    let remarks = monthly::sums(&figures).into_iter().chain(monthly::remarks(&figures));
    let remarks: Vec<String> = remarks.map(|words| words.in_lang(lang).to_owned()).collect();
    request.set("remarks", &remarks.join("; "));
    request.set("month", &figures.month.format("%Y-%m").to_string());
    Ok(request.doc)
}
