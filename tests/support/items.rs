//! Fills the panel's tables: a license service, a server with the control-panel addon, and what a client or an
//! administrator changes on them later. Each item gets a tariff of its own.
use super::harness::{MODULE, SERVERS, Test, WHMCS};

const SOFT: u32 = 1;
const VDS: u32 = 3;
const IP: u32 = 5;
const PANEL: u32 = 6;
const OSTEMPL: u32 = 7;
const NODES: u32 = 8;

/// An item about to be written.
pub struct NewItem<'t> {
    test: &'t Test,
    id: u32,
    itemtype: u32,
    module: u32,
    choice: String,
    /// The tariff itself has the internal name; there is no enumeration.
    on_tariff: bool,
    period: i32,
    status: i32,
    expires: Option<String>,
    created: String,
    account: u32,
    name: String,
    params: Vec<(String, String)>,
    nodes: Option<i64>,
    addresses: Vec<String>,
    os: bool,
}

impl Test {
    /// A service of type Licenses of our module, ordered; `choice` is the enumeration's value.
    pub fn soft_item(&self, id: u32, choice: &str, period: i32) -> NewItem<'_> {
        NewItem::new(self, id, choice, period, SOFT, MODULE)
    }

    /// A service with a WHMCS license on that hosting order, of the module at OrderBox.
    pub fn whmcs_item(&self, id: u32, period: i32, order: u64) -> NewItem<'_> {
        NewItem::new(self, id, "whmcs", period, SOFT, WHMCS).param("orderid", &order.to_string())
    }

    /// A virtual server of another module, active, with the control-panel addon and an addon that names its system.
    pub fn vds_item(&self, id: u32, choice: &str, period: i32) -> NewItem<'_> {
        let mut item = NewItem::new(self, id, choice, period, VDS, SERVERS);
        (item.status, item.os) = (2, true);
        item.expires_in(30)
    }

    /// Another value of the enumeration, as a client chooses it before `setparam`.
    pub fn choose(&self, item: u32, choice: &str) {
        let value = self.enumeration(choice);
        let sql = "UPDATE item a JOIN pricelist p ON p.id = a.pricelist SET a.enumerationitem = ? WHERE a.parent = ? AND p.addontype = 3 AND p.itemtype = ?";
        self.db.exec(sql, (value, item, PANEL));
    }

    pub fn set_nodes(&self, item: u32, nodes: i64) {
        let sql = "UPDATE item a JOIN pricelist p ON p.id = a.pricelist SET a.intvalue = ? WHERE a.parent = ? AND p.itemtype = ?";
        self.db.exec(sql, (nodes, item, NODES));
    }

    /// Another tariff with this internal name; the panel keeps the one before in `lastpricelist`. Its id.
    pub fn change_tariff(&self, item: u32, intname: &str) -> u64 {
        let kind = self
            .db
            .value("SELECT p.itemtype FROM item i JOIN pricelist p ON p.id = i.pricelist WHERE i.id = ?", (item,));
        let tariff = self.tariff(intname, kind.and_then(|k| k.parse().ok()).unwrap_or(SOFT));
        self.db.exec("UPDATE item SET lastpricelist = pricelist, pricelist = ? WHERE id = ?", (tariff, item));
        tariff
    }

    pub fn set_param(&self, item: u32, name: &str, value: &str) {
        self.db.exec("REPLACE INTO itemparam VALUES (?, ?, ?)", (item, name, value));
    }

    /// Any column of an item.
    pub fn set_item(&self, item: u32, column: &str, value: &str) {
        self.db.exec(&format!("UPDATE item SET {column} = ? WHERE id = ?"), (value, item));
    }

    /// A tariff without a parent; `import` and `change_tariff` find it by its internal name.
    pub fn tariff(&self, intname: &str, itemtype: u32) -> u64 {
        let sql = "INSERT INTO pricelist (name, intname, itemtype, active, billtype) VALUES (?, ?, ?, 'on', 1)";
        self.db.insert(sql, (format!("Tariff {intname}"), intname, itemtype))
    }

    /// The id of a value of the enumeration `Server control panel`, made when it is new.
    pub fn enumeration(&self, intname: &str) -> u64 {
        let found = self.db.value("SELECT id FROM enumerationitem WHERE enumeration = 1 AND intname = ?", (intname,));
        found.and_then(|id| id.parse().ok()).unwrap_or_else(|| {
            self.db
                .insert("INSERT INTO enumerationitem (enumeration, intname, name) VALUES (1, ?, ?)", (intname, intname))
        })
    }
}

impl<'t> NewItem<'t> {
    fn new(test: &'t Test, id: u32, choice: &str, period: i32, itemtype: u32, module: u32) -> Self {
        let created = chrono::Utc::now().format("%Y-%m-%d 09:30:00").to_string();
        Self {
            test,
            id,
            itemtype,
            module,
            choice: choice.into(),
            on_tariff: false,
            period,
            status: 1,
            expires: None,
            created,
            account: 501,
            name: format!("Service {id}"),
            params: Vec::new(),
            nodes: None,
            addresses: Vec::new(),
            os: false,
        }
    }

    /// The client's parameter `ip`.
    pub fn ip(self, ip: &str) -> Self {
        self.param("ip", ip)
    }

