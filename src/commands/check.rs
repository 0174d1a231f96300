//! `check_param` and `check_addon`: check what a client typed or chose, before the panel accepts it.

use super::{Reply, stdin_document};
use crate::context::Context;
use crate::error::{ErrorKind, ModuleError};
use crate::plan::check::{check_address, check_internal_name, check_licname, check_order_number, check_outward};
use crate::text;

/// The largest number of additional nodes that is accepted.
const MAX_NODES: u32 = 10_000;

/// Checks a parameter of a service: address, name, or number of an order. All others pass.
pub fn param(ctx: &mut Context, param: &str, value: &str) -> Result<Reply, ModuleError> {
    stdin_document(ctx)?;
    match param {
        "ip" => {
            // The document does not show the product of the tariff. So an IPv6 address passes if some product accepts
            // one; `open` checks it again for the product itself.
            let ipv6 = ctx.settings.rules(ctx.module).catalogue.iter().any(|product| product.ipv6);
            if let Some(warning) = check_address(value, ipv6)?.warning {
                ctx.log.warning(&warning.en);
            }
        }
        "remoteip" if !value.trim().is_empty() => drop(check_outward(value)?),
        "licname" => check_licname(value)?,
        name if name == ctx.settings.rules(ctx.module).hosting.order_param => check_order_number(name, value)?,
        other => ctx.log.debug(&format!("parameter {other} is not checked")),
    }
    Ok(Reply::ok())
}

/// Checks an addon of a service: the number of nodes, or the internal name of a control panel.
pub fn addon(ctx: &mut Context, addon: &str, value: &str) -> Result<Reply, ModuleError> {
    stdin_document(ctx)?;
    let rules = ctx.settings.rules(ctx.module);
    let named = |names: &[String]| names.iter().any(|name| name == addon);
    if named(&rules.nodes_addons) {
        return nodes(addon, value);
    }
    if rules.panel_addons.is_empty() || named(&rules.panel_addons) {
        check_internal_name(value.trim(), &rules.catalogue)?;
    }
    Ok(Reply::ok())
}

fn nodes(addon: &str, value: &str) -> Result<Reply, ModuleError> {
    let value = value.trim();
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    if value.parse::<u32>().is_ok_and(|count| digits && count <= MAX_NODES) {
        return Ok(Reply::ok());
    }
    Err(ModuleError::new(
        ErrorKind::BadValue,
        addon,
        value,
        text!(
            "The number of additional nodes {value:?} is not a number from 0 to {MAX_NODES}",
            "Число дополнительных узлов должно быть от 0 до {MAX_NODES}, а указано {value:?}"
        ),
    )
    .changed(text!("Nothing was ordered or changed", "Ничего не заказано и не изменено"))
    .next(text!("enter another number", "введите другое число")))
}
