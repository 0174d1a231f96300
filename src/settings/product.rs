//! `[[product]]`, `[[period_alignment]]` and `[[refusal]]` of the settings file.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::reader::{Field, Table};
use crate::error::ModuleError;
use crate::model::catalogue::{Catalogue, Product};
use crate::model::ids::{PricelistId, UpstreamAddonId, UpstreamPricelistId};
use crate::model::license::{Family, Money};
use crate::model::period::{AlignmentRule, MonthCount, Period};
use crate::ports::RefusalKind;
use crate::text;

/// The longest period in months that a product or a rule may name.
const MONTHS: u32 = 120;

/// The most nodes that a price can include; more is a mistake.
const NODES: u32 = 10_000;

/// The most domains that a limit can name.
const DOMAINS: u32 = 1_000_000;

/// How a product sells trials.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trial {
    Itself,
    By(String),
    No,
}

/// A product as the file describes it. Values that it does not set stay as in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductPatch {
    internal_name: String,
    name: Option<String>,
    family: Option<Family>,
    pricelist: Option<u32>,
    periods: Option<Vec<MonthCount>>,
    trial: Option<Trial>,
    pooled: Option<bool>,
    needs_ip: Option<bool>,
    ipv6: Option<bool>,
    nodes_addon: Option<u32>,
    nodes_included: Option<u32>,
    domains: Option<u32>,
    prices: BTreeMap<MonthCount, Money>,
    no_order_from: Option<NaiveDate>,
    no_renewal_from: Option<NaiveDate>,
    limited_from: Option<NaiveDate>,
    not_past: Option<NaiveDate>,
    successors: Option<Vec<String>>,
    hidden: Option<bool>,
}

fn months(field: &Field<'_>) -> Result<MonthCount, ModuleError> {
    Ok(MonthCount(u16::try_from(field.count(1..=MONTHS)?).unwrap_or(1)))
}

fn trial(field: &Field<'_>) -> Result<Trial, ModuleError> {
    if field.is_text() {
        return Ok(Trial::By(field.filled()?.to_owned()));
    }
    Ok(if field.flag()? { Trial::Itself } else { Trial::No })
}

fn prices(table: &Table<'_>) -> Result<BTreeMap<MonthCount, Money>, ModuleError> {
    let currency = table.take("currency").map(|field| field.filled()).transpose()?;
    let mut prices = BTreeMap::new();
    for (name, months) in [("price_1", 1), ("price_12", 12)] {
        let Some(field) = table.take(name) else { continue };
        let Some(currency) = currency else { return Err(table.missing("currency")) };
        let price = Money::parse(&field.amount()?, currency);
        let price = price.filter(|price| price.minor >= 0).ok_or_else(|| {
            field.wrong(text!("expected an amount such as \"12.50\"", "ожидается сумма вида \"12.50\""))
        })?;
        prices.insert(MonthCount(months), price);
    }
    Ok(prices)
}

impl ProductPatch {
    /// Reads one `[[product]]`.
    ///
    /// # Errors
    /// `config` with key and line.
    pub fn read(field: &Field<'_>) -> Result<Self, ModuleError> {
        let table = field.table()?;
        let internal_name = table.required("internal_name")?.filled()?.to_owned();
        let text = |name| table.take(name).map(|f| f.filled().map(str::to_owned)).transpose();
        let flag = |name| table.take(name).map(|f| f.flag()).transpose();
        let date = |name| table.take(name).map(|f| f.date()).transpose();
        let families = [Family::Soft, Family::SoftExternal, Family::Addition, Family::Orderbox]
            .map(|family| (family.func(), family));
        let patch = Self {
            name: text("name")?,
            family: table.take("family").map(|f| f.choice(&families)).transpose()?,
            pricelist: table.take("pricelist").map(|f| f.id()).transpose()?,
            periods: table.take("periods").map(|f| f.each(months)).transpose()?,
            trial: table.take("trial").map(|f| trial(&f)).transpose()?,
            pooled: flag("pooled")?,
            needs_ip: flag("needs_ip")?,
            ipv6: flag("ipv6")?,
            nodes_addon: table.take("nodes_addon").map(|f| f.id()).transpose()?,
            nodes_included: table.take("nodes_included").map(|f| f.count(0..=NODES)).transpose()?,
            domains: table.take("domains").map(|f| f.count(1..=DOMAINS)).transpose()?,
            prices: prices(&table)?,
            no_order_from: date("no_order_from")?,
            no_renewal_from: date("no_renewal_from")?,
            limited_from: date("limited_from")?,
            not_past: date("not_past")?,
            successors: table.take("successors").map(|f| f.each(|e| e.filled().map(str::to_owned))).transpose()?,
            hidden: flag("hidden")?,
            internal_name,
        };
        let known = Catalogue::builtin().get(&patch.internal_name).is_some();
        // An addon of a hosting order has no tariff of its own.
        let needs_tariff = patch.family != Some(Family::Orderbox);
        if needs_tariff && patch.pricelist.is_none() && patch.number().is_none() && !known {
            return Err(table.missing("pricelist"));
        }
        if !known && patch.limited_from.is_some() != patch.not_past.is_some() {
            let what = text!("limited_from and not_past go together", "limited_from и not_past задаются вместе");
            return Err(table.wrong("limited_from", what));
        }
        table.finish()?;
        Ok(patch)
    }

    fn number(&self) -> Option<u32> {
        self.internal_name.parse().ok().filter(|number| *number > 0)
    }

    /// The name that the panel uses.
    pub fn internal_name(&self) -> &str {
        &self.internal_name
    }