    /// The client's parameter `licname`.
    pub fn licname(self, name: &str) -> Self {
        self.param("licname", name)
    }

    pub fn param(mut self, name: &str, value: &str) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// Address rows of the server, in this order.
    pub fn addresses(mut self, all: &[&str]) -> Self {
        self.addresses = all.iter().map(|a| (*a).to_owned()).collect();
        self
    }

    /// The tariff itself has the internal name, without an enumeration.
    pub fn on_tariff(mut self) -> Self {
        self.on_tariff = true;
        self
    }

    /// A whole-number addon `nodes` with this value.
    pub fn nodes(mut self, nodes: i64) -> Self {
        self.nodes = Some(nodes);
        self
    }

    pub fn status(mut self, status: i32) -> Self {
        self.status = status;
        self
    }

    /// Active until that day.
    pub fn active_until(mut self, day: &str) -> Self {
        (self.status, self.expires) = (2, Some(day.into()));
        self
    }

    pub fn expires(mut self, day: &str) -> Self {
        self.expires = Some(day.into());
        self
    }

    /// So many days from today.
    pub fn expires_in(mut self, days: i64) -> Self {
        self.expires = Some((chrono::Utc::now().date_naive() + chrono::Duration::days(days)).to_string());
        self
    }

    /// `YYYY-MM-DD hh:mm:ss`
    pub fn created(mut self, when: &str) -> Self {
        self.created = when.into();
        self
    }

    pub fn account(mut self, account: u32) -> Self {
        self.account = account;
        self
    }

    pub fn name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    pub fn module(mut self, module: u32) -> Self {
        self.module = module;
        self
    }

    /// softexternal instead of soft.
    pub fn external(mut self) -> Self {
        self.itemtype = 2;
        self
    }

    /// An enumeration of operating systems beside the panel's.
    pub fn with_os(mut self) -> Self {
        self.os = true;
        self
    }

    pub fn add(self) -> u32 {
        let db = &self.test.db;
        let intname = if self.on_tariff { self.choice.clone() } else { format!("plan{}", self.id) };
        let tariff = self.test.tariff(&intname, self.itemtype);
        let sql = "INSERT INTO item (id, name, account, pricelist, processingmodule, period, status, expiredate, createdate) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let row = (
            self.id,
            &self.name,
            self.account,
            tariff,
            self.module,
            self.period,
            self.status,
            &self.expires,
            &self.created,
        );
        db.exec(sql, row);
        for (name, value) in &self.params {
            self.test.set_param(self.id, name, value);
        }
        if !self.on_tariff {
            let (default, chosen) = (self.test.enumeration("nopanel"), self.test.enumeration(&self.choice));
            self.enumeration_addon(tariff, "panel", PANEL, default, chosen);
        }
        if self.os {
            let os = |name: &str| {
                db.value("SELECT id FROM enumerationitem WHERE intname = ?", (name,)).unwrap().parse().unwrap()
            };
            self.enumeration_addon(tariff, "ostempl", OSTEMPL, os("Debian-12"), os("Ubuntu-24.04"));
        }
        if let Some(nodes) = self.nodes {
            let sql = "INSERT INTO pricelist (name, intname, itemtype, parent, active, billtype, addontype, addonlimit, addonmax) \
                       VALUES ('Nodes', 'nodes', ?, ?, 'on', 2, 2, 0, 100)";
            let addon = self.addon(db.insert(sql, (NODES, tariff)));
            db.exec("UPDATE item SET intvalue = ? WHERE id = ?", (nodes, addon));
        }
        self.write_addresses(tariff);
        self.id
    }

    fn enumeration_addon(&self, tariff: u64, intname: &str, itemtype: u32, default: u64, chosen: u64) {
        let sql = "INSERT INTO pricelist (name, intname, itemtype, parent, active, billtype, addontype, enumerationitem) \
                   VALUES (?, ?, ?, ?, 'on', 2, 3, ?)";
        let addon = self.addon(self.test.db.insert(sql, (intname, intname, itemtype, tariff, default)));
        self.test.db.exec("UPDATE item SET enumerationitem = ? WHERE id = ?", (chosen, addon));
    }

    /// The row of an addon that the client has; ids of addons lie far from those of services.
    fn addon(&self, pricelist: u64) -> u64 {
        let db = &self.test.db;
        let next = db.value("SELECT GREATEST(COALESCE(MAX(id), 0) + 1, 1000000) FROM item", ());
        let id: u64 = next.and_then(|n| n.parse().ok()).unwrap();
        let sql = "INSERT INTO item (id, account, parent, pricelist, period, status, createdate) VALUES (?, ?, ?, ?, ?, ?, ?)";
        db.exec(sql, (id, self.account, self.id, pricelist, self.period, self.status, &self.created));
        id
    }

    fn write_addresses(&self, tariff: u64) {
        if self.addresses.is_empty() {
            return;
        }
        let sql = "INSERT INTO pricelist (name, intname, itemtype, parent, active, billtype, addontype) VALUES ('IP', 'ip', ?, ?, 'on', 2, 2)";
        let addon = self.addon(self.test.db.insert(sql, (IP, tariff)));
        for address in &self.addresses {
            self.test.db.exec("INSERT INTO ip (name, item) VALUES (?, ?)", (address, addon));
        }
    }
}
