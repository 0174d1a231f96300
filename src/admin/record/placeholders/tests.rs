//! The placeholder that each value gets, and the values that may stay.

use super::*;
use crate::xml;

fn replaced(document: &str) -> String {
    let parsed = xml::parse(document.as_bytes(), 1 << 20).expect("a document");
    Placeholders::default().document(&parsed).to_fragment()
}

/// Placeholders keep shapes, and equal values get equal placeholders.
#[test]
fn a_placeholder_has_the_shape_of_what_it_replaces() {
    for (value, want) in [
        ("Shop", "Aaaa"),
        ("shop.Example.com", "aaaa.Aaaaaaa.aaa"),
        ("Ещё одна фирма №7", "Ааа аааа ааааа №1"),
        ("5001-F372-AB", "1000-A100-AA"),
        ("192.0.2.77 and 192.0.2.77:443", "192.0.2.1 aaa 192.0.2.1:100"),
        ("2001:db8:7::1, [10.1.2.3]", "2001:db8::1, [192.0.2.2]"),
        ("10.0.0.0/8 0.0.0.0", "192.0.2.1/1 0.0.0.0"),
        ("-1\u{a0}234,56", "-1\u{a0}100,10"),
        ("2026-12-31", "2026-12-31"),
        ("31.12.2026 10:00", "31.12.2026 10:00"),
        ("free.lic", "free.lic"),
        ("Item #42 Service 42", "Item #10 Aaaaaaa 10"),
        ("Item #42 addon Shop", "Item #10 addon Aaaa"),
        ("pml-3m6ck9gd-42-1", "pml-1a2aa3ab-10-4"),
        ("Lite \u{1f600} Host", "Aaaa ? Aaab"),
        ("  ", ""),
    ] {
        assert_eq!(Placeholders::default().text(value), want, "{value}");
    }
    let mut placeholders = Placeholders::default();
    let [first, second] = ["license 5001 of acme", "5001-AbC"].map(|text| placeholders.text(text));
    assert_eq!((first.as_str(), second.as_str()), ("aaaaaaa 1000 aa aaaa", "1000-AaA"));
}

/// The kind of a field decides which part of its value may stay.
#[test]
fn only_what_is_known_to_be_harmless_stays() {
    for (document, want) in [
        ("<doc><status>2</status><period>-100</period></doc>", "<doc><status>2</status><period>-100</period></doc>"),
        ("<doc><status>acme</status></doc>", "<doc><status>aaaa</status></doc>"),
        (
            "<doc><pricelist>55227</pricelist><licname>55227</licname></doc>",
            "<doc><pricelist>55227</pricelist><licname>10000</licname></doc>",
        ),
        ("<doc><pricelist>ISPmanager 6 Acme</pricelist></doc>", "<doc><pricelist>ISPmanager 6 Aaaa</pricelist></doc>"),
        ("<doc><cost>12.50 EUR / 1 mon.</cost></doc>", "<doc><cost>10.11 EUR / 1 mon.</cost></doc>"),
        ("<doc><licname>ISPmanager Host</licname></doc>", "<doc><licname>AAAaaaaaaa Aaaa</licname></doc>"),
        ("<doc><lickey>AB-12</lickey><id v=\"77\"/></doc>", "<doc><lickey>AA-10</lickey><id v=\"11\"/></doc>"),
        (
            "<doc><password>x</password><a password=\"x\"/></doc>",
            "<doc><password>***</password><a password=\"***\"/></doc>",
        ),
        (
            "<doc><elem><name>DBPassword</name><value>x</value></elem></doc>",
            "<doc><elem><name>AAAaaaaaaa</name><value>***</value></elem></doc>",
        ),
        ("<doc><tparams><authinfo>a:b</authinfo></tparams><x/></doc>", "<doc><x/></doc>"),
        ("<doc host=\"https://my.acme.com:1500\"/>", "<doc host=\"aaaaa://aa.aaaa.aaa:1000\"/>"),
        ("<doc><user name=\"acme\" level=\"16\"/></doc>", "<doc><user name=\"aaaa\" level=\"16\"/></doc>"),
        (
            "<doc><error type=\"auth\" object=\"badpassword\"><msg>Access for acme denied</msg><param name=\"value\">remote_addr: [198.18.0.9]</param></error></doc>",
            "<doc><error type=\"auth\" object=\"badpassword\"><msg>Access for aaaa denied</msg><param name=\"value\">aaaaaa_aaab: [192.0.2.1]</param></error></doc>",
        ),
        (
            "<doc><slist name=\"pricelist\"><msg key=\"55227\">ISPmanager 6 Lite</msg></slist></doc>",
            "<doc><slist name=\"pricelist\"><msg key=\"55227\">ISPmanager 1 Lite</msg></slist></doc>",
        ),
    ] {
        assert_eq!(replaced(document), want, "{document}");
    }
}

/// The record of a replayed record is the same, so it can be checked against its file.
#[test]
fn placeholders_of_placeholders_are_the_same() {
    let document = "<doc><elem><id>5001</id><licname>Acme &amp; Sons, shop.example.com</licname><ip>198.18.5.6</ip>\
                    <lickey>5001-F372FE94</lickey><cost>1 234,56 EUR</cost></elem><p_elems>7</p_elems></doc>";
    let once = replaced(document);
    assert_eq!(replaced(&once), once);
    assert_ne!(once, document);
}
