//! Building and running, again and again.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::sleep,
};

use super::{
    Dev, DevError,
    group::Group,
    package::Program,
    ready,
    watch::{Watch, built_from},
};

/// After this long without an answer, the person at the terminal may want to know why.
const SILENCE_MAX: Duration = Duration::from_secs(10);

pub(super) struct Session {
    dev: Dev,
    address: SocketAddr,
    program: Program,
    watch: Watch,
    say: fn(&str),
    /// Cargo, while it builds.
    cargo: Option<Group>,
    running: Option<Group>,
}

/// How a build ended.
enum Built {
    /// With this program.
    Program(PathBuf),
    Failed,
    /// Something changed meanwhile.
    Outdated,
}

impl Session {
    pub(super) fn new(
        dev: Dev,
        address: SocketAddr,
        program: Program,
        watch: Watch,
        say: fn(&str),
    ) -> Self {
        Self { dev, address, program, watch, say, cargo: None, running: None }
    }

    /// Builds and runs for ever. It may be dropped at any wait; [`end`](Self::end) follows.
    pub(super) async fn run(&mut self) -> Result<(), DevError> {
        self.look_at(Vec::new())?;
        self.tell(&format!("building {}", self.program.bin));
        let mut start = Instant::now();
        loop {
            match self.build().await? {
                Built::Program(path) => {
                    self.look_at(built_from(&path))?;
                    self.replace(&path).await?;
                    self.wait_until_ready(start).await;
                }
                Built::Failed if self.running.is_some() => {
                    self.tell("the build failed; the program of before goes on");
                }
                Built::Failed => self.tell("the build failed; waiting for a change"),
                Built::Outdated => {}
            }
            self.wait_for_change().await;
            start = Instant::now();
            let changed = self.watch.take().await;
            self.tell(&format!("{} changed, building", shown(changed.as_deref())));
            if changed.is_some_and(|path| path.ends_with("Cargo.toml")) {
                self.ask_cargo_again().await?;
            }
        }
    }

    /// Ends what was started.
    pub(super) async fn end(self) {
        if let Some(cargo) = self.cargo {
            cargo.kill().await;
        }
        if let Some(running) = self.running {
            running.stop().await;
        }
    }

    async fn build(&mut self) -> Result<Built, DevError> {
        let mut command = self.program.build(&self.dev.cargo);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let cargo = Group::start(&mut command).map_err(DevError::NoCargo)?;
        let changed = self.watch.changed();
        let bin = &self.program.bin;
        let cargo = self.cargo.insert(cargo);
        let built = tokio::select! {
            built = finish(cargo, bin) => built,
            () = changed => Built::Outdated,
        };
        if let Some(cargo) = self.cargo.take() {
            // It has ended by itself, unless its work is out of date.
            cargo.kill().await;
        }
        Ok(built)
    }

    /// Runs a new program in place of the old one, which has the port.
    async fn replace(&mut self, path: &Path) -> Result<(), DevError> {
        if let Some(old) = self.running.take() {
            old.stop().await;
        }
        let mut command = Command::new(path);
        command.args(&self.dev.arguments).stdin(Stdio::null());
        for prefix in ["", "ALULA_", "APP_"] {
            command.env(format!("{prefix}HOST"), self.address.ip().to_string());
            command.env(format!("{prefix}PORT"), self.address.port().to_string());
        }
        match Group::start(&mut command) {
            Ok(running) => self.running = Some(running),
            Err(error) => self.tell(&format!("{} cannot be started: {error}", path.display())),
        }
        Ok(())
    }

    /// Waits until the program answers, ends, or is out of date.
    async fn wait_until_ready(&mut self, start: Instant) {
        let address = ready::reachable(self.address);
        let changed = self.watch.changed();
        let Some(running) = &mut self.running else { return };
        let (say, silent) = (self.say, sleep(SILENCE_MAX));
        let answers = async {
            tokio::select! {
                () = ready::listening(address) => return,
                () = silent => {}
            }
            tell(
                say,
                &format!(
                    "nothing listens on {address} yet; the program has to read its address from \
                 APP_HOST and APP_PORT, or HOST and PORT"
                ),
            );
            ready::listening(address).await;
        };
        tokio::select! {
            () = answers => {
                let took = start.elapsed().as_secs_f64();
                let docs = match ready::has_docs(address).await {
                    true => format!("; docs at http://{address}/docs"),
                    false => String::new(),
                };
                self.tell(&format!("ready in {took:.1} s on http://{address}{docs}"));
            }
            ended = running.ended() => self.say_end(ended.ok()),
            () = changed => {}
        }
    }

    /// Waits for a change, and meanwhile for the end of the program.
    async fn wait_for_change(&mut self) {
        let changed = self.watch.changed();
        tokio::pin!(changed);
        while let Some(running) = &mut self.running {
            tokio::select! {
                () = &mut changed => return,
                ended = running.ended() => self.say_end(ended.ok()),
            }
        }
        changed.await;
    }

    fn say_end(&mut self, status: Option<ExitStatus>) {
        self.running = None;
        let how = status.map_or_else(String::new, |status| format!(" ({status})"));
        self.tell(&format!("the program has ended{how}; waiting for a change"));
    }

    /// A manifest may have changed what there is to build; one that is broken is for the build to
    /// tell.
    async fn ask_cargo_again(&mut self) -> Result<(), DevError> {
        if let Ok(program) = Program::find(&self.dev.cargo).await {
            self.program = program;
            self.look_at(Vec::new())?;
        }
        Ok(())
    }

    fn look_at(&mut self, built: Vec<PathBuf>) -> Result<(), DevError> {
        self.watch.look_at(&self.program, built).map_err(DevError::Watch)
    }

    fn tell(&self, text: &str) {
        tell(self.say, text);
    }
}

fn tell(say: fn(&str), text: &str) {
    say(&format!("alula dev: {text}"));
}

/// The path as the person at the terminal would write it.
fn shown(path: Option<&Path>) -> String {
    let Some(path) = path else { return "something".to_owned() };
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// What cargo says of a target that it has built.
#[derive(Debug, Deserialize)]
struct Artifact {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Waits for the end of a build. What is wrong with the sources, cargo tells by itself.
async fn finish(cargo: &mut Group, bin: &str) -> Built {
    let mut program = None;
    if let Some(stdout) = cargo.child().stdout.take() {
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            program = executable(&line, bin).or(program);
        }
    }
    match (cargo.ended().await, program) {
        (Ok(status), Some(program)) if status.success() => Built::Program(program),
        _ => Built::Failed,
    }
}

fn executable(message: &str, bin: &str) -> Option<PathBuf> {
    let artifact: Artifact = serde_json::from_str(message).ok()?;
    let target = artifact.target.filter(|target| target.kind.iter().any(|kind| kind == "bin"))?;
    let ours = artifact.reason == "compiler-artifact" && target.name == bin;
    artifact.executable.filter(|_| ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_the_messages_of_cargo() {
        let message = |kind: &str, name: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"name":"{name}","kind":["{kind}"]}},"executable":"/target/{name}"}}"#
            )
        };
        assert_eq!(executable(&message("bin", "app"), "app"), Some("/target/app".into()));
        assert_eq!(executable(&message("bin", "other"), "app"), None);
        assert_eq!(executable(&message("test", "app"), "app"), None);
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#, "app"), None);
        assert_eq!(executable("no JSON", "app"), None);
    }
}
