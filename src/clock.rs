//! The system's clock, and the seller's calendar day (setting `upstream_timezone`).

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::ports::Clock;

/// The real time.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    zone: Tz,
}

impl SystemClock {
    /// A clock whose days are those of `zone`.
    pub fn new(zone: Tz) -> Self {
        Self { zone }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new(Tz::UTC)
    }
}

fn day_in(zone: Tz, now: DateTime<Utc>) -> NaiveDate {
    now.with_timezone(&zone).date_naive()
}

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn today(&self) -> NaiveDate {
        day_in(self.zone, self.now())
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Late in the evening UTC it is already tomorrow in Moscow, and still today in New York.
    #[test]
    fn day_of_the_zone() {
        let now: DateTime<Utc> = "2026-11-30T22:30:00Z".parse().expect("a time");
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        assert_eq!(day_in(Tz::UTC, now), day("2026-11-30"));
        assert_eq!(day_in(Tz::Europe__Moscow, now), day("2026-12-01"));
        assert_eq!(day_in(Tz::America__New_York, now), day("2026-11-30"));
    }
}
