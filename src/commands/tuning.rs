//! `tuning_param`: the period-alignment table of the panel. A row of the table is a row of processingparam named
//! `period_align` with the value `from;to;itemtype;pricelist`; the form has five fields (docs/panel-protocol.md 3).

use std::collections::BTreeMap;

use super::features::PERIOD_ALIGN;
use super::{Reply, required_document};
use crate::cli::Tuning;
use crate::context::Context;
use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::period::parse_alignment;
use crate::text;
use crate::xml::Element;

/// Periods offered for a service: the panel's own numbers.
const SOURCE_PERIODS: [&str; 13] = ["-100", "-50", "0", "1", "2", "3", "4", "6", "9", "12", "24", "36", "60"];

/// Months offered as the replacement.
const MONTHS: [&str; 10] = ["1", "2", "3", "4", "6", "9", "12", "24", "36", "60"];

/// Product types offered; more can be set in the settings file.
const ITEMTYPES: [&str; 5] = ["", "soft", "softexternal", "vds", "dedic"];

/// The form's fields, in the order of its page.
pub const FIELDS: [&str; 5] = ["source_period", "change_into", "compare_tariff", "itemtype", "pricelist"];

/// Messages that the lists refer to, besides numbers.
#[cfg(test)]
pub const MESSAGES: [&str; 8] = [
    "period_trial",
    "period_day",
    "period_lifetime",
    "itemtype_any",
    "itemtype_soft",
    "itemtype_softexternal",
    "itemtype_vds",
    "itemtype_dedic",
];

/// Carries out one of the four actions. Any other action returns the document unchanged.
pub fn run(ctx: &mut Context, tuning: &Tuning) -> Result<Reply, ModuleError> {
    let mut doc = required_document(ctx)?;
    let mut params = session_params(&doc);
    let ours = params.get("param").is_none_or(|name| name == PERIOD_ALIGN);
    match tuning {
        Tuning::List => list(ctx, &mut doc, &params)?,
        Tuning::TableFormTune if ours => tune_form(&mut doc),
        Tuning::TableGet if ours => {
            let stored = params.get("value").cloned().or_else(|| doc.value_of("value").map(str::to_owned));
            fill_form(&mut doc, &stored.unwrap_or_default());
        }
        Tuning::TableSet if ours => {
            params.insert("value".to_owned(), row(&doc)?);
        }
        Tuning::TableFormTune | Tuning::TableGet | Tuning::TableSet | Tuning::Other => {}
    }
    rewrite_session(&mut doc, &params);
    Ok(Reply::document(&doc))
}

