//! A batch as it goes on.

use std::time::Duration;

use alula::{Event, Stream};
use alula_jobs::{Counts, JobId, JobSummary, Queue, StoreError};
use futures_util::stream;
use tokio::time::sleep;

use super::{BatchView, counts};

/// How often it is looked how many have ended.
const INTERVAL: Duration = Duration::from_millis(250);

/// The changes of a batch that a client has not seen yet, or nothing if it has seen the end.
pub(super) async fn follow(
    queue: Queue,
    batch: &JobSummary,
    durable: bool,
    last_event_id: Option<&str>,
) -> Result<Option<impl Stream<Item = Event<BatchView>> + Send + use<>>, StoreError> {
    if batch.state.is_final() {
        let version = version(batch, &counts(&queue, batch.id).await?);
        if last_event_id == Some(&*version) {
            return Ok(None);
        }
    }
    let version = last_event_id.map(str::to_owned);
    let seen = Seen { queue, id: batch.id, durable, version, is_told: false, is_over: false };
    Ok(Some(stream::unfold(seen, async |mut seen| {
        let event = seen.next().await?;
        Some((event, seen))
    })))
}

/// What a client has been told.
struct Seen {
    queue: Queue,
    id: JobId,
    durable: bool,
    version: Option<String>,
    /// Whether the client has heard anything on this connection.
    is_told: bool,
    /// The batch has ended.
    is_over: bool,
}

impl Seen {
    /// The next change; of several at once only the last, as a client that is slow is behind
    /// already.
    async fn next(&mut self) -> Option<Event<BatchView>> {
        while !self.is_over {
            // A store that is away ends the stream: its client comes again.
            let batch = self.queue.summary(self.id).await.ok()??;
            // They are not older than the batch, and so whole at its end.
            let counts = counts(&self.queue, batch.id).await.ok()?;
            self.is_over = batch.state.is_final();
            let version = version(&batch, &counts);
            if self.version.as_ref() != Some(&version) {
                let is_status = !std::mem::replace(&mut self.is_told, true) || self.is_over;
                let name = if is_status { "status" } else { "progress" };
                let view = BatchView::new(&batch, &counts, self.durable);
                self.version = Some(version.clone());
                return Some(Event::new(view).event(name).id(version));
            }
            if !self.is_over {
                sleep(INTERVAL).await;
            }
        }
        None
    }
}

/// Another one whenever more has ended, or the batch begins anew.
fn version(batch: &JobSummary, counts: &Counts) -> String {
    format!("{}.{}.{}", batch.token, batch.state.as_str(), counts.ended())
}
