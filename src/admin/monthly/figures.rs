//! The figures of a month, collected once and shown in four forms. Amounts are the costs that the seller showed for
//! purchases, else our list prices. Amounts of different currencies are neither added nor converted.

use std::collections::BTreeMap;

use chrono::{DateTime, Months, NaiveDate, Utc};

use super::Sums;
use super::loss::{Losses, losses};
use crate::admin::Desk;
use crate::admin::pool::worth;
use crate::admin::usage::{Limits, Usage};
use crate::engine::state_error;
use crate::error::ModuleError;
use crate::model::catalogue::Catalogue;
use crate::model::ids::{ItemId, LicenseId, UpstreamPricelistId};
use crate::model::license::Money;
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::period::{MonthCount, Period, days_between};
use crate::store::{LicenseFilter, Purchase, Reuse, Store};

/// How many months of turnover are shown: the programme counts six (docs/licensing-rules.md 10).
pub const MONTHS: u32 = 6;

/// The programme's minimum for a month, in minor units of euros.
pub const PROGRAMME: i64 = 10_000;

/// The programme's currency.
const PROGRAMME_CURRENCY: &str = "EUR";

/// The beginning of the names of the products that the programme counts.
const PROGRAMME_PRODUCT: &str = "ISPmanager 6";

/// One product's month.
#[derive(Debug, Default, Clone)]
pub struct ProductMonth {
    /// Its name. Empty if the catalogue does not have it any more.
    pub name: String,
    /// Licenses that serve a service.
    pub bound: u32,
    /// Licenses that wait in the pool.
    pub pool: u32,
    /// Ordered in the month.
    pub bought: u32,
    /// Renewed in the month.
    pub renewed: u32,
    /// Given out again in the month.
    pub reused: u32,
    /// What orders, renewals and changes cost.
    pub cost: Sums,
    /// Domains in use on the licenses of services, as far as they are known; `None`: of no license.
    pub domains: Option<u64>,
    /// Licenses of services whose domains are at the limit or near it.
    pub nearly_full: u32,
}

/// One month's turnover.
#[derive(Debug, Default, Clone)]
pub struct Turnover {
    /// Its first day.
    pub month: NaiveDate,
    /// All purchases.
    pub all: Sums,
    /// The part that the programme counts, in minor units of euros.
    pub programme: i64,
}

/// Everything that a report shows.
#[derive(Debug)]
pub struct Figures {
    /// The month's first day.
    pub month: NaiveDate,
    /// By tariff at the seller.
    pub products: BTreeMap<UpstreamPricelistId, ProductMonth>,
    /// What orders would have cost for services that were served from the pool.
    pub saved: Sums,
    /// The value of paid days that nobody uses, by the list price of a year.
    pub pool_worth: Sums,
    /// The last months, the newest first.
    pub turnover: Vec<Turnover>,
    /// Purchases of the month whose cost is not known.
    pub unknown_costs: u32,
    /// Whether some amount of the month is a list price.
    pub estimates: bool,
    /// What is sold below cost, today.
    pub losses: Losses,
    /// Domains in use, as far as the seller counts them.
    pub domains: Domains,
}

/// Clients' licenses whose number of domains in use is known.
#[derive(Debug, Default)]
pub struct Domains {
    /// The number of these licenses.
    pub known: u32,
    /// The licenses at or near their product's limit, the fullest first.
    pub nearly_full: Vec<NearlyFull>,
}

/// A license at its product's limit of domains or near it.
#[derive(Debug)]
pub struct NearlyFull {
    /// Its service.
    pub item: Option<ItemId>,
    /// The license.
    pub license: LicenseId,
    /// The product that it was ordered as.
    pub product: String,
    /// Its domains.
    pub usage: Usage,
}

impl Figures {
    /// Months in a row, up to this one, that were below the programme's minimum.
    pub fn below(&self) -> usize {
        self.turnover.iter().take_while(|month| month.programme < PROGRAMME).count()
    }

    /// Whether something was bought in a currency that the programme does not count in.
    pub fn in_other_currency(&self) -> bool {
        self.turnover.iter().any(|month| month.all.keys().any(|currency| currency != PROGRAMME_CURRENCY))
    }

    /// The sum of a figure over all products.
    pub fn sum(&self, of: fn(&ProductMonth) -> u32) -> u32 {
        self.products.values().map(of).sum()
    }
}

/// Collects a month. Without `compares_prices` nothing is known of losses.
///
/// # Errors
/// `state`
pub fn collect(desk: &mut Desk<'_>, month: NaiveDate, compares_prices: bool) -> Result<Figures, ModuleError> {
    let store = desk.store()?;
    let catalogue = desk.ctx.settings.rules(None).catalogue;
    let today = desk.ctx.clock.today();
    let rows = store.licenses_that(LicenseFilter::default()).map_err(state_error)?;
    let (mut products, pool_worth) = bound_and_pooled(&rows, &catalogue, today);
    let (from, until) = span(month);
    let purchases = store.purchases(from, until).map_err(state_error)?;
    purchases.iter().for_each(|purchase| count(&mut products, purchase));
    let reuses = store.reuses(from, until).map_err(state_error)?;
    for reuse in &reuses {
        products.entry(reuse.pricelist).or_default().reused += 1;
    }
    let saved = saved(desk, &reuses, &catalogue);
    for (pricelist, product) in &mut products {
        product.name = catalogue.by_pricelist(*pricelist).map_or_else(String::new, |known| known.name.clone());
    }
    let domains = domains(desk, &rows, &mut products);
    let turnover = turnover(&store, month, &catalogue)?;
    let losses = if compares_prices { losses(desk, &store, &rows, &catalogue)? } else { Losses::default() };
    let unknown = purchases.iter().filter(|purchase| purchase.amount.is_none()).count();
    Ok(Figures {
        month,
        products,
        saved,
        pool_worth,
        turnover,
        unknown_costs: u32::try_from(unknown).unwrap_or(u32::MAX),
        estimates: purchases.iter().any(|purchase| purchase.is_estimate),
        losses,
        domains,
    })
}

