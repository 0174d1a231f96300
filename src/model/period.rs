//! Service periods and calendar days: the panel's periods, how months are added, and period alignment
//! (docs/licensing-rules.md 4). Dates are calendar days of the seller. A license works through the day before its
//! expiry.

use chrono::{Datelike, Months, NaiveDate};
use serde::{Deserialize, Serialize};

use super::ids::{PricelistId, UpstreamPricelistId};

/// A number of whole months for which a license is bought: 1 to 120.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MonthCount(pub u16);

/// `item.period` of the panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// -100
    Trial,
    /// -50: paid by the day.
    Day,
    /// 0: paid once, without end.
    Lifetime,
    /// A positive number of months.
    Months(MonthCount),
    /// Any other number; nothing is ordered for it.
    Unknown(i32),
}

/// The longest period that is accepted: ten years. A larger number in the panel is a mistake.
const LONGEST_MONTHS: i32 = 120;

impl Period {
    /// From the panel's number: months, -100 trial, -50 a day, 0 lifetime.
    pub fn from_panel(number: i32) -> Self {
        match number {
            -100 => Self::Trial,
            -50 => Self::Day,
            0 => Self::Lifetime,
            1..=LONGEST_MONTHS => Self::Months(MonthCount(u16::try_from(number).unwrap_or(1))),
            other => Self::Unknown(other),
        }
    }

    /// The panel's number again; the seller uses the same numbers.
    pub fn number(self) -> i32 {
        match self {
            Self::Trial => -100,
            Self::Day => -50,
            Self::Lifetime => 0,
            Self::Months(MonthCount(months)) => i32::from(months),
            Self::Unknown(other) => other,
        }
    }
}

impl Serialize for Period {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i32(self.number())
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i32::deserialize(deserializer).map(Self::from_panel)
    }
}

/// `date` plus whole months, the day clamped to the month's last (2027-01-31 + 1 = 2027-02-28).
pub fn add_months(date: NaiveDate, months: MonthCount) -> NaiveDate {
    date.checked_add_months(Months::new(u32::from(months.0))).unwrap_or(NaiveDate::MAX)
}

/// `date` plus a service period; a day for [`Period::Day`], unchanged for those without length.
pub fn add_period(date: NaiveDate, period: Period) -> NaiveDate {
    match period {
        Period::Months(months) => add_months(date, months),
        Period::Day => date.succ_opt().unwrap_or(date),
        Period::Trial | Period::Lifetime | Period::Unknown(_) => date,
    }
}

/// Whole days from `from` to `to`; negative when `to` lies before.
pub fn days_between(from: NaiveDate, to: NaiveDate) -> i64 {
    i64::from(to.num_days_from_ce() - from.num_days_from_ce())
}

/// One rule of period alignment: "services of `from` order `into`", optionally only for a product type or tariff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlignmentRule {
    /// The service's period.
    pub from: Period,
    /// What is ordered instead.
    pub into: MonthCount,
    /// Only for services of this product type (internal name of the itemtype).
    pub itemtype: Option<String>,
    /// Only for services of this tariff of the panel.
    pub tariff: Option<PricelistId>,
}

/// The most specific rule for a service: tariff, then product type, then general. Of equally specific rules the first
/// one counts. The caller lists the panel's rules before those of the settings file, so that the panel's rules win.
pub fn alignment<'r>(
    rules: &'r [AlignmentRule],
    period: Period,
    itemtype: &str,
    tariff: PricelistId,
) -> Option<&'r AlignmentRule> {
    let applies = |rule: &&AlignmentRule| {
        rule.from == period
            && rule.tariff.is_none_or(|wanted| wanted == tariff)
            && rule.itemtype.as_deref().is_none_or(|wanted| wanted == itemtype)
    };
    let rank = |rule: &AlignmentRule| match (rule.tariff, &rule.itemtype) {
        (Some(_), _) => 0,
        (None, Some(_)) => 1,
        (None, None) => 2,
    };
    rules.iter().filter(applies).min_by_key(|rule| rank(rule))
}

/// Reads one stored row of the panel's table: `from;to;itemtype;pricelist`, the last two may be empty.
pub fn parse_alignment(row: &str) -> Option<AlignmentRule> {
    let mut parts = row.split(';').map(str::trim);
    let from = Period::from_panel(parts.next()?.parse().ok()?);
    let into = match Period::from_panel(parts.next()?.parse().ok()?) {
        Period::Months(months) => months,
        Period::Trial | Period::Day | Period::Lifetime | Period::Unknown(_) => return None,
    };
    let itemtype = parts.next().filter(|text| !text.is_empty()).map(str::to_owned);
    let tariff = match parts.next() {
        None | Some("") => None,
        Some(text) => Some(text.parse().ok()?),
    };
    (parts.next().is_none() && !matches!(from, Period::Unknown(_))).then_some(AlignmentRule {
        from,
        into,
        itemtype,
        tariff,
    })
}

/// A tariff of the seller together with the period that it is ordered for. The price of an order or a renewal depends
/// on both.
pub type Priced = (UpstreamPricelistId, Period);

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    /// Months are added with the day clamped to the month's last (docs/licensing-rules.md 5).
    #[test]
    fn an_added_month_ends_at_the_last_day_of_a_shorter_one() {
        for (from, months, to) in [
            ("2027-01-31", 1, "2027-02-28"),
            ("2028-01-31", 1, "2028-02-29"),
            ("2028-02-29", 12, "2029-02-28"),
            ("2026-11-30", 3, "2027-02-28"),
            ("2026-12-31", 1, "2027-01-31"),
        ] {
            assert_eq!(add_months(day(from), MonthCount(months)), day(to), "{from} + {months}");
        }
    }

    /// The most specific alignment rule wins: tariff, product type, general (docs/licensing-rules.md 4).
    #[test]
    fn most_specific_rule_wins() {
        let rules: Vec<_> =
            ["1;3;;", "1;6;soft;", "1;12;;17", "0;12;;"].into_iter().filter_map(parse_alignment).collect();
        assert_eq!(rules.len(), 4);
        let into = |period, itemtype, tariff| {
            alignment(&rules, Period::from_panel(period), itemtype, PricelistId(tariff)).map(|rule| rule.into.0)
        };
        assert_eq!(into(1, "soft", 17), Some(12));
        assert_eq!(into(1, "soft", 18), Some(6));
        assert_eq!(into(1, "vds", 18), Some(3));
        assert_eq!(into(0, "soft", 18), Some(12));
        assert_eq!(into(12, "soft", 17), None);
    }

    /// An incomplete row is not a rule.
    #[test]
    fn an_incomplete_row_is_not_a_rule() {
        for row in ["", "1", "1;", "1;0;;", "1;-100;;", "x;1;;", "1;2;;x", "1;2;a;3;4", "-7;1;;"] {
            assert_eq!(parse_alignment(row), None, "{row}");
        }
    }
}
