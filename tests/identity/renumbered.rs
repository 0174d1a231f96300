//! The seller gave a license another number: our mark says whose it is.
use super::*;

/// Moves a license to another number at the seller, mark and key and all.
fn renumber(test: &Test, from: u64, to: u64) {
    test.upstream.with(|w| {
        let mut license = w.licenses.remove(&from).expect("a license");
        license.id = to;
        w.licenses.insert(to, license);
    });
}

/// Two looks, a settling time apart, then the license with the mark is the service's: renewed, not bought anew; the
/// old number is journalled, the new one and the key are shown.
#[test]
fn a_renewal_finds_a_renumbered_license_by_its_mark() {
    for command in ["sync_item", "resume"] {
        let test = Test::new();
        opened(&test, 41, "55227", 1);
        let id = opened(&test, 42, "55227", 1);
        ends_in(&test, id, 1);
        test.set_item(42, "expiredate", &day(20));
        renumber(&test, id, 9001);
        test.cmd(command, 42).fails("license_gone");
        settle(&test);
        test.cmd(command, 42).ok();
        test.cmd("sync_item", 42).ok();
        assert_eq!(
            (licid(&test, 42), test.upstream.billed("soft.order.param")),
            (9001, 2),
            "{command}: {}",
            test.story()
        );
        assert_eq!(test.upstream.billed("service.prolong"), 1, "{command}");
        assert_eq!(test.item(42).param("lickey"), test.upstream.license(9001).key);
        let told = operator(&test, "history 42").stdout;
        assert!(told.contains(&format!("license {id} of service 42 the number 9001")), "{told}");
        sync(&test).ok();
    }
}

/// The same where the list shows no marks, and where a pass comes first: what bears the mark is not freed as a
/// duplicate.
#[test]
fn a_sync_pass_does_not_free_a_renumbered_license_as_a_duplicate() {
    for list_remoteid in [true, false] {
        let test = Test::setup().options(|o| o.list_remoteid = list_remoteid).start();
        opened(&test, 41, "55227", 1);
        let id = opened(&test, 42, "55227", 1);
        renumber(&test, id, 9001);
        for _ in 0..3 {
            sync(&test);
            settle(&test);
        }
        sync(&test).ok();
        let license = test.upstream.license(9001);
        assert_eq!((licid(&test, 42), license.status, &*license.ip), (9001, 2, &*ip_of(42)), "{}", test.story());
        assert_eq!(test.upstream.billed("soft.order.param"), 2);
    }
}

/// Suspending reaches the license under its new number.
#[test]
fn suspend_stops_a_renumbered_license() {
    let test = Test::new();
    opened(&test, 41, "55227", 1);
    let id = opened(&test, 42, "55227", 1);
    renumber(&test, id, 9001);
    test.cmd("suspend", 42).fails("license_gone");
    settle(&test);
    test.cmd("suspend", 42).ok();
    assert_eq!(test.upstream.license(9001).status, 3);
}

/// Two licenses with one mark, both there: the second is a duplicate as ever.
#[test]
fn a_second_license_beside_the_bound_one_is_still_a_duplicate() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    let twin = test.upstream.add_foreign(55227, 1, "192.0.2.77", "twin");
    let mark = test.upstream.license(id).remoteid;
    test.upstream.edit_license(twin, |l| l.remoteid = mark);
    test.upstream.age(twin, 40);
    sync(&test).ok();
    assert_eq!((test.upstream.license(twin).licname.as_str(), licid(&test, 42)), ("free.lic", id), "{}", test.story());
}

/// The license is gone for good: no other one bears the mark, and a new one is bought, as before.
#[test]
fn without_a_license_with_the_mark_a_new_one_is_bought() {
    let test = Test::new();
    opened(&test, 41, "55227", 1);
    let id = opened(&test, 42, "55227", 1);
    test.upstream.edit_license(id, |l| l.status = 4);
    test.cmd("resume", 42).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 3);
    assert!(licid(&test, 42) != id);
}

/// The bound license is deleted, and one with the same mark is there: it is the service's at once.
#[test]
fn a_deleted_number_gives_way_at_once_to_the_license_with_its_mark() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    let twin = test.upstream.add_foreign(55227, 1, &ip_of(42), "twin");
    let mark = test.upstream.license(id).remoteid;
    test.upstream.edit_license(twin, |l| l.remoteid = mark);
    test.upstream.edit_license(id, |l| l.status = 4);
    test.cmd("resume", 42).ok();
    assert_eq!((licid(&test, 42), test.upstream.billed("soft.order.param")), (twin, 1), "{}", test.story());
}

/// Lists that show no marks: what looks alike is opened, and one page that always fails hides none of the others.
#[test]
fn a_renumbered_license_is_found_behind_one_that_cannot_be_read() {
    let test = Test::setup().options(|o| o.list_remoteid = false).start();
    opened(&test, 41, "55227", 1);
    let id = opened(&test, 42, "55227", 1);
    ends_in(&test, id, 1);
    test.set_item(42, "expiredate", &day(20));
    renumber(&test, id, 9001);
    test.upstream.with(|w| {
        let alike = w.licenses[&9001].clone();
        w.licenses.insert(8001, crate::support::upstream::License { id: 8001, remoteid: String::new(), ..alike });
    });
    test.upstream.fault(crate::support::Fault::on("soft.edit?read").of(8001).status(500).always());
    test.cmd("sync_item", 42).fails("license_gone");
    settle(&test);
    test.cmd("sync_item", 42).ok();
    assert_eq!((licid(&test, 42), test.upstream.billed("soft.order.param")), (9001, 2), "{}", test.story());
}
