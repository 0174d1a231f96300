//! Commands that only look. They answer from panel, state and seller, as far as these can be read. They fit the
//! terminal, and change nothing.
use super::{day_in, fine, in_state, json, opened, operator, refused, troubled};
use crate::support::Test;
use serde_json::{Value, json};

/// Everything that only looks, in one world: no request that changes, no call that changes.
#[test]
fn commands_that_only_look_change_nothing() {
    let t = opened();
    t.upstream.clear_requests();
    t.clear_mgrctl();
    for line in [
        "list",
        "show 42",
        "show 42 --raw",
        "show license:5001",
        "show 192.0.2.10",
        "history 42",
        "explain 42",
        "pool",
        "report",
    ] {
        let text = fine(&t, line);
        assert!(text.lines().all(|l| l.chars().count() <= 60), "{line}\n{text}");
        assert_eq!(json(&t, line)["version"], 1, "{line}");
    }
    operator(&t, "doctor");
    fine(&t, "reconcile");
    let sent = t.upstream.funcs().into_iter().filter(|f| !f.ends_with("?read"));
    let changes: Vec<_> = sent.filter(|f| f.ends_with("?set") || f.contains("order")).collect();
    assert_eq!((changes, t.panel_changes()), (Vec::<String>::new(), Vec::<String>::new()));
    t.assert_clean();
}

/// A fresh installation: looks make no state file.
#[test]
fn a_look_at_a_fresh_installation_makes_no_state() {
    let t = Test::new();
    assert!(fine(&t, "list").contains("0 licenses"));
    fine(&t, "pool");
    refused(&t, "show 42");
    refused(&t, "backup out.db");
    assert!(!t.state_path().exists());
}

/// Filters, sorting, counts; the key shows its end only.
#[test]
fn list_filters_sorts_counts_and_shows_only_the_end_of_a_key() {
    let t = opened();
    t.soft_item(43, "55228", 12).ip("192.0.2.11").expires(&day_in(365)).add();
    t.cmd("open", 43).ok();
    let ids = |line: &str| -> Vec<u64> {
        let all = json(&t, line);
        all["licenses"].as_array().unwrap().iter().map(|l| l["license"].as_u64().unwrap()).collect()
    };
    assert_eq!(ids("list"), [5001, 5002]);
    assert_eq!(ids("list --product 55228"), [5002]);
    assert_eq!(ids(&format!("list --expires-before {}", day_in(100))), [5001]);
    assert_eq!(ids("list --status pool"), Vec::<u64>::new());
    assert_eq!(ids("list --sort expires --module 7"), [5001, 5002]);
    fine(&t, "list --problems");
    let key = t.upstream.license(5001).key;
    let end = json(&t, "list")["licenses"][0]["key_end"].as_str().unwrap().to_owned();
    assert!(key.ends_with(end.trim_start_matches('…')) && !fine(&t, "list --json").contains(&key));
    assert_eq!(json(&t, "list")["counts"]["bound"], 2);
    assert_eq!(operator(&t, "list --status nosuch").code, Some(2));
    assert_eq!(operator(&t, "lits").code, Some(2));
    assert!(operator(&t, "lits").stderr.contains("list"), "did you mean");
}

/// A part of a key, a number that is two things, an address of nobody.
#[test]
fn show_finds_what_is_meant_and_refuses_what_is_unclear() {
    let t = opened();
    let key = t.upstream.license(5001).key;
    let part: String = key.chars().skip(key.len() - 8).collect();
    assert!(fine(&t, &format!("show {}", part.to_lowercase())).contains("license 5001"));
    t.soft_item(5001, "55227", 1).ip("192.0.2.12").add();
    let error = refused(&t, "show 5001");
    assert!(error.contains("item:5001") && error.contains("license:5001"), "{error}");
    fine(&t, "show item:5001");
    t.soft_item(43, "55227", 1).ip("192.0.2.11").expires(&day_in(31)).add();
    t.cmd("open", 43).ok();
    assert!(refused(&t, "show ISPKEY").contains("fits 2 licenses"));
    for word in ["999999", "198.51.100.1", "ab", "nosuchkey", "item:x", "item:999999"] {
        refused(&t, &format!("show {word}"));
        refused(&t, &format!("history {word}"));
    }
    refused(&t, "explain 999999");
    assert!(refused(&t, "cluster status").contains("this machine works alone"));
    let error = json(&t, "show 999999");
    assert_eq!(error["error"]["type"], "missed");
}

