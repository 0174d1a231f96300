//! Checks what a client may type: one address, a name, an internal name (docs/licensing-rules.md 3). `check_param` and
//! orders use the same checks, so that an order does not refuse what `check_param` accepted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::choice::unknown_name;
use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::catalogue::{Catalogue, NOPANEL, Product};
use crate::model::hosting::order_number;
use crate::model::ids::{MARK_PREFIX, Mark};
use crate::model::license::FREE_NAME;
use crate::text;

/// The longest name of a license in characters; the panel's own fields hold 255.
pub const NAME_CHARS: usize = 255;

/// An address that may be ordered for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The address.
    pub ip: IpAddr,
    /// A remark for the reader: a private address works behind NAT only.
    pub warning: Option<Text>,
}

/// Reads one address for a license of `product`. Without a product the strictest rule holds.
///
/// # Errors
/// `bad_value` about `ip`.
pub fn check_ip(text: &str, product: Option<&Product>) -> Result<Checked, ModuleError> {
    check_address(text, product.is_some_and(|product| product.ipv6))
}

/// Reads one address. `ipv6`: whether an IPv6 address is accepted.
///
/// # Errors
/// `bad_value` about `ip`.
pub fn check_address(text: &str, ipv6: bool) -> Result<Checked, ModuleError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(bad_ip(text, &text!("no address is given", "адрес не указан")));
    }
    if text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';')).count() > 1 {
        return Err(bad_ip(text, &text!("it is more than one address", "указано больше одного адреса")));
    }
    let Ok(ip) = text.parse::<IpAddr>() else {
        return Err(bad_ip(text, &text!("it is not an IP address", "это не IP-адрес")));
    };
    // ::ffff:192.0.2.1 is the IPv4 address that it wraps.
    let ip = ip.to_canonical();
    let reserved = match ip {
        IpAddr::V4(v4) => is_reserved_v4(v4),
        IpAddr::V6(_) if !ipv6 => {
            return Err(bad_ip(
                text,
                &text!("this license needs an IPv4 address", "для этой лицензии нужен адрес IPv4"),
            ));
        }
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_loopback() || v6.is_multicast(),
    };
    if reserved {
        let why = text!(
            "it belongs to no server (reserved range)",
            "такой адрес не может быть у сервера (служебный диапазон)"
        );
        return Err(bad_ip(text, &why));
    }
    let private = match ip {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => is_private_v6(v6),
    };
    let warning = private.then(|| {
        text!(
            "{ip} is a private or documentation address: the license works only if the server reaches the seller under it",
            "{ip} — частный или учебный адрес: лицензия заработает, только если сервер виден продавцу под ним"
        )
    });
    Ok(Checked { ip, warning })
}

/// Reads the outward address of a server behind NAT (`remoteip`). It must be one address, and is passed on unchanged.
///
/// # Errors
/// `bad_value` about `remoteip`.
pub fn check_outward(text: &str) -> Result<IpAddr, ModuleError> {
    text.trim().parse().map_err(|_| {
        let happened =
            text!("The outward address {text:?} is not one IP address", "Внешний адрес {text:?} — не один IP-адрес");
        ModuleError::new(ErrorKind::BadValue, "remoteip", text, happened)
            .changed(text!("Nothing was ordered or changed", "Ничего не заказано и не изменено"))
            .next(text!("enter another one, or none", "укажите другой или никакого"))
    })
}

fn bad_ip(value: &str, why: &Text) -> ModuleError {
    let (en, ru) = (&why.en, &why.ru);
    let message =
        text!("The address {value:?} cannot have a license: {en}", "Лицензия на адрес {value:?} невозможна: {ru}");
    ModuleError::new(ErrorKind::BadValue, "ip", value, message)
        .changed(text!("Nothing was ordered or changed", "Ничего не заказано и не изменено"))
        .next(text!("enter exactly one address of the server", "укажите ровно один адрес сервера"))
}

/// 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/3.
fn is_reserved_v4(ip: Ipv4Addr) -> bool {
    let first = ip.octets()[0];
    first == 0 || first == 127 || first >= 224
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (b == 18 || b == 19);
    ip.is_private() || ip.is_link_local() || ip.is_documentation() || shared || benchmark
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    ip.is_unique_local() || ip.is_unicast_link_local() || (first == 0x2001 && second == 0x0db8)
}

