//! The description of the pages, xml/billmgr_mod_pmisplicense_pages.xml: its form, its texts, and whether it names what
//! the program answers.
use super::shown;
use crate::support::Test;
use pmisplicense::admin::list::status_word;
use pmisplicense::model::license::LicenseStatus;
use pmisplicense::model::license_row::LicenseState;
use pmisplicense::watch::problems::Kind;
use pmisplicense::xml::{Element, parse};
use std::collections::BTreeSet;

const XML: &str = include_str!("../../xml/billmgr_mod_pmisplicense_pages.xml");

/// The lists of the panel that get a button of ours.
const FOREIGN: [&str; 2] = ["soft", "softexternal"];

/// Elements, those that they may be in, and their attributes, as the public modules have them.
const SHAPES: [(&str, &[&str], &[&str]); 22] = [
    ("handler", &["mgrdata"], &["name", "type"]),
    ("func", &["handler"], &["name"]),
    ("mainmenu", &["mgrdata"], &["level"]),
    ("node", &["mainmenu", "node"], &["name", "image", "icon", "spritesvg", "action", "type"]),
    ("metadata", &["mgrdata"], &["name", "type", "key", "keyname", "mgr", "level"]),
    ("toolbar", &["metadata"], &[]),
    ("toolgrp", &["toolbar"], &["name", "first"]),
    ("toolbtn", &["toolgrp"], &["func", "name", "img", "type", "level", "sprite"]),
    ("coldata", &["metadata"], &[]),
    ("col", &["coldata", "list"], &["name", "type", "hidden", "sort"]),
    ("form", &["metadata"], &["title"]),
    ("field", &["form"], &["name"]),
    ("list", &["field"], &["name", "type"]),
    ("select", &["field"], &["name", "type"]),
    ("input", &["field"], &["type", "name"]),
    ("textdata", &["field"], &["name", "type"]),
    ("lang", &["mgrdata"], &["name"]),
    ("messages", &["lang"], &["name"]),
    ("msg", &["messages"], &["name", "added"]),
    // Documents of the handler.
    ("elem", &["doc", "list"], &[]),
    ("slist", &["doc"], &["name"]),
    ("ok", &["doc"], &["type"]),
];

fn description() -> Element {
    parse(XML.as_bytes(), 1 << 20).unwrap()
}

fn named<'e>(element: &'e Element, child: &'e str) -> impl Iterator<Item = (&'e str, &'e Element)> {
    element.children_named(child).map(|one| (one.attribute("name").unwrap_or_default(), one))
}

fn below<'e>(element: &'e Element, name: &str, into: &mut Vec<&'e Element>) {
    for child in &element.children {
        if child.name == name {
            into.push(child);
        }
        below(child, name, into);
    }
}

fn all<'e>(element: &'e Element, name: &str) -> Vec<&'e Element> {
    let mut found = Vec::new();
    below(element, name, &mut found);
    found
}

/// The names of the messages of a block.
fn messages(root: &Element, lang: &str, block: &str) -> BTreeSet<String> {
    let blocks = named(root, "lang").filter(|(name, _)| *name == lang).flat_map(|(_, one)| named(one, "messages"));
    let texts = blocks.filter(|(name, _)| *name == block).flat_map(|(_, one)| named(one, "msg"));
    texts.filter(|(_, msg)| !msg.value().is_empty()).map(|(name, _)| name.to_owned()).collect()
}

/// The messages that a list or form needs for what its description names.
fn needed(metadata: &Element) -> Vec<String> {
    let own = |element: &Element| element.attribute("name").unwrap_or_default().to_owned();
    let buttons = all(metadata, "toolbtn").into_iter().map(own);
    let mut texts: Vec<String> = buttons.flat_map(|name| [format!("short_{name}"), format!("hint_{name}")]).collect();
    let columns = all(metadata, "coldata").into_iter().flat_map(|data| &data.children);
    texts.extend(columns.filter(|col| col.attribute("hidden").is_none()).map(own));
    for field in all(metadata, "field") {
        texts.push(own(field));
        for table in field.children_named("list") {
            texts.extend(table.children.iter().map(|col| format!("{}_{}", own(table), own(col))));
        }
    }
    texts
}

