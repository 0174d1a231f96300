//! bind and unbind when something is in the way: a mark of ours that is there already, an order in doubt, an account
//! that the module no longer has. Also what reconcile does about licenses that nobody uses.
use super::{difference, fine, in_state, json, opened, operator, refused, troubled};
use crate::service::state;
use crate::support::{Fault, Test};

/// Told in lines of sixty columns: on one line.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The changes of a license at the seller.
fn edits(t: &Test) -> usize {
    t.upstream.requests().iter().filter(|request| request.purpose() == "soft.edit?set").count()
}

/// A mark of ours stays on the license of the service that it was bought for; another service's own takes its place.
/// It renews itself no more either way: that goes off with the same request.
#[test]
fn bind_keeps_the_mark_of_the_service_that_bought_the_license() {
    let t = opened();
    let mark = t.upstream.license(5001).remoteid;
    in_state(&t, "DELETE FROM license");
    t.upstream.clear_requests();
    fine(&t, "bind 42 5001 --yes");
    assert_eq!((t.upstream.license(5001).remoteid, edits(&t)), (mark.clone(), 0), "{}", t.story());
    in_state(&t, "DELETE FROM license");
    t.upstream.edit_license(5001, |l| l.autoprolong = "1".into());
    fine(&t, "bind 42 5001 --yes");
    let license = t.upstream.license(5001);
    assert_eq!((&license.remoteid, &*license.autoprolong, edits(&t)), (&mark, "null", 1), "{}", t.story());
    in_state(&t, "DELETE FROM license");
    t.soft_item(43, "55227", 1).ip("192.0.2.10").licname("shop").active_until(&super::day_in(20)).add();
    fine(&t, "bind 43 5001 --yes");
    let now = t.upstream.license(5001).remoteid;
    assert!(now.contains("-43-") && mark.contains("-42-"), "{now}");
}

/// While an order of the service is in doubt no license is bound to it, and none is taken away.
#[test]
fn nothing_is_bound_or_taken_away_while_an_order_is_in_doubt() {
    let t = Test::new();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    t.upstream.fault(Fault::on("soft.order.param").drop_before());
    t.cmd("open", 42).fails("client");
    let other = t.upstream.add_foreign(55227, 1, "192.0.2.10", "shop");
    for line in [format!("bind 42 {other} --yes"), "unbind 42 --yes".to_owned(), "move 42 --yes".to_owned()] {
        assert!(joined(&refused(&t, &line)).contains("is in doubt"), "{line}");
    }
    assert_eq!((t.item(42).param("licid"), edits(&t)), ("", 0));
}

/// A number that the panel shows without a license of ours behind it is cleared. If a license of a former account is
/// behind it, nothing is sent, and that license is written down as to be freed there.
#[test]
fn unbind_clears_what_is_shown_and_writes_down_what_another_account_has() {
    let mut t = Test::new();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").active_until(&super::day_in(20)).param("licid", "777777").add();
    assert!(fine(&t, "unbind 42 --yes").contains("freed: -"));
    assert_eq!(t.item(42).param("licid"), "");
    refused(&t, "unbind 42 --yes");
    t.soft_item(43, "55227", 1).ip("192.0.2.11").add();
    t.cmd("open", 43).ok();
    let shown = t.item(43).param("licid").to_owned();
    let before = edits(&t);
    let elsewhere = crate::support::Upstream::start();
    elsewhere.with(|w| w.next_id = 9001);
    t.connect_module(7, &elsewhere.url());
    fine(&t, "doctor --accept-account 7 --other --yes");
    // A copy of the service shows the license too: nobody may be told to delete it.
    t.soft_item(44, "55227", 1).ip("192.0.2.12").add();
    for name in ["licid", "lickey"] {
        let value = t.item(43).param(name).to_owned();
        t.set_param(44, name, &value);
    }
    assert!(refused(&t, "unbind 43 --yes").contains("Service 44, which is not closed"), "{}", t.story());
    assert_eq!(state(&t, &format!("SELECT state FROM license WHERE id = {shown}")), "bound");
    t.set_item(44, "status", "4");
    let told = joined(&fine(&t, "unbind 43 --yes"));
    let want = format!("License {shown} of the account reseller at {}", t.upstream.url());
    assert!(told.contains(&want) && told.contains("no module buys there: delete it in the seller's panel"), "{told}");
    assert_eq!((t.item(43).param("licid"), edits(&t)), ("", before), "{}", t.story());
    assert_eq!(state(&t, &format!("SELECT state FROM license WHERE id = {shown}")), "to_free");
    let passed_over = json(&t, "sync")["passed_over"].as_array().cloned().unwrap_or_default();
    assert!(passed_over.iter().any(|one| one["license"].as_u64() == shown.parse().ok()), "{passed_over:?}");
}

