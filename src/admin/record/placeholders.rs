//! Replaces names, addresses, keys, amounts and secrets of a record by placeholders of the same shape. The same text
//! always gets the same placeholder, so relations stay visible: the number of a license and the key that begins with
//! it, a service and the remoteid that names it.
//!
//! A value is replaced unless it is known to be harmless. So a field that nobody thought of is replaced too.

mod words;

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use self::words::WORDS;
use crate::model::catalogue::Catalogue;
use crate::ports::is_secret_name;
use crate::xml::Element;

/// The replacement for a secret. It does not show the length either.
const MASK: &str = "***";

/// The beginning of every mark of ours.
const MARK: &str = "pml-";

/// Elements that are left out completely: an echo of the request with its login, and labels of the panel.
const LEFT_OUT: &[&str] = &["tparams", "messages"];

/// Fields with a small number or a switch.
const FLAGS: &[&str] = &[
    "status",
    "item_status",
    "special_status",
    "period",
    "order_period",
    "autoprolong",
    "p_num",
    "p_cnt",
    "level",
    "active",
    "crypted",
    "ip_count",
];

/// Fields with texts of the seller. Their common words may stay.
const WORDY: &[&str] = &["msg", "detail", "cost", "price", "currency", "currency_iso", "currency_str", "balance"];

/// Fields that hold the code of a tariff or its name.
const TARIFF: &[&str] = &["pricelist", "pricelist_id", "pricelist_name", "key"];

/// Elements whose attribute `name` is the name of a field or of another part of a form.
const STRUCTURE: &[&str] = &[
    "param", "metadata", "form", "page", "field", "input", "select", "textarea", "list", "slist", "col", "coldata",
    "toolbar", "toolgrp", "toolbtn", "msg", "link", "if", "option",
];

/// Attributes that hold a word of the protocol.
const PROTOCOL: &[&str] = &["type", "object", "lang", "func", "hide", "depend", "required", "private", "check"];

/// Which part of a value may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing, not even its length.
    Secret,
    /// A small number or a switch, whole.
    Flag,
    /// A code of the catalogue, or the words of a tariff's name.
    Tariff,
    /// Common words.
    Wordy,
    /// A word of the protocol, whole.
    Protocol,
    /// Only its shape.
    Data,
}

/// The placeholders given out so far.
#[derive(Debug)]
pub struct Placeholders {
    words: HashMap<String, String>,
    numbers: HashMap<String, String>,
    addresses: HashMap<IpAddr, IpAddr>,
    /// How many words or numbers of each length were given out.
    counts: HashMap<(bool, usize), u64>,
    codes: BTreeSet<String>,
    /// Private words, which are replaced even where a word of the protocol would stay.
    private: BTreeSet<String>,
}

impl Default for Placeholders {
    fn default() -> Self {
        let catalogue = Catalogue::builtin();
        let addons = catalogue.iter().filter_map(|product| product.nodes_addon.map(|addon| addon.to_string()));
        let codes = catalogue.iter().map(|product| product.pricelist.to_string()).chain(addons).collect();
        Self {
            words: HashMap::new(),
            numbers: HashMap::new(),
            addresses: HashMap::new(),
            counts: HashMap::new(),
            codes,
            private: BTreeSet::new(),
        }
    }
}

impl Placeholders {
    /// From now on this word is replaced everywhere.
    pub fn hide(&mut self, word: &str) {
        self.private.insert(word.to_lowercase());
    }

    /// The document with every value made harmless. Elements and attributes keep their names.
    pub fn document(&mut self, element: &Element) -> Element {
        let mut out = Element::new(&element.name);
        let kind = kind_of(&element.name);
        // `<param name="password">`, `<name>DBPassword</name><value>…</value>`: named beside the value.
        let named = element.attribute("name").or_else(|| element.value_of("name"));
        let hides = named.is_some_and(is_password_name);
        for (name, value) in &element.attributes {
            let of_attribute = match name.as_str() {
                "v" | "value" if hides => Kind::Secret,
                "v" | "value" => kind,
                "name" if STRUCTURE.contains(&element.name.as_str()) => Kind::Protocol,
                other if PROTOCOL.contains(&other) => Kind::Protocol,
                other => kind_of(other),
            };
            out.attributes.push((name.clone(), self.value(of_attribute, value)));
        }
        out.text = self.value(if hides { Kind::Secret } else { kind }, &element.text);
        for child in element.children.iter().filter(|child| !LEFT_OUT.contains(&child.name.as_str())) {
            let hidden = hides && child.name == "value";
            let mut child = self.document(child);
            if hidden && !child.text.is_empty() {
                child.text = MASK.to_owned();
            }
            out.children.push(child);
        }
        out
    }

