//! Days and times, in UTC.

use jiff::{
    civil::{Date, Time},
    tz::Offset,
};

use crate::time::Timestamp;

/// Milliseconds of a day.
pub(crate) const DAY: i64 = 24 * 60 * 60 * 1000;

/// A day, as `2026-11-26`, or a time, as `2026-11-26T15:43:46Z`: its beginning in milliseconds
/// since 1970, and whether it is a whole day.
pub(super) fn parse(text: &str) -> Option<(i64, bool)> {
    let (at, is_day) = match text.parse::<jiff::Timestamp>() {
        Ok(at) => (at, false),
        Err(_) => {
            // A time of the day without a zone is not cut off.
            let day = Date::strptime("%Y-%m-%d", text).ok()?;
            (Offset::UTC.to_timestamp(day.to_datetime(Time::midnight())).ok()?, true)
        }
    };
    let at = at.as_millisecond();
    (0..=YEAR_9999).contains(&at).then_some((at, is_day))
}

/// Later, ids would have another order than times.
const YEAR_9999: i64 = 253_402_300_799_999;

/// The day of a number of days since 1970.
pub(super) fn day_text(days: i64) -> String {
    let text = Timestamp::from_millis(days.saturating_mul(DAY)).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_as_it_is_written() {
        for (day, number) in [("1970-01-01", 0), ("2000-02-29", 11_016), ("2026-11-26", 20_783)] {
            assert_eq!(parse(day), Some((number * DAY, true)), "{day}");
            assert_eq!(day_text(number), day);
        }
    }

    #[test]
    fn times_are_those_of_utc() {
        let (at, is_day) = parse("2026-11-26T15:43:46Z").unwrap();
        assert_eq!((at, is_day), (20_783 * DAY + ((15 * 60 + 43) * 60 + 46) * 1000, false));
        assert_eq!(parse("2026-11-26T16:43:46+01:00"), Some((at, false)));
        for wrong in [
            "",
            "today",
            "2026-02-29",
            "2026-13-01",
            "2026-11-31",
            "1969-12-31",
            "2026-11-26T15:43:46",
            "2026-11-26T25:00:00Z",
            "2026-11-26-1",
            "20783",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
