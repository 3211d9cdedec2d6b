//! Many questions as one batch: a job for each, and one that waits for them all.

mod follow;
mod results;
mod submit;
mod view;

use alula::{Event, HttpError, Result, Stream};
use alula_jobs::{Counts, JobId, JobState, JobSummary, Queue, StoreError, store::Filter};

pub(crate) use self::{
    results::BatchLine,
    submit::LargeBatch,
    view::{AcceptedBatch, BatchStatus, BatchView},
};
pub(super) use self::{
    submit::QUEUE,
    view::{BatchCounts, url},
};
use super::{Jobs, store::failed, webhook};
use crate::services::admission::Caller;

/// What a batch may be.
#[derive(Debug, Clone)]
pub(crate) struct BatchLimits {
    /// How many questions it has at most.
    pub(crate) requests_max: usize,
    /// How many bytes they have together.
    pub(crate) bytes_max: usize,
    /// How often a question is asked whose provider fails.
    pub(crate) attempts_max: u32,
}

impl Default for BatchLimits {
    fn default() -> Self {
        // Ten attempts are eight minutes with a provider that is down.
        Self { requests_max: 10_000, bytes_max: 64 << 20, attempts_max: 10 }
    }
}

impl Jobs {
    /// A caller's own batch.
    pub(super) async fn find_batch(&self, caller: &Caller, id: &str) -> Result<JobSummary> {
        let found = self.own(caller, id, &[QUEUE]).await?;
        found.ok_or_else(|| HttpError::not_found("There is no such batch"))
    }

    /// A caller's own batch, as clients see it.
    pub(crate) async fn batch(&self, caller: &Caller, id: &str) -> Result<BatchView> {
        let batch = self.find_batch(caller, id).await?;
        let told = webhook::told(&self.0.queue, &batch).await;
        let counts = counts(&self.0.queue, batch.id).await.map_err(failed)?;
        Ok(BatchView::new(&batch, &counts, self.0.is_durable).told(told))
    }

    /// A caller's own batches, the last first: at most so many, of those behind `after`. Also,
    /// whether there are more.
    pub(crate) async fn batches(
        &self,
        caller: &Caller,
        status: Option<BatchStatus>,
        after: Option<JobId>,
        limit: u32,
    ) -> Result<(Vec<BatchView>, bool)> {
        let states = status.map_or(&[][..], BatchStatus::states);
        let (found, has_more) = self.page(caller, &[QUEUE], states, after, limit).await?;
        let mut views = Vec::with_capacity(found.len());
        for batch in &found {
            let counts = counts(&self.0.queue, batch.id).await.map_err(failed)?;
            views.push(BatchView::new(batch, &counts, self.0.is_durable));
        }
        Ok((views, has_more))
    }

    /// How a caller's own batch goes on, or nothing if the caller has seen the end.
    pub(crate) async fn follow_batch(
        &self,
        caller: &Caller,
        id: &str,
        last_event_id: Option<&str>,
    ) -> Result<Option<impl Stream<Item = Event<BatchView>> + Send + use<>>> {
        let batch = self.find_batch(caller, id).await?;
        let (queue, durable) = (self.0.queue.clone(), self.0.is_durable);
        follow::follow(queue, &batch, durable, last_event_id).await.map_err(failed)
    }

    /// What has become of each question of a caller's own batch that has ended, in their order.
    pub(crate) async fn batch_results(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<impl Stream<Item = BatchLine> + Send + use<>> {
        let batch = self.find_batch(caller, id).await?;
        Ok(results::lines(self.0.queue.clone(), batch.id))
    }

    /// Stops what has not ended of a batch.
    ///
    /// # Errors
    ///
    /// 409 if all of it has.
    pub(crate) async fn cancel_batch(&self, caller: &Caller, id: &str) -> Result<BatchView> {
        let batch = self.find_batch(caller, id).await?;
        match self.0.queue.cancel(batch.id).await.map_err(failed)? {
            Some(JobState::Succeeded) => Err(HttpError::conflict("The batch is completed")),
            _ => self.batch(caller, id).await,
        }
    }

    /// Asks those questions of a batch once more that have failed or were cancelled.
    ///
    /// # Errors
    ///
    /// 409 if there are none or the batch still runs, else as for a new one.
    pub(crate) async fn retry_batch(&self, caller: &Caller, id: &str) -> Result<BatchView> {
        let running = || HttpError::conflict("The batch is running");
        let batch = self.find_batch(caller, id).await?;
        if !batch.state.is_final() {
            return Err(running());
        }
        let counts = counts(&self.0.queue, batch.id).await.map_err(failed)?;
        let again = counts.of(JobState::Failed) + counts.of(JobState::Cancelled);
        if again == 0 {
            return Err(HttpError::conflict("Every request of the batch has succeeded"));
        }
        self.check_room(caller, again).await?;
        match self.0.queue.retry(batch.id).await.map_err(failed)? {
            Some(state) if !state.is_final() => Err(running()),
            _ => self.batch(caller, id).await,
        }
    }
}

/// How many questions of a batch there are of each state.
pub(super) async fn counts(queue: &Queue, batch: JobId) -> Result<Counts, StoreError> {
    queue.count(&Filter { parent: Some(batch), ..Filter::default() }).await
}
