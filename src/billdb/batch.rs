//! Reads many items at once: a report or a comparison of a hundred thousand items needs a few queries for each few
//! hundred. A single item is a batch of one.

use std::collections::BTreeMap;

use super::*;
use crate::model::license::Money;
use crate::ports::{ItemPrice, ServiceEnd};

/// The values in an item's own row.
const ITEMS: &str = "SELECT i.id, i.name, i.account, i.parent, i.pricelist, p.intname, t.intname, i.processingmodule, \
     m.module, i.period, i.status, i.expiredate, i.createdate, i.lastpricelist \
     FROM item i LEFT JOIN pricelist p ON p.id = i.pricelist LEFT JOIN itemtype t ON t.id = p.itemtype \
     LEFT JOIN processingmodule m ON m.id = i.processingmodule WHERE i.id IN (?*) ORDER BY i.id";

const OWNERS: &str = "SELECT id, account, createdate FROM item WHERE id IN (?*) ORDER BY id";

const ENDS: &str = "SELECT id, status, expiredate FROM item WHERE id IN (?*)";

const PARAMS: &str = "SELECT item, intname, value FROM itemparam WHERE item IN (?*)";

/// The addons of items. A service does not have an addon whose row is deleted. Of several rows the newest counts.
const ADDONS: &str = "SELECT p.id, p.intname, t.intname, p.active, p.billtype, p.addontype, p.compound, p.addonlimit, \
     p.addonmax, p.addonbool, pe.intname, pe.enumeration, a.id, a.intvalue, a.boolvalue, a.addonlimit, \
     a.enumerationitem, ae.intname, ae.enumeration, i.id \
     FROM item i JOIN pricelist p ON p.parent = i.pricelist LEFT JOIN item a ON a.pricelist = p.id AND a.parent = i.id \
     AND COALESCE(a.status, 0) <> 4 LEFT JOIN itemtype t ON t.id = p.itemtype \
     LEFT JOIN enumerationitem pe ON pe.id = p.enumerationitem \
     LEFT JOIN enumerationitem ae ON ae.id = a.enumerationitem \
     WHERE i.id IN (?*) AND i.pricelist > 0 ORDER BY i.id, p.id, a.id DESC";

/// The item of a row of [`ADDONS`].
const A_OWNER: usize = 19;

const CHOICES: &str =
    "SELECT enumeration, intname FROM enumerationitem WHERE enumeration IN (?*) ORDER BY enumeration, id";

/// Addresses bound to the service itself.
const OWN_IPS: &str = "SELECT item, id, name FROM ip WHERE item IN (?*)";

/// Addresses bound to an addon of the type `ip`.
const ADDON_IPS: &str = "SELECT a.parent, ip.id, ip.name FROM item a JOIN ip ON ip.item = a.id \
     LEFT JOIN pricelist p ON p.id = a.pricelist LEFT JOIN itemtype t ON t.id = p.itemtype \
     WHERE a.parent IN (?*) AND TRIM(t.intname) = 'ip' AND COALESCE(a.status, 0) <> 4";

/// item.cost is for item.period, in item.currency. The vendor's library reads item.cost. item.currency and the table
/// currency were seen in an export of a present-day panel.
const PRICES: &str = "SELECT i.id, i.processingmodule, i.period, i.cost, c.iso FROM item i \
     LEFT JOIN currency c ON c.id = i.currency WHERE i.id IN (?*)";

impl MysqlBillDb {
    /// What clients pay for items.
    ///
    /// # Errors
    /// The database does not answer, or the panel does not have the columns cost and currency.
    pub fn prices(&mut self, items: &[ItemId]) -> Result<Vec<ItemPrice>, DbError> {
        Ok(self.rows_in(PRICES, &numbers(items))?.iter().filter_map(read_price).collect())
    }

    /// Items with their parameters, addons and addresses, ids ascending. Missing items are left out. This takes six
    /// queries, however many items there are.
    ///
    /// # Errors
    /// The database is away or its tables are not as expected.
    pub(super) fn read_items(&mut self, items: &[ItemId]) -> Result<Vec<Item>, DbError> {
        let ids = numbers(items);
        let rows = self.rows_in(ITEMS, &ids)?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut params: BTreeMap<u32, BTreeMap<String, String>> = BTreeMap::new();
        for row in self.rows_in(PARAMS, &ids)? {
            if let Some(item) = row.id(0) {
                params.entry(item).or_default().insert(row.name(1), row.text(2));
            }
        }
        let mut addons = self.addons(&ids)?;
        let mut ips = self.addresses(&ids)?;
        let build = |row: &Columns| {
            let id = row.id(0)?;
            let params = params.remove(&id).unwrap_or_default();
            let addons = addons.remove(&id).unwrap_or_default();
            Some(read_item(row, ItemId(id), &params, addons, ips.remove(&id).unwrap_or_default()))
        };
        Ok(rows.iter().filter_map(build).collect())
    }

    /// The owners of items, in one query however many there are.
    ///
    /// # Errors
    /// The database is away or its tables are not as expected.
    pub(super) fn read_owners(&mut self, items: &[ItemId]) -> Result<Vec<Owner>, DbError> {
        let rows = self.rows_in(OWNERS, &numbers(items))?;
        let owner = |row: &Columns| {
            Some(Owner { item: ItemId(row.id(0)?), client: ClientId(row.id(1).unwrap_or(0)), created: row.text(2) })
        };
        Ok(rows.iter().filter_map(owner).collect())
    }

