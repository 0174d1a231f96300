//! A server whose license is gone at the seller: an event gets it another one, as carefully as a first one.
use super::{admin, event, licid, noted};
use crate::support::{Output, Test};

/// Servers of module 3 with a license each, compared by sweeps that carry out.
fn served(settings: &str, items: &[u32]) -> Test {
    let test = Test::new();
    test.settings(settings);
    for item in items {
        test.vds_item(*item, "55229", 1).addresses(&[&format!("192.0.2.{item}")]).add();
    }
    sweep(&test, &["--adopt", "--allow-many"]).ok();
    test
}

fn sweep(test: &Test, more: &[&str]) -> Output {
    admin(test, &[&["sync", "--sweep"], more].concat())
}

fn orders(test: &Test) -> usize {
    test.upstream.billed("soft.order.param")
}

/// The seller deletes the licenses of these servers, and a pass of sync finds that out.
fn delete(test: &Test, items: &[u32]) {
    for item in items {
        test.upstream.edit_license(licid(test, *item), |license| license.status = 4);
    }
    test.run(["--command", "sync"]).fails("license_gone");
}

/// An operator bought another license by hand for that address: an event of the server buys none beside it.
#[test]
fn an_event_buys_nothing_beside_a_license_bought_by_hand() {
    let test = served("bundled = [3]\n", &[50]);
    delete(&test, &[50]);
    let by_hand = test.upstream.add_foreign(55229, 1, "192.0.2.50", "by hand");
    event(&test, 50);
    let told = admin(&test, &["sync", "--noted"]);
    assert!(told.ok().stdout.contains(&format!("pmisplicense bind 50 {by_hand}")), "{} {}", told.stdout, told.stderr);
    assert_eq!((orders(&test), noted(&test).len()), (1, 0), "{}", test.story());
}

/// Licenses in place of those that are gone are orders: a run makes no more of them than max_changes allows.
#[test]
fn licenses_in_place_of_those_that_are_gone_are_counted_as_orders() {
    let test = served("bundled = [3]\nmax_changes = 1\n", &[50, 51]);
    delete(&test, &[50, 51]);
    event(&test, 50);
    event(&test, 51);
    let stopped = admin(&test, &["sync", "--noted"]);
    assert_eq!(stopped.code, Some(1), "{}", stopped.stdout);
    let told = &stopped.stderr;
    assert!(told.contains("would order 2 licenses, more than 1 at once") && told.contains("--allow-many"), "{told}");
    assert_eq!((orders(&test), noted(&test).len()), (2, 2));
    sweep(&test, &["--allow-many"]).ok();
    assert_eq!((orders(&test), noted(&test).len()), (4, 0));
}

/// A step that was to start or change a license finds it deleted: nothing is bought in that step. The next event's run
/// counts the order and looks at the seller first.
#[test]
fn a_step_that_finds_the_license_gone_buys_nothing() {
    for (case, change) in [("start", "status"), ("change", "choice")] {
        let test = served("bundled = [3]\n", &[50]);
        let id = licid(&test, 50);
        match change {
            "status" => {
                test.set_item(50, "status", "3");
                sweep(&test, &[]).ok();
                test.set_item(50, "status", "2");
            }
            _ => test.choose(50, "55228"),
        }
        test.upstream.edit_license(id, |license| license.status = 4);
        event(&test, 50);
        let found = sweep(&test, &[]);
        assert_eq!((found.code, orders(&test), noted(&test).len()), (Some(1), 1, 1), "{case}: {}", test.story());
        let words = format!("License {id} of server 50 is gone. A sweep orders no new one.");
        assert!(found.stderr.contains(&words), "{case}: {}", found.stderr);
        admin(&test, &["sync", "--noted"]).ok();
        assert_eq!((orders(&test), noted(&test).len()), (2, 0), "{case}: {}", test.story());
    }
}
