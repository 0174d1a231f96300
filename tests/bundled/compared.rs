//! The comparison of servers takes more into account than the server itself: orders in doubt, a number given to another
//! server, a list that leaves licenses out, another module's servers, a client who is faster.
use super::{admin, event, licid, noted, state};
use crate::support::{Fault, Test, Upstream};

/// Server 50 of module 3, compared by sweeps that carry out.
fn adopted(settings: &str) -> Test {
    let test = Test::new();
    test.settings(settings);
    server(&test, 50);
    sweep(&test).ok();
    test
}

fn server(test: &Test, item: u32) {
    test.vds_item(item, "55229", 1).addresses(&[&format!("192.0.2.{item}")]).add();
}

fn sweep(test: &Test) -> crate::support::Output {
    admin(test, &["sync", "--sweep", "--adopt"])
}

fn orders(test: &Test) -> usize {
    test.upstream.billed("soft.order.param")
}

/// A server is closed while its order is in doubt. The sweep closes it, once, and the license that was bought goes to
/// the pool.
#[test]
fn a_server_closed_in_doubt_is_closed_once_by_the_sweep() {
    let test = Test::new();
    test.settings("bundled = [3]\n");
    server(&test, 50);
    test.upstream.fault(Fault::on("soft.order.param").late());
    assert_eq!(sweep(&test).code, Some(1));
    let intent = || state(&test, "SELECT status FROM intent");
    assert_eq!(intent(), ["in_doubt"]);
    test.set_item(50, "status", "4");
    assert!(sweep(&test).ok().stdout.contains("servers: 1 change carried out"), "{}", test.story());
    assert_eq!(intent(), ["free_when_appears"]);
    assert!(sweep(&test).ok().stdout.contains("servers: 0 changes carried out"), "{}", test.story());
    test.upstream.land_late();
    let id = test.upstream.licenses()[0].id;
    test.upstream.age(id, 40);
    admin(&test, &["sync"]).ok();
    assert_eq!((test.upstream.license(id).licname.as_str(), orders(&test)), ("free.lic", 1), "{}", test.story());
}

/// The number belongs to another server now. If that one is closed, nothing is closed; if it is active, it gets
/// nothing.
#[test]
fn a_number_that_belongs_to_another_server_closes_and_gets_nothing() {
    let test = adopted("bundled = [3]\n");
    let before = test.upstream.license(licid(&test, 50));
    test.set_item(50, "createdate", "2020-02-02 00:00:00");
    test.set_item(50, "status", "4");
    assert!(sweep(&test).ok().stdout.contains("servers: 0 changes carried out"), "{}", test.story());
    test.set_item(50, "status", "2");
    assert_eq!(sweep(&test).code, Some(1));
    assert_eq!((test.upstream.license(before.id), orders(&test)), (before, 1));
}

/// A panel given up and chosen again is obtained by the sweep without an event: the license was not lost.
#[test]
fn a_panel_chosen_again_is_obtained_without_an_event() {
    let test = adopted("bundled = [3]\n");
    let id = licid(&test, 50);
    test.upstream.age(id, 40);
    test.choose(50, "nopanel");
    sweep(&test).ok();
    assert_eq!(test.upstream.license(id).licname, "free.lic");
    test.upstream.age(id, 40);
    test.choose(50, "55229");
    sweep(&test).ok();
    assert_eq!((licid(&test, 50), test.upstream.license(id).status, orders(&test)), (id, 2, 1), "{}", test.story());
}

/// A list that leaves out what we know may leave out the server's own license too: nothing is ordered beside it.
#[test]
fn nothing_is_ordered_beside_a_list_that_leaves_something_out() {
    let test = adopted("bundled = [3]\n");
    let known = licid(&test, 50);
    test.upstream.edit_license(known, |license| license.unlisted = true);
    server(&test, 51);
    event(&test, 51);
    let told = sweep(&test);
    let words = "Server 51 has no license, and it is not certain that the seller's list of licenses is complete";
    assert_eq!(told.code, Some(1), "a client pays for that server: {}", told.stdout);
    assert!(told.stderr.contains(&format!("service 51: {words}: it leaves out {known}. Nothing was ordered")));
    assert_eq!((orders(&test), noted(&test)), (1, vec!["51".to_owned()]));
    // A server that no client pays for is only reported.
    test.set_item(51, "expiredate", &crate::service::day(0));
    assert!(sweep(&test).ok().stdout.contains(words), "{}", test.story());
    test.set_item(51, "expiredate", &crate::service::day(20));
    test.upstream.edit_license(known, |license| license.unlisted = false);
    sweep(&test).ok();
    assert_eq!((orders(&test), noted(&test).len()), (2, 0));
}

