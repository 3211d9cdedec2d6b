//! The ends of attempts.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    Conn, Operation, Sql,
    end::{self, ended},
    enqueue::Enqueue,
    rows::{self, array},
};
use crate::{
    JobId, JobState, NewJob, Step, Timestamp,
    store::{Claim, End, Held, Next, StoreError},
};

/// How much of an error is kept, in bytes.
const ERROR_MAX: usize = 8 * 1024;

static FINISH: Sql = Sql::new(
    "UPDATE jobs SET state = r.state, queue = r.queue, name = r.name, \
     max_attempts = r.max_attempts, priority = COALESCE(r.priority, jobs.priority), \
     rest = r.rest, args = COALESCE(r.args, jobs.args), \
     progress = CASE WHEN r.clears_progress = 1 THEN NULL ELSE jobs.progress END, \
     step = r.step, attempts = r.attempts, run_at = COALESCE(r.run_at, jobs.run_at), \
     finished_at = r.finished_at, result = r.result, error = r.error, \
     worker = NULL, lease_until = NULL \
     FROM {rows: id TEXT, token BIGINT, state BIGINT, queue TEXT, name TEXT, \
     max_attempts BIGINT, priority BIGINT, rest TEXT, args TEXT, clears_progress BIGINT, step BIGINT, \
     attempts BIGINT, run_at BIGINT, finished_at BIGINT, result TEXT, error TEXT} \
     WHERE jobs.id = r.id AND jobs.token = r.token AND jobs.state = 2 \
     RETURNING jobs.id, jobs.token, jobs.state, jobs.parent, jobs.on_end",
);

/// What most ends are: the last step has succeeded. It needs to know little of the job.
static SUCCEED: Sql = Sql::new(
    "UPDATE jobs SET state = 4, step = step + 1, finished_at = $2, result = r.result, \
     error = NULL, worker = NULL, lease_until = NULL \
     FROM {rows: id TEXT, token BIGINT, result TEXT} \
     WHERE jobs.id = r.id AND jobs.token = r.token AND jobs.state = 2 \
     RETURNING jobs.id, jobs.token, jobs.state, jobs.parent, jobs.on_end",
);

/// Notes ends.
#[derive(Debug)]
pub(super) struct Finish {
    held: Vec<Held>,
    successes: Vec<Success>,
    changes: Vec<Change>,
    /// The jobs whose children they are.
    parents: Vec<JobId>,
    children: Vec<(JobId, Vec<NewJob>)>,
    now: Timestamp,
}

/// The last step of a job has succeeded with this.
#[derive(Debug, Serialize)]
struct Success {
    id: JobId,
    token: i64,
    result: Box<str>,
}

impl Success {
    fn of(end: &End) -> Option<Self> {
        let Held { id, token } = end.claim.held;
        match &end.next {
            Next::Done(result) if end.claim.rest.is_empty() => {
                Some(Self { id, token, result: result.get().into() })
            }
            _ => None,
        }
    }
}

