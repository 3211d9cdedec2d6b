use std::cmp::Ordering;

use croner::{
    Cron,
    errors::CronError,
    parser::CronParser,
    time::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday},
};
use jiff::{
    SignedDuration,
    civil::DateTime,
    tz::{Offset, TimeZone},
};

use crate::Timestamp;

/// When something is due again and again, in UTC.
#[derive(Debug)]
pub(super) struct Times(Cron);

impl Times {
    /// Reads five fields, or six with the seconds first; it must come true some time after `now`.
    pub(super) fn parse(spec: &str, now: Timestamp) -> Result<Self, String> {
        let cron = CronParser::new().parse(spec).map_err(|error| error.to_string())?;
        let times = Self(cron);
        times.after(now).map(|_| times).ok_or_else(|| "it never comes true".to_owned())
    }

    /// The first time after this one.
    pub(super) fn after(&self, now: Timestamp) -> Option<Timestamp> {
        let now = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?;
        let now = Utc(Offset::UTC.to_datetime(now));
        let Utc(next) = self.0.find_next_occurrence(&now, false).ok()?;
        let next = TimeZone::UTC.to_timestamp(next).ok()?.as_millisecond();
        Some(Timestamp::from_millis(next))
    }
}

/// A time in UTC, where every hour is there, and once.
#[derive(Clone)]
struct Utc(DateTime);

impl CronDateTime for Utc {
    fn to_civil(&self) -> CivilDateTime {
        let part = |part: i8| u32::from(part.unsigned_abs());
        let (date, time) = (self.0.date(), self.0.time());
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(
                i32::from(date.year()),
                part(date.month()),
                part(date.day()),
            ),
            CivilTime::from_parts_unchecked(
                part(time.hour()),
                part(time.minute()),
                part(time.second()),
            ),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        let days = self.0.weekday().to_sunday_zero_offset();
        Weekday::from_days_from_sunday(u32::from(days.unsigned_abs()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let part = |part: u32| i8::try_from(part).map_err(|_| CronError::InvalidTime);
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let (month, day) = (part(civil.month())?, part(civil.day())?);
        let (hour, minute, second) =
            (part(civil.hour())?, part(civil.minute())?, part(civil.second())?);
        let time = DateTime::new(year, month, day, hour, minute, second, 0);
        time.map(|time| Resolution::Single(Self(time))).map_err(|_| CronError::InvalidDate)
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn the_next_time_is_after_this_one_in_utc() {
        for (spec, now, next) in [
            ("*/5 * * * *", "2026-11-26T19:40:00Z", "2026-11-26T19:45:00Z"),
            ("*/5 * * * *", "2026-11-26T19:44:59.999Z", "2026-11-26T19:45:00Z"),
            ("0 3 * * *", "2026-12-31T03:00:00.001Z", "2027-01-01T03:00:00Z"),
            ("30 2 29 2 *", "2026-03-01T00:00:00Z", "2028-02-29T02:30:00Z"),
            ("0 9 * * MON-FRI", "2026-11-27T09:00:00Z", "2026-11-30T09:00:00Z"),
            ("*/10 * * * * *", "2026-11-26T19:40:09Z", "2026-11-26T19:40:10Z"),
            ("@daily", "2026-03-29T00:30:00Z", "2026-03-30T00:00:00Z"),
        ] {
            let now = at(now);
            let times = Times::parse(spec, now).unwrap();
            assert_eq!(times.after(now), Some(at(next)), "{spec}");
        }
    }

    #[test]
    fn what_is_no_specification_and_what_never_comes_true_is_refused() {
        for spec in ["", "* * * *", "61 * * * *", "soon", "0 0 30 2 *", "* * * * * * 2020"] {
            let refused = Times::parse(spec, at("2026-11-26T19:40:00Z")).unwrap_err();
            assert!(!refused.is_empty(), "{spec}");
        }
    }
}
