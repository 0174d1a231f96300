//! Commands that only look, in a cluster. Without the log they show the state of their machine and say how old it is.
use crate::cluster::{A, B, Cluster, Machine};
use crate::support::Test;
use crate::support::mariadb::MariaDb;
use crate::support::run::Output;
use chrono::{DateTime, Utc};
use serde_json::Value;

fn json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {} {}", output.stdout, output.stderr))
}

fn moment(value: &Value) -> DateTime<Utc> {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no moment: {value}"))
}

/// The last entry that the replica of a machine holds, read behind the program's back.
fn newest_entry(cluster: &Cluster, machine: Machine) -> u32 {
    let replica = rusqlite::Connection::open(cluster.state(machine)).unwrap();
    replica.query_row("SELECT seq FROM cluster_replica", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_look_says_how_old_the_state_is_when_no_server_of_the_log_answers() {
    // A server of its own, which can be stopped.
    let server = MariaDb::start();
    let cluster = Cluster::over(Test::new(), format!("127.0.0.1:{}", server.port), server.socket.clone()).begin();
    let before = Utc::now();
    let list = json(cluster.run(A, &["list", "--json"]).ok());
    assert!(list["replica"].is_null(), "the log answers: {list:#}");
    let after = Utc::now();
    server.stop();
    let entry = newest_entry(&cluster, A);
    let is_when_it_last_read = |at: &Value| (before..=after).contains(&moment(at));
    for args in [&["list", "--json"][..], &["show", "41", "--json"], &["pool", "--json"], &["history", "41", "--json"]]
    {
        let output = cluster.run(A, args);
        let replica = &json(output.ok())["replica"];
        assert_eq!(replica["entry"], entry, "{args:?}: {replica:#}");
        assert!(is_when_it_last_read(&replica["caught_up_at"]), "{args:?}: {replica:#}, {before} to {after}");
        assert_eq!(replica["changed"], "Nothing was changed");
        let [what, next] = ["what", "next"].map(|part| replica[part].as_str().unwrap());
        assert!(what.starts_with("No server of the cluster's log answers. This is the state of this machine as of 20"));
        assert!(what.contains(&format!(" UTC (0 min ago, entry {entry})")), "{what}");
        assert!(next.contains("pmisplicense cluster status"), "{next}");
        assert!(output.stderr.contains(&format!("{what}. Nothing was changed. Next: ")), "{}", output.stderr);
    }
    let russian = cluster.run(A, &["list", "--lang", "ru"]);
    let words = format!("(0 мин назад, запись {entry}): тогда она последний раз сверялась с журналом");
    assert!(russian.ok().stdout.contains("192.0.2.41") && russian.stderr.contains(&words), "{}", russian.stderr);
    let status = cluster.run(A, &["cluster", "status", "--json"]);
    assert!(is_when_it_last_read(&json(&status)["caught_up_at"]) && status.code == Some(1), "{}", status.stdout);
    let status = cluster.run(A, &["cluster", "status"]);
    assert!(status.stdout.contains("it last caught up with the log at 20"), "{}", status.stdout);
    for args in [&["--command", "open", "--item", "41", "--dry-run"][..], &["sync", "--dry-run"]] {
        let said = cluster.run(A, args).stdout;
        assert!(said.contains(&format!("entry {entry})")), "{args:?}: {said}");
        let rehearsed = json(&cluster.run(A, &[args, &["--json"]].concat()));
        assert!(is_when_it_last_read(&rehearsed["replica"]["caught_up_at"]), "{args:?}: {rehearsed:#}");
    }
    let page = "<?xml version=\"1.0\"?><doc func=\"pmisplicense.licenses\" lang=\"en\"/>";
    let page = cluster.program(A, &[]).arg0("addon/pmisplicense-pages").stdin(page).env("AUTH_LEVEL", "29").run();
    assert!(page.stdout.contains("192.0.2.41") && page.stdout.contains("<plname>state of 20"), "{}", page.stdout);
    // A change is refused, and is no look at an old state.
    assert_eq!(cluster.cmd(A, "suspend", 41).fails("state").attribute("object"), "cluster");
    // Without the file that holds the moment, the entry alone says how old the state is.
    let file = cluster.state(A).with_file_name("locks").join("cluster.caught-up");
    std::fs::remove_file(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let output = cluster.run(A, &["list", "--json"]);
    let replica = &json(output.ok())["replica"];
    assert!(replica["caught_up_at"].is_null() && replica["entry"] == entry, "{replica:#}");
    assert!(output.stderr.contains("it is not known when it last caught up"), "{}", output.stderr);
    server.resume();
    let again = cluster.run(A, &["list", "--json"]);
    assert!(json(again.ok())["replica"].is_null() && again.stderr.is_empty(), "{}", again.stderr);
}

/// A dry run knows what other machines did, and leaves the replica of its own machine as it was.
#[test]
fn a_dry_run_knows_what_another_machine_bought_and_writes_nothing() {
    let cluster = Cluster::begun();
    cluster.test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    cluster.run(A, &["list"]).ok();
    cluster.cmd(B, "open", 42).ok();
    let before = newest_entry(&cluster, A);
    let dry = json(&cluster.run(A, &["--command", "open", "--item", "42", "--dry-run", "--json"]));
    let steps = dry["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["func"] != "soft.order.param") && dry["replica"].is_null(), "{dry:#}");
    assert_eq!(newest_entry(&cluster, A), before);
    cluster.test.soft_item(43, "55227", 1).ip("192.0.2.43").add();
    let dry = json(&cluster.run(A, &["--command", "open", "--item", "43", "--dry-run", "--json"]));
    let is_order = |step: &Value| step["func"] == "soft.order.param";
    assert!(dry["steps"].as_array().unwrap().iter().any(is_order), "the other service is not bought yet: {dry:#}");
}

/// The log lost the entries of one machine, and another machine wrote on. The first one changes nothing any more; it
/// can still be looked at, and its state can be kept, as docs/cluster.md says.
#[test]
fn a_machine_that_is_a_fork_only_reads_and_says_what_it_shows() {
    let cluster = Cluster::begun();
    let name = &cluster.schema;
    let common = newest_entry(&cluster, B);
    cluster.cmd(A, "suspend", 41).ok();
    cluster.root(&format!("DELETE FROM {name}.entry WHERE seq > {common}"));
    cluster.test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    cluster.cmd(B, "open", 42).ok();
    let (entry, orders) = (newest_entry(&cluster, A), cluster.orders());
    cluster.test.soft_item(43, "55227", 1).ip("192.0.2.43").add();
    let refused = cluster.cmd(A, "open", 43);
    assert!(refused.fails("state").message().contains("different entries of the same number"), "{}", refused.message());
    let dry = cluster.run(A, &["--command", "open", "--item", "43", "--dry-run"]);
    let said = format!("{}{}", dry.stdout, dry.stderr);
    assert!(said.contains("different entries of the same number"), "{said}");
    let list = cluster.run(A, &["list"]);
    assert!(list.ok().stdout.contains("192.0.2.41") && !list.stdout.contains("192.0.2.42"), "{}", list.stdout);
    assert!(list.stderr.contains("different entries of the same number"), "{}", list.stderr);
    assert!(list.stderr.contains("read \"Fork\" in docs/cluster.md"), "{}", list.stderr);
    let status = cluster.run(A, &["cluster", "status", "--json"]);
    assert_eq!(status.code, Some(1), "an operator has to decide");
    let both = json(&status);
    assert_eq!(both["here"]["entry"], entry, "{both:#}");
    assert!(both["hosts"][0]["entry"].is_u64() && both["replica"]["what"].is_string(), "{both:#}");
    let doctor = cluster.run(A, &["doctor"]);
    assert!(
        doctor.code == Some(1) && doctor.stdout.contains("different entries of the same number"),
        "{}",
        doctor.stdout
    );
    let kept = cluster.state(A).with_file_name("kept.db");
    cluster.run(A, &["backup", kept.to_str().unwrap()]).ok();
    assert_eq!((newest_entry(&cluster, A), cluster.orders()), (entry, orders));
    // The way out of docs/cluster.md.
    cluster.run(A, &["cluster", "join", "--yes"]).ok();
    cluster.cmd(A, "open", 43).ok();
    cluster.agree(&[A, B]);
    assert_eq!(cluster.orders(), orders + 1);
}
