//! Two machines of a cluster, one of which stops or stands still. Slow, because a lease has to run out:
//! `make galera` runs them.
use crate::cluster::{A, B, Cluster};
use std::process::Command;
use std::time::{Duration, Instant};

/// The shortest lease that the settings allow, and times of a seller that fit it.
const TIMES: &str = "lease_s = 90\n[upstream]\ntimeout_s = 3\nsettle_s = 20\n";

/// The longest time that a lease, a doubt and a few tries may take together.
const PATIENCE: Duration = Duration::from_secs(90 + 30 + 60);

fn signal(pid: u32, name: &str) {
    let done = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().expect("kill");
    assert!(done.success());
}

/// Repeats `open` on machine B, as the panel does, until it ends well.
fn opened_by_the_other(cluster: &Cluster, item: u32) -> Duration {
    let since = Instant::now();
    loop {
        let output = cluster.cmd(B, "open", item);
        if output.code == Some(0) {
            return since.elapsed();
        }
        assert!(since.elapsed() < PATIENCE, "{}", output.stdout);
        std::thread::sleep(Duration::from_secs(2));
    }
}

#[test]
#[ignore = "make galera"]
fn another_machine_takes_over_from_a_killed_run_when_its_lease_has_run_out() {
    let cluster = Cluster::begun();
    cluster.settings(TIMES);
    cluster.dies_before_the_answer();
    let took = opened_by_the_other(&cluster, 42);
    assert!(took < Duration::from_secs(90 + 30), "{took:?}");
    assert_eq!(cluster.orders(), 2);
    cluster.agree(&[A, B]);
}

/// The intent is recorded, and the run stands still before it sends. The other machine waits until the intent can no
/// longer be sent, and buys. The first run then wakes, and sends nothing.
#[test]
#[ignore = "make galera"]
fn a_run_that_stood_still_between_recording_and_sending_sends_nothing() {
    let cluster = Cluster::begun();
    cluster.settings(TIMES);
    let name = &cluster.schema;
    // The moment between the two is short, so it takes some tries to hit it.
    for item in 42..62 {
        cluster.test.soft_item(item, "55227", 1).ip(&format!("192.0.2.{item}")).add();
        let before = cluster.orders();
        let recorded = format!("SELECT COUNT(*) FROM {name}.entry WHERE body LIKE '%INTO intent%'");
        let intents = cluster.root(&recorded);
        let run = cluster.program(A, &["--command", "open", "--item", &item.to_string()]).spawn();
        while cluster.root(&recorded) == intents {}
        signal(run.pid(), "STOP");
        std::thread::sleep(Duration::from_millis(300));
        if cluster.orders() > before {
            signal(run.pid(), "CONT");
            run.wait();
            continue;
        }
        opened_by_the_other(&cluster, item);
        assert_eq!(cluster.orders(), before + 1);
        signal(run.pid(), "CONT");
        let late = run.wait();
        assert_ne!(late.code, Some(0), "{}", late.stdout);
        assert_eq!(cluster.orders(), before + 1, "service {item} was bought twice");
        cluster.cmd(A, "open", item).ok();
        assert_eq!(cluster.orders(), before + 1);
        cluster.agree(&[A, B]);
        return;
    }
    panic!("no run could be stopped between recording and sending");
}
