//! A JSON answer with one long list, printed element by element, so that a hundred thousand elements need no memory.
//! The result looks like every other answer.

use serde_json::Value;

use super::{Desk, JSON_VERSION};

/// An answer whose list is being printed.
pub struct Listing {
    is_first: bool,
}

impl Listing {
    /// Begins the answer of a command: its other fields, then the list `name`.
    pub fn begin(desk: &mut Desk<'_>, command: &str, fields: &Value, name: &str) -> Self {
        let mut head = format!("{{\n  \"command\": \"{command}\",\n  \"version\": {JSON_VERSION},\n");
        for (field, value) in fields.as_object().into_iter().flatten() {
            head.push_str(&format!("  \"{field}\": {},\n", indented(value, 2)));
        }
        if desk.is_without_state {
            head.push_str("  \"no_state\": true,\n");
        }
        if let Some(behind) = desk.ctx.behind.borrow().as_ref() {
            head.push_str(&format!("  \"replica\": {},\n", indented(&behind.json(desk.ctx.lang), 2)));
        }
        head.push_str(&format!("  \"{name}\": ["));
        (desk.print)(&head);
        Self { is_first: true }
    }

    /// Prints one element. False when nobody reads the output any more.
    pub fn element(&mut self, desk: &mut Desk<'_>, value: &Value) -> bool {
        let comma = if std::mem::take(&mut self.is_first) { "" } else { "," };
        (desk.print)(&format!("{comma}\n    {}", indented(value, 4)))
    }

    /// Ends the answer.
    pub fn end(self, desk: &mut Desk<'_>) {
        (desk.print)(if self.is_first { "]\n}\n" } else { "\n  ]\n}\n" });
    }
}

fn indented(value: &Value, spaces: usize) -> String {
    format!("{value:#}").replace('\n', &format!("\n{}", " ".repeat(spaces)))
}
