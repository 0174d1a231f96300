//! Period alignment of the panel's table, and the end of a sale (docs/licensing-rules.md 4 and 6), through the
//! binary.
use super::licid;
use crate::support::upstream::{Family, Tariff};
use crate::support::{Fault, Test};

fn ordered_periods(test: &Test) -> Vec<String> {
    let orders = test.upstream.requests_of("soft.order.param");
    orders.iter().map(|order| order.get("period").unwrap_or_default().to_owned()).collect()
}

fn days_from_today(days: i64) -> String {
    (chrono::Utc::now().date_naive() + chrono::Duration::days(days)).to_string()
}

/// The most specific rule wins: tariff plan, product type, general; the panel's before the file's; without one the
/// period itself, or the shortest that is sold.
#[test]
fn the_most_specific_rule_decides_the_period_that_is_bought() {
    let test = Test::new();
    test.settings("[[period_alignment]]\nfrom = 3\nto = 12\n[[period_alignment]]\nfrom = 6\nto = 12\n");
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    let tariff = test.item(42).pricelist;
    test.period_align(&format!("1;12;soft;{tariff}"));
    test.period_align("1;1;soft;");
    test.period_align("1;12;;");
    test.period_align("3;1;;");
    test.period_align("broken");
    test.soft_item(43, "55227", 1).ip("192.0.2.43").add();
    test.vds_item(50, "55227", 1).addresses(&["192.0.2.50"]).add();
    test.soft_item(44, "55227", 3).ip("192.0.2.44").add();
    test.soft_item(45, "55227", 6).ip("192.0.2.45").add();
    test.soft_item(46, "55227", 24).ip("192.0.2.46").add();
    test.soft_item(47, "55384", 1).ip("192.0.2.47").add();
    for item in [42, 43, 50, 44, 45, 46] {
        test.cmd("open", item).ok();
    }
    assert_eq!(ordered_periods(&test), ["12", "1", "12", "1", "12", "1"]);
    test.cmd("open", 47).ok();
    assert_eq!(ordered_periods(&test).pop().as_deref(), Some("12"), "sold by the year only");
    assert!(test.log().contains("period alignment 1 -> 12"), "{}", test.log());
    test.assert_clean();
}

/// A day is not sold unless a rule names it; a lifetime is the shortest period.
#[test]
fn a_day_needs_a_rule_and_a_lifetime_buys_the_shortest_period() {
    let test = Test::new();
    test.soft_item(42, "55227", -50).ip("192.0.2.42").add();
    test.soft_item(43, "55227", 0).ip("192.0.2.43").add();
    test.cmd("open", 42).fails("period_not_sold");
    test.period_align("-50;1;;");
    test.cmd("open", 42).ok();
    test.cmd("open", 43).ok();
    assert_eq!(ordered_periods(&test), ["1", "1"]);
}

/// Bought by the year, sold by the month: prolong buys nothing while the license covers what is paid, sync nothing
/// before it is due, and then a year again.
#[test]
fn a_yearly_license_under_a_monthly_service_is_renewed_only_when_due() {
    let test = Test::new();
    test.period_align("1;12;;");
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    test.cmd("open", 42).ok();
    let id = licid(&test, 42);
    let end = test.upstream.license(id).expires;
    for _ in 0..3 {
        test.cmd_op("prolong", 42, test.prolong_paid(42)).ok();
    }
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!((test.upstream.billed("service.prolong"), test.upstream.license(id).expires), (0, end));
    // Nearly a year later: it runs out tomorrow, the service is paid for long.
    let tomorrow = chrono::Utc::now().date_naive() + chrono::Days::new(1);
    test.upstream.edit_license(id, |license| license.expires = Some(tomorrow));
    test.set_item(42, "expiredate", &days_from_today(200));
    test.run(["--command", "sync", "--module", "7"]).ok();
    let renewed = test.upstream.requests_of("service.prolong").pop().unwrap();
    assert_eq!(renewed.get("period"), Some("12"));
    assert_eq!(test.upstream.license(id).expires, tomorrow.checked_add_months(chrono::Months::new(12)));
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 1);
}

/// ISPmanager 5 is no longer sold: refused before anything is sent, with its successors; a change away is not
/// refused.
#[test]
fn an_ended_product_is_refused_before_anything_is_sent() {
    let test = Test::new();
    test.soft_item(42, "3541", 1).ip("192.0.2.42").add();
    let refused = test.cmd("open", 42);
    assert!(refused.fails("sale_closed").message().contains("55227, 55228, 55229"), "{}", refused.message());
    assert!(test.upstream.requests().is_empty(), "{}", test.story());
}

