//! The only description of a license in the seller's documents: each field with the names that sellers give it, where
//! each name was seen, and what happens when there are several values. `decode` uses the values. To support another
//! dialect, add a name here.
//!
//! A field that is missing, or has no value that can be read, is not known; it is never "no". The same holds for a
//! field that is there twice with different values: nobody can say which of them is meant. Of two days of a change the
//! later one counts, because it only makes a license wait (docs/money-safety.md 3).

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use chrono::NaiveDate;

use crate::model::ids::{LicenseId, LicenseKey, UpstreamPricelistId};
use crate::model::license::{Expiry, LicenseStatus, RemoteId};
use crate::model::period::Period;
use crate::xml::Element;

/// The kind of document that holds a license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A row of a list.
    Row,
    /// A document about one license: the answer of `*.edit`, of an order, of a renewal. Its record may also be one
    /// level deeper, in `doc/doc`.
    Document,
}

/// One name of a field.
#[derive(Debug, Clone, Copy)]
struct Name {
    /// An element; `a/b`: the element b of an element a; `a@b`: the attribute b of it.
    place: &'static str,
    /// Whether rows of lists have it too.
    in_rows: bool,
    /// Where it was seen.
    source: &'static str,
}

/// A name in rows and documents.
const fn any(place: &'static str, source: &'static str) -> Name {
    Name { place, in_rows: true, source }
}

/// A name in documents about one license only.
const fn document(place: &'static str, source: &'static str) -> Name {
    Name { place, in_rows: false, source }
}

/// What happens to different values under different names.
#[derive(Debug, Clone, Copy)]
enum Several<T> {
    /// The best name counts.
    Preferred,
    /// The right one cannot be known: the field counts as not known.
    Agreeing,
    /// This function picks one of two, the more cautious one.
    Chosen(fn(T, T) -> T),
}

/// A field of a license.
pub(super) struct Field<T: 'static> {
    names: &'static [Name],
    several: Several<T>,
    /// The meaning of a text. `None`: it has none.
    read: fn(&str) -> Option<T>,
}

impl<T> Field<T> {
    const fn new(names: &'static [Name], read: fn(&str) -> Option<T>) -> Self {
        Self { names, several: Several::Preferred, read }
    }

    const fn agreeing(mut self) -> Self {
        self.several = Several::Agreeing;
        self
    }

    const fn chosen(mut self, choose: fn(T, T) -> T) -> Self {
        self.several = Several::Chosen(choose);
        self
    }

    /// The name of the field in messages: its best name.
    fn word(&self) -> &'static str {
        self.names.first().map_or("", |name| name.place)
    }
}

const VENDOR: &str = "ISPsystem: Licenses (soft)";
const JBS: &str = "joonte/jbs BillManager.php, in use since 2015";
const FORMS: &str = "forms of the panel name what they edit so";
const EXTERNAL: &str = "ISPsystem: Other software (softexternal)";
const UPMIND: &str = "upmind/provision-provider-software-licenses, in use 2025";
const NOC: &str = "460s/ispsystem_whmcs_modules billmanager_noc";
const ASSUMED: &str = "assumed: item.id read as a path";

/// The license's number. Without a number, a row or document describes no license.
pub(super) const ID: Field<LicenseId> =
    Field::new(&[any("id", VENDOR), document("elid", FORMS)], number_of_license).agreeing();

/// The number in the answer to an order. Of two different numbers, the license's cannot be known.
pub(super) const ORDERED: Field<LicenseId> = Field::new(
    &[document("id", NOC), document("item.id", JBS), document("item/id", ASSUMED), document("item@id", ASSUMED)],
    number_of_license,
)
.agreeing();

pub(super) const NAME: Field<String> = Field::new(&[any("licname", VENDOR)], |text| Some(text.to_owned()));

pub(super) const IP: Field<std::net::IpAddr> = Field::new(&[any("ip", VENDOR)], |text| text.parse().ok());

/// The outward address of a server behind NAT. An empty one means that there is none.
pub(super) const REMOTEIP: Field<String> = Field::new(&[any("remoteip", JBS)], |text| Some(text.to_owned()));

/// An empty one means that the license has no mark.
pub(super) const REMOTEID: Field<RemoteId> = Field::new(&[any("remoteid", VENDOR)], |text| {
    Some(if text.is_empty() { RemoteId::Empty } else { RemoteId::Text(text.to_owned()) })
});

/// The tariff's code.
pub(super) const TARIFF: Field<UpstreamPricelistId> =
    Field::new(&[any("pricelist_id", JBS), any("pricelist", VENDOR)], |text| text.parse().ok()).agreeing();

/// The name of the tariff, in lists that show it instead of the code.
pub(super) const TARIFF_NAME: Field<String> = Field::new(&[any("pricelist", JBS)], |text| {
    Some(text.to_owned()).filter(|text| !text.is_empty() && text.parse::<u64>().is_err())
});

pub(super) const PERIOD: Field<Period> =
    Field::new(&[any("period", VENDOR)], |text| text.parse().ok().map(Period::from_panel));

