//! A store whose calls can be counted, and made to fail.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use alula_jobs::{
    Counts, Enqueued, Filter, Job, JobId, JobState, JobSummary, NewBatch, NewJob, Progress,
    QueueStats, Retention, Store, StoreError, Timestamp,
    store::{Ask, Cancelled, Claim, Due, End, Held, Next},
};
use async_trait::async_trait;
use tokio::sync::watch;

/// A call of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Enqueue,
    Batch,
    Look,
    Claim,
    Renew,
    Finish,
    Promote,
    Reap,
    Cancel,
    Retry,
    Schedule,
    Fire,
    Sweep,
}

impl Call {
    pub(super) const ALL: [Self; 13] = [
        Self::Enqueue,
        Self::Batch,
        Self::Look,
        Self::Claim,
        Self::Renew,
        Self::Finish,
        Self::Promote,
        Self::Reap,
        Self::Cancel,
        Self::Retry,
        Self::Schedule,
        Self::Fire,
        Self::Sweep,
    ];
}

/// When a call fails that is to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Before anything is done.
    Before,
    /// It is done, and the answer is lost.
    After,
    /// Before anything is done, and it would not work another time.
    Refused,
}

/// Says of a call, and of how many of its kind there were before, whether it fails.
type Faults = dyn Fn(Call, usize) -> Option<Fault> + Send + Sync;

/// A store around another one. Clones are the same.
#[derive(Clone)]
pub(super) struct Faulty {
    store: Arc<dyn Store>,
    faults: Arc<Mutex<Arc<Faults>>>,
    /// How many calls of each kind have begun.
    begun: Arc<[AtomicUsize; Call::ALL.len()]>,
    /// How many calls of each kind there were.
    calls: Arc<watch::Sender<[usize; Call::ALL.len()]>>,
    /// The steps whose success the store has taken.
    succeeded: Arc<Mutex<Vec<(JobId, u32)>>>,
}

impl Faulty {
    /// Nothing fails yet.
    pub(super) fn new(store: impl Store) -> Self {
        let faults: Arc<Faults> = Arc::new(|_, _| None);
        Self {
            store: Arc::new(store),
            faults: Arc::new(Mutex::new(faults)),
            begun: Arc::default(),
            calls: Arc::new(watch::Sender::default()),
            succeeded: Arc::default(),
        }
    }

    /// From here on these calls fail.
    pub(super) fn fail(
        &self,
        faults: impl Fn(Call, usize) -> Option<Fault> + Send + Sync + 'static,
    ) {
        *self.faults.lock().unwrap() = Arc::new(faults);
    }

    /// How many calls of this kind there were.
    pub(super) fn calls(&self, call: Call) -> usize {
        self.calls.borrow()[call as usize]
    }

    /// Waits until there were so many.
    pub(super) async fn until(&self, call: Call, count: usize) {
        self.calls.subscribe().wait_for(|calls| calls[call as usize] >= count).await.unwrap();
    }

    /// The steps whose success the store has taken, each as often as it did.
    pub(super) fn succeeded(&self) -> Vec<(JobId, u32)> {
        self.succeeded.lock().unwrap().clone()
    }

    async fn make<T>(
        &self,
        call: Call,
        made: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let before = self.begun[call as usize].fetch_add(1, SeqCst);
        let faults = Arc::clone(&self.faults.lock().unwrap());
        let fault = faults(call, before);
        let made = match fault {
            Some(Fault::Before) => Err(StoreError::from(sqlx_io())),
            Some(Fault::Refused) => Err(StoreError::Malformed("a result")),
            Some(Fault::After) => made.await.and_then(|_| Err(StoreError::from(sqlx_io()))),
            None => made.await,
        };
        self.calls.send_modify(|calls| calls[call as usize] += 1);
        made
    }
}

impl std::fmt::Debug for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Faulty").field(&self.store).finish()
    }
}

fn sqlx_io() -> sqlx::Error {
    sqlx::Error::Io(io::Error::other("the cable is cut"))
}

