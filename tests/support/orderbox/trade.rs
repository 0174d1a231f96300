//! The calls that change something: the purchase, the removal, and those that the program must never send, which are
//! here to be counted.
use super::calls::{self, Answer, Call};
use super::options::Repeat;
use super::refusals::Refusal;
use super::world::{Work, World};
use chrono::Months;
use serde_json::{Map, Value, json};

const INVOICES: &[&str] = &["NoInvoice", "PayInvoice", "KeepInvoice", "OnlyAdd"];

/// The map that tells of an action; wrapped under the number of its invoice where that is the custom.
fn map(world: &World, call: &Call, order: u64, action: u64, charged: i64) -> Value {
    let found = world.actions.iter().find(|a| a.id == action);
    let is_queued = found.is_some_and(|a| a.ended.is_none());
    let kind = found.map_or("AddWhmcsLicense", |a| a.work.word());
    let domain = world.orders.get(&order).map_or("", |o| o.domain.as_str());
    let words = "Your Order will be processed by our automatic provisioning system in the next 5-10 minutes.";
    let mut out = json!({
        "description": domain, "entityid": calls::id(world, order), "actiontype": kind, "actiontypedesc": kind,
        "eaqid": calls::id(world, action), "actionstatus": if is_queued { "PendingExecution" } else { "Success" },
        "actionstatusdesc": if is_queued { words } else { "Completed successfully" }, "status": "Success",
    });
    let is_invoiced = call.get("invoice-option").is_some_and(|option| option != "NoInvoice");
    let invoice = 78_877_000 + action;
    if is_invoiced {
        out["invoiceid"] = calls::id(world, invoice);
        out["sellingcurrencysymbol"] = json!(world.options.currency);
        out["sellingamount"] = calls::amount(-charged);
        out["customerid"] = calls::id(world, world.orders.get(&order).map_or(0, |o| o.customer));
    }
    if !world.options.wrapped {
        return out;
    }
    Value::Object(Map::from_iter([(invoice.to_string(), out)]))
}

/// The answer to a purchase: the key itself before 2023, later the map of the action.
fn bought(world: &World, call: &Call, order: u64, action: u64, charged: i64) -> Value {
    let shown = world.orders.get(&order).filter(|o| world.options.old_answer && o.key_late_reads == 0);
    match shown.map(|o| o.key.as_str()).filter(|key| !key.is_empty()) {
        Some(key) => json!({ "status": "Success", "licenseKey": key }),
        None => map(world, call, order, action, charged),
    }
}

pub fn generate(world: &mut World, call: &Call) -> Answer {
    let option = call.want("invoice-option")?.to_owned();
    if !INVOICES.contains(&option.as_str()) {
        return Err(Refusal::new("bad", "invoice-option"));
    }
    let order = call.order(world)?.clone();
    if order.status != "Active" {
        return Err(Refusal::new("status", &order.status));
    }
    if world.pending(order.id).is_some() && !call.racing {
        return Err(Refusal::new("pending", ""));
    }
    let (months, price) = world.quote(&order);
    if !order.key.is_empty() && !call.racing {
        match world.options.repeat {
            Repeat::Free => return Ok(bought(world, call, order.id, 0, 0)),
            Repeat::Refused => return Err(Refusal::new("has_key", "")),
            Repeat::Charged => {}
        }
    }
    if world.balance < price {
        return Err(Refusal::new("no_money", ""));
    }
    if option == "OnlyAdd" {
        let action = world.begin(order.id, Work::AddLicense, u32::MAX, 0);
        return Ok(json!({ "customercost": calls::amount(price), "eaqid": calls::id(world, action),
            "customerid": calls::id(world, order.customer), "invoiceid": calls::id(world, 78_877_000 + action) }));
    }
    world.book("generate-license-key", order.id, (months, price), call.connection);
    let reads = if call.racing { 0 } else { world.options.queue_reads };
    let action = world.begin(order.id, Work::AddLicense, reads, price);
    if let Some(changed) = world.orders.get_mut(&order.id) {
        changed.unseen_reads = call.unseen_reads;
        changed.key_late_reads = call.key_late_reads.unwrap_or(changed.key_late_reads);
    }
    Ok(bought(world, call, order.id, action, price))
}

/// Takes the license away, at once and for good.
pub fn remove(world: &mut World, call: &Call) -> Answer {
    for (name, value) in world.options.remove_params.clone() {
        if call.want(&name)? != value {
            return Err(Refusal::new("bad", &name));
        }
    }
    let order = call.order(world)?.clone();
    if world.pending(order.id).is_some() && !call.racing {
        return Err(Refusal::new("pending", ""));
    }
    if order.key.is_empty() {
        return Err(Refusal::new("no_key", ""));
    }
    let name = world.options.remove_call.clone();
    world.book(&name, order.id, (0, 0), call.connection);
    let reads = world.options.queue_reads;
    let action = world.begin(order.id, Work::RemoveLicense, reads, 0);
    Ok(map(world, call, order.id, action, 0))
}

/// Prolongs the whole hosting, with its license; a repetition prolongs it again.
pub fn renew(world: &mut World, call: &Call) -> Answer {
    let months = u32::try_from(call.number("months")?).map_err(|_| Refusal::new("bad", "months"))?;
    call.want("invoice-option")?;
    call.want("auto-renew")?;
    let order = call.order(world)?.clone();
    let license = if order.key.is_empty() { 0 } else { world.options.price_month * i64::from(months) };
    world.book("renew", order.id, (months, license), call.connection);
    if let Some(changed) = world.orders.get_mut(&order.id) {
        changed.ends = (super::world::time(order.ends) + Months::new(months)).timestamp();
    }
    let action = world.begin(order.id, Work::Other("RenewHosting".into()), 0, license);
    Ok(map(world, call, order.id, action, license))
}

/// The whole hosting is gone.
pub fn delete(world: &mut World, call: &Call) -> Answer {
    let order = call.order(world)?;
    order.status = "Deleted".into();
    let (id, key) = (order.id, std::mem::take(&mut order.key));
    order.old_keys.push(key);
    world.book("delete", id, (0, 0), call.connection);
    Ok(json!({ "status": "Success" }))
}

/// Stops the whole hosting, or lets it run again.
pub fn suspend(world: &mut World, call: &Call, is_stop: bool) -> Answer {
    if is_stop {
        call.want("reason")?;
    }
    let order = call.order(world)?;
    order.status = if is_stop { "Suspended" } else { "Active" }.into();
    let id = order.id;
    world.book(&call.name, id, (0, 0), call.connection);
    Ok(json!({ "status": "Success", "entityid": calls::id(world, id) }))
}
