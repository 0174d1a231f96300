//! An operator can carry out the next steps that the program names in that order, and every service that waits for the
//! operator is named.
use super::{difference, fine, json, opened, operator, refused, troubled};
use crate::service::{alter_state, state};

fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The commands of a text in their order.
fn commands(text: &str) -> Vec<String> {
    let command = |rest: &str| {
        let words = rest.split([' ', '.', ',', ';', ':']).take_while(|word| !word.is_empty() && *word != "Then");
        words.take(2).collect::<Vec<_>>().join(" ").trim_end().to_owned()
    };
    joined(text).split("pmisplicense ").skip(1).map(command).collect()
}

#[test]
fn a_state_that_is_restored_on_another_machine_is_claimed_before_it_is_compared() {
    let t = opened();
    fine(&t, "backup copy.db");
    t.another_machine();
    let said = fine(&t, "restore copy.db --yes");
    assert_eq!(commands(&said), ["state claim", "reconcile", "reconcile --apply"], "{said}");
    assert!(refused(&t, "reconcile").contains("here or at the seller"), "nothing of it can be done before");
    let said = fine(&t, "state claim --yes");
    assert_eq!(commands(&said), ["reconcile", "reconcile --apply"], "{said}");
    troubled(&t, "reconcile");
    fine(&t, "reconcile --apply --yes");
    fine(&t, "sync");
    // Without a restored state nothing is left to do after the claim.
    std::fs::write(t.machine_id(), "a-third-machine\n").unwrap();
    assert_eq!(commands(&fine(&t, "state claim --yes")), Vec::<String>::new());
}

#[test]
fn a_module_whose_sync_fails_as_a_whole_is_among_the_problems() {
    let t = opened();
    fine(&t, "sync");
    t.upstream.stop_listening();
    assert_eq!(operator(&t, "sync").code, Some(1));
    let said = joined(&troubled(&t, "list --problems"));
    assert!(said.starts_with("! module 7: sync fails, 1 time in a row") && said.contains("1 problem,"), "{said}");
    let listed = json(&t, "list --problems");
    assert_eq!(listed["problems"][0]["kind"], "sync_fails", "{listed:#}");
    t.upstream.listen_again();
    fine(&t, "sync");
    fine(&t, "list --problems");
    // A failure of one service is named as a failure of that service, and only once.
    crate::service::ends_in(&t, 5001, 1);
    t.upstream.set_balance(0);
    assert_eq!(operator(&t, "sync").code, Some(1));
    let said = troubled(&t, "list --problems");
    assert!(said.contains("service 42") && !said.contains("module 7"), "{said}");
}

#[test]
fn only_says_when_it_names_none_of_the_differences() {
    let t = opened();
    t.upstream.edit_license(5001, |license| license.autoprolong = "1".into());
    // The number of a license where one of a service is wanted.
    let said = joined(&troubled(&t, "reconcile --apply --yes --only 5001"));
    assert!(said.contains("1 difference; --only names none of these"), "{said}");
    assert_eq!(t.upstream.license(5001).autoprolong, "1");
    assert!(fine(&t, "reconcile --apply --yes --only 42").contains("1 difference, 0 left"));
}

#[test]
fn a_license_that_is_taken_in_young_names_a_plain_moment() {
    let t = opened();
    let mark = t.upstream.license(5001).remoteid;
    let twin = t.upstream.add_foreign(55227, 1, "192.0.2.77", "twin");
    t.upstream.edit_license(twin, |license| license.remoteid = mark);
    assert_eq!(difference(&json(&t, "reconcile"), "duplicate")["license"], twin);
    let said = joined(&fine(&t, "reconcile --apply --yes"));
    let moment = said.split("frees it after ").nth(1).and_then(|rest| rest.split(" UTC").next()).unwrap_or(&said);
    assert!(chrono::NaiveDateTime::parse_from_str(moment, "%Y-%m-%d %H:%M").is_ok(), "{moment}");
    alter_state(&t, "UPDATE license SET not_before = not_before - 1200 WHERE not_before IS NOT NULL");
    fine(&t, "sync");
    assert_eq!(state(&t, &format!("SELECT state FROM license WHERE id = {twin}")), "pool");
}
