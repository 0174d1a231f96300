//! Passwords and license keys are where docs/interface.md 6 allows them and nowhere else. Commands run with secrets
//! that occur nowhere else, at the highest level of the log; some succeed and some fail. Then every place is searched
//! for the secrets.
use super::panel::{Intent, Office};
use crate::service::settle;
use crate::support::{Fault, MgrctlFault, MgrctlFaultKind, Output, Test};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

const PASSWORD: &str = "Zq7-upstream&pass<word>\"%";

/// Places beneath the root where secrets may be: the state, the panel's own settings, and the sandbox's record of what
/// the panel was given (its database holds keys and passwords as well).
const ALLOWED: [&str; 3] = ["var/pmisplicense/state.db", "etc/", ".sandbox/"];

/// The secrets that must not be seen, in clear text and as they look in a form or in XML.
fn secrets(test: &Test) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut add = |text: &str| {
        if text.len() > 3 {
            found.insert(text.to_owned());
            found.insert(crate::support::upstream::escape(text));
            found.insert(encoded(text));
        }
    };
    add(PASSWORD);
    add(&test.db.password);
    for license in test.upstream.licenses() {
        add(&license.key);
        license.old_keys.iter().for_each(|key| add(key));
    }
    found
}

/// As in a form's body.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b if b.is_ascii_alphanumeric() || b"-_.*".contains(&b) => char::from(b).to_string(),
            b' ' => "+".to_owned(),
            b => format!("%{b:02X}"),
        })
        .collect()
}

fn leaks(place: &str, bytes: &[u8], secrets: &BTreeSet<String>) -> Vec<String> {
    // Secrets are ASCII, and bytes that are no text do not change what is beside them.
    let text = String::from_utf8_lossy(bytes);
    secrets.iter().filter(|secret| text.contains(secret.as_str())).map(|secret| format!("{place}: {secret}")).collect()
}

