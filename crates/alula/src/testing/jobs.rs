//! Jobs in a test.

use std::{
    fmt,
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};

use alula_jobs::{Event, Filter, Handler, JobState, JobSummary, StoreError, Timestamp, Worker};
use tokio::{sync::Notify, time::timeout};

use super::TestClient;
use crate::jobs::Jobs;

/// How long all jobs may take, by the clock on the wall.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether all have ended, for those that end without a word: they are
/// cancelled.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// How many jobs are looked at when it is asked which is due first.
const LOOKED_AT_MAX: u32 = 10_000;

/// The jobs of an application in a test; made by [`TestClient::jobs`].
///
/// They wait until the test has them done. Their time stands still but for what
/// [`run_all`](Self::run_all) and [`advance`](Self::advance) let pass: a pause between attempts
/// costs a test nothing.
///
/// # Panics
///
/// Its methods panic where a test would want to fail: if the store cannot be used, or jobs are not
/// done after ten seconds.
///
/// ```
/// use alula::{
///     jobs::{JobState, Queue, Sqlite},
///     prelude::*,
/// };
///
/// #[job]
/// async fn double(number: u32) -> u32 {
///     2 * number
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<()> {
/// let queue = Queue::new(Sqlite::in_memory().await?);
/// let client = App::new("Double", "1.0.0").jobs(queue).job(double).client().await;
/// let id = client.jobs().enqueue(double, 4).await?.id;
/// client.jobs().run_all().await;
/// let job = client.jobs().queue().get(id).await?.unwrap();
/// assert_eq!((job.state, job.result::<u32>()?), (JobState::Succeeded, Some(8)));
/// # Ok(())
/// # }
/// ```
pub struct TestJobs<'a> {
    jobs: Jobs,
    handlers: &'a [Handler],
}

impl TestClient {
    /// The jobs of the application.
    ///
    /// # Panics
    ///
    /// If it has none.
    #[expect(clippy::panic, reason = "a test fails by a panic")]
    pub fn jobs(&self) -> TestJobs<'_> {
        match self.ready_jobs() {
            Some(ready) => {
                TestJobs { jobs: Jobs::new(ready.queue.clone()), handlers: &ready.handlers }
            }
            None => panic!("the app has no jobs; add `.job(…)`"),
        }
    }
}

impl TestJobs<'_> {
    /// Does all jobs that there are, and those that they enqueue, until each has ended.
    ///
    /// What is delayed, or waits for its next attempt, is done as well: its time is let pass.
    pub async fn run_all(&self) {
        let start = Instant::now();
        self.run_due_since(start).await;
        while let Some(next) = self.next_due().await {
            self.advance(next - self.now());
            self.run_due_since(start).await;
        }
    }

    /// Does all jobs that are due, and those that they enqueue; what is delayed, or waits for its
    /// next attempt, goes on to wait.
    pub async fn run_due(&self) {
        self.run_due_since(Instant::now()).await;
    }

    #[expect(clippy::panic, reason = "a test fails by a panic")]
    async fn run_due_since(&self, start: Instant) {
        let ended = Arc::new(Notify::new());
        let tell = Arc::clone(&ended);
        let worker = Worker::builder(self.queue())
            .handlers(self.handlers.iter().cloned())
            .observe(move |event| {
                if matches!(event, Event::Ended { .. } | Event::Lost { .. }) {
                    tell.notify_one();
                }
            })
            .build();
        let worker = worker.unwrap_or_else(|error| panic!("{error}"));
        let worker = worker.start().unwrap_or_else(|error| panic!("{error}"));
        while self.is_any_due().await {
            let _ = timeout(LOOK_INTERVAL, ended.notified()).await;
            // A test may have stopped tokio's clock, which then jumps; this one goes on.
            if start.elapsed() >= PATIENCE {
                let left = self.left().await;
                panic!("jobs have not ended after {PATIENCE:?}: {left}");
            }
        }
        worker.stop(PATIENCE).await;
    }

    /// Lets time pass for jobs, so that what was delayed may be due.
    pub fn advance(&self, duration: Duration) {
        self.queue().time().advance(duration);
    }

    fn now(&self) -> Timestamp {
        self.queue().time().now()
    }

    async fn is_any_due(&self) -> bool {
        let counts = fine(self.queue().stats().await);
        let is_due = |state| counts.iter().any(|queue| queue.counts.of(state) > 0);
        is_due(JobState::Queued)
            || is_due(JobState::Running)
            // One that waits for its time no more when it is looked for has just been queued.
            || (is_due(JobState::Scheduled)
                && self.next_due().await.is_none_or(|at| at <= self.now()))
    }

    /// When the first of those that wait for their time may begin.
    async fn next_due(&self) -> Option<Timestamp> {
        let jobs = self.list(&[JobState::Scheduled]).await;
        jobs.iter().map(|job| job.run_at).min()
    }

    /// The jobs in these states, those that others wait for among them.
    async fn list(&self, states: &[JobState]) -> Vec<JobSummary> {
        let filter =
            Filter { states, with_children: true, limit: LOOKED_AT_MAX, ..Filter::default() };
        fine(self.queue().list(&filter).await)
    }

    /// The jobs that have not ended, and why.
    async fn left(&self) -> String {
        let jobs = self.list(&[JobState::Queued, JobState::Running]).await;
        let known = |name: &str| self.handlers.iter().any(|known| known.step().name == name);
        let told = jobs.iter().map(|job| match known(&job.step.name) {
            true => format!("`{}` is {}", job.step.name, job.state.as_str()),
            false => format!("the app has no job `{}`", job.step.name),
        });
        told.collect::<Vec<_>>().join(", ")
    }
}

impl Deref for TestJobs<'_> {
    type Target = Jobs;

    fn deref(&self) -> &Jobs {
        &self.jobs
    }
}

impl fmt::Debug for TestJobs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestJobs").field("jobs", &self.jobs).finish_non_exhaustive()
    }
}

#[expect(clippy::panic, reason = "a test fails by a panic")]
fn fine<T>(result: Result<T, StoreError>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}
