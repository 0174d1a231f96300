//! How a seller words what it answers: a choice for each thing in which live sellers and their documents differ.
//! Nothing here changes what the seller does or bills. `modes` gives each choice a name and its source.
use super::World;
use super::catalogue::Family;
use super::element;
use chrono::NaiveDate;

/// The place of the license's number in the answer of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderNumber {
    /// `<id>`
    Id,
    /// An element of the name `item.id`.
    ItemId,
    /// `<item><id>`
    ItemChild,
    /// `<item id="…">`
    ItemAttribute,
    /// `<ok/>` alone.
    Nowhere,
}

/// The tariff as a list shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListTariff {
    /// `pricelist` is the code, or the name with `Options::list_pricelist_name`.
    Pricelist,
    /// `pricelist_id` is the code, `pricelist` the name.
    PricelistId,
}

/// The names of the days on which address and key last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeDates {
    /// `real_ipchange`, `real_keychange`
    Real,
    /// `ip_change_date`, `lickey_change_date`
    Change,
    /// Both; those named `real_…` stay at the day of the order.
    Both,
}

/// How a day is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Days {
    /// `2026-12-31`
    Iso,
    /// `2026-12-31 00:00:00`
    WithTime,
    /// `31.12.2026`
    Dotted,
}

/// How an amount is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amounts {
    /// `1234.56`, and the currency in a field of its own.
    Plain,
    /// `1 234,56 EUR`, the blank one that does not break.
    Spaces,
    /// `1,234.56 EUR`
    Commas,
    /// `1.234,56 EUR`
    Points,
}

/// The form in which the name of a license is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Kept as typed.
    Typed,
    /// `&` becomes `&amp;` before it is stored.
    Escaped,
    /// Cut to 32 letters.
    Cut,
    /// No white space at the ends, single blanks within.
    Squeezed,
    /// Small letters only.
    LowerCase,
}

/// The answer of a successful `*.edit` with sok=ok.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// `<ok/>`; a new key as `lickey`.
    Ok,
    /// The whole record.
    Record,
    /// The whole record under `doc/doc`.
    Nested,
    /// `<ok/>`, for a new key too.
    Silent,
}

/// The function that lists what is sold to the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offers {
    /// Nobody: the functions are unknown.
    Untold,
    /// `pricelist.export`
    Export,
    /// The first step of `soft.order`, a form with a list of tariffs.
    OrderForm,
}

/// The functions that take orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderApi {
    /// `ITEMTYPE.order.param`
    Old,
    /// `v2.ITEMTYPE.order.param`; the old one is unknown.
    New,
}

/// How an order of a tariff that this account is not sold is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsold {
    /// About the field `pricelist`.
    Value,
    /// The type alone says it.
    Wizard,
    /// The text alone says it.
    NoTariffs,
}

/// The clients that may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Whoever has the right password.
    Open,
    /// Nobody: a captcha would have to be solved. The type says so.
    Captcha,
    /// The same; only the text says so.
    CaptchaText,
    /// Nobody from this address.
    AllowList,
}

/// The columns of lists of other software.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalList {
    /// Those of `soft`.
    AsSoft,
    /// Those of their document and no others.
    Document,
    /// Those of their document without the name.
    Nameless,
}

/// How many reads of single licenses are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// So many at once.
    pub burst: u32,
    /// One more each so many milliseconds.
    pub refill_ms: u64,
}

