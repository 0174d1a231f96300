//! The cost of a purchase, in minor units with a currency (docs/licensing-rules.md 10). It is the price that the seller
//! shows for the license, if that is the price of the period that was bought. Otherwise it is our list price, marked as
//! an estimate. It is never computed from balances, because other purchases of the account change these too.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::{Text, counted};
use crate::model::catalogue::Product;
use crate::model::journal::OnceRequest;
use crate::model::license::{Cost, License, Money};
use crate::model::period::{MonthCount, Period};
use crate::plan::order::OrderTerms;
use crate::text;

/// The cost of a call that was carried out. `seen`: the license after it.
pub fn cost_of(request: &OnceRequest, seen: &License, product: Option<&Product>) -> Cost {
    let period = match request {
        OnceRequest::Order(order) => order.period,
        OnceRequest::Prolong { period, .. } => Period::Months(*period),
        // The seller charges for the days that are left, and shows nowhere how much. For a hosting order only the
        // setting price_month gives a price; the caller uses it.
        OnceRequest::ChangePricelist { .. } | OnceRequest::SetNodes { .. } | OnceRequest::AddLicense(_) => {
            return Cost::Unknown;
        }
        OnceRequest::NewKey { .. } | OnceRequest::Delete { .. } | OnceRequest::RemoveLicense(_) => return Cost::None,
    };
    cost_of_period(period, seen, product)
}

/// The cost of a license for a period.
pub fn cost_of_period(period: Period, seen: &License, product: Option<&Product>) -> Cost {
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

/// What a purchase costs by our list of prices; `None`: the list does not say. It names no price of nodes, so a license
/// with `more_nodes` than are included costs more than it says.
pub fn list_price(terms: &OrderTerms<'_>, more_nodes: u32) -> Option<Money> {
    match terms.period {
        Period::Months(months) => terms.product.prices.get(&months).filter(|_| more_nodes == 0).cloned(),
        Period::Trial | Period::Day | Period::Lifetime | Period::Unknown(_) => None,
    }
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

/// What a year costs when it is bought by the month, and when it is bought at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YearByMonths {
    /// Twelve months, paid one by one.
    pub by_month: Money,
    /// A year at once.
    pub at_once: Money,
}

/// Compares twelve months with a year of a product, when the months cost more (docs/licensing-rules.md 5). It uses the
/// prices that were paid last for each period, else list prices. `None`: the months do not cost more, the product is
/// not sold for both periods, a price is not known, or the currencies differ.
pub fn year_by_months(product: &Product, paid: impl Fn(MonthCount) -> Option<Money>) -> Option<YearByMonths> {
    let price = |months: u16| {
        let months = MonthCount(months);
        let is_sold = product.periods.contains(&months);
        is_sold.then(|| paid(months).or_else(|| product.prices.get(&months).cloned())).flatten()
    };
    let (month, at_once) = (price(1)?, price(12)?);
    let by_month = Money { minor: month.minor.checked_mul(12)?, currency: month.currency };
    let is_dearer = by_month.currency == at_once.currency && by_month.minor > at_once.minor;
    is_dearer.then_some(YearByMonths { by_month, at_once })
}

/// A change, with its cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// In words.
    pub what: Text,
    /// What it costs, in words; `None`: nothing.
    pub cost: Option<Text>,
    /// The amount, where it is known.
    pub price: Option<Money>,
}

impl Change {
    /// A change that costs nothing.
    pub fn free(what: Text) -> Self {
        Self { what, cost: None, price: None }
    }

    /// A change at our list price, if there is one.
    pub fn at_list_price(what: Text, price: Option<Money>) -> Self {
        Self::at(what, price.map_or(Cost::Unknown, Cost::ListPrice))
    }

    /// A change with a cost.
    pub fn at(what: Text, cost: Cost) -> Self {
        match cost {
            Cost::None => Self::free(what),
            Cost::Seller(price) => {
                Self { what, cost: Some(text!("costs {price}", "стоит {price}")), price: Some(price) }
            }
            Cost::ListPrice(price) => {
                Self { what, cost: Some(text!("list price {price}", "по прайсу {price}")), price: Some(price) }
            }
            Cost::Unknown => {
                Self { what, cost: Some(text!("the price is not known", "цена неизвестна")), price: None }
            }
        }
    }

    /// The change with its cost, in words.
    pub fn line(&self) -> Text {
        match &self.cost {
            None => self.what.clone(),
            Some(cost) => text!(["{} ({})", self.what.en, cost.en], ["{} ({})", self.what.ru, cost.ru]),
        }
    }
}