    /// A text with only its shape kept.
    pub fn text(&mut self, text: &str) -> String {
        self.value(Kind::Data, text)
    }

    fn value(&mut self, kind: Kind, text: &str) -> String {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return String::new();
        }
        let harmless = match kind {
            Kind::Secret => return MASK.to_owned(),
            Kind::Flag => is_flag(trimmed),
            Kind::Tariff => is_flag(trimmed) || self.codes.contains(trimmed),
            Kind::Protocol => is_protocol(trimmed) && !self.private.contains(trimmed),
            Kind::Wordy | Kind::Data => false,
        };
        if harmless || is_day(trimmed) || trimmed == "free.lic" {
            return trimmed.to_owned();
        }
        match item_name(trimmed).or_else(|| trimmed.starts_with(MARK).then(|| trimmed.split_at(MARK.len()))) {
            Some((MARK, rest)) => MARK.to_owned() + &self.shape(kind, rest),
            Some((head, rest)) => self.shape(Kind::Wordy, head) + &self.shape(kind, rest),
            None => self.shape(kind, trimmed),
        }
    }

    /// Replaces addresses, words and numbers, and keeps everything between them.
    fn shape(&mut self, kind: Kind, text: &str) -> String {
        let mut out = String::new();
        for piece in pieces(text, |c| c.is_alphanumeric() || matches!(c, '.' | ':' | '_')) {
            let bare = piece.trim_end_matches(['.', ':']);
            match self.address(bare) {
                Some(address) => out.push_str(&(address + &piece[bare.len()..])),
                None => pieces(piece, char::is_alphanumeric).for_each(|word| self.letters(kind, word, &mut out)),
            }
        }
        out
    }

    /// Keeps common words and codes of the catalogue. In other words it replaces runs of letters and of digits.
    fn letters(&mut self, kind: Kind, word: &str, out: &mut String) {
        let stays = match kind {
            Kind::Wordy => is_everybodys(word),
            // "ISPmanager 6 Lite": the version is part of the product.
            Kind::Tariff => is_everybodys(word) || self.codes.contains(word) || (word.len() == 1 && is_flag(word)),
            Kind::Secret | Kind::Flag | Kind::Protocol | Kind::Data => false,
        };
        if stays {
            return out.push_str(word);
        }
        for run in pieces(word, |c| (c.is_alphabetic(), c.is_numeric())) {
            if run.starts_with(char::is_alphabetic) {
                out.push_str(&self.word(run));
            } else if run.starts_with(char::is_numeric) {
                out.push_str(&self.number(run));
            } else {
                out.extend(run.chars().map(|c| if is_common(c) { c } else { '?' }));
            }
        }
    }

    fn address(&mut self, text: &str) -> Option<String> {
        if let Ok(socket) = text.parse::<SocketAddr>() {
            let ip = self.stand_in(socket.ip());
            let port = self.number(&socket.port().to_string());
            return Some(if ip.is_ipv6() { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") });
        }
        let ip: IpAddr = text.parse().ok()?;
        Some(self.stand_in(ip).to_string())
    }

    fn stand_in(&mut self, ip: IpAddr) -> IpAddr {
        if ip.is_unspecified() || ip.is_loopback() {
            return ip;
        }
        let number = u16::try_from(self.addresses.len()).unwrap_or(u16::MAX);
        *self.addresses.entry(ip).or_insert_with(|| match ip {
            IpAddr::V4(_) => {
                let [block, last] = [number / 254 % 3, number % 254 + 1];
                let [a, b, c] = [[192, 0, 2], [198, 51, 100], [203, 0, 113]][usize::from(block)];
                Ipv4Addr::new(a, b, c, u8::try_from(last).unwrap_or(254)).into()
            }
            IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number + 1).into(),
        })
    }

    /// The placeholder of a word: the same number of letters, in the same alphabet and case.
    fn word(&mut self, word: &str) -> String {
        let folded = word.to_lowercase();
        let length = word.chars().count();
        let fresh = match self.words.get(&folded) {
            Some(known) => known.clone(),
            None => {
                let fresh = spelled(self.count(true, length), length);
                self.words.insert(folded, fresh.clone());
                fresh
            }
        };
        let dressed = word.chars().zip(fresh.chars()).map(|(was, letter)| {
            let letter = if was.is_ascii() { letter } else { cyrillic(letter) };
            if was.is_uppercase() { letter.to_uppercase().next().unwrap_or(letter) } else { letter }
        });
        dressed.collect()
    }

    /// The placeholder of a number: the same number of digits. Zero stays zero.
    fn number(&mut self, digits: &str) -> String {
        if digits.chars().all(|digit| digit == '0') {
            return digits.to_owned();
        }
        if let Some(known) = self.numbers.get(digits) {
            return known.clone();
        }
        let length = digits.chars().count();
        let count = self.count(false, length);
        let power = |exponent: usize| 10_u64.checked_pow(u32::try_from(exponent).unwrap_or(u32::MAX));
        let fresh = match (power(length - 1), power(length)) {
            (Some(first), Some(end)) => (first + count % (end - first)).to_string(),
            _ => format!("1{count:0width$}", width = length - 1),
        };
        self.numbers.insert(digits.to_owned(), fresh.clone());
        fresh
    }

    fn count(&mut self, is_word: bool, length: usize) -> u64 {
        let count = self.counts.entry((is_word, length)).or_default();
        *count += 1;
        *count - 1
    }
}

