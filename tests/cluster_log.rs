//! The log of a cluster on a real MariaDB. The log takes only an entry that follows the newest one, two replicas agree,
//! and each fault of the server is named.
use crate::support::mariadb::{MariaDb, opts};
use mysql::Conn;
use mysql::prelude::Queryable;
use pmisplicense::billdb::cluster_log::{LogPlace, MysqlClusterLog};
use pmisplicense::model::ids::PanelId;
use pmisplicense::store::{
    Chain, Clocks, ClusterError, ClusterLog, ClusterRules, Entry, Installation, LogError, Position, Store, StoreError,
    Token, membership, prepare,
};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const PASSWORD: &str = "password-of-the-log";

/// A schema and a user of its own on the server of this process.
struct Schema {
    server: &'static MariaDb,
    name: String,
}

impl Schema {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("log{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let schema = Self { server: MariaDb::shared(), name };
        schema.wait_until_a_witness();
        let name = &schema.name;
        schema.root(&format!("CREATE DATABASE {name}"));
        schema.root(&format!("CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'"));
        schema.root(&format!("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON {name}.* TO '{name}'@'127.0.0.1'"));
        schema
    }

    fn root(&self, sql: &str) {
        let mut conn = Conn::new(opts(&self.server.socket, "mysql")).expect("the server");
        conn.query_drop(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// A server that has just been started is no witness for what is written in its first seconds.
    fn wait_until_a_witness(&self) {
        let mut conn = Conn::new(opts(&self.server.socket, "mysql")).expect("the server");
        let sql = "SHOW GLOBAL STATUS LIKE 'Uptime'";
        let is_young = |row: Option<(String, u32)>| row.is_none_or(|(_, seconds)| seconds < 5);
        while is_young(conn.query_first(sql).expect("its uptime")) {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn place(&self) -> LogPlace {
        LogPlace {
            hosts: vec![("127.0.0.1".to_owned(), self.server.port)],
            user: self.name.clone(),
            password: PASSWORD.to_owned(),
            schema: self.name.clone(),
            ca_file: None,
        }
    }

    fn log(&self) -> MysqlClusterLog {
        MysqlClusterLog::new(self.place())
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        self.root(&format!("DROP DATABASE IF EXISTS {}", self.name));
        self.root(&format!("DROP USER IF EXISTS '{}'@'127.0.0.1'", self.name));
    }
}

fn entry(after: Position, token: u8, body: &str) -> Entry {
    let position = Position { seq: after.seq + 1, chain: after.chain.then(body.as_bytes()) };
    Entry { position, token: Token([token; 16]), node: "a".to_owned(), format: 4, body: body.as_bytes().to_vec() }
}

#[test]
fn an_entry_is_taken_only_behind_the_one_that_it_names() {
    let schema = Schema::new();
    let (mut log, mut other) = (schema.log(), schema.log());
    let first = entry(Position::BEGINNING, 1, "one\n");
    assert!(log.begin(&first).unwrap());
    assert!(!other.begin(&entry(Position::BEGINNING, 2, "another\n")).unwrap(), "the log has begun");
    let second = entry(first.position, 3, "two\n");
    assert!(log.append(first.position, &second, false).unwrap());
    assert!(other.append(first.position, &entry(first.position, 4, "two\n"), false).is_err(), "its number is taken");
    let forged = Position { seq: 2, chain: Chain([9; 32]) };
    assert!(!other.append(forged, &entry(forged, 5, "three\n"), false).unwrap(), "another chain");
    let ahead = Position { seq: 7, ..second.position };
    assert!(!other.append(ahead, &entry(ahead, 6, "eight\n"), false).unwrap(), "a log that lost its end takes nothing");
    assert_eq!(other.entries(1, 10).unwrap(), [first, second.clone()]);
    let head = log.head().unwrap();
    assert_eq!(head.position, second.position);
    assert!(head.identity.starts_with("server:") && head.identity.len() > 10, "{}", head.identity);
    let apart = (chrono::Utc::now() - log.clock().unwrap()).num_seconds().abs();
    assert!(apart < 60, "{apart}");
    assert_eq!((log.connection(), log.hosts()), (1, 1));
}

#[test]
fn a_server_that_was_started_after_the_newest_entry_is_no_witness_for_it() {
    let schema = Schema::new();
    let mut log = schema.log();
    assert!(log.begin(&entry(Position::BEGINNING, 1, "one\n")).unwrap());
    assert!(log.head().unwrap().is_witnessed);
    schema.root(&format!("UPDATE {}.entry SET written_at = written_at - INTERVAL 1 YEAR", schema.name));
    assert!(!log.head().unwrap().is_witnessed, "the table is younger than its newest entry");
    let after = log.head().unwrap().position;
    let lost = entry(after, 2, "two\n");
    assert!(log.append(after, &lost, true).unwrap());
    assert!(!log.head().unwrap().is_witnessed, "an entry that is written again proves nothing about the server");
    assert!(log.append(lost.position, &entry(lost.position, 3, "three\n"), false).unwrap());
    assert!(log.head().unwrap().is_witnessed);
}

#[test]
fn whatever_is_wrong_with_the_server_is_named() {
    let schema = Schema::new();
    let named = |log: &mut MysqlClusterLog, words: &str| match log.head() {
        Err(LogError::Unfit { cause, advice }) => {
            let happened = advice.happened();
            assert!(happened.en.contains(words) && !happened.ru.is_empty(), "{words}: {}", happened.en);
            assert!(!cause.contains(PASSWORD), "{cause}");
        }
        other => panic!("{words}: {other:?}"),
    };
    named(&mut schema.log(), "holds no log");
    let place = LogPlace { password: "wrong".to_owned(), ..schema.place() };
    assert!(!format!("{place:?}").contains("wrong"));
    named(&mut MysqlClusterLog::new(place), "refused this program's user");
    let place = LogPlace { schema: "mysql".to_owned(), ..schema.place() };
    named(&mut MysqlClusterLog::new(place), "refused this program's user");
    schema.root(&format!("CREATE TABLE {}.stranger (a INT PRIMARY KEY)", schema.name));
    named(&mut schema.log(), "another table (stranger)");
    let place = LogPlace { hosts: vec![("127.0.0.1".to_owned(), 1), ("127.0.0.1".to_owned(), 1)], ..schema.place() };
    assert!(matches!(MysqlClusterLog::new(place).head(), Err(LogError::Away(_))));
}

#[test]
fn a_server_that_cannot_prove_who_it_is_is_refused() {
    let server = MariaDb::start_with_tls(crate::support::upstream::tls::files(&["localhost", "127.0.0.1"]));
    let place = |ca: &Path| LogPlace {
        hosts: vec![("127.0.0.1".to_owned(), server.port)],
        user: "root".to_owned(),
        password: String::new(),
        schema: "mysql".to_owned(),
        ca_file: Some(ca.to_owned()),
    };
    let other = tempfile::tempdir().unwrap();
    let [ca, _, _] = crate::support::upstream::tls::files(&["localhost"]);
    let wrong = other.path().join("ca.pem");
    std::fs::write(&wrong, ca).unwrap();
    let refused = MysqlClusterLog::new(place(&wrong)).head();
    assert!(
        matches!(&refused, Err(LogError::Unfit { advice, .. }) if advice.happened().en.contains("over TLS")),
        "{refused:?}"
    );
    let let_in = MysqlClusterLog::new(place(&server.ca_pem())).head();
    assert!(!format!("{let_in:?}").contains("over TLS"), "{let_in:?}");
}

/// A proxy in front of the server. It may change what it lets through, byte for byte.
fn proxy(port: u16, change: fn(&mut [u8])) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let ends = [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
            for (at, (mut from, mut to)) in ends.into_iter().enumerate() {
                std::thread::spawn(move || {
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(read @ 1..) = from.read(&mut buffer) {
                        if at == 0 {
                            change(&mut buffer[..read]);
                        }
                        if to.write_all(&buffer[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    own
}

/// A locking read is answered as if another server had answered it.
fn splits(packet: &mut [u8]) {
    let place = |packet: &[u8], what: &[u8]| packet.windows(what.len()).position(|window| window == what);
    if place(packet, b"FOR UPDATE").is_some()
        && let Some(at) = place(packet, b"@@hostname")
    {
        packet[at..at + 10].copy_from_slice(b"'another1'");
    }
}

#[test]
fn a_proxy_that_sends_reads_and_writes_to_different_servers_is_refused() {
    let schema = Schema::new();
    assert!(schema.log().begin(&entry(Position::BEGINNING, 1, "one\n")).unwrap());
    let through = |change| {
        let place =
            LogPlace { hosts: vec![("127.0.0.1".to_owned(), proxy(schema.server.port, change))], ..schema.place() };
        MysqlClusterLog::new(place).head()
    };
    assert!(through(|_| {}).is_ok(), "a proxy with one writer");
    let refused = through(splits);
    let is_named = |advice: &pmisplicense::error::Message| advice.happened().en.contains("is a proxy that sends reads");
    assert!(matches!(&refused, Err(LogError::Unfit { advice, .. }) if is_named(advice)), "{refused:?}");
}

fn rules(machine: &str) -> ClusterRules {
    ClusterRules {
        machine: machine.to_owned(),
        owner: machine.to_owned(),
        queue: None,
        caught_up: None,
        lease: Duration::from_secs(180),
        send_by: Duration::from_secs(60),
        call: Duration::from_secs(60),
        settle: Duration::from_secs(1020),
        clocks: Clocks::SYSTEM,
    }
}

#[test]
fn two_replicas_that_write_at_once_agree_entry_for_entry() {
    let schema = Schema::new();
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let paths = [a.path().join("state.db"), b.path().join("state.db")];
    let panel = PanelId::from_bytes([7; 8]);
    let now = chrono::Utc::now();
    prepare(&paths[0], Installation { pinned: None, fresh: &panel, machine: "a" }, now).unwrap();
    drop(membership::begin(&paths[0], Box::new(schema.log()), rules("a"), &mut |_, _| {}).unwrap());
    drop(membership::join(&paths[1], Box::new(schema.log()), rules("b"), now, &mut |_, _| {}).unwrap());
    std::thread::scope(|scope| {
        for (path, machine) in paths.iter().zip(["a", "b"]) {
            let log = schema.log();
            scope.spawn(move || {
                let store = opened(path, log, machine);
                for number in 0..30 {
                    let name = format!("{machine}{number}");
                    store.write(now, |tx| tx.set_meta(&name, machine)).unwrap();
                }
            });
        }
    });
    let stores = [opened(&paths[0], schema.log(), "a"), opened(&paths[1], schema.log(), "b")];
    stores.iter().for_each(|store| store.catch_up().unwrap());
    let digests = stores.each_ref().map(|store| store.replica_digest().unwrap());
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0].0.seq, 62, "the beginning, one that joined, sixty writes: none twice, none lost");
    assert!(stores[0].make_snapshot(false).unwrap());
    let again = membership::join(&paths[1], Box::new(schema.log()), rules("b"), now, &mut |_, _| {}).unwrap();
    assert_eq!(again.replica_digest().unwrap().1, digests[0].1);
}

fn opened(path: &Path, log: MysqlClusterLog, machine: &str) -> Store {
    let panel = PanelId::from_bytes([7; 8]);
    let who = Installation { pinned: None, fresh: &panel, machine };
    match pmisplicense::store::open_ready(path, who, chrono::Utc::now()).unwrap() {
        pmisplicense::store::Opened::Replica(store) => store.in_cluster(Box::new(log), rules(machine)).unwrap(),
        pmisplicense::store::Opened::Ready(_) | pmisplicense::store::Opened::Unready(_) => panic!("no replica"),
    }
}

#[test]
fn a_replica_is_refused_by_whoever_knows_of_no_cluster() {
    let schema = Schema::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let panel = PanelId::from_bytes([7; 8]);
    let who = Installation { pinned: None, fresh: &panel, machine: "a" };
    prepare(&path, who, chrono::Utc::now()).unwrap();
    drop(membership::begin(&path, Box::new(schema.log()), rules("a"), &mut |_, _| {}).unwrap());
    let refused = pmisplicense::store::open_file(&path, who, chrono::Utc::now()).err();
    let is_refused = matches!(&refused, Some(StoreError::Cluster(why)) if matches!(**why, ClusterError::NoSettings));
    assert!(is_refused, "{refused:?}");
}

/// Several mebibytes of state go into the log and come out again, part by part, and both machines hold the same.
#[test]
fn a_large_state_begins_and_joins_with_progress_and_equal_digests() {
    let schema = Schema::new();
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let paths = [a.path().join("state.db"), b.path().join("state.db")];
    let (panel, now) = (PanelId::from_bytes([7; 8]), chrono::Utc::now());
    prepare(&paths[0], Installation { pinned: None, fresh: &panel, machine: "a" }, now).unwrap();
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
               INSERT INTO journal (at, event, en, ru) SELECT i, 'x', hex(randomblob(100)), '' FROM n";
    rusqlite::Connection::open(&paths[0]).unwrap().execute_batch(sql).unwrap();
    let (mut went, mut came) = (Vec::new(), Vec::new());
    let first = membership::begin(&paths[0], Box::new(schema.log()), rules("a"), &mut |done, of| went.push((done, of)));
    let first = first.unwrap();
    let second = membership::join(&paths[1], Box::new(schema.log()), rules("b"), now, &mut |done, of| {
        came.push((done, of));
    });
    let second = second.unwrap();
    let parts = went.last().unwrap().1;
    assert!(parts > 2 && went == (1..=parts).map(|part| (part, parts)).collect::<Vec<_>>(), "{went:?}");
    assert_eq!(came, went);
    first.catch_up().unwrap();
    assert_eq!(first.replica_digest().unwrap(), second.replica_digest().unwrap());
}
