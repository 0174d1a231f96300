//! Identity of servers of another module whose control panels are licensed here. A sweep leaves alone and names what a
//! sync pass would, and doctor and reconcile name these servers too.
use super::*;

/// Servers of module 3 with licenses, compared by sweeps that carry out.
fn servers(settings: &str, items: &[u32]) -> Test {
    let test = Test::new();
    test.settings(&format!("bundled = [3]\n{settings}"));
    for &item in items {
        test.vds_item(item, "55229", 1).addresses(&[&ip_of(item)]).add();
    }
    operator(&test, "sync --sweep --adopt").ok();
    test
}

/// Name and address of a server's copy are those of the old row.
fn copy_server(test: &Test, from: u32, to: u32) {
    let old = test.item(from);
    let copy = test.vds_item(to, "55229", 1).account(777).addresses(&[&ip_of(from)]);
    old.params.iter().fold(copy, |copy, (name, value)| copy.param(name, value)).add();
    test.set_item(from, "status", "4");
}

/// The panel copied a server: what the copy shows is neither freed, stopped nor ordered beside, and bind hands it
/// over with its key.
#[test]
fn a_copied_server_keeps_its_license_until_an_operator_decides() {
    for status in ["2", "3"] {
        let test = servers("", &[50]);
        let id = licid(&test, 50);
        let before = face(&test, id);
        copy_server(&test, 50, 51);
        test.set_item(51, "status", status);
        let advice = format!("pmisplicense bind 51 {id}");
        for line in ["sync --sweep", "sync"] {
            let output = operator(&test, line);
            assert!(output.code == Some(1) && output.stderr.contains(&advice), "{line}: {}", output.stderr);
        }
        assert!(findings(&test).contains(&finding("shown", 51, id, &advice)), "{:?}", findings(&test));
        let doctor = operator(&test, "doctor").stdout;
        assert!(doctor.contains(&advice), "{doctor}");
        operator(&test, "reconcile --apply");
        assert_eq!(
            (face(&test, id), test.upstream.billed("soft.order.param")),
            (before.clone(), 1),
            "{}",
            test.story()
        );
        operator(&test, &format!("{} --yes", advice.strip_prefix("pmisplicense ").unwrap())).ok();
        operator(&test, "sync").ok();
        let (_, _, _, key) = face(&test, id);
        assert_eq!((licid(&test, 51), &key), (id, &before.3), "{}", test.story());
        assert_eq!(test.upstream.billed("soft.order.param"), 1);
    }
}

/// The state is lost, and with it what was adopted: suspended servers are named as active ones are, before anything
/// is ordered for anybody.
#[test]
fn a_sweep_names_the_servers_whose_licenses_a_lost_state_had() {
    let test = servers("", &[50, 51]);
    let (active, suspended) = (licid(&test, 50), licid(&test, 51));
    test.set_item(51, "status", "3");
    operator(&test, "sync").ok();
    let before = (face(&test, active), face(&test, suspended));
    lose_state(&test);
    for line in ["sync --sweep", "sync --sweep --adopt", "sync"] {
        let output = operator(&test, line);
        for advice in [format!("bind 50 {active} --take-from"), format!("bind 51 {suspended} --take-from")] {
            assert!(output.code == Some(1) && output.stderr.contains(&advice), "{line}: {}", output.stderr);
        }
    }
    let named = findings(&test);
    for (item, license) in [(50, active), (51, suspended)] {
        let is_it = |one: &&(String, u64, u64, String)| one.0 == "shown" && (one.1, one.2) == (item, license);
        let (_, _, _, command) = named.iter().find(is_it).unwrap_or_else(|| panic!("{item}: {named:?}"));
        operator(&test, &format!("{} --yes", command.strip_prefix("pmisplicense ").unwrap())).ok();
    }
    operator(&test, "sync --sweep --adopt").ok();
    assert_eq!((face(&test, active), face(&test, suspended)), before, "{}", test.story());
    assert_eq!(test.upstream.billed("soft.order.param"), 2);
}

/// A lost state makes a suspect of each server: fifty are looked at and named, and the others are counted.
#[test]
fn a_sweep_looks_at_fifty_servers_and_counts_the_others() {
    let test = servers("[upstream]\npause_ms = 0\n", &[]);
    for item in 101..=152 {
        let id = test.upstream.add_foreign(55229, 1, &ip_of(item), "theirs");
        test.vds_item(item, "55229", 1).addresses(&[&ip_of(item)]).param("licid", &id.to_string()).add();
    }
    forget(&test);
    let output = operator(&test, "sync --sweep --json");
    assert_eq!(output.code, Some(1));
    let told: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let failures = told["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 51, "{failures:#?}");
    assert!(failures[50]["message"].as_str().unwrap().contains("in this state: 2. "), "{:#}", failures[50]);
    assert_eq!((test.upstream.requests_of("soft.edit").len(), changes(&test)), (50, Vec::new()));
}
