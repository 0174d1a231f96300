//! Makes a failing history small: first acts are taken out one by one, then single runs, then faults, as long as the
//! same rule of the same check still breaks. What is left is short enough to be read, and is kept.

use pmisplicense::model::rules::Rules;

use crate::acts::Act;
use crate::image::Image;
use crate::record::Record;
use crate::world::Violation;

struct Shrinker<'a> {
    image: &'a Image,
    rules: &'a [Rules],
    broken: &'a Violation,
}

impl Shrinker<'_> {
    fn breaks(&self, record: &Record) -> bool {
        let played = record.play(false, self.image, self.rules);
        played.violations.iter().any(|found| (found.check, found.rule) == (self.broken.check, self.broken.rule))
    }

    /// Keeps a change that leaves the rule broken; whether it was kept.
    fn try_out(&self, record: &mut Record, change: impl FnOnce(&mut Record)) -> bool {
        let mut changed = record.clone();
        change(&mut changed);
        let kept = self.breaks(&changed);
        if kept {
            *record = changed;
        }
        kept
    }

    fn pass(&self, record: &mut Record) -> bool {
        let mut any = false;
        for at in (0..record.acts.len()).rev() {
            if self.try_out(record, |record| drop(record.acts.remove(at))) {
                any = true;
                continue;
            }
            let count = match &record.acts[at] {
                Act::Runs { runs, .. } => runs.len(),
                _ => 0,
            };
            for member in (0..count).rev() {
                any |= count > 1 && self.try_out(record, |record| without_run(record, at, member));
            }
        }
        for (at, member, fault) in places(record).into_iter().rev() {
            any |= self.try_out(record, |record| without_fault(record, at, member, fault));
        }
        any
    }
}

fn without_run(record: &mut Record, at: usize, member: usize) {
    if let Act::Runs { runs, .. } = &mut record.acts[at]
        && runs.len() > 1
        && member < runs.len()
    {
        runs.remove(member);
    }
}

fn without_fault(record: &mut Record, at: usize, member: usize, fault: usize) {
    if let Act::Runs { runs, .. } = &mut record.acts[at] {
        runs[member].faults.remove(fault);
    }
}

/// Every fault: its act, its run there, its number.
fn places(record: &Record) -> Vec<(usize, usize, usize)> {
    let mut all = Vec::new();
    for (at, act) in record.acts.iter().enumerate() {
        let Act::Runs { runs, .. } = act else { continue };
        for (member, begun) in runs.iter().enumerate() {
            all.extend((0..begun.faults.len()).map(|fault| (at, member, fault)));
        }
    }
    all
}

/// Shrinks; `None` when the record does not break the rule again.
pub fn shrink(record: &Record, broken: &Violation, image: &Image, rules: &[Rules]) -> Option<Record> {
    let shrinker = Shrinker { image, rules, broken };
    let mut small = record.clone();
    if !shrinker.breaks(&small) {
        return None;
    }
    for _ in 0..3 {
        if !shrinker.pass(&mut small) {
            break;
        }
    }
    Some(small)
}
