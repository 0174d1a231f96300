//! `move` obtains another license first, and releases the present one afterwards. Whatever is refused, crashes or gets
//! no answer in between, the service keeps a license, and no second one is bought.
use super::{fine, in_state, json, opened, operator, refused, troubled};
use crate::service::{settle, state};
use crate::support::{Fault, MgrctlFault, MgrctlFaultKind, Test, Upstream};

/// Service 42 with license 5001 of module 7, and a module 8 that buys elsewhere, to which the service belongs now.
fn between_two() -> (Test, Upstream) {
    let mut t = opened();
    t.upstream.age(5001, 40);
    t.add_module(8, "pmisplicense");
    let elsewhere = Upstream::start();
    elsewhere.with(|w| w.next_id = 9001);
    t.connect_module(8, &elsewhere.url());
    t.set_item(42, "processingmodule", "8");
    (t, elsewhere)
}

/// A freed license in module 8's pool: 9001, of service 50.
fn with_pool(t: &Test, elsewhere: &Upstream) {
    t.soft_item(50, "55227", 12).ip("192.0.2.50").module(8).expires(&super::day_in(365)).add();
    t.cmd("open", 50).ok();
    elsewhere.age(9001, 40);
    t.cmd("close", 50).ok();
    elsewhere.age(9001, 40);
    assert_eq!(elsewhere.license(9001).licname, "free.lic");
}

/// The service has what it had: bound, running, at its address, whatever both modules do hourly.
fn keeps_5001(t: &Test) {
    for module in [7, 8, 7] {
        operator(t, &format!("sync --module {module}"));
    }
    let license = t.upstream.license(5001);
    assert_eq!((t.item(42).param("licid"), license.status, &*license.ip), ("5001", 2, "192.0.2.10"), "{}", t.story());
    assert_eq!(state(t, "SELECT state FROM license WHERE id = 5001"), "bound");
}

/// The service has the other license, and the one before is freed by its own module.
fn has_moved(t: &Test, elsewhere: &Upstream, orders: usize) {
    assert_eq!(t.item(42).param("licid"), "9001");
    assert_eq!(t.item(42).param("lickey"), elsewhere.license(9001).key);
    fine(t, "sync --module 7");
    assert_eq!((t.upstream.license(5001).licname.as_str(), elsewhere.billed("soft.order.param")), ("free.lic", orders));
    assert_eq!((elsewhere.license(9001).status, elsewhere.license(9001).ip.as_str()), (2, "192.0.2.10"));
    t.cmd("sync_item", 42).ok();
    assert!(fine(t, "reconcile").contains("agree"));
}

/// The panel has the former module no more: nobody frees the license that the service leaves, and every message says
/// so. It is named until it has run out. No command is advised that would be refused.
#[test]
fn a_license_of_a_deleted_module_is_left_to_an_operator_until_it_has_run_out() {
    let (t, elsewhere) = between_two();
    t.db.exec("DELETE FROM processingmodule WHERE id = 7", ());
    let problems = |t: &Test| joined(&troubled(t, "list --problems"));
    assert!(problems(&t).contains("Module 7 bound 1 license with the account"), "{}", problems(&t));
    let asked = joined(&refused(&t, "move 42"));
    for told in [asked, joined(&fine(&t, "move 42 --yes"))] {
        assert!(told.contains("no module buys there") && !told.contains("sync of its module"), "{told}");
    }
    assert_eq!(t.item(42).param("lickey"), elsewhere.license(9001).key);
    let told = json(&t, "sync");
    assert_eq!(
        (&told["failures"], &told["passed_over"][0]["license"]),
        (&serde_json::json!([]), &5001.into()),
        "{told:#}"
    );
    for line in ["sync", "doctor", "reconcile"] {
        let told = joined(&operator(&t, line).stdout);
        assert!(!told.contains("pmisplicense move"), "{line}: {told}");
    }
    assert!(problems(&t).contains("pmisplicense list --module 7"), "{}", problems(&t));
    in_state(&t, &format!("UPDATE license SET expires = '{}' WHERE id = 5001", super::day_in(0)));
    fine(&t, "sync");
    fine(&t, "list --problems");
    assert_eq!(json(&t, "sync")["passed_over"], serde_json::json!([]));
    assert!(fine(&t, "reconcile").contains("agree"));
}

