//! Two machines with one log on a real MariaDB: each has a state folder and a machine id of its own, and both serve
//! the panel and the seller of one test.
use crate::service::sent;
use crate::support::Test;
use crate::support::galera;
use crate::support::mariadb::opts;
use crate::support::run::{Output, Program};
use mysql::Conn;
use mysql::prelude::Queryable;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

pub struct Cluster {
    pub test: Test,
    pub schema: String,
    /// The servers, as the settings list them, and where root logs in.
    hosts: String,
    pub socket: PathBuf,
}

#[derive(Clone, Copy)]
pub struct Machine(&'static str);

pub const A: Machine = Machine("a");
pub const B: Machine = Machine("b");
const C: Machine = Machine("c");

const RIGHTS: &str = "SELECT, INSERT, UPDATE, DELETE, CREATE";
pub const PASSWORD: &str = "password-of-the-log";

/// Where the program may connect from.
const CLIENTS: [&str; 3] = ["localhost", "127.0.0.1", galera::CLIENT];

impl Cluster {
    /// A schema and a user of its own; nothing is begun.
    fn empty(test: Test) -> Self {
        let (hosts, socket) = (format!("127.0.0.1:{}", test.db.port), test.db.socket.clone());
        Self::over(test, hosts, socket)
    }

    pub fn over(test: Test, hosts: String, socket: PathBuf) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let schema = format!("log{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let cluster = Self { test, schema, hosts, socket };
        // A server that has just been started is no witness for what is written in its first seconds.
        let uptime = "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'UPTIME'";
        while cluster.root(uptime)[0].parse::<u32>().unwrap() < 5 {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        cluster.root(&format!("CREATE DATABASE {}", cluster.schema));
        for host in CLIENTS {
            let name = &cluster.schema;
            cluster.root(&format!("CREATE USER '{name}'@'{host}' IDENTIFIED BY '{PASSWORD}'"));
            cluster.root(&format!("GRANT {RIGHTS} ON {name}.* TO '{name}'@'{host}'"));
        }
        cluster.settings("");
        cluster
    }

    pub fn settings(&self, more: &str) {
        self.hosts(&self.hosts, more);
    }

    /// Lists other servers, or in another order.
    pub fn hosts(&self, hosts: &str, more: &str) {
        let name = &self.schema;
        // Nobody else sees that network.
        let plaintext = if hosts.starts_with(galera::NETWORK) { "plaintext = true\n" } else { "" };
        self.test.settings(&format!("[cluster]\nlog = \"mysql://{name}@{hosts}/{name}\"\n{plaintext}{more}"));
    }

    /// Begun on A, with B as the second machine.
    pub fn begun() -> Self {
        Self::empty(Test::new()).begin()
    }

    pub fn begin(self) -> Self {
        let cluster = self;
        cluster.test.settings("");
        cluster.test.soft_item(41, "55227", 1).ip("192.0.2.41").add();
        cluster.cmd(A, "open", 41).ok();
        cluster.settings("");
        cluster.run(A, &["cluster", "init", "--yes"]).ok();
        cluster.run(B, &["cluster", "join", "--yes"]).ok();
        cluster
    }

    pub fn root(&self, sql: &str) -> Vec<String> {
        let mut conn = Conn::new(opts(&self.socket, "mysql")).expect("the server");
        conn.query(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn folder(&self, machine: Machine) -> PathBuf {
        self.test.root().join(format!("machine-{}", machine.0))
    }

    pub fn state(&self, machine: Machine) -> PathBuf {
        self.folder(machine).join("state.db")
    }

    pub fn program<'t>(&'t self, machine: Machine, args: &[&str]) -> Program<'t> {
        let folder = self.folder(machine);
        std::fs::create_dir_all(&folder).unwrap();
        let id = folder.join("machine-id");
        std::fs::write(&id, format!("machine-{}\n", machine.0)).unwrap();
        self.test
            .program(args)
            .env("PMISPLICENSE_STATE", self.state(machine))
            .env("PMISPLICENSE_MACHINE_ID", id)
            .env("PMISPLICENSE_CLUSTER_PASSWORD", PASSWORD)
    }

    pub fn run(&self, machine: Machine, args: &[&str]) -> Output {
        self.program(machine, args).run()
    }

    pub fn cmd(&self, machine: Machine, command: &str, item: u32) -> Output {
        self.run(machine, &["--command", command, "--item", &item.to_string()])
    }

    /// The replica as `cluster status` reports it: the newest entry, and the digest of everything.
    pub fn status(&self, machine: Machine) -> serde_json::Value {
        let output = self.run(machine, &["cluster", "status", "--json"]);
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", output.stdout))
    }

    pub fn agree(&self, machines: &[Machine]) {
        let all: Vec<_> = machines.iter().map(|machine| self.status(*machine)["here"].clone()).collect();
        assert!(all[0]["digest"].is_string() && all.windows(2).all(|two| two[0] == two[1]), "{all:?}");
    }

    /// Machine A opens service 42 and is killed when its order was carried out, before the answer comes.
    pub fn dies_before_the_answer(&self) {
        self.test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
        let gate = self.test.upstream.hold_after("soft.order.param");
        let run = self.program(A, &["--command", "open", "--item", "42"]).spawn();
        gate.reached();
        run.kill();
        gate.release();
    }

    pub fn orders(&self) -> usize {
        self.test.upstream.billed("soft.order.param")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A test that failed may have left the server without its quorum: its own failure is the news.
        let Ok(mut conn) = Conn::new(opts(&self.socket, "mysql")) else { return };
        let name = &self.schema;
        let _ = conn.query_drop(format!("DROP DATABASE IF EXISTS {name}"));
        for host in CLIENTS {
            let _ = conn.query_drop(format!("DROP USER IF EXISTS '{name}'@'{host}'"));
        }
    }
}

#[test]
fn what_one_machine_bought_the_other_knows() {
    let cluster = Cluster::begun();
    let list = cluster.run(B, &["list"]);
    assert!(list.ok().stdout.contains("192.0.2.41"), "{}", list.stdout);
    cluster.test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    cluster.cmd(B, "open", 42).ok();
    cluster.cmd(A, "open", 42).ok();
    cluster.cmd(A, "suspend", 42).ok();
    cluster.cmd(B, "close", 41).ok();
    assert_eq!(cluster.orders(), 2);
    cluster.agree(&[A, B]);
}

#[test]
fn one_service_opened_on_two_machines_at_once_is_bought_once() {
    let cluster = Cluster::begun();
    cluster.test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    let machines = [A, B, A, B, A, B];
    let runs: Vec<_> =
        machines.map(|machine| cluster.program(machine, &["--command", "open", "--item", "42"]).spawn()).into();
    for run in runs {
        let output = run.wait();
        assert!(!output.stdout.contains("1213") && !output.stdout.contains("1062"), "{}", output.stdout);
    }
    cluster.cmd(B, "open", 42).ok();
    assert_eq!(cluster.orders(), 2);
    cluster.agree(&[A, B]);
}

#[test]
fn a_purchase_whose_answer_was_lost_on_one_machine_is_found_by_the_other() {
    let cluster = Cluster::begun();
    cluster.dies_before_the_answer();
    let busy = cluster.cmd(B, "open", 42);
    assert_eq!(busy.fails("busy").attribute("object"), "item", "the lease of the killed run still holds");
    // On its own machine its lock file says that it is dead.
    cluster.cmd(A, "open", 42).ok();
    assert_eq!(cluster.orders(), 2);
    cluster.cmd(B, "open", 42).ok();
    assert_eq!(cluster.orders(), 2);
}

/// Settings that wait for less, here or on another machine, end no doubt earlier: the intent holds what its recorder
/// said, an operator's answer included.
#[test]
fn an_operator_of_a_cluster_waits_as_long_as_the_recorder_says() {
    let cluster = Cluster::begun();
    cluster.dies_before_the_answer();
    cluster.settings("[upstream]\ntimeout_s = 1\nsettle_s = 8\n");
    let refused = cluster.run(A, &["resolve", "42", "--not-bought", "--yes"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    let (_, until) = refused.stderr.split_once("before ").unwrap_or_else(|| panic!("{}", refused.stderr));
    let until = chrono::NaiveDateTime::parse_from_str(&until[..19], "%Y-%m-%d %H:%M:%S").unwrap();
    let wait = (until.and_utc() - chrono::Utc::now()).num_seconds();
    assert!((900..=1020).contains(&wait), "{wait} s, not 11");
    assert_eq!(cluster.orders(), 2);
}

#[test]
fn nothing_is_bought_while_no_server_of_the_log_answers() {
    let cluster = Cluster::begun();
    cluster.test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    cluster.test.upstream.clear_requests();
    let name = &cluster.schema;
    cluster.test.settings(&format!("[cluster]\nlog = \"mysql://{name}@127.0.0.1:1/{name}\"\n"));
    let failed = cluster.cmd(A, "open", 42);
    assert_eq!(failed.fails("state").attribute("object"), "cluster");
    assert_eq!(sent(&cluster.test), Vec::<String>::new());
    assert!(cluster.run(A, &["list"]).ok().stdout.contains("192.0.2.41"), "looking is allowed");
}

#[test]
fn a_machine_that_did_not_join_and_a_replica_without_settings_are_refused() {
    let cluster = Cluster::begun();
    cluster.test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    let stranger = cluster.cmd(C, "open", 42);
    assert!(stranger.fails("config").message().contains("cluster join"), "{}", stranger.message());
    std::fs::create_dir_all(cluster.folder(C)).unwrap();
    std::fs::copy(cluster.state(B), cluster.state(C)).unwrap();
    let copied = cluster.cmd(C, "open", 42);
    assert!(copied.fails("state").message().contains("another machine"), "{}", copied.message());
    cluster.test.settings("");
    let alone = cluster.cmd(A, "open", 42);
    assert!(alone.fails("config").message().contains("[cluster]"), "{}", alone.message());
    assert_eq!(cluster.orders(), 1);
    assert_eq!(cluster.run(A, &["restore", "x", "--yes"]).code, Some(1));
}

#[test]
fn a_lost_state_file_comes_back_from_the_log() {
    let cluster = Cluster::begun();
    cluster.test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    cluster.cmd(A, "open", 42).ok();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(cluster.folder(B).join(format!("state.db{end}")));
    }
    cluster.cmd(B, "open", 42).fails("config");
    cluster.run(B, &["cluster", "join", "--yes"]).ok();
    cluster.agree(&[A, B]);
    cluster.run(A, &["cluster", "snapshot"]).ok();
    cluster.run(B, &["cluster", "join", "--yes"]).ok();
    cluster.cmd(B, "open", 42).ok();
    cluster.agree(&[A, B]);
    assert_eq!(cluster.orders(), 2);
}

/// Three purchases are younger than the dump. The first machine that comes writes them again.
#[test]
fn a_dump_that_was_put_back_is_written_again_from_the_machines() {
    let cluster = Cluster::begun();
    let (name, dump) = (&cluster.schema, format!("{}_dump", cluster.schema));
    let copy = |from: &str, to: &str| {
        for table in ["entry", "snapshot"] {
            cluster.root(&format!("DROP TABLE IF EXISTS {to}.{table}"));
            cluster.root(&format!("CREATE TABLE {to}.{table} LIKE {from}.{table}"));
            cluster.root(&format!("INSERT INTO {to}.{table} SELECT * FROM {from}.{table}"));
        }
    };
    cluster.root(&format!("CREATE DATABASE {dump}"));
    copy(name, &dump);
    for (item, machine) in [(42, A), (43, B), (44, A)] {
        cluster.test.soft_item(item, "55227", 1).ip(&format!("192.0.2.{item}")).add();
        cluster.cmd(machine, "open", item).ok();
    }
    copy(&dump, name);
    cluster.root(&format!("DROP DATABASE {dump}"));
    // A table that has just been made is no witness for what is written in its first second.
    let is_older = format!(
        "SELECT NOW(6) > MAX(create_time) + INTERVAL 1 SECOND FROM information_schema.tables \
         WHERE table_schema = '{name}' AND table_name = 'entry'"
    );
    while cluster.root(&is_older) != ["1"] {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    cluster.test.soft_item(45, "55227", 1).ip("192.0.2.45").add();
    let held = cluster.cmd(A, "open", 45);
    assert!(held.fails("state").message().contains("had lost entries"), "{}", held.message());
    cluster.run(B, &["list"]).ok();
    cluster.agree(&[A, B]);
    assert_eq!(cluster.orders(), 1 + 3);
    for item in 42..45 {
        for machine in [A, B] {
            cluster.cmd(machine, "open", item).ok();
        }
    }
    assert_eq!(cluster.orders(), 1 + 3);
}

/// Cron runs sync on every machine, and an operator may run it beside: one of them works, the others say so.
#[test]
fn one_sync_of_a_cluster_works_at_a_time() {
    let cluster = Cluster::begun();
    let gate = cluster.test.upstream.hold_after("soft");
    let first = cluster.program(A, &["sync"]).spawn();
    gate.reached();
    cluster.test.upstream.clear_requests();
    for machine in [A, B] {
        let other = cluster.run(machine, &["sync", "--json"]);
        let answer: serde_json::Value = serde_json::from_str(&other.ok().stdout).unwrap();
        assert_eq!(answer["passed_over"][0]["why"], "other_run", "{answer:#}");
    }
    assert_eq!(sent(&cluster.test), Vec::<String>::new());
    gate.release();
    first.wait().ok();
    let next = cluster.run(B, &["sync", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&next.ok().stdout).unwrap();
    assert_eq!(
        (answer["seen"].as_u64(), answer["passed_over"].as_array().map(Vec::len)),
        (Some(1), Some(0)),
        "{answer:#}"
    );
}

/// Each service is opened by a run that is killed at some moment, and again. A request that had left may still be
/// carried out: then the second run waits for it. Whatever became of it, nothing is bought twice.
#[test]
fn runs_that_are_killed_at_any_moment_never_buy_twice() {
    let cluster = Cluster::begun();
    for (item, wait) in (42..54_u32).zip([5, 20, 35, 50, 65, 80, 95, 110, 130, 150, 175, 200]) {
        cluster.test.soft_item(item, "55227", 1).ip(&format!("192.0.2.{item}")).add();
        let machine = [A, B][usize::from(item % 2 == 0)];
        let before = cluster.orders();
        let run = cluster.program(machine, &["--command", "open", "--item", &item.to_string()]).spawn();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        run.kill();
        let again = cluster.cmd(machine, "open", item);
        let bought = cluster.orders() - before;
        match again.code {
            Some(0) => assert_eq!(bought, 1, "service {item}, killed after {wait} ms"),
            _ => assert!(again.fails("client").message().contains("not known yet") && bought <= 1, "{}", again.stdout),
        }
    }
    cluster.agree(&[A, B]);
}

/// Many services at the same moment: each is bought once, whichever machine is faster, and no collision of the log's
/// writers reaches the panel.
#[test]
fn services_opened_on_two_machines_at_the_same_moment_are_bought_once_each() {
    let cluster = Cluster::begun();
    for item in 42..50 {
        cluster.test.soft_item(item, "55227", 1).ip(&format!("192.0.2.{item}")).add();
    }
    let open = |machine| {
        let cluster = &cluster;
        move |item: u32| cluster.program(machine, &["--command", "open", "--item", &item.to_string()]).spawn()
    };
    let runs: Vec<_> = (42..50).map(open(A)).chain((42..50).map(open(B))).collect();
    for run in runs {
        let output = run.wait();
        assert!(!output.stdout.contains("1213") && !output.stdout.contains("1062"), "{}", output.stdout);
    }
    for item in 42..50 {
        cluster.cmd(A, "open", item).ok();
    }
    assert_eq!(cluster.orders(), 1 + 8);
    cluster.agree(&[A, B]);
}

/// A node whose rows were changed by hand, or that holds another history, is named with the entry.
#[test]
fn doctor_names_an_entry_of_the_log_that_was_changed_by_hand() {
    let cluster = Cluster::begun();
    let name = &cluster.schema;
    cluster.cmd(A, "suspend", 41).ok();
    cluster.cmd(A, "resume", 41).ok();
    let newest: u64 = cluster.root(&format!("SELECT MAX(seq) FROM {name}.entry"))[0].parse().unwrap();
    let doctor = || cluster.run(A, &["doctor"]).stdout;
    assert!(!doctor().contains("of the log"), "{}", doctor());
    let changed = newest - 1;
    cluster.root(&format!("UPDATE {name}.entry SET body = CONCAT(body, ' ') WHERE seq = {changed}"));
    assert!(doctor().contains(&format!("entry {changed} of the log was changed")), "{}", doctor());
    cluster.root(&format!("UPDATE {name}.entry SET chain = REPEAT('x', 32) WHERE seq = {changed}"));
    assert!(doctor().contains(&format!("another entry {changed} of the log than the state of this machine")));
}

#[test]
fn status_shows_what_a_run_holds_and_until_when() {
    let cluster = Cluster::begun();
    cluster.test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    let gate = cluster.test.upstream.hold_after("soft.order.param");
    let run = cluster.program(B, &["--command", "open", "--item", "42"]).spawn();
    gate.reached();
    let leases = cluster.status(A)["leases"].clone();
    let held = leases.as_array().unwrap().iter().find(|lease| lease["name"].as_str().unwrap().contains("42"));
    let held = held.unwrap_or_else(|| panic!("{leases:#}"));
    assert_eq!(held["machine"], "machine-b");
    let ends: chrono::DateTime<chrono::Utc> = held["ends"].as_str().unwrap().parse().unwrap();
    assert!(ends > chrono::Utc::now());
    gate.release();
    run.wait().ok();
}

/// The other machine has a newer program: this one neither guesses what its entries mean nor buys beside them.
#[test]
fn an_entry_in_a_newer_form_is_refused() {
    let cluster = Cluster::begun();
    let name = &cluster.schema;
    cluster.cmd(A, "suspend", 41).ok();
    cluster.root(&format!("UPDATE {name}.entry SET format = 999 ORDER BY seq DESC LIMIT 1"));
    cluster.test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    let refused = cluster.cmd(B, "open", 42);
    assert!(refused.fails("state").message().contains("newer"), "{}", refused.message());
    assert_eq!(cluster.orders(), 1);
}

#[test]
fn leaving_ends_in_an_ordinary_state() {
    let cluster = Cluster::begun();
    cluster.run(B, &["cluster", "leave", "--yes"]).ok();
    assert!(!cluster.state(B).exists());
    cluster.run(A, &["cluster", "leave", "--yes"]).ok();
    cluster.test.settings("");
    cluster.cmd(A, "suspend", 41).ok();
}

#[test]
fn what_is_wrong_with_schema_rights_or_network_is_named_and_nothing_is_written() {
    let cluster = Cluster::empty(Test::new());
    let name = cluster.schema.clone();
    cluster.test.settings("");
    cluster.test.soft_item(41, "55227", 1).ip("192.0.2.41").add();
    cluster.cmd(A, "open", 41).ok();
    cluster.settings("");
    let init = |what: &str| {
        let output = cluster.run(A, &["cluster", "init", "--yes"]);
        assert_eq!(output.code, Some(1), "{what}");
        assert!(output.stderr.contains(what), "{what}: {}", output.stderr);
        assert!(!output.stderr.contains(PASSWORD), "{}", output.stderr);
    };
    cluster.root(&format!("CREATE TABLE {name}.stranger (a INT PRIMARY KEY)"));
    init("another table (stranger)");
    cluster.root(&format!("DROP TABLE {name}.stranger"));
    for host in ["localhost", "127.0.0.1"] {
        cluster.root(&format!("REVOKE CREATE ON {name}.* FROM '{name}'@'{host}'"));
    }
    init("refused this program's user");
    for host in ["localhost", "127.0.0.1"] {
        cluster.root(&format!("GRANT CREATE ON {name}.* TO '{name}'@'{host}'"));
    }
    cluster.run(B, &["cluster", "join", "--yes"]).assert_code(1);
    cluster.run(A, &["cluster", "init", "--yes"]).ok();
    // The private server is not set up for safety, and doctor says so.
    let doctor = cluster.run(A, &["doctor"]).stdout;
    assert!(doctor.contains("innodb_flush_log_at_trx_commit = 2"), "{doctor}");
    assert!(!doctor.contains("rights that it does not need"), "{doctor}");
    cluster.root(&format!("GRANT DROP ON {name}.* TO '{name}'@'127.0.0.1'"));
    let doctor = cluster.run(A, &["doctor"]).stdout;
    assert!(doctor.contains(&format!("rights that it does not need: DROP ON {name}.*")), "{doctor}");
    assert!(!cluster.test.log().contains(PASSWORD));
}

trait Code {
    fn assert_code(&self, code: i32);
}

impl Code for Output {
    fn assert_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{} {}", self.stdout, self.stderr);
    }
}
