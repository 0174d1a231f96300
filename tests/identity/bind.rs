//! `bind` by an operator: whose key a client sees, what a refusal leaves unchanged, what needs an option of its own,
//! and what is shown before the question.
use super::*;
use crate::pool::pooled;

/// A pooled, stopped or to-be-freed license gets a new key before anything else; the former client's key is never
/// shown.
#[test]
fn a_license_that_another_service_had_gets_a_new_key_first() {
    for (held, setting) in [("pool", ""), ("stopped", "on_close = \"stop\"\n"), ("to_free", "")] {
        let test = Test::new();
        test.settings(setting);
        let id = opened(&test, 1001, "55227", 12);
        if held == "to_free" {
            test.upstream.edit_license(id, |l| l.ip_changed = day(0).parse().ok());
        }
        test.cmd("close", 1001).ok();
        assert_eq!(state(&test, "SELECT state FROM license"), held);
        test.upstream.age(id, 40);
        test.soft_item(1002, "55227", 1).ip("192.0.2.77").active_until(&day(20)).add();
        let old_key = test.upstream.license(id).key;
        forget(&test);
        operator(&test, &format!("bind 1002 {id} --yes")).ok();
        let first = changes(&test).into_iter().next().unwrap_or_default();
        assert_eq!(first, format!("soft.edit clicked_button=newkey elid={id} sok=ok"), "{held}");
        let now = test.upstream.license(id);
        assert!(now.key != old_key && test.item(1002).param("lickey") == now.key, "{held}");
        assert_eq!(
            (now.ip.as_str(), now.status, licid(&test, 1002)),
            ("192.0.2.77", 2, id),
            "{held}: {}",
            test.story()
        );
        sync(&test).ok();
    }
}

/// The license got a new key when it left the pool. That is the key of the client who has it now, so another client
/// under the same number gets a new one.
#[test]
fn a_license_that_came_from_the_pool_gets_a_new_key_for_the_next_client_too() {
    let test = Test::new();
    let id = pooled(&test, 41, "55227", 40);
    test.soft_item(42, "55227", 1).ip(&ip_of(42)).add();
    test.cmd("open", 42).ok();
    let key = test.upstream.license(id).key;
    assert_eq!((licid(&test, 42), test.item(42).param("lickey")), (id, &*key));
    test.upstream.age(id, 40);
    test.set_item(42, "createdate", &format!("{} 10:45:00", day(0)));
    test.set_item(42, "account", "77");
    for param in ["licid", "lickey"] {
        test.set_param(42, param, "");
    }
    operator(&test, &format!("bind 42 {id} --yes")).ok();
    let now = test.upstream.license(id).key;
    assert!(now != key && test.item(42).param("lickey") == now, "{}", test.story());
}

/// Refused: nothing is bound and nothing shown. A run that died after the new key asks for no second one.
#[test]
fn a_refused_new_key_binds_nothing_and_a_given_one_is_used() {
    let test = Test::new();
    let id = pooled(&test, 1001, "55227", 40);
    test.upstream.edit_license(id, |l| l.key_changed = day(0).parse().ok());
    test.soft_item(1002, "55227", 1).ip("192.0.2.77").active_until(&day(20)).add();
    let refused = operator(&test, &format!("bind 1002 {id} --yes"));
    assert!(refused.stderr.contains("key_change_limit"), "{}", refused.stderr);
    assert_eq!((test.item(1002).param("licid"), state(&test, "SELECT state FROM license")), ("", "pool".into()));
    test.upstream.age(id, 40);
    test.upstream.fault(crate::support::Fault::on("soft.edit?set").refused("something_odd"));
    operator(&test, &format!("bind 1002 {id} --yes"));
    assert_eq!(test.upstream.requests_of("soft.edit").iter().filter(|r| r.purpose() == "soft.edit?newkey").count(), 2);
    operator(&test, &format!("bind 1002 {id} --yes")).ok();
    assert_eq!(test.upstream.requests_of("soft.edit").iter().filter(|r| r.purpose() == "soft.edit?newkey").count(), 2);
    assert_eq!(test.item(1002).param("lickey"), test.upstream.license(id).key);
}

/// If the seller allows one license an address, replacing is refused before anything is given up. The service keeps
/// license, number and key, and the advice leads to the other license.
#[test]
fn a_refused_replacement_leaves_the_service_what_it_has() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    let before = face(&test, id);
    let other = test.upstream.add_foreign(55227, 12, "192.0.2.99", "other");
    let refused = operator(&test, &format!("bind 42 {other} --replace --yes"));
    assert!(refused.code == Some(1) && refused.stderr.contains("ip_busy"), "{}", refused.stderr);
    assert!(refused.stderr.contains("keeps license 5001"), "{}", refused.stderr);
    sync(&test).ok();
    assert_eq!((licid(&test, 42), face(&test, id), test.item(42).param("lickey")), (id, before.clone(), &*before.3));
    assert_eq!(state(&test, "SELECT group_concat(id || state) FROM license"), format!("{id}bound"));
    operator(&test, "unbind 42 --yes").ok();
    operator(&test, &format!("bind 42 {other} --yes")).ok();
    assert_eq!((licid(&test, 42), test.upstream.license(other).ip.as_str()), (other, &*ip_of(42)));
}

