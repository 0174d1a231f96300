//! import: licenses at the seller become services of the panel (docs/interface.md 3).
use super::licid;
use crate::service::{alter_state, day, state};
use crate::support::run::well_formed;
use crate::support::upstream::dialect::Offers;
use crate::support::upstream::{Country, Options};
use crate::support::{Fault, MgrctlFault, MgrctlFaultKind, Setup, Test};

fn import(test: &Test, param: &str) -> crate::support::Output {
    let mut args = vec!["--command", "import", "--module", "7", "--itemtype", "soft"];
    if !param.is_empty() {
        args.extend(["--param", param]);
    }
    test.run(args)
}

fn imports(test: &Test) -> Vec<String> {
    test.panel_changes().into_iter().filter(|line| line.starts_with("processing.import.service")).collect()
}

/// Services whose licid is that license.
fn services(test: &Test, license: u64) -> Vec<u32> {
    let rows = test.db.rows("SELECT item FROM itemparam WHERE intname = 'licid' AND value = ?", (license.to_string(),));
    rows.into_iter().filter_map(|row| row[0].as_ref()?.parse().ok()).collect()
}

/// A foreign license is imported only when named; the service is bound to it and lives on as any other.
#[test]
fn a_foreign_license_is_imported_only_when_named() {
    let test = Test::new();
    test.tariff("55227", 1);
    let license = test.upstream.add_foreign(55227, 1, "192.0.2.77", "shop & co");
    import(&test, "").ok().stdout("");
    import(&test, "shop").ok();
    assert_eq!(imports(&test), Vec::<String>::new());
    import(&test, &license.to_string()).ok().stdout("");
    let end = test.upstream.license(license).expires.unwrap();
    let line = imports(&test).pop().unwrap();
    let want = format!(
        "processing.import.service sok=ok module=7 import_itemtype_intname=soft status=2 service_status=2 \
         expiredate={end} period=1 import_pricelist_intname=55227 import_service_name=shop & co ip=192.0.2.77 licname=shop & co"
    );
    assert!(line.starts_with(&want), "{line}");
    let item = services(&test, license)[0];
    assert_eq!(test.item(item).param("lickey"), test.upstream.license(license).key);
    // It is there now: nothing is imported twice, and the service is closed as any other.
    import(&test, &license.to_string()).ok();
    assert_eq!(imports(&test).len(), 1);
    test.upstream.age(license, 40);
    test.cmd("close", item).ok();
    assert_eq!(test.upstream.license(license).licname, "free.lic");
    import(&test, &license.to_string()).ok();
    assert_eq!(imports(&test).len(), 1, "the pool is never imported");
    test.assert_clean();
}

/// A closed service still shows the number of a license. The advice leads to the import.
#[test]
fn the_advice_about_a_license_that_a_closed_service_shows_leads_to_its_import() {
    let test = Test::new();
    test.tariff("55227", 1);
    let license = test.upstream.add_foreign(55227, 1, "192.0.2.77", "shop");
    test.soft_item(42, "55227", 1).ip("192.0.2.42").param("licid", &license.to_string()).add();
    test.set_item(42, "status", "4");
    import(&test, &license.to_string());
    assert_eq!(imports(&test), Vec::<String>::new());
    let (command, log) = ("unbind 42", test.log());
    assert!(log.contains(&format!("To import it: pmisplicense {command}, then repeat this command")), "{log}");
    test.run(command.split(' ').chain(["--yes"])).ok();
    import(&test, &license.to_string()).ok();
    assert_eq!(services(&test, license).len(), 1, "{}", test.story());
}

/// Ours are known by the mark; the search narrows by name and address; what serves an item stays.
#[test]
fn an_import_knows_our_licenses_by_their_mark() {
    let test = Test::new();
    test.tariff("55227", 1);
    test.soft_item(42, "55227", 1).ip("192.0.2.42").licname("shop").add();
    test.cmd("open", 42).ok();
    import(&test, "").ok();
    assert_eq!(imports(&test), Vec::<String>::new(), "it serves an item");
    let mark = test.upstream.license(licid(&test, 42)).remoteid;
    let first = test.upstream.add_foreign(55227, 1, "192.0.2.78", "first");
    let second = test.upstream.add_foreign(55227, 12, "192.0.2.79", "second");
    for id in [first, second] {
        test.upstream.edit_license(id, |license| license.remoteid = mark.clone());
    }
    import(&test, "nothing-like-it").ok();
    assert_eq!(imports(&test), Vec::<String>::new());
    import(&test, "SECO").ok();
    assert_eq!((services(&test, first).len(), services(&test, second).len()), (0, 1));
    import(&test, "192.0.2.78").ok();
    assert_eq!(services(&test, first).len(), 1);
    assert_eq!(test.upstream.billed("soft.order.param"), 1, "an import buys nothing");
}

