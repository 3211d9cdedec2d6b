//! From jobs to the rows of statements, and back.

use std::borrow::Cow;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::Row;
use crate::{
    Job, JobId, JobState, JobSummary, NewJob, Step, Timestamp,
    handler::shortened,
    store::{Claim, Held, StoreError},
};

/// An array of rows, as the `{rows: …}` of a statement. What is JSON itself goes in as a text, so that
/// it is kept as it came.
pub(super) fn array<T: Serialize>(rows: &[T]) -> Result<String, StoreError> {
    serde_json::to_string(rows).map_err(|_| StoreError::Malformed("a row"))
}

/// An array of texts, as the `{texts$N}` of a statement.
pub(super) fn texts<T: ToString>(texts: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| text.to_string()).collect();
    serde_json::to_string(&texts).unwrap_or_else(|_| "[]".to_owned())
}

/// Postgres keeps no NUL in a text.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text.into() }
}

/// How many bytes of a label are kept.
const LABEL_BYTES_MAX: usize = 256;

/// The longest trace that is kept, in bytes.
const TRACE_BYTES_MAX: usize = 256;

/// A job to insert.
#[derive(Debug, Serialize)]
pub(super) struct NewRow {
    id: JobId,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    queue: String,
    name: String,
    max_attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    rest: Option<String>,
    steps: usize,
    state: i64,
    priority: i16,
    created_at: i64,
    run_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<JobId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_end: Option<String>,
    args: Box<str>,
}

impl NewRow {
    pub(super) fn new(job: &NewJob, parent: Option<JobId>, now: Timestamp) -> Self {
        let state = if job.delay.is_zero() { JobState::Queued } else { JobState::Scheduled };
        Self {
            id: job.id,
            label: job
                .label
                .as_deref()
                .map(|it| shortened(clean(it).into_owned(), LABEL_BYTES_MAX)),
            trace: job.trace.clone().filter(|it| it.len() <= TRACE_BYTES_MAX && !it.contains('\0')),
            owner: job.owner.as_deref().map(|owner| clean(owner).into_owned()),
            queue: clean(&job.first.queue).into_owned(),
            name: clean(&job.first.name).into_owned(),
            max_attempts: job.first.max_attempts,
            rest: rest(&job.rest),
            steps: job.steps().count(),
            state: state.code(),
            priority: job.first.priority.unwrap_or(job.priority),
            created_at: now.as_millis(),
            run_at: (now + job.delay).as_millis(),
            unique_key: job.unique.as_deref().map(|key| clean(key).into_owned()),
            parent,
            on_end: job.on_end.as_ref().and_then(|on_end| serde_json::to_string(on_end).ok()),
            args: job.args.get().into(),
        }
    }

    /// It waits for its children.
    pub(super) fn waiting(mut self) -> Self {
        self.state = JobState::Waiting.code();
        self
    }

    pub(super) fn id(&self) -> JobId {
        self.id
    }

    pub(super) fn unique_key(&self) -> Option<&str> {
        self.unique_key.as_deref()
    }
}

/// The steps that follow, if any do.
pub(super) fn rest(steps: &[Step]) -> Option<String> {
    if steps.is_empty() { None } else { serde_json::to_string(steps).ok() }
}

/// What [`claim`] reads, in its order.
pub(super) const CLAIMED: &str = "id, token, queue, name, max_attempts, rest, args, step, attempts, \
                                  owner, parent, priority, run_at, created_at, trace";

/// The step that a job is at. What it changes of the job is changed by then.
fn step(row: &Row) -> Result<Step, StoreError> {
    let (queue, name, max_attempts) = (row.text(2)?, row.text(3)?, number(row.int(4)?));
    Ok(Step { queue, name, max_attempts, priority: None })
}

pub(super) fn claim(row: &Row) -> Result<Claim, StoreError> {
    Ok(Claim {
        held: held(row)?,
        step: step(row)?,
        rest: row.maybe_text(5)?.map_or(Ok(Vec::new()), |rest| json(&rest, "steps"))?,
        args: raw(row.text(6)?)?,
        number: number(row.int(7)?),
        attempt: number(row.int(8)?),
        owner: row.maybe_text(9)?,
        parent: row.maybe_text(10)?.as_deref().map(id).transpose()?,
        priority: i16::try_from(row.int(11)?).unwrap_or_default(),
        run_at: Timestamp::from_millis(row.int(12)?),
        created_at: Timestamp::from_millis(row.int(13)?),
        trace: row.maybe_text(14)?,
    })
}

/// What [`summary`] reads, in its order.
pub(super) const SUMMARY: &str = "id, token, queue, name, max_attempts, label, owner, step, steps, \
                                  state, priority, attempts, error, progress, parent, worker, \
                                  created_at, run_at, started_at, finished_at, lease_until, \
                                  CAST(CASE WHEN on_end IS NULL THEN 0 ELSE 1 END AS BIGINT)";
/// What [`job`] reads after that.
pub(super) const CONTENTS: &str = "args, result";

pub(super) fn summary(row: &Row) -> Result<JobSummary, StoreError> {
    let Held { id: name, token } = held(row)?;
    let state = state(row.int(9)?)?;
    let has_follower = state.is_final() && row.int(21)? != 0;
    let moment = |place| Ok::<_, StoreError>(row.maybe_int(place)?.map(Timestamp::from_millis));
    Ok(JobSummary {
        id: name,
        token,
        step: step(row)?,
        label: row.maybe_text(5)?,
        owner: row.maybe_text(6)?,
        steps: (number(row.int(7)?), number(row.int(8)?)),
        state,
        priority: i16::try_from(row.int(10)?).unwrap_or_default(),
        attempts: number(row.int(11)?),
        error: row.maybe_text(12)?,
        progress: row.maybe_text(13)?.and_then(|progress| serde_json::from_str(&progress).ok()),
        parent: row.maybe_text(14)?.as_deref().map(id).transpose()?,
        follower: has_follower.then(|| name.follower(token)),
        worker: row.maybe_text(15)?,
        created_at: Timestamp::from_millis(row.int(16)?),
        run_at: Timestamp::from_millis(row.int(17)?),
        started_at: moment(18)?,
        finished_at: moment(19)?,
        lease_until: moment(20)?,
    })
}

pub(super) fn job(row: &Row) -> Result<Job, StoreError> {
    Ok(Job {
        summary: summary(row)?,
        args: raw(row.text(22)?)?,
        result: row.maybe_text(23)?.map(raw).transpose()?,
    })
}

/// The `id` and `token` that a row begins with.
pub(super) fn held(row: &Row) -> Result<Held, StoreError> {
    Ok(Held { id: id(&row.text(0)?)?, token: row.int(1)? })
}

pub(super) fn id(text: &str) -> Result<JobId, StoreError> {
    text.parse().map_err(|_| StoreError::Malformed("a name of a job"))
}

pub(super) fn state(code: i64) -> Result<JobState, StoreError> {
    JobState::from_code(code).ok_or(StoreError::Malformed("a state"))
}

pub(super) fn json<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Malformed(what))
}

fn raw(text: String) -> Result<Box<RawValue>, StoreError> {
    RawValue::from_string(text).map_err(|_| StoreError::Malformed("JSON"))
}

fn number(number: i64) -> u32 {
    u32::try_from(number).unwrap_or_default()
}
