//! A server in a process of its own, which ends with us, however we end.
//!
//! The process prints its address once it accepts connections, and ends when its standard input
//! is closed. The kernel closes that when this process is gone, so no signal has to be caught.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::machine;

/// How long a server may take to end by itself.
const STOP_TIME: Duration = Duration::from_secs(10);

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Closing it ends the server.
    stdin: Option<ChildStdin>,
    /// Kept open: a server that prints to a closed pipe fails.
    _stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

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
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().context("the output is piped")?);
        let mut line = String::new();
        for _ in 0..workers {
            line.clear();
            stdout.read_line(&mut line)?;
        }
        let address = line.trim().parse().context("the server did not start");
        // Made before the address is judged, so that a failure ends the process as well.
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { child, stdin, _stdout: stdout, address: unknown };
        server.address = address?;
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The memory that it holds, without its child processes.
    #[must_use]
    pub fn resident_bytes(&self) -> Option<u64> {
        machine::resident_bytes(self.child.id())
    }

    /// The processor time that it has used, with its child processes.
    #[must_use]
    pub fn cpu_time(&self) -> Option<Duration> {
        machine::cpu_time(self.child.id())
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
    fn a_server_that_does_not_start_is_an_error() {
        let error = Server::start(&mut shell("exit 1"), 1).unwrap_err();
        assert_eq!(error.to_string(), "the server did not start");
        assert!(Server::start(&mut Command::new("no-such-program-here"), 1).is_err());
    }
}
