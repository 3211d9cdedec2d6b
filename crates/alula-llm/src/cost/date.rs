//! Days and hours of the calendar, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// Days since 1970.
pub(super) type Day = u64;

/// The day and the minute of the day.
pub(super) fn day_and_minute(at: SystemTime) -> (Day, u64) {
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    (seconds / SECONDS_PER_DAY, seconds % SECONDS_PER_DAY / 60)
}

/// Whether it is Saturday or Sunday.
pub(super) fn is_weekend(day: Day) -> bool {
    // 1970 began on a Thursday.
    matches!(day % 7, 2 | 3)
}

/// Reads `2026-10-26`.
pub(super) fn parse_day(text: &str) -> Option<Day> {
    let mut parts = text.split('-');
    let [year, month, day] = [parts.next()?, parts.next()?, parts.next()?];
    let are_digits =
        |part: &str, count| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_date = are_digits(year, 4) && are_digits(month, 2) && are_digits(day, 2);
    if !is_date || parts.next().is_some() {
        return None;
    }
    let (year, month, day): (u64, u64, u64) =
        (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: u64 = (1..month).map(|month| days_in(year, month)).sum();
    Some(years + months + day - 1)
}

/// Reads `16:30`, as minutes since midnight; the day ends at `24:00`.
pub(super) fn parse_minute(text: &str) -> Option<u64> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u64, u64) = (hour.parse().ok()?, minute.parse().ok()?);
    let minutes = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && minutes <= 24 * 60).then_some(minutes)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(parse_day("1970-01-01"), Some(0));
        assert_eq!(parse_day("2000-02-29"), Some(11_016));
        assert_eq!(parse_day("2026-10-26"), Some(20_752));
        for wrong in ["2026-02-29", "2026-13-01", "2026-00-01", "26-10-26", "2026-10", "+026-10-26"]
        {
            assert_eq!(parse_day(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn weekends_are_known() {
        // A Monday.
        let monday = parse_day("2026-10-26").unwrap();
        let weekend: Vec<_> = (monday..monday + 7).map(is_weekend).collect();
        assert_eq!(weekend, [false, false, false, false, false, true, true]);
    }

    #[test]
    fn hours_are_read() {
        assert_eq!(parse_minute("00:30"), Some(30));
        assert_eq!(parse_minute("24:00"), Some(1440));
        assert_eq!(parse_minute("24:01"), None);
        assert_eq!(parse_minute("10:60"), None);
    }
}
