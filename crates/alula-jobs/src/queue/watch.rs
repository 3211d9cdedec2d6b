use futures_util::{Stream, stream};
use tokio::time::sleep;

use super::{Queue, signals::Subscription};
use crate::{JobId, JobState, JobSummary, Progress, StoreError, Timestamp};

/// A job as it changes, without its contents.
///
/// ```
/// # use alula_jobs::{NewJob, Queue, Sqlite, Step};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let queue = Queue::new(Sqlite::in_memory().await?);
/// # let id = queue.enqueue(NewJob::new(Step::new("greet.v1"), "world")?).await?.id;
/// # queue.cancel(id).await?;
/// let mut watch = queue.watch(id);
/// while let Some(job) = watch.next().await? {
///     println!("{id} is {}", job.state.as_str());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Watch {
    queue: Queue,
    id: JobId,
    changes: Subscription,
    /// What was shown last.
    shown: Option<Shown>,
}

/// What of a job is a change when it is another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    state: JobState,
    steps: (u32, u32),
    attempts: u32,
    token: i64,
    run_at: Timestamp,
    progress: Option<Progress>,
}

impl Watch {
    pub(super) fn new(queue: Queue, id: JobId) -> Self {
        let changes = queue.signals.subscribe(id);
        Self { queue, id, changes, shown: None }
    }

    /// The job as it is, at first; then as it is after a change. Nothing once it has ended and was
    /// shown so, or if there is none of this name.
    ///
    /// Of changes that follow each other at once, only the last is seen.
    ///
    /// # Errors
    ///
    /// If the store cannot be used. It can be asked again.
    pub async fn next(&mut self) -> Result<Option<JobSummary>, StoreError> {
        if self.shown.as_ref().is_some_and(|shown| shown.state.is_final()) {
            return Ok(None);
        }
        loop {
            let Some(job) = self.queue.store.summary(self.id).await? else { return Ok(None) };
            let shown = Some(Shown::from(&job));
            if self.shown != shown {
                self.shown = shown;
                return Ok(Some(job));
            }
            tokio::select! {
                () = self.changes.changed() => {}
                () = sleep(self.queue.watch_interval) => {}
            }
        }
    }

    /// The same as a stream. It ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<JobSummary, StoreError>> + Send {
        stream::unfold(Some(self), async |watch| {
            let mut watch = watch?;
            match watch.next().await {
                Ok(job) => Some((Ok(job?), Some(watch))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

impl From<&JobSummary> for Shown {
    fn from(job: &JobSummary) -> Self {
        Self {
            state: job.state,
            steps: job.steps,
            attempts: job.attempts,
            token: job.token,
            run_at: job.run_at,
            progress: job.progress.clone(),
        }
    }
}