/// The last weeks of a sale: what is ordered or renewed ends at its last day, or is the longest period that fits.
#[test]
fn near_the_end_of_sale_nothing_is_bought_beyond_its_last_day() {
    let day = |days: i64| chrono::Utc::now().date_naive() + chrono::Duration::days(days);
    let test = Test::new();
    let tariff = || Tariff::new(60001, "Old product", Family::Soft, &[(1, 400), (12, 4400)]);
    test.upstream.add_tariff(tariff().ends(day(-5), day(100), day(50)));
    // The same end, and a seller that refuses what goes beyond it.
    test.upstream.add_tariff(Tariff::new(60002, "Strict product", Family::Soft, &[(1, 400)]));
    let product = |code: u32| {
        format!(
            "[[product]]\ninternal_name = \"{code}\"\nname = \"Old\"\npricelist = {code}\nperiods = [1, 12]\n\
             limited_from = \"{}\"\nnot_past = \"{}\"\nno_order_from = \"{}\"\nno_renewal_from = \"{}\"\n\
             successors = [\"55227\"]\n",
            day(-5),
            day(100),
            day(50),
            day(50)
        )
    };
    test.settings(&format!("{}{}", product(60001), product(60002)));
    test.soft_item(42, "60001", 12).ip("192.0.2.42").add();
    test.cmd("open", 42).ok();
    let id = licid(&test, 42);
    assert_eq!(test.upstream.license(id).expires, Some(day(100)), "the seller ends it there");
    test.cmd_op("prolong", 42, test.prolong_paid(42)).fails("sale_closed");
    assert_eq!(test.upstream.billed("service.prolong"), 0);
    test.soft_item(43, "60002", 12).ip("192.0.2.43").add();
    test.cmd("open", 43).ok();
    assert_eq!(test.upstream.license(licid(&test, 43)).period, 1, "the longest period that fits");
    // Refused for another reason it is not asked for less.
    test.soft_item(44, "60001", 12).ip("192.0.2.44").add();
    test.upstream.fault(Fault::on("soft.order.param").refused("something_odd"));
    test.upstream.clear_requests();
    test.cmd("open", 44).fails("upstream");
    assert_eq!(ordered_periods(&test), ["12"]);
    // Suspend, resume within the paid time, and close go on working; nothing of it is pooled.
    for command in ["suspend", "resume", "close"] {
        test.cmd(command, 42).ok();
    }
    assert_ne!(test.upstream.license(id).licname, "free.lic");
}

/// A tariff change away from an ended product is carried out.
#[test]
fn a_tariff_change_away_from_an_ended_product_is_carried_out() {
    let test = Test::new();
    let day = |days: i64| chrono::Utc::now().date_naive() + chrono::Duration::days(days);
    test.upstream.add_tariff(Tariff::new(60001, "Old product", Family::Soft, &[(1, 400)]));
    let product = "[[product]]\ninternal_name = \"60001\"\nname = \"Old\"\nperiods = [1]\nsuccessors = [\"55227\"]\n";
    test.settings(product);
    test.soft_item(42, "60001", 1).ip("192.0.2.42").add();
    test.cmd("open", 42).ok();
    let id = licid(&test, 42);
    test.settings(&format!("{product}no_order_from = \"{}\"\nno_renewal_from = \"{}\"\n", day(-1), day(-1)));
    test.choose(42, "55227");
    test.cmd("setparam", 42).ok();
    assert_eq!((test.upstream.license(id).pricelist, licid(&test, 42)), (55227, id));
    test.cmd_op("prolong", 42, test.prolong_paid(42)).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 1);
}

/// A trial becomes a paid service: the paid product is bought, then the trial stopped.
#[test]
fn a_trial_that_becomes_paid_is_stopped_after_the_purchase() {
    let test = Test::new();
    test.soft_item(42, "55230", -100).ip("192.0.2.42").add();
    test.cmd("open", 42).ok();
    let trial = licid(&test, 42);
    assert_eq!((test.upstream.license(trial).pricelist, ordered_periods(&test)), (55240, vec!["-100".to_owned()]));
    test.set_item(42, "period", "1");
    test.cmd("setparam", 42).ok();
    let paid = licid(&test, 42);
    assert_eq!((test.upstream.license(paid).pricelist, test.upstream.license(trial).status), (55230, 3));
    test.cmd("setparam", 42).ok();
    assert_eq!(ordered_periods(&test), ["-100", "1"]);
    assert_ne!(test.upstream.license(trial).licname, "free.lic", "trials are never pooled");
}
