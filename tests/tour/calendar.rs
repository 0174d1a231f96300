//! The day of the documents: their outputs pretend that it is 2027-01-15, 03:00 UTC.
use chrono::{Datelike, Duration, Months, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};

/// How far months are told apart from days.
const MONTHS: u32 = 24;

pub struct Calendar {
    /// This minute.
    start: NaiveDateTime,
}

fn shown_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2027, 1, 15).unwrap()
}

/// So many months after a day; before it for less than 0.
fn months_after(day: NaiveDate, months: i32) -> Option<NaiveDate> {
    let count = Months::new(months.unsigned_abs());
    if months < 0 { day.checked_sub_months(count) } else { day.checked_add_months(count) }
}

fn months_between(from: NaiveDate, to: NaiveDate) -> i32 {
    (to.year() - from.year()) * 12 + to.month().cast_signed() - from.month().cast_signed()
}

fn month_of(month: NaiveDate, from: NaiveDate, to: NaiveDate) -> String {
    months_after(to, months_between(from, month)).unwrap().format("%Y-%m").to_string()
}

impl Calendar {
    pub fn today() -> Self {
        Self { start: Utc::now().naive_utc().with_second(0).unwrap().with_nanosecond(0).unwrap() }
    }

    /// A day that is whole months from today is the same months from the day of the document; another one the same
    /// number of days.
    fn day(&self, day: NaiveDate) -> NaiveDate {
        let today = self.start.date();
        let months = months_between(today, day);
        let is_months = months != 0 && months.unsigned_abs() <= MONTHS && months_after(today, months) == Some(day);
        if is_months { months_after(shown_day(), months).unwrap() } else { shown_day() + (day - today) }
    }

    /// The same time from 03:00 as from the start, in steps of five minutes.
    fn moment(&self, moment: NaiveDateTime) -> NaiveDateTime {
        let passed = Duration::minutes((moment - self.start).num_minutes().div_euclid(5) * 5);
        let shown = shown_day().and_hms_opt(3, 0, 0).unwrap() + passed;
        let day = self.start.date() + (shown.date() - shown_day());
        self.day(day).and_time(shown.time())
    }

    /// The text with all days, moments and months of the document.
    pub fn in_document(&self, text: &str) -> String {
        replaced(text, |found| match found {
            Found::Month(month) => month_of(month, self.start.date(), shown_day()),
            Found::Day(day) => self.day(day).to_string(),
            Found::Moment(moment, form) => self.moment(moment).format(form).to_string(),
            Found::Time(time, form) => self.moment(self.start.date().and_time(time)).format(form).to_string(),
        })
    }

    /// A command line with the months of today instead of those of the document.
    pub fn months_of_today(&self, line: &str) -> String {
        replaced(line, |found| match found {
            Found::Month(month) => month_of(month, shown_day(), self.start.date()),
            Found::Day(_) | Found::Moment(..) | Found::Time(..) => panic!("a command of the tour names a day: {line}"),
        })
    }
}

/// A time in a text, with the form to write it again.
enum Found {
    Month(NaiveDate),
    Day(NaiveDate),
    Moment(NaiveDateTime, &'static str),
    Time(NaiveTime, &'static str),
}

/// The forms of times in outputs, longer ones first: 9 is any digit.
const FORMS: [(&str, &str); 7] = [
    ("9999-99-99 99:99:99", "%Y-%m-%d %H:%M:%S"),
    ("9999-99-99T99:99:99", "%Y-%m-%dT%H:%M:%S"),
    ("9999-99-99 99:99", "%Y-%m-%d %H:%M"),
    ("99999999-999999", "%Y%m%d-%H%M%S"),
    ("9999-99-99", "%Y-%m-%d"),
    ("99:99 UTC", "%H:%M UTC"),
    ("9999-99", "%Y-%m"),
];

/// The text with each time replaced.
fn replaced(text: &str, by: impl Fn(Found) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_inside = out.ends_with(|c: char| c.is_ascii_digit());
        let (shown, length) = match found_at(rest) {
            Some((found, length)) if !is_inside => (by(found), length),
            Some(_) | None => (first.to_string(), first.len_utf8()),
        };
        out += &shown;
        rest = &rest[length..];
    }
    out
}

/// The time that a text begins with, and its length.
fn found_at(text: &str) -> Option<(Found, usize)> {
    FORMS.into_iter().find_map(|(like, form)| {
        let there = text.get(..like.len())?;
        let fits = |(c, like): (u8, u8)| if like == b'9' { c.is_ascii_digit() } else { c == like };
        let ends = !text[like.len()..].starts_with(|c: char| c.is_ascii_digit());
        if !ends || !there.bytes().zip(like.bytes()).all(fits) {
            return None;
        }
        let found = match form {
            "%Y-%m" => Found::Month(format!("{there}-01").parse().ok().filter(|_| there.starts_with("20"))?),
            "%Y-%m-%d" => Found::Day(there.parse().ok()?),
            "%H:%M UTC" => Found::Time(NaiveTime::parse_from_str(there, form).ok()?, form),
            _ => Found::Moment(NaiveDateTime::parse_from_str(there, form).ok()?, form),
        };
        Some((found, like.len()))
    })
}
