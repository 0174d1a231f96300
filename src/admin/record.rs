//! `doctor --record FILE`: what this panel and its sellers answer to questions that change nothing, with every name,
//! address, key, amount and secret replaced, for a bug report. `make replay FILE=…` lets the sandbox answer from it.
//!
//! The file is JSON, `Record` below. Fields may be added without a new version. When a field changes its meaning, the
//! version is raised.

mod placeholders;

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;

use self::placeholders::Placeholders;
use super::{Answer, Desk};
use crate::context::database_error;
use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::ids::{LicenseId, ModuleId};
use crate::model::item::MODULE_PROGRAM;
use crate::model::license::Family;
use crate::model::sellers::is_public;
use crate::ports::{CallError, Form, PanelQuestion, Question, Upstream};
use crate::text;
use crate::xml::{self, Element};

/// Version of the file. It is raised when a field changes its meaning or is removed.
const VERSION: u32 = 1;

/// The first field of the file, by which a program recognises it.
const FORMAT: &str = "pmisplicense record";

/// An explanation for a reader of the file.
const ABOUT: &str = "Answers to questions that change nothing. Names, addresses, keys, numbers, amounts and secrets are \
                     replaced by placeholders of the same shape; what is equal here was equal there. p_elems is the \
                     number of rows kept.";

/// Most bytes of an answer that are read, as for the client.
const MAX_ANSWER: u64 = 16 << 20;

/// The file.
#[derive(Debug, Serialize)]
struct Record {
    format: &'static str,
    version: u32,
    program: &'static str,
    about: &'static str,
    panel: OfPanel,
    sellers: Vec<OfSeller>,
}

/// The answers of the panel.
#[derive(Debug, Serialize)]
struct OfPanel {
    /// Each table that is read: `name type` of its columns in order, or `null` where it is missing.
    tables: BTreeMap<&'static str, Option<Vec<String>>>,
    answers: Vec<Exchange>,
}

/// The answers of one seller.
#[derive(Debug, Serialize)]
struct OfSeller {
    module: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
    answers: Vec<Exchange>,
}

/// A question with its answer, or the reason why there is none.
#[derive(Debug, Serialize)]
struct Exchange {
    func: String,
    params: BTreeMap<String, String>,
    /// The exit code of the panel's tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<i32>,
    /// The document, line by line.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
}

/// `doctor --record FILE`
///
/// # Errors
/// `config`, object `record`: FILE exists already or cannot be made; `missed`: the operator did not agree; `database`
/// or `mgrctl`: not even the modules can be read. Any other failure is written into the file.
pub fn record(desk: &mut Desk<'_>, file: &Path, yes: bool) -> Result<Answer, ModuleError> {
    let modules = desk.ctx.data.billdb()?.modules().map_err(database_error)?;
    let ours = modules.iter().filter(|module| module.program == MODULE_PROGRAM).map(|module| module.id);
    let accesses: Vec<_> = ours.map(|module| (module, desk.ctx.data.access(module))).collect();
    let hosts: Vec<&str> = accesses.iter().filter_map(|(_, access)| Some(access.as_ref().ok()?.url.as_str())).collect();
    if file.exists() {
        return Err(unwritable(file, &text!("it exists already", "он уже есть")));
    }
    desk.confirm(&plan(file, &hosts.join(", ")), yes)?;
    let mut out = create(file)?;
    let mut book = Book::default();
    for access in accesses.iter().filter_map(|(_, access)| access.as_ref().ok()) {
        book.hidden.hide(&access.username);
    }
    let modules: Vec<ModuleId> = accesses.iter().map(|(module, _)| *module).collect();
    let panel = book.panel(desk, &modules);
    let sellers = accesses.into_iter().map(|(module, access)| {
        let client = access.and_then(|access| desk.ctx.connector.connect(&access).map(|client| (access, client)));
        match client {
            Ok((access, mut client)) => book.seller(module, &access.url, client.as_mut()),
            Err(error) => book.unasked(module, error.kind.word()),
        }
    });
    let sellers = sellers.collect();
    let program = env!("CARGO_PKG_VERSION");
    let record = Record { format: FORMAT, version: VERSION, program, about: ABOUT, panel, sellers };
    let text = serde_json::to_string_pretty(&record).map_err(|error| failed_at(file, &error))?;
    writeln!(out, "{text}").and_then(|()| out.sync_all()).map_err(|error| failed_at(file, &error))?;
    let (shown, asked) = (file.display(), book.asked);
    let words = text!("{asked} answers were written to {shown}", "Ответов записано в {shown}: {asked}")
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!("read the file, then attach it to the report", "прочитайте файл и приложите его к сообщению"));
    Ok(Answer::sentence("doctor", desk.ctx.lang, words))
}

