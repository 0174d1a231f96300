//! The calls of OrderBox: who may call at all, which call is meant, and everything that only reads. Calls that change
//! something are in `trade`.
use super::options::{KeyPlace, Options};
use super::refusals::Refusal;
use super::trade;
use super::world::{Action, Order, SITE_PASSWORD, World};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

#[derive(Debug, Clone)]
pub struct Call {
    /// `GET` or `POST`
    pub method: String,
    /// The path behind `/api/`, without product and `.json`: `details`, `orders/suspend`.
    pub name: String,
    /// `linux/us`; empty where the path has none.
    pub product: String,
    pub params: Vec<(String, String)>,
    /// Something stood in the URL of a POST, or in the body of a GET.
    pub is_misplaced: bool,
    pub caller: IpAddr,
    pub connection: u64,
    /// From a fault: reads until the key shows, reads until anything shows.
    pub key_late_reads: Option<u32>,
    pub unseen_reads: u32,
    /// A second time behind a proxy that repeats: nothing that the first one did is seen.
    pub racing: bool,
}

pub type Answer = Result<Value, Refusal>;

const READS: &[&str] = &[
    "details",
    "search",
    "orderid",
    "actions/search-current",
    "actions/search-archived",
    "customers/details-by-id",
    "resellers/details",
    "billing/reseller-balance",
];
const WRITES: &[&str] = &["generate-license-key", "renew", "delete", "orders/suspend", "orders/unsuspend"];
const LOCATIONS: &[&str] = &["us", "uk", "in", "tr", "hk"];

impl Call {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn want(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).filter(|v| !v.is_empty()).ok_or_else(|| Refusal::new("missing", name))
    }

    pub fn number(&self, name: &str) -> Result<u64, Refusal> {
        self.want(name)?.parse().map_err(|_| Refusal::new("bad", name))
    }

    fn numbers(&self, name: &str) -> Result<Vec<u64>, Refusal> {
        let all = self.params.iter().filter(|(n, _)| n == name);
        all.map(|(_, v)| v.parse().map_err(|_| Refusal::new("bad", name))).collect()
    }

    fn texts(&self, name: &str) -> Vec<&str> {
        self.params.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
    }

    /// The order that is meant, if it lies under the product of the path.
    pub fn order<'w>(&self, world: &'w mut World) -> Result<&'w mut Order, Refusal> {
        let id = self.number("order-id")?;
        let order = world.order(id)?;
        let place = format!("{}/{}", order.platform, order.location);
        if self.product.is_empty() || self.product == place {
            Ok(order)
        } else {
            Err(Refusal::new("no_order", &id.to_string()))
        }
    }
}

/// Call and product of a path; nothing when OrderBox has no such call.
pub fn route(path: &str, options: &Options) -> Option<(String, String)> {
    let path = path.strip_prefix("/api/")?.strip_suffix(".json")?;
    if let Some(rest) = path.strip_prefix("resellerhosting/") {
        let parts: Vec<&str> = rest.split('/').collect();
        let [platform @ ("linux" | "windows"), location, call] = parts[..] else { return None };
        let known = READS.contains(&call) || WRITES.contains(&call) || call == options.remove_call;
        let fits = LOCATIONS.contains(&location) && known;
        return fits.then(|| (call.to_owned(), format!("{platform}/{location}")));
    }
    let known = path.contains('/') && (READS.contains(&path) || WRITES.contains(&path));
    known.then(|| (path.to_owned(), String::new()))
}

pub fn perform(world: &mut World, call: &Call) -> Answer {
    allowed(world, call)?;
    match call.name.as_str() {
        "details" => details(world, call),
        "search" => search(world, call),
        "orderid" => orderid(world, call),
        "actions/search-current" => actions(world, call, false),
        "actions/search-archived" => actions(world, call, true),
        "customers/details-by-id" => customer(world, call),
        "resellers/details" => Ok(reseller(world)),
        "billing/reseller-balance" => balance(world, call),
        "generate-license-key" => trade::generate(world, call),
        "renew" => trade::renew(world, call),
        "delete" => trade::delete(world, call),
        "orders/suspend" => trade::suspend(world, call, true),
        "orders/unsuspend" => trade::suspend(world, call, false),
        _ => trade::remove(world, call),
    }
}

