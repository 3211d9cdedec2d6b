//! The worker of this process.

use std::{io, time::Duration};

use alula::Shutdown;
use alula_jobs::{Worker, WorkerError, store::Retention};
use tokio::task::JoinHandle;

use super::{Answering, Jobs, answer, webhook};
use crate::services::documents::Indexing;

/// How many jobs a process does at a time, by default.
pub(crate) const RUNNING_MAX: u32 = 16;

/// How this process does jobs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorkerSettings {
    /// How many run at once; with 0, others do them.
    pub(crate) running_max: u32,
    /// How long jobs have to finish when the server stops.
    pub(crate) drain: Duration,
}

/// What the jobs of this process are done with.
#[derive(Debug)]
pub(crate) struct Hands {
    /// Nothing for a process that answers no requests.
    pub(crate) answering: Option<Answering>,
    pub(crate) indexing: Indexing,
}

/// Why there is no worker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoWorker {
    #[error(transparent)]
    Settings(#[from] WorkerError),
    #[error("the worker of jobs cannot start: {0}")]
    Io(#[from] io::Error),
}

impl Jobs {
    /// Does jobs in this process until the server stops. Those that have begun have until the end
    /// of its patience; the rest is given back. Returns what is ready when the database knows of
    /// that, or nothing if this process does no jobs.
    ///
    /// # Errors
    ///
    /// If there can be no thread for it.
    pub(crate) fn work(
        &self,
        hands: Hands,
        settings: &WorkerSettings,
        shutdown: &Shutdown,
    ) -> Result<Option<JoinHandle<()>>, NoWorker> {
        let limits = &self.0.limits;
        // It is started once.
        let _ = self.0.shutdown.set(shutdown.clone());
        let WorkerSettings { running_max, drain } = *settings;
        if running_max == 0 {
            tracing::info!("this process does no jobs: ALULA_JOBS_RUNNING_MAX is 0");
            return Ok(None);
        }
        if !self.0.is_durable {
            tracing::info!("jobs are kept in memory: they do not survive a restart");
        }
        let retention = Retention { done: limits.kept, failed: limits.failed_kept };
        let Hands { answering, indexing } = hands;
        let mut worker = Worker::builder(&self.0.queue)
            .handlers(indexing.handlers(limits.timeout))
            .lease(limits.lease)
            .retention(retention)
            .observe(crate::services::metrics::note_job);
        for (queue, count) in indexing.concurrency() {
            worker = worker.concurrency(queue, count);
        }
        if let Some(answering) = answering {
            worker = worker
                .handler(answering.handler(limits.timeout))
                .concurrency(answer::QUEUE, running_max);
        }
        if let Some(webhooks) = &self.0.webhooks {
            let concurrent_max = webhooks.concurrent_max();
            worker =
                worker.handlers(webhooks.handlers()).concurrency(webhook::QUEUE, concurrent_max);
        }
        let running = worker.build()?.start()?;
        let stopping = shutdown.stopping();
        Ok(Some(shutdown.spawn(async move {
            stopping.await;
            running.stop(drain).await;
        })))
    }
}
