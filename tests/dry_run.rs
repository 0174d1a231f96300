//! `--dry-run` shows what would be sent and called, and does none of it. The seller's ledger, the state file and the
//! panel stay the same to the byte, and only questions are asked.
use crate::service::{changes, day, ends_in, licid, months, opened, told};
use crate::support::{Fault, Output, Test};
use serde_json::Value;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;

const TAIL: &str = "Each step assumes that those before it succeed; a refusal or a lost answer changes what follows.";
const NAT: &str =
    "is a private or documentation address: the license works only if the server reaches the seller under it";

/// A world whose marks are known.
fn world() -> Test {
    let test = Test::new();
    test.settings("panel_id = \"dryrunaa\"\n");
    test
}

/// Everything in the state's folder: names, lengths and a fingerprint of the bytes.
fn state(test: &Test) -> Vec<(PathBuf, usize, u64)> {
    let folder = test.state_path().parent().unwrap().to_owned();
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            let bytes = std::fs::read(entry.path()).unwrap();
            let mut print = std::hash::DefaultHasher::new();
            bytes.hash(&mut print);
            (entry.path(), bytes.len(), print.finish())
        })
        .collect();
    all.sort();
    all
}

/// A dry run that leaves everything as it was.
fn dry_output(test: &Test, args: &[&str]) -> Output {
    crate::service::forget(test);
    let before = (test.upstream.ledger(), test.upstream.licenses(), state(test));
    let output = test.run([&["--command"], args, &["--dry-run"]].concat());
    let after = (test.upstream.ledger(), test.upstream.licenses(), state(test));
    assert_eq!(format!("{before:#?}"), format!("{after:#?}"), "{args:?}");
    assert_eq!((changes(test), told(test)), (Vec::new(), Vec::new()), "{args:?}");
    output
}

/// The lines of a dry run between its first and its last; S is the seller's address.
fn dry(test: &Test, args: &[&str]) -> Vec<String> {
    let output = dry_output(test, args);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{}\n{}", output.stdout, output.story);
    let seller = format!("127.0.0.1:{}", test.upstream.port());
    let lines: Vec<String> = output.stdout.lines().map(|line| line.replace(&seller, "S")).collect();
    let (first, rest) = lines.split_first().unwrap();
    let item =
        args.iter().position(|word| *word == "--item").map_or_else(String::new, |at| format!(" {}", args[at + 1]));
    let about = format!("{}{item}", args[0]);
    assert_eq!(*first, format!("Dry run of {about}: questions were asked; nothing was sent, called or written."));
    let (last, middle) = rest.split_last().unwrap();
    let nothing = !middle.iter().any(|line| line.starts_with("would "));
    assert_eq!(last, if nothing { "Nothing would be changed." } else { TAIL });
    middle.to_vec()
}

/// Only what would be done, without the reasons.
fn steps(test: &Test, args: &[&str]) -> Vec<String> {
    dry(test, args).into_iter().filter(|line| line.starts_with("would ")).collect()
}

/// An order, all that follows its success, in words and numbers that nobody has given yet; no state file is made.
#[test]
fn a_dry_run_of_open_shows_the_order_and_makes_no_state() {
    let test = world();
    test.soft_item(41, "55227", 1).ip("192.0.2.41").licname("a shop").expires(&day(31)).add();
    let want = [
        format!("  There is no state file {} yet. This command only looks and does not create it.", test.state_path().display()),
        format!("  192.0.2.41 {NAT}"),
        "  order of 55227 for service 41, ordered for 1 month: period of the service 1".to_owned(),
        "would send (costs money) to S: soft.order.param clicked_button=finish sok=ok skipbasket=on pricelist=55227 period=1 ip=192.0.2.41 licname='a shop' remoteid=pml-dryrunaa-41-1 autoprolong=null".to_owned(),
        format!("  license NEW bound, good until {}", months(&day(0), 1)),
        format!("  192.0.2.41 {NAT}"),
        "would call: service.saveparam sok=ok elid=41 lickey=*** licid=NEW crypted=off".to_owned(),
        "would call: soft.open elid=41 sok=ok".to_owned(),
        "In all 5.00 EUR. The balance is 10000.00 EUR. After that 9995.00 EUR is left.".to_owned(),
    ];
    assert_eq!(dry(&test, &["open", "--item", "41"]), want);
    assert!(!test.state_path().exists());
    test.cmd("open", 41).ok();
    assert_eq!(licid(&test, 41), 5001);
    assert_eq!(
        steps(&test, &["open", "--item", "41"]),
        ["would call: soft.open elid=41 sok=ok"],
        "what was bought is not bought again"
    );
    test.assert_clean();
}

