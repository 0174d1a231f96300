//! Every internal name of the catalogue, as docs/licensing-rules.md 1 lists it: what is ordered for it, for which
//! periods, with which nodes; trials, products of other families, names of the settings file.
use crate::service::{changes, day, forget, ip_of, licid, months, sent, told};
use crate::support::upstream::{Country, Family, Tariff};
use crate::support::{Setup, Test};

fn order(test: &Test, item: u32, name: &str, period: i32) -> crate::support::Output {
    test.soft_item(item, name, period).ip(&ip_of(item)).add();
    forget(test);
    test.cmd("open", item)
}

/// The fields of the order: tariff, period, nodes.
fn ordered(test: &Test) -> String {
    let orders = test.upstream.requests_of("soft.order.param");
    assert_eq!(orders.len(), 1, "{}", test.story());
    let get = |name: &str| orders[0].get(name).unwrap_or("-").to_owned();
    let nodes = orders[0].params.iter().find(|(name, _)| name.starts_with("addon_"));
    let nodes = nodes.map_or(String::new(), |(name, value)| format!(" {name}={value}"));
    format!("{} {}{nodes}", get("pricelist"), get("period"))
}

/// The international table, row by row.
#[test]
fn each_international_product_is_ordered_as_the_table_says() {
    let test = Test::new();
    for (item, (name, period, want)) in (1..).zip([
        ("55227", 1, "55227 1"),
        ("55227", 12, "55227 12"),
        ("55228", 1, "55228 1"),
        ("55228", 12, "55228 12"),
        ("55229", 1, "55229 1"),
        ("55229", 12, "55229 12"),
        ("55230", 1, "55230 1 addon_55236=1"),
        ("55230", 12, "55230 12 addon_55236=1"),
        ("55382", 1, "55382 1"),
        ("55384", 12, "55384 12"),
        ("3045", 1, "3045 1 addon_3049=1"),
        ("3887", 12, "3887 12 addon_3889=5"),
        ("3651", 1, "3651 1 addon_3698=1"),
        ("3934", 1, "3934 1"),
        ("3936", 1, "3936 1"),
        ("3136", 1, "3136 1"),
        ("2891", 1, "2891 1"),
    ]) {
        order(&test, item, name, period).ok().stdout("");
        assert_eq!(ordered(&test), want, "{name} {period}");
        let license = test.upstream.license(licid(&test, item));
        assert_eq!(license.expires.map(|d| d.to_string()), Some(months(&day(0), period as u32)), "{name}");
    }
}

/// Trials: of a product its trial's code, of the trial's own code the trial; what has no trial is not sold as one.
#[test]
fn a_trial_is_ordered_by_its_code_and_never_renewed() {
    let test = Test::new();
    for (item, (name, period, want)) in (1..).zip([
        ("55227", -100, "55239 -100"),
        ("55228", -100, "55239 -100"),
        ("55229", -100, "55239 -100"),
        ("55230", -100, "55240 -100"),
        ("55239", -100, "55239 -100"),
        ("55240", -100, "55240 -100"),
        ("55239", 1, "55239 -100"),
    ]) {
        order(&test, item, name, period).ok().stdout("");
        assert_eq!(ordered(&test), want, "{name} {period}");
        // A trial is never renewed, however near its end.
        let id = licid(&test, item);
        crate::service::ends_in(&test, id, 1);
        test.set_item(item, "expiredate", &day(30));
        forget(&test);
        let output = test.cmd("sync_item", item);
        if period == -100 {
            output.ok();
        } else {
            // Sold as a paid service, it stops being served while it is paid for.
            assert!(
                output.fails("missed").message().contains(&format!("Trial license {id} of the paid service {item}"))
            );
        }
        assert_eq!(changes(&test), Vec::<String>::new(), "{name}");
    }
    for (item, name) in [(20, "55382"), (21, "3045")] {
        order(&test, item, name, -100).fails("period_not_sold");
        assert_eq!(sent(&test), Vec::<String>::new());
    }
}

/// Periods that are not sold become the shortest that is; a day is not sold at all.
#[test]
fn a_period_that_is_not_sold_becomes_the_shortest_one() {
    let test = Test::new();
    for (item, (name, period, want)) in (1..).zip([
        ("55227", 3, "55227 1"),
        ("55227", 6, "55227 1"),
        ("55227", 24, "55227 1"),
        ("55227", 0, "55227 1"),
        ("55384", 1, "55384 12"),
        ("55382", 12, "55382 1"),
    ]) {
        order(&test, item, name, period).ok();
        assert_eq!(ordered(&test), want, "{name} {period}");
    }
    order(&test, 20, "55227", -50).fails("period_not_sold");
}

