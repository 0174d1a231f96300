//! Amounts of money. They are read without floats and never guessed, and amounts of different currencies are never
//! mixed.

use serde::{Deserialize, Serialize};

/// An amount in minor units (cents, kopecks) of a currency. Amounts of different currencies are never added or
/// compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Minor units; negative for a debt.
    pub minor: i64,
    /// ISO 4217 code, upper case.
    pub currency: String,
}

impl Money {
    /// Reads an amount that a program wrote, such as `12.5`, `-3` or `1 200,00`. `None` when it is not an amount.
    /// [`Money::in_words`] reads the amounts that a seller shows to people.
    pub fn parse(amount: &str, currency: &str) -> Option<Self> {
        let cleaned: String = amount.chars().filter(|c| !c.is_whitespace() && *c != '\u{a0}').collect();
        let cleaned = cleaned.replace(',', ".");
        let (negative, digits) = match cleaned.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, cleaned.as_str()),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let minor = minor_units(whole, fraction)?;
        Some(Self { minor: if negative { -minor } else { minor }, currency: currency.trim().to_uppercase() })
    }

    /// Reads an amount as a billing system shows it to people: `1,200.00`, `1.200,00 руб.` and `€1 200` are all
    /// 1200. `None` where the text could mean two amounts (`1,200`) or holds no plain number (`1.2e3`): unknown is not
    /// zero.
    pub fn in_words(words: &str, currency: &str) -> Option<Self> {
        let first = words.find(|c: char| c.is_ascii_digit())?;
        let last = words.rfind(|c: char| c.is_ascii_digit())?;
        let (before, rest) = words.split_at(first);
        let (number, after) = rest.split_at(last + 1 - first);
        let minuses = before.chars().filter(|c| MINUS.contains(*c)).count();
        let is_separated =
            before.ends_with(['.', ',']) || after.trim_start().starts_with(|c| c == ',' || MINUS.contains(c));
        if minuses > 1 || is_separated || before.contains('+') {
            return None;
        }
        let (whole, fraction) = number_parts(number)?;
        let minor = minor_units(&whole, fraction)?;
        Some(Self { minor: if minuses == 1 { -minor } else { minor }, currency: currency.trim().to_uppercase() })
    }

    /// Reads a price as a billing system shows it: `5.00 EUR / 1 mon.`, `450 руб.`, `€5`; `None` without a currency.
    pub fn from_words(words: &str) -> Option<Self> {
        let price = words.split('/').next().unwrap_or_default();
        Self::in_words(price, &currency_in(price)?)
    }
}

/// The signs that make an amount a debt: the hyphen, and the minus of typographers.
const MINUS: &str = "-\u{2212}";

/// The digits before and after the decimal separator of a number, which begins and ends with a digit. White space and
/// apostrophes only group thousands. So does a dot or a comma that is followed by the other one, or that occurs twice.
/// A single one before exactly three digits could mean either.
fn number_parts(number: &str) -> Option<(String, &str)> {
    let is_group_sign = |c: char| c.is_whitespace() || matches!(c, '\'' | '\u{2019}' | '.' | ',');
    let (whole, fraction) = match number.rsplit_once(['.', ',']) {
        None => (number, ""),
        Some((whole, fraction)) => {
            let point = number.get(whole.len()..)?.chars().next()?;
            let occurs_twice = whole.contains(point);
            let is_grouped = whole.contains(is_group_sign);
            match (occurs_twice, is_grouped) {
                (true, _) => (number, ""),
                (false, false) if fraction.len() == 3 && whole.len() <= 3 && !whole.starts_with('0') => return None,
                (false, _) => (whole, fraction),
            }
        }
    };
    let mut signs = whole.chars().filter(|c| !c.is_ascii_digit());
    let sign = signs.next();
    if sign.is_some_and(|sign| !is_group_sign(sign) || signs.any(|other| other != sign)) {
        return None;
    }
    let groups: Vec<&str> = whole.split(|c: char| Some(c) == sign).collect();
    let are_thousands = groups.iter().skip(1).all(|group| group.len() == 3) && groups.first()?.len() <= 3;
    (groups.len() == 1 || are_thousands).then(|| (groups.concat(), fraction))
}

/// Hundredths from the digits before and after the decimal separator; what is less than a hundredth is left out.
fn minor_units(whole: &str, fraction: &str) -> Option<i64> {
    let only_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !only_digits(whole) || !only_digits(fraction) {
        return None;
    }
    let cents = format!("{fraction:0<2}");
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents.get(..2)?.parse::<i64>().ok()?)
}

