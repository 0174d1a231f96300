//! The settings file through the binary: where it is found, what is refused with key and line, the sample file,
//! choices for one module, and money: the smallest balance and the back-off after a refusal.
use crate::service::{changes, forget, opened, sent, state, told};
use crate::support::{Fault, MgrctlFault, MgrctlFaultKind, Test};

/// A bad file stops every command that needs it, names key and line, and nothing is touched.
#[test]
fn a_bad_file_is_named_with_key_and_line_and_touches_nothing() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    for (text, key, line) in [
        ("on_close = \"keep\"\n", "on_close", "1"),
        ("\n\nno_such_key = 1\n", "no_such_key", "3"),
        ("[upstream]\nsettle_s = 0\n", "upstream.settle_s", "2"),
        ("[upstream]\nsettle_s = \"x\"\n", "upstream.settle_s", "2"),
        ("[[product]]\ninternal_name = \"a\"\npricelist = 1\nperiods = [0]\n", "product.periods", "4"),
        ("[[period_alignment]]\nfrom = 1\nto = 0\n", "period_alignment.to", "3"),
        ("panel_id = \"Ab\"\n", "panel_id", "1"),
        ("renew_before_days = -1\n", "renew_before_days", "1"),
        ("upstream_timezone = \"Mars/Base\"\n", "upstream_timezone", "1"),
    ] {
        test.settings(text);
        let output = test.cmd("open", 42);
        let words = output.fails("config").message().to_owned();
        let file = test.root().join("etc/pmisplicense.toml").display().to_string();
        let begins = format!("Settings file {file}, line {line}, {key}: ");
        assert!(words.starts_with(&begins), "{text}: {words}");
        assert!(words.ends_with("Nothing was done. Next: correct the line and repeat"), "{text}: {words}");
        assert_eq!(output.attribute("object"), key, "{text}");
        assert_eq!((sent(&test), test.state_path().exists()), (Vec::new(), false), "{text}");
    }
    test.settings("= [\n");
    test.cmd("open", 42).fails("config");
    assert_eq!(told(&test), Vec::<String>::new());
}

/// The sample file is what the program does without one.
#[test]
fn the_sample_is_what_the_program_does_without_a_file() {
    let test = Test::new();
    let sample = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/etc/pmisplicense.toml")).unwrap();
    let root = test.root().display().to_string();
    test.settings(&sample.replace("/usr/local/mgr5", &root));
    opened(&test, 42, "55227", 1);
    assert!(test.state_path().exists() && test.root().join("var/pmisplicense.log").exists());
}

/// --config and the environment name the file; state and log go where they say, readable by nobody else.
#[test]
fn option_and_environment_say_where_the_files_are() {
    use std::os::unix::fs::PermissionsExt;
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    let other = test.root().join("other.toml");
    std::fs::write(&other, "on_close = \"keep\"\n").unwrap();
    let path = other.display().to_string();
    test.run(["--command", "open", "--item", "42", "--config", &path]).fails("config");
    test.program(["--command", "open", "--item", "42"]).env("PMISPLICENSE_CONFIG", &path).run().fails("config");
    let elsewhere = test.root().join("elsewhere/state.db");
    let run = test.program(["--command", "open", "--item", "42"]).env("PMISPLICENSE_STATE", &elsewhere).run();
    run.ok();
    assert!(elsewhere.exists() && !test.state_path().exists());
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&elsewhere), mode(elsewhere.parent().unwrap())), (0o600, 0o700));
}

/// Files that the environment names must be there, like those that the command line names. Defaults in their place
/// would buy by other rules, and without the machine's file a copied panel would not be noticed.
#[test]
fn a_file_that_the_environment_names_must_be_there() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    let missing = test.root().join("etc/nosuch");
    for variable in ["PMISPLICENSE_CONFIG", "PMISPLICENSE_MACHINE_ID"] {
        let output = test.program(["--command", "open", "--item", "42"]).env(variable, &missing).run();
        let message = output.fails("config").message().to_owned();
        assert!(message.contains(&missing.display().to_string()), "{message}");
        let person = test.program(["list"]).env(variable, &missing).run();
        assert!(person.code == Some(1) && person.stderr.ends_with("type: config\n"), "{person:?}");
    }
    assert_eq!((sent(&test), told(&test), test.state_path().exists()), (Vec::new(), Vec::new(), false));
    // An empty variable names nothing.
    test.program(["--command", "open", "--item", "42"]).env("PMISPLICENSE_CONFIG", "").run().ok();
}

