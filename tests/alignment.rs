//! Period alignment: a license is bought for another period than its service has. The most specific rule decides, and
//! the panel's rules come before those of the settings file.
use crate::service::{day, end, forget, ip_of, license, months};
use crate::support::Test;

fn bought(test: &Test, item: u32, name: &str, period: i32) -> String {
    test.soft_item(item, name, period).ip(&ip_of(item)).add();
    forget(test);
    test.cmd("open", item).ok();
    let orders = test.upstream.requests_of("soft.order.param");
    orders[0].get("period").unwrap().to_owned()
}

/// A general rule: years are bought for months, for orders and renewals alike.
#[test]
fn a_general_rule_buys_years_for_months() {
    let test = Test::new();
    test.period_align("1;12;;");
    assert_eq!(bought(&test, 42, "55227", 1), "12");
    let first = license(&test, 42);
    assert_eq!(end(&first), months(&day(0), 12));
    // Eleven months are covered; the one that is not buys the next year.
    crate::service::ends_in(&test, first.id, 20);
    let operation = test.prolong_paid(42);
    test.cmd_op("prolong", 42, operation).ok();
    assert_eq!(end(&license(&test, 42)), months(&day(20), 12));
}

/// Each purchase carries its reason and its rule, in the log, the journal and the forecast, in both languages.
#[test]
fn each_purchase_tells_its_reason_and_its_rule_in_both_languages() {
    let test = Test::new();
    let tariff = {
        test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
        test.item(42).pricelist
    };
    test.period_align(&format!("1;12;;{tariff}"));
    test.cmd("open", 42).ok();
    crate::service::ends_in(&test, license(&test, 42).id, 1);
    test.set_item(42, "expiredate", &months(&day(0), 14));
    let said = |line: &[&str]| test.run(line).ok().stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let en = format!("period alignment 1 -> 12 of tariff {tariff}");
    let ru = format!("выравнивание периода 1 -> 12 тарифа {tariff}");
    let due = format!("renewed for 12 months: the license runs out on {}, in 1 day", day(1));
    for (lang, rule) in [("en", &en), ("ru", &ru)] {
        let forecast = said(&["explain", "42", "--lang", lang]);
        assert!(forecast.contains(rule.as_str()), "{forecast}");
        assert!(lang == "ru" || forecast.contains(&due), "{forecast}");
    }
    test.cmd("sync_item", 42).ok();
    let log = test.log();
    assert!(log.contains(&format!("ordered for 12 months: {en}")) && log.contains(&due), "{log}");
    test.cmd("suspend", 42).ok();
    test.cmd("resume", 42).ok();
    test.set_param(42, "ip", "192.0.2.77");
    test.cmd("setparam", 42).ok();
    let id = license(&test, 42).id;
    for words in [
        format!("license {id} is stopped: the service is suspended"),
        format!("license {id} is started: the service is active"),
        format!("address of license {id} -> 192.0.2.77"),
    ] {
        assert!(test.log().contains(&words) && said(&["history", "42", "--lang", "en"]).contains(&words), "{words}");
    }
    for (lang, rule) in [("en", &en), ("ru", &ru)] {
        let journal = said(&["history", "42", "--lang", lang]);
        assert!(journal.matches(rule.as_str()).count() >= 2, "{journal}");
    }
}

/// The most specific rule wins: tariff, product type, general; rules of another type or period do not count.
#[test]
fn the_most_specific_rule_of_alignment_wins() {
    let test = Test::new();
    for row in ["1;12;vds;", "12;1;;", "x;y;;", "1;6;soft;"] {
        test.period_align(row);
    }
    test.settings("[[product]]\ninternal_name = \"9\"\nname = \"n\"\npricelist = 55227\nperiods = [1, 6, 12]\n");
    test.upstream.with(|w| {
        for tariff in w.tariffs.iter_mut().filter(|t| t.code == 55227) {
            tariff.periods.push((6, 2900));
        }
    });
    assert_eq!(bought(&test, 1, "9", 1), "6");
    assert_eq!(bought(&test, 2, "9", 12), "1");
    test.soft_item(3, "9", 1).ip("192.0.2.3").add();
    test.period_align(&format!("1;12;;{}", test.item(3).pricelist));
    forget(&test);
    test.cmd("open", 3).ok();
    assert_eq!(test.upstream.requests_of("soft.order.param")[0].get("period"), Some("12"));
    assert_eq!(bought(&test, 4, "9", 1), "6", "another tariff");
}

/// Rules of the settings file hold where the panel has none; a day becomes sold by a rule that names it.
#[test]
fn rules_of_the_settings_file_hold_where_the_panel_has_none() {
    let test = Test::new();
    test.settings("[[period_alignment]]\nfrom = 1\nto = 12\n[[period_alignment]]\nfrom = -50\nto = 1\n[[period_alignment]]\nfrom = 0\nto = 12\n");
    assert_eq!(bought(&test, 1, "55227", 1), "12");
    assert_eq!(bought(&test, 2, "55227", -50), "1");
    assert_eq!(bought(&test, 3, "55227", 0), "12");
    test.period_align("1;1;;");
    assert_eq!(bought(&test, 4, "55227", 1), "1", "the panel's rules win");
}

/// A rule to a period that is not sold: the shortest that is.
#[test]
fn a_rule_to_an_unsold_period_buys_the_shortest_one() {
    let test = Test::new();
    test.period_align("1;5;;");
    assert_eq!(bought(&test, 42, "55227", 1), "1");
}

/// A trial stays a trial, whatever the rules say.
#[test]
fn a_trial_stays_a_trial_whatever_the_rules_say() {
    let test = Test::new();
    test.period_align("-100;12;;");
    assert_eq!(bought(&test, 42, "55227", -100), "-100");
}