/// The currency's code in a text such as `EUR`, `10.00 EUR` or `€10`.
pub fn currency_in(text: &str) -> Option<String> {
    let word = text.split(|c: char| !c.is_ascii_alphabetic()).find(|word| word.len() == 3);
    let sign = || {
        [("€", "EUR"), ("$", "USD"), ("₽", "RUB"), ("руб", "RUB")]
            .into_iter()
            .find(|(sign, _)| text.contains(sign))
            .map(|(_, code)| code.to_owned())
    };
    word.map(str::to_uppercase).or_else(sign)
}

/// What a purchase cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cost {
    /// The call is not a purchase.
    None,
    /// As the seller shows it.
    Seller(Money),
    /// An estimate: our list price, because the seller shows nothing that can be read.
    ListPrice(Money),
    /// It may have cost something, and the amount is not known.
    Unknown,
}

impl Cost {
    /// The amount, where it is known.
    pub fn price(&self) -> Option<&Money> {
        match self {
            Self::Seller(price) | Self::ListPrice(price) => Some(price),
            Self::None | Self::Unknown => None,
        }
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        write!(f, "{sign}{}.{:02} {}", minor / 100, minor % 100, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One amount in all its spellings. A text that could be another amount, or is not a plain number, is not an
    /// amount.
    #[test]
    fn every_spelling_of_an_amount_is_read_and_no_unclear_one() {
        for text in [
            "1200.00",
            "1200,00",
            "1,200.00",
            "1.200,00",
            "1 200,00",
            "1\u{a0}200,00",
            "1\u{202f}200.00",
            "1 200",
            "1200",
            "1'200.00",
            "1’200,00",
            "1200.000",
            "1 200,000",
            "1200.0",
            "€1,200.00",
            "1.200,00 €",
            "1 200,00 руб.",
            "RUB 1,200.00",
            "Rs 1,200.00",
            " 1200.00 EUR ",
        ] {
            assert_eq!(Money::in_words(text, "EUR").map(|money| money.minor), Some(120_000), "{text}");
        }
        for (text, minor) in [
            ("1,200,300", 120_030_000),
            ("1.200.300,5", 120_030_050),
            ("12 345 678.9", 1_234_567_890),
            ("0,999", 99),
            ("-1 200,50", -120_050),
            ("\u{2212}3", -300),
            ("- 3.07 EUR", -307),
            ("0", 0),
        ] {
            assert_eq!(Money::in_words(text, "EUR").map(|money| money.minor), Some(minor), "{text}");
        }
        for text in [
            "1,200",
            "1.200",
            "10,999 EUR",
            "-1,200",
            "1.2e3",
            "1e5",
            "1,2,3",
            "1.200,300.50",
            "1,200 300",
            "12 34",
            "1 2345",
            "1,200.300,5",
            "1234 567",
            "1200-",
            "+5",
            "--1",
            "5 or 6",
            ".5",
            "5-6",
            "",
            "none",
            "1.234 567,00",
            "99999999999999999999",
        ] {
            assert_eq!(Money::in_words(text, "EUR"), None, "{text}");
        }
    }

    /// Amounts are read without floats, and rubbish is not an amount.
    #[test]
    fn amounts_are_read_without_floats_and_rubbish_is_no_amount() {
        for (text, minor) in [("10", 1000), ("10.5", 1050), ("1 200,00", 120_000), ("-3.07", -307), ("0.999", 99)] {
            assert_eq!(Money::parse(text, "eur").map(|m| m.minor), Some(minor), "{text}");
        }
        for text in ["", "abc", "1.x", ".", "1e5", "--1"] {
            assert_eq!(Money::parse(text, "EUR"), None, "{text}");
        }
        for (text, want) in [
            ("5.00 EUR / 1 mon.", Some("5.00 EUR")),
            ("450 руб.", Some("450.00 RUB")),
            ("€ 1 200,50 / 12", Some("1200.50 EUR")),
            ("0.00 EUR / -100 mon.", Some("0.00 EUR")),
            ("5.00", None),
            ("free", None),
        ] {
            assert_eq!(Money::from_words(text).map(|money| money.to_string()).as_deref(), want, "{text}");
        }
        assert_eq!(Money { minor: -5, currency: "EUR".into() }.to_string(), "-0.05 EUR");
    }
}
