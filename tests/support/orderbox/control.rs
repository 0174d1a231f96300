//! The control address of the stand-in OrderBox, `/control`, for curl: GET shows everything, POST takes one JSON object
//! `{"do": …}`.
use super::Shared;
use super::world::Order;
use crate::support::upstream::faults::{Fault, When};
use crate::support::upstream::http::HttpRequest;
use serde_json::{Value, json};
use std::sync::Arc;

pub fn serve(shared: &Arc<Shared>, request: &HttpRequest) -> String {
    let answer = match serde_json::from_slice::<Value>(&request.body) {
        _ if request.method == "GET" => dump(shared),
        Ok(one) => act(shared, &one),
        Err(e) => json!({"error": e.to_string()}),
    };
    format!("{answer:#}\n")
}

fn dump(shared: &Shared) -> Value {
    let state = shared.lock();
    json!({
        "balance": state.world.balance,
        "orders": state.world.orders.values().collect::<Vec<_>>(),
        "actions": state.world.actions,
        "ledger": state.world.ledger,
        "requests": state.requests,
    })
}

fn act(shared: &Shared, wanted: &Value) -> Value {
    let mut state = shared.lock();
    let order = wanted["order"].as_u64().unwrap_or(0);
    match wanted["do"].as_str() {
        Some("fault") => {
            let (func, name) = (wanted["func"].as_str().unwrap_or("*"), wanted["fault"].as_str().unwrap_or(""));
            let made = Fault::by_name(func, name, wanted["n"].as_i64(), wanted["word"].as_str());
            let Some(mut made) = made else {
                return json!({ "error": format!("fault: one of {}", Fault::NAMES.join(", ")) });
            };
            made.when = match &wanted["when"] {
                Value::Number(n) => When::Nth(n.as_u64().unwrap_or(1)),
                Value::String(s) if s == "always" => When::Always,
                _ => When::Next,
            };
            state.faults.push(made);
        }
        Some("add") => drop(state.world.orders.insert(order, Order::new(order))),
        Some("finish") => state.world.finish(order),
        Some("fail") => state.world.fail(order),
        Some("balance") => state.world.balance = wanted["amount"].as_i64().unwrap_or(0),
        _ => return json!({"error": "do: fault, add, finish, fail, balance"}),
    }
    json!("ok")
}