fn plan(file: &Path, hosts: &str) -> Text {
    let file = file.display();
    text!(
        "These questions are asked; each of them changes nothing.\n  \
         The panel's database: the columns of the tables that are read.\n  \
         The panel: paramlist, processing.edit, processing.customparam, processing.customparam.edit.\n  \
         The seller ({hosts}): whoami, subaccount, soft, softexternal, soft.edit and softexternal.edit of one license, pricelist.export, soft.order.\n\
         The answers are written to {file}. Names, addresses, keys, numbers, amounts and secrets are replaced before that.",
        "Будут заданы вопросы, ни один из которых ничего не меняет.\n  \
         База панели: столбцы таблиц, которые читаются.\n  \
         Панель: paramlist, processing.edit, processing.customparam, processing.customparam.edit.\n  \
         Продавец ({hosts}): whoami, subaccount, soft, softexternal, soft.edit и softexternal.edit одной лицензии, pricelist.export, soft.order.\n\
         Ответы записываются в {file}. Имена, адреса, ключи, номера, суммы и секреты до этого заменяются."
    )
}

/// A new file that only its owner reads.
fn create(file: &Path) -> Result<std::fs::File, ModuleError> {
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    made.map_err(|error| failed_at(file, &error))
}

fn failed_at(file: &Path, error: &impl std::fmt::Display) -> ModuleError {
    unwritable(file, &Text::same(error.to_string()))
}

fn unwritable(file: &Path, why: &Text) -> ModuleError {
    let shown = file.display();
    let message =
        text!(["The record cannot be written to {shown}: {}", why.en], ["Запись в {shown} невозможна: {}", why.ru]);
    ModuleError::new(ErrorKind::Config, "record", shown, message)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!("name another file", "укажите другой файл"))
}

/// The record so far, and the placeholders given out.
#[derive(Default)]
struct Book {
    hidden: Placeholders,
    asked: usize,
}

impl Book {
    fn panel(&mut self, desk: &mut Desk<'_>, ours: &[ModuleId]) -> OfPanel {
        let tables = desk.ctx.data.columns().unwrap_or_default().into_iter().map(|(table, columns)| {
            let columns: Vec<String> =
                columns.iter().map(|column| format!("{} {}", column.name, column.kind)).collect();
            (table, (!columns.is_empty()).then_some(columns))
        });
        let tables = tables.collect();
        let mut questions = vec![PanelQuestion::Params];
        for module in ours {
            questions.extend([
                PanelQuestion::Module(*module),
                PanelQuestion::CustomParams(*module),
                PanelQuestion::CustomParamForm(*module),
            ]);
        }
        let answers = questions.iter().map(|question| {
            let form = question.form();
            match desk.ctx.data.tool.answer(question) {
                Ok(answered) => Exchange { exit: answered.exit, ..self.recorded(&form, &answered.document) },
                Err(_) => self.failed(&form, "no document"),
            }
        });
        OfPanel { tables, answers: answers.collect() }
    }

    fn seller(&mut self, module: ModuleId, url: &str, client: &mut dyn Upstream) -> OfSeller {
        let mut answers = Vec::new();
        for question in [Question::WhoAmI, Question::Subaccount] {
            answers.push(self.heard(&question, client.answer(&question)));
        }
        for family in [Family::Soft, Family::SoftExternal] {
            let question = Question::List(family);
            let list = client.answer(&question);
            let license = list.as_ref().ok().and_then(|text| first_license(text));
            answers.push(self.heard(&question, list));
            if let Some(license) = license {
                let question = Question::Form(family, license);
                answers.push(self.heard(&question, client.answer(&question)));
            }
        }
        for question in [Question::Offers, Question::OrderForm] {
            answers.push(self.heard(&question, client.answer(&question)));
        }
        OfSeller {
            module: self.hidden.text(&module.to_string()),
            address: Some(self.address(url)),
            failure: None,
            answers,
        }
    }

    fn unasked(&mut self, module: ModuleId, failure: &'static str) -> OfSeller {
        let module = self.hidden.text(&module.to_string());
        OfSeller { module, address: None, failure: Some(failure), answers: Vec::new() }
    }

