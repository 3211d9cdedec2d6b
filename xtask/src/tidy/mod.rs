//! `cargo xtask tidy`: the rules of the project that rustc and clippy do not know.
//!
//! Each rule is a function from what it reads to what it found, with a test that it can fail.

/// What the recorder of cassettes itself refuses to write. It is included, so that tidy does not
/// wait for the build of the crate that it is a part of.
#[path = "../../../crates/alula-llm/src/testing/audit/mod.rs"]
mod audit;
mod book;
mod budget;
mod cassettes;
mod docs;
mod examples;
mod imports;
mod layout;
mod prices;
mod size;
mod source;
mod supply;
mod words;

use std::{fmt, fs};

use anyhow::{Context as _, Result, ensure};

use self::{audit::Date, source::Source};
use crate::workspace::Workspace;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    ensure!(arguments.is_empty(), "it takes no arguments");
    check(&Workspace::load()?)
}

/// Checks every rule and prints what is found.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let sources = Source::load_all(&workspace.root)?;
    let lock = fs::read_to_string(workspace.root.join("Cargo.lock")).context("no Cargo.lock")?;
    let today = Date::today();
    let mut findings = imports::check(&workspace.packages);
    findings.extend(words::check(&sources));
    findings.extend(layout::check(&sources));
    findings.extend(size::check(&sources, size::ALLOWED));
    findings.extend(docs::check_packages(&workspace.packages));
    let exists = |path: &str| workspace.root.join(path).exists();
    findings.extend(docs::check_links(&sources, &exists));
    findings.extend(book::check(&sources, &exists));
    findings.extend(examples::check(&sources));
    findings.extend(prices::check(&sources, today));
    findings.extend(cassettes::check(&Source::load_recordings(&workspace.root)?, today));
    findings.extend(supply::check(&workspace.root, &lock)?);
    findings.extend(budget::check_trees(&workspace.root)?);

    for finding in &findings {
        println!("{finding}");
    }
    let broken = findings.iter().filter(|finding| !finding.warning).count();
    ensure!(broken == 0, "{broken} places break a rule");
    println!("{} files keep the rules", sources.len());
    Ok(())
}

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Counted from 1.
    line: usize,
    rule: &'static str,
    /// What to do.
    advice: String,
    /// Printed, and no failure.
    warning: bool,
}

impl Finding {
    fn new(path: &str, line: usize, rule: &'static str, advice: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, advice: advice.into(), warning: false }
    }

    fn warning(self) -> Self {
        Self { warning: true, ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.warning { "warning: " } else { "" };
        write!(f, "{level}{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}

/// What tests of rules compare: where each finding is, and by which rule.
#[cfg(test)]
fn places(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| format!("{}:{} {}", finding.path, finding.line, finding.rule))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_as_a_place_a_rule_and_what_to_do() {
        let finding = Finding::new("src/lib.rs", 7, "size", "split it");
        assert_eq!(finding.to_string(), "src/lib.rs:7: size: split it");
        assert_eq!(finding.warning().to_string(), "warning: src/lib.rs:7: size: split it");
    }
}
