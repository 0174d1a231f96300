//! Answers that hold a field of a license twice, with different values. Nobody can say which value is meant, so the
//! field counts as not known (`upstream::fields`). The journal and the log say so once, so that an operator can ask
//! the seller.

use crate::error::{ModuleError, Text};
use crate::model::license::License;
use crate::text;

use crate::engine::{Engine, errors};

/// The word of the journal.
const EVENT: &str = "doubled";

impl Engine<'_> {
    /// Writes the doubled fields of a license into log and journal, once for the same fields.
    pub(in crate::engine) async fn tell_doubled(&mut self, seen: &License) -> Result<(), ModuleError> {
        if seen.doubled.is_empty() {
            return Ok(());
        }
        let (words, license) = (doubled(seen), (self.account, seen.id));
        if self.store.is_noted(license, EVENT, &words).map_err(errors::state)? {
            return Ok(());
        }
        self.warn(&words);
        let item = self.store.license(self.account, seen.id).map_err(errors::state)?.and_then(|row| row.item);
        self.commit("doubled fields", move |tx| tx.note(item, Some(license), EVENT, &words)).await
    }
}

fn doubled(seen: &License) -> Text {
    let (id, fields) = (seen.id, seen.doubled.join(", "));
    text!(
        "The seller's answer about license {id} holds these fields twice, with different values: {fields}. \
             Their values count as not known. Of two days of a change the later one counts. \
             Next: look at the license in the seller's panel.",
        "В ответе продавца о лицензии {id} эти поля есть дважды, с разными значениями: {fields}. \
             Их значения считаются неизвестными; из двух дат смены берётся более поздняя. \
             Далее: посмотрите лицензию в панели продавца."
    )
}
