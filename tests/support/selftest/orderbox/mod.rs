//! The stand-in of OrderBox by itself: it refuses every wrong use like the real one, and counts what each call costs.
mod refusals;
mod trade;

use crate::support::orderbox::{Options, Order, OrderBox};
use crate::support::selftest::Raw;
use crate::support::upstream::http::encode;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

pub const GENERATE: &str = "resellerhosting/linux/us/generate-license-key";
pub const DETAILS: &str = "resellerhosting/linux/us/details";
pub const SEARCH: &str = "resellerhosting/linux/us/search";
pub const CURRENT: &str = "actions/search-current";
pub const ARCHIVED: &str = "actions/search-archived";
pub const REMOVE: &str = "resellerhosting/linux/us/delete-license-key";

/// An OrderBox with the order 4001.
pub fn standing(change: impl FnOnce(&mut Options)) -> OrderBox {
    let mut options = Options::default();
    change(&mut options);
    let orderbox = OrderBox::start_with(options);
    orderbox.add(Order::new(4001));
    orderbox
}

/// Sends one request as it is written: `params` is `name=value name=value`.
pub fn raw(orderbox: &OrderBox, method: &str, path: &str, query: &str, params: &str) -> Raw {
    let form = |text: &str| {
        let pair = |p: &str| p.split_once('=').map_or_else(String::new, |(n, v)| format!("{n}={}", encode(v)));
        text.split_whitespace().map(pair).collect::<Vec<_>>().join("&")
    };
    let (query, body) = (form(query), form(params));
    let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", orderbox.port())).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    Raw { text: String::from_utf8_lossy(&got).into_owned(), bytes: got.len() }
}

/// The parameters that every logged-in client sends.
pub fn auth(orderbox: &OrderBox) -> String {
    orderbox.with(|w| format!("auth-userid={} api-key={}", w.options.user, w.options.key))
}

pub fn get(orderbox: &OrderBox, call: &str, params: &str) -> Raw {
    raw(orderbox, "GET", &format!("/api/{call}.json"), &format!("{} {params}", auth(orderbox)), "")
}

pub fn post(orderbox: &OrderBox, call: &str, params: &str) -> Raw {
    raw(orderbox, "POST", &format!("/api/{call}.json"), "", &format!("{} {params}", auth(orderbox)))
}

pub fn json(raw: &Raw) -> Value {
    serde_json::from_str(raw.body()).unwrap_or_else(|_| panic!("no JSON: {}", raw.text))
}

pub fn yes(raw: &Raw) -> Value {
    assert_eq!(raw.status(), 200, "{}", raw.text);
    json(raw)
}

/// The words of an error object, which has to come with the status 500.
pub fn no(raw: &Raw) -> String {
    let said = json(raw);
    assert_eq!((raw.status(), said["status"].as_str()), (500, Some("ERROR")), "{}", raw.text);
    said["message"].as_str().unwrap().to_owned()
}

pub fn buy(orderbox: &OrderBox) -> Raw {
    post(orderbox, GENERATE, "order-id=4001 invoice-option=NoInvoice")
}

pub fn details(orderbox: &OrderBox) -> Value {
    yes(&get(orderbox, DETAILS, "order-id=4001"))
}
