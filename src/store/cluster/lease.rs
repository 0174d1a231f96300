//! Locks that hold on all machines, and the time within which an intent may be sent. A lease is a row of the replicated
//! state. It ends at a moment of the database's clock. Each lease comes with a lock file, which only the runs of one
//! machine see.
//!
//! A lease cannot stop a process that was paused between the commit of its intent and the sending. So an intent has a
//! deadline, which is checked by three clocks immediately before the call.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};

use super::super::{RecordedIntent, Store, StoreError, Tx};
use super::{Clocks, Cluster, ClusterError};

/// The replicated moment (seconds since 1970, the database's clock) before which nothing is bought.
pub(super) const HOLD_UNTIL: &str = "cluster_hold_until";

/// A lease as the replicated state has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is for.
    pub name: String,
    /// The machine whose run holds it.
    pub machine: String,
    /// When it runs out, by the database's clock.
    pub ends: DateTime<Utc>,
}

/// A lease of this run.
pub(super) struct Held {
    name: String,
    /// Time since boot just before it was taken or renewed.
    since: Duration,
}

/// Gives the lease back when dropped: the run's next entry removes it, at the latest the end of the run.
pub struct LeaseGuard {
    cluster: Option<Rc<Cluster>>,
    name: String,
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        if let Some(cluster) = &self.cluster {
            cluster.held.borrow_mut().retain(|held| held.name != self.name);
            cluster.given_back.borrow_mut().push(std::mem::take(&mut self.name));
        }
    }
}

/// When an intent was recorded, by three clocks, each read before its entry was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    boot: Duration,
    here: DateTime<Utc>,
    database: DateTime<Utc>,
}

/// The last moment at which a request may leave, by the clocks of this machine. A run may be paused while it connects
/// to the seller, so this is checked between the connection and the first byte.
#[derive(Debug, Clone, Copy)]
pub struct LastLook {
    since: Deadline,
    /// How long after the recording the request may leave.
    send_by: Duration,
    /// Time since boot from which the leases of this run do not outlast the call.
    leases: Option<Duration>,
    clocks: Clocks,
}

impl LastLook {
    /// For a request that was recorded just now.
    #[cfg(test)]
    pub(crate) fn from_now(send_by: Duration) -> Self {
        let since = Deadline { boot: since_boot(), here: Utc::now(), database: Utc::now() };
        Self { since, send_by, leases: None, clocks: Clocks::SYSTEM }
    }

    /// Whether the request may still leave.
    ///
    /// # Errors
    /// Why it must not be sent, for the journal.
    pub fn check(&self) -> Result<(), String> {
        let boot = (self.clocks.uptime)();
        if self.leases.is_some_and(|until| boot > until) {
            return Err("the leases of this run do not outlast the call".to_owned());
        }
        let send_by = i64::try_from(self.send_by.as_secs()).unwrap_or(i64::MAX);
        let up = boot.saturating_sub(self.since.boot).as_secs();
        let by = [
            ("this machine's uptime", i64::try_from(up).unwrap_or(i64::MAX)),
            ("this machine's clock", ((self.clocks.now)() - self.since.here).num_seconds()),
        ];
        in_time(&by, send_by)
    }
}

/// Whether by all of these clocks the time is not over.
fn in_time(by: &[(&str, i64)], send_by: i64) -> Result<(), String> {
    match by.iter().find(|(_, after)| *after >= send_by) {
        Some((clock, after)) => Err(late(clock, *after, send_by)),
        None => Ok(()),
    }
}

/// Time since boot, a sleeping machine included.
pub(super) fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

fn late(by: &str, after: i64, send_by: i64) -> String {
    format!("too late: {after} s after it was recorded by {by}, {send_by} s are allowed")
}

