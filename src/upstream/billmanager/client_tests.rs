//! How exchanges are classified, against small sellers on this machine that answer, break off, hang, drip, or speak
//! TLS.

use std::io::Read;
use std::time::Duration;

use super::client::*;
use crate::model::ids::ModuleId;
use crate::model::rules::UpstreamRules;
use crate::ports::{CallError, ModuleAccess};
use crate::store::LastLook;
use crate::upstream::refusal::RefusalTable;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Clone)]
pub enum Act {
    /// A document with status 200.
    Answer(&'static str),
    /// These bytes, then the connection ends.
    Raw(String),
    /// Nothing, and the connection ends.
    Close,
    /// These bytes, then nothing for so many seconds.
    Hang(&'static str, u64),
    /// A head, then a byte now and then.
    Drip,
}

/// What came in.
#[derive(Default)]
pub struct Seen {
    pub heads: Vec<String>,
    pub bodies: Vec<String>,
    pub connections: usize,
}

pub struct Seller {
    pub address: String,
    seen: Arc<Mutex<Seen>>,
}

impl Seller {
    pub fn new(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let acts = Arc::new(Mutex::new(VecDeque::from(acts)));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                shared.lock().expect("seen").connections += 1;
                let (acts, seen) = (Arc::clone(&acts), Arc::clone(&shared));
                std::thread::spawn(move || serve(stream, &acts, &seen));
            }
        });
        Self { address, seen }
    }

    pub fn upstream(&self) -> HttpUpstream {
        upstream(&self.address, &UpstreamRules { timeout_s: 3, ..UpstreamRules::default() })
    }

    pub fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().expect("seen")
    }
}

fn serve(mut stream: TcpStream, acts: &Mutex<VecDeque<Act>>, seen: &Mutex<Seen>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).expect("a body");
        {
            let mut seen = seen.lock().expect("seen");
            seen.heads.push(head);
            seen.bodies.push(String::from_utf8(body).expect("a form"));
        }
        let act = acts.lock().expect("acts").pop_front().unwrap_or(Act::Close);
        match act {
            Act::Answer(text) => {
                let head = "HTTP/1.1 200 OK\r\nDate: Sun, 01 Nov 2026 10:00:00 GMT\r\nContent-Length";
                write!(stream, "{head}: {}\r\n\r\n{text}", text.len()).ok();
            }
            Act::Raw(bytes) => {
                stream.write_all(bytes.as_bytes()).ok();
                return;
            }
            Act::Close => return,
            Act::Hang(bytes, seconds) => {
                stream.write_all(bytes.as_bytes()).ok();
                std::thread::sleep(Duration::from_secs(seconds));
                return;
            }
            Act::Drip => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n<doc>").ok();
                while stream.write_all(b" ").is_ok() {
                    std::thread::sleep(Duration::from_millis(100));
                }
                return;
            }
        }
    }
}

pub fn upstream(address: &str, rules: &UpstreamRules) -> HttpUpstream {
    let access = ModuleAccess {
        module: ModuleId(7),
        url: address.to_owned(),
        username: "me".to_owned(),
        password: "SE&CRET".to_owned(),
    };
    let url = crate::upstream::check_url(&access.url, access.module).expect("an address");
    HttpUpstream::new(url, &access, rules, RefusalTable::default()).expect("a client")
}

const DOC: &str = "<doc><id>1</id></doc>";

fn quick(ca_file: Option<std::path::PathBuf>) -> UpstreamRules {
    UpstreamRules { timeout_s: 2, connect_timeout_s: 1, ca_file, ..UpstreamRules::default() }
}

/// The outcome of a call that is sent once, as a word. No error shows the login.
fn once(upstream: &mut HttpUpstream) -> &'static str {
    match upstream.document(Repeat::Once, "soft.order.param", &[("lickey", "HIDDEN".to_owned())]) {
        Ok(_) => "done",
        Err(failure) => {
            let text = format!("{failure:?} {upstream:?}");
            assert!(!text.contains("SE&CRET") && !text.contains("SE%26CRET") && !text.contains("HIDDEN"), "{text}");
            match failure {
                Failure::Refused(_) => "refused",
                Failure::NotSent(_) => "not sent",
                Failure::Lost(_) => "lost",
                Failure::Bad(_) => "bad",
                Failure::Form(_) => "form",
            }
        }
    }
}