/// Two different values count as not known: neither "running" nor "stopped" may be taken for the other.
pub(super) const STATUS: Field<LicenseStatus> =
    Field::new(&[any("status", VENDOR), any("item_status", EXTERNAL)], |text| {
        text.parse().ok().map(LicenseStatus::from_number)
    })
    .agreeing();

/// A change is under way.
pub(super) const CHANGING: Field<bool> = Field::new(&[any("special_status", VENDOR)], |text| Some(text == "1"));

pub(super) const KEY: Field<LicenseKey> = Field::new(&[any("lickey", VENDOR)], LicenseKey::parse);

pub(super) const CREATED: Field<NaiveDate> = Field::new(&[any("createdate", VENDOR)], date);

/// An empty one means that there is no end.
pub(super) const EXPIRES: Field<Expiry> = Field::new(&[any("expiredate", VENDOR)], expiry);

/// The end that a renewal has reached.
pub(super) const RENEWED: Field<NaiveDate> = Field::new(&[document("newexpiredate", NOC)], date);

/// Whether the seller renews it automatically.
pub(super) const AUTOPROLONG: Field<bool> =
    Field::new(&[any("autoprolong", VENDOR)], |text| Some(!matches!(text, "" | "null" | "off" | "0")));

/// The day of the last change of address. Of two days the later one counts, because it makes us wait longer.
pub(super) const IP_CHANGED: Field<NaiveDate> =
    Field::new(&[any("real_ipchange", VENDOR), any("ip_change_date", JBS)], date).chosen(NaiveDate::max);

/// The day of the last change of key.
pub(super) const KEY_CHANGED: Field<NaiveDate> =
    Field::new(&[any("real_keychange", VENDOR), any("lickey_change_date", JBS)], date).chosen(NaiveDate::max);

/// Domains that the license's server has.
pub(super) const DOMAINS: Field<u32> = Field::new(&[any("webdomains", UPMIND)], |text| text.parse().ok());

/// For people.
pub(super) const COST: Field<String> =
    Field::new(&[any("cost", VENDOR)], |text| Some(text.to_owned()).filter(|text| !text.is_empty()));

/// The name of an addon's value: this and the addon's number.
pub(super) const ADDON: &str = "addon_";

fn number_of_license(text: &str) -> Option<LicenseId> {
    text.parse::<LicenseId>().ok().filter(|id| id.0 > 0)
}

/// When a license runs out. An empty field, or BILLmanager's 0000-00-00, means that there is no end. A text that is not
/// a day means nothing.
fn expiry(text: &str) -> Option<Expiry> {
    if text.is_empty() || text.starts_with("0000-00-00") || text.starts_with("00.00.0000") {
        return Some(Expiry::Never);
    }
    date(text).map(Expiry::On)
}

/// The day of `YYYY-MM-DD` or `DD.MM.YYYY`, with or without a time; these forms have only one meaning. `None` for
/// anything else, also for 0000-00-00.
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

impl<T> Field<T> {
    /// Its row in the document of the protocol.
    fn row(&self, what: &'static str) -> [String; 4] {
        let place =
            |name: &Name| if name.in_rows { format!("`{}`", name.place) } else { format!("`{}` *", name.place) };
        let names: Vec<String> = self.names.iter().map(place).collect();
        let mut sources: Vec<&str> = Vec::new();
        for name in self.names {
            if !sources.contains(&name.source) {
                sources.push(name.source);
            }
        }
        let several = match self.several {
            Several::Preferred => "the first name",
            Several::Agreeing => "not known",
            Several::Chosen(_) => "the later day",
        };
        [what.to_owned(), names.join(", "), several.to_owned(), sources.join("; ")]
    }
}

/// The fields for docs/billmanager-protocol.md: the meaning of each, its names with the best one first (`*`: not in
/// rows of lists), which value counts where two names have different ones, and where the names were seen.
pub fn table() -> Vec<[String; 4]> {
    vec![
        ID.row("number of a license"),
        ORDERED.row("number that an order answers"),
        NAME.row("name"),
        IP.row("address"),
        REMOTEIP.row("outward address behind NAT"),
        REMOTEID.row("mark"),
        TARIFF.row("tariff"),
        TARIFF_NAME.row("name of a tariff"),
        PERIOD.row("period"),
        STATUS.row("status"),
        CHANGING.row("change under way"),
        KEY.row("key"),
        CREATED.row("day of the order"),
        EXPIRES.row("end"),
        RENEWED.row("end after a renewal"),
        AUTOPROLONG.row("renewal by itself"),
        IP_CHANGED.row("last change of address"),
        KEY_CHANGED.row("last change of key"),
        DOMAINS.row("domains in use"),
        COST.row("cost"),
    ]
}

/// Whether a field of this name is read for a license.
pub(super) fn is_known(place: &str, shape: Shape) -> bool {
    let names = [
        ID.names,
        NAME.names,
        IP.names,
        REMOTEIP.names,
        REMOTEID.names,
        TARIFF.names,
        TARIFF_NAME.names,
        PERIOD.names,
        STATUS.names,
        CHANGING.names,
        KEY.names,
        CREATED.names,
        EXPIRES.names,
        AUTOPROLONG.names,
        IP_CHANGED.names,
        KEY_CHANGED.names,
        DOMAINS.names,
        COST.names,
    ];
    let is_addon = place.strip_prefix(ADDON).is_some_and(|number| number.parse::<u64>().is_ok());
    is_addon || names.concat().iter().any(|name| name.place == place && (name.in_rows || shape == Shape::Document))
}

