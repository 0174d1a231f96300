//! The surroundings of two machines with one log: cron on both, and a server with unsafe settings.
use crate::cluster::{A, B, Cluster};
use crate::service::sent;
use crate::support::Test;
use crate::support::mariadb::MariaDb;

/// Cron starts sync on both machines at the same moment, again and again. One of the two works, whichever is faster;
/// the other says so and ends well.
#[test]
fn cron_on_two_machines_never_runs_two_syncs_at_once() {
    let cluster = Cluster::begun();
    for hour in 0..12 {
        cluster.test.upstream.clear_requests();
        let gate = cluster.test.upstream.hold_after("soft");
        let mut order = [A, B];
        order.rotate_left(hour % 2);
        let [mut first, mut second] = order.map(|machine| cluster.program(machine, &["sync", "--json"]).spawn());
        gate.reached();
        // The one that works waits for the seller, so it is the other that ends.
        while !first.ended() && !second.ended() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let (passed, works) = if first.ended() { (first, second) } else { (second, first) };
        let passed: serde_json::Value = serde_json::from_str(&passed.wait().ok().stdout).unwrap();
        assert_eq!(passed["passed_over"][0]["why"], "other_run", "{passed:#}");
        assert_eq!(sent(&cluster.test).len(), 1, "requests of one pass: {:?}", sent(&cluster.test));
        gate.release();
        let works: serde_json::Value = serde_json::from_str(&works.wait().ok().stdout).unwrap();
        assert_eq!((&works["seen"], &works["passed_over"]), (&1.into(), &serde_json::json!([])), "{works:#}");
    }
    cluster.agree(&[A, B]);
}

/// A server of its own, because others depend on the settings of the shared one.
#[test]
fn doctor_fails_when_the_server_may_lose_acknowledged_writes() {
    let server = MariaDb::start();
    let cluster = Cluster::over(Test::new(), format!("127.0.0.1:{}", server.port), server.socket.clone()).begin();
    let doctor = |flush: u8| {
        cluster.root(&format!("SET GLOBAL innodb_flush_log_at_trx_commit = {flush}"));
        let output = cluster.run(A, &["doctor", "--json"]);
        let answer: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        let is_named = output.stdout.contains(&format!("innodb_flush_log_at_trx_commit = {flush}"));
        (output.code, answer["problems"].as_u64().unwrap(), is_named)
    };
    let (_, safe, is_named) = doctor(1);
    assert!(!is_named);
    for flush in [0, 2] {
        assert_eq!(doctor(flush), (Some(1), safe + 1, true), "{flush}");
    }
}
