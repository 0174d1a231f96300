//! The state is lost, panel_id was not pinned, and the seller is full of licenses with the mark of the id before: the
//! operator gives the new state that id.
use super::*;
use crate::support::Fault;

/// The id of the installation, as the state has it.
fn panel_id(test: &Test) -> String {
    state(test, "SELECT value FROM meta WHERE name = 'panel_id'")
}

/// Services 42 to 44 with licenses, then the state is lost. Returns the id that is on the marks.
fn three_then_lost(test: &Test) -> String {
    for (item, name) in [(42, "55227"), (43, "55228"), (44, "55227")] {
        opened(test, item, name, 1);
    }
    let id = panel_id(test);
    lose_state(test);
    id
}

fn licenses(test: &Test) -> Vec<(u64, String, String, u8, String)> {
    test.upstream.licenses().into_iter().map(|l| (l.id, l.remoteid, l.ip, l.status, l.key)).collect()
}

#[test]
fn reconcile_names_the_id_on_the_marks_and_adopting_it_brings_every_license_back() {
    let test = Test::new();
    let id = three_then_lost(&test);
    // Paid, and without any license: before an operator decides nothing is bought for it.
    test.soft_item(45, "55227", 1).ip("192.0.2.45").active_until(&day(20)).add();
    // The license of this service is known at the seller by its mark alone.
    test.db.exec("DELETE FROM itemparam WHERE item = 44 AND intname IN ('licid', 'lickey')", ());
    let before = licenses(&test);
    let command = format!("pmisplicense state adopt {id}");
    let found = findings(&test);
    assert_eq!(found[0], finding("lost_state", 0, 0, &command), "it comes first: {found:?}");
    assert!(found.iter().any(|one| one.0 == "no_license" && one.1 == 45 && one.3 == command), "{found:?}");
    assert_eq!(operator(&test, "reconcile --apply --yes").code, Some(1));
    assert_eq!(licenses(&test), before, "{}", test.story());
    test.set_item(45, "status", "4");
    let asked = operator(&test, &format!("state adopt {id}"));
    assert_eq!(asked.code, Some(1));
    for words in ["2 services of this module with licenses", "No other machine may work under that id", "--yes"] {
        assert!(asked.stderr.contains(words), "{words}: {}", asked.stderr);
    }
    let new = panel_id(&test);
    let done = operator(&test, &format!("state adopt {id} --yes")).ok().stdout.clone();
    assert!(done.contains("reconcile --apply") && done.contains(&format!("state adopt {new}")), "{done}");
    test.cmd("suspend", 42).fails("state");
    operator(&test, "reconcile --apply --yes").ok();
    assert_eq!(operator(&test, "reconcile").ok().stdout, "panel, state and the seller agree\n");
    assert_eq!(licenses(&test), before, "nothing was bought, freed or marked anew");
    for item in [42, 43, 44] {
        test.cmd("sync_item", item).ok();
        test.cmd("suspend", item).ok();
    }
    assert_eq!(test.upstream.billed("soft.order.param"), 3);
}

#[test]
fn an_adopted_id_can_be_given_back_until_the_state_has_its_licenses() {
    let test = Test::new();
    let id = three_then_lost(&test);
    operator(&test, "sync --module 7");
    let new = panel_id(&test);
    operator(&test, &format!("state adopt {id} --yes")).ok();
    operator(&test, &format!("state adopt {new} --yes")).ok();
    assert_eq!(panel_id(&test), new);
    operator(&test, &format!("state adopt {id} --yes")).ok();
    assert!(operator(&test, &format!("state adopt {id} --yes")).ok().stdout.contains("already"));
    operator(&test, "reconcile --apply --yes").ok();
    let back = operator(&test, &format!("state adopt {new} --yes"));
    assert!(
        back.code == Some(1) && back.stderr.contains("3 licenses and 0 orders with the mark of another"),
        "{back:?}"
    );
    assert_eq!(panel_id(&test), id);
}

/// Two installations with one id would take each other's licenses.
#[test]
fn an_id_that_no_service_is_a_witness_for_is_not_adopted() {
    let test = Test::new();
    let id = three_then_lost(&test);
    let refused = |line: &str, code: i32, words: &str| {
        let output = operator(&test, line);
        assert!(output.code == Some(code) && output.stderr.contains(words), "{line}: {output:?}");
    };
    refused("state adopt zzzzzzzz --yes", 1, "No service shows a license that installation zzzzzzzz marked");
    refused("state adopt Zz --yes", 2, "is not eight small letters and digits");
    // The marks are there, for other services than those that show the licenses.
    for (item, license) in [(42, 43), (43, 44), (44, 42)] {
        let mark = format!("pml-{id}-{license}-1");
        test.upstream.edit_license(licid(&test, item), |l| l.remoteid = mark);
    }
    refused(&format!("state adopt {id} --yes"), 1, "nothing proves that this installation had that id");
    assert!(findings(&test).iter().all(|one| one.0 != "lost_state"));
}

#[test]
fn a_state_that_has_ordered_with_another_id_adopts_none() {
    let test = Test::new();
    let id = three_then_lost(&test);
    test.soft_item(50, "55227", 1).ip("192.0.2.50").add();
    test.upstream.fault(Fault::on("soft.order.param").drop_before());
    test.cmd("open", 50).fails("client");
    let new = panel_id(&test);
    let output = operator(&test, &format!("state adopt {id} --yes"));
    assert!(output.code == Some(1) && output.stderr.contains("0 licenses and 1 order with"), "{output:?}");
    assert!(findings(&test).iter().all(|one| one.0 != "lost_state"), "it would be refused");
    assert_eq!(panel_id(&test), new);
}

#[test]
fn a_pinned_id_is_changed_in_the_settings() {
    let test = Test::new();
    let id = three_then_lost(&test);
    test.settings("panel_id = \"abcdefgh\"\n");
    let output = operator(&test, &format!("state adopt {id} --yes"));
    let way = format!("set panel_id = \"{id}\" in the settings");
    assert!(output.code == Some(1) && output.stderr.contains(&way), "{output:?}");
    test.settings(&format!("panel_id = \"{id}\"\n"));
    operator(&test, "reconcile --apply --yes").ok();
    assert!(operator(&test, &format!("state adopt {id}")).ok().stdout.contains("already"));
}

#[test]
fn a_dry_run_of_adopting_changes_and_makes_nothing() {
    let test = Test::new();
    let id = three_then_lost(&test);
    let shown = operator(&test, &format!("state adopt {id} --dry-run")).ok().stdout.clone();
    assert!(shown.contains(&format!("installation {id}")) && shown.contains("Nothing was changed."), "{shown}");
    assert!(!test.state_path().exists());
    assert_eq!(operator(&test, "state adopt zzzzzzzz --dry-run").code, Some(1));
}
