//! `features`: tells the panel what this module is for and which commands it carries out. It needs only the binary. The
//! panel asks once at its start, so the panel has to be restarted after the answer has changed.

use crate::model::command::COMMANDS;
use crate::xml::Element;

/// Product types of services that this module handles.
pub const ITEMTYPES: [&str; 2] = ["soft", "softexternal"];

/// Settings of the processing module. True: the panel keeps it encrypted.
pub const PARAMS: [(&str, bool); 3] = [("url", false), ("username", false), ("password", true)];

/// The custom parameter for the rows of the period-alignment table.
pub const PERIOD_ALIGN: &str = "period_align";

fn named(element: &str, name: &str) -> Element {
    Element::new(element).with_attribute("name", name)
}

/// The document with the answer.
pub fn document() -> Element {
    let itemtypes = ITEMTYPES.iter().fold(Element::new("itemtypes"), |e, name| e.with_child(named("itemtype", name)));
    let params = PARAMS.iter().fold(Element::new("params"), |e, (name, crypted)| {
        let param = named("param", name);
        e.with_child(if *crypted { param.with_attribute("crypted", "yes") } else { param })
    });
    let params = params.with_child(named("customparam", PERIOD_ALIGN));
    let announced = COMMANDS.iter().filter(|command| command.is_announced);
    let features = announced.fold(Element::new("features"), |e, command| e.with_child(named("feature", command.name)));
    Element::new("doc").with_child(itemtypes).with_child(params).with_child(features)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::Reply;

    /// The exact bytes (docs/interface.md 3).
    #[test]
    fn features_answers_with_its_exact_bytes() {
        let names = "check_connection tune_connection tuning_param open suspend resume close setparam reopen prolong \
                     cancel_prolong sync_item sync_server gen_key check_param check_addon import import_pricelist";
        let features: String = names.split(' ').map(|name| format!("<feature name=\"{name}\"/>")).collect();
        let want = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><doc><itemtypes><itemtype name=\"soft\"/><itemtype \
             name=\"softexternal\"/></itemtypes><params><param name=\"url\"/><param name=\"username\"/><param \
             name=\"password\" crypted=\"yes\"/><customparam name=\"period_align\"/></params><features>{features}</features></doc>\n"
        );
        assert_eq!(Reply::document(&document()).0, want);
    }
}
