//! Changes of a license that may be repeated without harm: start, stop, and edits of address, name and automatic
//! renewal. Each is believed only after a look at the license (docs/money-safety.md 2). Calls that are sent once are in
//! `send.rs`.

use crate::error::{ModuleError, Text};
use crate::model::license::{License, LicenseStatus};
use crate::model::license_row::LicenseRow;
use crate::model::reason::Reason;
use crate::plan::outward;
use crate::ports::{CallError, Edit, RefusalKind, Repeatable, Upstream as _};
use crate::text;

use super::send::Failed;
use super::{Engine, errors, is_gone};

impl Engine<'_> {
    /// A repeatable change. A failure is returned to the caller, which may have another way. A refusal is believed only
    /// after the look that follows, because an earlier attempt may have taken effect.
    pub(super) async fn try_change(
        &mut self,
        row: &LicenseRow,
        change: &Repeatable,
    ) -> Result<Result<(), CallError>, ModuleError> {
        self.step("change").await?;
        self.store.hold_leases(self.now()).map_err(errors::state)?;
        let result = self.ports.upstream.change(row.family, row.id, change);
        self.step("changed").await?;
        if let Repeatable::Edit(Edit { remoteip: Some(sent), .. }) = change {
            let (account, id) = (row.account, row.id);
            match &result {
                Ok(()) => self.commit("outward address", |tx| tx.set_outward(account, id, Some(sent))).await?,
                // The address may have arrived: what the license has is not known any more.
                Err(_) if !sent.is_empty() && row.remoteip.is_some() => {
                    self.commit("outward address", |tx| tx.set_outward(account, id, None)).await?;
                }
                Err(_) => {}
            }
        }
        Ok(result)
    }

    /// A repeatable change that must succeed.
    pub(super) async fn change(
        &mut self,
        row: &LicenseRow,
        change: &Repeatable,
        what: &Text,
    ) -> Result<(), ModuleError> {
        self.try_change(row, change).await?.map_err(|error| errors::call(&error, what, row.id))
    }

    /// Stops a license; read before and after.
    pub(super) async fn stop(&mut self, row: &LicenseRow, seen: License) -> Result<License, ModuleError> {
        match seen.status {
            LicenseStatus::Ordered | LicenseStatus::Stopped | LicenseStatus::Deleted => Ok(seen),
            // An unknown status does not count as "stopped"; the look afterwards decides.
            LicenseStatus::Active | LicenseStatus::Processing | LicenseStatus::Absent | LicenseStatus::Unknown(_) => {
                self.switch(row, &Repeatable::Suspend, (seen.status, LicenseStatus::Stopped)).await
            }
        }
    }

    /// Starts a license that has time left; read before and after.
    pub(super) async fn start(&mut self, row: &LicenseRow, seen: License) -> Result<License, ModuleError> {
        if seen.status == LicenseStatus::Active {
            return Ok(seen);
        }
        self.start_anyway(row, seen).await
    }

    /// As [`Engine::start`], but also for a license that seems to run. A seller may not show yet that it stopped the
    /// license.
    pub(super) async fn start_anyway(&mut self, row: &LicenseRow, seen: License) -> Result<License, ModuleError> {
        self.switch(row, &Repeatable::Resume, (seen.status, LicenseStatus::Active)).await
    }

    async fn switch(
        &mut self,
        row: &LicenseRow,
        change: &Repeatable,
        (before, want): (LicenseStatus, LicenseStatus),
    ) -> Result<License, ModuleError> {
        let id = row.id;
        let what = match change {
            Repeatable::Suspend => text!("stopping license {id}", "остановка лицензии {id}"),
            Repeatable::Resume | Repeatable::Edit(_) => text!("starting license {id}", "запуск лицензии {id}"),
        };
        let answer = self.try_change(row, change).await?;
        let after = self.read(row.family, row.id).await?;
        match (after, answer) {
            // A license that looked like this before proves nothing about a call that got no answer.
            (_, Err(error)) if before == want && !matches!(error, CallError::Refused(_)) => {
                Err(errors::call(&error, &what, id))
            }
            (Some(after), _) if after.status == want => Ok(after),
            (_, Err(error)) => Err(errors::call(&error, &what, id)),
            (after, Ok(())) if is_gone(after.as_ref()) => Err(errors::license_gone(row.item, id)),
            (_, Ok(())) => Err(errors::not_visible(&what, id)),
        }
    }

    /// A repeatable edit, checked by reading the license afterwards. The error of a refused address names the day from
    /// which it will work.
    pub(super) async fn edit(&mut self, row: &LicenseRow, seen: &License, edit: Edit) -> Result<License, Failed> {
        let id = row.id;
        let what = text!("change of license {id}", "изменение лицензии {id}");
        let answer = self.try_change(row, &Repeatable::Edit(edit.clone())).await?;
        let after = self.read(row.family, id).await?.ok_or_else(|| errors::license_gone(row.item, id))?;
        let arrived = edit.ip.is_none_or(|ip| after.ip == Some(ip))
            && (answer.is_ok() || edit.licname.as_ref().is_none_or(|name| after.is_named(name)))
            && (!edit.no_autoprolong || after.autoprolong != Some(true))
            && edit.remoteip.as_ref().is_none_or(|sent| {
                // Where the seller does not show the outward address, its answer alone decides.
                after.remoteip.as_ref().map_or(answer.is_ok(), |shown| outward::is(shown, sent.parse().ok()))
            });
        match answer {
            _ if arrived => {
                if let Some(name) = &edit.licname {
                    self.remember_name(row, name, &after).await?;
                }
                Ok(after)
            }
            Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::IpTooYoung => {
                let ip = edit.ip.map_or_else(String::new, |ip| ip.to_string());
                self.put_off_address(row).await?;
                let error = errors::ip_limit(&refusal, id, ip, after.ip_changed.or(seen.ip_changed));
                Err(Failed::Refused(refusal, error))
            }
            Err(error) => Err(errors::call(&error, &what, id).into()),
            Ok(()) => Err(errors::not_visible(&what, id).into()),
        }
    }

    async fn put_off_address(&mut self, row: &LicenseRow) -> Result<(), ModuleError> {
        let (row, later) = (row.clone(), self.now() + chrono::Duration::days(1));
        self.commit("put off", move |tx| tx.put_off(&row, Some(later), Some(&Reason::AddressWaits))).await
    }
}
