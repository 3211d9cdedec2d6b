use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::{PAUSE_MAX, Shared, attempt, ends::Ending, event::Event, outage::Outage};
use crate::{
    StoreError,
    handler::Attempt,
    store::{Ask, AskQueue, Claim, QueueLimits},
};

/// A queue, and how many of its jobs this worker does at once.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) limits: QueueLimits,
    pub(super) slots: Arc<Semaphore>,
}

/// The place of an attempt among those of its queue. Another one may begin when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) ends: mpsc::Sender<Ending>,
    /// There until it is dropped.
    place: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.place = None;
        self.freed.notify_one();
    }
}

/// Takes jobs as there are slots for them, and starts their attempts.
#[derive(Debug)]
pub(super) struct Dispatcher {
    pub(super) shared: Arc<Shared>,
    pub(super) ends: mpsc::Sender<Ending>,
    pub(super) attempts: TaskTracker,
    pub(super) freed: Arc<Notify>,
}

/// What a claim has left to do.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    /// There was no slot for any job.
    NoSlot,
    /// Nothing that could begin.
    Nothing,
    /// Perhaps more in some queue, when it has a slot again or its limits allow it.
    More,
}

impl Dispatcher {
    pub(super) async fn run(self) {
        let Shared { queue, observer, stopping, .. } = &*self.shared;
        let mut queued = queue.signals().queued();
        let mut outage = Outage::new("taking jobs", PAUSE_MAX, observer.clone());
        while !stopping.is_cancelled() {
            // What is enqueued from here on is heard of.
            queued.mark_unchanged();
            let left = match self.claim().await {
                Ok(left) => left,
                Err(error) => {
                    stopping.run_until_cancelled(outage.wait(&error)).await;
                    continue;
                }
            };
            outage.over();
            tokio::select! {
                () = stopping.cancelled() => {}
                _ = queued.changed(), if left != Left::NoSlot => {}
                () = self.freed.notified(), if left != Left::Nothing => {}
            }
        }
    }

    /// Takes what can begin now, and begins it.
    async fn claim(&self) -> Result<Left, StoreError> {
        let shared = &*self.shared;
        let (asked, names) = (self.asks(), shared.names());
        if asked.is_empty() {
            return Ok(Left::NoSlot);
        }
        let now = shared.queue.time().now();
        let ask =
            Ask { worker: &shared.id, until: now + shared.lease, queues: &asked, names: &names };
        shared.registry.begin_claim();
        let claims = shared.queue.store().claim(&ask, now).await;
        let claims = claims.inspect_err(|_| shared.registry.end_claim())?;
        let is_short = |lane: &AskQueue<'_>| {
            let taken = claims.iter().filter(|claim| claim.step.queue == lane.name).count();
            taken < lane.count as usize
        };
        for rate in asked.iter().filter(|lane| is_short(lane)).filter_map(|lane| lane.limits.rate) {
            // Another one may begin then.
            shared.queue.signals().alarm(now + rate.per / rate.count.max(1));
        }
        let is_drained =
            |lane: &AskQueue<'_>| is_short(lane) && lane.limits == QueueLimits::default();
        let left = if asked.len() == shared.lanes.len() && asked.iter().all(is_drained) {
            Left::Nothing
        } else {
            Left::More
        };
        for claim in claims {
            self.begin(claim).await;
        }
        shared.registry.end_claim();
        Ok(left)
    }

    /// The queues with free slots.
    fn asks(&self) -> Vec<AskQueue<'_>> {
        let lanes = self.shared.lanes.iter().map(|lane| AskQueue {
            name: &lane.name,
            count: u32::try_from(lane.slots.available_permits()).unwrap_or(u32::MAX),
            limits: lane.limits,
        });
        lanes.filter(|ask| ask.count > 0).collect()
    }

    async fn begin(&self, claim: Claim) {
        let shared = &self.shared;
        let lane = shared.lanes.iter().find(|lane| lane.name == claim.step.queue);
        let place = lane.and_then(|lane| Arc::clone(&lane.slots).try_acquire_owned().ok());
        let handler = shared.handlers.get(&claim.step.name);
        let attempt = Arc::new(Attempt::new(claim));
        let claim = &attempt.claim;
        let (Some(place), Some(handler), false) = (place, handler, shared.stopping.is_cancelled())
        else {
            // It was not asked for, or the worker has begun to stop in the meantime.
            return self.give_back(&attempt).await;
        };
        if !shared.registry.insert(&attempt) {
            return;
        }
        let waited = shared.queue.time().now() - claim.run_at;
        shared.observer.tell(&Event::Claimed { claim, waited });
        shared.queue.signals().changed(claim.held.id);
        let span = tracing::info_span!(
            "job",
            otel.kind = "consumer",
            job_id = %claim.held.id,
            name = claim.step.name,
            attempt = claim.attempt,
        );
        let slot =
            Slot { ends: self.ends.clone(), place: Some(place), freed: Arc::clone(&self.freed) };
        let work = attempt::make(Arc::clone(shared), handler.clone(), attempt, slot);
        self.attempts.spawn(work.instrument(span));
    }

    /// Gives back what was taken and not begun.
    async fn give_back(&self, attempt: &Arc<Attempt>) {
        let (registry, held) = (&self.shared.registry, attempt.claim.held);
        if registry.insert(attempt) && registry.end(held) {
            let _ = self.ends.send(attempt::released(&attempt.claim)).await;
        }
    }
}
