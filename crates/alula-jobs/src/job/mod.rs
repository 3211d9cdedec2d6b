//! A job, as it is asked for and as it is kept.

mod kept;
mod new;

use serde::{Deserialize, Serialize};

pub(crate) use self::new::OnEnd;
pub use self::{
    kept::{Job, JobSummary},
    new::{Ended, NewBatch, NewJob},
};

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
    /// The priority of the job from this step on; nothing leaves it as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i16>,
}

impl Step {
    /// A step in the queue `default`, tried five times.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            queue: DEFAULT_QUEUE.to_owned(),
            max_attempts: DEFAULT_MAX_ATTEMPTS,
            priority: None,
        }
    }

    /// Waits in this queue.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = queue.into();
        self
    }

    /// From this step on the job has this [priority](NewJob::priority): with a higher one for later
    /// steps, what has begun is brought to its end before more is begun.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Is tried so often.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
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
