//! Orders whose answer is lost, late, wrong, or a refusal of an order that was carried out: the program looks for the
//! license and adopts it, sends the order once more after the settling time, or hands it to an operator
//! (docs/money-safety.md 3 and 4).
use crate::service::{alter_state, changes, forget, license, licid, only_license, opened, sent, settle, state, told};
use crate::support::{Fault, MgrctlFault, MgrctlFaultKind, Test};

pub fn ordered(settings: &str, fault: Fault) -> Test {
    let test = Test::new();
    test.settings(settings);
    test.soft_item(42, "55227", 1).ip("192.0.2.10").add();
    test.upstream.fault(fault);
    test
}

pub fn billed(test: &Test) -> usize {
    test.upstream.billed("soft.order.param")
}

/// The order took effect and its answer is of no use: the license is found by its mark in the same run.
#[test]
fn lost_answer_is_adopted() {
    for name in [
        "drop_after",
        "http_500",
        "http_502",
        "html",
        "truncated",
        "cut_short",
        "empty",
        "garbage",
        "doctype",
        "entity_bomb",
        "oversized",
        "doubled_drop",
    ] {
        let test = ordered("", Fault::by_name("soft.order.param", name, Some(2 << 20), None).unwrap());
        let output = test.cmd("open", 42);
        assert_eq!(output.ok().stdout, "", "{name}");
        let twins = test.upstream.licenses().len();
        assert_eq!(twins, if name == "doubled_drop" { 2 } else { 1 }, "{name}");
        let license = test.upstream.license(licid(&test, 42));
        assert!(license.remoteid.starts_with("pml-") && license.remoteid.ends_with("-42-1"), "{}", license.remoteid);
        assert_eq!((test.item(42).status, test.item(42).param("lickey")), (2, license.key.as_str()), "{name}");
        assert_eq!(test.upstream.requests_of("soft.order.param").len(), 1, "{name}");
        test.assert_clean();
    }
}

/// The seller refuses an order that it carried out: the refusal is believed only after a look.
#[test]
fn a_refusal_that_took_effect_is_believed_only_after_a_look() {
    let test = ordered("", Fault::on("soft.order.param").refused_after("no_money"));
    test.cmd("open", 42).ok();
    assert_eq!((billed(&test), licid(&test, 42)), (1, only_license(&test).id));
}

/// The answer of another request names no license of ours: ours is looked for.
#[test]
fn an_answer_to_another_request_does_not_hide_our_license() {
    let test = Test::new();
    test.soft_item(41, "55227", 1).ip("192.0.2.41").add();
    test.cmd("open", 41).ok();
    test.soft_item(42, "55228", 1).ip("192.0.2.10").add();
    // Now the answer to the request before: a list, and then again nothing of use.
    test.upstream.fault(Fault::on("soft.order.param").answer_of_another());
    test.cmd("open", 42).ok();
    assert_eq!((billed(&test), test.upstream.license(licid(&test, 42)).ip.as_str()), (2, "192.0.2.10"));
}

/// While nothing is found the run fails with `client`, says until when, and sends nothing; then it is sent once more.
#[test]
fn an_order_without_effect_is_sent_once_more_after_settling() {
    let test = ordered("", Fault::on("soft.order.param").drop_before());
    let first = test.cmd("open", 42);
    assert_eq!((first.fails("client").attribute("object"), first.attribute("value")), ("item", "42"));
    assert!(first.message().contains("It is not sent again before 20"), "{}", first.message());
    test.cmd("open", 42).fails("client");
    settle(&test);
    test.cmd("open", 42).fails("client");
    assert_eq!(test.upstream.requests_of("soft.order.param").len(), 1, "one clean look is not enough");
    settle(&test);
    test.cmd("open", 42).ok();
    assert_eq!((test.upstream.requests_of("soft.order.param").len(), billed(&test)), (2, 1));
    assert_eq!(licid(&test, 42), only_license(&test).id);
}

