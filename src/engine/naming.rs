//! Names that the seller stores in a form of its own. A name is for people, so a name that the seller changed must not
//! keep a license from its client. The stored form is remembered and reported once, and the same name is not requested
//! again.

use crate::error::{ModuleError, Text};
use crate::model::journal::Note;
use crate::model::license::License;
use crate::model::license_row::LicenseRow;
use crate::model::name::KeptName;
use crate::text;

use super::{Engine, errors};

impl Engine<'_> {
    /// After an edit that was carried out: if the seller shows another name than the one that was sent, remembers both.
    pub(super) async fn remember_name(
        &mut self,
        row: &LicenseRow,
        asked: &str,
        after: &License,
    ) -> Result<(), ModuleError> {
        let Some(shown) = after.name.clone().filter(|shown| shown != asked) else { return Ok(()) };
        let kept = KeptName { asked: asked.to_owned(), shown };
        let license = (row.account, row.id);
        let words = words(row, &kept);
        let is_told = self.store.is_noted(license, Note::NameKept, &words).map_err(errors::state)?;
        if !is_told {
            self.warn(&words);
        }
        let item = row.item;
        self.commit("kept name", move |tx| {
            tx.set_kept_name(license, &kept)?;
            if is_told { Ok(()) } else { tx.note(item, Some(license), Note::NameKept, &words) }
        })
        .await
    }
}

fn words(row: &LicenseRow, kept: &KeptName) -> Text {
    let (id, KeptName { asked, shown }) = (row.id, kept);
    text!(
        "The seller keeps the name of license {id} in its own way: asked for \"{asked}\", shown \"{shown}\". \
         The license is used as it is, and this name is not asked for again",
        "Продавец хранит имя лицензии {id} по-своему: запрошено «{asked}», показано «{shown}». \
         Лицензия используется как есть, и это имя больше не запрашивается"
    )
    .next(text!(
        "nothing has to be done. You may choose a name that the seller keeps.",
        "ничего делать не нужно. Можно выбрать имя, которое продавец сохранит."
    ))
    .text()
}
