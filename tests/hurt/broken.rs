//! The panel's side is broken: its database stops in the middle of a command, or mgrctl fails, hangs, is killed or
//! prints rubbish at each of its functions. The command is repeated until the panel is well again, then the promises
//! are checked.
use super::panel::{End, Intent, Office};
use super::promises;
use crate::support::{MgrctlFault, MgrctlFaultKind, Output, Test};
use std::time::{Duration, Instant};

/// Kinds that end by themselves. A hang longer than the program's limit of a minute is `mgrctl_hangs`.
const KINDS: [MgrctlFaultKind; 8] = [
    MgrctlFaultKind::Exit,
    MgrctlFaultKind::ErrorDocument,
    MgrctlFaultKind::HangAfter,
    MgrctlFaultKind::Slow,
    MgrctlFaultKind::Rubbish,
    MgrctlFaultKind::Lost,
    MgrctlFaultKind::Killed,
    MgrctlFaultKind::NoEffect,
];

/// Each function of the panel that a command calls, with each fault: repeated until it ends, and nothing is paid
/// twice, nor the service's end moved twice.
#[test]
#[allow(clippy::print_stdout)]
fn nothing_is_paid_twice_whatever_mgrctl_does() {
    let table = [
        ("open", "paramlist"),
        ("open", "processing.edit"),
        ("open", "service.saveparam"),
        ("open", "soft.open"),
        ("prolong", "service.postprolong"),
        ("suspend", "service.postsuspend"),
        ("resume", "service.postresume"),
        ("setparam", "service.postsetparam"),
        ("close", "service.postclose"),
    ];
    std::thread::scope(|scope| {
        for (command, func) in table {
            scope.spawn(move || KINDS.iter().for_each(|kind| one_mgrctl_fault(command, func, *kind)));
        }
    });
    println!("{} functions x {} faults", table.len(), KINDS.len());
}

fn one_mgrctl_fault(command: &str, func: &str, kind: MgrctlFaultKind) {
    let mut office = Office::new();
    let item = office.item("55227");
    if command != "open" {
        office.does("open", item);
    }
    if command == "resume" {
        office.does("suspend", item);
    }
    let end_before = office.test.item(item).expiredate;
    let intent = office.intent(command, item);
    let exit_0 = kind == MgrctlFaultKind::Rubbish || kind == MgrctlFaultKind::ErrorDocument;
    office.test.mgrctl_fault(MgrctlFault::on(func, kind).ms(200).code(i32::from(!exit_0)));
    let end = office.repeat(&intent);
    let context = format!("{command}, {func} {kind:?}");
    assert_eq!(end, End::Done, "{context}");
    promises::hold(&office, &context);
    let now = office.test.item(item);
    // A panel that says ok and does nothing cannot be seen through by a post-call.
    let told = kind != MgrctlFaultKind::NoEffect || func == "service.saveparam";
    let status = match command {
        "suspend" => 3,
        "close" => 4,
        _ => 2,
    };
    assert!(!told || now.status == status, "{context}: the service has status {}", now.status);
    if command == "open" {
        assert!(!now.param("lickey").is_empty(), "{context}: no key was saved");
    }
    if command == "prolong" && told {
        let months = months_between(end_before.as_deref(), now.expiredate.as_deref());
        assert_eq!(months, 1, "{context}: the service's end moved by {months} months\n{}", office.test.story());
    }
}

fn months_between(from: Option<&str>, to: Option<&str>) -> i32 {
    use chrono::Datelike;
    let day = |text: Option<&str>| text.and_then(|t| t.parse::<chrono::NaiveDate>().ok()).unwrap_or_default();
    let (from, to) = (day(from), day(to));
    (to.year() - from.year()) * 12 + i32::try_from(to.month()).unwrap_or(0) - i32::try_from(from.month()).unwrap_or(0)
}

/// A panel's tool that never answers is stopped after the program's own limit of a minute, with all that it started,
/// and the run fails. Two minutes long, so only with HURT_ALL=1.
#[test]
fn a_tool_that_never_answers_is_stopped_after_a_minute() {
    if super::setting("HURT_ALL").is_none() {
        return crate::support::skipped("it takes two minutes: HURT_ALL=1 plays it");
    }
    let mut office = Office::new();
    let item = office.item("55227");
    let intent = office.intent("open", item);
    office.test.mgrctl_fault(MgrctlFault::on("soft.open", MgrctlFaultKind::Hang).ms(300_000));
    let start = Instant::now();
    let output = office.test.program(&intent.args).limit(Duration::from_secs(120)).run();
    output.fails("mgrctl");
    assert!(start.elapsed() < Duration::from_secs(75), "{:?}", start.elapsed());
    assert_eq!(office.repeat(&intent), End::Done);
    promises::hold(&office, "after a hang");
}

/// Stops the database while request number `at` of the run is on its way; it comes back after the run has ended.
fn without_database(test: &Test, intent: &Intent, func: &str, after: bool) -> Output {
    let held = if after { test.upstream.hold_after(func) } else { test.upstream.hold_before(func) };
    let mut running = test.spawn(&intent.args);
    loop {
        if held.is_reached() {
            test.database_server().stop();
            break;
        }
        if running.ended() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    test.upstream.clear_gates();
    drop(held);
    let output = running.wait();
    test.database_server().resume();
    output
}

/// MariaDB stops in the middle of a command, at its first request at the seller or at the one that costs money, and
/// comes back.
#[test]
fn a_database_that_stops_during_a_command_breaks_no_promise() {
    let mut office = Office::with(Test::setup().own_database());
    let item = office.item("55227");
    let steps = [
        ("open", "soft.order.param"),
        ("prolong", "service.prolong"),
        ("suspend", "soft.suspend"),
        ("close", "soft.edit?read"),
    ];
    for (command, func) in steps {
        let intent = office.intent(command, item);
        for after in [false, true] {
            without_database(&office.test, &intent, func, after);
        }
        assert_eq!(office.repeat(&intent), End::Done);
        promises::hold(&office, command);
    }
    office.test.database_server().stop();
    let intent = ["--command", "sync_item", "--item", &item.to_string()].map(str::to_owned);
    let output = office.test.run(&intent);
    assert_eq!(output.code, Some(1));
    assert_eq!(output.attribute("type"), "database", "{output:#?}");
    office.test.database_server().resume();
}
