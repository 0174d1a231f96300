//! Reads licenses and amounts out of upstream's documents. Fields may be missing, unknown, or stand in an attribute
//! `v`; only the license's number is needed.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::model::ids::{LicenseId, LicenseKey, UpstreamAddonId, UpstreamPricelistId};
use crate::model::license::{Expiry, License, LicenseStatus, LicenseTariff, Money, RemoteId, currency_in};
use crate::model::period::Period;
use crate::xml::Element;

/// A license from the document of `*.edit` or from a row of a list; `None` without a number.
pub(super) fn license(element: &Element) -> Option<License> {
    let text = |name: &str| element.value_of(name).unwrap_or_default();
    let day = |name: &str| element.value_of(name).and_then(date);
    Some(License {
        id: text("id").parse::<LicenseId>().ok().filter(|id| id.0 > 0)?,
        name: element.value_of("licname").map(str::to_owned),
        ip: text("ip").parse().ok(),
        remoteid: match element.value_of("remoteid") {
            None => RemoteId::Absent,
            Some("") => RemoteId::Empty,
            Some(text) => RemoteId::Text(text.to_owned()),
        },
        tariff: match element.value_of("pricelist") {
            None | Some("") => LicenseTariff::Absent,
            Some(text) => match text.parse::<UpstreamPricelistId>() {
                Ok(id) => LicenseTariff::Id(id),
                Err(_) => LicenseTariff::Name(text.to_owned()),
            },
        },
        period: text("period").parse().ok().map(Period::from_panel),
        status: LicenseStatus::from_number(text("status").parse().unwrap_or(0)),
        changing: text("special_status") == "1",
        key: LicenseKey::parse(text("lickey")),
        created: day("createdate"),
        expires: expiry(element.value_of("expiredate")),
        autoprolong: element.value_of("autoprolong").map(|text| !matches!(text, "" | "null" | "off" | "0")),
        ip_changed: day("real_ipchange"),
        key_changed: day("real_keychange"),
        addons: addons(element),
        cost: element.value_of("cost").filter(|text| !text.is_empty()).map(str::to_owned),
    })
}

/// When a license runs out. An empty field, or the panel's 0000-00-00, says that there is no end; without the field, or
/// with words that are no day, nothing is known.
fn expiry(field: Option<&str>) -> Expiry {
    match field {
        None => Expiry::Unknown,
        Some(text) if text.is_empty() || text.starts_with("0000-00-00") || text.starts_with("00.00.0000") => {
            Expiry::Never
        }
        Some(text) => date(text).map_or(Expiry::Unknown, Expiry::On),
    }
}

/// The day of `YYYY-MM-DD` or `DD.MM.YYYY`, with a time or without: those have one meaning only. `None` for anything
/// else, the panel's 0000-00-00 included.
pub(super) fn date(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    let (day, rest) = (text.get(..DAY_CHARS)?, text.get(DAY_CHARS..)?);
    let has_shape = |shape: &str| {
        shape.bytes().zip(day.bytes()).all(|(wanted, found)| match wanted {
            b'9' => found.is_ascii_digit(),
            sign => found == sign,
        })
    };
    if !(rest.is_empty() || rest.starts_with([' ', 'T'])) {
        return None;
    }
    if has_shape("9999-99-99") {
        return NaiveDate::parse_from_str(day, "%Y-%m-%d").ok();
    }
    has_shape("99.99.9999").then(|| NaiveDate::parse_from_str(day, "%d.%m.%Y").ok()).flatten()
}

/// Characters of a day without its time.
const DAY_CHARS: usize = 10;

fn addons(element: &Element) -> BTreeMap<UpstreamAddonId, u32> {
    let numbered = |child: &Element| {
        let addon = child.name.strip_prefix("addon_")?.parse().ok()?;
        Some((addon, child.value().parse().ok()?))
    };
    element.children.iter().filter_map(numbered).collect()
}

/// The balance of `subaccount`: of the document itself, else of its first row that shows one.
pub(super) fn balance(rows: &[Element], doc: &Element) -> Option<Money> {
    std::iter::once(doc).chain(rows).find_map(balance_of)
}

fn balance_of(element: &Element) -> Option<Money> {
    let said = element.value_of("balance")?;
    let named = ["currency", "currency_iso", "currency_str"].iter().find_map(|name| {
        let text = element.value_of(name)?;
        currency_in(text)
    });
    let currency = named.or_else(|| currency_in(said)).unwrap_or_default();
    Money::in_words(said, &currency)
}

