//! A license claimed from the pool when something goes wrong on the way: continued by the next run, given back, left
//! alone for a while, and what is never bound (docs/licensing-rules.md 7).
use crate::pool::{open, orders, pooled, pooled_many};
use crate::service::{alter_state, changes, day, forget, ip_of, licid, opened, pass, state};
use crate::support::{Fault, Test};

/// A day and a second.
const REST: u32 = 86_401;

fn new_keys(test: &Test) -> usize {
    test.upstream.requests_of("soft.edit?newkey").len()
}

/// True if anything was asked about a license since the last `forget`.
fn is_asked_about(test: &Test, id: u64) -> bool {
    test.upstream.requests().iter().any(|request| request.get("elid") == Some(&id.to_string()))
}

/// Five candidates are tried in one run, then a license is bought. A refused candidate rests for a day, even if its
/// last change is long ago, so that the next run comes to the others.
#[test]
fn after_five_refused_candidates_a_license_is_bought() {
    let test = Test::new();
    let ids = pooled_many(&test, 1..=6);
    for id in &ids {
        test.upstream.edit_license(*id, |l| l.key_changed = day(-40).parse().ok());
    }
    test.upstream.fault(Fault::on("soft.edit?newkey").refused("key_change").always());
    open(&test, 142, "55227", 1).ok();
    assert_eq!((new_keys(&test), orders(&test)), (5, 1), "{}", test.story());
    test.upstream.clear_faults();
    forget(&test);
    open(&test, 143, "55227", 1).ok();
    assert_eq!((licid(&test, 143), new_keys(&test)), (ids[5], 1), "{}", test.story());
    pass(&test, REST);
    open(&test, 144, "55227", 1).ok();
    assert_eq!((licid(&test, 144), orders(&test)), (ids[0], 0));
}

/// Refused with a day to come it rests until that day is over, not only for a day.
#[test]
fn a_candidate_refused_until_a_day_rests_until_it_is_over() {
    let test = Test::setup().options(|o| (o.list_dates, o.edit_dates) = (false, false)).start();
    let id = pooled(&test, 41, "55227", 40);
    // From now on the seller shows the day: only after the first refusal.
    test.upstream.options(|o| o.edit_dates = true);
    test.upstream.edit_license(id, |l| l.key_changed = day(-10).parse().ok());
    open(&test, 142, "55227", 1).ok();
    assert_eq!((new_keys(&test), orders(&test), licid(&test, 142) == id), (1, 1, false), "{}", test.story());
    test.upstream.age(id, 40);
    forget(&test);
    pass(&test, 10 * REST);
    open(&test, 143, "55227", 1).ok();
    assert!(!is_asked_about(&test, id) && orders(&test) == 1, "{}", test.story());
    pass(&test, 15 * REST);
    open(&test, 144, "55227", 1).ok();
    assert_eq!((licid(&test, 144), orders(&test)), (id, 1), "{}", test.story());
}

/// A candidate that is found in use is left alone for a day. A candidate with another installation's mark is left alone
/// for good.
#[test]
fn a_candidate_found_in_use_is_left_alone_for_a_day() {
    for mark in [None, Some("pml-zzzzzzzz-9-9")] {
        let test = Test::new();
        let id = pooled(&test, 41, "55227", 40);
        let free = test.upstream.license(id);
        // The list showed it free a moment ago.
        test.upstream.before("soft.edit?read", 1, move |world| {
            let license = world.licenses.get_mut(&id).unwrap();
            license.licname = "taken by hand".into();
            if let Some(mark) = mark {
                license.remoteid = mark.into();
            }
        });
        open(&test, 142, "55227", 1).ok();
        assert_ne!(licid(&test, 142), id, "{mark:?}");
        test.upstream.edit_license(id, |l| *l = free);
        forget(&test);
        open(&test, 143, "55227", 1).ok();
        assert!(licid(&test, 143) != id && !is_asked_about(&test, id), "{mark:?}: {}", test.story());
        pass(&test, REST);
        open(&test, 144, "55227", 1).ok();
        assert_eq!(licid(&test, 144) == id, mark.is_none(), "{mark:?}: {}", test.story());
    }
}

