//! Why the engine is `async` although nothing in it ever waits.
//!
//! We use `async` as a coroutine, not for input and output. The engine is straight-line code: read, decide, write
//! the intent down, send it, look, write the outcome down. Every call of a port blocks, as in any ordinary program.
//! There is no executor and no other task, and in production every future is ready the first time it is polled.
//!
//! The simulator (tests/sim) needs to stop a run between any two of these steps: to let another run go on, to move
//! the clock, or to let the process die there. For that the engine awaits a [`PauseForSimulator`] before and after
//! every commit and every call that changes something. In production no such pause exists, and [`run_to_end`] polls
//! once. In the simulator each poll advances the run to its next pause, so that one thread plays many processes in
//! an order that a seed decides, with the same code that runs in production.
//!
//! The alternatives are worse: threads that meet at each step are slow and not deterministic, and state machines
//! written by hand hide the order of the steps, which is all that keeps money safe here.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A place where the simulator may stop a run: the name of the step that comes next, or that was just done.
pub type StepName = Rc<Cell<&'static str>>;

/// Runs a future that is ready when it is first asked: without a simulator no step of the engine waits.
///
/// # Panics
/// A step waits, which is a defect of ours. Nobody would wake it, and polling again would never end.
pub fn run_to_end<T>(future: impl Future<Output = T>) -> T {
    match Box::pin(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a step of the engine waits: only the simulator's may"),
    }
}

/// Pending once, then ready: hands control to the simulator's scheduler.
#[derive(Debug, Default)]
pub(super) struct PauseForSimulator {
    is_over: bool,
}

impl Future for PauseForSimulator {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.is_over, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "a step of the engine waits")]
    fn a_step_that_waits_is_a_fault_and_not_a_run_without_end() {
        assert_eq!(run_to_end(async { 7 }), 7);
        run_to_end(PauseForSimulator::default());
    }
}
