//! Tests of the sandbox itself, without the program: every refusal is tripped by a raw request, every fault is seen
//! by a raw client, mgrctl is called by hand. A stand-in that does not bite proves nothing about what is tested
//! against it.
mod faults;
mod modes;
mod orderbox;
mod panel;
mod refusals;
mod rules;

use super::run::between;
use super::upstream::{Upstream, http};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The answer to a raw client: all bytes until the connection closed.
pub struct Raw {
    pub text: String,
    pub bytes: usize,
}

impl Raw {
    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    pub fn status(&self) -> u16 {
        self.text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
    }

    pub fn element(&self, tag: &str) -> &str {
        between(self.body(), &format!("<{tag}>"), &format!("</{tag}>"))
    }

    /// `type/object` of the error, or an empty text.
    pub fn error(&self) -> String {
        let Some((_, rest)) = self.body().split_once("<error ") else { return String::new() };
        format!("{}/{}", between(rest, "type=\"", "\""), between(rest, "object=\"", "\""))
    }
}

/// Sends bytes as they are.
pub fn send(upstream: &Upstream, bytes: &[u8], limit: Duration) -> std::io::Result<Raw> {
    let mut stream = TcpStream::connect(("127.0.0.1", upstream.port()))?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(bytes)?;
    let mut got = Vec::new();
    let ended = stream.read_to_end(&mut got);
    let raw = Raw { text: String::from_utf8_lossy(&got).into_owned(), bytes: got.len() };
    ended.map(|_| raw)
}

pub fn post(body: &str) -> Vec<u8> {
    format!(
        "POST /manager/billmgr HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// `name=value` pairs as a logged-in client sends them. `params` is `name=value name=value`; a comma means a space.
pub fn body(upstream: &Upstream, func: &str, params: &str) -> String {
    let (user, password) = upstream.with(|w| (w.options.user.clone(), w.options.password.clone()));
    let mut out = format!("func={func}&out=xml&lang=en&authinfo={}", http::encode(&format!("{user}:{password}")));
    for pair in params.split_whitespace() {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        out.push_str(&format!("&{name}={}", http::encode(&value.replace(',', " "))));
    }
    out
}

pub fn ask(upstream: &Upstream, func: &str, params: &str) -> Raw {
    send(upstream, &post(&body(upstream, func, params)), Duration::from_secs(20)).expect("an answer")
}

const BUY: &str = "clicked_button=finish sok=ok skipbasket=on autoprolong=null";

/// Orders and wants to succeed; the license's number.
pub fn buy(upstream: &Upstream, params: &str) -> u64 {
    let raw = ask(upstream, "soft.order.param", &format!("{BUY} {params}"));
    raw.element("id").parse().unwrap_or_else(|_| panic!("no license: {}", raw.text))
}

/// Orders and wants to be refused with this `type/object`.
pub fn no_buy(upstream: &Upstream, params: &str, error: &str) {
    let before = (upstream.licenses().len(), upstream.ledger().len());
    let raw = ask(upstream, "soft.order.param", &format!("{BUY} {params}"));
    assert_eq!((raw.status(), raw.error().as_str()), (200, error), "{params}: {}", raw.text);
    assert_eq!(before, (upstream.licenses().len(), upstream.ledger().len()), "{params}: a refusal changes nothing");
}

/// Any other call that must be refused.
pub fn no(upstream: &Upstream, func: &str, params: &str, error: &str) {
    let before = (upstream.licenses(), upstream.ledger());
    let raw = ask(upstream, func, params);
    assert_eq!((raw.status(), raw.error().as_str()), (200, error), "{func} {params}: {}", raw.text);
    assert_eq!(before, (upstream.licenses(), upstream.ledger()), "{func} {params}: a refusal changes nothing");
}

/// Any call that must succeed.
pub fn yes(upstream: &Upstream, func: &str, params: &str) -> Raw {
    let raw = ask(upstream, func, params);
    assert_eq!((raw.status(), raw.error().as_str()), (200, ""), "{func} {params}: {}", raw.text);
    raw
}

pub const LITE: &str = "pricelist=55227 period=1 ip=192.0.2.10 licname=One remoteid=pml-a-1-1";
