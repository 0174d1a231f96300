//! The terms of an order for a service: product and period, and whether the product is still sold
//! (docs/licensing-rules.md 3, 4 and 6).

use chrono::NaiveDate;

use crate::error::{ErrorKind, ModuleError, Text, counted};
use crate::model::catalogue::{Catalogue, Product, Region};
use crate::model::item::Item;
use crate::model::period::{AlignmentRule, MonthCount, Period, add_months, alignment};
use crate::text;

/// What is ordered at the seller, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderTerms<'c> {
    /// The product that is ordered. For a trial it is the trial's own product.
    pub product: &'c Product,
    /// The period ordered.
    pub period: Period,
    /// Why this period, in words.
    pub reason: Text,
}

/// Which period of which product is ordered for a service (docs/licensing-rules.md 4), and whether it is still sold
/// (6).
///
/// # Errors
/// `period_not_sold`, `sale_closed`.
pub fn order_terms<'c>(
    product: &'c Product,
    item: &Item,
    rules: &[AlignmentRule],
    catalogue: &'c Catalogue,
    today: NaiveDate,
) -> Result<OrderTerms<'c>, ModuleError> {
    if item.period == Period::Trial {
        return trial_terms(product, catalogue, today);
    }
    check_sale(product, today)?;
    let name = &product.internal_name;
    if product.is_only_trial() {
        // The code of a trial, sold in a tariff with any period: only the trial can be ordered.
        let reason = text!("{name} is a trial", "{name} — пробная лицензия");
        return Ok(OrderTerms { product, period: Period::Trial, reason });
    }
    let rule = alignment(rules, item.period, &item.itemtype, item.tariff);
    let period = rule.map_or(item.period, |rule| Period::Months(rule.into));
    let months = sold_months(product, period).ok_or_else(|| period_not_sold(product, item.period))?;
    let why = why_months(item, rules);
    let reason =
        text!(["ordered for {}: {}", counted(months.0, "month"), why.en], ["заказ на {} мес.: {}", months.0, why.ru]);
    Ok(OrderTerms { product, period: Period::Months(months), reason })
}

/// Refuses nodes that a service sells when its product has none at the seller: the client would pay for them and get
/// nothing. `kept`: what was not done because of that.
///
/// # Errors
/// `bad_value` about the addon.
pub fn check_nodes(item: &Item, product: &Product, nodes_addons: &[String], kept: Text) -> Result<(), ModuleError> {
    let sold = item.nodes_sold(nodes_addons).filter(|(_, nodes)| *nodes > 0 && product.nodes_addon.is_none());
    let Some((addon, nodes)) = sold else { return Ok(()) };
    let (id, code, name) = (item.id, &product.internal_name, &product.name);
    let happened = text!(
        "Service {id} sells {nodes} additional nodes by its addon {addon}, and {code} ({name}) has no nodes at the seller",
        "Услуга {id} продаёт дополнительные узлы ({nodes}) дополнением {addon}, а у {code} ({name}) узлов у продавца нет"
    );
    Err(ModuleError::new(ErrorKind::BadValue, addon, nodes, happened).changed(kept).next(text!(
        "take the addon off the tariff, or name the seller's addon in the settings (nodes_addon of the [[product]] {code})",
        "уберите дополнение из тарифа или укажите дополнение продавца в настройках (nodes_addon в [[product]] {code})"
    )))
}

/// The months that are bought for a period: the period itself if it is sold, else the shortest period that is sold.
fn sold_months(product: &Product, period: Period) -> Option<MonthCount> {
    match period {
        Period::Months(months) if product.sells(period) => Some(months),
        Period::Months(_) | Period::Lifetime => product.shortest(),
        Period::Trial | Period::Day | Period::Unknown(_) => None,
    }
}