/// The Russian billing has codes of its own; a code of the other one is refused with the set that fits.
#[test]
fn each_russian_product_is_ordered_by_its_own_code() {
    let test = Setup::default().options(|o| o.country = Country::Russian).start();
    test.upstream.set_balance(100_000_000);
    for (item, (name, period)) in (1..).zip([("55231", 1), ("55232", 12), ("55233", 1)]) {
        order(&test, item, name, period).ok();
        assert_eq!(ordered(&test), format!("{name} {period}"));
    }
    for (item, (name, want)) in (10..).zip([
        ("55231", "55235 -100"),
        ("55232", "55235 -100"),
        ("55233", "55235 -100"),
        ("55234", "55235 -100"),
        ("55235", "55235 -100"),
    ]) {
        order(&test, item, name, -100).ok();
        assert_eq!(ordered(&test), want, "{name}");
    }
    order(&test, 15, "55234", 12).ok();
    assert_eq!(ordered(&test), "55234 12 addon_55236=1");
    let refused = order(&test, 20, "55227", 1);
    assert!(refused.code == Some(1) && refused.message().contains("(55231 to 55235)"), "{}", refused.stdout);
}

/// Products of the vendor's that go by other functions are named, at the door and at the order; nothing is sent.
#[test]
fn what_cannot_be_resold_is_named() {
    let test = Test::new();
    for (item, (code, name)) in (42..).zip([("55163", "VMmanager 6"), ("55161", "DCImanager 6")]) {
        let check = ["--command", "check_addon", "--param", "panel", "--value", code];
        let ru = test.run(check.iter().chain(&["--lang", "ru"]));
        for (output, words) in [
            (order(&test, item, code, 1), "which this module does not support. Nothing was ordered."),
            (test.run(check), "which this module does not support. Nothing was ordered."),
            (ru, "модуль этот продукт не поддерживает. Ничего не заказано."),
        ] {
            let message = output.fails("unknown_internal_name").message();
            assert!(message.contains(name) && message.contains(words), "{message}");
        }
    }
    assert_eq!(sent(&test), Vec::<String>::new());
}

/// Other software goes by functions of its own: no checkip, no address where none is needed.
#[test]
fn other_software_is_ordered_by_functions_of_its_own() {
    let test = Test::new();
    for (item, (name, period)) in (1..).zip([
        ("9203", 1),
        ("9204", 1),
        ("11738", 1),
        ("55369", 1),
        ("55369", 3),
        ("55369", 6),
        ("55369", 12),
        ("55369", -100),
    ]) {
        let service = test.soft_item(item, name, period).external();
        if name == "55369" {
            service.add()
        } else {
            service.ip(&ip_of(item)).add()
        };
        forget(&test);
        test.cmd("open", item).ok().stdout("");
        assert_eq!(
            test.upstream.funcs(),
            ["softexternal", "softexternal.order.param", "softexternal.edit?read"],
            "{name}"
        );
        assert_eq!(told(&test), ["service.saveparam", "softexternal.open"], "{name}");
        let license = test.upstream.license(licid(&test, item));
        assert_eq!(
            (license.pricelist.to_string(), license.period, license.family),
            (name.to_owned(), period, Family::SoftExternal)
        );
        forget(&test);
        test.cmd("suspend", item).ok();
        test.cmd("resume", item).ok();
        assert_eq!(
            changes(&test),
            [format!("softexternal.suspend elid={}", license.id), format!("softexternal.resume elid={}", license.id)]
        );
    }
}

/// ISPmanager 5 is no longer sold: refused before anything is sent, with the successors.
#[test]
fn an_ended_product_is_refused_with_its_successors() {
    let test = Test::new();
    for (item, name, successors) in [(1, "3541", "55227, 55228, 55229"), (2, "4601", "55230")] {
        let output = order(&test, item, name, 1);
        assert!(
            output.fails("sale_closed").message().ends_with(&format!("order instead: {successors}")),
            "{}",
            output.message()
        );
        assert_eq!((sent(&test), told(&test)), (Vec::new(), Vec::new()));
    }
}

