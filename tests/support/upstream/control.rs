//! The sandbox's control address, `/control`, for curl: it takes faults and shows the state. GET shows everything, POST
//! takes one JSON object `{"do": …}` or a list of them.
use super::faults::{Fault, When};
use super::http::HttpRequest;
use super::{Shared, State};
use serde_json::{Value, json};
use std::sync::Arc;

pub fn dump(state: &State) -> Value {
    let faults: Vec<Value> = state
        .faults
        .iter()
        .map(|f| json!({"func": f.func, "fault": f.name, "when": format!("{:?}", f.when)}))
        .collect();
    json!({
        "today": state.world.today().to_string(),
        "balance": state.world.balance,
        "blocked": state.world.blocked,
        "licenses": state.world.licenses.values().collect::<Vec<_>>(),
        "ledger": state.world.ledger,
        "requests": state.requests,
        "faults": faults,
        "late": state.late.len(),
    })
}

pub fn serve(shared: &Arc<Shared>, request: &HttpRequest) -> String {
    let answer = match serde_json::from_slice::<Value>(&request.body) {
        _ if request.method == "GET" => dump(&shared.lock()),
        Ok(Value::Array(all)) => all.iter().map(|one| act(shared, one)).collect(),
        Ok(one) => act(shared, &one),
        Err(e) => json!({"error": e.to_string()}),
    };
    format!("{answer:#}\n")
}

fn act(shared: &Arc<Shared>, intent: &Value) -> Value {
    let word = |name: &str| intent[name].as_str();
    let number = |name: &str| intent[name].as_i64();
    // The port is not opened or closed under the lock of the state.
    match word("do") {
        Some("stop_listening") => {
            let ms = number("ms").and_then(|n| u64::try_from(n).ok()).unwrap_or(5000);
            super::listening::pause(&shared.listening, ms);
            return json!("ok");
        }
        Some("state") => return dump(&shared.lock()),
        _ => {}
    }
    let mut state = shared.lock();
    let id = number("id").and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let done: Result<(), String> = match word("do") {
        Some("fault") => fault(&mut state, intent),
        Some("clear_faults") => {
            state.faults.clear();
            Ok(())
        }
        Some("clear_requests") => {
            state.requests.clear();
            Ok(())
        }
        Some("land_late") => {
            let _ = state.land_late();
            Ok(())
        }
        Some("issue_keys") => {
            state.world.issue_keys();
            Ok(())
        }
        Some("pay") => state.world.pay(id).map_err(|no| no.text),
        Some("balance") => number("amount").map(|n| state.world.balance = n).ok_or_else(|| "amount?".into()),
        Some("block") => {
            state.world.blocked = intent["on"].as_bool().unwrap_or(true);
            Ok(())
        }
        Some("today") => today(&mut state, word("date").unwrap_or("")),
        Some("advance") => advance(&mut state, number("days").unwrap_or(1)),
        Some("edit") => edit(&mut state, id, &intent["set"]),
        _ => Err("do: fault, clear_faults, clear_requests, land_late, issue_keys, pay, balance, block, today, advance, edit, stop_listening, state".into()),
    };
    done.map_or_else(|e| json!({"error": e}), |()| json!("ok"))
}

fn fault(state: &mut State, intent: &Value) -> Result<(), String> {
    let func = intent["func"].as_str().unwrap_or("*");
    let name = intent["fault"].as_str().unwrap_or("");
    let made = Fault::by_name(func, name, intent["n"].as_i64(), intent["word"].as_str());
    let mut made = made.ok_or_else(|| format!("fault: one of {}", Fault::NAMES.join(", ")))?;
    made.when = match &intent["when"] {
        Value::Number(n) => When::Nth(n.as_u64().unwrap_or(1)),
        Value::String(s) if s == "always" => When::Always,
        _ => When::Next,
    };
    state.faults.push(made);
    Ok(())
}

fn today(state: &mut State, text: &str) -> Result<(), String> {
    state.world.today = Some(text.parse().map_err(|_| "date: YYYY-MM-DD")?);
    state.world.tick();
    Ok(())
}

fn advance(state: &mut State, days: i64) -> Result<(), String> {
    for _ in 0..days.clamp(0, 4000) {
        state.world.today = Some(state.world.today() + chrono::Days::new(1));
        state.world.tick();
    }
    Ok(())
}

/// Any field of a license by its name in the dump.
fn edit(state: &mut State, id: u64, set: &Value) -> Result<(), String> {
    let license = state.world.licenses.get_mut(&id).ok_or("id: no such license")?;
    let mut fields = serde_json::to_value(&*license).map_err(|e| e.to_string())?;
    for (name, value) in set.as_object().ok_or("set: an object")? {
        fields[name] = value.clone();
    }
    *license = serde_json::from_value(fields).map_err(|e| e.to_string())?;
    Ok(())
}
