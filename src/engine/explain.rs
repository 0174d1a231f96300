//! The forecast of the next look at a service: its actions, their reasons and their costs. Nothing is carried out.

use crate::error::{ModuleError, Text};
use crate::model::ids::ItemId;
use crate::model::license::Money;
use crate::plan::cost::{Bill, Change};
use crate::plan::explain::{Question, explain};
use crate::plan::order::{aligned_months, why_months};
use crate::text;

use super::{Engine, errors};

/// The answer of [`Engine::explain`].
#[derive(Debug)]
pub struct Explained {
    /// What would be done, and why, in order.
    pub lines: Vec<Change>,
    /// Why the seller could not be asked.
    pub away: Option<Text>,
    /// The balance at the seller. `None`: not asked for, or not known.
    pub balance: Option<Money>,
}

impl Engine<'_> {
    /// The steps of the next look at a service, with their reasons. Nothing is carried out. `away`: the seller was not
    /// reached, and the last look is used instead.
    ///
    /// # Errors
    /// `missed`: no such item; `state`.
    pub async fn explain(&mut self, id: ItemId) -> Result<Explained, ModuleError> {
        let item = self.item(id).await?;
        if let Some(trouble) = self.identity_trouble(&item).await {
            return self.explained(vec![Change::free(nothing_for_it(&trouble))], None, false).await;
        }
        let view = self.view(item).await?;
        if self.sells_addons() {
            return self.explain_addon(&view).await;
        }
        let rows = self.store.licenses_of_item(id).map_err(errors::state)?;
        let bound = self.store.license_of(&view.incarnation).map_err(errors::state)?;
        let open = self.store.open_intents_of_item(id).map_err(errors::state)?;
        let mut away = None;
        let seen = match &bound {
            Some(row) => match self.try_read(row.family, row.id).await? {
                Ok(seen) => seen,
                Err(error) => {
                    away = Some(error.words());
                    Some(row.as_last_seen())
                }
            },
            None => None,
        };
        let product = bound.as_ref().and_then(|row| self.product_of(row));
        let alignment = self.alignment().await?;
        let aligned = product.and_then(|product| aligned_months(product, &view.item, &alignment));
        let lines = explain(&Question {
            view: &view,
            bound: bound.as_ref(),
            rows: &rows,
            open: &open,
            seen: seen.as_ref(),
            product,
            aligned,
            why_aligned: &why_months(&view.item, &alignment),
            today: self.today(),
            now: self.now(),
            rules: self.rules,
        });
        self.explained(lines, away, bound.is_some()).await
    }

    /// The answer of `explain`, with the balance where something costs money. `asked`: the seller was asked about the
    /// license. Where it was not, or is away, the balance is not worth a request of its own.
    pub(in crate::engine) async fn explained(
        &mut self,
        lines: Vec<Change>,
        away: Option<Text>,
        asked: bool,
    ) -> Result<Explained, ModuleError> {
        let is_worth_it = asked && away.is_none() && !Bill::of_changes(&lines).is_free();
        let balance = if is_worth_it { self.balance_known().await? } else { None };
        Ok(Explained { lines, away, balance })
    }
}

/// The only line about a service for which nothing is done until an operator says which service it is.
fn nothing_for_it(trouble: &ModuleError) -> Text {
    let words = &trouble.message;
    text!(
        ["Nothing is done for it until an operator decides. {}", words.en],
        ["Для неё ничего не делается, пока не решит оператор. {}", words.ru]
    )
}
