//! That every public type of the provider layer shows how it is used.

use super::{Finding, source::Source};

/// The crate that must. What is `pub` in it is exported: the lint `unreachable_pub` sees to that.
const FOLDER: &str = "crates/alula-llm/src/";
/// What code is marked with that is run.
const RUN: [&str; 4] = ["", "rust", "should_panic", "edition2024"];
/// What comes before the reason why an example is not run.
const NOT_RUN: &str = "Not run:";
const KINDS: [&str; 3] = ["pub struct ", "pub enum ", "pub trait "];

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let crate_sources = sources.iter().filter(|it| it.is_in(FOLDER) && it.is_rust());
    crate_sources.flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Whether there is code in the comment above that runs, or that says why it does not.
    let mut shown = false;
    let mut comment = Comment::default();
    for line in source.lines().filter(|line| !line.test) {
        let text = line.text.trim_start();
        if let Some(text) = text.strip_prefix("///") {
            shown |= comment.shows(text.trim());
            continue;
        }
        comment = Comment::default();
        if let Some(name) = type_name(text)
            && !shown
        {
            let advice = format!(
                "show in the documentation of `{name}` how it is used, by an example that runs; \
                 before one that cannot write `{NOT_RUN}` and why"
            );
            findings.push(Finding::new(&source.path, line.number, "example", advice));
        }
        // Attributes stand between a comment and its item, on one line or several.
        shown &= !text.is_empty() && !text.ends_with(['{', '}', ';']);
    }
    findings
}

/// What is read of a comment.
#[derive(Default)]
struct Comment {
    is_in_block: bool,
    /// It is said why the code is not run.
    has_reason: bool,
}

impl Comment {
    /// Whether an example begins with this line that runs, or that has a reason not to.
    fn shows(&mut self, line: &str) -> bool {
        self.has_reason |= line.contains(NOT_RUN);
        let Some(kind) = line.strip_prefix("```") else { return false };
        self.is_in_block = !self.is_in_block;
        let mut kinds = kind.split(',').map(str::trim);
        let runs = kinds.all(|kind| RUN.contains(&kind));
        self.is_in_block && (runs || kind.contains("no_run") && self.has_reason)
    }
}

/// The name of the public type that is declared in this line.
fn type_name(line: &str) -> Option<&str> {
    let rest = KINDS.iter().find_map(|kind| line.strip_prefix(kind))?;
    rest.split(|char: char| !char.is_alphanumeric() && char != '_').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[track_caller]
    fn check_text(text: &str, expected: &[&str]) {
        let source = |folder: &str| Source { path: format!("{folder}a.rs"), text: text.to_owned() };
        let sources = [source(FOLDER), source("crates/alula/src/")];
        assert_eq!(places(&check(&sources)), expected);
    }

    #[test]
    fn a_public_type_shows_how_it_is_used() {
        let place = |line| format!("{FOLDER}a.rs:{line} example");
        check_text("/// A wing.\n///\n/// ```\n/// fly();\n/// ```\npub struct Wing;\n", &[]);
        check_text("/// A wing.\npub struct Wing;\n", &[&place(2)]);
        check_text("pub enum Wing<T> {\n", &[&place(1)]);
        check_text("    pub trait Wing {\n", &[&place(1)]);
    }

    #[test]
    fn an_example_runs_or_says_why_not() {
        let place = |line| format!("{FOLDER}a.rs:{line} example");
        let wing = |fence: &str| format!("/// ```{fence}\n/// fly();\n/// ```\npub struct Wing;\n");
        for fence in ["", "rust", "should_panic"] {
            check_text(&wing(fence), &[]);
        }
        for fence in ["no_run", "ignore", "text", "rust,no_run", "compile_fail"] {
            check_text(&wing(fence), &[&place(4)]);
        }
        check_text(&format!("/// Not run: it needs a sky.\n{}", wing("no_run")), &[]);
        let both = format!("/// ```no_run\n/// fly();\n/// ```\n{}", wing(""));
        check_text(&both, &[]);
    }

    #[test]
    fn attributes_may_stand_between() {
        let shown = "/// ```\n/// ```\n#[derive(Debug)]\n#[expect(\n    dead_code,\n)]\n";
        check_text(&format!("{shown}pub struct Wing;\n"), &[]);
        let other = format!("{shown}pub fn fly() {{\n}}\n\npub struct Wing;\n");
        check_text(&other, &[&format!("{FOLDER}a.rs:10 example")]);
    }

    #[test]
    fn what_is_not_exported_need_not() {
        check_text("pub(crate) struct Wing;\nstruct Feather;\npub fn fly() {}\n", &[]);
        check_text("#[cfg(test)]\nmod tests {\n    pub struct Wing;\n}\n", &[]);
    }
}
