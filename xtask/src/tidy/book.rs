//! That the book is whole: every page is listed, and what a page includes is there.

use super::{Finding, docs, source::Source};

const BOOK: &str = "docs/";
const SUMMARY: &str = "docs/SUMMARY.md";
const RULE: &str = "book";

pub(super) fn check(sources: &[Source], exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let pages: Vec<&Source> =
        sources.iter().filter(|it| it.is_in(BOOK) && it.path.ends_with(".md")).collect();
    let mut findings: Vec<_> =
        pages.iter().flat_map(|page| missing_includes(page, exists)).collect();
    let summary = sources.iter().find(|source| source.path == SUMMARY);
    let listed = summary.map(|summary| summary.text.as_str()).unwrap_or_default();
    for page in pages.iter().filter(|page| page.path != SUMMARY) {
        let link = format!("({})", page.path.trim_start_matches(BOOK));
        if !listed.contains(&link) {
            let advice = format!("list the page in {SUMMARY}; nobody finds it otherwise");
            findings.push(Finding::new(&page.path, 1, RULE, advice));
        }
    }
    findings
}

fn missing_includes(page: &Source, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let missing = page.lines().filter_map(|line| {
        let target = included(&page.path, line.text).filter(|target| !exists(target))?;
        let advice = format!("`{target}` does not exist; correct the path");
        Some(Finding::new(&page.path, line.number, RULE, advice))
    });
    missing.collect()
}

/// The file that `{{#include path:lines}}` names, from the root of the repository.
fn included(page: &str, line: &str) -> Option<String> {
    let (_, rest) = line.split_once("{{#include ")?;
    docs::resolve(page, rest.split(['}', ':']).next()?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_book(pages: &[(&str, &str)], expected: &[&str]) {
        let source = |(path, text): &(&str, &str)| Source {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        let sources: Vec<_> = pages.iter().map(source).collect();
        let findings = check(&sources, &|path| path == "examples/a.rs");
        let found: Vec<_> = findings.iter().map(|it| it.advice.as_str()).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found}");
        }
    }

    #[test]
    fn every_page_is_listed() {
        let summary = (SUMMARY, "- [A](tutorial/a.md)");
        check_book(&[summary, ("docs/tutorial/a.md", "")], &[]);
        check_book(&[summary, ("docs/tutorial/b.md", "")], &["list the page"]);
    }

    #[test]
    fn what_a_page_includes_exists() {
        let summary = (SUMMARY, "- [A](tutorial/a.md)");
        let page = |text| ("docs/tutorial/a.md", text);
        check_book(&[summary, page("{{#include ../../examples/a.rs}}")], &[]);
        check_book(&[summary, page("{{#include ../../examples/a.rs:3:}}")], &[]);
        check_book(&[summary, page("{{#include ../../examples/b.rs}}")], &["`examples/b.rs`"]);
    }
}
