//! The selling BILLmanager, as an HTTP server on a loopback port, and the handle through which a test looks into it,
//! moves its calendar and sets faults. Built from the sellers' documents and from what others' programs read; it shares
//! nothing with src/.
pub(in crate::support) mod answers;
pub mod catalogue;
mod control;
mod day;
pub mod dialect;
pub mod faults;
pub mod funcs;
pub(in crate::support) mod gates;
pub mod http;
pub(in crate::support) mod listening;
mod orders;
mod reads;
pub mod refusals;
mod server;
pub mod tls;
pub mod world;

pub use catalogue::{Country, Family, Tariff};
pub use dialect::Dialect;
pub use faults::{Answer, Effect, Fault, When};
pub use gates::Held;
pub use tls::Tls;
pub use world::{Crowd, Entry, License, Options, StoppedBy, World};

use chrono::{Days, NaiveDate};
use funcs::Call;
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// One request as it came. `authinfo` is masked; `params` hold the rest of the body in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    pub number: u64,
    pub connection: u64,
    pub func: String,
    pub params: Vec<(String, String)>,
    /// The fault that met it.
    pub fault: Option<String>,
    /// `ok`, `refused TYPE`, `no effect`, `late`.
    pub outcome: String,
    /// Violations of docs/interface.md 5: a query string, another method, no out=xml …
    pub violations: Vec<String>,
}

/// The parameters that every request has.
const DULL: &[&str] = &["authinfo", "out", "lang", "func"];

impl Request {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// `soft.edit?set` and the like: what this request is for.
    pub fn purpose(&self) -> String {
        purpose(&self.func, &self.params)
    }

    /// `func name=value …`, without what every request has.
    pub fn line(&self) -> String {
        let shown = self.params.iter().filter(|(n, _)| !DULL.contains(&n.as_str()));
        shown.fold(self.func.clone(), |line, (n, v)| format!("{line} {n}={v}"))
    }
}

/// The name of a func for faults. The three uses of an edit have names of their own: `soft.edit?read`, `?set`,
/// `?newkey`. An order function that is asked for its empty form, with no parameter at all, is `?read` too. Every other
/// func is itself.
pub fn purpose(func: &str, params: &[(String, String)]) -> String {
    let has = |n: &str, v: &str| params.iter().any(|(name, value)| name == n && value == v);
    if func.ends_with(".order.param") && params.iter().all(|(name, _)| DULL.contains(&name.as_str())) {
        return format!("{func}?read");
    }
    if !func.ends_with(".edit") {
        return func.to_owned();
    }
    let use_of = match () {
        () if has("clicked_button", "newkey") => "newkey",
        () if has("sok", "ok") => "set",
        () => "read",
    };
    format!("{func}?{use_of}")
}

/// The data that the server's threads share with the handle.
pub(crate) struct Shared {
    pub state: Mutex<State>,
    pub listening: Arc<listening::Listening>,
}

pub(crate) struct State {
    pub world: World,
    pub requests: Vec<Request>,
    pub faults: Vec<Fault>,
    pub counts: std::collections::HashMap<String, u64>,
    /// Accepted, not carried out yet.
    pub late: Vec<Call>,
    pub gates: gates::Gates<World>,
    pub last_answer: Option<String>,
    pub connections: u64,
    /// Requests that are being carried out, and the most that ever were at one time.
    pub under_way: usize,
    pub most_under_way: usize,
}

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    /// Everything that waits takes effect now, as if nothing had happened in between.
    pub fn land_late(&mut self) -> usize {
        let late: Vec<Call> = self.late.drain(..).collect();
        for call in &late {
            let _ = funcs::perform(&mut self.world, call);
        }
        late.len()
    }
}

pub struct Upstream {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
    port: u16,
    tls: Tls,
    ca_pem: String,
}

impl Upstream {
    /// Plain HTTP on a free loopback port.
    pub fn start() -> Self {
        Self::start_with(Options::default(), Tls::Off)
    }

    pub fn start_with(options: Options, tls: Tls) -> Self {
        let identity = (tls != Tls::Off).then(|| tls::identity(tls));
        let (ca_pem, config) = identity.map_or((String::new(), None), |i| (i.ca_pem, Some(i.config)));
        let state = State {
            world: World::new(options),
            requests: Vec::new(),
            faults: Vec::new(),
            counts: std::collections::HashMap::new(),
            late: Vec::new(),
            gates: gates::Gates::default(),
            last_answer: None,
            connections: 0,
            under_way: 0,
            most_under_way: 0,
        };
        let (listener, listening) = listening::bind();
        let port = listening.port;
        let shared = Arc::new(Shared { state: Mutex::new(state), listening });
        let served = Arc::clone(&shared);
        let play = Arc::new(move |stream| server::serve(&served, stream, config.clone()));
        let acceptor = Some(listening::start(Arc::clone(&shared.listening), listener, play));
        Self { shared, acceptor, port, tls, ca_pem }
    }

    /// The values for the module's settings.
    pub fn url(&self) -> String {
        format!("{}/manager/billmgr", self.base())
    }

