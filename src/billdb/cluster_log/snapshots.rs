//! Snapshots in parts of a mebibyte. Part 0 is written last: it says how many parts there are and what their digest
//! is, so that a snapshot which is not whole is never taken for one.

use mysql::params;
use mysql::prelude::Queryable;
use sha2::{Digest, Sha256};

use super::MysqlClusterLog;
use crate::store::{Chain, ClusterLog, LogError, Position, Progress, Snapshot};

const PART: usize = 1 << 20;

/// Rows that one statement removes: a transaction of Galera stays small.
const REMOVED_AT_ONCE: u32 = 1000;

/// So many entries stay before a snapshot: a machine that is a little behind need not begin anew.
const LEFT_BEFORE: u64 = 1000;

fn label(parts: usize, image: &[u8]) -> String {
    let digest: String = Sha256::digest(image).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{parts} {digest}")
}

pub(super) fn put(log: &mut MysqlClusterLog, snapshot: &Snapshot, tell: &mut Progress<'_>) -> Result<(), LogError> {
    let parts: Vec<&[u8]> = snapshot.image.chunks(PART).collect();
    let label = label(parts.len(), &snapshot.image);
    let total = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    let numbered = parts.into_iter().zip(1_u32..).map(|(body, part)| (part, body));
    for (part, body) in numbered.chain(std::iter::once((0, label.as_bytes()))) {
        let (seq, chain) = (snapshot.position.seq, snapshot.position.chain.0.to_vec());
        let values = params! { "seq" => seq, "part" => part, "chain" => chain, "body" => body.to_vec() };
        let sql = "REPLACE INTO snapshot (seq, part, chain, body) VALUES (:seq, :part, :chain, :body)";
        log.change(|conn| conn.exec_drop(sql, values).map(|()| 0))?;
        if part > 0 {
            tell(part, total);
        }
    }
    // Two machines may have written at once: what is there must be one of them, whole.
    match whole(log, snapshot.position, &mut |_, _| {})? {
        Some(_) => remove_older(log, snapshot.position.seq),
        None => Err(LogError::Away("the snapshot was written by two machines at once".to_owned())),
    }
}

fn remove_older(log: &mut MysqlClusterLog, seq: u64) -> Result<(), LogError> {
    let sql = "DELETE FROM snapshot WHERE seq < ?";
    log.change(|conn| conn.exec_drop(sql, (seq,)).map(|()| 0))?;
    let sql = "DELETE FROM entry WHERE seq < ? ORDER BY seq LIMIT ?";
    let before = seq.saturating_sub(LEFT_BEFORE);
    while log.change(|conn| {
        conn.exec_drop(sql, (before, REMOVED_AT_ONCE))?;
        Ok(conn.affected_rows())
    })? > 0
    {}
    Ok(())
}

pub(super) fn newest(log: &mut MysqlClusterLog, tell: &mut Progress<'_>) -> Result<Option<Snapshot>, LogError> {
    let sql = "SELECT seq, chain FROM snapshot WHERE part = 0 ORDER BY seq DESC";
    let found: Vec<(u64, Vec<u8>)> = log.ask(|conn| conn.query(sql))?;
    for (seq, chain) in found {
        let Some(chain) = Chain::from_bytes(&chain) else { continue };
        // The entry of its own number is there, and it is the same: otherwise it belongs to another history.
        let position = Position { seq, chain };
        if log.entries(seq, 1)?.first().is_some_and(|entry| entry.position == position)
            && let Some(image) = whole(log, position, tell)?
        {
            return Ok(Some(Snapshot { position, image }));
        }
    }
    Ok(None)
}

fn whole(log: &mut MysqlClusterLog, at: Position, tell: &mut Progress<'_>) -> Result<Option<Vec<u8>>, LogError> {
    let sql = "SELECT body FROM snapshot WHERE seq = ? AND part = ? AND chain = ?";
    let chain = at.chain.0.to_vec();
    let mut part = |number: u32| -> Result<Option<Vec<u8>>, LogError> {
        log.ask(|conn| conn.exec_first(sql, (at.seq, number, &chain)))
    };
    let Some(said) = part(0)? else { return Ok(None) };
    let said = String::from_utf8_lossy(&said).into_owned();
    let parts: u32 = said.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0);
    let mut image = Vec::new();
    for number in 1..=parts {
        match part(number)? {
            Some(body) => {
                image.extend(body);
                tell(number, parts);
            }
            None => return Ok(None),
        }
    }
    Ok((label(parts as usize, &image) == said).then_some(image))
}