fn session_params(doc: &Element) -> BTreeMap<String, String> {
    let params = doc.children_named("session_params").flat_map(|session| &session.children);
    params
        .filter_map(|param| {
            let value = param.attribute("value").unwrap_or_default();
            Some((param.attribute("name")?.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Empties the old element and adds a full one at the end, as the vendor's own modules do.
fn rewrite_session(doc: &mut Element, params: &BTreeMap<String, String>) {
    for session in doc.children.iter_mut().filter(|child| child.name == "session_params") {
        session.children.clear();
        session.text.clear();
    }
    let full = params.iter().fold(Element::new("session_params"), |session, (name, value)| {
        session.with_child(Element::new("param").with_attribute("name", name).with_attribute("value", value))
    });
    doc.children.push(full);
}

fn list(ctx: &mut Context, doc: &mut Element, params: &BTreeMap<String, String>) -> Result<(), ModuleError> {
    let module = params.get("elid").and_then(|id| id.parse().ok()).or(ctx.module);
    let Some(module) = module else {
        ctx.log.warning("tuning_param List: the document names no processing module; no rows were added");
        return Ok(());
    };
    for (id, value) in ctx.data.custom_rows(module, PERIOD_ALIGN)? {
        let id = id.to_string();
        if doc.children_named("elem").any(|elem| elem.value_of("id") == Some(id.as_str())) {
            continue;
        }
        let text = |name: &str, value: &str| Element::new(name).with_text(value);
        let elem = Element::new("elem")
            .with_child(text("id", &id))
            .with_child(text("param", PERIOD_ALIGN))
            .with_child(text("value", &value));
        doc.children.push(elem);
    }
    Ok(())
}

fn tune_form(doc: &mut Element) {
    for (field, keys) in [("source_period", &SOURCE_PERIODS[..]), ("change_into", &MONTHS), ("itemtype", &ITEMTYPES)] {
        doc.children.retain(|child| !(child.name == "slist" && child.attribute("name") == Some(field)));
        let list = keys.iter().fold(Element::new("slist").with_attribute("name", field), |list, key| {
            let number = key.parse::<u32>().is_ok_and(|months| months > 0);
            let shown = match (*key, field) {
                // Numbers of months need no message. The other values are names of messages.
                (key, _) if number => Element::new("val").with_text(key),
                ("", _) => Element::new("msg").with_text("itemtype_any"),
                ("-100", _) => Element::new("msg").with_text("period_trial"),
                ("-50", _) => Element::new("msg").with_text("period_day"),
                ("0", _) => Element::new("msg").with_text("period_lifetime"),
                (key, _) => Element::new("msg").with_text(&format!("itemtype_{key}")),
            };
            list.with_child(shown.with_attribute("key", key))
        });
        doc.children.push(list);
    }
}

fn set(doc: &mut Element, name: &str, value: &str) {
    doc.children.retain(|child| child.name != name);
    doc.children.push(Element::new(name).with_text(value));
}

/// Fills the form from a stored row. An incomplete row fills the fields that it has.
fn fill_form(doc: &mut Element, stored: &str) {
    let mut parts = stored.split(';').map(str::trim).chain(std::iter::repeat(""));
    let [from, into, itemtype, pricelist] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    let compare = if itemtype.is_empty() && pricelist.is_empty() { "off" } else { "on" };
    for (name, value) in FIELDS.into_iter().zip([from, into, compare, itemtype, pricelist]) {
        set(doc, name, value);
    }
}

/// Makes the stored row from the form. Hidden fields may still hold old values; without a comparison they do not count.
fn row(doc: &Element) -> Result<String, ModuleError> {
    let text = |name: &str| doc.value_of(name).unwrap_or_default();
    let compare = doc.value_of("compare_tariff").is_none_or(|value| value == "on");
    let narrow = |name: &str| if compare { text(name) } else { "" };
    let row = [text("source_period"), text("change_into"), narrow("itemtype"), narrow("pricelist")];
    for (field, value) in ["source_period", "change_into"].into_iter().zip(row) {
        if value.is_empty() {
            return Err(wrong(ErrorKind::Missed, field, value, &text!("it is empty", "поле пустое")));
        }
    }
    let with = |index: usize, value: &str| {
        let mut probe = ["1", "1", "", ""];
        if let Some(part) = probe.get_mut(index) {
            *part = value;
        }
        parse_alignment(&probe.join(";")).is_some()
    };
    let fields = ["source_period", "change_into", "itemtype", "pricelist"];
    match (0..4).find(|index| !with(*index, row[*index])) {
        None => Ok(row.join(";")),
        Some(index) => {
            let why = text!(
                "expected a number of months (for the source period also -100, -50 or 0), and the tariff's number",
                "ожидается число месяцев (для исходного периода также -100, -50 или 0) и номер тарифа"
            );
            Err(wrong(ErrorKind::BadValue, fields[index], row[index], &why))
        }
    }
}

fn wrong(kind: ErrorKind, field: &str, value: &str, why: &Text) -> ModuleError {
    let (en, ru) = (&why.en, &why.ru);
    let message = text!(
        "The row of the period alignment was not saved: {field} {value:?}: {en}. Correct the field and save again.",
        "Строка выравнивания периодов не сохранена: {field} {value:?}: {ru}. Исправьте поле и сохраните ещё раз."
    );
    ModuleError::new(kind, field, value, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;

    fn doc(text: &str) -> Element {
        parse(text.as_bytes(), 4096).expect("a document")
    }

    /// The form becomes a row, and the row the form again. Hidden fields do not count.
    #[test]
    fn a_form_becomes_a_row_and_the_row_the_same_form() {
        let form = |compare: &str, itemtype: &str, pricelist: &str| {
            doc(&format!(
                "<doc><source_period>1</source_period><change_into>12</change_into><compare_tariff>{compare}</compare_tariff>\
                 <itemtype>{itemtype}</itemtype><pricelist>{pricelist}</pricelist></doc>"
            ))
        };
        for (compare, itemtype, pricelist, want) in [
            ("on", "soft", "17", "1;12;soft;17"),
            ("on", "", "17", "1;12;;17"),
            ("on", "soft", "", "1;12;soft;"),
            ("off", "soft", "17", "1;12;;"),
            ("", "soft", "17", "1;12;;"),
        ] {
            let stored = row(&form(compare, itemtype, pricelist)).expect(want);
            assert_eq!(stored, want);
            let mut filled = doc("<doc><source_period>old</source_period></doc>");
            fill_form(&mut filled, &stored);
            assert_eq!(row(&filled).expect(want), want);
            assert_eq!(filled.children.len(), FIELDS.len());
        }
        let mut broken = doc("<doc/>");
        fill_form(&mut broken, "7");
        assert_eq!((broken.value_of("source_period"), broken.value_of("change_into")), (Some("7"), Some("")));
    }

    /// A row that could not be read later is not stored.
    #[test]
    fn a_row_that_could_not_be_read_later_is_not_stored() {
        let fields = |from: &str, into: &str, itemtype: &str, pricelist: &str| {
            doc(&format!(
                "<doc><source_period>{from}</source_period><change_into>{into}</change_into><itemtype>{itemtype}</itemtype>\
                 <pricelist>{pricelist}</pricelist></doc>"
            ))
        };
        for (from, into, itemtype, pricelist, field) in [
            ("", "1", "", "", "source_period"),
            ("1", "", "", "", "change_into"),
            ("-7", "1", "", "", "source_period"),
            ("1", "0", "", "", "change_into"),
            ("1", "x", "", "", "change_into"),
            ("1", "1", "", "x", "pricelist"),
            ("1", "1", "a;b", "", "itemtype"),
        ] {
            assert_eq!(row(&fields(from, into, itemtype, pricelist)).expect_err(field).object, field);
        }
    }

    /// The old session_params is emptied and a full one follows, names in order.
    #[test]
    fn the_session_params_are_written_anew_with_names_in_order() {
        let mut form = doc(
            "<doc><session_params><param name=\"plid\" value=\"7\"/><param name=\"elid\" value=\"\"/></session_params></doc>",
        );
        let params = session_params(&form);
        rewrite_session(&mut form, &params);
        let want = "<doc><session_params/><session_params><param name=\"elid\" value=\"\"/><param name=\"plid\" value=\"7\"/>\
                    </session_params></doc>";
        assert_eq!(form.to_fragment(), want);
        tune_form(&mut form);
        let lists: Vec<_> = form.children_named("slist").filter_map(|list| list.attribute("name")).collect();
        assert_eq!(lists, ["source_period", "change_into", "itemtype"]);
        let messages =
            form.children_named("slist").flat_map(|list| list.children_named("msg")).map(|msg| msg.text.as_str());
        assert_eq!(messages.collect::<Vec<_>>(), MESSAGES);
    }
}
