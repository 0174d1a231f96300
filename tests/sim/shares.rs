//! Which of the asked histories are played with OrderBox, alone or beside the other kind of seller.

use std::time::{Duration, Instant};

use crate::report::{Asked, number};

/// Of so many histories one is at OrderBox, and so much of the time is for these. The same for both sellers together.
const SHARE: u64 = 8;

/// Plays histories from a seed on, so many or until told to stop; whether none breaks a rule.
pub type Play = fn(u64, u64, &dyn Fn() -> bool) -> bool;

/// Histories with OrderBox, by their tier.
pub fn tier_at_orderbox() -> Option<Play> {
    match number::<u32>("TIER") {
        Some(4) => Some(crate::orderbox::run),
        Some(6) => Some(crate::orderbox::mixed::run),
        _ => None,
    }
}

/// One of `share` of the asked histories; whether they break no rule.
pub fn share_of(asked: &Asked, share: u64, play: Play) -> bool {
    let until = asked.minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0 / share as f64));
    let began = Instant::now();
    let is_over = || until.is_some_and(|until| began.elapsed() > until);
    play(asked.first_seed, (asked.histories / share).max(1), &is_over)
}

/// A share at OrderBox, and one at both sellers.
pub fn with_orderbox(asked: &Asked) -> bool {
    share_of(asked, SHARE, crate::orderbox::run) & share_of(asked, SHARE, crate::orderbox::mixed::run)
}
