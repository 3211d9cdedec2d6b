//! That each crate says what it is, and that documents point at what exists.

use std::path::{Component, Path, PathBuf};

use super::{Finding, source::Source};
use crate::workspace::Package;

/// Folders at the root. Code in a document that starts with one is meant as a path.
const ROOTS: &[&str] =
    &[".ci/", ".config/", "benches/", "crates/", "docs/", "examples/", "fuzz/", "xtask/"];

pub(super) fn check_packages(packages: &[Package]) -> Vec<Finding> {
    let silent = packages.iter().filter(|it| it.description.is_none() && it.readme.is_none());
    silent
        .map(|package| {
            let advice = "say what the crate is: give it a `description` or a README";
            Finding::new(&package.manifest, 1, "description", advice)
        })
        .collect()
}

/// Checks the links of Markdown files and the paths that they name as code.
pub(super) fn check_links(sources: &[Source], exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let documents = sources.iter().filter(|source| source.path.ends_with(".md"));
    documents.flat_map(|document| check_document(document, exists)).collect()
}

fn check_document(document: &Source, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fenced = false;
    for line in document.lines() {
        if line.text.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let linked = links(line.text).filter_map(|link| resolve(&document.path, link));
        let named = spans(line.text).filter(|span| is_path(span)).map(str::to_owned);
        for target in linked.chain(named).filter(|target| !exists(target)) {
            let advice = format!("`{target}` does not exist; correct the path");
            findings.push(Finding::new(&document.path, line.number, "link", advice));
        }
    }
    findings
}

/// The targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next())
}

/// What is between backticks.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn is_path(span: &str) -> bool {
    let plain = |char: char| char.is_ascii_alphanumeric() || "._-/".contains(char);
    ROOTS.iter().any(|root| span.starts_with(root)) && span.chars().all(plain)
}

/// The path that a relative link leads to, from the root of the repository.
pub(super) fn resolve(document: &str, link: &str) -> Option<String> {
    let path = link.split('#').next().unwrap_or_default();
    if path.is_empty() || path.starts_with("mailto:") || path.contains("://") {
        return None;
    }
    let folder = Path::new(document).parent().unwrap_or(Path::new(""));
    let mut resolved = PathBuf::new();
    for component in folder.join(path).components() {
        match component {
            Component::ParentDir => _ = resolved.pop(),
            Component::CurDir => {}
            other => resolved.push(other),
        }
    }
    Some(resolved.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_text(path: &str, text: &str, expected: &[&str]) {
        let source = Source { path: path.to_owned(), text: text.to_owned() };
        let known = ["docs/book.md", "crates/alula/src/lib.rs", "README.md"];
        let findings = check_links(&[source], &|path| known.contains(&path));
        let found: Vec<_> =
            findings.iter().map(|it| it.advice.split('`').nth(1).unwrap_or_default()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn links_lead_to_files() {
        check_text(
            "README.md",
            "[book](docs/book.md#top), [gone](docs/gone.md)",
            &["docs/gone.md"],
        );
        check_text("docs/book.md", "[up](../README.md) [here](book.md)", &[]);
        check_text("docs/book.md", "[up](../GONE.md)", &["GONE.md"]);
        check_text("README.md", "[out](https://example.org/x) [top](#top)", &[]);
    }

    #[test]
    fn paths_named_as_code_exist() {
        check_text("README.md", "`crates/alula/src/lib.rs`, `crates/gone/`", &["crates/gone/"]);
        check_text("README.md", "`crates/*/src`, `xtask tidy`, `serde/json`", &[]);
    }

    #[test]
    fn examples_are_not_read() {
        check_text("README.md", "```\n[x](gone.md)\n```\n[y](gone.md)", &["gone.md"]);
    }

    #[test]
    fn a_crate_says_what_it_is() {
        let silent = Package { manifest: "crates/x/Cargo.toml".to_owned(), ..Package::default() };
        assert_eq!(check_packages(&[silent]).len(), 1);
        let described = Package { description: Some("A wing".to_owned()), ..Package::default() };
        assert_eq!(check_packages(&[described]), []);
    }
}
