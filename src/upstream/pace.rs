//! How fast single licenses are read. Sellers publish no limit, but some refuse a client that reads many licenses
//! without a pause (docs/billmanager-protocol.md). The first reads of a run are not delayed; later ones are.

use std::time::{Duration, Instant};

/// The number of reads in a run that are not delayed. No command about one service needs as many.
const FREE_READS: u32 = 21;

/// The reads of one run from one account.
#[derive(Debug)]
pub(super) struct Pace {
    pause: Duration,
    reads: u32,
    last: Option<Instant>,
}

impl Pace {
    /// A pace with at least `pause` from the end of one read to the beginning of the next.
    pub(super) fn new(pause: Duration) -> Self {
        Self { pause, reads: 0, last: None }
    }

    /// Called before a read: waits as long as necessary.
    pub(super) fn wait(&self) {
        let left = self.left(Instant::now());
        if !left.is_zero() {
            std::thread::sleep(left);
        }
    }

    /// Called after a read, whatever its result.
    pub(super) fn read(&mut self) {
        self.reads = self.reads.saturating_add(1);
        self.last = Some(Instant::now());
    }

    fn left(&self, now: Instant) -> Duration {
        if self.reads < FREE_READS {
            return Duration::ZERO;
        }
        let passed = self.last.map_or(self.pause, |last| now.saturating_duration_since(last));
        self.pause.saturating_sub(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The 22nd read is the first that waits, and time that has passed anyway counts.
    #[test]
    fn the_pause_begins_with_the_22nd_read() {
        let pause = Duration::from_secs(10);
        let (now, mut pace) = (Instant::now(), Pace::new(pause));
        for read in 1..=25 {
            pace.last = Some(now);
            assert_eq!(pace.left(now), if read < 22 { Duration::ZERO } else { pause }, "read {read}");
            pace.reads = read;
        }
        assert_eq!(pace.left(now + Duration::from_secs(4)), Duration::from_secs(6));
        assert_eq!(pace.left(now + Duration::from_secs(11)), Duration::ZERO);
        assert_eq!(Pace { reads: 1000, ..Pace::new(Duration::ZERO) }.left(now), Duration::ZERO, "switched off");
    }
}
