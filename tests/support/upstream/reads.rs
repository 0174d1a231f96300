//! The calls of docs/interface.md 5 that only read: lists with paging, one license, checkip, whoami, subaccount.
use super::catalogue::{Country, Family, Tariff};
use super::dialect::{Amounts, ChangeDates, ListTariff, Offers};
use super::element;
use super::funcs::{Call, Reply};
use super::refusals::Refusal;
use super::world::{DELETED, License, World};

pub fn perform(world: &mut World, call: &Call) -> Reply {
    match call.func.as_str() {
        "soft" => list(world, Family::Soft, call),
        "softexternal" => list(world, Family::SoftExternal, call),
        "whoami" => Ok(whoami(world)),
        "subaccount" => Ok(subaccount(world)),
        "pricelist.export" if world.options.offers == Offers::Export => Ok(offers(world)),
        other => Err(Refusal::new("unknown_func", other)),
    }
}

/// Tariffs as the export of a price list tells them: what cannot be ordered is in it too.
fn offers(world: &World) -> String {
    let row = |tariff: &Tariff| {
        let closed = if tariff.end.is_some() { "on" } else { "off" };
        let more = element("active", "on") + &element("archived", closed) + &element("name", &tariff.name);
        format!("<pricelist>{}{more}</pricelist>", number(world, "id", u64::from(tariff.code)))
    };
    sold(world).map(row).collect()
}

/// The tariffs of this account's country.
fn sold(world: &World) -> impl Iterator<Item = &Tariff> {
    let country = world.options.country;
    world.tariffs.iter().filter(move |tariff| [Country::Both, country].contains(&tariff.country))
}

/// The first step of an order in a browser: the tariffs that can be chosen, and beside them what else the form needs.
pub fn order_form(world: &World, family: Family) -> String {
    let row = |tariff: &Tariff| {
        let words = element("desc", &format!("<p>{}</p>", tariff.name)) + &element("price", "<b>5.00 a month</b>");
        format!("<elem>{}{words}</elem>", number(world, "pricelist", u64::from(tariff.code)))
    };
    let rows: String = sold(world).filter(|tariff| tariff.family == family && tariff.end.is_none()).map(row).collect();
    format!(
        "<metadata name=\"{}.order.pricelist\" type=\"form\"/><list name=\"tariflist\">{rows}</list>\
         <slist name=\"period\"><val key=\"1\">Month</val></slist>",
        family.word()
    )
}

/// A number as text, or in the attribute `v`, as the account's BILLmanager does it.
pub fn number(world: &World, tag: &str, n: u64) -> String {
    if world.options.ids_in_attribute { format!("<{tag} v=\"{n}\"/>") } else { element(tag, &n.to_string()) }
}

pub fn check_ip(world: &World, pricelist: &str, ip: &str, period: i32) -> Reply {
    let tariff = world.tariff(Family::Soft, pricelist)?;
    if tariff.price(period).is_none() {
        return Err(Refusal::new("period", &period.to_string()));
    }
    if world.busy(tariff.code, ip, None, 0) { Err(Refusal::new("ip_busy", ip)) } else { Ok("<ok/>".into()) }
}

/// True if this read sees the license at all; each look brings it nearer.
fn seen(license: &mut License) -> bool {
    let hidden = license.unseen_reads > 0;
    license.unseen_reads = license.unseen_reads.saturating_sub(1);
    !hidden
}

/// A late key is issued when so many reads found none; the next read shows it.
fn nearer_key(world: &mut World, id: u64) {
    let Some(license) = world.licenses.get_mut(&id) else { return };
    match license.key_after {
        0 | u32::MAX => {}
        1 => world.issue_key(id),
        _ => license.key_after -= 1,
    }
}

/// All fields of one license.
pub fn card(world: &mut World, family: Family, elid: &str) -> Reply {
    let license = world.license(family, elid)?;
    if !seen(license) {
        return Err(Refusal::new("no_license", elid));
    }
    let license = license.clone();
    let id = license.id;
    nearer_key(world, id);
    let record = record(world, &license);
    Ok(if world.options.dialect.nested_card { format!("<doc>{record}</doc>") } else { record })
}

/// All fields of a license, as its form shows them.
pub fn record(world: &World, license: &License) -> String {
    let (id, name) = (license.id, tariff_name(world, license.pricelist));
    let mut out = element("elid", &id.to_string()) + &number(world, "id", id);
    let mut put = |tag: &str, text: &str| out.push_str(&element(tag, text));
    put("name", &format!("{name} #{id}"));
    put("pricelist", &license.pricelist.to_string());
    put("pricelist_name", &name);
    put("lickey", &license.key);
    if world.options.remoteid_returned {
        put("remoteid", &license.remoteid);
    }
    if !license.remoteip.is_empty() && !world.options.dialect.hides_remoteip {
        put("remoteip", &license.remoteip);
    }
    if world.options.dialect.counts_domains {
        put("webdomains", "3");
    }
    let addon = world.tariffs.iter().find(|t| t.code == license.pricelist).and_then(|t| t.nodes.as_ref());
    if let Some(nodes) = addon {
        put(&format!("addon_{}", nodes.addon), &license.nodes.to_string());
    }
    for (tag, text) in common(world, license, world.options.edit_dates) {
        put(tag, &text);
    }
    out
}

