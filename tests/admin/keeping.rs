//! The state as a file.
use super::{in_state, opened, person};
use std::fs;

#[test]
fn what_cannot_be_read_in_the_state_is_named_and_never_taken_for_none() {
    let t = opened();
    t.soft_item(43, "55228", 1).ip("192.0.2.11").expires(&super::day_in(31)).add();
    t.clear_mgrctl();
    for (sql, line, words) in [
        ("UPDATE license SET expires = '26.12.2026'", "list", "license 5001: expires holds \"26.12.2026\""),
        ("UPDATE license SET ip_changed = '2026-13-01'", "list", "license 5001: ip_changed holds \"2026-13-01\""),
        ("UPDATE license SET ip = 'nowhere'", "list", "license 5001: ip holds \"nowhere\""),
        ("UPDATE license SET mark = 'ours'", "list", "license 5001: mark holds \"ours\""),
        ("UPDATE license SET state = 'lent'", "list", "license 5001: state holds \"lent\""),
        ("UPDATE license SET since = 1 << 62", "list", "license 5001: since holds 4611686018427387904"),
        ("UPDATE license SET changes = -1", "list", "license 5001: changes holds -1"),
        ("UPDATE license SET lickey = ' '", "list", "license 5001: lickey holds ***"),
        ("UPDATE wish SET status = 'maybe'", "doctor", "wish 1: status holds \"maybe\""),
        ("UPDATE wish SET request = '{}'", "report", "request holds \"{}\""),
        ("UPDATE cost SET source = 'hearsay'", "report", "source holds \"hearsay\""),
        ("UPDATE item SET settled_end = 'soon'", "--command sync_item --item 42", "item 42: settled_end"),
        ("UPDATE item SET closes = -1", "--command sync_item --item 42", "closes holds -1"),
        (
            "UPDATE account SET returns_remoteid = 7",
            "--command sync_item --item 42",
            "account 1: returns_remoteid holds 7",
        ),
        ("UPDATE meta SET value = '' WHERE name = 'last_number'", "--command open --item 43", "last_number holds \"\""),
        (
            "UPDATE meta SET value = '-1' WHERE name = 'last_number'",
            "--command open --item 43",
            "last_number holds \"-1\"",
        ),
    ] {
        let before = fs::read(t.state_path()).unwrap();
        in_state(&t, sql);
        let output = person(&t, line);
        let said = format!("{}{}", output.stdout.replace("&quot;", "\""), output.stderr);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        fs::write(t.state_path(), before).unwrap();
        assert_eq!(output.code, Some(1), "{sql}: {said}");
        assert!(said.contains("state") && said.contains(words), "{sql}: {said}");
    }
    assert_eq!((t.upstream.billed("soft.order.param"), t.panel_changes().len()), (1, 0), "{}", t.story());
}
