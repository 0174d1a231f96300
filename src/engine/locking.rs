//! The locks of a run: one for each item and each license. They are taken in a fixed order, within a piece of work, and
//! held until that ends or gives them back.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Engine, LOCK_RETRY, LOCK_WAIT, errors};
use crate::error::ModuleError;
use crate::model::ids::LicenseId;
use crate::model::license_row::LicenseRow;
use crate::plan::freeing::is_held_as;
use crate::ports::{LockGuard, LockName};
use crate::store::LeaseGuard;
use crate::text;

/// A lock among the runs of this machine, and the lease that holds on all machines of a cluster. The lease is given
/// back first.
struct Leased {
    _lease: LeaseGuard,
    _file: Box<dyn LockGuard>,
}

impl LockGuard for Leased {}

/// The name of the lease that belongs to a lock.
pub fn lease_name(name: LockName) -> String {
    match name {
        LockName::Sync => "sync".to_owned(),
        LockName::Item(item) => format!("item-{item}"),
        LockName::License(account, license) => format!("license-{account}-{license}"),
        LockName::Noted => "noted".to_owned(),
        LockName::State => "state".to_owned(),
    }
}

/// A run waits for a lock.
struct Wait {
    since: DateTime<Utc>,
    /// The log says so.
    is_noted: bool,
}

impl Wait {
    /// Whether the run has waited long enough. A clock that is set back begins the wait again; otherwise the run would
    /// wait for as long as the clock was set back.
    fn is_over(&mut self, now: DateTime<Utc>) -> bool {
        self.since = now.min(self.since);
        (now - self.since).to_std().unwrap_or_default() >= LOCK_WAIT
    }
}

impl Engine<'_> {
    /// Carries out one piece of work. The locks that it takes are given back when it ends, however it ends. Locks are
    /// taken only within such a piece.
    pub(super) async fn with_locks<T>(&mut self, work: impl AsyncFnOnce(&mut Self) -> T) -> T {
        let (before, could_lock) = (self.held.len(), std::mem::replace(&mut self.may_lock, true));
        let done = work(self).await;
        self.held.truncate(before);
        self.may_lock = could_lock;
        done
    }

    /// As [`Engine::with_locks`], for work that must not be done with an old state.
    ///
    /// # Errors
    /// `state`: the state is old. Otherwise those of the work.
    pub(super) async fn changing<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, ModuleError>,
    ) -> Result<T, ModuleError> {
        self.check_restored()?;
        self.with_locks(work).await
    }

    /// Takes a lock, waiting for its holder for at most 30 seconds. A lock that this run holds already needs no second
    /// taking.
    pub(super) async fn lock(&mut self, name: LockName) -> Result<(), ModuleError> {
        self.lock_while(name, |_| Ok(true)).await.map(drop)
    }

    /// As [`Engine::lock`], but waits only as long as the lock is worth it. Returns whether this run holds it now.
    pub(super) async fn lock_while(
        &mut self,
        name: LockName,
        is_worth_it: impl Fn(&Self) -> Result<bool, ModuleError>,
    ) -> Result<bool, ModuleError> {
        debug_assert!(self.may_lock, "{name:?} is taken by a piece of work that gives it back");
        if self.held.iter().any(|(held, _)| *held == name) {
            return Ok(true);
        }
        let mut wait = Wait { since: self.now(), is_noted: false };
        loop {
            self.step("lock").await?;
            match self.ports.locks.try_lock(name) {
                Ok(Some(guard)) => {
                    if let Some(lease) = self.store.lease(&lease_name(name), self.now()).map_err(errors::state)? {
                        self.held.push((name, Box::new(Leased { _lease: lease, _file: guard })));
                        return Ok(true);
                    }
                    drop(guard);
                    if let Some(held) = self.not_now(name, &mut wait, &is_worth_it)? {
                        return Ok(held);
                    }
                }
                Ok(None) => {
                    if let Some(held) = self.not_now(name, &mut wait, &is_worth_it)? {
                        return Ok(held);
                    }
                }
                Err(why) => return Err(errors::lock_failed(&why)),
            }
        }
    }

    /// Another run has the lock: waits a moment and returns `None`. `Some(false)`: this run does not wait for the lock
    /// any longer.
    fn not_now(
        &self,
        name: LockName,
        wait: &mut Wait,
        is_worth_it: &impl Fn(&Self) -> Result<bool, ModuleError>,
    ) -> Result<Option<bool>, ModuleError> {
        if !is_worth_it(self)? {
            return Ok(Some(false));
        }
        if wait.is_over(self.now()) {
            return Err(errors::busy(name));
        }
        if !std::mem::replace(&mut wait.is_noted, true) {
            self.note(&errors::waits_for(name));
        }
        self.ports.clock.sleep(LOCK_RETRY);
        Ok(None)
    }

    /// Those of the names that another run holds at this moment, on this machine or on another.
    pub(super) fn locked_elsewhere(
        &self,
        names: impl IntoIterator<Item = LockName>,
    ) -> Result<BTreeSet<LockName>, ModuleError> {
        let mut names = names.into_iter().peekable();
        if names.peek().is_none() {
            return Ok(BTreeSet::new());
        }
        let leased = self.store.leased_elsewhere().map_err(errors::state)?;
        let mut locked = BTreeSet::new();
        for name in names {
            if self.held.iter().any(|(held, _)| *held == name) {
                continue;
            }
            let free = self.ports.locks.try_lock(name).map_err(|why| errors::lock_failed(&why))?;
            if free.is_none() || leased.contains(&lease_name(name)) {
                locked.insert(name);
            }
        }
        Ok(locked)
    }

    pub(super) fn unlock(&mut self, name: LockName) {
        self.held.retain(|(held, _)| *held != name);
    }

    pub(super) async fn lock_license(&mut self, license: LicenseId) -> Result<(), ModuleError> {
        self.lock(LockName::License(self.account, license)).await
    }

    /// Takes the lock of a license and reads its row again. `None`: another run gave the license to a service or freed
    /// it since `row` was read, so what was decided for `row` no longer holds.
    pub(super) async fn lock_as_read(&mut self, row: &LicenseRow) -> Result<Option<LicenseRow>, ModuleError> {
        self.lock(LockName::License(row.account, row.id)).await?;
        let now = self.store.license(row.account, row.id).map_err(errors::state)?;
        let now = now.filter(|now| is_held_as(row, now));
        if now.is_none() {
            self.note(&text!(
                "license {} was given to a service or freed by another run: this run leaves it alone",
                "лицензию {} отдал услуге или освободил другой запуск: этот её не трогает",
                row.id
            ));
        }
        Ok(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wait ends thirty seconds after it began, or after the clock was set back.
    #[test]
    fn a_clock_that_is_set_back_begins_the_wait_again() {
        let at = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap_or_default();
        let mut wait = Wait { since: at(0), is_noted: false };
        for (now, want) in [(0, false), (29, false), (30, true), (-3600, false), (-3571, false), (-3570, true)] {
            assert_eq!(wait.is_over(at(now)), want, "{now}");
        }
    }
}