/// The seller is away: what the state knows is still told, and that it is only that.
#[test]
fn looks_tell_what_the_state_knows_while_the_seller_is_away() {
    let t = opened();
    t.upstream.stop_listening();
    let shown = fine(&t, "show 42");
    assert!(shown.contains("the seller was not reached") && shown.contains("5001"), "{shown}");
    assert!(fine(&t, "explain 42").contains("the seller was not reached"));
    fine(&t, "list");
    fine(&t, "history 42");
    assert!(refused(&t, "reconcile").contains("not reached"));
    let doctor = troubled(&t, "doctor").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(doctor.contains("was not reached"), "{doctor}");
}

/// The journal in words: the order, its reason, the license.
#[test]
fn history_tells_the_order_its_reason_and_its_license() {
    let t = opened();
    let text = fine(&t, "history 42");
    assert!(text.contains("recorded: order of 55227") && text.contains("  license 5001 bound"), "{text}");
    let license = json(&t, "history license:5001");
    let events: Vec<&str> = license["lines"].as_array().unwrap().iter().filter_map(|l| l["event"].as_str()).collect();
    assert!(events.contains(&"recorded") && events.contains(&"done"), "{events:?}");
}

/// Russian by locale and by option; the words of programs stay.
#[test]
fn people_read_their_language_by_locale_and_by_option() {
    let t = opened();
    let russian = t.program(["list"]).env("LC_ALL", "ru_RU.UTF-8").run();
    assert!(russian.ok().stdout.contains("лицензий: 1"), "{}", russian.stdout);
    let shown = t.program(["show", "42", "--lang", "ru"]).env("LC_ALL", "C").run().ok().stdout.clone();
    assert!(shown.contains("активна") && !shown.contains("active") && !shown.contains(" off"), "{shown}");
    let russian = t.program(["explain", "42", "--lang", "ru"]).env("LC_ALL", "C").run();
    assert!(russian.ok().stdout.contains("ничего"), "{}", russian.stdout);
    let english = t.program(["list"]).env("LC_ALL", "C").env("LANG", "ru_RU.UTF-8").run();
    assert!(english.ok().stdout.contains("1 license"), "LC_ALL comes first");
}

/// A pooled license: from when it can be given out, and why not now.
#[test]
fn pool_says_from_when_a_license_can_be_given_out() {
    let t = opened();
    t.set_item(42, "status", "4");
    t.cmd("close", 42).ok();
    let pool = json(&t, "pool");
    assert_eq!((pool["total"].as_u64(), pool["free"].as_u64()), (Some(1), Some(0)), "{pool:#}");
    assert!(pool["licenses"][0]["why_not"].as_str().unwrap().contains("address"), "{pool:#}");
    in_state(&t, "UPDATE license SET ip_changed = date('now', '-40 days'), key_changed = NULL");
    assert!(fine(&t, "pool").contains("1 can be given out now"), "{}", t.story());
}

/// A line each, problems with their next step; readable permissions are one.
#[test]
fn doctor_names_each_problem_with_its_next_step() {
    let t = opened();
    let checks = json(&t, "doctor");
    let of = |name: &str| {
        let list = checks["checks"].as_array().unwrap().clone();
        list.into_iter().find(|c| c["check"] == name).unwrap_or_else(|| panic!("{name} in {checks:#}"))
    };
    for name in ["root", "state", "database", "module", "login", "balance", "clock", "waiting", "space"] {
        assert_eq!(of(name)["level"], "ok", "{name}: {checks:#}");
    }
    assert_eq!(of("xml")["level"], "problem", "the sandbox has none installed");
    assert!(of("xml")["next"].as_str().unwrap().contains("make install"));
    for name in
        ["billmgr_mod_pmisplicense.xml", "billmgr_mod_pmisplicense_event.xml", "billmgr_mod_pmisplicense_pages.xml"]
    {
        let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("xml").join(name);
        std::fs::copy(from, t.root().join("etc/xml").join(name)).unwrap();
    }
    fine(&t, "doctor");
    t.module_param(7, "username", "somebody");
    let text = troubled(&t, "doctor");
    assert!(text.contains("--accept-account 7"), "{text}");
}