/// Checks a name that a client gives a license. An empty name means the default. The name is sent as typed: no decision
/// depends on it, so O'Neill is a good name. A mark of ours at the end of a name is accepted, because earlier versions
/// saved it there.
///
/// # Errors
/// `bad_value` about `licname`: the name of free licenses, a name that begins as our marks do, control characters,
/// too many characters.
pub fn check_licname(text: &str) -> Result<(), ModuleError> {
    let name = text.trim();
    let lower = name.to_lowercase();
    let why = if lower == FREE_NAME {
        text!("it is the name of licenses that nobody uses", "так называются никем не занятые лицензии")
    } else if lower.starts_with(MARK_PREFIX) {
        text!(
            "names that begin with {MARK_PREFIX} are for internal use",
            "имена, начинающиеся с {MARK_PREFIX}, служебные"
        )
    } else if name.chars().count() > NAME_CHARS {
        text!("it is longer than {NAME_CHARS} characters", "оно длиннее {NAME_CHARS} символов")
    } else if name.chars().any(is_control) {
        text!("control characters are not allowed", "управляющие символы недопустимы")
    } else {
        return Ok(());
    };
    let Text { en, ru } = why;
    let message = text!("A license cannot have the name {name:?}: {en}", "Лицензию нельзя назвать {name:?}: {ru}");
    Err(ModuleError::new(ErrorKind::BadValue, "licname", name, message)
        .changed(text!("Nothing was ordered or changed", "Ничего не заказано и не изменено"))
        .next(text!("enter another name, or none", "укажите другое имя или никакого")))
}

/// Line and paragraph separators break a line just as control characters do.
fn is_control(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')
}

/// Whether a word is a mark. Where the seller keeps no remoteid, the mark is at the end of the name (money-safety.md
/// 4).
fn is_mark(word: &str) -> bool {
    Mark::parse(word).is_some()
}

/// A name that we make from a service's name, without anything that [`check_licname`] refuses.
pub fn clean_licname(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if is_control(c) { ' ' } else { c }).take(NAME_CHARS).collect();
    spaced.split_whitespace().filter(|word| !is_mark(&word.to_lowercase())).collect::<Vec<_>>().join(" ")
}

/// A name without the mark that an order of ours put at its end. Clients do not see the mark.
pub fn without_mark(name: &str) -> &str {
    let (before, last) = name.trim_end().rsplit_once(char::is_whitespace).unwrap_or(("", name.trim()));
    if is_mark(&last.to_lowercase()) { before.trim_end() } else { name }
}

/// The number of a hosting order, as a client types it into the parameter `name`.
///
/// # Errors
/// `missed` when it is empty, `bad_value` when it is not a number.
pub fn check_order_number(name: &str, value: &str) -> Result<(), ModuleError> {
    if value.trim().is_empty() {
        return Err(ModuleError::new(
            ErrorKind::Missed,
            name,
            "",
            text!("The number of the hosting order is missing", "Не указан номер заказа хостинга")
                .changed(text!("Nothing was ordered", "Ничего не заказано"))
                .next(text!(
                    "enter the number that the hosting's panel shows",
                    "впишите номер, который показывает панель хостинга"
                )),
        ));
    }
    if order_number(value).is_some() { Ok(()) } else { Err(bad_order_number(name, value)) }
}

/// The error of a text that is not the number of a hosting order.
pub fn bad_order_number(name: &str, value: &str) -> ModuleError {
    ModuleError::new(
        ErrorKind::BadValue,
        name,
        value,
        text!("{value:?} is not the number of a hosting order", "{value:?} — не номер заказа хостинга")
            .changed(text!("Nothing was sent", "Ничего не отправлено"))
            .next(text!(
                "enter the digits that the hosting's panel shows",
                "впишите цифры, которые показывает панель хостинга"
            )),
    )
}