impl Cluster {
    /// Checks that this run still has its leases. If another machine took one over, this run must end.
    pub(super) fn check_leases(&self) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT 1 FROM cluster_lease WHERE name = ?1 AND run = ?2")?;
        for held in self.held.borrow().iter() {
            if statement.query_row(params![held.name, self.run], |_| Ok(())).optional()?.is_none() {
                return Err(ClusterError::LeaseLost(held.name.clone()).into());
            }
        }
        Ok(())
    }

    /// Removes leases that were given back, as part of an entry that is written anyway.
    pub(super) fn remove_given_back(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for name in self.given_back.borrow().iter() {
            tx.run("DELETE FROM cluster_lease WHERE name = ?1 AND run = ?2", params![name, self.run])?;
        }
        Ok(())
    }

    /// Whether another machine, boot or lock folder holds a lease, by the database's clock. Our own lock file proves
    /// that an earlier owner on this machine is dead.
    fn other_holder(&self, name: &str, clock: DateTime<Utc>) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM cluster_lease WHERE name = ?1 AND owner != ?2 AND ends > ?3";
        let mut statement = self.conn.prepare_cached(sql)?;
        let values = params![name, self.rules.owner, clock.timestamp_millis()];
        Ok(statement.query_row(values, |_| Ok(())).optional()?.is_some())
    }

    fn ends(&self, clock: DateTime<Utc>) -> i64 {
        clock.timestamp_millis() + i64::try_from(self.rules.lease.as_millis()).unwrap_or(i64::MAX / 4)
    }

    /// Renews the leases of this run if the oldest is older than a third of its time, so that they outlast the next
    /// call.
    fn renew(&self, store: &Store, now: DateTime<Utc>) -> Result<(), StoreError> {
        let before = self.uptime();
        let is_old = |held: &Held| before.saturating_sub(held.since) > self.rules.lease / 3;
        if !self.held.borrow().iter().any(is_old) {
            return Ok(());
        }
        let ends = self.ends(self.clock()?);
        store.write(now, |tx| {
            let names = self.held.borrow();
            let renew = |held: &Held| {
                let sql = "UPDATE cluster_lease SET ends = ?3 WHERE name = ?1 AND run = ?2";
                tx.run(sql, params![held.name, self.run, ends])
            };
            names.iter().try_for_each(renew)
        })?;
        self.held.borrow_mut().iter_mut().for_each(|held| held.since = before);
        Ok(())
    }
}

