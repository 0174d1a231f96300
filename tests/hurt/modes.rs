//! The walkthrough of tests/modes in worlds that differ from the usual one in several ways at once. By default a seed
//! gives a few mixtures (HURT_CELLS=n for more), each with modes of about half of the axes. HURT_ALL=1 plays each pair
//! of modes that do not exclude each other, and a hundred mixtures. HURT_PART=3/10 plays a tenth of that.
use super::{Dice, part, seed, setting};
use crate::modes::{failures, walkthrough};
use crate::support::modes::Mode;
use std::collections::BTreeMap;
use std::time::Instant;

/// Mixtures played by default, and with HURT_ALL.
const MIXTURES: (u64, u64) = (3, 100);

/// Modes that do not exclude each other, of about half of the axes.
fn mixture(all: &[&'static Mode], dice: &mut Dice) -> Vec<&'static Mode> {
    let mut axes: BTreeMap<&str, Vec<&'static Mode>> = BTreeMap::new();
    for mode in all {
        axes.entry(mode.axis).or_default().push(mode);
    }
    let mut mixed = Vec::new();
    for modes in axes.values() {
        if dice.below(2) == 0 {
            mixed.push(*dice.pick(modes));
        }
    }
    mixed
}

/// Every two modes of different axes.
fn pairs(all: &[&'static Mode]) -> Vec<Vec<&'static Mode>> {
    let mut found = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let others = all[..at].iter().filter(|other| other.axis != one.axis);
        found.extend(others.map(|other| vec![*other, *one]));
    }
    found
}

#[test]
#[allow(clippy::print_stdout)]
fn a_walkthrough_ends_well_in_mixtures_of_modes() {
    let everything = setting("HURT_ALL").is_some();
    let mut dice = Dice::new(seed("mixtures of modes"), 0);
    let all = walkthrough::all();
    let mixtures = setting("HURT_CELLS").unwrap_or(if everything { MIXTURES.1 } else { MIXTURES.0 });
    let mut worlds = if everything { pairs(&all) } else { Vec::new() };
    worlds.extend((0..mixtures).map(|_| mixture(&all, &mut dice)));
    worlds.retain(|modes| walkthrough::ends_by_itself(modes));
    let (whole, worlds, start) = (worlds.len(), part(worlds), Instant::now());
    let failed = failures(&worlds);
    let (played, took) = (worlds.len(), start.elapsed());
    println!("{played} of {whole} mixtures and pairs of {} modes, {} failed; {took:.0?}", all.len(), failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// No mixture and no pair holds two modes that exclude each other.
#[test]
fn mixtures_hold_one_mode_of_an_axis() {
    let (all, mut dice) = (walkthrough::all(), Dice::new(7, 0));
    let worlds = (0..200).map(|_| mixture(&all, &mut dice)).chain(pairs(&all));
    for world in worlds {
        let mut axes: Vec<&str> = world.iter().map(|mode| mode.axis).collect();
        axes.sort_unstable();
        let before = axes.len();
        axes.dedup();
        assert_eq!(axes.len(), before, "{}", walkthrough::named(&world));
    }
    assert!(pairs(&all).len() > all.len() * all.len() / 3, "{}", pairs(&all).len());
}
