//! Images of the state. A machine that joins begins with one, and a lost replica is rebuilt from one. An image is a
//! whole SQLite file. It lies in the log in parts of a mebibyte, and only one part is in memory at a time. Part 0 is
//! written last: it holds the number of parts and their digest, so that an image which is not whole is never used.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::super::file::{MODE, check_version, connect, vacuum_into};
use super::super::{Store, StoreError};
use super::{ClusterError, ClusterLog, Position, Progress, replica};
use crate::durable::{self, FileError};

/// A snapshot is made after this many entries, or this many bytes of them.
const EVERY: u64 = 5000;
const EVERY_BYTES: u64 = 64 << 20;

/// Bytes of a part.
const PART: u64 = 1 << 20;

fn label(parts: u32, digest: Sha256) -> String {
    let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{parts} {digest}")
}

/// Opens a file that nobody uses yet, to change it. The file is not needed after an error, so SQLite keeps no journal.
pub(super) fn opened(new: &Path) -> Result<Connection, StoreError> {
    let conn = connect(new)?;
    conn.query_row("PRAGMA journal_mode = OFF", [], |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "OFF")?;
    Ok(conn)
}

/// Opens an image, after checking that it is complete and of a version that this program knows.
pub(super) fn checked(image: &Path) -> Result<Connection, StoreError> {
    let conn = opened(image)?;
    check_version(&conn)?;
    let wrong: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if wrong == "ok" { Ok(conn) } else { Err(StoreError::Unusable(wrong)) }
}

/// Puts an image into the log, and removes older ones.
pub(super) fn put(
    log: &mut dyn ClusterLog,
    at: Position,
    image: &Path,
    tell: &mut Progress<'_>,
) -> Result<(), StoreError> {
    let mut file = File::open(image).map_err(FileError::at(image))?;
    let bytes = file.metadata().map_err(FileError::at(image))?.len();
    let parts = u32::try_from(bytes.div_ceil(PART)).unwrap_or(u32::MAX);
    let mut digest = Sha256::new();
    let mut body = Vec::new();
    for part in 1..=parts {
        body.clear();
        Read::by_ref(&mut file).take(PART).read_to_end(&mut body).map_err(FileError::at(image))?;
        digest.update(&body);
        log.put_image_part(at, part, &body)?;
        tell(part, parts);
    }
    log.put_image_part(at, 0, label(parts, digest).as_bytes())?;
    // Two machines may have written at once: what is there must be one of them, whole.
    let written = log.image_part(at, 0)?.unwrap_or_default();
    if !each_part(log, at, &written, &mut |_, _, _| Ok(()))? {
        return Err(ClusterError::Away("the snapshot was written by two machines at once".to_owned()).into());
    }
    Ok(log.remove_before(at.seq)?)
}

/// Writes the newest whole image of the log into an empty file. `None`: there is none.
pub(super) fn fetch(
    log: &mut dyn ClusterLog,
    image: &Path,
    tell: &mut Progress<'_>,
) -> Result<Option<Position>, StoreError> {
    for (at, label) in log.images()? {
        // The entry of its own number is there, and it is the same: otherwise it belongs to another history.
        if log.entries(at.seq, 1)?.first().is_none_or(|entry| entry.position != at) {
            continue;
        }
        let file = OpenOptions::new().write(true).truncate(true).open(image);
        let mut file = file.map_err(FileError::at(image))?;
        let mut take = |part, parts, body: &[u8]| {
            file.write_all(body).map_err(FileError::at(image))?;
            tell(part, parts);
            Ok(())
        };
        if each_part(log, at, &label, &mut take)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Gets one part: its number, the number of all parts, and its content.
type Part<'p> = dyn FnMut(u32, u32, &[u8]) -> Result<(), StoreError> + 'p;

/// Reads the parts of an image one after the other. `false`: they are not what the label says.
fn each_part(log: &mut dyn ClusterLog, at: Position, written: &[u8], take: &mut Part<'_>) -> Result<bool, StoreError> {
    let count = std::str::from_utf8(written).ok().and_then(|label| label.split(' ').next()?.parse().ok());
    let parts: u32 = count.unwrap_or(0);
    let mut digest = Sha256::new();
    for part in 1..=parts {
        let Some(body) = log.image_part(at, part)? else { return Ok(false) };
        digest.update(&body);
        take(part, parts, &body)?;
    }
    Ok(parts > 0 && label(parts, digest).as_bytes() == written)
}

impl Store {
    /// Writes an image of the state to the log, and removes older entries. `when_due`: only when enough was written
    /// since the last one. Returns whether it was made.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn make_snapshot(&self, when_due: bool) -> Result<bool, StoreError> {
        let Some(cluster) = &self.cluster else { return Ok(false) };
        let images = cluster.log.borrow_mut().images()?;
        let newest = images.first().map_or(0, |(at, _)| at.seq);
        let is_due = replica::position(&cluster.conn)?.seq >= newest + EVERY
            || replica::kept_bytes(&cluster.conn, newest)? >= EVERY_BYTES;
        if when_due && !is_due {
            return Ok(false);
        }
        let state = cluster.conn.path().unwrap_or_default().to_owned();
        durable::beside(Path::new(&state), MODE, |image| {
            vacuum_into(&cluster.conn, image)?;
            let copy = opened(image)?;
            let at = replica::position(&copy)?;
            replica::strip(&copy)?;
            drop(copy);
            put(&mut **cluster.log.borrow_mut(), at, image, &mut |_, _| {})
        })?;
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
