//! That the prices of providers were looked at lately.

use super::{Finding, audit::Date, source::Source};

const FILE: &str = "crates/alula-llm/src/cost/prices.toml";
const AGE_DAYS_MAX: i64 = 90;

pub(super) fn check(sources: &[Source], today: Date) -> Vec<Finding> {
    let file = sources.iter().find(|source| source.path == FILE);
    let lines = file.into_iter().flat_map(Source::lines);
    let old = lines.filter_map(|line| {
        let date = line.text.strip_prefix("as_of = \"")?.strip_suffix('"')?;
        let age = today.days - date.parse::<Date>().ok()?.days;
        let advice =
            format!("these prices are {age} days old; compare them with `source` and set the date");
        (age > AGE_DAYS_MAX).then(|| Finding::new(FILE, line.number, "prices", advice).warning())
    });
    old.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[test]
    fn old_prices_are_told() {
        let text = "[[provider]]\nas_of = \"2026-10-26\"\n[[provider]]\nas_of = \"2026-07-01\"\n";
        let source = Source { path: FILE.to_owned(), text: text.to_owned() };
        let found = check(&[source], "2026-10-26".parse().unwrap());
        assert_eq!(places(&found), [format!("{FILE}:4 prices")]);
        assert!(found[0].warning, "time alone breaks nothing");
    }
}
