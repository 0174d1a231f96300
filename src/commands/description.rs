//! Test of the XML description: what the panel shows must match what the code knows.

use crate::commands::{features, tuning};
use crate::error::ErrorKind;
use crate::model::sellers::addresses;
use crate::xml::{Element, parse};

const MODULE: &str = include_str!("../../xml/billmgr_mod_pmisplicense.xml");
const EVENT: &str = include_str!("../../xml/billmgr_mod_pmisplicense_event.xml");

fn root(text: &str) -> Element {
    parse(text.as_bytes(), 1 << 20).expect("well-formed")
}

/// A message in both languages.
fn assert_message(root: &Element, block: &str, name: &str) {
    for lang in ["en", "ru"] {
        let blocks = root.children_named("lang").filter(|element| element.attribute("name") == Some(lang));
        let blocks = blocks.flat_map(|element| element.children_named("messages"));
        let mut texts = blocks
            .filter(|element| element.attribute("name") == Some(block))
            .flat_map(|element| element.children_named("msg"))
            .filter(|msg| msg.attribute("name") == Some(name));
        let text = texts.next().map(|msg| msg.text.clone()).unwrap_or_default();
        assert!(!text.trim().is_empty(), "{lang}: no message {name} in {block}");
        assert!(texts.next().is_none(), "{lang}: {name} in {block} twice");
        let cyrillic = text.chars().any(|c| ('а'..='я').contains(&c));
        assert!(lang == "ru" || !cyrillic, "{lang}: {text}");
    }
}

fn fields(root: &Element, metadata: &str) -> Vec<String> {
    let form = root.children_named("metadata").find(|element| element.attribute("name") == Some(metadata));
    let form = form.and_then(|metadata| metadata.child("form")).expect("a form");
    let direct = form.children_named("field");
    let names = form.children_named("page").flat_map(|page| page.children_named("field")).chain(direct);
    names.filter_map(|field| field.attribute("name").map(str::to_owned)).collect()
}

/// Every error has its text in both languages, and nothing else is called an error.
#[test]
fn every_error_has_texts() {
    let root = root(MODULE);
    for kind in ErrorKind::ALL {
        assert_message(&root, "msgerror", &format!("msg_error_{}", kind.word()));
    }
    assert_eq!(MODULE.matches("name=\"msg_error_").count(), 2 * ErrorKind::ALL.len());
}

/// The settings form has exactly the parameters of `features`, each with a label and a hint, and the known addresses.
#[test]
fn the_settings_form_has_the_parameters_of_features() {
    let root = root(MODULE);
    let params: Vec<_> = features::PARAMS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let form = "processing.edit.pmisplicense";
    assert_eq!(fields(&root, form), params);
    let hints = params.iter().map(|name| format!("hint_{name}"));
    for name in params.iter().cloned().chain(hints).chain(addresses().map(str::to_owned)) {
        assert_message(&root, form, &name);
    }
    assert_message(&root, "processing.customparam.names.pmisplicense", features::PERIOD_ALIGN);
}

/// The table of the period alignment has the fields that `tuning_param` reads and writes.
#[test]
fn the_alignment_form_has_the_fields_of_tuning_param() {
    let root = root(MODULE);
    let form = "processing.customparam.edit.pmisplicense.period_align";
    assert_eq!(fields(&root, form), tuning::FIELDS);
    for name in tuning::FIELDS.into_iter().chain(tuning::MESSAGES) {
        assert_message(&root, form, name);
    }
}

/// The description names this module, its product types, and the handler with the events of bundled services.
#[test]
fn the_description_names_the_module_its_types_and_its_events() {
    let root = root(MODULE);
    let plugin = root.child("plugin").expect("a plugin");
    assert_eq!(plugin.attribute("name"), Some(crate::model::item::MODULE_PROGRAM));
    let types: Vec<_> = plugin.child("params").expect("params").children_named("type").collect();
    assert_eq!(types.iter().filter_map(|t| t.attribute("name")).collect::<Vec<_>>(), features::ITEMTYPES);
    for name in ["desc_short_pmisplicense", "desc_full_pmisplicense", "price_pmisplicense"] {
        assert_message(&root, "plugin", name);
    }
    for name in ["pmisplicense", "module_pmisplicense"] {
        assert_message(&root, "label_processing_modules", name);
    }
    let events = self::root(EVENT);
    let handler = events.child("handler").expect("a handler");
    assert_eq!(handler.attribute("name"), Some(crate::event_hook::HANDLER));
    assert!(handler.children.iter().all(|event| event.name == "event" && event.attribute("after") == Some("yes")));
}
