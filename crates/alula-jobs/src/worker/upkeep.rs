use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{PAUSE_MAX, Shared, outage::Outage};
use crate::StoreError;

/// The least time between two looks, however many changes there are.
const LOOK_INTERVAL_MIN: Duration = Duration::from_millis(10);
/// How many jobs are promoted or swept in one transaction.
const PIECE: u32 = 1000;
/// How often jobs are forgotten that ended long ago.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// The pause between two pieces of a sweep, in which others can write.
const SWEEP_PAUSE: Duration = Duration::from_millis(50);

/// Looks what there is to do: now and then, when another process says that something may have
/// changed, and when something is due that was scheduled here. A look takes no lock; only what it
/// finds does.
pub(super) async fn watch(shared: Arc<Shared>) {
    let mut outage = Outage::new("looking for jobs", PAUSE_MAX, shared.observer.clone());
    let mut reap_at = Instant::now();
    // It is kept until it is ready: to begin to listen may take longer than a pause.
    let mut changed = pin!(shared.queue.store().changed());
    let mut news = shared.queue.signals().news();
    loop {
        // What is told from here on is looked for.
        news.mark_unchanged();
        match look(&shared, &mut reap_at).await {
            Ok(()) => {
                outage.over();
                if until_next_look(&shared, changed.as_mut(), &mut news).await {
                    changed.set(shared.queue.store().changed());
                }
            }
            Err(error) => outage.wait(&error).await,
        }
    }
}

/// Returns whether the store has said that something may have changed.
async fn until_next_look(
    shared: &Shared,
    mut changed: Pin<&mut impl Future<Output = ()>>,
    news: &mut watch::Receiver<u64>,
) -> bool {
    sleep(LOOK_INTERVAL_MIN).await;
    let signals = shared.queue.signals();
    let mut poll = pin!(sleep(shared.poll));
    let mut alarms = signals.alarms();
    let has_changed = loop {
        let now = shared.queue.time().now();
        let alarm = alarms.borrow_and_update().first().map(|at| *at - now);
        tokio::select! {
            () = &mut poll => break false,
            () = sleep(alarm.unwrap_or(Duration::MAX)) => break false,
            () = &mut changed => {
                signals.tell_news();
                break true;
            }
            // Another worker of this process was told. Its sender is there as long as the queue.
            _ = news.changed() => break false,
            // There may be an earlier one. Its sender is there as long as the queue.
            _ = alarms.changed() => {}
        }
    };
    signals.rang(shared.queue.time().now());
    has_changed
}

/// Does what is to be done, and wakes the workers of this process if there are jobs to take.
async fn look(shared: &Shared, reap_at: &mut Instant) -> Result<(), StoreError> {
    let (store, now) = (shared.queue.store(), shared.queue.time().now());
    let lanes: Vec<&str> = shared.lanes.iter().map(|lane| lane.name.as_str()).collect();
    let due = store.look(&lanes, &shared.names(), now).await?;
    let mut more = due.queued;
    if due.scheduled {
        while store.promote(PIECE, now).await? >= PIECE.into() {}
        more = true;
    }
    if due.expired || *reap_at <= Instant::now() {
        more |= store.reap(now).await? > 0;
        *reap_at = Instant::now() + shared.lease / 6;
    }
    if more {
        shared.queue.signals().wake();
    }
    Ok(())
}

/// Forgets jobs that ended long ago, in pieces.
pub(super) async fn sweep(shared: Arc<Shared>) {
    let kept = shared.retention.done.min(shared.retention.failed);
    let interval = SWEEP_INTERVAL.min(kept).max(SWEEP_PAUSE);
    let mut outage = Outage::new("forgetting old jobs", PAUSE_MAX, shared.observer.clone());
    loop {
        // Workers that were started together do not sweep together.
        sleep(interval.mul_f64(0.5 + fastrand::f64())).await;
        loop {
            let now = shared.queue.time().now();
            match shared.queue.store().sweep(&shared.retention, PIECE, now).await {
                Ok(swept) => {
                    outage.over();
                    // What is behind a piece may be the children of what was in it.
                    if swept == 0 {
                        break;
                    }
                    sleep(SWEEP_PAUSE).await;
                }
                Err(error) => outage.wait(&error).await,
            }
        }
    }
}
