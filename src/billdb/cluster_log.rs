//! The log of a cluster in a schema of its own on MariaDB, MySQL or Percona (docs/cluster.md). The servers are tried in
//! the order of the settings. Only a server that accepts writes, and is not cut off from its cluster, is used.

mod grants;
mod server;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDateTime, Utc};
use mysql::prelude::Queryable;
use mysql::{Conn, Value};

use self::server::{Facts, Server};
use crate::store::{COMPARED, Chain, ClusterLog, Entry, Head, HostReport, LogError, Position, Token};
use crate::text;

/// How long a run waits for servers that do not answer: the sum of all attempts since the last answer. After that it
/// starts no further attempt. The attempt that is under way by then may take its full time, so a command ends within 45
/// seconds.
const SILENCE: Duration = Duration::from_secs(25);

/// The tables of the schema, which holds nothing else. `entry` is the first: a schema with this table is a log.
const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS entry (seq BIGINT UNSIGNED NOT NULL PRIMARY KEY, token BINARY(16) NOT NULL, \
     node VARCHAR(64) NOT NULL, written_at DATETIME(6) NOT NULL, format INT NOT NULL, chain BINARY(32) NOT NULL, \
     body MEDIUMBLOB NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
    "CREATE TABLE IF NOT EXISTS snapshot (seq BIGINT UNSIGNED NOT NULL, part INT UNSIGNED NOT NULL, \
     chain BINARY(32) NOT NULL, body MEDIUMBLOB NOT NULL, PRIMARY KEY (seq, part)) ENGINE=InnoDB \
     DEFAULT CHARSET=utf8mb4",
];

/// Inserts an entry, but only if the entry before it exists with the expected chain.
const APPEND: &str = "INSERT INTO entry (seq, token, node, written_at, format, chain, body) \
    SELECT :seq, :token, :node, UTC_TIMESTAMP(6), :format, :chain, :body FROM entry \
    WHERE seq = :before AND chain = :chain_before";

/// As [`APPEND`], for an entry that the log had lost: it gets the time of the entry before it.
const APPEND_AGAIN: &str = "INSERT INTO entry (seq, token, node, written_at, format, chain, body) \
    SELECT :seq, :token, :node, written_at, :format, :chain, :body FROM entry \
    WHERE seq = :before AND chain = :chain_before";

const BEGIN: &str = "INSERT INTO entry (seq, token, node, written_at, format, chain, body) \
    SELECT :seq, :token, :node, UTC_TIMESTAMP(6), :format, :chain, :body FROM DUAL \
    WHERE NOT EXISTS (SELECT 1 FROM entry)";

/// Rows that one statement removes: a transaction of Galera stays small.
const REMOVED_AT_ONCE: u32 = 1000;

/// The number of entries that are kept from before an image, so that a machine that is a little behind need not begin
/// anew.
const LEFT_BEFORE: u64 = 1000;

/// The servers and the schema of the log, and the login to them.
#[derive(Clone)]
pub struct LogPlace {
    /// Servers: name and port, in the order in which they are tried.
    pub hosts: Vec<(String, u16)>,
    /// The user that logs in.
    pub user: String,
    /// The password; never printed.
    pub password: String,
    /// The schema.
    pub schema: String,
    /// The authority of the servers' certificates; `None`: no TLS.
    pub ca_file: Option<PathBuf>,
}

impl std::fmt::Debug for LogPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LogPlace({} {} {:?})", self.user, self.schema, self.hosts)
    }
}

/// The log. The connection is made at the first question.
pub struct MysqlClusterLog {
    place: LogPlace,
    /// The position in the list of the next server to ask.
    at: usize,
    server: Option<Server>,
    connections: u64,
    /// The time that attempts without an answer took since the last answer.
    waited: Duration,
}

impl MysqlClusterLog {
    /// Nothing is connected yet.
    pub fn new(place: LogPlace) -> Self {
        Self { place, at: 0, server: None, connections: 0, waited: Duration::ZERO }
    }

    fn server(&mut self) -> Result<&mut Server, LogError> {
        let server = match self.server.take() {
            Some(server) => server,
            None => {
                let server = Server::open(&self.place, self.at)?;
                self.connections += 1;
                server
            }
        };
        Ok(self.server.insert(server))
    }

    /// One attempt with the present server, connected first if necessary. An attempt without an answer counts as
    /// waiting.
    fn attempt<T>(&mut self, action: impl FnOnce(&mut Server) -> Result<T, LogError>) -> Result<T, LogError> {
        if self.waited >= SILENCE {
            let waited = self.waited.as_secs();
            return Err(LogError::Away(format!("no server of the list answered within {waited} s")));
        }
        let since = Instant::now();
        let result = self.server().and_then(action);
        match &result {
            Err(LogError::Away(_)) => self.waited += since.elapsed(),
            Ok(_) | Err(LogError::Unfit { .. }) => self.waited = Duration::ZERO,
        }
        result
    }

