//! Runs other programs.

use std::{
    env,
    ffi::OsStr,
    io::{self, BufRead as _, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
};

use anyhow::{Context as _, Result, ensure};

use crate::workspace::Workspace;

/// Runs a program that prints to our own streams.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| cannot_run(command))?;
    ensure!(status.success(), "`{}` ended with {status}", line(command));
    Ok(())
}

/// Runs a program and returns what it printed to its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| cannot_run(command))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`{}` ended with {}\n{}",
        line(command),
        output.status,
        stderr.trim_end(),
    );
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed no valid UTF-8", line(command)))
}

/// Runs a program, prints what it prints and gives `observe` every line of both streams.
pub(crate) fn run_observed(command: &mut Command, observe: impl FnMut(&str) + Send) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| cannot_run(command))?;
    let observe = Mutex::new(observe);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let copied = thread::scope(|scope| {
        let err = scope.spawn(|| copy_lines(stderr, io::stderr(), &observe));
        let out = copy_lines(stdout, io::stdout(), &observe);
        out.and(err.join().unwrap_or(Ok(())))
    });
    let status = child.wait().with_context(|| cannot_run(command))?;
    ensure!(status.success(), "`{}` ended with {status}", line(command));
    copied.with_context(|| format!("cannot pass on the output of `{}`", line(command)))
}

fn copy_lines(
    from: Option<impl Read>,
    mut to: impl Write,
    observe: &Mutex<impl FnMut(&str)>,
) -> io::Result<()> {
    let Some(from) = from else { return Ok(()) };
    let mut from = BufReader::new(from);
    let mut bytes = Vec::new();
    while from.read_until(b'\n', &mut bytes)? > 0 {
        to.write_all(&bytes)?;
        to.flush()?;
        let mut observe = observe.lock().unwrap_or_else(PoisonError::into_inner);
        (*observe)(&String::from_utf8_lossy(&bytes));
        bytes.clear();
    }
    Ok(())
}

/// The cargo that started us, at the root of the workspace.
///
/// `cargo run` describes this package in the environment. Build scripts that watch those names
/// would run again each time one goes from `cargo xtask` to `cargo build` and back.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    for (name, _) in env::vars_os() {
        let ours = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        if ours {
            command.env_remove(name);
        }
    }
    command
}

/// Builds an example with all features, and says where its program is.
pub(crate) fn build_example(workspace: &Workspace, package: &str, name: &str) -> Result<PathBuf> {
    let mut command = cargo(&workspace.root);
    command.args(["build", "--package", package, "--all-features", "--example", name]);
    run(&mut command)?;
    Ok(workspace.target.join("debug/examples").join(name))
}

/// Where a program is on the `PATH`.
pub(crate) fn find(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let name = name.as_ref();
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

fn cannot_run(command: &Command) -> String {
    format!("cannot run `{}`", line(command))
}

/// The command as one would type it, without the directory of the program.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words: Vec<_> = std::iter::once(program)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failure_names_the_command_and_its_status() {
        let error = run(&mut shell("exit 3")).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c exit 3` ended with exit status: 3");
        let error = output(&mut shell("echo why >&2; exit 1")).unwrap_err();
        assert!(error.to_string().ends_with("exit status: 1\nwhy"), "{error}");
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert_eq!(error.to_string(), "cannot run `no-such-program-here`");
    }

    #[test]
    fn both_streams_are_observed_line_by_line() {
        let mut lines = Vec::new();
        run_observed(&mut shell("echo one; echo two >&2"), |line| lines.push(line.to_owned()))
            .unwrap();
        lines.sort();
        assert_eq!(lines, ["one\n", "two\n"]);
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program-here"), None);
    }
}
