//! One request of the panel: the function, the selected rows, the fields of a form, the page of a list; and the parts
//! of documents that answer it.

use crate::error::{ErrorKind, ModuleError};
use crate::text;
use crate::xml::Element;

/// Rows of a page where the panel does not say how many.
const ROWS: u32 = 50;

/// Rows of a page at most.
const MAX_ROWS: u32 = 1000;

/// Rows that may be selected at once.
const MAX_SELECTED: usize = 1000;

/// A request of the panel.
pub struct Request<'v> {
    /// The function.
    pub func: String,
    /// The document that the panel gave; the answer is written into it.
    pub doc: Element,
    variable: &'v dyn Fn(&str) -> Option<String>,
}

/// The part of a list that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The page, from 1 on.
    pub number: u32,
    /// Rows of a page.
    pub rows: u32,
    /// The column by which rows are sorted; empty: as the list is by itself.
    pub sort: String,
    /// From the last to the first.
    pub is_descending: bool,
}

impl Part {
    /// The number of rows before this part.
    pub fn passed_over(&self) -> u32 {
        (self.number - 1).saturating_mul(self.rows)
    }
}

impl<'v> Request<'v> {
    /// Reads the function; the rest is read when it is needed. `variable` reads the environment.
    pub fn new(doc: Element, variable: &'v dyn Fn(&str) -> Option<String>) -> Self {
        let mut request = Self { func: String::new(), doc, variable };
        let named = request.doc.attribute("func").map(str::to_owned);
        request.func = named.or_else(|| request.param("func")).unwrap_or_default();
        request
    }

    /// A parameter; `None` for one that is missing or empty.
    pub fn param(&self, name: &str) -> Option<String> {
        let value = (self.variable)(&format!("PARAM_{name}")).or_else(|| self.in_query(name));
        value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A parameter of the query string.
    fn in_query(&self, name: &str) -> Option<String> {
        let query = (self.variable)("QUERY_STRING")?;
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(decoded(value))
    }

    /// Whether a form was submitted.
    pub fn is_submitted(&self) -> bool {
        self.param("sok").is_some()
    }

    /// The selected rows. The query string comes first: it has all of them where `PARAM_elid` has only one.
    ///
    /// # Errors
    /// `bad_value`: more than can be meant.
    pub fn elements(&self) -> Result<Vec<String>, ModuleError> {
        let all = self.in_query("elid").or_else(|| self.param("elid")).unwrap_or_default();
        let ids: Vec<String> = all.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
        match ids.len() {
            0..=MAX_SELECTED => Ok(ids),
            count => Err(too_many(count)),
        }
    }

    /// The one row that is selected.
    ///
    /// # Errors
    /// `missed`: none; `bad_value`: several.
    pub fn element(&self) -> Result<String, ModuleError> {
        let mut ids = self.elements()?;
        match (ids.pop(), ids.len()) {
            (Some(id), 0) => Ok(id),
            (Some(_), others) => Err(too_many(others + 1)),
            (None, _) => {
                let words = text!("No row is selected.", "Строка не выбрана.");
                Err(nothing_done(ErrorKind::Missed, "elid", "", words).next(text!("select a row", "выберите строку")))
            }
        }
    }

    /// The part of a list that is asked for.
    pub fn part(&self) -> Part {
        let number = |name: &str| self.param(name)?.parse::<u32>().ok().filter(|number| *number > 0);
        Part {
            number: number("p_num").unwrap_or(1),
            rows: number("p_cnt").unwrap_or(ROWS).min(MAX_ROWS),
            sort: self.param("p_sort").unwrap_or_default(),
            is_descending: self.param("p_order").is_some_and(|order| order.starts_with("desc")),
        }
    }

    /// Gives a field its value.
    pub fn set(&mut self, name: &str, value: &str) {
        self.doc.children.retain(|child| child.name != name);
        self.doc.children.push(Element::new(name).with_text(value));
    }

    /// The document of a list: the number of all rows, and the rows of the part.
    pub fn listed(mut self, total: u32, part: &Part, rows: Vec<Element>) -> Element {
        self.set("p_elems", &total.to_string());
        self.set("p_num", &part.number.to_string());
        self.set("p_cnt", &part.rows.to_string());
        if !part.sort.is_empty() {
            self.set("p_sort", &part.sort);
            self.set("p_order", if part.is_descending { "desc" } else { "asc" });
        }
        self.doc.children.extend(rows);
        self.doc
    }

    /// Fills a table of a form.
    pub fn table(&mut self, name: &str, rows: Vec<Element>) {
        let list = Element::new("list").with_attribute("name", name);
        self.doc.children.push(rows.into_iter().fold(list, Element::with_child));
    }

    /// Gives a select its choices. The message of the choice `key` is called `NAME_key`.
    pub fn choices(&mut self, name: &str, keys: &[&str]) {
        let list = Element::new("slist").with_attribute("name", name);
        let choice = |key: &&str| Element::new("msg").with_attribute("key", key).with_text(&format!("{name}_{key}"));
        self.doc.children.push(keys.iter().map(choice).fold(list, Element::with_child));
    }
}

/// A row: names and values.
pub fn row<'n>(values: impl IntoIterator<Item = (&'n str, String)>) -> Element {
    let mut row = Element::new("elem");
    row.children = values.into_iter().map(|(name, value)| Element::new(name).with_text(&value)).collect();
    row
}

