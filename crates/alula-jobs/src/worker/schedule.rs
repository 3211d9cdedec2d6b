use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{PAUSE_MAX, Shared, cron::Times, outage::Outage};
use crate::{JobId, NewJob, StoreError, Timestamp};

/// How often the clock is looked at, which may be set.
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);

/// A job that is enqueued again and again.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) name: String,
    pub(super) spec: String,
    pub(super) times: Times,
    /// What is enqueued, under a name of its own each time.
    pub(super) job: NewJob,
}

/// Enqueues the job of a schedule whenever it is due, together with other workers that do the same.
pub(super) async fn keep(shared: Arc<Shared>, schedule: Schedule) {
    let mut outage = Outage::new("enqueuing what is due", PAUSE_MAX, shared.observer.clone());
    let mut due = None;
    loop {
        match step(&shared, &schedule, due).await {
            Ok(next) => {
                outage.over();
                due = next;
                sleep(shared.poll.min(CLOCK_INTERVAL)).await;
            }
            Err(error) => outage.wait(&error).await,
        }
    }
}

/// Fires if the schedule is due. Returns when it is due next, or nothing if the store must be asked.
async fn step(
    shared: &Shared,
    schedule: &Schedule,
    due: Option<Timestamp>,
) -> Result<Option<Timestamp>, StoreError> {
    let (queue, now) = (&shared.queue, shared.queue.time().now());
    // What was missed is made up for once, as the next time is after this moment.
    let Some(next) = schedule.times.after(now) else { return Ok(due) };
    match due {
        None => {
            let due = queue.store().schedule(&schedule.name, &schedule.spec, next).await?;
            Ok(Some(due))
        }
        Some(due) if now < due => Ok(Some(due)),
        Some(due) => {
            let job = NewJob { id: JobId::new(), ..schedule.job.clone() };
            if !queue.store().fire(&schedule.name, due, next, &job, now).await? {
                // Another worker did, or another specification holds.
                return Ok(None);
            }
            tracing::debug!(schedule = schedule.name, job_id = %job.id, "a schedule is due");
            queue.announce(&[job]);
            Ok(Some(next))
        }
    }
}
