//! The connections: reads a request, lets faults meddle, carries it out, answers. A thread each.
use super::answers::{self, Right, plain};
use super::faults::{self, Effect, Fault};
use super::funcs::{self, Call};
use super::http::{self, HttpRequest, Wire};
use super::listening::pause;
use super::{Request, Shared, State, control, purpose};
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Plays one connection.
pub fn serve(shared: &Arc<Shared>, stream: TcpStream, tls: Option<Arc<rustls::ServerConfig>>) {
    let connection = {
        let mut state = shared.lock();
        state.connections += 1;
        state.connections
    };
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(Duration::from_secs(120)));
    let Ok(raw) = stream.try_clone() else { return };
    let wire: Box<dyn Wire> = match tls.map(rustls::ServerConnection::new) {
        None => Box::new(stream),
        Some(Ok(session)) => Box::new(rustls::StreamOwned::new(session, stream)),
        Some(Err(_)) => return,
    };
    let mut wire = BufReader::new(wire);
    while let Ok(Some(request)) = http::read_request(&mut wire) {
        let close = request.wants_close();
        match answer(shared, connection, &request, wire.get_mut()) {
            Ok(true) if !close => {}
            _ => break,
        }
    }
    let _ = wire.get_mut().flush();
    drop(wire);
    let _ = raw.shutdown(Shutdown::Both);
}

/// Counts a request while it is carried out.
struct UnderWay<'s>(&'s Shared);

impl<'s> UnderWay<'s> {
    fn begin(shared: &'s Shared) -> Self {
        let mut state = shared.lock();
        state.under_way += 1;
        state.most_under_way = state.most_under_way.max(state.under_way);
        Self(shared)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.lock().under_way -= 1;
    }
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
    let under_way = UnderWay::begin(shared);
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
    drop(under_way);
    if let Some(ms) = fault.then_refuse_ms {
        pause(&shared.listening, ms);
    }
    let before = shared.lock().last_answer.replace(text.clone());
    let right = Right {
        status: 200,
        kind: "text/xml; charset=UTF-8",
        text: &text,
        date: date(shared, fault.skew_s),
        before: before.unwrap_or_else(|| document("<id>999999</id>")),
        refused: &|kind| (200, document(&super::refusals::Refusal::new(kind, "").xml())),
    };
    answers::send(wire, &fault, &right)
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
    let elid = value(&call.params, "elid");
    let fault = faults::take(&mut state.faults, &mut state.counts, &names, &elid);
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
