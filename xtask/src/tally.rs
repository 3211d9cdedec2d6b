//! Counts tests from what the test runners print.

use std::fmt;

/// How many tests passed, failed and were skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Tally {
    /// Adds a line of output, if it is the summary of cargo-nextest or of `cargo test`.
    pub(crate) fn read(&mut self, line: &str) {
        let line = without_colors(line);
        let line = line.trim();
        let nextest = line.starts_with("Summary [");
        if nextest || line.starts_with("test result: ") {
            self.passed += number_before(line, "passed");
            self.failed += number_before(line, "failed");
            self.skipped += number_before(line, if nextest { "skipped" } else { "ignored" });
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The number in front of a word, or zero.
fn number_before(line: &str, word: &str) -> u64 {
    let words: Vec<&str> = line.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
    let at = words.iter().position(|found| *found == word);
    at.and_then(|at| words.get(at.checked_sub(1)?)?.parse().ok()).unwrap_or(0)
}

/// The line without the escape sequences that color it.
fn without_colors(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        if char == '\u{1b}' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(char);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(output: &str, expected: &str) {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read(line));
        assert_eq!(tally.to_string(), expected);
    }

    #[test]
    fn nextest() {
        check(
            "     Summary [   0.123s] 12 tests run: 12 passed (1 slow), 1 skipped",
            "12 passed, 0 failed, 1 skipped",
        );
        check(
            "     Summary [   0.1s] 3 tests run: 1 passed, 2 failed, 0 skipped",
            "1 passed, 2 failed, 0 skipped",
        );
        check(
            "\u{1b}[32;1m     Summary\u{1b}[0m [   0.123s] \u{1b}[1m2\u{1b}[0m tests run: \
             \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m4\u{1b}[0m skipped",
            "2 passed, 0 failed, 4 skipped",
        );
    }

    #[test]
    fn cargo_test_binaries_add_up() {
        check(
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
             test a_test ... ok\n\
             test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "7 passed, 3 failed, 1 skipped",
        );
    }

    #[test]
    fn other_lines_are_no_summaries() {
        check("12 passed, 3 failed, 1 skipped", "0 passed, 0 failed, 0 skipped");
    }
}
