//! One worker, as its supervisor sees it.

use std::{
    ffi::OsString,
    fmt, io,
    net::TcpListener,
    os::unix::net::UnixStream as StdUnixStream,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    process::{Child, Command as Program},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    channel::{Command, LISTENING, send_listeners},
    role::{SUPERVISOR, WORKER},
};

/// How long a worker that was told to end now may still take.
const END_TIME: Duration = Duration::from_secs(2);

/// How workers are started: this program again, with the same arguments.
///
/// The path is looked up once, so that a new executable in the same place is what a restart
/// starts.
#[derive(Debug)]
pub(super) struct Recipe {
    executable: PathBuf,
    arguments: Vec<OsString>,
    /// The longest time from the start of a worker until it listens.
    start_max: Duration,
}

impl Recipe {
    pub(super) fn of_this_program(start_max: Duration) -> io::Result<Self> {
        let executable = std::env::current_exe()?;
        Ok(Self { executable, arguments: std::env::args_os().skip(1).collect(), start_max })
    }

    /// Starts a worker over the listening sockets, of which one is its own.
    pub(super) fn start(&self, number: usize, listeners: &[TcpListener]) -> io::Result<Process> {
        let (ours, theirs) = StdUnixStream::pair()?;
        // Its own comes first, then the others as in a ring. They wait in the channel until the
        // worker is there.
        let (before, own) = listeners.split_at(number.saturating_sub(1).min(listeners.len()));
        let own_first: Vec<_> = own.iter().chain(before).collect();
        send_listeners(&ours, &own_first)?;
        ours.set_nonblocking(true)?;
        let child = Program::new(&self.executable)
            .args(&self.arguments)
            .env(WORKER, number.to_string())
            .env(SUPERVISOR, std::process::id().to_string())
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            // Ctrl-C is for the supervisor, which then stops the workers.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let started = Instant::now();
        let process = Process {
            number,
            pid: child.id().unwrap_or_default(),
            child,
            channel: UnixStream::from_std(ours)?,
            listening: false,
            started,
            start_by: started.checked_add(self.start_max),
        };
        tracing::debug!(worker = number, pid = process.pid, "worker started");
        Ok(process)
    }
}

/// A worker that was started. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Process {
    number: usize,
    pid: u32,
    child: Child,
    channel: UnixStream,
    listening: bool,
    started: Instant,
    /// When it must listen; `None` for a time that never comes.
    start_by: Option<Instant>,
}

/// What a worker does next.
#[derive(Debug)]
pub(super) enum Event {
    /// It takes requests. Comes at most once.
    Listening,
    /// It has ended.
    Ended(Death),
}

/// How a worker ended.
#[derive(Debug)]
pub(super) enum Death {
    Exited(ExitStatus),
    /// It did not listen in time, and was killed.
    TooSlow,
    /// Nobody knows.
    Lost(io::Error),
}

impl Process {
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn lived(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for the next event. Cancel safe.
    pub(super) async fn event(&mut self) -> Event {
        if self.listening {
            return Event::Ended(self.ended().await);
        }
        let mut byte = [0];
        let start_by = self.start_by;
        let too_late = async {
            match start_by {
                Some(start_by) => sleep_until(start_by).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // A worker that has said it may have ended since; that is the next event.
            read = self.channel.read(&mut byte) => match read {
                Ok(1..) if byte == [LISTENING] => {
                    self.listening = true;
                    Event::Listening
                }
                // It has closed the channel, or is about to end.
                _ => Event::Ended(self.ended_soon().await),
            },
            status = self.child.wait() => Event::Ended(Death::of(status)),
            () = too_late => {
                self.kill().await;
                Event::Ended(Death::TooSlow)
            }
        }
    }

    /// Asks it to stop, and waits; kills it once `patience` is used up, or soon after `end`.
    pub(super) async fn stop(mut self, patience: Duration, end: &CancellationToken) -> Death {
        self.tell(Command::Stop).await;
        tokio::select! {
            biased;
            death = self.ended() => return death,
            () = end.cancelled() => self.tell(Command::End).await,
            () = tokio::time::sleep(patience) => {
                tracing::error!(worker = self.number, pid = self.pid, "worker did not stop in time");
                self.tell(Command::End).await;
            }
        }
        self.ended_soon().await
    }

    async fn ended(&mut self) -> Death {
        Death::of(self.child.wait().await)
    }

    async fn ended_soon(&mut self) -> Death {
        if let Ok(death) = timeout(END_TIME, self.ended()).await {
            return death;
        }
        self.kill().await;
        self.ended().await
    }

    async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::error!(worker = self.number, pid = self.pid, %error, "worker cannot be killed");
        }
    }

    /// One byte fits into the channel always; a worker that is gone needs no command.
    async fn tell(&mut self, command: Command) {
        let _ = self.channel.write_all(&[command.as_byte()]).await;
    }
}

impl Death {
    fn of(status: io::Result<ExitStatus>) -> Self {
        status.map_or_else(Self::Lost, Self::Exited)
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => status.fmt(f),
            Self::TooSlow => f.write_str("did not listen in time, and was killed"),
            Self::Lost(error) => error.fmt(f),
        }
    }
}