/// A relative folder or file is the same as the one written out: it is found from the folder in which the program was
/// started, by the program and by all that it starts.
#[test]
fn relative_paths_are_the_same_as_those_written_out() {
    let test = Test::new();
    let below = test.root().join("below");
    std::fs::create_dir(&below).unwrap();
    std::fs::write(below.join("other.toml"), "state = \"var/here/state.db\"\nlog = \"var/here.log\"\n").unwrap();
    let from_below = ["sh", "-c", "cd below && exec \"$0\" \"$@\""];
    for (item, command) in [(42, "open"), (42, "sync_item"), (43, "open")] {
        let number = item.to_string();
        if command == "open" {
            test.soft_item(item, "55227", 1).ip(&format!("192.0.2.{item}")).add();
        }
        let words = ["--command", command, "--item", &number, "--config", "other.toml"];
        test.program(words).env("PMISPLICENSE_MGR_ROOT", "..").through(&from_below).run().ok();
        assert_eq!(test.item(item).status, 2);
    }
    assert!(test.root().join("var/here/state.db").exists() && test.root().join("var/here.log").exists());
    test.soft_item(44, "55227", 1).ip("192.0.2.44").add();
    let run = test.program(["--command", "open", "--item", "44"]).env("PMISPLICENSE_CONFIG", "other.toml");
    run.env("PMISPLICENSE_STATE", "state.db").through(&from_below).run().ok();
    assert!(below.join("state.db").exists());
    test.assert_clean();
}

/// A file that an editor saved in another encoding says so; a byte order mark is nothing.
#[test]
fn a_settings_file_in_another_encoding_is_refused_by_that_name() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    let file = test.root().join("etc/pmisplicense.toml");
    let windows: &[u8] = b"on_close = \"pool\"\n# \xef\xee\xf1\xeb\xe5\n";
    let utf16: Vec<u8> = "\u{feff}# ж\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, line) in [(windows, "2"), (&utf16, "1")] {
        std::fs::write(&file, bytes).unwrap();
        let output = test.cmd("open", 42);
        let message = output.fails("config").message().to_owned();
        let begins = format!("Settings file {}, line {line}: the file is not UTF-8. Nothing was done.", file.display());
        assert!(message.starts_with(&begins) && message.contains("iconv"), "{message}");
    }
    assert_eq!((sent(&test), test.state_path().exists()), (Vec::new(), false));
    std::fs::write(&file, "\u{feff}on_close = \"pool\" # после\n").unwrap();
    test.cmd("open", 42).ok();
}

/// post_open = "service": another call tells the panel that the service is open.
#[test]
fn post_open_chooses_the_call_that_tells_the_panel() {
    let test = Test::new();
    test.settings("post_open = \"service\"\n");
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.cmd("open", 42).ok();
    assert_eq!(
        (told(&test), test.item(42).status),
        (["service.saveparam", "service.postopen"].map(String::from).to_vec(), 2)
    );
}

/// post_open = "both", on a panel that needs both: whatever dies between the two calls, the next run makes what is
/// missing, once the panel repeats the operation or sync comes by. The service of another module gets neither call.
#[test]
fn a_service_is_open_after_both_calls_wherever_a_run_dies_between_them() {
    let both = ["service.saveparam", "soft.open", "service.postopen"];
    for next in ["open", "sync_item"] {
        let test = Test::setup().modes(&[crate::support::modes::mode("post-open-both").unwrap()]).start();
        test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
        test.mgrctl_fault(MgrctlFault::on("service.postopen", MgrctlFaultKind::ErrorDocument));
        assert_eq!(test.cmd("open", 42).code, Some(1));
        assert_eq!((told(&test), test.item(42).status), (both.map(String::from).to_vec(), 5));
        test.clear_mgrctl();
        test.cmd(next, 42).ok();
        assert_eq!((told(&test), test.item(42).status), (both[1..].iter().map(|f| (*f).into()).collect(), 2), "{next}");
        test.clear_mgrctl();
        test.cmd("sync_item", 42).ok();
        assert_eq!(told(&test), Vec::<String>::new());
        test.vds_item(43, "55227", 1).addresses(&["192.0.2.20"]).add();
        test.cmd("open", 43).ok();
        assert_eq!(told(&test), ["service.saveparam"]);
    }
}

