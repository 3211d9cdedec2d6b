//! `alula new`: what it makes builds, passes its tests, and is as tidy as this repository.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::alula;

/// A folder that outlives the test, so that the next run finds what was compiled.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("new")
}

/// Makes an application, with the versions of the crates that this workspace uses.
pub(crate) fn make(name: &str) -> PathBuf {
    let root = folder().join(name);
    let _ = fs::remove_dir_all(&root);
    let ended = alula(&["new", root.to_str().unwrap()]).end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains(&format!("Made {name}: ")), "{}", ended.stdout);
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    fs::copy(lock, root.join("Cargo.lock")).unwrap();
    root
}

/// Cargo in the folder of an application.
fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root).envs(cargo_variables());
    command
}

/// What tells cargo to put its artifacts beside the applications, and to fetch nothing.
pub(crate) fn cargo_variables() -> [(&'static str, PathBuf); 2] {
    [("CARGO_TARGET_DIR", folder().join("target")), ("CARGO_NET_OFFLINE", "true".into())]
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let printed = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{printed}");
    assert!(!printed.contains("warning"), "{command:?}\n{printed}");
}

#[test]
fn what_it_makes_builds_and_passes_its_tests() {
    let root = make("parrot-api");
    run(cargo(&root).args(["fmt", "--check"]));
    run(cargo(&root).args(["test", "--quiet"]));
    run(cargo(&root).args(["clippy", "--quiet", "--all-targets", "--", "-D", "warnings"]));
}

#[test]
fn it_is_tidy_with_any_name() {
    for name in ["a", "z", &"a-long-name-".repeat(5)] {
        let root = make(name);
        run(cargo(&root).args(["fmt", "--check"]));
    }
}

#[test]
fn what_is_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("app");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("notes"), "mine").unwrap();
    let ended = alula(&["new", root.to_str().unwrap()]).end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("is not empty: there is `notes`"), "{}", ended.stderr);
    assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
}

#[test]
fn the_help_has_examples() {
    let ended = alula(&["new", "--help"]).end();
    assert!(ended.stdout.contains("alula new parrot"), "{}", ended.stdout);
}
