//! How long a file may be.

use super::{Finding, source::Source};

/// Lines without tests from which on a file should be split.
const LINES_SOFT_MAX: usize = 400;
/// Lines without tests that a file may have.
const LINES_MAX: usize = 600;

const RULE: &str = "size";

/// A file that may be longer, and why.
pub(super) struct Allowed {
    path: &'static str,
    lines_max: usize,
    reason: &'static str,
}

pub(super) const ALLOWED: &[Allowed] = &[];

/// Checks the Rust files; tests do not count.
pub(super) fn check(sources: &[Source], allowed: &[Allowed]) -> Vec<Finding> {
    let rust = sources.iter().filter(|source| source.is_rust());
    let mut findings: Vec<_> = rust.filter_map(|source| check_source(source, allowed)).collect();
    for allowed in allowed {
        let needed = sources
            .iter()
            .any(|source| source.path == allowed.path && code_lines(source) > LINES_MAX);
        if !needed {
            let advice = format!("remove the exception ({}) from tidy/size.rs", allowed.reason);
            findings.push(Finding::new(allowed.path, 1, RULE, advice));
        }
    }
    findings
}

fn check_source(source: &Source, allowed: &[Allowed]) -> Option<Finding> {
    let lines = code_lines(source);
    let exception = allowed.iter().find(|allowed| allowed.path == source.path);
    let lines_max = exception.map_or(LINES_MAX, |allowed| allowed.lines_max);
    let finding = |limit| {
        let advice = format!("split the file: {lines} lines without its tests, limit {limit}");
        Finding::new(&source.path, 1, RULE, advice)
    };
    if lines > lines_max {
        Some(finding(lines_max))
    } else if lines > LINES_SOFT_MAX && exception.is_none() {
        Some(finding(LINES_SOFT_MAX).warning())
    } else {
        None
    }
}

fn code_lines(source: &Source) -> usize {
    source.lines().filter(|line| !line.test).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(code_lines: usize) -> Source {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    // test\n".repeat(700));
        Source { path: "src/lib.rs".to_owned(), text: "// code\n".repeat(code_lines) + &tests }
    }

    /// How many failures and how many warnings.
    fn levels(code_lines: usize, allowed: &[Allowed]) -> (usize, usize) {
        let findings = check(&[source(code_lines)], allowed);
        let warnings = findings.iter().filter(|finding| finding.warning).count();
        (findings.len() - warnings, warnings)
    }

    #[test]
    fn long_files_are_named_and_very_long_ones_refused() {
        assert_eq!(levels(400, &[]), (0, 0));
        assert_eq!(levels(401, &[]), (0, 1));
        assert_eq!(levels(600, &[]), (0, 1));
        assert_eq!(levels(601, &[]), (1, 0));
    }

    #[test]
    fn an_exception_has_its_own_limit() {
        let allowed = [Allowed { path: "src/lib.rs", lines_max: 800, reason: "one table" }];
        assert_eq!(levels(800, &allowed), (0, 0));
        assert_eq!(levels(801, &allowed), (1, 0));
    }

    #[test]
    fn an_exception_that_nothing_needs_is_removed() {
        let allowed = [Allowed { path: "src/lib.rs", lines_max: 800, reason: "one table" }];
        assert_eq!(levels(300, &allowed), (1, 0));
        let gone = [Allowed { path: "src/gone.rs", lines_max: 800, reason: "one table" }];
        assert_eq!(levels(300, &gone), (1, 0));
    }
}
