//! Joining and leaving. The log begins with one machine's state. Further machines begin with its image. A machine that
//! leaves keeps an ordinary state only when it is the last one.

use std::path::Path;
use std::rc::Rc;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::super::file::{self, MODE, check_version, connect, vacuum_into};
use super::super::swap::{remove_companions, remove_state};
use super::super::{Store, StoreError, Tx, schema};
use super::body::{self, Line};
use super::mend::IDENTITY;
use super::{
    Appended, Cluster, ClusterError, ClusterLog, ClusterRules, Entry, Position, Progress, Standing, Token, advance,
    replica, snapshot,
};
use crate::durable;

/// A machine that has joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// What it calls itself.
    pub name: String,
    /// When it joined.
    pub joined_at: DateTime<Utc>,
}

/// The replicated name of the machine that left last.
pub(super) const LEFT_LAST: &str = "cluster_left_last";

/// Nobody joins a log that every machine has left: the machine that left last goes on alone, and what it does since
/// then is not in the log.
fn check_not_ended(conn: &Connection) -> Result<(), StoreError> {
    if conn.prepare("SELECT 1 FROM cluster_machine")?.exists([])? {
        return Ok(());
    }
    let last = super::super::read_meta(conn, LEFT_LAST)?.unwrap_or_else(|| "?".to_owned());
    Err(ClusterError::Ended { last }.into())
}

fn joined(tx: &Tx<'_>, machine: &str) -> Result<(), StoreError> {
    check_not_ended(tx.conn)?;
    tx.run(
        "INSERT INTO cluster_machine (name, joined_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        params![machine, tx.now.timestamp()],
    )
}

/// Begins the log with the state at `path`, which becomes the first replica. The caller holds the state's lock alone.
/// A run that died can be repeated.
///
/// # Errors
/// [`ClusterError::Unfit`]: the log has entries of another machine. As [`Store::write`].
pub fn begin(
    path: &Path,
    mut log: Box<dyn ClusterLog>,
    rules: ClusterRules,
    tell: &mut Progress<'_>,
) -> Result<Store, StoreError> {
    let conn = connect(path)?;
    check_version(&conn)?;
    let panel = super::super::read_meta(&conn, "panel_id")?.unwrap_or_default();
    let body = body::written(&[Line::Beginning(panel)])?;
    let position = Position { seq: 1, chain: Position::BEGINNING.chain.then(&body) };
    let (node, format) = (rules.machine.clone(), schema::version());
    let mut first = Entry { position, token: Token::fresh()?, node, format, body };
    if !log.begin(&first)? {
        let found = log.entries(1, 2)?;
        if let [only] = found.as_slice()
            && only.position == position
            && only.node == rules.machine
        {
            first = only.clone();
        } else {
            return Err(ClusterError::Unfit {
                cause: "the log has entries".to_owned(),
                advice: Box::new(
                    crate::text!(
                        "The schema that [cluster] names already holds a log",
                        "В схеме из [cluster] уже есть журнал"
                    )
                    .changed(crate::text!("Nothing was changed", "Ничего не изменено"))
                    .next(crate::text!(
                        "pmisplicense cluster join on this machine, or name an empty schema",
                        "pmisplicense cluster join на этой машине или укажите пустую схему"
                    )),
                ),
            }
            .into());
        }
    }
    let identity = log.head()?.identity;
    if !replica::is_replica(&conn)? {
        // The newest writes must not be only in the file beside the state: that file is removed before the state is
        // replaced.
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        durable::replace(path, MODE, |image| {
            write_first(&conn, image, &rules.machine, &identity, (rules.clocks.now)())?;
            snapshot::put(&mut *log, position, image, tell)?;
            // Exactly the bytes that other machines begin with. Nothing can have been written here in between, because
            // the lock is held alone.
            become_replica(path, image, &rules.machine, position, Some(&first))
        })?;
    }
    let store = open(path, log, rules)?;
    // The first machine has the whole log.
    store.cluster.iter().for_each(|cluster| cluster.remember_caught_up());
    Ok(store)
}