/// A trial is only stopped when its service gives it up. It keeps its address then, so the advice has a step more. What
/// becomes of it is said as it is.
#[test]
fn a_trial_that_is_replaced_does_not_go_to_the_pool() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", -100);
    let other = test.upstream.add_foreign(55239, -100, "192.0.2.99", "other");
    let bind = format!("bind 42 {other} --yes");
    let refused = operator(&test, &format!("{bind} --replace"));
    let told = refused.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("ip_busy") && told.contains("keeps its address"), "{told}");
    assert!(told.contains(&format!("delete license {id} in the seller's panel")), "{told}");
    operator(&test, "unbind 42 --yes").ok();
    assert_eq!(operator(&test, &bind).code, Some(1), "the stopped trial has the address");
    test.upstream.with(|world| world.delete(id));
    operator(&test, &bind).ok();
    assert_eq!(licid(&test, 42), other);
    let third = test.upstream.add_foreign(55239, -100, &ip_of(43), "third");
    test.set_param(42, "ip", &ip_of(43));
    let told = operator(&test, &format!("bind 42 {third} --replace --yes")).ok().stdout.clone();
    assert!(told.contains(&format!("license {other} is now: stopped")), "{told}");
}

/// The license is too young to move: the error names the day, and nothing is changed.
#[test]
fn a_replacement_whose_address_is_too_young_changes_nothing() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    let other = test.upstream.add_foreign(55227, 12, "192.0.2.99", "other");
    test.upstream.edit_license(other, |l| l.ip_changed = day(0).parse().ok());
    let refused = operator(&test, &format!("bind 42 {other} --replace --yes"));
    assert!(refused.stderr.contains("ip_change_limit"), "{}", refused.stderr);
    assert_eq!((licid(&test, 42), state(&test, "SELECT count(*) FROM license")), (id, "1".into()));
    assert_eq!(changes(&test), Vec::<String>::new());
}

/// The old license is freed only when the new one is shown: a panel that does not save leaves it alone until it does.
#[test]
fn the_old_license_is_freed_only_when_the_new_one_is_shown() {
    use crate::support::{MgrctlFault, MgrctlFaultKind};
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    let other = test.upstream.add_foreign(55227, 12, &ip_of(42), "other");
    test.mgrctl_fault(MgrctlFault::on("service.saveparam", MgrctlFaultKind::ErrorDocument).always());
    assert_eq!(operator(&test, &format!("bind 42 {other} --replace --yes")).code, Some(1));
    assert_eq!(sync(&test).code, Some(1));
    assert_eq!((licid(&test, 42), test.upstream.license(id).status), (id, 2), "{}", test.story());
    test.clear_mgrctl_faults();
    sync(&test).ok();
    sync(&test).ok();
    assert_eq!((licid(&test, 42), test.upstream.license(id).status), (other, 3), "{}", test.story());
}

/// Another installation's license, and another product, are taken only by a word of their own; the message names it.
#[test]
fn another_installation_and_another_product_need_words_of_their_own() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").active_until(&day(20)).add();
    let id = test.upstream.add_foreign(55229, 12, "192.0.2.10", "shop");
    test.upstream.edit_license(id, |l| l.remoteid = "pml-zzzzzzzz-9-9".into());
    let first = operator(&test, &format!("bind 42 {id} --yes"));
    assert!(first.stderr.contains(&format!("bind 42 {id} --take-from zzzzzzzz")), "{}", first.stderr);
    assert_eq!(operator(&test, &format!("bind 42 {id} --take-from yyyyyyyy --yes")).code, Some(1));
    let second = operator(&test, &format!("bind 42 {id} --take-from zzzzzzzz --yes"));
    assert!(second.stderr.contains(&format!("bind 42 {id} --other-product")), "{}", second.stderr);
    assert_eq!(changes(&test), Vec::<String>::new());
    let asked = operator(&test, &format!("bind 42 {id} --take-from zzzzzzzz --other-product"));
    assert!(asked.stderr.contains("55229 -> 55227") && asked.stderr.contains("list price"), "{}", asked.stderr);
    operator(&test, &format!("bind 42 {id} --take-from zzzzzzzz --other-product --yes")).ok();
    let now = test.upstream.license(id);
    assert_eq!((now.pricelist, licid(&test, 42)), (55227, id), "{}", test.story());
    assert!(now.remoteid.contains("-42-") && !now.remoteid.contains("zzzzzzzz"), "{}", now.remoteid);
}

/// Before it asks, bind shows what is so now and what will be so then; of keys only the end.
#[test]
fn bind_shows_before_and_after_and_asks() {
    let test = Test::new();
    let held = opened(&test, 42, "55227", 1);
    let id = test.upstream.add_foreign(55227, 12, "192.0.2.99", "by hand");
    test.upstream.edit_license(id, |l| l.autoprolong = "12".into());
    let asked = operator(&test, &format!("bind 42 {id} --replace"));
    assert_eq!(asked.code, Some(1));
    let key = test.upstream.license(id).key;
    for part in ["192.0.2.99", &ip_of(42), "by hand", "pml-", "by itself", &key[key.len() - 4..]] {
        assert!(asked.stderr.contains(part), "{part}: {}", asked.stderr);
    }
    assert!(asked.stderr.contains(&format!("license {held} of service 42 is freed")), "{}", asked.stderr);
    assert!(!asked.stderr.contains(&key), "the whole key is shown");
    assert_eq!(changes(&test), Vec::<String>::new());
}