fn allowed(world: &World, call: &Call) -> Result<(), Refusal> {
    let options = &world.options;
    if !options.addresses.contains(&call.caller) {
        return Err(Refusal::new("access", ""));
    }
    let wanted = if READS.contains(&call.name.as_str()) { "GET" } else { "POST" };
    if call.method != wanted {
        return Err(Refusal::new("method", ""));
    }
    if call.is_misplaced {
        return Err(Refusal::new("missing", "order-id"));
    }
    let (Some(user), Some(key)) = (call.get("auth-userid"), call.get("api-key")) else {
        return Err(Refusal::new("auth_missing", ""));
    };
    if user != options.user.to_string() || key != options.key {
        return Err(Refusal::new("auth", ""));
    }
    match call.params.iter().find(|(name, _)| name.contains('[')) {
        Some((name, _)) => Err(Refusal::new("bad", name)),
        None => Ok(()),
    }
}

/// A number as this OrderBox writes it.
pub fn number(world: &World, n: impl Into<i64>) -> Value {
    let n: i64 = n.into();
    if world.options.numbers_as_texts { json!(n.to_string()) } else { json!(n) }
}

pub fn id(world: &World, n: u64) -> Value {
    number(world, i64::try_from(n).unwrap_or(0))
}

fn truth(world: &World, yes: bool) -> Value {
    if world.options.numbers_as_texts { json!(yes.to_string()) } else { json!(yes) }
}

pub fn amount(minor: i64) -> Value {
    let (sign, minor) = (if minor < 0 { "-" } else { "" }, minor.abs());
    json!(format!("{sign}{}.{:02}0", minor / 100, minor % 100))
}

fn details(world: &mut World, call: &Call) -> Answer {
    let order = call.order(world)?.clone();
    let pending = world.pending(order.id).filter(|_| order.unseen_reads == 0).map_or(0, |action| action.id);
    let mut out = json!({
        "orderid": id(world, order.id), "entityid": id(world, order.id), "description": order.domain,
        "domainname": order.domain, "currentstatus": order.status, "productkey": order.product_key(),
        "productcategory": "hosting", "planid": number(world, 14), "customerid": id(world, order.customer),
        "parentkey": format!("999999999_999999998_{}", world.account), "creationtime": number(world, order.created),
        "endtime": number(world, order.ends), "recurring": truth(world, order.recurring), "paused": truth(world, false),
        "isImmediateReseller": truth(world, true), "isOrderSuspendedUponExpiry": truth(world, false),
        "orderSuspendedByParent": truth(world, false), "allowdeletion": truth(world, true),
        "eaqid": id(world, pending), "moneybackperiod": number(world, 30), "orderstatus": [], "jumpConditions": [],
        "ipaddress": "192.0.2.80", "siteadminusername": format!("admin{}", order.id),
        "siteadminpassword": SITE_PASSWORD, "space": number(world, 100_000), "bandwidth": number(world, -1),
    });
    let is_shown = order.unseen_reads == 0 && order.key_late_reads == 0;
    // An order that is being changed unseen shows what it had: no license.
    let key = if is_shown { order.key.as_str() } else { "" };
    let addon = |name: &str, value: &str| match key {
        "" => json!([]),
        key => json!([{ name: "whmcs", value: key, "is_paid": truth(world, true) }]),
    };
    match world.options.key_place {
        KeyPlace::OrderIfAny if key.is_empty() => {}
        KeyPlace::Order | KeyPlace::OrderIfAny => out["licenseKey"] = json!(key),
        KeyPlace::Addons => out["addons"] = addon("addon_name", "license_key"),
        KeyPlace::AddonsCamel => out["addons"] = addon("name", "licenseKey"),
    }
    world.seen(order.id);
    Ok(out)
}

/// The rows of one page under the numbers that such lists have; the bounds are those of every search.
fn page(call: &Call, rows: &[Value], empty_fails: bool) -> Answer {
    let (size, page) = (call.number("no-of-records")?, call.number("page-no")?);
    if !(10..=500).contains(&size) {
        return Err(Refusal::new("bad", "no-of-records"));
    }
    if page == 0 {
        return Err(Refusal::new("bad", "page-no"));
    }
    let (size, skipped) = (usize::try_from(size).unwrap_or(10), usize::try_from((page - 1) * size).unwrap_or(0));
    let shown: Vec<&Value> = rows.iter().skip(skipped).take(size).collect();
    if shown.is_empty() && empty_fails {
        return Err(Refusal::new("nothing", ""));
    }
    let mut out: Map<String, Value> =
        (1..).map(|n: u32| n.to_string()).zip(shown.iter().map(|r| (*r).clone())).collect();
    out.insert("recsonpage".into(), json!(shown.len().to_string()));
    out.insert("recsindb".into(), json!(rows.len().to_string()));
    Ok(out.into())
}

