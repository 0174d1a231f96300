//! Sellers that word their answers in their own way: answers that are understood nevertheless, and answers that are
//! errors.
use crate::service::{changes, day, end, ends_in, forget, ip_of, licid, opened, sent, settle, state, told};
use crate::support::upstream::dialect::Days;
use crate::support::{Fault, Test};

/// A seller that passes over the page's number, and says no total, shows the whole list again and again: that is an
/// error after two pages, for whichever command reads the list.
#[test]
fn a_list_that_repeats_itself_is_an_error_after_two_pages() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    test.upstream.options(|o| (o.list_ignores_paging, o.list_total) = (true, false));
    for command in ["sync", "reconcile", "import --module 7 --itemtype soft", "take-over panel"] {
        forget(&test);
        let words: Vec<&str> = command.split(' ').collect();
        let output = match words[0] {
            "sync" | "import" => test.run([&["--command"], &words[..]].concat()),
            _ => test.run(&words),
        };
        assert_eq!(output.code, Some(1), "{command}: {}", output.stdout);
        let told = format!("{}{}", output.stdout, output.stderr);
        assert!(told.contains("repeats itself: page 2 shows the licenses of page 1"), "{command}: {told}");
        assert_eq!(test.upstream.funcs().iter().filter(|func| *func == "soft").count(), 2, "{command}");
    }
}

/// A seller that shows a form, because a password ran out or terms are to be accepted, gave no result: the check of
/// the connection says so and how to go on, and so does every command.
#[test]
fn check_connection_refuses_a_form_and_says_what_to_do() {
    let test = Test::new();
    opened(&test, 42, "55227", 1);
    let (user, password) = test.upstream.with(|w| (w.options.user.clone(), w.options.password.clone()));
    let password = crate::support::upstream::escape(&password);
    let url = test.upstream.url();
    let doc = format!(
        "<doc><processingmodule><url>{url}</url><username>{user}</username><password>{password}</password>\
         </processingmodule></doc>"
    );
    test.upstream.fault(Fault::on("*").form().always());
    let check = test.program(["--command", "check_connection"]).stdin(doc.clone()).run();
    assert_eq!(check.fails("bad_answer").attribute("object"), "form");
    assert!(check.message().contains("log in there with a browser as this user"), "{}", check.stdout);
    let sync = test.run(["--command", "sync"]);
    assert!(sync.fails("bad_answer").message().contains("shows the form &quot;usrparam&quot;"), "{}", sync.stdout);
    let doctor = test.run(["doctor"]);
    assert!(doctor.stdout.contains("shows the form \"usrparam\" instead of a result"), "{}", doctor.stdout);
    test.upstream.clear_faults();
    test.program(["--command", "check_connection"]).stdin(doc).run().ok();
}

/// An order that is answered with a form is in doubt, never done and never refused: it is looked for by its mark.
#[test]
fn an_order_answered_with_a_form_is_in_doubt() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip(&ip_of(42)).add();
    test.upstream.fault(Fault::on("soft.order.param").form());
    test.cmd("open", 42).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 1, "it was carried out, and found");
    test.soft_item(43, "55227", 1).ip(&ip_of(43)).add();
    test.upstream.fault(Fault::on("soft.order.param").form().without_effect());
    for _ in 0..2 {
        let open = test.cmd("open", 43);
        assert!(open.fails("client").message().contains("is not known yet"), "{}", open.stdout);
    }
    assert_eq!(test.upstream.requests_of("soft.order.param").len(), 2, "not sent again while in doubt");
    settle(&test);
    test.cmd("open", 43).fails("client");
    settle(&test);
    test.cmd("open", 43).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 2);
}

/// A change that is answered with a form is believed by the look that follows, and by nothing else.
#[test]
fn a_change_answered_with_a_form_is_judged_by_the_look_that_follows() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.set_param(42, "licname", "new name");
    test.upstream.fault(Fault::on("soft.edit?set").form());
    test.cmd("setparam", 42).ok();
    test.set_param(42, "licname", "newer name");
    test.upstream.fault(Fault::on("soft.edit?set").form().without_effect());
    test.cmd("setparam", 42).fails("bad_answer");
    test.cmd("setparam", 42).ok();
    test.upstream.fault(Fault::on("soft.edit?newkey").form());
    test.cmd("gen_key", 42).ok();
    assert_eq!(test.item(42).param("lickey"), test.upstream.license(id).key);
    ends_in(&test, id, 1);
    test.upstream.fault(Fault::on("service.prolong").form());
    test.cmd("sync_item", 42).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 1, "{:?}", sent(&test));
}

