//! What two machines owe each other and histories do not play (`play` and `machines` say what they do): short scenes of
//! their stores. Planted mistakes are looked for here too.

use chrono::{DateTime, Utc};
use pmisplicense::model::ids::{ItemId, LicenseId, ModuleId};
use pmisplicense::model::journal::{IdempotencyKey, OnceRequest};
use pmisplicense::model::license::Family;
use pmisplicense::store::{NewIntent, Recorded, Store, StoreError};

use crate::machines::{Machines, SETTLE_S, set_clocks};
use crate::world::moment;

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

/// The first scene that does not end well.
pub fn first_broken(machines: &Machines) -> Option<&'static str> {
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
        highest_license: LicenseId(0),
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