/// The fields that card and list have in common.
fn common(world: &World, license: &License, dates: bool) -> Vec<(&'static str, String)> {
    let dialect = &world.options.dialect;
    let mut out =
        vec![("licname", license.licname.clone()), ("ip", license.ip.clone()), ("period", license.period.to_string())];
    if dates {
        let (ip, key) = (license.ip_changed, license.key_changed);
        let names = [("real_ipchange", "ip_change_date", ip), ("real_keychange", "lickey_change_date", key)];
        for (real, change, day) in names {
            match dialect.change_dates {
                ChangeDates::Real => out.push((real, dialect.day(day))),
                ChangeDates::Change => out.push((change, dialect.day(day))),
                ChangeDates::Both => {
                    out.push((real, dialect.day(day.map(|_| license.created))));
                    out.push((change, dialect.day(day)));
                }
            }
        }
    }
    let tariff = world.tariffs.iter().find(|t| t.code == license.pricelist);
    let price = dialect.amount(tariff.and_then(|t| t.price(license.period)).unwrap_or(0));
    out.extend([
        ("createdate", dialect.day(Some(license.created))),
        ("expiredate", dialect.day(license.expires)),
        ("autoprolong", license.autoprolong.clone()),
        (dialect.status_name(), license.status.to_string()),
        ("special_status", license.special_status.to_string()),
        ("account", license.account.to_string()),
        ("cost", format!("{price} {} / {} mon.", world.currency(), license.period)),
    ]);
    out
}

fn tariff_name(world: &World, code: u32) -> String {
    world.tariffs.iter().find(|t| t.code == code).map_or_else(|| format!("Tariff {code}"), |t| t.name.clone())
}

fn list(world: &mut World, family: Family, call: &Call) -> Reply {
    let count = |name, default| call.get(name).and_then(|v| v.parse().ok()).filter(|n| *n > 0).unwrap_or(default);
    let (page, size): (usize, usize) = match world.options.list_ignores_paging {
        true => (1, usize::MAX),
        false => (count("p_num", 1), count("p_cnt", world.options.page_default)),
    };
    let (account, deleted) = (world.account, world.options.list_deleted);
    let wanted =
        |l: &License| l.family == family && l.account == account && !l.unlisted && (deleted || l.status != DELETED);
    let mut shown = Vec::new();
    for l in world.licenses.values_mut().filter(|l| wanted(l)) {
        if seen(l) {
            shown.push(l.id);
        }
    }
    if world.options.list_newest_first {
        shown.reverse();
    }
    let crowd = world.crowd.as_ref().filter(|crowd| crowd.like.family == family);
    let (total, first) = (shown.len() + crowd.map_or(0, |crowd| crowd.numbers.clone().count()), (page - 1) * size);
    let own: Vec<&License> = shown.iter().skip(first).take(size).filter_map(|id| world.licenses.get(id)).collect();
    let mut out = own.iter().map(|l| list_row(world, l)).collect::<String>();
    if let Some(crowd) = crowd {
        let ids = crowd.numbers.clone().skip(first.saturating_sub(shown.len())).take(size - own.len());
        out.extend(ids.map(|id| list_row(world, &crowd.license(id))));
    }
    for (tag, n) in [("p_num", page), ("p_cnt", size), ("p_elems", total)] {
        if tag != "p_elems" || world.options.list_total {
            out.push_str(&element(tag, &n.to_string()));
        }
    }
    Ok(out)
}

fn list_row(world: &World, l: &License) -> String {
    let (options, dialect) = (&world.options, &world.options.dialect);
    let (code, name) = (l.pricelist.to_string(), tariff_name(world, l.pricelist));
    let mut columns = match dialect.list_tariff {
        ListTariff::PricelistId => vec![("pricelist_id", code), ("pricelist", name)],
        ListTariff::Pricelist => vec![("pricelist", if options.list_pricelist_name { name } else { code })],
    };
    if options.list_remoteid {
        columns.push(("remoteid", l.remoteid.clone()));
    }
    columns.extend(common(world, l, options.list_dates));
    let mut out = number(world, "id", l.id);
    for (tag, text) in columns {
        // The document of other software calls the status so, whatever the other lists do.
        let tag = if tag == "status" && !dialect.lists(l.family, tag) { "item_status" } else { tag };
        if dialect.lists(l.family, tag) {
            out.push_str(&element(tag, &text));
        }
    }
    format!("<elem>{out}</elem>")
}

fn whoami(world: &World) -> String {
    let (name, account) = (super::escape(&world.options.user), world.account);
    format!("<user id=\"{account}\" name=\"{name}\" level=\"16\" account=\"{account}\"/>")
        + &element("id", &account.to_string())
        + &element("name", &world.options.user)
        + &element("account", &account.to_string())
}

fn subaccount(world: &World) -> String {
    let amount = world.options.dialect.amount(world.balance);
    let balance = match world.options.dialect.amounts {
        Amounts::Plain => element("balance", &amount) + &element("currency", world.currency()),
        Amounts::Spaces | Amounts::Commas | Amounts::Points => {
            element("balance", &format!("{amount} {}", world.currency()))
        }
    };
    format!(
        "<elem>{}{}{balance}</elem>{}",
        number(world, "id", world.account),
        element("name", &world.options.user),
        element("p_elems", "1"),
    )
}
