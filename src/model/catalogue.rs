//! The products that sellers sell: codes, periods, addons, end of sale (docs/licensing-rules.md 1 and 6). This is data
//! without decisions; the settings file adds, changes and hides entries.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::ids::{UpstreamAddonId, UpstreamPricelistId};
use super::license::{Family, LicenseTariff, Money};
use super::period::{MonthCount, Period};
use super::sellers::SellerKind;

/// The internal name that asks for no control panel: nothing is ordered.
pub const NOPANEL: &str = "nopanel";

/// Which billing of the vendor a code belongs to. The error about an unknown code says which set of codes fits the
/// address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Region {
    /// The billing for the world, api-eu.ispmanager.com: euros.
    International,
    /// The billing for Russia, api.ispmanager.ru and today api.ispmanager.com: roubles.
    Russian,
}

/// One product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// The name that the panel uses.
    pub internal_name: String,
    /// The name for people.
    pub name: String,
    /// Which functions of the seller serve it.
    pub family: Family,
    /// The tariff that is ordered at the seller.
    pub pricelist: UpstreamPricelistId,
    /// Months that the seller sells, ascending; empty for a trial.
    pub periods: Vec<MonthCount>,
    /// Whether this code itself is sold for the period -100.
    pub sells_trial: bool,
    /// The internal name that is ordered for a trial of this product.
    pub trial: Option<String>,
    /// Whether a freed license is kept for the next client.
    pub pooled: bool,
    /// Whether the order needs an address.
    pub needs_ip: bool,
    /// Whether an IPv6 address is accepted.
    pub ipv6: bool,
    /// The addon of the seller that counts nodes.
    pub nodes_addon: Option<UpstreamAddonId>,
    /// Nodes that the price includes.
    pub nodes_included: u32,
    /// Domains that one server may have; `None`: no limit, or none that is known.
    pub domains: Option<u32>,
    /// List prices by period, for reports only.
    pub prices: BTreeMap<MonthCount, Money>,
    /// The first day on which nothing is ordered.
    pub no_order_from: Option<NaiveDate>,
    /// The first day on which nothing is renewed.
    pub no_renewal_from: Option<NaiveDate>,
    /// From this day on nothing may last past `not_past`.
    pub limited_from: Option<NaiveDate>,
    /// The last expiry that the seller grants once limited.
    pub not_past: Option<NaiveDate>,
    /// Internal names of the products to order instead.
    pub successors: Vec<String>,
    /// Left out of lists for people.
    pub hidden: bool,
    /// The billing that the code belongs to, where the vendor has one code for each billing.
    pub region: Option<Region>,
}

impl Product {
    /// A product with the defaults of a settings entry: soft, one month, pooled, an IPv4 address needed.
    pub fn new(internal_name: &str, name: &str, pricelist: u32) -> Self {
        Self {
            internal_name: internal_name.to_owned(),
            name: name.to_owned(),
            family: Family::Soft,
            pricelist: UpstreamPricelistId(pricelist),
            periods: vec![MonthCount(1)],
            sells_trial: false,
            trial: None,
            pooled: true,
            needs_ip: true,
            ipv6: false,
            nodes_addon: None,
            nodes_included: 0,
            domains: None,
            prices: BTreeMap::new(),
            no_order_from: None,
            no_renewal_from: None,
            limited_from: None,
            not_past: None,
            successors: Vec::new(),
            hidden: false,
            region: None,
        }
    }

    fn periods(mut self, months: &[u16]) -> Self {
        self.periods = months.iter().copied().map(MonthCount).collect();
        self
    }

    fn trial_by(mut self, internal_name: &str) -> Self {
        self.trial = Some(internal_name.to_owned());
        self
    }

    fn only_trial(mut self) -> Self {
        self.periods.clear();
        self.sells_trial = true;
        self.pooled = false;
        self
    }

    fn nodes(mut self, addon: u32, included: u32) -> Self {
        self.nodes_addon = Some(UpstreamAddonId(addon));
        self.nodes_included = included;
        self
    }

    fn domains(mut self, limit: u32) -> Self {
        self.domains = Some(limit);
        self
    }

    fn priced(mut self, region: Region, month: i64, year: i64) -> Self {
        let currency = match region {
            Region::International => "EUR",
            Region::Russian => "RUB",
        };
        for (months, units) in [(1, month), (12, year)] {
            self.prices.insert(MonthCount(months), Money { minor: units * 100, currency: currency.to_owned() });
        }
        self.of(region)
    }

    fn of(mut self, region: Region) -> Self {
        self.region = Some(region);
        self
    }

    fn external(mut self, family: Family) -> Self {
        self.family = family;
        self.pooled = false;
        self.needs_ip = family == Family::SoftExternal;
        self
    }

    fn without_ip(mut self) -> Self {
        self.needs_ip = false;
        self
    }

    fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// The end of sale of ISPmanager 5 (docs/licensing-rules.md 6).
    fn ended_2021(mut self, successors: &[&str]) -> Self {
        let day = |month, day| NaiveDate::from_ymd_opt(2021, month, day);
        self.limited_from = day(4, 8);
        self.not_past = day(12, 31);
        self.no_order_from = day(6, 15);
        self.no_renewal_from = day(6, 15);
        self.successors = successors.iter().map(|name| (*name).to_owned()).collect();
        self.pooled = false;
        self
    }

