//! The calls that change something (`orders` apart): edit, prolong, tariff change, suspend, resume, delete.
//! Each looks at everything first and changes nothing when it refuses.
use super::catalogue::{Family, Tariff};
use super::dialect::{Changed, Door, Offers, OrderApi};
use super::refusals::Refusal;
use super::world::{
    ACTIVE, DELETED, License, ORDERED, PROCESSING, STOPPED, StoppedBy, World, add_period, within_month,
};
use super::{element, escape};
use std::net::IpAddr;

pub type Reply = Result<String, Refusal>;

/// One request with what the faults ask of its effect.
#[derive(Debug, Clone, Default)]
pub struct Call {
    pub func: String,
    pub params: Vec<(String, String)>,
    pub connection: u64,
    /// Carried out beside another one: the look at who holds the IP was over before.
    pub racing: bool,
    pub unpaid: bool,
    pub key_after: Option<u32>,
    pub unseen_reads: u32,
}

impl Call {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).filter(|v| !v.is_empty()).ok_or_else(|| Refusal::about("missed", name, ""))
    }

    pub fn sok(&self) -> bool {
        self.get("sok") == Some("ok")
    }

    pub fn period(&self) -> Result<i32, Refusal> {
        let text = self.need("period")?;
        text.parse().map_err(|_| Refusal::new("period", text))
    }
}

pub const FORM: &str = "<metadata type=\"form\"/>";

/// Carries one request out.
pub fn perform(world: &mut World, call: &Call) -> Reply {
    world.tick();
    login(world, call)?;
    let (family, verb) = match call.func.split_once('.') {
        Some(("v2", func)) if world.options.dialect.order_api == OrderApi::New => {
            return super::orders::new_order(world, func, call);
        }
        Some(("soft", verb)) => (Family::Soft, verb),
        Some(("softexternal", verb)) => (Family::SoftExternal, verb),
        Some(("addition", verb)) => (Family::Addition, verb),
        Some(("service", "prolong")) => return prolong(world, call),
        Some(("service", "changepricelist")) => return change_tariff(world, call),
        Some(("pricelist", "export")) | None => return super::reads::perform(world, call),
        Some(_) => return Err(Refusal::new("unknown_func", &call.func)),
    };
    match verb {
        "order.param" if world.options.dialect.order_api == OrderApi::Old => super::orders::order(world, family, call),
        "order" if world.options.offers == Offers::OrderForm && !call.sok() => {
            Ok(super::reads::order_form(world, family))
        }
        "edit" if call.get("clicked_button") == Some("newkey") => new_key(world, family, call),
        "edit" if call.sok() => edit(world, family, call),
        "edit" => super::reads::card(world, family, call.need("elid")?),
        "suspend" => suspend(world, family, call),
        "resume" => resume(world, family, call),
        "delete" => delete(world, family, call),
        "checkip" if family == Family::Soft => {
            super::reads::check_ip(world, call.need("pricelist")?, call.need("ip")?, call.period()?)
        }
        _ => Err(Refusal::new("unknown_func", &call.func)),
    }
}

fn login(world: &World, call: &Call) -> Result<(), Refusal> {
    match world.options.dialect.door {
        Door::Open => {}
        Door::Captcha => return Err(Refusal::new("captcha", "")),
        Door::CaptchaText => return Err(Refusal::new("captcha_text", "")),
        Door::AllowList => return Err(Refusal::new("allow_list", "remote_addr: [192.0.2.1]")),
    }
    let right = format!("{}:{}", world.options.user, world.options.password);
    if call.get("authinfo") != Some(right.as_str()) {
        return Err(Refusal::new("bad_password", "remote_addr: [192.0.2.1]"));
    }
    if world.options.two_factor { Err(Refusal::new("second_factor", "")) } else { Ok(()) }
}

/// `addon_N` of the tariff's node addon; nothing less than what is included.
pub fn nodes(tariff: &Tariff, call: &Call) -> Result<i64, Refusal> {
    let Some(nodes) = &tariff.nodes else { return Ok(0) };
    let name = format!("addon_{}", nodes.addon);
    let text = call.get(&name).unwrap_or("0");
    let few = || Refusal::about("nodes", &name, text);
    text.parse().ok().filter(|n| *n >= nodes.included).ok_or_else(few)
}

pub fn address(text: &str, clearing: bool) -> Result<String, Refusal> {
    let bad = || Refusal::new("ip_value", text);
    let ip: IpAddr = text.parse().map_err(|_| bad())?;
    let usable = ip.is_ipv4() && !ip.is_loopback() && !ip.is_multicast();
    if (clearing || !ip.is_unspecified()) && usable { Ok(ip.to_string()) } else { Err(bad()) }
}

