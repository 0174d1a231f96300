//! A seller that lies, or is not the server that it claims to be: gigabytes, entity bombs, pages of HTML, redirects, a
//! downgrade to HTTP, wrong certificates. Each is played on the order and on the reads. Nothing is bought twice or sent
//! elsewhere, and memory and time stay bounded.
use super::panel::{End, Office, SETTINGS};
use super::promises;
use crate::support::{Fault, Test, Tls, Upstream};
use std::time::{Duration, Instant};

/// An endless answer is cut at the program's limit: memory stays small, and the order is found again.
#[test]
fn an_endless_answer_is_cut_and_memory_stays_small() {
    for func in ["soft", "soft.order.param", "soft.edit?read", "soft.checkip"] {
        let mut office = Office::new();
        let item = office.item("55227");
        let intent = office.intent("open", item);
        office.test.upstream.fault(Fault::on(func).oversized(1 << 30));
        let start = Instant::now();
        let mut running = office.test.spawn(&intent.args);
        let mut peak = 0;
        while !running.ended() {
            peak = peak.max(memory_kib(running.pid()));
            std::thread::sleep(Duration::from_millis(2));
        }
        running.wait();
        assert!(peak < 100 * 1024, "{func}: {peak} KiB");
        assert!(start.elapsed() < Duration::from_secs(20), "{func}: {:?}", start.elapsed());
        assert_eq!(office.repeat(&intent), End::Done, "{func}");
        promises::hold(&office, func);
    }
}

/// The most memory that a process had so far; 0 when it is gone.
fn memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}

/// An answer that is no document is never believed, and the error says so in the promised words.
#[test]
fn an_answer_that_is_no_document_is_never_believed() {
    let office = {
        let mut office = Office::new();
        let item = office.item("55227");
        office.does("open", item);
        office
    };
    let item = "42";
    for fault in
        ["html", "empty", "garbage", "truncated", "doctype", "entity_bomb", "http_500", "http_502", "oversized"]
    {
        let start = Instant::now();
        let made = Fault::by_name("*", fault, None, None).expect("a known fault").always();
        office.test.upstream.fault(made);
        let output = office.test.run(["--command", "sync_item", "--item", item]);
        office.test.upstream.clear_faults();
        output.fails("bad_answer");
        assert!(!output.stdout.contains("root:"), "{fault}: an entity was followed");
        assert!(start.elapsed() < Duration::from_secs(10), "{fault}: {:?}", start.elapsed());
    }
    promises::hold(&office, "no document");
}

/// Redirects are not followed, to plain HTTP least of all: the password goes nowhere else.
#[test]
fn a_redirect_is_never_followed() {
    let elsewhere = Upstream::start();
    let mut office = Office::new();
    let item = office.item("55227");
    for func in ["soft", "soft.checkip", "soft.order.param"] {
        office.test.upstream.fault(Fault::on(func).redirect(&elsewhere.url()));
        let output = office.test.cmd("open", item);
        assert_eq!(output.code, Some(1), "{func}");
    }
    assert_eq!(elsewhere.requests(), [], "a redirect was followed");
    let intent = office.intent("open", item);
    assert_eq!(office.repeat(&intent), End::Done);
    promises::hold(&office, "redirects");
}

/// A wrong certificate: nothing is sent, not even the login.
#[test]
fn nothing_is_sent_to_a_seller_with_a_wrong_certificate() {
    for tls in [Tls::Good, Tls::WrongName, Tls::UnknownAuthority, Tls::Expired] {
        let mut office = Office::with(Test::setup().tls(tls));
        office.test.settings(&format!("{SETTINGS}ca_file = \"{{root}}/etc/ca.pem\"\n"));
        let item = office.item("55227");
        let output = office.test.cmd("open", item);
        if tls == Tls::Good {
            output.ok();
        } else {
            output.fails("client");
            assert_eq!(office.test.upstream.requests(), [], "{tls:?}: something was sent");
        }
        promises::hold(&office, &format!("{tls:?}"));
    }
}

/// HTTPS from now on, the certificate known to nobody: without ca_file it is refused; plain HTTP to an address that
/// is not this machine is refused before a byte leaves.
#[test]
fn plain_http_to_another_machine_is_refused_before_a_byte_leaves() {
    let mut office = Office::with(Test::setup().tls(Tls::Good));
    office.test.settings(SETTINGS);
    let item = office.item("55227");
    office.test.cmd("open", item).fails("client");
    for url in [
        "http://203.0.113.5/manager/billmgr",
        "http://localhost.example.com",
        "ftp://127.0.0.1",
        "http://127.0.0.1.example.com",
    ] {
        office.test.module_param(7, "url", url);
        let output = office.test.cmd("open", item);
        output.fails("config");
    }
    assert_eq!(office.test.upstream.requests(), []);
}