/// The product of an internal name; `None` for `nopanel`.
///
/// # Errors
/// `unknown_internal_name`, with the known names and where to add one.
pub fn check_internal_name<'c>(name: &str, catalogue: &'c Catalogue) -> Result<Option<&'c Product>, ModuleError> {
    if name == NOPANEL {
        return Ok(None);
    }
    catalogue.get(name).map(Some).ok_or_else(|| unknown_name(name, catalogue))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/licensing-rules.md 3, edges of each range: what is refused, what passes, what passes with a warning.
    #[test]
    fn each_range_of_addresses_is_refused_or_warned_of_to_its_edge() {
        for text in [
            "",
            " ",
            "x",
            "192.0.2",
            "192.0.2.256",
            "192.0.2.1 192.0.2.2",
            "192.0.2.1,192.0.2.2",
            "192.0.2.1;",
            "192.0.2.1/32",
            "192.0.2.1:80",
            "0.0.0.0",
            "0.255.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "224.0.0.0",
            "255.255.255.255",
            "2a00::1",
            "::1",
            "::ffff:127.0.0.1",
            "010.0.0.1",
            "<b>",
            "192.0.2.1\n192.0.2.2",
        ] {
            let error = check_ip(text, None).expect_err(text);
            assert_eq!((error.kind, error.object.as_str()), (ErrorKind::BadValue, "ip"), "{text}");
        }
        for text in ["192.0.2.1 192.0.2.2", "192.0.2.1,192.0.2.2"] {
            let error = check_ip(text, None).expect_err(text);
            assert!(error.message.en.contains("more than one"), "{text}: {}", error.message.en);
        }
        for (text, ip, warned) in [
            ("1.0.0.0", "1.0.0.0", false),
            (" 8.8.8.8 ", "8.8.8.8", false),
            ("126.255.255.255", "126.255.255.255", false),
            ("128.0.0.1", "128.0.0.1", false),
            ("223.255.255.255", "223.255.255.255", false),
            ("::ffff:8.8.8.8", "8.8.8.8", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("172.31.0.1", "172.31.0.1", true),
            ("172.32.0.1", "172.32.0.1", false),
            ("100.64.0.1", "100.64.0.1", true),
            ("100.128.0.1", "100.128.0.1", false),
            ("169.254.1.1", "169.254.1.1", true),
            ("192.0.2.10", "192.0.2.10", true),
            ("198.17.255.255", "198.17.255.255", false),
            ("198.18.0.1", "198.18.0.1", true),
            ("198.19.0.1", "198.19.0.1", true),
            ("198.20.0.1", "198.20.0.1", false),
            ("8.18.0.1", "8.18.0.1", false),
        ] {
            let checked = check_ip(text, None).expect(text);
            assert_eq!((checked.ip.to_string().as_str(), checked.warning.is_some()), (ip, warned), "{text}");
        }
    }

    /// IPv6 is accepted only if the product allows it, and loopback never.
    #[test]
    fn ipv6_is_accepted_only_if_the_product_allows_it() {
        let mut product = Product::new("x", "x", 1);
        assert!(check_ip("2a00::1", Some(&product)).is_err());
        product.ipv6 = true;
        assert_eq!(check_ip("2a00::1", Some(&product)).expect("allowed").warning, None);
        for (text, warned) in [
            ("2001:db8::1", true),
            ("2001:db9::1", false),
            ("2a00:db8::1", false),
            ("fd00::1", true),
            ("fe80::1", true),
        ] {
            assert_eq!(check_ip(text, Some(&product)).expect("allowed").warning.is_some(), warned, "{text}");
        }
        for text in ["::", "::1", "ff02::1", "2a00::1 2a00::2"] {
            assert!(check_ip(text, Some(&product)).is_err(), "{text}");
        }
    }

    /// Names that look like ours or break a line are refused. All other names pass.
    #[test]
    fn a_name_that_looks_like_ours_or_breaks_a_line_is_refused() {
        let long = "я".repeat(NAME_CHARS + 1);
        for text in
            ["free.lic", " Free.LIC ", "pml-abcdefgh-1-2", "PML-x", "a\nb", "a\u{7f}b", "a\u{2028}b", long.as_str()]
        {
            let error = check_licname(text).expect_err(text);
            assert_eq!((error.kind, error.object.as_str()), (ErrorKind::BadValue, "licname"), "{text}");
            assert_eq!(check_licname(&clean_licname(&format!("Item #42 {text}"))), Ok(()), "{text}");
        }
        let longest = "я".repeat(NAME_CHARS);
        for text in [
            "",
            "shop",
            "Магазин №5",
            "O'Neill & Sons",
            "shop pml-abcdefgh-1-2",
            "ООО \"Ромашка\"",
            "<b>`a`</b>",
            "my free.lic",
            "xpml-1",
            "shop pml-1",
            "50% off; \\o/",
            longest.as_str(),
        ] {
            assert_eq!(check_licname(text), Ok(()), "{text}");
        }
        assert_eq!(clean_licname("Item #42  \"Al's\tshop\" pml-abcdefgh-1-2"), "Item #42 \"Al's shop\"");
        for (name, want) in [
            ("shop pml-abcdefgh-1-2", "shop"),
            ("shop  PML-ABCDEFGH-free ", "shop"),
            ("pml-abcdefgh-1-2", ""),
            ("two  blanks", "two  blanks"),
            ("shop pml-1", "shop pml-1"),
            ("pml-abcdefgh-1-2 shop", "pml-abcdefgh-1-2 shop"),
            ("", ""),
        ] {
            assert_eq!(without_mark(name), want, "{name}");
        }
    }

    /// The error of an unknown name lists the known ones.
    #[test]
    fn the_error_of_an_unknown_name_lists_the_known_ones() {
        let catalogue = Catalogue::builtin();
        assert_eq!(check_internal_name(NOPANEL, &catalogue), Ok(None));
        let product = check_internal_name("55227", &catalogue).expect("known").expect("a product");
        assert_eq!(product.internal_name, "55227");
        let error = check_internal_name("lite", &catalogue).expect_err("unknown");
        assert_eq!((error.kind, error.value.as_str()), (ErrorKind::UnknownInternalName, "lite"));
        assert!(error.message.en.contains("55227, ") && error.message.ru.contains("nopanel"));
    }
}
