//! Pages of the viewer as plain text, for documents: what the handler prints, with the titles of the description.
//! Buttons and hidden columns are left out, as are columns without any value.
use super::Test;
use super::html::Node;
use super::viewer::{Panel, params};

/// Characters of a column at most; longer cells are broken.
const WIDEST: usize = 44;

/// The contents of a page. `query`: its function, then parameters. A submitted form leads to the next page.
pub fn page(t: &Test, lang: &str, query: &str) -> String {
    let panel = Panel::new(t, lang);
    let given = params(&format!("func={query}"));
    let doc = panel.asked(&given);
    if let Some(ok) = doc.child("ok") {
        return page(t, lang, ok.text.strip_prefix("func=").unwrap_or(&ok.text));
    }
    if let Some(error) = doc.child("error") {
        return format!("{}\n", error.child("msg").map_or("", |msg| &msg.text));
    }
    let func = given.iter().find(|(name, _)| name == "func").map_or("", |(_, func)| func);
    let metadata = panel.metadata(func).unwrap_or_else(|| panic!("no page {func}"));
    let beside = match metadata.child("form") {
        Some(form) => form.attribute("title"),
        None => "plname",
    };
    let beside = doc.child(beside).map_or("", |one| one.text.as_str());
    let mut out = format!("[{}]", panel.text(func, "title"));
    if !beside.is_empty() && beside != panel.text(func, "title") {
        out = format!("{out} {beside}");
    }
    out.push('\n');
    match metadata.child("coldata") {
        Some(data) => {
            let columns: Vec<&Node> = data.named("col").filter(|col| col.attribute("hidden") != "yes").collect();
            let titles = columns.iter().map(|col| (col.attribute("name"), panel.text(func, col.attribute("name"))));
            out += &table(&titles.collect::<Vec<_>>(), doc.named("elem"), |name, cell| {
                let is_word = columns.iter().any(|col| col.attribute("name") == name && col.attribute("type") == "msg");
                if is_word { panel.text(func, cell).to_owned() } else { cell.to_owned() }
            });
        }
        None => {
            for field in metadata.child("form").into_iter().flat_map(|form| form.named("field")) {
                out += &control(&panel, func, field, &doc);
            }
        }
    }
    out
}

/// A field of a form: its title and value, or its table.
fn control(panel: &Panel, func: &str, field: &Node, doc: &Node) -> String {
    let title = panel.text(func, field.attribute("name"));
    let mut out = String::new();
    for control in &field.children {
        let name = control.attribute("name");
        let value = doc.child(name).map_or("", |one| one.text.as_str());
        match (control.name.as_str(), control.attribute("type")) {
            ("list", _) => {
                let keys: Vec<(&str, String)> = control
                    .named("col")
                    .map(|col| col.attribute("name"))
                    .map(|col| (col, format!("{name}_{col}")))
                    .collect();
                let titles: Vec<_> = keys.iter().map(|(col, key)| (*col, panel.text(func, key))).collect();
                let rows = doc.named("list").filter(|list| list.attribute("name") == name);
                let rows: Vec<&Node> = rows.flat_map(|list| list.named("elem")).collect();
                if !rows.is_empty() {
                    out += &format!("{title}:\n{}", table(&titles, rows.into_iter(), |_, cell| cell.to_owned()));
                }
            }
            ("select", _) => {
                let lists = doc.named("slist").filter(|list| list.attribute("name") == name);
                let chosen = lists.flat_map(|list| list.named("msg")).find(|msg| msg.attribute("key") == value);
                out += &format!("{title}: {}\n", chosen.map_or(value, |msg| panel.text(func, &msg.text)));
            }
            ("input", "checkbox") => out += &format!("[ ] {title}\n"),
            (_, _) if value.is_empty() => {}
            (_, _) => out += &format!("{title}: {value}\n"),
        }
    }
    out
}

fn table<'n>(
    columns: &[(&str, &str)],
    rows: impl Iterator<Item = &'n Node>,
    shown: impl Fn(&str, &str) -> String,
) -> String {
    let cell = |row: &Node, name: &str| shown(name, row.child(name).map_or("", |cell| cell.text.as_str()));
    let mut lines: Vec<Vec<String>> = vec![columns.iter().map(|(_, title)| (*title).to_owned()).collect()];
    lines.extend(rows.map(|row| columns.iter().map(|(name, _)| cell(row, name)).collect()));
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0).min(WIDEST);
    let used: Vec<(usize, usize)> = (0..columns.len())
        .filter(|at| lines.len() == 1 || lines.iter().skip(1).any(|line| !line[*at].is_empty()))
        .map(|at| (at, width(at)))
        .collect();
    let mut out = String::new();
    for line in &lines {
        let cells: Vec<Vec<String>> = used.iter().map(|(at, width)| broken(&line[*at], *width)).collect();
        for row in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
            let parts = cells.iter().zip(&used).map(|(cell, (_, width))| {
                format!("{:width$}", cell.get(row).map_or("", String::as_str), width = *width)
            });
            out += &format!("  {}\n", parts.collect::<Vec<_>>().join("  ").trim_end());
        }
    }
    out
}

/// A text in lines of so many characters, broken between words.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().unwrap();
        if last.is_empty() || last.chars().count() + 1 + word.chars().count() <= width {
            let gap = if last.is_empty() { "" } else { " " };
            last.push_str(gap);
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