#[test]
fn a_move_that_the_seller_refuses_leaves_the_service_its_license() {
    let (t, elsewhere) = between_two();
    elsewhere.set_balance(0);
    for _ in 0..2 {
        let told = refused(&t, "move 42 --yes");
        assert!(told.contains("Service 42 keeps license 5001"), "{told}");
        keeps_5001(&t);
    }
    elsewhere.set_balance(100_000);
    elsewhere.fault(Fault::on("soft.order.param").refused("ip_busy"));
    let told = refused(&t, "move 42 --yes");
    assert!(told.contains("pmisplicense unbind 42"), "{told}");
    keeps_5001(&t);
    fine(&t, "move 42 --yes");
    has_moved(&t, &elsewhere, 1);
}

#[test]
fn a_move_whose_order_got_no_answer_is_found_and_ended_by_sync() {
    let (t, elsewhere) = between_two();
    elsewhere.fault(Fault::on("soft.order.param").late());
    assert!(refused(&t, "move 42 --yes").contains("Service 42 keeps license 5001"));
    keeps_5001(&t);
    assert!(refused(&t, "move 42 --yes").contains("is in doubt"), "not sent again");
    elsewhere.land_late();
    fine(&t, "sync --module 8");
    assert_eq!(t.item(42).param("licid"), "9001");
    // Nobody said that the move has ended: what was left rests a day.
    fine(&t, "sync --module 7");
    assert_eq!(t.upstream.license(5001).licname, "shop");
    in_state(&t, "UPDATE license SET not_before = not_before - 86400 WHERE id = 5001");
    has_moved(&t, &elsewhere, 1);
}

#[test]
fn a_move_in_doubt_ends_by_an_operators_word() {
    let (t, elsewhere) = between_two();
    elsewhere.fault(Fault::on("soft.order.param").late());
    refused(&t, "move 42 --yes");
    elsewhere.land_late();
    elsewhere.edit_license(9001, |l| l.remoteid = "crm-17".into());
    let told = refused(&t, "resolve 42 --bought 9001");
    assert!(told.contains("takes the place of license 5001"), "{told}");
    keeps_5001(&t);
    fine(&t, "resolve 42 --bought 9001 --yes");
    t.cmd("sync_item", 42).ok();
    in_state(&t, "UPDATE license SET not_before = NULL");
    has_moved(&t, &elsewhere, 1);
}

#[test]
fn a_move_whose_order_never_arrived_leaves_the_service_its_license() {
    let (t, elsewhere) = between_two();
    elsewhere.fault(Fault::on("soft.order.param").drop_before());
    refused(&t, "move 42 --yes");
    for _ in 0..3 {
        settle(&t);
        keeps_5001(&t);
    }
    assert_eq!(elsewhere.billed("soft.order.param"), 0, "sync orders nothing");
    fine(&t, "move 42 --yes");
    has_moved(&t, &elsewhere, 1);
}

