//! `sync` saves and reports what changed at the seller, and never buys anything again. Also the other commands about
//! licenses that are kept.
use super::*;

#[test]
fn a_license_that_is_gone_is_reported_and_never_bought_again() {
    let test = opened();
    test.orderbox().remove_key(ORDER);
    for _ in 0..2 {
        let output = sync(&test);
        assert!(output.fails("license_gone").message().contains("4001"), "{}", output.message());
    }
    let told = problems(&test);
    assert!(told.len() == 1 && told[0].contains("Hosting order 4001 has no license any more"), "{told:?}");
    nothing_sent(&test);
    assert_eq!(test.orderbox().charges(ORDER), 1);
}

/// A problem is registered once as long as it lasts. When it was over, it is registered again, and the log and the
/// history say what became of it.
#[test]
fn a_problem_that_was_over_is_reported_again() {
    type Step = fn(&Test);
    let begins_and_ends: [(&str, &str, Step, Step); 3] = [
        (
            "has the status Suspended",
            "hosting order 4001 is active again",
            |test| test.orderbox().edit(ORDER, |o| o.status = "Suspended".into()),
            |test| test.orderbox().edit(ORDER, |o| o.status = "Active".into()),
        ),
        (
            "has no license any more",
            "hosting order 4001 shows its license again",
            |test| test.orderbox().edit(ORDER, |o| o.key_late_reads = u32::MAX),
            |test| test.orderbox().edit(ORDER, |o| o.key_late_reads = 0),
        ),
        (
            "Nobody pays for service 42",
            "no renewal of hosting order 4001 that nobody pays for is near any more",
            |test| test.set_item(ITEM, "status", "3"),
            |test| test.set_item(ITEM, "status", "2"),
        ),
    ];
    for (problem, end, begin, over) in begins_and_ends {
        let test = opened();
        test.orderbox().edit(ORDER, |o| (o.recurring, o.ends) = (true, Order::new(1).ends_in(10).ends));
        test.set_item(ITEM, "expiredate", &crate::service::day(30));
        for round in 1..=2 {
            begin(&test);
            for _ in 0..2 {
                sync(&test);
            }
            let told = problems(&test);
            assert_eq!(told.iter().filter(|line| line.contains(problem)).count(), round, "{told:?}");
            // Apart from what failed for the service.
            let is_it = |line: &&str| {
                line.contains("WARNING") && line.contains(problem) && !line.contains("WARNING service 42: ")
            };
            assert_eq!(test.log().lines().filter(is_it).count(), round, "{}", test.log());
            over(&test);
            for _ in 0..2 {
                sync(&test).ok();
            }
            assert_eq!(test.log().matches(end).count(), round, "{}", test.log());
        }
        assert_eq!(problems(&test).len(), 2, "{problem}: {}", test.story());
        let history = operator(&test, "history 42").stdout;
        assert_eq!((history.matches(problem).count(), history.matches(end).count()), (2, 2), "{history}");
        nothing_sent(&test);
    }
}

/// Likewise for a license that its service got again in between.
#[test]
fn a_second_close_tells_what_the_license_costs_again() {
    for settings in ["", "on_close = \"keep\"\n"] {
        let test = opened_with(settings, |_| {});
        for round in 1..=2 {
            for _ in 0..2 {
                test.cmd("close", ITEM).ok();
            }
            assert_eq!(problems(&test).len(), round, "{settings}: {}", test.story());
            test.set_item(ITEM, "status", "1");
            test.cmd("reopen", ITEM).ok();
        }
        served(&test);
        nothing_sent(&test);
    }
}

/// Details that name no order, or another one, prove nothing.
#[test]
fn details_of_nothing_are_no_proof_that_a_license_is_gone() {
    for fault in ["http_502", "truncated", "html", "empty"] {
        let test = opened();
        test.orderbox().fault(crate::support::Fault::by_name("details", fault, None, None).unwrap().always());
        sync(&test);
        test.orderbox().clear_faults();
        assert!(!problems_reported(&test).contains("license_gone"), "{fault}: {}", test.story());
        sync(&test).ok();
        served(&test);
    }
    let test = opened();
    let reworded = |right: &str| right.replace("4001", "4009").replace("licenseKey", "other");
    test.orderbox().fault(crate::support::Fault::on("details").reworded(reworded).always());
    sync(&test);
    assert!(!problems_reported(&test).contains("license_gone"), "{}", test.story());
}

