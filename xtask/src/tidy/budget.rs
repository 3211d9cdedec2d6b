//! How much code of others we bring.

use std::{collections::BTreeSet, path::Path};

use anyhow::Result;

use super::Finding;
use crate::process;

/// The most packages that a crate may be built from, itself included.
struct Budget {
    package: &'static str,
    edges: &'static str,
    packages_max: usize,
}

const BUDGETS: &[Budget] = &[
    Budget { package: "alula", edges: "normal", packages_max: 90 },
    Budget { package: "alula-server", edges: "normal,build,dev", packages_max: 350 },
];

/// Counts the packages that cargo would build, with the default features.
pub(super) fn check_trees(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for budget in BUDGETS {
        let words =
            ["tree", "--locked", "--prefix", "none", "-p", budget.package, "-e", budget.edges];
        let tree = process::output(process::cargo(root).args(words))?;
        findings.extend(check_tree(budget, &tree));
    }
    Ok(findings)
}

fn check_tree(budget: &Budget, tree: &str) -> Option<Finding> {
    let packages = packages(tree).len();
    let Budget { package, edges, packages_max } = budget;
    (packages > *packages_max).then(|| {
        let advice = format!(
            "`{package}` is built from {packages} packages, its budget is {packages_max}; \
             see `cargo tree -p {package} -e {edges}`"
        );
        Finding::new("Cargo.lock", 1, "budget", advice)
    })
}

/// The different packages of a tree: each line starts with a name and a version.
fn packages(tree: &str) -> BTreeSet<(&str, &str)> {
    let lines = tree.lines().map(str::split_whitespace);
    lines.filter_map(|mut words| Some((words.next()?, words.next()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "\
alula v0.1.0 (crates/alula)
serde v1.0.229
serde_derive v1.0.229 (proc-macro)
serde v1.0.229 (*)
syn v2.0.119
syn v3.0.10
";

    #[test]
    fn each_version_of_a_package_counts_once() {
        assert_eq!(packages(TREE).len(), 5);
    }

    #[test]
    fn a_tree_over_its_budget_is_found() {
        let budget = |packages_max| Budget { package: "alula", edges: "normal", packages_max };
        assert_eq!(check_tree(&budget(5), TREE), None);
        let finding = check_tree(&budget(4), TREE).unwrap();
        assert!(finding.advice.starts_with("`alula` is built from 5 packages, its budget is 4"));
    }
}