    /// Asks a question that changes nothing. If a server does not answer, the next one of the list is asked.
    fn ask<T>(&mut self, question: impl Fn(&mut Conn) -> mysql::Result<T>) -> Result<T, LogError> {
        let mut last = LogError::Away("the list of servers is empty".to_owned());
        // One attempt more than there are servers, because a connection that was lost while it was idle proves nothing
        // about its server.
        for _ in 0..=self.place.hosts.len() {
            let was_open = self.server.is_some();
            let answer =
                self.attempt(|server| question(&mut server.conn).map_err(|error| server::said(&server.host, &error)));
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error @ LogError::Unfit { .. }) => return Err(error),
                Err(error) => last = error,
            }
            self.server = None;
            if !was_open {
                self.next_host();
            }
        }
        Err(last)
    }

    /// Changes something, once.
    fn change(&mut self, change: impl FnOnce(&mut Conn) -> mysql::Result<u64>) -> Result<u64, LogError> {
        let mut is_kept = true;
        let changed = self.attempt(|server| {
            change(&mut server.conn).map_err(|error| {
                is_kept = server::keeps_connection(&error);
                server::said(&server.host, &error)
            })
        });
        if !is_kept {
            self.server = None;
        }
        changed
    }

    fn values(entry: &Entry) -> Vec<(String, Value)> {
        let value = |name: &str, value: Value| (name.to_owned(), value);
        vec![
            value("seq", entry.position.seq.into()),
            value("token", entry.token.0.to_vec().into()),
            value("node", entry.node.as_str().into()),
            value("format", entry.format.into()),
            value("chain", entry.position.chain.0.to_vec().into()),
            value("body", entry.body.as_slice().into()),
        ]
    }

    fn insert(&mut self, sql: &str, values: Vec<(String, Value)>) -> Result<bool, LogError> {
        let inserted = self.change(|conn| {
            conn.exec_drop(sql, values)?;
            Ok(conn.affected_rows())
        })?;
        Ok(inserted == 1)
    }
}

/// A moment in the text form of the database.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok().map(|time| time.and_utc())
}

type EntryRow = (u64, Vec<u8>, String, i32, Vec<u8>, Vec<u8>);

fn entry((seq, token, node, format, chain, body): EntryRow) -> Result<Entry, LogError> {
    let wrong = || LogError::Away(format!("entry {seq} of the log cannot be read"));
    let token = token.as_slice().try_into().map(Token).map_err(|_| wrong())?;
    let chain = Chain::from_bytes(&chain).ok_or_else(wrong)?;
    Ok(Entry { position: Position { seq, chain }, token, node, format, body })
}

/// The newest entry with the moment of its writing, and the clock, as one server has them.
fn newest(conn: &mut Conn) -> mysql::Result<(Position, Option<DateTime<Utc>>, DateTime<Utc>)> {
    type Row = (Option<u64>, Option<Vec<u8>>, Option<String>, String);
    let sql = "SELECT e.seq, e.chain, CAST(e.written_at AS CHAR), CAST(UTC_TIMESTAMP(6) AS CHAR) \
               FROM (SELECT 1) AS one LEFT JOIN (SELECT seq, chain, written_at FROM entry ORDER BY seq DESC LIMIT 1) \
               AS e ON TRUE";
    let row: Option<Row> = conn.query_first(sql)?;
    let (seq, chain, written, clock) = row.unwrap_or_default();
    let chain = chain.as_deref().and_then(Chain::from_bytes).unwrap_or(Chain::BEGINNING);
    let clock = moment(&clock).unwrap_or_default();
    Ok((Position { seq: seq.unwrap_or(0), chain }, written.as_deref().and_then(moment), clock))
}

/// The newest entries that one server has, the newest first. An entry that cannot be read is left out.
fn newest_entries(conn: &mut Conn) -> mysql::Result<Vec<Entry>> {
    let sql = "SELECT seq, token, node, format, chain, body FROM entry ORDER BY seq DESC LIMIT ?";
    let rows: Vec<EntryRow> = conn.exec(sql, (COMPARED,))?;
    Ok(rows.into_iter().filter_map(|row| entry(row).ok()).collect())
}

impl ClusterLog for MysqlClusterLog {
    fn head(&mut self) -> Result<Head, LogError> {
        let (position, written, clock) = self.ask(newest)?;
        let place = self.place.clone();
        let facts = self.server()?.facts.clone();
        let was_up = |facts: &Facts| written.is_none_or(|written| facts.up_since < written);
        let mut is_witnessed = was_up(&facts);
        if !is_witnessed && facts.galera.is_some() {
            // Another member of the same cluster that never went down is a witness too.
            is_witnessed = (0..place.hosts.len())
                .filter_map(|at| Server::look(&place, at).ok())
                .any(|other| other.facts.identity == facts.identity && other.facts.is_open() && was_up(&other.facts));
        }
        Ok(Head { position, clock, identity: facts.identity, is_witnessed })
    }

