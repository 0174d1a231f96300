//! Each mode of the sandbox, proven by raw requests: what it changes is there, and is not there without it.
use super::*;
use crate::support::modes::{self, Change, MODES, Mode};
use crate::support::upstream::{Options, Tls, world::add_period};
use crate::support::{Output, Test};
use std::time::Instant;

/// The seller as a mode makes it, with one license.
fn seller(mode: &Mode) -> (Upstream, u64) {
    let mut options = Options::default();
    match mode.change {
        Change::Seller(change) => change(&mut options),
        Change::Panel(_) | Change::Calls(_) => {}
    }
    let upstream = Upstream::start_with(options, Tls::Off);
    let id = upstream.add_foreign(55227, 12, "192.0.2.10", "free.lic");
    upstream.edit_license(id, |l| l.remoteid = "pml-a-1-1".to_owned());
    (upstream, id)
}

/// The modes that were proven.
struct Proven(Vec<&'static str>);

impl Proven {
    /// A raw client must see the declared difference between the usual world and the mode: a look at the seller, and
    /// the answers there and here.
    fn differs(&mut self, name: &'static str, look: impl Fn(&Upstream, u64) -> String, usual: &str, here: &str) {
        differs(name, look, usual, here);
        self.0.push(name);
    }
}

fn differs(name: &str, look: impl Fn(&Upstream, u64) -> String, usual: &str, here: &str) {
    let mode = modes::mode(name).unwrap();
    let plain = Mode { change: Change::Seller(|_| ()), ..*mode };
    for (mode, wanted) in [(&plain, usual), (mode, here)] {
        let (upstream, id) = seller(mode);
        let seen = look(&upstream, id).replace(&id.to_string(), "ID");
        assert_eq!(seen, wanted, "{name}");
    }
}

fn inner(raw: &Raw) -> String {
    between(raw.body(), "<doc lang=\"en\">", "</doc>\n").to_owned()
}

/// The answer of a form or a change, cut to the part that a mode is about.
fn part(text: &str, from: &str, to: &str) -> String {
    let found = between(text, from, to);
    if found.is_empty() { String::new() } else { format!("{from}{found}{to}") }
}

fn order(up: &Upstream, _: u64) -> String {
    let raw = ask(up, "soft.order.param", &format!("{BUY} pricelist=55228 period=1 ip=192.0.2.20"));
    let id = up.licenses().last().unwrap().id.to_string();
    inner(&raw).replace(&id, "NEW")
}

fn row(up: &Upstream, family: &str) -> String {
    between(yes(up, family, "").body(), "<elem>", "</elem>").to_owned()
}

fn tags(xml: &str) -> Vec<String> {
    let tag = |part: &str| part.split(['>', '/', ' ']).next().unwrap_or_default().to_owned();
    let mut all: Vec<String> = xml.split('<').filter(|part| !part.starts_with('/')).map(tag).collect();
    all.retain(|tag| !tag.is_empty());
    all
}

fn has(xml: &str, wanted: &[&str]) -> String {
    let tags = tags(xml);
    wanted.iter().filter(|tag| tags.iter().any(|t| t == *tag)).copied().collect::<Vec<_>>().join(" ")
}

fn form(up: &Upstream, id: u64) -> String {
    inner(&yes(up, "soft.edit", &format!("elid={id}")))
}

/// Answers of orders, numbers, and the new order function.
fn orders(proven: &mut Proven) {
    proven.differs("order-item-id", order, "<id>NEW</id>", "<item.id>NEW</item.id>");
    proven.differs("order-item-child", order, "<id>NEW</id>", "<item><id>NEW</id></item>");
    proven.differs("order-item-attribute", order, "<id>NEW</id>", "<item id=\"NEW\"/>");
    proven.differs("order-silent", order, "<id>NEW</id>", "<ok/>");
    proven.differs("numbers-as-attributes", order, "<id>NEW</id>", "<id v=\"NEW\"/>");
    let both = |up: &Upstream, _: u64| {
        let old = ask(up, "soft.order.param", &format!("{BUY} pricelist=55228 period=1 ip=192.0.2.20"));
        let new = "clicked_button=order sok=ok skipbasket=on autoprolong=off order_period=1";
        let new = ask(up, "v2.soft.order.param", &format!("{new} pricelist=55229 ip=192.0.2.21"));
        let bought = up.ledger().first().map_or(0, |entry| up.license(entry.license).pricelist);
        format!("{}|{}|{bought}", old.error(), new.error())
    };
    proven.differs("order-v2", both, "|missed/func|55228", "missed/func||55229");
    let (up, _) = seller(modes::mode("order-v2").unwrap());
    let wrong =
        "clicked_button=order sok=ok skipbasket=on autoprolong=null order_period=1 pricelist=55228 ip=192.0.2.2";
    no(&up, "v2.soft.order.param", wrong, "value/autoprolong");
    no(&up, "v2.soft.order.param", &wrong.replace("order_period", "period"), "missed/order_period");
}

/// The names of the fields in lists and forms.
fn fields(proven: &mut Proven) {
    let tariff = |up: &Upstream, _: u64| {
        let row = row(up, "soft");
        part(&row, "<pricelist_id>", "</pricelist_id>") + &part(&row, "<pricelist>", "</pricelist>")
    };
    let code = "<pricelist>55227</pricelist>";
    let name = "<pricelist>ISPmanager 6 Lite</pricelist>";
    proven.differs("list-pricelist-id", tariff, code, &format!("<pricelist_id>55227</pricelist_id>{name}"));
    proven.differs("list-tariff-name", tariff, code, name);
    let names = ["real_ipchange", "real_keychange", "ip_change_date", "lickey_change_date"];
    let dates = |up: &Upstream, id: u64| format!("{}|{}", has(&row(up, "soft"), &names), has(&form(up, id), &names));
    let (real, change) = ("real_ipchange real_keychange", "ip_change_date lickey_change_date");
    proven.differs("dates-change", dates, &format!("{real}|{real}"), &format!("{change}|{change}"));
    let both = format!("{real} {change}");
    proven.differs("dates-both", dates, &format!("{real}|{real}"), &format!("{both}|{both}"));
    let (up, id) = seller(modes::mode("dates-both").unwrap());
    up.edit_license(id, |l| (l.created, l.ip_changed) = ("2026-01-01".parse().unwrap(), "2026-03-01".parse().ok()));
    let shown = row(&up, "soft");
    assert!(shown.contains("<real_ipchange>2026-01-01") && shown.contains("<ip_change_date>2026-03-01"), "{shown}");
    proven.differs("dates-missing", dates, &format!("{real}|{real}"), "|");
    let status = |up: &Upstream, id: u64| has(&(row(up, "soft") + &form(up, id)), &["status", "item_status"]);
    proven.differs("item-status", status, "status", "item_status");
    let columns = |up: &Upstream, _: u64| {
        up.add_foreign(9203, 1, "192.0.2.30", "linux");
        has(&row(up, "softexternal"), &["id", "ip", "licname", "remoteid", "period", "status", "item_status", "cost"])
    };
    let usual = "id ip licname remoteid period status cost";
    proven.differs("softexternal-columns", columns, usual, "id ip licname item_status cost");
    proven.differs("softexternal-nameless", columns, usual, "id ip item_status cost");
    let marked = |up: &Upstream, id: u64| {
        format!("{}|{}", has(&row(up, "soft"), &["remoteid"]), has(&form(up, id), &["remoteid"]))
    };
    proven.differs("remoteid-in-form", marked, "remoteid|remoteid", "|remoteid");
    proven.differs("no-remoteid", marked, "remoteid|remoteid", "|");
    let outward = |up: &Upstream, id: u64| {
        yes(up, "soft.edit", &format!("elid={id} sok=ok remoteip=203.0.113.7"));
        format!("{} {}", up.license(id).remoteip, has(&form(up, id), &["remoteip"]))
    };
    let domains = |up: &Upstream, id: u64| between(&form(up, id), "<webdomains>", "<").to_owned();
    proven.differs("domains-counted", domains, "", "3");
    let offers = |up: &Upstream, _: u64| ask(up, "pricelist.export", "").body().contains("<pricelist>").to_string();
    proven.differs("offers", offers, "false", "true");
    let form =
        |up: &Upstream, _: u64| part(ask(up, "soft.order", "").body(), "<list name=\"tariflist\"><elem>", "<desc>");
    proven.differs("offers-in-form", form, "", "<list name=\"tariflist\"><elem><pricelist>55227</pricelist><desc>");
    proven.differs("remoteip-hidden", outward, "203.0.113.7 remoteip", "203.0.113.7 ");
}

/// How days, amounts, names and keys are written.
fn values(proven: &mut Proven) {
    let created = |up: &Upstream, id: u64| {
        up.edit_license(id, |l| l.created = "2026-12-31".parse().unwrap());
        between(&form(up, id), "<createdate>", "<").to_owned()
    };
    proven.differs("days-with-time", created, "2026-12-31", "2026-12-31 00:00:00");
    proven.differs("days-dotted", created, "2026-12-31", "31.12.2026");
    let amounts = |up: &Upstream, id: u64| {
        up.set_balance(-123_456_789);
        let account = yes(up, "subaccount", "");
        let price = between(&form(up, id), "<cost>", " /").to_owned();
        format!("{}|{}|{price}", account.element("balance"), account.element("currency"))
    };
    let usual = "-1234567.89|EUR|55.00 EUR";
    proven.differs("amounts-spaces", amounts, usual, "-1\u{a0}234\u{a0}567,89 EUR||55,00 EUR");
    proven.differs("amounts-commas", amounts, usual, "-1,234,567.89 EUR||55.00 EUR");
    proven.differs("amounts-points", amounts, usual, "-1.234.567,89 EUR||55,00 EUR");
    let stored = |up: &Upstream, id: u64| {
        let name = "Smith,&,,,Sons,and,a,name,that,is,longer";
        yes(up, "soft.edit", &format!("elid={id} sok=ok licname={name}"));
        up.license(id).licname
    };
    let typed = "Smith &   Sons and a name that is longer";
    proven.differs("names-escaped", stored, typed, "Smith &amp;   Sons and a name that is longer");
    proven.differs("names-cut", stored, typed, "Smith &   Sons and a name that i");
    proven.differs("names-squeezed", stored, typed, "Smith & Sons and a name that is longer");
    let key = |up: &Upstream, id: u64| up.license(id).key.split('-').next().unwrap_or_default().to_owned();
    proven.differs("numbered-keys", key, "ISPKEY", "ID");
    let late = |up: &Upstream, _: u64| {
        order(up, 0);
        let id = up.licenses().last().unwrap().id;
        let looks = [(); 3].map(|()| form(up, id).contains("<lickey/>"));
        format!("{looks:?} {}", up.license(id).status)
    };
    proven.differs("late-keys", late, "[false, false, false] 2", "[true, true, false] 2");
    let codes = |up: &Upstream, _: u64| {
        let buys = |code: &str| {
            let raw = ask(up, "soft.order.param", &format!("{BUY} pricelist={code} period=1 ip=192.0.2.40"));
            raw.error().is_empty()
        };
        format!("{} {} {}", buys("55228"), buys("55232"), yes(up, "subaccount", "").element("currency"))
    };
    proven.differs("russian", codes, "true false EUR", "false true RUB");
}

/// Answers of changes, forms and renewals.
fn answers(proven: &mut Proven) {
    let changed = |up: &Upstream, id: u64| {
        let edit = inner(&yes(up, "soft.edit", &format!("elid={id} sok=ok licname=x")));
        let key = inner(&yes(up, "soft.edit", &format!("elid={id} sok=ok clicked_button=newkey")));
        let shown = |text: &str| format!("{}{}", has(text, &["doc"]), has(text, &["ok", "licname", "lickey"]));
        format!("{}|{}", shown(&edit), shown(&key))
    };
    proven.differs("edit-record", changed, "ok|lickey", "licname lickey|licname lickey");
    proven.differs("edit-nested", changed, "ok|lickey", "doclicname lickey|doclicname lickey");
    proven.differs("edit-silent", changed, "ok|lickey", "ok|ok");
    let nested = |up: &Upstream, id: u64| form(up, id).chars().take(5).collect::<String>();
    proven.differs("form-nested", nested, "<elid", "<doc>");
    let prolonged = |up: &Upstream, id: u64| {
        let end = add_period(up.license(id).expires.unwrap(), 1).to_string();
        inner(&yes(up, "service.prolong", &format!("elid={id} period=1 sok=ok"))).replace(&end, "END")
    };
    let flat = "<newexpiredate>END</newexpiredate>";
    proven.differs("prolong-flat", prolonged, &format!("<doc>{flat}</doc>"), flat);
    let newest = |up: &Upstream, id: u64| {
        up.add_foreign(55228, 1, "192.0.2.50", "second");
        let list = yes(up, "soft", "");
        (list.element("id") == id.to_string()).to_string()
    };
    proven.differs("newest-first", newest, "true", "false");
    let deleted = |up: &Upstream, id: u64| {
        yes(up, "soft.delete", &format!("elid={id} sok=ok"));
        let list = yes(up, "soft", "").element("p_elems").to_owned();
        format!("{list} {}", ask(up, "soft.edit", &format!("elid={id}")).error())
    };
    proven.differs("forgets-deleted", deleted, "1 ", "0 missed/elid");
}

/// Refusals that are on record, and sellers that take their time.
fn refusals(proven: &mut Proven) {
    let unsold = |up: &Upstream, _: u64| {
        let raw = ask(up, "soft.order.param", &format!("{BUY} pricelist=77777 period=1 ip=192.0.2.60"));
        format!("{} {}", raw.error(), between(raw.body(), "<msg lang=\"en\">", "</msg>"))
    };
    let usual = "value/pricelist The tariff plan is not available for this account";
    proven.differs("wizard-unavailable", unsold, usual, "wizard_unavailable/ The order wizard is unavailable");
    proven.differs("no-tariff-plans", unsold, usual, "empty/ No tariff plans available for order");
    let door = |up: &Upstream, _: u64| {
        let raw = ask(up, "whoami", "");
        let text = between(raw.body(), "<msg", "</msg>");
        format!("{} {}", raw.error(), text.split_once('>').map_or("", |(_, text)| text))
    };
    proven.differs("captcha", door, " ", "captcha_verification_failed/ The captcha was not solved");
    proven.differs("captcha-text", door, " ", "xml/ captcha_verification_failed");
    proven.differs("allow-list", door, " ", "auth/badpassword Access from this IP address is denied");
    let crowd = |up: &Upstream, id: u64| {
        let read = || ask(up, "soft.edit", &format!("elid={id}")).status() == 200;
        let all = (0..100).all(|_| read());
        std::thread::sleep(Duration::from_millis(80));
        format!("{all} {}", read())
    };
    proven.differs("limited-reads", crowd, "true true", "false true");
    let slow = |up: &Upstream, _: u64| {
        let start = Instant::now();
        yes(up, "whoami", "");
        (start.elapsed() >= Duration::from_millis(30)).to_string()
    };
    let (up, id) = seller(modes::mode("slow-answers").unwrap());
    assert_eq!(slow(&up, id), "true");
    proven.0.push("slow-answers");
}

/// A recorded refusal of a login, word for word: the text twice, the word of the object, the caller's address.
#[test]
fn a_wrong_password_is_refused_as_it_was_recorded() {
    let up = Upstream::start();
    let raw =
        send(&up, &post("func=whoami&out=xml&lang=en&authinfo=reseller%3Awrong"), Duration::from_secs(5)).unwrap();
    let text = "Invalid username or password ";
    let error = format!(
        "<error type=\"auth\" object=\"badpassword\" lang=\"en\"><detail>{text}</detail><msg>{text}</msg>\
         <param name=\"object\" type=\"msg\">badpassword</param>\
         <param name=\"value\">remote_addr: [192.0.2.1]</param></error>"
    );
    assert_eq!(inner(&raw), error);
}

/// How another panel calls the program, and what it wants from mgrctl.
fn panels(proven: &mut Proven) {
    let mut called = std::collections::BTreeSet::new();
    let mut args = |name: &'static str, item: Option<u32>| {
        let mut calls = crate::support::calls::Calls::default();
        match modes::mode(name).unwrap().change {
            Change::Calls(change) => change(&mut calls),
            Change::Seller(_) | Change::Panel(_) => panic!("{name} is no mode of calls"),
        }
        called.insert(name);
        calls.args("open", item, Some(9)).join(" ")
    };
    assert_eq!(args("item-zero", None), "--command open --item 0 --runningoperation 9");
    assert_eq!(args("item-empty", None), "--command open --item  --runningoperation 9");
    assert_eq!(args("item-zero", Some(4)), "--command open --item 4 --runningoperation 9");
    assert_eq!(args("operation-zero", Some(4)), "--command open --item 4 --runningoperation 0");
    assert_eq!(args("operation-empty", Some(4)), "--command open --item 4 --runningoperation ");
    let extra = args("extra-options", Some(4));
    assert!(extra.contains(" --userid 3") && extra.contains("--addon  --searchstring  --sandbox on"), "{extra}");
    proven.0.extend(called);
    let mut start = |name: &'static str| {
        proven.0.push(name);
        let test = Test::setup().modes(&[modes::mode(name).unwrap()]).start();
        test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
        test.tariff("55228", 2);
        test
    };
    let test = start("typed-import");
    let import = "processing.import.service sok=ok module=7 status=2 period=1 import_pricelist_intname=55228 \
                  import_service_name=x";
    for (more, wanted) in [
        ("", "missed/import_itemtype_intname"),
        (" import_itemtype_intname=soft service_status=2", "value/import_itemtype_intname"),
        (" import_itemtype_intname=softexternal", "missed/service_status"),
        (" import_itemtype_intname=softexternal service_status=3", "value/service_status"),
        (" import_itemtype_intname=softexternal service_status=2", "/"),
    ] {
        assert_eq!(told(&test, &format!("{import}{more}")), wanted, "{more}");
    }
    let test = start("post-open-both");
    for (func, status) in [("service.postopen", 1), ("soft.open", 5), ("service.postopen", 2)] {
        assert_eq!((told(&test, &format!("{func} sok=ok elid=42")).as_str(), test.item(42).status), ("/", status));
    }
    let test = start("paid-end-moved");
    test.set_item(42, "expiredate", "2030-01-01");
    test.prolong_paid(42);
    assert_eq!(test.item(42).expiredate.as_deref(), Some("2030-02-01"));
    let test = start("one-parameter");
    assert_eq!(told(&test, "service.saveparam sok=ok elid=42 licid=1 crypted=off"), "missed/name");
    assert_eq!(told(&test, "service.saveparam sok=ok elid=42 name=licid value=1"), "/");
}

