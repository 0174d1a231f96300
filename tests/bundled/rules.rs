//! The table that maps each rule of the trade to its tests stays true: every test that it names is there.
use std::path::Path;

/// Every `file#test` of tests/licensing_rules.md exists, and every section has some.
#[test]
fn the_table_names_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("tests/licensing_rules.md")).unwrap();
    let mut sections = std::collections::BTreeMap::new();
    for row in table.lines().filter(|line| line.starts_with("| ") && line.contains('#')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [section, rule, tests] = cells[..] else { panic!("three columns: {row}") };
        for named in tests.split(',').map(|name| name.trim().trim_matches('`')) {
            let (file, test) = named.split_once('#').unwrap_or_else(|| panic!("file#test: {named}"));
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_else(|_| panic!("no file {file}: {rule}"));
            assert!(text.contains(&format!("    fn {test}()")) || text.contains(&format!("\nfn {test}()")), "{named}");
            *sections.entry(section.to_owned()).or_insert(0) += 1;
        }
    }
    let all: Vec<String> = (1..=10).map(|section: u32| section.to_string()).collect();
    assert!(all.iter().all(|section| sections.contains_key(section)), "{sections:?}");
}
