//! The state file as a replica of the log: the entry that it applied last, the newest entries as they were written, and
//! the applying of an entry. A replica has an SQLite application id of its own. So a program that knows no cluster, or
//! has no cluster in its settings, refuses the file instead of using it alone.

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::super::{Open, StoreError, schema};
use super::body::{self, Line};
use super::log::{COMPARED, Chain, Entry, Position, Token};

/// `PRAGMA application_id` of a replica.
pub(in crate::store) const APPLICATION_ID: i32 = 0x706d_6c63;

/// How many entries are kept as they were written, to be written again if the log loses its end.
const KEPT: u64 = 1000;

/// The tables of a replica. `cluster_replica` and `cluster_kept` are this machine's own; leases, machines and the
/// settling times of intents are part of the replicated state.
const TABLES: &str = "
CREATE TABLE cluster_replica (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    machine TEXT NOT NULL,
    seq INTEGER NOT NULL,
    chain BLOB NOT NULL,
    quiet_since INTEGER
) STRICT;
CREATE TABLE cluster_kept (
    seq INTEGER PRIMARY KEY,
    token BLOB NOT NULL,
    node TEXT NOT NULL,
    format INTEGER NOT NULL,
    chain BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS cluster_lease (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    run TEXT NOT NULL,
    ends INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cluster_settle (
    intent INTEGER PRIMARY KEY,
    seconds INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS cluster_machine (
    name TEXT PRIMARY KEY,
    joined_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Whether a file is a replica.
pub(in crate::store) fn is_replica(conn: &Connection) -> Result<bool, StoreError> {
    let id: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    Ok(id == APPLICATION_ID)
}

/// Turns a state, or the image of one, into the replica of this machine, as of an entry.
pub(in crate::store) fn make(conn: &Connection, machine: &str, at: Position) -> Result<(), StoreError> {
    let open = Open::begin(conn)?;
    conn.execute_batch(TABLES)?;
    let sql = "INSERT INTO cluster_replica (one, machine, seq, chain) VALUES (1, ?1, ?2, ?3)";
    conn.execute(sql, params![machine, number(at.seq)?, at.chain.0.as_slice()])?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    open.commit()
}

/// Removes what belongs to this machine alone. The rest is an image that any machine may begin with.
pub(in crate::store) fn strip(conn: &Connection) -> Result<(), StoreError> {
    let open = Open::begin(conn)?;
    conn.execute_batch("DROP TABLE cluster_replica; DROP TABLE cluster_kept;")?;
    conn.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    open.commit()
}

/// Turns a replica into an ordinary state of this machine.
pub(in crate::store) fn unmake(conn: &Connection) -> Result<(), StoreError> {
    let machine = machine(conn)?;
    let open = Open::begin(conn)?;
    conn.execute_batch(
        "DROP TABLE cluster_replica; DROP TABLE cluster_kept; DROP TABLE cluster_lease; DROP TABLE cluster_machine;
         DROP TABLE cluster_settle;
         DELETE FROM meta WHERE name LIKE 'cluster\\_%' ESCAPE '\\';",
    )?;
    let sql = "INSERT INTO meta (name, value) VALUES ('machine', ?1) ON CONFLICT DO UPDATE SET value = ?1";
    conn.execute(sql, params![machine])?;
    conn.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    open.commit()
}

fn number(seq: u64) -> Result<i64, StoreError> {
    i64::try_from(seq).map_err(|error| StoreError::Unusable(error.to_string()))
}

fn damaged(what: &str) -> StoreError {
    StoreError::Unusable(format!("the replica's {what} cannot be read"))
}

fn place(seq: i64, chain: &[u8]) -> Result<Position, StoreError> {
    let seq = u64::try_from(seq).map_err(|_| damaged("number"))?;
    Ok(Position { seq, chain: Chain::from_bytes(chain).ok_or_else(|| damaged("chain"))? })
}

/// The entry that was applied last.
pub(in crate::store) fn position(conn: &Connection) -> Result<Position, StoreError> {
    let mut statement = conn.prepare_cached("SELECT seq, chain FROM cluster_replica")?;
    let (seq, chain): (i64, Vec<u8>) = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    place(seq, &chain)
}

/// The machine that the replica belongs to.
pub(in crate::store) fn machine(conn: &Connection) -> Result<String, StoreError> {
    Ok(conn.query_row("SELECT machine FROM cluster_replica", [], |row| row.get(0))?)
}

/// When this machine began to wait because it does not know the database (seconds since 1970).
pub(in crate::store) fn quiet_since(conn: &Connection) -> Result<Option<i64>, StoreError> {
    Ok(conn.query_row("SELECT quiet_since FROM cluster_replica", [], |row| row.get(0))?)
}

pub(in crate::store) fn set_quiet_since(conn: &Connection, since: Option<i64>) -> Result<(), StoreError> {
    conn.execute("UPDATE cluster_replica SET quiet_since = ?1", params![since])?;
    Ok(())
}

/// An entry that was kept as it was written.
pub(in crate::store) fn kept(conn: &Connection, seq: u64) -> Result<Option<Entry>, StoreError> {
    type Row = (Vec<u8>, String, i32, Vec<u8>, Vec<u8>);
    let mut statement =
        conn.prepare_cached("SELECT token, node, format, chain, body FROM cluster_kept WHERE seq = ?1")?;
    let found: Option<Row> = statement
        .query_row([number(seq)?], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    let Some((token, node, format, chain, body)) = found else { return Ok(None) };
    let token = token.as_slice().try_into().map(Token).map_err(|_| damaged("token"))?;
    Ok(Some(Entry { position: place(number(seq)?, &chain)?, token, node, format, body }))
}

/// Keeps an entry as it was written.
pub(in crate::store) fn keep(conn: &Connection, entry: &Entry) -> Result<(), StoreError> {
    let sql = "INSERT INTO cluster_kept (seq, token, node, format, chain, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let (token, chain) = (entry.token.0.as_slice(), entry.position.chain.0.as_slice());
    let seq = number(entry.position.seq)?;
    conn.prepare_cached(sql)?.execute(params![seq, token, entry.node, entry.format, chain, entry.body])?;
    Ok(())
}

/// How many bytes the kept entries after this one have.
pub(in crate::store) fn kept_bytes(conn: &Connection, after: u64) -> Result<u64, StoreError> {
    let sql = "SELECT COALESCE(SUM(LENGTH(body)), 0) FROM cluster_kept WHERE seq > ?1";
    let bytes: i64 = conn.query_row(sql, [number(after)?], |row| row.get(0))?;
    Ok(bytes.unsigned_abs())
}

/// The places of the newest entries that were kept, as many as are compared between machines.
pub(in crate::store) fn newest_places(conn: &Connection) -> Result<Vec<Position>, StoreError> {
    let mut statement = conn.prepare("SELECT seq, chain FROM cluster_kept ORDER BY seq DESC LIMIT ?1")?;
    let rows = statement.query_map([COMPARED], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    rows.map(|row| row.map_err(StoreError::from).and_then(|(seq, chain)| place(seq, &chain))).collect()
}

/// Applies the next entry. An entry that was applied before is skipped.
///
/// # Errors
/// [`StoreError::Unusable`]: the entry does not follow the last one, or a statement changes another number of rows here
/// than it did there, so that this replica differs from the others.
pub(in crate::store) fn apply(conn: &Connection, entry: &Entry) -> Result<(), StoreError> {
    if entry.format > schema::version() {
        return Err(StoreError::Newer { found: entry.format, known: schema::version() });
    }
    let open = Open::begin(conn)?;
    let at = position(conn)?;
    if entry.position.seq <= at.seq {
        return Ok(());
    }
    let seq = entry.position.seq;
    if seq != at.seq + 1 || at.chain.then(&entry.body) != entry.position.chain {
        return Err(StoreError::Unusable(format!("entry {seq} of the log does not follow entry {}", at.seq)));
    }
    for line in body::read(&entry.body)? {
        match line {
            Line::Statement { sql, values, changed } => {
                let done = conn.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(values))?;
                if done != changed {
                    let why = format!("entry {seq} changed {changed} rows elsewhere, and {done} here: {sql}");
                    return Err(StoreError::Unusable(why));
                }
            }
            Line::Schema(version) => {
                let from = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
                schema::migrate_to(conn, from, version)?;
                conn.pragma_update(None, "application_id", APPLICATION_ID)?;
            }
            Line::Beginning(_) => {}
        }
    }
    keep(conn, entry)?;
    let chain = entry.position.chain.0.as_slice();
    let old = number(seq.saturating_sub(KEPT))?;
    conn.prepare_cached("DELETE FROM cluster_kept WHERE seq <= ?1")?.execute([old])?;
    conn.prepare_cached("UPDATE cluster_replica SET seq = ?1, chain = ?2")?.execute(params![number(seq)?, chain])?;
    open.commit()
}

/// A digest of everything that is replicated: equal on two machines that have applied the same entries.
pub(in crate::store) fn digest(conn: &Connection) -> Result<Chain, StoreError> {
    let mut tables = conn.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('cluster_replica', 'cluster_kept')
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?;
    let tables = tables.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut whole = Sha256::new();
    for table in tables {
        let mut statement = conn.prepare(&format!("SELECT * FROM \"{table}\""))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut hashes: Vec<[u8; 32]> = Vec::new();
        while let Some(row) = rows.next()? {
            let mut hash = Sha256::new();
            for column in 0..columns {
                hash.update(format!("{:?};", row.get_ref(column)?));
            }
            hashes.push(hash.finalize().into());
        }
        hashes.sort_unstable();
        whole.update(table);
        hashes.iter().for_each(|hash| whole.update(hash));
    }
    Ok(Chain(whole.finalize().into()))
}
