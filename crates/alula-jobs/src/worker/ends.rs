use std::{mem, sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    PAUSE_MAX, Shared,
    event::{Event, Outcome},
    outage::Outage,
};
use crate::{
    StoreError,
    store::{Claim, End, Next},
};

/// How many ends may wait for the store. Handlers that are done wait for room.
pub(super) const ENDS_MAX: usize = 1024;
/// How many ends are one transaction.
const BATCH_MAX: usize = 256;

/// The end of an attempt, on its way to the store.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) end: End,
    /// How long the handler took.
    pub(super) ran: Duration,
}

impl Ending {
    pub(super) fn new(claim: &Arc<Claim>, next: Next, ran: Duration) -> Self {
        Self { end: End { claim: Arc::clone(claim), next }, ran }
    }
}

/// Writes ends down, many at a time, each until the store knows of it or says that it does not
/// count. Once it may finish, it takes in no more, and returns when all are written.
pub(super) async fn write(
    shared: Arc<Shared>,
    mut ends: mpsc::Receiver<Ending>,
    finish: CancellationToken,
) {
    let mut outage = Outage::new("noting how jobs have ended", PAUSE_MAX, shared.observer.clone());
    let mut batch = Vec::new();
    loop {
        let received = tokio::select! {
            received = ends.recv_many(&mut batch, BATCH_MAX) => received,
            () = finish.cancelled(), if !ends.is_closed() => {
                ends.close();
                continue;
            }
        };
        if received == 0 {
            return;
        }
        let (ends, took) =
            mem::take(&mut batch).into_iter().map(|Ending { end, ran }| (end, ran)).unzip();
        write_batch(&shared, ends, took, &mut outage).await;
    }
}

async fn write_batch(shared: &Shared, ends: Vec<End>, took: Vec<Duration>, outage: &mut Outage) {
    let mut tries = 0_u32;
    loop {
        tries = tries.saturating_add(1);
        match shared.queue.store().finish(&ends, shared.queue.time().now()).await {
            Ok(counted) => {
                outage.over();
                for ((end, ran), counted) in ends.iter().zip(took).zip(counted) {
                    // After a try whose answer was lost, an end does not count a second time.
                    told(shared, end, ran, counted || tries > 1);
                }
                return;
            }
            Err(StoreError::Closed) => return tracing::error!("the store was closed too early"),
            Err(error) if error.is_temporary() => outage.wait(&error).await,
            Err(error) => match (&*ends, &*took) {
                ([end], [ran]) => {
                    // What is wrong with the store is over at some time.
                    if error.is_of_the_values() && replace(shared, end, *ran, &error).await {
                        return;
                    }
                    outage.wait(&error).await;
                }
                // One of them may be what it refuses; the others must not suffer for it.
                _ => return write_each(shared, ends, took, outage).await,
            },
        }
    }
}

async fn write_each(shared: &Shared, ends: Vec<End>, took: Vec<Duration>, outage: &mut Outage) {
    for (end, ran) in ends.into_iter().zip(took) {
        Box::pin(write_batch(shared, vec![end], vec![ran], outage)).await;
    }
}

/// An end that is refused while another one of the same job is taken will never be taken: the job
/// has failed. Returns whether it is so.
async fn replace(shared: &Shared, end: &End, ran: Duration, error: &StoreError) -> bool {
    let error = format!("how it ended could not be kept: {error}");
    let claim = Arc::clone(&end.claim);
    let end = End { claim, next: Next::Fail { error, result: None } };
    let ends = std::slice::from_ref(&end);
    match shared.queue.store().finish(ends, shared.queue.time().now()).await {
        Ok(counted) => {
            tracing::error!(job_id = %end.claim.held.id, "the end of a job was refused");
            told(shared, &end, ran, counted.contains(&true));
            true
        }
        Err(_) => false,
    }
}

/// Tells everybody what the store knows now.
fn told(shared: &Shared, end: &End, ran: Duration, counted: bool) {
    let claim = &*end.claim;
    shared.registry.remove(claim.held);
    if counted {
        let outcome = outcome(end);
        shared.observer.tell(&Event::Ended { claim, outcome, ran });
    } else {
        tracing::warn!(
            job_id = %claim.held.id,
            job = claim.step.name,
            attempt = claim.attempt,
            "the end of an attempt does not count: the job was cancelled, or its lease was lost",
        );
        shared.observer.tell(&Event::Lost { claim });
    }
    let signals = shared.queue.signals();
    signals.changed(claim.held.id);
    claim.parent.inspect(|parent| signals.changed(*parent));
    match &end.next {
        // It is queued only when somebody looks.
        Next::Retry { at, .. } | Next::Release { at } => signals.alarm(*at),
        Next::Done(_) | Next::Children { .. } if !claim.rest.is_empty() => signals.wake(),
        Next::Children { .. } => signals.wake(),
        // Something may follow the end of the job: a look is less than another claim.
        Next::Done(_) | Next::Fail { .. } => signals.alarm(shared.queue.time().now()),
    }
}

fn outcome(end: &End) -> Outcome {
    match &end.next {
        Next::Done(_) | Next::Children { .. } => Outcome::Succeeded,
        Next::Retry { .. } => Outcome::Retried,
        Next::Fail { .. } => Outcome::Failed,
        Next::Release { .. } => Outcome::Released,
    }
}