/// What several purchases cost together. Amounts of different currencies are never added, and a price that is not known
/// never counts as zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bill {
    sums: BTreeMap<String, i64>,
    unknown: usize,
}

impl Bill {
    /// The sum of prices; `None`: a price that is not known.
    pub fn of<'m>(prices: impl Iterator<Item = Option<&'m Money>>) -> Self {
        prices.fold(Self::default(), |mut bill, price| {
            match price {
                Some(Money { minor, currency }) => {
                    let sum = bill.sums.entry(currency.clone()).or_default();
                    *sum = sum.saturating_add(*minor);
                }
                None => bill.unknown += 1,
            }
            bill
        })
    }

    /// What changes cost together.
    pub fn of_changes(changes: &[Change]) -> Self {
        Self::of(changes.iter().filter(|change| change.cost.is_some()).map(|change| change.price.as_ref()))
    }

    /// Whether nothing costs anything.
    pub fn is_free(&self) -> bool {
        self.sums.is_empty() && self.unknown == 0
    }

    /// The known amounts, one for each currency.
    pub fn sums(&self) -> Vec<Money> {
        self.sums.iter().map(|(currency, minor)| Money { minor: *minor, currency: currency.clone() }).collect()
    }

    /// How many prices are not known.
    pub fn unknown(&self) -> usize {
        self.unknown
    }

    /// The sum in words, and whether the balance covers it. Empty where nothing costs anything.
    pub fn sentence(&self, balance: Option<&Money>) -> Text {
        if self.is_free() {
            return Text::default();
        }
        let known = self.sums().iter().map(ToString::to_string).collect::<Vec<_>>().join(" + ");
        let unknown = self.unknown;
        let sum = match (known.as_str(), unknown) {
            (known, 0) => text!("In all {known}.", "Всего {known}."),
            ("", _) => text!("What it costs in all is not known.", "Сколько всего, неизвестно."),
            (known, _) => text!(
                ["In all {known}, without {} not known.", counted(unknown, "amount")],
                ["Всего {known}, не считая неизвестных сумм: {unknown}."]
            ),
        };
        let left = match balance {
            None => text!("The balance is not known.", "Баланс неизвестен."),
            Some(balance) => match (self.suffices(balance), self.left_of(balance)) {
                (Some(false), _) => {
                    text!("The balance is {balance}, which is not enough.", "На счёте {balance}, этого не хватит.")
                }
                (Some(true), Some(left)) => text!(
                    "The balance is {balance}. After that {left} is left.",
                    "На счёте {balance}. После этого останется {left}."
                ),
                (Some(true) | None, _) => text!(
                    "The balance is {balance}. It is not known whether that is enough.",
                    "На счёте {balance}. Хватит ли этого, неизвестно."
                ),
            },
        };
        text!(["{} {}", sum.en, left.en], ["{} {}", sum.ru, left.ru])
    }

    /// Whether a balance covers the bill; `None`: not known, because an amount is not known or is in another currency.
    pub fn suffices(&self, balance: &Money) -> Option<bool> {
        if self.sums.get(&balance.currency).is_some_and(|sum| *sum > balance.minor) {
            return Some(false);
        }
        (self.unknown == 0 && self.sums.keys().all(|currency| *currency == balance.currency)).then_some(true)
    }

    /// What is left of a balance that covers the bill. `None`: it does not, or that is not known.
    pub fn left_of(&self, balance: &Money) -> Option<Money> {
        let spent = self.sums.get(&balance.currency).copied().unwrap_or(0);
        let left = || Money { minor: balance.minor.saturating_sub(spent), currency: balance.currency.clone() };
        (self.suffices(balance) == Some(true)).then(left)
    }

    /// The sum and the balance for programs.
    pub fn json(&self, balance: Option<&Money>) -> Value {
        let sums: Vec<String> = self.sums().iter().map(ToString::to_string).collect();
        json!({
            "costs": sums,
            "unknown_costs": self.unknown,
            "balance": balance.map(ToString::to_string),
            "balance_after": balance.and_then(|balance| self.left_of(balance)).map(|left| left.to_string()),
            "suffices": balance.and_then(|balance| self.suffices(balance)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalogue::Catalogue;
    use crate::model::ids::{LicenseId, UpstreamPricelistId};
    use crate::model::license::test_license;

    /// docs/licensing-rules.md 5 and 10: months that cost more than a year are reported; different currencies are never
    /// compared.
    #[test]
    fn months_that_cost_more_than_a_year_are_reported() {
        let catalogue = Catalogue::builtin();
        let lite = catalogue.get("55227").expect("Lite");
        let money = |minor, currency: &str| Some(Money { minor, currency: currency.into() });
        let sums = |month: Option<Money>, year: Option<Money>| {
            let paid = |months: MonthCount| if months.0 == 12 { year.clone() } else { month.clone() };
            year_by_months(lite, paid).map(|year| (year.by_month.minor, year.at_once.minor))
        };
        assert_eq!(sums(None, None), Some((6_000, 5_500)), "by the list");
        assert_eq!(sums(money(400, "EUR"), None), None, "paid less than the list says");
        assert_eq!(sums(money(450, "EUR"), money(4_950, "EUR")), Some((5_400, 4_950)));
        assert_eq!(sums(money(450, "EUR"), money(5_400, "EUR")), None, "the same");
        assert_eq!(sums(money(45_000, "RUB"), None), None, "another currency");
        let monthly = Product { periods: vec![MonthCount(1)], ..lite.clone() };
        assert_eq!(year_by_months(&monthly, |_| None), None, "sold by the month only");
    }

    /// A sum never mixes currencies and never hides a price that is not known. A balance that is too small is named.
    #[test]
    fn a_bill_names_what_is_not_known_and_what_the_balance_lacks() {
        let money = |minor, currency: &str| Money { minor, currency: currency.into() };
        let (five, ten, rubles) = (money(500, "EUR"), money(1_000, "EUR"), money(45_000, "RUB"));
        let sentence =
            |prices: &[Option<&Money>], balance: Option<&Money>| Bill::of(prices.iter().copied()).sentence(balance).en;
        assert_eq!(sentence(&[], Some(&five)), "");
        assert_eq!(sentence(&[Some(&five)], None), "In all 5.00 EUR. The balance is not known.");
        assert_eq!(
            sentence(&[Some(&five), Some(&five)], Some(&ten)),
            "In all 10.00 EUR. The balance is 10.00 EUR. After that 0.00 EUR is left."
        );
        let short = "In all 15.00 EUR + 450.00 RUB. The balance is 10.00 EUR, which is not enough.";
        assert_eq!(sentence(&[Some(&ten), Some(&rubles), Some(&five)], Some(&ten)), short);
        let unsure = "The balance is 5.00 EUR. It is not known whether that is enough.";
        for (prices, sum) in [
            (&[None, Some(&five), None][..], "In all 5.00 EUR, without 2 amounts not known."),
            (&[None], "What it costs in all is not known."),
            (&[Some(&five), Some(&rubles)], "In all 5.00 EUR + 450.00 RUB."),
        ] {
            assert_eq!(sentence(prices, Some(&five)), format!("{sum} {unsure}"));
        }
        let json = |prices: &[Option<&Money>]| {
            let json = Bill::of(prices.iter().copied()).json(Some(&ten));
            (json["balance_after"].as_str().map(str::to_owned), json["suffices"].as_bool())
        };
        assert_eq!(json(&[Some(&five)]), (Some("5.00 EUR".to_owned()), Some(true)));
        assert_eq!(json(&[Some(&five), None]), (None, None), "an amount that is not known is never nothing");
        assert_eq!(json(&[Some(&ten), Some(&five), None]), (None, Some(false)));
    }

    /// The journal says what a purchase cost, and how sure that is.
    #[test]
    fn the_journal_says_what_a_purchase_cost_and_how_sure_that_is() {
        let money = Money { minor: 450, currency: "EUR".into() };
        let shown = money.to_string();
        for (cost, want) in [
            (Cost::None, "renewed".to_owned()),
            (Cost::Seller(money.clone()), format!("renewed; cost {shown}")),
            (Cost::ListPrice(money), format!("renewed; list price {shown}")),
            (Cost::Unknown, "renewed; cost not known".to_owned()),
        ] {
            assert_eq!(with_cost(&text!("renewed", "продлена"), &cost).en, want);
        }
    }

    /// docs/licensing-rules.md 10: costs in minor units with a currency, the seller's word before the list price.
    #[test]
    fn the_sellers_price_comes_before_the_list_price() {
        let catalogue = Catalogue::builtin();
        let lite = catalogue.get("55227");
        let license = LicenseId(5001);
        let renewal = |months| OnceRequest::Prolong {
            license,
            period: MonthCount(months),
            before: chrono::NaiveDate::MIN,
            not_before: None,
        };
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
