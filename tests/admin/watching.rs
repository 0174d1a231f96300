//! The outputs for monitoring: figures, one line, the last sync, the balance ahead, backups.
use super::{day_in, fine, in_state, json, opened, operator, refused};
use crate::support::Test;
use std::process::{Command, Stdio};

/// Reads a file with figures by the real promtool; `None`: it is not installed, which is said aloud.
#[allow(clippy::print_stdout)]
fn promtool(args: &[&str], input: &str) -> Option<String> {
    use std::io::Write;
    let started =
        Command::new("promtool").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = started else {
        println!("left out: promtool is not installed (Debian package prometheus)");
        return None;
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{args:?}\n{text}\n{input}");
    Some(text)
}

fn figure<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

/// The figures of a world with a bound, a pooled and a doubtful license, from the state alone, in a form that the real
/// promtool accepts without a remark.
#[test]
fn metrics_are_what_promtool_accepts_and_ask_nobody() {
    let t = opened();
    t.settings("metrics_file = \"{root}/var/figures.prom\"\n");
    fine(&t, "sync");
    fine(&t, "backup --dir var --keep 2");
    operator(&t, "reconcile");
    in_state(&t, "UPDATE license SET internal_name = 'odd \"name\\' WHERE id = 5001");
    in_state(&t, "UPDATE license SET lickey = NULL, since = since - 7200, expires = date('now', '+2 days')");
    t.upstream.clear_requests();
    t.upstream.stop_listening();
    let text = fine(&t, "metrics");
    if let Some(said) = promtool(&["check", "metrics"], &text) {
        assert_eq!(said.trim(), "", "promtool has remarks");
    }
    assert_eq!(
        figure(&text, "pmisplicense_licenses{product=\"odd \\\"name\\\\\",state=\"bound\"}"),
        Some("1"),
        "{text}"
    );
    let due = |days: u32| figure(&text, &format!("pmisplicense_licenses_due{{days=\"{days}\"}}")).unwrap();
    assert_eq!([due(1), due(3), due(7)], ["0", "1", "1"]);
    assert_eq!(figure(&text, "pmisplicense_problems{kind=\"key_late\"}"), Some("1"));
    assert_eq!(figure(&text, "pmisplicense_intents{status=\"in_doubt\"}"), Some("0"));
    assert_eq!(figure(&text, "pmisplicense_sync_failures{module=\"7\"}"), Some("0"));
    assert_eq!(figure(&text, "pmisplicense_month_purchases{kind=\"order\"}"), Some("1"));
    for name in [
        "pmisplicense_last_successful_sync_timestamp_seconds{module=\"7\"}",
        "pmisplicense_balance_timestamp_seconds{module=\"7\"}",
        "pmisplicense_last_reconcile_timestamp_seconds",
        "pmisplicense_last_backup_timestamp_seconds",
        "pmisplicense_state_size_bytes",
    ] {
        assert!(figure(&text, name).is_some_and(|value| value.parse::<u64>().unwrap() > 0), "{name}\n{text}");
    }
    assert!(text.contains("pmisplicense_balance{module=\"7\",currency=\"") && text.ends_with("# EOF\n"), "{text}");
    // Labels have few values: no license, service or name of a client is one.
    assert!(!text.contains("5001") && !text.contains("shop"), "{text}");
}

/// Before the first purchase there is no state. The figures are there anyway, and no file is made.
#[test]
fn metrics_of_a_fresh_installation_are_whole() {
    let t = Test::new();
    let text = fine(&t, "metrics");
    promtool(&["check", "metrics"], &text);
    assert_eq!(figure(&text, "pmisplicense_licenses_due{days=\"7\"}"), Some("0"));
    assert!(!t.state_path().exists());
}

/// Each sync writes the file, readable by others; one that cannot be written stays whole and fails no sync.
#[test]
fn sync_writes_the_metrics_file_whole_or_not_at_all() {
    use std::os::unix::fs::PermissionsExt;
    let t = opened();
    t.settings("metrics_file = \"{root}/var/figures.prom\"\n");
    fine(&t, "sync");
    let file = t.root().join("var/figures.prom");
    let first = std::fs::read_to_string(&file).unwrap();
    assert!(first.contains("pmisplicense_licenses{product=\"55227\",state=\"bound\"} 1"), "{first}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
    let heads = |text: &str| text.lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(heads(&first), heads(&fine(&t, "metrics")), "the same figures, by sync and by hand");
    t.settings("metrics_file = \"{root}/no/such/folder/figures.prom\"\n");
    fine(&t, "sync");
    assert!(t.log().contains("metrics_file"), "{}", t.log());
    let said = refused(&t, "metrics --output /dev/full/figures.prom");
    assert!(said.contains("is as it was"), "{said}");
    let copy = t.root().join("var/copy.prom");
    fine(&t, &format!("metrics --output {}", copy.display()));
    assert!(std::fs::read_to_string(copy).unwrap().ends_with("# EOF\n"));
}

/// The rules, their tests, the dashboard and the template name figures that there are.
#[test]
fn what_monitoring_imports_names_figures_that_there_are() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/dist/monitoring/");
    let read = |name: &str| std::fs::read_to_string(format!("{folder}{name}")).unwrap();
    let rules = format!("{folder}prometheus-rules.yml");
    promtool(&["check", "rules", &rules], "");
    promtool(&["test", "rules", &format!("{folder}prometheus-rules.test.yml")], "");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(root.join("docs/monitoring.md")).unwrap();
    let source = std::fs::read_to_string(root.join("src/watch/metrics.rs")).unwrap();
    let mut seen = 0;
    for name in ["prometheus-rules.yml", "grafana-dashboard.json", "zabbix-template.yaml"] {
        let text = read(name);
        for part in text.split("pmisplicense_").skip(1) {
            let figure: String = part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            assert!(source.contains(&format!("\"{figure}\"")), "{name}: {figure}");
            assert!(guide.contains(&format!("pmisplicense_{figure}`")), "docs/monitoring.md: {figure}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
    // Zabbix: what cannot be asked is no good news.
    let template = read("zabbix-template.yaml");
    let (_, sync_age) = template.split_once("key: pmisplicense.sync_age").unwrap();
    let (sync_age, _) = sync_age.split_once("key: pmisplicense.balance").unwrap();
    assert!(
        sync_age.contains("DISCARD_VALUE") && sync_age.contains("nodata(/Pmisplicense/pmisplicense.sync_age,2h)=1")
    );
    assert!(template.contains("\"^PMISPLICENSE (OK|WARNING)\")=0"), "UNKNOWN is a trouble too");
    serde_json::from_str::<serde_json::Value>(&read("grafana-dashboard.json")).unwrap();
}

/// One line, and the exit codes of Nagios.
#[test]
fn brief_is_one_line_with_the_exit_codes_of_nagios() {
    let t = opened();
    let brief = || operator(&t, "doctor --brief");
    let line = |code: i32, begins: &str| {
        let output = brief();
        assert_eq!(
            (output.code, output.stdout.lines().count()),
            (Some(code), 1),
            "{}\n{}",
            output.stdout,
            output.stderr
        );
        assert!(output.stdout.starts_with(begins), "{}", output.stdout);
        output.stdout
    };
    in_state(&t, "UPDATE license SET lickey = NULL, since = since - 7200");
    let said = line(2, "PMISPLICENSE CRITICAL - ");
    assert!(said.contains(" | problems="), "{said}");
    t.settings("no_such_key = 1\n");
    line(3, "PMISPLICENSE UNKNOWN - ");
}

/// doctor knows when the last sync of each module ended, and that it failed.
#[test]
fn doctor_tells_when_the_last_sync_was_missed_or_failed() {
    let t = opened();
    fine(&t, "sync");
    let check = |name: &str| -> serde_json::Value {
        let doctor = json(&t, "doctor");
        let checks = doctor["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["check"] == name).unwrap_or_default()
    };
    assert_eq!(check("last_sync")["level"], "ok");
    let file = t.root().join("var/pmisplicense/last_runs.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut last: serde_json::Value = serde_json::from_str(&text).unwrap();
    last["syncs"]["7"]["at"] = "2026-01-01T00:00:00Z".into();
    std::fs::write(&file, last.to_string()).unwrap();
    let late = check("last_sync");
    assert_eq!(late["level"], "warning");
    assert!(late["what"].as_str().unwrap().contains("2026-01-01"), "{late}");
    std::fs::write(&file, "junk").unwrap();
    t.upstream.stop_listening();
    assert_ne!(operator(&t, "sync").code, Some(0));
    assert!(check("last_sync")["what"].as_str().unwrap().contains("with a failure, 1 time in a row"));
}

/// A module that is gone is forgotten by the next sync of all modules; a dry run, and one of a single module, forgets
/// none.
#[test]
fn a_module_that_is_gone_is_forgotten() {
    let mut t = opened();
    t.add_module(8, "pmisplicense");
    t.connect_module(8, &t.upstream.url());
    t.settings("metrics_file = \"{root}/var/figures.prom\"\n");
    fine(&t, "sync");
    t.db.exec("UPDATE processingmodule SET active = 'off' WHERE id = 8", ());
    let known = || {
        let text = fine(&t, "metrics");
        ["last_sync_timestamp_seconds{module", "balance{module"]
            .map(|name| text.contains(&format!("pmisplicense_{name}=\"8\"")))
    };
    fine(&t, "sync --dry-run");
    fine(&t, "sync --module 7");
    assert_eq!(known(), [true, true]);
    fine(&t, "sync");
    assert_eq!(known(), [false, false]);
    let written = std::fs::read_to_string(t.root().join("var/figures.prom")).unwrap();
    assert!(written.contains("module=\"7\"") && !written.contains("module=\"8\""), "{written}");
}

/// The renewals that fall due, their costs, and whether the balance suffices. Looking buys nothing.
#[test]
fn forecast_adds_up_what_falls_due_and_compares_it_with_the_balance() {
    let t = opened();
    t.soft_item(43, "55227", 1).ip("192.0.2.11").expires(&day_in(200)).add();
    t.cmd("open", 43).ok();
    t.set_item(42, "expiredate", &day_in(20));
    t.upstream.clear_requests();
    let found = json(&t, "forecast --days 60");
    let module = &found["modules"][0];
    let licenses = module["licenses"].as_array().unwrap();
    assert_eq!(licenses.len(), 2, "{found:#}");
    let of = |item: u64| licenses.iter().find(|one| one["item"] == item).unwrap();
    assert_eq!((of(42)["certain"].as_bool(), of(43)["certain"].as_bool()), (Some(false), Some(true)), "{found:#}");
    assert_eq!((of(43)["months"].as_u64(), module["unknown_costs"].as_u64()), (Some(1), Some(0)), "{found:#}");
    let sum = |name: &str| module[name].as_object().unwrap().values().next().unwrap().as_i64().unwrap();
    assert_eq!(sum("all"), 2 * sum("certain"), "{found:#}");
    assert!(
        fine(&t, "forecast --days 60").split_whitespace().collect::<Vec<_>>().join(" ").contains("It covers all these")
    );
    assert_eq!(json(&t, "forecast --days 1")["modules"][0]["licenses"].as_array().unwrap().len(), 0);
    let sent = t.upstream.funcs();
    assert!(sent.iter().all(|func| !func.contains("order") && !func.contains("prolong")), "{sent:?}");
    t.upstream.set_balance(50);
    let poor = operator(&t, "forecast --days 60");
    assert_eq!(poor.code, Some(1), "{}", poor.stdout);
    assert!(
        poor.stdout
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .contains("It does not cover the renewals that clients have paid for")
    );
}

/// A license whose product the catalogue lacks is counted, and what cannot be compared is not said to be covered.
#[test]
fn forecast_counts_what_has_no_price_and_does_not_say_that_the_balance_covers_it() {
    let t = opened();
    let said = |t: &Test| fine(t, "forecast --days 60").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said(&t).contains("It covers all these renewals."), "{}", said(&t));
    let covers = "The balance covers the renewals whose price is known in its currency.";
    let bare = |text: &str| text.contains(covers) && !text.contains("It covers all these");
    in_state(&t, "UPDATE cost SET currency = 'XTS'");
    assert!(bare(&said(&t)), "{}", said(&t));
    in_state(&t, "UPDATE license SET pricelist = 999999");
    let module = json(&t, "forecast --days 60")["modules"][0].clone();
    let licenses = module["licenses"].as_array().unwrap();
    assert_eq!((licenses.len(), &licenses[0]["cost"], &module["unknown_costs"]), (1, &().into(), &1.into()));
    assert!(bare(&said(&t)) && said(&t).contains("The price of 1 renewal is not known"), "{}", said(&t));
}

/// The newest copies stay, other files of the folder are left alone, and doctor knows the age of the last one.
#[test]
fn backup_in_a_folder_keeps_the_newest_copies_and_nothing_else() {
    let t = opened();
    let check = || -> serde_json::Value {
        let checks = json(&t, "doctor")["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["check"] == "backup").unwrap()
    };
    assert_eq!(check()["level"], "warning", "there is a state, and no copy of it");
    let folder = t.root().join("var/backups");
    std::fs::create_dir(&folder).unwrap();
    for name in ["pmisplicense-20260101-000000.db", "pmisplicense-20260102-000000.db", "pmisplicense-mine.db", "x"] {
        std::fs::write(folder.join(name), "old").unwrap();
    }
    let line = format!("backup --dir {} --keep 2", folder.display());
    let answer = json(&t, &line);
    assert_eq!(answer["removed"], 1, "{answer:#}");
    let file = answer["file"].as_str().unwrap().to_owned();
    let mut left: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    let new = file.rsplit('/').next().unwrap().to_owned();
    assert_eq!(left, ["pmisplicense-20260102-000000.db".to_owned(), new, "pmisplicense-mine.db".into(), "x".into()]);
    fine(&t, &format!("backup --verify {file}"));
    assert!(operator(&t, "doctor").stdout.contains("last backup"));
    assert_eq!(check()["level"], "ok");
    assert_eq!(operator(&t, "backup --keep 2").code, Some(2));
    assert_eq!(operator(&t, "backup").code, Some(2));
}

/// A copy that is not whole does not stay, counts as no backup, and costs no older copy. A new copy that is whole stays
/// also when a clock that was ahead gave others a later name.
#[test]
fn a_backup_counts_only_when_its_copy_is_whole_and_the_new_one_always_stays() {
    let t = opened();
    let folder = t.root().join("var/backups");
    std::fs::create_dir(&folder).unwrap();
    let later = ["pmisplicense-29980101-000000.db", "pmisplicense-29990101-000000.db"];
    later.iter().for_each(|name| std::fs::write(folder.join(name), "old").unwrap());
    let names = || {
        let entries = std::fs::read_dir(&folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let line = format!("backup --dir {} --keep 1", folder.display());
    let good = std::fs::read(t.state_path()).unwrap();
    in_state(&t, "UPDATE license SET expires = 'when the cows come home'");
    for line in [line.clone(), format!("backup {}", folder.join("mine.db").display())] {
        let said = refused(&t, &line).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("not whole") && said.contains("was removed") && said.contains("doctor"), "{said}");
        assert_eq!(names(), later, "{line}");
    }
    assert_eq!(figure(&fine(&t, "metrics"), "pmisplicense_last_backup_timestamp_seconds"), None);
    std::fs::write(t.state_path(), good).unwrap();
    let answer = json(&t, &line);
    let new = answer["file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert_eq!((names(), answer["removed"].as_u64()), (vec![new], Some(2)));
    assert!(figure(&fine(&t, "metrics"), "pmisplicense_last_backup_timestamp_seconds").is_some());
}

/// A real node_exporter that serves the folder of a metrics file, until it is dropped.
struct NodeExporter {
    child: std::process::Child,
    address: String,
}

impl NodeExporter {
    /// `None`: it is not installed, which is said aloud.
    #[allow(clippy::print_stdout)]
    fn serving(folder: &std::path::Path) -> Option<Self> {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let started = Command::new("prometheus-node-exporter")
            .args(["--collector.disable-defaults", "--web.disable-exporter-metrics", "--collector.textfile"])
            .arg(format!("--collector.textfile.directory={}", folder.display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            println!("left out: node_exporter is not installed (Debian package prometheus-node-exporter)");
            return None;
        };
        Some(Self { child, address })
    }

    /// The text as Prometheus would read it.
    fn scraped(&mut self) -> String {
        use std::io::{Read, Write};
        for _ in 0..1_000 {
            assert!(self.child.try_wait().unwrap().is_none(), "node_exporter ended");
            let Ok(mut stream) = std::net::TcpStream::connect(&self.address) else {
                std::thread::sleep(std::time::Duration::from_millis(10));
                continue;
            };
            stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            return answer;
        }
        panic!("node_exporter does not listen at {}", self.address);
    }
}

impl Drop for NodeExporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn every_figure_of_the_metrics_file_passes_a_real_node_exporter() {
    let t = opened();
    std::fs::create_dir(t.root().join("collected")).unwrap();
    t.settings("metrics_file = \"{root}/collected/pmisplicense.prom\"\n");
    fine(&t, "backup --dir var --keep 2");
    operator(&t, "reconcile");
    in_state(&t, "UPDATE license SET internal_name = 'odd \"name\\' WHERE id = 5001");
    fine(&t, "sync");
    let file = std::fs::read_to_string(t.root().join("collected/pmisplicense.prom")).unwrap();
    let Some(mut exporter) = NodeExporter::serving(&t.root().join("collected")) else { return };
    let scraped = exporter.scraped();
    assert_eq!(figure(&scraped, "node_textfile_scrape_error"), Some("0"), "{scraped}");
    // The exporter sorts labels, and writes large numbers in another form.
    let read = |text: &str| {
        let samples = text.lines().filter(|line| line.starts_with("pmisplicense_"));
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = name.strip_suffix('}').and_then(|name| name.split_once('{')).unwrap_or((name, ""));
            let mut labels: Vec<String> =
                labels.split("\",").map(|label| label.trim_end_matches('"').to_owned()).collect();
            labels.sort();
            (name.to_owned(), labels, value.parse::<f64>().unwrap().to_string())
        };
        let mut samples: Vec<_> = samples.map(sample).collect();
        samples.sort();
        samples
    };
    assert!(read(&file).len() > 20, "{file}");
    assert_eq!(read(&scraped), read(&file), "{scraped}");
}
