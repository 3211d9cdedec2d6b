//! A child process with its own children.

use std::{io, process::ExitStatus, time::Duration};

use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// How long a program may take to finish what it is doing.
const GRACE: Duration = Duration::from_secs(1);

/// How long it may take to end after it was told a second time.
const LAST_GRACE: Duration = Duration::from_secs(4);

/// A process in a group of its own.
///
/// A signal to the group reaches what the process has started, too; and a signal from the
/// terminal reaches only us, who then end the group in order.
#[derive(Debug)]
pub(super) struct Group {
    child: Child,
    /// The process group, until the process has ended.
    #[cfg(unix)]
    id: Option<rustix::process::Pid>,
}

#[derive(Debug, Clone, Copy)]
enum Signal {
    Term,
    Kill,
}

impl Group {
    /// Starts a process. Dropping it kills the group.
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        #[cfg(unix)]
        command.process_group(0);
        let child = command.kill_on_drop(true).spawn()?;
        #[cfg(unix)]
        let id = child.id().and_then(|id| rustix::process::Pid::from_raw(id.try_into().ok()?));
        Ok(Self {
            child,
            #[cfg(unix)]
            id,
        })
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until the process ends by itself.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        // What it has started goes with it.
        self.signal(Signal::Kill);
        #[cfg(unix)]
        {
            self.id = None;
        }
        Ok(status)
    }

    /// Ends the process and what it has started, gently at first.
    ///
    /// A program of Alula finishes its requests at the first SIGTERM, and ends open streams at the
    /// second.
    pub(super) async fn stop(mut self) {
        for grace in [GRACE, LAST_GRACE] {
            self.signal(Signal::Term);
            if timeout(grace, self.ended()).await.is_ok() {
                return;
            }
        }
        self.kill().await;
    }

    /// Ends the process and what it has started, at once.
    pub(super) async fn kill(mut self) {
        self.signal(Signal::Kill);
        // It fails only for a process that is gone already.
        let _ = self.ended().await;
    }

    #[cfg(unix)]
    fn signal(&self, signal: Signal) {
        let signal = match signal {
            Signal::Term => rustix::process::Signal::TERM,
            Signal::Kill => rustix::process::Signal::KILL,
        };
        if let Some(id) = self.id {
            // It fails only for a group that is gone already.
            let _ = rustix::process::kill_process_group(id, signal);
        }
    }

    /// Elsewhere there is only one way to end a process.
    #[cfg(not(unix))]
    fn signal(&mut self, _: Signal) {
        let _ = self.child.start_kill();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::Kill);
    }
}
