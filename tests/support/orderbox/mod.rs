//! OrderBox, the platform that sells WHMCS licenses as additions to reseller hosting orders: an HTTP server on a
//! loopback port with orders, actions, money and a ledger, and the handle through which a test looks into it and sets
//! faults. Built from its documents and from what others' clients read; it shares nothing with src/.
pub mod calls;
mod control;
pub mod options;
pub mod refusals;
mod server;
mod trade;
pub mod world;

pub use options::{KeyPlace, Options, Repeat};
pub use world::{CUSTOMER, CUSTOMER_EMAIL, Entry, OTHER_CUSTOMER, Order, SITE_PASSWORD, Work, World};

use super::upstream::faults::Fault;
use super::upstream::gates::{Gates, Held};
use super::upstream::listening::{self, Listening};
use calls::Call;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// One request as it came; `api-key` is masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    pub number: u64,
    pub connection: u64,
    pub method: String,
    /// `generate-license-key`, `orders/suspend` …; the whole path when there is no such call.
    pub call: String,
    /// `linux/us`; empty where the path has none.
    pub product: String,
    pub params: Vec<(String, String)>,
    /// The fault that met it.
    pub fault: Option<String>,
    /// `ok`, `refused NAME`, `no effect`, `late`.
    pub outcome: String,
    /// Requests that no client of OrderBox may send.
    pub violations: Vec<String>,
}

impl Request {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// `POST linux/us generate-license-key order-id=… …`, without what every request has.
    pub fn line(&self) -> String {
        let shown = self.params.iter().filter(|(n, _)| n != "auth-userid" && n != "api-key");
        let product = if self.product.is_empty() { String::new() } else { format!("{} ", self.product) };
        let head = format!("{} {product}{}", self.method, self.call);
        shown.fold(head, |line, (n, v)| format!("{line} {n}={v}"))
    }
}

/// The data that the server's threads share with the handle.
pub(crate) struct Shared {
    state: Mutex<State>,
    listening: Arc<Listening>,
}

pub(crate) struct State {
    world: World,
    requests: Vec<Request>,
    faults: Vec<Fault>,
    counts: HashMap<String, u64>,
    /// Accepted, not carried out yet.
    late: Vec<Call>,
    gates: Gates<World>,
    last_answer: Option<String>,
    connections: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn land_late(&mut self) -> usize {
        let late: Vec<Call> = self.late.drain(..).collect();
        for call in &late {
            let _ = calls::perform(&mut self.world, call);
        }
        late.len()
    }
}

pub struct OrderBox {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl OrderBox {
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// Plain HTTP on a free loopback port.
    pub fn start_with(options: Options) -> Self {
        let state = State {
            world: World::new(options),
            requests: Vec::new(),
            faults: Vec::new(),
            counts: HashMap::new(),
            late: Vec::new(),
            gates: Gates::default(),
            last_answer: None,
            connections: 0,
        };
        let (listener, listening) = listening::bind();
        let shared = Arc::new(Shared { state: Mutex::new(state), listening });
        let served = Arc::clone(&shared);
        let play = Arc::new(move |stream| server::serve(&served, stream));
        let acceptor = Some(listening::start(Arc::clone(&shared.listening), listener, play));
        Self { shared, acceptor }
    }

    /// The values for the module's settings.
    pub fn url(&self) -> String {
        format!("{}/api", self.base())
    }

    /// The same without a path.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    pub fn port(&self) -> u16 {
        self.shared.listening.port
    }

