//! One server of the log: connecting to it, and checking whether it may be used.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder, SslOpts};

use super::super::connect::{ConnectError, connect, without_files};
use super::super::tls::is_about_tls;
use super::{LogPlace, grants, moment, newest, newest_entries, no_log};
use crate::store::{HostFacts, LogError, places};
use crate::text;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The time for one answer. A Galera node that lost its majority delays a commit for some seconds, then refuses it.
/// Three servers that stand still are found out within 45 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);

const SESSION: [&str; 2] = [
    "SET NAMES utf8mb4, autocommit = 1, sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00', \
     innodb_lock_wait_timeout = 5",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
];

/// A server's report about itself, read once for each connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) identity: String,
    /// Since when it could see entries: the later of its start and the creation of the table.
    pub(super) up_since: DateTime<Utc>,
    /// A Galera node: its state in words.
    pub(super) galera: Option<Galera>,
    /// Why it accepts no writes.
    closed: Option<String>,
    unsafe_settings: Vec<String>,
    /// The id of the server, to recognise it under another name.
    server: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Galera {
    words: String,
    size: usize,
    /// Counts the changes of membership: equal on all members of one component.
    membership: String,
}

impl Facts {
    pub(super) fn is_open(&self) -> bool {
        self.closed.is_none()
    }
}

/// A connection to a server of the log.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) conn: Conn,
    pub(super) facts: Facts,
}

/// Its name for people.
pub(super) fn shown(place: &LogPlace, at: usize) -> String {
    place.hosts.get(at).map_or_else(String::new, |(host, port)| format!("{host}:{port}"))
}

/// The meaning of a failed statement. An operator must correct rights and missing tables; any other cause may pass.
pub(super) fn said(host: &str, error: &mysql::Error) -> LogError {
    let cause = format!("{host}: {error}");
    let mysql::Error::MySqlError(refused) = error else { return LogError::Away(cause) };
    match refused.code {
        // Access denied: database, login, table, column, a privilege.
        1044 | 1045 | 1142 | 1143 | 1227 | 1698 => LogError::Unfit {
            cause,
            advice: Box::new(text!(
                "The server {host} of the cluster's log refused this program's user",
                "Сервер {host} журнала кластера не принял пользователя программы"
            )
            .changed(text!("Nothing was changed", "Ничего не изменено"))
            .next(text!(
                "check user and password; the user needs SELECT, INSERT, UPDATE, DELETE, CREATE on its schema, and nothing else",
                "проверьте имя и пароль; на свою схему нужны права SELECT, INSERT, UPDATE, DELETE, CREATE и никаких других"
            ))),
        },
        1049 => LogError::Unfit {
            cause,
            advice: Box::new(text!(
                "The server {host} has no schema of the name that [cluster] gives",
                "На сервере {host} нет схемы, указанной в [cluster]"
            )
            .changed(text!("Nothing was changed", "Ничего не изменено"))
            .next(text!(
                "create it, then pmisplicense cluster init",
                "создайте её, затем выполните pmisplicense cluster init"
            ))),
        },
        1146 => no_log(),
        _ => LogError::Away(cause),
    }
}

/// True when the connection can still be used: the server itself refused the statement.
pub(super) fn keeps_connection(error: &mysql::Error) -> bool {
    matches!(error, mysql::Error::MySqlError(error) if [1062, 1205, 1213].contains(&error.code))
}

impl Server {
    /// Connects, and refuses a server that accepts no writes, or a second one that accepts them separately.
    pub(super) fn open(place: &LogPlace, at: usize) -> Result<Self, LogError> {
        let mut server = Self::look(place, at)?;
        if let Some(why) = &server.facts.closed {
            return Err(LogError::Away(format!("{}: {why}", server.host)));
        }
        server.refuse_second(place, at)?;
        server.check_tables()?;
        server.refuse_splitting()?;
        Ok(server)
    }

