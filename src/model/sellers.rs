//! Where licenses are sold: the only list of hosts, and which kind of seller an address means. The products that can be
//! bought depend on the account, not on the address.

use super::license::Family;

/// A place where the vendor sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seller {
    /// The host.
    pub host: &'static str,
    /// The address that a settings form offers; `None` for the site of a billing whose API has an address of its own.
    pub address: Option<&'static str>,
}

/// The vendor's hosts, as docs/billmanager-protocol.md tells them apart: the addresses of today before the older
/// ones.
pub const SELLERS: [Seller; 7] = [
    Seller { host: "api-eu.ispmanager.com", address: Some("https://api-eu.ispmanager.com") },
    Seller { host: "api.ispmanager.ru", address: Some("https://api.ispmanager.ru") },
    Seller { host: "api.ispmanager.com", address: Some("https://api.ispmanager.com") },
    Seller { host: "api.ispsystem.com", address: Some("https://api.ispsystem.com") },
    Seller { host: "eu.ispmanager.com", address: None },
    Seller { host: "my.ispmanager.com", address: None },
    Seller { host: "my.ispmanager.ru", address: None },
];

/// The addresses of OrderBox: the live one, and the one for demo accounts.
pub const ORDERBOX_ADDRESSES: [&str; 2] = ["https://httpapi.com/api/", "https://test.httpapi.com/api/"];

/// The kind of interface that a seller has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SellerKind {
    /// A BILLmanager: licenses of their own, with a period and an address.
    Billmanager,
    /// OrderBox: licenses that are an addon of a hosting order.
    Orderbox,
}

impl SellerKind {
    /// Which kind an address means. OrderBox: its hosts, or the path `/api` on this machine.
    pub fn of(url: &str) -> Self {
        let url = url.trim().to_ascii_lowercase();
        let host = host_of(&url);
        let is_known = ORDERBOX_ADDRESSES.iter().any(|address| host_of(address) == host.trim_end_matches(":443"));
        let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
        let is_api = path.split(['/', '?', '#']).next() == Some("api");
        if is_known || (is_api && is_this_machine(host)) { Self::Orderbox } else { Self::Billmanager }
    }

    /// The kind at which licenses of a family are bought.
    pub fn selling(family: Family) -> Self {
        match family {
            Family::Soft | Family::SoftExternal | Family::Addition => Self::Billmanager,
            Family::Orderbox => Self::Orderbox,
        }
    }

    /// An address of this kind, for advice.
    pub fn example(self) -> &'static str {
        match self {
            Self::Billmanager => "https://api.ispmanager.com",
            Self::Orderbox => ORDERBOX_ADDRESSES[0],
        }
    }

    /// Whether it can be asked what it offers to an account.
    pub fn shows_offers(self) -> bool {
        match self {
            Self::Billmanager => true,
            Self::Orderbox => false,
        }
    }

    /// Whether it answers only callers whose address the reseller has allowed. Others may get no proper answer.
    pub fn lists_callers(self) -> bool {
        match self {
            Self::Billmanager => false,
            Self::Orderbox => true,
        }
    }

    /// Whether licenses of a family are bought there.
    pub fn sells(self, family: Family) -> bool {
        self == Self::selling(family)
    }
}

/// Whether a host, perhaps with a port, is this machine.
fn is_this_machine(host: &str) -> bool {
    let bare = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The addresses that a settings form offers, in this order.
pub fn addresses() -> impl Iterator<Item = &'static str> {
    SELLERS.iter().filter_map(|seller| seller.address).chain(ORDERBOX_ADDRESSES)
}

/// The host of an address, with its port. A text that is not an address is returned unchanged.
pub fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

/// Whether an address, in lower case, is one at which licenses are sold, whatever its path and port.
pub fn is_seller(url: &str) -> bool {
    let host = host_of(url).split(':').next().unwrap_or_default();
    SELLERS.iter().any(|seller| seller.host == host)
}

/// Whether a host lies in a domain of the vendor's: such names are public.
pub fn is_public(host: &str) -> bool {
    SELLERS
        .iter()
        .filter_map(|seller| seller.host.split_once('.'))
        .any(|(_, domain)| host.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses in every spelling lead to the same host.
    #[test]
    fn every_spelling_of_an_address_leads_to_the_same_host() {
        for (url, host, sells) in [
            ("https://api.ispmanager.com", "api.ispmanager.com", true),
            ("https://api-eu.ispmanager.com/manager/billmgr", "api-eu.ispmanager.com", true),
            ("https://eu.ispmanager.com/billmgr", "eu.ispmanager.com", true),
            ("https://my.ispmanager.ru:443/billmgr?func=x", "my.ispmanager.ru:443", true),
            ("my.ispmanager.com", "my.ispmanager.com", true),
            ("api.ispsystem.com", "api.ispsystem.com", true),
            ("https://docs.ispmanager.com", "docs.ispmanager.com", false),
            ("https://example.com/api.ispmanager.com", "example.com", false),
            ("http://127.0.0.1:8080/x?y", "127.0.0.1:8080", false),
            ("", "", false),
        ] {
            assert_eq!((host_of(url), is_seller(url)), (host, sells), "{url}");
        }
        let public = ["ispmanager.com", "eu.ispmanager.com", "api.ispsystem.com", "notispmanager.com", "example.com"];
        assert_eq!(public.map(is_public), [true, true, true, false, false]);
    }

    /// Path `/api` on this machine and the hosts of OrderBox mean OrderBox; nothing else does.
    #[test]
    fn only_its_hosts_and_a_local_api_path_mean_orderbox() {
        for url in [
            "https://httpapi.com/api/",
            "https://HTTPAPI.com",
            "https://test.httpapi.com/api",
            "https://httpapi.com:443/api/",
            "http://127.0.0.1:8080/api/",
            "http://localhost:8080/api",
            "http://[::1]:8080/api/",
        ] {
            assert_eq!(SellerKind::of(url), SellerKind::Orderbox, "{url}");
        }
        for url in [
            "https://api.ispmanager.com",
            "https://api.example.com/api/",
            "http://127.0.0.1:8080/apis",
            "http://127.0.0.1:8080/",
            "https://httpapi.com.example.com/api/",
            "",
        ] {
            assert_eq!(SellerKind::of(url), SellerKind::Billmanager, "{url}");
        }
        assert!(SellerKind::Orderbox.sells(Family::Orderbox) && !SellerKind::Billmanager.sells(Family::Orderbox));
    }

    /// The addresses that a form offers are addresses of sellers.
    #[test]
    fn offered_addresses_are_sellers() {
        for seller in SELLERS {
            assert!(seller.address.is_none_or(|url| host_of(url) == seller.host), "{}", seller.host);
        }
    }
}
