//! Every message about identity names a command, and following the commands leads out, never round in a circle.
use super::*;
use crate::service::alter_state;
use crate::support::Fault;
use std::collections::BTreeSet;

/// The commands of ours in a text, as far as they are whole; placeholders in capitals make one no command.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split("pmisplicense ").skip(1) {
        let words = part.split_whitespace().take_while(|word| !word.starts_with('('));
        let mut line = Vec::new();
        for word in words {
            let bare = word.trim_end_matches([',', ';', '.', ')']);
            let is_part = line.is_empty() || bare.starts_with("--") || bare.bytes().any(|b| b.is_ascii_digit());
            // The value of the option, and the second word of the command.
            let is_value =
                line.last().is_some_and(|last: &String| ["--take-from", "state", "adopt"].contains(&last.as_str()));
            if !is_part && !is_value {
                break;
            }
            line.push(bare.to_owned());
            if bare.len() != word.len() {
                break;
            }
        }
        assert!(!line.iter().any(|word| word.len() > 1 && word.bytes().all(|b| b.is_ascii_uppercase())), "{part}");
        found.push(line.join(" "));
    }
    found
}

/// Follows the advice of a failing command: first its first command, then the first of the next message, until the
/// command succeeds. Panics where a command comes twice without a change, or where no advice is left.
fn follow(test: &Test, case: &str, start: impl Fn() -> Output) {
    let mut tried = BTreeSet::new();
    let mut output = start();
    for _ in 0..8 {
        if output.code == Some(0) {
            return;
        }
        let said = format!("{}\n{}", output.message(), output.stderr);
        let list = commands(&said);
        assert!(!list.is_empty(), "{case}: no advice in {said}");
        let next = list.iter().find(|command| !tried.contains(*command));
        let next = next.unwrap_or_else(|| panic!("{case}: round in a circle after {tried:?}: {said}")).clone();
        let asks = ["bind", "unbind", "move", "retry", "state"];
        let yes = if asks.iter().any(|word| next.starts_with(word)) { " --yes" } else { "" };
        let followed = operator(test, &format!("{next}{yes}"));
        tried.insert(next);
        // The advice is followed first, then the original command is given again.
        output = if followed.code == Some(0) || followed.stderr.is_empty() { start() } else { followed };
    }
    panic!("{case}: too long a way: {tried:?}\n{}", test.story());
}

/// Each guard of identity, entered by the command that a panel or an operator gives.
#[test]
fn following_the_advice_of_every_identity_guard_leads_out() {
    type World = fn(&Test);
    let cases: [(&str, World, &str); 15] = [
        ("the client changed", |t| t.set_item(42, "account", "77"), "suspend"),
        ("another incarnation", |t| t.set_item(42, "createdate", "2020-02-02 10:00:00"), "suspend"),
        ("another incarnation, closing", |t| t.set_item(42, "createdate", "2020-02-02 10:00:00"), "close"),
        ("the number changed", |t| copy_service(t, 42, 43), "suspend 43"),
        ("the number changed, the old row", |t| copy_service(t, 42, 43), "sync_item"),
        (
            "the number changed, the old row is open",
            |t| {
                copy_service(t, 42, 43);
                t.set_item(42, "status", "2");
            },
            "suspend 43",
        ),
        ("a lost state", lose_state, "suspend"),
        ("a lost state, closing", lose_state, "close"),
        (
            "a foreign license",
            |t| {
                lose_state(t);
                t.upstream.edit_license(5001, |l| l.remoteid = String::new());
            },
            "resume",
        ),
        (
            "another license than the held one",
            |t| {
                let other = t.upstream.add_foreign(55227, 1, "192.0.2.99", "other");
                t.set_param(42, "licid", &other.to_string());
            },
            "suspend",
        ),
        (
            "a copy of a freed license",
            |t| {
                t.cmd("close", 42).ok();
                t.upstream.age(5001, 40);
                copy_service(t, 42, 43);
            },
            "suspend 43",
        ),
        (
            "the client of a closed service changed",
            |t| {
                t.set_item(42, "account", "77");
                t.set_item(42, "status", "4");
            },
            "sync_item",
        ),
        ("a pass", |t| copy_service(t, 42, 43), "sync_server"),
        ("another machine", |t| alter_state(t, "UPDATE meta SET value = 'other' WHERE name = 'machine'"), "suspend"),
        ("a restored state", |t| alter_state(t, "INSERT INTO meta VALUES ('restored', '2027-01-01')"), "suspend"),
    ];
    for (case, change, command) in cases {
        let test = Test::new();
        assert_eq!(opened(&test, 42, "55227", 1), 5001);
        change(&test);
        follow(&test, case, || match command.split_once(' ') {
            _ if command == "sync_server" => sync(&test),
            Some((command, item)) => test.cmd(command, item.parse().unwrap()),
            None => test.cmd(command, 42),
        });
        let bought = test.upstream.billed("soft.order.param");
        assert_eq!((bought, test.upstream.license(5001).status != 4), (1, true), "{case}: {}", test.story());
    }
}