#[test]
fn a_key_that_changed_is_saved() {
    let test = opened();
    test.orderbox().edit(ORDER, |o| o.key = "Reseller-reissued-77".into());
    sync(&test).ok();
    served(&test);
    nothing_sent(&test);
    let history = operator(&test, "history 42").stdout;
    assert!(history.contains("the key changed"), "{history}");
    assert!(!history.contains("Reseller-reissued-77"), "{history}");
}

#[test]
fn a_hosting_that_does_not_run_is_reported() {
    let test = opened();
    test.orderbox().edit(ORDER, |o| o.status = "Suspended".into());
    sync(&test);
    let told = problems(&test);
    assert!(told.len() == 1 && told[0].contains("4001") && told[0].contains("Suspended"), "{told:?}");
    nothing_sent(&test);
}

/// A service nobody pays for, on a hosting that renews itself soon, with its license.
#[test]
fn a_renewal_that_nobody_pays_for_is_announced() {
    for (status, paid, days, is_recurring, is_told) in [
        ("3", -5, 10, true, true),
        ("2", -5, 10, true, true),
        ("3", -5, 20, true, false),
        ("3", -5, 10, false, false),
        ("2", 30, 10, true, false),
    ] {
        let test = opened();
        test.orderbox().edit(ORDER, |o| {
            (o.recurring, o.term, o.ends) = (is_recurring, 3, Order::new(1).ends_in(days).ends);
        });
        test.set_item(ITEM, "status", status);
        test.set_item(ITEM, "expiredate", &crate::service::day(paid));
        sync(&test);
        let told = problems(&test);
        let has = told.iter().any(|line| line.contains("Nobody pays") && line.contains(&end_of_order(&test)));
        assert_eq!((has, told.len()), (is_told, is_told.into()), "{status} {paid} {days} {is_recurring}: {told:?}");
        nothing_sent(&test);
    }
}

/// Likewise while the license of a closed service waits for an operator, or is kept.
#[test]
fn a_renewal_of_a_closed_service_is_announced() {
    for settings in ["", "on_close = \"keep\"\n"] {
        let test = opened_with(settings, |_| {});
        test.cmd("close", ITEM).ok();
        let told = || {
            let end = end_of_order(&test);
            let is_it = |line: &&String| line.contains("renews hosting order 4001") && line.contains(&end);
            problems(&test).iter().filter(is_it).count()
        };
        sync(&test);
        assert_eq!(told(), 0, "the hosting is not renewed: {}", test.story());
        test.orderbox().edit(ORDER, |o| (o.recurring, o.term, o.ends) = (true, 3, Order::new(1).ends_in(10).ends));
        for _ in 0..2 {
            sync(&test);
        }
        assert_eq!(told(), 1, "{settings}: {}", test.story());
        nothing_sent(&test);
    }
}

#[test]
fn the_administrators_commands_know_these_licenses() {
    let test = opened();
    for line in ["list", "show 42", "history 42", "explain 42", "reconcile", "doctor", "list --json", "show 42 --json"]
    {
        let output = operator(&test, line);
        let text = format!("{}{}", output.stdout, output.stderr);
        assert!(text.contains("4001") || ["reconcile", "doctor"].contains(&line), "{line}: {text}");
        assert!(!text.contains(&test.orderbox().with(|w| w.options.key.clone())), "{line}");
    }
    nothing_sent(&test);
}

/// These purchases are counted as purchases. A license that waits for its removal waits for nothing else.
#[test]
fn reports_and_metrics_count_these_purchases() {
    let test = shop();
    test.settings("[orderbox]\nprice_month = \"800.00 RUB\"\n");
    let metrics = || operator(&test, "metrics").stdout;
    assert!(metrics().contains("pmisplicense_month_purchases{kind=\"add\"} 0"), "{}", metrics());
    test.cmd("open", ITEM).ok();
    assert!(metrics().contains("pmisplicense_month_purchases{kind=\"add\"} 1"), "{}", metrics());
    let counts = || {
        let output = operator(&test, "report --json");
        let report: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        let product = &report["products"][0];
        (product["bought"].as_u64(), product["bound"].as_u64(), product["pool"].as_u64(), product["cost"].clone())
    };
    assert_eq!(counts(), (Some(1), Some(1), Some(0), "800.00 RUB".into()));
    test.cmd("close", ITEM).ok();
    assert_eq!(counts(), (Some(1), Some(0), Some(0), "800.00 RUB".into()));
}