    /// Anything else: the whole state under its lock.
    pub fn with<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        f(&mut self.shared.lock().world)
    }

    pub fn options(&self, f: impl FnOnce(&mut Options)) {
        self.with(|w| f(&mut w.options));
    }

    pub fn add(&self, order: Order) -> u64 {
        let id = order.id;
        self.with(|w| w.orders.insert(id, order));
        id
    }

    /// Panics when there is none.
    pub fn order(&self, id: u64) -> Order {
        self.with(|w| w.orders.get(&id).cloned()).unwrap_or_else(|| panic!("OrderBox has no order {id}"))
    }

    /// The hand of an administrator in OrderBox's own panel.
    pub fn edit(&self, id: u64, change: impl FnOnce(&mut Order)) {
        self.with(|w| change(w.orders.get_mut(&id).unwrap_or_else(|| panic!("OrderBox has no order {id}"))));
    }

    /// An operator removes the license by hand.
    pub fn remove_key(&self, id: u64) {
        self.edit(id, |order| {
            let old = std::mem::take(&mut order.key);
            order.old_keys.push(old);
        });
    }

    /// An action of somebody else's is pending on the order from now on, until `finish`.
    pub fn busy(&self, id: u64, kind: &str) {
        self.with(|w| w.begin(id, Work::Other(kind.to_owned()), u32::MAX, 0));
    }

    pub fn finish(&self, id: u64) {
        self.with(|w| w.finish(id));
    }

    pub fn fail(&self, id: u64) {
        self.with(|w| w.fail(id));
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    pub fn clear_requests(&self) {
        self.shared.lock().requests.clear();
    }

    /// Every request as a line.
    pub fn sent(&self) -> Vec<String> {
        self.requests().iter().map(Request::line).collect()
    }

    /// The requests that want to change something.
    pub fn posts(&self) -> Vec<String> {
        self.requests().iter().filter(|r| r.method != "GET").map(Request::line).collect()
    }

    pub fn requests_of(&self, call: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|r| r.call == call).collect()
    }

    pub fn violations(&self) -> Vec<String> {
        let tell = |r: &Request| r.violations.iter().map(|v| format!("{}: {v}", r.call)).collect::<Vec<_>>();
        self.requests().iter().flat_map(tell).collect()
    }

    pub fn ledger(&self) -> Vec<Entry> {
        self.with(|w| w.ledger.clone())
    }

    /// How often that call took effect on the order: charges, removals, renewals, suspends.
    pub fn count(&self, call: &str, order: u64) -> usize {
        self.ledger().iter().filter(|e| e.call == call && e.order == order).count()
    }

    /// Licenses that were charged for the order.
    pub fn charges(&self, order: u64) -> usize {
        self.count("generate-license-key", order)
    }

    /// Months and money (minor units) that the order has cost.
    pub fn cost(&self, order: u64) -> (u32, i64) {
        let of_it = |e: &&Entry| e.order == order;
        self.ledger().iter().filter(of_it).fold((0, 0), |(months, money), e| (months + e.months, money + e.amount))
    }

    pub fn removals(&self, order: u64) -> usize {
        self.count(&self.with(|w| w.options.remove_call.clone()), order)
    }

    pub fn fault(&self, fault: Fault) {
        self.shared.lock().faults.push(fault);
    }

    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Faults asked for and not met yet (`Always` ones count).
    pub fn pending_faults(&self) -> usize {
        self.shared.lock().faults.len()
    }

    /// The next request of that call waits before it takes effect, until the test lets it go.
    pub fn hold_before(&self, call: &str) -> Held {
        self.shared.lock().gates.hold(call, false)
    }

    /// The same after the effect, before the answer.
    pub fn hold_after(&self, call: &str) -> Held {
        self.shared.lock().gates.hold(call, true)
    }

    /// Something happens just before the nth (from now, from 1) request of that call takes effect.
    pub fn before(&self, call: &str, nth: u64, act: impl FnOnce(&mut World) + Send + 'static) {
        self.shared.lock().gates.before(call, nth, Box::new(act));
    }

    /// Carries out what was accepted and kept; how many.
    pub fn land_late(&self) -> usize {
        self.shared.lock().land_late()
    }

    /// Minor units.
    pub fn set_balance(&self, amount: i64) {
        self.with(|w| w.balance = amount);
    }

    /// The key that was known until now is void.
    pub fn regenerate_key(&self) -> String {
        let key = "Zz9Yy8Xx7Ww6Vv5Uu4Tt3Ss2Rr1Qq0Pp".to_owned();
        self.options(|o| o.key.clone_from(&key));
        key
    }

    /// Another reseller answers from now on; his orders are others.
    pub fn swap_account(&self, account: u64) {
        self.with(|w| w.account = account);
    }

    /// Days pass; orders that are over renew themselves, or stop.
    pub fn advance_days(&self, days: i64) {
        self.with(|w| {
            w.ahead_s += days * 86_400;
            w.tick();
        });
    }

    /// Nobody listens from now on: connections are refused, nothing is sent.
    pub fn stop_listening(&self) {
        self.shared.listening.stop();
    }

    pub fn listen_again(&self) {
        self.shared.listening.resume();
    }

    /// Everything that may appear in no log, error or list of processes.
    pub fn secrets(&self) -> Vec<String> {
        self.with(|w| {
            let keys = w.orders.values().flat_map(|o| o.old_keys.iter().chain([&o.key]));
            let all = keys.cloned().chain([w.options.key.clone(), SITE_PASSWORD.to_owned()]);
            all.filter(|secret| !secret.is_empty()).collect()
        })
    }
}

impl Drop for OrderBox {
    fn drop(&mut self) {
        self.shared.listening.close();
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}