/// The answer is lost: the next run looks in the panel first, and binds what it finds there.
#[test]
fn an_import_whose_answer_was_lost_is_found_in_the_panel() {
    let test = Test::new();
    test.settings("[upstream]\nsettle_s = 2\n");
    test.tariff("55227", 1);
    let license = test.upstream.add_foreign(55227, 1, "192.0.2.77", "shop");
    test.mgrctl_fault(MgrctlFault::on("processing.import.service", MgrctlFaultKind::Lost));
    import(&test, &license.to_string()).ok();
    let item = services(&test, license)[0];
    assert_eq!(services(&test, license).len(), 1, "found in the panel at once");
    test.cmd("suspend", item).ok();
    assert_eq!(test.upstream.license(license).status, 3, "bound");
    import(&test, &license.to_string()).ok();
    assert_eq!(imports(&test).len(), 1);
}

/// An import that the panel refuses leaves nothing behind, and is repeated when the tariff is there.
#[test]
fn an_import_that_the_panel_refused_can_be_repeated() {
    let test = Test::new();
    let license = test.upstream.add_foreign(55228, 1, "192.0.2.77", "shop");
    let output = import(&test, &license.to_string());
    assert!(output.fails("mgrctl").message().contains("55228"), "{}", output.message());
    assert!(services(&test, license).is_empty());
    test.tariff("55228", 1);
    import(&test, &license.to_string()).ok();
    assert_eq!(services(&test, license).len(), 1);
}

/// A license that an order in doubt may have bought is the order's own.
#[test]
fn a_license_that_an_order_in_doubt_may_have_bought_is_left() {
    use crate::support::Fault;
    let test = Test::new();
    test.tariff("55227", 1);
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    test.upstream.fault(Fault::on("soft.order.param").drop_after());
    test.upstream.fault(Fault::on("soft").nth(2).refused("missed"));
    test.cmd("open", 42);
    test.upstream.clear_faults();
    assert_eq!(test.upstream.billed("soft.order.param"), 1);
    let license = test.upstream.licenses()[0].id;
    import(&test, "").ok();
    import(&test, &license.to_string()).ok();
    assert_eq!(imports(&test), Vec::<String>::new());
    test.tariff("55228", 1);
    let another = test.upstream.add_foreign(55228, 1, "192.0.2.77", "another product");
    import(&test, &another.to_string()).ok();
    assert_eq!((imports(&test).len(), services(&test, another).len()), (1, 1), "the order could not have bought it");
    test.cmd("open", 42).ok();
    assert_eq!(licid(&test, 42), license);
}

/// An import whose run died when the panel had made the service, and nothing was bound yet. The service.
fn torn(test: &Test, license: u64) -> u32 {
    let first = test.upstream.hold_before("soft.edit?read");
    let number = license.to_string();
    let run = test.spawn(["--command", "import", "--module", "7", "--itemtype", "soft", "--param", number.as_str()]);
    first.reached();
    let second = test.upstream.hold_before("soft.edit?read");
    first.release();
    second.reached();
    run.kill();
    assert_eq!((services(test, license).len(), bound(test, license)), (1, String::new()));
    services(test, license)[0]
}

/// The item that our state binds a license to; empty: none.
fn bound(test: &Test, license: u64) -> String {
    state(test, &format!("SELECT item FROM license WHERE id = {license} AND state = 'bound'"))
}

