//! How one seller differs from another: none of it is known for certain about the real one.

use serde::{Deserialize, Serialize};

use pmisplicense::model::license::FREE_NAME;

use crate::rng::Rng;

/// What this seller makes of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    AsSent,
    Escaped,
    Cut,
    LowerCase,
}

impl Names {
    /// The name as it is shown.
    pub fn kept(self, name: &str) -> String {
        match self {
            _ if name == FREE_NAME => name.to_owned(),
            Self::AsSent => name.to_owned(),
            Self::Escaped => name.replace('&', "&amp;").replace('\'', "&#39;").replace('#', "&#35;"),
            Self::Cut => name.chars().take(8).collect(),
            Self::LowerCase => name.to_lowercase(),
        }
    }
}

/// A column that the form of a license has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    Nothing,
    Status,
    Expires,
    Name,
    Address,
}

/// How this seller differs from others: none of it is known for certain about the real one.
/// A recorded one that lacks a habit has the plain one: it is older than that habit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Habits {
    /// Whether lists show remoteid.
    pub mark_in_list: bool,
    /// Whether `soft.edit` does.
    pub mark_in_edit: bool,
    /// Whether lists show dates.
    pub dates_in_list: bool,
    /// Whether lists show the tariff's name instead of its number.
    pub tariff_name_in_list: bool,
    /// Whether an order for a busy address is refused.
    pub refuses_busy: bool,
    /// Whether a new key needs a running license.
    pub key_needs_running: bool,
    /// Whether ordering counts as a change of address and key.
    pub order_starts_month: bool,
    /// Whether deleted licenses are still shown, with status 4.
    pub shows_deleted: bool,
    /// Whether renewing a license that ran out starts it.
    pub renewal_starts: bool,
    /// Whether an order without money is taken and left unpaid.
    pub takes_unpaid: bool,
    /// Whether a license id that was given once only grows.
    pub ids_grow: bool,
    /// Rows in a page of the list.
    pub page_rows: u32,
    /// Seconds until a key is issued.
    pub key_delay_s: i64,
    /// Whether changes of address are refused within a month of the last one.
    pub month_rule: bool,
    pub names: Names,
    /// What lists leave out.
    pub list_lacks: Column,
}

impl Default for Habits {
    fn default() -> Self {
        Self::PLAIN
    }
}

impl Habits {
    /// A seller without oddities: keys at once, marks and dates everywhere, an order starts no month of waiting.
    pub const PLAIN: Self = Self {
        mark_in_list: true,
        mark_in_edit: true,
        dates_in_list: true,
        tariff_name_in_list: false,
        refuses_busy: true,
        key_needs_running: false,
        order_starts_month: false,
        shows_deleted: true,
        renewal_starts: true,
        takes_unpaid: false,
        ids_grow: true,
        page_rows: 500,
        key_delay_s: 0,
        month_rule: true,
        names: Names::AsSent,
        list_lacks: Column::Nothing,
    };

    pub fn draw(rng: &mut Rng) -> Self {
        let mark_in_edit = rng.chance(850);
        Self {
            mark_in_edit,
            mark_in_list: mark_in_edit && rng.chance(500),
            dates_in_list: rng.chance(600),
            tariff_name_in_list: rng.chance(300),
            refuses_busy: rng.chance(600),
            key_needs_running: rng.chance(300),
            order_starts_month: rng.chance(400),
            shows_deleted: rng.chance(500),
            renewal_starts: rng.chance(500),
            takes_unpaid: rng.chance(300),
            ids_grow: rng.chance(900),
            page_rows: rng.pick(&[500, 500, 500, 3]),
            key_delay_s: rng.pick(&[0, 0, 0, 2, 600]),
            month_rule: rng.chance(700),
            ..Self::PLAIN
        }
    }

    /// The same seller with what few do, drawn apart.
    pub fn odd(self, rng: &mut Rng) -> Self {
        use Column as C;
        let names = rng.pick(&[Names::Escaped, Names::Cut, Names::LowerCase]);
        let column = rng.pick(&[C::Status, C::Expires, C::Name, C::Address]);
        Self {
            names: if rng.chance(200) { names } else { Names::AsSent },
            list_lacks: if rng.chance(200) { column } else { C::Nothing },
            ..self
        }
    }
}
