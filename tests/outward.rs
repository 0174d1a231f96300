//! Servers behind NAT: their outward address (`remoteip`), with sellers that show it and with those that never do.
use crate::service::{changes, forget, licid};
use crate::support::modes::mode;
use crate::support::{Fault, Test};

/// A seller that shows outward addresses, and one that hides them.
fn worlds() -> [(bool, Test); 2] {
    let hiding = Test::setup().modes(&[mode("remoteip-hidden").unwrap()]).start();
    [(false, Test::new()), (true, hiding)]
}

fn outward(test: &Test, item: u32) -> String {
    test.upstream.license(licid(test, item)).remoteip
}

fn json(test: &Test, line: &str) -> serde_json::Value {
    let output = test.program(line.split(' ').chain(["--json"])).run();
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{line}: {error}: {output:?}"))
}

/// Another outward address alone is passed on once; one that the client takes back is cleared once. Later runs send
/// nothing, though the seller may show nothing.
#[test]
fn a_changed_outward_address_alone_is_passed_on_once() {
    for (hides, test) in worlds() {
        test.soft_item(42, "55227", 1).ip("192.0.2.42").param("remoteip", "203.0.113.7").add();
        test.cmd("open", 42).ok();
        let id = licid(&test, 42);
        for next in ["203.0.113.8", ""] {
            test.set_param(42, "remoteip", next);
            let named = json(&test, "reconcile")["differences"].clone();
            assert_eq!((named[0]["kind"].as_str(), named[1].is_null()), (Some("ip"), true), "{hides} {named:#}");
            forget(&test);
            test.cmd("setparam", 42).ok();
            let told = format!("soft.edit elid={id} ip=192.0.2.42 remoteip={next} sok=ok");
            assert_eq!((changes(&test), outward(&test, 42).as_str()), (vec![told], next), "{hides}");
            forget(&test);
            test.cmd("setparam", 42).ok();
            test.cmd("sync_item", 42).ok();
            assert_eq!(changes(&test), Vec::<String>::new(), "{hides}");
            assert_eq!(json(&test, "reconcile")["differences"], serde_json::json!([]), "{hides}");
        }
    }
}

/// An outward address that somebody set at the seller stays, if the service has none of its own.
#[test]
fn an_outward_address_that_was_set_at_the_seller_stays() {
    for (hides, test) in worlds() {
        test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
        test.cmd("open", 42).ok();
        test.upstream.edit_license(licid(&test, 42), |l| l.remoteip = "203.0.113.7".into());
        forget(&test);
        for command in ["sync_item", "setparam"] {
            test.cmd(command, 42).ok();
        }
        assert_eq!((changes(&test), outward(&test, 42).as_str()), (Vec::new(), "203.0.113.7"), "{hides}");
    }
}

/// The page of bind shows the outward address before and after: it is sent when the address moves, cleared if it may be
/// another client's, and "?" if nobody knows it.
#[test]
fn bind_shows_what_becomes_of_the_outward_address() {
    for (hides, test) in worlds() {
        let shown = |item: u32, id: u64| {
            let line = format!("bind {item} {id}");
            let asked = test.program(line.split(' ')).env("LC_ALL", "C").run();
            assert_eq!(asked.code, Some(1), "{hides} {asked:?}");
            let row =
                asked.stderr.lines().find_map(|line| line.trim().strip_prefix("outward address").map(str::to_owned));
            row.map(|row| row.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" "))
        };
        let with = |item: u32, remoteip: &str| {
            test.soft_item(item, "55227", 1).ip(&format!("192.0.2.{item}")).param("remoteip", remoteip).add();
        };
        with(42, "203.0.113.7");
        with(43, "");
        let had = test.upstream.add_foreign(55227, 1, "192.0.2.99", "behind NAT");
        test.upstream.edit_license(had, |l| l.remoteip = "203.0.113.99".into());
        let now = if hides { "?" } else { "203.0.113.99" };
        assert_eq!(shown(42, had), Some(format!("{now} 203.0.113.7")), "{hides}");
        assert_eq!(shown(43, had), Some(format!("{now} -")), "{hides}");
        // The address stays: then only a different outward address is shown.
        with(44, "203.0.113.99");
        let same = test.upstream.add_foreign(55227, 1, "192.0.2.44", "behind NAT");
        test.upstream.edit_license(same, |l| l.remoteip = "203.0.113.99".into());
        assert_eq!(shown(44, same), Some(format!("{now} 203.0.113.99")), "{hides}");
    }
    // Nothing to say where a seller shows that there is none.
    let test = Test::new();
    let none = |right: &str| right.replace("</doc>", "<remoteip/></doc>");
    test.upstream.fault(Fault::on("soft.edit?read").reworded(none).always());
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    let plain = test.upstream.add_foreign(55227, 1, "192.0.2.99", "plain");
    let asked = test.program(["bind", "42", &plain.to_string()]).env("LC_ALL", "C").run();
    assert!(asked.stderr.contains("192.0.2.42") && !asked.stderr.contains("outward"), "{asked:?}");
}

/// The next client never keeps the outward address of the one before, not even when an older version bought the
/// license, so that nobody knows what was sent.
#[test]
fn the_next_client_never_keeps_a_hidden_outward_address() {
    for (hides, test) in worlds() {
        test.soft_item(41, "55227", 12).ip("192.0.2.41").param("remoteip", "203.0.113.7").add();
        test.cmd("open", 41).ok();
        let id = licid(&test, 41);
        crate::service::alter_state(&test, "UPDATE license SET remoteip = NULL");
        test.upstream.age(id, 40);
        test.cmd("close", 41).ok();
        assert_eq!(test.upstream.license(id).remoteip, "", "{hides}: cleared with the address");
        crate::service::alter_state(&test, "UPDATE license SET remoteip = NULL");
        test.upstream.edit_license(id, |l| l.remoteip = "203.0.113.7".into());
        test.upstream.age(id, 40);
        test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
        test.cmd("open", 42).ok();
        assert_eq!((licid(&test, 42), outward(&test, 42).as_str()), (id, ""), "{hides} {}", test.story());
    }
}

