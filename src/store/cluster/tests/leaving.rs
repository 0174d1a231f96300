//! A cluster that every machine has left: its log takes no machine any more, and leaving can be repeated.

use super::memory::*;
use super::*;

fn refused(machine: &Node) -> ClusterError {
    let joined = join(&machine.path(), machine.log(), machine.rules(), now(), &mut |_, _| {});
    why(joined.err().expect("a log that every machine has left"))
}

fn files(of: &Node) -> usize {
    std::fs::read_dir(of.dir.path()).expect("a folder").flatten().filter(|file| file.file_name() != "caught-up").count()
}

#[test]
fn a_log_that_every_machine_has_left_takes_no_machine() {
    let (database, _a, b, first, second, _account) = pair();
    assert!(!membership_leaves(&second));
    assert!(!membership_leaves(&second), "leaving is repeated");
    assert!(membership_leaves(&first));
    let written = database.borrow().entries.len();
    let back = rejoin(&b.path(), b.log(), b.rules(), now());
    assert!(matches!(why(back.expect_err("it has ended")), ClusterError::Ended { last } if last == "a"));
    let newcomer = Node::new("c", &database);
    assert!(matches!(refused(&newcomer), ClusterError::Ended { last } if last == "a"));
    assert_eq!((files(&newcomer), database.borrow().entries.len()), (0, written), "nothing is left behind");
}

/// The log decides which is first: the machine that joins, or the last one that leaves.
#[test]
fn a_machine_does_not_join_in_the_moment_in_which_the_last_one_leaves() {
    let database = database();
    let (a, b) = (Node::new("a", &database), Node::new("b", &database));
    drop(a.begins());
    database.borrow_mut().faults.push_back(Fault::Beaten);
    let leaves = move || assert!(membership_leaves(&a.run()));
    database.borrow_mut().rival = Some(Box::new(leaves));
    assert!(matches!(refused(&b), ClusterError::Ended { last } if last == "a"));
    assert_eq!(files(&b), 0);
}

/// The run dies between its entry and the ordinary state.
#[test]
fn the_last_machine_finishes_its_leaving() {
    let database = database();
    let a = Node::new("a", &database);
    drop(a.begins());
    let replica = std::fs::read(a.path()).expect("the replica");
    assert!(membership_leaves(&a.run()));
    std::fs::write(a.path(), replica).expect("as before the ordinary state");
    a.run().catch_up().expect("the log");
    let unfinished = a.run().write(now(), |tx| tx.set_meta("x", "y")).expect_err("it has left");
    assert!(matches!(why(unfinished), ClusterError::LeavingUnfinished));
    let back = rejoin(&a.path(), a.log(), a.rules(), now()).expect_err("it has left");
    assert!(matches!(why(back), ClusterError::LeavingUnfinished));
    assert!(membership_leaves(&a.run()));
    let panel = PanelId::from_bytes(PANEL);
    let who = Installation { pinned: None, fresh: &panel, machine: "a" };
    let store = super::super::super::open_file(&a.path(), who, now()).expect("an ordinary state");
    store.write(now(), |tx| tx.set_meta("x", "y")).expect("it writes by itself");
}
