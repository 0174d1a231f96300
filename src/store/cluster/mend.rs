//! Repairs when the log differs from this replica: a server lags, the log lost its newest entries, there is a fork, or
//! the database may lack entries without anybody noticing.

use chrono::{DateTime, Utc};

use super::super::StoreError;
use super::lease::HOLD_UNTIL;
use super::log::{Head, LogError, Position};
use super::{Appended, Cluster, ClusterError, Line, replica};

/// The replicated name of the database that the log lies in.
pub(super) const IDENTITY: &str = "cluster_identity";

/// The statement that sets a single value, in the form of `Tx::set_meta`.
fn set_meta(name: &str, value: &str) -> Line {
    use rusqlite::types::Value::Text;
    Line::Statement {
        sql: "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2".to_owned(),
        values: vec![Text(name.to_owned()), Text(value.to_owned())],
        changed: 1,
    }
}

impl Cluster {
    /// Called when the asked server does not have our newest entry. A server that only lags is skipped. If all servers
    /// end before that entry, the log lost its end: this machine writes its kept entries again before anything else.
    ///
    /// # Errors
    /// [`ClusterError::Fork`], [`ClusterError::Behind`]: an operator decides.
    pub(super) fn mend(&self) -> Result<(), StoreError> {
        let here = replica::position(&self.conn)?;
        let Some(head) = self.end_of_log_before(here)? else { return Ok(()) };
        self.write_again(head.position, here)?;
        // This machine is ahead, which proves that the log lost entries. It may have lost more than this machine knew.
        let until = (head.clock + self.rules.settle).timestamp().to_string();
        self.add_until_written(&[set_meta(HOLD_UNTIL, &until)])
    }

    /// The log's newest entry, if the log lost those that follow it here. `None`: it holds our newest entry after all.
    /// Nothing is written.
    ///
    /// # Errors
    /// [`ClusterError::Fork`]; those of a server that does not answer.
    pub(super) fn end_of_log_before(&self, here: Position) -> Result<Option<Head>, StoreError> {
        let head = self.newest_head(here)?;
        if head.position.seq >= here.seq {
            return self.check_same(here).map(|()| None);
        }
        match replica::kept(&self.conn, head.position.seq)? {
            Some(kept) if kept.position == head.position => Ok(Some(head)),
            Some(_) => Err(fork(here, head_words(head.position))),
            None => Err(fork(here, format!("entry {} is the newest", head.position.seq))),
        }
    }

    /// The newest head of all servers, as far as they answer.
    fn newest_head(&self, here: Position) -> Result<Head, StoreError> {
        let mut log = self.log.borrow_mut();
        let mut newest: Option<Head> = None;
        let mut failed = None;
        for _ in 0..log.hosts() {
            match log.head() {
                Ok(head) if head.position.seq >= here.seq => return Ok(head),
                Ok(head) => {
                    if newest.as_ref().is_none_or(|known| known.position.seq < head.position.seq) {
                        newest = Some(head);
                    }
                }
                Err(error @ LogError::Unfit { .. }) => return Err(error.into()),
                Err(error) => failed = Some(error),
            }
            log.next_host();
        }
        match (newest, failed) {
            (Some(head), _) => Ok(head),
            (None, failed) => Err(failed.map_or_else(
                || ClusterError::Away("the list of servers is empty".to_owned()).into(),
                StoreError::from,
            )),
        }
    }

    /// Checks whether the log holds our newest entry after all, or another entry with its number.
    fn check_same(&self, here: Position) -> Result<(), StoreError> {
        let found = self.log.borrow_mut().entries(here.seq, 1)?;
        match found.first() {
            Some(entry) if entry.position == here => self.advance().map(drop),
            Some(entry) if entry.position.seq == here.seq => Err(fork(here, head_words(entry.position))),
            Some(_) | None => Err(ClusterError::Behind { here: here.seq }.into()),
        }
    }

    fn write_again(&self, mut after: Position, here: Position) -> Result<(), StoreError> {
        while after.seq < here.seq {
            let next = after.seq + 1;
            let Some(entry) = replica::kept(&self.conn, next)? else {
                return Err(fork(here, format!("entry {next} is no longer kept here")));
            };
            match self.append(after, &entry, None, true)? {
                Appended::Written => after = entry.position,
                Appended::Taken | Appended::Lost => {
                    return Err(fork(here, format!("another entry of number {next}")));
                }
            }
        }
        Ok(())
    }

    /// Adds an entry of our own, whatever other machines write in between.
    fn add_until_written(&self, lines: &[Line]) -> Result<(), StoreError> {
        let since = self.uptime();
        loop {
            match self.add(replica::position(&self.conn)?, lines)? {
                Appended::Written => return Ok(()),
                Appended::Taken if self.advance()? => {}
                Appended::Taken | Appended::Lost => {
                    return Err(ClusterError::Away("the log changes under this run".to_owned()).into());
                }
            }
            if self.uptime().saturating_sub(since) >= super::TRY_FOR {
                return Err(ClusterError::Crowded.into());
            }
        }
    }

    /// Checks, before the first entry over each connection, that the database is the one that the replicas know and has
    /// a witness for its newest entry. Otherwise this machine writes nothing for the settling time, so that machines
    /// that are ahead can write their entries again. After that the present database is recorded as the known one.
    ///
    /// # Errors
    /// [`ClusterError::Quiet`].
    pub(super) fn check_database(&self) -> Result<(), StoreError> {
        if self.checked.get() == Some(self.log.borrow().connection()) {
            return Ok(());
        }
        let head = self.log.borrow_mut().head()?;
        if head.position.seq < replica::position(&self.conn)?.seq {
            self.mend()?;
        }
        let known = super::super::read_meta(&self.conn, IDENTITY)?;
        let head = self.log.borrow_mut().head()?;
        if known.as_deref() == Some(head.identity.as_str()) && head.is_witnessed {
            if replica::quiet_since(&self.conn)?.is_some() {
                replica::set_quiet_since(&self.conn, None)?;
            }
            self.checked.set(Some(self.log.borrow().connection()));
            return Ok(());
        }
        // This replica first applies what was written before the change; then an entry may be added after it.
        self.catch_up()?;
        self.wait_quietly()?;
        self.add_until_written(&[set_meta(IDENTITY, &head.identity)])?;
        replica::set_quiet_since(&self.conn, None)?;
        self.checked.set(Some(self.log.borrow().connection()));
        Ok(())
    }

    fn wait_quietly(&self) -> Result<(), StoreError> {
        let now = (self.rules.clocks.now)();
        let since = match replica::quiet_since(&self.conn)? {
            Some(since) if since <= now.timestamp() => since,
            // Setting the clock back must not shorten the wait.
            Some(_) | None => {
                replica::set_quiet_since(&self.conn, Some(now.timestamp()))?;
                now.timestamp()
            }
        };
        let until = DateTime::<Utc>::from_timestamp(since, 0).unwrap_or(now) + self.rules.settle;
        if now < until { Err(ClusterError::Quiet { until }.into()) } else { Ok(()) }
    }
}

fn fork(here: Position, there: String) -> StoreError {
    ClusterError::Fork { here, there }.into()
}

fn head_words(position: Position) -> String {
    format!("entry {} {}", position.seq, position.chain.short())
}
