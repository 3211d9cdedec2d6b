//! Days and months, in UTC.

use jiff::{ToSpan as _, tz::TimeZone};

use crate::{services::keys::Period, time::Timestamp};

/// The day or the month that a moment is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    period: Period,
    name: String,
    /// The first moment after it, in milliseconds since 1970; nothing if it does not end.
    end: Option<i64>,
}

impl Span {
    pub(crate) fn of(period: Period, now: Timestamp) -> Self {
        let moment = jiff::Timestamp::from_millisecond(now.as_millis()).unwrap_or_default();
        let date = TimeZone::UTC.to_datetime(moment).date();
        let (form, next) = match period {
            Period::Day => ("%Y-%m-%d", date.checked_add(1.day())),
            Period::Month => ("%Y-%m", date.first_of_month().checked_add(1.month())),
            Period::Total => return Self { period, name: "total".to_owned(), end: None },
        };
        let end = next.and_then(|next| TimeZone::UTC.to_timestamp(next.at(0, 0, 0, 0)));
        Self {
            period,
            name: date.strftime(form).to_string(),
            end: end.ok().map(|end| end.as_millisecond()),
        }
    }

    /// Its name in the database.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is such a period, and not over at a moment.
    pub(crate) fn is_still(&self, period: Period, moment: Timestamp) -> bool {
        self.period == period && !self.is_over(moment)
    }

    /// Whether it is over at a moment.
    pub(crate) fn is_over(&self, moment: Timestamp) -> bool {
        self.end.is_some_and(|end| end <= moment.as_millis())
    }

    /// Seconds until it is over, rounded up.
    pub(crate) fn seconds_left(&self, now: Timestamp) -> Option<u64> {
        let millis = u64::try_from(self.end?.saturating_sub(now.as_millis())).ok()?;
        Some(millis.div_ceil(1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(period: Period, moment: &str, name: &str, seconds_left: Option<u64>) {
        let moment: jiff::Timestamp = moment.parse().unwrap();
        let now = Timestamp::from_millis(moment.as_millisecond());
        let span = Span::of(period, now);
        assert_eq!((span.name(), span.seconds_left(now)), (name, seconds_left));
    }

    #[test]
    fn days_and_months_are_those_of_utc() {
        check(Period::Day, "2026-11-26T00:00:00Z", "2026-11-26", Some(86_400));
        check(Period::Day, "2026-11-26T23:59:59.001Z", "2026-11-26", Some(1));
        check(Period::Day, "2026-11-26T23:30:00-02:00", "2026-11-27", Some(81_000));
        check(Period::Month, "2028-02-28T00:00:00Z", "2028-02", Some(2 * 86_400));
        check(Period::Month, "2026-12-31T23:59:00Z", "2026-12", Some(60));
        check(Period::Total, "2026-12-31T23:59:00Z", "total", None);
    }
}