/// A clock that jumps ahead does not shorten the settling time: the seller's Date counts as well.
#[test]
fn a_clock_that_jumps_does_not_shorten_the_settling_time() {
    let test = ordered("", Fault::on("soft.order.param").drop_before());
    test.cmd("open", 42).fails("client");
    settle(&test);
    test.upstream.fault(Fault::on("*").skewed(-7200).always());
    for _ in 0..3 {
        test.cmd("open", 42).fails("client");
        settle(&test);
    }
    assert_eq!(test.upstream.requests_of("soft.order.param").len(), 1);
    test.upstream.clear_faults();
    test.cmd("open", 42).fails("client");
    settle(&test);
    test.cmd("open", 42).ok();
    assert_eq!((test.upstream.requests_of("soft.order.param").len(), billed(&test)), (2, 1));
}

/// An effect that lands before the settling time ends is adopted by whoever looks next, sync too; the service is
/// opened.
#[test]
fn late_effect_is_adopted() {
    for command in ["open", "sync_item"] {
        let test = ordered("", Fault::on("soft.order.param").late());
        test.cmd("open", 42).fails("client");
        test.upstream.land_late();
        forget(&test);
        test.cmd(command, 42).ok().stdout("");
        assert_eq!(
            (billed(&test), licid(&test, 42), test.item(42).status),
            (1, only_license(&test).id, 2),
            "{command}"
        );
        assert_eq!(changes(&test), Vec::<String>::new());
        assert_eq!(told(&test), ["service.saveparam", "soft.open"], "{command}");
    }
}

/// A license that appears after its order was sent once more is a duplicate: it is freed, and never bound beside the
/// other one.
#[test]
fn what_appears_after_a_second_sending_is_freed_as_a_duplicate() {
    let test = ordered("", Fault::on("soft.order.param").late());
    test.cmd("open", 42).fails("client");
    settle(&test);
    test.cmd("open", 42).fails("client");
    settle(&test);
    test.cmd("open", 42).ok();
    let bound = licid(&test, 42);
    // The first request lands after all; the seller lets it through while the address looks free.
    test.upstream.edit_license(bound, |l| l.ip = "192.0.2.99".into());
    assert_eq!(test.upstream.land_late(), 1);
    test.upstream.edit_license(bound, |l| l.ip = "192.0.2.10".into());
    assert_eq!(billed(&test), 2);
    let sync = || test.run(["--command", "sync", "--module", "7"]).ok().code;
    let twin = || test.upstream.licenses().into_iter().find(|l| l.id != bound).unwrap();
    // So young a license is touched by nobody; it is named at once.
    for _ in 0..2 {
        sync();
        assert_eq!((twin().ip.as_str(), twin().status), ("192.0.2.10", 2), "{}", test.story());
    }
    assert!(test.log().contains("duplicate"), "{}", test.log());
    test.soft_item(43, "55227", 1).ip("192.0.2.10").add();
    test.upstream.edit_license(bound, |l| l.ip = "192.0.2.99".into());
    test.cmd("open", 43).fails("ip_busy");
    test.upstream.edit_license(bound, |l| l.ip = "192.0.2.10".into());
    settle(&test);
    sync();
    let twin = twin();
    assert_eq!((twin.licname.as_str(), twin.ip.as_str(), twin.status), ("free.lic", "0.0.0.0", 3), "{}", test.story());
    assert_eq!((licid(&test, 42), test.upstream.license(bound).status), (bound, 2));
}

/// A twin that was never paid for, or is deleted, is no duplicate to be freed: it is neither opened nor kept.
#[test]
fn an_unpaid_or_deleted_twin_is_no_duplicate() {
    let test = Test::new();
    let id = opened(&test, 42, "55227", 1);
    let mark = test.upstream.license(id).remoteid;
    let twin = test.upstream.add_foreign(55227, 1, "192.0.2.77", "twin");
    for status in [1, 4] {
        test.upstream.edit_license(twin, |l| (l.remoteid, l.status) = (mark.clone(), status));
        forget(&test);
        test.run(["--command", "sync", "--module", "7"]).ok();
        assert!(sent(&test).iter().all(|line| !line.contains(&format!("elid={twin}"))), "{status}: {}", test.story());
        assert_eq!(state(&test, "SELECT count(*) FROM license"), "1", "{status}");
    }
}