/// Reads the fields of one license, and remembers those with different values.
pub(super) struct Reader<'e> {
    levels: Vec<&'e Element>,
    shape: Shape,
    doubled: Vec<String>,
    apart: Vec<String>,
}

impl<'e> Reader<'e> {
    pub(super) fn new(record: &'e Element, shape: Shape) -> Self {
        let mut levels = vec![record];
        if shape == Shape::Document {
            levels.extend(record.children_named("doc"));
        }
        Self { levels, shape, doubled: Vec::new(), apart: Vec::new() }
    }

    /// The value of a field. `None`: it has none, or different ones.
    pub(super) fn one<T: PartialEq>(&mut self, field: &Field<T>) -> Option<T> {
        let mut found: Vec<(&str, T)> = Vec::new();
        for name in field.names.iter().filter(|name| name.in_rows || self.shape == Shape::Document) {
            found.extend(self.values(name.place).filter_map(|text| Some((name.place, (field.read)(text)?))));
            if matches!(field.several, Several::Preferred) && !found.is_empty() {
                break;
            }
        }
        // If one of two names is chosen, the two may mean two things: that is another contradiction than one name
        // twice.
        let is_chosen = matches!(field.several, Several::Chosen(_));
        let is_unlike = |pair: &[(&str, T)]| pair[0].1 != pair[1].1;
        let is_doubled = found.windows(2).any(|pair| is_unlike(pair) && !(is_chosen && pair[0].0 != pair[1].0));
        if is_doubled {
            self.doubled.push(field.word().to_owned());
        }
        if is_chosen {
            let apart = found.windows(2).filter(|pair| is_unlike(pair) && pair[0].0 != pair[1].0);
            self.apart.extend(apart.map(|pair| format!("{} / {}", pair[0].0, pair[1].0)));
        }
        let mut values = found.into_iter().map(|(_, value)| value);
        match field.several {
            Several::Chosen(choose) => values.reduce(choose),
            Several::Preferred | Several::Agreeing => values.next().filter(|_| !is_doubled),
        }
    }

    fn values(&self, place: &'static str) -> impl Iterator<Item = &'e str> {
        self.levels.iter().flat_map(move |level| values_at(level, place))
    }

    /// Numbers under names that begin with `prefix`, by the rest of the name. A name that occurs twice with different
    /// values is left out.
    pub(super) fn numbered<K: Ord + Copy + FromStr>(&mut self, prefix: &str) -> BTreeMap<K, u32> {
        let (mut found, mut unlike) = (BTreeMap::new(), BTreeSet::new());
        for child in self.levels.iter().flat_map(|level| &level.children) {
            let key = child.name.strip_prefix(prefix).and_then(|rest| rest.parse::<K>().ok());
            let (Some(key), Ok(value)) = (key, child.value().parse::<u32>()) else { continue };
            if found.insert(key, value).is_some_and(|before| before != value) && unlike.insert(key) {
                self.doubled.push(child.name.clone());
            }
        }
        found.retain(|key, _| !unlike.contains(key));
        found
    }

    /// The fields that were there twice with different values, and the pairs of names that say different days.
    pub(super) fn contradictions(self) -> (Vec<String>, Vec<String>) {
        (self.doubled, self.apart)
    }
}

fn values_at<'e>(level: &'e Element, place: &'static str) -> Vec<&'e str> {
    if let Some((outer, inner)) = place.split_once('/') {
        return level.children_named(outer).flat_map(|child| child.children_named(inner)).map(Element::value).collect();
    }
    if let Some((outer, attribute)) = place.split_once('@') {
        return level.children_named(outer).filter_map(|child| child.attribute(attribute)).map(str::trim).collect();
    }
    level.children_named(place).map(Element::value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::license::ends;

    /// Days in the spellings that can mean one day only; "no end" is said in so many words; anything else is not
    /// known.
    #[test]
    fn days_are_read_where_they_can_mean_one_day_only() {
        for (text, want) in [
            ("2026-12-26", "2026-12-26"),
            ("2026-12-26 23:59:59", "2026-12-26"),
            ("2026-12-26T00:00:00+03:00", "2026-12-26"),
            ("26.12.2026", "2026-12-26"),
            (" 26.12.2026 10:00 ", "2026-12-26"),
        ] {
            assert_eq!((date(text), expiry(text)), (want.parse().ok(), Some(ends(want))), "{text}");
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
            assert_eq!((date(text), expiry(text)), (None, None), "{text}");
        }
        for text in ["", "0000-00-00", "0000-00-00 00:00:00", "00.00.0000"] {
            assert_eq!((date(text), expiry(text)), (None, Some(Expiry::Never)), "{text}");
        }
    }
}
