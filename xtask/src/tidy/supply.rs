//! What others' code may be brought: what cargo-deny checks by `deny.toml`, for whoever lacks it.
//!
//! It reads of that file what stands there, each banned crate in a line of its own, so that there
//! is one list. cargo-deny itself knows more: `cargo xtask test` runs it where it is installed.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use super::Finding;
use crate::process;

/// How the source of a package begins, in a lock file, that is from the registry of cargo.
const REGISTRY: &str = "registry+https://github.com/rust-lang/";

pub(super) fn check(root: &Path, lock: &str) -> Result<Vec<Finding>> {
    let text = fs::read_to_string(root.join("deny.toml")).context("no deny.toml")?;
    let rules = Rules::read(&text)?;
    let words = ["tree", "--locked", "--workspace", "--all-features", "-e", "normal,build,dev"];
    // Whatever a machine has set: colors are no part of a license.
    let words = words.into_iter().chain(["--color", "never"]);
    let format = ["--prefix", "none", "--format", "{p}|{l}"];
    let tree = process::output(process::cargo(root).args(words).args(format))?;
    let mut findings = rules.check_lock(lock);
    findings.extend(rules.check_licenses(&tree));
    Ok(findings)
}

/// What `deny.toml` says.
#[derive(Debug, Default)]
struct Rules<'a> {
    /// Crates that are not built, and why.
    banned: Vec<(&'a str, &'a str)>,
    licenses: Vec<&'a str>,
    /// Crates with a license that no other may have.
    exceptions: Vec<(&'a str, Vec<&'a str>)>,
}

impl<'a> Rules<'a> {
    fn read(text: &'a str) -> Result<Self> {
        let mut rules = Self::default();
        for line in text.lines().map(str::trim) {
            if let Some(list) = line.strip_prefix("allow = ") {
                rules.licenses = quoted(list);
            } else if let Some(item) = line.strip_prefix("{ crate = ") {
                let [name, reason] = quoted(item)[..] else {
                    anyhow::bail!("deny.toml: no crate and reason in `{line}`");
                };
                rules.banned.push((name, reason));
            } else if let Some(item) = line.strip_prefix("{ allow = ") {
                let words = quoted(item);
                let (name, licenses) = words.split_last().context("deny.toml: no crate")?;
                rules.exceptions.push((name, licenses.to_vec()));
            }
        }
        anyhow::ensure!(!rules.banned.is_empty(), "deny.toml bans nothing");
        anyhow::ensure!(!rules.licenses.is_empty(), "deny.toml allows no license");
        Ok(rules)
    }

    fn check_lock(&self, lock: &str) -> Vec<Finding> {
        let lines = lock.lines().zip(1..);
        lines.filter_map(|(line, number)| self.check_line(line, number)).collect()
    }

    fn check_line(&self, line: &str, number: usize) -> Option<Finding> {
        let (field, value) = line.split_once(" = ")?;
        let value = value.trim_matches('"');
        let (rule, advice) = match field {
            "name" => {
                let (_, reason) = self.banned.iter().find(|(name, _)| *name == value)?;
                let advice =
                    format!("do without `{value}` (see `cargo tree -i {value}`): {reason}");
                ("ban", advice)
            }
            "source" if !value.starts_with(REGISTRY) => {
                ("source", format!("take it from the registry of cargo, and not {value}"))
            }
            _ => return None,
        };
        Some(Finding::new("Cargo.lock", number, rule, advice))
    }

    /// Each line of the tree is a package and its license.
    fn check_licenses(&self, tree: &str) -> Vec<Finding> {
        let mut lines: Vec<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
        lines.sort_unstable();
        lines.dedup();
        let packages = lines.into_iter().filter_map(|line| line.split_once('|'));
        let refused = packages.filter(|(package, license)| !self.allows(package, license));
        refused
            .map(|(package, license)| {
                let license = if license.is_empty() { "no license" } else { license };
                let advice = format!("deny.toml does not allow {license}, which `{package}` has");
                Finding::new("Cargo.lock", 1, "license", advice)
            })
            .collect()
    }

