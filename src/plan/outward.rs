//! The outward address of a server behind NAT (`remoteip`), besides its own address. A seller may never show it. Then
//! the address that we sent last counts. If we sent none, the outward address is not known
//! (docs/billmanager-protocol.md, Outward addresses).

use std::net::IpAddr;

use crate::model::license::License;
use crate::model::license_row::LicenseRow;

/// Whether a text is the wanted outward address. An empty text and 0.0.0.0 mean that there is none.
pub fn is(text: &str, wanted: Option<IpAddr>) -> bool {
    text.trim().parse::<IpAddr>().ok().filter(|ip| !ip.is_unspecified()) == wanted
}

/// The known outward address of a license; `None`: not known.
pub(super) fn known<'s>(row: &'s LicenseRow, seen: &'s License) -> Option<&'s str> {
    seen.remoteip.as_deref().or(row.remoteip.as_deref())
}

/// Whether the outward address of the service has to be sent to the seller. For a service without one, only an address
/// that we sent is taken back; an address that somebody set at the seller stays.
pub fn differs(wanted: Option<IpAddr>, row: &LicenseRow, seen: &License) -> bool {
    match (wanted, known(row, seen)) {
        (Some(_), Some(known)) => !is(known, wanted),
        (Some(_), None) => true,
        (None, Some(known)) => !is(known, None) && row.remoteip.as_deref().is_some_and(|sent| !is(sent, None)),
        (None, None) => false,
    }
}

/// The outward address that is sent with a change of address. It is empty when the license may still have that of
/// another client. A seller that does not show the field does not thereby say that it is empty.
pub fn beside(wanted: Option<IpAddr>, row: &LicenseRow, seen: &License) -> Option<String> {
    let has_none = known(row, seen).is_some_and(|known| is(known, None));
    wanted.map(|ip| ip.to_string()).or_else(|| (!has_none).then(String::new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::license::test_license;
    use crate::model::license_row::test_row;

    /// By the service's value, the one that we sent last and the one that the seller shows: whether the outward address
    /// is sent, and what is sent with a change of address.
    #[test]
    fn what_is_hidden_is_neither_none_nor_anybodys() {
        for (wanted, sent, shown, is_told, along) in [
            ("", Some(""), None, false, None),
            ("", None, Some(""), false, None),
            ("", None, Some("0.0.0.0"), false, None),
            ("", None, None, false, Some("")),
            ("", Some("203.0.113.7"), None, true, Some("")),
            ("", Some("203.0.113.7"), Some(""), false, None),
            // Somebody set it at the seller.
            ("", None, Some("203.0.113.7"), false, Some("")),
            ("", Some(""), Some("203.0.113.7"), false, Some("")),
            ("203.0.113.7", None, None, true, Some("203.0.113.7")),
            ("203.0.113.7", Some("203.0.113.7"), None, false, Some("203.0.113.7")),
            ("203.0.113.7", Some("203.0.113.8"), None, true, Some("203.0.113.7")),
            ("203.0.113.7", Some("203.0.113.7"), Some("203.0.113.8"), true, Some("203.0.113.7")),
            ("203.0.113.7", None, Some("203.0.113.7"), false, Some("203.0.113.7")),
            ("2001:db8::7", None, Some("2001:DB8:0::7"), false, Some("2001:db8::7")),
        ] {
            let row = LicenseRow { remoteip: sent.map(str::to_owned), ..test_row(5001) };
            let seen = License { remoteip: shown.map(str::to_owned), ..test_license(5001) };
            let wanted_ip = wanted.parse().ok();
            let got = (differs(wanted_ip, &row, &seen), beside(wanted_ip, &row, &seen));
            assert_eq!(got, (is_told, along.map(str::to_owned)), "{wanted:?} {sent:?} {shown:?}");
        }
    }
}