/// With `resend = false` a doubt goes to an operator after the settling time, and nothing is sent until it is resolved.
#[test]
fn without_resend_an_operator_ends_a_request_in_doubt_after_settling() {
    let test = ordered("[upstream]\nresend = false\n", Fault::on("soft.order.param").drop_before());
    test.cmd("open", 42).fails("client");
    settle(&test);
    forget(&test);
    let operation = test.operation(42, "open");
    let asked = test.cmd_op("open", 42, operation);
    assert!(asked.fails("order_unknown").message().contains(
        "pmisplicense resolve 42 --intent 1 --bought LICENSE. If not: pmisplicense resolve 42 --intent 1 --not-bought"
    ));
    // It goes to an operator at once, whatever the number of tries.
    assert_eq!(told(&test)[..], ["runningoperation.edit", "runningoperation.setmanual", "task.edit"].map(String::from));
    settle(&test);
    test.cmd("open", 42).fails("order_unknown");
    for command in ["resume", "prolong", "setparam", "gen_key"] {
        test.cmd(command, 42).fails("order_unknown");
    }
    // A doubt that waits for an operator does not keep a service from being stopped.
    test.cmd("suspend", 42).ok();
    assert_eq!(changes(&test), Vec::<String>::new());
    let said = test.run(["resolve", "42", "--not-bought", "--yes"]);
    assert_eq!(
        said.ok().stdout,
        "order of 55227 for service 42: ended as not bought; the next run may send it again\n"
    );
    test.cmd("open", 42).ok();
    assert_eq!((billed(&test), licid(&test, 42)), (1, only_license(&test).id));
    assert!(
        test.run(["resolve", "42", "--not-bought", "--yes"]).stderr.starts_with("Nothing of service 42 is in doubt")
    );
}

/// An operator names the license that was bought: it is bound, and the next run makes the post-call.
#[test]
fn a_license_that_an_operator_names_as_bought_is_bound() {
    let test = ordered("", Fault::on("soft.order.param").late());
    test.upstream.options(|o| o.list_remoteid = false);
    test.cmd("open", 42).fails("client");
    test.upstream.land_late();
    let id = only_license(&test).id;
    // The seller's administrator wrote over the mark.
    test.upstream.edit_license(id, |l| l.remoteid = "crm-17".into());
    test.cmd("open", 42).code.filter(|code| *code == 1).expect("nothing with the mark is there");
    test.run(["resolve", "42", "--bought", &id.to_string(), "--yes"]).ok();
    assert_eq!(state(&test, "SELECT state FROM license"), "bound");
    test.cmd("open", 42).ok();
    assert_eq!((billed(&test), licid(&test, 42), test.item(42).status), (1, id, 2));
}

/// A license of a neighbour with the same name and address is never adopted for ours.
#[test]
fn a_neighbours_license_is_never_adopted_by_name_and_address() {
    let test = ordered("", Fault::on("soft.order.param").drop_before());
    test.cmd("open", 42).fails("client");
    let foreign = test.upstream.add_foreign(55227, 1, "192.0.2.10", "Item #42 Service 42");
    settle(&test);
    // The license may be the neighbour's, or ours without its mark. An operator must decide, and the message names the
    // license to look at.
    for _ in 0..3 {
        let told = test.cmd("open", 42);
        assert!(told.fails("order_unknown").message().contains(&foreign.to_string()), "{}", told.message());
        settle(&test);
    }
    assert_eq!((test.item(42).param("licid"), billed(&test)), ("", 0));
    assert_eq!(test.upstream.license(foreign).remoteid, "");
}

