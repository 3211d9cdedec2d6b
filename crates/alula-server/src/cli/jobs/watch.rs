//! Watching a job to its end, and queues for ever.

use std::time::{Duration, Instant};

use alula_jobs::{Filter, JobId, JobState, JobSummary, Queue, QueueStats, StoreError};
use tokio::time::sleep;

use super::{
    bar::Bar,
    no_job,
    pace::Pace,
    screen::{Screen, columns},
    shown::span,
};
use crate::cli::{
    CliError,
    table::{self, clean},
};

/// How often a job is looked at.
const JOB_INTERVAL: Duration = Duration::from_millis(500);
/// How often queues are looked at.
const QUEUES_INTERVAL: Duration = Duration::from_secs(1);
/// How often something is printed that is no news, where nothing can be drawn.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Watches a job or a batch to its end, or until nobody reads it.
pub(super) async fn job(queue: &Queue, id: JobId) -> Result<(), CliError> {
    let (mut screen, mut pace) = (Screen::new(), Pace::default());
    let mut printed = None;
    loop {
        let standing = match Standing::of(queue, id).await {
            Ok(Some(standing)) => standing,
            Ok(None) => {
                screen.leave();
                return Err(no_job(id));
            }
            // It may be back in a moment.
            Err(error) if error.is_temporary() => {
                if screen.show(&error.to_string()).is_err() {
                    return Ok(());
                }
                sleep(JOB_INTERVAL).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let (now, state) = (Instant::now(), standing.job.state);
        pace.note(now, standing.done);
        let is_news = printed.is_none_or(|(when, before)| {
            before != state || now.duration_since(when) >= PLAIN_INTERVAL
        });
        if screen.is_terminal || is_news {
            printed = Some((now, state));
            if screen.show(&standing.line(&pace, screen.is_terminal)).is_err() {
                return Ok(());
            }
        }
        if state.is_final() {
            screen.leave();
            return standing.end();
        }
        sleep(JOB_INTERVAL).await;
    }
}

/// How far a job is.
struct Standing {
    job: JobSummary,
    done: u64,
    total: Option<u64>,
    failed: u64,
}

impl Standing {
    /// By its parts if it has some, by what it says of itself, or by its steps.
    async fn of(queue: &Queue, id: JobId) -> Result<Option<Self>, StoreError> {
        let Some(job) = queue.summary(id).await? else { return Ok(None) };
        let parts = queue.count(&Filter { parent: Some(id), ..Filter::default() }).await?;
        let failed = parts.of(JobState::Failed);
        let (done, total) = match (parts.total(), &job.progress, job.steps) {
            (0, Some(progress), _) => (progress.done, progress.total),
            (0, None, (done, total)) if total > 1 => (done.into(), Some(total.into())),
            (0, None, _) => (0, None),
            (total, ..) => (parts.ended(), Some(total)),
        };
        Ok(Some(Self { job, done, total, failed }))
    }

    fn line(&self, pace: &Pace, is_terminal: bool) -> String {
        let Self { job, done, total, failed } = self;
        let says = job.progress.as_ref().and_then(|progress| progress.message.as_deref());
        let message = match job.finished_at {
            Some(finished) => format!("in {}", span(finished - job.created_at)),
            None => clean(says.unwrap_or_default()),
        };
        let rest = total.filter(|_| !job.state.is_final()).map(|total| total.saturating_sub(*done));
        let bar = Bar {
            status: job.state.as_str(),
            done: *done,
            total: *total,
            failed: *failed,
            per_second: pace.per_second().filter(|_| !job.state.is_final()),
            left: rest.and_then(|rest| pace.left(rest)),
            message: &message,
        };
        if is_terminal { bar.draw(columns()) } else { bar.text() }
    }

    /// How it ended.
    fn end(&self) -> Result<(), CliError> {
        let id = self.job.id;
        match self.job.state {
            JobState::Failed => {
                let error = clean(self.job.error.as_deref().unwrap_or("nobody knows why"));
                Err(CliError::Job(format!("{id} has failed: {error}")))
            }
            JobState::Cancelled => Err(CliError::Job(format!("{id} was cancelled"))),
            _ => Ok(()),
        }
    }
}

/// Watches all queues until Ctrl-C, or until nobody reads it.
pub(super) async fn queues(queue: &Queue) -> Result<(), CliError> {
    let mut screen = Screen::new();
    let interval = if screen.is_terminal { QUEUES_INTERVAL } else { PLAIN_INTERVAL };
    let stopped = tokio::signal::ctrl_c();
    tokio::pin!(stopped);
    loop {
        let stats = tokio::select! {
            // First of all: from what is shown on, it ends like this and not in another way.
            biased;
            _ = &mut stopped => break,
            stats = queue.stats() => stats,
        };
        let text = match stats {
            Ok(stats) if stats.is_empty() => "Nothing waits, runs or has failed.".to_owned(),
            Ok(stats) => table::with_numbers(&rows_of(&stats), 1),
            Err(error) if error.is_temporary() => error.to_string(),
            Err(error) => return Err(error.into()),
        };
        if screen.show(&text).is_err() {
            return Ok(());
        }
        tokio::select! {
            _ = &mut stopped => break,
            () = sleep(interval) => {}
        }
    }
    screen.leave();
    Ok(())
}

fn rows_of(stats: &[QueueStats]) -> Vec<Vec<String>> {
    let head = ["QUEUE", "QUEUED", "SCHEDULED", "RUNNING", "WAITING", "FAILED", "OLDEST"];
    let states = [
        JobState::Queued,
        JobState::Scheduled,
        JobState::Running,
        JobState::Waiting,
        JobState::Failed,
    ];
    let row = |stats: &QueueStats| {
        let counts = states.map(|state| stats.counts.of(state).to_string());
        let oldest = stats.oldest.map_or_else(|| "-".to_owned(), span);
        std::iter::once(stats.queue.clone()).chain(counts).chain([oldest]).collect()
    };
    std::iter::once(head.map(str::to_owned).to_vec()).chain(stats.iter().map(row)).collect()
}
