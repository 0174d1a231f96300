//! Two machines whose log is on a real Galera of three nodes, which are killed, stand still, lag and lie; and on a
//! primary whose replica lacks the newest entries. Slow, and they need galera-4: `make galera`. The checks that they
//! prove are listed in tests/cluster_checks.md.
use crate::cluster::{A, B, Cluster, Machine, PASSWORD};
use crate::support::Test;
use crate::support::galera::{self, Galera};
use crate::support::mariadb::{MariaDb, opts};
use mysql::prelude::Queryable;
use std::time::{Duration, Instant};

/// A short lease, and times of a seller that fit it: a doubt lasts half a minute.
const TIMES: &str = "lease_s = 90\n[upstream]\ntimeout_s = 3\nsettle_s = 20\n";

/// What a lease, a doubt and a few tries may take together.
const PATIENCE: Duration = Duration::from_secs(180);

/// A service with an address of its own.
fn service(cluster: &Cluster, item: u32) {
    let net = ["192.0.2", "198.51.100", "203.0.113"][usize::try_from(item / 250).unwrap()];
    cluster.test.soft_item(item, "55227", 1).ip(&format!("{net}.{}", 1 + item % 250)).add();
}

/// Repeats `open`, as the panel does, until it ends well.
fn opened(cluster: &Cluster, machine: Machine, item: u32, patience: Duration) {
    let since = Instant::now();
    loop {
        let output = cluster.cmd(machine, "open", item);
        if output.code == Some(0) {
            return;
        }
        assert!(since.elapsed() < patience, "service {item}: {}", output.stdout);
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn begun() -> (Galera, Cluster) {
    begun_on(Galera::start)
}

fn begun_on(start: fn() -> Galera) -> (Galera, Cluster) {
    assert!(galera::is_there(), "install the packages galera-4, rsync and iproute2");
    let nodes = start();
    let cluster = Cluster::over(Test::new(), nodes.hosts(0), nodes.socket(0)).begin();
    (nodes, cluster)
}

/// A node is killed, and another stands still: the short form of the next test, which `make check` runs alone. Beside
/// other tests the nodes lose each other.
#[test]
#[ignore = "make galera-brief"]
fn a_node_of_a_real_galera_falls_and_nothing_is_bought_twice() {
    if !galera::is_there() {
        eprintln!("left out: it needs root and the packages galera-4 and rsync");
        return;
    }
    open_while_nodes_fall(begun(), 2, &[Fault::Killed, Fault::StandsStill]);
}

/// Sixty faults, or as many as GALERA_FAULTS says. Slow, and it needs galera-4: `make galera`.
#[test]
#[ignore = "make galera"]
fn nodes_of_a_real_galera_fall_and_nothing_is_bought_twice() {
    if galera::in_own_network("cluster_nodes::nodes_of_a_real_galera_fall_and_nothing_is_bought_twice") {
        return;
    }
    let faults = [Fault::Killed, Fault::StandsStill, Fault::CutOff];
    open_while_nodes_fall(begun_on(Galera::start_apart), setting("GALERA_FAULTS", 60), &faults);
}

/// A number from the environment, which the Makefile hands on.
fn setting(name: &str, usual: u32) -> u32 {
    std::env::var(name).map_or(usual, |text| text.parse().expect(name))
}

/// What happens to a node.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Killed,
    StandsStill,
    CutOff,
}

/// Opens one service after the other, each on two machines at once. Each time something happens to the node that they
/// speak to; then it comes back.
fn open_while_nodes_fall((nodes, cluster): (Galera, Cluster), faults: u32, kinds: &[Fault]) {
    let before = cluster.orders();
    for ((done, item), kind) in (42..42 + faults).enumerate().zip(kinds.iter().cycle()) {
        // Each kind meets each node in turn.
        let node = u16::try_from((done + done / kinds.len()) % 3).unwrap();
        service(&cluster, item);
        cluster.hosts(&nodes.hosts(node), "");
        let id = item.to_string();
        let runs = [A, B].map(|machine| cluster.program(machine, &["--command", "open", "--item", &id]).spawn());
        // At another moment of the runs each time.
        std::thread::sleep(Duration::from_millis(u64::from(item * 37 % 250)));
        match kind {
            Fault::Killed => nodes.kill(node),
            Fault::StandsStill => nodes.signal(node, "STOP"),
            Fault::CutOff => nodes.cut(node, true),
        }
        for run in runs {
            let output = run.wait();
            assert!(!output.stdout.contains("1213"), "{}", output.stdout);
        }
        match kind {
            Fault::Killed => nodes.start_again(node),
            Fault::StandsStill => nodes.signal(node, "CONT"),
            Fault::CutOff => nodes.cut(node, false),
        }
        nodes.wait_for(node);
        opened(&cluster, A, item, Duration::from_secs(60));
        assert_eq!(cluster.orders(), before + done + 1, "service {item}");
    }
    cluster.agree(&[A, B]);
}

/// Two hundred services, each opened on both machines at the same moment, over different nodes.
#[test]
#[ignore = "make galera"]
fn two_hundred_services_opened_on_both_machines_are_bought_once_each() {
    let (nodes, cluster) = begun();
    let before = cluster.orders();
    let items: Vec<u32> = (42..242).collect();
    for some in items.chunks(8) {
        some.iter().for_each(|item| service(&cluster, *item));
        let mut runs = Vec::new();
        for (first, machine) in [(0, A), (1, B)] {
            cluster.hosts(&nodes.hosts(first), "");
            for item in some {
                runs.push(cluster.program(machine, &["--command", "open", "--item", &item.to_string()]).spawn());
            }
            // The settings are read at once.
            std::thread::sleep(Duration::from_millis(30));
        }
        for run in runs {
            let output = run.wait();
            assert!(!output.stdout.contains("1213") && !output.stdout.contains("1062"), "{}", output.stdout);
        }
    }
    items.iter().for_each(|item| opened(&cluster, A, *item, Duration::from_secs(60)));
    assert_eq!(cluster.orders() - before, items.len());
    cluster.agree(&[A, B]);
}

/// Cron starts sync on both machines at the same moment, every twenty seconds for two minutes, or for as many as
/// GALERA_CRON_MINUTES says. The seller is slow, so that some passes are still at work when the next two begin. One
/// pass asks one thing after the other: two requests at one time would be two syncs at one time.
#[test]
#[ignore = "make galera"]
fn cron_on_two_machines_of_a_real_galera_never_runs_two_syncs_at_once() {
    const EVERY: Duration = Duration::from_secs(20);
    let (_nodes, cluster) = begun();
    for item in 42..45 {
        service(&cluster, item);
        cluster.cmd(A, "open", item).ok();
    }
    let (orders, since) = (cluster.orders(), Instant::now());
    let rounds = setting("GALERA_CRON_MINUTES", 2) * 60 / 20;
    let mut runs = Vec::new();
    for (round, slow_ms) in (0..rounds).zip([0, 8_000, 200, 25_000, 2_000].into_iter().cycle()) {
        std::thread::sleep((EVERY * round).saturating_sub(since.elapsed()));
        cluster.test.upstream.options(|options| options.dialect.slow_ms = slow_ms);
        runs.extend([A, B].map(|machine| cluster.program(machine, &["sync", "--json"]).spawn()));
    }
    let (mut worked, mut left) = (0, 0);
    for run in runs {
        let output = run.wait();
        let answer: serde_json::Value = serde_json::from_str(&output.ok().stdout).unwrap();
        match answer["passed_over"][0]["why"].as_str() {
            None => worked += u32::from(answer["seen"] == 4),
            Some(why) => left += u32::from(why == "other_run"),
        }
    }
    let most = cluster.test.upstream.most_at_once();
    eprintln!("syncs that worked: {worked}, that left it to another: {left}; requests at one time: {most}");
    assert_eq!((worked + left, most), (2 * rounds, 1), "worked {worked}, left it to another {left}");
    // In four of five rounds a sync works. In three of five a sync meets a pass that is still at work; in one of these
    // three rounds both syncs meet it.
    let least = rounds * 4 / 5;
    assert!(worked >= least && left >= least, "worked {worked}, left it to another {left}");
    assert_eq!(cluster.orders(), orders);
    cluster.agree(&[A, B]);
}

/// Five hundred runs, or as many as GALERA_KILLS says, are killed at moments all over their length. What is repeated
/// ends well, and nothing is bought twice.
#[test]
#[ignore = "make galera"]
fn killed_runs_buy_each_license_once() {
    let (_nodes, cluster) = begun();
    cluster.settings(TIMES);
    let before = cluster.orders();
    let items: Vec<u32> = (42..42 + setting("GALERA_KILLS", 500)).collect();
    let mut waiting = Vec::new();
    for item in &items {
        service(&cluster, *item);
        let machine = [A, B][usize::from(item.is_multiple_of(2))];
        let run = cluster.program(machine, &["--command", "open", "--item", &item.to_string()]).spawn();
        std::thread::sleep(Duration::from_millis(u64::from(item * 37 % 250)));
        run.kill();
        if cluster.cmd(machine, "open", *item).code != Some(0) {
            waiting.push((machine, *item));
        }
    }
    // These are in doubt, and are settled together.
    for (machine, item) in waiting {
        opened(&cluster, machine, item, PATIENCE);
    }
    assert_eq!(cluster.orders() - before, items.len());
    cluster.agree(&[A, B]);
}

/// Without a majority nothing is decided: each changing command ends soon and says so.
#[test]
#[ignore = "make galera"]
fn nothing_is_bought_while_two_of_three_nodes_stand_still() {
    let (nodes, cluster) = begun();
    service(&cluster, 42);
    let before = cluster.orders();
    [1, 2].into_iter().for_each(|node| nodes.signal(node, "STOP"));
    for (command, item) in [("open", 42), ("suspend", 41), ("close", 41)] {
        let since = Instant::now();
        let output = cluster.cmd(A, command, item);
        assert_eq!(output.fails("state").attribute("object"), "cluster");
        assert!(since.elapsed() < Duration::from_secs(45), "{command}: {:?}", since.elapsed());
    }
    assert_eq!(cluster.orders(), before);
    [1, 2].into_iter().for_each(|node| nodes.signal(node, "CONT"));
    [0, 1, 2].into_iter().for_each(|node| nodes.wait_for(node));
    opened(&cluster, A, 42, PATIENCE);
    assert_eq!(cluster.orders(), before + 1);
}

/// The node that is listed first applies nothing any more, and answers.
#[test]
#[ignore = "make galera"]
fn a_node_that_lags_and_is_listed_first_is_passed_over() {
    let (nodes, cluster) = begun();
    service(&cluster, 42);
    let before = cluster.orders();
    let mut lagging = nodes.conn(0).expect("the node");
    lagging.query_drop("SET GLOBAL wsrep_desync = ON").expect("it is desynchronised");
    lagging.query_drop("FLUSH TABLES WITH READ LOCK").expect("it applies nothing");
    for machine in [A, B] {
        opened(&cluster, machine, 42, PATIENCE);
    }
    assert_eq!(cluster.orders(), before + 1);
    lagging.query_drop("UNLOCK TABLES").expect("it goes on");
    lagging.query_drop("SET GLOBAL wsrep_desync = OFF").expect("it is synchronised");
    nodes.wait_for(0);
    cluster.agree(&[A, B]);
}

/// All nodes are killed while runs are under way, and recovered: nothing that was acknowledged is gone, and nothing is
/// bought twice. No server was up since before the newest entry, so nothing is written for the settling time.
#[test]
#[ignore = "make galera"]
fn a_galera_that_was_killed_whole_comes_back_with_every_acknowledged_intent() {
    let (nodes, cluster) = begun();
    cluster.settings(TIMES);
    let before = cluster.orders();
    let items: Vec<u32> = (42..50).collect();
    items.iter().for_each(|item| service(&cluster, *item));
    let open = |item: &u32| {
        let machine = [A, B][usize::from(item.is_multiple_of(2))];
        cluster.program(machine, &["--command", "open", "--item", &item.to_string()]).spawn()
    };
    let runs: Vec<_> = items.iter().map(open).collect();
    std::thread::sleep(Duration::from_millis(400));
    [0, 1, 2].into_iter().for_each(|node| nodes.kill(node));
    runs.into_iter().for_each(|run| drop(run.wait()));
    nodes.start_all_again();
    for item in &items {
        let machine = [A, B][usize::from(item.is_multiple_of(2))];
        opened(&cluster, machine, *item, PATIENCE);
    }
    assert_eq!(cluster.orders() - before, items.len());
    cluster.agree(&[A, B]);
}

/// A row was changed on one node only, behind the back of the cluster.
#[test]
#[ignore = "make galera"]
fn doctor_names_the_one_node_whose_log_was_changed_by_hand() {
    let (nodes, cluster) = begun();
    let name = &cluster.schema;
    cluster.cmd(A, "suspend", 41).ok();
    cluster.cmd(A, "resume", 41).ok();
    let newest: u64 = cluster.root(&format!("SELECT MAX(seq) FROM {name}.entry"))[0].parse().unwrap();
    let changed = newest - 1;
    let mut other = nodes.conn(1).expect("the node");
    other.query_drop("SET SESSION wsrep_on = OFF").expect("alone");
    let sql = format!("UPDATE {name}.entry SET body = CONCAT(body, ' ') WHERE seq = {changed}");
    other.query_drop(sql).expect("a changed row");
    let doctor = cluster.run(A, &["doctor"]).stdout;
    let named = format!("127.0.0.1:{}: entry {changed} of the log was changed", nodes.port(1));
    assert!(doctor.contains(&named), "{doctor}");
    assert!(!doctor.contains(&format!("127.0.0.1:{}: entry", nodes.port(0))), "{doctor}");
}

/// Puts a copy of the log without its newest entries on another server, as a replica that lagged.
fn lagging_replica(cluster: &Cluster, replica: &MariaDb, until: u64) {
    let name = &cluster.schema;
    let mut from = mysql::Conn::new(opts(&cluster.socket, name)).expect("the primary");
    let mut to = mysql::Conn::new(opts(&replica.socket, "mysql")).expect("the replica");
    to.query_drop(format!("CREATE DATABASE {name}")).expect("a schema");
    to.query_drop(format!("CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")).expect("a user");
    to.query_drop(format!("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON {name}.* TO '{name}'@'127.0.0.1'"))
        .expect("rights");
    for (table, condition) in [("entry", format!("seq <= {until}")), ("snapshot", "TRUE".to_owned())] {
        let made: Option<(String, String)> = from.query_first(format!("SHOW CREATE TABLE {table}")).expect("a table");
        to.query_drop(format!("USE {name}")).expect("the schema");
        to.query_drop(made.expect("a table").1).expect("a table");
        let rows: Vec<mysql::Row> = from.query(format!("SELECT * FROM {table} WHERE {condition}")).expect("rows");
        for row in rows {
            let values = row.unwrap();
            let marks = vec!["?"; values.len()].join(", ");
            to.exec_drop(format!("INSERT INTO {table} VALUES ({marks})"), values).expect("a row");
        }
    }
}

/// A failover to a replica that lacks the newest entries. The machine that wrote them writes them again; without that
/// machine nothing is written for the settling time, and what it bought is found by its mark.
#[test]
#[ignore = "make galera"]
fn a_failover_to_a_replica_that_lacks_entries_buys_nothing_twice() {
    for writer_is_alive in [true, false] {
        let cluster = Cluster::begun();
        cluster.settings(TIMES);
        let name = &cluster.schema;
        let until: u64 = cluster.root(&format!("SELECT MAX(seq) FROM {name}.entry"))[0].parse().unwrap();
        service(&cluster, 42);
        cluster.cmd(A, "open", 42).ok();
        assert_eq!(cluster.orders(), 2);
        let replica = MariaDb::start();
        lagging_replica(&cluster, &replica, until);
        cluster.hosts(&format!("127.0.0.1:{}", replica.port), TIMES);
        service(&cluster, 43);
        // It is another database, which may lack entries of every machine: nothing new is written to it at first.
        let is_quiet = |machine| {
            let quiet = cluster.cmd(machine, "open", 43);
            assert!(quiet.fails("state").message().contains("changed or was started anew"), "{}", quiet.message());
        };
        if writer_is_alive {
            is_quiet(A);
            let mut there = mysql::Conn::new(opts(&replica.socket, name)).expect("the replica");
            let newest: Option<u64> = there.query_first("SELECT MAX(seq) FROM entry").expect("entries");
            assert!(newest > Some(until), "what it lacked was not written to it again: {newest:?}, {until}");
        } else {
            std::fs::remove_file(cluster.state(A)).expect("the state of the first machine");
            is_quiet(B);
            let since = Instant::now();
            while cluster.cmd(B, "suspend", 41).code != Some(0) {
                assert!(since.elapsed() < PATIENCE, "it does not go on");
                std::thread::sleep(Duration::from_secs(2));
            }
            cluster.cmd(B, "open", 42);
            cluster.run(B, &["reconcile", "--apply", "--yes"]);
            assert_eq!(cluster.orders(), 2, "the other machine had bought it");
        }
        opened(&cluster, B, 42, PATIENCE);
        assert_eq!(cluster.orders(), 2);
        opened(&cluster, B, 43, PATIENCE);
        assert_eq!(cluster.orders(), 3);
    }
}
