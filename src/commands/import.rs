//! `import` and `import_pricelist`: licenses upstream that become services, and tariffs that can be resold.

use crate::context::Context;
use crate::context::database_error;
use crate::engine::run_to_end;
use crate::error::ModuleError;
use crate::model::catalogue::{Product, Region};
use crate::model::ids::ModuleId;
use crate::opening::{module, with_engine};
use crate::plan::import::Search;
use crate::xml::Element;

use super::Reply;

/// Imports licenses; prints nothing.
///
/// # Errors
/// What failed, after everything was tried.
pub fn licenses(ctx: &mut Context, id: ModuleId, itemtype: &str, param: Option<&str>) -> Result<Reply, ModuleError> {
    let modules = ctx.data.billdb()?.modules().map_err(database_error)?;
    let id = module::ours(&modules, id)?.id;
    let search = Search::parse(param);
    let done = with_engine(ctx, id, |engine| Ok(run_to_end(engine.import(itemtype, &search))))?;
    done.left.iter().for_each(|why| ctx.log.info(&format!("import: {}", why.en)));
    done.report.error("import").map_or_else(|| Ok(Reply::nothing()), Err)
}

/// The tariffs that can be resold from the module's address: `<doc>` with an `<elem>` for each, in order of the
/// internal name, with the children intname, name, itemtype, pricelist (the code upstream), period (one a month count,
/// -100 for a trial of the same code), trial (the internal name of the trial), nodes_addon and nodes_included, and
/// price with the attributes period and currency. Products whose sale has ended and hidden ones are left out, and so
/// are the codes of the vendor's other billing where the address is one of the vendor's own.
///
/// # Errors
/// `unsupported_module`, or why the module's settings cannot be read.
pub fn pricelist(ctx: &mut Context, id: ModuleId) -> Result<Reply, ModuleError> {
    let modules = ctx.data.billdb()?.modules().map_err(database_error)?;
    let id = module::ours(&modules, id)?.id;
    let url = ctx.data.access(id)?.url;
    let today = ctx.clock.today();
    let rules = ctx.settings.rules(Some(id));
    let sold = |product: &&Product| {
        let over = product.no_order_from.is_some_and(|from| today >= from);
        !product.hidden && !over && fits(product.region, &url)
    };
    let doc =
        rules.catalogue.iter().filter(sold).fold(Element::new("doc"), |doc, product| doc.with_child(elem(product)));
    Ok(Reply::document(&doc))
}

/// Whether a code belongs to the billing at an address; an address that is not the vendor's says nothing.
fn fits(region: Option<Region>, url: &str) -> bool {
    let russian = url.contains("api.ispmanager.ru");
    let international = url.contains("api.ispmanager.com") || url.contains("api-eu.ispmanager.com");
    match region {
        Some(Region::Russian) => !international,
        Some(Region::International) => !russian,
        None => true,
    }
}

fn elem(product: &Product) -> Element {
    let text = |name: &str, value: &str| Element::new(name).with_text(value);
    let mut elem = Element::new("elem")
        .with_child(text("intname", &product.internal_name))
        .with_child(text("name", &product.name))
        .with_child(text("itemtype", product.family.func()))
        .with_child(text("pricelist", &product.pricelist.to_string()));
    for months in &product.periods {
        elem = elem.with_child(text("period", &months.0.to_string()));
    }
    if product.sells_trial {
        elem = elem.with_child(text("period", "-100"));
    }
    if let Some(trial) = &product.trial {
        elem = elem.with_child(text("trial", trial));
    }
    if let Some(addon) = product.nodes_addon {
        elem = elem.with_child(text("nodes_addon", &addon.to_string()));
        elem = elem.with_child(text("nodes_included", &product.nodes_included.to_string()));
    }
    for (months, price) in &product.prices {
        let amount = format!("{}.{:02}", price.minor / 100, price.minor % 100);
        elem = elem.with_child(
            text("price", &amount)
                .with_attribute("period", &months.0.to_string())
                .with_attribute("currency", &price.currency),
        );
    }
    elem
}
