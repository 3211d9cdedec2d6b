//! White space that only makes noise in a diff.

use super::{Finding, source::Source};

const RULE: &str = "layout";

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let written = sources.iter().filter(|source| !source.is_generated());
    written.flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |line, advice| findings.push(Finding::new(&source.path, line, RULE, advice));
    for (line, number) in source.text.split('\n').zip(1..) {
        if line.ends_with([' ', '\t', '\r']) {
            add(number, "remove the white space at the end of the line");
        }
    }
    let last = source.text.lines().count();
    if !source.text.is_empty() && !source.text.ends_with('\n') {
        add(last, "end the file with a newline");
    }
    if source.text.ends_with("\n\n") {
        add(last, "remove the empty lines at the end of the file");
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[track_caller]
    fn check_text(path: &str, text: &str, expected: &[&str]) {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        assert_eq!(places(&check(&[source])), expected);
    }

    #[test]
    fn lines_end_where_their_text_ends() {
        check_text("a.md", "one \ntwo\nthree\t\n", &["a.md:1 layout", "a.md:3 layout"]);
        check_text("a.md", "one\r\n", &["a.md:1 layout"]);
    }

    #[test]
    fn files_end_with_one_newline() {
        check_text("a.md", "one\ntwo", &["a.md:2 layout"]);
        check_text("a.md", "one\n\n", &["a.md:2 layout"]);
        check_text("a.md", "one\n", &[]);
        check_text("a.md", "", &[]);
    }

    #[test]
    fn what_a_tool_wrote_stays_as_it_is() {
        check_text("tests/a.snap", "one ", &[]);
    }
}
