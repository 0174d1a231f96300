//! Each fault as a raw client sees it, and what it leaves behind.
use super::*;
use crate::support::upstream::funcs::foreign;
use crate::support::upstream::{Answer, Fault, Options, Tls};
use std::io::ErrorKind;
use std::time::Instant;

const ORDER: &str = "soft.order.param";

/// An order under one fault: what came back, and how many licenses and bills there are.
fn order(fault: Fault) -> (Raw, usize, usize, Upstream) {
    let up = Upstream::start();
    up.fault(fault);
    let raw = ask(&up, ORDER, &format!("{BUY} {LITE}"));
    let (licenses, bills) = (up.licenses().len(), up.ledger().len());
    assert_eq!(up.pending_faults(), 0, "the fault was met");
    (raw, licenses, bills, up)
}

#[test]
fn an_answer_is_lost_before_or_after_the_effect() {
    let (raw, licenses, bills, _) = order(Fault::on(ORDER).drop_before());
    assert_eq!((raw.bytes, licenses, bills), (0, 0, 0));
    let (raw, licenses, bills, up) = order(Fault::on(ORDER).drop_after());
    assert_eq!((raw.bytes, licenses, bills), (0, 1, 1));
    assert_eq!((up.requests()[0].fault.as_deref(), up.requests()[0].outcome.as_str()), (Some("drop_after"), "ok"));
    let (raw, licenses, ..) = order(Fault::on(ORDER).hang(200));
    assert_eq!((raw.bytes, licenses), (0, 0));
}

#[test]
fn an_effect_comes_late_or_twice() {
    let (raw, licenses, bills, up) = order(Fault::on(ORDER).late());
    assert_eq!((raw.bytes, licenses, bills), (0, 0, 0));
    // Somebody else buys at the same time: the late order was accepted before and takes effect anyway.
    buy(&up, LITE);
    assert_eq!((up.land_late(), up.licenses().len(), up.ledger().len()), (1, 2, 2));
    let (_, licenses, _, up) = order(Fault::on(ORDER).late_ms(100));
    assert_eq!(licenses, 0);
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(up.ledger().len(), 1);
    let (raw, licenses, bills, _) = order(Fault::on(ORDER).doubled());
    assert_eq!((raw.element("id"), licenses, bills), ("5001", 2, 2));
}

#[test]
fn a_refusal_comes_with_or_without_an_effect() {
    let (raw, licenses, ..) = order(Fault::on(ORDER).refused("sale_closed"));
    assert_eq!((raw.error().as_str(), licenses), ("sale_closed/pricelist", 0));
    let (raw, licenses, ..) = order(Fault::on(ORDER).refused_after("somethingelse"));
    assert_eq!((raw.error().as_str(), licenses), ("somethingelse/", 1));
    let (raw, licenses, bills, up) = order(Fault::on(ORDER).unpaid());
    assert_eq!((raw.element("id"), licenses, bills, up.license(5001).status), ("5001", 1, 0, 1));
}

#[test]
fn a_wrong_answer_comes_in_each_shape_that_was_asked_for() {
    for (fault, status, licenses) in [
        (Fault::on(ORDER).status(500), 500, 1),
        (Fault::on(ORDER).status(502).without_effect(), 502, 0),
        (Fault::on(ORDER).redirect("http://127.0.0.1:9/"), 302, 0),
        (Fault::on(ORDER).html(), 200, 1),
        (Fault::on(ORDER).empty(), 200, 1),
        (Fault::on(ORDER).garbage(), 200, 1),
        (Fault::on(ORDER).doctype(), 200, 1),
        (Fault::on(ORDER).entity_bomb(), 200, 1),
        (Fault::on(ORDER).truncated(), 200, 1),
        (Fault::on(ORDER).cut_short(), 200, 1),
    ] {
        let name = fault.name.clone();
        let (raw, bought, ..) = order(fault);
        assert_eq!((raw.status(), bought), (status, licenses), "{name}");
        assert!(!raw.body().contains("</doc>\n"), "{name}: no right answer, but {}", raw.text);
        let length: usize = between(&raw.text, "Content-Length: ", "\r\n").parse().unwrap();
        let body = raw.bytes - raw.text.find("\r\n\r\n").unwrap() - 4;
        assert_eq!(length == body, name != "cut_short", "{name}: {length} announced, {body} came");
    }
    let (raw, ..) = order(Fault::on(ORDER).redirect("http://127.0.0.1:9/x"));
    assert!(raw.text.contains("Location: http://127.0.0.1:9/x\r\n"));
    let (raw, ..) = order(Fault { answer: Answer::Unsized, ..Fault::on(ORDER) });
    assert!(!raw.text.contains("Content-Length") && raw.element("id") == "5001");
}

#[test]
fn an_answer_can_be_endless_or_another_ones() {
    let (raw, licenses, ..) = order(Fault::on(ORDER).oversized(17 << 20));
    assert!(raw.bytes > 17 << 20 && licenses == 1);
    let up = Upstream::start();
    yes(&up, "whoami", "");
    up.fault(Fault::on(ORDER).answer_of_another());
    let raw = ask(&up, ORDER, &format!("{BUY} {LITE}"));
    assert_eq!((raw.element("name"), up.ledger().len()), ("reseller", 1));
}