/// It still had the address in our state, but somebody moved it: it serves him, and is not taken away.
#[test]
fn a_license_that_an_operator_moved_is_not_taken_away() {
    let test = Test::new();
    test.upstream.options(|o| o.order_counts_as_change = true);
    let id = opened(&test, 41, "55227", 12);
    test.cmd("close", 41).ok();
    test.upstream.age(id, 40);
    test.upstream.edit_license(id, |l| l.ip = "198.51.100.7".into());
    forget(&test);
    test.soft_item(142, "55227", 1).ip(&ip_of(41)).add();
    test.cmd("open", 142).ok();
    assert_eq!((licid(&test, 142) == id, orders(&test), new_keys(&test)), (false, 1, 0), "{}", test.story());
}

/// A new key that is not issued at once: until it is there nobody gets the address, and nothing is asked or bought in
/// its place.
#[test]
fn nobody_gets_the_address_while_the_new_key_is_late() {
    let test = Test::new();
    let id = pooled(&test, 41, "55227", 40);
    test.upstream.fault(Fault::on("soft.edit?newkey").key_late(u32::MAX));
    test.soft_item(142, "55227", 1).ip(&ip_of(142)).add();
    for _ in 0..2 {
        test.cmd("open", 142).fails("upstream");
        let now = test.upstream.license(id);
        assert_eq!((now.ip.as_str(), now.status, test.item(142).param("licid")), ("0.0.0.0", 3, ""));
        assert_eq!((new_keys(&test), orders(&test)), (1, 0), "{}", test.story());
    }
    test.upstream.issue_keys();
    test.cmd("open", 142).ok();
    let now = test.upstream.license(id);
    assert_eq!((licid(&test, 142), now.old_keys.len(), now.ip), (id, 1, ip_of(142)));
}

/// If the seller shows no key at all, nobody could tell a new key from the old one. The license goes back as it was.
#[test]
fn a_license_whose_key_is_not_shown_goes_back_to_the_pool() {
    let test = Test::new();
    let id = pooled(&test, 41, "55227", 40);
    test.upstream.edit_license(id, |l| l.key = String::new());
    open(&test, 142, "55227", 1).ok();
    assert_eq!((licid(&test, 142) == id, orders(&test), new_keys(&test)), (false, 1, 0), "{}", test.story());
    assert_eq!(state(&test, &format!("SELECT state FROM license WHERE id = {id}")), "pool");
}

/// A claim that a run left behind is continued as it began. Its key cannot change yet: where the license had the
/// address that is asked for the run says so; else another one serves.
#[test]
fn a_claim_left_behind_is_continued_or_gives_way_to_another() {
    for own in [true, false] {
        let test = Test::new();
        let id = pooled(&test, 41, "55227", 40);
        test.upstream.fault(Fault::on("soft.edit?read").drop_before().always());
        test.soft_item(142, "55227", 1).ip(&ip_of(if own { 41 } else { 142 })).add();
        test.cmd("open", 142).fails("client");
        assert_eq!(state(&test, "SELECT state FROM license"), "claimed");
        test.upstream.clear_faults();
        test.upstream.fault(Fault::on("soft.edit?newkey").refused("key_change"));
        let run = test.cmd("open", 142);
        if own {
            run.fails("ip_busy");
        } else {
            run.ok();
            assert_ne!(licid(&test, 142), id);
        }
        assert_eq!(orders(&test), usize::from(!own), "{}", test.story());
        assert_eq!(state(&test, &format!("SELECT state FROM license WHERE id = {id}")), "pool");
    }
}

