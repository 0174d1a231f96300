//! Reads licenses and amounts from the seller's documents. Fields may be missing or unknown, or have their value in an
//! attribute `v`; only the license's number is required. `fields` has the names of all fields.

use chrono::NaiveDate;

use super::fields::{self, Reader, Shape};
use crate::model::ids::{LicenseId, LicenseKey};
use crate::model::license::{Expiry, License, LicenseStatus, LicenseTariff, Money, RemoteId, currency_in};
use crate::xml::Element;

/// The number of the license that an order made. `None` when the answer has none, or two.
pub(super) fn ordered(doc: &Element) -> Option<LicenseId> {
    Reader::new(doc, Shape::Document).one(&fields::ORDERED)
}

/// The end that a renewal has reached, as its answer says.
pub(super) fn renewed(doc: &Element) -> Option<NaiveDate> {
    Reader::new(doc, Shape::Document).one(&fields::RENEWED)
}

/// The new key, if the answer holds it. Often only the form does.
pub(super) fn new_key(doc: &Element) -> Option<LicenseKey> {
    Reader::new(doc, Shape::Document).one(&fields::KEY)
}

/// A license from a row of a list or from a document about one; `None` without a number.
pub(super) fn license(element: &Element, shape: Shape) -> Option<License> {
    let mut read = Reader::new(element, shape);
    let mut license = License::unknown(read.one(&fields::ID)?);
    license.name = read.one(&fields::NAME);
    license.ip = read.one(&fields::IP);
    license.remoteip = read.one(&fields::REMOTEIP);
    license.remoteid = read.one(&fields::REMOTEID).unwrap_or(RemoteId::Absent);
    license.tariff = match read.one(&fields::TARIFF) {
        Some(code) => LicenseTariff::Id(code),
        None => read.one(&fields::TARIFF_NAME).map_or(LicenseTariff::Absent, LicenseTariff::Name),
    };
    license.period = read.one(&fields::PERIOD);
    license.status = read.one(&fields::STATUS).unwrap_or(LicenseStatus::Absent);
    license.changing = read.one(&fields::CHANGING).unwrap_or(false);
    license.key = read.one(&fields::KEY);
    license.created = read.one(&fields::CREATED);
    license.expires = read.one(&fields::EXPIRES).unwrap_or(Expiry::Unknown);
    license.autoprolong = read.one(&fields::AUTOPROLONG);
    license.ip_changed = read.one(&fields::IP_CHANGED);
    license.key_changed = read.one(&fields::KEY_CHANGED);
    license.domains = read.one(&fields::DOMAINS);
    license.cost = read.one(&fields::COST);
    license.addons = read.numbered(fields::ADDON);
    (license.doubled, license.apart) = read.contradictions();
    Some(license)
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
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::ids::{UpstreamAddonId, UpstreamPricelistId};
    use crate::model::license::ends;
    use crate::model::period::Period;
    use crate::xml;

    /// Reads a license as a document and as a row. Both must give the same, unless a test says otherwise.
    fn license(element: &Element) -> Option<License> {
        let [row, document] = [Shape::Row, Shape::Document].map(|shape| super::license(element, shape));
        assert_eq!(row, document, "{element:?}");
        row
    }

    fn element(text: &str) -> Element {
        xml::parse(text.as_bytes(), 1 << 20).expect("a document")
    }

    /// A full document of soft.edit.
    #[test]
    fn a_full_document_is_read_whole() {
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

    /// Missing and odd fields are reported as such, and never guessed.
    #[test]
    fn missing_and_odd_fields_are_never_guessed() {
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

    /// Every name that a field has somewhere; the record one level down; numbers in attributes.
    #[test]
    fn every_name_of_a_field_is_read() {
        let day = |text: &str| text.parse::<NaiveDate>().ok();
        let jbs = license(&element(
            "<elem><id>7</id><pricelist_id>55227</pricelist_id><pricelist>ISPmanager 6 Lite</pricelist>\
             <item_status>2</item_status><ip_change_date>2026-11-02</ip_change_date>\
             <lickey_change_date>2026-11-03 10:00:00</lickey_change_date><webdomains>9</webdomains></elem>",
        ))
        .expect("a license");
        assert_eq!(jbs.tariff, LicenseTariff::Id(UpstreamPricelistId(55227)));
        assert_eq!((jbs.status, jbs.domains), (LicenseStatus::Active, Some(9)));
        assert_eq!((jbs.ip_changed, jbs.key_changed), (day("2026-11-02"), day("2026-11-03")));
        let both = license(&element(
            "<elem><id v='7'/><status>3</status><item_status>Stopped</item_status><real_ipchange>2026-11-02</real_ipchange>\
             <ip_change_date>2026-10-01</ip_change_date><real_keychange/>\
             <lickey_change_date>2026-11-03</lickey_change_date></elem>",
        ))
        .expect("a license");
        assert_eq!((both.ip_changed, both.key_changed), (day("2026-11-02"), day("2026-11-03")), "the later one");
        assert_eq!((both.status, both.doubled), (LicenseStatus::Stopped, Vec::<String>::new()), "words are no status");
        assert_eq!(both.apart, ["real_ipchange / ip_change_date"], "an empty day contradicts nothing");
        let nested = "<doc><metadata/><doc><id>7</id><pricelist>55227</pricelist><lickey>KEY</lickey></doc></doc>";
        let nested = super::license(&element(nested), Shape::Document).expect("a license");
        assert_eq!((nested.tariff, nested.key), (jbs.tariff, LicenseKey::parse("KEY")));
        let form = element("<doc><elid>7</elid><doc><licname>shop</licname></doc></doc>");
        let named = super::license(&form, Shape::Document).and_then(|license| license.name);
        assert_eq!(
            (named.as_deref(), super::license(&form, Shape::Row)),
            (Some("shop"), None),
            "only a document has it"
        );
        for (answer, want) in [
            ("<doc><newexpiredate>2026-12-01</newexpiredate></doc>", "2026-12-01"),
            ("<doc><doc><newexpiredate>01.12.2026</newexpiredate></doc></doc>", "2026-12-01"),
            (
                "<doc><newexpiredate>2026-12-01</newexpiredate><doc><newexpiredate>2027-01-01</newexpiredate></doc></doc>",
                "",
            ),
        ] {
            assert_eq!(renewed(&element(answer)), day(want), "{answer}");
        }
    }

    /// A field that is there twice with different values is not known, and is named; of two days of a change the later
    /// one counts, under one name or two.
    #[test]
    fn what_contradicts_itself_is_not_known_and_is_named() {
        let twice = license(&element(
            "<elem><id>7</id><id>7</id><licname>shop</licname><licname>other</licname><ip>192.0.2.7</ip>\
             <ip>192.0.2.8</ip><remoteid>pml-abcdefgh-42-1</remoteid><remoteid/><pricelist>55227</pricelist>\
             <pricelist_id>55228</pricelist_id><status>2</status><status>3</status><lickey>A</lickey><lickey>B</lickey>\
             <createdate>2026-11-01</createdate><createdate>2026-11-02</createdate><expiredate>2026-12-01</expiredate>\
             <expiredate/><autoprolong>null</autoprolong><autoprolong>1</autoprolong>\
             <real_ipchange>2026-11-02</real_ipchange><real_ipchange>2026-11-01</real_ipchange><addon_1>2</addon_1>\
             <addon_1>3</addon_1><addon_2>4</addon_2></elem>",
        ))
        .expect("a license");
        let ip_changed = "2026-11-02".parse().ok();
        let doubled = twice.doubled.clone();
        let addons = BTreeMap::from([(UpstreamAddonId(2), 4)]);
        assert_eq!(twice, License { ip_changed, addons, doubled, ..License::unknown(LicenseId(7)) });
        let names =
            "licname ip remoteid pricelist_id status lickey createdate expiredate autoprolong real_ipchange addon_1";
        assert_eq!(twice.doubled.join(" "), names);
        let same = "<elem><id>7</id><status>2</status><status v='2'/><lickey/><lickey>A</lickey></elem>";
        let same = license(&element(same)).expect("a license");
        assert_eq!((same.status, same.key), (LicenseStatus::Active, LicenseKey::parse("A")));
        assert!(same.doubled.is_empty() && same.apart.is_empty(), "{:?} {:?}", same.doubled, same.apart);
        let apart = "<elem><id>7</id><real_keychange>2026-11-01</real_keychange>\
                     <lickey_change_date>2026-11-02 10:00:00</lickey_change_date><real_ipchange>02.11.2026</real_ipchange>\
                     <ip_change_date>2026-11-02</ip_change_date></elem>";
        let apart = license(&element(apart)).expect("a license");
        assert_eq!((apart.key_changed, apart.ip_changed), (ip_changed, ip_changed));
        assert_eq!((apart.doubled.len(), apart.apart.join(" ")), (0, "real_keychange / lickey_change_date".into()));
        let two = license(&element("<elem><id>7</id><status>3</status><item_status>2</item_status></elem>"));
        let two = two.map(|license| (license.status, license.doubled));
        assert_eq!(two, Some((LicenseStatus::Absent, vec!["status".to_owned()])), "neither stopped nor running");
        for text in ["<elem><id>7</id><id>8</id></elem>", "<doc><id>7</id><elid>8</elid></doc>"] {
            assert_eq!(super::license(&element(text), Shape::Document), None, "{text}");
        }
    }

    /// Balances in the forms of billing systems.
    #[test]
    fn balances_are_read_as_billing_systems_word_them() {
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
    fn the_login_is_read_in_each_of_its_places() {
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
