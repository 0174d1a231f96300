//! Reads a list of the seller, page by page, to its end. Only this module decides when a list ends. A list that never
//! ends is an error: a seller that ignores the number of the page shows the same page again and again.

use crate::error::{ErrorKind, Halt, ModuleError};
use crate::model::license::Family;
use crate::plan::in_doubt::{Completeness, Onward};
use crate::ports::{Page, Upstream as _};
use crate::text;

use super::{Engine, errors};

/// Most pages of one list. They hold five million licenses, more than any account has.
const MAX_PAGES: u32 = 10_000;

/// The progress is reported after this many licenses.
const TOLD_EACH: u32 = 100;

/// A walk over one list: `while let Some(page) = pages.next(self).await?`.
#[derive(Debug)]
pub(super) struct Pages {
    family: Family,
    last: u32,
    onward: Onward,
    /// What has been read so far.
    pub(super) list: Completeness,
}

impl Pages {
    /// Before the first page.
    pub(super) fn of(family: Family) -> Self {
        Self { family, last: 0, onward: Onward::More, list: Completeness::default() }
    }

    /// The next page, or `None` after the last one.
    ///
    /// # Errors
    /// The page cannot be read; `bad_answer` when the list repeats itself or does not end.
    pub(super) async fn next(&mut self, engine: &mut Engine<'_>) -> Result<Option<Page>, ModuleError> {
        if self.onward == Onward::End {
            return Ok(None);
        }
        self.last += 1;
        if self.last > MAX_PAGES {
            return Err(endless(self.family));
        }
        let page = engine.page(self.family, self.last).await?;
        self.onward = self.list.page(page.total, page.rows.iter().map(|row| row.id));
        match self.onward {
            Onward::More | Onward::End => Ok(Some(page)),
            Onward::Repeats => Err(repeats(self.family, self.last)),
        }
    }
}

/// How far a walk is: the number of licenses that were looked at, and the total if it is known.
pub type Progress<'t> = dyn FnMut(u32, Option<u32>) + 't;

/// Counts the licenses that a walk has looked at. It reports every hundredth and the last.
pub(super) struct Looked<'p, 't> {
    count: u32,
    progress: &'p mut Progress<'t>,
}

impl<'p, 't> Looked<'p, 't> {
    /// Before the first license.
    pub(super) fn nothing(progress: &'p mut Progress<'t>) -> Self {
        Self { count: 0, progress }
    }

    /// One more of `total`, if the total is known.
    pub(super) fn one_more(&mut self, total: Option<u32>) {
        self.count += 1;
        if self.count.is_multiple_of(TOLD_EACH) || Some(self.count) == total {
            (self.progress)(self.count, total);
        }
    }
}

impl Engine<'_> {
    /// One page alone, for a look at the newest licenses.
    pub(super) async fn page(&mut self, family: Family, number: u32) -> Result<Page, ModuleError> {
        self.step("read list").await?;
        self.store.hold_leases(self.now()).map_err(errors::state)?;
        let page = self.ports.upstream.page(family, number).map_err(|error| {
            let what =
                text!("reading the list of licenses, page {number}", "чтение списка лицензий, страница {number}");
            errors::call(&error, &what, number)
        })?;
        // Reads what other machines wrote first: a license that one of them bought must not be taken for an unknown
        // one.
        self.store.catch_up().map_err(errors::state)?;
        Ok(page)
    }
}

fn repeats(family: Family, number: u32) -> ModuleError {
    let (list, before) = (family.func(), number.saturating_sub(1));
    let words = text!(
        "The seller's list {list} repeats itself: page {number} shows the licenses of page {before} again",
        "Список {list} продавца повторяется: на странице {number} снова лицензии страницы {before}"
    );
    ModuleError::new(ErrorKind::BadAnswer, "list", list, words)
        .halted(Halt::BadAnswer)
        .changed(text!("This step changed nothing", "Этим шагом ничего не изменено"))
        .next(text!(
            "ask the seller whether {list} obeys the parameters p_num and p_cnt",
            "спросите продавца, учитывает ли {list} параметры p_num и p_cnt"
        ))
}

fn endless(family: Family) -> ModuleError {
    let list = family.func();
    let words = text!(
        "The seller's list {list} has more than {MAX_PAGES} pages",
        "В списке {list} продавца больше {MAX_PAGES} страниц"
    );
    ModuleError::new(ErrorKind::BadAnswer, "list", list, words)
        .halted(Halt::BadAnswer)
        .changed(text!("This step changed nothing", "Этим шагом ничего не изменено"))
        .next(text!(
            "ask the seller what the list {list} of this account holds",
            "спросите продавца, что содержит список {list} этой учётной записи"
        ))
}
