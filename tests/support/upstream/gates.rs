//! Gates between the program and the effect of a request. A request is held at a gate while the test kills the program
//! or starts another, or something happens at the seller just before it.
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// No request waits longer than this, whatever the test forgot.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Gate {
    /// Somebody waits before it; it is open.
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

/// A request to be held. Let go at the latest when this is dropped.
pub struct Held(Arc<Gate>);

impl Held {
    /// Waits until the request is there.
    pub fn reached(&self) -> &Self {
        let state = self.0.state.lock().unwrap();
        let (state, waited) = self.0.changed.wait_timeout_while(state, LIMIT, |s| !s.0).unwrap();
        assert!(!waited.timed_out(), "no such request came");
        drop(state);
        self
    }

    /// True if the request is there already.
    pub fn is_reached(&self) -> bool {
        self.0.state.lock().unwrap().0
    }

    pub fn release(self) {}
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().1 = true;
        self.0.changed.notify_all();
    }
}

/// Something that happens in a seller whose state is a `W`.
type Act<W> = Box<dyn FnOnce(&mut W) + Send>;

pub struct Gates<W> {
    held: Vec<(String, bool, Arc<Gate>)>,
    acts: Vec<(String, u64, Act<W>)>,
}

/// The gates and acts of one request.
pub struct Mine<W> {
    held: Vec<(String, bool, Arc<Gate>)>,
    acts: Vec<Act<W>>,
}

impl<W> Default for Gates<W> {
    fn default() -> Self {
        Self { held: Vec::new(), acts: Vec::new() }
    }
}

impl<W> Gates<W> {
    pub fn hold(&mut self, func: &str, after: bool) -> Held {
        let gate = Arc::new(Gate::default());
        self.held.push((func.to_owned(), after, Arc::clone(&gate)));
        Held(gate)
    }

    pub fn before(&mut self, func: &str, nth: u64, act: Act<W>) {
        self.acts.push((func.to_owned(), nth, act));
    }

    /// Nothing waits for a request any more.
    pub fn clear(&mut self) {
        self.held.clear();
        self.acts.clear();
    }

    /// Takes out what was waiting for this request; a gate holds one request.
    pub fn take(&mut self, func: &str, purpose: &str) -> Mine<W> {
        let meant = |name: &str| name == func || name == purpose || name == "*";
        let (held, rest) = std::mem::take(&mut self.held).into_iter().partition(|h| meant(&h.0));
        self.held = rest;
        for (_, left, _) in self.acts.iter_mut().filter(|a| meant(&a.0)) {
            *left = left.saturating_sub(1);
        }
        let (due, rest) = std::mem::take(&mut self.acts).into_iter().partition::<Vec<_>, _>(|a| a.1 == 0);
        self.acts = rest;
        Mine { held, acts: due.into_iter().map(|a| a.2).collect() }
    }
}

impl<W> Mine<W> {
    pub fn wait(&self, after: bool) {
        for (_, _, gate) in self.held.iter().filter(|h| h.1 == after) {
            let mut state = gate.state.lock().unwrap();
            state.0 = true;
            gate.changed.notify_all();
            drop(gate.changed.wait_timeout_while(state, LIMIT, |s| !s.1));
        }
    }

    pub fn act(&mut self, world: &mut W) {
        for act in self.acts.drain(..) {
            act(world);
        }
    }
}
