//! Starts workers and looks after them.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::ToSocketAddrs,
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    backoff::Backoff,
    channel::WORKERS_MAX,
    keeper::{Keeper, Restart, Shared},
    process::{Event, Process, Recipe},
};
use crate::serve::{Limits, listen::listen_together, signal::StopSignals};

/// What a worker may take to stop beyond its own limits: the end of its lifespan, and a busy
/// machine.
const STOP_TIME: Duration = Duration::from_secs(5);

/// A process that serves nothing itself, and sees to it that its workers do.
///
/// The workers are this program again, with the same arguments. Each has a listening socket on
/// the same port, between which the kernel spreads connections (`SO_REUSEPORT`). The supervisor
/// keeps these sockets open and lends all of them to all workers: a connection that is not
/// accepted within 5 ms, because its worker has just been killed, still starts or is stuck, is
/// accepted by the worker before that one, or within a quarter of a second by any other that runs.
///
/// - A worker that ends is started again: at once the first time, later the more often it ends
///   within seconds.
/// - SIGHUP replaces the workers, one after the other: each is told to stop once its replacement
///   listens, and finishes what it has begun. An executable that took the place of this one is
///   what is started then. If a replacement does not listen, the rest stays as it is.
/// - SIGTERM and SIGINT stop all workers. One that has not stopped some seconds after its
///   [`Limits`] is killed. A second signal ends them at once.
/// - A supervisor that is killed takes its workers with it: they notice, and stop.
///
/// A worker's standard input belongs to its supervisor until it has bound; it is not for the program
/// to read. From then on it is empty, for the worker and for programs that it starts.
#[derive(Debug)]
pub struct Supervisor {
    /// One for each worker.
    listeners: Vec<TcpListener>,
    local_addr: SocketAddr,
    recipe: Recipe,
    patience: Duration,
    signals: StopSignals,
    hangups: Signal,
}

impl Supervisor {
    pub(super) async fn bind(
        addr: impl ToSocketAddrs,
        limits: &Limits,
        count: usize,
        start_max: Duration,
    ) -> io::Result<Self> {
        if count > WORKERS_MAX {
            let message = format!("{count} workers are more than {WORKERS_MAX}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        // First of all: whoever reads that the server listens may stop it.
        let (signals, hangups) = (StopSignals::new()?, signal(SignalKind::hangup())?);
        let recipe = Recipe::of_this_program(start_max)?;
        let (local_addr, listeners) = listen_together(addr, limits, count).await?;
        let patience = limits.shutdown_max().saturating_add(STOP_TIME);
        Ok(Self { listeners, local_addr, recipe, patience, signals, hangups })
    }

    /// The address that the workers listen on, with its real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Starts the workers and looks after them until SIGTERM or SIGINT.
    ///
    /// The first worker starts alone: what keeps it from listening would keep the others, and is
    /// said once.
    ///
    /// # Errors
    ///
    /// If the first worker does not come to listen, or another one cannot be started.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn run(self) -> io::Result<()> {
        let mut signals = self.signals;
        let listeners: Arc<[_]> = self.listeners.into();
        let mut first = self.recipe.start(1, &listeners)?;
        let shared = Arc::new(Shared {
            recipe: self.recipe,
            patience: self.patience,
            stopping: CancellationToken::new(),
            end: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        let signal = tokio::select! {
            biased;
            signal = signals.next() => Some(signal),
            event = first.event() => match event {
                Event::Listening => None,
                Event::Ended(death) => {
                    let message = format!("the first worker ended before it listened ({death})");
                    return Err(io::Error::other(message));
                }
            },
        };
        let mut crew = Crew { shared, listeners, restarts: Vec::new() };
        if signal.is_none() {
            tracing::info!(worker = 1, pid = first.pid(), "worker listens");
        }
        crew.add(first);
        let signal = match signal {
            Some(signal) => signal,
            None => {
                crew.complete()?;
                crew.replace_on(self.hangups);
                signals.next().await
            }
        };
        tracing::info!(signal, "stopping the workers; a second signal ends them at once");
        crew.stop(&mut signals).await;
        Ok(())
    }
}

/// All workers.
struct Crew {
    shared: Arc<Shared>,
    listeners: Arc<[TcpListener]>,
    /// One for each worker, in the order of their numbers.
    restarts: Vec<mpsc::Sender<Restart>>,
}

impl Crew {
    /// Starts what is missing. Dropping the runtime after an error kills what has been started.
    fn complete(&mut self) -> io::Result<()> {
        while self.restarts.len() < self.listeners.len() {
            let number = self.restarts.len().saturating_add(1);
            let process = self.shared.recipe.start(number, &self.listeners)?;
            self.add(process);
        }
        Ok(())
    }

    fn add(&mut self, process: Process) {
        let (sender, restarts) = mpsc::channel(1);
        self.restarts.push(sender);
        let keeper = Keeper {
            number: self.restarts.len(),
            shared: Arc::clone(&self.shared),
            listeners: Arc::clone(&self.listeners),
            restarts,
            backoff: Backoff::default(),
        };
        self.shared.tasks.spawn(keeper.keep(process));
    }

    /// Replaces the workers, one after the other, at each signal. Those that come meanwhile count
    /// as one.
    fn replace_on(&self, mut hangups: Signal) {
        let restarts = self.restarts.clone();
        let stopping = self.shared.stopping.clone();
        let replacing = async move {
            while hangups.recv().await.is_some() {
                tracing::info!("replacing the workers");
                for worker in &restarts {
                    let (done, replaced) = oneshot::channel();
                    // Either fails only when everything stops.
                    if worker.send(done).await.is_err() || replaced.await.is_err() {
                        return;
                    }
                }
                tracing::info!("all workers have had their turn");
            }
        };
        self.shared.tasks.spawn(async move {
            tokio::select! {
                () = replacing => {}
                () = stopping.cancelled() => {}
            }
        });
    }

    async fn stop(self, signals: &mut StopSignals) {
        drop(self.listeners);
        self.shared.stopping.cancel();
        self.shared.tasks.close();
        tokio::select! {
            () = self.shared.tasks.wait() => return,
            signal = signals.next() => {
                tracing::warn!(signal, "ending at once");
                self.shared.end.cancel();
            }
        }
        self.shared.tasks.wait().await;
    }
}