    /// Whether the product is sold for exactly this period.
    pub fn sells(&self, period: Period) -> bool {
        match period {
            Period::Months(months) => self.periods.contains(&months),
            Period::Trial => self.sells_trial,
            Period::Day | Period::Lifetime | Period::Unknown(_) => false,
        }
    }

    /// The shortest period sold; `None` for a trial.
    pub fn shortest(&self) -> Option<MonthCount> {
        self.periods.iter().min().copied()
    }

    /// Whether a freed license of it waits for the next client. Never true for trials, other software, modules of a
    /// license, and products whose sale has an end (docs/licensing-rules.md 7).
    pub fn is_pooled(&self) -> bool {
        let ends = self.no_order_from.is_some() || self.not_past.is_some();
        self.pooled && self.family == Family::Soft && !self.is_only_trial() && !ends
    }

    /// Whether this code is only a trial: never renewed, never pooled.
    pub fn is_only_trial(&self) -> bool {
        self.periods.is_empty()
    }
}

/// All products, by internal name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue(BTreeMap<String, Product>);

impl Catalogue {
    /// The vendor's products, both billings (docs/licensing-rules.md 1).
    pub fn builtin() -> Self {
        use Region::{International, Russian};
        let lite5 = &["55227", "55228", "55229"];
        Self::from_products([
            Product::new("55227", "ISPmanager 6 Lite", 55227).domains(10).periods(&[1, 12]).trial_by("55239").priced(
                International,
                5,
                55,
            ),
            Product::new("55228", "ISPmanager 6 Pro", 55228).domains(50).periods(&[1, 12]).trial_by("55239").priced(
                International,
                10,
                110,
            ),
            Product::new("55229", "ISPmanager 6 Host", 55229).periods(&[1, 12]).trial_by("55239").priced(
                International,
                15,
                165,
            ),
            Product::new("55230", "ISPmanager 6 Business", 55230)
                .periods(&[1, 12])
                .trial_by("55240")
                .nodes(55236, 1)
                .priced(International, 20, 220),
            Product::new("55239", "ISPmanager 6 trial", 55239).only_trial().of(International),
            Product::new("55240", "ISPmanager 6 Business trial", 55240).only_trial().of(International),
            russian("55231", "ISPmanager 6 Lite (RU)", 55231).domains(10).priced(Russian, 450, 4950),
            russian("55232", "ISPmanager 6 Pro (RU)", 55232).domains(50).priced(Russian, 900, 9900),
            russian("55233", "ISPmanager 6 Host (RU)", 55233).priced(Russian, 1350, 14850),
            // The code of its node addon is not published. The international one is assumed, and the settings can
            // change it.
            russian("55234", "ISPmanager 6 Business (RU)", 55234).nodes(55236, 1).priced(Russian, 1800, 19800),
            Product::new("55235", "ISPmanager 6 trial (RU)", 55235).only_trial().of(Russian),
            Product::new("3541", "ISPmanager 5 Lite", 3541).periods(&[1, 12]).ended_2021(lite5),
            Product::new("4601", "ISPmanager 5 Business", 4601).periods(&[1, 12]).nodes(4602, 1).ended_2021(&["55230"]),
            Product::new("55382", "BILLmanager 6 Hosting&Cloud (month)", 55382).periods(&[1]),
            Product::new("55384", "BILLmanager 6 Hosting&Cloud (year)", 55384).periods(&[12]),
            module("55371", "BitNinja for ispmanager", 55371, International),
            module("55390", "BitNinja for ispmanager (RU)", 55390, Russian),
            Product::new("9203", "CloudLinux", 9203).external(Family::SoftExternal),
            Product::new("9204", "Softaculous", 9204).external(Family::SoftExternal),
            Product::new("11738", "KernelCare", 11738).external(Family::SoftExternal),
            bitninja("55369", "BitNinja", 55369, International),
            bitninja("55391", "BitNinja (RU)", 55391, Russian),
            Product::new("3045", "VMmanager 5 KVM", 3045).periods(&[1, 12]).nodes(3049, 1).hidden(),
            Product::new("3887", "VMmanager 5 Cloud", 3887).periods(&[1, 12]).nodes(3889, 5).hidden(),
            Product::new("3651", "VMmanager 5 OVZ", 3651).periods(&[1, 12]).nodes(3698, 1).hidden(),
            Product::new("3934", "DCImanager", 3934).periods(&[1, 12]).hidden(),
            Product::new("3936", "DCImanager Enterprise", 3936).periods(&[1, 12]).hidden(),
            Product::new("3136", "DNSmanager", 3136).periods(&[1, 12]).hidden(),
            Product::new("2891", "IPmanager", 2891).periods(&[1, 12]).hidden(),
            hosting_addon("whmcs", "WHMCS"),
        ])
    }

    /// A catalogue of these products only. A later product replaces an earlier one of the same internal name.
    pub fn from_products(products: impl IntoIterator<Item = Product>) -> Self {
        Self(products.into_iter().map(|product| (product.internal_name.clone(), product)).collect())
    }