/// The words of the differences that reconcile names, from the source: a list here would be one to forget.
fn kinds_of_differences() -> Vec<String> {
    let source = include_str!("../../src/plan/finding.rs");
    let words = source.split("impl Kind {").nth(1).unwrap().split("\n}\n").next().unwrap();
    words.split("=> \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// Whatever a list may show in a column of messages.
fn words_of_columns() -> Vec<(&'static str, String)> {
    let states = LicenseState::ALL.map(LicenseState::word);
    let statuses = [
        LicenseStatus::Ordered,
        LicenseStatus::Active,
        LicenseStatus::Stopped,
        LicenseStatus::Deleted,
        LicenseStatus::Processing,
        LicenseStatus::Absent,
        LicenseStatus::Unknown(77),
    ]
    .map(status_word);
    let kinds = kinds_of_differences();
    assert!(kinds.len() > 25, "{kinds:?}");
    let licenses = states.iter().chain(&statuses).map(|word| ("pmisplicense.licenses", (*word).to_owned()));
    let problems = Kind::ALL.iter().map(|kind| ("pmisplicense.indoubt", kind.word().to_owned()));
    licenses.chain(problems).chain(kinds.into_iter().map(|kind| ("pmisplicense.findings", kind))).collect()
}

#[test]
fn every_title_column_field_button_and_word_has_a_text_in_both_languages() {
    let root = description();
    let mut wanted = words_of_columns();
    let metadata: Vec<_> = named(&root, "metadata").collect();
    for (block, metadata) in &metadata {
        let title = (!FOREIGN.contains(block)).then(|| "title".to_owned());
        wanted.extend(needed(metadata).into_iter().chain(title).map(|name| (*block, name)));
    }
    let menu = all(&root, "node").into_iter().filter_map(|node| node.attribute("name"));
    wanted.extend(menu.map(|name| ("desktop", format!("menu_{name}"))));
    assert!(wanted.len() > 120, "{}", wanted.len());
    for lang in ["en", "ru"] {
        let missing: Vec<_> =
            wanted.iter().filter(|(block, name)| !messages(&root, lang, block).contains(name)).collect();
        assert!(missing.is_empty(), "{lang}: {missing:?}");
    }
    // The other way round: nobody translates what nothing shows.
    let blocks: BTreeSet<&str> = wanted.iter().map(|(block, _)| *block).collect();
    for block in blocks {
        let [en, ru] = ["en", "ru"].map(|lang| messages(&root, lang, block));
        assert_eq!(en, ru, "{block}");
        let unused: Vec<_> = en
            .iter()
            .filter(|name| !wanted.contains(&(block, (*name).clone())))
            .filter(|name| !["state_", "action_", "verdict_"].iter().any(|select| name.starts_with(select)))
            .collect();
        assert!(unused.is_empty(), "{block}: {unused:?}");
    }
}

#[test]
fn every_choice_of_a_form_has_a_text_in_both_languages() {
    let (t, root) = (Test::new(), description());
    super::opened(&t, 42);
    for (func, id, select) in [("pmisplicense.filter", "", "state"), ("pmisplicense.license", "42", "action")] {
        let doc = shown(&t, func, &[("PARAM_elid", id)]);
        let list = doc.children_named("slist").find(|list| list.attribute("name") == Some(select)).unwrap();
        assert!(list.children.len() > 2, "{list:?}");
        for lang in ["en", "ru"] {
            let texts = messages(&root, lang, func);
            assert!(list.children.iter().all(|choice| texts.contains(choice.value())), "{lang}: {list:?}");
        }
    }
    for lang in ["en", "ru"] {
        let texts = messages(&root, lang, "pmisplicense.resolve");
        assert!(["none", "bought", "not_bought"].iter().all(|key| texts.contains(&format!("verdict_{key}"))));
    }
}

#[test]
fn the_description_has_the_shapes_of_public_modules() {
    fn check(parent: &Element) {
        for child in &parent.children {
            let (_, parents, attributes) =
                SHAPES.iter().find(|(name, ..)| *name == child.name).unwrap_or_else(|| panic!("<{}>", child.name));
            assert!(parents.contains(&parent.name.as_str()), "<{}> in <{}>", child.name, parent.name);
            for (name, value) in &child.attributes {
                assert!(
                    attributes.contains(&name.as_str()) && !value.is_empty(),
                    "<{} {name}=\"{value}\">",
                    child.name
                );
            }
            check(child);
        }
    }
    let root = description();
    assert_eq!(
        (root.name.as_str(), XML.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")),
        ("mgrdata", true)
    );
    check(&root);
    for (name, metadata) in named(&root, "metadata") {
        let is_list = metadata.attribute("type") == Some("list");
        assert_eq!(metadata.attribute("mgr"), Some("billmgr"), "{name}");
        assert_eq!(metadata.attribute("key").is_some(), is_list, "{name}");
        if is_list && !FOREIGN.contains(&name) {
            let columns: Vec<_> = all(metadata, "col").into_iter().filter_map(|col| col.attribute("name")).collect();
            for key in ["key", "keyname"] {
                assert!(columns.contains(&metadata.attribute(key).unwrap()), "{name}: {key}");
            }
        }
    }
    let types = |name: &str| -> BTreeSet<String> {
        all(&root, name).into_iter().filter_map(|one| one.attribute("type").map(str::to_owned)).collect()
    };
    assert_eq!(types("toolbtn"), BTreeSet::from(["edit", "new"].map(str::to_owned)));
    assert_eq!(types("col"), BTreeSet::from(["data", "msg"].map(str::to_owned)));
    assert_eq!(types("list"), BTreeSet::from(["table".to_owned()]));
}

#[test]
fn the_description_names_what_the_program_answers_for_administrators_only() {
    let root = description();
    let handler = root.child("handler").unwrap();
    assert_eq!((handler.attribute("name"), handler.attribute("type")), (Some("pmisplicense-pages"), Some("xml")));
    let answered: BTreeSet<&str> = pmisplicense::pages::functions().collect();
    let of = |names: Vec<&Element>, attribute: &str| -> BTreeSet<String> {
        names.into_iter().filter_map(|one| one.attribute(attribute).map(str::to_owned)).collect()
    };
    let owned: BTreeSet<String> = answered.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(of(all(handler, "func"), "name"), owned);
    let described: BTreeSet<&str> = named(&root, "metadata").map(|(name, _)| name).collect();
    assert_eq!(described, answered.iter().copied().chain(FOREIGN).collect());
    assert!(of(all(&root, "toolbtn"), "func").is_subset(&owned));
    assert!(of(all(&root, "node"), "action").is_subset(&owned));
    // Each page can be reached: by the menu, a button, or the form of a license; one by the answer about a request.
    let mut reached: BTreeSet<String> =
        of(all(&root, "toolbtn"), "func").union(&of(all(&root, "node"), "action")).cloned().collect();
    reached.insert("pmisplicense.decide".to_owned());
    assert_eq!(reached, owned);
    for element in [all(&root, "mainmenu"), all(&root, "toolbtn")].concat() {
        assert_eq!(element.attribute("level"), Some("admin"), "{element:?}");
    }
    for (name, metadata) in named(&root, "metadata").filter(|(name, _)| !FOREIGN.contains(name)) {
        assert_eq!(metadata.attribute("level"), Some("admin"), "{name}");
    }
}

/// A kind of difference has the same words in the program and in the description of its page.
#[test]
fn kinds_of_differences_are_called_the_same_by_program_and_page() {
    use pmisplicense::plan::finding::Kind as Difference;
    let root = description();
    for (lang, said) in [("en", false), ("ru", true)] {
        let blocks = named(&root, "lang").filter(|(name, _)| *name == lang).flat_map(|(_, one)| named(one, "messages"));
        let texts: Vec<_> = blocks
            .filter(|(name, _)| *name == "pmisplicense.findings")
            .flat_map(|(_, one)| named(one, "msg"))
            .collect();
        for kind in Difference::ALL {
            let title = kind.title();
            let shown = texts.iter().find(|(name, _)| *name == kind.word()).map(|(_, msg)| msg.value());
            assert_eq!(shown, Some(if said { title.ru.as_str() } else { title.en.as_str() }), "{}", kind.word());
        }
    }
}