/// The commands about a service that has its license.
#[test]
fn a_dry_run_shows_what_each_command_would_do() {
    let test = world();
    let id = opened(&test, 42, "55227", 1);
    let end = months(&day(0), 1);
    let want = [
        format!("would send (costs money) to S: service.prolong elid={id} period=1 sok=ok"),
        format!(
            "  prolong: license {id} runs out on {end}, paid until {}: renewed for 1 month; period of the service 1",
            months(&test.item(42).expiredate.unwrap(), 1)
        ),
        "would call: service.postprolong elid=42 sok=ok".to_owned(),
        "In all 5.00 EUR. The balance is 9995.00 EUR. After that 9990.00 EUR is left.".to_owned(),
    ];
    assert_eq!(dry(&test, &["prolong", "--item", "42"]), want);
    let want = [
        format!("would send to S: soft.suspend elid={id}"),
        format!("  license {id} is stopped: the service is suspended"),
        "would call: service.postsuspend elid=42 sok=ok".into(),
    ];
    assert_eq!(dry(&test, &["suspend", "--item", "42"]), want);
    let want = [
        format!("  service 42 gave license {id} back"),
        format!("would send to S: soft.suspend elid={id}"),
        format!(
            "would send to S: soft.edit elid={id} sok=ok ip=0.0.0.0 licname=free.lic remoteid=pml-dryrunaa-free autoprolong=null"
        ),
        format!("  license {id}: freed into the pool"),
        "would call: service.postclose elid=42 sok=ok".to_owned(),
    ];
    assert_eq!(dry(&test, &["close", "--item", "42"]), want);
    assert_eq!(steps(&test, &["sync_item", "--item", "42"]), Vec::<String>::new());
    assert_eq!(
        steps(&test, &["gen_key", "--item", "42"]),
        [
            format!("would send to S: soft.edit elid={id} sok=ok clicked_button=newkey"),
            "would call: service.saveparam sok=ok elid=42 lickey=*** crypted=off".to_owned()
        ]
    );
    test.cmd("suspend", 42).ok();
    test.set_item(42, "status", "3");
    assert_eq!(
        dry(&test, &["resume", "--item", "42"]),
        [
            format!("would send to S: soft.resume elid={id}"),
            format!("  license {id} is started: the service is active"),
            "would call: service.postresume elid=42 sok=ok".into()
        ]
    );
    test.assert_clean();
}

/// The client's changes: the address, and another tariff that costs money.
#[test]
fn a_dry_run_shows_what_a_client_changed_and_what_costs_money() {
    let test = world();
    let id = opened(&test, 42, "55227", 1);
    test.set_param(42, "ip", "192.0.2.77");
    let want = [
        format!("  192.0.2.77 {NAT}"),
        format!("would send to S: soft.edit elid={id} sok=ok ip=192.0.2.77"),
        format!("  address of license {id} -> 192.0.2.77"),
        "would call: service.postsetparam elid=42 sok=ok".to_owned(),
    ];
    assert_eq!(dry(&test, &["setparam", "--item", "42"]), want);
    assert_eq!(steps(&test, &["sync_item", "--item", "42"]), [want[1].clone()]);
    test.cmd("setparam", 42).ok();
    test.choose(42, "55228");
    let lines = steps(&test, &["setparam", "--item", "42"]);
    assert_eq!(
        lines,
        [
            format!("would send (costs money) to S: service.changepricelist elid={id} pricelist=55228 period=1 sok=ok"),
            "would call: service.postsetparam elid=42 sok=ok".to_owned()
        ]
    );
}

