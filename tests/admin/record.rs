//! `doctor --record`: which questions it asks, what it writes, and that the file holds nobody's data.
use super::{json, operator};
use crate::support::upstream::Fault;
use crate::support::{MgrctlFault, MgrctlFaultKind, Test, modes, replay};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Private data. Each value would be noticed in the file.
const NAMES: [&str; 5] = ["Quuxcorp", "quuxlogin", "Ёлкин", "O'Quux-Brandt", "Jürgen Quux"];
const HOSTS: [&str; 3] = ["quux-host.example.net", "billing.quux.example", "quux@mail.example"];
const ADDRESSES: [&str; 4] = ["198.18.77.201", "198.18.78.0/24", "2001:db8:77:88::99", "[2001:db8:77::5]:1500"];
const KEYS: [&str; 2] = ["QUUXKEY-7741-ZXCVBNM1234", "9417745-F372FE94F82B3C6E"];
const NUMBERS: [&str; 3] = ["94177", "83526.41", "7 654 321,09"];
const SECRETS: [&str; 3] = ["S3cr3t-quux-pass", "sid=quuxsession123", "-----BEGIN QUUX-----"];

fn planted() -> Vec<&'static str> {
    [&NAMES[..], &HOSTS, &ADDRESSES, &KEYS, &NUMBERS, &SECRETS].concat()
}

/// A document that has each of them wherever a seller or a panel could put one.
fn poisoned() -> String {
    let mut fields = String::new();
    for (number, text) in planted().into_iter().enumerate() {
        let text = text.replace('&', "&amp;");
        for field in
            ["name", "licname", "ip", "lickey", "account", "status", "pricelist", "cost", "msg", "remoteid", "x"]
        {
            fields.push_str(&format!("<{field}>{text}</{field}>"));
        }
        fields.push_str(&format!(
            "<y{number} v=\"{text}\" name=\"{text}\" key=\"{text}\" type=\"{text}\">{text}<!-- {text} --><![CDATA[{text}]]></y{number}>\
             <password>{text}</password><param name=\"password\">{text}</param><param name=\"value\">{text}</param>\
             <tparams><authinfo>{text}</authinfo></tparams><messages><msg name=\"a\">{text}</msg></messages>\
             <slist name=\"account\"><val key=\"{text}\">{text}</val></slist>\
             <form title=\"{text}\"><field name=\"ip\"><input name=\"ip\" value=\"{text}\"/></field></form>"
        ));
    }
    let name = NAMES[1];
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><doc host=\"https://{host}:1500\" user=\"{name}\" lang=\"en\">\
         <error type=\"quuxlogin\" object=\"{host}\"><detail>{name}</detail><msg>{name}</msg></error>\
         <elem><id>94177</id>{fields}</elem>{fields}<p_elems>94177</p_elems></doc>",
        host = HOSTS[0]
    )
}

fn file(t: &Test) -> PathBuf {
    t.root().join("answers.json")
}

fn recorded(t: &Test) -> String {
    std::fs::read_to_string(file(t)).unwrap()
}

/// A world with a license of each kind, its user a name that must not appear either.
fn world() -> Test {
    let t = Test::setup().options(|o| (o.user, o.password) = ("quuxlogin".into(), SECRETS[0].into())).start();
    t.soft_item(42, "55227", 1).ip("192.0.2.10").licname("Quuxcorp").add();
    t.soft_item(43, "9203", 1).ip("192.0.2.11").external().add();
    for item in [42, 43] {
        t.cmd("open", item).ok();
    }
    t.upstream.clear_requests();
    t.clear_mgrctl();
    t
}

