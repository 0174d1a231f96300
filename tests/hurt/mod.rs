//! The real binary, hurt on purpose (docs/testing.md 4): killed, starved, lied to and run in crowds, between the
//! sandbox's stand-ins. After each test the promises of docs/interface.md 6 are checked from outside (`promises`): the
//! seller's ledger, the panel's database, the state file, the journal of mgrctl. Seeds are printed and can be given
//! again as HURT_SEED.
mod answers;
mod broken;
mod bytes;
mod crowd;
mod disk;
mod durable;
mod faults;
mod frozen;
mod inherited;
mod kills;
mod modes;
pub mod panel;
pub mod promises;
mod secrets;

use std::time::{SystemTime, UNIX_EPOCH};

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The part of a long list that is played: all of it, or with HURT_PART=K/N the K-th of N parts, so that no run has to
/// be long.
fn part<T>(all: Vec<T>) -> Vec<T> {
    let Ok(text) = std::env::var("HURT_PART") else { return all };
    let named: Option<(usize, usize)> =
        text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    let Some((k, n)) = named.filter(|(k, n)| (1..=*n).contains(k)) else {
        panic!("HURT_PART={text}: write it as 3/10")
    };
    every_nth(all, k, n)
}

/// The k-th of n parts: each n-th one, so that neighbours, which are alike, are spread over the parts.
fn every_nth<T>(all: Vec<T>, k: usize, n: usize) -> Vec<T> {
    all.into_iter().skip(k - 1).step_by(n).collect()
}

#[test]
fn the_parts_of_a_list_are_the_whole_list() {
    let mut found: Vec<u32> = (1..=4).flat_map(|k| every_nth((0..10).collect(), k, 4)).collect();
    assert_eq!(every_nth((0..10).collect::<Vec<u32>>(), 4, 4), [3, 7]);
    found.sort_unstable();
    assert_eq!(found, (0..10).collect::<Vec<u32>>());
}

/// The seed of a test: HURT_SEED, else the time. Printed, so that a failure can be had again.
#[allow(clippy::print_stdout)]
fn seed(test: &str) -> u64 {
    let fresh = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |t| t.subsec_nanos().into());
    let seed = setting("HURT_SEED").unwrap_or_else(fresh);
    println!("{test}: HURT_SEED={seed}");
    seed
}

/// Random numbers that a seed gives again (splitmix64).
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64, stream: u64) -> Self {
        let mut dice = Self(seed ^ stream.wrapping_mul(0xA076_1D64_78BD_642F));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or(0)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