/// A license that can be worked on: neither unpaid nor deleted.
fn living(world: &mut World, family: Family, call: &Call) -> Result<License, Refusal> {
    let elid = call.need("elid")?;
    let license = world.license(family, elid)?.clone();
    if license.status == ORDERED || license.status == DELETED { Err(Refusal::new("status", elid)) } else { Ok(license) }
}

fn edit(world: &mut World, family: Family, call: &Call) -> Reply {
    let before = living(world, family, call)?;
    let mut after = before.clone();
    let today = world.today();
    if let Some(text) = call.get("ip") {
        after.ip = address(text, true)?;
    }
    if after.ip != before.ip {
        if !world.options.free_ip_changes && within_month(before.ip_changed, today) {
            return Err(Refusal::new("ip_change", &after.ip));
        }
        let outward = call.get("remoteip").unwrap_or(&before.remoteip);
        if world.busy(before.pricelist, &after.ip, Some(outward), before.id) {
            return Err(Refusal::new("ip_busy", &after.ip));
        }
        after.ip_changed = Some(today);
    }
    for (name, field) in [
        ("licname", &mut after.licname),
        ("remoteid", &mut after.remoteid),
        ("remoteip", &mut after.remoteip),
        ("autoprolong", &mut after.autoprolong),
    ] {
        if let Some(value) = call.get(name) {
            *field = if name == "licname" { world.options.dialect.stored(value) } else { value.to_owned() };
        }
    }
    let cost = edit_nodes(world, call, &before, &mut after)?;
    after.unseen_reads = call.unseen_reads.max(before.unseen_reads);
    world.licenses.insert(after.id, after);
    if let Some(amount) = cost {
        world.charge(&call.func, before.id, amount, call.connection);
    }
    Ok(changed(world, before.id, None))
}

/// The answer of an edit that was carried out; `key`: a new key was asked for.
fn changed(world: &World, id: u64, key: Option<&str>) -> String {
    let record = || world.licenses.get(&id).map(|l| super::reads::record(world, l)).unwrap_or_default();
    match world.options.dialect.changed {
        Changed::Ok => key.map_or_else(|| "<ok/>".to_owned(), |key| element("lickey", key)),
        Changed::Record => record(),
        Changed::Nested => format!("<doc>{}</doc>", record()),
        Changed::Silent => "<ok/>".to_owned(),
    }
}

/// More nodes are charged to the end of the period paid for, in whole days of a 30-day month; fewer are free.
fn edit_nodes(world: &World, call: &Call, before: &License, after: &mut License) -> Result<Option<i64>, Refusal> {
    let tariff = world.tariff(before.family, &before.pricelist.to_string()).ok();
    let mut addons = call.params.iter().filter(|(n, _)| n.starts_with("addon_"));
    let Some(tariff) = tariff.filter(|t| t.nodes.is_some()) else {
        return addons.next_back().map_or(Ok(None), |(n, v)| Err(Refusal::about("nodes", n, v)));
    };
    let Some(rule) = &tariff.nodes else { return Ok(None) };
    if call.get(&format!("addon_{}", rule.addon)).is_none() {
        return Ok(None);
    }
    after.nodes = nodes(&tariff, call)?;
    if after.nodes == before.nodes {
        return Ok(None);
    }
    let days = before.expires.map_or(0, |e| (e - world.today()).num_days().max(0));
    let amount = ((after.nodes - before.nodes).max(0) * rule.month * days + 29) / 30;
    world.afford(amount)?;
    Ok(Some(amount))
}

fn new_key(world: &mut World, family: Family, call: &Call) -> Reply {
    let license = living(world, family, call)?;
    let today = world.today();
    if !call.sok() {
        return Ok(FORM.into());
    }
    if world.options.newkey_needs_active && license.status != ACTIVE {
        return Err(Refusal::new("status", &license.id.to_string()));
    }
    if within_month(license.key_changed, today) {
        return Err(Refusal::new("key_change", &license.id.to_string()));
    }
    let key_after = call.key_after.unwrap_or(0);
    let key = if key_after > 0 { String::new() } else { world.new_key(license.id) };
    if let Some(l) = world.licenses.get_mut(&license.id) {
        l.old_keys.push(std::mem::replace(&mut l.key, key.clone()));
        (l.key_changed, l.key_after) = (Some(today), key_after);
    }
    Ok(changed(world, license.id, Some(&key)))
}

fn any_family(world: &mut World, call: &Call) -> Result<License, Refusal> {
    let mut last = Err(Refusal::new("no_license", ""));
    for family in [Family::Soft, Family::SoftExternal, Family::Addition] {
        last = living(world, family, call);
        if last.as_ref().map_or_else(|no| no.kind != "missed", |_| true) {
            break;
        }
    }
    last
}