/// reconcile names orders with a license that nobody has. The panel's command names only those of them that the
/// operator asked for.
#[test]
fn a_list_of_orders_that_cannot_be_read_is_named_as_such() {
    let test = opened();
    test.orderbox().fault(crate::support::Fault::on("search").drop_before().always());
    let output = operator(&test, "import --module 8");
    let told = format!("{}{}", output.stdout, output.stderr);
    assert!(told.contains("reading the list of hosting orders") && !told.contains("order 0"), "{told}");
    assert_eq!(output.code, Some(1));
}

#[test]
fn import_names_only_orders_that_nobody_has() {
    let test = opened();
    for order in [4002, 4003, 4004, 4005] {
        test.orderbox().add(Order::new(order));
    }
    // A purchase in doubt, and one that only the panel knows of.
    test.whmcs_item(43, 1, 4003).add();
    test.orderbox().fault(crate::support::Fault::on("generate-license-key").late());
    test.cmd("open", 43).fails("client");
    test.orderbox().land_late();
    test.whmcs_item(44, 2, 4004).param("licid", "4004").add();
    for order in [4002, 4004] {
        test.orderbox().edit(order, |o| o.key = format!("Reseller-somebody-{order}"));
    }
    forget(&test);
    let list = operator(&test, "import --module 8 --json");
    let named = |text: &str| (4001..=4005).filter(|order| text.contains(&order.to_string())).collect::<Vec<_>>();
    assert_eq!(named(&list.stdout), [4002], "{}", list.stdout);
    let import = |search: &[&str]| {
        let before = test.log().len();
        test.run([&["--command", "import", "--module", "8", "--itemtype", "soft"], search].concat()).ok();
        test.log()[before..].lines().filter(|line| line.contains("bind ITEM")).map(str::to_owned).collect::<String>()
    };
    assert_eq!(named(&import(&[])), Vec::<i32>::new());
    assert_eq!(named(&import(&["--param", "4002,4004"])), [4002]);
    nothing_sent(&test);
}

/// A run does not ask again for an order that it has just looked at.
#[test]
fn one_look_at_an_order_is_enough() {
    let looks = |test: &Test| {
        let count = test.orderbox().requests_of("details").len();
        forget(test);
        count
    };
    let test = opened_with("on_close = \"keep\"\n", |_| {});
    test.set_item(ITEM, "status", "3");
    sync(&test).ok();
    assert_eq!(looks(&test), 1, "held, and nobody pays");
    test.cmd("close", ITEM).ok();
    forget(&test);
    sync(&test).ok();
    assert_eq!(looks(&test), 1, "kept");
    test.set_item(ITEM, "status", "1");
    test.cmd("reopen", ITEM).ok();
    assert_eq!(looks(&test), 1, "handed out again");
    let test = opened();
    test.cmd("close", ITEM).ok();
    forget(&test);
    sync(&test).ok();
    assert_eq!(looks(&test), 1, "to be removed by an operator");
}

/// The findings of reconcile, as kind and license, and the code that it ended with.
fn differences(test: &Test) -> (Option<i32>, Vec<(String, u64)>) {
    let output = operator(test, "reconcile --json");
    let answer: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let list = answer["differences"].as_array().unwrap();
    let told = list.iter().filter(|one| one["module"] == 8);
    let pair =
        |one: &serde_json::Value| (one["kind"].as_str().unwrap().to_owned(), one["license"].as_u64().unwrap_or(0));
    (output.code, told.map(pair).collect())
}

/// Each difference between panel, state and orders is named, and nothing is sent for it.
#[test]
fn reconcile_names_what_differs() {
    type Spoil = fn(&Test);
    let cases: [(&str, Spoil); 7] = [
        ("gone", |test| test.orderbox().remove_key(ORDER)),
        ("gone", |test| test.orderbox().with(|w| drop(w.orders.remove(&ORDER)))),
        ("key", |test| test.orderbox().edit(ORDER, |o| o.key = "Reseller-reissued-77".into())),
        ("status", |test| test.orderbox().edit(ORDER, |o| o.status = "Suspended".into())),
        ("closed", |test| test.set_item(ITEM, "status", "4")),
        ("other_client", |test| test.set_item(ITEM, "account", "502")),
        ("to_free", |test| drop(test.cmd("close", ITEM))),
    ];
    for (kind, spoil) in cases {
        let test = opened();
        assert_eq!(differences(&test), (Some(0), vec![]), "{kind}: before");
        spoil(&test);
        forget(&test);
        assert_eq!(differences(&test), (Some(1), vec![(kind.to_owned(), ORDER)]), "{kind}: {}", test.story());
        nothing_sent(&test);
    }
    let test = opened();
    test.orderbox().add(Order::new(4002).key("Reseller-somebody-elses"));
    test.whmcs_item(43, 1, 4003).add();
    test.set_item(43, "status", "2");
    test.set_item(43, "expiredate", &crate::service::day(20));
    assert_eq!(differences(&test), (Some(1), vec![("no_license".into(), 0), ("unowned".into(), 4002)]));
}