/// A pass over everything: renewals of several services, as the real pass then makes them.
#[test]
fn a_dry_run_of_sync_shows_the_renewals_of_the_real_sync_pass() {
    let test = world();
    let ids: Vec<u64> = (42..45).map(|item| opened(&test, item, "55227", 1)).collect();
    for (item, id) in (42..45).zip(&ids) {
        ends_in(&test, *id, 1);
        test.set_item(item, "expiredate", &day(31));
        test.set_item(item, "status", "2");
    }
    assert_eq!(steps(&test, &["sync"]).len(), 3, "{}", test.story());
    let rehearsed = steps(&test, &["sync_server", "--module", "7"]);
    let want: Vec<String> = ids
        .iter()
        .map(|id| format!("would send (costs money) to S: service.prolong elid={id} period=1 sok=ok"))
        .collect();
    assert_eq!(rehearsed, want);
    let output = test.program(["sync", "--dry-run"]).env("LC_ALL", "C").run();
    assert_eq!(output.stdout.matches("would send (costs money)").count(), 3, "{}", output.stdout);
    assert_eq!(test.upstream.billed("service.prolong"), 0);
    for (balance, left) in [(2_000, ". After that 5.00 EUR is left."), (1_499, ", which is not enough.")] {
        test.upstream.with(|world| world.balance = balance);
        let sum = format!("In all 15.00 EUR. The balance is {}.{:02} EUR{left}", balance / 100, balance % 100);
        assert_eq!(dry(&test, &["sync"]).pop(), Some(sum));
    }
    let json: Value = serde_json::from_str(&dry_output(&test, &["sync", "--json"]).stdout).unwrap();
    let bought = &json["to_buy"][0];
    assert_eq!((&bought["costs"], &bought["suffices"]), (&serde_json::json!(["15.00 EUR"]), &false.into()), "{json:#}");
    assert_eq!(json["steps"].as_array().unwrap().iter().filter(|step| step["price"] == "5.00 EUR").count(), 3);
    explains_what_the_renewal_costs(&test);
    test.upstream.with(|world| world.balance = 1_000_000);
    test.run(["--command", "sync"]).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 3);
    assert_eq!(steps(&test, &["sync"]), Vec::<String>::new());
}