/// If the seller returns no remoteid at all, name, address and tariff together decide. The ordered name ends in the
/// mark until the license's number is recorded.
#[test]
fn without_remoteids_name_address_and_tariff_decide_together() {
    let test = Test::new();
    test.upstream.options(|o| (o.remoteid_returned, o.list_remoteid) = (false, false));
    test.soft_item(41, "55227", 1).ip("192.0.2.41").licname("first").add();
    test.cmd("open", 41).ok();
    test.soft_item(42, "55227", 1).ip("192.0.2.10").licname("second").add();
    test.upstream.fault(Fault::on("soft.order.param").drop_after());
    forget(&test);
    test.cmd("open", 42).ok();
    let ordered = test.upstream.requests_of("soft.order.param");
    let name = ordered[0].get("licname").unwrap();
    assert!(name.starts_with("second pml-") && name.ends_with("-42-2"), "{name}");
    let license = test.upstream.license(licid(&test, 42));
    assert_eq!((license.licname.as_str(), test.item(42).param("licname"), billed(&test)), ("second", "second", 2));
}

/// An incomplete list proves nothing: the order is not sent again, and an operator is asked.
#[test]
fn an_incomplete_list_proves_nothing_and_an_operator_is_asked() {
    let test = ordered("", Fault::on("soft.order.param").drop_before());
    test.soft_item(41, "55228", 1).ip("192.0.2.41").add();
    test.upstream.fault(Fault::on("soft.order.param").nth(2).drop_before());
    // The first order belongs to 42, whose neighbour 41 is bought in between.
    test.cmd("open", 42).fails("client");
    test.upstream.clear_faults();
    test.cmd("open", 41).ok();
    let known = licid(&test, 41);
    test.upstream.edit_license(known, |l| l.unlisted = true);
    settle(&test);
    test.cmd("open", 42).fails("order_unknown");
    // Once he is asked, his answer is waited for, also when the list is whole again.
    test.upstream.edit_license(known, |l| l.unlisted = false);
    for _ in 0..3 {
        settle(&test);
        test.cmd("open", 42).fails("order_unknown");
    }
    assert_eq!(billed(&test), 1);
}

/// Connection refused before the first byte is certain: no doubt remains, and the next run orders.
#[test]
fn a_refused_connection_leaves_nothing_in_doubt() {
    let test = ordered("", Fault::on("soft.checkip").then_refuse(0));
    let output = test.cmd("open", 42);
    assert_eq!(output.fails("client").attribute("object"), "url");
    assert!(output.message().contains("Nothing was bought"), "{}", output.message());
    assert_eq!(state(&test, "SELECT status FROM intent"), "not_sent");
    assert!(told(&test).contains(&"problems.register".to_owned()));
    test.upstream.listen_again();
    test.cmd("open", 42).ok();
    assert_eq!((billed(&test), test.upstream.licenses().len()), (1, 1));
}

/// A service closed while its order is in doubt closes; what appears is freed by sync, or adopted after reopening.
#[test]
fn what_a_closed_service_ordered_is_freed_or_adopted_when_it_appears() {
    for again in [false, true] {
        let test = ordered("", Fault::on("soft.order.param").late());
        test.cmd("open", 42).fails("client");
        test.cmd("close", 42).ok().stdout("");
        assert_eq!(test.item(42).status, 4);
        test.cmd("close", 42).ok();
        assert_eq!(test.log().matches("closed while its order is in doubt").count(), 1, "said once");
        test.upstream.land_late();
        let id = only_license(&test).id;
        if again {
            test.set_item(42, "status", "1");
            test.cmd("open", 42).ok();
            assert_eq!(licid(&test, 42), id);
        } else {
            test.run(["--command", "sync", "--module", "7"]).ok();
            let license = test.upstream.license(id);
            assert_eq!((license.licname.as_str(), license.ip.as_str(), license.status), ("free.lic", "0.0.0.0", 3));
            assert_eq!(
                (told(&test).last().map(String::as_str), test.item(42).param("licid")),
                (Some("service.postclose"), "")
            );
        }
        assert_eq!(billed(&test), 1);
    }
}

