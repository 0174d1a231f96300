//! The pages in the panel: the documents that the handler prints, and their description. They are compared with the
//! shapes of two public modules, because no panel is at hand here. Also who may see the pages, what they show, and what
//! their forms do.
use crate::support::{Output, Program, Test};
use pmisplicense::xml::{Element, parse};

mod browser;
mod description;
mod forms;
mod lists;

/// The page `func`, asked for as the panel asks: by an administrator, in English. `params` are variables.
fn asked<'t>(t: &'t Test, func: &str, params: &[(&str, &str)]) -> Program<'t> {
    let document = format!("<?xml version=\"1.0\"?><doc func=\"{func}\" lang=\"en\"><metadata name=\"{func}\"/></doc>");
    let program = t.program(Vec::<String>::new()).arg0("addon/pmisplicense-pages").stdin(document);
    let program = program.env("AUTH_LEVEL", "29").env("AUTH_USER", "carol").env("AUTH_IP", "198.51.100.7");
    params.iter().fold(program, |program, (name, value)| program.env(name, value))
}

fn document(output: &Output) -> Element {
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{}\n{}", output.stdout, output.story);
    parse(output.stdout.as_bytes(), 10 << 20).unwrap_or_else(|error| panic!("{error:?}\n{}", output.stdout))
}

/// The document of a page that must not be an error.
fn shown(t: &Test, func: &str, params: &[(&str, &str)]) -> Element {
    let output = asked(t, func, params).run();
    let doc = document(&output);
    assert!(doc.child("error").is_none(), "{func} {params:?}: {}\n{}", output.stdout, output.story);
    doc
}

/// The words of the error document that comes instead of a page; nothing else of a page is in it.
fn refused(t: &Test, func: &str, params: &[(&str, &str)]) -> String {
    words_of_error(&asked(t, func, params).run())
}

fn words_of_error(output: &Output) -> String {
    let doc = document(output);
    let error = doc.child("error").unwrap_or_else(|| panic!("no error\n{}\n{}", output.stdout, output.story));
    assert_eq!(doc.children.len(), 1, "{}", output.stdout);
    assert_eq!((error.attribute("type"), error.attribute("report")), (Some("xml"), Some("no")));
    error.value_of("msg").unwrap().to_owned()
}

/// A form that is submitted about a row, with its fields.
fn submitted<'p>(id: &'p str, fields: &[(&'p str, &'p str)]) -> Vec<(&'p str, &'p str)> {
    [&[("PARAM_elid", id), ("PARAM_sok", "ok")], fields].concat()
}

/// The page to which the panel goes after a form.
fn goes_on(doc: &Element) -> (&str, &str) {
    let ok = doc.child("ok").unwrap_or_else(|| panic!("the form was not carried out: {doc:?}"));
    (ok.attribute("type").unwrap_or_default(), ok.value())
}

/// The values of a column, row by row.
fn column<'d>(doc: &'d Element, name: &str) -> Vec<&'d str> {
    doc.children_named("elem").map(|row| row.value_of(name).unwrap_or_default()).collect()
}

/// The rows of a table in a form.
fn table<'d>(doc: &'d Element, name: &str) -> Vec<&'d Element> {
    let list = doc.children_named("list").find(|list| list.attribute("name") == Some(name));
    list.unwrap_or_else(|| panic!("no table {name}: {doc:?}")).children.iter().collect()
}

/// A service that is open, with a name that a document must not take for its own.
fn opened(t: &Test, item: u32) {
    t.soft_item(item, "55227", 1).ip(&format!("192.0.2.{item}")).licname("A & <B>").active_until("2030-01-31").add();
    t.cmd("open", item).ok();
}