/// An edit that took no effect is repeated in the same run: name, address and mark arrive together, also where the
/// license has the address already.
#[test]
fn an_edit_without_effect_is_repeated_in_the_same_run() {
    for own in [true, false] {
        let test = Test::new();
        test.upstream.options(|o| o.order_counts_as_change = own);
        let id = opened(&test, 41, "55227", 12);
        test.cmd("close", 41).ok();
        test.upstream.age(id, 40);
        forget(&test);
        let ip = ip_of(if own { 41 } else { 142 });
        test.soft_item(142, "55227", 1).ip(&ip).licname("second").add();
        test.upstream.fault(Fault::on("soft.edit?set").html().without_effect());
        test.cmd("open", 142).ok();
        let now = test.upstream.license(id);
        assert_eq!((licid(&test, 142), now.ip, now.licname.as_str()), (id, ip, "second"), "{own}");
        assert!(now.remoteid.ends_with("-142-2") && orders(&test) == 0, "{own}: {}", now.remoteid);
    }
}

/// The edit has no effect while the run looks. The next run finds whether it took effect later: by the mark, or by name
/// and address together if the seller returns no mark. A new key is requested once.
#[test]
fn an_edit_in_doubt_is_settled_by_the_next_run() {
    for (returned, own) in [(true, false), (false, false), (false, true)] {
        for lands in [true, false] {
            let test = Test::new();
            test.upstream.options(|o| o.order_counts_as_change = own);
            let id = opened(&test, 41, "55227", 12);
            test.cmd("close", 41).ok();
            test.upstream.age(id, 40);
            test.upstream.options(|o| (o.remoteid_returned, o.list_remoteid) = (returned, returned));
            test.upstream.fault(Fault::on("soft.edit?set").late().always());
            let ip = ip_of(if own { 41 } else { 142 });
            test.soft_item(142, "55227", 1).ip(&ip).licname("second").add();
            test.cmd("open", 142).fails("client");
            test.upstream.clear_faults();
            assert_eq!((test.upstream.license(id).status, test.item(142).param("licid")), (3, ""));
            if lands {
                test.upstream.land_late();
            }
            forget(&test);
            test.cmd("open", 142).ok();
            let (case, now) = (format!("{returned} {own} {lands}: {}", test.story()), test.upstream.license(id));
            assert_eq!((licid(&test, 142), now.ip, now.licname.as_str(), now.status), (id, ip, "second", 2), "{case}");
            assert_eq!((orders(&test), now.old_keys.len()), (0, 1), "{case}");
            assert!(now.remoteid.ends_with("-142-2"), "{case}");
            assert_eq!(changes(&test).len(), if lands { 1 } else { 2 }, "{case}");
        }
    }
}

/// The last look decides. With another installation's mark, or with the former client's key, the license is not bound,
/// and the service shows neither number nor key.
#[test]
fn a_license_with_anothers_mark_or_the_old_key_is_never_bound() {
    for mark in [true, false] {
        let test = Test::new();
        let id = pooled(&test, 41, "55227", 40);
        let old = test.upstream.license(id).key;
        test.upstream.before("soft.edit?read", 4, move |world| {
            let license = world.licenses.get_mut(&id).unwrap();
            if mark { license.remoteid = "pml-zzzzzzzz-9-9".into() } else { license.key = old }
        });
        open(&test, 142, "55227", 1).fails("upstream");
        let item = test.item(142);
        assert_eq!((item.status, item.param("licid"), item.param("lickey")), (1, "", ""), "{}", test.story());
        assert_eq!((state(&test, "SELECT state FROM license"), orders(&test)), ("claimed".into(), 0));
    }
}

/// The run does not wait for a candidate that another run is taking.
#[test]
fn a_candidate_that_another_run_takes_is_not_waited_for() {
    let test = Test::new();
    let ids = pooled_many(&test, 1..=2);
    let spawn = |item: u32| {
        test.soft_item(item, "55227", 1).ip(&ip_of(item)).add();
        test.spawn(["--command", "open", "--item", &item.to_string()])
    };
    let first_look = test.upstream.hold_before("soft.edit?read");
    let first = spawn(142);
    first_look.reached();
    test.upstream.edit_license(ids[0], |l| l.licname = "taken by hand".into());
    let second_look = test.upstream.hold_before("soft.edit?read");
    let second = spawn(143);
    second_look.reached();
    // The second run has claimed the other candidate, and holds it.
    first_look.release();
    first.wait().ok();
    second_look.release();
    second.wait().ok();
    assert_eq!((licid(&test, 143), orders(&test)), (ids[1], 1), "{}", test.story());
    assert!(!ids.contains(&licid(&test, 142)));
}

