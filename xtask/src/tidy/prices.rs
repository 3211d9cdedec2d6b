//! That the prices of providers were looked at lately.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Finding, source::Source};

const FILE: &str = "crates/alula-llm/src/cost/prices.toml";
const AGE_DAYS_MAX: u64 = 90;
const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

pub(super) fn check(sources: &[Source], now: SystemTime) -> Vec<Finding> {
    let today = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / SECONDS_PER_DAY;
    let file = sources.iter().find(|source| source.path == FILE);
    let lines = file.into_iter().flat_map(Source::lines);
    let old = lines.filter_map(|line| {
        let date = line.text.strip_prefix("as_of = \"")?.strip_suffix('"')?;
        let age = today.saturating_sub(days_since_1970(date)?);
        let advice =
            format!("these prices are {age} days old; compare them with `source` and set the date");
        (age > AGE_DAYS_MAX).then(|| Finding::new(FILE, line.number, "prices", advice).warning())
    });
    old.collect()
}

/// The days from 1970 to a date like `2026-10-26`.
fn days_since_1970(date: &str) -> Option<u64> {
    let mut parts = date.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    // Years are counted from March on, so that a leap day is the last one.
    let year = if month > 2 { year } else { year.checked_sub(1)? };
    let month = (month + 9) % 12;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    days.checked_sub(719_469)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tidy::places;

    #[test]
    fn old_prices_are_told() {
        let text = "[[provider]]\nas_of = \"2026-10-26\"\n[[provider]]\nas_of = \"2026-07-01\"\n";
        let source = Source { path: FILE.to_owned(), text: text.to_owned() };
        let at = |day| UNIX_EPOCH + Duration::from_secs(day * SECONDS_PER_DAY);
        let found = check(&[source], at(days_since_1970("2026-10-26").unwrap()));
        assert_eq!(places(&found), [format!("{FILE}:4 prices")]);
        assert!(found[0].warning, "time alone breaks nothing");
    }

    #[test]
    fn days_are_counted() {
        assert_eq!(days_since_1970("1970-01-01"), Some(0));
        assert_eq!(days_since_1970("2000-02-29"), Some(11_016));
        assert_eq!(days_since_1970("2026-10-26"), Some(20_752));
    }
}