/// The service of a torn import was closed before the import was repeated: the license stays with its user.
#[test]
fn a_torn_import_whose_service_was_closed_leaves_the_license_to_its_user() {
    let test = Test::new();
    test.tariff("55227", 1);
    let license = test.upstream.add_foreign(55227, 1, "192.0.2.77", "shop");
    test.upstream.age(license, 40);
    let item = torn(&test, license);
    test.set_item(item, "status", "4");
    import(&test, &license.to_string());
    assert_eq!((imports(&test).len(), bound(&test, license)), (1, String::new()), "{}", test.story());
    assert!(test.log().contains(&format!("pmisplicense unbind {item}, then repeat")), "{}", test.log());
    test.run(["reconcile", "--apply"]);
    test.run(["--command", "sync"]);
    let now = test.upstream.license(license);
    assert_eq!((now.licname.as_str(), now.ip.as_str(), now.status), ("shop", "192.0.2.77", 2), "{}", test.story());
    test.run(["unbind", &item.to_string(), "--yes"]).ok();
    alter_state(&test, "UPDATE journal SET at = at - 901");
    import(&test, &license.to_string()).ok();
    assert_eq!((imports(&test).len(), services(&test, license).len()), (2, 1), "{}", test.story());
}

/// The seller gave the license of an open service another number: it is that service's, and import leaves it.
#[test]
fn a_license_that_its_service_awaits_by_its_mark_is_not_imported() {
    let test = Test::new();
    test.tariff("55227", 1);
    test.soft_item(42, "55227", 1).ip("192.0.2.42").licname("shop").add();
    test.cmd("open", 42).ok();
    let id: u64 = test.item(42).param("licid").parse().expect("a license");
    test.upstream.with(|w| {
        let mut license = w.licenses.remove(&id).expect("a license");
        license.id = 9001;
        w.licenses.insert(9001, license);
    });
    for param in ["", "9001"] {
        import(&test, param);
        assert_eq!(imports(&test), Vec::<String>::new(), "{}", test.story());
    }
    assert!(test.log().contains("mark of service 42, which waits for it"), "{}", test.log());
    test.cmd("sync_item", 42).fails("license_gone");
    crate::service::settle(&test);
    test.cmd("sync_item", 42).ok();
    assert_eq!(
        (test.item(42).param("licid"), test.upstream.billed("soft.order.param")),
        ("9001", 1),
        "{}",
        test.story()
    );
}

/// The next run finds the service in the panel, makes no second one, and binds it.
#[test]
fn a_torn_import_is_finished_without_a_second_service() {
    let test = Test::new();
    test.tariff("55227", 1);
    let license = test.upstream.add_foreign(55227, 1, "192.0.2.77", "shop");
    let item = torn(&test, license);
    import(&test, &license.to_string()).ok();
    assert_eq!((imports(&test).len(), bound(&test, license)), (1, item.to_string()));
}

/// The service or the license was bound to something else since: neither is bound a second time.
#[test]
fn a_torn_import_with_another_partner_binds_nothing() {
    let mut test = Test::new();
    test.add_module(8, "pmisplicense");
    test.tariff("55227", 1);
    let license = test.upstream.add_foreign(55227, 1, "192.0.2.77", "shop");
    let item = torn(&test, license);
    let refused = |test: &Test| {
        let output = import(test, &license.to_string());
        assert!(output.fails("state").message().contains("already serves another service"), "{}", output.message());
        assert_eq!((imports(test).len(), bound(test, license)), (1, String::new()));
    };
    test.set_item(item, "processingmodule", "8");
    refused(&test);
    test.set_item(item, "processingmodule", "7");
    let other = test.upstream.add_foreign(55227, 1, "192.0.2.78", "other");
    test.set_param(item, "ip", "192.0.2.78");
    test.run(["bind", &item.to_string(), &other.to_string(), "--yes"]).ok();
    test.set_param(item, "licid", &license.to_string());
    refused(&test);
    assert_eq!(bound(&test, other), item.to_string());
}

/// An operator binds the license to another service while the import waits for its own. The operator was first.
#[test]
fn an_operator_who_binds_first_keeps_the_license_from_an_import() {
    let test = Test::new();
    test.tariff("55227", 1);
    let license = test.upstream.add_foreign(55227, 1, "192.0.2.77", "shop");
    let (number, item) = (license.to_string(), torn(&test, license));
    test.soft_item(43, "55227", 1).ip("192.0.2.43").active_until(&day(20)).add();
    let lock = test.state_path().with_file_name("locks").join(format!("item-{item}.lock"));
    let held = std::fs::File::create(lock).unwrap();
    held.lock().unwrap();
    let looked = test.upstream.hold_before("soft.edit?read");
    let run = test.spawn(["--command", "import", "--module", "7", "--itemtype", "soft", "--param", number.as_str()]);
    looked.reached();
    looked.release();
    // An open service shows it, and bind would not take it from there.
    test.set_item(item, "status", "4");
    test.run(["bind", "43", &number, "--yes"]).ok();
    test.set_item(item, "status", "2");
    drop(held);
    run.wait().fails("state");
    assert_eq!((bound(&test, license).as_str(), imports(&test).len()), ("43", 1));
}

