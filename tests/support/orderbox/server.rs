//! The connections of OrderBox: reads a request, lets faults meddle, carries it out, answers.
use super::calls::{self, Call};
use super::refusals::Refusal;
use super::{Request, Shared, State, control};
use crate::support::upstream::answers::{self, Right, plain};
use crate::support::upstream::faults::{self, Effect, Fault};
use crate::support::upstream::http::{self, HttpRequest, Wire};
use crate::support::upstream::listening;
use std::io::{self, BufReader};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Plays one connection.
pub fn serve(shared: &Arc<Shared>, stream: TcpStream) {
    let connection = {
        let mut state = shared.lock();
        state.connections += 1;
        state.connections
    };
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(Duration::from_secs(120)));
    let caller = stream.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let mut wire = BufReader::new(stream);
    while let Ok(Some(request)) = http::read_request(&mut wire) {
        let close = request.wants_close();
        match answer(shared, (connection, caller), &request, wire.get_mut()) {
            Ok(true) if !close => {}
            _ => break,
        }
    }
    let _ = wire.get_ref().shutdown(Shutdown::Both);
}

/// One request from fault to answer; whether the connection lives on.
fn answer(
    shared: &Arc<Shared>,
    (connection, caller): (u64, IpAddr),
    request: &HttpRequest,
    wire: &mut dyn Wire,
) -> io::Result<bool> {
    if request.path == "/control" {
        return plain(wire, 200, "application/json", control::serve(shared, request).as_bytes(), 0);
    }
    let body = http::form(&String::from_utf8_lossy(&request.body));
    let url = http::form(&request.query);
    let is_post = request.method == "POST";
    let misplaced = if is_post { &url } else { &body };
    let route = calls::route(&request.path, &shared.lock().world.options);
    let (name, product) = route.clone().unwrap_or_else(|| (request.path.clone(), String::new()));
    let call = Call {
        method: request.method.clone(),
        name,
        product,
        is_misplaced: !misplaced.is_empty(),
        params: if is_post { body.clone() } else { url.clone() },
        caller,
        connection,
        key_late_reads: None,
        unseen_reads: 0,
        racing: false,
    };
    let (fault, number, mut gates) = {
        let mut state = shared.lock();
        let (fault, number) = note(&mut state, &call, violations(request, &call));
        let gates = state.gates.take(&call.name, &call.name);
        (fault, number, gates)
    };
    if route.is_none() {
        return plain(wire, 404, "text/html", b"<html><body>Not Found</body></html>", 0);
    }
    thread::sleep(Duration::from_millis(fault.before_ms));
    gates.wait(false);
    gates.act(&mut shared.lock().world);
    let (status, text) = effect(shared, call, &fault, number);
    gates.wait(true);
    thread::sleep(Duration::from_millis(fault.after_ms));
    if let Some(ms) = fault.then_refuse_ms {
        listening::pause(&shared.listening, ms);
    }
    let (options, before) = {
        let mut state = shared.lock();
        (state.world.options.clone(), state.last_answer.replace(text.clone()))
    };
    let date = chrono::Utc::now() + chrono::Duration::seconds(fault.skew_s);
    let right = Right {
        status,
        kind: "application/json",
        text: &text,
        date: date.format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        before: before.unwrap_or_else(|| "{\"status\":\"Success\"}".into()),
        refused: &|kind| (500, Refusal::new(kind, "").json(&options).to_string()),
    };
    answers::send(wire, &fault, &right)
}

/// Violations of docs/interface.md 5, and of the promised form of a request.
fn violations(request: &HttpRequest, call: &Call) -> Vec<String> {
    let form = request.header("content-type").is_some_and(|t| t.starts_with("application/x-www-form-urlencoded"));
    let is_post = request.method == "POST";
    let mut found = Vec::new();
    let mut check = |wrong: bool, text: &str| {
        if wrong {
            found.push(text.to_owned());
        }
    };
    check(!is_post && request.method != "GET", "neither GET nor POST");
    check(is_post && !request.query.is_empty(), "a POST with parameters in the URL");
    check(is_post && !form, "the body is not form-encoded");
    check(!is_post && !request.body.is_empty(), "a GET with a body");
    check(request.header("authorization").is_some(), "a header Authorization");
    check(call.get("auth-userid").is_none() || call.get("api-key").is_none(), "no auth-userid or no api-key");
    found
}

/// Writes the request down and finds the fault that meets it.
fn note(state: &mut State, call: &Call, violations: Vec<String>) -> (Fault, u64) {
    let names = [call.name.clone(), "*".to_owned()];
    let order = call.get("order-id").unwrap_or("");
    let fault = faults::take(&mut state.faults, &mut state.counts, &names, order);
    let number = state.requests.len() as u64 + 1;
    let mask = |(n, v): &(String, String)| (n.clone(), if n == "api-key" { "***".to_owned() } else { v.clone() });
    state.requests.push(Request {
        number,
        connection: call.connection,
        method: call.method.clone(),
        call: call.name.clone(),
        product: call.product.clone(),
        params: call.params.iter().map(mask).collect(),
        fault: fault.as_ref().map(|f| f.name.clone()),
        outcome: String::new(),
        violations,
    });
    (fault.unwrap_or_else(|| Fault::on(&call.name)), number)
}

/// Lets the request take effect as the fault wants; status and text that would be the right answer.
fn effect(shared: &Arc<Shared>, mut call: Call, fault: &Fault, number: u64) -> (u16, String) {
    (call.key_late_reads, call.unseen_reads) = (fault.key_after, fault.unseen_reads);
    let mut state = shared.lock();
    state.world.tick();
    let reply = match &fault.effect {
        Effect::Nothing => None,
        Effect::Normal => Some(calls::perform(&mut state.world, &call)),
        Effect::Twice => {
            let first = calls::perform(&mut state.world, &call);
            if first.is_ok() {
                let _ = calls::perform(&mut state.world, &Call { racing: true, ..call });
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
        Some(Err(no)) => format!("refused {}", no.name),
        None if fault.effect == Effect::Nothing => "no effect".to_owned(),
        None => "late".to_owned(),
    };
    if let Some(request) = state.requests.iter_mut().rev().find(|r| r.number == number) {
        request.outcome = outcome;
    }
    match reply {
        Some(Ok(value)) => (200, value.to_string()),
        Some(Err(no)) => (500, no.json(&state.world.options).to_string()),
        None => (200, "{\"status\":\"Success\"}".to_owned()),
    }
}

fn land_after(shared: &Arc<Shared>, ms: Option<u64>) {
    let Some(ms) = ms else { return };
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(ms));
        shared.lock().land_late();
    });
}