/// The list of tariffs and values that lead to a product no longer sold, and of months that cost more than a year.
#[test]
fn doctor_tells_of_ended_products_and_of_months_dearer_than_a_year() {
    let t = Test::new();
    assert!(!operator(&t, "doctor").stdout.contains("Twelve"), "nothing was bought");
    t.soft_item(42, "55227", 1).ip("192.0.2.10").expires(&day_in(31)).add();
    t.cmd("open", 42).ok();
    t.soft_item(43, "3541", 1).ip("192.0.2.11").on_tariff().add();
    let checks = json(&t, "doctor");
    let of = |name: &str| {
        let list = checks["checks"].as_array().unwrap().clone();
        list.into_iter().filter(|c| c["check"] == name).collect::<Vec<_>>()
    };
    let says = |check: &serde_json::Value, field: &str| check[field].as_str().unwrap().to_owned();
    let ending = of("sale_ends");
    assert!(!ending.is_empty() && ending.iter().all(|c| c["level"] == "warning"), "{checks:#}");
    let tariff = format!("tariff {} ", t.item(43).pricelist);
    let line = ending.iter().find(|c| says(c, "what").starts_with(&tariff)).unwrap();
    assert!(says(line, "what").contains("(3541), which is not sold from 2021-06-15 on"), "{line:#}");
    assert!(says(line, "next").contains("2021-06-15") && says(line, "next").contains("55227, 55228"), "{line:#}");
    let year = of("alignment");
    assert_eq!((year.len(), &year[0]["level"]), (1, &"ok".into()), "{checks:#}");
    let words = says(&year[0], "what");
    assert!(words.contains("Twelve single months cost 60.00 EUR, a year costs 55.00 EUR"), "{words}");
    t.period_align("1;12;;");
    assert!(!operator(&t, "doctor").stdout.contains("Twelve"), "somebody decided");
}

/// The reason why a license waits is shown in the reader's language.
#[test]
fn the_reason_why_a_license_waits_is_in_the_readers_language() {
    let t = Test::setup().options(|o| o.order_counts_as_change = true).start();
    t.soft_item(42, "55227", 12).ip("192.0.2.10").expires(&day_in(365)).add();
    t.cmd("open", 42).ok();
    t.cmd("close", 42).ok();
    for (lang, words) in [("en", "its address cannot be cleared yet"), ("ru", "её IP пока нельзя очистить")]
    {
        for line in ["history 42", "pool", "explain 42"] {
            let args = line.split(' ').chain(["--lang", lang]);
            let said = t.program(args).env("COLUMNS", "200").run().ok().stdout.clone();
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains(words), "{line}: {said}");
        }
    }
    assert!(json(&t, "pool --lang ru").to_string().contains("its address cannot be cleared yet"), "scripts: one word");
}

/// Programs read one language: the one that they ask for, else English, wherever they are started.
#[test]
fn texts_in_json_follow_the_language_asked_for() {
    let t = opened();
    t.upstream.edit_license(5001, |l| l.autoprolong = "1".into());
    let said = |line: &str, options: &[&str]| {
        let args = line.split(' ').chain(["--json"]).chain(options.iter().copied());
        let output = t.program(args).env("LC_ALL", "ru_RU.UTF-8").run();
        serde_json::from_str::<serde_json::Value>(&output.stdout).unwrap()
    };
    let is_russian = |value: &serde_json::Value| value.to_string().contains(|c: char| ('а'..='я').contains(&c));
    for (line, field) in [
        ("reconcile", "/differences/0/what"),
        ("history 42", "/lines/0/reason"),
        ("explain 42", "/lines/0"),
        ("doctor", "/checks/0/what"),
        ("show 999999", "/error/message"),
        ("import 777777 --yes", "/error/message"),
        ("move 42", "/error/message"),
    ] {
        let (plain, russian) = (said(line, &[]), said(line, &["--lang", "ru"]));
        let text = |document: &serde_json::Value| document.pointer(field).cloned().unwrap_or_default();
        assert!(text(&plain).is_string() && !is_russian(&plain), "{line}: {plain:#}");
        assert!(is_russian(&text(&russian)), "{line}: {russian:#}");
        let names = |document: &serde_json::Value| document.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&plain), names(&russian), "{line}");
    }
    let kind = |options: &[&str]| said("reconcile", options)["differences"][0]["kind"].clone();
    assert_eq!(kind(&[]), kind(&["--lang", "ru"]));
}