/// An edit whose answer was lost may have arrived: what the license has is not known, so its next client gets none.
#[test]
fn an_outward_address_whose_answer_was_lost_is_not_kept_for_the_next_client() {
    let test = Test::setup().modes(&[mode("remoteip-hidden").unwrap()]).start();
    test.soft_item(41, "55227", 12).ip("192.0.2.41").add();
    test.cmd("open", 41).ok();
    let id = licid(&test, 41);
    test.set_param(41, "remoteip", "203.0.113.7");
    test.upstream.fault(Fault::on("soft.edit?set").drop_after());
    test.cmd("setparam", 41);
    test.set_param(41, "remoteip", "");
    test.upstream.age(id, 40);
    test.cmd("close", 41).ok();
    test.upstream.age(id, 40);
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    test.cmd("open", 42).ok();
    assert_eq!((licid(&test, 42), outward(&test, 42)), (id, String::new()));
}

/// Two servers with the same address of their own behind different NATs: the seller's check of addresses knows nothing
/// of that, so the order decides. Without an outward address the check counts.
#[test]
fn servers_behind_different_nats_may_have_the_same_address() {
    for (hides, test) in worlds() {
        for (item, outward) in [(41, "203.0.113.7"), (42, "203.0.113.8")] {
            test.soft_item(item, "55227", 1).ip("10.0.0.5").param("remoteip", outward).add();
            test.cmd("open", item).ok();
        }
        assert_ne!(licid(&test, 41), licid(&test, 42), "{hides}");
        test.soft_item(43, "55227", 1).ip("10.0.0.5").param("remoteip", "203.0.113.8").add();
        test.soft_item(44, "55227", 1).ip("10.0.0.5").add();
        for item in [43, 44] {
            test.cmd("open", item).fails("ip_busy");
        }
        assert_eq!(test.upstream.billed("soft.order.param"), 2, "{hides}");
    }
}

/// An address that many servers have does not prove whose license it is: a different outward address speaks against it,
/// and a hidden one proves nothing. A license that the panel itself shows is taken, and its outward address is sent
/// once.
#[test]
fn a_license_behind_nat_is_taken_over_only_where_its_outward_address_does_not_matter() {
    for (hides, test) in worlds() {
        let until = crate::service::day(20);
        for item in 41..=43 {
            let service =
                test.soft_item(item, "55227", 1).ip("10.0.0.5").param("remoteip", &format!("203.0.113.{item}"));
            service.active_until(&until).add();
            let id = test.upstream.add_foreign(55227, 1, "10.0.0.5", &format!("Item #{item} Service {item}"));
            test.upstream.edit_license(id, |l| {
                (l.remoteid, l.autoprolong) = (item.to_string(), "null".into());
                l.remoteip = format!("203.0.113.{}", if item == 42 { 41 } else { item });
            });
            if item == 43 {
                test.set_param(item, "licid", &id.to_string());
            }
        }
        let taken = json(&test, "take-over panel --apply --yes");
        let what: Vec<&str> =
            taken["licenses"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
        let expected = if hides { ["unsure", "unsure", "bound"] } else { ["bound", "ip", "bound"] };
        assert_eq!(what, expected, "{taken:#}");
        // Its number alone proved whose it is, so its outward address is sent, once.
        let id = licid(&test, 43);
        let told = format!("soft.edit elid={id} ip=10.0.0.5 remoteip=203.0.113.43 sok=ok");
        assert_eq!(changes(&test), if hides { vec![told] } else { Vec::new() });
        forget(&test);
        test.cmd("sync_item", 43).ok();
        assert_eq!(changes(&test), Vec::<String>::new(), "{hides}");
        assert_eq!(outward(&test, 43), "203.0.113.43");
    }
}

/// An import keeps an outward address that the seller shows, and makes up none.
#[test]
fn an_imported_service_has_the_outward_address_that_the_seller_shows() {
    for (hides, test) in worlds() {
        test.tariff("55227", 1);
        let id = test.upstream.add_foreign(55227, 1, "192.0.2.42", "shop");
        test.upstream.edit_license(id, |l| {
            (l.remoteip, l.autoprolong) = ("203.0.113.7".into(), "null".into());
        });
        let done = json(&test, &format!("import {id} --yes"));
        let item = done["licenses"][0]["item"].as_u64().unwrap_or_else(|| panic!("{done:#}"));
        let item = u32::try_from(item).unwrap();
        assert_eq!(test.item(item).param("remoteip"), if hides { "" } else { "203.0.113.7" });
        forget(&test);
        test.cmd("sync_item", item).ok();
        assert_eq!((changes(&test), outward(&test, item).as_str()), (Vec::new(), "203.0.113.7"), "{hides}");
    }
}

/// An order form says at once what is no address; an empty field says that there is none.
#[test]
fn an_outward_address_is_checked_in_the_order_form() {
    let test = Test::new();
    let checked = |value: &str| test.run(["--command", "check_param", "--param", "remoteip", "--value", value]);
    for good in ["203.0.113.7", " 2001:db8::7 ", ""] {
        checked(good).ok();
    }
    for bad in ["behind NAT", "203.0.113.7, 203.0.113.8"] {
        assert_eq!(checked(bad).fails("bad_value").attribute("object"), "remoteip", "{bad}");
    }
}