/// The aligned period for renewals of a service, by the same rules as for an order.
pub fn aligned_months(product: &Product, item: &Item, rules: &[AlignmentRule]) -> Option<MonthCount> {
    let rule = alignment(rules, item.period, &item.itemtype, item.tariff);
    sold_months(product, rule.map_or(item.period, |rule| Period::Months(rule.into)))
}

/// The rule that decides for how long a service's license is bought, in words.
pub fn why_months(item: &Item, rules: &[AlignmentRule]) -> Text {
    let Some(rule) = alignment(rules, item.period, &item.itemtype, item.tariff) else {
        let number = item.period.number();
        return text!("period of the service {number}", "период услуги {number}");
    };
    let (from, into) = (rule.from.number(), rule.into.0);
    match (rule.tariff, &rule.itemtype) {
        (Some(tariff), _) => text!(
            "period alignment {from} -> {into} of tariff {tariff}",
            "выравнивание периода {from} -> {into} тарифа {tariff}"
        ),
        (None, Some(itemtype)) => text!(
            "period alignment {from} -> {into} of product type {itemtype}",
            "выравнивание периода {from} -> {into} типа продукта {itemtype}"
        ),
        (None, None) => text!("period alignment {from} -> {into}", "выравнивание периода {from} -> {into}"),
    }
}

fn trial_terms<'c>(
    product: &'c Product,
    catalogue: &'c Catalogue,
    today: NaiveDate,
) -> Result<OrderTerms<'c>, ModuleError> {
    let trial = match &product.trial {
        Some(name) => catalogue.get(name),
        None => product.sells_trial.then_some(product),
    };
    let trial = trial.ok_or_else(|| period_not_sold(product, Period::Trial))?;
    check_sale(trial, today)?;
    let name = &trial.internal_name;
    Ok(OrderTerms {
        product: trial, period: Period::Trial, reason: text!("trial {name}", "пробная лицензия {name}")
    })
}

/// Checks that a product may be ordered on a day, or that a license may change to it.
///
/// # Errors
/// `sale_closed`, naming the successors.
pub fn check_sale(product: &Product, today: NaiveDate) -> Result<(), ModuleError> {
    match product.no_order_from {
        Some(from) if today >= from => Err(sale_closed(product, from)),
        Some(_) | None => Ok(()),
    }
}

/// The error about a product that is no longer sold or renewed, naming its successors.
pub fn sale_closed(product: &Product, from: NaiveDate) -> ModuleError {
    let name = &product.internal_name;
    let successors = product.successors.join(", ");
    ModuleError::new(
        ErrorKind::SaleClosed,
        "intname",
        name,
        text!(
            "{} ({name}) is not sold or renewed since {from}",
            "{} ({name}) не продаётся и не продлевается с {from}",
            product.name
        ),
    )
    .changed(text!("Nothing was sent", "Ничего не отправлено"))
    .next(text!("order instead: {successors}", "закажите вместо него: {successors}"))
}

fn period_not_sold(product: &Product, period: Period) -> ModuleError {
    let sold: Vec<String> = product.periods.iter().map(|months| months.0.to_string()).collect();
    let (number, sold, name) = (period.number(), sold.join(", "), &product.internal_name);
    ModuleError::new(
        ErrorKind::PeriodNotSold,
        "period",
        number,
        text!(
            "{} ({name}) is not sold for the period {number}",
            "{} ({name}) не продаётся на период {number}",
            product.name
        ),
    )
    .changed(text!("Nothing was ordered", "Ничего не заказано"))
    .next(text!(
        "choose a period that is sold (months: {sold}), or add a rule to the table Period alignment of the module",
        "выберите продаваемый период (месяцы: {sold}) или добавьте правило в таблицу «Выравнивание периодов» модуля"
    ))
}

impl OrderTerms<'_> {
    /// What is ordered when the seller refused these terms because the sale of the product ends: the longest shorter
    /// period that still ends before `not_past` (docs/licensing-rules.md 6). `None`: there is none.
    pub fn shorter(&self, from: NaiveDate) -> Option<Self> {
        let Period::Months(refused) = self.period else { return None };
        let months = longest_that_fits(self.product, from, refused)?;
        Some(Self { period: Period::Months(months), ..self.clone() })
    }
}

