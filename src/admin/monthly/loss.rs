//! Services sold below cost: compares the price that a client pays in the panel with the last cost of the license at
//! the seller, both for the same number of months. Prices in another currency than the cost are counted and reported,
//! never converted.

use std::collections::BTreeSet;

use crate::admin::Desk;
use crate::engine::state_error;
use crate::error::ModuleError;
use crate::model::catalogue::Catalogue;
use crate::model::ids::{ItemId, LicenseId};
use crate::model::license::Money;
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::period::{MonthCount, Period};
use crate::ports::ItemPrice;
use crate::store::{Purchase, Store};

/// Items asked for at once.
const BATCH: usize = 500;

/// A service that is sold below cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The service.
    pub item: ItemId,
    /// Its license.
    pub license: LicenseId,
    /// The product that it was ordered as.
    pub product: String,
    /// What the client pays.
    pub price: Money,
    /// The number of months for this price.
    pub price_months: MonthCount,
    /// What the seller charges.
    pub cost: Money,
    /// The number of months for this cost.
    pub cost_months: MonthCount,
    /// Whether the cost is our list price.
    pub is_estimate: bool,
    /// The loss for a month, rounded up.
    pub a_month: Money,
}

/// All losses, and what could not be compared.
#[derive(Debug, Default)]
pub struct Losses {
    /// By loss a month, the largest first.
    pub list: Vec<Loss>,
    /// Services whose price and cost were compared.
    pub compared: u32,
    /// Services whose price is in another currency than the cost.
    pub other_currency: u32,
    /// Pairs of currencies that were not compared: of the price, of the cost.
    pub currencies: BTreeSet<(String, String)>,
    /// Services whose price or cost is not known.
    pub unknown: u32,
    /// Why the panel's prices could not be read.
    pub away: Option<String>,
}

/// Looks for losses among licenses that serve a service.
///
/// # Errors
/// `state`. A panel whose prices cannot be read is not an error; the answer says so.
pub fn losses(
    desk: &mut Desk<'_>,
    store: &Store,
    rows: &[LicenseRow],
    catalogue: &Catalogue,
) -> Result<Losses, ModuleError> {
    let mut found = Losses::default();
    let bound: Vec<(&LicenseRow, ItemId)> = rows
        .iter()
        .filter(|row| row.state == LicenseState::Bound)
        .filter_map(|row| row.item.map(|item| (row, item)))
        .collect();
    if bound.is_empty() {
        return Ok(found);
    }
    let last = store.last_purchases().map_err(state_error)?;
    for batch in bound.chunks(BATCH) {
        let items: Vec<ItemId> = batch.iter().map(|(_, item)| *item).collect();
        let prices = match desk.ctx.data.prices(&items) {
            Ok(prices) => prices,
            Err(error) => {
                desk.ctx.log.warning(&format!("prices of the panel: {error}"));
                return Ok(Losses { away: Some(error.message.in_lang(desk.ctx.lang).to_owned()), ..Losses::default() });
            }
        };
        let prices: std::collections::BTreeMap<ItemId, ItemPrice> =
            prices.into_iter().map(|price| (price.item, price)).collect();
        for (row, item) in batch {
            // The price of a server is not the price of its license.
            let Some(price) = prices.get(item).filter(|price| price.module == Some(row.module)) else { continue };
            found.compare(row, price, cost(row, last.get(&(row.account, row.id)), catalogue));
        }
    }
    found.list.sort_by_key(|loss| (std::cmp::Reverse(loss.a_month.minor), loss.item));
    Ok(found)
}

/// What a license costs: its last purchase, else the list price of its shortest period.
fn cost(row: &LicenseRow, last: Option<&Purchase>, catalogue: &Catalogue) -> Option<(Money, MonthCount, bool)> {
    if let Some((Purchase { amount: Some(amount), is_estimate, .. }, months)) =
        last.and_then(|last| Some((last, months_of(last.period?)?)))
    {
        return Some((amount.clone(), months, *is_estimate));
    }
    let product = catalogue.by_pricelist(row.pricelist)?;
    let months = product.shortest()?;
    product.prices.get(&months).map(|price| (price.clone(), months, true))
}

fn months_of(period: Period) -> Option<MonthCount> {
    match period {
        Period::Months(months) if months.0 > 0 => Some(months),
        Period::Months(_) | Period::Trial | Period::Day | Period::Lifetime | Period::Unknown(_) => None,
    }
}

impl Losses {
    fn compare(&mut self, row: &LicenseRow, sold: &ItemPrice, cost: Option<(Money, MonthCount, bool)>) {
        let paid = sold.price.clone().zip(months_of(sold.period));
        let (Some((price, price_months)), Some((cost, cost_months, is_estimate))) = (paid, cost) else {
            self.unknown += 1;
            return;
        };
        if price.currency != cost.currency {
            self.other_currency += 1;
            self.currencies.insert((price.currency, cost.currency));
            return;
        }
        self.compared += 1;
        let Some(a_month) = lost_a_month((&price, price_months), (&cost, cost_months)) else { return };
        self.list.push(Loss {
            item: sold.item,
            license: row.id,
            product: row.internal_name.clone(),
            price,
            price_months,
            cost,
            cost_months,
            is_estimate,
            a_month,
        });
    }

    /// The sum of the losses for a month, by currency.
    pub fn a_month(&self) -> super::Sums {
        let mut sums = super::Sums::new();
        for loss in &self.list {
            *sums.entry(loss.a_month.currency.clone()).or_default() += loss.a_month.minor;
        }
        sums
    }
}

/// The cost minus the price for a month, rounded up. `None` when there is no loss. They are compared without dividing,
/// so that rounding neither makes a loss nor hides one.
fn lost_a_month(price: (&Money, MonthCount), cost: (&Money, MonthCount)) -> Option<Money> {
    let (price_months, cost_months) = (i64::from(price.1.0), i64::from(cost.1.0));
    let lost = cost.0.minor.saturating_mul(price_months) - price.0.minor.saturating_mul(cost_months);
    let months = price_months * cost_months;
    (lost > 0).then(|| Money { minor: (lost + months - 1) / months, currency: cost.0.currency.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both sides are compared for the same time; a year may be bought for monthly clients; a price equal to the cost
    /// is no loss.
    #[test]
    fn price_and_cost_of_the_same_time_are_compared() {
        let euros = |minor| Money { minor, currency: "EUR".into() };
        for (price, months, cost, cost_months, want) in [
            (400, 1, 500, 1, Some(100)),
            (500, 1, 500, 1, None),
            (600, 1, 500, 1, None),
            (500, 1, 5500, 12, None),
            (458, 1, 5500, 12, Some(1)),
            (5000, 12, 500, 1, Some(84)),
            (6000, 12, 500, 1, None),
            (0, 3, 500, 1, Some(500)),
        ] {
            let lost = lost_a_month((&euros(price), MonthCount(months)), (&euros(cost), MonthCount(cost_months)));
            assert_eq!(lost.map(|money| money.minor), want, "{price}/{months} against {cost}/{cost_months}");
        }
    }
}