/// A run of a cluster stood still while it connected: the connection is there, and no byte goes over it.
#[test]
fn a_call_whose_time_is_over_when_the_connection_is_made_is_not_sent() {
    let seller = Seller::new(vec![Act::Answer(DOC), Act::Answer(DOC)]);
    let mut upstream = upstream(&seller.address, &quick(None));
    for (send_by, expected, arrived) in [(60, "done", 1), (0, "not sent", 1), (60, "done", 2)] {
        upstream.last_look = Some(LastLook::from_now(Duration::from_secs(send_by)));
        assert_eq!(once(&mut upstream), expected, "{send_by} s");
        assert_eq!(seller.seen().heads.len(), arrived);
    }
    assert_eq!(seller.seen().connections, 3);
}

/// Everything travels in the body of a POST over HTTP/1.1; nothing in the address.
#[test]
fn everything_travels_in_the_body_of_a_post() {
    let seller = Seller::new(vec![Act::Answer(DOC)]);
    let mut upstream = seller.upstream();
    assert_eq!(once(&mut upstream), "done");
    assert_eq!(upstream.last_date.map(|date| date.to_rfc3339()).as_deref(), Some("2026-11-01T10:00:00+00:00"));
    let seen = seller.seen();
    assert_eq!(seen.heads[0].lines().next(), Some("POST /manager/billmgr HTTP/1.1"));
    assert_eq!(seen.bodies[0], "func=soft.order.param&out=xml&lang=en&authinfo=me%3ASE%26CRET&lickey=HIDDEN");
}

/// Once the request may have been received, nothing is "not sent", and nothing is sent twice.
#[test]
fn once_received_nothing_is_not_sent_or_sent_twice() {
    let ok = |body: &str| Act::Raw(format!("HTTP/1.1 200 OK\r\n\r\n{body}"));
    let raw = |text: &str| Act::Raw(text.to_owned());
    for (act, want) in [
        (Act::Close, "lost"),
        (Act::Hang("", 3), "lost"),
        (Act::Hang("HTTP/1.1 200 OK\r\n\r\n<doc>", 3), "lost"),
        (Act::Drip, "lost"),
        (raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<doc/>"), "bad"),
        (raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n<doc/>\r\n"), "bad"),
        (raw("HTTP/1.1 500 No\r\nContent-Length: 6\r\n\r\n<doc/>"), "bad"),
        (raw("HTTP/1.1 302 No\r\nLocation: /x\r\nContent-Length: 6\r\n\r\n<doc/>"), "bad"),
        (raw("HTTP/1.1 204 No\r\n\r\n"), "bad"),
        (raw("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n<doc/>"), "bad"),
        (raw("garbage\r\n\r\n"), "lost"),
        (ok(""), "bad"),
        (ok("<doc>"), "bad"),
        (ok("{}"), "bad"),
        (ok("<html/>"), "bad"),
        (ok("<!DOCTYPE doc><doc/>"), "bad"),
        (ok(&format!("<doc>{}</doc>", " ".repeat(1 << 20))), "bad"),
        (ok("<doc><error type='x'><msg>no SE&amp;CRET</msg></error></doc>"), "refused"),
        (ok(DOC), "done"),
    ] {
        let what = match &act {
            Act::Raw(text) => text.chars().take(60).collect(),
            Act::Close => "close".to_owned(),
            Act::Hang(text, _) => format!("hang {text}"),
            Act::Drip => "drip".to_owned(),
            Act::Answer(_) => String::new(),
        };
        let seller = Seller::new(vec![act]);
        let mut upstream = upstream(&seller.address, &quick(None));
        assert_eq!(once(&mut upstream), want, "{what}");
        assert_eq!(seller.seen().bodies.len(), 1, "{what}");
    }
}

/// While the connection is being made nothing was sent: nobody listens, no TLS, an endless or untrusted handshake.
#[test]
fn while_connecting_nothing_was_sent() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    assert_eq!(once(&mut upstream(&format!("http://{free}"), &quick(None))), "not sent");
    let plain = Seller::new(vec![]);
    let address = plain.address.replace("http:", "https:");
    assert_eq!(once(&mut upstream(&address, &quick(None))), "not sent", "no answer to the handshake");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("https://{}", silent.local_addr().expect("an address"));
    assert_eq!(once(&mut upstream(&address, &quick(None))), "not sent", "connect timeout");
    assert_eq!(once(&mut upstream("https://no-such-host.invalid", &quick(None))), "not sent", "no such name");
}

/// A server over TLS with a certificate of its own for `name`: its address, and the certificate in PEM.
fn tls_server(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("https://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut stream = rustls::StreamOwned::new(connection, stream);
            let mut seen = Vec::new();
            let mut chunk = [0; 4096];
            while !String::from_utf8_lossy(&seen).contains("lickey=") {
                match stream.read(&mut chunk) {
                    Ok(count @ 1..) => seen.extend_from_slice(&chunk[..count]),
                    Ok(0) | Err(_) => break,
                }
            }
            if !seen.is_empty() {
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{DOC}", DOC.len());
                std::io::Write::write_all(&mut stream, answer.as_bytes()).ok();
            }
        }
    });
    (address, made.cert.pem())
}