    /// Connects and reads the server's facts.
    pub(super) fn look(place: &LogPlace, at: usize) -> Result<Self, LogError> {
        let host = shown(place, at);
        let (name, port) = place.hosts.get(at).cloned().unwrap_or_default();
        let tls = place.ca_file.as_ref().map(|file| SslOpts::default().with_root_cert_path(Some(file.clone())));
        let options = without_files(OptsBuilder::new())
            .ssl_opts(tls)
            .user(Some(&place.user))
            .pass(Some(&place.password))
            .db_name(Some(&place.schema))
            .prefer_socket(false)
            .ip_or_hostname(Some(&name))
            .tcp_port(port)
            .tcp_connect_timeout(Some(CONNECT_TIMEOUT))
            .read_timeout(Some(ANSWER_TIMEOUT))
            .write_timeout(Some(ANSWER_TIMEOUT))
            .init(SESSION.to_vec());
        let mut conn = connect(options).map_err(|error| refused(place, &host, error))?;
        let facts = facts(&mut conn).map_err(|error| said(&host, &error))?;
        Ok(Self { host, conn, facts })
    }

    /// Refuses two servers that both accept writes and do not belong together, because they would be two logs.
    fn refuse_second(&self, place: &LogPlace, at: usize) -> Result<(), LogError> {
        let hosts = place.hosts.len();
        if self.facts.galera.as_ref().is_some_and(|galera| galera.size * 2 > hosts) {
            return Ok(());
        }
        for other in (0..hosts).filter(|other| *other != at) {
            let Ok(other) = Self::look(place, other) else { continue };
            let is_same = match (&self.facts.galera, &other.facts.galera) {
                (Some(ours), Some(theirs)) => ours.membership == theirs.membership,
                (None, None) => self.facts.server == other.facts.server,
                (Some(_), None) | (None, Some(_)) => false,
            };
            if other.facts.is_open() && !is_same {
                let (one, two) = (&self.host, &other.host);
                return Err(LogError::Unfit {
                    cause: format!("{one} and {two} both take writes, each by itself"),
                    advice: Box::new(
                        text!(
                            "The servers {one} and {two} of the cluster's log both take writes and are not one cluster",
                            "Серверы {one} и {two} журнала кластера оба принимают запись и не составляют один кластер"
                        )
                        .changed(text!("Nothing was sent", "Ничего не отправлено"))
                        .next(text!(
                            "make the one that is no longer the primary read only, or stop it; then repeat",
                            "переведите прежний основной сервер в режим «только чтение» или остановите его и повторите"
                        )),
                    ),
                });
            }
        }
        Ok(())
    }

    /// Checks that the schema holds only the tables of the log.
    fn check_tables(&mut self) -> Result<(), LogError> {
        let sql = "SELECT table_name, COALESCE(engine, '') FROM information_schema.tables \
                   WHERE table_schema = DATABASE()";
        let tables: Vec<(String, String)> = self.conn.query(sql).map_err(|error| said(&self.host, &error))?;
        let is_ours =
            |(name, engine): &(String, String)| ["entry", "snapshot"].contains(&name.as_str()) && engine == "InnoDB";
        let Some((name, _)) = tables.iter().find(|table| !is_ours(table)) else { return Ok(()) };
        Err(LogError::Unfit {
            cause: format!("the schema holds the table {name}"),
            advice: Box::new(
                text!(
                    "The schema that [cluster] names holds another table ({name}), or its tables are not InnoDB",
                    "В схеме из [cluster] есть чужая таблица ({name}) или её таблицы не InnoDB"
                )
                .changed(text!("Nothing was changed", "Ничего не изменено"))
                .next(text!("name a schema that holds nothing else", "укажите схему, в которой больше ничего нет")),
            ),
        })
    }

