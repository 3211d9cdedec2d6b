//! What cargo says of the program: its package, and the folders of its sources.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio::process::Command;

use super::DevError;

/// What to build, in cargo's own options.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct CargoOptions {
    /// The package of the program, in a workspace.
    #[arg(short, long, value_name = "NAME")]
    package: Option<String>,
    /// The program, if the package has several.
    #[arg(long, value_name = "NAME")]
    bin: Option<String>,
    /// Features of the package, separated by commas.
    #[arg(short = 'F', long, value_name = "NAMES")]
    features: Vec<String>,
    /// All features of the package.
    #[arg(long)]
    all_features: bool,
    /// Without the default features of the package.
    #[arg(long)]
    no_default_features: bool,
    /// With optimizations.
    #[arg(short, long)]
    release: bool,
}

impl CargoOptions {
    fn features(&self) -> Vec<&str> {
        let named = self.features.iter().flat_map(|names| ["--features", names.as_str()]);
        let all = self.all_features.then_some("--all-features");
        let none = self.no_default_features.then_some("--no-default-features");
        named.chain(all).chain(none).collect()
    }
}

/// The program that is developed.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) bin: String,
    package: String,
    /// The folder of its package, and those that it and its workspace depend on by path. The build
    /// knows of more.
    pub(super) folders: Vec<PathBuf>,
    pub(super) workspace: PathBuf,
}

impl Program {
    /// Asks cargo, which needs no network for this.
    pub(super) async fn find(options: &CargoOptions) -> Result<Self, DevError> {
        let mut command = Command::new("cargo");
        command.args(["metadata", "--no-deps", "--format-version", "1"]);
        let output = command.kill_on_drop(true).output().await.map_err(DevError::NoCargo)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(DevError::Package(said));
        }
        let metadata: Metadata = serde_json::from_slice(&output.stdout)
            .map_err(|error| DevError::Package(format!("cargo metadata: {error}")))?;
        let here = std::env::current_dir().map_err(DevError::NoCargo)?;
        let manifest = here.ancestors().map(|it| it.join("Cargo.toml")).find(|it| it.is_file());
        metadata.program(options, &manifest.unwrap_or_default()).map_err(DevError::Package)
    }

    /// The command that builds it.
    pub(super) fn build(&self, options: &CargoOptions) -> Command {
        let mut command = Command::new("cargo");
        command.args(["build", "--message-format", "json-render-diagnostics"]);
        command.args(["--package", &self.package, "--bin", &self.bin]).args(options.features());
        if options.release {
            command.arg("--release");
        }
        command
    }
}

#[cfg(test)]
impl Program {
    /// A program whose only package is in this folder.
    pub(super) fn in_folder(folder: &Path) -> Self {
        let name = || "app".to_owned();
        let folder = folder.to_owned();
        Self { bin: name(), package: name(), folders: vec![folder.clone()], workspace: folder }
    }
}

