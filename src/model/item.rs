//! A service of our panel, and which license it asks for (docs/licensing-rules.md 2). Nothing here reads a database.

use std::net::IpAddr;

use chrono::NaiveDate;

use super::catalogue::{Catalogue, NOPANEL};
use super::ids::{ClientId, ItemId, LicenseId, LicenseKey, ModuleId, PricelistId};
use super::period::Period;

/// `item.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemStatus {
    /// 1
    Ordered,
    /// 2
    Active,
    /// 3
    Suspended,
    /// 4
    Deleted,
    /// 5
    Processing,
    /// Anything else. Nothing is bought for such a service.
    Unknown(i32),
}

impl ItemStatus {
    /// From the panel's number.
    pub fn from_number(number: i32) -> Self {
        match number {
            1 => Self::Ordered,
            2 => Self::Active,
            3 => Self::Suspended,
            4 => Self::Deleted,
            5 => Self::Processing,
            other => Self::Unknown(other),
        }
    }

    /// The panel's number again.
    pub fn number(self) -> i32 {
        match self {
            Self::Ordered => 1,
            Self::Active => 2,
            Self::Suspended => 3,
            Self::Deleted => 4,
            Self::Processing => 5,
            Self::Unknown(other) => other,
        }
    }
}

/// The value of an addon of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddonValue {
    /// An enumeration: the chosen internal name (empty when nothing is chosen) and all names that can be chosen.
    Choice {
        /// Internal name of the chosen value.
        chosen: String,
        /// Internal names of all values of the enumeration.
        all: Vec<String>,
    },
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

/// An addon of a service (docs/interface.md 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addon {
    /// Internal name: of the addon's tariff row, else of its itemtype.
    pub name: String,
    /// Its value.
    pub value: AddonValue,
}

/// Parameters that the client set or that we saved (table itemparam); empty texts are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemParams {
    /// `ip`, as typed.
    pub ip: Option<String>,
    /// `remoteip`, as typed: the outward address of a server behind NAT.
    pub remoteip: Option<String>,
    /// `licname`, as typed.
    pub licname: Option<String>,
    /// `licid`: the license that the item shows.
    pub licid: Option<LicenseId>,
    /// `lickey`
    pub lickey: Option<LicenseKey>,
}

/// A service as the panel's database has it at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// item.id
    pub id: ItemId,
    /// item.name
    pub name: String,
    /// item.account: the client who has the service.
    pub client: ClientId,
    /// item.parent
    pub parent: Option<ItemId>,
    /// item.pricelist
    pub tariff: PricelistId,
    /// pricelist.intname
    pub tariff_intname: String,
    /// itemtype.intname: `soft`, `softexternal`, `vds`, `dedic` …
    pub itemtype: String,
    /// item.processingmodule
    pub module: Option<ModuleId>,
    /// processingmodule.module: the executable that handles the service.
    pub module_program: String,
    /// item.period
    pub period: Period,
    /// item.status
    pub status: ItemStatus,
    /// item.expiredate; `None` without an end.
    pub expires: Option<NaiveDate>,
    /// item.createdate as the database shows it. It is part of the incarnation, so that a reused id is another
    /// incarnation.
    pub created: String,
    /// item.lastpricelist when above 0: the tariff to which a refused change is rolled back.
    pub previous_tariff: Option<PricelistId>,
    /// Parameters.
    pub params: ItemParams,
    /// Addons.
    pub addons: Vec<Addon>,
    /// Its main addresses (rows of ip, itemtype ip), lowest id first.
    pub ips: Vec<IpAddr>,
}

/// The owner of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// item.id
    pub item: ItemId,
    /// item.account
    pub client: ClientId,
    /// item.createdate as the database shows it.
    pub created: String,
}

impl From<Item> for Owner {
    fn from(item: Item) -> Self {
        Self { item: item.id, client: item.client, created: item.created }
    }
}

/// The name of this module in processingmodule.module.
pub const MODULE_PROGRAM: &str = "pmisplicense";

