//! The tables that map rules and faults to their tests stay true: every test that they name is there.
use std::collections::BTreeMap;
use std::path::Path;

/// How many tests each row's first column has in a table of three columns, the last of which names `file#test`s. A
/// row whose last column is `-` has none.
fn tests_of(table: &str) -> BTreeMap<String, usize> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join(table)).unwrap();
    let mut found = BTreeMap::new();
    let rows = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    for row in rows.skip(1) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [key, what, tests] = cells[..] else { panic!("three columns: {row}") };
        let count = found.entry(key.to_owned()).or_insert(0);
        if tests == "-" {
            continue;
        }
        for named in tests.split(',').map(|name| name.trim().trim_matches('`')) {
            let (file, test) = named.split_once('#').unwrap_or_else(|| panic!("file#test: {named}"));
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_else(|_| panic!("no file {file}: {what}"));
            assert!(text.contains(&format!("    fn {test}()")) || text.contains(&format!("\nfn {test}()")), "{named}");
            *count += 1;
        }
    }
    found
}

/// Every `file#test` of tests/licensing_rules.md exists, and every section has some.
#[test]
fn every_rule_of_licensing_names_its_tests() {
    let sections = tests_of("tests/licensing_rules.md");
    let all: Vec<String> = (1..=11).map(|section: u32| section.to_string()).collect();
    assert!(all.iter().all(|section| sections.get(section).is_some_and(|count| *count > 0)), "{sections:?}");
}

/// Every `file#test` of tests/field_faults.md exists, and every fault has some.
#[test]
fn every_fault_from_the_field_names_its_tests() {
    let faults = tests_of("tests/field_faults.md");
    let bare: Vec<&String> = faults.iter().filter(|(_, count)| **count == 0).map(|(fault, _)| fault).collect();
    assert!(faults.len() > 40 && bare.is_empty(), "without a test: {bare:?}");
}

/// Every `file#test` of tests/dialect_rules.md exists, and each rule has some.
#[test]
fn every_rule_of_dialects_names_its_tests() {
    let rules = tests_of("tests/dialect_rules.md");
    let all: Vec<String> = (1..=15).map(|rule: u32| format!("R{rule}")).collect();
    assert!(all.iter().all(|rule| rules.get(rule).is_some_and(|count| *count > 0)), "{rules:?}");
}

/// Every `file#test` of tests/orderbox_points.md exists, and each point and each check has some.
#[test]
fn every_point_about_orderbox_names_its_tests() {
    let points = tests_of("tests/orderbox_points.md");
    let point = (1..=16).map(|point: u32| format!("point {point}"));
    let check = (1..=27).map(|check: u32| format!("check {check}"));
    let all: Vec<String> = point.chain(check).chain(["stand-in", "both", "reads"].map(str::to_owned)).collect();
    let bare: Vec<&String> = all.iter().filter(|point| points.get(*point).is_none_or(|count| *count == 0)).collect();
    assert!(bare.is_empty(), "without a test: {bare:?}");
}

/// Every `file#test` of tests/cluster_checks.md exists, and each check and each interleaving has some.
#[test]
fn every_check_of_a_cluster_names_its_tests() {
    let checks = tests_of("tests/cluster_checks.md");
    let interleavings = (1..=13).map(|number: u32| format!("interleaving {number}"));
    let all: Vec<String> = (1..=24).map(|number: u32| number.to_string()).chain(interleavings).collect();
    assert!(all.iter().all(|check| checks.get(check).is_some_and(|count| *count > 0)), "{checks:?}");
}

/// Every `file#test` of tests/desk_points.md exists, and each point has some.
#[test]
fn every_point_of_the_desk_names_its_tests() {
    let points = tests_of("tests/desk_points.md");
    let all = (1..=18).map(|point: u32| format!("B{point}")).chain((1..=14).map(|point: u32| format!("C{point}")));
    let bare: Vec<String> = all.filter(|point| points.get(point).is_none_or(|count| *count == 0)).collect();
    assert!(bare.is_empty(), "without a test: {bare:?}");
}
