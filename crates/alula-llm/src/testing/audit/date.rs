use std::{
    fmt,
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

/// A day, of which the age of a recording is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date {
    /// Days since the first of January 1970.
    pub(crate) days: i64,
}

impl Date {
    /// The day it is in UTC.
    pub(crate) fn today() -> Self {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
        Self { days: (seconds / 86_400).try_into().unwrap_or_default() }
    }
}

// The calendar repeats every 400 years of 146,097 days. Years are counted from March, so that the
// day that not every year has is the last one.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.days + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// A text that is no day of the form `2026-11-22`.
#[derive(Debug)]
pub(crate) struct NoDate;

impl FromStr for Date {
    type Err = NoDate;

    fn from_str(text: &str) -> Result<Self, NoDate> {
        let mut parts = text.splitn(3, '-').map(|part| part.parse::<u16>().map(i64::from));
        let mut next = || parts.next().and_then(Result::ok).ok_or(NoDate);
        let (year, month, day) = (next()?, next()?, next()?);
        let from_march = year - i64::from(month <= 2);
        let (era, year_of_era) = (from_march.div_euclid(400), from_march.rem_euclid(400));
        let month_from_march = (month + 9).rem_euclid(12);
        let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let date = Self { days: era * 146_097 + day_of_era - 719_468 };
        // The thirteenth month, or the thirtieth of February, would be read as another day.
        if date.to_string() == text { Ok(date) } else { Err(NoDate) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_they_are_written() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("2000-02-29", 11_016),
            ("2000-03-01", 11_017),
            ("2026-11-22", 20_779),
            ("2100-12-31", 47_846),
        ] {
            assert_eq!(text.parse::<Date>().unwrap().days, days);
            assert_eq!(Date { days }.to_string(), text);
        }
        for text in ["", "2026", "2026-13-01", "2026-02-29", "26-01-01", "2026-1-1", "2026-01-01x"]
        {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
        assert!(Date::today() > "2026-01-01".parse().unwrap());
    }
}