impl Store {
    /// A lock that holds on all machines, or `None` while another machine has it. The caller holds the lock file of
    /// that name. Without a cluster there is nothing to take.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn lease(&self, name: &str, now: DateTime<Utc>) -> Result<Option<LeaseGuard>, StoreError> {
        let Some(cluster) = &self.cluster else {
            return Ok(Some(LeaseGuard { cluster: None, name: String::new() }));
        };
        // A pass takes one lock after the other. A lease that it holds throughout must not run out before its end.
        cluster.renew(self, now)?;
        let before = cluster.uptime();
        let clock = cluster.clock()?;
        cluster.given_back.borrow_mut().retain(|other| other != name);
        let take = |tx: &Tx<'_>| {
            if cluster.other_holder(name, clock)? {
                return Ok(false);
            }
            let sql = "INSERT INTO cluster_lease (name, owner, run, ends) VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT DO UPDATE SET owner = ?2, run = ?3, ends = ?4";
            tx.run(sql, params![name, cluster.rules.owner, cluster.run, cluster.ends(clock)])?;
            Ok(true)
        };
        while !self.write(now, take)? {
            // This replica may be out of date: the holder may have given the lease back since.
            cluster.catch_up()?;
            if cluster.other_holder(name, clock)? {
                return Ok(None);
            }
        }
        cluster.held.borrow_mut().push(Held { name: name.to_owned(), since: before });
        Ok(Some(LeaseGuard { cluster: Some(Rc::clone(cluster)), name: name.to_owned() }))
    }

    /// The leases that other machines hold at this moment; none without a cluster. Two requests, however many there
    /// are: a pass asks about thousands of licenses at once.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn leased_elsewhere(&self) -> Result<BTreeSet<String>, StoreError> {
        let Some(cluster) = &self.cluster else { return Ok(BTreeSet::new()) };
        let clock = cluster.clock()?;
        cluster.catch_up()?;
        let sql = "SELECT name FROM cluster_lease WHERE owner != ?1 AND ends > ?2";
        let mut statement = cluster.conn.prepare_cached(sql)?;
        let names = statement.query_map(params![cluster.rules.owner, clock.timestamp_millis()], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// The leases of all machines, those that ran out included; none without a cluster.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn leases(&self) -> Result<Vec<Lease>, StoreError> {
        let Some(cluster) = &self.cluster else { return Ok(Vec::new()) };
        let mut statement = cluster.conn.prepare("SELECT name, owner, ends FROM cluster_lease ORDER BY name")?;
        let read = |row: &rusqlite::Row<'_>| {
            let owner: String = row.get(1)?;
            let machine = owner.split(' ').next().unwrap_or_default().to_owned();
            let ends = DateTime::from_timestamp_millis(row.get(2)?).unwrap_or_default();
            Ok(Lease { name: row.get(0)?, machine, ends })
        };
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// Makes sure, before a call that changes something outside, that the leases of this run outlast it.
    ///
    /// # Errors
    /// [`ClusterError::LeaseLost`]: another machine took one over; nothing may be sent.
    pub fn hold_leases(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.cluster.as_ref().map_or(Ok(()), |cluster| cluster.renew(self, now))
    }

    /// The clocks just before an intent is recorded. `None` without a cluster.
    pub(in crate::store) fn deadline(&self) -> Result<Option<Deadline>, StoreError> {
        let Some(cluster) = &self.cluster else { return Ok(None) };
        let (boot, here) = (cluster.uptime(), (cluster.rules.clocks.now)());
        let database = cluster.clock()?;
        let held = self.number(HOLD_UNTIL)?.and_then(|seconds| DateTime::from_timestamp(i64::from(seconds), 0));
        match held.filter(|until| database < *until) {
            Some(until) => Err(ClusterError::Held { until }.into()),
            None => Ok(Some(Deadline { boot, here, database })),
        }
    }

    /// The check before an intent is sent: the leases of this run outlast the call, and by no clock it is too late. It
    /// gives the request its [`LastLook`].
    ///
    /// # Errors
    /// Why it must not be sent, for the journal.
    pub fn may_send(&self, recorded: &mut RecordedIntent, now: DateTime<Utc>) -> Result<(), String> {
        let (Some(cluster), Some(since)) = (&self.cluster, recorded.deadline().copied()) else { return Ok(()) };
        cluster.renew(self, now).map_err(|error| error.to_string())?;
        let database = cluster.clock().map_err(|error| error.to_string())?;
        let outlasted = cluster.rules.lease.saturating_sub(cluster.rules.call);
        let leases = cluster.held.borrow().iter().map(|held| held.since + outlasted).min();
        let look = LastLook { since, send_by: cluster.rules.send_by, leases, clocks: cluster.rules.clocks };
        let send_by = i64::try_from(look.send_by.as_secs()).unwrap_or(i64::MAX);
        in_time(&[("the database's clock", (database - since.database).num_seconds())], send_by)?;
        look.check()?;
        recorded.set_last_look(look);
        Ok(())
    }

    /// The database's clock, for times that machines compare. `None` without a cluster.
    ///
    /// # Errors
    /// [`ClusterError::Away`], [`ClusterError::Unfit`].
    pub fn cluster_clock(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.cluster.as_ref().map(|cluster| cluster.clock()).transpose()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.given_back.borrow().is_empty() {
            return;
        }
        // A lease that could not be removed runs out later, and this machine's next run takes it over at once.
        let _ = self.write(&std::cell::Cell::new(false), (self.rules.clocks.now)(), &|tx| self.remove_given_back(tx));
    }
}
