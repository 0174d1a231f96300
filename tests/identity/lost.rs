//! The state is lost, and the panel still shows the licenses.
use super::*;

const ALL: [&str; 8] = ["suspend", "resume", "prolong", "cancel_prolong", "setparam", "sync_item", "gen_key", "close"];

/// Whatever the mark says: no command succeeds while the service shows a paid license that the state does not have,
/// nothing is sent and the panel is not told. A pass is not content, and reconcile names license and command.
#[test]
fn no_command_succeeds_while_a_service_shows_what_a_lost_state_had() {
    for (pinned, advice) in [("", "--take-from"), ("panel_id = \"abcdefgh\"\n", "reconcile --apply")] {
        let test = Test::new();
        test.settings(pinned);
        let id = opened(&test, 42, "55227", 1);
        lose_state(&test);
        for command in ALL {
            let output = test.cmd(command, 42);
            assert!(output.fails("state").message().contains(advice), "{command}: {}", output.message());
        }
        assert_eq!((changes(&test), told(&test)), (Vec::new(), Vec::new()), "{pinned}: {}", test.story());
        assert_eq!((sync(&test).code, test.item(42).status), (Some(1), 2), "{pinned}");
        test.set_item(42, "status", "3");
        let found = findings(&test);
        assert!(found.iter().any(|(_, item, license, _)| (*item, *license) == (42, id)), "{pinned}: {found:?}");
        let doctor = operator(&test, "doctor").stdout;
        assert!(doctor.contains(advice), "{doctor}");
    }
}

/// Without a pinned panel_id the marks are another installation's: the command that reconcile names takes the license
/// back, with its key, and the service is served again.
#[test]
fn what_reconcile_names_after_a_lost_state_binds_the_license_again() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    let before = face(&test, id);
    lose_state(&test);
    let (_, _, _, command) = findings(&test).into_iter().find(|(kind, ..)| kind == "shown").expect("a finding");
    operator(&test, &format!("{} --yes", command.strip_prefix("pmisplicense ").unwrap())).ok();
    assert_eq!(face(&test, id), before);
    test.cmd("suspend", 42).ok();
    test.cmd("close", 42).ok();
    sync(&test).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 1);
}

/// A mark of ours for the very service is a witness too, where the panel shows nothing: a lost state buys nothing.
#[test]
fn nothing_is_bought_beside_a_mark_that_a_lost_state_does_not_know() {
    let test = Test::new();
    test.settings("panel_id = \"abcdefgh\"\n");
    let id = opened(&test, 42, "55227", 1);
    lose_state(&test);
    test.db.exec("DELETE FROM itemparam WHERE item = 42 AND intname IN ('licid', 'lickey')", ());
    test.cmd("resume", 42).fails("state");
    operator(&test, "reconcile --apply").ok();
    test.cmd("resume", 42).ok();
    assert_eq!((licid(&test, 42), test.upstream.billed("soft.order.param")), (id, 1));
}

/// The list shows no marks, and a new state would give out the same mark again. So the licenses are opened before the
/// first order, or a client of the same number would get what the lost state had bought for another.
#[test]
fn a_lost_state_opens_the_licenses_of_a_list_without_marks_before_it_buys() {
    let test = Test::setup().options(|o| o.list_remoteid = false).start();
    test.settings("panel_id = \"abcdefgh\"\non_close = \"stop\"\n");
    let id = opened(&test, 42, "55227", 1);
    test.cmd("close", 42).ok();
    lose_state(&test);
    // Another client's service has the number now, and is on the same server.
    test.db.exec("DELETE FROM itemparam WHERE item = 42 AND intname IN ('licid', 'lickey', 'licname')", ());
    test.set_item(42, "account", "77");
    test.set_item(42, "status", "1");
    test.upstream.age(id, 60);
    test.set_item(42, "createdate", &format!("{} 10:00:00", day(-30)));
    let refused = test.cmd("open", 42);
    assert!(refused.fails("state").message().contains("reconcile --apply"), "{}", refused.message());
    assert_eq!((test.upstream.billed("soft.order.param"), test.item(42).param("licid")), (1, ""), "{}", test.story());
    operator(&test, "reconcile --apply").ok();
    // The stopped license of the former client keeps the address.
    test.cmd("open", 42).fails("ip_busy");
    test.set_param(42, "ip", "192.0.2.77");
    test.cmd("open", 42).ok();
    assert!(licid(&test, 42) != id, "{}", test.story());
    assert_eq!(test.upstream.billed("soft.order.param"), 2, "{}", test.story());
}

/// What an account had before our first order is opened then, and never again.
#[test]
fn licenses_of_a_list_without_marks_are_opened_before_the_first_order_only() {
    let test = Test::setup().options(|o| o.list_remoteid = false).start();
    let theirs = ["192.0.2.81", "192.0.2.82"].map(|ip| test.upstream.add_foreign(55227, 1, ip, "Another server"));
    let reads_of_theirs = || {
        let reads = test.upstream.requests_of("soft.edit");
        reads.iter().filter(|read| theirs.iter().any(|id| read.get("elid") == Some(&*id.to_string()))).count()
    };
    test.soft_item(42, "55227", 1).ip("192.0.2.42").add();
    test.cmd("open", 42).ok();
    assert_eq!(reads_of_theirs(), 2, "{}", test.story());
    test.soft_item(43, "55227", 1).ip("192.0.2.43").add();
    test.cmd("open", 43).ok();
    assert_eq!(reads_of_theirs(), 2, "{}", test.story());
}

/// The list counts a license that it leaves out once. It is read again before an order, and the mark is seen.
#[test]
fn a_list_that_leaves_a_license_out_is_read_again_before_a_lost_state_buys() {
    let test = Test::new();
    test.settings("panel_id = \"abcdefgh\"\n");
    opened(&test, 42, "55227", 1);
    lose_state(&test);
    test.soft_item(43, "55227", 1).ip("192.0.2.43").add();
    let without_rows = |right: &str| {
        let (head, rest) = right.split_once("<elem>").expect("a list with a license");
        format!("{head}{}", rest.rsplit_once("</elem>").expect("its end").1)
    };
    test.upstream.fault(Fault::on("soft").reworded(without_rows));
    test.cmd("open", 43).fails("state");
    assert_eq!(test.upstream.billed("soft.order.param"), 1, "{}", test.story());
    // A seller that always counts more than it shows keeps selling: its list proves nothing.
    lose_state(&test);
    test.upstream.fault(Fault::on("soft").reworded(without_rows).always());
    test.cmd("open", 43).ok();
    assert_eq!(test.upstream.billed("soft.order.param"), 2, "{}", test.story());
}

/// A license that the service gave back, and still shows, is no witness: it belongs to somebody else now.
#[test]
fn a_number_that_the_panel_still_shows_after_a_close_stands_in_nobodys_way() {
    let test = Test::new();
    let id = crate::pool::pooled(&test, 41, "55227", 40);
    crate::pool::open(&test, 142, "55227", 1).ok();
    assert_eq!(licid(&test, 142), id);
    test.cmd("close", 41).ok();
    test.set_item(41, "status", "1");
    sync(&test).ok();
    test.cmd("open", 41).ok();
    assert!(licid(&test, 41) != id);
}

/// A number that no license at the seller has is shown by mistake, and nothing waits for it.
#[test]
fn a_number_without_a_license_at_the_seller_is_no_witness() {
    let test = Test::new();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").active_until(&day(20)).param("licid", "777777").add();
    for command in ["suspend", "sync_item", "close"] {
        test.cmd(command, 42).ok();
    }
    sync(&test).ok();
}
