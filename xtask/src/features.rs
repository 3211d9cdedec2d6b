//! `cargo xtask features`: every crate builds with none, each and all of its features.
//!
//! The same as `cargo hack clippy --each-feature`, on a machine that only has cargo.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::{
    process,
    workspace::{Package, Workspace},
};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    ensure!(arguments.is_empty(), "it takes no arguments");
    check(&Workspace::load()?)
}

pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut checked = 0;
    for package in &workspace.packages {
        for features in selections(package) {
            process::run(&mut clippy(workspace, &package.name, &features))?;
            checked += 1;
        }
    }
    println!("{checked} selections of features build");
    Ok(())
}

/// The arguments that select features: none, one at a time, all.
///
/// What has no features is built by every other step.
fn selections(package: &Package) -> Vec<Vec<String>> {
    if package.features.is_empty() {
        return Vec::new();
    }
    let only = |feature: &String| {
        vec!["--no-default-features".to_owned(), "--features".to_owned(), feature.clone()]
    };
    let mut selections = vec![vec!["--no-default-features".to_owned()]];
    selections.extend(package.features.iter().map(only));
    selections.push(vec!["--all-features".to_owned()]);
    selections
}

/// Warnings are errors, too: an import that only some features use, for example.
fn clippy(workspace: &Workspace, package: &str, features: &[String]) -> Command {
    println!("{package} {}", features.join(" "));
    let mut command = process::cargo(&workspace.root);
    command.args(["clippy", "--quiet", "--package", package]).args(features);
    command.args(["--", "-D", "warnings"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_each_and_all_are_selected() {
        let features = vec!["default".to_owned(), "docs".to_owned()];
        let package = Package { features, ..Package::default() };
        let selections: Vec<String> =
            selections(&package).iter().map(|words| words.join(" ")).collect();
        assert_eq!(
            selections,
            [
                "--no-default-features",
                "--no-default-features --features default",
                "--no-default-features --features docs",
                "--all-features",
            ]
        );
    }

    #[test]
    fn a_package_without_features_needs_no_selection() {
        assert!(selections(&Package::default()).is_empty());
    }
}