/// Why it cannot be decided which license a service asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChoiceError {
    /// Several enumerations could be meant; their names.
    SeveralEnumerations(Vec<String>),
    /// An addon named in `panel_addons` is there, but nothing is chosen and there is no default.
    NothingChosen(String),
    /// Neither an enumeration nor an internal name of the tariff.
    NoName,
}

impl Item {
    /// Whether the service is handled by this module: its commands end with the post-call (docs/interface.md 4).
    pub fn is_ours(&self) -> bool {
        self.module_program == MODULE_PROGRAM
    }

    /// The product type of licenses themselves, as opposed to a server with the control-panel addon.
    pub fn is_license_type(&self) -> bool {
        matches!(self.itemtype.as_str(), "soft" | "softexternal")
    }

    /// Whether the name of its tariff says which license to order. For a license service of another module it does not,
    /// because that module orders the license.
    fn is_own_license(&self) -> bool {
        self.is_ours() && self.is_license_type()
    }

    /// Which internal name the service asks for (docs/licensing-rules.md 2). `panel_addons`: the setting; empty: not
    /// set.
    ///
    /// # Errors
    /// [`ChoiceError`]: nothing is guessed.
    pub fn internal_name(&self, panel_addons: &[String], catalogue: &Catalogue) -> Result<String, ChoiceError> {
        match self.panel_enumeration(panel_addons, catalogue)? {
            Some((name, "")) => Err(ChoiceError::NothingChosen(name.to_owned())),
            Some((_, chosen)) => Ok(chosen.to_owned()),
            None if self.is_own_license() && !self.tariff_intname.is_empty() => Ok(self.tariff_intname.clone()),
            None => Err(ChoiceError::NoName),
        }
    }

    /// The enumeration that holds the control panel: its name and the chosen value.
    fn panel_enumeration(
        &self,
        panel_addons: &[String],
        catalogue: &Catalogue,
    ) -> Result<Option<(&str, &str)>, ChoiceError> {
        let enumerations = || {
            self.addons.iter().filter_map(|addon| match &addon.value {
                AddonValue::Choice { chosen, all } => Some((addon.name.as_str(), chosen.as_str(), all)),
                AddonValue::Number(_) | AddonValue::Flag(_) => None,
            })
        };
        let sells = |all: &[String]| all.iter().any(|value| value == NOPANEL || catalogue.get(value).is_some());
        let mut fitting: Vec<(&str, &str)> = if panel_addons.is_empty() {
            enumerations().filter(|(_, chosen, all)| sells(all) || *chosen == NOPANEL).map(|(n, c, _)| (n, c)).collect()
        } else {
            enumerations().filter(|(name, ..)| panel_addons.iter().any(|a| a == name)).map(|(n, c, _)| (n, c)).collect()
        };
        if fitting.is_empty() && self.is_own_license() {
            // When a license's own tariff has a single enumeration, that one is meant, even if its values are not (yet)
            // known.
            let all: Vec<_> = enumerations().map(|(name, chosen, _)| (name, chosen)).collect();
            if all.len() == 1 && catalogue.get(&self.tariff_intname).is_none() {
                fitting = all;
            }
        }
        match fitting.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(*one)),
            several => {
                Err(ChoiceError::SeveralEnumerations(several.iter().map(|(name, _)| (*name).to_owned()).collect()))
            }
        }
    }

    /// The number of additional nodes that the client ordered (docs/licensing-rules.md 3), 0 without an addon for them.
    pub fn additional_nodes(&self, nodes_addons: &[String]) -> u32 {
        self.nodes_sold(nodes_addons).map_or(0, |(_, nodes)| nodes)
    }

    /// The addon with which the client orders additional nodes, and how many: the first addon that the setting names.
    pub fn nodes_sold(&self, nodes_addons: &[String]) -> Option<(&str, u32)> {
        let sold = |addon: &'_ Addon| match addon.value {
            AddonValue::Number(number) if nodes_addons.contains(&addon.name) => Some(number.max(0)),
            AddonValue::Number(_) | AddonValue::Flag(_) | AddonValue::Choice { .. } => None,
        };
        let (addon, number) = self.addons.iter().find_map(|addon| Some((addon, sold(addon)?)))?;
        Some((&addon.name, u32::try_from(number).unwrap_or(u32::MAX)))
    }

    /// The name of the license when the client chose none (docs/licensing-rules.md 3).
    pub fn default_license_name(&self) -> String {
        if self.is_license_type() {
            format!("Item #{} {}", self.id, self.name)
        } else {
            format!("Item #{} addon {}", self.id, self.name)
        }
    }
}

