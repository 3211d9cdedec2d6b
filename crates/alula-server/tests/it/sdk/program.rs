//! Programs in other languages, which ask a server and check what they read.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command as StdCommand, Stdio},
    time::Duration,
};

use alula_llm::testing::FakeProvider;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::process::Alula;

/// How soon a provider must notice that a client has left.
const SOON: Duration = Duration::from_secs(1);
/// The longest run of a program. On a busy machine its imports alone take many seconds.
const RUN_MAX: Duration = Duration::from_secs(120);

/// A language, where it is installed.
#[derive(Debug)]
pub(super) enum Language {
    /// The interpreter.
    Python(PathBuf),
    /// The folder with the packages.
    Node(PathBuf),
}

impl Language {
    /// A Python that has this package; without one the test is skipped, unless all have to run.
    pub(super) fn python(package: &str) -> Option<Self> {
        let python = setting("ALULA_TEST_PYTHON").map(PathBuf::from);
        // To import it takes seconds.
        let look = "import sys, importlib.util as u; sys.exit(not u.find_spec(sys.argv[1]))";
        let has_package =
            |python: &PathBuf| succeeds(StdCommand::new(python).args(["-c", look, package]));
        let found = python.filter(has_package).map(Self::Python);
        found.or_else(|| skipped(&format!("no Python with {package}; see ALULA_TEST_PYTHON")))
    }

    /// A Node with the packages of npm; without them the test is skipped, likewise.
    pub(super) fn node() -> Option<Self> {
        let dir = setting("ALULA_TEST_NODE").map(PathBuf::from);
        let has_node = |_: &PathBuf| succeeds(StdCommand::new("node").arg("--version"));
        let found = dir.filter(has_node).map(Self::Node);
        found.or_else(|| skipped("no Node with the packages of npm; see ALULA_TEST_NODE"))
    }

    /// The command that runs this text.
    fn command(&self, text: &str) -> Command {
        match self {
            Self::Python(python) => {
                let mut command = Command::new(python);
                command.args(["-c", text]);
                command
            }
            Self::Node(dir) => {
                // A module that is given as text finds its packages where it is run.
                let mut command = Command::new("node");
                command.args(["--input-type=module", "--eval", text, "--"]).current_dir(dir);
                command
            }
        }
    }

    /// Runs a program of this folder, which prints `read` when it was answered well.
    ///
    /// Where it prints `left` it has broken off a call, and goes on when it reads a line: by then
    /// one of the providers has noticed.
    pub(super) async fn run(
        &self,
        file: &str,
        alula: &Alula,
        arguments: &[&str],
        providers: &[&FakeProvider],
    ) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sdk").join(file);
        let mut command = self.command(&std::fs::read_to_string(path).unwrap());
        command.arg(alula.url("")).args(arguments);
        let said = converse(command, providers).await;
        assert_eq!(said, "read", "the last line of {file}");
    }

    /// Runs a text and returns what it prints.
    pub(super) async fn run_text(&self, text: &str) -> String {
        converse(self.command(text), &[]).await
    }
}

/// What a program says last, if it ends well.
async fn converse(mut command: Command, providers: &[&FakeProvider]) -> String {
    command.env("NO_PROXY", "127.0.0.1").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut complaint = child.stderr.take().unwrap();
    let mut text = String::new();
    let both =
        async { tokio::join!(listen(&mut child, providers), complaint.read_to_string(&mut text)) };
    let (said, _) = timeout(RUN_MAX, both).await.expect("the program ends");
    let status = child.wait().await.unwrap();
    assert!(status.success(), "{said}\n{text}");
    said
}

/// Reads the lines of a program to the last, and answers those that ask.
async fn listen(child: &mut Child, providers: &[&FakeProvider]) -> String {
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line == "left" {
            let noticed = providers.iter().map(|it| Box::pin(it.disconnected()));
            let noticed = timeout(SOON, futures_util::future::select_all(noticed)).await;
            assert!(noticed.is_ok(), "the upstream goes on for nobody");
            stdin.write_all(b"\n").await.unwrap();
        }
        last = line;
    }
    last
}

fn succeeds(command: &mut StdCommand) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn skipped<T>(why: &str) -> Option<T> {
    assert!(setting("ALULA_TEST_REQUIRE").is_none_or(|value| value != "1"), "{why}");
    println!("skipped: {why}");
    None
}

#[expect(clippy::disallowed_methods, reason = "a test has no other configuration")]
fn setting(name: &str) -> Option<OsString> {
    env::var_os(name)
}