/// Reopened while its order is in doubt, and no pool to take from: what appears is the service's again when it is
/// still wanted; another choice buys anew, and what appears is given up.
#[test]
fn what_appears_after_a_reopening_is_kept_only_if_still_wanted() {
    for (choice, orders, pricelist) in [("55227", 1, 55227), ("55228", 2, 55228)] {
        let test = ordered("on_close = \"stop\"\n", Fault::on("soft.order.param").late());
        test.cmd("open", 42).fails("client");
        test.cmd("close", 42).ok();
        test.upstream.land_late();
        let first = only_license(&test).id;
        test.set_item(42, "status", "1");
        test.choose(42, choice);
        test.cmd("open", 42).ok();
        let now = license(&test, 42);
        assert_eq!((billed(&test), now.pricelist, now.id == first), (orders, pricelist, orders == 1), "{choice}");
        assert_eq!(test.upstream.billed("soft.changepricelist"), 0);
    }
}

/// A close that the panel did not take begins no new incarnation: whatever appears is the service's own, and only its
/// tariff is changed; a choice of another kind waits for it.
#[test]
fn a_close_that_the_panel_did_not_take_begins_no_incarnation() {
    for (choice, kind) in [("55228", ""), ("9203", "client")] {
        let test = ordered("on_close = \"stop\"\n", Fault::on("soft.order.param").late());
        test.cmd("open", 42).fails("client");
        test.mgrctl_fault(MgrctlFault::on("service.postclose", MgrctlFaultKind::ErrorDocument));
        test.cmd("close", 42).fails("mgrctl");
        test.choose(42, choice);
        if !kind.is_empty() {
            test.cmd("open", 42).fails(kind);
            continue;
        }
        test.upstream.land_late();
        let first = only_license(&test).id;
        test.cmd("open", 42).ok();
        assert_eq!((billed(&test), licid(&test, 42), license(&test, 42).pricelist), (1, first, 55228));
    }
}

/// The same, and the order never took effect. The service waits until that is certain, and no longer. Where the order
/// may not be sent again automatically, an operator is asked.
#[test]
fn an_order_given_up_for_another_kind_is_settled_before_the_next_one() {
    for (settings, resend) in [("", true), ("[upstream]\nresend = false\n", false)] {
        let test = ordered(settings, Fault::on("soft.order.param").drop_before());
        test.cmd("open", 42).fails("client");
        test.mgrctl_fault(MgrctlFault::on("service.postclose", MgrctlFaultKind::ErrorDocument));
        test.cmd("close", 42).fails("mgrctl");
        test.choose(42, "9203");
        test.cmd("open", 42).fails("client");
        settle(&test);
        if resend {
            test.cmd("open", 42).fails("client");
            settle(&test);
        } else {
            test.cmd("open", 42).fails("order_unknown");
            test.run(["resolve", "42", "--not-bought", "--yes"]).ok();
        }
        test.cmd("open", 42).ok();
        assert_eq!((billed(&test), test.upstream.billed("softexternal.order.param")), (0, 1), "{settings}");
        assert_eq!((license(&test, 42).pricelist, licid(&test, 42)), (9203, only_license(&test).id), "{settings}");
    }
}

/// The same, and the license appears between the two looks, or while an operator is asked. It is of no use to the
/// service, whichever run finds it, and is freed.
#[test]
fn a_license_of_another_kind_that_appears_between_two_looks_is_freed() {
    for (settings, finder) in [("", "open"), ("", "sync_item"), ("[upstream]\nresend = false\n", "open")] {
        let test = ordered(settings, Fault::on("soft.order.param").late());
        test.cmd("open", 42).fails("client");
        test.mgrctl_fault(MgrctlFault::on("service.postclose", MgrctlFaultKind::ErrorDocument));
        test.cmd("close", 42).fails("mgrctl");
        test.choose(42, "9203");
        settle(&test);
        assert_eq!(test.cmd("open", 42).code, Some(1));
        test.upstream.land_late();
        let id = only_license(&test).id;
        test.cmd(finder, 42);
        test.run(["--command", "sync", "--module", "7"]);
        let (license, held) =
            (test.upstream.license(id), state(&test, "SELECT state FROM license WHERE family = 'soft'"));
        assert_eq!(
            (license.licname.as_str(), license.status, held.as_str()),
            ("free.lic", 3, "pool"),
            "{settings} {finder}"
        );
        assert_eq!((billed(&test), test.upstream.billed("soft.changepricelist")), (1, 0));
        assert_ne!(test.item(42).param("licid"), id.to_string());
        assert!(test.cmd("open", 42).fails("order_unknown").message().contains("pmisplicense bind 42 LICENSE"));
    }
}

