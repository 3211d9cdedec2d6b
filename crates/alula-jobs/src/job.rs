//! A job, as it is asked for and as it is kept.

use std::time::Duration;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{JobId, Timestamp};

/// The queue of a job that names none.
pub const DEFAULT_QUEUE: &str = "default";
/// How often a step is tried that does not say how often.
pub const DEFAULT_MAX_ATTEMPTS: u32 = 5;

/// Where a job is on its way.
///
/// ```text
/// Scheduled → Queued → Running → Succeeded
///      ↑        ↑        │ ├───→ Failed     (retry) → Queued
///      └────────┴────────┘ └───→ Waiting    (for its children) → Queued, Succeeded
///  any of the first four ──────→ Cancelled  (retry) → Queued
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits for its time: it was delayed, or an attempt has failed.
    Scheduled,
    /// It waits for a worker.
    Queued,
    /// A worker has it.
    Running,
    /// It waits for its children.
    Waiting,
    /// It is done.
    Succeeded,
    /// It is given up: its attempts are spent, or another one would be in vain. This is the dead
    /// letter, which can be tried again.
    Failed,
    /// Somebody has stopped it.
    Cancelled,
}

impl JobState {
    /// Each of them.
    pub const ALL: [Self; 7] = [
        Self::Scheduled,
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether nothing happens to it any more, unless somebody asks for it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// Its name, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// As it is kept. The SQL knows the numbers.
    pub(crate) const fn code(self) -> i64 {
        self as i64
    }

    pub(crate) fn from_code(code: i64) -> Option<Self> {
        usize::try_from(code).ok().and_then(|code| Self::ALL.get(code).copied())
    }
}

/// What is done, and where: a handler's name, the queue it waits in, and how often it is tried.
///
/// ```
/// use alula_jobs::Step;
///
/// let step = Step::new("embed.v1").queue("documents").max_attempts(3);
/// assert_eq!((step.name.as_str(), step.queue.as_str()), ("embed.v1", "documents"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The name of its handler. What changes its arguments takes another name (`embed.v2`), so that
    /// jobs of the old one find theirs.
    pub name: String,
    /// The queue it waits in.
    pub queue: String,
    /// How often it is tried, at least once.
    pub max_attempts: u32,
}

impl Step {
    /// A step in the queue `default`, tried five times.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            queue: DEFAULT_QUEUE.to_owned(),
            max_attempts: DEFAULT_MAX_ATTEMPTS,
        }
    }

    /// Waits in this queue.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = queue.into();
        self
    }

    /// Is tried so often.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }
}

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
    /// The [`token`](Job::token) of the job when it ended. It has another one if it began anew.
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

/// A job, as it is kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// Whose it is.
    pub owner: Option<String>,
    /// The step that is next, running, or was the last. Empty for a batch that nothing follows.
    pub step: Step,
    /// How many steps are done, of how many.
    pub steps: (u32, u32),
    /// Where it is on its way.
    pub state: JobState,
    /// Those of a higher one go first.
    pub priority: i16,
    /// How often the step was tried.
    pub attempts: u32,
    /// Changes whenever a worker takes it, or somebody stops or restarts it.
    pub token: i64,
    /// What the step is called with.
    pub args: Box<RawValue>,
    /// What the last step gave.
    pub result: Option<Box<RawValue>>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// What the step has said of its progress.
    pub progress: Option<Progress>,
    /// The job whose child it is.
    pub parent: Option<JobId>,
    /// The job that was enqueued when this one ended, if it has ended and one was to be.
    pub follower: Option<JobId>,
    /// The incarnation of the worker that has it.
    pub worker: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it may start.
    pub run_at: Timestamp,
    /// When the last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Until when its worker has it.
    pub lease_until: Option<Timestamp>,
}

impl Job {
    /// Reads its result; nothing if there is none.
    ///
    /// # Errors
    ///
    /// If the result is of another shape.
    pub fn result<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
        self.result.as_deref().map(|result| serde_json::from_str(result.get())).transpose()
    }
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// How much is done, in a unit of the step's choice.
    pub done: u64,
    /// Of how much, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// What it is doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How many jobs there are of each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts([u64; JobState::ALL.len()]);

impl Counts {
    /// How many of a state.
    pub fn of(&self, state: JobState) -> u64 {
        self.0.get(state as usize).copied().unwrap_or_default()
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// How many have ended.
    pub fn ended(&self) -> u64 {
        JobState::ALL.iter().filter(|state| state.is_final()).map(|state| self.of(*state)).sum()
    }

    pub(crate) fn set(&mut self, state: JobState, count: u64) {
        if let Some(place) = self.0.get_mut(state as usize) {
            *place = count;
        }
    }
}
