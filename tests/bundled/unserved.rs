//! Servers for which it is not known what they ask of a license: one that a client pays for makes the run fail, and
//! licenses are stopped and started anyway.
use super::{admin, event, licid, noted};
use crate::support::{Output, Test};

fn sweep(test: &Test) -> Output {
    admin(test, &["sync", "--sweep", "--adopt"])
}

fn orders(test: &Test) -> usize {
    test.upstream.billed("soft.order.param")
}

/// A server of module 3 and, beside it, server 51, which has all that it needs.
fn two(addresses: &[&str], params: &[(&str, &str)]) -> Test {
    let test = Test::new();
    test.settings("bundled = [3]\n");
    test.enumeration("nopanel");
    let server = test.vds_item(50, "55229", 1).addresses(addresses);
    params.iter().fold(server, |server, (name, value)| server.param(name, value)).add();
    test.vds_item(51, "55229", 1).addresses(&["192.0.2.51"]).add();
    test
}

/// A paid server wants a panel and cannot get one as it is: each run names it and ends with 1. The other servers get
/// theirs.
#[test]
fn a_paid_server_that_cannot_be_licensed_makes_each_run_fail() {
    for (addresses, params, words) in [
        (&[][..], &[][..], "Service 50 has no IP address. Nothing was ordered. Next: give the server an IPv4 address"),
        (&["2001:db8::50"], &[], "Service 50 has no IPv4 address. Nothing was ordered"),
        (&["192.0.2.50"], &[("remoteip", "nat")], "The parameter remoteip of service 50 is not an IP address"),
        (&["192.0.2.50"], &[("licname", "free.lic")], "free.lic"),
    ] {
        let test = two(addresses, params);
        for _ in 0..2 {
            let told = sweep(&test);
            assert_eq!(told.code, Some(1), "{words}: {}", told.stdout);
            assert!(told.stderr.contains(words) && told.stderr.contains("service 50"), "{words}: {}", told.stderr);
            assert_eq!((orders(&test), licid(&test, 50)), (1, 0), "{words}: {}", test.story());
        }
        // No client pays for it any more: it is reported, and nothing fails.
        test.set_item(50, "status", "3");
        assert!(sweep(&test).ok().stdout.contains("server 50: "), "{words}: {}", test.story());
    }
}

/// An event came before the server's address did: the note stays, and the next run orders the license.
#[test]
fn a_server_whose_address_comes_after_its_event_is_licensed_then() {
    let test = two(&[], &[]);
    event(&test, 50);
    let early = admin(&test, &["sync", "--noted"]);
    assert_eq!((early.code, noted(&test)), (Some(1), vec!["50".to_owned()]), "{}", early.stderr);
    test.set_param(50, "ip", "192.0.2.50");
    admin(&test, &["sync", "--noted"]).ok();
    assert_eq!((orders(&test), noted(&test).len(), licid(&test, 50) > 0), (1, 0, true), "{}", test.story());
}

/// Whether a license runs is decided by the status of its server alone, whatever became of its address or its choice.
#[test]
fn a_license_is_stopped_and_started_whatever_else_of_its_server_is_unclear() {
    for (case, sql) in [
        ("no address", "DELETE FROM ip"),
        ("an unknown choice", "UPDATE enumerationitem SET intname = 'odd-panel' WHERE intname = '55229'"),
    ] {
        let test = two(&["192.0.2.50"], &[]);
        sweep(&test).ok();
        test.db.exec(sql, ());
        let status = || test.upstream.license(licid(&test, 50)).status;
        for (of_item, of_license) in [("3", 3), ("2", 2)] {
            test.set_item(50, "status", of_item);
            sweep(&test);
            assert_eq!(status(), of_license, "{case}: {}", test.story());
        }
        assert_eq!(orders(&test), 2, "{case}");
    }
}