/// A character that XML forbids, in the name of somebody else's license, is passed over as a reference too, and does
/// not hide the whole list.
#[test]
fn one_odd_name_does_not_hide_the_list() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    test.upstream.add_foreign(55227, 1, "198.51.100.7", "Odd name");
    let odd = |right: &str| right.replace("Odd name", "Odd&#11; &#x1;name&#xFFFF;");
    test.upstream.fault(Fault::on("soft").reworded(odd).always());
    ends_in(&test, id, 1);
    test.run(["--command", "sync"]).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 1, "ours was due, and was seen");
    test.run(["reconcile"]).ok();
    test.soft_item(43, "55227", 1).ip(&ip_of(43)).add();
    test.cmd("open", 43).ok();
}

/// White space or a byte order mark before the declaration, and `utf8` in it, make no other document; an encoding
/// that is not UTF-8 is an error that names it.
#[test]
fn a_prefix_changes_no_document_and_a_foreign_encoding_is_named() {
    let test = Test::new();
    test.upstream.fault(Fault::on("*").reworded(|right| format!("\n \u{feff}{right}")).always());
    opened(&test, 42, "55227", 1);
    test.upstream.clear_faults();
    test.upstream.fault(Fault::on("*").reworded(|right| right.replace("UTF-8", "utf8")).always());
    opened(&test, 43, "55227", 1);
    test.upstream.clear_faults();
    test.upstream.fault(Fault::on("*").reworded(|right| right.replace("UTF-8", "windows-1251")).always());
    let sync = test.cmd("sync_item", 42);
    assert!(sync.fails("bad_answer").message().contains("declares the encoding windows-1251"), "{}", sync.stdout);
}

/// Balances with separators are read as what they can only mean; one that could be two amounts is unknown, and an
/// unknown balance stops a purchase only where `minimum_balance` is set.
#[test]
fn balances_with_separators_are_read_only_where_they_are_plain() {
    type Words = fn(&str) -> String;
    let test = Test::new();
    test.upstream.set_balance(120_000);
    let words: [(Words, bool); 5] = [
        (|right| right.replace("1200.00", "1,200.00"), true),
        (|right| right.replace("1200.00", "1.200,00 EUR"), true),
        (|right| right.replace("1200.00", "1\u{a0}200,00"), true),
        (|right| right.replace("1200.00", "1,200"), false),
        (|right| right.replace("1200.00", "1.2e3"), false),
    ];
    for (n, (word, is_plain)) in words.into_iter().enumerate() {
        let item = 42 + u32::try_from(n).unwrap();
        test.soft_item(item, "55227", 1).ip(&ip_of(item)).add();
        test.upstream.clear_faults();
        test.upstream.set_balance(120_000);
        test.upstream.fault(Fault::on("subaccount").reworded(word).always());
        let doctor = test.run(["doctor"]).stdout;
        assert_eq!(doctor.contains("balance 1200.00 EUR"), is_plain, "{n}: {doctor}");
        for (minimum, may_buy) in [("1201.00", false), ("1199.00", is_plain)] {
            test.settings(&format!("minimum_balance = {minimum}\n"));
            let open = test.cmd("open", item);
            if may_buy {
                open.ok();
            } else {
                let kind = if is_plain { "nomoney" } else { "bad_answer" };
                assert_eq!(open.fails(kind).attribute("object"), "minimum_balance", "{n}");
            }
        }
        test.settings("");
        test.cmd("open", item).ok();
        assert!(licid(&test, item) > 0);
    }
}

