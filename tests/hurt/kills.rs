//! SIGKILL at seeded moments over open, setparam, prolong, suspend, resume, close and sync: between any two bytes (a
//! random wait), exactly before or after an effect at the seller (a gate), and while mgrctl is at work. HURT_KILLS=n
//! (60 by default; make hurt asks for more), HURT_SEED=n to have a run again.
use super::panel::{End, Intent, Office};
use super::{Dice, promises, seed, setting};
use crate::support::{MgrctlFault, MgrctlFaultKind, Output, Test};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Worlds at once: a killed run spends its time waiting for the doubt to settle.
const WORLDS: u64 = 6;

/// The longest wait before a random kill; a run takes about this long.
const SPAN_MICROS: usize = 120_000;

/// Functions of the panel whose calls can be caught at work.
const PANEL: [&str; 8] = [
    "service.saveparam",
    "soft.open",
    "service.postsetparam",
    "service.postprolong",
    "service.postsuspend",
    "service.postresume",
    "service.postclose",
    "processing.edit",
];

/// Kills by kind, for the report.
#[derive(Default)]
struct Tally {
    random: AtomicUsize,
    before: AtomicUsize,
    after: AtomicUsize,
    panel: AtomicUsize,
    missed: AtomicUsize,
}

impl Tally {
    fn kills(&self) -> usize {
        [&self.random, &self.before, &self.after, &self.panel].iter().map(|n| n.load(Ordering::Relaxed)).sum()
    }
}

/// At most one kill of the run at a seeded moment; what it ended with.
fn killed_once(test: &Test, intent: &Intent, dice: &mut Dice, tally: &Tally) -> Output {
    let (output, kind) = match dice.below(5) {
        0 | 1 => {
            let wait = Duration::from_micros(dice.below(SPAN_MICROS) as u64);
            let running = test.spawn(&intent.args);
            std::thread::sleep(wait);
            (running.kill(), &tally.random)
        }
        2 => (at_request(test, intent, dice.below(6), false), &tally.before),
        3 => (at_request(test, intent, dice.below(6), true), &tally.after),
        _ => (at_panel_call(test, intent, PANEL[dice.below(PANEL.len())]), &tally.panel),
    };
    let counted = if output.code.is_none() { kind } else { &tally.missed };
    counted.fetch_add(1, Ordering::Relaxed);
    output
}

/// Killed while its request number `skip` (from 0) waits for its effect, or for its answer.
fn at_request(test: &Test, intent: &Intent, skip: usize, after: bool) -> Output {
    test.upstream.clear_requests();
    test.program(&intent.args).killed_at_request(skip, after)
}

/// Killed while a call of mgrctl is under way; mgrctl itself lives on and does its work, as in the panel.
fn at_panel_call(test: &Test, intent: &Intent, func: &str) -> Output {
    const WORK: u64 = 60;
    let before = test.mgrctl_calls().len();
    test.mgrctl_fault(MgrctlFault::on(func, MgrctlFaultKind::Slow).ms(WORK));
    let mut running = test.spawn(&intent.args);
    let output = loop {
        if running.ended() {
            break running.wait();
        }
        if test.mgrctl_calls().iter().skip(before).any(|c| c.func == func) {
            break running.kill();
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    test.clear_mgrctl_faults();
    // The orphan ends before the panel tries again, which is minutes later.
    std::thread::sleep(Duration::from_millis(WORK + 60));
    output
}

/// One command, killed up to twice, then repeated until it ends.
fn hurt(office: &Office, intent: &Intent, dice: &mut Dice, tally: &Tally) {
    let kills = 1 + dice.below(2);
    let end = office.until_done(intent, |test, intent, number| {
        if number < kills { killed_once(test, intent, dice, tally) } else { test.run(&intent.args) }
    });
    assert_eq!(end, End::Done, "{:?}\n{}", intent.args, office.test.story());
    promises::hold(office, &format!("after {:?}", intent.args));
}

/// The life of two services, each step hurt; the second may get the license that the first one gave back.
fn incarnation(dice: &mut Dice, tally: &Tally) {
    let mut office = Office::new();
    for _ in 0..2 {
        let item = office.item("55227");
        for step in ["open", "name", "prolong", "sync", "suspend", "resume", "tariff", "close", "sync"] {
            let intent = match step {
                "sync" => office.sync(),
                "name" => {
                    office.test.set_param(item, "licname", &format!("renamed-{}", dice.below(1000)));
                    office.intent("setparam", item)
                }
                "tariff" => {
                    office.test.choose(item, "55228");
                    *office.paid.others.entry("service.changepricelist").or_default() += 1;
                    office.intent("setparam", item)
                }
                command => office.intent(command, item),
            };
            hurt(&office, &intent, dice, tally);
            if step == "prolong" {
                promises::covered(&office.test, item).unwrap_or_else(|e| panic!("{e}\n{}", office.test.story()));
            }
        }
        assert_eq!(office.test.item(item).status, 4);
    }
    office.settle();
    promises::hold(&office, "at the end");
}

/// At least HURT_KILLS kills, and every promise kept after each.
#[test]
#[allow(clippy::print_stdout)]
fn every_promise_holds_after_a_kill_at_any_moment() {
    let (seed, wanted) = (seed("sigkill"), usize::try_from(setting("HURT_KILLS").unwrap_or(60)).unwrap_or(60));
    let (tally, next, start) = (Tally::default(), Mutex::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..WORLDS {
            scope.spawn(|| {
                while tally.kills() < wanted {
                    let stream = {
                        let mut next = next.lock().unwrap();
                        *next += 1;
                        *next
                    };
                    incarnation(&mut Dice::new(seed, stream), &tally);
                }
            });
        }
    });
    let count = |n: &AtomicUsize| n.load(Ordering::Relaxed);
    println!(
        "{} kills: {} at a random moment, {} before an effect at the seller, {} after one, {} while mgrctl worked; {} runs \
         ended before their moment; {} lives, {:.0?}",
        tally.kills(),
        count(&tally.random),
        count(&tally.before),
        count(&tally.after),
        count(&tally.panel),
        count(&tally.missed),
        next.lock().unwrap(),
        start.elapsed()
    );
    assert!(tally.kills() >= wanted, "{} kills of {wanted}", tally.kills());
}