/// Whatever panel and seller answer, and wherever in it: neither a name nor an address, a key, an amount or a secret
/// is in the file, whole or in its parts.
#[test]
fn a_record_holds_nothing_of_what_was_planted() {
    let t = world();
    for (number, name) in NAMES.iter().enumerate() {
        t.module_param(7, &format!("note{number}"), name);
    }
    let answer = poisoned();
    t.upstream.fault(
        Fault { answer: crate::support::upstream::Answer::Body(answer.into_bytes()), ..Fault::on("*") }.always(),
    );
    t.mgrctl_fault(MgrctlFault::on("processing.customparam", MgrctlFaultKind::ErrorDocument).word("quuxlogin"));
    for panel_says_it_too in [false, true] {
        if panel_says_it_too {
            std::fs::remove_file(file(&t)).unwrap();
            t.clear_mgrctl();
            // The first answers of two functions lead to the seller; their second ones are written down.
            for (func, nth) in [
                ("paramlist", 2),
                ("processing.edit", 2),
                ("processing.customparam", 1),
                ("processing.customparam.edit", 1),
            ] {
                let says = MgrctlFault::on(func, MgrctlFaultKind::Document).nth(nth).word(&poisoned()).code(0);
                t.mgrctl_fault(says);
            }
        }
        let output = operator(&t, &format!("doctor --record {} --yes", file(&t).display()));
        assert_eq!(output.code, Some(0), "{output:#?}");
        assert_holds_nothing(&t, &recorded(&t));
        let met = t.mgrctl_calls().iter().filter(|call| call.fault.is_some()).count();
        assert_eq!(met, if panel_says_it_too { 4 } else { 1 });
    }
}

fn assert_holds_nothing(t: &Test, text: &str) {
    let asked = text.matches("\"func\"").count();
    assert!(asked >= 10, "{asked} questions\n{text}");
    let lower = text.to_lowercase();
    for planted in planted() {
        assert!(!text.contains(planted), "{planted} is in the file\n{text}");
        let parts = planted.split(|c: char| !c.is_alphanumeric()).filter(|part| part.chars().count() > 4);
        for part in parts.filter(|part| !["example", "session"].contains(part)) {
            assert!(!lower.contains(&part.to_lowercase()), "{part} of {planted} is in the file\n{text}");
        }
    }
    for (what, secret) in [("key", t.item(42).param("lickey").to_owned()), ("database", t.db.password.clone())] {
        assert!(!text.contains(&secret), "the {what} is in the file");
    }
    let mark = t.upstream.license(5001).remoteid;
    let panel_id = mark.split('-').nth(1).unwrap();
    assert!(!text.contains(panel_id), "the id of this installation is in the file");
    let port = t.upstream.url().rsplit(':').next().and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    assert!(!text.contains(&format!(":{port}")), "the port of a seller that is not public is in the file");
}

/// Without a word of agreement nothing is asked of the seller, and no file is made.
#[test]
fn nothing_is_asked_before_the_operator_agreed() {
    let t = world();
    let output = operator(&t, &format!("doctor --record {}", file(&t).display()));
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output:#?}");
    for word in ["soft.edit", "whoami", "paramlist", &file(&t).display().to_string(), "--yes"] {
        assert!(output.stderr.contains(word), "{word}: {}", output.stderr);
    }
    assert!(!file(&t).exists());
    assert!(t.upstream.requests().is_empty(), "{}", t.story());
}