/// For tables of tests: an active service of ours, a month of 55227 by its tariff.
#[cfg(test)]
pub fn test_item(id: u32) -> Item {
    Item {
        id: ItemId(id),
        name: "shop".into(),
        client: ClientId(5),
        parent: None,
        tariff: PricelistId(17),
        tariff_intname: "55227".into(),
        itemtype: "soft".into(),
        module: Some(ModuleId(7)),
        module_program: MODULE_PROGRAM.into(),
        period: Period::from_panel(1),
        status: ItemStatus::Active,
        expires: "2027-02-01".parse().ok(),
        created: "2026-11-01".into(),
        previous_tariff: None,
        params: ItemParams::default(),
        addons: Vec::new(),
        ips: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(itemtype: &str, tariff_intname: &str, addons: Vec<Addon>) -> Item {
        Item { itemtype: itemtype.into(), tariff_intname: tariff_intname.into(), addons, ..test_item(42) }
    }

    fn choice(name: &str, chosen: &str, all: &[&str]) -> Addon {
        let all = all.iter().map(|value| (*value).to_owned()).collect();
        Addon { name: name.into(), value: AddonValue::Choice { chosen: chosen.into(), all } }
    }

    /// docs/licensing-rules.md 2, row by row: which enumeration counts, which value, and when there is an error instead
    /// of a guess.
    #[test]
    fn the_internal_name_is_chosen_by_the_rules_and_never_guessed() {
        let catalogue = Catalogue::builtin();
        let panel = || choice("panel", "55227", &["nopanel", "55227"]);
        let os = || choice("ostempl", "debian", &["debian", "alma"]);
        let several = ChoiceError::SeveralEnumerations(vec!["panel".into(), "panel2".into()]);
        let ok = |name: &str| Ok(name.to_owned());
        let none: &[&str] = &[];
        for (case, itemtype, intname, addons, setting, want) in [
            ("tariff of a license", "soft", "55228", vec![], none, ok("55228")),
            ("enumeration before tariff", "soft", "55228", vec![panel()], none, ok("55227")),
            ("other enumerations do not count", "vds", "x", vec![os(), panel()], none, ok("55227")),
            ("several", "vds", "x", vec![panel(), choice("panel2", "nopanel", &["nopanel"])], none, Err(several)),
            (
                "setting decides",
                "vds",
                "x",
                vec![panel(), choice("p2", "nopanel", &["nopanel"])],
                &["p2"],
                ok("nopanel"),
            ),
            ("a server without one", "vds", "55227", vec![os()], none, Err(ChoiceError::NoName)),
            ("a license without a name", "soft", "", vec![], none, Err(ChoiceError::NoName)),
            ("unknown values of the only one", "soft", "lic", vec![choice("p", "odd", &["odd"])], none, ok("odd")),
            (
                "nothing chosen",
                "vds",
                "",
                vec![choice("p", "", &["nopanel"])],
                none,
                Err(ChoiceError::NothingChosen("p".into())),
            ),
        ] {
            let setting: Vec<String> = setting.iter().map(|s| (*s).to_owned()).collect();
            assert_eq!(item(itemtype, intname, addons).internal_name(&setting, &catalogue), want, "{case}");
        }
    }

    /// Nodes come from the named whole-number addon and are never negative.
    #[test]
    fn nodes_come_from_the_named_addon_and_are_never_negative() {
        let number = |name: &str, n| Addon { name: name.into(), value: AddonValue::Number(n) };
        let names = vec!["nodes".to_owned()];
        assert_eq!(item("soft", "", vec![number("disk", 9), number("nodes", 2)]).additional_nodes(&names), 2);
        assert_eq!(item("soft", "", vec![number("nodes", -2)]).additional_nodes(&names), 0);
        assert_eq!(item("soft", "", vec![]).additional_nodes(&names), 0);
    }
}
