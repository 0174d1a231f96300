//! sync: what changed at the seller is taken in and told; nothing is ever bought again.
use super::*;

#[test]
fn a_license_that_is_gone_is_told_and_never_bought_again() {
    let test = opened();
    test.orderbox().remove_key(ORDER);
    for _ in 0..2 {
        let output = sync(&test);
        assert!(output.fails("license_gone").message().contains("4001"), "{}", output.message());
    }
    nothing_sent(&test);
    assert_eq!(test.orderbox().charges(ORDER), 1);
}

/// Details that name no order, or another one, prove nothing.
#[test]
fn details_of_nothing_are_no_proof_that_a_license_is_gone() {
    for fault in ["http_502", "truncated", "html", "empty"] {
        let test = opened();
        test.orderbox().fault(crate::support::Fault::by_name("details", fault, None, None).unwrap().always());
        sync(&test);
        test.orderbox().clear_faults();
        assert!(!told_people(&test).contains("license_gone"), "{fault}: {}", test.story());
        sync(&test).ok();
        served(&test);
    }
    let test = opened();
    let reworded = |right: &str| right.replace("4001", "4009").replace("licenseKey", "other");
    test.orderbox().fault(crate::support::Fault::on("details").reworded(reworded).always());
    sync(&test);
    assert!(!told_people(&test).contains("license_gone"), "{}", test.story());
}

#[test]
fn a_key_that_changed_is_saved() {
    let test = opened();
    test.orderbox().edit(ORDER, |o| o.key = "Reseller-reissued-77".into());
    sync(&test).ok();
    served(&test);
    nothing_sent(&test);
}

#[test]
fn a_hosting_that_does_not_run_is_told() {
    let test = opened();
    test.orderbox().edit(ORDER, |o| o.status = "Suspended".into());
    sync(&test);
    let told = told_people(&test);
    assert!(told.contains("4001") && told.contains("Suspended"), "{told}");
    nothing_sent(&test);
}

/// A service nobody pays for, on a hosting that renews itself soon, with its license.
#[test]
fn a_renewal_that_nobody_pays_for_is_told_before() {
    for (status, days, is_recurring, is_told) in
        [("3", 10, true, true), ("3", 20, true, false), ("3", 10, false, false), ("2", 10, true, false)]
    {
        let test = opened();
        test.orderbox().edit(ORDER, |o| {
            (o.recurring, o.term, o.ends) = (is_recurring, 3, Order::new(1).ends_in(days).ends);
        });
        test.set_item(ITEM, "status", status);
        test.set_item(ITEM, "expiredate", &crate::service::day(if status == "3" { -5 } else { 30 }));
        sync(&test);
        let told = test.panel_changes();
        let is_it = |line: &String| line.starts_with("problems.register") && line.contains(&end_of_order(&test));
        let has = told.iter().any(is_it);
        assert_eq!(has, is_told, "{status} {days} {is_recurring}: {told:?}");
        nothing_sent(&test);
    }
}

#[test]
fn the_administrators_commands_know_these_licenses() {
    let test = opened();
    for line in ["list", "show 42", "history 42", "explain 42", "reconcile", "doctor", "list --json", "show 42 --json"]
    {
        let output = operator(&test, line);
        let text = format!("{}{}", output.stdout, output.stderr);
        assert!(text.contains("4001") || ["reconcile", "doctor"].contains(&line), "{line}: {text}");
        assert!(!text.contains(&test.orderbox().with(|w| w.options.key.clone())), "{line}");
    }
    nothing_sent(&test);
}
