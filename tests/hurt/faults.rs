//! Every fault of the sandbox on every call of every changing command. The command meets the fault and is repeated as
//! the panel would repeat it, until it ends. Late effects take place, sync runs, and then the promises are checked. The
//! covered pairs are printed as a table and compared with all that exist. The default is a seeded sample in which each
//! fault, and each call of each command, occurs (HURT_CELLS=n for more). HURT_ALL=1 plays each fault on each call,
//! HURT_PART=3/10 a tenth of that.
use super::panel::{End, Intent, Office};
use super::{Dice, part, promises, seed, setting};
use crate::support::Fault;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Worlds at once: most of the time passes in waiting.
const WORLDS: usize = 8;

/// Cells tried by default, beyond those that make every row and column occur.
const SAMPLE: u64 = 20;

/// The commands, and what has to happen before them.
const COMMANDS: [&str; 20] = [
    "open",
    "open from the pool",
    "open with nodes",
    "open of other software",
    "reopen",
    "suspend",
    "resume",
    "resume of a deleted license",
    "prolong",
    "prolong of a deleted license",
    "setparam name",
    "setparam ip",
    "setparam tariff",
    "setparam nodes",
    "close",
    "close by deletion",
    "gen_key",
    "cancel_prolong",
    "sync_item",
    "sync",
];

/// The world just before the command, and the command.
fn prepared(command: &str) -> (Office, Intent) {
    let mut office = Office::new();
    let choice = match command {
        "open with nodes" | "setparam nodes" => "55230",
        "open of other software" => "9203",
        _ => "55227",
    };
    if command == "close by deletion" {
        office.test.settings(&format!("on_close = \"delete\"\n{}", super::panel::SETTINGS));
    }
    let mut item = office.item(choice);
    let word = command.split(' ').next().unwrap_or(command);
    match command {
        "open" | "open with nodes" | "open of other software" | "reopen" => {}
        "open from the pool" => {
            office.does("open", item);
            office.does("close", item);
            let license = office.test.upstream.licenses()[0].id;
            office.test.upstream.age(license, 40);
            // Another address: at the old one its key need not change.
            item = office.item("55227");
        }
        "sync_item" | "sync" => {
            office.test.upstream.options(|o| o.key_after_reads = u32::MAX);
            office.does("open", item);
            office.test.upstream.issue_keys();
            office.test.upstream.edit_license(5001, |l| l.autoprolong = "1".to_owned());
        }
        _ => office.does("open", item),
    }
    match command {
        "resume" => office.does("suspend", item),
        "prolong of a deleted license" | "resume of a deleted license" => {
            if word == "resume" {
                office.does("suspend", item);
            }
            office.test.upstream.edit_license(5001, |l| l.status = crate::support::upstream::world::DELETED);
            *office.paid.orders.entry(item).or_default() += 1;
        }
        "setparam name" => office.test.set_param(item, "licname", "another-name"),
        "setparam ip" => office.test.set_param(item, "ip", "192.0.2.200"),
        "setparam tariff" => {
            office.test.choose(item, "55228");
            office.paid.others.insert("service.changepricelist", 1);
        }
        "setparam nodes" => {
            office.test.set_nodes(item, 5);
            office.paid.others.insert("soft.edit", 1);
        }
        "cancel_prolong" => office.test.upstream.edit_license(5001, |l| l.autoprolong = "1".to_owned()),
        _ => {}
    }
    let intent = if word == "sync" { office.sync() } else { office.intent(word, item) };
    office.test.upstream.clear_requests();
    (office, intent)
}

/// One fault on one call of one command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cell {
    command: &'static str,
    /// A purpose, as `soft.edit?set`.
    call: String,
    fault: &'static str,
}

/// The calls that a command makes when all is well, each with how often.
fn calls_of(command: &'static str) -> BTreeMap<String, u64> {
    let (office, intent) = prepared(command);
    assert_eq!(office.repeat(&intent), End::Done, "{command}");
    promises::hold(&office, command);
    let mut calls = BTreeMap::new();
    for purpose in office.test.upstream.funcs() {
        *calls.entry(purpose).or_default() += 1;
    }
    calls
}

/// A number that makes the fault quick.
fn number(fault: &str) -> Option<i64> {
    match fault {
        "late_ms" => Some(400),
        "hang" => Some(2500),
        _ => None,
    }
}

/// Plays a cell; how it ended.
fn play(cell: &Cell, occurrence: u64) -> End {
    let (mut office, intent) = prepared(cell.command);
    office.paid.doubled = cell.fault.starts_with("doubled");
    let fault = Fault::by_name(&cell.call, cell.fault, number(cell.fault), None).expect("a known fault");
    // Calls before this one of the same command pass unhurt.
    let skip = occurrence - 1;
    let fault = if skip == 0 { fault } else { fault.nth(office.test.upstream.count_of(&cell.call) + occurrence) };
    office.test.upstream.fault(fault);
    let mut handed = None;
    let end = office.until_done(&intent, |test, intent, number| {
        let output = test.run(&intent.args);
        if number == 1 {
            // A request that was accepted late takes effect while the panel waits.
            test.upstream.land_late();
        }
        if output.code == Some(1) {
            handed = Some(output.attribute("type").to_owned());
        }
        output
    });
    office.test.upstream.land_late();
    office.settle();
    promises::hold(&office, &format!("{cell:?} (occurrence {occurrence}), ended {end:?} after {handed:?}"));
    end
}

