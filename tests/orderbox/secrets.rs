//! The api-key is in the address of every read, and the details of an order hold a password of the hosting. Neither of
//! them is in a log, an error, a list of processes or a file that others may read.
use super::*;
use crate::support::Fault;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn secrets_are_nowhere_else() {
    let test = shop();
    test.settings(REMOVING);
    fs::write(test.root().join("etc/debug.conf"), "pmisplicense.* 9\n").unwrap();
    let mut printed = String::new();
    for (command, fault) in [
        ("open", Some(Fault::on("*").refused("Something odd"))),
        ("open", Some(Fault::on("details").status(500))),
        ("open", Some(Fault::on("resellers/details").drop_before())),
        ("open", Some(Fault::on("generate-license-key").drop_after())),
        ("open", None),
        ("sync_item", Some(Fault::on("details").truncated())),
        ("sync_item", None),
        ("suspend", Some(Fault::on("*").redirect("http://127.0.0.1:9/"))),
        ("close", Some(Fault::on("delete-license-key").drop_before())),
        ("close", None),
    ] {
        if let Some(fault) = fault {
            test.orderbox().fault(fault);
        }
        let output = test.run(["--command", command, "--item", "42", "--verbose"]);
        printed.push_str(&format!("{}{}", output.stdout, output.stderr));
        test.orderbox().clear_faults();
    }
    // The key that the panel has is void: the refusal quotes nothing.
    let former = test.orderbox().with(|w| w.options.key.clone());
    test.orderbox().regenerate_key();
    let output = test.run(["sync", "--verbose"]);
    printed.push_str(&format!("{}{}", output.stdout, output.stderr));
    test.orderbox().stop_listening();
    let output = test.run(["sync", "--verbose"]);
    printed.push_str(&format!("{}{}", output.stdout, output.stderr));

    let mut secrets = test.orderbox().secrets();
    secrets.push(former);
    secrets.push("admin4001".to_owned());
    assert!(secrets.len() >= 5, "the key of a license, two API keys, and the login of the hosting: {secrets:?}");
    let mut found = Vec::new();
    let mut search = |place: &str, text: &[u8]| {
        let has = |secret: &&String| text.windows(secret.len()).any(|window| window == secret.as_bytes());
        found.extend(secrets.iter().filter(has).map(|secret| format!("{place}: {secret}")));
    };
    search("printed", printed.as_bytes());
    for call in test.mgrctl_calls() {
        search("the list of processes", call.argv.join(" ").as_bytes());
    }
    let mut all = Vec::new();
    files(test.root(), &mut all);
    assert!(test.log().contains("details"), "the log tells of reads: {}", test.log());
    for path in all {
        let name = path.strip_prefix(test.root()).unwrap().display().to_string();
        // The state holds keys; the panel and its stand-in tool hold what they were given.
        if !["var/pmisplicense/state.db", "etc/", "sbin/", ".sandbox/"].iter().any(|allowed| name.starts_with(allowed))
        {
            search(&name, &fs::read(&path).unwrap_or_default());
        }
    }
    assert_eq!(found, Vec::<String>::new());
    let state = fs::read(test.state_path()).unwrap();
    let of_licenses: Vec<String> =
        test.orderbox().with(|w| w.orders.values().flat_map(|o| o.old_keys.iter().chain([&o.key])).cloned().collect());
    for secret in secrets.iter().filter(|secret| !of_licenses.contains(*secret)) {
        assert!(!state.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} stands in the state");
    }
    let mode = fs::metadata(test.state_path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "the state, which holds the keys of licenses");
    assert_eq!(test.orderbox().violations(), Vec::<String>::new());
}
