//! The acceptor and its connections: reads a request, lets faults meddle, carries it out, answers. A thread each.
use super::faults::{Answer, Effect, Fault, When};
use super::funcs::{self, Call};
use super::http::{self, Framing, HttpRequest, Response, Wire};
use super::{Request, Shared, State, control, purpose};
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Listening,
    Stopping,
    Stopped,
    Closed,
}

/// Whether the port is open. Stopping waits until the listener is gone, so that the next connection is surely
/// refused.
pub struct Listening {
    pub port: u16,
    mode: Mutex<Mode>,
    changed: Condvar,
}

impl Listening {
    fn set(&self, mode: Mode) {
        let mut now = self.mode.lock().unwrap();
        // What is closed stays closed, whoever comes too late with another intent.
        if *now != Mode::Closed {
            *now = mode;
        }
        self.changed.notify_all();
    }

    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap()
    }

    fn wait_until(&self, wanted: Mode) {
        let mode = self.mode.lock().unwrap();
        drop(self.changed.wait_while(mode, |m| *m != wanted && *m != Mode::Closed));
    }

    /// The acceptor sits in accept: a connection of our own wakes it up.
    fn wake(&self) {
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }

    pub fn stop(&self) {
        if self.mode() == Mode::Listening {
            self.set(Mode::Stopping);
            self.wake();
            self.wait_until(Mode::Stopped);
        }
    }

    pub fn resume(&self) {
        if self.mode() == Mode::Stopped {
            self.set(Mode::Stopping);
            self.wait_until(Mode::Listening);
        }
    }

    pub fn close(&self) {
        self.set(Mode::Closed);
        self.wake();
    }
}

pub fn bind() -> (TcpListener, Listening) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free loopback port");
    let port = listener.local_addr().expect("a bound port").port();
    (listener, Listening { port, mode: Mutex::new(Mode::Listening), changed: Condvar::new() })
}

pub fn start(shared: Arc<Shared>, first: TcpListener, tls: Option<Arc<rustls::ServerConfig>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut listener = Some(first);
        while let Some(open) = listener.take() {
            accept_all(&shared, &open, tls.as_ref());
            drop(open);
            listener = wait_to_reopen(&shared.listening);
        }
    })
}

fn accept_all(shared: &Arc<Shared>, listener: &TcpListener, tls: Option<&Arc<rustls::ServerConfig>>) {
    loop {
        let Ok((stream, _)) = listener.accept() else { continue };
        if shared.listening.mode() != Mode::Listening {
            return;
        }
        let (shared, tls) = (Arc::clone(shared), tls.cloned());
        thread::spawn(move || serve(&shared, stream, tls));
    }
}

/// Stopped until told otherwise; None when it is over.
fn wait_to_reopen(listening: &Listening) -> Option<TcpListener> {
    if listening.mode() == Mode::Closed {
        return None;
    }
    listening.set(Mode::Stopped);
    listening.wait_until(Mode::Stopping);
    for _ in 0..200 {
        if listening.mode() == Mode::Closed {
            return None;
        }
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", listening.port)) {
            listening.set(Mode::Listening);
            return Some(listener);
        }
        thread::sleep(Duration::from_millis(10));
    }
    listening.set(Mode::Closed);
    None
}

fn serve(shared: &Arc<Shared>, stream: TcpStream, tls: Option<Arc<rustls::ServerConfig>>) {
    let connection = {
        let mut state = shared.lock();
        state.connections += 1;
        state.connections
    };
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(Duration::from_secs(120)));
    let Ok(raw) = stream.try_clone() else { return };
    let mut wire: Box<dyn Wire> = match tls.map(rustls::ServerConnection::new) {
        None => Box::new(stream),
        Some(Ok(session)) => Box::new(rustls::StreamOwned::new(session, stream)),
        Some(Err(_)) => return,
    };
    while let Ok(Some(request)) = http::read_request(wire.as_mut()) {
        let close = request.wants_close();
        match answer(shared, connection, &request, wire.as_mut()) {
            Ok(true) if !close => {}
            _ => break,
        }
    }
    let _ = wire.flush();
    drop(wire);
    let _ = raw.shutdown(Shutdown::Both);
}

