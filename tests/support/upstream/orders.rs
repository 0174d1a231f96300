//! Orders: the old function, and the new one of BILLmanager 6, which words its fields in another way.
use super::catalogue::{Family, Tariff};
use super::funcs::{Call, FORM, Reply, address, nodes};
use super::refusals::Refusal;
use super::world::{ACTIVE, License, ORDERED, StoppedBy, World};

/// `v2.ITEMTYPE.order.param`: `order_period`, `clicked_button=order`, `autoprolong` a flag or a number of months.
pub fn new_order(world: &mut World, func: &str, call: &Call) -> Reply {
    let family = match func {
        "soft.order.param" => Family::Soft,
        "softexternal.order.param" => Family::SoftExternal,
        "addition.order.param" => Family::Addition,
        _ => return Err(Refusal::new("unknown_func", &call.func)),
    };
    let period = call.need("order_period")?;
    let own = match call.get("autoprolong") {
        Some("on") => period.to_owned(),
        Some("off") | None => "null".to_owned(),
        Some(months) if months.parse::<u32>().is_ok() => months.to_owned(),
        Some(other) => return Err(Refusal::about("value", "autoprolong", other)),
    };
    let button = if call.get("clicked_button") == Some("order") { "finish" } else { "" };
    let ours = ["period", "order_period", "autoprolong", "clicked_button"];
    let mut params: Vec<_> = call.params.iter().filter(|(name, _)| !ours.contains(&name.as_str())).cloned().collect();
    for (name, value) in [("period", period), ("autoprolong", &own), ("clicked_button", button)] {
        params.push((name.to_owned(), value.to_owned()));
    }
    order(world, family, &Call { params, ..call.clone() })
}

/// `ITEMTYPE.order.param`
pub fn order(world: &mut World, family: Family, call: &Call) -> Reply {
    let tariff = world.tariff(family, call.need("pricelist")?)?;
    let period = call.period()?;
    let (expires, amount) =
        world.quote(&tariff, period, tariff.nodes.as_ref().map_or(0, |n| n.included), world.today())?;
    let item = if family == Family::Addition {
        Some(world.license(Family::Soft, call.need("item")?).map(|l| l.id)?)
    } else {
        None
    };
    let ip = if tariff.needs_ip { address(call.need("ip")?, false)? } else { String::new() };
    let nodes = nodes(&tariff, call)?;
    let amount = world.quote(&tariff, period, nodes, world.today()).map_or(amount, |quote| quote.1);
    if world.busy(tariff.code, &ip, Some(call.get("remoteip").unwrap_or("")), 0) && !call.racing {
        return Err(Refusal::new("ip_busy", &ip));
    }
    if !call.sok() || call.get("clicked_button") != Some("finish") {
        return Ok(FORM.into());
    }
    // Without skipbasket the order lies in the basket, unpaid.
    let mut unpaid = call.unpaid || call.get("skipbasket") != Some("on");
    match world.afford(amount) {
        Err(no) if no.kind == "no_money" && world.options.no_money_leaves_order => unpaid = true,
        other => other?,
    }
    let id = bought(world, call, &tariff, period);
    let Some(license) = world.licenses.get_mut(&id) else { return Err(Refusal::new("no_license", "")) };
    (license.ip, license.nodes, license.item) = (ip, nodes, item);
    if unpaid {
        (license.status, license.expires, license.key) = (ORDERED, None, String::new());
    } else {
        license.expires = Some(expires);
        world.charge(&format!("{}.order.param", family.word()), id, amount, call.connection);
    }
    Ok(world.options.dialect.ordered(world, id))
}

/// The new license, as an order with enough money leaves it.
pub fn bought(world: &mut World, call: &Call, tariff: &Tariff, period: i32) -> u64 {
    let id = world.next_id;
    world.next_id += 1;
    let today = world.today();
    let changed = world.options.order_counts_as_change.then_some(today);
    let key_after = call.key_after.unwrap_or(world.options.key_after_reads);
    let key = if key_after > 0 { String::new() } else { world.new_key(id) };
    let text = |name: &str| call.get(name).unwrap_or("").to_owned();
    let license = License {
        id,
        account: world.account,
        family: tariff.family,
        pricelist: tariff.code,
        period,
        ip: String::new(),
        licname: world.options.dialect.stored(&text("licname")),
        key,
        old_keys: Vec::new(),
        status: if key_after > 0 { world.options.late_key_status } else { ACTIVE },
        special_status: 0,
        created: today,
        expires: None,
        remoteid: text("remoteid"),
        remoteip: text("remoteip"),
        autoprolong: call.get("autoprolong").map_or_else(|| period.to_string(), str::to_owned),
        nodes: 0,
        ip_changed: changed,
        key_changed: changed,
        stopped_by: StoppedBy::Nobody,
        item: None,
        unseen_reads: call.unseen_reads,
        key_after,
        unlisted: false,
    };
    world.licenses.insert(id, license);
    id
}
