//! Commands that change something. They ask first, refuse what would do harm, and leave nothing half done.
use super::takeover::on_terminal;
use super::{day_in, difference, fine, in_state, json, left_undone, opened, operator, refused, troubled};
use crate::support::{Fault, Test};

/// Nobody is there to be asked: nothing is done. The panel's switch stops them, looking goes on.
#[test]
fn nothing_is_changed_unless_the_operator_agreed() {
    let t = opened();
    for line in ["unbind 42", "bind 42 5001", "retry 42"] {
        assert!(refused(&t, line).contains("--yes"), "{line}");
    }
    assert!(!refused(&t, "move 42").contains("--yes"), "it has nothing to move, which is no question");
    assert_eq!(t.item(42).param("licid"), "5001");
    t.do_nothing(true);
    for line in ["unbind 42 --yes", "reconcile --apply", "retry 42 --yes", "prune --older-than 30"] {
        assert!(refused(&t, line).contains("DoNothing"), "{line}");
    }
    fine(&t, "list");
    fine(&t, "show 42");
}

/// While the panel does nothing, commands that an operator types are refused, and cron gets no message.
#[test]
fn explicit_requests_are_refused_while_the_panel_does_nothing() {
    let t = opened();
    t.do_nothing(true);
    t.upstream.clear_requests();
    for line in [
        "sync --sweep --adopt",
        "sync --allow-many",
        "reconcile --apply",
        "bind 42 5001 --yes",
        "unbind 42 --yes",
        "move 42 --yes",
        "retry 42 --yes",
        "retry --all --yes",
        "resolve 42 --not-bought",
        "doctor --accept-account 7 --same --yes",
        "state claim --yes",
        "take-over panel --apply --yes",
        "import 5001 --yes",
        "restore copy.db --yes",
        "prune --older-than 30",
    ] {
        let told = refused(&t, line);
        assert!(told.ends_with("type: config\n") && told.contains("billmgr.DoNothing"), "{line}: {told}");
    }
    for line in ["sync", "sync --noted", "sync --sweep", "sync --module 7"] {
        let output = operator(&t, line);
        assert_eq!((output.code, &*output.stdout, &*output.stderr), (Some(0), "", ""), "{line}");
    }
    let quiet = json(&t, "sync");
    assert_eq!(
        (&quiet["version"], &quiet["command"], &quiet["switched_off"]),
        (&1.into(), &"sync".into(), &true.into())
    );
    assert!(t.upstream.requests().is_empty());
}

/// A foreign license becomes a service's own, and goes back to the pool.
#[test]
fn bind_makes_a_foreign_license_a_services_own_and_unbind_frees_it() {
    let t = Test::new();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").active_until(&day_in(20)).add();
    let id = t.upstream.add_foreign(55227, 12, "192.0.2.10", "shop");
    let one = difference(&json(&t, "reconcile"), "no_license");
    assert_eq!(one["command"].as_str(), Some(format!("pmisplicense bind 42 {id}").as_str()), "never bought beside it");
    fine(&t, &format!("bind 42 {id} --yes"));
    fine(&t, &format!("bind 42 {id} --yes"));
    assert_eq!(t.item(42).param("lickey"), t.upstream.license(id).key);
    assert!(t.upstream.license(id).remoteid.starts_with("pml-"));
    t.soft_item(43, "55227", 1).ip("192.0.2.11").active_until(&day_in(20)).add();
    assert!(refused(&t, &format!("bind 43 {id} --yes")).contains("serves service 42"));
    let other = t.upstream.add_foreign(55227, 12, "192.0.2.12", "other");
    assert!(refused(&t, &format!("bind 42 {other} --yes")).contains("--replace"));
    t.upstream.edit_license(other, |l| l.remoteid = "pml-zzzzzzzz-9-9".into());
    assert!(refused(&t, &format!("bind 43 {other} --yes")).contains("another installation"));
    refused(&t, "bind 42 777777 --yes --replace");
    refused(&t, "bind 999999 5001 --yes");
    fine(&t, "unbind 42 --yes");
    assert_eq!((t.item(42).param("licid"), t.item(42).param("lickey")), ("", ""));
    assert_eq!(t.upstream.license(id).licname, "free.lic");
    refused(&t, "unbind 42 --yes");
    assert_eq!(t.upstream.billed("soft.order.param"), 0);
    t.assert_clean();
}