#[test]
fn a_move_killed_at_any_request_can_be_repeated() {
    for pooled in [false, true] {
        let requests = match pooled {
            false => ["soft.order.param", "soft.edit?read"].as_slice(),
            true => &["soft.edit?newkey", "soft.edit?set", "soft.resume"],
        };
        for (request, after) in requests.iter().flat_map(|request| [(*request, false), (*request, true)]) {
            let (t, elsewhere) = between_two();
            if pooled {
                with_pool(&t, &elsewhere);
            }
            let held = if after { elsewhere.hold_after(request) } else { elsewhere.hold_before(request) };
            let run = t.spawn(["move", "42", "--yes"]);
            held.reached();
            assert_eq!(run.kill().code, None);
            drop(held);
            operator(&t, "sync --module 7");
            let license = t.upstream.license(5001);
            assert_eq!((license.status, license.licname.as_str()), (2, "shop"), "{request} {after}: {}", t.story());
            for _ in 0..3 {
                settle(&t);
                operator(&t, "sync --module 8");
            }
            if t.item(42).param("licid") == "5001" {
                fine(&t, "move 42 --yes");
            }
            in_state(&t, "UPDATE license SET not_before = NULL");
            has_moved(&t, &elsewhere, 1);
        }
    }
}

#[test]
fn a_move_from_the_pool_takes_a_new_key_and_buys_nothing() {
    let (t, elsewhere) = between_two();
    with_pool(&t, &elsewhere);
    let key = elsewhere.license(9001).key;
    elsewhere.fault(Fault::on("soft.edit?newkey").refused("key_change"));
    elsewhere.set_balance(0);
    assert!(refused(&t, "move 42 --yes").contains("keeps license 5001"));
    keeps_5001(&t);
    in_state(&t, "UPDATE license SET not_before = NULL WHERE id = 9001");
    fine(&t, "move 42 --yes");
    assert_ne!(elsewhere.license(9001).key, key);
    has_moved(&t, &elsewhere, 1);
}

/// As [`between_two`], after a move that was killed when it had claimed 9001 of the pool.
fn killed_after_claiming() -> (Test, Upstream) {
    let (t, elsewhere) = between_two();
    with_pool(&t, &elsewhere);
    let held = elsewhere.hold_before("soft.edit?newkey");
    let run = t.spawn(["move", "42", "--yes"]);
    held.reached();
    run.kill();
    drop(held);
    assert_eq!(state(&t, "SELECT state FROM license WHERE id = 9001"), "claimed");
    settle(&t);
    (t, elsewhere)
}

/// The former account has license 5001 no more, and a pass has noticed that.
fn lose_5001(t: &Test) {
    t.upstream.with(|w| w.delete(5001));
    t.set_item(42, "processingmodule", "7");
    operator(t, "sync --module 7");
    t.set_item(42, "processingmodule", "8");
    assert_eq!(state(t, "SELECT state FROM license WHERE id = 5001"), "deleted", "{}", t.log());
}

/// License 9001 serves nobody any more, and is free again.
fn gives_9001_back(t: &Test) {
    let license = state(t, "SELECT state || ' ' || (incarnation IS NULL) FROM license WHERE id = 9001");
    assert_eq!(license, "pool 1", "{}", t.log());
}

#[test]
fn what_was_claimed_for_a_move_is_taken_and_nothing_is_bought_when_the_former_license_is_gone() {
    let (t, elsewhere) = killed_after_claiming();
    lose_5001(&t);
    t.cmd("setparam", 42).ok();
    assert_eq!(elsewhere.billed("soft.order.param"), 1, "only the order of service 50: {}", t.log());
    assert_eq!(t.item(42).param("licid"), "9001");
    assert_eq!(t.item(42).param("lickey"), elsewhere.license(9001).key);
    fine(&t, "sync --module 8");
    assert!(fine(&t, "reconcile").contains("agree"));
}

#[test]
fn what_was_claimed_for_a_move_is_given_up_when_another_license_of_the_account_was_bound() {
    let (t, elsewhere) = killed_after_claiming();
    lose_5001(&t);
    let other = elsewhere.add_foreign(55227, 1, "192.0.2.10", "shop");
    fine(&t, &format!("bind 42 {other} --yes"));
    assert_eq!(state(&t, "SELECT state FROM license WHERE id = 9001"), "claimed");
    fine(&t, "sync --module 8");
    gives_9001_back(&t);
    assert_eq!(t.item(42).param("licid"), other.to_string());
    assert!(fine(&t, "reconcile").contains("agree"));
}

