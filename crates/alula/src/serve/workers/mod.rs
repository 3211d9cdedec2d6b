//! One server as several processes.

#[cfg(unix)]
mod backoff;
#[cfg(unix)]
mod channel;
#[cfg(unix)]
mod keeper;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod role;
#[cfg(unix)]
mod sibling;
#[cfg_attr(not(unix), path = "no_supervisor.rs")]
mod supervisor;
#[cfg(unix)]
mod worker;

use std::{io, time::Duration};

use tokio::net::ToSocketAddrs;

pub use supervisor::Supervisor;
#[cfg(unix)]
pub(super) use {sibling::Siblings, worker::InCrew};

use super::{Limits, Server, Shutdown};

/// How long a worker may take until it listens, unless it is said.
const START_MAX: Duration = Duration::from_secs(60);

/// How many processes serve, and how they are started.
///
/// One process uses all processors already. Several keep what goes wrong in one of them, a crash
/// or a handler that blocks, from the others, and make a restart that nobody notices: see
/// [`Supervisor`].
///
/// What a program keeps in memory each worker has for itself: counters, caches, rate limits. So
/// are the [`Limits`]: each worker has its own [`connections`](Limits#structfield.connections).
///
/// ```no_run
/// use std::time::Duration;
///
/// use alula::{App, serve::Workers};
///
/// # async fn example(app: App) -> alula::Result<()> {
/// // Each worker loads a model before it listens.
/// let workers = Workers::new(4).start_max(Duration::from_secs(300));
/// app.workers(workers).serve("0.0.0.0:8000").await
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    count: usize,
    start_max: Duration,
}

impl Default for Workers {
    /// This process alone.
    fn default() -> Self {
        Self::new(1)
    }
}

impl From<usize> for Workers {
    fn from(count: usize) -> Self {
        Self::new(count)
    }
}

/// What a process has to do, as [`Workers::bind`] finds out.
#[derive(Debug)]
pub enum Launch {
    /// Serve: alone, or as a worker.
    Serve {
        /// Bound to its address.
        server: Server,
        /// Started by SIGTERM and SIGINT, and by the supervisor.
        shutdown: Shutdown,
    },
    /// Start the workers and look after them.
    Supervise(Supervisor),
}

impl Workers {
    /// This many processes. With 0 or 1 the process serves alone, without a supervisor.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { count: count.max(1), start_max: START_MAX }
    }

    /// Whether there is more than one process.
    #[cfg(feature = "mcp")]
    pub(crate) fn are_several(self) -> bool {
        self.count > 1
    }

    /// How long a worker may take until it listens, its lifespan included; then it is killed and
    /// started again. Default: 60 s.
    #[must_use]
    pub fn start_max(mut self, limit: Duration) -> Self {
        self.start_max = limit;
        self
    }

    /// The number of this worker, from 1; `None` in a process that no supervisor has started.
    ///
    /// For work that only one of the workers is to do.
    #[must_use]
    pub fn this_worker() -> Option<usize> {
        #[cfg(unix)]
        if let role::Role::Worker(number) = role::Role::of_this_process() {
            return Some(number);
        }
        None
    }

    /// Binds to the first of the addresses that can be bound, or takes over the supervisor's
    /// socket in one of its workers.
    ///
    /// # Errors
    ///
    /// If no address can be bound, signals cannot be listened to, or the process says that it is
    /// a worker and is not; for more than one worker where the system is no Unix.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[cfg(unix)]
    pub async fn bind(self, addr: impl ToSocketAddrs, limits: Limits) -> io::Result<Launch> {
        use role::Role;

        match (Role::of_this_process(), self.count) {
            (Role::Worker(number), _) => {
                let (server, shutdown) = worker::take_over(number, limits)?;
                Ok(Launch::Serve { server, shutdown })
            }
            (Role::Stray, 2..) => Err(role::stray()),
            (Role::Alone | Role::Stray, 0 | 1) => alone(addr, limits).await,
            (Role::Alone, count) => {
                let supervisor = Supervisor::bind(addr, &limits, count, self.start_max).await?;
                Ok(Launch::Supervise(supervisor))
            }
        }
    }

    /// Binds to the first of the addresses that can be bound.
    ///
    /// # Errors
    ///
    /// If no address can be bound, signals cannot be listened to; for more than one worker where
    /// the system is no Unix.
    #[cfg(not(unix))]
    pub async fn bind(self, addr: impl ToSocketAddrs, limits: Limits) -> io::Result<Launch> {
        if self.count > 1 {
            let message = "several workers need a Unix system; serve with one";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        alone(addr, limits).await
    }
}

async fn alone(addr: impl ToSocketAddrs, limits: Limits) -> io::Result<Launch> {
    // First of all: whoever reads that the server listens may stop it.
    let shutdown = Shutdown::on_signals()?;
    Ok(Launch::Serve { server: Server::bind(addr, limits).await?, shutdown })
}