/// After a refusal for money a balance that cannot be read holds nobody back: it may have grown.
#[test]
fn an_unknown_balance_does_not_prolong_the_back_off() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip(&ip_of(42)).add();
    test.upstream.set_balance(0);
    test.cmd("open", 42).fails("nomoney");
    test.upstream.set_balance(120_000);
    test.upstream.fault(Fault::on("subaccount").reworded(|right| right.replace("1200.00", "1,200")).always());
    test.cmd("open", 42).ok();
    test.soft_item(43, "55227", 1).ip(&ip_of(43)).add();
    test.upstream.clear_faults();
    test.upstream.set_balance(0);
    test.cmd("open", 43).fails("nomoney");
    test.upstream.set_balance(120_000);
    test.upstream.fault(Fault::on("subaccount").refused("unknown_func").always());
    test.cmd("open", 43).ok();
}

/// An answer without a field, in the form and in each row of a list.
fn without(right: &str, field: &str) -> String {
    let (empty, open, close) = (format!("<{field}/>"), format!("<{field}>"), format!("</{field}>"));
    let mut left = right.replace(&empty, "");
    while let (Some(from), Some(to)) = (left.find(&open), left.find(&close)) {
        left.replace_range(from..to + close.len(), "");
    }
    left
}

/// An answer with other words in a field.
fn saying(right: &str, field: &str, words: &str) -> String {
    let (open, close) = (format!("<{field}>"), format!("</{field}>"));
    let parts = right.split(&open).enumerate().map(|(n, part)| match part.split_once(&close) {
        Some((_, rest)) if n > 0 => format!("{open}{words}{close}{rest}"),
        _ => part.to_owned(),
    });
    parts.collect()
}

/// A day with dots has one meaning only: what runs out tomorrow is renewed, and a payment buys what it owes.
#[test]
fn days_with_dots_are_read() {
    let test = Test::new();
    test.upstream.options(|o| o.dialect.days = Days::Dotted);
    let id = opened(&test, 42, "55227", 1);
    assert_eq!(state(&test, "SELECT expires FROM license"), end(&test.upstream.license(id)));
    let operation = test.prolong_paid(42);
    test.cmd_op("prolong", 42, operation).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 1);
    ends_in(&test, id, 1);
    test.run(["--command", "sync"]).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 2);
}

/// A license whose end cannot be read, or is not shown, is not a license without an end. Nothing that depends on the
/// end succeeds or costs money, and the message says what is missing. Everything else goes on.
#[test]
fn an_end_that_is_not_known_is_not_no_end() {
    type Words = fn(&str) -> String;
    let words: [Words; 2] = [|right| saying(right, "expiredate", "26/12/2026"), |right| without(right, "expiredate")];
    for (n, word) in words.into_iter().enumerate() {
        let test = Test::new();
        let id = opened(&test, 42, "55227", 1);
        ends_in(&test, id, 1);
        test.upstream.fault(Fault::on("*").reworded(word).always());
        let operation = test.prolong_paid(42);
        for _ in 0..2 {
            let prolong = test.cmd_op("prolong", 42, operation);
            assert_eq!(prolong.fails("bad_answer").attribute("object"), "expiredate", "{n}");
        }
        assert!(!told(&test).contains(&"service.postprolong".to_owned()), "{n}: {:?}", told(&test));
        test.cmd("suspend", 42).ok();
        test.cmd("resume", 42).fails("bad_answer");
        test.set_item(42, "status", "2");
        assert_eq!(test.run(["--command", "sync"]).code, Some(1), "{n}");
        let listed = test.run(["list"]).stdout;
        assert!(listed.contains(&end(&test.upstream.license(id))) || listed.contains(&day(30)), "{n}: {listed}");
        assert_eq!(test.upstream.billed("service.prolong"), 0, "{n}");
        test.upstream.clear_faults();
        test.cmd_op("prolong", 42, operation).ok();
        assert_eq!(test.upstream.billed("service.prolong"), 1, "{n}");
    }
}

/// A license without an end says so in so many words, and then a payment owes it nothing.
#[test]
fn no_end_in_so_many_words_is_no_end() {
    type Words = fn(&str) -> String;
    let words: [Words; 2] =
        [|right| right.to_owned(), |right| right.replace("<expiredate/>", "<expiredate>0000-00-00</expiredate>")];
    for word in words {
        let test = Test::new();
        let id = opened(&test, 42, "55227", 1);
        test.upstream.edit_license(id, |l| l.expires = None);
        test.upstream.fault(Fault::on("*").reworded(word).always());
        let operation = test.prolong_paid(42);
        test.cmd_op("prolong", 42, operation).ok();
        test.run(["--command", "sync"]).ok();
        assert_eq!(
            (test.upstream.billed("service.prolong"), state(&test, "SELECT expires FROM license")),
            (0, "never".into())
        );
    }
}

