//! `cargo xtask test`: everything that has to hold before a change is taken.

use std::{
    env,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    chaos, deny, differential, features, fuzz, mcp, process, schemathesis, tally::Tally, tidy,
    tools::Tools, workspace::Workspace,
};

/// Seconds for each fuzz target: enough to see that it works.
const FUZZ_SECONDS: u64 = 5;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let workspace = Workspace::load()?;
    let mut steps = Steps::default();
    let tools = if options.install {
        steps.run("install", || Tools::install(&workspace))?
    } else {
        Tools::find(&workspace)
    };
    let mut tally = Tally::default();
    check(&mut steps, &workspace, &tools, &mut tally)?;
    if options.thorough {
        check_thoroughly(&mut steps, &workspace, &tools, options.install)?;
    }
    steps.print();
    println!("tests: {tally}");
    Ok(())
}

/// The edit loop.
fn check(steps: &mut Steps, workspace: &Workspace, tools: &Tools, tally: &mut Tally) -> Result<()> {
    let cargo = |words: &[&str]| cargo(workspace, words);
    steps.run("fmt", || process::run(&mut cargo(&["fmt", "--all", "--check"])))?;
    steps.run("clippy", || {
        let everything = ["--workspace", "--all-targets", "--all-features"];
        process::run(cargo(&["clippy"]).args(everything).args(["--", "-D", "warnings"]))
    })?;
    steps.run("tidy", || tidy::check(workspace))?;
    steps.run("supply chain", || deny::check(workspace))?;
    steps.run("tests", || {
        let mut command = cargo(tests_command());
        command.args(["--workspace", "--all-features"]);
        tools.tell(&mut command);
        process::run_observed(&mut command, |line| tally.read(line))
    })?;
    steps.run("doc tests", || {
        let mut command = cargo(&["test", "--doc", "--workspace", "--all-features"]);
        process::run_observed(&mut command, |line| tally.read(line))
    })
}

/// What `--quick` leaves out.
fn check_thoroughly(
    steps: &mut Steps,
    workspace: &Workspace,
    tools: &Tools,
    install: bool,
) -> Result<()> {
    steps.run("chaos", || chaos::check(workspace, tools.has_postgres()))?;
    steps.run("differential", || differential::check(workspace, install))?;
    steps.run("MCP", || mcp::check(workspace, install))?;
    steps.run("schemathesis", || schemathesis::check(workspace, install))?;
    steps.run("fuzz", || fuzz::check(workspace, install, FUZZ_SECONDS))?;
    steps.run("features", || features::check(workspace))?;
    steps.run("documentation", || {
        // Only libraries: the pages of the binary `alula` would replace those of the library.
        let words = ["doc", "--workspace", "--lib", "--no-deps", "--all-features"];
        process::run(cargo(workspace, &words).env("RUSTDOCFLAGS", "-D warnings"))
    })
}

fn cargo(workspace: &Workspace, words: &[&str]) -> Command {
    let mut command = process::cargo(&workspace.root);
    command.args(words);
    command
}

/// cargo-nextest if it is there: it runs the tests of all crates at once, each in a process.
fn tests_command() -> &'static [&'static str] {
    match (process::find("cargo-nextest"), env::var_os("CI")) {
        (Some(_), Some(_)) => &["nextest", "run", "--profile", "ci"],
        (Some(_), None) => &["nextest", "run"],
        (None, _) => &["test", "--tests", "--lib", "--bins"],
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Options {
    install: bool,
    /// Also what takes longer than an edit loop should.
    thorough: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self { install: true, thorough: true };
        for argument in arguments {
            match argument.as_str() {
                "--quick" => options = Self { install: false, thorough: false },
                "--no-install" => options.install = false,
                _ => bail!("`{argument}` is no option; there are --quick and --no-install"),
            }
        }
        Ok(options)
    }
}

/// The steps that are done, and how long each took.
#[derive(Debug, Default)]
struct Steps(Vec<(&'static str, Duration)>);

impl Steps {
    fn run<T>(&mut self, name: &'static str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("==> {name}");
        let started = Instant::now();
        let outcome = step();
        let took = started.elapsed();
        println!("==> {name}: {:.1} s", took.as_secs_f64());
        self.0.push((name, took));
        outcome.with_context(|| format!("the step `{name}` failed"))
    }

    fn print(&self) {
        println!();
        for (name, took) in &self.0 {
            println!("{name:<16}{:>8.1} s", took.as_secs_f64());
        }
        let total: Duration = self.0.iter().map(|(_, took)| took).sum();
        println!("{:<16}{:>8.1} s", "all", total.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options> {
        Options::parse(&arguments.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options() {
        let options = |install, thorough| Options { install, thorough };
        assert_eq!(parse(&[]).unwrap(), options(true, true));
        assert_eq!(parse(&["--no-install"]).unwrap(), options(false, true));
        assert_eq!(parse(&["--quick"]).unwrap(), options(false, false));
        assert_eq!(parse(&["--no-install", "--quick"]).unwrap(), options(false, false));
        let error = parse(&["--fast"]).unwrap_err();
        assert!(error.to_string().starts_with("`--fast` is no option"), "{error}");
    }

    #[test]
    fn a_step_that_fails_is_named() {
        let mut steps = Steps::default();
        assert_eq!(steps.run("first", || Ok(7)).unwrap(), 7);
        let error = steps.run("second", || -> Result<()> { bail!("no luck") }).unwrap_err();
        assert_eq!(format!("{error:#}"), "the step `second` failed: no luck");
        assert_eq!(steps.0.len(), 2);
    }
}
