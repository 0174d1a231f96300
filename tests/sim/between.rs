//! Short scenes of two machines that random histories (`play`, `machines`) hardly ever play. Most of them work only on
//! their stores. Planted mistakes are looked for here too.

use chrono::{DateTime, Utc};
use pmisplicense::error::ErrorKind;
use pmisplicense::model::command::ItemCommand;
use pmisplicense::model::ids::{ItemId, LicenseId, ModuleId};
use pmisplicense::model::journal::{IdempotencyKey, OnceRequest};
use pmisplicense::model::license::Family;
use pmisplicense::model::rules::Rules;
use pmisplicense::store::{NewIntent, Recorded, Store, StoreError};

use crate::faults::{Fault, Mode, Stats};
use crate::image::Image;
use crate::machines::{Machines, SETTLE_S, set_clocks};
use crate::panel::PanelHabits;
use crate::play::{How, MOST_APART_MS, Stage, begin};
use crate::script::Setting;
use crate::seller::Habits;
use crate::world::{End, Job, moment};

/// 2026-12-01 10:00 UTC
const BEGIN_MS: i64 = 1_796_119_200_000;

/// Whether the machines did what they owe. An error counts as a no.
type Scene = fn(&Machines, [Store; 2]) -> Result<bool, StoreError>;

const SCENES: [(&str, Scene); 5] = [
    ("entries that the log lost are written again", lost_end),
    ("a server that lags is passed over", laggard),
    ("an entry whose answer was lost is known again", lost_answer),
    ("a lease that was taken over ends the old run", takeover),
    ("an intent is sent in time or never", late),
];

/// Runs of the engine on both machines, one after the other.
type Story = fn(&mut Stage<'_>);

/// Short histories, each of which has to keep every promise.
const STORIES: [(&str, Story); 2] =
    [("a machine whose clock is ahead ends no doubt early", ahead), ("a machine that is a fork only reads", fork)];

/// The first scene that does not end well.
pub fn first_broken(image: &Image, rules: &[Rules]) -> Option<&'static str> {
    let scene = image.machines().and_then(first_broken_scene);
    scene.or_else(|| STORIES.iter().find(|(_, story)| !keeps_promises(*story, image, rules)).map(|(name, _)| *name))
}

fn keeps_promises(story: Story, image: &Image, rules: &[Rules]) -> bool {
    let setting = Setting {
        seed: 1,
        align_year: false,
        rules: 0,
        foreign: 0,
        server: false,
        module: false,
        starts: vec![crate::scenes::start("55227", 1, 1)],
        panel: PanelHabits { moves_before: true, end_at_open: true, reuses_numbers: false },
        // No second order is refused for its address: only the program keeps it from being sent.
        seller: Habits { refuses_busy: false, ..Habits::PLAIN },
    };
    let mut stage = begin(&setting, &How { mode: Mode::Off, tracing: false, muted: false }, image, rules);
    if let Some(machines) = image.machines() {
        machines.quiet();
    }
    story(&mut stage);
    stage.quiet();
    stage.finish(&mut Stats::default()).violations.is_empty()
}

fn first_broken_scene(machines: &Machines) -> Option<&'static str> {
    let is_broken = |(_, scene): &&(&str, Scene)| {
        machines.begin(1);
        machines.quiet();
        later(0);
        !scene(machines, [0, 1].map(|machine| machines.open(machine, &std::rc::Rc::new(true.into())))).unwrap_or(false)
    };
    SCENES.iter().find(is_broken).map(|(name, _)| *name)
}

fn later(seconds: i64) {
    set_clocks(BEGIN_MS + 1000 * seconds, [0; 2]);
}

fn now() -> DateTime<Utc> {
    moment(BEGIN_MS)
}

fn note(store: &Store, name: &str) -> Result<(), StoreError> {
    store.write(now(), |tx| tx.set_meta(name, "noted"))
}

fn record(store: &Store) -> Result<Recorded, StoreError> {
    let account = store.write(now(), |tx| tx.set_account(ModuleId(7), "https://192.0.2.1/", "reseller"))?;
    let license = LicenseId(5001);
    let intent = NewIntent {
        key: &IdempotencyKey::Delete { account, license },
        item: Some(ItemId(42)),
        account,
        highest_license: None,
        operation: None,
        reason: &pmisplicense::text!("a test", "проверка"),
        settle_s: SETTLE_S,
    };
    store.record_intent(now(), &intent, |_| Ok(OnceRequest::Delete { family: Family::Soft, license }))
}

