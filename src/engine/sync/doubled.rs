//! Answers about a license that contradict themselves. A field that is there twice with different values counts as not
//! known, because nobody can say which one is meant. Of two days of a change the later one counts (`upstream::fields`,
//! docs/money-safety.md 3). The journal and the log say so once, so that an operator can ask the seller.

use crate::error::{ModuleError, Text};
use crate::model::journal::Note;
use crate::model::license::License;
use crate::text;

use crate::engine::{Engine, errors};

impl Engine<'_> {
    /// Writes what contradicts itself about a license into log and journal, once for the same fields.
    pub(in crate::engine) async fn tell_doubled(&mut self, seen: &License) -> Result<(), ModuleError> {
        let license = (self.account, seen.id);
        for words in [doubled(seen), apart(seen)].into_iter().flatten() {
            if self.store.is_noted(license, Note::Doubled, &words).map_err(errors::state)? {
                continue;
            }
            self.warn(&words);
            let item = self.store.license(self.account, seen.id).map_err(errors::state)?.and_then(|row| row.item);
            self.commit("doubled fields", move |tx| tx.note(item, Some(license), Note::Doubled, &words)).await?;
        }
        Ok(())
    }
}

fn doubled(seen: &License) -> Option<Text> {
    let (id, fields) = (seen.id, seen.doubled.join(", "));
    (!seen.doubled.is_empty()).then(|| {
        text!(
            "The seller's answer about license {id} holds these fields twice, with different values: {fields}. \
             Their values count as not known. Of two days of a change the later one counts",
            "В ответе продавца о лицензии {id} эти поля есть дважды, с разными значениями: {fields}. \
             Их значения считаются неизвестными; из двух дат смены берётся более поздняя"
        )
        .next(look_at_it())
        .text()
    })
}

fn apart(seen: &License) -> Option<Text> {
    let (id, fields) = (seen.id, seen.apart.join(", "));
    (!seen.apart.is_empty()).then(|| {
        text!(
            "The seller gives two different days for a change of license {id}: {fields}. \
             The later day counts, so the license may wait longer for its next client",
            "Продавец сообщает две разные даты одной смены у лицензии {id}: {fields}. \
             Берётся более поздняя, поэтому лицензия может дольше ждать следующего клиента"
        )
        .next(look_at_it())
        .text()
    })
}

fn look_at_it() -> Text {
    text!("look at the license in the seller's panel.", "посмотрите лицензию в панели продавца.")
}
