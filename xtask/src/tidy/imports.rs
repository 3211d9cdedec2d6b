//! Who may depend on whom.

use super::Finding;
use crate::workspace::Package;

/// What a crate of ours may import of ours. Whatever is not listed, it may not.
struct Imports {
    name: &'static str,
    any: &'static [&'static str],
    /// Only behind a feature.
    optional: &'static [&'static str],
}

const IMPORTS: &[Imports] = &[
    Imports { name: "alula-macros", any: &[], optional: &[] },
    Imports { name: "alula-llm", any: &[], optional: &[] },
    Imports { name: "alula-jobs", any: &[], optional: &[] },
    Imports { name: "alula", any: &["alula-macros"], optional: &["alula-jobs", "alula-llm"] },
    Imports { name: "alula-rag", any: &["alula-llm"], optional: &[] },
    Imports {
        name: "alula-server",
        any: &["alula", "alula-macros", "alula-llm", "alula-jobs", "alula-rag"],
        optional: &[],
    },
    Imports {
        name: "alula-benches",
        any: &["alula", "alula-llm", "alula-jobs", "alula-rag"],
        optional: &[],
    },
    Imports { name: "examples", any: &["alula", "alula-llm"], optional: &[] },
    Imports { name: "xtask", any: &[], optional: &[] },
];

/// Only these name the types of axum and hyper: the framework, and its comparison with them.
const WEB_USERS: &[&str] = &["alula", "alula-benches"];
const WEB: &[&str] = &["axum", "axum-core", "axum-extra", "hyper", "hyper-util"];
/// These name hyper alone: the client of providers, and the servers that stand in for them in tests.
const HYPER_USERS: &[&str] = &["alula-llm"];
const HYPER: &[&str] = &["hyper", "hyper-util"];

const RULE: &str = "imports";

/// Checks the dependencies that the manifests name, for tests and builds too.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Finding> {
    let finding = |advice| Finding::new(&package.manifest, 1, RULE, advice);
    let Some(may) = IMPORTS.iter().find(|imports| imports.name == package.name) else {
        return vec![finding(format!(
            "say in xtask/src/tidy/imports.rs what `{}` may import",
            package.name
        ))];
    };
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        let ours = IMPORTS.iter().any(|imports| imports.name == name);
        if ours && may.optional.contains(&name) {
            if !dependency.optional {
                findings.push(finding(format!(
                    "put `{name}` behind a feature: without it `{}` must build alone",
                    package.name
                )));
            }
        } else if ours && !may.any.contains(&name) && name != package.name {
            findings.push(finding(format!(
                "`{}` may not import `{name}`; move what both need down, or what uses it up",
                package.name
            )));
        }
        if WEB.contains(&name) && !may_name_web(&package.name, name) {
            findings.push(finding(format!(
                "use the public API of `alula` in place of `{name}`; only `alula` knows it"
            )));
        }
    }
    findings
}

fn may_name_web(package: &str, name: &str) -> bool {
    WEB_USERS.contains(&package) || (HYPER.contains(&name) && HYPER_USERS.contains(&package))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    #[track_caller]
    fn check_one(name: &str, dependencies: &[(&str, bool)], expected: &[&str]) {
        let dependencies = dependencies
            .iter()
            .map(|(name, optional)| Dependency { name: (*name).to_owned(), optional: *optional })
            .collect();
        let package = Package { name: name.to_owned(), dependencies, ..Package::default() };
        let advice: Vec<String> = check(&[package]).into_iter().map(|it| it.advice).collect();
        assert_eq!(advice.len(), expected.len(), "{advice:?}");
        for (advice, expected) in advice.iter().zip(expected) {
            assert!(advice.contains(expected), "{advice}");
        }
    }

    #[test]
    fn only_listed_imports_pass() {
        check_one("alula", &[("alula-macros", false), ("axum", false), ("serde", false)], &[]);
        check_one("alula-llm", &[("alula", false)], &["`alula-llm` may not import `alula`"]);
        check_one("alula-macros", &[("alula", true)], &["`alula-macros` may not import `alula`"]);
        check_one("alula-server", &[("alula", false), ("alula-llm", false)], &[]);
        check_one("xtask", &[("alula-llm", false)], &["`xtask` may not import `alula-llm`"]);
    }

    #[test]
    fn some_imports_need_a_feature() {
        check_one("alula", &[("alula-llm", true)], &[]);
        check_one("alula", &[("alula-llm", false)], &["put `alula-llm` behind a feature"]);
    }

    #[test]
    fn a_crate_may_test_itself_with_its_features() {
        check_one("alula-llm", &[("alula-llm", false)], &[]);
    }

    #[test]
    fn only_the_framework_knows_axum_and_hyper() {
        check_one("alula-server", &[("axum", false)], &["in place of `axum`"]);
        check_one("alula-server", &[("hyper", false)], &["in place of `hyper`"]);
        check_one("alula-llm", &[("hyper", false), ("hyper-util", false)], &[]);
        check_one("alula-llm", &[("axum", true)], &["in place of `axum`"]);
        check_one("alula-benches", &[("axum", false), ("alula", false)], &[]);
    }

    #[test]
    fn a_new_crate_must_be_listed() {
        check_one("alula-new", &[], &["what `alula-new` may import"]);
    }
}