fn lost_end(machines: &Machines, [first, second]: [Store; 2]) -> Result<bool, StoreError> {
    note(&first, "lost")?;
    machines.lose_newest();
    note(&first, "next")?;
    second.catch_up()?;
    Ok(second.meta("lost")?.is_some())
}

fn laggard(machines: &Machines, [first, second]: [Store; 2]) -> Result<bool, StoreError> {
    // A number that is taken would send it to the other server.
    first.catch_up()?;
    note(&first, "one")?;
    note(&second, "two")?;
    machines.lag(2);
    first.catch_up()?;
    Ok(first.meta("two")?.is_some())
}

fn lost_answer(machines: &Machines, [first, _]: [Store; 2]) -> Result<bool, StoreError> {
    note(&first, "one")?;
    machines.lose_answers();
    Ok(matches!(record(&first)?, Recorded::Intent(_)))
}

fn takeover(_: &Machines, [first, second]: [Store; 2]) -> Result<bool, StoreError> {
    let held = first.lease("item-42", now())?;
    later(181);
    let taken = second.lease("item-42", now())?;
    Ok(held.is_some() && taken.is_some() && note(&second, "new").is_ok() && note(&first, "old").is_err())
}

fn late(_: &Machines, [first, _]: [Store; 2]) -> Result<bool, StoreError> {
    let Recorded::Intent(mut recorded) = record(&first)? else { return Ok(false) };
    let is_sent = first.may_send(&mut recorded, now()).is_ok();
    // The first write of a machine may have waited some milliseconds.
    later(61);
    Ok(is_sent && first.may_send(&mut recorded, now()).is_err())
}

/// The panel opens service 1 on a machine: its operation, or a new one. Runs have tags that tell their machine.
fn open_on(stage: &mut Stage<'_>, machine: usize, round: usize) {
    let op = {
        let mut world = stage.world.borrow_mut();
        world
            .panel
            .open_op(1)
            .unwrap_or_else(|| crate::history::begin_operation(&mut world, 1, ItemCommand::Open, None))
    };
    let tag = 16 * round + 8 * machine;
    stage.group(&[Job::Item { item: 1, command: ItemCommand::Open, op: Some(op) }], tag);
}

/// The order of the first machine gets no answer, and the seller carries it out almost a settling time later. The
/// clock of the second machine says long before that the doubt is over. It looks again and again.
fn ahead(stage: &mut Stage<'_>) {
    stage.world.borrow_mut().apart_ms = MOST_APART_MS;
    stage.world.borrow_mut().faults.mode = Mode::At("send order", Fault::Late(850), None);
    open_on(stage, 0, 0);
    stage.world.borrow_mut().faults.mode = Mode::Off;
    for (round, seconds) in [(1, 500), (2, 100), (3, 100)] {
        stage.world.borrow_mut().advance(1000 * seconds);
        open_on(stage, 1, round);
    }
}

/// The log loses the order of the first machine, and nobody notices: the second machine writes on before the first one
/// comes back. It wants a license for the same service, and has to see by its mark that one is there. The first machine
/// sends nothing any more. An operator has its state built anew, and the lost purchase taken in.
fn fork(stage: &mut Stage<'_>) {
    stage.world.borrow_mut().faults.mode = Mode::At("send order", Fault::Late(30), None);
    open_on(stage, 0, 0);
    stage.world.borrow_mut().faults.mode = Mode::Off;
    let lost = stage.image.machines().map_or(0, |machines| machines.places().len());
    let ahead = stage.lose_end(lost, true);
    for round in 1..4 {
        stage.world.borrow_mut().advance(1000 * i64::from(SETTLE_S));
        open_on(stage, 1, round);
        let sends = stage.world.borrow().sends;
        open_on(stage, 0, round);
        let mut world = stage.world.borrow_mut();
        let is_refused =
            world.runs.last().is_some_and(|run| matches!(&run.end, Some(End::Failed(ErrorKind::State, _))));
        let sent = world.sends - sends;
        if ahead != Some(0) || sent > 0 || !is_refused {
            world.violation("S1", "a fork does more than read", format!("machine {ahead:?}, {sent} requests"));
        }
    }
    stage.image.machines().into_iter().for_each(|machines| machines.rebuild(0));
    stage.group(&[Job::Reconcile], 16 * 4);
}