#[test]
fn what_was_claimed_for_a_move_is_given_up_when_the_client_chose_no_panel() {
    for command in ["setparam", "sync_item"] {
        let (t, elsewhere) = killed_after_claiming();
        t.choose(42, "nopanel");
        t.cmd(command, 42);
        gives_9001_back(&t);
        assert_eq!(elsewhere.license(9001).licname, "free.lic");
    }
}

#[test]
fn what_was_claimed_for_a_move_is_given_up_when_the_service_goes_back() {
    let (t, elsewhere) = killed_after_claiming();
    t.set_item(42, "processingmodule", "7");
    for _ in 0..3 {
        settle(&t);
        operator(&t, "sync --module 8");
    }
    elsewhere.age(9001, 40);
    operator(&t, "sync --module 8");
    assert_eq!(state(&t, "SELECT incarnation IS NULL FROM license WHERE id = 9001"), "1", "{}", t.log());
    keeps_5001(&t);
    t.cmd("sync_item", 42).ok();
}

#[test]
fn a_moved_service_that_could_not_show_its_license_is_not_left_with_a_freed_one() {
    let (t, elsewhere) = between_two();
    t.mgrctl_fault(MgrctlFault::on("service.saveparam", MgrctlFaultKind::ErrorDocument).always());
    refused(&t, "move 42 --yes");
    assert_eq!(t.item(42).param("licid"), "5001");
    fine(&t, "sync --module 7");
    assert_eq!(t.upstream.license(5001).licname, "shop", "the service still shows it");
    t.clear_mgrctl_faults();
    fine(&t, "move 42 --yes");
    has_moved(&t, &elsewhere, 1);
    assert!(refused(&t, "move 42 --yes").contains("no license of another module"));
    assert_eq!(json(&t, "list --status bound")["counts"]["bound"], 1);
}

/// The changes at a seller.
fn changes(seller: &Upstream) -> Vec<String> {
    let reads = ["soft", "soft.edit?read", "soft.checkip", "subaccount", "whoami"];
    seller.funcs().into_iter().filter(|func| !reads.contains(&func.as_str())).collect()
}

/// Told in lines of sixty columns: on one line.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_move_shows_both_licenses_and_the_price_before_it_asks() {
    let (t, elsewhere) = between_two();
    elsewhere.set_balance(300);
    let told = joined(&refused(&t, "move 42"));
    let mark = t.upstream.license(5001).remoteid;
    let key = t.item(42).param("lickey").to_owned();
    let end = format!("…{}", &key[key.len() - 4..]);
    for words in [
        "Service 42 (",
        "gets a license of module 8",
        "NOW THEN",
        "license 5001 a new one",
        &format!("key {end} a new one"),
        "product 55227 55227",
        "address 192.0.2.10 192.0.2.10",
        "name shop shop",
        &format!("mark {mark} {}…", mark.strip_suffix('1').unwrap()),
        "order of 55227 for service 42",
        "(list price 5.00 EUR)",
        "license 5001 is freed by the next sync of module 7",
        "In all 5.00 EUR. The balance is 3.00 EUR, which is not enough.",
        "--yes",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(changes(&elsewhere), Vec::<String>::new(), "nothing was sent");
    keeps_5001(&t);
}

#[test]
fn a_move_that_can_take_a_pooled_license_says_that_it_costs_nothing() {
    let (t, elsewhere) = between_two();
    with_pool(&t, &elsewhere);
    let told = joined(&refused(&t, "move 42"));
    assert!(told.contains("license 5001 9001") && told.contains("9001 comes from the pool, paid until"), "{told}");
    assert!(!told.contains("In all"), "{told}");
    assert_eq!(state(&t, "SELECT state FROM license WHERE id = 9001"), "pool", "nothing was claimed");
}

