//! What the two databases have in common.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

use super::{
    Conn,
    cancel::Cancel,
    claim::{ClaimJobs, Renew},
    enqueue::{Enqueue, EnqueueBatch},
    finish::Finish,
    look::{Count, Get, List, ListWhole, Look, Stats, Summary},
    maintain::{Promote, Reap, Sweep},
    retry::Retry,
    schedule::{Fire, Schedule},
};
use crate::{
    Counts, Job, JobId, JobState, JobSummary, NewBatch, NewJob, Progress, Timestamp,
    store::{
        Ask, Cancelled, Claim, Due, End, Enqueued, Filter, Held, QueueStats, Retention, Store,
        StoreError,
    },
};

/// What is done within a transaction. It may be run more than once; what an earlier run has done is
/// undone then.
pub(super) trait Operation: Send + Sync + 'static {
    /// What comes of it.
    type Output: Send + 'static;

    /// Whether it writes by one statement at most, and so needs no transaction around it.
    fn is_one_statement(&self) -> bool {
        false
    }

    /// Does it.
    fn run(
        &self,
        conn: &mut Conn<'_>,
    ) -> impl Future<Output = Result<Self::Output, StoreError>> + Send;
}

/// A database.
pub(super) trait Engine: Debug + Send + Sync + 'static {
    /// Does something within a transaction that writes.
    fn write<O: Operation>(
        &self,
        operation: O,
    ) -> impl Future<Output = Result<O::Output, StoreError>> + Send;

    /// Does something that only reads.
    fn read<O: Operation>(
        &self,
        operation: O,
    ) -> impl Future<Output = Result<O::Output, StoreError>> + Send;

    /// Tells other processes that something was queued.
    fn tell(&self);

    fn changed(&self) -> impl Future<Output = ()> + Send;

    fn detached(&self) -> Arc<dyn Store>;

    fn close(&self) -> impl Future<Output = ()> + Send;
}

#[async_trait]
impl<E: Engine> Store for E {
    async fn enqueue(&self, jobs: &[NewJob], now: Timestamp) -> Result<Vec<Enqueued>, StoreError> {
        let enqueued = self.write(Enqueue::jobs(jobs, now)).await?;
        self.tell();
        Ok(enqueued)
    }

    async fn enqueue_batch(&self, batch: &NewBatch, now: Timestamp) -> Result<(), StoreError> {
        self.write(EnqueueBatch::new(batch, now)).await?;
        self.tell();
        Ok(())
    }

    async fn look(
        &self,
        queues: &[&str],
        names: &[&str],
        now: Timestamp,
    ) -> Result<Due, StoreError> {
        self.read(Look::new(queues, names, now)).await
    }

    async fn claim(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Vec<Claim>, StoreError> {
        self.write(ClaimJobs::new(ask, now)).await
    }

    async fn renew(
        &self,
        held: &[Held],
        until: Timestamp,
        progress: &[(Held, Progress)],
    ) -> Result<Vec<Held>, StoreError> {
        self.write(Renew::new(held, until, progress)).await
    }

    async fn finish(&self, ends: &[End], now: Timestamp) -> Result<Vec<bool>, StoreError> {
        let (finished, queues_more) = self.write(Finish::new(ends, now)).await?;
        if queues_more {
            self.tell();
        }
        Ok(finished)
    }

    async fn promote(&self, limit: u32, now: Timestamp) -> Result<u64, StoreError> {
        let promoted = self.write(Promote { limit, now }).await?;
        if promoted > 0 {
            // Others may be those who have its handler, and have looked a moment too early.
            self.tell();
        }
        Ok(promoted)
    }

    async fn reap(&self, now: Timestamp) -> Result<u64, StoreError> {
        let reaped = self.write(Reap { now }).await?;
        if reaped > 0 {
            self.tell();
        }
        Ok(reaped)
    }

    async fn cancel(&self, id: JobId, now: Timestamp) -> Result<Option<Cancelled>, StoreError> {
        let before = self.write(Cancel { id, now }).await?;
        self.tell();
        Ok(before)
    }

    async fn retry(&self, id: JobId, now: Timestamp) -> Result<Option<JobState>, StoreError> {
        let before = self.write(Retry { id, now }).await?;
        self.tell();
        Ok(before)
    }

    async fn get(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.read(Get(id)).await
    }

    async fn summary(&self, id: JobId) -> Result<Option<JobSummary>, StoreError> {
        self.read(Summary(id)).await
    }

    async fn list(&self, filter: &Filter<'_>) -> Result<Vec<JobSummary>, StoreError> {
        self.read(List::new(filter)).await
    }

    async fn list_whole(&self, filter: &Filter<'_>) -> Result<Vec<Job>, StoreError> {
        self.read(ListWhole(List::new(filter))).await
    }

    async fn count(&self, filter: &Filter<'_>) -> Result<Counts, StoreError> {
        self.read(Count::new(filter)).await
    }

    async fn stats(&self, now: Timestamp) -> Result<Vec<QueueStats>, StoreError> {
        self.read(Stats { now }).await
    }

    async fn schedule(
        &self,
        name: &str,
        spec: &str,
        next: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        self.write(Schedule { name: name.to_owned(), spec: spec.to_owned(), next }).await
    }

    async fn fire(
        &self,
        name: &str,
        was: Timestamp,
        next: Timestamp,
        job: &NewJob,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let enqueue = Enqueue::jobs(std::slice::from_ref(job), now);
        let fired = self.write(Fire { name: name.to_owned(), was, next, enqueue }).await?;
        if fired {
            self.tell();
        }
        Ok(fired)
    }

    async fn sweep(
        &self,
        retention: &Retention,
        limit: u32,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.write(Sweep { retention: *retention, limit, now }).await
    }

    async fn changed(&self) {
        Engine::changed(self).await;
    }

    fn detached(&self) -> Arc<dyn Store> {
        Engine::detached(self)
    }

    async fn close(&self) {
        Engine::close(self).await;
    }
}
