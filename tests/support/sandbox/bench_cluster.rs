//! The price of a cluster for a service: entries of its log, and time. The log is on the private MariaDB, so the time
//! is that of a server beside the program; nodes far apart add their round trips.
use super::bench::line;
use crate::support::mariadb::opts;
use crate::support::{Program, Test};
use mysql::Conn;
use mysql::prelude::Queryable as _;
use std::time::{Duration, Instant};

/// Services that are opened with a cluster and without: the middle of their times counts.
const OPENS: u32 = 21;

const PASSWORD: &str = "password-of-the-log";

pub fn cluster() -> Result<(), String> {
    println!("\nA cluster (its log on the private MariaDB)");
    let test = Test::new();
    let alone = opened(&test, 42)?;
    let mut root = Conn::new(opts(&test.db.socket, "mysql")).map_err(|e| e.to_string())?;
    prepare(&test, &mut root)?;
    test.run(["cluster", "init", "--yes"]).ok();
    let before = entries(&mut root)?;
    let shared = opened(&test, 42 + OPENS)?;
    let each = (entries(&mut root)? - before).div_ceil(u64::from(OPENS));
    line("open, first time: entries", &each.to_string(), "at most 6");
    let more = shared.saturating_sub(alone).as_secs_f64() * 1000.0;
    line(&format!("open: wall time more, middle of {OPENS}, ms"), &format!("{more:.1}"), "at most 60");
    test.cmd("sync_item", 42).ok();
    let before = entries(&mut root)?;
    test.cmd("sync_item", 42).ok();
    line("sync_item, nothing new: entries", &(entries(&mut root)? - before).to_string(), "at most 2");
    test.run(["sync"]).ok();
    let before = entries(&mut root)?;
    test.run(["sync"]).ok();
    let what = format!("sync of {} licenses, nothing new: entries", 2 * OPENS);
    line(&what, &(entries(&mut root)? - before).to_string(), "at most 10, however many licenses");
    remove(&mut root)
}

/// What it costs to begin a cluster with a large state, to join it, and to write an image of it: memory and seconds.
pub fn moving_in(test: &Test) -> Result<(), String> {
    let mut root = Conn::new(opts(&test.db.socket, "mysql")).map_err(|e| e.to_string())?;
    prepare(test, &mut root)?;
    let other = test.root().join("another-machine");
    std::fs::create_dir_all(&other).map_err(|e| e.to_string())?;
    std::fs::write(other.join("machine-id"), "another-machine\n").map_err(|e| e.to_string())?;
    let first = |args: &str| test.program(args.split(' '));
    let second = |args: &str| {
        let program = test.program(args.split(' ')).env("PMISPLICENSE_STATE", other.join("state.db"));
        program.env("PMISPLICENSE_MACHINE_ID", other.join("machine-id"))
    };
    measured("cluster init", first("cluster init --yes"));
    measured("cluster join", second("cluster join --yes"));
    measured("cluster join, again", second("cluster join --yes"));
    measured("cluster snapshot", first("cluster snapshot"));
    let digests =
        [first("cluster status --json"), second("cluster status --json")].map(|status| digest(&status.run().stdout));
    if digests[0].is_empty() || digests[0] != digests[1] {
        return Err(format!("the two machines differ: {digests:?}"));
    }
    remove(&mut root)?;
    test.settings("");
    Ok(())
}

fn measured(what: &str, program: Program<'_>) {
    let began = Instant::now();
    let (output, kib) = program.limit(Duration::from_secs(600)).spawn().measured();
    output.ok();
    line(&format!("{what}: memory at most, MiB"), &format!("{:.1}", kib as f64 / 1024.0), "under 40");
    line(&format!("{what}: seconds"), &format!("{:.2}", began.elapsed().as_secs_f64()), "");
}

/// The newest entry and the digest of a replica, as `cluster status --json` shows them.
fn digest(json: &str) -> String {
    let status: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    status.get("here").map(ToString::to_string).unwrap_or_default()
}

fn remove(root: &mut Conn) -> Result<(), String> {
    for sql in ["DROP DATABASE bench_log", "DROP USER bench_log@'127.0.0.1'"] {
        root.query_drop(sql).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Opens services; the middle of their wall times.
fn opened(test: &Test, first: u32) -> Result<Duration, String> {
    let mut times = Vec::new();
    for id in first..first + OPENS {
        test.soft_item(id, "55227", 1).ip(&format!("192.0.2.{id}")).add();
        let began = Instant::now();
        test.cmd("open", id).ok();
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times.get(times.len() / 2).copied().ok_or_else(|| "nothing was opened".to_owned())
}

/// Makes the schema, its user, and the settings that name it.
fn prepare(test: &Test, root: &mut Conn) -> Result<(), String> {
    for sql in [
        "CREATE DATABASE bench_log".to_owned(),
        format!("CREATE USER bench_log@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'"),
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON bench_log.* TO bench_log@'127.0.0.1'".to_owned(),
    ] {
        root.query_drop(sql).map_err(|e| e.to_string())?;
    }
    let password = test.root().join("etc/cluster-password");
    std::fs::write(&password, PASSWORD).map_err(|e| e.to_string())?;
    // A server that has just been started is no witness for what is written in its first seconds.
    std::thread::sleep(Duration::from_secs(5));
    let port = test.db.port;
    test.settings(&format!(
        "[cluster]\nlog = \"mysql://bench_log@127.0.0.1:{port}/bench_log\"\npassword_file = \"{}\"\n",
        password.display()
    ));
    Ok(())
}

fn entries(root: &mut Conn) -> Result<u64, String> {
    let newest: Option<u64> = root.query_first("SELECT MAX(seq) FROM bench_log.entry").map_err(|e| e.to_string())?;
    newest.ok_or_else(|| "the log is empty".to_owned())
}
