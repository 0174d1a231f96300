//! Points that hindered an administrator at work (tests/desk_points.md): words, exit codes, and overlong lines.
use super::{day_in, difference, fine, in_state, json, on_terminal, opened, operator, refused, troubled};
use crate::support::{Fault, Test};

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn russian(t: &Test, line: &str) -> String {
    let output = t.program(line.split(' ').chain(["--lang", "ru"])).env("LC_ALL", "C").env("COLUMNS", "100").run();
    words(&format!("{}{}", output.stdout, output.stderr))
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

/// A license that the seller deleted is not said to last, and a trial is not said to be renewed.
#[test]
fn explain_tells_of_a_deleted_license_and_of_a_trial() {
    let t = opened();
    t.upstream.edit_license(5001, |l| l.status = 4);
    let told = words(&fine(&t, "explain 42"));
    assert!(told.contains("license 5001 is deleted at the seller: sync fails for service 42"), "{told}");
    assert!(told.contains("pmisplicense reconcile --apply") && !told.contains("lasts until"), "{told}");
    t.cmd("sync_item", 42).fails("license_gone");
    t.soft_item(43, "55227", -100).ip("192.0.2.11").expires(&day_in(60)).add();
    t.cmd("open", 43).ok();
    let told = words(&fine(&t, "explain 43"));
    assert!(told.contains("nothing: a trial is never renewed") && !told.contains("is renewed from"), "{told}");
}

/// The digits at the end of a key, as `list` shows them, find the license.
#[test]
fn show_finds_a_license_by_the_digits_at_the_end_of_its_key() {
    let t = opened();
    in_state(&t, "UPDATE license SET lickey = 'ABCD-EF016789'");
    assert_eq!(json(&t, "list")["licenses"][0]["key_end"], "…6789");
    assert!(fine(&t, "show 6789").contains("license 5001"));
    assert!(refused(&t, "show 6788").contains("is no service, license, address or key"));
    assert!(refused(&t, "show 789").contains("is no service"), "too short for a part of a key");
}

/// Nobody has to guess whose a license is, or how it could be bound.
#[test]
fn show_of_a_foreign_license_says_so_and_names_the_command() {
    let t = opened();
    let id = t.upstream.add_foreign(55227, 1, "192.0.2.99", "somebody");
    let told = words(&fine(&t, &format!("show license:{id}")));
    assert!(told.contains(&format!("License {id} is foreign")), "{told}");
    assert!(told.contains(&format!("pmisplicense bind ITEM {id}")), "{told}");
    t.upstream.edit_license(id, |l| l.licname = "Item #42 Service".into());
    let told = words(&fine(&t, &format!("show license:{id}")));
    assert!(told.contains(&format!("pmisplicense bind 42 {id}")), "the service that its name tells: {told}");
    t.upstream.edit_license(id, |l| l.remoteid = "pml-anotherp-42-1".into());
    let told = words(&fine(&t, &format!("show license:{id}")));
    assert!(told.contains(&format!("pmisplicense bind 42 {id} --take-from anotherp")), "{told}");
    assert!(russian(&t, &format!("show license:{id}")).contains("чужая"));
}

/// No line of dashes, and the fields stay for programs.
#[test]
fn show_leaves_out_lines_that_nobody_knows() {
    let t = opened();
    let text = fine(&t, "show 42");
    assert!(text.contains("number") && !text.contains("address since"), "{text}");
    assert!(json(&t, "show 42")["fields"]["ip_changed"].is_object());
}

/// At 80 columns nothing that finds a license is missing; at 60 the name goes first.
#[test]
fn list_keeps_service_day_and_address_the_longest() {
    let t = Test::new();
    t.soft_item(42, "55227", 1).ip("198.51.100.200").licname("a shop with a long name").expires(&day_in(31)).add();
    t.cmd("open", 42).ok();
    let at = |columns: &str| t.program(["list"]).env("LC_ALL", "C").env("COLUMNS", columns).run().ok().stdout.clone();
    for (columns, kept, gone) in [
        ("80", vec!["LICENSE", "STATE", "ITEM", "PRODUCT", "STATUS", "EXPIRES", "198.51.100.200", "a shop"], vec![]),
        ("60", vec!["5001", "bound", "42", "EXPIRES", "198.51.100.200"], vec!["NAME"]),
        ("40", vec!["5001", "42", "EXPIRES"], vec!["NAME", "PRODUCT"]),
    ] {
        let text = at(columns);
        assert!(widest(&text) <= columns.parse().unwrap(), "{columns}: {text}");
        assert!(kept.iter().all(|word| text.contains(word)), "{columns}: {text}");
        assert!(!gone.iter().any(|word| text.contains(word)), "{columns}: {text}");
    }
}

/// Text uses the room that there is: no narrower than the terminal, no wider; nothing is cut for a file.
#[test]
fn history_and_dry_run_use_the_width_of_the_terminal() {
    let t = opened();
    let history = fine(&t, "history 42");
    assert!((50..=60).contains(&widest(&history)), "{history}");
    t.soft_item(43, "55227", 1).ip("192.0.2.11").licname("a shop of many words in its name").expires(&day_in(31)).add();
    let dry = |columns: Option<&str>| {
        let run = t.program(["--command", "open", "--item", "43", "--dry-run"]).env("LC_ALL", "C");
        let run = columns.iter().fold(run, |run, columns| run.env("COLUMNS", columns));
        run.run().ok().stdout.clone()
    };
    let (narrow, whole) = (dry(Some("60")), dry(None));
    assert!(widest(&narrow) <= 60 && widest(&whole) > 100, "{narrow}\n{whole}");
    assert_eq!(words(&narrow), words(&whole), "only the line breaks differ");
    let name = "a name of a shop that is as long as the seller lets names be, for this test";
    t.upstream.edit_license(5001, |l| l.licname = name.into());
    let shown = t.program(["show", "42"]).env("LC_ALL", "C").run().ok().stdout.clone();
    assert!(shown.contains(name) && !shown.contains("shop that…"), "{shown}");
}

/// On a terminal the lines of an error are folded. In a file it is one line.
#[test]
fn errors_are_wrapped_on_a_terminal_and_never_for_a_file() {
    let t = opened();
    let (text, code) = on_terminal(&t, "show 999999", "");
    assert_eq!(code, Some(1), "{text}");
    assert!(widest(&text.replace('\r', "")) <= 80, "{text}");
    assert!(words(&text).starts_with("999999 is no service"), "what happened comes first: {text}");
    let piped = refused(&t, "show 999999");
    assert!(widest(&piped) > 80, "{piped}");
    assert_eq!(words(&piped), words(&text));
    assert!(piped.ends_with("  type: missed\n"), "{piped}");
}

/// Three differences of one service are three steps, each with what is sent; the word for `--only` stays in Russian.
#[test]
fn reconcile_says_for_each_difference_what_it_changes() {
    let t = opened();
    t.upstream.edit_license(5001, |l| (l.autoprolong, l.licname) = ("1".into(), "other".into()));
    let text = words(&troubled(&t, "reconcile"));
    assert!(text.contains("-> automatic renewal of license 5001 is switched off"), "{text}");
    assert!(text.contains("-> name of license 5001 -> shop"), "{text}");
    let told = russian(&t, "reconcile");
    assert!(told.contains("автопродление (autoprolong):") && told.contains("имя лицензии 5001 -> shop"), "{told}");
    assert_eq!(difference(&json(&t, "reconcile"), "autoprolong")["remedy"], "sync");
    t.upstream.edit_license(5001, |l| (l.autoprolong, l.status) = ("null".into(), 1));
    let found = json(&t, "reconcile");
    assert_eq!(difference(&found, "unpaid")["command"], "pmisplicense retry 42", "{found:#}");
    assert!(
        words(&troubled(&t, "reconcile")).contains("pay it in the seller's panel, then run: pmisplicense retry 42")
    );
}

/// A service is one problem: sync fails for it because a purchase was refused.
#[test]
fn a_service_without_money_is_one_problem() {
    let t = opened();
    in_state(&t, "INSERT INTO trouble (item, module, since, times, en, ru) VALUES (42, 7, 1, 3, 'no', 'нет')");
    let note = "INSERT INTO journal (at, item, event, en, ru) VALUES (1, 42, 'waits_nomoney', 'no money', 'нет денег')";
    in_state(&t, note);
    let found = json(&t, "list --problems");
    let kinds: Vec<_> = found["problems"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["sync_fails"], "{found:#}");
    assert!(words(&troubled(&t, "list --problems")).contains("pmisplicense retry --all"));
}

/// A database that is away is named with a step of its own, and nothing that did not happen is told.
#[test]
fn doctor_without_a_database_names_a_next_step() {
    let t = Test::setup().own_database().start();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").expires(&day_in(31)).add();
    t.cmd("open", 42).ok();
    t.database_server().stop();
    let found = json(&t, "doctor");
    let all = found["checks"].as_array().unwrap();
    let database = all.iter().find(|check| check["check"] == "database").unwrap_or_else(|| panic!("{found:#}"));
    assert_eq!(database["level"], "problem");
    assert!(database["next"].is_string(), "{database:#}");
    let what = database["what"].as_str().unwrap();
    assert!(!what.contains("Next:") && !what.contains("not in the journal") && !what.contains(" { "), "{what}");
}

/// The words of the seller or the network are a quotation in a Russian sentence.
#[test]
fn russian_sentences_hold_no_english_ones() {
    let t = opened();
    t.set_item(42, "status", "4");
    t.upstream.fault(Fault::on("soft.edit?set").refused("access").always());
    let run = t.program(["--command", "close", "--item", "42", "--dry-run", "--lang", "ru"]).env("LC_ALL", "C").run();
    assert!(!run.stdout.contains("Next:") && !run.stdout.contains("Nothing"), "{}", run.stdout);
    t.cmd("close", 42).ok();
    t.upstream.stop_listening();
    for line in ["show 42", "explain 42", "history 42", "doctor", "reconcile"] {
        let told = russian(&t, line);
        for english in
            ["Next:", "Nothing was", "was not reached", "Unreachable", "the seller", "upstream ", "SendRequest"]
        {
            assert!(!told.contains(english), "{line}: {english}: {told}");
        }
    }
}

/// The step after a report is a field of its own, for programs.
#[test]
fn a_next_step_is_a_field_of_its_own() {
    let t = opened();
    let copy = t.root().join("copy.db").display().to_string();
    fine(&t, &format!("backup {copy}"));
    let restored = json(&t, &format!("restore {copy} --yes"));
    assert_eq!(restored["next"], "pmisplicense reconcile, then pmisplicense reconcile --apply", "{restored:#}");
    assert!(
        restored["text"]
            .as_str()
            .unwrap()
            .ends_with(". Next: pmisplicense reconcile, then pmisplicense reconcile --apply")
    );
    let asked = operator(&t, &format!("restore {copy}"));
    assert!(
        asked.stderr.starts_with("There is no terminal to ask on. Nothing was done. Next: repeat"),
        "{}",
        asked.stderr
    );
}

/// A closed service that still shows a license which another one got from the pool is no riddle, and a license of a
/// former service with the same number is not offered for binding.
#[test]
fn take_over_leaves_alone_what_our_state_knows() {
    let t = opened();
    t.set_item(42, "status", "4");
    t.cmd("close", 42).ok();
    t.upstream.age(5001, 40);
    t.soft_item(43, "55227", 1).ip("192.0.2.11").expires(&day_in(25)).add();
    in_state(&t, "UPDATE license SET ip_changed = date('now', '-40 days'), key_changed = NULL");
    t.cmd("open", 43).ok();
    assert_eq!(t.item(43).param("licid"), "5001", "from the pool");
    t.set_param(42, "licid", "5001");
    assert_eq!(json(&t, "take-over panel")["licenses"], serde_json::json!([]));
    t.set_item(43, "createdate", &format!("{} 10:45:00", day_in(0)));
    let found = json(&t, "take-over panel");
    let line = &found["licenses"][0];
    assert_eq!((&line["what"], &line["outcome"]), (&"held".into(), &"left".into()), "{found:#}");
    assert!(line["why"].as_str().unwrap().contains("pmisplicense bind 43 5001"), "{line:#}");
    assert!(russian(&t, "take-over panel").contains("не тронута"));
}

/// The options that every command has come after those that only this one has.
#[test]
fn help_lists_the_options_of_a_command_before_those_of_all() {
    let help = Test::new().run(["list", "--help"]).stdout;
    let at = |option: &str| help.find(&format!("\n      {option}")).unwrap_or_else(|| panic!("{option}: {help}"));
    let (own, common) =
        (["--status", "--pool", "--sort"].map(at), ["--config", "--lang", "--verbose", "--json"].map(at));
    assert!(own.iter().max() < common.iter().min(), "{help}");
}
