//! The search for an order in doubt: which licenses it opens, and which it believes (docs/money-safety.md 3 and 4).
use crate::in_doubt::{billed, ordered};
use crate::service::{forget, ip_of, license, licid, only_license, opened, settle, state};
use crate::support::upstream::dialect::Names;
use crate::support::{Fault, Test};

/// The answer names a license that cannot be read yet: the next run looks at it, whether or not a list shows it, and
/// counts it once, also where nothing but name, address and tariff tells it.
#[test]
fn a_license_that_was_named_and_not_read_is_looked_at_next() {
    for (remoteid, unlisted) in [(true, false), (true, true), (false, false), (false, true)] {
        let test = Test::new();
        test.upstream.options(|o| (o.remoteid_returned, o.list_remoteid) = (remoteid, remoteid));
        opened(&test, 41, "55227", 1);
        test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
        test.upstream.fault(Fault::on("soft.edit?read").drop_before().always());
        test.cmd("open", 42).fails("client");
        test.upstream.clear_faults();
        let named = test.upstream.licenses()[1].id;
        test.upstream.edit_license(named, |l| l.unlisted = unlisted);
        test.cmd("open", 42).ok();
        assert_eq!((licid(&test, 42), billed(&test)), (named, 2), "{remoteid} {unlisted}");
    }
}

/// A license that an answer named and that bears somebody else's mark is not bound, however well it fits.
#[test]
fn a_named_license_with_anothers_mark_is_not_bound() {
    let test = ordered("", Fault::on("soft.edit?read").drop_before().always());
    test.cmd("open", 42).fails("client");
    test.upstream.clear_faults();
    let named = only_license(&test).id;
    test.upstream.edit_license(named, |l| l.remoteid = "crm-17".into());
    for kind in ["client", "client", "order_unknown"] {
        test.cmd("open", 42).fails(kind);
        settle(&test);
    }
    assert_eq!((test.item(42).param("licid"), billed(&test)), ("", 1));
    assert_eq!(state(&test, "SELECT count(*) FROM license"), "0");
}

/// If the seller is known to return marks, a license without one is not believed either, even if an answer named it.
#[test]
fn a_named_license_without_a_mark_is_not_believed() {
    let test = Test::new();
    opened(&test, 41, "55227", 1);
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.upstream.before("soft.edit?read", 1, |w| w.licenses.values_mut().for_each(|l| l.remoteid.clear()));
    test.cmd("open", 42).fails("order_unknown");
    assert_eq!((test.item(42).param("licid"), state(&test, "SELECT count(*) FROM license")), ("", "1".to_owned()));
}

/// A search opens only what may be the order: nothing that another service has, nothing that is older than the order,
/// however alike it looks, and no list is read beyond its end.
#[test]
fn only_what_may_be_it_is_opened() {
    let test = Test::new();
    opened(&test, 41, "55227", 1);
    let older = test.upstream.add_foreign(55227, 1, "192.0.2.77", "Item #42 Service 42");
    test.upstream.age(older, 5);
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.upstream.fault(Fault::on("soft.order.param").drop_before());
    test.cmd("open", 42).fails("client");
    test.upstream.edit_license(older, |l| l.ip = "192.0.2.10".into());
    forget(&test);
    test.cmd("open", 42).fails("client");
    assert_eq!(test.upstream.funcs(), ["soft"], "{}", test.story());
}

/// The mark is looked for in everything that may be it, not only in what is opened first.
#[test]
fn our_mark_is_found_behind_the_licenses_of_others() {
    let test = ordered("", Fault::on("soft.order.param").late());
    test.upstream.options(|o| o.list_remoteid = false);
    test.cmd("open", 42).fails("client");
    test.upstream.land_late();
    let ours = only_license(&test).id;
    let theirs = test.upstream.add_foreign(55227, 1, "192.0.2.77", "Another server");
    test.upstream.edit_license(theirs, |l| l.remoteid = "crm-17".into());
    test.cmd("open", 42).ok();
    assert_eq!((licid(&test, 42), billed(&test)), (ours, 1));
}

/// Another's mark in a search is no sign that the seller returns none: the order that follows has the name as it was.
#[test]
fn marks_of_others_are_marks() {
    let test = ordered("", Fault::on("soft.order.param").drop_before());
    test.cmd("open", 42).fails("client");
    let theirs = test.upstream.add_foreign(55227, 1, "192.0.2.77", "Another server");
    test.upstream.edit_license(theirs, |l| l.remoteid = "crm-17".into());
    settle(&test);
    test.cmd("open", 42).fails("client");
    settle(&test);
    test.cmd("open", 42).ok();
    let sent = test.upstream.requests_of("soft.order.param");
    let names: Vec<_> = sent.iter().map(|request| request.get("licname")).collect();
    assert_eq!(names, [Some("Item #42 Service 42"); 2]);
}