/// The domains in use of all, and of each product in its own figures.
fn domains(
    desk: &Desk<'_>,
    rows: &[LicenseRow],
    products: &mut BTreeMap<UpstreamPricelistId, ProductMonth>,
) -> Domains {
    let (mut limits, mut found) = (Limits::default(), Domains::default());
    for row in rows.iter().filter(|row| row.state == LicenseState::Bound) {
        let Some(usage) = limits.usage(&desk.ctx.settings, row) else { continue };
        let product = products.entry(row.pricelist).or_default();
        found.known += 1;
        product.domains = Some(product.domains.unwrap_or(0) + u64::from(usage.used));
        if usage.is_nearly_full() {
            product.nearly_full += 1;
            let (item, license, product) = (row.item, row.id, row.internal_name.clone());
            found.nearly_full.push(NearlyFull { item, license, product, usage });
        }
    }
    let share = |usage: Usage| u64::from(usage.used) * 1_000 / u64::from(usage.limit.unwrap_or(0).max(1));
    found.nearly_full.sort_by_key(|one| (std::cmp::Reverse(share(one.usage)), one.license));
    found
}

fn span(month: NaiveDate) -> (DateTime<Utc>, DateTime<Utc>) {
    (midnight(month), midnight(month + Months::new(1)))
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_hms_opt(0, 0, 0).map_or(DateTime::<Utc>::MIN_UTC, |at| at.and_utc())
}

fn add(sums: &mut Sums, money: Option<&Money>) {
    if let Some(money) = money {
        *sums.entry(money.currency.clone()).or_default() += money.minor;
    }
}

fn bound_and_pooled(
    rows: &[LicenseRow],
    catalogue: &Catalogue,
    today: NaiveDate,
) -> (BTreeMap<UpstreamPricelistId, ProductMonth>, Sums) {
    let mut products: BTreeMap<UpstreamPricelistId, ProductMonth> = BTreeMap::new();
    let mut pool_worth = Sums::new();
    for row in rows {
        let product = products.entry(row.pricelist).or_default();
        match row.state {
            LicenseState::Bound | LicenseState::Claimed => product.bound += 1,
            LicenseState::Pool | LicenseState::ToFree if !row.family.stays_on_order() => {
                product.pool += 1;
                let left = row.expires.day().map_or(0, |expires| days_between(today, expires).max(0));
                let year = catalogue.by_pricelist(row.pricelist).and_then(|known| known.prices.get(&MonthCount(12)));
                add(&mut pool_worth, worth(year, left).as_ref());
            }
            // An addon that waits for its removal is not kept for another client.
            LicenseState::Pool | LicenseState::ToFree | LicenseState::Stopped | LicenseState::Deleted => {}
        }
    }
    (products, pool_worth)
}

fn count(products: &mut BTreeMap<UpstreamPricelistId, ProductMonth>, purchase: &Purchase) {
    let product = products.entry(purchase.pricelist).or_default();
    product.bought += u32::from(matches!(purchase.kind.as_str(), "order" | "add"));
    product.renewed += u32::from(purchase.kind == "renewal");
    add(&mut product.cost, purchase.amount.as_ref());
}

/// What orders would have cost instead, by list price: for the service's own period if the product is sold for it, else
/// for the shortest period. If the panel does not answer, for the shortest period.
fn saved(desk: &mut Desk<'_>, reuses: &[Reuse], catalogue: &Catalogue) -> Sums {
    let items: Vec<_> = reuses.iter().filter_map(|reuse| reuse.item).collect();
    let known = desk.ctx.data.prices(&items).unwrap_or_default();
    let period_of = |reuse: &Reuse| known.iter().find(|known| Some(known.item) == reuse.item).map(|known| known.period);
    let mut sums = Sums::new();
    for reuse in reuses {
        let Some(product) = catalogue.by_pricelist(reuse.pricelist) else { continue };
        let own = match period_of(reuse) {
            Some(Period::Months(months)) => product.prices.get(&months),
            Some(Period::Trial | Period::Day | Period::Lifetime | Period::Unknown(_)) | None => None,
        };
        let shortest = product.shortest().and_then(|months| product.prices.get(&months));
        add(&mut sums, own.or(shortest));
    }
    sums
}

/// The turnover of each of the last months, the newest first.
fn turnover(store: &Store, first: NaiveDate, catalogue: &Catalogue) -> Result<Vec<Turnover>, ModuleError> {
    let mut months = Vec::new();
    for back in 0..MONTHS {
        let mut turnover = Turnover { month: first - Months::new(back), ..Turnover::default() };
        let (from, until) = span(turnover.month);
        for purchase in store.purchases(from, until).map_err(state_error)? {
            add(&mut turnover.all, purchase.amount.as_ref());
            let counts = catalogue
                .by_pricelist(purchase.pricelist)
                .is_some_and(|product| product.name.starts_with(PROGRAMME_PRODUCT));
            let euros = purchase.amount.filter(|money| counts && money.currency == PROGRAMME_CURRENCY);
            turnover.programme += euros.map_or(0, |money| money.minor);
        }
        months.push(turnover);
    }
    Ok(months)
}
