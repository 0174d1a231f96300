//! take-over panel: licenses that the vendor's own module ordered become ours when an operator says so. Nothing is
//! bought, nothing unclear is touched, and a run that died can be repeated.
use super::{day_in, fine, json, operator, refused};
use crate::support::{MgrctlFault, MgrctlFaultKind, Test};
use serde_json::Value;

/// Service 42 with the license that the vendor's module ordered for it: its number.
fn vendor(t: &Test, item: u32, ip: &str) -> u64 {
    t.soft_item(item, "55227", 1).ip(ip).active_until(&day_in(20)).add();
    let id = t.upstream.add_foreign(55227, 1, ip, &format!("Item #{item} Service {item}"));
    t.upstream.edit_license(id, |l| {
        (l.remoteid, l.autoprolong) = (item.to_string(), "null".into());
    });
    id
}

/// One license of the list.
pub fn one(list: &Value, license: u64) -> Value {
    let all = list["licenses"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|one| one["license"] == license).unwrap_or_else(|| panic!("no {license} in {list:#}"))
}

pub fn what(list: &Value, license: u64) -> String {
    one(list, license)["what"].as_str().unwrap_or_default().to_owned()
}

/// The requests sent to the seller that change anything.
pub fn changes(t: &Test) -> Vec<String> {
    let reads = ["soft", "softexternal", "soft.edit?read", "softexternal.edit?read", "whoami", "subaccount"];
    t.upstream.funcs().into_iter().filter(|func| !reads.contains(&func.as_str())).collect()
}