    /// The product of an internal name.
    pub fn get(&self, internal_name: &str) -> Option<&Product> {
        self.0.get(internal_name)
    }

    /// The product that is ordered by that tariff of the seller. If there are several, the first by internal name.
    pub fn by_pricelist(&self, pricelist: UpstreamPricelistId) -> Option<&Product> {
        self.0.values().find(|product| product.pricelist == pricelist)
    }

    /// A tariff in words: the internal name of the product that is ordered by it, or the tariff itself.
    pub fn tariff_in_words(&self, tariff: &LicenseTariff) -> String {
        let product = tariff.id().and_then(|id| self.by_pricelist(id));
        product.map_or_else(|| tariff.to_string(), |product| product.internal_name.clone())
    }

    /// Adds a product, or replaces the one of the same internal name.
    pub fn insert(&mut self, product: Product) {
        self.0.insert(product.internal_name.clone(), product);
    }

    /// All products by internal name.
    pub fn iter(&self) -> impl Iterator<Item = &Product> {
        self.0.values()
    }

    /// The products that are sold by one kind of seller.
    #[must_use]
    pub fn sold_by(self, kind: SellerKind) -> Self {
        Self(self.0.into_iter().filter(|(_, product)| kind.sells(product.family)).collect())
    }

    /// The internal names that may be chosen, `nopanel` included, for messages.
    pub fn known_names(&self) -> Vec<&str> {
        let products = self.0.values().filter(|product| !product.hidden).map(|product| product.internal_name.as_str());
        products.chain([NOPANEL]).collect()
    }
}

/// The name of a product of the vendor that this program cannot resell: VMmanager 6 and DCImanager 6 are ordered by
/// functions of their own (`platform.*`).
pub fn unsupported(internal_name: &str) -> Option<&'static str> {
    match internal_name {
        "55163" => Some("VMmanager 6"),
        "55161" => Some("DCImanager 6"),
        _ => None,
    }
}

/// A license that is an addon of a hosting order: it has no tariff of its own, and lives as long as the order.
fn hosting_addon(internal_name: &str, name: &str) -> Product {
    Product::new(internal_name, name, 0).external(Family::Orderbox)
}

fn russian(internal_name: &str, name: &str, pricelist: u32) -> Product {
    Product::new(internal_name, name, pricelist).periods(&[1, 12]).trial_by("55235")
}

fn module(internal_name: &str, name: &str, pricelist: u32, region: Region) -> Product {
    let mut product = Product::new(internal_name, name, pricelist).periods(&[1, 6, 12]).external(Family::Addition);
    product.sells_trial = true;
    product.region = Some(region);
    product
}

fn bitninja(internal_name: &str, name: &str, pricelist: u32, region: Region) -> Product {
    let mut product = Product::new(internal_name, name, pricelist)
        .periods(&[1, 3, 6, 12])
        .external(Family::SoftExternal)
        .without_ip();
    product.sells_trial = true;
    product.region = Some(region);
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/licensing-rules.md 1: every code of the table with its periods, trial and nodes.
    #[test]
    fn every_built_in_code_has_its_periods_trial_and_nodes() {
        let catalogue = Catalogue::builtin();
        for (code, periods, trial, nodes) in [
            ("55227", vec![1, 12], Some("55239"), None),
            ("55228", vec![1, 12], Some("55239"), None),
            ("55229", vec![1, 12], Some("55239"), None),
            ("55230", vec![1, 12], Some("55240"), Some((55236, 1))),
            ("55239", vec![], None, None),
            ("55231", vec![1, 12], Some("55235"), None),
            ("55232", vec![1, 12], Some("55235"), None),
            ("55233", vec![1, 12], Some("55235"), None),
            ("55234", vec![1, 12], Some("55235"), Some((55236, 1))),
            ("55235", vec![], None, None),
            ("3541", vec![1, 12], None, None),
            ("4601", vec![1, 12], None, Some((4602, 1))),
            ("55382", vec![1], None, None),
            ("55384", vec![12], None, None),
            ("9203", vec![1], None, None),
            ("3887", vec![1, 12], None, Some((3889, 5))),
        ] {
            let product = catalogue.get(code).expect(code);
            assert_eq!(product.periods.iter().map(|m| m.0).collect::<Vec<_>>(), periods, "{code}");
            assert_eq!(product.trial.as_deref(), trial, "{code}");
            assert_eq!(product.nodes_addon.map(|addon| (addon.0, product.nodes_included)), nodes, "{code}");
        }
        assert!(!catalogue.known_names().contains(&"3045"), "hidden by default");
        assert!(catalogue.known_names().contains(&NOPANEL));
    }

    /// Every successor and trial that a product names is a product.
    #[test]
    fn every_successor_and_trial_is_a_product() {
        let catalogue = Catalogue::builtin();
        for product in catalogue.iter() {
            for name in product.successors.iter().chain(&product.trial) {
                assert!(catalogue.get(name).is_some(), "{} -> {name}", product.internal_name);
            }
        }
    }
}
