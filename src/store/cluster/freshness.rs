//! How old this machine's replica is. The moment at which it last caught up with the log is the time of an empty file,
//! so that a run with nothing new writes nothing to the state. Only people use it; no decision depends on it.

use std::fs::OpenOptions;

use chrono::{DateTime, Utc};

use super::super::{Store, StoreError};
use super::{Cluster, replica};

/// The last entry of the log that a replica holds, and when it was certain that no newer one existed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The number of the last entry.
    pub entry: u64,
    /// When this machine last caught up with the log, by its own clock. `None`: not known.
    pub caught_up_at: Option<DateTime<Utc>>,
}

impl Cluster {
    /// Remembers that the replica holds every entry of the log at this moment.
    pub(super) fn remember_caught_up(&self) {
        let Some(path) = &self.rules.caught_up else { return };
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        // Without this file an operator learns less, and nothing else changes.
        let _ = file.and_then(|file| file.set_modified((self.rules.clocks.now)().into()));
    }

    fn caught_up_at(&self) -> Option<DateTime<Utc>> {
        let about = std::fs::metadata(self.rules.caught_up.as_ref()?).ok()?;
        about.modified().ok().map(DateTime::from)
    }
}

impl Store {
    /// How old the replica is. `None` without a cluster.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn freshness(&self) -> Result<Option<Freshness>, StoreError> {
        let Some(cluster) = &self.cluster else { return Ok(None) };
        let entry = replica::position(&cluster.conn)?.seq;
        Ok(Some(Freshness { entry, caught_up_at: cluster.caught_up_at() }))
    }

    /// Applies what other machines wrote to a copy of a replica. Nothing is written to the log, nor to a file. A log
    /// that lacks the newest entries of this machine leaves the copy as it is.
    ///
    /// # Errors
    /// As [`Store::catch_up`].
    pub fn look_on(&self) -> Result<(), StoreError> {
        let Some(cluster) = &self.cluster else { return Ok(()) };
        if !cluster.advance()? {
            cluster.end_of_log_before(replica::position(&self.conn)?)?;
        }
        Ok(())
    }
}