/// A column that a list leaves out takes nothing away from what is known, asks for no change, and hides no renewal.
#[test]
fn a_column_that_a_list_leaves_out_is_not_known() {
    type Words = fn(&str) -> String;
    let columns: [(&str, Words); 11] = [
        ("expiredate", |right| without(right, "expiredate")),
        ("status", |right| without(right, "status")),
        ("pricelist", |right| without(right, "pricelist")),
        ("period", |right| without(right, "period")),
        ("autoprolong", |right| without(right, "autoprolong")),
        ("licname", |right| without(right, "licname")),
        ("ip", |right| without(right, "ip")),
        ("createdate", |right| without(right, "createdate")),
        ("real_ipchange", |right| without(right, "real_ipchange")),
        ("real_keychange", |right| without(right, "real_keychange")),
        ("remoteid", |right| without(right, "remoteid")),
    ];
    let test = Test::new();
    let id = opened(&test, 42, "55227", 12);
    opened(&test, 43, "55227", 12);
    test.cmd("close", 43).ok();
    let row = "SELECT group_concat(concat_ws('|', name, ip, status, pricelist, created, expires, ip_changed, key_changed)) FROM license";
    let before = state(&test, row);
    for (column, word) in columns {
        test.upstream.clear_faults();
        test.upstream.fault(Fault::on("soft").reworded(word).always());
        forget(&test);
        test.run(["--command", "sync"]).ok();
        assert_eq!((state(&test, row), changes(&test)), (before.clone(), Vec::new()), "{column}");
        test.run(["reconcile"]).ok();
    }
    test.upstream.clear_faults();
    test.upstream.fault(Fault::on("soft").reworded(|right| without(right, "expiredate")).always());
    ends_in(&test, id, 1);
    crate::service::alter_state(&test, &format!("UPDATE license SET expires = '{}' WHERE id = {id}", day(1)));
    test.run(["--command", "sync"]).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 1, "the last day that is known stays known");
}

/// A status that the seller does not show is not "stopped": the closed service's license is stopped, and is freed
/// when that can be seen.
#[test]
fn a_status_that_is_not_shown_is_not_stopped() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 12);
    test.upstream.fault(Fault::on("soft.edit?read").reworded(|right| without(right, "status")).always());
    assert_eq!(test.cmd("suspend", 42).code, Some(1), "whether it is stopped cannot be told");
    test.cmd("close", 42).ok();
    assert_eq!((test.upstream.license(id).status, test.item(42).status), (3, 4));
    assert_eq!(state(&test, "SELECT state FROM license"), "to_free");
    test.upstream.clear_faults();
    crate::service::alter_state(&test, "UPDATE license SET not_before = NULL");
    test.run(["--command", "sync"]).ok();
    assert_eq!(
        (test.upstream.license(id).licname.as_str(), state(&test, "SELECT state FROM license").as_str()),
        ("free.lic", "pool")
    );
}

/// The end of a license that is taken in must be known too. An import without a known end would be renewed for ever,
/// and a license that may renew itself has two masters.
#[test]
fn what_is_taken_in_must_be_known() {
    let test = Test::new();
    test.tariff("55227", 1);
    let foreign = test.upstream.add_foreign(55227, 12, "198.51.100.7", "shop");
    test.upstream.fault(Fault::on("*").reworded(|right| without(right, "expiredate")).always());
    let import = ["--command", "import", "--module", "7", "--itemtype", "soft", "--param", &foreign.to_string()];
    test.run(import).ok();
    assert!(told(&test).is_empty() && test.log().contains("the seller does not show when license"), "{}", test.log());
    test.upstream.clear_faults();
    test.soft_item(45, "55227", 1).ip("198.51.100.8").active_until(&day(20)).add();
    let vendors = test.upstream.add_foreign(55227, 1, "198.51.100.8", "Item #45 Service 45");
    test.upstream.edit_license(vendors, |l| (l.remoteid, l.autoprolong) = ("45".into(), "null".into()));
    test.upstream.fault(Fault::on("*").reworded(|right| without(right, "autoprolong")).always());
    test.run(["take-over", "panel", "--apply", "--yes"]);
    assert_eq!(state(&test, "SELECT count(*) FROM license"), "0", "it may renew itself");
    test.run(["take-over", "panel", "--apply", "--mark", "--yes"]).ok();
    assert_eq!(state(&test, "SELECT state FROM license"), "bound");
}

