//! The seller's documents: every name that a field has, and fields that say two things at once.
use crate::service::{ends_in, forget, ip_of, licid, opened, settle, state};
use crate::support::{Fault, Test};

/// An answer in which a field is there a second time, with other words.
fn doubled(right: &str, field: &str, words: &str) -> String {
    let close = format!("</{field}>");
    right.replace(&close, &format!("{close}<{field}>{words}</{field}>"))
}

/// An answer in which another name of a field follows it, with other words.
fn beside(right: &str, field: &str, other: &str, words: &str) -> String {
    let close = format!("</{field}>");
    right.replace(&close, &format!("{close}<{other}>{words}</{other}>"))
}

/// How often the journal says that fields of a license contradict each other.
fn told(test: &Test) -> String {
    state(test, "SELECT count(*) FROM journal WHERE event = 'doubled'")
}

/// An answer with two numbers does not say which license was bought: the order is in doubt, and found by its mark.
#[test]
fn an_order_answered_with_two_numbers_is_found_by_its_mark() {
    type Words = fn(&str) -> String;
    let words: [Words; 3] = [
        |right| doubled(right, "id", "9999"),
        |right| right.replace("</id>", "</id><item.id>9999</item.id>"),
        |right| right.replace("</id>", "</id><item id=\"9999\"/>"),
    ];
    for (n, word) in words.into_iter().enumerate() {
        let test = Test::new();
        test.soft_item(42, "55227", 1).ip(&ip_of(42)).add();
        test.upstream.fault(Fault::on("soft.order.param").reworded(word));
        test.cmd("open", 42).ok();
        assert_eq!(test.upstream.pending_faults(), 0, "{n}");
        let bought = test.upstream.licenses();
        assert_eq!((bought.len(), bought[0].id), (1, licid(&test, 42)), "{n}");
        let unknown = "SELECT count(*) FROM journal WHERE event LIKE '%unknown%' OR event LIKE '%Unknown%'";
        assert_eq!(state(&test, unknown), "1", "{n}: no number was believed\n{}", test.story());
    }
}

/// A field that is there twice with different values is not known: nothing that depends on it costs money. It is
/// reported once, not at every look.
#[test]
fn a_field_that_says_two_things_is_not_known_and_reported_once() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    ends_in(&test, id, 1);
    let later = |right: &str| doubled(right, "expiredate", "2035-01-01");
    test.upstream.fault(Fault::on("*").reworded(later).always());
    let operation = test.prolong_paid(42);
    for _ in 0..2 {
        assert_eq!(test.cmd_op("prolong", 42, operation).fails("bad_answer").attribute("object"), "expiredate");
        test.run(["--command", "sync"]);
    }
    assert_eq!((test.upstream.billed("service.prolong"), told(&test)), (0, "1".into()), "{}", test.story());
    let history = test.run(["history", "42"]).stdout;
    assert!(history.contains("expiredate"), "{history}");
    test.upstream.clear_faults();
    test.cmd_op("prolong", 42, operation).ok();
    assert_eq!(test.upstream.billed("service.prolong"), 1);
}

/// A status that says "running" and "stopped" is neither, under one name or two: a license is not taken for stopped.
#[test]
fn a_status_that_says_two_things_is_neither() {
    type Words = fn(&str) -> String;
    let words: [Words; 2] =
        [|right| doubled(right, "status", "2"), |right| beside(right, "status", "item_status", "2")];
    for word in words {
        let test = Test::new();
        opened(&test, 42, "55227", 1);
        test.upstream.fault(Fault::on("*").reworded(word).always());
        test.cmd("suspend", 42).fails("upstream");
        assert_eq!(told(&test), "1");
        test.upstream.clear_faults();
        test.cmd("suspend", 42).ok();
    }
}

/// Of two days of a change the later one counts: a pooled license is not given out while it is young by that.
#[test]
fn of_two_days_of_a_change_the_later_one_counts() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 12);
    test.cmd("close", 42).ok();
    test.upstream.age(id, 40);
    let young = |right: &str| doubled(right, "real_ipchange", &crate::service::day(-1));
    test.upstream.fault(Fault::on("soft").reworded(young).always());
    test.upstream.fault(Fault::on("soft.edit?read").reworded(young).always());
    forget(&test);
    test.soft_item(43, "55227", 12).ip(&ip_of(43)).add();
    test.cmd("open", 43).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 2, "{}", test.story());
    let said = format!("SELECT count(*) FROM journal WHERE event = 'doubled' AND license = {id}");
    assert_eq!(state(&test, &said), "1", "the journal says why a purchase was made");
}

