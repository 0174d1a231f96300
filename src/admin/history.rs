//! history: the journal in words, with times and reasons.

use serde_json::json;

use super::find::{Subject, subject};
use super::table::wrapped;
use super::{Answer, Desk};
use crate::engine::state_error;
use crate::error::{ErrorKind, ModuleError, Text};
use crate::model::journal::Note;
use crate::model::license_row::LicenseState;
use crate::store::JournalLine;
use crate::text;

/// `history`
///
/// # Errors
/// `missed`: the state does not know it; `state`.
pub fn history(desk: &mut Desk<'_>, word: &str) -> Result<Answer, ModuleError> {
    let store = desk.store()?;
    let (title, lines) = match subject(desk, &store, word)? {
        Subject::Item(item) => {
            (text!("service {item}", "услуга {item}"), store.journal_of_item(item).map_err(state_error)?)
        }
        Subject::License(row) => {
            let id = row.id;
            let lines = store.journal_of_license(row.account, id).map_err(state_error)?;
            (text!("license {id}", "лицензия {id}"), lines)
        }
        Subject::Unknown(id) => return Err(unknown(id)),
    };
    let mut text = format!("{}\n", desk.say(&title));
    if lines.is_empty() {
        text.push_str(desk.say(&text!("nothing was done yet\n", "пока ничего не делалось\n")));
    }
    for line in &lines {
        let at = line.at.format("%Y-%m-%d %H:%M:%S");
        let words = words(desk, line);
        text.push_str(&format!("{at}  {}\n", wrapped(&words, desk.width, 21)));
    }
    let json: Vec<_> = lines
        .iter()
        .map(|line| {
            json!({
                "at": line.at,
                "event": line.event,
                "wish": line.intent.map(|intent| intent.0),
                "item": line.item.map(|item| item.0),
                "license": line.license.map(|license| license.0),
                "reason": desk.say(&line.reason),
                "detail": line.detail,
            })
        })
        .collect();
    Ok(Answer::new("history", text, json!({ "lines": json })))
}

/// A line in words: what happened, why, and what the seller or the network said.
pub fn words(desk: &Desk<'_>, line: &JournalLine) -> String {
    let reason = desk.say(&line.reason);
    let event = event_word(&line.event).map(|event| desk.say(&event).to_owned());
    let mut words = match event.filter(|event| !reason.ends_with(event)) {
        Some(event) => format!("{event}: {reason}"),
        None => reason.to_owned(),
    };
    if !line.detail.is_empty() {
        words.push_str(&format!(" ({})", line.detail));
    }
    words
}

/// A word of the journal for people. `None`: the reason beside it says the same.
fn event_word(word: &str) -> Option<Text> {
    if let Some(note) = Note::parse(word) {
        return note_words(note);
    }
    Some(match word {
        "recorded" => text!("recorded", "записано"),
        "done" => text!("done", "выполнено"),
        "refused" => text!("refused", "отказ"),
        "not_sent" => text!("not sent", "не отправлено"),
        "unknown" => text!("answer lost", "ответ потерян"),
        "answered" => text!("answered, not visible yet", "ответ есть, ещё не видно"),
        "clean_look" => text!("looked for, not found", "искали, не нашли"),
        "adopted" => text!("found", "найдено"),
        "not_happened" => text!("did not happen", "не произошло"),
        "handed_over" => text!("an operator must look", "решить должен оператор"),
        "free_when_appears" => text!("to be freed when it appears", "освободить, когда появится"),
        "wanted_again" => text!("wanted again", "снова нужно"),
        other => Text::same(other),
    })
}

/// A note for people. `None`: the reason beside it says the same.
fn note_words(note: Note) -> Option<Text> {
    Some(match note {
        Note::State(LicenseState::Bound | LicenseState::Claimed | LicenseState::Pool)
        | Note::Seen
        | Note::Imported
        | Note::GivenTo
        | Note::Client
        | Note::Problem
        | Note::LicenseGone
        | Note::HostingStopped
        | Note::RenewedUnpaid
        | Note::Left
        | Note::Renumbered
        | Note::NameKept
        | Note::Doubled => return None,
        Note::State(LicenseState::ToFree) => text!("to be freed", "к освобождению"),
        Note::State(LicenseState::Stopped) => text!("stopped", "остановлена"),
        Note::State(LicenseState::Deleted) => text!("deleted", "удалена"),
        Note::ImportRefused => text!("refused", "отказ"),
        Note::ImportSent => text!("sent", "отправлено"),
        Note::GivenBack => text!("given back", "возвращено"),
        Note::Changed => text!("changed", "изменено"),
        Note::Duplicate => text!("a duplicate", "дубликат"),
        Note::WaitsForMoney => text!("waits for money", "ждёт денег"),
        Note::WaitsForUnblocking => text!("waits for the account to be unblocked", "ждёт разблокировки учётной записи"),
        Note::Sweep => text!("servers compared", "сверка серверов"),
        Note::StateRenewed => text!("the state was brought up to date", "состояние обновлено"),
        Note::SameAccount | Note::OtherAccount | Note::Machine | Note::PanelId => Text::same(note.word()),
    })
}

fn unknown(id: crate::model::ids::LicenseId) -> ModuleError {
    ModuleError::new(
        ErrorKind::Missed,
        "license",
        id,
        text!(
            "license {id} is not in this state: this installation did nothing with it",
            "лицензии {id} в состоянии нет: эта установка с ней ничего не делала"
        ),
    )
}
