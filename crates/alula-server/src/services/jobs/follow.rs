//! A job as it goes on.

use alula::{Event, Stream};
use alula_jobs::{JobState, JobSummary, Queue, Watch};
use futures_util::stream;

use super::{JobView, kept::Outline};

/// The changes of a job that a client has not seen yet, or nothing if it has seen the end.
pub(super) fn follow(
    queue: &Queue,
    job: &JobSummary,
    durable: bool,
    last_event_id: Option<&str>,
) -> Option<impl Stream<Item = Event<JobView>> + Send + use<>> {
    if job.state.is_final() && last_event_id == Some(&*version(job)) {
        return None;
    }
    let seen = Seen { version: last_event_id.map(str::to_owned), state: None, durable };
    let changes = stream::unfold((queue.watch(job.id), seen), async |(mut watch, mut seen)| {
        let event = seen.next(&mut watch).await?;
        Some((event, (watch, seen)))
    });
    Some(changes)
}

/// What a client has been told.
struct Seen {
    version: Option<String>,
    state: Option<JobState>,
    durable: bool,
}

impl Seen {
    /// The next change; of several at once only the last, as a client that is slow is behind already.
    async fn next(&mut self, watch: &mut Watch) -> Option<Event<JobView>> {
        loop {
            // A store that is away ends the stream: its client comes again.
            let job = watch.next().await.ok()??;
            let version = version(&job);
            if self.version.as_ref() == Some(&version) {
                continue;
            }
            let name = if self.state == Some(job.state) { "progress" } else { "status" };
            self.state = Some(job.state);
            let event =
                Event::new(JobView::brief(&job, self.durable)).event(name).id(version.clone());
            self.version = Some(version);
            return Some(event);
        }
    }
}

/// Another one after each change that clients are told of.
fn version(job: &JobSummary) -> String {
    let done = Outline::of(job).done(job);
    format!("{}.{}.{}.{done}", job.token, job.state.as_str(), job.attempts)
}
