//! A job as it goes on.

use std::sync::Arc;

use alula::{Event, Stream};
use futures_util::stream;

use super::{
    JobView,
    job::{Job, State, Status},
};

/// The changes of a job that a client has not seen yet, or nothing if it has seen the end.
pub(crate) fn follow(
    job: Arc<Job>,
    last_event_id: Option<&str>,
) -> Option<impl Stream<Item = Event<JobView>> + Send + use<>> {
    let now = job.state();
    // What is no id of ours, or that of a job of before, has seen nothing.
    let seen = last_event_id.and_then(|id| id.parse().ok()).filter(|seen| *seen <= now.version);
    let seen = seen.unwrap_or(0);
    if now.status.is_final() && seen == now.version {
        return None;
    }
    Some(stream::unfold((job, Seen { version: seen, status: None }), async |(job, mut seen)| {
        let event = seen.next(&job).await?;
        Some((event, (job, seen)))
    }))
}

/// What a client has been told.
struct Seen {
    version: u64,
    status: Option<Status>,
}

impl Seen {
    /// The next change; of several at once only the last, as a client that is slow is behind already.
    async fn next(&mut self, job: &Job) -> Option<Event<JobView>> {
        if self.status.is_some_and(Status::is_final) {
            return None;
        }
        let mut states = job.watch();
        let state: State =
            states.wait_for(|state| state.version > self.version).await.ok()?.clone();
        let name = if self.status == Some(state.status) { "progress" } else { "status" };
        *self = Self { version: state.version, status: Some(state.status) };
        let event = Event::new(JobView::brief(job, &state));
        Some(event.event(name).id(state.version.to_string()))
    }
}