    fn clock(&mut self) -> Result<DateTime<Utc>, LogError> {
        let text: Option<String> = self.ask(|conn| conn.query_first("SELECT CAST(UTC_TIMESTAMP(6) AS CHAR)"))?;
        text.as_deref().and_then(moment).ok_or_else(|| LogError::Away("the clock cannot be read".to_owned()))
    }

    fn entries(&mut self, from: u64, limit: u32) -> Result<Vec<Entry>, LogError> {
        let sql = "SELECT seq, token, node, format, chain, body FROM entry WHERE seq >= ? ORDER BY seq LIMIT ?";
        let rows: Vec<EntryRow> = self.ask(|conn| conn.exec(sql, (from, limit)))?;
        rows.into_iter().map(entry).collect()
    }

    fn append(&mut self, after: Position, entry: &Entry, is_again: bool) -> Result<bool, LogError> {
        let mut values = Self::values(entry);
        values.push(("before".to_owned(), after.seq.into()));
        values.push(("chain_before".to_owned(), after.chain.0.to_vec().into()));
        self.insert(if is_again { APPEND_AGAIN } else { APPEND }, values)
    }

    fn begin(&mut self, first: &Entry) -> Result<bool, LogError> {
        for sql in TABLES {
            self.change(|conn| conn.query_drop(sql).map(|()| 0))?;
        }
        match self.insert(BEGIN, Self::values(first)) {
            Err(LogError::Away(_)) => Ok(self.entries(1, 1)?.first().is_some_and(|found| found.token == first.token)),
            done => done,
        }
    }

    fn images(&mut self) -> Result<Vec<(Position, Vec<u8>)>, LogError> {
        let sql = "SELECT seq, chain, body FROM snapshot WHERE part = 0 ORDER BY seq DESC";
        let found: Vec<(u64, Vec<u8>, Vec<u8>)> = self.ask(|conn| conn.query(sql))?;
        let image = |(seq, chain, body): (u64, Vec<u8>, Vec<u8>)| {
            Some((Position { seq, chain: Chain::from_bytes(&chain)? }, body))
        };
        Ok(found.into_iter().filter_map(image).collect())
    }

    fn image_part(&mut self, at: Position, part: u32) -> Result<Option<Vec<u8>>, LogError> {
        let sql = "SELECT body FROM snapshot WHERE seq = ? AND part = ? AND chain = ?";
        self.ask(|conn| conn.exec_first(sql, (at.seq, part, at.chain.0.to_vec())))
    }

    fn put_image_part(&mut self, at: Position, part: u32, body: &[u8]) -> Result<(), LogError> {
        let sql = "REPLACE INTO snapshot (seq, part, chain, body) VALUES (?, ?, ?, ?)";
        self.change(|conn| conn.exec_drop(sql, (at.seq, part, at.chain.0.to_vec(), body)).map(|()| 0)).map(drop)
    }

    fn remove_before(&mut self, seq: u64) -> Result<(), LogError> {
        let sql = "DELETE FROM snapshot WHERE seq < ?";
        self.change(|conn| conn.exec_drop(sql, (seq,)).map(|()| 0))?;
        let sql = "DELETE FROM entry WHERE seq < ? ORDER BY seq LIMIT ?";
        let before = seq.saturating_sub(LEFT_BEFORE);
        while self.change(|conn| {
            conn.exec_drop(sql, (before, REMOVED_AT_ONCE))?;
            Ok(conn.affected_rows())
        })? > 0
        {}
        Ok(())
    }

    fn next_host(&mut self) {
        self.server = None;
        self.at = (self.at + 1) % self.place.hosts.len().max(1);
    }

    fn connection(&self) -> u64 {
        self.connections
    }

    fn hosts(&self) -> usize {
        self.place.hosts.len()
    }

    fn survey(&mut self) -> Vec<HostReport> {
        let place = &self.place;
        let report = |at: usize| {
            let host = server::shown(place, at);
            let facts = Server::look(place, at)
                .map_err(|error| error.to_string())
                .and_then(|mut server| server.report().map_err(|error| error.to_string()));
            HostReport { host, facts }
        };
        (0..place.hosts.len()).map(report).collect()
    }
}

/// The error of a missing log.
fn no_log() -> LogError {
    LogError::Unfit {
        cause: "the schema holds no log".to_owned(),
        advice: Box::new(text!("The schema that [cluster] names holds no log", "В схеме из [cluster] нет журнала")
        .changed(text!("Nothing was changed", "Ничего не изменено"))
        .next(text!(
            "pmisplicense cluster init on the machine that has the state; if the log was lost, read docs/cluster.md first",
            "pmisplicense cluster init на машине с состоянием; если журнал был утерян, сначала прочитайте docs/cluster.md"
        ))),
    }
}