/// Two names of a day are no reason to pass a license over for ever: the later day counts, and the journal says once
/// that they contradict each other.
#[test]
fn days_of_a_change_that_contradict_each_other_make_a_license_wait_and_are_reported_once() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 12);
    test.cmd("close", 42).ok();
    test.upstream.age(id, 40);
    let says = |word: fn(&str) -> String| {
        test.upstream.clear_faults();
        test.upstream.fault(Fault::on("soft").reworded(word).always());
        test.upstream.fault(Fault::on("soft.edit?read").reworded(word).always());
    };
    says(|right| beside(right, "real_ipchange", "ip_change_date", &crate::service::day(-1)));
    test.soft_item(43, "55227", 12).ip(&ip_of(43)).add();
    test.cmd("open", 43).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 2, "young by the later day\n{}", test.story());
    assert_ne!(licid(&test, 43), id);
    test.cmd("sync_item", 43).ok();
    let said = format!("SELECT count(*) FROM journal WHERE event = 'doubled' AND license = {id}");
    assert_eq!(state(&test, &said), "1", "{}", test.story());
    assert!(test.log().contains("real_ipchange / ip_change_date"), "{}", test.log());
    says(|right| beside(right, "real_ipchange", "ip_change_date", &crate::service::day(-90)));
    test.soft_item(44, "55227", 12).ip(&ip_of(44)).add();
    test.cmd("open", 44).ok();
    assert_eq!((licid(&test, 44), test.upstream.billed("soft.order.param")), (id, 2), "{}", test.story());
    assert_eq!(state(&test, &said), "1", "told once");
}

/// A pooled license whose answer names two owners is passed over.
#[test]
fn a_pooled_license_with_two_marks_is_passed_over() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 12);
    test.cmd("close", 42).ok();
    test.upstream.age(id, 40);
    test.upstream.fault(Fault::on("soft.edit?read").reworded(|right| doubled(right, "remoteid", "4711")).always());
    test.soft_item(43, "55227", 12).ip(&ip_of(43)).add();
    let _ = test.cmd("open", 43);
    test.upstream.clear_faults();
    assert_ne!(test.upstream.license(id).ip, ip_of(43), "{}", test.story());
    assert_eq!(test.upstream.requests_of("soft.edit?newkey").len(), 0, "{}", test.story());
}

/// A license whose answer holds the order's mark and another one may be the ordered one: it is neither adopted nor
/// bought again.
#[test]
fn a_lost_order_that_bears_two_marks_waits_for_an_operator() {
    let test = Test::new();
    test.settings("[upstream]\nsettle_s = 1\n");
    test.soft_item(42, "55227", 1).ip(&ip_of(42)).add();
    test.upstream.fault(Fault::on("soft.order.param").drop_after());
    let two = |right: &str| doubled(right, "remoteid", "4711");
    test.upstream.fault(Fault::on("soft").reworded(two).always());
    test.upstream.fault(Fault::on("soft.edit?read").reworded(two).always());
    for _ in 0..4 {
        assert_ne!(test.cmd("open", 42).code, Some(0), "{}", test.story());
        settle(&test);
    }
    assert_eq!(test.upstream.billed("soft.order.param"), 1, "{}", test.story());
    assert_eq!(test.item(42).param("licid"), "");
}

/// The document of the protocol lists every field with its names, as the program reads them.
#[test]
fn the_document_lists_the_fields() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/billmanager-protocol.md");
    let document = std::fs::read_to_string(file).unwrap();
    let (_, section) = document.split_once("\n## The fields of a license\n").expect("a section on the fields");
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with('|')).collect();
    let fields = pmisplicense::upstream::billmanager::fields::table();
    let mut wanted =
        vec!["| field | names | two names differ | seen |".to_owned(), "| --- | --- | --- | --- |".to_owned()];
    wanted.extend(fields.iter().map(|cells| format!("| {} |", cells.join(" | "))));
    assert_eq!(rows, wanted, "the table should be:\n{}", wanted.join("\n"));
}