/// What becomes of a row that goes on, or has failed.
#[derive(Debug, Serialize)]
struct Change {
    id: JobId,
    token: i64,
    state: i64,
    queue: String,
    name: String,
    max_attempts: u32,
    /// Only if it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rest: Option<String>,
    /// Only if they are others.
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Box<str>>,
    clears_progress: u8,
    step: u32,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Change {
    /// The step as it is, in another state.
    fn of(claim: &Claim, state: JobState) -> Self {
        Self {
            id: claim.held.id,
            token: claim.held.token,
            state: state.code(),
            queue: claim.step.queue.clone(),
            name: claim.step.name.clone(),
            max_attempts: claim.step.max_attempts,
            priority: None,
            rest: rows::rest(&claim.rest),
            args: None,
            clears_progress: 0,
            step: claim.number,
            attempts: claim.attempt,
            run_at: None,
            finished_at: None,
            result: None,
            error: None,
        }
    }

    /// What follows an attempt.
    fn after(claim: &Claim, next: &Next, now: Timestamp) -> Self {
        match next {
            Next::Done(result) | Next::Children { result, .. } => {
                let state = match next {
                    Next::Children { .. } => JobState::Waiting,
                    _ => JobState::Queued,
                };
                match claim.rest.split_first() {
                    Some((step, rest)) => Self::to_step(claim, state, step, rest, result, now),
                    // A job without a name has nothing to do but to wait: what was the last step
                    // and waits for nothing is a `Success`.
                    None => Self {
                        name: String::new(),
                        step: claim.number + 1,
                        result: Some(result.get().into()),
                        ..Self::of(claim, JobState::Waiting)
                    },
                }
            }
            Next::Retry { at, error } if claim.attempt < claim.step.max_attempts => Self {
                run_at: Some(at.as_millis()),
                error: Some(shortened(error)),
                ..Self::of(claim, state_at(*at, now))
            },
            Next::Retry { error, .. } => Self::failed(claim, error, None, now),
            Next::Fail { error, result } => Self::failed(claim, error, result.as_deref(), now),
            Next::Release { at } => Self {
                run_at: Some(at.as_millis()),
                attempts: claim.attempt.saturating_sub(1),
                ..Self::of(claim, state_at(*at, now))
            },
        }
    }

    fn to_step(
        claim: &Claim,
        state: JobState,
        step: &Step,
        rest: &[Step],
        args: &RawValue,
        now: Timestamp,
    ) -> Self {
        Self {
            queue: step.queue.clone(),
            name: step.name.clone(),
            max_attempts: step.max_attempts,
            priority: step.priority,
            rest: rows::rest(rest),
            args: Some(args.get().into()),
            clears_progress: 1,
            step: claim.number + 1,
            attempts: 0,
            run_at: Some(now.as_millis()),
            ..Self::of(claim, state)
        }
    }

    fn failed(claim: &Claim, error: &str, result: Option<&RawValue>, now: Timestamp) -> Self {
        Self {
            error: Some(shortened(error)),
            result: result.map(|result| result.get().into()),
            finished_at: Some(now.as_millis()),
            ..Self::of(claim, JobState::Failed)
        }
    }
}

fn state_at(at: Timestamp, now: Timestamp) -> JobState {
    if at <= now { JobState::Queued } else { JobState::Scheduled }
}

fn shortened(error: &str) -> String {
    let mut error = rows::clean(error).into_owned();
    error.truncate(error.floor_char_boundary(ERROR_MAX));
    error
}

impl Finish {
    pub(super) fn new(ends: &[End], now: Timestamp) -> Self {
        let children = ends.iter().filter_map(|end| match &end.next {
            Next::Children { children, .. } => Some((end.claim.held.id, children.clone())),
            _ => None,
        });
        let (mut successes, mut changes) = (Vec::with_capacity(ends.len()), Vec::new());
        for end in ends {
            match Success::of(end) {
                Some(success) => successes.push(success),
                None => changes.push(Change::after(&end.claim, &end.next, now)),
            }
        }
        Self {
            held: ends.iter().map(|end| end.claim.held).collect(),
            successes,
            changes,
            parents: ends.iter().filter_map(|end| end.claim.parent).collect(),
            children: children.collect(),
            now,
        }
    }

    /// Whether something may be queued by it.
    fn queues_more(&self) -> bool {
        let queued = JobState::Queued.code();
        !self.children.is_empty() || self.changes.iter().any(|change| change.state == queued)
    }
}

impl Operation for Finish {
    /// Of each, whether it was still the worker's; and whether something is queued by it.
    type Output = (Vec<bool>, bool);

    async fn run(&self, conn: &mut Conn<'_>) -> Result<(Vec<bool>, bool), StoreError> {
        // Whoever has locked the parent first sees all children that have ended before.
        end::lock(conn, &self.parents).await?;
        let mut done = Vec::with_capacity(self.held.len());
        let mut over = Vec::new();
        let mut changed = Vec::new();
        if !self.successes.is_empty() {
            let rows = array(&self.successes)?;
            changed = conn.rows(&SUCCEED, &[(&rows).into(), self.now.as_millis().into()]).await?;
        }
        if !self.changes.is_empty() {
            changed.extend(conn.rows(&FINISH, &[(&array(&self.changes)?).into()]).await?);
        }
        for row in changed {
            done.push(rows::held(&row)?);
            over.extend(ended(&row)?);
        }
        for (parent, children) in &self.children {
            if done.iter().any(|held| held.id == *parent) {
                Enqueue::children(*parent, children, self.now).run(conn).await?;
            }
        }
        let waiting: Vec<JobId> = self.children.iter().map(|(parent, _)| *parent).collect();
        let follows = end::follow(conn, over, waiting, self.now).await?;
        let done = self.held.iter().map(|held| done.contains(held)).collect();
        Ok((done, follows || self.queues_more()))
    }
}