/// The packages of a workspace.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_default_members: Vec<String>,
    workspace_root: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
    default_run: Option<String>,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    /// The folder of a package on this machine.
    path: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Metadata {
    /// The program that is meant in the folder of a manifest.
    fn program(self, options: &CargoOptions, manifest: &Path) -> Result<Program, String> {
        let (package, bin) = self.choose(options, manifest)?;
        let mut folders: Vec<&Path> = package.manifest_path.parent().into_iter().collect();
        let mut next = 0;
        while let Some(folder) = folders.get(next).copied() {
            next += 1;
            let packages =
                self.packages.iter().filter(|it| it.manifest_path.parent() == Some(folder));
            for path in packages.flat_map(|it| &it.dependencies).filter_map(|it| it.path.as_ref()) {
                if !folders.contains(&path.as_path()) {
                    folders.push(path);
                }
            }
        }
        Ok(Program {
            bin: bin.to_owned(),
            package: package.name.clone(),
            folders: folders.into_iter().map(Path::to_owned).collect(),
            workspace: self.workspace_root.clone(),
        })
    }

    /// The package and the program in it that are meant, as `cargo run` chooses them.
    fn choose(&self, options: &CargoOptions, manifest: &Path) -> Result<(&Package, &str), String> {
        let here = self.packages.iter().any(|package| package.manifest_path == manifest);
        let meant = |package: &&Package| match &options.package {
            Some(name) => package.name == *name,
            None if here => package.manifest_path == manifest,
            None => self.workspace_default_members.contains(&package.id),
        };
        let packages: Vec<&Package> = self.packages.iter().filter(meant).collect();
        let bins = || {
            packages.iter().flat_map(|package| {
                let bins = package.targets.iter().filter(|it| it.kind.iter().any(|it| it == "bin"));
                bins.map(|target| (*package, target.name.as_str()))
            })
        };
        let wanted = |(package, bin): &(&Package, &str)| match &options.bin {
            Some(name) => bin == name,
            None => package.default_run.as_deref().is_none_or(|name| name == *bin),
        };
        let found: Vec<_> = bins().filter(wanted).collect();
        let names = || bins().map(|(_, name)| name).collect::<Vec<_>>().join(", ");
        match (found.as_slice(), &options.package) {
            ([one], _) => Ok(*one),
            ([], Some(name)) if packages.is_empty() => Err(format!("there is no package `{name}`")),
            ([], _) if names().is_empty() => {
                Err("there is no program here, only libraries".to_owned())
            }
            ([], _) => Err(format!("there is no such program; there are {}", names())),
            _ => Err(format!("there are several programs; choose one with --bin: {}", names())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn package(name: &str, bins: &[&str], path: Option<&str>) -> Value {
        let targets: Vec<Value> =
            bins.iter().map(|name| json!({"name": name, "kind": ["bin"]})).collect();
        json!({
            "id": name, "name": name, "targets": targets, "default_run": null,
            "manifest_path": format!("{name}/Cargo.toml"),
            "dependencies": [{"path": path}, {"path": null}],
        })
    }

    fn find(folder: &str, options: &CargoOptions) -> Result<Program, String> {
        let metadata: Metadata = serde_json::from_value(json!({
            "packages": [
                package("app", &["app"], Some("library")),
                package("tools", &["one", "two"], None),
                package("library", &[], Some("elsewhere")),
            ],
            "workspace_default_members": ["app", "tools", "library"],
            "workspace_root": "root",
        }))
        .unwrap();
        metadata.program(options, &Path::new(folder).join("Cargo.toml"))
    }

    #[test]
    fn the_only_program_of_the_package() {
        let program = find("app", &CargoOptions::default()).unwrap();
        assert_eq!((program.bin.as_str(), program.package.as_str()), ("app", "app"));
        assert_eq!(program.folders, ["app", "library", "elsewhere"].map(PathBuf::from));
    }

    #[test]
    fn one_of_several_is_chosen_by_name() {
        let bin = |name: &str| CargoOptions { bin: Some(name.to_owned()), ..Default::default() };
        assert_eq!(find("", &bin("two")).unwrap().package, "tools");
        let package = CargoOptions { package: Some("app".to_owned()), ..Default::default() };
        assert_eq!(find("tools", &package).unwrap().bin, "app");
    }

    #[test]
    fn what_cannot_be_chosen_is_told() {
        let check = |folder: &str, options: CargoOptions, part: &str| {
            let why = find(folder, &options).unwrap_err();
            assert!(why.contains(part), "{why}");
        };
        check("tools", CargoOptions::default(), "--bin: one, two");
        check("library", CargoOptions::default(), "only libraries");
        let bin = CargoOptions { bin: Some("x".to_owned()), ..Default::default() };
        check("tools", bin, "there are one, two");
        let package = CargoOptions { package: Some("serde".to_owned()), ..Default::default() };
        check("", package, "no package `serde`");
    }
}