/// One request from fault to answer; whether the connection lives on.
fn answer(shared: &Arc<Shared>, connection: u64, request: &HttpRequest, wire: &mut dyn Wire) -> io::Result<bool> {
    if request.path == "/control" {
        let text = control::serve(shared, request);
        return plain(wire, 200, "application/json", text.as_bytes(), 0);
    }
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let params = http::form(&body);
    let violations = violations(request, &params);
    let call = Call { func: value(&params, "func"), connection, params, ..Call::default() };
    let (fault, number, mut gates) = {
        let mut state = shared.lock();
        let (fault, number) = note(&mut state, &call, &violations);
        let gates = state.gates.take(&call.func, &purpose(&call.func, &call.params));
        (fault, number, gates)
    };
    if request.path != "/manager/billmgr" {
        return plain(wire, 404, "text/html", b"<html><body>Not Found</body></html>", 0);
    }
    if request.method != "POST" || !request.query.is_empty() {
        return plain(wire, 405, "text/html", b"<html><body>Only POST, and nothing in the URL</body></html>", 0);
    }
    let slow = shared.lock().world.options.dialect.slow_ms;
    thread::sleep(Duration::from_millis(slow + fault.before_ms));
    let reads_one = purpose(&call.func, &call.params).ends_with("?read");
    if reads_one && !shared.lock().world.may_read() {
        return plain(wire, 503, "text/html", b"<html><body>Too many requests</body></html>", 0);
    }
    gates.wait(false);
    gates.act(&mut shared.lock().world);
    let text = effect(shared, call, &fault, number);
    gates.wait(true);
    thread::sleep(Duration::from_millis(fault.after_ms));
    if let Some(ms) = fault.then_refuse_ms {
        pause(shared, ms);
    }
    send(shared, wire, &fault, &text)
}

fn value(params: &[(String, String)], name: &str) -> String {
    params.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap_or_default()
}

fn violations(request: &HttpRequest, params: &[(String, String)]) -> Vec<String> {
    let form = request.header("content-type").is_some_and(|t| t.starts_with("application/x-www-form-urlencoded"));
    let mut found = Vec::new();
    let mut check = |wrong: bool, text: &str| {
        if wrong {
            found.push(text.to_owned());
        }
    };
    check(request.method != "POST", "the method is not POST");
    check(!request.query.is_empty(), "parameters in the URL");
    check(request.path != "/manager/billmgr", "another path than /manager/billmgr");
    check(!form, "the body is not form-encoded");
    check(value(params, "out") != "xml", "no out=xml");
    check(value(params, "lang") != "en", "no lang=en");
    check(value(params, "authinfo").is_empty(), "no authinfo");
    check(request.header("authorization").is_some(), "a header Authorization");
    let mut names: Vec<&String> = params.iter().map(|(n, _)| n).collect();
    names.sort();
    check(names.windows(2).any(|w| w[0] == w[1]), "a parameter came twice");
    found
}

/// Writes the request down and finds the fault that meets it.
fn note(state: &mut State, call: &Call, violations: &[String]) -> (Fault, u64) {
    let names = [call.func.clone(), purpose(&call.func, &call.params), "*".to_owned()];
    let mut distinct: Vec<&String> = names.iter().collect();
    distinct.dedup();
    for name in distinct {
        *state.counts.entry(name.clone()).or_default() += 1;
    }
    let counts = &state.counts;
    let due = |f: &Fault| match f.when {
        When::Nth(n) => counts.get(&f.func) == Some(&n),
        When::Next | When::Always => true,
        When::Times(n) => n > 0,
    };
    let elid = value(&call.params, "elid");
    let meant = |f: &Fault| f.license.is_none_or(|license| license.to_string() == elid);
    let found = state.faults.iter().position(|f| names.contains(&f.func) && meant(f) && due(f));
    let fault = found.map(|at| state.faults[at].clone());
    if let Some(at) = found {
        match state.faults[at].when {
            When::Always => {}
            When::Times(n) if n > 1 => state.faults[at].when = When::Times(n - 1),
            When::Next | When::Nth(_) | When::Times(_) => drop(state.faults.remove(at)),
        }
    }
    let number = state.requests.len() as u64 + 1;
    let mask = |(n, v): &(String, String)| (n.clone(), if n == "authinfo" { "***".to_owned() } else { v.clone() });
    state.requests.push(Request {
        number,
        connection: call.connection,
        func: call.func.clone(),
        params: call.params.iter().map(mask).collect(),
        fault: fault.as_ref().map(|f| f.name.clone()),
        outcome: String::new(),
        violations: violations.to_vec(),
    });
    (fault.unwrap_or_else(|| Fault::on(&call.func)), number)
}

