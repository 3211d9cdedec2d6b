//! How jobs are enqueued.

use std::{fmt, future::IntoFuture, marker::PhantomData, pin::Pin, time::Duration};

use alula_jobs::{Enqueued, JobId, NewBatch, NewJob, Queue, StoreError};

use super::{JobDefinition, JobFn};
use crate::error::{HttpError, Result};

/// The arguments of a function with `#[job]`.
type ArgsOf<F, A> = <<F as JobFn<A>>::Job as JobDefinition>::Args;
/// What it gives.
type ValueOf<F, A> = <<F as JobFn<A>>::Job as JobDefinition>::Value;
type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What enqueues jobs: an input of endpoints and of jobs, once the application has a
/// [queue](crate::App::jobs).
///
/// ```
/// use alula::prelude::*;
/// # use std::time::Duration;
///
/// #[job]
/// async fn greet(name: String) -> String {
///     format!("Hello, {name}!")
/// }
///
/// #[post("/greetings", status = 202)]
/// async fn later(jobs: Jobs, Json(name): Json<String>) -> Result<Json<String>> {
///     let key = format!("greet {name}");
///     let job = jobs.enqueue(greet, name).delay(Duration::from_secs(60)).unique(key).await?;
///     Ok(Json(job.id.to_string()))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Jobs(Queue);

impl Jobs {
    /// What enqueues into this queue.
    pub fn new(queue: Queue) -> Self {
        Self(queue)
    }

    /// The queue, to look at jobs and to stop them.
    pub fn queue(&self) -> &Queue {
        &self.0
    }

    /// Enqueues a job when it is awaited; from then on it is kept. Which steps follow it, and when
    /// it may begin, is said before.
    ///
    /// # Errors
    ///
    /// 503 if the store cannot be used now, and 500 if it never can, or the arguments are no JSON
    /// or too large: 1 MiB by default.
    #[expect(clippy::needless_pass_by_value, reason = "as the function itself takes them")]
    pub fn enqueue<F, A>(&self, _: F, args: ArgsOf<F, A>) -> Enqueue<'_, ValueOf<F, A>>
    where
        F: JobFn<A>,
    {
        let job = NewJob::new(F::Job::step(), &args).map(traced).map_err(HttpError::from);
        Enqueue { queue: &self.0, job, value: PhantomData }
    }

    /// Enqueues a job for each of these arguments when it is awaited, all of them or none, and
    /// gives the id of the job that waits for them: their progress is its.
    ///
    /// # Errors
    ///
    /// As [`enqueue`](Self::enqueue).
    ///
    /// ```
    /// # use alula::prelude::*;
    /// #[job]
    /// async fn embed(text: String) -> usize {
    ///     text.len()
    /// }
    ///
    /// #[job]
    /// async fn report(name: String, jobs: Jobs, job: JobContext) -> Result<String> {
    ///     // Its children are those that it has waited for.
    ///     let children = alula::jobs::Filter { parent: Some(job.id()), ..Default::default() };
    ///     let count = jobs.queue().count(&children).await?.total();
    ///     Ok(format!("{name}: {count}"))
    /// }
    ///
    /// # async fn example(jobs: Jobs) -> Result<()> {
    /// let texts = ["one", "two"].map(str::to_owned);
    /// let id = jobs.batch(embed, texts).then(report, "texts".to_owned()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch<F, A>(&self, _: F, args: impl IntoIterator<Item = ArgsOf<F, A>>) -> Batch<'_>
    where
        F: JobFn<A>,
    {
        let children = args.into_iter().map(|args| NewJob::new(F::Job::step(), &args).map(traced));
        let children = children.collect::<Result<Vec<_>, _>>();
        Batch { queue: &self.0, batch: children.map(NewBatch::new).map_err(HttpError::from) }
    }
}

impl From<Queue> for Jobs {
    fn from(queue: Queue) -> Self {
        Self::new(queue)
    }
}

/// A job that is enqueued when it is awaited; `V` is what its last step gives.
#[must_use = "a job is enqueued by awaiting it"]
pub struct Enqueue<'a, V> {
    queue: &'a Queue,
    job: Result<NewJob>,
    value: PhantomData<fn() -> V>,
}