/// A run read what a closed service left behind, and another service takes one of these licenses before the run has its
/// lock. Then it is that service's, and the run leaves it alone.
#[test]
fn a_license_taken_while_it_was_to_be_freed_stays_with_its_new_service() {
    for command in ["close", "sync_item"] {
        let test = Test::new();
        let refuse = || test.upstream.fault(Fault::on("soft.edit?set").refused("something_odd").always());
        let first = opened(&test, 42, "55227", 12);
        refuse();
        test.cmd("close", 42).ok();
        test.upstream.clear_faults();
        // The panel opens the number once more, elsewhere.
        test.set_item(42, "status", "1");
        test.set_param(42, "ip", "192.0.2.99");
        test.cmd("open", 42).ok();
        let second = licid(&test, 42);
        refuse();
        test.cmd("close", 42).ok();
        test.upstream.clear_faults();
        assert_eq!(state(&test, "SELECT count(*) FROM license WHERE state = 'to_free'"), "2", "{}", test.story());
        test.upstream.age(first, 40);
        test.upstream.age(second, 40);
        pass(&test, REST);
        let freeing = test.upstream.hold_before("soft.edit?set");
        let ending = test.spawn(["--command", command, "--item", "42"]);
        freeing.reached();
        let starting = test.upstream.hold_before("soft.resume");
        test.soft_item(43, "55227", 1).ip("192.0.2.99").add();
        let opening = test.spawn(["--command", "open", "--item", "43"]);
        starting.reached();
        freeing.release();
        // Service 43 does not show the second license yet.
        test.until_logged(&format!("another run holds the lock of licid {second}; waiting for it"));
        starting.release();
        opening.wait().ok();
        ending.wait().ok();
        let given = test.upstream.license(second);
        assert_eq!((given.status, given.ip.as_str(), licid(&test, 43)), (2, "192.0.2.99", second), "{}", test.story());
        let holder = format!("SELECT state || ' ' || item FROM license WHERE id = {second}");
        assert_eq!(state(&test, &holder), "bound 43", "{command}");
        assert_eq!(test.upstream.license(first).licname, "free.lic", "{command}");
    }
}

/// The remedy of reconcile waits for a closed service, another run frees its license in that time, and a third one
/// takes it. The remedy does not free it a second time.
#[test]
fn a_license_freed_and_taken_while_reconcile_waited_stays_with_its_new_service() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 12);
    test.upstream.age(id, 40);
    test.set_item(42, "status", "4");
    let lock = test.state_path().with_file_name("locks").join("item-42.lock");
    let held = std::fs::File::create(lock).unwrap();
    held.lock().unwrap();
    let looked = test.upstream.hold_before("softexternal");
    let repair = test.spawn(["reconcile", "--apply", "--yes"]);
    looked.reached();
    looked.release();
    test.until_logged("another run holds the lock of item 42; waiting for it");
    // What the run that holds the service has done.
    test.upstream.edit_license(id, |l| {
        (l.status, l.licname, l.ip) = (3, "free.lic".into(), "0.0.0.0".into());
        l.remoteid = l.remoteid.replace("-42-1", "-free");
    });
    alter_state(
        &test,
        "UPDATE license SET state = 'pool', incarnation = NULL, name = 'free.lic', ip = '0.0.0.0', status = 3",
    );
    let starting = test.upstream.hold_before("soft.resume");
    test.soft_item(43, "55227", 1).ip("192.0.2.43").add();
    let opening = test.spawn(["--command", "open", "--item", "43"]);
    starting.reached();
    drop(held);
    test.until_logged(&format!("another run holds the lock of licid {id}; waiting for it"));
    starting.release();
    opening.wait().ok();
    repair.wait();
    let given = test.upstream.license(id);
    assert_eq!((given.status, given.ip.as_str(), licid(&test, 43)), (2, "192.0.2.43", id), "{}", test.story());
    assert_eq!(state(&test, "SELECT state || ' ' || item FROM license"), "bound 43");
}