/// Lets the request take effect as the fault wants; the document that would be the right answer.
fn effect(shared: &Arc<Shared>, mut call: Call, fault: &Fault, number: u64) -> String {
    (call.unpaid, call.key_after, call.unseen_reads) = (fault.unpaid, fault.key_after, fault.unseen_reads);
    let mut state = shared.lock();
    if let Some(recorded) = &state.world.replay {
        return crate::support::replay::answer(recorded, &call).unwrap_or_else(|no| document(&no.xml()));
    }
    let reply = match &fault.effect {
        Effect::Nothing => None,
        Effect::Normal => Some(funcs::perform(&mut state.world, &call)),
        Effect::Twice => {
            let first = funcs::perform(&mut state.world, &call);
            if first.is_ok() {
                let _ = funcs::perform(&mut state.world, &Call { racing: true, ..call });
            }
            Some(first)
        }
        Effect::Late(after) => {
            state.late.push(Call { racing: true, ..call });
            land_after(shared, *after);
            None
        }
    };
    let outcome = match &reply {
        Some(Ok(_)) => "ok".to_owned(),
        Some(Err(no)) => format!("refused {}", no.kind),
        None if fault.effect == Effect::Nothing => "no effect".to_owned(),
        None => "late".to_owned(),
    };
    if let Some(r) = state.requests.iter_mut().rev().find(|r| r.number == number) {
        r.outcome = outcome;
    }
    document(&reply.unwrap_or_else(|| Ok("<ok/>".into())).unwrap_or_else(|no| no.xml()))
}

fn land_after(shared: &Arc<Shared>, ms: Option<u64>) {
    let Some(ms) = ms else { return };
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(ms));
        shared.lock().land_late();
    });
}

pub fn pause(shared: &Arc<Shared>, ms: u64) {
    shared.listening.stop();
    if ms > 0 {
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(ms));
            shared.listening.resume();
        });
    }
}

fn document(inner: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<doc lang=\"en\">{inner}</doc>\n")
}

fn date(shared: &Shared, skew_s: i64) -> String {
    let state = shared.lock();
    let mut now = chrono::Utc::now();
    if let (true, Some(day)) = (state.world.options.date_header_virtual, state.world.today) {
        now = day.and_time(now.time()).and_utc();
    }
    (now + chrono::Duration::seconds(skew_s)).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn plain(wire: &mut dyn Wire, status: u16, kind: &'static str, body: &[u8], skew_s: i64) -> io::Result<bool> {
    let date = (chrono::Utc::now() + chrono::Duration::seconds(skew_s)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let framing = Framing::Length(body.len() as u64);
    http::write_head(wire, &Response { status, kind, date, location: None, framing, close: true })?;
    wire.write_all(body)?;
    Ok(false)
}

/// Sends the answer, or what the fault makes of it.
fn send(shared: &Shared, wire: &mut dyn Wire, fault: &Fault, right: &str) -> io::Result<bool> {
    let before = shared.lock().last_answer.replace(right.to_owned());
    let date = date(shared, fault.skew_s);
    let whole = |status, kind, location, body: &[u8]| {
        let framing = Framing::Length(body.len() as u64);
        (Response { status, kind, date: date.clone(), location, framing, close: false }, body.to_vec())
    };
    let xml = "text/xml; charset=UTF-8";
    let (mut head, mut body) = match &fault.answer {
        Answer::Drop => return Ok(false),
        Answer::Normal => whole(200, xml, None, right.as_bytes()),
        Answer::Refused(kind) => {
            whole(200, xml, None, document(&super::refusals::Refusal::new(kind, "").xml()).as_bytes())
        }
        Answer::Status(code, page, to) => whole(*code, "text/html", to.clone(), page.as_bytes()),
        Answer::Body(bytes) => {
            whole(200, if bytes.starts_with(b"<!DOCTYPE html") { "text/html" } else { xml }, None, bytes)
        }
        Answer::Truncated => whole(200, xml, None, &right.as_bytes()[..right.len() / 2]),
        Answer::OfAnother => whole(200, xml, None, before.unwrap_or_else(|| document("<id>999999</id>")).as_bytes()),
        Answer::Reworded(words) => whole(200, xml, None, words.0(right).as_bytes()),
        Answer::CutShort | Answer::Unsized => whole(200, xml, None, right.as_bytes()),
        Answer::Oversized(bytes) => return oversized(wire, &date, *bytes),
    };
    match fault.answer {
        Answer::CutShort => body.truncate(right.len() / 2),
        Answer::Unsized => head.framing = Framing::UntilClose,
        _ => {}
    }
    head.close = matches!(fault.answer, Answer::CutShort | Answer::Unsized);
    http::write_head(wire, &head)?;
    wire.write_all(&body)?;
    wire.flush()?;
    Ok(!head.close)
}

/// A document that is well-formed to its end, however far that is.
fn oversized(wire: &mut dyn Wire, date: &str, bytes: u64) -> io::Result<bool> {
    let head = Response {
        status: 200,
        kind: "text/xml; charset=UTF-8",
        date: date.to_owned(),
        location: None,
        framing: Framing::UntilClose,
        close: true,
    };
    http::write_head(wire, &head)?;
    wire.write_all(b"<?xml version=\"1.0\"?><doc><id>1</id><pad>")?;
    let chunk = [b'x'; 64 << 10];
    for _ in 0..bytes.div_ceil(64 << 10) {
        wire.write_all(&chunk)?;
    }
    wire.write_all(b"</pad></doc>")?;
    Ok(false)
}
