//! HTTP/1.1 as far as one POST needs it, written by hand so that every way of breaking it can be played.
use std::io::{self, BufReader, Read, Write};

pub trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

pub struct HttpRequest {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl HttpRequest {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub fn wants_close(&self) -> bool {
        self.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"))
    }
}

/// None when the other side has closed before a request.
pub fn read_request(wire: &mut BufReader<impl Wire>) -> io::Result<Option<HttpRequest>> {
    let mut head = Vec::new();
    let mut byte = [0_u8; 1];
    while !head.ends_with(b"\r\n\r\n") {
        if wire.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
        if head.len() > 64 << 10 {
            return Err(io::Error::other("the head of the request is too long"));
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or("").split(' ');
    let method = first.next().unwrap_or("").to_owned();
    let target = first.next().unwrap_or("");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let pair = |line: &str| line.split_once(':').map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()));
    let headers = lines.filter_map(pair).collect();
    let mut request = HttpRequest { method, path, query, headers, body: Vec::new() };
    let length: usize = request.header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
    if request.header("expect").is_some() {
        wire.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    request.body = vec![0; length.min(16 << 20)];
    wire.read_exact(&mut request.body)?;
    Ok(Some(request))
}

/// The pairs of `a=b&c=d`, in their order.
pub fn form(text: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name), decode(value))
    };
    text.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
        match (bytes[at], hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Percent-encoding for the raw requests of tests.
pub fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// How the body travels.
pub enum Framing {
    /// Content-Length of so many bytes, whatever the body's real length.
    Length(u64),
    UntilClose,
}

pub struct Response {
    pub status: u16,
    pub kind: &'static str,
    pub date: String,
    pub location: Option<String>,
    pub framing: Framing,
    pub close: bool,
}

pub fn write_head(wire: &mut dyn Wire, r: &Response) -> io::Result<()> {
    let reason = match r.status {
        200 => "OK",
        302 => "Found",
        404 => "Not Found",
        405 => "Method Not Allowed",
        502 => "Bad Gateway",
        _ => "Status",
    };
    let mut head = format!("HTTP/1.1 {} {reason}\r\nServer: sandbox\r\nDate: {}\r\n", r.status, r.date);
    head.push_str(&format!("Content-Type: {}\r\n", r.kind));
    if let Some(to) = &r.location {
        head.push_str(&format!("Location: {to}\r\n"));
    }
    if let Framing::Length(n) = r.framing {
        head.push_str(&format!("Content-Length: {n}\r\n"));
    }
    head.push_str(if r.close { "Connection: close\r\n\r\n" } else { "Connection: keep-alive\r\n\r\n" });
    wire.write_all(head.as_bytes())
}
