//! A log that lost its end, and a run that dies while it writes that end again.

use super::memory::*;
use super::*;

/// The entries are in the log again, and the entry that holds back purchases is not. Nobody is ahead of the log any
/// more, so the database itself must still count as one that may lack entries.
#[test]
fn a_mending_that_is_interrupted_still_holds_back_purchases() {
    let (database, a, b, first, _second, account) = pair();
    record(&first, account, 5001).expect("recorded").expect_intent();
    drop(first);
    database.borrow_mut().entries.pop();
    database.borrow_mut().is_witnessed = false;
    // The first insert writes the lost entry. Then the server is gone.
    let written = database.borrow().entries.len() + 1;
    database.borrow_mut().faults.push_back(Fault::AnswerLost);
    database.borrow_mut().faults.extend(std::iter::repeat_n(Fault::NotArrived, 1000));
    let error = why(a.run().catch_up().expect_err("no answer"));
    assert!(matches!(error, ClusterError::InDoubt(_)), "{error}");
    assert_eq!(database.borrow().entries.len(), written, "the lost entry, and not the one that follows");
    database.borrow_mut().faults.clear();
    for store in [&a.run(), &b.run()] {
        let error = why(record(store, account, 5002).expect_err("others' purchases may be missing"));
        assert!(matches!(error, ClusterError::Quiet { .. }), "{error}");
    }
    later(1021);
    record(&b.run(), account, 5002).expect("recorded").expect_intent();
}