/// The same with a real kill: the panel has carried out the first call, and the run is dead before the second.
#[test]
fn a_run_killed_between_the_two_calls_leaves_what_the_next_run_completes() {
    for next in ["open", "sync_item"] {
        let test = Test::setup().modes(&[crate::support::modes::mode("post-open-both").unwrap()]).start();
        test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
        // The tool has done its work and does not come back: the run waits for it.
        test.mgrctl_fault(MgrctlFault::on("soft.open", MgrctlFaultKind::HangAfter).ms(60_000));
        let running = test.spawn(["--command", "open", "--item", "42"]);
        let start = std::time::Instant::now();
        while test.item(42).status != 5 {
            assert!(start.elapsed() < std::time::Duration::from_secs(60), "{}", test.story());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(running.kill().code, None, "killed");
        assert_eq!(told(&test), ["service.saveparam", "soft.open"]);
        test.clear_mgrctl_faults();
        test.clear_mgrctl();
        test.cmd(next, 42).ok();
        assert_eq!(
            (told(&test), test.item(42).status),
            (vec!["soft.open".into(), "service.postopen".into()], 2),
            "{next}"
        );
        assert_eq!(test.upstream.billed("soft.order.param"), 1, "{next}");
        test.clear_mgrctl();
        test.cmd("sync_item", 42).ok();
        assert_eq!(told(&test), Vec::<String>::new());
    }
}

/// panel_id is pinned: marks bear it whatever state file there is.
#[test]
fn marks_bear_the_pinned_panel_id() {
    let test = Test::new();
    test.settings("panel_id = \"abcd1234\"\n");
    opened(&test, 42, "55227", 1);
    assert_eq!(crate::service::only_license(&test).remoteid, "pml-abcd1234-42-1");
}

/// Below the smallest balance nothing is bought or renewed; closing and stopping go on.
#[test]
fn nothing_is_bought_or_renewed_below_the_minimum_balance() {
    let test = Test::new();
    opened(&test, 41, "55228", 1);
    test.settings("[module.7]\nminimum_balance = \"50.00\"\n");
    test.upstream.set_balance(4_999);
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    assert_eq!(test.cmd("open", 42).fails("nomoney").attribute("object"), "minimum_balance");
    let operation = test.prolong_paid(41);
    test.cmd_op("prolong", 41, operation).fails("nomoney");
    assert_eq!(changes(&test), Vec::<String>::new());
    test.cmd("suspend", 41).ok();
    test.cmd("resume", 41).ok();
    test.upstream.set_balance(5_000);
    test.cmd("open", 42).ok();
}

/// After a refusal for money a run only asks the balance, until it has grown or fifteen minutes are over.
#[test]
fn after_a_refusal_for_money_a_run_only_asks_the_balance() {
    for (words, kind) in [("no_money", "nomoney"), ("blocked", "blocked")] {
        let test = Test::new();
        test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
        test.upstream.fault(Fault::on("soft.order.param").refused(words).times(2));
        test.cmd("open", 42).fails(kind);
        forget(&test);
        let again = test.cmd("open", 42);
        let refused_at = state(&test, "SELECT refused_at FROM account").parse().unwrap();
        let until = chrono::DateTime::from_timestamp(refused_at, 0).unwrap() + chrono::Duration::minutes(15);
        assert!(again.fails(kind).message().contains(&until.format("tried again after %H:%M UTC").to_string()));
        assert_eq!(test.upstream.funcs(), ["soft", "subaccount"], "{words}");
        // Time passes: tried again, refused again.
        crate::service::alter_state(&test, "UPDATE account SET refused_at = refused_at - 901");
        test.cmd("open", 42).fails(kind);
        assert_eq!(test.upstream.requests_of("soft.order.param").len(), 1, "{words}");
        // Money comes: tried at once, and a success lifts the back-off for everybody.
        test.upstream.set_balance(2_000_000);
        test.cmd("open", 42).ok();
        assert_eq!(state(&test, "SELECT count(*) FROM account WHERE refused_kind IS NOT NULL"), "0");
    }
}

/// Words of a seller are understood by a table that the settings extend.
#[test]
fn the_settings_teach_the_program_a_sellers_words() {
    let test = Test::new();
    test.settings("[[refusal]]\ntype = \"odd\"\nmeans = \"nomoney\"\n");
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.upstream.fault(Fault::on("soft.order.param").refused("odd"));
    test.cmd("open", 42).fails("nomoney");
}
