//! Sellers that word their answers in their own way: what is read all the same, and what is an error.
use crate::service::{ends_in, forget, ip_of, licid, opened, sent, settle};
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

/// A seller that shows a form, because a password ran out or terms are to be accepted, gave no result: the check of the
/// connection says so and how to go on, and so does every command.
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
    assert!(check.message().contains("Log in there with a browser as this user"), "{}", check.stdout);
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
fn a_change_answered_with_a_form_is_told_by_the_look_that_follows() {
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

/// White space or a byte order mark before the declaration, and `utf8` in it, make no other document; an encoding that
/// is not UTF-8 is an error that names it.
#[test]
fn what_stands_before_a_document_and_its_encoding() {
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
fn balances_with_separators() {
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
