//! The real binary, hurt on purpose (docs/testing.md 4): killed, starved, lied to and run in crowds, between the
//! sandbox's neighbours. After each the promises of docs/interface.md 6 are checked from outside (`promises`): the
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
