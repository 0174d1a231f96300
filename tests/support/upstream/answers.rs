//! How an answer travels back: the right one, or what a fault makes of it. Both sellers use it.
use super::faults::{Answer, Fault};
use super::http::{self, Framing, Response, Wire};
use std::io;

/// The answer that the request should get, and what faults replace it by.
pub struct Right<'a> {
    pub status: u16,
    pub kind: &'static str,
    pub text: &'a str,
    pub date: String,
    /// The answer to the request before this one.
    pub before: String,
    /// Status and text of a refusal by its name.
    pub refused: &'a dyn Fn(&str) -> (u16, String),
}

/// A small answer outside the protocol: a page, the control door. The connection ends with it.
pub fn plain(wire: &mut dyn Wire, status: u16, kind: &'static str, body: &[u8], skew_s: i64) -> io::Result<bool> {
    let date = (chrono::Utc::now() + chrono::Duration::seconds(skew_s)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let framing = Framing::Length(body.len() as u64);
    http::write_head(wire, &Response { status, kind, date, location: None, framing, close: true })?;
    wire.write_all(body)?;
    Ok(false)
}

/// Sends the answer, or what the fault makes of it.
pub fn send(wire: &mut dyn Wire, fault: &Fault, answer: &Right<'_>) -> io::Result<bool> {
    let (right, date) = (answer.text, &answer.date);
    let whole = |status, kind, location, body: &[u8]| {
        let framing = Framing::Length(body.len() as u64);
        (Response { status, kind, date: date.clone(), location, framing, close: false }, body.to_vec())
    };
    let usual = |body: &[u8]| whole(answer.status, answer.kind, None, body);
    let (mut head, mut body) = match &fault.answer {
        Answer::Drop => return Ok(false),
        Answer::Normal => usual(right.as_bytes()),
        Answer::Refused(kind) => {
            let (status, text) = (answer.refused)(kind);
            whole(status, answer.kind, None, text.as_bytes())
        }
        Answer::Status(code, page, to) => whole(*code, "text/html", to.clone(), page.as_bytes()),
        Answer::Body(bytes) => {
            whole(200, if bytes.starts_with(b"<!DOCTYPE html") { "text/html" } else { answer.kind }, None, bytes)
        }
        Answer::Truncated => usual(&right.as_bytes()[..right.len() / 2]),
        Answer::OfAnother => usual(answer.before.as_bytes()),
        Answer::Reworded(words) => usual(words.0(right).as_bytes()),
        Answer::CutShort | Answer::Unsized => usual(right.as_bytes()),
        Answer::Oversized(bytes) => return oversized(wire, date, *bytes),
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
