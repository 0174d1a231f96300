//! The request for each change: its function and its parameters, in order (docs/interface.md 5). This is pure, so that
//! a change can be shown without being sent. `calls` sends exactly these requests.

use crate::model::ids::{LicenseId, UpstreamAddonId};
use crate::model::journal::{OnceRequest, OrderRequest};
use crate::model::license::Family;
use crate::model::rules::OrderApi;
use crate::ports::{Edit, Form, Repeatable};

fn about(func: impl Into<String>, license: LicenseId) -> Form {
    Form::new(func).with("elid", license)
}

/// A request that is sent **once**. `api`: which function takes orders.
pub fn once(request: &OnceRequest, api: OrderApi) -> Form {
    match request {
        OnceRequest::Order(wanted) => order(wanted, api),
        // The period is in months. A lost answer leaves open whether a period was bought; the license's expiry shows
        // it.
        OnceRequest::Prolong { license, period, .. } => {
            about("service.prolong", *license).with("period", period.0).with("sok", "ok")
        }
        // A lost answer leaves open whether the difference was paid; the license's tariff shows it.
        OnceRequest::ChangePricelist { license, pricelist, period } => about("service.changepricelist", *license)
            .with("pricelist", pricelist)
            .with("period", period.number())
            .with("sok", "ok"),
        // The total number of nodes. A lost answer leaves open whether nodes were bought; `addon_N` shows it.
        OnceRequest::SetNodes { family, license, addon, nodes } => {
            about(edit(*family), *license).with("sok", "ok").with(addon_name(*addon), nodes)
        }
        // Limited to one a month. A lost answer leaves open whether the key changed; the license's key shows it.
        OnceRequest::NewKey { family, license, .. } => {
            about(edit(*family), *license).with("sok", "ok").with("clicked_button", "newkey")
        }
        // A lost answer leaves open whether the license is gone; its status shows it.
        OnceRequest::Delete { family, license } => {
            about(format!("{}.delete", family.func()), *license).with("sok", "ok")
        }
        // OrderBox has a client of its own; this form is shown by --dry-run.
        OnceRequest::AddLicense(add) => {
            Form::new("generate-license-key").with("order-id", add.order).with("invoice-option", add.invoice.word())
        }
        OnceRequest::RemoveLicense(remove) => {
            let form = Form::new(remove.call.clone()).with("order-id", remove.order);
            remove.params.iter().fold(form, |form, (name, value)| form.with(name.clone(), value))
        }
    }
}

/// A change that may be repeated. A lost answer leaves open whether it was carried out; a read of the license shows it.
/// The address may change once a month.
pub fn change(family: Family, license: LicenseId, change: &Repeatable) -> Form {
    match change {
        Repeatable::Suspend => about(format!("{}.suspend", family.func()), license),
        Repeatable::Resume => about(format!("{}.resume", family.func()), license),
        Repeatable::Edit(fields) => edit_fields(family, license, fields),
    }
}

/// `*.edit`, for reading with elid alone.
pub fn edit(family: Family) -> String {
    format!("{}.edit", family.func())
}

/// The function that takes orders.
pub(super) fn order_func(family: Family, api: OrderApi) -> String {
    let version = match api {
        OrderApi::V1 => "",
        OrderApi::V2 => "v2.",
    };
    format!("{version}{}.order.param", family.func())
}

/// `addon_N`: the only parameter whose name holds a number.
fn addon_name(addon: UpstreamAddonId) -> String {
    format!("addon_{addon}")
}

/// An order. Its period is in months, -100 for a trial. A module (`addition`) has `item`, the number of its license,
/// instead of ip and licname. The newer function has other words for the button, the period and "no automatic renewal".
/// A lost answer leaves open whether a license was bought; the mark (remoteid) of the license shows it.
fn order(order: &OrderRequest, api: OrderApi) -> Form {
    let (button, period, no_autoprolong) = match api {
        OrderApi::V1 => ("finish", "period", "null"),
        OrderApi::V2 => ("order", "order_period", "off"),
    };
    let mut form = Form::new(order_func(order.family, api))
        .with("clicked_button", button)
        .with("sok", "ok")
        .with("skipbasket", "on")
        .with("pricelist", order.pricelist)
        .with(period, order.period.number());
    form = match order.family {
        Family::Soft | Family::SoftExternal => {
            let form = order.ip.into_iter().fold(form, |form, ip| form.with("ip", ip));
            let form = order.remoteip.into_iter().fold(form, |form, ip| form.with("remoteip", ip));
            form.with("licname", &order.licname)
        }
        Family::Addition | Family::Orderbox => {
            order.parent.into_iter().fold(form, |form, license| form.with("item", license))
        }
    };
    let form = form.with("remoteid", &order.mark).with("autoprolong", no_autoprolong);
    order.nodes.into_iter().fold(form, |form, (addon, nodes)| form.with(addon_name(addon), nodes))
}

/// The fields of an edit: any of ip, remoteip, licname, remoteid, autoprolong=null. A module has none of the first
/// three.
fn edit_fields(family: Family, license: LicenseId, change: &Edit) -> Form {
    let mut form = about(edit(family), license).with("sok", "ok");
    match family {
        Family::Soft | Family::SoftExternal => {
            form = change.ip.into_iter().fold(form, |form, ip| form.with("ip", ip));
            form = change.remoteip.iter().fold(form, |form, ip| form.with("remoteip", ip));
            form = change.licname.iter().fold(form, |form, name| form.with("licname", name));
        }
        Family::Addition | Family::Orderbox => {}
    }
    form = change.remoteid.iter().fold(form, |form, mark| form.with("remoteid", mark));
    if change.no_autoprolong { form.with("autoprolong", "null") } else { form }
}
