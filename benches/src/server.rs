//! A server in a process of its own, which ends with us, however we end.
//!
//! The process prints its address once it accepts connections, and ends when its standard input
//! is closed. The kernel closes that when this process is gone, so no signal has to be caught.
//! For programs that know nothing of that, a shell waits.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::machine;

/// How long a server may take to end by itself.
const STOP_TIME: Duration = Duration::from_secs(10);

/// How long a program that is not ours may take to accept connections.
const START_TIME: Duration = Duration::from_secs(90);

/// Starts a program whose output goes to the file `$0`, says its number, and kills it when our
/// end of the pipe is closed.
const GUARD: &str = r#""$@" </dev/null >"$0" 2>&1 & echo $!; read -r _; kill -9 $!; wait"#;

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// The server itself, which may be a child of `child`.
    pid: u32,
    /// Closing it ends the server.
    stdin: Option<ChildStdin>,
    /// Kept open: a server that prints to a closed pipe fails.
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

impl Server {
    /// Starts a server and waits until each of its `workers` has printed the address.
    ///
    /// # Errors
    ///
    /// If the program cannot be started, or ends before it printed its addresses.
    pub fn start(command: &mut Command, workers: usize) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let (stdin, pid) = (child.stdin.take(), child.id());
        let mut stdout = BufReader::new(child.stdout.take().context("the output is piped")?);
        let mut line = String::new();
        for _ in 0..workers {
            line.clear();
            stdout.read_line(&mut line)?;
        }
        let address = line.trim().parse().context("the server did not start");
        // Made before the address is judged, so that a failure ends the process as well.
        let mut server = Self { child, pid, stdin, stdout, address: UNKNOWN };
        server.address = address?;
        Ok(server)
    }

    /// Starts a program that neither prints an address nor reads its standard input, and waits
    /// until it accepts connections at the address that it was told. What it prints goes to `log`.
    ///
    /// # Errors
    ///
    /// If the program cannot be started, ends, or does not listen in time.
    pub fn start_foreign(command: &Command, address: SocketAddr, log: &Path) -> Result<Self> {
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD]).arg(log).arg(command.get_program()).args(command.get_args());
        copy_environment(command, &mut guard);
        let mut child = guard.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().context("the output is piped")?);
        let mut server = Self { child, pid: 0, stdin, stdout, address };
        let mut line = String::new();
        server.stdout.read_line(&mut line)?;
        server.pid = line.trim().parse().context("the shell does not say what it started")?;
        server.wait_until_it_listens(log)?;
        Ok(server)
    }

    fn wait_until_it_listens(&self, log: &Path) -> Result<()> {
        let deadline = Instant::now() + START_TIME;
        while TcpStream::connect(self.address).is_err() {
            let trouble = match machine::cpu_time(self.pid) {
                None => "ended",
                Some(_) if Instant::now() > deadline => "does not listen",
                Some(_) => {
                    thread::sleep(Duration::from_millis(20));
                    continue;
                }
            };
            let printed = fs::read_to_string(log).unwrap_or_default();
            let last = printed.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
            bail!("the server {trouble}; see {}: {}", log.display(), last.trim());
        }
        Ok(())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The memory that it holds, without its child processes.
    #[must_use]
    pub fn resident_bytes(&self) -> Option<u64> {
        machine::resident_bytes(self.pid)
    }

    /// The memory that it holds, with its child processes; what they share counts once.
    #[must_use]
    pub fn memory_bytes(&self) -> Option<u64> {
        machine::memory_bytes(self.pid)
    }

    /// The processor time that it has used, with its child processes.
    #[must_use]
    pub fn cpu_time(&self) -> Option<Duration> {
        machine::cpu_time(self.pid)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stdin = None;
        let deadline = Instant::now() + STOP_TIME;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                _ = self.child.kill();
                _ = self.child.wait();
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Gives a command the variables that another one sets and removes.
pub fn copy_environment(from: &Command, to: &mut Command) {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
}

/// An address of this machine where nothing listens.
///
/// # Errors
///
/// If no port is free.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Returns when the standard input is closed; a server then stops.
pub async fn stdin_closed() {
    let read = || std::io::stdin().read_to_end(&mut Vec::new());
    _ = tokio::task::spawn_blocking(read).await;
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
    fn the_address_is_what_the_last_worker_printed() {
        let server =
            Server::start(&mut shell("echo 127.0.0.1:1; echo 127.0.0.1:2; cat"), 2).unwrap();
        assert_eq!(server.address().port(), 2);
    }

    #[test]
    fn a_dropped_server_ends() {
        let started = Instant::now();
        let server = Server::start(&mut shell("echo 127.0.0.1:1; cat"), 1).unwrap();
        let stdout = server.child.id();
        drop(server);
        assert!(started.elapsed() < STOP_TIME);
        assert_eq!(machine::cpu_time(stdout), None, "the process is gone");
    }

    #[test]
    fn a_foreign_server_is_waited_for_and_ends() {
        let folder = std::env::temp_dir().join(format!("alula-benches-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let log = folder.join("log");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::start_foreign(&shell("exec sleep 60"), address, &log).unwrap();
        assert!(server.memory_bytes().unwrap() > 0);
        let pid = server.pid;
        drop(server);
        assert_eq!(machine::cpu_time(pid), None, "the process is gone");

        drop(listener);
        let error = Server::start_foreign(&shell("echo Sorry; exit 1"), address, &log).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("the server ended; see ") && text.ends_with(": Sorry"), "{text}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_server_that_does_not_start_is_an_error() {
        let error = Server::start(&mut shell("exit 1"), 1).unwrap_err();
        assert_eq!(error.to_string(), "the server did not start");
        assert!(Server::start(&mut Command::new("no-such-program-here"), 1).is_err());
    }
}
