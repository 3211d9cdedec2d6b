//! One job, from its acceptance to its end.

use std::{sync::Arc, time::Duration};

use alula::Validate;
use alula_jobs::webhook::WebhookUrl;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{JobId, Outcome, Work};
use crate::{
    services::{admission::Caller, conversations::Conversations},
    time::Timestamp,
};

/// A job. What changes of it can be watched.
pub(crate) struct Job {
    pub(crate) id: JobId,
    /// Whose it is; nobody else sees it.
    pub(super) owner: String,
    pub(super) conversations: Conversations,
    pub(super) work: Work,
    /// About how much memory the work takes.
    work_bytes: usize,
    /// Who is told of its end.
    pub(super) callback: Option<WebhookUrl>,
    pub(super) created: Timestamp,
    state: watch::Sender<State>,
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "JobStatus")]
pub(crate) enum Status {
    /// It waits for its turn.
    Queued,
    /// A provider is asked.
    Running,
    /// There is an answer.
    Succeeded,
    /// There is an error.
    Failed,
    /// Somebody has stopped it, or the server has.
    Cancelled,
}

impl Status {
    /// In the order of their numbers.
    pub(super) const ALL: [Self; 5] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How the end of a job is told to its callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Told {
    /// It will be told, or told again.
    Pending,
    /// The receiver has it.
    Delivered,
    /// The receiver did not take it, and is not told again.
    Failed,
}

/// What changes of a job.
#[derive(Clone)]
pub(crate) struct State {
    /// Counts the changes that its readers are told of, from 1.
    pub(super) version: u64,
    /// Counts how often it was queued: who works on an earlier one has no say any more.
    pub(super) run: u32,
    pub(super) status: Status,
    pub(super) attempts: u32,
    /// How many of its calls have been answered.
    pub(super) done: usize,
    pub(super) started: Option<Timestamp>,
    pub(super) finished: Option<Timestamp>,
    pub(super) outcome: Option<Arc<Outcome>>,
    pub(super) told: Option<Told>,
}

impl State {
    fn queued(run: u32, version: u64, attempts: u32) -> Self {
        Self {
            version,
            run,
            status: Status::Queued,
            attempts,
            done: 0,
            started: None,
            finished: None,
            outcome: None,
            told: None,
        }
    }

    fn is_left(&self, run: u32) -> bool {
        self.run != run || self.status.is_final()
    }

    fn outcome_bytes(&self) -> usize {
        self.outcome.as_ref().map_or(0, |outcome| outcome.bytes())
    }
}

/// What is fixed of a job.
pub(crate) struct NewJob {
    pub(crate) caller: Caller,
    pub(crate) conversations: Conversations,
    pub(crate) work: Work,
    pub(crate) callback: Option<WebhookUrl>,
}

impl Job {
    pub(super) fn new(new: NewJob) -> Self {
        let NewJob { caller, conversations, work, callback } = new;
        let owner = caller.owner().to_owned();
        let state = watch::Sender::new(State::queued(1, 1, 0));
        let (id, created, work_bytes) = (JobId::new(), Timestamp::now(), work.bytes());
        Self { id, owner, conversations, work, callback, created, work_bytes, state }
    }

    /// The state at this moment.
    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    pub(super) fn status(&self) -> Status {
        self.state.borrow().status
    }

    /// The states from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.work_bytes + self.state.borrow().outcome_bytes()
    }

    /// Waits until it has ended, and returns how.
    pub(super) async fn ended(&self) -> State {
        let mut states = self.watch();
        let ended = states.wait_for(|state| state.status.is_final()).await;
        ended.map_or_else(|_| self.state(), |state| state.clone())
    }

    /// Waits until whoever works on this run has no say any more.
    pub(super) async fn left(&self, run: u32) {
        // The sender is here, so it is not gone.
        let _ = self.watch().wait_for(|state| state.is_left(run)).await;
    }

    /// Changes the state and tells its readers, unless `change` says that there is nothing to do.
    fn change(&self, change: impl FnOnce(&mut State) -> bool) -> bool {
        self.state.send_if_modified(|state| {
            let changed = change(state);
            state.version += u64::from(changed);
            changed
        })
    }

    /// A run begins, unless the job was cancelled.
    pub(super) fn begin(&self, run: u32) -> bool {
        self.change(|state| {
            if state.is_left(run) {
                return false;
            }
            state.status = Status::Running;
            state.attempts += 1;
            state.started = Some(Timestamp::now());
            true
        })
    }

    /// So many of its calls have been answered.
    pub(super) fn step(&self, run: u32, done: usize) {
        self.change(|state| {
            // Calls are answered side by side, and so is this told.
            let is_news = !state.is_left(run) && done > state.done;
            if is_news {
                state.done = done;
            }
            is_news
        });
    }

    /// It has ended, unless it had ended before; the state at its end.
    pub(super) fn end(
        &self,
        run: u32,
        status: Status,
        outcome: Option<Arc<Outcome>>,
    ) -> Option<State> {
        let mut ended = None;
        self.change(|state| {
            if state.is_left(run) {
                return false;
            }
            state.status = status;
            state.finished = Some(Timestamp::now());
            state.outcome = outcome;
            state.told = self.callback.as_ref().map(|_| Told::Pending);
            ended = Some(state.clone());
            true
        });
        ended
    }

    /// It is queued once more, if it ended without an answer; the number of the new run.
    pub(super) fn queue_again(&self) -> Option<u32> {
        let mut run = None;
        self.change(|state| {
            if !matches!(state.status, Status::Failed | Status::Cancelled) {
                return false;
            }
            *state = State::queued(state.run + 1, state.version, state.attempts);
            run = Some(state.run);
            true
        });
        run
    }

    /// What became of telling its callback. Its readers are not told: for them it has ended.
    pub(super) fn note(&self, run: u32, told: Told) {
        self.state.send_if_modified(|state| {
            if state.run == run {
                state.told = Some(told);
            }
            false
        });
    }

    /// Whether it ended so long ago.
    pub(super) fn is_older(&self, age: Duration) -> bool {
        let Some(finished) = self.state.borrow().finished else { return false };
        let elapsed = Timestamp::now().as_millis() - finished.as_millis();
        u128::try_from(elapsed).is_ok_and(|elapsed| elapsed >= age.as_millis())
    }
}