/// Bound to a suspended service while its key is not issued yet: it stays stopped.
#[test]
fn a_license_bound_to_a_suspended_service_stays_stopped() {
    let t = Test::new();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").active_until(&day_in(20)).status(3).add();
    let id = t.upstream.add_foreign(55227, 12, "192.0.2.10", "shop");
    t.upstream.edit_license(id, |l| (l.key, l.status) = (String::new(), 3));
    fine(&t, &format!("bind 42 {id} --yes"));
    assert_eq!((t.item(42).param("licid"), t.upstream.license(id).status), (id.to_string().as_str(), 3));
    assert!(t.upstream.requests_of("soft.resume").is_empty(), "not for a moment either");
}

/// If the list leaves the mark out, unknown licenses are opened, and a second license of one order is named.
#[test]
fn a_duplicate_is_named_where_the_list_leaves_out_the_mark() {
    let t = opened();
    let mark = t.upstream.license(5001).remoteid;
    let twin = t.upstream.add_foreign(55227, 1, "192.0.2.77", "twin");
    t.upstream.edit_license(twin, |l| l.remoteid = mark);
    let other = t.upstream.add_foreign(55227, 1, "192.0.2.78", "other");
    t.upstream.with(|w| w.options.list_remoteid = false);
    let found = json(&t, "reconcile");
    assert_eq!(difference(&found, "duplicate")["license"].as_u64(), Some(twin), "{found}");
    assert!(!found.to_string().contains(&other.to_string()), "another's stays unnamed: {found}");
}

/// A license that a repeated order brought is taken in as the product that was ordered. So the tariff that the client
/// chose since then is still ordered for it.
#[test]
fn a_twin_that_is_taken_in_still_gets_the_tariff_that_the_client_chose() {
    let t = opened();
    let mark = t.upstream.license(5001).remoteid;
    let twin = t.upstream.add_foreign(55227, 1, "192.0.2.10", "twin");
    t.upstream.edit_license(twin, |l| l.remoteid = mark);
    t.upstream.edit_license(5001, |l| l.status = 4);
    t.change_tariff(42, "55228");
    fine(&t, "unbind 42 --yes");
    fine(&t, "reconcile --apply --yes");
    assert_eq!(t.item(42).param("licid"), twin.to_string(), "{}", t.story());
    t.cmd("setparam", 42).ok();
    assert_eq!(t.upstream.license(twin).pricelist, 55228, "{}", t.story());
    assert_eq!(t.upstream.requests_of("service.changepricelist").len(), 1);
}

/// A state from a backup only reads; reconcile takes in what it missed, and nothing is bought twice.
#[test]
fn a_restored_state_only_reads_until_reconcile_takes_in_what_it_missed() {
    let t = opened();
    let copy = t.root().join("copy.db").display().to_string();
    fine(&t, &format!("backup {copy}"));
    assert!(refused(&t, &format!("backup {copy}")).contains("cannot be written"), "never overwritten");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&copy).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    t.soft_item(43, "55227", 1).ip("192.0.2.11").expires(&day_in(31)).add();
    t.cmd("open", 43).ok();
    std::fs::write(t.root().join("rubbish"), "no state").unwrap();
    let rubbish = t.root().join("rubbish").display().to_string();
    refused(&t, &format!("restore {rubbish} --yes"));
    refused(&t, "restore nosuch --yes");
    assert!(refused(&t, &format!("restore {copy}")).contains("--yes"));
    assert_eq!(json(&t, "list")["counts"]["bound"], 2, "untouched so far");
    fine(&t, &format!("restore {copy} --yes"));
    assert_eq!(json(&t, "list")["counts"]["bound"], 1);
    t.cmd("sync_item", 42).fails("state");
    left_undone(&t);
    assert!(troubled(&t, "doctor").contains("restored"));
    let found = json(&t, "reconcile");
    assert_eq!(difference(&found, "unowned")["remedy"], "bind");
    assert_eq!(difference(&found, "old_state")["remedy"], "renew_state");
    fine(&t, "reconcile --apply");
    assert_eq!(json(&t, "list")["counts"]["bound"], 2);
    t.cmd("sync_item", 43).ok();
    t.soft_item(44, "55227", 1).ip("192.0.2.12").expires(&day_in(31)).add();
    t.cmd("open", 44).ok();
    assert!(fine(&t, "reconcile").contains("agree"));
    assert_eq!(t.upstream.billed("soft.order.param"), 3);
    let folder = t.state_path().parent().unwrap().to_owned();
    let kept =
        std::fs::read_dir(folder).unwrap().flatten().any(|e| e.file_name().to_string_lossy().contains("before-"));
    assert!(kept, "the state before is kept");
    t.assert_clean();
}

