//! What cargo says about this workspace.

use std::{env, path::PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process;

/// The workspace and its packages.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A package of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its manifest, relative to the root of the workspace.
    pub(crate) manifest: String,
    pub(crate) description: Option<String>,
    pub(crate) readme: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
    /// Their names, also `default`.
    pub(crate) features: Vec<String>,
}

/// A dependency as a manifest names it.
#[derive(Debug, Default)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) optional: bool,
}

impl Workspace {
    /// Asks cargo about the workspace of the current directory.
    pub(crate) fn load() -> Result<Self> {
        let here = env::current_dir().context("there is no current directory")?;
        let metadata = process::output(process::cargo(&here).args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
        ]))?;
        let metadata = serde_json::from_str(&metadata).context("cargo printed broken metadata")?;
        Self::from_metadata(&metadata).context("cargo's metadata lacks a field")
    }

    fn from_metadata(metadata: &Value) -> Option<Self> {
        let root = metadata.get("workspace_root")?.as_str()?;
        let packages = metadata.get("packages")?.as_array()?;
        Some(Self {
            root: root.into(),
            target: metadata.get("target_directory")?.as_str()?.into(),
            packages: packages
                .iter()
                .map(|it| Package::from_metadata(it, root))
                .collect::<Option<_>>()?,
        })
    }
}

impl Package {
    fn from_metadata(package: &Value, root: &str) -> Option<Self> {
        let manifest = package.get("manifest_path")?.as_str()?;
        let text = |name| package.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            name: text("name")?,
            manifest: manifest
                .strip_prefix(root)
                .unwrap_or(manifest)
                .trim_start_matches('/')
                .to_owned(),
            description: text("description"),
            readme: text("readme"),
            dependencies: package
                .get("dependencies")?
                .as_array()?
                .iter()
                .map(|dependency| {
                    Some(Dependency {
                        name: dependency.get("name")?.as_str()?.to_owned(),
                        optional: dependency.get("optional")?.as_bool()?,
                    })
                })
                .collect::<Option<_>>()?,
            features: package.get("features")?.as_object()?.keys().cloned().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_interest_are_read() {
        let metadata = serde_json::json!({
            "workspace_root": "/repo",
            "target_directory": "/repo/target",
            "packages": [{
                "name": "bird",
                "manifest_path": "/repo/crates/bird/Cargo.toml",
                "description": null,
                "readme": "README.md",
                "dependencies": [{ "name": "wing", "optional": true }],
                "features": { "default": ["down"], "down": [] },
            }],
        });
        let workspace = Workspace::from_metadata(&metadata).unwrap();
        let [bird] = workspace.packages.as_slice() else { panic!("one package") };
        assert_eq!(bird.manifest, "crates/bird/Cargo.toml");
        assert_eq!(
            (bird.description.as_deref(), bird.readme.as_deref()),
            (None, Some("README.md"))
        );
        assert_eq!(bird.features, ["default", "down"]);
        let [wing] = bird.dependencies.as_slice() else { panic!("one dependency") };
        assert_eq!((wing.name.as_str(), wing.optional), ("wing", true));
    }
}
