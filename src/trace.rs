//! Shows each request and each answer with its time, at the highest level of the log and with `--verbose`. The values
//! of secret fields are masked by the names of the fields, even before the values are known as secrets. An answer that
//! is not a document is never shown, because it may hold a secret.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use crate::log::{LINE_BYTES, Log};
use crate::ports::is_secret_name;
use crate::xml::Element;

/// The replacement for a secret.
const MASK: &str = "***";

/// The log that gets requests and answers. By default there is none.
#[derive(Debug, Clone, Default)]
pub struct Trace(Option<Arc<Log>>);

/// A list while it is read: its first rows, as many as fit into a line of the log, and the number of all rows.
#[derive(Debug, Default)]
pub struct Rows {
    shown: String,
    count: usize,
}

impl Trace {
    /// A trace into this log.
    pub fn to(log: Arc<Log>) -> Self {
        Self(Some(log))
    }

    fn listener(&self) -> Option<&Log> {
        self.0.as_deref().filter(|log| log.is_curious())
    }

    /// Whether the trace is written. If not, nothing has to be put into words.
    pub fn is_on(&self) -> bool {
        self.listener().is_some()
    }

    /// Writes a request that is about to be sent. `is_secret` says which values are masked.
    pub fn asked<'p>(
        &self,
        whom: &str,
        func: &str,
        params: impl Iterator<Item = (&'p str, &'p str)>,
        is_secret: impl Fn(&str) -> bool,
    ) {
        let Some(log) = self.listener() else { return };
        let words = params.map(|(name, value)| {
            let value = if is_secret(name) { MASK } else { value };
            format!(" {name}={value}")
        });
        log.debug(&format!("{whom} > {func}{}", words.collect::<String>()));
    }

    /// Writes its answer, in our words or in the form of [`shown`].
    pub fn answered(&self, whom: &str, since: Instant, what: impl FnOnce() -> String) {
        let Some(log) = self.listener() else { return };
        log.debug(&format!("{whom} < {} ms {}", since.elapsed().as_millis(), what()));
    }
}

impl Rows {
    /// Adds a row.
    pub fn add(&mut self, row: &Element) {
        self.count += 1;
        if self.shown.len() < LINE_BYTES {
            write(row, &mut self.shown);
        }
    }

    /// The whole list: the number of rows, the rest of its document, the first rows.
    pub fn with_frame(&self, frame: &Element) -> String {
        format!("{} rows {} {}", self.count, shown(frame), self.shown)
    }
}

/// A document on one line, the values of secret fields masked.
pub fn shown(doc: &Element) -> String {
    let mut out = String::new();
    write(doc, &mut out);
    out
}

fn write(element: &Element, out: &mut String) {
    // Secret by its own name, or named by an attribute or a sibling: `<param name="password">`, `<name/><value/>`.
    let named = element.attribute("name").is_some_and(is_secret_name);
    let is_secret = is_secret_name(&element.name) || named;
    let names_secret = element.value_of("name").is_some_and(is_secret_name);
    let mask = |hidden: bool, text: &str| if hidden && !text.is_empty() { MASK.to_owned() } else { text.to_owned() };
    // Writing to a String cannot fail.
    let _ = write!(out, "<{}", element.name);
    for (name, value) in &element.attributes {
        let hidden = is_secret_name(name) || (is_secret && name != "name");
        let _ = write!(out, " {name}=\"{}\"", mask(hidden, value));
    }
    let text = mask(is_secret, element.text.trim());
    let _ = write!(out, ">{text}");
    for child in &element.children {
        if (is_secret || names_secret) && child.name != "name" {
            let _ = write!(out, "<{}>{MASK}</{}>", child.name, child.name);
        } else {
            write(child, out);
        }
    }
    let _ = write!(out, "</{}>", element.name);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Secrets are masked in every form in which a document names them. Everything else is unchanged.
    #[test]
    fn secrets_are_masked_in_every_form_of_a_document() {
        for (doc, want) in [
            ("<doc><id>5</id><lickey> KEY </lickey></doc>", "<doc><id>5</id><lickey>***</lickey></doc>"),
            ("<doc><lickey v=\"KEY\"/></doc>", "<doc><lickey v=\"***\"></lickey></doc>"),
            (
                "<doc><elem><name>DBPassword</name><value>p</value></elem></doc>",
                "<doc><elem><name>DBPassword</name><value>***</value></elem></doc>",
            ),
            (
                "<doc><elem><DBPassword>p</DBPassword></elem></doc>",
                "<doc><elem><DBPassword>***</DBPassword></elem></doc>",
            ),
            ("<doc><param name=\"password\">p</param></doc>", "<doc><param name=\"password\">***</param></doc>"),
            ("<doc><a lickey=\"KEY\" b=\"c\"/></doc>", "<doc><a lickey=\"***\" b=\"c\"></a></doc>"),
            ("<doc><secret><x>1</x></secret></doc>", "<doc><secret><x>***</x></secret></doc>"),
        ] {
            let parsed = crate::xml::parse(doc.as_bytes(), 1000).expect("a document");
            assert_eq!(shown(&parsed), want);
        }
    }

    /// A list is shown by its number of rows and its beginning.
    #[test]
    fn a_list_is_shown_by_its_number_of_rows_and_its_beginning() {
        let mut rows = Rows::default();
        let row = Element::new("elem").with_child(Element::new("licname").with_text(&"x".repeat(1000)));
        (0..100).for_each(|_| rows.add(&row));
        let text = rows.with_frame(&Element::new("doc"));
        assert!(text.starts_with("100 rows <doc></doc> <elem><licname>xxx"), "{text}");
        assert!(text.len() < 2 * LINE_BYTES);
    }
}