    fn allows(&self, package: &str, license: &str) -> bool {
        let name = package.split(' ').next().unwrap_or_default();
        let own = self.exceptions.iter().find(|(of, _)| *of == name);
        let own = own.map(|(_, licenses)| licenses.as_slice()).unwrap_or_default();
        let is_allowed = |license: &str| self.licenses.contains(&license) || own.contains(&license);
        // Some still write a slash where SPDX has OR.
        let license = license.replace('/', " OR ").replace('(', "( ").replace(')', " )");
        let mut words = license.split_whitespace().peekable();
        any_of(&mut words, &is_allowed) && words.next().is_none()
    }
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

/// Whether one of the alternatives of an SPDX expression is allowed.
fn any_of(words: &mut Words<'_>, is_allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut allowed = all_of(words, is_allowed);
    while words.next_if_eq(&"OR").is_some() {
        allowed |= all_of(words, is_allowed);
    }
    allowed
}

fn all_of(words: &mut Words<'_>, is_allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut allowed = one(words, is_allowed);
    while words.next_if_eq(&"AND").is_some() {
        allowed &= one(words, is_allowed);
    }
    allowed
}

fn one(words: &mut Words<'_>, is_allowed: &dyn Fn(&str) -> bool) -> bool {
    match words.next() {
        Some("(") => {
            let allowed = any_of(words, is_allowed);
            let is_closed = words.next() == Some(")");
            allowed && is_closed
        }
        Some(license) => match words.next_if_eq(&"WITH").and_then(|_| words.next()) {
            Some(exception) => is_allowed(&format!("{license} WITH {exception}")),
            None => is_allowed(license),
        },
        None => false,
    }
}

/// The texts in quotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('"').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    const DENY: &str = "\
deny = [
  { crate = \"openssl-sys\", reason = \"one TLS stack\" },
]
allow = [\"MIT\", \"Apache-2.0\", \"Apache-2.0 WITH LLVM-exception\"]
exceptions = [
  { allow = [\"CC0-1.0\"], crate = \"bird\" },
]
";

    #[test]
    fn what_is_banned_or_from_elsewhere_is_found() {
        let lock = "\
[[package]]
name = \"ring\"
source = \"registry+https://github.com/rust-lang/index\"

[[package]]
name = \"openssl-sys\"
source = \"git+https://example.com\"
";
        let findings = Rules::read(DENY).unwrap().check_lock(lock);
        assert_eq!(places(&findings), ["Cargo.lock:6 ban", "Cargo.lock:7 source"]);
        assert!(findings[0].advice.ends_with("one TLS stack"), "{}", findings[0].advice);
    }

    #[test]
    fn a_license_is_allowed_if_one_of_its_alternatives_is() {
        let rules = Rules::read(DENY).unwrap();
        for license in [
            "MIT",
            "MIT OR GPL-3.0",
            "Zlib/MIT",
            "(GPL-3.0 OR MIT) AND Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
            "GPL-3.0 AND ISC OR MIT",
            "(GPL-3.0) OR MIT",
        ] {
            assert!(rules.allows("wing v1.0.0", license), "{license}");
        }
        for license in
            ["", "GPL-3.0", "MIT AND GPL-3.0", "CC0-1.0", "MIT WITH x", "(MIT", "MIT MIT", "MIT)"]
        {
            assert!(!rules.allows("wing v1.0.0", license), "{license}");
        }
        assert!(rules.allows("bird v1.0.0 (proc-macro)", "CC0-1.0"));
        let found =
            rules.check_licenses("wing v1.0.0|MIT\nbat v2.0.0|GPL-3.0\nbat v2.0.0|GPL-3.0 (*)\n");
        assert_eq!(places(&found), ["Cargo.lock:1 license"]);
    }
}
