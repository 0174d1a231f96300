//! Giving a claimed license back: what this claim changed is undone, and the license rests before it is tried again.

use crate::error::ModuleError;
use crate::model::journal::Note;
use crate::model::license::{License, LicenseStatus};
use crate::model::license_row::{LicenseRow, LicenseState};
use crate::model::reason::Reason;
use crate::plan::freeing::{
    ClaimRequest, is_still_claimed, is_untouched, state_to_return, state_when_used, try_again_at,
};
use crate::plan::halt::may_arrive_late;
use crate::plan::reason::words;
use crate::text;

use crate::engine::Engine;
use crate::engine::close::freed_later;

impl Engine<'_> {
    /// The license was changed elsewhere in between. It rests, so that the next one is tried. Our state keeps what was
    /// seen, so that every list names its user.
    pub(in crate::engine) async fn no_longer_free(
        &mut self,
        row: &LicenseRow,
        seen: &License,
    ) -> Result<(), ModuleError> {
        let (state, reason) = state_when_used(row, seen, &self.panel_id);
        let why = text!("license {} is not free any more", "лицензия {} больше не свободна", row.id);
        self.warn(&why);
        let (row, seen, until) = (row.clone(), seen.clone(), try_again_at(None, self.now()));
        self.commit("no longer free", move |tx| {
            tx.release_license(&row, state, Some(until), Some(&reason))?;
            tx.refresh_license(row.account, &seen)?;
            tx.note(row.item, Some((row.account, row.id)), Note::State(state), &why)
        })
        .await
    }

    /// Whether the key was changed is unknown: the candidate rests until this is settled, and the next one is tried.
    /// A license that cannot be stopped now has to be freed later.
    pub(super) async fn put_aside(&mut self, row: &LicenseRow) -> Result<(), ModuleError> {
        let (state, why) = match self.stop_again(row, None).await {
            Ok(Some(theirs)) => return self.no_longer_free(row, &theirs).await,
            Ok(None) => (state_to_return(row), Reason::KeyInDoubt),
            Err(error) => {
                self.warn(&freed_later(row.id, &error));
                // The seller may still stop it, so not even a service with the same address gets it until then.
                let is_late = may_arrive_late(error.halt);
                (LicenseState::ToFree, if is_late { Reason::ChangeInDoubt } else { Reason::KeyInDoubt })
            }
        };
        let until = self.now() + chrono::Duration::seconds(i64::from(self.rules.upstream.settle_s));
        let row = row.clone();
        self.commit("put aside", move |tx| tx.release_license(&row, state, Some(until), Some(&why))).await
    }

    /// Stops a license that this claim may have started. If somebody else has taken it since, it is left alone and
    /// returned. `given`: what this claim sent to it.
    async fn stop_again(
        &mut self,
        row: &LicenseRow,
        given: Option<ClaimRequest<'_>>,
    ) -> Result<Option<License>, ModuleError> {
        let Some(seen) = self.read(row.family, row.id).await?.filter(|seen| !seen.is_deleted()) else {
            return Ok(None);
        };
        if !is_still_claimed(row, &seen, &self.panel_id, given) {
            return Ok(Some(seen));
        }
        if seen.status != LicenseStatus::Active {
            return Ok(None);
        }
        let Err(error) = self.stop(row, seen).await else { return Ok(None) };
        // It may run because somebody took it while it was being stopped.
        match self.read(row.family, row.id).await {
            Ok(Some(seen)) if !is_still_claimed(row, &seen, &self.panel_id, given) => Ok(Some(seen)),
            Ok(_) | Err(_) => Err(error),
        }
    }

    /// Gives a claimed license back: stopped again if this claim has sent anything, with the reason and the day from
    /// which it may be tried again. `given`: the name and address that this claim sent.
    pub(super) async fn give_back(
        &mut self,
        row: &LicenseRow,
        given: Option<ClaimRequest<'_>>,
        from: Option<chrono::NaiveDate>,
        why: &Reason,
    ) -> Result<(), ModuleError> {
        if !is_untouched(row)
            && let Some(theirs) = self.stop_again(row, given).await?
        {
            return self.no_longer_free(row, &theirs).await;
        }
        let until = try_again_at(from, self.now());
        let state = state_to_return(row);
        let cause = words(why);
        self.note(&text!(
            ["license {} goes back: {}", row.id, cause.en],
            ["лицензия {} возвращается: {}", row.id, cause.ru]
        ));
        self.commit("give back", |tx| {
            tx.release_license(row, state, Some(until), Some(why))?;
            tx.note(row.item, Some((row.account, row.id)), Note::GivenBack, &cause)
        })
        .await
    }
}