/// Known by name and remoteid: shown first, bound when asked for, marked only when that is asked for too.
#[test]
fn take_over_binds_and_marks_only_what_was_asked_for() {
    let t = Test::new();
    let id = vendor(&t, 42, "192.0.2.10");
    let foreign = t.upstream.add_foreign(55227, 1, "192.0.2.99", "somebody");
    let shown = json(&t, "take-over panel");
    let line = one(&shown, id);
    assert_eq!((line["item"].as_u64(), line["what"].as_str()), (Some(42), Some("bind")), "{shown:#}");
    assert_eq!(line["known_by"], serde_json::json!(["remoteid", "name"]));
    assert_eq!((line["product"].as_str(), line["ip"].as_str()), (Some("55227"), Some("192.0.2.10")));
    assert_eq!(shown["licenses"].as_array().unwrap().len(), 1, "{foreign} is nobody's here");
    assert_eq!((changes(&t), t.panel_changes()), (Vec::new(), Vec::new()), "only shown");
    let text = fine(&t, "take-over panel");
    assert!(text.contains(&id.to_string()) && text.contains("192.0.2.10"), "{text}");
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(joined.contains("to do it: pmisplicense take-over panel --apply"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");

    assert!(operator(&t, "take-over panel --lang ru").stdout.contains("привязать: 1"));
    assert!(refused(&t, "take-over panel --apply").contains("--yes"), "nobody is there to be asked");
    assert_eq!((changes(&t), t.item(42).param("licid")), (Vec::new(), ""));

    let done = json(&t, "take-over panel --apply --yes");
    assert_eq!((what(&done, id).as_str(), &done["counts"]["done"]), ("bound", &serde_json::json!(1)), "{done:#}");
    assert_eq!(t.item(42).param("licid"), id.to_string());
    assert_eq!(t.item(42).param("lickey"), t.upstream.license(id).key);
    assert_eq!(t.upstream.license(id).remoteid, "42", "not asked for");
    assert_eq!(json(&t, "list")["licenses"][0]["license"], id);
    fine(&t, "sync");
    assert_eq!(t.upstream.license(id).remoteid, "42");

    assert_eq!(what(&json(&t, "take-over panel"), id), "mark");
    fine(&t, "take-over panel --apply --mark --yes");
    assert!(t.upstream.license(id).remoteid.starts_with("pml-"));
    assert_eq!(t.upstream.license(id).autoprolong, "null");
    let after = json(&t, "take-over panel --apply --mark --yes");
    assert_eq!(after["licenses"], serde_json::json!([]), "nothing is left");
    assert!(fine(&t, "history 42").contains("taken over"), "the journal says so");
    assert_eq!(t.upstream.ledger().len(), 0, "nothing was bought");
    t.assert_clean();
    // An incarnation like any other: it ends when the service is closed.
    t.cmd("close", 42).ok();
    assert_eq!(crate::service::state(&t, "SELECT closes FROM item WHERE id = 42"), "1");
}

/// A license that renews itself would have two masters as soon as it is bound. It is bound only if its automatic
/// renewal is switched off.
#[test]
fn a_license_that_renews_itself_is_bound_only_with_that_switched_off() {
    let t = Test::new();
    let id = vendor(&t, 42, "192.0.2.10");
    t.upstream.edit_license(id, |l| l.autoprolong = "1".into());
    assert_eq!(one(&json(&t, "take-over panel"), id)["renews_itself"], true);
    let done = json(&t, "take-over panel --apply --yes");
    assert_eq!(what(&done, id), "renews_itself");
    assert_eq!((changes(&t), t.item(42).param("licid")), (Vec::new(), ""));
    fine(&t, "sync");
    assert_eq!(t.upstream.license(id).autoprolong, "1", "off only when asked");
    assert_eq!(what(&json(&t, "take-over panel --apply --mark --yes"), id), "marked");
    assert_eq!((t.upstream.license(id).autoprolong.as_str(), t.item(42).param("licid")), ("null", &*id.to_string()));
    t.assert_clean();
}

/// Each guard of docs/money-safety.md 5, from the outside: named with its word, and not touched.
#[test]
fn take_over_names_and_leaves_alone_what_a_guard_protects() {
    let mut t = Test::new();
    t.add_module(8, "pmisplicense");
    let elsewhere = crate::support::Upstream::start();
    t.connect_module(8, &elsewhere.url());
    t.add_module(9, "pmbillmanager");
    let mut wanted = Vec::new();
    let item = |n: u32| format!("192.0.2.{n}");

    let two = [vendor(&t, 20, &item(20)), t.upstream.add_foreign(55227, 1, &item(20), "Item #20 Service 20")];
    wanted.extend(two.map(|id| (id, "two_licenses")));
    let disputed = vendor(&t, 21, &item(21));
    t.upstream.edit_license(disputed, |l| l.licname = "Item #20 Service 20".into());
    wanted.push((disputed, "two_items"));
    let unmoved = vendor(&t, 22, &item(22));
    t.set_item(22, "processingmodule", "9");
    wanted.push((unmoved, "not_moved"));
    let elsewhere_bought = vendor(&t, 23, &item(23));
    t.set_item(23, "processingmodule", "8");
    wanted.push((elsewhere_bought, "other_module"));
    let marked = vendor(&t, 24, &item(24));
    t.upstream.edit_license(marked, |l| (l.remoteid, l.licname) = ("pml-zzzzzzzz-24-1".into(), "Item #24 x".into()));
    wanted.push((marked, "other_panel"));
    let closed = vendor(&t, 25, &item(25));
    t.set_item(25, "status", "4");
    wanted.push((closed, "closed"));
    let moved_away = vendor(&t, 26, "192.0.2.126");
    t.set_param(26, "ip", &item(26));
    wanted.push((moved_away, "ip"));
    let other_product = vendor(&t, 27, &item(27));
    t.choose(27, "55228");
    wanted.push((other_product, "tariff"));
    let none = t.upstream.add_foreign(55227, 1, &item(28), "Item #28 of another panel");
    wanted.push((none, "no_item"));
    let unwanted = vendor(&t, 29, &item(29));
    t.choose(29, "nopanel");
    wanted.push((unwanted, "no_panel"));
    t.soft_item(30, "55227", 1).ip(&item(30)).expires(&day_in(31)).add();
    t.cmd("open", 30).ok();
    let second = t.upstream.add_foreign(55227, 1, &item(30), "Item #30 Service 30");
    wanted.push((second, "has_license"));
    let server = t.vds_item(31, "55227", 1).addresses(&[&item(31)]).add();
    let bundled = t.upstream.add_foreign(55227, 1, &item(31), &format!("Item #{server} addon Service 31"));
    wanted.push((bundled, "not_moved"));

    t.upstream.clear_requests();
    t.clear_mgrctl();
    let shown = json(&t, "take-over panel --apply --mark --yes");
    for (id, word) in &wanted {
        assert_eq!(&what(&shown, *id), word, "{:#}", one(&shown, *id));
        assert_eq!(one(&shown, *id)["outcome"], "left");
    }
    assert_eq!(shown["licenses"].as_array().unwrap().len(), wanted.len(), "{shown:#}");
    assert_eq!((changes(&t), t.panel_changes()), (Vec::new(), Vec::new()));

    // The server's module is ours to serve once it is named, and only while it has no license server of its own.
    t.settings("bundled = [3]\nbundled_module = 7\n");
    t.module_param(3, "licserver", "https://api.ispmanager.com");
    assert_eq!(what(&json(&t, "take-over panel"), bundled), "own_server");
    t.module_param(3, "licserver", "");
    let done = json(&t, "take-over panel --apply --yes --module 7");
    assert_eq!(
        (what(&done, bundled).as_str(), t.item(31).param("licid")),
        ("bound", &*bundled.to_string()),
        "{done:#}"
    );
    assert_eq!(done["counts"]["done"], 1);
    t.assert_clean();
}

/// The list of the seller may leave out the remoteid: then each license is opened, and another panel's mark is seen.
#[test]
fn take_over_opens_each_license_where_the_list_leaves_out_the_mark() {
    for list_remoteid in [false, true] {
        let t = Test::setup().options(|o| o.list_remoteid = list_remoteid).start();
        let id = vendor(&t, 42, "192.0.2.10");
        t.upstream.edit_license(id, |l| l.licname = "shop".into());
        let line = one(&json(&t, "take-over panel"), id);
        assert_eq!(line["known_by"], serde_json::json!(["remoteid"]), "{line:#}");
        let other = vendor(&t, 43, "192.0.2.11");
        t.upstream.edit_license(other, |l| l.remoteid = "pml-zzzzzzzz-43-1".into());
        assert_eq!(what(&json(&t, "take-over panel"), other), "other_panel");
        fine(&t, "take-over panel --apply --yes");
        assert_eq!(t.item(42).param("licid"), id.to_string());
        assert_eq!(what(&json(&t, "take-over panel"), id), "mark", "still to be marked");
    }
}

/// Killed at its first, second, third … request, each in a world of its own, then repeated: bound and marked once.
#[test]
fn a_take_over_killed_at_any_request_binds_and_marks_once() {
    const LINE: [&str; 5] = ["take-over", "panel", "--apply", "--mark", "--yes"];
    for skip in 0.. {
        let t = Test::new();
        let ids = [vendor(&t, 42, "192.0.2.10"), vendor(&t, 43, "192.0.2.11")];
        ids.iter().for_each(|id| t.upstream.edit_license(*id, |l| l.autoprolong = "1".into()));
        let ended = t.program(LINE).killed_at_request(skip, false).code.is_some();
        fine(&t, &LINE.join(" "));
        for (item, id) in [42, 43].into_iter().zip(ids) {
            let license = t.upstream.license(id);
            assert_eq!(t.item(item).param("licid"), id.to_string(), "killed at {skip}\n{}", t.story());
            assert_eq!(t.item(item).param("lickey"), license.key);
            assert!(license.remoteid.starts_with("pml-") && license.autoprolong == "null", "{skip}: {license:?}");
        }
        assert_eq!(json(&t, "list")["counts"]["bound"], 2);
        assert_eq!(json(&t, "take-over panel")["licenses"], serde_json::json!([]), "killed at {skip}");
        assert!(fine(&t, "reconcile").contains("agree"));
        assert_eq!(t.upstream.ledger().len(), 0, "nothing was bought");
        t.assert_clean();
        if ended {
            assert!(skip > 10, "it sent only {skip} requests");
            break;
        }
    }
}

/// Killed while the panel saves what was bound, without marking: the repetition finishes the binding.
#[test]
fn a_take_over_killed_while_the_panel_saves_can_be_repeated() {
    let t = Test::new();
    let id = vendor(&t, 42, "192.0.2.10");
    t.mgrctl_fault(MgrctlFault::on("service.saveparam", MgrctlFaultKind::Lost));
    t.mgrctl_fault(MgrctlFault::on("service.saveparam", MgrctlFaultKind::Lost));
    let first = operator(&t, "take-over panel --apply --yes");
    t.clear_mgrctl_faults();
    t.db.exec("DELETE FROM itemparam WHERE intname IN ('licid', 'lickey')", ());
    assert_eq!(json(&t, "list")["counts"]["bound"], 1, "{}", first.stderr);
    assert_eq!(what(&json(&t, "take-over panel"), id), "bind");
    fine(&t, "take-over panel --apply --yes");
    assert_eq!((t.item(42).param("licid"), t.upstream.license(id).remoteid.as_str()), (&*id.to_string(), "42"));
}

/// Four runs at once: one binding, whoever was first.
#[test]
fn four_take_overs_at_once_make_one_binding() {
    let t = Test::new();
    let id = vendor(&t, 42, "192.0.2.10");
    let runs: Vec<_> = (0..4).map(|_| t.spawn(["take-over", "panel", "--apply", "--mark", "--yes"])).collect();
    for run in runs {
        let output = run.wait();
        assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    }
    assert_eq!(t.item(42).param("licid"), id.to_string());
    assert_eq!(json(&t, "list")["counts"]["bound"], 1);
    let marked = t.upstream.requests().into_iter().filter(|r| r.get("remoteid").is_some()).count();
    assert_eq!(marked, 1, "{}", t.story());
    assert!(fine(&t, "reconcile").contains("agree"));
}

/// Both questions on a terminal: no to the first does nothing, no to the second binds and leaves the rest.
#[test]
fn take_over_asks_about_binding_and_about_marking_apart() {
    let t = Test::new();
    let id = vendor(&t, 42, "192.0.2.10");
    let (text, code) = on_terminal(&t, "take-over panel --apply", "n\n");
    assert!(text.contains("Go on?") && code == Some(1), "{text}");
    assert_eq!(changes(&t), Vec::<String>::new());
    let (text, _) = on_terminal(&t, "take-over panel --apply", "y\nn\n");
    assert!(text.contains("bound only if you agree: 0."), "{text}");
    assert_eq!((t.item(42).param("licid"), t.upstream.license(id).remoteid.as_str()), (&*id.to_string(), "42"));
    let (text, code) = on_terminal(&t, "take-over panel --apply", "y\n");
    assert_eq!(code, Some(0), "{text}");
    assert!(t.upstream.license(id).remoteid.starts_with("pml-"), "{text}");
}

/// The program on a terminal of its own, answered in advance. The input of `script` stays open until the end: it waits
/// two seconds after the end of its input.
pub fn on_terminal(t: &Test, line: &str, answers: &str) -> (String, Option<i32>) {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let program = crate::support::program_exe().display().to_string();
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &format!("{program} {line}"), "/dev/null"])
        .env("PMISPLICENSE_MGR_ROOT", t.root())
        .env("PMISPLICENSE_MACHINE_ID", t.machine_id())
        .env("LC_ALL", "C")
        .current_dir(t.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("script, of the Debian package bsdutils");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(answers.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

/// A module becomes unusable after the binding has begun. The licenses that the first module bound are reported, the
/// later module is bound anyway, and the sum names what was not bound.
#[test]
fn one_module_that_fails_keeps_no_other_from_being_bound() {
    let mut t = Test::new();
    let sellers = [8, 9].map(|module| {
        t.add_module(module, "pmisplicense");
        let seller = crate::support::Upstream::start();
        t.connect_module(module, &seller.url());
        seller
    });
    let mut ids = vec![vendor(&t, 47, "192.0.2.47")];
    for (module, seller) in [8_u32, 9].into_iter().zip(&sellers) {
        let item = 40 + module;
        let ip = format!("192.0.2.{item}");
        t.soft_item(item, "55227", 1).ip(&ip).module(module).active_until(&day_in(20)).add();
        let id = seller.add_foreign(55227, 1, &ip, &format!("Item #{item} Service {item}"));
        seller.edit_license(id, |l| (l.remoteid, l.autoprolong) = (item.to_string(), "null".into()));
        ids.push(id);
    }
    assert_eq!(json(&t, "take-over panel")["counts"]["bind"], 3);
    let gate = t.upstream.hold_before("soft.edit?read");
    let run = t.spawn(["take-over", "panel", "--apply", "--yes"]);
    // The list reads the license first, the binding again.
    gate.reached();
    let binding = t.upstream.hold_before("soft.edit?read");
    gate.release();
    binding.reached();
    super::in_state(&t, "UPDATE account SET username = 'x' WHERE id = (SELECT account FROM module WHERE id = 8)");
    binding.release();
    let output = run.wait();
    let said = output.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.code, Some(1), "{said}\n{}", output.stderr);
    assert!(said.contains("module 8 name another account") && said.contains("2 done, 1 not bound"), "{said}");
    let bound = [47, 48, 49].map(|item| t.item(item).param("licid").to_owned());
    assert_eq!(bound, [ids[0].to_string(), String::new(), ids[2].to_string()]);
}

/// Options that make no sense, a seller who is away, the panel's switch, a state that was restored.
#[test]
fn take_over_refuses_bad_options_and_binds_nothing() {
    let t = Test::new();
    let id = vendor(&t, 42, "192.0.2.10");
    for line in ["take-over", "take-over nobody", "take-over panel --mark", "take-over panel --yes"] {
        assert_eq!(operator(&t, line).code, Some(2), "{line}");
    }
    assert!(refused(&t, "take-over panel --module 3").contains("pmvmmanager"));
    assert!(refused(&t, "take-over panel --module 99").contains("no processing module"));
    t.upstream.stop_listening();
    refused(&t, "take-over panel");
    t.upstream.listen_again();
    t.do_nothing(true);
    assert!(refused(&t, "take-over panel --apply --yes").contains("DoNothing"));
    assert_eq!(what(&json(&t, "take-over panel"), id), "bind", "looking goes on");
    t.do_nothing(false);
    // A look remembers no account.
    fine(&t, "sync");
    let user = t.upstream.with(|w| w.options.user.clone());
    t.module_param(7, "username", "somebody-else");
    assert!(refused(&t, "take-over panel --apply --yes").contains("--accept-account"), "a swapped account");
    t.module_param(7, "username", &user);
    let copy = t.root().join("copy.db").display().to_string();
    fine(&t, &format!("backup {copy}"));
    fine(&t, &format!("restore {copy} --yes"));
    let done = json(&t, "take-over panel --apply --yes");
    assert_eq!(what(&done, id), "failed");
    assert!(one(&done, id)["why"].as_str().unwrap().contains("restored"), "{done:#}");
    assert_eq!((changes(&t), t.item(42).param("licid")), (Vec::new(), ""));
}

/// Licenses that came with a server bear the number of the addon's row as their remoteid. It may be another service's
/// number, and says nothing about that service: the name tells the server, the addon's parent confirms it.
#[test]
fn an_addons_number_that_is_also_a_services_misleads_nobody() {
    let t = Test::new();
    t.settings("bundled = [3]\nbundled_module = 7\n");
    let own = vendor(&t, 45, "192.0.2.45");
    let bundled = |server: u32, addon: u32| {
        let ip = format!("192.0.2.{server}");
        t.vds_item(server, "55227", 1).addresses(&[&ip]).add();
        let id = t.upstream.add_foreign(55227, 1, &ip, &format!("Item #{server} addon Service {server}"));
        t.upstream.edit_license(id, |l| (l.remoteid, l.autoprolong) = (addon.to_string(), "null".into()));
        id
    };
    let (collides, resolved) = (bundled(31, 45), bundled(32, 46));
    t.soft_item(46, "55227", 1).ip("192.0.2.46").add();
    t.set_item(46, "parent", "32");
    let shown = json(&t, "take-over panel --module 7");
    let known = |id| one(&shown, id)["known_by"].clone();
    assert_eq!(known(collides), serde_json::json!(["name"]), "{shown:#}");
    assert_eq!(known(resolved), serde_json::json!(["remoteid", "name"]), "{shown:#}");
    let done = json(&t, "take-over panel --apply --mark --yes --module 7");
    for (item, license) in [(45, own), (31, collides), (32, resolved)] {
        assert_eq!(
            (what(&done, license).as_str(), t.item(item).param("licid")),
            ("marked", &*license.to_string()),
            "{done:#}"
        );
    }
    t.assert_clean();
}