    /// Refuses a proxy that sends reads and writes to different servers. A locking read goes where writes go, so it
    /// shows whether the same server answers.
    fn refuse_splitting(&mut self) -> Result<(), LogError> {
        let name = "CONCAT(@@hostname, ':', @@port, ' ', @@server_id)";
        let ask = |conn: &mut Conn, sql: String| conn.query_first::<String, _>(sql);
        let read = format!("SELECT {name} FROM entry ORDER BY seq LIMIT 1");
        let plain = match ask(&mut self.conn, read.clone()) {
            // No log yet.
            Err(mysql::Error::MySqlError(error)) if error.code == 1146 => return Ok(()),
            other => other.map_err(|error| said(&self.host, &error))?,
        };
        let locking = ask(&mut self.conn, format!("{read} FOR UPDATE")).map_err(|error| said(&self.host, &error))?;
        if plain == locking {
            return Ok(());
        }
        let host = &self.host;
        Err(LogError::Unfit {
            cause: format!("{host}: reads go to {plain:?}, writes to {locking:?}"),
            advice: Box::new(text!(
                "{host} is a proxy that sends reads and writes to different servers",
                "{host} — прокси, который отправляет чтение и запись на разные серверы"
            )
            .changed(text!("Nothing was sent", "Ничего не отправлено"))
            .next(text!(
                "name the servers themselves in [cluster], or a proxy with one writer (docs/cluster.md has an example)",
                "укажите в [cluster] сами серверы или прокси с одним пишущим сервером (пример в docs/cluster.md)"
            ))),
        })
    }

    /// A report for people.
    pub(super) fn report(&mut self) -> mysql::Result<HostFacts> {
        let (head, _, clock) = newest(&mut self.conn)?;
        let mut entries = newest_entries(&mut self.conn)?;
        entries.reverse();
        let (tail, broken) = places(&entries);
        let schema: Option<String> = self.conn.query_first("SELECT DATABASE()")?;
        let schema = schema.unwrap_or_default();
        let grants: Vec<String> = self.conn.query("SHOW GRANTS")?;
        let needless_rights = grants.iter().filter_map(|grant| grants::needless(grant, &schema)).collect();
        let facts = self.facts.clone();
        Ok(HostFacts {
            head,
            identity: facts.identity,
            clock,
            galera: facts.galera.map(|galera| galera.words),
            closed: facts.closed,
            unsafe_settings: facts.unsafe_settings,
            tail,
            broken,
            needless_rights,
        })
    }
}

fn refused(place: &LogPlace, host: &str, error: ConnectError) -> LogError {
    if let ConnectError::Database(error) = &error {
        if place.ca_file.is_some() && is_about_tls(error) {
            return LogError::Unfit {
                cause: format!("{host}: {error}"),
                advice: Box::new(text!(
                    "The server {host} of the cluster's log could not prove over TLS who it is",
                    "Сервер {host} журнала кластера не смог подтвердить себя по TLS"
                )
                .changed(text!("Nothing was sent", "Ничего не отправлено"))
                .next(text!(
                    "check that its certificate names this host and was signed by the authority in ca_file of [cluster]",
                    "проверьте, что в его сертификате указан этот узел и что он подписан центром из ca_file раздела [cluster]"
                ))),
            };
        }
        return said(host, error);
    }
    let error = error.of(host, &place.user);
    match error.advice {
        Some(advice) => LogError::Unfit { cause: error.cause, advice },
        None => LogError::Away(error.cause),
    }
}

const STATUS: &str = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Uptime', 'wsrep_cluster_status', 'wsrep_ready', \
    'wsrep_local_state_comment', 'wsrep_cluster_state_uuid', 'wsrep_cluster_size', 'wsrep_cluster_conf_id', \
    'Rpl_semi_sync_master_status', 'Rpl_semi_sync_source_status', 'Rpl_semi_sync_master_clients', \
    'Rpl_semi_sync_source_clients', 'Slaves_connected')";

const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only', 'server_uid', \
    'server_uuid', 'server_id', 'hostname', 'port', 'wsrep_on', 'group_replication_group_name', \
    'innodb_flush_log_at_trx_commit', 'sync_binlog', 'log_bin', 'wsrep_dirty_reads', 'wsrep_provider')";

