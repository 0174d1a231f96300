//! Giving a claimed license back: what this claim changed is undone, and the license rests before it is tried again.

use crate::error::ModuleError;
use crate::model::license::{FREE_NAME, License, LicenseStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::plan::reason::words;
use crate::text;

use crate::engine::Engine;

/// When a candidate was refused without a date, it is tried again this much later.
const PUT_ASIDE_DAYS: i64 = 1;

/// Whether it has the name of a free license, as far as we know.
fn is_free_to_us(row: &LicenseRow) -> bool {
    row.name == FREE_NAME
}

/// Whether a license was claimed, and nothing was sent for the claim yet: it is as free as it was in the pool. The
/// first request for a claim is that for a new key, and the old key is written down before.
pub(in crate::engine) fn is_untouched(row: &LicenseRow) -> bool {
    row.state == LicenseState::Claimed && row.key_before.is_none() && is_free_to_us(row)
}

impl Engine<'_> {
    /// The license was changed elsewhere in between. With the mark of another installation it is not ours any more,
    /// and is never touched again.
    pub(in crate::engine) async fn no_longer_free(&mut self, row: &LicenseRow, seen: &License) -> Result<(), ModuleError> {
        let state = match seen.remoteid.mark() {
            Some(mark) if *mark.panel() == self.panel_id => self.state_to_return(row),
            // Nothing proves that its user is ours: it stays in the pool, reconcile names it, and nothing frees it.
            None if seen.remoteid.is_silent() => LicenseState::Pool,
            Some(_) | None => LicenseState::Stopped,
        };
        let why = text!("license {} is not free any more", "лицензия {} больше не свободна", row.id);
        self.warn(&why);
        let (row, until) = (row.clone(), self.now() + chrono::Duration::days(PUT_ASIDE_DAYS));
        self.commit("no longer free", move |tx| {
            tx.release_license(&row, state, Some(until), Some(&Reason::NotFree))?;
            tx.note(row.item, Some((row.account, row.id)), state.word(), &why)
        })
        .await
    }

    /// Whether the key was changed is unknown: the candidate rests until this is settled, and the next one is tried.
    pub(super) async fn put_aside(&mut self, row: &LicenseRow) -> Result<(), ModuleError> {
        let until = self.now() + chrono::Duration::seconds(i64::from(self.rules.upstream.settle_s));
        let state = self.state_to_return(row);
        let row = row.clone();
        self.commit("put aside", move |tx| tx.release_license(&row, state, Some(until), Some(&Reason::KeyInDoubt)))
            .await
    }

    pub(super) fn state_to_return(&self, row: &LicenseRow) -> LicenseState {
        if is_free_to_us(row) { LicenseState::Pool } else { LicenseState::ToFree }
    }

    /// Gives a claimed license back: stopped again if this claim has sent anything, with the reason and the day from
    /// which it may be tried again.
    pub(super) async fn give_back(
        &mut self,
        row: &LicenseRow,
        from: Option<chrono::NaiveDate>,
        why: &Reason,
    ) -> Result<(), ModuleError> {
        if !is_untouched(row) {
            let seen = self.read(row.family, row.id).await?;
            if let Some(seen) = seen.filter(|seen| seen.status == LicenseStatus::Active) {
                self.stop(row, seen).await?;
            }
        }
        let midnight =
            from.and_then(|day| day.succ_opt()).and_then(|day| day.and_hms_opt(0, 0, 0)).map(|at| at.and_utc());
        // A day in the past is ignored: otherwise every run would try this refused candidate first.
        let later = midnight.filter(|&at| at > self.now());
        let until = later.unwrap_or_else(|| self.now() + chrono::Duration::days(PUT_ASIDE_DAYS));
        let state = self.state_to_return(row);
        let cause = words(why);
        self.note(&text!(
            ["license {} goes back: {}", row.id, cause.en],
            ["лицензия {} возвращается: {}", row.id, cause.ru]
        ));
        self.commit("give back", |tx| {
            tx.release_license(row, state, Some(until), Some(why))?;
            tx.note(row.item, Some((row.account, row.id)), "given_back", &cause)
        })
        .await
    }
}