/// The seller allows one license an address, and the license of the former account has it: `move` says how the service
/// gets out of that, and each step works.
#[test]
fn the_advice_of_a_move_that_its_own_old_license_prevents_leads_out() {
    let mut t = opened();
    t.set_item(42, "expiredate", &super::day_in(20));
    let elsewhere = crate::support::Upstream::start();
    elsewhere.with(|w| w.next_id = 9001);
    t.connect_module(7, &elsewhere.url());
    fine(&t, "doctor --accept-account 7 --other --yes");
    elsewhere.fault(Fault::on("soft.order.param").refused("ip_busy").always());
    let told = joined(&refused(&t, "move 42 --yes"));
    for part in [
        "pmisplicense unbind 42.",
        "delete it in the seller's panel",
        "Then obtain the new one: pmisplicense reconcile --apply.",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    fine(&t, "unbind 42 --yes");
    // The operator did what the advice says.
    elsewhere.clear_faults();
    t.upstream.edit_license(5001, |l| l.status = 4);
    operator(&t, "reconcile --apply --yes");
    assert_eq!((t.item(42).param("licid"), elsewhere.billed("soft.order.param")), ("9001", 1), "{}", t.story());
    assert_eq!(t.item(42).param("lickey"), elsewhere.license(9001).key);
}

/// A pooled license renews itself: that is switched off, unless another installation marked the license since.
#[test]
fn reconcile_switches_off_the_renewal_of_a_pooled_license() {
    let t = opened();
    t.upstream.age(5001, 40);
    t.cmd("close", 42).ok();
    t.upstream.edit_license(5001, |l| l.autoprolong = "1".into());
    assert_eq!(difference(&json(&t, "reconcile"), "autoprolong")["remedy"], "switch_off");
    fine(&t, "reconcile --apply");
    assert_eq!(t.upstream.license(5001).autoprolong, "null");
    t.upstream.edit_license(5001, |l| l.autoprolong = "1".into());
    t.upstream.before("soft.edit?read", 1, |w| {
        w.licenses.values_mut().for_each(|l| l.remoteid = "pml-zzzzzzzz-9-9".into());
    });
    let told = joined(&troubled(&t, "reconcile --apply"));
    assert!(told.contains("another installation"), "{told}");
    assert_eq!(t.upstream.license(5001).autoprolong, "1");
}

/// A change that the seller does not allow yet is not reported as done.
#[test]
fn what_the_seller_does_not_allow_yet_is_not_called_mended() {
    let t = opened();
    t.set_param(42, "ip", "192.0.2.50");
    t.cmd("setparam", 42).ok();
    t.set_param(42, "ip", "192.0.2.51");
    let told = joined(&troubled(&t, "reconcile --apply"));
    assert!(told.contains("still differs"), "{told}");
    assert_eq!(t.upstream.license(5001).ip, "192.0.2.50");
}

/// Two open services show one license, and either may be the right one: both ways out are named, and each one works.
#[test]
fn two_services_that_show_one_license_are_both_told_their_way_out() {
    for is_copys in [false, true] {
        let t = opened();
        t.soft_item(44, "55227", 1).ip("192.0.2.12").expires(&super::day_in(31)).add();
        for name in ["licid", "lickey"] {
            let value = t.item(42).param(name).to_owned();
            t.set_param(44, name, &value);
        }
        let told = joined(&operator(&t, "reconcile").stdout);
        let ways = "if it is not service 44's license: pmisplicense unbind 44; if it is: pmisplicense bind 44 5001";
        assert!(told.contains(ways), "{told}");
        fine(&t, if is_copys { "bind 44 5001 --yes" } else { "unbind 44 --yes" });
        let want = if is_copys { "44" } else { "42" };
        assert_eq!(state(&t, "SELECT item FROM license WHERE id = 5001 AND state = 'bound'"), want, "{}", t.story());
        assert_eq!(t.upstream.ledger().len(), 1, "{}", t.story());
    }
}
