//! A line that says how far something is.

use std::time::Duration;

use super::shown::span;

/// The widest bar.
const WIDTH_MAX: usize = 40;

/// How far something is.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Bar<'a> {
    /// What it is doing.
    pub(in crate::cli) status: &'a str,
    pub(in crate::cli) done: u64,
    /// Nothing if nobody knows.
    pub(in crate::cli) total: Option<u64>,
    pub(in crate::cli) failed: u64,
    pub(in crate::cli) per_second: Option<f64>,
    pub(in crate::cli) left: Option<Duration>,
    pub(in crate::cli) message: &'a str,
}

impl Bar<'_> {
    /// The line without a bar, for where nothing is drawn.
    pub(in crate::cli) fn text(&self) -> String {
        let Self { status, done, .. } = self;
        let mut parts = vec![(*status).to_owned()];
        match self.total {
            Some(total) => parts.push(format!("{done}/{total} {}%", self.percent())),
            None if *done > 0 => parts.push(done.to_string()),
            None => {}
        }
        parts.extend(self.per_second.map(|rate| format!("{rate:.1}/s")));
        parts.extend(self.left.map(|left| format!("{} left", span(left))));
        parts.extend((self.failed > 0).then(|| format!("{} failed", self.failed)));
        parts.extend((!self.message.is_empty()).then(|| self.message.to_owned()));
        parts.join("  ")
    }

    /// The same with as much of a bar before it as fits.
    pub(in crate::cli) fn draw(&self, columns: usize) -> String {
        let text = self.text();
        let room = columns.saturating_sub(text.chars().count() + 4).min(WIDTH_MAX);
        if self.total.is_none() || room < 4 {
            return text;
        }
        let full = room * self.percent() / 100;
        format!("[{}{}]  {text}", "█".repeat(full), "░".repeat(room - full))
    }

    /// Of a hundred; a hundred only if all is done.
    fn percent(&self) -> usize {
        let total = self.total.unwrap_or_default();
        if total == 0 {
            return 0;
        }
        let percent = u128::from(self.done) * 100 / u128::from(total);
        usize::try_from(percent.min(100)).unwrap_or(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(done: u64, total: Option<u64>) -> Bar<'static> {
        let status = "running";
        Bar { status, done, total, failed: 0, per_second: None, left: None, message: "" }
    }

    #[test]
    fn a_line_says_what_is_known() {
        assert_eq!(bar(0, None).text(), "running");
        assert_eq!(bar(7, None).text(), "running  7");
        assert_eq!(bar(999, Some(1_000)).text(), "running  999/1000 99%");
        let left = Some(Duration::from_secs(75));
        let whole =
            Bar { failed: 3, per_second: Some(4.25), left, message: "reads", ..bar(1, Some(4)) };
        assert_eq!(whole.text(), "running  1/4 25%  4.2/s  1m15s left  3 failed  reads");
        assert_eq!(bar(9, Some(0)).text(), "running  9/0 0%");
        assert_eq!(bar(9, Some(4)).text(), "running  9/4 100%");
    }

    #[test]
    fn a_bar_is_as_wide_as_there_is_room() {
        let drawn = bar(1, Some(2)).draw(32);
        assert_eq!(drawn, "[██████░░░░░░]  running  1/2 50%");
        for columns in 0..200 {
            let line = bar(3, Some(4)).draw(columns);
            assert!(line.chars().count() <= columns.max(16), "{line}");
            assert!(line.ends_with("running  3/4 75%"), "{line}");
        }
    }
}