/// Refused for lack of money: listed, and tried again when there is some.
#[test]
fn retry_orders_again_what_was_refused_for_lack_of_money() {
    let t = Test::new();
    t.upstream.set_balance(0);
    t.soft_item(42, "55227", 1).ip("192.0.2.10").expires(&day_in(31)).add();
    t.cmd("open", 42).fails("nomoney");
    let doctor = troubled(&t, "doctor").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(doctor.contains("pmisplicense retry --type nomoney --all"), "{doctor}");
    assert!(fine(&t, "retry --type blocked --all --yes").contains("no service waits"));
    refused(&t, "retry --type nomoney --all");
    t.upstream.set_balance(100_000);
    fine(&t, "retry --type nomoney --all --yes");
    assert_eq!((t.item(42).param("licid"), t.item(42).status), ("5001", 2));
    assert!(fine(&t, "retry --all --yes").contains("no service waits"));
    refused(&t, "retry 999999 --yes");
    assert_eq!(operator(&t, "retry").code, Some(2));
}

/// Runs during the back-off send nothing and record no intent. Their requests are still waiting afterwards.
#[test]
fn retry_takes_what_the_back_off_held_back() {
    let t = Test::new();
    t.upstream.set_balance(0);
    for item in 42..46 {
        t.soft_item(item, "55227", 1).ip(&format!("192.0.2.{item}")).expires(&day_in(31)).add();
        t.cmd("open", item).fails("nomoney");
    }
    assert_eq!(t.upstream.requests_of("soft.order.param").len(), 1, "the others were held back");
    let lines = || json(&t, "history 43")["lines"].as_array().unwrap().len();
    let before = lines();
    t.cmd("open", 43).fails("nomoney");
    assert_eq!(lines(), before, "written down once");
    t.upstream.set_balance(100_000);
    // One of them is opened by the panel, and lifts the account's refusal; one was given up.
    t.cmd("open", 44).ok();
    t.set_item(45, "status", "4");
    assert!(operator(&t, "doctor").stdout.contains("pmisplicense retry --all"));
    assert!(fine(&t, "retry --all --type blocked --yes").contains("no service waits"));
    assert!(refused(&t, "retry --all --type nomoney").contains("2 services again: 42, 43"));
    assert!(fine(&t, "retry --all --type nomoney --yes").contains("2 services: done"));
    for item in 42..45 {
        assert_eq!(t.item(item).status, 2, "{item}");
    }
    assert!(fine(&t, "retry --all --yes").contains("no service waits"));
    assert_eq!(t.upstream.billed("soft.order.param"), 3);
}

/// A purchase that the provider's own minimum keeps back waits like one that the seller refuses.
#[test]
fn retry_takes_what_the_minimum_balance_held_back() {
    let t = Test::new();
    t.settings("minimum_balance = \"50000.00\"\n");
    t.soft_item(42, "55227", 1).ip("192.0.2.10").expires(&day_in(31)).add();
    t.cmd("open", 42).fails("nomoney");
    t.settings("");
    fine(&t, "retry --all --type nomoney --yes");
    assert_eq!(t.item(42).status, 2);
}

/// Several requests of one service wait. They are listed before the question and repeated one by one; a request that
/// waits for an operator is not repeated.
#[test]
fn retry_repeats_only_the_intent_that_was_named() {
    let t = opened();
    t.upstream.fault(Fault::on("soft.edit?newkey").always().refused("key_limit"));
    assert_eq!(t.cmd("gen_key", 42).code, Some(1));
    t.upstream.clear_faults();
    t.choose(42, "55228");
    t.upstream.fault(Fault::on("service.changepricelist").always().drop_before());
    t.cmd("setparam", 42).fails("client");
    t.upstream.clear_faults();
    let asked = refused(&t, "retry 42");
    for line in ["--intent 2: newkey, refused", "--intent 3: tariff, in_doubt"] {
        assert!(asked.contains(line), "{asked}");
    }
    let error = refused(&t, "retry 42 --intent 1 --yes");
    assert!(error.contains("no request 1 that waits") && error.contains("--intent 2"), "{error}");
    assert_eq!(operator(&t, "retry --all --intent 2").code, Some(2));
    let before = t.upstream.license(5001).key;
    in_state(&t, "UPDATE intent SET recorded_at = recorded_at - 1000 WHERE status = 'in_doubt'");
    refused(&t, "retry 42 --intent 3 --yes");
    in_state(&t, "UPDATE intent SET clean_look_at = clean_look_at - 1000 WHERE status = 'in_doubt'");
    fine(&t, "retry 42 --intent 3 --yes");
    assert_eq!((t.upstream.license(5001).pricelist, t.upstream.billed("service.changepricelist")), (55228, 1));
    assert_eq!(t.upstream.license(5001).key, before, "only the one that was named");
    in_state(&t, "UPDATE intent SET status = 'handed_over' WHERE id = 2");
    assert!(refused(&t, "retry 42 --intent 2 --yes").contains("pmisplicense resolve 42 --intent 2"));
}