#[test]
fn a_move_that_would_be_refused_says_so_before_it_asks() {
    let (t, elsewhere) = between_two();
    t.settings("minimum_balance = 10\n");
    elsewhere.set_balance(300);
    let told = joined(&refused(&t, "move 42"));
    assert!(told.contains("minimum_balance") && told.contains("keeps license 5001"), "{told}");
    assert!(!told.contains("--yes"), "nobody is asked: {told}");
}

#[test]
fn a_dry_run_of_bind_move_and_resolve_only_shows() {
    let (t, elsewhere) = between_two();
    let before = std::fs::read(t.state_path()).unwrap();
    let shown = json(&t, "move 42 --dry-run");
    assert_eq!((&shown["command"], &shown["dry_run"]), (&"move".into(), &true.into()), "{shown:#}");
    assert_eq!((&shown["now"]["license"], &shown["then"]["license"]), (&5001.into(), &serde_json::Value::Null));
    assert_eq!((&shown["then"]["key"], &shown["costs"][0]), (&"new".into(), &"5.00 EUR".into()), "{shown:#}");
    assert_eq!(shown["unknown_costs"], 0, "{shown:#}");
    t.set_item(42, "processingmodule", "7");
    let other = t.upstream.add_foreign(55227, 1, "192.0.2.10", "by hand");
    let text = joined(&fine(&t, &format!("bind 42 {other} --replace --dry-run")));
    assert!(text.contains("by hand shop") && text.ends_with("This is a dry run. Nothing was changed."), "{text}");
    assert!(refused(&t, "resolve 42 --not-bought --dry-run").contains("Nothing of service 42 is in doubt"));
    assert!(before == std::fs::read(t.state_path()).unwrap(), "the state was written");
    assert_eq!(changes(&elsewhere), Vec::<String>::new());
    keeps_5001(&t);
}

#[test]
fn a_closed_service_is_not_moved() {
    let (t, elsewhere) = between_two();
    t.set_item(42, "status", "4");
    for line in ["move 42", "move 42 --yes"] {
        let told = joined(&refused(&t, line));
        assert!(told.contains("is closed") && told.contains("pmisplicense unbind 42"), "{line}: {told}");
    }
    assert_eq!(elsewhere.billed("soft.order.param"), 0);
    fine(&t, "unbind 42 --yes");
    fine(&t, "sync --module 7");
    assert_eq!(t.upstream.license(5001).licname, "free.lic");
}

/// The account's own pooled license is in the way. Giving the present one up would not help, so nothing advises it.
#[test]
fn a_move_that_a_young_key_prevents_advises_nothing_that_takes_the_license_away() {
    let (t, elsewhere) = between_two();
    t.soft_item(50, "55227", 12).ip("192.0.2.10").module(8).expires(&super::day_in(365)).add();
    t.cmd("open", 50).ok();
    elsewhere.age(9001, 40);
    t.cmd("close", 50).ok();
    elsewhere.age(9001, 40);
    elsewhere.fault(Fault::on("soft.edit?newkey").refused("key_change").always());
    let told = joined(&refused(&t, "move 42 --yes"));
    assert!(told.contains("keeps license 5001") && !told.contains("unbind"), "{told}");
    keeps_5001(&t);
}

/// The seller will not clear the address of the present license yet: the day is named, and nothing is to be given up.
#[test]
fn a_move_to_an_address_that_cannot_be_cleared_yet_names_the_day() {
    let (t, elsewhere) = between_two();
    let today = super::day_in(0);
    t.upstream.edit_license(5001, |license| license.ip_changed = today.parse().ok());
    in_state(&t, &format!("UPDATE license SET ip_changed = '{today}' WHERE id = 5001"));
    elsewhere.fault(Fault::on("soft.order.param").refused("ip_busy").always());
    let told = joined(&refused(&t, "move 42 --yes"));
    assert!(told.contains("cannot be cleared before") && !told.contains("unbind"), "{told}");
    keeps_5001(&t);
}