/// If the reader of the output goes away early, the command does not fail.
#[test]
fn a_reader_that_goes_away_early_is_no_failure() {
    let t = opened();
    let mut child = std::process::Command::new(crate::support::program_exe())
        .args(["list", "--json"])
        .env("PMISPLICENSE_MGR_ROOT", t.root())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Made from the definitions: every command is in them, wherever they are asked for.
#[test]
fn completions_and_manual_hold_every_command() {
    let bare = tempfile::tempdir().unwrap();
    for args in [vec!["completions", "bash"], vec!["completions", "zsh"], vec!["man"]] {
        let output = std::process::Command::new(crate::support::program_exe())
            .args(&args)
            .env("PMISPLICENSE_MGR_ROOT", bare.path())
            .output()
            .unwrap();
        // The manual's own language writes a hyphen as \-.
        let text = String::from_utf8(output.stdout).unwrap().to_lowercase().replace("\\-", "-");
        for command in ["reconcile", "doctor", "explain", "restore", "import", "whmcs-stopped", "by-address"] {
            assert!(text.contains(command), "{args:?} {command}");
        }
    }
    assert_eq!(std::fs::read_dir(bare.path()).unwrap().count(), 0);
}

/// The domains that a license uses are shown with its product's limit, and a warning appears from 90 % on. If the
/// seller does not count domains, or there is no limit, nothing is invented.
#[test]
fn domains_in_use_are_shown_beside_the_products_limit() {
    let t = opened();
    let shown = || json(&t, "show 42")["fields"]["domains"]["upstream"].clone();
    assert_eq!(shown(), Value::Null, "the seller does not say");
    let says = |words: fn(&str) -> String| {
        t.upstream.clear_faults();
        t.upstream.fault(crate::support::Fault::on("soft.edit?read").reworded(words).always());
        fine(&t, "show 42").contains("domains. Nothing was changed")
    };
    assert!(!says(|right| right.replace("</doc>", "<webdomains>8</webdomains></doc>")));
    assert_eq!(shown(), "8/10");
    assert!(says(|right| right.replace("</doc>", "<webdomains>9</webdomains></doc>")), "90 %");
    t.upstream.edit_license(5001, |l| l.pricelist = 55229);
    assert!(!says(|right| right.replace("</doc>", "<webdomains>900</webdomains></doc>")));
    assert_eq!(shown(), "900", "a product without a limit");
}

/// A look at a license remembers its domains, for list and report; they are no news for the journal. A license that is
/// given back has none.
#[test]
fn domains_of_the_last_look_are_listed_and_reported_until_the_license_is_given_back() {
    let t = opened();
    let listed = || json(&t, "list")["licenses"][0].clone();
    let table = || t.program(["list"]).env("LC_ALL", "C").env("COLUMNS", "100").run().ok().stdout.clone();
    assert_eq!((&listed()["domains"], &listed()["domains_nearly_full"]), (&Value::Null, &false.into()));
    assert!(!table().contains("DOMAINS"), "no column of dashes");
    assert_eq!(json(&t, "report")["domains"]["known"], 0);
    let lines = json(&t, "history 42")["lines"].as_array().unwrap().len();
    let looks = |words: fn(&str) -> String| {
        t.upstream.clear_faults();
        t.upstream.fault(crate::support::Fault::on("soft.edit?read").reworded(words).always());
        t.cmd("sync_item", 42).ok();
    };
    looks(|right| right.replace("</doc>", "<webdomains>8</webdomains></doc>"));
    assert_eq!((&listed()["domains"], &listed()["domains_limit"]), (&8.into(), &10.into()));
    let shown = table();
    assert!(shown.contains(" 8/10 ") && !shown.contains("90 %"), "{shown}");
    assert_eq!(json(&t, "report")["domains"], json!({ "known": 1, "nearly_full": [] }));
    let sheet = || fine(&t, "report --csv").lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(sheet()[0].ends_with(",domains,nearly_full") && sheet()[1].ends_with(",8,0"), "{:?}", sheet());
    looks(|right| right.replace("</doc>", "<webdomains>9</webdomains></doc>"));
    let shown = table().replace("\n  ", " ");
    assert!(shown.contains(" 9/10! "), "{shown}");
    assert!(shown.contains("90 % or more of their domains: 1. Nothing was changed. Next:"), "{shown}");
    assert_eq!((&listed()["domains_nearly_full"], &listed()["problems"]), (&true.into(), &json!([])));
    let full = json!({ "item": 42, "license": 5001, "product": "55227", "domains": 9, "domains_limit": 10 });
    assert_eq!(json(&t, "report")["domains"]["nearly_full"], json!([full]));
    let report = fine(&t, "report").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        report.contains("with 90 % or more of what their product allows: 1") && report.contains("42 5001 55227 9/10"),
        "{report}"
    );
    assert!(sheet()[1].starts_with("55227,") && sheet()[1].ends_with(",9,1"), "{:?}", sheet());
    let page = fine(&t, "report --html");
    assert!(page.contains("<h2>Domains in use</h2>") && page.contains("<td>9/10</td>"), "{page}");
    assert_eq!(json(&t, "history 42")["lines"].as_array().unwrap().len(), lines, "no news for the journal");
    t.upstream.clear_faults();
    assert_eq!(json(&t, "show 42")["fields"]["domains"]["state"], "9/10", "as it was known");
    t.settings("[[product]]\ninternal_name = \"55227\"\ndomains = 20\n");
    assert_eq!(listed()["domains_limit"], 20, "a limit of the settings file");
    t.cmd("close", 42).ok();
    assert_eq!(listed()["domains"], Value::Null, "what the next client has is not known");
}
