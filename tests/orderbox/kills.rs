//! SIGKILL at every request to OrderBox and at every call of the panel's tool, while a license is bought and while it
//! is removed: the next run finishes what was begun, with one charge and one removal.
use super::*;
use crate::service::settle;
use crate::support::{MgrctlFault, MgrctlFaultKind};

/// Kills the run while its request number `skip` (from 0) waits for its effect, or for its answer. Returns whether it
/// got that far. The effect takes place anyway: OrderBox does not know that its client died.
fn is_killed_at(test: &Test, command: &str, skip: usize, is_after: bool) -> bool {
    let orderbox = test.orderbox();
    let hold = || if is_after { orderbox.hold_after("*") } else { orderbox.hold_before("*") };
    let mut held = hold();
    let mut running = test.spawn(["--command", command, "--item", "42"]);
    for passed in 0.. {
        while !held.is_reached() {
            if running.ended() {
                return false;
            }
            std::thread::yield_now();
        }
        if passed == skip {
            break;
        }
        // The next gate is there before this one opens: no request slips through.
        held = hold();
    }
    running.kill();
    true
}

/// A service ordered, or one with its license.
fn before(command: &str) -> Test {
    match command {
        "open" => {
            let test = shop();
            test.settings(REMOVING);
            test
        }
        _ => opened_with(REMOVING, |_| {}),
    }
}

/// The panel repeats the command until it ends; what came of it.
fn finished_by_the_next_run(test: &Test, command: &str, place: &str) {
    let ends = |_: i32| {
        let is_over = test.cmd(command, ITEM).code == Some(0);
        if !is_over {
            settle(test);
        }
        is_over
    };
    assert!((0..4).any(ends), "{command} {place}: {}", test.story());
    let cost = (test.orderbox().charges(ORDER), test.orderbox().removals(ORDER));
    if command == "open" {
        assert_eq!(cost, (1, 0), "{place}: {}", test.story());
        served(test);
    } else {
        assert_eq!((cost, key(test), test.item(ITEM).status), ((1, 1), String::new(), 4), "{place}: {}", test.story());
    }
}

#[test]
fn a_run_killed_at_any_request_is_finished_by_the_next_one() {
    for (command, requests) in [("open", 7), ("close", 4)] {
        for is_after in [false, true] {
            let mut skip = 0;
            loop {
                let test = before(command);
                if !is_killed_at(&test, command, skip, is_after) {
                    break;
                }
                finished_by_the_next_run(&test, command, &format!("request {skip}, after it: {is_after}"));
                skip += 1;
            }
            assert!(skip >= requests, "{command}: only {skip} requests");
        }
    }
}

#[test]
fn a_run_killed_at_any_panel_call_is_finished_by_the_next_one() {
    for (command, func) in [("open", "service.saveparam"), ("open", "soft.open"), ("close", "service.postclose")] {
        let test = before(command);
        let known = test.mgrctl_calls().len();
        test.mgrctl_fault(MgrctlFault::on(func, MgrctlFaultKind::Slow).ms(60));
        let mut running = test.spawn(["--command", command, "--item", "42"]);
        while !test.mgrctl_calls().iter().skip(known).any(|call| call.func == func) {
            assert!(!running.ended(), "{func} was not called: {}", test.story());
            std::thread::yield_now();
        }
        running.kill();
        test.clear_mgrctl_faults();
        finished_by_the_next_run(&test, command, func);
    }
}
