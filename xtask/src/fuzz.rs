//! `cargo xtask fuzz`: libFuzzer on what reads bytes from the network.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{process, workspace::Workspace};

/// Seconds for each target unless `--seconds` says otherwise.
const SECONDS: u64 = 60;

/// The tool, as cargo installs it below `target/tools`.
const TOOL: &str = "cargo-fuzz@0.13.2";

/// No input is longer, so that none is slow.
const INPUT_BYTES_MAX: u32 = 4096;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let workspace = Workspace::load()?;
    let (mut seconds, mut chosen) = (SECONDS, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => {
                let value = arguments.next().context("`--seconds` needs a number")?;
                seconds = value.parse().with_context(|| format!("`{value}` is no number"))?;
            }
            option if option.starts_with('-') => bail!("`{option}` is no option"),
            target => chosen.push(target.to_owned()),
        }
    }
    let targets = targets(&workspace.root)?;
    if let Some(unknown) = chosen.iter().find(|name| !targets.contains(name)) {
        bail!("no target is called `{unknown}`; there are {}", targets.join(", "));
    }
    let tool = install(&workspace)?;
    let targets = if chosen.is_empty() { targets } else { chosen };
    targets.iter().try_for_each(|target| fuzz(&workspace, &tool, target, seconds))
}

/// Runs every target for a short while, if the tools are there or may be installed.
pub(crate) fn check(workspace: &Workspace, install_tool: bool, seconds: u64) -> Result<()> {
    if process::find("c++").is_none() {
        println!("skipped: libFuzzer needs a C++ compiler, and there is no `c++`");
        return Ok(());
    }
    let tool = if install_tool { Some(install(workspace)?) } else { find(workspace) };
    let Some(tool) = tool else {
        println!("skipped: cargo-fuzz is not installed; `cargo xtask fuzz` does it");
        return Ok(());
    };
    let targets = targets(&workspace.root)?;
    targets.iter().try_for_each(|target| fuzz(workspace, &tool, target, seconds))
}

/// The names of the targets, which are those of their files.
fn targets(root: &Path) -> Result<Vec<String>> {
    let files = fs::read_dir(root.join("fuzz/fuzz_targets")).context("no fuzz targets")?;
    let mut names = Vec::new();
    for file in files {
        let path = file?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    ensure!(!names.is_empty(), "no fuzz targets");
    Ok(names)
}

fn find(workspace: &Workspace) -> Option<PathBuf> {
    let own = workspace.target.join("tools/bin/cargo-fuzz");
    process::find("cargo-fuzz").or_else(|| own.is_file().then_some(own))
}

fn install(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(tool) = find(workspace) {
        return Ok(tool);
    }
    let root = workspace.target.join("tools");
    let mut command = process::cargo(&workspace.root);
    command.args(["install", "--quiet", "--locked", TOOL, "--root"]).arg(root);
    process::run(&mut command)?;
    find(workspace).context("cargo-fuzz is not where cargo installs it")
}

/// Without a sanitizer, which is what stable Rust can do: the project has no unsafe code of its
/// own. What a run finds is kept in `fuzz/artifacts`, and the corpus grows in `fuzz/corpus`.
fn fuzz(workspace: &Workspace, tool: &Path, target: &str, seconds: u64) -> Result<()> {
    println!("{target}: {seconds} s");
    let folder = workspace.root.join("fuzz");
    let corpus = folder.join("corpus").join(target);
    fs::create_dir_all(&corpus).context("cannot make the folder of the corpus")?;
    let mut command = Command::new(tool);
    command.current_dir(&folder).env("CARGO_TARGET_DIR", workspace.target.join("fuzz"));
    command.args(["fuzz", "run", "--fuzz-dir", ".", "--sanitizer", "none", target]);
    command.arg(corpus).arg(folder.join("seeds").join(target)).arg("--");
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-max_len={INPUT_BYTES_MAX}")).args(["-timeout=10", "-verbosity=0"]);
    command.args(["-print_final_stats=1", "-print_funcs=0"]);
    // It says much that only matters when it finds something.
    let output = command.stdin(Stdio::null()).output().context("cannot run cargo-fuzz")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}\n`{target}` ended with {}", output.status);
    let executed =
        said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let executed = executed.context("cargo-fuzz did not say how many inputs it tried")?;
    println!("{target}: {} inputs", executed.trim());
    Ok(())
}
