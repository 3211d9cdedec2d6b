//! A server that is a program: a child process with its own children.

use std::{io, process::ExitStatus, time::Duration};

use tokio::{
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// How long a program may take to end, once its input has ended, and again once it was told to.
const GRACE: Duration = Duration::from_secs(5);

/// A process in a group of its own, so that what it has started ends with it, as `npx` and `uvx`
/// start others. Dropping it kills all of them.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    /// The process group, until the process has ended.
    #[cfg(unix)]
    group: Option<rustix::process::Pid>,
}

/// Its input, its output and its log.
pub(super) type Streams = (ChildStdin, ChildStdout, ChildStderr);

impl Program {
    pub(super) fn start(command: &mut Command) -> io::Result<(Self, Streams)> {
        use std::process::Stdio;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.kill_on_drop(true).spawn()?;
        let streams = child.stdin.take().zip(child.stdout.take()).zip(child.stderr.take());
        let ((input, output), log) = streams.ok_or(io::ErrorKind::BrokenPipe)?;
        #[cfg(unix)]
        let group = child.id().and_then(|id| rustix::process::Pid::from_raw(id.try_into().ok()?));
        let program = Self {
            child,
            #[cfg(unix)]
            group,
        };
        Ok((program, (input, output, log)))
    }

    /// Waits for its end, now that nothing more comes to it; then ends it, gently at first.
    pub(super) async fn end(mut self) -> Option<ExitStatus> {
        if let Ok(status) = timeout(GRACE, self.ended()).await {
            return status.ok();
        }
        self.signal(false);
        if let Ok(status) = timeout(GRACE, self.ended()).await {
            return status.ok();
        }
        self.signal(true);
        self.ended().await.ok()
    }

    async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        // What it has started goes with it.
        self.signal(true);
        #[cfg(unix)]
        {
            self.group = None;
        }
        Ok(status)
    }

    #[cfg(unix)]
    fn signal(&mut self, kills: bool) {
        use rustix::process::{Signal, kill_process_group};
        let signal = if kills { Signal::KILL } else { Signal::TERM };
        if let Some(group) = self.group {
            // It fails only for a group that is gone already.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Elsewhere there is only one way to end a process.
    #[cfg(not(unix))]
    fn signal(&mut self, _: bool) {
        let _ = self.child.start_kill();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal(true);
    }
}
