//! bind and unbind when something is in the way: a mark of ours that is there already, an order in doubt, an account
//! that the module no longer has. Also what reconcile does about licenses that nobody uses.
use super::{difference, fine, in_state, json, opened, refused, troubled};
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

/// A number that the panel shows without a license of ours behind it is cleared. If a license of another account is
/// behind it, everything stays.
#[test]
fn unbind_clears_what_is_only_shown_unless_another_account_has_it() {
    let mut t = Test::new();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").active_until(&super::day_in(20)).param("licid", "777777").add();
    assert!(fine(&t, "unbind 42 --yes").contains("freed: -"));
    assert_eq!(t.item(42).param("licid"), "");
    refused(&t, "unbind 42 --yes");
    t.soft_item(43, "55227", 1).ip("192.0.2.11").add();
    t.cmd("open", 43).ok();
    let shown = t.item(43).param("licid").to_owned();
    let elsewhere = crate::support::Upstream::start();
    elsewhere.with(|w| w.next_id = 9001);
    t.connect_module(7, &elsewhere.url());
    fine(&t, "doctor --accept-account 7 --other --yes");
    let told = joined(&refused(&t, "unbind 43 --yes"));
    assert!(told.contains("buys from another account now"), "{told}");
    assert_eq!((t.item(43).param("licid"), json(&t, "list")["counts"]["bound"].as_u64()), (&*shown, Some(1)));
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
