//! Records of real panels and sellers (`doctor --record`), replayed: the program understands what they answered. Each
//! file in tests/answers is one; a report from the field is put there and becomes a test.
use crate::service::{ip_of, sent};
use crate::support::replay::{Record, sample};
use crate::support::{Output, Test, modes};
use std::path::{Path, PathBuf};

/// The records that the repository holds.
fn records() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(sample("")).expect("tests/answers");
    let mut files: Vec<PathBuf> = folder.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    assert!(!files.is_empty(), "a record is kept in tests/answers");
    files
}

/// The number of the license whose form was recorded.
fn license(record: &Record) -> Option<String> {
    let asked = record.seller().into_iter().find(|asked| asked.func == "soft.edit")?;
    asked.params.get("elid").cloned()
}

fn fine(output: &Output, file: &std::path::Path, what: &str) -> String {
    assert_eq!(output.code, Some(0), "{}: {what}: {output:#?}", file.display());
    output.stdout.clone()
}

/// Each record is understood: the login, the lists, a license, a dry run of sync. Nothing but questions is sent.
#[test]
fn each_record_is_understood() {
    records().iter().for_each(|file| understands(file));
}

/// A record that `doctor --record` writes is understood when it is replayed, by panel and seller, whatever their
/// dialect.
#[test]
fn what_was_just_recorded_is_understood() {
    for list in
        ["", "list-pricelist-id,dates-change,form-nested,item-status,offers", "russian,days-dotted,offers-in-form"]
    {
        let test = Test::setup().modes(&modes::chosen(list).unwrap()).start();
        for item in [42, 43] {
            test.soft_item(item, test.code("55227"), 1).ip(&ip_of(item)).add();
            test.cmd("open", item).ok();
        }
        let file = test.root().join("answers.json");
        let output = test.run(["doctor", "--record", &file.display().to_string(), "--yes"]);
        fine(&output, &file, "doctor --record");
        let record = Record::read(&file).unwrap();
        assert!(license(&record).is_some() && record.panel.answers.len() == 4, "{list}");
        assert!(record.panel.tables["item"].is_some(), "{list}");
        understands(&file);
    }
}

fn understands(file: &Path) {
    let record = Record::read(file).unwrap();
    let test = Test::setup().replay(file).start();
    let (user, password) = test.upstream.with(|w| (w.options.user.clone(), w.options.password.clone()));
    let stdin = format!(
        "<doc><processingmodule><url>{}</url><username>{}</username><password>{}</password></processingmodule></doc>",
        test.upstream.url(),
        user,
        crate::support::upstream::escape(&password)
    );
    let connected = test.program(["--command", "check_connection"]).stdin(stdin).run();
    fine(&connected, file, "check_connection");
    fine(&test.run(["list"]), file, "list");
    if let Some(number) = license(&record) {
        let shown = fine(&test.run(["show", &format!("license:{number}")]), file, "show");
        assert!(shown.contains(&number), "{}: {shown}", file.display());
    }
    fine(&test.run(["sync", "--dry-run"]), file, "sync --dry-run");
    let reads = ["whoami", "subaccount", "soft", "softexternal", "soft.edit", "softexternal.edit"];
    let other: Vec<String> =
        sent(&test).into_iter().filter(|line| !reads.contains(&line.split(' ').next().unwrap_or_default())).collect();
    assert_eq!(other, Vec::<String>::new(), "{}", file.display());
    assert_eq!(test.panel_changes(), Vec::<String>::new(), "{}", file.display());
}

/// The replaying seller gives what was recorded and refuses the rest; the panel's tables are those of the record.
#[test]
fn what_was_not_recorded_does_not_exist_there() {
    let file = sample("russian-seller.json");
    let record = Record::read(&file).unwrap();
    let test = Test::setup().replay(&file).start();
    let number = license(&record).unwrap();
    let ask = |func: &str, params: &str| crate::support::selftest::ask(&test.upstream, func, params);
    assert!(ask("soft", "p_num=1 p_cnt=500").body().contains(&format!("<id>{number}</id>")));
    assert!(!ask("soft", "p_num=2 p_cnt=500").body().contains("<elem>"));
    assert_eq!(ask("soft.edit", &format!("elid={number}")).element("id"), number);
    assert_eq!(ask("soft.edit", "elid=77").error(), "missed/elid");
    assert_eq!(ask("soft.edit", &format!("elid={number} sok=ok licname=x")).error(), "missed/func");
    assert_eq!(ask("soft.order.param", "pricelist=55231 sok=ok").error(), "missed/func");
    let columns =
        "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'item'";
    let wanted = record.panel.tables["item"].as_ref().unwrap().len().to_string();
    assert_eq!(test.db.value(columns, ()), Some(wanted));
    let mut narrower = record;
    narrower.panel.tables.insert("currency".to_owned(), None);
    assert!(!narrower.schema().contains("currency ("), "{}", narrower.schema());
}

/// A file that is no record is refused with its name.
#[test]
fn another_file_is_no_record() {
    for name in ["Cargo.toml", "tests/answers/nonexistent.json"] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
        assert!(Record::read(&path).unwrap_err().contains(name), "{name}");
    }
}

/// `make replay FILE=…` for people: both neighbours start from the file, what was recorded is listed, and it all ends
/// with its stdin. Without a file it says what it wants.
#[test]
fn the_sandbox_replays_a_record_until_its_stdin_ends() {
    let sandbox = |args: &[&str]| {
        let exe = crate::support::sandbox_exe();
        let done = std::process::Command::new(exe).arg("replay").args(args).stdin(std::process::Stdio::null()).output();
        let done = done.unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned())
    };
    let (code, told) = sandbox(&[&sample("russian-seller.json").display().to_string()]);
    assert_eq!(code, Some(0), "{told}");
    for line in ["  paramlist", "  soft p_cnt=5 p_num=1", "  pricelist.export", "PMISPLICENSE_MGR_ROOT="] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let (code, told) = sandbox(&[]);
    assert_eq!((code, told.contains("FILE")), (Some(2), true), "{told}");
}