fn kind_of(name: &str) -> Kind {
    let is_tariff = TARIFF.contains(&name);
    match name {
        // A license key keeps its shape, because the number at its beginning matters.
        "lickey" => Kind::Data,
        _ if is_password_name(name) => Kind::Secret,
        _ if FLAGS.contains(&name) => Kind::Flag,
        _ if is_tariff => Kind::Tariff,
        _ if WORDY.contains(&name) => Kind::Wordy,
        _ => Kind::Data,
    }
}

/// Whether a field of that name holds a secret other than a license key.
fn is_password_name(name: &str) -> bool {
    is_secret_name(name) && !name.eq_ignore_ascii_case("lickey")
}

/// Splits a default name into `Item #42 ` or `Item #42 addon `, and the rest.
fn item_name(text: &str) -> Option<(&str, &str)> {
    let digits = text.strip_prefix("Item #")?;
    let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = &digits[..digits.len() - rest.len()];
    let rest = rest.strip_prefix(" addon").unwrap_or(rest);
    (!number.is_empty()).then(|| text.split_at(text.len() - rest.len()))
}

fn is_everybodys(word: &str) -> bool {
    let word = word.to_lowercase();
    WORDS.contains(&word.as_str()) || ["item", "addon"].contains(&word.as_str())
}

fn is_flag(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    ["on", "off", "null", "yes", "no"].contains(&text)
        || (!digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

/// A word of the protocol is short and written in lower case. It holds a dot only in the name of a function, because
/// otherwise it could be a host.
fn is_protocol(text: &str) -> bool {
    let function = ["soft.", "softexternal.", "processing.", "pricelist.", "v2.soft."];
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let dots = function.iter().any(|start| text.starts_with(start));
    text.len() <= 40
        && text.chars().any(|c| c.is_ascii_lowercase())
        && text.chars().all(|c| plain(c) || (dots && c == '.'))
}

/// `2026-12-31`, `31.12.2026`, either with a time.
fn is_day(text: &str) -> bool {
    let (day, time) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let digits = |part: &str, wanted: &str| {
        part.len() == wanted.len()
            && part.chars().zip(wanted.chars()).all(|(c, w)| if w == '0' { c.is_ascii_digit() } else { c == w })
    };
    let is_time = ["", "00:00", "00:00:00"].iter().any(|form| digits(time, form));
    (digits(day, "0000-00-00") || digits(day, "00.00.0000")) && is_time
}

fn is_common(c: char) -> bool {
    c.is_ascii() || c.is_whitespace() || matches!(c, '№' | '€' | '₽' | '«' | '»' | '—' | '–')
}

/// The n-th word with that many lower-case letters.
fn spelled(number: u64, length: usize) -> String {
    let mut letters = vec![b'a'; length];
    let mut rest = number;
    for letter in letters.iter_mut().rev() {
        *letter += u8::try_from(rest % 26).unwrap_or(0);
        rest /= 26;
    }
    letters.into_iter().map(char::from).collect()
}

fn cyrillic(letter: char) -> char {
    let offset = u32::from(letter).saturating_sub(u32::from('a'));
    char::from_u32(u32::from('а') + offset).unwrap_or('а')
}

/// A text in pieces, a new one wherever the class of the characters changes.
fn pieces<'t, C: PartialEq>(text: &'t str, class: impl Fn(char) -> C + 't) -> impl Iterator<Item = &'t str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = class(rest.chars().next()?);
        let end = rest.find(|c| class(c) != first).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests;