/// Every cell that there is.
fn all_cells(calls: &BTreeMap<&'static str, BTreeMap<String, u64>>) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (command, calls) in calls {
        for call in calls.keys() {
            cells.extend(Fault::NAMES.iter().map(|fault| Cell { command, call: call.clone(), fault }));
        }
    }
    cells
}

/// A sample in which every fault and every call of every command occurs, and some more.
fn sample(all: &[Cell], dice: &mut Dice) -> Vec<Cell> {
    let mut rows: BTreeMap<(&str, &str), Vec<&Cell>> = BTreeMap::new();
    for cell in all {
        rows.entry((cell.command, &cell.call)).or_default().push(cell);
    }
    // Each row takes the next fault of a shuffled round, so that all faults come before one comes twice.
    let mut round: Vec<usize> = (0..Fault::NAMES.len()).collect();
    for at in (1..round.len()).rev() {
        round.swap(at, dice.below(at + 1));
    }
    let mut picked: BTreeSet<Cell> = BTreeSet::new();
    for (at, row) in rows.values().enumerate() {
        picked.insert(row[round[at % round.len()]].clone());
    }
    for _ in 0..setting("HURT_CELLS").unwrap_or(SAMPLE) {
        picked.insert(dice.pick(all).clone());
    }
    picked.into_iter().collect()
}

fn in_parallel<T: Sync, R: Send>(jobs: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = Mutex::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORLDS.min(jobs.len()) {
            scope.spawn(|| {
                loop {
                    let at = {
                        let mut next = next.lock().unwrap();
                        *next += 1;
                        *next - 1
                    };
                    let Some(job) = jobs.get(at) else { return };
                    let result = work(job);
                    done.lock().unwrap().push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[test]
#[allow(clippy::print_stdout)]
fn the_promises_hold_with_every_fault_on_every_call() {
    let (seed, everything, start) = (seed("faults"), setting("HURT_ALL").is_some(), Instant::now());
    let found = in_parallel(&COMMANDS, |command| calls_of(command));
    let calls: BTreeMap<&'static str, BTreeMap<String, u64>> = COMMANDS.into_iter().zip(found).collect();
    let all = all_cells(&calls);
    let mut dice = Dice::new(seed, 1);
    let chosen = if everything { all.clone() } else { sample(&all, &mut dice) };
    let (whole, cells) = (chosen.len(), part(chosen));
    let jobs: Vec<(Cell, u64)> = cells
        .iter()
        .map(|cell| {
            (cell.clone(), 1 + dice.below(usize::try_from(calls[cell.command][&cell.call]).unwrap_or(1)) as u64)
        })
        .collect();
    let ends = in_parallel(&jobs, |(cell, occurrence)| play(cell, *occurrence));

    let covered: BTreeSet<&Cell> = cells.iter().collect();
    print_table(&calls, &covered, &cells, &ends);
    let operators = ends.iter().filter(|end| **end != End::Done).count();
    println!(
        "{} cells of {}: {} ended by themselves, {operators} handed to an operator; {:.0?}",
        cells.len(),
        all.len(),
        cells.len() - operators,
        start.elapsed()
    );
    assert!(start.elapsed() < Duration::from_secs(3600), "bounded in time");
    if cells.len() < whole {
        return;
    }
    for fault in Fault::NAMES {
        assert!(cells.iter().any(|c| c.fault == *fault), "the fault {fault} was never played");
    }
    for (command, calls) in &calls {
        for call in calls.keys() {
            let here = cells.iter().filter(|c| c.command == *command && c.call == *call).count();
            let wanted = if everything { Fault::NAMES.len() } else { 1 };
            assert!(here >= wanted, "{command}, {call}: {here} faults played of {wanted}");
        }
    }
}

/// A row for each call, a letter for each fault: `.` ended by itself, `P` handed to an operator, blank: not in this
/// sample.
#[allow(clippy::print_stdout)]
fn print_table(
    calls: &BTreeMap<&'static str, BTreeMap<String, u64>>,
    covered: &BTreeSet<&Cell>,
    cells: &[Cell],
    ends: &[End],
) {
    for (number, fault) in Fault::NAMES.iter().enumerate() {
        println!("{:>58} {fault}", format!("{number:02}"));
    }
    for (command, calls) in calls {
        for call in calls.keys() {
            let sign = |fault: &&'static str| {
                let cell = Cell { command, call: call.clone(), fault };
                if !covered.contains(&cell) {
                    return ' ';
                }
                let at = cells.iter().position(|c| *c == cell);
                if at.is_some_and(|at| ends[at] == End::Done) { '.' } else { 'P' }
            };
            let row: String = Fault::NAMES.iter().map(sign).collect();
            println!("{command:<30}{call:<28}|{row}|");
        }
    }
}