/// Makes the newest snapshot this machine's replica, catches up, and admits the machine. The caller holds the state's
/// lock alone, and has set the present state aside.
///
/// # Errors
/// [`ClusterError::Unfit`]: there is no log. [`ClusterError::Ended`]: every machine has left it; no replica is left
/// here. As [`Store::write`].
pub fn join(
    path: &Path,
    mut log: Box<dyn ClusterLog>,
    rules: ClusterRules,
    now: DateTime<Utc>,
    tell: &mut Progress<'_>,
) -> Result<Store, StoreError> {
    if let Some(folder) = path.parent() {
        durable::private_folder(folder)?;
    }
    durable::replace(path, MODE, |image| {
        let at = snapshot::fetch(&mut *log, image, tell)?.ok_or_else(no_snapshot)?;
        let entries = log.entries(at.seq, 1)?;
        let of_image = entries.first().filter(|entry| entry.position == at);
        let made = made_replica(image, &rules.machine, at, of_image)?;
        // A server that lags does not end the joining: the machine catches up again before it is admitted.
        advance(&made, &mut *log)?;
        check_not_ended(&made)?;
        remove_companions(path)
    })?;
    let store = open(path, log, rules)?;
    match admit(&store, now) {
        Ok(()) => Ok(store),
        Err(error) => {
            // The last machine left in this moment.
            if matches!(&error, StoreError::Cluster(why) if matches!(**why, ClusterError::Ended { .. })) {
                drop(store);
                remove_state(path)?;
            }
            Err(error)
        }
    }
}

fn no_snapshot() -> StoreError {
    ClusterError::Unfit {
        cause: "the log has no snapshot".to_owned(),
        advice: Box::new(
            crate::text!("The schema that [cluster] names holds no log yet", "В схеме из [cluster] журнала ещё нет")
                .changed(crate::text!("Nothing was changed", "Ничего не изменено"))
                .next(crate::text!(
                    "pmisplicense cluster init on the machine that has the state",
                    "pmisplicense cluster init на машине, где есть состояние"
                )),
        ),
    }
    .into()
}