    /// Adds the product to the catalogue, or changes the one with that name. If the file sets no tariff for a new
    /// product, its internal name is the tariff, if it is a number.
    pub fn apply(&self, catalogue: &mut Catalogue) {
        let base = catalogue.get(&self.internal_name).cloned().or_else(|| {
            // With `catalogue = "replace"`, a known code keeps its known tariff, and nothing else of the built-in
            // product.
            let without = (self.family == Some(Family::Orderbox)).then_some(0);
            let number = self.pricelist.or_else(|| self.number()).or(without);
            let known = || Catalogue::builtin().get(&self.internal_name).map(|product| product.pricelist.0);
            let family = self.family.unwrap_or(Family::Soft);
            number.or_else(known).map(|number| {
                let mut product = Product::new(&self.internal_name, &self.internal_name, number);
                product.pooled = family == Family::Soft;
                product.needs_ip = !matches!(family, Family::Addition | Family::Orderbox);
                product
            })
        });
        if let Some(product) = base {
            catalogue.insert(self.changed(product));
        }
    }

    fn changed(&self, mut product: Product) -> Product {
        fn set<T: Clone>(target: &mut T, value: Option<&T>) {
            if let Some(value) = value {
                target.clone_from(value);
            }
        }
        set(&mut product.name, self.name.as_ref());
        set(&mut product.family, self.family.as_ref());
        set(&mut product.pricelist, self.pricelist.map(UpstreamPricelistId).as_ref());
        match &self.trial {
            None => {}
            // A code that is sold as a trial and has no periods is only a trial: it is never renewed and never pooled.
            Some(Trial::Itself) => {
                product.sells_trial = true;
                if self.periods.is_none() {
                    product.periods.clear();
                    product.pooled = false;
                }
            }
            Some(Trial::By(name)) => product.trial = Some(name.clone()),
            Some(Trial::No) => {
                product.sells_trial = false;
                product.trial = None;
            }
        }
        if let Some(periods) = &self.periods {
            product.periods.clone_from(periods);
            product.periods.sort_unstable();
            product.periods.dedup();
        }
        set(&mut product.pooled, self.pooled.as_ref());
        set(&mut product.needs_ip, self.needs_ip.as_ref());
        set(&mut product.ipv6, self.ipv6.as_ref());
        if let Some(addon) = self.nodes_addon {
            product.nodes_addon = Some(UpstreamAddonId(addon));
        }
        set(&mut product.nodes_included, self.nodes_included.as_ref());
        product.domains = self.domains.or(product.domains);
        product.prices.extend(self.prices.clone());
        product.no_order_from = self.no_order_from.or(product.no_order_from);
        product.no_renewal_from = self.no_renewal_from.or(product.no_renewal_from);
        product.limited_from = self.limited_from.or(product.limited_from);
        product.not_past = self.not_past.or(product.not_past);
        set(&mut product.successors, self.successors.as_ref());
        set(&mut product.hidden, self.hidden.as_ref());
        product
    }
}

/// Reads one `[[period_alignment]]`.
///
/// # Errors
/// `config`.
pub fn alignment(field: &Field<'_>) -> Result<AlignmentRule, ModuleError> {
    let table = field.table()?;
    let source = table.required("from")?;
    let number = source.number(-100..=i64::from(MONTHS))?;
    let from = Period::from_panel(i32::try_from(number).unwrap_or(i32::MAX));
    if matches!(from, Period::Unknown(_)) {
        let what = text!(
            "expected months, or -100 (trial), -50 (a day), 0 (lifetime)",
            "ожидаются месяцы, либо -100 (пробный), -50 (день), 0 (бессрочный)"
        );
        return Err(source.wrong(what));
    }
    let rule = AlignmentRule {
        from,
        into: months(&table.required("to")?)?,
        itemtype: table.take("itemtype").map(|f| f.filled().map(str::to_owned)).transpose()?,
        tariff: table.take("tariff").map(|f| f.id()).transpose()?.map(PricelistId),
    };
    table.finish()?;
    Ok(rule)
}

/// One `[[refusal]]`: the parts that a refusal of the seller must have, and its meaning. Empty parts match anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalSetting {
    /// `error/@type`
    pub error_type: String,
    /// `error/@object`
    pub object: String,
    /// Part of `error/msg`.
    pub text: String,
    /// What it means.
    pub means: RefusalKind,
}

/// The words of `means`.
const MEANS: [(&str, RefusalKind); 10] = [
    ("auth", RefusalKind::Auth),
    ("nomoney", RefusalKind::NoMoney),
    ("blocked", RefusalKind::Blocked),
    ("ip_change_limit", RefusalKind::IpTooYoung),
    ("key_change_limit", RefusalKind::KeyTooYoung),
    ("ip_busy", RefusalKind::IpBusy),
    ("sale_closed", RefusalKind::SaleClosed),
    ("period_not_sold", RefusalKind::PeriodNotSold),
    ("license_gone", RefusalKind::NotFound),
    ("upstream", RefusalKind::Other),
];

/// Reads one `[[refusal]]`.
///
/// # Errors
/// `config`.
pub fn refusal(field: &Field<'_>) -> Result<RefusalSetting, ModuleError> {
    let table = field.table()?;
    let word = |name| table.take(name).map(|f| f.text().map(str::to_owned)).transpose().map(Option::unwrap_or_default);
    let rule = RefusalSetting {
        error_type: word("type")?,
        object: word("object")?,
        text: word("text")?,
        means: table.required("means")?.choice(&MEANS)?,
    };
    if rule.error_type.is_empty() && rule.object.is_empty() && rule.text.is_empty() {
        return Err(table.missing("type"));
    }
    table.finish()?;
    Ok(rule)
}