/// reconcile reports a key that begins with the number of another license. If the license bears our mark, it is ours
/// nevertheless, and stays.
#[test]
fn a_key_that_names_another_license_is_reported_and_keeps_its_service() {
    let test = Test::setup().modes(&[crate::support::modes::mode("numbered-keys").unwrap()]).start();
    let id = opened(&test, 42, "55227", 1);
    let found = || {
        let output = test.run(["reconcile", "--json"]);
        serde_json::from_str::<serde_json::Value>(&output.stdout).unwrap()["differences"].clone()
    };
    assert!(test.upstream.license(id).key.starts_with(&format!("{id}-")));
    assert_eq!(found(), serde_json::json!([]), "a key with its own number is no finding");
    test.upstream.edit_license(id, |l| l.key = "9417-ABCDEF".into());
    test.cmd("sync_item", 42).ok();
    let told = found();
    assert_eq!((told[0]["kind"].as_str(), told[0]["license"].as_u64()), (Some("key_number"), Some(id)), "{told:#}");
    assert_eq!((licid(&test, 42), test.item(42).param("lickey")), (id, "9417-ABCDEF"));
}

/// Without our mark such a license is never taken by itself, neither in a take-over nor as an order in doubt; a key
/// that agrees proves nothing alone.
#[test]
fn without_our_mark_a_license_whose_key_names_another_is_not_taken() {
    let numbered = crate::support::modes::mode("numbered-keys").unwrap();
    let test = Test::setup().modes(&[numbered]).start();
    let vendors = |item: u32| {
        let ip = ip_of(item);
        test.soft_item(item, "55227", 1).ip(&ip).active_until(&day(20)).add();
        let id = test.upstream.add_foreign(55227, 1, &ip, &format!("Item #{item} Service {item}"));
        test.upstream.edit_license(id, |l| (l.remoteid, l.autoprolong) = (item.to_string(), "null".into()));
        id
    };
    let (other, own) = (vendors(45), vendors(46));
    test.upstream.issue_keys();
    test.upstream.edit_license(other, |l| l.key = "9417-ABCDEF".into());
    let listed = test.run(["take-over", "panel", "--apply", "--yes"]);
    assert!(listed.stdout.contains("its key names license 9417"), "{}", listed.stdout);
    assert_eq!((test.item(45).param("licid"), licid(&test, 46)), ("", own));

    let nowhere = crate::support::modes::mode("no-remoteid").unwrap();
    for (key, is_found) in [("9417-ABCDEF", false), ("", true)] {
        let test = Test::setup().modes(&[numbered, nowhere]).start();
        opened(&test, 41, "55227", 1);
        test.soft_item(42, "55227", 1).ip(&ip_of(42)).add();
        test.upstream.fault(Fault::on("soft.order.param").drop_after());
        let named = key.to_owned();
        // The look before the order is the first list, the search for it the second.
        test.upstream.before("soft", 2, move |world| {
            if let Some(ordered) = world.licenses.values_mut().last().filter(|_| !named.is_empty()) {
                ordered.key = named;
            }
        });
        let code = test.cmd("open", 42).code;
        assert_eq!(
            (code == Some(0), test.upstream.billed("soft.order.param")),
            (is_found, 2),
            "{key}: {}",
            test.story()
        );
        assert_eq!(test.item(42).param("licid").is_empty(), !is_found, "{key}: {}", test.story());
        if !is_found {
            settle(&test);
            assert_ne!(test.cmd("open", 42).code, Some(0), "{}", test.story());
            assert_eq!(test.upstream.billed("soft.order.param"), 2, "not bought again: {}", test.story());
        }
    }
}
