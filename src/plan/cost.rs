//! What a purchase cost, in minor units with a currency (LICENSING.md 10): what the seller shows of the license, where
//! that is the price of the very period bought; else our list price, marked as an estimate. Never a guess from
//! balances: other purchases of the account move them too.

use crate::error::Text;
use crate::model::catalogue::Product;
use crate::model::journal::OnceRequest;
use crate::model::license::{Cost, License, Money};
use crate::model::period::Period;
use crate::text;

/// The cost of a call that was carried out, from the license as it is after it.
pub fn cost_of(request: &OnceRequest, seen: &License, product: Option<&Product>) -> Cost {
    let period = match request {
        OnceRequest::Order(order) => order.period,
        OnceRequest::Prolong { period, .. } => Period::Months(*period),
        // Charged for the days that are left: nothing that upstream shows says how much.
        OnceRequest::ChangePricelist { .. } | OnceRequest::SetNodes { .. } => return Cost::Unknown,
        OnceRequest::NewKey { .. } | OnceRequest::Delete { .. } => return Cost::None,
    };
    let shown = seen.cost.as_deref().and_then(Money::from_words);
    if let Some(money) = shown.filter(|_| seen.period == Some(period)) {
        return Cost::Seller(money);
    }
    let listed = match period {
        Period::Months(months) => product.and_then(|product| product.prices.get(&months)),
        Period::Trial | Period::Day | Period::Lifetime | Period::Unknown(_) => None,
    };
    listed.map_or(Cost::Unknown, |money| Cost::ListPrice(money.clone()))
}

/// The reason of a purchase with its cost, for the journal.
pub fn with_cost(what: &Text, cost: &Cost) -> Text {
    match cost {
        Cost::None => what.clone(),
        Cost::Seller(money) => text!(["{}; cost {money}", what.en], ["{}; стоимость {money}", what.ru]),
        Cost::ListPrice(money) => {
            text!(["{}; list price {money}", what.en], ["{}; цена по прайсу {money}", what.ru])
        }
        Cost::Unknown => text!(["{}; cost not known", what.en], ["{}; стоимость неизвестна", what.ru]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalogue::Catalogue;
    use crate::model::ids::{LicenseId, UpstreamPricelistId};
    use crate::model::license::test_license;
    use crate::model::period::MonthCount;

    /// LICENSING.md 10: costs in minor units with a currency, the seller's word before the list price.
    #[test]
    fn costs() {
        let catalogue = Catalogue::builtin();
        let lite = catalogue.get("55227");
        let license = LicenseId(5001);
        let renewal =
            |months| OnceRequest::Prolong { license, period: MonthCount(months), before: chrono::NaiveDate::MIN };
        let change = OnceRequest::ChangePricelist {
            license,
            pricelist: UpstreamPricelistId(55228),
            period: Period::from_panel(1),
        };
        let key = OnceRequest::NewKey { family: crate::model::license::Family::Soft, license, before: String::new() };
        let shown = |cost: Option<&str>| License { cost: cost.map(str::to_owned), ..test_license(5001) };
        let money = |minor| Money { minor, currency: "EUR".into() };
        for (case, request, seen, product, want) in [
            ("as the seller shows it", renewal(1), shown(Some("4.50 EUR / 1 mon.")), lite, Cost::Seller(money(450))),
            (
                "the price of another period",
                renewal(12),
                shown(Some("4.50 EUR / 1 mon.")),
                lite,
                Cost::ListPrice(money(5500)),
            ),
            ("unreadable", renewal(1), shown(Some("by arrangement")), lite, Cost::ListPrice(money(500))),
            ("not shown", renewal(1), shown(None), lite, Cost::ListPrice(money(500))),
            ("nobody knows", renewal(1), shown(None), None, Cost::Unknown),
            ("days of a change", change, shown(Some("4.50 EUR / 1 mon.")), lite, Cost::Unknown),
            ("a key costs nothing", key, shown(Some("4.50 EUR / 1 mon.")), lite, Cost::None),
        ] {
            assert_eq!(cost_of(&request, &seen, product), want, "{case}");
        }
    }
}