/// TLS is verified: unknown authority and wrong name are "not sent"; an authority of the settings is trusted.
#[test]
fn nothing_is_sent_to_a_certificate_that_is_not_trusted() {
    let dir = tempfile::tempdir().expect("a folder");
    let ca = |pem: &str| {
        let path = dir.path().join("ca.pem");
        std::fs::write(&path, pem).expect("a file");
        quick(Some(path))
    };
    let (address, pem) = tls_server("127.0.0.1");
    assert_eq!(once(&mut upstream(&address, &ca(&pem))), "done");
    assert_eq!(once(&mut upstream(&address, &quick(None))), "not sent", "unknown authority");
    let (address, pem) = tls_server("192.0.2.1");
    assert_eq!(once(&mut upstream(&address, &ca(&pem))), "not sent", "wrong name");
    for content in ["", "no certificate"] {
        assert_eq!(
            crate::upstream::trust::configured(&ca(content)).map_err(|error| error.object).err().as_deref(),
            Some("ca_file")
        );
    }
}

/// A read or repeatable call is sent again once after a lost answer, never after an answer.
#[test]
fn a_read_is_repeated_after_a_lost_answer_never_after_an_answer() {
    for repeat in [Repeat::Read, Repeat::Repeatable] {
        for (acts, good, sent) in [
            (vec![Act::Close, Act::Answer(DOC)], true, 2),
            (vec![Act::Close, Act::Close, Act::Answer(DOC)], false, 2),
            (vec![Act::Answer("<doc><error/></doc>"), Act::Answer(DOC)], false, 1),
            (vec![Act::Answer("no XML"), Act::Answer(DOC)], false, 1),
        ] {
            let seller = Seller::new(acts);
            let result = seller.upstream().document(repeat, "whoami", &[]);
            assert_eq!((result.is_ok(), seller.seen().bodies.len()), (good, sent));
        }
    }
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let result = upstream(&format!("http://{free}"), &quick(None)).document(Repeat::Read, "whoami", &[]);
    assert!(matches!(result.map_err(CallError::from), Err(CallError::Unreachable(_))));
}

/// Reads share a connection; a call that is sent once has one of its own.
#[test]
fn a_call_that_is_sent_once_has_a_connection_of_its_own() {
    let seller = Seller::new(vec![Act::Answer(DOC); 5]);
    let mut upstream = seller.upstream();
    for _ in 0..3 {
        upstream.document(Repeat::Read, "whoami", &[]).expect("a document");
    }
    assert_eq!(seller.seen().connections, 1);
    for connections in 2..=3 {
        assert_eq!(once(&mut upstream), "done");
        assert_eq!(seller.seen().connections, connections);
    }
}

/// The seller's words are kept without the password, if they quote it.
#[test]
fn the_sellers_words_never_repeat_the_password() {
    let seller = Seller::new(vec![Act::Answer(
        "<doc><error type='auth' object='badpassword'><msg>me:SE&amp;CRET?</msg></error></doc>",
    )]);
    let Err(Failure::Refused(refusal)) = seller.upstream().document(Repeat::Read, "whoami", &[]) else {
        panic!("not refused")
    };
    assert_eq!((refusal.message.as_str(), refusal.kind), ("me:***?", crate::ports::RefusalKind::Auth));
}
