//! Makes a failing history small: first faults are taken out one by one, then actions, as long as the same rule of the
//! same check still breaks. What is left is what a person reads.

use pmisplicense::model::rules::Rules;

use crate::faults::{Fault, Mode, Stats};
use crate::image::Image;
use crate::play::{How, Played, play};
use crate::script::Script;
use crate::world::Violation;

/// A history reduced to what breaks the rule.
pub struct Small {
    pub how: How,
    pub faults: usize,
    pub actions: usize,
}

struct Shrinker<'a> {
    script: &'a Script,
    image: &'a Image,
    rules: &'a [Rules],
    check: &'static str,
    rule: &'static str,
}

impl Shrinker<'_> {
    fn breaks(&self, faults: &[(usize, u32, Fault)], without: &[bool]) -> bool {
        let how = How { mode: Mode::Fixed(faults.to_vec()), tracing: false, without: without.to_vec() };
        let played = play(self.script, &how, self.image, self.rules, &mut Stats::default());
        played.violations.iter().any(|found| found.check == self.check && found.rule == self.rule)
    }
}

/// Shrinks; `None` when the history does not break the rule again with its faults as a list.
pub fn shrink(script: &Script, first: &Played, broken: &Violation, image: &Image, rules: &[Rules]) -> Option<Small> {
    let shrinker = Shrinker { script, image, rules, check: broken.check, rule: broken.rule };
    let mut faults: Vec<_> = first.injected.iter().map(|one| (one.run, one.point, one.fault)).collect();
    let mut without = vec![false; script.actions.len()];
    if !shrinker.breaks(&faults, &without) {
        return None;
    }
    for _ in 0..3 {
        let before = (faults.len(), without.iter().filter(|out| **out).count());
        for index in (0..without.len()).rev() {
            if !without[index] {
                without[index] = true;
                if !shrinker.breaks(&faults, &without) {
                    without[index] = false;
                }
            }
        }
        let mut index = faults.len();
        while index > 0 {
            index -= 1;
            let fault = faults.remove(index);
            if !shrinker.breaks(&faults, &without) {
                faults.insert(index, fault);
            }
        }
        if before == (faults.len(), without.iter().filter(|out| **out).count()) {
            break;
        }
    }
    let (count, actions) = (faults.len(), without.iter().filter(|out| !**out).count());
    let how = How { mode: Mode::Fixed(faults), tracing: true, without };
    Some(Small { how, faults: count, actions })
}
