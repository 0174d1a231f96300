//! `show --raw`: the fields of one license as the seller sent them. An operator whose seller answers in a new way can
//! see here which fields the program does not read.

use serde_json::json;

use super::show::{Meant, meant, our_modules};
use super::table::{table, wrapped};
use super::{Answer, Desk};
use crate::engine::call_error;
use crate::error::{ErrorKind, ModuleError};
use crate::model::ids::{LicenseId, ModuleId};
use crate::model::license::Family;
use crate::ports::{CallError, RawRecord, RefusalKind};
use crate::text;

/// `show --raw`
///
/// # Errors
/// `missed`: the word names no license, or no account has it; the error of the seller's answer.
pub fn raw(desk: &mut Desk<'_>, word: &str) -> Result<Answer, ModuleError> {
    let Meant { row, panel, number, module, .. } = meant(desk, word, &mut Vec::new())?;
    let Some(license) = number else { return Err(no_license(word)) };
    let modules = match module.or_else(|| panel.and_then(|item| item.module)) {
        Some(module) => vec![module],
        None => our_modules(desk)?,
    };
    let families = row.map_or_else(|| vec![Family::Soft, Family::SoftExternal], |row| vec![row.family]);
    for module in modules {
        let access = desk.ctx.data.access(module)?;
        let mut client = desk.ctx.connector.connect(&access)?;
        for family in &families {
            match client.raw(*family, license) {
                Ok(records) => return Ok(page(desk, module, license, &records)),
                Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::NotFound => {}
                Err(error) => {
                    let what = text!("reading license {license}", "чтение лицензии {license}");
                    return Err(call_error(&error, &what, license));
                }
            }
        }
    }
    Err(no_license(word))
}

fn page(desk: &Desk<'_>, module: ModuleId, license: LicenseId, records: &[RawRecord]) -> Answer {
    let title = text!(
        "license {license} as the seller of module {module} sent it",
        "лицензия {license}, как её прислал продавец модуля {module}"
    );
    let mut text = format!("{}\n", desk.say(&title));
    let head = text!(" FIELD|VALUE", " ПОЛЕ|ЗНАЧЕНИЕ");
    let head: Vec<&str> = desk.say(&head).split('|').collect();
    for record in records {
        let cells: Vec<Vec<String>> = record
            .fields
            .iter()
            .map(|field| {
                let mark = if field.is_known { " " } else { "?" };
                vec![format!("{mark}{}", field.name), field.value.clone()]
            })
            .collect();
        text.push_str(&format!("\n{}\n{}", record.func, table(&head, &cells, desk.width)));
    }
    let note = text!(
        "\"?\": the program does not read this field. Secrets are masked. Lists of choices and texts of the page are left out.",
        "«?»: программа это поле не читает. Секреты скрыты. Списки значений и тексты страницы опущены."
    );
    text.push_str(&format!("\n{}\n", wrapped(desk.say(&note), desk.width, 2)));
    let of_record = |record: &RawRecord| {
        let fields = record.fields.iter().map(|f| json!({ "name": f.name, "value": f.value, "known": f.is_known }));
        json!({ "func": record.func, "fields": fields.collect::<Vec<_>>() })
    };
    let records: Vec<_> = records.iter().map(of_record).collect();
    Answer::new("show", text, json!({ "license": license.0, "module": module.0, "records": records }))
}

fn no_license(word: &str) -> ModuleError {
    ModuleError::new(
        ErrorKind::Missed,
        "what",
        word,
        text!("No account of ours has a license for {word}", "Ни в одной нашей учётной записи нет лицензии для {word}"),
    )
    .changed(text!("Nothing was changed", "Ничего не изменено"))
    .next(text!("pmisplicense show {word}", "pmisplicense show {word}"))
}