/// It is not known whether the panel imported the service, and the panel shows nothing. It is asked again only after
/// the settling time.
#[test]
fn an_unknown_import_is_repeated_only_after_the_settling_time() {
    let test = Test::new();
    test.tariff("55227", 1);
    let license = test.upstream.add_foreign(55227, 1, "192.0.2.77", "shop");
    test.mgrctl_fault(MgrctlFault::on("processing.import.service", MgrctlFaultKind::Rubbish));
    for _ in 0..2 {
        import(&test, &license.to_string()).fails("client");
        assert_eq!(imports(&test).len(), 1);
    }
    alter_state(&test, "UPDATE journal SET at = at - 901");
    import(&test, &license.to_string()).ok();
    assert_eq!((imports(&test).len(), services(&test, license).len()), (2, 1));
}

/// A license that we stopped has another tariff now. The service gets the product that the license is.
#[test]
fn a_license_whose_tariff_changed_is_imported_as_what_it_is() {
    let test = Test::new();
    test.settings("on_close = \"stop\"\n");
    test.tariff("55228", 1);
    test.soft_item(42, "55227", 1).ip("192.0.2.42").licname("shop").add();
    test.cmd("open", 42).ok();
    let license = licid(&test, 42);
    test.upstream.age(license, 40);
    test.cmd("close", 42).ok();
    test.db.exec("DELETE FROM itemparam WHERE item = 42", ());
    test.upstream.edit_license(license, |l| l.pricelist = 55228);
    import(&test, &license.to_string()).ok();
    let line = imports(&test).pop().unwrap();
    assert!(line.contains(" status=3 service_status=3 ") && line.contains("import_pricelist_intname=55228 "), "{line}");
}

/// A license that a closed service gave back keeps its mark, and the client of that service has its key. It is imported
/// only by its number, and its new service never sees that key.
#[test]
fn a_license_given_back_is_imported_only_by_its_number_and_with_a_new_key() {
    for (name, kind) in [("55227", "soft"), ("9203", "softexternal")] {
        let test = Test::new();
        test.settings("on_close = \"stop\"\n");
        test.tariff(name, 1);
        let service = test.soft_item(42, name, 1).ip("192.0.2.42").licname("shop");
        if kind == "soft" {
            service.add()
        } else {
            service.external().add()
        };
        test.cmd("open", 42).ok();
        let license = licid(&test, 42);
        let (old, mark) = (test.upstream.license(license).key, test.upstream.license(license).remoteid);
        test.cmd("close", 42).ok();
        // The panel forgets what a deleted service had.
        test.db.exec("DELETE FROM itemparam WHERE item = 42", ());
        let import =
            |param: &str| test.run(["--command", "import", "--module", "7", "--itemtype", kind, "--param", param]);
        for search in ["", "shop", "192.0.2.42"] {
            import(search).ok();
        }
        test.upstream.fault(Fault::on(&format!("{kind}.edit?newkey")).refused("key_change"));
        import(&license.to_string()).fails("key_change_limit");
        assert_eq!((imports(&test), test.upstream.license(license).remoteid), (Vec::new(), mark), "{}", test.story());
        import(&license.to_string()).ok();
        let new = test.upstream.license(license).key;
        let line = imports(&test).pop().unwrap_or_else(|| panic!("{}", test.story()));
        assert!(new != old && line.ends_with(&format!(" lickey={new}")), "{line}");
        let item = services(&test, license)[0];
        assert_eq!((test.item(item).param("lickey"), imports(&test).len()), (new.as_str(), 1));
        assert_eq!(test.upstream.requests_of(&format!("{kind}.edit?newkey")).len(), 2, "one was refused");
    }
}

/// Another installation took a license that a service of ours gave back. Then its client has the key.
#[test]
fn a_license_given_back_and_taken_by_another_installation_is_not_imported() {
    let test = Test::new();
    test.settings("on_close = \"stop\"\n");
    test.tariff("55227", 1);
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    test.cmd("open", 42).ok();
    let license = licid(&test, 42);
    test.cmd("close", 42).ok();
    test.db.exec("DELETE FROM itemparam WHERE item = 42", ());
    test.upstream.edit_license(license, |l| l.remoteid = "pml-anotherp-9-9".into());
    let key = test.upstream.license(license).key;
    import(&test, &license.to_string());
    assert_eq!((imports(&test), test.upstream.license(license).key), (Vec::new(), key), "{}", test.story());
    assert!(test.log().contains("bears the mark of another installation"), "{}", test.log());
}