fn facts(conn: &mut Conn) -> mysql::Result<Facts> {
    let mut known = BTreeMap::new();
    for sql in [STATUS, VARIABLES] {
        let rows: Vec<(String, String)> = conn.query(sql)?;
        known.extend(rows.into_iter().map(|(name, value)| (name.to_lowercase(), value)));
    }
    let value = |name: &str| known.get(name).map(String::as_str).unwrap_or_default();
    let is_on = |name: &str| matches!(value(name), "ON" | "1" | "TRUE");
    let is_galera = is_on("wsrep_on") && !matches!(value("wsrep_provider"), "" | "none");
    if is_galera {
        conn.query_drop("SET SESSION wsrep_sync_wait = 7, wsrep_dirty_reads = OFF")?;
    }
    let galera = is_galera.then(|| Galera {
        words: format!("{}, {}", value("wsrep_cluster_status"), value("wsrep_local_state_comment")),
        size: value("wsrep_cluster_size").parse().unwrap_or(0),
        membership: format!("{} {}", value("wsrep_cluster_state_uuid"), value("wsrep_cluster_conf_id")),
    });
    let server = format!("{}:{} {}", value("hostname"), value("port"), value("server_id"));
    let identity = if is_galera {
        format!("galera:{}", value("wsrep_cluster_state_uuid"))
    } else if !value("group_replication_group_name").is_empty() {
        format!("group:{}", value("group_replication_group_name"))
    } else {
        let uuid = [value("server_uuid"), value("server_uid"), &server].into_iter().find(|id| !id.is_empty());
        format!("server:{}", uuid.unwrap_or_default())
    };
    let closed = if is_galera && !(value("wsrep_cluster_status") == "Primary" && is_on("wsrep_ready")) {
        Some(format!("the Galera node is {}", galera.as_ref().map_or("", |galera| galera.words.as_str())))
    } else if is_on("read_only") || is_on("super_read_only") {
        Some("the server is read only".to_owned())
    } else {
        None
    };
    let mut unsafe_settings = Vec::new();
    if value("innodb_flush_log_at_trx_commit") != "1" {
        let set = value("innodb_flush_log_at_trx_commit");
        unsafe_settings.push(format!("innodb_flush_log_at_trx_commit = {set}"));
    }
    if !is_galera && is_on("log_bin") {
        if value("sync_binlog") != "1" {
            unsafe_settings.push(format!("sync_binlog = {}", value("sync_binlog")));
        }
        if !is_on("rpl_semi_sync_master_status") && !is_on("rpl_semi_sync_source_status") {
            unsafe_settings.push("semi-synchronous replication is off".to_owned());
        }
    }
    if is_on("wsrep_dirty_reads") {
        unsafe_settings.push("wsrep_dirty_reads = ON".to_owned());
    }
    let up_since = up_since(conn, value("uptime"))?;
    Ok(Facts { identity, up_since, galera, closed, unsafe_settings, server })
}

/// Since when the server has been running with the table.
fn up_since(conn: &mut Conn, uptime: &str) -> mysql::Result<DateTime<Utc>> {
    let sql = "SELECT CAST(UTC_TIMESTAMP(6) AS CHAR), CAST(MAX(create_time) AS CHAR) FROM information_schema.tables \
               WHERE table_schema = DATABASE() AND table_name = 'entry'";
    let row: Option<(String, Option<String>)> = conn.query_first(sql)?;
    let (clock, made) = row.unwrap_or_default();
    let clock = moment(&clock).unwrap_or(DateTime::<Utc>::MAX_UTC);
    // Uptime counts whole seconds: a server that says 0 may have been up for one. Rounding must not make it a witness.
    let started = clock - chrono::Duration::seconds(uptime.parse::<i64>().unwrap_or(0) - 1);
    Ok(made.as_deref().and_then(moment).map_or(started, |made| made.max(started)))
}