impl<'a, V> Enqueue<'a, V> {
    /// Another step, which is called with what the one before has given. When it fails, the steps
    /// before it are not done again.
    ///
    /// ```compile_fail,E0271
    /// # use alula::prelude::*;
    /// #[job]
    /// async fn count(text: String) -> usize {
    ///     text.len()
    /// }
    ///
    /// #[job]
    /// async fn shout(text: String) -> String {
    ///     text.to_uppercase()
    /// }
    ///
    /// async fn example(jobs: Jobs) -> Result<()> {
    ///     jobs.enqueue(count, "a wing".to_owned()).then(shout).await?; // of a `usize`?
    ///     Ok(())
    /// }
    /// ```
    pub fn then<F, A>(self, _: F) -> Enqueue<'a, ValueOf<F, A>>
    where
        F: JobFn<A>,
        F::Job: JobDefinition<Args = V>,
    {
        let job = self.job.map(|job| job.then(F::Job::step()));
        Enqueue { queue: self.queue, job, value: PhantomData }
    }

    /// Not before so much time has passed.
    pub fn delay(self, delay: Duration) -> Self {
        self.with(|job| job.delay(delay))
    }

    /// Those of a higher priority go first in their queue; 0 is that of all that say nothing.
    pub fn priority(self, priority: i16) -> Self {
        self.with(|job| job.priority(priority))
    }

    /// Only if no job of this key is on its way; else the answer names that one.
    pub fn unique(self, key: impl Into<String>) -> Self {
        self.with(|job| job.unique(key))
    }

    /// What lists say of it, in at most 256 bytes.
    pub fn label(self, label: impl Into<String>) -> Self {
        self.with(|job| job.label(label))
    }

    /// Whose it is.
    pub fn owner(self, owner: impl Into<String>) -> Self {
        self.with(|job| job.owner(owner))
    }

    /// The job, without enqueuing it: for [`Output::children`](super::Output::children), or to
    /// enqueue several at once with [`Queue::enqueue_all`].
    ///
    /// # Errors
    ///
    /// 500 if the arguments are no JSON.
    pub fn into_job(self) -> Result<NewJob> {
        self.job
    }

    fn with(mut self, change: impl FnOnce(NewJob) -> NewJob) -> Self {
        self.job = self.job.map(change);
        self
    }
}

impl<'a, V> IntoFuture for Enqueue<'a, V> {
    type Output = Result<Enqueued>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { queue, job, .. } = self;
        Box::pin(async move { queue.enqueue(job?).await.map_err(refused) })
    }
}

impl<V> fmt::Debug for Enqueue<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Enqueue").field(&self.job).finish()
    }
}

/// Many jobs that are enqueued when it is awaited.
#[derive(Debug)]
#[must_use = "a batch is enqueued by awaiting it"]
pub struct Batch<'a> {
    queue: &'a Queue,
    batch: Result<NewBatch>,
}

impl Batch<'_> {
    /// What is done when all have ended, however they did.
    #[expect(clippy::needless_pass_by_value, reason = "as the function itself takes them")]
    pub fn then<F, A>(mut self, _: F, args: ArgsOf<F, A>) -> Self
    where
        F: JobFn<A>,
    {
        let step = F::Job::step();
        self.batch = self.batch.and_then(|batch| Ok(batch.then(step, &args)?));
        self
    }

    /// What lists say of it, in at most 256 bytes.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.batch = self.batch.map(|batch| batch.label(label));
        self
    }

    /// Whose it is.
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.batch = self.batch.map(|batch| batch.owner(owner));
        self
    }
}

impl<'a> IntoFuture for Batch<'a> {
    type Output = Result<JobId>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.queue.batch(self.batch?).await.map_err(refused) })
    }
}

/// The job with the trace that it is enqueued in.
fn traced(job: NewJob) -> NewJob {
    #[cfg(feature = "otel")]
    if let Some(parent) = crate::otel::traceparent() {
        return job.trace(parent);
    }
    job
}

fn refused(error: StoreError) -> HttpError {
    match error.is_temporary() {
        true => HttpError::of_status(503).because(error),
        false => error.into(),
    }
}
