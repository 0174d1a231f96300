//! The seller's address. People write one address in many ways, and the account from which a module buys must not
//! depend on the spelling. All code that calls an address or compares two of them uses the normal form that is made
//! here.

use url::Url;

use super::sellers::SellerKind;

/// The path that is called when an address names none.
const DEFAULT_PATH: &str = "/manager/billmgr";

/// The path that is called at OrderBox when an address names none.
const ORDERBOX_PATH: &str = "/api";

/// The address as it is called: without surrounding blanks, query, fragment and slashes at the end; scheme and host in
/// lower case; the default path where none is named; no port that the scheme implies. `None`: the text is not an
/// address.
pub fn called_address(text: &str) -> Option<Url> {
    let mut url = Url::parse(text.trim()).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    let default = match SellerKind::of(text) {
        SellerKind::Orderbox => ORDERBOX_PATH,
        SellerKind::Billmanager => DEFAULT_PATH,
    };
    url.set_path(if path.is_empty() { default } else { &path });
    Some(url)
}

/// The address as a text that is equal for two spellings of it. A text that is not an address is returned unchanged.
pub fn normal_address(text: &str) -> String {
    called_address(text).map_or_else(|| text.trim().trim_end_matches('/').to_owned(), String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_are_one_address() {
        let want = "https://api.example.com/manager/billmgr";
        for text in [
            "https://api.example.com/manager/billmgr",
            "https://api.example.com/manager/billmgr/",
            "https://api.example.com/manager/billmgr//",
            "https://api.example.com/manager/billmgr?func=logon#top",
            "https://api.example.com",
            "https://api.example.com/",
            "  https://api.example.com\n",
            "HTTPS://API.Example.COM",
            "https://api.example.com:443/",
        ] {
            assert_eq!(normal_address(text), want, "{text:?}");
        }
    }

    #[test]
    fn other_hosts_ports_and_paths_are_other_addresses() {
        let of = normal_address("https://api.example.com");
        for text in [
            "http://api.example.com",
            "https://api.example.com:1500",
            "https://my.example.com",
            "https://api.example.com/x",
        ] {
            assert_ne!(normal_address(text), of, "{text}");
        }
        assert_ne!(
            normal_address("https://api.example.com/Billmgr"),
            normal_address("https://api.example.com/billmgr")
        );
        assert_eq!(normal_address(" not an address/ "), "not an address");
    }
}