/// A removal is final, and `unbind` asks for none: the license stays on its order, whatever becomes of the service.
#[test]
fn unbind_leaves_the_license_on_its_order() {
    let test = opened_with(REMOVING, |_| {});
    let before = key(&test);
    let output = operator(&test, "unbind 42 --yes");
    assert!(output.code == Some(0) && output.stdout.contains("stays on its hosting order (4001)"), "{output:?}");
    assert_eq!((test.item(ITEM).param("lickey"), test.item(ITEM).param("licid")), ("", ""));
    let row = || crate::service::state(&test, "SELECT state FROM license WHERE id = 4001");
    sync(&test);
    test.cmd("close", ITEM).ok();
    sync(&test).ok();
    assert_eq!((row().as_str(), key(&test)), ("stopped", before.clone()), "{}", test.story());
    nothing_sent(&test);
    // The service asks for it again.
    test.set_item(ITEM, "status", "1");
    test.cmd("reopen", ITEM).ok();
    served(&test);
    assert_eq!((key(&test), test.orderbox().charges(ORDER)), (before, 1));
}

/// No service has the license any more, and no run removes it: it goes on costing until somebody sees to it.
#[test]
fn unbind_says_that_a_license_which_the_service_only_shows_stays_on_its_order() {
    type Step = fn(&Test);
    let unknown: Step = |test| {
        test.cmd("close", ITEM).ok();
        test.orderbox().regenerate_key();
        crate::service::alter_state(test, "DELETE FROM license");
    };
    let not_wanted: Step = |test| {
        test.choose(ITEM, "nopanel");
        test.cmd("setparam", ITEM).ok();
    };
    let gone: Step = |test| {
        test.orderbox().remove_key(ORDER);
        crate::service::alter_state(test, "DELETE FROM license");
    };
    let cases: [(&str, Step, &str, bool); 5] = [
        ("nopanel", not_wanted, "", true),
        ("nopanel, kept", not_wanted, "on_close = \"keep\"\n", true),
        // The program has removed it.
        ("nopanel, removed", not_wanted, REMOVING, false),
        ("unknown", unknown, "on_close = \"keep\"\n", true),
        ("unknown, gone", gone, "", false),
    ];
    for (case, step, settings, stays) in cases {
        let test = opened_with(settings, |_| {});
        step(&test);
        test.set_param(ITEM, "licid", "4001");
        let output = operator(&test, "unbind 42 --yes");
        let says = output.stdout.contains("stays on its hosting order (4001), and each renewal");
        assert_eq!((output.code, says), (Some(0), stays), "{case}: {output:?}");
        assert_eq!(test.item(ITEM).param("licid"), "");
    }
}

/// With --apply the license of a service that the panel closed alone is removed, and a paid service gets its own.
#[test]
fn reconcile_puts_right_what_it_can() {
    let test = opened_with(REMOVING, |_| {});
    test.orderbox().add(Order::new(4002));
    test.whmcs_item(43, 1, 4002).add();
    test.set_item(43, "status", "2");
    test.set_item(43, "expiredate", &crate::service::day(20));
    test.set_item(ITEM, "status", "4");
    let output = operator(&test, "reconcile --apply --allow-many");
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!((test.orderbox().removals(ORDER), test.orderbox().charges(4002)), (1, 1), "{}", test.story());
    assert_eq!(test.item(43).param("licid"), "4002");
}

/// Nothing is said of names, addresses and renewals, which such a license does not have.
#[test]
fn explain_names_only_what_the_next_look_does() {
    let test = opened();
    let said = || operator(&test, "explain 42").stdout;
    let lines = |text: &str| text.lines().filter(|line| line.starts_with("- ")).count();
    assert!(
        said().contains("nothing: the license lasts as long as hosting order 4001") && lines(&said()) == 1,
        "{}",
        said()
    );
    test.orderbox().edit(ORDER, |o| o.key = "Reseller-reissued-77".into());
    assert!(said().contains("saved to the service") && lines(&said()) == 1, "{}", said());
    test.cmd("close", ITEM).ok();
    // Another key than ours proves nothing: an operator says what it is, before anything is removed.
    assert!(said().contains("waits for an operator"), "{}", said());
}
