//! Images of the state. A machine that joins begins with one, and a lost replica is rebuilt from one.

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use super::super::file::{check_version, in_memory};
use super::super::{Store, StoreError};
use super::{ClusterError, Snapshot, members, replica};

/// A snapshot is made after this many entries.
const EVERY: u64 = 5000;

/// Opens an image in memory, after checking that it is complete and of a version that this program knows.
pub(super) fn opened(image: &[u8]) -> Result<Connection, StoreError> {
    let mut conn = Connection::open_in_memory()?;
    conn.deserialize_read_exact("main", image, image.len(), false)?;
    check_version(&conn)?;
    let wrong: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if wrong == "ok" { Ok(conn) } else { Err(StoreError::Unusable(wrong)) }
}

fn bytes(conn: &mut Connection) -> Result<Vec<u8>, StoreError> {
    conn.execute_batch("VACUUM")?;
    let mut image = conn.serialize("main")?.to_vec();
    // A database in memory cannot use WAL, so its header must not say that it does.
    image.iter_mut().skip(18).take(2).for_each(|byte| *byte = 1);
    Ok(image)
}

/// The image that a cluster begins with: an ordinary state, with its first machine.
pub(super) fn first_image(
    conn: &Connection,
    machine: &str,
    identity: &str,
    now: DateTime<Utc>,
) -> Result<Vec<u8>, StoreError> {
    let mut copy = in_memory(conn)?;
    super::super::file::bring_forward(&copy)?;
    replica::make(&copy, machine, super::Position::BEGINNING)?;
    members::first_members(&copy, machine, identity, now)?;
    replica::strip(&copy)?;
    bytes(&mut copy)
}

impl Store {
    /// Writes an image of the state to the log, and removes older entries. `when_due`: only when enough was written
    /// since the last one. Returns whether it was made.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn make_snapshot(&self, when_due: bool) -> Result<bool, StoreError> {
        let Some(cluster) = &self.cluster else { return Ok(false) };
        let first = cluster.log.borrow_mut().entries(1, 1)?;
        let here = replica::position(&cluster.conn)?;
        let begins = first.first().map_or(0, |entry| entry.position.seq);
        if when_due && here.seq < begins + EVERY {
            return Ok(false);
        }
        let mut copy = in_memory(&cluster.conn)?;
        let position = replica::position(&copy)?;
        replica::strip(&copy)?;
        cluster.log.borrow_mut().put_snapshot(&Snapshot { position, image: bytes(&mut copy)? }, &mut |_, _| {})?;
        Ok(true)
    }

    /// A digest of the replicated state, to compare two machines; with the newest entry that it holds.
    ///
    /// # Errors
    /// [`ClusterError::NotReplica`].
    pub fn replica_digest(&self) -> Result<(super::Position, super::Chain), StoreError> {
        let Some(cluster) = &self.cluster else { return Err(ClusterError::NotReplica.into()) };
        Ok((replica::position(&cluster.conn)?, replica::digest(&cluster.conn)?))
    }

    /// The places of the newest entries that this machine keeps; none without a cluster.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn kept_places(&self) -> Result<Vec<super::Position>, StoreError> {
        self.cluster.as_ref().map_or(Ok(Vec::new()), |cluster| replica::newest_places(&cluster.conn))
    }
}
