//! `import_pricelist`: the tariffs that can be resold. If the seller's offers to this account can be read, only the
//! tariffs among them are listed. Otherwise all are listed, whatever the address of the seller is.

use std::collections::BTreeSet;

use super::Reply;
use crate::context::{Context, database_error};
use crate::error::ModuleError;
use crate::model::catalogue::{Catalogue, Product, Region};
use crate::model::ids::{ModuleId, UpstreamPricelistId};
use crate::model::license::Family;
use crate::model::sellers::SellerKind;
use crate::ports::{CallError, Question, Upstream};
use crate::session::module;
use crate::xml::{self, Element};

/// The longest list of offers in bytes that is read.
const OFFERS_BYTES: u64 = 16 << 20;

/// The tariffs that can be resold: `<doc>` with an `<elem>` for each, in order of the internal name, with the children
/// intname, name, itemtype, pricelist (the seller's code), period (one for each number of months; -100 for a trial of
/// the same code), trial (the internal name of the trial), billing (`international` or `russian`, where the vendor has
/// a code for each), nodes_addon and nodes_included, and price with the attributes period and currency. Products whose
/// sale has ended and hidden ones are left out. So are codes that the seller does not offer to this account. If the
/// offers cannot be read, the codes of both billings are listed.
///
/// # Errors
/// `unsupported_module`, or why the module's settings cannot be read.
pub fn run(ctx: &mut Context, id: ModuleId) -> Result<Reply, ModuleError> {
    let modules = ctx.data.billdb()?.modules().map_err(database_error)?;
    let id = module::ours(&modules, id)?.id;
    let access = ctx.data.access(id)?;
    let today = ctx.clock.today();
    let kind = SellerKind::of(&access.url);
    let catalogue = ctx.settings.rules(Some(id)).catalogue.sold_by(kind);
    // If the seller cannot be asked, everything is listed.
    let offers = match ctx.connector.connect(&access) {
        Ok(mut upstream) if kind.shows_offers() => Offers::ask(upstream.as_mut(), &catalogue),
        Ok(_) | Err(_) => Offers::default(),
    };
    if offers.families.is_empty() && kind.shows_offers() {
        ctx.log.info("import_pricelist: what the seller offers to this account cannot be read; all codes are shown");
    }
    let sold = |product: &&Product| {
        let over = product.no_order_from.is_some_and(|from| today >= from);
        !product.hidden && !over && offers.has(product)
    };
    let doc = catalogue.iter().filter(sold).fold(Element::new("doc"), |doc, product| doc.with_child(elem(product)));
    Ok(Reply::document(&doc))
}

/// The offers of the seller, as far as it shows them.
#[derive(Debug, Default)]
struct Offers {
    codes: BTreeSet<UpstreamPricelistId>,
    /// Families with at least one known code among the offers. Only in these does a missing code mean that it is not
    /// sold.
    families: Vec<Family>,
}

impl Offers {
    fn ask(upstream: &mut dyn Upstream, catalogue: &Catalogue) -> Self {
        for question in [Question::Offers, Question::OrderForm] {
            match upstream.answer(&question) {
                Ok(document) => {
                    let offers = Self::known(codes(&document), catalogue);
                    if !offers.families.is_empty() {
                        return offers;
                    }
                }
                Err(CallError::Unreachable(_)) => return Self::default(),
                Err(CallError::Refused(_) | CallError::BadAnswer(_) | CallError::Form(_)) => {}
            }
        }
        Self::default()
    }

    fn known(codes: BTreeSet<UpstreamPricelistId>, catalogue: &Catalogue) -> Self {
        let known = catalogue.iter().filter(|product| codes.contains(&product.pricelist));
        let families = known.map(|product| product.family).collect();
        Self { codes, families }
    }

    fn has(&self, product: &Product) -> bool {
        !self.families.contains(&product.family) || self.codes.contains(&product.pricelist)
    }
}

/// The name of the list of tariffs in a form of an order (docs/billmanager-protocol.md, Where licenses are sold).
const TARIFFS: &str = "tariflist";

/// The codes that can be ordered: `pricelist.export` answers with a `pricelist` for each, which has `active`,
/// `hideinorder` and `archived`. `soft.order` answers with a form whose list has a row for each tariff. If a list has
/// the name [`TARIFFS`], the form's other lists are about other things.
fn codes(document: &str) -> BTreeSet<UpstreamPricelistId> {
    let Ok(doc) = xml::parse(document.as_bytes(), OFFERS_BYTES) else { return BTreeSet::new() };
    let is_of_tariffs = |list: &&Element| list.attribute("name") == Some(TARIFFS);
    let has_tariffs = doc.children_named("list").any(|list| is_of_tariffs(&list));
    let lists = doc.children_named("list").filter(|list| !has_tariffs || is_of_tariffs(list));
    let lists = lists.flat_map(|list| list.children_named("elem"));
    let rows = doc.children_named("pricelist").chain(doc.children_named("elem")).chain(lists);
    let is = |row: &Element, name: &str, word: &str| row.value_of(name).is_some_and(|value| value == word);
    rows.filter(|row| !is(row, "active", "off") && !is(row, "hideinorder", "on") && !is(row, "archived", "on"))
        .filter_map(|row| row.value_of("pricelist").or_else(|| row.value_of("id"))?.trim().parse().ok())
        .map(UpstreamPricelistId)
        .collect()
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
    if let Some(region) = product.region {
        let billing = match region {
            Region::International => "international",
            Region::Russian => "russian",
        };
        elem = elem.with_child(text("billing", billing));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Each shape of an answer, numbers as text and as attribute. Products that cannot be ordered, errors, and forms
    /// without tariffs offer nothing.
    #[test]
    fn offers_are_read_from_each_shape_of_an_answer() {
        let export = "<doc><pricelist><id>55231</id><active>on</active><price currency=\"RUB\"/></pricelist>\
                      <pricelist><id v=\"55232\"/></pricelist><pricelist><id>55233</id><archived>on</archived></pricelist>\
                      <pricelist><id>55234</id><active>off</active></pricelist>\
                      <pricelist><id>55235</id><hideinorder>on</hideinorder></pricelist></doc>";
        let order = "<doc><list name=\"pricelist\"><elem><pricelist>55227</pricelist><id>1</id></elem>\
                     <elem><id>9203</id></elem></list></doc>";
        let read = |text: &str| codes(text).into_iter().map(|code| code.0).collect::<Vec<_>>();
        assert_eq!((read(export), read(order)), (vec![55231, 55232], vec![9203, 55227]));
        let form = "<doc><metadata name=\"soft.order.pricelist\" type=\"form\"/><list name=\"tariflist\"><elem>\
                    <pricelist>55227</pricelist><desc>&lt;p&gt;Lite&lt;/p&gt;</desc><price>5.00 EUR</price></elem></list>\
                    <list name=\"addons\"><elem><id>55229</id></elem></list>\
                    <slist name=\"period\"><val key=\"1\">Month</val></slist></doc>";
        assert_eq!(read(form), [55227], "another list is about other things");
        for nothing in ["", "<doc><error type=\"missed\"/></doc>", "<doc><elid>55227</elid></doc>"] {
            assert!(codes(nothing).is_empty(), "{nothing}");
        }
        // If no code of a family is offered, nothing is known about that family.
        let catalogue = Catalogue::builtin();
        let offers = Offers::known(codes(export), &catalogue);
        let has = |name: &str| offers.has(catalogue.get(name).expect(name));
        assert_eq!((has("55231"), has("55227"), has("9203")), (true, false, true));
    }
}