/// An active license is prolonged from its end; a stopped one from today, even if time was left, and it runs again.
fn prolong(world: &mut World, call: &Call) -> Reply {
    let license = any_family(world, call)?;
    let period = call.period()?;
    let tariff = world.tariff(license.family, &license.pricelist.to_string())?;
    if period <= 0 || tariff.trial() {
        return Err(Refusal::new("period", &period.to_string()));
    }
    let today = world.today();
    let from = if license.status == STOPPED { today } else { license.expires.unwrap_or(today) };
    let (end, amount) = world.quote(&tariff, period, license.nodes, from)?;
    if !call.sok() {
        return Ok(world.options.dialect.prolonged(end));
    }
    world.afford(amount)?;
    if let Some(l) = world.licenses.get_mut(&license.id) {
        (l.expires, l.period) = (Some(end), period);
        if l.status == STOPPED {
            (l.status, l.stopped_by) = (ACTIVE, StoppedBy::Nobody);
        }
        l.unseen_reads = call.unseen_reads.max(l.unseen_reads);
    }
    world.charge(&call.func, license.id, amount, call.connection);
    Ok(world.options.dialect.prolonged(end))
}

/// License, key and expiry stay; a dearer tariff costs the difference for the days that are left.
fn change_tariff(world: &mut World, call: &Call) -> Reply {
    let license = any_family(world, call)?;
    let code = call.need("pricelist")?;
    let (tariff, period) = (world.tariff(license.family, code)?, call.period()?);
    let old = world.tariff(license.family, &license.pricelist.to_string())?;
    if old.code == tariff.code || old.trial() || tariff.trial() {
        return Err(Refusal::new("tariff", code));
    }
    let today = world.today();
    world.quote(&tariff, period, 0, today)?;
    if world.busy(tariff.code, &license.ip, Some(&license.remoteip), license.id) {
        return Err(Refusal::new("ip_busy", &license.ip));
    }
    if !call.sok() {
        return Ok(FORM.into());
    }
    let days = license.expires.map_or(0, |e| (e - today).num_days().max(0));
    let month = |t: &Tariff| t.price(1).or_else(|| t.price(12).map(|p| p / 12)).unwrap_or(0);
    let amount = ((month(&tariff) - month(&old)).max(0) * days + 29) / 30;
    world.afford(amount)?;
    if let Some(l) = world.licenses.get_mut(&license.id) {
        (l.pricelist, l.period) = (tariff.code, period);
        l.nodes = tariff.nodes.as_ref().map_or(0, |n| n.included.max(l.nodes));
        l.unseen_reads = call.unseen_reads.max(l.unseen_reads);
    }
    world.charge(&call.func, license.id, amount, call.connection);
    Ok("<ok/>".into())
}

fn suspend(world: &mut World, family: Family, call: &Call) -> Reply {
    let id = living(world, family, call)?.id;
    if let Some(l) = world.licenses.get_mut(&id).filter(|l| l.status != STOPPED) {
        (l.status, l.stopped_by) = (STOPPED, StoppedBy::Hand);
    }
    Ok("<ok/>".into())
}

fn resume(world: &mut World, family: Family, call: &Call) -> Reply {
    let license = living(world, family, call)?;
    if license.expires.is_some_and(|e| e <= world.today()) {
        return Err(Refusal::new("expired", &license.id.to_string()));
    }
    if let Some(l) = world.licenses.get_mut(&license.id).filter(|l| l.status == STOPPED) {
        (l.status, l.stopped_by) = (ACTIVE, StoppedBy::Nobody);
    }
    Ok("<ok/>".into())
}

fn delete(world: &mut World, family: Family, call: &Call) -> Reply {
    let elid = call.need("elid")?;
    let license = world.license(family, elid)?.clone();
    if license.status == DELETED {
        return Err(Refusal::new("status", elid));
    }
    if !call.sok() {
        return Ok(FORM.into());
    }
    world.delete(license.id);
    Ok("<ok/>".into())
}

/// Only for tests that want a license to be there already.
pub fn foreign(world: &mut World, pricelist: u32, period: i32, ip: &str, licname: &str) -> u64 {
    let tariff = world.tariffs.iter().find(|t| t.code == pricelist).cloned();
    let tariff = tariff.unwrap_or_else(|| Tariff::new(pricelist, "Foreign", Family::Soft, &[(period, 0)]));
    let params = vec![("licname".to_owned(), licname.to_owned()), ("autoprolong".to_owned(), "null".to_owned())];
    let id = super::orders::bought(world, &Call { params, ..Call::default() }, &tariff, period);
    let end = add_period(world.today(), period);
    if let Some(l) = world.licenses.get_mut(&id) {
        (l.ip, l.expires) = (ip.to_owned(), Some(end));
        l.nodes = tariff.nodes.as_ref().map_or(0, |n| n.included);
        if l.status == PROCESSING {
            l.status = ACTIVE;
        }
    }
    debug_assert!(!escape(licname).contains('<'), "the text is escaped when it is shown");
    id
}
