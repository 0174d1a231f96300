//! `state leave`: an operator leaves a license of the pool, or one that was put aside, to whoever uses it
//! (docs/money-safety.md 5).

use super::{Answer, Desk};
use crate::engine::{check_machine, state_error};
use crate::error::{ErrorKind, ModuleError};
use crate::model::ids::{AccountId, LicenseId};
use crate::model::journal::Note;
use crate::session::open_state;
use crate::text;

/// `state leave LICENSE`
///
/// # Errors
/// `missed`: no license of that number serves no service and is in use, or the operator did not agree. `state`: the
/// state is old. Then nothing was changed.
pub fn leave(desk: &mut Desk<'_>, license: LicenseId, yes: bool) -> Result<Answer, ModuleError> {
    let store = open_state(desk.ctx)?;
    check_machine(&store, &desk.ctx.machine)?;
    let used = store.used_by_others(desk.ctx.clock.today()).map_err(state_error)?;
    let accounts: Vec<AccountId> = used.iter().filter(|row| row.id == license).map(|row| row.account).collect();
    if accounts.is_empty() {
        return Err(not_used(license));
    }
    // Our own service may be who uses it: an old state does not know that.
    for account in &accounts {
        if store.old_since(*account).map_err(state_error)?.is_some() {
            return Err(old_state(license));
        }
    }
    let plan = text!(
        "License {license} stays with whoever uses it now. The program will not stop it, renew it or give it to a service, and will no longer report it. To undo this: pmisplicense bind ITEM {license}",
        "Лицензия {license} останется у того, кто её занимает. Программа не будет её останавливать, продлевать, выдавать услугам и сообщать о ней. Отменить: pmisplicense bind УСЛУГА {license}"
    );
    desk.confirm(&plan, yes)?;
    let done =
        text!("License {license} stays with its present user.", "Лицензия {license} осталась у того, кто её занимает.");
    let written = store.write(desk.ctx.clock.now(), |tx| {
        let mut is_left = false;
        for account in &accounts {
            if tx.leave_license(*account, license)? {
                tx.note(None, Some((*account, license)), Note::Left, &done)?;
                is_left = true;
            }
        }
        Ok(is_left)
    });
    if written.map_err(state_error)? {
        Ok(Answer::sentence("state", desk.ctx.lang, &done))
    } else {
        // Its user freed it, or a run gave it to a service, in between.
        Err(not_used(license))
    }
}

fn old_state(license: LicenseId) -> ModuleError {
    let words = text!(
        "The state is old and lacks later changes, so a service of ours may be using license {license}",
        "Состояние старое, более поздних изменений в нём нет: лицензией {license} может пользоваться наша услуга"
    );
    ModuleError::new(ErrorKind::State, "restored", license, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!("run: pmisplicense reconcile --apply", "выполните: pmisplicense reconcile --apply"))
}

fn not_used(license: LicenseId) -> ModuleError {
    let words = text!(
        "License {license} cannot be left to its user: no license of this number is in use without serving one of our services",
        "Лицензию {license} нельзя оставить её пользователю: нет лицензии с этим номером, которая занята и не служит нашей услуге"
    );
    ModuleError::new(ErrorKind::Missed, "license", license, words)
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "see which licenses are: pmisplicense list --problems",
            "посмотрите, какие это лицензии: pmisplicense list --problems"
        ))
}