#[test]
fn an_answer_can_be_slow_or_wrongly_dated() {
    let start = Instant::now();
    let (raw, ..) = order(Fault::on(ORDER).slow(300));
    assert!(start.elapsed() >= Duration::from_millis(300) && raw.element("id") == "5001");
    let (raw, ..) = order(Fault::on(ORDER).skewed(3 * 86_400));
    let told = between(&raw.text, "Date: ", "\r\n");
    let told = chrono::DateTime::parse_from_rfc2822(told).unwrap();
    assert!((told.to_utc() - chrono::Utc::now()).num_hours() > 70);
}

#[test]
fn a_fresh_license_is_not_seen_for_a_while() {
    let (_, _, _, up) = order(Fault::on(ORDER).lag(2));
    assert_eq!(yes(&up, "soft", "").element("p_elems"), "0");
    no_read(&up);
    assert_eq!(yes(&up, "soft.edit", "elid=5001").element("id"), "5001");
    assert_eq!(yes(&up, "soft", "").element("p_elems"), "1");
    let (_, _, _, up) = order(Fault::on(ORDER).key_late(1));
    assert_eq!(yes(&up, "soft.edit", "elid=5001").element("lickey"), "");
    assert_ne!(yes(&up, "soft.edit", "elid=5001").element("lickey"), "");
}

fn no_read(up: &Upstream) {
    assert_eq!(ask(up, "soft.edit", "elid=5001").error(), "missed/elid");
}

#[test]
fn nobody_listens_for_a_while() {
    let up = Upstream::start();
    let refused = || send(&up, &post(""), Duration::from_secs(2)).map(|r| r.bytes).map_err(|e| e.kind());
    up.stop_listening();
    assert_eq!(refused(), Err(ErrorKind::ConnectionRefused));
    up.listen_again();
    yes(&up, "whoami", "");
    up.fault(Fault::on("soft").then_refuse(150));
    yes(&up, "soft", "");
    // A connection that the kernel took just before the socket closed is reset: nobody has read its request either.
    let unheard = refused().unwrap_err();
    assert!(matches!(unheard, ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset), "{unheard}");
    std::thread::sleep(Duration::from_millis(500));
    yes(&up, "whoami", "");
}

#[test]
fn faults_choose_their_call() {
    let up = Upstream::start();
    buy(&up, LITE);
    up.fault(Fault::on("soft.edit?set").nth(2).refused("blocked"));
    up.fault(Fault::on("soft.edit?newkey").refused("status"));
    for answer in ["", "blocked/account", ""] {
        yes(&up, "soft.edit", "elid=5001");
        assert_eq!(ask(&up, "soft.edit", "elid=5001 sok=ok licname=x").error(), answer);
    }
    assert_eq!(ask(&up, "soft.edit", "elid=5001 sok=ok clicked_button=newkey").error(), "status/elid");
    up.fault(Fault::on("*").times(2).refused("blocked"));
    assert_eq!(["whoami", "soft", "soft"].map(|f| ask(&up, f, "").error()), ["blocked/account", "blocked/account", ""]);
    up.fault(Fault::on("soft").always().refused("blocked"));
    assert_eq!(["soft", "whoami", "soft"].map(|f| ask(&up, f, "").error()), ["blocked/account", "", "blocked/account"]);
    up.clear_faults();
    yes(&up, "soft", "");
    for name in Fault::NAMES {
        assert!(Fault::by_name("soft", name, None, None).is_some(), "{name}");
    }
}

#[test]
fn a_client_accepts_only_the_good_certificate() {
    for (tls, good) in
        [(Tls::Good, true), (Tls::WrongName, false), (Tls::UnknownAuthority, false), (Tls::Expired, false)]
    {
        let up = Upstream::start_with(Options::default(), tls);
        let authority = reqwest::Certificate::from_pem(up.ca_pem().as_bytes()).unwrap();
        let client = reqwest::blocking::Client::builder().add_root_certificate(authority).build().unwrap();
        let answer = client.post(up.url()).body(body(&up, "whoami", "")).send();
        assert_eq!(answer.is_ok(), good, "{tls:?}: {answer:?}");
        assert_eq!(up.requests().len(), usize::from(good));
    }
}

#[test]
fn a_request_is_held_before_and_after_its_effect() {
    let up = Upstream::start();
    for (after, bills) in [(false, 0), (true, 1)] {
        let held = if after { up.hold_after(ORDER) } else { up.hold_before(ORDER) };
        let body = body(&up, ORDER, &format!("{BUY} {LITE}"));
        let port = up.port();
        let client = std::thread::spawn(move || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.write_all(&post(&body)).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).map(|_| text).unwrap()
        });
        held.reached();
        assert_eq!((up.ledger().len(), client.is_finished()), (bills, false));
        held.release();
        assert!(client.join().unwrap().contains("200 OK"));
        up.with(|w| (w.licenses.clear(), w.ledger.clear()));
    }
}

#[test]
fn something_happens_just_before_a_request() {
    let up = Upstream::start();
    up.before("soft", 2, |world| {
        foreign(world, 55227, 1, "192.0.2.9", "late");
    });
    assert_eq!([(); 3].map(|()| yes(&up, "soft", "").element("p_elems").to_owned()), ["0", "1", "1"]);
}