/// explain names the price, the sum and what the balance lacks or keeps, where it asks the seller anyway.
fn explains_what_the_renewal_costs(test: &Test) {
    let said = |lang: &str| {
        let output = test.run(["explain", "42", "--lang", lang]);
        output.ok().stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    test.upstream.with(|world| world.balance = 499);
    for (lang, words) in [
        ("en", ["(costs 5.00 EUR)", "In all 5.00 EUR. The balance is 4.99 EUR, which is not enough."]),
        ("ru", ["(стоит 5.00 EUR)", "Всего 5.00 EUR. На счёте 4.99 EUR, этого не хватит."]),
    ] {
        words.iter().for_each(|word| assert!(said(lang).contains(word), "{}", said(lang)));
    }
    test.upstream.with(|world| world.balance = 700);
    let json: Value = serde_json::from_str(&test.run(["explain", "42", "--json"]).ok().stdout).unwrap();
    let told = ["balance", "balance_after"].map(|name| json[name].as_str().unwrap_or_default());
    assert_eq!((told, &json["suffices"]), (["7.00 EUR", "2.00 EUR"], &true.into()), "{json:#}");
    test.upstream.fault(Fault::on("subaccount").always().status(500));
    assert!(said("en").contains("In all 5.00 EUR. The balance is not known."), "{}", said("en"));
    test.upstream.clear_faults();
    test.soft_item(60, "55227", 1).ip("192.0.2.60").add();
    let asked = test.upstream.requests_of("subaccount").len();
    let open = test.run(["explain", "60"]).ok().stdout.clone();
    assert!(open.contains("open obtains one (list price 5.00 EUR)"), "{open}");
    assert_eq!(test.upstream.requests_of("subaccount").len(), asked, "not asked for the balance alone");
    test.set_item(60, "status", "4");
}

/// Why it would fail, and what the panel would be told of it; in Russian, for programs, with the panel switched off.
#[test]
fn a_dry_run_tells_why_it_would_fail_in_each_form() {
    let test = world();
    test.soft_item(41, "nosuch", 1).ip("192.0.2.41").add();
    let operation = test.operation(41, "open").to_string();
    let output = dry_output(&test, &["open", "--item", "41", "--runningoperation", &operation]);
    assert_eq!(output.code, Some(1));
    assert!(output.stdout.contains(&format!("would call: runningoperation.edit sok=ok elid={operation} errorxml=…\n")));
    assert!(output.stdout.contains("\nIt would fail with unknown_internal_name: "), "{}", output.stdout);
    assert_eq!(test.errorxml(operation.parse().unwrap()), None);
    opened(&test, 42, "55227", 1);
    test.do_nothing(true);
    let output = dry_output(&test, &["suspend", "--item", "42", "--lang", "ru"]);
    assert!(output.stdout.starts_with("Пробный прогон suspend 42: заданы только вопросы"), "{}", output.stdout);
    assert!(
        output.stdout.contains("etc/billmgr.DoNothing") && output.stdout.contains("вызвал бы: service.postsuspend")
    );
    let output = dry_output(&test, &["suspend", "--item", "42", "--json"]);
    let json: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((&json["of"], &json["item"], &json["switched_off"]), (&"suspend".into(), &42.into(), &true.into()));
    assert_eq!(json["steps"][0]["step"], "send");
    assert_eq!(json["steps"][0]["params"]["elid"], "5001");
    assert_eq!(json["steps"][1]["step"], "note");
    assert_eq!(json["steps"][2]["func"], "service.postsuspend");
    assert!(json["error"].is_null());
    test.do_nothing(false);
    test.upstream.fault(Fault::on("soft.edit").always().status(500));
    let output = dry_output(&test, &["suspend", "--item", "42", "--json"]);
    let json: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((output.code, &json["error"]["type"]), (Some(1), &"bad_answer".into()), "{json:#}");
}

/// A license that nobody has becomes a service that the panel has not made yet.
#[test]
fn a_dry_run_of_import_shows_the_service_not_yet_made() {
    let test = world();
    let id = test.upstream.add_foreign(55227, 1, "192.0.2.50", "theirs");
    let lines = steps(&test, &["import", "--module", "7", "--itemtype", "soft", "--param", &id.to_string()][..]);
    let call = "would call: processing.import.service sok=ok module=7 import_itemtype_intname=soft status=2 ";
    assert!(lines[0].starts_with(call), "{lines:#?}");
    assert!(lines[0].contains(&format!("lickey=*** licid={id}")));
    assert_eq!(lines.len(), 1);
}

/// `--verbose`: requests, answers and calls with their times on stderr, stdout as without it; the log at its usual
/// level does not grow by them, at level 9 it holds the same.
#[test]
fn verbose_shows_requests_answers_and_calls_without_secrets() {
    let test = world();
    let id = opened(&test, 42, "55227", 1);
    let log = test.log().len();
    let output = test.run(["--command", "sync_item", "--item", "42", "--verbose"]);
    output.ok().stdout("");
    let lines: Vec<&str> =
        output.stderr.lines().filter_map(|line| line.split_once(' ')).map(|(_, text)| text).collect();
    let times = output.stderr.lines().all(|line| line.as_bytes().get(2) == Some(&b':') && line.get(8..9) == Some(","));
    assert!(times, "{}", output.stderr);
    assert!(lines.contains(&format!("127.0.0.1 > soft.edit elid={id}").as_str()), "{lines:#?}");
    let answer = lines.iter().find(|line| line.starts_with("127.0.0.1 < ")).unwrap();
    assert!(answer.contains(" ms <doc") && answer.contains("<lickey>***</lickey>"), "{answer}");
    assert!(lines.contains(&"mgrctl > paramlist") && lines.iter().any(|line| line.contains("<DBPassword>***<")));
    assert!(!test.log()[log..].contains(" > "), "{}", &test.log()[log..]);
    std::fs::write(test.root().join("etc/debug.conf"), "pmisplicense.* 9\n").unwrap();
    assert_eq!(test.cmd("sync_item", 42).ok().stderr, "");
    assert!(test.log().contains(&format!("127.0.0.1 > soft.edit elid={id}")));
    test.assert_clean();
}