/// The file is new, its owner's alone, and an older one stays as it is.
#[test]
fn the_file_is_new_and_private() {
    let t = world();
    let line = format!("doctor --record {} --yes", file(&t).display());
    assert_eq!(operator(&t, &line).code, Some(0));
    assert_eq!(file(&t).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let first = recorded(&t);
    t.upstream.clear_requests();
    let again = operator(&t, &line);
    assert_eq!((again.code, again.stderr.contains("exists already")), (Some(1), true), "{again:#?}");
    assert_eq!((recorded(&t), t.upstream.requests().len()), (first, 0));
    assert!(operator(&t, "doctor --record /nonexistent/answers.json --yes").stderr.contains("cannot be written"));
    let both = operator(&t, &format!("{line} --accept-account 7"));
    assert_eq!(both.code, Some(2), "one of the two: {both:#?}");
}

/// Only questions that change nothing are asked, each once, and nothing is changed by them.
#[test]
fn only_questions_are_asked() {
    let t = world();
    let before = (t.upstream.licenses(), t.upstream.ledger());
    let done = json(&t, &format!("doctor --record {} --yes", file(&t).display()));
    assert!(done["text"].as_str().unwrap().contains("12 answers were written"), "{done:#}");
    let asked: Vec<String> = t.upstream.requests().iter().map(crate::support::upstream::Request::line).collect();
    let wanted = [
        "whoami",
        "subaccount",
        "soft p_num=1 p_cnt=5",
        "soft.edit elid=5001",
        "softexternal p_num=1 p_cnt=5",
        "softexternal.edit elid=5002",
        "pricelist.export",
        "soft.order",
    ];
    assert_eq!(asked, wanted);
    let called: Vec<String> = t.mgrctl_calls().iter().map(crate::support::mgrctl::Call::line).collect();
    let wanted = [
        "paramlist",
        "processing.edit elid=7",
        "paramlist",
        "processing.edit elid=7",
        "processing.customparam elid=7",
        "processing.customparam.edit plid=7",
    ];
    assert_eq!(called, wanted);
    assert_eq!((t.upstream.licenses(), t.upstream.ledger()), before);
    t.assert_clean();
}

/// A question that cannot be asked is written down as such and hides no other answer. A missing column of a table is
/// noticed.
#[test]
fn what_fails_is_written_down() {
    let t = world();
    t.upstream.fault(Fault::on("whoami").html());
    t.upstream.fault(Fault::on("soft").refused("blocked"));
    t.db.exec("DROP TABLE currency", ());
    t.db.exec("ALTER TABLE item DROP COLUMN cost", ());
    t.mgrctl_fault(MgrctlFault::on("processing.customparam", MgrctlFaultKind::Rubbish).code(0));
    assert_eq!(operator(&t, &format!("doctor --record {} --yes", file(&t).display())).code, Some(0));
    let record: serde_json::Value = serde_json::from_str(&recorded(&t)).unwrap();
    let tables = &record["panel"]["tables"];
    assert_eq!((&tables["currency"], tables["itemtype"].as_array().unwrap().len()), (&serde_json::Value::Null, 3));
    let item = tables["item"].as_array().unwrap();
    assert!(
        item.contains(&"id int(11)".into()) && !item.iter().any(|column| column.as_str().unwrap().starts_with("cost"))
    );
    let of = |answers: &serde_json::Value, func: &str| {
        answers.as_array().unwrap().iter().find(|asked| asked["func"] == func).cloned().unwrap_or_default()
    };
    let seller = &record["sellers"][0]["answers"];
    assert_eq!(of(seller, "whoami")["failure"], "no document");
    let refused = of(seller, "soft")["answer"].to_string();
    assert!(refused.contains("type=\\\"blocked\\\" object=\\\"account\\\""), "{refused}");
    assert_eq!(of(seller, "soft.edit"), serde_json::Value::Null, "there is no license to ask about");
    assert!(of(seller, "softexternal.edit")["answer"].is_array());
    let panel = &record["panel"]["answers"];
    assert_eq!(of(panel, "processing.customparam")["failure"], "no document");
    assert_eq!(of(panel, "processing.customparam.edit")["exit"], 1);
    t.upstream.stop_listening();
    std::fs::remove_file(file(&t)).unwrap();
    assert_eq!(operator(&t, &format!("doctor --record {} --yes", file(&t).display())).code, Some(0));
    assert_eq!(recorded(&t).matches("\"failure\": \"not reached\"").count(), 6);
}

/// The columns of a seller's list and form come back from a record as they were, whatever the seller calls them.
#[test]
fn a_replayed_record_has_the_fields_that_were_recorded() {
    let modes = modes::chosen("list-pricelist-id,dates-change,form-nested,numbered-keys,russian").unwrap();
    let t = Test::setup().modes(&modes).start();
    let id = t.upstream.add_foreign(55231, 1, "192.0.2.9", "Quuxcorp");
    assert_eq!(operator(&t, &format!("doctor --record {} --yes", file(&t).display())).code, Some(0));
    let record = replay::Record::read(&file(&t)).unwrap();
    let of = |func: &str| record.seller().iter().find(|asked| asked.func == func).unwrap().document().unwrap();
    let (list, form) = (of("soft"), of("soft.edit"));
    assert!(list.contains("<pricelist_id>55231</pricelist_id><pricelist>ISPmanager 6 Lite</pricelist>"), "{list}");
    assert!(list.contains("<ip_change_date/>") && !list.contains("real_ipchange"), "{list}");
    assert!(form.contains("<doc lang=\"en\"><doc><elid>"), "{form}");
    // The key begins with the number of its license, as it did.
    let number = crate::support::run::between(&form, "<id>", "</id>").to_owned();
    let key = crate::support::run::between(&form, "<lickey>", "</lickey>");
    assert!(key.starts_with(&format!("{number}-")), "{key} of {number}, which was {id}");
    assert!(!form.contains("Quuxcorp") && form.contains("<licname>Aaaaaaa"), "{form}");
}
