//! Lets the sandbox answer from a record that `doctor --record` wrote at a real panel: the seller gives the recorded
//! answers, the panel's tables have the recorded columns, mgrctl answers in the recorded form. Anything else does not
//! exist there. The file is read by its documented form, without the code that wrote it.
use super::upstream::funcs::Call;
use super::upstream::refusals::Refusal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub format: String,
    pub version: u32,
    pub panel: OfPanel,
    pub sellers: Vec<OfSeller>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OfPanel {
    /// `name type` of each column; null: there is no such table.
    pub tables: BTreeMap<String, Option<Vec<String>>>,
    pub answers: Vec<Asked>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OfSeller {
    pub module: String,
    #[serde(default)]
    pub answers: Vec<Asked>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    pub func: String,
    pub params: BTreeMap<String, String>,
    #[serde(default)]
    pub exit: Option<i32>,
    #[serde(default)]
    pub answer: Option<Vec<String>>,
}

impl Asked {
    /// The document on one line, with its declaration.
    pub fn document(&self) -> Option<String> {
        let lines: String = self.answer.as_ref()?.iter().map(|line| line.trim_start()).collect();
        Some(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{lines}\n"))
    }
}

impl Record {
    pub fn read(file: &Path) -> Result<Self, String> {
        let shown = file.display();
        let text = std::fs::read(file).map_err(|error| format!("{shown}: {error}"))?;
        let record: Self = serde_json::from_slice(&text).map_err(|error| format!("{shown}: {error}"))?;
        if record.format == "pmisplicense record" && record.version == 1 {
            Ok(record)
        } else {
            Err(format!("{shown} is no record of version 1"))
        }
    }

    /// The statements that make the recorded tables. The record does not say what is unique.
    pub fn schema(&self) -> String {
        let table = |(name, columns): (&String, &Option<Vec<String>>)| {
            columns.as_ref().map(|columns| format!("CREATE TABLE {name} ({});\n", columns.join(", ")))
        };
        self.panel.tables.iter().filter_map(table).collect()
    }

    /// The first seller that was asked.
    pub fn seller(&self) -> Vec<Asked> {
        self.sellers.iter().map(|seller| seller.answers.clone()).find(|answers| !answers.is_empty()).unwrap_or_default()
    }
}

/// The seller's answer, or that it does not know such a function or license.
pub fn answer(recorded: &[Asked], call: &Call) -> Result<String, Refusal> {
    let Some(asked) = recorded.iter().find(|asked| asked.func == call.func) else {
        return Err(Refusal::new("unknown_func", &call.func));
    };
    let mine = ["func", "out", "lang", "authinfo", "p_num", "p_cnt"];
    let other = |(name, value): &&(String, String)| {
        !mine.contains(&name.as_str()) && asked.params.get(name.as_str()).is_none_or(|was| was != value)
    };
    if let Some((name, value)) = call.params.iter().find(other) {
        return Err(if name == "elid" {
            Refusal::new("no_license", value)
        } else {
            Refusal::new("unknown_func", name)
        });
    }
    let document = asked.document().ok_or_else(|| Refusal::new("unknown_func", &call.func))?;
    // Only the first page was asked for.
    Ok(if call.get("p_num").is_none_or(|page| page == "1") { document } else { without(&document, "elem") })
}

fn without(document: &str, tag: &str) -> String {
    let (start, end) = (format!("<{tag}>"), format!("</{tag}>"));
    match (document.find(&start), document.rfind(&end)) {
        (Some(from), Some(to)) => format!("{}{}", &document[..from], &document[to + end.len()..]),
        _ => document.to_owned(),
    }
}

/// The panel's recorded answer, with this sandbox's own values where it tells how to reach the neighbours.
pub fn panel_answer(file: &Path, func: &str, own: &BTreeMap<String, String>) -> Option<(String, i32)> {
    let record = Record::read(file).ok()?;
    let asked = record.panel.answers.iter().find(|asked| asked.func == func)?;
    let document = asked.document()?;
    Some((with_own(&document, own), asked.exit.unwrap_or(0)))
}

/// Values by their elements `<DBHost>`, or by `<name>DBHost</name><value>`. A name that the record lacks stays away.
fn with_own(document: &str, own: &BTreeMap<String, String>) -> String {
    let mut out = document.to_owned();
    for (name, value) in own {
        let value = super::upstream::escape(value);
        out = between(&out, &format!("<{name}>"), &format!("</{name}>"), &value);
        out = between(&out, &format!("<name>{name}</name><value>"), "</value>", &value);
        out = out.replace(&format!("<{name}/>"), &format!("<{name}>{value}</{name}>"));
    }
    out
}

fn between(text: &str, start: &str, end: &str, value: &str) -> String {
    let Some(from) = text.find(start).map(|at| at + start.len()) else { return text.to_owned() };
    let Some(to) = text[from..].find(end).map(|at| from + at) else { return text.to_owned() };
    format!("{}{value}{}", &text[..from], &text[to..])
}

/// The place of a record that belongs to the tests.
pub fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/answers").join(name)
}