/// The seller deleted a license of the pool and shows it in no list any more. A pass of sync finds that out; a license
/// that merely cannot be found is looked for twice, a settling time apart. Until then each run fails for a paid server,
/// then the server gets its license.
#[test]
fn a_dead_license_of_the_pool_keeps_no_server_from_its_license() {
    for is_found in [true, false] {
        let test = adopted("bundled = [3]\n");
        test.upstream.options(|options| options.list_deleted = false);
        server(&test, 52);
        sweep(&test).ok();
        let dead = licid(&test, 50);
        test.upstream.age(dead, 40);
        test.set_item(50, "status", "4");
        sweep(&test).ok();
        assert_eq!(test.upstream.license(dead).licname, "free.lic");
        test.upstream.with(|world| match is_found {
            true => world.licenses.get_mut(&dead).unwrap().status = 4,
            false => drop(world.licenses.remove(&dead)),
        });
        server(&test, 51);
        assert_eq!((sweep(&test).code, orders(&test)), (Some(1), 2), "{is_found}: {}", test.story());
        if !is_found {
            for _ in 0..2 {
                test.run(["--command", "sync"]).fails("bad_answer");
            }
            assert_eq!(state(&test, &format!("SELECT state FROM license WHERE id = {dead}")), ["pool"]);
            crate::service::settle(&test);
        }
        test.run(["--command", "sync"]).ok();
        assert_eq!(state(&test, &format!("SELECT state FROM license WHERE id = {dead}")), ["deleted"]);
        assert_eq!((orders(&test), licid(&test, 51) > 0), (3, true), "{is_found}: {}", test.story());
        // Its service is closed and misses nothing.
        test.run(["--command", "sync"]).ok();
        assert!(!admin(&test, &["list", "--problems"]).stdout.contains(&dead.to_string()), "{}", test.story());
    }
}

/// Servers of two modules: each is compared by its own module's sweep, once.
#[test]
fn each_server_is_compared_once_by_its_own_module() {
    let mut test = Test::new();
    test.add_module(4, "pmvmmanager");
    test.settings("bundled = [3, 4]\n");
    server(&test, 50);
    test.vds_item(51, "55229", 1).module(4).addresses(&["192.0.2.51"]).add();
    assert!(sweep(&test).ok().stdout.contains("servers: 2 changes carried out"), "{}", test.story());
    for item in [50, 51] {
        test.set_item(item, "status", "3");
    }
    assert!(sweep(&test).ok().stdout.contains("servers: 2 changes carried out"), "{}", test.story());
    assert_eq!([50, 51].map(|item| test.upstream.license(licid(&test, item)).status), [3, 3]);
}

/// An order in doubt stays with the account that made it: the sweep of another one leaves it to that account's sync.
#[test]
fn an_order_in_doubt_stays_with_the_account_that_made_it() {
    let mut test = Test::new();
    test.add_module(8, "pmisplicense");
    let elsewhere = Upstream::start();
    test.connect_module(8, &elsewhere.url());
    test.settings("bundled = [3]\nbundled_module = 8\n");
    server(&test, 50);
    elsewhere.fault(Fault::on("soft.order.param").late());
    assert_eq!(sweep(&test).code, Some(1));
    test.settings("bundled = [3]\nbundled_module = 7\n");
    test.set_item(50, "status", "4");
    assert!(sweep(&test).ok().stdout.contains("servers: 0 changes carried out"), "{}", test.story());
    assert_eq!(state(&test, "SELECT status FROM intent"), ["in_doubt"]);
    elsewhere.land_late();
    let id = elsewhere.licenses()[0].id;
    elsewhere.age(id, 40);
    admin(&test, &["sync", "--module", "8"]).ok();
    assert_eq!((elsewhere.license(id).licname.as_str(), orders(&test)), ("free.lic", 0), "{}", test.story());
}

/// Suspended when it was compared, active with another panel when its turn came: nothing is stopped, and what it
/// wants now is the next sweep's.
#[test]
fn a_server_that_changed_since_it_was_compared_is_not_stopped() {
    let test = adopted("bundled = [3]\n");
    server(&test, 51);
    sweep(&test).ok();
    for item in [50, 51] {
        test.set_item(item, "status", "3");
    }
    let held = test.upstream.hold_before("soft.suspend");
    let run = test.spawn(["sync", "--sweep"]);
    held.reached();
    test.set_item(51, "status", "2");
    test.choose(51, "55228");
    held.release();
    run.wait().ok();
    let license = |item| test.upstream.license(licid(&test, item));
    assert_eq!((license(50).status, license(51).status, license(51).pricelist), (3, 2, 55229), "{}", test.story());
    sweep(&test).ok();
    assert_eq!((license(51).status, license(51).pricelist), (2, 55228));
}

/// What the comparison finds when the server's turn comes is reported as ever: a panel whose name is not known.
#[test]
fn a_name_that_is_unknown_since_servers_were_compared_is_reported() {
    let test = Test::new();
    test.settings("bundled = [3]\n");
    for item in [50, 51] {
        server(&test, item);
        event(&test, item);
    }
    let held = test.upstream.hold_before("soft.order.param");
    let run = test.spawn(["sync", "--noted"]);
    held.reached();
    test.choose(51, "55229999");
    held.release();
    let output = run.wait();
    let told = format!("{}{}", output.stdout, output.stderr);
    assert_eq!((orders(&test), licid(&test, 51)), (1, 0), "{}", test.story());
    assert_eq!((output.code, noted(&test)), (Some(0), Vec::new()), "{told}");
    assert!(told.contains("55229999"), "{told}");
}