/// When an operator's own command refuses because of an identity, the first command that the error names leads out as
/// well.
#[test]
fn following_the_advice_of_refused_bindings_leads_out() {
    type World = fn(&Test) -> String;
    let cases: [(&str, World); 6] = [
        ("it serves another service", |t| {
            t.settings("on_close = \"stop\"\n");
            t.soft_item(43, "55227", 1).ip(&ip_of(42)).active_until(&day(20)).add();
            "bind 43 5001".into()
        }),
        ("another installation's mark", |t| {
            t.soft_item(43, "55227", 1).ip("192.0.2.43").active_until(&day(20)).add();
            let id = t.upstream.add_foreign(55227, 1, "192.0.2.43", "theirs");
            t.upstream.edit_license(id, |l| l.remoteid = "pml-zzzzzzzz-9-9".into());
            format!("bind 43 {id}")
        }),
        ("another product", |t| {
            t.soft_item(43, "55227", 1).ip("192.0.2.43").active_until(&day(20)).add();
            format!("bind 43 {}", t.upstream.add_foreign(55228, 1, "192.0.2.43", "pro"))
        }),
        ("it has a license", |t| format!("bind 42 {}", t.upstream.add_foreign(55227, 1, &ip_of(42), "second"))),
        ("one license an address", |t| {
            format!("bind 42 {} --replace", t.upstream.add_foreign(55227, 1, "192.0.2.99", "second"))
        }),
        ("a copy shows it", |t| {
            copy_service(t, 42, 43);
            "unbind 42".into()
        }),
    ];
    for (case, change) in cases {
        let test = Test::new();
        opened(&test, 42, "55227", 1);
        let line = change(&test);
        follow(&test, case, || operator(&test, &format!("{line} --yes")));
    }
}

/// Refusals of `resolve --bought`: the last way that the message names is a list of whole commands that all succeed,
/// and the service ends with one license.
#[test]
fn following_the_advice_of_a_refused_resolve_leads_out() {
    type World = fn(&Test) -> u64;
    let cases: [(&str, World); 5] = [
        ("it serves another service", |t| opened(t, 43, "55227", 1)),
        ("another installation's mark", |t| {
            let id = t.upstream.add_foreign(55227, 1, &ip_of(42), "theirs");
            t.upstream.edit_license(id, |l| l.remoteid = "pml-zzzzzzzz-9-9".into());
            id
        }),
        ("another product", |t| t.upstream.add_foreign(55228, 1, &ip_of(42), "pro")),
        ("an order of another service", |t| {
            t.upstream.clear_faults();
            t.upstream.fault(Fault::on("soft.order.param").late());
            t.soft_item(43, "55227", 1).ip(&ip_of(43)).add();
            t.cmd("open", 43).fails("client");
            t.upstream.land_late();
            t.upstream.licenses()[0].id
        }),
        ("a free license, for another client", |t| {
            t.upstream.clear_faults();
            let id = crate::pool::pooled(t, 43, "55227", 40);
            t.set_item(42, "account", "77");
            id
        }),
    ];
    for (case, change) in cases {
        let test = Test::new();
        test.soft_item(42, "55227", 1).ip(&ip_of(42)).active_until(&day(20)).add();
        test.upstream.fault(Fault::on("soft.order.param").drop_before());
        test.cmd("open", 42).fails("client");
        let id = change(&test);
        settle(&test);
        let refused = operator(&test, &format!("resolve 42 --bought {id} --yes"));
        assert_eq!(refused.code, Some(1), "{case}");
        let mut ways = commands(&refused.stderr);
        ways.retain(|way| !way.starts_with("reconcile"));
        assert!(!ways.is_empty(), "{case}: {}", refused.stderr);
        for way in ways {
            operator(&test, &format!("{way} --yes")).ok();
        }
        test.upstream.clear_faults();
        test.cmd("open", 42).ok();
        let served = test.upstream.license(licid(&test, 42));
        assert_eq!(
            (served.ip, served.status, served.key),
            (ip_of(42), 2, test.item(42).param("lickey").into()),
            "{case}"
        );
        assert!(test.upstream.billed("soft.order.param") <= 2, "{case}: {}", test.story());
        assert!(case == "it serves another service" || served.id == id, "{case}: {}", test.story());
    }
}