/// Unknown names buy nothing. The error lists the known names and says where to add one.
#[test]
fn an_unknown_name_buys_nothing_and_is_reported_with_the_known_ones() {
    let test = Test::new();
    for (item, name) in [(1, "ISPmanager"), (2, "99999"), (3, "nopanel1")] {
        let output = order(&test, item, name, 1);
        output.fails("unknown_internal_name");
        assert!(output.message().contains("55227") && output.message().contains("[[product]]"), "{}", output.message());
        assert_eq!((sent(&test), told(&test)), (Vec::new(), Vec::new()));
    }
    // A product of another kind of seller: the message names that seller's address.
    let output = order(&test, 4, "whmcs", 1);
    assert!(
        output.fails("unknown_internal_name").message().contains("https://httpapi.com/api/"),
        "{}",
        output.message()
    );
    assert_eq!((sent(&test), told(&test)), (Vec::new(), Vec::new()));
}

/// `nopanel` buys nothing and succeeds, without any request.
#[test]
fn nopanel_succeeds_without_any_request() {
    let test = Test::new();
    test.soft_item(42, "nopanel", 1).add();
    test.cmd("open", 42).ok().stdout("");
    assert_eq!((sent(&test), test.panel_changes()), (Vec::new(), vec!["soft.open elid=42 sok=ok".to_owned()]));
    for command in ["suspend", "resume", "sync_item", "close"] {
        test.cmd(command, 42).ok().stdout("");
    }
    assert_eq!(sent(&test), Vec::<String>::new());
}

/// A product of the settings file, with nodes, periods and a trial of its own; a changed and a replaced table.
#[test]
fn a_product_of_the_settings_is_ordered_like_a_built_in_one() {
    let test = Test::new();
    test.upstream
        .add_tariff(Tariff::new(70001, "ISPmanager 7", Family::Soft, &[(3, 900), (12, 3000)]).nodes(70005, 2, 100));
    test.upstream.add_tariff(Tariff::new(70009, "ISPmanager 7 trial", Family::Soft, &[(-100, 0)]));
    test.settings(
        "[[product]]\ninternal_name = \"seven\"\nname = \"ISPmanager 7\"\npricelist = 70001\nperiods = [3, 12]\n\
         trial = \"70009\"\nnodes_addon = 70005\nnodes_included = 2\n\
         [[product]]\ninternal_name = \"70009\"\nname = \"trial\"\nperiods = []\ntrial = true\n\
         [[product]]\ninternal_name = \"55382\"\nperiods = [1]\nno_order_from = \"2021-01-01\"\nsuccessors = [\"seven\"]\n",
    );
    order(&test, 1, "seven", 12).ok();
    assert_eq!(ordered(&test), "70001 12 addon_70005=2");
    order(&test, 2, "seven", 1).ok();
    assert_eq!(ordered(&test), "70001 3 addon_70005=2");
    order(&test, 3, "seven", -100).ok();
    assert_eq!(ordered(&test), "70009 -100");
    order(&test, 4, "55227", 1).ok();
    assert!(order(&test, 5, "55382", 1).fails("sale_closed").message().contains("seven"));
    test.settings("catalogue = \"replace\"\n[[product]]\ninternal_name = \"seven\"\nname = \"x\"\npricelist = 70001\nperiods = [12]\nnodes_addon = 70005\nnodes_included = 2\n");
    order(&test, 6, "55227", 1).fails("unknown_internal_name");
    // A license that a service holds keeps serving it.
    test.cmd("sync_item", 4).ok();
    test.cmd("suspend", 4).ok();
    test.cmd("resume", 4).ok();
    test.cmd("close", 4).ok();
    test.settings("[[module.7.product]]\ninternal_name = \"seven\"\nname = \"x\"\npricelist = 70001\nperiods = [12]\nnodes_addon = 70005\nnodes_included = 2\n");
    order(&test, 7, "seven", 12).ok();
}

/// Several enumerations that could be meant are refused with their names; the setting decides.
#[test]
fn the_setting_decides_which_enumeration_names_the_product() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).with_os().ip("192.0.2.42").add();
    test.cmd("open", 42).ok();
    assert_eq!(ordered(&test), "55227 1", "operating systems are an enumeration too");
    test.settings("panel_addons = [\"ostempl\"]\n");
    assert!(test.cmd("setparam", 42).fails("unknown_internal_name").attribute("value").contains("Ubuntu"));
}