#[async_trait]
impl Store for Faulty {
    async fn enqueue(&self, jobs: &[NewJob], now: Timestamp) -> Result<Vec<Enqueued>, StoreError> {
        self.make(Call::Enqueue, self.store.enqueue(jobs, now)).await
    }

    async fn enqueue_batch(&self, batch: &NewBatch, now: Timestamp) -> Result<(), StoreError> {
        self.make(Call::Batch, self.store.enqueue_batch(batch, now)).await
    }

    async fn look(
        &self,
        queues: &[&str],
        names: &[&str],
        now: Timestamp,
    ) -> Result<Due, StoreError> {
        self.make(Call::Look, self.store.look(queues, names, now)).await
    }

    async fn claim(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Vec<Claim>, StoreError> {
        self.make(Call::Claim, self.store.claim(ask, now)).await
    }

    async fn renew(
        &self,
        held: &[Held],
        until: Timestamp,
        progress: &[(Held, Progress)],
    ) -> Result<Vec<Held>, StoreError> {
        self.make(Call::Renew, self.store.renew(held, until, progress)).await
    }

    async fn finish(&self, ends: &[End], now: Timestamp) -> Result<Vec<bool>, StoreError> {
        let finish = async {
            let counted = self.store.finish(ends, now).await?;
            let is_success = |end: &&End| matches!(end.next, Next::Done(_) | Next::Children { .. });
            let taken = ends.iter().zip(&counted).filter(|(_, counted)| **counted);
            let succeeded = taken.map(|(end, _)| end).filter(is_success);
            let steps = succeeded.map(|end| (end.claim.held.id, end.claim.number));
            self.succeeded.lock().unwrap().extend(steps);
            Ok(counted)
        };
        self.make(Call::Finish, finish).await
    }

    async fn promote(&self, limit: u32, now: Timestamp) -> Result<u64, StoreError> {
        self.make(Call::Promote, self.store.promote(limit, now)).await
    }

    async fn reap(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.make(Call::Reap, self.store.reap(now)).await
    }

    async fn cancel(&self, id: JobId, now: Timestamp) -> Result<Option<Cancelled>, StoreError> {
        self.make(Call::Cancel, self.store.cancel(id, now)).await
    }

    async fn retry(&self, id: JobId, now: Timestamp) -> Result<Option<JobState>, StoreError> {
        self.make(Call::Retry, self.store.retry(id, now)).await
    }

    async fn get(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.store.get(id).await
    }

    async fn summary(&self, id: JobId) -> Result<Option<JobSummary>, StoreError> {
        self.store.summary(id).await
    }

    async fn list(&self, filter: &Filter<'_>) -> Result<Vec<JobSummary>, StoreError> {
        self.store.list(filter).await
    }

    async fn list_whole(&self, filter: &Filter<'_>) -> Result<Vec<Job>, StoreError> {
        self.store.list_whole(filter).await
    }

    async fn count(&self, filter: &Filter<'_>) -> Result<Counts, StoreError> {
        self.store.count(filter).await
    }

    async fn stats(&self, now: Timestamp) -> Result<Vec<QueueStats>, StoreError> {
        self.store.stats(now).await
    }

    async fn schedule(
        &self,
        name: &str,
        spec: &str,
        next: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        self.make(Call::Schedule, self.store.schedule(name, spec, next)).await
    }

    async fn fire(
        &self,
        name: &str,
        was: Timestamp,
        next: Timestamp,
        job: &NewJob,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.make(Call::Fire, self.store.fire(name, was, next, job, now)).await
    }

    async fn sweep(
        &self,
        retention: &Retention,
        limit: u32,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.make(Call::Sweep, self.store.sweep(retention, limit, now)).await
    }

    async fn changed(&self) {
        self.store.changed().await;
    }

    fn detached(&self) -> Arc<dyn Store> {
        Arc::new(Self { store: self.store.detached(), ..self.clone() })
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
