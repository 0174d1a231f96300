//! Domains in use, and how many the product allows, as the seller showed them when the license was last read.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::Text;
use crate::model::catalogue::Catalogue;
use crate::model::ids::ModuleId;
use crate::model::license_row::LicenseRow;
use crate::settings::Settings;
use crate::text;

/// From this share of the limit on (in percent) the client will soon need a larger product.
const WARN_FROM_PERCENT: u64 = 90;

/// The number of domains on a license's server, and the number that its product allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Domains in use.
    pub used: u32,
    /// Domains that the product allows. `None`: no limit, or not known.
    pub limit: Option<u32>,
}

impl Usage {
    /// True when the limit is reached or near.
    pub fn is_nearly_full(self) -> bool {
        self.limit.is_some_and(|limit| u64::from(self.used) * 100 >= u64::from(limit) * WARN_FROM_PERCENT)
    }
}

/// `9/10`; without a limit `9`.
impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            Some(limit) => write!(f, "{}/{limit}", self.used),
            None => write!(f, "{}", self.used),
        }
    }
}

/// The catalogues of the modules that were used so far. Each is built once.
#[derive(Debug, Default)]
pub struct Limits(BTreeMap<ModuleId, Catalogue>);

impl Limits {
    /// The usage of a license; `None` where the seller did not say how many domains there are.
    pub fn usage(&mut self, settings: &Settings, row: &LicenseRow) -> Option<Usage> {
        let used = row.domains?;
        let catalogue = self.0.entry(row.module).or_insert_with(|| settings.rules(Some(row.module)).catalogue);
        let limit = catalogue.by_pricelist(row.pricelist).and_then(|product| product.domains);
        Some(Usage { used, limit })
    }
}

/// The advice about licenses near their limits.
pub fn advice(count: usize) -> Text {
    text!(
        "Licenses that use 90 % or more of their domains: {count}",
        "Лицензий, у которых занято не менее 90 % доменов: {count}"
    )
    .changed(text!("Nothing was changed", "Ничего не изменено"))
    .next(text!("offer larger products", "предложите старшие тарифы"))
    .text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_of_ten_is_nearly_full_and_no_limit_never_is() {
        for (used, limit, is_full, shown) in [
            (8, Some(10), false, "8/10"),
            (9, Some(10), true, "9/10"),
            (44, Some(50), false, "44/50"),
            (45, Some(50), true, "45/50"),
            (11, Some(10), true, "11/10"),
            (u32::MAX, None, false, "4294967295"),
        ] {
            let usage = Usage { used, limit };
            assert_eq!((usage.is_nearly_full(), usage.to_string().as_str()), (is_full, shown));
        }
    }
}