    fn heard(&mut self, question: &Question, heard: Result<String, CallError>) -> Exchange {
        let form = question.form();
        match heard {
            Ok(text) => self.recorded(&form, &text),
            // The texts of these errors name hosts and addresses.
            Err(CallError::Unreachable(_)) => self.failed(&form, "not reached"),
            Err(CallError::BadAnswer(_)) => self.failed(&form, "no document"),
            Err(CallError::Refused(_) | CallError::Form(_)) => self.failed(&form, "refused"),
        }
    }

    fn recorded(&mut self, form: &Form, answer: &str) -> Exchange {
        let Ok(document) = xml::parse(answer.as_bytes(), MAX_ANSWER) else { return self.failed(form, "no document") };
        let mut lines = Vec::new();
        write_lines(&self.hidden.document(&few_rows(document, &form.func)), 0, &mut lines);
        Exchange { answer: Some(lines), ..self.asked(form) }
    }

    fn failed(&mut self, form: &Form, why: &'static str) -> Exchange {
        Exchange { failure: Some(why), ..self.asked(form) }
    }

    /// The entry of a question, still without its answer.
    fn asked(&mut self, form: &Form) -> Exchange {
        self.asked += 1;
        let params = form.params.iter().map(|(name, value)| {
            let value = if name.starts_with("p_") { value.clone() } else { self.hidden.text(value) };
            (name.clone(), value)
        });
        Exchange { func: form.func.clone(), params: params.collect(), exit: None, answer: None, failure: None }
    }

    /// The seller's address if it is a public one, else its path only.
    fn address(&mut self, url: &str) -> String {
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let path = if ["", "/", "/billmgr", "/manager/billmgr"].contains(&path.trim_end_matches('/')) {
            path.to_owned()
        } else {
            self.hidden.text(path)
        };
        if is_public(host) { format!("{scheme}://{host}{path}") } else { format!("{scheme}://seller.example{path}") }
    }
}

/// The number of the first license of a list.
fn first_license(list: &str) -> Option<LicenseId> {
    let document = xml::parse(list.as_bytes(), MAX_ANSWER).ok()?;
    document.child("elem")?.value_of("id")?.parse().ok()
}

/// A document with most repetitions removed. Of a list one row stays, and the number of rows as its total. Of settings
/// the parts that name the database stay. Of anything else [`SIBLINGS`] elements with the same name stay.
fn few_rows(mut document: Element, func: &str) -> Element {
    let settings = func == PanelQuestion::Params.form().func;
    let mut rows = 0;
    document.children.retain(|child| match child.name.as_str() {
        "elem" if settings => names_database(child),
        "elem" => {
            rows += 1;
            rows == 1
        }
        _ => true,
    });
    for total in document.children.iter_mut().filter(|child| child.name == "p_elems") {
        *total = Element::new("p_elems").with_text(&rows.min(1).to_string());
    }
    few_siblings(&mut document);
    document
}

/// How many children with one name stay, so that the options of a form do not fill the file.
const SIBLINGS: usize = 20;

fn few_siblings(element: &mut Element) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    element.children.retain(|child| {
        let count = seen.entry(child.name.clone()).or_default();
        *count += 1;
        *count <= SIBLINGS
    });
    element.children.iter_mut().for_each(few_siblings);
}

/// `<elem><DBHost>…`, or `<elem><name>DBHost</name><value>…`.
fn names_database(row: &Element) -> bool {
    let is_one = |name: &str| name.starts_with("DB") || name == "CryptKey";
    row.children.iter().any(|child| is_one(&child.name)) || row.value_of("name").is_some_and(is_one)
}

/// A document for reading: one line for each element, its children indented.
fn write_lines(element: &Element, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    if element.children.is_empty() {
        return lines.push(format!("{indent}{}", element.to_fragment()));
    }
    let mut head = element.clone();
    head.children.clear();
    let end = format!("</{}>", element.name);
    let head = head.to_fragment();
    // An empty element is written as `<name/>`; its opening tag is `<name>`.
    let open = head.strip_suffix("/>").map_or_else(|| head.replace(&end, ""), |start| format!("{start}>"));
    lines.push(format!("{indent}{open}"));
    element.children.iter().for_each(|child| write_lines(child, depth + 1, lines));
    lines.push(format!("{indent}{end}"));
}
