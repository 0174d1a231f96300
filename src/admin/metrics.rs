//! metrics: the figures for monitoring, on standard output or in a file.

use std::path::Path;

use super::{Answer, Desk};
use crate::error::{ErrorKind, ModuleError};
use crate::text;
use crate::watch::metrics::{figures, write};

/// `metrics`
///
/// # Errors
/// `state`; `bad_value`: the file cannot be written. An existing file is unchanged.
pub fn metrics(desk: &mut Desk<'_>, output: Option<&Path>) -> Result<Answer, ModuleError> {
    let store = desk.store()?;
    let (now, today) = (desk.ctx.clock.now(), desk.ctx.clock.today());
    let figures = figures(&store, &desk.ctx.settings, now, today)?;
    let Some(file) = output else {
        let json = serde_json::json!({ "text": figures });
        return Ok(Answer::new("metrics", figures, json));
    };
    let shown = file.display().to_string();
    write(file, &figures).map_err(|error| {
        let happened =
            text!("The figures could not be written to {shown}.", "Показатели не удалось записать в {shown}.");
        ModuleError::new(ErrorKind::BadValue, "output", &shown, happened)
            .changed(text!("The file that was there is as it was.", "Прежний файл не изменён."))
            .next(text!(
                "check the folder, its rights and the free space",
                "проверьте каталог, права и свободное место"
            ))
            .because(error)
    })?;
    let words = text!("the figures were written to {shown}", "показатели записаны в {shown}");
    Ok(Answer::sentence("metrics", desk.ctx.lang, &words))
}