/// The form was carried out, and the panel shows this next: a `list` or a `form` with its parameters.
pub fn go_on(kind: &str, query: &str) -> Element {
    Element::new("doc").with_child(Element::new("ok").with_attribute("type", kind).with_text(&format!("func={query}")))
}

/// An error of a request that was looked at and not carried out.
pub fn nothing_done(kind: ErrorKind, object: &str, value: &str, happened: crate::error::Text) -> ModuleError {
    ModuleError::new(kind, object, value, happened).changed(text!("Nothing was done.", "Ничего не сделано."))
}

fn too_many(count: usize) -> ModuleError {
    let words = text!("{count} rows are selected.", "Выбрано строк: {count}.");
    nothing_done(ErrorKind::BadValue, "elid", &count.to_string(), words)
        .next(text!("select a single row", "выберите одну строку"))
}

/// Undoes the encoding of a query string; whatever is no encoding stays.
pub fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let pair = tail.get(..2).filter(|pair| *first == b'%' && pair.iter().all(u8::is_ascii_hexdigit));
        let value = pair.and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        bytes.push(value.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if value.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Encodes a value for a query string.
pub fn encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let encode = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Params = &'static [(&'static str, &'static str)];

    fn given(params: Params) -> impl Fn(&str) -> Option<String> {
        move |name: &str| params.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn one_selected_row_is_taken_and_several_are_refused() {
        let element = |params: Params| {
            let variable = given(params);
            Request::new(Element::new("doc"), &variable).element().map_err(|error| error.kind.word())
        };
        assert_eq!(element(&[("PARAM_elid", "42")]), Ok("42".to_owned()));
        assert_eq!(element(&[("PARAM_elid", "42"), ("QUERY_STRING", "func=x&elid=42%2C43")]), Err("bad_value"));
        assert_eq!(element(&[("QUERY_STRING", "elid=1-5001&x=%zz")]), Ok("1-5001".to_owned()));
        assert_eq!(element(&[]), Err("missed"));
    }

    #[test]
    fn a_value_of_a_query_string_survives_encoding_and_decoding() {
        for text in ["", "a b&c=d", "пул", "100%"] {
            assert_eq!(decoded(&encoded(text)), text);
        }
        assert_eq!(decoded("a%20b+c%zz%+%+1"), "a b c%zz% % 1");
    }

    #[test]
    fn a_page_of_a_list_has_a_number_and_a_limit() {
        let part = |params: Params| {
            let variable = given(params);
            Request::new(Element::new("doc"), &variable).part()
        };
        assert_eq!(part(&[]), Part { number: 1, rows: 50, sort: String::new(), is_descending: false });
        let odd = part(&[("PARAM_p_num", "0"), ("PARAM_p_cnt", "999999"), ("QUERY_STRING", "p_order=desc")]);
        assert_eq!((odd.number, odd.rows, odd.is_descending), (1, 1000, true));
        let last = part(&[("PARAM_p_num", "4294967295"), ("PARAM_p_cnt", "1000")]);
        assert_eq!(last.passed_over(), u32::MAX);
    }
}