fn longest_that_fits(product: &Product, from: NaiveDate, refused: MonthCount) -> Option<MonthCount> {
    let end = product.not_past?;
    product.periods.iter().copied().filter(|&months| months < refused && add_months(from, months) <= end).max()
}

/// The advice for a code that the seller does not know: each billing of the vendor has a set of its own.
pub fn code_advice(product: &Product) -> Text {
    match product.region {
        Some(Region::International) => text!(
            "{} is a code of the international billing (api-eu.ispmanager.com); the Russian one has codes of its own (55231 to 55235)",
            "{} — код международного биллинга (api-eu.ispmanager.com); у российского свои коды (55231–55235)",
            product.internal_name
        ),
        Some(Region::Russian) => text!(
            "{} is a code of the Russian billing (api.ispmanager.ru, api.ispmanager.com); the international one has codes of its own (55227 to 55230)",
            "{} — код российского биллинга (api.ispmanager.ru, api.ispmanager.com); у международного свои коды (55227–55230)",
            product.internal_name
        ),
        None => Text::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::item::test_item;
    use crate::model::period::parse_alignment;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn service(period: i32) -> Item {
        Item { period: Period::from_panel(period), ..test_item(42) }
    }

    /// docs/licensing-rules.md 4, row by row: the period itself, the shortest, the trial's code, what is not sold,
    /// rules.
    #[test]
    fn each_service_is_ordered_by_the_terms_of_its_product_and_rules() {
        let catalogue = Catalogue::builtin();
        let rules: Vec<AlignmentRule> = ["3;12;;", "6;12;soft;", "6;1;;99", "24;12;;17", "-50;1;;"]
            .into_iter()
            .filter_map(parse_alignment)
            .collect();
        for (case, name, period, want) in [
            ("a month", "55227", 1, Ok(("55227", 1))),
            ("a year", "55227", 12, Ok(("55227", 12))),
            ("two months: the shortest", "55227", 2, Ok(("55227", 1))),
            ("sold by the year only", "55384", 1, Ok(("55384", 12))),
            ("sold by the month only", "55382", 12, Ok(("55382", 1))),
            ("lifetime", "55227", 0, Ok(("55227", 1))),
            ("trial by a code of its own", "55228", -100, Ok(("55239", -100))),
            ("business trial", "55230", -100, Ok(("55240", -100))),
            ("trial of the same code", "55369", -100, Ok(("55369", -100))),
            ("no trial sold", "55382", -100, Err(ErrorKind::PeriodNotSold)),
            ("general rule", "55227", 3, Ok(("55227", 12))),
            ("product type before general", "55227", 6, Ok(("55227", 12))),
            ("tariff plan", "55227", 24, Ok(("55227", 12))),
            ("a day that a rule names", "55227", -50, Ok(("55227", 1))),
            ("a rule to a period that is not sold: the shortest", "9203", 3, Ok(("9203", 1))),
            ("other software, three months", "55369", 3, Ok(("55369", 12))),
            ("unknown number", "55227", -7, Err(ErrorKind::PeriodNotSold)),
            ("trial code for a month", "55239", 1, Ok(("55239", -100))),
        ] {
            let product = catalogue.get(name).expect(name);
            let got = order_terms(product, &service(period), &rules, &catalogue, day("2027-01-10"));
            let got = got.map(|t| (t.product.internal_name.as_str(), t.period.number())).map_err(|error| error.kind);
            assert_eq!(got, want, "{case}");
        }
        let product = catalogue.get("55227").expect("Lite");
        let day_rate = order_terms(product, &service(-50), &[], &catalogue, day("2027-01-10"));
        assert_eq!(day_rate.expect_err("a day").kind, ErrorKind::PeriodNotSold);
    }

    /// Every decision says why, in both languages.
    #[test]
    fn the_reason_of_a_period_is_given_in_both_languages() {
        let rules = |row: &str| vec![parse_alignment(row).expect("a rule")];
        for (rules, en) in [
            (vec![], "period of the service 1"),
            (rules("1;12;;"), "period alignment 1 -> 12"),
            (rules("1;12;soft;"), "period alignment 1 -> 12 of product type soft"),
            (rules("1;12;;17"), "period alignment 1 -> 12 of tariff 17"),
        ] {
            let why = why_months(&service(1), &rules);
            assert_eq!(why.en, en);
            assert!(why.ru.starts_with("период услуги") || why.ru.starts_with("выравнивание"), "{}", why.ru);
        }
    }

    /// Renewals are aligned by the same rules as orders.
    #[test]
    fn renewals_are_aligned_by_the_same_rules_as_orders() {
        let catalogue = Catalogue::builtin();
        let rules: Vec<AlignmentRule> = parse_alignment("3;12;;").into_iter().collect();
        for (name, period, want) in [
            ("55227", 1, Some(1)),
            ("55227", 3, Some(12)),
            ("55384", 1, Some(12)),
            ("55227", 0, Some(1)),
            ("55227", -100, None),
        ] {
            let product = catalogue.get(name).expect(name);
            let got = aligned_months(product, &service(period), &rules);
            assert_eq!(got.map(|months| months.0), want, "{name} {period}");
        }
    }

    /// docs/licensing-rules.md 6 with its dates: orders of ISPmanager 5 at the edges, and the successors named.
    #[test]
    fn a_product_is_not_ordered_from_the_end_of_its_sale_on() {
        let catalogue = Catalogue::builtin();
        for (name, today, sold, successors) in [
            ("3541", "2021-04-07", true, ""),
            ("3541", "2021-04-08", true, ""),
            ("3541", "2021-06-14", true, ""),
            ("3541", "2021-06-15", false, "55227, 55228, 55229"),
            ("4601", "2021-06-14", true, ""),
            ("4601", "2027-01-01", false, "55230"),
        ] {
            let product = catalogue.get(name).expect(name);
            let got = order_terms(product, &service(12), &[], &catalogue, day(today));
            assert_eq!(got.is_ok(), sold, "{name} {today}");
            if let Err(error) = got {
                assert_eq!(error.kind, ErrorKind::SaleClosed);
                assert!(error.message.en.contains(successors) && error.message.ru.contains(successors), "{error}");
            }
        }
    }

    /// The longest period that fits when the seller refuses the aligned one near the end (docs/licensing-rules.md 6).
    #[test]
    fn near_the_end_of_sale_the_longest_period_that_fits_is_taken() {
        let catalogue = Catalogue::builtin();
        let product = catalogue.get("3541").expect("ISPmanager 5");
        for (from, refused, want) in [
            ("2021-04-08", 12, Some(1)),
            ("2020-12-31", 12, Some(1)),
            ("2021-11-30", 12, Some(1)),
            ("2021-12-01", 12, None),
            ("2021-12-16", 12, None),
            ("2021-04-08", 1, None),
        ] {
            let got = longest_that_fits(product, day(from), MonthCount(refused));
            assert_eq!(got.map(|months| months.0), want, "{from} {refused}");
        }
        let endless = catalogue.get("55227").expect("Lite");
        assert_eq!(longest_that_fits(endless, day("2021-04-08"), MonthCount(12)), None);
    }

    /// The error of a code of the other billing names the set that fits (docs/licensing-rules.md 1).
    #[test]
    fn the_error_of_a_wrong_code_names_the_set_that_fits() {
        let catalogue = Catalogue::builtin();
        let advice = |name: &str| code_advice(catalogue.get(name).expect(name)).en;
        assert!(advice("55227").contains("55231") && advice("55233").contains("55227 to 55230"));
        assert_eq!(advice("9203"), "");
    }
}
