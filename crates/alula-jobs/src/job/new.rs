//! A job, as it is asked for.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{JobState, Step};
use crate::JobId;

/// A job to enqueue.
///
/// ```
/// use std::time::Duration;
///
/// use alula_jobs::{NewJob, Step};
///
/// # fn main() -> Result<(), serde_json::Error> {
/// let job = NewJob::new(Step::new("chunk.v1"), &"doc_1")?
///     .then(Step::new("embed.v1").queue("documents"))
///     .then(Step::new("index.v1"))
///     .delay(Duration::from_secs(60))
///     .unique("index doc_1");
/// assert_eq!(job.steps().count(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct NewJob {
    pub(crate) id: JobId,
    pub(crate) first: Step,
    pub(crate) rest: Vec<Step>,
    pub(crate) args: Box<RawValue>,
    pub(crate) label: Option<String>,
    pub(crate) trace: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) priority: i16,
    pub(crate) delay: Duration,
    pub(crate) unique: Option<String>,
    pub(crate) on_end: Option<OnEnd>,
}

/// A job that is enqueued when another one ends, in the same transaction.
///
/// Its arguments are an [`Ended`], whatever the end was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OnEnd {
    pub(crate) step: Step,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) rest: Vec<Step>,
    pub(crate) context: Box<RawValue>,
}

/// What a job that follows the end of another one is called with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ended {
    /// Which job has ended.
    pub job: JobId,
    /// How.
    pub state: JobState,
    /// The [`token`](crate::JobSummary::token) of the job when it ended. It has another one if it began anew.
    pub token: i64,
    /// What was said with [`NewJob::on_end`].
    pub context: Box<RawValue>,
}

impl NewJob {
    /// A job of one step.
    ///
    /// # Errors
    ///
    /// If the arguments are no JSON.
    pub fn new(step: Step, args: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        Ok(Self::with_args(step, serde_json::value::to_raw_value(args)?))
    }

    pub(crate) fn with_args(step: Step, args: Box<RawValue>) -> Self {
        Self {
            id: JobId::new(),
            first: step,
            rest: Vec::new(),
            args,
            label: None,
            trace: None,
            owner: None,
            priority: 0,
            delay: Duration::ZERO,
            unique: None,
            on_end: None,
        }
    }

    /// Another step, whose arguments are the result of the one before. A step that has succeeded is
    /// not done again when a later one fails.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.rest.push(step);
        self
    }

    /// Not before so much time has passed.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Jobs of a higher priority go first in their queue; 0 is that of all that say nothing.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// Enqueued only if no job of this key is on its way.
    #[must_use]
    pub fn unique(mut self, key: impl Into<String>) -> Self {
        self.unique = Some(key.into());
        self
    }

    /// Has this name, so that the same job can be made again elsewhere: it is enqueued once.
    #[must_use]
    pub fn with_id(mut self, id: JobId) -> Self {
        self.id = id;
        self
    }

    /// What lists say of it, as they do not read its arguments: the first 256 bytes of this.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// What enqueues it, as a `traceparent` of the W3C's Trace Context, so that the spans of its
    /// attempts can tell of it. One of more than 256 bytes is not kept.
    #[must_use]
    pub fn trace(mut self, parent: impl Into<String>) -> Self {
        self.trace = Some(parent.into());
        self
    }

    /// Whose it is. Lists can be asked for the jobs of one owner.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// When it ends, however, this is enqueued in the same transaction. It is called with
    /// [`Ended`].
    ///
    /// # Errors
    ///
    /// If the context is no JSON.
    pub fn on_end(
        mut self,
        step: Step,
        context: &impl Serialize,
    ) -> Result<Self, serde_json::Error> {
        let context = serde_json::value::to_raw_value(context)?;
        self.on_end = Some(OnEnd { step, rest: Vec::new(), context });
        Ok(self)
    }

    /// Another step of what [`on_end`](Self::on_end) enqueues. Without that it does nothing.
    #[must_use]
    pub fn on_end_then(mut self, step: Step) -> Self {
        if let Some(on_end) = &mut self.on_end {
            on_end.rest.push(step);
        }
        self
    }

    /// The name it will have.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Its steps, in their order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

/// Many jobs with one progress, and what follows when all have ended.
///
/// It is a job itself, which waits for its children: its name finds them, in the order in which
/// they were made, and to cancel it cancels them all.
///
/// ```
/// use alula_jobs::{NewBatch, NewJob, Step};
///
/// # fn main() -> Result<(), serde_json::Error> {
/// let children = ["one", "two"].map(|text| NewJob::new(Step::new("embed.v1"), text));
/// let children = children.into_iter().collect::<Result<Vec<_>, _>>()?;
/// let batch = NewBatch::new(children).then(Step::new("index.v1"), &"all")?;
/// assert_eq!(batch.children().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct NewBatch {
    pub(crate) job: NewJob,
    pub(crate) children: Vec<NewJob>,
}

impl NewBatch {
    /// A batch that has succeeded when all of these have ended, however they did.
    pub fn new(children: Vec<NewJob>) -> Self {
        let job = NewJob::with_args(Step::new(""), RawValue::NULL.to_owned());
        Self { job, children }
    }

    /// What is done when all have ended. It is called with these arguments, and finds the children
    /// by its own id.
    ///
    /// # Errors
    ///
    /// If the arguments are no JSON.
    pub fn then(
        mut self,
        step: Step,
        args: &(impl Serialize + ?Sized),
    ) -> Result<Self, serde_json::Error> {
        self.job.first = step;
        self.job.args = serde_json::value::to_raw_value(args)?;
        Ok(self)
    }

    /// The queue that lists find it in: `default` if none is named, or that of the step that
    /// follows.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.job.first.queue = queue.into();
        self
    }

    /// Has this name. It is enqueued once, whatever its children are called.
    #[must_use]
    pub fn with_id(mut self, id: JobId) -> Self {
        self.job = self.job.with_id(id);
        self
    }

    /// As [`NewJob::label`].
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.job = self.job.label(label);
        self
    }

    /// Whose it is.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.job = self.job.owner(owner);
        self
    }

    /// As [`NewJob::on_end`], for the batch as a whole.
    ///
    /// # Errors
    ///
    /// If the context is no JSON.
    pub fn on_end(
        mut self,
        step: Step,
        context: &impl Serialize,
    ) -> Result<Self, serde_json::Error> {
        self.job = self.job.on_end(step, context)?;
        Ok(self)
    }

    /// As [`NewJob::on_end_then`].
    #[must_use]
    pub fn on_end_then(mut self, step: Step) -> Self {
        self.job = self.job.on_end_then(step);
        self
    }

    /// The name it will have.
    pub fn id(&self) -> JobId {
        self.job.id
    }

    /// The jobs it waits for.
    pub fn children(&self) -> &[NewJob] {
        &self.children
    }
}