/// A service moved to a module with another account gets a license there; its old one is freed where it is.
#[test]
fn move_obtains_a_license_in_the_new_account_and_frees_the_former() {
    let mut t = opened();
    refused(&t, "move 42 --yes");
    t.add_module(8, "pmisplicense");
    let elsewhere = crate::support::Upstream::start();
    elsewhere.with(|w| w.next_id = 9001);
    t.connect_module(8, &elsewhere.url());
    t.set_item(42, "processingmodule", "8");
    t.cmd("sync_item", 42).fails("config");
    fine(&t, "move 42 --yes");
    assert_eq!(t.item(42).param("licid"), "9001");
    fine(&t, "sync --module 7");
    assert_eq!(t.upstream.license(5001).licname, "free.lic");
    assert_eq!((t.upstream.billed("soft.order.param"), elsewhere.billed("soft.order.param")), (1, 1));
}

/// A close that the panel never told us of, a renewal by the seller itself, a guard against many.
#[test]
fn reconcile_frees_what_was_closed_unheard_and_guards_against_many() {
    let t = opened();
    t.upstream.edit_license(5001, |l| l.autoprolong = "1".into());
    assert_eq!(difference(&json(&t, "reconcile"), "autoprolong")["remedy"], "sync");
    fine(&t, "reconcile --apply");
    assert_eq!(t.upstream.license(5001).autoprolong, "null");
    t.set_item(42, "status", "4");
    assert_eq!(difference(&json(&t, "reconcile"), "closed")["remedy"], "free");
    fine(&t, "reconcile --apply");
    assert_eq!(t.upstream.license(5001).licname, "free.lic");
    t.settings("max_changes = 1\n");
    for id in 50..52 {
        t.soft_item(id, "55228", 1).ip(&format!("192.0.2.{id}")).active_until(&day_in(20)).add();
    }
    assert!(refused(&t, "reconcile --apply").contains("--allow-many"));
    assert_eq!(t.upstream.billed("soft.order.param"), 1);
    fine(&t, "reconcile --apply --allow-many");
    assert_eq!(t.upstream.billed("soft.order.param"), 3);
}

/// The guard weighs everything before the first repair: what is harmless waits too.
#[test]
fn reconcile_puts_nothing_right_before_all_of_it_was_weighed() {
    let t = opened();
    t.settings("max_changes = 1\n");
    t.upstream.edit_license(5001, |l| l.autoprolong = "1".into());
    for id in 50..52 {
        t.soft_item(id, "55228", 1).ip(&format!("192.0.2.{id}")).active_until(&day_in(20)).add();
    }
    t.upstream.clear_requests();
    assert!(refused(&t, "reconcile --apply").contains("--allow-many"));
    assert_eq!(crate::service::changes(&t), Vec::<String>::new());
    fine(&t, "reconcile --apply --allow-many");
    assert_eq!((t.upstream.license(5001).autoprolong.as_str(), t.upstream.billed("soft.order.param")), ("null", 3));
}