/// Another product type, and a module that is not ours.
#[test]
fn an_import_of_another_type_or_module_is_refused() {
    let test = Test::new();
    let run = |module: &str, kind: &str| test.run(["--command", "import", "--module", module, "--itemtype", kind]);
    assert_eq!(run("7", "vds").fails("bad_value").attribute("object"), "itemtype");
    run("3", "soft").fails("unsupported_module");
    test.run(["--command", "import_pricelist", "--module", "3"]).fails("unsupported_module");
    run("7", "softexternal").ok();
    assert!(imports(&test).is_empty());
}

/// The tariffs that can be resold: codes, names, periods, trials, nodes; nothing whose sale has ended.
#[test]
fn import_pricelist_lists_what_can_be_resold_and_nothing_ended() {
    let test = Test::new();
    let output = test.run(["--command", "import_pricelist", "--module", "7"]);
    let text = &output.ok().stdout;
    assert!(well_formed(text), "{text}");
    let lite = "<elem><intname>55227</intname><name>ISPmanager 6 Lite</name><itemtype>soft</itemtype>\
                <pricelist>55227</pricelist><period>1</period><period>12</period><trial>55239</trial><billing>international</billing>\
                <price period=\"1\" currency=\"EUR\">5.00</price><price period=\"12\" currency=\"EUR\">55.00</price></elem>";
    assert!(text.contains(lite), "{text}");
    assert!(text.contains("<nodes_addon>55236</nodes_addon><nodes_included>1</nodes_included>"), "{text}");
    assert!(!text.contains("<intname>3541</intname>"), "its sale has ended");
    assert!(!text.contains("<intname>3045</intname>"), "hidden");
    assert!(text.contains("<intname>55234</intname>") && text.contains("<billing>russian</billing>"), "{text}");
    assert_eq!(test.upstream.funcs(), ["pricelist.export", "soft.order"]);
    // No address hides a code, the vendor's own neither, and one that cannot be reached does not.
    for url in ["https://127.0.0.1:9", "https://127.0.0.1:9/api.ispmanager.ru"] {
        test.module_param(7, "url", url);
        test.run(["--command", "import_pricelist", "--module", "7"]).ok().stdout(text);
    }
}

/// The offers of the seller to the account are shown, without codes of the other billing. If the seller does not name a
/// family, nothing is known of it, so nothing is hidden.
#[test]
fn import_pricelist_shows_what_the_account_is_offered() {
    for (country, billing, codes) in [
        (
            Country::International,
            "international",
            ["55227", "55228", "55229", "55230", "55239", "55240", "55382", "9203", "55369"],
        ),
        (Country::Russian, "russian", ["55231", "55232", "55233", "55234", "55235", "9203", "9204", "55391", "55390"]),
    ] {
        let asked = [(Offers::Export, 1), (Offers::OrderForm, 2)];
        for ((offers, questions), in_attribute) in asked.into_iter().flat_map(|one| [(one, false), (one, true)]) {
            let options = |o: &mut Options| (o.country, o.offers, o.ids_in_attribute) = (country, offers, in_attribute);
            let test = Setup::default().options(options).start();
            let text = test.run(["--command", "import_pricelist", "--module", "7"]).ok().stdout.clone();
            for code in codes {
                assert!(text.contains(&format!("<intname>{code}</intname>")), "{code}: {text}");
            }
            let other = if billing == "russian" { "international" } else { "russian" };
            // The form of an order is about its own product type; of others nothing is known.
            let is_told = |row: &&str| offers == Offers::Export || row.contains("<itemtype>soft</itemtype>");
            let rows: Vec<&str> = text.split("<elem>").filter(is_told).collect();
            let has = |billing: &str| rows.iter().any(|row| row.contains(&format!("<billing>{billing}<")));
            assert_eq!((has(billing), has(other)), (true, false), "{offers:?}: {text}");
            assert_eq!(test.upstream.funcs(), ["pricelist.export", "soft.order"][..questions]);
        }
    }
}