/// If the seller returns no remoteid, the mark in the name tells several lost answers apart.
#[test]
fn without_remoteids_each_lost_order_is_recognised_by_its_name() {
    let test = Test::new();
    test.upstream.options(|o| (o.remoteid_returned, o.list_remoteid) = (false, false));
    opened(&test, 41, "55227", 1);
    for item in [42, 43, 44] {
        test.soft_item(item, "55227", 1).ip(&ip_of(item)).licname("one of many").add();
        test.upstream.fault(Fault::on("soft.order.param").late());
        test.cmd("open", item).fails("client");
    }
    test.upstream.land_late();
    for item in [44, 42, 43] {
        test.cmd("open", item).ok();
        assert_eq!(license(&test, item).ip, ip_of(item));
    }
    assert_eq!(billed(&test), 4);
}

/// A machine whose clock is days ahead passes over nothing: days of creation are compared with the seller's own. Its
/// numbers do not grow, and its list shows no marks.
#[test]
fn a_clock_that_is_ahead_hides_no_order() {
    for has_neighbour in [false, true] {
        let test = Test::new();
        test.upstream.options(|o| (o.list_remoteid, o.date_header_virtual) = (false, true));
        test.upstream.set_today(test.upstream.today() - chrono::Days::new(3));
        if has_neighbour {
            test.upstream.add_foreign(55227, 1, "192.0.2.77", "Another server");
        }
        opened(&test, 41, "55227", 1);
        test.upstream.with(|world| world.next_id = 300);
        test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
        test.upstream.fault(Fault::on("soft.order.param").late());
        test.cmd("open", 42).fails("client");
        test.upstream.land_late();
        test.cmd("open", 42).ok();
        assert_eq!((licid(&test, 42), billed(&test)), (300, 2), "{}", test.story());
    }
}

/// A license that may be the order and cannot be opened is not taken for another one. Nothing is bought again, and an
/// operator decides. Other licenses are opened nevertheless.
#[test]
fn a_candidate_that_cannot_be_opened_may_be_the_order() {
    let test = ordered("", Fault::on("soft.order.param").late());
    test.upstream.options(|o| o.list_remoteid = false);
    test.cmd("open", 42).fails("client");
    test.upstream.land_late();
    let ours = only_license(&test).id;
    test.upstream.fault(Fault::on("soft.edit?read").status(500).always());
    for kind in ["client", "order_unknown", "order_unknown"] {
        test.cmd("open", 42).fails(kind);
        settle(&test);
    }
    assert_eq!(billed(&test), 1);
    test.upstream.clear_faults();
    test.cmd("open", 42).ok();
    assert_eq!((licid(&test, 42), billed(&test)), (ours, 1));
}

/// A seller that returns no marks and keeps names in its own way. An order with an answer is bound. If the answer is
/// lost and the mark in the name is cut off, an operator must decide.
#[test]
fn a_name_that_is_kept_otherwise_hides_no_order() {
    for (names, ends) in [(Names::Escaped, true), (Names::Cut, false)] {
        let test = Test::new();
        test.upstream.options(|o| {
            (o.remoteid_returned, o.list_remoteid, o.dialect.names) = (false, false, names);
        });
        opened(&test, 41, "55227", 1);
        let name = "Smith & Sons, hosting by the sea";
        test.soft_item(42, "55227", 1).ip("192.0.2.10").licname(name).add();
        test.upstream.fault(Fault::on("soft.order.param").drop_after());
        test.cmd("open", 42);
        for _ in 0..3 {
            settle(&test);
            test.cmd("open", 42);
        }
        assert_eq!(billed(&test), 2, "{names:?}\n{}", test.story());
        let status = state(&test, "SELECT status FROM intent WHERE item = 42 AND kind = 'order'");
        assert_eq!(status, if ends { "done" } else { "handed_over" }, "{names:?}");
    }
}

/// The two numbers that [`an_answer_that_names_a_deleted_license_does_not_hide_ours`] exchanges.
static NAMED: std::sync::OnceLock<(String, String)> = std::sync::OnceLock::new();

/// The seller returns no marks, and its answer names a license that is deleted, with the very tariff and address. A
/// license that was ordered just now cannot be deleted, so the search for ours goes on.
#[test]
fn an_answer_that_names_a_deleted_license_does_not_hide_ours() {
    let test = Test::new();
    test.upstream.options(|o| (o.remoteid_returned, o.list_remoteid) = (false, false));
    test.soft_item(41, "55227", 1).ip("192.0.2.41").add();
    test.cmd("open", 41).ok();
    let deleted = test.upstream.add_foreign(55227, 1, "192.0.2.10", "somebody");
    test.upstream.edit_license(deleted, |l| l.status = 4);
    NAMED.set(((deleted + 1).to_string(), deleted.to_string())).unwrap();
    test.upstream.fault(Fault::on("soft.order.param").reworded(|answer| {
        let (ours, named) = NAMED.get().unwrap();
        assert!(answer.contains(ours), "{answer}");
        answer.replace(ours, named)
    }));
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.cmd("open", 42).ok();
    assert_eq!((billed(&test), licid(&test, 42)), (2, deleted + 1), "{}", test.story());
    assert_eq!(state(&test, &format!("SELECT count(*) FROM license WHERE id = {deleted}")), "0");
}
