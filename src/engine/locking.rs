//! The locks of a run: one for each item and each license, taken in one order, held to the end or until given back.

use super::{Engine, LOCK_RETRY, LOCK_WAIT, errors};
use crate::error::ModuleError;
use crate::model::ids::LicenseId;
use crate::ports::LockName;

impl Engine<'_> {
    /// Takes a lock, waiting for its holder for at most 30 seconds; a lock that this run holds already is taken.
    pub(super) async fn lock(&mut self, name: LockName) -> Result<(), ModuleError> {
        self.lock_while(name, |_| Ok(true)).await.map(drop)
    }

    /// As [`Engine::lock`], as long as the lock is worth waiting for; whether it is held by this run now.
    pub(super) async fn lock_while(
        &mut self,
        name: LockName,
        is_worth_it: impl Fn(&Self) -> Result<bool, ModuleError>,
    ) -> Result<bool, ModuleError> {
        if self.held.iter().any(|(held, _)| *held == name) {
            return Ok(true);
        }
        let since = self.now();
        loop {
            self.step("lock").await?;
            match self.ports.locks.try_lock(name) {
                Ok(Some(guard)) => {
                    self.held.push((name, guard));
                    return Ok(true);
                }
                Ok(None) if !is_worth_it(self)? => return Ok(false),
                Ok(None) if (self.now() - since).to_std().unwrap_or_default() >= LOCK_WAIT => {
                    return Err(errors::busy(name));
                }
                Ok(None) => self.ports.clock.sleep(LOCK_RETRY),
                Err(why) => return Err(errors::lock_failed(&why)),
            }
        }
    }

    /// Whether another run holds it at this moment.
    pub(super) fn is_locked_elsewhere(&self, name: LockName) -> Result<bool, ModuleError> {
        if self.held.iter().any(|(held, _)| *held == name) {
            return Ok(false);
        }
        let free = self.ports.locks.try_lock(name).map_err(|why| errors::lock_failed(&why))?;
        Ok(free.is_none())
    }

    pub(super) fn unlock(&mut self, name: LockName) {
        self.held.retain(|(held, _)| *held != name);
    }

    pub(super) async fn lock_license(&mut self, license: LicenseId) -> Result<(), ModuleError> {
        self.lock(LockName::License(self.account, license)).await
    }
}