fn search(world: &World, call: &Call) -> Answer {
    let (ids, customers) = (call.numbers("order-id")?, call.numbers("customer-id")?);
    let (statuses, domain) = (call.texts("status"), call.get("domain-name"));
    let meant = |o: &&Order| {
        o.account == world.account
            && format!("{}/{}", o.platform, o.location) == call.product
            && (ids.is_empty() || ids.contains(&o.id))
            && (customers.is_empty() || customers.contains(&o.customer))
            && (statuses.is_empty() || statuses.contains(&o.status.as_str()))
            && domain.is_none_or(|d| d == o.domain)
    };
    let row = |o: &Order| {
        json!({
            "orders.orderid": id(world, o.id), "entity.entityid": id(world, o.id), "entity.description": o.domain,
            "entity.domainname": o.domain, "entity.currentstatus": o.status, "entity.customerid": id(world, o.customer),
            "entity.creationtime": number(world, o.created), "entity.endtime": number(world, o.ends),
            "entitytype.entitytypekey": o.product_key(),
        })
    };
    let rows: Vec<Value> = world.orders.values().filter(meant).map(row).collect();
    page(call, &rows, world.options.empty_search_fails)
}

/// A bare number.
fn orderid(world: &World, call: &Call) -> Answer {
    let domain = call.want("domain-name")?;
    let here = |o: &&Order| {
        o.account == world.account && o.domain == domain && format!("{}/{}", o.platform, o.location) == call.product
    };
    let found = world.orders.values().find(here);
    found.map(|o| json!(o.id)).ok_or_else(|| Refusal::new("no_order", domain))
}

/// Actions under way, or those that ended; nothing found is an error.
fn actions(world: &World, call: &Call, is_archive: bool) -> Answer {
    let (orders, ids) = (call.numbers("order-id")?, call.numbers("eaq-id")?);
    let is_seen = |order: u64| {
        let order = world.orders.get(&order);
        order.is_some_and(|o| o.account == world.account && o.unseen_reads == 0)
    };
    let meant = |a: &&Action| {
        a.ended.is_some() == is_archive
            && !a.is_hidden
            && is_seen(a.order)
            && (orders.is_empty() || orders.contains(&a.order))
            && (ids.is_empty() || ids.contains(&a.id))
    };
    let row = |a: &Action| {
        let (completed, status) = a.ended.clone().unwrap_or((0, "PendingExecution".into()));
        json!({
            "entityid": id(world, a.order), "entitytypeid": number(world, 216), "eaqid": id(world, a.id),
            "actiontype": a.work.word(), "actiontypedesc": format!("{} of order {}", a.work.word(), a.order),
            "actionadded": number(world, a.added), "actionstarted": number(world, a.added),
            "actioncompleted": number(world, completed), "actionstatus": status, "actionstatusdesc": "",
        })
    };
    let rows: Vec<Value> = world.actions.iter().filter(meant).map(row).collect();
    page(call, &rows, true)
}

fn customer(world: &World, call: &Call) -> Answer {
    let wanted = call.number("customer-id")?;
    let email = world.customers.get(&wanted).ok_or_else(|| Refusal::new("no_customer", &wanted.to_string()))?;
    let reseller = id(world, world.account);
    Ok(json!({ "customerid": id(world, wanted), "username": email, "useremail": email, "name": "Somebody",
        "resellerid": reseller, "customerstatus": "Active" }))
}

fn reseller(world: &World) -> Value {
    json!({ "resellerid": id(world, world.account), "username": "reseller@example.com", "name": "Reseller",
        "company": "Example", "resellerstatus": "Active" })
}

fn balance(world: &World, call: &Call) -> Answer {
    if call.number("reseller-id")? != world.account {
        return Err(Refusal::new("access", ""));
    }
    Ok(json!({ "sellingcurrencysymbol": world.options.currency, "sellingcurrencybalance": amount(world.balance),
        "sellingcurrencylockedbalance": amount(0) }))
}
