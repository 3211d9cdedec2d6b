//! Days and times, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds of a day.
pub(crate) const DAY: i64 = 24 * 60 * 60 * 1000;

/// Years that have four digits and are after 1970.
const YEARS: std::ops::RangeInclusive<i64> = 1970..=9999;

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A day, as `2026-11-26`, or a time, as `2026-11-26T15:43:46Z`: its beginning in milliseconds
/// since 1970, and whether it is a whole day.
pub(super) fn parse(text: &str) -> Option<(i64, bool)> {
    let Some((day, time)) = text.split_once(['T', ' ']) else {
        return Some((parse_day(text)? * DAY, true));
    };
    let [hour, minute, second] = numbers(time.strip_suffix('Z')?, ':', [2, 2, 2])?;
    let is_time = hour < 24 && minute < 60 && second < 60;
    is_time.then_some(())?;
    Some((parse_day(day)? * DAY + ((hour * 60 + minute) * 60 + second) * 1000, false))
}

/// The day of a number of days since 1970.
pub(super) fn day_text(days: i64) -> String {
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The time of milliseconds since 1970, to the millisecond.
pub(super) fn text(at: i64) -> String {
    let (day, of_day) = (day_text(at.div_euclid(DAY)), at.rem_euclid(DAY));
    let (second, millisecond) = (of_day / 1000, of_day % 1000);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{day}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

fn parse_day(text: &str) -> Option<i64> {
    let [year, month, day] = numbers(text, '-', [4, 2, 2])?;
    if !YEARS.contains(&year) || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    let days = days_before(year, month) + day - 1;
    // What is no day of the month is one of the next.
    (date(days) == (year, month, day)).then_some(days)
}

/// Numbers of so many digits each.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(between);
    let mut numbers = [0; 3];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        *number = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days from 1970 to the first of a month.
fn days_before(year: i64, month: i64) -> i64 {
    // A year that begins in March has its odd day at its end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // To the first of March in 1970, less those from then on to the epoch.
    days + (153 * month + 2) / 5 - 719_468
}

/// Year, month and day of a number of days since 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = (year + era * 400, if month < 10 { month + 3 } else { month - 9 });
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_read_as_it_is_written() {
        let mut expected = 0;
        for year in [1970, 1971, 1972, 1999, 2000, 2026, 2099, 2100, 9999] {
            for month in 1..=12 {
                for day in 1..=31 {
                    let text = format!("{year}-{month:02}-{day:02}");
                    if let Some((at, is_day)) = parse(&text) {
                        assert!(is_day && at > expected - 1, "{text}");
                        assert_eq!(day_text(at / DAY), text);
                        expected = at + DAY;
                    }
                }
            }
        }
        let days = |text| parse(text).map(|(at, _)| at / DAY);
        assert_eq!(days("1970-01-01"), Some(0));
        assert_eq!(days("2000-02-29"), Some(11_016));
        assert_eq!(days("2026-11-26"), Some(20_783));
    }

    #[test]
    fn times_are_those_of_utc() {
        let (at, is_day) = parse("2026-11-26T15:43:46Z").unwrap();
        assert_eq!((text(at + 7), is_day), ("2026-11-26T15:43:46.007Z".to_owned(), false));
        for wrong in [
            "",
            "today",
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "2026-11-31",
            "1969-12-31",
            "2026-11-26T15:43:46",
            "2026-11-26T24:00:00Z",
            "2026-11-26T15:43Z",
            "+026-11-26",
            "2026-11-26-1",
            "2026-11-26T15:43:46+01:00",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