    /// Status and end of several items.
    pub(super) fn read_ends(&mut self, items: &[ItemId]) -> Result<Vec<ServiceEnd>, DbError> {
        let end = |row: &Columns| {
            let status = row.number(1).and_then(|number| i32::try_from(number).ok());
            let status = ItemStatus::from_number(status.unwrap_or(0));
            Some(ServiceEnd { item: ItemId(row.id(0)?), status, expires: row.day(2) })
        };
        Ok(self.rows_in(ENDS, &numbers(items))?.iter().filter_map(end).collect())
    }

    /// Addons that count, by item (docs/interface.md 4).
    fn addons(&mut self, ids: &[u32]) -> Result<BTreeMap<u32, Vec<Addon>>, DbError> {
        let rows = self.rows_in(ADDONS, ids)?;
        let mut enumerations: Vec<u32> = rows.iter().filter_map(enumeration_of).collect();
        enumerations.sort_unstable();
        enumerations.dedup();
        let mut choices: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for row in self.rows_in(CHOICES, &enumerations)? {
            if let Some(enumeration) = row.id(0).filter(|_| !row.name(1).is_empty()) {
                choices.entry(enumeration).or_default().push(row.name(1));
            }
        }
        let mut addons: BTreeMap<u32, Vec<Addon>> = BTreeMap::new();
        let mut last = None;
        for row in &rows {
            // Of several rows for one addon the first one counts.
            let this = Some((row.id(A_OWNER), row.text(0)));
            let Some(owner) = row.id(A_OWNER).filter(|_| last != this && is_kept(row)) else { continue };
            last = this;
            let Some(value) = value_of(row, &choices) else { continue };
            let own_name = row.name(A_NAME);
            let name = if own_name.is_empty() { row.name(A_TYPE_NAME) } else { own_name };
            addons.entry(owner).or_default().push(Addon { name, value });
        }
        Ok(addons)
    }

    /// Main addresses by item, lowest id first.
    fn addresses(&mut self, ids: &[u32]) -> Result<BTreeMap<u32, Vec<std::net::IpAddr>>, DbError> {
        let mut rows = self.rows_in(OWN_IPS, ids)?;
        rows.extend(self.rows_in(ADDON_IPS, ids)?);
        rows.sort_by_key(|row| row.id(1));
        let mut ips: BTreeMap<u32, Vec<std::net::IpAddr>> = BTreeMap::new();
        for row in &rows {
            if let (Some(item), Ok(ip)) = (row.id(0), row.text(2).trim().parse()) {
                ips.entry(item).or_default().push(ip);
            }
        }
        Ok(ips)
    }

    /// The rows of a statement that contains one list of numbers, written `?*`. No rows without numbers.
    fn rows_in(&mut self, sql: &str, numbers: &[u32]) -> Result<Vec<Columns>, DbError> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let sql = sql.replace("?*", &vec!["?"; numbers.len()].join(","));
        let values: Vec<Value> = numbers.iter().map(|number| Value::from(*number)).collect();
        self.rows(&sql, values)
    }
}

fn numbers(items: &[ItemId]) -> Vec<u32> {
    items.iter().map(|item| item.0).collect()
}

fn read_item(
    row: &Columns,
    id: ItemId,
    params: &BTreeMap<String, String>,
    addons: Vec<Addon>,
    ips: Vec<std::net::IpAddr>,
) -> Item {
    let small = |column: usize| row.number(column).and_then(|number| i32::try_from(number).ok());
    Item {
        id,
        name: row.text(1),
        client: ClientId(row.id(2).unwrap_or(0)),
        parent: row.id(3).map(ItemId),
        tariff: PricelistId(row.id(4).unwrap_or(0)),
        tariff_intname: row.name(5),
        itemtype: row.name(6),
        module: row.id(7).map(ModuleId),
        module_program: row.name(8),
        // A period that is NULL or not a number must not be taken for "lifetime", which is 0.
        period: Period::from_panel(small(9).unwrap_or(i32::MIN)),
        status: ItemStatus::from_number(small(10).unwrap_or(0)),
        expires: row.day(11),
        created: row.text(12),
        previous_tariff: row.id(13).map(PricelistId),
        params: read_params(params),
        addons,
        ips,
    }
}

/// The enumeration that an addon is chosen from, if it is one.
fn enumeration_of(row: &Columns) -> Option<u32> {
    let is_chosen = row.id(A_ITEM_CHOICE).is_some();
    let enumeration = row.id(A_ITEM_ENUMERATION).filter(|_| is_chosen).or(row.id(A_ENUMERATION));
    enumeration.filter(|_| row.number(A_TYPE) == Some(3))
}

fn value_of(row: &Columns, choices: &BTreeMap<u32, Vec<String>>) -> Option<AddonValue> {
    match row.number(A_TYPE) {
        Some(1) => Some(AddonValue::Flag(row.flag(A_ITEM_FLAG).or(row.flag(A_FLAG)).unwrap_or(false))),
        Some(2) => Some(AddonValue::Number(addon_number(row))),
        Some(3) => {
            // The value that the service chose, else the tariff's default. If the row of the chosen value is gone,
            // nothing counts as chosen: the default may be another product than the one that was asked for.
            let is_chosen = row.id(A_ITEM_CHOICE).is_some();
            let chosen = row.name(if is_chosen { A_ITEM_CHOICE_NAME } else { A_CHOICE_NAME });
            let all = enumeration_of(row).and_then(|id| choices.get(&id)).cloned().unwrap_or_default();
            Some(AddonValue::Choice { chosen, all })
        }
        Some(_) | None => None,
    }
}

fn read_price(row: &Columns) -> Option<ItemPrice> {
    let period = row.number(2).and_then(|number| i32::try_from(number).ok());
    Some(ItemPrice {
        item: ItemId(row.id(0)?),
        module: row.id(1).map(ModuleId),
        period: period.map_or(Period::Unknown(0), Period::from_panel),
        price: Money::parse(&row.text(3), &row.text(4)),
    })
}