/// Every file beneath a folder.
fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Command lines of the program and of what it starts, looked at while they run: what `ps` shows.
fn run_watched(test: &Test, intent: &Intent, seen: &mut BTreeSet<Vec<u8>>) -> Output {
    let mut running = test.spawn(intent.args.iter().map(String::as_str).chain(["--verbose"]));
    let pid = running.pid().to_string();
    while !running.ended() {
        for process in children(&pid).into_iter().chain([pid.clone()]) {
            seen.insert(fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    running.wait()
}

/// The processes that any thread of a process has started.
fn children(pid: &str) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// All that a run showed.
fn said(output: &Output) -> Vec<u8> {
    [output.stdout.as_bytes(), output.stderr.as_bytes()].concat()
}

#[test]
fn passwords_and_keys_are_only_where_they_are_allowed() {
    let mut office = Office::with(Test::setup().options(|o| o.password = PASSWORD.to_owned()));
    fs::write(office.test.root().join("etc/debug.conf"), "pmisplicense.* 9\n").unwrap();
    let temporary = office.test.root().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let (mut printed, mut listed) = (Vec::new(), BTreeSet::new());
    let item = office.item("55227");
    let second = office.item("55227");
    let steps: [(&str, u32, Option<&str>); 14] = [
        ("open", item, Some("refused")),
        ("open", item, Some("drop_after")),
        ("open", item, Some("html")),
        ("open", item, None),
        ("gen_key", item, None),
        ("setparam", item, Some("answer_of_another")),
        ("setparam", item, None),
        ("prolong", item, Some("http_500")),
        ("prolong", item, None),
        ("suspend", item, None),
        ("resume", item, None),
        ("sync_item", item, None),
        ("close", item, None),
        ("open", second, None),
    ];
    let mut operations = Vec::new();
    for (command, item, fault) in steps {
        if let Some(fault) = fault {
            office.test.upstream.fault(Fault::by_name("*", fault, None, None).expect("known").times(2));
        }
        let intent = office.intent(command, item);
        operations.push(intent.args[5].clone());
        for _ in 0..3 {
            let output = run_watched(&office.test, &intent, &mut listed);
            printed.extend(said(&output));
            settle(&office.test);
        }
        office.test.upstream.clear_faults();
    }
    // A refused login, quoted back; a mgrctl that complains about what it was given.
    let good = office.test.upstream.with(|w| std::mem::replace(&mut w.options.password, "another".to_owned()));
    let intent = office.intent("sync_item", second);
    printed.extend(said(&run_watched(&office.test, &intent, &mut listed)));
    office.test.upstream.with(|w| w.options.password = good.clone());
    office.test.mgrctl_fault(MgrctlFault::on("service.saveparam", MgrctlFaultKind::Exit).word("cannot save $lickey"));
    let intent = office.intent("gen_key", second);
    printed.extend(said(&run_watched(&office.test, &intent, &mut listed)));
    let check = format!(
        "<doc><processingmodule><url>{}</url><username>reseller</username><password>{}</password></processingmodule></doc>",
        office.test.upstream.url(),
        crate::support::upstream::escape(&format!("{PASSWORD}x"))
    );
    let check = office.test.program(["--command", "check_connection", "--verbose"]).stdin(check).run();
    printed.extend(said(&check));
    for line in [format!("--command gen_key --item {second} --dry-run --verbose"), format!("show {second} --verbose")] {
        printed.extend(said(&office.test.run(line.split(' '))));
    }
    let text = String::from_utf8_lossy(&printed);
    for heard in ["127.0.0.1 > soft.order.param clicked_button=finish", "<lickey>***</lickey>", "mgrctl > paramlist"] {
        assert!(text.contains(heard) && office.test.log().contains(heard), "{heard} is told, and logged at level 9");
    }

    let secrets = secrets(&office.test);
    assert!(secrets.iter().filter(|s| s.starts_with("ISPKEY")).count() >= 2, "keys were issued");
    let mut found = leaks("printed", &printed, &secrets);
    let listed = listed.into_iter().collect::<Vec<_>>().join(&b'\n');
    assert!(String::from_utf8_lossy(&listed).contains("service.saveparam"), "calls of mgrctl were seen");
    found.extend(leaks("process list", &listed, &secrets));
    for row in office.test.db.rows("SELECT errorxml FROM runningoperation WHERE errorxml IS NOT NULL", ()) {
        found.extend(leaks("errorxml", row[0].clone().unwrap_or_default().as_bytes(), &secrets));
    }
    for call in office.test.mgrctl_calls() {
        found.extend(leaks(&format!("argv of mgrctl {}", call.func), call.argv.join(" ").as_bytes(), &secrets));
    }
    let mut all = Vec::new();
    files(office.test.root(), &mut all);
    let log = office.test.log();
    assert!(log.contains("ERROR") && log.contains("INFO"), "the log speaks");
    let mut links = Vec::new();
    for path in all {
        let name = path.strip_prefix(office.test.root()).unwrap().display().to_string();
        if path.is_symlink() {
            links.push(name);
        } else if !ALLOWED.iter().any(|allowed| name.starts_with(allowed)) {
            found.extend(leaks(&name, &fs::read(&path).unwrap_or_default(), &secrets));
        }
    }
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(links, ["sbin/mgrctl"], "only the sandbox's own executable is not searched");
    passwords_are_not_in_the_state(&office.test);
    nobody_else_may_read(&office.test);
}

/// Keys may be in the state file; passwords may not, in any of its files.
fn passwords_are_not_in_the_state(test: &Test) {
    let mut all = Vec::new();
    files(test.state_path().parent().unwrap(), &mut all);
    let passwords = [PASSWORD.to_owned(), encoded(PASSWORD), test.db.password.clone()].into();
    for path in all {
        let found = leaks(&path.display().to_string(), &fs::read(&path).unwrap_or_default(), &passwords);
        assert_eq!(found, Vec::<String>::new());
    }
}

fn nobody_else_may_read(test: &Test) {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| path.metadata().map(|m| m.permissions().mode() & 0o777).unwrap_or(0);
    let folder = test.root().join("var/pmisplicense");
    assert_eq!(mode(&folder), 0o700);
    let mut all = vec![test.root().join("var/pmisplicense.log")];
    files(&folder, &mut all);
    for path in all {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

/// A crash leaves no core file: the limit is zero from the start, whatever it was in the shell that started us.
#[test]
fn a_crash_leaves_no_core_file() {
    let mut office = Office::new();
    let item = office.item("55227");
    let held = office.test.upstream.hold_before("*");
    let script = format!("ulimit -c unlimited 2>/dev/null; exec \"$0\" --command open --item {item}");
    let mut child = std::process::Command::new("sh")
        .args(["-c", &script])
        .arg(crate::support::program_exe())
        .env("PMISPLICENSE_MGR_ROOT", office.test.root())
        .current_dir(office.test.root())
        .spawn()
        .unwrap();
    held.reached();
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    held.release();
    child.wait().unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap_or_default();
    let soft = line.split_whitespace().nth(4).unwrap_or_default();
    assert_eq!(soft, "0", "{line}");
}