/// As [`join`], for a machine that has a replica already. A replica that fits the log is kept, and entries that the log
/// lacks are written to it again. `false`: the replica does not fit, and has to be built anew.
///
/// # Errors
/// As [`Store::write`].
pub fn rejoin(
    path: &Path,
    log: Box<dyn ClusterLog>,
    rules: ClusterRules,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    match open(path, log, rules).and_then(|store| admit(&store, now)) {
        Ok(()) => Ok(true),
        Err(StoreError::Unusable(_)) => Ok(false),
        Err(StoreError::Cluster(why))
            if matches!(*why, ClusterError::Behind { .. } | ClusterError::Fork { .. } | ClusterError::Elsewhere(_)) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Catches up, makes this machine a member, and brings the schema forward, because the image may be an older program's.
fn admit(store: &Store, now: DateTime<Utc>) -> Result<(), StoreError> {
    let Some(cluster) = &store.cluster else { return Err(ClusterError::NotReplica.into()) };
    cluster.catch_up()?;
    match cluster.standing()? {
        Standing::Member => {}
        Standing::LeftLast => return Err(ClusterError::LeavingUnfinished.into()),
        Standing::Outside => {
            cluster.admitting.set(true);
            let written = store.write(now, |tx| joined(tx, &cluster.rules.machine));
            cluster.admitting.set(false);
            written?;
        }
    }
    forward(cluster)
}

/// Turns an image into this machine's replica, which takes the place of the state at `path`. `of_image`: the entry that
/// the image ends with. That entry is kept too, so that a log that falls back to exactly this entry is not taken for
/// another log.
fn become_replica(
    path: &Path,
    image: &Path,
    machine: &str,
    at: Position,
    of_image: Option<&Entry>,
) -> Result<(), StoreError> {
    made_replica(image, machine, at, of_image)?;
    // SQLite would otherwise treat the newest writes of the old file as a part of the new one.
    remove_companions(path)
}

fn made_replica(image: &Path, machine: &str, at: Position, of_image: Option<&Entry>) -> Result<Connection, StoreError> {
    let made = snapshot::checked(image)?;
    replica::make(&made, machine, at)?;
    of_image.map_or(Ok(()), |entry| replica::keep(&made, entry))?;
    Ok(made)
}

/// Opens a replica. No server is asked yet.
///
/// # Errors
/// [`ClusterError::NotReplica`], [`ClusterError::Elsewhere`].
fn open(path: &Path, log: Box<dyn ClusterLog>, rules: ClusterRules) -> Result<Store, StoreError> {
    let conn = connect(path)?;
    check_version(&conn)?;
    file::settle(&conn)?;
    Store::from_connection(Rc::new(conn)).in_cluster(log, rules)
}

/// Brings the schema of a replica forward. It does so by an entry, so that every machine does it at the same place of
/// the log. The caller holds the state's lock alone.
///
/// # Errors
/// As [`Store::write`].
pub fn bring_forward(path: &Path, log: Box<dyn ClusterLog>, rules: ClusterRules) -> Result<(), StoreError> {
    let store = open(path, log, rules)?;
    let Some(cluster) = &store.cluster else { return Err(ClusterError::NotReplica.into()) };
    cluster.catch_up()?;
    // A machine that left last, and died before its file was an ordinary state, needs this to finish its leaving.
    if cluster.standing()? == Standing::Outside {
        return Err(ClusterError::NotJoined(cluster.rules.machine.clone()).into());
    }
    forward(cluster)
}

fn forward(cluster: &Cluster) -> Result<(), StoreError> {
    loop {
        let from: i32 = cluster.conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if from >= schema::version() {
            return Ok(());
        }
        cluster.check_database()?;
        let after = replica::position(&cluster.conn)?;
        if cluster.add(after, &[Line::Schema(schema::version())])? != Appended::Written {
            cluster.catch_up()?;
        }
    }
}

/// Takes this machine out. The last machine keeps the state as an ordinary one. `false`: other machines go on. This
/// machine must not, so the caller sets its replica aside. A run that died can be repeated.
///
/// # Errors
/// As [`Store::write`].
pub fn leave(store: &Store, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let Some(cluster) = &store.cluster else { return Err(ClusterError::NotReplica.into()) };
    let machine = &cluster.rules.machine;
    cluster.catch_up()?;
    let is_last = match cluster.standing()? {
        Standing::Member => store.write(now, |tx| {
            tx.run("DELETE FROM cluster_machine WHERE name = ?1", params![machine])?;
            let others: i64 = tx.conn.query_row("SELECT count(*) FROM cluster_machine", [], |row| row.get(0))?;
            if others == 0 {
                tx.set_meta(LEFT_LAST, machine)?;
            }
            Ok(others == 0)
        })?,
        Standing::LeftLast => true,
        Standing::Outside => false,
    };
    if is_last {
        cluster.given_back.borrow_mut().clear();
        replica::unmake(&cluster.conn)?;
    }
    Ok(is_last)
}

/// Writes the image that a cluster begins with into an empty file: an ordinary state, with its first machine.
fn write_first(
    conn: &Connection,
    image: &Path,
    machine: &str,
    identity: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    vacuum_into(conn, image)?;
    let copy = snapshot::opened(image)?;
    file::bring_forward(&copy)?;
    replica::make(&copy, machine, Position::BEGINNING)?;
    first_members(&copy, machine, identity, now)?;
    replica::strip(&copy)
}

/// Notes the first machine of a cluster, and the identity of its log.
pub(super) fn first_members(
    conn: &Connection,
    machine: &str,
    identity: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO cluster_machine (name, joined_at) VALUES (?1, ?2)";
    conn.execute(sql, params![machine, now.timestamp()])?;
    let sql = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2";
    conn.execute(sql, params![IDENTITY, identity])?;
    Ok(())
}

impl Store {
    /// The machines of the cluster; empty without one.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn machines(&self) -> Result<Vec<Machine>, StoreError> {
        if self.cluster.is_none() {
            return Ok(Vec::new());
        }
        let mut statement = self.conn.prepare("SELECT name, joined_at FROM cluster_machine ORDER BY name")?;
        let read =
            |row: &rusqlite::Row<'_>| Ok(Machine { name: row.get(0)?, joined_at: super::super::cell::moment(row, 1)? });
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }
}

impl Cluster {
    /// The machine that this replica belongs to.
    pub fn machine(&self) -> &str {
        &self.rules.machine
    }
}