    /// The same without a path.
    pub fn base(&self) -> String {
        if self.tls == Tls::Off {
            format!("http://127.0.0.1:{}", self.port)
        } else {
            format!("https://localhost:{}", self.port)
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The authority's certificate, for the setting `ca_file`.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Anything else: the whole state under its lock.
    pub fn with<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        f(&mut self.shared.lock().world)
    }

    pub fn options(&self, f: impl FnOnce(&mut Options)) {
        self.with(|w| f(&mut w.options));
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// The purposes of all requests in their order: `soft.checkip`, `soft.order.param`, `soft.edit?read` …
    pub fn funcs(&self) -> Vec<String> {
        self.requests().iter().map(Request::purpose).collect()
    }

    /// How many requests were carried out at one time, at most.
    pub fn most_at_once(&self) -> usize {
        self.shared.lock().most_under_way
    }

    /// Requests of one func or purpose.
    pub fn requests_of(&self, func: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|r| r.func == func || r.purpose() == func).collect()
    }

    pub fn clear_requests(&self) {
        self.shared.lock().requests.clear();
    }

    /// Violations of docs/interface.md 5 that were seen.
    pub fn violations(&self) -> Vec<String> {
        let tell = |r: &Request| r.violations.iter().map(|v| format!("{}: {v}", r.func)).collect::<Vec<_>>();
        self.requests().iter().flat_map(tell).collect()
    }

    pub fn ledger(&self) -> Vec<Entry> {
        self.with(|w| w.ledger.clone())
    }

    /// How often that func was billed (orders: `soft.order.param`).
    pub fn billed(&self, func: &str) -> usize {
        self.ledger().iter().filter(|e| e.func == func).count()
    }

    pub fn licenses(&self) -> Vec<License> {
        self.with(|w| {
            w.tick();
            w.licenses.values().cloned().collect()
        })
    }

    /// Panics when there is none.
    pub fn license(&self, id: u64) -> License {
        let found = self.licenses().into_iter().find(|l| l.id == id);
        found.unwrap_or_else(|| panic!("the seller has no license {id}"))
    }

    /// The hand of the seller's administrator.
    pub fn edit_license(&self, id: u64, change: impl FnOnce(&mut License)) {
        self.with(|w| change(w.licenses.get_mut(&id).unwrap_or_else(|| panic!("the seller has no license {id}"))));
    }

    /// So many days pass for this license alone: its past moves back, its end stays.
    pub fn age(&self, id: u64, days: u64) {
        self.edit_license(id, |l| {
            l.created = l.created - Days::new(days);
            l.ip_changed = l.ip_changed.map(|d| d - Days::new(days));
            l.key_changed = l.key_changed.map(|d| d - Days::new(days));
        });
    }

    /// A license that nobody ordered through this server; not in the ledger. Active, one period ahead.
    pub fn add_foreign(&self, pricelist: u32, period: i32, ip: &str, licname: &str) -> u64 {
        self.with(|w| funcs::foreign(w, pricelist, period, ip, licname))
    }

    pub fn add_tariff(&self, tariff: Tariff) {
        self.with(|w| w.tariffs.push(tariff));
    }

    pub fn fault(&self, fault: Fault) {
        self.shared.lock().faults.push(fault);
    }

    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Calls of one func or purpose since the server started: what `Fault::nth` counts.
    pub fn count_of(&self, func: &str) -> u64 {
        self.shared.lock().counts.get(func).copied().unwrap_or(0)
    }

    /// Faults asked for and not met yet (`Always` ones count).
    pub fn pending_faults(&self) -> usize {
        self.shared.lock().faults.len()
    }

    /// The next request of that func or purpose waits before it takes effect, until the test lets it go.
    pub fn hold_before(&self, func: &str) -> Held {
        self.shared.lock().gates.hold(func, false)
    }

    /// The same after the effect, before the answer.
    pub fn hold_after(&self, func: &str) -> Held {
        self.shared.lock().gates.hold(func, true)
    }

    /// Gates that no request has met are taken away.
    pub fn clear_gates(&self) {
        self.shared.lock().gates.clear();
    }

    /// Something happens at the seller just before the nth (from now, from 1) request of that func or purpose takes
    /// effect.
    pub fn before(&self, func: &str, nth: u64, act: impl FnOnce(&mut World) + Send + 'static) {
        self.shared.lock().gates.before(func, nth, Box::new(act));
    }

    /// Carries out what was accepted and kept; how many.
    pub fn land_late(&self) -> usize {
        self.shared.lock().land_late()
    }

    pub fn issue_keys(&self) {
        self.with(World::issue_keys);
    }

    /// The client's order that was left at status 1 is paid.
    pub fn pay(&self, id: u64) {
        self.with(|w| w.pay(id)).unwrap_or_else(|no| panic!("paying {id}: {no:?}"));
    }

    pub fn today(&self) -> NaiveDate {
        self.with(|w| w.today())
    }

    pub fn set_today(&self, today: NaiveDate) {
        self.with(|w| {
            w.today = Some(today);
            w.tick();
        });
    }

    /// Day after day, so that nothing is skipped.
    pub fn advance_days(&self, days: u64) {
        for _ in 0..days {
            self.set_today(self.today() + Days::new(1));
        }
    }

    /// Minor units.
    pub fn set_balance(&self, amount: i64) {
        self.with(|w| w.balance = amount);
    }

    pub fn block(&self, on: bool) {
        self.with(|w| w.blocked = on);
    }

    /// Another account answers from now on; its licenses are others.
    pub fn swap_account(&self, account: u64) {
        self.with(|w| w.account = account);
    }

    /// Nobody listens from now on: connections are refused, nothing is sent.
    pub fn stop_listening(&self) {
        self.shared.listening.stop();
    }

    pub fn listen_again(&self) {
        self.shared.listening.resume();
    }

    /// All of it, as `GET /control` shows it.
    pub fn dump(&self) -> serde_json::Value {
        control::dump(&self.shared.lock())
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.listening.close();
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

/// Text in the form that XML allows.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

pub fn element(tag: &str, text: &str) -> String {
    if text.is_empty() { format!("<{tag}/>") } else { format!("<{tag}>{}</{tag}>", escape(text)) }
}