/// The client wants a license after all, and the license of an order of this very incarnation was given up before. The
/// order is not sent again automatically; an operator must decide.
#[test]
fn a_license_given_up_and_wanted_again_is_not_ordered_twice() {
    let test = ordered("on_close = \"stop\"\n", Fault::on("soft.order.param").late());
    test.cmd("open", 42).fails("client");
    test.mgrctl_fault(MgrctlFault::on("service.postclose", MgrctlFaultKind::ErrorDocument));
    test.cmd("close", 42).fails("mgrctl");
    test.upstream.land_late();
    test.choose(42, "nopanel");
    test.cmd("open", 42).ok();
    test.upstream.edit_license(only_license(&test).id, |l| l.ip = "192.0.2.99".into());
    test.choose(42, "55227");
    let output = test.cmd("open", 42);
    let advice = format!("pmisplicense bind 42 {}", only_license(&test).id);
    let message = output.fails("order_unknown").message();
    assert!(message.contains("this order was carried out before"), "{message}");
    assert!(message.contains(&advice), "{message}");
    test.run(advice.split(' ').skip(1).chain(["--yes"])).ok();
    test.cmd("open", 42).ok();
    assert_eq!((billed(&test), licid(&test, 42)), (1, only_license(&test).id));
}

/// The service is reopened while its order is in doubt and may not be sent again automatically. The order waits for an
/// operator, and is not given up after 30 days.
#[test]
fn without_resend_a_reopened_order_in_doubt_waits_for_the_operators_answer() {
    let test = ordered("[upstream]\nresend = false\n", Fault::on("soft.order.param").drop_before());
    test.cmd("open", 42).fails("client");
    test.cmd("close", 42).ok();
    test.set_item(42, "status", "1");
    settle(&test);
    test.cmd("open", 42).fails("order_unknown");
    assert_eq!(state(&test, "SELECT status FROM intent"), "handed_over");
    test.run(["resolve", "42", "--not-bought", "--yes"]).ok();
    test.cmd("open", 42).ok();
    assert_eq!((billed(&test), licid(&test, 42)), (1, only_license(&test).id));
}

/// An order of a closed service is given up after 30 days, when two complete lists do not show it. An incomplete list
/// never decides that.
#[test]
fn a_closed_services_order_is_given_up_by_two_complete_lists() {
    let test = ordered("", Fault::on("soft.order.param").drop_before());
    test.cmd("open", 42).fails("client");
    test.upstream.clear_faults();
    test.cmd("close", 42).ok();
    test.soft_item(41, "55228", 1).ip("192.0.2.41").add();
    test.cmd("open", 41).ok();
    alter_state(&test, "UPDATE intent SET recorded_at = recorded_at - 31 * 86400 WHERE item = 42");
    let sync_finds = |status: &str| {
        test.cmd("sync_item", 42).ok();
        assert_eq!(state(&test, "SELECT status FROM intent WHERE item = 42"), status);
    };
    test.upstream.edit_license(licid(&test, 41), |l| l.unlisted = true);
    let minute = || alter_state(&test, "UPDATE intent SET clean_look_at = clean_look_at - 60 WHERE item = 42");
    sync_finds("free_when_appears");
    minute();
    sync_finds("free_when_appears");
    test.upstream.edit_license(licid(&test, 41), |l| l.unlisted = false);
    sync_finds("free_when_appears");
    minute();
    sync_finds("not_happened");
}

/// While an order of an item is in doubt, every command for the item waits, except close.
#[test]
fn everything_but_close_waits_while_an_items_order_is_in_doubt() {
    let test = ordered("", Fault::on("soft.order.param").late());
    test.cmd("open", 42).fails("client");
    forget(&test);
    for command in ["suspend", "resume", "prolong", "setparam", "gen_key", "sync_item", "reopen"] {
        test.cmd(command, 42).fails("client");
    }
    assert_eq!(changes(&test), Vec::<String>::new());
}