/// The choices.
#[derive(Debug, Clone)]
pub struct Dialect {
    pub order_number: OrderNumber,
    pub list_tariff: ListTariff,
    pub change_dates: ChangeDates,
    /// The status is called `item_status`, in lists and cards.
    pub item_status: bool,
    pub days: Days,
    pub amounts: Amounts,
    pub names: Names,
    pub changed: Changed,
    /// `*.edit` shows its fields under `doc/doc`.
    pub nested_card: bool,
    /// `service.prolong` answers `doc/newexpiredate` instead of `doc/doc/newexpiredate`, which is the attested form.
    pub flat_prolong: bool,
    pub external_list: ExternalList,
    pub order_api: OrderApi,
    /// A key begins with the number of its license and a hyphen.
    pub numbered_keys: bool,
    pub unsold: Unsold,
    pub door: Door,
    pub pace: Option<Pace>,
    /// Each answer takes so long.
    pub slow_ms: u64,
    /// An outward address is taken and never shown.
    pub hides_remoteip: bool,
    /// The form of a license counts its domains.
    pub counts_domains: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            order_number: OrderNumber::Id,
            list_tariff: ListTariff::Pricelist,
            change_dates: ChangeDates::Real,
            item_status: false,
            days: Days::Iso,
            amounts: Amounts::Plain,
            names: Names::Typed,
            changed: Changed::Ok,
            nested_card: false,
            flat_prolong: false,
            external_list: ExternalList::AsSoft,
            order_api: OrderApi::Old,
            numbered_keys: false,
            unsold: Unsold::Value,
            door: Door::Open,
            pace: None,
            slow_ms: 0,
            hides_remoteip: false,
            counts_domains: false,
        }
    }
}

/// Columns of a list of other software, as its document names them.
const EXTERNAL: &[&str] = &[
    "licname",
    "ip",
    "id",
    "pricelist",
    "account",
    "project",
    "datacentername",
    "processingmodule",
    "createdate",
    "expiredate",
    "autoprolong",
    "status_msg",
    "item_status",
    "cost",
];

impl Dialect {
    pub fn day(&self, day: Option<NaiveDate>) -> String {
        let form = match self.days {
            Days::Iso => "%Y-%m-%d",
            Days::WithTime => "%Y-%m-%d 00:00:00",
            Days::Dotted => "%d.%m.%Y",
        };
        day.map(|day| day.format(form).to_string()).unwrap_or_default()
    }

    /// An amount in minor units, without its currency.
    pub fn amount(&self, minor: i64) -> String {
        let (thousands, point) = match self.amounts {
            Amounts::Plain => ("", "."),
            Amounts::Spaces => ("\u{a0}", ","),
            Amounts::Commas => (",", "."),
            Amounts::Points => (".", ","),
        };
        let digits = (minor.abs() / 100).to_string();
        let mut whole = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                whole.push_str(thousands);
            }
            whole.push(digit);
        }
        format!("{}{whole}{point}{:02}", if minor < 0 { "-" } else { "" }, minor.abs() % 100)
    }

    /// A name as this seller stores it.
    pub fn stored(&self, name: &str) -> String {
        match self.names {
            Names::Typed => name.to_owned(),
            Names::Escaped => name.replace('&', "&amp;"),
            Names::Cut => name.chars().take(32).collect(),
            Names::Squeezed => name.split_whitespace().collect::<Vec<_>>().join(" "),
            Names::LowerCase => name.to_lowercase(),
        }
    }

    /// The answer of an order.
    pub fn ordered(&self, world: &World, id: u64) -> String {
        let number = super::reads::number(world, "id", id);
        match self.order_number {
            OrderNumber::Id => number,
            OrderNumber::ItemId => super::reads::number(world, "item.id", id),
            OrderNumber::ItemChild => format!("<item>{number}</item>"),
            OrderNumber::ItemAttribute => format!("<item id=\"{id}\"/>"),
            OrderNumber::Nowhere => "<ok/>".to_owned(),
        }
    }

    /// The end that a renewal has reached.
    pub fn prolonged(&self, end: NaiveDate) -> String {
        let day = element("newexpiredate", &self.day(Some(end)));
        if self.flat_prolong { day } else { format!("<doc>{day}</doc>") }
    }

    pub fn status_name(&self) -> &'static str {
        if self.item_status { "item_status" } else { "status" }
    }

    /// True if a list of that family has this column.
    pub fn lists(&self, family: Family, column: &str) -> bool {
        if family != Family::SoftExternal {
            return true;
        }
        match self.external_list {
            ExternalList::AsSoft => true,
            ExternalList::Document => EXTERNAL.contains(&column),
            ExternalList::Nameless => EXTERNAL.contains(&column) && column != "licname",
        }
    }
}
