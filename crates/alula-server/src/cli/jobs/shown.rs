//! A job as people and programs see it.

use std::{collections::BTreeMap, time::Duration};

use alula_jobs::{Filter, Job, JobId, JobState, JobSummary, Progress, Queue, StoreError};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    cli::table::{self, clean},
    time::Timestamp,
};

/// The most characters of an error in a list.
const ERROR_CHARS_MAX: usize = 60;

/// What is known of a job.
#[derive(Debug, Serialize)]
pub(super) struct JobInfo {
    pub(super) id: JobId,
    /// The name of its handler; empty for a batch that nothing follows.
    name: String,
    /// What is said of it in lists: of a request, its endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    queue: String,
    status: &'static str,
    attempts: u32,
    attempts_max: u32,
    steps_done: u32,
    steps: u32,
    priority: i16,
    owner: Option<String>,
    progress: Option<Progress>,
    /// How many of its parts are there, by status.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parts: BTreeMap<&'static str, u64>,
    error: Option<String>,
    parent: Option<JobId>,
    follower: Option<JobId>,
    worker: Option<String>,
    created_at: Timestamp,
    run_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    lease_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
}

impl JobInfo {
    /// What lists tell.
    pub(super) fn brief(job: &JobSummary) -> Self {
        let at = |moment: alula_jobs::Timestamp| Timestamp::from_millis(moment.as_millis());
        let (steps_done, steps) = job.steps;
        Self {
            id: job.id,
            name: job.step.name.clone(),
            label: job.label.clone(),
            queue: job.step.queue.clone(),
            status: job.state.as_str(),
            attempts: job.attempts,
            attempts_max: job.step.max_attempts,
            steps_done,
            steps,
            priority: job.priority,
            owner: job.owner.clone(),
            progress: job.progress.clone(),
            parts: BTreeMap::new(),
            error: job.error.clone(),
            parent: job.parent,
            follower: job.follower,
            worker: job.worker.clone(),
            created_at: at(job.created_at),
            run_at: at(job.run_at),
            started_at: job.started_at.map(at),
            finished_at: job.finished_at.map(at),
            lease_until: job.lease_until.map(at),
            args: None,
            result: None,
        }
    }

    /// The same with its parts, and with what is asked for of its contents.
    pub(super) async fn whole(
        queue: &Queue,
        job: &Job,
        args: bool,
        result: bool,
    ) -> Result<Self, StoreError> {
        let of_it = Filter { parent: Some(job.id), ..Filter::default() };
        let counts = queue.count(&of_it).await?;
        let parts = JobState::ALL.map(|state| (state.as_str(), counts.of(state)));
        Ok(Self {
            parts: parts.into_iter().filter(|(_, count)| *count > 0).collect(),
            args: args.then(|| job.args.clone()),
            result: job.result.clone().filter(|_| result),
            ..Self::brief(job)
        })
    }

    /// What people call it.
    fn title(&self) -> &str {
        match &self.label {
            Some(label) => label,
            None if self.name.is_empty() => "batch",
            None => &self.name,
        }
    }
}

/// The rows of a table, with its head.
pub(super) fn rows_of(infos: &[JobInfo], now: Timestamp) -> Vec<Vec<String>> {
    let head = ["ID", "NAME", "QUEUE", "STATUS", "ATTEMPTS", "AGE", "ERROR"];
    let row = |info: &JobInfo| {
        vec![
            info.id.to_string(),
            info.title().to_owned(),
            info.queue.clone(),
            info.status.to_owned(),
            format!("{}/{}", info.attempts, info.attempts_max),
            span(since(info.created_at, now)),
            info.error.as_deref().map(shortened).unwrap_or_default(),
        ]
    };
    std::iter::once(head.map(str::to_owned).to_vec()).chain(infos.iter().map(row)).collect()
}

/// All of it, a line each. Of what is not shown, how large it is.
pub(super) fn lines_of(info: &JobInfo, job: &Job) -> String {
    let moment = |moment: Option<Timestamp>| moment.map(|moment| moment.to_string());
    let bytes = |json: &RawValue| format!("{} bytes", json.get().len());
    let progress = info.progress.as_ref().map(|Progress { done, total, message }| {
        let total = total.map(|total| format!(" of {total}")).unwrap_or_default();
        let message = message.as_ref().map(|it| format!(", {it}")).unwrap_or_default();
        format!("{done}{total}{message}")
    });
    let parts: Vec<_> =
        info.parts.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let lines = [
        ("id", Some(info.id.to_string())),
        ("name", Some(info.name.clone()).filter(|name| !name.is_empty())),
        ("label", info.label.clone()),
        ("queue", Some(info.queue.clone())),
        ("status", Some(info.status.to_owned())),
        ("attempts", Some(format!("{} of {}", info.attempts, info.attempts_max))),
        ("steps", (info.steps > 1).then(|| format!("{} of {}", info.steps_done, info.steps))),
        ("progress", progress),
        ("parts", (!parts.is_empty()).then(|| parts.join(", "))),
        ("priority", (info.priority != 0).then(|| info.priority.to_string())),
        ("owner", info.owner.clone().filter(|owner| !owner.is_empty())),
        ("part of", info.parent.map(|id| id.to_string())),
        ("followed by", info.follower.map(|id| id.to_string())),
        ("worker", info.worker.clone()),
        ("lease until", moment(info.lease_until)),
        ("created", Some(info.created_at.to_string())),
        ("due", Some(info.run_at.to_string())),
        ("started", moment(info.started_at)),
        ("finished", moment(info.finished_at)),
        ("args", info.args.is_none().then(|| bytes(&job.args))),
        ("result", job.result.as_deref().filter(|_| info.result.is_none()).map(bytes)),
    ];
    let rows = lines.into_iter().filter_map(|(name, text)| Some(vec![name.to_owned(), text?]));
    let mut text = table::of_texts(&rows.collect::<Vec<_>>());
    let contents = [
        ("error", info.error.as_deref()),
        ("args", info.args.as_deref().map(RawValue::get)),
        ("result", info.result.as_deref().map(RawValue::get)),
    ];
    for (name, content) in contents {
        let Some(content) = content else { continue };
        let lines: String = content.lines().map(|line| format!("\n  {}", clean(line))).collect();
        text += &format!("\n{name}{lines}");
    }
    text
}

/// The first line of an error, or the beginning of it.
fn shortened(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    if line.chars().count() <= ERROR_CHARS_MAX {
        return line.to_owned();
    }
    line.chars().take(ERROR_CHARS_MAX - 1).chain(['…']).collect()
}

fn since(then: Timestamp, now: Timestamp) -> Duration {
    let millis = now.as_millis().saturating_sub(then.as_millis());
    Duration::from_millis(millis.try_into().unwrap_or(0))
}

/// A time in the unit that fits it.
pub(in crate::cli) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_the_unit_that_fits_it() {
        let text = |seconds| span(Duration::from_secs(seconds));
        assert_eq!([0, 59, 60, 3_599].map(text), ["0s", "59s", "1m00s", "59m59s"]);
        assert_eq!(
            [3_600, 86_399, 86_400, 1_000_000].map(text),
            ["1h00m", "23h59m", "1d00h", "11d13h"]
        );
    }

    #[test]
    fn an_error_is_one_short_line() {
        assert_eq!(shortened("no\nway"), "no");
        assert_eq!(shortened(&"ü".repeat(60)), "ü".repeat(60));
        assert_eq!(shortened(&"ü".repeat(61)), "ü".repeat(59) + "…");
    }
}
