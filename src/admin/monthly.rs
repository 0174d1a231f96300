//! report: the licenses by product, those that were bought, renewed and taken from the pool in a month, the savings and
//! the worth of the pool, the last six months compared with the reseller programme's minimum, and the services that are
//! sold below cost. The report has four forms. Its figures are estimates: only the seller knows what was charged in the
//! end.

mod chart;
mod figures;
mod loss;
mod output;
mod page;

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{Datelike, NaiveDate};

use super::{Answer, Desk};
use crate::durable::{self, FileError};
use crate::error::{ErrorKind, ModuleError};
use crate::model::license::Money;
use crate::text;
pub use figures::{Figures, ProductMonth};
pub use output::{remarks, sums};

/// Everybody may read a page, because it holds no keys.
const PAGE_MODE: u32 = 0o644;

/// Amounts in minor units by currency.
pub type Sums = BTreeMap<String, i64>;

/// The form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form<'f> {
    /// A table, or JSON.
    Table,
    /// CSV.
    Sheet,
    /// A page of HTML, written to a file, or on stdout for `-`.
    Page(&'f Path),
}

/// `report`
///
/// # Errors
/// `bad_value`: the text is not a month, or the file cannot be written; `state`.
pub fn report(desk: &mut Desk<'_>, month: Option<&str>, form: Form<'_>) -> Result<Answer, ModuleError> {
    let today = desk.ctx.clock.today();
    let figures = collected(desk, month, true)?;
    let json = output::json(&figures);
    let text = match form {
        Form::Table => output::text(desk, &figures),
        Form::Sheet => output::sheet(&figures),
        Form::Page(file) => {
            let page = page::page(&figures, desk.ctx.lang, today);
            if file.as_os_str() == "-" { page } else { written(desk, file, &page)? }
        }
    };
    Ok(Answer::new("report", text, json))
}

/// The figures of a month; `None`: of the present one. `compares_prices`: also what is sold below cost, which asks the
/// panel for each service.
///
/// # Errors
/// `bad_value`: no month; `state`.
pub fn collected(desk: &mut Desk<'_>, month: Option<&str>, compares_prices: bool) -> Result<Figures, ModuleError> {
    let today = desk.ctx.clock.today();
    let first = match month {
        Some(text) => first_day(text)?,
        None => today.with_day(1).unwrap_or(today),
    };
    figures::collect(desk, first, compares_prices)
}

fn first_day(text: &str) -> Result<NaiveDate, ModuleError> {
    let is_month = text.len() == 7;
    let day = is_month.then(|| format!("{text}-01").parse().ok()).flatten();
    day.ok_or_else(|| {
        ModuleError::new(
            ErrorKind::BadValue,
            "month",
            text,
            text!("{text:?} is not a month such as 2027-01", "{text:?} — не месяц вида 2027-01"),
        )
    })
}

/// Writes the page completely or not at all, because a web server may read it at any time.
fn written(desk: &Desk<'_>, file: &Path, page: &str) -> Result<String, ModuleError> {
    let write = |new: &Path| std::fs::write(new, page).map_err(FileError::at(file));
    let result = durable::replace(file, PAGE_MODE, write).map_err(|error: FileError| error.source);
    let name = file.display();
    match result {
        Ok(()) => {
            let done = text!("the report was written to {name}", "отчёт записан в {name}");
            Ok(format!("{}\n", desk.say(&done)))
        }
        Err(error) => Err(ModuleError::new(
            ErrorKind::BadValue,
            "html",
            &name,
            text!("{name} cannot be written", "не удалось записать {name}")
                .changed(text!("An older page was not changed", "Прежняя страница не изменена"))
                .next(text!("check the folder, its rights and the free space", "проверьте каталог, права и место")),
        )
        .because(error)),
    }
}

/// Amounts of several currencies beside one another.
pub fn shown(sums: &Sums) -> Option<String> {
    let parts: Vec<String> =
        sums.iter().map(|(currency, minor)| Money { minor: *minor, currency: currency.clone() }.to_string()).collect();
    (!parts.is_empty()).then(|| parts.join(" + "))
}