/// Who is logged in, from the document of `whoami`.
pub(super) fn user(doc: &Element) -> Option<String> {
    let user = doc.child("user");
    let named = user.and_then(|user| user.attribute("name")).or_else(|| user.map(Element::value));
    let fields = ["username", "name", "realname"].iter().find_map(|name| doc.value_of(name));
    named.filter(|name| !name.is_empty()).or(fields).filter(|name| !name.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::license::ends;
    use crate::xml;

    fn element(text: &str) -> Element {
        xml::parse(text.as_bytes(), 1 << 20).expect("a document")
    }

    /// A full document of soft.edit.
    #[test]
    fn full_license() {
        let license = license(&element(
            "<doc><id v='1001'/><licname>shop</licname><ip>192.0.2.7</ip><remoteid> pml-abcdefgh-42-1 </remoteid>\
             <pricelist>55227</pricelist><pricelist_name>Lite</pricelist_name><period>1</period><status v='2'/>\
             <special_status>1</special_status><lickey>KEY</lickey><createdate>2026-11-01 10:00:00</createdate>\
             <expiredate>2026-12-01</expiredate><autoprolong>1</autoprolong><real_ipchange>2026-11-02</real_ipchange>\
             <real_keychange>0000-00-00</real_keychange><addon_55236>3</addon_55236><addon_x>1</addon_x>\
             <addon_7>yes</addon_7><cost>5.00 EUR</cost></doc>",
        ))
        .expect("a license");
        let day = |text: &str| text.parse::<NaiveDate>().ok();
        assert_eq!(license.id, LicenseId(1001));
        assert_eq!((license.name.as_deref(), license.ip), (Some("shop"), "192.0.2.7".parse().ok()));
        assert_eq!(license.remoteid, RemoteId::Text("pml-abcdefgh-42-1".into()));
        assert_eq!(license.tariff, LicenseTariff::Id(UpstreamPricelistId(55227)));
        assert_eq!((license.period, license.status), (Some(Period::from_panel(1)), LicenseStatus::Active));
        assert!(license.changing);
        assert_eq!(license.key, LicenseKey::parse("KEY"));
        assert_eq!((license.created, license.expires), (day("2026-11-01"), ends("2026-12-01")));
        assert_eq!((license.ip_changed, license.key_changed), (day("2026-11-02"), None));
        assert_eq!(license.autoprolong, Some(true));
        assert_eq!(license.addons, BTreeMap::from([(UpstreamAddonId(55236), 3)]));
        assert_eq!(license.cost.as_deref(), Some("5.00 EUR"));
    }

    /// Missing and odd fields are said to be so, and never guessed.
    #[test]
    fn odd_fields() {
        let bare = license(&element("<elem><id>7</id></elem>")).expect("a license");
        assert_eq!((&bare.remoteid, &bare.tariff), (&RemoteId::Absent, &LicenseTariff::Absent));
        assert_eq!((bare.ip, bare.period, bare.key), (None, None, None));
        assert_eq!((bare.status, bare.autoprolong, bare.expires), (LicenseStatus::Absent, None, Expiry::Unknown));
        let odd = license(&element(
            "<elem><id>7</id><remoteid/><pricelist>ISPmanager 6 Lite</pricelist><ip>no</ip><status>x</status>\
             <autoprolong>null</autoprolong><expiredate>soon, perhaps</expiredate><lickey> </lickey></elem>",
        ))
        .expect("a license");
        assert_eq!(odd.remoteid, RemoteId::Empty);
        assert_eq!(odd.tariff, LicenseTariff::Name("ISPmanager 6 Lite".into()));
        assert_eq!((odd.ip, odd.key, odd.expires, odd.autoprolong), (None, None, Expiry::Unknown, Some(false)));
        for text in ["<elem/>", "<elem><id/></elem>", "<elem><id>x</id></elem>", "<elem><id>0</id></elem>"] {
            assert_eq!(license(&element(text)), None, "{text}");
        }
        for (text, want) in [("", false), ("off", false), ("0", false), ("12", true), ("on", true)] {
            let doc = element(&format!("<doc><id>1</id><autoprolong>{text}</autoprolong></doc>"));
            assert_eq!(license(&doc).and_then(|l| l.autoprolong), Some(want), "{text}");
        }
    }

    /// Days in the spellings that can mean one day only; "no end" is said in so many words; anything else is not known.
    #[test]
    fn days() {
        for (text, want) in [
            ("2026-12-26", "2026-12-26"),
            ("2026-12-26 23:59:59", "2026-12-26"),
            ("2026-12-26T00:00:00+03:00", "2026-12-26"),
            ("26.12.2026", "2026-12-26"),
            (" 26.12.2026 10:00 ", "2026-12-26"),
        ] {
            assert_eq!(date(text), want.parse().ok(), "{text}");
            assert_eq!(expiry(Some(text)), ends(want), "{text}");
        }
        for text in [
            "26/12/2026",
            "12/26/2026",
            "2026/12/26",
            "26.12.26",
            "6.12.2026",
            "2026-13-01",
            "31.02.2027",
            "2026-12-261",
            "20261226",
            "Dec 26, 2026",
            "soon, perhaps",
            "null",
            "1798243200",
            "+026-12-26",
            "２０２６-12-26",
        ] {
            assert_eq!((date(text), expiry(Some(text))), (None, Expiry::Unknown), "{text}");
        }
        for text in ["", "0000-00-00", "0000-00-00 00:00:00", "00.00.0000"] {
            assert_eq!((date(text), expiry(Some(text))), (None, Expiry::Never), "{text}");
        }
        assert_eq!(expiry(None), Expiry::Unknown);
    }

    /// Balances as billing systems word them.
    #[test]
    fn balances() {
        for (row, want) in [
            ("<balance>10.50 EUR</balance>", Some("10.50 EUR")),
            ("<balance>-3</balance><currency>usd</currency>", Some("-3.00 USD")),
            ("<balance>1 200,00 руб.</balance>", Some("1200.00 RUB")),
            ("<balance>€5</balance>", Some("5.00 EUR")),
            ("<balance>12</balance>", Some("12.00 ")),
            ("<balance>none</balance>", None),
            ("<x/>", None),
        ] {
            let money = balance(&[element(&format!("<elem>{row}</elem>"))], &element("<doc/>"));
            assert_eq!(money.map(|m| m.to_string()).as_deref(), want, "{row}");
        }
    }

    /// The login's name in each of its places.
    #[test]
    fn users() {
        for (doc, want) in [
            ("<doc><user name='me' level='16'/></doc>", Some("me")),
            ("<doc><user>me</user></doc>", Some("me")),
            ("<doc><username>me</username></doc>", Some("me")),
            ("<doc/>", None),
        ] {
            assert_eq!(user(&element(doc)).as_deref(), want, "{doc}");
        }
    }
}