/// One service or one kind is put right, and the rest is only named.
#[test]
fn reconcile_puts_only_that_right_which_was_chosen() {
    let t = opened();
    t.upstream.edit_license(5001, |l| l.autoprolong = "1".into());
    t.soft_item(50, "55228", 1).ip("192.0.2.50").active_until(&day_in(20)).add();
    let left = json(&t, "reconcile --apply --only autoprolong,key")["left"].as_u64();
    assert_eq!((left, t.upstream.license(5001).autoprolong.as_str()), (Some(1), "null"));
    assert_eq!(t.upstream.billed("soft.order.param"), 1);
    fine(&t, "reconcile --apply --only 50");
    assert_eq!(t.upstream.billed("soft.order.param"), 2);
    assert!(refused(&t, "reconcile --apply --only kye").contains("autoprolong"), "the kinds are named");
    assert_eq!(operator(&t, "reconcile --only 50").code, Some(2), "without --apply there is nothing to choose");
}

/// On a terminal each difference is shown with its remedy, and done only when the operator agrees.
#[test]
fn reconcile_asks_about_each_difference_on_a_terminal() {
    let t = opened();
    for id in 50..52 {
        t.soft_item(id, "55228", 1).ip(&format!("192.0.2.{id}")).active_until(&day_in(20)).add();
    }
    let (text, code) = on_terminal(&t, "reconcile --apply", "n\ny\n");
    assert_eq!((text.matches("Do that? [y/N]").count(), code), (2, Some(1)), "{text}");
    assert_eq!(t.upstream.billed("soft.order.param"), 2);
    assert_eq!((t.item(50).param("licid").is_empty(), t.item(51).param("licid").is_empty()), (true, false), "{text}");
    let (text, code) = on_terminal(&t, "reconcile --apply --yes", "");
    assert_eq!((text.contains("[y/N]"), code), (false, Some(0)), "{text}");
}

/// Old lines about closed services go; bindings, intents and what is open stay.
#[test]
fn prune_removes_only_old_lines_about_closed_services() {
    let t = opened();
    in_state(&t, "UPDATE journal SET at = at - 400 * 86400");
    let before = json(&t, "history 42")["lines"].as_array().unwrap().len();
    assert!(fine(&t, "prune --older-than 365").starts_with("0 lines"));
    assert_eq!(json(&t, "history 42")["lines"].as_array().unwrap().len(), before);
    t.set_item(42, "status", "4");
    in_state(&t, "UPDATE license SET state = 'deleted', incarnation = NULL");
    assert!(!fine(&t, "prune --older-than 365").starts_with("0 lines"));
    assert_eq!(operator(&t, "prune --older-than 3").code, Some(2), "too young");
}

/// The one remedy that spends money says how much, and the sum and the balance are below.
#[test]
fn reconcile_says_what_missing_licenses_cost_before_it_buys() {
    let t = opened();
    for (item, product) in [(43, "55227"), (44, "55228")] {
        t.soft_item(item, product, 1).ip(&format!("192.0.2.{item}")).active_until(&super::day_in(20)).add();
    }
    t.upstream.set_balance(300);
    let text = troubled(&t, "reconcile").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("costs 5.00 EUR, list price -> obtain a license for service 43"), "{text}");
    let sum = "module 7, to buy: In all 15.00 EUR. The balance is 3.00 EUR, which is not enough.";
    assert!(text.contains(sum), "{text}");
    let found = json(&t, "reconcile");
    let bill = &found["to_buy"][0];
    assert_eq!((&bill["costs"][0], &bill["balance"]), (&"15.00 EUR".into(), &"3.00 EUR".into()), "{found:#}");
    assert_eq!((&bill["unknown_costs"], &difference(&found, "no_license")["cost"]), (&0.into(), &"5.00 EUR".into()));
    let (asked, _) = on_terminal(&t, "reconcile --apply", "n\nn\n");
    assert!(asked.contains("(costs 5.00 EUR, list price)") && asked.contains("In all 15.00 EUR."), "{asked}");
    assert_eq!(t.upstream.billed("soft.order.param"), 1, "nothing was bought");
}

/// An operator took the license from a paid service: each sync names it until it has another one.
#[test]
fn a_paid_service_whose_license_an_operator_took_is_named_by_each_sync() {
    let t = opened();
    t.upstream.age(5001, 40);
    fine(&t, "unbind 42 --yes");
    for _ in 0..2 {
        let told = left_undone(&t);
        assert!(told.contains("ervice 42 is active and paid for, but has no license"), "{told}");
    }
    assert!(troubled(&t, "list --problems").contains("42"));
    fine(&t, "reconcile --apply");
    fine(&t, "sync");
    // A client who wants no panel misses nothing.
    t.choose(42, "nopanel");
    t.cmd("setparam", 42).ok();
    fine(&t, "sync");
}
