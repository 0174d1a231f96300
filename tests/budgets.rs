//! Counts of docs/testing.md 5, exact: requests at the seller, processes of the panel's tool, writes to the state.
use crate::service::{OPEN, called, forget, license, opened, sent};
use crate::support::{Setup, Test};

/// open, first time: the look before (one list page, checkip), the order, one read; four processes of mgrctl.
#[test]
fn a_first_open_takes_four_requests_and_four_processes() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.cmd("open", 42).ok();
    assert_eq!(test.upstream.funcs(), OPEN);
    assert_eq!(called(&test), ["paramlist", "processing.edit", "service.saveparam", "soft.open"]);
}

/// If the panel's key is readable, the module's settings need no process.
#[test]
fn a_readable_key_of_the_panel_saves_a_process() {
    let test = Setup::default().crypt_key().start();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.cmd("open", 42).ok();
    assert_eq!(called(&test), ["paramlist", "service.saveparam", "soft.open"]);
    assert_eq!(test.upstream.funcs(), OPEN);
    test.assert_clean();
}

/// A running operation costs no process when all is well.
#[test]
fn a_running_operation_costs_no_process() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    let operation = test.operation(42, "open");
    test.cmd_op("open", 42, operation).ok();
    assert_eq!((test.upstream.funcs().len(), called(&test).len()), (4, 4));
}

/// sync_item with nothing new: one request, two processes, no write.
#[test]
fn sync_item_with_nothing_new_sends_one_request_and_writes_nothing() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    // The first look after open may settle what open left; the second has nothing new.
    test.cmd("sync_item", 42).ok();
    forget(&test);
    let before = std::fs::read(test.state_path()).unwrap();
    test.cmd("sync_item", 42).ok().stdout("");
    assert_eq!(sent(&test), [format!("soft.edit elid={id}")]);
    assert_eq!(called(&test), ["paramlist", "processing.edit"]);
    assert!(std::fs::read(test.state_path()).unwrap() == before, "the state was written to");
    let log = test.state_path().with_file_name("state.db-wal");
    assert!(std::fs::metadata(log).map_or(true, |file| file.len() == 0), "the state has writes under way");
}

/// Every other command about a license that is as it should be: one request, and no write at the seller.
#[test]
fn a_command_with_nothing_to_do_sends_one_request() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    for (command, calls) in [
        ("open", ["paramlist", "processing.edit", "soft.open"].as_slice()),
        ("resume", &["paramlist", "processing.edit", "service.postresume"]),
        ("setparam", &["paramlist", "processing.edit", "service.postsetparam"]),
        ("sync_item", &["paramlist", "processing.edit"]),
    ] {
        forget(&test);
        test.cmd(command, 42).ok();
        assert_eq!(test.upstream.funcs(), ["soft.edit?read"], "{command}");
        assert_eq!(called(&test), calls, "{command}");
    }
}

/// sync of many with nothing new: one page for the list, not one request a license.
#[test]
fn a_sync_with_nothing_new_reads_only_pages_of_the_list() {
    let test = Test::new();
    for item in 1..=12 {
        opened(&test, item, "55227", 1);
    }
    forget(&test);
    test.run(["--command", "sync", "--module", "7"]).ok();
    assert_eq!(sent(&test), ["soft p_cnt=500 p_num=1"]);
    assert_eq!(called(&test), ["paramlist", "processing.edit"]);
}

/// A renewal: the look, the payment, the look after it.
#[test]
fn a_renewal_takes_a_look_the_payment_and_a_second_look() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    let operation = test.prolong_paid(42);
    test.cmd_op("prolong", 42, operation).ok();
    assert_eq!(test.upstream.funcs(), ["soft.edit?read", "service.prolong", "soft.edit?read"]);
    assert_eq!(called(&test), ["paramlist", "processing.edit", "service.postprolong"]);
    assert_eq!(license(&test, 42).expires.map(|d| d.to_string()), test.item(42).expiredate);
}
