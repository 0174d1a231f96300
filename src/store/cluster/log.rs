//! The log as the store sees it: numbered entries, each of which proves the entry before it. The implementation for
//! production uses a MySQL or MariaDB server (`billdb::cluster_log`); tests have one in memory.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::error::Message;

/// SHA-256 over the chain before an entry and the entry's body: two logs with the same chain hold the same entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chain(pub [u8; 32]);

impl Chain {
    /// The chain before the first entry.
    pub const BEGINNING: Self = Self([0; 32]);

    /// The chain of the entry that follows with this body.
    #[must_use]
    pub fn then(self, body: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(body);
        Self(hash.finalize().into())
    }

    /// From bytes of a database.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The first eight hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.0.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Names the attempt that wrote an entry. It is random, so that after a lost answer an entry of this attempt can be
/// distinguished from another machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(pub [u8; 16]);

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number of an entry; 0: before the first.
    pub seq: u64,
    /// Its chain.
    pub chain: Chain,
}

impl Position {
    /// Before the first entry.
    pub const BEGINNING: Self = Self { seq: 0, chain: Chain::BEGINNING };
}

/// One write transaction, as every machine applies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub position: Position,
    /// The attempt that wrote it.
    pub token: Token,
    /// The machine that wrote it.
    pub node: String,
    /// The version of the state's schema that its statements are about.
    pub format: i32,
    /// The statements, a line of JSON each.
    pub body: Vec<u8>,
}

/// What a server reports about the log and itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The newest entry.
    pub position: Position,
    /// The database's clock.
    pub clock: DateTime<Utc>,
    /// Which database it is: the same for all servers of one cluster.
    pub identity: String,
    /// Whether a server has been running, with this table, since before the newest entry was written. Without such a
    /// witness the database may have been started from a copy that lacks the newest entries.
    pub is_witnessed: bool,
}

/// Why the log cannot be used now.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// No server could be asked. For a write: it may have arrived.
    #[error("{0}")]
    Away(String),
    /// A server answered, and the log must not be used in this condition. An operator has to change something.
    #[error("{cause}")]
    Unfit {
        /// In technical words.
        cause: String,
        /// For people: what is wrong and what to do.
        advice: Box<Message>,
    },
}

/// Gets the progress of reading or writing a snapshot: the number of parts done, and of all parts.
pub type Progress<'p> = dyn FnMut(u32, u32) + 'p;

/// What the store needs from a clustered database. Each method takes one round trip or a few. A lost connection is made
/// again at the next call; if the last server failed, to the next server of the list.
pub trait ClusterLog {
    /// The newest entry, and facts about the server that reports it.
    ///
    /// # Errors
    /// See [`LogError`].
    fn head(&mut self) -> Result<Head, LogError>;

    /// The database's clock.
    ///
    /// # Errors
    /// See [`LogError`].
    fn clock(&mut self) -> Result<DateTime<Utc>, LogError>;

    /// Entries from number `from` on, in order, at most `limit`. The read sees everything that was written before it.
    ///
    /// # Errors
    /// See [`LogError`].
    fn entries(&mut self, from: u64, limit: u32) -> Result<Vec<Entry>, LogError>;

    /// Writes an entry after the entry at `after`. `false`: that entry does not exist, and nothing was written.
    /// `is_again`: the log had lost this entry. It is then as old as the entry before it, so that a server that lost
    /// entries is not taken for a witness.
    ///
    /// # Errors
    /// After any error it is not known whether the entry was written.
    fn append(&mut self, after: Position, entry: &Entry, is_again: bool) -> Result<bool, LogError>;

    /// Writes the first entry of the log. Writes nothing if the log has entries.
    ///
    /// # Errors
    /// As [`ClusterLog::append`].
    fn begin(&mut self, first: &Entry) -> Result<bool, LogError>;

    /// The entries after which an image of the state was written, the newest first, each with part 0 of its image.
    ///
    /// # Errors
    /// See [`LogError`].
    fn images(&mut self) -> Result<Vec<(Position, Vec<u8>)>, LogError>;

    /// One part of an image.
    ///
    /// # Errors
    /// See [`LogError`].
    fn image_part(&mut self, at: Position, part: u32) -> Result<Option<Vec<u8>>, LogError>;

    /// Writes one part of an image, and replaces an earlier one of the same number.
    ///
    /// # Errors
    /// See [`LogError`].
    fn put_image_part(&mut self, at: Position, part: u32, body: &[u8]) -> Result<(), LogError>;

    /// Removes the images before an entry, and the entries far before it.
    ///
    /// # Errors
    /// See [`LogError`].
    fn remove_before(&mut self, seq: u64) -> Result<(), LogError>;

    /// From now on asks the next server of the list, because the answers of the last one cannot be used.
    fn next_host(&mut self);

    /// The number of the connection, counted from the first of this run. Another connection may lead to another server.
    fn connection(&self) -> u64;

    /// How many servers the list has.
    fn hosts(&self) -> usize;

    /// What each server of the list reports about itself, for people. The store itself does not use it.
    fn survey(&mut self) -> Vec<HostReport> {
        Vec::new()
    }
}

/// A server of the list, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostReport {
    /// Its name and port.
    pub host: String,
    /// Its report, or why there is none.
    pub facts: Result<HostFacts, String>,
}

/// What a server reports about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// The newest entry that it has.
    pub head: Position,
    /// Which database it belongs to.
    pub identity: String,
    /// Its clock.
    pub clock: DateTime<Utc>,
    /// The state of a Galera node, in its own words. `None`: it is not a Galera node.
    pub galera: Option<String>,
    /// Why it takes no writes at this moment, in its own words.
    pub closed: Option<String>,
    /// Settings that may lose acknowledged writes, each as it is set.
    pub unsafe_settings: Vec<String>,
    /// Its newest entries, the oldest of them first.
    pub tail: Vec<Position>,
    /// The first of these whose number or content does not follow from the entry before it.
    pub broken: Option<u64>,
    /// Rights of the program's user that the log does not need, in the server's words.
    pub needless_rights: Vec<String>,
}

/// How many of the newest entries of each server are compared with those of the others.
pub const COMPARED: u32 = 100;

/// The places of entries that lie next to each other, the oldest first, and the first entry that does not follow from
/// the one before it. Of the first entry only the place counts, because what it follows is not known.
pub fn places(entries: &[Entry]) -> (Vec<Position>, Option<u64>) {
    let follows = |(before, entry): (&Entry, &Entry)| {
        let at = before.position;
        entry.position == Position { seq: at.seq + 1, chain: at.chain.then(&entry.body) }
    };
    let broken = entries.iter().zip(entries.iter().skip(1)).find(|two| !follows(*two)).map(|(_, entry)| entry);
    (entries.iter().map(|entry| entry.position).collect(), broken.map(|entry| entry.position.seq))
}