/// `type/object` of what mgrctl says.
fn told(test: &Test, call: &str) -> String {
    let done = super::panel::mgrctl(test, &call.split_whitespace().collect::<Vec<_>>());
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    format!("{}/{}", between(&text, "type=\"", "\""), between(&text, "object=\"", "\""))
}

#[test]
fn every_mode_changes_what_it_says_and_nothing_without_it() {
    let mut proven = Proven(Vec::new());
    for group in [orders, fields, values, answers, refusals, panels] {
        group(&mut proven);
    }
    let mut proven = proven.0;
    let mut named: Vec<&str> = MODES.iter().map(|mode| mode.name).collect();
    proven.sort_unstable();
    named.sort_unstable();
    assert_eq!(proven, named, "each mode has a proof");
}

#[test]
fn modes_are_chosen_by_name_and_exclude_each_other_on_one_axis() {
    let names = |list: &str| modes::chosen(list).map(|all| all.iter().map(|mode| mode.name).collect::<Vec<_>>());
    assert_eq!(names("order-item-id, names-cut").unwrap(), ["order-item-id", "names-cut"]);
    assert_eq!(names("").unwrap(), Vec::<&str>::new());
    assert!(names("names-cut,names-escaped").unwrap_err().contains("exclude each other"));
    assert!(names("nonsense").unwrap_err().contains("no mode nonsense"));
    let needs = [("", "post_open = \"both\""), ("upstream", "order_api = \"v2\"")];
    assert_eq!(modes::settings("", &needs), "post_open = \"both\"\n[upstream]\norder_api = \"v2\"\n");
    let own = "on_close = \"stop\"\n[upstream]\nsettle_s = 1\n";
    let merged = "post_open = \"both\"\non_close = \"stop\"\n[upstream]\norder_api = \"v2\"\nsettle_s = 1\n";
    assert_eq!(modes::settings(own, &needs), merged);
    assert_eq!(modes::settings("post_open = \"itemtype\"\n", &needs[..1]), "post_open = \"itemtype\"\n");
}

/// The executable lists them, and a name that it does not know is an error.
#[test]
fn the_sandbox_lists_its_modes() {
    let sandbox = |args: &[&str]| {
        let done = std::process::Command::new(crate::support::sandbox_exe()).args(args).output().unwrap();
        Output {
            code: done.status.code(),
            stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
            stderr: String::new(),
            story: crate::support::story::Story::default(),
        }
    };
    let help = sandbox(&["--help"]);
    assert_eq!(help.code, Some(0));
    for mode in MODES {
        let line = help.stdout.lines().find(|line| line.trim_start().starts_with(&format!("{} ", mode.name)));
        assert!(line.is_some_and(|line| line.contains(mode.what) && line.contains(mode.source)), "{}", mode.name);
    }
    let wrong = sandbox(&["demo", "nonsense"]);
    assert_eq!((wrong.code, wrong.stdout.contains("no mode nonsense")), (Some(2), true));
}
