//! The moment of creation of an item, by which its incarnations differ. The panel's database may show one moment in
//! several forms, because somebody may have changed the column's type to DATE or back, or its precision.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// Whether two texts of item.createdate mean the same creation. A text without a time, or with midnight (which a DATE
/// column gets when it is changed to DATETIME), only names the day. Times may differ by a second, because a column of
/// another precision rounds. Texts that are not a moment are compared as they are.
pub fn is_same_creation(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim(), other.trim());
    if one == other {
        return true;
    }
    match (parse(one), parse(other)) {
        (Some((day, time)), Some((other_day, other_time))) => match (time, other_time) {
            (Some(time), Some(other_time)) => {
                (day.and_time(time) - other_day.and_time(other_time)).abs() <= chrono::Duration::seconds(1)
            }
            (None, _) | (_, None) => day == other_day,
        },
        // MySQL's zero date is not a day, in either kind of column.
        (None, None) => one.trim_end_matches(MIDNIGHT) == other.trim_end_matches(MIDNIGHT),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

const MIDNIGHT: &str = " 00:00:00";

/// The day, and the time of day where one is named.
fn parse(text: &str) -> Option<(NaiveDate, Option<NaiveTime>)> {
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some((day, None));
    }
    let moment = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
        .into_iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())?;
    Some((moment.date(), Some(moment.time()).filter(|time| *time != NaiveTime::MIN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One moment in several forms is one incarnation. Another time of the same day is another incarnation.
    #[test]
    fn a_creation_is_compared_by_its_meaning() {
        for (one, other, same) in [
            ("2026-11-01 09:30:00", "2026-11-01 09:30:00", true),
            ("2026-11-01 09:30:00", "2026-11-01", true),
            ("2026-11-01 09:30:00", "2026-11-01 00:00:00", true),
            ("2026-11-01", "2026-11-01 00:00:00", true),
            ("2026-11-01 09:30:00", "2026-11-01T09:30:00", true),
            ("2026-11-01 09:30:00", "2026-11-01 09:30:00.400000", true),
            ("2026-11-01 09:30:00.700000", "2026-11-01 09:30:01", true),
            ("2026-11-01 23:59:59.700000", "2026-11-02 00:00:00", false),
            ("2026-11-01 09:30:00", "2026-11-01 10:45:00", false),
            ("2026-11-01 09:30:00", "2026-11-02 09:30:00", false),
            ("2026-11-01", "2026-11-02", false),
            ("2026-11-01", "", false),
            ("", "", true),
            ("0000-00-00", "0000-00-00 00:00:00", true),
            ("0000-00-00", "2026-11-01", false),
            (" 2026-11-01", "2026-11-01", true),
        ] {
            assert_eq!(is_same_creation(one, other), same, "{one:?} {other:?}");
            assert_eq!(is_same_creation(other, one), same, "{other:?} {one:?}");
        }
    }
}
