//! Sees to it that there is a worker of one number.

use std::{net::TcpListener, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    backoff::Backoff,
    process::{Death, Event, Process, Recipe},
};

/// A wish for another process; answered when the old one is gone, or has to stay.
pub(super) type Restart = oneshot::Sender<()>;

/// What all keepers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) recipe: Recipe,
    /// How long a worker may take to stop.
    pub(super) patience: Duration,
    /// Everything is to stop.
    pub(super) stopping: CancellationToken,
    /// Nothing is waited for any longer.
    pub(super) end: CancellationToken,
    /// Keepers, and workers that somebody else has taken the place of.
    pub(super) tasks: TaskTracker,
}

impl Shared {
    /// Waits for a process to stop. In a task of its own: to drop this wait would kill it.
    fn retire(self: &Arc<Self>, number: usize, process: Process) -> impl Future<Output = ()> {
        let shared = Arc::clone(self);
        let retired = self.tasks.spawn(async move {
            let pid = process.pid();
            match process.stop(shared.patience, &shared.end).await {
                Death::Exited(status) if status.success() => {
                    tracing::info!(worker = number, pid, "worker stopped");
                }
                death => tracing::warn!(worker = number, pid, %death, "worker did not stop well"),
            }
        });
        async {
            let _ = retired.await;
        }
    }
}

/// The keeper of one worker.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) number: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) listeners: Arc<[TcpListener]>,
    pub(super) restarts: mpsc::Receiver<Restart>,
    pub(super) backoff: Backoff,
}

impl Keeper {
    /// Keeps a worker running until everything stops.
    pub(super) async fn keep(mut self, mut process: Process) {
        let stopping = self.shared.stopping.clone();
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                event = process.event() => match event {
                    Event::Listening => {
                        tracing::info!(worker = self.number, pid = process.pid(), "worker listens");
                    }
                    Event::Ended(death) => {
                        match self.start_again(&process, &death).await {
                            Some(next) => process = next,
                            None => return,
                        }
                    }
                },
                Some(done) = self.restarts.recv() => {
                    process = self.replace(process).await;
                    let _ = done.send(());
                }
            }
        }
        let Self { number, shared, listeners, .. } = self;
        drop(listeners);
        shared.retire(number, process).await;
    }

    /// Starts a worker in the place of one that ended by itself; `None` if everything stops.
    async fn start_again(&mut self, ended: &Process, death: &Death) -> Option<Process> {
        let pause = self.backoff.pause_after(ended.lived());
        let (worker, pid) = (self.number, ended.pid());
        tracing::error!(worker, pid, %death, ?pause, "worker ended; another one takes its place");
        self.pause(pause).await?;
        loop {
            match self.shared.recipe.start(self.number, &self.listeners) {
                Ok(process) => return Some(process),
                Err(error) => {
                    let pause = self.backoff.pause_after(Duration::ZERO);
                    tracing::error!(worker, %error, ?pause, "worker cannot be started");
                    self.pause(pause).await?;
                }
            }
        }
    }

    /// Waits, or returns `None` if everything stops.
    async fn pause(&self, pause: Duration) -> Option<()> {
        tokio::select! {
            biased;
            () = self.shared.stopping.cancelled() => None,
            () = sleep(pause) => Some(()),
        }
    }

    /// Stops a worker once another one listens in its place. If none does, it stays.
    async fn replace(&mut self, old: Process) -> Process {
        let worker = self.number;
        let mut new = match self.shared.recipe.start(worker, &self.listeners) {
            Ok(new) => new,
            Err(error) => {
                tracing::error!(worker, %error, "worker cannot be replaced");
                return old;
            }
        };
        let stopping = self.shared.stopping.clone();
        let event = tokio::select! {
            biased;
            () = stopping.cancelled() => None,
            event = new.event() => Some(event),
        };
        match event {
            Some(Event::Listening) => {
                tracing::info!(worker, pid = new.pid(), was = old.pid(), "worker replaced");
                tokio::select! {
                    () = self.shared.retire(worker, old) => {}
                    () = stopping.cancelled() => {}
                }
                new
            }
            Some(Event::Ended(death)) => {
                tracing::error!(worker, %death, "the replacement does not listen; the old one stays");
                old
            }
            None => {
                // Both are waited for: by this keeper, and by the one who waits for all tasks.
                drop(self.shared.retire(worker, new));
                old
            }
        }
    }
}
